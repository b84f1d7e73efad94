"""Layers one by one: known answers, first weights, draws, wrong parameters. Their gradients: test_stack."""

import numpy as np
import pytest
from scipy.special import log_softmax

from featlearn.networks import Activation, AlphaDropout, BatchNorm, Dense, Dropout, GaussianNoise, Maxout
from featlearn.networks.layers import ALL_ACTIVATIONS, Affine, LargestPiece, initial

RNG = np.random.default_rng(0)


def rng():
    return np.random.Generator(np.random.SFC64(0))


def forward(layer, x, params=None, state=None, training=False, seed=None):
    return layer.forward(params or {}, state or {}, np.asarray(x), seed or rng(), training)


REFERENCE = {
    "step": lambda z: (z >= 0).astype(float),
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "linear": lambda z: z,
    "leaky": lambda z: np.where(z > 0, z, 0.01 * z),
    "elu": lambda z: np.where(z > 0, z, np.expm1(z)),
    "selu": lambda z: 1.05070098735548 * np.where(z > 0, z, 1.67326324235438 * np.expm1(z)),
    "softplus": lambda z: np.log1p(np.exp(z)),
    "softmax": lambda z: np.exp(log_softmax(z, axis=1)),
}


@pytest.mark.parametrize("name", ALL_ACTIVATIONS)
def test_activation_functions(name):
    z = RNG.standard_normal((20, 7)) * 3
    np.testing.assert_allclose(forward(Activation(name), z)[0], REFERENCE[name](z), atol=1e-12)


@pytest.mark.keras
@pytest.mark.parametrize("name", ALL_ACTIVATIONS)
def test_activation_functions_of_tensors(name):
    from keras import ops

    z = RNG.standard_normal((20, 7)).astype(np.float32)
    found, _ = Activation(name).apply({}, {}, ops.convert_to_tensor(z), None, False)
    np.testing.assert_allclose(ops.convert_to_numpy(found), REFERENCE[name](z.astype(float)), atol=1e-6)


def test_selu_has_its_fixed_point():
    z = RNG.standard_normal((1000, 1000))
    h = forward(Activation("selu"), z)[0]
    assert h.mean() == pytest.approx(0, abs=4e-3)
    assert h.var() == pytest.approx(1, abs=6e-3)
    ends = forward(Activation("selu"), [[-1.0, -100.0]])[0]
    np.testing.assert_allclose(ends, [[-1.111331, -1.758099]], atol=1e-6)


def test_alpha_dropout_keeps_mean_and_variance():
    x = RNG.standard_normal((1000, 500))
    y = forward(AlphaDropout(0.3), x, training=True)[0]
    assert y.mean() == pytest.approx(0, abs=5e-3)
    assert y.var() == pytest.approx(1, abs=1e-2)
    assert forward(AlphaDropout(0.3), x)[0] is x


def test_dropout_of_three_tenths():
    x = np.ones((400, 50), np.float32)
    y = forward(Dropout(0.3), x, training=True)[0]
    assert np.allclose(np.unique(y), [0, 1.428571], atol=1e-6)
    assert y.dtype == np.float32
    assert (y == 0).mean() == pytest.approx(0.3, abs=0.01)
    assert forward(Dropout(0.3), x)[0] is x
    # Rows and columns are drawn on their own.
    assert np.abs(np.corrcoef((y == 0).T) - np.eye(50)).max() < 0.3


def test_noise_has_its_deviation():
    y = forward(GaussianNoise(0.5), np.zeros((1000, 100)), training=True)[0]
    assert y.std() == pytest.approx(0.5, rel=0.01)
    assert forward(GaussianNoise(0.5), y)[0] is y


def test_batch_norm_by_its_formula():
    x, layer = RNG.standard_normal((8, 3)) * 2 + 1, BatchNorm(momentum=0.8, eps=0.01)
    p = {"g": np.array([1.0, 2.0, 0.5]), "b": np.array([0.0, 1.0, -1.0])}
    s = {"mean": np.array([0.5, 0.0, 1.0]), "variance": np.array([1.0, 2.0, 3.0])}
    y, _, after = forward(layer, x, p, s, training=True)
    np.testing.assert_allclose(y, (x - x.mean(0)) / np.sqrt(x.var(0) + 0.01) * p["g"] + p["b"])
    np.testing.assert_allclose(after["mean"], 0.8 * s["mean"] + 0.2 * x.mean(0))
    np.testing.assert_allclose(after["variance"], 0.8 * s["variance"] + 0.2 * x.var(0))
    y, _, after = forward(layer, x, p, s)
    np.testing.assert_allclose(y, (x - s["mean"]) / np.sqrt(s["variance"] + 0.01) * p["g"] + p["b"])
    assert after is s


@pytest.mark.keras
def test_batch_norm_is_that_of_keras():
    import keras

    x = RNG.standard_normal((8, 3)).astype(np.float32)
    theirs = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-3)
    expected = keras.ops.convert_to_numpy(theirs(x, training=True))
    layer = BatchNorm()
    p, s = layer.first_params((3,), None, np.float32), layer.first_state((3,), np.float32)
    y, _, after = forward(layer, x, p, s, training=True)
    np.testing.assert_allclose(y, expected, atol=1e-5)
    np.testing.assert_allclose(after["variance"], theirs.moving_variance.numpy(), atol=1e-6)


def test_maxout_takes_the_largest_piece():
    x = np.array([[1.0, 5.0, 2.0, -1.0, -1.0, -3.0]])
    y, kept, _ = forward(LargestPiece(3), x)
    assert y.tolist() == [[5.0, -1.0]]
    # A tie goes to the first alone.
    assert LargestPiece(3).backward({}, {}, kept, np.array([[2.0, 3.0]]), {}).tolist() == [[0, 2, 0, 3, 0, 0]]
    assert [type(part).__name__ for part in Maxout(4, 3).parts()] == ["Dense", "LargestPiece"]


def test_a_fitted_scaler():
    y, _, _ = forward(Affine(), [[3.0, 4.0]], {}, {"a": np.array([1.0, 2.0]), "c": np.array([2.0, 0.5])})
    assert y.tolist() == [[4.0, 1.0]]


@pytest.mark.parametrize("draw", ["", "_normal"])
@pytest.mark.parametrize(("init", "variance"), [("glorot", 2 / 700), ("he", 2 / 400), ("lecun", 1 / 400)])
def test_variance_of_first_weights(init, variance, draw):
    W = initial(init + draw, "tanh", 400, 300, np.random.RandomState(0), np.float64)
    assert W.var() == pytest.approx(variance, rel=0.02)
    assert W.mean() == pytest.approx(0, abs=3 * np.sqrt(variance / W.size))


@pytest.mark.parametrize("shape", [(30, 20), (20, 30)])
def test_orthogonal_first_weights(shape):
    W = initial("orthogonal", "tanh", *shape, np.random.RandomState(0), np.float64)
    np.testing.assert_allclose(W.T @ W if shape[0] > shape[1] else W @ W.T, np.eye(20), atol=1e-12)


def test_auto_looks_at_the_activation():
    draws = {
        name: initial("auto", name, 400, 300, np.random.RandomState(0), np.float64).var()
        for name in ("relu", "selu", "tanh", "sigmoid")
    }
    expected = {"relu": 2 / 400, "selu": 1 / 400, "tanh": 2 / 700, "sigmoid": 32 / 700}
    assert draws == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Dense(0), "units=0"),
        (lambda: Dense(2.5), "units=2.5"),
        (lambda: Dense(3, "rleu"), "activation='rleu'"),
        (lambda: Dense(3, init="xavier"), "init='xavier'"),
        (lambda: Activation("gelu"), "function='gelu'"),
        (lambda: Dropout(1.0), "rate=1.0"),
        (lambda: Dropout(-0.1), "rate=-0.1"),
        (lambda: GaussianNoise(-1), "scale=-1"),
        (lambda: BatchNorm(eps=0), "eps=0"),
        (lambda: Maxout(3, 0), "pieces=0"),
    ],
)
def test_wrong_parameters_are_named(make, told):
    with pytest.raises(ValueError, match=told):
        make()


def test_specs_are_values():
    assert Dense(5, "relu") == Dense(5, "relu")
    assert hash(Dense(5)) == hash(Dense(5))
    assert Dense(5) != Dense(6)
