"""Layers of codes: by hand, by finite differences, and in keras.ops. Also tests featlearn.networks.distance_layers."""

import numpy as np
import pytest

from featlearn import ContrastNormalizer
from featlearn.networks.code_layers import (
    Centered,
    Clip,
    Contrast,
    Magnitude,
    Products,
    Shrink,
    SplitParts,
    UnitNorm,
    WithSquares,
)
from featlearn.networks.distance_layers import Nearest, Triangle

LAYERS = [
    Contrast(0.5),
    Contrast(0.0, ddof=0),
    Centered(),
    Triangle(7),
    SplitParts(0.3),
    Shrink(0.4),
    Clip(-0.5, 0.8),
    Magnitude("abs"),
    Magnitude("softabs", 0.1),
    Magnitude("log"),
    UnitNorm(),
    WithSquares(),
    Products(),
]


def made(layer, shape=(6, 5), seed=0):
    rng = np.random.RandomState(seed)
    return layer.first_params(shape[1:], rng, np.float64), rng.standard_normal(shape)


@pytest.mark.parametrize("layer", LAYERS, ids=repr)
def test_the_way_back_is_the_way_by_finite_differences(layer):
    p, x = made(layer)
    y, kept, _ = layer.forward(p, {}, x, None, True)
    assert y.shape[1:] == layer.shape(x.shape[1:])
    weights = np.random.RandomState(1).standard_normal(y.shape)
    g = {k: np.full_like(v, np.nan) for k, v in p.items()}
    back = layer.backward(p, {}, kept, weights, g)

    def total(**changed):
        now = p | {k: v for k, v in changed.items() if k != "x"}
        return float((weights * layer.forward(now, {}, changed.get("x", x), None, True)[0]).sum())

    for name, array, found in [("x", x, back), *((k, p[k], g[k]) for k in p)]:
        slopes = np.zeros(array.shape)
        for place in np.ndindex(*array.shape):
            ends = []
            for step in (1e-6, -1e-6):
                moved = array.copy()
                moved[place] += step
                ends.append(total(**{name: moved}))
            slopes[place] = (ends[0] - ends[1]) / 2e-6
        np.testing.assert_allclose(found, slopes, atol=2e-8)


@pytest.mark.keras
@pytest.mark.parametrize("layer", [*LAYERS, Nearest(7), Nearest(7, "spherical"), Nearest(7, "cosine")], ids=repr)
def test_tensors_do_the_same(layer):
    pytest.importorskip("keras")
    from keras import ops

    from featlearn.kernels.backend import value_and_grad

    p, x = made(layer)
    p, x = {k: v.astype(np.float32) for k, v in p.items()}, x.astype(np.float32)
    y, kept, _ = layer.forward(p, {}, x, None, True)
    weights = np.random.RandomState(1).standard_normal(y.shape).astype(np.float32)
    g = {k: np.empty_like(v) for k, v in p.items()}
    back = layer.backward(p, {}, kept, weights, g)

    def total(given):
        return ops.sum(weights * layer.apply(given, {}, given["x"], None, True)[0])

    tensors = {k: ops.convert_to_tensor(v) for k, v in (p | {"x": x}).items()}
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer.apply(tensors, {}, tensors["x"], None, True)[0]), y, atol=2e-6
    )
    _, grads = value_and_grad(total)(tensors)
    for name, found in (g | {"x": back}).items():
        np.testing.assert_allclose(ops.convert_to_numpy(grads[name]), found, atol=2e-5, err_msg=name)
    # rows of maps are rows
    maps = ops.reshape(tensors["x"], (2, 3, 1, 5))
    found = ops.convert_to_numpy(layer.apply(tensors, {}, maps, None, True)[0])
    np.testing.assert_allclose(found.reshape(y.shape), y, atol=2e-6)
    np.testing.assert_allclose(
        layer.forward(p, {}, x.reshape(2, 3, 1, 5), None, True)[0].reshape(y.shape), y, atol=2e-6
    )


@pytest.mark.keras
@pytest.mark.parametrize("eps", [0.0, 10.0])
@pytest.mark.parametrize("ddof", [0, 1])
def test_contrast_is_the_normalizers_also_for_rows_that_are_constant_or_far_away(eps, ddof):
    pytest.importorskip("keras")
    from keras import ops

    rng = np.random.RandomState(0)
    X = np.vstack([rng.uniform(0, 255, (5, 12)), np.full((1, 12), 7.3), np.zeros((1, 12)), 1e4 + rng.rand(2, 12)])
    X = X.astype(np.float32)
    expected = ContrastNormalizer(eps=eps, ddof=ddof).transform(X)
    layer = Contrast(eps, ddof)
    np.testing.assert_array_equal(layer.forward({}, {}, X, None, False)[0], expected)
    found, _ = layer.apply({}, {}, ops.convert_to_tensor(X), None, False)
    np.testing.assert_allclose(ops.convert_to_numpy(found), expected, atol=3e-6)
    back = layer.backward({}, {}, layer.forward({}, {}, X, None, False)[1], np.arange(12, dtype=np.float32) + 0 * X, {})
    assert np.isfinite(back).all()
    assert back[6].any() == (eps > 0)  # a row of zeros stays one without an eps


@pytest.mark.keras
def test_distances_of_0_have_finite_slopes():
    pytest.importorskip("keras")
    from keras import ops

    from featlearn.kernels.backend import value_and_grad

    atoms = np.random.RandomState(0).standard_normal((4, 3)).astype(np.float32)
    layer, p = Triangle(4), {"A": atoms}
    code, kept, _ = layer.forward(p, {}, atoms, None, True)
    z = np.linalg.norm(atoms[:, None] - atoms, axis=2)
    np.testing.assert_allclose(code, np.maximum(z.mean(axis=1, keepdims=True) - z, 0), atol=2e-3)
    by_hand = layer.backward(p, {}, kept, code, {"A": np.empty_like(atoms)})

    def total(given):
        return 0.5 * ops.sum(layer.apply(p, {}, given["x"], None, True)[0] ** 2)

    _, grads = value_and_grad(total)({"x": ops.convert_to_tensor(atoms)})
    assert np.isfinite(by_hand).all()
    np.testing.assert_allclose(ops.convert_to_numpy(grads["x"]), by_hand, atol=0.05 * np.abs(by_hand).max())
    near = layer.forward(p, {}, np.zeros((1, 3), np.float32), None, True)[0]
    assert np.isfinite(near).all()


def test_a_hard_code_passes_nothing():
    p, x = made(Nearest(7))
    y, kept, _ = Nearest(7).forward(p, {}, x, None, True)
    nearest = np.linalg.norm(x[:, None] - p["A"], axis=2).argmin(axis=1)
    np.testing.assert_array_equal(y, np.eye(7)[nearest])
    g = {"A": np.full_like(p["A"], np.nan)}
    assert not Nearest(7).backward(p, {}, kept, np.ones_like(y), g).any()
    assert not g["A"].any()
