"""Raw texts to topics in one step, against the same steps made by hand."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.decomposition import NMF, LatentDirichletAllocation
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from featlearn.callbacks import EarlyStopping
from featlearn.text.documents import LineDocuments
from featlearn.text.phrases import Phrases
from featlearn.text.tokenizer import Tokenizer
from featlearn.topics.extractor import TopicExtractor
from featlearn.topics.lda import LDA
from featlearn.topics.metrics import topic_scorer
from featlearn.topics.tables import Topics
from featlearn.topics.unigram import UnigramModel

PETS = ["cat", "dog", "leash", "paw", "kennel"]
MONEY = ["bond", "stock", "fund", "yield", "market"]
RNG = np.random.default_rng(0)
TEXTS = [
    " ".join(RNG.choice(words, 12)) + " and the 7 zebras"[: 4 * (i % 5)] for i in range(30) for words in (PETS, MONEY)
]


def lda(**parameters):
    """A small model that is soon done."""
    return LDA(
        **{"n_components": 2, "method": "vb", "max_iter": 15, "tol": 0, "n_jobs": 1, "random_state": 0} | parameters
    )


@pytest.fixture(scope="module")
def fitted():
    return TopicExtractor(lda()).fit(TEXTS)


def test_it_is_the_steps_made_by_hand(fitted):
    tokens = Tokenizer().transform(TEXTS)
    vectorizer = CountVectorizer(analyzer=list, min_df=5, max_df=0.5, dtype=np.float32)
    counts = vectorizer.fit_transform(tokens)
    model = lda().fit(counts)
    np.testing.assert_array_equal(fitted.terms_, vectorizer.get_feature_names_out())
    np.testing.assert_array_equal(fitted.counts(TEXTS).toarray(), counts.toarray())
    np.testing.assert_array_equal(fitted.components_, model.components_)
    np.testing.assert_array_equal(fitted.transform(TEXTS), model.transform(counts))
    np.testing.assert_array_equal(fitted.vectorizer_.transform(TEXTS).toarray(), counts.toarray())
    np.testing.assert_array_equal(fitted.vectorizer_.transform(tokens).toarray(), counts.toarray())
    np.testing.assert_array_equal(fitted.pipeline_.transform(TEXTS), model.transform(counts))
    assert fitted.score(TEXTS) == model.score(counts)
    assert fitted.perplexity(TEXTS) == model.perplexity(counts)
    assert fitted.get_feature_names_out().tolist() == ["topicextractor0", "topicextractor1"]


def test_it_finds_the_topics(fitted):
    tables = fitted.topics_
    assert sorted(map(sorted, tables.top_terms(5))) == sorted(map(sorted, (PETS, MONEY)))
    assert tables.texts == tuple(TEXTS)
    np.testing.assert_array_equal(tables.lengths, fitted.counts(TEXTS).sum(axis=1))
    np.testing.assert_allclose(tables.proportions, fitted.transform(TEXTS), rtol=1e-5)
    pets = [row[0] in PETS for row in tables.top_terms(1)].index(True)
    assert {found[0] % 2 for found in tables.documents(pets, 5)} == {0}


@pytest.mark.parametrize("kind", [tuple, pd.Series, lambda x: np.array(x, object), Tokenizer().transform])
def test_every_kind_of_list(fitted, kind):
    extractor = TopicExtractor(lda()).fit(kind(TEXTS))
    np.testing.assert_array_equal(extractor.components_, fitted.components_)
    np.testing.assert_array_equal(extractor.transform(kind(TEXTS[:3])), fitted.transform(TEXTS[:3]))
    assert extractor.topics_.texts[0].split()[:3] == TEXTS[0].split()[:3]


@pytest.mark.parametrize("chunk", [7, 1000])
def test_streams_learn_the_same(fitted, tmp_path, chunk):
    path = tmp_path / "corpus.txt"
    path.write_text("\n".join(TEXTS))
    documents = LineDocuments(path, chunk=chunk)
    extractor = TopicExtractor(lda()).fit(documents)
    np.testing.assert_array_equal(extractor.terms_, fitted.terms_)
    np.testing.assert_allclose(extractor.components_, fitted.components_, rtol=1e-4, atol=1e-6)
    found = np.concatenate(list(extractor.transform(documents)))
    np.testing.assert_allclose(found, fitted.transform(TEXTS), rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(np.concatenate(list(extractor.transform(iter([TEXTS])))), extractor.transform(TEXTS))
    assert extractor.perplexity(documents) == pytest.approx(extractor.perplexity(TEXTS), rel=1e-5)
    assert extractor.topics_.texts is None
    assert extractor.topics_.n_documents == 0


def test_dask_bags_learn_the_same(fitted):
    dask = pytest.importorskip("dask", reason="pip install 'featlearn[dask]'")
    from dask import bag

    with dask.config.set(scheduler="sync"):
        documents = bag.from_sequence(TEXTS, npartitions=3)
        extractor = TopicExtractor(lda()).fit(documents)
        np.testing.assert_array_equal(extractor.terms_, fitted.terms_)
        np.testing.assert_allclose(extractor.components_, fitted.components_, rtol=1e-4, atol=1e-6)
        found = np.concatenate(extractor.transform(documents).compute())
        assert extractor.score(documents) == pytest.approx(fitted.score(TEXTS), rel=1e-3)
    np.testing.assert_allclose(found, fitted.transform(TEXTS), rtol=1e-3, atol=1e-4)


def test_phrases_become_terms():
    pytest.importorskip("gensim", reason="pip install 'featlearn[text]'")
    texts = [f"new york {a} {b}" for a in PETS for b in MONEY]
    phrases = Phrases(min_count=2, threshold=1.0)
    extractor = TopicExtractor(lda(), phrases=phrases, max_df=1.0).fit(texts)
    assert extractor.terms_.tolist() == sorted(["new_york", *PETS, *MONEY])
    assert "new_york" in extractor.phrases_.phrases_
    assert not hasattr(phrases, "phrases_")  # a clone was fitted
    stream = clone(extractor).fit(lambda: iter([texts[:9], texts[9:]]))
    assert stream.terms_.tolist() == extractor.terms_.tolist()
    np.testing.assert_array_equal(stream.counts(texts).toarray(), extractor.vectorizer_.transform(texts).toarray())


TOKENS = [text.split() for text in TEXTS]


@pytest.mark.parametrize(
    "kind",
    [
        list,
        lambda tokens: pd.Series(tokens, index=range(len(tokens), 0, -1)),
        lambda tokens: lambda: iter([[], tokens[:9], tokens[9:]]),
    ],
)
def test_token_lists_that_needed_the_tokenizer_say_what_they_skip(kind):
    extractor = TopicExtractor(lda(method="online"))
    skipped = (
        "tokenizer is skipped, with its stop words, lower case and min_length; phrases and the vocabulary's limits"
    )
    found = (
        r"\d+% are stop words \('and', 'the', \.\.\.\), \d+% are without a letter \('7', \.\.\.\)\. Drop these before"
    )
    with pytest.warns(UserWarning, match=f"{skipped} still apply.* {found}"):
        extractor.fit(kind(TOKENS))
    with pytest.warns(UserWarning, match=r"100% are words with capitals \("):
        extractor.fit(kind([[word.upper() for word in tokens if word in PETS + MONEY] for tokens in TOKENS]))
    assert extractor.terms_[0].isupper()
    with pytest.warns(UserWarning, match="tokenizer is skipped"):
        clone(extractor).partial_fit(TOKENS)


def test_token_lists_that_skip_nothing_are_taken_without_a_word():
    """Warnings are errors here: clean tokens, a tokenizer that would drop nothing, one of the user's own."""
    TopicExtractor(lda()).fit(Tokenizer().transform(TEXTS))
    TopicExtractor(lda(), tokenizer=Tokenizer(stop_words=None)).fit(TOKENS)
    TopicExtractor(lda(), tokenizer=Tokenizer(stop_words=["zebra"], lowercase=False)).fit(TOKENS)
    TopicExtractor(lda(), tokenizer=FunctionTransformer()).fit(TOKENS)


def test_bags_of_token_lists_say_what_they_skip():
    dask = pytest.importorskip("dask", reason="pip install 'featlearn[dask]'")
    from dask import bag

    with dask.config.set(scheduler="sync"), pytest.warns(UserWarning, match="tokenizer is skipped"):
        TopicExtractor(lda(method="online")).fit(bag.from_sequence(TOKENS, npartitions=3))


@pytest.mark.parametrize("kind", [list, lambda tokens: lambda: iter([tokens])])
def test_tokens_taken_for_documents_are_named(kind):
    """One document, or a stream that gives token lists one by one: every token would be a document."""
    with pytest.warns(
        UserWarning, match=r"documents holds more than one token \('cat', .*list\(documents\).*\[tokens\]"
    ):
        TopicExtractor(lda(method="online"), min_df=1, max_df=1.0).fit(kind(["cat", "dog", "bond", "cat", "stock"]))


def test_limits_and_a_given_vocabulary():
    assert TopicExtractor(lda(), max_features=3).fit(TEXTS).terms_.shape == (3,)
    terms = ["stock", "cat", "unheard"]
    extractor = TopicExtractor(lda(), vocabulary=terms).fit(TEXTS)
    assert extractor.terms_.tolist() == terms
    assert extractor.counts(["a cat, a cat, stock and bond"]).toarray().tolist() == [[1, 2, 0]]


def test_unknown_words_are_ignored_and_nothing_known_gives_uniform_topics(fitted):
    proportions = fitted.transform(["cat dog cat dog", "cat qwerty dog cat dog", "qwerty", "", "the of 12"])
    np.testing.assert_array_equal(proportions[0], proportions[1])
    np.testing.assert_array_equal(proportions[2:], 0.5)


def test_empty_documents_are_kept():
    extractor = TopicExtractor(lda()).fit(["", *TEXTS, "qwerty"])
    np.testing.assert_array_equal(extractor.topics_.proportions[[0, -1]], 0.5)
    assert extractor.topics_.n_documents == len(TEXTS) + 2


def test_partial_fit():
    model = lda(method="online")
    extractor = TopicExtractor(model, vocabulary=PETS + MONEY)
    by_hand = clone(model)
    for start in range(0, 60, 20):
        batch = TEXTS[start : start + 20]
        extractor.partial_fit(batch)
        by_hand.partial_fit(CountVectorizer(vocabulary=PETS + MONEY, dtype=np.float32).transform(batch))
    np.testing.assert_array_equal(extractor.components_, by_hand.components_)
    assert extractor.topics_.n_documents == 0
    first = TopicExtractor(model, min_df=2).partial_fit(TEXTS[:20])
    terms = first.terms_.tolist()
    assert set(terms) <= set(PETS + MONEY + ["zebra", "zebras"])
    assert first.partial_fit(["new words in many texts"] * 20).terms_.tolist() == terms


def test_partial_fit_goes_on_after_fit_and_takes_one_batch():
    extractor = TopicExtractor(lda(method="online", max_iter=2)).fit(TEXTS)
    before = extractor.components_
    extractor.partial_fit(TEXTS[:10])
    assert not np.array_equal(extractor.components_, before)
    assert extractor.topics_.n_documents == 0
    with pytest.raises(ValueError, match=r"partial_fit takes one batch, a list of documents; fit takes streams"):
        extractor.partial_fit(iter([TEXTS]))

    class NoPartialFit(LatentDirichletAllocation):
        partial_fit = property()

    with pytest.raises(ValueError, match=r"NoPartialFit.* has no partial_fit; choose a model that has, or call fit"):
        TopicExtractor(NoPartialFit(2)).partial_fit(TEXTS)


def test_models_of_scikit_learn():
    extractor = TopicExtractor(LatentDirichletAllocation(2, random_state=0)).fit(TEXTS)
    assert sorted(map(sorted, extractor.topics_.top_terms(5))) == sorted(map(sorted, (PETS, MONEY)))
    assert extractor.perplexity(TEXTS) > 1
    assert not hasattr(TopicExtractor(LogisticRegression()), "perplexity")
    with pytest.raises(TypeError, match="LatentDirichletAllocation does not learn from a stream of counts"):
        TopicExtractor(LatentDirichletAllocation(2)).fit(lambda: iter([TEXTS]))


def test_tables_are_those_of_from_estimator():
    weights = NMF(2, random_state=0, max_iter=500)  # whose transform gives weights, no proportions
    for extractor in (TopicExtractor(weights), TopicExtractor(lda())):
        table = extractor.fit(TEXTS).topics_
        expected = Topics.from_estimator(extractor.pipeline_, TEXTS)
        np.testing.assert_allclose(table.proportions, expected.proportions, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(table.sizes, expected.sizes, rtol=1e-4)
        np.testing.assert_array_equal(Topics.from_estimator(extractor).proportions, table.proportions)
        assert Topics.from_estimator(extractor).texts == expected.texts
    names, numbers = [f"n{i}" for i in range(expected.n_terms)], tuple(map(str, range(len(TEXTS))))
    assert Topics.from_estimator(extractor, TEXTS, terms=names, documents=numbers).texts == numbers
    assert Topics.from_estimator(extractor, terms=names).terms == tuple(names)
    with pytest.raises(ValueError, match="lengths and documents need the proportions"):
        Topics.from_estimator(extractor, documents=TEXTS)


def test_lda_where_no_model_is_given():
    extractor = TopicExtractor(min_df=1).fit(TEXTS[:8])
    assert isinstance(extractor.model_, LDA)
    assert extractor.model is None
    assert hasattr(TopicExtractor(), "perplexity")


@pytest.mark.parametrize("method", ["gibbs", "vb", "online"])
def test_the_same_whatever_the_number_of_threads(method):
    one, two = (TopicExtractor(lda(method=method, n_jobs=n, max_iter=5)).fit(TEXTS * 40) for n in (1, 2))
    np.testing.assert_array_equal(one.components_, two.components_)
    np.testing.assert_array_equal(one.transform(TEXTS), two.transform(TEXTS))


def test_a_grid_search_over_every_step_in_two_processes():
    extractor = TopicExtractor(lda(max_iter=5), tokenizer=Tokenizer())
    grid = {"model__n_components": [1, 2], "min_df": [2, 9], "tokenizer__min_length": [1, 4]}
    one = GridSearchCV(extractor, grid, cv=2, n_jobs=1).fit(TEXTS)
    two = GridSearchCV(extractor, grid, cv=2, n_jobs=2, error_score="raise").fit(TEXTS[:])
    np.testing.assert_array_equal(one.cv_results_["mean_test_score"], two.cv_results_["mean_test_score"])
    assert two.best_params_["model__n_components"] == 2
    assert two.best_estimator_.topics_.texts == tuple(TEXTS)
    tokens = GridSearchCV(extractor, {"min_df": [2]}, cv=2).fit(Tokenizer().transform(TEXTS))
    assert tokens.best_score_ < 0


def test_a_grid_search_by_coherence_in_two_processes():
    grid = {"model__n_components": [1, 2], "model__alpha": [0.1, 1.0]}
    options = {"scoring": topic_scorer("npmi", top=5), "cv": 2, "error_score": "raise"}
    one, two = (GridSearchCV(TopicExtractor(lda()), grid, n_jobs=n, **options).fit(TEXTS) for n in (1, 2))
    np.testing.assert_array_equal(one.cv_results_["mean_test_score"], two.cv_results_["mean_test_score"])
    assert two.best_params_["model__n_components"] == 2
    assert Topics.from_estimator(two).texts == tuple(TEXTS)


def test_a_classifier_on_topics_and_data_frames():
    labels = np.arange(60) % 2
    pipeline = make_pipeline(TopicExtractor(lda()), LogisticRegression()).fit(pd.Series(TEXTS), labels)
    assert pipeline.score(TEXTS, labels) == 1
    series = pd.Series(TEXTS, index=range(100, 160))
    frame = TopicExtractor(lda()).set_output(transform="pandas").fit(series).transform(series)
    assert frame.columns.tolist() == ["topicextractor0", "topicextractor1"]
    assert frame.index.tolist() == series.index.tolist()


def test_pickles_and_copies_carry_no_texts(fitted):
    dumped = pickle.dumps(fitted)
    assert TEXTS[0].encode() not in dumped
    for other in (pickle.loads(dumped), copy.deepcopy(fitted)):
        np.testing.assert_array_equal(other.transform(TEXTS), fitted.transform(TEXTS))
        np.testing.assert_array_equal(other.vectorizer_.transform(TEXTS).toarray(), fitted.counts(TEXTS).toarray())
        assert other.topics_.texts is None
        np.testing.assert_array_equal(other.topics_.sizes, fitted.topics_.sizes)
    assert fitted.topics_.texts == tuple(TEXTS)


def test_clones_are_not_fitted(fitted):
    model = lda()
    extractor = TopicExtractor(model, tokenizer=Tokenizer()).fit(TEXTS)
    assert not hasattr(model, "components_")
    assert extractor.tokenizer_ is not extractor.tokenizer
    for use in ("transform", "score", "perplexity", "counts"):
        with pytest.raises(NotFittedError):
            getattr(clone(fitted), use)(TEXTS)
    assert not hasattr(clone(fitted), "topics_")
    assert not hasattr(clone(fitted), "components_")


class Interrupts:
    """A callback that interrupts as a task ends for the ``times``-th time."""

    max_propagation_depth = None

    def __init__(self, task, times):
        self.task, self.times, self.seen = task, times, []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, metadata=None):
        self.seen.append((type(estimator).__name__, context.task_name))
        if self.seen[-1] == self.task and self.seen.count(self.task) == self.times:
            raise KeyboardInterrupt


def test_an_interrupted_fit_keeps_the_topics_learned_so_far():
    extractor = TopicExtractor(lda()).set_callbacks(Interrupts(("LDA", "iteration"), 2))
    with pytest.warns(ConvergenceWarning, match="LDA: interrupted, so the fit ends after 2 iterations"):
        extractor.fit(TEXTS)
    expected = TopicExtractor(lda(max_iter=2)).fit(TEXTS)
    np.testing.assert_array_equal(extractor.components_, expected.components_)
    np.testing.assert_array_equal(extractor.transform(TEXTS), expected.transform(TEXTS))


def test_a_fit_interrupted_before_there_are_topics_leaves_the_estimator_as_it_was():
    extractor = TopicExtractor(lda()).fit(TEXTS)
    before = dict(extractor.__dict__)
    callback = Interrupts(("TopicExtractor", "vocabulary"), 1)
    with pytest.raises(KeyboardInterrupt):
        extractor.set_callbacks(callback).fit(TEXTS[:20])
    extractor.set_callbacks()
    after = {name: value for name, value in extractor.__dict__.items() if "callback" not in name}
    assert after == before
    assert callback.seen[0] == ("TopicExtractor", "vocabulary")


def test_a_failed_fit_leaves_the_estimator_as_it_was(fitted):
    before = dict(fitted.__dict__)
    for fit in (fitted.fit, fitted.partial_fit):
        with pytest.raises(ValueError):
            fit(["a", None])
        assert fitted.__dict__ == before


def test_callbacks_reach_the_model():
    stop = EarlyStopping("bound", patience=1, tol=0.5, mode="max")
    extractor = TopicExtractor(lda(max_iter=50, tol=0.0)).set_callbacks(stop).fit(TEXTS)
    assert extractor.model_.n_iter_ < 50
    assert [name for name, *_ in stop.stopped_] == ["LDA"]


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ([], "TopicExtractor: the corpus is empty: there is no document"),
        (["", " ", "\n"], "The vocabulary is empty: all 3 documents are, for the tokenizer left no token"),
        (["the", "and 12"], "all 2 documents are, for the tokenizer left no token"),
        ("one text", r"TopicExtractor takes many documents, and the input is one str"),
        (b"one text", r"the input is one bytes"),
        ([b"cat"], r"document 0 of the input is bytes. Decode it first"),
        (["cat", None], r"document 1 of the input is missing \(None\)"),
        ([3, 4], r"document 0 of the input is 3, a int"),
        (np.eye(3), r"one column of documents; the input is a ndarray of shape \(3, 3\)"),
        ((chunk for chunk in [TEXTS]), r"an iterator can be walked only once. Pass a list, LineDocuments\(path\)"),
        (lambda: iter([]), "There is no data"),
        (
            ["cat dog", "cat leash"],
            r"max_df=0.5 is 1 documents of 2, fewer than min_df=5 with 5. Lower min_df or raise max_df",
        ),
    ],
)
def test_bad_input(documents, message):
    with pytest.raises(ValueError, match=message):
        TopicExtractor(lda()).fit(documents)


def test_too_high_limits_are_told_with_numbers():
    with pytest.raises(
        ValueError, match=r"of 10 terms in 60 documents, 10 are in fewer than 50 documents \(min_df=50\)"
    ):
        TopicExtractor(lda(), tokenizer=Tokenizer(stop_words=["zebra", "zebras"]), min_df=50, max_df=1.0).fit(
            [" ".join(words[:12]) for words in map(str.split, TEXTS)]
        )


def test_generator_used_twice(fitted):
    generator = (chunk for chunk in [TEXTS[:5]])
    assert len(list(fitted.transform(generator))) == 1
    assert list(fitted.transform(generator)) == []
    spent = (chunk for chunk in [TEXTS])
    with pytest.raises(ValueError, match="returned the same iterator a second time"):
        TopicExtractor(UnigramModel()).fit(lambda: spent)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"model": LDA}, r"model=<class .*LDA.*> is not valid; pass None or an object with `fit` and `transform`"),
        ({"tokenizer": str.split}, r"tokenizer=.* is not valid"),
        ({"phrases": True}, r"phrases=True is not valid"),
        ({"min_df": 0}, r"min_df=0 is not valid; pass an integer of at least 1"),
        ({"max_df": 1.5}, r"max_df=1.5 is not valid"),
        ({"max_features": 0}, r"max_features=0 is not valid"),
        ({"vocabulary": "cat"}, r"vocabulary is 'cat' \(str\), and must be a list of words"),
        ({"vocabulary": []}, r"vocabulary holds no word"),
        ({"vocabulary": ["cat", "cat"]}, r"vocabulary holds 'cat' twice, as number 0 and 1"),
        ({"vocabulary": ["cat", 2]}, r"vocabulary must hold words, and number 1 is 2 \(int\)"),
        ({"vocabulary": {"cat", "dog"}}, r"vocabulary is a set, which has no order"),
        ({"vocabulary": {"cat": 0, "dog": 2}}, r"vocabulary has 'dog' in column 2, and there are 2 columns"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        TopicExtractor(**{"model": lda()} | parameters).fit(TEXTS)
