"""Coherence: do the top words of a topic keep company in documents?

N windows (whole documents or sliding ones) of a reference corpus; D(w) of them hold word w, D(v, w) both; p = D / N.
A topic is its T words of highest probability, w_1 the first.

    umass   mean over i > j of   log (D(w_i, w_j) + 1) / D(w_j)                            Mimno et al. (2011)
    uci     mean over pairs of   PMI = log (p(v, w) + eps) / (p(v) p(w))                   Newman et al. (2010)
    npmi    mean over pairs of   NPMI = PMI / -log p(v, w)                                 Bouma (2009)
    c_v     mean over w of       cos(u_w, sum_v u_v),  u_w = (NPMI(w, v))_v in the topic   Roeder et al. (2015)

Only the top words matter: the corpus is read once, and what is kept of it is D for each pair of them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import chain, islice, repeat
from numbers import Integral
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import check_array

from featlearn.kernels.topics.windows import count_windows
from featlearn.notices import notify
from featlearn.text.counts import as_counts
from featlearn.text.terms import check_terms
from featlearn.text.unicode_words import unicode_words
from featlearn.validation import check_argument, either, integer, one_of, optional, real

WINDOWS: dict[str, int | None] = {"npmi": 10, "umass": None, "uci": 10, "c_v": 110}  # None: whole documents
EPS = {"npmi": 0.0, "uci": 1e-12, "c_v": 1e-12}  # umass adds one window, 1 / N
LOOKED_AT = 200  # documents, for strings that are no words parted by blanks
BLOCK = 1024  # documents whose words are coded at once
ENDLESS = np.iinfo(np.int64).max // 2  # a window that holds any document


def pmi(D: np.ndarray, n: int, eps: float) -> np.ndarray:
    """Pointwise mutual information (T, T) of words."""
    p = np.diagonal(D) / n
    return np.log((D / n + eps) / np.outer(p, p))


def npmi(D: np.ndarray, n: int, eps: float) -> np.ndarray:
    """Normalized PMI (T, T): -1 for words never seen together (the limit, for eps = 0), 1 for those in every window."""
    joint = D / n + eps
    with np.errstate(invalid="ignore"):
        value = pmi(D, n, eps) / -np.log(joint)
    value[joint == 0], value[joint >= 1] = -1, 1
    return np.clip(value, -1, 1)


def c_v(vectors: np.ndarray) -> float:
    """C_V of one topic from the NPMI (T, T) of its words: how their context vectors lie to their sum."""
    total = vectors.sum(axis=0)
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(total)
    return float(np.divide(vectors @ total, lengths, out=np.zeros(len(vectors)), where=lengths > 0).mean())


def one_coherence(D: np.ndarray, n: int, measure: str, eps: float | None) -> float:
    """Coherence of one topic from D (T, T), its words in order of rank, in n windows.

    A word never seen has no association with others; its pairs count as the least that any could have.
    """
    seen = np.diagonal(D) > 0
    D = D.astype(np.float64)
    np.fill_diagonal(D, np.maximum(np.diagonal(D), 1))
    with np.errstate(divide="ignore"):
        if measure == "umass":
            added = 1.0 if eps is None else eps * n
            values, least = np.log((D + added) / np.diagonal(D)[:, None]).T, np.log(added / n)
        else:
            eps = EPS[measure] if eps is None else eps
            values = (pmi if measure == "uci" else npmi)(D, n, eps)
            least = {"uci": np.log(eps), "npmi": -1.0, "c_v": 0.0}[measure]
    values[~seen], values[:, ~seen] = least, least
    return c_v(values) if measure == "c_v" else float(values[np.tril_indices(len(D), -1)].mean())


def document_pairs(X: sp.csr_array, columns: np.ndarray) -> tuple[np.ndarray, int]:
    """D (W, W) of the columns of counts X (n, V), with documents as windows; a column of -1 is a word never seen."""
    known = np.flatnonzero(columns >= 0)
    seen = sp.csc_array(X[:, columns[known]])
    seen = sp.csc_array((np.ones(seen.nnz, np.int64), seen.indices, seen.indptr), shape=seen.shape)
    D = np.zeros((len(columns), len(columns)), np.int64)
    D[np.ix_(known, known)] = (seen.T @ seen).toarray()
    return D, X.shape[0]


def window_pairs(documents: Iterable, words: Sequence[str], size: int | None) -> tuple[np.ndarray, int]:
    """D (W, W) of the words in sliding windows over documents, lists of words in order; None: a document a window."""
    code = {word: i for i, word in enumerate(words)}
    pairs, windows, documents = np.zeros((len(words), len(words)), np.int64), 0, iter(documents)
    while block := [as_words(document) for document in islice(documents, BLOCK)]:
        lengths = np.array([len(document) for document in block])
        coded = chain.from_iterable(map(code.get, document, repeat(-1)) for document in block)
        codes = np.fromiter(coded, np.int64, count=lengths.sum())
        windows += count_windows(codes, lengths, ENDLESS if size is None else size, pairs)
    return pairs + np.tril(pairs, -1).T + np.triu(pairs, 1).T, windows


def as_words(document: Any) -> Sequence:
    """A document as its words in order; a string is cut at white space."""
    if isinstance(document, str):
        return document.split()
    if isinstance(document, (bytes, Integral, float, Mapping, Set)) or not hasattr(document, "__len__"):
        raise ValueError(
            f"topic_coherence: a document of the reference is {document!r:.40}; pass each as a list of words in order, "
            "or as a string of words with white space between them."
        )
    return document


def top_terms(components: np.ndarray, top: int) -> np.ndarray:
    """Indices (K, top) of the terms of each topic in falling order of components (K, V); of equals, the first."""
    chosen = np.empty((len(components), top), np.intp)
    for out, row in zip(chosen, components, strict=True):
        least = np.partition(row, len(row) - top)[len(row) - top]
        candidates = np.flatnonzero(row >= least)
        out[:] = candidates[np.argsort(-row[candidates], kind="stable")[:top]]
    return chosen


def as_topics(topics: Any, top: int, who: str) -> tuple[list[list], int | None]:
    """Each topic's first ``top`` terms, indices or words; and V, where topics are components (K, V)."""
    if holder := next((name for name in ("components_", "components") if hasattr(topics, name)), None):
        raise ValueError(f"{who}: topics are a {type(topics).__name__}; pass its .{holder}, or the top terms of each.")
    if sp.issparse(topics) or (hasattr(topics, "ndim") and np.asarray(topics).dtype.kind in "biufc"):
        if topics.ndim != 2:
            raise ValueError(
                f"{who}: topics have shape {topics.shape}; pass components (n_topics, n_terms), reshape(1, -1) for one."
            )
        components = check_array(topics, dtype=[np.float64, np.float32], input_name=f"topics given to {who}")
        if top >= components.shape[1] and _may_be_indices(topics):
            raise ValueError(
                f"{who}: topics are an array of {components.shape[1]} whole numbers a row, none twice, and top={top}. "
                "If they are indices of top terms pass topics.tolist(); if weights of terms, a smaller top."
            )
        if top > components.shape[1]:
            raise ValueError(
                f"{who}: top={top} is larger than the vocabulary of {components.shape[1]} terms; pass at most that."
            )
        return top_terms(components, top).tolist(), components.shape[1]
    if isinstance(topics, (str, bytes, Mapping, Set)) or not isinstance(topics, Iterable):
        raise ValueError(
            f"{who}: topics={topics!r:.60} is not valid; pass components (n_topics, n_terms), or a list that holds for "
            "each topic the list of its top terms."
        )
    lists = []
    for k, topic in enumerate(topics):
        if isinstance(topic, (str, bytes)) or not isinstance(topic, Iterable):
            raise ValueError(
                f"{who}: topics hold {topic!r:.60} where a list of terms belongs; pass [topic] for a single one."
            )
        if isinstance(topic, (Mapping, Set)):
            raise ValueError(
                f"{who}: topic {k} is a {type(topic).__name__}, and a list of its terms belongs there, the first the "
                "most probable."
            )
        terms = list(islice(topic, top))
        if not (all(isinstance(t, str) for t in terms) or all(isinstance(t, Integral) for t in terms)):
            raise ValueError(
                f"{who}: topic {k} begins {terms[:3]}; a list holds words or term indices, without weights. Pass "
                "components as a NumPy array."
            )
        if len(set(terms)) < len(terms):
            twice = next(t for t in terms if terms.count(t) > 1)
            raise ValueError(f"{who}: topic {k} lists {twice!r} more than once; its top terms must be distinct.")
        lists.append(terms)
    if not lists or min(map(len, lists)) < 1:
        raise ValueError(f"{who}: there is no topic, or one of them lists no term; pass at least one term for each.")
    if len({isinstance(topic[0], str) for topic in lists}) > 1:
        raise ValueError(f"{who}: some topics list words and others indices; pass all as words or all as indices.")
    return lists, None


def _may_be_indices(topics):
    """Whether an array looks like argsort's: whole numbers, none twice in a row."""
    values = np.asarray(topics)
    return values.dtype.kind in "iu" and all(len(set(row)) == len(row) for row in values.tolist())


def is_counts(reference: Any) -> bool:
    """Whether a reference is a table of counts, and not documents as words."""
    return sp.issparse(reference) or (
        getattr(reference, "ndim", 1) == 2 and np.asarray(reference).dtype.kind in "biufc"
    )


def indices_of(lists: list[list], terms: Sequence[str] | None, n_terms: int) -> list[list[int]]:
    """Topics as columns of a table of counts; -1 for a word that is no term of it."""
    if isinstance(lists[0][0], str):
        if terms is None:
            raise ValueError(
                "topic_coherence: topics are words and the reference is counts; pass terms, the word of each column."
            )
        column = {term: i for i, term in enumerate(terms)}
        lists = [[column.get(word, -1) for word in topic] for topic in lists]
    elif max(map(max, lists)) >= n_terms:
        raise ValueError(
            f"topic_coherence: topics list term {max(map(max, lists))}, and the reference has {n_terms} terms."
        )
    return lists


def words_of(lists: list[list], terms: Sequence[str] | None) -> list[list[str]]:
    """Topics as words."""
    if isinstance(lists[0][0], str):
        return lists
    if terms is None:
        raise ValueError(
            "topic_coherence: the reference is words and topics are indices; pass terms, the word of each index (of a "
            "CountVectorizer: get_feature_names_out())."
        )
    if max(map(max, lists)) >= len(terms):
        raise ValueError(f"topic_coherence: topics list term {max(map(max, lists))}, and there are {len(terms)} terms.")
    return [[terms[i] for i in topic] for topic in lists]


def check_widths(**sizes: int | None) -> None:
    """Refuse vocabularies of different sizes."""
    known = {name: size for name, size in sizes.items() if size is not None}
    if len(set(known.values())) > 1:
        found = ", ".join(f"{name} {size}" for name, size in known.items())
        raise ValueError(f"topic_coherence: the numbers of terms differ: {found}. Use one vocabulary for all of them.")


def topic_coherence(
    topics: Any,
    reference: Any,
    *,
    measure: str = "npmi",
    top: int = 10,
    window: int | str | None = None,
    terms: Sequence[str] | Mapping[str, int] | Mapping[int, str] | None = None,
    eps: float | None = None,
) -> np.ndarray:
    """Coherence of topics: how far their top words occur together in a reference corpus.

    Parameters
    ----------
    topics : array (n_topics, n_terms) or list of lists
        `components_` of a topic model, of which only the order of terms counts; or for each topic its top terms, the
        first the most probable, as words or as term indices.
    reference : array or sparse matrix (n_documents, n_terms), or iterable of documents
        Term counts, whose documents are the windows whatever the measure (C_V included); or documents as lists of words
        in order, or as strings to be cut at white space, over which windows slide. Read once.
    measure : {"npmi", "umass", "uci", "c_v"}, default="npmi"
        See the formulas at the top of this module. Of these, C_V agrees best with people's judgment of topics, and NPMI
        next (Roeder et al. 2015).
    top : int, default=10
        Terms that stand for a topic. Shorter lists are taken whole.
    window : int, "document" or None, default=None
        Words in a sliding window, or whole documents. None takes 110 for C_V, 10 for NPMI and UCI and whole documents
        for UMass; of counts, whole documents.
    terms : sequence of str (n_terms,), mapping of words to columns or of columns to words, or None, default=None
        The word of each column of counts or components; of a CountVectorizer its ``get_feature_names_out()`` or
        ``vocabulary_``, of gensim its ``Dictionary``. Needed where one of `topics` and `reference` is words and the
        other is not.
    eps : float or None, default=None
        Added to the probability that two words meet. None takes what the measure's authors do: one window for UMass,
        1e-12 for UCI and C_V; nothing for NPMI, so words that never meet have -1.

    Returns
    -------
    coherence : array (n_topics,)
        Larger is better. NPMI lies in [-1, 1], and C_V in [-1, 1] too, though rarely below 0. NaN (but for NPMI) for
        topics with words that the reference lacks.

    Raises
    ------
    ValueError
        If the reference is empty or holds none of the words, `top` exceeds the vocabulary, vocabularies differ in size,
        `terms` is needed and missing, or counts or components are not valid numbers.

    Warns
    -----
    UserWarning
        If UMass, UCI or C_V is NaN, with the topics and the words that the reference lacks.

    Notes
    -----
    A document shorter than a window, or empty, is one window. Words in every window have NPMI 1.

    A word that the reference lacks has no association with others. NPMI gives each of its pairs -1, the least there is;
    the other measures are NaN for its topic, with a warning. (Counted as seen once, as some do, such words would be the
    best for UMass, log 1 = 0, and ten of them in 100 documents have C_V 0.7.)

    With ``eps=1e-12`` the values are those of gensim's CoherenceModel but for two points. Its sliding windows forget a
    word when one of its copies leaves, even if another remains, so it counts words that repeat too low; the counts here
    are exact. And it gives NPMI -1 to words in every window, and no number, or 0, to words never seen.

    The counts of pairs take 8 W^2 bytes, where W is the number of distinct top words.

    References
    ----------
    Newman, Lau, Grieser & Baldwin (2010). Automatic evaluation of topic coherence. NAACL.
    Mimno, Wallach, Talley, Leenders & McCallum (2011). Optimizing semantic coherence in topic models. EMNLP.
    Bouma (2009). Normalized (pointwise) mutual information in collocation extraction. GSCL.
    Aletras & Stevenson (2013). Evaluating topic coherence using distributional semantics. IWCS.
    Roeder, Both & Hinneburg (2015). Exploring the space of topic coherence measures. WSDM.

    Examples
    --------
    >>> from featlearn.topics.coherence import topic_coherence
    >>> documents = ["cat dog", "cat dog pet", "bond stock", "bond stock", "cat stock"]
    >>> topic_coherence([["cat", "dog"], ["cat", "bond"]], documents).round(3)
    array([ 0.557, -1.   ])
    """
    check_argument("topic_coherence", "eps", eps, optional(real(low=0, high=1)))
    D, n, names = topic_pairs(topics, reference, measure=measure, top=top, window=window, terms=terms)
    values = np.array([one_coherence(pairs, n, measure, eps) for pairs in D])
    lost = [k for k, pairs in enumerate(D) if not np.diagonal(pairs).all()]
    if measure == "npmi" or not lost:
        return values
    values[lost] = np.nan
    missing = list(dict.fromkeys(names[k][i] for k in lost for i in np.flatnonzero(np.diagonal(D[k]) == 0)))
    notify(
        f"topic_coherence: {measure} is undefined (NaN) for {len(lost)} of {len(D)} topics ({_few(lost)}), which list "
        f"words that the reference lacks: {_few(missing)}. Drop those words, tokenize both in the same way, pass a "
        'larger reference, or take measure="npmi", where each of their pairs has -1.'
    )
    return values


def _few(items: list) -> str:
    return ", ".join(map(str, items[:8])) + (f", ... ({len(items)} in all)" if len(items) > 8 else "")


def topic_pairs(
    topics: Any, reference: Any, *, measure: str, top: int, window: Any, terms: Any
) -> tuple[list[np.ndarray], int, list[list]]:
    """D (T, T) of each topic's words in a reference, the number of windows, and the words; `topic_coherence`'s gate."""
    check_argument("topic_coherence", "measure", measure, one_of(*WINDOWS))
    check_argument("topic_coherence", "top", top, integer(low=2))
    check_argument("topic_coherence", "window", window, optional(either(integer(low=1), one_of("document"))))
    lists, width = as_topics(topics, top, "topic_coherence")
    if min(map(len, lists)) < 2:
        raise ValueError(
            "topic_coherence: a topic lists a single term, and coherence compares two; pass at least 2 for each."
        )
    if not isinstance(lists[0][0], str) and min(map(min, lists)) < 0:
        raise ValueError("topic_coherence: topics list a negative index; terms are counted from 0.")
    vocabulary = None if terms is None else check_terms(terms, None, "topic_coherence")
    if is_counts(reference):
        if isinstance(window, Integral):
            raise ValueError(
                f"topic_coherence: window={window} needs words in order, and the reference is counts; pass "
                'documents as lists of words, or window="document".'
            )
        X = as_counts(reference, "topic_coherence", "reference")
        check_widths(topics=width, reference=X.shape[1], terms=None if vocabulary is None else len(vocabulary))
        if X.nnz == 0:
            raise ValueError(f"topic_coherence: the reference holds no words: all {X.shape[0]} documents are empty.")
        keys: list[list] = indices_of(lists, vocabulary, X.shape[1])
        distinct = sorted(set(chain.from_iterable(keys)))
        D, n = document_pairs(X, np.array(distinct))
    else:
        documents = checked_documents(reference)
        check_widths(topics=width, terms=None if vocabulary is None else len(vocabulary))
        keys = words_of(lists, vocabulary)
        distinct = sorted(set(chain.from_iterable(keys)))
        size = WINDOWS[measure] if window is None else None if window == "document" else int(window)
        looked_at = list(islice(documents, LOOKED_AT))
        warn_of_running_text(looked_at, set(distinct))
        documents = chain(looked_at, documents)
        D, n = window_pairs(documents, distinct, size)
        if not D.any():
            raise ValueError(
                f"topic_coherence: none of the topics' {len(distinct)} words ({', '.join(distinct[:3])}, ...) is among "
                f"the reference's, in {n} windows. Tokenize both in the same way."
            )
    place = {key: i for i, key in enumerate(distinct)}
    rows = [[place[key] for key in topic] for topic in keys]
    return [D[np.ix_(row, row)] for row in rows], n, words_known(lists, vocabulary)


def words_known(lists: list[list], vocabulary: Sequence[str] | None) -> list[list]:
    """Topics as words where these are known, else as indices."""
    if vocabulary is None or isinstance(lists[0][0], str):
        return [[word if isinstance(word, str) else f"term {word}" for word in topic] for topic in lists]
    return [[vocabulary[i] for i in topic] for topic in lists]


def warn_of_running_text(documents: list, words: set[str]) -> None:
    """Say that strings hold the words of topics among marks and capitals, where white space does not part them."""
    texts = [document for document in documents if isinstance(document, str)]
    found = sum(word in words for text in texts for word in text.split())
    cut = sum(word in words for text in texts for word in unicode_words(text.lower()))
    if cut > max(1.1 * found, found + 2):
        notify(
            f"topic_coherence: strings of the reference are cut at white space, and so hold {found} times a word of "
            f"the topics, in the first {len(texts)} documents; without punctuation and capitals there are {cut}. Pass "
            "tokens: Tokenizer().transform(reference)."
        )


def checked_documents(reference: Any) -> Iterator:
    """Documents of a reference one by one; refuses what is none, at the first."""
    if isinstance(reference, (str, bytes, Mapping)) or not isinstance(reference, Iterable):
        raise ValueError(
            f"topic_coherence: the reference is {type(reference).__name__}; pass counts (n_documents, n_terms) or a "
            "list of documents, each a list of words."
        )
    if hasattr(reference, "columns"):  # of a data frame one would read the names of its columns
        raise ValueError(
            f"topic_coherence: the reference is a {type(reference).__name__} that does not hold counts; pass its "
            "column of documents."
        )
    documents = iter(reference)
    first = next(documents, None)
    if first is None:
        raise ValueError("topic_coherence: the reference is empty; pass at least one document.")
    if not isinstance(first, (str, bytes)) and any(not isinstance(word, str) for word in islice(as_words(first), 1)):
        raise ValueError(
            f"topic_coherence: the reference is lists that begin with {first[0]!r}, not with a word; pass counts as a "
            "NumPy array or a sparse matrix, and documents as words."
        )
    return chain([first], documents)
