"""The search that remembers against a full search, iteration after iteration."""

import numpy as np
import pytest

from featlearn.kernels.encoding.bounds import RememberingSearch, fast_lane
from tests import references


def drifting(atoms, step, rng, jumping=()):
    """Atoms that move a little, but for the jumping ones."""
    moved = atoms + step * rng.normal(size=atoms.shape)
    moved[list(jumping)] += rng.normal(size=(len(jumping), atoms.shape[1]))
    return moved


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [0, 30])
@pytest.mark.parametrize("part_rows", [64, 1000, 10**6])
@pytest.mark.parametrize("jumping", [[], [3, 77], list(range(0, 150, 5))], ids=["none", "two", "thirty"])
def test_labels_and_errors_equal_a_full_search(dtype, offset, part_rows, jumping):
    rng = np.random.default_rng(0)
    X = (offset + rng.normal(size=(1500, 6))).astype(dtype)
    atoms = X[rng.choice(1500, 150, replace=False)].astype(float)
    search, searched = RememberingSearch(X, part_rows), []
    for i in range(14):
        search.search(atoms)
        searched.append(search.searched)
        exact = np.float64(X), np.asarray(atoms, dtype).astype(float)
        labels, least = references.nearest(*exact)
        chosen = ((exact[0] - exact[1][search.labels]) ** 2).sum(axis=1)
        # float32 cannot tell apart what is closer than the rounding of |x|^2
        tolerance = 8 * np.finfo(dtype).eps * (exact[0] ** 2).sum(axis=1).max()
        np.testing.assert_allclose(chosen, least, atol=tolerance)
        np.testing.assert_allclose(search.errors, chosen, rtol=1e-4, atol=1e-10)
        if dtype == np.float64:
            np.testing.assert_array_equal(search.labels, labels)
        atoms = drifting(atoms, 0.3 * 0.5**i, rng, jumping if i < 10 else ())
    assert searched[0] == 1500
    assert searched[-1] < 300  # most rows need no search any more


def test_centers_that_stand_still_need_no_search():
    X = np.random.default_rng(0).normal(size=(500, 4))
    search = RememberingSearch(X, 100)
    for _ in range(3):
        search.search(X[:40])
    assert search.searched < 20
    np.testing.assert_array_equal(search.labels, references.nearest(X, X[:40])[0])


def test_one_center():
    X = np.random.default_rng(0).normal(size=(50, 4))
    search = RememberingSearch(X, 20)
    for step in (0, 1, 1):
        search.search(X[:1] + step)
        np.testing.assert_array_equal(search.labels, 0)
        np.testing.assert_allclose(search.errors, ((X - X[0] - step) ** 2).sum(axis=1), rtol=1e-12)


def test_a_full_search_is_chosen_where_every_center_moves_far():
    drift = np.full(500, 2.0)
    assert fast_lane(drift, np.full(100, 1.0), np.full(100, 2.0)) is None
    drift = np.r_[np.full(10, 2.0), np.full(490, 1e-3)]
    assert fast_lane(drift, np.full(100, 1.0), np.full(100, 1e-3)) == 16
    assert fast_lane(np.full(500, 1e-6), np.full(100, 1.0), np.full(100, 1e-6)) == 0
