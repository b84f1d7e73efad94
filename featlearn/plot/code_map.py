"""A code as points of a plane, classes in colors: what a learner put near what."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.multiclass import type_of_target

from featlearn.plot.curves import pyplot
from featlearn.plot.nets import class_colors, find_network, through, two_coordinates
from featlearn.plot.tiles import as_rows
from featlearn.validation import check_fitted

BLUE = "#2f6db5"
NAMED = 20  # classes that a legend names; more are told apart by a color bar


class CodeMapDisplay:
    """The 2-D map of a code: a point for each row, colored by its class or by a number.

    Codes of two units are drawn as they are; of more, their first two principal components. Use `from_estimator` or
    `from_codes` to make one.

    Parameters
    ----------
    codes : array (n_samples, n_units)
        The codes.
    y : array (n_samples,) or None, default=None
        Classes or, if they are numbers with fractions, values.
    title : str or None, default=None
        Text above the map.

    Attributes
    ----------
    points_ : array (n_samples, 2)
        What is drawn.
    classes_ : array or None
        The classes, in the order of their colors; None where there are none.
    ax_ : matplotlib Axes
        Axes with the map.
    figure_ : matplotlib Figure
        Figure with the axes.

    See Also
    --------
    SpaceWarpDisplay : How the layers of a network bend a plane.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from featlearn import SparseAutoencoder
    >>> from featlearn.plot import CodeMapDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> learner = SparseAutoencoder(2, max_iter=5, random_state=0).fit(X / 16)
    >>> display = CodeMapDisplay.from_estimator(learner, X / 16, y)
    >>> display.points_.shape, len(display.classes_)
    ((1797, 2), 10)
    """

    def __init__(self, codes: Any, y: Any = None, *, title: str | None = None):
        self.codes = codes
        self.y = y
        self.title = title

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any = None, *, layer: str | int | None = None, ax: Any = None, **style: Any
    ) -> Self:
        """Draw the codes of rows by a fitted transformer, or by a layer of a network.

        Parameters
        ----------
        estimator : fitted transformer
            With `transform`; a network gives its last hidden layer, or the one named.
        X : array
            Rows, as `transform` takes them; images for a learner of rows are taken as rows of their pixels.
        y : array (n_samples,) or None, default=None
            Classes or values.
        layer : str, int or None, default=None
            Of a network (or a pipeline that ends with one), the layer.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.
        **style
            Passed on to matplotlib's ``scatter`` (``s``, ``alpha``, ...).

        Returns
        -------
        display : CodeMapDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing.
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If it has no `transform`, or ``layer`` is asked of what is no network.
        ValueError
            If the codes are none that can be drawn, or y does not fit them.
        """
        who = "CodeMapDisplay.from_estimator"
        if layer is not None:
            before, net = find_network(who, estimator)
            return cls.from_codes(net.transform(through(before, X), layer=layer), y, ax=ax, **style)
        check_fitted(who, estimator, "a fitted transformer (codes themselves are drawn by CodeMapDisplay.from_codes)")
        if not hasattr(estimator, "transform"):
            raise TypeError(
                f"{type(estimator).__name__} has no `transform`, so there are no codes to draw. Pass a fitted "
                "transformer, or codes to CodeMapDisplay.from_codes."
            )
        return cls.from_codes(estimator.transform(as_rows("CodeMapDisplay", estimator, X)), y, ax=ax, **style)

    @classmethod
    def from_codes(cls, codes: Any, y: Any = None, *, ax: Any = None, **style: Any) -> Self:
        """Draw codes.

        Parameters
        ----------
        codes : array or sparse matrix (n_samples, n_units)
            The codes.
        y, ax, **style
            As for `from_estimator`.

        Returns
        -------
        display : CodeMapDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing.
        ValueError
            If the codes are none that can be drawn, or y does not fit them.
        """
        return cls(codes.toarray() if issparse(codes) else codes, y).plot(ax, **style)

    def plot(self, ax: Any = None, *, labels: Sequence[str] | None = None, **style: Any) -> Self:
        """Draw the map.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.
        labels : sequence of str or None, default=None
            Names of the classes in the legend, in their sorted order; None writes the classes themselves.
        **style
            Passed on to matplotlib's ``scatter``.

        Returns
        -------
        self : CodeMapDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing.
        ValueError
            If the codes are none that can be drawn, or y or labels do not fit them.
        """
        codes = np.asarray(self.codes)
        if codes.ndim < 2 or codes.size == 0 or codes.dtype.kind not in "biuf":
            raise ValueError(
                f"CodeMapDisplay draws codes (n_samples, n_units), numbers, at least one of each; got shape "
                f"{codes.shape} of {codes.dtype}."
            )
        if not np.isfinite(codes).all():
            raise ValueError(f"Codes must be finite; {np.count_nonzero(~np.isfinite(codes))} are NaN or infinite.")
        y = None if self.y is None else np.asarray(self.y)
        if y is not None and y.shape != (len(codes),):
            raise ValueError(f"CodeMapDisplay needs a class for each code, y ({len(codes)},); got shape {y.shape}.")
        (self.points_,), names = two_coordinates(codes)
        if ax is None:
            ax = pyplot("CodeMapDisplay").subplots(figsize=(6.2, 5), layout="constrained")[1]
        self.ax_, self.figure_ = ax, ax.figure
        self.classes_: Any = None
        style = {"s": float(np.clip(8_000 / len(codes), 4, 25)), "linewidths": 0, "alpha": 0.8} | style
        if y is None:
            self._scatter(slice(None), color=BLUE, **style)
        elif type_of_target(y) == "continuous":
            drawn = self._scatter(slice(None), c=y, **style)
            ax.figure.colorbar(drawn, ax=ax, label="y").outline.set_visible(False)
        else:
            self._draw_classes(y, labels, style)
        ax.set(xlabel=names[0], ylabel=names[1])
        if not names[1]:
            ax.set_yticks([])
        if self.title:
            ax.set_title(self.title)
        ax.spines[["top", "right"]].set_visible(False)
        return self

    def _draw_classes(self, y, labels, style):
        self.classes_, index = np.unique(y, return_inverse=True)
        n = len(self.classes_)
        labels = [str(label) for label in self.classes_] if labels is None else list(labels)
        if len(labels) != n:
            raise ValueError(f"CodeMapDisplay: there are {len(labels)} labels for {n} classes {self.classes_[:10]}.")
        colors = np.array([_rgb(color) for color in class_colors(n)])
        # All at once, in the order of the rows: class by class the last would hide the others.
        self._scatter(slice(None), color=colors[index], **style)
        if n > NAMED:
            from matplotlib.cm import ScalarMappable
            from matplotlib.colors import BoundaryNorm, ListedColormap

            bar = ScalarMappable(BoundaryNorm(np.arange(n + 1) - 0.5, n), ListedColormap(colors))
            shown = np.unique(np.linspace(0, n - 1, 10).round().astype(int))
            bar = self.figure_.colorbar(bar, ax=self.ax_)
            bar.set_ticks(shown, labels=[labels[i] for i in shown])
            bar.minorticks_off()
            bar.outline.set_visible(False)
            return
        dots = [self.ax_.scatter([], [], color=color, s=30, label=label) for color, label in zip(colors, labels)]
        self.ax_.legend(
            handles=dots, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5), handletextpad=0.2, labelspacing=0.4
        )

    def _scatter(self, rows, **style):
        return self.ax_.scatter(*self.points_[rows].T, **style)


def _rgb(color):
    from matplotlib.colors import to_rgb

    return to_rgb(color)
