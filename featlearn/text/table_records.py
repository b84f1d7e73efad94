"""Records of tables, CSV, TSV and their like: how one is written, where its columns are, and its rows one by one."""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from featlearn.notices import notify
from featlearn.text.headers import NAMES, ROWS, amount, canonical, has_header, kind_below, listed, numbered
from featlearn.text.readers import Source, whole_lines

FIELD = 1 << 28  # characters of the largest field; a longer one is a quote that nobody closed
MARKS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "vertical bars"}
TABLES = {".csv": ",", ".tsv": "\t", ".tab": "\t"}


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


def sample(dialect: Dialect, head: str, *, whole: bool) -> list[list[str]]:
    """Rows of a table's beginning, without Excel's mark."""
    rows = first_rows(dialect, head, whole=whole)[0]
    return rows[1:] if rows and rows[0] == ["sep=", ""] else rows


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


def table_records(
    source: Source, dialect: Dialect, head: list[list[str]], lines: Iterator[str], columns: tuple[str | int | None, ...]
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
