"""Thread counts, order, and one BLAS pool."""

import os
import pickle
import subprocess
import sys
import threading
import time

import joblib
import pytest
import threadpoolctl

from featlearn.threads import map_in_order, n_threads, one_blas_thread


def blas_threads():
    return {pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def two_blas_threads():
    """Every BLAS pool has two threads (the suite runs on one), so that one is a limit and two are given back."""
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        yield


def test_n_threads(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(joblib, "cpu_count", lambda: 8)
    assert [n_threads(n) for n in (None, -1, -2, -8, -20, 1, 3, 12)] == [8, 8, 7, 1, 1, 1, 3, 12]
    monkeypatch.setenv("OMP_NUM_THREADS", "2,1")
    assert [n_threads(n) for n in (None, -1, 3)] == [2, 8, 3]
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert n_threads() == 8


def test_n_threads_of_zero_is_refused():
    with pytest.raises(ValueError, match="n_jobs=0 asks for no worker at all; use n_jobs=1"):
        n_threads(0)


def test_workers_of_a_parallel_search_do_not_oversubscribe():
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    code = "from featlearn.threads import n_threads; print(n_threads())"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_order_however_long_each_takes(threads):
    def slow(i):
        time.sleep(0.002 * (i % 3))
        return i * i

    assert list(map_in_order(slow, iter(range(40)), threads)) == [i * i for i in range(40)]


def test_items_are_taken_as_needed_and_not_all_at_once():
    taken = []

    def items():
        for i in range(1000):
            taken.append(i)
            yield i

    results = map_in_order(lambda i: i, items(), 2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    assert len(taken) <= 3 + 2 * 2
    results.close()


def test_blocks_run_side_by_side():
    barrier = threading.Barrier(2, timeout=10)
    assert list(map_in_order(lambda i: barrier.wait() >= 0, range(2), 2)) == [True, True]


def test_a_block_within_a_block_takes_one_thread():
    assert set(map_in_order(lambda i: n_threads(), range(4), 2)) == {1}
    assert set(map_in_order(lambda i: n_threads(8), range(4), 2)) == {1}
    assert n_threads(8) == 8


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_comes_through_and_frees_the_blas(threads):
    before = blas_threads()
    assert before == {2}

    def fail(i):
        if i == 3:
            raise ArithmeticError("block 3")
        return i

    results = map_in_order(fail, range(10), threads)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ArithmeticError, match="block 3"):
        next(results)
    assert blas_threads() == before


@pytest.mark.parametrize("threads", [1, 3])
def test_every_block_has_one_blas_thread_and_gives_it_back(threads):
    before = blas_threads()
    assert before == {2}
    seen = list(map_in_order(lambda i: blas_threads(), range(3), threads))
    assert seen == [{1}] * 3
    assert blas_threads() == before


def test_one_blas_thread_nests_and_overlaps():
    before = blas_threads()
    assert before == {2}
    with one_blas_thread():
        with one_blas_thread():
            assert blas_threads() == {1}
        assert blas_threads() == {1}
    assert blas_threads() == before
    entered, leave = threading.Barrier(2), threading.Event()

    def hold():
        with one_blas_thread():
            entered.wait(10)
            leave.wait(10)

    other = threading.Thread(target=hold)
    with one_blas_thread():
        other.start()
        entered.wait(10)
    assert blas_threads() == {1}  # the other thread still holds it
    leave.set()
    other.join()
    assert blas_threads() == before


def test_nothing_here_hinders_pickling():
    assert pickle.loads(pickle.dumps(n_threads)) is n_threads


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*fork:RuntimeWarning")
def test_a_child_forked_during_a_walk_starts_afresh():
    from featlearn import threads

    with one_blas_thread():
        child = os.fork()
        if child == 0:
            os._exit(0 if threads._holders == 0 and threads._lock.acquire(timeout=5) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
