"""Records in JSON: one on a line (JSON Lines), or all in one value, in whatever shape a library wrote it."""

import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from featlearn.text.headers import NAMES, ROWS, amount, canonical, kind, listed, numbered
from featlearn.text.readers import Source, text_lines, whole_lines

LINES = (".jsonl", ".ndjson")
SPARSE = 1000  # records in which a column must appear
STRING = r'"(?:[^"\\\n]|\\.)*"'
JSON = re.compile(rf'\{{\s*{STRING}\s*:|\[\s*(\{{\s*{STRING}\s*:|\[\s*["\d\[{{]|{STRING}\s*,\s*{STRING})')
SURROGATE = re.compile("[\ud800-\udfff]")
ABSENT = object()


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


def is_json_lines(source: Source, text: str) -> bool:
    """Whether the lines are records of their own: the first or the second is whole, and more follow."""
    line, _, rest = text.partition("\n")
    if source.kind in LINES or not rest.strip():
        return source.kind in LINES
    return holds_records(line) or holds_records(rest.lstrip().partition("\n")[0])


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


def shown(column: str | int) -> str:
    """A column as an argument is written."""
    return repr(canonical(column) if isinstance(column, str) else column)


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
