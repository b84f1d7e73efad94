"""Blocks of tokens, and the draw of one topic against its formula."""

import numpy as np
import pytest
import scipy.sparse as sp
from numba import njit

from featlearn.kernels.topic_draw import LANES, draw_topic, padded
from featlearn.kernels.topic_gibbs import dealt, in_blocks


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
    np.testing.assert_allclose(np.bincount(out, minlength=K) / m, p / p.sum(), atol=2 * K / m)


def test_the_ends_of_the_unit_interval():
    for K in (1, 17, 40):
        n_dk, n_wk, n_k = counts(K)
        inverse = np.zeros(padded(K), np.float32)
        inverse[:K] = 1 / n_k[:K]
        out = np.empty(2, np.int64)
        uniforms = np.array([0.0, np.nextafter(np.float32(1), np.float32(0))])
        alpha = np.ones(padded(K), np.float32)
        one = np.float32(1)
        draws(n_dk, 0, n_wk, 0, inverse, alpha, one, -1, one, one, uniforms.astype(np.float32), out)
        assert out[0] == 0
        assert out[1] - LANES < K  # the sweep steps back a row of lanes where padding was hit


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


def test_terms_are_dealt_evenly():
    sizes = np.random.default_rng(0).zipf(1.5, 1000).clip(max=500).astype(float)
    part, rows = dealt(sizes, 4)
    shares = np.bincount(part, sizes)
    assert shares.max() < 1.1 * shares.mean()
    assert (np.diff(part[np.argsort(rows)]) >= 0).all()
