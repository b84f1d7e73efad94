"""The two walks, over every kind of data they take."""

import subprocess
import sys
import threading
from operator import add

import numpy as np
import pytest

import featlearn
from featlearn import ZCA, KMeansDictionary, accumulate, map_chunks
from featlearn.streaming import chunk_rows, first_chunk, is_dask, is_out_of_core, is_stream

X = np.random.default_rng(0).normal(size=(500, 3))
WEIGHTS = np.random.default_rng(1).uniform(size=500)


def column_sums(chunk):
    return np.asarray(chunk).sum(axis=0)


def weighted_sums(chunk, weights):
    return column_sums(chunk) if weights is None else weights @ chunk


@pytest.fixture
def dask():
    """Dask on threads of this process."""
    module = pytest.importorskip("dask", reason="pip install 'featlearn[dask]'")
    pytest.importorskip("dask.array", reason="pip install 'featlearn[dask]'")
    pytest.importorskip("dask.bag", reason="pip install 'featlearn[dask]'")
    with module.config.set(scheduler="threads"):
        yield module


@pytest.fixture
def memmap(tmp_path):
    """The rows in a read-only memory map."""
    np.save(tmp_path / "X.npy", X)
    return np.load(tmp_path / "X.npy", mmap_mode="r")


# --- accumulate ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [None, 1, 7, 500, 10**6])
def test_accumulate_over_arrays_memmaps_and_streams(rows, memmap):
    chunks = [X[:100], X[100:100], X[100:499], X[499:]]
    for data in (X, memmap, X[::-1][::-1], np.asfortranarray(X), iter(chunks), lambda: iter(chunks), lambda: chunks):
        np.testing.assert_allclose(accumulate(column_sums, data, rows=rows), X.sum(axis=0))


def test_accumulate_takes_lists_of_anything():
    documents = ["a b", "b", "c a b"] * 50
    assert accumulate(lambda chunk: sum(len(d.split()) for d in chunk), documents, rows=7) == 300


def test_accumulate_folds_in_order_whatever_the_threads():
    expected = [X[i : i + 64].tolist() for i in range(0, 500, 64)]
    for n_jobs in (1, 2, 5, None, -1):
        assert accumulate(lambda chunk: [chunk.tolist()], X, rows=64, n_jobs=n_jobs) == expected
    sums = [accumulate(lambda c: c.astype(np.float32).sum(), X, rows=7, n_jobs=n) for n in (1, 2, 8)]
    assert len(set(sums)) == 1


def test_aligned_arrays_are_cut_as_the_rows_are(memmap):
    expected = WEIGHTS @ X
    np.testing.assert_allclose(accumulate(weighted_sums, X, WEIGHTS, rows=64), expected)
    np.testing.assert_allclose(accumulate(weighted_sums, memmap, WEIGHTS, rows=1), expected)
    np.testing.assert_allclose(accumulate(weighted_sums, X, None, rows=64), X.sum(axis=0))
    stream = [(X[:33], WEIGHTS[:33]), (X[33:], WEIGHTS[33:])]
    np.testing.assert_allclose(accumulate(weighted_sums, iter(stream)), expected)


def test_aligned_arrays_of_another_length_are_refused():
    with pytest.raises(ValueError, match="Aligned arrays differ in length: 500 and 499 rows"):
        accumulate(weighted_sums, X, WEIGHTS[1:])
    with pytest.raises(ValueError, match=r"let it yield tuples \(X, y\)"):
        accumulate(weighted_sums, iter([X]), WEIGHTS)


@pytest.mark.parametrize("data", [np.empty((0, 3)), iter([]), list, lambda: [np.empty((0, 3))], []])
def test_no_data_is_refused(data):
    with pytest.raises(ValueError, match=r"There is no data.*Pass at least one row"):
        accumulate(column_sums, data)


def test_an_error_in_the_statistic_comes_through():
    def fail(chunk):
        raise ArithmeticError("chunk")

    for n_jobs in (1, 2):
        with pytest.raises(ArithmeticError, match="chunk"):
            accumulate(fail, X, rows=64, n_jobs=n_jobs)


def test_accumulate_runs_on_n_jobs_threads():
    seen = set()
    barrier = threading.Barrier(3, timeout=10)

    def watch(chunk):
        barrier.wait()
        seen.add(threading.get_ident())
        return 1

    assert accumulate(watch, X[:384], rows=64, n_jobs=3) == 6
    assert len(seen) == 3


def test_a_stream_is_read_as_it_is_needed():
    read = []

    def chunks():
        for i in range(100):
            read.append(i)
            yield X[:2]

    result = map_chunks(lambda c: c + 1, chunks())
    next(result)
    assert len(read) == 1


# --- map_chunks ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_jobs", [1, 2, 5, None])
@pytest.mark.parametrize("rows", [None, 1, 64, 500])
def test_map_chunks_keeps_order_and_dtype(n_jobs, rows, memmap):
    for data in (X, memmap):
        result = map_chunks(lambda c: c.astype(np.float32) * 2, data, n_jobs=n_jobs, rows=rows)
        assert result.dtype == np.float32
        np.testing.assert_array_equal(result, X.astype(np.float32) * 2)
    labels = map_chunks(lambda c: c[:, 0] > 0, X, n_jobs=n_jobs, rows=rows)
    np.testing.assert_array_equal(labels, X[:, 0] > 0)
    images = map_chunks(lambda c: np.repeat(c[:, None], 4, axis=1), X, n_jobs=n_jobs, rows=rows)
    assert images.shape == (500, 4, 3)


def test_map_chunks_writes_where_it_is_told(tmp_path):
    out = np.lib.format.open_memmap(tmp_path / "out.npy", "w+", np.float32, (500, 3))
    assert map_chunks(np.sqrt, np.abs(X), out, rows=64) is out
    out.flush()
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), np.sqrt(np.abs(X)).astype(np.float32))
    small = np.zeros((5, 3))
    assert map_chunks(np.negative, X[:5], small) is small
    np.testing.assert_array_equal(small, -X[:5])


def test_map_chunks_refuses_an_out_of_another_shape():
    with pytest.raises(ValueError, match="`out` has 499 rows and X has 500"):
        map_chunks(np.sqrt, X, np.empty((499, 3)))
    with pytest.raises(ValueError, match=r"`out` has rows of shape \(2,\) and the result \(3,\)"):
        map_chunks(np.abs, X, np.empty((500, 2)), rows=64)
    with pytest.raises(ValueError, match="`out` holds the result of an array"):
        map_chunks(np.abs, iter([X]), np.empty((500, 3)))


def test_map_chunks_of_no_rows():
    assert map_chunks(lambda c: c[:, :2], np.empty((0, 3))).shape == (0, 2)


def test_map_chunks_of_streams():
    for data in (iter([X[:9], X[9:]]), lambda: iter([X[:9], X[9:]]), iter([(X[:9], 1), (X[9:], 2)])):
        result = list(map_chunks(np.abs, data))
        assert [len(r) for r in result] == [9, 491]
        np.testing.assert_array_equal(np.concatenate(result), np.abs(X))


# --- what the data are ---------------------------------------------------------------------------------------------


def test_kinds_of_data(dask):
    import dask.array
    import dask.bag

    assert is_stream(iter([X]))
    assert is_stream(lambda: [X])
    assert not is_stream(X)
    assert not is_stream([X])
    for collection in (dask.array.zeros((4, 2)), dask.bag.from_sequence([1])):
        assert is_dask(collection)
        assert is_out_of_core(collection)
        assert not is_stream(collection)
    assert not is_dask(X)


def test_chunk_rows_depend_on_the_shape_alone():
    def of_shape(n, d, dtype):
        return np.broadcast_to(np.zeros((1, 1), dtype), (n, d))

    assert chunk_rows(of_shape(10**6, 1000, np.float32)) == 8 * 2**20 // 4000 // 64 * 64
    assert chunk_rows(of_shape(5, 1000, np.float32)) == chunk_rows(of_shape(10**6, 1000, np.float32))
    assert chunk_rows(of_shape(3, 10**9, float)) == 64
    assert chunk_rows(["a", "b"]) % 64 == 0


def test_first_chunk(dask):
    import dask.array
    import dask.bag

    assert first_chunk(lambda: [X[:0], X[:2], X[2:]]).shape == (2, 3)
    assert first_chunk(iter([(X[:4], WEIGHTS[:4])])).shape == (4, 3)
    assert first_chunk(dask.array.from_array(X, chunks=(100, 2))).shape == (1, 3)
    assert first_chunk(dask.bag.from_sequence(list(X), npartitions=3)).shape == (1, 3)
    with pytest.raises(ValueError, match="There is no data"):
        first_chunk(iter([]))


# --- Dask ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunks", [(100, 3), (500, 3), (33, 2), (50, 1)])
def test_dask_arrays(dask, chunks):
    import dask.array

    data, weights = dask.array.from_array(X, chunks=chunks), dask.array.from_array(WEIGHTS, chunks=71)
    np.testing.assert_allclose(accumulate(column_sums, data), X.sum(axis=0))
    for w in (weights, WEIGHTS):
        np.testing.assert_allclose(accumulate(weighted_sums, data, w), WEIGHTS @ X)
    np.testing.assert_allclose(accumulate(weighted_sums, data, None), X.sum(axis=0))
    result = map_chunks(lambda c: c @ np.ones((3, 5)), data)
    assert is_dask(result)
    assert result.shape == (500, 5)
    np.testing.assert_allclose(result.compute(), X @ np.ones((3, 5)))
    np.testing.assert_allclose(map_chunks(lambda c: c.sum(axis=1), data).compute(), X.sum(axis=1))
    grown = map_chunks(lambda c: np.repeat(c[:, None], 4, axis=1), data)
    assert grown.shape == grown.compute().shape == (500, 4, 3)


def test_dask_folds_in_order(dask):
    import dask.array

    data = dask.array.from_array(np.arange(100)[:, None], chunks=(3, 1))
    assert accumulate(lambda c: c.ravel().tolist(), data) == list(range(100))
    with dask.config.set(scheduler="synchronous"):
        assert accumulate(lambda c: c.ravel().tolist(), data) == list(range(100))


def test_dask_blocks_of_no_rows_are_passed_over(dask):
    import dask.array

    data = dask.array.concatenate([dask.array.zeros((0, 3)), dask.array.from_array(X, chunks=(100, 3))])
    np.testing.assert_allclose(accumulate(column_sums, data), X.sum(axis=0))
    with pytest.raises(ValueError, match="the Dask collection holds no rows"):
        accumulate(column_sums, dask.array.zeros((0, 3)))


def test_dask_bags_of_rows_chunks_and_other_items(dask):
    import dask.bag

    for items in (list(X), [X[:100], X[100:]], [X]):
        bag = dask.bag.from_sequence(items, npartitions=min(4, len(items)))
        np.testing.assert_allclose(accumulate(column_sums, bag), X.sum(axis=0))
    words = dask.bag.from_sequence(["a b", "c", "d e f"], npartitions=2)
    assert accumulate(lambda chunk: sum(len(d.split()) for d in chunk), words) == 6
    assert accumulate(len, words.filter(lambda d: d == "c")) == 1  # a partition without items


def test_dask_mistakes_are_named(dask):
    import dask.array
    import dask.bag

    data, bag = dask.array.from_array(X, chunks=(100, 3)), dask.bag.from_sequence(list(X), npartitions=2)
    with pytest.raises(ValueError, match="Aligned arrays differ in length: 500 and 499 rows"):
        accumulate(weighted_sums, data, WEIGHTS[1:])
    with pytest.raises(ValueError, match="A Dask bag takes no aligned weights"):
        accumulate(weighted_sums, bag, WEIGHTS)
    with pytest.raises(ValueError, match="A Dask bag can be learned from, not transformed"):
        map_chunks(np.abs, bag)
    with pytest.raises(ValueError, match="`out` holds the result of an array"):
        map_chunks(np.abs, data, np.empty((500, 3)))


def test_learners_give_on_dask_what_they_give_on_arrays(dask):
    import dask.array
    import dask.bag

    zca, learner = ZCA().fit(X), KMeansDictionary(5, random_state=0).fit(X, sample_weight=WEIGHTS)
    for chunks in ((100, 3), (77, 2)):
        data = dask.array.from_array(X, chunks=chunks)
        np.testing.assert_allclose(ZCA().fit(data).whitening_, zca.whitening_, atol=1e-10)
        np.testing.assert_allclose(zca.transform(data).compute(), zca.transform(X), atol=1e-12)
        for weights in (WEIGHTS, dask.array.from_array(WEIGHTS, chunks=50)):
            ours = KMeansDictionary(5, random_state=0).fit(data, sample_weight=weights)
            np.testing.assert_allclose(ours.components_, learner.components_, atol=1e-9)
            assert ours.components_.dtype == np.float64
        np.testing.assert_allclose(learner.transform(data).compute(), learner.transform(X), atol=1e-12)
        np.testing.assert_array_equal(learner.predict(data).compute(), learner.predict(X))
    bag = dask.bag.from_sequence(list(X), npartitions=3)
    np.testing.assert_allclose(ZCA().fit(bag).whitening_, zca.whitening_, atol=1e-10)
    unweighted = KMeansDictionary(5, random_state=0)
    expected = unweighted.fit(X).components_
    np.testing.assert_allclose(unweighted.fit(bag).components_, expected, atol=1e-9)


# --- memory --------------------------------------------------------------------------------------------------------

MEMORY = """
import sys, threading, time
import numpy as np
from featlearn import KMeansDictionary, ZCA, accumulate, map_chunks, streaming

streaming.CHUNK_BYTES = 1 << 20
kind, out, *paths = sys.argv[1:]


def resident():
    \"\"\"Bytes of this process's own; pages of a mapped file belong to the system's cache.\"\"\"
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("RssAnon"))


files = [np.load(path, mmap_mode="r") for path in paths]
learners = {
    "zca": lambda X: ZCA().fit(X),
    "kmeans": lambda X: KMeansDictionary(4, random_state=0, max_iter=2, tol=0).fit(X),
    "sum": lambda X: accumulate(lambda c: c.astype(float).sum(axis=0), X),
    "map": lambda X: map_chunks(
        lambda c: c.astype(np.float32), X, np.lib.format.open_memmap(out, "w+", np.float32, X.shape)
    ),
}
learners[kind](files[0][:2000])  # compiles
before = resident()


def watch():
    global peak
    while not done.is_set():
        peak = max(peak, resident())
        time.sleep(0.001)


for X in files:
    peak, done = 0, threading.Event()
    watcher = threading.Thread(target=watch)
    watcher.start()
    learners[kind](X)
    done.set()
    watcher.join()
    print(max(0, peak - before))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/status")
@pytest.mark.parametrize(
    ("kind", "dtype"), [("zca", "float32"), ("kmeans", "uint8"), ("sum", "int32"), ("map", "uint8")]
)
def test_memory_does_not_grow_with_the_data(kind, dtype, tmp_path):
    """Ten times the rows, the same peak; as float32 the larger file alone would take 160 MB."""
    command = [sys.executable, "-c", MEMORY, kind, str(tmp_path / "out.npy")]
    for rows in (20_000, 200_000):
        command.append(str(tmp_path / f"{rows}.npy"))
        data = np.lib.format.open_memmap(command[-1], "w+", np.dtype(dtype), (rows, 200))
        block = np.random.default_rng(0).integers(0, 256, (10_000, 200)).astype(dtype)
        for start in range(0, rows, 10_000):
            data[start : start + 10_000] = block + np.dtype(dtype).type(start // 10_000 % 50)
        del data
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for path in tmp_path.iterdir():
        path.unlink()
    peaks = [int(peak) for peak in done.stdout.split()]
    assert peaks[1] < peaks[0] + 20e6, peaks
    assert peaks[1] < 80e6, peaks


def test_statistics_only_need_to_add():
    class Longest:
        def __init__(self, n):
            self.n = n

        def __add__(self, other):
            return Longest(max(self.n, other.n))

    assert accumulate(lambda chunk: Longest(max(map(len, chunk))), ["a", "abc", "ab"] * 99, rows=64).n == 3
    assert add(Longest(1), Longest(2)).n == 2


def test_the_public_names_are_those_of_this_module():
    assert featlearn.accumulate is accumulate
    assert featlearn.map_chunks is map_chunks


def _limit_now():
    import threadpoolctl

    return [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]


@pytest.mark.parametrize("walk", ["map_chunks", "accumulate"])
def test_an_error_in_a_walk_gives_blas_its_threads_back_at_once(walk):
    before, X = _limit_now(), np.ones((3000, 1000))
    try:
        if walk == "map_chunks":
            map_chunks(lambda x: x, X, out=np.empty((3000, 7)))
        else:
            accumulate(lambda x: "text" if x[0, 0] else None, X) + 1
    except (ValueError, TypeError) as error:
        kept = error  # as a notebook keeps the last one, with its traceback
    assert kept is not None
    assert _limit_now() == before


def test_one_job_is_one_thread_all_the_way_down():
    from featlearn.threads import n_threads

    seen = accumulate(lambda x: [n_threads()], np.ones((5, 1)), n_jobs=1)
    assert seen == [1]
