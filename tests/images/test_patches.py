"""Patches against loops over places, and the order of their numbers, all the way to a picture of an atom."""

import numpy as np
import pytest

from featlearn import Flatten, RandomPatches, Stage, ToImages
from featlearn.images.patches import count_patches, extract_patches, sample_patches
from featlearn.plot.filters import find_filters


def numbered(n, height, width, channels, dtype=np.float64):
    """Images whose numbers tell their place: image * 1000 + row * 100 + column * 10 + channel."""
    i, y, x, c = np.ogrid[:n, :height, :width, :channels]
    return (1000 * i + 100 * y + 10 * x + c).astype(dtype)


def cut(image, top, left, height, width):
    """One flat patch, number by number: row by row, pixel by pixel, channels last."""
    channels = range(image.shape[2])
    return [image[top + r, left + q, c] for r in range(height) for q in range(width) for c in channels]


@pytest.mark.parametrize("patch", [(1, 1), (2, 3), (3, 2), (5, 7)])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_patch_in_order(patch, stride, channels):
    images = numbered(2, 5, 7, channels)
    out = extract_patches(images, patch, stride)
    tops, lefts = range(0, 5 - patch[0] + 1, stride), range(0, 7 - patch[1] + 1, stride)
    assert out.shape == (2, len(tops), len(lefts), patch[0] * patch[1] * channels)
    expected = [[[cut(image, top, left, *patch) for left in lefts] for top in tops] for image in images]
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_sample_holds_whole_patches_of_the_images(channels):
    images = numbered(4, 6, 8, channels)
    patches = sample_patches(images, (2, 3), 50, 0)
    for patch in patches:
        i, rest = divmod(int(patch[0]), 1000)
        top, rest = divmod(rest, 100)
        np.testing.assert_array_equal(patch, cut(images[i], top, rest // 10, 2, 3))
    assert len(np.unique(patches[:, 0])) == 50  # without repetition
    assert (np.diff(patches[:, 0]) > 0).all()  # in order of the images


def test_all_that_exist_are_each_drawn_once():
    images = numbered(3, 5, 4, 2)
    n = count_patches(images, (3, 2))
    assert n == 3 * 3 * 3
    np.testing.assert_array_equal(sample_patches(images, (3, 2), n, 0), extract_patches(images, (3, 2)).reshape(n, -1))


def test_every_place_is_as_likely_as_any_other():
    images = numbered(5, 6, 6, 1)
    seen = np.concatenate([sample_patches(images, (3, 3), 20, seed)[:, 0] for seed in range(400)])
    _, counts = np.unique(seen, return_counts=True)
    assert len(counts) == 80
    # 400 draws of 20 out of 80: a place is drawn 100 times give or take sqrt(400 / 4 * 3 / 4) = 8.7.
    assert abs(counts - 100).max() < 4.5 * 8.7


def test_the_seed_decides():
    images = numbered(5, 6, 6, 1)
    np.testing.assert_array_equal(sample_patches(images, (3, 3), 9, 7), sample_patches(images, (3, 3), 9, 7))
    assert (sample_patches(images, (3, 3), 9, 7) != sample_patches(images, (3, 3), 9, 8)).any()


@pytest.mark.parametrize(
    ("dtype", "expected"), [(np.uint8, np.float32), (np.float32, np.float32), (np.float64, np.float64)]
)
def test_a_sample_is_float(dtype, expected):
    images = np.arange(2 * 5 * 5).reshape(2, 5, 5, 1).astype(dtype)
    out = sample_patches(images, (2, 2), 6, 0)
    assert out.dtype == expected
    np.testing.assert_array_equal(out, sample_patches(images.astype(float), (2, 2), 6, 0))


def test_layout_in_memory_does_not_matter():
    rows = np.ascontiguousarray(numbered(3, 4, 4, 3).transpose(0, 3, 1, 2)).reshape(3, -1)
    images = ToImages((4, 4, 3), order="chw").fit_transform(rows)  # a view, channels last, stored channels first
    assert not images.flags.c_contiguous
    np.testing.assert_array_equal(images, numbered(3, 4, 4, 3))
    np.testing.assert_array_equal(sample_patches(images, (2, 3), 9, 0), sample_patches(images.copy(), (2, 3), 9, 0))


def test_learned_atoms_keep_rows_and_channels():
    """Pitfall 20: an atom, shaped as a patch, is a picture cut out of an image."""
    images = numbered(2, 5, 6, 3)
    stage = Stage(RandomPatches(8), patch_size=(2, 4), random_state=0).fit(images)
    assert stage.patch_shape_ == (2, 4, 3)
    filters, shape = find_filters(stage)
    assert shape == (2, 4, 3)
    for atom in filters.reshape(-1, *shape):
        i, rest = divmod(int(atom[0, 0, 0]), 1000)
        top, rest = divmod(rest, 100)
        left = rest // 10
        np.testing.assert_array_equal(atom, images[i, top : top + 2, left : left + 4])


def test_flattened_maps_keep_places_and_atoms():
    """The column named y1_x2_3 of the flat features is atom 3 at row 1, column 2 of the map."""
    images = numbered(3, 5, 6, 1)[..., 0]
    stage = Stage(RandomPatches(4), patch_size=3, random_state=0).fit(images)
    maps = stage.transform(images)
    flat = Flatten().fit(maps)
    column = flat.get_feature_names_out().tolist().index("y1_x2_3")
    np.testing.assert_array_equal(flat.transform(maps)[:, column], maps[:, 1, 2, 3])
    np.testing.assert_array_equal(stage.get_feature_names_out(), flat.get_feature_names_out())
