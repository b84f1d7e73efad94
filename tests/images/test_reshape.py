"""`Flatten`, `ToImages`, and what every transformer of maps must do: the battery that scikit-learn lacks for images."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import check_is_fitted

from featlearn.images.local_contrast import LocalContrastNormalizer
from featlearn.images.pools import MaxPool, MeanPool, SumPool
from featlearn.images.rectifiers import Abs, Positive, SoftThreshold, SplitSign
from featlearn.images.reshape import Flatten, ToImages, infer_shape

rng = np.random.default_rng(0)
MAPS = rng.normal(size=(70, 9, 8, 3))
# Each with a parameter to change, and its new value.
TRANSFORMERS = [
    (SumPool(), {"grid": 3}),
    (MeanPool(window=3, step=2), {"step": 1}),
    (MaxPool(grid=(1, 2)), {"grid": None, "window": 2}),
    (Abs(), {}),
    (Positive(), {}),
    (SplitSign(), {"threshold": 0.5}),
    (SoftThreshold(), {"threshold": 0.5}),
    (LocalContrastNormalizer(size=5), {"floor": 0.1}),
]
every = pytest.mark.parametrize(
    ("estimator", "change"), TRANSFORMERS, ids=lambda p: getattr(p, "__class__", p).__name__
)


@every
def test_clone_pickle_and_set_params(estimator, change):
    out = estimator.transform(MAPS)
    np.testing.assert_array_equal(clone(estimator).fit_transform(MAPS), out)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(estimator)).transform(MAPS), out)
    changed = clone(estimator).fit(MAPS).set_params(**change).fit(MAPS).transform(MAPS)
    fresh = type(estimator)(**{**estimator.get_params(), **change}).fit(MAPS).transform(MAPS)
    np.testing.assert_array_equal(changed, fresh)
    assert not change or changed.shape != out.shape or (changed != out).any()


@every
def test_fit_learns_nothing_and_is_not_needed(estimator, change):
    fresh = clone(estimator)
    before = dict(vars(fresh))
    assert fresh.fit(MAPS) is fresh
    assert fresh.fit() is fresh
    assert vars(fresh) == before
    check_is_fitted(clone(estimator))
    tags = sklearn.utils.get_tags(estimator)
    assert not tags.requires_fit
    assert tags.input_tags.three_d_array
    assert not tags.input_tags.two_d_array


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.int64, bool])
def test_dtype_is_kept_and_input_untouched(estimator, change, dtype):
    maps = (10 * MAPS).astype(dtype)
    copy = maps.copy()
    maps.flags.writeable = False
    out = estimator.transform(maps)
    np.testing.assert_array_equal(maps, copy)
    wide = np.float64 if dtype in (np.float64, np.int64) else np.float32
    assert out.dtype == wide
    np.testing.assert_array_equal(out, estimator.transform(maps.astype(wide)))


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_are_independent_to_the_last_bit(estimator, change, dtype):
    """Order, subset and chunks change nothing; neither does a layout in memory that is not C."""
    maps = MAPS.astype(dtype)
    out = estimator.transform(maps)
    order = rng.permutation(len(maps))
    np.testing.assert_array_equal(estimator.transform(maps[order]), out[order])
    np.testing.assert_array_equal(np.concatenate([estimator.transform(maps[i : i + 1]) for i in range(len(maps))]), out)
    np.testing.assert_array_equal(estimator.transform(np.asfortranarray(maps)), out)


@every
def test_many_chunks_streams_and_dask(estimator, change):
    dask = pytest.importorskip("dask.array")
    maps = np.tile(MAPS, (80, 1, 1, 1))  # 9.7 MB: more than a chunk
    out = estimator.transform(maps)
    np.testing.assert_array_equal(out[-70:], estimator.transform(MAPS))
    stream = estimator.fit(lambda: iter([MAPS])).transform(part for part in (MAPS[:30], MAPS[30:]))
    np.testing.assert_array_equal(np.concatenate(list(stream)), out[:70])
    lazy = estimator.transform(dask.from_array(MAPS, chunks=(20, -1, -1, -1)))
    assert lazy.shape == out[:70].shape
    np.testing.assert_array_equal(lazy.compute(), out[:70])


@every
def test_gray_maps_need_no_channel_axis(estimator, change):
    gray = MAPS[..., :1]
    out, expected = estimator.transform(gray[..., 0]), estimator.transform(gray)
    np.testing.assert_array_equal(out, expected[..., 0] if expected.shape[-1] == 1 else expected)


@every
@pytest.mark.parametrize(
    ("maps", "message"),
    [
        (np.ones((4, 5)), "ToImages"),
        (np.ones(5), "ToImages"),
        (np.float64(3), "ToImages"),
        (np.ones((1, 9, 9, 1, 1)), r"\(1, 9, 9, 1, 1\)"),
        (np.ones((0, 9, 9, 1)), "0 sample"),
        (np.ones((1, 0, 9, 1)), "no pixel"),
        (np.full((1, 9, 9, 1), np.nan), "NaN"),
        (np.full((1, 9, 9, 1), np.inf), "infinity"),
        (np.ones((1, 9, 9, 1), dtype=complex), "Complex"),
        (np.array([[["a"]]]), "takes numbers and got maps of dtype <U1"),
    ],
)
def test_bad_input_is_refused(estimator, change, maps, message):
    for call in (estimator.fit, estimator.transform):
        with pytest.raises(ValueError, match=message):
            call(maps)


def test_in_a_pipeline_a_search_reaches_the_pool():
    y = np.arange(70) % 2
    maps = MAPS + y[:, None, None, None]
    pipe = make_pipeline(LocalContrastNormalizer(size=3), SplitSign(), SumPool(), Flatten(), NearestCentroid())
    search = GridSearchCV(pipe, {"sumpool__grid": [1, 2], "splitsign__threshold": [0, 0.1]}, cv=2).fit(maps, y)
    assert len(search.cv_results_["params"]) == 4
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_a_pipeline_can_be_set_to_data_frames():
    pipe = make_pipeline(ToImages((3, 4, 2)), Abs(), SumPool(window=(3, 2)), Flatten(), StandardScaler())
    table = pipe.set_output(transform="pandas").fit_transform(rng.normal(size=(5, 24)))
    assert list(table.columns) == ["y0_x0_0", "y0_x0_1", "y0_x1_0", "y0_x1_1"]
    with sklearn.config_context(transform_output="pandas"):
        assert isinstance(SumPool().transform(MAPS), np.ndarray)


# Flatten


@pytest.mark.parametrize("shape", [(5,), (2, 3), (2, 3, 4), (2, 1, 3, 2)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_flatten_and_back(shape, dtype):
    X = (9 * rng.uniform(size=(6, *shape))).astype(dtype)
    flatten = Flatten().fit(X)
    flat = flatten.transform(X)
    assert flatten.shape_ == shape
    assert flat.dtype == dtype
    assert np.shares_memory(flat, X)
    np.testing.assert_array_equal(flat, [x.ravel() for x in X])
    np.testing.assert_array_equal(flatten.inverse_transform(flat), X)


def test_flatten_names_tell_the_place():
    X = rng.normal(size=(2, 3, 4, 5))
    flatten = Flatten().set_output(transform="pandas").fit(X)
    table = flatten.transform(X)
    assert table.shape == (2, 60)
    np.testing.assert_array_equal(table["y2_x1_4"], X[:, 2, 1, 4])
    gray = Flatten().set_output(transform="pandas").fit_transform(X[..., 0])
    np.testing.assert_array_equal(gray["y1_x3"], X[:, 1, 3, 0])
    deep = Flatten().fit(X[..., None])
    assert deep.get_feature_names_out()[-1] == "2_3_4_0"
    assert Flatten().fit(X[:, 0, 0]).get_feature_names_out().tolist() == ["x0", "x1", "x2", "x3", "x4"]


def test_flatten_takes_names():
    flatten = Flatten().fit(np.ones((1, 2, 2)))
    assert flatten.get_feature_names_out(["a", "b", "c", "d"]).tolist() == ["a", "b", "c", "d"]
    with pytest.raises(ValueError, match="holds 3 names, and samples of shape \\(2, 2\\) have 4"):
        flatten.get_feature_names_out(["a", "b", "c"])


def test_flatten_refuses_another_shape():
    flatten = Flatten().fit(np.ones((3, 4, 5)))
    for other in (np.ones((3, 5, 4)), np.ones((3, 4, 5, 1)), np.ones((3, 20))):
        with pytest.raises(ValueError) as error:
            flatten.transform(other)
        assert "(4, 5)" in str(error.value)
        assert str(other.shape[1:]) in str(error.value)
    with pytest.raises(ValueError, match=r"19 columns.* have 20"):
        flatten.inverse_transform(np.ones((1, 19)))
    with pytest.raises(ValueError, match=r"5.*20|20.*5"):
        Flatten().fit(np.ones((3, 5))).transform(np.ones((3, 20)))
    with pytest.raises(ValueError, match="shape"):
        Flatten().fit(np.ones((3, 5))).transform(np.ones((3, 5, 1)))


def test_flatten_refit_forgets_the_table():
    flatten = Flatten().fit(pd.DataFrame({"a": [1.0], "b": [2.0]}))
    assert flatten.get_feature_names_out().tolist() == ["a", "b"]
    flatten.fit(np.ones((1, 2, 2)))
    assert not hasattr(flatten, "feature_names_in_")
    assert not hasattr(flatten, "n_features_in_")


def test_flatten_refuses_what_is_no_array_of_samples():
    for bad in (np.ones(3), np.ones((0, 2, 2)), np.float64(1)):
        with pytest.raises(ValueError):
            Flatten().fit(bad)
    with pytest.raises(TypeError, match=r"[Ss]parse"):
        Flatten().fit(sparse.eye(3).tocsr())
    with pytest.raises(NotFittedError):
        Flatten().transform(MAPS)


def test_flatten_streams_and_dask():
    dask = pytest.importorskip("dask.array")
    expected = MAPS.reshape(70, -1)
    flatten = Flatten().fit(lambda: iter([MAPS[:40], MAPS[40:]]))
    np.testing.assert_array_equal(np.concatenate(list(flatten.transform(iter([MAPS[:40], MAPS[40:]])))), expected)
    lazy = Flatten().fit_transform(dask.from_array(MAPS, chunks=(30, 5, -1, -1)))
    assert lazy.shape == expected.shape
    np.testing.assert_array_equal(lazy.compute(), expected)
    with pytest.raises(ValueError, match="iterator"):
        Flatten().fit(iter([MAPS]))


# ToImages


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 1), (4, 2, 3)])
@pytest.mark.parametrize("order", ["hwc", "chw"])
def test_to_images_and_back(shape, order):
    rows = rng.normal(size=(5, 24))
    door = ToImages(shape, order=order).fit(rows)
    images = door.transform(rows)
    assert images.shape == (5, *shape)
    assert np.shares_memory(images, rows)
    np.testing.assert_array_equal(door.inverse_transform(images), rows)


def test_channel_first_rows_put_each_number_in_its_place():
    images = rng.uniform(size=(3, 4, 5, 3))
    row = np.array([[image[y, x, c] for c in range(3) for y in range(4) for x in range(5)] for image in images])
    np.testing.assert_array_equal(ToImages((4, 5, 3), order="chw").fit_transform(row), images)
    row = np.array([[image[y, x, c] for y in range(4) for x in range(5) for c in range(3)] for image in images])
    np.testing.assert_array_equal(ToImages((4, 5, 3)).fit_transform(row), images)


def test_square_shapes_are_guessed():
    assert [infer_shape(n) for n in (64, 784, 3072, 1, 3)] == [(8, 8), (28, 28), (32, 32, 3), (1, 1), (1, 1, 3)]
    assert ToImages().fit_transform(np.ones((2, 3072))).shape == (2, 32, 32, 3)
    for n in (2, 128, 783):
        with pytest.raises(ValueError, match=f"{n} features make no square image"):
            ToImages().fit(np.ones((1, n)))


def test_memmaps_and_small_integers_are_not_copied(tmp_path):
    path = tmp_path / "rows"
    np.memmap(path, dtype=np.uint8, mode="w+", shape=(10, 48))[:] = 7
    rows = np.memmap(path, dtype=np.uint8, mode="r", shape=(10, 48))
    images = ToImages((4, 4, 3), order="chw").fit_transform(rows)
    assert images.dtype == np.uint8
    assert np.shares_memory(images, rows)
    assert not images.flags.writeable
    assert np.shares_memory(Flatten().fit_transform(ToImages((4, 4, 3)).fit_transform(rows)), rows)


def test_to_images_from_data_frames():
    table = pd.DataFrame(rng.uniform(size=(6, 4)), columns=["a", "b", "c", "d"])
    door = ToImages((2, 2)).fit(table)
    np.testing.assert_array_equal(door.transform(table), table.to_numpy().reshape(6, 2, 2))
    assert door.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    with pytest.raises(ValueError, match="feature names"):
        door.transform(table[["b", "a", "c", "d"]])


def test_to_images_inside_a_column_transformer():
    table = pd.DataFrame(rng.uniform(size=(6, 5)), columns=["p0", "p1", "p2", "p3", "age"])
    pictures = make_pipeline(ToImages((2, 2)), SumPool(grid=1), Flatten())
    both = ColumnTransformer([("picture", pictures, ["p0", "p1", "p2", "p3"]), ("rest", "passthrough", ["age"])])
    out = both.fit_transform(table)
    np.testing.assert_allclose(out, np.c_[table.iloc[:, :4].sum(axis=1), table["age"]])


def test_to_images_names_both_numbers():
    with pytest.raises(ValueError, match=r"25 columns.*shape=\(4, 6\) takes 4 \* 6 = 24"):
        ToImages((4, 6)).fit(np.ones((2, 25)))
    door = ToImages((4, 6)).fit(np.ones((2, 24)))
    with pytest.raises(ValueError, match=r"25 features.*24 features"):
        door.transform(np.ones((2, 25)))
    with pytest.raises(ValueError, match=r"\(6, 4\).*\(4, 6\)"):
        door.inverse_transform(np.ones((2, 6, 4)))


@pytest.mark.parametrize("shape", [(4,), (4, 6, 1, 1), (4, -6), (4, 6.0), "46", 24])
def test_to_images_refuses_bad_shapes(shape):
    with pytest.raises(ValueError, match="shape="):
        ToImages(shape).fit(np.ones((2, 24)))


def test_to_images_refuses_bad_input():
    with pytest.raises(ValueError, match="order="):
        ToImages((2, 2), order="hcw").fit(np.ones((2, 4)))
    with pytest.raises(ValueError, match="NaN"):
        ToImages((2, 2)).fit(np.full((2, 4), np.nan))
    with pytest.raises(NotFittedError):
        ToImages((2, 2)).transform(np.ones((2, 4)))
    with pytest.raises(ValueError, match="iterator"):
        ToImages((2, 2)).fit(iter([np.ones((2, 4))]))


def test_to_images_streams_and_dask():
    dask = pytest.importorskip("dask.array")
    rows = rng.uniform(size=(10, 12))
    expected = ToImages((2, 2, 3), order="chw").fit_transform(rows)
    door = ToImages((2, 2, 3), order="chw").fit(lambda: iter([rows]))
    np.testing.assert_array_equal(np.concatenate(list(door.transform(iter([rows[:4], rows[4:]])))), expected)
    lazy = door.fit(dask.from_array(rows, chunks=(4, -1))).transform(dask.from_array(rows, chunks=(4, -1)))
    np.testing.assert_array_equal(lazy.compute(), expected)


def test_flatten_passes_scikit_learns_checks():
    results = check_estimator(Flatten(), on_skip=None)
    assert len(results) >= 40


def test_to_images_passes_scikit_learns_checks(monkeypatch):
    """The checks bring 2, 5 or 10 columns, which make no square: let every row be an image one pixel high."""
    monkeypatch.setattr("featlearn.images.reshape.infer_shape", lambda n: (1, n))
    assert len(check_estimator(ToImages(), on_skip=None)) >= 40
