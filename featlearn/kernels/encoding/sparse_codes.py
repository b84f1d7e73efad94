"""Sparse codes by orthogonal matching pursuit and by proximal gradient, and the dictionary that fits given codes.

Rows X (n, d), atoms D (K, d), codes Z (n, K); q = x D', G = D D'.

    OMP    add the atom of largest |(x - z D).d_k| / |d_k|, then z = argmin |x - z D| on the atoms chosen so far.
           By Cholesky on the Gram matrix (Rubinstein, Zibulevsky & Elad 2008), all K correlations a at once:
               l = sqrt(G_kk - sum_t v_t[k]^2),  v_s = (G_k - sum_t v_t[k] v_t) / l,  y_s = a[k] / l,  a := a - y_s v_s
           |x - z D|^2 = |x|^2 - sum_s y_s^2; the codes solve L' z = y with L[s, t] = v_t[k_s], once at the end
    lasso  z = argmin F(z) = 1/2 |x - z D|^2 + alpha |z|_1 + beta/2 |z - c|^2       (beta = 0: the lasso itself)
           ISTA   z := S(z - grad(z) / L, alpha / L),   S(v, a) = sign(v) max(|v| - a, 0),   L = max eig(G) + beta
           FISTA  the same step from y = z + (t' - 1) / t (z - z'),  t = (1 + sqrt(1 + 4 t'^2)) / 2
                  (Beck & Teboulle 2009); t starts anew where the step turns against y - z (O'Donoghue & Candes 2015)
    atoms  block coordinate descent on 1/2 sum |x - z D|^2 over |d_k| = 1, from A = sum z' z, B = sum z' x:
               d_k := u / |u|,  u = B_k - A_k D + A_kk d_k                  (Mairal, Bach, Ponce & Sapiro 2010, alg. 2)

Every row stops by itself, so what a row gets does not depend on its neighbors.
"""

import numpy as np
from scipy import linalg

from featlearn.arrays import cache_rows
from featlearn.jit import njit
from featlearn.kernels.encoding.assign import winner
from featlearn.kernels.simd import fast_min
from featlearn.threads import one_blas_thread

BLOCK_BYTES = 4 << 20
ROUNDING = 16  # correlations within so many roundings of |x| are zero
DEPENDENT = 64  # an atom within so many roundings (squared) of the span of those chosen adds nothing


def largest_eigenvalue(D: np.ndarray) -> float:
    """The largest eigenvalue of D D', in float64, from the smaller of D D' and D' D."""
    D = np.asarray(D, dtype=np.float64)
    with one_blas_thread():
        M = D @ D.T if len(D) <= D.shape[1] else D.T @ D
        return float(linalg.eigvalsh(M, subset_by_index=[len(M) - 1, len(M) - 1])[0])


@njit(nogil=True, cache=True, fastmath={"contract", "nsz"})
def _add(row, factor, out):
    """out += factor * row."""
    for j in range(out.shape[0]):
        out[j] += factor * row[j]


@njit(nogil=True, cache=True, fastmath={"contract", "nsz", "reassoc"})
def _square(row):
    """|row|^2 in float64."""
    total = 0.0
    for j in range(row.shape[0]):
        total += np.float64(row[j]) * np.float64(row[j])
    return total


@njit(nogil=True, cache=True)
def _pursue(a, G, square, tol, V, L, y, chosen, values):
    """Codes of one row from its correlations a (K,), which are overwritten; returns how many atoms were chosen."""
    size = chosen.shape[0]
    eps = np.finfo(a.dtype).eps
    nothing = ROUNDING * eps * np.sqrt(square)
    rest, n = square, 0
    while n < size and rest > tol:
        k = winner(a, a, True)
        if abs(a[k]) <= nothing:
            break
        diagonal = np.float64(G[k, k])
        for t in range(n):
            L[n, t] = V[t, k]
            diagonal -= L[n, t] ** 2
        if diagonal <= DEPENDENT * eps:
            break
        L[n, n] = np.sqrt(diagonal)
        y[n] = a[k] / L[n, n]
        chosen[n] = k
        rest -= y[n] ** 2
        n += 1
        if n < size and rest > tol:
            v = V[n - 1]
            v[:] = G[k]
            for t in range(n - 1):
                _add(V[t], a.dtype.type(-L[n - 1, t]), v)
            v *= a.dtype.type(1 / L[n - 1, n - 1])
            _add(v, a.dtype.type(-y[n - 1]), a)
            for t in range(n):
                a[chosen[t]] = 0  # but for rounding they are: no atom is chosen twice
    for s in range(n - 1, -1, -1):
        total = y[s]
        for t in range(s + 1, n):
            total -= L[t, s] * y[t]
        y[s] = total / L[s, s]
        values[s] = y[s]
    return n


@njit(nogil=True, cache=True)
def _omp(X, D, G, scales, tol, rows, chosen, values):
    """Atoms chosen (n, size) (-1 for none) and their codes, for unit atoms D; codes are divided by ``scales``."""
    n, size, K = X.shape[0], chosen.shape[1], D.shape[0]
    correlations = np.empty((min(rows, n), K), X.dtype)
    V = np.empty((max(size - 1, 1), K), X.dtype)
    L, y = np.empty((size, size)), np.empty(size)
    for top in range(0, n, rows):
        m = min(rows, n - top)
        a = correlations[:m]
        np.dot(X[top : top + m], D.T, a)
        for p in range(m):
            i = top + p
            found = _pursue(a[p], G, _square(X[i]), tol, V, L, y, chosen[i], values[i])
            for s in range(found):
                values[i, s] /= scales[chosen[i, s]]


@njit(nogil=True, cache=True)
def scatter_codes(chosen, values, Z):
    """Z[i, chosen[i, s]] = values[i, s], for codes Z (n, K) that are zero before."""
    for i in range(chosen.shape[0]):
        for s in range(chosen.shape[1]):
            if chosen[i, s] < 0:
                break
            Z[i, chosen[i, s]] = values[i, s]


@njit(nogil=True, cache=True)
def sparse_sums(X, chosen, values, D, A, B):
    """Add z' z to A (K, K) and z' x to B (K, d) for codes as `OMP.sparse` gives them; returns sum |x - z D|^2."""
    loss = 0.0
    rest = np.empty(X.shape[1], X.dtype)
    for i in range(X.shape[0]):
        rest[:] = X[i]
        for s in range(chosen.shape[1]):
            k, z = chosen[i, s], values[i, s]
            if k < 0:
                break
            _add(D[k], -z, rest)
            _add(X[i], np.float64(z), B[k])
            for t in range(s):
                A[k, chosen[i, t]] += np.float64(z) * np.float64(values[i, t])
                A[chosen[i, t], k] += np.float64(z) * np.float64(values[i, t])
            A[k, k] += np.float64(z) ** 2
        loss += _square(rest)
    return loss


class OMP:
    """Orthogonal matching pursuit with a dictionary made ready; picklable, and a call runs on the calling thread.

    ``D`` (K, d) in float32 or float64, not necessarily of unit length; a row of zeros is never chosen. At most
    ``n_nonzero`` atoms a row, and no more once the squared residual is at most ``tol``. A row also stops when nothing
    but rounding is left of it, or the best atom depends on those it has. The Gram matrix squares the condition number
    of the atoms chosen: where they are nearly dependent, float64 keeps half its digits and float32 few.
    """

    def __init__(self, D: np.ndarray, n_nonzero: int, tol: float = 0.0):
        lengths = np.sqrt(np.einsum("kd,kd->k", D, D, dtype=np.float64))
        self.scales = np.where(lengths > 0, lengths, 1).astype(D.dtype)
        self.D = np.ascontiguousarray(D / self.scales[:, None])
        self.n_nonzero, self.tol = min(n_nonzero, *D.shape), float(tol)
        with one_blas_thread():
            self.gram = self.D @ self.D.T

    def sparse(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Atoms (n, n_nonzero), -1 for none, and their codes, of rows X (n, d) of the dictionary's dtype."""
        chosen = np.full((len(X), self.n_nonzero), -1, np.int32)
        values = np.zeros(chosen.shape, self.D.dtype)
        rows = cache_rows(len(self.D) * self.D.itemsize, BLOCK_BYTES)
        _omp(np.ascontiguousarray(X), self.D, self.gram, self.scales, self.tol, rows, chosen, values)
        return chosen, values

    def __call__(self, X: np.ndarray) -> np.ndarray:
        Z = np.zeros((len(X), len(self.D)), self.D.dtype)
        scatter_codes(*self.sparse(X), Z)
        return Z


@njit(nogil=True, cache=True, fastmath={"contract", "nsz", "nnan", "reassoc"})
def _shrink(product, q, y, z, beta, step, threshold, positive):
    """product := S(y - step (product + beta y - q), threshold); returns max |y - new| and (y - new).(new - z)."""
    zero = y.dtype.type(0)
    least, turn = zero, zero
    for j in range(y.shape[0]):
        v = y[j] - step * (product[j] + beta * y[j] - q[j])
        new = max(v - threshold, zero)
        if not positive:
            new -= max(-v - threshold, zero)
        move = y[j] - new
        least = fast_min(least, -abs(move))  # type: ignore[call-arg]
        turn += move * (new - z[j])
        product[j] = new
    return -least, turn


@njit(nogil=True, cache=True, fastmath={"contract", "nsz", "nnan", "reassoc"})
def _extrapolate(new, y, z, momentum):
    """y := new + momentum (new - z), z := new."""
    for j in range(y.shape[0]):
        y[j] = new[j] + momentum * (new[j] - z[j])
        z[j] = new[j]


@njit(nogil=True, cache=True, fastmath={"contract", "nsz", "nnan", "reassoc"})
def _greatest(row):
    least = row.dtype.type(0)
    for j in range(row.shape[0]):
        least = fast_min(least, -abs(row[j]))  # type: ignore[call-arg]
    return -least


@njit(nogil=True, cache=True)
def _proximal(X, D, G, target, beta, alpha, largest, accelerated, positive, n_iter, tol, rows, Z):
    """Z (n, K) := the codes after ``n_iter`` steps from Z, a block at a time; finished rows leave the block.

    With an empty G products go through the d features.
    """
    n, K = Z.shape
    number = Z.dtype.type
    step, threshold, weight = number(1 / largest), number(alpha / largest), number(beta)
    through = G.shape[0] == 0
    rows = max(1, min(rows, n))
    Q, Y = np.empty((rows, K), Z.dtype), np.empty((rows, K), Z.dtype)
    P, C = np.empty((rows, K), Z.dtype), np.empty((rows, K), Z.dtype)
    R = np.empty((rows if through else 0, X.shape[1]), Z.dtype)
    where, limit, age = np.empty(rows, np.int64), np.empty(rows, Z.dtype), np.empty(rows)
    for top in range(0, n, rows):
        left = min(rows, n - top)
        np.dot(X[top : top + left], D.T, Q[:left])
        for p in range(left):
            if beta > 0:
                _add(target[top + p], weight, Q[p])
            where[p], limit[p], age[p] = top + p, number(tol) * step * _greatest(Q[p]), 1.0
            Y[p] = Z[top + p]
            C[p] = Z[top + p]
        for _ in range(n_iter):
            if through:
                np.dot(Y[:left], D, R[:left])
                np.dot(R[:left], D.T, P[:left])
            else:
                np.dot(Y[:left], G, P[:left])
            for p in range(left - 1, -1, -1):
                moved, turn = _shrink(P[p], Q[p], Y[p], C[p], weight, step, threshold, positive)
                momentum = 0.0
                if accelerated:
                    old = 1.0 if turn > 0 else age[p]
                    age[p] = (1 + np.sqrt(1 + 4 * old**2)) / 2
                    momentum = (old - 1) / age[p]
                _extrapolate(P[p], Y[p], C[p], number(momentum))
                if moved <= limit[p]:
                    Z[where[p]] = C[p]
                    left -= 1
                    Q[p], Y[p], C[p] = Q[left], Y[left], C[left]
                    where[p], limit[p], age[p] = where[left], limit[left], age[left]
            if left == 0:
                break
        for p in range(left):
            Z[where[p]] = C[p]


class ProximalEncoder:
    """ISTA or FISTA with a dictionary made ready; picklable, and a call runs on the calling thread.

    ``D`` (K, d) in float32 or float64. A row stops after ``n_iter`` steps, or when L max|y - z| is at most ``tol``
    times max|x D' + beta c|: what a step moves, in the units of the correlations and of alpha.
    """

    def __init__(
        self,
        D: np.ndarray,
        alpha: float,
        n_iter: int = 100,
        tol: float = 1e-4,
        accelerated: bool = True,
        positive: bool = False,
        beta: float = 0.0,
    ):
        self.D, self.alpha, self.beta = np.ascontiguousarray(D), float(alpha), float(beta)
        self.n_iter, self.tol, self.accelerated, self.positive = n_iter, float(tol), accelerated, positive
        # A little above the eigenvalue, so that a rounded step is never too long; 1 for a dictionary of zeros.
        self.largest = (largest_eigenvalue(D) + self.beta) * (1 + 8 * float(np.finfo(D.dtype).eps)) or 1.0
        self.gram = np.empty((0, 0), D.dtype)
        if len(D) <= 2 * D.shape[1]:
            with one_blas_thread():
                self.gram = self.D @ self.D.T

    def __call__(self, X: np.ndarray, start: np.ndarray | None = None, target: np.ndarray | None = None) -> np.ndarray:
        """Codes (n, K) of rows X (n, d), from ``start`` (zeros) on; ``target`` is the c of beta/2 |z - c|^2."""
        D = self.D
        Z = np.zeros((len(X), len(D)), D.dtype) if start is None else np.array(start, D.dtype, order="C")
        target = np.zeros((0, 0), D.dtype) if target is None else np.ascontiguousarray(target, D.dtype)
        rows = cache_rows(4 * len(D) * D.itemsize, BLOCK_BYTES)
        _proximal(
            np.ascontiguousarray(X), D, self.gram, target, self.beta if target.size else 0.0, self.alpha, self.largest,
            self.accelerated, self.positive, self.n_iter, self.tol, rows, Z,
        )  # fmt: skip
        return Z


def omp(X: np.ndarray, D: np.ndarray, n_nonzero: int, tol: float = 0.0) -> np.ndarray:
    """Codes (n, K) by orthogonal matching pursuit: at most ``n_nonzero`` atoms, or a squared residual of ``tol``."""
    return OMP(D, n_nonzero, tol)(X)


def ista(X, D, alpha: float, n_iter: int = 100, tol: float = 1e-4, positive: bool = False) -> np.ndarray:
    """Lasso codes (n, K) by ISTA, from zeros; see `ProximalEncoder`."""
    return ProximalEncoder(D, alpha, n_iter, tol, False, positive)(X)


def fista(X, D, alpha: float, n_iter: int = 100, tol: float = 1e-4, positive: bool = False) -> np.ndarray:
    """Lasso codes (n, K) by FISTA with restarts, from zeros; see `ProximalEncoder`."""
    return ProximalEncoder(D, alpha, n_iter, tol, True, positive)(X)


def lasso_objective(X: np.ndarray, D: np.ndarray, Z: np.ndarray, alpha: float) -> np.ndarray:
    """1/2 |x - z D|^2 + alpha |z|_1 of each row (n,), in float64."""
    R = X - Z @ D
    return 0.5 * np.einsum("nd,nd->n", R, R, dtype=np.float64) + alpha * np.abs(Z).sum(axis=1, dtype=np.float64)


def lasso_residual(X: np.ndarray, D: np.ndarray, Z: np.ndarray, alpha: float, positive: bool = False) -> np.ndarray:
    """How far codes are from optimal, (n,): the largest distance of -gradient from alpha times a subgradient of |z|."""
    pull = (X - Z @ D) @ D.T
    idle = np.maximum((pull if positive else np.abs(pull)) - alpha, 0)
    return np.where(Z != 0, np.abs(pull - alpha * np.sign(Z)), idle).max(axis=1)


@njit(nogil=True, cache=True)
def _descend(A, B, D, sweeps, tol):
    K = len(D)
    for _ in range(sweeps):
        moved = 0.0
        for k in range(K):
            if A[k, k] <= 0:
                continue
            u = B[k] - np.dot(A[k], D) + A[k, k] * D[k]
            length = np.sqrt(np.sum(u * u))
            if length > 0:
                u /= length
                moved = max(moved, np.max(np.abs(u - D[k])))
                D[k] = u
        if moved <= tol:
            break


def fitted_atoms(A: np.ndarray, B: np.ndarray, D: np.ndarray, sweeps: int = 20, tol: float = 1e-3) -> np.ndarray:
    """Unit atoms (K, d) that lower sum |x - z D|^2 for given codes, from D on; an atom with A_kk = 0 stays.

    On the unit sphere u / |u| is the exact minimizer of one atom, since A_kk |d_k|^2 is constant there: no step can
    raise the error, and no atom shrinks.
    """
    D = np.array(D, dtype=np.float64, order="C")
    with one_blas_thread():
        _descend(np.ascontiguousarray(A, np.float64), np.ascontiguousarray(B, np.float64), D, sweeps, tol)
    return D
