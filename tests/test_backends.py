"""What runs in keras.ops does the same on JAX and on torch: the tests marked so, once more, in a process with each."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


LONG = (
    "stack",
    "keras_models",
    "exporting",
    "unrolling",
    "map_layers",
    "code_layers",
    "distilled",
    "phases",
    "embedding",
)


@pytest.mark.parametrize("long", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["core", "networks"])
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_another_backend_does_the_same(backend, long):
    pytest.importorskip("keras")
    if find_spec(backend) is None:  # not imported: two of them in one process are not always friends
        pytest.skip(f"{backend} is not installed")
    files = [path for path in TESTS.rglob("test_*.py") if "mark.keras" in path.read_text() and path != Path(__file__)]
    files = [path for path in files if (path.stem.removeprefix("test_") in LONG) == long]
    command = [sys.executable, "-m", "pytest", "-q", "-m", "keras", "-p", "no:cacheprovider", "-W", "default", *files]
    environment = os.environ | {"KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, cwd=TESTS.parent, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout[-5000:]
    assert len(files) >= 5
    assert long or "skipped" not in done.stdout
