"""One chart recursion over semirings: Viterbi (max, +) in log space, inside (+, x) on scaled numbers, counts (+, x).

    v(A, i, j) = (+) over rules A -> B C and splits i < k < j of   w(A -> B C) (x) v(B, i, k) (x) v(C, k, j)

for a sentence of n words, S symbols and R binary rules, with lexical values v(A, i, i + 1) given from outside. Unary
rules enter by their closure u(X, Y), the value of all chains X => Y, so they may form cycles:

    v(X, i, j) := v(X, i, j) (+) (+)_Y u(X, Y) (x) v(Y, i, j)

The chart is filled by columns: for each end j, starts k go down from j - 1. Once the cell (k, j) is known, each symbol
C in it extends every item that ends at k to the left, for all starts i at once,

    acc[A, :k] := acc[A, :k] (+) left[k, B, :k] (x) (w (x) v(C, k, j))

one vector instruction for eight starts (`combine_row`). What is present is kept in bit masks over starts, 64 in a word:
``ends[k, B]`` are the starts of the B that end at k.

Filter, exact (the top-down step of Earley, 1970): a rule A -> B C is active at k if a B ends at k where A can start; a
symbol that is never a left child, never in a unary rule and not the root (an intermediate symbol of a right-factored
grammar) is made at k only if one of its rules is active there. It leaves a third of the items of a treebank grammar.

Values are float64 throughout, and equal inputs give equal charts: there is no threshold unless ``beam`` or ``allowed``
is given. ``summed`` is None for (max, +) and True for (+, x); the compiler keeps only the branch taken.
"""

from typing import NamedTuple

import numpy as np

from featlearn.jit import njit
from featlearn.kernels.parsing.chart_rows import ALL, LANES, combine_row, lowest_bit, padded, words


class Rules(NamedTuple):
    """A grammar as the recursion reads it: binary rules sorted by right child, and the closure of the unary rules."""

    root: int
    left_id: np.ndarray  # (S,) int32: the row of a symbol that is a left child; -1 for others
    right: np.ndarray  # (R,) int32: the right child
    left: np.ndarray  # (R,) int32: row of the left child
    parent: np.ndarray  # (R,) int32
    weight: np.ndarray  # (R,) float64
    up_start: np.ndarray  # (S + 1,) int64: closure of symbol y, likewise
    up_symbol: np.ndarray  # int32: the X of u(X, y)
    up_weight: np.ndarray  # float64
    predicted: np.ndarray  # (S,) bool: made only where a rule asks for it
    group: np.ndarray  # (S,) int32: the row of a symbol in ``allowed``


class Workspace(NamedTuple):
    """Memory that sentences of up to n words share; one for each thread."""

    left: np.ndarray  # ((n + 1) n_left, padded n): values of what ends at k, by symbol and start
    ends: np.ndarray  # (n + 1, n_left, words) uint64: which of them are there
    acc: np.ndarray  # (S, padded n): the column under way, by slot and start
    slot: np.ndarray  # (S,) int32: the row of a symbol in acc; -1 for none. Rows in use lie together, for the cache
    touched: np.ndarray  # (S,) int32: the symbols that have one, by row
    seen: np.ndarray  # (S, words) uint64: starts already in a bucket, or not allowed
    bucket: np.ndarray  # (n + 1, S) int32: the symbols of the column's cell at each start
    cell: np.ndarray  # (S,): values of the cell under way; zero of the semiring elsewhere
    inside: np.ndarray  # (S,) int32: its symbols
    own: np.ndarray  # (S,): their values without unary rules
    via: np.ndarray  # (S,) int32: the lower end of the best unary chain
    active_start: np.ndarray  # (n + 1, S) int32: the first of the rules active at k with a right child
    active_stop: np.ndarray  # (n + 1, S) int32: one past the last
    active: np.ndarray  # (n + 1, R) int32
    active_mask: np.ndarray  # (n + 1, R, words) uint64: starts that an active rule may give its parent


class Chart(NamedTuple):
    """What the recursion found: items cell by cell, each cell in the order its symbols came up."""

    value: float  # of the root over the whole sentence
    start: np.ndarray  # (n + 1, n + 1) int64: first item of the cell (k, j) at [j, k]
    stop: np.ndarray  # likewise, one past the last
    symbol: np.ndarray  # (n_items or more,) int32
    values: np.ndarray  # (n_items or more,) float64
    via: np.ndarray  # (n_items or more,) int32: the symbol at the lower end of the unary chain; itself without a chain


def _table(rows: int, n: int) -> np.ndarray:
    """Room for rows of n numbers, an odd number of cache lines apart: at even distances they share few places."""
    lines = padded(n) // LANES | 1
    room = np.empty(rows * lines * LANES + LANES)
    first = -room.ctypes.data // 8 % LANES
    return room[first : first + rows * lines * LANES].reshape(rows, lines * LANES)


def workspace(n: int, rules: Rules) -> Workspace:
    """Fresh memory for sentences of up to n words."""
    S, R = len(rules.left_id), len(rules.parent)
    n_left, w = int(rules.left_id.max(initial=-1)) + 1, words(n)
    return Workspace(
        left=_table((n + 1) * n_left, n),
        ends=np.empty((n + 1, n_left, w), np.uint64),
        acc=_table(S, n),
        seen=np.zeros((S, w), np.uint64),
        slot=np.empty(S, np.int32),
        touched=np.empty(S, np.int32),
        bucket=np.empty((n + 1, S), np.int32),
        cell=np.empty(S),
        inside=np.empty(S, np.int32),
        own=np.empty(S),
        via=np.empty(S, np.int32),
        active_start=np.empty((n + 1, S), np.int32),
        active_stop=np.empty((n + 1, S), np.int32),
        active=np.empty((n + 1, R), np.int32),
        active_mask=np.empty((n + 1, R, w), np.uint64),
    )


@njit(nogil=True, cache=True)
def _longer(array, length):
    """A copy with room for at least ``length`` numbers."""
    grown = np.empty(max(length, 2 * len(array)), array.dtype)
    grown[: len(array)] = array
    return grown


@njit(nogil=True, cache=True, error_model="numpy")
def _activate(j, g, w, may_start):
    """List the rules active at j by right child, and let the symbols they predict start there."""
    n_words, word, bit = may_start.shape[1], j // 64, np.uint64(1) << np.uint64(j % 64)
    right, left, parent = g.right, g.left, g.parent
    ends, start, stop, active, active_mask = w.ends, w.active_start, w.active_stop, w.active, w.active_mask
    filled, none = 0, np.uint64(0)
    for rule in range(len(right)):  # without a branch: whether a rule is active cannot be foretold
        some = none
        for q in range(n_words):
            mask = ends[j, left[rule], q] & may_start[parent[rule], q]
            active_mask[j, filled, q] = mask
            some |= mask
        active[j, filled] = rule
        filled += some != none
    start[j, :] = 0
    stop[j, :] = 0
    for e in range(filled):
        c = right[active[j, e]]
        if stop[j, c] == 0:
            start[j, c] = e
            may_start[c, word] |= bit
        stop[j, c] = e + 1


@njit(nogil=True, cache=True, error_model="numpy")
def _close(m, up_start, up_symbol, up_weight, own, cell, inside, lowest, summed):
    """Add what unary chains make of the m symbols of a cell, whose own values stand in ``own``; returns the new m."""
    for q in range(m):
        y = inside[q]
        value = own[q]
        for e in range(up_start[y], up_start[y + 1]):
            x = up_symbol[e]
            if lowest[x] < 0:
                inside[m] = x
                lowest[x] = x
                m += 1
            if summed is None:
                through = value + up_weight[e]
                if through > cell[x]:
                    cell[x] = through
                    lowest[x] = y
            else:
                cell[x] += value * up_weight[e]
    return m


@njit(nogil=True, cache=True, error_model="numpy")
def _push(a, new, first, bucket, in_bucket):
    """Put symbol a into the bucket of each start whose bit is set, counted from ``first``."""
    while new != np.uint64(0):
        i = lowest_bit(new) + first  # type: ignore[call-arg]
        bucket[i, in_bucket[i]] = a
        in_bucket[i] += 1
        new &= new - np.uint64(1)


@njit(nogil=True, cache=True, error_model="numpy")
def fill_chart(n, word_start, word_symbol, word_value, g, w, beam, allowed, summed):
    """The chart of one sentence.

    ``word_symbol[word_start[i]:word_start[i + 1]]`` and ``word_value`` are the symbols of word i and their values.
    ``beam`` drops items that are worse than the best of their cell by more (inf: none). ``allowed`` is None or
    (n + 1, groups, words) uint64: the starts that items of a group may have that end at j.
    """
    one, none = np.uint64(1), np.uint64(0)
    zero = -np.inf if summed is None else 0.0
    n_left, n_words, S = w.ends.shape[1], w.ends.shape[2], len(g.left_id)
    # Bound once: each time a field is taken from a tuple, its references are counted.
    left_id, left, parent, weight, group, root = g.left_id, g.left, g.parent, g.weight, g.group, g.root
    up_start, up_symbol, up_weight = g.up_start, g.up_symbol, g.up_weight
    table, ends, acc, seen, slot, touched, bucket = w.left, w.ends, w.acc, w.seen, w.slot, w.touched, w.bucket
    cell, own, inside, lowest = w.cell, w.own, w.inside, w.via
    active_start, active_stop, active, active_mask = w.active_start, w.active_stop, w.active, w.active_mask
    may_start = np.empty((S, n_words), np.uint64)
    for a in range(S):
        may_start[a] = none if g.predicted[a] else ALL
    cell[:] = zero
    lowest[:] = -1
    seen[:] = none
    slot[:] = -1
    ends[: n + 1] = none
    in_bucket = np.zeros(n + 1, np.int64)
    start, stop = np.zeros((n + 1, n + 1), np.int64), np.zeros((n + 1, n + 1), np.int64)
    symbol, values, via = np.empty(8192, np.int32), np.empty(8192), np.empty(8192, np.int32)
    items, result = 0, zero
    for j in range(1, n + 1):
        n_touched = 0
        if allowed is not None:
            for a in range(S):
                for q in range(n_words):
                    seen[a, q] = ~allowed[j, group[a], q]
        for k in range(j - 1, -1, -1):
            word, bit = k // 64, one << np.uint64(k % 64)
            if k == j - 1:
                m = 0
                for e in range(word_start[k], word_start[k + 1]):
                    a = word_symbol[e]
                    if seen[a, word] & bit or not (may_start[a, word] & bit) or word_value[e] == zero:
                        continue
                    inside[m] = a
                    own[m] = word_value[e]
                    m += 1
            else:
                m = in_bucket[k]
                in_bucket[k] = 0
                for q in range(m):
                    inside[q] = bucket[k, q]
                    own[q] = acc[slot[bucket[k, q]], k]
            for q in range(m):
                a = inside[q]
                cell[a] = own[q]
                lowest[a] = a
            m = _close(m, up_start, up_symbol, up_weight, own, cell, inside, lowest, summed)
            floor = zero
            if beam < np.inf:
                for q in range(m):
                    floor = max(floor, cell[inside[q]])
                floor = floor - beam if summed is None else floor * np.exp(-beam)
            if items + m > len(symbol):
                symbol, values = _longer(symbol, items + m), _longer(values, items + m)
                via = _longer(via, items + m)
            start[j, k] = items
            if k == 0 and j == n:
                result = cell[root]
            blocks = (k + 7) // 8
            for q in range(m):
                c = inside[q]
                value, below = cell[c], lowest[c]
                cell[c] = zero
                lowest[c] = -1
                if not (c == root and k == 0 and j == n):
                    if value < floor:
                        continue
                    if allowed is not None and not (allowed[j, group[c], word] & bit):
                        continue
                symbol[items], values[items], via[items] = c, value, below
                items += 1
                row = left_id[c]
                if row >= 0:
                    fresh = True
                    for s in range(n_words):
                        fresh &= ends[j, row, s] == none
                    if fresh:
                        table[j * n_left + row, : padded_row(j)] = zero
                    table[j * n_left + row, k] = value
                    ends[j, row, word] |= bit
                if k == 0:
                    continue
                for e in range(active_start[k, c], active_stop[k, c]):
                    rule = active[k, e]
                    a = parent[rule]
                    wanted = True
                    if allowed is not None:
                        some = none
                        for s in range(n_words):
                            some |= active_mask[k, e, s] & allowed[j, group[a], s]
                        wanted = some != none
                    if not wanted:
                        continue
                    carried = value + weight[rule] if summed is None else value * weight[rule]
                    fresh = slot[a] < 0
                    if fresh:
                        slot[a] = n_touched
                        touched[n_touched] = a
                        n_touched += 1
                    combine_row(acc, slot[a], table, k * n_left + left[rule], carried, blocks, fresh, summed)  # type: ignore[call-arg]
                    new = active_mask[k, e, 0] & ~seen[a, 0]
                    if new != none:
                        seen[a, 0] |= new
                        _push(a, new, 0, bucket, in_bucket)
                    for s in range(1, n_words):
                        new = active_mask[k, e, s] & ~seen[a, s]
                        if new != none:
                            seen[a, s] |= new
                            _push(a, new, 64 * s, bucket, in_bucket)
            stop[j, k] = items
        for q in range(n_touched):
            a = touched[q]
            slot[a] = -1
            seen[a] = none
        if j < n:
            _activate(j, g, w, may_start)
    return Chart(result, start, stop, symbol, values, via)


@njit(nogil=True, cache=True)
def padded_row(n):
    """Numbers in the vectors that hold n."""
    return (n + 7) // 8 * 8
