"""The experiments' standardization, against its formula and against scikit-learn's checks."""

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from pipelines.scaler import FeatureScaler, Moments


@parametrize_with_checks([FeatureScaler()])
def test_sklearn(estimator, check):
    check(estimator)


@pytest.mark.parametrize("copy", [True, False])
def test_formula(copy):
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(300, 20)) * 7 + 1000).astype(np.float32)
    X[:, 3] = 5.0
    before = X.copy()
    scaler = FeatureScaler(eps=0.01, copy=copy).fit(X)
    np.testing.assert_array_equal(X, before)
    result = scaler.transform(X)
    X64 = before.astype(np.float64)
    expected = (X64 - X64.mean(axis=0)) / np.sqrt(X64.var(axis=0, ddof=1) + 0.01)
    np.testing.assert_allclose(result, expected, atol=1e-4)
    assert result.dtype == np.float32
    assert (result is X) == (not copy)
    np.testing.assert_array_equal(X, before if copy else result)


def test_integers_become_float32_and_stay_untouched():
    X = np.random.default_rng(0).integers(0, 256, (50, 6), dtype=np.uint8)
    before = X.copy()
    result = FeatureScaler(copy=False).fit(X).transform(X)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(X, before)
    np.testing.assert_allclose(result.mean(axis=0), 0, atol=1e-5)


def test_moments_merge_to_those_of_the_whole():
    X = np.random.default_rng(0).normal(size=(101, 4)) * 1e-3 + 1e4
    merged = Moments.of(X[:7]) + Moments.of(X[7:60]) + Moments.of(X[60:])
    assert merged.n == 101
    np.testing.assert_allclose(merged.mean, X.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(merged.squares, np.square(X - X.mean(axis=0)).sum(axis=0), rtol=1e-6)
