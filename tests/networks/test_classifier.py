"""NetworkClassifier: peers, targets of every kind, weights, seeds, epochs, pickles, wrong input.

Also tests featlearn.networks.network.
Also tests featlearn.networks.forward.
Also tests featlearn.networks.specs.
"""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits, make_blobs
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from featlearn import RBM
from featlearn.networks import Activation, Affine, BatchNorm, Dense, Dropout, NetworkClassifier, Pretrained
from featlearn.training import GradientDescent

X, Y = load_digits(return_X_y=True)
X = (X / 16)[:400]
Y = Y[:400]
NAMES = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])[Y]


def net(layers=None, **settings):
    return NetworkClassifier(layers, **({"max_iter": 3, "tol": 0, "random_state": 0} | settings))


def same(a, b):
    return all(np.array_equal(p, q) for p, q in zip(a.coefs_ + a.intercepts_, b.coefs_ + b.intercepts_, strict=True))


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic"])
def test_a_step_is_that_of_scikit_learn(activation):
    # From the same weights, sgd without momentum on all rows: one update each.
    theirs = MLPClassifier(
        (20, 15), activation=activation, solver="sgd", momentum=0, learning_rate_init=0.5, alpha=0, batch_size=400,
        max_iter=1, shuffle=False, random_state=0,
    )  # fmt: skip
    name = {"logistic": "sigmoid"}.get(activation, activation)
    ours = net([Dense(20, name), Dense(15, name)], solver="sgd", learning_rate=0.5, batch_size=None, max_iter=1)
    ours.fit(X, Y)
    with pytest.warns(ConvergenceWarning):
        theirs.fit(X, Y)
    first = clone(theirs).set_params(learning_rate_init=1e-12)
    with pytest.warns(ConvergenceWarning):
        first.fit(X, Y)
    start = NetworkClassifier.from_pipeline(
        make_pipeline(first), solver="sgd", learning_rate=0.5, batch_size=None, max_iter=1, tol=0
    ).fit(X, Y)
    for W, V in zip(start.coefs_, theirs.coefs_, strict=True):
        np.testing.assert_allclose(W, V, atol=1e-10)


def test_without_hidden_layers_it_is_logistic_regression():
    ours = net([], solver="lbfgs", max_iter=500, weight_decay=1 / (0.1 * 400)).fit(X, Y)
    theirs = LogisticRegression(C=0.1, tol=1e-8, max_iter=2000).fit(X, Y)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=2e-4)
    two = Y < 5
    ours, theirs = net([], solver="lbfgs", max_iter=500, C=0.1).fit(X, two), theirs.fit(X, two)
    np.testing.assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=2e-3)


def test_squared_hinge_and_C_are_a_linear_svm():
    ours = net([], loss="squared_hinge", C=0.01, solver="lbfgs", max_iter=500).fit(X, Y)
    theirs = LinearSVC(C=0.01, tol=1e-8, max_iter=5000, intercept_scaling=1e3).fit(X, Y)
    np.testing.assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=5e-3)


@pytest.mark.parametrize("loss", ["cross_entropy", "squared", "hinge", "squared_hinge"])
@pytest.mark.parametrize("labels", ["names", "two names", "numbers"])
def test_labels_of_every_kind(loss, labels):
    y = {"names": NAMES, "two names": np.where(Y < 5, "low", "high"), "numbers": Y.astype(float) * 3}[labels]
    found = net([Dense(30, "relu")], loss=loss, max_iter=25, learning_rate=0.01, batch_size=50).fit(X, y)
    assert found.score(X, y) > 0.9
    assert found.decision_function(X).shape == ((400,) if labels == "two names" else (400, 10))
    if loss in ("cross_entropy", "squared"):
        p = found.predict_proba(X)
        np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-9)
        assert (found.classes_[p.argmax(axis=1)] == found.predict(X)).all()
    else:
        assert not hasattr(found, "predict_proba")


@pytest.mark.parametrize("loss", ["cross_entropy", "squared", "hinge"])
def test_several_labels_a_row(loss):
    y = np.column_stack([Y % 2, Y > 4, Y == 3])
    found = net([Dense(40, "relu")], loss=loss, max_iter=40, learning_rate=0.01).fit(X, y)
    assert found.predict(X).shape == (400, 3)
    assert (found.predict(X) == y).mean() > 0.95
    if loss == "cross_entropy":
        np.testing.assert_array_equal(found.predict_proba(X) > 0.5, found.predict(X) == 1)


def test_whole_weights_are_repeated_rows():
    weights = np.random.default_rng(0).integers(0, 4, 400)
    given = net([Dense(12, "tanh")], batch_size=None, solver="adam").fit(X, Y, sample_weight=weights)
    repeated = net([Dense(12, "tanh")], batch_size=None).fit(np.repeat(X, weights, axis=0), np.repeat(Y, weights))
    for W, V in zip(given.coefs_, repeated.coefs_, strict=True):
        np.testing.assert_allclose(W, V, atol=1e-10)


def test_class_weights_are_sample_weights():
    rare = np.concatenate([np.flatnonzero(Y == 0)[:4], np.flatnonzero(Y == 1)])
    x, y = X[rare], Y[rare]
    balanced = net(class_weight="balanced", batch_size=None).fit(x, y)
    by_hand = net(batch_size=None).fit(x, y, sample_weight=np.where(y == 0, len(y) / 8, len(y) / (2 * (y == 1).sum())))
    np.testing.assert_allclose(balanced.coefs_[0], by_hand.coefs_[0], atol=1e-12)


def test_same_seed_same_weights_whatever_ran_before():
    layers = [Dense(20), BatchNorm(), Activation("relu"), Dropout(0.3)]
    first = net(layers).fit(X, Y)
    np.random.default_rng(5).normal(size=3)
    np.random.seed(3)  # noqa: NPY002
    assert same(first, net(layers).fit(X, Y))
    assert not same(first, net(layers, random_state=1).fit(X, Y))


@pytest.mark.parametrize(
    "solver", ["adam", GradientDescent("momentum", 0.05, schedule="cosine")], ids=["adam", "cosine"]
)
def test_a_partial_fit_is_one_epoch(solver):
    layers = [Dense(20, "tanh"), BatchNorm(), Dropout(0.2)]
    parts = net(layers, solver=solver, max_iter=4)
    for _ in range(4):
        parts.partial_fit(X, Y)
    assert parts.n_iter_ == 4
    assert len(parts.loss_curve_) == 4
    warm = net(layers, solver=solver, max_iter=4, warm_start=True)
    assert abs(parts.loss_curve_[-1] - warm.fit(X, Y).loss_curve_[-1]) < 0.3


def test_partial_fit_of_all_rows_at_once_is_fit():
    # Without anything drawn, epochs one by one are the epochs of a fit.
    parts, whole = (net([Dense(20, "tanh")], batch_size=None, max_iter=4) for _ in range(2))
    for _ in range(4):
        parts.partial_fit(X, Y)
    whole.fit(X, Y)
    for W, V in zip(parts.coefs_, whole.coefs_, strict=True):
        np.testing.assert_allclose(W, V, atol=1e-12)


def test_classes_to_come():
    found = net().partial_fit(X[Y < 5], Y[Y < 5], classes=range(10)).partial_fit(X, Y)
    assert found.classes_.tolist() == list(range(10))
    with pytest.raises(ValueError, match=r"labels \[7, 8, 9\] that are not among the classes"):
        net().partial_fit(X[Y < 7], Y[Y < 7]).partial_fit(X, Y)


def test_early_stopping_keeps_the_best_epoch():
    found = net([Dense(30, "relu")], early_stopping=True, max_iter=30, n_iter_no_change=4, learning_rate=0.05).fit(X, Y)
    assert found.n_iter_ < 30
    best = found.validation_curve_.argmin()
    again = net([Dense(30, "relu")], early_stopping=True, max_iter=int(best) + 1, learning_rate=0.05).fit(X, Y)
    assert same(found, again)


def test_monitor_of_the_score():
    found = net([Dense(30, "relu")], early_stopping=True, monitor="score", max_iter=10).fit(X, Y)
    assert set(np.round(found.validation_curve_ * 40, 6)) <= set(range(41))  # errors among 40 rows


def test_standardized_inputs_are_those_of_a_scaler():
    scaled = np.ascontiguousarray(StandardScaler().fit_transform(X[:, 2:6]) * 1.0)
    ours = net([Affine(), Dense(5, "tanh")]).fit(X[:, 2:6], Y)
    low = ours.transform(X[:, 2:6], layer="affine-1")
    assert np.abs(np.corrcoef(low.T, scaled.T)[:4, 4:].diagonal() - 1).max() < 1e-6
    assert np.abs(low.mean(axis=0)).max() < 1e-6


def test_transform_gives_any_layer():
    found = net([("first", Dense(20, "relu")), Dropout(0.5), Dense(10, "tanh")]).fit(X, Y)
    first = np.maximum(X @ found.coefs_[0] + found.intercepts_[0], 0)
    second = np.tanh(first @ found.coefs_[1] + found.intercepts_[1])
    np.testing.assert_allclose(found.transform(X, layer="first"), first, atol=1e-9)
    np.testing.assert_allclose(found.transform(X, layer=0), first, atol=1e-9)
    np.testing.assert_allclose(found.transform(X), second, atol=1e-9)
    np.testing.assert_allclose(found.transform(X, layer="output"), found.decision_function(X), atol=1e-9)
    assert found.get_feature_names_out().tolist() == [f"networkclassifier{i}" for i in range(10)]
    with pytest.raises(ValueError, match="no layer 'second'; there are first, dropout-1, dense-1, output"):
        found.transform(X, layer="second")


def test_memmaps_and_sparse_rows_are_rows(tmp_path):
    import scipy.sparse as sp

    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert same(net().fit(X, Y), net().fit(mapped, Y))
    sparse = net().fit(sp.csr_matrix(X), Y)
    assert same(net().fit(X, Y), sparse)
    np.testing.assert_allclose(sparse.predict_proba(sp.csr_matrix(X)), sparse.predict_proba(X), atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept_or_asked_for(dtype):
    found = net([Dense(8, "relu"), BatchNorm()]).fit(X.astype(dtype), Y)
    assert found.coefs_[0].dtype == dtype
    assert found.transform(X.astype(dtype)).dtype == dtype
    assert net(precision="float32").fit(X.astype(dtype), Y).coefs_[0].dtype == np.float32


def test_augmented_batches():
    calls = []

    def blank(x, rng):
        calls.append(len(x))
        x[:, rng.integers(64)] = 0
        return x

    assert same(net(augment=blank).fit(X, Y), net(augment=blank).fit(X, Y))
    assert sum(calls) == 2 * 3 * 400
    assert not same(net(augment=blank).fit(X, Y), net().fit(X, Y))


def test_grid_over_layers_by_name():
    layers = [Dense(10, "sigmoid"), Dropout(0.0), Pretrained(RBM(8, max_iter=1, tol=0))]
    grid = GridSearchCV(
        net(layers),
        {"layers__dense-1__units": [5, 15], "layers__pretrained-1__learner__n_components": [4, 6]},
        cv=2,
        n_jobs=2,
    ).fit(X, Y)
    best = grid.best_estimator_
    assert best.layers[0].units in (5, 15)
    assert best.coefs_[0].shape[1] == best.layers[0].units
    assert best.coefs_[1].shape[1] == best.layers[2].learner.n_components
    lists = GridSearchCV(net(), {"layers": [[Dense(5)], [Dense(5), Dense(5)]]}, cv=2).fit(X, Y)
    assert len(lists.cv_results_["params"]) == 2


def test_clones_leave_the_layers_alone():
    layers = [Dense(10, "relu"), Pretrained(RBM(8))]
    first = net(layers)
    second = clone(first).set_params(**{"layers__dense-1__units": 3})
    assert first.layers[0].units == 10
    assert second.layers[0].units == 3
    assert second.layers[1].learner is not first.layers[1].learner


WITHOUT_KERAS = """
import pickle, sys
sys.modules["keras"] = sys.modules["tensorflow"] = None
net, X, p = pickle.load(open(sys.argv[1], "rb"))
import numpy as np
assert np.array_equal(net.predict_proba(X), p)
net.partial_fit(X, net.predict(X))
print(sorted(m for m in sys.modules if m in ("keras", "tensorflow", "gensim", "matplotlib") and sys.modules[m]))
"""


def test_pickles_load_and_predict_where_keras_is_not(tmp_path):
    found = net([Dense(20), BatchNorm(), Activation("selu"), Dropout(0.2)]).fit(X, NAMES)
    (tmp_path / "net.pkl").write_bytes(pickle.dumps((found, X, found.predict_proba(X))))
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_KERAS, str(tmp_path / "net.pkl")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_interrupted_fits_keep_whole_epochs(monkeypatch):
    class Press:
        def setup(self, estimator, context): ...
        def teardown(self, estimator, context): ...
        def on_fit_task_begin(self, estimator, context): ...

        def on_fit_task_end(self, estimator, context, *, metadata=None):
            if metadata and context.task_id == 2:
                raise KeyboardInterrupt

    found = net(max_iter=50).set_callbacks(Press())
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        found.fit(X, Y)
    assert found.n_iter_ in (2, 3)
    assert found.score(X, Y) > 0.15


def test_a_failed_fit_leaves_all_as_it_was():
    found = net().fit(X, Y)
    before = found.predict_proba(X)
    with pytest.raises(ValueError):
        found.fit(X, np.zeros(400))
    with pytest.raises(ValueError):
        found.set_params(learning_rate=1e30, solver="sgd").fit(X, Y)
    np.testing.assert_array_equal(found.predict_proba(X), before)


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="at least 2 classes; got 1 class"):
        net().fit(X, np.zeros(400))


def test_divergence_names_epoch_rate_and_cure():
    with pytest.raises(ValueError, match=r"diverged in epoch 1.*learning rate 1e\+25.*Lower learning_rate"):
        net([Dense(10, "relu")], solver="sgd", learning_rate=1e25).fit(X, Y)


def test_width_of_a_learner_has_to_fit_the_layer_below():
    rbm = RBM(5, max_iter=1, tol=0).fit(X)
    with pytest.raises(ValueError, match="RBM was fitted on 64 features, and the layer below it gives 10"):
        net([Dense(10, "relu"), Pretrained(rbm)]).fit(X, Y)


@pytest.mark.parametrize(
    ("layers", "told"),
    [
        ([RBM(5)], r"wrap a learner: Pretrained\(learner\)"),
        ([5], "is no layer"),
        ("dense", "a list of layers"),
        ([("a__b", Dense(3))], "a name without '__'"),
        ([("a", Dense(3)), ("a", Dense(3))], "stand for more than one"),
        ([("dense-1", Dense(3)), Dense(3)], "stand for more than one"),
    ],
)
def test_wrong_layers_are_named(layers, told):
    with pytest.raises(ValueError, match=told):
        net(layers).fit(X, Y)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"loss": "log"}, "loss='log'"),
        ({"C": -1}, "C=-1"),
        ({"max_norm": 0}, "max_norm=0"),
        ({"label_smoothing": 2}, "label_smoothing=2"),
        ({"monitor": "accuracy"}, "monitor='accuracy'"),
        ({"precision": "half"}, "precision='half'"),
        ({"frozen": ("dense-9",)}, "frozen names"),
        ({"layer_rates": {"dense-9": 1.0}}, "layer_rates names"),
        ({"early_stopping": True, "solver": "lbfgs"}, "early_stopping=True"),
        ({"augment": 3}, "augment=3"),
    ],
)
def test_wrong_parameters_are_named(settings, told):
    with pytest.raises(ValueError, match=told):
        net(**settings).fit(X, Y)


def test_set_params_names_what_there_is():
    with pytest.raises(ValueError, match="layers has no 'dense-7'; there are dense-1"):
        net([Dense(5)]).set_params(**{"layers__dense-7__units": 3})
    with pytest.raises(ValueError, match="has no 'width'; it has units"):
        net([Dense(5)]).set_params(**{"layers__dense-1__width": 3})


def test_unfitted_networks_say_so():
    for method in ("predict", "predict_proba", "decision_function", "transform"):
        with pytest.raises(NotFittedError):
            getattr(net(), method)(X)


def test_units_that_say_nothing_are_told():
    with pytest.warns(UserWarning, match="of 20 units, 20 are constant"):
        net([Dense(20, "sigmoid", bias_init=30.0)]).fit(X, Y)
    with pytest.warns(UserWarning, match="of 20 units, .* constant"):
        net([Dense(20, "relu", bias_init=-1e3)]).fit(X, Y)


def test_features_that_drown_are_told():
    with pytest.warns(UserWarning, match="less than 1% of the deviation of feature 20"):
        net().fit(X * np.where(np.arange(64) == 20, 1e5, 1), Y)


def test_blobs_by_the_default_network():
    x, y = make_blobs(300, centers=4, random_state=0)
    with pytest.warns(ConvergenceWarning):
        assert NetworkClassifier(random_state=0, max_iter=30).fit(x / 3, y).score(x / 3, y) > 0.75
