"""Contrast normalization of each sample (Coates, Lee & Ng 2011, section 3.1; the authors' demo).

    y = (x - mean(x)) / sqrt(var(x) + eps),   x (d,),   var with divisor d - ddof

The demo works on pixels 0..255 with eps = 10 and MATLAB's divisor d - 1; on pixels 0..1 that is eps = 10 / 255^2.
"""

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin, clone

from featlearn.callbacks import CallbackSupportMixin, begin_fit, end_fit, with_callbacks
from featlearn.kernels.encode import FLAT
from featlearn.streaming import map_chunks
from featlearn.threads import as_float
from featlearn.validation import check_parameters, check_rows, integer, real, unchanged_on_failure


def contrast_normalize(X: np.ndarray, eps: float, ddof: int) -> np.ndarray:
    """Rows of X (n, d) with their mean removed, divided by sqrt(variance + eps); a constant row gives zeros."""
    X = as_float(X)
    mean = X.mean(axis=1, keepdims=True)
    centered = X - mean
    centered -= centered.mean(axis=1, keepdims=True)  # the rounding of a mean far from 0; whitening would amplify it
    variance = np.einsum("nd,nd->n", centered, centered) / max(X.shape[1] - ddof, 1) + X.dtype.type(eps)
    flat = 0 if eps > 0 else (FLAT * np.finfo(X.dtype).eps * mean[:, 0]) ** 2
    scale = np.divide(1, np.sqrt(variance), out=np.zeros_like(variance), where=variance > flat)
    centered *= scale[:, None]
    return centered


class ContrastNormalizer(OneToOneFeatureMixin, TransformerMixin, CallbackSupportMixin, BaseEstimator):
    """Remove each sample's mean and divide by its standard deviation.

    Parameters
    ----------
    eps : float, default=10.0
        Added to the variance, in squared units of the data: 10 suits pixels 0..255, ``10 / 255**2`` pixels 0..1.
    ddof : {0, 1}, default=1
        The variance divides by ``n_features - ddof``. 1 is MATLAB's rule and the paper's; 0 is NumPy's.

    Attributes
    ----------
    n_features_in_ : int
        Number of features seen by `fit`.

    Raises
    ------
    ValueError
        For a negative eps, or data that are not finite rows of numbers.

    References
    ----------
    Coates, Lee & Ng (2011), "An analysis of single-layer networks in unsupervised feature learning", section 3.1.

    Examples
    --------
    >>> from featlearn import ContrastNormalizer
    >>> ContrastNormalizer(eps=0, ddof=0).fit_transform([[1.0, 3.0], [5.0, 5.0]])
    array([[-1.,  1.],
           [ 0.,  0.]])
    """

    def __init__(self, eps: float = 10.0, ddof: int = 1):
        self.eps = eps
        self.ddof = ddof

    @with_callbacks
    @unchanged_on_failure
    def fit(self, X, y=None):
        """Check the parameters and the data; nothing is learned.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, stream of chunks or Dask array
            The samples.
        y : ignored
            Present for the API.

        Returns
        -------
        self
        """
        check_parameters(self, eps=real(0), ddof=integer(0, 1))
        context = begin_fit(self, 0, X=X)
        check_rows(self, X, reset=True, passes=2)  # looking at an iterator would use up its first chunk
        end_fit(context, self)
        return self

    def transform(self, X):
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
        check_parameters(self, eps=real(0), ddof=integer(0, 1))
        eps, ddof = self.eps, self.ddof
        fitted = hasattr(self, "n_features_in_")
        X = check_rows(self if fitted else clone(self), X, reset=not fitted)
        return map_chunks(_Normalize(eps, ddof), X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class _Normalize:
    """`contrast_normalize` with its parameters, picklable for a Dask cluster."""

    def __init__(self, eps, ddof):
        self.eps, self.ddof = eps, ddof

    def __call__(self, chunk):
        return contrast_normalize(chunk, self.eps, self.ddof)
