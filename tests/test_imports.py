"""What `import featlearn` costs, what it offers, and that every example in a docstring runs."""

import ast
import doctest
import importlib
import importlib.util
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
from sklearn.base import BaseEstimator

import featlearn

HEAVY = ("tensorflow", "gensim", "matplotlib", "keras", "jax", "torch", "dask", "numba", "sklearn", "scipy", "pandas")
OPTIONAL = ("tensorflow", "keras", "gensim", "matplotlib", "dask", "distributed", "jieba")
MODULES = sorted(m.name for m in pkgutil.walk_packages(featlearn.__path__, "featlearn."))
PUBLIC_MODULES = [name for name in MODULES if not any(part.startswith("_") for part in name.split("."))]


def loaded_after(code):
    """Which heavy packages a fresh process holds after running the code."""
    code += f"\nimport sys; print(*(name for name in {HEAVY} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_import_loads_nothing_heavy():
    assert loaded_after("import featlearn; dir(featlearn)") == set()


def test_learning_and_encoding_load_no_optional_package():
    code = (
        "import numpy as np, featlearn\n"
        "X = np.random.default_rng(0).normal(size=(50, 4))\n"
        "featlearn.KMeansDictionary(3).fit(featlearn.ZCA().fit_transform(X)).transform(X)\n"
        "featlearn.Stage(featlearn.KMeansDictionary(3), patch_size=2).fit_transform(X.reshape(10, 5, 4))\n"
        "for name in featlearn.__all__: getattr(featlearn, name)"
    )
    assert loaded_after(code) & {"tensorflow", "keras", "jax", "torch", "gensim", "matplotlib", "dask"} == set()


def test_every_public_name_resolves():
    for name in featlearn.__all__:
        assert getattr(featlearn, name) is not None
    assert featlearn.__all__ == sorted(set(featlearn.__all__))
    for module, names in featlearn._HOME.items():
        for name in names:
            assert getattr(featlearn, name) is getattr(importlib.import_module(f"featlearn.{module}"), name)
            assert getattr(featlearn, name).__doc__
    for room in (featlearn.datasets, featlearn.training):
        assert all(getattr(room, name) is not None for name in room.__all__)


def test_type_checkers_read_the_same_names():
    stub = ast.parse(Path(featlearn.__file__).with_suffix(".pyi").read_text())
    told = {}
    for line in stub.body:
        if isinstance(line, ast.ImportFrom):
            told.setdefault(line.module, []).extend(alias.name for alias in line.names)
    modules = set(told.pop(None))
    rooms = {room for room, names in told.items() if names == ["*"]}
    assert modules | set(told) == set(featlearn._HOME)
    for module, names in featlearn._HOME.items():
        if module not in modules:
            offered = importlib.import_module(f"featlearn.{module}").__all__ if module in rooms else told[module]
            assert sorted(names) == sorted(offered), module


INNER = {"Mirror"}  # estimators that another function makes and nobody else


def test_every_learner_is_in_its_rooms_stub():
    """No learner is forgotten: a class is listed, or is a base of those that are."""
    for name in MODULES:
        room = ".".join(name.split(".")[:2])
        offered = getattr(importlib.import_module(room), "__all__", [])
        for kind in vars(importlib.import_module(name)).values():
            if inspect.isclass(kind) and issubclass(kind, BaseEstimator) and kind.__module__ == name:
                known = kind.__name__ in offered or kind.__subclasses__() or kind.__name__ in INNER
                assert known, kind


def test_dir_lists_the_public_names():
    assert set(featlearn.__all__) | {"__version__"} == set(dir(featlearn))


def test_star_import():
    namespace = {}
    exec("from featlearn import *", namespace)
    assert set(featlearn.__all__) <= set(namespace)


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(AttributeError, match=r"no attribute 'KMeanDictionary'; public names: .*KMeansDictionary"):
        featlearn.KMeanDictionary  # noqa: B018
    with pytest.raises(ImportError):
        exec("from featlearn import Nothing")


def test_every_module_says_what_it_is():
    for name in MODULES:
        if name.split(".")[-1] == "__main__":
            continue
        assert importlib.import_module(name).__doc__, name


@pytest.mark.parametrize("name", PUBLIC_MODULES)
def test_examples_run(name):
    module = importlib.import_module(name)
    runner = doctest.DebugRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    for test in doctest.DocTestFinder(exclude_empty=True).find(module, name):
        try:
            runner.run(test)
        except doctest.UnexpectedException as failure:
            absent = [package for package in OPTIONAL if importlib.util.find_spec(package) is None]
            if isinstance(failure.exc_info[1], ImportError) and absent:
                pytest.skip(f"{', '.join(absent)} not installed: pip install 'featlearn[all]'")
            raise failure.exc_info[1] from None
        except doctest.DocTestFailure as failure:
            line = test.lineno + failure.example.lineno + 1
            pytest.fail(f"{name}:{line}\nexpected {failure.example.want}got {failure.got}")
