"""Reconstruction ICA: sparse responses from which the samples can be rebuilt, overcomplete or not.

X (n, d) samples less their mean, in units of their root mean variance; W (K, d) filters, responses h = W x, g a smooth
measure of size, E the mean over samples:

    min  E sum_k g(w_k.x) + lambda E |W'W x - x|^2          g = sqrt(u^2 + eps) or log cosh u,  any K

RICA (Le, Karpenko, Ngiam & Ng 2011) drops the constraint of ICA for a reconstruction cost, so K may exceed d; with
K <= d and large lambda W W' tends to I, and it is ICA for sparse sources. For any root F (r, d) of the second moments,
F'F = E x x', and R = (F W') W - F,

    lambda E |W'W x - x|^2 = lambda |R|^2,   gradient 2 lambda ((W F') R + (W R') F)

takes the second moments alone: each evaluation walks once over the data for sum g and sum g'(h) x', in two products.
The mean and the unit are learned first, so that lambda and eps mean the same for volts and for bytes.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from featlearn.arrays import as_float, cache_rows
from featlearn.callbacks import CallbackSupportMixin, end_iteration
from featlearn.fitting import fitting
from featlearn.kernels.encoding.encode import EncoderPlan
from featlearn.notices import notify, warn_at_limit
from featlearn.streaming import accumulate, first_chunk, map_chunks
from featlearn.threads import one_blas_thread
from featlearn.training.lbfgs import lbfgs
from featlearn.usefulness import probe, warn_of_drowned_features, warn_of_outliers
from featlearn.validation import boolean, check_parameters, check_rows, integer, one_of, optional, real
from featlearn.vectors.affine import AffineCodesMixin, centered_plan
from featlearn.vectors.features import Affine, LinearFeaturesMixin
from featlearn.vectors.ica import sparseness
from featlearn.vectors.moments import Moments, check_moments, coarse_rounding, moments_of

COLLAPSED = 1e-2  # length of the longest filter below which RICA has found nothing


def standardized(chunk: np.ndarray, mean: np.ndarray, scale: float) -> np.ndarray:
    """(chunk - mean) / scale in the chunk's own precision."""
    chunk = as_float(chunk)
    near = mean.astype(chunk.dtype)
    centered = chunk - near
    if chunk.dtype != np.float64:  # a large mean is rounded there
        centered -= (mean - near).astype(chunk.dtype)
    centered /= chunk.dtype.type(scale)
    return centered


def spread(moments: Moments) -> float:
    """The root mean variance of the features that vary; 1 if none does."""
    varying = moments.variances[moments.variances > moments.noise]
    return float(np.sqrt(varying.mean())) if len(varying) else 1.0


def unit_length(V: np.ndarray) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """Rows of V (K, d) at length 1, and the function that takes the gradient in them to the gradient in V."""
    lengths = np.linalg.norm(V, axis=1, keepdims=True)
    W = V / lengths
    return W, lambda G: (G - W * np.einsum("kd,kd->k", G, W)[:, None]) / lengths


def reconstruction_cost(W: np.ndarray, F: np.ndarray) -> tuple[float, np.ndarray]:
    """E |W'W x - x|^2 for F'F = E x x', F (r, d), and its gradient (K, d)."""
    H = F @ W.T
    R = H @ W - F
    return float(np.vdot(R, R)), 2 * (H.T @ R + (R @ W.T).T @ F)


class RICA(LinearFeaturesMixin, AffineCodesMixin, CallbackSupportMixin, BaseEstimator):
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
        The eps of ``smooth_l1``, for samples of unit variance.
    normalize_rows : bool, default=True
        Whether the objective scales every filter to length 1, as the authors' code does. Without it the filters shrink
        towards zero where lambda is small.
    max_iter : int, default=1000
        Most iterations of L-BFGS.
    tol : float, default=1e-4
        Stop when every component of the gradient is below tol, or an iteration gains less than 1e-4 tol of the loss.
    random_state : int, RandomState or None, default=None
        Seed of the first filters.

    Attributes
    ----------
    components_ : array (n_components, n_features)
        The filters W; rows of length 1 with ``normalize_rows``.
    mean_ : array (n_features,)
        Mean of the samples.
    scale_ : float
        Root mean variance of the features: ``transform(X) = (X - mean_) / scale_ @ components_.T``.
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
        If max_iter or an interrupt (Ctrl-C) ended the fit before tol did; if all filters shrank to nothing, without
        ``normalize_rows`` and with too small a lambda.
    UserWarning
        If one feature's variance drowns the others.

    See Also
    --------
    ICA : As many components as features at most, exactly uncorrelated.
    SparseFiltering : Sparse features without a reconstruction.

    Notes
    -----
    The samples should be whitened, but need not be perfectly so: put `ZCA` or `PCAWhitening` before it in a pipeline.
    `inverse_transform` solves least squares; the reconstruction of the objective is ``transform(X) @ components_``, in
    units of scale_ about mean_. In the authors' code the weight is on the sparsity and the reconstruction is halved:
    their lambda is 1 / (2 lambda).

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

    _rules: ClassVar = {
        "n_components": optional(integer(1)),
        "reconstruction_cost": real(0),
        "sparsity": one_of("smooth_l1", "logcosh"),
        "eps": real(0),
        "normalize_rows": boolean(),
        "max_iter": integer(1),
        "tol": real(0),
    }

    def __init__(
        self,
        n_components: int | None = 8,
        *,
        reconstruction_cost: float = 1.0,
        sparsity: str = "smooth_l1",
        eps: float = 1e-2,
        normalize_rows: bool = True,
        max_iter: int = 1000,
        tol: float = 1e-4,
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

    @fitting("max_iter")
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the filters.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, function returning chunks, or Dask array
            The samples; at least two. They are walked over once an evaluation of the objective.
        y : ignored
            Present for the API.

        Returns
        -------
        self
        """
        rng, rounding = check_random_state(self.random_state), coarse_rounding(X)
        X = check_rows(self, X, reset=True, min_samples=2, passes=2, squared=False)
        d = self.n_features_in_
        shape = (d if self.n_components is None else self.n_components, d)
        dtype = as_float(np.asarray(first_chunk(X))[:0]).dtype
        with one_blas_thread():
            moments = moments_of(X, rounding)
            check_moments("RICA", moments)
            known = {"mean_": moments.mean, "scale_": spread(moments)}
            loss = self._objective(X, moments, **known)
            start = self._constrained(rng.standard_normal(shape) / np.sqrt(d))[0].ravel()

        def evaluate(v):
            W, pull_back = self._constrained(v.reshape(shape))
            value, gradient = loss(W)
            return value, pull_back(gradient).ravel()

        def fitted(v):
            return {"components_": self._constrained(v.reshape(shape))[0].astype(dtype), **known}

        def report(value, v):
            return end_iteration(self, {"loss": value}, lambda: fitted(v))

        # V is float64 whatever the data, so that small steps are not lost; only the walk is in the data's precision.
        end = lbfgs(evaluate, start, max_iter=self.max_iter, tol=self.tol, on_iteration=report, who="RICA")
        for name, value in fitted(end.x).items():
            setattr(self, name, value)
        self.loss_curve_, self.n_iter_ = end.loss_curve, end.n_iter
        self._judge(end)
        warn_of_outliers("RICA", X, "samples are measured by their deviations")
        warn_of_drowned_features("RICA", probe(X), "it rebuilds the samples in their own units", share=0.1)
        return self

    def _constrained(self, V):
        return unit_length(V) if self.normalize_rows else (V, lambda G: G)

    def _objective(self, X, moments, mean_, scale_) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
        """W (K, d) -> the loss of X and its gradient (K, d), given moments of X and what standardizes it."""
        shift = np.sqrt(moments.n) * (moments.mean - mean_)
        F = np.vstack([moments.root(), shift]) / (np.sqrt(moments.n) * scale_)
        standardize = partial(standardized, mean=mean_, scale=scale_)
        in_memory = isinstance(X, np.ndarray) and not isinstance(X, np.memmap)
        X, before = (map_chunks(standardize, X), None) if in_memory else (X, standardize)

        def loss(W):
            rows = cache_rows(8 * sum(W.shape))
            statistic = partial(sparseness, W=W, g=self.sparsity, eps=self.eps, before=before)
            sums = statistic(X) if in_memory and len(X) <= rows else accumulate(statistic, X, rows=rows)
            rebuilt, by_rebuilding = reconstruction_cost(W, F)
            value = sums.values.sum() / sums.n + self.reconstruction_cost * rebuilt
            return float(value), sums.slopes / sums.n + self.reconstruction_cost * by_rebuilding

        return loss

    def _judge(self, end):
        """Warn if the fit did not converge, or found nothing."""
        longest = float(np.linalg.norm(self.components_, axis=1).max())
        if longest < COLLAPSED:
            notify(
                f"RICA: all filters shrank to nothing (the longest has length {longest:.2g}), because "
                f"reconstruction_cost={self.reconstruction_cost} weighs less than sparsity. Raise it, or pass "
                "normalize_rows=True.",
                ConvergenceWarning,
            )
        elif end.ended == "max_iter" and self.tol > 0:
            curve = end.loss_curve
            gain = (curve[-2] - curve[-1]) / abs(curve[-1]) if len(curve) > 1 else np.inf
            warn_at_limit("RICA", end.n_iter, self.tol, f"the loss still fell by {gain:.2g} of itself")

    def encoder_plan(self) -> EncoderPlan:
        return centered_plan((self.components_ / self.scale_).astype(self.components_.dtype), self.mean_)

    def _encoder(self):
        return Affine(self.components_.T / self.scale_, before=self.mean_)

    def _decoder(self):
        with one_blas_thread():
            return Affine(np.linalg.pinv(self.components_).T * self.scale_, after=self.mean_)

    def score(self, X: Any, y: Any = None) -> float:
        """Minus the objective on samples.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, function returning chunks, or Dask array
            The samples.
        y : ignored
            Present for the API.

        Returns
        -------
        score : float
            Larger is better.
        """
        check_is_fitted(self)
        check_parameters(self)
        X = check_rows(self, X, reset=False, passes=2, squared=False)
        with one_blas_thread():
            return -self._objective(X, moments_of(X), self.mean_, self.scale_)(self.components_.astype(np.float64))[0]
