"""Standardization as the single-layer paper does it: (x - mean) / sqrt(var + eps), with training statistics.

scikit-learn's StandardScaler copies its input several times in float64 while fitting, 6 GB for 50,000 x 6,400 features;
this one adds up moments chunk by chunk and can work in place.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from featlearn import accumulate, map_chunks


@dataclass(frozen=True)
class Moments:
    """Number of rows, mean (d,) and sum of squared deviations (d,) in float64; adding merges them."""

    n: int
    mean: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, chunk: np.ndarray) -> "Moments":
        """The moments of a chunk of rows (m, d)."""
        chunk = chunk.astype(np.float64)
        mean = chunk.mean(axis=0)
        return cls(len(chunk), mean, np.square(chunk - mean).sum(axis=0))

    def __add__(self, other: "Moments") -> "Moments":
        n, gap = self.n + other.n, other.mean - self.mean
        mean = self.mean + gap * (other.n / n)
        return Moments(n, mean, self.squares + other.squares + gap**2 * (self.n * other.n / n))


class FeatureScaler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Standardize features by ``(x - mean) / sqrt(var + eps)``, with the mean and the n-1 variance of the fit.

    Parameters
    ----------
    eps : float, default=0.01
        Added to the variance.
    copy : bool, default=True
        False overwrites float input of ``transform``, to save memory.

    Attributes
    ----------
    mean_, scale_ : float64 arrays (n_features,)
        What is subtracted, and what the rest is divided by.

    Examples
    --------
    >>> import numpy as np
    >>> from pipelines.scaler import FeatureScaler
    >>> FeatureScaler(eps=0.0).fit_transform(np.array([[1.0], [2.0], [3.0]])).ravel()
    array([-1.,  0.,  1.])
    """

    def __init__(self, eps: float = 0.01, copy: bool = True):
        self.eps, self.copy = eps, copy

    def fit(self, X, y=None):
        """Learn mean and scale of X (n_samples, n_features)."""
        X = validate_data(self, X, dtype=None, ensure_min_samples=2)
        moments = accumulate(Moments.of, X)
        self.mean_ = moments.mean
        self.scale_ = np.sqrt(moments.squares / (moments.n - 1) + self.eps)
        self.scale_[self.scale_ == 0] = 1.0
        return self

    def transform(self, X):
        """Standardize X (n_samples, n_features); float input keeps its dtype."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=None, reset=False)
        floating = X.dtype in (np.float32, np.float64)
        dtype = X.dtype if floating else np.float32
        mean, scale = self.mean_.astype(dtype), self.scale_.astype(dtype)
        out = X if floating and not self.copy and X.flags.writeable else None
        return map_chunks(lambda chunk: (chunk.astype(dtype, copy=False) - mean) / scale, X, out)
