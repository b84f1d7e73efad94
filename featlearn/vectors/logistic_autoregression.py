"""Logistic autoregression: every input is predicted from all the others, a logistic regression each.

For samples x in [0, 1]^d, weights W (d, d) with a diagonal of 0 and biases b (d,),

    x^_k = sigmoid(b_k + sum_{j != k} W_kj x_j)

    minimize   -1/m sum_i sum_k [x_ik log x^_ik + (1 - x_ik) log(1 - x^_ik)]  +  weight_decay/2 |W|^2

whose gradients, with delta = (x^ - x) / m (m, d), are delta' x, its diagonal set to 0, and the column sums of delta.
The problem is convex and each row of W a problem of its own, so weights start at 0, and shards of units (training/
shards.py) have nothing to add up. Minus the loss of a sample is its log pseudo-likelihood, the sum of the
log p(x_k | all others).

The code is a sigmoid layer: x^ itself, as wide as the input. A narrower one, of K < d units, is made as Larochelle's
own program does (PLearn, StackedSVDNet): of the singular values of [b, W] = U S V', the K largest are kept, and the
first K rows of S V' are the biases and the weights of the layer, from which U rebuilds all d sums of inputs best. There
is no wider one: the matrix has no more than d directions.

Larochelle, Bengio, Louradour & Lamblin (2009), "Exploring strategies for training deep neural networks", JMLR 10: the
stacked logistic autoregression network.
"""

from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.extmath import svd_flip
from sklearn.utils.validation import check_is_fitted

from featlearn.arrays import as_float
from featlearn.kernels.activations import cross_entropy_rows
from featlearn.kernels.encoding.encode import EncoderPlan
from featlearn.streaming import map_chunks
from featlearn.training import TRAINING_RULES, Batch, Draws, GradientLearnerMixin, Params
from featlearn.usefulness import probe, warn_of_idle_units
from featlearn.validation import boolean, check_rows, integer, optional
from featlearn.vectors.affine import AffineCodesMixin, encode
from featlearn.vectors.autoencoder_core import row_errors
from featlearn.vectors.autoencoders import check_unit_interval
from featlearn.vectors.features import MeanScoreMixin


@dataclass(frozen=True)
class AutoregressionObjective:
    """The objective above, for `training.minimize`; parameters W and b."""

    hidden = ("W", "b")

    def init(self, n_features: int, rng: np.random.RandomState, dtype: Any) -> Params:
        """Zeros."""
        return {"W": np.zeros((n_features, n_features), dtype), "b": np.zeros(n_features, dtype)}

    def loss(self, params: Any, batch: Batch, seed: Any) -> Any:
        """The objective of a batch in `keras.ops`."""
        from keras import ops

        x, W = batch.x, params["W"]
        z = ops.matmul(x, ops.transpose(W * (1 - ops.eye(x.shape[1], dtype=W.dtype)))) + params["b"]
        return ops.sum(ops.softplus(z) - x * z) / x.shape[0]

    def gradient(
        self, params: Params, batch: Batch, draws: Draws, grads: Params
    ) -> Generator[np.ndarray, np.ndarray, float]:
        """The gradient of the shard's own units; gives their share of the objective."""
        yield from ()  # nothing to add up, but it may be shared out
        x, mine = batch.x, draws.units(batch.x.shape[1])
        m, z, target = len(x), x @ params["W"].T, np.ascontiguousarray(x[:, mine])
        delta = np.empty_like(z)
        loss = cross_entropy_rows(z, params["b"], target, 1 / m, delta) / m
        np.dot(delta.T, x, out=grads["W"])
        grads["W"][np.arange(len(grads["W"])), np.arange(mine.start, mine.stop)] = 0
        delta.sum(axis=0, out=grads["b"])
        return loss


def narrowed(W: np.ndarray, b: np.ndarray, n_units: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights (n_units, d) and biases of the layer that keeps the largest singular values of [b, W]."""
    if n_units == len(W):
        return W, b
    U, S, V = np.linalg.svd(np.column_stack([b, W]).astype(np.float64), full_matrices=False)
    V = svd_flip(U, V, u_based_decision=False)[1][:n_units]  # signs are free
    layer = (S[:n_units, None] * V).astype(W.dtype)
    return np.ascontiguousarray(layer[:, 1:]), layer[:, 0].copy()


@dataclass(frozen=True)
class _Rescaled:
    """Rows -> (rows - low) / width, cut to [0, 1]; picklable."""

    low: np.ndarray
    width: np.ndarray

    @classmethod
    def of(cls, X: Any) -> "_Rescaled":
        low, high = (end.astype(as_float(X[:0]).dtype) for end in (X.min(axis=0), X.max(axis=0)))
        width = high - low
        constant = width <= 8 * np.finfo(low.dtype).eps * np.maximum(abs(low), abs(high))  # up to its own rounding
        return cls(low, np.where(constant, 1, width).astype(low.dtype))

    def __call__(self, rows):
        low, width = (a.astype(rows.dtype, copy=False) for a in (self.low, self.width))
        return np.clip((rows - low) / width, 0, 1)


def _predicted(chunk, W, b, rescaled):
    """The inputs of a chunk predicted, before the sigmoid, and the inputs; both (m, d)."""
    X = as_float(chunk)
    X = X if rescaled is None else rescaled(X)
    return X @ W.T.astype(X.dtype, copy=False) + b.astype(X.dtype, copy=False), X


def _scores(chunk, W, b, rescaled, who):
    if rescaled is None:
        check_unit_interval(np.asarray(chunk), who, "the pseudo-likelihood")
    Z, X = _predicted(chunk, W, b, rescaled)
    return -row_errors(Z, X, "sigmoid", "cross_entropy")


class LogisticAutoregression(AffineCodesMixin, MeanScoreMixin, GradientLearnerMixin, BaseEstimator):
    """Learn a sigmoid layer by predicting every input from the others.

    Parameters
    ----------
    n_components : int or None, default=None
        Units of the code. None takes one for each input, whose code is its prediction; fewer keep the directions that
        predict most (the largest singular values of ``[bias_, weights_]``). More than inputs are refused.
    rescale : bool, default=False
        Whether each feature is taken less its smallest value and over its range, so that it lies in [0, 1]: then any
        finite data will do, and later rows beyond the ranges count as their ends in `partial_fit` and in scores.
        Otherwise data outside [0, 1] are refused. The ranges are those of `fit`, or of the first `partial_fit`, and are
        kept in warm starts.
    weight_decay : float, default=0.0
        Adds ``weight_decay / 2 * |W|^2`` over all weights; biases do not decay. Each row of ``weights_`` tends to that
        of a `sklearn.linear_model.LogisticRegression` with ``C=1 / (weight_decay * n_samples)``. At 0, and with inputs
        that others tell without error, weights grow for as long as they are trained.
    solver : str, GradientDescent or LBFGS, default="adam"
        "sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adadelta", "adam" or "lbfgs"; or an object of
        `featlearn.training` with its constants and schedule. "lbfgs" takes all samples at once and stops by its own
        tolerance: ``learning_rate``, ``batch_size``, ``tol`` and ``n_iter_no_change`` do not touch it.
    learning_rate : float or None, default=None
        Step size; None takes the solver's usual one.
    batch_size : int or None, default=100
        Samples in a step; None takes all.
    max_iter : int, default=100
        Most epochs, or iterations of L-BFGS.
    tol : float, default=0.0
        Stop after ``n_iter_no_change`` epochs that do not improve the (validation) loss by this fraction;
        0 runs all epochs, unless samples are held out.
    n_iter_no_change : int, default=10
        Patience of ``tol`` and ``early_stopping``.
    early_stopping : bool, default=False
        Whether to hold out samples, stop when their loss no longer falls, and keep the best weights.
    validation_fraction : float, default=0.1
        Share of the samples held out.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights learned so far.
    engine : {"auto", "numpy", "keras"}, default="auto"
        "numpy" takes the gradient derived by hand, "keras" the automatic one on Keras' device; "auto" the second
        where there is a GPU.
    random_state : int, RandomState or None, default=None
        Seed of everything random.

    Attributes
    ----------
    components_ : array (n_components, n_features)
        Weights of the code, a unit a row; ``weights_`` with as many units as inputs.
    intercept_ : array (n_components,)
        Biases of the code: it is ``sigmoid((x - data_min_) @ components_.T + intercept_)``.
    weights_ : array (n_features, n_features)
        What each input (a row) is predicted from; its diagonal is 0.
    bias_ : array (n_features,)
        Biases of the predictions.
    data_min_, data_range_ : arrays (n_features,)
        What is taken from each feature, and what it is divided by; 0 and 1 without ``rescale``. The range is folded
        into the weights.
    loss_curve_ : array (n_iter_,)
        The objective in each epoch.
    validation_curve_ : array (n_iter_,)
        The objective on the samples held out, with ``early_stopping``.
    n_iter_ : int
        Epochs made.
    n_features_in_ : int
        Number of features seen by `fit`.

    Raises
    ------
    ValueError
        For data outside [0, 1] without ``rescale``; for a single feature, or more components than features; if training
        diverges; or for a parameter out of range.

    Warns
    -----
    UserWarning
        If after `fit` most units are constant or saturated on training rows; with ``rescale``, of features whose
        outliers set the range.
    ConvergenceWarning
        If L-BFGS ended at ``max_iter``; if an interrupt (Ctrl-C) ended `fit`, which then keeps the best weights so far.

    See Also
    --------
    RBM, DenoisingAutoencoder : Other layers to pretrain a network by, of any width.

    References
    ----------
    Larochelle, Bengio, Louradour & Lamblin (2009), "Exploring strategies for training deep neural networks", JMLR 10.

    Examples
    --------
    The second input is the first, and the third has nothing to do with them:

    >>> import numpy as np
    >>> from featlearn import LogisticAutoregression
    >>> X = np.random.default_rng(0).integers(0, 2, size=(300, 2))[:, [0, 0, 1]]
    >>> learner = LogisticAutoregression(solver="lbfgs", weight_decay=1e-3).fit(X)
    >>> learner.transform([[1, 0, 0], [0, 1, 1]]).round(1)
    array([[0. , 1. , 0.5],
           [1. , 0. , 0.5]])
    """

    _rules: ClassVar = TRAINING_RULES | {"n_components": optional(integer(1)), "rescale": boolean()}

    def __init__(
        self,
        n_components: int | None = None,
        *,
        rescale: bool = False,
        weight_decay: float = 0.0,
        solver: Any = "adam",
        learning_rate: float | None = None,
        batch_size: int | None = 100,
        max_iter: int = 100,
        tol: float = 0.0,
        n_iter_no_change: int = 10,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        warm_start: bool = False,
        engine: str = "auto",
        random_state: Any = None,
    ):
        self.n_components = n_components
        self.rescale = rescale
        self.weight_decay = weight_decay
        self.solver = solver
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.warm_start = warm_start
        self.engine = engine
        self.random_state = random_state

    def _objective(self):
        return AutoregressionObjective()

    def _check_values(self, X):
        d = X.shape[1]
        if d < 2:
            raise ValueError(
                f"LogisticAutoregression: n_features={d}, and each feature is predicted from the others. Pass at "
                "least 2 features."
            )
        if self.n_components is not None and self.n_components > d:
            raise ValueError(
                f"LogisticAutoregression: n_components={self.n_components} is more than the {d} features, and the "
                "code has a unit for each feature that is predicted, or fewer. Pass None or at most "
                f"{d}, or take an RBM or an autoencoder, whose layers may be wider."
            )
        if not self.rescale:
            check_unit_interval(X, "LogisticAutoregression", "rescale=False")

    def _standardizer(self, X):
        if X is not None:
            n = X.shape[1]
            ends = (
                _Rescaled.of(X)
                if self.rescale
                else _Rescaled(*np.array([[0], [1]], as_float(X[:0]).dtype).repeat(n, 1))
            )
            self.data_min_, self.data_range_ = ends.low, ends.width
        return self._rescaled()

    def _rescaled(self):
        """What rows pass before they are predicted, None for nothing."""
        changes = self.data_min_.any() or (self.data_range_ != 1).any()
        return _Rescaled(self.data_min_, self.data_range_) if changes else None

    def _attributes(self, params, state):
        W, b = params["W"], params["b"]
        components, intercept = narrowed(W, b, self.n_components or len(W))
        return {
            "components_": components / self.data_range_,
            "intercept_": intercept,
            "weights_": W / self.data_range_,
            "bias_": b,
        }

    def _parameters(self):
        return {"W": self.weights_ * self.data_range_, "b": self.bias_}

    def _judge(self, X):
        cure = (
            "Train longer (max_iter, learning_rate), or raise weight_decay if most are saturated; features that are "
            "constant, or that no other tells anything of, are best left out."
        )
        warn_of_idle_units("LogisticAutoregression", self._codes(probe(X)), cure, low=0.0, high=1.0)

    def encoder_plan(self) -> EncoderPlan:
        origin = self.data_min_ if self.data_min_.any() else None
        return EncoderPlan(self.components_, "sigmoid", bias=self.intercept_, mean=origin)

    def _scored(self, X):
        check_is_fitted(self)
        params = self._parameters()
        scores = partial(_scores, **params, rescaled=self._rescaled(), who=type(self).__name__)
        return scores, check_rows(self, X, reset=False), None

    def score_samples(self, X: Any) -> Any:
        """The log pseudo-likelihood of each sample: the lower, the stranger.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, stream of chunks or Dask array
            The samples.

        Returns
        -------
        scores : array (n_samples,), a generator of chunks, or a Dask array
            The sum over features of ``x_k log x^_k + (1 - x_k) log(1 - x^_k)``, in float64.

        Raises
        ------
        ValueError
            For data outside [0, 1], unless they are rescaled.
        """
        scores, X, rows = self._scored(X)
        return map_chunks(scores, X, rows=rows)

    def reconstruct(self, X: Any) -> Any:
        """Predict every input from the others.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, stream of chunks or Dask array
            The samples.

        Returns
        -------
        X : array (n_samples, n_features), a generator of chunks, or a Dask array
            The predictions, between the ends of each feature's range. float32 if X is.
        """
        check_is_fitted(self)
        rescaled, origin = self._rescaled(), self.data_min_ if self.data_min_.any() else None
        every = EncoderPlan(self.weights_, "sigmoid", bias=self.bias_, mean=origin)
        return map_chunks(partial(_restored, plan=every, rescaled=rescaled), check_rows(self, X, reset=False))


def _restored(chunk, plan, rescaled):
    predicted = encode(chunk, plan)
    if rescaled is None:
        return predicted
    return predicted * rescaled.width.astype(predicted.dtype) + rescaled.low.astype(predicted.dtype)
