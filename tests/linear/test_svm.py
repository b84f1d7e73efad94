"""LinearSVM against liblinear, L-BFGS and its own invariances."""

import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from featlearn import LinearSVM, LinearSVMCV
from featlearn.callbacks import EarlyStopping
from featlearn.kernels import newton, newton_systems, newton_table


@parametrize_with_checks([LinearSVM(), LinearSVM(penalize_intercept=True, class_weight="balanced")])
def test_scikit_learn(estimator, check):
    check(estimator)


def two_or_three(classes):
    X, y = load_iris(return_X_y=True)
    return (X[:100] + 0.0, y[:100]) if classes == 2 else (X, y)


def blurred(n=200, d=10, k=4, seed=0):
    """Overlapping classes, some features correlated."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, k, size=n)
    X = rng.normal(size=(k, d))[y] + 1.5 * rng.normal(size=(n, d))
    X[:, 1] += 2 * X[:, 0]
    return X, np.array(["a", "b", "c", "d"])[y]


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 3.0, 1: 0.5}])
def test_same_optimum_as_liblinear_with_c_over_n(classes, intercept, class_weight):
    X, y = two_or_three(classes)
    X, y = X[:-17], y[:-17]  # classes of unequal size
    C = 30.0
    ours = LinearSVM(C, fit_intercept=intercept, penalize_intercept=True, class_weight=class_weight, tol=1e-10).fit(
        X, y
    )
    theirs = LinearSVC(C=C / len(X), fit_intercept=intercept, class_weight=class_weight, dual=False, tol=1e-10)
    theirs.set_params(max_iter=100_000).fit(X, y)
    assert ours.coef_.shape == theirs.coef_.shape
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-5)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_ * intercept, atol=1e-5)
    np.testing.assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=1e-4)


def test_c_multiplies_the_mean_not_the_sum():
    X, y = two_or_three(2)
    ours = LinearSVM(1.0, penalize_intercept=True, tol=1e-10).fit(X, y)
    as_sum = LinearSVC(C=1.0, dual=False, tol=1e-10).fit(X, y)
    assert np.linalg.norm(ours.coef_) < 0.7 * np.linalg.norm(as_sum.coef_)


@pytest.mark.parametrize("penalize", [True, False])
def test_intercept_penalty(penalize):
    X, y = blurred()
    X = X + 3.0
    model = LinearSVM(10.0, penalize_intercept=penalize, tol=1e-15).fit(X, y)
    for j, label in enumerate(model.classes_):
        sign = np.where(y == label, 1, -1)
        slack = np.maximum(0, 1 - sign * (X @ model.coef_[j] + model.intercept_[j]))
        # At the optimum the derivative by the intercept vanishes: b - 2 C mean(y m), or without the b.
        assert penalize * model.intercept_[j] - 20.0 * np.mean(sign * slack) == pytest.approx(0, abs=1e-6)
        value = 0.5 * np.sum(model.coef_[j] ** 2) + penalize * 0.5 * model.intercept_[j] ** 2 + 10 * np.mean(slack**2)
        assert model.objective_[j] == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("classes", [2, 3])
def test_weights_are_repeats(classes, class_weight):
    X, y = two_or_three(classes)
    s = np.random.default_rng(0).integers(0, 4, size=len(y))
    weighted = LinearSVM(class_weight=class_weight, tol=1e-9).fit(X, y, sample_weight=s)
    repeated = LinearSVM(class_weight=class_weight, tol=1e-9).fit(X.repeat(s, axis=0), y.repeat(s))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, atol=1e-8)
    np.testing.assert_allclose(weighted.intercept_, repeated.intercept_, atol=1e-8)
    scaled = LinearSVM(class_weight=class_weight, tol=1e-9).fit(X, y, sample_weight=1000.0 * s)
    np.testing.assert_allclose(weighted.coef_, scaled.coef_, atol=1e-8)


def test_a_class_without_weight_is_no_class():
    X, y = two_or_three(3)
    model = LinearSVM().fit(X, y, sample_weight=(y != 1).astype(float))
    assert model.classes_.tolist() == [0, 2]
    np.testing.assert_allclose(model.coef_, LinearSVM().fit(X[y != 1], y[y != 1]).coef_, atol=1e-6)


def test_float32_stays_and_agrees():
    X, y = load_digits(return_X_y=True)
    X = X[:600] / 16
    wide, narrow = LinearSVM(10.0).fit(X, y[:600]), LinearSVM(10.0).fit(X.astype(np.float32), y[:600])
    assert narrow.coef_.dtype == narrow.intercept_.dtype == np.float32
    assert narrow.decision_function(X.astype(np.float32)).dtype == np.float32
    assert wide.coef_.dtype == np.float64
    np.testing.assert_allclose(narrow.objective_, wide.objective_, rtol=1e-4)


def test_bytes_are_converted_chunk_by_chunk():
    X, y = load_digits(return_X_y=True)
    small = X.astype(np.uint8)
    ours, reference = LinearSVM(10.0).fit(small, y), LinearSVM(10.0).fit(X.astype(np.float32), y)
    assert ours.coef_.dtype == np.float32
    np.testing.assert_allclose(ours.objective_, reference.objective_, rtol=1e-4)
    np.testing.assert_allclose(
        ours.decision_function(small), ours.decision_function(X.astype(np.float32)), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("wide", [False, True])
def test_read_only_memmap_equals_array_and_is_not_copied(tmp_path, wide, monkeypatch):
    monkeypatch.setattr(newton, "CHUNK_BYTES", 1 << 14)
    X, y = blurred(300, 600 if wide else 20)
    X = X.astype(np.float32)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    reference, model = LinearSVM().fit(X, y), LinearSVM().fit(mapped, y)
    np.testing.assert_array_equal(model.coef_, reference.coef_)
    np.testing.assert_array_equal(model.decision_function(mapped), reference.decision_function(X))


@pytest.mark.parametrize(("n", "d"), [(700, 40), (150, 600)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_threads_do_not_change_a_bit(n, d, dtype, monkeypatch):
    monkeypatch.setattr(newton, "CHUNK_BYTES", 1 << 14)
    monkeypatch.setattr(newton_systems, "TILE", 16 if d < 100 else 64)
    X, y = blurred(n, d)
    X = X.astype(dtype)
    one, three = LinearSVM(n_jobs=1).fit(X, y), LinearSVM(n_jobs=3).fit(X, y)
    np.testing.assert_array_equal(one.coef_, three.coef_)
    np.testing.assert_array_equal(one.intercept_, three.intercept_)


def test_chunks_change_rounding_only(monkeypatch):
    X, y = blurred(500, 30)
    whole = LinearSVM(tol=1e-9).fit(X, y)
    monkeypatch.setattr(newton, "CHUNK_BYTES", 1)
    np.testing.assert_allclose(LinearSVM(tol=1e-9).fit(X, y).coef_, whole.coef_, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_unscaled_and_constant_features(dtype):
    X, y = blurred()
    X = np.hstack([X, np.full((len(X), 1), 7.0), np.zeros((len(X), 1))])
    X[:, 2] = 1e4 * X[:, 2] + 1e5
    X[:, 3] *= 1e-3
    X = X.astype(dtype)
    model = LinearSVM(100.0).fit(X, y)
    # The optimum, found in float64 from the centered rows, where the problem is well posed.
    best = LinearSVM(100.0, tol=1e-12).fit(X.astype(np.float64) - X.mean(axis=0, dtype=np.float64), y)
    np.testing.assert_allclose(model.objective_, best.objective_, rtol=1e-3)
    assert np.abs(model.coef_[:, -2:]).max() < 1e-4


def test_one_sample_per_class():
    X = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    assert LinearSVM().fit(X, [5, 6, 7]).predict(X).tolist() == [5, 6, 7]
    # Two points at distance 2: w = (u, 0) with the least 1/2 u^2 + C (1 - u)^2, so u = 2 C / (1 + 2 C).
    pair = LinearSVM(10.0, tol=1e-12).fit([[-1.0, 5.0], [1.0, 5.0]], [0, 1])
    np.testing.assert_allclose(pair.coef_, [[20 / 21, 0]], atol=1e-12)
    np.testing.assert_allclose(pair.intercept_, 0, atol=1e-12)


def test_warm_start_along_a_path_equals_cold_starts():
    X, y = blurred()
    model = LinearSVM(warm_start=True, tol=1e-8)
    for C in (0.1, 1.0, 10.0):
        model.set_params(C=C).fit(X, y)
        np.testing.assert_allclose(model.coef_, LinearSVM(C, tol=1e-8).fit(X, y).coef_, atol=1e-5)
    assert model.fit(X, y).n_iter_ == 1
    model.fit(X[:, :5], y)  # another width starts from zero
    assert model.coef_.shape == (4, 5)


def test_convergence_warning_has_numbers():
    X, y = blurred()
    with pytest.warns(ConvergenceWarning, match=r"after 1 of at most max_iter=1 Newton.*C=100.*Raise max_iter"):
        LinearSVM(max_iter=1).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LinearSVM(tol=1e-14).fit(X.astype(np.float32), y)  # beyond float32: ends quietly at its precision


def pixels():
    """Few rows of raw pixels, neighbors alike."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, size=80)
    walk = np.cumsum(rng.normal(size=(4, 900))[y] + rng.normal(size=(80, 900)), axis=1)
    return np.round(255 * (walk - walk.min()) / np.ptp(walk)), y


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_raw_pixels_of_few_rows_reach_the_optimum(dtype):
    X, y = pixels()
    reference, model = LinearSVM().fit(X, y), LinearSVM().fit(X.astype(dtype), y)
    assert model.coef_.dtype == np.float32
    np.testing.assert_allclose(model.objective_, reference.objective_, rtol=1e-4)
    assert model.n_iter_ <= reference.n_iter_ + 2
    assert model.score(X.astype(dtype), y) == 1.0
    again = LinearSVM(warm_start=True).fit(X.astype(dtype), y)
    assert again.fit(X.astype(dtype), y).n_iter_ <= 3
    np.testing.assert_allclose(again.objective_, reference.objective_, rtol=1e-4)


def test_a_stalled_fit_says_so_and_does_not_advise_more_iterations(monkeypatch):
    monkeypatch.setattr(newton, "CHUNK_BYTES", 1)  # no small table, which is float64
    X, y = blurred()
    X = (X + 1e7).astype(np.float32)  # float32 has no digits left to tell the rows apart
    with pytest.warns(
        ConvergenceWarning, match=r"stalled at.* C=10000 .*objective below [0-9.]+,.*StandardScaler"
    ) as caught:
        LinearSVM(1e4).fit(X, y)
    assert "max_iter" not in str(caught[0].message)


@pytest.mark.parametrize("weight", [-2, float("nan"), float("inf"), "3"])
@pytest.mark.parametrize("model", [LinearSVM(), LinearSVMCV(Cs=2)])
def test_bad_class_weights_are_named(model, weight):
    X, y = two_or_three(2)
    with pytest.raises(ValueError, match=rf"{type(model).__name__}: class_weight={{0: {weight!r}}}.*at least 0"):
        clone(model).set_params(class_weight={0: weight, 1: 1}).fit(X, y)


@pytest.mark.parametrize("scale", [1e308, 1e-308])
def test_extreme_sample_weights_of_one_size_change_nothing(scale):
    X, y = blurred()
    s = np.full(len(y), scale)
    np.testing.assert_array_equal(LinearSVM().fit(X, y, s).coef_, LinearSVM().fit(X, y).coef_)
    scores = LinearSVMCV([1.0]).fit(X, y, s).scores_
    np.testing.assert_array_equal(scores, LinearSVMCV([1.0]).fit(X, y).scores_)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"C": 0}, "C=0 .*greater than 0"),
        ({"C": "large"}, "C='large'"),
        ({"loss": "hinge"}, "loss='hinge'.*'squared_hinge'"),
        ({"fit_intercept": 1}, "fit_intercept=1"),
        ({"penalize_intercept": None}, "penalize_intercept=None"),
        ({"tol": 0}, "tol=0"),
        ({"max_iter": 0}, "max_iter=0"),
        ({"class_weight": "even"}, "class_weight='even'"),
        ({"warm_start": "yes"}, "warm_start='yes'"),
        ({"n_jobs": 1.5}, "n_jobs=1.5"),
    ],
)
def test_bad_parameters_are_named(parameters, message):
    X, y = blurred()
    with pytest.raises(ValueError, match=message):
        LinearSVM(**parameters).fit(X, y)


def test_bad_input_is_named():
    X, y = blurred(20)
    with pytest.raises(ValueError, match=r"got 1 class\(es\): \['a'\]"):
        LinearSVM().fit(X, ["a"] * 20)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        LinearSVM().fit(X, y[:-1])
    with pytest.raises(ValueError, match=r"sample_weight has shape \(3,\).*\(20,\)"):
        LinearSVM().fit(X, y, sample_weight=[1, 2, 3])
    with pytest.raises(ValueError, match=r"least is -1.0"):
        LinearSVM().fit(X, y, sample_weight=np.r_[-1, np.ones(19)])
    with pytest.raises(ValueError, match="NaN"):
        LinearSVM().fit(np.where(X > 0, X, np.nan), y)
    with pytest.raises(TypeError, match=r"array or an np\.memmap"):
        LinearSVM().fit(iter([X]), y)
    with pytest.raises(ValueError, match="9 features"):
        LinearSVM().fit(X, y).predict(X[:, :9])


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_a_fit_cut_short_leaves_the_estimator_as_it_was(error, monkeypatch):
    X, y = blurred()
    model = LinearSVM().fit(X, y)
    before = pickle.dumps(model)

    def fail(*args):
        raise error

    monkeypatch.setattr(newton_table.Table, "descend", fail)
    with pytest.raises(error):
        model.fit(X[:, :4], y)
    assert pickle.dumps(model) == before


def test_clone_pickle_and_search():
    X, y = blurred()
    model = LinearSVM(3.0).fit(X, y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))
    assert clone(model).get_params() == model.get_params()
    search = GridSearchCV(LinearSVM(), {"C": [0.01, 1.0]}, n_jobs=2, cv=3).fit(X, y)
    assert search.best_params_["C"] in (0.01, 1.0)
    alone = GridSearchCV(LinearSVM(), {"C": [0.01, 1.0]}, cv=3).fit(X, y)
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])


def test_callbacks_see_the_objective_and_can_stop():
    X, y = blurred()
    stop = EarlyStopping(monitor="objective", patience=1, tol=0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = LinearSVM(1e4, tol=1e-10).set_callbacks(stop).fit(X, y)
    assert model.n_iter_ < LinearSVM(1e4, tol=1e-10).fit(X, y).n_iter_
    assert stop.stopped_[0][2] == pytest.approx(model.objective_.sum())
