"""Independent components: orthonormal filters of whitened samples whose responses are as far from Gaussian as can be.

x (d,) samples of mean m, whitened to z = P'(x - m), E z z' = I; W (K, K) filters, y = W z the sources, g a smooth
measure of size, E the mean over samples:

    max  sum_k (E g(y_k) - E g(v))^2    subject to W W' = I            v ~ N(0, 1),  g = log cosh u or sqrt(u^2 + eps)

A response of unit variance is far from Gaussian if E g is far from what a Gaussian gives: below for sparse sources,
above for flat ones. This is the contrast of FastICA (Hyvarinen 1999), squared before it is summed over components as
in Miettinen et al. (2017), who find it more efficient than the sum of magnitudes in many cases. Their fixed points,

    W := (M M')^-1/2 M,   m_k = (E g(y_k) - E g(v)) (E g'(y_k) z - E g''(y_k) w_k)

climb fast where there are sources to find, and may circle where there are none. So they are followed while the
objective grows; then W = (V V')^-1/2 V makes the constraint a parametrization, and L-BFGS climbs the rest in V.
Only directions that vary are whitened, so none of the sources is a direction without variance.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, ClassVar, Self

import numpy as np
from scipy import integrate
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from featlearn.arrays import as_float, cache_rows
from featlearn.callbacks import CallbackSupportMixin, end_iteration
from featlearn.fitting import fitting
from featlearn.kernels.encoding.encode import EncoderPlan
from featlearn.kernels.encoding.sparseness import logcosh_rows, smooth_l1_rows
from featlearn.notices import interruptible, notify, warn_at_limit
from featlearn.streaming import accumulate, first_chunk, map_chunks
from featlearn.threads import one_blas_thread
from featlearn.training.lbfgs import lbfgs
from featlearn.usefulness import probe, warn_of_drowned_features
from featlearn.validation import boolean, check_parameters, check_rows, integer, one_of, optional, real
from featlearn.vectors.affine import AffineCodesMixin, centered_plan
from featlearn.vectors.features import Adding, Affine, LinearFeaturesMixin
from featlearn.vectors.moments import (
    Moments,
    check_moments,
    coarse_rounding,
    moments_of,
    principal_axes,
    sphering,
    warn_of_too_few,
)

FIXED_POINTS = 30  # iterations after which L-BFGS, which needs twice the time for one, gains more
LANES = 64  # numbers a row on which the kernels run at full speed
TIED = 1e-3  # relative difference of variances below which principal directions have no order
WHITE = 0.25  # how far covariances of whitened samples may be from the identity


@dataclass(frozen=True)
class Sparseness(Adding):
    """Sums over n samples: g(w_k.z) (K,), g'(w_k.z) z (K, d), and g''(w_k.z) (K,), in float64. They add."""

    values: np.ndarray
    slopes: np.ndarray
    curvatures: np.ndarray
    n: int


def sparseness(
    chunk: np.ndarray, W: np.ndarray, g: str, eps: float, before: Callable | None = None, curved: bool = False
) -> Sparseness:
    """The statistic of a chunk (m, d) under filters W (K, d); ``before`` whitens the chunk first.

    Curvatures are those of log cosh, 1 - tanh^2, and 0 unless they are asked for.
    """
    Z = as_float(chunk) if before is None else before(chunk)
    H, K = Z @ W.T.astype(Z.dtype), len(W)
    # Of few filters several rows are taken for one, since the kernels want long rows.
    lanes = max(1, LANES // K)
    whole = len(H) // lanes * lanes
    sums = np.zeros((lanes, K))
    for rows, into in ((H[:whole].reshape(-1, lanes * K), sums.reshape(-1)), (H[whole:], sums[0])):
        if g == "logcosh":
            logcosh_rows(rows, into)
        else:
            smooth_l1_rows(rows, eps, into)
    curvatures = len(Z) - np.einsum("nk,nk->k", H, H).astype(np.float64) if curved else np.zeros(K)
    return Sparseness(sums.sum(axis=0), (H.T @ Z).astype(np.float64), curvatures, len(Z))


@cache
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


def non_gaussianity(sums: Sparseness, gaussian: float) -> tuple[float, np.ndarray]:
    """sum_k (E g(w_k.x) - E g(v))^2 and its gradient (K, d)."""
    gaps = sums.values / sums.n - gaussian
    return float(gaps @ gaps), 2 * gaps[:, None] * sums.slopes / sums.n


def fixed_point(W: np.ndarray, sums: Sparseness, gaussian: float) -> np.ndarray:
    """The step of squared symmetric FastICA from W (K, d)."""
    gaps = sums.values / sums.n - gaussian
    return orthonormal(gaps[:, None] * (sums.slopes - sums.curvatures[:, None] * W) / sums.n)[0]


def tangent(G: np.ndarray, W: np.ndarray) -> np.ndarray:
    """The part of a gradient G (K, d) along which W (K, d) can turn and stay orthonormal."""
    inner = G @ W.T
    return G - 0.5 * (inner + inner.T) @ W


def climb(
    walk: Callable[[np.ndarray, bool], Sparseness],
    W: np.ndarray,
    gaussian: float,
    *,
    fixed_points: int,
    max_iter: int,
    tol: float,
    report: Callable[[float, np.ndarray], bool],
) -> tuple[np.ndarray, str]:
    """From orthonormal filters W (K, d) to a maximum of the objective: V with W = (V V')^-1/2 V, and why it ended.

    ``walk(W, curved)`` gives the sums of W over the samples; at most ``fixed_points`` of them while the objective
    grows, then L-BFGS. ``report(objective, V)`` hears of every iteration and stops with True.
    """
    n_iter, sums = 0, walk(W, fixed_points > 0)
    objective, gradient = non_gaussianity(sums, gaussian)
    while n_iter < min(fixed_points, max_iter):
        if np.abs(tangent(gradient, W)).max() <= tol * objective:
            return W, "converged"
        step = fixed_point(W, sums, gaussian)
        sums = walk(step, True)
        grown, gradient = non_gaussianity(sums, gaussian)
        if not grown > objective:
            break
        W, objective, n_iter = step, grown, n_iter + 1
        if report(objective, W):
            return W, "stopped"
    if n_iter == max_iter:
        return W, "max_iter"
    unit = objective if objective > 0 else 1.0  # so that tol is relative

    def loss(v):
        W, pull_back = orthonormal(v.reshape(shape))
        value, gradient = non_gaussianity(walk(W, False), gaussian)
        return -value / unit, -pull_back(gradient).ravel() / unit

    def after(value, v):
        return report(-value * unit, v.reshape(shape))

    shape = W.shape
    end = lbfgs(loss, W.ravel(), max_iter=max_iter - n_iter, tol=tol, on_iteration=after, who="ICA")
    return end.x.reshape(shape), end.ended


class ICA(LinearFeaturesMixin, AffineCodesMixin, CallbackSupportMixin, BaseEstimator):
    """Independent component analysis: sources of unit variance, uncorrelated and as far from Gaussian as can be.

    Parameters
    ----------
    n_components : int or None, default=None
        Number of sources K, at most the rank of the data; None takes as many as directions vary. Fewer are looked for
        among the K leading principal directions, as FastICA does; of samples that are white already, among all.
    whiten : bool, default=True
        Whether to center and whiten the samples first, leaving out directions that do not vary. False for samples that
        are whitened already, which is checked.
    sparsity : {"logcosh", "smooth_l1"}, default="logcosh"
        The g of the objective: log cosh u, or sqrt(u^2 + eps).
    eps : float, default=1e-2
        The eps of ``smooth_l1``.
    max_iter : int, default=1000
        Most iterations, of fixed points and of L-BFGS together.
    tol : float, default=1e-3
        Stop when every component of the gradient is below tol times the objective, or an iteration gains less than
        1e-4 tol of it.
    random_state : int, RandomState or None, default=None
        Seed of the first filters.

    Attributes
    ----------
    components_ : array (n_components, n_features)
        The unmixing filters in the units of the data: ``transform(X) = (X - mean_) @ components_.T``. With
        ``whiten=False`` orthonormal rows, and no mean is subtracted.
    mixing_ : array (n_features, n_components)
        The way back: ``X = sources @ mixing_.T + mean_``, by least squares where directions were left out.
    mean_ : array (n_features,)
        Mean of the samples, with ``whiten=True``.
    whitening_ : array (n_components, n_features)
        What whitened them, with ``whiten=True``: components_ is an orthonormal matrix times whitening_ (which has more
        rows if n_components were looked for among more directions of equal variance).
    loss_curve_ : array (n_iter_,)
        The loss, minus the objective, after each iteration.
    n_iter_ : int
        Iterations made.
    n_features_in_ : int
        Number of features seen by `fit`.

    Raises
    ------
    ValueError
        For more components than directions vary, samples that do not vary, one sample, data that are not finite rows,
        or a parameter out of range.

    Warns
    -----
    ConvergenceWarning
        If max_iter or an interrupt (Ctrl-C) ended the fit before tol did.
    UserWarning
        If ``whiten=False`` and the samples are not whitened; if n_components is below the rank and a few features of
        large variance decide alone which directions are kept; or if there are as many sources as samples less one.

    See Also
    --------
    RICA : More components than features.
    PCAWhitening : Uncorrelated directions alone.

    Notes
    -----
    Sparse and flat sources (Laplace, uniform) are both found; at most one may be Gaussian. Their order and signs are
    arbitrary. The result is a local optimum, as FastICA's is.

    References
    ----------
    Hyvarinen (1999), "Fast and robust fixed-point algorithms for independent component analysis". Miettinen,
    Nordhausen, Oja, Taskinen & Virta (2017), "The squared symmetric FastICA estimator".

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn import ICA
    >>> sources = np.random.default_rng(0).laplace(size=(2000, 2))
    >>> found = ICA(random_state=0).fit_transform(sources @ [[2, 1], [1, 1]])
    >>> np.abs(np.corrcoef(sources.T, found.T)[:2, 2:]).max(axis=1) > 0.99
    array([ True,  True])
    """

    _rules: ClassVar = {
        "n_components": optional(integer(1)),
        "whiten": boolean(),
        "sparsity": one_of("logcosh", "smooth_l1"),
        "eps": real(0),
        "max_iter": integer(1),
        "tol": real(0),
    }

    def __init__(
        self,
        n_components: int | None = None,
        *,
        whiten: bool = True,
        sparsity: str = "logcosh",
        eps: float = 1e-2,
        max_iter: int = 1000,
        tol: float = 1e-3,
        random_state=None,
    ):
        self.n_components = n_components
        self.whiten = whiten
        self.sparsity = sparsity
        self.eps = eps
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    @fitting("max_iter")
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the filters.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, function returning chunks, or Dask array
            The samples; at least two. An array is whitened once; anything else is walked over, and whitened, once an
            evaluation of the objective.
        y : ignored
            Present for the API.

        Returns
        -------
        self
        """
        rng, rounding = check_random_state(self.random_state), coarse_rounding(X)
        X = check_rows(self, X, reset=True, min_samples=2, passes=2, squared=not self.whiten)
        with one_blas_thread():
            moments = moments_of(X, rounding)
            check_moments("ICA", moments)
            P, B = self._whitening(moments, X) if self.whiten else self._checked_white(moments)
            K = P.shape[1] if self.n_components is None else self.n_components
            # Drawn among the features: axes of equal variance are turned by mere rounding, and B turns with them.
            W = orthonormal(rng.standard_normal((K, len(B))) @ B)[0]
            W, curve, ended = self._climb(X, moments, P, W)
            for name in {"mean_", "whitening_"} & vars(self).keys():
                delattr(self, name)  # of an earlier fit that whitened
            for name, value in self._fitted(W, moments, P, as_float(np.asarray(first_chunk(X))[:0]).dtype).items():
                setattr(self, name, value)
        self.loss_curve_, self.n_iter_ = np.array(curve), len(curve)
        if ended == "max_iter" and self.tol > 0:
            gain = (curve[-2] - curve[-1]) / abs(curve[-1]) if len(curve) > 1 else np.inf
            warn_at_limit("ICA", len(curve), self.tol, f"the objective still grew by {gain:.2g} of itself")
        return self

    def _climb(self, X, moments, P, W):
        """Filters (K, k) of the samples whitened by P, from the first ones W; the loss curve, and why it ended."""
        before, rows = Affine(P, before=moments.mean) if self.whiten else None, cache_rows(8 * sum(W.shape))
        in_memory = isinstance(X, np.ndarray) and not isinstance(X, np.memmap)
        if in_memory and before is not None:
            X, before = map_chunks(before, X), None
        at_once = in_memory and len(X) <= rows

        curve: list[float] = []
        last, ended = W, "interrupted"

        def walk(W, curved):
            statistic = partial(sparseness, W=W, g=self.sparsity, eps=self.eps, before=before, curved=curved)
            return statistic(X) if at_once else accumulate(statistic, X, rows=rows)

        def report(objective, V):
            nonlocal last
            last = V
            curve.append(-objective)
            return end_iteration(self, {"loss": -objective}, lambda: self._fitted(V, moments, P, V.dtype))

        with interruptible("ICA", lambda: len(curve)):
            last, ended = climb(
                walk,
                W,
                gaussian_mean(self.sparsity, self.eps),
                fixed_points=FIXED_POINTS if self.sparsity == "logcosh" else 0,
                max_iter=self.max_iter,
                tol=self.tol,
                report=report,
            )
        return last, curve, ended

    def _fitted(self, V, moments, P, dtype):
        """The fitted attributes that follow from V (K, k)."""
        W = orthonormal(V)[0]
        if not self.whiten:
            return {"components_": W.astype(dtype), "mixing_": W.T.astype(dtype)}
        return {
            "components_": (W @ P.T).astype(dtype),
            "mixing_": (moments.times(P @ W.T) / moments.n).astype(dtype),
            "mean_": moments.mean,
            "whitening_": P.T,
        }

    def _whitening(self, moments: Moments, X) -> tuple[np.ndarray, np.ndarray]:
        """P (d, k) with E z z' = I for z = P'(x - m), and the axes (d, k) it scales.

        k = K, or more where directions of equal variance tie.
        """
        n, d = moments.n, len(moments.mean)
        P, B = sphering(moments)
        rank = P.shape[1]
        K = rank if self.n_components is None else self.n_components
        if rank == 0:
            raise ValueError(
                f"ICA: each of the n_features={d} features is constant over the n_samples={n} samples, up to rounding. "
                "Pass samples that vary."
            )
        if rank < K:
            raise ValueError(
                f"ICA: n_components={K} sources were asked for, and n_samples={n} samples of n_features={d} features "
                f"have rank {rank}. Pass n_components={rank} or less, or None; RICA may be overcomplete."
            )
        if K == n - 1 > 1:
            warn_of_too_few("ICA", n, d, f"n_components well below {n - 1}")
        if rank > K:
            axes = principal_axes(moments, K + 1)
            if axes.values[K] > (1 - TIED) * axes.values[K - 1]:  # of white samples none of the directions leads
                axes = principal_axes(moments)
            kept = axes.varies & (axes.values > (1 - TIED) * axes.values[K - 1])
            B = axes.vectors[:, kept]
            P = B / np.sqrt(axes.values[kept])
            warn_of_drowned_features("ICA", probe(X), f"it keeps the {K} principal directions of largest variance")
        return P * np.sqrt(n / (n - 1)), B

    def _checked_white(self, moments: Moments) -> tuple[np.ndarray, np.ndarray]:
        """The identity (d, d) for both, after a look at samples that should be white."""
        d, K = len(moments.mean), self.n_components
        if K is not None and d < K:
            raise ValueError(
                f"ICA: n_components={K} filters cannot be orthonormal in n_features={d} dimensions. Pass at most {d}, "
                "or take RICA, which may be overcomplete."
            )
        values = np.linalg.eigvalsh(moments.scatter / (moments.n - 1))
        if np.abs(values - 1).max() > WHITE or np.abs(moments.mean).max() > WHITE:
            notify(
                "ICA: whiten=False and the samples are not whitened: their variances lie between "
                f"{max(values[0], 0):.3g} and {values[-1]:.3g} along their axes, their means reach "
                f"{np.abs(moments.mean).max():.3g}, and filters then follow the variance. Leave whiten=True."
            )
        return np.eye(d), np.eye(d)

    def encoder_plan(self) -> EncoderPlan:
        W = self.components_
        if not hasattr(self, "mean_"):
            return EncoderPlan(W, "linear", bias=np.zeros(len(W), W.dtype))
        return centered_plan(W, self.mean_)

    def _encoder(self):
        return Affine(self.components_.T, before=getattr(self, "mean_", None))

    def _decoder(self):
        return Affine(self.mixing_.T, after=getattr(self, "mean_", None))

    def score(self, X: Any, y: Any = None) -> float:
        """The objective on samples.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, stream of chunks or Dask array
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
        X = check_rows(self, X, reset=False, squared=False)
        known = {"g": self.sparsity, "eps": self.eps, "before": self._encoder()}
        sums = accumulate(partial(sparseness, W=np.eye(len(self.components_)), **known), X)
        return non_gaussianity(sums, gaussian_mean(self.sparsity, self.eps))[0]
