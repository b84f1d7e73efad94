"""Independent components: ICA with orthonormal filters, and RICA, its overcomplete relative, both by L-BFGS.

X (n, d) whitened samples, W (K, d) filters, responses h = W x, g a smooth measure of size, E the mean over samples:

    ICA    max  sum_k (E g(w_k.x) - E g(v))^2    subject to W W' = I, K <= d           v ~ N(0, 1)
    RICA   min  E sum_k g(w_k.x) + lambda E |W'W x - x|^2,                              any K
    g      sqrt(u^2 + eps) or log cosh u

A response of unit variance is far from Gaussian if E g is far from what a Gaussian gives: below for sparse sources,
above for flat ones. ICA is the contrast of FastICA (Hyvarinen 1999), summed over components as in Miettinen et al.
(2017), who find it more efficient than the usual sum of magnitudes in many cases. FastICA climbs by fixed points;
here W = (V V')^-1/2 V makes the constraint a parametrization, and L-BFGS climbs in V without step sizes to choose.
RICA (Le, Karpenko, Ngiam & Ng 2011) drops the constraint for a reconstruction cost, so K may exceed d; with K <= d and
large lambda W W' tends to I, and it is ICA for sparse sources. Since |W'W x - x|^2 = x'M M x with M = W'W - I,

    lambda E |W'W x - x|^2 = lambda tr(M C M),  C = E x x',  gradient 2 lambda W (C M + M C)

takes the second moments alone: each evaluation walks once over the data for sum g and sum g'(h) x', in two products.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy import integrate
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from featlearn.callbacks import CallbackSupportMixin, begin_fit, end_fit, end_iteration, with_callbacks
from featlearn.kernels.encode import AffineCode
from featlearn.kernels.lbfgs import lbfgs
from featlearn.kernels.rica import logcosh_rows, smooth_l1_rows
from featlearn.streaming import accumulate, first_chunk, map_chunks
from featlearn.threads import as_float, cache_rows, one_blas_thread
from featlearn.validation import (
    boolean,
    check_codes,
    check_parameters,
    check_rows,
    integer,
    one_of,
    optional,
    real,
    unchanged_on_failure,
)
from featlearn.vectors.affine import AffineCodesMixin
from featlearn.vectors.whitening import Moments, _Affine

COLLAPSED = 1e-2  # length of the longest filter below which RICA has found nothing


@dataclass(frozen=True)
class Sparseness:
    """Sums over samples: g(w_k.x) as (K,), g'(w_k.x) x as (K, d), in float64, and the number of samples. They add."""

    values: np.ndarray
    slopes: np.ndarray
    n: int

    def __add__(self, other: "Sparseness") -> "Sparseness":
        return Sparseness(self.values + other.values, self.slopes + other.slopes, self.n + other.n)


def sparseness(chunk: np.ndarray, W: np.ndarray, g: str, eps: float) -> Sparseness:
    """The statistic of a chunk (m, d) under filters W (K, d)."""
    X = as_float(chunk)
    H, values = X @ W.T.astype(X.dtype), np.zeros(len(W))
    if g == "logcosh":
        logcosh_rows(H, values)
    else:
        smooth_l1_rows(H, eps, values)
    return Sparseness(values, (H.T @ X).astype(np.float64), len(X))


def gaussian_mean(g: str, eps: float) -> float:
    """E g(v) for v ~ N(0, 1)."""

    def weighted(v):
        size = np.logaddexp(v, -v) - np.log(2) if g == "logcosh" else np.sqrt(v * v + eps)
        return 2 * size * np.exp(-v * v / 2) / np.sqrt(2 * np.pi)

    return float(integrate.quad(weighted, 0, 40, points=(0.1, 1, 5), epsabs=1e-12)[0])


def orthonormal(V: np.ndarray) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """W = (V V')^-1/2 V (K, d), K <= d, and the function that takes the gradient in W to the gradient in V.

    With V = U diag(s) R':  W = U R', and for B = U'G R the gradient is
    U [(B - B')_ij / (s_i + s_j)] R' + U diag(1/s) U'G (I - R R').
    """
    U, s, R = np.linalg.svd(V, full_matrices=False)

    def pull_back(G):
        inner = U.T @ G
        B = inner @ R.T
        turned = (B - B.T) / (s[:, None] + s[None, :])
        return U @ (turned @ R + (inner - B @ R) / s[:, None])

    return U @ R, pull_back


def unit_length(V: np.ndarray) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """Rows of V (K, d) at length 1, and the function that takes the gradient in them to the gradient in V."""
    lengths = np.linalg.norm(V, axis=1, keepdims=True)
    W = V / lengths
    return W, lambda G: (G - W * np.einsum("kd,kd->k", G, W)[:, None]) / lengths


def non_gaussianity(sums: Sparseness, gaussian: float) -> tuple[float, np.ndarray]:
    """sum_k (E g(w_k.x) - E g(v))^2 and its gradient (K, d)."""
    gaps = sums.values / sums.n - gaussian
    return float(gaps @ gaps), 2 * gaps[:, None] * sums.slopes / sums.n


def reconstruction_cost(W: np.ndarray, C: np.ndarray) -> tuple[float, np.ndarray]:
    """E |W'W x - x|^2 = tr(M C M) with M = W'W - I and C = E x x' (d, d), and its gradient (K, d)."""
    M = W.T @ W - np.eye(len(C))
    CM = C @ M
    return float(np.einsum("ij,ij->", M, CM)), 2 * W @ (CM + CM.T)


class _Filters(AffineCodesMixin, CallbackSupportMixin, BaseEstimator):
    """What ICA and RICA share: the fit by L-BFGS, linear responses and the way back."""

    components_: np.ndarray

    @with_callbacks
    @unchanged_on_failure
    def fit(self, X, y=None):
        """Learn the filters.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, function returning chunks, or Dask array
            The samples, whitened; at least two. They are walked over once an evaluation of the objective.
        y : ignored
            Present for the API.

        Returns
        -------
        self
        """
        self._check()
        rng = check_random_state(self.random_state)
        X = check_rows(self, X, reset=True, min_samples=2, passes=2)
        context = begin_fit(self, self.max_iter, X=X)
        d = self.n_features_in_
        shape = (d if self.n_components is None else self.n_components, d)
        self._check_shape(*shape)
        dtype = as_float(np.asarray(first_chunk(X))[:0]).dtype
        loss, constrained = self._objective(X), self._constrained

        def evaluate(v):
            W, pull_back = constrained(v.reshape(shape))
            value, gradient = loss(W)
            return value, pull_back(gradient).ravel()

        def filters(v):
            return constrained(v.reshape(shape))[0].astype(dtype)

        def report(value, v):
            return end_iteration(context, self, {"loss": value}, lambda: {"components_": filters(v)})

        with one_blas_thread():
            start = constrained(rng.standard_normal(shape) / np.sqrt(d))[0].ravel()
        # V is float64 whatever the data, so that small steps are not lost; only the walk is in the data's precision.
        end = lbfgs(evaluate, start, max_iter=self.max_iter, tol=self.tol, on_iteration=report, who=type(self).__name__)
        with one_blas_thread():
            self.components_ = filters(end.x)
        self.loss_curve_, self.n_iter_ = end.loss_curve, end.n_iter
        self._judge()
        end_fit(context, self)
        return self

    def _walk(self, X, W):
        rows = cache_rows(8 * sum(W.shape))
        return accumulate(partial(sparseness, W=W, g=self.sparsity, eps=self.eps), X, rows=rows)

    def _judge(self):
        """Warn if the filters are of no use."""

    def _affine_code(self):
        W = self.components_
        return AffineCode(weights=W, bias=np.zeros(len(W), W.dtype), activation="linear")

    def inverse_transform(self, X):
        """Samples from their responses, by least squares; exact if the filters span the space.

        Parameters
        ----------
        X : array (n_samples, n_components)
            Responses, as `transform` gives them.

        Returns
        -------
        X : array (n_samples, n_features)
            The samples, whitened.
        """
        check_is_fitted(self)
        X = check_codes(self, X)
        with one_blas_thread():
            return map_chunks(_Affine(np.linalg.pinv(self.components_).T), X)

    def score(self, X, y=None):
        """Minus the objective on samples.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, function returning chunks, or Dask array
            The samples, whitened as for `fit`.
        y : ignored
            Present for the API.

        Returns
        -------
        score : float
            Larger is better.
        """
        check_is_fitted(self)
        self._check()
        X = check_rows(self, X, reset=False, passes=2)
        with one_blas_thread():
            return -self._objective(X)(self.components_.astype(np.float64))[0]


class ICA(_Filters):
    """Independent component analysis: orthonormal filters whose responses are as far from Gaussian as can be.

    Parameters
    ----------
    n_components : int or None, default=8
        Number of filters K, at most the number of features; None takes that many.
    sparsity : {"logcosh", "smooth_l1"}, default="logcosh"
        The g of the objective: log cosh u, or sqrt(u^2 + eps).
    eps : float, default=1e-2
        The eps of ``smooth_l1``.
    max_iter : int, default=300
        Most iterations of L-BFGS.
    tol : float, default=1e-6
        Stop when every component of the gradient is below tol, or an iteration gains less than 1e-4 tol of the loss.
    random_state : int, RandomState or None, default=None
        Seed of the first filters.

    Attributes
    ----------
    components_ : array (n_components, n_features)
        The filters W, with orthonormal rows.
    loss_curve_ : array (n_iter_,)
        The loss, minus the objective, after each iteration.
    n_iter_ : int
        Iterations of L-BFGS.
    n_features_in_ : int
        Number of features seen by `fit`.

    Raises
    ------
    ValueError
        For more components than features, one sample, data that are not finite rows, or a parameter out of range.

    Notes
    -----
    The samples must be whitened: centered, uncorrelated, of unit variance. Put `PCAWhitening` or `ZCA` with a small
    eps before it in a pipeline; this is not checked. Sparse and flat sources (Laplace, uniform) are both found; at most
    one may be Gaussian. With fewer components than features the result is a local optimum, as FastICA's is.

    References
    ----------
    Hyvarinen (1999), "Fast and robust fixed-point algorithms for independent component analysis". Miettinen,
    Nordhausen, Oja, Taskinen & Virta (2017), "The squared symmetric FastICA estimator".

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from featlearn import ICA, PCAWhitening
    >>> sources = np.random.default_rng(0).laplace(size=(2000, 2))
    >>> found = make_pipeline(PCAWhitening(eps=0), ICA(2, random_state=0)).fit_transform(sources @ [[2, 1], [1, 1]])
    >>> np.abs(np.corrcoef(sources.T, found.T)[:2, 2:]).max(axis=1) > 0.99
    array([ True,  True])
    """

    def __init__(
        self,
        n_components: int | None = 8,
        sparsity: str = "logcosh",
        eps: float = 1e-2,
        max_iter: int = 300,
        tol: float = 1e-6,
        random_state=None,
    ):
        self.n_components = n_components
        self.sparsity = sparsity
        self.eps = eps
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def _check(self):
        check_parameters(
            self,
            n_components=optional(integer(1)),
            sparsity=one_of("logcosh", "smooth_l1"),
            eps=real(0),
            max_iter=integer(1),
            tol=real(0),
        )

    def _check_shape(self, K, d):
        if d < K:
            raise ValueError(
                f"ICA: n_components={K} filters cannot be orthonormal in n_features={d} dimensions. Pass at most {d}, "
                "or take RICA, which may be overcomplete."
            )

    def _constrained(self, V):
        return orthonormal(V)

    def _objective(self, X) -> Callable[[np.ndarray], Any]:
        gaussian = gaussian_mean(self.sparsity, self.eps)

        def loss(W):
            value, gradient = non_gaussianity(self._walk(X, W), gaussian)
            return -value, -gradient

        return loss


class RICA(_Filters):
    """Reconstruction ICA: sparse responses from which the samples can be rebuilt; may be overcomplete.

    Parameters
    ----------
    n_components : int or None, default=8
        Number of filters K, also more than features; None takes as many as features.
    reconstruction_cost : float, default=1.0
        The lambda that weighs the reconstruction against sparsity. Large values give orthonormal rows (K <= d) or
        a tight frame (K > d).
    sparsity : {"smooth_l1", "logcosh"}, default="smooth_l1"
        The g of the objective: sqrt(u^2 + eps), or log cosh u.
    eps : float, default=1e-2
        The eps of ``smooth_l1``.
    normalize_rows : bool, default=True
        Whether the objective scales every filter to length 1, as the authors' code does. Without it the filters shrink
        towards zero where lambda is small.
    max_iter : int, default=300
        Most iterations of L-BFGS.
    tol : float, default=1e-5
        Stop when every component of the gradient is below tol, or an iteration gains less than 1e-4 tol of the loss.
    random_state : int, RandomState or None, default=None
        Seed of the first filters.

    Attributes
    ----------
    components_ : array (n_components, n_features)
        The filters W; rows of length 1 with ``normalize_rows``.
    loss_curve_ : array (n_iter_,)
        The objective after each iteration.
    n_iter_ : int
        Iterations of L-BFGS.
    n_features_in_ : int
        Number of features seen by `fit`.

    Raises
    ------
    ValueError
        For one sample, data that are not finite rows, or a parameter out of range.

    Warns
    -----
    ConvergenceWarning
        If all filters shrank to nothing, without ``normalize_rows`` and with too small a lambda.

    Notes
    -----
    The samples should be whitened, but need not be perfectly so: put `ZCA` or `PCAWhitening` before it in a pipeline.
    `inverse_transform` solves least squares; the reconstruction of the objective is ``transform(X) @ components_``.
    In the authors' code the weight is on the sparsity and the reconstruction is halved: their lambda is 1 / (2 lambda).

    References
    ----------
    Le, Karpenko, Ngiam & Ng (2011), "ICA with reconstruction cost for efficient overcomplete feature learning".

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn import RICA
    >>> X = np.random.default_rng(0).laplace(size=(500, 4))
    >>> rica = RICA(6, random_state=0).fit(X)
    >>> rica.components_.shape, np.allclose(rica.inverse_transform(rica.transform(X)), X)
    ((6, 4), True)
    """

    def __init__(
        self,
        n_components: int | None = 8,
        reconstruction_cost: float = 1.0,
        sparsity: str = "smooth_l1",
        eps: float = 1e-2,
        normalize_rows: bool = True,
        max_iter: int = 300,
        tol: float = 1e-5,
        random_state=None,
    ):
        self.n_components = n_components
        self.reconstruction_cost = reconstruction_cost
        self.sparsity = sparsity
        self.eps = eps
        self.normalize_rows = normalize_rows
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def _check(self):
        check_parameters(
            self,
            n_components=optional(integer(1)),
            reconstruction_cost=real(0),
            sparsity=one_of("smooth_l1", "logcosh"),
            eps=real(0),
            normalize_rows=boolean(),
            max_iter=integer(1),
            tol=real(0),
        )

    def _check_shape(self, K, d):
        """Any number of filters will do."""

    def _constrained(self, V):
        return unit_length(V) if self.normalize_rows else (V, lambda G: G)

    def _objective(self, X) -> Callable[[np.ndarray], Any]:
        moments = accumulate(Moments.of, X)
        C = moments.scatter / moments.n + np.outer(moments.mean, moments.mean)

        def loss(W):
            rebuilt, by_rebuilding = reconstruction_cost(W, C)
            sums = self._walk(X, W)
            value = sums.values.sum() / sums.n + self.reconstruction_cost * rebuilt
            return float(value), sums.slopes / sums.n + self.reconstruction_cost * by_rebuilding

        return loss

    def _judge(self):
        longest = float(np.linalg.norm(self.components_, axis=1).max())
        if longest < COLLAPSED:
            warnings.warn(
                f"RICA: all filters shrank to nothing (the longest has length {longest:.2g}), because "
                f"reconstruction_cost={self.reconstruction_cost} weighs less than sparsity. Raise it, or pass "
                "normalize_rows=True.",
                ConvergenceWarning,
                stacklevel=5,
            )
