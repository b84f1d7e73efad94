"""Diversity, and scorers of topic models in cross-validation and grid searches."""

import pickle
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import BaseEstimator, clone
from sklearn.cluster import KMeans
from sklearn.decomposition import NMF, LatentDirichletAllocation
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer
from sklearn.feature_selection import SelectKBest
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from featlearn.topics.coherence import topic_coherence
from featlearn.topics.extractor import TopicExtractor
from featlearn.topics.lda import LDA
from featlearn.topics.metrics import TopicScorer, topic_diversity, topic_scorer
from featlearn.topics.tables import Topics
from featlearn.topics.topic_model import TopicModelMixin

MEASURES = ["npmi", "umass", "uci", "c_v", "diversity"]


def corpus(n_documents=60, seed=0):
    """Strings of 15 to 40 words about one of three subjects."""
    rng = np.random.default_rng(seed)
    texts = []
    for i, n in enumerate(rng.integers(15, 40, n_documents)):
        subject = rng.choice(8, n) + 8 * (i % 3)
        texts.append(" ".join(f"word{w}" for w in np.where(rng.random(n) < 0.2, 24 + rng.choice(6, n), subject)))
    return texts


TEXTS = corpus()
COUNTS = CountVectorizer().fit_transform(TEXTS)


def lda(n_components=3, **options):
    return LatentDirichletAllocation(n_components, max_iter=4, random_state=0, **options)


class Fixed(TopicModelMixin, BaseEstimator):
    """A topic model of given topics, by which words infer proportions at once."""

    def __init__(self, n_components=2, n_jobs=None):
        self.n_components = n_components
        self.n_jobs = n_jobs

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        first = np.asarray(X.sum(axis=0)).ravel() + 1.0
        self.components_ = first ** np.arange(self.n_components)[:, None]
        self.components_ /= self.components_.sum(axis=1, keepdims=True)
        return self

    def _inference(self):
        return lambda chunk: np.full((chunk.shape[0], self.n_components), 1 / self.n_components)


# --- diversity


def test_indices_in_an_array_are_not_taken_for_weights():
    """argsort's array of whole numbers would be components of a tiny vocabulary, and all topics alike."""
    phi = np.random.default_rng(0).dirichlet(np.ones(40), 3)
    indices = np.argsort(-phi)[:, :10]
    for top in (10, 25):
        with pytest.raises(ValueError, match=r"10 whole numbers a row, none twice.*pass topics\.tolist\(\)"):
            topic_diversity(indices, top=top)
    assert topic_diversity(indices.tolist(), top=10) == topic_diversity(phi, top=10)
    assert topic_diversity(np.array([[3, 2, 0], [0, 2, 3]]), top=2) == 0.75
    assert topic_diversity(np.array([[3, 0, 0], [0, 2, 3]]), top=3) == 0.5


def test_steps_that_lose_the_words_are_named():
    pipeline = make_pipeline(CountVectorizer(), FunctionTransformer(), NMF(2, random_state=0)).fit(TEXTS)
    with pytest.raises(ValueError, match="topics are indices; pass terms"):
        topic_scorer("npmi")(pipeline, TEXTS)
    names = pipeline[0].get_feature_names_out()
    assert topic_scorer("npmi", terms=names)(pipeline, TEXTS) == topic_scorer("npmi", terms=pipeline[0].vocabulary_)(
        pipeline, TEXTS
    )
    assert Topics.from_estimator(pipeline).terms[0] == "term 0"
    behind = make_pipeline(FunctionTransformer(), CountVectorizer(), NMF(2, random_state=0)).fit(TEXTS)
    assert Topics.from_estimator(behind).terms == tuple(names)


@pytest.mark.parametrize("terms", [{"a", "b"}, "ab", ["a", "a"]])
def test_a_scorer_refuses_at_once_what_a_search_would_score_as_nan(terms):
    with pytest.raises(ValueError, match="topic_scorer: terms "):
        topic_scorer("npmi", terms=terms)
    with pytest.raises(ValueError, match=r"reference=<.*> is not valid; pass documents that can be read again"):
        topic_scorer("npmi", reference=(text for text in TEXTS))


def test_diversity():
    phi = np.array([[5, 4, 3, 2, 1], [4, 5, 1, 2, 3], [1, 2, 3, 4, 5.0]])
    assert topic_diversity(phi, top=2) == pytest.approx(4 / 6)  # {0, 1}, {1, 0}, {4, 3}
    assert topic_diversity(phi, top=1) == 1
    assert topic_diversity(phi, top=5) == pytest.approx(1 / 3)
    assert topic_diversity([["a", "b"], ["a", "c"]]) == 0.75
    assert topic_diversity([[3, 4], [3, 4]]) == 0.5
    assert topic_diversity(phi[:1], top=3) == 1  # one topic repeats nothing


@pytest.mark.parametrize(
    ("topics", "top", "message"),
    [
        (np.eye(3), 25, r"topic_diversity: top=25 is larger than the vocabulary of 3 terms"),
        (np.eye(3), 0, r"topic_diversity: top=0 is not valid; pass an integer of at least 1"),
        (np.full((2, 3), np.nan), 2, r"topics given to topic_diversity contains NaN"),
        (np.ones(3), 2, r"topic_diversity: topics have shape \(3,\)"),
        ([["a", "a"]], 2, r"topic_diversity: topic 0 lists 'a' more than once"),
        (["ab"], 2, r"topic_diversity: topics hold 'ab' where a list of terms belongs"),
    ],
)
def test_diversity_names_bad_input(topics, top, message):
    with pytest.raises(ValueError, match=message):
        topic_diversity(topics, top)


# --- what a scorer reads


@pytest.mark.parametrize("model", [lda(), NMF(3, init="nndsvda", random_state=0, max_iter=500)])
def test_scores_of_a_model_on_counts(model):
    model.fit(COUNTS[:40])
    X = COUNTS[40:]
    for measure in ("npmi", "umass", "uci", "c_v"):
        expected = topic_coherence(model.components_, X, measure=measure, top=5).mean()
        assert topic_scorer(measure, top=5)(model, X) == expected
        assert topic_scorer(measure, top=5)(model, X.toarray(), None) == expected
    assert topic_scorer("diversity", top=5)(model, X) == topic_diversity(model.components_, 5)
    assert isinstance(topic_scorer("npmi")(model, X), float)


@pytest.mark.parametrize("measure", ["npmi", "uci", "c_v"])
def test_windows_slide_over_the_words_of_the_pipelines_vectorizer(measure):
    pipeline = make_pipeline(CountVectorizer(stop_words=["word24"]), lda()).fit(TEXTS[:40])
    terms = pipeline[0].get_feature_names_out()
    analyze = pipeline[0].build_analyzer()
    tokens = [analyze(text) for text in TEXTS[40:]]
    phi = pipeline[-1].components_
    for window in (None, 4):
        expected = topic_coherence(phi, tokens, measure=measure, terms=terms, window=window).mean()
        assert topic_scorer(measure, window=window)(pipeline, TEXTS[40:]) == expected
    whole = topic_coherence(phi, pipeline[0].transform(TEXTS[40:]), measure=measure).mean()
    assert topic_scorer(measure, window="document")(pipeline, TEXTS[40:]) == whole
    assert topic_scorer(measure, window=4)(pipeline, TEXTS[40:]) != whole


def test_umass_counts_documents():
    pipeline = make_pipeline(CountVectorizer(), lda()).fit(TEXTS)
    expected = topic_coherence(pipeline[-1].components_, COUNTS, measure="umass").mean()
    assert topic_scorer("umass")(pipeline, TEXTS) == expected
    tokens = [text.split() for text in TEXTS]
    terms = pipeline[0].get_feature_names_out()
    expected = topic_coherence(pipeline[-1].components_, tokens, measure="umass", window=5, terms=terms).mean()
    assert topic_scorer("umass", window=5)(pipeline, TEXTS) == expected


def split(texts):
    return [[word for word in text.split() if word != "word24"] for text in texts]


def same(tokens):
    return tokens


def test_steps_before_and_after_the_vectorizer():
    """A tokenizer first; weights, a selection of terms and a skipped step behind; pipelines within pipelines."""
    tokens = split(TEXTS)
    counter = CountVectorizer(analyzer=same)
    front = Pipeline([("split", FunctionTransformer(split)), ("count", counter), ("none", None)])
    y = np.arange(60) % 3
    pipeline = make_pipeline(front, "passthrough", TfidfTransformer(), SelectKBest(k=18), make_pipeline(lda()))
    pipeline.fit(TEXTS, y)
    terms = counter.get_feature_names_out()[pipeline[3].get_support()]
    model = pipeline[-1][0]
    assert model.components_.shape[1] == 18
    for measure in ("npmi", "c_v"):
        expected = topic_coherence(model.components_, tokens, measure=measure, terms=terms, top=4).mean()
        assert topic_scorer(measure, top=4)(pipeline, TEXTS) == expected
    search = GridSearchCV(pipeline, {"selectkbest__k": [18]}, scoring=topic_scorer("npmi", top=4), cv=2).fit(TEXTS, y)
    again = topic_coherence(model.components_, tokens, terms=terms, top=4).mean()
    assert topic_scorer("npmi", top=4)(search, TEXTS) == pytest.approx(again)


@pytest.mark.parametrize(
    "vectorizer",
    [
        CountVectorizer(ngram_range=(1, 2)),
        HashingVectorizer(n_features=64, alternate_sign=False, norm=None),
        FunctionTransformer(CountVectorizer().fit(TEXTS).transform),
    ],
)
def test_without_words_in_order_documents_are_windows(vectorizer):
    pipeline = make_pipeline(vectorizer, lda()).fit(TEXTS)
    for measure in ("npmi", "c_v"):
        expected = topic_coherence(pipeline[-1].components_, vectorizer.transform(TEXTS), measure=measure).mean()
        assert topic_scorer(measure)(pipeline, TEXTS) == expected


def test_bigrams_keep_their_order():
    pipeline = make_pipeline(CountVectorizer(ngram_range=(2, 2), min_df=2), lda()).fit(TEXTS)
    tokens = [[f"{a} {b}" for a, b in pairwise(text.split())] for text in TEXTS]
    terms = pipeline[0].get_feature_names_out()
    expected = topic_coherence(pipeline[-1].components_, tokens, terms=terms).mean()
    assert topic_scorer("npmi")(pipeline, TEXTS) == expected


def test_a_reference_overrides_the_documents_scored():
    pipeline = make_pipeline(CountVectorizer(), lda()).fit(TEXTS)
    model, terms = pipeline[-1], pipeline[0].get_feature_names_out()
    other = corpus(seed=9)
    tokens = [text.split() for text in other]
    counts = pipeline[0].transform(other)
    in_windows = topic_coherence(model.components_, tokens, terms=terms).mean()
    in_documents = topic_coherence(model.components_, counts).mean()
    assert topic_scorer("npmi", reference=tokens)(pipeline, TEXTS) == in_windows
    assert topic_scorer("npmi", reference=other)(pipeline, TEXTS) == in_windows
    assert topic_scorer("npmi", reference=counts)(pipeline, TEXTS) == in_documents
    assert topic_scorer("npmi", reference=counts)(model, COUNTS) == in_documents
    assert topic_scorer("npmi", reference=tokens, terms=terms)(model, COUNTS) == in_windows
    with pytest.raises(ValueError, match="pass terms, the word of each index"):
        topic_scorer("npmi", reference=tokens)(model, COUNTS)
    with pytest.raises(ValueError, match="numbers of terms differ: topics 30, reference 29"):
        topic_scorer("npmi", reference=counts[:, 1:])(model, COUNTS)


def test_an_extractor_is_its_pipeline():
    extractor = TopicExtractor(Fixed(), min_df=2).fit(TEXTS)
    tokens = extractor.tokenizer_.transform(TEXTS)
    expected = topic_coherence(extractor.components_, tokens, measure="c_v", terms=extractor.terms_, top=4).mean()
    assert topic_scorer("c_v", top=4)(extractor, TEXTS) == expected
    assert topic_scorer("perplexity")(extractor, TEXTS) == -extractor.perplexity(TEXTS)
    search = GridSearchCV(extractor, {"model__n_components": [1, 2]}, scoring=topic_scorer("npmi", top=4), cv=2)
    assert np.isfinite(search.fit(TEXTS).cv_results_["mean_test_score"]).all()


def test_terms_from_a_data_frame():
    pandas = pytest.importorskip("pandas")
    terms = CountVectorizer().fit(TEXTS).get_feature_names_out()
    frame = pandas.DataFrame(COUNTS.toarray(), columns=terms)
    model = lda().fit(frame)
    tokens = [text.split() for text in TEXTS]
    expected = topic_coherence(model.components_, tokens, terms=terms, measure="c_v").mean()
    assert topic_scorer("c_v", reference=tokens)(model, frame) == expected


# --- perplexity


def test_perplexity_is_that_of_the_model_negated():
    model = Fixed().fit(COUNTS)
    assert topic_scorer("perplexity")(model, COUNTS[:20]) == -model.perplexity(COUNTS[:20])
    pipeline = make_pipeline(CountVectorizer(), Fixed()).fit(TEXTS)
    assert topic_scorer("perplexity")(pipeline, TEXTS[:20]) == -model.perplexity(COUNTS[:20])


def test_perplexity_of_another_kind_is_refused():
    model = lda().fit(COUNTS)
    with pytest.raises(
        TypeError, match=r"topic_scorer\('perplexity'\) needs a topic model of featlearn.*got LatentDir"
    ):
        topic_scorer("perplexity")(model, COUNTS)


# --- scikit-learn's tools


def test_several_scorers_at_once():
    scorers = {measure: topic_scorer(measure, top=5) for measure in [*MEASURES, "perplexity"]}
    pipeline = make_pipeline(CountVectorizer(), Fixed())
    found = cross_validate(pipeline, TEXTS, scoring=scorers, cv=3, return_estimator=True)
    for measure, scorer in scorers.items():
        scores = found[f"test_{measure}"]
        assert scores.shape == (3,)
        fold = TEXTS[:20]
        assert scores[0] == scorer(found["estimator"][0], fold)
        single = cross_val_score(pipeline, TEXTS, scoring=scorer, cv=3)
        np.testing.assert_array_equal(scores, single)


def loky_workers():
    """Process ids of the worker processes of this one."""
    psutil = pytest.importorskip("psutil")
    found = set()
    for child in psutil.Process().children(recursive=True):
        command = " ".join(child.cmdline())
        if "loky" in command and "tracker" not in command:
            found.add(child.pid)
    return found


def test_grid_search_with_two_workers_without_a_leak():
    """Two processes give what one gives, whoever refits, and are gone when their pool is shut down."""
    from joblib.externals.loky import get_reusable_executor

    scorers = {measure: topic_scorer(measure, top=5) for measure in MEASURES}
    theirs = {"lda__n_components": [1, 3], "lda__doc_topic_prior": [0.1, 1.0]}
    ours = {"lda__n_components": [1, 3], "lda__alpha": [0.1, 1.0]}
    cases = [
        (lda(), theirs, scorers),
        (
            LDA(method="vb", max_iter=5, tol=0, random_state=0),
            ours,
            scorers | {"perplexity": topic_scorer("perplexity")},
        ),
    ]
    before = loky_workers()
    try:
        for model, grid, scoring in cases:
            pipeline = Pipeline([("count", CountVectorizer()), ("lda", model)])
            one, two = (
                GridSearchCV(pipeline, grid, scoring=scoring, refit="npmi", cv=2, n_jobs=n_jobs).fit(TEXTS)
                for n_jobs in (1, 2)
            )
            for measure in scoring:
                key = f"mean_test_{measure}"
                assert np.isfinite(one.cv_results_[key]).all()
                np.testing.assert_array_equal(one.cv_results_[key], two.cv_results_[key])
            assert one.best_params_ == two.best_params_
            assert two.best_params_["lda__n_components"] == 3  # the number of subjects
            np.testing.assert_array_equal(one.best_estimator_[-1].components_, two.best_estimator_[-1].components_)
        assert loky_workers()  # or the assertion below says nothing
    finally:
        get_reusable_executor().shutdown(wait=True)
    assert not loky_workers() - before


# --- the object


def test_pickle_clone_and_repr():
    scorer = topic_scorer("c_v", top=7, window=20, reference=COUNTS)
    assert isinstance(scorer, TopicScorer)
    assert repr(scorer) == "topic_scorer('c_v', top=7, window=20, reference=...)"
    assert repr(topic_scorer("perplexity")) == "topic_scorer('perplexity')"
    assert repr(topic_scorer(terms=["a"])) == "topic_scorer('npmi', terms=...)"
    model = lda().fit(COUNTS)
    scorer = topic_scorer("c_v", top=7, reference=sp.csr_array(COUNTS))
    again = pickle.loads(pickle.dumps(scorer))
    assert again(model, COUNTS) == scorer(model, COUNTS)
    search = clone(GridSearchCV(lda(), {"n_components": [2]}, scoring=scorer))
    assert search.scoring(model, COUNTS) == scorer(model, COUNTS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"measure": "pmi"}, r"TopicScorer: measure='pmi' is not valid; pass one of 'perplexity', 'diversity', 'npmi'"),
        ({"top": 1}, r"TopicScorer: top=1 is not valid; pass an integer of at least 2"),
        ({"measure": "diversity", "top": 0}, r"top=0 is not valid; pass an integer of at least 1"),
        ({"window": -3}, r"window=-3 is not valid; pass None or an integer of at least 1 or one of 'document'"),
    ],
)
def test_bad_parameters_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        topic_scorer(**arguments)


def test_bad_models_are_named():
    from sklearn.exceptions import NotFittedError

    scorer = topic_scorer("npmi")
    with pytest.raises(TypeError, match=r"topic_scorer\('npmi'\) scores a topic model with components_.*; got KMeans"):
        scorer(KMeans(2, n_init=1).fit(COUNTS.toarray()), COUNTS)
    with pytest.raises(NotFittedError):
        scorer(lda(), COUNTS)
    with pytest.raises(ValueError, match="window=10 needs words in order, and the reference is counts"):
        topic_scorer("npmi", window=10)(lda().fit(COUNTS), COUNTS)


class FixedTopics(BaseEstimator):
    """Topics that the parameter chooses: of words that all documents know, or of words that none does."""

    def __init__(self, unknown=False):
        self.unknown = unknown

    def fit(self, X, y=None):
        order = np.arange(X.shape[1], dtype=float)
        self.components_ = np.array([order if self.unknown else order[::-1]])
        return self

    def transform(self, X):
        return np.ones((X.shape[0], 1))


@pytest.mark.parametrize("measure", ["npmi", "umass", "uci", "c_v"])
@pytest.mark.parametrize("first", [True, False])
def test_no_search_is_won_by_words_that_the_documents_lack(measure, first):
    X = np.hstack([np.random.default_rng(0).poisson(0.7, (40, 10)), np.zeros((40, 10), int)])
    search = GridSearchCV(FixedTopics(), {"unknown": [first, not first]}, scoring=topic_scorer(measure), cv=4).fit(X)
    assert search.best_params_ == {"unknown": False}
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_a_vocabulary_smaller_than_top_is_scored_whole():
    counts = np.array([[3, 2, 0, 0], [0, 0, 2, 3]] * 5)
    model = LDA(2, max_iter=20, tol=0, random_state=0).fit(counts)
    for measure in ("npmi", "diversity"):
        assert topic_scorer(measure)(model, counts) == topic_scorer(measure, top=4)(model, counts)
