"""What all fitted topic models can do: proportions of documents, document completion, the generative story.

A fitted model holds topics phi = `components_` (K, V), each a distribution over the V terms, and infers for a document
proportions theta (K,), so that its words have probability p(w) = sum_k theta_k phi_kw. A model says how it infers
(`_inference`) and how it draws proportions (`_draw_proportions`); everything else is here.

    completion   infer theta from one half of a document's words, score the other:
                 perplexity = exp(- sum log p(w) / N) over the N words scored
"""

from collections.abc import Callable
from functools import partial
from math import exp, inf
from numbers import Integral
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from featlearn.streaming import accumulate, map_chunks
from featlearn.text.counts import DOCUMENTS, check_arrays, check_counts, log_probabilities, two_halves
from featlearn.validation import COMMON, check_argument, check_parameters, integer

Inference = Callable[[sp.csr_array], np.ndarray]  # documents (n, V) to proportions (n, K); picklable, row by row


class Proportions:
    """Inference with the one rule all models share: an empty document says nothing, so its proportions are uniform."""

    def __init__(self, infer: Inference):
        self.infer = infer

    def __call__(self, chunk: sp.csr_array) -> np.ndarray:
        chunk = sp.csr_array(chunk)  # a Dask map asks for the result's shape with a dense row of zeros
        theta = self.infer(chunk)
        empty = np.asarray(chunk.sum(axis=1)).ravel() == 0
        theta[empty] = 1 / theta.shape[1]
        return theta


def completed(chunk: sp.csr_array, *, infer: Inference, components: np.ndarray, seed: int) -> np.ndarray:
    """Log-probability of the scored halves of a chunk's documents, and how many words these have."""
    first, second = two_halves(chunk, seed)
    with np.errstate(divide="ignore"):  # a word that no topic knows has probability 0, and the perplexity is infinite
        scored = log_probabilities(second, infer(first), components)
    return np.array([scored.sum(), second.data.sum(dtype=np.float64)])


def completion_perplexity(
    X: Any, infer: Inference, components: np.ndarray, *, seed: int = 0, n_jobs: int | None = None
) -> tuple[float, float]:
    """Perplexity of documents under topics (K, V) by completion, and the number of words scored."""
    # By columns, a word's topics lie side by side, as the kernel reads them: turned once, not for every chunk.
    components = np.asfortranarray(components)
    statistic = partial(completed, infer=Proportions(infer), components=components, seed=seed)
    total, words = accumulate(statistic, X, n_jobs=n_jobs, rows=DOCUMENTS)
    return inf if total == -inf else exp(min(-total / (words or 1), 709.0)), float(words)


def drawn_counts(
    lengths: np.ndarray, proportions: np.ndarray, components: np.ndarray, rng: np.random.RandomState
) -> sp.csr_array:
    """Documents (n, V) of ``lengths`` (n,) words: a topic for each from proportions (n, K), then a term from it."""
    generator = np.random.default_rng(rng.randint(2**32, size=4, dtype=np.uint32))
    theta = proportions.astype(np.float64)
    n_dk = generator.multinomial(lengths, theta / theta.sum(axis=1, keepdims=True))
    documents, terms = [], []
    for k, phi in enumerate(components):
        ends = np.cumsum(phi, dtype=np.float64)
        documents.append(np.repeat(np.arange(len(lengths), dtype=np.int32), n_dk[:, k]))
        uniforms = generator.random(len(documents[-1]))
        terms.append(np.searchsorted(ends, uniforms * ends[-1], side="right").astype(np.int32))
    places = np.concatenate(documents), np.concatenate(terms)
    counts = sp.coo_array((np.ones(len(places[0]), np.int32), places), shape=(len(lengths), components.shape[1]))
    return sp.csr_array(counts, dtype=components.dtype)


class TopicModelMixin(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """`transform`, `score`, `perplexity` and `sample` of a model with `components_` (K, V) and `mean_length_`."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.positive_only = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _inference(self) -> Inference:
        """How the fitted model infers proportions of documents."""
        raise NotImplementedError

    def _draw_proportions(self, n_documents: int, rng: np.random.RandomState) -> np.ndarray:
        """Proportions (n_documents, K) drawn from the model."""
        raise NotImplementedError

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)

    def transform(self, X: Any) -> Any:
        """Topic proportions of documents.

        Parameters
        ----------
        X : array or sparse matrix (n_documents, n_terms), stream of chunks or Dask array
            Term counts, with the vocabulary of the fit.

        Returns
        -------
        proportions : array (n_documents, n_components)
            Rows sum to 1; an empty document has uniform proportions. Lazy for streams and Dask arrays, as `map_chunks`.
        """
        check_is_fitted(self)
        check_parameters(self, "n_jobs")
        X = check_counts(self, X, reset=False)
        return map_chunks(Proportions(self._inference()), X, n_jobs=self.n_jobs, rows=DOCUMENTS)

    def perplexity(self, X: Any, *, random_state: Any = 0) -> float:
        """Perplexity of held-out documents by completion: half the words infer proportions, the other half are scored.

        Parameters
        ----------
        X : array or sparse matrix (n_documents, n_terms), stream of chunks, Dask array or bag
            Term counts of documents that the model was not fitted to.
        random_state : int, RandomState or None, default=0
            Decides the halves, with the contents of each document; 0, as in `score`, cuts them alike in every call.

        Returns
        -------
        perplexity : float
            exp of minus the mean log-probability of the scored words; the number of terms for a uniform guess. Infinite
            if a scored word has probability 0.

        Raises
        ------
        ValueError
            If no document holds a word, or ``random_state`` is not valid.
        """
        check_is_fitted(self)
        check_parameters(self, "n_jobs")
        check_argument(f"{type(self).__name__}.perplexity", "random_state", random_state, COMMON["random_state"])
        whole = isinstance(random_state, Integral)
        seed = int(random_state if whole else check_random_state(random_state).randint(2**31 - 1))
        X = check_counts(self, X, reset=False)
        perplexity, words = completion_perplexity(X, self._inference(), self.components_, seed=seed, n_jobs=self.n_jobs)
        if words == 0:
            raise ValueError(
                f"{type(self).__name__}: perplexity is undefined, for the documents hold no word of the vocabulary."
            )
        return perplexity

    def score(self, X: Any, y: Any = None) -> float:
        """Mean log-probability of a held-out word by completion: minus the logarithm of `perplexity`.

        Parameters
        ----------
        X : array or sparse matrix (n_documents, n_terms), stream of chunks, Dask array or bag
            Term counts.
        y : ignored
            Present for the API.

        Returns
        -------
        score : float
            Larger is better.
        """
        return -float(np.log(self.perplexity(X)))

    def sample(self, n_documents: int = 1, *, length: Any = None, random_state: Any = None) -> sp.csr_array:
        """Documents drawn from the model: proportions for each document, then a topic and a term for each word.

        Parameters
        ----------
        n_documents : int, default=1
            Number of documents.
        length : int, array (n_documents,) or None, default=None
            Words a document has; None draws from a Poisson distribution with the mean length of the training documents.
        random_state : int, RandomState or None, default=None
            Seed of the draws; None draws afresh in every call.

        Returns
        -------
        X : csr_array (n_documents, n_terms)
            Term counts, with the dtype of `components_`. Memory grows with the number of words drawn.

        Raises
        ------
        ValueError
            If ``n_documents``, ``length`` or ``random_state`` is not valid.
        """
        check_is_fitted(self)
        check_arrays(self)
        who = f"{type(self).__name__}.sample"
        check_argument(who, "random_state", random_state, COMMON["random_state"])
        check_argument(who, "n_documents", n_documents, integer(1))
        if not self.components_.any(axis=1).all():
            raise ValueError(
                f"{who}: a topic in components_ has no term of probability above 0, so nothing can be drawn."
            )
        rng = check_random_state(random_state)
        lengths = rng.poisson(self.mean_length_, n_documents) if length is None else np.asarray(length)
        if lengths.dtype.kind not in "iu" or lengths.shape not in ((), (n_documents,)) or lengths.min() < 0:
            raise ValueError(
                f"{who}: length={length!r} is not valid; pass None, an integer of at least 0, or an array of "
                f"{n_documents} of them."
            )
        lengths = np.broadcast_to(lengths, n_documents)
        theta = self._draw_proportions(n_documents, rng)
        if theta.shape[1] != len(self.components_) or not (theta.sum(axis=1) > 0).all():
            raise ValueError(
                f"{who}: nothing can be drawn from proportions of shape {theta.shape} and components_ of shape "
                f"{self.components_.shape}; they must agree, and no row of either may be all 0."
            )
        return drawn_counts(lengths, theta, self.components_, rng)
