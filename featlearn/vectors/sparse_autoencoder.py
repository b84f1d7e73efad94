"""An autoencoder whose code units are active on few samples.

Minimizes, over weights and biases,

    1/m sum_i |y_i - x_i|^2 / 2  +  beta sum_j KL(rho || r_j)  +  weight_decay/2 |W|^2

with y_i (d,) the reconstruction of sample x_i, r_j the mean activity of code unit j over the batch, rho the mean wanted
and KL(rho || r) = rho log(rho / r) + (1 - rho) log((1 - rho) / (1 - r)). Formulas and gradient: autoencoder_core.py.

Ng (2011), "Sparse autoencoder", CS294A lecture notes.
"""

from typing import Any, ClassVar

from sklearn.base import BaseEstimator

from featlearn.validation import real
from featlearn.vectors.autoencoders import LAYERS, RAREST, AutoencoderMixin


class SparseAutoencoder(AutoencoderMixin, BaseEstimator):
    """Learn sparse codes from which samples can be rebuilt.

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
    sparsity_target : float, default=0.05
        Mean activity rho wanted of each code unit, in (0, 1); for tanh, of ``(1 + h) / 2``.
    sparsity_cost : float, default=3.0
        Weight beta of the divergence from it, taken over each batch; 0 gives a plain autoencoder. Of a deep encoder
        the code layer alone is made sparse.
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
        For a sparsity cost with relu or linear units, whose mean activity is no probability; for data outside [0, 1]
        with the cross entropy; if training diverges; or for a parameter out of range.

    Warns
    -----
    UserWarning
        For data outside the bounds of the output; if after `fit` most units are constant or saturated on training rows.
    ConvergenceWarning
        If L-BFGS ended at ``max_iter``; if an interrupt (Ctrl-C) ended `fit`, which then keeps the best weights so far.

    See Also
    --------
    DenoisingAutoencoder, ContractiveAutoencoder : Codes held in check in other ways.
    SparseFiltering : Sparse features without a reconstruction.

    References
    ----------
    Ng (2011), "Sparse autoencoder", CS294A lecture notes. Hinton & Salakhutdinov (2006), Science (deep, mirrored).

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn import SparseAutoencoder
    >>> X = np.random.default_rng(0).random((200, 6))
    >>> learner = SparseAutoencoder(4, sparsity_target=0.2, solver="lbfgs", max_iter=1000, random_state=0).fit(X)
    >>> bool((abs(learner.transform(X).mean(axis=0) - 0.2) < 0.05).all())
    True
    """

    _rules: ClassVar = LAYERS | {"sparsity_target": real(above=0, high=0.999), "sparsity_cost": real(0)}

    def __init__(
        self,
        n_components: int | list[int] = 8,
        *,
        activation: str = "sigmoid",
        output: str = "linear",
        loss: str = "squared",
        tied: bool = False,
        sparsity_target: float = 0.05,
        sparsity_cost: float = 3.0,
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
        self.sparsity_target = sparsity_target
        self.sparsity_cost = sparsity_cost
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

    def _rarest(self):
        return min(RAREST, self.sparsity_target / 4) if self.sparsity_cost > 0 else RAREST

    def _check_together(self):
        super()._check_together()
        if self.sparsity_cost > 0 and self.activation in ("relu", "softplus", "linear"):
            raise ValueError(
                f"SparseAutoencoder: sparsity_cost={self.sparsity_cost} compares mean activities with probabilities, "
                f"and those of activation={self.activation!r} are not bounded. Pass activation='sigmoid' or 'tanh', or "
                "sparsity_cost=0."
            )

    def _settings(self):
        return {"sparsity_target": float(self.sparsity_target), "sparsity_cost": float(self.sparsity_cost)}
