"""LinearSVMCV against a loop of LinearSVM over folds and values of C."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    PredefinedSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from featlearn import LinearSVM, LinearSVMCV
from featlearn.kernels.svm import newton
from featlearn.linear import svm_cv
from featlearn.linear.svm_cv import path_of


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
    Cs = [1e-5, 1e-3, 0.1]
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
    np.testing.assert_allclose(path_of(4), [1e-4, 1e-2, 1, 1e2])
    assert path_of(1).tolist() == [1.0]


def test_the_path_costs_fewer_walks_than_cold_fits():
    X, y = noisy(400, 40)
    cv, Cs = StratifiedKFold(5), np.logspace(-4, 1, 9)
    model = LinearSVMCV(Cs, cv=cv).fit(X, y)
    cold = sum(LinearSVM(C).fit(X[train], y[train]).n_passes_ for C in Cs for train, _ in cv.split(X, y))
    assert model.n_passes_ < 0.7 * cold


def test_threads_do_not_change_a_bit():
    X, y = noisy()
    one, three = (LinearSVMCV(3, n_jobs=jobs).fit(X, y) for jobs in (1, 3))
    np.testing.assert_array_equal(one.coef_, three.coef_)
    np.testing.assert_array_equal(one.scores_, three.scores_)


@pytest.mark.parametrize("Cs", [0, [], [1.0, -1.0], [np.nan], "many", b"many", {1: 2}, True, [[1.0]], [[1.0], 2.0]])
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


def grid(X, y, Cs, cv, sample_weight=None, groups=None, **parameters):
    """Accuracies (n_folds, n_Cs) of scikit-learn's grid search over LinearSVM."""
    folds = list(cv.split(X, y, groups))
    search = GridSearchCV(LinearSVM(tol=1e-9, **parameters), {"C": Cs}, cv=folds, refit=False)
    search.fit(X, y, sample_weight=sample_weight)
    return np.array([search.cv_results_[f"split{i}_test_score"] for i in range(len(folds))])


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 2.0, 1: 0.5, 2: 1.0, 3: 3.0}])
@pytest.mark.parametrize("lost", [[3], [2, 3], [1, 2]])
def test_a_fold_that_lacks_classes_scores_as_a_machine_of_its_rows(lost, class_weight):
    # Fold 0 trains without the lost classes; where two are left it is a machine of two classes.
    X, y = noisy(200, 8, k=4)
    fold = np.random.default_rng(5).integers(0, 3, size=len(y))
    fold[np.isin(y, lost)] = 0
    cv, Cs = PredefinedSplit(fold), [0.01, 1.0, 100.0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = LinearSVMCV(Cs, cv=cv, class_weight=class_weight).fit(X, y)
    np.testing.assert_allclose(model.scores_, grid(X, y, Cs, cv, class_weight=class_weight), atol=1e-12)
    assert np.isfinite(model.coef_).all()
    np.testing.assert_array_equal(model.classes_, np.arange(4))


@pytest.mark.parametrize(("cv", "number"), [(5, None), (KFold(5), 1)])
def test_a_class_of_one_sample_is_named_with_the_fold(cv, number):
    X, y = noisy(60, k=2)
    y = np.where(np.arange(60) == 3, "rare", "usual")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # scikit-learn's, that the least class has one member
        with pytest.raises(ValueError, match=rf"fold {number or '[1-5]'} of 5 .*'rare' has 1 in all.*fewer folds"):
            LinearSVMCV(cv=cv).fit(X, y)
    three = np.where(np.arange(60) % 2, "even", y)
    assert LinearSVMCV([1.0], cv=KFold(5)).fit(X, three).scores_.shape == (5, 1)


@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("classes", [2, 3])
def test_weights_are_repeats_where_copies_stay_together(classes, class_weight):
    X, y = noisy(150, 6, k=classes)
    rng = np.random.default_rng(1)
    s, fold = rng.integers(0, 4, size=len(y)), rng.integers(0, 4, size=len(y))
    groups = rng.integers(0, 12, size=len(y))
    cases = [
        (PredefinedSplit(fold), PredefinedSplit(fold.repeat(s)), None),
        (LeaveOneGroupOut(), LeaveOneGroupOut(), groups),
    ]
    for cv, more, g in cases:
        weighted = LinearSVMCV(8, cv=cv, class_weight=class_weight).fit(X, y, s, groups=g)
        repeated = LinearSVMCV(8, cv=more, class_weight=class_weight)
        repeated.fit(X.repeat(s, axis=0), y.repeat(s), groups=None if g is None else g.repeat(s))
        np.testing.assert_allclose(weighted.scores_, repeated.scores_, atol=1e-12)
        assert weighted.C_ == repeated.C_
        np.testing.assert_allclose(weighted.coef_, repeated.coef_, atol=1e-4)


@pytest.mark.parametrize("weights", [None, "random"])
def test_rows_of_zero_weight_change_nothing(weights):
    X, y = noisy(120, 6)
    s = np.ones(120) if weights is None else np.random.default_rng(2).uniform(0.5, 3, size=120)
    alone = LinearSVMCV(6).fit(X, y, sample_weight=s)
    at = np.sort(np.random.default_rng(0).integers(0, 121, size=40))
    junk = np.random.default_rng(3).integers(0, 3, size=40)
    junk[:3] = [7, 8, 9]  # classes without any weight
    model = LinearSVMCV(6).fit(
        np.insert(X, at, 1e3, axis=0), np.insert(y, at, junk), sample_weight=np.insert(s, at, 0.0)
    )
    np.testing.assert_allclose(model.scores_, alone.scores_, atol=1e-12)
    assert model.C_ == alone.C_
    np.testing.assert_array_equal(model.classes_, alone.classes_)
    np.testing.assert_allclose(model.coef_, alone.coef_, atol=1e-4)


@pytest.mark.parametrize("cv", [GroupKFold(4), LeaveOneGroupOut(), StratifiedGroupKFold(3)])
def test_groups_reach_the_splitter(cv):
    X, y = noisy()
    groups = np.random.default_rng(0).integers(0, 10, size=len(y))
    Cs = [0.01, 1.0]
    model = LinearSVMCV(Cs, cv=cv).fit(X, y, groups=groups)
    np.testing.assert_allclose(model.scores_, grid(X, y, Cs, cv, groups=groups), atol=1e-12)
    in_a_pipeline = make_pipeline(StandardScaler(), LinearSVMCV(Cs, cv=cv)).fit(X, y, linearsvmcv__groups=groups)
    assert in_a_pipeline[-1].scores_.shape == model.scores_.shape
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        LinearSVMCV(Cs, cv=cv).fit(X, y, groups=groups[:-1])


def test_folds_of_masks_and_of_repeated_rows():
    X, y = noisy(90)
    rng, mask = np.random.default_rng(0), np.arange(90) % 3 == 0
    boot = rng.integers(0, 60, size=80)  # rows drawn with replacement count as often as they were drawn
    cv = [(~mask, mask), (boot, np.arange(60, 90)), (np.arange(-90, -30), np.arange(-30, 0))]
    Cs = [0.01, 1.0, 100.0]
    model = LinearSVMCV(Cs, cv=cv, tol=1e-9).fit(X, y)
    expected = [
        [accuracy_score(y[test], LinearSVM(C, tol=1e-9).fit(X[train], y[train]).predict(X[test])) for C in Cs]
        for train, test in cv
    ]
    np.testing.assert_allclose(model.scores_, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("cv", "message"),
    [
        (1, "cv=1 is not valid; pass an integer of at least 2"),
        (True, "cv=True is not valid"),
        (2.5, "cv=2.5 is not valid"),
        ("five", "cv='five' is not valid"),
        (b"five", "cv=b'five' is not valid"),
        ([1, 2], "fold 1 of cv=.* is no pair"),
        ([([0, 999], [1, 2])], "fold 1 of cv=.* is no pair"),
        ([], r"cv=\[\] gives no fold"),
        (50, r"cv=50 asks for 50 stratified folds, but the largest class has \d+ rows"),
    ],
)
def test_bad_cv_is_named(cv, message):
    X, y = noisy(60)
    with pytest.raises(ValueError, match=f"LinearSVMCV: {message}"):
        LinearSVMCV([1.0], cv=cv).fit(X, y)


def test_numpy_scalars_are_parameters():
    X, y = noisy(60)
    plain = LinearSVMCV(3, cv=3, class_weight="balanced").fit(X, y)
    model = LinearSVMCV(np.int64(3), cv=np.int32(3), class_weight=np.str_("balanced"), n_jobs=np.int64(1)).fit(X, y)
    np.testing.assert_array_equal(model.scores_, plain.scores_)
    assert LinearSVMCV(np.float32([1, 10])).fit(X, y).Cs_.dtype == np.float64
    with pytest.raises(ValueError, match="LinearSVMCV: n_jobs=0"):
        LinearSVMCV(n_jobs=0).fit(X, y)


@pytest.mark.parametrize("room", [1, 8 << 20])
def test_sparse_rows_choose_as_dense_ones(room, monkeypatch):
    monkeypatch.setattr(newton, "CHUNK_BYTES", room)
    X, y = noisy(120, 30)
    X[np.abs(X) < 1.5] = 0
    Cs = [0.01, 1.0, 100.0]
    dense, thin = (LinearSVMCV(Cs, tol=1e-9).fit(Z, y) for Z in (X, sparse.csr_array(X)))
    np.testing.assert_allclose(thin.scores_, dense.scores_, atol=1e-12)
    np.testing.assert_allclose(thin.objective_, dense.objective_, rtol=1e-7)


def test_an_interrupt_keeps_the_values_of_c_that_are_whole(monkeypatch):
    X, y = noisy()
    calls, accuracy = [], svm_cv.Fold.accuracy

    def seventh(*arguments):
        calls.append(1)
        if len(calls) == 7:
            raise KeyboardInterrupt
        return accuracy(*arguments)

    monkeypatch.setattr(svm_cv.Fold, "accuracy", seventh)
    with pytest.warns(ConvergenceWarning, match="LinearSVMCV: interrupted.*after 2 iterations"):
        model = LinearSVMCV([0.01, 1.0, 100.0], cv=3).fit(X, y)
    assert model.scores_.shape == (3, 2)
    assert model.C_ in (0.01, 1.0)
    np.testing.assert_allclose(model.coef_, LinearSVM(model.C_).fit(X, y).coef_, atol=1e-4)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_any_folds_agree_with_the_loop(seed):
    rng = np.random.default_rng(seed)
    n, k = int(rng.integers(20, 60)), int(rng.integers(2, 5))
    y, X = rng.permutation(np.arange(n) % k), rng.normal(size=(n, 3))
    X[:, 0] += y
    s, fold = rng.integers(1, 4, size=n).astype(float), rng.integers(0, 3, size=n)
    Cs = [0.1, 10.0]
    model = LinearSVMCV(Cs, cv=PredefinedSplit(fold), tol=1e-9).fit(X, y, sample_weight=s)
    np.testing.assert_allclose(model.scores_, manual(X, y, Cs, PredefinedSplit(fold), s), atol=1e-12)
