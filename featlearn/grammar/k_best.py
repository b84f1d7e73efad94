"""The k best derivations of a chart, each made only when asked for.

An item (X, i, j) has derivations through unary chains X => Y over a word or a binary rule of Y. Both lists are lazy:

    rules of Y    a heap over (rule, split, rank of left, rank of right); taking one puts in (l + 1, r) and (l, r + 1)
    chains of X   best-first over chains without repeated symbols; the Viterbi value of the chain's end bounds from
                  above what it can become, so the first that ends is the best

Paper: Huang & Chiang (2005), "Better k-best parsing", algorithm 3.
"""

import heapq
import math
from collections import defaultdict
from collections.abc import Generator, Iterator
from itertools import count
from typing import Any

from featlearn.kernels.chart_trees import edges


class _Lazy:
    """Derivations found so far, and what may come next."""

    __slots__ = ("ahead", "found", "last", "seen")

    def __init__(self, ahead: list):
        self.found: list[tuple] = []
        self.ahead = ahead
        self.last: Any = None
        self.seen: set = set()


def _run(task: Generator) -> Any:
    """Run tasks that yield the tasks they wait for, without Python's stack."""
    stack, value = [task], None
    while stack:
        try:
            stack.append(stack[-1].send(value))
            value = None
        except StopIteration as stop:
            stack.pop()
            value = stop.value
    return value


class Derivations:
    """The derivations of one sentence's Viterbi chart, best first."""

    def __init__(self, grammar, lex, chart, w):
        self.grammar, self.chart, self.w = grammar, chart, w
        self.parents = grammar.parents
        self.n = len(lex.start) - 1
        self.words = {
            (int(lex.symbol[e]), i): float(lex.value[e])
            for i in range(self.n)
            for e in range(lex.start[i], lex.start[i + 1])
        }
        self.unary = defaultdict(list)  # (child, rule, log p) by parent
        for rule, ((x, y), value) in enumerate(
            zip(grammar.unary.tolist(), grammar.unary_log_proba.tolist(), strict=True)
        ):
            self.unary[x].append((y, rule, value))
        self.cells: dict[tuple[int, int], dict[int, float]] = {}
        self.by_rule: dict[tuple[int, int, int], _Lazy] = {}
        self.by_chain: dict[tuple[int, int, int], _Lazy] = {}

    def ranked(self) -> Iterator[list]:
        """The rows (labels of the chain, its log p, symbol, start, rule) in preorder of each derivation, best first."""
        root = (self.grammar.start, 0, self.n)
        for rank in count():
            if _run(self._chained(root, rank)) is None:
                return
            yield self._rows(root, rank)

    def _cell(self, i: int, j: int) -> dict[int, float]:
        """The Viterbi values of a cell."""
        if (i, j) not in self.cells:
            first, last = self.chart.start[j, i], self.chart.stop[j, i]
            symbols, values = self.chart.symbol[first:last].tolist(), self.chart.values[first:last].tolist()
            self.cells[i, j] = dict(zip(symbols, values, strict=True))
        return self.cells[i, j]

    def _ruled(self, item, rank: int):
        """The derivation of that rank by a word or a binary rule, (log p, split, place, left, right), or None."""
        y, i, j = item
        lazy = self.by_rule.get(item)
        if lazy is None:
            lazy = self.by_rule[item] = _Lazy([])
            if j == i + 1:
                if (y, i) in self.words:
                    lazy.ahead = [(-self.words[y, i], -1, -1, 0, 0)]
            else:
                places, splits, values = edges(y, i, j, self.chart, self.parents, self.w)
                lazy.ahead = [
                    (-v, s, p, 0, 0) for v, s, p in zip(values.tolist(), splits.tolist(), places.tolist(), strict=True)
                ]
                heapq.heapify(lazy.ahead)
        while len(lazy.found) <= rank:
            if lazy.last is not None:
                _, split, place, left, right = lazy.last
                lazy.last = None
                for l, r in ((left + 1, right), (left, right + 1)) if place >= 0 else ():
                    if (split, place, l, r) in lazy.seen:
                        continue
                    lazy.seen.add((split, place, l, r))
                    a = yield self._chained((int(self.parents.left_symbol[place]), i, split), l)
                    b = yield self._chained((int(self.parents.right[place]), split, j), r)
                    if a is not None and b is not None:
                        value = a + (b + float(self.parents.weight[place]))
                        heapq.heappush(lazy.ahead, (-value, split, place, l, r))
            if not lazy.ahead:
                return None
            lazy.last = heapq.heappop(lazy.ahead)
            lazy.found.append(lazy.last)
        return -lazy.found[rank][0]

    def _chained(self, item, rank: int):
        """The log-probability of the derivation of that rank, unary chains and all, or None."""
        x, i, j = item
        cell = self._cell(i, j)
        lazy = self.by_chain.get(item)
        if lazy is None:  # entries: (-bound, order, log p of the chain, its rules, its symbols, rank or -1 if open)
            start = [(-cell[x], 0, 0.0, (), (x,), -1)] if x in cell else []
            lazy = self.by_chain[item] = _Lazy(start)
        pushed = len(lazy.ahead) + 2 * len(lazy.found) + 1
        while len(lazy.found) <= rank:
            if lazy.last is not None:
                _, _, log_p, rules, symbols, below = lazy.last
                lazy.last = None
                value = yield self._ruled((symbols[-1], i, j), below + 1)
                if value is not None:
                    pushed += 1
                    heapq.heappush(lazy.ahead, (-(log_p + value), pushed, log_p, rules, symbols, below + 1))
            if not lazy.ahead:
                return None
            entry = heapq.heappop(lazy.ahead)
            _, _, log_p, rules, symbols, below = entry
            if below >= 0:
                lazy.found.append(entry)
                lazy.last = entry
                continue
            value = yield self._ruled((symbols[-1], i, j), 0)
            if value is not None:
                pushed += 1
                heapq.heappush(lazy.ahead, (-(log_p + value), pushed, log_p, rules, symbols, 0))
            for z, rule, weight in self.unary[symbols[-1]]:
                if z in cell and z not in symbols:
                    pushed += 1
                    bound = log_p + weight + cell[z]
                    heapq.heappush(lazy.ahead, (-bound, pushed, log_p + weight, (*rules, rule), (*symbols, z), -1))
        return -lazy.found[rank][0]

    def _rows(self, root, rank: int) -> list:
        rows, stack = [], [(root, rank)]
        symbols, unary = self.grammar.symbols, self.grammar.unary
        while stack:
            (x, i, j), rank = stack.pop()
            _run(self._chained((x, i, j), rank))  # best children are taken unseen until here
            _, _, _, rules, chain, below = self.by_chain[x, i, j].found[rank]
            y = chain[-1]
            _, split, place, left, right = self.by_rule[y, i, j].found[below]
            labels = [symbols[unary[rule, 0]] for rule in reversed(rules)]
            log_p = math.fsum(self.grammar.unary_log_proba[rule] for rule in rules)
            rows.append((labels, log_p, y, i, int(self.parents.rule[place]) if place >= 0 else -1))
            if place >= 0:
                stack.append(((int(self.parents.right[place]), split, j), right))
                stack.append(((int(self.parents.left_symbol[place]), i, split), left))
        return rows
