"""Fixtures for every test: real data sets where they are, a skip that says how to bring them where they are not."""

import os
import sys

# A worker of pytest has one core: BLAS and OpenMP threads that wait would take the others'. Said before NumPy loads.
os.environ.update({"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"} | os.environ)

import pytest
from hypothesis import HealthCheck, settings

from featlearn import datasets
from featlearn.datasets import DatasetNotFoundError, get_data_home
from featlearn.datasets._cifar import CIFAR10
from featlearn.datasets._mnist import FASHION_MNIST, MNIST
from featlearn.datasets._store import missing

# The same examples in every run, few of them, however slow the machine is; --hypothesis-profile=default looks for new.
settings.register_profile(
    "suite", max_examples=50, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")

CATALOGS = {"mnist": MNIST, "fashion_mnist": FASHION_MNIST, "cifar10": CIFAR10}
LOADERS = {"20newsgroups": "load_20newsgroups", "ap": "load_ap", "treebank": "stream_treebank", "craft": "stream_craft"}


def skip_without(name: str) -> None:
    """Skip the test unless the data set is under the data home; tests never download."""
    if name in LOADERS:
        try:  # a stream checks its files and reads no tree
            getattr(datasets, LOADERS[name])()
        except DatasetNotFoundError as error:
            pytest.skip(str(error))
        return
    paths = [member.path for archive in CATALOGS[name].archives for member in archive.members]
    if missing(paths, get_data_home()):
        folder = paths[0].split("/")[0]
        pytest.skip(
            f"set FEATLEARN_DATA to a folder holding {folder}/, or download the data set: "
            f"python -c \"from featlearn.datasets import fetch_{name}; fetch_{name}(subset='all')\""
        )


@pytest.fixture
def require_dataset():
    """A function ``require("cifar10")`` that skips the test where the set is absent, saying how to bring it."""
    return skip_without


@pytest.fixture(autouse=True)
def _closed_figures():
    """No figure outlives its test."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
