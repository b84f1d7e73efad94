"""The encoder in keras.ops gives what the references give; `tests.test_backends` runs this on JAX, too.

Also tests featlearn.kernels.backend.
"""

import warnings
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("keras", reason="pip install 'featlearn[deep]'")

from featlearn.kernels.backend import gpu_visible
from featlearn.kernels.encoding.encode import EncoderPlan, FusedEncoder
from featlearn.kernels.encoding.encode_keras import KerasEncoder
from tests import references
from tests.kernels.encoding.test_encode import AFFINE, expected_maps, make, make_affine

pytestmark = pytest.mark.keras
ROWS, COLS = (slice(0, 2), slice(3, 5)), (slice(0, 3), slice(3, 6), slice(6, 7))
SETTINGS = {
    "ZCA": {"contrast": True, "whiten": "zca"},
    "PCA": {"contrast": True, "whiten": 5, "stride": 2},
    "pooled": {"contrast": False, "whiten": None, "row_cells": ROWS, "col_cells": COLS},
}


def encoder(plan, dtype=np.float32):
    """The encoder of images of 7 x 9 pixels, which says so where there is no GPU."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made = KerasEncoder(plan, 7, 9, dtype)
    assert gpu_visible() or any("sees no GPU" in str(w.message) for w in caught)
    return made


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("encode", ["triangle", "hard", "threshold", "split"])
def test_codes(encode, settings):
    images, plan = make((7, 9, 3), (3, 3), encode, np.float32, **SETTINGS[settings])
    encode_batches = encoder(plan)
    encode_batches.rows = 2  # three images: a whole batch and a padded one
    found = encode_batches(images)
    expected = np.array(expected_maps(images, plan))
    if plan.row_cells is not None:
        expected = np.array([references.pooled(m, plan.row_cells, plan.col_cells) for m in expected])
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, atol=1e-4 * scale)
    np.testing.assert_allclose(found, FusedEncoder(plan, 7, 9, np.float32)(images), atol=1e-4 * scale)
    assert found.dtype == np.float32


@pytest.mark.parametrize("squares", [False, True])
@pytest.mark.parametrize("activation", AFFINE)
def test_affine_codes(activation, squares):
    images, plan = make_affine((7, 9, 3), (3, 3), activation, np.float32, squares, True, contrast=True, whiten=5)
    expected = np.array(expected_maps(images, plan))
    np.testing.assert_allclose(encoder(plan)(images), expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("far", [(1e5, 1e5, 1e5), (-3000, 3000, -3000)], ids=["far from zero", "groups far apart"])
@pytest.mark.parametrize(("encode", "tolerance"), [("triangle", 2e-3), ("hard", 0)])
def test_far_from_zero(far, encode, tolerance):
    rng = np.random.default_rng(0)
    images = (np.array(far).reshape(3, 1, 1, 1) + rng.normal(size=(3, 7, 9, 1))).astype(np.float32)
    patches = np.lib.stride_tricks.sliding_window_view(images[..., 0], (3, 3), axis=(1, 2)).reshape(-1, 9)
    plan = EncoderPlan(patches[::9], encode, patch=(3, 3))
    expected = np.array(expected_maps(images.astype(float), plan))
    np.testing.assert_allclose(encoder(plan)(images), expected, atol=tolerance)


def test_constant_patches_have_no_code():
    constant = np.full((1, 7, 9, 3), 0.1, np.float32)
    _, plan = make((7, 9, 3), (3, 3), "split", np.float32)
    found = encoder(replace(plan, eps=0.0, threshold=0.0), np.float64)(constant)
    assert found.dtype == np.float64
    assert (found == 0).all()
