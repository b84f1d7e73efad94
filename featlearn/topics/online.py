"""Online variational Bayes for LDA: topics and priors that learn from mini-batches.

Batch t of a corpus of D documents moves lambda (V, K) by rho_t = (tau + t)^-kappa towards what the batch alone would
say if the whole corpus were like it, with n_dw r_dwk from an E-step of its documents under the topics before:

    lambda_wk := (1 - rho_t) lambda_wk + rho_t (eta_w + D / |batch| sum_d n_dw r_dwk)

A learned alpha is the Dirichlet whose E log theta is a running mean of the batches', which moves by rho_t too. To first
order in rho_t that is Hoffman's natural gradient step, and it cannot leave the positive numbers.

Hoffman, Blei & Bach (2010), "Online learning for latent Dirichlet allocation".
"""

from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.special import psi

from featlearn.kernels.topics.fold_in import compact
from featlearn.text.counts import DOCUMENTS
from featlearn.topics.em import step_size
from featlearn.topics.priors import fitted_posterior, learned
from featlearn.topics.variational import (
    TopicStatistic,
    column_sums,
    expected_topics,
    learned_alpha,
    learned_eta,
    topic_bound,
    walk,
)

SMALL = 1e-9  # a scale of the topics below which it is multiplied in
PARTS = 8  # of a mini-batch, so that every core has some
ETA_EVERY = 16  # mini-batches from one update of eta, which looks at every word, to the next


class OnlineTopics:
    """lambda (V, K) = prior + scale * rows, so that a batch costs work only for the words it holds.

    Everything that happens to all words alike, the decay by 1 - rho and the pull to eta, happens to ``scale`` and to
    ``prior`` (a number or (V,)); the column sums, ``totals`` (K,), are kept beside them in float64.
    """

    def __init__(self, lam: np.ndarray):
        # In one assignment, so that an interrupt leaves all of it before a batch or after it; last what undoes the
        # change of rows that is under way.
        self.state: tuple[np.ndarray, float, Any, np.ndarray, Any] = (
            np.array(lam, order="C"),
            1.0,
            0.0,
            column_sums(lam),
            None,
        )

    @property
    def totals(self) -> np.ndarray:
        """Column sums (K,) of lambda."""
        return self.state[3]

    def at(self, words: np.ndarray) -> np.ndarray:
        """lambda (m, K) of some words."""
        rows, scale, prior, totals, undo = self.state
        if undo is not None:
            rows[undo[0]] = undo[1]
            self.state = rows, scale, prior, totals, None
        lam = rows[words] * rows.dtype.type(scale)
        lam += np.asarray(prior if np.ndim(prior) == 0 else prior[words, None], lam.dtype)
        return lam

    def update(self, words: np.ndarray, counts: np.ndarray, rho: float, ratio: float, eta: float | np.ndarray) -> None:
        """lambda := (1 - rho) lambda + rho (eta + ratio counts), with counts (m, K) at words (m,) and 0 elsewhere."""
        rows, scale, prior, totals, _ = self.state
        V, dtype = len(rows), rows.dtype.type
        after_prior = (1 - rho) * prior + rho * np.asarray(eta, np.float64)
        after_totals = (1 - rho) * totals + rho * (np.broadcast_to(eta, V).sum() + ratio * counts.sum(axis=0))
        after_scale = scale * (1 - rho)
        if after_scale < SMALL:
            rows, after_scale = rows * dtype(after_scale), 1.0
        else:
            self.state = rows, scale, prior, totals, (words, rows[words])
        rows[words] += dtype(rho * ratio / after_scale) * counts
        self.state = rows, after_scale, after_prior, after_totals, None

    def dense(self) -> np.ndarray:
        """lambda (V, K)."""
        return self.at(np.arange(len(self.state[0])))


class OnlineLearner:
    """The topics and priors of an LDA after ``t`` mini-batches.

    Parameters
    ----------
    model : LDA
        Its parameters: decay (kappa), offset (tau), those of the E-step, and whether alpha and eta are to be learned.
    lam : array (V, K)
        Topics to start from.
    alpha, eta : array (K,), and float or array (V,)
        Priors to start from.
    t : int, default=0
        Mini-batches learned before.
    """

    def __init__(self, model: Any, lam: np.ndarray, alpha: np.ndarray, eta: Any, t: int = 0):
        self.model, self.topics, self.alpha, self.eta, self.t = model, OnlineTopics(lam), alpha, eta, t

    def learn(self, batch: sp.csr_array, total: int) -> TopicStatistic:
        """Learn from a batch of a corpus of ``total`` documents; returns what its E-step said."""
        rho = step_size(self.model, self.t + 1)
        words, local = compact(batch)
        rows = min(DOCUMENTS, max(32, -(-batch.shape[0] // PARTS)))
        expected = expected_topics(self.topics.at(words), self.topics.totals)
        statistic = walk(self.model, local, *expected, self.alpha, rows)
        self.topics.update(words[statistic.words], statistic.counts, rho, total / statistic.documents, self.eta)
        if learned(self.model.alpha):
            before = psi(self.alpha) - psi(self.alpha.sum())
            mean = (1 - rho) * before + rho * statistic.log_theta / statistic.documents
            self.alpha = learned_alpha(mean, self.alpha)
        self.t += 1
        if learned(self.model.eta) and self.t % ETA_EVERY == 0:
            lam = self.topics.dense()
            self.eta = learned_eta(topic_bound(lam, self.eta, self.model.n_jobs)[1], self.eta, *lam.shape)
        return statistic

    def state(self) -> tuple[np.ndarray, np.ndarray, Any]:
        """lambda (V, K), alpha (K,) and eta."""
        return self.topics.dense(), self.alpha, self.eta

    def fitted(self) -> dict[str, Any]:
        """The attributes of the model now."""
        return fitted_posterior(*self.state())
