"""The vectorized exponential and softmax against long double and against what must hold at the ends."""

import numpy as np
import pytest
from numba import njit

from featlearn.kernels.exp import exp, softmax_row

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@njit
def exp_of(x):
    out = np.empty_like(x)
    for i in range(x.shape[0]):
        out[i] = exp(x[i])
    return out


@DTYPES
def test_exp_is_within_two_roundings(dtype):
    end = 86.5 if dtype == np.float32 else 707.0
    x = np.concatenate([np.linspace(-end, end, 100_001), np.linspace(-1e-3, 1e-3, 1001)]).astype(dtype)
    truth = np.exp(x.astype(np.longdouble))
    assert exp_of(x).dtype == dtype
    assert float(np.max(np.abs(exp_of(x) - truth) / truth)) <= 2 * np.finfo(dtype).eps


@DTYPES
def test_exp_saturates(dtype):
    low, high = exp_of(np.array([-1e30, 1e30], dtype))
    assert low == 0
    assert np.isfinite(high)
    assert high > 1e37
    assert exp_of(np.zeros(1, dtype))[0] == 1


@DTYPES
@pytest.mark.parametrize("size", [1, 5, 64, 301])
def test_softmax_row(dtype, size):
    row = np.random.default_rng(size).normal(scale=10, size=size).astype(dtype)
    truth = np.exp(row.astype(np.longdouble) - row.max())
    found = row.copy()
    total = softmax_row(found)
    np.testing.assert_allclose(found, (truth / truth.sum()).astype(float), rtol=2e-5 if dtype == np.float32 else 1e-13)
    np.testing.assert_allclose(total, float(row.max() + np.log(truth.sum())), rtol=1e-6)


@DTYPES
def test_softmax_is_shift_invariant_and_finite_far_away(dtype):
    row = np.array([1.0, 2.0, 4.0], dtype)
    far = row + dtype(1e4)
    near = row.copy()
    softmax_row(near)
    softmax_row(far)
    np.testing.assert_allclose(near, far, rtol=1e-5)
    apart = np.array([-1e30, 0, 1e30], dtype)
    softmax_row(apart)
    np.testing.assert_array_equal(apart, [0, 0, 1])


def test_exp_is_for_compiled_code():
    with pytest.raises(TypeError, match=r"call np\.exp"):
        exp(1.0)
