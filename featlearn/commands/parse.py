"""Parse sentences by a grammar, a treebank or a saved parser: trees, their probabilities, and alternatives."""

import argparse
import math
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from featlearn.commands import DONE, IN_VAIN
from featlearn.commands.files import add_force, check_output, whole, whole_file

HELP = "parse sentences"
TREES = ("*.mrg", "*.tree", "*.trees", "*.mrg.gz", "*.tree.gz", "*.trees.gz")  # the files of a treebank's folder
MAX_WIDTH = 160  # columns that trees take where the output is no terminal


def width(text: str) -> float:
    """A log-probability above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not valid; pass a number above 0, such as 12")
    return value


def siblings(text: str) -> int | None:
    """How many siblings: a whole number, or all of them."""
    if text != "all" and not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not valid; pass a whole number of at least 0, or all")
    return None if text == "all" else int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument("sentences", nargs="*", metavar="SENTENCE", help="a raw sentence; - reads lines")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--grammar", metavar="FILE", help="a grammar, with lines such as S -> NP VP 1.0")
    source.add_argument("--treebank", metavar="PATH", help=f"learn from trees in a file, or in {', '.join(TREES[:3])}")
    source.add_argument("--model", metavar="FILE", help="a parser written by --save; load only files that you trust")
    parser.add_argument("-k", "--trees", type=whole, default=1, metavar="N", help="most trees shown (default: 1)")
    parser.add_argument("--brackets", action="store_true", help="one line for each tree, in brackets, and nothing else")
    parser.add_argument("--words", action="store_true", help="words are parted by blanks already: cut nowhere else")
    parser.add_argument("--svg", metavar="FILE.svg", help="draw the trees here; the second is FILE-2.svg and so on")
    parser.add_argument("--save", metavar="FILE.joblib", help="write the parser here")
    add_force(parser)
    search = parser.add_argument_group("parser")
    search.add_argument(
        "--beam", type=width, metavar="X", help="drop what is worse than the best by X (default: exact)"
    )
    search.add_argument(
        "--horizontal", type=siblings, default=2, metavar="H", help="siblings a symbol knows (default: 2)"
    )
    search.add_argument(
        "--vertical", type=whole, default=2, metavar="V", help="2: a symbol knows its parent (default: 2)"
    )
    search.add_argument("--plain", action="store_true", help="no English splits of symbols, tags without their parents")
    search.add_argument("--jobs", type=whole, metavar="N", help="threads (default: every core)")


def run(arguments: argparse.Namespace) -> int:
    """Learn or load, save, parse, show; the exit code."""
    if not arguments.sentences and not arguments.save:
        raise ValueError('there is nothing to parse; pass sentences ("the dog sleeps"), - for lines, or --save.')
    source = arguments.grammar or arguments.treebank or arguments.model
    outputs = {name: getattr(arguments, name) for name in ("svg", "save")}
    paths = {
        name: check_output(f"--{name}", path, [source], force=arguments.force)
        for name, path in outputs.items()
        if path is not None
    }
    if len(set(paths.values())) < len(paths):
        raise ValueError(f"--svg and --save both write {paths['svg']}; give them different names.")
    if "svg" in paths and not arguments.force:
        more = next((path for path in paths["svg"].parent.iterdir() if is_numbered(path, paths["svg"])), None)
        if more is not None and len(arguments.sentences) * arguments.trees + ("-" in arguments.sentences) > 1:
            raise ValueError(f"{more} is there already. Give --svg another name, or --force to overwrite it.")
    with warnings_said():
        parser = build(arguments)
    if arguments.words:
        parser.set_params(tokenizer="blanks")
    if arguments.save is not None:
        import joblib

        with whole_file(paths["save"]) as part:
            joblib.dump(parser, part)
    pictures: list[tuple[Any, str]] = []
    n_sentences = n_parsed = 0
    for sentence in read(arguments.sentences):
        shown, parsed = show(parser, sentence, arguments)
        pictures += shown
        n_sentences, n_parsed = n_sentences + 1, n_parsed + parsed
    if arguments.sentences and not n_sentences:
        raise ValueError("there is nothing to parse: no line holds a word.")
    if n_parsed < n_sentences > 1:
        say(f"{n_sentences - n_parsed:,} of {n_sentences:,} sentences have no parse.")
    if "svg" in paths:
        draw(pictures, paths["svg"])
    return DONE if n_parsed or not n_sentences else IN_VAIN


def say(message: str) -> None:
    """A line on standard error."""
    print(f"featlearn parse: {message}", file=sys.stderr, flush=True)


@contextmanager
def warnings_said() -> Iterator[None]:
    """Warnings for the user become lines on standard error."""
    with warnings.catch_warnings():
        warnings.simplefilter("default", UserWarning)
        warnings.showwarning = lambda message, *_, **__: say(" ".join(str(message).split()))
        yield


def build(arguments: argparse.Namespace) -> Any:
    """The fitted parser."""
    from featlearn.grammar.parser import PCFGParser

    if arguments.model is not None:
        parser = load(arguments.model)
        return parser.set_params(beam=arguments.beam, n_jobs=arguments.jobs)
    if arguments.grammar is not None:
        from featlearn.grammar.cfg import PCFG

        path = existing(arguments.grammar)
        try:
            grammar = PCFG.from_text(path.read_text(encoding="utf-8"))
        except UnicodeDecodeError as error:
            raise ValueError(f"{arguments.grammar} is not UTF-8: byte 0x{error.object[error.start]:02x}.") from None
        except ValueError as error:
            raise ValueError(f"{arguments.grammar}: {error}") from error
        return PCFGParser(grammar=grammar, beam=arguments.beam, n_jobs=arguments.jobs).fit()
    parser = PCFGParser(
        horizontal=arguments.horizontal,
        vertical=arguments.vertical,
        annotate_tags=not arguments.plain,
        annotations=() if arguments.plain else "all",
        beam=arguments.beam,
        n_jobs=arguments.jobs,
    )
    trees = list(treebank(existing(arguments.treebank)))
    if not trees:
        raise ValueError(f"{arguments.treebank} holds no tree with words, so there is nothing to learn from.")
    return parser.fit(trees)


def existing(name: str) -> Path:
    """A path that is there."""
    path = Path(name)
    if not path.exists():
        raise ValueError(f"{name} does not exist.")
    return path


def treebank(path: Path) -> Iterator[Any]:
    """The trees of a file or of the files of a folder and those in it, without traces and functional tags."""
    from featlearn.grammar.brackets import read_trees
    from featlearn.grammar.transforms import remove_traces, strip_functions, transform

    files = sorted({file for pattern in TREES for file in path.rglob(pattern)}) if path.is_dir() else [path]
    if not files:
        raise ValueError(f"{path} holds no file {', '.join(TREES)}; pass a folder of a treebank, or one of its files.")
    for file in files:
        yield from transform(read_trees(file), remove_traces, strip_functions)


def load(name: str) -> Any:
    """A parser that --save wrote."""
    import joblib

    from featlearn.grammar.parser import PCFGParser

    path = existing(name)
    try:
        parser = joblib.load(path)
    except Exception as error:  # whatever a damaged pickle raises
        raise ValueError(f"{name} is no saved parser: {error}") from error
    if not isinstance(parser, PCFGParser):
        raise ValueError(f"{name} is no saved parser: it holds a {type(parser).__name__}.")
    if not hasattr(parser, "tokenizer"):  # saved before there was one
        parser.tokenizer = "treebank"
    return parser


def read(sentences: list[str]) -> Iterator[str]:
    """The sentences; those of standard input, a line each, for ``-``. Empty ones are left out."""
    for sentence in sentences:
        lines = sys.stdin if sentence == "-" else [sentence]
        yield from (line.strip() for line in lines if line.strip())


def show(parser: Any, sentence: str, arguments: argparse.Namespace) -> tuple[list[tuple[Any, str]], bool]:
    """Print a sentence's trees; the trees with a title for each, and whether it has a parse."""
    from featlearn.grammar.coverage import reasons

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # said here, in the words of the command
        trees = parser.parse(sentence, k=arguments.trees)
    parsed = bool(trees) and trees[0][1] > -math.inf
    if not parsed:
        words = trees[0][0].words() if trees else []
        say(f"no parse of {sentence[:80]!r}. {reasons(parser.model_, [words])}")
    if arguments.brackets:
        for tree, _ in trees:
            print(tree, flush=True)
        return [(tree, number(log_p)) for tree, log_p in trees], parsed
    total = inside(parser, sentence) if parsed else -math.inf
    titles = []
    print(sentence)
    for rank, (tree, log_p) in enumerate(trees, 1):
        if not parsed:
            title = "no parse: the words under their likeliest tags"
        elif total is None:
            title = f"p = {number(log_p)}"
        else:
            title = f"p = {number(log_p)}, {100 * math.exp(min(log_p - total, 0.0)):.1f} % of the sentence"
        titles.append(title)
        print(f"\n{rank}. {title}\n\n{tree.ascii(columns())}")
    if parsed and total is not None:
        print(f"\np(sentence) = {number(total)}")
    print(flush=True)
    return [(tree, title) for (tree, _), title in zip(trees, titles, strict=True)], parsed


def inside(parser: Any, sentence: str) -> float | None:
    """The log-probability of a sentence; None where unary cycles leave the sum over its trees without a limit."""
    try:
        return parser.inside_log_proba(sentence)
    except ValueError as error:
        say(str(error))
        return None


def columns() -> int:
    """Columns of the terminal."""
    import shutil

    return shutil.get_terminal_size((MAX_WIDTH, 0)).columns if sys.stdout.isatty() else MAX_WIDTH


def number(log_p: float) -> str:
    """A probability, also where it is too small for a float.

    Examples
    --------
    >>> from featlearn.commands.parse import number
    >>> number(-2.0), number(-2000.0), number(float("-inf"))
    ('0.1353', '2.577e-869', '0')
    """
    if log_p == -math.inf:
        return "0"
    if log_p > -700:
        return f"{math.exp(log_p):.4g}"
    exponent = math.floor(log_p / math.log(10))
    return f"{math.exp(log_p - exponent * math.log(10)):.4g}e{exponent}"


def numbered(path: Path, rank: int) -> Path:
    """FILE.svg, FILE-2.svg and so on."""
    return path if rank == 1 else path.with_name(f"{path.stem}-{rank}{path.suffix}")


def is_numbered(path: Path, first: Path) -> bool:
    """Whether a path is one of those that `numbered` makes of the first."""
    digits = path.stem.removeprefix(f"{first.stem}-")
    return digits.isdecimal() and path.name == numbered(first, int(digits)).name


def draw(pictures: list[tuple[Any, str]], path: Path) -> None:
    """An SVG file for each tree."""
    from featlearn.plot.trees import tree_svg

    for rank, (tree, title) in enumerate(pictures, 1):
        with whole_file(numbered(path, rank)) as part:
            tree_svg(tree, part, title=title)
