"""Pictures side by side: `tile` lays images out in a grid, and needs no plotting library."""

from math import ceil, prod, sqrt
from typing import Any

import numpy as np
from scipy.sparse import issparse

from featlearn.images.maps import as_images, axes_rule, infer_shape
from featlearn.plot.curves import pyplot


def picture_shape(n_features: int, shape: tuple[int, ...] | None = None) -> tuple[int, ...]:
    """The shape (height, width) or (height, width, 3) that ``n_features`` numbers are drawn in.

    Raises
    ------
    ValueError
        If no square picture can be guessed, or the shape given is no picture or holds another number of values.
    """
    if shape is None:
        return infer_shape(n_features)
    expected = axes_rule(2, 3)(shape)
    if expected is not None:
        raise ValueError(f"shape={shape!r} is not valid; pass {expected}.")
    shape = tuple(int(size) for size in shape)
    if prod(shape) != n_features:
        raise ValueError(
            f"shape={shape} takes {' * '.join(map(str, shape))} = {prod(shape)} features, and there are {n_features}. "
            "Pass the height, width and channels of one picture."
        )
    if len(shape) == 3 and shape[2] == 1:
        shape = shape[:2]
    if len(shape) == 3 and shape[2] != 3:
        raise ValueError(
            f"shape={shape} has {shape[2]} channels, and a picture shows 1 or 3. Pass "
            f"shape=({shape[0]}, {shape[1] * shape[2]}) to see them interleaved."
        )
    return shape


def as_rows(who: str, estimator: Any, X: Any) -> Any:
    """Samples as a fitted estimator takes them: images become rows of their pixels where it was fitted to such rows.

    Data frames and sparse matrices stay as they are, and so do images for what takes images.

    Raises
    ------
    TypeError
        If X holds no samples.
    ValueError
        If it is a single one, or images of another number of pixels than the estimator has features.
    """
    if hasattr(X, "iloc") or issparse(X):
        return X
    X = as_images(X, who, "samples")
    width, learner = getattr(estimator, "n_features_in_", None), type(estimator).__name__
    if X.ndim < 2 or (X.ndim == 2 and width == X.size != X.shape[1]):
        raise ValueError(f"{who} takes many samples, and X of shape {X.shape} is a single one; pass X[None].")
    if X.ndim == 2 or width is None:
        return X
    pixels = prod(X.shape[1:])
    if pixels != width:
        raise ValueError(
            f"{who}: X holds samples of shape {X.shape[1:]}, which are {pixels} numbers, and {learner} was fitted to "
            f"rows of {width}. Pass what it was fitted to; of a learner of patches, patches."
        )
    return X.reshape(len(X), pixels)


def to_unit_range(pictures: np.ndarray, normalize: str = "each") -> np.ndarray:
    """Pictures (n, ...) scaled into [0, 1], each by itself or all alike.

    Where any value is negative, zero becomes mid-gray and both signs share one scale; else zero stays black.
    """
    axes = tuple(range(1 if normalize == "each" else 0, pictures.ndim))
    largest = np.abs(pictures).max(axis=axes, keepdims=True)
    scaled = pictures / np.where(largest > 0, largest, 1)
    return (scaled + 1) / 2 if pictures.min() < 0 else scaled


def tile(
    filters: Any,
    shape: tuple[int, ...] | None = None,
    *,
    ncols: int | None = None,
    padding: int = 1,
    normalize: str | None = "each",
) -> np.ndarray:
    """Lay pictures out in a grid, row by row.

    Parameters
    ----------
    filters : array (n, n_features) or (n, height, width[, channels])
        One picture per row, channels last.
    shape : tuple (height, width) or (height, width, channels) or None, default=None
        Shape of a picture; None takes that of `filters` or, if they are flat, a square one.
    ncols : int or None, default=None
        Pictures in a row of the grid; None makes the grid nearly square.
    padding : int, default=1
        Pixels between pictures.
    normalize : {"each", "all"} or None, default="each"
        Scale every picture into [0, 1] by itself, or all by one scale, or not at all. If any value is negative, zero
        becomes 0.5 and both signs share a scale; else zero stays 0.

    Returns
    -------
    picture : array (H, W) or (H, W, 3)
        The gaps are NaN in gray, which matplotlib leaves blank, and 1 (white) in color.

    Raises
    ------
    ValueError
        If a parameter is not valid, there is nothing to show, or the features make no picture of this shape.

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn.plot import tile
    >>> tile(np.array([[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 0.0, 8.0]]), padding=1)
    array([[0.25, 0.5 ,  nan, 0.  , 0.  ],
           [0.75, 1.  ,  nan, 0.  , 1.  ]])
    """
    filters = as_images(filters, "tile", "pictures")
    if filters.ndim not in (2, 3, 4) or filters.size == 0:
        raise ValueError(
            f"There is nothing to show: filters of shape {filters.shape}. Pass at least one row of pixels."
        )
    if normalize not in ("each", "all", None):
        raise ValueError(f"normalize={normalize!r} is not valid; pass 'each', 'all' or None.")
    if padding < 0 or (ncols is not None and ncols < 1):
        raise ValueError(f"padding={padding} must be at least 0 and ncols={ncols} at least 1 (or None).")
    n = len(filters)
    if filters.ndim > 2 and shape is None:
        shape = filters.shape[1:]
    height, width, *color = picture_shape(prod(filters.shape[1:]), shape)
    pictures = filters.reshape(n, height, width, *color).astype(np.float64)
    if normalize is not None:
        pictures = to_unit_range(pictures, normalize)
    ncols = min(n, ncols or ceil(sqrt(n)))
    nrows = ceil(n / ncols)
    grid = (nrows * (height + padding) - padding, ncols * (width + padding) - padding, *color)
    picture = np.full(grid, 1.0 if color else np.nan)
    for i, one in enumerate(pictures):
        top, left = i // ncols * (height + padding), i % ncols * (width + padding)
        picture[top : top + height, left : left + width] = one
    return picture


def show(who: str, ax: Any, picture: np.ndarray, cmap: str) -> tuple[Any, Any, Any]:
    """Draw a picture on the axes given, or on new ones as wide as it deserves; the axes, their figure and the image.

    Raises
    ------
    ImportError
        If matplotlib is missing.
    """
    plt = pyplot(who)
    if ax is None:
        height, width = picture.shape[:2]
        scale = 6.0 / max(height, width)
        # Room for the title above, and never so thin that the title is wider than the figure.
        ax = plt.subplots(figsize=(max(width * scale, 3.0), height * scale + 0.5), layout="constrained")[1]
    return ax, ax.figure, ax.imshow(picture, cmap=cmap, vmin=0, vmax=1, interpolation="nearest")
