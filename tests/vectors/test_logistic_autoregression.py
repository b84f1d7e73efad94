"""Logistic autoregression against finite differences, scikit-learn's logistic regressions and closed forms."""

import pickle
from itertools import product

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

from featlearn import LogisticAutoregression, accumulate
from featlearn.training import LBFGS, Batch, shards
from featlearn.training.shards import NumpyEngine
from featlearn.vectors.logistic_autoregression import AutoregressionObjective, narrowed

X = np.random.default_rng(0).random((60, 7))
O = AutoregressionObjective()


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def objective_by_hand(params, x):
    """The objective as the header prints it, one prediction at a time; the diagonal of W is never read."""
    W, b, total = params["W"], params["b"], 0.0
    for row, k in product(x, range(x.shape[1])):
        predicted = sigmoid(b[k] + sum(W[k, j] * row[j] for j in range(len(row)) if j != k))
        total -= row[k] * np.log(predicted) + (1 - row[k]) * np.log(1 - predicted)
    return total / len(x)


def started(d=5, dtype=np.float64):
    rng = np.random.default_rng(4)
    W = rng.normal(size=(d, d))
    np.fill_diagonal(W, 0)
    return {"W": W.astype(dtype), "b": rng.normal(size=d).astype(dtype)}


def by_engine(params, x, monkeypatch, parts=1):
    monkeypatch.setattr(shards, "n_shards", lambda *shapes: parts)
    return NumpyEngine(O, 0.0).value_and_gradient(params, Batch(x), [1, 2], {})


def binary(n=200, d=5, seed=0):
    """Binary features that tell of one another."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(n, 1))
    return (rng.normal(size=(n, d)) + common * rng.choice([-2, 2], size=d) > 0).astype(float)


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_gradient_is_that_of_finite_differences(parts, monkeypatch):
    params, x = started(), X[:6, :5]
    loss, grads = by_engine(params, x, monkeypatch, parts)
    assert loss == pytest.approx(objective_by_hand(params, x), rel=1e-12)
    for name, p in params.items():
        for i in np.ndindex(p.shape):
            kept, ends = p[i], []
            for step in (1e-5, -1e-5):
                p[i] = kept + step
                ends.append(objective_by_hand(params, x))
            p[i] = kept
            assert grads[name][i] == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=1e-8)
    assert (np.diag(grads["W"]) == 0).all()


@pytest.mark.keras
def test_automatic_gradient_is_the_same(monkeypatch):
    pytest.importorskip("keras")
    from keras import ops

    from featlearn.kernels.backend import to_numpy, value_and_grad

    params, x = started(), X[:6, :5]
    params["W"][2, 2] = 3.0  # neither reads a diagonal that is not 0, nor moves it
    value, automatic = value_and_grad(O.loss)(
        {k: ops.convert_to_tensor(v) for k, v in params.items()}, Batch(ops.convert_to_tensor(x)), None
    )
    assert float(to_numpy(value)) == pytest.approx(objective_by_hand(params, x), rel=1e-6)
    params["W"][2, 2] = 0.0
    grads = by_engine(params, x, monkeypatch)[1]
    for name, g in grads.items():
        np.testing.assert_allclose(to_numpy(automatic[name]), g, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_each_row_is_scikit_learns_logistic_regression(dtype):
    data, decay = binary().astype(dtype), 0.01
    learner = LogisticAutoregression(solver=LBFGS(tol=1e-9), weight_decay=decay, max_iter=1000).fit(data)
    assert learner.weights_.dtype == learner.transform(data).dtype == dtype
    for k in range(data.shape[1]):
        others = np.arange(data.shape[1]) != k
        peer = LogisticRegression(C=1 / (decay * len(data)), tol=1e-10, max_iter=1000)
        peer.fit(data[:, others].astype(float), data[:, k])
        near = {"atol": 1e-5 if dtype == np.float64 else 2e-3}
        np.testing.assert_allclose(learner.weights_[k, others], peer.coef_[0], **near)
        np.testing.assert_allclose(learner.bias_[k], peer.intercept_[0], **near)
        np.testing.assert_allclose(learner.transform(data)[:, k], peer.predict_proba(data[:, others])[:, 1], **near)
    assert (np.diag(learner.weights_) == 0).all()


def test_values_between_0_and_1_are_as_many_ones_and_zeros():
    data, decay = X[:, :4], 0.05
    learner = LogisticAutoregression(solver=LBFGS(tol=1e-8), weight_decay=decay, max_iter=1000).fit(data)
    for k in range(4):
        others = np.delete(data, k, axis=1)
        peer = LogisticRegression(C=1 / (decay * len(data)), tol=1e-10)
        twice, y = np.concatenate([others, others]), np.repeat([1, 0], len(data))
        peer.fit(twice, y, sample_weight=np.concatenate([data[:, k], 1 - data[:, k]]))
        np.testing.assert_allclose(np.delete(learner.weights_[k], k), peer.coef_[0], atol=1e-5)


def test_two_binary_inputs_have_a_closed_form():
    # p(x0 = 1 | x1) is a share of the rows, told exactly by a weight and a bias
    counts = {(0, 0): 8, (0, 1): 3, (1, 0): 2, (1, 1): 7}
    data = np.array([pair for pair, n in counts.items() for _ in range(n)], float)
    learner = LogisticAutoregression(solver=LBFGS(tol=1e-9), max_iter=500).fit(data)
    codes = learner.transform([[0, 0], [0, 1], [1, 0]])
    np.testing.assert_allclose(codes[:, 0], [2 / 10, 7 / 10, 2 / 10], atol=1e-5)
    np.testing.assert_allclose(codes[:, 1], [3 / 11, 3 / 11, 7 / 9], atol=1e-5)
    shares = [np.log(8 / 10 * 8 / 11), np.log(7 / 10 * 7 / 9)]
    np.testing.assert_allclose(learner.score_samples([[0, 0], [1, 1]]), shares, atol=1e-5)


@pytest.mark.parametrize("solver", ["adam", "adadelta", "momentum"])
def test_every_rule_leaves_the_diagonal_at_0_and_reaches_the_optimum(solver):
    data = binary(d=4)
    settings = {"weight_decay": 0.05, "max_iter": 200, "random_state": 0}
    best = LogisticAutoregression(solver="lbfgs", **settings).fit(data)
    learner = LogisticAutoregression(solver=solver, learning_rate=0.1 if solver != "adadelta" else 5.0, **settings)
    learner.fit(data)
    assert (np.diag(learner.weights_) == 0).all()
    assert learner.loss_curve_[-1] == pytest.approx(best.loss_curve_[-1], rel=0.01 if solver != "adadelta" else 0.05)


@pytest.mark.keras
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_the_engines_agree(solver):
    pytest.importorskip("keras")
    data = binary().astype(np.float32)
    settings = {"solver": solver, "weight_decay": 0.01, "max_iter": 6, "random_state": 0, "learning_rate": 0.05}
    settings["solver"] = LBFGS(tol=0) if solver == "lbfgs" else solver  # 0 asks for no more than max_iter
    with_hand, automatic = (LogisticAutoregression(engine=e, **settings).fit(data) for e in ("numpy", "keras"))
    np.testing.assert_allclose(automatic.weights_, with_hand.weights_, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(automatic.loss_curve_, with_hand.loss_curve_, rtol=1e-4)
    assert (np.diag(automatic.weights_) == 0).all()


def test_same_seed_same_result_however_many_shards(monkeypatch):
    fits = []
    for parts in (1, 1, 3):
        monkeypatch.setattr(shards, "n_shards", lambda *shapes, parts=parts: parts)
        fits.append(LogisticAutoregression(max_iter=5, batch_size=10, learning_rate=0.1, random_state=3).fit(X))
    np.testing.assert_array_equal(fits[0].weights_, fits[1].weights_)
    np.testing.assert_allclose(fits[2].weights_, fits[0].weights_, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(fits[2].loss_curve_, fits[0].loss_curve_, rtol=1e-10)


def test_codes_are_a_sigmoid_layer_of_the_width_of_the_input():
    learner = LogisticAutoregression(learning_rate=0.1, max_iter=20, random_state=0).fit(X)
    assert learner.components_.shape == (7, 7)
    np.testing.assert_array_equal(learner.components_, learner.weights_)
    expected = sigmoid(X @ learner.components_.T + learner.intercept_)
    np.testing.assert_allclose(learner.transform(X), expected, rtol=1e-12)
    np.testing.assert_allclose(learner.reconstruct(X), expected, rtol=1e-12)
    truth = (X * np.log(expected) + (1 - X) * np.log(1 - expected)).sum(axis=1)
    np.testing.assert_allclose(learner.score_samples(X), truth, rtol=1e-12)
    assert learner.score(X) == pytest.approx(truth.mean())
    assert learner.set_params(n_components=7).fit(X).transform(X).shape == X.shape


def test_fewer_units_keep_what_predicts_most():
    data = binary(d=6)
    whole = LogisticAutoregression(solver="lbfgs", weight_decay=0.01).fit(data)
    learner = LogisticAutoregression(2, solver="lbfgs", weight_decay=0.01).fit(data)
    np.testing.assert_array_equal(learner.weights_, whole.weights_)
    matrix = np.column_stack([whole.bias_, whole.weights_])
    layer = np.column_stack([learner.intercept_, learner.components_])
    # Eckart and Young: no two directions leave a smaller rest, and it is the other singular values
    values = np.linalg.svd(matrix, compute_uv=False)
    rest = matrix - np.linalg.lstsq(layer.T, matrix.T, rcond=None)[0].T @ layer
    assert np.linalg.norm(rest) == pytest.approx(np.sqrt((values[2:] ** 2).sum()))
    np.testing.assert_allclose(layer @ layer.T, np.diag(values[:2] ** 2), atol=1e-9)
    np.testing.assert_allclose(learner.transform(data), sigmoid(data @ layer[:, 1:].T + layer[:, 0]))
    np.testing.assert_allclose(learner.reconstruct(data), whole.transform(data))
    assert list(learner.get_feature_names_out()) == ["logisticautoregression0", "logisticautoregression1"]
    signs = narrowed(-whole.weights_, -whole.bias_, 2)[0]
    np.testing.assert_allclose(signs, learner.components_)  # whichever signs the SVD gave


def test_constant_and_duplicate_features_give_finite_numbers():
    data = np.column_stack([binary(d=3), np.zeros(200), np.ones(200), np.full(200, 0.3)])
    data = np.column_stack([data, data[:, 0]])
    for solver in ("adam", "lbfgs"):
        learner = LogisticAutoregression(solver=solver, learning_rate=0.1, max_iter=300, random_state=0)
        codes = learner.fit(data).transform(data)
        assert all(np.isfinite(a).all() for a in (codes, learner.score_samples(data), learner.weights_))
        np.testing.assert_allclose(codes[:, 3:6].mean(axis=0), [0, 1, 0.3], atol=0.03)
        assert (learner.weights_[:, 3] == 0).all()  # what is always 0 tells nothing


def test_saturated_units_have_finite_losses():
    data = np.repeat(binary(d=2), 2, axis=1).astype(np.float32)
    params = {"W": np.zeros((4, 4), np.float32), "b": np.array([1e4, -1e4, 1e30, -1e30], np.float32)}
    loss, grads = NumpyEngine(O, 0.0).value_and_gradient(params, Batch(data), [0, 0], {})
    assert np.isfinite(loss)
    assert all(np.isfinite(g).all() for g in grads.values())


def test_rescaled_data_are_those_of_a_scaler_before():
    from sklearn.preprocessing import MinMaxScaler

    data = X * [1, 5, 1e-3, 100, 1, 2, 1] - [0, 3, 0, 50, 7, -1, 0]
    data[:, 4] = 2.0
    settings = {"learning_rate": 0.1, "max_iter": 20, "weight_decay": 1e-3, "random_state": 0}
    inside = LogisticAutoregression(rescale=True, **settings).fit(data)
    scaler = MinMaxScaler().fit(data)
    before = LogisticAutoregression(**settings).fit(scaler.transform(data))
    for _ in range(2):  # and once more, going on
        np.testing.assert_allclose(inside.loss_curve_, before.loss_curve_, rtol=1e-9)
        np.testing.assert_allclose(inside.transform(data), before.transform(scaler.transform(data)), rtol=1e-9)
        np.testing.assert_allclose(inside.score_samples(data), before.score_samples(scaler.transform(data)), rtol=1e-9)
        back = scaler.inverse_transform(before.reconstruct(scaler.transform(data)))
        np.testing.assert_allclose(inside.reconstruct(data), back, rtol=1e-9)
        inside.set_params(warm_start=True).fit(data)
        before.set_params(warm_start=True).fit(scaler.transform(data))
    narrow = LogisticAutoregression(3, rescale=True, **settings).fit(data)
    same = LogisticAutoregression(3, **settings).fit(scaler.transform(data))
    np.testing.assert_allclose(narrow.transform(data), same.transform(scaler.transform(data)), rtol=1e-8)
    # later rows beyond the ranges count as their ends
    beyond = data.max(axis=0) + 1000 * (np.arange(7) != 4)
    assert narrow.score([beyond]) == pytest.approx(narrow.score([data.max(axis=0)]))


def test_partial_fit_goes_on_and_learns_what_fit_learns():
    parts = LogisticAutoregression(batch_size=None, learning_rate=0.1, random_state=0)
    for _ in range(4):
        parts.partial_fit(X)
    whole = LogisticAutoregression(batch_size=None, learning_rate=0.1, max_iter=4, random_state=0).fit(X)
    np.testing.assert_allclose(parts.weights_, whole.weights_, rtol=1e-12)
    np.testing.assert_allclose(parts.loss_curve_, whole.loss_curve_, rtol=1e-12)


def test_early_stopping_keeps_the_best():
    learner = LogisticAutoregression(early_stopping=True, learning_rate=0.5, n_iter_no_change=3, random_state=0)
    learner.fit(binary(80, 6))
    assert len(learner.validation_curve_) == learner.n_iter_ < 100
    assert learner.validation_curve_.argmin() == len(learner.validation_curve_) - 4


def test_pictures_of_bytes_and_streams():
    pixels = np.uint8(255 * X)
    with pytest.raises(
        ValueError, match=r"LogisticAutoregression: rescale=False needs data in \[0, 1\].*divide pixels"
    ):
        LogisticAutoregression().fit(pixels)
    learner = LogisticAutoregression(rescale=True, learning_rate=0.1, max_iter=20, random_state=0).fit(pixels)
    assert learner.weights_.dtype == np.float32
    chunks = np.concatenate(list(learner.transform(iter([pixels[:20], pixels[20:]]))))
    np.testing.assert_allclose(chunks, learner.transform(pixels), rtol=1e-6)
    total = accumulate(lambda c: learner.score_samples(c).sum(), iter([pixels[:20], pixels[20:]]))
    assert total / 60 == pytest.approx(learner.score(pixels), rel=1e-6)


def test_pickles_and_refuses_by_name():
    learner = LogisticAutoregression(learning_rate=0.1, random_state=0)
    with pytest.raises(NotFittedError):
        learner.transform(X)
    again = pickle.loads(pickle.dumps(learner.fit(X)))
    np.testing.assert_array_equal(again.transform(X), learner.transform(X))
    kept = learner.weights_.copy()
    for data in (X + 1, X - 0.1, 2 * X):
        with pytest.raises(ValueError, match=r"LogisticAutoregression: rescale=False needs data in \[0, 1\]"):
            learner.fit(data)
        with pytest.raises(ValueError, match=r"LogisticAutoregression: the pseudo-likelihood needs data in \[0, 1\]"):
            learner.score(data)
    with pytest.raises(ValueError, match=r"rescale=False needs data in \[0, 1\]"):
        learner.partial_fit(X + 1)
    np.testing.assert_array_equal(learner.weights_, kept)  # as it was
    with pytest.raises(ValueError, match=r"n_components=8 is more than the 7 features.*RBM or an autoencoder"):
        LogisticAutoregression(8).fit(X)
    with pytest.raises(ValueError, match=r"n_features=1, and each feature is predicted from the others"):
        LogisticAutoregression().fit(X[:, :1])
    with pytest.raises(ValueError, match="n_components"):
        LogisticAutoregression(0).fit(X)


def test_codes_that_say_nothing_are_told():
    with pytest.warns(UserWarning, match="LogisticAutoregression: of 7 units, 7 are constant.*Train longer"):
        LogisticAutoregression(max_iter=1, learning_rate=1e-6, random_state=0).fit(X)
