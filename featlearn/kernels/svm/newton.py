"""Newton's method for one-vs-rest squared-hinge machines: all classes at once, few walks over the rows.

Objective, for each class j of k, with labels y in {-1, 1}, row weights c and slack m = 1 - y f(x)::

    1/2 |w|^2 (+ 1/2 b^2 if the intercept is penalized) + C sum_i c_i max(0, m_i)^2,    f(x) = w.(x - shift) + b

Symbols: X (n, d) rows; D = d + 1 with an intercept, else d; V (k, D) coefficients, the intercept last; Y (n, k) signs
of the labels; c, M, Q (n, k) row weights, slacks and slopes of the slacks along a step; penalty (D,); W (k, width) the
coordinates that the system works in: V itself, or dual variables and the intercept.

The Hessian of class j is ``diag(penalty) + 2 C sum_i c_i [m_i > 0] x_i x_i'``. One walk multiplies it, for every class,
with a direction: a thin matrix product per chunk of rows, forth and back while the chunk is in the cache. Conjugate
gradients solve Newton's equation, preconditioned by the Cholesky factor of ``diag(penalty) + 2 C rho X'X / n`` with rho
the share of active weight; the steps' slopes come with the products, so an exact line search costs no walk.

Keerthi, DeCoste (2005), "A modified finite Newton method for fast solution of large scale linear SVMs", JMLR 6.
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from featlearn.arrays import as_float, cache_rows
from featlearn.jit import njit
from featlearn.kernels.svm.newton_sparse import SparseRows
from featlearn.notices import interruptible
from featlearn.streaming import CHUNK_BYTES, accumulate, map_chunks
from featlearn.threads import n_threads, one_blas_thread

SURE = 5  # times tol: how large a duality gap may be where Newton's model promises at most tol


@dataclass(frozen=True)
class Problem:
    """What the objective depends on, except C; see the module's header for the symbols.

    ``is_table``: X is a small float64 array that holds the shift and the ones (`featlearn.kernels.svm.newton_table`).
    """

    X: Any
    Y: np.ndarray
    c: np.ndarray
    shift: np.ndarray
    penalty: np.ndarray
    n_jobs: int | None = None
    is_table: bool = False

    @property
    def dtype(self) -> np.dtype:
        """float32 or float64, that of the rows."""
        return self.X.dtype if self.is_sparse else as_float(self.X[:0]).dtype

    @property
    def rows(self) -> int:
        """Rows of a chunk, from the shape alone."""
        return cache_rows(self.X.shape[1] * self.dtype.itemsize, CHUNK_BYTES)

    @property
    def is_sparse(self) -> bool:
        """Whether X is a `SparseRows`."""
        return isinstance(self.X, SparseRows)

    @property
    def is_one_chunk(self) -> bool:
        """Whether X is dense and no larger than a chunk."""
        return not self.is_sparse and self.X.shape[0] <= self.rows

    @property
    def has_intercept(self) -> bool:
        """Whether V carries an intercept beside the columns of X."""
        return len(self.penalty) > self.X.shape[1]

    @property
    def threads(self) -> int:
        """Threads for a walk; one where there is one chunk."""
        return 1 if self.is_one_chunk else n_threads(self.n_jobs)

    def weighted(self, c: np.ndarray) -> "Problem":
        """The same rows under other row weights (a training fold is zero weight on the other rows)."""
        return replace(self, c=c)

    def columns(self, which: np.ndarray) -> "Problem":
        """The problem of some classes."""
        if len(which) == self.Y.shape[1]:
            return self
        return replace(self, Y=self.Y.take(which, axis=1), c=self.c.take(which, axis=1))


def row_mean(X: Any, s: np.ndarray, rows: int, n_jobs: int | None = None) -> np.ndarray:
    """Weighted mean (d,) of the rows, weights s (n,) that add to one; a walk."""
    if isinstance(X, SparseRows):
        return X.pull(s[:, None], n_threads(n_jobs))[:, 0]
    return accumulate(lambda x, a: (a @ as_float(x)).astype(np.float64), X, s, rows=rows, n_jobs=n_jobs)


def margins(problem: Problem, V: np.ndarray) -> np.ndarray:
    """f(x) for every row and class (n, k); a walk."""
    w, b = _split(problem, V)
    if problem.is_sparse:
        return problem.X.times(w.T, b, problem.threads)
    return map_chunks(lambda x: as_float(x) @ w.T + b, problem.X, rows=problem.rows, n_jobs=problem.threads)


class InCoefficients:
    """What systems share whose coordinates are V (k, D) itself."""

    walks_of_margins, walks_of_coefficients = 1, 0

    def coordinates(self, problem: Problem, V: np.ndarray, C: float) -> np.ndarray:
        """V, as it is."""
        return V

    def coefficients(self, problem: Problem, V: np.ndarray) -> np.ndarray:
        """V, as it is."""
        return V

    def margins(self, problem: Problem, V: np.ndarray) -> np.ndarray:
        """f(x) (n, k); a walk."""
        return margins(problem, V)

    def metric(self, problem: Problem, V: np.ndarray, F: np.ndarray) -> np.ndarray:
        """The gradient of half the penalty at V, where f is F (n, k)."""
        return problem.penalty * V


def _split(problem, V):
    """V as w (k, d) and b (k,) of f(x) = w.x + b, in the dtype of the rows."""
    d = problem.X.shape[1]
    b = V[:, d] - V[:, :d] @ problem.shift if problem.has_intercept else np.zeros(len(V))
    return np.ascontiguousarray(V[:, :d], dtype=problem.dtype), b.astype(problem.dtype)


def _pull(x, r):
    """Rows and the column of ones, transposed, times r (m, k): (k, d + 1) in float64, so that chunks add exactly."""
    out = np.empty((r.shape[1], x.shape[1] + 1))
    out[:, :-1] = r.T @ x
    out[:, -1] = r.sum(axis=0, dtype=np.float64)
    return out


def _center(problem, pulled):
    """What `_pull` summed, as seen from the shifted rows (k, D)."""
    d = problem.X.shape[1]
    if not problem.has_intercept:
        return pulled[:, :d]
    pulled[:, :d] -= pulled[:, d:] * problem.shift
    return pulled


def _fold(statistic, problem, *aligned):
    """The statistic of the chunks, added up."""
    if problem.is_one_chunk:
        with one_blas_thread():  # as every chunk, without the walk's machinery, which small rows would feel
            return statistic(problem.X, *aligned)
    return accumulate(statistic, problem.X, *aligned, rows=problem.rows, n_jobs=problem.threads)


def gradient_of(problem: Problem, R: np.ndarray) -> np.ndarray:
    """``sum_i r_i x_i`` of the shifted rows, and the sum of r for the intercept (k, D); a walk. R is (n, k)."""
    if problem.is_sparse:
        ones = R.sum(axis=0, dtype=np.float64)
        return _center(problem, np.vstack([problem.X.pull(R, problem.threads), ones]).T)
    return _center(problem, _fold(lambda x, r: _pull(as_float(x), r), problem, R))


def gradient(problem: Problem, V: np.ndarray, M: np.ndarray, A: np.ndarray) -> np.ndarray:
    """Gradient (k, D) of the objective; a walk. M (n, k): the slacks at V; A (n, k): 2 C c on active rows, else 0."""
    return problem.penalty * V - gradient_of(problem, A * problem.Y * M)


def hessian_product(problem: Problem, P: np.ndarray, A: np.ndarray, F: np.ndarray) -> np.ndarray:
    """Hessian times P (k, D); a walk. A (n, k) are 2 C c on active rows, else 0; F (n, k) receives f at P."""
    if problem.is_sparse:
        F[:] = margins(problem, P)
        return problem.penalty * P + gradient_of(problem, A * F)
    w, b = _split(problem, P)

    def statistic(x, a, f):
        x = as_float(x)
        np.add(x @ w.T, b, out=f)
        return _pull(x, a * f)

    return problem.penalty * P + _center(problem, _fold(statistic, problem, A, F))


def objectives(c: np.ndarray, W: np.ndarray, metric_W: np.ndarray, M: np.ndarray, C: float) -> np.ndarray:
    """Objective (k,) of each class at coordinates W with slacks M (n, k); ``W . metric_W`` is the penalty, doubled."""
    return 0.5 * (W * metric_W).sum(axis=1) + C * (c * np.maximum(M, 0) ** 2).sum(axis=0, dtype=np.float64)


@njit(cache=True, nogil=True)
def step_length(linear: np.ndarray, square: np.ndarray, B: np.ndarray, M: np.ndarray, Q: np.ndarray) -> np.ndarray:
    """Exact line search: the t (k,) that minimizes ``linear t + square t^2 / 2 + 1/2 sum B max(0, M - t Q)^2``.

    The derivative is piecewise linear and rises, so Newton's iteration, kept inside its bracket, ends soon.
    """
    n, k = M.shape
    t, low, high = np.ones(k), np.zeros(k), np.full(k, np.inf)
    start, slope, curvature, done = linear.copy(), np.empty(k), np.empty(k), np.zeros(k, dtype=np.bool_)
    for i in range(n):
        for j in range(k):
            start[j] -= B[i, j] * Q[i, j] * max(M[i, j], 0)
    for _ in range(50):
        for j in range(k):
            slope[j], curvature[j] = linear[j] + t[j] * square[j], square[j]
        for i in range(n):
            for j in range(k):
                q = np.float64(Q[i, j])
                left = M[i, j] - t[j] * q
                pull = B[i, j] * q if left > 0 else 0.0
                slope[j] -= pull * left
                curvature[j] += pull * q
        for j in range(k):
            # A class that is done must stay put: rounding alone decides on which side of its minimum it is.
            done[j] = done[j] or abs(slope[j]) <= 1e-3 * abs(start[j])
            if done[j]:
                continue
            if slope[j] < 0:
                low[j] = t[j]
            else:
                high[j] = t[j]
            newton = t[j] - slope[j] / (curvature[j] if curvature[j] > 0 else 1.0)
            middle = 2 * t[j] if np.isinf(high[j]) else (low[j] + high[j]) / 2
            t[j] = newton if low[j] < newton < high[j] else middle
        if done.all():
            break
    return t


def duality_gaps(
    problem: Problem, C: float, M: np.ndarray, objective: np.ndarray, square: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """How far each objective (k,) can still fall at most, relative to it; M (n, k) are the slacks.

    The dual variables ``a_i = 2 C c_i max(m_i, 0)``, balanced between the signs where the intercept is free and scaled
    to where the dual is greatest on their ray, bound the optimum from below. ``square(R)`` is ``|sum_i r_i x_i|^2``.
    A free intercept alone serves a class whose rows of weight all have one sign: it has no gap.
    """
    c = problem.c.astype(np.float64, copy=False)
    A = 2 * C * c * np.maximum(M, 0)
    free = problem.has_intercept and problem.penalty[-1] == 0
    if free:
        plus, minus = (A * (problem.Y > 0)).sum(axis=0), (A * (problem.Y < 0)).sum(axis=0)
        least = np.minimum(plus, minus)
        A *= np.where(problem.Y > 0, least / np.maximum(plus, 1e-300), least / np.maximum(minus, 1e-300))
    total = A.sum(axis=0)
    curvature = square(A * problem.Y) + 0.5 * (A**2 / np.where(c > 0, C * c, 1)).sum(axis=0)
    gaps = 1 - 0.5 * total**2 / np.maximum(curvature, 1e-300) / np.maximum(objective, 1e-300)
    both = ((c > 0) & (problem.Y > 0)).any(axis=0) & ((c > 0) & (problem.Y < 0)).any(axis=0)
    return np.where(both | (not free), gaps, 0)


@dataclass
class Solution:
    """Where `minimize` ended: V (k, D), W the same in the system's coordinates, slacks M (n, k), objective and
    estimated gap (k,), iterations and walks; ``stalled``: no step lowered any objective, ``stopped``: by ``report``."""

    V: np.ndarray
    W: np.ndarray
    M: np.ndarray
    objective: np.ndarray
    gap: np.ndarray
    n_iter: int
    n_passes: int
    converged: bool
    stalled: bool
    stopped: bool


def minimize(
    problem: Problem,
    C: float,
    system: Any,
    W: np.ndarray | None = None,
    tol: float = 1e-4,
    max_iter: int = 100,
    report: Callable[[Callable[[], np.ndarray], np.ndarray], bool] | None = None,
    who: str | None = None,
) -> Solution:
    """Minimize the objectives of all classes from W, the system's coordinates of V (k, D), or from zero.

    ``system`` solves Newton's equation (`newton_systems.newton_system`) and says what its coordinates
    mean. A class is done with the step that its quadratic model expects to gain at most ``tol`` times its objective, an
    estimate of the distance to the optimum before that step, unless `duality_gaps` leave that in doubt.
    ``report(V, objective)`` is called after every iteration, V a function that returns the coefficients; True stops.
    So does an interrupt, with a warning in the name of ``who``, or it goes through where nobody is named.
    """
    with one_blas_thread():
        k, dtype = problem.Y.shape[1], system.dtype
        eps = float(np.finfo(dtype).eps)
        W = np.zeros((k, system.width)) if W is None else W.astype(np.float64)
        passes = system.walks_of_margins if W.any() else 0
        M = 1 - problem.Y * system.margins(problem, W) if W.any() else np.ones(problem.Y.shape, dtype=dtype)
        c = problem.c.astype(dtype, copy=False)
        descend = getattr(system, "descend", partial(newton_step, system=system))
        objective = objectives(c, W, system.metric(problem, W, problem.Y * (1 - M)), M, C)
        # Replaced as one after each iteration, so that an interrupt finds it whole.
        state = (0, W, M, objective, np.full(k, np.inf), passes)
        stalled, stopped = False, True
        with interruptible(who, lambda: state[0]) if who else nullcontext():
            for n_iter in range(1, max_iter + 1):
                _, W, M, before, gap, passes = state
                W, M, objective, gap, walks = descend(problem, C, V=W, M=M, objective=before, gap=gap, tol=tol)
                state = (n_iter, W, M, objective, gap, passes + walks)
                stalled = bool((before - objective <= eps * before).all())
                if report is not None and report(partial(system.coefficients, problem, W), objective):
                    break
                if stalled or (gap <= tol).all():
                    stopped = False
                    break
            else:
                stopped = False
        n_iter, W, M, objective, gap, passes = state
        V, passes = system.coefficients(problem, W), passes + system.walks_of_coefficients
    # Rounding ends the descent before a tolerance that the dtype cannot reach; that is no failure to converge.
    converged = bool((gap <= max(tol, 100 * eps)).all())
    return Solution(V, W, M, objective, gap, n_iter, passes, converged, stalled, stopped)


def newton_step(
    problem: Problem,
    C: float,
    system: Any,
    V: np.ndarray,
    M: np.ndarray,
    objective: np.ndarray,
    gap: np.ndarray,
    tol: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int]:
    """The system's coordinates V, the slacks, objectives and gaps after a step of the classes above ``tol``; walks."""
    live = np.flatnonzero(gap > tol)
    part, some = problem.columns(live), len(live) < len(V)
    v, m = (V[live], M.take(live, axis=1)) if some else (V, M)
    B = part.c.astype(system.dtype, copy=False) * system.dtype.type(2 * C)
    A = B * (m > 0)
    P, F, slope, walks = system.step(part, v, m, A, 0.1 * tol * objective[live], C, live)
    metric, Q = system.metric(part, P, F), part.Y * F
    square = (metric * P).sum(axis=1)
    # Half of p'Hp, and of -g.p, which equals it where the equation is solved; rounding may make it negative.
    gain = 0.5 * np.maximum(np.abs(slope), square + (A * F**2).sum(axis=0, dtype=np.float64))
    t = step_length((metric * v).sum(axis=1), square, B, m, Q)
    v, m = v + t[:, None] * P, m - t.astype(Q.dtype) * Q
    # An exact step that no row changes sides along ends where Newton's model is least, and the objective with it.
    sure = system.is_exact(live) & (abs(t - 1) <= 0.01) & ~(((m > 0) & (B > 0)) != (A > 0)).any(axis=0)
    gap = gap.copy()
    gap[live] = gain / np.maximum(objective[live], np.finfo(float).tiny)
    if some:
        V, M = V.copy(), M.copy()
        V[live], M[:, live] = v, m
    else:
        V, M = v, m
    c = problem.c.astype(system.dtype, copy=False)
    objective = objectives(c, V, system.metric(problem, V, problem.Y * (1 - M)), M, C)
    done = live[(gap[live] <= tol) & ~sure]
    if len(done):  # says a model that the step has left: the dual tells
        part = problem.columns(done)
        bound = duality_gaps(part, C, M.take(done, axis=1), objective[done], partial(system.square, part))
        refused = bound > max(system.sure * tol, 100 * float(np.finfo(system.dtype).eps))
        gap[done] = np.where(refused, np.maximum(bound, gap[done]), gap[done])
        system.refuse(done[refused])
    return V, M, objective, gap, walks
