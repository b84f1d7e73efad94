"""What the commands share: options, words for them, and outputs that are written whole or not at all."""

import argparse
import ast
import os
import re
import shlex
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from featlearn.persistence import load, save
from featlearn.writing import whole_file

# What messages of the library say to those who call it, and what they say to those who type commands.
WORDS = (
    (r" and read it with LineDocuments\(\.\.\., (.*?)\)", r" (\1)"),
    (r"\bplain=True\b", "--lines (or --files)"),
    (r", or pass normalize=True to divide by the sum, or normalize=None to keep them", ""),
    (r"Of counts normalize=True makes probabilities", "Divide counts by their sum"),
    (r"or pass start= one of the symbols that have:", "or name one of the symbols that have, with %start:"),
    (r"pass the text of rules such as (.*?), not a file's name", r"write rules such as \1"),
    (r"which read_trees reads", "which --treebank takes"),
    (r"which PCFG\.from_text reads", "which --grammar takes"),
    (r"Where words have no tags of their own, pass mixed=True", "Every word needs brackets and a tag of its own"),
    (r"nltk\.tree\.sinica_parse reads .* takes what it gives", "convert it to brackets"),
    (r"read it with joblib\.load and write it with featlearn\.save", "pass --unsafe-pickle"),
    (r"featlearn\.save wrote", "--save wrote"),
    (r"If you know these, and .* name them:", "If you know these, load it in Python:"),
)


def whole(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not valid; pass a whole number of at least 1")
    return int(text)


def add_force(parser: argparse.ArgumentParser) -> None:
    """The option without which no command overwrites a file."""
    parser.add_argument("--force", action="store_true", help="overwrite outputs that are there already")


def check_output(option: str, name: str, inputs: list[str], *, force: bool) -> Path:
    """The path an output goes to; refused now rather than after the fit if it cannot, or if it is there (no ``force``).

    An input is never overwritten, ``force`` or not.
    """
    path = Path(name).resolve()
    if name == "-":
        raise ValueError(f"{option} - is no file name; outputs go to files.")
    if path.is_dir():
        raise ValueError(f"{option} {name} is a folder; give a file name in it.")
    if path.exists() and (not path.is_file() or not os.access(path, os.W_OK)):
        raise ValueError(f"{option} {name} cannot be written: it is read-only or no plain file. Give another name.")
    if not path.parent.is_dir():
        raise ValueError(f"{option} {name} cannot be written: there is no folder {path.parent}. Make it first.")
    if any(is_input(path, other) for other in inputs):
        raise ValueError(f"{option} {name} would overwrite an input file. Give another name.")
    if path.exists() and not force:
        raise ValueError(f"{option} {name} is there already. Give another name, or --force to overwrite it.")
    try:
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise ValueError(f"{option} {name} cannot be written: {error.strerror}. Give another folder.") from None
    return path


def is_input(path: Path, name: str) -> bool:
    """Whether a path is a file that is read under a name; ``-`` is the file that standard input comes from."""
    if name != "-":
        return path == Path(name).resolve()
    try:
        return os.path.samestat(os.fstat(sys.stdin.fileno()), path.stat())
    except (AttributeError, OSError, ValueError):  # closed, replaced, or no such file
        return False


def as_options(message: str) -> str:
    """A message in the words of the library, in those of the command line.

    Examples
    --------
    >>> from featlearn.commands.files import as_options
    >>> as_options("It looks like gb18030: pass encoding='gb18030'.")
    'It looks like gb18030: pass --encoding gb18030.'
    """
    for library, command in WORDS:
        message = re.sub(library, command, message)
    return re.sub(
        r"\b(encoding|column|id|date|groups)=('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\d+)", as_option, message
    )


def as_option(match: re.Match) -> str:
    """An argument as an option for a shell."""
    value = str(ast.literal_eval(match[2]))
    return f"--{match[1]}{'=' if value.startswith('-') else ' '}{shlex.quote(value)}"


def add_pickle(parser: argparse.ArgumentParser) -> None:
    """The option without which no command reads or writes a pickle."""
    parser.add_argument(
        "--unsafe-pickle",
        action="store_true",
        help="--save and --model are joblib files, which run any code they hold: load only your own",
    )


def save_model(model: Any, path: Path, *, unsafe_pickle: bool) -> None:
    """Write a model over what may be there, which `check_output` has asked about."""
    if not unsafe_pickle:
        save(model, path, overwrite=True)
        return
    import joblib

    with whole_file(path) as part:
        joblib.dump(model, part)


def load_model(name: str, kind: str, *, unsafe_pickle: bool, hint: str = "") -> Any:
    """The model of a kind, such as ``"PCFGParser"``, that --save wrote; a pickle only with ``unsafe_pickle``."""
    path = Path(name)
    if not path.is_file():
        raise ValueError(f"--model {name} {'is no file' if path.exists() else 'does not exist'}.")
    try:
        if unsafe_pickle and not zipfile.is_zipfile(path):
            import joblib

            model = joblib.load(path)
        else:
            model = load(path)
    except Exception as error:  # whatever a damaged pickle raises
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
        raise ValueError(f"--model {name} cannot be read: {said.rstrip('.')}.{hint}") from error
    if type(model).__name__ != kind:
        other = {"PCFGParser": "parse", "TopicExtractor": "topics"}.get(type(model).__name__)
        cure = f"The {other} command takes it" if other else "Give what --save wrote"
        raise ValueError(f"--model {name} holds a {type(model).__name__}, not a {kind}. {cure}.")
    return model


def refuse_pickled_name(arguments: argparse.Namespace) -> None:
    """Refuse to --save under the name of a pickle what is none."""
    name = arguments.save
    if name is not None and not arguments.unsafe_pickle and name.endswith((".joblib", ".pkl", ".pickle")):
        raise ValueError(
            f"--save {name} names a pickle, and --save writes none: let it end in .skops, or pass --unsafe-pickle."
        )
