"""Treebanks: the sample of the Penn Treebank that NLTK hands out, and CRAFT, articles of biology.

They are read where they lie; an error says where that is and how to bring them there. What is read is checked first
against the SHA-256 of all files in the order of their names, one after the other.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from featlearn.datasets._store import DatasetCorruptError, DatasetNotFoundError, elsewhere, get_data_home
from featlearn.grammar.brackets import read_trees
from featlearn.grammar.transforms import remove_traces, strip_functions, transform
from featlearn.grammar.tree import Tree


@dataclass(frozen=True)
class Treebank:
    """A treebank: what messages call it, where its files lie, and what they are known by."""

    title: str
    folders: tuple[str, ...]  # under the data home, the first found
    pattern: str
    n_files: int
    n_trees: int
    sha256: str
    source: str


PENN_SAMPLE = Treebank(
    "The Penn Treebank sample",
    # The second is where it lies under nltk_data/corpora.
    ("treebank/treebank/combined", "treebank/combined"),
    "wsj_*.mrg",
    199,
    3_914,
    "f018900543fbff4571439fd5e5ebdae00ba53dfdd6543e48491230d76d0e06a1",
    "https://raw.githubusercontent.com/nltk/nltk_data/gh-pages/packages/corpora/treebank.zip (unpacked)",
)
CRAFT = Treebank(
    "CRAFT 5.0.2",
    ("craft/structural-annotation/treebank/penn",),
    "*.tree",
    97,
    30_830,
    "c920affef165d7e28ded3edde9eaa5970c163090ce449daac0b490f903c2f3f8",
    "https://github.com/UCDenver-ccp/CRAFT/releases/tag/v5.0.2 (its folder structural-annotation)",
)


def load_treebank(data_home: str | os.PathLike | None = None, *, raw: bool = False) -> list[Tree]:
    """Load the sample of the Penn Treebank: 3,914 trees of sentences of the Wall Street Journal.

    Parameters
    ----------
    data_home : path or None, default=None
        The folder that holds ``treebank/``; None takes `get_data_home`.
    raw : bool, default=False
        Whether traces, functional tags and indices stay; otherwise ``NP-SBJ-1`` becomes ``NP``.

    Returns
    -------
    trees : list of Tree
        In the order of the files. Roots, which have no label in the files, are called TOP.

    Raises
    ------
    DatasetNotFoundError
        If it is not there; the message says what to put where.
    DatasetCorruptError
        If a file is missing, truncated or altered.

    Notes
    -----
    Marcus, Santorini & Marcinkiewicz (1993), "Building a large annotated corpus of English: the Penn Treebank". The
    sample is for non-commercial use.

    Examples
    --------
    >>> from featlearn.datasets import load_treebank
    >>> trees = load_treebank()  # doctest: +SKIP
    >>> len(trees)  # doctest: +SKIP
    3914
    """
    return list(stream_treebank(data_home, raw=raw))


def stream_treebank(data_home: str | os.PathLike | None = None, *, raw: bool = False) -> Iterator[Tree]:
    """The trees of `load_treebank` one by one as they are read; parameters and errors as there."""
    return _stream(PENN_SAMPLE, data_home, raw)


def load_craft(data_home: str | os.PathLike | None = None, *, raw: bool = False) -> list[Tree]:
    """Load the treebank of CRAFT: 30,830 trees of the sentences, headings and captions of 97 articles of biology.

    Parameters
    ----------
    data_home : path or None, default=None
        The folder that holds ``craft/``; None takes `get_data_home`.
    raw : bool, default=False
        Whether traces, functional tags and indices stay; otherwise ``NP-SBJ-1`` becomes ``NP``.

    Returns
    -------
    trees : list of Tree
        In the order of the files. Roots, which have no label in the files, are called TOP. A few words hold thin or
        unbreakable spaces, as in the articles.

    Raises
    ------
    DatasetNotFoundError
        If it is not there; the message says what to put where.
    DatasetCorruptError
        If a file is missing, truncated or altered, or of another version.

    Notes
    -----
    Verspoor et al. (2012), "A corpus of full-text journal articles is a robust evaluation tool for revealing
    differences in performance of biomedical natural language processing tools". CC BY 3.0.

    Examples
    --------
    >>> from featlearn.datasets import load_craft
    >>> trees = load_craft()  # doctest: +SKIP
    >>> len(trees)  # doctest: +SKIP
    30830
    """
    return list(stream_craft(data_home, raw=raw))


def stream_craft(data_home: str | os.PathLike | None = None, *, raw: bool = False) -> Iterator[Tree]:
    """The trees of `load_craft` one by one as they are read; parameters and errors as there."""
    return _stream(CRAFT, data_home, raw)


def _stream(treebank, data_home, raw):
    files = find_files(treebank, get_data_home(data_home))
    trees: Iterator[Tree] = (tree for file in files for tree in read_trees(file))
    return trees if raw else transform(trees, remove_traces, strip_functions)


def find_files(treebank: Treebank, home: Path) -> list[Path]:
    """The files of a treebank, in the order of their names, known to be the right ones."""
    places = [home / folder for folder in treebank.folders]
    place = next((place for place in places if place.is_dir()), None)
    if place is None:
        raise DatasetNotFoundError(
            f"{treebank.title}: there is no folder {places[0]}. Put there the {treebank.n_files} files of\n"
            f"  {treebank.source},\n{elsewhere(treebank.folders[0])}"
        )
    files = sorted(place.glob(treebank.pattern))
    if len(files) != treebank.n_files:
        raise DatasetCorruptError(
            f"{treebank.title}: {place} holds {len(files)} files {treebank.pattern}, and {treebank.n_files} are "
            f"expected. Fetch them again: {treebank.source}."
        )
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    if digest.hexdigest() != treebank.sha256:
        raise DatasetCorruptError(
            f"{treebank.title}: the files of {place} are truncated, altered or of another version: their SHA-256 is "
            f"{digest.hexdigest()}, and {treebank.sha256} is expected. Fetch them again: {treebank.source}; or read "
            "them as they are with featlearn.grammar.brackets.read_trees."
        )
    return files
