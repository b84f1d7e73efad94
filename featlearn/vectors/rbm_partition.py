"""The partition function of a restricted Boltzmann machine: by enumeration, or by annealed importance sampling.

With weights W (K, d), biases b (K,) and c (d,), variances s^2 (d,) of Gaussian visibles, and y = v or v / s^2:

    p(v) = exp(-F(v)) / Z,   F(v) = E(v) - sum_k log(1 + exp(a_k)),   a = b + W y
    E(v) = -c.v for binary visibles, sum_j (v_j - c_j)^2 / (2 s_j^2) for Gaussian ones

Enumeration sums over the states of the hidden units, or of binary visibles if they are fewer:

    Z = sum_h exp(b.h) prod_j (1 + exp(c_j + (h W)_j)),           binary
    Z = sum_h exp(b.h) prod_j sqrt(2 pi s_j^2) exp(((c + h W)_j^2 - c_j^2) / (2 s_j^2)),          Gaussian

Annealing walks from a machine without weights, whose visible biases c0 fit the means of the data, to this one by
machines p_t with 0 = beta_0 < ... < beta_T = 1, a Gibbs step in each:

    log p_t(v) = -(1 - beta_t) E0(v) - beta_t E(v) + sum_k log(1 + exp(beta_t a_k)) - log Z_t
    h ~ sigmoid(beta_t a),   v | h has natural parameters (1 - beta_t) c0 + beta_t (c + h W)
    Z / Z_0 = mean over chains of  w = prod_t p*_t(v_t) / p*_{t-1}(v_t)

Neal (2001), "Annealed importance sampling"; Salakhutdinov & Murray (2008), "On the quantitative analysis of deep belief
networks".
"""

from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from featlearn.arrays import blocks
from featlearn.kernels.bernoulli import anneal_rows, bernoulli_rows, new_key, sigmoid_into
from featlearn.streaming import accumulate
from featlearn.threads import map_in_order, n_threads

ENUMERATED = 20  # units whose states "auto" enumerates
MOST_ENUMERATED = 27  # more states than 2^27 take hours
STATES = 1 << 12
CHAINS = 25  # in a block
PATH = ((0.5, 1), (0.9, 8), (1.0, 20))  # Salakhutdinov & Murray's: up to each beta, so many shares of the steps


class LogPartition(NamedTuple):
    """log Z; and the standard error of an estimate, 0 for an exact value."""

    value: float
    error: float


def softplus(x: np.ndarray) -> np.ndarray:
    """log(1 + exp(x)), without overflow."""
    return np.logaddexp(x, x.dtype.type(0))


def exact_log_partition(W: np.ndarray, b: np.ndarray, c: np.ndarray, variance: np.ndarray | None) -> LogPartition:
    """log Z by enumeration, in blocks of states; ``variance`` (d,) is that of Gaussian visibles, None for binary.

    Raises
    ------
    ValueError
        If the smaller side (the hidden one for Gaussian visibles) has more than 27 units.
    """
    W, b, c = (a.astype(np.float64) for a in (W, b, c))
    if variance is None and len(c) < len(b):
        W, b, c = W.T, c, b
    if len(b) > MOST_ENUMERATED:
        raise ValueError(
            f"RBM: method='exact' would enumerate the 2^{len(b)} states of {len(b)} units; up to {MOST_ENUMERATED} "
            "can be. Pass method='ais'."
        )

    def log_sum(part):
        h = ((np.arange(part.start, part.stop)[:, None] >> np.arange(len(b))) & 1).astype(np.float64)
        mean = c + h @ W
        if variance is None:
            return logsumexp(h @ b + softplus(mean).sum(axis=1))
        return logsumexp(h @ b + ((mean**2 - c**2) / (2 * variance)).sum(axis=1))

    sums = list(map_in_order(log_sum, blocks(1 << len(b), STATES), n_threads()))
    volume = 0.0 if variance is None else 0.5 * np.log(2 * np.pi * variance).sum()
    return LogPartition(float(logsumexp(sums) + volume), 0.0)


def temperatures(n_betas: int) -> np.ndarray:
    """beta_0 = 0 ... beta_T = 1, T = n_betas, most of them near 1."""
    ends = np.cumsum([0, *(share for _, share in PATH)]) / sum(share for _, share in PATH)
    return np.interp(np.arange(n_betas + 1) / n_betas, ends, [0.0, *(beta for beta, _ in PATH)])


def annealed_log_partition(
    W: np.ndarray,
    b: np.ndarray,
    c: np.ndarray,
    variance: np.ndarray | None,
    means: np.ndarray,
    *,
    n_chains: int = 100,
    n_betas: int = 10_000,
    seed: np.random.SeedSequence,
) -> LogPartition:
    """log Z by annealed importance sampling, and the standard error over chains.

    Parameters
    ----------
    W, b, c, variance : arrays (K, d), (K,), (d,) and (d,) or None
        The machine; ``variance`` of Gaussian visibles, None for binary.
    means : array (d,)
        Means of the data, which the first machine has.
    n_chains, n_betas : int, default=100, 10,000
        Independent walks, and steps of each.
    seed : SeedSequence
        Decides every draw; the number of threads does not.

    Returns
    -------
    log_z : LogPartition
        By the mean of the weights; it errs low where chains are few or steps are coarse.
    """
    dtype = W.dtype.type
    if variance is None:
        means = np.clip(means, 0.01, 0.99)
        first = np.log(means / (1 - means))
        start = softplus(first).sum()
    else:
        first = np.asarray(means, np.float64)
        start = 0.5 * np.log(2 * np.pi * variance).sum()
    betas, parts = temperatures(n_betas), blocks(n_chains, CHAINS)
    path = _Path(W, b, c, variance, first.astype(dtype), betas)
    jobs = [
        (part.stop - part.start, np.random.Generator(np.random.SFC64(s)))
        for part, s in zip(parts, seed.spawn(len(parts)), strict=True)
    ]
    log_weights = np.concatenate(list(map_in_order(path, jobs, n_threads())))
    log_mean = logsumexp(log_weights) - np.log(n_chains)
    spread = np.exp(log_weights - log_mean).std(ddof=1) / np.sqrt(n_chains) if n_chains > 1 else np.inf
    return LogPartition(float(start + len(b) * np.log(2) + log_mean), float(spread))


class _Path:
    """Walks a block of chains from the first machine to the last; gives their log weights (m,)."""

    def __init__(self, W, b, c, variance, first, betas):
        self.W, self.b, self.c, self.first, self.betas = W, b, c, first, betas
        self.variance = None if variance is None else variance.astype(W.dtype)

    def __call__(self, job):
        m, rng = job
        log_weights = np.zeros(m)
        v = self.visibles(np.zeros((m, len(self.c)), self.W.dtype), self.first, rng)
        for beta, new in zip(self.betas[:-1], self.betas[1:], strict=True):
            log_weights += (new - beta) * self.visible_gain(v)
            y = v if self.variance is None else v / self.variance
            h = y @ self.W.T
            anneal_rows(h, self.b, beta, new, new_key(rng), log_weights)
            S = h @ self.W
            number = S.dtype.type
            S *= number(new)
            v = self.visibles(S, number(1 - new) * self.first + number(new) * self.c, rng)
        return log_weights

    def visibles(self, S, bias, rng):
        """Visible states, drawn from their natural parameters S + bias; S is overwritten."""
        if self.variance is None:
            sigmoid_into(S, bias, 1.0, S)
            bernoulli_rows(S, new_key(rng))
        else:
            S += bias
            S += np.sqrt(self.variance) * rng.standard_normal(S.shape, S.dtype)
        return S

    def visible_gain(self, v):
        """E0(v) - E(v), (m,)."""
        if self.variance is None:
            return v @ (self.c - self.first)
        return (((v - self.first) ** 2 - (v - self.c) ** 2) / (2 * self.variance)).sum(axis=1, dtype=np.float64)


def feature_means(X) -> np.ndarray:
    """Means (d,) of rows, which may be sparse, in float64."""
    return accumulate(_sum, X) / X.shape[0]


def _sum(chunk):
    return np.asarray(chunk.sum(axis=0, dtype=np.float64)).ravel()
