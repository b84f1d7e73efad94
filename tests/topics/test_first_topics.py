"""No topic is left undiscovered: every model finds, from several seeds, all topics of clear corpora."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import linear_sum_assignment

from featlearn import LDA, PLSA, MixtureOfUnigrams
from featlearn.callbacks import EarlyStopping
from featlearn.topics.first_topics import MOST, first_topics


def corpus(K=5, V=200, n=500, length=80, alpha=0.2, beta=0.05, seed=3):
    """Documents of K topics, which are mixed by ``alpha``; None: one topic each. And the topics."""
    rng = np.random.default_rng(seed)
    topics = rng.dirichlet(np.full(V, beta), K)
    theta = np.eye(K)[rng.integers(K, size=n)] if alpha is None else rng.dirichlet(np.broadcast_to(alpha, K), n)
    return np.stack([rng.multinomial(length, t @ topics) for t in theta]), topics


def least_overlap(topics, found):
    """The least overlap of a true topic with the one matched to it."""
    overlap = 1 - np.abs(topics[:, None] - found).sum(axis=2) / 2
    return overlap[linear_sum_assignment(-overlap)].min()


CORPORA = {
    "the example of the issue": {},
    "ten topics, sparser mixtures": {"K": 10, "V": 400, "alpha": 0.1, "seed": 0},
    "topics of unequal sizes": {"K": 6, "V": 300, "n": 800, "alpha": [0.6, 0.3, 0.2, 0.1, 0.05, 0.05], "seed": 0},
    "short documents": {"K": 3, "n": 400, "length": 12, "beta": 0.1, "seed": 0},
}


@pytest.mark.parametrize("name", CORPORA)
@pytest.mark.parametrize(
    "model",
    [
        LDA(max_iter=60),
        LDA(method="vb"),
        LDA(method="online", batch_size=100),
        PLSA(max_iter=200, tol=1e-6),
    ],
    ids=["gibbs", "vb", "online", "plsa"],
)
def test_no_topic_is_left_undiscovered(model, name):
    X, topics = corpus(**CORPORA[name])
    for seed in range(3):
        found = model.set_params(n_components=len(topics), random_state=seed).fit(X).components_
        assert least_overlap(topics, found) > 0.85


@pytest.mark.parametrize("settings", [{}, {"K": 10, "V": 400}, {"K": 20, "V": 500, "n": 1000}, {"length": 15}])
def test_no_topic_of_single_topic_documents_is_left_undiscovered(settings):
    X, topics = corpus(alpha=None, **settings)
    for seed in range(4):
        found = MixtureOfUnigrams(len(topics), random_state=seed).fit(X).components_
        assert least_overlap(topics, found) > 0.85


@pytest.mark.parametrize("model", [LDA(5), LDA(5, method="online"), LDA(5, max_iter=60)])
def test_at_the_defaults_all_topics_of_the_example_are_found(model):
    X, topics = corpus()
    assert all(least_overlap(topics, model.set_params(random_state=s).fit(X).components_) > 0.9 for s in range(6))


@pytest.mark.parametrize("method", ["gibbs", "online"])
def test_no_topic_is_left_undiscovered_by_batches(method):
    X, topics = corpus()
    for seed in range(4):
        model = LDA(5, method=method, max_iter=60, random_state=seed)
        for start in range(0, 500, 100):
            model.partial_fit(X[start : start + 100])
        assert least_overlap(topics, model.components_) > (0.9 if method == "gibbs" else 0.75)


def test_blocks_and_threads_change_no_first_topic():
    X, topics = corpus(n=5500, length=80)  # more than 400,000 words: two parts
    X = sp.csr_array(X)
    first, second = (LDA(5, max_iter=30, n_jobs=n, random_state=0).fit(X) for n in (1, 2))
    np.testing.assert_array_equal(first.components_, second.components_)
    assert least_overlap(topics, first.components_) > 0.95


@pytest.mark.parametrize("sweeps", [1, 3, 7, 12, 40])
def test_what_guides_the_first_sweeps_is_in_no_result(sweeps):
    """Whenever a callback looks or ends the fit, topics count the words of the documents, each once."""
    X, _ = corpus(n=100)
    stop = EarlyStopping("changed", patience=sweeps, tol=1.0)
    model = LDA(5, random_state=0).set_callbacks(stop).fit(X)
    assert model.n_iter_ <= sweeps + 1
    np.testing.assert_allclose(model.topic_counts_.sum(axis=0), X.sum(axis=0), rtol=1e-6)
    plain = LDA(5, max_iter=sweeps, random_state=0).fit(X)
    np.testing.assert_allclose(plain.topic_counts_.sum(axis=0), X.sum(axis=0), rtol=1e-6)


def test_first_topics_depend_on_what_documents_hold_alone():
    X = sp.csr_array(corpus()[0].astype(float))
    topics, words = first_topics(X, 5, 200, seed=0)
    assert words == X.sum()
    np.testing.assert_allclose(topics.sum(axis=0), 1)
    order = np.random.default_rng(0).permutation(500)
    chunks = (X[order][i : i + 70] for i in range(0, 500, 70))
    np.testing.assert_allclose(first_topics(lambda: chunks, 5, 200, seed=0)[0], topics, rtol=1e-12)
    np.testing.assert_allclose(first_topics(X.astype(np.float32), 5, 200, seed=0)[0], topics, rtol=1e-12)
    np.testing.assert_allclose(first_topics(X * 0.5, 5, 200, seed=1)[0], topics, rtol=1e-12)  # all, so in any order
    assert len(np.unique(topics, axis=1).T) == 5


def test_a_document_counts_as_often_as_it_occurs():
    rare, often = np.eye(4)[[0]] * 30, np.repeat(np.eye(4)[1:3] * 9, [40, 50], axis=0)
    topics = first_topics(sp.csr_array(np.vstack([rare, often])), 2, 4, seed=0)[0]
    assert topics.argmax(axis=0).tolist() == [2, 1] or topics.argmax(axis=0).tolist() == [1, 2]


def test_many_documents_are_sampled():
    rng = np.random.default_rng(0)
    X = sp.csr_array(rng.poisson(0.5, (MOST + 500, 30)).astype(float))
    assert not np.array_equal(first_topics(X, 3, 30, seed=0)[0], first_topics(X, 3, 30, seed=1)[0])


@pytest.mark.parametrize("X", [np.zeros((3, 4)), np.eye(4)[[1]], np.eye(4)[[1, 1, 2, 3]], np.ones((5, 1))])
def test_few_documents_make_topics_all_the_same(X):
    topics = first_topics(sp.csr_array(X.astype(float)), 7, X.shape[1], seed=0)[0]
    np.testing.assert_allclose(topics.sum(axis=0), X.any())
    assert (topics >= 0).all()
