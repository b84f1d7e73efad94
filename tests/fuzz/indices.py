"""Kernels that index by data, through their public gates: labels, first atoms, sparse rows, grammars, lexical scores.

What was set by hand on a fitted learner must be refused or used, and no index may lead outside of an array.
"""

import math
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.base import clone

import featlearn as fl
from featlearn.grammar.chart import count_trees, expected_counts, inside, k_best, parse_batch, viterbi
from featlearn.grammar.coarse import CoarseGrammar, Lexical, coarsen
from featlearn.grammar.compiled import CompiledGrammar, RuleArrays, compile_grammar
from featlearn.grammar.toys import load_toy_grammar
from tests.fuzz import Case, pick
from tests.fuzz.counts import described, sparse_counts
from tests.fuzz.tables import NONSENSE, finite, outputs

WIDTH = 6
ROWS = np.random.default_rng(0).uniform(size=(40, WIDTH))
CLASSES = np.arange(40) % 3
LEARNERS: list[Any] = [
    fl.KMeansDictionary(3, max_iter=2, random_state=0), fl.KMeansDictionary(3, assignment="cosine", max_iter=2),
    fl.KMeansDictionary(3, encode="omp", max_iter=2), fl.GaussianMixtureEncoder(2, max_iter=2, random_state=0),
    fl.SparseCoding(4, max_iter=2, random_state=0), fl.RandomPatches(3, random_state=0),
    fl.ClusterClassifier(3, max_iter=2, random_state=0), fl.LinearSVM(max_iter=3),
    fl.RBM(3, max_iter=1, engine="numpy"), fl.RICA(3, max_iter=2, random_state=0),
    fl.SparseFiltering(3, max_iter=2, random_state=0),
]  # fmt: skip


def fitted(learner: Any, X: np.ndarray = ROWS) -> Any:
    """The learner, fitted to rows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return clone(learner).fit(X, *((CLASSES[: len(X)],) if "predict" in dir(learner) else ()))


FITTED = [fitted(learner) for learner in LEARNERS]


def used(learner: Any, X: Any) -> str | None:
    """What is wrong with codes or labels of X, or None."""
    for method in ("transform", "predict", "score_samples"):
        if hasattr(learner, method):
            for out in outputs(getattr(learner, method)(X)):
                if out.dtype.kind == "f" and finite(X) and not np.isfinite(out).all():
                    return f"{method} gives NaN or infinity"
    return None


def sparse_case(rng: np.random.Generator) -> Case:
    """Sparse rows, nearly sound, into a learner of rows."""
    X, counts = sparse_counts(rng, WIDTH if rng.uniform() < 0.8 else None)
    at = int(rng.integers(len(LEARNERS)))
    learner, again = clone(LEARNERS[at]), FITTED[at]
    fit = rng.uniform() < 0.5
    labels = np.arange(X.shape[0]) % 2

    def call() -> str | None:
        if fit:
            learner.fit(X, labels) if "predict" in dir(learner) else learner.fit(X)
        else:
            used(again, X)
        return "took a damaged matrix" if isinstance(counts, type) else None

    return f"{'fit' if fit else 'use'} of {learner} on {described(X)}", call


def labels_case(rng: np.random.Generator) -> Case:
    """Labels, weights and first atoms of odd kinds."""
    n = 40
    odd: list[Callable[[], Any]] = [
        lambda: CLASSES, lambda: CLASSES - 5, lambda: CLASSES.astype(float), lambda: CLASSES + 10**12,
        lambda: CLASSES + 0.5, lambda: CLASSES.astype(str), lambda: CLASSES[:-1], lambda: np.where(CLASSES, np.nan, 1),
        lambda: np.zeros(n, int), lambda: CLASSES.astype(object), lambda: CLASSES > 0, lambda: CLASSES[:, None],
        lambda: np.eye(3)[CLASSES], lambda: CLASSES.tolist(), lambda: None, lambda: np.arange(n), lambda: "abc",
        lambda: CLASSES.astype(np.uint64), lambda: [None] * n, lambda: CLASSES.astype("M8[D]"),
        lambda: rng.normal(size=n),
    ]  # fmt: skip
    y = pick(rng, odd)()
    weights = pick(
        rng, [None, None, lambda: np.ones(n), lambda: np.zeros(n), lambda: -np.ones(n), lambda: np.ones(n - 1)]
    )
    weights = weights() if callable(weights) else pick(rng, [None, y])
    atoms: list[Callable[[], Any]] = [
        lambda: ROWS[:3], lambda: ROWS[:2], lambda: ROWS[:3, :-1], lambda: ROWS[:3].tolist(), lambda: ROWS[:3] * np.nan,
        lambda: ROWS[:3] * 1e300, lambda: np.zeros((3, WIDTH)), lambda: ROWS[:3].astype(str), lambda: ROWS[:3][None],
        lambda: np.zeros((0, WIDTH)), lambda: ROWS[:3].astype(np.float16), lambda: (ROWS[:3] > 0.5),
        lambda: ROWS[:3] + 1j,
        lambda: np.asfortranarray(ROWS[:3])[::-1], lambda: pick(rng, NONSENSE),
    ]  # fmt: skip
    kind = pick(rng, ["labels", "labels", "weights", "init"])
    if kind == "labels":
        learner = pick(rng, [fl.ClusterClassifier(3, max_iter=2), fl.LinearSVM(max_iter=3)])
        return f"{learner} with labels {str(y)[:100]}", lambda: used(clone(learner).fit(ROWS, y), ROWS)
    if kind == "weights":
        learner = pick(rng, [LEARNERS[0], LEARNERS[3]])
        return (
            f"{learner} with weights {str(weights)[:100]}",
            lambda: used(clone(learner).fit(ROWS, sample_weight=weights), ROWS),
        )
    learner = clone(pick(rng, [*LEARNERS[:3], fl.ClusterClassifier(3, max_iter=2)])).set_params(init=pick(rng, atoms)())
    y = (CLASSES,) if isinstance(learner, fl.ClusterClassifier) else ()
    return f"{learner!r:.300}", lambda: used(learner.fit(ROWS, *y), ROWS)


def changed_case(rng: np.random.Generator) -> Case:
    """A fitted learner one of whose arrays was set by hand to one of another shape."""
    learner = fitted(pick(rng, LEARNERS))
    names = [n for n, v in vars(learner).items() if n.endswith("_") and isinstance(v, np.ndarray) and v.ndim]
    name = pick(rng, names)
    value = getattr(learner, name)
    others: list[Callable[[], Any]] = [
        lambda: value[..., :-1], lambda: value[:-1], lambda: np.concatenate([value, value]), lambda: value[None],
        lambda: value.astype(np.float32), lambda: value.tolist(), lambda: value[:0],
    ]  # fmt: skip
    setattr(learner, name, pick(rng, others)())
    what = f"{type(learner).__name__} with {name} of shape {value.shape} set to {str(getattr(learner, name))[:80]}"

    def call() -> str | None:
        with suppress(ValueError, TypeError, AttributeError, IndexError):  # NumPy's words will do; kernels have none
            used(learner, ROWS)
        return None

    return what, call


# --- grammars ------------------------------------------------------------------------------------------------------

TOY = compile_grammar(load_toy_grammar())
COARSE = coarsen(TOY, lambda symbol: symbol[:1])
WORDS = ["the", "man", "saw", "the", "woman", "with", "the", "telescope"]
WRONG = [-1, -(2**31), 99, 2**31, 2**32, 2**32 + 1, 0.5, math.nan, "S", None]


def exchanged(rng: np.random.Generator, array: Any) -> Any:
    """An array of integers with something wrong."""
    array = np.asarray(array)
    flat = array.astype(object).ravel()
    if len(flat):
        flat[int(rng.integers(len(flat)))] = pick(rng, WRONG)
    whole = [v if isinstance(v, int) and abs(v) < 2**31 else 99 for v in flat]
    kinds: list[Callable[[], Any]] = [
        lambda: flat.reshape(array.shape), lambda: flat.reshape(array.shape).tolist(), lambda: array[:-1],
        lambda: np.array(whole, array.dtype).reshape(array.shape), lambda: array.astype(float), lambda: array + 1,
        lambda: np.array(whole, np.int64).reshape(array.shape), lambda: array.astype(np.int64) + 2**32,
        lambda: array[..., None], lambda: array, lambda: array[::-1], lambda: array.astype(np.uint8),
    ]  # fmt: skip
    return pick(rng, kinds)()


def grammar_of(rng: np.random.Generator) -> Any:
    """A compiled grammar, made by the library or by hand, or what is taken for its rules."""
    name = pick(rng, ["binary", "unary", "binary", "unary", "binary_log_proba", "unary_log_proba", "kind"])
    kinds: list[Callable[[], Any]] = [
        lambda: TOY, lambda: replace(TOY, **{name: exchanged(rng, getattr(TOY, name))}),
        lambda: replace(TOY, start=pick(rng, [*WRONG, 3])), lambda: random_grammar(rng),
    ]  # fmt: skip
    return pick(rng, kinds)()


def random_grammar(rng: np.random.Generator) -> CompiledGrammar:
    """A small grammar of random rules, perhaps with a wrong one."""
    S = int(rng.integers(1, 6))
    rules = [np.unique(rng.integers(0, S, (int(rng.integers(0, 6)), width)), axis=0) for width in (3, 2)]
    values = [np.log(rng.uniform(0.05, 0.4, len(part))) for part in rules]
    if rng.uniform() < 0.4:
        at = int(rng.integers(2))
        rules[at] = exchanged(rng, rules[at])
    arrays = RuleArrays([f"s{i}" for i in range(S)], rules[0], values[0], rules[1], values[1])
    return compile_grammar(arrays, "s0")


def lexical_of(rng: np.random.Generator, S: int) -> Any:
    """Lexical scores of a few words, nearly right."""
    n = int(rng.integers(0, 7))
    pairs = []
    for _ in range(n):
        symbols = rng.permutation(S)[: int(rng.integers(0, S + 1))].astype(pick(rng, [np.int32, np.int64]))
        pairs.append((symbols, np.log(rng.uniform(size=len(symbols)))))
    wrong = rng.uniform() < 0.5
    if wrong and pairs:
        at = int(rng.integers(n))
        symbols, values = pairs[at]
        odd = values.copy()
        odd[:1] = pick(rng, [math.nan, math.inf, -math.inf, 5.0])
        pairs[at] = pick(
            rng, [(exchanged(rng, symbols), values), (symbols, odd), (symbols, values[:-1]), (symbols,), 3]
        )
    if rng.uniform() < 0.3 and not wrong:
        table = np.full((n, S), -np.inf)
        for i, (symbols, values) in enumerate(pairs):
            table[i, symbols] = values
        return pick(rng, [table, table.T, table.astype(np.float32), table * np.nan, table[None], table.astype(str)])
    if rng.uniform() < 0.3 and not wrong:
        sizes = [len(symbols) for symbols, _ in pairs]
        parts = {
            "start": np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            "symbol": np.concatenate([np.zeros(0, np.int32), *(s for s, _ in pairs)]).astype(np.int32),
            "value": np.concatenate([np.zeros(0), *(v for _, v in pairs)]),
        }
        if rng.uniform() < 0.6:
            name = pick(rng, ["start", "symbol"])
            parts[name] = exchanged(rng, parts[name])
        return Lexical(**parts)
    return pairs


def grammar_case(rng: np.random.Generator) -> Case:
    """A grammar and lexical scores, one of them perhaps wrong, through everything that reads a chart."""
    seeds = rng.integers(2**32, size=2)
    name = pick(rng, ["viterbi", "k_best", "inside", "expected", "count", "batch", "coarse"])
    what = f"{name} of grammar {seeds[0]} and scores {seeds[1]}"

    def call() -> str | None:
        grammar = grammar_of(np.random.default_rng(seeds[0]))
        lexical = lexical_of(np.random.default_rng(seeds[1]), len(grammar.symbols))
        if name == "viterbi":
            found = viterbi(grammar, lexical).log_proba
        elif name == "k_best":
            found = k_best(grammar, lexical, int(pick(rng, [1, 3])), pick(rng, [None, WORDS[:2]]))
            return None if all(a.log_proba >= b.log_proba for a, b in pairwise(found)) else "order"
        elif name == "inside":
            found = inside(grammar, lexical)
        elif name == "expected":
            found = expected_counts(grammar, lexical).log_proba
        elif name == "count":
            found = count_trees(grammar, lexical)
        elif name == "batch":
            words = pick(rng, [None, [WORDS], [WORDS[:2], WORDS]])
            found = max(p.log_proba for p in parse_batch(grammar, [lexical, lexical], words))
        else:
            found = viterbi(grammar, lexical, coarse=coarse_of(rng, grammar), threshold=0.01).log_proba
        return "NaN" if math.isnan(found) else None

    return what, call


def coarse_of(rng: np.random.Generator, grammar: CompiledGrammar) -> CoarseGrammar:
    """A coarse grammar, whose groups may be wrong."""
    coarse = coarsen(grammar, lambda symbol: symbol[:1])
    if rng.uniform() < 0.5:
        return coarse
    return replace(coarse, group=exchanged(rng, coarse.group))


KINDS = [sparse_case, sparse_case, labels_case, changed_case, grammar_case, grammar_case, grammar_case]


def indices_case(rng: np.random.Generator) -> Case:
    """Something whose numbers lead into an array."""
    return pick(rng, KINDS)(rng)
