"""Newton's equation of newton.py, in several ways; `newton_system` picks from the shape of the rows.

For class j with gradient g and weights a_i = 2 C c_i on active rows (0 elsewhere), find the step p with::

    (diag(penalty) + sum_i a_i x_i x_i') p = -g

* few features (D up to 2,000 and fewer than rows): exactly, from each class's Hessian (D, D), which follows the rows
  that become active or cease to be; at once where D is small, else as soon as conjugate gradients prove dearer;
* tall rows, d up to 20,000: conjugate gradients on all classes, preconditioned by the Cholesky factor of
  ``diag(penalty) + scale * Gram``;
* few rows (n up to 1.5 d and 12,000), where conjugate gradients are slow: exactly, in dual variables u with w = X'u,
  from the kernel matrix X X' of the active rows, in float64;
* anything larger: conjugate gradients with a diagonal preconditioner, in many more walks;
* small tables and sparse rows have systems of their own: `newton_table` and `dual_descent`.

Symbols as in `newton`. Chapelle (2007), "Training a support vector machine in the primal", Neural Computation 19.
"""

from typing import Any

import numpy as np
from scipy.linalg import get_blas_funcs, get_lapack_funcs

from featlearn.arrays import as_float, blocks
from featlearn.kernels.svm.dual_descent import DualDescent
from featlearn.kernels.svm.newton import SURE, InCoefficients, Problem, gradient, gradient_of, hessian_product, margins
from featlearn.kernels.svm.newton_table import Table
from featlearn.streaming import accumulate, map_chunks
from featlearn.threads import map_in_order, n_threads

TILE = 1024
LARGEST_KERNEL = 12_000
LARGEST_GRAM = 20_000
LARGEST_HESSIAN = 2_000
HESSIAN_BYTES = 256 << 20
SMALL = 127
CG_STEPS = 300
FORCING = 0.2


def newton_system(problem: Problem, s: np.ndarray) -> "ConjugateGradients | RowKernel | Table | DualDescent":
    """The cheapest way to solve Newton's equation; s (n,) are the row weights, which add to one."""
    (n, d), (D, k) = problem.X.shape, (len(problem.penalty), problem.Y.shape[1])
    if problem.is_table:
        return Table(problem)
    if d > SMALL and n <= min(1.5 * d, LARGEST_KERNEL) and not problem.is_sparse:
        return RowKernel(problem)
    exact = D <= LARGEST_HESSIAN and k * D * D * problem.dtype.itemsize <= HESSIAN_BYTES
    if problem.is_sparse:
        newton = ConjugateGradients(
            problem, DiagonalPreconditioner(problem, s), ActiveHessian(problem) if exact else None
        )
        return DualDescent(problem, newton)
    if d > max(SMALL, min(n, LARGEST_GRAM)):
        return ConjugateGradients(problem, DiagonalPreconditioner(problem, s))
    return ConjugateGradients(problem, CholeskyPreconditioner(problem, s), ActiveHessian(problem) if exact else None)


class ActiveHessian:
    """Exact steps from the Hessian of each class (D, D), which is kept and follows the rows that change sides.

    S (k, D, D) holds ``sum_i a_i x_i x_i'`` above the diagonal, in units of the
    row weights c so that it outlives a change of C, and ``a`` (k, n) what each row counts in it.
    """

    def __init__(self, problem: Problem):
        self.dtype, self.width, self.threads = problem.dtype, len(problem.penalty), n_threads(problem.n_jobs)
        self.k = problem.Y.shape[1]
        self.S: Any = None
        self.a: Any = None

    def cost(self, problem: Problem, M: np.ndarray) -> float:
        """What an exact step costs at slacks M (n, k), in walks of conjugate gradients, as far as flops tell."""
        D, active = self.width, int(((M > 0) & (problem.c > 0)).sum()) / M.shape[1]
        # A walk does four flops per entry, in thin products at a quarter of the speed, sparse ones at a tenth.
        walk = 40 * problem.X.nnz if problem.is_sparse else 16 * len(M) * D
        return (active * D * D + D**3 / 3) / walk

    def solve(self, problem: Problem, G: np.ndarray, M: np.ndarray, C: float, live: np.ndarray) -> np.ndarray:
        """The exact steps P (k, D) of the ``live`` classes from their gradients G (k, D) and slacks M (n, k)."""
        if self.S is None:
            self.S = np.zeros((self.k, self.width, self.width), self.dtype)
            self.a = np.zeros((self.k, len(M)), self.dtype)
        P = np.empty_like(G)

        def one(i):
            j, a = live[i], np.where(M[:, i] > 0, problem.c[:, i], 0).astype(self.dtype, copy=False)
            self._follow(problem, j, a)
            step = self._inverse(problem, self.S[j], 2 * C, -G[i], ridges(self.dtype)[:1])
            if step is None:  # what was added and taken away again may have left too much rounding
                self.S[j], self.a[j] = 0, 0
                self._follow(problem, j, a)
                step = self._inverse(problem, self.S[j], 2 * C, -G[i], ridges(self.dtype))
            if step is None:
                raise_too_large(self.S[j], self.S[j].diagonal())
            P[i] = step

        for _ in map_in_order(one, range(len(live)), self.threads if len(live) > 1 else 1):
            pass
        return P

    def _follow(self, problem, j, a):
        """Bring S[j] to row weights a (n,), from those it has or from nothing, whichever is less work."""
        changed, active = np.flatnonzero(a != self.a[j]), np.flatnonzero(a)
        change = a - self.a[j]
        if len(active) <= len(changed):
            self.S[j] = 0
            changed, change = active, a
        syrk = get_blas_funcs("syrk", dtype=self.dtype)
        for sign in (1, -1):
            rows = changed[sign * change[changed] > 0]
            for part in blocks(len(rows), TILE):
                x = _shifted(problem, rows[part], np.empty((len(rows[part]), self.width), self.dtype))
                x *= np.sqrt(sign * change[rows[part], None])
                syrk(sign, x.T, beta=1, c=self.S[j].T, lower=1, overwrite_c=1)
        self.a[j] = a

    def _inverse(self, problem, S, scale, right, ridges):
        """The inverse times ``right`` (D,) with the first ridge that lets Cholesky succeed, or None."""
        potrf, potrs = get_lapack_funcs(("potrf", "potrs"), dtype=self.dtype)
        diagonal = problem.penalty + scale * check_finite(S)
        diagonal[diagonal == 0] = 1  # a coordinate that no active row knows
        for ridge in ridges:
            H = self.dtype.type(scale) * S.T
            np.fill_diagonal(H, (1 + ridge) * diagonal)
            factor, failed = potrf(H, lower=1, clean=0, overwrite_a=1)
            if not failed and np.isfinite(factor.diagonal()).all():
                return potrs(factor, right.astype(self.dtype), lower=1)[0]
        return None


class ConjugateGradients(InCoefficients):
    """Preconditioned conjugate gradients on the equations of all classes; each class stops on its own.

    A class stops when its residual, in the preconditioner's norm, has fallen by `FORCING`, or when what the residual
    could still gain is below ``enough``. The products are in the rows' dtype.
    """

    def __init__(
        self,
        problem: Problem,
        preconditioner: "CholeskyPreconditioner | DiagonalPreconditioner",
        exact: ActiveHessian | None = None,
    ):
        self.dtype, self.width, self.preconditioner = problem.dtype, len(problem.penalty), preconditioner
        self.exact, self.slow = exact, np.zeros(problem.Y.shape[1], dtype=bool)
        # Where no exact step can bring the gap down, residuals too small to matter keep it up.
        self.sure = SURE if exact is not None else 10 * SURE

    def fresh(self, problem: Problem) -> "ConjugateGradients":
        """Itself: it remembers nothing of the active rows that would mislead other ones."""
        return self

    def square(self, problem: Problem, R: np.ndarray) -> np.ndarray:
        """``|sum_i r_i x_i|^2`` (k,) of R (n, k), over what is penalized; a walk."""
        return (problem.penalty * gradient_of(problem, R.astype(self.dtype, copy=False)) ** 2).sum(axis=1)

    def is_exact(self, live: np.ndarray) -> np.ndarray:
        """Which of the ``live`` classes take exact steps."""
        return self.slow[live]

    def refuse(self, classes: np.ndarray) -> None:
        """The steps of these classes seemed to be the last and were not: exact ones from now on, if there are any."""
        self.slow[classes] = self.exact is not None

    def step(
        self, problem: Problem, V: np.ndarray, M: np.ndarray, A: np.ndarray, enough: np.ndarray, C: float, live: Any
    ) -> tuple:
        """Steps P (k, D) from V, f at P (n, k), the objectives' slopes (k,) along P, and the number of walks.

        M (n, k): the slacks at V; A (n, k): the active a_i; ``live``: which classes these are. Classes whose gradients
        take more walks than an exact step would cost take exact steps from then on.
        """
        G = gradient(problem, V, M, A)
        if self.exact is None:
            P, F, walks, _ = self._solve(problem, G, A, enough, CG_STEPS)
            return P, F, (G * P).sum(axis=1), walks + 1
        P, F, walks = np.empty_like(G), np.empty_like(A), 1
        quick = np.flatnonzero(~self.slow[live])
        if len(quick):
            most = int(np.ceil(self.exact.cost(problem, M)))
            part = problem.columns(quick)
            P[quick], F[:, quick], more, left = self._solve(part, G[quick], _take(A, quick), enough[quick], most)
            self.slow[live[quick[left]]], walks = True, walks + more
        slow = np.flatnonzero(self.slow[live])
        if len(slow):
            part = problem.columns(slow)
            P[slow] = self.exact.solve(part, G[slow], _take(M, slow), C, live[slow])
            F[:, slow], walks = margins(part, P[slow]), walks + 1
        return P, F, (G * P).sum(axis=1), walks

    def _solve(self, problem, G, A, enough, most):
        """P and F after at most so many walks, the walks made, and the classes that would need more."""
        solver = self.preconditioner
        share = np.maximum(A.sum(axis=0, dtype=np.float64), np.finfo(np.float32).tiny)
        solver.prepare(float(np.exp(np.log(share).mean())))
        P, F = np.zeros_like(G), np.zeros_like(A)
        R = -G
        Z = solver.solve(R)
        S, rz = Z.copy(), (R * Z).sum(axis=1)
        goal = np.maximum(FORCING**2 * rz, enough)
        live, walk = np.flatnonzero(rz > 0), 0
        while walk < most and len(live):
            f = np.empty((len(A), len(live)), dtype=A.dtype)
            HS = hessian_product(problem, S[live], _take(A, live), f)
            alpha = rz[live] / (S[live] * HS).sum(axis=1)
            P[live] += alpha[:, None] * S[live]
            F[:, live] += f * alpha.astype(f.dtype)
            R[live] -= alpha[:, None] * HS
            Z = solver.solve(R[live])
            new = (R[live] * Z).sum(axis=1)
            S[live] = Z + (new / rz[live])[:, None] * S[live]
            rz[live] = new
            live, walk = live[new > goal[live]], walk + 1
        return P, F, walk, live


def _take(a, columns):
    """Columns of an array, rows first in memory."""
    return a if len(columns) == a.shape[1] else np.take(a, columns, axis=1)


class CholeskyPreconditioner:
    """Solves with ``diag(penalty) + scale * Gram``, the Gram matrix that of the shifted rows under weights s (n,).

    One (D, D) buffer holds both: the Gram matrix above the diagonal, the factor below and on it, so that a new scale
    needs no new walk.
    """

    def __init__(self, problem: Problem, s: np.ndarray):
        self.penalty, self.threads = problem.penalty, n_threads(problem.n_jobs)
        self.buffer = gram(problem, s)
        self.diagonal = check_finite(self.buffer)
        self.scale = 0.0
        self.potrf, self.potrs = get_lapack_funcs(("potrf", "potrs"), (self.buffer,))

    def prepare(self, scale: float) -> None:
        """Factor anew, unless the factor at hand is of about this scale (2 C times the share of active weight)."""
        if self.scale / 2 < scale < self.scale * 2:
            return
        for ridge in ridges(self.buffer.dtype):
            self._mirror(scale)
            np.fill_diagonal(self.buffer, self.penalty + scale * (1 + ridge) * self.diagonal)
            # LAPACK sees the transpose: its upper triangle lies below the diagonal here; the other is left alone.
            failed = self.potrf(self.buffer.T, lower=0, clean=0, overwrite_a=1)[1]
            if not failed and np.isfinite(self.buffer.diagonal()).all():
                self.scale = scale
                return
        raise_too_large(self.buffer, scale * self.diagonal)

    def _mirror(self, scale):
        G, tiles = self.buffer, blocks(len(self.penalty), TILE)

        def row(j):
            for i in range(j):
                np.multiply(G[tiles[i], tiles[j]].T, scale, out=G[tiles[j], tiles[i]])
            corner = G[tiles[j], tiles[j]]
            below = np.tril_indices(len(corner), -1)
            corner[below] = corner.T[below] * G.dtype.type(scale)

        for _ in map_in_order(row, range(len(tiles)), self.threads if len(tiles) > 1 else 1):
            pass

    def solve(self, R: np.ndarray) -> np.ndarray:
        """The preconditioner's inverse times R (k, D)."""
        return self.potrs(self.buffer.T, R.T.astype(self.buffer.dtype, order="F"), lower=0)[0].T.astype(np.float64)


class DiagonalPreconditioner:
    """Solves with the diagonal of ``diag(penalty) + scale * Gram``."""

    def __init__(self, problem: Problem, s: np.ndarray):
        shift, d = problem.shift.astype(problem.dtype), problem.X.shape[1]
        self.penalty, self.diagonal, self.scale = problem.penalty, np.ones(len(problem.penalty)), 0.0
        if problem.is_sparse:  # s adds to one, and the shift is the mean or zero: sum s (x - shift)^2
            self.diagonal[:d] = np.maximum(problem.X.squares(s) - problem.shift**2, 0)
            return
        self.diagonal[:d] = accumulate(
            lambda x, a: (a @ (as_float(x) - shift) ** 2).astype(np.float64),
            problem.X,
            s,
            rows=problem.rows,
            n_jobs=problem.threads,
        )

    def prepare(self, scale: float) -> None:
        """Take the scale."""
        self.scale = scale

    def solve(self, R: np.ndarray) -> np.ndarray:
        """The preconditioner's inverse times R (k, D)."""
        return R / (self.penalty + self.scale * self.diagonal)


class RowKernel:
    """Exact steps from K = X X' of the shifted rows (n, n), for few rows, in float64 whatever the dtype of X.

    The coordinates W (k, n), or (k, n + 1) with an intercept, are dual variables u, ``w = X'u``, and the intercept b;
    so ``f = K u + b``, and X is walked only to turn W into coefficients. Where Newton's model is least, u is zero on
    the rows that are not active, and on the others ``(K + diag(1/a)) u = y - b``; b solves ``sum(u) = penalty_b b``.
    Unlike ``p = -g - X'(...)`` this subtracts no large numbers.
    """

    walks_of_margins, walks_of_coefficients, sure = 0, 1, SURE

    def __init__(self, problem: Problem):
        n, d = problem.X.shape
        self.dtype, self.width = np.dtype(np.float64), n + len(problem.penalty) - d
        self.K = kernel_matrix(problem)
        self.largest = float(check_finite(self.K).max())
        self.threads = n_threads(problem.n_jobs)

    def coordinates(self, problem: Problem, V: np.ndarray, C: float) -> np.ndarray:
        """W where the model of V (k, D) is least: V itself may lie outside the span of the rows; a walk."""
        M = (1 - problem.Y * margins(problem, V)).astype(self.dtype)
        return self.step(problem, np.zeros((len(V), self.width)), M, 2 * C * problem.c * (M > 0))[0]

    def coefficients(self, problem: Problem, W: np.ndarray) -> np.ndarray:
        """V (k, D) in float64; a walk."""
        n, d = problem.X.shape
        V = gradient_of(problem, np.ascontiguousarray(W[:, :n].T))
        V[:, d:] = W[:, n:]
        return V

    def margins(self, problem: Problem, W: np.ndarray) -> np.ndarray:
        """f(x) (n, k)."""
        U = np.ascontiguousarray(W[:, : len(self.K)].T)
        F = map_chunks(lambda rows: rows @ U, self.K, rows=TILE, n_jobs=self.threads if len(U) > TILE else 1)
        return F + W[:, len(U) :].sum(axis=1)

    def metric(self, problem: Problem, W: np.ndarray, F: np.ndarray) -> np.ndarray:
        """The gradient of half the penalty at W, where f is F (n, k): ``K u`` and ``penalty_b b``."""
        n, d = problem.X.shape
        return np.hstack([(F - W[:, n:].sum(axis=1)).T, problem.penalty[d:] * W[:, n:]])

    def square(self, problem: Problem, R: np.ndarray) -> np.ndarray:
        """``|sum_i r_i x_i|^2`` (k,) of R (n, k), over what is penalized."""
        F = self.margins(problem, np.pad(R.T, ((0, 0), (0, self.width - len(R)))))
        return (F * R).sum(axis=0) + problem.penalty[problem.X.shape[1] :].sum() * R.sum(axis=0) ** 2

    def is_exact(self, live: np.ndarray) -> np.ndarray:
        """Every class takes exact steps."""
        return np.ones(len(live), dtype=bool)

    def refuse(self, classes: np.ndarray) -> None:
        """There is no better step."""

    def fresh(self, problem: Problem) -> "RowKernel":
        """Itself: it knows nothing of the active rows."""
        return self

    def step(
        self,
        problem: Problem,
        W: np.ndarray,
        M: np.ndarray,
        A: np.ndarray,
        enough: np.ndarray | None = None,
        C: float = 0,
        live: Any = None,
    ) -> tuple:
        """Steps P (k, width) from W, f at P (n, k), the objectives' slopes (k,) along P, and the number of walks.

        M (n, k): the slacks at W; A (n, k): the active a_i.
        """
        n, d = problem.X.shape
        active = np.finfo(A.dtype).tiny < A
        # Solved for what is missing from u, not for u, so that each iteration also refines the one before.
        kept = W * np.hstack([active.T, np.ones((len(W), self.width - n))])
        missing = problem.Y - self.margins(problem, kept) - kept[:, :n].T / np.where(active, A, 1)
        penalty, excess = problem.penalty[d:].sum(), kept[:, :n].sum(axis=1) - kept[:, n:] @ problem.penalty[d:]
        alike = len(W) > 1 and (A[:, :1] == A).all()
        groups = [np.arange(len(W))] if alike else [np.array([j]) for j in range(len(W))]
        P = kept - W

        def solve(js):
            rows = np.flatnonzero(active[:, js[0]])
            right = np.column_stack([missing[np.ix_(rows, js)], np.ones(len(rows))])
            inverse = self._solve(rows, 1 / A[rows, js[0]], right) if len(rows) else right
            whole, beta = inverse.sum(axis=0), np.zeros(len(js))
            if self.width > n and whole[-1] + penalty > 0:
                beta = (whole[:-1] + excess[js]) / (whole[-1] + penalty)
                P[js, n] = beta
            P[np.ix_(js, rows)] += (inverse[:, :-1] - inverse[:, -1:] * beta).T

        for _ in map_in_order(solve, groups, self.threads if len(groups) > 1 else 1):
            pass
        F, R = self.margins(problem, P), A * problem.Y * M
        by_b = W[:, n:] * problem.penalty[d:] - R.sum(axis=0)[:, None]
        slope = (self.metric(problem, P, F)[:, :n] * (W[:, :n] - R.T)).sum(axis=1) + (P[:, n:] * by_b).sum(axis=1)
        return P, F, slope, 0

    def _solve(self, rows, diagonal, right):
        # float32 is twice as fast, and safe where K's rounding is far below the diagonal, the least eigenvalue.
        rounding = float(np.finfo(np.float32).eps) * self.largest
        dtype = np.float32 if diagonal.min() > 1000 * rounding and diagonal.max() < 1e30 else np.float64
        potrf, potrs = get_lapack_funcs(("potrf", "potrs"), dtype=dtype)
        for ridge in ridges(dtype):
            S = (
                self.K[np.ix_(rows, rows)].astype(dtype, copy=False).T
            )  # symmetric; Fortran's order spares LAPACK a copy
            np.fill_diagonal(S, (1 + ridge) * (S.diagonal() + diagonal))
            factor, failed = potrf(S, lower=1, clean=0, overwrite_a=1)
            if not failed:
                return potrs(factor, right.astype(dtype), lower=1)[0].astype(np.float64)
        return raise_too_large(self.K, self.K.diagonal())


def ridges(dtype: Any) -> list[float]:
    """What to add to the diagonal, relative to it, until a factorization succeeds: nothing, then ever more."""
    first = 4 * float(np.finfo(dtype).eps)
    return [0.0] + [first * 10**i for i in range(9) if first * 10**i < 10]


def check_finite(matrix: np.ndarray) -> np.ndarray:
    """The diagonal of a matrix of products in float64, finite or refused."""
    diagonal = matrix.diagonal().astype(np.float64)
    return diagonal if np.isfinite(diagonal).all() else raise_too_large(matrix, diagonal)


def raise_too_large(matrix: np.ndarray, diagonal: np.ndarray) -> np.ndarray:
    """Say that the products of the features overflow."""
    raise ValueError(
        f"The products of the features are too large for {matrix.dtype}: their squares reach {np.max(diagonal):.3g}. "
        f"Standardize the features{', or pass float64' if matrix.dtype == np.float32 else ''}."
    )


def gram(problem: Problem, s: np.ndarray) -> np.ndarray:
    """``sum_i s_i x_i x_i'`` of the shifted rows, with the column of ones (D, D), above the diagonal; a walk.

    Threads share the tiles of the result, not the rows, so there is one buffer whatever their number.
    """
    n, D = problem.X.shape[0], len(problem.penalty)
    G = np.zeros((D, D), dtype=problem.dtype)
    tiles = blocks(D, TILE)
    pairs = [(i, j) for i in tiles for j in tiles if i.start <= j.start]
    buffer = np.empty((min(n, TILE), D), dtype=problem.dtype)
    for part in blocks(n, TILE):
        x = _shifted(problem, part, buffer[: part.stop - part.start])
        x *= np.sqrt(s[part, None])

        def add(pair, x=x):
            i, j = pair
            G[i, j] += x[:, i].T @ x[:, j]

        for _ in map_in_order(add, pairs, n_threads(problem.n_jobs) if len(pairs) > 1 else 1):
            pass
    return G


def kernel_matrix(problem: Problem) -> np.ndarray:
    """``x_i . x_j`` of the shifted rows (n, n) in float64, in tiles shared by the threads."""
    n, d = problem.X.shape
    # In float32 the rounding of K alone would reach n / (2 C), what Newton's equation adds to it, on raw pixels.
    K = np.empty((n, n))
    parts = blocks(n, TILE)
    for low in parts:
        x = _shifted(problem, low, np.empty((low.stop - low.start, d), dtype=K.dtype))

        def fill(high, low=low, x=x):
            y = x if high == low else _shifted(problem, high, np.empty((high.stop - high.start, d), dtype=K.dtype))
            K[low, high] = x @ y.T
            K[high, low] = K[low, high].T

        above = [high for high in parts if high.start >= low.start]
        for _ in map_in_order(fill, above, n_threads(problem.n_jobs) if len(above) > 1 else 1):
            pass
    return K


def _shifted(problem, part, out):
    """The shifted rows of a part, dense, and ones in the last column if ``out`` has it."""
    d = problem.X.shape[1]
    if problem.is_sparse:
        problem.X.dense(part, out[:, :d])
        out[:, :d] -= problem.shift.astype(out.dtype)
    else:
        np.subtract(problem.X[part], problem.shift.astype(out.dtype), out=out[:, :d], dtype=out.dtype)
    out[:, d:] = 1
    return out
