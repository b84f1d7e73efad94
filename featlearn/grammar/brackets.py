r"""Trees in brackets, as treebanks write them: a strict reader that streams, a writer that writes whole or not at all.

    text  ::=  tree*                      blanks (ASCII) between all parts are free
    tree  ::=  "(" label (tree+ | word) ")"
    root  ::=  tree  |  "(" tree+ ")"     the Penn Treebank's unlabeled root around a sentence

Labels and words are any characters but ``( )``, blanks and NUL, and are taken as they are written: ``-LRB-`` and
``1\/2`` stay so (`featlearn.grammar.transforms.plain_words` makes them plain). What `featlearn.grammar.tree.escape`
wrote as ``\xHH`` is read back as the character it stands for. Only ASCII blanks part words: treebanks of printed text
have words with thin or unbreakable spaces inside.
"""

import codecs
import gzip
import os
import re
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from featlearn.grammar.tree import Tree, make_tree, unescape

PIECE = 1 << 16  # characters or bytes read at once
KNOWN = 100_000  # preterminals that are remembered and used again, so that a treebank takes half the memory
LONGEST = 1 << 17  # characters without a bracket, at most
_BLANKS = " \t\n\r\f\v"
_BLANK, _PLAIN = f"[{_BLANKS}]", f"[^(){_BLANKS}]"
_TOKEN = re.compile(
    rf"\({_BLANK}*+({_PLAIN}++){_BLANK}++({_PLAIN}++){_BLANK}*+\)"  # 1, 2: a preterminal in one go
    rf"|\({_BLANK}*+({_PLAIN}*+)"  # 3: an opening bracket and its label, which may be missing
    r"|(\))"  # 4
    rf"|({_PLAIN}++)"  # 5: a word
)


class BracketError(ValueError):
    """A mistake in brackets; the message says where it is and what was expected there.

    Attributes
    ----------
    message : str
        What is wrong and what was expected.
    file : str
        The file, or ``"<text>"`` or ``"<lines>"``.
    line, column : int
        Where, counted from 1.
    """

    def __init__(self, message: str, file: str, line: int, column: int):
        super().__init__(message, file, line, column)
        self.message, self.file, self.line, self.column = message, file, line, column

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}, column {self.column}: {self.message}"


def read_trees(source: Any, *, root: str | None = "TOP", mixed: bool = False) -> Iterator[Tree]:
    """Read trees one by one, so that a file larger than memory streams through.

    Parameters
    ----------
    source : path, open text file, or iterable of str
        A file in UTF-8 (gzipped if its name ends in ``.gz``), a file that was opened to read text, or lines.
    root : str or None, default="TOP"
        The label of a root that has none, as in the Penn Treebank's ``( (S ...) )``. None takes such a root away, and
        then it may hold one tree only.
    mixed : bool, default=False
        Whether a tree may hold several words, or words beside trees.

    Yields
    ------
    tree : Tree
        The trees in order. Equal preterminals may be one and the same object.

    Raises
    ------
    BracketError
        Naming file, line and column: brackets that do not match, ``()``, a missing label inside a tree, a label without
        children, text between trees, a word beside others or beside trees, a NUL character, bytes that are not UTF-8.
    FileNotFoundError
        If there is no such file.
    TypeError
        If the source is none of the above.
    ValueError
        If ``root`` is empty, or a file in ``.gz`` is damaged.

    Examples
    --------
    >>> from featlearn.grammar.brackets import read_trees
    >>> list(read_trees(["( (S (NP (PRP I))", "     (VP (VBP sleep))) )"]))
    [(TOP (S (NP (PRP I)) (VP (VBP sleep))))]
    """
    if root is not None and (not isinstance(root, str) or not root):
        raise ValueError(f"root={root!r} is no label; pass a name such as 'TOP', or None to take unlabeled roots away.")
    if isinstance(source, (str, os.PathLike)):
        path = Path(source).expanduser()
        if not path.is_file():
            hint = " To read trees from text, call parse_trees." if "(" in str(source) else ""
            raise FileNotFoundError(f"There is no file {str(source)!r} to read trees from.{hint}")
        return _read(_decoded(path), str(path), root, mixed)
    if hasattr(source, "read"):
        name = str(getattr(source, "name", "<file>"))
        return _read(_pieces(iter(lambda: source.read(PIECE), ""), name), name, root, mixed)
    if not isinstance(source, Iterable) or isinstance(source, (bytes, bytearray)):
        raise TypeError(
            f"read_trees takes a path, an open text file or an iterable of lines; got a {type(source).__name__}."
        )
    return _read(_pieces(source, "<lines>"), "<lines>", root, mixed)


def parse_trees(text: str, *, root: str | None = "TOP", mixed: bool = False) -> list[Tree]:
    """All trees of a text; parameters and errors as in `read_trees`.

    Examples
    --------
    >>> from featlearn.grammar.brackets import parse_trees
    >>> [tree.label for tree in parse_trees("(NP (DT the) (NN man)) ( (S (VP (VB go))))")]
    ['NP', 'TOP']
    """
    if not isinstance(text, str):
        raise TypeError(f"parse_trees takes a str; got a {type(text).__name__}. For a file call read_trees.")
    pieces = (text[start : start + PIECE] for start in range(0, len(text), PIECE))
    return list(_read(pieces, "<text>", root, mixed))


def parse_tree(text: str, *, root: str | None = "TOP", mixed: bool = False) -> Tree:
    """The one tree of a text; parameters and errors as in `read_trees`, and a ValueError for no tree or several.

    Examples
    --------
    >>> from featlearn.grammar.brackets import parse_tree
    >>> parse_tree("(NP (DT the) (NN man))").words()
    ['the', 'man']
    """
    trees = parse_trees(text, root=root, mixed=mixed)
    if len(trees) != 1:
        raise ValueError(f"parse_tree takes one tree in brackets; the text holds {len(trees)}.")
    return trees[0]


def write_trees(trees: Iterable[Tree], path: str | os.PathLike, *, pretty: bool = False) -> int:
    """Write trees to a file in UTF-8, whole or not at all: until the last is written, what was at ``path`` stays.

    Parameters
    ----------
    trees : iterable of Tree
        The trees; an iterator is written as it comes.
    path : path
        The file, gzipped if its name ends in ``.gz``.
    pretty : bool, default=False
        Whether each tree takes many indented lines; otherwise each takes one.

    Returns
    -------
    n_trees : int
        How many were written.

    Raises
    ------
    TypeError
        If one of them is no Tree.
    ValueError
        If a word or label cannot be written in UTF-8 (a lone surrogate).
    """
    path = Path(path).expanduser()
    n_trees = 0
    with tempfile.TemporaryDirectory(dir=path.absolute().parent, prefix=".trees-") as scratch:
        part = Path(scratch) / "part"
        with gzip.open(part, "wb") if path.suffix == ".gz" else open(part, "wb") as file:
            for tree in trees:
                if not isinstance(tree, Tree):
                    raise TypeError(f"write_trees takes trees; item {n_trees} is a {type(tree).__name__}.")
                text = tree.pretty() if pretty else str(tree)
                try:
                    file.write(f"{text}\n".encode())
                except UnicodeEncodeError as error:
                    wrong = text[error.start : error.end]
                    raise ValueError(f"Tree {n_trees} holds {wrong!r}, which UTF-8 cannot write.") from error
                n_trees += 1
        os.replace(part, path)
    return n_trees


class _Place:
    """Where a reader is: line and column, from 1, of the piece at hand; a place inside it is worked out when asked."""

    def __init__(self, file):
        self.file, self.line, self.column = file, 1, 1

    def at(self, piece, offset):
        lines = piece.count("\n", 0, offset)
        if lines:
            return self.line + lines, offset - piece.rfind("\n", 0, offset)
        return self.line, self.column + offset

    def move(self, piece):
        self.line, self.column = self.at(piece, len(piece))

    def fail(self, piece, offset, message) -> NoReturn:
        raise BracketError(message, self.file, *self.at(piece, offset))


def _read(pieces, name, root, mixed):
    """Trees of pieces of text: brackets, labels and words are tokens, and a stack holds what is open."""
    place, rest = _Place(name), ""
    labels: list[str] = []  # of the open trees, the root first; "" for an unlabeled root
    families: list[list[Tree | str]] = []  # their children so far
    began = (1, 1)  # line and column of the open root
    known: dict[str, Tree] = {}
    words: dict[str, str] = {}
    piece: str | None = ""
    while piece is not None:
        try:
            piece = next(pieces, None)
        except UnicodeDecodeError as error:
            wrong = (
                f"there is the byte 0x{error.object[error.start]:02x}, which is not {error.encoding}; expected text."
            )
            raise BracketError(wrong, name, *place.at(rest, len(rest))) from error
        text = rest if piece is None else rest + piece
        if "\0" in text:
            place.fail(text, text.index("\0"), "there is a NUL character; expected text in brackets.")
        # A token may go on in the next piece; what comes before the last bracket does not.
        end = len(text) if piece is None or not text.strip(_BLANKS) else max(text.rfind(")") + 1, text.rfind("("), 0)
        if not end and len(text) > LONGEST:
            place.fail(text, 0, f"there is no bracket in {LONGEST:,} characters; expected trees in brackets.")
        text, rest = text[:end], text[end:]
        for token in _TOKEN.finditer(text):
            kind = token.lastindex or 0
            if kind < 4 and labels and not mixed and families[-1] and isinstance(families[-1][-1], str):
                place.fail(text, token.start(), f"a tree stands beside the word {families[-1][-1]!r}; expected ).")
            if kind == 2:  # (label word)
                tree = known.get(token[0])
                if tree is None:
                    if len(known) >= KNOWN:
                        known.clear()
                        words.clear()
                    label, word = unescape(token[1]), unescape(token[2])
                    tree = make_tree(words.setdefault(label, label), (words.setdefault(word, word),))
                    known[token[0]] = tree
            elif kind == 3:  # (label
                label = token[3]
                if not labels:
                    began = place.at(text, token.start())
                elif not label:
                    place.fail(text, token.start(), f"a tree inside another has no label. {_missing(began)}")
                labels.append(words.setdefault(label, label))
                families.append([])
                continue
            elif kind == 4:  # )
                if not labels:
                    place.fail(text, token.start(), "this ) closes nothing; expected ( or the end.")
                label, children = labels.pop(), families.pop()
                if not children:
                    wrong = f"the tree {label!r} holds nothing" if label else "these brackets are empty"
                    place.fail(text, token.start(), f"{wrong}; expected a label and then words or trees.")
                if label:
                    tree = make_tree(unescape(label), tuple(children))
                else:
                    tree = _root(root, children, place, text, token)
            else:  # a word that is not alone with its label
                word = unescape(token[5])
                if not labels:
                    place.fail(text, token.start(), f"there is {word!r} between trees; expected ( or the end.")
                if not labels[-1]:
                    place.fail(text, token.start(), f"there is {word!r} under a root without a label; expected (.")
                if families[-1] and not mixed:
                    beside = "another word" if isinstance(families[-1][-1], str) else "a tree"
                    place.fail(text, token.start(), f"the word {word!r} stands beside {beside}; expected ( or ).")
                families[-1].append(words.setdefault(word, word))
                continue
            if not labels:
                yield tree
                continue
            families[-1].append(tree)
        place.move(text)
    if labels:
        place.fail("", 0, f"the text ends with {len(labels)} open brackets; expected ). {_missing(began)}")


def _missing(began):
    return f"Is a ) missing in the tree that begins in line {began[0]}, column {began[1]}?"


def _root(root, children, place, text, token):
    """The tree of an unlabeled root."""
    if root is not None:
        return make_tree(root, tuple(children))
    if len(children) > 1:
        place.fail(
            text, token.start(), f"a root without a label holds {len(children)} trees; to keep them pass root='TOP'."
        )
    return children[0]


def _decoded(path):
    """A file in UTF-8 as pieces of text; a byte that is none raises UnicodeDecodeError, after the text before it."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    with gzip.open(path, "rb") if path.suffix == ".gz" else open(path, "rb") as file:
        while block := _block(file, path):
            yield from _decode(decoder, block, False)
    yield from _decode(decoder, b"", True)


def _block(file, path):
    try:
        return file.read(PIECE)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is no whole gzip file: {error}") from error


def _decode(decoder, block, final):
    try:
        yield decoder.decode(block, final)
    except UnicodeDecodeError as error:
        yield error.object[: error.start].decode()
        raise


def _pieces(source, name):
    """Lines or blocks of text, each known to be a str."""
    for piece in source:
        if not isinstance(piece, str):
            raise TypeError(f"{name} must give text in str; got a {type(piece).__name__}. Open the file as text.")
        yield piece
