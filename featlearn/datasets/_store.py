"""Where data sets lie, how they come there, and the proof that they are the right ones.

A `Catalog` lists what a data set is made of: the official archives and, in each, the files with their size and SHA-256.
Files lie under the data home in the layout of the archives, plain or gzipped. Whatever is read is checked against the
SHA-256 of its plain content first, so a truncated or altered file never becomes an array.
"""

import gzip
import hashlib
import os
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any

import pooch

ENVIRONMENT_VARIABLE = "FEATLEARN_DATA"
SUBSETS = ("train", "test", "all")


class DatasetNotFoundError(FileNotFoundError):
    """A data set is not on this machine and could not be downloaded; the message says what to put where."""


class DatasetCorruptError(OSError):
    """A file of a data set is truncated or altered; the message names it."""


@dataclass(frozen=True)
class Member:
    """One file of a data set: its path under the data home, and the size and SHA-256 of its plain content."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Archive:
    """One official download, its SHA-256 and the files in it: a gzipped file, or a tar of several."""

    url: str
    sha256: str
    members: tuple[Member, ...]


@dataclass(frozen=True)
class Catalog:
    """A data set: what messages call it, and its archives."""

    title: str
    archives: tuple[Archive, ...]

    def member(self, path: str) -> Member:
        """The file at ``path``."""
        return next(member for archive in self.archives for member in archive.members if member.path == path)


def get_data_home(data_home: str | os.PathLike | None = None) -> Path:
    """The folder that holds the data sets.

    Parameters
    ----------
    data_home : path or None, default=None
        None takes the environment variable ``FEATLEARN_DATA``, or else the user's cache folder.

    Returns
    -------
    home : pathlib.Path
        The folder; it need not exist yet.

    Examples
    --------
    >>> from featlearn.datasets import get_data_home
    >>> get_data_home("data").name
    'data'
    """
    if data_home is None:
        data_home = os.environ.get(ENVIRONMENT_VARIABLE) or pooch.os_cache("featlearn")
    return Path(data_home).expanduser().absolute()


def check_subset(who: str, subset: Any) -> str:
    """``subset`` itself, or a ValueError that names the choices."""
    if subset not in SUBSETS:
        raise ValueError(f"{who}: subset={subset!r} is not valid; pass one of {', '.join(map(repr, SUBSETS))}.")
    return subset


def locate(path: str, home: Path) -> Path | None:
    """The file at ``path`` under ``home``, plain or with ``.gz`` added; None where there is neither."""
    return next((found for found in (home / path, home / f"{path}.gz") if found.is_file()), None)


def missing(paths: Iterable[str], home: Path) -> list[str]:
    """Those of ``paths`` that are not under ``home``."""
    return [path for path in paths if locate(path, home) is None]


def ensure(
    catalog: Catalog,
    paths: Sequence[str],
    home: Path,
    *,
    download: bool = True,
    downloader: Callable[[str, Any, Any], None] | None = None,
) -> None:
    """Bring the files at ``paths`` under ``home``, or raise a DatasetNotFoundError that says what to put where.

    Nothing half-done stays behind: a download or an unpacked file takes its name only once its SHA-256 is right.
    ``downloader(url, output_file, pooch)`` is pooch's hook; None downloads over HTTP.
    """
    absent = missing(paths, home)
    for archive in catalog.archives:
        wanted = [member for member in archive.members if member.path in absent]
        if not wanted:
            continue
        if not download:
            raise DatasetNotFoundError(_what_to_do(catalog, paths, home, "download_if_missing=False"))
        try:
            _download(archive, wanted, home, downloader)
        except (OSError, ValueError) as error:  # no connection, a full disk, or a wrong checksum
            reason = f"the download failed: {type(error).__name__}: {shorten(str(error), 200)}"
            raise DatasetNotFoundError(_what_to_do(catalog, paths, home, reason)) from error


def _download(archive, wanted, home, downloader):
    folder = home / Path(wanted[0].path).parent
    folder.mkdir(parents=True, exist_ok=True)
    name = archive.url.rsplit("/", 1)[1]
    downloader = downloader or pooch.HTTPDownloader(timeout=30)
    known = f"sha256:{archive.sha256}"
    if not name.endswith(".tar.gz"):  # a gzipped file is read as it is
        pooch.retrieve(archive.url, known_hash=known, fname=name, path=folder, downloader=downloader)
        return
    with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as scratch:
        fetched = pooch.retrieve(archive.url, known_hash=known, fname=name, path=scratch, downloader=downloader)
        with tarfile.open(fetched) as tar:
            for member in wanted:
                packed = tar.extractfile(member.path)
                if packed is None:
                    raise DatasetCorruptError(f"{member.path} in {archive.url} is not an ordinary file.")
                content = packed.read()
                check_content(content, member, f"{member.path} in {archive.url}")
                plain = Path(scratch) / "plain"
                plain.write_bytes(content)
                os.replace(plain, home / member.path)


def _what_to_do(catalog, paths, home, reason):
    absent = missing(paths, home)
    lines = [f"{catalog.title}: {len(absent)} of {len(paths)} files are not under {home} ({reason}). Put there"]
    for archive in catalog.archives:
        names = [member.path for member in archive.members if member.path in absent]
        if not names:
            continue
        if archive.url.endswith(".tar.gz"):
            lines += [f"  {home / name}" for name in names]
            lines.append(f"by unpacking {archive.url} into {home},")
        else:
            lines.append(f"  {home / names[0]}.gz (or unpacked, without .gz) from {archive.url},")
    return "\n".join([*lines, elsewhere(f"{Path(paths[0]).parts[0]}/")])


def elsewhere(place: str | Path) -> str:
    """What else to do about a data set that is not there: name a folder that holds ``place``."""
    current = os.environ.get(ENVIRONMENT_VARIABLE) or "unset"
    return (
        f"or set the environment variable {ENVIRONMENT_VARIABLE} (now {current}) to a folder that holds {place}, or "
        "pass that folder as data_home."
    )


def read_verified(member: Member, home: Path) -> bytes:
    """The plain content of a file, or a DatasetCorruptError that names the file and what is wrong."""
    path = locate(member.path, home)
    if path is None:
        raise DatasetNotFoundError(f"{home / member.path} is gone since it was looked for; call again.")
    content = path.read_bytes()
    if path.suffix == ".gz":
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error) as error:
            raise DatasetCorruptError(
                f"{path} is truncated or altered: it does not unzip ({error}). Delete it and fetch it again."
            ) from error
    check_content(content, member, str(path))
    return content


def check_content(content: bytes, member: Member, where: str) -> None:
    """Refuse a content of another size or another SHA-256 than the catalog's."""
    if len(content) != member.size:
        state = "truncated" if len(content) < member.size else "altered"
        raise DatasetCorruptError(
            f"{where} is {state}: its content has {len(content):,} bytes, and {member.size:,} are expected. "
            "Delete it and fetch it again."
        )
    found = hashlib.sha256(content).hexdigest()
    if found != member.sha256:
        raise DatasetCorruptError(
            f"{where} is altered: its content has the SHA-256 {found}, and {member.sha256} is expected. "
            "Delete it and fetch it again."
        )
