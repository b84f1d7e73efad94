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
def _mixed(h):
    """The finalizer of splitmix64."""
    h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return h ^ (h >> np.uint64(31))


@njit(nogil=True, cache=True)
def _hash(bits, seed, out):
    """Multiply-add over the 32-bit words of a row (modulo 2^64), then `_mixed`, as a number in (0, 1).

    The multipliers are the seed's splitmix64 sequence. Words are folded first: those of small whole numbers end in up
    to 52 zero bits, which a product never gets rid of.
    """
    multipliers, golden = np.empty(bits.shape[1], np.uint64), np.uint64(0x9E3779B97F4A7C15)
    start = _mixed(seed + golden)
    state = start
    for j in range(bits.shape[1]):
        state += golden
        multipliers[j] = _mixed(state) | np.uint64(1)
    for i in range(bits.shape[0]):
        h = start
        for j in range(bits.shape[1]):
            word = np.uint64(bits[i, j])
            h += (word ^ (word >> np.uint64(15))) * multipliers[j]
        out[i] = (np.float64(_mixed(h) >> np.uint64(11)) + 0.5) * 2.0**-53


@njit(nogil=True, cache=True)
def _groups(order, keys, uniforms, others, masses, first, mass):
    """The least row (by key, then other) and the mass of each uniform, rows in order of uniforms; their number."""
    m = -1
    for p in range(order.shape[0]):
        i = order[p]
        if m < 0 or uniforms[i] != uniforms[first[m]]:
            m += 1
            first[m], mass[m] = i, 0.0
        mass[m] += masses[i]
        j = first[m]
        if keys[i] < keys[j] or (keys[i] == keys[j] and others[i] < others[j]):
            first[m] = i
    return m + 1


def row_uniforms(X: np.ndarray, seed: int) -> np.ndarray:
    """A number in (0, 1) for each row of X (n, d), a function of the seed and the bits of the row."""
    X = np.ascontiguousarray(X) + X.dtype.type(0)  # -0.0 becomes 0.0, which equals it but has other bits
    out = np.empty(len(X))
    _hash(X.view(np.uint32), np.uint64(seed), out)
    return out


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
        order = np.argsort(uniforms, kind="stable")
        first, mass = np.empty(len(order), np.int64), np.empty(len(order))
        m = _groups(order, keys, uniforms, others, masses, first, mass)
        ranks = np.argsort(keys[first[:m]], kind="stable")
        ranks = ranks[: min(size, int(np.count_nonzero(np.isfinite(keys[first[:m]]))))]
        chosen = first[ranks]
        return cls(size, keys[chosen], uniforms[chosen], others[chosen], mass[ranks], rows[chosen])

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
