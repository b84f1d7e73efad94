"""What the autoencoders share: codes, reconstructions, the score, and the fitted layers.

Where outputs have no bounds the objective sees each feature less its mean m and over its scale s (standardizer.py), and
the scale is folded into the layers that are published: A_1 / s before the first, A_2L s and b_2L s behind the last.

The objective is in autoencoder_core.py, the gradient loop in training/loop.py; each estimator has a file of its own.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from featlearn.arrays import as_float
from featlearn.kernels.activations import ACTIVATIONS
from featlearn.kernels.encoding.encode import EncoderPlan
from featlearn.notices import notify
from featlearn.streaming import map_chunks
from featlearn.training.learner import GradientLearnerMixin
from featlearn.training.solvers import TRAINING_RULES
from featlearn.training.standardizer import STANDARDIZE, choose_standardizer
from featlearn.usefulness import probe, warn_of_idle_units
from featlearn.validation import Rule, boolean, check_codes, check_parameters, check_rows, either, integer, one_of
from featlearn.vectors.autoencoder_core import AutoencoderObjective, forward, row_errors
from featlearn.vectors.features import FeaturesMixin, MeanScoreMixin

ENDS = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "relu": (0.0, np.inf)}  # of what units give
RAREST = 0.02
ROUNDING = 1e-5  # how far data may leave them


def _widths(value):
    sequence = isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim == 1)
    good = sequence and len(value) > 0 and all(integer(1)(width) is None for width in value)
    return None if good else "a list of such integers, the widths of the encoder's layers, the code last"


LAYERS: dict[str, Rule] = TRAINING_RULES | {
    "n_components": either(integer(1), _widths),
    "activation": one_of(*ACTIVATIONS, "softplus"),
    "output": one_of(*ACTIVATIONS),
    "loss": one_of("squared", "cross_entropy"),
    "tied": boolean(),
    "standardize": STANDARDIZE,
}


def check_unit_interval(X: np.ndarray, who: str, why: str) -> None:
    """Refuse values outside [0, 1]; the ValueError names who needs them inside, and why."""
    low, high = float(X.min()), float(X.max())
    if low < 0 or high > 1:
        fix = " (divide pixels of 0..255 by 255)" if low >= 0 and 1 < high <= 255 else ""
        raise ValueError(
            f"{who}: {why} needs data in [0, 1], and they lie in [{low:.6g}, {high:.6g}]. Scale them, with "
            f"sklearn.preprocessing.MinMaxScaler(clip=True) say{fix}."
        )


def through(chunk, coefs: list, intercepts: list, activations: list[str], origin=None, mean=None) -> np.ndarray:
    """A chunk of rows, less ``origin``, through layers, plus ``mean``."""
    X = as_float(chunk)
    if origin is not None:
        X = X - origin.astype(X.dtype, copy=False)
    X = forward(X, coefs, intercepts, activations)
    if mean is not None:
        X += mean.astype(X.dtype, copy=False)
    return X


class ReconstructionScores:
    """Minus the reconstruction error of each row of a chunk, in units of ``scale``; picklable for a Dask cluster."""

    def __init__(self, layers: tuple, loss: str, who: str, origin: np.ndarray | None, scale: np.ndarray | None):
        coefs, intercepts, activations = layers
        self.layers = coefs, intercepts, [*activations[:-1], "linear"]
        self.output, self.loss, self.who = activations[-1], loss, who
        self.origin, self.scale = origin, scale

    def __call__(self, chunk):
        X = as_float(np.ascontiguousarray(chunk))
        if self.loss == "cross_entropy":
            check_unit_interval(X, self.who, "loss='cross_entropy'")
        if self.origin is not None:
            X = X - self.origin.astype(X.dtype, copy=False)
        Z = forward(X, *self.layers)
        if self.scale is not None:
            scale = self.scale.astype(X.dtype, copy=False)
            X, Z = X / scale, Z / scale
        return -row_errors(Z, X, self.output, self.loss)


class AutoencoderMixin(GradientLearnerMixin, MeanScoreMixin, FeaturesMixin):
    """Everything of an autoencoder but its parameters, ``_rules`` and ``_settings``."""

    n_components: int | list[int]
    activation: str
    output: str
    loss: str
    tied: bool
    standardize: bool | str
    coefs_: list[np.ndarray]
    intercepts_: list[np.ndarray]
    mean_: np.ndarray
    scale_: np.ndarray

    def _settings(self) -> dict:
        """The fields of the objective that are this learner's own."""
        raise NotImplementedError

    def _check_together(self):
        if self.loss == "cross_entropy" and self.output != "sigmoid":
            raise ValueError(
                f"{type(self).__name__}: loss='cross_entropy' needs outputs in (0, 1), which output={self.output!r} "
                "does not give. Pass output='sigmoid', or loss='squared'."
            )

    def _objective(self):
        return AutoencoderObjective(
            tuple(int(width) for width in np.atleast_1d(self.n_components)),
            activation=self.activation,
            output=self.output,
            loss_name=self.loss,
            tied=bool(self.tied),
            **self._settings(),
        )

    def _obstacle(self) -> str | None:
        """The setting that wants the data as they are, if there is one."""
        if self.loss != "squared":
            return f"loss={str(self.loss)!r}"
        return None if self.output == "linear" else f"output={str(self.output)!r}"

    def _standardizer(self, X):
        return choose_standardizer(self, X, self._obstacle())

    def _check_values(self, X):
        who = type(self).__name__
        if self.loss == "cross_entropy":
            check_unit_interval(X, who, "loss='cross_entropy'")
        elif self.output != "linear":
            (low, high), (least, most) = (float(X.min()), float(X.max())), ENDS[self.output]
            if low < least - ROUNDING or high > most + ROUNDING:
                inside = "MinMaxScaler(clip=True)" if self.output != "tanh" else "MinMaxScaler((-1, 1), clip=True)"
                pixels = " (divide pixels of 0..255 by 255)" if low >= 0 and 1 < high <= 255 else ""
                notify(
                    f"{who}: output={str(self.output)!r} gives values in [{least:g}, {most:g}], and the data lie in "
                    f"[{low:.6g}, {high:.6g}]: what lies outside cannot be rebuilt. Scale them, with "
                    f"sklearn.preprocessing.{inside} say{pixels}, or pass output='linear'."
                )

    def _judge(self, X):
        low, high = ENDS[self.activation] if self.activation in ("sigmoid", "tanh") else (None, None)
        cure = "Lower learning_rate, or the weights of the penalties."
        if (self.scale_ == 1).all():
            cure = "Divide pixels by 255, use a StandardScaler or standardize=True, or lower learning_rate."
        codes = self._encoder()(probe(X))
        warn_of_idle_units(type(self).__name__, codes, cure, low=low, high=high, share=1 - self._rarest())

    def _rarest(self) -> float:
        """The share of rows on which a unit has to leave the end of its range, or it says nothing."""
        return RAREST

    def _attributes(self, params, state):
        objective = self._objective()
        matrices = [params[objective.weight(l)] for l in range(1, objective.depth + 1)]
        intercepts = [params[f"b{l}"] for l in range(1, objective.depth + 1)]
        if (self.scale_ != 1).any():
            matrices = [matrices[0] / self.scale_, *matrices[1:-1], matrices[-1] * self.scale_]
            intercepts = [*intercepts[:-1], intercepts[-1] * self.scale_]
        return {
            "coefs_": [W if l % 2 else W.T for l, W in enumerate(matrices)],
            "intercepts_": intercepts,
            "mean_": self.mean_,
            "scale_": self.scale_,
        }

    def _parameters(self):
        objective = self._objective()
        matrices = [A if l % 2 else A.T for l, A in enumerate(self.coefs_)]
        matrices = [matrices[0] * self.scale_, *matrices[1:-1], matrices[-1] / self.scale_]
        params = {f"b{l}": b for l, b in enumerate(self.intercepts_, 1)}
        params[f"b{len(matrices)}"] = self.intercepts_[-1] / self.scale_
        rounding = 32 * np.finfo(self.scale_.dtype).eps
        for l, W in enumerate(matrices, 1):
            name = objective.weight(l)
            # Weights learned untied cannot go on tied: under a name of their own they are found to be too many.
            mirrored = name not in params or (
                params[name].shape == W.shape and np.allclose(params[name], W, rtol=rounding, atol=0)
            )
            params[name if mirrored else f"W{l}"] = W
        return params

    def _layers(self):
        check_parameters(self, "activation", "output")
        return self.coefs_, self.intercepts_, [*[self.activation] * (len(self.coefs_) - 1), self.output]

    def _origin(self) -> np.ndarray | None:
        """What is taken from rows and added to reconstructions; None for nothing."""
        return self.mean_ if self.mean_.any() else None

    def _through(self, layers: slice, *, origin=None, mean=None) -> Callable[[Any], np.ndarray]:
        """The way of a chunk through some of the layers."""
        coefs, intercepts, activations = (part[layers] for part in self._layers())
        known = {"coefs": coefs, "intercepts": intercepts, "activations": activations}
        return partial(through, **known, origin=origin, mean=mean)

    def _encoder(self) -> Callable[[Any], np.ndarray]:
        return self._through(slice(len(self.coefs_) // 2), origin=self._origin())

    def transform(self, X: Any) -> Any:
        """Encode samples, uncorrupted.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, stream of chunks or Dask array
            The samples.

        Returns
        -------
        codes : array (n_samples, n_outputs), a generator of chunks, or a Dask array
            Activities of the code layer. float32 if X is.
        """
        check_is_fitted(self)
        encoder = self._encoder()
        return map_chunks(encoder, check_rows(self, X, reset=False))

    def encoder_plan(self) -> EncoderPlan | None:
        """The codes as a plan, by which `Stage` encodes and pools in one pass; see `featlearn.images.fusion.Fusible`.

        Returns
        -------
        plan : EncoderPlan or None
            None for an encoder of several layers, or of softplus units.
        """
        (weights, *_), (bias, *_), (activation, *_) = self._layers()
        if len(self.coefs_) > 2 or activation == "softplus":
            return None
        return EncoderPlan(weights.T, activation, bias=bias, mean=self._origin())

    def inverse_transform(self, X: Any) -> Any:
        """Decode codes.

        Parameters
        ----------
        X : array (n_samples, n_outputs)
            Codes, as `transform` gives them.

        Returns
        -------
        X : array (n_samples, n_features)
            The reconstructions.

        Raises
        ------
        ValueError
            If the codes have another width.
        """
        check_is_fitted(self)
        decoder = self._through(slice(len(self.coefs_) // 2, None), mean=self._origin())
        return map_chunks(decoder, check_codes(self, X))

    def reconstruct(self, X: Any) -> Any:
        """Encode samples and decode their codes.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, stream of chunks or Dask array
            The samples.

        Returns
        -------
        X : array (n_samples, n_features), a generator of chunks, or a Dask array
            The reconstructions.
        """
        check_is_fitted(self)
        both = self._through(slice(None), origin=self._origin(), mean=self._origin())
        return map_chunks(both, check_rows(self, X, reset=False))

    def _scored(self, X):
        check_is_fitted(self)
        scale = None if (self.scale_ == 1).all() else self.scale_
        scores = ReconstructionScores(self._layers(), self.loss, type(self).__name__, self._origin(), scale)
        return scores, check_rows(self, X, reset=False), None

    def score_samples(self, X: Any) -> Any:
        """Minus the reconstruction error of each sample, uncorrupted: the lower, the stranger.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, stream of chunks or Dask array
            The samples.

        Returns
        -------
        scores : array (n_samples,), a generator of chunks, or a Dask array
            Minus ``|(y - x) / scale_|^2 / 2``, or minus the cross entropy, in float64.
        """
        scores, X, rows = self._scored(X)
        return map_chunks(scores, X, rows=rows)

    @property
    def components_(self) -> np.ndarray:
        """Weights of the first layer, a unit a row, (K_1, n_features)."""
        return self.coefs_[0].T

    @property
    def intercept_(self) -> np.ndarray:
        """Biases of the first layer, (K_1,)."""
        return self.intercepts_[0]

    @property
    def decoder_components_(self) -> np.ndarray:
        """Weights of the last layer: what each unit adds to the output, (K_1, n_features)."""
        return self.coefs_[-1]

    @property
    def decoder_intercept_(self) -> np.ndarray:
        """Biases of the output, (n_features,)."""
        return self.intercepts_[-1]

    @property
    def _n_features_out(self):
        return self.coefs_[len(self.coefs_) // 2 - 1].shape[1]
