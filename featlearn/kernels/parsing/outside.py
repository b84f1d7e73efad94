"""Outside values and expected counts of rules: the second half of inside-outside, column by column backwards.

With inside values b(A, i, j) of a chart and Z = b(root, 0, n), the outside values are

    o(B, i, k) = sum over A -> B C, j   a(A, i, j) w b(C, k, j)
    o(C, k, j) = sum over A -> B C, i   a(A, i, j) w b(B, i, k),        o(root, 0, n) = 1
    a(Y, i, j) = o(Y, i, j) + sum_X u(X, Y) o(X, i, j)

with the closure u of the unary rules, and what is expected in a tree of the sentence is

    A -> B C   sum over i < k < j of a(A, i, j) w b(B, i, k) b(C, k, j) / Z
    X -> Y     sum over i < j     of a(X, i, j) w b(Y, i, j) / Z
    (A, i)     a(A, i, i + 1) (value of word i) / Z

Columns j go down and starts k up, so that whatever a cell depends on is complete: rows over starts, as in `chart`.

Paper: Lari & Young (1990), "The estimation of stochastic context-free grammars using the inside-outside algorithm".
"""

import numpy as np

from featlearn.jit import njit
from featlearn.kernels.parsing.chart_rows import combine_row, dot_row


@njit(nogil=True, cache=True, error_model="numpy")
def expect(n, chart, word_start, word_symbol, word_value, g, w, down_start, down_parent, down_weight):
    """Expected counts of the sentence whose inside chart was filled last in the workspace w.

    Unary rules come by child: those of child y have parents ``down_parent[down_start[y]:down_start[y + 1]]`` and
    probabilities ``down_weight``. Returns the counts of binary rules (in the order of g) and of unary rules (in that
    order), the posteriors of the words' symbols, and those of the chart's items.
    """
    binary, unary = np.zeros(len(g.parent)), np.zeros(len(down_parent))
    leaves, posterior = np.zeros(len(word_symbol)), np.zeros(len(chart.symbol))
    outside = np.zeros(w.left.shape)
    touched, above, cell, live = w.touched, w.acc, w.cell, np.zeros(len(g.left_id), np.bool_)
    left_id, left, parent, weight = g.left_id, g.left, g.parent, g.weight
    up_start, up_symbol, up_weight = g.up_start, g.up_symbol, g.up_weight
    start, stop, symbol, values = chart.start, chart.stop, chart.symbol, chart.values
    active_start, active_stop, active = w.active_start, w.active_stop, w.active
    n_left, table = w.ends.shape[1], w.left
    for j in range(n, 0, -1):
        n_touched = 0
        for k in range(j):
            first, last = start[j, k], stop[j, k]
            blocks = (k + 7) // 8
            for item in range(first, last):
                c, value = symbol[item], values[item]
                total = 1.0 if k == 0 and j == n and c == g.root else 0.0
                if left_id[c] >= 0:
                    total += outside[j * n_left + left_id[c], k]
                if k > 0:
                    for e in range(active_start[k, c], active_stop[k, c]):
                        rule = active[k, e]
                        if live[parent[rule]]:
                            row = k * n_left + left[rule]
                            found = dot_row(table, row, above, parent[rule], blocks) * weight[rule]  # type: ignore[call-arg]
                            total += found
                            binary[rule] += found * value
                cell[c] = total
            for item in range(first, last):
                y = symbol[item]
                total = cell[y]
                for e in range(up_start[y], up_start[y + 1]):
                    total += up_weight[e] * cell[up_symbol[e]]
                posterior[item] = total * values[item]
                if total == 0.0:
                    continue
                if not live[y]:
                    live[y] = True
                    touched[n_touched] = y
                    n_touched += 1
                    above[y, :] = 0.0
                above[y, k] = total
            for item in range(first, last):
                cell[symbol[item]] = 0.0
            for item in range(first, last):
                y, value = symbol[item], values[item]
                for e in range(down_start[y], down_start[y + 1]):
                    x = down_parent[e]
                    if live[x]:
                        unary[e] += above[x, k] * down_weight[e] * value
                if k == 0:
                    continue
                for e in range(active_start[k, y], active_stop[k, y]):
                    rule = active[k, e]
                    if live[parent[rule]]:
                        row = k * n_left + left[rule]
                        carried = weight[rule] * value
                        combine_row(outside, row, above, parent[rule], carried, blocks, False, True)  # type: ignore[call-arg]
            if k == j - 1:
                for e in range(word_start[k], word_start[k + 1]):
                    if live[word_symbol[e]]:
                        leaves[e] = above[word_symbol[e], k] * word_value[e]
        for q in range(n_touched):
            live[touched[q]] = False
    return binary / chart.value, unary / chart.value, leaves / chart.value, posterior / chart.value


@njit(nogil=True, cache=True)
def allow(n, chart, posterior, threshold, n_groups, n_words):
    """Masks (n + 1, groups, words) of the starts of items with a posterior of at least ``threshold``, by end."""
    masks = np.zeros((n + 1, n_groups, n_words), np.uint64)
    for j in range(1, n + 1):
        for k in range(j):
            bit = np.uint64(1) << np.uint64(k % 64)
            for item in range(chart.start[j, k], chart.stop[j, k]):
                if posterior[item] >= threshold:
                    masks[j, chart.symbol[item], k // 64] |= bit
    return masks
