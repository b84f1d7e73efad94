"""Documents on their way in: the gate that every list or stream of texts passes, and lazy readers of text files.

A document is a string or a list of tokens. Documents come as a list of them, as a stream (a function, or an object to
iterate over, that hands out chunks: lists of documents), or as a Dask bag of them.
"""

import codecs
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from featlearn.streaming import is_dask, is_stream
from featlearn.text.counts import DOCUMENTS
from featlearn.validation import integer

BLOCK = 1 << 20  # bytes read at a time


def check_documents(X: Any, who: str, *, passes: int = 1) -> Any:
    """Documents as a caller may walk over them: a list, a stream of lists or a Dask bag, all checked as they pass.

    ``passes`` is the number of walks the caller makes; an iterator can be walked only once.
    """
    if is_dask(X):
        if hasattr(X, "rechunk") or not hasattr(X, "to_delayed") or not hasattr(X, "take"):
            raise ValueError(f"{who} takes a Dask bag of documents; got a Dask {type(X).__name__}. Call to_bag on it.")
        return X.map_partitions(partial(_checked_partition, who=who))
    if isinstance(X, Iterator):
        if passes > 1:
            raise ValueError(
                f"{who} walks over the documents {passes} times or more, and an iterator can be walked only once. Pass "
                "a list, LineDocuments(path), or a function that returns a fresh iterator of chunks."
            )
        return (checked_list(chunk, who, "the chunk") for chunk in X)
    if is_stream(X):
        return Chunks(X, who)
    if hasattr(X, "__iter__") and not hasattr(X, "__len__"):
        return Chunks(partial(iter, X), who)
    return checked_list(X, who, "the input")


class Chunks:
    """A stream that can be walked again: called, it gives a fresh iterator of checked lists of documents."""

    def __init__(self, function: Callable[[], Iterable], who: str):
        self.function, self.who = function, who
        self.last: Any = None

    def __call__(self) -> Iterator[list]:
        """A fresh iterator."""
        chunks = iter(self.function())
        if chunks is self.last:
            raise ValueError(
                f"{self.who}: the function given returned the same iterator a second time, and that one is used up. "
                "Let it make a fresh one, for instance `lambda: read_chunks(path)` with a generator function."
            )
        self.last = chunks
        return (checked_list(chunk, self.who, "the chunk") for chunk in chunks)


def _checked_partition(items: Iterable, who: str) -> list:
    return checked_list(list(items), who, "a partition of the bag")


def checked_list(X: Any, who: str, what: str = "the input") -> list:
    """The documents of X in a list: all strings, or all lists of strings; anything else is named and refused."""
    if isinstance(X, (str, bytes)):
        fix = "yield lists of documents, [text]" if what == "the chunk" else "pass a list of documents, [text]"
        raise ValueError(f"{who} takes many documents, and {what} is one {type(X).__name__}; {fix}.")
    if isinstance(X, (Mapping, Set)) or not hasattr(X, "__iter__"):
        raise ValueError(
            f"{who} takes a list of documents (strings, or lists of tokens); {what} is a {type(X).__name__}. Pass a "
            "list, a pandas Series, a stream of lists or a Dask bag."
        )
    if getattr(X, "ndim", 1) != 1:
        raise ValueError(
            f"{who} takes one column of documents; {what} is a {type(X).__name__} of shape {X.shape}. Pass the column "
            "of texts."
        )
    documents = list(X)
    strings = sum(isinstance(document, str) for document in documents)
    if strings == len(documents):
        return documents
    for i, document in enumerate(documents):
        if isinstance(document, str):
            if strings and strings < len(documents):
                continue
        elif not isinstance(document, (list, tuple)):
            raise ValueError(f"{who}: document {i} of {what} is {_described(document)}")
        elif strings:
            raise ValueError(
                f"{who}: document {i} of {what} is a list of tokens and {strings} others are strings. Pass all as "
                "strings or all as lists of tokens."
            )
        else:
            for token in document:
                if not isinstance(token, str):
                    raise ValueError(
                        f"{who}: document {i} of {what} is a list that holds {token!r}, a {type(token).__name__}; "
                        "tokens are strings."
                    )
    return documents


def _described(document: Any) -> str:
    """What is wrong with a document that is neither a string nor tokens, and the fix."""
    if isinstance(document, bytes):
        return "bytes. Decode it first, for instance document.decode('utf-8')."
    if document is None or type(document).__name__ in ("NAType", "NaTType") or document != document:
        return f"missing ({document!r}). Put '' in its place, or drop it."
    return f"{document!r}, a {type(document).__name__}. A document is a string or a list of tokens."


def documents_per_file(path: Path, encoding: str) -> Iterator[str]:
    """One document: all of the file."""
    text = "".join(text_blocks(path, encoding))
    if not text.strip():
        raise ValueError(f"{path} is empty: it holds no text. Leave it out.")
    yield text


def documents_per_line(path: Path, encoding: str) -> Iterator[str]:
    """A document for each line that is not blank; only one block of the file and one line are held."""
    kept: list[str] = []
    found = False
    for block in text_blocks(path, encoding):
        first, *lines = block.split("\n")
        kept.append(first)
        for line in lines:
            document = "".join(kept)
            kept = [line]
            if document.strip():
                found = True
                yield document
    document = "".join(kept)
    if document.strip():
        yield document
    elif not found:
        raise ValueError(f"{path} is empty: it holds no line of text. Leave it out.")


def text_blocks(path: Path, encoding: str) -> Iterator[str]:
    """A file's text in blocks, with lines ended by a newline; binary and undecodable files are refused by name."""
    raw = codecs.getincrementaldecoder(encoding)()
    decoder = io.IncrementalNewlineDecoder(raw, translate=True)
    offset, lines, start = 0, 1, True
    with path.open("rb") as file:
        while True:
            block = file.read(BLOCK)
            waiting = len(raw.getstate()[0])
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                line = lines + error.object[: error.start].decode(encoding, "ignore").count("\n")
                at = offset - waiting + error.start
                raise ValueError(
                    f"{path} is not {encoding}: byte 0x{error.object[error.start]:02x} at offset {at} (line {line}) "
                    f"cannot be decoded ({error.reason}). Pass the encoding of the file (--encoding gb18030, say), or "
                    "leave it out if it is no text."
                ) from None
            if "\0" in text:
                line = lines + text[: text.index("\0")].count("\n")
                raise ValueError(
                    f"{path} is binary: it holds a NUL character in line {line}. Leave it out, or pass its encoding if "
                    "it is text of another one (--encoding utf-16, say)."
                )
            offset, lines = offset + len(block), lines + text.count("\n")
            if start and text:
                text, start = text.removeprefix("\ufeff"), False
            if text:
                yield text
            if not block:
                return


class _Reader:
    """What both readers share: their files are looked at when they are made and read when they are walked."""

    read: Callable[[Path, str], Iterator[str]]

    def __init__(self, paths: Any, encoding: str = "utf-8", chunk: int = DOCUMENTS):
        name = type(self).__name__
        paths = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
        if not paths:
            raise ValueError(f"{name}: no file was given; pass at least one path.")
        if expected := integer(1)(chunk):
            raise ValueError(f"{name}: chunk={chunk!r} is not valid; pass {expected}.")
        try:
            if not codecs.lookup(encoding)._is_text_encoding:  # type: ignore[attr-defined]
                raise LookupError
        except LookupError:
            raise ValueError(f"{name}: {encoding!r} is no text encoding; utf-8, gb18030 and latin-1 are.") from None
        self.paths, self.encoding, self.chunk = [Path(path) for path in paths], encoding, chunk
        for path in self.paths:
            if path.is_dir():
                raise IsADirectoryError(f"{path} is a folder; pass the files in it, for instance {path}/*.txt.")
            if not path.exists():
                raise FileNotFoundError(f"{path} does not exist.")
            if path.is_file() and path.stat().st_size == 0:
                raise ValueError(f"{path} is empty: it has 0 bytes. Leave it out.")

    def __iter__(self) -> Iterator[str]:
        """The documents, one after the other."""
        for path in self.paths:
            yield from type(self).read(path, self.encoding)

    def __call__(self) -> Iterator[list[str]]:
        """The documents in lists of ``chunk``, as everything that learns from a stream walks over them."""
        documents = iter(self)
        while chunk := list(islice(documents, self.chunk)):
            yield chunk


class LineDocuments(_Reader):
    """Text files with a document on every line, read lazily and as often as asked; blank lines are skipped.

    Parameters
    ----------
    paths : path or list of paths
        The files, in order.
    encoding : str, default="utf-8"
        How they are encoded; a byte order mark is dropped.
    chunk : int, default=1024
        Documents in a chunk of the stream.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        For a path that is no file.
    ValueError
        For an empty or binary file, bytes that cannot be decoded (the message names the offset), or no such encoding.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from featlearn.text.documents import LineDocuments
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "corpus.txt")
    ...     _ = path.write_text("one document\\nanother document\\n")
    ...     documents = LineDocuments(path)
    ...     list(documents), [len(chunk) for chunk in documents()]
    (['one document', 'another document'], [2])
    """

    read = staticmethod(documents_per_line)


class FileDocuments(_Reader):
    """Text files that are a document each, read lazily and as often as asked.

    Parameters
    ----------
    paths : path or list of paths
        The files, in order.
    encoding : str, default="utf-8"
        How they are encoded; a byte order mark is dropped.
    chunk : int, default=1024
        Documents in a chunk of the stream.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        For a path that is no file.
    ValueError
        For an empty or binary file, bytes that cannot be decoded (the message names the offset), or no such encoding.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from featlearn.text.documents import FileDocuments
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "letter.txt")
    ...     _ = path.write_text("Dear reader,\\nfarewell.")
    ...     list(FileDocuments([path]))
    ['Dear reader,\\nfarewell.']
    """

    read = staticmethod(documents_per_file)
