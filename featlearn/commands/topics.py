"""Topics of texts: learn them, or apply those of a saved model; a table, a report for a browser, CSV and JSON Lines."""

import argparse
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

from featlearn.commands.files import add_force, check_output, whole, whole_file
from featlearn.commands.report import (
    Applied,
    Words,
    Writer,
    csv_writer,
    json_writer,
    line_writer,
    show,
    show_groups,
    summary,
)

HELP = "learn topics from texts, or apply them to others"
LOOKED_AT = 200  # documents, for their language
IN_MEMORY = 256 << 20  # bytes of text that are read at once; above that, documents are streamed
MOST_GROUPS = 200  # that the table and the page show
NO_GROUP = "(none)"
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
    parser.add_argument(
        "--model", metavar="FILE.joblib", help="apply a model of --save to the files; load only what you trust"
    )
    parser.add_argument("--out", metavar="FILE.html", help="write the report here: one file, works offline")
    parser.add_argument("--csv", metavar="FILE.csv", help="write the topics of every document here")
    parser.add_argument("--jsonl", metavar="FILE.jsonl", help="the same, a JSON object on every line")
    parser.add_argument("--save", metavar="FILE.joblib", help="write the fitted TopicExtractor here")
    add_force(parser)
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

            extractor = load(arguments.model, arguments.jobs)
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
            import joblib

            joblib.dump(extractor, parts["save"])
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


def load(name: str, jobs: int | None) -> Any:
    """The extractor that --save wrote."""
    import joblib
    from sklearn.utils.validation import check_is_fitted

    from featlearn.topics.extractor import TopicExtractor

    path = Path(name)
    if not path.is_file():
        raise ValueError(f"--model {name} {'is no file' if path.exists() else 'does not exist'}.")
    try:
        extractor = joblib.load(path)
    except OSError as error:
        if error.errno is not None:
            raise ValueError(f"--model {name} cannot be read: {error.strerror}.") from None
        raise ValueError(f"--model {name} is no saved model: {error}.") from error
    except Exception as error:  # whatever a damaged pickle raises
        raise ValueError(f"--model {name} is no saved model, or a damaged one ({type(error).__name__}).") from error
    if not isinstance(extractor, TopicExtractor):
        what = type(extractor).__name__
        cure = "The parse command takes it." if what == "PCFGParser" else "Give what topics --save wrote."
        raise ValueError(f"--model {name} holds a {what}, and topics are those of a TopicExtractor. {cure}")
    try:
        check_is_fitted(extractor)
        check_is_fitted(extractor.model_)
    except (ValueError, AttributeError) as error:
        raise ValueError(f"--model {name} holds a TopicExtractor that was not fitted.") from error
    if jobs is not None and "n_jobs" in extractor.model_.get_params():
        extractor.model_.set_params(n_jobs=jobs)
    return extractor


def cut(
    tokens: Callable[[list[str]], list], dropped: frozenset[str], words: Words, texts: list[str]
) -> list[list[str]]:
    """Texts to tokens without the words dropped; both are counted."""
    documents = tokens(texts)
    words.read += sum(map(len, documents))
    if not dropped:
        return documents
    kept = [[word for word in document if word.lower() not in dropped] for document in documents]
    words.stop += sum(map(len, documents)) - sum(map(len, kept))
    return kept


def learn(extractor: Any, texts: Any, arguments: argparse.Namespace, words: Words, *, progress: bool) -> Iterable:
    """Fit the extractor; its documents with their topics, of a stream in one more walk."""
    from sklearn.base import clone
    from sklearn.exceptions import ConvergenceWarning

    from featlearn.callbacks import ProgressBar
    from featlearn.text.stop_words import other_language
    from featlearn.topics.extractor import Tokens

    # Stop words are dropped here, where they can be counted; the extractor keeps the tokenizer that drops them.
    tokens_alone = Tokens([clone(extractor.tokenizer).set_params(stop_words=None)])
    tokens_of = partial(cut, tokens_alone, extractor.tokenizer.cut().dropped, words)
    held = isinstance(texts, list)
    tokens = tokens_of([record.text for record in texts]) if held else texts
    if held:
        as_written = clone(extractor.tokenizer).set_params(stop_words=None, lowercase=False)
        first = as_written.transform([record.text for record in texts[:LOOKED_AT]])
        if doubt := other_language(arguments.language, chain.from_iterable(first)):
            warnings.warn(doubt, stacklevel=1)
    if progress:
        extractor.set_callbacks(ProgressBar())
    with warnings.catch_warnings():
        # Whoever interrupts a command wants no half-learned files of it.
        warnings.filterwarnings("error", "LDA: interrupted", ConvergenceWarning)
        try:
            extractor.fit(tokens)
        except ConvergenceWarning:
            raise KeyboardInterrupt from None
    extractor.set_callbacks()  # a saved model carries no progress bar
    if held and arguments.topics > len(texts):
        warnings.warn(
            f"{arguments.topics:,} topics (-k) of {len(texts):,} documents: topics are what documents share, so most "
            "are noise. Take fewer.",
            stacklevel=1,
        )
    if not held:
        return walk(extractor, texts, tokens_of, words)
    if extractor.phrases_ is not None:
        tokens = extractor.phrases_.transform(tokens)
    words.df.update(chain.from_iterable(map(set, tokens)))
    topics = extractor.topics_
    return [applied_to(texts, tokens, topics.lengths, topics.proportions)]


def walk(
    extractor: Any, documents: Any, tokens_of: Callable[[list[str]], list[list[str]]], words: Words
) -> Iterator[Applied]:
    """Documents with their topics, a chunk at a time."""
    from featlearn.text.vocabulary import count_matrix
    from featlearn.topics.tables import as_proportions

    columns = {term: column for column, term in enumerate(extractor.terms_)}
    records = documents.records()
    while chunk := list(islice(records, documents.chunk)):
        tokens = tokens_of([record.text for record in chunk])
        if extractor.phrases_ is not None:
            tokens = extractor.phrases_.transform(tokens)
        words.df.update(chain.from_iterable(map(set, tokens)))
        counts = count_matrix(tokens, columns)
        proportions = as_proportions(extractor.model_.transform(counts), extractor.components_)
        yield applied_to(chunk, tokens, counts.sum(axis=1), proportions)


def applied_to(records: list, tokens: list[list[str]], known: Any, proportions: Any) -> Applied:
    """Documents with their topics; proportions that sum to 1."""
    import numpy as np

    known = np.asarray(known, dtype=np.int64).ravel()
    sums = proportions.sum(axis=1, keepdims=True)
    proportions = np.where(sums > 0, proportions / np.where(sums > 0, sums, 1), 1 / proportions.shape[1])
    return Applied(records, known, np.array(list(map(len, tokens)), dtype=np.int64) - known, proportions)


def gather(
    applied: Iterable[Applied],
    extractor: Any,
    arguments: argparse.Namespace,
    writers: list[Writer],
    words: Words,
    *,
    held: bool,
) -> tuple[Any, list[str] | None, list[str] | None]:
    """Hand every document to the writers; the topics with their sizes, and names and groups of the documents.

    Proportions are kept where something shows them, and texts if they are ``held`` in memory anyway.
    """
    import numpy as np

    from featlearn.topics.tables import Topics

    keep = arguments.date or arguments.groups or (arguments.out if arguments.model else held)
    kept: list[Applied] = []
    sizes = np.zeros(len(extractor.components_))
    n = total = 0
    for chunk in applied:
        for write in writers:
            write(chunk)
        n += len(chunk.records)
        total += int(chunk.known.sum())
        words.unknown += int(chunk.unknown.sum())
        words.wordless += int((chunk.known == 0).sum())
        sizes += chunk.known @ chunk.proportions
        if keep:
            kept.append(chunk if held else chunk._replace(records=[r._replace(text="") for r in chunk.records]))
    if words.wordless == n:
        raise ValueError(
            f"No word of the {n:,} documents is known to the model: it has learned from others, perhaps in another "
            "language. Learn from these."
        )
    if not kept:
        return Topics(extractor.components_, extractor.terms_, words=sizes * (total / sizes.sum())), None, None
    records = [record for chunk in kept for record in chunk.records]
    topics = Topics(
        extractor.components_,
        extractor.terms_,
        proportions=np.concatenate([chunk.proportions for chunk in kept]),
        lengths=np.concatenate([chunk.known for chunk in kept]).astype(np.float64),
        documents=[record.text for record in records] if held else None,
    )
    return topics, [record.id for record in records], labels_of(records, arguments)


def labels_of(records: list, arguments: argparse.Namespace) -> list[str] | None:
    """The group of each document: its label, or the period of its date."""
    if arguments.groups:
        labels = [NO_GROUP if record.group is None else " ".join(record.group.split()) for record in records]
        option = f"--groups {arguments.groups}"
    elif arguments.date:
        from featlearn.text.dates import periods

        labels, _, unknown = periods([record.date for record in records])
        option = f"--date {arguments.date}"
        if unknown == len(records):
            first = next((record.date for record in records if record.date), None)
            raise ValueError(
                f"{option}: {'it is empty' if first is None else f'{first!r} is no date'}, and so all others. Dates "
                "are written as 2024-01-31; for labels there is --groups."
            )
    else:
        return None
    if (n := len(set(labels))) > MOST_GROUPS:
        raise ValueError(
            f"{option} has {n:,} different values, and at most {MOST_GROUPS} can be shown. Choose another column."
        )
    return labels
