"""Filters as pictures: what a learner, a pipeline of whitening and a learner, or a whole `Stage` has learned.

Of a network the weights of a layer. Those of a deeper one are projected down: row j of (W_1 D_1 W_2 ... W_l)', the
pattern of pixels that raises unit j most where every unit below is as good as linear, as in Lee, Ekanadham & Ng (2008),
"Sparse deep belief net model for visual area V2". D_i is what scales features on the way (scalers, batch norm).
"""

from typing import Any, Self

import numpy as np

from featlearn.networks.layers import (
    Activation,
    Affine,
    AlphaDropout,
    BatchNorm,
    Dense,
    Dropout,
    GaussianNoise,
    LargestPiece,
)
from featlearn.networks.map_layers import Flat
from featlearn.plot.nets import block_named, find_network, is_network
from featlearn.plot.tiles import picture_shape, show, tile
from featlearn.validation import check_fitted

TAKES = (
    "a fitted dictionary, factor or cluster model, a Stage, a network, or a pipeline with one (filters themselves, "
    "rows of an array, are drawn by FilterGridDisplay(filters).plot())"
)
# Fitted attributes that hold one filter per row, (n_filters, n_features).
_FILTERS = ("components_", "cluster_centers_")
_KEEP = (Activation, AlphaDropout, Dropout, Flat, GaussianNoise)  # layers that leave directions as they are


def find_filters(
    estimator: Any, whitened: bool = False, layer: str | int | None = None
) -> tuple[np.ndarray, tuple[int, ...] | None]:
    """The filters (n_filters, n_features) of a fitted estimator, and the shape of one where it is known.

    A `Stage` gives its learner's filters and its patches' shape. A pipeline gives its first stage's or, without one,
    those of the last step that has any, taken back through the steps before it unless ``whitened``. A network gives
    those of its first layer, or of the ``layer`` named.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If it holds no filters, or ``layer`` is asked of what is no network.
    """
    check_fitted("FilterGridDisplay.from_estimator", estimator, TAKES)
    estimator = getattr(estimator, "best_estimator_", estimator)
    if hasattr(estimator, "steps"):
        return _find_in_pipeline([step for _, step in estimator.steps], whitened, layer)
    if is_network(estimator):
        return _network_filters(estimator, layer), getattr(estimator, "image_shape_", None)
    if layer is not None:
        raise TypeError(f"layer={layer!r} names a layer of a network, and {type(estimator).__name__} is none.")
    if _is_stage(estimator):
        return find_filters(estimator.learner_, whitened)[0], tuple(estimator.patch_shape_)
    for name in _FILTERS:
        if hasattr(estimator, name):
            return np.atleast_2d(np.asarray(getattr(estimator, name))), None
    raise TypeError(
        f"{type(estimator).__name__} holds no filters: none of {', '.join(_FILTERS)}. {_linear(estimator)}Pass a "
        "fitted dictionary, factor or cluster model, a Stage, or a pipeline with one."
    )


def _is_stage(estimator):
    return hasattr(estimator, "learner_") and hasattr(estimator, "patch_shape_")


def _linear(estimator):
    """How to draw the weights of a linear model, if it is one."""
    if not hasattr(estimator, "coef_"):
        return ""
    return (
        f"{type(estimator).__name__} is a linear model, whose coef_ weighs the features it is given: if these are "
        "pixels, FilterGridDisplay(numpy.atleast_2d(model.coef_)).plot() draws the weights of each class. "
    )


def _network_filters(net, layer):
    """Filters (n_units, n_features) of a layer of a network, the first unless one is named, projected to its inputs."""
    through: Any = None
    for fitted in net.layers_[: block_named(net, layer).start + 1]:
        through = _projected(type(net).__name__, through, fitted)
    filters = np.ascontiguousarray(through.T)
    for learner in reversed(net.prefix_):
        if hasattr(learner, "inverse_transform"):
            filters = take_back(learner, filters)
    return filters


def _projected(who, through, fitted):
    """The matrix (n_features, n_units) up to a layer from that of those below it, None or (n_features,) if diagonal."""
    layer, p, s = fitted.layer, fitted.params, fitted.state
    if isinstance(layer, Dense):
        diagonal = through is None or through.ndim == 1
        return p["W"] * (1 if through is None else through[:, None]) if diagonal else through @ p["W"]
    scale = None
    if isinstance(layer, Affine):
        scale = s["c"]
    elif isinstance(layer, BatchNorm):
        scale = p["g"] / np.sqrt(s["variance"] + layer.eps)
    elif isinstance(layer, LargestPiece):  # a unit's pieces, none before another
        return through.reshape(len(through), -1, layer.pieces).mean(axis=2)
    elif not isinstance(layer, _KEEP):
        raise TypeError(f"{who}: what lies below passes {type(layer).__name__}, through which no filter is projected.")
    if scale is None:
        return through
    return scale if through is None else through * scale


def _holds(step):
    return is_network(step) or any(hasattr(step, name) for name in _FILTERS)


def _find_in_pipeline(steps, whitened, layer):
    for step in steps:
        if _is_stage(step) and layer is None:
            return find_filters(step, whitened)
    last = max((i for i, step in enumerate(steps) if _holds(step)), default=None)
    if last is None:
        raise TypeError(
            f"No step of the pipeline ({', '.join(type(step).__name__ for step in steps)}) holds filters: none has "
            f"{' or '.join(_FILTERS)}. {_linear(steps[-1])}Add a dictionary, factor or cluster model, or a Stage."
        )
    filters, _ = find_filters(steps[last], layer=layer)
    shape = None
    for step in reversed(steps[:last]):
        # Flatten only reshapes, so it is never part of the whitening; it knows what a picture looks like.
        if hasattr(step, "shape_") and hasattr(step, "inverse_transform"):
            shape = tuple(step.shape_) if np.prod(step.shape_) == filters.shape[1] else None
            break
        if not whitened and hasattr(step, "inverse_transform"):
            filters = take_back(step, filters)
    return filters, shape if shape and len(shape) > 1 else None


def take_back(step: Any, filters: np.ndarray) -> np.ndarray:
    """Filters before a whitening or scaling step: its inverse without the mean, since filters are directions."""
    origin = np.zeros((1, filters.shape[1]), dtype=filters.dtype)
    return np.asarray(step.inverse_transform(filters)) - np.asarray(step.inverse_transform(origin))


class FilterGridDisplay:
    """A grid of filters, each drawn as the patch it answers to.

    Use `from_estimator` to make one.

    Parameters
    ----------
    filters : array (n_filters, n_features)
        One filter per row, channels last.
    shape : tuple (height, width) or (height, width, channels) or None, default=None
        Shape of a filter; None takes a square one, gray or of three channels.
    title : str or None, default=None
        Text above the grid.

    Attributes
    ----------
    im_ : matplotlib AxesImage
        The grid.
    ax_ : matplotlib Axes
        Axes with the grid.
    figure_ : matplotlib Figure
        Figure with the axes.

    See Also
    --------
    ReconstructionDisplay, SampleGridDisplay : Other pictures of a learner.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import NMF
    >>> from featlearn import FilterGridDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> model = NMF(16, init="nndsvd", tol=1e-2).fit(X[:200])
    >>> display = FilterGridDisplay.from_estimator(model)
    >>> display.filters.shape, display.shape
    ((16, 64), (8, 8))
    """

    def __init__(self, filters: Any, *, shape: tuple[int, ...] | None = None, title: str | None = None):
        self.filters = filters
        self.shape = shape
        self.title = title

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        layer: str | int | None = None,
        shape: tuple[int, ...] | None = None,
        whitened: bool = False,
        n_filters: int | None = 100,
        ncols: int | None = None,
        ax: Any = None,
        cmap: str = "gray",
        normalize: str | None = "each",
        padding: int = 1,
    ) -> Self:
        """Draw the filters of a fitted estimator.

        Parameters
        ----------
        estimator : fitted estimator
            One with ``components_`` or ``cluster_centers_``, a `Stage`, a network, a pipeline with one of these, or a
            search over it.
        layer : str, int or None, default=None
            Of a network, the layer whose units are drawn, by its name ("dense-2") or place among those with weights;
            None takes the first. Those of deeper layers are projected down to the network's inputs, see this module.
        shape : tuple (height, width) or (height, width, channels) or None, default=None
            Shape of a filter; None takes that of the stage's patches or the flattened images, else a square one.
        whitened : bool, default=False
            Whether filters learned on whitened data are shown as they are, or taken back through the whitening (and
            every other invertible step before the learner) to look like patches of the data.
        n_filters : int or None, default=100
            At most so many are drawn, the first ones; None draws all.
        ncols : int or None, default=None
            Filters in a row; None makes the grid nearly square.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.
        cmap : str, default="gray"
            Color map of gray filters.
        normalize : {"each", "all"} or None, default="each"
            Whether each filter fills the range of gray, or all share one scale; None draws values in [0, 1] as such.
        padding : int, default=1
            Pixels between filters.

        Returns
        -------
        display : FilterGridDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing.
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If it is no estimator, or holds no filters (a linear model's weights are drawn by
            ``FilterGridDisplay(model.coef_).plot()``), or ``layer`` is asked of what is no network.
        ValueError
            If the filters make no picture of this shape, or the network has no such layer.
        """
        filters, known = find_filters(estimator, whitened, layer)
        try:
            shape = picture_shape(filters.shape[1], known if shape is None else shape)
        except ValueError as error:
            hint = " Whitening may have changed the number of features; try whitened=False." if whitened else ""
            raise ValueError(f"{error}{hint}") from None
        count = len(filters) if n_filters is None else min(n_filters, len(filters))
        if count < 1:
            raise ValueError(f"n_filters={n_filters} draws nothing; pass at least 1, or None for all.")
        noun = f"{count} of {len(filters)} filters" if count < len(filters) else f"{count} filters"
        if layer is not None:
            noun += f" of {block_named(find_network('FilterGridDisplay', estimator)[1], layer).name}"
        display = cls(filters[:count], shape=shape, title=f"{noun}, {' × '.join(map(str, shape))}")
        return display.plot(ax, ncols=ncols, cmap=cmap, normalize=normalize, padding=padding)

    def plot(
        self,
        ax: Any = None,
        *,
        ncols: int | None = None,
        cmap: str = "gray",
        normalize: str | None = "each",
        padding: int = 1,
    ) -> Self:
        """Draw the grid.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.
        ncols : int or None, default=None
            Filters in a row; None makes the grid nearly square.
        cmap : str, default="gray"
            Color map of gray filters.
        normalize : {"each", "all"} or None, default="each"
            Whether each filter fills the range of gray, or all share one scale; None draws values in [0, 1] as such.
        padding : int, default=1
            Pixels between filters.

        Returns
        -------
        self : FilterGridDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing.
        """
        picture = tile(self.filters, self.shape, ncols=ncols, padding=padding, normalize=normalize)
        self.ax_, self.figure_, self.im_ = show("FilterGridDisplay", ax, picture, cmap)
        self.ax_.set_axis_off()
        if self.title:
            self.ax_.set_title(self.title)
        return self
