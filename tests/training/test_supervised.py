"""The gradient loop with targets, weights and state: scikit-learn's optimum, finite differences, repeated rows."""

from typing import ClassVar

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from featlearn.fitting import fitting, guarded
from featlearn.training import (
    LBFGS,
    TRAINING_RULES,
    Batch,
    GradientDescent,
    GradientLearnerMixin,
    Memory,
    minimize,
    shards,
)
from featlearn.training.shards import NumpyEngine
from featlearn.validation import integer
from tests.training.supervised import Centered, Perceptron, Regression, Softmax

DIGITS, LABELS = load_digits(return_X_y=True)
X, Y = DIGITS[:240, 10:40] / 16, LABELS[:240]
W = np.random.default_rng(0).integers(0, 4, 240)  # whole weights, zeros among them
NET = Perceptron(12, 10)


def fit(objective, X=X, y=Y, solver=None, dtype=np.float64, params=None, seed=0, **settings):
    params = objective.init(X.shape[1], np.random.RandomState(3), dtype) if params is None else params
    solver = GradientDescent("momentum", 0.1) if solver is None else solver
    settings = {"rng": np.random.RandomState(seed), "max_iter": 3, "batch_size": 50} | settings
    return minimize(objective, X, params, solver, y=y, **settings)


def same(a, b, **tolerance):
    for name, value in a.params.items():
        np.testing.assert_allclose(value, b.params[name], err_msg=name, **tolerance)
    np.testing.assert_allclose(a.loss_curve, b.loss_curve, **tolerance)
    np.testing.assert_allclose(a.validation_curve, b.validation_curve, **tolerance)


def cut(monkeypatch, parts):
    monkeypatch.setattr(shards, "n_shards", lambda params, hidden, size: parts)
    monkeypatch.setattr(shards, "n_threads", lambda: 2)


# --- the examples are right ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("w", [None, W[:20] / W[:20].mean()], ids=["plain", "weighted"])
@pytest.mark.parametrize("objective", [Softmax(10), NET, Centered(12, 10)], ids=lambda o: type(o).__name__)
@pytest.mark.parametrize("parts", [1, 3])
def test_gradients_by_finite_differences(objective, w, parts, monkeypatch):
    cut(monkeypatch, parts)
    rng = np.random.RandomState(0)
    params = {k: v + 0.1 * rng.normal(size=v.shape) for k, v in objective.init(30, rng, np.float64).items()}
    batch = Batch(X[:20], Y[:20], w)
    state = {"s": rng.normal(size=12), "steps": np.zeros((), np.int32)} if isinstance(objective, Centered) else {}
    engine = NumpyEngine(objective, 0.0)
    loss, grads = engine.value_and_gradient(params, batch, [1, 2], state)
    for name, p in params.items():
        for index in np.random.default_rng(1).permutation(list(np.ndindex(p.shape)))[:8]:
            ends = []
            for step in (1e-5, -1e-5):
                moved = {k: v.copy() for k, v in params.items()}
                moved[name][tuple(index)] += step
                ends.append(engine.value_and_gradient(moved, batch, [1, 2], state)[0])
            assert grads[name][tuple(index)] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-5, abs=1e-8)
    one_by_one = [
        engine.value_and_gradient(params, Batch(*row), [1], state)[0]
        for row in zip(X[:20, None], Y[:20, None], strict=True)
    ]
    assert loss == pytest.approx(np.average(one_by_one, weights=w))


@pytest.mark.parametrize("weights", [None, W], ids=["plain", "weighted"])
@pytest.mark.parametrize("kind", ["array", "csr", "memmap"])
def test_lbfgs_reaches_the_optimum_of_scikit_learn(weights, kind, tmp_path):
    """C multiplies a sum there, and intercepts are free there too; labels are whole numbers of any kind."""
    rows, labels, C, n = X[:, :10].copy(), Y % 3, 2.0, 240 if weights is None else W.sum()
    data = sp.csr_matrix(rows) if kind == "csr" else rows
    if kind == "memmap":
        data = np.memmap(tmp_path / "x", X.dtype, "w+", shape=rows.shape)
        data[:] = rows
    settings = {"solver": LBFGS(tol=1e-9), "max_iter": 1000, "weight_decay": 1 / (C * n), "sample_weight": weights}
    trained = fit(Softmax(3), data, labels.astype(np.uint8), **settings)
    peer = LogisticRegression(C=C, tol=1e-9, max_iter=1000).fit(rows, labels, sample_weight=weights)
    b = trained.params["b"]
    np.testing.assert_allclose(trained.params["W"], peer.coef_, atol=1e-4)
    np.testing.assert_allclose(b - b.mean(), peer.intercept_ - peer.intercept_.mean(), atol=1e-4)
    P = peer.predict_proba(rows)[np.arange(240), labels]
    loss = -np.average(np.log(P), weights=weights) + (peer.coef_**2).sum() / (2 * C * n)
    assert trained.loss_curve[-1] == pytest.approx(loss, rel=1e-9)


@pytest.mark.parametrize("shape", [(), (1,), (3,)])
def test_targets_of_one_and_two_dimensions(shape):
    """A weighted ridge regression in closed form, by L-BFGS."""
    rng = np.random.default_rng(2)
    data, y, w = rng.normal(size=(80, 4)), rng.normal(size=(80, *shape)), rng.random(80)
    k = y.reshape(80, -1).shape[1]
    start = {"W": np.zeros((k, 4)), "b": np.zeros(k)}
    trained = fit(
        Regression(), data, y, LBFGS(tol=1e-10), params=start, sample_weight=w, weight_decay=0.3, max_iter=200
    )
    w, y = w / w.sum(), y.reshape(80, -1)
    A, B = data - w @ data, y - w @ y
    expected = np.linalg.solve(A.T @ (w[:, None] * A) + 0.3 * np.eye(4), A.T @ (w[:, None] * B)).T
    np.testing.assert_allclose(trained.params["W"], expected, atol=1e-6)
    np.testing.assert_allclose(trained.params["b"], w @ y - expected @ (w @ data), atol=1e-6)
    loss = 0.5 * (w[:, None] * (B - A @ expected.T) ** 2).sum() + 0.15 * (expected**2).sum()
    assert trained.loss_curve[-1] == pytest.approx(loss)


# --- weights ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", [GradientDescent("adam", 0.01), GradientDescent("sgd", clip_norm=0.1), LBFGS()])
def test_whole_weights_are_repeated_rows(solver):
    held = np.random.default_rng(3).integers(0, 3, 100)
    settings = {"solver": solver, "batch_size": None, "max_iter": 8, "weight_decay": 0.01}
    validation = [None, None]
    if not isinstance(solver, LBFGS):
        more, labels = DIGITS[240:340, 10:40] / 16, LABELS[240:340]
        validation = [(more, labels, held), (np.repeat(more, held, axis=0), np.repeat(labels, held))]
    weighted = fit(NET, sample_weight=W, validation=validation[0], **settings)
    repeated = fit(NET, np.repeat(X, W, axis=0), np.repeat(Y, W), validation=validation[1], **settings)
    same(weighted, repeated, rtol=1e-7, atol=1e-9)
    same(fit(NET, sample_weight=1e-300 * W, validation=validation[0], **settings), weighted, rtol=1e-9, atol=1e-12)


def test_equal_weights_are_none():
    same(fit(NET, sample_weight=np.full(240, 7)), fit(NET), rtol=1e-12)


def test_steps_of_an_epoch_are_repeated_rows_on_average():
    """The mean of the gradients of an epoch's batches is that of all rows; a batch of weights 0 does nothing."""
    weights = np.repeat([0, 0, 1, 3], 60)
    start = Softmax(10).init(30, None, np.float64)
    still = GradientDescent("sgd", 1e-9)
    settings = {"solver": still, "max_iter": 1, "sample_weight": weights, "shuffle": False}
    parts = fit(Softmax(10), batch_size=60, **settings)
    whole = fit(Softmax(10), batch_size=None, **settings)
    move = [(t.params["W"] - start["W"]) / 1e-9 for t in (parts, whole)]
    np.testing.assert_allclose(move[0] / 4, move[1], atol=1e-7)
    np.testing.assert_allclose(parts.loss_curve, whole.loss_curve)
    one_of_three = np.repeat([0, 0, 1], 20)
    settings = {"max_iter": 1, "batch_size": 20, "shuffle": False}
    nothing = fit(Softmax(10), X[:60], Y[:60], sample_weight=one_of_three, **settings)
    one = fit(Softmax(10), X[40:60], Y[40:60], solver=GradientDescent("momentum", 0.3), max_iter=1, batch_size=None)
    np.testing.assert_allclose(nothing.params["W"], one.params["W"])  # its batch weighs 3 times as much


# --- batches, ends, going on --------------------------------------------------------------------------------------


class Recorder(Softmax):
    """Notes the batches it sees; moves nothing."""

    def gradient(self, params, batch, draws, grads):
        seen.append(batch)
        for g in grads.values():
            g[:] = 0
        return 0.0


seen: list[Batch] = []


@pytest.mark.parametrize("chunk", [1, 16 << 20])
@pytest.mark.parametrize("kind", ["array", "csr", "memmap"])
def test_targets_and_weights_are_shuffled_with_their_rows(chunk, kind, tmp_path, monkeypatch):
    monkeypatch.setattr("featlearn.training.loop.CHUNK_BYTES", chunk)
    seen.clear()
    rows = np.arange(1.0, 31)
    data = {"array": rows[:, None], "csr": sp.csr_matrix(rows[:, None])}.get(kind)
    if kind == "memmap":
        data = np.memmap(tmp_path / "x", np.uint8, "w+", shape=(30, 1))
        data[:] = rows[:, None]
    held = (data[:7], 10 * rows[:7], rows[:7])
    trained = fit(Recorder(2), data, 10 * rows, dtype=np.float32, batch_size=8, sample_weight=rows, validation=held)
    assert trained.n_iter == 3
    batches, judged = [b for b in seen if len(b.x) != 7], [b for b in seen if len(b.x) == 7]
    assert [len(b.x) for b in batches] == 3 * [8, 8, 8, 6]
    assert len(judged) == 3
    for batch, mean in [*((b, rows.mean()) for b in batches), *((b, 4) for b in judged)]:
        assert {a.dtype for a in batch} == {np.dtype(np.float32)}
        np.testing.assert_allclose(batch.y, 10 * batch.x[:, 0])
        np.testing.assert_allclose(batch.w, batch.x[:, 0] / mean, rtol=1e-6)
    orders = np.concatenate([b.x[:, 0] for b in batches]).reshape(3, 30)
    np.testing.assert_array_equal(np.sort(orders), np.tile(rows, (3, 1)))
    assert (orders[0] != orders[1]).any()


def test_whole_targets_stay_whole():
    seen.clear()
    fit(Recorder(2), y=Y.astype(np.int16), dtype=np.float32, batch_size=None, max_iter=1)
    assert seen[0].y.dtype == np.int16
    assert seen[0].w is None


def test_validation_is_the_weighted_mean_of_rows_with_their_targets():
    held, labels, w = X[:100] + 0.1, Y[:100], W[:100]
    trained = fit(Softmax(10), validation=(held, labels, w), max_iter=2)
    z = held @ trained.params["W"].T + trained.params["b"]
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    expected = -np.average(log_p[np.arange(100), labels], weights=w)
    assert min(trained.validation_curve) == pytest.approx(expected)


def test_early_stopping_keeps_the_best():
    settings = {"solver": GradientDescent("adam", 0.05), "batch_size": 20, "n_iter_no_change": 3, "max_iter": 60}
    held = (DIGITS[240:340, 10:40] / 16, LABELS[240:340])
    trained = fit(Perceptron(20, 10), X[:60], Y[:60], validation=held, **settings)
    assert trained.n_iter < 60
    best = int(np.argmin(trained.validation_curve))
    assert best < trained.n_iter - 1
    again = fit(Perceptron(20, 10), X[:60], Y[:60], **settings | {"max_iter": best + 1})
    np.testing.assert_array_equal(trained.params["V"], again.params["V"])


def test_early_stopping_keeps_the_state_that_was_judged_with_the_best():
    settings = {"solver": GradientDescent("adam", 0.1), "batch_size": 5, "n_iter_no_change": 3, "max_iter": 60}
    held, labels = DIGITS[240:340, 10:40] / 16, LABELS[240:340]
    trained = fit(Centered(12, 10), X[:60], Y[:60], validation=(held, labels), **settings)
    assert np.argmin(trained.validation_curve) < trained.n_iter - 1
    params, state = trained.params, trained.memory.state
    assert state["steps"] == 12 * (1 + np.argmin(trained.validation_curve))
    z = (np.tanh(held @ params["V"].T + params["a"]) - state["s"]) @ params["W"] + params["b"]
    loss = -np.mean((z - np.log(np.exp(z).sum(axis=1, keepdims=True)))[np.arange(100), labels])
    assert loss == pytest.approx(min(trained.validation_curve))


def test_lbfgs_refuses_rows_held_out():
    with pytest.raises(ValueError, match="Net: validation judges epochs of gradient descent"):
        fit(Softmax(10), solver=LBFGS(), validation=(X, Y), who="Net")


@pytest.mark.parametrize("engine", ["numpy", "keras"])
def test_dropout_is_for_training_alone(engine):
    if engine == "keras":
        pytest.importorskip("keras")
    net, still = Perceptron(12, 10, dropout=0.5), GradientDescent("sgd", 1e-30)
    trained = fit(net, solver=still, engine=engine, validation=(X, Y), batch_size=None)
    assert len(set(trained.loss_curve)) == 3
    np.testing.assert_allclose(trained.validation_curve, trained.validation_curve[0], rtol=1e-12)
    plain = fit(NET, solver=still, engine=engine, batch_size=None, max_iter=1)
    assert trained.validation_curve[0] == pytest.approx(plain.loss_curve[0], rel=1e-6)


@pytest.mark.parametrize("objective", [NET, Centered(12, 10)], ids=lambda o: type(o).__name__)
@pytest.mark.parametrize("engine", ["numpy", pytest.param("keras", marks=pytest.mark.keras)])
def test_two_trainings_in_a_row_are_one_long_one(objective, engine):
    if engine == "keras":
        pytest.importorskip("keras")
    settings = {"shuffle": False, "sample_weight": W, "engine": engine, "solver": GradientDescent("adam", 0.01)}
    whole = fit(objective, max_iter=4, **settings)
    half = fit(objective, max_iter=1, **settings)
    kept = {k: v.copy() for k, v in half.memory.state.items()}
    rest = fit(objective, params=half.params, memory=half.memory, max_iter=3, **settings)
    for name, value in whole.params.items():
        np.testing.assert_allclose(rest.params[name], value, rtol=1e-5, atol=1e-7)
    for name, value in kept.items():
        np.testing.assert_array_equal(half.memory.state[name], value)
        np.testing.assert_allclose(rest.memory.state[name], whole.memory.state[name], rtol=1e-5)


# --- state --------------------------------------------------------------------------------------------------------


def test_the_state_is_what_the_steps_made_of_it():
    """A running mean by hand, over two epochs of batches; rows held out do not move it."""
    objective, still = Centered(12, 10), GradientDescent("sgd", 1e-30)
    trained = fit(objective, solver=still, max_iter=2, shuffle=False, validation=(X[:40] + 1, Y[:40]))
    h, s = np.tanh(X @ trained.params["V"].T + trained.params["a"]), np.zeros(12)
    for batch in 2 * np.split(h, [50, 100, 150, 200]):
        s = 0.8 * s + 0.2 * batch.mean(axis=0)
    np.testing.assert_allclose(trained.memory.state["s"], s)
    assert trained.memory.state["steps"] == 10


@pytest.mark.parametrize("parts", [2, 3])
def test_shards_share_the_state_out(parts, monkeypatch):
    settings = {"sample_weight": W, "validation": (X[:50], Y[:50]), "solver": GradientDescent("sgd", clip_norm=0.2)}
    expected = fit(Centered(12, 10), **settings)
    cut(monkeypatch, parts)
    found = fit(Centered(12, 10), **settings)
    same(found, expected, rtol=1e-9, atol=1e-12)
    for name, value in expected.memory.state.items():
        np.testing.assert_allclose(found.memory.state[name], value, rtol=1e-9)


def test_callbacks_see_a_copy_of_the_state():
    given = []
    trained = fit(Centered(12, 10), on_epoch=lambda metrics, now: given.append(now()), max_iter=2)
    np.testing.assert_array_equal(given[-1][1]["s"], trained.memory.state["s"])
    assert (given[0][1]["s"] != given[1][1]["s"]).all()
    assert given[-1][1]["s"] is not trained.memory.state["s"]


def test_another_objective_leaves_a_state_alone():
    first = fit(Centered(12, 10))
    assert fit(NET, params=first.params, memory=first.memory).memory.state == {}


def test_lbfgs_refuses_a_state():
    with pytest.raises(ValueError, match="Net: L-BFGS needs a loss that depends on the parameters alone"):
        fit(Centered(12, 10), solver=LBFGS(), who="Net")


# --- the other engine ---------------------------------------------------------------------------------------------


@pytest.mark.keras
@pytest.mark.parametrize("objective", [Softmax(10), NET, Centered(12, 10)], ids=lambda o: type(o).__name__)
def test_the_engines_make_the_same_run(objective):
    """34 batches of 7 (one compiled call, two single steps) and a rest of 2, with labels and weights."""
    keras = pytest.importorskip("keras")
    exact = keras.backend.backend() == "tensorflow"  # JAX keeps float32
    dtype = np.float64 if exact else np.float32
    settings = {"dtype": dtype, "batch_size": 7, "sample_weight": W, "weight_decay": 1e-3, "max_iter": 2}
    settings |= {"validation": (X[:70], Y[:70], W[70:140]), "solver": GradientDescent("adam", clip_norm=0.5)}
    hand, automatic = (fit(objective, engine=engine, **settings) for engine in ("numpy", "keras"))
    same(automatic, hand, rtol=1e-8 if exact else 5e-4, atol=1e-10 if exact else 5e-5)
    assert {p.dtype for p in automatic.params.values()} == {np.dtype(dtype)}
    assert hand.memory.state.keys() == automatic.memory.state.keys()
    for name, value in hand.memory.state.items():
        np.testing.assert_allclose(automatic.memory.state[name], value, rtol=1e-8 if exact else 5e-4)
        assert automatic.memory.state[name].dtype == value.dtype


def test_the_engines_give_lbfgs_the_same():
    pytest.importorskip("keras")
    settings = {"solver": LBFGS(), "sample_weight": W, "max_iter": 10}
    same(*(fit(NET, engine=engine, **settings) for engine in ("numpy", "keras")), rtol=1e-4, atol=1e-5)


@pytest.mark.keras
def test_the_engines_agree_on_floats_of_two_dimensions():
    pytest.importorskip("keras")
    y, start = np.random.default_rng(0).normal(size=(240, 3)), {"W": np.zeros((3, 30)), "b": np.zeros(3)}
    settings = {"y": y, "params": start, "solver": GradientDescent("sgd", 0.01), "sample_weight": W}
    same(*(fit(Regression(), engine=engine, **settings) for engine in ("numpy", "keras")), rtol=1e-4, atol=1e-5)


# --- bad input ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"y": Y[:-1]}, r"Net: y has shape \(239,\) and X 240 rows"),
        ({"y": np.array(["a"] * 240)}, "Net: y holds <U1, and targets are numbers"),
        ({"sample_weight": W[:-1]}, r"Net: sample_weight has shape \(239,\)"),
        ({"sample_weight": 1.0}, r"Net: sample_weight has shape \(\)"),
        ({"sample_weight": W - 1}, "Net: sample_weight has to be finite numbers"),
        ({"sample_weight": 0 * W}, "not all of them 0"),
        ({"sample_weight": np.where(W, np.inf, 1)}, "finite"),
        ({"sample_weight": np.ones((240, 1))}, r"numbers \(n,\)"),
        ({"y": np.where(np.arange(240) == 3, np.nan, 1.0)}, "Net: y holds NaN or infinity in 1 places"),
        ({"validation": (X, np.where(Y, np.nan, 1.0))}, "Net: validation: y holds NaN"),
        ({"validation": (X[:0], Y[:0])}, "Net: validation: there are no rows"),
        ({"max_iter": 0}, "Net: max_iter=0 is not valid; pass an integer of at least 1"),
        ({"batch_size": 0}, "Net: batch_size=0 is not valid"),
        ({"validation": (X, Y[:3])}, r"Net: validation: y has shape \(3,\)"),
        ({"validation": (X, Y, 0 * W)}, "Net: validation: sample_weight"),
    ],
)
def test_targets_and_weights_that_do_not_fit_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        fit(NET, who="Net", **settings)


# --- learners -----------------------------------------------------------------------------------------------------


class Classifier(GradientLearnerMixin, ClassifierMixin, BaseEstimator):
    """What `GradientLearnerMixin` leaves to a supervised learner: labels to numbers and back, and the formulas."""

    _rules: ClassVar = TRAINING_RULES | {"n_components": integer(1)}
    solver, engine, weight_decay, tol, n_iter_no_change = "adam", "numpy", 0.0, 0.0, 10

    def __init__(
        self,
        n_components=12,
        *,
        learning_rate=0.01,
        batch_size=50,
        max_iter=5,
        early_stopping=False,
        validation_fraction=0.2,
        warm_start=False,
        random_state=None,
    ):
        self.n_components = n_components
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.warm_start = warm_start
        self.random_state = random_state

    @fitting("max_iter")
    def fit(self, X, y, sample_weight=None):
        self.classes_, y = np.unique(y, return_inverse=True)
        return self._learn(X, y, sample_weight)

    @guarded
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        if not hasattr(self, "classes_"):
            self.classes_ = np.unique(y if classes is None else classes)
        return self._learn_part(X, np.searchsorted(self.classes_, y), sample_weight)

    def _objective(self):
        return Centered(self.n_components, len(self.classes_))

    def _attributes(self, params, state):
        return {**{f"{name}_": value for name, value in params.items()}, "center_": state["s"]}

    def _parameters(self):
        return {name: getattr(self, f"{name}_") for name in ("V", "a", "W", "b")}

    def _state(self):
        return {"s": self.center_, "steps": np.zeros((), np.int32)}

    def predict(self, X):
        return self.classes_[((np.tanh(X @ self.V_.T + self.a_) - self.center_) @ self.W_ + self.b_).argmax(axis=1)]


NAMES = np.array([f"digit {y}" for y in Y])


def test_a_supervised_learner_on_the_mixin():
    learner = Classifier(30, learning_rate=0.03, max_iter=25, random_state=0, warm_start=True).fit(X, NAMES)
    assert learner.score(X, NAMES) > 0.98
    before = learner.loss_curve_[-1]
    assert learner.fit(X, NAMES).loss_curve_[0] < 1.2 * before
    parts = Classifier(30, learning_rate=0.03, random_state=0)
    for _ in range(25):
        parts.partial_fit(X, NAMES)
    assert parts.score(X, NAMES) > 0.98
    assert not any("state" in name for name in vars(parts) if name != "random_state")
    assert parts._memory.state == {}


def test_rows_held_out_take_their_targets_and_weights_along(monkeypatch):
    kept = {}

    def watched(objective, X, params, solver, *, y, sample_weight, validation, **settings):
        kept.update(train=Batch(X, y, sample_weight), held=validation)
        return minimize(
            objective, X, params, solver, y=y, sample_weight=sample_weight, validation=validation, **settings
        )

    monkeypatch.setattr("featlearn.training.learner.minimize", watched)
    weights = np.arange(240.0)  # the first of them is 0, and its row as good as absent
    Classifier(early_stopping=True, random_state=0).fit(X, Y, sample_weight=weights)
    rows = {tuple(x): (y, w) for x, y, w in zip(X, Y, weights, strict=True)}
    assert (len(kept["train"].x), len(kept["held"].x)) == (191, 48)
    for part in kept.values():
        for x, y, w in zip(*part, strict=True):
            assert rows[tuple(x)] == (y, w)
    assert len({*map(tuple, kept["train"].x), *map(tuple, kept["held"].x)}) == 239


def test_whole_weights_of_a_learner_are_repeated_rows():
    settings = {"batch_size": None, "max_iter": 5, "random_state": 0}
    weighted = Classifier(**settings).fit(X, Y, sample_weight=W)
    repeated = Classifier(**settings).fit(np.repeat(X, W, axis=0), np.repeat(Y, W))
    np.testing.assert_allclose(weighted.loss_curve_, repeated.loss_curve_)
    with pytest.raises(ValueError, match="at least one non-zero"):
        Classifier().fit(X, Y, sample_weight=0 * W)


def test_memory_has_one_state_and_shares_none():
    assert Memory().state == {}
    assert Memory().state is not Memory().state
