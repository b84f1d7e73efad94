"""Words of texts in any script that parts them, by Unicode's rules (UAX 29) and Python's own tables of characters.

    "мова, l'été; हिन्दी!"  ->  мова, l'été, हिन्दी

A word is a letter and what follows of letters, combining marks, digits and underscores. Between letters an apostrophe
or a middle dot joins, and between Hebrew letters a double quote. Format characters (soft hyphens, joiners, variation
selectors) are removed, and all apostrophes are one. Two of UAX 29's rules are left out, as they join what no reader
calls a word: full stops and colons between letters (end.Start), and everything that starts with a digit.

Texts without characters that need this are told apart first, since the plain patterns are faster.

Unicode Standard Annex 29, Unicode Text Segmentation, https://www.unicode.org/reports/tr29/
"""

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache

Words = Callable[[str], list[str]]

# Texts of these alone have no mark, no format character and no script without blanks: Latin, Greek, Cyrillic.
USUAL = re.compile("[\0-\xac\xae-\u02ff\u0370-\u0482\u048a-\u0590\u1e00-\u200a\u2010-\u2029\u202f-\u205f]*")
# Starts with a letter, so numbers and 3rd are no words; don't is one, and so is what stands _between_ underscores.
PLAIN = re.compile(r"(?<![^\W_])[^\W\d_](?:\w*[^\W_])?(?:'[tT]\b)?")
CLITIC = re.compile(r"'(?:s|m|d|re|ve|ll)\b", re.IGNORECASE)  # John's, they'll: grammar, not topics
BACKTICK = re.compile(r"`(?=[^\W\d_])(?<=[^\W_]`)")
LETTERS = re.compile(r"[^\W\d_]+")

APOSTROPHES = "\u2018\u2019\u201b\u02bb\u02bc\u02bd\u055a\u05f3"  # quotes, modifiers, Armenian's, the Hebrew geresh
ACCENTS = "`\xb4\u2032\uff40\u1fbd\u1fbf\u1fef\u1ffd"  # apostrophes where letters stand on both sides: you`ve
GERSHAYIM = "\u05f4"  # the double quote of Hebrew abbreviations
BLANK = "\u200b\u3164\uffa0"  # zero-width space parts words (UAX 29 too), and Hangul's fillers look like blanks
IGNORABLE = "\u034f\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"  # the marks that only style others
# Thai and Lao vowels that NFKC cuts in two; tone marks stand before them, and some type these after the first half.
AM = {"\u0e4d\u0e32": "\u0e33", "\u0ecd\u0eb2": "\u0eb3"}
TONED_AM = re.compile("(\u0e4d)([\u0e48-\u0e4b]+)(?=\u0e32)|(\u0ecd)([\u0ec8-\u0ecb]+)(?=\u0eb2)")
KEPT = "\u0edc\u0edd"  # Lao ho no and ho mo: NFKC cuts them too, and halves side by side may be of two syllables
MARKS_IN_ROW = 100  # more of them on one letter are noise, and Python sorts a row of n in n^2 steps


def ranges(wanted: Callable[[str], bool]) -> str:
    """The characters wanted, as the inside of a regular expression's class."""
    found: list[list[int]] = []
    for code in (*range(0x20000), *range(0xE0000, 0xE1000)):  # where marks and format characters are
        if wanted(chr(code)):
            if found and found[-1][1] == code - 1:
                found[-1][1] = code
            else:
                found.append([code, code])
    return "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in found)


@cache
def mark_ranges() -> str:
    """Combining marks, as the inside of a class."""
    return ranges(lambda character: unicodedata.category(character)[0] == "M")


@cache
def _ignored() -> re.Pattern:
    """Characters that only tell how others are shown."""
    formats = ranges(lambda character: unicodedata.category(character) == "Cf" and character not in BLANK)
    return re.compile(f"[{formats}{IGNORABLE}]+")


@cache
def _rows() -> re.Pattern:
    """Rows of more marks than a letter can carry."""
    return re.compile(f"[{mark_ranges()}]{{{MARKS_IN_ROW + 1},}}")


@cache
def _accents() -> re.Pattern:
    return re.compile(rf"[{ACCENTS}](?=[^\W\d_])(?<=[\w{mark_ranges()}].)(?<!_.)")


@cache
def _english() -> re.Pattern:
    """As PLAIN, with marks; a number and what hangs on it is found too, without the group."""
    marks = mark_ranges()
    return re.compile(rf"\d(?:[^\W_]|[{marks}])*|([^\W\d_][\w{marks}]*(?<!_)(?:'[tT]\b)?)")


@cache
def _unicode() -> re.Pattern:
    """Words with what joins their parts; a number and what hangs on it is found too, without the group."""
    marks = mark_ranges()
    word = rf"[^\W\d_][\w{marks}]*(?<!_)"
    join = r"""(?:['·‧]|(?<=[א-ת\u0591-\u05c7])"(?=[א-ת]))"""
    return re.compile(rf"\d(?:[^\W_]|[{marks}])*|({word}(?:{join}{word})*)")


def is_unusual(text: str) -> bool:
    """Whether a text may hold marks, format characters or a script without blanks."""
    return not text.isascii() and USUAL.fullmatch(text) is None


def _composed(text: str) -> str:
    """The text in NFKC, but with the vowel am of Thai and Lao, and two Lao consonants, as dictionaries spell them."""
    if "\u0edc" in text or "\u0edd" in text:
        return "".join(part if part in KEPT else _composed(part) for part in re.split(f"([{KEPT}])", text))
    text = unicodedata.normalize("NFKC", text)
    for halves, vowel in AM.items():
        if halves[0] in text:
            text = text.replace(halves, vowel)
    return text


def normalized(text: str) -> str:
    """The text in NFKC with Thai and Lao letters whole, without format characters, with one kind of apostrophe."""
    return _normalized(text, is_unusual(text))


def _normalized(text: str, unusual: bool) -> str:
    if text.isascii():
        return BACKTICK.sub("'", text) if "`" in text else text
    if unusual:
        text = _rows().sub(lambda row: _shortened(row[0]), text)
        for character in BLANK:
            text = text.replace(character, " ")
        text = _ignored().sub("", text)
        if "\u0e4d" in text or "\u0ecd" in text:
            text = TONED_AM.sub(r"\2\1\4\3", text)
    for character in ACCENTS:  # before NFKC, which makes two characters of some
        if character in text:
            text = _accents().sub("'", text)
            break
    text = _composed(text)
    for character in APOSTROPHES:
        text = text.replace(character, "'")
    return text.replace(GERSHAYIM, '"')


def lowered(word: str) -> str:
    """A normalized word in lowercase, normalized again: J with a caron has no single character, j has."""
    word = word.lower()
    return word if word.isascii() else _composed(word)


def turkish_lowered(word: str) -> str:
    """As `lowered`, where I is the capital of a letter without a dot."""
    return lowered(word.replace("I", "ı").replace("İ", "i"))


def _shortened(row: str) -> str:
    """A row of marks, those that normalization sorts only as far as it does so in reasonable time."""
    kept, sorted_ones = [], 0
    for mark in row:
        sorted_ones = sorted_ones + 1 if unicodedata.combining(mark) else 0
        if sorted_ones <= MARKS_IN_ROW:
            kept.append(mark)
    return "".join(kept)


def english_words(text: str) -> list[str]:
    """The words of an English text, without clitics and negated auxiliaries."""
    unusual = is_unusual(text)
    text = _normalized(text, unusual)
    if "'" in text:
        text = CLITIC.sub(" ", text)
    words = list(filter(None, _english().findall(text))) if unusual else PLAIN.findall(text)
    return [word for word in words if not word.endswith(("'t", "'T"))] if "'" in text else words


def unicode_words(text: str) -> list[str]:
    """The words of a text in whatever language."""
    return list(filter(None, _unicode().findall(normalized(text))))


HAN = "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3038-\u303b\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
KANA = "\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f\U0001aff0-\U0001b16f"
# Scripts without blanks between words: what they are called, and the inside of their class.
UNPARTED = {
    "Chinese": HAN,
    "Japanese": KANA,
    "Thai": "\u0e01-\u0e3a\u0e40-\u0e4e",
    "Lao": "\u0e81-\u0ecf\u0edc-\u0edf",
    "Khmer": "\u1780-\u17d3\u17d7\u17dc\u17dd",
    "Burmese": "\u1000-\u103f\u1050-\u108f\u109a-\u109f\ua9e0-\ua9ef\ua9fa-\ua9fe\uaa60-\uaa7f",
    "Tibetan": "\u0f00\u0f18\u0f19\u0f35\u0f37\u0f39\u0f3e-\u0fbc\u0fc6",
    "Javanese": "\ua980-\ua9c0",
    "Balinese": "\u1b00-\u1b4c\u1b6b-\u1b73",
    "Yi": "\ua000-\ua48c",
    "a Tai script": "\u1950-\u19ab\u19b0-\u19c9\u1a20-\u1a7f\uaa80-\uaadf\U00011700-\U0001172b",
}
_UNPARTED = re.compile(f"[{''.join(UNPARTED.values())}]+")


def letters_of_scripts(texts: Iterable[str]) -> dict[str, int]:
    """How many letters and marks of each script without blanks the texts hold."""
    found = "".join(run for text in texts for run in _UNPARTED.findall(text))
    if not found:
        return dict.fromkeys(UNPARTED, 0)
    return {name: len("".join(re.findall(f"[{inside}]+", found))) for name, inside in UNPARTED.items()}


def n_letters(texts: Iterable[str]) -> int:
    """How many letters the texts hold, with the marks of scripts without blanks."""
    pattern = re.compile(f"(?:[^\\W\\d_]|[{''.join(UNPARTED.values())}])+")
    return sum(len(run) for text in texts for run in (LETTERS if text.isascii() else pattern).findall(text))
