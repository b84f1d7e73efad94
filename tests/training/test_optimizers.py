"""Update rules against two steps by hand and against Keras' own optimizers; Keras' backends behind one face."""

import numpy as np
import pytest

from featlearn.kernels.backend import to_numpy
from featlearn.training.optimizers import RULES, tensor_rule, update

R, M, Q, E = 0.1, 0.8, 0.9, 1e-3
B1, B2 = 0.9, 0.99
P0, G1, G2 = 1.0, 2.0, -0.5


def constants(rule, step):
    if rule == "adam":
        return [R / (1 - B1**step), B1, 1 - B1, B2, 1 - B2, 1 / (1 - B2**step), E]
    return {"momentum": [R, M], "nesterov": [R, M], "rmsprop": [R, Q, 1 - Q, E], "adadelta": [R, Q, 1 - Q, E]}.get(
        rule, [R, E]
    )


def by_hand(rule):
    """P after the gradients G1 and G2, number by number from the papers."""
    if rule == "sgd":
        return P0 - R * G1 - R * G2
    if rule == "momentum":
        v1 = -R * G1
        v2 = M * v1 - R * G2
        return P0 + v1 + v2
    if rule == "nesterov":  # Sutskever's momentum with the weights written where the gradient is taken
        v1 = -R * G1
        v2 = M * v1 - R * G2
        return P0 + M * v1 - R * G1 + M * v2 - R * G2
    if rule == "adagrad":
        return P0 - R * G1 / (2.0 + E) - R * G2 / (np.sqrt(4.25) + E)
    if rule == "rmsprop":
        a1 = 0.1 * 4.0
        a2 = 0.9 * a1 + 0.1 * 0.25
        return P0 - R * G1 / (np.sqrt(a1) + E) - R * G2 / (np.sqrt(a2) + E)
    if rule == "adadelta":
        a1 = 0.1 * 4.0
        u1 = 2.0 * np.sqrt(E) / np.sqrt(a1 + E)
        b1 = 0.1 * u1**2
        a2 = 0.9 * a1 + 0.1 * 0.25
        u2 = -0.5 * np.sqrt(b1 + E) / np.sqrt(a2 + E)
        return P0 - R * u1 - R * u2
    m1, v1 = 0.1 * G1, 0.01 * G1**2
    m2, v2 = 0.9 * m1 + 0.1 * G2, 0.99 * v1 + 0.01 * G2**2
    first = (m1 / 0.1) / (np.sqrt(v1 / 0.01) + E)
    second = (m2 / (1 - 0.81)) / (np.sqrt(v2 / (1 - 0.9801)) + E)
    return P0 - R * first - R * second


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("rule", RULES)
def test_two_steps_by_hand(rule, dtype):
    p = np.full((2, 3), P0, dtype)
    memory = [np.zeros_like(p) for _ in range(RULES[rule][1])]
    for step, g in ((1, G1), (2, G2)):
        update(rule, p, np.full_like(p, g), memory, np.array(constants(rule, step), dtype))
    assert p.dtype == dtype
    np.testing.assert_allclose(p, by_hand(rule), rtol=1e-12 if dtype == np.float64 else 3e-6)


@pytest.mark.parametrize("rule", RULES)
def test_scale_and_decay_enter_the_gradient(rule):
    rng = np.random.default_rng(0)
    p, g = rng.normal(size=(2, 7))
    memory = [rng.random(7) for _ in range(RULES[rule][1])]
    c = np.array(constants(rule, 3))
    one, two = p.copy(), p.copy()
    update(rule, one, g, [m.copy() for m in memory], c, 0.5, 0.2)
    update(rule, two, 0.5 * g + 0.2 * p, memory, c)
    np.testing.assert_allclose(one, two, rtol=1e-12)


def test_the_first_step_of_adagrad_is_the_sign():
    p, g = np.zeros(3), np.array([4.0, -0.01, 1e3])
    update("adagrad", p, g, [np.zeros(3)], np.array([0.1, 1e-12]))
    np.testing.assert_allclose(p, -0.1 * np.sign(g), rtol=1e-9)


@pytest.mark.parametrize("rule", RULES)
def test_tensors_step_as_arrays(rule):
    pytest.importorskip("keras")
    from keras import ops

    rng = np.random.default_rng(0)
    p, g = rng.normal(size=(2, 5))
    memory = [rng.random(5) for _ in range(RULES[rule][1])]
    c = np.array(constants(rule, 2))
    result = tensor_rule(rule)(*(ops.convert_to_tensor(a) for a in (p, g, *memory, c)))
    expected, *slots = result if isinstance(result, tuple) else (result,)
    update(rule, p, g, memory, c)
    np.testing.assert_allclose(p, to_numpy(expected), rtol=1e-12)
    for mine, other in zip(memory, slots, strict=True):
        np.testing.assert_allclose(mine, to_numpy(other), rtol=1e-12)


def keras_optimizer(rule):
    from keras import optimizers

    return {
        "sgd": lambda: optimizers.SGD(R),
        "momentum": lambda: optimizers.SGD(R, momentum=M),
        "nesterov": lambda: optimizers.SGD(R, momentum=M, nesterov=True),
        "adagrad": lambda: optimizers.Adagrad(R, initial_accumulator_value=0.0, epsilon=1e-14),
        "rmsprop": lambda: optimizers.RMSprop(R, rho=Q, epsilon=1e-14),
        "adadelta": lambda: optimizers.Adadelta(R, rho=Q, epsilon=1e-3),
        "adam": lambda: optimizers.Adam(R, B1, B2, epsilon=1e-14),
    }[rule]()


@pytest.mark.parametrize("rule", RULES)
def test_a_quadratic_as_keras_own_optimizer(rule):
    keras = pytest.importorskip("keras")
    slopes, target = np.array([0.3, 1.0, 3.0]), np.array([1.0, -2.0, 0.5])
    variable, optimizer = keras.Variable(np.zeros(3), dtype="float64"), keras_optimizer(rule)
    p, memory = np.zeros(3), [np.zeros(3) for _ in range(RULES[rule][1])]
    for step in range(1, 21):
        g = slopes * (p - target)
        c = constants(rule, step)
        if rule != "adadelta":
            c = [1e-14 if value == E else value for value in c]
        update(rule, p, g, memory, np.array(c))
        now = to_numpy(variable.value + 0.0)
        optimizer.apply([keras.ops.convert_to_tensor(slopes * (now - target))], [variable])
        # Keras holds its constants in float32.
        now = to_numpy(variable.value + 0.0)
        np.testing.assert_allclose(p, now, rtol=2e-5, atol=2e-6)


@pytest.mark.keras
def test_the_backend_differentiates_compiles_and_draws():
    pytest.importorskip("keras")
    from keras import ops

    from featlearn.kernels.backend import compiled, normal, uniform, value_and_grad

    def f(params, x):
        return ops.sum(params["w"] ** 2 * x)

    x, w = (ops.convert_to_tensor(np.array(v, "float32")) for v in ([1.0, 2.0], [3.0, -1.0]))
    value, grads = compiled(value_and_grad(f))({"w": w, "idle": w}, x)
    assert float(value) == 11.0
    np.testing.assert_allclose(to_numpy(grads["w"]), [6.0, -4.0])
    np.testing.assert_allclose(to_numpy(grads["idle"]), 0.0)
    seeds = [ops.convert_to_tensor(np.array(s, "int32")) for s in ([1, 2], [1, 3], [2, 2])]
    for draw, mean, deviation in ((uniform, 0.5, 12**-0.5), (normal, 0.0, 1.0)):
        drawn = [to_numpy(draw((200, 100), s, "float32")) for s in seeds]
        np.testing.assert_array_equal(drawn[0], to_numpy(draw((200, 100), seeds[0], "float32")))
        for u in drawn:
            assert u.dtype == np.float32
            assert np.isfinite(u).all()
            assert abs(u.mean() - mean) < 0.03
            assert abs(u.std() - deviation) < 0.03
        assert abs(np.corrcoef([u.ravel() for u in drawn])[np.triu_indices(3, 1)]).max() < 0.03
