"""Parsing with charts: best trees, the k best, probabilities of sentences, expected counts, the number of trees.

Words enter as `lexical` scores: for each word the symbols it may have, and the log-probability of the word given each,
from whatever model of words the caller has. Best trees are searched exactly, in log space and float64, unless a beam or
a coarse grammar is asked for.

Inside values are plain float64 numbers of a sentence whose words are scaled so that its best tree has value 1: word i
is divided by the probabilities that the best tree has there,

    scale_i = p(word i | tag) p(rule that splits the sentence before word i) p(unary chains above both),

so each part of the best tree has a value near 1, and neither long sentences nor rare words leave the range of floats.

Paper: Goodman (1999), "Semiring parsing".
"""

import math
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from featlearn.arrays import blocks
from featlearn.grammar.coarse import CoarseGrammar, Lexical, as_lexical
from featlearn.grammar.compiled import CompiledGrammar
from featlearn.grammar.k_best import Derivations
from featlearn.grammar.tree import Tree, make_tree
from featlearn.kernels.parsing.chart_trees import best_tree
from featlearn.kernels.parsing.inside import Chart, Workspace, fill_chart, workspace
from featlearn.kernels.parsing.outside import allow, expect
from featlearn.threads import map_in_order, n_threads


class Parse(NamedTuple):
    """The best tree of a sentence: (log p, tree); (-inf, None) without a parse."""

    log_proba: float
    tree: Tree | None


NO_PARSE = Parse(-math.inf, None)
PER_TREE = 50  # derivations looked at, at most, for each of the k best trees
MOST = 600.0  # log of what a word may weigh under a tag, relative to its part in the best tree


def _best_chart(grammar: CompiledGrammar, lex: Lexical, w: Workspace, beam, coarse, threshold) -> Chart:
    n = len(lex.start) - 1
    width = math.inf if beam is None else float(beam)
    if coarse is not None:
        masks = _allowed(coarse, lex, threshold, w.ends.shape[2])
        if masks is not None:
            rules = grammar.best_rules._replace(group=coarse.group)
            chart = fill_chart(n, *lex, rules, w, width, masks, None)
            if chart.value > -math.inf:
                return chart
    chart = fill_chart(n, *lex, grammar.best_rules, w, width, None, None)
    if chart.value == -math.inf and beam is not None:  # the beam lost every tree: search without it
        chart = fill_chart(n, *lex, grammar.best_rules, w, math.inf, None, None)
    return chart


def _allowed(coarse: CoarseGrammar, lex: Lexical, threshold: float, n_words: int) -> np.ndarray | None:
    """The spans that the coarse grammar gives a posterior of at least ``threshold``; None if it has no parse."""
    grammar, coarse_lex = coarse.grammar, coarse.lexical(lex)
    n = len(lex.start) - 1
    with grammar.workspace(n) as w:
        found = _inside_chart(grammar, coarse_lex, w)
        if found is None:
            return None
        chart, scaled, _ = found
        posterior = expect(n, chart, *scaled, grammar.sum_rules, w, *_downward(grammar))[3]
    return allow(n, chart, posterior, threshold, len(grammar.symbols), n_words)


def _downward(grammar: CompiledGrammar) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    order, start = grammar.unary_by_child
    return start, np.ascontiguousarray(grammar.unary[order, 0]), np.exp(grammar.unary_log_proba[order])


def _inside_chart(grammar: CompiledGrammar, lex: Lexical, w: Workspace) -> tuple[Chart, Lexical, float] | None:
    """The inside chart, the scaled scores of words, and log Z; None without a parse."""
    n = len(lex.start) - 1
    best = fill_chart(n, *lex, grammar.best_rules, w, math.inf, None, None)
    if best.value == -math.inf:
        return None
    scale = _shares(grammar, lex, best_tree(n, grammar.start, best, grammar.parents, w))
    shares = lex.value - np.repeat(scale, np.diff(lex.start))
    most = shares.max()
    if most < MOST:
        scaled = lex._replace(value=np.exp(shares))
        chart = fill_chart(n, *scaled, grammar.sum_rules, w, math.inf, None, True)
    if not (most < MOST and 0.5 < chart.value < math.inf):
        raise _out_of_range(n)
    return chart, scaled, math.log(chart.value) + float(scale.sum())


def _out_of_range(n: int) -> ValueError:
    return ValueError(
        f"The inside values of a sentence of {n} words leave the range of floats: its parts are too unequal. Raise the "
        "smallest probabilities of the grammar."
    )


def _shares(grammar: CompiledGrammar, lex: Lexical, nodes: np.ndarray) -> np.ndarray:
    """Each word's share of the log-probability of the best tree: that of its tag, and that of the split before it."""
    x, y, i, _, split, rule = nodes.T
    leaf, n = rule < 0, len(lex.start) - 1
    shares = np.zeros(n)
    places = np.repeat(np.arange(n), np.diff(lex.start)) * len(grammar.symbols) + lex.symbol
    order = np.argsort(places)
    found = order[np.searchsorted(places[order], i[leaf].astype(np.int64) * len(grammar.symbols) + y[leaf])]
    shares[i[leaf]] = lex.value[found]
    shares[split[~leaf]] += grammar.binary_log_proba[rule[~leaf]]  # every place between words is split once
    chained = x != y
    ends = np.searchsorted(grammar.in_unary, np.stack([x[chained], y[chained]]))
    np.add.at(shares, np.where(leaf, i, split)[chained], grammar.chains[0][ends[0], ends[1]])
    return shares


def _check_search(grammar, beam, coarse, threshold) -> None:
    if beam is not None and not (beam > 0 and not math.isnan(beam)):
        raise ValueError(f"beam={beam!r} is not valid; pass None for exact search, or a log-probability above 0.")
    if not 0 <= threshold < 1:
        raise ValueError(f"threshold={threshold!r} is not valid; pass a probability of at least 0 and below 1.")
    if coarse is not None and len(coarse.group) != len(grammar.symbols):
        raise ValueError(
            f"The coarse grammar was made of one with {len(coarse.group)} symbols, and this one has "
            f"{len(grammar.symbols)}; pass coarsen(grammar)."
        )


def viterbi(
    grammar: CompiledGrammar,
    lexical: Any,
    words: Sequence[str] | None = None,
    *,
    beam: float | None = None,
    coarse: CoarseGrammar | None = None,
    threshold: float = 1e-4,
) -> Parse:
    """The best tree of a sentence.

    Parameters
    ----------
    grammar : CompiledGrammar
        The grammar.
    lexical : array (n_words, n_symbols), or list of pairs (symbols, log-probabilities)
        The lexical scores.
    words : sequence of str or None, default=None
        What to put at the leaves; None numbers them from "0".
    beam : float or None, default=None
        Drop what is worse than the best of its span by more than this log-probability; None searches exactly.
    coarse : CoarseGrammar or None, default=None
        Search only spans to which this grammar gives a posterior of at least ``threshold``; see `coarsen`. If that
        leaves no tree, all are searched.
    threshold : float, default=1e-4
        Of the coarse grammar.

    Returns
    -------
    parse : Parse
        ``(log_proba, tree)`` over the grammar's symbols; ``(-inf, None)`` for no words or no parse.
    """
    return parse_batch(grammar, [lexical], [words], n_jobs=1, beam=beam, coarse=coarse, threshold=threshold)[0]


def parse_batch(
    grammar: CompiledGrammar,
    lexicals: Sequence[Any],
    words: Sequence[Sequence[str] | None] | None = None,
    *,
    n_jobs: int | None = None,
    beam: float | None = None,
    coarse: CoarseGrammar | None = None,
    threshold: float = 1e-4,
) -> list[Parse]:
    """The best trees of sentences, side by side on threads; the number of threads changes no result.

    Parameters are those of `viterbi`, with a list of lexical scores and of words.
    """
    _check_search(grammar, beam, coarse, threshold)
    sentences = [None] * len(lexicals) if words is None else list(words)
    if len(sentences) != len(lexicals):
        raise ValueError(f"There are {len(lexicals)} lexical scores and {len(sentences)} sentences; align them.")
    tables = grammar.parents, _Builder(grammar)

    def parse(lexical, sentence):
        lex = as_lexical(grammar, lexical)
        n = len(lex.start) - 1
        if sentence is not None and len(sentence) != n:
            raise ValueError(f"A sentence of {len(sentence)} words has lexical scores of {n}; align them.")
        if n == 0 or not np.diff(lex.start).all():
            return NO_PARSE
        with grammar.workspace(n) as w:
            chart = _best_chart(grammar, lex, w, beam, coarse, threshold)
            nodes = best_tree(n, grammar.start, chart, tables[0], w)
        return tables[1].parse(nodes, lex, sentence)

    def run(part):
        return [parse(lexical, sentence) for lexical, sentence in zip(lexicals[part], sentences[part], strict=True)]

    parts = map_in_order(run, blocks(len(lexicals), 4), n_threads(n_jobs))
    return [parse for part in parts for parse in part]


class _Builder:
    """Makes trees of the kernel's nodes, and adds their log-probabilities up in float64."""

    def __init__(self, grammar: CompiledGrammar):
        self.grammar = grammar
        self.binary, self.unary, self.spliced, self.known = grammar.as_lists

    def chain(self, x: int, y: int) -> tuple[list[str], float]:
        """The labels of the best chain above y, from the lowest up to x, and its log-probability."""
        found = self.known.get((x, y))
        if found is None:
            rules = self.grammar.chain(x, y)
            labels = [self.grammar.symbols[self.grammar.unary[rule, 0]] for rule in reversed(rules)]
            found = self.known[x, y] = labels, math.fsum(self.unary[rule] for rule in rules)
        return found

    def parse(self, nodes: np.ndarray, lex: Lexical, words: Sequence[str] | None) -> Parse:
        """The tree of nodes (symbol, lower end of its chain, start, end, split, rule) in preorder."""
        rows = [(*self.chain(x, y), y, i, rule) for x, y, i, _, _, rule in nodes.tolist()]
        return self.tree(rows, lex, words)

    def tree(self, rows: list, lex: Lexical, words: Sequence[str] | None) -> Parse:
        """The tree of rows (labels of the chain, its log-probability, symbol, start, rule) in preorder."""
        if not rows:
            return NO_PARSE
        symbols, spliced, terms = self.grammar.symbols, self.spliced, []
        stack: list[tuple] = []
        for labels, chain_log_p, y, i, rule in reversed(rows):
            if rule < 0:
                children: tuple = (str(i) if words is None else words[i],)
                first, last = lex.start[i], lex.start[i + 1]
                terms.append(float(lex.value[first:last][lex.symbol[first:last] == y][0]))
            else:
                children = stack.pop() + stack.pop()
                terms.append(self.binary[rule])
            if not spliced[y]:
                children = (make_tree(symbols[y], children),)
            for label in labels:
                children = (make_tree(label, children),)
            terms.append(chain_log_p)
            stack.append(children)
        return Parse(math.fsum(terms), stack[0][0])


def inside(grammar: CompiledGrammar, lexical: Any) -> float:
    """The log-probability of a sentence, all its trees together; -inf without a parse."""
    lex = as_lexical(grammar, lexical)
    n = len(lex.start) - 1
    if n == 0 or not np.diff(lex.start).all():
        return -math.inf
    with grammar.workspace(n) as w:
        found = _inside_chart(grammar, lex, w)
    return -math.inf if found is None else found[2]


class Expected(NamedTuple):
    """log Z, and how often each rule is expected in a tree of the sentence."""

    log_proba: float
    binary: np.ndarray  # (R2,)
    unary: np.ndarray  # (R1,)
    lexical: Any  # shaped as the scores given


def expected_counts(grammar: CompiledGrammar, lexical: Any) -> Expected:
    """Expected counts of the rules in the trees of a sentence: the E step of inside-outside.

    Parameters
    ----------
    grammar : CompiledGrammar
        The grammar.
    lexical : array (n_words, n_symbols), or list of pairs (symbols, log-probabilities)
        The lexical scores.

    Returns
    -------
    expected : Expected
        ``(log_proba, binary, unary, lexical)``: log Z, counts in the order of the grammar's rules, and the posterior of
        each symbol for each word: an array (n_words, n_symbols) if scores came as one, else one array a word. Without a
        parse log Z is -inf and all counts are 0.
    """
    lex = as_lexical(grammar, lexical)
    n = len(lex.start) - 1
    log_z, binary, unary = -math.inf, np.zeros(len(grammar.binary)), np.zeros(len(grammar.unary))
    leaves = np.zeros(len(lex.symbol))
    if n > 0 and np.diff(lex.start).all():
        with grammar.workspace(n) as w:
            found = _inside_chart(grammar, lex, w)
            if found is not None:
                chart, scaled, log_z = found
                by_right, by_child, leaves, _ = expect(n, chart, *scaled, grammar.sum_rules, w, *_downward(grammar))
                if not math.isfinite(by_right.sum() + by_child.sum() + leaves.sum()):
                    raise _out_of_range(n)
                binary[grammar.order] = by_right
                unary[grammar.unary_by_child[0]] = by_child
    if isinstance(lexical, np.ndarray):
        table = np.zeros((n, len(grammar.symbols)))
        table[np.repeat(np.arange(n), np.diff(lex.start)), lex.symbol] = leaves
        return Expected(log_z, binary, unary, table)
    return Expected(log_z, binary, unary, np.split(leaves, lex.start[1:-1]) if n else [])


def count_trees(grammar: CompiledGrammar, lexical: Any) -> float:
    """How many trees a sentence has; exact up to 2^53. Unary cycles, with trees without end, raise a ValueError."""
    lex = as_lexical(grammar, lexical)
    n = len(lex.start) - 1
    if n == 0:
        return 0.0
    ones = lex._replace(value=np.where(lex.value > -np.inf, 1.0, 0.0))
    rules = grammar.count_rules
    return float(fill_chart(n, *ones, rules, workspace(n, rules), math.inf, None, True).value)


def k_best(
    grammar: CompiledGrammar,
    lexical: Any,
    k: int,
    words: Sequence[str] | None = None,
    plain: Callable[[Tree], Tree] | None = None,
) -> list[Parse]:
    """The k best trees of a sentence, best first; fewer if there are no more.

    Trees whose unary chains hold a symbol twice are trees as others are: with unary cycles there is no end of them, and
    k of them come back. Of trees that are equally good, which come is not said, but it is always the same.

    Parameters
    ----------
    grammar : CompiledGrammar
        The grammar.
    lexical : array (n_words, n_symbols), or list of pairs (symbols, log-probabilities)
        The lexical scores.
    k : int
        How many.
    words : sequence of str or None, default=None
        What to put at the leaves; None numbers them from "0".
    plain : callable or None, default=None
        Makes of a tree over symbols the one to return. Derivations of which it makes the same tree come once, as the
        best of them; at most 50 k derivations are looked at.

    Returns
    -------
    parses : list of Parse
    """
    if not isinstance(k, (int, np.integer)) or k < 1:
        raise ValueError(f"k={k!r} is not valid; pass an integer of at least 1.")
    lex = as_lexical(grammar, lexical)
    n = len(lex.start) - 1
    if words is not None and len(words) != n:
        raise ValueError(f"A sentence of {len(words)} words has lexical scores of {n}; align them.")
    if n == 0 or not np.diff(lex.start).all():
        return []
    w = workspace(n, grammar.best_rules)
    chart = fill_chart(n, *lex, grammar.best_rules, w, math.inf, None, None)
    if chart.value == -math.inf:
        return []
    builder = _Builder(grammar)
    found: dict[Tree, Parse] = {}
    for rows in islice(Derivations(grammar, lex, chart, w).ranked(), k if plain is None else PER_TREE * k):
        log_proba, tree = builder.tree(rows, lex, words)
        assert tree is not None
        tree = tree if plain is None else plain(tree)
        found.setdefault(tree, Parse(log_proba, tree))
        if len(found) == k:
            break
    return sorted(found.values(), key=lambda parse: -parse.log_proba)
