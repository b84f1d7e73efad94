"""Mini-batches: the same documents in the same order, however they come."""

from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp

from featlearn.text.batches import batches, dtype_of, whole

COUNTS = np.arange(1, 14, dtype=np.float32)[:, None] * np.array([1, 0, 2], np.float32)  # 13 documents, told apart
X = sp.csr_array(COUNTS)
CUTS = [[13], [1] * 13, [0, 5, 0, 0, 3, 5, 0], [4, 9], [12, 1]]


def chunks(sizes):
    """X in chunks of these sizes."""
    ends = np.cumsum([0, *sizes])
    return [X[start:end] for start, end in pairwise(ends)]


def bag(sizes):
    """The chunks as partitions of a Dask bag: a matrix for each, and nothing for an empty one."""
    dask_bag, delayed = pytest.importorskip("dask.bag"), pytest.importorskip("dask").delayed
    return dask_bag.from_delayed([delayed([chunk] if chunk.shape[0] else []) for chunk in chunks(sizes)])


@pytest.mark.parametrize("size", [1, 2, 4, 5, 13, 20, None])
@pytest.mark.parametrize("sizes", CUTS, ids=str)
def test_batches_do_not_depend_on_the_chunks(sizes, size):
    wanted = [COUNTS] if size is None else [COUNTS[i : i + size] for i in range(0, 13, size)]
    for data in (X, iter(chunks(sizes)), lambda: iter(chunks(sizes))):
        found = list(batches(data, size))
        assert [type(batch) for batch in found] == [sp.csr_array] * len(wanted)
        for batch, expected in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(batch.toarray(), expected)
            assert batch.dtype == np.float32
            batch.check_format()


def test_batches_of_dask_collections():
    array = pytest.importorskip("dask.array").from_array(COUNTS, chunks=(4, 3)).map_blocks(sp.csr_array)
    for data in (array, bag([0, 5, 0, 8])):
        found = list(batches(data, 6))
        assert [batch.shape[0] for batch in found] == [6, 6, 1]
        np.testing.assert_array_equal(sp.vstack(found).toarray(), COUNTS)
        np.testing.assert_array_equal(whole(data).toarray(), COUNTS)
        assert dtype_of(data) == np.float32


def test_batches_are_read_as_they_are_asked_for():
    read = []

    def told():
        for chunk in chunks([4, 4, 5]):
            read.append(chunk.shape[0])
            yield chunk

    first = next(batches(told(), 3))
    assert (first.shape[0], read) == (3, [4])
    assert dtype_of(lambda: told()) == np.float32
    assert read == [4, 4]


def test_a_matrix_is_whole_as_it_is():
    assert whole(X) is X
    np.testing.assert_array_equal(whole(iter(chunks([4, 9]))).toarray(), COUNTS)
    assert dtype_of(X.astype(np.float64)) == np.float64


@pytest.mark.parametrize("size", [3, None])
def test_no_document_at_all_is_an_error(size):
    for data in (X[:0], iter([]), lambda: iter([X[:0], X[:0]])):
        with pytest.raises(ValueError, match="There is no data: the input holds no document"):
            list(batches(data, size))
