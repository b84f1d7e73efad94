"""Folding-in against plain loops and scipy.special."""

import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.special import gammaln, psi

from featlearn.kernels.topics.fold_in import compact, dirichlet_sums, exp_digamma, expectation, fold_in, merged_rows

RNG = np.random.default_rng(0)
KINDS = [(True, 0.1), (False, 0.0), (False, 0.2)]


def documents(n=12, V=30, dtype=np.float64):
    X = sp.csr_array(RNG.poisson(0.4, (n, V)).astype(dtype))
    X.data += dtype(0.25) * (np.arange(X.nnz) % 3 == 0).astype(dtype)
    return X


def slow(n, topics, prior, digamma, max_iter, tol):
    """gamma, r (V, K) and log_p of one document n (V,), word by word in float64."""
    topics = topics.astype(float)
    known = topics.any(axis=1)
    n, topics = n[known].astype(float), topics[known]

    def weights(gamma):
        return np.exp(psi(gamma)) if digamma else gamma

    gamma = prior + n.sum() / topics.shape[1]
    for _ in range(max_iter):
        new = prior.copy()
        for count, row in zip(n, topics, strict=True):
            r = weights(gamma) * row
            new += count * r / r.sum()
        change, gamma = np.abs(new - gamma).mean(), new
        if change < tol:
            break
    joint = topics * weights(gamma)
    r = np.zeros((len(known), topics.shape[1]))
    r[known] = joint / joint.sum(axis=1, keepdims=True)
    return gamma, r, n @ np.log(joint.sum(axis=1))


@pytest.mark.parametrize(("digamma", "prior"), KINDS)
@pytest.mark.parametrize("K", [1, 3, 16, 37])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_statistic_and_likelihood_against_plain_loops(dtype, K, digamma, prior):
    X = documents(dtype=dtype)
    topics = RNG.dirichlet(np.full(K, 0.3), X.shape[1]).astype(dtype) + dtype(1e-6)
    prior = np.full(K, prior) * np.linspace(0.5, 1.5, K)
    expected = [slow(n, topics, prior, digamma, 50, 1e-3) for n in X.toarray()]
    found = expectation(X, topics, prior, digamma=digamma, max_iter=50, tol=1e-3)
    rtol, atol = (1e-4, 1e-5) if dtype is np.float32 else (1e-9, 1e-12)
    assert found.gamma.dtype == found.statistic.dtype == dtype
    np.testing.assert_allclose(found.gamma, [gamma for gamma, _, _ in expected], rtol, atol)
    np.testing.assert_allclose(found.log_p, [log_p for _, _, log_p in expected], rtol, atol)
    statistic = sum(n[:, None] * r for n, (_, r, _) in zip(X.toarray(), expected, strict=True))
    np.testing.assert_allclose(found.statistic, statistic, rtol, 10 * atol)
    np.testing.assert_array_equal(found.gamma, fold_in(X, topics, prior, digamma=digamma, max_iter=50, tol=1e-3))


@pytest.mark.parametrize(("digamma", "prior"), KINDS)
def test_weights_sum_to_prior_and_known_words(digamma, prior):
    X = documents(40, 60, np.float32)
    topics = RNG.gamma(0.1, 1, (60, 20)).astype(np.float32)
    topics[[3, 7]] = 0
    gamma = fold_in(X, topics, np.full(20, prior), digamma=digamma, max_iter=7, tol=0)
    known = X.toarray()
    known[:, [3, 7]] = 0
    np.testing.assert_allclose(gamma.sum(axis=1), known.sum(axis=1) + 20 * prior, rtol=1e-5)
    np.testing.assert_allclose(
        fold_in(sp.csr_array(known), topics, np.full(20, prior), digamma=digamma, max_iter=7, tol=0), gamma, rtol=1e-5
    )


def test_the_scale_of_a_word_has_no_effect():
    X = documents(dtype=np.float32)
    topics = RNG.gamma(0.5, 1, (30, 5)).astype(np.float32)
    scales = (2.0 ** RNG.integers(-90, 90, 30)).astype(np.float32)[:, None]
    a = fold_in(X, topics, np.full(5, 0.1), digamma=True)
    np.testing.assert_array_equal(a, fold_in(X, topics * scales, np.full(5, 0.1), digamma=True))


def test_each_document_is_on_its_own():
    X = documents(50)
    topics = RNG.gamma(0.5, 1, (30, 5))
    whole = fold_in(X, topics, np.full(5, 0.1), digamma=True)
    rows = np.array([4, 49, 0])
    np.testing.assert_array_equal(whole[rows], fold_in(X[rows], topics, np.full(5, 0.1), digamma=True))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tiny_priors_and_one_word_do_not_underflow(dtype):
    K = 1000
    X = sp.csr_array(np.array([[1, 0], [0, 1], [0, 0]], dtype))
    topics = np.full((2, K), 1e-30, dtype)
    topics[0, 3] = 1
    gamma = fold_in(X, topics, np.full(K, 1e-3), digamma=True)
    assert np.isfinite(gamma).all()
    np.testing.assert_allclose(gamma.sum(axis=1), [2, 2, 1], rtol=1e-5)
    assert gamma[0, 3] == pytest.approx(1.001, rel=1e-4)
    np.testing.assert_allclose(gamma[2], 1e-3, rtol=1e-6)


def test_a_word_of_an_absent_topic_brings_it_back():
    # Word 1 lies in topic 1 alone, which starts at a weight of 0.
    X = sp.csr_array(np.array([[5.0, 2.0]]))
    topics = np.array([[1.0, 0.0], [0.0, 1.0]])
    gamma = fold_in(X, topics, np.zeros(2), digamma=False, gamma=np.array([[7.0, 0.0]]))
    np.testing.assert_allclose(gamma, [[5, 2]])


def test_iterations_go_on_from_given_weights():
    X = documents()
    topics = RNG.gamma(0.5, 1, (30, 5))
    once = fold_in(X, topics, np.full(5, 0.1), digamma=True, max_iter=8, tol=0)
    half = fold_in(X, topics, np.full(5, 0.1), digamma=True, max_iter=4, tol=0)
    again = fold_in(X, topics, np.full(5, 0.1), digamma=True, max_iter=4, tol=0, gamma=half)
    np.testing.assert_allclose(again, once, rtol=1e-12)
    assert np.abs(half - once).max() > 1e-3


def test_a_long_document_and_a_repeated_word():
    V = 40_000
    dense = np.ones((2, V), np.float32)
    dense[1] = np.where(np.arange(V) == 3, 1e5, 0)
    X = sp.csr_array(dense)
    topics = RNG.gamma(0.3, 1, (V, 4)).astype(np.float32)
    gamma = fold_in(X, topics, np.full(4, 0.1), digamma=True)
    np.testing.assert_allclose(gamma.sum(axis=1), [V + 0.4, 1e5 + 0.4], rtol=1e-5)


def test_compact_keeps_the_words_that_occur():
    X = sp.csr_array(np.array([[0, 2, 0, 1], [0, 0, 0, 3]], float))
    words, local = compact(X)
    np.testing.assert_array_equal(words, [1, 3])
    np.testing.assert_array_equal(local.toarray(), [[2, 1], [0, 3]])


@pytest.mark.parametrize(("a", "b"), [([1, 4, 6], [0, 4, 9]), ([], [2]), ([2], []), ([3, 5], [3, 5]), ([7], [1, 2])])
def test_merged_rows_are_the_dense_sum(a, b):
    a, b = np.array(a, int), np.array(b, int)
    rows, more, dense = RNG.random((len(a), 3)), RNG.random((len(b), 3)), np.zeros((10, 3))
    dense[a] += rows
    dense[b] += more
    words, total = merged_rows(a, rows, b, more)
    np.testing.assert_array_equal(words, np.union1d(a, b))
    np.testing.assert_array_equal(total, dense[words])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exp_digamma_and_the_sums_against_scipy(dtype):
    x = (10.0 ** RNG.uniform(-1, 6, (50, 7))).astype(dtype)
    values, logs = exp_digamma(x)
    np.testing.assert_allclose(
        np.log(values.astype(float)) + logs[:, None], psi(x.astype(float)), rtol=0, atol=4 * np.finfo(dtype).eps * 20
    )
    weights, out = RNG.random(50), np.zeros((4, 7))
    dirichlet_sums(x, weights, out)
    x = x.astype(float)
    expected = [gammaln(x).sum(0), (x * psi(x)).sum(0), psi(x).sum(0), weights @ psi(x)]
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_products_of_small_weights_stay_normal_numbers(dtype):
    values, _ = exp_digamma(np.array([[1e-3, 1.0], [1e-6, 2e4]], dtype))
    values /= values.max(axis=1, keepdims=True)
    assert values.min() ** 2 > np.finfo(dtype).tiny
    assert (values[:, 0] < 1e-12).all()


COMPILE_AND_FOLD_IN = """
import hashlib
import numpy as np, scipy.sparse as sp
from featlearn.kernels.topics.fold_in import fold_in
rng = np.random.default_rng(0)
X = sp.csr_array(rng.poisson(0.3, (200, 50)).astype(np.float32))
gamma = fold_in(X, rng.gamma(0.5, 1, (50, 5)).astype(np.float32), np.full(5, 0.1), digamma=False)
print(hashlib.sha256(gamma.tobytes()).hexdigest())
"""


def test_the_process_that_compiles_and_one_that_loads_the_code_agree_to_the_bit(tmp_path):
    # A helper that is called and not inlined exists twice, as its own code and in its caller's, and rounds differently.
    command = [sys.executable, "-c", COMPILE_AND_FOLD_IN]
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    first, second = (
        subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout for _ in range(2)
    )
    assert first == second
