"""Whitening: ZCA and PCA (Bell & Sejnowski 1997; Coates, Lee & Ng 2011, section 3.1).

    covariance  S = sum_i (x_i - m)(x_i - m)' / (n - 1) = V diag(l) V'           (d, d)
    ZCA         y = P (x - m),   P = V diag(1 / sqrt(l + eps)) V'                symmetric: y still looks like x
    PCA         y = diag(1 / sqrt(l_k + eps)) V_k' (x - m)                       k leading directions

Both give the covariance diag(l / (l + eps)), up to a rotation, so distances between samples are the same. The mean and
the scatter are learned in one walk, merged in float64 with the centered rule of Chan, Golub & LeVeque (1983).
"""

from dataclasses import dataclass

import numpy as np
from scipy import linalg
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from featlearn.callbacks import CallbackSupportMixin, begin_fit, end_fit, with_callbacks
from featlearn.streaming import accumulate, map_chunks
from featlearn.threads import as_float, one_blas_thread
from featlearn.validation import check_parameters, check_rows, integer, optional, real, unchanged_on_failure


@dataclass(frozen=True)
class Moments:
    """Number of rows, their mean (d,) and their scatter about it (d, d), in float64; moments add.

    ``rounding`` is the relative rounding of the rows themselves, the coarsest of all chunks.
    """

    n: int
    mean: np.ndarray
    scatter: np.ndarray
    rounding: float

    @classmethod
    def of(cls, chunk: np.ndarray) -> "Moments":
        """Moments of a chunk of rows (n, d)."""
        rounding = float(np.finfo(as_float(chunk[:0]).dtype).eps)
        chunk = np.asarray(chunk, dtype=np.float64)
        mean = chunk.mean(axis=0)
        centered = chunk - mean
        return cls(len(chunk), mean, centered.T @ centered, rounding)

    def __add__(self, other: "Moments") -> "Moments":
        n = self.n + other.n
        shift = other.mean - self.mean
        scatter = self.scatter + other.scatter + np.outer(shift, shift) * (self.n * other.n / n)
        return Moments(n, self.mean + shift * (other.n / n), scatter, max(self.rounding, other.rounding))


def principal_axes(moments: Moments) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues l (d,), descending and not negative, and eigenvectors V (d, d) of the covariance.

    Signs are fixed: the entry of largest magnitude of each eigenvector is positive.
    """
    with one_blas_thread():
        values, vectors = linalg.eigh(moments.scatter / (moments.n - 1))
    values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
    signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(len(values))])
    return values, vectors * np.where(signs == 0, 1, signs)


def whitening_scales(values: np.ndarray, eps: float, rounding: float = 0.0) -> np.ndarray:
    """1 / sqrt(l + eps); a direction without variance, up to rounding, gets 0 when eps is 0.

    Eigenvalues are known to about float64's precision, and those of rows with a relative ``rounding`` (float32 rows,
    say) to that squared.
    """
    total = values + eps
    floor = values.max(initial=0) * len(values) * max(np.finfo(np.float64).eps, rounding**2) * 8
    return np.divide(1, np.sqrt(total), out=np.zeros_like(total), where=total > (0 if eps > 0 else floor))


class _Affine:
    """chunk -> (chunk - before) @ matrix + after, in the chunk's own precision; picklable."""

    def __init__(self, matrix, before=None, after=None):
        self.matrix, self.before, self.after = matrix, before, after

    def __call__(self, chunk):
        chunk = as_float(chunk)
        if self.before is not None:
            chunk = chunk - self.before.astype(chunk.dtype)
        result = chunk @ self.matrix.astype(chunk.dtype)
        if self.after is not None:
            result += self.after.astype(chunk.dtype)
        return result


class _Whitening(TransformerMixin, CallbackSupportMixin, BaseEstimator):
    """What the two whitenings share: learning the moments, and applying a matrix."""

    @with_callbacks
    @unchanged_on_failure
    def fit(self, X, y=None):
        """Learn the mean and the whitening from the samples, in one walk.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, stream of chunks or Dask array
            The samples; at least two.
        y : ignored
            Present for the API.

        Returns
        -------
        self
        """
        self._check()
        context = begin_fit(self, 0, X=X)
        X = check_rows(self, X, reset=True, squared=False)
        self._learn(accumulate(Moments.of, X))
        end_fit(context, self)
        return self

    @unchanged_on_failure
    def partial_fit(self, X, y=None):
        """Add more samples to what was learned; the result equals one `fit` on all of them.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, stream of chunks or Dask array
            More samples.
        y : ignored
            Present for the API.

        Returns
        -------
        self
        """
        self._check()
        first = not hasattr(self, "moments_")
        X = check_rows(self, X, reset=first, squared=False)
        moments = accumulate(Moments.of, X)
        return self._learn(moments if first else self.moments_ + moments)

    def _learn(self, moments):
        n, d = moments.n, len(moments.mean)
        if n < 2:
            raise ValueError(f"{type(self).__name__}: n_samples=1 has no covariance; pass at least 2 samples.")
        if self.eps == 0 and n <= d and self._full_rank_wanted(n):
            raise ValueError(
                f"{type(self).__name__}: {n} samples cannot whiten {d} features with eps=0, their covariance has rank "
                f"{n - 1} at most. Pass more than {d} samples, eps > 0, or PCAWhitening(n_components={n - 1})."
            )
        if not np.isfinite(moments.scatter).all():
            raise ValueError(f"{type(self).__name__}: squares of the samples overflow float64. Scale the data down.")
        self.moments_, self.n_samples_seen_, self.mean_ = moments, n, moments.mean
        with one_blas_thread():
            self._set_whitening(*principal_axes(moments), moments.rounding)
        return self

    def transform(self, X):
        """Whiten samples with what `fit` learned.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, stream of chunks or Dask array
            The samples.

        Returns
        -------
        X : array (n_samples, n_outputs), a generator of chunks, or a Dask array
            The whitened samples, float32 if X is.
        """
        check_is_fitted(self)
        X = check_rows(self, X, reset=False, squared=False)
        return map_chunks(_Affine(self.whitening_, before=self.mean_), X)

    def inverse_transform(self, X):
        """Undo the whitening.

        Parameters
        ----------
        X : array (n_samples, n_outputs)
            Whitened samples.

        Returns
        -------
        X : array (n_samples, n_features)
            The samples; directions that `transform` drops stay at the mean.
        """
        check_is_fitted(self)
        X = np.asarray(X)
        if X.ndim != 2 or X.shape[1] != len(self.dewhitening_):
            raise ValueError(
                f"{type(self).__name__}.inverse_transform takes rows of {len(self.dewhitening_)} whitened features; "
                f"got an array of shape {X.shape}."
            )
        return map_chunks(_Affine(self.dewhitening_, after=self.mean_), as_float(X))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class ZCA(OneToOneFeatureMixin, _Whitening):
    """Zero-phase whitening: decorrelate the features and keep samples looking like themselves.

    Parameters
    ----------
    eps : float, default=0.1
        Added to the eigenvalues of the covariance, in squared units of the data; larger means smoother. The paper uses
        0.1 after contrast normalization of 6x6 patches. With 0, directions without variance come out as 0.

    Attributes
    ----------
    mean_ : array (n_features,)
        Mean sample.
    whitening_, dewhitening_ : array (n_features, n_features)
        Symmetric matrices: ``transform(X) = (X - mean_) @ whitening_``, and back.
    explained_variance_ : array (n_features,)
        Eigenvalues of the covariance, largest first.
    n_samples_seen_ : int
        Number of samples learned from.
    moments_ : Moments
        The sufficient statistics, for `partial_fit`.
    n_features_in_ : int
        Number of features seen by `fit`.

    Raises
    ------
    ValueError
        For one sample, or for eps = 0 with no more samples than features.

    References
    ----------
    Bell & Sejnowski (1997), "The independent components of natural scenes are edge filters"; Coates, Lee & Ng (2011),
    section 3.1.

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn import ZCA
    >>> X = np.random.default_rng(0).normal(size=(500, 2)) @ [[2.0, 1.0], [0.0, 1.0]]
    >>> np.allclose(np.cov(ZCA(eps=0).fit_transform(X).T), np.eye(2))
    True
    """

    def __init__(self, eps: float = 0.1):
        self.eps = eps

    def _check(self):
        check_parameters(self, eps=real(0))

    def _full_rank_wanted(self, n):
        return True

    def _set_whitening(self, values, vectors, rounding):
        scales = whitening_scales(values, self.eps, rounding)
        self.explained_variance_ = values
        self.whitening_ = (vectors * scales) @ vectors.T
        self.dewhitening_ = (vectors * np.divide(1, scales, out=np.zeros_like(scales), where=scales > 0)) @ vectors.T


class PCAWhitening(ClassNamePrefixFeaturesOutMixin, _Whitening):
    """Project on the leading principal axes and scale each to unit variance.

    Parameters
    ----------
    n_components : int or None, default=None
        Number of axes kept; None keeps all.
    eps : float, default=0.1
        Added to the eigenvalues, in squared units of the data. Default 0.1, as in `ZCA`.

    Attributes
    ----------
    mean_ : array (n_features,)
        Mean sample.
    components_ : array (n_components, n_features)
        Principal axes, one a row.
    explained_variance_ : array (n_components,)
        Variance along each axis.
    whitening_ : array (n_features, n_components)
        ``transform(X) = (X - mean_) @ whitening_``.
    dewhitening_ : array (n_components, n_features)
        The way back, least squares.
    n_samples_seen_ : int
        Number of samples learned from.
    moments_ : Moments
        The sufficient statistics, for `partial_fit`.
    n_features_in_ : int
        Number of features seen by `fit`.

    Raises
    ------
    ValueError
        For one sample, more components than features, or for eps = 0 with fewer samples than the axes kept need.

    References
    ----------
    Coates, Lee & Ng (2011), section 3.1.

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn import PCAWhitening
    >>> X = np.random.default_rng(0).normal(size=(500, 3))
    >>> PCAWhitening(n_components=2).fit_transform(X).shape
    (500, 2)
    """

    def __init__(self, n_components: int | None = None, eps: float = 0.1):
        self.n_components = n_components
        self.eps = eps

    def _check(self):
        check_parameters(self, n_components=optional(integer(1)), eps=real(0))

    def _full_rank_wanted(self, n):
        return self.n_components is None or self.n_components > n - 1

    def _set_whitening(self, values, vectors, rounding):
        d = len(values)
        k = d if self.n_components is None else self.n_components
        if k > d:
            raise ValueError(f"PCAWhitening: n_components={k} is more than the {d} features; pass at most {d}.")
        scales = whitening_scales(values, self.eps, rounding)[:k]
        self.explained_variance_ = values[:k]
        self.components_ = vectors[:, :k].T.copy()
        self.whitening_ = vectors[:, :k] * scales
        self.dewhitening_ = (vectors[:, :k] * np.divide(1, scales, out=np.zeros_like(scales), where=scales > 0)).T

    @property
    def _n_features_out(self):
        return len(self.components_)
