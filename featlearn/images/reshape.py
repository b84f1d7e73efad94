"""Doors between flat rows and images: `ToImages` in, `Flatten` out, and what every transformer of maps shares.

Maps are arrays (n, height, width, channels), channels last; gray images may drop the last axis. Both doors hand out
views where NumPy allows one, so a memmap of a million rows becomes a memmap of a million images without being read.
"""

from math import isqrt, prod
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from featlearn.kernels.threads import as_float
from featlearn.streaming import first_chunk, is_out_of_core, is_stream, map_chunks, require_many_passes
from featlearn.validation import Rule, check_parameters, check_rows, integer, one_of, optional


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


def check_maps(maps: Any, who: str) -> np.ndarray:
    """Maps (n, height, width[, channels]) as a finite float32 or float64 array; small integers become float32."""
    _require_axes(_shape(maps), who)
    maps = check_array(maps, dtype="numeric", ensure_2d=False, allow_nd=True, input_name="maps", estimator=who)
    if 0 in maps.shape:
        raise ValueError(f"{who} got maps of shape {maps.shape}, which hold no pixel. Give every axis a size above 0.")
    return as_float(maps)


def _shape(X: Any) -> tuple[int, ...]:
    return X.shape if hasattr(X, "shape") else np.asarray(X).shape


def _require_axes(shape: tuple[int, ...], who: str) -> None:
    if len(shape) not in (3, 4):
        raise ValueError(
            f"{who} takes maps of shape (n, height, width) or (n, height, width, channels) and got {shape}. "
            "Flat rows become images with ToImages(shape)."
        )


class MapTransformer(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Base of the transformers that learn nothing and treat every map by itself: maps in, maps out.

    A subclass says how: `_check_parameters` refuses bad ones, `_check_size` refuses maps of a wrong height and width,
    and `_apply` turns maps (n, height, width, channels) into others.
    """

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
        self._check_parameters()
        if maps is not None and (callable(maps) or not is_stream(maps)):
            head = first_chunk(maps) if is_out_of_core(maps) else np.asarray(maps)
            _require_axes(head.shape, type(self).__name__)
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
        self._check_parameters()
        if not is_out_of_core(maps):
            maps = np.asarray(maps)
            _require_axes(maps.shape, type(self).__name__)
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


class Flatten(TransformerMixin, BaseEstimator):
    """Images or maps to flat rows: (n, ...) to (n, n_features), in row-major order, as a view where possible.

    Attributes
    ----------
    shape_ : tuple of int
        Shape of one sample seen in `fit`, (height, width, channels) for maps.
    n_features_in_ : int
        Number of columns, only if the samples were flat already.
    feature_names_in_ : array of str
        Column names, only if `fit` got a data frame.

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn import Flatten
    >>> maps = np.arange(8.0).reshape(1, 2, 2, 2)
    >>> Flatten().fit_transform(maps)
    array([[0., 1., 2., 3., 4., 5., 6., 7.]])
    >>> Flatten().fit(maps).get_feature_names_out()[:3].tolist()
    ['y0_x0_0', 'y0_x0_1', 'y0_x1_0']
    """

    def fit(self, X: Any, y: Any = None) -> "Flatten":
        """Remember the shape of a sample.

        Parameters
        ----------
        X : array (n, ...), function returning a stream of chunks, or Dask array
        y : ignored

        Returns
        -------
        self : Flatten

        Raises
        ------
        ValueError
            If X has fewer than two axes or no sample.
        """
        if is_out_of_core(X):
            require_many_passes(X, "Flatten.fit, which looks at the first chunk,")
            X = first_chunk(X)
        for name in ("n_features_in_", "feature_names_in_"):
            self.__dict__.pop(name, None)
        self.shape_ = self._check(X, reset=True).shape[1:]
        return self

    def transform(self, X: Any) -> Any:
        """Flatten every sample.

        Parameters
        ----------
        X : array (n, *shape_), stream of chunks or Dask array

        Returns
        -------
        X : array (n, n_features), generator of chunks or lazy Dask array
            Of the input's dtype; a view if the input's memory is contiguous.

        Raises
        ------
        ValueError
            If the samples have another shape than in `fit`.
        """
        check_is_fitted(self)
        return map_chunks(self._flatten, X) if is_out_of_core(X) else self._flatten(X)

    def _flatten(self, X):
        X = self._check(X, reset=False)
        if X.shape[1:] != self.shape_:
            raise ValueError(
                f"Flatten was fitted on samples of shape {self.shape_} and now got {X.shape[1:]}. Give every image the "
                "same size, or fit again."
            )
        return X.reshape(len(X), -1)

    def _check(self, X, reset):
        # Missing values pass: flattening neither reads nor changes a number.
        options = {"dtype": "numeric", "ensure_all_finite": False}
        if len(_shape(X)) <= 2 and (reset or len(self.shape_) == 1):
            return validate_data(self, X, reset=reset, **options)
        return check_array(X, ensure_2d=False, allow_nd=True, estimator=self, **options)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Rows back to images.

        Parameters
        ----------
        X : array (n, n_features)

        Returns
        -------
        X : array (n, *shape_)

        Raises
        ------
        ValueError
            If the number of columns is not that of `fit`.
        """
        check_is_fitted(self)
        X = check_array(X, dtype="numeric", ensure_all_finite=False, estimator=self)
        if X.shape[1] != prod(self.shape_):
            raise ValueError(
                f"X has {X.shape[1]} columns, and samples of shape {self.shape_} have {prod(self.shape_)}. Pass rows "
                "as `transform` returns them."
            )
        return X.reshape(len(X), *self.shape_)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns: ``y{row}_x{column}`` for images, ``y{row}_x{column}_{channel}`` for maps.

        Parameters
        ----------
        input_features : array of str (n_features,) or None, default=None
            If given, these are the names.

        Returns
        -------
        names : array of str (n_features,)
        """
        check_is_fitted(self)
        if len(self.shape_) == 1:
            return OneToOneFeatureMixin.get_feature_names_out(self, input_features)
        if input_features is not None:
            names = np.asarray(input_features, dtype=object)
            if names.shape != (prod(self.shape_),):
                raise ValueError(
                    f"input_features holds {names.size} names, and samples of shape {self.shape_} have "
                    f"{prod(self.shape_)} features. Pass one name each, or None."
                )
            return names
        marks = ("y", "x", "") if len(self.shape_) <= 3 else ("",) * len(self.shape_)
        index = (zip(marks, place, strict=False) for place in np.ndindex(self.shape_))
        return np.array(["_".join(f"{mark}{i}" for mark, i in place) for place in index], dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class ToImages(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Flat rows to images: (n, n_features) to (n, height, width[, channels]), as a view.

    Parameters
    ----------
    shape : tuple (height, width) or (height, width, channels) or None, default=None
        Shape of one image, channels last whatever `order`. None takes a square one, gray or of three channels.
    order : {"hwc", "chw"}, default="hwc"
        How a row is laid out: pixel by pixel, or one channel after the other (CIFAR's rows). The images always have
        their channels last.

    Attributes
    ----------
    shape_ : tuple of int
        Shape of one image.
    n_features_in_ : int
        Number of columns seen in `fit`.
    feature_names_in_ : array of str
        Column names, only if `fit` got a data frame.

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn import ToImages
    >>> rows = np.arange(12.0).reshape(1, 12)
    >>> ToImages((2, 2, 3), order="chw").fit_transform(rows)[0, 0, 0]
    array([0., 4., 8.])
    """

    def __init__(self, shape: tuple[int, ...] | None = None, order: str = "hwc"):
        self.shape = shape
        self.order = order

    def fit(self, X: Any, y: Any = None) -> "ToImages":
        """Check that the columns make images of the shape asked.

        Parameters
        ----------
        X : array or data frame (n, n_features), function returning a stream of chunks, or Dask array
        y : ignored

        Returns
        -------
        self : ToImages

        Raises
        ------
        ValueError
            If a parameter is not valid, or the number of columns does not make an image of this shape.
        """
        check_parameters(self, shape=optional(axes_rule(2, 3)), order=one_of("hwc", "chw"))
        # Looking at the first chunk spends an iterator, so none may come here.
        check_rows(self, X, reset=True, passes=2)
        shape = infer_shape(self.n_features_in_) if self.shape is None else tuple(int(size) for size in self.shape)
        if prod(shape) != self.n_features_in_:
            needed = " * ".join(map(str, shape))
            raise ValueError(
                f"X has {self.n_features_in_} columns, and an image of shape={shape} takes {needed} = {prod(shape)}. "
                "Pass the shape that the rows have."
            )
        self.shape_ = shape
        return self

    def transform(self, X: Any) -> Any:
        """Rows to images.

        Parameters
        ----------
        X : array or data frame (n, n_features), stream of chunks or Dask array

        Returns
        -------
        images : array (n, height, width[, channels]), generator of chunks or lazy Dask array

        Raises
        ------
        ValueError
            If X has another number of columns than in `fit`, or holds NaN or infinity.
        """
        check_is_fitted(self)
        out_of_core = is_out_of_core(X)
        X = check_rows(self, X, reset=False)
        return map_chunks(self._to_images, X) if out_of_core else self._to_images(X)

    def _to_images(self, rows):
        if self.order == "hwc" or len(self.shape_) == 2:
            return rows.reshape(len(rows), *self.shape_)
        height, width, channels = self.shape_
        return rows.reshape(len(rows), channels, height, width).transpose(0, 2, 3, 1)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Images back to rows, in the layout that `transform` takes.

        Parameters
        ----------
        X : array (n, height, width[, channels])

        Returns
        -------
        rows : array (n, n_features)

        Raises
        ------
        ValueError
            If the images have another shape than `shape_`.
        """
        check_is_fitted(self)
        images = check_array(X, dtype="numeric", ensure_2d=False, allow_nd=True, ensure_all_finite=False)
        if images.shape[1:] != self.shape_:
            raise ValueError(f"The images have shape {images.shape[1:]}, and ToImages was fitted for {self.shape_}.")
        if self.order == "chw" and images.ndim == 4:
            images = images.transpose(0, 3, 1, 2)
        return images.reshape(len(images), -1)

    def set_output(self, *, transform: str | None = None) -> "ToImages":
        """Do nothing: images are no table, so they stay arrays. It lets a whole pipeline be set to data frames.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"} or None, default=None
            Ignored.

        Returns
        -------
        self : ToImages
        """
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
