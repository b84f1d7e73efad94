"""What runs in keras.ops does the same on JAX: the tests marked so, once more, in one process with that backend."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


def test_jax_does_the_same():
    pytest.importorskip("keras")
    pytest.importorskip("jax")
    files = [path for path in TESTS.rglob("test_*.py") if "mark.keras" in path.read_text() and path != Path(__file__)]
    command = [sys.executable, "-m", "pytest", "-q", "-m", "keras", "-p", "no:cacheprovider", "-W", "default", *files]
    environment = os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(command, cwd=TESTS.parent, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout[-5000:]
    assert len(files) >= 5
    assert "skipped" not in done.stdout
