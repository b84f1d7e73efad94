"""Texts: 20 newsgroups, the Associated Press corpus, and movie reviews read as a stream.

They are read where they lie; an error says where that is and how to bring them there. Their files have no published
checksums, so what is checked is numbers: of posts, of documents and terms, of reviews.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from featlearn.datasets._store import DatasetCorruptError, DatasetNotFoundError, check_subset, elsewhere, get_data_home

POSTS = {"train": 11_314, "test": 7_532}
GROUPS = 20
AP_SHAPE = (2_246, 10_473)
REVIEWS = {
    "train": {"train-neg.txt": 12_500, "train-pos.txt": 12_500},
    "test": {"test-neg.txt": 12_500, "test-pos.txt": 12_500},
    "unsup": {"train-unsup.txt": 50_000},
}
QUOTING = ("writes in", "writes:", "wrote:", "says:", "said:")
QUOTED = ("In article", "Quoted from", "|", ">")


def _absent(title: str, place: Path, home: Path, command: str) -> DatasetNotFoundError:
    return DatasetNotFoundError(
        f"{title}: {place} is not there. Bring it there with\n  {command}\n{elsewhere(place.relative_to(home))}"
    )


def without_header(post: str) -> str:
    """A post after its first blank line; nothing of a post without one."""
    return post.partition("\n\n")[2]


def without_footer(post: str) -> str:
    """A post up to its last line of nothing but blanks and hyphens, which sets a signature apart."""
    lines = post.strip().split("\n")
    last = max((i for i, line in enumerate(lines) if not line.strip().strip("-")), default=0)
    return "\n".join(lines[:last]) if last else post


def without_quotes(post: str) -> str:
    """A post without lines that quote another, or introduce one."""
    lines = post.split("\n")
    return "\n".join(
        line for line in lines if not line.startswith(QUOTED) and not any(phrase in line for phrase in QUOTING)
    )


REMOVERS: dict[str, Callable[[str], str]] = {
    "headers": without_header,
    "footers": without_footer,
    "quotes": without_quotes,
}


def load_20newsgroups(
    subset: str = "train", *, remove: tuple[str, ...] = (), data_home: str | os.PathLike | None = None
) -> tuple[list[str], np.ndarray, list[str]]:
    """Load 20 newsgroups, the version split by date: posts and the groups they were sent to.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        11,314 earlier posts, 7,532 later ones, or both in this order.
    remove : tuple of {"headers", "footers", "quotes"}, default=()
        What to strip from the posts: lines before the first blank one; lines after the last that is blank or of
        hyphens; lines that quote. Headers and quotes give the group away.
    data_home : path or None, default=None
        Folder that holds ``20news-bydate/``; None takes the environment variable ``FEATLEARN_DATA``, or else the user's
        cache folder.

    Returns
    -------
    texts : list of str
        The posts, by group and then by file name.
    y : int64 array (n,)
        Number of the group.
    target_names : list of str
        Names of the 20 groups, sorted.

    Raises
    ------
    DatasetNotFoundError
        If the folder is missing; says how to bring it.
    DatasetCorruptError
        If posts are missing or too many. The files have no published checksums; their number is what is checked.
    ValueError
        If ``subset`` or ``remove`` is unknown.

    References
    ----------
    Lang (1995), "NewsWeeder: learning to filter netnews". http://qwone.com/~jason/20Newsgroups/

    Examples
    --------
    >>> from featlearn.datasets import load_20newsgroups
    >>> texts, y, names = load_20newsgroups("test", remove=("headers", "footers", "quotes"))  # doctest: +SKIP
    >>> len(texts), len(names)  # doctest: +SKIP
    (7532, 20)
    """
    check_subset("load_20newsgroups", subset)
    if isinstance(remove, str) or not set(remove) <= set(REMOVERS):
        raise ValueError(
            f"load_20newsgroups: remove={remove!r} is not valid; pass a tuple of {', '.join(map(repr, REMOVERS))}."
        )
    home = get_data_home(data_home)
    texts: list[str] = []
    labels: list[int] = []
    names: list[str] = []
    for part in ("train", "test") if subset == "all" else (subset,):
        folder = home / "20news-bydate" / f"20news-bydate-{part}"
        if not folder.is_dir():
            unpack = f"mkdir -p {folder.parent} && curl -L https://ndownloader.figshare.com/files/5975967"
            raise _absent("20 newsgroups", folder, home, f"{unpack} | tar xz -C {folder.parent}")
        names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
        paths = [(label, path) for label, name in enumerate(names) for path in sorted((folder / name).iterdir())]
        if len(paths) != POSTS[part] or len(names) != GROUPS:
            raise DatasetCorruptError(
                f"{folder} is truncated or altered: it holds {len(paths):,} posts in {len(names)} groups, and "
                f"{POSTS[part]:,} in {GROUPS} are expected. Delete it and fetch it again."
            )
        labels += [label for label, _ in paths]
        texts += [path.read_bytes().decode("latin-1") for _, path in paths]
    for kind, strip in REMOVERS.items():
        if kind in remove:
            texts = [strip(text) for text in texts]
    return texts, np.array(labels, dtype=np.int64), names


def parse_lda_c(content: str, n_terms: int, where: str = "the file") -> sp.csr_array:
    """Counts (D, n_terms) of lines ``m term:count ...`` with m pairs each; a ValueError names a line that does not fit.

    A line is a document; terms are numbered from 0.
    """
    indptr, pairs = [0], []
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            m, *entries = line.split()
            document = np.array([entry.split(":") for entry in entries], dtype=np.int64).reshape(-1, 2)
            fits = len(entries) == int(m) and (document[:, 0] < n_terms).all() and (document >= 0).all()
        except ValueError:
            fits = False
        if not fits:
            raise ValueError(
                f"{where}, line {number}, is no document of {n_terms:,} terms in the format of lda-c "
                f"(m term:count ...): {line[:60]!r}."
            )
        indptr.append(indptr[-1] + len(document))
        pairs.append(document)
    terms, counts = np.concatenate(pairs or [np.empty((0, 2), np.int64)]).T
    X = sp.csr_array((counts.astype(np.int32), terms.astype(np.int32), indptr), shape=(len(pairs), n_terms))
    X.sort_indices()
    return X


def load_ap(*, data_home: str | os.PathLike | None = None) -> tuple[sp.csr_array, np.ndarray]:
    """Load the Associated Press corpus: term counts of 2,246 news stories.

    Parameters
    ----------
    data_home : path or None, default=None
        Folder that holds ``ap/`` with ``ap.dat`` and ``vocab.txt``; None takes the environment variable
        ``FEATLEARN_DATA``, or else the user's cache folder.

    Returns
    -------
    counts : csr_array (2246, 10473) of int32
        Term counts.
    terms : array (10473,) of str
        The terms.

    Raises
    ------
    DatasetNotFoundError
        If a file is missing; says how to bring it.
    DatasetCorruptError
        If a file is truncated or altered. The files have no published checksums; the numbers of documents and terms and
        the format are what is checked.

    References
    ----------
    Blei, Ng & Jordan (2003), "Latent Dirichlet allocation". https://www.cs.columbia.edu/~blei/lda-c/

    Examples
    --------
    >>> from featlearn.datasets import load_ap
    >>> counts, terms = load_ap()  # doctest: +SKIP
    >>> counts.shape  # doctest: +SKIP
    (2246, 10473)
    """
    home = get_data_home(data_home)
    for name in ("ap.dat", "vocab.txt"):
        if not (home / "ap" / name).is_file():
            command = f"mkdir -p {home} && curl -L http://www.cs.columbia.edu/~blei/lda-c/ap.tgz | tar xz -C {home}"
            raise _absent("Associated Press", home / "ap" / name, home, command)
    terms = np.array((home / "ap" / "vocab.txt").read_text(encoding="utf-8").split())
    path = home / "ap" / "ap.dat"
    try:
        counts = parse_lda_c(path.read_text(encoding="ascii"), len(terms), str(path))
    except ValueError as error:
        raise DatasetCorruptError(
            f"{error} The file or vocab.txt is truncated or altered; fetch them again."
        ) from error
    if counts.shape != AP_SHAPE:
        raise DatasetCorruptError(
            f"{home / 'ap'} is truncated or altered: it holds {counts.shape[0]:,} documents over {counts.shape[1]:,} "
            f"terms, and {AP_SHAPE[0]:,} over {AP_SHAPE[1]:,} are expected. Delete it and fetch it again."
        )
    return counts, terms


class Reviews:
    """Movie reviews ``(text, rating)`` read from files as they are walked over, any number of times; has a length."""

    def __init__(self, sizes: dict[Path, int]):
        self._sizes = sizes

    def __len__(self) -> int:
        return sum(self._sizes.values())

    def __iter__(self) -> Iterator[tuple[str, int]]:
        for path in self._sizes:
            with path.open(encoding="utf-8", newline="\n") as lines:
                for number, line in enumerate(lines, start=1):
                    name, tab, text = line.rstrip("\n").partition("\t")
                    rating = name.rpartition("_")[2]
                    if not tab or not rating.isdecimal():
                        raise DatasetCorruptError(
                            f"{path}, line {number}, is no review (id_rating, a tab, the text): {line[:60]!r}."
                        )
                    yield text, int(rating)


def load_imdb_text(subset: str = "train", *, data_home: str | os.PathLike | None = None) -> Any:
    """Open the Large Movie Review data set as a stream: memory holds one review at a time.

    Parameters
    ----------
    subset : {"train", "test", "all", "unsup"}, default="train"
        25,000 reviews for training, 25,000 for testing, both in this order, or 50,000 without a rating. Negative ones
        come first, then positive ones.
    data_home : path or None, default=None
        Folder that holds ``imdb-text/`` with ``train-pos.txt``, ``train-neg.txt``, ``test-pos.txt``, ``test-neg.txt``
        and ``train-unsup.txt``, a review a line: id_rating, a tab, the text. None takes the environment variable
        ``FEATLEARN_DATA``, or else the user's cache folder.

    Returns
    -------
    reviews : iterable of (str, int)
        Text and rating, 1 to 10 (0 for "unsup"). It has a length and can be walked over any number of times. Texts keep
        their ``<br />`` tags.

    Raises
    ------
    DatasetNotFoundError
        If a file is missing; says how to bring it.
    DatasetCorruptError
        If a file is truncated or altered: the number of its lines is checked when it is opened, each as it is read.
    ValueError
        If ``subset`` is unknown.

    References
    ----------
    Maas, Daly, Pham, Huang, Ng & Potts (2011), "Learning word vectors for sentiment analysis".

    Examples
    --------
    >>> from featlearn.datasets import load_imdb_text
    >>> reviews = load_imdb_text("test")  # doctest: +SKIP
    >>> len(reviews), sum(rating > 5 for _, rating in reviews)  # doctest: +SKIP
    (25000, 12500)
    """
    if subset != "unsup":
        check_subset("load_imdb_text", subset)
    home = get_data_home(data_home)
    folder = home / "imdb-text"
    files = REVIEWS["train"] | REVIEWS["test"] if subset == "all" else REVIEWS[subset]
    for name, expected in files.items():
        if not (folder / name).is_file():
            source = "/".join(["aclImdb", *name.removesuffix(".txt").split("-")])
            raise _absent(
                "Large Movie Review",
                folder / name,
                home,
                "curl -L https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz | tar xz && "
                f"mkdir -p {folder} &&\n  for i in $(seq 0 {expected - 1}); do f=$(echo {source}/${{i}}_*.txt); "
                f"""printf '%s\\t%s\\n' "$(basename $f .txt)" "$(cat $f)"; done > {folder / name}""",
            )
        found = _count_lines(folder / name)
        if found != expected:
            raise DatasetCorruptError(
                f"{folder / name} is truncated or altered: it holds {found:,} reviews, and {expected:,} are expected. "
                "Delete it and fetch it again."
            )
    return Reviews({folder / name: expected for name, expected in files.items()})


def _count_lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
