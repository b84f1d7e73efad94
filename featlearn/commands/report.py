"""What the topics command tells: CSV, JSON Lines and lines of text, tables, and what was read and left out."""

import argparse
import csv
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

LEAST, SHOWN, QUOTED = 0.1, 3, 60  # share and number of the topics, and characters, that a document's line shows


@dataclass
class Words:
    """How many words were read, and which were left out on the way."""

    read: int = 0
    stop: int = 0
    unknown: int = 0  # those that are in no term of the model
    wordless: int = 0  # documents without a known word
    df: Counter = field(default_factory=Counter)  # documents that hold each term, before any is left out


class Applied(NamedTuple):
    """Documents with their topics."""

    records: list  # n of Record
    known: Any  # (n,) words among the terms
    unknown: Any  # (n,) words that are not
    proportions: Any  # (n, n_topics); of a document without known words they mean nothing


Writer = Callable[[Applied], None]


def csv_writer(file: Any, *, extractor: Any, arguments: argparse.Namespace) -> Writer:
    """Rows of CSV: a document, what is known of it, its largest topic, its words, and the share of every topic."""
    out = csv.writer(file, lineterminator="\n")
    known = extras(arguments)
    n_topics = len(extractor.components_)
    out.writerow(["document", *known, "topic", "words", "unknown", *(f"topic_{k}" for k in range(n_topics))])

    def write(chunk):
        for record, words, unknown, row in zip(*chunk):
            values = [topic_of(row), words, unknown, *(f"{share:.6g}" for share in row)]
            if not words:
                values = ["", words, unknown] + n_topics * [""]
            out.writerow([record.id, *(getattr(record, name) or "" for name in known), *values])

    return write


def json_writer(file: Any, *, arguments: argparse.Namespace) -> Writer:
    """Lines of JSON; where no word of a document is known its topic and proportions are null."""
    known = extras(arguments)

    def write(chunk):
        for record, words, unknown, row in zip(*chunk):
            value = {"document": record.id, **{name: getattr(record, name) for name in known}}
            value["topic"] = topic_of(row) if words else None
            value |= {"words": int(words), "unknown": int(unknown)}
            value["proportions"] = [float(f"{share:.6g}") for share in row] if words else None
            file.write(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")

    return write


def extras(arguments: argparse.Namespace) -> list[str]:
    """The fields of records that only some runs have."""
    given = {"date": arguments.date, "group": arguments.groups}
    return [name for name, option in given.items() if option]


def topic_of(row: Any) -> int:
    """The largest topic."""
    return int(row.argmax())


def line_writer(extractor: Any, *, alone: bool) -> Writer:
    """Lines on standard output, their parts cut by tabs; a closed pipe ends the run if nothing else is written."""
    from featlearn.topics.tables import Topics

    terms = [" ".join(words) for words in Topics(extractor.components_, extractor.terms_).top_terms(5)]
    is_open = [True]

    def write(chunk):
        if not is_open[0]:
            return
        try:
            for record, words, _, row in zip(*chunk):
                best = row.argsort(kind="stable")[::-1][:SHOWN] if words else []
                shares = ", ".join(f"{k} {row[k]:.1%}" for i, k in enumerate(best) if i == 0 or row[k] >= LEAST)
                parts = [
                    record.id,
                    shares or "none",
                    terms[best[0]] if words else "no word is known",
                    record.text[:999],
                ]
                print("\t".join(map(printable, parts)))
            sys.stdout.flush()
        except BrokenPipeError:
            if alone:
                raise
            is_open[0] = False

    print("document\ttopics\tterms\ttext")
    return write


def printable(text: str) -> str:
    """A text on one line of a terminal, cut."""
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= QUOTED else text[: QUOTED - 1] + "…"


def show(topics: Any, n_terms: int, title: str, console: Any) -> None:
    """Print a table of the topics, the largest first."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title))
    table.add_column("topic", justify="right")
    table.add_column("share", justify="right")
    table.add_column("terms")
    terms = topics.top_terms(n_terms)
    for k in topics.order:
        table.add_row(str(k), f"{100 * topics.sizes[k]:.1f} %", Text(" ".join(terms[k])))
    console.print(table)


def show_groups(topics: Any, groups: list[str], name: str, console: Any) -> None:
    """Print a table of the largest topics of each group."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(f"Largest topics by {name}"))
    table.add_column(Text(name))
    table.add_column("documents", justify="right")
    table.add_column("topics")
    sizes = Counter(groups)
    for label, row in zip(*topics.prevalence(groups)):
        best = row.argsort(kind="stable")[::-1][:SHOWN]
        table.add_row(Text(printable(label)), f"{sizes[label]:,}", ", ".join(f"{k} {row[k]:.1%}" for k in best))
    console.print(table)


def summary(documents: Any, twice: int, words: Words, extractor: Any, arguments: argparse.Namespace) -> Iterator[str]:
    """What was read and what was left out, in two lines."""
    tally = documents.tally
    aside = [
        f"{tally.empty:,} empty skipped" if tally.empty else "",
        f"{tally.left_out:,} hidden, binary or other files left out" if tally.left_out else "",
        f"{twice:,} files given twice, read once" if twice else "",
    ]
    notes = f" ({'; '.join(filter(None, aside))})" if any(aside) else ""
    taken = sorted({source.taken for source in documents.sources if source.taken})
    read = f", read as {' and '.join(taken)}" if taken else ""
    if arguments.model:
        share = words.unknown / max(words.read, 1)
        rest = (
            f"{words.unknown:,} of them ({share:.1%}) unknown to the model; {plural(words.wordless, 'document')} "
            "without a known word."
        )
    else:
        rest = f"{words.stop:,} of them stop words."
    yield (
        f"{plural(tally.files, 'file')}{read}: {plural(tally.documents, 'document')}{notes}, "
        f"{plural(words.read, 'word')}, {rest}"
    )
    if arguments.model:
        return
    limits = (extractor.min_df, extractor.max_df)
    low, high = (limit if isinstance(limit, int) else limit * tally.documents for limit in limits)
    rare = sum(count < low for count in words.df.values())
    common = sum(count > high for count in words.df.values())
    kept = len(extractor.terms_)
    past = f", {len(words.df) - rare - common - kept:,} by --max-features" if arguments.max_features else ""
    lost = f"; {plural(words.wordless, 'document')} without any of them." if words.wordless else "."
    yield (
        f"{kept:,} of {plural(len(words.df), 'term')}; left out: {rare:,} in fewer than {low:,.6g} documents "
        f"(--min-df), {common:,} in more than {high:,.6g} (--max-df){past}{lost}"
    )


def plural(n: int, what: str) -> str:
    """A number of things in words."""
    return f"{n:,} {what}{'s' * (n != 1)}"
