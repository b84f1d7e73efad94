"""Slow features: the outputs of a signal that vary least from one moment to the next.

X (n, d) rows in time order, one sequence or several; h(x) = x, or x and all products x_i x_j (degree 2):

    min_w  delta = E (y_{t+1} - y_t)^2,  y_t = w.(h(x_t) - E h)     subject to  E y = 0, E y^2 = 1, y uncorrelated
    A w = delta B w,   B = cov h(x),   A = E (h(x_{t+1}) - h(x_t)) (h(x_{t+1}) - h(x_t))'

The K slowest outputs are the generalized eigenvectors of least delta (Wiskott & Sejnowski 2002, section 2.2), solved as
they do: whiten B, then take the eigenvectors of the differences of the whitened signal. For degree 2 the input itself
is whitened before it is expanded: the space of outputs is the same, and products of large and small inputs compare.
Directions without variance have no unit variance to be scaled to, and are left out. Covariances divide by n - 1;
differences never cross from one sequence to the next.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import linalg
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from featlearn.callbacks import CallbackSupportMixin, begin_fit, end_fit, with_callbacks
from featlearn.streaming import accumulate, is_out_of_core, map_chunks
from featlearn.threads import cache_rows, one_blas_thread
from featlearn.validation import (
    check_codes,
    check_parameters,
    check_rows,
    integer,
    optional,
    real,
    unchanged_on_failure,
)
from featlearn.vectors.whitening import Moments, _Affine

MOST_ROWS = 1 << 20  # in a chunk: the mean of m equal numbers may be off by m roundings


@dataclass(frozen=True)
class Differences:
    """Number of differences in time and the sum of their outer products (D, D), in float64; they add."""

    n: int
    scatter: np.ndarray

    def __add__(self, other: "Differences") -> "Differences":
        return Differences(self.n + other.n, self.scatter + other.scatter)


def expanded(Z: np.ndarray, degree: int) -> np.ndarray:
    """h(z) of rows Z (m, r): Z itself, or (m, r + r (r + 1) / 2) with the products z_i z_j, i <= j, after it."""
    if degree == 1:
        return Z
    i, j = np.triu_indices(Z.shape[1])
    return np.hstack([Z, Z[:, i] * Z[:, j]])


def whitening(moments: Moments, eps: float) -> np.ndarray:
    """P (d, r) with cov((x - m) P) = I, without the directions that do not vary.

    Features are first brought to unit variance, so that their units do not decide; then directions whose share of the
    largest variance is at most eps are left out.
    """
    deviations = np.sqrt(np.diag(moments.scatter) / (moments.n - 1))
    rounding = np.finfo(np.float64).eps
    varies = deviations > min(moments.n, MOST_ROWS) * rounding * np.abs(moments.mean)
    scales = np.divide(1, deviations, out=np.zeros_like(deviations), where=varies)
    values, vectors = linalg.eigh(moments.scatter / (moments.n - 1) * np.outer(scales, scales))
    values, vectors = values[::-1], vectors[:, ::-1]
    kept = values > max(eps, 8 * len(values) * rounding) * values.max(initial=0)
    return scales[:, None] * vectors[:, kept] / np.sqrt(values[kept])


def within_sequences(lengths: np.ndarray, n: int) -> np.ndarray:
    """Which of the n - 1 neighboring pairs of rows lie within one sequence: (n - 1,) of bool."""
    within = np.ones(n - 1, dtype=bool)
    within[np.cumsum(lengths)[:-1] - 1] = False
    return within


def _expand(chunk, mean, P, degree):
    """h((x - mean) P) of a chunk, in float64."""
    return expanded((np.asarray(chunk, dtype=np.float64) - mean) @ P, degree)


def _moments(chunk, **expansion):
    return Moments.of(_expand(chunk, **expansion))


def _differences(now, after, within, **expansion):
    """The statistic of pairs of neighboring rows."""
    steps = _expand(after[within], **expansion) - _expand(now[within], **expansion)
    return Differences(len(steps), steps.T @ steps)


class _Quadratic:
    """chunk -> (h((chunk - mean) P) - h_mean) @ matrix for degree 2, in the chunk's own precision; picklable."""

    def __init__(self, mean, P, h_mean, matrix):
        self.whiten, self.unmix = _Affine(P, before=mean), _Affine(matrix, before=h_mean)

    def __call__(self, chunk):
        return self.unmix(expanded(self.whiten(chunk), 2))


class SlowFeatureAnalysis(ClassNamePrefixFeaturesOutMixin, TransformerMixin, CallbackSupportMixin, BaseEstimator):
    """The slowest functions of a signal, linear or quadratic, of unit variance and uncorrelated.

    Parameters
    ----------
    n_components : int or None, default=8
        Number of outputs K; None takes as many as there are directions that vary.
    degree : {1, 2}, default=1
        1 for linear functions, 2 for quadratic ones: d features become up to d + d (d + 1) / 2, so reduce a wide input
        first (`PCAWhitening`).
    eps : float, default=1e-9
        Directions with at most this share of the largest variance (of features scaled to unit variance) are taken for
        constant, and left out.

    Attributes
    ----------
    components_ : array (n_components, n_features) or (n_components, n_expanded)
        The functions, slowest first. For degree 1 they apply to ``X - mean_``; for degree 2 to the expansion of
        ``(X - mean_) @ whitening_``, less ``expanded_mean_``.
    mean_ : array (n_features,)
        Mean of the samples.
    delta_ : array (n_components,)
        Mean squared difference in time of each output, ascending. White noise has 2; a sine of period T, (2 pi / T)^2.
    mixing_ : array (n_features, n_components)
        For degree 1, the way back: the covariance of features and outputs.
    whitening_ : array (n_features, n_directions)
        For degree 2, what whitens the input before it is expanded.
    expanded_mean_ : array (n_expanded,)
        For degree 2, the mean of the expansion.
    n_features_in_ : int
        Number of features seen by `fit`.

    Raises
    ------
    ValueError
        For lengths that do not sum to the number of samples, a sequence of one row, more components than directions
        that vary, a stream or a Dask array, or a parameter out of range.

    References
    ----------
    Wiskott & Sejnowski (2002), "Slow feature analysis: unsupervised learning of invariances".

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn import SlowFeatureAnalysis
    >>> t = np.arange(2000)
    >>> slow, fast = np.sin(2 * np.pi * t / 500), np.sin(2 * np.pi * t / 20)
    >>> X = np.column_stack([slow + fast, slow - 2 * fast])
    >>> sfa = SlowFeatureAnalysis(1).fit(X)
    >>> abs(np.corrcoef(sfa.transform(X)[:, 0], slow)[0, 1]).round(3)
    np.float64(1.0)
    """

    def __init__(self, n_components: int | None = 8, degree: int = 1, eps: float = 1e-9):
        self.n_components = n_components
        self.degree = degree
        self.eps = eps

    @with_callbacks
    @unchanged_on_failure
    def fit(self, X, y=None, lengths=None):
        """Learn the slowest functions.

        Parameters
        ----------
        X : array (n_samples, n_features) or memmap
            The samples in time order.
        y : ignored
            Present for the API.
        lengths : sequence of int or None, default=None
            Lengths of the sequences that X holds one after the other, each of at least 2; None for a single one.

        Returns
        -------
        self
        """
        check_parameters(self, n_components=optional(integer(1)), degree=integer(1, 2), eps=real(0))
        if is_out_of_core(X):
            raise ValueError(
                "SlowFeatureAnalysis.fit compares every row with the one after it, so it needs them in an array or an "
                "np.memmap. Fit on one of these; transform takes streams and Dask arrays."
            )
        context = begin_fit(self, 0, X=X)
        X = check_rows(self, X, reset=True, min_samples=2)
        within = within_sequences(self._checked_lengths(lengths, len(X)), len(X))
        with one_blas_thread():
            self._learn(X, within)
        end_fit(context, self)
        return self

    def _checked_lengths(self, lengths, n):
        if lengths is None:
            return np.array([n])
        lengths = np.asarray(lengths)
        if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or len(lengths) == 0:
            raise ValueError(f"SlowFeatureAnalysis: lengths must be a list of integers; got {lengths!r}.")
        if lengths.min() < 2:
            short = int(np.argmax(lengths < 2))
            raise ValueError(
                f"SlowFeatureAnalysis: lengths[{short}]={lengths[short]}, and a sequence needs at least 2 rows to have "
                "a difference in time. Leave shorter ones out, of X too."
            )
        if lengths.sum() != n:
            raise ValueError(
                f"SlowFeatureAnalysis: lengths sum to {lengths.sum()} and X has n_samples={n} rows. Pass the length of "
                "every sequence in X."
            )
        return lengths

    def _learn(self, X, within):
        moments = accumulate(Moments.of, X)
        if not np.isfinite(moments.scatter).all():
            raise ValueError("SlowFeatureAnalysis: squares of the samples overflow float64. Scale the data down.")
        P = whitening(moments, self.eps)
        r = P.shape[1]
        n_expanded = r if self.degree == 1 else r + r * (r + 1) // 2
        expansion = {"mean": moments.mean, "P": P, "degree": self.degree}
        rows = cache_rows(8 * max(n_expanded, 1))
        Q = np.eye(r)
        if self.degree == 2 and r > 0:
            h = accumulate(partial(_moments, **expansion), X, rows=rows)
            Q = whitening(h, self.eps)
        K = Q.shape[1] if self.n_components is None else self.n_components
        if Q.shape[1] == 0:
            raise ValueError(
                f"SlowFeatureAnalysis: only 0 directions vary: each of the n_features={X.shape[1]} is constant over "
                f"the n_samples={len(X)} samples. Pass samples that vary."
            )
        if Q.shape[1] < K:
            raise ValueError(
                f"SlowFeatureAnalysis: n_components={self.n_components} outputs were asked for, and only {Q.shape[1]} "
                f"directions vary: X has n_samples={len(X)}, n_features={X.shape[1]}, {r} of them independent, "
                f"degree={self.degree}. Pass n_components={Q.shape[1]} or less, or samples that vary more."
            )
        steps = accumulate(partial(_differences, **expansion), X[:-1], X[1:], within, rows=rows)
        delta, vectors = linalg.eigh(Q.T @ (steps.scatter / steps.n) @ Q, subset_by_index=[0, K - 1])
        components = (Q @ vectors).T
        self.mean_, self.delta_ = moments.mean, np.maximum(delta, 0)
        for name in {"mixing_", "whitening_", "expanded_mean_"} & vars(self).keys():
            delattr(self, name)  # of an earlier fit of the other degree
        if self.degree == 1:
            self.components_ = _signed(components @ P.T)
            self.mixing_ = moments.scatter @ self.components_.T / (moments.n - 1)
        else:
            self.components_ = _signed(components)
            self.whitening_, self.expanded_mean_ = P, h.mean

    def transform(self, X):
        """The slow outputs of samples, each by itself.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, stream of chunks or Dask array
            The samples, in any order.

        Returns
        -------
        outputs : array (n_samples, n_components), a generator of chunks, or a Dask array
            float32 if X is.
        """
        check_is_fitted(self)
        X = check_rows(self, X, reset=False)
        if hasattr(self, "mixing_"):
            return map_chunks(_Affine(self.components_.T, before=self.mean_), X)
        encode = _Quadratic(self.mean_, self.whitening_, self.expanded_mean_, self.components_.T)
        return map_chunks(encode, X, rows=cache_rows(8 * self.components_.shape[1]))

    def inverse_transform(self, X):
        """Samples from their outputs, for degree 1: exact if no direction is missing, else by least squares.

        Parameters
        ----------
        X : array (n_samples, n_components)
            Outputs, as `transform` gives them.

        Returns
        -------
        X : array (n_samples, n_features)
            The samples.
        """
        check_is_fitted(self)
        if not hasattr(self, "mixing_"):
            raise ValueError("SlowFeatureAnalysis: quadratic outputs have no inverse; fit with degree=1.")
        X = check_codes(self, X)
        return map_chunks(_Affine(self.mixing_.T, after=self.mean_), X)

    @property
    def _n_features_out(self):
        return len(self.components_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _signed(components):
    """Rows with their entry of largest magnitude positive, so that signs do not depend on the solver."""
    largest = components[np.arange(len(components)), np.abs(components).argmax(axis=1)]
    return components * np.where(largest < 0, -1, 1)[:, None]
