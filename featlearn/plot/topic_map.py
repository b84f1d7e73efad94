"""Topics on a plane: a picture, and a page to explore them in.

Topics lie where classical scaling of their Jensen-Shannon distances puts them (`Topics.map`), as circles whose area is
their share of all words. The page is after LDAvis (Sievert & Shirley 2014): one file, which loads nothing.
"""

import html
import json
import os
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from textwrap import fill
from typing import Any, Self

import numpy as np

from featlearn.persistence import whole_file
from featlearn.plot.curves import pyplot
from featlearn.plot.topic_displays import BLUE, as_topics, font_families, term_lists
from featlearn.topics.tables import LEAST, TRACE, Terms, Topics, relevances
from featlearn.validation import check_argument, integer

INK = 0.12  # of the square that all circles together cover
STEP = 0.01  # of the page's slider
TEXT = 600  # characters of a document that are quoted
MOST_GROUPS = 200
UNSAFE = re.compile("[<>&\u2028\u2029\ud800-\udfff]")  # what could end or break a script, or cannot be encoded


def circles(places: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centers (K, 2) and radii (K,) of circles in the unit square: area as the share, distances in one proportion."""
    radii = np.sqrt(INK / np.pi * sizes)
    room = 1 - 2 * (radii.max() + 0.02)
    low, high = places.min(axis=0), places.max(axis=0)
    span = (high - low).max()
    return 0.5 + (places - (low + high) / 2) * (room / span if span > 0 else 0.0), radii


class TopicMapDisplay:
    """Circles of topics on a plane: the nearer, the more alike; the larger, the more of all words.

    Use `from_estimator` or `from_topics` to make one.

    Parameters
    ----------
    places : array (n_topics, 2)
        Where topics lie.
    sizes : array (n_topics,) or None
        Their shares of all words; None draws all alike.
    terms : dict of int to list of str, default={}
        Top terms of the topics to annotate.

    Attributes
    ----------
    circles_ : list of matplotlib Circle
        The circle of each topic.
    annotations_ : list of matplotlib Annotation
        The top terms beside the map.
    ax_ : matplotlib Axes
        Axes with the map.
    figure_ : matplotlib Figure
        Figure with the axes.

    See Also
    --------
    TopicDisplay, DocumentTopicDisplay : Other pictures of topics.

    References
    ----------
    Sievert & Shirley (2014), "LDAvis: A method for visualizing and interpreting topics".

    Examples
    --------
    >>> from featlearn.plot.topic_map import TopicMapDisplay
    >>> from featlearn.topics.tables import Topics
    >>> topics = Topics([[5, 4, 1, 0], [0, 1, 4, 5]], terms=["orbit", "moon", "team", "goal"])
    >>> display = TopicMapDisplay.from_topics(topics, n_terms=2)
    >>> [note.get_text() for note in display.annotations_]
    ['0  orbit, moon', '1  goal, team']
    """

    def __init__(self, places: Any, sizes: Any, terms: dict[int, Sequence[str]] | None = None):
        self.places = places
        self.sizes = sizes
        self.terms = terms

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        *,
        terms: Terms = None,
        n_annotated: int = 8,
        n_terms: int = 4,
        by: str = "relevance",
        relevance: float = 0.6,
        ax: Any = None,
    ) -> Self:
        """Draw the map of a fitted topic model.

        Parameters
        ----------
        estimator : fitted topic model, Pipeline that ends in one, or Topics
            As `Topics.from_estimator` takes it.
        X : array, sparse matrix or what the Pipeline takes, or None, default=None
            Documents, which say how large the topics are; None draws all alike.
        terms : sequence of str (n_terms,), mapping of words to columns or of columns to words, or None, default=None
            The vocabulary; None asks the Pipeline or the model.
        n_annotated : int, default=8
            How many topics show their terms, the largest first.
        n_terms : int, default=4
            Terms a topic shows.
        by : {"probability", "relevance", "lift"}, default="relevance"
            How terms are ranked.
        relevance : float, default=0.6
            The lambda of ``by="relevance"``.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : TopicMapDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing.
        NotFittedError
            If the model is not fitted.
        TypeError
            If it is no topic model.
        ValueError
            If a parameter is not valid.

        Warns
        -----
        UserWarning
            If no font has the characters of the terms.
        """
        table = as_topics("TopicMapDisplay", estimator, X, terms)
        check_argument("TopicMapDisplay", "n_annotated", n_annotated, integer())
        if n_annotated < 0:
            raise ValueError(f"n_annotated={n_annotated} is not valid; pass at least 0.")
        tops = table.top_terms(n_terms, by, relevance=relevance)
        sizes = table.sizes if table.knows_sizes else None
        return cls(table.map(), sizes, {int(k): tops[k] for k in table.order[:n_annotated]}).plot(ax)

    @classmethod
    def from_topics(
        cls,
        table: Topics,
        *,
        n_annotated: int = 8,
        n_terms: int = 4,
        by: str = "relevance",
        relevance: float = 0.6,
        ax: Any = None,
    ) -> Self:
        """Draw the map of `Topics`; parameters as `from_estimator`."""
        return cls.from_estimator(table, n_annotated=n_annotated, n_terms=n_terms, by=by, relevance=relevance, ax=ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the map.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        self : TopicMapDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing.
        ValueError
            If terms are no dict of topics to lists of words.
        """
        terms = self._checked_terms()
        if ax is None:
            ax = pyplot("TopicMapDisplay").subplots(figsize=(11 if terms else 6, 6), layout="constrained")[1]
        from matplotlib.patches import Circle

        self.ax_, self.figure_ = ax, ax.figure
        places = np.asarray(self.places, dtype=np.float64)
        alike = np.full(len(places), 1 / len(places))
        centers, radii = circles(places, alike if self.sizes is None else np.asarray(self.sizes, dtype=np.float64))
        ax.plot([0, 1, np.nan, 0.5, 0.5], [0.5, 0.5, np.nan, 0, 1], color="0.9", linewidth=1, zorder=0)
        self.circles_ = [Circle(tuple(center), r, edgecolor=BLUE, facecolor=BLUE) for center, r in zip(centers, radii)]
        for k in np.argsort(-radii, kind="stable"):  # small circles lie above large ones
            circle = self.circles_[k]
            circle.set_facecolor((*circle.get_facecolor()[:3], 0.3))
            ax.add_patch(circle)
            size = float(np.clip(220 * radii[k], 8, 15))
            ax.text(*centers[k], str(k), ha="center", va="center", fontsize=size, zorder=4)
        self.annotations_ = self._annotate(ax, centers, terms)
        ax.set(xlim=(-0.5, 1.5) if terms else (-0.02, 1.02), ylim=(-0.02, 1.02), xticks=[], yticks=[], aspect="equal")
        ax.spines[:].set_visible(False)
        area = "" if self.sizes is None else "area: share of words, "
        ax.set_title(f"{area}distance: Jensen-Shannon", fontsize=9, color="0.35")
        return self

    def _checked_terms(self):
        """The terms of topics by number."""
        terms = {} if self.terms is None else self.terms
        if not isinstance(terms, Mapping):
            raise ValueError(
                f"TopicMapDisplay: terms={terms!r:.60} is not valid; pass a dict of topics' numbers to lists of terms."
            )
        for k in terms:
            check_argument("TopicMapDisplay", "a topic in terms", k, integer(0, len(self.places) - 1))
        return dict(zip(terms, term_lists("TopicMapDisplay", list(terms.values()))))

    @staticmethod
    def _annotate(ax, centers, terms):
        """Terms left and right of the map, in the order of their circles' heights, with lines to these."""
        families = font_families(term for words in terms.values() for term in words)
        by_x = sorted(terms, key=lambda k: centers[k, 0])
        notes = {}
        for side, topics in ((-1, by_x[: len(by_x) // 2]), (1, by_x[len(by_x) // 2 :])):
            topics = sorted(topics, key=lambda k: -centers[k, 1])
            heights = spread([centers[k, 1] for k in topics], gap=0.085)
            for k, height in zip(topics, heights, strict=True):
                notes[k] = ax.annotate(
                    fill(f"{k}  {', '.join(terms[k])}", 34, max_lines=2, placeholder="…"),
                    xy=tuple(centers[k]),
                    xytext=(0.5 + 0.56 * side, height),
                    ha="left" if side > 0 else "right",
                    va="center",
                    fontsize=10,
                    family=families,
                    parse_math=False,
                    annotation_clip=False,
                    arrowprops={
                        "arrowstyle": "-",
                        "color": "0.75",
                        "linewidth": 0.8,
                        "relpos": (0 if side > 0 else 1, 0.5),
                        "shrinkB": 0,
                    },
                    zorder=3,
                )
                notes[k].set_in_layout(False)  # the limits leave room for them
        return [notes[k] for k in terms]


def spread(heights: Sequence[float], gap: float) -> np.ndarray:
    """Heights within [0, 1], falling, moved as little as two passes need to lie at least a gap apart."""
    apart = np.clip(np.array(heights, dtype=np.float64), 0, 1)
    gap = min(gap, 1 / max(len(apart) - 1, 1))
    for i in range(1, len(apart)):
        apart[i] = min(apart[i], apart[i - 1] - gap)
    floor = 0.0
    for i in reversed(range(len(apart))):
        apart[i] = max(apart[i], floor)
        floor = apart[i] + gap
    return apart


def topics_html(
    topics: Topics,
    path: str | os.PathLike | None = None,
    *,
    title: str = "Topics",
    n_terms: int = 30,
    relevance: float = 0.6,
    groups: Any = None,
    group_name: str | None = None,
    names: Sequence[str] | None = None,
) -> str | Path:
    """A page to explore topics in: one file that works offline, in the manner of LDAvis.

    To the left topics lie on a plane, with areas by their share of words; to the right the top terms of the chosen
    topic are ranked by relevance, whose lambda a slider sets, or without one the most salient terms of all. Pointing at
    a term makes circles as large as its share of each topic. Below are representative documents, prevalence over
    groups, and a table of all topics. Topics keep the numbers that the model gave them.

    Parameters
    ----------
    topics : Topics
        The tables; documents are quoted where they have texts.
    path : path or None, default=None
        Where to write the page, whole or not at all; None returns it as a string.
    title : str, default="Topics"
        The page's heading.
    n_terms : int, default=30
        Terms shown for a topic.
    relevance : float, default=0.6
        Where the slider of lambda starts, rounded to its steps of 0.01.
    groups : array (n_documents,) or None, default=None
        A column of metadata, of labels or numbers, over which prevalence is shown. A pandas Categorical (months, sizes)
        keeps the order of its categories; one that no document has is left out.
    group_name : str or None, default=None
        What the column is called; None takes the name of a pandas Series, or "group".
    names : sequence of str (n_documents,) or None, default=None
        What the documents are called; None numbers them.

    Returns
    -------
    page : str or pathlib.Path
        The page, or where it was written.

    Raises
    ------
    TypeError
        If `topics` is no `Topics`.
    ValueError
        If a parameter is not valid, or there are more than 200 groups.
    OSError
        If the file cannot be written.

    Notes
    -----
    The page holds only terms that it can show: the `n_terms` of largest saliency, and of each topic those that are
    among its top `n_terms` for any of the slider's 101 values of lambda.

    References
    ----------
    Sievert & Shirley (2014), "LDAvis: A method for visualizing and interpreting topics". Chuang, Manning & Heer (2012),
    "Termite: Visualization techniques for assessing textual topic models".

    Examples
    --------
    >>> from featlearn.plot.topic_map import topics_html
    >>> from featlearn.topics.tables import Topics
    >>> topics = Topics([[5, 4, 1, 0], [0, 1, 4, 5]], terms=["orbit", "moon", "team", "goal"])
    >>> page = topics_html(topics, title="Two topics")
    >>> "<title>Two topics</title>" in page
    True
    """
    data = explorer_data(
        topics, n_terms=n_terms, relevance=relevance, groups=groups, group_name=group_name, names=names
    )
    template = resources.files("featlearn.plot").joinpath("topic_map.html").read_text(encoding="utf-8")
    parts = {"title": html.escape(title.encode("utf-8", "replace").decode("utf-8")), "data": embedded(data)}
    # One pass, so that a title or a term with braces in it is not taken for a place to fill.
    page = re.sub(r"\{\{(title|data)\}\}", lambda match: parts[match[1]], template)
    if path is None:
        return page
    path = Path(path)
    with whole_file(path) as part:
        part.write_text(page, encoding="utf-8")
    return path


def embedded(data: Any) -> str:
    """JSON that may stand inside a script element, whatever strings it holds, and can be encoded in UTF-8."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def explorer_data(
    topics: Topics,
    *,
    n_terms: int = 30,
    relevance: float = 0.6,
    groups: Any = None,
    group_name: str | None = None,
    names: Sequence[str] | None = None,
) -> dict[str, Any]:
    """What the page knows, ready for JSON; parameters as `topics_html`.

    Terms are numbered anew: `terms`, `frequency` (p_w) and `shares` (topic, p(k|w) in thousandths, ...; those below 5
    are left out) are lists over the terms that can be shown; each of `topics` has its share, circle (500 units wide, y
    down), the `terms` that can be shown for it with their probabilities `phi`, and its documents.
    """
    if not isinstance(topics, Topics):
        raise TypeError(
            f"topics_html takes Topics, and got {type(topics).__name__}. Make them with "
            "Topics.from_estimator(model, X)."
        )
    check_argument("topics_html", "n_terms", n_terms, integer())
    if n_terms < 1:
        raise ValueError(f"n_terms={n_terms} shows no terms; pass at least 1.")
    if not 0 <= relevance <= 1:
        raise ValueError(f"relevance={relevance} is not valid; pass a number between 0 (lift) and 1 (probability).")
    if names is not None and len(names) != topics.n_documents:
        raise ValueError(f"{len(names)} names do not match {topics.n_documents} documents.")
    n_terms = min(n_terms, topics.n_terms)
    marginal = np.maximum(topics.marginal, LEAST)
    candidates = [can_be_shown(phi, marginal, n_terms) for phi in topics.components]
    salient = np.argsort(-topics.saliency, kind="stable")[:n_terms]
    salient = salient[topics.marginal[salient] > 0]
    used = np.unique(np.concatenate([*candidates, salient]))
    joint = topics.sizes[:, None] * topics.components[:, used] / marginal[used]
    shares = np.round(1000 * joint).astype(int).T
    centers, _ = circles(topics.map(), topics.sizes)
    return {
        "vocabulary": topics.n_terms,
        "documents": topics.n_documents,
        "words": topics.n_words,
        "sized": topics.knows_sizes,
        "n_terms": n_terms,
        "relevance": round(round(relevance / STEP) * STEP, 2),
        "trace": TRACE,
        "scale": 500 * float(np.sqrt(INK / np.pi)),
        "order": topics.order.tolist(),
        "terms": [topics.terms[i] for i in used],
        "frequency": _rounded(marginal[used]),
        "shares": [[int(x) for k in np.flatnonzero(row >= 5) for x in (k, row[k])] for row in shares],
        "salient": np.searchsorted(used, salient).tolist(),
        "topics": [
            {
                "share": float(f"{topics.sizes[k]:.6g}"),
                "x": round(500 * float(centers[k, 0]), 1),
                "y": round(500 * (1 - float(centers[k, 1])), 1),
                "terms": np.searchsorted(used, candidates[k]).tolist(),
                "phi": _rounded(topics.components[k, candidates[k]]),
                "documents": _documents(topics, k, names),
            }
            for k in range(topics.n_topics)
        ],
        "groups": None if groups is None else _groups(topics, groups, group_name),
    }


def can_be_shown(phi: np.ndarray, marginal: np.ndarray, n: int) -> np.ndarray:
    """The terms, in order, that are among the n most relevant of a topic (n_terms,) for any step of the slider.

    Relevance is a line over lambda. Between two steps the n best of the first never fall below their least score at
    either end, and only terms that reach this at an end can be among the n best between.
    """
    known = np.flatnonzero(phi)
    n = min(n, len(known))
    at_0, at_1 = (relevances(phi[known], marginal[known], weight) for weight in (0.0, 1.0))
    slope = at_1 - at_0
    shown: set[int] = set()
    for weights in np.split(np.linspace(0, 1, round(1 / STEP) + 1)[1:], 10):
        first, last = at_0 + (weights[0] - STEP) * slope, at_0 + weights[-1] * slope
        best = np.argpartition(-first, n - 1)[:n]
        enough = min(first[best].min(), last[best].min()) - 1e-9
        able = np.flatnonzero(np.maximum(first, last) >= enough)
        shown.update(best.tolist())
        for weight in weights:
            scores = at_0[able] + weight * slope[able]
            shown.update(able[np.argpartition(-scores, n - 1)[:n]].tolist())
    return known[sorted(shown)]


def _documents(topics, k, names):
    """The representative documents of a topic: number or name, proportion and the beginning of the text."""
    if topics.proportions is None:
        return []
    quotes = []
    for document, proportion, text in topics.documents(k, 3):
        if text is not None:
            text = " ".join(text[: 4 * TEXT].split())
            text = text if len(text) <= TEXT else text[: TEXT - 1].rstrip() + "…"
        quotes.append([document if names is None else str(names[document]), round(proportion, 4), text])
    return quotes


def _groups(topics, groups, name):
    labels, shares = topics.prevalence(groups)
    if len(labels) > MOST_GROUPS:
        raise ValueError(
            f"groups have {len(labels)} distinct values, and the page shows at most {MOST_GROUPS}. Make them "
            "fewer, for instance with pandas.cut."
        )
    name = getattr(groups, "name", None) if name is None else name
    return {
        "name": "group" if name is None else str(name),
        "labels": [str(label) for label in labels],
        "shares": [_rounded(row) for row in shares],
    }


def _rounded(values):
    """Six digits each: enough to rank by, and a third of the file's size."""
    return [float(f"{value:.6g}") for value in values]
