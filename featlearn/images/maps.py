"""What everything that takes images or maps shares: the gates, the names of places, and the base of transformers.

Images and maps are arrays (n, height, width, channels), channels last; gray images may drop the last axis.
"""

from collections import Counter
from collections.abc import Mapping
from math import isqrt
from numbers import Number
from os import PathLike
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted

from featlearn.arrays import as_float
from featlearn.callbacks import CallbackSupportMixin
from featlearn.fitting import fitting
from featlearn.streaming import first_chunk, is_out_of_core, is_stream, map_chunks
from featlearn.validation import Rule, check_parameters, integer

SIDE = 8  # pixels: less could be a map


def infer_shape(n_features: int) -> tuple[int, ...]:
    """(side, side) if ``n_features`` pixels make a square gray image, (side, side, 3) if they make a square color one.

    Raises
    ------
    ValueError
        If they make neither.
    """
    for channels in (1, 3):
        side = isqrt(n_features // channels)
        if side and n_features == channels * side * side:
            return (side, side) if channels == 1 else (side, side, 3)
    raise ValueError(
        f"{n_features} features make no square image: gray takes side * side of them and color 3 * side * side. "
        "Pass shape=(height, width) or shape=(height, width, channels)."
    )


def axes_rule(*lengths: int) -> Rule:
    """A tuple, list or array of positive integers, of one of the lengths named."""

    def rule(value):
        fits = isinstance(value, (tuple, list)) or (isinstance(value, np.ndarray) and value.ndim == 1)
        if fits and len(value) in lengths and all(integer(1)(size) is None for size in value):
            return None
        return " or ".join(f"a tuple of {length}" for length in lengths) + " positive integers"

    return rule


def pair(value: Any) -> tuple[int, int]:
    """(down, across) of a size that is one number for both, or two."""
    return (int(value), int(value)) if np.ndim(value) == 0 else (int(value[0]), int(value[1]))


def as_images(images: Any, who: str, noun: str = "images") -> np.ndarray:
    """Whatever holds numbers for ``who``, as an array: arrays as they are, lists of arrays or PIL images stacked.

    Raises
    ------
    TypeError
        For no images at all: None, a path, a mapping.
    ValueError
        For images of different sizes, values hidden by a mask, or numbers that are none.
    """
    if isinstance(images, np.ma.MaskedArray):
        hidden = int(np.ma.count_masked(images))
        if hidden:
            raise ValueError(
                f"{who} got {noun} of which a mask hides {hidden} values, and there is no image with holes. Fill them: "
                "X.filled(0)."
            )
        images = images.data
    if isinstance(images, np.ndarray) and images.dtype.kind in "buif":
        return images
    if images is None or isinstance(images, (str, bytes, PathLike, Mapping)) or _is_picture(images):
        raise TypeError(f"{who} takes an array of {noun} and got {_told(images)}")
    kind = type(images).__name__
    if isinstance(images, (list, tuple)):
        images = _stacked(images, who, noun)
    try:
        images = np.asarray(images)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{who} cannot read {noun} from {kind}: {error}") from error
    if images.ndim == 1 and images.dtype.kind in "OUST":  # a column of a table, or an array of arrays
        images = np.asarray(_stacked(list(images), who, noun))
    if images.dtype == object:
        try:
            images = images.astype(np.float64)
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"{who} takes numbers and got {noun} as an array of Python objects of shape {images.shape}: {error}. "
                "Pass one numeric array."
            ) from error
    if images.dtype.kind == "c":
        raise ValueError(
            f"{who} got complex {noun}, and pixels are real numbers. Complex data not supported; pass np.abs(X), or "
            "X.real and X.imag as channels."
        )
    if images.dtype.kind not in "buif":
        raise ValueError(f"{who} takes numbers and got {noun} of dtype {images.dtype}. Pass pixels as numbers.")
    return images


def _is_picture(value):
    """Whether this is a PIL image, told without importing PIL."""
    return type(value).__module__.split(".")[0] == "PIL" and hasattr(value, "getbands")


def _told(value):
    """What came in place of images, and what to do about it."""
    if isinstance(value, (str, bytes, PathLike)):
        return (
            f"a path or text, {value!r}. Read the files: featlearn.datasets.load_images(folder, size=...), or "
            "np.asarray(PIL.Image.open(path)) for each."
        )
    if isinstance(value, Mapping):
        return f"a {type(value).__name__} with the keys {', '.join(map(repr, list(value)[:5]))}. Pass the array in it."
    if _is_picture(value):
        return "one PIL image. Pass a list of them, all of one size, or np.asarray(image)[None]."
    return "None. Pass numbers (n, height, width) or (n, height, width, channels)."


def _stacked(items, who, noun):
    """A list of images of one size as one array; nested lists of numbers as they are, for NumPy to read."""
    first = items[0] if items else None
    if not items or (not hasattr(first, "shape") and not _is_picture(first) and isinstance(first, Number)):
        return items
    for place, item in enumerate(items):
        if item is None or isinstance(item, (str, bytes, PathLike, Mapping)):
            raise TypeError(
                f"{who} takes an array of {noun}, and number {place} of a list of {len(items)} is {_told(item)}"
            )
    try:
        shapes = [np.shape(item) for item in items]
    except ValueError as error:  # a list of lists of different lengths
        raise ValueError(f"{who} got a list of {noun} whose rows differ in length: {error}") from error
    if len(set(shapes)) > 1:
        found = [
            f"{' x '.join(map(str, shape)) or 'a number'} ({count})" for shape, count in Counter(shapes).most_common(4)
        ]
        more = f" and {len(set(shapes)) - 4} more" if len(set(shapes)) > 4 else ""
        if len({shape[:2] for shape in shapes}) == 1:
            cure = "gray and color are mixed: convert them to one kind, PIL's image.convert('RGB') or 'L'"
        else:
            cure = (
                "resize them: featlearn.datasets.load_images(folder, size=(height, width)) reads and resizes files, "
                "PIL's image.resize((width, height)) one image"
            )
        raise ValueError(
            f"{who} got a list of {len(items)} {noun} of different sizes, {', '.join(found)}{more}; {cure}."
        )
    return np.stack([np.asarray(item) for item in items]) if shapes[0] else items


def require_axes(shape: tuple[int, ...], who: str, noun: str = "images") -> None:
    """Refuse what has not three or four axes; a ValueError names the way in for flat rows and for one image."""
    if len(shape) not in (3, 4):
        raise ValueError(
            f"{who} takes {noun} of shape (n, height, width) or (n, height, width, channels) and got an array of shape "
            f"{tuple(shape)}. Turn flat rows into images with ToImages(shape), and one image into one of many with "
            "X[None]."
        )


def require_layout(shape: tuple[int, ...], who: str) -> None:
    """Refuse a color image by itself, and channels that come first; both would pass for other images.

    Only shapes that are plain: an image of 8 x 8 at least, and channels first only before a height and width alike.
    """
    if len(shape) == 3 and shape[2] in (1, 3, 4) and min(shape[:2]) >= SIDE:
        height, width, channels = shape
        raise ValueError(
            f"{who} got an array of shape {shape}: one image of {channels} channels, it seems. Pass X[None] for one "
            f"image, or X[..., None] if it holds {height} gray images, {channels} pixels wide."
        )
    if len(shape) == 4 and shape[1] in (1, 3, 4) and shape[3] not in (1, 2, 3, 4):
        _, channels, height, width = shape
        alike = height == width if channels == 1 else max(height, width) <= 2 * min(height, width)
        if alike and min(height, width) >= SIDE:
            raise ValueError(
                f"{who} got an array of shape {shape}: {channels} channels first, it seems, of images of {height} x "
                f"{width}. Images are (n, height, width, channels) here; pass np.moveaxis(X, 1, -1)."
            )


def check_images(images: Any, who: str, noun: str = "images") -> np.ndarray:
    """Images (n, height, width[, channels]) as a finite numeric array; integers and memmaps are left as they are."""
    images = as_images(images, who, noun)
    require_axes(images.shape, who, noun)
    if noun == "images":
        require_layout(images.shape, who)
    images = check_array(images, dtype="numeric", ensure_2d=False, allow_nd=True, input_name=noun, estimator=who)
    if 0 in images.shape:
        raise ValueError(
            f"{who} got {noun} of shape {images.shape}, which hold no pixel. Give every axis a size above 0."
        )
    return images


def check_maps(maps: Any, who: str) -> np.ndarray:
    """Maps (n, height, width[, channels]) as a finite float32 or float64 array; small integers become float32."""
    return as_float(check_images(maps, who, "maps"))


def finite(out: np.ndarray, estimator: Any) -> np.ndarray:
    """``out``, or a ValueError where finite maps gave infinity or NaN: their sums overflow."""
    if not np.isfinite(out).all():
        raise ValueError(
            f"{type(estimator).__name__}: sums of these maps overflow {out.dtype}. Scale them down, pass float64, or "
            "look for wrong values."
        )
    return out


def place_names(shape: tuple[int, ...]) -> np.ndarray:
    """Names of a flattened image's numbers: ``y{row}_x{column}``, or ``y{row}_x{column}_{channel}``."""
    marks = ("y", "x", "") if len(shape) <= 3 else ("",) * len(shape)
    places = (zip(marks, place, strict=False) for place in np.ndindex(*shape))
    return np.array(["_".join(f"{mark}{i}" for mark, i in place) for place in places], dtype=object)


class ArraysOut(TransformerMixin, CallbackSupportMixin, BaseEstimator):
    """Base of the transformers whose output, images or maps, is no table."""

    def __init_subclass__(cls, **options: Any):
        super().__init_subclass__(**({"auto_wrap_output_keys": None} | options))

    def set_output(self, *, transform: str | None = None) -> Self:
        """Do nothing: images and maps are no table, so they stay arrays. `Flatten` makes the data frame.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"} or None, default=None
            Ignored, so that a whole pipeline can be set to data frames.

        Returns
        -------
        self : estimator
        """
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class MapsOut(ArraysOut):
    """Base of the transformers of images or maps into maps."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.two_d_array = False
        return tags


class ImageEncoder(MapsOut):
    """Base of what learns from patches of images of one size, ``image_shape_``, and gives maps of features."""

    image_shape_: tuple[int, ...]
    patch_dtype_: np.dtype

    def _check_images(self, images: Any) -> np.ndarray:
        """Images of the size of the fit, as (n, height, width, channels)."""
        who = type(self).__name__
        images = check_images(images, who)
        if images.shape[1:] != self.image_shape_:
            raise ValueError(
                f"{who} was fitted on images of shape {self.image_shape_} and now got {images.shape[1:]}. Resize the "
                f"images, or fit {who} on this size."
            )
        return images if images.ndim == 4 else images[..., None]

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the flattened output, as `Flatten` gives them: ``y{row}_x{column}_{channel}``.

        Parameters
        ----------
        input_features : ignored
            Present for the API.

        Returns
        -------
        names : array of str (height * width * channels,)
        """
        check_is_fitted(self)
        # From the parameters of now: pools may be set anew after the fit.
        blank = np.zeros((1, *self.image_shape_), self.patch_dtype_)
        return place_names(self.transform(blank).shape[1:])


class MapTransformer(MapsOut):
    """Base of the transformers that learn nothing and treat every map by itself: maps in, maps out.

    A subclass says how: `_rules` are those of its parameters, `_check_size` refuses maps of a wrong height and width,
    and `_apply` turns maps (n, height, width, channels) into others.
    """

    @fitting()
    def fit(self, maps: Any = None, y: Any = None) -> Self:
        """Check the parameters and the shape of the maps; there is nothing to learn.

        Parameters
        ----------
        maps : array (n, height, width[, channels]), stream of chunks, Dask array or None, default=None
            Only the first map is looked at; `transform` checks them all.
        y : ignored

        Returns
        -------
        self : estimator
        """
        if maps is not None and (callable(maps) or not is_stream(maps)):
            head = first_chunk(maps) if is_out_of_core(maps) else as_images(maps, type(self).__name__, "maps")
            require_axes(head.shape, type(self).__name__, "maps")
            self._check_size(*check_maps(head[:1], type(self).__name__).shape[1:3])
        return self

    def transform(self, maps: Any) -> Any:
        """Transform maps.

        Parameters
        ----------
        maps : array (n, height, width[, channels]), stream of chunks or Dask array
            float32 stays float32, float64 stays float64; integers of up to 16 bits become float32, others float64.

        Returns
        -------
        maps : array (n, new_height, new_width[, new_channels]), generator of chunks or lazy Dask array
            A missing channel axis stays missing as long as there is one channel.

        Raises
        ------
        ValueError
            If the maps have another number of axes, are empty, or hold NaN or infinity.
        """
        check_parameters(self)
        if not is_out_of_core(maps):
            maps = as_images(maps, type(self).__name__, "maps")
            require_axes(maps.shape, type(self).__name__, "maps")
        return map_chunks(self._transform_chunk, maps)

    def _transform_chunk(self, chunk):
        chunk = check_maps(chunk, type(self).__name__)
        self._check_size(*chunk.shape[1:3])
        with np.errstate(over="ignore", invalid="ignore"):  # `finite` says it with a cure
            out = self._apply(chunk if chunk.ndim == 4 else chunk[..., np.newaxis])
        return out[..., 0] if chunk.ndim == 3 and out.shape[-1] == 1 else out

    def _check_size(self, height: int, width: int) -> None:
        pass

    def _apply(self, maps: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags
