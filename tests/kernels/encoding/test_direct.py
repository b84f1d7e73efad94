"""The step of K-means by differences against plain loops."""

import numpy as np
import pytest

from featlearn.kernels.encoding.direct import direct_step, is_direct
from tests import references


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [0, 1e4])
@pytest.mark.parametrize("d", [1, 7, 40])
def test_a_step_equals_plain_loops(d, offset, dtype):
    rng = np.random.default_rng(d)
    X = (rng.normal(size=(90, d)) + offset).astype(dtype)
    atoms, w = X[:6].astype(float), rng.uniform(0, 2, 90)
    labels, sums, won = np.empty(90, np.int32), np.zeros((6, d)), np.zeros(6)
    inertia = direct_step(X, atoms, w, labels, sums, won)
    expected, squares = references.nearest(X.astype(float), atoms)
    np.testing.assert_array_equal(labels, expected)
    assert inertia == pytest.approx(w @ squares)
    np.testing.assert_allclose(won, np.bincount(expected, weights=w, minlength=6))
    for k in range(6):
        np.testing.assert_allclose(sums[k], w[expected == k] @ X[expected == k].astype(float))
    assert direct_step(X, atoms, w, labels[:0], sums[:0], won) == inertia


def test_ties_go_to_the_lowest_index():
    labels = np.empty(1, np.int32)
    atoms = np.array([[3.0], [1.0], [-1.0]])
    direct_step(np.zeros((1, 1)), atoms, np.ones(1), labels, np.zeros((3, 1)), np.zeros(3))
    assert labels[0] == 1


def test_many_atoms_of_many_rows_are_left_to_products():
    assert is_direct(np.ones((10_000, 8)), np.ones((8, 8)))
    assert is_direct(np.ones((100, 8)), np.ones((50, 8)))
    assert not is_direct(np.ones((10_000, 8)), np.ones((50, 8)))
