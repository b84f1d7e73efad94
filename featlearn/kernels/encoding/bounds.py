"""Exact nearest centers that remember: an iteration of K-means that measures only what may have changed.

For every row x_i we keep lower_i, a lower bound on its distance to every center but its own. When the centers move by
drift_k = |a_k - a_k_before|, the few that moved far (the F fast ones) are measured again for every row, and for
the rest the triangle inequality holds with the largest drift among them:

    lower_i := min(lower_i - max_{k not fast} drift_k,  min_{k fast, k != label(i)} |x_i - a_k|)
    |x_i - a_label(i)| < lower_i      =>  label(i) stays; else the row is measured against all centers

That is Hamerly (2010) with a fast lane. Measuring is still one dense matrix product over the rows gathered, and after
ten iterations on image patches most rows need none. What a product may have lost to rounding is taken off every bound
(``tau`` of `assign`), and what a row is measured against is confirmed as there: labels equal a full search in float64.
"""

import numpy as np

from featlearn.arrays import blocks, read_only
from featlearn.jit import njit
from featlearn.kernels.encoding.assign import (
    BLOCK_ROWS,
    SCAN,
    Atoms,
    _least,
    nearest_atoms,
    prepared_atoms,
    products,
    square_gap,
)
from featlearn.kernels.simd import fast_min
from featlearn.threads import map_in_order, n_threads

FAST_LANES = (0, 16, 32, 64, 128, 256)
SAMPLE_STEP = 61
SMALL = 1e-3  # the share of a bound that the largest rounding may cost before each center gets its own


@njit(nogil=True, cache=True, fastmath=True)
def _least_sure(row, bias, lengths, slack, reach):
    """The least row + bias - tau."""
    share = row.dtype.type(1) - slack
    least = row[0] + share * bias[0] - reach * lengths[0]
    for j in range(row.shape[0]):
        least = fast_min(least, row[j] + share * bias[j] - reach * lengths[j])  # type: ignore[call-arg]
    return least


@njit(nogil=True, cache=True)
def _sure(row, least, square, bias, lengths, longest, slack):
    """A lower bound on the distance to every center whose product in the row (K,) is finite.

    ``least`` is the least row + bias; ``square`` is |x - center|^2.
    """
    length, zero = np.sqrt(square), row.dtype.type(0)
    least, lost = least + square, slack * (length + longest) * (length + longest)
    if lost < row.dtype.type(SMALL) * least:
        return np.sqrt(least - lost)
    least = _least_sure(row, bias, lengths, slack, (slack + slack) * length)
    return np.sqrt(max(least + (row.dtype.type(1) - slack) * square, zero))


@njit(nogil=True, cache=True)
def keep_or_list(X, exact, fast, place, drift, labels, lower, errors, listed):
    """Phase 1: move the bounds, keep the rows they settle and list the others; returns how many are listed."""
    n, d, F = X.shape[0], X.shape[1], fast.A.shape[0]
    bias, lengths, longest, slack = fast.bias, fast.lengths, fast.longest, fast.slack
    infinity, less, more = X.dtype.type(np.inf), X.dtype.type(1) - slack, X.dtype.type(1) + slack
    rows = max(1, min(n, BLOCK_ROWS))
    G, squares = np.empty((rows, F), X.dtype), np.empty(rows, X.dtype)
    moved = np.empty((rows if fast.center.shape[0] else 0, d), X.dtype)
    count = 0
    for top in range(0, n, rows):
        m = min(rows, n - top)
        if F:
            products(X[top : top + m], fast, moved[:m], G[:m], squares[:m])
        for p in range(m):
            i = top + p
            own = square_gap(X[i], exact[labels[i]])
            bound = (lower[i] - drift) * less
            if F:
                if place[labels[i]] >= 0:
                    G[p, place[labels[i]]] = infinity
                bound = min(bound, _sure(G[p], _least(G[p], bias), squares[p], bias, lengths, longest, slack))
            lower[i], errors[i] = bound, own
            if bound <= 0 or own * more >= bound * bound:
                listed[count] = i
                count += 1
    return count


@njit(nogil=True, cache=True)
def search(X, atoms, listed, labels, lower, errors):
    """Phase 2: nearest and second nearest center of the listed rows, one product a block."""
    n, d, K = listed.shape[0], X.shape[1], atoms.A.shape[0]
    infinity = X.dtype.type(np.inf)
    bias, lengths, longest, slack, exact = atoms.bias, atoms.lengths, atoms.longest, atoms.slack, atoms.exact
    rows = max(1, min(n, BLOCK_ROWS))
    gathered, found = np.empty((rows, d), X.dtype), np.empty(rows, labels.dtype)
    G, squares, others = np.empty((rows, K), X.dtype), np.empty(rows, X.dtype), np.empty(rows, X.dtype)
    moved = np.empty((rows if atoms.center.shape[0] else 0, d), X.dtype)
    for top in range(0, n, rows):
        m = min(rows, n - top)
        for p in range(m):
            gathered[p] = X[listed[top + p]]
        products(gathered[:m], atoms, moved[:m], G[:m], squares[:m])
        nearest_atoms(gathered[:m], atoms, G[:m], squares, found, others)
        for p in range(m):
            i, j = listed[top + p], found[p]
            labels[i], errors[i] = j, square_gap(gathered[p], exact[j])
            G[p, j] = infinity
            start = j // SCAN * SCAN
            second = min(others[p], _least(G[p, start : start + SCAN], bias[start : start + SCAN]))
            lower[i] = _sure(G[p], second, squares[p], bias, lengths, longest, slack)


def fast_lane(drift: np.ndarray, gaps: np.ndarray, own_drift: np.ndarray) -> int | None:
    """How many fast centers make the cheapest iteration, judged on a sample of rows; None for a full search.

    ``drift`` (K,), largest first; ``gaps`` lower bound less distance, and ``own_drift`` of the center, of each row.
    """
    K = len(drift)
    costs = {F: 1.3 * F / K + np.mean(gaps < drift[F] + own_drift / 2) for F in FAST_LANES if F < K / 2}
    best = min(costs, key=lambda F: costs[F])
    return best if costs[best] < 0.9 else None


def chosen(atoms: Atoms, which: np.ndarray) -> Atoms:
    """Some of the atoms, by index."""
    exact = read_only(atoms.exact[which])
    return atoms._replace(exact=exact, A=atoms.A[which], bias=atoms.bias[which], lengths=atoms.lengths[which])


class RememberingSearch:
    """Nearest centers of the rows of an array X (n, d), call after call, for centers that move little by little.

    After ``search(atoms)``, ``labels`` (n,) and ``errors`` (n,), the squared distances, hold. It keeps 12 bytes a row
    (20 in float64).
    """

    def __init__(self, X: np.ndarray, part_rows: int):
        self.X, self.parts = X, blocks(len(X), part_rows)
        self.labels = np.zeros(len(X), np.int32)
        self.lower = np.zeros(len(X), X.dtype)
        self.errors = np.zeros(len(X), X.dtype)
        self.before: np.ndarray | None = None
        self.searched = 0

    def search(self, atoms: np.ndarray) -> None:
        """Bring labels, errors and bounds up to date with the centers (K, d)."""
        X, K = self.X, len(atoms)
        prepared = prepared_atoms(np.asarray(atoms, dtype=X.dtype), "euclidean", X.dtype)
        lane = None
        if self.before is not None:
            drift = np.sqrt(((prepared.exact.astype(np.float64) - self.before) ** 2).sum(axis=1))
            order = np.argsort(-drift, kind="stable")
            sample = slice(None, None, SAMPLE_STEP)
            gaps = self.lower[sample] - np.sqrt(self.errors[sample])
            lane = fast_lane(drift[order], gaps, drift[self.labels[sample]])
        if lane is not None:
            fast, rest = order[:lane], order[lane]
            place = np.full(K, -1)
            place[fast] = np.arange(lane)
            bounds = (prepared.exact, chosen(prepared, fast), place, X.dtype.type(drift[rest] * (1 + 1e-6)))

        def run(part: slice) -> int:
            state = self.labels[part], self.lower[part], self.errors[part]
            listed = np.arange(part.stop - part.start)
            if lane is not None:
                listed = listed[: keep_or_list(X[part], *bounds, *state, listed)]
            search(X[part], prepared, listed, *state)
            return len(listed)

        self.searched = sum(map_in_order(run, self.parts, n_threads()))
        self.before = prepared.exact
