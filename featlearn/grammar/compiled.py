"""A grammar as arrays, ready for the chart recursion of ``featlearn.kernels.parsing.inside``.

Longer right sides are split to the right under symbols of their own, one for each rest of a right side, and words among
symbols get a symbol each; trees show neither. Unary rules U (m, m) may form cycles. The best chain from X to Y has no
cycle; in sums all chains count, and (I - U)^-1 adds them up.

Paper: Stolcke (1995), "An efficient probabilistic context-free parsing algorithm that computes prefix probabilities"
(sums over unary chains).
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from featlearn.grammar.cfg import PCFG
from featlearn.grammar.rules import Word
from featlearn.kernels.parsing.chart_trees import Parents
from featlearn.kernels.parsing.inside import Rules, Workspace, workspace

KEPT_WORDS = 64  # up to so many, the memory of a sentence is kept for the next
PLAIN, SPLICED = 0, 1  # a symbol of the grammar; one of ours, which trees do not show


class RuleArrays(NamedTuple):
    """A grammar of binary and unary rules as arrays; symbols are numbered by their place in ``symbols``."""

    symbols: Sequence[str]
    binary: np.ndarray  # (R2, 3): parent, left child, right child
    binary_log_proba: np.ndarray  # (R2,)
    unary: np.ndarray  # (R1, 2): parent, child
    unary_log_proba: np.ndarray  # (R1,)


@dataclass(frozen=True, eq=False)
class CompiledGrammar:
    """A grammar ready for parsing; picklable, safe to share among threads. Made by `compile_grammar`.

    Attributes
    ----------
    symbols : tuple of str
        The symbols; everything else numbers them by place.
    start : int
        The start symbol.
    binary, unary : arrays (R2, 3) and (R1, 2) of int32
        The rules: parent, then children.
    binary_log_proba, unary_log_proba : arrays (R2,) and (R1,)
        Their log-probabilities.
    kind : array (n_symbols,) of int8
        1 for symbols that were made to split longer right sides, or for words among symbols; 0 for others.
    words : dict
        For a compiled `PCFG`, the symbols of each word and their log-probabilities.
    """

    symbols: tuple[str, ...]
    start: int
    binary: np.ndarray
    binary_log_proba: np.ndarray
    unary: np.ndarray
    unary_log_proba: np.ndarray
    kind: np.ndarray
    words: dict

    def __post_init__(self) -> None:
        S = len(self.symbols)
        for name, width in (("binary", 3), ("unary", 2)):
            rules, values = getattr(self, name), getattr(self, f"{name}_log_proba")
            own = checked_rules(name, rules, S)
            fits = isinstance(values, np.ndarray) and values.dtype == np.float64 and values.shape == own.shape[:1]
            if own.shape[1:] != (width,) or not fits:
                raise ValueError(
                    f"CompiledGrammar.{name} has shape {own.shape} and {name}_log_proba {np.shape(values)}; they must "
                    f"be arrays (R, {width}), and (R,) of float64. Let compile_grammar make it."
                )
            own.flags.writeable = False  # what was checked stays
            object.__setattr__(self, name, own)
        begins = isinstance(self.start, (int, np.integer)) and 0 <= self.start < S
        if not begins or not isinstance(self.kind, np.ndarray) or self.kind.shape != (S,):
            raise ValueError(
                f"CompiledGrammar.start is {self.start!r} and kind has shape {np.shape(self.kind)}; with {S} symbols "
                f"they must be one of 0 to {S - 1} and an array ({S},). Let compile_grammar make it."
            )

    def __getstate__(self) -> dict:
        words = {word: [part.tolist() for part in scores] for word, scores in self.words.items()}
        return {name: self.__dict__[name] for name in self.__dataclass_fields__} | {"words": words}

    def __setstate__(self, state: dict) -> None:
        words = {word: (np.array(s, np.int32), np.array(p, float)) for word, (s, p) in state["words"].items()}
        self.__dict__.update(state | {"words": words})
        self.__post_init__()

    def __repr__(self) -> str:
        return (
            f"CompiledGrammar({len(self.symbols)} symbols, {len(self.binary)} binary and {len(self.unary)} unary "
            f"rules, start={self.symbols[self.start]!r})"
        )

    @cached_property
    def index(self) -> dict[str, int]:
        """The number of each symbol, without those that trees do not show."""
        return {symbol: i for i, symbol in enumerate(self.symbols) if self.kind[i] == PLAIN}

    def lexical(self, sentence: Sequence[str]) -> list[tuple[np.ndarray, np.ndarray]]:
        """The lexical scores of a compiled `PCFG`: unknown words have no symbols, so their sentence has no parse."""
        nothing = (np.zeros(0, np.int32), np.zeros(0))
        return [self.words.get(word, nothing) for word in sentence]

    # ---- what the kernels read -------------------------------------------------------------------------------------

    @cached_property
    def _free(self) -> dict[int, list[Workspace]]:
        """Workspaces that are not in use, by size."""
        return {}

    @contextmanager
    def workspace(self, n: int) -> Iterator[Workspace]:
        """Memory for a sentence of n words: what an earlier one left, or fresh; one that fails leaves nothing."""
        size = (n + 31) // 32 * 32
        free = self._free.setdefault(size, [])
        try:
            memory = free.pop()
        except IndexError:
            memory = workspace(size, self.best_rules)
        yield memory
        if n <= KEPT_WORDS:
            free.append(memory)

    @cached_property
    def as_lists(self) -> tuple[list, list, list, dict]:
        """What trees are made from: log-probabilities of binary and unary rules, kinds, and labels of known chains."""
        return self.binary_log_proba.tolist(), self.unary_log_proba.tolist(), self.kind.tolist(), {}

    @cached_property
    def in_unary(self) -> np.ndarray:
        """The symbols that unary rules hold, in order (m,)."""
        return np.unique(self.unary)

    @cached_property
    def chains(self) -> tuple[np.ndarray, np.ndarray]:
        """Of unary symbols x, y: the log-probability of the best chain x => y, and its last rule (m, m)."""
        m = len(self.in_unary)
        best, last = np.full((m, m), -np.inf), np.full((m, m), -1, np.int32)
        np.fill_diagonal(best, 0.0)
        pairs = np.searchsorted(self.in_unary, self.unary)
        moved = True
        while moved:
            moved = False
            for rule, ((x, y), value) in enumerate(zip(pairs, self.unary_log_proba, strict=True)):
                through = best[:, x] + value
                better = through > best[:, y]
                if better.any():
                    best[better, y], last[better, y], moved = through[better], rule, True
        return best, last

    def chain(self, x: int, y: int) -> list[int]:
        """The rules of the best chain from symbol x down to y."""
        if x == y:
            return []
        found: list[int] = []
        top = int(np.searchsorted(self.in_unary, x))
        while y != x:
            found.append(int(self.chains[1][top, np.searchsorted(self.in_unary, y)]))
            y = int(self.unary[found[-1], 0])
        return found[::-1]

    @cached_property
    def order(self) -> np.ndarray:
        """The rules as the kernel keeps them: by right child, then left, then as given (R2,)."""
        return np.lexsort((self.binary[:, 1], self.binary[:, 2]))

    @cached_property
    def best_rules(self) -> Rules:
        """The grammar for Viterbi."""
        best = self.chains[0].copy()
        np.fill_diagonal(best, -np.inf)
        return self._rules(self.binary_log_proba, best, best > -np.inf)

    @cached_property
    def sum_rules(self) -> Rules:
        """The grammar for inside and outside sums."""
        return self._rules(np.exp(self.binary_log_proba), *_summed_chains(self, np.exp(self.unary_log_proba)))

    @cached_property
    def count_rules(self) -> Rules:
        """The grammar for counting trees."""
        return self._rules(np.ones(len(self.binary)), *_summed_chains(self, np.ones(len(self.unary))))

    def _rules(self, weights: np.ndarray, closure: np.ndarray, there: np.ndarray) -> Rules:
        S, m = len(self.symbols), len(self.in_unary)
        parent, left, right = (np.ascontiguousarray(self.binary[self.order, c], np.int32) for c in range(3))
        children = np.unique(left)
        left_id = np.full(S, -1, np.int32)
        left_id[children] = np.arange(len(children), dtype=np.int32)
        y, x = np.nonzero(there.T)  # by child, then ancestor
        ups = np.bincount(self.in_unary[y], minlength=S) if m else np.zeros(S, np.int64)
        predicted = np.ones(S, bool)
        predicted[left] = False
        predicted[self.in_unary] = False
        predicted[self.start] = False
        return Rules(
            root=self.start,
            left_id=left_id,
            right=right,
            left=left_id[left],
            parent=parent,
            weight=np.ascontiguousarray(weights[self.order]),
            up_start=starts(ups),
            up_symbol=self.in_unary[x].astype(np.int32),
            up_weight=np.ascontiguousarray(closure[x, y]),
            predicted=predicted,
            group=np.zeros(S, np.int32),
        )

    @cached_property
    def parents(self) -> Parents:
        """The binary rules by parent."""
        order = np.argsort(self.binary[:, 0], kind="stable")
        parent, left, right = (np.ascontiguousarray(self.binary[order, c], np.int32) for c in range(3))
        return Parents(
            start=starts(np.bincount(parent, minlength=len(self.symbols))),
            left=self.best_rules.left_id[left],
            left_symbol=left,
            right=right,
            weight=np.ascontiguousarray(self.binary_log_proba[order]),
            rule=order.astype(np.int32),
        )

    @cached_property
    def unary_by_child(self) -> tuple[np.ndarray, np.ndarray]:
        """The order of unary rules by child (R1,), and where each symbol's begin (n_symbols + 1,)."""
        child = self.unary[:, 1]
        return np.argsort(child, kind="stable"), starts(np.bincount(child, minlength=len(self.symbols)))


def starts(counts: np.ndarray) -> np.ndarray:
    """Where each of groups of these sizes begins, and the end of the last."""
    return np.concatenate(([0], np.cumsum(counts))).astype(np.int64)


def _summed_chains(grammar: CompiledGrammar, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(I - U)^-1 - I over the unary symbols, and where there is a chain."""
    m = len(grammar.in_unary)
    U = np.zeros((m, m))
    x, y = np.searchsorted(grammar.in_unary, grammar.unary).T
    np.add.at(U, (x, y), weights)
    there = np.isfinite(grammar.chains[0])
    np.fill_diagonal(there, False)
    looped = there & there.T
    if not looped.any() and not U.diagonal().any():  # no cycle: the series ends, and its sum is exact
        total, power = np.zeros_like(U), U
        while power.any():
            total += power
            power = power @ U
        return total, there
    np.fill_diagonal(there, looped.any(axis=1) | (U.diagonal() > 0))
    if m and np.abs(np.linalg.eigvals(U)).max() >= 1 - 1e-12:
        names = [grammar.symbols[s] for s in grammar.in_unary[there.diagonal()]]
        raise ValueError(
            "Unary rules form cycles that never lose probability, so the sum over trees has no limit. The symbols on "
            f"cycles are {', '.join(names[:10])}; drop a rule of theirs, or lower its probability."
        )
    return np.linalg.inv(np.eye(m) - U) - np.eye(m), there


# ---- compiling -----------------------------------------------------------------------------------------------------


def compile_grammar(grammar: "PCFG | RuleArrays", start: str | None = None) -> CompiledGrammar:
    """A grammar ready for parsing.

    Parameters
    ----------
    grammar : PCFG or RuleArrays
        The grammar. Rules of probability 0 are left out.
    start : str or None, default=None
        The start symbol; None takes that of a PCFG. Arrays need one.

    Returns
    -------
    compiled : CompiledGrammar

    Raises
    ------
    ValueError
        If there is no such start symbol, arrays do not fit each other, a rule comes twice, or a log-probability is
        above 0 or NaN.

    Examples
    --------
    >>> from featlearn.grammar.chart import inside, k_best
    >>> from featlearn.grammar.compiled import compile_grammar
    >>> from featlearn.grammar.toys import load_toy_grammar
    >>> grammar = compile_grammar(load_toy_grammar())
    >>> words = "the man saw the woman with the telescope".split()
    >>> for log_p, tree in k_best(grammar, grammar.lexical(words), 2, words=words):
    ...     print(f"{math.exp(log_p):.4g}", [len(t.words()) for t in tree.subtrees() if t.label == "NP"])
    5.292e-05 [2, 5, 2, 2]
    1.512e-05 [2, 2, 2]
    >>> print(f"{math.exp(inside(grammar, grammar.lexical(words))):.4g}")
    6.804e-05
    """
    if isinstance(grammar, PCFG):
        return _compile_pcfg(grammar, grammar.start if start is None else start)
    symbols = tuple(grammar.symbols)
    if len(set(symbols)) < len(symbols):
        raise ValueError("RuleArrays.symbols holds a symbol twice; give each once.")
    return compiled(symbols, start, grammar, np.zeros(len(symbols), np.int8), {})


def checked_rules(name: str, rules: Any, n_symbols: int) -> np.ndarray:
    """Rules (R, 2 or 3) as int32, each symbol of which is one of ``n_symbols``."""
    rules = np.asarray(rules)
    if rules.size and rules.dtype.kind not in "iu":
        raise ValueError(f"The {name} rules are of {rules.dtype}; pass integers, the numbers of symbols.")
    if rules.size and (rules.min() < 0 or rules.max() >= n_symbols):
        raise ValueError(
            f"The {name} rules number symbols from {rules.min()} up to {rules.max()}, and there are {n_symbols}: pass "
            f"integers from 0 to {n_symbols - 1}."
        )
    return rules.astype(np.int32)


def compiled(symbols, start, arrays: RuleArrays, kind, words) -> CompiledGrammar:
    """The grammar of these arrays, which are checked; ``kind`` and ``words`` are those of `CompiledGrammar`."""
    if start not in symbols:
        raise ValueError(
            f"There is no start symbol {start!r} among the {len(symbols)} symbols of the grammar; pass start=."
        )
    made: list[np.ndarray] = []
    for name, width in (("binary", 3), ("unary", 2)):
        rules = checked_rules(name, np.reshape(getattr(arrays, name), (-1, width)), len(symbols))
        values = np.asarray(getattr(arrays, f"{name}_log_proba"), np.float64)
        if values.shape != (len(rules),):
            raise ValueError(
                f"{len(rules)} {name} rules have log-probabilities of shape {values.shape}; give one each."
            )
        if np.isnan(values).any() or (values > 1e-6).any():
            raise ValueError(f"Log-probabilities of {name} rules must be at most 0; the greatest is {values.max()}.")
        rules, values = rules[values > -np.inf], np.minimum(values[values > -np.inf], 0.0)
        if len(np.unique(rules, axis=0)) < len(rules):
            raise ValueError(f"A {name} rule comes twice; give it once, with its whole probability.")
        made += [np.ascontiguousarray(rules), values]
    binary, binary_values, unary, unary_values = made
    return CompiledGrammar(symbols, symbols.index(start), binary, binary_values, unary, unary_values, kind, words)


def _compile_pcfg(grammar: PCFG, start: str) -> CompiledGrammar:
    index: dict[Any, int] = {symbol: i for i, symbol in enumerate(grammar.symbols)}
    names = list(grammar.symbols)
    words: dict[str, list[tuple[int, float]]] = {}
    binary: list[tuple[int, int, int, float]] = []
    unary: list[tuple[int, int, float]] = []

    def number(part) -> int:
        """The number of a symbol, of a word among symbols, or of a rest of a right side (a tuple)."""
        if part not in index:
            index[part] = len(names)
            names.append(part if isinstance(part, str) else str(part))
            if isinstance(part, Word):
                words.setdefault(part.text, []).append((index[part], 0.0))
        return index[part]

    rests: list[tuple] = []
    for (lhs, rhs), log_p in grammar.log_probabilities.items():
        if log_p == -math.inf:
            continue
        if len(rhs) == 1 and isinstance(rhs[0], Word):
            words.setdefault(rhs[0].text, []).append((index[lhs], log_p))
        elif len(rhs) == 1:
            unary.append((index[lhs], index[rhs[0]], log_p))
        else:
            rests.append((index[lhs], rhs, log_p))
    while rests:
        parent, rhs, log_p = rests.pop(0) if len(rests) == 1 else rests.pop()
        known = len(rhs) == 2 or rhs[1:] in index
        binary.append((parent, number(rhs[0]), number(rhs[1] if len(rhs) == 2 else rhs[1:]), log_p))
        if not known:
            rests.append((index[rhs[1:]], rhs[1:], 0.0))
    arrays = RuleArrays(
        names,
        np.array([rule[:3] for rule in binary], np.int32).reshape(-1, 3),
        np.array([rule[3] for rule in binary], float),
        np.array([rule[:2] for rule in unary], np.int32).reshape(-1, 2),
        np.array([rule[2] for rule in unary], float),
    )
    if start not in grammar.by_lhs:
        raise ValueError(f"The start symbol {start!r} has no rule in the grammar; pass one that has.")
    kind = np.full(len(names), SPLICED, np.int8)
    kind[: len(grammar.symbols)] = PLAIN
    scores = {
        word: (np.array([s for s, _ in pairs], np.int32), np.array([p for _, p in pairs]))
        for word, pairs in words.items()
    }
    return compiled(tuple(names), start, arrays, kind, scores)
