"""Dates as people write them, to periods in their order: days, months or years, whichever are few enough to compare.

2024-01-03T10:00Z, 3.1.2024, 1/30/2024, January 3, 2024, 2024年1月3日, 20240103, 2024, and seconds since 1970 are read.
Whether the day or the month comes first in 1/3/2024 is told by the others of its column; where none of them
tells, only the year is taken to be known.
"""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
MOST = 60  # months that are shown one by one
UNKNOWN = "no date"
YEAR_FIRST = re.compile(r"(\d{4})(?:\s*[-/.年]\s*(\d{1,2})(?:\s*[-/.月]\s*(\d{1,2})(?!\d))?)?")
COMPACT = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T[\d:.]*Z?)?")
YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d\d)(?![\d-])")
SECONDS = re.compile(r"(\d{9,10})(?:\.\d*)?|(\d{9,10})\d{3}")
TIME = re.compile(r"\d{1,2}:\d\d(?::\d\d)?(?:[.,]\d+)?|[+-]\d{4}\b")
NUMBER = re.compile(r"(?<!\d)(\d{4}|\d{1,2})(?:st|nd|rd|th)?(?!\w)")
WORD = re.compile(r"[A-Za-z]{3,}")

Parts = tuple[int, int, int]  # year, month and day; 0 where unknown


def periods(values: Sequence[str | None]) -> tuple[list[str], str, int]:
    """The period of each date, of what kind they are, and how many values are no dates: these get "no date".

    Days if all are in one month, months if there are at most 60 from the first to the last, otherwise years. Labels
    sort as time goes, "no date" last.

    Examples
    --------
    >>> from featlearn.text.dates import periods
    >>> periods(["2024-01-03", "March 5, 2024", "soon", None])
    (['2024-01', '2024-03', 'no date', 'no date'], 'month', 2)
    """
    order = order_of(values)
    found = [None if value is None else parts(value, order) for value in values]
    known = [one for one in found if one is not None]
    months = [12 * year + month for year, month, _ in known]
    if not known or not all(month for _, month, _ in known) or max(months) - min(months) >= MOST:
        kind, n, form = "year", 1, "{:04d}"
    elif max(months) == min(months) and all(day for _, _, day in known):
        kind, n, form = "day", 3, "{:04d}-{:02d}-{:02d}"
    else:
        kind, n, form = "month", 2, "{:04d}-{:02d}"
    return [UNKNOWN if one is None else form.format(*one[:n]) for one in found], kind, len(found) - len(known)


def order_of(values: Sequence[str | None]) -> str:
    """What comes first where the year is last: "day", "month", or "" where nothing tells."""
    days = months = False
    for value in values:
        if value is not None and (match := YEAR_LAST.match(value.strip())):
            days = days or int(match[1]) > 12 or match[2] == "."
            months = months or int(match[3]) > 12
    return "" if days == months else "day" if days else "month"


def parts(text: str, order: str) -> Parts | None:
    """Year, month and day of a date, as far as it tells; None for what is no date."""
    text = text.strip()
    if match := COMPACT.fullmatch(text):
        return sound(*map(int, match.groups()))
    if match := SECONDS.fullmatch(text):
        at = datetime.fromtimestamp(int(match[1] or match[2]), UTC)
        return at.year, at.month, at.day
    if match := YEAR_LAST.match(text):
        first, _, second, year = match.groups()
        if not order:
            first = second = "0"
        day, month = (second, first) if order == "month" else (first, second)
        return sound(int(year) + (0 if len(year) == 4 else 2000 if int(year) < 70 else 1900), int(month), int(day))
    if (match := YEAR_FIRST.match(text)) and not text[match.end() :][:1].isdigit():
        return sound(*(int(part or 0) for part in match.groups()))
    words = [word[:3].lower() for word in WORD.findall(text)]
    month = next((MONTHS.index(word) + 1 for word in words if word in MONTHS), 0)
    numbers = NUMBER.findall(TIME.sub(" ", text))
    years, days = ([int(number) for number in numbers if (len(number) == 4) == long] for long in (True, False))
    return sound(years[0], month, days[0] if days else 0) if month and len(years) == 1 and len(days) <= 1 else None


def sound(year: int, month: int, day: int) -> Parts | None:
    """The parts of a date that there is."""
    try:
        date(year, month or 1, day or 1)
    except ValueError:
        return None
    return (year, month, day) if 1000 <= year < 3000 else None
