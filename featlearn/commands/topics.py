"""Topics of texts: learn them, or apply those of a saved model; a table, a report for a browser, CSV and JSON Lines."""

import argparse
import re
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from featlearn.commands.document_topics import cut, gather, labels_of, learn, walk
from featlearn.commands.files import (
    add_force,
    add_pickle,
    check_output,
    load_model,
    refuse_pickled_name,
    save_model,
    whole,
)
from featlearn.commands.report import Applied, Words, csv_writer, json_writer, line_writer, show, show_groups, summary
from featlearn.persistence import whole_file

HELP = "learn topics from texts, or apply them to others"
IN_MEMORY = 256 << 20  # bytes of text that are read at once; above that, documents are streamed
# What only learning takes, with its defaults; --model has learned before.
LEARNING: dict[str, Any] = {
    "topics": 20,
    "save": None,
    "language": "english",
    "stop_words": None,
    "phrases": False,
    "min_df": 5,
    "max_df": 0.5,
    "max_features": None,
    "method": None,
    "max_iter": None,
    "seed": 0,
}


def seed(text: str) -> int:
    """A seed that every generator takes."""
    if not text.isdecimal() or int(text) >= 2**31:
        raise argparse.ArgumentTypeError(f"{text!r} is no seed; pass a whole number from 0 to {2**31 - 1}")
    return int(text)


def limit(text: str) -> int | float:
    """Documents: a whole number of them, or a share with a decimal point."""
    try:
        value = int(text) if text.isdecimal() else float(text)
    except ValueError:
        value = -1.0
    if not (value >= 1 if isinstance(value, int) else 0 <= value <= 1):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not valid; pass a number of documents (5) or a share of them between 0.0 and 1.0 (0.5)"
        )
    return value


def language(text: str) -> str:
    """The English name of a language that has stop words."""
    from featlearn.text.stop_words import known_language

    if expected := known_language(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not known; pass {expected}")
    return text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="text files, folders of them, or - (standard input)")
    parser.add_argument("-k", "--topics", type=whole, metavar="K", help="how many topics (default: 20)")
    parser.add_argument("--model", metavar="FILE.skops", help="apply a model of --save to the files")
    parser.add_argument("--out", metavar="FILE.html", help="write the report here: one file, works offline")
    parser.add_argument("--csv", metavar="FILE.csv", help="write the topics of every document here")
    parser.add_argument("--jsonl", metavar="FILE.jsonl", help="the same, a JSON object on every line")
    parser.add_argument("--save", metavar="FILE.skops", help="write the fitted TopicExtractor here")
    add_force(parser)
    add_pickle(parser)
    texts = parser.add_argument_group("texts")
    what = texts.add_mutually_exclusive_group()
    what.add_argument("--lines", action="store_true", help="every line is a document (default for one file)")
    what.add_argument("--files", dest="whole_files", action="store_true", help="every file is (default for several)")
    what.add_argument(
        "--column",
        metavar="NAME",
        help="every record of CSV, TSV, JSON or JSON Lines is; its text is in this column (without a header: a number)",
    )
    texts.add_argument("--id", metavar="NAME", help="the column that names the documents")
    groups = texts.add_mutually_exclusive_group()
    groups.add_argument("--date", metavar="NAME", help="a column of dates: show the topics by month or year")
    groups.add_argument("--groups", metavar="NAME", help="a column of labels: show the topics by label")
    texts.add_argument("--language", type=language, metavar="NAME", help="german, hindi... (default: english)")
    texts.add_argument("--encoding", default="utf-8", help="of all files (default: utf-8)")
    texts.add_argument("--stop-words", metavar="FILE", help="more words to drop, parted by blanks or commas")
    texts.add_argument("--phrases", action="store_true", default=None, help="join words that come together: new_york")
    texts.add_argument("--min-df", type=limit, metavar="N", help="fewest documents of a term (default: 5)")
    texts.add_argument("--max-df", type=limit, metavar="N", help="most documents of a term (default: 0.5)")
    texts.add_argument("--max-features", type=whole, metavar="N", help="most terms")
    model = parser.add_argument_group("model")
    model.add_argument(
        "--method",
        choices=["gibbs", "vb", "online"],
        help=f"how LDA learns (default: gibbs, or online, which streams, above {IN_MEMORY >> 20} MB of text)",
    )
    model.add_argument("--max-iter", type=whole, metavar="N", help="most iterations")
    model.add_argument("--seed", type=seed, help="same seed, same topics (default: 0)")
    model.add_argument("--jobs", type=whole, metavar="N", help="threads (default: every core)")
    parser.add_argument("--terms", type=whole, default=10, metavar="N", help="terms shown of a topic (default: 10)")


def run(arguments: argparse.Namespace) -> None:
    """Learn or load, apply, write, show."""
    refuse_pickled_name(arguments)
    settle(arguments)
    documents, twice = sources(arguments)
    paths = outputs(arguments, documents)

    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=140)  # a file or a pipe does not wrap
    words = Words()
    with ExitStack() as stack:
        # They take their names together, when all is written.
        parts = {option: stack.enter_context(whole_file(path)) for option, path in paths.items()}
        if arguments.model:
            from featlearn.topics.extractor import Tokens

            extractor = load_extractor(arguments)
            held = sum(source.size for source in documents.sources) <= IN_MEMORY
            applied: Iterable[Applied] = walk(
                extractor, documents, partial(cut, Tokens([extractor.tokenizer_]), frozenset(), words), words
            )
        else:
            texts, method = read(arguments, documents)
            extractor, held = build(arguments, method), isinstance(texts, list)
            applied = learn(extractor, texts, arguments, words, progress=console.is_terminal)
        writers = [
            make(stack.enter_context(parts[kind].open("w", encoding="utf-8", errors="backslashreplace", newline="")))
            for kind, make in (
                ("csv", partial(csv_writer, extractor=extractor, arguments=arguments)),
                ("jsonl", partial(json_writer, arguments=arguments)),
            )
            if kind in parts
        ]
        if arguments.model:
            writers.append(line_writer(extractor, alone=not writers))
        topics, names, groups = gather(applied, extractor, arguments, writers, words, held=held)
        if "out" in parts:
            from featlearn.plot.topic_map import topics_html

            by = {"groups": groups, "group_name": arguments.date or arguments.groups} if groups else {}
            topics_html(topics, parts["out"], title=title(arguments), names=names, **by)
        if "save" in parts:
            save_model(extractor, parts["save"], unsafe_pickle=arguments.unsafe_pickle)
    for line in summary(documents, twice, words, extractor, arguments):
        print(f"featlearn topics: {line}", file=sys.stderr)
    if not arguments.model:
        show(topics, arguments.terms, title(arguments), console)
    if groups:
        show_groups(topics, groups, arguments.date or arguments.groups, console)
    kinds = {"out": "report", "csv": "topics of documents", "jsonl": "topics of documents", "save": "model"}
    if not arguments.model:
        for option in paths:
            console.print(f"{kinds[option]}: {getattr(arguments, option)}", markup=False, highlight=False)


def settle(arguments: argparse.Namespace) -> None:
    """The defaults of learning; what only learning takes is refused beside --model."""
    given = [name.replace("_", "-") for name in LEARNING if vars(arguments)[name] is not None]
    if arguments.model is not None and given:
        raise ValueError(f"--model applies topics that were learned before: leave out --{', --'.join(given)}.")
    for name in ("id", "date", "groups"):
        if vars(arguments)[name] is not None and arguments.column is None:
            raise ValueError(f"--{name} is a column of records: name that of their texts too, with --column.")
    for name, value in LEARNING.items():
        if vars(arguments)[name] is None:
            setattr(arguments, name, value)


def sources(arguments: argparse.Namespace) -> tuple[Any, int]:
    """The reader of the files, and how many of them were given twice: these are read once."""
    from featlearn.text.documents import FileDocuments, LineDocuments

    several = len(arguments.files) > 1 or Path(arguments.files[0]).is_dir()
    documents: Any
    if arguments.column is not None:
        columns = {name: vars(arguments)[name] for name in ("column", "id", "date", "groups")}
        documents = LineDocuments(arguments.files, arguments.encoding, **columns)
    elif arguments.whole_files or (several and not arguments.lines):
        documents = FileDocuments(arguments.files, arguments.encoding, plain=arguments.whole_files)
    else:
        documents = LineDocuments(arguments.files, arguments.encoding, plain=arguments.lines)
    once = {source.path.resolve(): source for source in reversed(documents.sources)}
    twice = len(documents.sources) - len(once)
    documents.sources = list(reversed(once.values()))
    return documents, twice


def outputs(arguments: argparse.Namespace, documents: Any) -> dict[str, Path]:
    """Where to write what, all looked at before the work."""
    inputs = [
        *map(str, documents.paths),
        *(["-"] * ("-" in arguments.files)),
        *(name for name in (arguments.stop_words, arguments.model) if name),
    ]
    paths: dict[str, Path] = {}
    for option in ("out", "csv", "jsonl", "save"):
        name = getattr(arguments, option)
        if name is not None:
            path = check_output(f"--{option}", name, inputs, force=arguments.force)
            for other, taken in paths.items():
                if path == taken:
                    raise ValueError(f"--{other} and --{option} both write {path}; give them different names.")
            paths[option] = path
    return paths


def title(arguments: argparse.Namespace) -> str:
    """What the report is called."""
    first = arguments.files[0]
    one = "standard input" if first == "-" else Path(first).name or Path(first).resolve().name
    return f"Topics of {one if len(arguments.files) == 1 else f'{len(arguments.files):,} files'}"


def read(arguments: argparse.Namespace, documents: Any) -> tuple[Any, str]:
    """The documents, in a list of records or, if they are large, as a stream; and the method that learns from them."""
    large = sum(source.size for source in documents.sources) > IN_MEMORY
    method = arguments.method or ("online" if large else "gibbs")
    if large and method == "online":
        return documents, method
    records = list(documents.records())
    if len(records) < 2:
        cure = {"LineDocuments": " or lines."}.get(
            type(documents).__name__, ", or --lines if every line is a document."
        )
        raise ValueError(
            f"{arguments.files[0]} holds one document, and topics are learned from many. Pass more files"
            + (" or records." if arguments.column else cure)
        )
    labels_of(records, arguments)  # too many groups are refused before the work
    return records, method


def build(arguments: argparse.Namespace, method: str) -> Any:
    """The extractor, not fitted."""
    from featlearn.text.documents import FileDocuments
    from featlearn.text.phrases import Phrases
    from featlearn.text.stop_words import stop_words
    from featlearn.text.tokenizer import Tokenizer
    from featlearn.topics.extractor import TopicExtractor
    from featlearn.topics.lda import LDA

    dropped: Any = "auto"
    if arguments.stop_words:
        (words,) = FileDocuments(arguments.stop_words, arguments.encoding, plain=True)
        dropped = sorted(stop_words(arguments.language).union(re.split(r"[\s,;，、]+", words)) - {""})
    return TopicExtractor(
        LDA(
            arguments.topics,
            method=method,
            max_iter=arguments.max_iter,
            tol=0.0 if arguments.max_iter else 1e-4,  # so many passes as were asked for
            n_jobs=arguments.jobs,
            random_state=arguments.seed,
        ),
        tokenizer=Tokenizer(arguments.language, stop_words=dropped),
        phrases=Phrases() if arguments.phrases else None,
        min_df=arguments.min_df,
        max_df=arguments.max_df,
        max_features=arguments.max_features,
    )


def load_extractor(arguments: argparse.Namespace) -> Any:
    """The extractor that --save wrote."""
    from sklearn.utils.validation import check_is_fitted

    extractor = load_model(arguments.model, "TopicExtractor", unsafe_pickle=arguments.unsafe_pickle)
    try:
        check_is_fitted(extractor)
        check_is_fitted(extractor.model_)
    except (ValueError, AttributeError) as error:
        raise ValueError(f"--model {arguments.model} holds a TopicExtractor that was not fitted.") from error
    if arguments.jobs is not None and "n_jobs" in extractor.model_.get_params():
        extractor.model_.set_params(n_jobs=arguments.jobs)
    return extractor
