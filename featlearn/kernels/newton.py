"""Newton's method for one-vs-rest squared-hinge machines: all classes at once, few walks over the rows.

Objective, for each class j of k, with labels y in {-1, 1}, row weights c and slack m = 1 - y f(x)::

    1/2 |w|^2 (+ 1/2 b^2 if the intercept is penalized) + C sum_i c_i max(0, m_i)^2,    f(x) = w.(x - shift) + b

Symbols: X (n, d) rows; D = d + 1 with an intercept, else d; V (k, D) coefficients, the intercept last; Y (n, k) signs
of the labels; c, M, Q (n, k) row weights, slacks and slopes of the slacks along a step; penalty (D,).

The Hessian of class j is ``diag(penalty) + 2 C sum_i c_i [m_i > 0] x_i x_i'``. One walk multiplies it, for every class,
with a direction: a thin matrix product per chunk of rows, forth and back while the chunk is in the cache. Conjugate
gradients solve Newton's equation, preconditioned by the Cholesky factor of ``diag(penalty) + 2 C rho X'X / n`` with rho
the share of active weight; the steps' slopes come with the products, so an exact line search costs no walk.

Keerthi, DeCoste (2005), "A modified finite Newton method for fast solution of large scale linear SVMs", JMLR 6.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.linalg import get_lapack_funcs

from featlearn.kernels.threads import as_float, blocks, cache_rows, map_in_order, n_threads, one_blas_thread
from featlearn.streaming import CHUNK_BYTES, accumulate, map_chunks

GRAM_ROWS, GRAM_TILE, GRAM_WIDTH = 1024, 1024, 12_000
CG_STEPS = 300


@dataclass(frozen=True)
class Problem:
    """What the objective depends on, except C; see the module's header for the symbols."""

    X: Any
    Y: np.ndarray
    c: np.ndarray
    shift: np.ndarray
    penalty: np.ndarray
    n_jobs: int | None = None

    @property
    def dtype(self) -> np.dtype:
        """float32 or float64, that of the rows."""
        return as_float(self.X[:0]).dtype

    @property
    def rows(self) -> int:
        """Rows of a chunk, from the shape alone."""
        return cache_rows(self.X.shape[1] * self.dtype.itemsize, CHUNK_BYTES)

    @property
    def has_intercept(self) -> bool:
        """Whether V carries an intercept."""
        return len(self.penalty) > self.X.shape[1]

    @property
    def threads(self) -> int:
        """Threads for a walk; one where there is one chunk."""
        return n_threads(self.n_jobs) if len(self.X) > self.rows else 1

    def weighted(self, c: np.ndarray) -> "Problem":
        """The same rows under other row weights (a training fold is zero weight on the other rows)."""
        return replace(self, c=c)


def row_mean(X: np.ndarray, s: np.ndarray, rows: int, n_jobs: int | None = None) -> np.ndarray:
    """Weighted mean (d,) of the rows, weights s (n,) that add to one; a walk."""
    return accumulate(lambda x, a: (a @ as_float(x)).astype(np.float64), X, s, rows=rows, n_jobs=n_jobs)


def margins(problem: Problem, V: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """f(x) for every row and class (n, k); a walk."""
    w, b = _split(problem, V)
    return map_chunks(lambda x: as_float(x) @ w.T + b, problem.X, out, rows=problem.rows, n_jobs=problem.threads)


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


def gradient(problem: Problem, V: np.ndarray, M: np.ndarray, C: float) -> np.ndarray:
    """Gradient (k, D) of the objective; a walk. M (n, k) are the slacks at V."""
    R = problem.c * (-2 * C) * problem.Y * np.maximum(M, 0)
    total = accumulate(lambda x, r: _pull(as_float(x), r), problem.X, R, rows=problem.rows, n_jobs=problem.threads)
    return problem.penalty * V + _center(problem, total)


def hessian_product(problem: Problem, P: np.ndarray, A: np.ndarray, F: np.ndarray) -> np.ndarray:
    """Hessian times P (k, D); a walk. A (n, k) are 2 C c on active rows, else 0; F (n, k) receives f at P."""
    w, b = _split(problem, P)

    def statistic(x, a, f):
        x = as_float(x)
        np.add(x @ w.T, b, out=f)
        return _pull(x, a * f)

    total = accumulate(statistic, problem.X, A, F, rows=problem.rows, n_jobs=problem.threads)
    return problem.penalty * P + _center(problem, total)


def objectives(problem: Problem, V: np.ndarray, M: np.ndarray, C: float) -> np.ndarray:
    """Objective (k,) of each class at V with slacks M."""
    loss = (problem.c * np.maximum(M, 0) ** 2).sum(axis=0, dtype=np.float64)
    return 0.5 * (problem.penalty * V**2).sum(axis=1) + C * loss


def step_length(linear: np.ndarray, square: np.ndarray, B: np.ndarray, M: np.ndarray, Q: np.ndarray) -> np.ndarray:
    """Exact line search: the t (k,) that minimizes ``linear t + square t^2 / 2 + 1/2 sum B max(0, M - t Q)^2``.

    The derivative is piecewise linear and rises, so Newton's iteration, kept inside its bracket, ends after a few steps.
    """
    t, low, high = np.ones(len(linear)), np.zeros(len(linear)), np.full(len(linear), np.inf)
    start = None
    for _ in range(50):
        left = np.maximum(M - t.astype(M.dtype) * Q, 0)
        BQ = B * Q
        slope = linear + t * square - (BQ * left).sum(axis=0, dtype=np.float64)
        if start is None:
            start = np.abs(linear - (BQ * np.maximum(M, 0)).sum(axis=0, dtype=np.float64))
        if np.all(np.abs(slope) <= 1e-3 * start):
            break
        low, high = np.where(slope < 0, t, low), np.where(slope < 0, high, t)
        curvature = square + (BQ * Q * (left > 0)).sum(axis=0, dtype=np.float64)
        newton = t - slope / np.where(curvature > 0, curvature, 1)
        middle = np.where(np.isinf(high), 2 * t, (low + high) / 2)
        t = np.where((newton > low) & (newton < high), newton, middle)
    return t


class CholeskyPreconditioner:
    """Solves with ``diag(penalty) + scale * Gram``, the Gram matrix that of the shifted rows under weights s (n,).

    One (D, D) buffer holds both: the Gram matrix above the diagonal, the factor below and on it, so that a new scale
    needs no new walk. `scale` is 2 C times the share of active weight.
    """

    def __init__(self, problem: Problem, s: np.ndarray):
        self.penalty, self.threads = problem.penalty, n_threads(problem.n_jobs)
        self.buffer = gram(problem, s)
        self.diagonal = self.buffer.diagonal().copy()
        self.scale = 0.0
        self.potrf, self.potrs = get_lapack_funcs(("potrf", "potrs"), (self.buffer,))

    def prepare(self, scale: float) -> None:
        """Factor anew unless the factor at hand is of about this scale."""
        if not self.scale / 2 < scale < self.scale * 2:
            ridge = 0.0
            while not self._factor(scale, ridge):
                ridge = max(10 * ridge, len(self.penalty) * float(np.finfo(self.buffer.dtype).eps))
                if not ridge < 1e3:
                    raise ValueError(
                        f"The products of the features are too large for {self.buffer.dtype} (largest square: "
                        f"{np.nanmax(self.diagonal):.3g}, times {scale:.3g}). Standardize the features or pass float64."
                    )
            self.scale = scale

    def _factor(self, scale, ridge):
        G, tiles = self.buffer, blocks(len(self.penalty), GRAM_TILE)

        def mirror(j):
            for i in range(j + 1):
                tile = G[tiles[i], tiles[j]]
                if i < j:
                    np.multiply(tile.T, scale, out=G[tiles[j], tiles[i]])
                else:
                    below = np.tril_indices(len(tile), -1)
                    tile[below] = tile.T[below] * G.dtype.type(scale)

        for _ in map_in_order(mirror, range(len(tiles)), self.threads):
            pass
        np.fill_diagonal(G, self.penalty + scale * (1 + ridge) * self.diagonal.astype(np.float64))
        # LAPACK sees the transpose: "upper" there is what lies below the diagonal here, and the rest is left alone.
        return self.potrf(G.T, lower=0, clean=0, overwrite_a=1)[1] == 0

    def solve(self, R: np.ndarray) -> np.ndarray:
        """The preconditioner's inverse times R (k, D)."""
        return self.potrs(self.buffer.T, R.T.astype(self.buffer.dtype, order="F"), lower=0)[0].T.astype(np.float64)


def gram(problem: Problem, s: np.ndarray) -> np.ndarray:
    """``sum_i s_i x_i x_i'`` of the shifted rows, with the column of ones (D, D), above the diagonal; a walk.

    Threads share the tiles of the result, not the rows, so there is one buffer whatever their number.
    """
    n, d = problem.X.shape
    D = len(problem.penalty)
    G = np.zeros((D, D), dtype=problem.dtype)
    tiles = blocks(D, GRAM_TILE)
    pairs = [(i, j) for i in tiles for j in tiles if i.start <= j.start]
    buffer = np.empty((min(n, GRAM_ROWS), D), dtype=problem.dtype)
    for part in blocks(n, GRAM_ROWS):
        x = buffer[: part.stop - part.start]
        np.subtract(problem.X[part], problem.shift.astype(x.dtype), out=x[:, :d], dtype=x.dtype)
        x[:, d:] = 1
        x *= np.sqrt(s[part, None])

        def add(pair, x=x):
            i, j = pair
            G[i, j] += x[:, i].T @ x[:, j]

        for _ in map_in_order(add, pairs, problem.threads if n * D > 1 << 16 else 1):
            pass
    return G


class DiagonalPreconditioner:
    """Solves with the diagonal of ``diag(penalty) + scale * Gram``: for rows too wide, or too few, for a Gram matrix."""

    def __init__(self, problem: Problem, s: np.ndarray):
        shift, d = problem.shift, problem.X.shape[1]
        self.penalty, self.diagonal = problem.penalty, np.ones(len(problem.penalty))
        self.diagonal[:d] = accumulate(
            lambda x, a: a @ (as_float(x) - shift.astype(a.dtype)) ** 2,
            problem.X,
            s,
            rows=problem.rows,
            n_jobs=problem.threads,
        )
        self.scale = 0.0

    def prepare(self, scale: float) -> None:
        """Take the scale."""
        self.scale = scale

    def solve(self, R: np.ndarray) -> np.ndarray:
        """The preconditioner's inverse times R (k, D)."""
        return R / (self.penalty + self.scale * self.diagonal)


def preconditioner(problem: Problem, s: np.ndarray) -> CholeskyPreconditioner | DiagonalPreconditioner:
    """The cheaper preconditioner: Cholesky, unless its d^2 (n + d) operations exceed some 300 walks over the rows."""
    (n, d), k = problem.X.shape, problem.Y.shape[1]
    pays = d <= GRAM_WIDTH and d + d * d / n <= 300 * (60 + 8 * k)
    return (CholeskyPreconditioner if pays else DiagonalPreconditioner)(problem, s)


def newton_direction(
    problem: Problem, G: np.ndarray, A: np.ndarray, solver: Any, forcing: float, enough: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Conjugate gradients on Newton's equation, each class stopping on its own.

    Parameters
    ----------
    G : (k, D) gradients; A : (n, k) 2 C c on active rows; solver : a prepared preconditioner.
    forcing : a class stops when its residual, in the preconditioner's norm, has fallen by this factor ...
    enough : (k,) ... or when what the residual could still gain is below this.

    Returns
    -------
    P (k, D) direction; F (n, k) f at P; gain (k,) the quadratic model's decrease at P; the number of walks.
    """
    k = len(G)
    P, F, gain = np.zeros_like(G), np.zeros_like(A), np.zeros(k)
    R, live = -G, np.arange(k)
    Z = solver.solve(R)
    S, rz = Z.copy(), (R * Z).sum(axis=1)
    goal = np.maximum(forcing**2 * rz, enough)
    live = live[rz > 0]
    for walk in range(CG_STEPS):
        if len(live) == 0:
            return P, F, gain, walk
        f = np.empty((len(A), len(live)), dtype=A.dtype)
        HS = hessian_product(problem, S[live], np.ascontiguousarray(A[:, live]), f)
        alpha = rz[live] / (S[live] * HS).sum(axis=1)
        P[live] += alpha[:, None] * S[live]
        F[:, live] += f * alpha.astype(f.dtype)
        R[live] -= alpha[:, None] * HS
        gain[live] += 0.5 * alpha * rz[live]
        Z = solver.solve(R[live])
        new = (R[live] * Z).sum(axis=1)
        S[live] = Z + (new / rz[live])[:, None] * S[live]
        rz[live] = new
        live = live[(new > goal[live])]
    return P, F, gain, CG_STEPS


@dataclass
class Solution:
    """Where `minimize` ended: V (k, D), slacks M (n, k), objective and estimated gap (k,), iterations and walks."""

    V: np.ndarray
    M: np.ndarray
    objective: np.ndarray
    gap: np.ndarray
    n_iter: int
    n_passes: int


def minimize(
    problem: Problem,
    C: float,
    solver: Any,
    V: np.ndarray | None = None,
    tol: float = 1e-4,
    max_iter: int = 100,
    report: Callable[[np.ndarray, np.ndarray], bool] | None = None,
    forcing: float = 0.3,
    verbose=False,
) -> Solution:
    """Minimize the objectives of all classes.

    Parameters
    ----------
    V : (k, D) start, or None for zero.
    tol : a class is done when Newton's step promises a decrease below ``tol`` times its objective.
    report : called with V and the objectives after each iteration; True stops.
    """
    with one_blas_thread():
        k, D = problem.Y.shape[1], len(problem.penalty)
        V = np.zeros((k, D)) if V is None else V.astype(np.float64)
        passes = int(V.any())
        M = 1 - problem.Y * margins(problem, V) if passes else np.ones(problem.Y.shape, dtype=problem.dtype)
        B = problem.c * problem.dtype.type(2 * C)
        tol = max(tol, 10 * float(np.finfo(problem.dtype).eps))
        objective, gap = objectives(problem, V, M, C), np.full(k, np.inf)
        for n_iter in range(1, max_iter + 1):  # noqa: B007
            live = np.flatnonzero(gap > tol)
            part = replace(problem, Y=problem.Y[:, live], c=problem.c[:, live])
            A = B[:, live] * (M[:, live] > 0)
            G = gradient(part, V[live], M[:, live], C)
            share = np.maximum(A.sum(axis=0, dtype=np.float64), 1e-6 * C)
            solver.prepare(float(np.exp(np.log(share).mean())))
            P, F, gain, walks = newton_direction(part, G, A, solver, forcing, 0.1 * tol * objective[live])
            passes += walks + 1
            Q = part.Y * F
            penalized = problem.penalty * P
            t = step_length((penalized * V[live]).sum(1), (penalized * P).sum(1), B[:, live], M[:, live], Q)
            V[live] += t[:, None] * P
            M[:, live] -= t.astype(Q.dtype) * Q
            gap[live] = gain / np.maximum(objective[live], np.finfo(float).tiny)
            objective = objectives(problem, V, M, C)
            if verbose:
                print(n_iter, "walks", walks, passes, "share", share.round(3), "scale", solver.scale, "gap", gap.max(), "t", t.min(), t.max(), "obj", objective.sum())
            stop = report is not None and report(V, objective)
            if stop or np.all(gap <= tol):
                break
    return Solution(V, M, objective, gap, n_iter, passes)
