"""Trees out of a filled chart: no back-pointers are kept, the best split is searched again where a tree passes.

Of splits and rules of equal value the lowest split wins, then the first rule, so ties are broken in one way.
"""

from typing import NamedTuple

import numpy as np

from featlearn.jit import njit


class Parents(NamedTuple):
    """The binary rules sorted by parent, then as given."""

    start: np.ndarray  # (S + 1,) int64
    left: np.ndarray  # (R,) int32: row of the left child in the workspace
    left_symbol: np.ndarray  # (R,) int32
    right: np.ndarray  # (R,) int32
    weight: np.ndarray  # (R,) float64
    rule: np.ndarray  # (R,) int32: the rule's place in the grammar


@njit(nogil=True, cache=True)
def _present(w, row, i, k):
    """Whether the symbol of a row of ``left`` spans i to k."""
    return w.ends[k, row, i // 64] >> np.uint64(i % 64) & np.uint64(1) != 0


@njit(nogil=True, cache=True, error_model="numpy")
def _best_split(a, i, j, chart, p, w):
    """The value, split and place in ``p`` of the best rule of symbol a over i to j, unary chains aside."""
    best, split, place = -np.inf, -1, -1
    for k in range(i + 1, j):
        first, last = chart.start[j, k], chart.stop[j, k]
        if first == last:
            continue
        for item in range(first, last):
            w.cell[chart.symbol[item]] = chart.values[item]
        for e in range(p.start[a], p.start[a + 1]):
            right = w.cell[p.right[e]]
            if right > -np.inf and _present(w, p.left[e], i, k):
                value = w.left[k * w.ends.shape[1] + p.left[e], i] + (right + p.weight[e])
                if value > best:
                    best, split, place = value, k, e
        for item in range(first, last):
            w.cell[chart.symbol[item]] = -np.inf
    return best, split, place


@njit(nogil=True, cache=True, error_model="numpy")
def _via(a, i, j, chart):
    """The lower end of the best unary chain from symbol a over i to j; -1 if a is not there."""
    for item in range(chart.start[j, i], chart.stop[j, i]):
        if chart.symbol[item] == a:
            return chart.via[item]
    return -1


@njit(nogil=True, cache=True, error_model="numpy")
def best_tree(n, root, chart, p, w):
    """The best tree, in preorder: rows (symbol, lower end of its unary chain, start, end, split, rule).

    Split and rule are -1 for words. Reads the workspace in which the chart was filled last. Empty without a parse.
    """
    nodes = np.empty((2 * n - 1, 6), np.int32)
    if chart.value == -np.inf:
        return nodes[:0]
    w.cell[:] = -np.inf
    stack = np.empty((n + 1, 3), np.int32)
    stack[0, 0], stack[0, 1], stack[0, 2] = root, 0, n
    depth, filled = 1, 0
    while depth > 0:
        depth -= 1
        a, i, j = stack[depth, 0], stack[depth, 1], stack[depth, 2]
        y = _via(a, i, j, chart)
        split, rule = -1, -1
        if j > i + 1:
            _, split, e = _best_split(y, i, j, chart, p, w)
            rule = p.rule[e]
            stack[depth, 0], stack[depth, 1], stack[depth, 2] = p.right[e], split, j
            depth += 1
            stack[depth, 0], stack[depth, 1], stack[depth, 2] = p.left_symbol[e], i, split
            depth += 1
        row = nodes[filled]
        row[0], row[1], row[2], row[3], row[4], row[5] = a, y, i, j, split, rule
        filled += 1
    return nodes[:filled]


@njit(nogil=True, cache=True, error_model="numpy")
def edges(a, i, j, chart, p, w):
    """All ways to make symbol a over i to j by a binary rule: places in ``p``, splits and values."""
    places, splits, values = np.empty(16, np.int64), np.empty(16, np.int64), np.empty(16)
    found = 0
    w.cell[:] = -np.inf
    for k in range(i + 1, j):
        for item in range(chart.start[j, k], chart.stop[j, k]):
            w.cell[chart.symbol[item]] = chart.values[item]
        for e in range(p.start[a], p.start[a + 1]):
            right = w.cell[p.right[e]]
            if right > -np.inf and _present(w, p.left[e], i, k):
                if found == len(places):
                    places = np.concatenate((places, np.empty_like(places)))
                    splits = np.concatenate((splits, np.empty_like(splits)))
                    values = np.concatenate((values, np.empty_like(values)))
                places[found], splits[found] = e, k
                values[found] = w.left[k * w.ends.shape[1] + p.left[e], i] + (right + p.weight[e])
                found += 1
        for item in range(chart.start[j, k], chart.stop[j, k]):
            w.cell[chart.symbol[item]] = -np.inf
    return places[:found], splits[:found], values[:found]
