"""Topics of text files: a table on the terminal, a report to open in a browser, and a model to load with joblib."""

import argparse
import warnings
from pathlib import Path
from typing import Any

from featlearn.commands.files import add_force, check_output, whole, whole_file

HELP = "learn topics from text files"
IN_MEMORY = 256 << 20  # bytes of text that are read at once; above that, documents are streamed


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
    parser.add_argument("files", nargs="+", metavar="FILE", help="text files")
    parser.add_argument("-k", "--topics", type=whole, default=20, metavar="K", help="how many topics (default: 20)")
    parser.add_argument("--out", metavar="FILE.html", help="write the report here: one file, works offline")
    parser.add_argument("--save", metavar="FILE.joblib", help="write the fitted TopicExtractor here")
    add_force(parser)
    texts = parser.add_argument_group("texts")
    what = texts.add_mutually_exclusive_group()
    what.add_argument("--lines", action="store_true", help="every line is a document (default for one file)")
    what.add_argument("--files", dest="whole_files", action="store_true", help="every file is (default for several)")
    texts.add_argument("--language", type=language, default="english", metavar="NAME", help="default: english")
    texts.add_argument("--encoding", default="utf-8", help="of all files (default: utf-8)")
    texts.add_argument("--stop-words", metavar="FILE", help="words to drop besides the language's own")
    texts.add_argument("--phrases", action="store_true", help="join words that come together: new_york")
    texts.add_argument("--min-df", type=limit, default=5, metavar="N", help="fewest documents of a term (default: 5)")
    texts.add_argument("--max-df", type=limit, default=0.5, metavar="N", help="most documents of a term (default: 0.5)")
    texts.add_argument("--max-features", type=whole, metavar="N", help="most terms")
    model = parser.add_argument_group("model")
    model.add_argument(
        "--method",
        choices=["gibbs", "vb", "online"],
        help=f"how LDA learns (default: gibbs, or online, which streams, above {IN_MEMORY >> 20} MB of text)",
    )
    model.add_argument("--max-iter", type=whole, metavar="N", help="most iterations")
    model.add_argument("--seed", type=seed, default=0, help="same seed, same topics (default: 0)")
    model.add_argument("--jobs", type=whole, metavar="N", help="threads (default: every core)")
    parser.add_argument("--terms", type=whole, default=10, metavar="N", help="terms shown of a topic (default: 10)")


def run(arguments: argparse.Namespace) -> None:
    """Learn, write, show."""
    outputs = {option: getattr(arguments, option) for option in ("out", "save")}
    inputs = [path for path in (*arguments.files, arguments.stop_words) if path]
    paths = {
        option: check_output(f"--{option}", path, inputs, force=arguments.force)
        for option, path in outputs.items()
        if path is not None
    }
    if len(set(paths.values())) < len(paths):
        raise ValueError(f"--out and --save both write {paths['out']}; give them different names.")

    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=140)  # a file or a pipe does not wrap
    documents, method = read(arguments)
    extractor = build(arguments, method)
    topics = learn(extractor, documents, progress=console.is_terminal)
    name = Path(arguments.files[0]).name if len(arguments.files) == 1 else f"{len(arguments.files):,} files"
    if "out" in paths:
        from featlearn.plot.topic_map import topics_html

        topics_html(topics, paths["out"], title=f"Topics of {name}")
    if "save" in paths:
        import joblib

        with whole_file(paths["save"]) as part:
            joblib.dump(extractor, part)
    show(topics, arguments.terms, f"Topics of {name}", console)
    for option, path in outputs.items():
        if path is not None:
            console.print(f"{'report' if option == 'out' else 'model'}: {path}", markup=False, highlight=False)


def read(arguments: argparse.Namespace) -> tuple[Any, str]:
    """The documents, in a list or, if they are large, as a stream; and the method that learns from them."""
    from featlearn.text.documents import FileDocuments, LineDocuments

    per_file = arguments.whole_files or (len(arguments.files) > 1 and not arguments.lines)
    documents = (FileDocuments if per_file else LineDocuments)(arguments.files, arguments.encoding)
    large = sum(path.stat().st_size for path in documents.paths) > IN_MEMORY
    method = arguments.method or ("online" if large else "gibbs")
    if large and method == "online":
        return documents, method
    texts = list(documents)
    if len(texts) < 2:
        raise ValueError(
            f"{arguments.files[0]} holds one document, and topics are learned from many. Pass more files"
            + (", or --lines if every line is a document." if per_file else " or lines.")
        )
    return texts, method


def build(arguments: argparse.Namespace, method: str) -> Any:
    """The extractor, not fitted."""
    from featlearn.text.documents import FileDocuments
    from featlearn.text.extractor import TopicExtractor
    from featlearn.text.lda import LDA
    from featlearn.text.phrases import Phrases
    from featlearn.text.stop_words import stop_words
    from featlearn.text.tokenizer import Tokenizer

    dropped: Any = "auto"
    if arguments.stop_words:
        (words,) = FileDocuments(arguments.stop_words, arguments.encoding)
        dropped = sorted(stop_words(arguments.language).union(words.split()))
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


def learn(extractor: Any, documents: Any, *, progress: bool) -> Any:
    """Fit the extractor and return its topics, with their sizes also where the documents are streamed."""
    import numpy as np
    from sklearn.exceptions import ConvergenceWarning

    from featlearn.callbacks import ProgressBar
    from featlearn.text.topics import Topics

    if progress:
        extractor.set_callbacks(ProgressBar())
    with warnings.catch_warnings():
        # Whoever interrupts a command wants no half-learned files of it.
        warnings.filterwarnings("error", "LDA: interrupted", ConvergenceWarning)
        try:
            extractor.fit(documents)
        except ConvergenceWarning:
            raise KeyboardInterrupt from None
    extractor.set_callbacks()  # a saved model carries no progress bar
    if isinstance(documents, list):
        return extractor.topics_
    words = np.zeros(len(extractor.components_))
    for counts in extractor.counts(documents)():
        words += counts.sum(axis=1) @ extractor.model_.transform(counts)
    return Topics(extractor.components_, extractor.terms_, words=words)


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
