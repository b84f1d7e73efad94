"""Words of Chinese and Japanese, which are written without blanks: two well-kept segmenters behind one function.

Each cuts with its own dictionary, made once in a process, what is of its script or ASCII. Words of other scripts that
stand in the text (Пример, café) are not in the dictionary and are cut by Unicode's rules.
"""

import logging
import re
import warnings
from functools import cache

from featlearn.text.unicode_words import HAN, KANA, Words, mark_ranges, unicode_words

PIECE = re.compile(r"[^\n。]{1,10000}")  # Sudachi takes 49,149 bytes at a time, and a character has up to 4
SURROGATES = re.compile("[\ud800-\udfff]+")  # no characters: half of one that was cut


@cache
def jieba_words() -> Words:
    """jieba's segmenter with its own dictionary."""
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


@cache
def sudachi_words() -> Words:
    """Sudachi's segmenter with its small dictionary: short units, as they stand in the text."""
    try:
        import sudachidict_small  # noqa: F401
        import sudachipy
    except ImportError:
        raise ImportError(
            "Tokenizer(language='japanese') cuts words with Sudachi, which is not installed: pip install "
            "'featlearn[japanese]'. Or pass segmenter=, any function from a text to its words."
        ) from None
    dictionary = sudachipy.Dictionary(dict="small")

    def words(text: str) -> list[str]:
        tokenizer = dictionary.tokenizer(mode=sudachipy.SplitMode.A)  # one serves one thread
        return [word.surface() for piece in PIECE.findall(text) for word in tokenizer.tokenize(piece)]

    return words


OWN = {"chinese": (jieba_words, HAN), "japanese": (sudachi_words, HAN + KANA + "\u3099\u309a")}


def own_segmenter(language: str) -> Words:
    """The segmenter of a language that has one here, and what else stands in a text by Unicode's rules."""
    make, script = OWN[language]
    segment = make()
    run = _words_of_others(script)

    def words(text: str) -> list[str]:
        text = SURROGATES.sub(" ", text)
        found, start = [], 0
        for other in run.finditer(text):
            if not other[0].isascii():
                found += segment(text[start : other.start()]) + unicode_words(other[0])
                start = other.end()
        return found + segment(text[start:])

    return words


@cache
def _words_of_others(script: str) -> re.Pattern:
    return re.compile(rf"(?:(?![{script}])[\w{mark_ranges()}])+")
