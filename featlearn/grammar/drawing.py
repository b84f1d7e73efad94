"""Trees drawn with the characters of a terminal: from the root down where the width allows it, or as an outline.

From the root down, words are in the last line, their tags above them, and every other label above the middle of its
children, one level above the highest of them. A subtree owns all columns from its leftmost to its rightmost character,
so nothing overlaps. Wide characters (Chinese, say) count as the two columns that a terminal gives them.
"""

import unicodedata
from typing import NamedTuple

from featlearn.grammar.escapes import escape
from featlearn.grammar.walks import Node, fold, preorder

GAP = 1  # blank columns between neighbors, at least
DEEPEST = 100  # levels of an outline; below, a terminal is full
CONTROL = "".join(map(chr, (*range(32), 127)))


class Placed(NamedTuple):
    """A label or a word on the plane.

    Attributes
    ----------
    text : str
        What is shown.
    columns : int
        Its width.
    center : int
        The column of its middle, from 0 at the left.
    level : int
        0 for a word, 1 for a tag; for any label one more than the highest of its children.
    parent : int
        The place in the list of the label above; -1 for the root.
    span : tuple (label, start, end) or None
        The constituent; None for a word.
    """

    text: str
    columns: int
    center: int
    level: int
    parent: int
    span: tuple[str, int, int] | None


def layout(tree: Node, gap: int = GAP) -> tuple[list[Placed], int]:
    """Where all labels and words go, each after its parent; and how many columns that takes.

    Examples
    --------
    >>> from featlearn.grammar.brackets import parse_tree
    >>> from featlearn.grammar.drawing import layout
    >>> places, width = layout(parse_tree("(NP (DT the) (NN man))"))
    >>> [(place.text, place.center, place.level) for place in places], width
    ([('NP', 3, 2), ('DT', 1, 1), ('the', 1, 0), ('NN', 5, 1), ('man', 5, 0)], 7)
    """
    root = fold(tree, lambda node, blocks: _block(node, blocks, gap), _word_block)
    places: list[Placed] = []
    stack = [(root, root.left, -1)]
    start = 0
    while stack:
        block, center, parent = stack.pop()
        span = None if block.label is None else (block.label, start, start + block.n_words)
        start += block.label is None
        stack.extend((child, center + offset, len(places)) for offset, child in reversed(block.children))
        places.append(Placed(block.text, columns(block.text), center, block.level, parent, span))
    return places, root.left + root.right


class _Block(NamedTuple):
    """A subtree's share of the plane: columns left of its center, and from it on."""

    left: int
    right: int
    text: str
    label: str | None
    level: int
    n_words: int
    children: list  # (columns from its center to the child's, the child's block)


def _word_block(word):
    text = escape(word, CONTROL)
    size = columns(text)
    return _Block(size // 2, size - size // 2, text, None, 0, 1, [])


def _block(tree, blocks, gap):
    text = escape(tree.label, CONTROL)
    size = columns(text)
    centers, start = [], 0
    for block in blocks:
        centers.append(start + block.left)
        start += block.left + block.right + gap
    center = (centers[0] + centers[-1]) // 2
    left, right = max(center, size // 2), max(start - gap - center, size - size // 2)
    children = [(place - center, block) for place, block in zip(centers, blocks)]
    level = 1 + max(block.level for block in blocks)
    return _Block(left, right, text, tree.label, level, sum(block.n_words for block in blocks), children)


def draw(tree: Node, width: int) -> str:
    """The drawing from the root down if it takes at most ``width`` columns, otherwise the outline."""
    if sum(columns(word) + GAP for word in preorder(tree) if isinstance(word, str)) <= width + GAP:
        places, taken = layout(tree)
        if taken <= width:
            return _paint(places, taken)
    return outline(tree)


def columns(text: str) -> int:
    """Columns that a terminal gives to a text: two to a wide character, none to a mark that joins the one before."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.category(c) in ("Mn", "Me", "Cf") else 1 + (unicodedata.east_asian_width(c) in "WF")
        for c in text
    )


def _paint(places: list[Placed], width: int) -> str:
    """A grid of characters: labels in the even lines, bars over the children of each in the odd ones."""
    top = places[0].level
    grid = [[" "] * width for _ in range(2 * top + 1)]
    for place in places[1:]:
        parent = places[place.parent]
        bar, row = 2 * (top - parent.level) + 1, 2 * (top - place.level)
        low, high = sorted((place.center, parent.center))
        grid[bar][low : high + 1] = "_" * (high + 1 - low)
        for line in grid[bar + 1 : row]:
            line[place.center] = "|"
    for place in places:
        row, start = 2 * (top - place.level), place.center - place.columns // 2
        # A wide character fills two cells: the cells after the first hold nothing.
        grid[row][start : start + place.columns] = [place.text] + [""] * (place.columns - 1)
        if place.span:
            grid[row + 1][place.center] = "|"
    return "\n".join("".join(line).rstrip() for line in grid)


def outline(tree: Node) -> str:
    """A line for each tree, indented below its parent; preterminals with their word.

    Examples
    --------
    >>> from featlearn.grammar.brackets import parse_tree
    >>> from featlearn.grammar.drawing import outline
    >>> print(outline(parse_tree("(S (NP (DT the) (NN man)) (VP (VBD slept)))")))
    S
    |-- NP
    |   |-- DT the
    |   `-- NN man
    `-- VP
        `-- VBD slept
    """
    lines = []
    stack: list[tuple[Node | str, str, str, int]] = [(tree, "", "", 0)]
    while stack:
        node, branch, below, depth = stack.pop()
        if isinstance(node, str):
            lines.append(branch + escape(node, CONTROL))
            continue
        label = escape(node.label, CONTROL)
        if node.is_preterminal:
            lines.append(f"{branch}{label} {escape(str(node.children[0]), CONTROL)}")
        elif depth == DEEPEST:
            lines.append(f"{branch}{label} ...")
        else:
            lines.append(branch + label)
            last = [(node.children[-1], below + "`-- ", below + "    ", depth + 1)]
            others = [(child, below + "|-- ", below + "|   ", depth + 1) for child in node.children[:-1]]
            stack.extend(reversed(others + last))
    return "\n".join(lines)
