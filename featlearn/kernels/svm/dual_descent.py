"""Coordinate descent in the dual for squared-hinge machines on sparse rows, which beats Newton's method by far there.

For one class with signs y in {-1, 1}, row weights c and C_i = C c_i, the dual of the problem of newton.py, its
penalty on the intercept replaced by ``e / 2 (b - b0)^2``, is::

    max over a >= 0:  sum_i a_i (1 - y_i b0) - 1/2 |w|^2 - (sum_i y_i a_i)^2 / (2 e) - sum_i a_i^2 / (4 C_i),
    w = sum_i a_i y_i x_i,    b = b0 + sum_i y_i a_i / e

An epoch visits the rows in random order and solves for one a_i at a time; rows that stay at zero are left out until the
next round of epochs. An intercept that moves freely ties all rows together and makes that slow, so e is large, and b0
the last round's b (or as much of it as leaves the true penalty in place): the method of multipliers. After a round the
step to the new w is searched exactly in the primal, so its objective never rises, and the dual's value tells how far it
can still fall. Where that takes too many rounds (large C) Newton's steps take over.

Hsieh, Chang, Lin, Keerthi, Sundararajan (2008), "A dual coordinate descent method for large-scale linear SVM", ICML.
"""

from typing import Any

import numpy as np

from featlearn.jit import njit
from featlearn.kernels.svm.newton import InCoefficients, Problem, margins, newton_step, objectives, step_length
from featlearn.threads import map_in_order, n_threads

EPOCHS = 4
ROUNDS = 20
TIE = 25.0  # e, for rows of length one: far enough from a free intercept, and few rounds


class DualDescent(InCoefficients):
    """A system of whole iterations: rounds of coordinate descent, then the steps of another system."""

    def __init__(self, problem: Problem, newton: Any):
        self.dtype, self.width, self.newton = problem.dtype, len(problem.penalty), newton
        self.threads = n_threads(problem.n_jobs)
        self.norms = problem.X.row_norms()
        self.size = max(float(self.norms.mean()), 1e-300)
        self._begin(problem, 0.0)

    def _begin(self, problem, C):
        n, k = problem.Y.shape
        self.C, self.rounds, self.V = C, 0, None
        self.a, self.w, self.b = np.zeros((k, n)), np.zeros((k, problem.X.shape[1])), np.zeros(k)
        self.penalty = float(problem.penalty[-1])
        self.e = max(self.penalty, min(TIE / self.size, C / 10)) if problem.has_intercept and C else np.inf
        # How much of the last b is the center of the penalty e.
        self.kept = 1 - self.penalty / self.e if problem.has_intercept else 0.0

    def fresh(self, problem: Problem) -> "DualDescent":
        """A system with dual variables of its own, for other weights of the same rows (a fold's)."""
        other = object.__new__(DualDescent)
        other.__dict__.update(self.__dict__)
        other._begin(problem, 0.0)
        return other

    def descend(
        self,
        problem: Problem,
        C: float,
        V: np.ndarray,
        M: np.ndarray,
        objective: np.ndarray,
        gap: np.ndarray,
        tol: float,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int]:
        """V (k, D), slacks M (n, k), objectives and gaps (k,) after one iteration of classes above ``tol``; walks."""
        if V is not self.V or C != self.C:
            self._start(problem, C, V, M)
        live = np.flatnonzero(gap > tol)
        if self.rounds == ROUNDS:
            self.V, M, objective, gap, walks = newton_step(problem, C, self.newton, V, M, objective, gap, tol)
            return self.V, M, objective, gap, walks
        self.rounds += 1
        new, part = np.empty((len(live), self.width)), problem.columns(live)
        for _ in map_in_order(lambda at: self._round(problem, live[at], new[at]), range(len(live)), self.threads):
            pass
        Q = part.Y * (margins(part, new) - part.Y * (1 - M[:, live]))
        P, v, m = new - V[live], V[live], np.ascontiguousarray(M[:, live])
        B = (2 * C * part.c).astype(m.dtype)
        metric = problem.penalty * P
        t = step_length((metric * v).sum(axis=1), (metric * P).sum(axis=1), B, m, np.ascontiguousarray(Q))
        V, M, gap = V.copy(), M.copy(), gap.copy()
        V[live] += t[:, None] * P
        M[:, live] -= (t * Q).astype(M.dtype)
        objective = objectives(problem.c, V, problem.penalty * V, M, C)
        gap[live] = (objective[live] - self._bound(part, live)) / np.maximum(objective[live], np.finfo(float).tiny)
        self.V = V
        return V, M, objective, gap, 2 * EPOCHS + 1

    def _start(self, problem, C, V, M):
        """Dual variables that fit V: those of the slacks, scaled to where the dual is greatest on their ray."""
        self._begin(problem, C)
        if not V.any():
            if problem.has_intercept:
                self.b = (problem.c * problem.Y).sum(axis=0) / np.maximum(problem.c.sum(axis=0), 1e-300)
            return
        if problem.has_intercept:
            self.b = V[:, -1] - V[:, :-1] @ problem.shift
        c = problem.c.astype(np.float64)
        a = 2 * C * c * np.maximum(M, 0)
        w = problem.X.pull(a * problem.Y, self.threads).T
        s = (a * problem.Y).sum(axis=0)
        square = (w**2).sum(axis=1) + s**2 / self.e + (a * np.maximum(M, 0)).sum(axis=0)
        scale = np.maximum(a.sum(axis=0) - self.kept * self.b * s, 0) / np.maximum(square, 1e-300)
        self.a, self.w = np.ascontiguousarray((a * scale).T), np.ascontiguousarray(w * scale[:, None])

    def _round(self, problem, j, new):
        """Some epochs of class j; its coefficients to ``new`` (D,)."""
        X, y, w = problem.X.X, np.ascontiguousarray(problem.Y[:, j]), self.w[j]
        C, center = self.C * problem.c[:, j].astype(np.float64), self.kept * self.b[j]
        self.b[j] = _epochs(
            X.data, X.indices, X.indptr, y, C, self.norms, self.a[j], w, center, 1 / self.e, EPOCHS, self.rounds
        )
        new[: len(w)] = w
        if problem.has_intercept:
            new[-1] = self.b[j] + w @ problem.shift

    def _bound(self, part, live):
        """The dual of the true objective (k,), at the dual variables, balanced where the intercept is free."""
        a, w, Y = self.a[live], self.w[live], part.Y.T
        s = (a * Y).sum(axis=1)
        if part.has_intercept and self.penalty == 0:
            heavy = np.where(s > 0, 1, -1)[:, None] == Y
            sums = (a * heavy).sum(axis=1)
            a = a * np.where(heavy, (1 - np.abs(s) / np.maximum(sums, 1e-300))[:, None], 1)
            w, s = part.X.pull((a * Y).T, self.threads).T, np.zeros(len(live))
        c = self.C * part.c.T.astype(np.float64)
        half = 0.25 * (a**2 / np.where(c > 0, c, 1)).sum(axis=1)
        tied = 0.5 * self.penalty * s**2 if part.has_intercept else 0
        return a.sum(axis=1) - 0.5 * (w**2).sum(axis=1) - tied - half


@njit(cache=True, nogil=True)
def _epochs(data, indices, indptr, y, C, norms, a, w, b0, pull, epochs, seed):
    """Epochs of coordinate descent on a (n,) and w (d,), in place; the intercept."""
    n = len(y)
    order = np.empty(n, np.int64)
    m, b = 0, b0
    for i in range(n):
        b += pull * y[i] * a[i]
        if C[i] > 0:
            order[m] = i
            m += 1
    limit, state = np.inf, np.uint64(88172645463325252 + seed)
    for _ in range(epochs):
        for s in range(m):
            state ^= state << np.uint64(13)
            state ^= state >> np.uint64(7)
            state ^= state << np.uint64(17)
            r = s + np.int64(state % np.uint64(m - s))
            order[s], order[r] = order[r], order[s]
        worst, s = 0.0, 0
        while s < m:
            i = order[s]
            f = b
            for at in range(indptr[i], indptr[i + 1]):
                f += data[at] * w[indices[at]]
            D = 0.5 / C[i]
            g = y[i] * f - 1 + D * a[i]
            if a[i] == 0 and g > limit:
                m -= 1
                order[s], order[m] = order[m], i
                continue
            s += 1
            if a[i] > 0 or g < 0:
                worst = max(worst, abs(g))
                value = max(a[i] - g / (norms[i] + pull + D), 0.0)
                change = (value - a[i]) * y[i]
                a[i] = value
                b += pull * change
                for at in range(indptr[i], indptr[i + 1]):
                    w[indices[at]] += change * data[at]
        limit = worst if worst > 0 else np.inf
    return b
