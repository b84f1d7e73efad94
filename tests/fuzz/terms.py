"""The gate of terms: what names the columns, and the other columns of words and labels that come with topics.

Mostly a vocabulary as somebody has it, with one thing wrong or none. What is taken must name every column as a loop
over the pairs does; what is wrong must be refused.
"""

from collections import Counter, OrderedDict, UserDict, deque
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from sklearn.decomposition import NMF
from sklearn.feature_extraction.text import CountVectorizer

from featlearn import TopicExtractor
from featlearn.text.phrases import Phrases
from featlearn.text.terms import check_terms
from featlearn.topics import Topics, topic_coherence, topic_diversity
from tests.fuzz import Case, pick

LETTERS = ["a", "b", "é", "学", "\U0001f600", " ", "", "x\0", "\ud800", "$", "<b>"]
SEQUENCES: list[Callable[[list[str]], Any]] = [
    *[list] * 4, tuple, deque, np.array, lambda w: np.array(w, dtype=object), lambda w: [np.str_(x) for x in w],
    pd.Index, pd.Series, lambda w: pd.Series(w, index=range(len(w), 0, -1)), pd.Categorical,
    lambda w: np.array(w)[::-1][::-1],
]  # fmt: skip
MAPPINGS: list[Callable[[dict], Any]] = [dict, OrderedDict, UserDict, MappingProxyType]
COLUMNS: list[Callable[[int], Any]] = [int, np.int64, np.int32, np.uint8]
WRONG_WORDS = [None, 3, 2.5, float("nan"), b"a", ("a",), ["a"], True, pd.NA, object()]
WRONG_COLUMNS = [-1, 99, 2**70, 1.0, "0", True, None, np.float64(0)]
NOTHING = [None, 5, "abcd", b"abcd", np.str_("abc"), {"a", "b"}, frozenset("ab"), {"a": 0}.keys(), {0: "a"}.values(),
           {"a": 0}.items(), iter("ab"), Counter("abca"), np.array("abc"), np.array([["a", "b"]]), np.zeros(4), list,
           pd.DataFrame({"t": ["a", "b"]}), CountVectorizer(), range(4), object(), [], {}, print]  # fmt: skip


def vocabulary(rng: np.random.Generator) -> list[str]:
    """Distinct words, some of them odd."""
    n = int(pick(rng, [1, 2, 3, 5, 9]))
    return [pick(rng, LETTERS) + str(i) + pick(rng, LETTERS[:6]) for i in range(n)]


def named(rng: np.random.Generator, words: list[str]) -> tuple[Any, bool]:
    """The vocabulary in some kind of thing, and whether it is right."""
    order = rng.permutation(len(words))
    kind, flaw = rng.uniform(), rng.uniform() < 0.45
    if kind < 0.1:
        return pick(rng, NOTHING), False
    if kind < 0.5:
        column = pick(rng, COLUMNS)
        pairs = [(words[i], column(i)) for i in order]
        if flaw:
            i = int(rng.integers(len(pairs)))
            flaws: list[Callable[[], Any]] = [
                lambda: (pairs[i][0], pick(rng, WRONG_COLUMNS)), lambda: (pick(rng, WRONG_WORDS[:6]), pairs[i][1]),
                lambda: ("more", column(len(words) + 1)), lambda: (pairs[i][0], pairs[i - 1][1] if i else column(77)),
            ]  # fmt: skip
            pairs[i] = pick(rng, flaws)()
        if rng.uniform() < 0.5:
            pairs = [(column, word) for word, column in pairs]
        return pick(rng, MAPPINGS)(dict(pairs)), not flaw
    words = list(words)
    if not flaw:
        return pick(rng, SEQUENCES)(words), True
    i = int(rng.integers(len(words)))
    changes: list[Callable[[], Any]] = [
        lambda: words[:i] + words[i + 1 :], lambda: [*words, "more"], lambda: [*words[:i], words[i - 1], *words[i:]],
        lambda: [*words[:i], pick(rng, WRONG_WORDS), *words[i + 1 :]], lambda: set(words), lambda: iter(words),
        lambda: [words], lambda: np.array([words]), lambda: (w for w in words), lambda: dict.fromkeys(words).keys(),
        lambda: pd.Series({w: j for j, w in enumerate(words)}), lambda: "".join(words), lambda: Counter(words),
        lambda: [w.encode("utf-8", "replace") for w in words], lambda: pd.DataFrame({"term": words}),
        lambda: {w: j + 1 for j, w in enumerate(words)}, lambda: {str(j): w for j, w in enumerate(words)},
    ]  # fmt: skip
    return pick(rng, changes)(), False


def components(rng: np.random.Generator, n: int) -> np.ndarray:
    """Topics over n terms, without ties."""
    return rng.permuted(np.tile(np.arange(1.0, n + 1), (2, 1)), axis=1)


def refused_or(right: bool, found: Any, expected: Any) -> str | None:
    """What is wrong with what was taken."""
    if not right:
        return f"taken, though something is wrong with it: {found!r:.100}"
    return None if found == expected else f"gives {found!r:.100} and not {expected!r:.100}"


def terms_case(rng: np.random.Generator) -> Case:
    """Something as the names of columns, wherever these are taken."""
    draw = rng.uniform()
    if draw < 0.7:
        return vocabulary_case(rng)
    return groups_case(rng) if draw < 0.85 else lists_case(rng)


def vocabulary_case(rng: np.random.Generator) -> Case:
    """A vocabulary in some kind of thing."""
    words = vocabulary(rng)
    terms, right = named(rng, words)
    n, phi = len(words), components(rng, len(words))
    tops = [[words[i] for i in np.argsort(-row)] for row in phi]
    texts = [[words[i] for i in rng.integers(0, n, 5)] for _ in range(6)]
    what = f"{type(terms).__name__} {terms!r:.80} for {n} columns"
    model = NMF(2, max_iter=1, init="random", random_state=0)
    model.components_ = model.n_features_in_ = phi
    uses: dict[str, Callable[[], str | None]] = {
        "check_terms": lambda: refused_or(right, list(check_terms(terms, n, "fuzz")), words),
        "Topics": lambda: refused_or(right, Topics(phi, terms).top_terms(n), tops),
        "from_estimator": lambda: refused_or(right, Topics.from_estimator(model, None, terms).top_terms(n), tops),
        "coherence": lambda: (
            np.testing.assert_array_equal(
                topic_coherence(phi, texts, top=n, terms=terms, measure="npmi"),
                topic_coherence(tops, texts, top=n, measure="npmi"),
            )
            or refused_or(right, 0, 0)
        ),
        "extractor": lambda: extracted(terms, right, words, texts),
    }
    if terms is None:  # which the others take for "unknown"
        uses = {"check_terms": uses["check_terms"]}
    elif n < 2:
        del uses["coherence"]
    use = pick(rng, list(uses))
    return f"{use}: {what}", uses[use]


class Halves:
    """A model that makes two topics of any counts, at once."""

    def fit(self, X, y=None):
        self.components_ = np.ones((2, X.shape[1]))
        return self

    def transform(self, X):
        return np.full((X.shape[0], 2), 0.5)

    def get_params(self, deep=False):
        return {}


def extracted(terms, right, words, texts) -> str | None:
    """What TopicExtractor makes of a vocabulary; it knows no number of columns."""
    extractor = TopicExtractor(Halves(), vocabulary=terms).fit(texts)
    counts = extractor.counts(texts).toarray()
    named_by = dict(zip(extractor.terms_, counts.T, strict=True))
    for word, column in named_by.items():
        if not np.array_equal(column, [text.count(word) for text in texts]):
            return f"counts of {word!r} are wrong"
    return refused_or(True, list(extractor.terms_), words) if right else None


def groups_case(rng: np.random.Generator) -> Case:
    """Labels of documents: their prevalence by group, in order."""
    n = int(rng.integers(1, 9))
    order = [pick(rng, LETTERS[:5]) + str(i) for i in rng.permutation(4)]
    labels = [order[i] for i in rng.integers(0, 4, n)]
    theta = rng.dirichlet(np.ones(2), n)
    table = Topics(np.eye(2), proportions=theta)
    kinds: dict[str, tuple[Any, list | None]] = {
        "list": (labels, sorted(set(labels))),
        "array": (np.array(labels), sorted(set(labels))),
        "Series": (pd.Series(labels, index=rng.permutation(n)), sorted(set(labels))),
        "ordered": (pd.Categorical(labels, order, ordered=True), [x for x in order if x in labels]),
        "category": (pd.Series(pd.Categorical(labels, order)), [x for x in order if x in labels]),
        "numbers": (list(map(order.index, labels)), sorted({order.index(x) for x in labels})),
        "missing": ([*labels[:-1], pick(rng, [None, float("nan"), pd.NA, pd.NaT])], None),
        "missing category": (pd.Categorical([*labels[:-1], None], order), None),
        "set": (set(labels), None),
        "dict": (dict(enumerate(labels)), None),
        "text": ("".join(labels), None),
        "longer": ([*labels, labels[0]], None),
        "table": (np.array([labels]), None),
        "lists": ([[x] for x in labels], None),
        "iterator": (iter(labels), None),
    }
    kind = pick(rng, list(kinds))
    groups, expected = kinds[kind]

    def call():
        found, means = table.prevalence(groups)
        if expected is None:
            return f"taken: {found}"
        for label, mean in zip(found, means, strict=True):
            members = [i for i, x in enumerate(labels) if x == (order[label] if kind == "numbers" else label)]
            np.testing.assert_allclose(mean, theta[members].mean(axis=0))
        return None if list(found) == expected else f"order {list(found)}, not {expected}"

    return f"prevalence: {kind} {groups!r:.80}", call


def lists_case(rng: np.random.Generator) -> Case:
    """Topics as lists of words, in and out of order, and documents as tokens."""
    words = [f"w{i}" for i in range(6)]
    topics = [[words[i] for i in rng.permutation(6)[:4]] for _ in range(2)]
    texts = [[words[i] for i in rng.integers(0, 6, 8)] for _ in range(6)]
    unfit: dict[str, list[Any]] = {
        "topics": [
            *(
                "w0 w1",
                b"w0",
                {0: topics[0]},
                {tuple(topic) for topic in topics},
                [set(topics[0])],
                ["w0", "w1"],
                [b"ab"],
            ),
            *([[("w0", 0.5), ("w1", 0.2)]], [Counter(topics[0])], [[*topics[0], None]], 3, None, [[]], []),
        ],
        "reference": [
            *(
                {"a": "w0 w1"},
                "w0 w1",
                5,
                None,
                [],
                [{"w0", "w1"}],
                [Counter(texts[0])],
                [b"w0"],
                [[1, 2]],
                [None],
                [3.5],
            ),
            pd.DataFrame({"w0": ["w1"]}),
        ],
        "Phrases": [(text for text in texts), lambda: iter(texts), texts[0], iter([]), map(list, texts)],
        "documents": [set("ab"), {0: "a", 1: "b"}, "ab", ["a", None], [b"a", b"b"], [1, 2], ["a", ["b"]], ["a"]],
    }
    kind = pick(rng, list(unfit))
    given = pick(rng, unfit[kind])
    uses: dict[str, Callable[[], Any]] = {
        "topics": lambda: topic_coherence(given, texts),
        "reference": lambda: topic_coherence(topics, given),
        "Phrases": lambda: Phrases(min_count=1).fit(given),
        "documents": lambda: Topics([[1, 2]], proportions=[[1], [1]], documents=given),
    }
    if kind == "topics" and rng.uniform() < 0.5:
        uses["topics"] = lambda: topic_diversity(given)
    if rng.uniform() < 0.1:
        return "good lists", lambda: None if np.isfinite(topic_coherence(topics, texts)).all() else "no number"
    return f"{kind}: {given!r:.80}", lambda: refused_or(False, uses[kind](), None)
