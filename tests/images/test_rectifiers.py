"""Rectifiers against their definitions, entry by entry."""

import numpy as np
import pytest

from featlearn.images.rectifiers import Abs, Positive, SoftThreshold, SplitSign

rng = np.random.default_rng(0)
Z = rng.normal(size=(3, 4, 5, 6))


def by_entry(f, z=Z):
    return np.vectorize(f)(z)


def test_abs():
    np.testing.assert_array_equal(Abs().transform(Z), by_entry(lambda z: z if z > 0 else -z))


def test_positive():
    np.testing.assert_array_equal(Positive().transform(Z), by_entry(lambda z: z if z > 0 else 0.0))


@pytest.mark.parametrize("t", [0.0, 0.1, 1.0])
def test_split_sign(t):
    out = SplitSign(threshold=t).transform(Z)
    np.testing.assert_array_equal(out[..., :6], by_entry(lambda z: z - t if z > t else 0.0))
    np.testing.assert_array_equal(out[..., 6:], by_entry(lambda z: -z - t if -z > t else 0.0))


def test_split_sign_without_threshold_loses_nothing():
    out = SplitSign().transform(Z)
    np.testing.assert_array_equal(out[..., :6] - out[..., 6:], Z)
    np.testing.assert_array_equal(out[..., :6] + out[..., 6:], Abs().transform(Z))


@pytest.mark.parametrize("t", [0.0, 0.1, 1.0])
def test_soft_threshold(t):
    expected = by_entry(lambda z: np.sign(z) * max(abs(z) - t, 0.0))
    out = SoftThreshold(threshold=t).transform(Z)
    np.testing.assert_allclose(out, expected, atol=1e-16)
    assert (out[abs(Z) <= t] == 0).all()


def test_soft_threshold_is_the_lasso_of_one_variable():
    t, grid = 0.3, np.linspace(-3, 3, 60001)
    for z in (-1.7, -0.3, 0.05, 0.9):
        best = grid[np.argmin(0.5 * (grid - z) ** 2 + t * abs(grid))]
        assert SoftThreshold(threshold=t).transform(np.full((1, 1, 1), z)).item() == pytest.approx(best, abs=1e-4)


@pytest.mark.parametrize(
    ("rectifier", "expected"), [(Abs(), 6), (Positive(), 6), (SplitSign(), 12), (SoftThreshold(), 6)]
)
def test_n_channels_tells_what_comes_out(rectifier, expected):
    assert rectifier.n_channels(6) == rectifier.transform(Z).shape[-1] == expected


def test_a_gray_map_splits_into_two_channels():
    assert SplitSign().transform(Z[..., 0]).shape == (3, 4, 5, 2)
    assert SoftThreshold().transform(Z[..., 0]).shape == (3, 4, 5)


@pytest.mark.parametrize("cls", [SplitSign, SoftThreshold])
def test_a_threshold_from_a_numpy_grid_keeps_float32(cls):
    for threshold in np.linspace(0, 1, 3):
        assert cls(threshold=threshold).transform(Z.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize("cls", [SplitSign, SoftThreshold])
@pytest.mark.parametrize("threshold", [-0.1, np.nan, "0.1", None])
def test_bad_threshold(cls, threshold):
    for call in ("fit", "transform"):
        with pytest.raises(ValueError, match="threshold="):
            getattr(cls(threshold=threshold), call)(Z)
