"""The one-vs-rest linear support vector machine with squared hinge loss, solved in the primal.

Objective of class j, with signs y in {-1, 1}, sample weights s and class weights v::

    1/2 |w|^2 + C sum_i s_i v_i max(0, 1 - y_i f(x_i))^2,    f(x) = w.x + b

as of liblinear and LinearSVC. The kernels, whose row weights add to one, take C sum_i s_i for C.
Shapes: X (n, d), k classes, coefficients (k, d), or (1, d) for two classes.

Coates, Lee, Ng (2011), "An analysis of single-layer networks in unsupervised feature learning", AISTATS, where this
machine with C = 100 / n reads the features; Newton's method of Keerthi and DeCoste (2005), JMLR 6.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import assert_all_finite, check_array, compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from featlearn.arrays import as_float
from featlearn.callbacks import CallbackSupportMixin, end_iteration
from featlearn.fitting import fitting
from featlearn.kernels.svm.newton import Problem, Solution, minimize, row_mean
from featlearn.kernels.svm.newton_sparse import SparseRows
from featlearn.kernels.svm.newton_systems import newton_system
from featlearn.kernels.svm.newton_table import fits_table, table
from featlearn.notices import notify
from featlearn.streaming import is_out_of_core, map_chunks
from featlearn.validation import Rule, boolean, check_rows, either, instance, integer, one_of, optional, real

ONE_THREAD = 8_192  # multiplications, too few for BLAS to take another thread
FLAT = 1e-4  # a deviation of the scores, whose margin is 1, below which the features decide nothing
RULES: dict[str, Rule] = {
    "loss": one_of("squared_hinge"),
    "fit_intercept": boolean(),
    "penalize_intercept": boolean(),
    "tol": real(above=0),
    "max_iter": integer(1),
    "class_weight": either(optional(one_of("balanced")), instance(Mapping)),
}


class LinearPredictor(CallbackSupportMixin, ClassifierMixin, BaseEstimator):
    """What LinearSVM and LinearSVMCV share: how coefficients become scores and labels."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def decision_function(self, X: Any) -> np.ndarray:
        """Signed scores of the rows.

        Parameters
        ----------
        X : array, sparse matrix or np.memmap of shape (n_samples, n_features)

        Returns
        -------
        scores : array of shape (n_samples, n_classes), or (n_samples,) for two classes
            Positive where the class (``classes_[1]`` for two) is predicted against the rest.
        """
        check_is_fitted(self)
        X = self._rows(X, reset=False)
        dtype = np.result_type(as_float(X[:0]).dtype, self.coef_.dtype)
        w, b = self.coef_.T.astype(dtype), self.intercept_.astype(dtype)
        w = np.ascontiguousarray(w) if issparse(X) else w
        if X.shape[0] * w.size < ONE_THREAD:
            scores = as_float(X) @ w + b
        else:
            scores = map_chunks(lambda x: as_float(x) @ w + b, X, n_jobs=self.n_jobs)
        if not np.isfinite(scores).all():
            raise ValueError(
                f"{type(self).__name__}: the scores overflow {scores.dtype}, since X holds values far beyond those of "
                "fit. Scale X as the training rows were, or look for wrong values."
            )
        return scores.ravel() if len(self.classes_) == 2 else scores

    def predict(self, X: Any) -> np.ndarray:
        """Labels (n_samples,) of the rows: the class of the highest score."""
        scores = self.decision_function(X)
        return self.classes_[(scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)]

    def _rows(self, X, reset):
        """X, checked; neither a stream of chunks nor a Dask collection, which a machine cannot index by rows."""
        if is_out_of_core(X):
            raise TypeError(
                f"{type(self).__name__} takes an array or an np.memmap of shape (n_samples, n_features), not "
                f"{type(X).__name__}. Write the features to a file and open it with np.lib.format.open_memmap."
            )
        return check_rows(self, X, reset=reset, squared=reset, accept_sparse=True)


def check_targets(estimator: Any, X: Any, y: Any, sample_weight: Any) -> tuple[Any, np.ndarray, np.ndarray]:
    """Rows X, labels y (n,) and float64 weights (n,), checked; what fit begins with."""
    name = type(estimator).__name__
    if y is None:
        raise ValueError(f"{name} requires y to be passed, but the target y is None.")
    X = estimator._rows(X, reset=True)
    y = column_or_1d(y, warn=True)
    check_consistent_length(X, y)
    if y.dtype.kind not in "iubU":  # which are labels whatever they say
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
    check_class_weight(estimator, y)
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
    return X, y, s


def of_the_mean(estimator: Any, C: float, s: np.ndarray) -> float:
    """What multiplies the mean of the weighted losses where C multiplies their sum."""
    with np.errstate(over="ignore"):
        total = float(s.sum())
    scaled = C * total
    if not 1e-300 < scaled < 1e300:
        raise ValueError(
            f"{type(estimator).__name__}: C={C:g} times the sum of sample_weight, {total:g}, is too "
            f"{'large' if scaled > 1 else 'small'} for float64. Divide the weights by their mean."
        )
    return scaled


def check_class_weight(estimator: Any, y: np.ndarray) -> None:
    """Refuse weights of classes that are not finite numbers of at least zero, or of no class while others have none."""
    if not isinstance(estimator.class_weight, Mapping):
        return
    name = type(estimator).__name__
    for label, weight in estimator.class_weight.items():
        if not isinstance(weight, Real) or not 0 <= float(weight) < np.inf:
            raise ValueError(
                f"{name}: class_weight={{{label!r}: {weight!r}}} is not valid; a class needs a finite weight of at "
                "least 0 (below 1 counts its samples less, 0 not at all)."
            )
    classes = np.unique(y).tolist()
    unknown = [label for label in estimator.class_weight if label not in classes]
    if unknown and not all(label in estimator.class_weight for label in classes):
        raise ValueError(
            f"{name}: class_weight={estimator.class_weight!r} names {unknown}, but the classes are "
            f"{_short(classes)}. Use the labels of y as keys."
        )


def _short(labels):
    """A list of labels that fits a message."""
    return str(labels) if len(labels) <= 10 else f"{str(labels[:10])[:-1]}, ... {len(labels)} in all]"


def check_classes(estimator: Any, y: np.ndarray, s: np.ndarray) -> np.ndarray:
    """The classes that have weight, two at least."""
    classes = np.unique(y if s.all() else y[s > 0])
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


def row_weights(estimator: Any, y: np.ndarray, s: np.ndarray, classes: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Weights (n, k) of the squared slacks, s / sum(s) times the weight of the class that a column tells apart.

    As in liblinear: of two classes each has its weight, one-vs-rest the rest has weight 1.
    """
    share = (s / s.sum())[:, None]
    k = 1 if len(classes) == 2 else len(classes)
    if estimator.class_weight is None:
        return np.repeat(share.astype(dtype), k, axis=1)
    if isinstance(estimator.class_weight, dict):
        v = np.array([float(estimator.class_weight.get(label, 1)) for label in classes.tolist()])
    else:
        seen = s > 0
        v = compute_class_weight("balanced", classes=classes, y=y[seen], sample_weight=s[seen])
    positive, negative = (v[1:], v[:1]) if len(classes) == 2 else (v, np.ones(len(v)))
    return (share * np.where(signs(y, classes) > 0, positive, negative)).astype(dtype)


@dataclass(frozen=True)
class Machines:
    """The solver's problem of all rows, their weights (n,) that add to one, and how to read its coefficients.

    An intercept without penalty makes any shift of the rows a mere change of variables; the mean makes it a good one.
    """

    problem: Problem
    share: np.ndarray
    shift: np.ndarray
    intercept: bool
    dtype: np.dtype

    @property
    def walks(self) -> int:
        """Walks over X that it took to set up the problem and the system."""
        return 1 + int(self.shift.any())

    def coefficients(self, V: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients (k, d) and intercepts (k,) of unshifted rows, in the rows' dtype, from the solver's V (k, D)."""
        d = len(self.shift)
        b = V[:, d] - V[:, :d] @ self.shift if self.intercept else np.zeros(len(V))
        return V[:, :d].astype(self.dtype), b.astype(self.dtype)

    def start(self, coef: np.ndarray, b: np.ndarray) -> np.ndarray:
        """The solver's V (k, D) from coefficients (k, d) and intercepts (k,)."""
        V = coef.astype(np.float64)
        return np.column_stack([V, b + V @ self.shift]) if self.intercept else V


def build(estimator: Any, X: Any, y: np.ndarray, s: np.ndarray, classes: np.ndarray) -> Machines:
    """One machine per class, or one for two classes."""
    rows = SparseRows(X) if issparse(X) else X
    dtype, d = as_float(X[:0]).dtype, X.shape[1]
    D = d + estimator.fit_intercept
    Y = signs(y, classes)
    share = s / s.sum()
    small = fits_table(len(y), D)
    precise = np.dtype(np.float64) if small else dtype
    c = row_weights(estimator, y, s, classes, precise)
    penalty, shift = np.ones(D), np.zeros(d)
    problem = Problem(rows, Y, c, shift, penalty, estimator.n_jobs)
    if estimator.fit_intercept and not estimator.penalize_intercept:
        penalty[-1] = 0
        shift[:] = row_mean(rows, share.astype(precise), problem.rows, estimator.n_jobs)
    return Machines(table(problem) if small else problem, share.astype(precise), shift, estimator.fit_intercept, dtype)


def warn_unless_converged(estimator: Any, solution: Solution, C: float) -> None:
    """A ConvergenceWarning with the numbers and the cure, unless the user stopped the fit."""
    if solution.converged or solution.stopped:
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
    notify(message, ConvergenceWarning)


def warn_if_flat(estimator: Any, problem: Problem, solution: Solution, C: float) -> None:
    """A UserWarning if no score depends on the features: tiny ones, say, on which weights would cost too much."""
    if isinstance(estimator.class_weight, Mapping):  # weights of one's own may give all rows to one class, and mean it
        return
    deviation = float((problem.Y * (1 - solution.M)).std(axis=0).max())
    if deviation < FLAT and len(solution.M) > 1:
        notify(
            f"{type(estimator).__name__}: the scores hardly depend on the features; they deviate by {deviation:.2g} "
            "where the margin is 1, so every row gets nearly the same label. Scale the features (StandardScaler), or "
            f"raise C={C:g}."
        )


class LinearSVM(LinearPredictor):
    """One-vs-rest linear support vector machine with squared hinge loss, for features in any number, dense or sparse.

    Minimizes, per class, ``1/2 |w|^2 + C sum(max(0, 1 - y f(x))^2)``, as scikit-learn's `LinearSVC` does:
    ``LinearSVM(C, penalize_intercept=True)`` and ``LinearSVC(C)`` have one optimum. Newton's method works on all
    classes at once, walks over X in chunks and never copies it, so X may be a memmap larger than memory; float32 stays
    float32.

    Parameters
    ----------
    C : float, default=1.0
        Weight of the squared slacks, summed over the rows, against the penalty on the coefficients. Papers that take
        their mean (Coates et al., 2011, with 100) write C n: pass ``C=100 / n_samples``.
    loss : {"squared_hinge"}, default="squared_hinge"
        The loss.
    fit_intercept : bool, default=True
        Whether to fit an intercept.
    penalize_intercept : bool, default=False
        Whether the intercept is penalized as a coefficient, as in liblinear; True agrees with `LinearSVC` exactly.
    tol : float, default=1e-4
        A class is done with the Newton step that promises to lower its objective by at most this fraction, if it is
        exact and no row changes sides along it, or the duality gap is at most 5 times ``tol`` (50 times above 2,000
        features and 1.5 rows per feature, where steps are never exact). So the default keeps objectives within 5e-4 of
        the optimum, relative, mostly within 1e-4, or the fit warns.
    max_iter : int, default=100
        Most Newton iterations.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, finite and at least 0, as in liblinear: of two classes each has its own; one-vs-rest,
        the rest has weight 1.
    warm_start : bool, default=False
        Start from the coefficients of the last fit, if its classes and features were the same.
    n_jobs : int or None, default=None
        Threads; None takes every core this process may use. No effect on the result.

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
        Newton iterations, or rounds for sparse rows.
    n_passes_ : int
        Walks over X, all told.
    n_features_in_ : int
        Number of features seen by `fit`.
    feature_names_in_ : array of shape (n_features_in_,)
        Names of the features, where X had them.

    Raises
    ------
    ValueError
        If a parameter or a weight is out of range, fewer than two classes have weight, X is an array of images or maps
        (add `Flatten`), or the structure of a sparse X is damaged.
    TypeError
        If X is a stream or a Dask collection.

    See Also
    --------
    LinearSVMCV : C chosen by cross-validation.

    Notes
    -----
    With sample weights s the sum is ``sum(s m^2)``: integer weights equal repeated rows, and weights that are all
    doubled a doubled C. Ctrl-C keeps the coefficients of the last whole iteration, with a warning.

    Tables of up to 8 MB and 127 features are copied in float64. Of larger ones extra memory is one (n, n) matrix in
    float64, and up to one more per thread, where n is at most 1.5 d and 12,000, else one (d, d) matrix where d is at
    most n and 20,000, and one more per class (256 MB at most) where d is below 2,000; beyond both the method takes
    more walks instead. Sparse rows (any format; CSR is taken as it is) are held twice, by rows and by columns, and
    never made dense beyond those 8 MB; an iteration is then a round of coordinate descent in the dual (`n_iter_`
    counts rounds), and the gap that ``tol`` bounds is the duality gap.

    Warns
    -----
    ConvergenceWarning
        If the fit ends before ``tol``, or is interrupted.

    References
    ----------
    Keerthi, DeCoste (2005), "A modified finite Newton method for fast solution of large scale linear SVMs", JMLR 6.
    Hsieh, Chang, Lin, Keerthi, Sundararajan (2008), "A dual coordinate descent method for large-scale linear SVM",
    ICML, for sparse rows.

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn import LinearSVM
    >>> X = np.array([[0.0, 1.0], [1.0, 2.0], [4.0, 3.0], [5.0, 5.0]])
    >>> LinearSVM().fit(X, ["a", "a", "b", "b"]).predict([[0.0, 0.0], [6.0, 4.0]]).tolist()
    ['a', 'b']
    """

    _rules: ClassVar = RULES | {"C": real(above=0), "warm_start": boolean()}

    def __init__(
        self,
        C: float = 1.0,
        *,
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

    @fitting("max_iter")
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit one machine per class.

        Parameters
        ----------
        X : array, sparse matrix or np.memmap of shape (n_samples, n_features)
            Features; dense integers of up to 16 bits are converted chunk by chunk.
        y : array-like of shape (n_samples,)
            Labels.
        sample_weight : array-like of shape (n_samples,), float or None, default=None
            Weights, at least zero; None is 1 for every row.

        Returns
        -------
        self : LinearSVM
        """
        earlier = dict(vars(self)) if self.warm_start else {}
        X, y, s = check_targets(self, X, y, sample_weight)
        classes = check_classes(self, y, s)

        C = of_the_mean(self, float(self.C), s)
        machines = build(self, X, y, s, classes)
        problem = machines.problem
        system = newton_system(problem, machines.share)

        def fitted(V):
            coef, intercept = machines.coefficients(V)
            return {"classes_": classes, "coef_": coef, "intercept_": intercept}

        def report(V, objective):
            return end_iteration(self, {"objective": float(objective.sum())}, lambda: fitted(V()))

        start = None
        shape = (problem.Y.shape[1], X.shape[1])
        if "coef_" in earlier and earlier["coef_"].shape == shape and np.array_equal(earlier["classes_"], classes):
            start = system.coordinates(problem, machines.start(earlier["coef_"], earlier["intercept_"]), C)
        solution = minimize(problem, C, system, start, self.tol, self.max_iter, report, type(self).__name__)
        warn_unless_converged(self, solution, self.C)
        warn_if_flat(self, problem, solution, self.C)

        self.classes_ = classes
        self.coef_, self.intercept_ = machines.coefficients(solution.V)
        self.objective_, self.n_iter_ = solution.objective, solution.n_iter
        self.n_passes_ = solution.n_passes + machines.walks
        return self
