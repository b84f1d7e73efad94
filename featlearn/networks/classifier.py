"""A classifier made of layers."""

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_array, check_consistent_length, column_or_1d

from featlearn.fitting import fitting, guarded
from featlearn.networks.losses import MARGINS, Loss, linked
from featlearn.networks.network import NETWORK_RULES, NetworkMixin, tasks
from featlearn.training import Batch
from featlearn.validation import check_weights, either, instance, one_of, optional, real


def _flat(z):
    return z[:, 0] if z.shape[1] == 1 else z


def _gives_probabilities(estimator):
    return estimator.loss not in MARGINS


class NetworkClassifier(NetworkMixin, ClassifierMixin, BaseEstimator):
    """A network of layers that tells classes apart.

    Parameters
    ----------
    layers : list, Pipeline, callable or None, default=None
        The layers below the output: `Dense`, `Dropout`, `BatchNorm`, ... of `featlearn.networks`, ``(name, layer)``
        where one wants a name, and `Pretrained` learners; or a Pipeline of learners, each of which becomes layers; or
        a function ``build(input_shape, n_outputs)`` that returns a ``keras.Model`` whose outputs are scores, one
        for two classes; a softmax or sigmoid at its end is left out, for the loss adds it. It has to give the same
        model for the same arguments. None takes one hidden layer of 100 rectified units. The output layer is made to
        fit the targets.
    loss : {"cross_entropy", "squared", "hinge", "squared_hinge"}, default="cross_entropy"
        Cross entropy of softmax outputs (sigmoid ones for two classes and for several labels a row); half the squared
        error of these outputs; or, one class against the rest, the hinge of margins or its square.
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
    label_smoothing : float, default=0.0
        Share of each target that is spread over all classes, with cross entropy.
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
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes; "balanced" gives all the same sum.
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
    classes_ : array of shape (n_classes,)
        The labels; 0, 1, ... for several labels a row.
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
        training diverges (epoch and rate are named), y has one class, or
        a label was not among the classes of the first `partial_fit`.

    Warns
    -----
    ConvergenceWarning
        If ``max_iter`` ends the fit before ``tol``, or Ctrl-C does, which keeps the best epoch so far.
    UserWarning
        If the features differ so much in scale that some drown, or most hidden units say nothing.

    See Also
    --------
    NetworkRegressor : The same for numbers.
    LinearSVM : A linear classifier on features.
    DeepBeliefNetwork : A generative net of the same layers.

    Notes
    -----
    Fitted state is NumPy: a network of dense layers predicts, pickles and loads where Keras is not installed. The same
    ``random_state`` gives the same weights, whatever ran before and however many threads there are. Where rows have
    weights, whole ones are as good as repeated rows (with ``batch_size=None``, and without dropout or batch
    normalization).

    References
    ----------
    Rumelhart, Hinton & Williams (1986), "Learning representations by back-propagating errors". Hinton & Salakhutdinov
    (2006), "Reducing the dimensionality of data with neural networks".

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from featlearn import RBM
    >>> from featlearn.networks import Dense, Dropout, NetworkClassifier, Pretrained
    >>> X, y = load_digits(return_X_y=True)
    >>> net = NetworkClassifier([Dense(64, "relu"), Dropout(0.2)], max_iter=50, tol=0, random_state=0)
    >>> net.fit(X / 16, y).score(X / 16, y) > 0.98
    True
    >>> net.transform(X / 16).shape
    (1797, 64)
    >>> deep = NetworkClassifier([Pretrained(RBM(64)), Pretrained(RBM(32))], max_iter=5, tol=0, random_state=0)
    >>> [layer.name for layer in deep.fit(X / 16, y).layers_]
    ['pretrained-1', 'pretrained-2', 'output']
    """

    _rules = NETWORK_RULES | {
        "loss": one_of("cross_entropy", "squared", "hinge", "squared_hinge"),
        "label_smoothing": real(0, 0.999),
        "class_weight": optional(either(one_of("balanced"), instance(dict, list))),
    }

    def __init__(
        self,
        layers=None,
        *,
        loss: str = "cross_entropy",
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
        label_smoothing: float = 0.0,
        augment=None,
        embedding=None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        monitor: str = "loss",
        warm_start: bool = False,
        class_weight: dict | str | None = None,
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
        self.label_smoothing = label_smoothing
        self.augment = augment
        self.embedding = embedding
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.monitor = monitor
        self.warm_start = warm_start
        self.class_weight = class_weight
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
        tags.classifier_tags.multi_label = True
        tags.target_tags.multi_output = True
        return tags

    def _loss_of(self, k: int) -> Loss:
        link = "identity" if self.loss in MARGINS else "sigmoid" if k == 1 or self.multilabel_ else "softmax"
        return Loss(self.loss, link, float(self.label_smoothing) if self.loss == "cross_entropy" else 0.0)

    def _width(self, y: np.ndarray) -> int:
        return 1 if len(self.classes_) == 2 and not self.multilabel_ else len(self.classes_)

    @fitting(tasks)
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None, unlabelled: Any = None) -> Self:  # type: ignore[override]
        """Learn from labelled rows.

        Parameters
        ----------
        X : array (n_samples, n_features), sparse matrix or memmap
            The rows. A function that returns a fresh iterator of chunks ``(X, y)`` or ``(X, y, sample_weight)`` is
            walked once an epoch, rows in a random order within a chunk; y is None then.
        y : array (n_samples,), or (n_samples, n_labels) of zeros and ones
            The labels, of any kind. -1 beside two others marks rows without a label, for learners that are fitted here.
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
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:  # type: ignore[override]
        """Learn from one more part of the data, in one pass over it.

        Parameters
        ----------
        X : array (n_samples, n_features), sparse matrix or memmap
            More rows.
        y : array (n_samples,)
            Their labels.
        classes : array or None, default=None
            All labels that will ever come, at the first call; None takes those of the first y.
        sample_weight : array (n_samples,) or None, default=None
            Weights of the rows, at least 0.

        Returns
        -------
        self
        """
        if not hasattr(self, "loss_curve_") and classes is not None:
            self._given_classes = np.unique(classes)
        return self._learn_part(X, y, sample_weight)

    def _data(self, X, y, sample_weight, *, reset):
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
        X = self._rows(X, reset=reset)
        y = check_array(y, ensure_2d=False, dtype=None, input_name="y")
        check_classification_targets(y)
        multilabel = type_of_target(y) == "multilabel-indicator"
        y = y if multilabel else column_or_1d(y, warn=True)
        check_consistent_length(X, y)
        more = self.__dict__.pop("_unlabelled", None)
        more = None if more is None else self._rows(more, reset=False)
        rows = self._gathered(X, y, check_weights(sample_weight, X), more)
        X, y, weights = rows.labelled()
        if reset:
            self._check_values(X)
        given = self.__dict__.pop("_given_classes", None)
        if reset:
            self.multilabel_ = multilabel
            self.classes_ = np.arange(y.shape[1]) if multilabel else np.unique(y) if given is None else given
        if not multilabel:
            unseen = np.setdiff1d(y, self.classes_)
            if len(unseen):
                raise ValueError(
                    f"{type(self).__name__}: y has labels {unseen.tolist()[:10]} that are not among the classes "
                    f"{self.classes_.tolist()[:10]}. Pass all classes to the first partial_fit, as classes=."
                )
            if len(self.classes_) < 2:
                raise ValueError(
                    f"{type(self).__name__} needs rows of at least 2 classes; got 1 class: {self.classes_.tolist()}."
                )
        if self.class_weight is not None:
            balanced = compute_sample_weight(self.class_weight, y)
            weights = balanced if weights is None else weights * balanced
        targets = y.astype(np.float64) if multilabel else np.searchsorted(self.classes_, y)
        if not multilabel and len(self.classes_) == 2:
            targets = targets[:, None].astype(np.float64)
        if self.loss in MARGINS:
            k = self._width(y)
            targets = 2 * (np.eye(k)[targets] if targets.ndim == 1 else targets) - 1
        return self._labelled(Batch(X, targets, weights), rows)

    def _take_targets(self, last):
        self.classes_, self.multilabel_ = last.classes_, False

    def decision_function(self, X: Any) -> Any:
        """The scores of the last layer, before they become probabilities.

        Parameters
        ----------
        X : array (n_samples, n_features), sparse matrix, memmap, stream of chunks or Dask array
            The rows; a stream gives a generator of chunks.

        Returns
        -------
        scores : array (n_samples, n_classes), or (n_samples,) for two classes
        """
        return self._through(X, None, _flat)

    @available_if(_gives_probabilities)
    def predict_proba(self, X: Any) -> Any:
        """Probabilities of the classes; not with hinge losses.

        Parameters
        ----------
        X : array (n_samples, n_features), sparse matrix, memmap, stream of chunks or Dask array
            The rows; a stream gives a generator of chunks.

        Returns
        -------
        probabilities : array (n_samples, n_classes)
        """
        return self._through(X, None, self._probabilities)

    def _probabilities(self, z):
        p = linked(z, self._loss_of(z.shape[1]).link)
        return np.column_stack([1 - p[:, 0], p[:, 0]]) if z.shape[1] == 1 and not self.multilabel_ else p

    def predict(self, X: Any) -> Any:
        """The most likely class of each row.

        Parameters
        ----------
        X : array (n_samples, n_features), sparse matrix, memmap, stream of chunks or Dask array
            The rows; a stream gives a generator of chunks.

        Returns
        -------
        labels : array (n_samples,), or (n_samples, n_labels)
        """
        return self._through(X, None, self._labels)

    def _labels(self, z):
        if self.multilabel_:
            return (z > 0).astype(int)
        return self.classes_[(z[:, 0] > 0).astype(int) if z.shape[1] == 1 else z.argmax(axis=1)]
