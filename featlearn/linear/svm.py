"""The one-vs-rest linear support vector machine with squared hinge loss, solved in the primal.

Objective of class j, with signs y in {-1, 1}, sample weights s and class weights v::

    1/2 |w|^2 + C sum_i s_i v_i max(0, 1 - y_i f(x_i))^2 / sum_i s_i,    f(x) = w.x + b

so C multiplies the MEAN of the squared slacks (liblinear's and LinearSVC's multiplies their sum: theirs is C / n).
Shapes: X (n, d), k classes, coefficients (k, d), or (1, d) for two classes.

Coates, Lee, Ng (2011), "An analysis of single-layer networks in unsupervised feature learning", AISTATS, where this
machine with C = 100 reads the features; Newton's method of Keerthi and DeCoste (2005), JMLR 6.
"""

import warnings
from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import assert_all_finite, check_array, compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from featlearn.callbacks import CallbackSupportMixin, begin_fit, end_fit, end_iteration, with_callbacks
from featlearn.kernels.newton import Problem, Solution, minimize, row_mean
from featlearn.kernels.newton_systems import newton_system
from featlearn.streaming import is_out_of_core, map_chunks
from featlearn.threads import as_float
from featlearn.validation import (
    boolean,
    check_parameters,
    check_rows,
    either,
    instance,
    integer,
    one_of,
    optional,
    real,
    unchanged_on_failure,
)

RULES = {
    "loss": one_of("squared_hinge"),
    "fit_intercept": boolean(),
    "penalize_intercept": boolean(),
    "tol": real(above=0),
    "max_iter": integer(1),
    "class_weight": either(optional(one_of("balanced")), instance(dict)),
    "n_jobs": optional(integer()),
}


class LinearPredictor(CallbackSupportMixin, ClassifierMixin, BaseEstimator):
    """What LinearSVM and LinearSVMCV share: how coefficients become scores and labels."""

    def decision_function(self, X: Any) -> np.ndarray:
        """Signed scores of the rows.

        Parameters
        ----------
        X : array or np.memmap of shape (n_samples, n_features)

        Returns
        -------
        scores : array of shape (n_samples, n_classes), or (n_samples,) for two classes
            Positive where the class (``classes_[1]`` for two) is predicted against the rest.
        """
        check_is_fitted(self)
        X = check_rows(self, refuse_streams(self, X), reset=False)
        dtype = np.result_type(as_float(X[:0]), self.coef_)
        w, b = self.coef_.T.astype(dtype), self.intercept_.astype(dtype)
        scores = map_chunks(lambda x: as_float(x) @ w + b, X, n_jobs=self.n_jobs)
        return scores.ravel() if len(self.classes_) == 2 else scores

    def predict(self, X: Any) -> np.ndarray:
        """Labels (n_samples,) of the rows: the class of the highest score."""
        scores = self.decision_function(X)
        return self.classes_[(scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)]


def refuse_streams(estimator: Any, X: Any) -> Any:
    """X, unless it is a stream of chunks or a Dask collection, which a machine cannot index by rows."""
    if is_out_of_core(X):
        raise TypeError(
            f"{type(estimator).__name__} takes an array or an np.memmap of shape (n_samples, n_features), not "
            f"{type(X).__name__}. Write the features to a file and open it with np.lib.format.open_memmap."
        )
    return X


def check_targets(estimator: Any, X: Any, y: Any, sample_weight: Any) -> tuple[Any, np.ndarray, np.ndarray]:
    """Rows X, labels y (n,) and float64 weights (n,), checked; what fit begins with."""
    name = type(estimator).__name__
    check_class_weight(estimator)
    if y is None:
        raise ValueError(f"{name} requires y to be passed, but the target y is None.")
    X = check_rows(estimator, refuse_streams(estimator, X), reset=True)
    y = column_or_1d(y, warn=True)
    check_consistent_length(X, y)
    assert_all_finite(y, input_name="y")
    check_classification_targets(y)
    if sample_weight is None:
        return X, y, np.ones(len(y))
    s = np.full(len(y), sample_weight) if np.isscalar(sample_weight) else sample_weight
    s = check_array(s, ensure_2d=False, dtype=np.float64, input_name="sample_weight")
    if s.shape != (len(y),):
        raise ValueError(f"sample_weight has shape {s.shape}; {name} needs one weight per row, shape {(len(y),)}.")
    if s.min() < 0 or not s.any():
        raise ValueError(
            f"{name} needs every sample_weight to be zero or positive, and not all zero; the least is "
            f"{s.min()} and the greatest {s.max()}."
        )
    return X, y, s / s.max()  # only ratios matter, and the sum of large weights may overflow


def check_class_weight(estimator: Any) -> None:
    """Refuse weights of classes that are not finite numbers of at least zero: the objective must be convex."""
    if not isinstance(estimator.class_weight, dict):
        return
    for label, weight in estimator.class_weight.items():
        if not isinstance(weight, Real) or not 0 <= float(weight) < np.inf:
            raise ValueError(
                f"{type(estimator).__name__}: class_weight={{{label!r}: {weight!r}}} is not valid; a class needs a "
                "finite weight of at least 0 (below 1 counts its samples less, 0 not at all)."
            )


def check_classes(estimator: Any, y: np.ndarray, s: np.ndarray) -> np.ndarray:
    """The classes that have weight, two at least."""
    classes = np.unique(y[s > 0])
    if len(classes) < 2:
        raise ValueError(
            f"{type(estimator).__name__} needs rows of at least 2 classes with positive weight to learn from; got "
            f"{len(classes)} class(es): {classes.tolist()}."
        )
    return classes


def signs(y: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Labels as -1 and 1 (n, k): a column per class, or the second class against the first."""
    positive = classes[1:] if len(classes) == 2 else classes
    return np.where(y[:, None] == positive, 1, -1).astype(np.int8)


def row_weights(
    Y: np.ndarray, y: np.ndarray, s: np.ndarray, classes: np.ndarray, class_weight: Any, dtype: np.dtype
) -> np.ndarray:
    """Weights (n, k) of the squared slacks: s / sum(s), times the weight of the class that a column tells apart.

    As in liblinear: of two classes each has its weight, one-vs-rest the rest has weight 1.
    """
    seen = s > 0
    share = (s / s.sum())[:, None]
    if class_weight is None:
        return np.repeat(share.astype(dtype), Y.shape[1], axis=1)
    present = np.isin(classes, y[seen])
    v = np.ones(len(classes))
    v[present] = compute_class_weight(class_weight, classes=classes[present], y=y[seen], sample_weight=s[seen])
    positive, negative = (v[1:], v[:1]) if len(classes) == 2 else (v, np.ones(len(v)))
    return (share * np.where(Y > 0, positive, negative)).astype(dtype)


def build_problem(
    estimator: Any, X: Any, y: np.ndarray, s: np.ndarray, classes: np.ndarray
) -> tuple[Problem, np.ndarray]:
    """The problem of all rows, and the weights (n,) that add to one.

    An intercept without penalty makes any shift of the rows a mere change of variables; the mean makes it a good one.
    """
    dtype = as_float(X[:0]).dtype
    Y = signs(y, classes)
    share = (s / s.sum()).astype(dtype)
    c = row_weights(Y, y, s, classes, estimator.class_weight, dtype)
    d = X.shape[1]
    penalty = np.ones(d + estimator.fit_intercept)
    problem = Problem(X, Y, c, np.zeros(d), penalty, estimator.n_jobs)
    if estimator.fit_intercept and not estimator.penalize_intercept:
        penalty[-1] = 0
        problem.shift[:] = row_mean(X, share, problem.rows, estimator.n_jobs)
    return problem, share


def coefficients(problem: Problem, V: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (k, d) and intercepts (k,) of unshifted rows, in the rows' dtype, from the solver's V (k, D)."""
    d = problem.X.shape[1]
    b = V[:, d] - V[:, :d] @ problem.shift if problem.has_intercept else np.zeros(len(V))
    return V[:, :d].astype(problem.dtype), b.astype(problem.dtype)


def warn_unless_converged(estimator: Any, solution: Solution, C: float) -> None:
    """A ConvergenceWarning with the numbers and the cure."""
    if solution.converged:
        return
    name, left = type(estimator).__name__, int((solution.gap > estimator.tol).sum())
    where = f"at C={C:g} with an estimated relative gap of {solution.gap.max():.2g} > tol={estimator.tol:g} in {left} "
    where += f"of {len(solution.gap)} machines"
    if solution.stalled:
        message = (
            f"{name} stalled at Newton iteration {solution.n_iter} {where}: the line search could not "
            f"lower the objective below {solution.objective.sum():.6g}, so rounding hides the rest. Scale the features "
            "(StandardScaler, say), lower C or pass float64; more iterations would not help."
        )
    else:
        message = (
            f"{name} stopped after {solution.n_iter} of at most max_iter={estimator.max_iter} Newton iterations "
            f"{where}. Raise max_iter, scale the features (StandardScaler, say) or lower C."
        )
    warnings.warn(message, ConvergenceWarning, stacklevel=3)


class LinearSVM(LinearPredictor):
    """One-vs-rest linear support vector machine with squared hinge loss, for dense features in any number.

    Minimizes, per class, ``1/2 |w|^2 + C mean(max(0, 1 - y f(x))^2)``. Note the mean: liblinear and `LinearSVC`
    multiply the sum, so ``LinearSVC(C=C / n_samples)`` has the same optimum. Newton's method works on all classes at
    once, walks over X in chunks and never copies it, so X may be a memmap larger than memory; float32 stays float32.

    Parameters
    ----------
    C : float, default=100.0
        Weight of the mean squared slack against the penalty on the coefficients.
    loss : {"squared_hinge"}, default="squared_hinge"
        The loss.
    fit_intercept : bool, default=True
        Whether to fit an intercept.
    penalize_intercept : bool, default=False
        Whether the intercept is penalized as a coefficient, as in liblinear; True agrees with `LinearSVC` exactly.
    tol : float, default=1e-4
        A class is done with the Newton step that promises to lower its objective by at most this fraction. With the
        default, objectives came out within 5e-4 of the optimum, relative, and mostly within 1e-4.
    max_iter : int, default=100
        Most Newton iterations.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, finite and at least 0, as in liblinear: of two classes each has its own; one-vs-rest,
        the rest has weight 1.
    warm_start : bool, default=False
        Start from the coefficients of the last fit, if its classes and features were the same.
    n_jobs : int or None, default=None
        Threads; None takes every core. No effect on the result.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        The labels that have a sample of positive weight.
    coef_ : array of shape (n_classes, n_features), or (1, n_features) for two classes
        Coefficients, in the dtype of the features.
    intercept_ : array of shape (n_classes,) or (1,)
        Intercepts; zero without ``fit_intercept``.
    objective_ : array of shape (n_classes,) or (1,)
        Objective reached, per class.
    n_iter_ : int
        Newton iterations.
    n_passes_ : int
        Walks over X, all told.
    n_features_in_ : int
        Features seen in fit.
    feature_names_in_ : array of shape (n_features_in_,)
        Names of the features, where X had them.

    Raises
    ------
    ValueError
        If a parameter or a weight is out of range, or fewer than two classes have weight.
    TypeError
        If X is sparse, a stream or a Dask collection.

    Notes
    -----
    With sample weights s the mean is ``sum(s m^2) / sum(s)``: integer weights equal repeated rows, and C keeps its
    meaning when all weights are scaled. Extra memory is one (n, n) matrix in float64, and up to one more per thread,
    where n is at most 1.5 d and 12,000, else one (d, d) matrix where d is at most n and 20,000; beyond both the method
    takes more walks instead.

    References
    ----------
    Keerthi, DeCoste (2005), "A modified finite Newton method for fast solution of large scale linear SVMs", JMLR 6.

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn import LinearSVM
    >>> X = np.array([[0.0, 1.0], [1.0, 2.0], [4.0, 3.0], [5.0, 5.0]])
    >>> LinearSVM().fit(X, ["a", "a", "b", "b"]).predict([[0.0, 0.0], [6.0, 4.0]]).tolist()
    ['a', 'b']
    """

    def __init__(
        self,
        C: float = 100.0,
        loss: str = "squared_hinge",
        fit_intercept: bool = True,
        penalize_intercept: bool = False,
        tol: float = 1e-4,
        max_iter: int = 100,
        class_weight: dict | str | None = None,
        warm_start: bool = False,
        n_jobs: int | None = None,
    ):
        self.C = C
        self.loss = loss
        self.fit_intercept = fit_intercept
        self.penalize_intercept = penalize_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.n_jobs = n_jobs

    @with_callbacks
    @unchanged_on_failure
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "LinearSVM":
        """Fit one machine per class.

        Parameters
        ----------
        X : array or np.memmap of shape (n_samples, n_features)
            Dense features; integers of up to 16 bits are converted chunk by chunk.
        y : array-like of shape (n_samples,)
            Labels.
        sample_weight : array-like of shape (n_samples,), float or None, default=None
            Weights, at least zero; None weighs all rows alike.

        Returns
        -------
        self : LinearSVM
        """
        check_parameters(self, C=real(above=0), warm_start=boolean(), **RULES)
        earlier = dict(vars(self)) if self.warm_start else {}
        X, y, s = check_targets(self, X, y, sample_weight)
        classes = check_classes(self, y, s)
        context = begin_fit(self, self.max_iter, X, y)

        problem, share = build_problem(self, X, y, s, classes)
        system = newton_system(problem, share)

        def fitted(V):
            coef, intercept = coefficients(problem, V)
            return {"classes_": classes, "coef_": coef, "intercept_": intercept}

        def report(V, objective):
            return end_iteration(context, self, {"objective": float(objective.sum())}, lambda: fitted(V()))

        start = self._start(problem, classes, earlier)
        start = None if start is None else system.coordinates(problem, start, self.C)
        solution = minimize(problem, self.C, system, start, self.tol, self.max_iter, report)
        if not solution.stopped:
            warn_unless_converged(self, solution, self.C)

        self.classes_ = classes
        self.coef_, self.intercept_ = coefficients(problem, solution.V)
        self.objective_, self.n_iter_ = solution.objective, solution.n_iter
        self.n_passes_ = solution.n_passes + 1 + int(problem.shift.any())
        end_fit(context, self)
        return self

    def _start(self, problem, classes, earlier):
        """The solver's V (k, D) from an earlier fit of the same shape, or None."""
        k, d = problem.Y.shape[1], problem.X.shape[1]
        if "coef_" not in earlier or not np.array_equal(earlier["classes_"], classes):
            return None
        V = earlier["coef_"].astype(np.float64)
        if V.shape != (k, d):
            return None
        return np.column_stack([V, earlier["intercept_"] + V @ problem.shift]) if problem.has_intercept else V
