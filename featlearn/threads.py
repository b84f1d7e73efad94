"""Threads: how many this process may use, one BLAS pool at a time, and results in order.

Work is cut into blocks whose size depends on the data alone, blocks run on plain Python threads (every kernel releases
the GIL), and each block's matrix products run on one BLAS thread. So no thread count changes a result, and NumPy's and
SciPy's two OpenBLAS pools never fight.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, lru_cache
from itertools import chain, islice
from typing import Any, TypeVar

import joblib
import threadpoolctl

A = TypeVar("A")
B = TypeVar("B")

_lock = threading.Lock()
_holders = 0
_limits: Any = None
_inside = threading.local()


def _start_afresh() -> None:
    """In a forked child: a lock of its own, and BLAS as it was before a walk of the parent limited it."""
    global _lock, _holders, _limits
    _lock, _holders = threading.Lock(), 0
    if _limits is not None:
        _restore()


def _restore() -> None:
    """Give every BLAS pool the threads it had."""
    global _limits
    _free_openblas()
    for pool, n in _limits:
        pool.set_num_threads(n)
    _free_openblas()
    _limits = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh)


def _cores() -> int:
    """The cores joblib counts. It reads files of control groups, 150 us each time, so once for each affinity."""
    affinity = frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    return _counted(joblib.cpu_count, affinity, os.environ.get("LOKY_MAX_CPU_COUNT"))


@lru_cache(maxsize=8)
def _counted(count: Callable[[], int], affinity: Any, most: str | None) -> int:
    return count()


def n_threads(n_jobs: int | None = None) -> int:
    """Threads to use: ``None`` and -1 take every core this process may use, -2 all but one, n > 0 takes n.

    Cores are counted as joblib counts them (affinity, control groups), and ``OMP_NUM_THREADS`` caps them for ``None``,
    so workers of a parallel grid search do not oversubscribe the machine. Inside a block already running on a thread
    of ours the answer is 1.
    """
    if getattr(_inside, "block", False):
        return 1
    if n_jobs is None:
        cap = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
        cores = _cores()
        return max(1, min(cores, int(cap))) if cap.isdigit() else cores
    if n_jobs == 0:
        raise ValueError("n_jobs=0 asks for no worker at all; use n_jobs=1 for one, or None for every core.")
    return n_jobs if n_jobs > 0 else max(1, _cores() + 1 + n_jobs)


def _free_openblas() -> None:
    """Let any thread set limits: threadpoolctl 3.8 ignores all but the thread that set one first.

    The last to leave `one_blas_thread` is often another thread than the first to enter, and would restore nothing.
    """
    clear = getattr(threadpoolctl.OpenBLASController, "clear_controlling_thread", None)
    if clear is not None:
        clear(force=True)


@cache
def _blas_pools() -> Any:
    """NumPy's and SciPy's BLAS pools. Looking for them walks through every library of the process, so once."""
    import scipy.linalg.blas  # noqa: F401  (loads SciPy's own pool, or the limit would miss it)

    return threadpoolctl.ThreadpoolController().select(user_api="blas").lib_controllers


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit every BLAS pool to one thread; nests, and may be entered from several threads at once."""
    global _holders, _limits
    with _lock:
        _holders += 1
        if _holders == 1:
            _free_openblas()
            _limits = [(pool, pool.num_threads) for pool in _blas_pools()]
            for pool, _ in _limits:
                pool.set_num_threads(1)
    try:
        yield
    finally:
        with _lock:
            _holders -= 1
            if _holders == 0 and _limits is not None:
                _restore()


def _popped(items: deque) -> Iterator:
    """The items, each let go of as it is handed out."""
    while items:
        yield items.popleft()


def map_in_order(f: Callable[[A], B], items: Iterable[A], threads: int) -> Generator[B, None, None]:
    """Yield ``f(item)`` in the order of ``items``, on ``threads`` threads, with at most ``2 * threads`` in flight."""

    def run(item):
        outer, _inside.block = getattr(_inside, "block", False), True
        try:
            return f(item)
        finally:
            _inside.block = outer

    items = iter(items)
    head = deque(islice(items, 2)) if threads > 1 else deque()
    alone = len(head) < 2
    items = chain(_popped(head), items)
    if alone:  # one item needs no pool of threads, which takes longer to start than small fits
        with one_blas_thread():
            for item in items:
                yield run(item)
        return
    with one_blas_thread():
        pool = ThreadPoolExecutor(threads, thread_name_prefix="featlearn")
        try:
            pending: deque = deque()
            for item in items:
                pending.append(pool.submit(run, item))
                if len(pending) >= 2 * threads:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
