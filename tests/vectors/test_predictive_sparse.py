"""PredictiveSparse: gradients by finite differences, an encoder that comes near the codes, and good manners."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError

import featlearn
from featlearn.kernels.encoding.sparse_codes import fista, lasso_residual
from featlearn.training import LBFGS, Batch
from featlearn.vectors.predictive_sparse import PredictiveObjective, PredictiveSparse, losses, predicted_codes

EXACT = {"encode_iter": 50_000, "encode_tol": 1e-13}


def small(K=5, d=4, n=7, seed=0, **settings):
    """An objective, parameters of every kind, and rows, in float64."""
    rng = np.random.RandomState(seed)
    objective = PredictiveObjective(K, **({"alpha": 0.2, "beta": 0.7} | EXACT | settings))
    params = objective.init(d, rng, np.float64)
    params["b"] += 0.3 * rng.standard_normal(K)
    params["g"] += 0.3 * rng.standard_normal(K)
    return objective, params, rng.standard_normal((n, d))


def made(n=3000, d=12, seed=0):
    """Samples of a few orthogonal atoms each, and the atoms."""
    rng = np.random.default_rng(seed)
    D = np.linalg.qr(rng.normal(size=(d, d)))[0]
    return (rng.laplace(size=(n, d)) * (rng.random((n, d)) < 0.25) * 1.5) @ D, D


def learner(**more):
    settings = {"n_components": 6, "max_iter": 4, "learning_rate": 0.01, "standardize": False, "random_state": 0}
    return PredictiveSparse(**(settings | more))


# --- formulas ------------------------------------------------------------------------------------------------------


def test_the_loss_is_the_formula_row_by_row():
    _, params, X = small()
    Z = np.random.default_rng(1).normal(size=(7, 5))
    D, W, b, g = (params[name] for name in "DWbg")
    expected = []
    for x, z in zip(X, Z, strict=True):
        p = [g[k] * np.tanh(W[k] @ x + b[k]) for k in range(5)]
        rest = x - sum(z[k] * D[k] for k in range(5))
        expected.append(0.5 * rest @ rest + 0.2 * np.abs(z).sum() + 0.35 * np.sum((z - p) ** 2))
    np.testing.assert_allclose(losses(params, X, Z, 0.2, 0.7), expected)
    np.testing.assert_allclose(predicted_codes(params, X), g * np.tanh(X @ W.T + b))


@pytest.mark.parametrize("K", [3, 10])
def test_the_codes_minimize_the_loss(K):
    objective, params, X = small(K=K)
    Z = objective.codes(params, X)
    wide = np.hstack([X, np.sqrt(0.7) * predicted_codes(params, X)]), np.hstack([params["D"], np.sqrt(0.7) * np.eye(K)])
    assert lasso_residual(*wide, Z, 0.2).max() < 1e-9
    least = losses(params, X, Z, 0.2, 0.7)
    rng = np.random.default_rng(2)
    for scale in (1e-3, 1e-1, 1):
        assert (losses(params, X, Z + scale * rng.normal(size=Z.shape), 0.2, 0.7) > least).all()


@pytest.mark.parametrize("name", ["D", "W", "b", "g"])
def test_gradients_by_finite_differences(name):
    """Of the loss with the codes held still, and of its minimum over the codes: they are the same."""
    objective, params, X = small()
    grads = {key: np.full_like(value, np.nan) for key, value in params.items()}
    Z = objective.codes(params, X)
    loss = objective.gradient(params, Batch(X), None, grads)
    assert loss == pytest.approx(losses(params, X, Z, 0.2, 0.7).mean())
    h = 1e-5
    for index in np.ndindex(params[name].shape):
        held, minimal = [], []
        for step in (h, -h):
            moved = {key: value.copy() for key, value in params.items()}
            moved[name][index] += step
            held.append(losses(moved, X, Z, 0.2, 0.7).mean())
            minimal.append(losses(moved, X, objective.codes(moved, X), 0.2, 0.7).mean())
        assert grads[name][index] == pytest.approx((held[0] - held[1]) / (2 * h), rel=1e-6, abs=1e-8)
        assert grads[name][index] == pytest.approx((minimal[0] - minimal[1]) / (2 * h), rel=1e-4, abs=1e-7)


def test_without_a_prediction_the_codes_are_those_of_the_lasso():
    objective, params, X = small(beta=0.0)
    np.testing.assert_allclose(objective.codes(params, X), fista(X, params["D"], 0.2, 50_000, 1e-13), atol=1e-7)
    grads = {key: np.full_like(value, np.nan) for key, value in params.items()}
    objective.gradient(params, Batch(X), None, grads)
    assert not grads["W"].any()
    assert grads["D"].any()


def test_a_step_of_the_fit_is_the_formula():
    X, _ = made(n=50)
    model = learner(max_iter=1, batch_size=None, solver="sgd", learning_rate=0.5, **EXACT).fit(X)
    objective = model._objective()
    params = objective.init(12, np.random.RandomState(0), np.float64)
    grads = {key: np.empty_like(value) for key, value in params.items()}
    loss = objective.gradient(params, Batch(X), None, grads)
    atoms = params["D"] - 0.5 * grads["D"]
    np.testing.assert_allclose(model.components_, atoms / np.linalg.norm(atoms, axis=1, keepdims=True))
    np.testing.assert_allclose(model.coef_, params["W"] - 0.5 * grads["W"])
    np.testing.assert_allclose(model.intercept_, params["b"] - 0.5 * grads["b"])
    np.testing.assert_allclose(model.gain_, params["g"] - 0.5 * grads["g"])
    assert model.loss_curve_.tolist() == [pytest.approx(loss)]


# --- what is learned -----------------------------------------------------------------------------------------------


def test_predictions_come_near_the_codes_and_atoms_near_the_truth():
    X, D = made()
    model = learner(n_components=12, alpha=0.2, beta=0.5, max_iter=40)
    before = clone(model).set_params(max_iter=1, learning_rate=1e-9).fit(X)

    def nearness(fitted):
        codes = fista(X, fitted.components_, 0.2, 2000, 1e-6)
        return np.corrcoef(fitted.transform(X).ravel(), codes.ravel())[0, 1]

    model.fit(X)
    assert nearness(before) < 0.2
    assert nearness(model) > 0.95
    assert (np.abs(D @ model.components_.T).max(axis=1) > 0.95).sum() >= 10
    assert (np.abs(D @ before.components_.T).max(axis=1) > 0.95).sum() == 0
    np.testing.assert_allclose(np.linalg.norm(model.components_, axis=1), 1)
    assert model.loss_curve_[-1] < 0.4 * model.loss_curve_[0]
    assert model.score(X) > before.score(X)
    assert -model.score(X) == pytest.approx(model.loss_curve_[-1], rel=0.05)


def test_transform_and_back():
    X, _ = made(n=300)
    model = learner().fit(X)
    Z = model.transform(X)
    np.testing.assert_allclose(Z, model.gain_ * np.tanh(X @ model.coef_.T + model.intercept_))
    np.testing.assert_allclose(model.inverse_transform(Z), Z @ model.components_)
    assert model.get_feature_names_out()[-1] == "predictivesparse5"
    stream = np.concatenate(list(model.transform(iter([X[:100], X[100:]]))))
    np.testing.assert_allclose(stream, Z, atol=1e-12)
    assert model.score(iter([X[:100], X[100:]])) == pytest.approx(model.score(X))


def test_dtype_is_kept_and_float32_learns_the_same():
    X, _ = made(n=300)
    model, small = learner(max_iter=1).fit(X), learner(max_iter=1).fit(X.astype(np.float32))
    assert small.components_.dtype == small.transform(X.astype(np.float32)).dtype == np.float32
    assert small.transform(X).dtype == np.float64
    np.testing.assert_allclose(small.components_, model.components_, atol=1e-3)


def test_the_seed_decides_and_threads_do_not(monkeypatch):
    X, _ = made(n=300)
    expected = learner().fit(X)
    assert not np.array_equal(learner(random_state=1).fit(X).components_, expected.components_)
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        monkeypatch.setattr("joblib.cpu_count", lambda: 8)
        again = learner().fit(X)
        np.testing.assert_array_equal(again.components_, expected.components_)
        np.testing.assert_array_equal(again.transform(X), expected.transform(X))


def test_partial_fit_and_warm_start_go_on():
    X, _ = made(n=600)
    batches = learner()
    for _ in range(5):
        batches.partial_fit(X[:300]).partial_fit(X[300:])
    assert batches.n_iter_ == len(batches.loss_curve_) == 10
    assert batches.loss_curve_[-1] < batches.loss_curve_[0]
    warm = learner(warm_start=True).fit(X)
    first = warm.loss_curve_.copy()
    assert warm.fit(X).loss_curve_[0] < first[-1] * 1.05 < first[0]


# --- manners -------------------------------------------------------------------------------------------------------


class Interrupt:
    """A callback that raises after epoch ``epoch``."""

    max_propagation_depth = None

    def __init__(self, epoch):
        self.epoch = epoch

    def setup(self, estimator, context):
        self.seen = 0

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, metadata=None):
        self.seen += bool(metadata and "loss" in metadata)
        if self.seen == self.epoch:
            self.seen += 1
            raise KeyboardInterrupt


def test_an_interrupted_fit_keeps_the_epochs_made():
    X, _ = made(n=200)
    expected = learner(max_iter=3).fit(X)
    model = learner(max_iter=9).set_callbacks(Interrupt(3))
    with pytest.warns(ConvergenceWarning, match="PredictiveSparse: interrupted, so the fit ends after 3 iterations"):
        model.fit(X)
    np.testing.assert_array_equal(model.transform(X), expected.transform(X))
    np.testing.assert_array_equal(model.loss_curve_, expected.loss_curve_)
    assert model.n_iter_ == 3


def test_an_interrupt_before_the_first_epoch_leaves_the_estimator_as_it_was(monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt

    X, _ = made(n=200)
    fitted = learner().fit(X)
    before = fitted.transform(X)
    monkeypatch.setattr(PredictiveObjective, "gradient", interrupted)
    fresh = learner()
    with pytest.raises(KeyboardInterrupt):
        fresh.fit(X)
    with pytest.raises(NotFittedError):
        fresh.transform(X)
    with pytest.raises(KeyboardInterrupt):
        fitted.fit(X[:, :5])
    np.testing.assert_array_equal(fitted.transform(X), before)


def test_pickle_clone_and_early_stopping():
    X, _ = made(n=300)
    fitted = learner().fit(X)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).transform(X), fitted.transform(X))
    np.testing.assert_array_equal(clone(fitted).fit(X).components_, fitted.components_)
    stop = featlearn.EarlyStopping(monitor="loss", patience=1, tol=0.9)
    assert learner(max_iter=50).set_callbacks(stop).fit(X).n_iter_ < 10
    assert len(learner(early_stopping=True).fit(X).validation_curve_) == 4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alpha": -1}, "alpha=-1 is not valid"),
        ({"beta": np.nan}, "beta=nan is not valid"),
        ({"n_components": 0}, "n_components=0 is not valid"),
        ({"encode_iter": 0}, "encode_iter=0 is not valid"),
        ({"engine": "keras"}, "engine='keras' is not possible, since the search for codes has no Keras formula"),
        ({"solver": LBFGS(), "learning_rate": None}, "solver='lbfgs' cannot hold the atoms at unit length"),
    ],
)
def test_bad_parameters_are_named(settings, message):
    X, _ = made(n=300)
    with pytest.raises(ValueError, match=f"PredictiveSparse: {message}"):
        learner(**settings).fit(X)


def test_bad_data_are_named():
    X, _ = made(n=100)
    with pytest.raises(ValueError, match=r"takes codes of 6 columns; got an array of shape \(100, 12\)"):
        learner().fit(X).inverse_transform(X)
    with pytest.raises(ValueError, match="needs them in an array"):
        learner().fit(lambda: iter([X]))
    with pytest.raises(ValueError, match="NaN"):
        learner().fit(np.where(X.max() == X, np.nan, X))
    with pytest.raises(ValueError, match=r"PredictiveSparse: .*squares of float32 numbers overflow"):
        learner().fit((1e25 * X).astype(np.float32))
    for batch_size in (100, 25):  # in the last batch, and with more to come
        with pytest.raises(ValueError, match=r"PredictiveSparse: training diverged in epoch \d"):
            learner(batch_size=batch_size, solver="sgd", learning_rate=1e30).fit(X.astype(np.float32))
