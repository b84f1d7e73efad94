"""LinearSVM against liblinear, L-BFGS and its own invariances."""

import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import nnls
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from featlearn import ZCA, Flatten, LinearSVM, LinearSVMCV, RandomPatches, Stage, SumPool
from featlearn.callbacks import EarlyStopping
from featlearn.kernels.svm import newton, newton_systems, newton_table


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
def test_same_optimum_as_liblinear(classes, intercept, class_weight):
    X, y = two_or_three(classes)
    weights = np.random.default_rng(0).uniform(0, 3, size=len(y))
    common = {"fit_intercept": intercept, "class_weight": class_weight, "tol": 1e-10}
    # Some rows of the first class away, so that classes have unequal sizes.
    for C, n, s in ((0.01, 17, None), (1.0, 17, None), (1.0, 40, weights), (30.0, 17, weights)):
        x, labels, s = X[n:], y[n:], s if s is None else s[n:]
        ours = LinearSVM(C, penalize_intercept=True, **common).fit(x, labels, s)
        theirs = LinearSVC(C=C, dual=False, max_iter=100_000, **common).fit(x, labels, s)
        assert ours.coef_.shape == theirs.coef_.shape
        np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-5)
        np.testing.assert_allclose(ours.intercept_, theirs.intercept_ * intercept, atol=1e-5)
        np.testing.assert_allclose(ours.decision_function(x), theirs.decision_function(x), atol=1e-4)


def test_default_parameters_and_a_grid_are_those_of_liblinear():
    assert LinearSVM().C == LinearSVC().C
    X, y = blurred(200, 10)
    grid = {"C": [1e-3, 1e-2, 1.0]}
    ours = GridSearchCV(LinearSVM(penalize_intercept=True, tol=1e-8), grid, cv=3).fit(X, y)
    theirs = GridSearchCV(LinearSVC(dual=False, tol=1e-8), grid, cv=3).fit(X, y)
    np.testing.assert_array_equal(ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"])
    assert ours.best_params_ == theirs.best_params_


@pytest.mark.parametrize("penalize", [True, False])
def test_intercept_penalty(penalize):
    X, y = blurred()
    X = X + 3.0
    model = LinearSVM(10.0 / len(y), penalize_intercept=penalize, tol=1e-15).fit(X, y)
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
    scaled = LinearSVM(0.001, class_weight=class_weight, tol=1e-9).fit(X, y, sample_weight=1000.0 * s)
    np.testing.assert_allclose(weighted.coef_, scaled.coef_, atol=1e-8)


def test_a_class_without_weight_is_no_class():
    X, y = two_or_three(3)
    model = LinearSVM().fit(X, y, sample_weight=(y != 1).astype(float))
    assert model.classes_.tolist() == [0, 2]
    np.testing.assert_allclose(model.coef_, LinearSVM().fit(X[y != 1], y[y != 1]).coef_, atol=1e-6)


def test_float32_stays_and_agrees():
    X, y = load_digits(return_X_y=True)
    X = X[:600] / 16
    wide, narrow = (LinearSVM(0.02).fit(x, y[:600]) for x in (X, X.astype(np.float32)))
    assert narrow.coef_.dtype == narrow.intercept_.dtype == np.float32
    assert narrow.decision_function(X.astype(np.float32)).dtype == np.float32
    assert wide.coef_.dtype == np.float64
    np.testing.assert_allclose(narrow.objective_, wide.objective_, rtol=1e-4)


def test_bytes_are_converted_chunk_by_chunk():
    X, y = load_digits(return_X_y=True)
    small = X.astype(np.uint8)
    ours, reference = (LinearSVM(0.005).fit(x, y) for x in (small, X.astype(np.float32)))
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
    model = LinearSVM(100.0 / len(y)).fit(X, y)
    # The optimum, found in float64 from the centered rows, where the problem is well posed.
    best = LinearSVM(100.0 / len(y), tol=1e-12).fit(X.astype(np.float64) - X.mean(axis=0, dtype=np.float64), y)
    np.testing.assert_allclose(model.objective_, best.objective_, rtol=1e-3)
    assert np.abs(model.coef_[:, -2:]).max() < 1e-4


def test_one_sample_per_class():
    X = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    assert LinearSVM().fit(X, [5, 6, 7]).predict(X).tolist() == [5, 6, 7]
    # Two points at distance 2: w = (u, 0) with the least 1/2 u^2 + 2 C (1 - u)^2, so u = 4 C / (1 + 4 C).
    pair = LinearSVM(5.0, tol=1e-12).fit([[-1.0, 5.0], [1.0, 5.0]], [0, 1])
    np.testing.assert_allclose(pair.coef_, [[20 / 21, 0]], atol=1e-12)
    np.testing.assert_allclose(pair.intercept_, 0, atol=1e-12)


def test_warm_start_along_a_path_equals_cold_starts():
    X, y = blurred()
    model = LinearSVM(warm_start=True, tol=1e-8)
    for C in (0.001, 0.01, 0.1):
        model.set_params(C=C).fit(X, y)
        np.testing.assert_allclose(model.coef_, LinearSVM(C, tol=1e-8).fit(X, y).coef_, atol=1e-5)
    assert model.fit(X, y).n_iter_ == 1
    model.fit(X[:, :5], y)  # another width starts from zero
    assert model.coef_.shape == (4, 5)


def test_convergence_warning_has_numbers():
    X, y = blurred()
    with pytest.warns(ConvergenceWarning, match=r"after 1 of at most max_iter=1 Newton.*C=1 .*Raise max_iter"):
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
        ConvergenceWarning, match=r"stalled at.* C=50 .*objective below [0-9.]+,.*StandardScaler"
    ) as caught:
        LinearSVM(1e4 / len(y)).fit(X, y)
    assert "max_iter" not in str(caught[0].message)


@pytest.mark.parametrize("weight", [-2, float("nan"), float("inf"), "3"])
@pytest.mark.parametrize("model", [LinearSVM(), LinearSVMCV(Cs=2)])
def test_bad_class_weights_are_named(model, weight):
    X, y = two_or_three(2)
    with pytest.raises(ValueError, match=rf"{type(model).__name__}: class_weight={{0: {weight!r}}}.*at least 0"):
        clone(model).set_params(class_weight={0: weight, 1: 1}).fit(X, y)


@pytest.mark.parametrize("scale", [2.0**900, 2.0**-900])
def test_extreme_sample_weights_are_an_extreme_c(scale):
    X, y = blurred()
    s = np.full(len(y), scale)
    np.testing.assert_array_equal(LinearSVM(1 / scale).fit(X, y, s).coef_, LinearSVM().fit(X, y).coef_)
    scores = LinearSVMCV([1 / scale]).fit(X, y, s).scores_
    np.testing.assert_array_equal(scores, LinearSVMCV([1.0]).fit(X, y).scores_)


@pytest.mark.parametrize("model", [LinearSVM(), LinearSVMCV([1.0])])
@pytest.mark.parametrize(("scale", "word"), [(1e308, "large"), (1e-308, "small")])
def test_weights_beyond_float64_are_refused(model, scale, word):
    X, y = blurred()
    with pytest.raises(ValueError, match=f"{type(model).__name__}: C=1 times the sum of .* too {word} for float64"):
        model.fit(X, y, np.full(len(y), scale))


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

    def fail(*args, **kwargs):
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
    search = GridSearchCV(LinearSVM(), {"C": [0.0001, 0.01]}, n_jobs=2, cv=3).fit(X, y)
    assert search.best_params_["C"] in (0.0001, 0.01)
    alone = GridSearchCV(LinearSVM(), {"C": [0.0001, 0.01]}, cv=3).fit(X, y)
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])


def test_callbacks_see_the_objective_and_can_stop():
    X, y = blurred()
    stop = EarlyStopping(monitor="objective", patience=1, tol=0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = LinearSVM(50.0, tol=1e-10).set_callbacks(stop).fit(X, y)
    assert model.n_iter_ < LinearSVM(50.0, tol=1e-10).fit(X, y).n_iter_
    assert stop.stopped_[0][2] == pytest.approx(model.objective_.sum())


FORMATS = ["csr_matrix", "csc_array", "coo_array", "lil_matrix", "dok_array", "bsr_array"]


def sparse_rows(n=90, d=40, k=3, seed=0):
    """TF-IDF-like rows, labels of k classes."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, k, size=n)
    X = sparse.random(n, d, 0.15, format="csr", random_state=seed)
    X = X + sparse.csr_matrix((np.ones(n), (np.arange(n), y)), shape=(n, d))
    flip = rng.random(n) < 0.2
    y[flip] = rng.integers(0, k, size=flip.sum())
    return X, y


@pytest.fixture(params=["small table", "larger than the cache"])
def size(request, monkeypatch):
    """Small rows go through a compiled table; without room for it they take the way of large ones."""
    if request.param != "small table":
        monkeypatch.setattr(newton, "CHUNK_BYTES", 1)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("intercept", [(True, False), (True, True), (False, False)])
def test_sparse_rows_give_the_dense_fit(size, format, classes, intercept):
    X, y = sparse_rows(k=classes)
    parameters = {"fit_intercept": intercept[0], "penalize_intercept": intercept[1], "tol": 1e-10, "C": 30.0 / len(y)}
    dense = LinearSVM(**parameters).fit(X.toarray(), y)
    given = getattr(sparse, format)(X)
    model = LinearSVM(**parameters).fit(given, y)
    np.testing.assert_allclose(model.objective_, dense.objective_, rtol=1e-8)
    np.testing.assert_allclose(model.coef_, dense.coef_, atol=1e-4)
    np.testing.assert_allclose(model.intercept_, dense.intercept_, atol=1e-4)
    np.testing.assert_allclose(model.decision_function(given), model.decision_function(X.toarray()), atol=1e-10)
    assert model.score(given, y) == dense.score(X.toarray(), y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.int64, np.uint8, bool])
def test_sparse_dtypes_and_long_indices(size, dtype):
    X, y = sparse_rows()
    X = (4 * X).astype(dtype)
    dense = LinearSVM(0.03, tol=1e-6).fit(X.toarray().astype(float), y)
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    model = LinearSVM(0.03, tol=1e-6).fit(X, y)
    assert model.coef_.dtype == (np.float32 if dtype == np.float32 else np.float64)
    np.testing.assert_allclose(model.objective_, dense.objective_, rtol=1e-5)
    np.testing.assert_array_equal(model.predict(X), dense.predict(X.toarray()))


def test_sparse_weights_are_repeats_and_classes_have_weights(size):
    X, y = sparse_rows()
    s = np.random.default_rng(0).integers(0, 3, size=len(y))
    repeated = sparse.csr_matrix(X.toarray().repeat(s, axis=0))
    one = LinearSVM(0.3, tol=1e-10, class_weight="balanced").fit(X, y, sample_weight=s)
    other = LinearSVM(0.3, tol=1e-10, class_weight="balanced").fit(repeated, y.repeat(s))
    np.testing.assert_allclose(one.coef_, other.coef_, atol=1e-4)


def test_large_sparse_rows_are_never_dense_and_threads_change_no_bit(monkeypatch):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, size=3000)
    X = sparse.random(3000, 30_000, 0.001, format="csr", random_state=0)  # 720 MB if dense
    X = X + sparse.csr_matrix((np.ones(3000), (np.arange(3000), y)), shape=X.shape)
    before = X.copy()
    for kind in (sparse.csr_matrix, sparse.csc_matrix):
        for name in ("toarray", "todense"):
            monkeypatch.setattr(kind, name, lambda *_, **__: pytest.fail("a dense copy"))
    one, three = LinearSVM(n_jobs=1).fit(X, y), LinearSVM(n_jobs=3).fit(X, y)
    np.testing.assert_array_equal(one.coef_, three.coef_)
    assert one.score(X, y) > 0.9
    for part in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(X, part), getattr(before, part))


def test_sparse_rows_reach_the_optimum_of_liblinear():
    X, y = sparse_rows(400, 2000, k=4)
    for C in (0.025, 1.0, 100.0):
        ours = LinearSVM(C, penalize_intercept=True).fit(X, y)
        theirs = LinearSVC(C=C, tol=1e-8, max_iter=100_000, random_state=0).fit(X, y)
        slack = np.maximum(0, 1 - np.where(y[:, None] == np.arange(4), 1, -1) * theirs.decision_function(X))
        best = 0.5 * (theirs.coef_**2).sum() + 0.5 * (theirs.intercept_**2).sum() + C * (slack**2).sum()
        assert ours.objective_.sum() == pytest.approx(best, rel=1e-4)


def damaged(name):
    X, y = sparse_rows()
    if name.startswith("coo"):
        X = X.tocoo(copy=True)
    elif name.startswith("csc"):
        X = X.tocsc()
    if name == "csr column beyond":
        X.indices[3] = 10**6
    elif name == "csr negative column":
        X.indices[3] = -1
    elif name == "csr end beyond":
        X.indptr[-1] += 100
    elif name == "csr falling ends":
        X.indptr[5] = X.indptr[9]
    elif name == "csr short values":
        X.data = X.data[:-5]
    elif name == "csc row beyond":
        X.indices[0] = 90
    elif name == "coo row beyond":
        X.row = X.row.copy()
        X.row[0] = 90
    return X, y


@pytest.mark.parametrize(
    "name",
    [
        "csr column beyond",
        "csr negative column",
        "csr end beyond",
        "csr falling ends",
        "csr short values",
        "csc row beyond",
        "coo row beyond",
    ],
)
@pytest.mark.parametrize("learner", [LinearSVM(), LinearSVMCV(Cs=2)])
def test_a_damaged_sparse_structure_is_refused(name, learner):
    X, y = damaged(name)
    with pytest.raises(ValueError, match=rf"{type(learner).__name__}: the sparse matrix X .* is damaged"):
        learner.fit(X, y)
    with pytest.raises(ValueError, match="is damaged"):
        clone(learner).fit(*sparse_rows()).predict(X)


def test_duplicates_are_summed_and_unsorted_columns_sorted_in_a_copy():
    X, y = sparse_rows()
    half, order = X.tocoo(), np.random.default_rng(0).permutation(2 * X.nnz)
    data = np.r_[half.data, half.data][order] / 2
    rows, columns = np.r_[half.row, half.row][order], np.r_[half.col, half.col][order]
    by_row = np.argsort(rows, kind="stable")
    indptr = np.searchsorted(rows[by_row], np.arange(len(y) + 1))
    doubled = sparse.csr_matrix((data[by_row], columns[by_row], indptr), shape=X.shape)
    doubled.has_canonical_format = True  # a lie
    before = doubled.indices.copy()
    np.testing.assert_allclose(LinearSVM().fit(doubled, y).coef_, LinearSVM().fit(X, y).coef_, atol=1e-8)
    np.testing.assert_array_equal(doubled.indices, before)


@pytest.mark.parametrize("learner", [LinearSVM(), LinearSVMCV(), ZCA()])
@pytest.mark.parametrize("shape", [(20, 2, 2, 5), (20, 4, 5)])
def test_maps_and_images_hear_of_flatten(learner, shape):
    maps, y = np.ones(shape), np.arange(20) % 2
    with pytest.raises(
        ValueError, match=rf"{type(learner).__name__} .*\({', '.join(map(str, shape))}\).* add Flatten\(\)"
    ):
        learner.fit(maps, y)
    with pytest.raises(ValueError, match=r"lists . deep.*add Flatten\(\)"):
        learner.fit(maps.tolist(), y)


def test_a_stage_without_flatten_says_so():
    images, y = np.random.default_rng(0).random((12, 8, 8)), np.arange(12) % 2
    stage = Stage(RandomPatches(4, random_state=0), patch_size=3, pool=SumPool(2), random_state=0)
    with pytest.raises(ValueError, match=r"LinearSVM .*add Flatten\(\).*make_pipeline"):
        make_pipeline(stage, LinearSVM()).fit(images, y)
    make_pipeline(stage, Flatten(), LinearSVM()).fit(images, y)


def test_numpy_scalars_are_parameters():
    X, y = blurred()
    plain = LinearSVM(2.0, max_iter=50, class_weight="balanced", tol=1e-3).fit(X, y)
    model = LinearSVM(
        C=np.float32(2),
        loss=np.str_("squared_hinge"),
        fit_intercept=np.bool_(True),
        penalize_intercept=np.bool_(False),
        tol=np.float64(1e-3),
        max_iter=np.int64(50),
        class_weight=np.str_("balanced"),
        warm_start=np.bool_(False),
        n_jobs=np.int32(1),
    ).fit(X, y)
    np.testing.assert_array_equal(model.coef_, plain.coef_)
    named = LinearSVM(class_weight={np.str_("a"): np.float32(2.0)}).fit(X, y)
    np.testing.assert_array_equal(named.coef_, LinearSVM(class_weight={"a": 2.0}).fit(X, y).coef_)
    with pytest.raises(ValueError, match=r"LinearSVM: class_weight={'z': 1} names \['z'\], but the classes are"):
        LinearSVM(class_weight={"z": 1}).fit(X, y)
    with pytest.raises(ValueError, match="LinearSVM: n_jobs=0"):
        LinearSVM(n_jobs=0).fit(X, y)


class Interrupt:
    """A callback in whose second iteration the user presses Ctrl-C."""

    max_propagation_depth = None

    def setup(self, estimator, context):
        self.seen = 0

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        self.seen += 1
        if self.seen == 2:
            raise KeyboardInterrupt


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_an_interrupt_keeps_the_best_coefficients(size, kind):
    X, y = sparse_rows()
    X = X.toarray() if kind == "dense" else X
    with pytest.warns(ConvergenceWarning, match="LinearSVM: interrupted.* after 2 iterations") as caught:
        model = LinearSVM(100.0, tol=1e-12).set_callbacks(Interrupt()).fit(X, y)
    assert caught[0].filename == __file__
    assert len(caught) == 1
    assert model.n_iter_ == 2
    slack = np.maximum(0, 1 - np.where(y[:, None] == np.arange(3), 1, -1) * model.decision_function(X))
    np.testing.assert_allclose(model.objective_, 0.5 * (model.coef_**2).sum(1) + 100 * (slack**2).sum(0), rtol=1e-9)
    assert (model.objective_ < 100 * len(y)).all()


def test_warnings_point_at_the_users_line():
    X, y = blurred()
    with pytest.warns(ConvergenceWarning) as caught:
        LinearSVM(max_iter=1).fit(X, y)
    assert caught[0].filename == __file__
    with pytest.warns(ConvergenceWarning) as caught:
        LinearSVMCV([100.0], max_iter=1).fit(X, y)
    assert {warning.filename for warning in caught} == {__file__}


def test_scores_that_overflow_are_refused():
    X, y = blurred()
    model = LinearSVM().fit(X.astype(np.float32), y)
    with pytest.raises(ValueError, match="LinearSVM: the scores overflow float32"), np.errstate(all="ignore"):
        model.predict(np.full((1, X.shape[1]), 3e38, dtype=np.float32))


@pytest.mark.parametrize("scale", [1e-8, 1e6])
@pytest.mark.parametrize("C", [0.003, 30.0])
def test_small_tables_take_the_same_optimum_as_large_ones(scale, C, monkeypatch):
    X, y = blurred(300, 20)
    X = X * np.logspace(0, np.log10(scale), 20) + 3
    small = LinearSVM(C, tol=1e-8, max_iter=500).fit(X, y)
    monkeypatch.setattr(newton, "CHUNK_BYTES", 1)
    large = LinearSVM(C, tol=1e-8, max_iter=500).fit(X, y)
    np.testing.assert_allclose(small.objective_, large.objective_, rtol=1e-6)
    np.testing.assert_allclose(small.decision_function(X), large.decision_function(X), atol=1e-3)


@pytest.mark.filterwarnings("ignore:LinearSVM. the scores hardly")  # of a table of zeros
@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_any_sparse_table_has_the_dense_optimum(seed):
    rng = np.random.default_rng(seed)
    n, d, k = int(rng.integers(4, 40)), int(rng.integers(1, 200)), int(rng.integers(2, 5))
    y = rng.permutation(np.arange(n) % k)
    X = sparse.random(n, d, rng.uniform(0, 0.5), format="csr", random_state=seed % 2**31)
    parameters = {"C": 10.0 ** rng.uniform(-2, 3) / n, "penalize_intercept": bool(rng.integers(2)), "max_iter": 1000}
    dense, thin = (LinearSVM(tol=1e-7, **parameters).fit(Z, y) for Z in (X.toarray(), X))
    np.testing.assert_allclose(thin.objective_, dense.objective_, rtol=1e-5)
    assert np.isfinite(thin.coef_).all()


def least_objective(X, y, C, ones):
    """A lower bound on the optimum: the dual at Lawson and Hanson's active set; ``ones`` is the intercept's column."""
    n, sign = len(X), np.where(y == 1, 1.0, -1.0)
    Z, root = sign[:, None] * np.column_stack([X, np.full(n, ones)]), np.sqrt(1 / (2 * C))
    a = nnls(np.vstack([Z.T, root * np.eye(n)]), np.append(np.zeros(Z.shape[1]), np.full(n, 1 / root)), maxiter=50 * n)[
        0
    ]
    return a.sum() - 0.5 * ((a @ Z) ** 2).sum() - 0.5 * root**2 * (a @ a)


def sharp(name):
    """Rows whose active set is hard to find where C is large: about as many as features, or unscaled."""
    if name == "wine":
        X, y = load_wine(return_X_y=True)
        return X, (y == 1).astype(int)
    n, d = map(int, name.split("x"))
    rng = np.random.default_rng(1)
    X = rng.normal(size=(n, d))
    return X, (X[:, 0] + rng.normal(size=n) > 0).astype(int)


@pytest.mark.parametrize("C", [1e-8, 10.0, 100.0, 1e4, 1e6])
@pytest.mark.parametrize("name", ["100x120", "120x140", "60x300", "150x130", "210x130", "wine"])
def test_a_fit_without_a_warning_is_at_the_optimum(name, C):
    X, y = sharp(name)
    sign = np.where(y == 1, 1.0, -1.0)
    for dtype in (np.float64, np.float32):
        rows = X.astype(dtype).astype(np.float64)
        for penalized, ones in ((True, 1.0), (False, 1e3)):
            with warnings.catch_warnings(record=True) as heard:
                warnings.simplefilter("always")
                warnings.filterwarnings("ignore", "LinearSVM: the scores hardly")  # as C = 1e-8 means
                m = LinearSVM(C=C, penalize_intercept=penalized).fit(X.astype(dtype), y)
            assert not heard or C > 100
            if not heard:
                assert m.objective_[0] <= (1 + 5e-4) * least_objective(rows, y, C, ones)
            if dtype == np.float64:  # rounded to float32, coefficients no longer have the objective of the solver's
                slack = np.maximum(0, 1 - sign * (rows @ m.coef_[0] + m.intercept_[0]))
                reached = 0.5 * (m.coef_[0] @ m.coef_[0] + penalized * m.intercept_[0] ** 2) + C * (slack**2).sum()
                np.testing.assert_allclose(m.objective_[0], reached, rtol=1e-4)


def test_liblinear_finds_no_lower_objective():
    X, y = sharp("250x300")
    for C in (4.0, 40.0):
        ours = LinearSVM(C=C, penalize_intercept=True).fit(X, y)
        peer = LinearSVC(C=C, dual=True, tol=1e-6, max_iter=20_000).fit(X, y)
        slack = np.maximum(0, 1 - np.where(y == 1, 1, -1) * peer.decision_function(X))
        theirs = 0.5 * (peer.coef_[0] @ peer.coef_[0] + peer.intercept_[0] ** 2) + C * (slack**2).sum()
        assert ours.objective_[0] <= (1 + 5e-4) * theirs


@pytest.mark.parametrize("machine", [LinearSVM(), LinearSVMCV(Cs=3)], ids=["LinearSVM", "LinearSVMCV"])
def test_features_too_small_to_matter_are_told(machine):
    X, y = load_iris(return_X_y=True)
    X = X - X.mean(axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        machine.fit(X, y)
    with pytest.warns(UserWarning, match=r"scores hardly depend on the features.*StandardScaler.*raise C="):
        machine.fit(1e-6 * X, y)
