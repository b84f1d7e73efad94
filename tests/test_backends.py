"""What runs in keras.ops does the same on JAX: the tests marked so, once more, in one process with that backend."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
FILES = [
    "images/test_fusion.py",
    "kernels/encoding/test_encode_keras.py",
    "training/test_loop.py",
    "training/test_optimizers.py",
]


def test_jax_does_the_same():
    pytest.importorskip("keras")
    pytest.importorskip("jax")
    command = [sys.executable, "-m", "pytest", "-q", "-m", "keras", "-p", "no:cacheprovider", "-W", "default"]
    environment = os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [*command, *(TESTS / name for name in FILES)], cwd=TESTS.parent, capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert "skipped" not in done.stdout


def test_every_file_with_such_tests_is_run():
    marked = {
        path.relative_to(TESTS).as_posix() for path in TESTS.rglob("test_*.py") if "mark.keras" in path.read_text()
    }
    assert {path.relative_to(TESTS).as_posix() for path in marked} == set(FILES)
