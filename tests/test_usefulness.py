"""Constant and saturated units are counted, drowned features noticed, and the sound ones left in peace."""

import warnings

import numpy as np
import pytest

from featlearn.usefulness import (
    PROBED,
    idle_units,
    probe,
    warn_of_drowned_features,
    warn_of_far_origin,
    warn_of_idle_units,
    warn_of_outliers,
)

rng = np.random.default_rng(0)


def test_units_are_counted():
    codes = np.column_stack([rng.uniform(size=200), np.full(200, 0.3), 1 - 1e-3 * rng.uniform(size=200), np.zeros(200)])
    codes[:, 2] -= np.linspace(0, 0.008, 200)
    assert idle_units(codes, 0, 1) == (2, 1)
    assert idle_units(1e-12 * codes[:, :2]) == (1, 0)  # without ends the codes' own size decides
    assert idle_units(np.zeros((5, 3))) == (3, 0)


def test_a_unit_that_rarely_leaves_its_end_may_count_as_saturated():
    codes = np.zeros((1_000, 3))
    codes[:5, 0], codes[:50, 1], codes[:, 2] = 1, 1, np.linspace(0, 1, 1_000)
    assert idle_units(codes, 0, 1) == (0, 0)
    assert idle_units(codes, 0, 1, share=0.98) == (0, 1)
    assert idle_units(1 - codes, 0, 1, share=0.98) == (0, 1)


def test_half_of_the_units_may_be_idle():
    codes = np.column_stack([rng.uniform(size=200), np.zeros(200)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_idle_units("A", codes, "Do this.", low=0, high=1)
        warn_of_idle_units("A", codes[:1], "Do this.", low=0, high=1)  # one row tells nothing
    with pytest.warns(UserWarning, match=r"A: of 3 units, 2 are constant and 0 saturated on 200 training.*Do this\."):
        warn_of_idle_units("A", np.column_stack([codes, np.zeros(200)]), "Do this.", low=0, high=1)


def test_drowned_features():
    X = rng.normal(size=(300, 5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_drowned_features("A", X, "distances count")
        warn_of_drowned_features("A", X * [1, 1, 1, 0, 0], "distances count")  # constants are not drowned
        warn_of_drowned_features("A", 1e-6 * X + 1e6, "distances count")
        warn_of_drowned_features("A", X[:, :1], "distances count")
    with pytest.warns(UserWarning, match=r"A: distances count, and 4 of the 5.*feature 1.*StandardScaler"):
        warn_of_drowned_features("A", X * [1, 1000, 1, 1, 1], "distances count")


def test_rows_far_from_the_origin():
    X = rng.normal(size=(300, 5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_far_origin("A", X + 10, "directions count")
        warn_of_far_origin("A", np.ones((5, 2)), "directions count")  # no spread to compare with
    with pytest.warns(UserWarning, match=r"A: directions count, and the samples lie .*subtract the mean"):
        warn_of_far_origin("A", X + 1e6, "directions count")


def test_outliers():
    X = rng.normal(size=(3000, 4))
    X[:, 3] = rng.uniform(size=3000) < 0.01  # a rare event is none
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_outliers("A", X, "deviations count")
        warn_of_outliers("A", 1e-6 * X + 5, "deviations count")
        warn_of_outliers("A", rng.standard_t(3, size=(3000, 2)), "deviations count")
        warn_of_outliers("A", iter([X]), "deviations count")
    X[1234, 2] = -9999  # not among the rows that tell the quartiles
    with pytest.warns(UserWarning, match=r"A: deviations count, and 1 of the 4 .*feature 2 is from.*clip them"):
        warn_of_outliers("A", X, "deviations count")


def test_probes_are_spread_evenly():
    X = np.arange(2 * PROBED + 5)[:, None]
    assert len(probe(X)) <= PROBED
    assert probe(X)[-1, 0] > 1.9 * PROBED
    assert len(probe(X[:10])) == 10
    assert len(probe(lambda: iter([X, X]))) == PROBED
