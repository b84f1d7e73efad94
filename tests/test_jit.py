"""Kernels compile with a cache on disk where one can be written, and without one, and a warning, where none can."""

import subprocess
import sys
import warnings

import numpy as np
import pytest

from featlearn import jit

NOWHERE = """
import warnings
import numba.core.caching as caching
caching.CacheImpl._locator_classes = caching.IndexDataCacheFile = []  # as in a read-only container without a home
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import numpy as np
    from featlearn import ZCA, KMeansDictionary
    X = np.random.default_rng(0).normal(size=(60, 3))
    KMeansDictionary(3, random_state=0).fit(ZCA().fit_transform(X))
print(*[str(w.message) for w in caught if "NUMBA_CACHE_DIR" in str(w.message)], sep="\\n")
"""


def test_without_a_writable_cache_learners_work_and_one_warning_names_the_variable():
    done = subprocess.run([sys.executable, "-c", NOWHERE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = done.stdout.strip().splitlines()
    assert len(said) == 1
    assert "Set the environment variable NUMBA_CACHE_DIR to a writable folder" in said[0]


def test_a_cache_that_can_no_longer_be_written_warns_and_computes(monkeypatch):
    def twice(x):
        return 2 * x

    monkeypatch.setattr(jit, "_warned", False)
    compiled = jit.njit(cache=True)(twice)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(compiled._cache), "save_overload", full)
    compiled = jit.njit(cache=True)(lambda x: 3 * x)
    with pytest.warns(RuntimeWarning, match=r"No space left.*NUMBA_CACHE_DIR"):
        assert compiled(2) == 6
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # once is enough
        assert compiled(2.5) == 7.5


def test_other_errors_of_the_compiler_come_through():
    with pytest.raises(TypeError):
        jit.njit(cache=True)(3)


def test_bare_and_with_options():
    assert jit.njit(lambda x: x + 1)(1) == 2
    assert jit.njit(nogil=True)(lambda x: x + 1)(1) == 2
    assert np.isclose(jit.njit(lambda x: np.sqrt(x))(4.0), 2)
