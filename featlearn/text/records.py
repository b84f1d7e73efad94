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

from featlearn.notices import notify
from featlearn.text.headers import NAMES, canonical, has_header, kind, kind_below
from featlearn.text.readers import HEAD, Source, text_lines

LINES = (".jsonl", ".ndjson")
TABLES = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
KINDS = (*TABLES, *LINES, ".json")
ROWS = 200  # of a table tell how it is written
SPARSE = 1000  # records in which a column must appear
FIELD = 1 << 28  # characters of the largest field; a longer one is a quote that nobody closed
MARKS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "vertical bars"}
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


def listed(names: Iterable[str]) -> str:
    """Columns as messages name them."""
    names = [" ".join(name.split()) for name in names]
    short = [name if len(name) <= 40 else name[:39] + "…" for name in names[:10]]
    return f"column{'s' * (len(names) != 1)} {', '.join(short)}{', ...' if len(names) > 10 else ''}"


def contents(rows: list[list[str]]) -> str:
    """The columns of a table, or its first row if that is no header."""
    header = has_header(rows)
    if header:
        return f" ({listed(rows[0])})"
    return f" ({'without a header' if header is False else 'perhaps without a header'}; {first_row(rows[0])})"


def first_row(row: list[str]) -> str:
    """The first row as messages show it."""
    return f"first row: {listed(row).partition(' ')[2]}"


def table_column(rows: list[list[str]]) -> tuple[str, str]:
    """The column with most text, by name below a header and else by number; and its name where nothing tells."""
    header = has_header(rows)
    best = longest(rows[header is True :] or rows)
    names = [canonical(name) for name in rows[0]]
    number, name = f"column={best + 1}", f"column={names[best]!r}"
    if header is False or not names[best] or names.count(names[best]) > 1:
        return number, ""
    return (name, "") if header else (number, name)


def longest(rows: list[list[str]]) -> int:
    """The column with most text."""
    amounts = [sum(amount(row[i]) for row in rows if i < len(row)) for i in range(len(rows[0]))]
    return amounts.index(max(amounts))


def amount(value: str) -> int:
    """How much text a value holds: a number, a date or an address is nearly none."""
    return 1000 * len(value) if kind(value) == "words" else len(value)


def looks_like_json(text: str, whole: bool) -> bool:
    """Whether a text is JSON objects, or lists of them, of lists or of strings: one on every line, or one in all."""
    if text[0] not in "[{":
        return False
    lines = [line for line in whole_lines(text, whole)[:20] if line.strip()]
    if len(lines) > 1 and 2 * sum(holds_records(line) for line in lines) > len(lines):
        return True
    try:
        return holds_records(text, strict=True)
    except json.JSONDecodeError as error:
        if not whole and (error.pos >= len(text.rstrip()) - 12 or error.msg.startswith("Unterminated string")):
            return True  # so far it is
        # One with a slip in it is no prose: prose leaves the form in its first line.
        return error.lineno > 1 and error.msg != "Extra data" and JSON.match(text) is not None
    except (ValueError, RecursionError):
        return True


def holds_records(text: str, *, strict: bool = False) -> bool:
    """Whether a text is a JSON object or a list of more than numbers."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        if strict:
            raise
        return False
    return isinstance(value, dict) or (
        isinstance(value, list) and any(isinstance(item, (dict, list, str)) for item in value)
    )


def json_column(source: Source, text: str, blocks: Iterable[str], whole: bool) -> tuple[str, str]:
    """What is in JSON, and the column with most text among those by which it can be read, as an argument."""
    values, by_line = [], is_json_lines(source, text)
    if by_line:
        for line in whole_lines(text, whole)[:ROWS]:
            try:
                values.append(json.loads(line))
            except (ValueError, RecursionError):
                continue  # it is named when it is read
    else:
        try:
            values.append(json.loads("".join(blocks)))
        except (ValueError, RecursionError) as error:
            slip = f", line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else ""
            return f" (which cannot be read{slip})", ""
    found: dict[str | int, int] = {}
    for record in chain.from_iterable(candidates(value, by_line) for value in values):
        for name, value in leaves(record):
            found[name] = found.get(name, 0) + amount(value)
    best, most, names = "", (False, 0), []
    for column in sorted(found, key=lambda name: -found[name])[:10]:
        try:
            records = values if by_line else records_of(source, values[0], (column,))
            held = [item for record in records if (item := looked_up(record, column)) is not ABSENT]
            read = [as_text(item, "", column) for item in held]
        except ValueError:
            continue
        merit = (sum(map(bool, map(str.strip, read))) > 1, sum(map(amount, read)))
        if merit > most:
            best, most = f"column={shown(column)}", merit
            names = [name for name, _ in leaves(records[0]) if isinstance(name, str)]
            if len(names) == 1 and isinstance(values[0], dict):
                names = [name for name, item in values[0].items() if isinstance(item, type(values[0].get(column)))]
    return (f" (with {listed(names)})" if names else ""), best


def shown(column: str | int) -> str:
    """A column as an argument is written."""
    return repr(canonical(column) if isinstance(column, str) else column)


def leaves(record: Any) -> Iterator[tuple[str | int, str]]:
    """The columns of a record that hold text or what is read as text: by names, in a list by numbers."""
    if isinstance(record, dict):
        for name, item in record.items():
            if isinstance(item, dict):
                yield from ((f"{name}.{inner}", text) for inner, text in leaves(item))
            elif not isinstance(item, list) or not any(isinstance(one, (dict, list)) for one in item):
                yield name, as_text(item, "", name)
    else:
        for number, item in enumerate(record if isinstance(record, list) else [record], 1):
            if not isinstance(item, (dict, list)):
                yield number, as_text(item, "", number)


def candidates(value: Any, by_line: bool) -> Iterator[Any]:
    """Records whose columns may be the columns of JSON: of a whole value those in it, and its columns as one record."""
    if by_line:
        yield value
    elif isinstance(value, list):
        yield from value
    elif isinstance(value, dict):
        value = unsplit(value)
        if not isinstance(value, dict):
            yield from value
        elif is_series(value):
            yield from value.values()
        else:
            yield value
            for name, item in value.items():
                if isinstance(item, dict):
                    yield item
                    yield {name: [one for one in item.values() if not isinstance(one, (dict, list))]}
                elif isinstance(item, list):
                    yield from (one for one in item if isinstance(one, dict))


def sample(dialect: Dialect, head: str, *, whole: bool) -> list[list[str]]:
    """Rows of a table's beginning, without Excel's mark."""
    rows = first_rows(dialect, head, whole=whole)[0]
    return rows[1:] if rows and rows[0] == ["sep=", ""] else rows


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
            return 0, False, False, 0.0
        found = sum(place_of(column, rows) is not None for column in columns or ())
        mark = dialect.delimiter  # before blanks it is one of prose, unless quotes follow them
        spaced = 2 * (head.count(f"{mark} ") - head.count(f'{mark} "')) > head.count(mark)
        return found, len(rows[0]) > 1 and equal >= 0.9, not spaced, round(equal, 3)

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
    if source.kind in LINES or source.kind == ".json" or looks_like_json(text, whole):
        yield from json_records(source, text, blocks, columns)
        return
    wanted = [column for column in columns if column is not None]
    dialect = None if source.kind in TABLES else plain_table(COMMENTS.sub("", head), whole=whole)
    if dialect is None or any(place_of(c, sample(dialect, head, whole=whole)) is None for c in wanted):
        dialect = table_of(head, source.kind, wanted, whole=whole)
    yield from table_records(source, dialect, sample(dialect, head, whole=whole), text_lines(blocks), columns)


def place_of(column: str | int, rows: list[list[str]]) -> tuple[int, bool] | None:
    """Where a column is, and whether by its name in the first row rather than by its number from 1 on.

    A number above numbers is no name.
    """
    names, number = [canonical(name) for name in rows[0]], numbered(column)
    if isinstance(column, str) and canonical(column) in names:
        place = names.index(canonical(column))
        if number is None or kind_below(rows, place) != "number":
            return place, True
    return (number - 1, False) if number is not None and 0 < number <= len(names) else None


def numbered(column: str | int) -> int | None:
    """The number that a column is given by, if it is."""
    return int(column) if isinstance(column, int) or (column.isdecimal() and len(column) < 9) else None


def table_records(
    source: Source,
    dialect: Dialect,
    head: list[list[str]],
    lines: Iterator[str],
    columns: tuple[str | int | None, ...],
) -> Iterator[tuple[int, list[str]]]:
    """Records of a table, of which ``head`` is the beginning. If all columns are numbers, there is no header."""
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
            found = [None if column is None else located(source, column, [names, *head[1:]]) for column in columns]
            places = [None if one is None else one[0] for one in found]
            header = any(one is not None and one[1] for one in found)
            source.taken = f"a table cut by {MARKS.get(dialect.delimiter, repr(dialect.delimiter))}"
            if header:
                warn_of_header(source, columns, found, [names, *head[1:]])
                continue
            source.taken += " without a header"
        if len(row) > len(names) and any(row[len(names) :]):
            raise ValueError(
                f"{source.name}, line {line}: the record has {len(row)} fields, and the first line {len(names)}. A "
                f"field that holds {MARKS.get(dialect.delimiter, repr(dialect.delimiter))} stands in quotes; mend it."
            )
        yield line, ["" if place is None or place >= len(row) else row[place] for place in places]


def located(source: Source, column: str | int, rows: list[list[str]]) -> tuple[int, bool]:
    """Where a column is, and whether by name; or an error that names those that are there."""
    names = rows[0]
    place = place_of(column, rows)
    if place is None:
        there = f"there {'is' if len(names) == 1 else 'are'} {listed(names)}."
        if has_header(rows) is not True:
            there = (
                f"{first_row(names)}. If that is no header, pass the number of a column "
                f"(column={longest(rows) + 1} holds most text)."
            )
        raise ValueError(f"{source.name} has no column {column!r}; {there}")
    if place[1] and [canonical(name) for name in names].count(canonical(str(column))) > 1:
        raise ValueError(
            f"{source.name} has more than one column {column!r} ({listed(names)}). Rename one of them in the first "
            f"row, or take that row out and pass the number of the column (column={place[0] + 1})."
        )
    return place


def warn_of_header(source: Source, columns: tuple[str | int | None, ...], found: list, rows: list[list[str]]) -> None:
    """Warn that the first row is taken for a header, where it looks like a record."""
    header = has_header(rows)
    named = [(column, one[0]) for column, one in zip(columns, found) if one is not None and one[1]]
    column, place = named[0]
    usual = NAMES.fullmatch(str(column).lower()) is not None
    if not usual and (header is False or (header is None and any(len(str(name).split()) > 2 for name, _ in named))):
        notify(
            f"{source.name}: the first row has the name {column!r}, and is taken as a header and no document. If it is "
            f"one, pass the number, column={place + 1}."
        )


def json_records(
    source: Source, text: str, blocks: Iterator[str], columns: tuple[str | int | None, ...]
) -> Iterator[tuple[int, list[str]]]:
    """Records of JSON Lines, or of one JSON value: a list of records, or a record."""
    by_line = is_json_lines(source, text)
    source.taken = "JSON Lines" if by_line else "JSON"
    seen = [column is None for column in columns]
    keys: dict[str, None] = {}
    number, first = 0, None
    for place, record in json_lines(source, blocks) if by_line else json_items(source, blocks, columns):
        number += 1
        where = f"{source.name}, {'line' if by_line else 'record'} {place}"
        first = record if number == 1 else first
        alike = isinstance(record, dict) and isinstance(first, dict)
        if not alike and (wrong := no_record(record, first, columns)) is not None:
            raise ValueError(f"{where}: {wrong}")
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
        if keys:
            there = (
                f"there {'is' if len(keys) == 1 else 'are'} {listed(keys)}. One in another is named as in 'user.name'."
            )
        elif isinstance(first, list):
            there = f"its records are lists without names: pass a number up to {len(first)}."
        else:
            there = "its records are texts without names: pass column=1."
        raise ValueError(f"{source.name} has no column {missing!r}; {there}")


def no_record(record: Any, first: Any, columns: tuple[str | int | None, ...]) -> str | None:
    """What is wrong with what is no record with names, or not of the kind of the first one."""
    if record is None or isinstance(record, dict):
        of_another = isinstance(record, dict) and not isinstance(first, (dict, type(None)))
        return "a record with names among others without. Mend it or take it out." if of_another else None
    what = f"a list ({len(record)} values)" if isinstance(record, list) else f"{json.dumps(record)[:40]}"
    name = next((column for column in columns if column is not None and numbered(column) is None), None)
    if name is None:
        alike = isinstance(record, list) == isinstance(first, list) and not isinstance(first, dict)
        return None if alike or first is None else f"{what} is no record as those before. Mend it or take it out."
    if record is not first:
        return f"{what} is no record with names, as column {name!r} is one. Mend it or take it out."
    inside = dict(leaves(record))
    best = max(inside, key=lambda number: amount(inside[number]), default=1)
    return (
        f"{what} is no record with names, as column {name!r} is one. Mend it or take it out; if all are so, pass the "
        f"number of the column (column={best})."
    )


def is_json_lines(source: Source, text: str) -> bool:
    """Whether the lines are records of their own: the first or the second is whole, and more follow."""
    line, _, rest = text.partition("\n")
    if source.kind in LINES or not rest.strip():
        return source.kind in LINES
    return holds_records(line) or holds_records(rest.lstrip().partition("\n")[0])


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
    yield from enumerate(records_of(source, value, columns), 1)


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


def records_of(source: Source, value: Any, columns: tuple[str | int | None, ...]) -> list:
    """The records in a JSON value: a list of them, or what holds them."""
    value = unsplit(value)
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        raise ValueError(f"{source.name} holds one {type(value).__name__}, and a list of records is read.")
    if is_series(value):
        if numbered(columns[0] or "") == 1:
            return list(value.values())
        if looked_up(value, columns[0] or "") is ABSENT:
            raise ValueError(
                f"{source.name} has no column {columns[0]!r}; it holds texts by their names: pass column=1."
            )
    return records_in(source, value, columns)


def unsplit(value: Any) -> Any:
    """Rows with their names, of a JSON object that holds names and rows apart, as pandas writes tables with "split"."""
    if isinstance(value, dict) and isinstance(names := value.get("columns"), list):
        rows = value.get("data")
        if isinstance(rows, list) and rows and all(isinstance(row, list) and len(row) == len(names) for row in rows):
            return [dict(zip(map(str, names), row)) for row in rows]
    return value


def is_series(value: dict) -> bool:
    """Whether a JSON object is texts by their numbers or names, as pandas writes one column, and no record."""
    texts = list(value.values())
    if len(texts) < 2 or not all(text is None or isinstance(text, str) for text in texts):
        return False
    forms = {re.sub(r"\d+", "0", key) for key in value}
    named = any(NAMES.fullmatch(key.lower()) for key in value)
    prose = (
        not named
        and len(texts) > 2
        and all(text is None or (kind(text) == "words" and len(text.split()) > 2) for text in texts)
    )
    return prose or (len(forms) == 1 and "0" in forms.pop())


def records_in(source: Source, value: dict, columns: tuple[str | int | None, ...]) -> list:
    """The records in a JSON object: itself, or those of its columns, of the lists in it, or by their keys."""
    wanted = [column for column in columns if column is not None]
    found = [looked_up(value, column) for column in wanted]
    if all(isinstance(item, list) and not any(isinstance(one, dict) for one in item) for item in found):
        lengths = [len(item) for item in found]
        if len(set(lengths)) > 1:
            raise ValueError(f"{source.name} has columns of different lengths: {listed(map(str, lengths))}.")
        return [dict(zip(map(str, wanted), row)) for row in zip(*found)]
    if all(isinstance(item, dict) for item in found):
        return [{str(c): item.get(key) for c, item in zip(wanted, found)} for key in found[0]]
    lists = {
        name: item for name, item in value.items() if isinstance(item, list) and any(isinstance(i, dict) for i in item)
    }
    # Columns may be named in the record alone, or from the top: data.text is text in data.
    if named := [name for name in lists if any(str(c).startswith(f"{name}.") for c in wanted)]:
        return [{**item, named[0]: item} if isinstance(item, dict) else item for item in lists[named[0]]]
    if found[0] is not ABSENT and not isinstance(found[0], list):
        return [value]
    if str(wanted[0]) in lists:
        return [{str(wanted[0]): item} for item in lists[str(wanted[0])]]
    with_it = [item for item in lists.values() if any(looked_up(one, wanted[0]) is not ABSENT for one in item)]
    if with_it or len(lists) == 1:
        return list(chain.from_iterable(with_it or lists.values()))
    if value and all(isinstance(item, dict) for item in value.values()):
        return list(value.values())
    return [value]


def looked_up(record: Any, column: str | int) -> Any:
    """The value of a column: by its name, by names that lead to it (``user.name``), or in a list by its number."""
    if isinstance(record, dict):
        name = str(column)
        if name in record:
            return record[name]
        if (value := member(record, name)) is not ABSENT:
            return value
        for i, char in enumerate(name):
            if char == "." and isinstance(inner := member(record, name[:i]), dict):
                value = looked_up(inner, name[i + 1 :])
                if value is not ABSENT:
                    return value
        return ABSENT
    items = record if isinstance(record, list) else [record]
    number = numbered(column)
    return items[number - 1] if number is not None and 0 < number <= len(items) else ABSENT


def member(record: dict, name: str) -> Any:
    """The value of a name, or else of one that looks the same."""
    if name in record:
        return record[name]
    wanted = canonical(name)
    return next((record[key] for key in record if canonical(key) == wanted), ABSENT)


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
    names = dict(leaves(value)) if isinstance(value, dict) else {}
    inner = f"; name one in it, {column}.{max(names, key=lambda name: amount(names[name]))}" if names else ""
    what = "record" if isinstance(value, dict) else "list of lists or records"
    raise ValueError(f"{where}: column {column!r} holds a {what}{inner}.")
