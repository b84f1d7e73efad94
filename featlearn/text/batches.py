"""Documents in mini-batches, from whatever holds them: an array, a stream of chunks, a Dask array or bag."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp

from featlearn.streaming import is_out_of_core, is_stream, stacked


def batches(X: Any, size: int | None) -> Iterator[sp.csr_array]:
    """Mini-batches of ``size`` documents in the order of the data, however these come; the last may be smaller.

    X is as `check_counts` gives it. A ``size`` of None makes one batch of all. No document at all is a ValueError.
    """
    held: list[sp.csr_array] = []
    n, total = 0, 0
    for chunk in _chunks(X):
        start = 0
        total += chunk.shape[0]
        while start < chunk.shape[0]:
            held.append(chunk[start:] if size is None else chunk[start : start + size - n])
            start, n = start + held[-1].shape[0], n + held[-1].shape[0]
            if n == size:
                yield _joined(held)
                held, n = [], 0
    if held:
        yield _joined(held)
    if total == 0:
        raise ValueError("There is no data: the input holds no document. Pass at least one row.")


def whole(X: Any) -> sp.csr_array:
    """All documents as one matrix."""
    return next(batches(X, None)) if is_out_of_core(X) else X


def dtype_of(X: Any) -> np.dtype:
    """The floating type of the first document; of a stream or a Dask collection, its first chunk is read."""
    return next(batches(X, 1)).dtype if is_out_of_core(X) else X.dtype


def _chunks(X: Any) -> Iterator[sp.csr_array]:
    if not is_out_of_core(X):
        yield X
    elif is_stream(X):
        yield from X() if callable(X) else X
    else:
        for part in np.ravel(X.to_delayed()):
            value = part.compute()
            value = value if sp.issparse(value) else stacked(list(value))
            if sp.issparse(value):  # a bag's partition may be empty
                yield value


def _joined(parts: list[sp.csr_array]) -> sp.csr_array:
    return parts[0] if len(parts) == 1 else sp.csr_array(sp.vstack(parts, format="csr"))
