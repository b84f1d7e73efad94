"""What scikit-learn's checks would ask of an estimator, asked of those that take images: every public one."""

import copy
import pickle

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.decomposition import NMF, PCA
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_parameters_default_constructible

import featlearn
from featlearn import ContrastNormalizer, RandomPatches, Stage
from tests.registry import ESTIMATORS, instances

IMAGES = np.random.default_rng(0).uniform(0, 255, size=(30, 9, 8, 3))
ROWS = IMAGES.reshape(30, -1)


# name: the estimator, and parameters that change what it does; a new one is here at once, as the registry makes it.
CASES = {name: (instances(name)[0], {}) for name, kind in ESTIMATORS.items() if kind == "images" and name != "Stage"}
CASES |= {
    "FisherVector": (instances("FisherVector")[0], {"n_components": 2, "grid": (1, 2)}),
    "LocalContrastNormalizer": (featlearn.LocalContrastNormalizer(size=3), {"floor": 90.0}),
    "MaxPool": (featlearn.MaxPool(), {"grid": (1, 3)}),
    "MeanPool": (featlearn.MeanPool(window=4, step=1), {"step": 2}),
    "SoftThreshold": (featlearn.SoftThreshold(), {"threshold": 20.0}),
    "SplitSign": (featlearn.SplitSign(), {"threshold": 20.0}),
    "SumPool": (featlearn.SumPool(), {"grid": 3}),
    "ToImages": (featlearn.ToImages((9, 8, 3)), {"order": "chw"}),
    "Stage, fused": (instances("Stage")[0], {"learner__kmeansdictionary__n_components": 4, "pool__grid": 3}),
    "Stage, hard codes": (
        Stage(RandomPatches(4, encode="hard"), patch_size=(2, 3), pool=featlearn.MeanPool(), random_state=0),
        {"patch_size": 4, "stride": 2},
    ),
    "Stage, PCA": (Stage(PCA(4), patch_size=3, random_state=0), {"n_patches": 100, "pad": 1}),
    "Stage, NMF": (
        Stage(
            NMF(3, init="nndsvda", max_iter=2000), patch_size=3, n_patches=200, pool=featlearn.MaxPool(), random_state=0
        ),
        {"random_state": 1, "pool": None},
    ),
    "Stage, all steps": (
        Stage(
            make_pipeline(ContrastNormalizer(), PCA(4)),
            patch_size=3,
            rectify=featlearn.Abs(),
            normalize=featlearn.LocalContrastNormalizer(size=3),
            pool=featlearn.MaxPool(window=3, step=2),
            random_state=0,
        ),
        {"rectify": featlearn.SplitSign(), "normalize__size": 5},
    ),
}
# What does the same to maps of any size has no state, and no fit to need.
LEARNING = [name for name in CASES if name.startswith(("Stage", "Flatten", "ToImages", "FisherVector"))]
STAGES = [name for name in CASES if name.startswith("Stage")]

every = pytest.mark.parametrize("name", CASES)
every_learning = pytest.mark.parametrize("name", LEARNING)
every_stage = pytest.mark.parametrize("name", STAGES)


def case(name):
    estimator, change = CASES[name]
    return clone(estimator), change, ROWS if name == "ToImages" else IMAGES


def same(a, b):
    """Equal but for rounding: matrix products add in another order when blocks begin elsewhere."""
    assert a.dtype == b.dtype
    tolerance = 2e-5 if a.dtype == np.float32 else 1e-10
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * abs(b).max())


@every
def test_init_only_stores(name):
    estimator, _, _ = case(name)
    assert set(vars(estimator)) == set(estimator.get_params(deep=False))
    check_parameters_default_constructible(name, estimator)
    repr(estimator)


@every
def test_fit_returns_self_and_keeps_parameters(name):
    estimator, _, X = case(name)
    before, printed = estimator.get_params(), repr(estimator)
    assert estimator.fit(X, np.zeros(len(X))) is estimator
    after = estimator.get_params()
    assert before.keys() == after.keys()
    assert all(after[key] is before[key] for key in before)
    assert repr(estimator) == printed
    if name in STAGES:
        with pytest.raises(NotFittedError):  # the learner given stays as it was; a clone is fitted
            sklearn.utils.validation.check_is_fitted(estimator.learner)


@every
def test_clone_is_unfitted_and_does_the_same(name):
    estimator, _, X = case(name)
    out = estimator.fit(X).transform(X)
    twin = clone(estimator)
    assert set(vars(twin)) == set(twin.get_params(deep=False))
    np.testing.assert_array_equal(twin.fit_transform(X), out)


@every
def test_pickle_and_deepcopy(name):
    estimator, _, X = case(name)
    out = estimator.fit(X).transform(X)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(estimator)).transform(X), out)
    np.testing.assert_array_equal(copy.deepcopy(estimator).transform(X), out)


@every
def test_set_params_then_fit_equals_a_fresh_fit(name):
    estimator, change, X = case(name)
    out = estimator.fit(X).transform(X)
    fresh = clone(CASES[name][0]).set_params(**change).fit(X)
    refitted = estimator.set_params(**change).fit(X)
    np.testing.assert_array_equal(refitted.transform(X), fresh.transform(X))
    assert set(vars(refitted)) == set(vars(fresh))
    assert not change or refitted.transform(X).shape != out.shape or (refitted.transform(X) != out).any()


@every
def test_a_second_fit_forgets_the_first(name):
    estimator, _, X = case(name)
    other = X[:20] if name == "ToImages" else X[:20, :8, :7, :2]
    estimator.fit(X).fit(other)
    fresh = clone(estimator).fit(other)
    np.testing.assert_array_equal(estimator.transform(other), fresh.transform(other))
    assert set(vars(estimator)) == set(vars(fresh))


@every
def test_transform_changes_nothing(name):
    estimator, _, X = case(name)
    estimator.fit(X)
    before = pickle.dumps(estimator)
    estimator.transform(X)
    assert pickle.dumps(estimator) == before


@every
@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float16, np.float32, np.float64, bool])
def test_dtype_and_untouched_input(name, dtype):
    estimator, _, X = case(name)
    X = (X > 99) if dtype is bool else X.astype(dtype)
    before = X.copy()
    X.flags.writeable = False
    out = estimator.fit(X).transform(X)
    np.testing.assert_array_equal(X, before)
    if name in ("Flatten", "ToImages"):
        assert out.dtype in (dtype, np.float64, np.float32)  # they only reshape
    else:
        assert out.dtype == (np.float64 if dtype in (np.int64, np.float64) else np.float32)
        assert np.isfinite(out).all()


@every
def test_float32_is_close_to_float64(name):
    """The learner may round to other atoms, so a stage fitted once encodes both."""
    estimator, _, X = case(name)
    estimator.fit(X)
    narrow, wide = estimator.transform(X.astype(np.float32)), estimator.transform(X)
    assert narrow.dtype == np.float32
    np.testing.assert_allclose(narrow, wide, rtol=1e-4, atol=1e-4 * abs(wide).max())


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_order_subset_and_chunks_change_nothing(name, dtype):
    estimator, _, X = case(name)
    X = X.astype(dtype)
    out = estimator.fit(X).transform(X)
    order = np.random.default_rng(1).permutation(len(X))
    same(estimator.transform(X[order]), out[order])
    same(estimator.transform(X[5:9]), out[5:9])
    same(np.concatenate([estimator.transform(X[i : i + 1]) for i in range(len(X))]), out)
    same(np.concatenate(list(estimator.transform(iter([X[:17], X[17:]])))), out)
    same(estimator.transform(np.asfortranarray(X)), out)
    same(estimator.transform(X[::-1])[::-1], out)


@every
def test_dask_arrays_give_lazy_results(name):
    dask = pytest.importorskip("dask.array", reason="pip install 'featlearn[dask]'")
    estimator, _, X = case(name)
    out = estimator.fit(X).transform(X)
    chunks = (11, -1) if name == "ToImages" else (11, 5, 5, 2)
    lazy = estimator.transform(dask.from_array(X, chunks=chunks))
    assert lazy.shape == out.shape
    assert lazy.dtype == out.dtype
    same(lazy.compute(), out)


@every
def test_wrong_number_of_axes(name):
    estimator, _, X = case(name)
    if name == "ToImages":
        with pytest.raises(ValueError, match="dim 3"):
            estimator.fit(IMAGES[..., 0])
        return
    with pytest.raises(ValueError, match=r"ToImages|shape"):
        estimator.fit(X).transform(ROWS)
    if name != "Flatten":
        for bad in (ROWS, X[None], np.float64(1)):
            with pytest.raises(ValueError, match=r"takes (images|maps) of shape.*ToImages\(shape\)"):
                estimator.fit(bad)


@every_learning
def test_other_size_than_fitted(name):
    estimator, _, X = case(name)
    estimator.fit(X)
    for other in (X[:, :-1], X[:, :, :-1], X[..., :-1]) if X.ndim > 2 else (X[:, :-1],):
        with pytest.raises(ValueError, match=r"fitted on|expecting 216 features"):
            estimator.transform(other)


@every_learning
def test_transform_before_fit(name):
    estimator, _, X = case(name)
    with pytest.raises(NotFittedError):
        estimator.transform(X)
    with pytest.raises(NotFittedError):
        estimator.get_feature_names_out()


@pytest.mark.parametrize("name", [name for name in CASES if name != "Flatten"])  # which reads no number
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite(name, value):
    estimator, _, X = case(name)
    bad = X.copy()
    bad[0].flat[7] = value
    estimator.fit(X)
    before = pickle.dumps(estimator)
    for call in (estimator.fit, estimator.transform):
        with pytest.raises(ValueError, match=r"NaN|infinity"):
            call(bad)
    assert pickle.dumps(estimator) == before


@every
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failed_fit_changes_nothing(name, error, monkeypatch):
    estimator, _, X = case(name)
    estimator.fit(X)
    before = pickle.dumps(estimator)
    other = X[:, :-1]
    if error is KeyboardInterrupt:
        other = X[:20] if name == "ToImages" else other

        def interrupted(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr("featlearn.fitting.end_fit", interrupted)
    else:
        other = other.astype(complex)
    with pytest.raises(error):
        estimator.fit(other)
    assert pickle.dumps(estimator) == before


@every
def test_callbacks_are_supported(name):
    """scikit-learn warns of every step of a pipeline that does not."""
    estimator, _, X = case(name)
    seen = []

    class Recorder:
        setup = teardown = on_fit_task_end = lambda self, *args, **kwargs: None

        def on_fit_task_begin(self, estimator, context):
            seen.append((type(estimator).__name__, context.task_name))

    estimator.set_callbacks(Recorder()).fit(X)
    assert (type(estimator).__name__, "fit") in seen
    assert not [key for key in vars(estimator) if "callback" in key and key != "_skl_callbacks"]


@every
def test_no_samples(name):
    estimator, _, X = case(name)
    with pytest.raises(ValueError, match="0 sample"):
        estimator.fit(X[:0])


@every
def test_lists_do(name):
    estimator, _, X = case(name)
    np.testing.assert_array_equal(estimator.fit(X.tolist()).transform(X.tolist()), estimator.fit(X).transform(X))


@pytest.mark.parametrize("name", [name for name in CASES if name != "ToImages"])  # which takes rows
def test_gray_images_need_no_channel_axis(name):
    estimator, _, X = case(name)
    out, expected = estimator.fit_transform(X[..., 0]), clone(estimator).fit_transform(X[..., :1])
    np.testing.assert_array_equal(out, expected.reshape(out.shape))


@every
def test_set_output_leaves_maps_alone(name):
    estimator, _, X = case(name)
    out = estimator.set_output(transform="pandas").fit_transform(X)
    assert isinstance(out, np.ndarray) == (name != "Flatten")


@every
def test_tags(name):
    tags = sklearn.utils.get_tags(case(name)[0])
    assert tags.input_tags.two_d_array == (name in ("Flatten", "ToImages"))
    assert tags.input_tags.three_d_array == (name != "ToImages")
    assert tags.requires_fit == (name in LEARNING)
    assert not tags.target_tags.required


@every_stage
def test_same_seed_same_result_whatever_the_workers(name):
    estimator, _, X = case(name)
    out = estimator.fit_transform(X)
    for n_jobs in (1, 2, 3, -1):
        np.testing.assert_array_equal(clone(estimator).set_params(n_jobs=n_jobs).fit_transform(X), out)
    other = clone(estimator).set_params(random_state=5, n_patches=300).fit_transform(X)
    assert (other != out).any()


@every_stage
def test_a_random_state_object_moves_on(name):
    """As in scikit-learn: an object is used up by a fit, an int or a fresh object of the same seed is not."""
    estimator, _, X = case(name)
    out = estimator.set_params(n_patches=200, random_state=np.random.RandomState(3)).fit_transform(X)
    np.testing.assert_array_equal(estimator.set_params(random_state=3).fit_transform(X), out)


@every_stage
def test_global_seed_is_neither_used_nor_set(name):
    estimator, _, X = case(name)
    out = estimator.fit_transform(X)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    np.testing.assert_array_equal(estimator.fit_transform(X), out)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
