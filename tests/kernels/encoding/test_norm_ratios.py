"""The fused kernel of sparse filtering against plain NumPy and finite differences, both in float64."""

import numpy as np
import pytest
from numba import njit

from featlearn.kernels.encoding import norm_ratios as kernel
from featlearn.kernels.encoding.norm_ratios import codes, gram, loss_and_pull, squares_and_slopes

ACTIVATIONS = ["softabs", "log"]
EPS = 1e-8


def textbook(X, W, activation, eps=EPS, center=False):
    """V (n, K) as the paper states it."""
    X, W = np.asarray(X, np.float64), np.asarray(W, np.float64)
    if center:
        X = X - X.mean(axis=1, keepdims=True)
    F = X @ W.T
    F = np.sqrt(F**2 + eps) if activation == "softabs" else np.log(1 + F**2)
    F = F / np.linalg.norm(F, axis=0)
    return F / np.linalg.norm(F, axis=1, keepdims=True)


def assembled(X, W, activation, center=False, factor=1.0):
    """Loss and gradient put together from the kernel's parts, as its header says."""
    squares, H = squares_and_slopes(X, W, activation, EPS, center)
    loss, G, t = loss_and_pull(X, W, factor / np.sqrt(squares), activation, EPS, center)
    return loss, G - (t / squares)[:, None] * H


def data(n=60, d=7, K=5, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return (rng.laplace(size=(n, d)) + 0.5).astype(dtype), rng.normal(size=(K, d)).astype(dtype)


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_loss_and_gradient_match_the_textbook_and_its_finite_differences(activation, center):
    X, W = data()
    loss, gradient = assembled(X, W, activation, center)
    assert loss == pytest.approx(textbook(X, W, activation, center=center).sum(), rel=1e-12)
    numeric, h = np.empty_like(W), 1e-6
    for k, j in np.ndindex(W.shape):
        ahead, behind = W.copy(), W.copy()
        ahead[k, j] += h
        behind[k, j] -= h
        rise = (
            textbook(X, ahead, activation, center=center).sum() - textbook(X, behind, activation, center=center).sum()
        )
        numeric[k, j] = rise / (2 * h)
    assert np.abs(numeric).max() > 1
    np.testing.assert_allclose(gradient, numeric, atol=1e-7 * np.abs(numeric).max())


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_common_factor_of_the_norms_cancels(activation):
    X, W = data()
    loss, gradient = assembled(X, W, activation)
    scaled_loss, scaled_gradient = assembled(X, W, activation, factor=37.0)
    assert scaled_loss == pytest.approx(loss, rel=1e-13)
    np.testing.assert_allclose(scaled_gradient, gradient, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("n", [1, 255, 256, 257, 1024, 3000])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_blocks_of_every_size_give_the_same(activation, n, monkeypatch):
    X, W = data(n=n, K=9)
    squares, H = squares_and_slopes(X, W, activation)
    parts = [*loss_and_pull(X, W, 1 / np.sqrt(squares), activation), codes(X, W, 1 / np.sqrt(squares), activation)]
    np.testing.assert_allclose(parts[-1], textbook(X, W, activation, center=True), rtol=1e-9, atol=1e-12)
    monkeypatch.setattr(kernel, "BLOCK_ROWS", (1, 7))
    other_squares, other_H = squares_and_slopes(X, W, activation)
    others = [*loss_and_pull(X, W, 1 / np.sqrt(squares), activation), codes(X, W, 1 / np.sqrt(squares), activation)]
    for one, other in zip([squares, H, *parts], [other_squares, other_H, *others], strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_float32_stays_float32_and_near_float64(activation):
    X, W = data(n=2000, d=30, K=20, dtype=np.float32)
    loss, gradient = assembled(X, W, activation, center=True)
    exact_loss, exact = assembled(X.astype(np.float64), W.astype(np.float64), activation, center=True)
    assert loss == pytest.approx(exact_loss, rel=1e-6)
    np.testing.assert_allclose(gradient, exact, atol=3e-5 * np.abs(exact).max())
    V = codes(X, W, np.ones(len(W)), activation)
    assert V.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(V, axis=1), 1, rtol=1e-5)


def test_the_gram_matrix_gives_the_norms_and_slopes_of_softabs():
    X, W = data(n=500)
    S = gram(X)
    squares, H = squares_and_slopes(X, W, "softabs", EPS, True)
    np.testing.assert_allclose(H, W @ S, rtol=1e-10, atol=1e-9)
    np.testing.assert_allclose(squares, np.einsum("kd,de,ke->k", W, S, W) + len(X) * EPS, rtol=1e-12)


def test_the_gram_matrix_of_float32_is_summed_in_float64():
    X = np.full((100_000, 2), 0.1, np.float32)
    assert gram(X, center=False).dtype == np.float64
    np.testing.assert_allclose(gram(X, center=False), 100_000 * float(np.float32(0.1)) ** 2, rtol=1e-12)


def test_rows_far_from_zero_are_centered_before_the_product():
    X, W = data(n=100)
    X = np.round(X * 64) / 64
    near = codes(X.astype(np.float32), W.astype(np.float32), np.ones(5))
    far = codes((X + 2**13).astype(np.float32), W.astype(np.float32), np.ones(5))  # as exact in float32 as X itself
    np.testing.assert_allclose(far, near, atol=1e-5)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_constant_sample_and_a_silent_feature_stay_finite(activation):
    X, W = data()
    X[3] = 5.0
    W[2] = 0
    squares, H = squares_and_slopes(X, W, activation)
    scale = np.divide(1, np.sqrt(squares), out=np.zeros(5), where=squares > 0)
    loss, G, t = loss_and_pull(X, W, scale, activation)
    V = codes(X, W, scale, activation)
    assert all(np.isfinite(part).all() for part in (loss, G, t, H, V))
    assert loss == pytest.approx(V.sum())
    if activation == "log":
        assert not V[3].any()
        assert not V[:, 2].any()


def test_slopes_are_left_out_if_not_asked_for():
    X, W = data()
    squares, H = squares_and_slopes(X, W, "log", slopes=False)
    np.testing.assert_array_equal(squares, squares_and_slopes(X, W, "log")[0])
    assert H.size == 0


@pytest.mark.parametrize("layout", ["F", "strided", "integers"])
def test_any_layout_of_the_chunk(layout):
    X, W = data(n=40)
    X = np.round(4 * X)
    other = {"F": np.asfortranarray(X), "strided": np.repeat(X, 2, axis=0)[::2], "integers": X.astype(np.int16)}[layout]
    for one, two in zip(loss_and_pull(other, W, np.ones(5)), loss_and_pull(X, W, np.ones(5)), strict=True):
        np.testing.assert_array_equal(one, two)


@njit(error_model="numpy", fastmath=True)
def logs(x, out):
    for i in range(x.shape[0]):
        out[i] = kernel.log1p(x[i])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log1p_within_a_few_units_in_the_last_place(dtype):
    small = 10 ** np.random.default_rng(0).uniform(-30, 30, 100_000)
    edges = [
        0,
        1,
        *np.sqrt([0.5, 2]),
        *(2.0 ** np.arange(-30, 30) - 1).clip(0),
        *(np.sqrt(2) * 2.0 ** np.arange(30) - 1),
    ]
    x = np.concatenate([small, edges]).astype(dtype)
    out = np.empty_like(x)
    logs(x, out)
    np.testing.assert_allclose(out, np.log1p(x.astype(np.longdouble)).astype(np.float64), rtol=4 * np.finfo(dtype).eps)


def test_log1p_is_for_compiled_code():
    with pytest.raises(TypeError, match=r"np\.log1p"):
        kernel.log1p(1.0)
