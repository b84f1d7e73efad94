"""How the layers of a network bend a plane: its input grid and the rows, as every layer sees them.

A network tells two spirals apart because its layers move and fold the plane until a line will do. The notes'
classify2d and Olah (2014), "Neural networks, manifolds, and topology", show it: straight lines of the input plane, and
what becomes of them. Layers wider than two are seen along the first two principal components of what they give for the
rows.
"""

from math import ceil
from typing import Any, Self

import numpy as np

from featlearn.plot.curves import pyplot
from featlearn.plot.nets import blocks_of, class_colors, find_network, through, two_coordinates
from featlearn.validation import check_argument, integer

PER_LINE = 16  # bends that are drawn of a line between two others


class SpaceWarpDisplay:
    """The plane of a 2-D problem, warped layer by layer: a panel for the inputs and for each hidden layer.

    Lines of the grid take the color of the class that the network predicts there, dots that of the class they are of.
    Use `from_estimator` to make one.

    Parameters
    ----------
    names : list of str
        Of the panels.
    lines : list of array (n_lines, n_points, d)
        For each panel, points along the lines of the grid.
    rows : list of array (n_samples, d)
        For each panel, the rows.
    predicted : array (n_lines, n_points)
        Index of the class that is predicted along the lines.
    targets : array (n_samples,)
        Index of the class of each row.
    classes : array (n_classes,)
        The classes.

    Attributes
    ----------
    axes_ : array of matplotlib Axes
        The panels.
    figure_ : matplotlib Figure
        Figure with the axes.

    See Also
    --------
    CodeMapDisplay : A code as points of a plane.
    sklearn.inspection.DecisionBoundaryDisplay : Regions of the classes in the plane of the inputs; it takes a network.

    References
    ----------
    Olah (2014), "Neural networks, manifolds, and topology".

    Examples
    --------
    >>> from sklearn.datasets import make_circles
    >>> from featlearn.networks import Dense, NetworkClassifier
    >>> from featlearn.plot import SpaceWarpDisplay
    >>> X, y = make_circles(200, factor=0.5, noise=0.05, random_state=0)
    >>> net = NetworkClassifier([Dense(6, "tanh"), Dense(2, "tanh")], max_iter=20, tol=0, random_state=0).fit(X, y)
    >>> SpaceWarpDisplay.from_estimator(net, X, y).names
    ['input', 'dense-1', 'dense-2']
    """

    def __init__(self, names: list[str], lines: list, rows: list, predicted: Any, targets: Any, classes: Any):
        self.names = names
        self.lines = lines
        self.rows = rows
        self.predicted = predicted
        self.targets = targets
        self.classes = classes

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any, *, n_lines: int = 21, margin: float = 0.1, axes: Any = None
    ) -> Self:
        """Draw what a fitted network makes of a plane.

        Parameters
        ----------
        estimator : NetworkClassifier
            A fitted one, a pipeline that ends with one, or a search over these.
        X : array (n_samples, 2)
            Rows of the plane.
        y : array (n_samples,)
            Their classes.
        n_lines : int, default=21
            Lines of the grid, across and down each.
        margin : float, default=0.1
            How far the grid goes beyond the rows, as a fraction of their extent.
        axes : sequence of matplotlib Axes or None, default=None
            One for the inputs and one for each hidden layer; None makes a figure.

        Returns
        -------
        display : SpaceWarpDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing.
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If it holds no network, or one that predicts no classes.
        ValueError
            If X has not two features, or y is not a known class for each row.
        """
        who = "SpaceWarpDisplay.from_estimator"
        before, net = find_network(who, estimator)
        if not hasattr(net, "classes_") or getattr(net, "multilabel_", False):
            raise TypeError(
                f"{who} colors the plane by the one class that is predicted; {type(net).__name__} gives none."
            )
        X, y = np.asarray(X), np.asarray(y)
        if X.ndim != 2 or X.shape[1] != 2 or y.shape != (len(X),) or len(X) == 0:
            raise ValueError(
                f"{who} draws problems in a plane: X (n_samples, 2) with y (n_samples,); got {X.shape} and {y.shape}."
            )
        unknown = np.setdiff1d(y, net.classes_)
        if len(unknown):
            raise ValueError(f"{who}: y has classes {unknown[:10].tolist()} that the network does not know.")
        check_argument(who, "n_lines", n_lines, integer(2))
        grid = _grid(X, n_lines, margin)
        points = through(before, grid.reshape(-1, 2).astype(X.dtype if X.dtype.kind == "f" else np.float64))
        rows = through(before, X)
        names, lines, dots = ["input"], [grid], [X]
        for block in blocks_of(net.layers_)[:-1]:
            names.append(block.name)
            lines.append(np.asarray(net._through(points, block.end)).reshape(*grid.shape[:2], -1))
            dots.append(np.asarray(net._through(rows, block.end)).reshape(len(X), -1))
        predicted = np.searchsorted(net.classes_, net.predict(points)).reshape(grid.shape[:2])
        targets = np.searchsorted(net.classes_, y)
        return cls(names, lines, dots, predicted, targets, net.classes_).plot(axes)

    def plot(self, axes: Any = None) -> Self:
        """Draw the panels.

        Parameters
        ----------
        axes : sequence of matplotlib Axes or None, default=None
            One for each panel; None makes a figure.

        Returns
        -------
        self : SpaceWarpDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing.
        ValueError
            If there are not as many axes as panels.
        """
        from matplotlib.collections import LineCollection
        from matplotlib.colors import to_rgb

        n = len(self.names)
        if axes is None:
            ncols = min(n, 4 if n > 6 or n == 4 else 3)
            nrows = ceil(n / ncols)
            figsize = (3.1 * ncols + 0.9, 3.1 * nrows + 0.2)
            axes = pyplot("SpaceWarpDisplay").subplots(
                nrows, ncols, figsize=figsize, layout="constrained", squeeze=False
            )[1]
            for ax in axes.ravel()[n:]:
                ax.remove()
            axes = axes.ravel()[:n]
        self.axes_ = np.asarray(axes, dtype=object).ravel()
        if len(self.axes_) != n:
            raise ValueError(f"SpaceWarpDisplay draws {n} panels ({', '.join(self.names)}), on {len(self.axes_)} axes.")
        self.figure_ = self.axes_[0].figure
        colors = np.array([to_rgb(color) for color in class_colors(len(self.classes))])
        pale = 0.55 + 0.45 * colors
        size = float(np.clip(3_000 / len(self.targets), 3, 18))
        for ax, name, lines, rows in zip(self.axes_, self.names, self.lines, self.rows, strict=True):
            if name == self.names[0]:
                points, bends, titles = rows, lines, ["feature 1", "feature 2"]
            else:
                (points, bends), titles = two_coordinates(rows, lines.reshape(-1, lines.shape[-1]))
                bends = bends.reshape(*lines.shape[:2], 2)
            segments = np.stack([bends[:, :-1], bends[:, 1:]], axis=2).reshape(-1, 2, 2)
            shades = pale[self.predicted[:, :-1].ravel()]
            ax.add_collection(LineCollection(list(segments), colors=shades, linewidths=0.8, zorder=1))
            ax.scatter(*points.T, color=colors[self.targets], s=size, linewidths=0, zorder=2)
            ax.autoscale_view()
            ax.set(title=name, xlabel=titles[0], ylabel=titles[1], xticks=[], yticks=[])
            ax.spines[["top", "right"]].set_visible(False)
        dots = [
            self.axes_[0].scatter([], [], color=color, s=25, label=str(c)) for c, color in zip(self.classes, colors)
        ]
        if len(dots) <= 20:
            self.figure_.legend(handles=dots, loc="outside right center", frameon=False, handletextpad=0.2)
        return self


def _grid(X, n_lines, margin):
    """Points along the lines of a grid over rows (n, 2): first the lines across, then those down."""
    low, high = X.min(axis=0).astype(np.float64), X.max(axis=0).astype(np.float64)
    extent = np.where(high > low, high - low, 1.0)
    low, high = low - margin * extent, high + margin * extent
    fine = PER_LINE * (n_lines - 1) + 1
    (x, y), (xs, ys) = (np.linspace(low, high, k).T for k in (n_lines, fine))
    across = np.stack(np.broadcast_arrays(xs[None, :], y[:, None]), axis=2)
    down = np.stack(np.broadcast_arrays(x[:, None], ys[None, :]), axis=2)
    return np.concatenate([across, down])
