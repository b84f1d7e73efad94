"""Layers on images and maps (n, height, width, channels), channels last: what makes a `Stage` of layers on rows.

    Patches        every patch of an image, as a row of features at its place
    LocalContrast  every place less its local mean, by its local spread                 as `LocalContrastNormalizer`
    Pool           sum, mean or maximum over cells of a grid or under a window          as `SumPool` and the others
    Flat, Reshaped maps to rows, and rows to maps
    RandomFlip     in training, half of the images are mirrored

Learned are the layers between them, which act on the last axis: every patch by the same weights. Images without a
channel axis are taken as they are.
"""

from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any, ClassVar

import numpy as np
from scipy.ndimage import correlate1d

from featlearn.images.local_contrast import ROUNDINGS, gaussian_window
from featlearn.kernels.encoding.encode import map_size
from featlearn.networks.code_layers import rounding
from featlearn.networks.layers import Layer, Shape
from featlearn.training import Params, State

TINY = 1e-30  # a divisor that is no division by 0


def with_channels(shape: Shape) -> Shape:
    """(height, width, channels) of an image."""
    return shape if len(shape) == 3 else (*shape, 1)


def with_axis(x: Any) -> Any:
    """Tensors (n, height, width) as (n, height, width, 1)."""
    return x if len(x.shape) == 4 else x[..., None]


@dataclass(frozen=True)
class Flat(Layer):
    """Maps to rows, in row-major order.

    Examples
    --------
    >>> from featlearn.networks import Flat
    >>> Flat().shape((2, 2, 20))
    (80,)
    """

    by_hand: ClassVar[bool] = True
    takes_images: ClassVar[bool] = True

    def shape(self, shape: Shape) -> Shape:
        """One axis."""
        return (prod(shape),)

    def apply(self, p: Any, s: Any, x: Any, seed: Any, training: bool) -> tuple[Any, Any]:
        """Rows."""
        from keras import ops

        return ops.reshape(x, (-1, prod(x.shape[1:]))), s

    def forward(self, p: Params, s: State, x: np.ndarray, rng: Any, training: bool) -> tuple[np.ndarray, Any, State]:
        """Rows."""
        return x.reshape(len(x), -1), x.shape, s

    def backward(self, p: Params, s: State, kept: Any, d: np.ndarray, g: Params) -> np.ndarray:
        """Maps."""
        return d.reshape(kept)


@dataclass(frozen=True)
class Reshaped(Layer):
    """Rows to images, or an axis more or less.

    Parameters
    ----------
    target : tuple of int
        The shape of one sample.
    order : {"hwc", "chw"}, default="hwc"
        How a row is laid out, as of `ToImages`.
    """

    target: tuple[int, ...]
    order: str = "hwc"

    def shape(self, shape: Shape) -> Shape:
        """The target."""
        return self.target

    def apply(self, p: Any, s: Any, x: Any, seed: Any, training: bool) -> tuple[Any, Any]:
        """Images."""
        from keras import ops

        if self.order == "hwc" or len(self.target) == 2:
            return ops.reshape(x, (-1, *self.target)), s
        height, width, channels = self.target
        return ops.transpose(ops.reshape(x, (-1, channels, height, width)), (0, 2, 3, 1)), s


@dataclass(frozen=True)
class Patches(Layer):
    """Every patch of an image, row by row, channels last: (n, map height, map width, patch height * width * channels).

    Parameters
    ----------
    size : (int, int)
        Height and width.
    stride : int, default=1
        Pixels between neighbors.
    pad : int, default=0
        Rows and columns of zeros put around the image.
    """

    size: tuple[int, int]
    stride: int = 1
    pad: int = 0

    takes_images: ClassVar[bool] = True

    def shape(self, shape: Shape) -> Shape:
        """A place for each patch."""
        height, width, channels = with_channels(shape)
        places = map_size(height + 2 * self.pad, width + 2 * self.pad, self.size, self.stride)
        return (*places, prod(self.size) * channels)

    def apply(self, p: Any, s: Any, x: Any, seed: Any, training: bool) -> tuple[Any, Any]:
        """Shifted images, side by side: faster than `extract_patches`, which multiplies by ones and zeros."""
        from keras import ops

        x = with_axis(x)
        if self.pad:
            x = ops.pad(x, ((0, 0), (self.pad, self.pad), (self.pad, self.pad), (0, 0)))
        height, width = map_size(x.shape[1], x.shape[2], self.size, self.stride)
        down, across = (self.stride * (places - 1) + 1 for places in (height, width))
        # Columns first, then rows: one concatenation of all would ask each number which of them it is from.
        x = ops.concatenate([x[:, :, j : j + across : self.stride] for j in range(self.size[1])], axis=-1)
        return ops.concatenate([x[:, i : i + down : self.stride] for i in range(self.size[0])], axis=-1), s


@dataclass(frozen=True)
class Pool(Layer):
    """The sum, mean or maximum of maps over the cells that row slices and column slices make.

    Parameters
    ----------
    kind : {"sum", "mean", "max"}
        What is taken of a cell.
    rows, columns : tuple of (int, int)
        Begin and end of each slice; they may overlap.
    """

    kind: str
    rows: tuple[tuple[int, int], ...]
    columns: tuple[tuple[int, int], ...]

    takes_images: ClassVar[bool] = True

    def shape(self, shape: Shape) -> Shape:
        """A place for each cell."""
        return (len(self.rows), len(self.columns), with_channels(shape)[2])

    def apply(self, p: Any, s: Any, x: Any, seed: Any, training: bool) -> tuple[Any, Any]:
        """Rows first, then columns."""
        x = with_axis(x)
        for axis, cells in ((1, self.rows), (2, self.columns)):
            x = self._pooled(x, axis, cells)
        return x, s

    def _pooled(self, x, axis, cells):
        from keras import ops

        reduce = {"sum": ops.sum, "mean": ops.mean, "max": ops.max}[self.kind]
        before = (slice(None),) * axis
        lengths = {stop - start for start, stop in cells}
        touching = cells[0][0] == 0 and all(a[1] == b[0] for a, b in pairwise(cells))
        if len(lengths) == 1 and touching:  # one reduction of a whole axis
            length = lengths.pop()
            x = x[(*before, slice(0, cells[-1][1]))]
            shape = (-1, *x.shape[1:axis], len(cells), length, *x.shape[axis + 1 :])
            return reduce(ops.reshape(x, shape), axis=axis + 1)
        return ops.stack([reduce(x[(*before, slice(*cell))], axis=axis) for cell in cells], axis=axis)


def local_mean_matrix(window: np.ndarray, size: int) -> np.ndarray:
    """(size, size): means over a window about each of ``size`` places, its weights inside scaled to sum to 1."""
    matrix = correlate1d(np.eye(size), window, axis=0, mode="constant")
    return matrix / matrix.sum(axis=1, keepdims=True)


@dataclass(frozen=True)
class LocalContrast(Layer):
    """Every place less the local mean, by the local spread; see `featlearn.images.local_contrast`.

    Parameters
    ----------
    size, sigma : int, float
        Of the Gaussian window.
    eps : float or "auto", default="auto"
        Least divisor.
    floor : float or "mean", default="mean"
        What the spread is raised to.
    """

    size: int
    sigma: float
    eps: float | str = "auto"
    floor: float | str = "mean"

    takes_images: ClassVar[bool] = True

    def shape(self, shape: Shape) -> Shape:
        """With a channel axis."""
        return with_channels(shape)

    def apply(self, p: Any, s: Any, x: Any, seed: Any, training: bool) -> tuple[Any, Any]:
        """v / max(floor, spread, eps)."""
        from keras import ops

        x = with_axis(x)
        window = gaussian_window(self.size, self.sigma)
        down, across = (ops.cast(local_mean_matrix(window, size), x.dtype) for size in x.shape[1:3])

        def local_mean(a):
            return ops.einsum("nhw,ph,qw->npq", ops.mean(a, axis=-1), down, across)[..., None]

        largest = ops.max(ops.abs(x), axis=(1, 2, 3), keepdims=True)
        least = ROUNDINGS * rounding(x) * ops.stop_gradient(largest) if isinstance(self.eps, str) else self.eps
        v = x - x[:, :1, :1, :1]
        v = v - local_mean(v)
        square, low = local_mean(v * v), ops.maximum(least * least * ops.ones_like(largest), TINY)
        # The slope of a root has no bound at 0: what is below the least divisor counts as nothing.
        spread = ops.where(square > low, ops.sqrt(ops.maximum(square, low)), 0.0)
        floor = ops.mean(spread, axis=(1, 2), keepdims=True) if isinstance(self.floor, str) else self.floor
        return v / ops.maximum(ops.maximum(spread, floor), ops.sqrt(low)), s


@dataclass(frozen=True)
class RandomFlip(Layer):
    """In training, every other image is mirrored, left for right, at random.

    Examples
    --------
    >>> from featlearn import KMeansDictionary, Stage
    >>> from featlearn.networks import NetworkClassifier, Pretrained, RandomFlip
    >>> net = NetworkClassifier([RandomFlip(), Pretrained(Stage(KMeansDictionary(20)))])
    """

    takes_images: ClassVar[bool] = True

    def apply(self, p: Any, s: Any, x: Any, seed: Any, training: bool) -> tuple[Any, Any]:
        """Mirrored or not."""
        if not training:
            return x, s
        from keras import ops

        from featlearn.kernels.backend import uniform

        chosen = uniform((x.shape[0],), seed, "float32") < 0.5
        return ops.where(ops.reshape(chosen, (-1, *[1] * (len(x.shape) - 1))), ops.flip(x, axis=2), x), s
