"""Texts to tokens: English words by pattern, Chinese words by a segmenter; function words and digits dropped.

"Don't panic: it's 42 below."  ->  panic, below        "我们正在学习机器学习。"  ->  学习, 机器, 学习
"""

import logging
import re
import unicodedata
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

from sklearn.base import BaseEstimator, TransformerMixin

from featlearn.streaming import is_dask, is_out_of_core, map_chunks
from featlearn.text.documents import check_documents
from featlearn.text.stop_words import stop_words
from featlearn.validation import boolean, check_parameters, either, instance, integer, one_of, optional

Words = Callable[[str], list[str]]

# Starts with a letter, so numbers and 3rd are no words; don't is one, and so is what stands _between_ underscores.
WORD = re.compile(r"(?<![^\W_])[^\W\d_](?:\w*[^\W_])?(?:'[tT]\b)?")
CLITIC = re.compile(r"'(?:s|m|d|re|ve|ll)\b", re.IGNORECASE)  # John's, they'll: grammar, not topics
LETTER = re.compile(r"[^\W\d_]")
MIN_LENGTH = {"english": 2, "chinese": 1}


def english_words(text: str) -> list[str]:
    """The words of an English text, without clitics and negated auxiliaries."""
    text = unicodedata.normalize("NFKC", text).replace("’", "'")
    if "'" not in text:
        return WORD.findall(text)
    return [word for word in WORD.findall(CLITIC.sub(" ", text)) if not word.endswith(("'t", "'T"))]


@cache
def jieba_words() -> Words:
    """jieba's segmenter with its own dictionary, made once in a process."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its source has escapes that Python 3.12 warns of
            import jieba
    except ImportError:
        raise ImportError(
            "Tokenizer(language='chinese') cuts words with jieba, which is not installed: pip install "
            "'featlearn[text]'. Or pass segmenter=, any function from a text to its words."
        ) from None
    segmenter = jieba.Tokenizer()  # not the global one, whose dictionary others may have changed
    logger = logging.getLogger("jieba")
    level = logger.level
    logger.setLevel(logging.WARNING)  # it tells standard error of every step of its start
    try:
        segmenter.initialize()
    finally:
        logger.setLevel(level)
    return segmenter.lcut


class Tokenizer(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Cut texts into tokens.

    Parameters
    ----------
    language : {"english", "chinese"}, default="english"
        English texts are cut by ``pattern``, Chinese ones (simplified or traditional, also with English words among
        them) by ``segmenter``.
    lowercase : bool, default=True
        Whether tokens become lowercase.
    stop_words : "auto", None or collection of str, default="auto"
        Tokens to drop, whatever their case. "auto" takes those of the language, see `stop_words`.
    pattern : str or None, default=None
        Regular expression of a token, used as ``re.findall`` does. None takes words that start with a letter, without
        'll, 's and the like, and drops negated auxiliaries (don't). English only.
    min_length : int or None, default=None
        Characters a token has at least; None takes 2 for English and 1 for Chinese, whose words may be one character.
    segmenter : callable or None, default=None
        From a text to the list of its words. None takes jieba, of the extra ``text``. Chinese only. Must be picklable
        for a search with several workers.

    Raises
    ------
    ImportError
        If jieba is needed and not installed.
    ValueError
        If the input is no list of documents, or a parameter is not valid.

    Notes
    -----
    Texts are normalized (NFKC), unless a pattern cuts them: accents join their letters, ligatures and full-width
    letters become plain ones. Of the segmenter's words those without a letter are dropped: punctuation, white space and
    numbers. jieba's dictionary is of simplified characters: it cuts traditional texts too, but more of their words to
    pieces, so convert these before or pass a segmenter of your own.

    Examples
    --------
    >>> from featlearn.text.tokenizer import Tokenizer
    >>> Tokenizer().transform(["Don't panic: it's only 42 degrees.", "The cat sat."])
    [['panic', 'degrees'], ['cat', 'sat']]
    """

    def __init__(
        self,
        language: str = "english",
        lowercase: bool = True,
        stop_words="auto",
        pattern: str | None = None,
        min_length: int | None = None,
        segmenter: Words | None = None,
    ):
        self.language = language
        self.lowercase = lowercase
        self.stop_words = stop_words
        self.pattern = pattern
        self.min_length = min_length
        self.segmenter = segmenter

    def _check(self):
        check_parameters(
            self,
            language=one_of("english", "chinese"),
            lowercase=boolean(),
            stop_words=optional(either(one_of("auto"), instance(list, tuple, set, frozenset))),
            pattern=optional(instance(str)),
            min_length=optional(integer(1)),
            segmenter=optional(lambda value: None if callable(value) else "a function from a text to its words"),
        )
        for name, language in (("pattern", "english"), ("segmenter", "chinese")):
            if getattr(self, name) is not None and self.language != language:
                raise ValueError(
                    f"Tokenizer: {name} is for language={language!r}, and language is {self.language!r}. Set one of "
                    "them otherwise."
                )
        if isinstance(self.stop_words, (list, tuple, set, frozenset)):
            wrong = [word for word in self.stop_words if not isinstance(word, str)]
            if wrong:
                raise ValueError(f"Tokenizer: stop_words holds {wrong[0]!r}, a {type(wrong[0]).__name__}; pass words.")

    def fit(self, X: Any = None, y: Any = None) -> "Tokenizer":
        """Check the parameters; there is nothing to learn.

        Parameters
        ----------
        X, y : ignored
            Present for the API.

        Returns
        -------
        self
        """
        self._check()
        return self

    def transform(self, X: Any) -> Any:
        """Cut documents into tokens.

        Parameters
        ----------
        X : list of str, Series, stream of lists of str, or Dask bag of str
            The documents. Lists of tokens pass unchanged.

        Returns
        -------
        tokens : list of lists of str, a generator of such lists, or a Dask bag of lists of str
            The tokens of each document, in order.
        """
        self._check()
        X = check_documents(X, "Tokenizer")
        cut: Any = _Cut(self)
        if is_dask(X):
            return X.map_partitions(cut)
        return map_chunks(cut, X) if is_out_of_core(X) else cut(X)

    def __sklearn_is_fitted__(self):
        return True

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.requires_fit = False
        return tags


class _Cut:
    """A list of documents to lists of tokens, with the stop words at hand; picklable."""

    def __init__(self, tokenizer: Tokenizer):
        self.tokenizer = tokenizer
        if isinstance(tokenizer.stop_words, str):
            self.dropped = stop_words(tokenizer.language)
        else:
            self.dropped = frozenset(word.lower() for word in tokenizer.stop_words or ())
        self.min_length = tokenizer.min_length or MIN_LENGTH[tokenizer.language]

    def __call__(self, documents: list) -> list[list[str]]:
        documents = list(documents)
        if documents and not isinstance(documents[0], str):
            return [list(document) for document in documents]
        words = self._words()
        return [self._kept(words(text)) for text in documents]

    def _words(self) -> Words:
        tokenizer = self.tokenizer
        if tokenizer.language == "chinese":
            segment = tokenizer.segmenter or jieba_words()
            return lambda text: [word for word in _segmented(segment, text) if LETTER.search(word)]
        if tokenizer.pattern is None:
            return english_words
        try:
            pattern = re.compile(tokenizer.pattern)
        except re.error as error:
            raise ValueError(f"Tokenizer: pattern={tokenizer.pattern!r} is no regular expression: {error}.") from None
        if pattern.groups > 1:
            raise ValueError(
                f"Tokenizer: pattern={tokenizer.pattern!r} has {pattern.groups} groups; use (?:...) for all but one."
            )
        return pattern.findall

    def _kept(self, words: list[str]) -> list[str]:
        dropped, least = self.dropped, self.min_length
        if self.tokenizer.lowercase:
            words = list(map(str.lower, words))
            return [word for word in words if word not in dropped and len(word) >= least]
        return [word for word in words if word.lower() not in dropped and len(word) >= least]


def _segmented(segment: Words, text: str) -> list[str]:
    """The segmenter's words; a result that is no list of strings is refused."""
    words = segment(unicodedata.normalize("NFKC", text))
    if isinstance(words, str) or not hasattr(words, "__iter__"):
        raise ValueError(f"Tokenizer: the segmenter gave {words!r} for a text; it must give the list of its words.")
    words = list(words)
    for word in words:
        if not isinstance(word, str):
            raise ValueError(f"Tokenizer: the segmenter gave {word!r} among its words, a {type(word).__name__}.")
    return [word.strip() for word in words]
