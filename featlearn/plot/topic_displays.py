"""Pictures of topics: bars of the top terms, and which documents hold which topics."""

import warnings
from collections.abc import Iterable, Mapping, Sequence, Set
from math import ceil
from typing import Any, Self

import numpy as np

from featlearn.plot.curves import pyplot
from featlearn.topics.groups import distinct_groups
from featlearn.topics.tables import LEAST, Terms, Topics
from featlearn.validation import check_argument, integer

BLUE = "#2f6db5"
LARGEST = 20  # topics that are drawn where none are named
# Fonts with Chinese, Japanese and Korean on the usual systems, then one with emoji.
FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "PingFang SC",
    "Hiragino Sans GB",
    "Heiti TC",
    "Microsoft YaHei",
    "SimHei",
    "Noto Sans CJK JP",
    "Yu Gothic",
    "Malgun Gothic",
    "Droid Sans Fallback",
    "Arial Unicode MS",
    "Noto Emoji",
)
BOXES = "Last Resort High-Efficiency"  # comes with newer matplotlib: a box for any character


def as_topics(who: str, model: Any, X: Any = None, terms: Terms = None) -> Topics:
    """`Topics` as they are, or those of a fitted estimator.

    Raises
    ------
    ValueError
        If X or terms are given with `Topics`, which have their own.
    """
    if not isinstance(model, Topics):
        return Topics.from_estimator(model, X, terms)
    if X is not None or terms is not None:
        raise ValueError(f"{who}: Topics have their own documents and terms; pass X and terms with an estimator only.")
    return model


def font_families(texts: Iterable[str]) -> list[str]:
    """The font families that show these texts: those in use and, where they lack characters, others installed.

    Warns once, with the characters and the fix, where no font has them; then boxes are drawn in their place.
    """
    from matplotlib import font_manager, rcParams

    named: Any = rcParams  # mypy knows its keys one by one
    families = [font for name in named["font.family"] for font in named.get(f"font.{name}", [name])]
    installed = {font.name for font in font_manager.fontManager.ttflist}
    families = [name for name in families if name in installed] or ["DejaVu Sans"]
    missing = {character for text in texts for character in text if character.isprintable()}
    for name in (*families, *FONTS):
        if not missing:
            break
        if name in installed:
            font = font_manager.get_font(font_manager.findfont(name))
            found = {character for character in missing if ord(character) in font.get_charmap()}
            missing -= found
            if found and name not in families:
                families.append(name)
    if missing:
        some = "".join(sorted(missing)[:10])
        warnings.warn(
            f"No font that matplotlib knows has {len(missing)} of the characters, such as {some!r}. Install one that "
            "does, such as Noto Sans CJK for Chinese (Debian: apt install fonts-noto-cjk), and delete matplotlib's "
            "font cache (matplotlib.get_cachedir()); or name yours in matplotlib.rcParams['font.family'].",
            stacklevel=3,
        )
        families += [BOXES] if BOXES in installed else []
    return families


class TopicDisplay:
    """Bars of the top terms, a panel for each topic, on one scale.

    Use `from_estimator` or `from_topics` to make one.

    Parameters
    ----------
    terms : list of n_topics lists of str
        The terms of each panel, the top one first.
    values : list of n_topics arrays
        The length of each bar.
    titles : list of n_topics str
        Text above each panel.
    xlabel : str, default="probability in the topic"
        What the bars show.

    Attributes
    ----------
    bars_ : list of matplotlib BarContainer
        The bars of each panel.
    axes_ : array (n_topics,) of matplotlib Axes
        The panels.
    figure_ : matplotlib Figure
        Figure with the panels.

    See Also
    --------
    TopicMapDisplay, DocumentTopicDisplay : Other pictures of topics.
    topics_html : An explorer in one file.

    Examples
    --------
    >>> from featlearn.plot.topic_displays import TopicDisplay
    >>> from featlearn.topics.tables import Topics
    >>> topics = Topics([[5, 4, 1, 0], [0, 1, 4, 5]], terms=["orbit", "moon", "team", "goal"])
    >>> display = TopicDisplay.from_topics(topics, n_terms=2)
    >>> [label.get_text() for label in display.axes_[0].get_yticklabels()]
    ['orbit', 'moon']
    """

    def __init__(
        self,
        terms: Sequence[Sequence[str]],
        values: Sequence[Any],
        titles: Sequence[str],
        xlabel: str = "probability in the topic",
    ):
        self.terms = terms
        self.values = values
        self.titles = titles
        self.xlabel = xlabel

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any = None,
        *,
        terms: Terms = None,
        n_terms: int = 10,
        by: str = "probability",
        relevance: float = 0.6,
        topics: Sequence[int] | None = None,
        max_columns: int = 5,
        figsize: tuple[float, float] | None = None,
        axes: Any = None,
    ) -> Self:
        """Draw the top terms of a fitted topic model.

        Parameters
        ----------
        estimator : fitted topic model, Pipeline that ends in one, or Topics
            As `Topics.from_estimator` takes it.
        X : array, sparse matrix or what the Pipeline takes, or None, default=None
            Documents, which say how large the topics are; None draws topics in the model's order.
        terms : sequence of str (n_terms,), mapping of words to columns or of columns to words, or None, default=None
            The vocabulary; None asks the Pipeline or the model.
        n_terms : int, default=10
            Bars a topic.
        by : {"probability", "relevance", "lift"}, default="probability"
            The ranking. Bars show lift where it ranks, and else the probability of the term in the topic.
        relevance : float, default=0.6
            The lambda of ``by="relevance"``.
        topics : sequence of int or None, default=None
            The topics to draw, in this order; None draws the 20 largest, the largest first.
        max_columns : int, default=5
            Panels in a row.
        figsize : tuple (width, height) or None, default=None
            Size of the figure in inches; None gives each bar a line of text.
        axes : sequence of matplotlib Axes or None, default=None
            Where to draw, one for each topic; None makes a figure.

        Returns
        -------
        display : TopicDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing.
        NotFittedError
            If the model is not fitted.
        TypeError
            If it is no topic model.
        ValueError
            If a parameter is not valid, or there is no such topic.

        Warns
        -----
        UserWarning
            If no font has the characters of the terms.
        """
        table = as_topics("TopicDisplay", estimator, X, terms)
        chosen = _chosen(table, topics)
        indices = table.top_indices(n_terms, by, relevance=relevance)
        values = np.take_along_axis(table.components, indices, axis=1).astype(np.float64)
        if by == "lift":
            values /= np.maximum(table.marginal[indices], LEAST)
        return cls(
            [[table.terms[i] for i in indices[k]] for k in chosen],
            [values[k] for k in chosen],
            [f"topic {k} ({table.sizes[k]:.1%})" if table.knows_sizes else f"topic {k}" for k in chosen],
            xlabel="lift" if by == "lift" else "probability in the topic",
        ).plot(max_columns=max_columns, figsize=figsize, axes=axes)

    @classmethod
    def from_topics(
        cls,
        table: Topics,
        *,
        n_terms: int = 10,
        by: str = "probability",
        relevance: float = 0.6,
        topics: Sequence[int] | None = None,
        max_columns: int = 5,
        figsize: tuple[float, float] | None = None,
        axes: Any = None,
    ) -> Self:
        """Draw the top terms of `Topics`; parameters as `from_estimator`."""
        return cls.from_estimator(
            table,
            n_terms=n_terms,
            by=by,
            relevance=relevance,
            topics=topics,
            max_columns=max_columns,
            figsize=figsize,
            axes=axes,
        )

    def plot(self, *, max_columns: int = 5, figsize: tuple[float, float] | None = None, axes: Any = None) -> Self:
        """Draw the panels.

        Parameters
        ----------
        max_columns : int, default=5
            Panels in a row.
        figsize : tuple (width, height) or None, default=None
            Size of the figure in inches; None gives each bar a line of text.
        axes : sequence of matplotlib Axes or None, default=None
            Where to draw, one for each topic; None makes a figure.

        Returns
        -------
        self : TopicDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing.
        ValueError
            If there is nothing to draw, terms are no lists of words, their numbers and those of values, titles and axes
            differ, or `max_columns` is less than 1.
        """
        all_terms = term_lists("TopicDisplay", self.terms)
        n = len(all_terms)
        if n == 0 or not all(all_terms):
            raise ValueError("There is nothing to draw: no topic, or one without terms.")
        for name, given in (("values", self.values), ("titles", self.titles)):
            if len(given) != n:
                raise ValueError(
                    f"TopicDisplay: there are terms of {n} topics and {len(given)} {name}; pass one for each."
                )
        for k, (terms, values) in enumerate(zip(all_terms, self.values)):
            if len(terms) != len(values):
                raise ValueError(f"TopicDisplay: panel {k} has {len(terms)} terms and {len(values)} values.")
        if max_columns < 1:
            raise ValueError(f"max_columns={max_columns} leaves no room; pass at least 1.")
        if axes is None:
            columns = min(n, max_columns)
            rows = ceil(n / columns)
            height = 0.22 * max(map(len, all_terms)) + 0.75
            width = 1.7 + 0.085 * max(len(_short(term)) for terms in all_terms for term in terms)
            figure, grid = pyplot("TopicDisplay").subplots(
                rows,
                columns,
                sharex=True,
                squeeze=False,
                figsize=figsize or (max(width * columns, 4), rows * height + 0.3),
                layout="constrained",
            )
            axes, unused = grid.ravel()[:n], grid.ravel()[n:]
            for ax in unused:
                ax.remove()
            # A panel above an empty place is the last of its column, and shows the numbers.
            for ax in axes[max(0, n - columns) :]:
                ax.tick_params(labelbottom=True)
            figure.supxlabel(self.xlabel, fontsize=10)
        self.axes_ = np.asarray(axes, dtype=object).ravel()
        if len(self.axes_) != n:
            raise ValueError(f"TopicDisplay draws {n} topics, each on its own axes, and there are {len(self.axes_)}.")
        self.figure_, self.bars_ = self.axes_[0].figure, []
        families = font_families(term for terms in all_terms for term in terms)
        for ax, terms, values, title in zip(self.axes_, all_terms, self.values, self.titles, strict=True):
            self.bars_.append(ax.barh(np.arange(len(terms)), values, height=0.72, color=BLUE))
            # A term such as "$x$" is no formula.
            ax.set_yticks(np.arange(len(terms)), [_short(term) for term in terms], parse_math=False, family=families)
            ax.invert_yaxis()
            ax.set_title(title, fontsize=11)
            ax.tick_params(axis="y", length=0, labelsize=10)
            ax.tick_params(axis="x", labelsize=8)
            ax.locator_params(axis="x", nbins=3)
            ax.spines[["top", "right", "left"]].set_visible(False)
        return self


class DocumentTopicDisplay:
    """A heat map of the topics in documents: a row for each document, or for several that are averaged.

    Documents lie in the order of their main topic, the fullest first, and those of a group together; topics lie in the
    order of their size. Use `from_estimator` or `from_topics` to make one.

    Parameters
    ----------
    proportions : array (n_rows, n_topics)
        Mean proportions of a row's documents.
    counts : array (n_rows,)
        Documents a row.
    topics : array (n_topics,)
        The topic of each column.
    groups : list of n_rows labels or None, default=None
        The group of each row; rows of one group lie together.

    Attributes
    ----------
    im_ : matplotlib AxesImage
        The heat map.
    colorbar_ : matplotlib Colorbar
        Its scale.
    ax_ : matplotlib Axes
        Axes with the heat map.
    figure_ : matplotlib Figure
        Figure with the axes.

    See Also
    --------
    TopicDisplay, TopicMapDisplay : Other pictures of topics.

    Examples
    --------
    >>> from featlearn.plot.topic_displays import DocumentTopicDisplay
    >>> from featlearn.topics.tables import Topics
    >>> topics = Topics([[0.8, 0.2], [0.3, 0.7]], proportions=[[0.1, 0.9], [0.6, 0.4], [0.2, 0.8], [0.9, 0.1]])
    >>> display = DocumentTopicDisplay.from_topics(topics)
    >>> display.topics
    array([1, 0])
    >>> display.proportions
    array([[0.9, 0.1],
           [0.8, 0.2],
           [0.1, 0.9],
           [0.4, 0.6]])
    """

    def __init__(self, proportions: Any, counts: Any, topics: Any, groups: Sequence[Any] | None = None):
        self.proportions = proportions
        self.counts = counts
        self.topics = topics
        self.groups = groups

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any = None, *, groups: Any = None, max_rows: int = 200, ax: Any = None
    ) -> Self:
        """Draw which documents hold which topics.

        Parameters
        ----------
        estimator : fitted topic model, Pipeline that ends in one, or Topics
            As `Topics.from_estimator` takes it.
        X : array, sparse matrix or what the Pipeline takes
            Documents; left out where `Topics` are given.
        groups : array (n_documents,) or None, default=None
            A column of metadata, of labels or numbers, that the documents are sorted by first. A pandas Categorical
            keeps the order of its categories.
        max_rows : int, default=200
            Neighbors are averaged where there are more documents than this. Every group keeps a row.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : DocumentTopicDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing.
        NotFittedError
            If the model is not fitted.
        TypeError
            If it is no topic model.
        ValueError
            If proportions are unknown, groups have another length, or `max_rows` is less than 1.
        """
        table = as_topics("DocumentTopicDisplay", estimator, X)
        check_argument("DocumentTopicDisplay", "max_rows", max_rows, integer())
        if max_rows < 1:
            raise ValueError(f"max_rows={max_rows} draws nothing; pass at least 1.")
        proportions = table.known_proportions("DocumentTopicDisplay")
        sorted_theta = proportions[:, table.order]
        main = sorted_theta.argmax(axis=1)
        labels, place = distinct_groups(np.zeros(len(main)) if groups is None else groups, len(main))
        ordered = np.lexsort((-sorted_theta.max(axis=1), main, place))
        rows = []
        for members in np.split(ordered, np.cumsum(np.bincount(place, minlength=len(labels)))[:-1]):
            n_rows = len(members) if len(main) <= max_rows else max(1, len(members) * max_rows // len(main))
            rows += np.array_split(members, n_rows)
        return cls(
            np.array([sorted_theta[row].mean(axis=0) for row in rows]),
            np.array([len(row) for row in rows]),
            table.order,
            None if groups is None else [labels[place[row[0]]] for row in rows],
        ).plot(ax)

    @classmethod
    def from_topics(cls, table: Topics, *, groups: Any = None, max_rows: int = 200, ax: Any = None) -> Self:
        """Draw which documents of `Topics` hold which topics; parameters as `from_estimator`."""
        return cls.from_estimator(table, groups=groups, max_rows=max_rows, ax=ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the heat map.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        self : DocumentTopicDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing.
        """
        proportions = np.asarray(self.proportions)
        n_rows, n_topics = proportions.shape
        if ax is None:
            width = min(max(0.3 * n_topics + 2.5, 5), 12)
            ax = pyplot("DocumentTopicDisplay").subplots(figsize=(width, 6), layout="constrained")[1]
        self.ax_, self.figure_ = ax, ax.figure
        self.im_ = ax.imshow(proportions, aspect="auto", cmap="Blues", vmin=0, interpolation="nearest")
        self.colorbar_ = self.figure_.colorbar(self.im_, ax=ax, label="proportion", pad=0.02)
        self.colorbar_.outline.set_visible(False)
        step = ceil(n_topics / 30)
        ax.set_xticks(np.arange(0, n_topics, step), [str(k) for k in np.asarray(self.topics)[::step]])
        ax.tick_params(length=0, labelsize=9)
        ax.set_xlabel("topic, the largest first")
        ax.spines[:].set_visible(False)
        counts = np.asarray(self.counts)
        few, many = counts.min(), counts.max()
        ax.set_ylabel("documents" if many == 1 else f"documents, {few if few == many else f'{few} to {many}'} a row")
        if self.groups is None:
            ends = np.cumsum(counts)
            shown = np.unique(np.linspace(0, n_rows - 1, min(n_rows, 6)).round().astype(int))
            ax.set_yticks(shown, [f"{ends[row]:,}" for row in shown])
            return self
        starts = [row for row in range(n_rows) if row == 0 or self.groups[row] != self.groups[row - 1]]
        names = [_short(str(self.groups[row])) for row in starts]
        for start in starts[1:]:
            ax.axhline(start - 0.5, color="0.35", linewidth=0.7)
        middles = [(start + end - 1) / 2 for start, end in zip(starts, [*starts[1:], n_rows])]
        ax.set_yticks(middles, names, parse_math=False, family=font_families(names))
        return self


def _chosen(table, topics):
    """The topics to draw, checked."""
    if topics is None:
        return [int(k) for k in table.order[:LARGEST]]
    if isinstance(topics, (str, bytes, Mapping, Set)) or not hasattr(topics, "__len__"):
        raise ValueError(
            f"topics={topics!r:.60} is not valid; pass a list of topics' numbers, in the order to draw them."
        )
    for k in topics:
        check_argument("TopicDisplay", "topics", k, integer())
    if unknown := [int(k) for k in topics if not 0 <= k < table.n_topics]:
        raise ValueError(f"There are no topics {unknown}; there are {table.n_topics}, from 0 to {table.n_topics - 1}.")
    return [int(k) for k in topics]


def term_lists(who: str, terms: Any) -> list[list[str]]:
    """The terms of each topic; anything but lists of words, whose order counts, is refused."""
    if isinstance(terms, (str, bytes, Mapping, Set)) or not hasattr(terms, "__len__"):
        raise ValueError(
            f"{who}: terms={terms!r:.60} is not valid; pass a list that has the list of terms of each topic."
        )
    for k, words in enumerate(terms):
        if isinstance(words, (str, bytes, Mapping, Set)) or not hasattr(words, "__len__"):
            raise ValueError(f"{who}: terms have {words!r:.60} for panel {k}, where a list of words belongs.")
        for word in words:
            if not isinstance(word, str):
                raise ValueError(f"{who}: terms have {word!r:.60} for panel {k}, which is no word.")
    return [list(words) for words in terms]


def _short(text, most=24):
    """A text on one line, cut where it is long."""
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"
