"""Files to text: paths and folders to sources, their bytes unpacked and decoded, their lines ended by a newline.

What is no text, cannot be decoded or unpacked is refused by name, with what it looks like.
"""

import bz2
import codecs
import gzip
import io
import lzma
import os
import re
import stat
import sys
import tempfile
import weakref
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from featlearn.text.encodings import byte_order_mark, looks_like

BLOCK = 1 << 20  # bytes read at a time
HEAD = 1 << 16  # bytes that tell what a file is
SPECIAL = re.compile(rb"[^\x01-\x7f]")
PACKED: dict[bytes, tuple[str, Any]] = {
    b"\x1f\x8b": (".gz", gzip.open),
    b"BZh": (".bz2", bz2.open),
    b"\xfd7zXZ\x00": (".xz", lzma.open),
}
DAMAGED = (EOFError, OSError, zlib.error, lzma.LZMAError)
NO_TEXT = {
    b"%PDF-": "a PDF document",
    b"PK\x03\x04": "a ZIP archive, as Word, Excel, OpenDocument and EPUB files are",
    b"\xd0\xcf\x11\xe0": "a Word or Excel file of the old kind",
    b"{\\rtf": "an RTF document",
    b"PAR1": "a Parquet file",
    b"SQLite format 3": "a SQLite database",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "a NumPy array",
    b"\x89PNG": "a picture",
    b"GIF8": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"(\xb5/\xfd": "packed by zstd",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"\x1f\x9d": "packed by compress",
}


class Binary(ValueError):
    """A file that is no text."""


@dataclass
class Source:
    """A file to read, what it is called, and whether it was found in a folder rather than named."""

    path: Path
    name: str
    found: bool = False
    taken: str = ""  # how its records were read
    misread: bool = False  # in another encoding than UTF-8, which it is
    spool: Any = field(default=None, repr=False)  # keeps the copy of a pipe as long as it is read
    stream: Any = field(default=None, repr=False)  # what is read as it comes, once, in the place of the path

    @property
    def size(self) -> int:
        """Bytes, about as many as they are unpacked."""
        size = self.path.stat().st_size
        return 4 * size if self.suffixes and self.suffixes[-1] in (".gz", ".bz2", ".xz") else size

    @property
    def suffixes(self) -> list[str]:
        """The ends of the name, in lower case."""
        return [suffix.lower() for suffix in self.path.suffixes[-2:]]

    @property
    def kind(self) -> str:
        """The suffix of the name, without that of the packing."""
        suffixes = [suffix for suffix in self.suffixes if suffix not in (".gz", ".bz2", ".xz")]
        return suffixes[-1] if suffixes else ""


def sources(paths: Iterable, kinds: tuple[str, ...] = ()) -> tuple[list[Source], int]:
    """The files of the paths, those of folders in order of their names; and how many of folders were left out.

    Of folders, hidden files, what is no plain file, and, where ``kinds`` names suffixes, all others are left out.
    ``-`` is standard input.
    """
    found: list[Source] = []
    left_out = 0
    for path in paths:
        if os.fspath(path) == "-":
            found.append(spooled(standard_input().stream, "standard input"))
            continue
        path = Path(os.fsdecode(path) if isinstance(path, bytes) else path)
        try:
            path.stat()
        except FileNotFoundError:
            raise FileNotFoundError(f"{path} does not exist.") from None
        except OSError as error:  # a text in the place of its name is too long for one
            raise type(error)(f"{str(path)[:80]} cannot be read: {error.strerror}.") from None
        if path.is_dir():
            files, others = in_folder(path, kinds)
            if not files:
                raise ValueError(
                    f"{path} is a folder that holds no text file"
                    + (f" named {', '.join(kinds)}" if kinds else "")
                    + (f" ({others} others are left out)" if others else "")
                    + ". Pass another, or files."
                )
            found += files
            left_out += others
        elif path.is_file():
            found.append(Source(path, str(path)))
        elif stat.S_ISFIFO(path.stat().st_mode):
            with path.open("rb") as pipe:
                found.append(spooled(pipe, str(path)))
        else:
            raise OSError(f"{path} is no file to read text from.")
    return found, left_out


def in_folder(folder: Path, kinds: tuple[str, ...]) -> tuple[list[Source], int]:
    """The files of a folder and of those in it, sorted, and how many were left out."""

    def fail(error):
        raise type(error)(f"{error.filename} cannot be read: {error.strerror}.")

    files, left_out = [], 0
    for place, folders, names in os.walk(folder, onerror=fail):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            source = Source(Path(place, name), str(Path(place, name)), found=True)
            if name.startswith(".") or not source.path.is_file() or (kinds and source.kind not in kinds):
                left_out += 1
            else:
                files.append(source)
    return files, left_out


def spooled(stream: BinaryIO, name: str) -> Source:
    """A copy of what can be read only once, in a file that is removed with the source."""
    handle, path = tempfile.mkstemp(prefix="featlearn-")
    with open(handle, "wb") as copy:
        while block := stream.read(BLOCK):
            copy.write(block)
    source = Source(Path(path), name)
    source.spool = weakref.finalize(source, Path(path).unlink, missing_ok=True)
    return source


def standard_input() -> Source:
    """Standard input, whose lines are read as they come; OSError if it is closed."""
    if sys.stdin is None:
        raise OSError("standard input is closed. Give it lines to read.")
    stream = sys.stdin.buffer
    return Source(Path("-"), "standard input", stream=stream if hasattr(stream, "peek") else io.BufferedReader(stream))


@contextmanager
def opened(source: Source) -> Iterator[BinaryIO]:
    """The bytes of a source, unpacked."""
    try:
        file = source.stream or source.path.open("rb")
    except OSError as error:
        raise type(error)(f"{source.name} cannot be read: {error.strerror}.") from None
    with nullcontext() if source.stream else file:
        head = file.peek(16)[:16]
        for magic, kind in NO_TEXT.items():
            if head.startswith(magic):
                raise Binary(f"{source.name} is no text: it is {kind}. Convert it to text first, or leave it out.")
        magic = next((magic for magic in PACKED if head.startswith(magic)), b"")
        suffix = source.suffixes[-1] if source.suffixes else ""
        if head and not magic and suffix in (".gz", ".bz2", ".xz"):
            raise ValueError(f"{source.name} is no {suffix} file: it does not begin as one. Rename it if it is text.")
        if magic:
            with PACKED[magic][1](file) as unpacked:
                yield unpacked
        else:
            yield file


def byte_blocks(source: Source) -> Iterator[bytes]:
    """The bytes of a source in blocks, the last one empty."""
    offset = 0
    with opened(source) as file:
        read = file.read1 if source.stream else file.read  # type: ignore[attr-defined]
        while True:
            try:
                block = read(BLOCK)
            except DAMAGED as error:
                if isinstance(error, OSError) and error.errno is not None:
                    raise type(error)(f"{source.name} cannot be read: {error.strerror}.") from None
                raise ValueError(
                    f"{source.name} is damaged: it cannot be unpacked after {offset:,} bytes ({error}). Pack it anew, "
                    "or leave it out."
                ) from None
            yield block
            offset += len(block)
            if not block:
                return


def text_blocks(source: Source, encoding: str) -> Iterator[str]:
    """A file's text in blocks, with lines ended by a newline; a byte order mark is dropped.

    In the default encoding, UTF-8, the mark of another Unicode encoding is followed.
    """
    blocks = byte_blocks(source)
    head = block = next(blocks)
    if codecs.lookup(encoding).name == "utf-8":
        encoding = byte_order_mark(block) or encoding
    source.misread = not codecs.lookup(encoding).name.startswith("utf") and is_utf8(head[:HEAD])
    if not codecs.lookup(encoding).name.startswith(("utf-16", "utf-32")) and b"\0" in head[:HEAD]:
        raise with_nul(source, head, encoding, head[: head.index(b"\0")].count(b"\n") + 1)
    raw = codecs.getincrementaldecoder(encoding)()
    decoder = io.IncrementalNewlineDecoder(raw, translate=True)
    start = codecs.lookup(encoding).name not in ("utf-16", "utf-32", "utf-8-sig")  # these drop the mark themselves
    offset, lines = 0, 1
    while True:
        waiting = len(raw.getstate()[0])
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            line = lines + error.object[: error.start].decode(encoding, "ignore").count("\n")
            at = offset - waiting + error.start
            raise ValueError(
                f"{source.name} is not {encoding}: byte 0x{error.object[error.start]:02x} at offset {at} (line {line}) "
                f"cannot be decoded ({error.reason}). {advice(head, error, encoding)}"
            ) from None
        except UnicodeError as error:  # of UTF-16 and UTF-32 without a mark
            raise ValueError(f"{source.name} is not {encoding}: {error}. {advice(head, None, encoding)}") from None
        if "\0" in text:
            raise with_nul(source, head, encoding, lines + text[: text.index("\0")].count("\n"))
        offset, lines = offset + len(block), lines + text.count("\n")
        if start and text:
            text, start = text.removeprefix("\ufeff"), False
        if text:
            yield text
        if not block:
            return
        block = next(blocks)


def is_utf8(head: bytes) -> bool:
    """Whether bytes are UTF-8, with two characters beyond ASCII at least: text in another encoding hardly ever is."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return len(text) - len(text.encode("ascii", "ignore")) >= 2


def with_nul(source: Source, head: bytes, encoding: str, line: int) -> ValueError:
    """The error of a file with a NUL character: it is binary, unless it looks like UTF-16."""
    guess = looks_like(head[:HEAD])
    if guess is not None and guess[0].startswith(("utf-16", "utf-32")):
        return ValueError(f"{source.name} is not {encoding}: it holds NUL characters. {advice(head, None, encoding)}")
    return Binary(
        f"{source.name} is binary: it holds a NUL character in line {line}. Leave it out, or pass its encoding if it "
        "is text (encoding='utf-16-le', say)."
    )


def advice(head: bytes, error: UnicodeDecodeError | None, encoding: str) -> str:
    """What to do about bytes that cannot be decoded, and what they look like where that is clear."""
    data = head[:HEAD]
    if error is not None and not SPECIAL.search(data):
        start = max(error.object.rfind(mark, 0, error.start) for mark in (b"\n", b" ", b"\r")) + 1
        data = error.object[max(start, error.start - 4096) : error.start + HEAD]
    guess = looks_like(data)
    if guess is None:
        return (
            "Pass the encoding that it has (encoding='cp1252' for Western European texts, encoding='gb18030' for "
            "Chinese ones), or leave it out if it is no text."
        )
    if codecs.lookup(guess[0]).name == codecs.lookup(encoding).name:
        return f"What stands around it is {guess[1]}: mend this place, or leave the file out."
    return f"It looks like {guess[1]}: pass encoding={guess[0]!r}."


def text_lines(blocks: Iterable[str]) -> Iterator[str]:
    """The lines of a text without their newlines; only one block and one line are held."""
    kept: list[str] = []
    for block in blocks:
        first, *lines = block.split("\n")
        kept.append(first)
        for line in lines:
            yield "".join(kept)
            kept = [line]
    if last := "".join(kept):
        yield last


def whole_lines(head: str, whole: bool) -> list[str]:
    """The lines of the beginning of a text, with their newlines, without a half one at its end."""
    lines = [f"{line}\n" for line in head.split("\n")]
    return lines if whole or len(lines) == 1 else lines[:-1]
