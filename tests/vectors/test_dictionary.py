"""Codes of vectors against loops over atoms, and the way back."""

import numpy as np
import pytest

import featlearn
from featlearn import KMeansDictionary, RandomPatches
from featlearn.vectors.dictionary import codes, reconstruct, unit_rows
from tests import references

ENCODINGS = ["triangle", "hard", "threshold", "split", "omp"]
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def fitted(atoms, **parameters):
    """A dictionary that holds the atoms given."""
    X = np.random.default_rng(0).normal(size=(len(atoms) + 9, np.shape(atoms)[1]))
    learner = KMeansDictionary(len(atoms), max_iter=1, tol=0, random_state=0, **parameters).fit(X)
    learner.components_ = np.asarray(atoms, float)
    return learner


@DTYPES
@pytest.mark.parametrize("encode", ENCODINGS)
@pytest.mark.parametrize("d", [1, 7, 36])
@pytest.mark.parametrize("K", [1, 17, 300])
def test_codes_equal_the_formula_atom_by_atom(encode, K, d, dtype):
    rng = np.random.default_rng(K + d)
    X, atoms = rng.normal(size=(33, d)).astype(dtype), rng.normal(size=(K, d)).astype(dtype)
    found = codes(X, atoms, encode, 0.25, "euclidean")
    expected = np.array([references.code(x, atoms.astype(float), encode, 0.25) for x in X.astype(float)])
    assert found.dtype == dtype
    assert found.shape == (33, 2 * K if encode == "split" else K)
    if encode == "omp" and d == 1:  # every atom ties, up to the rounding of the reference: the first must win
        assert (found[:, 1:] == 0).all()
        np.testing.assert_allclose(found[:, :1] * atoms[0], X, rtol=1e-5)
        return
    # in float32 a distance of nearly 0 is the root of a difference of squares: sqrt(eps) |x|
    np.testing.assert_allclose(found, expected, atol=2e-3 if dtype == np.float32 else 1e-7)
    if d > 1:
        np.testing.assert_allclose(found, expected, atol=2e-5 if dtype == np.float32 else 1e-12)


@DTYPES
def test_triangle_uses_distances_and_leaves_about_half_the_codes_zero(dtype):
    rng = np.random.default_rng(0)
    X, atoms = rng.normal(size=(200, 20)).astype(dtype), rng.normal(size=(50, 20))
    z = np.sqrt(((X[:, None].astype(float) - atoms) ** 2).sum(axis=2))
    found = fitted(atoms).transform(X)
    np.testing.assert_allclose(found, np.maximum(z.mean(axis=1, keepdims=True) - z, 0), atol=1e-5)
    squares = np.maximum((z**2).mean(axis=1, keepdims=True) - z**2, 0)
    assert np.abs(found - squares).max() > 1
    assert 0.4 < (found == 0).mean() < 0.6
    assert np.abs((z.mean(axis=1) - z.min(axis=1)) - found.max(axis=1)).max() < 1e-5


@DTYPES
def test_triangle_clamps_the_rounding_of_a_distance_of_zero(dtype):
    atoms = 50 + np.random.default_rng(0).normal(size=(40, 30))
    X = atoms.astype(dtype)
    found = fitted(X).transform(X)
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found.argmax(axis=1), np.arange(40))


@DTYPES
@pytest.mark.parametrize("assignment", ["euclidean", "spherical", "cosine"])
def test_hard_rows_hold_a_single_one_at_the_winner(assignment, dtype):
    rng = np.random.default_rng(0)
    X, atoms = rng.normal(size=(100, 5)).astype(dtype), unit_rows(rng.normal(size=(20, 5)))
    learner = fitted(atoms, assignment=assignment, encode="hard")
    found = learner.transform(X)
    np.testing.assert_array_equal(found.sum(axis=1), 1)
    np.testing.assert_array_equal(found.argmax(axis=1), learner.predict(X))
    G = X.astype(float) @ atoms.T
    expected = {"euclidean": references.nearest(X, atoms)[0], "cosine": G.argmax(1), "spherical": np.abs(G).argmax(1)}
    np.testing.assert_array_equal(learner.predict(X), expected[assignment])


def test_cosine_ignores_the_length_of_samples():
    X = np.random.default_rng(0).normal(size=(300, 5)) + 1
    scales = np.random.default_rng(1).uniform(0.1, 10, (300, 1))
    learner = KMeansDictionary(6, assignment="cosine", encode="hard", random_state=0).fit(X)
    np.testing.assert_array_equal(learner.predict(X * scales), learner.predict(X))
    labels = KMeansDictionary(6, assignment="cosine", init=learner.components_, max_iter=1, tol=0).fit(X * scales)
    np.testing.assert_allclose(labels.inertia_curve_[0], learner.inertia_, rtol=1e-9)


@pytest.mark.filterwarnings("ignore:.*atoms win nothing")  # two atoms are equal
@pytest.mark.parametrize("encode", ["hard", "omp"])
def test_ties_go_to_the_lowest_index(encode):
    atoms = np.array([[0.0, 9.0], [3.0, 0.0], [3.0, 0.0], [-3.0, 0.0]])
    found = fitted(atoms, encode=encode).transform(np.array([[3.0, 0.0]]))
    assert found[0].nonzero()[0].tolist() == [1]


def test_split_at_threshold_0_recovers_the_responses():
    rng = np.random.default_rng(0)
    X, atoms = rng.normal(size=(30, 6)), rng.normal(size=(9, 6))
    found = fitted(atoms, encode="split", threshold=0).transform(X)
    np.testing.assert_allclose(found[:, :9] - found[:, 9:], X @ atoms.T, atol=1e-12)
    assert (found >= 0).all()
    assert (np.minimum(found[:, :9], found[:, 9:]) == 0).all()


def test_omp_is_the_best_single_atom_and_coefficient():
    rng = np.random.default_rng(0)
    X, atoms = rng.normal(size=(40, 6)), rng.normal(size=(9, 6)) * rng.uniform(0.1, 5, (9, 1))
    learner = fitted(atoms, encode="omp")
    error = ((X - learner.inverse_transform(learner.transform(X))) ** 2).sum(axis=1)
    every = [((X - (X @ a / (a @ a))[:, None] * a) ** 2).sum(axis=1) for a in atoms]
    np.testing.assert_allclose(error, np.min(every, axis=0), rtol=1e-9)


@DTYPES
def test_split_with_threshold_0_and_spanning_atoms_is_inverted_exactly(dtype):
    rng = np.random.default_rng(0)
    X, atoms = rng.normal(size=(30, 6)).astype(dtype), rng.normal(size=(9, 6))
    learner = fitted(atoms, encode="split", threshold=0)
    back = learner.inverse_transform(learner.transform(X))
    np.testing.assert_allclose(back, X, atol=1e-4 if dtype == np.float32 else 1e-12)
    assert back.dtype == dtype


@pytest.mark.parametrize("encode", ["triangle", "hard"])
def test_triangle_and_hard_are_inverted_to_the_nearest_atom(encode):
    rng = np.random.default_rng(0)
    X, atoms = rng.normal(size=(30, 6)), rng.normal(size=(9, 6))
    learner = fitted(atoms, encode=encode)
    back = learner.inverse_transform(learner.transform(X))
    np.testing.assert_array_equal(back, atoms[references.nearest(X, atoms)[0]])


def test_threshold_is_inverted_by_least_squares_of_what_the_codes_reveal():
    atoms, X = np.eye(3), np.array([[2.0, 0.5, -1.0]])
    found = codes(X, atoms, "threshold", 1.0, "euclidean")
    np.testing.assert_array_equal(found, [[1, 0, 0]])
    np.testing.assert_allclose(reconstruct(found, atoms, "threshold", 1.0), [[2, 0, 0]], atol=1e-12)


def test_inverse_of_the_wrong_width_is_refused():
    learner = fitted(np.eye(3), encode="split")
    with pytest.raises(ValueError, match=r"takes codes of 6 columns; got an array of shape \(2, 3\)"):
        learner.inverse_transform(np.ones((2, 3)))


@pytest.mark.parametrize("encode", ENCODINGS)
@pytest.mark.parametrize("Learner", [KMeansDictionary, RandomPatches])
def test_chunks_change_nothing_beyond_rounding(Learner, encode, monkeypatch):
    X = np.random.default_rng(0).normal(size=(300, 6))
    learner = Learner(20, encode=encode, random_state=0).fit(X)
    whole = learner.transform(X)
    np.testing.assert_allclose(np.vstack([learner.transform(x[None]) for x in X[:40]]), whole[:40], atol=1e-7)
    monkeypatch.setattr(featlearn.streaming, "CHUNK_BYTES", 1)
    np.testing.assert_allclose(learner.transform(X), whole, atol=1e-7)
    chunks = np.concatenate(list(learner.transform(iter([X[:100], X[100:]]))))
    np.testing.assert_allclose(chunks, whole, atol=1e-7)


def test_unit_rows_leave_a_row_of_zeros():
    np.testing.assert_array_equal(unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]])), [[0.6, 0.8], [0, 0]])
