"""What all topic models share: completion by its formula, and the generative story."""

import tracemalloc
from functools import partial

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import BaseEstimator

from featlearn.text.counts import as_counts, two_halves
from featlearn.topics.topic_model import Proportions, TopicModelMixin

RNG = np.random.default_rng(0)
PRIOR = np.array([0.2, 0.6, 1.2])
PHI = RNG.dirichlet(np.full(12, 0.3), 3)
X = as_counts(RNG.poisson(0.6, (90, 12)).astype(float), "test")


def shares(chunk, components):
    """Proportions that need no iteration: a document's words, weighed by the topics."""
    theta = chunk @ components.T
    return theta / np.maximum(theta.sum(axis=1, keepdims=True), 1e-300)


class Model(TopicModelMixin, BaseEstimator):
    """A topic model with given topics."""

    def __init__(self, components, n_jobs=None):
        self.components = components
        self.n_jobs = n_jobs
        self.components_, self.n_features_in_, self.mean_length_ = components, components.shape[1], 8.0

    def fit(self, X=None):
        return self

    def _inference(self):
        return partial(shares, components=self.components_)

    def _draw_proportions(self, n_documents, rng):
        return rng.dirichlet(PRIOR[: len(self.components_)], n_documents)


def test_completion_is_its_formula():
    total, words = 0.0, 0.0
    for d in range(90):
        first, second = (half.toarray()[0] for half in two_halves(as_counts(X[[d]], "test"), 5))
        theta = PHI @ first / (PHI @ first).sum() if first.any() else np.full(3, 1 / 3)
        total += sum(n * np.log(theta @ PHI[:, w]) for w, n in enumerate(second) if n)
        words += second.sum()
    model = Model(PHI)
    assert model.perplexity(X, random_state=5) == pytest.approx(np.exp(-total / words), rel=1e-12)
    assert model.score(X) == pytest.approx(-np.log(model.perplexity(X)))
    assert model.perplexity(X, random_state=6) != model.perplexity(X, random_state=5)


def test_completion_does_not_depend_on_order_chunks_threads_or_type():
    model, order = Model(PHI), RNG.permutation(90)
    expected = model.perplexity(X)
    tall = sp.csr_array(sp.vstack([X] * 30))
    many = Model(PHI, n_jobs=1).perplexity(tall)
    assert many == Model(PHI, n_jobs=2).perplexity(tall)
    for data in (X[order], X.toarray(), X.astype(np.float32), X.astype(np.int64), tall, lambda: iter([X[:7], X[7:]])):
        assert model.perplexity(data) == pytest.approx(expected, rel=1e-12)


def test_noise_learned_by_heart_is_no_better_than_a_guess():
    """The words that infer are not those that are scored: topics fitted to noise gain nothing."""
    noise = as_counts(np.random.default_rng(3).poisson(0.2, (400, 50)).astype(float), "test")
    memorized = np.eye(50) * 0.9 + 0.1 / 50  # a topic for every word
    assert Model(np.full((1, 50), 1 / 50)).perplexity(noise) == pytest.approx(50)
    assert Model(memorized).perplexity(noise) > 50


def test_a_document_of_one_word_is_scored_under_uniform_proportions():
    one = np.eye(12)[[4, 4, 7]]
    p = PHI.mean(axis=0)[[4, 4, 7]]
    assert Model(PHI).perplexity(one) == pytest.approx(np.exp(-np.log(p).mean()))


def test_perplexity_without_words_or_with_impossible_ones():
    with pytest.raises(ValueError, match="Model: perplexity is undefined, for the documents hold no word"):
        Model(PHI).perplexity(np.zeros((3, 12)))
    impossible = PHI * (np.arange(12) > 0)
    assert Model(impossible).perplexity(np.eye(12)[:3]) == np.inf
    assert Model(impossible).score(np.eye(12)[:3]) == -np.inf


def test_random_state_of_perplexity_is_as_elsewhere():
    model = Model(PHI)
    assert model.perplexity(X) == model.perplexity(X, random_state=0) == np.exp(-model.score(X))
    drawn = [model.perplexity(X, random_state=np.random.RandomState(seed)) for seed in (3, 3, 4)]
    assert drawn[0] == drawn[1] != drawn[2]
    state = np.random.RandomState(3)
    assert model.perplexity(X, random_state=state) != model.perplexity(X, random_state=state)
    assert np.isfinite(model.perplexity(X, random_state=None))
    assert model.perplexity(X, random_state=np.int64(5)) == model.perplexity(X, random_state=5)


@pytest.mark.parametrize("seed", [-1, 0.5, "0", 2**32, True])
def test_bad_random_states(seed):
    for call in (lambda: Model(PHI).perplexity(X, random_state=seed), lambda: Model(PHI).sample(random_state=seed)):
        with pytest.raises(ValueError, match=r"Model\.\w+: random_state=.* is not valid; pass None, an integer"):
            call()


def test_empty_documents_have_uniform_proportions():
    data = np.array([[0] * 12, [1] * 12])
    np.testing.assert_allclose(Model(PHI).transform(data)[0], 1 / 3)
    assert Proportions(partial(shares, components=PHI))(sp.csr_array(np.zeros((1, 12)))).tolist() == [[1 / 3] * 3]


# --- the generative story ------------------------------------------------------------------------------------------


def test_samples_follow_the_model():
    """Means and variances of a mixture over Dirichlet proportions of multinomials."""
    n, length = 20_000, 10
    drawn = Model(PHI).sample(n, length=length, random_state=0).toarray()
    mean = PRIOR / PRIOR.sum()
    p = mean @ PHI
    np.testing.assert_allclose(drawn.mean(axis=0) / length, p, atol=0.004)
    covariance = (np.diag(mean) - np.outer(mean, mean)) / (PRIOR.sum() + 1)
    spread = np.einsum("kw,kj,jw->w", PHI, covariance, PHI)
    expected = length * p * (1 - p) + length * (length - 1) * spread
    np.testing.assert_allclose(drawn.var(axis=0), expected, rtol=0.05, atol=0.01)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_samples_are_documents(dtype):
    model = Model((PHI * (np.arange(12) % 3 > 0)).astype(dtype))  # rows need not sum to 1 exactly
    drawn = model.sample(50, random_state=1)
    assert isinstance(drawn, sp.csr_array)
    assert drawn.dtype == dtype
    assert drawn.has_canonical_format
    assert drawn.toarray()[:, ::3].sum() == 0
    assert drawn.sum(axis=1).mean() == pytest.approx(8, abs=1.5)
    assert (drawn != model.sample(50, random_state=1)).nnz == 0
    assert (drawn != model.sample(50, random_state=2)).nnz > 0
    lengths = np.array([0, 3, 100_000])
    np.testing.assert_array_equal(model.sample(3, length=lengths).sum(axis=1), lengths)


def test_samples_are_made_without_dense_rows():
    wide = Model(np.full((2, 300_000), 1 / 300_000, np.float32))
    tracemalloc.start()
    wide.sample(1_000, length=20, random_state=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6  # one dense document for each would take 1.2 GB


@pytest.mark.parametrize("n_documents", [0, -1, 1.5, "3", None, True])
def test_bad_number_of_documents(n_documents):
    with pytest.raises(ValueError, match=r"Model\.sample: n_documents=.* is not valid; pass an integer"):
        Model(PHI).sample(n_documents)


@pytest.mark.parametrize("length", [-1, 2.5, "3", [1], [1, 2, 3], [1, -2], [[1, 2]], [None, 1], True])
def test_bad_length(length):
    with pytest.raises(ValueError, match=r"Model\.sample: length=.* is not valid; pass None, an integer of at least 0"):
        Model(PHI).sample(2, length=length)
