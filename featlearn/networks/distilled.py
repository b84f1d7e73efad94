"""A small network taught by another classifier: it learns the teacher's probabilities beside the labels.

    q = softmax(v / T),  p = softmax(z / T):   alpha T^2 KL(q || p)  +  (1 - alpha) CE(y, softmax(z))

v (m, k) are the teacher's scores, z the student's; a temperature T > 1 shows how alike the teacher finds the classes.
T^2 keeps the size of the gradient, T (p - q), the same for all temperatures; for large T it tends to (z - v) / k, both
less their means. Rows without a label have the first part alone. Two classes have one score and a sigmoid.

Hinton, Vinyals & Dean (2015), "Distilling the knowledge in a neural network".
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from scipy.special import expit, xlogy
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted, column_or_1d

from featlearn.callbacks import CallbackSupportMixin, sub_fit
from featlearn.fitting import fitting
from featlearn.networks.classifier import NetworkClassifier
from featlearn.networks.layers import Dense
from featlearn.networks.losses import Loss, softmax
from featlearn.networks.pretraining import AllRows, learned, seeded
from featlearn.networks.specs import is_fitted
from featlearn.training import Batch
from featlearn.validation import check_rows, check_weights, has, instance, optional, real

LEAST = float(np.finfo(np.float32).tiny)  # of a teacher's probabilities, so that they have logarithms


@dataclass(frozen=True)
class SoftLoss(Loss):
    """The loss of a student; targets y (m, 2 k + 1): the teacher's q (k), a label t (k), and 1 where there is one."""

    temperature: float = 4.0
    alpha: float = 0.9

    def rows(self, z: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The loss of each row (m,) and its derivative by z (m, k)."""
        k, one = z.shape[1], z.dtype.type
        plain, T, alpha = Loss("cross_entropy", self.link), one(self.temperature), one(self.alpha)
        q, t, known = y[:, :k], y[:, k : 2 * k], y[:, 2 * k :]
        soft, d_soft = plain.rows(z / T, q)
        hard, d_hard = plain.rows(z, t)
        entropy = -(xlogy(q, q).sum(axis=1) + (xlogy(1 - q, 1 - q).sum(axis=1) if self.link == "sigmoid" else 0))
        losses = alpha * T * T * (soft - entropy.astype(z.dtype)) + (1 - alpha) * known[:, 0] * hard
        return losses, alpha * T * d_soft + (1 - alpha) * known * d_hard

    def tensor(self, z: Any, y: Any) -> Any:
        """The loss of each row, in `keras.ops`."""
        from keras import ops

        k, plain, T = z.shape[1], Loss("cross_entropy", self.link), self.temperature
        y = ops.cast(y, z.dtype)
        q, t, known = y[:, :k], y[:, k : 2 * k], y[:, 2 * k]
        entropy = -ops.sum(q * ops.log(ops.maximum(q, LEAST)), axis=1)
        if self.link == "sigmoid":
            entropy = entropy - ops.sum((1 - q) * ops.log(ops.maximum(1 - q, LEAST)), axis=1)
        soft = plain.tensor(z / T, q) - entropy
        return self.alpha * T * T * soft + (1 - self.alpha) * known * plain.tensor(z, t)

    def labels(self, y: Any) -> Any:
        """The labels in targets, as a plain loss takes them."""
        k = y.shape[1] // 2
        t = y[:, k : 2 * k]
        if k == 1:
            return t
        if isinstance(y, np.ndarray):
            return t.argmax(axis=1)
        from keras import ops

        return ops.argmax(t, axis=1)

    def wrong(self, z: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Of each row, whether the prediction is wrong, (m,)."""
        return super().wrong(z, self.labels(y))


def softened(teacher: Any, X: Any, temperature: float) -> np.ndarray:
    """The teacher's probabilities at a temperature, (n, k), or of the second of two classes, (n, 1)."""
    if hasattr(teacher, "predict_proba"):
        v = np.log(np.maximum(teacher.predict_proba(X), LEAST))
        v = v[:, 1:] - v[:, :1] if v.shape[1] == 2 else v
    else:
        v = teacher.decision_function(X)
        v = v[:, None] if v.ndim == 1 else v
    v = np.asarray(v, np.float64) / temperature
    return expit(v) if v.shape[1] == 1 else softmax(v)


class _Pupil:
    """A network while it is taught: its targets are those of `SoftLoss`. Goes before the student's own class."""

    _rows: Any
    _labelled: Any
    _lesson: tuple[np.ndarray, np.ndarray, float, float]  # classes, labels or the teacher's guesses, T, alpha

    def _loss_of(self, k):
        _, _, temperature, alpha = self._lesson
        return SoftLoss("cross_entropy", "sigmoid" if k == 1 else "softmax", 0.0, temperature, alpha)

    def _data(self, X, y, sample_weight, *, reset):
        X = self._rows(X, reset=reset)
        self.classes_, labels, *_ = self._lesson
        self.multilabel_ = False
        rows = AllRows(X, np.arange(X.shape[0]), labels, sample_weight)
        return self._labelled(Batch(X, y, sample_weight), rows)


class Distilled(ClassifierMixin, CallbackSupportMixin, BaseEstimator):
    """A small network taught by a large classifier.

    Parameters
    ----------
    teacher : classifier or None, default=None
        Any with `predict_proba` or `decision_function`. One that is fitted is taken as it is; another is fitted here,
        on the labelled rows. Clones forget what was learned: wrap a fitted teacher in
        `sklearn.frozen.FrozenEstimator` for searches. None is a network of two layers of 400 relus.
    student : NetworkClassifier or None, default=None
        The network that is taught; its ``loss`` has to be "cross_entropy". None is one of 100 relus.
    temperature : float, default=4.0
        T.
    alpha : float, default=0.9
        The share of what the teacher says; the rest is that of the labels.
    random_state : int, RandomState or None, default=None
        Seeds teacher and student where they have no seed.

    Attributes
    ----------
    teacher_ : classifier
        The fitted teacher.
    student_ : NetworkClassifier
        The fitted student.
    classes_ : array (n_classes,)
        The labels.
    n_features_in_ : int
        Number of features seen by `fit`.

    See Also
    --------
    NetworkClassifier : What teacher and student may be.

    References
    ----------
    G. Hinton, O. Vinyals, J. Dean, "Distilling the knowledge in a neural network", 2015.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from featlearn.networks import Dense, Distilled, NetworkClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> student = NetworkClassifier([Dense(30, "relu")], learning_rate=0.01, max_iter=50, tol=0)
    >>> model = Distilled(RandomForestClassifier(50), student, random_state=0).fit(X / 16, y)
    >>> model.score(X / 16, y) > 0.95
    True
    """

    _rules: ClassVar[dict] = {
        "teacher": optional(has("fit")),
        "student": optional(instance(NetworkClassifier)),
        "temperature": real(above=0),
        "alpha": real(0, 1),
    }

    def __init__(self, teacher=None, student=None, *, temperature: float = 4.0, alpha: float = 0.9, random_state=None):
        self.teacher = teacher
        self.student = student
        self.temperature = temperature
        self.alpha = alpha
        self.random_state = random_state

    def _check_together(self):
        if self.student is not None and self.student.loss != "cross_entropy":
            raise ValueError(
                f"{type(self).__name__}: a student learns probabilities, and loss={self.student.loss!r} gives none. "
                "Pass a student with loss='cross_entropy'."
            )

    @fitting(2)
    def fit(self, X: Any, y: Any, sample_weight: Any = None, unlabelled: Any = None) -> Self:
        """Fit the teacher, if it is not yet, and teach the student.

        Parameters
        ----------
        X : array (n_samples, n_features) or memmap
            The rows.
        y : array (n_samples,)
            Their labels; -1 says that a row has none, unless -1 and 1 are all there are.
        sample_weight : array (n_samples,), default=None
            Weights of the rows.
        unlabelled : array (n_rows, n_features), default=None
            More rows without labels, on which the teacher speaks alone.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For labels that a fitted teacher does not know, or less than two classes.
        """
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
        X = check_rows(self, X, reset=True)
        y = check_array(y, ensure_2d=False, dtype=None, input_name="y")
        check_classification_targets(y)
        y = column_or_1d(y, warn=True)
        check_consistent_length(X, y)
        more = None if unlabelled is None else check_rows(self, unlabelled, reset=False)
        rows = AllRows.of(X, y, check_weights(sample_weight, X), more)
        rng = check_random_state(self.random_state)
        self.teacher_ = self._taught(rows, rng)
        self.classes_ = np.asarray(self.teacher_.classes_)
        unknown = np.setdiff1d(rows.y, self.classes_)
        if len(unknown):
            raise ValueError(
                f"{type(self).__name__}: y has labels {unknown.tolist()[:10]} that the teacher does not know; it was "
                f"fitted on {self.classes_.tolist()[:10]}. Fit it anew, on all classes."
            )
        self.student_ = self._teach(rows, rng)
        return self

    def _taught(self, rows, rng):
        """The fitted teacher."""
        if self.teacher is not None and is_fitted(self.teacher):
            return self.teacher
        classes = np.unique(rows.y)
        if len(classes) < 2:
            raise ValueError(
                f"{type(self).__name__} needs rows of at least 2 classes; got 1 class: {classes.tolist()}."
            )
        teacher = self.teacher
        if teacher is None:
            teacher = NetworkClassifier([Dense(400, "relu"), Dense(400, "relu")])
        return learned(self, "teacher", teacher, rows, rows.x, rng)

    def _teach(self, rows, rng):
        """The student, fitted on what the teacher says and on the labels."""
        student = clone(NetworkClassifier() if self.student is None else self.student)
        student = seeded(student, rng)
        q = softened(self.teacher_, rows.x, float(self.temperature))
        guesses = self.classes_[(q[:, 0] > 0.5).astype(int) if q.shape[1] == 1 else q.argmax(axis=1)]
        guesses[rows.places] = rows.y
        place = np.searchsorted(self.classes_, guesses)
        t = place[:, None].astype(q.dtype) if q.shape[1] == 1 else np.eye(len(self.classes_))[place]
        t = t * (1 - student.label_smoothing) + student.label_smoothing / len(self.classes_)
        known = np.zeros(len(q))
        known[rows.places] = 1
        weights = rows.w
        if student.class_weight is not None:
            balanced = compute_sample_weight(student.class_weight, guesses)
            weights = balanced if weights is None else weights * balanced
        kind = type(student)
        pupil = type(kind.__name__, (_Pupil, kind), {})(**student.get_params(deep=False))
        pupil._lesson = self.classes_, guesses, float(self.temperature), float(self.alpha)
        with sub_fit(self, pupil, "student"):
            pupil.fit(rows.x, np.column_stack([q, t, known]), weights)
        learned_attributes = {k: v for k, v in vars(pupil).items() if k != "_lesson" and "callback" not in k}
        student.__dict__.update(learned_attributes)
        return student

    def _student_of(self, X, method):
        check_is_fitted(self)
        return getattr(self.student_, method)(check_rows(self, X, reset=False))

    def decision_function(self, X: Any) -> Any:
        """The student's scores.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, stream of chunks or Dask array
            The rows.

        Returns
        -------
        scores : array (n_samples, n_classes) or (n_samples,), a generator of chunks, or a Dask array
        """
        return self._student_of(X, "decision_function")

    def predict_proba(self, X: Any) -> Any:
        """The student's probabilities.

        Parameters
        ----------
        X : array (n_samples, n_features) or memmap
            The rows.

        Returns
        -------
        probabilities : array (n_samples, n_classes)
        """
        return self._student_of(X, "predict_proba")

    def predict(self, X: Any) -> Any:
        """The student's labels.

        Parameters
        ----------
        X : array (n_samples, n_features) or memmap
            The rows.

        Returns
        -------
        labels : array (n_samples,)
        """
        return self._student_of(X, "predict")
