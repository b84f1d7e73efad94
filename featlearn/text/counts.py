"""The gate of term counts: dense or sparse, whole or fractional, in memory, streamed or on a cluster.

Inside, documents are ``scipy.sparse.csr_array`` (n_documents, n_terms) of float32 or float64 with sorted indices, each
stored once and greater than 0. A fractional count is a weight: 2.5 is three tokens of weight 5/6.
"""

from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import check_array, validate_data

from featlearn.kernels.counts import halves, log_likelihoods
from featlearn.streaming import is_out_of_core
from featlearn.validation import RowGate, check_out_of_core

DOCUMENTS = 1024  # in a chunk: few enough for every core to have some, enough for the walk to cost nothing
EXACT = 2**24  # whole numbers up to here are exact in float32
MOST = 2**40  # in one count: the sum of a document's is exact in int64


def check_counts(estimator: Any, X: Any, *, reset: bool, passes: int = 1) -> Any:
    """Term counts as the estimator may walk over them.

    Arrays and sparse matrices are checked (2-D, finite, at least 0, the vocabulary of the fit) and come back as
    documents; streams and Dask collections unchanged, wrapped so that every chunk is checked and converted as it
    passes. A fit refuses a corpus in memory that holds no word at all.
    """
    who = type(estimator).__name__
    if is_out_of_core(X):
        return check_out_of_core(estimator, X, reset=reset, passes=passes, gate_type=CountGate)
    try:
        X = validate_data(estimator, X, reset=reset, accept_sparse="csr", dtype="numeric")
    except ValueError as error:
        if "expecting" in str(error) and "features as input" in str(error):
            raise ValueError(
                f"{error}. Count the terms with the vectorizer that the model was fitted behind."
            ) from None
        raise
    X = as_counts(X, who)
    if reset and X.nnz == 0:
        raise ValueError(
            f"{who}: the corpus holds no words: all {X.shape[0]} documents are empty. Check the vocabulary, the stop "
            "words and the limits (min_df, max_df) of the vectorizer."
        )
    return X


def as_counts(X: Any, who: str) -> sp.csr_array:
    """X (n_documents, n_terms), known to be finite and two-dimensional, as documents; the input is not changed."""
    values = X.data if sp.issparse(X) else X
    dtype = values.dtype
    if dtype not in (np.float32, np.float64):
        exact = dtype.itemsize <= 2 or (dtype.kind in "iu" and values.max(initial=0) <= EXACT)
        dtype = np.dtype(np.float32 if exact else np.float64)
    counts = sp.csr_array(X, dtype=dtype)
    if not counts.has_canonical_format:
        counts = counts.copy()
        counts.sum_duplicates()
    if counts.nnz == 0:
        return counts
    least, most = counts.data.argmin(), counts.data.argmax()
    if counts.data[least] < 0:
        raise ValueError(
            f"Negative values in data passed to {who}: {_entry(counts, least)}. Counts are at least 0; pass what a "
            "CountVectorizer makes."
        )
    if counts.data[most] > MOST:
        raise ValueError(
            f"{who} counts words, up to {MOST:.2g} of a term in a document; got {_entry(counts, most)}. Divide all "
            "counts by one number."
        )
    if counts.data[least] == 0:
        counts = counts.copy()
        counts.eliminate_zeros()
    return counts


def _entry(counts, i):
    row = np.searchsorted(counts.indptr, i, side="right") - 1
    return f"{counts.data[i]:g} in document {row}, term {counts.indices[i]}"


class CountGate(RowGate):
    """Checks one chunk of a stream of counts and turns it into documents. Picklable."""

    def __call__(self, chunk):
        chunk = check_array(
            chunk,
            accept_sparse="csr",
            dtype="numeric",
            ensure_min_samples=0,
            input_name=f"a chunk given to {self.who}",
        )
        self.check_width(chunk.shape[1])
        return as_counts(chunk, self.who)


def two_halves(X: sp.csr_array, seed: int = 0) -> tuple[sp.csr_array, sp.csr_array]:
    """Each document's words cut at random in two halves, for completion: one infers, the other is scored.

    Of an odd number of words the second half has one more. The cut depends on the seed and on what a document holds,
    not on its place. Entries of 0 stay stored.
    """
    first = np.empty_like(X.data)
    halves(X.indptr, X.indices, X.data, seed, first)
    return (
        sp.csr_array((first, X.indices, X.indptr), shape=X.shape),
        sp.csr_array((X.data - first, X.indices, X.indptr), shape=X.shape),
    )


def log_probabilities(X: sp.csr_array, proportions: np.ndarray, components: np.ndarray) -> np.ndarray:
    """sum_w n_w log sum_k theta_k phi_kw (n,) of documents, with proportions (n, K) and components (K, V)."""
    out = np.empty(X.shape[0])
    topics = np.ascontiguousarray(components.T)
    log_likelihoods(X.indptr, X.indices, X.data, np.ascontiguousarray(proportions, topics.dtype), topics, out)
    return out
