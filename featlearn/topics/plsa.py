"""Probabilistic latent semantic analysis: every word of a document has a topic of its own; (tempered) EM finds them.

X (D, V) counts n_dw, topics phi (K, V), proportions theta (D, K), one parameter vector a training document:

    p(w | d) = sum_k theta_dk phi_kw
    E    r_dwk = (phi_kw theta_dk)^beta / Z_dw,    Z_dw = sum_j (phi_jw theta_dj)^beta
    M    theta_dk = sum_w n_dw r_dwk / N_d,        phi_kw = (sum_d n_dw r_dwk + eta) / (sum_dw n_dw r_dwk + V eta)

EM never lowers  1 / beta sum_dw n_dw log Z_dw + eta sum_kw log phi_kw; for beta = 1 and eta = 0 it is the
log-likelihood, and EM the multiplicative rule of non-negative factorization under the Kullback-Leibler divergence.

    folding-in   theta of a new document: the same EM with phi fixed
    tempering    beta < 1 keeps EM from memorizing. "held_out": EM at beta = 1 until the perplexity of documents held
                 out hardly falls, then from the best topics on with beta := factor beta, until that helps no more

Streams and Dask collections keep no theta: each pass folds every document in, then takes an EM step for the topics.
`partial_fit` is stepwise EM: with s the mean of sum n r over the documents of a batch, S := (1 - rho_t) S + rho_t s,
rho_t = (offset + t)^-decay, and the M-step takes S times the documents seen.

Hofmann (1999), "Probabilistic latent semantic analysis", UAI. Hofmann (2001), "Unsupervised learning by probabilistic
latent semantic analysis", Machine Learning 42. Liang & Klein (2009), "Online EM for unsupervised models".
"""

from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from featlearn.callbacks import CallbackSupportMixin, end_iteration
from featlearn.fitting import fitting, guarded
from featlearn.kernels.sample import RowSample
from featlearn.kernels.topics.aspects import aspect_step, document_uniforms, safe_log, updated_topics, with_new_words
from featlearn.kernels.topics.fold_in import fold_in
from featlearn.notices import interruptible
from featlearn.streaming import accumulate, is_out_of_core, map_chunks
from featlearn.text.counts import DOCUMENTS, check_counts
from featlearn.topics.first_topics import first_topics
from featlearn.topics.topic_model import Inference, TopicModelMixin, has_settled
from featlearn.topics.unigram import corpus_counts
from featlearn.validation import boolean, either, integer, one_of, real

KEPT = 10_000  # documents of a stream whose proportions are kept, for `sample`
SLOW = 1e-3  # fraction by which the held-out perplexity should fall in an iteration, or beta is lowered


@dataclass(frozen=True)
class AspectSums:
    """Expected words (V, K) of the topics, but for the factor phi^beta, and sum n log Z. They add."""

    words: np.ndarray
    log_z: float

    def __add__(self, other: "AspectSums") -> "AspectSums":
        return AspectSums(self.words + other.words, self.log_z + other.log_z)


def tempered(p: np.ndarray, beta: float) -> np.ndarray:
    """p^beta; p itself for 1."""
    return p if beta == 1 else p**beta


def em_pass(chunk, theta, topics, beta, words):
    """Replace theta (n, K) by its update, add to words (V, K) unless None, and return sum n log Z (n,).

    ``topics`` (V, K) are tempered already.
    """
    weights = tempered(theta, beta)
    log_z = np.empty(chunk.shape[0])
    least = np.finfo(topics.dtype).tiny * topics.dtype.type(1e8)
    learn = words is not None
    into = words if learn else topics[:0]
    aspect_step(chunk.indptr, chunk.indices, chunk.data, topics, weights, least, learn, into, log_z)
    theta[:] = weights
    return log_z


def folded_in(chunk: sp.csr_array, *, topics: np.ndarray, beta: float, max_iter: int, tol: float) -> np.ndarray:
    """Proportions theta (n, K) of documents under fixed topics (V, K); uniform where no topic knows any word."""
    n, K = chunk.shape[0], topics.shape[1]
    if beta == 1:
        gamma = fold_in(chunk, topics, np.zeros(K), digamma=False, max_iter=max_iter, tol=tol)
        totals = gamma.sum(axis=1, keepdims=True)
        return np.where(totals > 0, gamma / np.where(totals > 0, totals, 1), topics.dtype.type(1 / K))
    theta = np.full((n, K), 1 / K, topics.dtype)
    powers = tempered(topics, beta)
    for _ in range(max_iter):
        em_pass(chunk, theta, powers, beta, None)
    return theta


def aspect_sums(chunk: sp.csr_array, theta=None, *, topics: np.ndarray, beta: float, infer: Inference) -> AspectSums:
    """The E-step of a chunk under tempered topics (V, K); theta (n, K), if it is kept, is replaced by its update."""
    words = np.zeros_like(topics)
    theta = infer(chunk) if theta is None else theta
    return AspectSums(words, float(em_pass(chunk, theta, topics, beta, words).sum()))


def drawn_proportions(chunk: sp.csr_array, *, infer: Inference, seed: int) -> RowSample:
    """The statistic that keeps the proportions of random documents, drawn by what they hold."""
    keys = document_uniforms(chunk, seed)
    return RowSample.least(KEPT, keys, keys, infer(chunk))


class PLSA(TopicModelMixin, CallbackSupportMixin, BaseEstimator):
    """Probabilistic latent semantic analysis: topics by EM or tempered EM, new documents by folding-in.

    Parameters
    ----------
    n_components : int, default=10
        Number of topics K.
    eta : float, default=0.01
        Pseudo-count of every term in every topic, so that words not seen in training have some probability; 0 is
        maximum likelihood.
    beta : float in (0, 1] or "held_out", default=1.0
        The inverse temperature. 1 is EM; less keeps EM from memorizing; "held_out" starts at 1 and lowers it for as
        long as that improves the perplexity of documents held out, for arrays and sparse matrices only.
    beta_factor : float, default=0.9
        What "held_out" multiplies beta by.
    max_iter : int, default=100
        Most iterations of `fit`.
    tol : float, default=1e-4
        Stop when the objective rises by less than this fraction in an iteration; with ``early_stopping`` the fraction
        by which the held-out perplexity should fall, in an iteration or for a lower beta. 0 runs until nothing moves,
        or ``max_iter``.
    max_doc_iter : int, default=100
        Most iterations of folding a document in, and their number where beta is not 1.
    doc_tol : float, default=1e-3
        Folding-in ends when the mean change of a document's expected words by topic is below.
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
        Iterations without improvement before ``early_stopping`` stops, or "held_out" lowers beta; for the latter 0.1 %
        count as one.
    warm_start : bool, default=False
        Whether `fit` goes on from the topics it finds; proportions start from folding-in.
    n_jobs : int or None, default=None
        Threads; None takes every core this process may use. No effect on the result.
    random_state : int, RandomState or None, default=None
        Seed of the documents that first topics are made of, of the noise on them, and of the documents held out.

    Attributes
    ----------
    components_ : array (n_components, n_terms)
        Topics phi; rows sum to 1.
    proportions_ : array (n_documents, n_components)
        Proportions theta of the training documents, those held out excepted. After fits to streams or Dask collections
        of at most 10,000 distinct documents drawn at random; after `partial_fit` those of its batch.
    beta_ : float
        The inverse temperature of the topics kept; `transform` folds in with it.
    topic_counts_ : array (n_components, n_terms)
        Expected count of a term in a topic, mean over documents; what `partial_fit` goes on from.
    log_likelihood_curve_ : array (n_iter_,)
        The objective (log-likelihood plus log-prior, for beta = 1) at the start of each iteration of `fit`.
    perplexity_curve_ : array (n_iter_,)
        Perplexity of the documents held out after each iteration, if there are any.
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
        For counts that are negative, not finite or all 0, a stream where documents are to be held out, or a parameter
        out of range.

    Warns
    -----
    ConvergenceWarning
        If ``max_iter`` ended the fit before ``tol`` did, or an interrupt (Ctrl-C) did: the topics are then those of the
        last whole iteration, or the best on the documents held out.

    Notes
    -----
    Arrays, sparse matrices, functions that return iterators of chunks, Dask arrays and bags are walked once an
    iteration, twice before the first, and streams and Dask collections once more at the end. Arrays take memory for
    ``proportions_``, streams time for folding-in; both climb the same likelihood by different paths.

    Topics start from documents that differ most, of at most 2048 drawn at random, with some noise: in a smaller corpus
    restarts from other seeds differ little.

    Words that no topic knows (possible for ``eta=0``) have probability 0, and make the perplexity infinite.

    References
    ----------
    Hofmann (1999), "Probabilistic latent semantic analysis". Hofmann (2001), "Unsupervised learning by probabilistic
    latent semantic analysis". Liang & Klein (2009), "Online EM for unsupervised models".

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn import PLSA
    >>> X = np.array([[4, 4, 0, 0], [0, 0, 4, 4], [2, 2, 2, 2]])
    >>> proportions = PLSA(2, random_state=0).fit_transform(X)
    >>> np.sort(proportions.round(1), axis=1)
    array([[0. , 1. ],
           [0. , 1. ],
           [0.5, 0.5]], dtype=float32)
    """

    _rules: ClassVar = {
        "n_components": integer(1),
        "eta": real(0),
        "beta": either(one_of("held_out"), real(above=0, high=1)),
        "beta_factor": real(above=0, high=0.999),
        "max_iter": integer(1),
        "tol": real(0),
        "max_doc_iter": integer(1),
        "doc_tol": real(0),
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
        eta: float = 0.01,
        beta=1.0,
        beta_factor: float = 0.9,
        max_iter: int = 100,
        tol: float = 1e-4,
        max_doc_iter: int = 100,
        doc_tol: float = 1e-3,
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
        self.beta = beta
        self.beta_factor = beta_factor
        self.max_iter = max_iter
        self.tol = tol
        self.max_doc_iter = max_doc_iter
        self.doc_tol = doc_tol
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
        tempering = self.beta == "held_out"
        if tempering and is_out_of_core(X):
            raise ValueError(
                "PLSA: beta='held_out' holds out documents of an array or a sparse matrix; for a stream or a Dask "
                "collection pass a number for beta."
            )
        X, held = self._hold_out(X, rng, self.early_stopping or tempering, SLOW if tempering else self.tol)
        corpus = corpus_counts(X, "PLSA", self.n_jobs)
        beta = self._first_beta(warm)
        topics = self._start(X, rng, corpus, warm)
        theta = None if is_out_of_core(X) else self._first_proportions(X, topics, beta, warm)
        curve: list[float] = []
        lowest, settled = inf, False
        # Of the last whole iteration. An interrupt within one leaves some documents' proportions updated, and the
        # likelihood no lower for it.
        kept: Any = None
        with interruptible("PLSA", lambda: 0 if kept is None else len(kept[-1])):
            for _ in range(self.max_iter):
                words, objective = self._step(X, theta, topics, beta)
                curve = [*curve, objective]
                topics = updated_topics(words, self.eta, topics)
                metrics = {"log_likelihood": objective}
                components = np.ascontiguousarray(topics.T)
                if held is not None and theta is not None:
                    state = (topics, theta.copy(), words, beta)
                    metrics["perplexity"] = held.look(self._fold(topics, beta), components, state)
                kept = topics, theta, words, beta, curve
                stop = end_iteration(self, metrics, partial(dict, components_=components, beta_=beta))
                settled = stop or (held is None and has_settled(curve, self.tol))
                if settled:
                    break
                if held is not None and held.stop:
                    settled = not tempering or held.lowest >= lowest * (1 - self.tol)
                    if settled:
                        break
                    lowest, held.waited = held.lowest, 0
                    topics, theta, words, beta = held.best
                    theta, beta = theta.copy(), beta * self.beta_factor
        topics, theta, words, beta, curve = kept
        if len(curve) == self.max_iter and not settled:
            self._warn_at_limit(self.max_iter, curve, held)
        if held is not None:
            topics, theta, words, beta = held.best or state
            self.perplexity_curve_ = np.array(held.curve[: len(curve)])
        elif hasattr(self, "perplexity_curve_"):
            del self.perplexity_curve_
        if theta is None:
            seed = int(rng.randint(2**31 - 1))
            sample = partial(drawn_proportions, infer=self._fold(topics, beta), seed=seed)
            theta = accumulate(sample, X, n_jobs=self.n_jobs, rows=DOCUMENTS).rows
        self._keep(topics, theta, beta, words / corpus.documents)
        self.log_likelihood_curve_ = np.array(curve)
        self.mean_length_ = float(corpus.counts.sum() / corpus.documents)
        self.n_documents_seen_ = corpus.documents
        self.n_iter_, self.n_batch_iter_ = len(curve), 1
        return self

    def _fold(self, topics, beta) -> Inference:
        return partial(folded_in, topics=topics, beta=beta, max_iter=self.max_doc_iter, tol=self.doc_tol)

    def _start(self, X, rng, corpus, go_on):
        """First topics (V, K): those learned before, or those that documents make, with some noise."""
        if go_on:
            if len(self.components_) != self.n_components:
                raise ValueError(
                    f"PLSA: n_components={self.n_components} was set after {len(self.components_)} topics were "
                    "learned, and this goes on with those. Set it back, or fit a clone to start afresh."
                )
            return with_new_words(np.ascontiguousarray(self.components_.T, corpus.dtype), corpus.counts)
        K, V = self.n_components, self.n_features_in_
        noise, seed = rng.gamma(100.0, 0.01, (K, V)).T, int(rng.randint(2**31 - 1))
        topics = noise * (1 / V + first_topics(X, K, V, seed, self.n_jobs)[0])
        return np.ascontiguousarray(topics / topics.sum(axis=0), corpus.dtype)

    def _first_beta(self, go_on):
        if self.beta == "held_out":
            return self.beta_ if go_on else 1.0
        return float(self.beta)

    def _first_proportions(self, X, topics, beta, warm):
        if warm:
            return map_chunks(self._fold(topics, beta), X, n_jobs=self.n_jobs, rows=DOCUMENTS)
        return np.full((X.shape[0], topics.shape[1]), 1 / topics.shape[1], topics.dtype)

    def _step(self, X, theta, topics, beta):
        """Expected words (V, K) under the present topics, and the objective; theta, if kept, is replaced."""
        powers = tempered(topics, beta)
        statistic = partial(aspect_sums, topics=powers, beta=beta, infer=self._fold(topics, beta))
        aligned = () if theta is None else (theta,)
        sums = accumulate(statistic, X, *aligned, n_jobs=self.n_jobs, rows=DOCUMENTS)
        log_prior = self.eta * float(safe_log(topics).sum()) if self.eta else 0.0
        return sums.words * powers, sums.log_z / beta + log_prior

    def _keep(self, topics, theta, beta, means):
        self.components_ = np.ascontiguousarray(topics.T)
        self.topic_counts_ = np.ascontiguousarray(means.T)
        self.proportions_, self.beta_ = theta, beta

    @guarded
    def partial_fit(self, X, y=None):
        """Learn from one more batch by stepwise EM with folding-in; the first one also sets the first topics.

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
        X = check_counts(self, X, reset=first, passes=3)
        corpus = corpus_counts(X, "PLSA", self.n_jobs, empty=not first)
        rng = check_random_state(self.random_state)
        topics = self._start(X, rng, corpus, not first)
        beta = self._first_beta(not first)
        means = self._step(X, None, topics, beta)[0] / corpus.documents
        seen, length, t, iterations = corpus.documents, float(corpus.counts.sum() / corpus.documents), 0, 0
        if not first:
            seen, t, iterations = seen + self.n_documents_seen_, self.n_batch_iter_, self.n_iter_
            length = self.mean_length_ + (length - self.mean_length_) * corpus.documents / seen
            rho = (self.offset + t) ** -self.decay
            means = (1 - rho) * self.topic_counts_.T + rho * means
        topics = updated_topics(means * seen, self.eta, topics)
        sample = partial(drawn_proportions, infer=self._fold(topics, beta), seed=0)
        self._keep(topics, accumulate(sample, X, n_jobs=self.n_jobs, rows=DOCUMENTS).rows, beta, means)
        self.mean_length_, self.n_documents_seen_ = length, seen
        self.n_batch_iter_, self.n_iter_ = t + 1, iterations + 1
        return self

    def _inference(self) -> Inference:
        return self._fold(np.ascontiguousarray(self.components_.T), self.beta_)

    def _draw_proportions(self, n_documents, rng):
        return self.proportions_[rng.randint(len(self.proportions_), size=n_documents)]
