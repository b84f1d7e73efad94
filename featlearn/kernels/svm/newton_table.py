"""Newton's method of `featlearn.kernels.svm.newton` for small tables: exact steps of all classes in one compiled call.

A fit of a few thousand rows and up to a hundred features is over in milliseconds, so what Python and BLAS spend on each
call would be most of it. The rows are copied once, shifted, in float64 and with the ones of the intercept as a last
column Z (n, D); then an iteration is one call. Each class keeps S (D, D), ``sum_i a_i z_i z_i'`` over its active rows,
in units of the row weights c so that it outlives a change of C, and ``a`` (n,) what each row counts in it; S follows
the rows that change sides, and Cholesky's method solves ``(diag(penalty) + 2 C S) p = -g``. Symbols as in `newton`.

Keerthi, DeCoste (2005), "A modified finite Newton method for fast solution of large scale linear SVMs", JMLR 6.
"""

from dataclasses import replace

import numpy as np

from featlearn.jit import njit
from featlearn.kernels.svm import newton
from featlearn.kernels.svm.newton import SURE, InCoefficients, Problem, step_length

WIDEST = 128  # columns up to which compiled loops beat BLAS


def fits_table(n: int, D: int) -> bool:
    """Whether n rows of D numbers are few enough to be copied."""
    return D <= WIDEST and 8 * n * D <= newton.CHUNK_BYTES


def table(problem: Problem) -> Problem:
    """The same problem with the rows shifted, ones as their last column and in float64, in one small array."""
    d, D = problem.X.shape[1], len(problem.penalty)
    Z = np.ones((problem.X.shape[0], D))
    if problem.is_sparse:
        problem.X.dense(slice(None), Z[:, :d])
        Z[:, :d] -= problem.shift
    else:
        np.subtract(problem.X, problem.shift, out=Z[:, :d])
    return replace(problem, X=Z, c=problem.c.astype(np.float64), shift=np.zeros(D), is_table=True)


class Table(InCoefficients):
    """A system that makes whole iterations."""

    dtype = np.dtype(np.float64)

    def __init__(self, problem: Problem):
        (n, self.width), k = problem.X.shape, problem.Y.shape[1]
        self.S, self.a = np.zeros((k, self.width, self.width)), np.zeros((k, n))

    def fresh(self, problem: Problem) -> "Table":
        """A system that follows the active rows of another problem on the same rows (a fold's)."""
        return Table(problem)

    def margins(self, problem: Problem, V: np.ndarray) -> np.ndarray:
        """f(x) (n, k); a walk."""
        return problem.X @ V.T

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
        new = V.copy(), M.copy(), objective.copy(), gap.copy()
        if not _descend(
            problem.X, problem.Y, problem.c, problem.penalty, C, *new, tol, max(SURE * tol, 2e-14), self.S, self.a
        ):
            raise ValueError(
                "The products of the features, times C, are too large for float64. Standardize the features "
                "(StandardScaler) or lower C."
            )
        return *new, 2


@njit(cache=True, nogil=True)
def _descend(Z, Y, c, penalty, C, V, M, objective, gap, tol, sure, S, a):
    """One Newton iteration, in place; False if a Hessian is not finite."""
    live = np.flatnonzero(gap > tol)
    n, k, D = len(Z), len(live), Z.shape[1]
    part, m, y, R = np.empty((n, k)), np.empty((n, k)), np.empty((n, k)), np.empty((n, k))
    for i in range(n):
        for at in range(k):
            j = live[at]
            part[i, at], m[i, at], y[i, at] = c[i, j], M[i, j], Y[i, j]
            R[i, at] = 2 * C * c[i, j] * Y[i, j] * max(M[i, j], 0)
    v = V[live]
    G = penalty * v - np.dot(R.T, Z)
    P = np.empty((k, D))
    _follow(Z, part, m, live, S, a)
    if not _solve(S, live, penalty, 2 * C, G, P):
        return False
    Q = np.dot(Z, P.T)
    linear, square, slope, curvature = np.zeros(k), np.zeros(k), np.zeros(k), np.zeros(k)
    for at in range(k):
        for q in range(D):
            linear[at] += penalty[q] * P[at, q] * v[at, q]
            square[at] += penalty[q] * P[at, q] ** 2
            slope[at] += G[at, q] * P[at, q]
    for i in range(n):
        for at in range(k):
            part[i, at] *= 2 * C
            Q[i, at] *= y[i, at]
            if m[i, at] > 0:
                curvature[at] += part[i, at] * Q[i, at] ** 2
    t = step_length(linear, square, part, m, Q)
    for at in range(k):
        j = live[at]
        # Half of p'Hp, and of -g.p, which equals it where the equation is solved; rounding may make it negative.
        gain = 0.5 * max(abs(slope[at]), square[at] + curvature[at])
        gap[j] = gain / max(objective[j], 2.3e-308)
        objective[j] = 0.0
        for q in range(D):
            V[j, q] += t[at] * P[at, q]
            objective[j] += 0.5 * penalty[q] * V[j, q] ** 2
    for i in range(n):
        for at in range(k):
            j = live[at]
            M[i, j] -= t[at] * Q[i, at]
            objective[j] += 0.5 * part[i, at] * max(M[i, j], 0) ** 2
    for at in range(k):
        j = live[at]
        if gap[j] <= tol:  # says a model that the step may have left: the dual tells
            bound = _duality_gap(Z, y[:, at], part[:, at], penalty, M[:, j], objective[j])
            if bound > sure:
                gap[j] = max(bound, gap[j])
    return True


@njit(cache=True, nogil=True)
def _duality_gap(Z, y, B, penalty, m, objective):
    """What `newton.duality_gaps` is, for one class; B (n,) are 2 C c."""
    n, D = Z.shape
    free = penalty[D - 1] == 0
    plus = minus = total = curvature = positive = negative = 0.0
    for i in range(n):
        if y[i] > 0:
            positive += B[i]
            plus += B[i] * max(m[i], 0)
        else:
            negative += B[i]
            minus += B[i] * max(m[i], 0)
    if free and min(positive, negative) == 0:
        return 0.0
    up = min(plus, minus) / max(plus, 1e-300) if free else 1.0
    down = min(plus, minus) / max(minus, 1e-300) if free else 1.0
    u = np.zeros(D)
    for i in range(n):
        if m[i] > 0 and B[i] > 0:
            a = B[i] * m[i] * (up if y[i] > 0 else down)
            total += a
            curvature += a**2 / B[i]
            for q in range(D):
                u[q] += a * y[i] * Z[i, q]
    for q in range(D):
        curvature += penalty[q] * u[q] ** 2
    return 1 - 0.5 * total**2 / max(curvature, 1e-300) / max(objective, 1e-300)


@njit(cache=True, nogil=True)
def _follow(Z, c, M, live, S, a):
    """Bring each live class's S to its active rows: from the class before, from what it was, or from nothing."""
    n = len(Z)
    rows, change = np.empty(n, np.int64), np.empty(n)
    for at in range(len(live)):
        j = live[at]
        changed = active = other = 0
        before = live[at - 1] if at > 0 else j
        for i in range(n):
            new = c[i, at] if M[i, at] > 0 else 0.0
            active += new != 0
            changed += new != a[j, i]
            other += new != a[before, i]
        if at > 0 and other < min(changed, active):
            S[j], a[j] = S[before], a[before]
        elif active < changed:
            S[j], a[j] = 0, 0
        m = 0
        for i in range(n):
            new = c[i, at] if M[i, at] > 0 else 0.0
            if new != a[j, i]:
                rows[m], change[m] = i, new - a[j, i]
                a[j, i] = new
                m += 1
        _add_outer(Z, rows, change, m, S[j])


@njit(cache=True, nogil=True)
def _add_outer(Z, rows, change, m, S):
    """Add ``sum change_i z_i z_i'`` over the first m rows to S (D, D) above the diagonal, four rows at a time."""
    D = Z.shape[1]
    for at in range(0, m - 3, 4):
        z0, z1, z2, z3 = Z[rows[at]], Z[rows[at + 1]], Z[rows[at + 2]], Z[rows[at + 3]]
        for p in range(D):
            u0, u1, u2, u3 = change[at] * z0[p], change[at + 1] * z1[p], change[at + 2] * z2[p], change[at + 3] * z3[p]
            for q in range(p, D):
                S[p, q] += u0 * z0[q] + u1 * z1[q] + u2 * z2[q] + u3 * z3[q]
    for at in range(m - m % 4, m):
        z = Z[rows[at]]
        for p in range(D):
            u = change[at] * z[p]
            for q in range(p, D):
                S[p, q] += u * z[q]


@njit(cache=True, nogil=True)
def _solve(S, live, penalty, scale, G, P):
    """P (k, D) with ``(diag(penalty) + scale S_j) p_j = -g_j``, by Cholesky; False if a diagonal is not finite.

    A coordinate that rounding cannot tell apart from those before it rests: the others make up for it.
    """
    D = len(penalty)
    U, least, inverse = np.empty((D, D)), np.empty(D), np.empty(D)
    for at in range(len(live)):
        H = S[live[at]]
        x = P[at]
        for r in range(D):
            for q in range(r, D):
                U[r, q] = scale * H[r, q]
            U[r, r] += penalty[r]
            if not np.isfinite(U[r, r]):
                return False
            least[r] = 4e-16 * D * U[r, r]
            x[r] = -G[at, r]
        for r in range(D):
            inverse[r] = 1 / np.sqrt(U[r, r]) if U[r, r] > least[r] else 0.0
            for q in range(r, D):
                U[r, q] *= inverse[r]
            x[r] *= inverse[r]
            for i in range(r + 1, D):
                f = U[r, i]
                if f != 0:
                    x[i] -= f * x[r]
                    for q in range(i, D):
                        U[i, q] -= f * U[r, q]
        for r in range(D - 1, -1, -1):
            for q in range(r + 1, D):
                x[r] -= U[r, q] * x[q]
            x[r] *= inverse[r]
    return True
