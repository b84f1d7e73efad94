"""Documents in columns: records of CSV, TSV, JSON Lines and JSON, and what tells such files from running text.

A text in another shape than lines would be learned from without complaint: the names and escapes of its format as
words, its records cut where they hold line breaks. So a file that looks structured is told from prose before it is read
(`structure`), and read by the standard library's readers once its column of texts is named (`records`).
"""

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from featlearn.text.json_records import LINES, json_column, json_records, looks_like_json
from featlearn.text.readers import HEAD, Source, text_lines
from featlearn.text.table_records import (
    MARKS,
    TABLES,
    contents,
    place_of,
    plain_table,
    sample,
    table_column,
    table_of,
    table_records,
)

KINDS = (*TABLES, *LINES, ".json")
MARKUP = re.compile(r"<(\?xml|!doctype|!--|[a-z][\w:.-]*(\s[^<>]*)?>)", re.IGNORECASE)
PAGE = re.compile(r"<(\?xml|!doctype|html)\b", re.IGNORECASE)
CLOSED = re.compile(r"</[A-Za-z][\w:.-]*\s*>")
COMMENTS = re.compile(r"^#.*\n", re.MULTILINE)


class Record(NamedTuple):
    """A document, and what is known of it: all are strings, but for a date or a group that is None where unknown."""

    text: str
    id: str
    date: str | None = None
    group: str | None = None


def beginning(blocks: Iterator[str]) -> tuple[str, Iterator[str], bool]:
    """The beginning of a text, all of its blocks, and whether the beginning is the whole text."""
    parts: list[str] = []
    while sum(map(len, parts)) < HEAD:
        block = next(blocks, None)
        if block is None:
            return "".join(parts), iter(parts), True
        parts.append(block)
    return "".join(parts), chain(parts, blocks), False


def structure(
    head: str, source: Source, *, whole: bool, blocks: Iterable[str] | None = None
) -> tuple[str, str, str] | None:
    """What a file is that looks structured, the column to read it by, and if its first row is a header; or None.

    None is for running text; a column is an argument, or "" if none is known.

    ``head`` is the beginning of its text; ``whole`` says whether it is all, so that the last line is no half one.
    ``blocks`` is all of it, and is used up if it is one JSON value.
    """
    text, suffix = head.lstrip(), source.kind
    if not text:
        return None
    head = COMMENTS.sub("", head)
    if suffix in LINES or suffix == ".json" or looks_like_json(text, whole):
        what, column = json_column(source, text, blocks or [text], whole)
        return ("JSON Lines" if suffix in LINES else "JSON") + what, column, ""
    dialect = table_of(head, suffix, None, whole=whole) if suffix in TABLES else plain_table(head, whole=whole)
    if dialect is not None:
        what = {".csv": "CSV", ".tsv": "TSV", ".tab": "TSV"}.get(suffix, f"a table cut by {MARKS[dialect.delimiter]}")
        rows = sample(dialect, head, whole=whole)
        return (f"{what}{contents(rows)}", *table_column(rows)) if rows else (what, "", "")
    if PAGE.match(text) or (MARKUP.match(text) and len(CLOSED.findall(head)) >= 3):
        return "XML or HTML", "", ""
    return None


def records(
    source: Source, blocks: Iterator[str], columns: tuple[str | int | None, ...]
) -> Iterator[tuple[int, list[str]]]:
    """The line (in a JSON list, the number) of each record, and its values of the columns; "" where there is none.

    The first column must be named; others may be None, and then have no values.
    """
    head, blocks, whole = beginning(blocks)
    text = head.lstrip()
    if not text:
        return
    if source.kind in LINES or source.kind == ".json" or looks_like_json(text, whole):
        yield from json_records(source, text, blocks, columns)
        return
    wanted = [column for column in columns if column is not None]
    dialect = None if source.kind in TABLES else plain_table(COMMENTS.sub("", head), whole=whole)
    if dialect is None or any(place_of(c, sample(dialect, head, whole=whole)) is None for c in wanted):
        dialect = table_of(head, source.kind, wanted, whole=whole)
    yield from table_records(source, dialect, sample(dialect, head, whole=whole), text_lines(blocks), columns)
