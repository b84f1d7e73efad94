r"""Trees in brackets, as treebanks write them: a strict reader that streams, a writer that writes whole or not at all.

    text  ::=  tree*                      blanks (ASCII) between all parts are free
    tree  ::=  "(" label (tree+ | word) ")"
    root  ::=  tree  |  "(" tree+ ")"     the Penn Treebank's unlabeled root around a sentence

Labels and words are any characters but ``( )``, blanks and NUL, and are taken as they are written: ``-LRB-`` and
``1\/2`` stay so (`featlearn.grammar.transforms.plain_words` makes them plain). What `featlearn.grammar.tree.escape`
wrote as ``\xHH`` is read back as the character it stands for. Only ASCII blanks part words, and ideographic spaces
where they are no part of a word: treebanks of printed text have words with thin or unbreakable spaces inside.

Between trees may stand what treebanks have there: tags (``<S ID=1>``, with what they enclose in a line,
``<DOCID>nw0001</DOCID>``), lines that begin with ``*x*``, ``%%`` or ``# ``, comments ``/~* ... *~/``, and the
``( @0y0012sx-a-11/CD )`` and ``( END_OF_TEXT_UNIT )`` of ATIS. Treebanks that are not in brackets are named in errors.
"""

import bz2
import codecs
import gzip
import lzma
import os
import re
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from featlearn.grammar.escapes import unescape
from featlearn.grammar.tree import Tree, make_tree
from featlearn.grammar.walks import kind_of

PIECE = 1 << 16  # characters or bytes read at once
KNOWN = 100_000  # preterminals that are remembered and used again, so that a treebank takes half the memory
LONGEST = 1 << 17  # characters without a bracket, at most
HEAD = 4_000  # characters at the beginning that tell other formats
_BLANKS = " \t\n\r\f\v"
_BLANK, _PLAIN = f"[{_BLANKS}]", f"[^(){_BLANKS}]"
_TOKEN = re.compile(
    rf"\({_BLANK}*+({_PLAIN}++){_BLANK}++({_PLAIN}++){_BLANK}*+\)"  # 1, 2: a preterminal in one go
    rf"|\({_BLANK}*+({_PLAIN}*+)"  # 3: an opening bracket and its label, which may be missing
    r"|(\))"  # 4
    rf"|({_PLAIN}++)"  # 5: a word
)
# What may stand between trees: a tag and what the next one in the line closes; a line of the Treebank's header, which
# ends before a tree where lines were joined; at the beginning of a line a comment.
_TAG = re.compile(r"<[^<>\n]*>(?:[^()<\n]*(?=</))?")
_HEADER = re.compile(rf"\*x\*(?:(?!\([ \t]*{_PLAIN}*[ \t]*\()[^\n])*")
_COMMENT = re.compile(r"(?:%%|\#[ \t])[^\n]*")
_BLOCK_COMMENT = re.compile(r"/(?:~\*.*?\*~|\*.*?\*)/", re.DOTALL)  # of the Penn corpora of historical English
_NO_TREE = re.compile(r"END_OF_TEXT_UNIT|@.*", re.DOTALL)  # labels of brackets without a tree, in ATIS
_SPACED = re.compile(r"\(([^()]*)\)|\u3000")
_PACKED: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open, b"\xfd7": lzma.open}  # by their first bytes
_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
# Other formats by what a text begins with, and what to do with them.
_OTHERS = (
    (r"(?i)\s*<(?:!doctype|html)", "It looks like a page of HTML, not the file itself."),
    (
        r"\s*(?:<\?xml|<(?:corpus|graph|treebank|text|alpino_ds|SENT|sentence)\b)",
        "It looks like a treebank in XML (TIGER-XML, the French Treebank, Alpino); convert it to brackets.",
    ),
    (
        r"(?s).*?(?:^#BOS |^#FORMAT \d|^%% word\s)",
        "It looks like NEGRA's export format, a table of words and nodes; read its .penn files or convert it.",
    ),
    (
        r"(?s).*?(?:#\d+:\d+\.\[\d+\]|^\S*\(\w+:\w+[:(].*\|)",
        "It looks like the Sinica Treebank's format (role:category:word); nltk.tree.sinica_parse reads its lines, and "
        "Tree.from_nltk takes what it gives.",
    ),
    (r"(?s).*?^#begin document", "It looks like CoNLL-2012's columns, with pieces of trees; convert it to brackets."),
    (
        r"(?s).*?^(?:# (?:sent_id|newdoc|text) =|\d+(?:-\d+)?\t[^\t\n]+\t[^\t\n]+\t)",
        "It looks like CoNLL-U or another table of dependencies, which have no constituents to read.",
    ),
    (
        r"(?s).*?^[^\s()]+[ \t][^\s()]+[ \t](?:[^\s()]+[ \t])?[BIO](?:-[A-Z]+)?$",
        "It looks like a table of words and chunks (CoNLL-2000, CoNLL-2003), which has no trees.",
    ),
    (
        r"(?s)(?!.*^\s*\().*?^\s*(?:\[ )?[^\s()/]+/[A-Z$.,:]+[ \t]+(?:\] )?[^\s()/]+/[A-Z$.,:]+\s",
        "It looks like words with tags (the Penn Treebank's .pos files), without trees; its .mrg files have them.",
    ),
    (
        r"(?s)(?!.*^\s*\().*?^\s*[^\s()\"'|]+(?:\s*(?:[-=]{1,2}>|::=|→)[\s'\"]|->)",
        "It looks like the rules of a grammar, which PCFG.from_text reads.",
    ),
    (r"\s*[{\[][\s{\[]*\"", "It looks like JSON."),
    (r"\s*\[\s*\.?\w+\s+\[", "Trees in square brackets are not read; write them in round ones."),
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


def read_trees(
    source: Any, *, root: str | None = "TOP", mixed: bool = False, encoding: str | None = None
) -> Iterator[Tree]:
    """Read trees one by one, so that a file larger than memory streams through.

    Parameters
    ----------
    source : path, open text file, or iterable of str
        A file (also one that gzip, bzip2 or xz packed), a file that was opened to read text, or lines.
    root : str or None, default="TOP"
        The label of a root that has none, as in the Penn Treebank's ``( (S ...) )``. None takes such a root away, and
        then it may hold one tree only.
    mixed : bool, default=False
        Whether a tree may hold several words, or words beside trees, as in the Penn Treebank's ``.prd`` files.
    encoding : str or None, default=None
        Of a file that a path names: ``"gb18030"`` for the Chinese Treebank's older releases, ``"latin-1"`` for NEGRA's.
        None is UTF-8, or UTF-16 where a byte order mark says so.

    Yields
    ------
    tree : Tree
        The trees in order. Equal preterminals may be one and the same object.

    Raises
    ------
    BracketError
        Naming file, line and column: brackets that do not match, ``()``, a missing label inside a tree, a label without
        children, text between trees, a word beside others or beside trees, a NUL character, bytes that are not of the
        encoding, tags without any tree. If the beginning looks like another format of treebanks, it names that.
    FileNotFoundError, IsADirectoryError
        If there is no such file.
    TypeError
        If the source is none of the above.
    ValueError
        If ``root`` is empty, there is no such encoding, or a packed file is damaged.

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
        if path.is_dir():
            raise IsADirectoryError(
                f"{source} is a folder; read the trees of each of its files, such as sorted(Path(...).rglob('*.mrg'))."
            )
        if not path.is_file() and not path.is_fifo():
            hint = " To read trees from text, call parse_trees." if "(" in str(source) else ""
            raise FileNotFoundError(f"There is no file {str(source)!r} to read trees from.{hint}")
        return _read(_decoded(path, _codec(path, encoding)), str(path), root, mixed)
    if encoding is not None:
        raise ValueError(f"encoding={encoding!r} is for a file that a path names; open files with their encoding.")
    if hasattr(source, "read"):
        name = str(getattr(source, "name", "<file>"))
        return _read(_pieces(iter(lambda: source.read(PIECE), ""), name), name, root, mixed)
    if (
        not isinstance(source, Iterable)
        or isinstance(source, (bytes, bytearray))
        or kind_of(source).startswith("nltk.")
    ):
        raise TypeError(f"read_trees takes a path, an open text file or an iterable of lines; got a {kind_of(source)}.")
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
        raise TypeError(f"parse_trees takes a str; got a {kind_of(text)}. For a file call read_trees.")
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
                    raise TypeError(f"write_trees takes trees; item {n_trees} is a {kind_of(tree)}.")
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
        self.head = ""  # the beginning of the text
        self.fresh = True  # whether the line holds only blanks so far

    def at(self, piece, offset):
        lines = piece.count("\n", 0, offset)
        if lines:
            return self.line + lines, offset - piece.rfind("\n", 0, offset)
        return self.line, self.column + offset

    def move(self, piece):
        self.line, self.column = self.at(piece, len(piece))
        self.fresh = self.begins(piece, len(piece))

    def begins(self, piece, offset):
        """Whether only blanks stand before a place in its line."""
        line = piece.rfind("\n", 0, offset) + 1
        return not piece[line:offset].strip(f"{_BLANKS}\ufeff") and (line > 0 or self.fresh)

    def fail(self, piece, offset, message) -> NoReturn:
        other = next((what for form, what in _OTHERS if re.match(form, self.head, re.MULTILINE)), None)
        raise BracketError(f"{message} {other}" if other else message, self.file, *self.at(piece, offset))


def _read(pieces, name, root, mixed):
    """Trees of pieces of text: brackets, labels and words are tokens, and a stack holds what is open."""
    place, rest = _Place(name), ""
    labels: list[str] = []  # of the open trees, the root first; "" for an unlabeled root
    families: list[list[Tree | str]] = []  # their children so far
    began = (1, 1)  # line and column of the open root
    known: dict[str, Tree] = {}
    words: dict[str, str] = {}
    n_trees, tags = 0, ""  # the first tag between trees
    piece: str | None = ""
    while piece is not None:
        try:
            piece = next(pieces, None)
        except UnicodeDecodeError as error:
            wrong = (
                f"there is the byte 0x{error.object[error.start]:02x}, which is not {error.encoding}; expected text."
            )
            from featlearn.text.readers import advice  # imported here, for it comes with all that learns from texts

            advised = f"{wrong} {advice(error.object, error, error.encoding)}"
            raise BracketError(advised, name, *place.at(rest, len(rest))) from error
        if piece and len(place.head) < HEAD:
            place.head += piece[: HEAD - len(place.head)]
        text = rest if piece is None else rest + piece
        if "\0" in text:
            wide = " It looks like UTF-16; pass encoding='utf-16-le', say." if text.count("\0") > len(text) // 4 else ""
            place.fail(text, text.index("\0"), f"there is a NUL character; expected text in brackets.{wide}")
        # A token may go on in the next piece; what comes before the last bracket does not.
        end = len(text) if piece is None or not text.strip(_BLANKS) else max(text.rfind(")") + 1, text.rfind("("), 0)
        if not end and len(text) > LONGEST:
            place.fail(text, 0, f"there is no bracket in {LONGEST:,} characters; expected trees in brackets.")
        text, rest = text[:end], text[end:]
        if "\u3000" in text:
            text = _SPACED.sub(_blanked, text)
        at = 0
        while at < len(text):
            for token in _TOKEN.finditer(text, at):
                kind = token.lastindex or 0
                if kind < 4 and labels and not mixed and families[-1] and isinstance(families[-1][-1], str):
                    beside = _shown(families[-1][-1])
                    place.fail(text, token.start(), f"a tree stands beside the word {beside}; expected ). {_MIXED}")
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
                        wrong = f"a tree inside another has no label. {_missing(began)}"
                        if text[token.end() :].lstrip(_BLANKS).startswith(")"):
                            wrong = f"a tree inside another has no label and is empty. {_UNPARSED}"
                        place.fail(text, token.start(), wrong)
                    labels.append(words.setdefault(label, label))
                    families.append([])
                    continue
                elif kind == 4:  # )
                    if not labels:
                        place.fail(text, token.start(), "this ) closes nothing; expected ( or the end.")
                    label, children = labels.pop(), families.pop()
                    if not children:
                        if not labels and _NO_TREE.fullmatch(label):
                            continue
                        wrong = f"the tree {_shown(label)} holds nothing" if label else "these brackets are empty"
                        hint = "" if label else f" {_UNPARSED}"
                        place.fail(text, token.start(), f"{wrong}; expected a label and then words or trees.{hint}")
                    if label:
                        tree = make_tree(unescape(label), tuple(children))
                    else:
                        tree = _root(root, children, place, text, token)
                else:  # a word that is not alone with its label
                    word = unescape(token[5])
                    if not labels:
                        between = _between(token[5], text, token.start(), place, piece is None)
                        if between is None:  # its end is still to come
                            text, rest = text[: token.start()], text[token.start() :] + rest
                            at = len(text)
                            break
                        if between == token.start():
                            place.fail(
                                text, token.start(), f"there is {_shown(word)} between trees; expected ( or the end."
                            )
                        tags = tags or (token[5] if token[5][0] == "<" else "")
                        at = between
                        break
                    if not word.strip() and not mixed and (families[-1] or _before_bracket(text, token.end(), rest)):
                        continue  # a blank of another script
                    if not labels[-1]:
                        place.fail(
                            text, token.start(), f"there is {_shown(word)} under a root without a label; expected (."
                        )
                    if families[-1] and not mixed:
                        beside = "another word" if isinstance(families[-1][-1], str) else "a tree"
                        wrong = f"the word {_shown(word)} stands beside {beside}; expected ( or ). {_MIXED}"
                        place.fail(text, token.start(), wrong)
                    families[-1].append(words.setdefault(word, word))
                    continue
                if not labels:
                    n_trees += 1
                    yield tree
                    continue
                families[-1].append(tree)
            else:
                at = len(text)
        place.move(text)
    if tags and not n_trees:
        place.fail("", 0, f"there are tags such as {_shown(tags)} and no tree in brackets.")
    if labels:
        place.fail("", 0, f"the text ends with {len(labels)} open brackets; expected ). {_missing(began)}")


_MIXED = "Where words have no tags of their own, pass mixed=True."
_UNPARSED = "Parsers write (()) for a sentence without a tree; take such lines out."


def _shown(text):
    """A label or word for a message."""
    return repr(text if len(text) <= 60 else f"{text[:60]}...")


def _between(token, text, start, place, final):
    """Where what may stand between trees ends; ``start`` if it may not, None if its end is still to come."""
    if token[0].isspace() or token[0] in "\ufeff\u200b\x1a":  # marks of encodings, and DOS's end of a file
        return start + 1
    final = final or len(text) - start > LONGEST
    if token.startswith(("/*", "/~*")):
        found = _BLOCK_COMMENT.match(text, start)
        return found.end() if found else start if final else None
    whole = final or text.find("\n", start) >= 0
    if token[0] == "<" and token[:2] != "<?":
        found = _TAG.match(text, start)
        return found.end() if found else start if whole else None
    found = _HEADER.match(text, start) or (_COMMENT.match(text, start) if place.begins(text, start) else None)
    return start if not found else found.end() if whole or found.end() < len(text) else None


def _before_bracket(text, start, rest):
    """Whether the next character that is no blank of any script is an opening bracket."""
    after = text[start : start + 1_000].lstrip() or rest
    return after.startswith("(")


def _blanked(found):
    """Ideographic spaces as blanks, but inside of a word or label, and where nothing else is the word."""
    if found[1] is None or "\u3000" not in found[1]:
        return " " if found[1] is None else found[0]
    parts = re.split(rf"({_BLANK}+)", found[1])
    filled = [i for i in range(0, len(parts), 2) if parts[i]]
    if len(filled) != 2 or not parts[filled[0]].strip("\u3000"):
        for i in [i for i in filled if not parts[i].strip("\u3000")]:
            parts[i] = " " * len(parts[i])
            filled.remove(i)
    for i in filled:
        bare = parts[i].strip("\u3000")
        if bare:
            left = len(parts[i]) - len(parts[i].lstrip("\u3000"))
            parts[i] = " " * left + bare + " " * (len(parts[i]) - left - len(bare))
    if len(filled) == 1:  # an ideographic space parts the label and the word
        parts[filled[0]] = re.sub("\u3000+", lambda gap: " " * len(gap[0]), parts[filled[0]], count=1)
    return f"({''.join(parts)})"


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


def _codec(path, encoding):
    """The name of the codec of a file; None if the file itself must say."""
    if encoding is None:
        return None
    try:
        "".encode(encoding)  # what is no encoding of text fails here
        name = codecs.lookup(encoding).name
    except (LookupError, TypeError, ValueError):
        raise ValueError(f"{path}: {encoding!r} is no text encoding; 'utf-8', 'gb18030' and 'latin-1' are.") from None
    return "utf-8-sig" if name == "utf-8" else name


def _decoded(path, codec):
    """A file as pieces of text; a byte that is none raises UnicodeDecodeError, after the text before it."""
    decoder = None
    with open(path, "rb") as raw:
        begin = raw.peek(8)
        if begin.startswith(b"PK\x03\x04"):
            raise ValueError(f"{path} is a zip archive; unpack it and read the files in it.")
        opened = gzip.open if path.suffix == ".gz" else _PACKED.get(begin[:2])
        with opened(raw, "rb") if opened else raw as file:
            while block := _block(file, path):
                if decoder is None:
                    known = next((name for mark, name in _MARKS.items() if block.startswith(mark)), "utf-8")
                    decoder = codecs.getincrementaldecoder(codec or known)()
                yield from _decode(decoder, block, False)
    if decoder is not None:
        yield from _decode(decoder, b"", True)


def _block(file, path):
    try:
        return file.read(PIECE)
    except (EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        kind = "gzip" if isinstance(file, gzip.GzipFile) else "bzip2" if isinstance(file, bz2.BZ2File) else "xz"
        raise ValueError(f"{path} is no whole {kind} file: {error}") from error


def _decode(decoder, block, final):
    try:
        yield decoder.decode(block, final)
    except UnicodeDecodeError as error:
        yield error.object[: error.start].decode(error.encoding, "ignore")
        raise


def _pieces(source, name):
    """Lines or blocks of text, each known to be a str."""
    for piece in source:
        if not isinstance(piece, str):
            raise TypeError(f"{name} must give text in str; got a {type(piece).__name__}. Open the file as text.")
        yield piece
