"""Texts to tokens: words by pattern or, where no blanks part them, by a segmenter; function words and digits dropped.

"Don't panic: it's 42 below."  ->  panic, below        "我们正在学习机器学习。"  ->  学习, 机器, 学习
"""

import re
from collections.abc import Callable
from itertools import compress, islice
from typing import Any, ClassVar, Self

from sklearn.base import BaseEstimator, TransformerMixin

from featlearn.notices import notify
from featlearn.streaming import is_dask, is_out_of_core, map_chunks
from featlearn.text.documents import check_documents, checked_list
from featlearn.text.segmenters import OWN, own_segmenter
from featlearn.text.stop_words import known_language, other_language, stop_words
from featlearn.text.unicode_words import (
    LETTERS,
    Words,
    english_words,
    is_unusual,
    letters_of_scripts,
    lowered,
    n_letters,
    normalized,
    turkish_lowered,
    unicode_words,
)
from featlearn.validation import boolean, check_parameters, either, instance, integer, one_of, optional

MIN_LENGTH = {"chinese": 1, "japanese": 1, "korean": 1}  # their characters are words or syllables; 2 elsewhere
# Words that lose their vowel before another and hang on it: l'été, dell'arte, d'unes.
ELIDED = {
    "french": "c d j l m n qu s t jusqu lorsqu puisqu quoiqu",
    "italian": "all agl c coll d dagl dall degl dell gl l m negl nell pell s sugl sull t un v",
    "catalan": "d l m n s t",
    "irish": "b d m",
}
UNPARTED_LANGUAGES = ("thai",)  # of LANGUAGES, those without blanks and without a segmenter here
LOOK = 200  # documents, and words of each, that are looked at for another language
LOOK_AT_EACH = 100
FEW_WORDS = 50  # of so few nothing is said about their language
FEW_LETTERS = 20  # of so few nothing is said: a title in another script


class Tokenizer(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Cut texts into tokens.

    Parameters
    ----------
    language : str or None, default="english"
        English name of the language in lowercase ("german", "hindi"), one of
        ``featlearn.text.stop_words.LANGUAGES``. It decides the stop words and how texts are cut: English ones by its
        own rules, Chinese (simplified or traditional) and Japanese ones by a segmenter, all others by Unicode's word
        boundaries; articles that hang on a word (l'été) go in French, Italian, Catalan and Irish. None takes Unicode's
        words and no stop words, for languages that are not in the list.
    lowercase : bool, default=True
        Whether tokens become lowercase.
    stop_words : "auto", None or collection of str, default="auto"
        Tokens to drop, whatever their case. "auto" takes those of the language, see `stop_words`.
    pattern : str or None, default=None
        Regular expression of a token, used as ``re.findall`` does on the text as it is. None cuts as ``language`` says.
    min_length : int or None, default=None
        Characters (letters and marks) a token has at least; None takes 1 for Chinese, Japanese and Korean, whose words
        may be one character, and 2 for all others.
    segmenter : callable or None, default=None
        From a text to the list of its words, for any language. None takes jieba (of the extra ``text``) for Chinese
        and Sudachi (of the extra ``japanese``) for Japanese. Other languages without blanks between words need one:
        ``pythainlp.word_tokenize`` for Thai, say. ``str.split`` serves texts whose words are parted already. Must be
        picklable for a search with several workers.

    Raises
    ------
    ImportError
        If jieba, Sudachi or stopwordsiso (the stop words of all languages but English and Chinese, of the extra
        ``text``) is needed and not installed.
    ValueError
        If the input is no list of documents, or a parameter is not valid.

    Warns
    -----
    UserWarning
        If most letters are of a script that is written without blanks, and neither a segmenter nor a pattern cuts it;
        or if hardly any letter of the texts is of the script of ``language="chinese"`` or ``"japanese"``; or if the
        first 200 documents hold the stop words of another language and hardly any of ``language``, where these are
        dropped. Said once for a list or a stream.

    See Also
    --------
    Phrases : Joins words that come together.
    TopicExtractor : From raw texts to topics.

    Notes
    -----
    Unless a pattern cuts them, texts are normalized (NFKC): accents join their letters, ligatures and full-width
    letters become plain ones, but the Thai and Lao vowel am and the Lao consonants ho no and ho mo, which NFKC cuts in
    two, stay whole, as dictionaries have them. Soft hyphens, joiners and other format characters are removed (a
    zero-width space parts words), and apostrophes of all kinds are one, also a backtick or an accent between two
    letters.

    A word starts with a letter and goes on with letters, combining marks, digits and underscores, so numbers are none,
    and 3rd is none; hyphens and full stops part words. English words leave out 'll, 's and the like, and negated
    auxiliaries (don't) are dropped. Elsewhere apostrophes and middle dots between letters join, as UAX 29 has it.

    Of a segmenter's words those without a letter are dropped: punctuation, white space and numbers. jieba's dictionary
    is of simplified characters: it cuts traditional texts too, but more of their words to pieces, so convert these
    before or pass a segmenter of your own. Sudachi gives short units as they stand in the text: 東京, 大学; join them
    with `Phrases`.

    Turkish texts are put in lowercase by Turkish rules (I becomes a letter without a dot) for ``language="turkish"``
    alone.

    References
    ----------
    Unicode Standard Annex 29, Unicode Text Segmentation, https://www.unicode.org/reports/tr29/

    Examples
    --------
    >>> from featlearn.text.tokenizer import Tokenizer
    >>> Tokenizer().transform(["Don't panic: it's only 42 degrees.", "The cat sat."])
    [['panic', 'degrees'], ['cat', 'sat']]
    >>> Tokenizer(language=None).transform(["हिन्दी भाषा", "l'été"])
    [['हिन्दी', 'भाषा'], ["l'été"]]
    """

    _rules: ClassVar = {
        "language": optional(known_language),
        "lowercase": boolean(),
        "stop_words": optional(either(one_of("auto"), instance(list, tuple, set, frozenset))),
        "pattern": optional(instance(str)),
        "min_length": optional(integer(1)),
        "segmenter": optional(lambda value: None if callable(value) else "a function from a text to its words"),
    }

    def __init__(
        self,
        language: str | None = "english",
        *,
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

    def _check_together(self):
        if self.pattern is not None and self.segmenter is not None:
            raise ValueError("Tokenizer: pattern and segmenter both say how texts are cut; set one of them to None.")
        if self.language in UNPARTED_LANGUAGES and self.pattern is None and self.segmenter is None:
            raise ValueError(
                f"Tokenizer: language={self.language!r} is written without blanks between words, and there is no "
                "segmenter for it here. Pass segmenter=, a function from a text to its words: "
                "pythainlp.word_tokenize, or str.split if blanks part them already."
            )
        if isinstance(self.stop_words, (list, tuple, set, frozenset)):
            wrong = [word for word in self.stop_words if not isinstance(word, str)]
            if wrong:
                raise ValueError(f"Tokenizer: stop_words holds {wrong[0]!r}, a {type(wrong[0]).__name__}; pass words.")

    def fit(self, X: Any = None, y: Any = None) -> Self:
        """Check the parameters; there is nothing to learn.

        Parameters
        ----------
        X, y : ignored
            Present for the API.

        Returns
        -------
        self
        """
        check_parameters(self)
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
        cut: Any = self.cut()
        X = check_documents(X, "Tokenizer")
        if is_dask(X):
            return X.map_partitions(cut)
        return map_chunks(cut, X) if is_out_of_core(X) else cut(X)

    def cut(self) -> "_Cut":
        """The function behind `transform`, for whoever cuts many lists of documents: it warns once in all.

        Returns
        -------
        cut : callable
            From a list of documents to their lists of tokens; picklable.
        """
        check_parameters(self)
        return _Cut(self)

    def __sklearn_is_fitted__(self):
        return True

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.requires_fit = False
        return tags


class _Cut:
    """A list of documents to lists of tokens, with the stop words at hand; picklable. It warns once."""

    def __init__(self, tokenizer: Tokenizer):
        self.tokenizer = tokenizer
        self.min_length = tokenizer.min_length or MIN_LENGTH.get(str(tokenizer.language), 2)
        self.quiet = tokenizer.pattern is not None or tokenizer.segmenter is not None
        chosen = tokenizer.stop_words or ()
        if isinstance(chosen, str):
            chosen = stop_words(tokenizer.language) if tokenizer.language else ()
        self.dropped = frozenset(chosen)
        # The first words, as long as they may tell another language; how many words there were, and how many are kept.
        self.room = LOOK if tokenizer.stop_words == "auto" and self.dropped and tokenizer.pattern is None else 0
        self.seen: list[str] = []
        self.n_words = self.n_kept = 0
        self.enough = FEW_WORDS
        if chosen is tokenizer.stop_words:  # as tokens of ours are, and as a pattern may find them
            self.dropped = frozenset(self.lower(form) for word in chosen for form in (word, normalized(word)))

    def __call__(self, documents: list) -> list[list[str]]:
        documents = checked_list(documents, "Tokenizer")
        if documents and not isinstance(documents[0], str):
            return [list(document) for document in documents]
        words = self._words()
        unusual = [is_unusual(text) for text in documents]
        if not self.quiet and (doubt := doubts(self.tokenizer.language, documents, unusual)):
            self.quiet, self.room = True, 0
            notify(f"Tokenizer: {doubt}")
        pairs = zip(documents, unusual, strict=True)
        kept = []
        for text, odd in islice(pairs, self.room):
            found = words(text)
            kept.append(self._kept(found, odd))
            self.seen += found[:LOOK_AT_EACH]
            self.n_words += len(found)
            self.n_kept += len(kept[-1])
        if self.room:
            self._look(len(kept))
        return kept + [self._kept(words(text), odd) for text, odd in pairs]

    @property
    def lower(self) -> Callable[[str], str]:
        """A word to lowercase."""
        if self.tokenizer.pattern is not None:
            return str.lower  # of texts as they are
        return turkish_lowered if self.tokenizer.language == "turkish" else lowered

    def __getstate__(self) -> dict:
        return {**self.__dict__, "seen": []}  # a saved model holds no texts

    def _look(self, n_new: int):
        """Say so if the words seen are of another language; looked at again when there are twice as many."""
        self.room = max(0, self.room - n_new)
        if len(self.seen) >= self.enough:
            self.enough = 2 * len(self.seen)
            # Counting is spared where so many words were dropped as of texts in the right language.
            unlike = self.min_length > 2 or self.n_kept > 0.7 * self.n_words
            if unlike and (doubt := other_language(str(self.tokenizer.language), self.seen, self.lower)):
                self.room = 0
                notify(f"Tokenizer: {doubt}")
        if not self.room:
            self.seen = []

    def _words(self) -> Words:
        language, pattern, segment = self.tokenizer.language, self.tokenizer.pattern, self.tokenizer.segmenter
        if pattern is not None:
            return _compiled(pattern).findall
        if segment is None and language in OWN:
            segment = own_segmenter(language)
        if segment is not None:
            return lambda text: [word for word in _segmented(segment, text) if LETTERS.search(word)]
        if language == "english":
            return english_words
        if language in ELIDED:
            hanging = re.compile(f"\\A(?:(?:{ELIDED[language].replace(' ', '|')})')+", re.IGNORECASE)
            return lambda text: [hanging.sub("", word) if "'" in word else word for word in unicode_words(text)]
        return unicode_words

    def _kept(self, words: list[str], unusual: bool) -> list[str]:
        dropped, least = self.dropped, self.min_length
        lower = str.lower if self.lower is lowered and not unusual else self.lower  # the same there, and faster
        if self.tokenizer.lowercase:
            words = list(map(lower, words))
            return [word for word in words if word not in dropped and len(word) >= least]
        return [word for word in words if lower(word) not in dropped and len(word) >= least]


def _compiled(pattern: str) -> re.Pattern:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"Tokenizer: pattern={pattern!r} is no regular expression: {error}.") from None
    if compiled.groups > 1:
        raise ValueError(f"Tokenizer: pattern={pattern!r} has {compiled.groups} groups; use (?:...) for all but one.")
    return compiled


def _segmented(segment: Words, text: str) -> list[str]:
    """The segmenter's words; a result that is no list of strings is refused."""
    words = segment(normalized(text))
    if isinstance(words, str) or not hasattr(words, "__iter__"):
        raise ValueError(f"Tokenizer: the segmenter gave {words!r} for a text; it must give the list of its words.")
    words = list(words)
    for word in words:
        if not isinstance(word, str):
            raise ValueError(f"Tokenizer: the segmenter gave {word!r} among its words, a {type(word).__name__}.")
    return [word.strip() for word in words]


def doubts(language: str | None, texts: list[str], is_odd: list[bool]) -> str | None:
    """What to say of texts that are mostly of a script which is not cut as the language has it; None if all is well."""
    unusual = list(compress(texts, is_odd))
    if language not in OWN and not unusual:
        return None
    counts = letters_of_scripts(unusual)
    han, kana = counts["Chinese"], counts["Japanese"]
    unparted = sum(counts.values())
    if language not in OWN:
        if 2 * unparted <= n_letters(unusual) or 2 * unparted <= (letters := n_letters(texts)):
            return None
        share = f"{unparted / letters:.0%} of the {letters:,} letters in {len(texts):,} documents are"
        if 2 * (han + kana) > unparted:
            name, cure = ("Japanese", "japanese") if 20 * kana > han + kana else ("Chinese", "chinese")
            cure = f"language={cure!r}, or segmenter=, a function from a text to its words"
        else:
            name = max(counts, key=lambda script: counts[script])
            cure = "segmenter=, a function from a text to its words (pythainlp.word_tokenize for Thai, say)"
        pieces = "parts words at blanks: most terms are whole clauses"
        if name == "Tibetan":
            pieces = "parts its syllables: most terms are parts of words"
        return (
            f"{share} {name}, written without blanks between words, and language={language!r} {pieces}. Pass "
            f"{cure}; segmenter=str.split says that blanks part the words already."
        )
    letters = n_letters(texts)
    if letters < FEW_LETTERS:
        return None
    own = han + kana if language == "japanese" else han
    if 20 * own < letters:
        name = language.capitalize()
        return (
            f"language={language!r}, and {own / letters:.0%} of the {letters:,} letters in {len(texts):,} documents "
            f"are {name}. Pass the language of the texts; language='english' is the default."
        )
    if language == "chinese" and 5 * kana > han + kana:
        return (
            f"language='chinese', and {kana / letters:.0%} of the {letters:,} letters in {len(texts):,} documents are "
            "kana, which only Japanese has. Pass language='japanese'."
        )
    if language == "japanese" and han >= 100 and 100 * kana < han:
        return (
            f"language='japanese', and {kana:,} of the {letters:,} letters in {len(texts):,} documents are kana, so "
            "the texts seem to be Chinese. Pass language='chinese'."
        )
    return None
