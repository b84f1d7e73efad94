"""The gate of term counts: dense or sparse, whole or fractional, in memory, streamed or on a cluster.

Inside, documents are ``scipy.sparse.csr_array`` (n_documents, n_terms) of float32 or float64 with sorted indices, each
stored once and greater than 0. A fractional count is a weight: 2.5 is three tokens of weight 5/6.
"""

from collections.abc import Mapping, Set
from numbers import Real
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import check_array, validate_data

from featlearn.kernels.topics.halves import halves, log_likelihoods
from featlearn.notices import notify
from featlearn.sparse import sound_csr
from featlearn.streaming import is_out_of_core
from featlearn.validation import RowGate, check_out_of_core

DOCUMENTS = 1024  # in a chunk: few enough for every core to have some, enough for the walk to cost nothing
EXACT = 2**24  # whole numbers up to here are exact in float32
MOST = 2**40  # in one count: the sum of a document's is exact in int64
MOST_TOKENS = 2**31  # that a Gibbs sampler keeps a topic of: 24 GB
MOST_EQUAL = 2**24  # of one term or document: its counts are float32, and whole numbers exact up to here
# The arrays of fitted models: K topics, V terms, and as many rows (*) as there are.
FITTED = {"components_": "KV", "topic_counts_": "KV", "alpha_": "K", "weights_": "K", "counts_": "V", "eta_": "V"}
FITTED |= {"proportions_": "*K"}
PROBABILITIES = ("components_", "alpha_", "weights_", "proportions_")


def check_counts(estimator: Any, X: Any, *, reset: bool, passes: int = 1) -> Any:
    """Term counts as the estimator may walk over them.

    Arrays and sparse matrices are checked (a sound structure, 2-D, finite, at least 0, the vocabulary of the fit) and
    come back as documents; streams and Dask collections unchanged, wrapped so that every chunk is checked and converted
    as it passes. A fit refuses a corpus in memory that holds no word at all.
    """
    who = type(estimator).__name__
    if not reset:
        check_arrays(estimator)
    if is_out_of_core(X):
        return check_out_of_core(estimator, X, reset=reset, passes=passes, gate_type=CountGate)
    X, narrow = _readable(X, who, "X")
    try:
        X = validate_data(estimator, X, reset=reset, accept_sparse="csr", dtype="numeric")
    except ValueError as error:
        if "expecting" in str(error) and "features as input" in str(error):
            raise ValueError(
                f"{str(error).rstrip('.')}. Count the terms with the vectorizer that the model was fitted behind."
            ) from None
        raise
    X = _documents(X, who, narrow)
    if reset:
        warn_of_tf_idf(X, who)
    if reset:
        require_words(who, X.shape[0], X.nnz)
    return X


def require_words(who: str, documents: int, words: float) -> None:
    """Refuse a corpus without words, which streams tell only when walked."""
    if words == 0:
        raise ValueError(
            f"{who}: the corpus holds no words: all {documents} documents are empty. Check the vocabulary, the stop "
            "words and the limits (min_df, max_df) of the vectorizer."
        )


def warn_of_tf_idf(X: sp.csr_array, who: str) -> None:
    """Say that documents all of length 1 are no counts, but what a TfidfVectorizer makes of them."""
    if not len(X.data) or X.data.max() > 1 or (np.modf(X.data[:100])[0] == 0).all():
        return
    squares = np.asarray(X.multiply(X).sum(axis=1)).ravel()
    squares = squares[squares > 0]
    if len(squares) > 1 and np.allclose(squares, 1, atol=1e-4):
        notify(
            f"{who} counts words, and all {len(squares):,} documents have length 1, as TfidfVectorizer makes them: "
            "each counts as a few words, and topics are poor. Pass counts: CountVectorizer()."
        )


def as_counts(X: Any, who: str, what: str = "X") -> sp.csr_array:
    """An array or a sparse matrix (n_documents, n_terms) as documents, all of it checked; X itself is not changed."""
    X, narrow = _readable(X, who, what)
    X = check_array(X, accept_sparse="csr", ensure_min_samples=0, input_name=f"{what} given to {who}")
    return _documents(X, who, narrow)


def _readable(X, who, what):
    """X as scikit-learn's checks, too, may read it; and whether its numbers were of a type without large fractions."""
    if sp.issparse(X):
        return sound_csr(who, X, what), X.dtype.kind in "biu" or X.dtype == np.float16
    refuse_documents(who, X)
    if np.ma.is_masked(X):
        raise ValueError(
            f"{who}: {what} is a masked array with {int(np.ma.count_masked(X))} masked values, which would be taken as "
            "they stand. Fill them (X.filled(0)), or drop those rows."
        )
    fills = [d.fill_value for d in getattr(X, "dtypes", ()) if hasattr(d, "fill_value")] if hasattr(X, "sparse") else []
    if any(fill != 0 for fill in fills):
        raise ValueError(
            f"{who}: {what} is a sparse data frame whose columns leave out {next(f for f in fills if f != 0)}, not 0. "
            "Pass X.sparse.to_dense().fillna(0)."
        )
    return X, False


def _documents(X, who, narrow):
    """Documents of a sound and finite X; ``narrow`` numbers become float32 if that holds them."""
    values = X.data if sp.issparse(X) else X
    dtype = values.dtype
    if narrow or dtype not in (np.float32, np.float64):
        narrow = narrow or dtype.kind in "biu" or dtype == np.float16
        dtype = np.dtype(np.float32 if narrow and float(values.max(initial=0)) <= EXACT else np.float64)
    counts = sp.csr_array(X, dtype=dtype)
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


def refuse_documents(who: str, X: Any) -> None:
    """A ValueError for texts, lists of tokens or gensim's bags of words where counts belong, that says what to do."""
    first = X if isinstance(X, (str, bytes)) else _first(X)
    words = f"Let CountVectorizer count their words, make_pipeline(CountVectorizer(), {who}(...)), or"
    if isinstance(first, (str, bytes)):
        what, fix = f"texts ({first[:40]!r})", f"{words} TopicExtractor({who}(...)) do all of it."
    elif isinstance(first, (list, tuple)):
        item = next((item for document in X if isinstance(document, (list, tuple)) for item in document[:1]), None)
        item = item.tolist() if isinstance(item, np.ndarray) else item
        if isinstance(item, (str, bytes)):
            what = f"lists of words ({[item, '...']!r})"
            fix = f"{words.replace('()', '(analyzer=list)')} TopicExtractor({who}(...)), which takes them too."
        elif isinstance(item, (list, tuple)) and len(item) == 2:
            what = f"lists of pairs (term, count), as gensim has them (the first {item!r})"
            fix = "Make them one matrix: gensim.matutils.corpus2csc(corpus, num_terms=len(dictionary)).T."
        else:
            refuse_ragged(who, X)
            return
    elif isinstance(first, np.ndarray):
        if first.ndim != 2 or first.shape[1] != 2:
            refuse_ragged(who, X)
            return
        what = f"arrays of pairs (term, count), one for each document (the first of shape {first.shape})"
        fix = (
            "Make them one matrix: gensim.matutils.corpus2csc([d.tolist() for d in documents], "
            "num_terms=len(dictionary)).T."
        )
    else:
        if isinstance(X, (list, tuple)):
            refuse_ragged(who, X)
        return
    raise ValueError(f"{who} takes counts, an array or a sparse matrix (n_documents, n_terms); got {what}. {fix}")


def refuse_ragged(who: str, X: Any) -> None:
    """A ValueError for rows of different lengths, which are no table, and for sparse matrices in a list."""
    if any(map(sp.issparse, X)):
        raise ValueError(
            f"{who} takes counts, an array or a sparse matrix (n_documents, n_terms); got a list of {len(X)} sparse "
            "matrices. Stack them: scipy.sparse.vstack(matrices)."
        )
    lengths = [len(row) if isinstance(row, (list, tuple)) or np.ndim(row) else 1 for row in X]
    other = next((i for i, length in enumerate(lengths) if length != lengths[0]), None)
    if other is not None:
        raise ValueError(
            f"{who} takes counts, an array or a sparse matrix (n_documents, n_terms); got rows of different lengths: "
            f"{lengths[0]} in document 0, {lengths[other]} in document {other}. Give every document the count of every "
            "term, 0 where it has none; of lists of terms let CountVectorizer(analyzer=list) count."
        )


def _first(X):
    """The first item of a list, a pandas Series or a corpus; of a table of objects the first text in its first row."""
    if isinstance(X, (Mapping, Set)):
        return None
    if hasattr(X, "iloc"):
        X = X.iloc[:1].to_numpy() if len(X.shape) > 1 else X.iloc[:1].tolist()
    if isinstance(X, np.ndarray):
        X = list(X[:1].ravel()) if X.dtype.kind in "OUS" and X.ndim else []
        return next((item for item in X if isinstance(item, (str, bytes, list, tuple, np.ndarray))), None)
    return next(iter(X), None) if hasattr(X, "__iter__") and not hasattr(X, "shape") else None


def check_arrays(model: Any) -> None:
    """Refuse a topic model whose arrays, set by hand, no longer fit each other: kernels follow them blindly."""
    who, K, V = type(model).__name__, None, getattr(model, "n_features_in_", None)
    for name, axes in FITTED.items():
        if not hasattr(model, name):
            continue
        value = getattr(model, name)
        if name == "eta_" and isinstance(value, Real):
            continue
        shape = np.shape(value)
        K = len(value) if name == "components_" and len(shape) == 2 else K
        wanted = tuple({"K": K, "V": V}.get(axis, shape[0] if shape else 0) for axis in axes)
        if not isinstance(value, np.ndarray) or value.dtype not in (np.float32, np.float64) or shape != wanted:
            raise ValueError(
                f"{who}: {name} is {getattr(value, 'dtype', type(value).__name__)} of shape {shape}, and must be an "
                f"array of float32 or float64 of shape {wanted}, for {K} topics and n_features_in_={V} terms. Set what "
                "fits the model, or fit it again."
            )
        if name in PROBABILITIES and not 0 <= value.min(initial=0) <= value.max(initial=0) < np.inf:
            raise ValueError(
                f"{who}: {name} holds numbers from {value.min()} to {value.max()}; they must be finite and at least 0."
            )


def check_countable(X: sp.csr_array) -> None:
    """Refuse documents whose words memory, or the counts of a Gibbs sampler, could not hold."""
    numbers = np.ceil(X.data, dtype=np.float64)
    by_term = np.bincount(X.indices, weights=numbers, minlength=X.shape[1])
    by_document = np.diff(np.r_[0, np.cumsum(numbers)][X.indptr])
    total = by_term.sum()
    if total > MOST_TOKENS:
        raise ValueError(
            f"Gibbs sampling keeps the topic of every word, and there are {total:.4g} in the corpus; the most is "
            f"{MOST_TOKENS:,}. Learn by variational Bayes, from a part of the documents, or from smaller counts."
        )
    for what, sizes in (("term", by_term), ("document", by_document)):
        if sizes.max(initial=0) > MOST_EQUAL:
            raise ValueError(
                f"Gibbs sampling counts exactly up to {MOST_EQUAL:,} words, and {what} {sizes.argmax()} has "
                f"{sizes.max():,.0f}. Leave it out, or learn by variational Bayes."
            )


def _entry(counts, i):
    row = np.searchsorted(counts.indptr, i, side="right") - 1
    return f"{counts.data[i]:g} in document {row}, term {counts.indices[i]}"


class CountGate(RowGate):
    """Checks one chunk of a stream of counts and turns it into documents. Picklable."""

    @staticmethod
    def look(who, chunk):
        # A list of pairs is one document of gensim's rather than rows of two columns.
        pairs = isinstance(chunk, list) and chunk and all(isinstance(i, tuple) and len(i) == 2 for i in chunk)
        if not sp.issparse(chunk):
            refuse_documents(who, [chunk] if pairs else chunk)

    def __call__(self, chunk):
        self.look(self.who, chunk)
        counts = as_counts(chunk, self.who, "a chunk")
        self.check_width(counts.shape[1])
        return counts


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
    if proportions.shape != (X.shape[0], len(components)) or components.shape[1] != X.shape[1]:
        raise ValueError(
            f"Counts of shape {X.shape}, proportions {proportions.shape} and topics {components.shape} do not fit each "
            "other; they must be (n, V), (n, K) and (K, V)."
        )
    out = np.empty(X.shape[0])
    topics = np.ascontiguousarray(components.T)
    log_likelihoods(X.indptr, X.indices, X.data, np.ascontiguousarray(proportions, topics.dtype), topics, out)
    return out
