"""The Gibbs sampler against the enumerated posterior of a tiny corpus, and the learning of priors."""

from itertools import product

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import minimize
from scipy.special import gammaln

from featlearn.topics.gibbs import GibbsSampler, alpha_from_counts, eta_from_counts, sampling_threads

X = np.array([[2, 1, 0], [0, 1, 1], [1, 0, 1]], np.float32)
ALPHA = np.array([0.3, 0.8])
ETA = np.array([0.4, 0.2, 0.9])


def log_joint(z, documents, terms, alpha, eta):
    """log p(z, w) of the collapsed model, by its gamma functions."""
    n_dk = np.zeros((documents.max() + 1, len(alpha)))
    n_kw = np.zeros((len(alpha), len(eta)))
    np.add.at(n_dk, (documents, z), 1)
    np.add.at(n_kw, (z, terms), 1)
    total = (gammaln(n_dk + alpha) - gammaln(alpha)).sum() + (gammaln(n_kw + eta) - gammaln(eta)).sum()
    return total - (gammaln(n_kw.sum(axis=1) + eta.sum()) - gammaln(eta.sum())).sum()


@pytest.mark.parametrize("parts", [1, 2])
def test_states_follow_the_enumerated_posterior(parts):
    sampler = GibbsSampler(sp.csr_array(X), 2, seed=0, parts=parts)
    documents, rows = sampler.tokens.documents, sampler.tokens.rows
    terms = np.argsort(sampler.tokens.rows_of_terms)[rows]
    states = np.array(list(product(range(2), repeat=len(documents))))
    log_p = np.array([log_joint(z, documents, terms, ALPHA, ETA) for z in states])
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    codes = 2 ** np.arange(len(documents))[::-1]
    visits = np.zeros(len(states))
    with sampling_threads(1) as pool:
        for _ in range(20):
            sampler.sweep(ALPHA, ETA, pool)
        for _ in range(25_000 if parts == 1 else 6_000):
            sampler.sweep(ALPHA, ETA, pool)
            visits[codes @ sampler.topics] += 1
    share = visits / visits.sum()
    # With two parts the totals n_k are those of the round's start: on seven tokens that is felt, a little.
    assert 0.5 * np.abs(share - p).sum() < (0.04 if parts == 1 else 0.12)
    np.testing.assert_allclose(share @ states, p @ states, atol=0.012 if parts == 1 else 0.05)


def mixed(h):
    """The finalizer of splitmix64, in whole numbers of Python."""
    h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    h = (h ^ (h >> 27)) * 0x94D049BB133111EB % 2**64
    return h ^ (h >> 31)


def slow_sweep(sampler, topics, alpha, eta, first):
    """One sweep of the exact sampler by its formula in float64, counting all other tokens afresh for every draw."""
    tokens, K = sampler.tokens, len(alpha)
    terms = np.argsort(tokens.rows_of_terms)[tokens.rows]
    weights = np.broadcast_to(tokens.weights, len(tokens)).astype(float)
    eta = np.broadcast_to(eta, len(tokens.rows_of_terms))
    order = sorted(range(K), key=lambda k: (k % 16, k // 16))  # in which topics share the unit interval
    state = mixed(int(first))
    for i in range(len(tokens)):
        others = (np.arange(len(tokens)) != i) & (topics >= 0)
        n_dk = np.bincount(topics[others & (tokens.documents == tokens.documents[i])],
                           weights[others & (tokens.documents == tokens.documents[i])], K)  # fmt: skip
        n_wk = np.bincount(topics[others & (terms == terms[i])], weights[others & (terms == terms[i])], K)
        n_k = np.bincount(topics[others], weights[others], K)
        p = ((n_dk + alpha) * (n_wk + eta[terms[i]]) / (n_k + eta.sum()))[order]
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        u = (mixed(state) >> 40) / 2**24
        topics[i] = order[np.searchsorted(np.cumsum(p), u * p.sum(), side="right")]
    return topics


@pytest.mark.parametrize("eta", [[0.05], np.linspace(0.01, 2, 9)])
@pytest.mark.parametrize("weight", [1, 0.3])
@pytest.mark.parametrize("K", [1, 3, 21])
def test_sweeps_are_those_of_a_slow_sampler(K, weight, eta):
    data = sp.csr_array(np.random.default_rng(1).poisson(0.8, (12, 9)) * weight)
    sampler, alpha = GibbsSampler(data, K, seed=7), np.linspace(0.1, 1, K)
    topics = np.full(len(sampler.tokens), -1)
    with sampling_threads(1) as pool:
        for sweep in range(4):
            changed = sampler.sweep(alpha, np.asarray(eta), pool)
            before = topics.copy()
            first = np.random.SeedSequence((7, sweep)).generate_state(1, np.uint64)[0]
            topics = slow_sweep(sampler, topics, alpha, np.asarray(eta), first)
            np.testing.assert_array_equal(sampler.topics, topics)
            assert changed == np.mean(topics != before)


def test_one_term():
    sampler = GibbsSampler(sp.csr_array(np.array([[5], [0], [2.0]])), 3, seed=0)
    with sampling_threads(1) as pool:
        for eta in (np.array([0.1]), np.array([0.1], np.float32)):
            sampler.sweep(np.full(3, 0.2), eta, pool)
    assert sampler.topic_counts().sum() == 7
    np.testing.assert_array_equal(sampler.document_counts().sum(axis=1), [5, 0, 2])


@pytest.mark.parametrize("base", [None, 3e5 * np.random.default_rng(2).random((5, 50), np.float32)])
@pytest.mark.parametrize("parts", [1, 3])
def test_weights_and_counts_learned_before_leave_no_roundings(parts, base):
    """Sums and differences of float32 drift, and small counts would fall below 0."""
    data = corpus() * np.float32(0.7)
    sampler = GibbsSampler(data, 5, seed=0, parts=parts, base=base)
    with sampling_threads(2) as pool:
        for _ in range(100):
            sampler.sweep(np.full(5, 0.1), np.array([1e-3]), pool)
        sampler.forget()
        for _ in range(100):
            sampler.sweep(np.full(5, 0.1), np.array([1e-3]), pool)
    n_wk = np.zeros((50, 5))
    np.add.at(n_wk, (sampler.tokens.rows, sampler.topics), np.broadcast_to(sampler.tokens.weights, len(sampler.topics)))
    assert sampler.n_wk.min() >= 0
    assert sampler.n_dk.min() >= 0
    np.testing.assert_allclose(sampler.n_wk[:, :5], n_wk, rtol=1e-5)
    np.testing.assert_allclose(sampler.n_k[:5], n_wk.sum(axis=0), rtol=1e-5)


def corpus(n_documents=300, n_terms=50, seed=0):
    rng = np.random.default_rng(seed)
    phi = rng.dirichlet(np.full(n_terms, 0.1), 4)
    theta = rng.dirichlet([0.2, 0.5, 1.0, 0.1], n_documents)
    return sp.csr_array(np.stack([rng.multinomial(60, t @ phi) for t in theta]).astype(np.float32))


@pytest.mark.parametrize("parts", [1, 3])
def test_threads_do_not_change_a_draw(parts):
    states = []
    for n_jobs in (1, 2, 4):
        sampler = GibbsSampler(corpus(), 5, seed=3, parts=parts)
        with sampling_threads(n_jobs) as pool:
            changed = [sampler.sweep(np.full(5, 0.1), np.array([0.05]), pool) for _ in range(5)]
        states.append((sampler.topics.copy(), changed))
    for topics, changed in states[1:]:
        np.testing.assert_array_equal(topics, states[0][0])
        assert changed == states[0][1]


@pytest.mark.parametrize("parts", [1, 3])
def test_counts_are_those_of_the_topics(parts):
    data = corpus()
    sampler = GibbsSampler(data, 5, seed=3, parts=parts)
    with sampling_threads(2) as pool:
        for _ in range(3):
            sampler.sweep(np.full(5, 0.1), np.full(50, 0.05), pool)
    n_dk, n_wk = np.zeros((300, 5)), np.zeros((50, 5))
    np.add.at(n_dk, (sampler.tokens.documents, sampler.topics), 1)
    np.add.at(n_wk, (np.argsort(sampler.tokens.rows_of_terms)[sampler.tokens.rows], sampler.topics), 1)
    np.testing.assert_array_equal(sampler.document_counts(), n_dk)
    np.testing.assert_array_equal(sampler.topic_counts(), n_wk.T)
    np.testing.assert_array_equal(sampler.n_k[:5], n_wk.sum(axis=0))
    np.testing.assert_array_equal(sampler.topic_counts().sum(axis=0), data.sum(axis=0))


def test_counts_learned_before_guide_the_first_topics():
    data, base = corpus(), np.zeros((2, 50))
    base[0, :25], base[1, 25:] = 1e6, 1e6
    sampler = GibbsSampler(data, 2, seed=0, base=base)
    with sampling_threads(1) as pool:
        sampler.sweep(np.full(2, 0.1), np.array([0.01]), pool)
    terms = np.argsort(sampler.tokens.rows_of_terms)[sampler.tokens.rows]
    np.testing.assert_array_equal(sampler.topics, (terms >= 25).astype(int))
    sampler.forget()
    np.testing.assert_array_equal(sampler.topic_counts().sum(axis=0), data.sum(axis=0))


def likelihood_of_priors(counts, prior):
    """log p of Dirichlet-multinomial counts (rows, columns) under a prior (columns,)."""
    n = counts.sum(axis=1)
    inner = (gammaln(counts + prior) - gammaln(prior)).sum()
    return inner + (gammaln(prior.sum()) - gammaln(n + prior.sum())).sum()


def test_learned_priors_maximize_the_likelihood():
    rng = np.random.default_rng(0)
    counts = np.stack([rng.multinomial(n, rng.dirichlet([0.3, 1.0, 2.5])) for n in rng.integers(0, 80, 400)]).astype(
        float
    )
    alpha = np.full(3, 1.0)
    for _ in range(60):
        alpha = alpha_from_counts(counts, alpha)
    best = minimize(lambda a: -likelihood_of_priors(counts, np.exp(a)), np.zeros(3), tol=1e-10)
    np.testing.assert_allclose(alpha, np.exp(best.x), rtol=2e-3)
    eta = 1.0
    for _ in range(60):
        eta = eta_from_counts(counts, eta)
    best = minimize(lambda e: -likelihood_of_priors(counts, np.full(3, np.exp(e[0]))), [0.0], tol=1e-10)
    np.testing.assert_allclose(eta, np.exp(best.x[0]), rtol=2e-3)


def test_a_topic_without_words_keeps_a_prior_above_zero():
    counts = np.zeros((5, 2))
    counts[:, 0] = 4
    alpha = np.ones(2)
    for _ in range(50):
        alpha = alpha_from_counts(counts, alpha)
    assert (alpha > 0).all()
    assert np.isfinite(alpha).all()
