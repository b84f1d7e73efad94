"""Documents on their way in: the gate that every list or stream of texts passes, and lazy readers of text files.

A document is a string or a list of tokens. Documents come as a list of them, as a stream (a function, or an object to
iterate over, that hands out chunks: lists of documents), or as a Dask bag of them.
"""

import codecs
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from featlearn.notices import notify
from featlearn.streaming import is_dask, is_stream
from featlearn.text.counts import DOCUMENTS
from featlearn.text.readers import BLOCK as BLOCK
from featlearn.text.readers import HEAD, Binary, Source, sources, text_blocks, text_lines
from featlearn.text.records import KINDS, Record, beginning, records, structure
from featlearn.validation import boolean, either, instance, integer, optional


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
    if isinstance(X, (Mapping, Set)) or not hasattr(X, "__iter__") or hasattr(X, "_fields"):
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
        elif not isinstance(document, (list, tuple)) or hasattr(document, "_fields"):
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
    if isinstance(document, Mapping) or hasattr(document, "_fields"):
        return f"a {type(document).__name__}, a record of many values. Pass the texts: [record.text for record in ...]."
    return f"{document!r}, a {type(document).__name__}. A document is a string or a list of tokens."


@dataclass
class Tally:
    """What a walk over files found: files read, and of them without a text; documents, and empty ones; files left out.

    Empty are blank lines, blank files and records without a text. Hidden files and binary ones in folders are left out.
    """

    files: int = 0
    empty_files: int = 0
    documents: int = 0
    empty: int = 0
    left_out: int = 0


class _Reader:
    """What both readers share: their files are looked at when they are made and read when they are walked."""

    what: str  # holds no ... of text
    cure: str  # what reads a structured file

    def __init__(
        self,
        paths: Any,
        encoding: str = "utf-8",
        *,
        chunk: int = DOCUMENTS,
        plain: bool = False,
        columns: tuple[Any, ...] = (),
    ):
        name = type(self).__name__
        if hasattr(paths, "read") or not (isinstance(paths, (str, bytes, os.PathLike)) or hasattr(paths, "__iter__")):
            raise TypeError(f"{name} takes paths, and got a {type(paths).__name__}; pass the names of files.")
        paths = [paths] if isinstance(paths, (str, bytes, os.PathLike)) else list(paths)
        if not paths:
            raise ValueError(f"{name}: no file was given; pass at least one path.")
        for path in paths:
            if not isinstance(path, (str, bytes, os.PathLike)):
                raise TypeError(f"{name} takes paths, and {path!r} is a {type(path).__name__}.")
            if "\0" in os.fsdecode(path):
                raise ValueError(f"{name}: {path!r} is no path: it holds a NUL character.")
        if expected := integer(1)(chunk):
            raise ValueError(f"{name}: chunk={chunk!r} is not valid; pass {expected}.")
        if expected := boolean()(plain):
            raise ValueError(f"{name}: plain={plain!r} is not valid; pass {expected}.")
        try:
            if not codecs.lookup(encoding)._is_text_encoding:  # type: ignore[attr-defined]
                raise LookupError
        except (LookupError, TypeError, ValueError):
            raise ValueError(f"{name}: {encoding!r} is no text encoding; utf-8, gb18030 and latin-1 are.") from None
        self.encoding, self.chunk, self.plain, self.columns = encoding, int(chunk), bool(plain), columns
        self.sources, self.left_out = sources(paths, KINDS if columns else ())
        self.tally: Tally | None = None
        if all(source.path.stat().st_size == 0 for source in self.sources):
            which, verb = self._which()
            raise ValueError(f"{which} {verb} empty: {'it has' if verb == 'is' else 'they have'} 0 bytes. Pass a text.")

    @property
    def paths(self) -> list[Path]:
        """The files, those of folders one by one."""
        return [source.path for source in self.sources]

    def _which(self):
        """The files in words, and the verb that follows."""
        n = len(self.sources)
        return (self.sources[0].name, "is") if n == 1 else (f"All {n} files from {self.sources[0].name} on", "are")

    def _documents(self, blocks: Iterator[str], source: Source, tally: Tally) -> Iterator[tuple[int, list[str]]]:
        """The documents of a file: the line of each, and a list with its text first and then what else is known."""
        raise NotImplementedError

    def _name(self, source: Source, line: int) -> str:
        """What a document is called that has no name of its own."""
        return f"{source.name}:{line}"

    def _walk(self) -> Iterator[tuple[Source, int, list[str]]]:
        """The documents with their places; the tally is kept of a whole walk."""
        tally = Tally(left_out=self.left_out)
        for source in self.sources:
            before = tally.documents
            try:
                blocks = text_blocks(source, self.encoding)
                if not self.plain and not self.columns:
                    blocks = self._checked(blocks, source)
                for line, values in self._documents(blocks, source, tally):
                    tally.documents += 1
                    yield source, line, values
            except Binary:
                if not source.found or tally.documents > before:
                    raise
                tally.left_out += 1
                continue
            tally.files += 1
            tally.empty_files += tally.documents == before
        if not tally.documents:
            which, verb = self._which()
            raise ValueError(f"{which} {verb} empty: {'it holds' if verb == 'is' else 'they hold'} {self.what}.")
        self.tally = tally
        if misread := [source.name for source in self.sources if source.misread]:
            more = f" and {len(misread) - 1} other files" if len(misread) > 1 else ""
            notify(
                f"{misread[0]}{more}: its bytes are UTF-8, and were read as {self.encoding}. Unless the words look "
                "right, pass encoding='utf-8'."
            )

    def _checked(self, blocks: Iterator[str], source: Source) -> Iterator[str]:
        """The same blocks, unless they look structured."""
        head, blocks, whole = beginning(blocks)
        whole = whole and len(head) <= HEAD
        found = structure(head[:HEAD], source, whole=whole, blocks=blocks)
        if found is not None:
            what, column, named = found
            cure = f"Name the column of the texts{self.cure.format(column)}" if column else "Take the text out of it"
            cure += f" (or {named} if the first row is a header, and no document)" if named else ""
            raise ValueError(
                f"{source.name} looks like {what}, and as running text its marks and names would count as words. "
                f"{cure}, or read it as it is with plain=True."
            )
        yield from blocks

    def records(self) -> Iterator[Record]:
        """The documents, one after the other, with what is known of them.

        Yields
        ------
        record : Record (text, id, date, group)
            ``id`` is the value of its column or else tells where the document is; ``date`` and ``group`` are None
            where there is none.
        """
        for source, line, (text, *known) in self._walk():
            name, date, group = known if known else ("", "", "")
            yield Record(text, name or self._name(source, line), date or None, group or None)

    def __iter__(self) -> Iterator[str]:
        """The documents, one after the other."""
        return (values[0] for _, _, values in self._walk())

    def __call__(self) -> Iterator[list[str]]:
        """The documents in lists of ``chunk``, as everything that learns from a stream walks over them."""
        documents = iter(self)
        while chunk := list(islice(documents, self.chunk)):
            yield chunk


class LineDocuments(_Reader):
    """Text files with a document on every line, or tables with one in every record, read lazily and as often as asked.

    Parameters
    ----------
    paths : path or list of paths
        The files, in order; of folders those in them, sorted, but for hidden and binary ones. ``"-"`` is standard
        input. What gzip, bz2 or xz packed is unpacked.
    encoding : str, default="utf-8"
        How they are encoded; a byte order mark is dropped, and in the default that of UTF-16 and UTF-32 is followed.
    chunk : int, default=1024
        Documents in a chunk of the stream.
    column : str, int or None, default=None
        The column of the texts in CSV (also cut by tabs, semicolons or bars), JSON Lines or JSON; then every record is
        a document. A number counts from 1 and means that there is no header (or, in JSON, no names; a list of texts has
        one column). In JSON ``"user.name"`` leads into records in records.
    id, date, groups : str, int or None, default=None
        Columns with a name of each document, its date and its group, for `records`.
    plain : bool, default=False
        Whether a file that looks structured is read as lines; False refuses it where no ``column`` is given.

    Attributes
    ----------
    paths : list of Path
        The files, those of folders one by one.
    tally : Tally or None
        Of the last whole walk: ``files``, ``empty_files``, ``documents``, ``empty`` (blank lines, records without a
        text) and ``left_out`` (hidden, binary or other files of folders).

    Raises
    ------
    OSError
        For a path that is no file or cannot be read.
    ValueError
        If no file holds a text, one is binary, damaged, or looks structured, bytes cannot be decoded (the message names
        the offset, and what they look like), a column is missing, a record is broken, or there is no such encoding.

    Warns
    -----
    UserWarning
        If a file read in another encoding is valid UTF-8 beyond ASCII, or the first row of a table, which is taken for
        a header because it has the name of a column, looks like a record.

    See Also
    --------
    FileDocuments : A document a file.

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

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "reviews.csv")
    ...     _ = path.write_text('id,date,text\\n7,2024-01-03,"Good, cheap."\\n8,2024-02-11,\\n9,2024-02-12,No.\\n')
    ...     reviews = LineDocuments(path, column="text", id="id", date="date")
    ...     texts, ids, dates, _ = zip(*reviews.records())
    >>> texts, ids, dates
    (('Good, cheap.', 'No.'), ('7', '9'), ('2024-01-03', '2024-02-12'))
    >>> reviews.tally.empty
    1
    """

    what = "no line of text"
    cure = " ({})"

    def __init__(
        self,
        paths: Any,
        encoding: str = "utf-8",
        *,
        chunk: int = DOCUMENTS,
        column: str | int | None = None,
        id: str | int | None = None,
        date: str | int | None = None,
        groups: str | int | None = None,
        plain: bool = False,
    ):
        columns = {"column": column, "id": id, "date": date, "groups": groups}
        for name, value in columns.items():
            if expected := optional(either(instance(str), integer(1)))(value):
                raise ValueError(f"LineDocuments: {name}={value!r} is not valid; pass {expected}.")
            if value is not None and column is None:
                raise ValueError(f"LineDocuments: {name}={value!r} needs column=, the column of the texts.")
        if column is not None and plain is True:
            raise ValueError("LineDocuments: plain=True reads lines and column= records; pass one of them.")
        named = () if column is None else tuple(columns.values())
        super().__init__(paths, encoding, chunk=chunk, plain=plain, columns=named)
        if column is not None:
            self.what = "no record with a text"

    def _documents(self, blocks, source, tally):
        if self.columns:
            found = records(source, blocks, self.columns)
        else:
            found = enumerate(([line] for line in text_lines(blocks)), 1)
        for line, values in found:
            if values[0].strip():
                yield line, values
            else:
                tally.empty += 1


class FileDocuments(_Reader):
    """Text files that are a document each, read lazily and as often as asked.

    Parameters
    ----------
    paths : path or list of paths
        The files, in order; of folders those in them, sorted, but for hidden and binary ones. ``"-"`` is standard
        input. What gzip, bz2 or xz packed is unpacked.
    encoding : str, default="utf-8"
        How they are encoded; a byte order mark is dropped, and in the default that of UTF-16 and UTF-32 is followed.
    chunk : int, default=1024
        Documents in a chunk of the stream.
    plain : bool, default=False
        Whether a file that looks structured (CSV, JSON, HTML) is read as it is; False refuses it.

    Attributes
    ----------
    paths : list of Path
        The files, those of folders one by one.
    tally : Tally or None
        Of the last whole walk: ``files``, ``empty_files``, ``documents``, ``empty`` (files without a text) and
        ``left_out`` (hidden or binary files of folders).

    Raises
    ------
    OSError
        For a path that is no file or cannot be read.
    ValueError
        If no file holds a text, one is binary, damaged, or looks structured, bytes cannot be decoded (the message names
        the offset, and what they look like), or there is no such encoding.

    Warns
    -----
    UserWarning
        If a file read in another encoding is valid UTF-8 beyond ASCII.

    See Also
    --------
    LineDocuments : A document a line.

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

    what = "no text"
    cure = " and read it with LineDocuments(..., {})"

    def __init__(self, paths: Any, encoding: str = "utf-8", *, chunk: int = DOCUMENTS, plain: bool = False):
        super().__init__(paths, encoding, chunk=chunk, plain=plain)

    def _documents(self, blocks, source, tally):
        text = "".join(blocks)
        if text.strip():
            yield 1, [text]
        else:
            tally.empty += 1

    def _name(self, source, line):
        return source.name
