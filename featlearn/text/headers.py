"""Columns: their names, what a value is, and whether the first row of a table is its header.

The row is compared with the column below each of its fields.
A header is a name above numbers, dates or other marks; a record is of the kind of those below it, or says what one of
them says again. Where all fields are words, names that tables often have, sentences and lengths tell; they may not.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from statistics import fmean

from featlearn.text.dates import parts

NUMBER = re.compile(r"[-+]?[$€£]?(\d+|\d{1,3}(,\d{3})+)?([.,]\d+)?(e[-+]?\d+)?\s?%?", re.IGNORECASE)
ADDRESS = re.compile(r"(https?://|www\.)\S+|\S+@\S+\.\w+", re.IGNORECASE)
SENTENCE = re.compile(r"\S\s.*[.!…]+[\"'”’)]*$|[。！？]$", re.DOTALL)
ABSENT = {"", "-", "?", "na", "n/a", "nan", "none", "null", "\\n"}
NAMES = re.compile(  # that columns have in many tables
    "abstract|answer|article|author|body|caption|category|class|comment|contents?|country|created|date|day|description|"
    "doc|document|feedback|group|headline|id|idx|index|key|label|lang|language|line|message|month|name|no|number|phrase|"
    "plot|polarity|post|quote|rating|reply|response|review|score|sentence|sentiment|source|speaker|speech|state|status|"
    "subject|summary|tags?|target|text|time|timestamp|title|topic|transcript|tweet|type|url|user|username|utterance|"
    "value|verse|year"
)
LETTERS = re.compile(r"[^\W\d_]+")
SURE = 2  # votes
ROWS = 200  # of a table tell how it is written


@lru_cache(maxsize=4096)
def canonical(name: str) -> str:
    """A name by which columns are compared: names that look alike are one."""
    name = name.replace("\ufeff", "").replace("\u200b", "")
    return " ".join((name if name.isascii() else unicodedata.normalize("NFC", name)).split())


def kind(value: str) -> str:
    """What a field holds: "" (nothing), "number", "date", "address", "words", or of a mark with digits its form."""
    value = value.strip()
    if value.lower() in ABSENT:
        return ""
    if len(value) > 60:
        return "words"
    if NUMBER.fullmatch(value):
        return "number"
    if ADDRESS.fullmatch(value):
        return "address"
    if not any(map(str.isdigit, value)):
        return "words"
    if len(value.split()) <= 6 and parts(value, "") is not None:
        return "date"
    return "words" if " " in value else re.sub(r"\d+", "0", LETTERS.sub("a", value))


def amount(value: str) -> int:
    """How much text a value holds: a number, a date or an address is nearly none."""
    return 1000 * len(value) if kind(value) == "words" else len(value)


def listed(names: Iterable[str]) -> str:
    """Columns as messages name them."""
    names = [" ".join(name.split()) for name in names]
    short = [name if len(name) <= 40 else name[:39] + "…" for name in names[:10]]
    return f"column{'s' * (len(names) != 1)} {', '.join(short)}{', ...' if len(names) > 10 else ''}"


def numbered(column: str | int) -> int | None:
    """The number that a column is given by, if it is."""
    return int(column) if isinstance(column, int) or (column.isdecimal() and len(column) < 9) else None


def kind_below(rows: list[list[str]], i: int) -> str:
    """The kind that four of five values of a column are below the first row, or "words"."""
    kinds = Counter(kind(row[i]) for row in rows[1:] if i < len(row))
    kinds.pop("", None)
    found, n = kinds.most_common(1)[0] if kinds else ("words", 0)
    return found if n >= 0.8 * kinds.total() else "words"


def has_header(rows: list[list[str]]) -> bool | None:
    """Whether the first of a table's rows is a header; None where nothing tells.

    Examples
    --------
    >>> from featlearn.text.headers import has_header
    >>> has_header([["id", "text"], ["1", "The cat sat"]]), has_header([["1", "The cat sat"], ["2", "The dog ran"]])
    (True, False)
    """
    if not rows or len(rows) == 1:
        return None
    if is_numbered(rows):
        return True
    total = sum(votes(rows, i) for i in range(len(rows[0])))
    return True if total >= SURE else False if total <= -SURE else None


def is_numbered(rows: list[list[str]]) -> bool:
    """Whether the first row counts its columns, as 0, 1 or V1, V2, and the columns hold something else."""
    found = [re.fullmatch(r"(\D*)(\d{1,4})", name.strip()) for name in rows[0] if name.strip()]
    names = [(match[1], int(match[2])) for match in found if match is not None]
    if len(names) < 2 or len(names) < len(found) or (names[0][0] == "" and names[0][1] != 0):
        return False
    counted = [(names[0][0], names[0][1] + i) for i in range(len(names))]
    return names == counted and (
        names[0][0] == "" or all(kind(n) != kind_below(rows, i) for i, n in enumerate(rows[0]))
    )


def votes(rows: list[list[str]], i: int) -> int:
    """How much a column speaks for a header: below zero against one."""
    first = rows[0][i].strip()
    below, own = kind_below(rows, i), kind(first)
    if below != "words":
        if not own:
            return 2 if i == 0 and not first else 0  # pandas names no index
        return -3 if own == below else 3 if own == "words" else 0
    if own != "words":
        return 0
    others = [row[i].strip() for row in rows[1:] if row != rows[0] and i < len(row) and row[i].strip()]
    if first in others:
        return -3
    lengths = [len(other.split()) for other in others]
    n, values = len(first.split()), Counter(others)
    score = 0
    words = LETTERS.findall(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", first))
    if n <= 2 and any(NAMES.fullmatch(word.lower()) for word in words):
        score += 2
    elif SENTENCE.search(first):
        score -= 2
    elif n >= 12 or (n >= 3 and lengths and min(lengths) <= n <= max(lengths)):
        score -= 1
    elif n <= 2 and len(first) <= 30 and lengths and fmean(lengths) >= 4 * n:
        score += 1
    if len(others) >= 6 and 3 * len(values) <= len(others):
        score += 2  # categories, of which it is none
    return score
