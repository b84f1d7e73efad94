"""A classifier made of layers."""

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_array, check_consistent_length, column_or_1d

from featlearn.fitting import fitting, guarded
from featlearn.networks.losses import MARGINS, Loss, linked
from featlearn.networks.network import NETWORK_RULES, NetworkMixin, tasks
from featlearn.training import Batch
from featlearn.validation import check_weights, either, instance, one_of, optional, real


def _gives_probabilities(estimator):
    return estimator.loss not in MARGINS


class NetworkClassifier(
    ClassNamePrefixFeaturesOutMixin, NetworkMixin, ClassifierMixin, TransformerMixin, BaseEstimator
):
    """A network of layers that tells classes apart."""

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
        return tags

    def _loss_of(self, k: int) -> Loss:
        link = "identity" if self.loss in MARGINS else "sigmoid" if k == 1 or self.multilabel_ else "softmax"
        return Loss(self.loss, link, float(self.label_smoothing) if self.loss == "cross_entropy" else 0.0)

    def _width(self, y: np.ndarray) -> int:
        return 1 if len(self.classes_) == 2 and not self.multilabel_ else len(self.classes_)

    @fitting(tasks)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, unlabelled: Any = None) -> Self:  # type: ignore[override]
        """Learn from labelled rows."""
        self._unlabelled = unlabelled
        return self._learn(X, y, sample_weight)

    @guarded
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:  # type: ignore[override]
        """Learn from one more part of the data, in one pass over it."""
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
        """The scores of the last layer."""
        z = self._through(X, None)
        return z[:, 0] if z.shape[1] == 1 else z

    @available_if(_gives_probabilities)
    def predict_proba(self, X: Any) -> Any:
        """Probabilities of the classes."""
        z = self._through(X, None)
        p = linked(z, self._loss_of(z.shape[1]).link)
        return np.column_stack([1 - p[:, 0], p[:, 0]]) if z.shape[1] == 1 and not self.multilabel_ else p

    def predict(self, X: Any) -> np.ndarray:
        """The most likely class of each row."""
        z = self._through(X, None)
        if self.multilabel_:
            return (z > 0).astype(int)
        return self.classes_[(z[:, 0] > 0).astype(int) if z.shape[1] == 1 else z.argmax(axis=1)]
