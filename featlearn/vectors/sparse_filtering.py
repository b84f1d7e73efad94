"""Sparse filtering: features whose normalized responses are sparse, learned without a model of the data.

X (n, d) samples, each less its mean; W (K, d) filters; s the activation:

    F = s(X W'),   s(f) = sqrt(f^2 + eps)  or  log(1 + f^2)
    U_nk = F_nk / r_k,   r_k = sqrt(sum_n F_nk^2)       first every feature over the samples: all are equally active
    V_nk = U_nk / c_n,   c_n = sqrt(sum_k U_nk^2)       then every sample over the features: they compete
    minimize over W     sum_nk V_nk                     from W ~ N(0, 1) / (root mean square of X), by L-BFGS

The samples lie on the unit sphere in V, where a small sum of absolute values means few active features. There is no
decoder and nothing to tune but K. Further layers learn from V, one after the other. New samples are divided by the r of
the training samples. The gradient is derived in `featlearn.kernels.encoding.norm_ratios`. L-BFGS sees W in units of the
data's, so that their scale changes nothing; the paper's images have a root mean square of about 1.

Ngiam, Koh, Chen, Bhaskar & Ng (2011), "Sparse filtering", NIPS.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from featlearn.arrays import as_float
from featlearn.callbacks import CallbackSupportMixin, end_iteration, sub_task
from featlearn.fitting import fitting
from featlearn.kernels.encoding.norm_ratios import codes, gram, loss_and_pull, square, squares_and_slopes
from featlearn.notices import notify, warn_at_limit
from featlearn.streaming import accumulate, chunk_rows, first_chunk, is_out_of_core, map_chunks
from featlearn.training.lbfgs import lbfgs
from featlearn.usefulness import probe, warn_of_drowned_features, warn_of_idle_units, warn_of_outliers
from featlearn.validation import boolean, check_parameters, check_rows, either, integer, one_of, real
from featlearn.vectors.features import Adding, FeaturesMixin

WALK_ROWS = 4096  # rows in a chunk of an array: enough chunks for every thread
WIDEST_GRAM = 2048  # features up to which the Gram matrix spares softabs a walk for the norms


@dataclass(frozen=True)
class SparseLayer:
    """One fitted layer: weights (K, d), norms r (K,) of the training samples, objective and its curve (n_iter,)."""

    weights: np.ndarray
    norms: np.ndarray
    objective: float
    loss_curve: np.ndarray


@dataclass(frozen=True)
class Encoder:
    """chunk -> V (n, K) of the last of some layers; picklable. Without layers the chunk as it is."""

    layers: tuple[SparseLayer, ...]
    activation: str
    eps: float
    center: bool

    def __call__(self, chunk: np.ndarray) -> np.ndarray:
        chunk = as_float(chunk)
        for layer in self.layers:
            W = layer.weights.astype(chunk.dtype, copy=False)
            chunk = codes(chunk, W, scales(layer.norms), self.activation, self.eps, self.center)
        return chunk


@dataclass(frozen=True)
class Gram:
    """Number of samples, their X'X (d, d), or None, and the sum of their squares; they add."""

    n: int
    matrix: np.ndarray | None
    square: float

    def __add__(self, other: "Gram") -> "Gram":
        matrix = None if self.matrix is None else self.matrix + other.matrix
        return Gram(self.n + other.n, matrix, self.square + other.square)


@dataclass(frozen=True)
class Norms(Adding):
    """Squared norms r^2 (K,) of the features and half their gradients H (K, d); they add."""

    squares: np.ndarray
    slopes: np.ndarray


@dataclass(frozen=True)
class Pull(Adding):
    """Loss, its gradient (K, d) with r held fixed, and t (K,), the pull of each feature's norm; they add."""

    loss: float
    gradient: np.ndarray
    t: np.ndarray


def scales(norms: np.ndarray) -> np.ndarray:
    """1 / r (K,) times the mean r, which keeps float32 in range; 0 for a feature that never responds."""
    return np.divide(norms.mean(), norms, out=np.zeros(len(norms)), where=norms > 0)


def _gram(chunk, encoder, center, wanted):
    X = encoder(chunk)
    matrix = gram(X, center) if wanted else None
    return Gram(len(chunk), matrix, square(X, center) if matrix is None else float(np.trace(matrix)))


def _norms(chunk, encoder, W, slopes):
    return Norms(*squares_and_slopes(encoder(chunk), W, encoder.activation, encoder.eps, encoder.center, slopes))


def _pull(chunk, encoder, W, scale):
    return Pull(*loss_and_pull(encoder(chunk), W, scale, encoder.activation, encoder.eps, encoder.center))


class Objective:
    """The objective of one layer, per sample, with its gradient; the data are walked once an evaluation (log: twice).

    Parameters
    ----------
    X : array (n_samples, n_features), memmap, function returning chunks, or Dask collection
        The samples.
    encoder : Encoder
        What turns them into the input of the layer, with the activation, eps and centering of the layer too.
    shape : tuple of int
        (K, d) of the weights.
    """

    def __init__(self, X: Any, encoder: Encoder, shape: tuple[int, int]):
        self.X, self.encoder, self.shape = X, encoder, shape
        wanted = encoder.activation == "softabs" and shape[1] <= WIDEST_GRAM
        self.gram = self._walk(partial(_gram, encoder=encoder, center=encoder.center, wanted=wanted))

    def _walk(self, statistic):
        return accumulate(statistic, self.X, rows=walk_rows(self.X))

    @property
    def scale(self) -> float:
        """The root mean square of the input, which the first weights are divided by; 1 for zeros."""
        return float(np.sqrt(self.gram.square / (self.gram.n * self.shape[1]))) or 1.0

    def norms(self, W: np.ndarray, slopes: bool = False) -> Norms:
        """Squared norms (K,) of the features under W (K, d), and half their gradients, in float64."""
        if self.gram.matrix is None:
            return self._walk(partial(_norms, encoder=self.encoder, W=W, slopes=slopes))
        W = W.astype(np.float64)
        H = W @ self.gram.matrix
        return Norms(np.maximum(np.einsum("kd,kd->k", H, W), 0) + self.gram.n * self.encoder.eps, H)

    def __call__(self, w: np.ndarray) -> tuple[float, np.ndarray]:
        """Loss and gradient, divided by n, at flat weights w (K d,)."""
        W = w.reshape(self.shape)
        norms = self.norms(W, slopes=True)
        if not (norms.squares <= np.finfo(W.dtype).max).all():
            raise ValueError(
                f"SparseFiltering: squared responses sum to {norms.squares.max():.3g}, beyond the largest {W.dtype}, "
                f"{np.finfo(W.dtype).max:.3g}. Scale the data down."
            )
        pull = self._walk(partial(_pull, encoder=self.encoder, W=W, scale=scales(np.sqrt(norms.squares))))
        share = np.divide(pull.t, norms.squares, out=np.zeros_like(pull.t), where=norms.squares > 0)
        gradient = pull.gradient - share[:, None] * norms.slopes
        return pull.loss / self.gram.n, (gradient / self.gram.n).ravel().astype(w.dtype)


def walk_rows(X: Any) -> int | None:
    """Rows of a chunk of an array; a stream and a Dask collection have chunks of their own."""
    return None if is_out_of_core(X) else min(WALK_ROWS, chunk_rows(X))


def _list_of_widths(value):
    valid = isinstance(value, (list, tuple)) and len(value) > 0 and not any(integer(1)(width) for width in value)
    return None if valid else "a list of such integers, one a layer"


class SparseFiltering(FeaturesMixin, CallbackSupportMixin, BaseEstimator):
    """Features with sparse normalized responses; the number of features is all there is to choose.

    Parameters
    ----------
    n_components : int or list of int, default=8
        Number of features K. A list gives one number a layer.
    activation : {"softabs", "log"}, default="softabs"
        ``sqrt(f^2 + eps)``, the paper's, or ``log(1 + f^2)``, which needs two walks over the data where softabs needs
        one.
    n_layers : int, default=1
        Layers of ``n_components`` features each, trained one after the other on the normalized output of the one
        before.
    solver : {"lbfgs"}, default="lbfgs"
        How the objective is minimized.
    max_iter : int, default=200
        Most iterations of L-BFGS a layer; 200 is the authors' number.
    tol : float, default=0
        A layer is done when every component of its gradient, per sample and in units of the data, is below ``tol``, or
        an iteration gains less than ``1e-4 tol`` of the objective. 0 makes ``max_iter`` iterations, as the authors do;
        at 1e-5 many hundreds are made.
    eps : float, default=1e-8
        Rounds off the absolute value of softabs, in squared units of the responses; those of the first weights are
        about the number of features, whatever the units of the data.
    center : bool, default=True
        Whether to remove each sample's own mean before each layer, as the authors' code does.
    warm_start : bool, default=False
        Whether `fit` starts from the weights of the fit before instead of N(0, 1), divided by the root mean square of
        the data.
    random_state : int, RandomState or None, default=None
        Seed of the first weights.

    Attributes
    ----------
    components_ : array (n_components, n_features)
        Weights of the first layer, one feature a row.
    layers_ : list of SparseLayer
        Per layer ``weights`` (K, d), ``norms`` (K,) of the features over the training samples, ``objective`` and
        ``loss_curve``.
    objective_ : float
        Sum of the normalized features of the last layer over the training samples.
    loss_curve_ : array (n_iter_,)
        The objective after every iteration, one layer after the other.
    n_iter_ : int
        Iterations of all layers.
    n_features_in_ : int
        Number of features seen by `fit`.

    Raises
    ------
    ValueError
        For an unknown solver or activation, fewer than one component or layer, data that are not finite rows, or a warm
        start from weights of another shape.

    Warns
    -----
    ConvergenceWarning
        If ``max_iter`` ends a layer before ``tol`` > 0; if eps hides every response; or if a fit is interrupted, which
        keeps what was learned.
    UserWarning
        If one feature, or one outlier, drowns the others, or more than half of the codes are constant.

    See Also
    --------
    RICA : Sparse features that rebuild the sample.

    Notes
    -----
    Arrays, memmaps, functions that return iterators of chunks and Dask collections are walked once an evaluation of
    the objective (log: twice), in memory that does not grow with the number of
    samples; further layers keep the output of the layer before of an array in memory, and compute it anew at each walk
    otherwise. Scaling a feature's weights changes nothing but its share of eps. Results do not depend on the number of
    threads; the way the data are cut into chunks changes roundings, which L-BFGS magnifies where softabs is as sharp
    as the default eps makes it.

    References
    ----------
    Ngiam, Koh, Chen, Bhaskar & Ng (2011), "Sparse filtering", NIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn import SparseFiltering
    >>> X = np.random.default_rng(0).laplace(size=(500, 6)) @ np.random.default_rng(1).normal(size=(6, 16))
    >>> learner = SparseFiltering(n_components=8, max_iter=20, random_state=0).fit(X)
    >>> codes = learner.transform(X)
    >>> codes.shape, bool(np.allclose(np.linalg.norm(codes, axis=1), 1))
    ((500, 8), True)
    >>> bool(learner.loss_curve_[-1] < learner.loss_curve_[0])
    True
    """

    _rules: ClassVar = {
        "n_components": either(integer(1), _list_of_widths),
        "activation": one_of("softabs", "log"),
        "n_layers": integer(1),
        "solver": one_of("lbfgs"),
        "max_iter": integer(1),
        "tol": real(0),
        "eps": real(above=0),
        "center": boolean(),
        "warm_start": boolean(),
    }

    def __init__(
        self,
        n_components: int | list[int] = 8,
        *,
        activation: str = "softabs",
        n_layers: int = 1,
        solver: str = "lbfgs",
        max_iter: int = 200,
        tol: float = 0.0,
        eps: float = 1e-8,
        center: bool = True,
        warm_start: bool = False,
        random_state=None,
    ):
        self.n_components = n_components
        self.activation = activation
        self.n_layers = n_layers
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.eps = eps
        self.center = center
        self.warm_start = warm_start
        self.random_state = random_state

    def _check_together(self):
        self._widths()

    def _widths(self) -> list[int]:
        if not isinstance(self.n_components, (list, tuple)):
            return [self.n_components] * self.n_layers
        if self.n_layers not in (1, len(self.n_components)):
            raise ValueError(
                f"SparseFiltering: n_components={self.n_components!r} gives {len(self.n_components)} layers and "
                f"n_layers={self.n_layers}. Leave n_layers at 1 where a list gives the widths."
            )
        return list(self.n_components)

    @fitting(lambda self, X: len(self._widths()))
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the features.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, function returning chunks, or Dask collection
            The samples.
        y : ignored
            Present for the API.

        Returns
        -------
        self
        """
        widths = self._widths()
        rng = check_random_state(self.random_state)
        X = check_rows(self, X, reset=True, passes=2)
        dtype = as_float(np.asarray(first_chunk(X))[:0]).dtype
        layers: list[SparseLayer] = []
        data, left = X, self.max_iter
        for first in self._first_weights(rng, widths):
            if layers and isinstance(X, np.ndarray) and not isinstance(X, np.memmap):
                data = map_chunks(self._encoder(layers[-1:]), data, rows=walk_rows(data))
            encoder = self._encoder([] if data is not X else layers)
            W = first.astype(dtype)
            with sub_task(self, "layer", self.max_iter):
                layer, interrupted = self._layer(Objective(data, encoder, W.shape), W, layers, left)
            layers.append(layer)
            left = 1 if interrupted else left  # further layers must be there, and are not worked on
        self.layers_, self.components_ = layers, layers[0].weights
        self.objective_, self.loss_curve_ = layers[-1].objective, np.concatenate([one.loss_curve for one in layers])
        self.n_iter_ = len(self.loss_curve_)
        self._warn_if_useless(X)
        return self

    def _encoder(self, layers) -> Encoder:
        return Encoder(tuple(layers), self.activation, float(self.eps), bool(self.center))

    def _first_weights(self, rng, widths):
        """First weights of every layer: N(0, 1), or those of the fit before, refused now if they do not fit."""
        shapes = list(zip(widths, [self.n_features_in_, *widths[:-1]], strict=True))
        if not self._goes_on():
            return [rng.standard_normal(shape) for shape in shapes]
        fitted = [layer.weights.shape for layer in self.layers_]
        if fitted != shapes:
            raise ValueError(
                f"SparseFiltering: warm_start=True and the fitted weights have the shapes {fitted}, but {shapes} are "
                "needed. Keep n_components, n_layers and the number of features, or set warm_start=False."
            )
        return [layer.weights for layer in self.layers_]

    def _layer(self, objective, W, before, max_iter) -> tuple[SparseLayer, bool]:
        """Minimize the objective of one layer from W (K, d); whether that was interrupted, too."""
        n = objective.gram.n
        scale = 1.0 if before else objective.scale
        curve: list[float] = []
        if before or not self._goes_on():
            W = W / W.dtype.type(scale)

        def evaluate(v):
            loss, gradient = objective(v / v.dtype.type(scale))
            return loss, gradient / v.dtype.type(scale)

        def fitted(v, loss):
            W = v.reshape(objective.shape) / v.dtype.type(scale)
            norms = np.sqrt(objective.norms(W).squares).astype(W.dtype)
            return SparseLayer(W, norms, loss, np.array(curve))

        def attributes(v):
            layers = [*before, fitted(v, curve[-1])]
            return {"layers_": layers, "components_": layers[0].weights}

        def after(loss, v):
            curve.append(n * loss)
            return end_iteration(self, {"loss": curve[-1]}, partial(attributes, v))

        start = (W * W.dtype.type(scale)).ravel()
        end = lbfgs(evaluate, start, max_iter=max_iter, tol=self.tol, on_iteration=after, who="SparseFiltering")
        layer = fitted(end.x, n * end.loss)
        if end.ended == "max_iter" and self.tol > 0 and max_iter == self.max_iter:
            slope = float(np.abs(evaluate(end.x)[1]).max())
            warn_at_limit(
                "SparseFiltering", end.n_iter, self.tol, f"a component of the gradient is {slope:.2g}",
                "pass tol=0 for the authors' fixed number of iterations",
            )  # fmt: skip
        strongest = float(np.max(layer.norms)) ** 2 / n  # mean square, eps included
        if not before and self.activation == "softabs" and 1e-6 < strongest / self.eps - 1 < 1:
            notify(
                f"SparseFiltering: no feature responds by more than {np.sqrt(strongest - self.eps):.3g} (root mean "
                f"square), less than the root of eps={self.eps}, which hides it: little was learned. Lower eps.",
                ConvergenceWarning,
            )
        return layer, end.ended == "interrupted"

    def _goes_on(self):
        return self.warm_start and hasattr(self, "layers_")

    def _warn_if_useless(self, X):
        rows = as_float(probe(X))
        warn_of_outliers("SparseFiltering", X, "every feature is divided by its size over all samples")
        warn_of_drowned_features("SparseFiltering", rows, "responses are sums over the features as they are")
        if self._n_features_out > 1:  # one feature, of length 1, is constant
            warn_of_idle_units(
                "SparseFiltering", self._encoder(self.layers_)(rows),
                "Every row looks alike beside what they share: put a StandardScaler before it.",
            )  # fmt: skip

    def transform(self, X: Any) -> Any:
        """Normalized features of samples, each feature divided by its norm over the training samples.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, stream of chunks or Dask array
            The samples.

        Returns
        -------
        codes : array (n_samples, n_components), a generator of chunks, or a Dask array
            Rows of length 1 in the features of the last layer, all at least 0; float32 if X is.
        """
        check_is_fitted(self)
        check_parameters(self)
        X = check_rows(self, X, reset=False)
        return map_chunks(self._encoder(self.layers_), X, rows=walk_rows(X))

    @property
    def _n_features_out(self):
        return len(self.layers_[-1].weights)
