"""An autoencoder that learns to rebuild samples from corrupted ones.

Minimizes, over weights and biases,

    1/m sum_i E(y(x~_i), x_i)  +  weight_decay/2 |W|^2

with x~_i (d,) a corrupted copy of sample x_i, drawn anew in each step, and E(y, x) = |y - x|^2 / 2 or the cross
entropy: the input is corrupted, the target never. Formulas and gradient: autoencoder_core.py.

Vincent, Larochelle, Lajoie, Bengio & Manzagol (2010), "Stacked denoising autoencoders", JMLR 11.
"""

from typing import Any, ClassVar

from sklearn.base import BaseEstimator

from featlearn.validation import check_argument, one_of, real
from featlearn.vectors.autoencoder_core import CORRUPTIONS
from featlearn.vectors.autoencoders import LAYERS, AutoencoderMixin, check_unit_interval


class DenoisingAutoencoder(AutoencoderMixin, BaseEstimator):
    """Learn codes by rebuilding samples from corrupted ones.

    Parameters
    ----------
    n_components : int or list of int, default=8
        Units of the hidden layer; a list gives a deep encoder (the code last), whose mirror image decodes.
    activation : {"sigmoid", "tanh", "relu", "softplus", "linear"}, default="sigmoid"
        Of the hidden units.
    output : {"linear", "sigmoid", "tanh", "relu"}, default="linear"
        Of the output units.
    loss : {"squared", "cross_entropy"}, default="squared"
        ``|y - x|^2 / 2`` or the cross entropy, which needs data in [0, 1] and ``output="sigmoid"``.
    tied : bool, default=False
        Whether the decoder's weights are the encoder's, transposed (of standardized data: ``coefs_[-1]`` is then
        ``scale_ ** 2 * coefs_[0].T``).
    corruption : {"masking", "gaussian", "salt_and_pepper"}, default="masking"
        Places drawn at random become 0 (of standardized data: their feature's mean); every place receives normal noise;
        or places become 0 or 1, each as likely, which needs data in [0, 1].
    corruption_level : float, default=0.3
        Share of the places, or the standard deviation of the noise; 0 gives a plain autoencoder.
    standardize : bool or "auto", default="auto"
        Whether each feature is taken less its mean and over its scale, so that neither its unit nor its offset matters
        to weights, penalties, corruption and step sizes. "auto" does so where outputs have no bounds:
        ``loss="squared"`` and ``output="linear"``, and no salt and pepper. Other outputs want data within their bounds.
        Mean and scale are those of `fit`, or of the first `partial_fit`, and are kept in warm starts.
    weight_decay : float, default=0.0
        Adds ``weight_decay / 2 * |W|^2`` over all weights; biases do not decay.
    solver : str, GradientDescent or LBFGS, default="adam"
        "sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adadelta", "adam" or "lbfgs"; or an object of
        `featlearn.training` with its constants and schedule. "lbfgs" takes all samples at once and stops by its own
        tolerance: ``learning_rate``, ``batch_size``, ``tol`` and ``n_iter_no_change`` do not touch it. It draws one
        corruption for the whole fit.
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
    components_ : array (K_1, n_features)
        Weights of the first layer, a unit a row.
    intercept_ : array (K_1,)
        Biases of the first layer.
    decoder_components_ : array (K_1, n_features)
        Weights of the last layer.
    decoder_intercept_ : array (n_features,)
        Biases of the output.
    coefs_, intercepts_ : lists of arrays (inputs, outputs) and (outputs,)
        All layers, from the input to the output.
    mean_, scale_ : arrays (n_features,)
        What is taken from each feature, and what it is divided by; 0 and 1 without ``standardize``. The scale is folded
        into the first and the last layer: the code is ``f((x - mean_) @ coefs_[0] + intercepts_[0])``, and ``mean_`` is
        added to the output.
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
        For data outside [0, 1] with the cross entropy or salt and pepper; a level above 1 where it is a share; if
        training diverges; or for a parameter out of range.

    Warns
    -----
    UserWarning
        For data outside the bounds of the output; if after `fit` most units are constant or saturated on training rows.
    ConvergenceWarning
        If L-BFGS ended at ``max_iter``; if an interrupt (Ctrl-C) ended `fit`, which then keeps the best weights so far.

    See Also
    --------
    SparseAutoencoder, ContractiveAutoencoder : Codes held in check in other ways.

    References
    ----------
    Vincent et al. (2008), ICML; Vincent et al. (2010), JMLR 11.

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn import DenoisingAutoencoder
    >>> X = np.random.default_rng(0).normal(size=(200, 1)) * np.ones(6)
    >>> learner = DenoisingAutoencoder(2, activation="linear", learning_rate=0.01, random_state=0).fit(X)
    >>> bool(learner.score(X) > -0.4)
    True
    """

    _rules: ClassVar = LAYERS | {"corruption": one_of(*CORRUPTIONS), "corruption_level": real(0)}

    def __init__(
        self,
        n_components: int | list[int] = 8,
        *,
        activation: str = "sigmoid",
        output: str = "linear",
        loss: str = "squared",
        tied: bool = False,
        corruption: str = "masking",
        corruption_level: float = 0.3,
        standardize: bool | str = "auto",
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
        self.activation = activation
        self.output = output
        self.loss = loss
        self.tied = tied
        self.corruption = corruption
        self.corruption_level = corruption_level
        self.standardize = standardize
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

    def _check_together(self):
        super()._check_together()
        if self.corruption in ("masking", "salt_and_pepper"):
            check_argument("DenoisingAutoencoder", "corruption_level", self.corruption_level, real(0, 1))

    def _settings(self):
        return {"corruption": self.corruption, "corruption_level": float(self.corruption_level)}

    def _obstacle(self):
        salted = self.corruption == "salt_and_pepper" and self.corruption_level > 0
        return super()._obstacle() or ("corruption='salt_and_pepper'" if salted else None)

    def _check_values(self, X):
        super()._check_values(X)
        if self.corruption == "salt_and_pepper":
            check_unit_interval(X, "DenoisingAutoencoder", "corruption='salt_and_pepper'")
