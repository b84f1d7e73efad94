"""Random filters: the baseline that shows what learning them is worth, and at times all that is needed.

    y = f(W (x - m) / s + b),   W (K, d) drawn once and never trained,   E |w_k|^2 = scale^2,   b_k ~ N(0, bias^2)

    normal       w_kj ~ N(0, scale^2 / d)
    uniform      w_kj ~ U(-a, a),  a = scale sqrt(3 / d)
    unit         w_k = scale g / |g|,  g ~ N(0, I)                            rows of one length
    orthogonal   as unit, and rows at right angles: all of them for K <= d, else in blocks of d

The mean m (d,) and the scale s (d,) of each feature are those of the training rows, so that no feature's unit or level
decides (`standardizer`); or 0 and 1, for inputs that have these already. Jarrett et al. (2009) found two stages of
random filters, rectified, normalized and pooled, close to learned ones; Saxe et al. (2011) explain it by pooling.
"""

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from featlearn.arrays import as_float
from featlearn.callbacks import CallbackSupportMixin
from featlearn.fitting import fitting
from featlearn.kernels.encoding.encode import EncoderPlan
from featlearn.streaming import first_chunk
from featlearn.threads import one_blas_thread
from featlearn.training.standardizer import Standardizer
from featlearn.usefulness import probe, warn_of_drowned_features, warn_of_idle_units, warn_of_outliers
from featlearn.validation import boolean, check_parameters, check_rows, integer, one_of, real
from featlearn.vectors.affine import AffineCodesMixin, encode
from featlearn.vectors.dictionary import unit_rows

ACTIVATION = one_of("linear", "relu", "abs", "tanh", "sigmoid")
ENDS = {"tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0)}


def orthogonal_rows(rng: np.random.RandomState, K: int, d: int) -> np.ndarray:
    """Rows (K, d) of random rotations (Haar measure), a fresh rotation for every d rows."""
    rotations = []
    for _ in range(0, K, d):
        Q, R = np.linalg.qr(rng.standard_normal((d, d)))
        rotations.append((Q * np.sign(np.diag(R))).T)
    return np.concatenate(rotations)[:K]


def random_filters(rng: np.random.RandomState, K: int, d: int, distribution: str) -> np.ndarray:
    """Filters (K, d) with E |w_k|^2 = 1."""
    if distribution == "normal":
        return rng.standard_normal((K, d)) / np.sqrt(d)
    if distribution == "uniform":
        return rng.uniform(-1, 1, (K, d)) * np.sqrt(3 / d)
    return unit_rows(rng.standard_normal((K, d))) if distribution == "unit" else orthogonal_rows(rng, K, d)


class RandomWeights(AffineCodesMixin, CallbackSupportMixin, BaseEstimator):
    """Responses of random filters.

    Parameters
    ----------
    n_components : int, default=8
        Number of filters K.
    activation : {"linear", "relu", "abs", "tanh", "sigmoid"}, default="linear"
        What the responses go through.
    distribution : {"normal", "uniform", "unit", "orthogonal"}, default="normal"
        How filters are drawn: independent weights, normal or uniform; directions all alike, at one length; or these and
        at right angles to each other (in blocks of n_features filters).
    scale : float, default=1.0
        Root mean square length of a filter; exact for ``unit`` and ``orthogonal``.
    bias : float, default=0.0
        Standard deviation of the biases, which are normal; 0 for none.
    standardize : bool, default=True
        Whether each feature is brought to mean 0 and one scale first, deviations about 1 (`Standardizer`). False takes
        features as they come: for whitened inputs, or where their scales should count.
    random_state : int, RandomState or None, default=None
        Seed of filters and biases.

    Attributes
    ----------
    components_ : array (n_components, n_features)
        The filters.
    intercept_ : array (n_components,)
        The biases.
    mean_, scale_ : arrays (n_features,)
        What is subtracted from each feature, and what the rest is divided by; 0 and 1 without ``standardize``.
    n_features_in_ : int
        Number of features seen by `fit`.

    Raises
    ------
    ValueError
        For data that are not finite rows, an iterator (its first chunk would be lost), or a parameter out of range.

    Warns
    -----
    UserWarning
        If most units are constant or saturated on training rows, or, without ``standardize``, one feature's scale
        drowns the others.

    See Also
    --------
    RandomPatches : Filters that are samples.

    References
    ----------
    Jarrett, Kavukcuoglu, Ranzato & LeCun (2009), "What is the best multi-stage architecture for object recognition?".
    Saxe, Koh, Chen, Bhand, Suresh & Ng (2011), "On random weights and unsupervised feature learning".

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn import RandomWeights
    >>> weights = RandomWeights(3, distribution="orthogonal", random_state=0).fit(np.eye(3))
    >>> np.allclose(weights.components_ @ weights.components_.T, np.eye(3))
    True
    """

    _rules: ClassVar = {
        "n_components": integer(1),
        "activation": ACTIVATION,
        "distribution": one_of("normal", "uniform", "unit", "orthogonal"),
        "scale": real(above=0),
        "bias": real(0),
        "standardize": boolean(),
    }

    def __init__(
        self,
        n_components: int = 8,
        *,
        activation: str = "linear",
        distribution: str = "normal",
        scale: float = 1.0,
        bias: float = 0.0,
        standardize: bool = True,
        random_state=None,
    ):
        self.n_components = n_components
        self.activation = activation
        self.distribution = distribution
        self.scale = scale
        self.bias = bias
        self.standardize = standardize
        self.random_state = random_state

    @fitting()
    def fit(self, X: Any, y: Any = None) -> Self:
        """Draw the filters, whatever the data, and learn the scale of each feature.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, function returning chunks, or Dask array
            The samples.
        y : ignored
            Present for the API.

        Returns
        -------
        self
        """
        rng = check_random_state(self.random_state)
        X = check_rows(self, X, reset=True, passes=2)  # looking at an iterator would use up its first chunk
        dtype = as_float(np.asarray(first_chunk(X))[:0]).dtype
        with one_blas_thread():
            filters = random_filters(rng, self.n_components, self.n_features_in_, self.distribution)
        self.components_ = (self.scale * filters).astype(dtype)
        self.intercept_ = (self.bias * rng.standard_normal(self.n_components)).astype(dtype)
        standard = Standardizer.of(X) if self.standardize else Standardizer.none(X)
        self.mean_, self.scale_ = standard.mean, standard.scale
        if self.standardize:
            warn_of_outliers("RandomWeights", X, "features are measured by their deviations")
        rows, (low, high) = as_float(probe(X)), ENDS.get(self.activation, (None, None))
        if not self.standardize:
            warn_of_drowned_features("RandomWeights", rows, "filters weigh all features alike")
        cure = "Filters ask for inputs about 0, of variance about 1: pass standardize=True, put a whitening (ZCA) "
        cure += "before them, or lower scale."
        warn_of_idle_units("RandomWeights", encode(rows, self.encoder_plan()), cure, low=low, high=high)
        return self

    def encoder_plan(self) -> EncoderPlan:
        check_parameters(self, "activation")
        origin = self.mean_ if self.mean_.any() else None
        weights = self.components_ / self.scale_.astype(np.float64)
        return EncoderPlan(weights, self.activation, bias=self.intercept_, mean=origin)
