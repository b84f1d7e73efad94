"""Whitening: ZCA and PCA (Bell & Sejnowski 1997; Coates, Lee & Ng 2011, section 3.1).

    covariance  S = sum_i (x_i - m)(x_i - m)' / (n - 1) = V diag(l) V'           (d, d)
    ZCA         y = P (x - m),   P = V diag(1 / sqrt(l + eps)) V'                symmetric: y still looks like x
    PCA         y = diag(1 / sqrt(l_k + eps)) V_k' (x - m)                       k leading directions

Both give the covariance diag(l / (l + eps)), up to a rotation, so distances between samples are the same. Of fewer
samples than features P = c I + V diag(1 / sqrt(l + eps) - c) V' with c = 1 / sqrt(eps), and no (d, d) matrix is made.
"""

from functools import cached_property, partial
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin

from featlearn.arrays import as_float
from featlearn.callbacks import CallbackSupportMixin
from featlearn.fitting import fitting, guarded
from featlearn.notices import notify
from featlearn.threads import one_blas_thread
from featlearn.validation import check_rows, either, integer, one_of, optional, real
from featlearn.vectors.features import Affine, LinearFeaturesMixin
from featlearn.vectors.moments import check_moments, coarse_rounding, moments_of, principal_axes, warn_of_too_few

NEAR = 100.0  # deviations from the origin within which a mean may be subtracted after a product in float64
PAPER = 0.1  # eps of Coates, Lee & Ng, for patches of unit variance
FLATTENED = 1e-2  # a feature is flattened if eps leaves less than this share of its variance


def whitening_scales(values: np.ndarray, eps: float, floors: np.ndarray) -> np.ndarray:
    """1 / sqrt(l + eps); a direction that does not vary beyond rounding gets 0 when eps is 0."""
    total = values + eps
    return np.divide(1, np.sqrt(total), out=np.zeros_like(total), where=(eps > 0) | (values > floors))


def median(values: np.ndarray) -> float:
    """The median of values (n,), 0 of none."""
    ordered, n = np.sort(values), len(values)
    return float(ordered[(n - 1) // 2] + ordered[n // 2]) / 2 if n else 0.0


def inverted(scales: np.ndarray) -> np.ndarray:
    """1 / scales, and 0 for 0."""
    return np.divide(1, scales, out=np.zeros_like(scales), where=scales > 0)


def _low_rank(chunk, V, scales, rest, before=None, after=None):
    """rest (c - c V V') + (c V) diag(scales) V' + after of a chunk, c = chunk - before, V (d, r), r < d."""
    dtype = as_float(chunk[:0]).dtype
    # In float64: the rest of a large direction cancels, and would leave float32's rounding of it on all features.
    chunk = np.asarray(chunk, dtype=np.float64)
    if before is not None:
        chunk = chunk - before
    inner = chunk @ V
    result = (inner * scales) @ V.T
    if rest:
        result += rest * (chunk - inner @ V.T)
    if after is not None:
        result += after
    return result.astype(dtype, copy=False)


class _Whitening(LinearFeaturesMixin, CallbackSupportMixin, BaseEstimator):
    """What the two whitenings share: learning the moments, and eps."""

    _rules: ClassVar = {"eps": either(real(0), one_of("auto", "paper"))}

    @fitting()
    def fit(self, X: Any, y: Any = None) -> Self:
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
        with one_blas_thread():
            self._learn(self._moments(X, first=True))
        n, d, least = self.moments_.n, len(self.mean_), self.explained_variance_[-1]
        if len(self.explained_variance_) == n - 1 and n - 1 <= d and least > max(self.eps_, self._floor):
            warn_of_too_few(type(self).__name__, n, d, "PCAWhitening(n_components) for far fewer, or a larger eps")
        return self

    @guarded
    def partial_fit(self, X: Any, y: Any = None) -> Self:
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
        first = not hasattr(self, "moments_")
        moments = self._moments(X, first)
        return self._learn(moments if first else self.moments_ + moments)

    def _moments(self, X, first):
        rounding = coarse_rounding(X)
        X = check_rows(self, X, reset=first, squared=False)
        return moments_of(X, rounding)

    def _learn(self, moments):
        check_moments(type(self).__name__, moments)
        self._check_rank(moments.n, len(moments.mean))
        self.moments_, self.n_samples_seen_, self.mean_ = moments, moments.n, moments.mean
        variances = moments.variances
        varies = variances > moments.noise
        varying = variances[varies]
        self._near = bool((np.abs(moments.mean) <= NEAR * np.sqrt(variances)).all())
        if self.eps == "auto":
            self.eps_ = PAPER * median(varying)
        else:
            self.eps_ = PAPER if self.eps == "paper" else float(self.eps)
        for name in {"whitening_", "dewhitening_"} & vars(self).keys():
            delattr(self, name)  # of the fit before
        with one_blas_thread():
            self._set_whitening(moments)
        self._judge(varying)
        return self

    def _judge(self, varying):
        """Warn if the outputs are of little use, given the variances (v,) of the features that vary."""
        if len(varying) == 0 and self.moments_.variances.max(initial=0) > 0:
            notify(
                f"{type(self).__name__}: no feature varies by more than the rounding of numbers of its size (about "
                f"{np.sqrt(self.moments_.noise.max()):.3g}), so the outputs say nothing. Subtract the offset before "
                "the samples are rounded, or pass float64."
            )
        flattened = int(np.count_nonzero(varying < FLATTENED * (varying + self.eps_)))
        if 2 * flattened > len(varying):
            notify(
                f"{type(self).__name__}: eps={self.eps_:.3g} is more than {1 / FLATTENED:.0f} times the variance of "
                f"{flattened} of the {len(varying)} features that vary (the median variance is "
                f"{median(varying):.3g}), so they come out flattened, not whitened. Pass eps='auto', or scale the "
                "data."
            )

    def _check_rank(self, n, d):
        """Refuse data of too low a rank."""


class ZCA(OneToOneFeatureMixin, _Whitening):
    """Zero-phase whitening: decorrelate the features and keep samples looking like themselves.

    Parameters
    ----------
    eps : float, "auto" or "paper", default="auto"
        Added to the eigenvalues of the covariance, in squared units of the data; larger means smoother. "auto" takes
        0.1 times the median variance of the features that vary, whatever their unit; "paper" takes 0.1, meant for 6x6
        patches after contrast normalization, whose variance is about 1. With 0, directions without variance come out
        as 0.

    Attributes
    ----------
    mean_ : array (n_features,)
        Mean sample.
    whitening_, dewhitening_ : array (n_features, n_features)
        Symmetric matrices: ``transform(X) = (X - mean_) @ whitening_``, and back. Computed when first asked for where
        there were fewer samples than features; `transform` then does without them.
    explained_variance_ : array (min(n_samples - 1, n_features),) or (n_features,)
        Eigenvalues of the covariance, largest first.
    eps_ : float
        The eps that was used.
    n_samples_seen_ : int
        Number of samples learned from.
    moments_ : Moments
        The sufficient statistics, for `partial_fit`.
    n_features_in_ : int
        Number of features seen by `fit`.

    Raises
    ------
    ValueError
        For one sample, for eps = 0 with no more samples than features, or samples whose squares overflow or vanish in
        float64.

    Warns
    -----
    UserWarning
        If eps drowns the variance of most features; if no feature varies beyond rounding; or if the samples are so few,
        and eps so small, that each gets a direction of its own.

    See Also
    --------
    PCAWhitening : Fewer, uncorrelated directions.
    ContrastNormalizer : What usually comes before.

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

    def __init__(self, eps: float | str = "auto"):
        self.eps = eps

    def _check_rank(self, n, d):
        if self.eps == 0 and n <= d:
            raise ValueError(
                f"ZCA: {n} samples cannot whiten {d} features with eps=0, their covariance has rank {n - 1} at most. "
                f"Pass more than {d} samples, eps > 0, or take PCAWhitening(n_components={n - 1})."
            )

    def _set_whitening(self, moments):
        axes = principal_axes(moments, moments.n - 1 if moments.product is None else None)
        self.explained_variance_, self._vectors = axes.values, axes.vectors
        self._scales, self._floor = whitening_scales(axes.values, self.eps_, axes.floors), axes.floors.max()
        self._rest = 1 / np.sqrt(self.eps_) if self.eps_ > 0 else 0.0
        if moments.product is not None:
            self.whitening_ = self._symmetric(self._scales, self._rest)

    def _symmetric(self, scales, rest):
        """V diag(scales) V' + rest (I - V V')."""
        V = self._vectors
        if len(scales) == len(V):
            P = (V * scales) @ V.T
        else:
            P = (V * (scales - rest)) @ V.T + rest * np.eye(len(V))
        constant = self.moments_.variances <= self.moments_.noise
        # Rounding, which others would make noise of.
        P[np.ix_(constant, ~constant)] = P[np.ix_(~constant, constant)] = 0
        return P

    @cached_property
    def whitening_(self) -> np.ndarray:
        """The whitening as a matrix (n_features, n_features)."""
        return self._symmetric(self._scales, self._rest)

    @cached_property
    def dewhitening_(self) -> np.ndarray:
        """The way back as a matrix (n_features, n_features)."""
        return self._symmetric(*self._back())

    def _back(self) -> tuple[np.ndarray, float]:
        return inverted(self._scales), 1 / self._rest if self._rest else 0.0

    def _by_axes(self, scales, rest, **origins):
        return partial(_low_rank, V=self._vectors, scales=scales, rest=rest, **origins)

    def _both_ways(self):
        return self._by_axes(self._scales, self._rest), self._by_axes(*self._back())

    def _encoder(self):
        if self.moments_.product is None:
            return self._by_axes(self._scales, self._rest, before=self.mean_)
        return Affine(self.whitening_, before=self.mean_, near=self._near)

    def _decoder(self):
        return self._by_axes(*self._back(), after=self.mean_)

    @property
    def _n_features_out(self):
        return self.n_features_in_


class PCAWhitening(_Whitening):
    """Project on the leading principal axes and scale each to unit variance.

    Parameters
    ----------
    n_components : int or None, default=None
        Number of axes kept; None keeps all that the data have, at most n_samples - 1 and n_features.
    eps : float, "auto" or "paper", default="auto"
        Added to the eigenvalues, in squared units of the data, as in `ZCA`: "auto" takes 0.1 times the median variance
        of the features that vary, "paper" 0.1.

    Attributes
    ----------
    mean_ : array (n_features,)
        Mean sample.
    components_ : array (n_components, n_features)
        Principal axes, one a row.
    explained_variance_ : array (n_components,)
        Variance along each axis.
    whitening_ : array (n_features, n_components)
        ``transform(X) = (X - mean_) @ whitening_``. The columns of directions that do not vary are 0.
    dewhitening_ : array (n_components, n_features)
        The way back, least squares.
    eps_ : float
        The eps that was used.
    n_samples_seen_ : int
        Number of samples learned from.
    moments_ : Moments
        The sufficient statistics, for `partial_fit`.
    n_features_in_ : int
        Number of features seen by `fit`.

    Raises
    ------
    ValueError
        For one sample, more components than features, or samples whose squares overflow or vanish in float64.

    Warns
    -----
    UserWarning
        If more components were asked for than directions vary; if eps drowns the variance of most features; if no
        feature varies beyond rounding; or if the samples are so few that each gets a direction of its own.

    See Also
    --------
    ZCA : Whitens and leaves samples looking like themselves.

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

    _rules: ClassVar = _Whitening._rules | {"n_components": optional(integer(1))}

    def __init__(self, n_components: int | None = None, *, eps: float | str = "auto"):
        self.n_components = n_components
        self.eps = eps

    def _check_rank(self, n, d):
        if self.n_components is not None and self.n_components > d:
            raise ValueError(
                f"PCAWhitening: n_components={self.n_components} is more than the {d} features; pass at most {d}."
            )

    def _set_whitening(self, moments):
        most = min(moments.n - 1, len(moments.mean))
        K = most if self.n_components is None else self.n_components
        axes = principal_axes(moments, min(K, most))
        scales = np.where(axes.varies, whitening_scales(axes.values, self.eps_, axes.floors), 0)
        rank = int(axes.varies.sum())
        if self.n_components is not None and rank < K:
            notify(
                f"PCAWhitening: n_components={K} axes were asked for, and the {moments.n} samples of "
                f"{len(moments.mean)} features vary in {rank} directions only, so {K - rank} outputs are always 0. "
                f"Pass n_components={max(rank, 1)} or less."
            )
        values, V, self._floor = axes.values, axes.vectors, axes.floors.max()
        if len(values) < K:  # directions beyond what so few rows can tell
            values, scales = np.pad(values, (0, K - len(values))), np.pad(scales, (0, K - len(scales)))
            V = np.pad(V, ((0, 0), (0, K - V.shape[1])))
        self.explained_variance_, self.components_ = values, np.ascontiguousarray(V.T)
        self.whitening_, self.dewhitening_ = V * scales, (V * inverted(scales)).T

    def _encoder(self):
        return Affine(self.whitening_, before=self.mean_, near=self._near)

    def _decoder(self):
        return Affine(self.dewhitening_, after=self.mean_)
