"""Vector roots and minima against float64."""

import numpy as np
import pytest
from numba import njit

from featlearn.kernels import simd
from featlearn.kernels.simd import fast_min, root_row

LENGTHS = [1, 15, 16, 17, 31, 32, 300, 1600]


@njit
def by_dispatch(row, bias, x):
    return root_row(row, bias, x)


@njit
def exact(row, bias, x):
    return simd._roots_from(row, bias, x, 0)


@njit
def least(values):
    result = values[0]
    for v in values:
        result = fast_min(result, v)
    return result


def wide(n, seed=0, dtype=np.float32):
    """Numbers over 60 powers of ten, of either sign, and zeros."""
    rng = np.random.default_rng(seed)
    values = 10.0 ** rng.uniform(-30, 30, n) * rng.choice([1, 1, 1, -1], n)
    values[rng.random(n) < 0.1] = 0
    return values.astype(dtype)


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("roots", [by_dispatch, exact], ids=["dispatch", "exact"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_roots_of_a_wide_range(n, roots, dtype):
    row, bias = wide(n, dtype=dtype), np.zeros(n, dtype)
    expected = np.sqrt(np.maximum(row.astype(np.float64), 0))
    total, least = roots(row, bias, dtype(0))
    bound = 3e-7 if dtype == np.float32 else 1e-15
    positive = expected > 0
    assert np.all(np.abs(row[positive] / expected[positive] - 1) < bound)
    assert np.all(row[~positive] < 2e-19)  # the root of the least normal number stands for the root of 0
    np.testing.assert_allclose(total, expected.sum(), rtol=1e-5)
    np.testing.assert_allclose(np.sqrt(least), expected.min(), rtol=1e-6, atol=2e-19)


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_row_bias_and_norm_are_added(n, dtype):
    rng = np.random.default_rng(1)
    row, bias, x = rng.normal(size=n).astype(dtype), rng.uniform(1, 9, n).astype(dtype), dtype(4)
    added = row + bias + x
    total, least = by_dispatch(row, bias, x)
    np.testing.assert_allclose(least, added.min(), rtol=3e-7)
    np.testing.assert_allclose(row, np.sqrt(added.astype(np.float64)), rtol=3e-7)
    np.testing.assert_allclose(total, row.astype(np.float64).sum(), rtol=1e-6)


def test_negative_rounding_of_a_distance_of_zero_is_clamped():
    row, bias = np.full(20, -8.0, np.float32), np.full(20, 4.0, np.float32)
    bias[7] = 4 - 1e-6
    total, _ = by_dispatch(row, bias, np.float32(4))
    assert np.isfinite(row).all()
    assert np.all((row >= 0) & (row < 2e-19))
    assert total < 1e-17


def test_both_float32_paths_agree_within_two_units_in_the_last_place():
    rng = np.random.default_rng(2)
    a = rng.uniform(0, 1e4, 1600).astype(np.float32)
    b, zeros = a.copy(), np.zeros_like(a)
    by_dispatch(a, zeros, np.float32(0))
    exact(b, zeros, np.float32(0))
    assert np.abs(a.view(np.int32) - b.view(np.int32)).max() <= 2


def test_root_row_is_for_compiled_code_only():
    with pytest.raises(TypeError, match=r"np\.sqrt\(np\.maximum"):
        root_row(np.ones(3), np.zeros(3), 0.0)


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fast_min(n, dtype):
    for seed in range(5):
        values = wide(n, seed, dtype)
        assert least(values) == values.min()
