"""Histograms of a code: each counts what it says, by sums done here by hand."""

from itertools import pairwise

import numpy as np
import pytest
from matplotlib import pyplot as plt
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError

from featlearn import KMeansDictionary, Stage
from featlearn.plot import SparsityDisplay

rng = np.random.default_rng(0)
DIGITS = load_digits().data[:200]
CODES = rng.exponential(size=(300, 7)) * (rng.uniform(size=(300, 7)) < 0.3) + np.eye(7)[np.arange(300) % 7]


@pytest.fixture(autouse=True)
def _no_screen():
    plt.switch_backend("Agg")
    yield
    plt.close("all")


def drawn(display):
    """Counts and edges of the three histograms."""
    return [(patch.get_data().values, patch.get_data().edges) for patch in display.histograms_]


def test_three_histograms():
    display = SparsityDisplay.from_codes(CODES, bins=10)
    (counts, edges), population, lifetime = drawn(display)
    for i, (low, high) in enumerate(pairwise(edges)):
        inside = [low <= code < high or code == high == CODES.max() for code in CODES.ravel()]
        assert counts[i] == sum(inside)
    assert edges[0] == CODES.min()
    assert edges[-1] == CODES.max()
    for (counts, edges), values in (
        (population, display.population_sparsity_),
        (lifetime, display.lifetime_sparsity_),
    ):
        np.testing.assert_allclose(edges, np.linspace(0, 1, 11))
        np.testing.assert_array_equal(counts, np.histogram(values, 10, (0, 1))[0])
        assert counts.sum() == len(values)
    assert display.zeros_ == np.mean(CODES == 0)
    assert display.axes_[0].get_yscale() == "log"
    assert display.axes_[0].get_title() == f"{100 * display.zeros_:.3g} % are zero"
    assert display.axes_[1].get_title() == f"mean {display.population_sparsity_.mean():.2f}"
    assert [ax.get_xlabel() for ax in display.axes_] == ["activation", "population sparsity", "lifetime sparsity"]
    assert display.figure_.axes == [*display.axes_]


def test_sparsity_is_treves_and_rolls_over_units_and_over_samples():
    """1 - mean(r)^2 / mean(r^2), summed here in loops."""
    display = SparsityDisplay.from_codes(CODES)

    def slow(r):
        n, total, squares = len(r), sum(r), sum(value * value for value in r)
        return 1 - (total / n) ** 2 / (squares / n)

    np.testing.assert_allclose(display.population_sparsity_, [slow(row) for row in CODES], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(display.lifetime_sparsity_, [slow(unit) for unit in CODES.T], rtol=1e-10)


def test_silent_samples_and_dead_units_are_counted_apart():
    codes = CODES.copy()
    codes[:2], codes[:, 3] = 0, 0
    display = SparsityDisplay.from_codes(codes)
    silent = np.flatnonzero(~codes.any(axis=1))
    _, (population, _), (lifetime, _) = drawn(display)
    assert population.sum() == 300 - len(silent)
    assert lifetime.sum() == 6
    mean = np.delete(display.lifetime_sparsity_, 3).mean()
    assert display.axes_[1].get_title().endswith(f", {len(silent)} silent samples")
    assert display.axes_[2].get_title() == f"mean {mean:.2f}, 1 dead unit"
    nothing = SparsityDisplay.from_codes(np.zeros((4, 3)))
    assert [ax.get_title() for ax in nothing.axes_] == ["100 % are zero", "4 silent samples", "3 dead units"]
    nothing.figure_.canvas.draw()


def test_codes_of_a_learner_and_maps_of_a_stage():
    learner = KMeansDictionary(6, random_state=0, max_iter=3, tol=0).fit(DIGITS)
    display = SparsityDisplay.from_estimator(learner, DIGITS)
    np.testing.assert_array_equal(display.codes, learner.transform(DIGITS))
    stage = Stage(KMeansDictionary(5, max_iter=3, tol=0), patch_size=4, stride=2, random_state=0)
    images = DIGITS[:20].reshape(-1, 8, 8)
    maps = stage.fit_transform(images)
    display = SparsityDisplay.from_estimator(stage, images)
    np.testing.assert_array_equal(display.codes, maps.reshape(-1, 5))
    assert display.population_sparsity_.shape == (20 * 9,)


def test_sparse_matrices():
    display = SparsityDisplay.from_codes(csr_matrix(CODES))
    np.testing.assert_array_equal(display.codes, CODES)


def test_axes_given():
    figure, axes = plt.subplots(3, 1)
    display = SparsityDisplay.from_codes(CODES, axes=axes)
    assert [*display.axes_] == [*axes]
    assert display.figure_ is figure
    with pytest.raises(ValueError, match="three axes, and there are 2"):
        SparsityDisplay.from_codes(CODES, axes=axes[:2])


@pytest.mark.parametrize(
    ("codes", "options", "message"),
    [
        (np.empty((0, 3)), {}, r"codes of shape \(0, 3\)"),
        (np.empty((3, 0)), {}, r"codes of shape \(3, 0\)"),
        (np.empty((0, 2, 2, 3)), {}, r"codes of shape \(0, 2, 2, 3\)"),
        (np.ones(3), {}, r"codes of shape \(3,\)"),
        (np.array([[1.0, np.nan]]), {}, "1 of 2 are NaN or infinite"),
        (np.ones((2, 2)), {"bins": 0}, "bins=0"),
    ],
)
def test_codes_that_cannot_be_drawn(codes, options, message):
    with pytest.raises(ValueError, match=message):
        SparsityDisplay.from_codes(codes, **options)


def test_estimators_without_codes():
    with pytest.raises(TypeError, match="BaseEstimator has no `transform`"):
        SparsityDisplay.from_estimator(BaseEstimator(), DIGITS)
    with pytest.raises(NotFittedError):
        SparsityDisplay.from_estimator(KMeansDictionary(), DIGITS)
