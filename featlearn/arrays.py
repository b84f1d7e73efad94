"""Arrays: floats, and blocks of rows."""

import numpy as np


def blocks(n: int, size: int) -> list[slice]:
    """Slices of ``size`` rows that cover ``n`` rows; the last may be shorter."""
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def cache_rows(row_bytes: float, target: int = 4 << 20, least: int = 64) -> int:
    """Rows of ``row_bytes`` that fill about ``target`` bytes, as a multiple of ``least``."""
    return max(least, int(target / max(row_bytes, 1)) // least * least)


def as_float(X: np.ndarray) -> np.ndarray:
    """X as float32 or float64: small integers (up to 16 bits) and half floats become float32, others float64."""
    if X.dtype in (np.float32, np.float64):
        return X
    return X.astype(np.float32 if X.dtype.itemsize <= 2 else np.float64)


def read_only(A: np.ndarray) -> np.ndarray:
    """A view of A that cannot be written: Numba compiles a kernel once more for those, so kernels get no others."""
    view = A.view()
    view.flags.writeable = False
    return view
