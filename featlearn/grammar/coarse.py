"""Lexical scores as arrays, and coarse grammars that tell the spans worth a finer look.

A coarse grammar has the groups g(X) of a grammar's symbols for symbols. Its rules are weighted by how often the fine
ones are used,

    p(g -> h k) = sum over X in g, X -> Y Z with Y in h, Z in k of   n(X) p(X -> Y Z) / sum over X in g of n(X),

with n(X) the number of X expected in a derivation, the solution of n = e_start + M' n. It is the grammar nearest to the
fine one in relative entropy. Items of the fine grammar whose group has a posterior below a threshold are not made.

Paper: Charniak et al. (2006), "Multilevel coarse-to-fine PCFG parsing".
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import spsolve

from featlearn.grammar.binarization import base_label, is_intermediate
from featlearn.grammar.compiled import CompiledGrammar, RuleArrays, compiled, starts

NOTHING = np.zeros(0, np.int32)  # the symbols of a word that has none


class Lexical(NamedTuple):
    """The lexical scores of a sentence: word i has symbols ``symbol[start[i]:start[i + 1]]``."""

    start: np.ndarray  # (n + 1,) int64
    symbol: np.ndarray  # int32
    value: np.ndarray  # float64: log p(word | symbol)


def as_lexical(grammar: CompiledGrammar, lexical: Any) -> Lexical:
    """Lexical scores as flat arrays.

    ``lexical`` is an array (n_words, n_symbols) of log-probabilities, -inf where a word has not the symbol; or for each
    word a pair of sequences, symbol numbers and log-probabilities; or a `Lexical`, which comes back as it is.
    """
    S = len(grammar.symbols)
    if isinstance(lexical, Lexical):
        found = lexical
        types, ends = [(np.asarray(part).dtype, np.ndim(part)) for part in found], found.start
        expected = [(np.int64, 1), (np.int32, 1), (np.float64, 1)]
        if types != expected or not len(ends) or ends[0] != 0 or (np.diff(ends) < 0).any():
            raise ValueError(
                "Lexical must hold starts of int64 that begin at 0 and never fall, symbols of int32 and values of "
                f"float64, all (n,); got {types}. Pass pairs (symbols, log-probabilities) for each word."
            )
        if not ends[-1] == len(found.symbol) == len(found.value):
            raise ValueError(
                f"Lexical.start ends at {ends[-1]}, with {len(found.symbol)} symbols and {len(found.value)} values."
            )
    elif isinstance(lexical, np.ndarray):
        if lexical.ndim != 2 or lexical.shape[1] != S:
            raise ValueError(
                f"Lexical scores as an array must have shape (n_words, n_symbols={S}); got {lexical.shape}. Pass pairs "
                "(symbols, log-probabilities) for each word otherwise."
            )
        lexical = lexical.astype(np.float64, copy=False)
        row, symbol = np.nonzero(lexical != -np.inf)
        found = Lexical(starts(np.bincount(row, minlength=len(lexical))), symbol, lexical[row, symbol])
    else:
        pairs = [(np.asarray(s if len(s) else NOTHING), np.asarray(p, np.float64)) for s, p in lexical]
        for i, (s, p) in enumerate(pairs):
            if s.shape != p.shape or s.ndim != 1:
                raise ValueError(
                    f"Word {i} has symbols of shape {s.shape} and log-probabilities of {p.shape}; align them."
                )
        found = Lexical(
            starts(np.array([len(s) for s, _ in pairs], np.int64)),
            np.concatenate([NOTHING, *(s for s, _ in pairs)]),
            np.concatenate([NOTHING, *(p for _, p in pairs)], dtype=np.float64),
        )
    symbol, value = found.symbol, found.value
    if len(symbol):
        if symbol.dtype.kind not in "iu":
            raise ValueError(f"Lexical scores have symbols of {symbol.dtype}; pass integers, the numbers of symbols.")
        if symbol.min() < 0 or symbol.max() >= S:
            raise ValueError(
                f"Lexical scores number symbols {symbol.min()} to {symbol.max()}; the grammar has {S}. Pass integers "
                f"from 0 to {S - 1}."
            )
        if np.isnan(value).any() or value.max() == np.inf:
            raise ValueError("Lexical log-probabilities must be numbers below infinity; some are NaN or inf.")
        keys = np.repeat(np.arange(len(found.start) - 1), np.diff(found.start)) * S + symbol
        keys.sort()
        if (keys[1:] == keys[:-1]).any():
            raise ValueError("A word has the same symbol twice in the lexical scores; add its probabilities up.")
    if isinstance(lexical, Lexical):
        return lexical
    return Lexical(found.start, symbol.astype(np.int32), np.ascontiguousarray(value, np.float64))


@dataclass(frozen=True, eq=False)
class CoarseGrammar:
    """A grammar over groups of the symbols of another, for coarse-to-fine pruning. Made by `coarsen`."""

    grammar: CompiledGrammar
    group: np.ndarray  # (n_symbols of the fine grammar,) int32: the coarse symbol of each
    log_share: np.ndarray  # (n_symbols,): log p(symbol | its group)

    def __post_init__(self) -> None:
        S, group = len(self.grammar.symbols), self.group
        fits = isinstance(group, np.ndarray) and group.dtype == np.int32 and group.shape == np.shape(self.log_share)
        if not fits or group.ndim != 1 or (len(group) and not 0 <= group.min() <= group.max() < S):
            raise ValueError(
                f"CoarseGrammar.group must number the {S} coarse symbols from 0, in int32 and one for each entry of "
                "log_share. Let coarsen(grammar) make it."
            )

    def lexical(self, fine: Lexical) -> Lexical:
        """The coarse scores of words."""
        n, groups = len(fine.start) - 1, len(self.grammar.symbols)
        keys = np.repeat(np.arange(n), np.diff(fine.start)) * groups + self.group[fine.symbol]
        found, place = np.unique(keys, return_inverse=True)
        value = np.full(len(found), -np.inf)
        np.logaddexp.at(value, place, fine.value + self.log_share[fine.symbol])
        return Lexical(starts(np.bincount(found // groups, minlength=n)), (found % groups).astype(np.int32), value)


def base_group(symbol: str) -> str:
    """The treebank's label of a symbol; intermediate symbols of a label are one group."""
    return base_label(symbol) + ("|" if is_intermediate(symbol) else "")


def coarsen(grammar: CompiledGrammar, group_of: Callable[[str], str] = base_group) -> CoarseGrammar:
    """The grammar over groups of symbols that is nearest to ``grammar``: rules weighted by how often they are used.

    Parameters
    ----------
    grammar : CompiledGrammar
        The fine grammar.
    group_of : callable, default=base_group
        The group of a symbol's name.

    Returns
    -------
    coarse : CoarseGrammar
    """
    names = [group_of(symbol) for symbol in grammar.symbols]
    symbols = tuple(dict.fromkeys(names))
    index = {name: i for i, name in enumerate(symbols)}
    group = np.array([index[name] for name in names], np.int32)
    use = _expected_uses(grammar)
    totals = np.bincount(group, use, len(symbols))
    share = use / totals[group]
    made = []
    for rules, log_p in ((grammar.binary, grammar.binary_log_proba), (grammar.unary, grammar.unary_log_proba)):
        coarse, place = np.unique(group[rules].reshape(rules.shape), axis=0, return_inverse=True)
        p = np.bincount(place.ravel(), share[rules[:, 0]] * np.exp(log_p), len(coarse))
        keep = np.ones(len(coarse), bool)
        if rules.shape[1] == 2:  # a symbol over another of its group is no step of the coarse grammar
            keep = coarse[:, 0] != coarse[:, 1]
        made += [coarse[keep], np.log(np.minimum(p[keep], 1.0))]
    arrays = RuleArrays(symbols, made[0], made[1], made[2], made[3])
    over_groups = compiled(symbols, names[grammar.start], arrays, np.zeros(len(symbols), np.int8), {})
    return CoarseGrammar(over_groups, group, np.log(share))


def _expected_uses(grammar: CompiledGrammar) -> np.ndarray:
    """How often each symbol is expected in a derivation; 1 for each where the grammar gives no such number."""
    S = len(grammar.symbols)
    p2, p1 = np.exp(grammar.binary_log_proba), np.exp(grammar.unary_log_proba)
    child = np.concatenate([grammar.binary[:, 1], grammar.binary[:, 2], grammar.unary[:, 1]])
    parent = np.concatenate([grammar.binary[:, 0], grammar.binary[:, 0], grammar.unary[:, 0]])
    M = sp.csc_matrix((np.concatenate([p2, p2, p1]), (child, parent)), (S, S))
    begin = np.zeros(S)
    begin[grammar.start] = 1
    with np.errstate(all="ignore"):
        use = np.atleast_1d(spsolve((sp.identity(S, format="csc") - M).tocsc(), begin))
    if not np.isfinite(use).all() or (use < -1e-9).any():
        return np.ones(S)
    return np.maximum(use, 1e-12)
