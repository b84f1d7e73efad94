"""Gaussian mixtures: posteriors, EM sums and Fisher sums, one cache-sized block at a time.

X (n, d) rows x, K components of weight pi_k, mean mu_k (d,) and variances s_k^2 (d,), or one number where spherical.
Everything is about an origin o, the mean of the means, so that the squares do not cancel far from zero:

    log joint   l_k(x) = log pi_k - 1/2 sum_j [log(2 pi s_kj^2) + (x_j - mu_kj)^2 / s_kj^2]
                       = [y^2, y, 1] A_k',   y = x - o                                            a matrix product
    posterior   r_k(x) = exp(l_k - log p),   log p(x) = log sum_k exp(l_k)
    EM sums     S_k    = sum_x w r_k(x) [y^2, y, 1]                                                another product
    Fisher sums G_k    = sum_x r_k(x) [u, u^2 - 1],   u = (x - mu_k) / s_k

For spherical components y^2 is the one number |y|^2. Float32 rows are worked on in float32, unless a component is so
narrow for its distance from o that the expanded square would lose its digits; then in float64. Where that would lose
them too, and for full or tied covariances C_k, each component has an origin of its own, in float64:

    log joint   l_k(x) = log pi_k - 1/2 [d log 2 pi - 2 log |P_k| + |u|^2],   u = (x - mu_k) P_k,   C_k^-1 = P_k P_k'
    EM sums     sum_x w r_k(x) [1, z, z'z],   z = x - mu_k, the old mean; C_k = sum z'z / N_k less its move squared

Dempster, Laird & Rubin (1977), "Maximum likelihood from incomplete data via the EM algorithm"; Perronnin, Sanchez &
Mensink (2010), "Improving the Fisher kernel for large-scale image classification".
"""

from dataclasses import dataclass
from operator import add
from typing import NamedTuple

import numpy as np

from featlearn.arrays import blocks
from featlearn.jit import njit
from featlearn.kernels.exp import softmax_row
from featlearn.threads import one_blas_thread

BLOCK_ROWS = 512
DIRECT_ROWS = 512  # most rows of a block where each component has its own origin
DIRECT_NUMBERS = 1 << 20  # numbers in such a block
LEAST = -np.finfo(np.float64).max / 4  # of a logit whose square overflows
NEAR = 1e6  # squared whitened distance from the middle of the means up to which float64 may expand squares
NOTHING = 1e-20  # a posterior that counts as zero where products are taken for those above it alone
ILL_CONDITIONED = 2e3  # |mean - origin|^2 / variance from which float32 errs by a thousandth in variances and logits
FUSED = 1e5  # the same up to which the fused image encoder takes float32: its posteriors err by a hundredth in a logit
HOPELESS = 1e11  # the same from which float64 would err by a hundred-thousandth


class Mixture(NamedTuple):
    """Parameters: means (K, d), covariances and weights (K,) that sum to 1.

    Covariances are (K, d) variances; spherical (K,), full (K, d, d), and tied (1, d, d), one matrix for all.
    """

    means: np.ndarray
    covariances: np.ndarray
    weights: np.ndarray


class MixturePlan(NamedTuple):
    """A mixture made ready: A (K, 2d + 1), or (K, d + 2) if spherical, and origin (d,), both in the dtype of work."""

    A: np.ndarray
    origin: np.ndarray


class DirectPlan(NamedTuple):
    """A mixture made ready, each component about its mean: origin (K, d), roots P and constants (K,), in float64.

    ``roots`` are (K, d) for variances, (K, d, d) for full and (1, d, d) for tied covariances.
    """

    origin: np.ndarray
    roots: np.ndarray
    constants: np.ndarray
    spherical: bool


Plan = MixturePlan | DirectPlan


@dataclass(frozen=True)
class MixtureSums:
    """What an iteration learns from; values add. y = x - the origin of the plan.

    ``mass`` (K,) sum w r, ``first`` (K, d) sum w r y, and ``second`` sum w r y^2 (K, d), of |y|^2 (K, 1), or of y'y
    (K, d, d), or (1, d, d) over all components; ``log_likelihood`` sum w log p, ``total`` sum w, and ``n_samples``.
    """

    mass: np.ndarray
    first: np.ndarray
    second: np.ndarray
    log_likelihood: float
    total: float
    n_samples: int

    def __add__(self, other: "MixtureSums") -> "MixtureSums":
        return MixtureSums(*map(add, vars(self).values(), vars(other).values()))

    @property
    def alive(self) -> np.ndarray:
        """Which components (K,) have mass that is more than rounding."""
        return self.mass > 10 * np.finfo(np.float64).eps * self.total


def log_weights(weights: np.ndarray) -> np.ndarray:
    """log pi (K,) in float64; far below 0, and finite, for a weight of 0: a component that never wins."""
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(np.asarray(weights, np.float64)), np.finfo(np.float32).min / 2)


def affine_logits(
    means: np.ndarray, covariances: np.ndarray, weights: np.ndarray, dtype: np.dtype | type
) -> tuple[np.ndarray, np.ndarray]:
    """A (K, 2d) and c (K,) such that [x^2, x] A' + c is the log joint density log pi_k + log N(x; mu_k, s_k^2).

    Parameters
    ----------
    means : array (K, d)
        The means, about the origin that x is about.
    covariances : array (K, d) or (K,)
        Variances of each feature, or of all.
    weights : array (K,)
        Weights of the components.
    dtype : dtype
        Of the result; the work is done in float64.

    Returns
    -------
    A : array (K, 2d)
        ``[-1/2 / s^2, mu / s^2]``.
    c : array (K,)
        ``log pi - 1/2 sum_j (log(2 pi s_j^2) + mu_j^2 / s_j^2)``.
    """
    means = np.asarray(means, np.float64)
    variances = _variances(covariances, means)
    c = log_weights(weights) - 0.5 * (np.log(2 * np.pi * variances) + means**2 / variances).sum(axis=1)
    A = np.concatenate([-0.5 / variances, means / variances], axis=1)
    return np.ascontiguousarray(A, dtype), c.astype(dtype)


def _variances(covariances, means):
    covariances = np.asarray(covariances, np.float64)
    return np.broadcast_to(covariances[:, None], means.shape) if covariances.ndim == 1 else covariances


def condition(mixture: Mixture) -> float:
    """Largest |mean - origin|^2 / variance of a component: what an expanded square loses, in roundings."""
    means = mixture.means.astype(np.float64) - mixture.means.mean(axis=0, dtype=np.float64)
    return float((means**2 / _variances(mixture.covariances, means)).sum(axis=1).max())


def affine(mixture: Mixture) -> bool:
    """Whether the logits are affine in [x^2, x], and float32 can take them so."""
    return mixture.covariances.ndim < 3 and condition(mixture) <= FUSED


def prepared(mixture: Mixture, dtype: np.dtype | type) -> Plan:
    """The mixture made ready for rows of a dtype."""
    dtype = np.dtype(dtype)
    needed = np.inf if mixture.covariances.ndim == 3 else condition(mixture)
    if not needed <= HOPELESS:
        return direct(mixture)
    origin = mixture.means.mean(axis=0, dtype=np.float64).astype(dtype).astype(np.float64)
    means = mixture.means.astype(np.float64) - origin
    work = np.dtype(np.float64) if needed > ILL_CONDITIONED else dtype
    A, c = affine_logits(means, mixture.covariances, mixture.weights, work)
    if mixture.covariances.ndim == 1:
        A = A[:, means.shape[1] - 1 :]  # the squares' columns are equal: keep one
    return MixturePlan(np.concatenate([A, c[:, None]], axis=1), origin.astype(work))


def prepared_for(mixture: Mixture, X: np.ndarray, roots: np.ndarray | None = None) -> Plan:
    """The mixture made ready for given rows: without expanded squares if they would overflow.

    ``roots`` are those of its precisions, where they are known and the covariances matrices.
    """
    if mixture.covariances.ndim == 3:
        return direct(mixture, roots)
    plan = prepared(mixture, X.dtype)
    if isinstance(plan, MixturePlan) and X.size:
        reach = max(float(X.max()), -float(X.min())) + float(np.abs(plan.origin).max())
        if (
            np.log(float(np.abs(plan.A).max())) + 2 * np.log(reach + 1) + np.log(X.shape[1])
            > np.log(np.finfo(plan.A.dtype).max) - 3
        ):
            return direct(mixture)
    return plan


def direct(mixture: Mixture, roots: np.ndarray | None = None) -> DirectPlan:
    """The mixture made ready with an origin for each component: slower, and exact however far apart they are."""
    means = mixture.means.astype(np.float64)
    if mixture.covariances.ndim == 3:
        roots = precision_roots(mixture.covariances) if roots is None else roots
        log_roots = np.log(np.diagonal(roots, axis1=1, axis2=2))
    else:
        roots = 1 / np.sqrt(_variances(mixture.covariances, means))
        log_roots = np.log(roots)
    constants = log_weights(mixture.weights) + log_roots.sum(axis=1) - means.shape[1] / 2 * np.log(2 * np.pi)
    return DirectPlan(means, roots, constants, mixture.covariances.ndim == 1)


def precision_roots(covariances: np.ndarray) -> np.ndarray:
    """Upper triangular P (K, d, d) with P P' = C^-1, of covariances C (K, d, d), in float64.

    Raises
    ------
    LinAlgError
        If a covariance is not positive definite.
    """
    with one_blas_thread():
        roots = np.linalg.inv(np.linalg.cholesky(covariances.astype(np.float64)))
    return np.triu(roots.transpose(0, 2, 1))


def _negligible(dtype):
    """The posterior that counts as zero: a sum over 1 / eps rows cannot tell it from zero."""
    return dtype.type(np.finfo(dtype).eps ** 2)


@njit(nogil=True, cache=True, fastmath=True)
def _logits(X, origin, A, F, G):
    """F = [y^2, y, 1] and G = F A', for a block of rows X; spherical if A has d + 2 columns."""
    d = X.shape[1]
    squares = F.shape[1] - d - 1
    for i in range(X.shape[0]):
        row, squared, plain = X[i], F[i, :squares], F[i, squares:]
        total = F.dtype.type(0)
        if squares == d:
            for j in range(d):
                y = row[j] - origin[j]
                squared[j] = y * y
                plain[j] = y
        else:
            for j in range(d):
                y = row[j] - origin[j]
                total += y * y
                plain[j] = y
            squared[0] = total
        plain[d] = 1
    np.dot(F, A.T, G)


@njit(nogil=True, cache=True)
def _fill(X, origin, A, normalize, out, log_p):
    """out (n, K) = log joint densities, or posteriors and log_p (n,) if ``normalize``."""
    n, K = X.shape[0], A.shape[0]
    rows = max(1, min(n, BLOCK_ROWS))
    F, G = np.empty((rows, A.shape[1]), A.dtype), np.empty((rows, K), A.dtype)
    for top in range(0, n, rows):
        m = min(rows, n - top)
        _logits(X[top : top + m], origin, A, F[:m], G[:m])
        for p in range(m):
            if normalize:
                log_p[top + p] = softmax_row(G[p])
            for k in range(K):
                out[top + p, k] = G[p, k]


@njit(nogil=True, cache=True)
def _em_sums(X, weights, origin, A, negligible, S):
    """S (K, columns of A) += sum w r [y^2, y, 1]; returns sum w log p."""
    n, K = X.shape[0], A.shape[0]
    rows = max(1, min(n, BLOCK_ROWS))
    F, G = np.empty((rows, A.shape[1]), A.dtype), np.empty((rows, K), A.dtype)
    P = np.empty(A.shape, A.dtype)
    zero = A.dtype.type(0)
    log_likelihood = 0.0
    for top in range(0, n, rows):
        m = min(rows, n - top)
        f, g = F[:m], G[:m]
        _logits(X[top : top + m], origin, A, f, g)
        for p in range(m):
            r, w = g[p], A.dtype.type(weights[top + p])
            log_likelihood += weights[top + p] * np.float64(softmax_row(r))
            for k in range(K):
                r[k] = r[k] * w if r[k] > negligible else zero  # denormal numbers would slow the product down
        np.dot(g.T, f, P)
        for k in range(K):
            for j in range(P.shape[1]):
                S[k, j] += P[k, j]
    return log_likelihood


@njit(nogil=True, cache=True, fastmath={"contract", "nsz", "reassoc"})
def _fisher_sums(X, groups, origin, A, means, inverse, negligible, out):
    """out[groups[i], 0, k] += r_k u and out[groups[i], 1, k] += r_k (u^2 - 1) over the rows; out (g, 2, K, d)."""
    n, K, d = X.shape[0], A.shape[0], X.shape[1]
    rows = max(1, min(n, BLOCK_ROWS))
    F, G = np.empty((rows, A.shape[1]), A.dtype), np.empty((rows, K), A.dtype)
    one = means.dtype.type(1)
    for top in range(0, n, rows):
        m = min(rows, n - top)
        _logits(X[top : top + m], origin, A, F[:m], G[:m])
        for p in range(m):
            softmax_row(G[p])
            row, target = X[top + p], out[groups[top + p]]
            for k in range(K):
                if G[p, k] > negligible:
                    r = means.dtype.type(G[p, k])
                    mean, scale, by_mean, by_deviation = means[k], inverse[k], target[0, k], target[1, k]
                    for j in range(d):
                        u = (row[j] - mean[j]) * scale[j]
                        by_mean[j] += r * u
                        by_deviation[j] += r * (u * u - one)


@njit(nogil=True, cache=True, fastmath={"contract", "nsz", "reassoc"})
def _scaled_squares(X, means, roots, out):
    """out (n, K) = sum_j ((x_j - mu_kj) roots_kj)^2, in float64."""
    for i in range(X.shape[0]):
        for k in range(means.shape[0]):
            total = 0.0
            for j in range(X.shape[1]):
                u = (np.float64(X[i, j]) - means[k, j]) * roots[k, j]
                total += u * u
            out[i, k] = total


@njit(nogil=True, cache=True, fastmath={"contract", "nsz", "reassoc"})
def _moments_about(X, r, means, nothing, first, second):
    """first (K, d) += r z and second (K, d) += r z^2 over the rows, z = x - mu_k, where r (n, K) is above nothing."""
    for i in range(X.shape[0]):
        for k in range(means.shape[0]):
            if r[i, k] > nothing:
                for j in range(X.shape[1]):
                    z = np.float64(X[i, j]) - means[k, j]
                    first[k, j] += r[i, k] * z
                    second[k, j] += r[i, k] * z * z


def direct_blocks(n: int, plan: DirectPlan) -> list[slice]:
    """Slices of n rows, at least one, whose distances from all means fit a cache."""
    rows = max(1, min(DIRECT_ROWS, DIRECT_NUMBERS // plan.origin.size))
    return blocks(max(n, 1), rows)


def _direct_joint(X, plan):
    """log pi_k N(x; mu_k, C_k) (n, K) in float64, each component about its own mean."""
    means, roots = plan.origin, plan.roots
    if roots.ndim == 2:
        squares = np.empty((len(X), len(means)))
        _scaled_squares(np.ascontiguousarray(X), means, np.ascontiguousarray(roots), squares)
        return np.maximum(plan.constants - 0.5 * squares, LEAST)
    elif len(roots) == 1:  # one matrix for all: whiten rows and means with it, once
        middle = means.mean(axis=0)
        Y, M = (X - middle) @ roots[0], (means - middle) @ roots[0]
        squares = np.einsum("nd,nd->n", Y, Y)
        if squares.max(initial=0) < NEAR:
            squares = squares[:, None] - 2 * Y @ M.T + np.einsum("kd,kd->k", M, M)
            return plan.constants - 0.5 * squares
        U = Y[:, None] - M
    else:
        U = np.matmul(X - means[:, None], roots).transpose(1, 0, 2)
    squares = np.einsum("nkd,nkd->nk", U, U)
    return np.maximum(plan.constants - 0.5 * squares, LEAST)


def _softmax(logits):
    """Posteriors (n, K), in place, and log p (n,)."""
    top = logits.max(axis=1, keepdims=True)
    np.exp(logits - top, out=logits)
    total = logits.sum(axis=1, keepdims=True)
    logits /= total
    return logits, (top + np.log(total))[:, 0]


def _direct_sums(X, w, plan):
    K, d = plan.origin.shape
    matrices = len(plan.roots) if plan.roots.ndim == 3 else 0
    first, mass, log_likelihood = np.zeros((K, d)), np.zeros(K), 0.0
    second = np.zeros((matrices, d, d) if matrices else (K, d))
    middle = plan.origin.mean(axis=0)
    A = plan.origin - middle
    together = matrices == 1 and np.square(A @ plan.roots[0]).sum(axis=1).max() < NEAR
    for part in direct_blocks(len(X), plan):
        x = X[part]
        r, log_p = _softmax(_direct_joint(x, plan))
        log_likelihood += float(w[part] @ log_p)
        r *= w[part][:, None]
        total = r.sum(axis=0)
        mass += total
        if together:  # one scatter about the middle, less what the means make of it
            y = x - middle
            f = r.T @ y - total[:, None] * A
            first += f
            second[0] += (w[part][:, None] * y).T @ y - f.T @ A - A.T @ f - (total[:, None] * A).T @ A
            continue
        if matrices == 0:
            _moments_about(np.ascontiguousarray(x), r, plan.origin, NOTHING, first, second)
            continue
        k, i = np.nonzero(r.T > NOTHING)  # few of each row, where components are apart
        root = np.sqrt(r[i, k])
        y = (x[i] - plan.origin[k]) * root[:, None]
        ends = np.searchsorted(k, np.arange(K + 1))
        if matrices == 1:
            second[0] += y.T @ y
        for c in range(K):
            z = y[ends[c] : ends[c + 1]]
            first[c] += root[ends[c] : ends[c + 1]] @ z
            if matrices > 1:
                second[c] += z.T @ z
    return mass, first, second.sum(axis=1, keepdims=True) if plan.spherical else second, log_likelihood


def _cast(parts, dtype):
    """Blocks joined in a dtype, no lower than its least number."""
    return np.maximum(np.concatenate(parts), -np.finfo(dtype).max).astype(dtype)


def log_joint(X: np.ndarray, plan: Plan) -> np.ndarray:
    """log pi_k N(x; mu_k, C_k) of rows X (n, d), float32 or float64: (n, K), in the dtype of X."""
    if isinstance(plan, DirectPlan):
        return _cast([_direct_joint(X[part], plan) for part in direct_blocks(len(X), plan)], X.dtype)
    out = np.empty((len(X), len(plan.A)), X.dtype)
    _fill(np.ascontiguousarray(X), plan.origin, plan.A, False, out, np.empty(0, X.dtype))
    return out


def posteriors(X: np.ndarray, plan: Plan) -> tuple[np.ndarray, np.ndarray]:
    """The E-step: p(k | x) (n, K) and log p(x) (n,) of rows X (n, d), in the dtype of X."""
    if isinstance(plan, DirectPlan):
        pairs = [_softmax(_direct_joint(X[part], plan)) for part in direct_blocks(len(X), plan)]
        r, log_p = (_cast(parts, X.dtype) for parts in zip(*pairs, strict=True))
        return r, log_p
    out, log_p = np.empty((len(X), len(plan.A)), X.dtype), np.empty(len(X), X.dtype)
    _fill(np.ascontiguousarray(X), plan.origin, plan.A, True, out, log_p)
    return out, log_p


def em_sums(X: np.ndarray, weights: np.ndarray, plan: Plan) -> MixtureSums:
    """The E-step and its sums over rows X (n, d), float32 or float64, of weights (n,)."""
    w = np.asarray(weights, np.float64)
    total, n_samples = float(w.sum()), int(np.count_nonzero(w))
    if isinstance(plan, DirectPlan):
        mass, first, second, log_likelihood = _direct_sums(X, w, plan)
        return MixtureSums(mass, first, second, log_likelihood, total, n_samples)
    S, d = np.zeros(plan.A.shape), X.shape[1]
    log_likelihood = _em_sums(np.ascontiguousarray(X), w, plan.origin, plan.A, _negligible(plan.A.dtype), S)
    return MixtureSums(S[:, -1], S[:, -d - 1 : -1], S[:, : -d - 1], log_likelihood, total, n_samples)


def maximized(sums: MixtureSums, mixture: Mixture, plan: Plan, reg_covar: np.ndarray | float) -> Mixture:
    """The M-step, in float64; a component without mass keeps its place.

    ``reg_covar`` (d,), or one number for all, is added to variances.
    """
    alive, kind = sums.alive, mixture.covariances.ndim
    reg_covar = np.broadcast_to(reg_covar, mixture.means.shape[1:])
    mass = np.where(alive, sums.mass, 1)[:, None]
    moves = np.where(alive[:, None], sums.first / mass, 0)  # from the origin of the plan
    means = np.where(alive[:, None], plan.origin + moves, mixture.means)
    if kind == 3:
        squares = np.einsum("ki,kj->kij", moves, moves)
        if len(mixture.covariances) == 1:
            total = sums.mass.sum()
            covariances = sums.second / total - np.tensordot(sums.mass / total, squares, 1)
        else:
            covariances = sums.second / mass[:, :, None] - squares
        diagonal = np.arange(len(reg_covar))
        if reg_covar.any():  # an outlier far out leaves a matrix that rounding alone makes singular
            covariances[:, diagonal, diagonal] *= 1 + 8 * len(diagonal) * np.finfo(np.float64).eps
        covariances[:, diagonal, diagonal] += reg_covar
    elif kind == 1:
        spread = np.maximum((sums.second / mass)[:, 0] - (moves**2).sum(axis=1), 0)
        covariances = spread / moves.shape[1] + reg_covar.mean()
    else:
        covariances = np.maximum(sums.second / mass - moves**2, 0) + reg_covar
    if len(covariances) == len(alive):
        kept = alive.reshape(-1, *(1,) * (kind - 1))
        covariances = np.where(kept, covariances, mixture.covariances)
    return Mixture(means, covariances, sums.mass / sums.mass.sum())


def fisher_sums(X: np.ndarray, groups: np.ndarray, n_groups: int, mixture: Mixture, plan: Plan) -> np.ndarray:
    """Sums of the rows' Fisher vectors by group: (n_groups, 2, K, d), by means and by standard deviations.

    Parameters
    ----------
    X : array (n, d)
        The rows.
    groups : array (n,) of int
        The group of each row, in [0, n_groups).
    n_groups : int
        Number of groups; with one row each, the sums are the Fisher vectors themselves.
    mixture, plan : Mixture, Plan
        The mixture, of variances, and what `prepared` makes of it.

    Returns
    -------
    sums : array (n_groups, 2, K, d), in the dtype of X
        ``r (x - mu) / (s sqrt(pi))`` and ``r ((x - mu)^2 / s^2 - 1) / sqrt(2 pi)``.
    """
    out = np.zeros((n_groups, 2, *mixture.means.shape), X.dtype)
    inverse = np.ascontiguousarray(1 / np.sqrt(_variances(mixture.covariances, mixture.means)), X.dtype)
    if isinstance(plan, DirectPlan):
        r = posteriors(X, plan)[0]
        for k, mean in enumerate(plan.origin):
            u = (X - mean) * plan.roots[k]
            np.add.at(out[:, 0, k], groups, r[:, k, None] * u)
            np.add.at(out[:, 1, k], groups, r[:, k, None] * (u * u - 1))
    else:
        means, negligible = np.ascontiguousarray(mixture.means, X.dtype), _negligible(plan.A.dtype)
        _fisher_sums(np.ascontiguousarray(X), groups, plan.origin, plan.A, means, inverse, negligible, out)
    root = np.sqrt(np.maximum(mixture.weights.astype(np.float64), np.finfo(np.float32).tiny))[:, None]
    out[:, 0] *= (1 / root).astype(X.dtype)
    out[:, 1] *= (np.sqrt(0.5) / root).astype(X.dtype)
    return out
