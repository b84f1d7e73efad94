"""A run of the Gibbs sampler: sweeps that learn the priors, then sweeps whose topic counts are averaged.

The first sweeps are guided by topics that documents make, so that none is left undiscovered (`first_topics.py`), and
documents are held to few topics by and by: alpha falls to its value, as a temperature does in annealing, which undoes
what is wrong in topics made of documents that are mixtures themselves. The guide goes when alpha is half way down:
before, small topics would be lost to the heat; later, what is wrong would stay.
"""

from collections.abc import Iterator
from concurrent.futures import Executor
from typing import Any

import numpy as np
import scipy.sparse as sp

from featlearn.topics.first_topics import first_topics
from featlearn.topics.gibbs import GibbsSampler, alpha_from_counts, eta_from_counts
from featlearn.topics.priors import fitted_topics, learned

GUIDE = 0.3  # words of the first topics in the first sweeps, for each of the corpus; more would hold it fast
COOLING = 20  # sweeps, or a fifth of them, in which alpha falls from the mean number of words a topic has in a document
PRIORS_EVERY = 10  # sweeps from one update of learned priors to the next


class GibbsRun:
    """Sweeps over documents for an LDA.

    Parameters
    ----------
    model : LDA
        Its parameters: n_components, n_samples, and whether alpha and eta are to be learned.
    X : csr_array (n_documents, n_terms)
        Term counts.
    alpha, eta : array (n_components,), and float or array (n_terms,)
        Priors to start from; afterwards those of the last sweep.
    max_iter : int
        Most sweeps. The last ``n_samples`` of them are averaged, but no more than half.
    seed : int
        Of all draws.
    before : array (n_components, n_terms) or None, default=None
        Topic counts learned before, which guide the first sweep; None takes topics that documents make, for some more.
    keep : bool, default=False
        Whether ``before`` guides all sweeps, and is in the result.
    """

    def __init__(self, model: Any, X: sp.csr_array, alpha, eta, max_iter: int, seed: int, before=None, keep=False):
        self.model, self.alpha, self.eta = model, alpha, eta
        K, words = model.n_components, X.sum(dtype=np.float64)
        if before is None:
            guide = first_topics(X, K, X.shape[1], seed, model.n_jobs)[0].T
            guide *= GUIDE * words / K
        self.sampler = GibbsSampler(X, K, seed, guide if before is None else before)
        self.forget = before is None or not keep
        self.n_sweeps, self.last = 0, max_iter
        self.cooling = min(COOLING, max_iter // 5) if before is None else 0
        self.heat = words / X.shape[0] / K
        self.n_samples = min(model.n_samples, max(max_iter // 2, 1))
        self.averaged: tuple[Any, int] = 0.0, 0  # the sum of topic counts, and of how many states

    def sweeps(self, pool: Executor) -> Iterator[float]:
        """One sweep after the other; each gives the share of words that changed their topic."""
        while self.n_sweeps < self.last:
            heat = self.heat * (1 - self.n_sweeps / self.cooling) if self.n_sweeps < self.cooling else 0.0
            changed = self.sampler.sweep(self.alpha + heat, np.atleast_1d(self.eta), pool)
            self.n_sweeps += 1
            if self.forget and self.n_sweeps == max(1, self.cooling // 2):
                self.sampler.forget()
            if self.n_sweeps > self.last - self.n_samples:
                self.averaged = self.averaged[0] + self.sampler.topic_counts(), self.averaged[1] + 1
            elif self.n_sweeps % PRIORS_EVERY == 0 and self.n_sweeps >= self.cooling:
                if learned(self.model.alpha):
                    self.alpha = alpha_from_counts(self.sampler.document_counts(), self.alpha)
                if learned(self.model.eta):
                    self.eta = eta_from_counts(self.sampler.topic_counts(), self.eta)
            yield changed

    @property
    def n_states(self) -> int:
        """States averaged so far."""
        return self.averaged[1]

    def settle(self) -> None:
        """Learn no more: the sweeps to come, ``n_samples`` at most, are averaged."""
        self.last = min(self.last, self.n_sweeps + self.n_samples)

    def fitted(self, dtype: Any) -> dict[str, Any]:
        """The attributes of the model now: the mean of the states averaged, or the last if there are none."""
        total, n_states = self.averaged
        if n_states:
            counts = total / n_states
        else:
            counts = self.sampler.own_counts() if self.forget else self.sampler.topic_counts()
        return fitted_topics(np.asarray(counts, dtype, order="C"), self.alpha, self.eta)
