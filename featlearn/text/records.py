"""Documents in columns: records of CSV, TSV, JSON Lines and JSON, and what tells such files from running text.

A text in another shape than lines would be learned from without complaint: the names and escapes of its format as
words, its records cut where they hold line breaks. So a file that looks structured is told from prose before it is read
(`structure`), and read by the standard library's readers once its column of texts is named (`records`).
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

from featlearn.text.readers import HEAD, Source, text_lines

LINES = (".jsonl", ".ndjson")
TABLES = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
KINDS = (*TABLES, *LINES, ".json")
ROWS = 200  # of a table tell how it is written
SPARSE = 1000  # records in which a column must appear
FIELD = 1 << 28  # characters of the largest field; a longer one is a quote that nobody closed
NAMES = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "vertical bars"}
STRING = r'"(?:[^"\\\n]|\\.)*"'
JSON = re.compile(rf'\{{\s*{STRING}\s*:|\[\s*(\{{\s*{STRING}\s*:|\[\s*["\d\[{{]|{STRING}\s*,\s*{STRING})')
MARKUP = re.compile(r"<(\?xml|!doctype|!--|[a-z][\w:.-]*(\s[^<>]*)?>)", re.IGNORECASE)
PAGE = re.compile(r"<(\?xml|!doctype|html)\b", re.IGNORECASE)
CLOSED = re.compile(r"</[A-Za-z][\w:.-]*\s*>")
COMMENTS = re.compile(r"^#.*\n", re.MULTILINE)
SURROGATE = re.compile("[\ud800-\udfff]")
ABSENT = object()


class Record(NamedTuple):
    """A document, and what is known of it: all are strings, but for a date or a group that is None where unknown."""

    text: str
    id: str
    date: str | None = None
    group: str | None = None


@dataclass(frozen=True)
class Dialect:
    """How a table is written."""

    delimiter: str
    quoting: int = csv.QUOTE_MINIMAL
    escape: str | None = None
    blanks: bool = False  # after delimiters

    def rows(self, lines: Iterable[str]) -> Any:
        """A csv.reader of lines that keep their newlines."""
        if csv.field_size_limit() < FIELD:
            csv.field_size_limit(FIELD)  # it is the whole process's, so it is only ever raised
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            quoting=self.quoting,  # type: ignore[arg-type]
            escapechar=self.escape,
            doublequote=self.escape is None,
            skipinitialspace=self.blanks,
            strict=self.quoting != csv.QUOTE_NONE,
        )


def beginning(blocks: Iterator[str]) -> tuple[str, Iterator[str], bool]:
    """The beginning of a text, all of its blocks, and whether the beginning is the whole text."""
    parts: list[str] = []
    while sum(map(len, parts)) < HEAD:
        block = next(blocks, None)
        if block is None:
            return "".join(parts), iter(parts), True
        parts.append(block)
    return "".join(parts), chain(parts, blocks), False


# ---- telling structured files from prose ----


def structure(head: str, source: Source, *, whole: bool) -> tuple[str, str] | None:
    """What a file is that looks structured, and how to read it; None for running text.

    ``head`` is the beginning of its text; ``whole`` says whether it is all, so that the last line is no half one.
    """
    text, kind = head.lstrip(), source.kind
    if not text:
        return None
    head = COMMENTS.sub("", head)
    if kind in LINES or kind == ".json" or looks_like_json(text):
        keys = json_keys(text, whole)
        what = "JSON Lines" if kind in LINES else "JSON"
        return what + (f" (with {listed(keys)})" if keys else ""), f"column={longest(keys) if keys else 'text'!r}"
    dialect = table_of(head, kind, None, whole=whole) if kind in TABLES else plain_table(head, whole=whole)
    if dialect is not None:
        rows = first_rows(dialect, head, whole=whole)[0]
        what = {".csv": "CSV", ".tsv": "TSV", ".tab": "TSV"}.get(kind, f"a table cut by {NAMES[dialect.delimiter]}")
        if not rows:
            return what, "column='text'"
        widths = [sum(len(row[i]) for row in rows[1:] if i < len(row)) for i in range(len(rows[0]))]
        best = widths.index(max(widths))
        name = rows[0][best].strip()
        names = dict(zip(rows[0], widths))
        return f"{what} ({listed(names)})", f"column={name if 0 < len(name) <= 40 else best + 1!r}"
    if PAGE.match(text) or (MARKUP.match(text) and len(CLOSED.findall(head)) >= 3):
        return "XML or HTML", ""
    return None


def listed(names: Iterable[str]) -> str:
    """Columns as messages name them."""
    names = [" ".join(name.split()) for name in names]
    short = [name if len(name) <= 40 else name[:39] + "…" for name in names[:10]]
    return f"column{'s' * (len(names) != 1)} {', '.join(short)}{', ...' if len(names) > 10 else ''}"


def longest(lengths: dict[str, int]) -> str:
    """The column with most text."""
    return max(lengths, key=lambda name: lengths[name])


def looks_like_json(text: str) -> bool:
    """Whether a text begins as JSON objects, or lists of them, of lists or of strings, do."""
    if text[0] not in "[{":
        return False
    try:
        value = json.loads(text.partition("\n")[0])
    except (ValueError, RecursionError):
        return JSON.match(text) is not None
    return isinstance(value, dict) or any(isinstance(item, (dict, list, str)) for item in value)


def json_keys(text: str, whole: bool) -> dict[str, int]:
    """The names in the first record, with the lengths of their values."""
    for part in (text.partition("\n")[0], text if whole else ""):
        try:
            value = json.loads(part)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, list) and value:
            value = value[0]
        if isinstance(value, dict):
            return {key: len(item) if isinstance(item, str) else 0 for key, item in value.items()}
    return {}


def plain_table(head: str, *, whole: bool) -> Dialect | None:
    """The dialect of a text in which nearly all lines have equally many fields, at least two.

    Prose has not: a blank follows its commas and semicolons, and its lines begin with tabs, if they have any.
    """
    lines = [line for line in whole_lines(head, whole)[: 4 * ROWS] if line.strip()]
    if len(lines) < 3:
        return None
    if alike([line.strip("\t\n ").count("\t") for line in lines]):
        return Dialect("\t", csv.QUOTE_NONE)
    for delimiter in ",;|":
        if not re.search(rf"{re.escape(delimiter)}(?!(?<=\d,)\d{{3}}\b)\S", lines[0]):  # 1,000 has no two fields
            continue
        rows, _ = first_rows(Dialect(delimiter), head, whole=whole)
        inner = [field for row in rows for field in row[1:] if field]
        spaced = sum(field[0].isspace() for field in inner) > 0.1 * len(inner)
        if len(rows) >= 3 and alike([len(row) - 1 for row in rows]) and (delimiter == "|" or not spaced):
            return Dialect(delimiter)
    return None


def alike(counts: list[int]) -> bool:
    """Whether nearly all numbers, and the first, are the same one, of at least 1."""
    return counts[0] >= 1 and counts.count(counts[0]) >= 0.9 * len(counts)


def whole_lines(head: str, whole: bool) -> list[str]:
    """The lines of the beginning of a text, with their newlines, without a half one at its end."""
    lines = [f"{line}\n" for line in head.split("\n")]
    return lines if whole or len(lines) == 1 else lines[:-1]


def first_rows(dialect: Dialect, head: str, *, whole: bool) -> tuple[list[list[str]], float]:
    """Rows of a table's beginning, and the share of them that have as many fields as the first."""
    rows: list[list[str]] = []
    lines = whole_lines(head, whole)
    reader = dialect.rows(lines)
    broken = 0
    try:
        for row in reader:
            if row:
                rows.append(row)
            if len(rows) == ROWS:
                break
    except csv.Error as error:
        broken = "end of data" not in str(error)  # a record that the end cuts is reported when it is read
    equal = sum(len(row) == len(rows[0]) for row in rows)
    return rows, equal / max(len(rows) + broken, 1)


def table_of(head: str, kind: str, columns: Iterable[str | int] | None, *, whole: bool) -> Dialect:
    """The dialect in which the first row has the columns, and the others as many fields as the first."""
    if (mark := re.match(r"sep=(.)\n", head)) is not None:  # Excel's
        return Dialect(mark[1])
    candidates = []
    for delimiter in "\t" if TABLES.get(kind) == "\t" else ",;\t|":
        # A backslash escapes quotes where none are doubled; at the end of a field it may stand for itself.
        escaped = [Dialect(delimiter, escape="\\")] if '\\"' in head else []
        inner = rf"[^{delimiter}\n]"
        first = re.search(rf'\\"{inner}', head) and not re.search(rf'{inner}""{inner}', head)
        plain = [Dialect(delimiter), Dialect(delimiter, blanks=True)]
        candidates += [*escaped, *plain] if first else [*plain, *escaped]
    candidates.append(Dialect("\t", csv.QUOTE_NONE))

    def merit(dialect):
        rows, equal = first_rows(dialect, head, whole=whole)
        if not rows or (dialect.quoting == csv.QUOTE_NONE and len(rows[0]) == 1):
            return 0, False, 0.0
        found = sum(place_of(column, rows[0]) is not None for column in columns or ())
        return found, len(rows[0]) > 1 and equal >= 0.9, round(equal, 3)

    return max(candidates, key=merit)


# ---- reading ----


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
    if source.kind in LINES or source.kind == ".json" or looks_like_json(text):
        yield from json_records(source, text, blocks, columns)
    else:
        dialect = table_of(head, source.kind, [c for c in columns if c is not None], whole=whole)
        yield from table_records(source, dialect, text_lines(blocks), columns)


def place_of(column: str | int, names: list[str]) -> int | None:
    """Where a column is: by its name, or by its number from 1 on."""
    stripped = [name.strip() for name in names]
    if column in stripped:
        return stripped.index(column)
    number = numbered(column)
    return number - 1 if number is not None and number <= len(names) else None


def numbered(column: str | int) -> int | None:
    """The number that a column is given by, if it is."""
    return int(column) if isinstance(column, int) or (column.isdecimal() and len(column) < 9) else None


def table_records(
    source: Source, dialect: Dialect, lines: Iterator[str], columns: tuple[str | int | None, ...]
) -> Iterator[tuple[int, list[str]]]:
    """Records of a table. If all columns are numbers that name none, there is no header."""
    reader = dialect.rows(f"{line}\n" for line in lines)
    names: list[str] | None = None
    places: list[int | None] = []
    before = 0
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            cause = "a quote is not closed" if "end of data" in str(error) or "larger" in str(error) else str(error)
            raise ValueError(
                f"{source.name}, line {before + 1}: {cause}. A field with quotes stands in quotes, and those in it are "
                "doubled; mend this record."
            ) from None
        line, before = before + 1, reader.line_num
        if not row or (line == 1 and row == ["sep=", ""]):
            continue
        if names is None:
            names = row
            places = [None if column is None else located(source, column, names) for column in columns]
            header = any(isinstance(c, str) and c in map(str.strip, names) for c in columns)
            source.taken = f"a table cut by {NAMES.get(dialect.delimiter, repr(dialect.delimiter))}"
            if header:
                continue
            source.taken += " without a header"
        if len(row) > len(names) and any(row[len(names) :]):
            raise ValueError(
                f"{source.name}, line {line}: the record has {len(row)} fields, and the first line {len(names)}. A "
                f"field that holds {NAMES.get(dialect.delimiter, repr(dialect.delimiter))} stands in quotes; mend it."
            )
        yield line, ["" if place is None or place >= len(row) else row[place] for place in places]


def located(source: Source, column: str | int, names: list[str]) -> int:
    """Where a column is, or an error that names those that are there."""
    if [name.strip() for name in names].count(str(column)) > 1:
        raise ValueError(f"{source.name} has more than one column {column!r} ({listed(names)}). Pass its number.")
    place = place_of(column, names)
    if place is None or place < 0:
        raise ValueError(
            f"{source.name} has no column {column!r}; there {'is' if len(names) == 1 else 'are'} {listed(names)}."
        )
    return place


def json_records(
    source: Source, text: str, blocks: Iterator[str], columns: tuple[str | int | None, ...]
) -> Iterator[tuple[int, list[str]]]:
    """Records of JSON Lines, or of one JSON value: a list of records, or a record."""
    by_line = is_json_lines(source, text)
    source.taken = "JSON Lines" if by_line else "JSON"
    seen = [column is None for column in columns]
    keys: dict[str, None] = {}
    number = 0
    for place, record in json_lines(source, blocks) if by_line else json_items(source, blocks, columns):
        number += 1
        where = f"{source.name}, {'line' if by_line else 'record'} {place}"
        values = []
        for i, column in enumerate(columns):
            value = ABSENT if column is None else looked_up(record, column)
            seen[i] = seen[i] or value is not ABSENT
            values.append("" if value is ABSENT else as_text(value, where, column))
        if isinstance(record, dict) and len(keys) < 100:
            keys |= dict.fromkeys(record)
        if number == SPARSE and not all(seen):
            break
        yield place, values
    if not all(seen) and number:
        missing = columns[seen.index(False)]
        there = f"there {'is' if len(keys) == 1 else 'are'} {listed(keys)}" if keys else "its records have no names"
        raise ValueError(
            f"{source.name} has no column {missing!r}; {there}. One in another is named as in 'user.name'."
        )


def is_json_lines(source: Source, text: str) -> bool:
    """Whether the first line is a record of its own: it is whole, and more follow."""
    line, _, rest = text.partition("\n")
    if source.kind in LINES or not rest.strip():
        return source.kind in LINES
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def json_lines(source: Source, blocks: Iterator[str]) -> Iterator[tuple[int, Any]]:
    """The lines that are not blank, and what they hold."""
    for number, line in enumerate(text_lines(blocks), 1):
        if line.strip():
            yield number, parsed(source, line, number)


def json_items(
    source: Source, blocks: Iterator[str], columns: tuple[str | int | None, ...]
) -> Iterator[tuple[int, Any]]:
    """The records of one JSON value."""
    value = parsed(source, "".join(blocks), 1)
    yield from enumerate(value if isinstance(value, list) else records_in(source, value, columns), 1)


def parsed(source: Source, text: str, line: int) -> Any:
    """What a text in JSON says."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{source.name}, line {line + error.lineno - 1}: this is no whole JSON ({error.msg}, column {error.colno})."
            " Mend the line or take it out."
        ) from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{source.name}, line {line}: this JSON cannot be read ({error}).") from None


def records_in(source: Source, value: Any, columns: tuple[str | int | None, ...]) -> list:
    """The records in a JSON object: itself, or those of its columns, of the one list in it, or by their keys."""
    if not isinstance(value, dict):
        raise ValueError(f"{source.name} holds one {type(value).__name__}, and a list of records is read.")
    wanted = [column for column in columns if column is not None]
    found = [looked_up(value, column) for column in wanted]
    if all(isinstance(item, list) for item in found):
        lengths = [len(item) for item in found]
        if len(set(lengths)) > 1:
            raise ValueError(f"{source.name} has columns of different lengths: {listed(map(str, lengths))}.")
        return [dict(zip(map(str, wanted), row)) for row in zip(*found)]
    if all(isinstance(item, dict) for item in found):
        return [{str(c): item.get(key) for c, item in zip(wanted, found)} for key in found[0]]
    if found[0] is not ABSENT:
        return [value]
    lists = [item for item in value.values() if isinstance(item, list) and any(isinstance(i, dict) for i in item)]
    if len(lists) == 1:
        return lists[0]
    if value and all(isinstance(item, dict) for item in value.values()):
        return list(value.values())
    return [value]


def looked_up(record: Any, column: str | int) -> Any:
    """The value of a column: by its name, by names that lead to it (``user.name``), or in a list by its number."""
    if isinstance(record, dict):
        name = str(column)
        if name in record:
            return record[name]
        for i, char in enumerate(name):
            if char == "." and isinstance(record.get(name[:i]), dict):
                value = looked_up(record[name[:i]], name[i + 1 :])
                if value is not ABSENT:
                    return value
        return ABSENT
    items = record if isinstance(record, list) else [record]
    number = numbered(column)
    return items[number - 1] if number is not None and 0 < number <= len(items) else ABSENT


def as_text(value: Any, where: str, column: Any) -> str:
    """A JSON value as text: strings as they are, numbers as written, null as nothing, lists of these joined."""
    if isinstance(value, str):
        text = value.replace("\r\n", "\n").replace("\r", "\n") if "\r" in value else value
        return SURROGATE.sub("\ufffd", text)
    if value is None or value != value:
        return ""
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    if isinstance(value, list) and not any(isinstance(item, (list, dict)) for item in value):
        return "\n".join(as_text(item, where, column) for item in value)
    inner = f"; name one in it, {column}.{next(iter(value))}" if isinstance(value, dict) and value else ""
    raise ValueError(
        f"{where}: column {column!r} holds a {'list of lists' if isinstance(value, list) else 'record'}{inner}."
    )
