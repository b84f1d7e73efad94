"""The fused encoder against patches, contrast, whitening, codes and sums written out one by one."""

from dataclasses import replace

import numpy as np
import pytest

from featlearn.kernels.encoding import encode as kernel
from featlearn.kernels.encoding.encode import EncoderPlan, FusedEncoder, encode_images, map_size
from tests import references

ENCODINGS = ["triangle", "hard", "threshold", "split"]
AFFINE = ["sigmoid", "tanh", "relu", "linear", "abs", "softmax"]
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def make(shape, patch, encode, dtype=np.float64, K=11, contrast=False, whiten=None, seed=0, **more):
    """Images (3, *shape), and a plan whose atoms live in the space of (whitened) patches."""
    rng = np.random.default_rng(seed)
    images = rng.uniform(0, 255, (3, *shape)).astype(dtype)
    d = patch[0] * patch[1] * shape[2]
    whitening = mean = None
    k = d
    scale = 1.0 if contrast else 100.0
    if whiten:
        k = d if whiten == "zca" else whiten
        mean = rng.normal(size=d) * (0.1 if contrast else 1) + (0 if contrast else 127)
        whitening = rng.normal(size=(d, k)) / np.sqrt(d) / (1 if contrast else 70)
        scale = 1.0
    atoms = scale * rng.normal(size=(K, k))
    plan = EncoderPlan(
        atoms, encode, 0.3 * scale, 10.0 if contrast else None, 1, whitening, mean, patch, **({"stride": 1} | more)
    )
    return images, plan


def make_affine(shape, patch, activation, dtype=np.float64, squares=False, scaled=False, K=11, **more):
    """Images, and a plan of affine codes whose responses are of the order of 1."""
    images, plan = make(shape, patch, "threshold", dtype, K=K, **more)
    rng = np.random.default_rng(1)
    k = plan.atoms.shape[1]
    size = 1 if plan.eps is not None or plan.whitening is not None else 100.0
    weights = rng.normal(size=(K, k)) / size / np.sqrt(k)
    if squares:
        weights = np.hstack([-(rng.uniform(0.1, 1, (K, k))) / size**2 / k, weights])
    mean = plan.mean if plan.whitening is not None else rng.uniform(0, size, k)
    scale = rng.uniform(0.5, 2, K) if scaled else None
    affine = {"encode": activation, "bias": rng.normal(size=K), "squares": squares, "scale": scale}
    return images, replace(plan, atoms=weights, mean=mean, **affine)


def expected_maps(images, plan):
    return [
        references.encode_image(
            image, plan.atoms, plan.encode, plan.patch, stride=plan.stride, eps=plan.eps, ddof=plan.ddof,
            mean=plan.mean, whitening=plan.whitening, threshold=plan.threshold, bias=plan.bias, scale=plan.scale,
            squares=plan.squares,
        )
        for image in images
    ]  # fmt: skip


def check(images, plan):
    found = encode_images(images, plan)
    maps = np.array(expected_maps(images, plan))
    if plan.row_cells is not None:
        maps = np.array([references.pooled(m, plan.row_cells, plan.col_cells) for m in maps])
    assert found.dtype == images.dtype
    assert found.shape == maps.shape
    scale = np.abs(maps).max()
    np.testing.assert_allclose(found, maps, atol=(2e-5 if images.dtype == np.float32 else 1e-11) * scale)
    return found


@DTYPES
@pytest.mark.parametrize("encode", ENCODINGS)
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("whiten", [None, "zca", 5])
@pytest.mark.parametrize("contrast", [False, True])
def test_every_stage_with_and_without(encode, channels, whiten, contrast, dtype):
    check(*make((7, 8, channels), (3, 3), encode, dtype, contrast=contrast, whiten=whiten))


@DTYPES
@pytest.mark.parametrize("activation", AFFINE)
@pytest.mark.parametrize("squares", [False, True])
@pytest.mark.parametrize("whiten", [None, "zca", 5])
@pytest.mark.parametrize("contrast", [False, True])
def test_affine_codes(activation, squares, whiten, contrast, dtype):
    cells = {"row_cells": (slice(0, 2), slice(3, 5)), "col_cells": (slice(0, 3), slice(3, 6))} if contrast else {}
    check(
        *make_affine((7, 8, 3), (3, 3), activation, dtype, squares, contrast, contrast=contrast, whiten=whiten, **cells)
    )


@DTYPES
@pytest.mark.parametrize("activation", AFFINE)
@pytest.mark.parametrize("K", [1, 15, 16, 17, 300])
def test_any_number_of_affine_units(activation, K, dtype):
    check(*make_affine((6, 6, 1), (3, 3), activation, dtype, K=K, contrast=True, whiten="zca"))


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "softmax"])
def test_saturated_units_are_finite(activation):
    images, plan = make_affine((6, 6, 1), (3, 3), activation, np.float32)
    for sign in (1, -1):
        found = encode_images(images, replace(plan, atoms=sign * 1e30 * plan.atoms))
        assert np.isfinite(found).all()
        assert (found >= -1).all()
        assert (found <= 1).all()


@DTYPES
@pytest.mark.parametrize("encode", ENCODINGS)
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("patch", [(2, 4), (5, 3), (9, 6)])
def test_strides_and_shapes_that_are_not_square(encode, stride, patch, dtype):
    check(*make((9, 13, 2), patch, encode, dtype, contrast=True, whiten="zca", stride=stride))


@DTYPES
@pytest.mark.parametrize("encode", ENCODINGS)
@pytest.mark.parametrize("K", [1, 15, 16, 17, 300])
def test_any_number_of_atoms(encode, K, dtype):
    check(*make((6, 6, 1), (3, 3), encode, dtype, K=K, contrast=True, whiten="zca"))


@DTYPES
@pytest.mark.parametrize("encode", ENCODINGS)
def test_cells_are_summed(encode, dtype):
    rows, cols = (slice(0, 4), slice(4, 7)), (slice(0, 2), slice(2, 5), slice(5, 9))
    images, plan = make((9, 11, 3), (3, 3), encode, dtype, contrast=True, whiten="zca", row_cells=rows, col_cells=cols)
    assert check(images, plan).shape[1:3] == (2, 3)


@DTYPES
@pytest.mark.parametrize("encode", ENCODINGS)
def test_rows_and_columns_outside_all_cells_are_left_out(encode, dtype):
    rows, cols = (slice(1, 3), slice(5, 6)), (slice(2, 4), slice(4, 5))
    images, plan = make((9, 11, 1), (3, 3), encode, dtype, contrast=True, row_cells=rows, col_cells=cols)
    check(images, plan)


@DTYPES
@pytest.mark.parametrize("encode", ENCODINGS)
@pytest.mark.parametrize(("block_bytes", "rows_taken"), [(1, {1}), (4000, {4, 8}), (1 << 30, {90})])
def test_blocks_change_nothing_beyond_rounding(encode, block_bytes, rows_taken, dtype, monkeypatch):
    """Blocks of one map row, of some that cross from image to image, and of all images."""
    rows, cols = (slice(0, 5), slice(5, 10)), (slice(0, 11),)
    for cells in ({}, {"row_cells": rows, "col_cells": cols}):
        images, plan = make((12, 13, 2), (3, 3), encode, dtype, contrast=True, whiten="zca", **cells)
        whole = encode_images(images, plan)
        monkeypatch.setattr(kernel, "BLOCK_BYTES", block_bytes)
        monkeypatch.setattr(kernel, "BLOCK_PATCHES", 1000)
        encoder = FusedEncoder(plan, 12, 13, dtype)
        assert encoder.rows in rows_taken
        np.testing.assert_allclose(encoder(images), whole, atol=1e-4 if dtype == np.float32 else 1e-11)
        monkeypatch.undo()


@DTYPES
def test_one_image_at_a_time_gives_the_same(dtype):
    images, plan = make((8, 8, 3), (3, 3), "triangle", dtype, contrast=True, whiten="zca")
    encoder = FusedEncoder(plan, 8, 8, dtype)
    whole = encoder(images)
    for image, code in zip(images, whole, strict=True):
        np.testing.assert_allclose(encoder(image[None])[0], code, atol=1e-5 if dtype == np.float32 else 1e-12)
    assert encoder(images[:0]).shape == (0, *whole.shape[1:])


@DTYPES
def test_triangle_takes_distances_and_half_the_codes_are_zero(dtype):
    images, plan = make((10, 10, 1), (4, 4), "triangle", dtype, K=60, contrast=True, whiten="zca")
    found = encode_images(images, plan)
    assert (found >= 0).all()
    assert 0.4 < (found == 0).mean() < 0.6


@DTYPES
def test_a_patch_equal_to_an_atom_is_at_distance_zero_and_not_nan(dtype):
    images = np.random.default_rng(0).uniform(0, 1, (1, 6, 6, 1)).astype(dtype)
    patch = images[0, 1:4, 2:5].reshape(-1)
    atoms = np.vstack([patch, np.random.default_rng(1).uniform(0, 1, (5, 9))])
    found = encode_images(images, EncoderPlan(atoms, "triangle", patch=(3, 3)))
    z = np.sqrt(((atoms - patch) ** 2).sum(axis=1))
    np.testing.assert_allclose(found[0, 1, 2, 0], z.mean(), rtol=1e-3 if dtype == np.float32 else 1e-7)
    assert np.isfinite(found).all()


@DTYPES
def test_split_at_threshold_0_recovers_the_responses(dtype):
    images, plan = make((6, 6, 2), (3, 3), "split", dtype)
    found = encode_images(images, EncoderPlan(plan.atoms, "split", 0.0, patch=(3, 3)))
    patches = np.lib.stride_tricks.sliding_window_view(images, (3, 3), axis=(1, 2)).transpose(0, 1, 2, 4, 5, 3)
    responses = patches.reshape(3, 4, 4, -1) @ plan.atoms.T
    np.testing.assert_allclose(found[..., :11] - found[..., 11:], responses, rtol=1e-4, atol=1e-2)


@DTYPES
def test_hard_codes_of_a_map_sum_to_its_patches(dtype):
    images, plan = make((32, 32, 1), (6, 6), "hard", dtype, contrast=True)
    plan = EncoderPlan(
        plan.atoms, "hard", eps=10.0, patch=(6, 6), row_cells=(slice(0, 14), slice(14, 27)),
        col_cells=(slice(0, 14), slice(14, 27)),
    )  # fmt: skip
    found = encode_images(images, plan)
    np.testing.assert_array_equal(found.sum(axis=(1, 2, 3)), 729)
    np.testing.assert_array_equal(found.sum(axis=3)[0], [[196, 182], [182, 169]])


def test_ties_go_to_the_lowest_index():
    atoms = np.array([[9.0, 9.0], [1.0, 0.0], [1.0, 0.0]])
    found = encode_images(np.array([[[[1.0], [0.0]]]]), EncoderPlan(atoms, "hard", patch=(1, 2)))
    np.testing.assert_array_equal(found[0, 0, 0], [0, 1, 0])


@DTYPES
@pytest.mark.parametrize("eps", [0.0, 10.0])
@pytest.mark.parametrize("patch", [3, 6, 20])
def test_constant_patches_count_as_zeros(eps, patch, dtype):
    """Also those whose mean is rounded: 0.1 is no float."""
    values = np.r_[0.0, 0.1, 255.0, np.random.default_rng(0).uniform(-9, 9, 20)].astype(dtype)
    images = np.broadcast_to(values[:, None, None, None], (23, patch, patch, 3)).copy()
    atoms = np.eye(patch * patch * 3)[:4]
    found = encode_images(images, EncoderPlan(atoms, "split", 0.0, eps=eps, patch=(patch, patch)))
    np.testing.assert_allclose(found, 0, atol=1e-4)


@pytest.mark.parametrize("ddof", [0, 1])
def test_ddof_of_the_contrast(ddof):
    images, plan = make((5, 5, 1), (3, 3), "threshold")
    check(images, EncoderPlan(plan.atoms / 100, "threshold", 0.1, 0.5, ddof, patch=(3, 3)))


def test_contrast_and_whitening_act_on_each_patch_and_cannot_be_folded_into_a_convolution():
    """The same patch twice as bright gives the same code; naive folding would double the response."""
    images, plan = make((3, 3, 1), (3, 3), "threshold", whiten="zca", contrast=True)
    plan = EncoderPlan(plan.atoms, "threshold", 0.1, 0.0, 1, plan.whitening, plan.mean, (3, 3))
    np.testing.assert_allclose(encode_images(2 * images, plan), encode_images(images, plan), rtol=1e-10)
    check(images, plan)


def test_bytes_are_encoded_in_float32():
    images, plan = make((6, 6, 3), (3, 3), "triangle", contrast=True)
    images = images.astype(np.uint8)
    found = encode_images(images, plan)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, encode_images(images.astype(float), plan), atol=1e-4)


def test_a_whitening_without_a_mean_is_refused():
    _, plan = make((6, 6, 1), (3, 3), "triangle")
    with pytest.raises(ValueError, match="a whitening and no mean; give both"):
        FusedEncoder(EncoderPlan(plan.atoms, "triangle", whitening=np.eye(9), patch=(3, 3)), 6, 6, np.float64)


def test_map_size():
    assert map_size(32, 32, (6, 6), 1) == (27, 27)
    assert map_size(9, 13, (5, 3), 3) == (2, 4)
    assert map_size(6, 6, (6, 6), 5) == (1, 1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"encode": "omp"}, r"encode='omp' is not valid; pass one of triangle, .*softmax"),
        ({"encode": "relu"}, "encode='relu' takes a bias"),
        ({"encode": "split", "bias": np.zeros(3)}, "encode='split' takes no bias, scale or squares"),
        ({"encode": "triangle", "scale": np.ones(3)}, "takes no bias, scale or squares"),
        ({"encode": "hard", "squares": True}, "takes no bias, scale or squares"),
    ],
)
def test_a_plan_that_no_encoder_runs_is_refused_when_it_is_made(settings, message):
    with pytest.raises(ValueError, match=message):
        EncoderPlan(np.eye(3), **settings)
