"""A random sample of distinct rows that depends on the numbers the rows hold, not on their place, nor on their dtype.

Each row gets a number u in (0, 1) from a seeded hash of its contents, and the m rows of least key = -log(u) / weight
are a sample without replacement with probabilities in proportion to the weights (Efraimidis & Spirakis 2006). Equal
rows share u and count once, by their least key. So one machine, a shuffled file and a cluster all draw the same rows.

The contents are hashed twice, as rounded to float32 and as they are, and two samples are kept. The rounded one stands
unless rounding would merge rows of the exact one (times in seconds since 1970, say): so a float32 copy of the data
draws the same rows, and rows that only float64 tells apart are still drawn one by one.
"""

from dataclasses import dataclass

import numpy as np

from featlearn.jit import njit

SPARE = 2  # how many times the size of a sample is looked at first, since some rows may be equal


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
    """A number in (0, 1) for each row of X (n, d), a function of the seed and the bits of the row."""
    X = np.ascontiguousarray(X) + X.dtype.type(0)  # -0.0 becomes 0.0, which equals it but has other bits
    bits = X.view(np.uint32)
    numbers = np.random.default_rng(seed).integers(2**64, size=1 + bits.shape[1], dtype=np.uint64)
    out = np.empty(len(X), np.uint64)
    _hash(bits, numbers[0], numbers[1:] | np.uint64(1), out)
    return ((out >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def both_uniforms(X: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers (n,) of the rows of X rounded to float32, and of the rows as they are; equal for a row without rounding.

    The second is the first itself, the same array, if no row of X is rounded.
    """
    if X.dtype == np.float32:
        u = row_uniforms(X, seed)
        return u, u
    with np.errstate(over="ignore"):
        rounded = X.astype(np.float32)
    u, whole = row_uniforms(rounded, seed), (rounded == X).all(axis=1)
    return u, u if whole.all() else np.where(whole, u, row_uniforms(X, seed))


@dataclass(frozen=True)
class LeastRows:
    """The ``size`` distinct rows of least key, in the order of their keys; they add.

    ``uniforms`` (m,) tell rows apart: the keys of equal rows may differ by the rounding of their weights. ``others``
    (m,), the numbers of the other hash, decide which of the rows of one uniform and key is kept. ``masses`` (m,) are
    summed over the rows that share a uniform.
    """

    size: int
    keys: np.ndarray
    uniforms: np.ndarray
    others: np.ndarray
    masses: np.ndarray
    rows: np.ndarray

    @classmethod
    def of(cls, size: int, keys, uniforms, others, masses, rows) -> "LeastRows":
        """The sample of rows whose keys and uniforms are known; infinite keys are left out."""
        if len(keys) > 2 * SPARE * size:
            head = keys <= np.partition(keys, SPARE * size)[SPARE * size]
            found = cls.of(len(keys), *(values[head] for values in (keys, uniforms, others, masses, rows)))
            if len(found.keys) >= size:
                return found.cut(size)
        order = np.lexsort((others, uniforms, keys))
        order = order[: np.count_nonzero(np.isfinite(keys))]
        _, first, group = np.unique(uniforms[order], return_index=True, return_inverse=True)
        masses = np.bincount(group, weights=masses[order], minlength=len(first))
        ranks = np.argsort(first)
        chosen = order[first[ranks]]
        return cls(len(keys), keys[chosen], uniforms[chosen], others[chosen], masses[ranks], rows[chosen]).cut(size)

    def cut(self, size: int) -> "LeastRows":
        """The first ``size`` of the rows."""
        fields = (self.keys, self.uniforms, self.others, self.masses, self.rows)
        return LeastRows(size, *(values[:size] for values in fields))

    def __add__(self, other: "LeastRows") -> "LeastRows":
        join = (
            np.concatenate([getattr(self, name), getattr(other, name)])
            for name in ("keys", "uniforms", "others", "masses", "rows")
        )
        return self.of(self.size, *join)


@dataclass(frozen=True)
class RowSample:
    """A random sample of distinct rows, by the numbers of the rounded rows and by those of the exact ones; samples add.

    For rows that float32 holds exactly both are one object.
    """

    rounded: LeastRows
    exact: LeastRows

    @classmethod
    def of(cls, X: np.ndarray, size: int, seed: int, weights=None, masses=None) -> "RowSample":
        """The sample of one chunk (n, d): drawn by weights (n,), those of 0 never; masses (n,) are only summed."""
        near, own = both_uniforms(X, seed)
        masses = np.ones(len(X)) if masses is None else masses

        def least(uniforms, others):
            keys = -np.log(uniforms)
            if weights is not None:
                with np.errstate(divide="ignore"):
                    keys = np.where(weights > 0, keys / weights, np.inf)
            return LeastRows.of(size, keys, uniforms, others, masses, X)

        rounded = least(near, own)
        return cls(rounded, rounded if near is own else least(own, near))

    @classmethod
    def least(cls, size: int, keys: np.ndarray, uniforms: np.ndarray, rows: np.ndarray) -> "RowSample":
        """The sample of rows whose keys and uniforms are known; infinite keys are left out."""
        found = LeastRows.of(size, keys, uniforms, uniforms, np.ones(len(keys)), rows)
        return cls(found, found)

    @property
    def chosen(self) -> LeastRows:
        """The rounded sample, or the exact one if rounding would merge rows of it."""
        return self.exact if len(np.unique(self.exact.others)) < len(self.exact.others) else self.rounded

    @property
    def rows(self) -> np.ndarray:
        """The rows (m, d) in the order of their keys."""
        return self.chosen.rows

    @property
    def masses(self) -> np.ndarray:
        """The sum (m,) of the masses of all rows equal to each; exact if equal rows have equal weights."""
        return self.chosen.masses

    def __add__(self, other: "RowSample") -> "RowSample":
        rounded = self.rounded + other.rounded
        alike = self.rounded is self.exact and other.rounded is other.exact
        return RowSample(rounded, rounded if alike else self.exact + other.exact)
