"""Nearest atoms against brute force in float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from featlearn.kernels.encoding.assign import BLOCK_ROWS, SCAN, assign, cluster_sums, nearest, winner
from tests import references

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
KS = pytest.mark.parametrize("K", [1, 2, 17, SCAN - 1, SCAN, SCAN + 1, 3 * SCAN + 5])
WHOLE = st.integers(-8, 8).map(float)


@st.composite
def rows_and_atoms(draw):
    """Small whole numbers, whose products are exact in any float, so that ties are ties."""
    d = draw(st.integers(1, 4))
    n, K = draw(st.integers(1, 12)), draw(st.integers(1, 20))
    return draw(arrays(float, (n, d), elements=WHOLE)), draw(arrays(float, (K, d), elements=WHOLE))


@settings(max_examples=150, deadline=None)
@given(rows_and_atoms(), st.sampled_from([np.float32, np.float64]))
def test_argmax_of_response_less_half_norm_is_the_nearest_atom(data, dtype):
    X, atoms = data
    labels, squares = nearest(X.astype(dtype), atoms, "euclidean")
    expected, least = references.nearest(X, atoms)
    np.testing.assert_array_equal(labels, expected)  # ties go to the lowest index
    np.testing.assert_array_equal(squares, least)
    np.testing.assert_array_equal((X @ atoms.T - (atoms**2).sum(axis=1) / 2).argmax(axis=1), expected)


@settings(max_examples=100, deadline=None)
@given(rows_and_atoms(), st.sampled_from([np.float32, np.float64]))
def test_largest_response_with_and_without_sign(data, dtype):
    X, atoms = data
    G = X @ atoms.T
    labels, values = nearest(X.astype(dtype), atoms, "cosine")
    np.testing.assert_array_equal(labels, G.argmax(axis=1))
    np.testing.assert_array_equal(values, ((X - atoms[labels]) ** 2).sum(axis=1) / 2)
    labels, values = nearest(X.astype(dtype), atoms, "spherical")
    np.testing.assert_array_equal(labels, np.abs(G).argmax(axis=1))
    np.testing.assert_array_equal(values, G[np.arange(len(X)), labels])


@DTYPES
@KS
@pytest.mark.parametrize("d", [1, 5, 108])
def test_any_number_of_atoms(K, d, dtype):
    rng = np.random.default_rng(K + d)
    X, atoms = rng.normal(size=(70, d)), rng.normal(size=(K, d))
    labels, squares = nearest(X.astype(dtype), atoms, "euclidean")
    _, least = references.nearest(X, atoms)
    tolerance = (1e-5 if dtype == np.float32 else 1e-13) * (X**2).sum(axis=1).max()
    chosen = ((X - atoms[labels]) ** 2).sum(axis=1)
    np.testing.assert_allclose(chosen, least, atol=tolerance)
    np.testing.assert_allclose(squares, least, atol=tolerance)
    assert squares.dtype == dtype


@DTYPES
@KS
def test_the_winner_is_found_wherever_it_stands(K, dtype):
    row, bias = np.random.default_rng(0).uniform(1, 2, K).astype(dtype), np.zeros(K, dtype)
    for place in {0, K // 2, K - 1}:
        for change, signless in ((-5, False), (5, True), (-5, True)):
            changed = row.copy()
            changed[place] = change
            assert winner(changed, bias, signless) == place
    assert winner(np.ones(K, dtype), bias, False) == 0
    assert winner(np.ones(K, dtype), bias, True) == 0


@DTYPES
def test_ties_between_far_apart_atoms_go_to_the_lowest_index(dtype):
    atoms = np.ones((2 * SCAN + 9, 3))
    atoms[[5, SCAN + 7, 2 * SCAN + 1]] = 0
    labels, _ = nearest(np.zeros((4, 3), dtype), atoms, "euclidean")
    assert labels.tolist() == [5] * 4


@DTYPES
def test_rows_beyond_a_block(dtype):
    rng = np.random.default_rng(0)
    X, atoms = rng.normal(size=(2 * BLOCK_ROWS + 3, 4)).astype(dtype), rng.normal(size=(6, 4))
    labels, _ = nearest(X, atoms, "euclidean")
    np.testing.assert_array_equal(labels, references.nearest(X, atoms)[0])
    for i in (0, BLOCK_ROWS - 1, BLOCK_ROWS, len(X) - 1):
        assert nearest(X[i : i + 1], atoms, "euclidean")[0][0] == labels[i]


def test_a_distance_is_never_negative():
    X = np.random.default_rng(0).normal(100, 1, (50, 30)).astype(np.float32)
    _, squares = nearest(X, X, "euclidean")
    assert (squares >= 0).all()


@DTYPES
def test_no_rows(dtype):
    labels, values = nearest(np.empty((0, 3), dtype), np.ones((2, 3)), "euclidean")
    assert labels.shape == values.shape == (0,)


@DTYPES
def test_rows_in_any_memory_layout(dtype):
    rng = np.random.default_rng(0)
    X, atoms = rng.normal(size=(40, 6)).astype(dtype), rng.normal(size=(5, 6))
    expected = nearest(X, atoms, "euclidean")[0]
    wide = np.zeros((80, 12), dtype)
    wide[::2, ::2] = X
    for same in (np.asfortranarray(X), wide[::2, ::2], X[::-1][::-1]):
        np.testing.assert_array_equal(nearest(same, np.asfortranarray(atoms), "euclidean")[0], expected)


@DTYPES
def test_cluster_sums_add_in_float64(dtype):
    rng = np.random.default_rng(0)
    X = (1000 + rng.normal(size=(5000, 3))).astype(dtype)
    labels, factors = rng.integers(0, 4, 5000).astype(np.int32), rng.normal(size=5000)
    factors[::7] = 0
    sums = np.zeros((4, 3))
    cluster_sums(X, labels, factors, sums)
    expected = [(factors[labels == k, None] * X[labels == k].astype(float)).sum(axis=0) for k in range(4)]
    np.testing.assert_allclose(sums, expected, rtol=1e-10, atol=1e-8)


@DTYPES
def test_rows_that_cannot_be_written_compile_nothing_anew(dtype):
    X = np.random.default_rng(0).normal(size=(20, 3)).astype(dtype)
    expected = nearest(X, X[:4].copy(), "euclidean")
    known = list(assign.signatures)
    X.flags.writeable = False
    np.testing.assert_array_equal(nearest(X, X[:4], "euclidean"), expected)
    assert assign.signatures == known
