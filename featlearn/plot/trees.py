"""Pictures of parse trees: matplotlib, or an SVG file that needs nothing else.

Words stand in the last line with even gaps, tags above them, and any other label above the middle of its children.
Edges run down and across, so they meet no label however wide the tree. Constituents in which trees differ may have a
color of their own.
"""

import html
import os
import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from featlearn.grammar.drawing import Placed, columns, layout
from featlearn.grammar.tree import Tree
from featlearn.persistence import whole_file
from featlearn.plot.curves import pyplot
from featlearn.plot.topic_displays import font_families

BLUE, ORANGE, BLACK, GRAY = "#2f6db5", "#d2601a", "#1a1a1a", "#9aa4ae"
GAP = 2  # blank columns between words
COLUMN, ROW, FONT, MARGIN = 8.0, 40.0, 13, 14.0  # pixels of an SVG
INCHES = COLUMN / 90, 0.42  # of a column and a row of a figure, for letters of POINTS
POINTS, LARGEST = 10.0, 200.0  # and inches of a figure at most, which is about what matplotlib can save
_UNFIT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # what XML cannot hold

Span = tuple[str, int, int]


def differences(trees: Sequence[Tree]) -> list[set[Span]]:
    """Of each tree the constituents (label, start, end) that not all of the trees have, tags included.

    Examples
    --------
    >>> from featlearn.grammar.brackets import parse_trees
    >>> from featlearn.plot.trees import differences
    >>> differences(parse_trees("(X (A (B b) (C c)) (D d)) (X (B b) (A (C c) (D d)))"))
    [{('A', 0, 2)}, {('A', 1, 3)}]
    """
    spans = [set(tree.spans(preterminals=True)) for tree in trees]
    common = set.intersection(*spans) if spans else set()
    return [own - common for own in spans]


def tree_svg(
    tree: Tree, path: str | os.PathLike | None = None, *, title: str | None = None, highlight: Collection[Span] = ()
) -> str:
    """A tree as an SVG picture: text that a browser or an editor of pictures shows.

    Parameters
    ----------
    tree : Tree
        The tree.
    path : path or None, default=None
        Where to write the picture too, whole or not at all.
    title : str or None, default=None
        A line above the tree.
    highlight : collection of (label, start, end), default=()
        Constituents, as `Tree.spans` names them, that are drawn in orange.

    Returns
    -------
    svg : str
        The picture.

    Raises
    ------
    TypeError
        If it is no Tree.
    ValueError
        If the tree has no such constituent.

    Examples
    --------
    >>> from featlearn.grammar.brackets import parse_tree
    >>> from featlearn.plot.trees import tree_svg
    >>> svg = tree_svg(parse_tree("(NP (DT the) (NN man))"))
    >>> svg.startswith("<svg xmlns="), svg.count("<text")
    (True, 5)
    """
    _check_trees([tree], [highlight])
    places, taken = layout(tree, GAP)
    head = 0.0 if title is None else 1.6 * FONT
    width = max(COLUMN * taken, 0 if title is None else COLUMN * columns(title)) + 2 * MARGIN
    indent = MARGIN + (width - 2 * MARGIN - COLUMN * taken) / 2
    x = [indent + COLUMN * place.center for place in places]
    y = [MARGIN + head + ROW * (places[0].level - place.level) + FONT for place in places]
    height = max(y) + 0.4 * FONT + MARGIN
    edges = [
        f"M{x[p.parent]:g} {y[p.parent] + 5:g}V{y[p.parent] + 0.45 * ROW:g}H{x[i]:g}V{y[i] - FONT:g}"
        for i, p in enumerate(places)
        if p.parent >= 0
    ]
    chosen = set(highlight)
    texts = []
    if title is not None:
        texts.append(f'<text x="{width / 2:g}" y="{MARGIN + FONT:g}" font-weight="bold">{_xml(title)}</text>')
    for place, left, base in zip(places, x, y):
        weight = ' font-weight="bold"' if place.span in chosen else ""
        texts.append(
            f'<text x="{left:g}" y="{base:g}" fill="{_color(place, chosen)}"{weight}>{_xml(place.text)}</text>'
        )
    sentence = _xml(" ".join(tree.words()))
    svg = "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
            f'viewBox="0 0 {width:g} {height:g}" role="img">',
            f"<title>{sentence}</title>",
            '<rect width="100%" height="100%" fill="white"/>',
            f'<path d="{"".join(edges)}" fill="none" stroke="{GRAY}" stroke-width="1.2"/>',
            f'<g font-family="DejaVu Sans, Arial, Noto Sans CJK SC, Microsoft YaHei, PingFang SC, sans-serif" '
            f'font-size="{FONT}" text-anchor="middle">',
            *texts,
            "</g>",
            "</svg>",
            "",
        ]
    )
    if path is not None:
        with whole_file(Path(path)) as part:
            part.write_text(svg, encoding="utf-8")
    return svg


def _xml(text):
    return html.escape(_UNFIT.sub("\ufffd", text), quote=False)


def _color(place: Placed, highlight: Collection[Span]) -> str:
    return BLACK if place.span is None else ORANGE if place.span in highlight else BLUE


class TreeDisplay:
    """Trees, one below the other.

    Use `from_tree` or `from_trees` to make one.

    Parameters
    ----------
    trees : list of n_trees Tree
        The trees.
    titles : list of n_trees str or None, default=None
        A line above each.
    highlights : list of n_trees collections of (label, start, end) or None, default=None
        Constituents of each, as `Tree.spans` names them, that are drawn in orange.

    Attributes
    ----------
    texts_ : list of n_trees lists of matplotlib Text
        Labels and words of each tree, those above before those below.
    edges_ : list of n_trees matplotlib LineCollection
        What joins them.
    axes_ : array (n_trees,) of matplotlib Axes
        The panels.
    figure_ : matplotlib Figure
        Figure with the panels.

    See Also
    --------
    tree_svg : The picture as SVG, without matplotlib.

    Examples
    --------
    >>> from featlearn.grammar.brackets import parse_trees
    >>> from featlearn.plot.trees import TreeDisplay
    >>> trees = parse_trees("(X (A (B b) (C c)) (D d)) (X (B b) (A (C c) (D d)))")
    >>> display = TreeDisplay.from_trees(trees, titles=["p = 0.7", "p = 0.3"], differ=True)
    >>> display.highlights
    [{('A', 0, 2)}, {('A', 1, 3)}]
    """

    def __init__(
        self,
        trees: Sequence[Tree],
        *,
        titles: Sequence[str] | None = None,
        highlights: Sequence[Collection[Span]] | None = None,
    ):
        self.trees = trees
        self.titles = titles
        self.highlights = highlights

    @classmethod
    def from_tree(
        cls, tree: Tree, *, title: str | None = None, highlight: Collection[Span] = (), ax: Any = None
    ) -> Self:
        """Draw one tree.

        Parameters
        ----------
        tree : Tree
            The tree.
        title : str or None, default=None
            A line above it: its probability, say.
        highlight : collection of (label, start, end), default=()
            Constituents that are drawn in orange.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure of the size that the tree needs.

        Returns
        -------
        display : TreeDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing.
        TypeError
            If it is no Tree.
        ValueError
            If the tree has no such constituent.
        """
        display = cls([tree], titles=None if title is None else [title], highlights=[highlight])
        return display.plot(None if ax is None else [ax])

    @classmethod
    def from_trees(
        cls, trees: Iterable[Tree], *, titles: Sequence[str] | None = None, differ: bool = False, axes: Any = None
    ) -> Self:
        """Draw trees one below the other: the readings of a sentence, or a parse and the treebank's tree.

        Parameters
        ----------
        trees : iterable of Tree
            The trees.
        titles : list of str or None, default=None
            A line above each.
        differ : bool, default=False
            Whether constituents that not all trees have are drawn in orange.
        axes : sequence of matplotlib Axes or None, default=None
            Where to draw, one for a tree; None makes a figure of the size that the trees need.

        Returns
        -------
        display : TreeDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing.
        TypeError
            If one is no Tree.
        ValueError
            If there is no tree, or another number of titles or axes.
        """
        trees = list(trees)
        _check_trees(trees, None)
        return cls(trees, titles=titles, highlights=differences(trees) if differ else None).plot(axes)

    def plot(self, axes: Any = None) -> Self:
        """Draw the trees.

        Parameters
        ----------
        axes : sequence of matplotlib Axes or None, default=None
            Where to draw, one for a tree; None makes a figure of the size that the trees need.

        Returns
        -------
        self : TreeDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing.
        TypeError
            If one is no Tree.
        ValueError
            If there is no tree, another number of titles, highlights or axes, or a highlight that its tree lacks.
        """
        _check_trees(self.trees, self.highlights)
        for what, given in (("titles", self.titles), ("axes", axes)):
            if given is not None and len(given) != len(self.trees):
                raise ValueError(f"There are {len(self.trees)} trees and {len(given)} {what}; pass one for each tree.")
        plt = pyplot("TreeDisplay")
        plans = [layout(tree, GAP) for tree in self.trees]
        if axes is None:
            heights = [_rows(places, self.titles) for places, _ in plans]
            width = max(width for _, width in plans) + 2 * GAP
            size = min(max(INCHES[0] * width, 2.0), LARGEST), min(INCHES[1] * sum(heights), LARGEST)
            filled = {"left": 0, "right": 1, "bottom": 0, "top": 1, "hspace": 0, "height_ratios": heights}
            _, axes = plt.subplots(len(plans), 1, figsize=size, squeeze=False, gridspec_kw=filled)
        self.axes_ = np.asarray(axes, dtype=object).ravel()
        self.figure_ = self.axes_[0].figure
        titles: Any = self.titles or [None] * len(plans)
        highlights: Any = self.highlights or [()] * len(plans)
        shown = [place.text for places, _ in plans for place in places]
        families = font_families([*shown, *filter(None, titles)])
        self.texts_: list = []
        self.edges_: list = []
        for ax, (places, width), title, highlight in zip(self.axes_, plans, titles, highlights):
            rows = _rows(places, title)
            self._draw(ax, places, width, rows, set(highlight), families)
            if title is not None:  # inside the axes, whose limits leave a row for it
                y = 1 - 0.7 / rows
                ax.set_title(title, fontsize=POINTS, family=families, parse_math=False, y=y, pad=0, va="center")
        return self

    def _draw(self, ax, places, width, rows, highlight, families):
        from matplotlib.collections import LineCollection

        ax.set(xlim=(-GAP, width + GAP), ylim=(-0.5, rows - 0.5))
        ax.axis("off")
        box = ax.get_position()
        inches = self.figure_.get_size_inches() * (box.width, box.height)
        # Letters shrink with the room there is, so that neighbors never run into each other.
        room = min(inches[0] / (INCHES[0] * (width + 2 * GAP)), inches[1] / (INCHES[1] * rows), 1.2)
        points = max(POINTS * room, 1.0)
        x = [place.center for place in places]
        lines = []
        for i, place in enumerate(places):
            if place.parent >= 0:
                bend = places[place.parent].level - 0.5
                above = x[place.parent], bend + 0.22
                lines.append([above, (above[0], bend), (x[i], bend), (x[i], place.level + 0.28)])
        self.edges_.append(ax.add_collection(LineCollection(lines, colors=GRAY, linewidths=0.1 * points)))
        self.texts_.append(
            [
                ax.text(
                    left,
                    place.level,
                    place.text,
                    ha="center",
                    va="center",
                    fontsize=points,
                    color=_color(place, highlight),
                    weight="bold" if place.span in highlight else "normal",
                    family=families,
                    parse_math=False,
                )
                for left, place in zip(x, places)
            ]
        )


def _rows(places, title):
    return places[0].level + 1 + (title is not None)


def _check_trees(trees, highlights):
    if len(trees) == 0:
        raise ValueError("There is nothing to draw: no tree. Pass at least one.")
    for tree in trees:
        if not isinstance(tree, Tree):
            raise TypeError(f"A {type(tree).__name__} cannot be drawn; pass a Tree, as parse_tree makes them.")
    if highlights is None:
        return
    if len(highlights) != len(trees):
        raise ValueError(f"There are {len(trees)} trees and {len(highlights)} highlights; pass one for each tree.")
    for tree, highlight in zip(trees, highlights):
        if unknown := set(highlight) - set(tree.spans(preterminals=True)):
            raise ValueError(
                f"The tree has no constituents {sorted(unknown)} to highlight; `tree.spans()` lists its own."
            )
