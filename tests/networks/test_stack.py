"""Back-propagation by hand against finite differences, automatic gradients, one shard against several."""

import numpy as np
import pytest

from featlearn.networks import Activation, AlphaDropout, BatchNorm, Dense, Dropout, GaussianNoise, Maxout
from featlearn.networks.layers import Affine
from featlearn.networks.losses import Loss
from featlearn.training import Batch, GradientDescent, Memory, minimize, shards
from featlearn.training.shards import NumpyEngine
from tests.networks.stacks import numeric_gradient, stack_of

SOFTMAX = Loss("cross_entropy", "softmax")
X = np.random.default_rng(0).standard_normal((6, 5))
Y = np.array([0, 1, 2, 0, 1, 2])
W = np.array([1.0, 2.0, 0.5, 1.0, 0.0, 1.5])
BATCH = Batch(X, Y, W)

STACKS = {
    "sigmoid, tanh": [Dense(7, "sigmoid"), Dense(6, "tanh"), Dense(3)],
    "relu, leaky": [Dense(7, "relu"), Dense(6, "leaky"), Dense(3)],
    "elu, selu, softplus": [Dense(7, "elu"), Dense(6, "selu"), Dense(5, "softplus"), Dense(3)],
    "no bias": [Dense(7, "tanh", bias=False), Dense(3, bias=False)],
    "batch norm": [Dense(7), BatchNorm(), Activation("relu"), Dense(6, "tanh"), BatchNorm(), Dense(3)],
    "maxout": [*Maxout(4, 3).parts(), *Maxout(5, 2).parts(), Dense(3)],
    "softmax inside": [Dense(7, "softmax"), Dense(6, "tanh"), Dense(3)],
    "scaler": [Affine(), Dense(7, "tanh"), Affine(), Dense(3)],
    "one layer": [Dense(3)],
}


@pytest.mark.parametrize("l1", [0.0, 0.05], ids=["plain", "l1"])
@pytest.mark.parametrize("name", STACKS)
def test_gradient_is_that_of_finite_differences(name, l1):
    stack, params, state = stack_of(STACKS[name], 5, loss_of=SOFTMAX, l1_activity=l1)
    engine = NumpyEngine(stack, 0.0)

    def run(p):
        return engine.value_and_gradient(p, BATCH, [1, 2], state)

    _, grads = run(params)
    expected = numeric_gradient(lambda p: run(p)[0], params)
    assert grads.keys() == params.keys()
    for k in params:
        np.testing.assert_allclose(grads[k], expected[k], atol=2e-8, err_msg=k)


@pytest.mark.parametrize("dropped", [Dropout(0.4), AlphaDropout(0.3), GaussianNoise(0.5)], ids=lambda layer: str(layer))
def test_gradient_through_what_is_drawn(dropped):
    # The same seed draws the same, so differences see one function.
    stack, params, state = stack_of(
        [dropped, Dense(7, "tanh"), dropped, Dense(6, "selu"), dropped, Dense(3)], 5, loss_of=SOFTMAX
    )
    engine = NumpyEngine(stack, 0.0)

    def run(p):
        return engine.value_and_gradient(p, BATCH, [3, 4], state)

    expected = numeric_gradient(lambda p: run(p)[0], params)
    for k, grad in run(params)[1].items():
        np.testing.assert_allclose(grad, expected[k], atol=2e-8, err_msg=k)


@pytest.mark.keras
@pytest.mark.parametrize("name", ["elu, selu, softplus", "batch norm", "maxout", "softmax inside"])
def test_both_engines_have_one_loss_and_one_gradient(name):
    from featlearn.training.keras_steps import KerasEngine

    stack, params, state = stack_of(STACKS[name], 5, np.float32, loss_of=SOFTMAX, l1_activity=0.05)
    batch = Batch(X.astype(np.float32), Y, W.astype(np.float32))
    (loss, grads), (other, automatic) = (
        engine(stack, 0.0).value_and_gradient(params, batch, [1, 2], state) for engine in (NumpyEngine, KerasEngine)
    )
    assert loss == pytest.approx(other, rel=1e-5)
    for k in params:
        np.testing.assert_allclose(grads[k], automatic[k], atol=2e-6, err_msg=k)


@pytest.mark.parametrize("max_norm", [None, 0.8])
@pytest.mark.parametrize("name", ["elu, selu, softplus", "batch norm", "maxout"])
def test_shards_make_the_steps_of_one(monkeypatch, name, max_norm):
    rng = np.random.default_rng(1)
    rows, labels = rng.standard_normal((60, 5)), rng.integers(0, 3, 60)
    learned = []
    for parts in (1, 2, 4):
        monkeypatch.setattr(shards, "n_shards", lambda *a, parts=parts: parts)
        stack, params, state = stack_of(STACKS[name], 5, loss_of=SOFTMAX, max_norm=max_norm, l1_activity=0.01)
        found = minimize(
            stack,
            rows,
            params,
            GradientDescent("adam", 0.05, clip_norm=1.0),
            y=labels,
            rng=np.random.RandomState(0),
            max_iter=3,
            batch_size=20,
            weight_decay=0.01,
            memory=Memory(state=state),
            engine="numpy",
        )
        learned.append(found.params | found.memory.state)
    for other in learned[1:]:
        for k in other:
            np.testing.assert_allclose(other[k], learned[0][k], atol=1e-10, err_msg=k)


def test_max_norm_bounds_the_weights_into_every_hidden_unit():
    layers = [Dense(8, "relu"), Dense(7, "relu"), *Maxout(3, 2).parts(), Dense(3)]
    stack, params, _state = stack_of(layers, 5, loss_of=SOFTMAX, max_norm=0.3)
    found = minimize(
        stack, X, params, GradientDescent("sgd", 1.0), y=Y, rng=np.random.RandomState(0), max_iter=5, engine="numpy"
    )
    lengths = [np.linalg.norm(stack.unstored(i, "W", found.params[f"{i}.W"]), axis=0) for i in (0, 1, 2, 4)]
    assert all(length.max() <= 0.3 * (1 + 1e-9) for length in lengths[:3])
    assert lengths[3].max() > 0.3  # the output is free


def test_layers_that_stand_still_are_state_and_keep_every_bit():
    layers = [Dense(7), BatchNorm(), Activation("tanh"), Dense(6, "tanh"), Dense(3)]
    stack, params, state = stack_of(layers, 5, loss_of=SOFTMAX, frozen=(0, 1))
    assert {"0.W", "0.b", "1.g", "1.mean"} <= state.keys()
    expected = numeric_gradient(
        lambda p: NumpyEngine(stack, 0.0).value_and_gradient(p, BATCH, [1, 2], state)[0], params
    )
    grads = NumpyEngine(stack, 0.0).value_and_gradient(params, BATCH, [1, 2], state)[1]
    for k in params:
        np.testing.assert_allclose(grads[k], expected[k], atol=2e-8)
    found = minimize(
        stack,
        X,
        params,
        GradientDescent("adam", 0.1),
        y=Y,
        rng=np.random.RandomState(0),
        max_iter=3,
        memory=Memory(state=state),
        engine="numpy",
    )
    for k, value in state.items():
        assert np.array_equal(found.memory.state[k], value), k


def test_rates_and_decays_of_layers():
    layers = [Dense(4, "tanh"), Dense(3)]
    stack, params, _ = stack_of(layers, 5, loss_of=SOFTMAX, rates=(0.1, 1.0), decays=(0.0, 2.0))
    _, grads = NumpyEngine(stack, 0.0).value_and_gradient(params, Batch(X, Y), [1, 2], {})
    found = minimize(
        stack,
        X,
        params,
        GradientDescent("sgd", 0.5),
        y=Y,
        rng=np.random.RandomState(0),
        max_iter=1,
        batch_size=None,
        weight_decay=0.3,
        engine="numpy",
    ).params
    np.testing.assert_allclose(found["0.W"], params["0.W"] - 0.05 * grads["0.W"], atol=1e-12)
    np.testing.assert_allclose(found["1.W"], params["1.W"] - 0.5 * (grads["1.W"] + 0.6 * params["1.W"]), atol=1e-12)
    np.testing.assert_allclose(found["1.b"], params["1.b"] - 0.5 * grads["1.b"], atol=1e-12)


def test_rows_held_out_see_no_draws_and_no_batch():
    layers = [Dense(6), BatchNorm(), Dropout(0.5), Dense(3)]
    stack, params, state = stack_of(layers, 5, loss_of=SOFTMAX)
    judged = NumpyEngine(stack.for_evaluation(), 0.0)
    whole = judged.value_and_gradient(params, Batch(X, Y), [1, 2], state)[0]
    single = [judged.value_and_gradient(params, Batch(X[i : i + 1], Y[i : i + 1]), [i, 2], state)[0] for i in range(6)]
    assert whole == pytest.approx(np.mean(single), rel=1e-12)


def test_score_counts_what_is_wrong():
    stack, params, state = stack_of([Dense(3)], 5, loss_of=SOFTMAX, judged="score")
    z = X @ params["0.W"] + params["0.b"]
    found = NumpyEngine(stack.for_evaluation(), 0.0).value_and_gradient(params, Batch(X, Y), [1, 2], state)[0]
    assert found == pytest.approx(np.mean(z.argmax(axis=1) != Y))


def test_dense_layers_go_in_pairs():
    stack, _, _ = stack_of(
        [Dense(4, "relu"), Dropout(), Dense(4, "softmax"), Dense(4, "relu"), Dense(3)], 5, loss_of=SOFTMAX
    )
    assert stack.roles == ("col", "own", "row", "common", "col", "row")
    stack, _, _ = stack_of([Dense(4, "softmax"), Dense(3)], 5, loss_of=SOFTMAX)
    assert stack.roles == ("free", "common", "free")
