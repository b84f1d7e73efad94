"""A linear support vector machine that chooses C on held-out folds.

Every fold and every C share one Gram (or kernel) matrix, that of all rows: a fold is zero weight on its held-out rows,
so X is never copied, and the slacks of the held-out rows, at hand after each fit, give the fold's score. Each fold
walks from small to large C, starting where it stood, and so does the last fit, from the mean of the folds.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.model_selection import check_cv
from sklearn.utils.validation import check_consistent_length

from featlearn.callbacks import end_iteration
from featlearn.fitting import fitting
from featlearn.kernels.svm.newton import Problem, minimize
from featlearn.kernels.svm.newton_systems import newton_system
from featlearn.linear.svm import (
    RULES,
    LinearPredictor,
    build,
    check_classes,
    check_targets,
    of_the_mean,
    row_weights,
    signs,
    warn_if_flat,
    warn_unless_converged,
)
from featlearn.notices import interruptible


def _is_integer(value):
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _path_rule(Cs):
    if _is_integer(Cs):
        return None if Cs >= 1 else "an integer >= 1 or a list of numbers above 0"
    try:
        path = np.asarray(Cs)
    except ValueError:  # a ragged list
        path = np.asarray([])
    good = path.ndim == 1 and path.size and path.dtype.kind in "iuf" and (np.isfinite(path) & (path > 0)).all()
    return None if good else "an integer >= 1 or a list of numbers above 0"


def path_of(Cs: Any) -> np.ndarray:
    """The values of C, increasing: as given, or so many between 1e-4 and 1e2 on a logarithmic scale."""
    if _is_integer(Cs):
        return np.logspace(-4, 2, int(Cs)) if Cs > 1 else np.array([1.0])
    return np.unique(np.asarray(Cs, np.float64))


def _folds_rule(cv):
    if _is_integer(cv):
        good = cv >= 2
    else:
        good = cv is None or (
            not isinstance(cv, (str, bytes, bool, np.bool_)) and (hasattr(cv, "split") or np.iterable(cv))
        )
    return None if good else "an integer of at least 2, a splitter or an iterable of (train, test) indices"


@dataclass
class Fold:
    """A fold on its way along the path: rows held out, the problem of the others, and where its machines stand (W).

    ``s`` (n,) are the weights of its training rows, zero on the others.

    A class without a row to learn from has no machine here and is never predicted, as by a `LinearSVM` of these rows.
    ``columns`` are the places of the fold's classes among all.
    """

    test: np.ndarray
    s: np.ndarray
    classes: np.ndarray
    columns: np.ndarray
    problem: Problem
    system: Any
    W: np.ndarray | None = None

    def position(self, k: int) -> np.ndarray:
        """Where the machines of all k columns stand (k, width); NaN where there is none."""
        if self.W is None or len(self.W) == k:
            return np.zeros((k, self.system.width)) if self.W is None else self.W
        whole = np.full((k, self.W.shape[1]), np.nan)
        whole[self.columns] = self.W if len(self.W) > 1 else np.vstack([-self.W, self.W])
        return whole

    def accuracy(self, M: np.ndarray, y: np.ndarray, s: np.ndarray) -> float:
        """Weighted accuracy on the held-out rows, whose slacks M (n, k) give their scores: f = Y (1 - M)."""
        F = self.problem.Y[self.test] * (1 - M[self.test])
        guess = (F[:, 0] > 0).astype(int) if F.shape[1] == 1 else F.argmax(axis=1)
        return float(np.average(self.classes[guess] == y[self.test], weights=s[self.test]))


def cut(estimator: Any, y: np.ndarray, s: np.ndarray, groups: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    """The folds as indices of rows (train, test).

    A number of folds cuts the rows that have weight; a splitter or an iterable cuts as it likes.
    """
    cv, n = estimator.cv, len(y)
    rows = np.flatnonzero(s > 0) if cv is None or _is_integer(cv) else np.arange(n)
    if groups is not None:
        groups = np.asarray(groups)
        check_consistent_length(y, groups)
        groups = groups[rows]
    wanted = 5 if cv is None else cv
    most = np.unique(y[rows], return_counts=True)[1].max()
    if _is_integer(wanted) and most < wanted:
        raise ValueError(
            f"LinearSVMCV: cv={cv} asks for {wanted} stratified folds, but the largest class has {most} rows. Choose "
            f"cv={max(2, most)} or fewer, or a splitter such as KFold."
        )
    if _is_integer(wanted) or hasattr(cv, "split"):
        folds = check_cv(cv, y[rows], classifier=True).split(np.zeros((len(rows), 1)), y[rows], groups)
    else:
        folds = iter(cv)
    pairs: list[tuple[np.ndarray, np.ndarray]] = []
    for pair in folds:
        try:
            train, test = (rows[np.asarray(part)] for part in pair)
        except (IndexError, TypeError, ValueError) as error:
            raise ValueError(
                f"LinearSVMCV: fold {len(pairs) + 1} of cv={cv!r} is no pair (train, test) of indices of {n} rows: "
                f"{error}."
            ) from error
        pairs.append((train, test))
    if not pairs:
        raise ValueError(f"LinearSVMCV: cv={cv!r} gives no fold.")
    return pairs


def check_fold(estimator: Any, where: str, y: np.ndarray, s: np.ndarray, train: np.ndarray, test: np.ndarray) -> None:
    """Refuse a fold that cannot be learned from or scored, by its name."""
    if not s[test].any():
        raise ValueError(
            f"LinearSVMCV: {where} cannot be scored: its {len(test)} held-out rows all have zero sample_weight. Choose "
            "another `cv`."
        )
    classes = np.unique(y[train][s[train] > 0]).tolist()
    if len(classes) > 1:
        return
    labels, counts = np.unique(y[s > 0], return_counts=True)
    lost = [(label, m) for label, m in zip(labels.tolist(), counts.tolist(), strict=True) if label not in classes]
    rare = ", ".join(f"class {label!r} has {m} in all" for label, m in lost[:3])
    raise ValueError(
        f"LinearSVMCV: {where} leaves rows of too few classes to learn from; got {len(classes)} class(es): {classes}. "
        f"Of the rows with positive weight {rare}, none of them in the fold's training rows. Give that class more "
        "rows, leave it out, or choose a `cv` whose every fold trains on two classes at least (fewer folds, shuffled)."
    )


class LinearSVMCV(LinearPredictor):
    """`LinearSVM` with C chosen by cross-validation.

    For each C of the path the mean accuracy over the folds is measured; the best (the smaller in a tie) is fitted on
    all rows. The scores are those of a `GridSearchCV` over `LinearSVM` on the same folds.

    Parameters
    ----------
    Cs : int or array-like of float, default=10
        Values of C to try; an integer takes so many between 1e-4 and 1e2 on a logarithmic scale (1: C = 1). That is
        `LogisticRegressionCV`'s path without its last two decades, where margins are hard, scores no longer change and
        float32 ends. Features far from unit scale, such as raw pixels, need values of their own.
    cv : int, splitter or iterable of (train, test) indices, default=5
        Folds, as in scikit-learn: an integer means stratified folds in the order of the rows that have weight.
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
        Threads; None takes every core this process may use. No effect on the result.

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
        Number of features seen by `fit`.
    feature_names_in_ : array of shape (n_features_in_,)
        Names of the features, where X had them.

    Raises
    ------
    ValueError
        If a parameter or a weight is out of range, a fold trains on one class only, or a held-out fold has no weight:
        the message names the fold, the class and how many rows it has.
    TypeError
        If X is a stream or a Dask collection.

    See Also
    --------
    LinearSVM : With a C that is given.

    Notes
    -----
    A fold without a training row of some class trains no machine for it and never predicts it there.

    Integer weights give the scores and the C of repeated rows wherever all copies of a row lie in one fold (a splitter
    by groups, or folds given as indices). The folds that an integer ``cv`` or `GroupKFold` cuts balance rows, not
    weights, so those of repeated rows are others. Rows of zero weight take no part in the folds of an integer ``cv``;
    a splitter or given indices may place them, without effect on fits and scores.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from featlearn import LinearSVMCV
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LinearSVMCV(Cs=[0.1, 1.0, 10.0]).fit(X, y)
    >>> model.scores_.shape, model.C_ in (0.1, 1.0, 10.0)
    ((5, 3), True)
    """

    _rules: ClassVar = RULES | {"Cs": _path_rule, "cv": _folds_rule}

    def __init__(
        self,
        Cs: Any = 10,
        *,
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

    @fitting(lambda self, X: len(path_of(self.Cs)))
    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Choose C on the folds, then fit all rows.

        Parameters
        ----------
        X : array, sparse matrix or np.memmap of shape (n_samples, n_features)
            Features; dense integers of up to 16 bits are converted chunk by chunk.
        y : array-like of shape (n_samples,)
            Labels.
        sample_weight : array-like of shape (n_samples,), float or None, default=None
            Weights, at least zero, in the fits and in the scores; None weighs all rows alike.
        groups : array-like of shape (n_samples,) or None, default=None
            Handed to the splitter ``cv`` (`GroupKFold`, say), which keeps the rows of a group in one fold.

        Returns
        -------
        self : LinearSVMCV
        """
        Cs = path_of(self.Cs)
        X, y, s = check_targets(self, X, y, sample_weight)
        classes = check_classes(self, y, s)
        pairs = cut(self, y, s, groups)
        for i, (train, test) in enumerate(pairs):
            check_fold(self, f"fold {i + 1} of {len(pairs)}", y, s, train, test)

        of_the_mean(self, float(Cs[-1]), s)
        machines = build(self, X, y, s, classes)
        problem = machines.problem
        system = newton_system(problem, machines.share)
        folds = [self._fold(problem, system, y, s, classes, train, test) for train, test in pairs]
        scores: list[list[float]] = []
        starts, passes = [], machines.walks
        with interruptible(type(self).__name__, lambda: len(scores)):
            for C in Cs.tolist():
                column = []
                for fold in folds:
                    scaled = of_the_mean(self, C, fold.s)
                    solution = minimize(fold.problem, scaled, fold.system, fold.W, self.tol, self.max_iter)
                    warn_unless_converged(self, solution, C)
                    fold.W, passes = solution.W, passes + solution.n_passes
                    column.append(fold.accuracy(solution.M, y, s))
                starts.append(_mean([fold.position(problem.Y.shape[1]) for fold in folds]))
                scores.append(column)
                if end_iteration(self, {"score": float(np.mean(column)), "C": C}, name="C"):
                    break
        means = np.mean(scores, axis=1)
        best = int(np.argmax(means > means.max() - 1e-9))  # a tie to rounding takes the smaller
        C = float(Cs[best])
        scaled = of_the_mean(self, C, s)
        solution = minimize(problem, scaled, system, starts[best], self.tol, self.max_iter, who=type(self).__name__)
        warn_unless_converged(self, solution, C)
        warn_if_flat(self, problem, solution, C)

        self.C_, self.Cs_, self.scores_, self.classes_ = C, Cs[: len(scores)], np.array(scores).T, classes
        self.coef_, self.intercept_ = machines.coefficients(solution.V)
        self.objective_, self.n_iter_ = solution.objective, solution.n_iter
        self.n_passes_ = passes + solution.n_passes
        return self

    def _fold(self, problem, system, y, s, classes, train, test):
        """The fold at the start of the path: zero weight on the rows that are not in training."""
        weights = np.bincount(train, minlength=len(y)) * s
        seen = np.unique(y[weights > 0])
        Y = problem.Y if len(seen) == len(classes) else signs(y, seen)
        c = row_weights(self, y, weights, seen, problem.c.dtype)
        part = replace(problem, Y=Y, c=c)
        return Fold(test, weights, seen, np.searchsorted(classes, seen), part, system.fresh(part))


def _mean(positions):
    """The mean of the positions (k, width) that are known, zero where none is."""
    known = [~np.isnan(position[:, :1]) for position in positions]
    return np.nansum(positions, axis=0) / np.maximum(np.sum(known, axis=0), 1)
