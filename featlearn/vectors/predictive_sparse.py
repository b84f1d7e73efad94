"""Predictive sparse decomposition: sparse coding with an encoder that learns to predict the codes.

X (n, d) samples, each feature less its mean and over its scale (standardizer.py), D (K, d) atoms of unit length,
W (K, d), b (K,) and g (K,) the encoder, z (n, K) codes:

    prediction  p(x) = g tanh(x W' + b)
    loss        E(x) = min_z  1/2 |x - z D|^2 + alpha |z|_1 + beta/2 |z - p(x)|^2

For each batch the codes z are found by FISTA from the prediction on; then D, W, b and g take a step along the gradient
of the mean of E with z held still, which is the gradient of E itself, since z is its minimum:

    dE/dD = -z' (x - z D)       dE/dg = e t       dE/db = e g (1 - t^2)       dE/dW = (dE/db)' x
    with  e = beta (p - z),  t = tanh(x W' + b)

and the atoms are scaled back to unit length. Once it is learned, codes cost one matrix product.

Kavukcuoglu, Ranzato & LeCun (2008), "Fast inference in sparse coding algorithms with applications to object
recognition"; Kavukcuoglu, Sermanet, Boureau, Gregor, Mathieu & LeCun (2010), "Learning convolutional feature
hierarchies for visual recognition".
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from featlearn.arrays import as_float
from featlearn.kernels.encoding.encode import EncoderPlan
from featlearn.kernels.encoding.sparse_codes import ProximalEncoder, lasso_objective
from featlearn.streaming import map_chunks
from featlearn.training import LBFGS, Batch, Params
from featlearn.training.learner import GradientLearnerMixin
from featlearn.training.solvers import TRAINING_RULES
from featlearn.training.standardizer import STANDARDIZE, Standardizer, choose_standardizer
from featlearn.usefulness import probe, warn_of_idle_units
from featlearn.validation import check_codes, check_rows, integer, real
from featlearn.vectors.affine import AffineCodesMixin
from featlearn.vectors.dictionary import unit_rows
from featlearn.vectors.features import MeanScoreMixin


def activations(params: Params, x: np.ndarray) -> np.ndarray:
    """tanh(x W' + b) (m, K) of rows x (m, d)."""
    return np.tanh(x @ params["W"].T + params["b"])


def predicted_codes(params: Params, x: np.ndarray) -> np.ndarray:
    """g tanh(x W' + b) (m, K)."""
    return params["g"] * activations(params, x)


def losses(params: Params, x: np.ndarray, z: np.ndarray, alpha: float, beta: float) -> np.ndarray:
    """1/2 |x - z D|^2 + alpha |z|_1 + beta/2 |z - p(x)|^2 of each row (m,), in float64."""
    rest = z - predicted_codes(params, x)
    missed = 0.5 * beta * np.einsum("nk,nk->n", rest, rest, dtype=np.float64)
    return lasso_objective(x, params["D"], z, alpha) + missed


@dataclass(frozen=True)
class PredictiveObjective:
    """The loss above, for `training.minimize`; parameters D (K, d), W (K, d), b (K,) and g (K,)."""

    n_components: int
    alpha: float
    beta: float
    encode_iter: int
    encode_tol: float

    hidden = ()  # a code concerns all atoms, so the units cannot be cut into shards

    def init(self, n_features: int, rng: np.random.RandomState, dtype: Any) -> Params:
        """Random directions as atoms, small random weights, no bias, gains of 1."""
        shape = self.n_components, n_features
        return {
            "D": unit_rows(rng.standard_normal(shape)).astype(dtype),
            "W": (rng.standard_normal(shape) / np.sqrt(n_features)).astype(dtype),
            "b": np.zeros(self.n_components, dtype),
            "g": np.ones(self.n_components, dtype),
        }

    def codes(self, params: Params, x: np.ndarray) -> np.ndarray:
        """The codes z (m, K) that minimize the loss, from the prediction on."""
        encoder = ProximalEncoder(params["D"], self.alpha, self.encode_iter, self.encode_tol, beta=self.beta)
        prediction = predicted_codes(params, x)
        return encoder(x, prediction, prediction)

    def gradient(self, params: Params, batch: Batch, draws: Any, grads: Params) -> float:
        """Fill ``grads`` with the gradient of the mean loss of rows x (m, d), and return that loss."""
        x = batch.x
        if not np.isfinite(params["D"]).all():
            return np.nan  # an earlier batch overflowed: `minimize` names it at the end of the epoch
        z, t = self.codes(params, x), activations(params, x)
        rest = x - z @ params["D"]
        miss = params["g"] * t - z
        e = (self.beta / len(x)) * miss
        slope = e * params["g"] * (1 - t * t)
        np.matmul(z.T, rest, out=grads["D"])
        grads["D"] *= -1 / len(x)
        np.matmul(slope.T, x, out=grads["W"])
        grads["b"][:] = slope.sum(axis=0)
        grads["g"][:] = np.einsum("nk,nk->k", e, t)
        squares = 0.5 * np.vdot(rest, rest) + 0.5 * self.beta * np.vdot(miss, miss)
        return float(squares + self.alpha * np.abs(z).sum()) / len(x)

    def after_step(self, params: Params) -> None:
        """Scale the atoms back to unit length."""
        params["D"][:] = unit_rows(params["D"])


def _scores(chunk, objective: PredictiveObjective, params: Params, prepare: Standardizer | None):
    """Minus the loss of each row of a chunk, with the best codes."""
    x = np.ascontiguousarray(as_float(chunk))
    x = x if prepare is None else prepare(x)
    params = {name: value.astype(x.dtype, copy=False) for name, value in params.items()}
    return -losses(params, x, objective.codes(params, x), objective.alpha, objective.beta)


class PredictiveSparse(AffineCodesMixin, MeanScoreMixin, GradientLearnerMixin, BaseEstimator):
    """Predictive sparse decomposition: a dictionary, and an encoder that predicts its sparse codes at once.

    Parameters
    ----------
    n_components : int, default=8
        Number of atoms K.
    alpha : float, default=0.1
        Weight of |z|_1, in the units of x.d, x as ``standardize`` makes it.
    beta : float, default=1.0
        Weight of the distance between codes and their prediction; 0 learns a plain dictionary and no encoder.
    encode_iter : int, default=50
        Most FISTA steps for the codes of a batch.
    encode_tol : float, default=1e-3
        A code is done when a step moves it by less than this fraction of its largest response.
    standardize : bool or "auto", default="auto"
        Whether each feature is taken less its mean and over its scale, so that neither its unit nor its offset matters
        to ``alpha``, ``beta`` and the first weights; "auto" does so. Mean and scale are those of `fit`, or of the first
        `partial_fit`, and are kept in warm starts.
    solver : str or GradientDescent, default="adam"
        Update rule, see `featlearn.training.make_solver`; "lbfgs" cannot hold the atoms at unit length.
    learning_rate : float or None, default=None
        Step size; None takes the rule's usual one.
    batch_size : int or None, default=100
        Samples in a step; None takes all.
    max_iter : int, default=50
        Most epochs.
    weight_decay : float, default=0.0
        Weight of the squared weights W, and of the atoms, which stay at unit length all the same.
    tol : float, default=0.0
        Stop after ``n_iter_no_change`` epochs that do not lower the loss by this fraction; 0 runs all epochs.
    n_iter_no_change : int, default=10
        Patience of ``tol`` and ``early_stopping``.
    early_stopping : bool, default=False
        Whether to hold out samples, stop when their loss no longer falls, and keep the best weights.
    validation_fraction : float, default=0.1
        Share of the samples held out.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights learned so far.
    engine : {"auto", "numpy"}, default="auto"
        Both run on the CPU: the search for codes has no Keras formula.
    random_state : int, RandomState or None, default=None
        Seed of everything random.

    Attributes
    ----------
    components_ : array (n_components, n_features)
        The atoms D, of unit length before they are multiplied by ``scale_``.
    coef_ : array (n_components, n_features)
        The encoder's weights W, divided by ``scale_``: codes are ``gain_ * tanh((x - mean_) @ coef_.T + intercept_)``.
    intercept_ : array (n_components,)
        Its biases b.
    gain_ : array (n_components,)
        Its gains g.
    mean_, scale_ : arrays (n_features,)
        What is taken from each feature, and what it is divided by; 0 and 1 with ``standardize=False``.
    loss_curve_ : array (n_iter_,)
        The mean loss of each epoch.
    validation_curve_ : array (n_iter_,)
        The mean loss of the samples held out, with ``early_stopping``.
    n_iter_ : int
        Epochs made.
    n_features_in_ : int
        Number of features seen by `fit`.

    Raises
    ------
    ValueError
        For data that are not finite rows, a parameter out of range, or a training that diverges.

    Warns
    -----
    UserWarning
        If after `fit` most codes are constant on training rows.
    ConvergenceWarning
        If an interrupt (Ctrl-C) ended `fit`, which then keeps the epochs made.

    See Also
    --------
    SparseCoding : The codes themselves, found sample by sample.

    References
    ----------
    Kavukcuoglu, Ranzato & LeCun (2008), Courant Institute CBLL-TR-2008-12-01. Jarrett, Kavukcuoglu, Ranzato & LeCun
    (2009), ICCV. Kavukcuoglu et al. (2010), NIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn.vectors.predictive_sparse import PredictiveSparse
    >>> X = np.random.default_rng(0).laplace(size=(500, 4))
    >>> learner = PredictiveSparse(4, learning_rate=0.01, max_iter=20, random_state=0).fit(X)
    >>> learner.transform(X).shape
    (500, 4)
    >>> bool(learner.loss_curve_[-1] < 0.5 * learner.loss_curve_[0])
    True
    """

    _rules: ClassVar = TRAINING_RULES | {
        "n_components": integer(1),
        "alpha": real(0),
        "beta": real(0),
        "encode_iter": integer(1),
        "encode_tol": real(0),
        "standardize": STANDARDIZE,
    }

    def __init__(
        self,
        n_components: int = 8,
        *,
        alpha: float = 0.1,
        beta: float = 1.0,
        encode_iter: int = 50,
        encode_tol: float = 1e-3,
        standardize: bool | str = "auto",
        solver: Any = "adam",
        learning_rate: float | None = None,
        batch_size: int | None = 100,
        max_iter: int = 50,
        weight_decay: float = 0.0,
        tol: float = 0.0,
        n_iter_no_change: int = 10,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        warm_start: bool = False,
        engine: str = "auto",
        random_state: Any = None,
    ):
        self.n_components = n_components
        self.alpha = alpha
        self.beta = beta
        self.encode_iter = encode_iter
        self.encode_tol = encode_tol
        self.standardize = standardize
        self.solver = solver
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.weight_decay = weight_decay
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.warm_start = warm_start
        self.engine = engine
        self.random_state = random_state

    def _check_together(self):
        if self.engine == "keras":
            raise ValueError(
                "PredictiveSparse: engine='keras' is not possible, since the search for codes has no Keras formula; "
                "pass 'auto' or 'numpy'."
            )
        if self.solver == "lbfgs" or isinstance(self.solver, LBFGS):
            raise ValueError(
                "PredictiveSparse: solver='lbfgs' cannot hold the atoms at unit length; pass 'adam', 'sgd' or another "
                "rule of gradient descent."
            )

    def _objective(self):
        # As Python's own: a NumPy float64 would turn float32 samples into float64.
        return PredictiveObjective(
            int(self.n_components), float(self.alpha), float(self.beta), int(self.encode_iter), float(self.encode_tol)
        )

    def _standardizer(self, X):
        return choose_standardizer(self, X)

    def _judge(self, X):
        units = np.tanh((as_float(probe(X)) - self.mean_) @ self.coef_.T + self.intercept_)
        cure = "Lower alpha or learning_rate, or raise max_iter."
        if (self.scale_ == 1).all():
            cure = "Divide pixels by 255, put a StandardScaler before it, pass standardize=True, or lower alpha."
        warn_of_idle_units("PredictiveSparse", units, cure, low=-1, high=1, share=0.98)

    def _attributes(self, params, state):
        return {
            "components_": params["D"] * self.scale_,
            "coef_": params["W"] / self.scale_,
            "intercept_": params["b"],
            "gain_": params["g"],
            "mean_": self.mean_,
            "scale_": self.scale_,
        }

    def _parameters(self):
        D, W = self.components_ / self.scale_, self.coef_ * self.scale_
        return {"D": D, "W": W, "b": self.intercept_, "g": self.gain_}

    def encoder_plan(self) -> EncoderPlan:
        origin = self.mean_ if self.mean_.any() else None
        return EncoderPlan(self.coef_, "tanh", bias=self.intercept_, mean=origin, scale=self.gain_)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Samples from codes, ``codes @ components_ + mean_``.

        Parameters
        ----------
        X : array (n_samples, n_components)
            Codes.

        Returns
        -------
        X : array (n_samples, n_features)
            The reconstructions.
        """
        check_is_fitted(self)
        codes = check_codes(self, X)
        return codes @ self.components_.astype(codes.dtype) + self.mean_.astype(codes.dtype)

    def _scored(self, X):
        check_is_fitted(self)
        prepare = Standardizer(self.mean_, self.scale_).if_any()
        scores = partial(_scores, objective=self._objective(), params=self._parameters(), prepare=prepare)
        return scores, check_rows(self, X, reset=False), None

    def score_samples(self, X: Any) -> Any:
        """Minus the loss of each sample, with the best codes for it: the lower, the stranger.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, stream of chunks or Dask array
            The samples.

        Returns
        -------
        scores : array (n_samples,), a generator of chunks, or a Dask array
            0 is a perfect fit; in float64.
        """
        scores, X, rows = self._scored(X)
        return map_chunks(scores, X, rows=rows)
