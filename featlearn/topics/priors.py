"""The Dirichlet priors of LDA, alpha of proportions and eta of topics: first values, draws, the topics they make."""

from typing import Any

import numpy as np

LEAST = 1e-30  # of a prior: float32 still holds the inverse


def learned(prior: Any) -> bool:
    """Whether a prior is to be learned."""
    return isinstance(prior, str) and prior == "learned"


def first_alpha(alpha: Any, K: int) -> np.ndarray:
    """The prior of proportions (K,) to start from."""
    if isinstance(alpha, str):
        # "asymmetric" falls as 1 / (k + sqrt K): a few topics that most documents share, and many that few do.
        weights = 1 / (np.arange(K) + np.sqrt(K)) if alpha == "asymmetric" else np.ones(K)
        return weights / weights.sum()
    return np.broadcast_to(checked_prior("alpha", alpha, K, "n_components"), K).copy()


def first_eta(eta: Any, K: int, V: int) -> float | np.ndarray:
    """The prior of topics to start from: a number, or (V,)."""
    if isinstance(eta, str):
        return 1 / K
    prior = checked_prior("eta", eta, V, "the number of terms")
    return float(prior) if prior.ndim == 0 else prior


def checked_prior(name: str, value: Any, n: int, what: str) -> np.ndarray:
    """A number, or an array (n,) of ``what``, in float64; a ValueError if it is no prior."""
    try:
        prior = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"LDA: {name} is not an array of numbers.") from None
    if prior.shape not in ((), (n,)):
        raise ValueError(f"LDA: {name} has shape {prior.shape}; pass one number, or an array of {what}, ({n},).")
    valid = np.isfinite(prior) & (prior >= LEAST)
    if not valid.all():
        raise ValueError(f"LDA: {name} holds {prior[~valid][0]}; all must be above 0 (at least {LEAST:g}) and finite.")
    return prior


def drawn_proportions(alpha: np.ndarray, n: int, rng: np.random.RandomState) -> np.ndarray:
    """Draws (n, K) from Dirichlet(alpha), however small alpha (K,) is."""
    # log Gamma(alpha) variates as log Gamma(alpha + 1) + log(U) / alpha: a small alpha gives zeros otherwise.
    size = (n, len(alpha))
    logs = np.log(rng.standard_gamma(alpha + 1, size)) + np.log(rng.uniform(size=size)) / alpha
    theta = np.exp(logs - logs.max(axis=1, keepdims=True))
    return theta / theta.sum(axis=1, keepdims=True)


def fitted_topics(counts: np.ndarray, alpha: np.ndarray, eta: float | np.ndarray) -> dict[str, Any]:
    """The attributes of a fitted LDA, from topic counts (K, V)."""
    components = counts + np.asarray(eta, counts.dtype)
    components /= components.sum(axis=1, keepdims=True, dtype=np.float64).astype(counts.dtype)
    return {"components_": components, "topic_counts_": counts, "alpha_": alpha, "eta_": eta}


def fitted_posterior(lam: np.ndarray, alpha: np.ndarray, eta: float | np.ndarray) -> dict[str, Any]:
    """The same from lambda (V, K), which is topic counts and eta."""
    return fitted_topics(np.ascontiguousarray(lam.T) - np.asarray(eta, lam.dtype), alpha, eta)
