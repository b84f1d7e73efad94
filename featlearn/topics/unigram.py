"""The unigram model: one distribution over words for all documents, the baseline of every topic model.

    p(w) = (n_w + eta) / (N + V eta)

with n_w the count of word w in the corpus, N the number of words and V that of terms. eta = 0 is maximum likelihood;
eta > 0 is the mean of the posterior under a Dirichlet(eta) prior. It is the topic model with K = 1.

Blei, Ng & Jordan (2003), "Latent Dirichlet allocation", section 4.1.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse as sp
from scipy.special import xlogy
from sklearn.base import BaseEstimator

from featlearn.callbacks import CallbackSupportMixin, end_iteration
from featlearn.fitting import fitting, guarded
from featlearn.streaming import accumulate
from featlearn.text.counts import DOCUMENTS, check_counts, require_words
from featlearn.topics.topic_model import Inference, TopicModelMixin
from featlearn.validation import real


@dataclass(frozen=True)
class WordCounts:
    """Counts (V,) of words in float64, how many documents hold them, and the widest dtype of these. They add."""

    counts: np.ndarray
    documents: int
    dtype: np.dtype

    @classmethod
    def of(cls, chunk: sp.csr_array) -> "WordCounts":
        """The statistic of one chunk of documents."""
        counts = np.bincount(chunk.indices, weights=chunk.data, minlength=chunk.shape[1])
        return cls(counts, chunk.shape[0], chunk.dtype)

    def __add__(self, other: "WordCounts") -> "WordCounts":
        dtype = np.promote_types(self.dtype, other.dtype)
        return WordCounts(self.counts + other.counts, self.documents + other.documents, dtype)


def corpus_counts(X: Any, who: str, n_jobs: int | None = None, *, empty: bool = False) -> WordCounts:
    """Word counts of a whole corpus; a ValueError if it holds no word, unless it may be ``empty``."""
    corpus = accumulate(WordCounts.of, X, n_jobs=n_jobs, rows=DOCUMENTS)
    if not empty:
        require_words(who, corpus.documents, corpus.counts.sum())
    return corpus


def word_distribution(counts: np.ndarray, eta: float) -> np.ndarray:
    """p (V,) of counts (V,)."""
    return (counts + eta) / (counts.sum() + len(counts) * eta)


def ones(chunk: sp.csr_array, *, dtype: np.dtype) -> np.ndarray:
    """Proportions (n, 1) of documents under the only topic."""
    return np.ones((chunk.shape[0], 1), dtype)


class UnigramModel(TopicModelMixin, CallbackSupportMixin, BaseEstimator):
    """One distribution over words for all documents: the baseline of topic models.

    Parameters
    ----------
    eta : float, default=0.01
        Pseudo-count of every term, so that words not seen in training have some probability; 0 is maximum likelihood.
    n_jobs : int or None, default=None
        Threads; None takes every core this process may use. No effect on the result.

    Attributes
    ----------
    components_ : array (1, n_terms)
        Probabilities of the terms.
    counts_ : array (n_terms,)
        Counts of the terms in all documents seen.
    log_likelihood_ : float
        Log-probability of all words seen.
    mean_length_ : float
        Mean number of words of a document seen.
    n_documents_seen_ : int
        Documents seen.
    n_iter_ : int
        1 after `fit`; the number of batches after `partial_fit`.
    n_features_in_ : int
        Number of terms V seen by `fit`.

    Raises
    ------
    ValueError
        For counts that are negative, not finite or all 0, or a parameter out of range.

    See Also
    --------
    MixtureOfUnigrams, LDA : Models with topics.

    Notes
    -----
    The data are walked once, so any iterator of chunks will do. Only `perplexity` and `sample` are of much use:
    `transform` gives ones.

    References
    ----------
    Blei, Ng & Jordan (2003), "Latent Dirichlet allocation", section 4.1.

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn import UnigramModel
    >>> X = np.array([[2, 1, 0], [0, 1, 0]])
    >>> UnigramModel(eta=0).fit(X).components_
    array([[0.5, 0.5, 0. ]], dtype=float32)
    """

    _rules: ClassVar = {"eta": real(0)}

    def __init__(self, *, eta: float = 0.01, n_jobs: int | None = None):
        self.eta = eta
        self.n_jobs = n_jobs

    @fitting(1)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Count the words.

        Parameters
        ----------
        X : array or sparse matrix (n_documents, n_terms), stream of chunks, Dask array or bag
            Term counts.
        y : ignored
            Present for the API.

        Returns
        -------
        self
        """
        X = check_counts(self, X, reset=True)
        self._learn(corpus_counts(X, "UnigramModel", self.n_jobs), n_iter=1)
        end_iteration(self, {"log_likelihood": self.log_likelihood_})
        return self

    @guarded
    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Count the words of one more batch; batches in any order give what one `fit` of them all gives.

        Parameters
        ----------
        X : array or sparse matrix (n_documents, n_terms), stream of chunks, Dask array or bag
            Term counts of a batch.
        y : ignored
            Present for the API.

        Returns
        -------
        self
        """
        first = not hasattr(self, "components_")
        X = check_counts(self, X, reset=first)
        batch = corpus_counts(X, "UnigramModel", self.n_jobs, empty=not first)
        if first:
            self._learn(batch, n_iter=1)
        else:
            self._learn(WordCounts(self.counts_, self.n_documents_seen_, batch.dtype) + batch, self.n_iter_ + 1)
        return self

    def _learn(self, corpus: WordCounts, n_iter: int) -> None:
        p = word_distribution(corpus.counts, self.eta)
        self.components_ = p[None].astype(corpus.dtype)
        self.counts_, self.n_documents_seen_ = corpus.counts, corpus.documents
        self.log_likelihood_ = float(xlogy(corpus.counts, p).sum())
        self.mean_length_ = float(corpus.counts.sum() / corpus.documents)
        self.n_iter_ = n_iter

    def _inference(self) -> Inference:
        return partial(ones, dtype=self.components_.dtype)

    def _draw_proportions(self, n_documents, rng):
        return np.ones((n_documents, 1))
