"""The encoder in keras.ops gives what the references give, on each backend in a process of its own.

Also tests featlearn.kernels.backend.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import warnings
import numpy as np
import keras
from featlearn.kernels.encoding.encode import FusedEncoder
from featlearn.kernels.backend import gpu_visible
from featlearn.kernels.encoding.encode_keras import KerasEncoder
from tests import references
from tests.kernels.encoding.test_encode import AFFINE, expected_maps, make, make_affine

assert keras.backend.backend() == {backend!r}
rows, cols = (slice(0, 2), slice(3, 5)), (slice(0, 3), slice(3, 6), slice(6, 7))
for encode in ("triangle", "hard", "threshold", "split"):
    for settings in (
        dict(contrast=True, whiten="zca"),
        dict(contrast=True, whiten=5, stride=2),
        dict(contrast=False, whiten=None, row_cells=rows, col_cells=cols),
    ):
        images, plan = make((7, 9, 3), (3, 3), encode, np.float32, **settings)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            encoder = KerasEncoder(plan, 7, 9, np.float32)
        assert gpu_visible() or any("sees no GPU" in str(w.message) for w in caught)
        encoder.rows = 2  # three images: a whole batch and a padded one
        found = encoder(images)
        expected = np.array(expected_maps(images, plan))
        if plan.row_cells is not None:
            expected = np.array([references.pooled(m, plan.row_cells, plan.col_cells) for m in expected])
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found, expected, atol=1e-4 * scale, err_msg=f"{{encode}} {{settings}}")
        np.testing.assert_allclose(found, FusedEncoder(plan, 7, 9, np.float32)(images), atol=1e-4 * scale)
        assert found.dtype == np.float32
for activation in AFFINE:
    for squares in (False, True):
        images, plan = make_affine((7, 9, 3), (3, 3), activation, np.float32, squares, True, contrast=True, whiten=5)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = KerasEncoder(plan, 7, 9, np.float32)(images)
        expected = np.array(expected_maps(images, plan))
        np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max(), err_msg=activation)
from featlearn.kernels.encoding.encode import EncoderPlan
rng = np.random.default_rng(0)
for far in ((1e5, 1e5, 1e5), (-3000, 3000, -3000)):  # far from zero, and groups far apart
    images = (np.array(far).reshape(3, 1, 1, 1) + rng.normal(size=(3, 7, 9, 1))).astype(np.float32)
    patches = np.lib.stride_tricks.sliding_window_view(images[..., 0], (3, 3), axis=(1, 2)).reshape(-1, 9)
    for encode in ("triangle", "hard"):
        plan = EncoderPlan(patches[::9], encode, patch=(3, 3))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = KerasEncoder(plan, 7, 9, np.float32)(images)
        expected = np.array(expected_maps(images.astype(float), plan))
        tolerance = 2e-3 if encode == "triangle" else 0
        np.testing.assert_allclose(found, expected, atol=tolerance, err_msg=f"{{far}} {{encode}}")
constant = np.full((1, 7, 9, 3), 0.1, np.float32)
images, plan = make((7, 9, 3), (3, 3), "split", np.float32)
from dataclasses import replace
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    found = KerasEncoder(replace(plan, eps=0.0, threshold=0.0), 7, 9, np.float64)(constant)
assert found.dtype == np.float64 and (found == 0).all()
print("equal")
"""


@pytest.mark.parametrize(("backend", "install"), [("tensorflow", "featlearn[deep]"), ("jax", "jax")])
def test_keras_encoder_equals_the_references(backend, install):
    for module in ("keras", backend):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed: pip install '{install}'")
    environment = os.environ | {
        "KERAS_BACKEND": backend,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
        "JAX_PLATFORMS": "cpu",
    }
    code = SCRIPT.format(backend=backend)
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip().endswith("equal")
