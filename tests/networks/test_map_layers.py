"""Layers on images and maps against the transformers that they stand for. Also tests featlearn.networks.tensor_pass."""

import numpy as np
import pytest

from featlearn import (
    Abs,
    LocalContrastNormalizer,
    MaxPool,
    MeanPool,
    Positive,
    SoftThreshold,
    SplitSign,
    SumPool,
    ToImages,
)
from featlearn.images.patches import extract_patches, pad_images
from featlearn.networks.map_layers import Flat, Patches, RandomFlip
from featlearn.networks.plan_layers import plain
from featlearn.networks.tensor_pass import pass_rows, pass_through
from featlearn.networks.unrolling import unrolled

pytest.importorskip("keras")
pytestmark = pytest.mark.keras

TRANSFORMERS = [
    Abs(),
    Positive(),
    SplitSign(0.2),
    SoftThreshold(0.3),
    LocalContrastNormalizer(5),
    LocalContrastNormalizer(3, sigma=1.0, eps=0.5, floor=0.1),
    SumPool(),
    SumPool((2, 3)),
    MeanPool(3),
    MaxPool((3, 2)),
    SumPool(window=3, step=2),
    MeanPool(window=(2, 4)),
    MaxPool(window=3, step=1),
    MaxPool(window=2),
]


def values(layers, x):
    """Layers one by one, not compiled."""
    from keras import ops

    tensor = ops.convert_to_tensor(x)
    for fitted in layers:
        tensor, _ = fitted.layer.apply({}, {}, tensor, None, False)
    return ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("channels", [(), (1,), (4,)], ids=str)
@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=repr)
def test_maps_are_those_of_the_transformer(transformer, channels):
    maps = np.random.RandomState(0).standard_normal((5, 8, 9, *channels)).astype(np.float32)
    maps[1] = 3.0
    maps[2] = 0.0
    layers = unrolled(transformer, maps.shape[1:])
    expected = transformer.transform(maps)
    found = values(layers, maps)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-5)
    shape = maps.shape[1:]
    for fitted in layers:
        shape = fitted.layer.shape(shape)
    assert shape == expected.shape[1:]


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("size", "pad"), [((3, 2), 0), ((2, 4), 1)])
def test_patches_are_all_in_order(size, pad, stride):
    images = np.random.RandomState(0).standard_normal((3, 7, 8, 2)).astype(np.float32)
    layer = Patches(size, stride, pad)
    found = values([plain(layer)], images)
    np.testing.assert_array_equal(found, extract_patches(pad_images(images, pad), size, stride))
    assert layer.shape(images.shape[1:]) == found.shape[1:]
    gray = values([plain(layer)], images[..., 0])
    np.testing.assert_array_equal(gray, extract_patches(pad_images(images[..., :1], pad), size, stride))


@pytest.mark.parametrize("order", ["hwc", "chw"])
def test_rows_become_images_and_rows_again(order):
    rows = np.random.RandomState(0).standard_normal((3, 24)).astype(np.float32)
    door = ToImages((2, 4, 3), order=order).fit(rows)
    images = door.transform(rows)
    np.testing.assert_array_equal(values(unrolled(door, (24,)), rows), images)
    np.testing.assert_array_equal(values([plain(Flat())], np.ascontiguousarray(images)), images.reshape(3, -1))
    flat, kept, _ = Flat().forward({}, {}, images, None, True)
    np.testing.assert_array_equal(Flat().backward({}, {}, kept, flat, {}), images)


def test_flips_half_of_the_images_in_training_alone():
    from keras import ops

    images = np.random.RandomState(0).standard_normal((200, 3, 4, 2)).astype(np.float32)
    seed = ops.convert_to_tensor(np.array([1, 2], np.int32))
    layer = RandomFlip()
    found = ops.convert_to_numpy(layer.apply({}, {}, ops.convert_to_tensor(images), seed, True)[0])
    flipped = (found != images).any(axis=(1, 2, 3))
    assert 70 < flipped.sum() < 130
    np.testing.assert_array_equal(found[flipped], images[flipped][:, :, ::-1])
    again = ops.convert_to_numpy(layer.apply({}, {}, ops.convert_to_tensor(images), seed, True)[0])
    np.testing.assert_array_equal(again, found)
    np.testing.assert_array_equal(layer.apply({}, {}, images, None, False)[0], images)


def test_rows_of_a_pass_do_not_change_what_comes_out(monkeypatch):
    images = np.random.RandomState(0).standard_normal((11, 6, 6)).astype(np.float32)
    layers = (plain(Patches((3, 3))), *unrolled(SumPool(), (4, 4, 9)))
    whole = pass_through(layers, images)
    assert pass_rows(layers, images.shape[1:]) > 11
    np.testing.assert_allclose(whole, values(layers, images), rtol=1e-6)
    monkeypatch.setattr("featlearn.networks.tensor_pass.PASS_BYTES", 4 * 144 * 5)
    assert pass_rows(layers, images.shape[1:]) == 4
    np.testing.assert_allclose(pass_through(layers, images), whole, rtol=1e-6)
