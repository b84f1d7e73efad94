"""Blocks of rows, their sizes, and the floats that kernels take."""

import numpy as np
import pytest

from featlearn.arrays import as_float, blocks, cache_rows, read_only


@pytest.mark.parametrize(("n", "size"), [(0, 5), (1, 5), (5, 5), (6, 5), (23, 4)])
def test_blocks_cover_every_row_once(n, size):
    parts = blocks(n, size)
    assert [i for part in parts for i in range(n)[part]] == list(range(n))
    assert all(part.stop - part.start <= size for part in parts)


def test_cache_rows_fill_the_cache_in_multiples():
    assert cache_rows(1024, 1 << 20) == 1024
    assert cache_rows(1000, 1 << 20) == 1024  # 1048 rounded down to a multiple of 64
    assert cache_rows(1e12) == 64
    assert cache_rows(0, 640) == 640


@pytest.mark.parametrize(
    ("given", "expected"),
    [("uint8", "float32"), ("bool", "float32"), ("int16", "float32"), ("float16", "float32"), ("int32", "float64")]
    + [("int64", "float64"), ("float32", "float32"), ("float64", "float64")],
)
def test_as_float(given, expected):
    X = np.array([0, 1, 1], dtype=given)
    assert as_float(X).dtype == expected
    np.testing.assert_array_equal(as_float(X), [0, 1, 1])
    assert (as_float(X) is X) == (given in ("float32", "float64"))


def test_read_only_is_a_view():
    X = np.arange(3.0)
    view = read_only(X)
    X[0] = 7
    np.testing.assert_array_equal(view, X)
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1
