"""The k best derivations of a chart, each made only when asked for.

An item (X, i, j) has derivations by a word or a binary rule, and by unary rules. Both lists are lazy:

    rules of X    a heap over (rule, split, rank of left, rank of right); taking one puts in (l + 1, r) and (l, r + 1)
    X             a heap over the rules of X by rank and, for each unary rule X -> Z, the derivations of Z over the same
                  words by rank; taking rank r puts in rank r + 1

Unary rules may form cycles: a derivation of X may hold others of X. Each is better than what holds it, or as good and
found before, so rank r of X never waits for itself; only the first, which waits for none, is read off the chart.

Papers: Huang & Chiang (2005), "Better k-best parsing", algorithm 3; Jimenez & Marzal (1999), "Computing the k shortest
paths: a new algorithm and an experimental comparison" (cycles).
"""

import heapq
import math
from collections import defaultdict
from collections.abc import Generator, Iterator
from itertools import count
from typing import Any

from featlearn.kernels.parsing.chart_trees import edges


class _Lazy:
    """Derivations found so far, and what may come next: None before that was looked at."""

    __slots__ = ("ahead", "found", "last", "seen")

    def __init__(self) -> None:
        self.found: list[tuple] = []
        self.ahead: Any = None
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
            if lex.value[e] > -math.inf
        }
        self.unary = defaultdict(list)  # (child, rule, log p) by parent
        for rule, ((x, y), value) in enumerate(
            zip(grammar.unary.tolist(), grammar.unary_log_proba.tolist(), strict=True)
        ):
            self.unary[x].append((y, rule, value))
        self.cells: dict[tuple[int, int], tuple[dict[int, float], dict[int, int]]] = {}
        self.by_rule: dict[tuple[int, int, int], _Lazy] = {}
        self.by_item: dict[tuple[int, int, int], _Lazy] = {}

    def ranked(self) -> Iterator[list]:
        """The rows (labels of the chain, its log p, symbol, start, rule) in preorder of each derivation, best first."""
        root = (self.grammar.start, 0, self.n)
        for rank in count():
            if _run(self._derived(root, rank)) is None:
                return
            yield self._rows(root, rank)

    def _cell(self, i: int, j: int) -> tuple[dict[int, float], dict[int, int]]:
        """By symbol, the Viterbi values of a cell, and the lower ends of the best unary chains."""
        if (i, j) not in self.cells:
            first, last = self.chart.start[j, i], self.chart.stop[j, i]
            symbols = self.chart.symbol[first:last].tolist()
            values, ends = self.chart.values[first:last].tolist(), self.chart.via[first:last].tolist()
            self.cells[i, j] = dict(zip(symbols, values, strict=True)), dict(zip(symbols, ends, strict=True))
        return self.cells[i, j]

    def _ruled(self, item, rank: int):
        """The derivation of that rank by a word or a binary rule, (log p, split, place, left, right), or None."""
        y, i, j = item
        lazy = self.by_rule.get(item)
        if lazy is None:
            lazy = self.by_rule[item] = _Lazy()
            if j == i + 1:
                lazy.ahead = [(-self.words[y, i], -1, -1, 0, 0)] if (y, i) in self.words else []
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
                    children = (
                        ((int(self.parents.left_symbol[place]), i, split), l),
                        ((int(self.parents.right[place]), split, j), r),
                    )
                    values = []
                    for child, below in children:
                        found = self._item(child).found  # asked here first: a task for each would take long
                        values.append(-found[below][0] if below < len(found) else (yield self._derived(child, below)))
                    if None not in values:
                        value = values[0] + (values[1] + float(self.parents.weight[place]))
                        heapq.heappush(lazy.ahead, (-value, split, place, l, r))
            if not lazy.ahead:
                return None
            lazy.last = heapq.heappop(lazy.ahead)
            lazy.found.append(lazy.last)
        return -lazy.found[rank][0]

    def _item(self, item) -> _Lazy:
        """The derivations of an item, the best of which is known from the chart; entries (-log p, rule, child, rank).

        The rule is unary, and the rank that of its child; or -1 and X itself, ranked among its words and binary rules.
        """
        if item in self.by_item:
            return self.by_item[item]
        x, i, j = item
        values, ends = self._cell(i, j)
        lazy = self.by_item[item] = _Lazy()
        if x in values:
            # Down the best chain as far as symbols are new: what a first derivation holds was settled before it.
            for rule in self.grammar.chain(x, ends[x]):
                y, z = self.grammar.unary[rule].tolist()
                lazy.found = [(-values[y], rule, z, 0)]
                if (z, i, j) in self.by_item:
                    return self.by_item[item]
                lazy = self.by_item[z, i, j] = _Lazy()
            lazy.found = [(-values[ends[x]], -1, ends[x], 0)]
        return self.by_item[item]

    def _derived(self, item, rank: int):
        """The log-probability of the derivation of that rank, or None."""
        lazy = self._item(item)
        if not lazy.found:
            return None
        x, i, j = item
        while len(lazy.found) <= rank:
            if lazy.ahead is None:
                _, first, _, _ = lazy.last = lazy.found[0]
                values, _ = self._cell(i, j)
                lazy.ahead = [
                    (-(weight + values[z]), rule, z, 0)
                    for z, rule, weight in self.unary[x]
                    if z in values and rule != first
                ]
                if first >= 0:
                    value = yield self._ruled(item, 0)
                    if value is not None:
                        lazy.ahead.append((-value, -1, x, 0))
                heapq.heapify(lazy.ahead)
            if lazy.last is not None:
                _, rule, z, below = lazy.last
                lazy.last = None
                if rule < 0:
                    value = yield self._ruled(item, below + 1)
                else:
                    value = yield self._derived((z, i, j), below + 1)
                    value = None if value is None else value + float(self.grammar.unary_log_proba[rule])
                if value is not None:
                    heapq.heappush(lazy.ahead, (-value, rule, z, below + 1))
            if not lazy.ahead:
                return None
            lazy.last = heapq.heappop(lazy.ahead)
            lazy.found.append(lazy.last)
        return -lazy.found[rank][0]

    def _rows(self, root, rank: int) -> list:
        rows, stack = [], [(root, rank)]
        symbols, log_proba = self.grammar.symbols, self.grammar.unary_log_proba
        while stack:
            (x, i, j), rank = stack.pop()
            rules = []
            while True:
                found = self._item((x, i, j)).found
                if rank >= len(found):
                    _run(self._derived((x, i, j), rank))
                _, rule, z, rank = found[rank]
                if rule < 0:
                    break
                rules.append((rule, symbols[x]))
                x = z
            if (x, i, j) not in self.by_rule:  # the best of children is taken unseen until here
                _run(self._ruled((x, i, j), rank))
            _, split, place, left, right = self.by_rule[x, i, j].found[rank]
            labels = [label for _, label in reversed(rules)]
            log_p = math.fsum(log_proba[rule] for rule, _ in rules)
            rows.append((labels, log_p, x, i, int(self.parents.rule[place]) if place >= 0 else -1))
            if place >= 0:
                stack.append(((int(self.parents.right[place]), split, j), right))
                stack.append(((int(self.parents.left_symbol[place]), i, split), left))
        return rows
