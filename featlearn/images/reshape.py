"""Doors between flat rows and images: `ToImages` in, `Flatten` out.

Both hand out views where NumPy allows one, so a memmap of a million rows becomes a memmap of a million images without
being read.
"""

from math import prod
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from featlearn.callbacks import CallbackSupportMixin
from featlearn.fitting import fitting
from featlearn.images.maps import ArraysOut, as_images, axes_rule, infer_shape, place_names
from featlearn.streaming import first_chunk, is_out_of_core, map_chunks, require_many_passes
from featlearn.validation import check_rows, one_of, optional


class Flatten(CallbackSupportMixin, TransformerMixin, BaseEstimator):
    """Images or maps to flat rows: (n, ...) to (n, n_features), in row-major order, as a view where possible.

    Attributes
    ----------
    shape_ : tuple of int
        Shape of one sample seen in `fit`, (height, width, channels) for maps.
    n_features_in_ : int
        Number of columns, only if the samples were flat already.
    feature_names_in_ : array of str
        Column names, only if `fit` got a data frame.

    See Also
    --------
    ToImages : The way back.

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

    @fitting()
    def fit(self, X: Any, y: Any = None) -> Self:
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
        if not hasattr(X, "shape") or isinstance(X, np.ma.MaskedArray):
            X = as_images(X, "Flatten", "images or maps")
        n_axes = X.ndim if hasattr(X, "ndim") else np.asarray(X).ndim
        if n_axes <= 2 and (reset or len(self.shape_) == 1):
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
        return place_names(self.shape_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class ToImages(ArraysOut):
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

    See Also
    --------
    Flatten : The way back.

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn import ToImages
    >>> rows = np.arange(12.0).reshape(1, 12)
    >>> ToImages((2, 2, 3), order="chw").fit_transform(rows)[0, 0, 0]
    array([0., 4., 8.])
    """

    _rules: ClassVar = {"shape": optional(axes_rule(2, 3)), "order": one_of("hwc", "chw")}

    def __init__(self, shape: tuple[int, ...] | None = None, *, order: str = "hwc"):
        self.shape = shape
        self.order = order

    @fitting()
    def fit(self, X: Any, y: Any = None) -> Self:
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
        if isinstance(X, np.ndarray) and X.ndim > 2:
            raise ValueError(
                f"ToImages takes flat rows (n, n_features) and got an array with dim {X.ndim}, of shape {X.shape}. "
                "What are images already need no ToImages."
            )
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

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the pixels as `Flatten` gives them: ``y{row}_x{column}`` or ``y{row}_x{column}_{channel}``.

        Parameters
        ----------
        input_features : ignored
            Present for the API.

        Returns
        -------
        names : array of str (n_features,)
        """
        check_is_fitted(self)
        return place_names(self.shape_)
