"""Blocks of tokens, and the draw of one topic against its formula.

Also tests featlearn.kernels.topics.topic_draw.
"""

import numpy as np
import pytest
import scipy.sparse as sp
from numba import njit

from featlearn.kernels.topics.topic_blocks import dealt, in_blocks
from featlearn.kernels.topics.topic_draw import draw_topic, padded
from featlearn.text.counts import check_countable


@njit
def draws(n_dk, d, n_wk, w, inverse, alpha, eta, old, weight, without, uniforms, last, out):
    running = np.empty(inverse.shape[0], np.float32)
    for i in range(uniforms.shape[0]):
        out[i] = draw_topic(n_dk, d, n_wk, w, inverse, alpha, running, eta, old, weight, without, uniforms[i], last)


def counts(K, seed=0):
    rng = np.random.default_rng(seed)
    n_dk, n_wk = np.zeros((3, padded(K)), np.float32), np.zeros((5, padded(K)), np.float32)
    n_dk[:, :K], n_wk[:, :K] = rng.integers(1, 9, (3, K)), rng.integers(1, 9, (5, K))
    return n_dk, n_wk, n_wk.sum(axis=0, dtype=float)


@pytest.mark.parametrize("K", [1, 2, 15, 16, 17, 32, 100, 1025])
@pytest.mark.parametrize(("old", "weight"), [(-1, 1.0), (0, 1.0), (0, 0.3)])
def test_a_draw_follows_the_conditional(K, old, weight):
    n_dk, n_wk, n_k = counts(K)
    alpha = np.ones(padded(K), np.float32)
    alpha[:K] = np.random.default_rng(1).uniform(0.1, 2, K)
    eta, eta_sum, d, w = np.float32(0.2), 1.0, 1, 3
    inverse = np.zeros(padded(K), np.float32)
    inverse[:K] = 1 / (n_k[:K] + eta_sum)
    own = np.eye(K)[old] * weight if old >= 0 else np.zeros(K)
    p = (n_dk[d, :K] - own + alpha[:K]) * (n_wk[w, :K] - own + eta) / (n_k[:K] - own + eta_sum)
    without = np.float32(1 / (n_k[0] - weight + eta_sum))
    m = 200_000
    uniforms = ((np.arange(m) + 0.5) / m).astype(np.float32)  # evenly spread: shares are probabilities up to 1 / m
    out = np.empty(m, np.int64)
    draws(n_dk, d, n_wk, w, inverse, alpha, eta, old, np.float32(weight), without, uniforms, K - 1, out)
    assert out.max() < K
    np.testing.assert_allclose(np.bincount(out, minlength=K) / m, p / p.sum(), atol=2 / m)


@pytest.mark.parametrize("K", [1, 2, 3, 5, 10, 15, 16, 17, 40])
def test_the_ends_of_the_unit_interval(K):
    """Prefix sums of lanes round differently, so near 1 the lanes behind the last topic may seem to be reached."""
    rng = np.random.default_rng(0)
    n_dk, n_wk = np.zeros((5_000, padded(K)), np.float32), np.zeros((1, padded(K)), np.float32)
    n_dk[:, :K], n_wk[0, :K] = rng.gamma(0.5, 1, (5_000, K)), rng.integers(0, 50, K)
    alpha, inverse = np.ones(padded(K), np.float32), np.zeros(padded(K), np.float32)
    inverse[:K] = 1 / rng.integers(1, 50, K)
    one, eta, out = np.float32(1), np.float32(0.01), np.empty(3, np.int64)
    uniforms = np.array([0.0, 1 - 2.0**-23, 1 - 2.0**-24], np.float32)
    for d in range(5_000):
        draws(n_dk, d, n_wk, 0, inverse, alpha, eta, -1, one, one, uniforms, K - 1, out)
        assert out[0] == 0
        assert 0 <= out.min() <= out.max() < K


@pytest.mark.parametrize("parts", [1, 2, 3, 7])
def test_blocks_hold_every_token_once_and_share_neither_documents_nor_terms(parts):
    rng = np.random.default_rng(0)
    X = sp.csr_array(rng.poisson(0.7, (40, 30)).astype(np.float32))
    tokens = in_blocks(X, parts)
    terms = np.empty(30, int)
    terms[tokens.rows_of_terms] = np.arange(30)
    back = sp.coo_array((np.ones(len(tokens)), (tokens.documents, terms[tokens.rows])), X.shape)
    np.testing.assert_array_equal(back.toarray(), X.toarray())
    assert sorted(tokens.rows_of_terms) == list(range(30))
    for r in range(parts):
        blocks = [slice(*tokens.starts[p * parts + (p + r) % parts :][:2]) for p in range(parts)]
        for of in (tokens.documents, tokens.rows):
            seen = [set(of[block]) for block in blocks]
            assert sum(map(len, seen)) == len(set().union(*seen))


def test_fractional_counts_become_weights():
    tokens = in_blocks(sp.csr_array(np.array([[2.5, 0, 1.0]], np.float32)))
    np.testing.assert_allclose(np.sort(tokens.weights), [2.5 / 3, 2.5 / 3, 2.5 / 3, 1])
    assert len(in_blocks(sp.csr_array(np.array([[2.0, 0, 1.0]], np.float32))).weights) == 1


def test_one_token_keeps_its_weight():
    np.testing.assert_array_equal(in_blocks(sp.csr_array(np.array([[0, 0.25]]))).weights, [0.25])


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([[1, 2.0**31]], r"there are 2\.147e\+09 in the corpus; the most is 2,147,483,648.*variational"),
        ([[1e30, 1e25]], r"there are 1e\+30 in the corpus"),
        ([[0, 9e6], [0, 9e6]], r"exactly up to 16,777,216 words, and term 1 has 18,000,000"),
        ([[0, 1], [9e6, 9e6]], r"document 1 has 18,000,000"),
    ],
)
def test_more_tokens_than_can_be_counted(counts, message):
    with pytest.raises(ValueError, match=message):
        check_countable(sp.csr_array(np.array(counts)))


def test_terms_are_dealt_evenly():
    sizes = np.random.default_rng(0).zipf(1.5, 1000).clip(max=500).astype(float)
    part, rows = dealt(sizes, 4)
    shares = np.bincount(part, sizes)
    assert shares.max() < 1.1 * shares.mean()
    assert (np.diff(part[np.argsort(rows)]) >= 0).all()
