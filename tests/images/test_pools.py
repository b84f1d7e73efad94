"""Pools against brute force, `numpy.array_split` and sliding windows."""

import numpy as np
import pytest

from featlearn.images.pools import MaxPool, MeanPool, SumPool, pool, split_axis

REDUCE = {SumPool: np.sum, MeanPool: np.mean, MaxPool: np.max}
rng = np.random.default_rng(0)


def by_loops(maps, rows, columns, reduce):
    """Every cell cut out by its indices, one after the other."""
    out = np.empty((len(maps), len(rows), len(columns), maps.shape[3]), dtype=maps.dtype)
    for a, y in enumerate(rows):
        for b, x in enumerate(columns):
            out[:, a, b] = reduce(maps[:, y][:, :, x], axis=(1, 2))
    return out


@pytest.mark.parametrize("cls", REDUCE)
@pytest.mark.parametrize("grid", [1, 2, 3, (1, 4), (7, 5)])
def test_grid_splits_as_numpy_does(cls, grid):
    maps = rng.normal(size=(3, 7, 11, 2))
    down, across = grid if isinstance(grid, tuple) else (grid, grid)
    rows, columns = np.array_split(np.arange(7), down), np.array_split(np.arange(11), across)
    expected = by_loops(maps, rows, columns, REDUCE[cls])
    np.testing.assert_allclose(cls(grid=grid).transform(maps), expected, rtol=1e-13)


@pytest.mark.parametrize("size", range(1, 30))
def test_split_axis_is_array_split(size):
    for parts in range(1, size + 1):
        expected = [(int(p[0]), int(p[-1]) + 1) for p in np.array_split(np.arange(size), parts)]
        assert [(s.start, s.stop) for s in split_axis(size, parts)] == expected


def test_27_in_two_is_14_and_13():
    rows, columns = SumPool().cells(27, 25)
    assert rows == [slice(0, 14), slice(14, 27)]
    assert columns == [slice(0, 13), slice(13, 25)]  # Python rounds 12.5 to 12, and MATLAB to 13


@pytest.mark.parametrize("cls", REDUCE)
@pytest.mark.parametrize(("window", "step"), [(2, None), (3, 1), (3, 2), ((2, 4), (1, 3)), (2, 5), (1, None)])
def test_windows_against_a_sliding_view(cls, window, step):
    maps = rng.normal(size=(2, 8, 9, 3))
    size = window if isinstance(window, tuple) else (window, window)
    by = (step if isinstance(step, tuple) else (step, step)) if step else size
    views = np.lib.stride_tricks.sliding_window_view(maps, size, axis=(1, 2))[:, :: by[0], :: by[1]]
    out = cls(window=window, step=step).transform(maps)
    np.testing.assert_allclose(out, REDUCE[cls](views, axis=(-2, -1)), rtol=1e-13)
    assert cls(window=window, step=step).output_shape(8, 9) == out.shape[1:3]


def test_a_partial_window_is_dropped():
    maps = np.ones((1, 5, 5, 1))
    maps[:, 4] = maps[:, :, 4] = 100
    assert SumPool(window=2).transform(maps).tolist() == [[[[4.0], [4.0]], [[4.0], [4.0]]]]


def test_known_answers():
    maps = np.array([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, -9.0]]])
    assert SumPool(2).transform(maps).tolist() == [[[12.0, 9.0], [15.0, -9.0]]]
    assert MeanPool(2).transform(maps).tolist() == [[[3.0, 4.5], [7.5, -9.0]]]
    assert MaxPool(2).transform(maps).tolist() == [[[5.0, 6.0], [8.0, -9.0]]]


def test_cells_describe_what_transform_does():
    maps = rng.normal(size=(2, 10, 9, 4))
    for estimator in (SumPool(3), SumPool(window=4, step=3)):
        rows, columns = estimator.cells(10, 9)
        by_hand = np.stack([[maps[:, r, c].sum(axis=(1, 2)) for c in columns] for r in rows]).transpose(2, 0, 1, 3)
        np.testing.assert_allclose(estimator.transform(maps), by_hand, rtol=1e-13)


def test_sums_add_up_and_stay_in_float32():
    maps = rng.uniform(size=(2, 27, 27, 5)).astype(np.float32)
    out = SumPool(2).transform(maps)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out.sum(axis=(1, 2)), maps.sum(axis=(1, 2), dtype=np.float64), rtol=1e-6)


def test_order_of_memory_does_not_matter():
    maps = rng.normal(size=(3, 9, 8, 4)).astype(np.float32)
    for cls in REDUCE:
        np.testing.assert_array_equal(cls(2).transform(np.asfortranarray(maps)), cls(2).transform(maps))


def test_pool_takes_cells_that_overlap_or_leave_gaps():
    maps = rng.normal(size=(1, 6, 6, 1))
    cells = ([slice(0, 4), slice(3, 6)], [slice(1, 2), slice(4, 6)])
    expected = by_loops(maps, [range(4), range(3, 6)], [range(1, 2), range(4, 6)], np.max)
    np.testing.assert_array_equal(pool(maps, cells, np.maximum), expected)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"grid": 2, "window": 3}, "grid=2 and window=3 exclude each other"),
        ({"step": 2}, "step=2 moves a window"),
        ({"grid": 0}, "grid=0 is not valid"),
        ({"grid": (2, 2, 2)}, "tuple of 2"),
        ({"window": 2.5}, "window=2.5 is not valid"),
        ({"window": 2, "step": 0}, "step=0 is not valid"),
        ({"grid": True}, "grid=True is not valid"),
    ],
)
@pytest.mark.parametrize("cls", REDUCE)
def test_bad_parameters(cls, parameters, message):
    maps = np.ones((1, 4, 4, 1))
    for call in (lambda e: e.fit(maps), lambda e: e.transform(maps), lambda e: e.cells(4, 4)):
        with pytest.raises(ValueError, match=message):
            call(cls(**parameters))


@pytest.mark.parametrize("parameters", [{"grid": (2, 5)}, {"window": (2, 5)}])
def test_cells_that_do_not_fit_name_the_numbers(parameters):
    (name,) = parameters
    message = rf"{name}=2 x 5 does not fit maps of height 3 and width 4. Pass {name}=\(2, 4\) or less"
    for call in ("fit", "transform"):
        with pytest.raises(ValueError, match=message):
            getattr(SumPool(**parameters), call)(np.ones((1, 3, 4, 1)))
    with pytest.raises(ValueError, match="does not fit"):
        SumPool(**parameters).output_shape(3, 4)
