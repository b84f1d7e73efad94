"""The same learners on a cluster of worker processes, out of memory-mapped data."""

import numpy as np
import pytest

from featlearn import ZCA, KMeansDictionary

pytest.importorskip("distributed", reason="pip install 'featlearn[dask]'")
pytest.importorskip("dask.array", reason="pip install 'featlearn[dask]'")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster():
    """Two worker processes of one thread each."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
        ) as workers,
        Client(workers) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    rng = np.random.default_rng(0)
    X = (3 * rng.normal(size=(12, 10)))[rng.integers(0, 12, 6000)] + rng.normal(size=(6000, 10))
    path = tmp_path_factory.mktemp("data") / "X.npy"
    np.save(path, X.astype(np.float32))
    return path


def read(path, part):
    """A worker's own map of its rows."""
    return np.load(path, mmap_mode="r")[part]


def as_array(path):
    import dask.array

    return dask.array.from_array(np.load(path, mmap_mode="r"), chunks=(700, 10))


def as_blocks(path):
    import dask
    import dask.array

    parts = [slice(start, start + 1500) for start in range(0, 6000, 1500)]
    blocks = [dask.delayed(read)(str(path), part) for part in parts]
    arrays = [dask.array.from_delayed(block, shape=(1500, 10), dtype=np.float32) for block in blocks]
    return dask.array.concatenate(arrays)


@pytest.mark.parametrize("data", [as_array, as_blocks])
def test_two_processes_learn_what_one_learns(cluster, path, data):
    X, Y = np.load(path), data(path)
    assert len(cluster.scheduler_info()["workers"]) == 2
    here, there = ZCA().fit(X), ZCA().fit(Y)
    np.testing.assert_allclose(there.whitening_, here.whitening_, atol=1e-10)
    np.testing.assert_allclose(there.mean_, here.mean_, atol=1e-10)
    learner = KMeansDictionary(12, random_state=0, max_iter=5, tol=0)
    centers = learner.fit(here.transform(X)).components_
    curve, codes = learner.inertia_curve_, learner.transform(here.transform(X))
    learner.fit(there.transform(Y))
    np.testing.assert_allclose(learner.components_, centers, atol=1e-4)
    np.testing.assert_allclose(learner.inertia_curve_, curve, rtol=1e-5)
    assert learner.components_.dtype == np.float32
    np.testing.assert_allclose(learner.transform(there.transform(Y)).compute(), codes, atol=1e-3)


def test_the_work_is_done_on_the_workers(cluster, path):
    import os

    from featlearn import accumulate

    pids = accumulate(lambda chunk: [os.getpid()], as_blocks(path))
    assert os.getpid() not in pids
    assert len(set(pids)) == 2
