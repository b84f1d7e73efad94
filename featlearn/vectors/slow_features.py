"""Slow features: the outputs of a signal that vary least from one moment to the next.

X (n, d) rows in time order, one sequence or several; h(x) = x, or x and all products x_i x_j (degree 2):

    min_w  delta = E (y_{t+s} - y_t)^2,  y_t = w.(h(x_t) - E h)     subject to  E y = 0, E y^2 = 1, y uncorrelated
    A w = delta B w,   B = cov h(x),   A = E (h(x_{t+s}) - h(x_t)) (h(x_{t+s}) - h(x_t))'      s the lag, 1 as a rule

The K slowest outputs are the generalized eigenvectors of least delta (Wiskott & Sejnowski 2002, section 2.2), solved as
they do: whiten B, then take the eigenvectors of the differences of the whitened signal. For degree 2 the input itself
is whitened before it is expanded: the space of outputs is the same, and products of large and small inputs compare.
Directions without variance, up to rounding, have no unit variance to be scaled to, and are left out. Covariances
divide by n - 1; differences never cross from one sequence to the next.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from scipy import linalg
from sklearn.base import BaseEstimator
from sklearn.utils.validation import column_or_1d

from featlearn.arrays import cache_rows
from featlearn.callbacks import CallbackSupportMixin
from featlearn.fitting import fitting
from featlearn.streaming import accumulate, is_out_of_core
from featlearn.threads import one_blas_thread
from featlearn.validation import check_rows, integer, optional, real
from featlearn.vectors.features import Adding, Affine, LinearFeaturesMixin
from featlearn.vectors.moments import Moments, check_moments, coarse_rounding, moments_of, sphering, warn_of_too_few


@dataclass(frozen=True)
class Differences(Adding):
    """Number of differences in time and the sum of their outer products (D, D), in float64; they add."""

    n: int
    scatter: np.ndarray


def expanded(Z: np.ndarray, degree: int) -> np.ndarray:
    """h(z) of rows Z (m, r): Z itself, or (m, r + r (r + 1) / 2) with the products z_i z_j, i <= j, after it."""
    if degree == 1:
        return Z
    i, j = np.triu_indices(Z.shape[1])
    return np.hstack([Z, Z[:, i] * Z[:, j]])


def pairs(sequence: np.ndarray, lag: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows (p,) and the rows (p,) that follow them by ``lag`` within the same sequence; sequence (n,) has their ids."""
    order = np.argsort(sequence, kind="stable")
    now, after = order[:-lag], order[lag:]
    within = sequence[now] == sequence[after]
    return now[within], after[within]


def _expand(chunk, mean, P, degree):
    """h((x - mean) P) of a chunk, in float64."""
    return expanded((np.asarray(chunk, dtype=np.float64) - mean) @ P, degree)


def _moments(chunk, **expansion):
    return Moments.of(_expand(chunk, **expansion))


def _differences(now, after, X, **expansion):
    """The statistic of pairs of rows of X."""
    steps = _expand(X[after], **expansion) - _expand(X[now], **expansion)
    return Differences(len(steps), steps.T @ steps)


class _Quadratic:
    """chunk -> (h((chunk - mean) P) - h_mean) @ matrix for degree 2, in the chunk's own precision; picklable."""

    def __init__(self, mean, P, h_mean, matrix):
        self.whiten, self.unmix = Affine(P, before=mean), Affine(matrix, before=h_mean)
        self.rows = cache_rows(8 * len(matrix))

    def __call__(self, chunk):
        return self.unmix(expanded(self.whiten(chunk), 2))


class SlowFeatureAnalysis(LinearFeaturesMixin, CallbackSupportMixin, BaseEstimator):
    """The slowest functions of a signal, linear or quadratic, of unit variance and uncorrelated.

    Parameters
    ----------
    n_components : int or None, default=None
        Number of outputs K; None takes as many as there are directions that vary.
    degree : {1, 2}, default=1
        1 for linear functions, 2 for quadratic ones: d features become up to d + d (d + 1) / 2, so reduce a wide input
        first (`PCAWhitening`).
    lag : int, default=1
        Rows from one moment to the one it is compared with: a signal sampled finely moves little within one row.
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
        Mean squared difference in time of each output, ascending. White noise has 2; a sine of period T, about
        (2 pi lag / T)^2.
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
        For lengths that do not sum to the number of samples, a length of 1, groups of another length, no sequence
        longer than the lag, more components than directions that vary, a stream or a Dask array, or a parameter out of
        range.

    Warns
    -----
    UserWarning
        If the samples are so few that each has a direction of its own.

    See Also
    --------
    ICA : Components that are independent rather than slow.

    Notes
    -----
    What is learned depends on the order of the rows, so rows drawn or shuffled at random teach nothing. In
    cross-validation pass ``groups``, an id per row, which is cut as X is; splitters that keep the order
    (``TimeSeriesSplit``, ``KFold`` without shuffling, ``GroupKFold``) keep the sequences too.

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
    >>> print(abs(np.corrcoef(sfa.transform(X)[:, 0], slow)[0, 1]).round(3))
    1.0
    """

    _needs_order = True  # for `Stage`, which draws patches: in time, and with their sequence as groups

    _rules: ClassVar = {
        "n_components": optional(integer(1)),
        "degree": integer(1, 2),
        "lag": integer(1),
        "eps": real(0),
    }

    def __init__(self, n_components: int | None = None, *, degree: int = 1, lag: int = 1, eps: float = 1e-9):
        self.n_components = n_components
        self.degree = degree
        self.lag = lag
        self.eps = eps

    @fitting()
    def fit(self, X: Any, y: Any = None, lengths: Any = None, groups: Any = None) -> Self:
        """Learn the slowest functions.

        Parameters
        ----------
        X : array (n_samples, n_features) or memmap
            The samples in time order.
        y : ignored
            Present for the API.
        lengths : sequence of int or None, default=None
            Lengths of the sequences that X holds one after the other, each of at least 2; None for a single one.
        groups : array (n_samples,) or None, default=None
            The sequence of every row, any id: the rows of one id, in their order, are a sequence. Sequences of one row
            have no difference in time and are merely rows. Instead of ``lengths``, where rows are chosen afterwards,
            as in cross-validation.

        Returns
        -------
        self
        """
        if is_out_of_core(X):
            raise ValueError(
                "SlowFeatureAnalysis.fit compares every row with the one after it, so it needs them in an array or an "
                "np.memmap. Fit on one of these; transform takes streams and Dask arrays."
            )
        rounding = coarse_rounding(X)
        X = check_rows(self, X, reset=True, min_samples=2, squared=False)
        now, after = pairs(self._sequences(lengths, groups, len(X)), int(self.lag))
        if len(now) == 0:
            raise ValueError(
                f"SlowFeatureAnalysis: no sequence has more than lag={self.lag} rows (X has n_samples={len(X)}), so "
                "there is no difference in time. Pass longer sequences, or a smaller lag."
            )
        with one_blas_thread():
            self._learn(X, now, after, rounding)
        return self

    def _sequences(self, lengths, groups, n):
        """The sequence of every row, as ids (n,)."""
        if groups is None:
            lengths = self._checked_lengths(lengths, n)
            return np.repeat(np.arange(len(lengths)), lengths)
        if lengths is not None:
            raise ValueError("SlowFeatureAnalysis: lengths and groups both tell the sequences; pass one of them.")
        groups = column_or_1d(groups)
        if len(groups) != n:
            raise ValueError(
                f"SlowFeatureAnalysis: groups has {len(groups)} ids and X has n_samples={n} rows. Pass the id of the "
                "sequence of every row."
            )
        return np.unique(groups, return_inverse=True)[1]

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

    def _learn(self, X, now, after, rounding):
        moments = moments_of(X, rounding)
        check_moments("SlowFeatureAnalysis", moments)
        P = sphering(moments, self.eps)[0]
        r = P.shape[1]
        if r == moments.n - 1 > 1:
            warn_of_too_few("SlowFeatureAnalysis", moments.n, X.shape[1], "put PCAWhitening(n_components) before it")
        n_expanded = r if self.degree == 1 else r + r * (r + 1) // 2
        expansion = {"mean": moments.mean, "P": P, "degree": self.degree}
        rows = cache_rows(8 * max(n_expanded, 1))
        Q = np.eye(r)
        if self.degree == 2 and r > 0:
            h = accumulate(partial(_moments, **expansion), X, rows=rows)
            Q = sphering(h, self.eps)[0]
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
        steps = accumulate(partial(_differences, X=X, **expansion), now, after, rows=rows)
        delta, vectors = linalg.eigh(Q.T @ (steps.scatter / steps.n) @ Q, subset_by_index=[0, K - 1])
        components = (Q @ vectors).T
        self.mean_, self.delta_ = moments.mean, np.maximum(delta, 0)
        for name in {"mixing_", "whitening_", "expanded_mean_"} & vars(self).keys():
            delattr(self, name)  # of an earlier fit of the other degree
        if self.degree == 1:
            self.components_ = _signed(components @ P.T)
            self.mixing_ = moments.times(self.components_.T) / (moments.n - 1)
        else:
            self.components_ = _signed(components)
            self.whitening_, self.expanded_mean_ = P, h.mean

    def _encoder(self):
        if hasattr(self, "mixing_"):
            return Affine(self.components_.T, before=self.mean_)
        return _Quadratic(self.mean_, self.whitening_, self.expanded_mean_, self.components_.T)

    def _decoder(self):
        if not hasattr(self, "mixing_"):
            raise ValueError("SlowFeatureAnalysis: quadratic outputs have no inverse; fit with degree=1.")
        return Affine(self.mixing_.T, after=self.mean_)


def _signed(components):
    """Rows with their entry of largest magnitude positive, so that signs do not depend on the solver."""
    largest = components[np.arange(len(components)), np.abs(components).argmax(axis=1)]
    return components * np.where(largest < 0, -1, 1)[:, None]
