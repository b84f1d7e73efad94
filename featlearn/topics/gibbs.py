"""Collapsed Gibbs sampling for latent Dirichlet allocation.

Tokens i with terms w_i lie in documents d; each has a topic z_i. With theta ~ Dir(alpha) and phi ~ Dir(eta) integrated
out, topics are drawn in turn (Griffiths & Steyvers 2004) from

    p(z_i = k | all other z)  ∝  (n_dk + alpha_k) (n_kw + eta_w) / (n_k + sum_w eta_w)

where n_dk, n_kw and n_k = sum_w n_kw count the topics of the other tokens. A token may have a weight other than 1, by
which it counts (Wilson & Chew 2010). Priors are learned by the fixed point of the Dirichlet-multinomial (Minka 2000):

    alpha_k := alpha_k sum_d [psi(n_dk + alpha_k) - psi(alpha_k)] / sum_d [psi(N_d + A) - psi(A)],    A = sum_k alpha_k

Many cores sample at once, in rounds of blocks that share neither documents nor terms (kernels/topics/topic_blocks.py).

The first sweeps are guided by topics that documents make, so that none is left undiscovered (`first_topics.py`), and
documents are held to few topics by and by: alpha falls to its value, as a temperature does in annealing, which undoes
what is wrong in topics made of documents that are mixtures themselves. The guide goes when alpha is half way down:
before, small topics would be lost to the heat; later, what is wrong would stay.
"""

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.special import digamma

from featlearn.kernels.topics.topic_blocks import count_topics, in_blocks, sample_block
from featlearn.kernels.topics.topic_draw import padded
from featlearn.text.counts import check_countable
from featlearn.threads import n_threads
from featlearn.topics.first_topics import first_topics
from featlearn.topics.priors import fitted_topics, learned

LEAST_PRIOR, MOST_PRIOR = 1e-5, 1e3
FIXED_POINT_STEPS = 5
GUIDE = 0.3  # words of the first topics in the first sweeps, for each of the corpus; more would hold it fast
COOLING = 20  # sweeps, or a fifth of them, in which alpha falls from the mean number of words a topic has in a document
PRIORS_EVERY = 10  # sweeps from one update of learned priors to the next


class GibbsSampler:
    """The topics of all tokens of a corpus, and the counts they make.

    Parameters
    ----------
    X : csr_array (n_documents, n_terms)
        Term counts.
    n_topics : int
        Number of topics K.
    seed : int
        Of all draws.
    base : array (n_topics, n_terms) or None, default=None
        Counts of tokens that are not sampled: what was learned before, or the first topics. `forget` drops them.
    parts : int or None, default=None
        Parts into which documents and terms are cut; None decides by the number of tokens. 1 is exact.

    Attributes
    ----------
    topics : int32 array (n_tokens,)
        Topic of each token, -1 before the first sweep, which draws each in view of ``base`` and those before.
    """

    def __init__(self, X: sp.csr_array, n_topics: int, seed: int, base=None, parts: int | None = None):
        check_countable(X)
        self.tokens = in_blocks(X, parts)
        self.n_topics, self.seed, self.sweeps = n_topics, seed, 0
        self.topics = np.full(len(self.tokens), -1, np.int32)
        self.n_dk = np.zeros((X.shape[0], padded(n_topics)), np.float32)
        self.n_wk = np.zeros((X.shape[1], padded(n_topics)), np.float32)
        self.n_k = np.zeros(padded(n_topics))
        self.base = base
        self._add_base()

    def forget(self) -> None:
        """Go on without the counts of tokens that are not sampled. Subtracting them would leave roundings behind."""
        self.base = None
        self._recount()

    def _recount(self) -> None:
        """Count topics afresh: sums and differences of weights that are no whole numbers round, and errors add up."""
        tokens = self.tokens
        count_topics(tokens.documents, tokens.rows, tokens.weights, self.topics, self.n_dk, self.n_wk)
        self.n_k = self.n_wk.sum(axis=0, dtype=np.float64)
        self._add_base()

    def _add_base(self) -> None:
        if self.base is not None:
            self.n_wk[self.tokens.rows_of_terms, : self.n_topics] += self.base.T
            self.n_k[: self.n_topics] += self.base.sum(axis=1, dtype=np.float64)

    def sweep(self, alpha: np.ndarray, eta: np.ndarray, pool: Executor) -> float:
        """Draw every token's topic once; returns the share of tokens that changed theirs.

        ``alpha`` (K,) and ``eta`` (V,), or (1,) if all terms have the same.
        """
        tokens, P = self.tokens, self.tokens.parts
        n_terms = len(self.n_wk)
        padded_alpha = np.ones(len(self.n_k), np.float32)
        padded_alpha[: self.n_topics] = alpha
        eta_sum = float(eta[0]) * n_terms if len(eta) == 1 else float(eta.sum(dtype=np.float64))
        by_row = eta.astype(np.float32)
        if len(eta) > 1:
            by_row[tokens.rows_of_terms] = eta
        first = np.random.SeedSequence((self.seed, self.sweeps)).generate_state(P * P, np.uint64)

        def sample(block):
            n_k = self.n_k.copy()
            start, end = tokens.starts[block], tokens.starts[block + 1]
            changed = sample_block(
                start, end, tokens.documents, tokens.rows, tokens.weights, self.topics, self.n_dk, self.n_wk, n_k,
                padded_alpha, by_row, eta_sum, self.n_topics, first[block],
            )  # fmt: skip
            return changed, n_k

        changed = 0
        for r in range(P):
            blocks = [p * P + (p + r) % P for p in range(P)]
            results = list(pool.map(sample, blocks)) if P > 1 else [sample(0)]
            before = self.n_k
            self.n_k = before + sum(n_k - before for _, n_k in results)
            changed += sum(count for count, _ in results)
        self.sweeps += 1
        if len(tokens.weights) > 1 or self.base is not None:
            self._recount()
        return changed / max(len(tokens), 1)

    def topic_counts(self) -> np.ndarray:
        """n_kw (K, V), with what was added; never below 0."""
        return np.maximum(self.n_wk[self.tokens.rows_of_terms, : self.n_topics].T, 0)

    def own_counts(self) -> np.ndarray:
        """n_kw (K, V) of the tokens alone, without what was added."""
        tokens, n_dk, n_wk = self.tokens, np.empty_like(self.n_dk), np.empty_like(self.n_wk)
        count_topics(tokens.documents, tokens.rows, tokens.weights, self.topics, n_dk, n_wk)
        return n_wk[tokens.rows_of_terms, : self.n_topics].T

    def document_counts(self) -> np.ndarray:
        """n_dk (D, K); never below 0."""
        return np.maximum(self.n_dk[:, : self.n_topics], 0)


@contextmanager
def sampling_threads(n_jobs: int | None) -> Iterator[Executor]:
    """Threads that live as long as a fit: a round is too short to start some for it."""
    with ThreadPoolExecutor(n_threads(n_jobs), thread_name_prefix="featlearn") as pool:
        yield pool


def alpha_from_counts(counts: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """alpha (K,) after a few steps of the fixed point, given counts n_dk (D, K) of topics in documents."""
    lengths = counts.sum(axis=1, dtype=np.float64)
    lengths, times = np.unique(lengths[lengths > 0], return_counts=True)
    present = counts > 0
    values, which = np.unique(counts[present], return_inverse=True)
    repeats = np.bincount(which * len(alpha) + np.nonzero(present)[1])
    pairs = np.flatnonzero(repeats)
    n, topic, repeats = values[pairs // len(alpha)], pairs % len(alpha), repeats[pairs]
    alpha = alpha.astype(np.float64)
    for _ in range(FIXED_POINT_STEPS):
        gain = np.bincount(topic, repeats * (digamma(n + alpha[topic]) - digamma(alpha[topic])), len(alpha))
        total = alpha.sum()
        alpha = np.clip(alpha * gain / (times @ (digamma(lengths + total) - digamma(total))), LEAST_PRIOR, MOST_PRIOR)
    return alpha


def eta_from_counts(counts: np.ndarray, eta: float) -> float:
    """The symmetric eta after a few steps of the fixed point, given counts n_kw (K, V) of terms in topics."""
    n_terms = counts.shape[1]
    totals = counts.sum(axis=1, dtype=np.float64)
    n, repeats = np.unique(counts[counts > 0], return_counts=True)
    for _ in range(FIXED_POINT_STEPS):
        gain = repeats @ (digamma(n + eta) - digamma(eta))
        eta *= gain / (n_terms * (digamma(totals + n_terms * eta) - digamma(n_terms * eta)).sum())
        eta = float(np.clip(eta, LEAST_PRIOR, MOST_PRIOR))
    return eta


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
