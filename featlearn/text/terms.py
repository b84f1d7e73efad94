"""The gate of terms: which word stands for which column, wherever words are put on columns.

A sequence has the words in the order of the columns. A mapping is put in that order: word -> column, as a vectorizer's
``vocabulary_``, or column -> word, as gensim's ``id2word``. Anything else has no order that could be meant: a set, the
keys of a dict, one string, counts of words. It is refused by name, for a wrong guess puts wrong words on topics, and
nobody sees it.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, MappingView, Set
from numbers import Integral
from typing import Any

import numpy as np

CURE = "Pass the words in the order of the columns: of a vectorizer get_feature_names_out() or vocabulary_."


def check_terms(
    terms: Any, n_terms: int | None, who: str, *, name: str = "terms", columns: str = "columns"
) -> tuple[str, ...]:
    """The word of each column.

    Parameters
    ----------
    terms : sequence of str, mapping of str to int, or mapping of int to str
        The words in the order of the columns (list, tuple, array, pandas Index or Series, whose labels do not count),
        the column of each word, or the word of each column.
    n_terms : int or None
        How many columns there are; None takes as many as there are words.
    who : str
        Who asks, for the errors.
    name : str, default="terms"
        What the argument is called there.
    columns : str, default="columns"
        What the columns are of.

    Returns
    -------
    terms : tuple of str (n_terms,)
        Plain strings.

    Raises
    ------
    ValueError
        If it is nothing that has an order, holds what is no string, has too few or too many words or one of them twice,
        or a mapping leaves a column without a word or gives it two.

    Examples
    --------
    >>> from featlearn.text.terms import check_terms
    >>> check_terms({"fund": 2, "bond": 0, "cat": 1}, 3, "Topics")
    ('bond', 'cat', 'fund')
    >>> check_terms({1: "cat", 0: "bond", 2: "fund"}, 3, "Topics")
    ('bond', 'cat', 'fund')
    """
    where = f"{who}: {name}"
    words = by_column(terms, n_terms, where, columns) if isinstance(terms, Mapping) else in_order(terms, where)
    for i, word in enumerate(words):
        if not isinstance(word, str):
            raise ValueError(f"{where} must hold words, and number {i} is {_told(word)}. {_cure(terms, word)}")
    if n_terms is not None and len(words) != n_terms:
        raise ValueError(f"{who}: {len(words)} {name} do not match {n_terms} {columns}; pass one word for each.")
    if not words:
        raise ValueError(f"{where} holds no word; pass at least one.")
    first: dict[str, int] = {}
    for i, word in enumerate(words):
        if first.setdefault(word, i) != i:
            raise ValueError(
                f"{where} holds {word!r} twice, as number {first[word]} and {i} (of {len(words)} words "
                f"{len(words) - len(set(words))} repeat another). A vocabulary has each word once."
            )
    return tuple(map(str, words))


def in_order(terms: Any, where: str) -> list:
    """What a sequence holds; what has no order is refused."""
    kind = type(terms).__name__
    if terms is None or isinstance(terms, (str, bytes, bytearray)):
        raise ValueError(f"{where} is {_told(terms)}, and must be a list of words. {CURE}")
    if isinstance(terms, (Set, MappingView)):
        raise ValueError(f"{where} is a {kind}, which has no order that could be that of the columns. {CURE}")
    if isinstance(terms, Iterator):
        raise ValueError(f"{where} is a {kind}, which can be read only once; pass list(terms).")
    if getattr(terms, "ndim", 1) != 1:
        raise ValueError(
            f"{where} is a {kind} of shape {tuple(terms.shape)}, and must be one column of words. Pass that one, or "
            "frame.columns if the columns are named by the words."
        )
    if isinstance(terms, type) or not hasattr(terms, "__len__") or not hasattr(terms, "__getitem__"):
        raise ValueError(f"{where} is {_told(terms)}, and must be a list of words. {CURE}")
    if hasattr(terms, "tolist"):
        return terms.tolist()
    return list(terms) if hasattr(terms, "__iter__") else [terms[i] for i in range(len(terms))]


def by_column(terms: Mapping, n_terms: int | None, where: str, columns: str) -> list[str]:
    """The words of a mapping in the order of its columns, each of which must be given once."""
    kind, pairs = type(terms).__name__, list(terms.items())
    if isinstance(terms, Counter):
        raise ValueError(f"{where} is a {kind}, which counts words and has no columns. {CURE}")
    if all(isinstance(word, str) and _is_column(column) for word, column in pairs):
        pairs = [(column, word) for word, column in pairs]
    for column, word in pairs:
        if not _is_column(column) or not isinstance(word, str):
            raise ValueError(
                f"{where} is a {kind} with {_told(word)} for {_told(column)}; it must lead from words to columns, "
                "counted in integers from 0, or from columns to words."
            )
    n = len(pairs) if n_terms is None else n_terms
    words: dict[int, str] = {}
    for column, word in pairs:
        if not 0 <= column < n:
            found = [int(column) for column, _ in pairs]
            hint = " They are counted from 1; subtract 1." if min(found) == 1 and max(found) == n else ""
            raise ValueError(
                f"{where} has {word!r} in column {column}, and there are {n} {columns}, counted from 0; the {kind} "
                f"holds {len(pairs)} words, in columns {min(found)} to {max(found)}.{hint}"
            )
        if column in words:
            raise ValueError(f"{where} has {words[column]!r} and {word!r} in column {column}; each is for one word.")
        words[column] = word
    if len(words) < n:
        missing = next(column for column in range(n) if column not in words)
        raise ValueError(
            f"{where} is a {kind} of {len(words)} words for {n} {columns}; the first without a word is {missing}. "
            "Pass the vocabulary that the counts were made with (filtering a gensim Dictionary numbers its words anew)."
        )
    return [words[column] for column in range(n)]


def a_set_of_words(value: Any) -> str | None:
    """The rule of words whose order does not matter: in a list, a set, an array, a pandas Index or Series."""
    fits = isinstance(value, (list, tuple, Set)) or getattr(value, "ndim", 0) == 1
    fits = fits and not isinstance(value, (Mapping, MappingView)) and all(isinstance(word, str) for word in value)
    return None if fits else "a list, a set or an array of words"


def require_tokens(documents: list, who: str, cure: str) -> None:
    """Refuse strings where documents are lists of tokens, a single document or a stream of single ones among them."""
    if not documents or not isinstance(documents[0], str):
        return
    if any(len(document.split()) > 1 for document in documents):
        raise ValueError(f"{who} tokens, and the documents are strings ({documents[0][:30]!r}...). {cure}")
    raise ValueError(
        f"{who} tokens, and got {documents[0][:30]!r} as a document, a string. If this is a token: of a generator that "
        "gives documents pass list(documents), for a stream gives chunks, lists of documents; and of a single document "
        f"[tokens]. If it is a document: {cure[0].lower()}{cure[1:]}"
    )


def _is_column(value):
    return isinstance(value, Integral) and not isinstance(value, (bool, np.bool_))


def _told(value):
    """What came in place of a word or of words."""
    if value is None:
        return "None"
    text = repr(value)
    return f"{text if len(text) <= 40 else text[:37] + '...'} ({type(value).__name__})"


def _cure(terms, value):
    """What helps where this is no word."""
    if isinstance(value, bytes):
        return "Decode them: [term.decode() for term in terms]."
    if hasattr(terms, "to_dict") and _is_column(value):
        return f"The {type(terms).__name__} is read by position; pass its to_dict() if its labels are the words."
    return CURE
