"""The public loaders on the real data sets (skipped where those are absent), and the photograph patches.

Also tests featlearn.datasets._photos.
"""

import sys

import numpy as np
import pytest

from featlearn.datasets import fetch_cifar10, fetch_fashion_mnist, fetch_mnist, load_photo_patches


@pytest.mark.parametrize(
    ("name", "fetch", "mean", "first"),
    [
        ("mnist", fetch_mnist, 33.79, [7, 2, 1, 0, 4]),  # 33.79 / 255 = 0.1325 over the test images
        ("fashion_mnist", fetch_fashion_mnist, 73.15, [9, 2, 1, 1, 6]),
    ],
)
def test_mnist_and_fashion_mnist(require_dataset, name, fetch, mean, first):
    require_dataset(name)
    bunch = fetch(subset="test")
    assert bunch.data.shape == (10_000, 28, 28)
    assert bunch.data.dtype == np.uint8
    assert bunch.data.mean() == pytest.approx(mean, abs=0.01)
    assert bunch.target[:5].tolist() == first
    assert len(bunch.target_names) == 10
    X, y = fetch(subset="train", return_X_y=True)
    assert X.shape == (60_000, 28, 28)
    assert y.dtype == np.int64
    both = fetch(subset="all")
    np.testing.assert_array_equal(both.data, np.concatenate([X, bunch.data]))
    np.testing.assert_array_equal(both.target, np.concatenate([y, bunch.target]))


def test_cifar10(require_dataset):
    require_dataset("cifar10")
    X, y = fetch_cifar10(return_X_y=True)
    assert X.shape == (50_000, 32, 32, 3)
    assert np.bincount(y).tolist() == [5_000] * 10
    # the channel means everybody normalizes with, in RGB order: 0.4914, 0.4822, 0.4465
    np.testing.assert_allclose(X.mean(axis=(0, 1, 2)) / 255, [0.4914, 0.4822, 0.4465], atol=1e-4)
    bunch = fetch_cifar10(subset="test")
    assert bunch.data.shape == (10_000, 32, 32, 3)
    assert [bunch.target_names[i] for i in bunch.target[:4]] == ["cat", "ship", "ship", "airplane"]


def test_photo_patches_are_pieces_of_the_photographs():
    from sklearn.datasets import load_sample_images

    photos = [photo.astype(np.float32) for photo in load_sample_images().images]
    patches = load_photo_patches(40, 5, gray=False, random_state=3)
    assert patches.shape == (40, 5, 5, 3)
    assert patches.dtype == np.float32
    used = set()
    for patch in patches:
        for which, photo in enumerate(photos):
            corners = np.argwhere((photo[:-4, :-4] == patch[0, 0]).all(axis=-1))
            if any(np.array_equal(photo[r : r + 5, c : c + 5], patch) for r, c in corners):
                used.add(which)
                break
        else:
            pytest.fail("a patch is in neither photograph")
    assert used == {0, 1}


def test_photo_patches_gray_and_reproducible():
    color = load_photo_patches(200, 8, gray=False, random_state=0)
    gray = load_photo_patches(200, 8, random_state=0)
    np.testing.assert_allclose(gray, color @ np.array([0.299, 0.587, 0.114]), rtol=1e-5, atol=1e-3)
    assert gray.dtype == np.float32
    assert gray.min() >= 0
    assert gray.max() <= 255.001
    np.testing.assert_array_equal(gray, load_photo_patches(200, 8, random_state=0))
    assert not np.array_equal(gray, load_photo_patches(200, 8, random_state=1))
    assert load_photo_patches(2, 427, random_state=0).shape == (2, 427, 427)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_patches": 0}, "n_patches=0 is not valid; pass an integer of at least 1"),
        ({"patch_size": 428}, "patch_size=428 is not valid; pass an integer of at most 427"),
        ({"gray": "yes"}, "gray='yes' is not valid; pass True or False"),
    ],
)
def test_photo_patches_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        load_photo_patches(**parameters)


def test_photo_patches_without_pillow(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match="pip install pillow"):
        load_photo_patches(1)
