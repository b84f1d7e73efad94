"""Products of a sparse matrix X (n, d) with a few dense columns, for all classes of a machine at once.

X is held twice, by rows and by columns, so that both products gather and neither scatters: threads share rows or
columns, and their number changes no bit. Symbols: V (d, k) coefficients, b (k,) added to every row, R (n, k) what each
row pulls. Its structure was checked at the gate (`featlearn.validation.check_rows`); a kernel follows it blindly.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from featlearn.jit import njit
from featlearn.threads import map_in_order

LEAST = 1 << 16  # entries of X that are worth a thread


class SparseRows:
    """A checked CSR matrix with its columns at hand: what `featlearn.kernels.svm.newton.Problem` walks over."""

    def __init__(self, X: Any):
        self.X, self.columns = X, X.tocsc()
        self.shape, self.dtype, self.nnz = X.shape, X.dtype, X.nnz
        self.row_parts, self.column_parts = _even(X.indptr), _even(self.columns.indptr)

    def times(self, V: np.ndarray, b: np.ndarray, threads: int) -> np.ndarray:
        """``X V + b`` (n, k) in X's dtype."""
        out = np.empty((self.shape[0], V.shape[1]), dtype=self.dtype)
        _share(_times, self.X, V, b, out, self.row_parts, threads)
        return out

    def pull(self, R: np.ndarray, threads: int) -> np.ndarray:
        """``X' R`` (d, k) in float64."""
        out = np.empty((self.shape[1], R.shape[1]))
        _share(_times, self.columns, R, np.zeros(R.shape[1]), out, self.column_parts, threads)
        return out

    def squares(self, s: np.ndarray) -> np.ndarray:
        """``sum_i s_i x_i^2`` (d,) in float64."""
        weighted = self.columns.data.astype(np.float64) ** 2 * s[self.columns.indices]
        ends = np.concatenate([[0.0], np.cumsum(weighted)])
        return np.diff(ends[self.columns.indptr])

    def row_norms(self) -> np.ndarray:
        """``|x_i|^2`` (n,) in float64."""
        ends = np.concatenate([[0.0], np.cumsum(self.X.data.astype(np.float64) ** 2)])
        return np.diff(ends[self.X.indptr])

    def dense(self, rows: np.ndarray | slice, out: np.ndarray) -> None:
        """Write a few rows to ``out`` (m, d)."""
        part = self.X[rows]
        out[:] = 0
        out[np.repeat(np.arange(len(out)), np.diff(part.indptr)), part.indices] = part.data


def _even(indptr):
    """Parts of about `LEAST` entries: pairs of first and last lines."""
    lines = len(indptr) - 1
    goals = np.arange(0, int(indptr[-1]) + LEAST, LEAST)
    ends = np.unique(np.concatenate([[0], np.searchsorted(indptr, goals[1:]), [lines]]).clip(0, lines))
    return list(zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True))


def _share(kernel: Callable, A: Any, V: np.ndarray, b: np.ndarray, out: np.ndarray, parts: list, threads: int) -> None:
    V = np.ascontiguousarray(V)
    f = lambda part: kernel(A.data, A.indices, A.indptr, *part, V, b, out)  # noqa: E731
    for _ in map_in_order(f, parts, threads if len(parts) > 1 else 1):
        pass


@njit(cache=True, nogil=True)
def _times(data, indices, indptr, start, stop, V, b, out):
    k = V.shape[1]
    if k == 1:
        for i in range(start, stop):
            total = np.float64(b[0])
            for at in range(indptr[i], indptr[i + 1]):
                total += data[at] * V[indices[at], 0]
            out[i, 0] = total
        return
    total_of = np.empty(k)
    for i in range(start, stop):
        for j in range(k):
            total_of[j] = b[j]
        for at in range(indptr[i], indptr[i + 1]):
            x, line = data[at], indices[at]
            for j in range(k):
                total_of[j] += x * V[line, j]
        for j in range(k):
            out[i, j] = total_of[j]
