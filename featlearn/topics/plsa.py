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

Streams and Dask collections keep no theta: each pass folds every document in, then takes an EM step for the topics, as
`partial_fit` does, which is stepwise EM (`em.py`).

Hofmann (1999), "Probabilistic latent semantic analysis", UAI. Hofmann (2001), "Unsupervised learning by probabilistic
latent semantic analysis", Machine Learning 42.
"""

from functools import partial
from typing import Any, ClassVar, NamedTuple

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator

from featlearn.kernels.sample import RowSample
from featlearn.kernels.topics.aspects import aspect_step, document_uniforms, safe_log, updated_topics
from featlearn.kernels.topics.fold_in import fold_in
from featlearn.streaming import accumulate, is_out_of_core, map_chunks
from featlearn.text.counts import DOCUMENTS
from featlearn.topics.em import RULES, EMTopicModel, HeldOut, Sums, hold_out, known_topics
from featlearn.topics.first_topics import first_topics
from featlearn.topics.topic_model import Inference
from featlearn.validation import either, integer, one_of, real

KEPT = 10_000  # documents of a stream whose proportions are kept, for `sample`
SLOW = 1e-3  # fraction by which the held-out perplexity should fall in an iteration, or beta is lowered


class Aspects(NamedTuple):
    """Topics (V, K), proportions (D, K) of the documents (None where they are folded in), and the temperature."""

    topics: np.ndarray
    theta: np.ndarray | None
    beta: float


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


def aspect_sums(chunk: sp.csr_array, theta=None, *, topics: np.ndarray, beta: float, infer: Inference) -> Sums:
    """The E-step of a chunk, but for a factor: the topics (V, K), tempered. theta (n, K), if kept, is replaced."""
    words = np.zeros_like(topics)
    theta = infer(chunk) if theta is None else theta
    return Sums(words, float(em_pass(chunk, theta, topics, beta, words).sum()))


def drawn_proportions(chunk: sp.csr_array, *, infer: Inference, seed: int) -> RowSample:
    """The statistic that keeps the proportions of random documents, drawn by what they hold."""
    keys = document_uniforms(chunk, seed)
    return RowSample.least(KEPT, keys, keys, infer(chunk))


class PLSA(EMTopicModel, BaseEstimator):
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

    See Also
    --------
    LDA : With priors, and for streams.
    MixtureOfUnigrams : One topic a document.

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

    _rules: ClassVar = RULES | {
        "beta": either(one_of("held_out"), real(above=0, high=1)),
        "beta_factor": real(above=0, high=0.999),
        "max_doc_iter": integer(1),
        "doc_tol": real(0),
    }

    def __init__(
        self,
        n_components: int = 10,
        *,
        eta: float = 0.01,
        beta: float | str = 1.0,
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
        random_state: Any = None,
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

    def _fold(self, topics, beta) -> Inference:
        return partial(folded_in, topics=topics, beta=beta, max_iter=self.max_doc_iter, tol=self.doc_tol)

    def _start(self, X, corpus, rng, go_on, stepwise):
        K, V = self.n_components, self.n_features_in_
        beta = float(self.beta) if self.beta != "held_out" else self.beta_ if go_on else 1.0
        if go_on:
            topics = known_topics(self, corpus, corpus.dtype)
        else:
            noise, seed = rng.gamma(100.0, 0.01, (K, V)).T, int(rng.randint(2**31 - 1))
            topics = noise * (1 / V + first_topics(X, K, V, seed, self.n_jobs)[0])
            topics = np.ascontiguousarray(topics / topics.sum(axis=0), corpus.dtype)
        theta = None
        if go_on and not stepwise and not is_out_of_core(X):
            theta = map_chunks(self._fold(topics, beta), X, n_jobs=self.n_jobs, rows=DOCUMENTS)
        elif not stepwise and not is_out_of_core(X):
            theta = np.full((X.shape[0], K), 1 / K, topics.dtype)
        return Aspects(topics, theta, beta)

    def _expect(self, X, state):
        topics, theta, beta = state
        powers = tempered(topics, beta)
        statistic = partial(aspect_sums, topics=powers, beta=beta, infer=self._fold(topics, beta))
        aligned = () if theta is None else (theta,)
        sums = accumulate(statistic, X, *aligned, n_jobs=self.n_jobs, rows=DOCUMENTS)
        log_prior = self.eta * float(safe_log(topics).sum()) if self.eta else 0.0
        return Sums(sums.words * powers, sums.log_likelihood), sums.log_likelihood / beta + log_prior

    def _maximize(self, sums, state):
        return state._replace(topics=updated_topics(sums.words, self.eta, state.topics))

    def _fitted(self, state, dtype):
        return {**super()._fitted(state, dtype), "beta_": state.beta}

    def _infer(self, state, components):
        return self._fold(state.topics, state.beta)

    def _hold_out(self, X, rng):
        if self.beta == "held_out" and is_out_of_core(X):
            raise ValueError(
                "PLSA: beta='held_out' holds out documents of an array or a sparse matrix; for a stream or a Dask "
                "collection pass a number for beta."
            )
        return hold_out(self, X, rng, SLOW if self.beta == "held_out" else None)

    def _copied(self, state):
        return state._replace(theta=state.theta.copy())

    def _resumed(self, held: HeldOut) -> Aspects | None:
        """The best topics at a lower beta, for as long as that helps."""
        if self.beta != "held_out" or not held.renewed(self.tol):
            return None
        best, _ = held.best
        return self._copied(best)._replace(beta=best.beta * self.beta_factor)

    def _keep(self, X, state, means, dtype, rng=None):
        super()._keep(X, state, means, dtype, rng)
        self.proportions_ = state.theta
        if state.theta is None:
            seed = 0 if rng is None else int(rng.randint(2**31 - 1))
            sample = partial(drawn_proportions, infer=self._fold(state.topics, state.beta), seed=seed)
            self.proportions_ = accumulate(sample, X, n_jobs=self.n_jobs, rows=DOCUMENTS).rows

    def _inference(self) -> Inference:
        return self._fold(np.ascontiguousarray(self.components_.T), self.beta_)

    def _draw_proportions(self, n_documents, rng):
        return self.proportions_[rng.randint(len(self.proportions_), size=n_documents)]
