"""The gate of sparse matrices: kernels follow their indices blindly, so each structure is checked before anything does.

A matrix whose indices point outside of it, or whose rows end where nothing is stored, would make SciPy's conversions
and our kernels read and write memory that is not theirs.
"""

from itertools import chain
from typing import Any

import numpy as np
import scipy.sparse as sp


def sound_csr(who: str, X: Any, what: str = "X") -> Any:
    """A sparse matrix as CSR with sorted columns and no duplicates, whose structure kernels may follow blindly.

    X itself stays as it is; a structure that contradicts itself is refused by row, column and width. Integers come back
    as float64, and entries stored twice are summed in float64: 300 ones of uint8 are 300, not 44.
    """
    if X.ndim != 2:
        raise ValueError(f"{who} takes rows (n_samples, n_features), but got a sparse array of shape {X.shape}.")
    where = f"{who}: the sparse matrix {what} ({X.format}, shape {X.shape})"
    make = sp.csr_array if isinstance(X, sp.sparray) else sp.csr_matrix
    if X.format == "csr":
        values, columns, ends = _numbers(where, X.data, 1), _integers(where, "indices", X.indices), X.indptr
        ends = _checked_ends(where, ends, X.shape[0], len(columns), len(values))
        values, columns = values[: ends[-1]], columns[: ends[-1]]
        _within(where, "column", columns, X.shape[1], lambda i: f"row {np.searchsorted(ends, i, side='right') - 1}")
        dtype = _floating(values.dtype)
        rows = make((values.astype(dtype, copy=False), columns, ends), shape=X.shape)  # anew: it believes no flag of X
        if rows.has_canonical_format:
            return rows
        rows = make((values.astype(np.float64), rows.indices.copy(), rows.indptr.copy()), shape=X.shape)
        rows.sum_duplicates()
    else:
        values, places, columns = _entries(where, X)
        _within(where, "row", places, X.shape[0], lambda i: f"entry {i}")
        _within(where, "column", columns, X.shape[1], lambda i: f"row {places[i]}")
        dtype = _floating(values.dtype)
        rows = make(sp.coo_array((values.astype(np.float64), (places, columns)), shape=X.shape).tocsr())
    return make((rows.data.astype(dtype, copy=False), rows.indices, rows.indptr), shape=X.shape)


def _entries(where, X):
    """Values, rows and columns of the entries of a matrix that is no CSR."""
    if X.format in ("lil", "dok"):
        return _entries_of_lists(where, X)
    values = _numbers(where, X.data, {"bsr": 3, "dia": 2}.get(X.format, 1))
    if X.format == "coo":
        rows, columns = (_integers(where, "coordinates", axis) for axis in (X.row, X.col))
        if not len(rows) == len(columns) == len(values):
            raise ValueError(
                f"{where} is damaged: its entries have {len(rows)} rows, {len(columns)} columns and "
                f"{len(values)} values."
            )
        return values, rows, columns
    if X.format == "dia":
        offsets = _integers(where, "offsets", X.offsets)
        if len(offsets) != len(values):
            raise ValueError(f"{where} is damaged: it has {len(offsets)} offsets and {len(values)} diagonals.")
        diagonals, columns = np.nonzero(values)
        rows = columns - offsets[diagonals].astype(np.int64)
        held = (rows >= 0) & (rows < X.shape[0]) & (columns < X.shape[1])  # a diagonal may reach beyond the matrix
        return values[diagonals, columns][held], rows[held], columns[held]
    down, across = values.shape[1:] if X.format == "bsr" else (1, 1)
    if 0 in (down, across) or X.shape[0] % down or X.shape[1] % across:
        raise ValueError(f"{where} is damaged: its blocks of shape {(down, across)} do not tile it.")
    by_row = X.format == "bsr"
    places = _integers(where, "indices", X.indices)
    ends = _checked_ends(where, X.indptr, X.shape[0] // down if by_row else X.shape[1], len(places), len(values))
    values, places = values[: ends[-1]].reshape(-1, down, across), places[: ends[-1]].astype(np.int64)
    lines = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
    rows, columns = (lines, places) if by_row else (places, lines)
    rows = rows[:, None, None] * down + np.arange(down)[:, None] + np.zeros(across, np.int64)
    columns = columns[:, None, None] * across + np.zeros((down, 1), np.int64) + np.arange(across)
    return values.ravel(), rows.ravel(), columns.ravel()


def _entries_of_lists(where, X):
    """Those of LIL and DOK, which keep them in lists and dicts."""
    rows: Any
    columns: Any
    try:
        if X.format == "lil":
            sizes = [len(row) for row in X.data]
            if [len(row) for row in X.rows] != sizes or len(sizes) != X.shape[0]:
                raise ValueError
            rows, columns, values = np.repeat(np.arange(len(sizes)), sizes), chain(*X.rows), chain(*X.data)
        else:
            rows, columns = zip(*X.keys(), strict=True) if len(X.keys()) else ((), ())
            values = X.values()
        stored = np.array(list(values), dtype=X.dtype)
        places = [np.array(part) if len(part) else np.zeros(0, int) for part in (list(rows), list(columns))]
    except (TypeError, ValueError, OverflowError):
        raise ValueError(
            f"{where} is damaged: its places and its values do not fit each other, or are no numbers."
        ) from None
    return _numbers(where, stored, 1), *(_integers(where, "coordinates", part) for part in places)


def _numbers(where, values, ndim):
    """The stored values, if they are real numbers."""
    values = np.asarray(values)
    if values.ndim != ndim or values.dtype.kind not in "biuf":
        complaint = "Complex data not supported." if values.dtype.kind == "c" else "Pass real numbers, one an entry."
        raise ValueError(f"{where} holds values of {values.dtype}, in shape {values.shape}. {complaint}")
    return values


def _integers(where, what, places):
    """Indices, if they are integers."""
    places = np.asarray(places)
    if places.ndim != 1 or places.dtype.kind not in "iu":
        raise ValueError(
            f"{where} is damaged: its {what} are {places.dtype} of shape {places.shape}; they must be integers (n,)."
        )
    return places


def _checked_ends(where, ends, n, n_indices, n_values):
    """Where each of ``n`` rows (of CSC: columns) ends among the entries."""
    ends = _integers(where, "indptr", ends)
    if len(ends) != n + 1 or ends[0] != 0 or (ends[1:] < ends[:-1]).any():
        flaw = f"there are {len(ends)}" if len(ends) != n + 1 else f"the first is {ends[0]}"
        if len(ends) == n + 1 and ends[0] == 0:
            i = int((ends[1:] < ends[:-1]).argmax())
            flaw = f"after {ends[i]} comes {ends[i + 1]}, at number {i + 1}"
        raise ValueError(f"{where} is damaged: indptr must be {n + 1} numbers that start at 0 and never fall; {flaw}.")
    if ends[-1] > min(n_indices, n_values):
        raise ValueError(
            f"{where} is damaged: indptr ends at {ends[-1]}, but there are {n_indices} indices and {n_values} values."
        )
    return ends.astype(np.int64)


def _within(where, name, places, size, place_of):
    """Refuse an index outside of [0, size), and say where it is: ``place_of`` names the place of entry i."""
    if not len(places) or 0 <= places.min() <= places.max() < size:
        return
    low, high = int(places.min()), int(places.max())
    i = int(((places < 0) | (places >= size)).argmax())
    fix = "Give the matrix its true shape, or mend the indices."
    if (low, high) == (1, size):
        fix = f"They reach from 1 to {size}, so they seem to be counted from 1: subtract 1 from each."
    raise ValueError(
        f"{where} is damaged: {place_of(i)} holds {name} {int(places[i])}, and {size} {name}s are counted from 0 to "
        f"{size - 1}. {fix}"
    )


def _floating(dtype):
    """The floating type of stored values: theirs, or float64."""
    return dtype if dtype in (np.float32, np.float64) else np.dtype(np.float64)
