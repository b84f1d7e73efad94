"""Contrast normalization of each sample (Coates, Lee & Ng 2011, section 3.1; the authors' demo).

    y = (x - mean(x)) / sqrt(var(x) + eps),   x (d,),   var with divisor d - ddof

The demo works on pixels 0..255 with eps = 10 and MATLAB's divisor d - 1; on data of another range r the same is

    eps = 10 (r / 255)^2,   r = 255 for bytes, 1 for pixels 0..1, otherwise the largest value less the smallest
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from featlearn.arrays import as_float
from featlearn.callbacks import CallbackSupportMixin
from featlearn.fitting import fitting
from featlearn.kernels.encoding.encode import FLAT
from featlearn.notices import notify
from featlearn.streaming import accumulate, first_chunk, is_out_of_core, map_chunks
from featlearn.usefulness import probe, warn_of_idle_units
from featlearn.validation import check_magnitude, check_parameters, check_rows, either, integer, one_of, real

PAPER = 10.0  # the demo's eps, for pixels 0..255
MOST_ROWS = 0.95  # the share of rows whose variance is below eps that is worth a warning
MOST_LEVELS = 3.0  # as is a deviation between the means of features, in deviations of the rows from them;
MOST_CONSTANT = 0.25  # half of it will do where so many features are constant


@dataclass(frozen=True)
class Extent:
    """The smallest and the largest value that numbers can take: bytes go from 0 to 255 whatever they show; adds."""

    low: float
    high: float

    @classmethod
    def of(cls, chunk: np.ndarray) -> "Extent":
        """The extent of a chunk of any shape."""
        return cls(0.0, 255.0) if chunk.dtype == np.uint8 else cls(float(chunk.min()), float(chunk.max()))

    def __add__(self, other: "Extent") -> "Extent":
        return Extent(min(self.low, other.low), max(self.high, other.high))

    @property
    def range(self) -> float:
        """1 or 255 for what looks like pixels of that range, otherwise the distance from end to end."""
        for full in (1.0, 255.0):
            if self.low >= 0 and full / 2 < self.high <= full:
                return full
        return self.high - self.low


def scaled_eps(extent: Extent) -> float:
    """The demo's eps = 10 for pixels 0..255, in the units of data of this extent."""
    return PAPER * (extent.range / 255) ** 2


def contrast_normalize(X: np.ndarray, eps: float, ddof: int) -> np.ndarray:
    """Rows of X (n, d) with their mean removed, divided by sqrt(variance + eps); a constant row gives zeros."""
    X = as_float(X)
    mean = X.mean(axis=1, keepdims=True)
    centered = X - mean
    centered -= centered.mean(axis=1, keepdims=True)  # the rounding of a mean far from 0; whitening would amplify it
    flat = 0.0
    if eps == 0:
        # Without an eps the result has no unit, so each row may be measured by itself and no square can vanish.
        size = np.abs(centered).max(axis=1, keepdims=True)
        np.divide(centered, size, out=centered, where=size > 0)
        noise = FLAT * np.finfo(X.dtype).eps * np.abs(mean, dtype=np.float64)
        flat = np.divide(noise, size, out=np.full_like(noise, np.inf), where=size > 0)[:, 0] ** 2
    variance = np.einsum("nd,nd->n", centered, centered) / max(X.shape[1] - ddof, 1) + X.dtype.type(eps)
    scale = np.divide(1, np.sqrt(variance), out=np.zeros_like(variance), where=variance > flat)
    centered *= scale[:, None]
    return centered


class ContrastNormalizer(OneToOneFeatureMixin, TransformerMixin, CallbackSupportMixin, BaseEstimator):
    """Remove each sample's mean and divide by its standard deviation.

    Parameters
    ----------
    eps : "auto", "paper" or float, default="auto"
        Added to the variance, in squared units of the data, so that noise in flat samples is not blown up. "paper" is
        10, which suits pixels 0..255. "auto" is the same in the units of the data: ``10 * (r / 255) ** 2``, where the
        range r is 255 for bytes, 1 for data within [0, 1] that reach above 0.5, 255 for data within [0, 255] that reach
        above 127.5, and otherwise the largest value less the smallest. `Stage` takes the range of the images.
    ddof : {0, 1}, default=1
        The variance divides by ``n_features - ddof``. 1 is MATLAB's rule and the paper's; 0 is NumPy's.

    Attributes
    ----------
    eps_ : float
        What is added to the variance.
    n_features_in_ : int
        Number of features seen by `fit`.

    Raises
    ------
    ValueError
        For a negative eps, or data that are not finite rows of numbers, or so large or small that their squares
        overflow or vanish.
    NotFittedError
        If `transform` comes before `fit` and eps is "auto"; any other eps needs no `fit`.

    Warns
    -----
    UserWarning
        If eps is above the variance of nearly all samples, so that it decides alone, if features lie at levels further
        apart than samples, or if most features come out constant.

    See Also
    --------
    ZCA, PCAWhitening : What usually comes next.
    LocalContrastNormalizer : The same for images, about each pixel.

    References
    ----------
    Coates, Lee & Ng (2011), "An analysis of single-layer networks in unsupervised feature learning", section 3.1.

    Examples
    --------
    >>> from featlearn import ContrastNormalizer
    >>> ContrastNormalizer(eps=0, ddof=0).fit_transform([[1.0, 3.0], [5.0, 5.0]])
    array([[-1.,  1.],
           [ 0.,  0.]])
    >>> ContrastNormalizer().fit([[0.0, 255.0], [9.0, 7.0]]).eps_
    10.0
    """

    _rules: ClassVar = {"eps": either(one_of("auto", "paper"), real(0)), "ddof": integer(0, 1)}

    def __init__(self, eps: float | str = "auto", *, ddof: int = 1):
        self.eps = eps
        self.ddof = ddof

    @fitting()
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the range of the data, where eps is "auto"; otherwise only check them.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, function returning chunks, or Dask array
            The samples.
        y : ignored
            Present for the API.

        Returns
        -------
        self
        """
        X = check_rows(self, X, reset=True, passes=2)  # looking at an iterator would use up its first chunk
        self.eps_ = self._learned_eps(X)
        self._warn(as_float(probe(X)))
        return self

    def _learned_eps(self, X):
        if self.eps != "auto":
            return PAPER if self.eps == "paper" else float(self.eps)
        extent = accumulate(Extent.of, X)
        if is_out_of_core(X):  # an array was checked whole
            ends = np.array([extent.low, extent.high], as_float(np.asarray(first_chunk(X))[:0]).dtype)
            check_magnitude(type(self).__name__, ends, tiny=True)
        return scaled_eps(extent)

    def _warn(self, rows):
        if rows.shape[1] < 2 or (rows == rows[:1]).all():  # there is nothing to lose
            return
        who, own, rows = type(self).__name__, as_float(rows), rows.astype(np.float64)
        variances = rows.var(axis=1, ddof=self.ddof)
        varying = variances[variances > 1e-12 * variances.max(initial=0)]
        if len(varying) and np.quantile(varying, MOST_ROWS) < self.eps_:
            auto = scaled_eps(Extent.of(rows))
            cure = f'Pass eps="auto", which is {auto:.3g} here.' if auto < self.eps_ / 2 else "Look for outliers."
            notify(
                f"{who}: eps={self.eps_:.3g} is above the variance of nearly all rows (their median is "
                f"{np.median(varying):.3g}), so it decides alone and their contrast is not normalized. {cure}"
            )
        levels, spread = rows.mean(axis=0).std(), np.sqrt(np.mean(rows.var(axis=0)))
        constants = np.mean((rows == rows[:1]).all(axis=0))
        if levels > (MOST_LEVELS if constants < MOST_CONSTANT else MOST_LEVELS / 2) * spread:
            notify(
                f"{who}: the features lie at different levels (their means deviate by {levels:.3g}, the rows from them "
                f"by {spread:.3g}), so a row's mean and contrast tell little about the row. Bring the features to one "
                "scale (StandardScaler), or leave this step out."
            )
        else:
            warn_of_idle_units(
                who,
                contrast_normalize(own, self.eps_, self.ddof),
                "Rows differ in their means, which are removed, or in features that are small beside the largest. "
                "Bring the features to one scale (StandardScaler), or leave this step out.",
            )

    def transform(self, X: Any) -> Any:
        """Normalize each sample.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, stream of chunks or Dask array
            The samples.

        Returns
        -------
        X : array (n_samples, n_features), a generator of chunks, or a Dask array
            Each row with zero mean and, for eps = 0, unit variance.
        """
        check_parameters(self)
        check_is_fitted(self)
        fitted = hasattr(self, "eps_")
        eps = self.eps_ if fitted else self._learned_eps(X)
        X = check_rows(self if fitted else clone(self), X, reset=not fitted)
        return map_chunks(partial(contrast_normalize, eps=eps, ddof=self.ddof), X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = self.eps == "auto"
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
