"""Vector roots and minima against float64."""

import numpy as np
import pytest
from numba import njit

from featlearn.kernels import simd
from featlearn.kernels.simd import fast_min, root_row

LENGTHS = [1, 15, 16, 17, 31, 32, 300, 1600]


@njit
def by_dispatch(row, bias, x, doubt):
    return root_row(row, bias, x, doubt)


@njit
def exact(row, bias, x, doubt):
    return simd._roots_from(row, bias, x, doubt, 0)


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
    row, bias = np.abs(wide(n, dtype=dtype)) + dtype(1e-37), np.zeros(n, dtype)
    expected = np.sqrt(row.astype(np.float64))
    total, doubtful = roots(row, bias, dtype(0), dtype(1e-38))
    np.testing.assert_allclose(row, expected, rtol=3e-7 if dtype == np.float32 else 1e-15)
    np.testing.assert_allclose(total, expected.sum(), rtol=1e-5)
    assert not doubtful


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_row_bias_and_norm_are_added(n, dtype):
    rng = np.random.default_rng(1)
    row, bias, x = rng.normal(size=n).astype(dtype), rng.uniform(1, 9, n).astype(dtype), dtype(4)
    added = row + bias + x
    total, _ = by_dispatch(row, bias, x, dtype(1e-30))
    np.testing.assert_allclose(row, np.sqrt(added.astype(np.float64)), rtol=3e-7)
    np.testing.assert_allclose(total, row.astype(np.float64).sum(), rtol=1e-6)


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("roots", [by_dispatch, exact], ids=["dispatch", "exact"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [0.5, 0.0, -3.0])
def test_a_square_at_or_below_the_doubt_is_told_wherever_it_stands(n, roots, dtype, value):
    for place in {0, n // 2, n - 1}:
        row = np.full(n, 4, dtype)
        row[place] = value
        changed, bias = row.copy(), np.zeros(n, dtype)
        assert roots(changed, bias, dtype(0), dtype(0.5))[1]
        others = np.arange(n) != place
        np.testing.assert_allclose(changed[others], 2, rtol=1e-6)
        if value > 0:
            assert not roots(row, bias, dtype(0), dtype(0.49))[1]


def test_both_float32_paths_agree_within_two_units_in_the_last_place():
    rng = np.random.default_rng(2)
    a = rng.uniform(0, 1e4, 1600).astype(np.float32)
    b, zeros = a.copy(), np.zeros_like(a)
    by_dispatch(a, zeros, np.float32(0), np.float32(1e-9))
    exact(b, zeros, np.float32(0), np.float32(1e-9))
    assert np.abs(a.view(np.int32) - b.view(np.int32)).max() <= 2


def test_root_row_is_for_compiled_code_only():
    with pytest.raises(TypeError, match=r"np\.sqrt\(row"):
        root_row(np.ones(3), np.zeros(3), 0.0, 1.0)


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fast_min(n, dtype):
    for seed in range(5):
        values = wide(n, seed, dtype)
        assert least(values) == values.min()
