"""Exact nearest centers that remember: an iteration of K-means that measures only what may have changed.

For every row x_i we keep lower_i, a lower bound on its distance to every center but its own. When the centers move by
drift_k = |a_k - a_k_before|, the few that moved far (the F fast ones) are measured again for every row, and for
the rest the triangle inequality holds with the largest drift among them:

    lower_i := min(lower_i - max_{k not fast} drift_k,  min_{k fast, k != label(i)} |x_i - a_k|)
    |x_i - a_label(i)| < lower_i      =>  label(i) stays; else the row is measured against all centers

That is Hamerly (2010) with a fast lane. Measuring is still one dense matrix product over the rows gathered, and after
ten iterations on image patches most rows need none. A slack above the rounding of the products keeps labels exact: they
equal a full search wherever the products can tell two centers apart (not for data far from the origin).
"""

import numpy as np

from featlearn.jit import njit
from featlearn.kernels.assign import BLOCK_ROWS, _least, winner
from featlearn.threads import blocks, map_in_order, n_threads

FAST_LANES = (0, 16, 32, 64, 128, 256)
SAMPLE_STEP = 61


@njit(nogil=True, cache=True, fastmath=True)
def _squares(x, a):
    """|x - a|^2 and |x|^2."""
    square = x.dtype.type(0)
    norm = x.dtype.type(0)
    for j in range(x.shape[0]):
        difference = x[j] - a[j]
        square += difference * difference
        norm += x[j] * x[j]
    return square, norm


@njit(nogil=True, cache=True)
def keep_or_list(X, atoms, fast_A, fast_bias, fast_place, drift, rounding, largest, labels, lower, errors, listed):
    """Phase 1: move the bounds, keep the rows they settle and list the others; returns how many are listed."""
    n, F = X.shape[0], fast_A.shape[0]
    infinity, zero = X.dtype.type(np.inf), X.dtype.type(0)
    rows = max(1, min(n, BLOCK_ROWS))
    G = np.empty((rows, F), X.dtype)
    count = 0
    for top in range(0, n, rows):
        m = min(rows, n - top)
        if F:
            np.dot(X[top : top + m], fast_A.T, G[:m])
        for p in range(m):
            i = top + p
            own, norm = _squares(X[i], atoms[labels[i]])
            bound = lower[i] - drift
            if F:
                if fast_place[labels[i]] >= 0:
                    G[p, fast_place[labels[i]]] = infinity
                bound = min(bound, np.sqrt(max(_least(G[p], fast_bias) + norm, zero)))
            lower[i], errors[i] = bound, own
            if bound <= 0 or own + rounding * (norm + largest) >= bound * bound:
                listed[count] = i
                count += 1
    return count


@njit(nogil=True, cache=True)
def search(X, atoms, A, bias, listed, labels, lower, errors):
    """Phase 2: nearest and second nearest center of the listed rows, one product a block."""
    n, K = listed.shape[0], A.shape[0]
    infinity, zero = X.dtype.type(np.inf), X.dtype.type(0)
    rows = max(1, min(n, BLOCK_ROWS))
    gathered = np.empty((rows, X.shape[1]), X.dtype)
    G = np.empty((rows, K), X.dtype)
    for top in range(0, n, rows):
        m = min(rows, n - top)
        for p in range(m):
            gathered[p] = X[listed[top + p]]
        np.dot(gathered[:m], A.T, G[:m])
        for p in range(m):
            i = listed[top + p]
            j = winner(G[p], bias, False)
            own, norm = _squares(gathered[p], atoms[j])
            G[p, j] = infinity
            labels[i], errors[i] = j, own
            lower[i] = np.sqrt(max(_least(G[p], bias) + norm, zero))


def fast_lane(drift: np.ndarray, gaps: np.ndarray, own_drift: np.ndarray) -> int | None:
    """How many fast centers make the cheapest iteration, judged on a sample of rows; None for a full search.

    ``drift`` (K,), largest first; ``gaps`` lower bound less distance, and ``own_drift`` of the center, of each row.
    """
    K = len(drift)
    costs = {F: 1.3 * F / K + np.mean(gaps < drift[F] + own_drift / 2) for F in FAST_LANES if F < K / 2}
    best = min(costs, key=lambda F: costs[F])
    return best if costs[best] < 0.9 else None


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
        X, atoms = self.X, np.ascontiguousarray(atoms, dtype=self.X.dtype)
        A, bias = -2 * atoms, np.einsum("kd,kd->k", atoms, atoms)
        lane = None
        if self.before is not None:
            drift = np.sqrt(((atoms.astype(np.float64) - self.before) ** 2).sum(axis=1))
            order = np.argsort(-drift, kind="stable")
            sample = slice(None, None, SAMPLE_STEP)
            gaps = self.lower[sample] - np.sqrt(self.errors[sample])
            lane = fast_lane(drift[order], gaps, drift[self.labels[sample]])
        if lane is not None:
            fast, rest = order[:lane], order[lane]
            place = np.full(len(atoms), -1)
            place[fast] = np.arange(lane)
            number = X.dtype.type
            rounding = number(8 * np.finfo(X.dtype).eps * np.sqrt(X.shape[1]))
            bounds = (A[fast], bias[fast], place, number(drift[rest] * (1 + 1e-6)), rounding, bias.max())

        def run(part: slice) -> int:
            state = self.labels[part], self.lower[part], self.errors[part]
            listed = np.arange(part.stop - part.start)
            if lane is not None:
                listed = listed[: keep_or_list(X[part], atoms, *bounds, *state, listed)]
            search(X[part], atoms, A, bias, listed, *state)
            return len(listed)

        self.searched = sum(map_in_order(run, self.parts, n_threads()))
        self.before = atoms
