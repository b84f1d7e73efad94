"""What everything that takes images or maps shares: the gates, the names of places, and the base of transformers.

Images and maps are arrays (n, height, width, channels), channels last; gray images may drop the last axis.
"""

from math import isqrt
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_array

from featlearn.callbacks import CallbackSupportMixin, begin_fit, end_fit, with_callbacks
from featlearn.streaming import first_chunk, is_out_of_core, is_stream, map_chunks
from featlearn.threads import as_float
from featlearn.validation import Rule, integer


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
    """A tuple or list of positive integers, of one of the lengths named."""

    def rule(value):
        fits = isinstance(value, (tuple, list)) and len(value) in lengths
        if fits and all(integer(1)(size) is None for size in value):
            return None
        return " or ".join(f"a tuple of {length}" for length in lengths) + " positive integers"

    return rule


def require_axes(shape: tuple[int, ...], who: str, noun: str = "images") -> None:
    """Refuse what has not three or four axes; a ValueError names the way in for flat rows."""
    if len(shape) not in (3, 4):
        raise ValueError(
            f"{who} takes {noun} of shape (n, height, width) or (n, height, width, channels) and got an array of shape "
            f"{tuple(shape)}. Turn flat rows into images with ToImages(shape)."
        )


def check_images(images: Any, who: str, noun: str = "images") -> np.ndarray:
    """Images (n, height, width[, channels]) as a finite numeric array; integers and memmaps are left as they are."""
    images = images if hasattr(images, "shape") else np.asarray(images)
    require_axes(images.shape, who, noun)
    images = check_array(images, dtype="numeric", ensure_2d=False, allow_nd=True, input_name=noun, estimator=who)
    if 0 in images.shape:
        raise ValueError(
            f"{who} got {noun} of shape {images.shape}, which hold no pixel. Give every axis a size above 0."
        )
    return images


def check_maps(maps: Any, who: str) -> np.ndarray:
    """Maps (n, height, width[, channels]) as a finite float32 or float64 array; small integers become float32."""
    return as_float(check_images(maps, who, "maps"))


def place_names(shape: tuple[int, ...]) -> np.ndarray:
    """Names of a flattened image's numbers: ``y{row}_x{column}``, or ``y{row}_x{column}_{channel}``."""
    marks = ("y", "x", "") if len(shape) <= 3 else ("",) * len(shape)
    places = (zip(marks, place, strict=False) for place in np.ndindex(*shape))
    return np.array(["_".join(f"{mark}{i}" for mark, i in place) for place in places], dtype=object)


class MapTransformer(TransformerMixin, CallbackSupportMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]  # fmt: skip
    """Base of the transformers that learn nothing and treat every map by itself: maps in, maps out.

    A subclass says how: `_check_parameters` refuses bad ones, `_check_size` refuses maps of a wrong height and width,
    and `_apply` turns maps (n, height, width, channels) into others.
    """

    @with_callbacks
    def fit(self, maps: Any = None, y: Any = None) -> "MapTransformer":
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
        context = begin_fit(self, 0, maps)
        self._check_parameters()
        if maps is not None and (callable(maps) or not is_stream(maps)):
            head = first_chunk(maps) if is_out_of_core(maps) else np.asarray(maps)
            require_axes(head.shape, type(self).__name__, "maps")
            self._check_size(*check_maps(head[:1], type(self).__name__).shape[1:3])
        end_fit(context, self)
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
        self._check_parameters()
        if not is_out_of_core(maps):
            maps = np.asarray(maps)
            require_axes(maps.shape, type(self).__name__, "maps")
        return map_chunks(self._transform_chunk, maps)

    def _transform_chunk(self, chunk):
        chunk = check_maps(chunk, type(self).__name__)
        self._check_size(*chunk.shape[1:3])
        if chunk.ndim == 4:
            return self._apply(chunk)
        out = self._apply(chunk[..., np.newaxis])
        return out[..., 0] if out.shape[-1] == 1 else out

    def _check_parameters(self) -> None:
        pass

    def _check_size(self, height: int, width: int) -> None:
        pass

    def _apply(self, maps: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def set_output(self, *, transform: str | None = None) -> "MapTransformer":
        """Do nothing: maps are no table, so they stay arrays. It lets a whole pipeline be set to data frames.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"} or None, default=None
            Ignored.

        Returns
        -------
        self : estimator
        """
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.two_d_array = False
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
