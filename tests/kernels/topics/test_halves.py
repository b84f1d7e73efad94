"""Halves of documents against the hypergeometric distribution, and log-likelihoods against the formula."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.stats import hypergeom

from featlearn.kernels.topics.halves import MANY, halves, log_likelihoods


def first_halves(X, seed=0):
    first = np.empty_like(X.data)
    halves(X.indptr, X.indices, X.data, seed, first)
    return sp.csr_array((first, X.indices, X.indptr), shape=X.shape)


def corpus(n=60, V=30, weight=1.0, dtype=np.float64):
    return sp.csr_array((np.random.default_rng(0).poisson(0.8, (n, V)) * weight).astype(dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_half_has_half_the_tokens(dtype):
    X = corpus(dtype=dtype)
    first = first_halves(X)
    assert first.dtype == dtype
    np.testing.assert_array_equal(first.sum(axis=1), X.sum(axis=1) // 2)
    assert (first.data >= 0).all()
    assert (first.data <= X.data).all()
    np.testing.assert_array_equal(first.data, first.data.round())


@pytest.mark.parametrize("counts", [[3, 1, 2, 5], [1, 1, 1], [7, 2]])
def test_tokens_are_drawn_without_replacement_and_without_bias(counts):
    """Over seeds, the count of each word in the first half is hypergeometric."""
    X, n = sp.csr_array([counts]).astype(float), 20_000
    drawn = np.array([first_halves(X, seed).data for seed in range(n)])
    total = sum(counts)
    for m, column in zip(counts, drawn.T, strict=True):
        expected = hypergeom(total, m, total // 2).pmf(np.arange(m + 1))
        shares = np.bincount(column.astype(int), minlength=m + 1) / n
        np.testing.assert_allclose(shares, expected, atol=4 * np.sqrt(0.25 / n))
    if len(counts) > 2:
        assert abs(np.cov(drawn[:, 0], drawn[:, 1])[0, 1] + np.prod(counts[:2]) * (total // 2) * -(-total // 2)
                   / (total**2 * (total - 1))) < 0.03  # fmt: skip


def test_the_cut_depends_on_seed_and_contents_not_on_place_or_type():
    X = corpus()
    first = first_halves(X)
    order = np.random.default_rng(1).permutation(60)
    np.testing.assert_array_equal(first_halves(sp.csr_array(X[order])).toarray(), first.toarray()[order])
    np.testing.assert_array_equal(first_halves(sp.csr_array(X[17:41])).toarray(), first.toarray()[17:41])
    np.testing.assert_array_equal(first_halves(X.astype(np.float32)).toarray(), first.toarray())
    wide = X.copy()
    wide.indices, wide.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    np.testing.assert_array_equal(first_halves(wide).toarray(), first.toarray())
    assert (first_halves(X, 1).toarray() != first.toarray()).any()


def test_documents_of_fewer_than_two_tokens_have_an_empty_first_half():
    first = first_halves(sp.csr_array(np.array([[0, 0, 0], [0, 1, 0], [0.2, 0, 0]])))
    assert first.toarray().tolist() == [[0, 0, 0]] * 3


def test_a_fraction_is_cut_into_equal_tokens():
    """2.5 is three tokens of weight 5/6."""
    X = sp.csr_array([[2.5, 1.0]])
    for seed in range(50):
        a, b = first_halves(X, seed).toarray()[0]
        assert (a / (2.5 / 3) + b) == pytest.approx(2)
    whole = np.mean([first_halves(corpus(), seed).data for seed in range(300)], axis=0)
    np.testing.assert_allclose(np.mean([first_halves(corpus(weight=0.6), s).data for s in range(300)], axis=0).sum(),
                               0.6 * whole.sum(), rtol=0.05)  # fmt: skip


@pytest.mark.parametrize("many", [MANY, MANY + 1, 10**6, 2**40])
def test_huge_counts_are_cut_in_proportion(many):
    X = sp.csr_array(np.array([[many, 3.0, many, 1]]))
    first = np.array([first_halves(X, seed).toarray()[0] for seed in range(20 if many > MANY else 3)])
    np.testing.assert_array_equal(first.sum(axis=1), many + 2)
    np.testing.assert_allclose(first[:, [0, 2]], many / 2, atol=2 + 4 * np.sqrt(many / 2))
    assert (first <= X.toarray()).all()
    assert (first >= 0).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("K", [1, 3, 17])
def test_log_likelihoods_are_those_of_the_formula(K, dtype):
    rng = np.random.default_rng(0)
    X = corpus(weight=0.7, dtype=dtype)
    theta, phi = rng.dirichlet(np.ones(K), 60).astype(dtype), rng.dirichlet(np.ones(30), K).astype(dtype)
    out = np.empty(60)
    log_likelihoods(X.indptr, X.indices, X.data, theta, np.ascontiguousarray(phi.T), out)
    expected = (X.toarray() * np.log(theta.astype(float) @ phi)).sum(axis=1)
    np.testing.assert_allclose(out, expected, rtol=1e-12 if dtype == np.float64 else 2e-6)


def test_words_of_probability_zero():
    """One that occurs makes the likelihood 0; one that does not, nothing."""
    X = sp.csr_array(np.array([[1.0, 1], [1, 1]]))
    X.data[1] = 0
    out = np.empty(2)
    log_likelihoods(X.indptr, X.indices, X.data, np.ones((2, 1)), np.array([[0.5], [0.0]]), out)
    assert out.tolist() == [np.log(0.5), -np.inf]
