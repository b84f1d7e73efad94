"""LinearSVMCV against a loop of LinearSVM over folds and values of C."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.utils.estimator_checks import parametrize_with_checks

from featlearn import LinearSVM, LinearSVMCV
from featlearn.linear.svm_cv import check_path


@parametrize_with_checks([LinearSVMCV(Cs=3)])
def test_scikit_learn(estimator, check):
    check(estimator)


def noisy(n=240, d=12, k=3, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, k, size=n)
    return rng.normal(size=(k, d))[y] + 1.5 * rng.normal(size=(n, d)), y


def manual(X, y, Cs, cv, sample_weight=None, **parameters):
    """Accuracies (n_folds, n_Cs) by the obvious loop, on copies of the folds."""
    s = np.ones(len(y)) if sample_weight is None else sample_weight
    rows = []
    for train, test in cv.split(X, y):
        models = [LinearSVM(C, tol=1e-9, **parameters).fit(X[train], y[train], s[train]) for C in Cs]
        rows.append([accuracy_score(y[test], m.predict(X[test]), sample_weight=s[test]) for m in models])
    return np.array(rows)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("penalize", [True, False])
def test_same_choice_as_the_manual_loop(classes, class_weight, penalize):
    X, y = noisy(k=classes)
    X = X + 1.0
    Cs = [0.001, 0.1, 10.0]
    cv = StratifiedKFold(4, shuffle=True, random_state=0)
    parameters = {"class_weight": class_weight, "penalize_intercept": penalize}
    model = LinearSVMCV(Cs, cv=cv, tol=1e-14, **parameters).fit(X, y)
    expected = manual(X, y, Cs, cv, **parameters)
    np.testing.assert_allclose(model.scores_, expected, atol=1e-12)
    assert np.ptp(expected.mean(axis=0)) > 0
    assert Cs[int(expected.mean(axis=0).argmax())] == model.C_
    refit = LinearSVM(model.C_, tol=1e-14, **parameters).fit(X, y)
    np.testing.assert_allclose(model.coef_, refit.coef_, atol=1e-6)
    np.testing.assert_allclose(model.intercept_, refit.intercept_, atol=1e-6)
    np.testing.assert_array_equal(model.predict(X), refit.predict(X))


def test_more_features_than_rows():
    X, y = noisy(60, 520)
    Cs, cv = [0.01, 1.0], KFold(3)
    model = LinearSVMCV(Cs, cv=cv, tol=1e-9).fit(X, y)
    np.testing.assert_allclose(model.scores_, manual(X, y, Cs, cv), atol=1e-12)


def test_weights_count_in_fits_and_scores():
    X, y = noisy()
    s = np.random.default_rng(1).integers(0, 4, size=len(y)).astype(float)
    Cs, cv = [0.01, 1.0], KFold(3)
    model = LinearSVMCV(Cs, cv=cv, tol=1e-9).fit(X, y, sample_weight=s)
    np.testing.assert_allclose(model.scores_, manual(X, y, Cs, cv, s), atol=1e-12)


def test_a_class_missing_from_a_fold_is_never_right_there():
    X, y = load_iris(return_X_y=True)  # sorted by class, so that plain thirds hold one class each
    model = LinearSVMCV([1.0], cv=KFold(3)).fit(X, y)
    np.testing.assert_array_equal(model.scores_, 0.0)


def test_path_is_sorted_and_ties_take_the_smaller():
    X, y = load_iris(return_X_y=True)
    model = LinearSVMCV([10.0, 9.99, 10.0]).fit(X, y)
    assert model.Cs_.tolist() == [9.99, 10.0]
    assert model.C_ == 9.99
    assert model.scores_.shape == (5, 2)
    np.testing.assert_allclose(check_path(4), [1e-2, 1, 1e2, 1e4])


def test_the_path_costs_fewer_walks_than_cold_fits():
    X, y = noisy(400, 40)
    cv, Cs = StratifiedKFold(5), np.logspace(-1, 3, 9)
    model = LinearSVMCV(Cs, cv=cv).fit(X, y)
    cold = sum(LinearSVM(C).fit(X[train], y[train]).n_passes_ for C in Cs for train, _ in cv.split(X, y))
    assert model.n_passes_ < 0.7 * cold


def test_threads_do_not_change_a_bit():
    X, y = noisy()
    one, three = (LinearSVMCV(3, n_jobs=jobs).fit(X, y) for jobs in (1, 3))
    np.testing.assert_array_equal(one.coef_, three.coef_)
    np.testing.assert_array_equal(one.scores_, three.scores_)


@pytest.mark.parametrize("Cs", [0, [], [1.0, -1.0], [np.nan], "many", True, [[1.0]]])
def test_bad_paths_are_named(Cs):
    X, y = noisy(30)
    with pytest.raises(ValueError, match="LinearSVMCV: Cs="):
        LinearSVMCV(Cs).fit(X, y)


def test_bad_folds_are_named():
    X, y = noisy(40, k=2)
    with pytest.raises(ValueError, match=r"got 1 class\(es\): \[0\]"):
        LinearSVMCV([1.0], cv=[(np.flatnonzero(y == 0), np.flatnonzero(y == 1))]).fit(X, y)
    weights = np.ones(40)
    weights[:13] = 0
    with pytest.raises(ValueError, match="held-out rows all have zero sample_weight"):
        LinearSVMCV([1.0], cv=[(np.arange(13, 40), np.arange(13))]).fit(X, y, sample_weight=weights)
    with pytest.warns(ConvergenceWarning, match="at C=100 "):
        LinearSVMCV([100.0], max_iter=1).fit(X, y)


def test_an_interrupt_leaves_the_estimator_as_it_was(monkeypatch):
    X, y = noisy()
    model = LinearSVMCV(2).fit(X, y)
    before = dict(vars(model))

    def fail(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("featlearn.linear.svm_cv.Fold.accuracy", fail)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X[:, :3], y)
    assert vars(model) == before
