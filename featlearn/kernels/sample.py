"""A random sample of distinct rows that depends on what the rows hold, not on where they lie.

Each row gets a number u in (0, 1) from a seeded hash of its bits, and the m rows of least key = -log(u) / weight are a
sample without replacement with probabilities in proportion to the weights (Efraimidis & Spirakis 2006). Equal rows
share u and count once, by their least key. So one machine, a shuffled file and a cluster all draw the same rows.
"""

from dataclasses import dataclass

import numpy as np

from featlearn.jit import njit


@njit(nogil=True, cache=True)
def _hash(bits, start, multipliers, out):
    """Multiply-add over the 32-bit words of a row (modulo 2^64), then the finalizer of splitmix64.

    Words are folded first: those of small whole numbers end in up to 52 zero bits, which a product never gets rid of.
    """
    for i in range(bits.shape[0]):
        h = start
        for j in range(bits.shape[1]):
            word = np.uint64(bits[i, j])
            h += (word ^ (word >> np.uint64(15))) * multipliers[j]
        h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        out[i] = h ^ (h >> np.uint64(31))


def row_uniforms(X: np.ndarray, seed: int) -> np.ndarray:
    """A number in (0, 1) for each row of X (n, d), a function of the seed and the row's contents."""
    X = np.ascontiguousarray(X) + X.dtype.type(0)  # -0.0 becomes 0.0, which equals it but has other bits
    bits = X.view(np.uint32)
    numbers = np.random.default_rng(seed).integers(2**64, size=1 + bits.shape[1], dtype=np.uint64)
    out = np.empty(len(X), np.uint64)
    _hash(bits, numbers[0], numbers[1:] | np.uint64(1), out)
    return ((out >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


@dataclass(frozen=True)
class RowSample:
    """The ``size`` distinct rows of least key, in the order of their keys; samples add.

    ``uniforms`` (m,) tell rows apart: the keys of equal rows may differ by the rounding of their weights.
    """

    size: int
    keys: np.ndarray
    uniforms: np.ndarray
    rows: np.ndarray

    @classmethod
    def of(cls, X: np.ndarray, size: int, seed: int, weights: np.ndarray | None = None) -> "RowSample":
        """The sample of one chunk (n, d); rows of weight 0 are left out."""
        uniforms = row_uniforms(X, seed)
        keys = -np.log(uniforms)
        if weights is not None:
            with np.errstate(divide="ignore"):
                keys = np.where(weights > 0, keys / weights, np.inf)
        return cls.least(size, keys, uniforms, X)

    @classmethod
    def least(cls, size: int, keys: np.ndarray, uniforms: np.ndarray, rows: np.ndarray) -> "RowSample":
        """The sample of rows whose keys and uniforms are known; infinite keys are left out."""
        order = np.lexsort((uniforms, keys))
        order = order[: np.count_nonzero(np.isfinite(keys))]
        _, first = np.unique(uniforms[order], return_index=True)
        chosen = order[np.sort(first)[:size]]
        return cls(size, keys[chosen], uniforms[chosen], rows[chosen])

    def __add__(self, other: "RowSample") -> "RowSample":
        keys = np.concatenate([self.keys, other.keys])
        uniforms = np.concatenate([self.uniforms, other.uniforms])
        return self.least(self.size, keys, uniforms, np.concatenate([self.rows, other.rows]))
