"""Tables of topics against loops over their formulas, pandas and SciPy.

Also tests featlearn.topics.groups.
"""

import pickle
from math import inf, log

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist, jensenshannon
from sklearn.decomposition import NMF, PCA, LatentDirichletAllocation, TruncatedSVD
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from featlearn.topics.tables import Topics, classical_scaling, jensen_shannon

rng = np.random.default_rng(0)
K, V, D = 5, 60, 40
PHI = 0.95 * rng.dirichlet(np.full(V, 0.1), K) + 0.05 / V
THETA = rng.dirichlet(np.full(K, 0.3), D)
LENGTHS = rng.integers(1, 50, D)
TERMS = [f"w{i}" for i in range(V)]
TEXTS = ["moon orbit moon star", "goal team goal", "", "star moon team", "team goal win goal", "orbit star"]


def topics(**changed):
    return Topics(**{"components": PHI, "terms": TERMS, "proportions": THETA, "lengths": LENGTHS, **changed})


def slow_marginal():
    words = [sum(LENGTHS[d] * THETA[d, k] for d in range(D)) for k in range(K)]
    return [sum(words[k] * PHI[k, w] for k in range(K)) / sum(words) for w in range(V)]


@pytest.mark.parametrize("relevance", [0, 0.01, 0.3, 0.6, 1])
def test_top_terms_rank_as_the_formulas_say(relevance):
    p = slow_marginal()
    score = {
        "probability": lambda phi, w: phi,
        "relevance": lambda phi, w: relevance * log(phi) + (1 - relevance) * log(phi / p[w]) if phi else -inf,
        "lift": lambda phi, w: phi / p[w] if phi >= 1e-3 else -inf,
    }
    for by, formula in score.items():
        found = topics().top_terms(7, by, relevance=relevance)
        for k in range(K):
            best = sorted(range(V), key=lambda w: -formula(PHI[k, w], w))[:7]
            assert found[k] == [TERMS[w] for w in best], by


def test_ranking_by_relevance_depends_on_lambda():
    """Otherwise the test above could not tell the rankings apart."""
    found = [topics().top_terms(7, "relevance", relevance=x) for x in (0, 0.6, 1)]
    assert found[0] != found[1] != found[2]
    assert found[2] == topics().top_terms(7)


def test_rare_terms_do_not_win_by_lift():
    phi = np.array([[0.0005, 0.3, 0.6995, 0], [0, 0.7, 0.3, 0]])
    table = Topics(phi, ["rare", "b", "a", "never"])
    assert table.top_terms(2, "lift")[0] == ["a", "b"]
    assert table.top_terms(2, "lift", min_probability=0)[0] == ["rare", "a"]
    assert table.top_terms(2, "lift", min_probability=0.5)[0] == ["a", "b"]  # lowered, for only one term reaches it
    assert table.top_terms(3, "relevance", relevance=0)[0] == ["rare", "a", "b"]
    assert table.top_terms(9, "relevance", relevance=0)[1][:2] == ["b", "a"]


def test_terms_of_equal_lift_come_by_probability():
    """Terms of one topic alone all have lift 1 / size, up to rounding that must not order them."""
    only = rng.dirichlet(np.full(30, 0.5))
    phi = np.zeros((2, 60))
    phi[0, :30], phi[1, 30:] = only, rng.dirichlet(np.ones(30))
    table = Topics(phi, proportions=rng.dirichlet([1, 1], 7))
    np.testing.assert_array_equal(table.top_indices(30, "relevance", relevance=0)[0], np.argsort(-only))
    np.testing.assert_array_equal(table.top_indices(5, "lift")[0], np.argsort(-only)[:5])


def test_top_terms_frame():
    frame = topics().top_terms(3, "relevance", as_frame=True)
    assert list(frame.columns) == ["topic", "rank", "term", "probability", "lift"]
    assert len(frame) == 3 * K
    assert frame.groupby("topic")["term"].apply(list).tolist() == topics().top_terms(3, "relevance")
    p = slow_marginal()
    for row in frame.itertuples():
        w = TERMS.index(row.term)
        assert row.probability == PHI[row.topic, w]
        assert row.lift == pytest.approx(PHI[row.topic, w] / p[w])


def test_sizes_order_marginal():
    table = topics()
    words = [sum(LENGTHS[d] * THETA[d, k] for d in range(D)) for k in range(K)]
    np.testing.assert_allclose(table.sizes, np.array(words) / sum(words))
    assert table.order.tolist() == sorted(range(K), key=lambda k: -words[k])
    np.testing.assert_allclose(table.marginal, slow_marginal())
    np.testing.assert_allclose(topics(lengths=None).sizes, THETA.mean(axis=0))
    np.testing.assert_allclose(topics(lengths=np.zeros(D)).sizes, THETA.mean(axis=0))
    np.testing.assert_allclose(Topics(PHI).sizes, 1 / K)
    assert Topics(PHI).order.tolist() == list(range(K))


def test_words_of_topics_whose_documents_are_not_at_hand():
    table = topics()
    words = table.sizes * LENGTHS.sum()
    streamed = Topics(PHI, TERMS, words=words)
    np.testing.assert_allclose(streamed.sizes, table.sizes)
    np.testing.assert_allclose(streamed.marginal, table.marginal)
    assert streamed.n_words == pytest.approx(LENGTHS.sum())
    assert table.n_words == LENGTHS.sum()
    assert streamed.n_documents == topics(lengths=None).n_words == 0
    assert [t.knows_sizes for t in (streamed, table, Topics(PHI))] == [True, True, False]


def test_shares_that_nobody_knows_are_not_printed():
    assert "%" in str(Topics([[1, 3]], ["a", "b"], words=[7]))
    assert str(Topics([[1, 3]], ["a", "b"])) == "1 topic, 2 terms\ntopic  terms\n    0  b, a"


def test_saliency_is_chuangs():
    """p_w sum_k p(k|w) log(p(k|w) / p(k)), summed here in loops."""
    table = topics()
    s, p = table.sizes, slow_marginal()
    for w in range(V):
        given = [s[k] * PHI[k, w] / p[w] for k in range(K)]
        distinct = sum(q * log(q / s[k]) for k, q in enumerate(given) if q > 0)
        assert table.saliency[w] == pytest.approx(p[w] * distinct, abs=1e-15)


def test_a_topic_of_size_zero_and_a_term_of_no_topic():
    table = Topics([[0.5, 0.5, 0, 0], [0, 0.5, 0.5, 0]], proportions=[[1, 0], [1, 0]])
    assert np.isfinite(table.saliency).all()
    assert table.top_terms(2, "lift") == [["term 0", "term 1"], ["term 2", "term 1"]]
    assert table.order.tolist() == [0, 1]
    assert np.isfinite(table.top_terms(4, as_frame=True)["lift"]).all()


@pytest.mark.parametrize("weights", ["length", "equal"])
@pytest.mark.parametrize("labels", [["b", "a", "c"], [2003, 1999, 2001], [0.5, -1.0, 7.25]])
def test_prevalence_is_a_weighted_mean(weights, labels):
    column = np.array(labels)[rng.integers(0, 3, D)]
    w = LENGTHS if weights == "length" else np.ones(D)
    groups, means = topics().prevalence(column, weights=weights)
    assert groups.tolist() == sorted(labels)
    for g, mean in zip(groups, means, strict=True):
        rows = [d for d in range(D) if column[d] == g]
        np.testing.assert_allclose(mean, sum(w[d] * THETA[d] for d in rows) / sum(w[d] for d in rows))
    np.testing.assert_allclose(topics().prevalence(weights=weights), w @ THETA / w.sum())


def test_prevalence_frames_and_groups_without_words():
    column = pd.Series(np.where(np.arange(D) < 3, "x", "y"), name="source", index=np.arange(D)[::-1])
    lengths = np.where(np.arange(D) < 3, 0, 2)
    table = topics(lengths=lengths)
    groups, means = table.prevalence(column)
    np.testing.assert_allclose(means[0], THETA[:3].mean(axis=0))
    frame = table.prevalence(column, as_frame=True)
    assert (frame.index.name, frame.columns.name, frame.index.tolist()) == ("source", "topic", groups.tolist())
    np.testing.assert_array_equal(frame.to_numpy(), means)
    np.testing.assert_allclose(table.prevalence(as_frame=True).loc[2], THETA[3:, 2].mean())
    dates = pd.date_range("2020-01-01", periods=D).to_numpy()
    assert len(table.prevalence(dates)[0]) == D
    assert table.prevalence(pd.Categorical(column))[0].tolist() == ["x", "y"]


def test_representative_documents():
    theta = [[0.2, 0.8], [0.9, 0.1], [1, 0], [1, 0], [0.5, 0.5]]
    table = Topics(PHI[:2], proportions=theta, lengths=[9, 9, 1, 5, 3], documents=list("abcde"))
    assert table.documents(0) == [(3, 1.0, "d"), (2, 1.0, "c"), (1, 0.9, "b")]
    assert table.documents(1, n=1) == [(0, 0.8, "a")]
    assert len(table.documents(1, n=99)) == 5
    assert table.documents(1, 2, as_frame=True).to_dict("list") == {
        "document": [0, 4],
        "proportion": [0.8, 0.5],
        "text": ["a", "e"],
    }
    assert topics().documents(0, 1)[0].text is None


def test_distances_are_scipys():
    found = topics().distances()
    for i in range(K):
        for j in range(K):
            assert found[i, j] == pytest.approx(jensenshannon(PHI[i], PHI[j], base=2), abs=1e-7)
    wide = rng.dirichlet(np.full(10_000, 0.05), 3)  # more than one block of terms
    assert jensen_shannon(wide)[0, 2] == pytest.approx(jensenshannon(wide[0], wide[2], base=2))


def test_distances_of_equal_and_of_disjoint_topics():
    table = Topics([[1, 3, 0, 0], [0.25, 0.75, 0, 0], [0, 0, 1, 1]])
    np.testing.assert_array_equal(table.distances(), [[0, 0, 1], [0, 0, 1], [1, 1, 0]])
    np.testing.assert_allclose(table.map()[0], table.map()[1], atol=1e-12)
    near = PHI[0] * (1 + 1e-15 * rng.integers(-2, 3, (40, V)))  # their divergences round to both sides of 0
    assert Topics(near).distances().max() < 1e-6


def test_map_keeps_distances_of_three_topics_and_of_points_on_a_plane():
    table = Topics(PHI[:3])
    np.testing.assert_allclose(cdist(table.map(), table.map()), table.distances(), atol=1e-12)
    points = rng.normal(size=(9, 2)) * [3, 1]
    np.testing.assert_allclose(cdist(*2 * [classical_scaling(cdist(points, points))]), cdist(points, points))
    expected = PCA(2).fit_transform(points)  # classical scaling of Euclidean distances is PCA, up to signs
    np.testing.assert_allclose(np.abs(classical_scaling(cdist(points, points))), np.abs(expected))


def test_map_of_one_and_of_two_topics_and_its_signs():
    np.testing.assert_array_equal(Topics(PHI[:1]).map(), [[0, 0]])
    two = Topics(PHI[:2])
    half = two.distances()[0, 1] / 2
    np.testing.assert_allclose(two.map(), [[half, 0], [-half, 0]], atol=1e-12)
    np.testing.assert_array_equal(Topics(PHI[[0, 0]]).map(), np.zeros((2, 2)))
    places = topics().map()
    for axis in (0, 1):
        assert places[np.abs(places[:, axis]).argmax(), axis] > 0
    shuffle = rng.permutation(K)
    np.testing.assert_allclose(topics(components=PHI[shuffle]).map(), places[shuffle], atol=1e-10)
    np.testing.assert_array_equal(topics().map(), places)


def test_print():
    lines = str(topics()).splitlines()
    assert lines[0] == "5 topics, 60 terms, 40 documents"
    largest = topics().order[0]
    assert lines[2] == f"{largest:5d}  {topics().sizes[largest]:5.1%}  {', '.join(topics().top_terms(8)[largest])}"
    assert len(lines) == 2 + K
    assert repr(topics()) == "Topics(n_topics=5, n_terms=60, n_documents=40)"
    assert str(Topics([[1.0]])).splitlines()[0] == "1 topic, 1 term"


def test_value_is_frozen_pickles_and_leaves_its_input():
    table = topics(documents=["x"] * D)
    with pytest.raises(AttributeError):
        table.terms = ()
    again = pickle.loads(pickle.dumps(table))
    assert again.top_terms() == table.top_terms()
    assert again.texts == table.texts
    counts = np.array([[2, 6], [5, 5]])
    np.testing.assert_array_equal(Topics(counts).components, [[0.25, 0.75], [0.5, 0.5]])
    np.testing.assert_array_equal(counts, [[2, 6], [5, 5]])
    table.distances()[:] = 7
    assert table.distances().max() <= 1


def test_float32_stays_and_is_not_copied():
    phi = PHI.astype(np.float32)
    table = Topics(phi, proportions=THETA.astype(np.float32))
    assert table.components is phi
    assert table.proportions.dtype == np.float32
    assert table.top_terms(5) == [[f"term {w}" for w in row] for row in np.argsort(-PHI)[:, :5]]


# ---- from fitted models ----


def test_from_a_model_on_counts():
    vectorizer = CountVectorizer()
    X = vectorizer.fit_transform(TEXTS)
    model = LatentDirichletAllocation(2, random_state=0).fit(X)
    names = vectorizer.get_feature_names_out()
    table = Topics.from_estimator(model, X, terms=names, documents=TEXTS)
    np.testing.assert_allclose(table.components, model.components_ / model.components_.sum(axis=1, keepdims=True))
    np.testing.assert_allclose(table.proportions, model.transform(X))
    np.testing.assert_array_equal(table.lengths, [4, 3, 0, 3, 4, 2])
    assert table.terms == tuple(names)
    assert table.texts == tuple(TEXTS)
    np.testing.assert_array_equal(Topics.from_estimator(model, X.toarray(), names).lengths, table.lengths)
    assert Topics.from_estimator(model, X).terms[0] == "term 0"
    alone = Topics.from_estimator(model)
    assert alone.proportions is None


def test_from_a_pipeline_a_search_and_a_frame():
    pipeline = make_pipeline(CountVectorizer(), LatentDirichletAllocation(2, random_state=0)).fit(TEXTS)
    table = Topics.from_estimator(pipeline, TEXTS)
    assert table.terms == ("goal", "moon", "orbit", "star", "team", "win")
    assert table.texts == tuple(TEXTS)
    np.testing.assert_allclose(table.proportions, pipeline.transform(TEXTS))
    assert Topics.from_estimator(pipeline).terms == table.terms
    grid = {"latentdirichletallocation__n_components": [2]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(np.array(TEXTS * 2, dtype=object))
    assert Topics.from_estimator(search, pd.Series(TEXTS)).texts == tuple(TEXTS)
    lists = [text.split() for text in TEXTS]
    tokens = make_pipeline(CountVectorizer(analyzer=list), LatentDirichletAllocation(2, random_state=0)).fit(lists)
    assert Topics.from_estimator(tokens, lists).texts == tuple(TEXTS)
    frame = pd.DataFrame(CountVectorizer().fit_transform(TEXTS).toarray(), columns=table.terms)
    last = make_pipeline(LatentDirichletAllocation(2, random_state=0)).fit(frame)
    from_frame = Topics.from_estimator(last, frame)
    assert from_frame.terms == table.terms
    assert from_frame.texts is None
    np.testing.assert_allclose(from_frame.components, table.components)


def test_nmf_proportions_count_words_of_each_topic():
    """W H splits the counts among topics: the words of topic k in document d are W_dk times the sum of row k of H."""
    X = CountVectorizer().fit_transform(TEXTS)
    model = NMF(2, random_state=0, max_iter=2000).fit(X)
    table = Topics.from_estimator(model, X)
    W = model.transform(X)
    for d in range(len(TEXTS)):
        words = [np.outer(W[d, k], model.components_[k]).sum() for k in range(2)]
        expected = np.array(words) / sum(words) if sum(words) else [0.5, 0.5]
        np.testing.assert_allclose(table.proportions[d], expected, atol=1e-12)


def test_from_estimator_refuses_what_has_no_topics():
    X = CountVectorizer().fit_transform(TEXTS)
    with pytest.raises(TypeError, match="CountVectorizer is no topic model"):
        Topics.from_estimator(CountVectorizer().fit(TEXTS), TEXTS)
    with pytest.raises(NotFittedError):
        Topics.from_estimator(LatentDirichletAllocation(), X)
    with pytest.raises(ValueError, match=r"components must be at least 0.*TruncatedSVD"):
        Topics.from_estimator(TruncatedSVD(2).fit(X), X)
    model = LatentDirichletAllocation(2, random_state=0).fit(X)
    with pytest.raises(TypeError, match="X is a stream"):
        Topics.from_estimator(model, lambda: iter([X]))
    with pytest.raises(ValueError, match="3 terms do not match 6 columns of components"):
        Topics.from_estimator(model, X, terms=["a", "b", "c"])
    with pytest.raises(ValueError, match="2 documents do not match 6 rows of proportions"):
        Topics.from_estimator(model, X, documents=["a", "b"])


# ---- bad input ----


def with_entry(value):
    """Topics of which one entry is bad."""
    phi = PHI.copy()
    phi[2, 3] = value
    return phi


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"components": PHI[0]}, r"components of shape \(60,\) must have 2 dimensions"),
        ({"components": np.empty((0, V))}, "hold no topic"),
        ({"components": with_entry(np.nan)}, r"components must be finite.* nan at \(2, 3\)"),
        ({"components": with_entry(np.inf)}, "components must be finite"),
        ({"components": with_entry(-0.5)}, r"at least 0: there is -0.5 at \(2, 3\)"),
        ({"components": PHI * (np.arange(K) != 1)[:, None]}, r"Topics \[1\] have no term"),
        ({"terms": TERMS[1:]}, "59 terms do not match 60 columns of components"),
        ({"proportions": THETA[:, 1:]}, "4 columns of proportions do not match 5 rows of components"),
        ({"proportions": THETA * np.nan}, "proportions must be finite"),
        ({"proportions": -THETA}, "proportions must be at least 0"),
        ({"proportions": np.empty((0, K)), "lengths": None}, "proportions hold no document"),
        ({"proportions": None}, "lengths and documents need the proportions"),
        ({"lengths": LENGTHS[1:]}, "39 lengths do not match 40 rows of proportions"),
        ({"lengths": LENGTHS * np.nan}, "lengths must be finite"),
        ({"lengths": -LENGTHS}, "lengths must be at least 0"),
        ({"documents": ["x"]}, "1 documents do not match 40 rows of proportions"),
        ({"words": np.ones(K)}, "tell the words of each topic: leave out words"),
        ({"words": [1], "proportions": None, "lengths": None, "documents": None}, "1 words do not match 5 rows"),
        ({"words": [0] * K, "proportions": None, "lengths": None, "documents": None}, "words are 0 for every topic"),
    ],
)
def test_bad_tables(changed, message):
    with pytest.raises(ValueError, match=message):
        topics(**changed)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: t.top_terms(0), "n=0 is not valid; pass an integer of at least 1"),
        (lambda t: t.top_terms(by="fame"), "by='fame' is not valid.*'probability', 'relevance', 'lift'"),
        (lambda t: t.top_terms(relevance=1.5), "relevance=1.5"),
        (lambda t: t.top_terms(relevance=np.nan), "relevance=nan"),
        (lambda t: t.top_terms(min_probability=-1), "min_probability=-1"),
        (lambda t: t.documents(K), "no topic 5; there are 5, from 0 to 4"),
        (lambda t: t.documents(-1), "no topic -1"),
        (lambda t: t.documents(0, 0), "n=0 is not valid; pass an integer of at least 1"),
        (lambda t: t.prevalence(["a"] * 3), r"groups of shape \(3,\) must hold one value for each of the 40"),
        (lambda t: t.prevalence(np.zeros((D, 2))), r"groups of shape \(40, 2\)"),
        (lambda t: t.prevalence([None] + ["a"] * (D - 1)), "no value for 1 documents, the first is 0"),
        (lambda t: t.prevalence([1.0, np.nan] * (D // 2)), "no value for 20 documents, the first is 1"),
        (lambda t: t.prevalence(pd.array([1, pd.NA] * (D // 2))), "no value for 20 documents"),
        (lambda t: t.prevalence(np.array([1, "a"] * (D // 2), dtype=object)), "groups cannot be sorted"),
        (lambda t: t.prevalence(weights="words"), "weights='words' is not valid"),
    ],
)
def test_bad_questions(call, message):
    with pytest.raises(ValueError, match=message):
        call(topics())


@pytest.mark.parametrize("call", [lambda t: t.prevalence(), lambda t: t.documents(0)])
def test_unknown_proportions(call):
    with pytest.raises(ValueError, match="needs the proportions of topics in documents, and they are unknown"):
        call(Topics(PHI))


def test_empty_documents_are_uniform():
    table = topics(proportions=np.where(np.arange(D)[:, None] == 3, 0, THETA))
    np.testing.assert_allclose(table.proportions[3], 1 / K)
    np.testing.assert_allclose(table.proportions.sum(axis=1), 1)
    counts = sp.csr_array(np.eye(6))
    assert Topics.from_estimator(LatentDirichletAllocation(2, random_state=0).fit(counts), counts).n_documents == 6


# --- the order of documents and of groups


MONTHS = ["Jan", "Feb", "Mar", "Apr"]


@settings(max_examples=60, deadline=None)
@given(st.permutations(["s", "m", "l", "xl"]), st.lists(st.sampled_from(["s", "m", "l"]), min_size=1, max_size=12))
def test_ordered_categories_keep_their_order(categories, sizes):
    """Of those that documents have, each with the mean of its documents; pandas' groupby does it by hand."""
    theta = np.random.default_rng(len(sizes)).dirichlet(np.ones(3), len(sizes))
    table = Topics(np.eye(3), proportions=theta)
    column = pd.Series(pd.Categorical(sizes, categories=categories, ordered=True), name="size")
    expected = pd.DataFrame(theta).groupby(column, observed=True).mean()
    for groups in (column, column.array, pd.CategoricalIndex(column), column.astype(pd.CategoricalDtype(categories))):
        labels, means = table.prevalence(groups)
        assert list(labels) == list(expected.index) == [size for size in categories if size in sizes]
        np.testing.assert_allclose(means, expected)
    frame = table.prevalence(column, as_frame=True)
    assert frame.index.equals(expected.index)
    assert (frame.index.name, frame.index.ordered, list(frame.index.categories)) == ("size", True, categories)
    assert table.prevalence(sizes)[0].tolist() == sorted(set(sizes))


def test_categories_of_numbers_and_times():
    table = topics()
    ages = np.linspace(0, 99, D)
    labels, means = table.prevalence(pd.cut(ages, [-1, 9, 18, 200, 300], labels=["teen", "child", "adult", "none"]))
    assert labels.tolist() == ["teen", "child", "adult"]
    np.testing.assert_allclose(means[0], table.prevalence(ages <= 9)[1][1])
    intervals = table.prevalence(pd.cut(ages, [-1, 9, 100]), as_frame=True)
    np.testing.assert_allclose(intervals.loc[5], table.prevalence(ages <= 9)[1][1])
    months = pd.Categorical([MONTHS[i % 3] for i in range(D)], categories=MONTHS, ordered=True)
    assert table.prevalence(months)[0].tolist() == MONTHS[:3]
    days = pd.Series(pd.date_range("2001-01-01", periods=D)).dt.to_period("M")
    assert [str(month) for month in table.prevalence(days)[0]] == ["2001-01", "2001-02"]


def test_numerals_come_as_numbers():
    """A rating that was read from a file is a string."""
    ratings = [str(1 + i % 10) for i in range(D)]
    for groups in (ratings, np.array(ratings), pd.Series(ratings)):
        labels, means = topics().prevalence(groups)
        assert labels.tolist() == [str(i) for i in range(1, 11)]
        np.testing.assert_allclose(means, topics().prevalence([int(rating) for rating in ratings])[1])
    assert topics().prevalence(["(none)", "-1.5", "10", "b", "9"] * (D // 5))[0].tolist() == [
        "-1.5",
        "9",
        "10",
        "(none)",
        "b",
    ]
    assert topics().prevalence(["10th", "9th"] * (D // 2))[0].tolist() == ["10th", "9th"]


def test_series_are_read_by_position():
    table = topics()
    shuffled = np.random.default_rng(1).permutation(D)
    groups, texts = np.arange(D) % 3, [f"text {i}" for i in range(D)]
    np.testing.assert_array_equal(table.prevalence(pd.Series(groups, index=shuffled))[1], table.prevalence(groups)[1])
    assert topics(documents=pd.Series(texts, index=shuffled)).texts == tuple(texts)
    np.testing.assert_array_equal(topics(lengths=pd.Series(LENGTHS, index=shuffled)).lengths, LENGTHS)


def test_tokens_are_quoted_as_text():
    table = Topics([[1, 2]], proportions=[[1], [1]], documents=[["a", "cat"], ("the", "dog")])
    assert table.texts == ("a cat", "the dog")


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ({"a", "b"}, "documents is a set"),
        ({0: "a", 1: "b"}, "documents is a dict"),
        ("ab", "documents is one str"),
        (["a", None], r"document 1 of documents is missing \(None\)"),
        (pd.Series(["a", np.nan]), "document 1 of documents is missing"),
        ([b"a", b"b"], "document 0 of documents is bytes"),
        ([1, 2], "document 0 of documents is 1, a int"),
        (["a", ["b"]], "document 1 of documents is a list of tokens"),
        (pd.DataFrame({"text": ["a", "b"]}), r"documents is a DataFrame of shape \(2, 1\)"),
    ],
)
def test_documents_that_have_no_order_or_are_missing(documents, message):
    with pytest.raises(ValueError, match=f"Topics.*{message}"):
        Topics([[1, 2]], proportions=[[1], [1]], documents=documents)


@pytest.mark.parametrize("name", ["components", "proportions", "lengths"])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({0: 1}, "must be an array of numbers, and are a dict"),
        ({1, 2}, "must be an array of numbers, and are a set"),
        ("12", "must be an array of numbers, and are a str"),
        (["a", "b"], "must be an array of numbers, and are a list"),
        ([[1], [1, 2]], "must be an array of numbers, and are a list"),
        (np.array([1j]), "must be an array of numbers"),
        (sp.csr_array(np.eye(2)), r"are a sparse matrix of shape \(2, 2\)"),
        (np.ma.masked_array([1.0, 2.0], [0, 1]), "are a masked array with 1 values hidden"),
    ],
)
def test_what_is_no_array_of_numbers(name, value, message):
    with pytest.raises(ValueError, match=f"{name} {message}"):
        Topics(**{"components": [[1, 2]], "proportions": [[1], [1]]} | {name: value})


@pytest.mark.parametrize("X", [{"a": TEXTS[0]}, set(TEXTS)])
def test_documents_of_an_estimator_have_an_order(X):
    pipeline = make_pipeline(CountVectorizer(), LatentDirichletAllocation(2, random_state=0)).fit(TEXTS)
    with pytest.raises(TypeError, match=f"X is a {type(X).__name__}, of which a vectorizer would read the keys"):
        Topics.from_estimator(pipeline, X)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (["a", float("nan")], "no value for 1 documents, the first is 1"),
        (["a", None], "no value for 1 documents, the first is 1"),
        (pd.Categorical(["a", None]), "no value for 1 documents, the first is 1"),
        (pd.Series(["a", np.nan], index=[1, 0]), "no value for 1 documents, the first is 1"),
        (pd.to_datetime(["2001-01-01", None]), "no value for 1 documents, the first is 1"),
        (np.ma.masked_array([1, 2], [1, 0]), "no value for 1 documents, the first is 0"),
        ({"a", "b"}, "groups are a set"),
        ({0: "a", 1: "b"}, "groups are a dict"),
        ("ab", "groups are a str"),
        (iter("ab"), "groups are a str_ascii_iterator"),
        ([["a"], ["b"]], r"groups hold \['a'\] for document 0"),
        (["a", 1], r"groups cannot be sorted.*pandas\.Categorical\(groups, categories"),
    ],
)
def test_groups_that_are_no_column(groups, message):
    with pytest.raises(ValueError, match=message):
        Topics([[1, 2]], proportions=[[1], [1]]).prevalence(groups)
