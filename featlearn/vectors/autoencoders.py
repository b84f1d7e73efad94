"""What the autoencoders share: codes, reconstructions, the score, and the fitted layers.

The objective is in autoencoder_core.py, the gradient loop in training.py; each estimator has a file of its own.
"""

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from featlearn.kernels.activations import ACTIVATIONS
from featlearn.kernels.encode import AffineCode
from featlearn.streaming import accumulate, map_chunks
from featlearn.threads import as_float
from featlearn.validation import Rule, boolean, check_codes, check_parameters, check_rows, either, integer, one_of
from featlearn.vectors.autoencoder_core import AutoencoderObjective, error_sum, forward
from featlearn.vectors.gradient import GradientLearnerMixin


def _widths(value):
    good = isinstance(value, (list, tuple)) and len(value) > 0 and all(integer(1)(width) is None for width in value)
    return None if good else "a list of such integers, the widths of the encoder's layers, the code last"


LAYERS: dict[str, Rule] = {
    "n_components": either(integer(1), _widths),
    "activation": one_of(*ACTIVATIONS),
    "output": one_of(*ACTIVATIONS),
    "loss": one_of("squared", "cross_entropy"),
    "tied": boolean(),
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


class Forward:
    """A chunk of rows through layers; picklable for a Dask cluster."""

    def __init__(self, coefs: list, intercepts: list, activations: list[str]):
        self.layers = coefs, intercepts, activations

    def __call__(self, chunk):
        return forward(as_float(chunk), *self.layers)


class ReconstructionError:
    """The sum of a chunk's reconstruction errors and its rows, as a float64 array; picklable for a Dask cluster."""

    def __init__(self, coefs: list, intercepts: list, activations: list[str], loss: str, who: str):
        self.below, self.coef, self.intercept = (
            (coefs[:-1], intercepts[:-1], activations[:-1]),
            coefs[-1],
            intercepts[-1],
        )
        self.output, self.loss, self.who = activations[-1], loss, who

    def __call__(self, chunk):
        X = as_float(np.ascontiguousarray(chunk))
        if self.loss == "cross_entropy":
            check_unit_interval(X, self.who, "loss='cross_entropy'")
        Z = forward(X, *self.below) @ self.coef.astype(X.dtype, copy=False)
        bias = self.intercept.astype(X.dtype, copy=False)
        return np.array([error_sum(Z, X, self.output, self.loss, 1.0, np.empty_like(Z), bias), len(X)])


class AutoencoderMixin(GradientLearnerMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """Everything of an autoencoder but its parameters, ``_rules`` and ``_settings``."""

    n_components: int | list[int]
    activation: str
    output: str
    loss: str
    tied: bool

    def _settings(self) -> dict:
        """The fields of the objective that are this learner's own; refuses what does not go together."""
        raise NotImplementedError

    def _objective(self):
        if self.loss == "cross_entropy" and self.output != "sigmoid":
            raise ValueError(
                f"{type(self).__name__}: loss='cross_entropy' needs outputs in (0, 1), which output={self.output!r} "
                "does not give. Pass output='sigmoid', or loss='squared'."
            )
        return AutoencoderObjective(
            tuple(int(width) for width in np.atleast_1d(self.n_components)),
            activation=self.activation,
            output=self.output,
            loss_name=self.loss,
            tied=bool(self.tied),
            **self._settings(),
        )

    def _check_values(self, X):
        if self.loss == "cross_entropy":
            check_unit_interval(X, type(self).__name__, "loss='cross_entropy'")

    def _attributes(self, params):
        objective = self._objective()
        matrices = [params[objective.weight(l)] for l in range(1, objective.depth + 1)]
        return {
            "coefs_": [W if l % 2 else W.T for l, W in enumerate(matrices)],
            "intercepts_": [params[f"b{l}"] for l in range(1, objective.depth + 1)],
        }

    def _parameters(self):
        objective = self._objective()
        params = {f"b{l}": b for l, b in enumerate(self.intercepts_, 1)}
        for l, A in enumerate(self.coefs_, 1):
            W, name = A.T if l % 2 else A, objective.weight(l)
            # Weights learned untied cannot go on tied: under a name of their own they are found to be too many.
            params[name if np.array_equal(params.get(name, W), W) else f"W{l}"] = W
        return params

    def _layers(self):
        check_is_fitted(self)
        check_parameters(self, activation=LAYERS["activation"], output=LAYERS["output"])
        return self.coefs_, self.intercepts_, [*[self.activation] * (len(self.coefs_) - 1), self.output]

    def transform(self, X):
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
        layers, code = self._layers(), len(self.coefs_) // 2
        X = check_rows(self, X, reset=False)
        return map_chunks(Forward(*(part[:code] for part in layers)), X)

    def _affine_code(self) -> AffineCode | None:
        """The codes of one layer, for the fused image encoder; None for a deep encoder."""
        (weights, *_), (bias, *_), (activation, *_) = self._layers()
        return AffineCode(weights.T, bias, activation) if len(self.coefs_) == 2 else None

    def inverse_transform(self, X):
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
        layers, code = self._layers(), len(self.coefs_) // 2
        X = check_codes(self, X)
        return map_chunks(Forward(*(part[code:] for part in layers)), X)

    def reconstruct(self, X):
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
        layers = self._layers()
        return map_chunks(Forward(*layers), check_rows(self, X, reset=False))

    def score(self, X, y=None):
        """Minus the mean reconstruction error of samples, uncorrupted and without penalties.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, stream of chunks or Dask array
            The samples.
        y : ignored
            Present for the API.

        Returns
        -------
        score : float
            Minus the mean of ``|y - x|^2 / 2``, or of the cross entropy; larger is better.
        """
        coefs, intercepts, activations = self._layers()
        error = ReconstructionError(coefs, intercepts, activations, self.loss, type(self).__name__)
        total, n = accumulate(error, check_rows(self, X, reset=False))
        return -float(total / n)

    @property
    def components_(self):
        """Weights of the first layer, a unit a row, (K_1, n_features)."""
        return self.coefs_[0].T

    @property
    def intercept_(self):
        """Biases of the first layer, (K_1,)."""
        return self.intercepts_[0]

    @property
    def decoder_components_(self):
        """Weights of the last layer: what each unit adds to the output, (K_1, n_features)."""
        return self.coefs_[-1]

    @property
    def decoder_intercept_(self):
        """Biases of the output, (n_features,)."""
        return self.intercepts_[-1]

    @property
    def _n_features_out(self):
        return self.coefs_[len(self.coefs_) // 2 - 1].shape[1]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
