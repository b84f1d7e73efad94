"""A model that featlearn does not have, to show what a new EM topic model takes: unigrams and a background topic.

Every document is about one topic k, and a share b of all words comes from the corpus at large, m (V,):

    p(w | k) = (1 - b) phi_kw + b m_w
    E    r_dk = pi_k prod_w p(w | k)^n_dw / p(d),    s_kw = (1 - b) phi_kw / p(w | k)
    M    pi_k = (sum_d r_dk + alpha) / (D + K alpha),    phi_k of the words sum_d n_dw r_dk s_kw, with pseudo-counts eta

The background is the last of the topics.
"""

from functools import partial
from typing import Any, ClassVar, NamedTuple

import numpy as np
from scipy.special import xlogy
from sklearn.base import BaseEstimator

from featlearn.kernels.topics.aspects import safe_log, updated_topics
from featlearn.streaming import accumulate
from featlearn.text.counts import DOCUMENTS
from featlearn.topics.em import RULES, EMTopicModel, Sums, known_topics
from featlearn.topics.first_topics import first_topics
from featlearn.topics.mixture_of_unigrams import mixture_step, topic_posteriors, updated_weights
from featlearn.validation import integer, real


class State(NamedTuple):
    """Topics (V, K), the last the background, and how many documents are about the others (K - 1,)."""

    topics: np.ndarray
    weights: np.ndarray


def mixed(topics, share):
    """p(w | k) (V, K - 1)."""
    return (1 - share) * topics[:, :-1] + share * topics[:, -1:]


def proportions(chunk, *, topics, weights, share):
    """How the words of documents (n, V) come from topics (n, K)."""
    r, _ = topic_posteriors(chunk, safe_log(mixed(topics, share)), safe_log(weights))
    return np.column_stack([(1 - share) * r, np.full(len(r), share)]).astype(topics.dtype)


class BackgroundMixture(EMTopicModel, BaseEstimator):
    """Documents of one topic each, and a background topic that all share."""

    _rules: ClassVar = RULES | {"n_components": integer(2), "alpha": real(0), "share": real(above=0, high=0.99)}

    def __init__(
        self,
        n_components: int = 10,
        *,
        share: float = 0.5,
        eta: float = 0.1,
        alpha: float = 1.0,
        max_iter: int = 100,
        tol: float = 1e-5,
        decay: float = 0.7,
        offset: float = 10.0,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 3,
        warm_start: bool = False,
        n_jobs: int | None = None,
        random_state: Any = None,
    ):
        self.n_components = n_components
        self.share = share
        self.eta = eta
        self.alpha = alpha
        self.max_iter = max_iter
        self.tol = tol
        self.decay = decay
        self.offset = offset
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _start(self, X, corpus, rng, go_on, stepwise):
        if go_on:
            return State(known_topics(self, corpus, np.float64), self.mixing_[:-1] / self.mixing_[:-1].sum())
        K, V, m = self.n_components - 1, self.n_features_in_, corpus.counts / corpus.counts.sum()
        topics = 0.9 * first_topics(X, K, V, int(rng.randint(2**31 - 1)), self.n_jobs)[0] + 0.1 * m[:, None]
        return State(np.column_stack([topics, m]), np.full(K, 1 / K))

    def _expect(self, X, state):
        words_of = mixed(state.topics, self.share)
        statistic = partial(mixture_step, log_topics=safe_log(words_of), log_weights=safe_log(state.weights))
        sums = accumulate(statistic, X, n_jobs=self.n_jobs, rows=DOCUMENTS)
        of_topics = sums.words * (1 - self.share) * state.topics[:, :-1] / np.where(words_of > 0, words_of, 1)
        of_background = sums.words.sum(axis=1) - of_topics.sum(axis=1)
        log_prior = xlogy(self.alpha, state.weights).sum() + self.eta * safe_log(state.topics[:, :-1]).sum()
        words = np.column_stack([of_topics, of_background])
        return Sums(words, sums.log_likelihood, sums.documents), sums.log_likelihood + float(log_prior)

    def _maximize(self, sums, state):
        topics = updated_topics(sums.words, self.eta, state.topics)
        topics[:, -1] = state.topics[:, -1]
        return State(topics, updated_weights(sums.documents, self.alpha))

    def _fitted(self, state, dtype):
        mixing = np.append((1 - self.share) * state.weights, self.share)
        return {**super()._fitted(state, dtype), "mixing_": mixing}

    def _infer(self, state, components):
        return partial(proportions, topics=state.topics, weights=state.weights, share=self.share)

    def _inference(self):
        return partial(proportions, topics=self.components_.T, weights=self.mixing_[:-1], share=self.share)

    def _draw_proportions(self, n_documents, rng):
        of_one = np.append(self.mixing_[:-1] / (1 - self.share), 0)
        drawn = np.eye(self.n_components)[rng.choice(self.n_components, n_documents, p=of_one / of_one.sum())]
        return (1 - self.share) * drawn + self.share * np.eye(self.n_components)[-1]
