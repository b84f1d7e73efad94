"""A linear support vector machine that chooses C on held-out folds.

Every fold and every C share one Gram (or kernel) matrix, that of all rows: a fold is zero weight on its held-out rows,
so X is never copied, and the slacks of the held-out rows, at hand after each fit, give the fold's score. Each fold
walks from small to large C, starting where it stood, and so does the last fit, from the mean of the folds.
"""

from typing import Any

import numpy as np
from sklearn.model_selection import check_cv

from featlearn.callbacks import begin_fit, end_fit, end_iteration, with_callbacks
from featlearn.kernels.newton import minimize
from featlearn.kernels.newton_systems import newton_system
from featlearn.linear.svm import (
    RULES,
    LinearPredictor,
    build_problem,
    check_classes,
    check_targets,
    coefficients,
    row_weights,
    warn_unless_converged,
)
from featlearn.validation import check_parameters, unchanged_on_failure


def check_path(Cs: Any) -> np.ndarray:
    """The values of C, increasing: as given, or so many between 1e-2 and 1e4 on a logarithmic scale."""
    if isinstance(Cs, (int, np.integer)) and not isinstance(Cs, bool) and Cs >= 1:
        return np.logspace(-2, 4, int(Cs)) if Cs > 1 else np.array([100.0])
    path = np.asarray(Cs)
    if path.ndim != 1 or path.size == 0 or path.dtype.kind not in "iuf" or not (np.isfinite(path) & (path > 0)).all():
        raise ValueError(f"LinearSVMCV: Cs={Cs!r} is not valid; pass an integer >= 1 or a list of numbers above 0.")
    return np.unique(path.astype(np.float64))


def training_weights(estimator: Any, train: np.ndarray, y: np.ndarray, s: np.ndarray) -> np.ndarray:
    """The row weights (n,) of a training fold: zero on the rows held out."""
    weights = np.zeros(len(y))
    weights[train] = s[train]
    check_classes(estimator, y, weights)
    return weights


def held_out_accuracy(Y: np.ndarray, M: np.ndarray, y: np.ndarray, s: np.ndarray, classes: np.ndarray) -> float:
    """Weighted accuracy from signs Y and slacks M (n, k) of the held-out rows: f = Y (1 - M)."""
    if not s.any():
        raise ValueError("LinearSVMCV: a fold's held-out rows all have zero sample_weight. Choose another `cv`.")
    F = Y * (1 - M)
    guess = (F[:, 0] > 0).astype(int) if Y.shape[1] == 1 else F.argmax(axis=1)
    return float(np.average(classes[guess] == y, weights=s))


class LinearSVMCV(LinearPredictor):
    """`LinearSVM` with C chosen by cross-validation.

    For each C of the path the mean accuracy over the folds is measured; the best (the smaller in a tie) is fitted on
    all rows. C multiplies the MEAN of the squared slacks, so it keeps its meaning from a fold to the whole.

    Parameters
    ----------
    Cs : int or array-like of float, default=10
        Values of C to try; an integer takes so many between 1e-2 and 1e4 on a logarithmic scale.
    cv : int, splitter or iterable of (train, test) indices, default=5
        Folds, as in scikit-learn: an integer means stratified folds in the order of the rows.
    loss : {"squared_hinge"}, default="squared_hinge"
        The loss.
    fit_intercept : bool, default=True
        Whether to fit an intercept.
    penalize_intercept : bool, default=False
        Whether the intercept is penalized as a coefficient, as in liblinear.
    tol : float, default=1e-4
        A class is done with the Newton step that promises to lower its objective by at most this fraction.
    max_iter : int, default=100
        Most Newton iterations for one fold and one C.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, as in `LinearSVM`; "balanced" is figured on each fold's own rows.
    n_jobs : int or None, default=None
        Threads; None takes every core. No effect on the result.

    Attributes
    ----------
    C_ : float
        The C chosen.
    Cs_ : array of shape (n_Cs,)
        The values tried, increasing.
    scores_ : array of shape (n_folds, n_Cs)
        Accuracy on the held-out rows, weighted by ``sample_weight``.
    classes_ : array of shape (n_classes,)
        The labels that have a sample of positive weight.
    coef_ : array of shape (n_classes, n_features), or (1, n_features) for two classes
        Coefficients of the last fit, on all rows.
    intercept_ : array of shape (n_classes,) or (1,)
        Intercepts.
    objective_ : array of shape (n_classes,) or (1,)
        Objective of the last fit, per class.
    n_iter_ : int
        Newton iterations of the last fit.
    n_passes_ : int
        Walks over X, all told.
    n_features_in_ : int
        Features seen in fit.
    feature_names_in_ : array of shape (n_features_in_,)
        Names of the features, where X had them.

    Raises
    ------
    ValueError
        If a parameter or a weight is out of range, a fold trains on one class only, or a held-out fold has no weight.
    TypeError
        If X is sparse, a stream or a Dask collection.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from featlearn import LinearSVMCV
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LinearSVMCV(Cs=[0.1, 1.0, 10.0]).fit(X, y)
    >>> model.scores_.shape, model.C_ in (0.1, 1.0, 10.0)
    ((5, 3), True)
    """

    def __init__(
        self,
        Cs: Any = 10,
        cv: Any = 5,
        loss: str = "squared_hinge",
        fit_intercept: bool = True,
        penalize_intercept: bool = False,
        tol: float = 1e-4,
        max_iter: int = 100,
        class_weight: dict | str | None = None,
        n_jobs: int | None = None,
    ):
        self.Cs = Cs
        self.cv = cv
        self.loss = loss
        self.fit_intercept = fit_intercept
        self.penalize_intercept = penalize_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.class_weight = class_weight
        self.n_jobs = n_jobs

    @with_callbacks
    @unchanged_on_failure
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "LinearSVMCV":
        """Choose C on the folds, then fit all rows.

        Parameters
        ----------
        X : array or np.memmap of shape (n_samples, n_features)
            Dense features; integers of up to 16 bits are converted chunk by chunk.
        y : array-like of shape (n_samples,)
            Labels.
        sample_weight : array-like of shape (n_samples,), float or None, default=None
            Weights, at least zero, in the fits and in the scores; None weighs all rows alike.

        Returns
        -------
        self : LinearSVMCV
        """
        check_parameters(self, **RULES)
        Cs = check_path(self.Cs)
        X, y, s = check_targets(self, X, y, sample_weight)
        classes = check_classes(self, y, s)
        folds = list(check_cv(self.cv, y, classifier=True).split(np.zeros((len(y), 1)), y))
        context = begin_fit(self, len(Cs), X, y)

        problem, share = build_problem(self, X, y, s, classes)
        system = newton_system(problem, share)
        trained = [training_weights(self, train, y, s) for train, _ in folds]
        position: list = [None] * len(folds)
        scores, starts, passes = [], [], 1 + int(problem.shift.any())
        for C in Cs:
            column = []
            for i, (_, test) in enumerate(folds):
                fold = problem.weighted(row_weights(problem.Y, y, trained[i], classes, self.class_weight, share.dtype))
                solution = minimize(fold, C, system, position[i], self.tol, self.max_iter)
                warn_unless_converged(self, solution, C)
                position[i], passes = solution.W, passes + solution.n_passes
                column.append(held_out_accuracy(problem.Y[test], solution.M[test], y[test], s[test], classes))
            scores.append(column)
            starts.append(np.mean(position, axis=0))
            if end_iteration(context, self, {"score": float(np.mean(column)), "C": float(C)}, name="C"):
                break
        best = int(np.argmax(np.mean(scores, axis=1)))
        solution = minimize(problem, Cs[best], system, starts[best], self.tol, self.max_iter)
        warn_unless_converged(self, solution, Cs[best])

        self.C_, self.Cs_, self.scores_, self.classes_ = float(Cs[best]), Cs[: len(scores)], np.array(scores).T, classes
        self.coef_, self.intercept_ = coefficients(problem, solution.V)
        self.objective_, self.n_iter_ = solution.objective, solution.n_iter
        self.n_passes_ = passes + solution.n_passes
        end_fit(context, self)
        return self
