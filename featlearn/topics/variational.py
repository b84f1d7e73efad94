"""Variational Bayes for LDA: the steps, the bound, the priors, and passes over a corpus.

The posterior of a document's proportions is Dirichlet(gamma_d) (K,), of a topic Dirichlet(lambda_k) (V,), of a word's
topic r_wk. They maximize the bound (ELBO) on the log-likelihood one after the other:

    E-step    gamma_dk = alpha_k + sum_w n_dw r_wk,    r_wk ∝ exp(E log theta_dk + E log beta_wk)
    M-step    lambda_wk = eta_w + sum_d n_dw r_dwk
    bound     sum_dw n_dw log sum_k exp(E log theta_dk + E log beta_wk)
              + sum_d [ log B(gamma_d) - log B(alpha) + sum_k (alpha_k - gamma_dk) E log theta_dk ]
              + sum_k [ log B(lambda_k) - log B(eta) + sum_w (eta_w - lambda_wk) E log beta_wk ]

with E log theta_k = psi(gamma_k) - psi(sum gamma), and log B the logarithm of Dirichlet's normalizer. `online.py` has
the form for mini-batches.

Topics are kept word by word: lambda (V, K). Blei, Ng & Jordan (2003), "Latent Dirichlet allocation"; Minka (2000),
"Estimating a Dirichlet distribution".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.special import gammaln, polygamma, psi

from featlearn.kernels.topics.fold_in import compact, dirichlet_sums, exp_digamma, expectation, fold_in, merged_rows
from featlearn.streaming import accumulate
from featlearn.text.counts import DOCUMENTS
from featlearn.topics.priors import learned

WORDS = 2048  # rows of lambda in a chunk of the bound's walk


@dataclass(frozen=True)
class TopicStatistic:
    """What an E-step learned from documents; adds."""

    words: np.ndarray  # (m,) in order: the words that occurred
    counts: np.ndarray  # (m, K): sum_d n_dw r_dwk
    log_theta: np.ndarray  # (K,): sum_d E log theta_d
    bound: float  # the documents' part of the bound
    documents: int
    tokens: float

    def __add__(self, other: "TopicStatistic") -> "TopicStatistic":
        words, counts = merged_rows(self.words, self.counts, other.words, other.counts)
        return TopicStatistic(
            words,
            counts,
            self.log_theta + other.log_theta,
            self.bound + other.bound,
            self.documents + other.documents,
            self.tokens + other.tokens,
        )


def column_sums(lam: np.ndarray) -> np.ndarray:
    """sum_w lambda_wk (K,), in float64."""
    return lam.sum(axis=0, dtype=np.float64)


def expected_topics(lam: np.ndarray, totals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """exp(E log beta) of words (m, K) up to a factor of each word, and the factors' logarithms (m,).

    ``totals`` (K,) are the column sums of lambda over all words, of which ``lam`` (m, K) are some. Without the factors
    a word that no topic holds would underflow.
    """
    topics, log_scale = exp_digamma(lam)
    largest = psi(totals.max())
    topics *= np.exp(largest - psi(totals)).astype(lam.dtype)
    return topics, log_scale - largest


def e_step(
    chunk: sp.csr_array, topics: np.ndarray, log_scale: np.ndarray, alpha: np.ndarray, max_iter: int, tol: float
) -> TopicStatistic:
    """The statistic of documents (n, V) under topics (V, K) and log_scale (V,) as `expected_topics` gives them."""
    words, local = compact(chunk)
    gamma, counts, log_p = expectation(local, topics[words], alpha, digamma=True, max_iter=max_iter, tol=tol)
    tokens = np.asarray(chunk.sum(axis=1, dtype=np.float64)).ravel()
    gamma = gamma.astype(np.float64)
    total = psi(gamma.sum(axis=1))
    log_theta = psi(gamma) - total[:, None]
    bound = log_p.sum() + (local.sum(axis=0) @ log_scale[words]) - tokens @ total
    bound += np.vdot(alpha - gamma, log_theta) + log_normalizer(gamma).sum() - len(gamma) * log_normalizer(alpha)
    return TopicStatistic(words, counts, log_theta.sum(axis=0), float(bound), len(gamma), float(tokens.sum()))


def walk(
    model: Any, X: Any, topics: np.ndarray, log_scale: np.ndarray, alpha: np.ndarray, rows: int = DOCUMENTS
) -> TopicStatistic:
    """`e_step` of all documents in chunks of ``rows``, with the max_doc_iter, doc_tol and n_jobs of an LDA."""
    statistic = partial(
        e_step, topics=topics, log_scale=log_scale, alpha=alpha, max_iter=model.max_doc_iter, tol=model.doc_tol
    )
    return accumulate(statistic, X, n_jobs=model.n_jobs, rows=rows)


def log_normalizer(alpha: np.ndarray) -> np.ndarray:
    """log B(alpha) = sum_k log Gamma(alpha_k) - log Gamma(sum alpha), along the last axis."""
    return gammaln(alpha).sum(axis=-1) - gammaln(alpha.sum(axis=-1))


def _dirichlet_sums(lam: np.ndarray, eta: np.ndarray) -> np.ndarray:
    out = np.zeros((4, lam.shape[1]))
    dirichlet_sums(lam, eta, out)
    return out


def topic_bound(lam: np.ndarray, eta: float | np.ndarray, n_jobs: int | None = None) -> tuple[float, float]:
    """The topics' part of the bound, and sum_wk E log beta_wk, for lambda (V, K) and eta, a number or (V,)."""
    V, K = lam.shape
    etas = np.full(V, eta, np.float64)
    totals = column_sums(lam)
    log_gamma, weighted, digamma, prior = accumulate(_dirichlet_sums, lam, etas, n_jobs=n_jobs, rows=WORDS)
    bound = log_gamma - gammaln(totals) + prior - weighted + (totals - etas.sum()) * psi(totals)
    return float(bound.sum() - K * log_normalizer(etas)), float((digamma - V * psi(totals)).sum())


def learned_alpha(log_theta: np.ndarray, alpha: np.ndarray, max_iter: int = 50, tol: float = 1e-8) -> np.ndarray:
    """The Dirichlet's parameter (K,) that maximizes its mean log-density, given E log theta averaged over documents.

    Newton's method in linear time (Blei et al. 2003, A.2): the Hessian is a diagonal plus a constant. Steps are halved
    until they stay positive and climb. One topic leaves nothing to learn.
    """
    if len(alpha) == 1:
        return alpha

    def objective(a):
        return a @ log_theta - log_normalizer(a)

    value = objective(alpha)
    for _ in range(max_iter):
        total = alpha.sum()
        gradient = psi(total) - psi(alpha) + log_theta
        diagonal, constant = -polygamma(1, alpha), polygamma(1, total)
        b = (gradient / diagonal).sum() / (1 / constant + (1 / diagonal).sum())
        step = (gradient - b) / diagonal
        size = 1.0
        while size > 1e-10 and (
            (alpha - size * step).min() <= alpha.min() * 1e-2 or objective(alpha - size * step) < value
        ):
            size /= 2
        new = alpha - size * step
        if size <= 1e-10:
            break
        gain, alpha = objective(new) - value, new
        value += gain
        if gain < tol * max(abs(value), 1):
            break
    return alpha


def learned_eta(log_beta: float, eta: float, n_words: int, n_topics: int, max_iter: int = 50) -> float:
    """The symmetric prior that maximizes K [log Gamma(V eta) - V log Gamma(eta)] + eta sum_wk E log beta_wk.

    Newton's method on log eta, which keeps eta positive; a step changes it by a factor of e^2 at most.
    """
    mean = log_beta / (n_words * n_topics)
    for _ in range(max_iter):
        slope = psi(n_words * eta) - psi(eta) + mean
        curve = n_words * polygamma(1, n_words * eta) - polygamma(1, eta)
        if curve >= 0:
            break
        step = float(np.clip(-slope / (curve * eta + min(slope, 0)), -2, 2))
        eta *= np.exp(step)
        if abs(step) < 1e-9:
            break
    return float(np.clip(eta, 1e-8, 1e8))


def posterior_topics(statistic: TopicStatistic, eta: float | np.ndarray, n_words: int) -> np.ndarray:
    """lambda (V, K) = eta + the statistic: the M-step."""
    lam = np.empty((n_words, statistic.counts.shape[1]), statistic.counts.dtype)
    lam[:] = np.asarray(eta)[..., None]
    lam[statistic.words] += statistic.counts
    return lam


class Pass(NamedTuple):
    """Topics lambda (V, K) and priors, their bound, and what an E-step under them learned."""

    lam: np.ndarray
    alpha: np.ndarray
    eta: float | np.ndarray
    bound: float
    statistic: TopicStatistic


def passes(model: Any, X: Any, lam: np.ndarray, alpha: np.ndarray, eta: Any) -> Iterator[Pass]:
    """Passes of an LDA over a corpus without end; topics and priors of each are learned by the one before."""
    while True:
        statistic = walk(model, X, *expected_topics(lam, column_sums(lam)), alpha)
        topics_part, log_beta = topic_bound(lam, eta, model.n_jobs)
        yield Pass(lam, alpha, eta, statistic.bound + topics_part, statistic)
        if learned(model.eta):
            eta = learned_eta(log_beta, eta, *lam.shape)
        if learned(model.alpha):
            alpha = learned_alpha(statistic.log_theta / statistic.documents, alpha)
        lam = posterior_topics(statistic, eta, len(lam))


def infer(
    chunk: sp.csr_array, *, topics: np.ndarray, alpha: np.ndarray, digamma: bool, max_iter: int, tol: float
) -> np.ndarray:
    """Proportions (n, K): the mean of each document's Dirichlet(gamma)."""
    gamma = fold_in(chunk, topics, alpha, digamma=digamma, max_iter=max_iter, tol=tol)
    gamma /= gamma.sum(axis=1, keepdims=True)
    return gamma
