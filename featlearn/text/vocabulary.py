"""The vocabulary of a corpus, counted in one walk that holds the counts of terms and never the matrix of documents.

    df(w)   documents that hold term w
    tf(w)   times that w occurs in all documents
    kept    min_df <= df(w) <= max_df, and of those the max_features terms of largest tf

as scikit-learn's CountVectorizer defines them. Counts add, so lists, streams and Dask bags are counted alike.
"""

from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from numbers import Integral
from typing import Any

import numpy as np
import scipy.sparse as sp

from featlearn.streaming import accumulate, is_out_of_core
from featlearn.text.counts import DOCUMENTS
from featlearn.text.documents import check_documents
from featlearn.text.terms import require_tokens
from featlearn.validation import check_argument, integer, optional, real

MERGE = 16  # tables are added when there are as many: copying a large one for every chunk would be slow


@dataclass(frozen=True)
class TermCounts:
    """What a chunk of documents says about terms; adds with ``+``. ``tf`` stays empty where nobody asks for it."""

    n_documents: int
    df: tuple[dict[str, int], ...]
    tf: tuple[dict[str, int], ...]

    def __add__(self, other: "TermCounts") -> "TermCounts":
        n_documents = self.n_documents + other.n_documents
        return TermCounts(n_documents, few(self.df + other.df), few(self.tf + other.tf))


def few(tables: tuple) -> tuple:
    """The same tables, added into one if they have become many."""
    return tables if len(tables) < MERGE else (added(tables),)


def added(tables: tuple) -> dict[str, int]:
    """The sum of tables of counts; none of them is changed."""
    largest, *others = sorted(tables, key=len, reverse=True)
    total = Counter(largest)
    for table in others:
        total.update(table)
    return total


def count_terms(documents: list, *, totals: bool) -> TermCounts:
    """The counts of a chunk of token lists."""
    require_tokens(documents, "learn_vocabulary counts", "Tokenize them first: Tokenizer().transform(documents).")
    df = Counter(chain.from_iterable(map(set, documents)))
    tf = (Counter(chain.from_iterable(documents)),) if totals else ()
    return TermCounts(len(documents), (df,), tf)


def count_matrix(documents: list, columns: Mapping[str, int]) -> sp.csr_array:
    """Counts (n_documents, n_terms) in float32 of token lists; tokens that have no column are ignored."""
    indices, ends = array("i"), [0]
    for tokens in documents:
        indices.extend([columns[token] for token in tokens if token in columns])
        ends.append(len(indices))
    place = np.frombuffer(indices, dtype=np.int32) if indices else np.empty(0, np.int32)
    index_type = np.int32 if len(place) < 2**31 else np.int64
    counts = sp.csr_array(
        (np.ones(len(place), np.float32), place.astype(index_type), np.array(ends, index_type)),
        shape=(len(documents), len(columns)),
    )
    counts.sum_duplicates()
    return counts


def share_or_count(value: Any) -> str | None:
    """The rule of limits: a count of documents, or a share of them."""
    rule = integer(1) if isinstance(value, Integral) else real(0, 1)
    return rule(value) and "an integer of at least 1 (documents), or a number between 0.0 and 1.0 (a share of them)"


def learn_vocabulary(
    documents: Any, *, min_df: int | float = 1, max_df: int | float = 1.0, max_features: int | None = None
) -> np.ndarray:
    """The terms of a corpus within limits, for ``CountVectorizer(vocabulary=...)``.

    Parameters
    ----------
    documents : list of lists of str, stream of such lists, or Dask bag of lists of str
        The tokens of each document. One walk is made, so an iterator of lists of documents will do.
    min_df, max_df : int or float, default=1 and 1.0
        Fewest and most documents that may hold a term: an integer counts documents, a float is a share of them.
    max_features : int or None, default=None
        Keep that many terms, those that occur most; of equals the first of the alphabet.

    Returns
    -------
    terms : array of str (n_terms,), of dtype object
        The terms, sorted.

    Raises
    ------
    ValueError
        If there is no document, no term is within the limits, or a limit is not valid.

    Notes
    -----
    Counts are exact: nothing is pruned on the way. A million different terms take about 150 MB, twice that with
    ``max_features``.

    Examples
    --------
    >>> from featlearn.text.vocabulary import learn_vocabulary
    >>> learn_vocabulary([["a", "rose"], ["is", "a", "rose"], ["is", "a", "thorn"]], min_df=2, max_df=2)
    array(['is', 'rose'], dtype=object)
    """
    check_argument("learn_vocabulary", "min_df", min_df, share_or_count)
    check_argument("learn_vocabulary", "max_df", max_df, share_or_count)
    check_argument("learn_vocabulary", "max_features", max_features, optional(integer(1)))
    documents = check_documents(documents, "learn_vocabulary")
    if isinstance(documents, list) and not documents:
        raise ValueError("learn_vocabulary: the corpus is empty: there is no document. Pass at least one.")
    statistic = partial(count_terms, totals=max_features is not None)
    rows = None if is_out_of_core(documents) else DOCUMENTS
    counts = accumulate(statistic, documents, n_jobs=1, rows=rows)
    return limited(counts, min_df, max_df, max_features)


def limited(counts: TermCounts, min_df: int | float, max_df: int | float, max_features: int | None) -> np.ndarray:
    """The terms within the limits, sorted."""
    n = counts.n_documents
    df = added(counts.df)
    if not df:
        raise ValueError(
            f"The vocabulary is empty: all {n} documents are, for the tokenizer left no token. Check its language, "
            "stop words and min_length."
        )
    low, high = (limit if isinstance(limit, Integral) else limit * n for limit in (min_df, max_df))
    if high < low:
        raise ValueError(
            f"max_df={max_df!r} is {high:g} documents of {n}, fewer than min_df={min_df!r} with {low:g}. Lower min_df "
            "or raise max_df."
        )
    terms = sorted(term for term, count in df.items() if low <= count <= high)
    if not terms:
        rare, common = (sum(count < low for count in df.values()), sum(count > high for count in df.values()))
        raise ValueError(
            f"The vocabulary is empty: of {len(df)} terms in {n} documents, {rare} are in fewer than {low:g} documents "
            f"(min_df={min_df!r}) and {common} in more than {high:g} (max_df={max_df!r}). Lower min_df, raise max_df, "
            "or pass more documents."
        )
    if max_features is not None and len(terms) > max_features:
        tf = added(counts.tf)
        most = np.argsort([-tf[term] for term in terms], kind="stable")[:max_features]
        terms = [terms[i] for i in np.sort(most)]
    return np.array(terms, dtype=object)
