"""A regressor made of layers."""

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_array, check_consistent_length, column_or_1d

from featlearn.fitting import fitting, guarded
from featlearn.networks.losses import Loss, linked
from featlearn.networks.network import NETWORK_RULES, NetworkMixin, tasks
from featlearn.training import Batch
from featlearn.validation import Rule, check_weights, one_of


class NetworkRegressor(NetworkMixin, RegressorMixin, BaseEstimator):
    """A network of layers that predicts numbers.

    Parameters
    ----------
    layers : list, Pipeline, callable or None, default=None
        The layers below the output: `Dense`, `Dropout`, `BatchNorm`, ... of `featlearn.networks`, ``(name, layer)``
        where one wants a name, and `Pretrained` learners; or a Pipeline of learners, each of which becomes layers; or
        a function ``build(input_shape, n_outputs)`` that returns a ``keras.Model`` whose outputs are scores. None takes
        one hidden layer of 100 rectified units. The output layer is made to fit the targets.
    loss : {"squared", "huber", "cross_entropy"}, default="squared"
        Half the squared error, summed over targets; Huber's, which grows in a line beyond errors of 1; or, of targets
        in [0, 1], the cross entropy of sigmoid outputs.
    solver : str, GradientDescent or LBFGS, default="adam"
        "sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adadelta", "adam" or "lbfgs"; or an object of
        `featlearn.training` with its constants and schedule.
    learning_rate : float or None, default=None
        Step size; None takes the solver's usual one. `find_learning_rate` looks for one.
    max_iter : int, default=100
        Most epochs, or iterations of L-BFGS.
    batch_size : int or None, default=100
        Rows in a step; None takes all of them. L-BFGS always does.
    tol : float, default=1e-4
        Stop after ``n_iter_no_change`` epochs that do not improve the loss by this fraction; 0 runs all epochs, unless
        there is early stopping.
    n_iter_no_change : int, default=10
        Patience.
    weight_decay : float, default=0.0
        Adds ``weight_decay / 2 * |W|^2`` over all weights; biases do not decay.
    C : float or None, default=None
        As of a linear SVM: the output's weights decay as if ``1/2 |w|^2`` stood beside C times the sum of the losses.
    l1_activity : float, default=0.0
        Adds this times the sum of the absolute activities of hidden units, in the mean over rows.
    max_norm : float or None, default=None
        Longest vector of weights into a hidden unit; longer ones are scaled down after each step.
    embedding : NeighborEmbedding or None, default=None
        An auxiliary loss that pulls neighbors together in a layer and pushes others apart; rows without labels help.
    augment : callable or None, default=None
        ``augment(X, rng) -> X`` changes every batch that is learned from; ``rng`` is a NumPy Generator.
    early_stopping : bool, default=False
        Whether to hold out training rows: the epoch that does best on them is kept, and ``n_iter_no_change`` epochs
        without a better one end the fit.
    validation_fraction : float, default=0.1
        Share of the rows held out.
    monitor : {"loss", "score"}, default="loss"
        What rows held out are judged by: the loss, or the share of wrong predictions (the mean squared error of a
        regressor).
    warm_start : bool, default=False
        Go on from the last fit.
    frozen : tuple of str, str or int, default=()
        Layers that stand still, by name, or so many of the first; see `freeze` and `unfreeze`. Frozen batch
        normalization uses its moving averages, and leaves them as they are.
    layer_rates : dict or None, default=None
        What multiplies the learning rate of a layer, by its name.
    layer_decay : float, default=1.0
        What multiplies the learning rate once more with every layer further from the output.
    precision : {"auto", "float32", "float64", "mixed_bfloat16", "mixed_float16"}, default="auto"
        Of weights and products; "auto" takes that of X. The mixed ones keep float32 weights and multiply in 16 bits, on
        the Keras engine.
    engine : {"auto", "numpy", "keras"}, default="auto"
        "numpy" runs back-propagation by hand on the CPU, "keras" automatic gradients on Keras' device; "auto" takes the
        second where there is a GPU or a layer has no gradient by hand.
    device : {"auto", "cpu", "gpu"}, default="auto"
        Where the Keras engine runs; "auto" lets its backend choose. A "gpu" that is not there is an error.
    distribute : keras.distribution.Distribution, tf.distribute.Strategy or None, default=None
        How the Keras engine spreads batches (and weights) over several devices: a distribution with the backend JAX, a
        strategy with TensorFlow.
    random_state : int, RandomState or None, default=None
        Seed of first weights, the order of rows and everything drawn.

    Attributes
    ----------
    layers_ : list of FittedLayer
        The layers with their arrays, learned ones and fixed ones, the output last.
    coefs_, intercepts_ : lists of arrays
        Weights (inputs, units) and biases (units,) of the dense layers.
    loss_curve_ : array (n_iter_,)
        The mean loss of each epoch, penalties included.
    validation_curve_ : array (n_iter_,)
        What rows held out gave after each epoch; only with ``early_stopping``.
    n_iter_ : int
        Epochs made.
    n_features_in_ : int
        Number of features seen by `fit`.
    feature_names_in_ : array of shape (n_features_in_,)
        Names of the features, where X had them.

    Raises
    ------
    ValueError
        If a parameter is out of range, a layer does not fit the one below it, a learner cannot be said as layers, the
        training diverges (epoch and rate are named).

    Warns
    -----
    ConvergenceWarning
        If ``max_iter`` ends the fit before ``tol``, or Ctrl-C does, which keeps the best epoch so far.
    UserWarning
        If the features differ so much in scale that some drown, or most hidden units say nothing.

    See Also
    --------
    NetworkClassifier : The same for classes.

    Notes
    -----
    Fitted state is NumPy: a network of dense layers predicts, pickles and loads where Keras is not installed. The same
    ``random_state`` gives the same weights, whatever ran before and however many threads there are. Where rows have
    weights, whole ones are as good as repeated rows (with ``batch_size=None``, and without dropout or batch
    normalization).

    References
    ----------
    Rumelhart, Hinton & Williams (1986), "Learning representations by back-propagating errors".

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn.networks import Dense, NetworkRegressor
    >>> X = np.random.default_rng(0).uniform(-1, 1, size=(500, 2))
    >>> net = NetworkRegressor([Dense(50, "tanh")], solver="lbfgs", max_iter=200, tol=0, random_state=0)
    >>> net.fit(X, X[:, 0] * X[:, 1]).score(X, X[:, 0] * X[:, 1]) > 0.99
    True
    """

    single_: bool  # whether targets came as (n_samples,)
    _rules: ClassVar[dict[str, Rule]] = NETWORK_RULES | {"loss": one_of("squared", "huber", "cross_entropy")}

    def __init__(
        self,
        layers=None,
        *,
        loss: str = "squared",
        solver="adam",
        learning_rate: float | None = None,
        max_iter: int = 100,
        batch_size: int | None = 100,
        tol: float = 1e-4,
        n_iter_no_change: int = 10,
        weight_decay: float = 0.0,
        C: float | None = None,
        l1_activity: float = 0.0,
        max_norm: float | None = None,
        embedding=None,
        augment=None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        monitor: str = "loss",
        warm_start: bool = False,
        frozen=(),
        layer_rates: dict[str, float] | None = None,
        layer_decay: float = 1.0,
        precision: str = "auto",
        engine: str = "auto",
        device: str = "auto",
        distribute=None,
        random_state=None,
    ):
        self.layers = layers
        self.loss = loss
        self.solver = solver
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.weight_decay = weight_decay
        self.C = C
        self.l1_activity = l1_activity
        self.max_norm = max_norm
        self.embedding = embedding
        self.augment = augment
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.monitor = monitor
        self.warm_start = warm_start
        self.frozen = frozen
        self.layer_rates = layer_rates
        self.layer_decay = layer_decay
        self.precision = precision
        self.engine = engine
        self.device = device
        self.distribute = distribute
        self.random_state = random_state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.multi_output = True
        return tags

    def _loss_of(self, k: int) -> Loss:
        return Loss(self.loss, "sigmoid" if self.loss == "cross_entropy" else "identity")

    def _width(self, y: np.ndarray) -> int:
        return y.shape[1]

    @fitting(tasks)
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, unlabelled: Any = None) -> Self:  # type: ignore[override]
        """Learn from rows and their targets.

        Parameters
        ----------
        X : array (n_samples, n_features), sparse matrix or memmap
            The rows. A function that returns a fresh iterator of chunks ``(X, y)`` or ``(X, y, sample_weight)`` is
            walked once an epoch, rows in a random order within a chunk; y is None then.
        y : array (n_samples,) or (n_samples, n_targets)
            The targets.
        sample_weight : array (n_samples,) or None, default=None
            Weights of the rows, at least 0.
        unlabelled : array (n, n_features) or None, default=None
            More rows, without targets, for learners that are fitted here.

        Returns
        -------
        self
        """
        self._unlabelled = unlabelled
        return self._learn(X, y, sample_weight)

    @guarded
    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:  # type: ignore[override]
        """Learn from one more part of the data, in one pass over it.

        Parameters
        ----------
        X : array (n_samples, n_features), sparse matrix or memmap
            More rows.
        y : array (n_samples,) or (n_samples, n_targets)
            Their targets.
        sample_weight : array (n_samples,) or None, default=None
            Weights of the rows, at least 0.

        Returns
        -------
        self
        """
        return self._learn_part(X, y, sample_weight)

    def _data(self, X, y, sample_weight, *, reset):
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
        X = self._rows(X, reset=reset)
        y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
        check_consistent_length(X, y)
        y = column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y
        if not reset and (y.ndim == 1) != self.single_:
            raise ValueError(f"{type(self).__name__}: y has {y.ndim} axes now, other than in the first fit.")
        if reset:
            self.single_ = y.ndim == 1
        if self.loss == "cross_entropy" and not (y.min() >= 0 and y.max() <= 1):
            raise ValueError(
                f"{type(self).__name__}: loss='cross_entropy' takes targets in [0, 1], and y lies in [{y.min():.6g}, "
                f"{y.max():.6g}]. Scale them, or pass loss='squared'."
            )
        more = self.__dict__.pop("_unlabelled", None)
        more = None if more is None else self._rows(more, reset=False)
        rows = self._gathered(X, y, check_weights(sample_weight, X), more)
        X, y, weights = rows.labelled()
        if reset:
            self._check_values(X)
        return self._labelled(Batch(X, y.reshape(len(y), -1), weights), rows)

    def _take_targets(self, last):
        self.single_ = last is not None and np.ndim(getattr(last, "intercept_", 0.0)) == 0

    def predict(self, X: Any) -> Any:
        """The outputs for rows.

        Parameters
        ----------
        X : array (n_samples, n_features), sparse matrix or memmap
            The rows.

        Returns
        -------
        y : array (n_samples,) or (n_samples, n_targets)
        """
        return self._through(X, None, self._values)

    def _values(self, z):
        y = linked(z, self._loss_of(z.shape[1]).link)
        return y[:, 0] if self.single_ else y
