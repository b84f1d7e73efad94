"""Parse sentences by a grammar, a treebank or a saved parser: trees, their probabilities, and alternatives."""

import argparse
import math
import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from featlearn.commands import DONE, IN_VAIN
from featlearn.commands.files import (
    add_force,
    add_pickle,
    check_output,
    load_model,
    refuse_pickled_name,
    save_model,
    whole,
)

HELP = "parse sentences"
# The files of a treebank's folder.
TREES = tuple(f"*{kind}{packed}" for packed in ("", ".gz", ".bz2", ".xz") for kind in (".mrg", ".tree", ".trees"))
# What only learning from trees takes, with its defaults.
LEARNING: dict[str, Any] = {"horizontal": 2, "vertical": 2, "plain": False}
MAX_WIDTH = 160  # columns that trees take where the output is no terminal


def width(text: str) -> float:
    """A log-probability above 0, which may be infinite."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not valid; pass a number above 0, such as 12, or inf")
    return value


def siblings(text: str) -> int | str:
    """How many siblings: a whole number, or all of them."""
    if text != "all" and not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not valid; pass a whole number of at least 0, or all")
    return text if text == "all" else int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument("sentences", nargs="*", metavar="SENTENCE", help="a raw sentence; - reads lines")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--grammar", metavar="FILE", help="a grammar, with lines such as S -> NP VP 1.0")
    source.add_argument("--treebank", metavar="PATH", help=f"learn from trees in a file, or in {', '.join(TREES[:3])}")
    source.add_argument("--model", metavar="FILE", help="a parser written by --save")
    parser.add_argument("--encoding", help="of all that is read as text (default: utf-8, or what its first bytes say)")
    parser.add_argument("-k", "--trees", type=whole, default=1, metavar="N", help="most trees shown (default: 1)")
    parser.add_argument("--brackets", action="store_true", help="one line for each tree, in brackets, and nothing else")
    parser.add_argument("--words", action="store_true", help="words are parted by blanks already: cut nowhere else")
    parser.add_argument("--svg", metavar="FILE.svg", help="draw the trees here; the second is FILE-2.svg and so on")
    parser.add_argument("--save", metavar="FILE.skops", help="write the parser here")
    add_force(parser)
    add_pickle(parser)
    search = parser.add_argument_group("parser")
    search.add_argument(
        "--beam", type=width, metavar="X", help="drop what is worse than the best by X (default: inf, exact)"
    )
    search.add_argument("--horizontal", type=siblings, metavar="H", help="siblings a symbol knows (default: 2)")
    search.add_argument("--vertical", type=whole, metavar="V", help="2: a symbol knows its parent (default: 2)")
    search.add_argument(
        "--plain", action="store_true", default=None, help="no English splits of symbols, tags without their parents"
    )
    search.add_argument("--jobs", type=whole, metavar="N", help="threads (default: every core)")


def run(arguments: argparse.Namespace) -> int:
    """Learn or load, save, parse, show; the exit code."""
    refuse_pickled_name(arguments)
    if not arguments.sentences and not arguments.save:
        raise ValueError('there is nothing to parse; pass sentences ("the dog sleeps"), - for lines, or --save.')
    settle(arguments)
    inputs, paths = outputs(arguments)
    parser = build(arguments)
    if arguments.words:
        parser.set_params(tokenizer="blanks")
    if arguments.save is not None:
        save_model(parser, paths["save"], unsafe_pickle=arguments.unsafe_pickle)
    n_pictures = n_sentences = n_parsed = 0
    for sentence in read(arguments.sentences, arguments.encoding):
        shown, parsed = show(parser, sentence, arguments)
        for tree, title in shown if "svg" in paths else []:
            n_pictures += 1
            from featlearn.plot.trees import tree_svg

            tree_svg(tree, picture(n_pictures, paths, inputs, force=arguments.force), title=title)
        n_sentences, n_parsed = n_sentences + 1, n_parsed + parsed
    if arguments.sentences and not n_sentences:
        raise ValueError("there is nothing to parse: no line holds a word.")
    if n_parsed < n_sentences > 1:
        say(f"{n_sentences - n_parsed:,} of {n_sentences:,} sentences have no parse.")
    return DONE if n_parsed or not n_sentences else IN_VAIN


def settle(arguments: argparse.Namespace) -> None:
    """The defaults of learning; what does not apply is refused."""
    given = [name for name in LEARNING if vars(arguments)[name] is not None]
    if given and arguments.treebank is None:
        why = "parses as it was learned" if arguments.grammar is None else "is taken as it is"
        source = "--model" if arguments.grammar is None else "--grammar"
        raise ValueError(f"{source} {why}, and only --treebank learns: leave out --{', --'.join(given)}.")
    for name, value in LEARNING.items():
        if vars(arguments)[name] is None:
            setattr(arguments, name, value)
    if arguments.svg is not None and not arguments.sentences:
        raise ValueError("--svg draws trees of sentences, and there are none; pass some, or leave it out.")
    if file := next((sentence for sentence in arguments.sentences if is_file(sentence)), None):
        say(f"{file!r} is parsed as a sentence, and there is a file of that name: its lines are read by - < {file}")
    elif len(arguments.sentences) > 2 and not any(" " in sentence.strip() for sentence in arguments.sentences):
        say(f"{len(arguments.sentences)} sentences of a word each; a sentence of several words is put in quotes.")
    if arguments.encoding is not None:
        import codecs

        try:
            "".encode(arguments.encoding)  # what is no encoding of text fails here
            codecs.lookup(arguments.encoding)
        except (LookupError, ValueError):
            wrong = f"--encoding: {arguments.encoding!r} is no text encoding"
            raise ValueError(f"{wrong}; utf-8, gb18030 and latin-1 are.") from None
        if arguments.model is not None and not any(s == "-" or is_bytes(s) for s in arguments.sentences):
            raise ValueError("--model is no text, and no sentences are read: leave out --encoding.")


def outputs(arguments: argparse.Namespace) -> tuple[list[str], dict[str, Path]]:
    """What is read, and where to write what, all looked at before the work."""
    inputs = [arguments.grammar or arguments.treebank or arguments.model, *(["-"] * ("-" in arguments.sentences))]
    if arguments.treebank is not None:
        inputs += map(str, files_of(existing(arguments.treebank)))
    paths = {
        option: check_output(f"--{option}", name, inputs, force=arguments.force)
        for option in ("svg", "save")
        if (name := getattr(arguments, option)) is not None
    }
    if arguments.svg is not None and Path(arguments.svg).suffix.lower() not in ("", ".svg"):
        raise ValueError(f"--svg writes SVG, and {arguments.svg} names another kind of file; let it end in .svg.")
    if len(set(paths.values())) < len(paths):
        raise ValueError(f"--svg and --save both write {paths['svg']}; give them different names.")
    if "svg" in paths:
        first = paths["svg"]
        most = math.inf if "-" in arguments.sentences else len(arguments.sentences) * arguments.trees
        taken = {*first.parent.iterdir(), *paths.values()}
        for rank in sorted(rank for path in taken if 1 < (rank := rank_of(path, first)) <= most):
            picture(rank, paths, inputs, force=arguments.force)
    return inputs, paths


def picture(rank: int, paths: dict[str, Path], inputs: list[str], *, force: bool) -> Path:
    """Where a picture goes: over no input, no other output and, without ``force``, no file that is there."""
    name = numbered(paths["svg"], rank)
    if name.resolve() == paths.get("save"):
        raise ValueError(f"--svg and --save both write {name}, picture {rank} of --svg; give them different names.")
    return check_output("--svg", str(name), inputs, force=force)


def say(message: str) -> None:
    """A line on standard error."""
    print(f"featlearn parse: {message}", file=sys.stderr, flush=True)


def build(arguments: argparse.Namespace) -> Any:
    """The fitted parser."""
    from featlearn.grammar.parser import PCFGParser

    search: dict[str, Any] = {} if arguments.jobs is None else {"n_jobs": arguments.jobs}
    if arguments.beam is not None:
        search["beam"] = None if arguments.beam == math.inf else arguments.beam
    if arguments.model is not None:
        hint = " Grammars are given with --grammar, trees with --treebank."
        parser = load_model(arguments.model, "PCFGParser", unsafe_pickle=arguments.unsafe_pickle, hint=hint)
        if not parser.__sklearn_is_fitted__():
            raise ValueError(f"{arguments.model} holds a parser that has learned from no trees. Write one with --save.")
        if not hasattr(parser, "tokenizer"):  # saved before there was one
            parser.tokenizer = "treebank"
        return parser.set_params(**search)
    if arguments.grammar is not None:
        from featlearn.grammar.cfg import as_pcfg

        text = decoded(existing(arguments.grammar), arguments.encoding)
        try:
            grammar = as_pcfg(text)
        except ValueError as error:
            raise ValueError(f"{arguments.grammar}: {error}") from error
        return PCFGParser(grammar=grammar, **search).fit()
    parser = PCFGParser(
        horizontal=None if arguments.horizontal == "all" else arguments.horizontal,
        vertical=arguments.vertical,
        annotate_tags=not arguments.plain,
        annotations=() if arguments.plain else "all",
        **search,
    )
    trees = list(treebank(existing(arguments.treebank), arguments.encoding))
    if not trees:
        raise ValueError(f"{arguments.treebank} holds no tree with words, so there is nothing to learn from.")
    return parser.fit(trees)


def existing(name: str) -> Path:
    """A path that is there."""
    path = Path(name)
    if not path.exists():
        raise ValueError(f"{name} does not exist.")
    return path


def decoded(path: Path, encoding: str | None) -> str:
    """The text of a file, unpacked, in an encoding; None is UTF-8, or what a byte order mark says."""
    from featlearn.text.encodings import byte_order_mark
    from featlearn.text.readers import Source, advice, byte_blocks, with_nul

    refuse_model(path)
    source = Source(path, str(path))
    data = b"".join(byte_blocks(source))
    encoding = encoding or byte_order_mark(data) or "utf-8"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        byte, line = error.object[error.start], data.count(b"\n", 0, error.start) + 1
        said = advice(data, error, encoding)
        raise ValueError(f"{path}: line {line} is not {encoding.upper()}: byte 0x{byte:02x}. {said}") from None
    if "\0" in text:
        raise with_nul(source, data, encoding, text[: text.index("\0")].count("\n") + 1)
    return text


def refuse_model(path: Path) -> None:
    """Refuse what --save wrote in the place of a text."""
    if path.is_file():
        with path.open("rb") as file:
            head = file.read(4)
        if head.startswith((b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")):  # begins no text
            raise ValueError(f"{path} is no text but, it seems, a saved parser; pass it as --model.")


def files_of(path: Path) -> list[Path]:
    """The files of a treebank: one, or those of a folder and of those in it."""
    return sorted({file for pattern in TREES for file in path.rglob(pattern)}) if path.is_dir() else [path]


def treebank(path: Path, encoding: str | None) -> Iterator[Any]:
    """The trees of a file or of the files of a folder and those in it, without traces and functional tags."""
    from featlearn.grammar.brackets import read_trees
    from featlearn.grammar.transforms import remove_traces, strip_functions, transform

    files = files_of(path)
    if not files:
        raise ValueError(
            f"{path} holds no file {', '.join(TREES[:3])}, packed (.gz, .bz2, .xz) or not; pass a treebank's folder, "
            "or one of its files."
        )
    for file in files:
        refuse_model(file)
        yield from transform(read_trees(file, encoding=encoding), remove_traces, strip_functions)


def read(sentences: list[str], encoding: str | None) -> Iterator[str]:
    """The sentences; those of standard input, a line each as they come, for ``-``. Empty ones are left out."""
    for sentence in sentences:
        lines: Iterable[str] = lines_of_standard_input(encoding) if sentence == "-" else [typed(sentence, encoding)]
        yield from (line.strip() for line in lines if line.strip())


def lines_of_standard_input(encoding: str | None) -> Iterator[str]:
    """Lines through the gate of documents, each as soon as it is there."""
    from featlearn.text.readers import standard_input, text_blocks, text_lines

    if sys.stdin is not None and not hasattr(sys.stdin, "buffer"):  # replaced by what gives text
        yield from sys.stdin
        return
    source = standard_input()
    yield from text_lines(text_blocks(source, encoding or "utf-8"))
    if source.misread:
        say(
            f"standard input is UTF-8, and was read as {encoding}: leave out --encoding. If a grammar or treebank "
            "needs it, write the parser with --save first, and parse with --model."
        )


def is_file(sentence: str) -> bool:
    """Whether a sentence of the command line is rather the name of a file."""
    try:
        return sentence != "-" and os.path.isfile(sentence)
    except ValueError:  # no name can hold NUL
        return False


def is_bytes(sentence: str) -> bool:
    """Whether a sentence of the command line holds bytes that could not be decoded."""
    return any("\udc80" <= character <= "\udcff" for character in sentence)


def typed(sentence: str, encoding: str | None) -> str:
    """A sentence of the command line; bytes in it are decoded."""
    if not is_bytes(sentence):
        return sentence
    from featlearn.text.readers import advice

    data, encoding = os.fsencode(sentence), encoding or "utf-8"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        said = f"The sentence {sentence[:80]!r} is not {encoding}: byte 0x{error.object[error.start]:02x}"
        raise ValueError(f"{said}. {advice(data, error, encoding)}") from None


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


def rank_of(path: Path, first: Path) -> int:
    """The rank that `numbered` makes this path of; 0 if there is none."""
    if path == first:
        return 1
    digits = path.stem.removeprefix(f"{first.stem}-")
    return int(digits) if digits.isdecimal() and path == numbered(first, int(digits)) else 0
