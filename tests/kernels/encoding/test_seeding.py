"""Greedy k-means++ against the formula, and its triangle inequality against none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featlearn.kernels.encoding.seeding import plus_plus, spread_rows


def square(X, c, signless):
    minus = ((X - c) ** 2).sum(axis=1)
    return np.minimum(minus, ((X + c) ** 2).sum(axis=1)) if signless else minus


def plainly(X, masses, draws, signless):
    """The centers by the definition, every distance measured."""
    closest, chosen = np.full(len(X), np.inf), []
    for k in range(len(draws)):
        running = np.cumsum(masses if k == 0 else masses * closest)
        if not running[-1] > 0:
            break
        tries = draws[k, : 1 if k == 0 else None]
        candidates = [min(np.searchsorted(running, u * running[-1], side="right"), len(X) - 1) for u in tries]
        after = [np.minimum(closest, square(X, X[c], signless)) for c in candidates]
        best = int(np.argmin([masses @ a for a in after]))
        closest = after[best]
        chosen.append(candidates[best])
    return np.array(chosen)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31 - 1), K=st.integers(1, 12), signless=st.booleans(), duplicates=st.booleans())
def test_centers_are_those_of_the_definition(seed, K, signless, duplicates):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(60, 3)) + rng.integers(0, 4, (60, 1)) * 5
    if duplicates:
        X = X[rng.integers(0, 5, 60)]
    masses, draws = rng.uniform(0.1, 2, 60), rng.random((K, 3))
    chosen, owner = np.empty(K, np.int64), np.zeros(60, np.int64)
    found = plus_plus(X, masses, draws, signless, chosen, owner)
    expected = plainly(X, masses, draws, signless)
    np.testing.assert_array_equal(X[chosen[:found]], X[expected])
    nearest = np.argmin([square(X, X[c], signless) for c in chosen[:found]], axis=0)
    gaps = [square(X[[i]], X[chosen[owner[i]]], signless)[0] for i in range(60)]
    np.testing.assert_allclose(gaps, [square(X[[i]], X[chosen[nearest[i]]], signless)[0] for i in range(60)])


def test_masses_count_as_repetitions():
    X, masses = np.array([[0.0], [1.0], [5.0]]), np.array([1.0, 2.0, 7.0])
    first = [spread_rows(X, masses, 1, np.random.RandomState(s))[0][0, 0] for s in range(2000)]
    assert np.mean(np.array(first) == 5) == pytest.approx(0.7, abs=0.04)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_groups_far_apart_and_far_from_the_origin_are_all_found(dtype):
    """Products cancel here: (3000, 2) and (3000, -2) look alike in float32."""
    groups = np.array([[-3000, -2], [-3000, 2], [3000, -2], [3000, 2]]) + 1e4
    X = (groups[:, None] + 0.05 * np.random.default_rng(0).normal(size=(4, 50, 2))).reshape(-1, 2).astype(dtype)
    for seed in range(10):
        centers, won = spread_rows(X, np.ones(200), 4, np.random.RandomState(seed))
        assert len(np.unique(((centers[:, None] - groups) ** 2).sum(axis=2).argmin(axis=1))) == 4
        np.testing.assert_array_equal(won, 50)


def test_fewer_different_rows_than_centers_give_what_there_is():
    centers, won = spread_rows(np.repeat(np.eye(3), 4, axis=0), np.ones(12), 5, np.random.RandomState(0))
    assert sorted(map(tuple, centers)) == sorted(map(tuple, np.eye(3)))
    np.testing.assert_array_equal(won, 4)
