"""The chart's rows and masks against NumPy, and the chart itself against a recursion with dictionaries.

Also tests featlearn.kernels.parsing.chart_rows and featlearn.kernels.parsing.outside.
"""

import numpy as np
import pytest
from numba import njit

from featlearn.kernels.parsing.chart_rows import LANES, combine_row, dot_row, lowest_bit, padded, words
from featlearn.kernels.parsing.inside import Rules, fill_chart, workspace
from featlearn.kernels.parsing.outside import allow, expect


@njit
def _combine(target, t, source, s, c, blocks, fresh, summed):
    combine_row(target, t, source, s, c, blocks, fresh, summed)


@njit
def _dot(a, s, b, t, blocks):
    return dot_row(a, s, b, t, blocks)


@njit
def _lowest(mask):
    return lowest_bit(mask)


@pytest.mark.parametrize("blocks", [0, 1, 2, 5])
@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("summed", [None, True])
def test_combine_row(blocks, fresh, summed):
    rng = np.random.default_rng(blocks)
    target, source = rng.normal(size=(4, 48)), rng.normal(size=(3, 40))
    source[1, ::3] = -np.inf if summed is None else 0.0
    expected, n = target.copy(), LANES * blocks
    terms = source[1, :n] - 0.3 if summed is None else source[1, :n] * -0.3
    if not fresh:
        terms = np.maximum(target[2, :n], terms) if summed is None else target[2, :n] + terms
    expected[2, :n] = terms
    _combine(target, 2, source, 1, -0.3, blocks, fresh, summed)
    np.testing.assert_allclose(target, expected, rtol=1e-15)


@pytest.mark.parametrize("blocks", [0, 1, 4])
def test_dot_row(blocks):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(3, 40)), rng.normal(size=(5, 32))
    assert _dot(a, 2, b, 3, blocks) == pytest.approx(a[2, : 8 * blocks] @ b[3, : 8 * blocks], rel=1e-13)


def test_bits_and_sizes():
    for place in (0, 1, 31, 32, 63):
        assert _lowest(np.uint64(1) << np.uint64(place) | np.uint64(1) << np.uint64(63)) == place
    assert [padded(n) for n in (0, 1, 8, 9)] == [0, 8, 8, 16]
    assert [words(n) for n in (1, 64, 65)] == [1, 1, 2]


@pytest.mark.parametrize("lanes", [padded, words])
def test_compiled_only_functions_say_so(lanes):
    assert isinstance(lanes(3), int)
    with pytest.raises((TypeError, NotImplementedError)):
        combine_row(np.zeros((1, 8)), 0, np.zeros((1, 8)), 0, 1.0, 1, True, None)


def tables(binary, weights, S, root=0, predicted=()):
    """Rules of the kernel without unary rules."""
    binary, weights = np.array(binary), np.array(weights, float)
    order = np.lexsort((binary[:, 1], binary[:, 2]))
    left_id = np.full(S, -1, np.int32)
    lefts = np.unique(binary[:, 1])
    left_id[lefts] = np.arange(len(lefts))
    flags = np.zeros(S, bool)
    flags[list(predicted)] = True
    zeros, empty = np.zeros(S + 1, np.int64), np.zeros(0)
    columns = [np.ascontiguousarray(binary[order, c], np.int32) for c in range(3)]
    weights, up, group = weights[order], empty.astype(np.int32), np.arange(S, dtype=np.int32)
    return Rules(root, left_id, columns[2], left_id[columns[1]], columns[0], weights, zeros, up, empty, flags, group)


def leaves(n, symbols, value):
    start = np.arange(n + 1) * len(symbols)
    return start, np.tile(np.array(symbols, np.int32), n), np.full(n * len(symbols), value)


@pytest.mark.parametrize("n", [1, 8, 9, 20, 64, 66])
def test_all_binary_trees_are_counted(n):
    rules = tables([[0, 0, 0]], [1.0], 1)
    catalan = [1.0]
    for m in range(n - 1):
        catalan.append(catalan[-1] * 2 * (2 * m + 1) / (m + 2))
    chart = fill_chart(n, *leaves(n, [0], 1.0), rules, workspace(n, rules), np.inf, None, True)
    assert chart.value == pytest.approx(catalan[n - 1], rel=1e-12)
    best = fill_chart(n, *leaves(n, [0], -2.0), tables([[0, 0, 0]], [-1.0], 1), workspace(n, rules), np.inf, None, None)
    assert best.value == -(n - 1) - 2.0 * n


def test_a_workspace_serves_sentences_of_all_lengths_and_remembers_nothing():
    rules = tables([[0, 1, 2], [2, 1, 2], [2, 1, 1], [0, 1, 1]], [-1.0, -0.5, -0.25, -3.0], 3, predicted=[2])
    shared = workspace(70, rules)
    for n in (70, 2, 65, 3, 9, 70):
        once = fill_chart(n, *leaves(n, [1], -0.1), rules, workspace(n, rules), np.inf, None, None)
        again = fill_chart(n, *leaves(n, [1], -0.1), rules, shared, np.inf, None, None)
        assert once.value == again.value
        assert once.value == pytest.approx(-3.0 - 0.2 if n == 2 else -1.0 - 0.5 * (n - 3) - 0.25 - 0.1 * n)


def test_predicted_symbols_are_made_only_where_they_are_asked_for():
    # 2 is asked for after a 1 alone, and word 0 is no 1: nothing that starts at 1 may be a 2
    binary, weights = [[0, 1, 2], [2, 3, 3]], [-1.0, -1.0]
    word = np.arange(4), np.array([1, 3, 3], np.int32), np.zeros(3)
    other = np.arange(4), np.array([3, 3, 3], np.int32), np.zeros(3)
    for predicted, made in (([2], 1), ([], 2)):
        rules = tables(binary, weights, 4, predicted=predicted)
        assert fill_chart(3, *word, rules, workspace(3, rules), np.inf, None, None).value == -2.0
        chart = fill_chart(3, *other, rules, workspace(3, rules), np.inf, None, None)
        items = sum(chart.stop[j, k] - chart.start[j, k] for j in range(1, 4) for k in range(j))
        assert (chart.value, items) == (-np.inf, 3 + (0 if made == 1 else 2))


def test_masks_of_posteriors_keep_what_they_must():
    rules = tables([[0, 0, 0], [0, 1, 0]], [0.6, 0.4], 2)
    n, w = 6, None
    word = leaves(n, [0, 1], 0.5)
    w = workspace(n, rules)
    chart = fill_chart(n, *word, rules, w, np.inf, None, True)
    none = np.zeros(3, np.int64), np.zeros(0, np.int32), np.zeros(0)
    binary, unary, posterior, items = expect(n, chart, *word, rules, w, *none)
    assert binary.sum() == pytest.approx(n - 1)
    assert len(unary) == 0
    assert posterior.reshape(n, 2).sum(axis=1) == pytest.approx(np.ones(n))
    masks = allow(n, chart, items, 0.3, 2, words(n))
    for j in range(1, n + 1):
        for k in range(j):
            for item in range(chart.start[j, k], chart.stop[j, k]):
                kept = bool(int(masks[j, chart.symbol[item], 0]) >> k & 1)
                assert kept == (items[item] >= 0.3)
    assert int(masks[n, 0, 0]) & 1
