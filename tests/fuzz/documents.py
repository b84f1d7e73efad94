"""The gate of documents: lists, tables' columns, streams of every kind, with one thing wrong or none."""

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from featlearn.text.documents import check_documents
from featlearn.text.records import Record
from tests.fuzz import Case, pick

TEXTS = ["", " ", "a cat", "naïve", "中文 字", "a\nb", "\0", "\ud800", "x" * 500, "1", "[text]", np.str_("numpy")]
MISSING = [None, float("nan"), np.nan, pd.NA, pd.NaT]
NO_TEXT = [*MISSING, b"bytes", 3, 2.5, True, object(), {"a": 1}, {"a"}, frozenset("b"), np.array(["a"]), np.int64(1)]
NO_TEXT += [Record("a", "b")]
NO_DOCUMENTS = ["one text", b"bytes", 3, None, {"a": "b"}, {"a", "b"}, np.array("a"), np.array([["a"], ["b"]])]
NO_DOCUMENTS += [pd.DataFrame({"text": ["a", "b"]}), float("nan"), np.zeros((2, 2)), object(), True]


class Corpus:
    """An object to iterate over, without a length."""

    def __init__(self, chunks: list):
        self.chunks = chunks

    def __iter__(self):
        return iter(self.chunks)


def held(rng: np.random.Generator, documents: list) -> Any:
    """The documents in a container that has a length."""
    array = np.empty(len(documents), dtype=object)
    array[:] = documents
    kinds: list[Callable[[], Any]] = [
        lambda: documents,
        lambda: tuple(documents),
        lambda: array,
        lambda: array[::-1][::-1],
        lambda: pd.Series(array, index=rng.permutation(len(array))),
        lambda: pd.Index(array, dtype=object),
        lambda: deque(documents),
        lambda: dict(enumerate(documents)).values(),
    ]
    return pick(rng, kinds)()


def chunked(rng: np.random.Generator, documents: list) -> list[list]:
    """The documents in lists, some of them empty."""
    cuts = np.sort(rng.integers(0, len(documents) + 1, int(rng.integers(0, 4))))
    return [documents[a:b] for a, b in zip([0, *cuts], [*cuts, len(documents)], strict=True)]


def documents_case(rng: np.random.Generator) -> Case:
    """Documents, and what is wrong with them, if anything is."""
    n = int(rng.integers(0, 8))
    tokens = bool(rng.uniform() < 0.3)
    documents: list = [pick(rng, TEXTS) for _ in range(n)]
    if tokens:
        make = pick(rng, [list, tuple])
        documents = [make(pick(rng, TEXTS) for _ in range(int(rng.integers(0, 4)))) for _ in range(n)]
    wrong = bool(rng.uniform() < 0.5)
    what = f"{n} {'token lists' if tokens else 'texts'}"
    passes = int(rng.integers(1, 4))
    if wrong and rng.uniform() < 0.2:
        X = pick(rng, NO_DOCUMENTS)
        return f"{X!r:.60}", lambda: refused(X, passes)
    if wrong and n > 0:
        at = int(rng.integers(n))
        if tokens and rng.uniform() < 0.5:
            documents[at] = [*documents[at], pick(rng, [*NO_TEXT, ["nested"]])]
        elif rng.uniform() < 0.2 and n > 1:
            documents[at] = "a text" if tokens else ["tokens"]
        else:
            documents[at] = pick(rng, NO_TEXT)
        what += f", document {at} is {documents[at]!r:.60}"
    wrong = wrong and n > 0
    chunks = chunked(rng, documents)
    if wrong and not tokens and any(not isinstance(d, str) for d in documents) and sum(map(bool, chunks)) > 1:
        mixed = [chunk for chunk in chunks if any(isinstance(d, (list, tuple)) for d in chunk)]
        if mixed and all(isinstance(d, (list, tuple)) for d in mixed[0]):
            chunks = [documents]  # chunks are checked one by one
    if wrong and tokens and any(isinstance(d, str) for d in documents):
        chunks = [documents]
    streams: list[Callable[[], Any]] = [
        lambda: lambda: iter([held(rng, chunk) for chunk in chunks]),
        lambda: lambda: (chunk for chunk in chunks),
        lambda: Corpus(chunks),
        lambda: iter(chunks),
        lambda: (iter(chunk) for chunk in chunks),
    ]
    one_pass = False
    if rng.uniform() < 0.5:
        X, kind = held(rng, documents), "held"
    else:
        i = int(rng.integers(len(streams)))
        X, kind, one_pass = streams[i](), "streamed", i >= 3
    what += f", {kind} in a {type(X).__name__}, {passes} passes"
    if wrong or (one_pass and passes > 1):
        return what, lambda: refused(X, passes)
    return what, lambda: same(X, passes, documents)


def walked(X: Any, passes: int) -> list[list]:
    """What each walk over the checked documents gives."""
    checked = check_documents(X, "It", passes=passes)
    if isinstance(checked, list):
        return [checked] * passes
    walks = [checked() if callable(checked) else checked for _ in range(passes)]
    return [[document for chunk in walk for document in chunk] for walk in walks]


def refused(X: Any, passes: int) -> str | None:
    """What is wrong if no error is raised."""
    found = walked(X, passes)
    return f"nothing was said, and it gave {found!r:.200}"


def same(X: Any, passes: int, documents: list) -> str | None:
    """What is wrong if the documents do not come back in every walk."""
    for found in walked(X, passes):
        if found != documents:
            return f"it gave {found!r:.200}, not {documents!r:.200}"
    return None
