"""Gaussian mixtures with diagonal covariances: posteriors, EM sums and Fisher sums, one cache-sized block at a time.

X (n, d) rows x, K components of weight pi_k, mean mu_k (d,) and variances s_k^2 (d,), or one number where spherical.
Everything is about an origin o, the mean of the means, so that the squares do not cancel far from zero:

    log joint   l_k(x) = log pi_k - 1/2 sum_j [log(2 pi s_kj^2) + (x_j - mu_kj)^2 / s_kj^2]
                       = [y^2, y, 1] A_k',   y = x - o                                            a matrix product
    posterior   r_k(x) = exp(l_k - log p),   log p(x) = log sum_k exp(l_k)
    EM sums     S_k    = sum_x w r_k(x) [y^2, y, 1]                                                another product
    Fisher sums G_k    = sum_x r_k(x) [u, u^2 - 1],   u = (x - mu_k) / s_k

For spherical components y^2 is the one number |y|^2. Float32 rows are worked on in float32, unless a component is so
narrow for its distance from o that the expanded square would lose its digits; then in float64.

Dempster, Laird & Rubin (1977), "Maximum likelihood from incomplete data via the EM algorithm"; Perronnin, Sanchez &
Mensink (2010), "Improving the Fisher kernel for large-scale image classification".
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from featlearn.jit import njit
from featlearn.kernels.exp import softmax_row

BLOCK_ROWS = 512
ILL_CONDITIONED = 1e5  # |mean - origin|^2 / variance from which float32 would err by a hundredth in a logit


class Mixture(NamedTuple):
    """Parameters: means (K, d), covariances (K, d) or, spherical, (K,), and weights (K,) that sum to 1."""

    means: np.ndarray
    covariances: np.ndarray
    weights: np.ndarray


class MixturePlan(NamedTuple):
    """A mixture made ready: A (K, 2d + 1), or (K, d + 2) if spherical, and origin (d,), both in the dtype of work."""

    A: np.ndarray
    origin: np.ndarray


@dataclass(frozen=True)
class MixtureSums:
    """What an iteration learns from; values add. y = x - the origin of the plan.

    ``mass`` (K,) sum w r, ``first`` (K, d) sum w r y, ``second`` sum w r y^2 (K, d), or of |y|^2 (K, 1);
    ``log_likelihood`` sum w log p, ``total`` sum w, and ``n_samples``.
    """

    mass: np.ndarray
    first: np.ndarray
    second: np.ndarray
    log_likelihood: float
    total: float
    n_samples: int

    def __add__(self, other: "MixtureSums") -> "MixtureSums":
        return MixtureSums(
            self.mass + other.mass,
            self.first + other.first,
            self.second + other.second,
            self.log_likelihood + other.log_likelihood,
            self.total + other.total,
            self.n_samples + other.n_samples,
        )

    @property
    def alive(self) -> np.ndarray:
        """Which components (K,) have mass that is more than rounding."""
        return self.mass > 10 * np.finfo(np.float64).eps * self.total


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
    with np.errstate(divide="ignore"):  # a weight of 0 is a component that never wins
        log_weights = np.maximum(np.log(np.asarray(weights, np.float64)), np.finfo(np.float32).min / 2)
    c = log_weights - 0.5 * (np.log(2 * np.pi * variances) + means**2 / variances).sum(axis=1)
    A = np.concatenate([-0.5 / variances, means / variances], axis=1)
    return np.ascontiguousarray(A, dtype), c.astype(dtype)


def _variances(covariances, means):
    covariances = np.asarray(covariances, np.float64)
    return np.broadcast_to(covariances[:, None], means.shape) if covariances.ndim == 1 else covariances


def ill_conditioned(mixture: Mixture) -> bool:
    """Whether a component is so narrow for its distance from the mean of the means that float32 would err."""
    means = mixture.means.astype(np.float64) - mixture.means.mean(axis=0, dtype=np.float64)
    return bool((means**2 / _variances(mixture.covariances, means)).sum(axis=1).max() > ILL_CONDITIONED)


def prepared(mixture: Mixture, dtype: np.dtype | type) -> MixturePlan:
    """The mixture made ready for rows of a dtype."""
    dtype = np.dtype(dtype)
    origin = mixture.means.mean(axis=0, dtype=np.float64).astype(dtype).astype(np.float64)
    means = mixture.means.astype(np.float64) - origin
    work = np.dtype(np.float64) if ill_conditioned(mixture) else dtype
    A, c = affine_logits(means, mixture.covariances, mixture.weights, work)
    if mixture.covariances.ndim == 1:
        A = A[:, means.shape[1] - 1 :]  # the squares' columns are equal: keep one
    return MixturePlan(np.concatenate([A, c[:, None]], axis=1), origin.astype(work))


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


def log_joint(X: np.ndarray, plan: MixturePlan) -> np.ndarray:
    """log pi_k N(x; mu_k, s_k^2) of rows X (n, d), float32 or float64: (n, K), in the dtype of X."""
    out = np.empty((len(X), len(plan.A)), X.dtype)
    _fill(np.ascontiguousarray(X), plan.origin, plan.A, False, out, np.empty(0, X.dtype))
    return out


def posteriors(X: np.ndarray, plan: MixturePlan) -> tuple[np.ndarray, np.ndarray]:
    """The E-step: p(k | x) (n, K) and log p(x) (n,) of rows X (n, d), in the dtype of X."""
    out, log_p = np.empty((len(X), len(plan.A)), X.dtype), np.empty(len(X), X.dtype)
    _fill(np.ascontiguousarray(X), plan.origin, plan.A, True, out, log_p)
    return out, log_p


def em_sums(X: np.ndarray, weights: np.ndarray, plan: MixturePlan) -> MixtureSums:
    """The E-step and its sums over rows X (n, d), float32 or float64, of weights (n,)."""
    S, d, w = np.zeros(plan.A.shape), X.shape[1], np.asarray(weights, np.float64)
    log_likelihood = _em_sums(np.ascontiguousarray(X), w, plan.origin, plan.A, _negligible(plan.A.dtype), S)
    return MixtureSums(
        S[:, -1], S[:, -d - 1 : -1], S[:, : -d - 1], log_likelihood, float(w.sum()), int(np.count_nonzero(w))
    )


def maximized(sums: MixtureSums, mixture: Mixture, plan: MixturePlan, reg_covar: float) -> Mixture:
    """The M-step, in float64; a component without mass keeps its place."""
    alive = sums.alive
    mass = np.where(alive, sums.mass, 1)[:, None]
    centers = sums.first / mass
    squares = centers**2
    if mixture.covariances.ndim == 1:
        variances = np.maximum((sums.second / mass)[:, 0] - squares.sum(axis=1), 0) / centers.shape[1] + reg_covar
        variances = np.where(alive, variances, mixture.covariances)
    else:
        variances = np.maximum(sums.second / mass - squares, 0) + reg_covar
        variances = np.where(alive[:, None], variances, mixture.covariances)
    means = np.where(alive[:, None], centers + plan.origin, mixture.means)
    return Mixture(means, variances, sums.mass / sums.mass.sum())


def fisher_sums(X: np.ndarray, groups: np.ndarray, n_groups: int, mixture: Mixture, plan: MixturePlan) -> np.ndarray:
    """Sums of the rows' Fisher vectors by group: (n_groups, 2, K, d), by means and by standard deviations.

    Parameters
    ----------
    X : array (n, d)
        The rows.
    groups : array (n,) of int
        The group of each row, in [0, n_groups).
    n_groups : int
        Number of groups; with one row each, the sums are the Fisher vectors themselves.
    mixture, plan : Mixture, MixturePlan
        The mixture, and what `prepared` makes of it.

    Returns
    -------
    sums : array (n_groups, 2, K, d), in the dtype of X
        ``r (x - mu) / (s sqrt(pi))`` and ``r ((x - mu)^2 / s^2 - 1) / sqrt(2 pi)``.
    """
    out = np.zeros((n_groups, 2, *mixture.means.shape), X.dtype)
    inverse = np.ascontiguousarray(1 / np.sqrt(_variances(mixture.covariances, mixture.means)), X.dtype)
    means = np.ascontiguousarray(mixture.means, X.dtype)
    _fisher_sums(np.ascontiguousarray(X), groups, plan.origin, plan.A, means, inverse, _negligible(plan.A.dtype), out)
    root = np.sqrt(np.maximum(mixture.weights.astype(np.float64), np.finfo(np.float32).tiny))[:, None]
    out[:, 0] *= (1 / root).astype(X.dtype)
    out[:, 1] *= (np.sqrt(0.5) / root).astype(X.dtype)
    return out
