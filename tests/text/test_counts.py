"""The gate of counts: what it admits, what it makes of it, and what it says of the rest."""

import numpy as np
import pytest
import scipy.sparse as sp

from featlearn import UnigramModel
from featlearn.text.counts import as_counts, check_counts, log_probabilities, two_halves

X = np.array([[2, 0, 1], [0, 0, 0], [0, 3, 4]])


def gate(data, **kwargs):
    return check_counts(UnigramModel(), data, reset=True, **kwargs)


@pytest.mark.parametrize(
    "kind",
    [np.array, np.asfortranarray, list, sp.csr_array, sp.csr_matrix, sp.csc_array, sp.coo_matrix, sp.lil_array],
)
def test_every_kind_of_matrix_becomes_documents(kind):
    counts = gate(kind(X.tolist()) if kind is list else kind(X))
    assert isinstance(counts, sp.csr_array)
    assert counts.has_canonical_format
    assert counts.nnz == 4
    np.testing.assert_array_equal(counts.toarray(), X)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [(bool, "f4"), ("u1", "f4"), ("i2", "f4"), ("f2", "f4"), ("f4", "f4"), ("i8", "f4"), ("u8", "f4"), ("f8", "f8"),
     ("g", "f8"), (object, "f8")],
)  # fmt: skip
def test_types(dtype, expected):
    counts = gate(X.astype(dtype))
    assert counts.dtype == np.dtype(expected)
    np.testing.assert_array_equal(counts.toarray(), X.astype(dtype).astype(float))


def test_whole_numbers_stay_exact():
    assert gate(np.array([[2**24, 1]])).dtype == np.float32
    large = gate(np.array([[2**24 + 1, 1]]))
    assert large.dtype == np.float64
    assert large.toarray().tolist() == [[2**24 + 1, 1]]


def test_duplicates_are_summed_zeros_dropped_and_indices_sorted_in_a_copy():
    data, indices, indptr = np.array([1.0, 2, 0, 5]), np.array([2, 2, 0, 1]), np.array([0, 3, 4])
    given = sp.csr_array((data, indices, indptr), shape=(2, 3))
    counts = gate(given)
    assert counts.toarray().tolist() == [[0, 0, 3], [0, 5, 0]]
    assert counts.nnz == 2
    assert counts.has_canonical_format
    assert (given.data.tolist(), given.indices.tolist()) == ([1, 2, 0, 5], [2, 2, 0, 1])


def test_wide_indices():
    wide = sp.csr_array(X.astype(float))
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    np.testing.assert_array_equal(gate(wide).toarray(), X)
    whole, halved = (m.perplexity(X) for m in (UnigramModel().fit(wide), UnigramModel().fit(X.astype(float))))
    assert whole == halved


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([[1, np.nan]], "NaN"),
        ([[1, np.inf]], "infinity"),
        ([[0, 1], [3, -2.5]], r"Negative values in data passed to UnigramModel: -2.5 in document 1, term 1"),
        ([[0, 1], [1e13, 0]], r"UnigramModel counts words, up to 1\.1e\+12 .*; got 1e\+13 in document 1, term 0"),
        ([[0, 0], [0, 0]], r"the corpus holds no words: all 2 documents are empty.*min_df"),
        ([1, 2], "Expected 2D array"),
        (np.empty((0, 4)), r"0 sample\(s\)"),
        (np.empty((4, 0)), r"0 feature\(s\)"),
        ([["tea", "cup"]], r"got lists of words \(\['tea', '...'\]\)"),
        ([[1j, 2]], "Complex"),
    ],
)
@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
def test_bad_input(data, message):
    with pytest.raises(ValueError, match=message):
        gate(data)


def test_chunks_of_a_stream_are_checked_as_they_pass():
    def chunks(*parts):
        return check_counts(UnigramModel(), lambda: iter(parts), reset=True)()

    good = list(chunks(X, sp.coo_array(X), X[:0]))
    assert all(isinstance(part, sp.csr_array) for part in good)
    for bad, message in (
        (-X, "Negative values in data passed to UnigramModel: -4 in document 2, term 2"),
        (X[:, :2], "A chunk has 2 features, but UnigramModel is expecting 3"),
        (np.full((2, 3), np.nan), "a chunk given to UnigramModel contains NaN"),
    ):
        with pytest.raises(ValueError, match=message):
            list(chunks(X, bad))


def test_dask_arrays_of_dense_and_sparse_blocks():
    da = pytest.importorskip("dask.array")
    data = np.random.default_rng(0).poisson(1, (50, 8))
    expected = UnigramModel().fit(data)
    for columns in (8, 3):
        dense = da.from_array(data, chunks=(20, columns))
        for blocks in (dense, dense.map_blocks(sp.csr_matrix), dense.map_blocks(sp.csr_array)):
            found = UnigramModel().fit(blocks)
            np.testing.assert_array_equal(found.components_, expected.components_)
            assert found.transform(blocks).compute().shape == (50, 1)
            assert found.perplexity(blocks) == pytest.approx(expected.perplexity(data), rel=1e-12)


def test_halves_add_up():
    counts = as_counts(np.random.default_rng(0).poisson(1.3, (40, 20)) * 0.7, "test")
    first, second = two_halves(counts, 3)
    np.testing.assert_allclose((first + second).toarray(), counts.toarray(), rtol=1e-15)
    whole, other = two_halves(as_counts(np.ceil(counts.toarray()), "test"), 3)
    tokens = whole.sum(axis=1) + other.sum(axis=1)
    np.testing.assert_array_equal(whole.sum(axis=1), tokens // 2)


def test_log_probabilities():
    rng = np.random.default_rng(0)
    theta, phi = rng.dirichlet(np.ones(4), 3), rng.dirichlet(np.ones(3), 4)
    expected = (X * np.log(theta @ phi)).sum(axis=1)
    for components in (phi, np.asfortranarray(phi)):
        np.testing.assert_allclose(log_probabilities(as_counts(X.astype(float), "test"), theta, components), expected)
