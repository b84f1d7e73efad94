"""The mixture of unigrams: every document is about one topic, and EM finds the topics.

X (D, V) counts n_dw, topics phi (K, V), topic weights pi (K,):

    p(d) = sum_k pi_k prod_w phi_kw^n_dw
    E    r_dk = pi_k prod_w phi_kw^n_dw / p(d)                        in the log domain
    M    pi_k  = (sum_d r_dk + alpha) / (D + K alpha)
         phi_kw = (sum_d n_dw r_dk + eta) / (sum_dw n_dw r_dk + V eta)

The pseudo-counts are a Dirichlet prior: EM never lowers  sum_d log p(d) + alpha sum_k log pi_k + eta sum_kw log phi_kw.
Documents without words say nothing and are left out of D.

`partial_fit` is stepwise EM: with s the mean of the statistics (sum n r, sum r) over the documents of a batch,
S := (1 - rho_t) S + rho_t s,  rho_t = (offset + t)^-decay,  and the M-step takes S times the documents seen.

Nigam, McCallum, Thrun & Mitchell (2000), "Text classification from labeled and unlabeled documents using EM". Cappe &
Moulines (2009), "On-line expectation-maximization algorithm for latent data models". Liang & Klein (2009), "Online EM
for unsupervised models".
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from scipy.special import xlogy
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from featlearn.callbacks import CallbackSupportMixin, end_iteration
from featlearn.fitting import fitting, guarded
from featlearn.kernels.topics.aspects import (
    add_words,
    posteriors,
    safe_log,
    updated_topics,
    with_new_words,
)
from featlearn.notices import interruptible
from featlearn.streaming import accumulate
from featlearn.text.counts import DOCUMENTS, check_counts
from featlearn.topics.first_topics import first_topics
from featlearn.topics.topic_model import Inference, TopicModelMixin, has_settled
from featlearn.topics.unigram import corpus_counts
from featlearn.validation import boolean, integer, real

BLEND = 0.1  # share of the whole corpus in a first topic


@dataclass(frozen=True)
class MixtureSums:
    """Expected words (V, K) and documents (K,) of the topics, and the log-likelihood. They add."""

    words: np.ndarray
    documents: np.ndarray
    log_likelihood: float

    def __add__(self, other: "MixtureSums") -> "MixtureSums":
        return MixtureSums(
            self.words + other.words, self.documents + other.documents, self.log_likelihood + other.log_likelihood
        )

    def __mul__(self, factor: float) -> "MixtureSums":
        return MixtureSums(self.words * factor, self.documents * factor, self.log_likelihood * factor)


def topic_posteriors(
    chunk: sp.csr_array, log_topics: np.ndarray, log_weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """p(topic | document) (n, K) and log p(document) (n,) in float64, from log phi (V, K) and log pi (K,)."""
    r, log_p = np.empty((chunk.shape[0], len(log_weights))), np.empty(chunk.shape[0])
    posteriors(chunk.indptr, chunk.indices, chunk.data, log_topics, log_weights, r, log_p)
    return r, log_p


def mixture_step(chunk: sp.csr_array, *, log_topics: np.ndarray, log_weights: np.ndarray) -> MixtureSums:
    """The E-step of a chunk."""
    r, log_p = topic_posteriors(chunk, log_topics, log_weights)
    known = np.diff(chunk.indptr) > 0
    words = np.zeros_like(log_topics)
    add_words(chunk.indptr, chunk.indices, chunk.data, r, words)
    return MixtureSums(words, r[known].sum(axis=0), float(log_p[known].sum()))


def updated_weights(documents: np.ndarray, alpha: float) -> np.ndarray:
    """pi (K,) of expected documents (K,)."""
    return (documents + alpha) / (documents.sum() + len(documents) * alpha)


def log_prior(topics: np.ndarray, weights: np.ndarray, eta: float, alpha: float) -> float:
    """alpha sum log pi + eta sum log phi."""
    return float(xlogy(alpha, weights).sum()) + (eta * float(safe_log(topics).sum()) if eta else 0.0)


class TopicPosteriors:
    """Inference of a fitted mixture, picklable: p(topic | document), cast to the dtype of the topics.

    A word that no topic knows is left out: it would make every topic impossible alike.
    """

    def __init__(self, components: np.ndarray, weights: np.ndarray):
        self.dtype = components.dtype
        self.log_topics = np.ascontiguousarray(safe_log(components).T)
        self.log_topics[~components.any(axis=0)] = 0
        self.log_weights = safe_log(weights)

    def __call__(self, chunk: sp.csr_array) -> np.ndarray:
        return topic_posteriors(chunk, self.log_topics, self.log_weights)[0].astype(self.dtype)


class MixtureOfUnigrams(TopicModelMixin, CallbackSupportMixin, BaseEstimator):
    """Documents of one topic each: a mixture of multinomials over words, learned by EM.

    Parameters
    ----------
    n_components : int, default=10
        Number of topics K.
    eta : float, default=0.1
        Pseudo-count of every term in every topic; 0 is maximum likelihood. Topics of few documents need it: on held-out
        20 newsgroups 0.1 and more are far better than 0.01.
    alpha : float, default=1.0
        Pseudo-count of documents in every topic; 0 is maximum likelihood.
    max_iter : int, default=100
        Most iterations of `fit`.
    tol : float, default=1e-5
        Stop when the objective rises by less than this fraction in an iteration; with ``early_stopping`` the fraction
        by which the held-out perplexity should fall. 0 runs until nothing moves, or ``max_iter``.
    decay : float, default=0.7
        Exponent of the step sizes of `partial_fit`, in (0.5, 1] for convergence.
    offset : float, default=10.0
        Added to the number of batches in the step sizes, so that early batches weigh less.
    early_stopping : bool, default=False
        Whether to hold documents out, stop when their perplexity no longer falls, and keep the best topics. For arrays
        and sparse matrices only.
    validation_fraction : float, default=0.1
        Share of documents held out.
    n_iter_no_change : int, default=3
        Iterations without improvement before ``early_stopping`` stops.
    warm_start : bool, default=False
        Whether `fit` goes on from the topics it finds.
    n_jobs : int or None, default=None
        Threads; None takes every core this process may use. No effect on the result.
    random_state : int, RandomState or None, default=None
        Seed of the documents that first topics are made of and of those held out.

    Attributes
    ----------
    components_ : array (n_components, n_terms)
        Topics phi; rows sum to 1.
    weights_ : array (n_components,)
        Topic weights pi; they sum to 1.
    topic_counts_ : array (n_components, n_terms)
        Expected count of a term in a topic, mean over documents; what `partial_fit` goes on from.
    log_likelihood_curve_ : array (n_iter_,)
        The objective, log-likelihood plus log-prior, at the start of each iteration of `fit`.
    perplexity_curve_ : array (n_iter_,)
        Held-out perplexity after each iteration, where ``early_stopping``.
    mean_length_ : float
        Mean number of words of a training document.
    n_documents_seen_ : int
        Training documents seen.
    n_iter_ : int
        Iterations of `fit`, or batches of `partial_fit`.
    n_batch_iter_ : int
        Updates of the running statistic: 1 after `fit`, and 1 for each batch.
    n_features_in_ : int
        Number of terms V seen by `fit`.

    Raises
    ------
    ValueError
        For counts that are negative, not finite or all 0, a stream where ``early_stopping``, or a parameter out of
        range.

    Warns
    -----
    ConvergenceWarning
        If ``max_iter`` ended the fit before ``tol`` did, or an interrupt (Ctrl-C) did: the topics are then those of the
        last whole iteration, or the best on the documents held out.

    Notes
    -----
    Arrays, sparse matrices, functions that return iterators of chunks, Dask arrays and bags are walked once an
    iteration, and twice before the first. Topics start from documents that differ most, of at most 2048 drawn at
    random, blended with the whole corpus: in a smaller corpus no other ``random_state`` changes them. With fewer
    documents than topics, some topics start and stay alike.

    `perplexity` weighs the topics of every scored word by the posterior of the document's other half.

    References
    ----------
    Nigam, McCallum, Thrun & Mitchell (2000), "Text classification from labeled and unlabeled documents using EM".
    Blei, Ng & Jordan (2003), "Latent Dirichlet allocation", section 4.2. Cappe & Moulines (2009), "On-line
    expectation-maximization algorithm for latent data models".

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn import MixtureOfUnigrams
    >>> X = np.array([[3, 2, 0, 0], [4, 1, 0, 0], [0, 0, 2, 3], [0, 0, 1, 4]])
    >>> proportions = MixtureOfUnigrams(2, random_state=0).fit_transform(X)
    >>> bool(proportions[0].argmax() == proportions[1].argmax() != proportions[2].argmax())
    True
    """

    _rules: ClassVar = {
        "n_components": integer(1),
        "eta": real(0),
        "alpha": real(0),
        "max_iter": integer(1),
        "tol": real(0),
        "decay": real(0, 1),
        "offset": real(1),
        "early_stopping": boolean(),
        "validation_fraction": real(above=0, high=0.9),
        "n_iter_no_change": integer(1),
        "warm_start": boolean(),
    }

    def __init__(
        self,
        n_components: int = 10,
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
        random_state=None,
    ):
        self.n_components = n_components
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

    @fitting("max_iter")
    def fit(self, X, y=None):
        """Learn the topics by EM.

        Parameters
        ----------
        X : array or sparse matrix (n_documents, n_terms), function returning chunks, Dask array or bag
            Term counts.
        y : ignored
            Present for the API.

        Returns
        -------
        self
        """
        rng = check_random_state(self.random_state)
        warm = self.warm_start and hasattr(self, "components_")
        X = check_counts(self, X, reset=not warm, passes=3)
        X, held = self._hold_out(X, rng, self.early_stopping, self.tol)
        corpus = corpus_counts(X, "MixtureOfUnigrams", self.n_jobs)
        topics, weights = self._start(X, corpus.counts, rng, warm)
        curve: list[float] = []
        settled = False
        kept: Any = None  # of the last whole iteration
        with interruptible("MixtureOfUnigrams", lambda: 0 if kept is None else len(kept[-1])):
            for _ in range(self.max_iter):
                sums = self._walk(X, topics, weights)
                curve = [*curve, sums.log_likelihood + log_prior(topics, weights, self.eta, self.alpha)]
                topics, weights = (
                    updated_topics(sums.words, self.eta, topics),
                    updated_weights(sums.documents, self.alpha),
                )
                metrics = {"log_likelihood": curve[-1]}
                fitted = partial(_fitted, topics, weights, corpus.dtype)
                if held is not None:
                    now = fitted()
                    infer = TopicPosteriors(now["components_"], weights)
                    metrics["perplexity"] = held.look(infer, now["components_"], (topics, weights, sums))
                kept = topics, weights, sums, curve
                stop = end_iteration(self, metrics, fitted)
                settled = stop or (has_settled(curve, self.tol) if held is None else held.stop)
                if settled:
                    break
        topics, weights, sums, curve = kept
        if len(curve) == self.max_iter and not settled:
            self._warn_at_limit(self.max_iter, curve, held)
        if held is not None:
            topics, weights, sums = held.best or (topics, weights, sums)
            self.perplexity_curve_ = np.array(held.curve[: len(curve)])
        elif hasattr(self, "perplexity_curve_"):
            del self.perplexity_curve_
        self._keep(topics, weights, corpus.dtype, sums * (1 / corpus.documents))
        self.log_likelihood_curve_ = np.array(curve)
        self.mean_length_ = float(corpus.counts.sum() / corpus.documents)
        self.n_documents_seen_ = corpus.documents
        self.n_iter_, self.n_batch_iter_ = len(curve), 1
        return self

    def _walk(self, X, topics, weights):
        statistic = partial(mixture_step, log_topics=safe_log(topics), log_weights=safe_log(weights))
        return accumulate(statistic, X, n_jobs=self.n_jobs, rows=DOCUMENTS)

    def _start(self, X, counts, rng, warm):
        """First topics (V, K) and weights (K,), float64: those of the fit before, or of random documents."""
        if warm:
            if len(self.components_) != self.n_components:
                raise ValueError(
                    f"MixtureOfUnigrams: n_components={self.n_components} was set after {len(self.components_)} topics "
                    "were learned, and this goes on with those. Set it back, or fit a clone to start afresh."
                )
            topics = np.ascontiguousarray(self.components_.T, np.float64)
            return with_new_words(topics, counts), self.weights_.astype(np.float64)
        K, seed = self.n_components, int(rng.randint(2**31 - 1))
        # Words that no document drawn holds get their share of the corpus in each.
        topics = (1 - BLEND) * first_topics(X, K, len(counts), seed, self.n_jobs)[0]
        topics += BLEND * (counts / counts.sum())[:, None]
        return topics, np.full(K, 1 / K)

    def _keep(self, topics, weights, dtype, means):
        for name, value in _fitted(topics, weights, dtype).items():
            setattr(self, name, value)
        self.topic_counts_ = np.ascontiguousarray(means.words.T)
        self._topic_documents = means.documents

    @guarded
    def partial_fit(self, X, y=None):
        """Learn from one more batch by stepwise EM; the first one also sets the first topics.

        Parameters
        ----------
        X : array or sparse matrix (n_documents, n_terms), function returning chunks, Dask array or bag
            Term counts of a batch.
        y : ignored
            Present for the API.

        Returns
        -------
        self
        """
        first = not hasattr(self, "components_")
        X = check_counts(self, X, reset=first, passes=3 if first else 1)
        corpus = corpus_counts(X, "MixtureOfUnigrams", self.n_jobs, empty=not first)
        topics, weights = self._start(X, corpus.counts, check_random_state(self.random_state), not first)
        means = self._walk(X, topics, weights) * (1 / corpus.documents)
        seen, length, t, iterations = corpus.documents, float(corpus.counts.sum() / corpus.documents), 0, 0
        if not first:
            seen, t, iterations = seen + self.n_documents_seen_, self.n_batch_iter_, self.n_iter_
            length = self.mean_length_ + (length - self.mean_length_) * corpus.documents / seen
            rho = (self.offset + t) ** -self.decay
            means = MixtureSums(self.topic_counts_.T, self._topic_documents, 0.0) * (1 - rho) + means * rho
        topics = updated_topics(means.words * seen, self.eta, topics)
        self._keep(topics, updated_weights(means.documents * seen, self.alpha), corpus.dtype, means)
        self.mean_length_, self.n_documents_seen_ = length, seen
        self.n_batch_iter_, self.n_iter_ = t + 1, iterations + 1
        return self

    def _inference(self) -> Inference:
        return TopicPosteriors(self.components_, self.weights_)

    def _draw_proportions(self, n_documents, rng):
        weights = self.weights_.astype(np.float64)
        return np.eye(len(weights))[rng.choice(len(weights), size=n_documents, p=weights / weights.sum())]


def _fitted(topics, weights, dtype):
    return {"components_": np.ascontiguousarray(topics.T, dtype), "weights_": weights.astype(dtype)}
