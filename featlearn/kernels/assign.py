"""Nearest atoms and the sums that K-means learns from, one cache-sized block at a time.

    G (m, K) = X A'            one matrix product a block
    euclidean  j = argmin_j |a_j|^2 - 2 x.a_j          distance^2 = |x|^2 + that        A = -2 atoms, b_j = |a_j|^2
    cosine     j = argmax_j x.a_j                       similarity x.a_j                A = -atoms,   b = 0
    spherical  j = argmax_j |x.a_j|                     code s = x.a_j                  A = -atoms,   b = 0

`assign` gives labels and the value at the winner; `cluster_sums` adds rows by label. Ties go to the lowest index.
"""

import numpy as np

from featlearn.jit import njit
from featlearn.kernels.simd import fast_min

EUCLIDEAN, COSINE, SPHERICAL = range(3)
ASSIGNMENTS = {"euclidean": EUCLIDEAN, "cosine": COSINE, "spherical": SPHERICAL}
BLOCK_ROWS = 512
FAR = 64.0
SCAN = 256


@njit(nogil=True, cache=True, fastmath=True)
def _least(row, bias):
    """The least row + bias."""
    least = row[0] + bias[0]
    for j in range(row.shape[0]):
        least = fast_min(least, row[j] + bias[j])  # type: ignore[call-arg]
    return least


@njit(nogil=True, cache=True, fastmath=True)
def _least_signless(row):
    """The least -|row|."""
    least = -abs(row[0])
    for j in range(row.shape[0]):
        least = fast_min(least, -abs(row[j]))  # type: ignore[call-arg]
    return least


@njit(nogil=True, cache=True)
def winner(row, bias, signless):
    """Index of the least row + bias (or of the largest |row|): a vectorized pass by segments, then one short scan."""
    K = row.shape[0]
    at = 0
    best = _least_signless(row[:SCAN]) if signless else _least(row[:SCAN], bias[:SCAN])
    for start in range(SCAN, K, SCAN):
        end = min(start + SCAN, K)
        value = _least_signless(row[start:end]) if signless else _least(row[start:end], bias[start:end])
        if value < best:
            best, at = value, start
    for j in range(at, min(at + SCAN, K)):
        if (-abs(row[j]) if signless else row[j] + bias[j]) == best:
            return j
    return at


@njit(nogil=True, cache=True)
def assign(X, A, bias, signless, labels, values):
    """labels[i] = the winning atom of X[i]; values[i] = X[i].A[label] + bias[label]. X (n, d), A (K, d)."""
    n, K = X.shape[0], A.shape[0]
    rows = max(1, min(n, BLOCK_ROWS))
    G = np.empty((rows, K), A.dtype)
    for top in range(0, n, rows):
        m = min(rows, n - top)
        g = G[:m]
        np.dot(X[top : top + m], A.T, g)
        for p in range(m):
            j = winner(g[p], bias, signless)
            labels[top + p] = j
            values[top + p] = g[p, j] + bias[j]


@njit(nogil=True, cache=True, fastmath=True)
def cluster_sums(X, labels, factors, sums):
    """sums[labels[i]] += factors[i] * X[i], in float64 whatever X holds. sums (K, d)."""
    for i in range(X.shape[0]):
        row, total, factor = X[i], sums[labels[i]], factors[i]
        if factor != 0:
            for j in range(row.shape[0]):
                total[j] += factor * row[j]


def prepared_atoms(atoms: np.ndarray, assignment: str, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray, bool]:
    """The A, bias and signless flag that `assign` takes, for atoms (K, d)."""
    atoms = np.ascontiguousarray(atoms, dtype=dtype)
    if assignment == "euclidean":
        return -2 * atoms, np.einsum("kd,kd->k", atoms, atoms), False
    return -atoms, np.zeros(len(atoms), dtype), assignment == "spherical"


def about_origin(X: np.ndarray, atoms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and atoms, moved together to the origin if the atoms crowd far from it; distances stay.

    |x|^2 - 2 x.a + |a|^2 would cancel there: in float32, atoms 1 apart about (2000, 2000, ...) look alike.
    """
    center = far_center(atoms)
    return (X, atoms) if center is None else (X - center.astype(X.dtype), atoms - center.astype(atoms.dtype))


def far_center(points: np.ndarray) -> np.ndarray | None:
    """The mean (d,) of points (n, d) if they crowd so far from the origin that products cancel, else None."""
    center = points.mean(axis=0, dtype=np.float64)
    spread = np.mean(np.sum((points - center) ** 2, axis=1))
    return center if center @ center > FAR * spread else None


def nearest(X: np.ndarray, atoms: np.ndarray, assignment: str) -> tuple[np.ndarray, np.ndarray]:
    """Labels (n,) and, by assignment, squared distances, similarities or signed codes (n,) of rows X (n, d)."""
    if assignment == "euclidean":
        X, atoms = about_origin(X, atoms)
    A, bias, signless = prepared_atoms(atoms, assignment, X.dtype)
    labels, values = np.empty(len(X), np.int32), np.empty(len(X), X.dtype)
    assign(np.ascontiguousarray(X), A, bias, signless, labels, values)
    if assignment == "euclidean":
        return labels, np.maximum(values + np.einsum("nd,nd->n", X, X), 0)
    return labels, -values
