"""The mixture of unigrams: every document is about one topic, and EM finds the topics.

X (D, V) counts n_dw, topics phi (K, V), topic weights pi (K,):

    p(d) = sum_k pi_k prod_w phi_kw^n_dw
    E    r_dk = pi_k prod_w phi_kw^n_dw / p(d)                        in the log domain
    M    pi_k  = (sum_d r_dk + alpha) / (D + K alpha)
         phi_kw = (sum_d n_dw r_dk + eta) / (sum_dw n_dw r_dk + V eta)

The pseudo-counts are a Dirichlet prior: EM never lowers  sum_d log p(d) + alpha sum_k log pi_k + eta sum_kw log phi_kw.
Documents without words say nothing and are left out of D. `em.py` has the loop, and stepwise EM for `partial_fit`.

Nigam, McCallum, Thrun & Mitchell (2000), "Text classification from labeled and unlabeled documents using EM".
"""

from functools import partial
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import scipy.sparse as sp
from scipy.special import xlogy
from sklearn.base import BaseEstimator

from featlearn.kernels.topics.aspects import add_words, posteriors, safe_log, updated_topics
from featlearn.streaming import accumulate
from featlearn.text.counts import DOCUMENTS
from featlearn.topics.em import RULES, EMTopicModel, Sums, known_topics
from featlearn.topics.first_topics import first_topics
from featlearn.topics.topic_model import Inference
from featlearn.validation import real

BLEND = 0.1  # share of the whole corpus in a first topic


class Mixture(NamedTuple):
    """Topics (V, K) and their weights (K,), in float64."""

    topics: np.ndarray
    weights: np.ndarray


class MixtureSums(Sums):
    """What an E-step says of the topics."""

    def __truediv__(self, n: float) -> Self:
        return self * (1 / n)


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
    return MixtureSums(words, float(log_p[known].sum()), r[known].sum(axis=0))


def updated_weights(documents: np.ndarray, alpha: float) -> np.ndarray:
    """pi (K,) of expected documents (K,)."""
    return (documents + alpha) / (documents.sum() + len(documents) * alpha)


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


class MixtureOfUnigrams(EMTopicModel, BaseEstimator):
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

    See Also
    --------
    LDA, PLSA : Several topics a document.
    UnigramModel : One topic in all.

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

    _rules: ClassVar = RULES | {"alpha": real(0)}

    def __init__(
        self,
        n_components: int = 10,
        *,
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
            return Mixture(known_topics(self, corpus, np.float64), self.weights_.astype(np.float64))
        K, counts, seed = self.n_components, corpus.counts, int(rng.randint(2**31 - 1))
        # Words that no document drawn holds get their share of the corpus in each.
        topics = (1 - BLEND) * first_topics(X, K, len(counts), seed, self.n_jobs)[0]
        topics += BLEND * (counts / counts.sum())[:, None]
        return Mixture(topics, np.full(K, 1 / K))

    def _expect(self, X, state):
        log_topics = safe_log(state.topics)
        statistic = partial(mixture_step, log_topics=log_topics, log_weights=safe_log(state.weights))
        sums = accumulate(statistic, X, n_jobs=self.n_jobs, rows=DOCUMENTS)
        log_prior = float(xlogy(self.alpha, state.weights).sum())
        log_prior += self.eta * float(log_topics.sum()) if self.eta else 0.0
        return sums, sums.log_likelihood + log_prior

    def _maximize(self, sums, state):
        return Mixture(updated_topics(sums.words, self.eta, state.topics), updated_weights(sums.documents, self.alpha))

    def _fitted(self, state, dtype):
        return {**super()._fitted(state, dtype), "weights_": state.weights.astype(dtype)}

    def _infer(self, state, components):
        return TopicPosteriors(components, state.weights)

    def _inference(self) -> Inference:
        return TopicPosteriors(self.components_, self.weights_)

    def _draw_proportions(self, n_documents, rng):
        weights = self.weights_.astype(np.float64)
        return np.eye(len(weights))[rng.choice(len(weights), size=n_documents, p=weights / weights.sum())]
