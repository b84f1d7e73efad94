"""The two walks over data: ``map_chunks`` for transforms and ``accumulate`` for learning.

Both take NumPy arrays, sparse matrices, ``np.memmap``, streams of chunks (an iterator, or a function that returns a
fresh one) and Dask arrays or bags. A sufficient statistic is a function ``chunk -> value`` whose values add with ``+``;
learning is their sum. On one machine chunks are folded in order; on a Dask collection by tree reduction, on whatever
cluster the user has. Chunk boundaries depend on the data alone, so the number of workers never changes a result.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import reduce
from itertools import pairwise
from math import prod
from operator import add
from typing import Any

import numpy as np
import scipy.sparse as sp

from featlearn.arrays import as_float, blocks, cache_rows
from featlearn.sparse import sound_csr
from featlearn.threads import map_in_order, n_threads, one_blas_thread

CHUNK_BYTES = 8 << 20


def is_dask(X: Any) -> bool:
    """Whether X is a Dask collection, told without importing Dask."""
    return "dask" in sys.modules and hasattr(X, "__dask_graph__")


def is_stream(X: Any) -> bool:
    """Whether X hands out chunks: an iterator, or a function without arguments that returns a fresh iterator."""
    return isinstance(X, Iterator) or (callable(X) and not hasattr(X, "__array__"))


def is_out_of_core(X: Any) -> bool:
    """Whether X is a stream or a Dask collection, which must never be turned into one array."""
    return is_stream(X) or is_dask(X)


def require_many_passes(X: Any, who: str) -> None:
    """Refuse an iterator, which can be walked only once, for a learner that walks several times."""
    if isinstance(X, Iterator):
        raise ValueError(
            f"{who} walks over the data several times, and an iterator can be walked only once. Pass a function that "
            "returns a fresh iterator of chunks (for instance `lambda: read_chunks(path)`), an array, an np.memmap or "
            "a Dask array."
        )


def n_rows(X: Any) -> int:
    """Rows of an array, a sparse matrix (which has no len) or a list."""
    return X.shape[0] if hasattr(X, "shape") else len(X)


def chunk_rows(X: Any) -> int:
    """Rows in a chunk of an array: about 8 MB as floats, a multiple of 64, so it depends on the data alone."""
    if sp.issparse(X):
        row = (X.dtype.itemsize + 4) * X.nnz // max(X.shape[0], 1)
    else:
        row = max(X.itemsize, 4) * prod(X.shape[1:]) if hasattr(X, "itemsize") else 64
    return cache_rows(row, CHUNK_BYTES)


def dense(chunk: Any) -> Any:
    """A chunk as a plain array, be it one, mapped to a file, or sparse."""
    return chunk.toarray() if sp.issparse(chunk) else np.asarray(chunk)


def dense_rows(X: Any) -> int | None:
    """Rows in a chunk of a sparse matrix that is made dense chunk by chunk; None, for the usual ones, of all else."""
    return cache_rows(8 * X.shape[1], CHUNK_BYTES, 1) if sp.issparse(X) else None


def stacked(items: list) -> Any:
    """A bag's partition as one chunk: arrays are joined by rows, other items stay a list."""
    if items and all(isinstance(item, np.ndarray) for item in items):
        return np.stack(items) if items[0].ndim == 1 else np.concatenate(items)
    if items and all(sp.issparse(item) for item in items):
        # Each is checked first: stacking follows indices, and adds up what is stored twice in small integers.
        return sp.vstack([sound_csr("A partition of the bag", item, "in it") for item in items], format="csr")
    return items


def _pieces(arrays: tuple, rows: int | None) -> Iterator[tuple]:
    """Aligned arrays, or a stream of chunks (tuples of aligned chunks), as tuples of chunks."""
    X, *aligned = arrays
    if is_stream(X):
        if aligned:
            raise ValueError("A stream carries its weights or labels itself: let it yield tuples (X, y) of chunks.")
        for item in X() if callable(X) else X:
            piece = item if isinstance(item, tuple) else (item,)
            if n_rows(piece[0]) > 0:
                yield piece
        return
    n = n_rows(X)
    _check_aligned(X, aligned)
    for part in blocks(n, rows or chunk_rows(X)):
        yield (X[part], *(None if a is None else a[part] for a in aligned))


def _check_aligned(X, aligned):
    for other in aligned:
        if other is not None and len(other) != n_rows(X):
            raise ValueError(f"Aligned arrays differ in length: {n_rows(X)} and {len(other)} rows.")


def accumulate(
    statistic: Callable[..., Any], X: Any, *aligned: Any, n_jobs: int | None = None, rows: int | None = None
) -> Any:
    """Fold ``statistic(chunk, *aligned_chunks)`` over the data with ``+``.

    Parameters
    ----------
    statistic : callable
        Maps a chunk of rows to a value that adds with ``+``. It must release the GIL to gain from threads, and be
        picklable for a Dask cluster.
    X : array, sparse matrix, np.memmap, iterator of chunks, function returning one, Dask array or Dask bag
        Rows along the first axis. A stream may yield tuples ``(X, weights)``. A bag's partition is one chunk: its
        arrays (and sparse matrices) are joined by rows, other items stay a list.
    *aligned : arrays or None
        Cut into chunks as X is, and passed on beside it (weights, labels). For a Dask array, Dask arrays too.
    n_jobs : int or None, default=None
        Threads; None takes every core this process may use. No effect on the result. A Dask collection runs on its
        own cluster instead.
    rows : int or None, default=None
        Rows in a chunk; None takes about 8 MB.

    Returns
    -------
    value
        The sum of the statistic over all chunks.

    Raises
    ------
    ValueError
        If there is no chunk at all, or aligned arrays differ in length.

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn import accumulate
    >>> X = np.arange(6.0).reshape(3, 2)
    >>> accumulate(lambda chunk: chunk.sum(axis=0), X)
    array([6., 9.])
    """
    if is_dask(X):
        return _accumulate_dask(statistic, X, aligned)
    if not is_stream(X) and 0 < n_rows(X) <= (rows or chunk_rows(X)):  # a single chunk asks for no threads
        _check_aligned(X, aligned)
        (value,) = map_in_order(lambda piece: statistic(*piece), [(X, *aligned)], 1)
        return value
    total = None
    pieces = _pieces((X, *aligned), rows)
    # Closed here and now: an exception must not keep the walk, and BLAS's single thread, alive in its traceback.
    with closing(map_in_order(lambda piece: statistic(*piece), pieces, n_threads(n_jobs))) as values:
        for value in values:
            total = value if total is None else total + value
    if total is None:
        raise ValueError("There is no data: the input holds no chunk of rows. Pass at least one row.")
    return total


class _FoldBlock:
    """The statistic of one Dask block: a picklable function that folds the block as one machine would."""

    def __init__(self, statistic):
        self.statistic = statistic

    def __call__(self, block, *aligned):
        if isinstance(block, (list, Iterator)):
            block = stacked(list(block))
            return self.statistic(block) if n_rows(block) else None
        arrays = [None if a is None else np.asarray(a) for a in aligned]
        _check_aligned(block, arrays)
        if n_rows(block) == 0:
            return None
        block = block if sp.issparse(block) else np.asarray(block)
        return accumulate(self.statistic, block, *arrays, n_jobs=1)


def _merge(values: list) -> Any:
    present = [value for value in values if value is not None]
    return reduce(add, present) if present else None


def _accumulate_dask(statistic, X, aligned):
    import dask

    X = of_frame(X)
    if hasattr(X, "rechunk") and X.ndim > 1:
        X = X.rechunk(dict.fromkeys(range(1, X.ndim), -1))
    parts = list(np.ravel(X.to_delayed()))
    others = [_aligned_blocks(X, a, len(parts)) for a in aligned]
    fold, merge = dask.delayed(_FoldBlock(statistic), pure=False), dask.delayed(_merge, pure=False)
    values = [fold(*row) for row in zip(parts, *others, strict=True)]
    while len(values) > 1:
        values = [merge(values[i : i + 8]) for i in range(0, len(values), 8)]
    total = values[0].compute() if values else None
    if total is None:
        raise ValueError("There is no data: the Dask collection holds no rows. Pass at least one row.")
    return total


def _aligned_blocks(X, a, n):
    """An array beside a Dask array, cut as its ``n`` blocks of rows are."""
    if a is None:
        return [None] * n
    if not hasattr(X, "chunks"):
        raise ValueError("A Dask bag takes no aligned weights or labels; pass a Dask array and one beside it.")
    if sizes_known(X) and (not is_dask(a) or sizes_known(a)):
        if len(a) != X.shape[0]:
            raise ValueError(f"Aligned arrays differ in length: {X.shape[0]} and {len(a)} rows.")
        if is_dask(a):
            return list(np.ravel(a.rechunk({0: X.chunks[0]}).to_delayed()))
        ends = np.cumsum((0, *X.chunks[0]))
        return [a[low:high] for low, high in pairwise(ends)]
    if is_dask(a) and len(a.chunks[0]) == n:  # masked alike, it may be: each pair of blocks is compared when computed
        return list(np.ravel(a.to_delayed()))
    raise ValueError(
        "A Dask array whose blocks are of unknown sizes (a masked one, a data frame's) cannot be cut beside weights or "
        "labels. Call compute_chunk_sizes() on it first, or mask a Dask array of weights of the same chunks alike."
    )


def of_frame(X: Any) -> Any:
    """The Dask array of a Dask data frame, whose blocks are of unknown sizes; anything else as it is."""
    return X.to_dask_array() if is_dask(X) and hasattr(type(X), "to_dask_array") else X


def sizes_known(X: Any) -> bool:
    """Whether a Dask array knows the sizes of its blocks of rows; one that was masked does not."""
    return not any(np.isnan(size) for size in X.chunks[0])


def map_chunks(
    f: Callable[[np.ndarray], np.ndarray],
    X: Any,
    out: np.ndarray | None = None,
    *,
    n_jobs: int | None = None,
    rows: int | None = None,
) -> Any:
    """Apply ``f`` to chunks of rows and join the results.

    Parameters
    ----------
    f : callable
        Maps a chunk (m, ...) to an array (m, ...), row by row: a row's result must not depend on its neighbors.
    X : array, sparse matrix, np.memmap, iterator of chunks, function returning one, or Dask array
        Rows along the first axis.
    out : array or None, default=None
        Where the result is written (an ``np.memmap``, say). None allocates it. Only for arrays.
    n_jobs : int or None, default=None
        Threads; None takes every core this process may use. No effect on the result.
    rows : int or None, default=None
        Rows in a chunk; None takes about 8 MB.

    Returns
    -------
    result : array, generator or Dask array
        An array for an array (``out`` itself where given), a generator of chunks for a stream, and a lazy Dask array
        for a Dask array.

    Raises
    ------
    ValueError
        If ``out`` has another shape than the result, or is given for a stream or a Dask array.

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn import map_chunks
    >>> map_chunks(np.sqrt, np.array([[4.0], [9.0]]))
    array([[2.],
           [3.]])
    """
    if is_out_of_core(X):
        if out is not None:
            raise ValueError("`out` holds the result of an array; a stream or a Dask array gives its result lazily.")
        if is_stream(X):
            return (f(piece[0]) for piece in _pieces((X,), rows))
        return _map_dask(f, X)
    n = n_rows(X)
    parts = blocks(n, rows or chunk_rows(X))
    if out is not None and out.shape[0] != n:
        raise ValueError(f"`out` has {out.shape[0]} rows and X has {n}; give them the same number.")
    if len(parts) <= 1 and out is None:
        with one_blas_thread():  # as every chunk, or one core and two would round differently
            return f(X)
    with closing(map_in_order(lambda part: f(X[part]), parts, n_threads(n_jobs))) as results:
        for part, result in zip(parts, results, strict=True):
            if out is None:
                out = np.empty((n, *result.shape[1:]), dtype=result.dtype)
            if result.shape[1:] != out.shape[1:]:
                raise ValueError(f"`out` has rows of shape {out.shape[1:]} and the result {result.shape[1:]}.")
            out[part] = result
    return out


def _map_dask(f, X):
    X = of_frame(X)
    if not hasattr(X, "rechunk"):
        raise ValueError(
            "A Dask bag can be learned from, not transformed; pass a Dask array, or map over the chunks of the bag "
            "yourself: `bag.map(transform)`."
        )
    X = X.rechunk(dict.fromkeys(range(1, X.ndim), -1))
    sample = f(np.zeros((1, *X.shape[1:]), dtype=X.dtype))
    tail = sample.shape[1:]
    axes = list(range(X.ndim, len(tail) + 1))
    drop = list(range(len(tail) + 1, X.ndim))
    return X.map_blocks(
        _MapBlock(f, sample[:0]),
        dtype=sample.dtype,
        chunks=(X.chunks[0], *((size,) for size in tail)),
        new_axis=axes or None,
        drop_axis=drop or None,
        meta=np.empty((0,) * (len(tail) + 1), dtype=sample.dtype),
    )


class _MapBlock:
    """What f makes of one Dask block, picklable; a block without rows is none of f's business."""

    def __init__(self, f, nothing):
        self.f, self.nothing = f, nothing

    def __call__(self, block):
        return self.f(block) if n_rows(block) else self.nothing


def float_dtype(X: Any) -> np.dtype:
    """The dtype in which rows of any kind of input, once through the gate, are learned from: float32 or float64."""
    whole = isinstance(X, np.ndarray) or sp.issparse(X)
    return as_float(np.empty(0, X.dtype if whole else first_chunk(X).dtype)).dtype


def first_chunk(X: Any) -> np.ndarray:
    """The first chunk of rows of any kind of input, to learn the width and the dtype."""
    if is_dask(X) and hasattr(X, "rechunk"):
        if sizes_known(X):
            return X[:1].compute()
        blocks_of_rows = (X.blocks[i].compute() for i in range(len(X.chunks[0])))
        return next((block[:1] for block in blocks_of_rows if n_rows(block)), np.empty((0, *X.shape[1:]), X.dtype))
    if is_dask(X):
        # Partition by partition: Bag.take would compute them all, and start processes for it.
        first = next((items[:1] for part in X.to_delayed() if (items := list(part.compute()))), None)
        if first is None:
            raise ValueError("There is no data: the Dask collection holds no rows. Pass at least one row.")
        chunk = stacked(first)
        return chunk if sp.issparse(chunk) else np.asarray(chunk)
    for piece in _pieces((X,), None):
        return piece[0]
    raise ValueError("There is no data: the input holds no chunk of rows. Pass at least one row.")
