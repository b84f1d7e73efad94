"""An autoencoder whose code hardly changes when a sample moves.

Minimizes, over weights and biases,

    1/m sum_i E(y_i, x_i)  +  lambda/m sum_i sum_j f'(z_ij)^2 |W_j|^2  +  weight_decay/2 |W|^2

with W_j (d,) the weights of hidden unit j and z_ij its input: the second term is the mean squared Frobenius norm of the
Jacobian of the code; f' = h (1 - h) for sigmoid and 1 - h^2 for tanh. Formulas and gradient: autoencoder_core.py.

Rifai, Vincent, Muller, Glorot & Bengio (2011), "Contractive auto-encoders", ICML.
"""

from typing import Any, ClassVar

from sklearn.base import BaseEstimator

from featlearn.validation import integer, real
from featlearn.vectors.autoencoders import LAYERS, AutoencoderMixin


def _one_width(value):
    if isinstance(value, (list, tuple)):
        return "one integer: the penalty is that of one hidden layer; for a deep encoder stack several estimators"
    return integer(1)(value)


class ContractiveAutoencoder(AutoencoderMixin, BaseEstimator):
    """Learn codes that resist small moves of the sample.

    Parameters
    ----------
    n_components : int, default=8
        Units of the hidden layer.
    activation : {"sigmoid", "tanh", "relu", "softplus", "linear"}, default="sigmoid"
        Of the hidden units; relu only with ``contraction=0``.
    output : {"linear", "sigmoid", "tanh", "relu"}, default="linear"
        Of the output units.
    loss : {"squared", "cross_entropy"}, default="squared"
        ``|y - x|^2 / 2`` or the cross entropy, which needs data in [0, 1] and ``output="sigmoid"``.
    tied : bool, default=True
        Whether the decoder's weights are the encoder's, transposed (of standardized data: ``coefs_[-1]`` is then
        ``scale_ ** 2 * coefs_[0].T``).
    contraction : float, default=0.1
        Weight lambda of the squared norm of the Jacobian.
    standardize : bool or "auto", default="auto"
        Whether each feature is taken less its mean and over its scale, so that neither its unit nor its offset matters
        to weights, penalties and step sizes. "auto" does so where outputs have no bounds:
        ``loss="squared"`` and ``output="linear"``. Other outputs want data within their bounds. Mean
        and scale are those of `fit`, or of the first `partial_fit`, and are kept in warm starts.
    weight_decay : float, default=0.0
        Adds ``weight_decay / 2 * |W|^2`` over all weights; biases do not decay.
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
        Weights of the first layer, a unit a row.
    intercept_ : array (n_components,)
        Biases of the first layer.
    decoder_components_ : array (n_components, n_features)
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
        For relu units, whose slope jumps; for a list of widths, as the penalty is that of one layer; for data outside
        [0, 1] with the cross entropy; if training diverges; or for a parameter out of range.

    Warns
    -----
    UserWarning
        For data outside the bounds of the output; if after `fit` most units are constant or saturated on training rows.
    ConvergenceWarning
        If L-BFGS ended at ``max_iter``; if an interrupt (Ctrl-C) ended `fit`, which then keeps the best weights so far.

    See Also
    --------
    SparseAutoencoder, DenoisingAutoencoder : Codes held in check in other ways.

    References
    ----------
    Rifai et al. (2011), ICML. Untied, the encoder can shrink and the decoder grow, so weights are tied by default.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.base import clone
    >>> from featlearn import ContractiveAutoencoder
    >>> X = np.random.default_rng(0).random((200, 6))
    >>> learner = ContractiveAutoencoder(4, contraction=0, learning_rate=0.05, random_state=0)
    >>> loose, tight = learner.fit(X), clone(learner).set_params(contraction=10).fit(X)
    >>> bool((tight.transform(X).std(axis=0) < loose.transform(X).std(axis=0)).all())
    True
    """

    _rules: ClassVar = LAYERS | {"n_components": _one_width, "contraction": real(0)}

    def __init__(
        self,
        n_components: int = 8,
        *,
        activation: str = "sigmoid",
        output: str = "linear",
        loss: str = "squared",
        tied: bool = True,
        contraction: float = 0.1,
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
        self.contraction = contraction
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
        if self.contraction > 0 and self.activation in ("relu", "softplus"):
            raise ValueError(
                f"ContractiveAutoencoder: contraction={self.contraction} needs a smooth activation, and the slope of "
                "activation='relu' jumps. Pass activation='sigmoid', 'tanh' or 'linear', or contraction=0."
            )

    def _settings(self):
        return {"contraction": float(self.contraction)}
