"""Stage: scikit-learn's learners lifted to images, stages stacked, data out of core, and every bad input."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.cluster import KMeans
from sklearn.decomposition import NMF, PCA, FastICA, KernelPCA, MiniBatchDictionaryLearning
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.kernel_approximation import Nystroem
from sklearn.neural_network import BernoulliRBM
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, OneHotEncoder, StandardScaler

import featlearn
from featlearn import (
    ZCA,
    Abs,
    ContrastNormalizer,
    Flatten,
    KMeansDictionary,
    LocalContrastNormalizer,
    MaxPool,
    MeanPool,
    RandomPatches,
    SoftThreshold,
    SplitSign,
    Stage,
    SumPool,
    ToImages,
)
from featlearn.images.patches import extract_patches
from featlearn.notices import interruptible

rng = np.random.default_rng(0)
IMAGES = rng.uniform(size=(12, 8, 9, 3))
LEARNERS = [
    PCA(5),
    FastICA(4, whiten="unit-variance", tol=1e-2, max_iter=500, random_state=0),
    NMF(4, init="nndsvda", tol=1e-3, max_iter=1000, random_state=0),
    MiniBatchDictionaryLearning(5, max_iter=5, batch_size=64, random_state=0),
    BernoulliRBM(6, n_iter=3, random_state=0),
    KernelPCA(3, kernel="rbf"),
    Nystroem(n_components=7, random_state=0),
    KMeans(5, n_init=1, random_state=0),
    make_pipeline(MinMaxScaler(), NMF(3, init="nndsvda", tol=1e-3, max_iter=1000, random_state=0)),
    FeatureUnion([("pca", PCA(2)), ("raw", "passthrough")]),
    OneHotEncoder(handle_unknown="ignore"),  # sparse codes
    KMeansDictionary(5, encode="omp", random_state=0),
]


def name(learner):
    return type(learner[-1] if hasattr(learner, "steps") else learner).__name__


def same(a, b):
    """Equal but for rounding: matrix products add in another order when blocks begin elsewhere."""
    tolerance = 1e-5 if a.dtype == np.float32 else 1e-10
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * abs(b).max())


def chain(n_components=6, **parameters):
    return make_pipeline(ContrastNormalizer(), ZCA(), KMeansDictionary(n_components, max_iter=5, tol=0, **parameters))


@pytest.mark.parametrize("learner", LEARNERS, ids=name)
def test_a_lifted_learner_does_to_every_patch_what_it_does_to_a_row(learner):
    images = (IMAGES[..., 0] > 0.5).astype(float) if isinstance(learner, (BernoulliRBM, OneHotEncoder)) else IMAGES
    stage = Stage(learner, patch_size=(4, 3), stride=2, random_state=0)
    maps = stage.fit(images).transform(images)
    # By hand: cut all patches, fit the learner to them as rows, and code those at every second place.
    images = images.reshape(*images.shape[:3], -1)
    every = [x[top : top + 4, left : left + 3].ravel() for x in images for top in range(5) for left in range(7)]
    by_hand = clone(learner).fit(np.array(every))
    places = [x[top : top + 4, left : left + 3].ravel() for x in images for top in (0, 2, 4) for left in (0, 2, 4, 6)]
    expected = by_hand.transform(np.array(places))
    expected = expected.toarray() if hasattr(expected, "toarray") else expected
    assert stage.n_patches_ == len(every)
    assert maps.shape == (12, 3, 4, expected.shape[1]) == (12, *stage.output_shape_)
    scale = abs(expected).max()
    np.testing.assert_allclose(maps.reshape(expected.shape), expected, rtol=1e-6, atol=1e-6 * scale)


def test_the_steps_come_in_order():
    """rectify, then normalize, then pool: by hand, one after the other."""
    steps = {"rectify": Abs(), "normalize": LocalContrastNormalizer(size=3), "pool": MaxPool()}
    stage = Stage(PCA(4), patch_size=3, random_state=0, **steps).fit(IMAGES)
    patches = extract_patches(IMAGES, (3, 3))
    maps = stage.learner_.transform(patches.reshape(-1, 27)).reshape(12, 6, 7, 4)
    for step in steps.values():
        maps = step.transform(maps)
    np.testing.assert_allclose(stage.transform(IMAGES), maps, rtol=1e-9)


@pytest.mark.parametrize("learner", [PCA(3), chain()], ids=["generic", "fused"])
def test_padding_puts_zeros_around(learner):
    padded = Stage(learner, patch_size=3, pad=2, random_state=0).fit(IMAGES)
    wide = np.zeros((12, 12, 13, 3))
    wide[:, 2:-2, 2:-2] = IMAGES
    plain = Stage(learner, patch_size=3, random_state=0).fit(IMAGES)
    plain.image_shape_ = (12, 13, 3)  # the same learner on larger images
    np.testing.assert_allclose(padded.transform(IMAGES), plain.transform(wide), rtol=1e-9, atol=1e-12)
    assert padded.output_shape_[:2] == (10, 11)


def test_two_stages_stack():
    first = Stage(chain(), patch_size=3, pool=MeanPool(window=2, step=1), random_state=0)
    second = Stage(make_pipeline(ContrastNormalizer(eps=1e-3), PCA(5)), patch_size=2, pool=SumPool(), random_state=1)
    pipe = make_pipeline(ToImages((8, 9, 3)), first, second, Flatten())
    rows = IMAGES.reshape(12, -1)
    out = pipe.fit_transform(rows)
    assert out.shape == (12, 2 * 2 * 5)
    maps = clone(first).fit_transform(IMAGES)
    assert maps.shape == (12, 5, 6, 6)
    np.testing.assert_array_equal(out, clone(second).fit_transform(maps).reshape(12, -1))
    assert pipe[2].image_shape_ == (5, 6, 6)
    assert pipe.get_feature_names_out()[[0, -1]].tolist() == ["y0_x0_0", "y1_x1_4"]


def test_a_stage_may_end_in_split_channels():
    stage = Stage(PCA(3), patch_size=4, rectify=SplitSign(), pool=SumPool(grid=(1, 2)), random_state=0).fit(IMAGES)
    assert stage.output_shape_ == (1, 2, 6)
    assert stage.get_feature_names_out().tolist() == [f"y0_x{x}_{k}" for x in range(2) for k in range(6)]


def test_parameters_changed_after_fit():
    """Pooling needs no learning, so it may change; patches of another size would not fit the learner."""
    stage = Stage(chain(), patch_size=3, random_state=0).fit(IMAGES)
    out = stage.set_params(pool=SumPool(grid=1)).transform(IMAGES)
    np.testing.assert_allclose(out[:, 0, 0], stage.set_params(pool=None).transform(IMAGES).sum(axis=(1, 2)), rtol=1e-9)
    before = stage.transform(IMAGES)
    np.testing.assert_array_equal(stage.set_params(patch_size=5).transform(IMAGES), before)


def test_seeds_reach_inside_the_learner():
    """Pitfall 49, for a learner whose own random_state is None; one that is set stays."""
    learner = make_pipeline(PCA(6, svd_solver="randomized"), KMeansDictionary(5))
    stage = Stage(learner, patch_size=3, n_patches=200, random_state=3).fit(IMAGES)
    seeds = [stage.learner_.get_params()[f"{step}__random_state"] for step in ("pca", "kmeansdictionary")]
    assert len({*seeds, None}) == 3
    assert learner.get_params()["pca__random_state"] is None
    again = clone(stage).fit(IMAGES)
    np.testing.assert_array_equal(again.transform(IMAGES), stage.transform(IMAGES))
    fixed = Stage(RandomPatches(5, random_state=7), patch_size=3, random_state=3).fit(IMAGES)
    assert fixed.learner_.random_state == 7


def test_without_a_seed_every_fit_is_another():
    stage = Stage(RandomPatches(5), patch_size=3)
    assert (stage.fit_transform(IMAGES) != stage.fit_transform(IMAGES)).any()


def test_many_chunks_and_workers_change_nothing(monkeypatch):
    images = rng.uniform(0, 255, size=(200, 12, 12)).astype(np.float32)
    for stage in (
        Stage(chain(20), patch_size=4, n_patches=500, pool=SumPool(), random_state=0).fit(images),
        Stage(PCA(4), patch_size=4, n_patches=500, pool=MaxPool(), random_state=0).fit(images),
    ):
        out = stage.transform(images)
        for rows in (1, 7, 64):
            monkeypatch.setattr("featlearn.images.stage.FUSED_IMAGES", rows)
            monkeypatch.setattr("featlearn.images.stage.CODE_BYTES", rows * 64 * 81 * 8)
            for n_jobs in (1, 3):
                again = stage.set_params(n_jobs=n_jobs).transform(images)
                np.testing.assert_allclose(again, out, rtol=1e-5, atol=1e-5 * abs(out).max())
        with ThreadPoolExecutor(3) as pool:  # a fitted stage may serve several threads at once
            parts = list(pool.map(stage.transform, np.array_split(images, 5)))
        np.testing.assert_allclose(np.concatenate(parts), out, rtol=1e-5, atol=1e-5 * abs(out).max())


# Out of core


def test_streams_and_dask_through_a_whole_pipeline():
    dask = pytest.importorskip("dask.array", reason="pip install 'featlearn[dask]'")
    pipe = make_pipeline(Stage(chain(), patch_size=3, pool=SumPool(), random_state=0), Flatten()).fit(IMAGES)
    out = pipe.transform(IMAGES)
    chunks = pipe.transform(IMAGES[i : i + 5] for i in (0, 5, 10))
    same(np.concatenate(list(chunks)), out)
    fresh = pipe.transform(lambda: iter([IMAGES[:7], IMAGES[7:]]))
    same(np.concatenate(list(fresh)), out)
    lazy = pipe.transform(dask.from_array(IMAGES, chunks=(5, 4, 9, 1)))
    assert lazy.shape == out.shape
    same(lazy.compute(), out)
    same(lazy.compute(scheduler="synchronous"), out)


def test_a_stream_is_checked_chunk_by_chunk():
    stage = Stage(chain(), patch_size=3, random_state=0).fit(IMAGES)
    bad = IMAGES[:2].copy()
    bad[1, 0, 0, 0] = np.nan
    chunks = stage.transform(iter([IMAGES[:3], bad]))
    assert next(chunks).shape == (3, 6, 7, 6)
    with pytest.raises(ValueError, match="NaN"):
        next(chunks)


@pytest.mark.parametrize("make", [lambda: iter([IMAGES]), lambda: lambda: iter([IMAGES])], ids=["iterator", "function"])
def test_fit_says_why_it_takes_no_stream(make):
    with pytest.raises(ValueError, match=r"array or an np.memmap.*Fit on a sample of the images; transform takes"):
        Stage(PCA(3), patch_size=3).fit(make())


def test_a_read_only_memmap_is_never_copied_whole(tmp_path):
    shape = (6000, 96, 96, 3)  # 166 MB; as float32 it would be 664 MB
    np.memmap(tmp_path / "images", np.uint8, "w+", shape=shape)[::10] = rng.integers(0, 256, (600, 96, 96, 3), np.uint8)
    images = np.memmap(tmp_path / "images", np.uint8, "r", shape=shape)
    stage = Stage(chain(), patch_size=6, stride=15, n_patches=2000, pool=SumPool(), random_state=0)
    stage.fit(images[:20]).transform(images[:20])  # compiles
    tracemalloc.start()
    try:
        out = stage.fit(images).transform(images)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert out.dtype == np.float32
    assert peak < 60e6
    same(out[500:510], stage.transform(np.array(images[500:510]).astype(np.float32)))


# Bad input


def test_flat_rows_hint_at_to_images():
    with pytest.raises(
        ValueError, match=r"\(n, height, width\) or .*got an array of shape \(5, 64\).*ToImages\(shape\)"
    ):
        Stage(PCA(3)).fit(np.ones((5, 64)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_finite(value):
    bad = IMAGES.copy()
    bad[3, 2, 1, 0] = value
    stage = Stage(PCA(3), patch_size=3, random_state=0)
    with pytest.raises(ValueError, match=r"Input images contains (NaN|infinity)"):
        stage.fit(bad)
    with pytest.raises(ValueError, match=r"Input images contains (NaN|infinity)"):
        stage.fit(IMAGES).transform(bad)


def test_no_images_and_no_pixels():
    with pytest.raises(ValueError, match=r"0 sample\(s\).*minimum of 1 is required by Stage"):
        Stage(PCA(3)).fit(np.ones((0, 8, 8)))
    with pytest.raises(ValueError, match=r"shape \(2, 8, 0\), which hold no pixel"):
        Stage(PCA(3)).fit(np.ones((2, 8, 0)))


@pytest.mark.parametrize("learner", [PCA(3), chain(3)], ids=["generic", "fused"])
def test_one_image_is_enough(learner):
    stage = Stage(learner, patch_size=3, random_state=0).fit(IMAGES[:1])
    assert stage.n_patches_ == 42
    assert stage.transform(IMAGES[:1]).shape == (1, 6, 7, 3)


def test_images_of_another_size_than_fitted():
    stage = Stage(PCA(3), patch_size=3, random_state=0).fit(IMAGES)
    with pytest.raises(ValueError, match=r"fitted on images of shape \(8, 9, 3\) and now got \(8, 9, 1\)"):
        stage.transform(IMAGES[..., :1])
    with pytest.raises(ValueError, match=r"\(8, 9, 3\) and now got \(9, 8, 3\).*Resize"):
        stage.transform(IMAGES.transpose(0, 2, 1, 3))


def test_patches_larger_than_the_images():
    with pytest.raises(
        ValueError, match=r"patches of 9 x 5 do not fit images of 8 x 9. Pass patch_size=\(8, 5\) or less"
    ):
        Stage(PCA(3), patch_size=(9, 5)).fit(IMAGES)


def test_more_patches_than_exist_takes_all():
    all_there_are = Stage(PCA(3), patch_size=3, random_state=0).fit(IMAGES)
    for n in (504, 505, 10**6, np.int64(10**9)):
        stage = Stage(PCA(3), patch_size=3, n_patches=n, random_state=0).fit(IMAGES)
        assert stage.n_patches_ == all_there_are.n_patches_ == 504
        np.testing.assert_array_equal(stage.transform(IMAGES), all_there_are.transform(IMAGES))
    assert Stage(PCA(3), patch_size=3, n_patches=503).fit(IMAGES).n_patches_ == 503


# The range of the pixels, for contrast normalization


@pytest.mark.parametrize("n_patches", [30, 100, None])
def test_contrast_takes_the_range_of_the_images_not_of_the_patches(n_patches):
    dark = IMAGES / 10
    dark[3, 0, 0] = 0.9  # in few patches, and perhaps in none that is drawn
    for images, expected in (
        (dark, 10 / 255**2),
        (dark.astype(np.float32), 10 / 255**2),
        ((255 * dark / 2).astype(np.uint8), 10),
        (255 * dark, 10),
        (16 * dark, 10 * ((16 * 0.9 - 16 * dark.min()) / 255) ** 2),
        (1e-6 * (dark - 0.5), 10 * (1e-6 * (0.9 - dark.min()) / 255) ** 2),
    ):
        for learner in (ContrastNormalizer(), make_pipeline("passthrough", make_pipeline(ContrastNormalizer(), ZCA()))):
            stage = Stage(learner, patch_size=2, n_patches=n_patches, random_state=0).fit(images)
            first = stage.learner_ if isinstance(stage.learner_, ContrastNormalizer) else stage.learner_[1][0]
            assert first.eps_ == pytest.approx(expected, rel=1e-5)


def test_contrast_after_another_step_takes_the_range_of_what_comes():
    stage = Stage(make_pipeline(StandardScaler(), ContrastNormalizer(), PCA(3)), patch_size=3, random_state=0)
    patches = StandardScaler().fit_transform(extract_patches(IMAGES, (3, 3)).reshape(-1, 27))
    assert stage.fit(IMAGES).learner_[1].eps_ == pytest.approx(10 * (np.ptp(patches) / 255) ** 2)
    fixed = Stage(make_pipeline(ContrastNormalizer(eps=0.5), PCA(3)), patch_size=3, random_state=0)
    with pytest.warns(UserWarning, match='eps=0.5 is above the variance .* Pass eps="auto"'):
        assert fixed.fit(IMAGES).learner_[0].eps_ == 0.5


def test_bytes_and_units_give_the_same_codes():
    """The demo's chain at its defaults, on bytes with eps=10 and on pixels 0..1."""
    images = rng.integers(0, 256, size=(20, 12, 12, 3)).astype(np.uint8)
    parameters = {"patch_size": 4, "n_patches": 800, "pool": SumPool(), "random_state": 0}
    on_bytes = Stage(chain(), **parameters).fit(images)
    paper = make_pipeline(ContrastNormalizer(eps=10.0), *chain()[1:])
    np.testing.assert_array_equal(Stage(paper, **parameters).fit_transform(images), on_bytes.transform(images))
    white = Stage(chain()[:2], **parameters)  # K-means of noise goes other ways for other roundings
    expected = white.fit_transform(images.astype(float))
    np.testing.assert_allclose(white.fit_transform(images / 255), expected, rtol=1e-6, atol=1e-6 * expected.max())


@pytest.mark.parametrize("eps", ["auto", 0])
def test_a_small_contrast_far_from_zero_is_fused_right(eps):
    """One pass over float32 values near 10,000 knows their mean to .03 only."""
    images = (1e4 + rng.uniform(0, 0.2, size=(20, 10, 10, 3))).astype(np.float32)
    if eps == 0:  # whose floor for rounding lies higher
        images = (1e4 + 100 * (images - 1e4)).astype(np.float32)
    stage = Stage(make_pipeline(ContrastNormalizer(eps=eps), featlearn.RandomWeights(5)), patch_size=6, random_state=0)
    found = stage.fit(images).transform(images)
    patches = extract_patches(images.astype(float), (6, 6)).reshape(-1, 108)
    expected = stage.learner_.transform(patches).reshape(found.shape)
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("size", [1e-25, 1e25])
@pytest.mark.parametrize("learner", [chain(3), ContrastNormalizer()], ids=["fused", "generic"])
def test_values_whose_squares_leave_float32_are_refused(learner, size):
    extreme = (size * IMAGES).astype(np.float32)
    with pytest.raises(ValueError, match=r"squares of float32 numbers (overflow|vanish)"):
        Stage(learner, patch_size=3, random_state=0).fit(extreme)
    stage = Stage(learner, patch_size=3, random_state=0).fit(IMAGES.astype(np.float32))
    if size > 1:
        for data in (extreme, lambda: iter([IMAGES, extreme])):
            with pytest.raises(ValueError, match="squares of float32 numbers overflow"):
                list(stage.transform(data))
    wide = Stage(learner, patch_size=3, random_state=0).fit(size * IMAGES).transform(size * IMAGES)  # float64 takes it
    same(wide, Stage(learner, patch_size=3, random_state=0).fit(1.5 * IMAGES).transform(1.5 * IMAGES))


def test_a_threshold_above_all_responses_is_warned_of():
    small = make_pipeline(FunctionTransformer(lambda X: 1e-3 * X), PCA(3))
    with pytest.warns(UserWarning, match=r"every feature of 8 training images is 0 after rectify=SoftThreshold"):
        Stage(small, patch_size=3, rectify=SoftThreshold(), random_state=0).fit(IMAGES)


# Learners that need order in time


class Ordered(TransformerMixin, BaseEstimator):
    """A learner of what follows what: keeps the rows it was given and the runs they belong to."""

    _needs_order = True

    def __init__(self, lag=1):
        self.lag = lag

    def fit(self, X, y=None, groups=None):
        self.rows_, self.groups_ = np.array(X), groups
        return self

    def transform(self, X):
        return X


def times(film):
    """A film whose pixels tell their image, row and column: 100 * image + 10 * row + column."""
    image, row, column = np.ogrid[:film, :6, :7]
    return (100.0 * image + 10 * row + column)[..., None]


def check_runs(learner, films):
    """Every run is one place of consecutive images of one film; returns (film, image, place) of the runs' first."""
    starts = []
    for run in np.unique(learner.groups_):
        image, place = np.divmod(learner.rows_[learner.groups_ == run][:, 0].astype(int), 100)
        assert (place == place[0]).all()
        film = films[image[0]]
        of_film = np.flatnonzero(films == film)
        at = np.searchsorted(of_film, image)
        np.testing.assert_array_equal(of_film[at], image)
        np.testing.assert_array_equal(np.diff(at), 1)
        starts.append((film, image[0], place[0], len(image)))
    assert len(set(starts)) == len(starts)
    return starts


@pytest.mark.parametrize("lag", [1, 3])
@pytest.mark.parametrize("films", [np.zeros(20, int), np.repeat([5, 2], 10), np.tile(["a", "b"], 10)], ids=str)
def test_runs_of_one_place_of_one_film(films, lag):
    stage = Stage(Ordered(lag), patch_size=3, n_patches=60, random_state=0).fit(times(20), groups=films)
    starts = check_runs(stage.learner_, films)
    assert stage.n_patches_ == len(stage.learner_.rows_) == 60
    length = min(4 * lag, (films == films[0]).sum())
    assert [found for *_, found in starts] == [length] * (60 // length)
    assert len({place for *_, place, _ in starts}) == 60 // length  # of 20 places: no place twice
    assert {film for film, *_ in starts} == set(films)
    again = Stage(Ordered(lag), patch_size=3, n_patches=60, random_state=0).fit(times(20), groups=films)
    np.testing.assert_array_equal(again.learner_.rows_, stage.learner_.rows_)
    every = Stage(Ordered(lag), patch_size=3, random_state=0).fit(times(20), groups=films)
    starts = check_runs(every.learner_, films)
    assert len(starts) == 20 * len(set(films))
    assert every.n_patches_ == 20 * 20  # each place and film whole


def test_runs_reach_a_step_of_a_pipeline():
    pipe = make_pipeline(StandardScaler(), make_pipeline("passthrough", Ordered()), Ordered(2))
    stage = Stage(pipe, patch_size=3, n_patches=40, random_state=0)
    for routing in (False, True):
        with config_context(enable_metadata_routing=routing):
            learner = stage.fit(times(20)).learner_
        assert len(learner[2].groups_) == 40
        np.testing.assert_array_equal(learner[2].groups_, learner[1][1].groups_)
        assert np.bincount(learner[2].groups_).tolist() == [8] * 5
    outer = make_pipeline(Stage(Ordered(), patch_size=3, n_patches=40, random_state=0), Flatten())
    outer.fit(times(20), stage__groups=np.repeat([0, 1], 10))
    check_runs(outer[0].learner_, np.repeat([0, 1], 10))


def test_order_that_would_be_lost_is_refused():
    for lost in (FeatureUnion([("a", Ordered())]), make_pipeline(PCA(2), FeatureUnion([("a", Ordered())]))):
        with pytest.raises(ValueError, match=r"Ordered learns from the order .* inside FeatureUnion .* Pipeline"):
            Stage(lost, patch_size=3).fit(times(9))
    with pytest.raises(ValueError, match="no film has two images"):
        Stage(Ordered(), patch_size=3).fit(times(5), groups=np.arange(5))
    with pytest.raises(ValueError, match=r"no film has two images"):
        Stage(Ordered(), patch_size=3).fit(times(1))
    with pytest.raises(ValueError, match=r"groups has shape \(4,\) and there are 5 images"):
        Stage(Ordered(), patch_size=3).fit(times(5), groups=np.arange(4))


def test_groups_change_nothing_for_learners_without_order():
    stage = Stage(PCA(3), patch_size=3, n_patches=100, random_state=0)
    np.testing.assert_array_equal(
        stage.fit(IMAGES, groups=np.arange(12)).transform(IMAGES), stage.fit_transform(IMAGES)
    )


def test_slow_features_of_a_film():
    """A slow brightness under a fast grating: one filter sees it at every place."""
    t, x = np.arange(600), np.arange(12)
    grating = np.cos(2 * np.pi * x / 5)
    film = 0.3 * np.sin(t / 50)[:, None, None] + np.sin(t)[:, None, None] * grating
    film = film + 0.05 * np.random.default_rng(0).normal(size=(600, 12, 12))
    for n_patches in (None, 5000, 500):
        stage = Stage(
            featlearn.SlowFeatureAnalysis(1), patch_size=6, n_patches=n_patches, pool=MeanPool(1), random_state=0
        )
        slow = stage.fit(film).transform(film).ravel()
        assert abs(np.corrcoef(slow, np.sin(t / 50))[0, 1]) > 0.99


def test_some_runs_find_what_all_find():
    """A film whose places share no pattern: one filter cannot follow each, but a sixth of the patches do as well."""
    r, t = np.random.default_rng(0), np.arange(600)
    p, q = r.normal(size=(2, 12, 12))
    film = np.sin(t / 50)[:, None, None] * p * 0.3 + np.sin(t)[:, None, None] * q + 0.05 * r.normal(size=(600, 12, 12))
    found = []
    for n_patches in (None, 5000):
        stage = Stage(featlearn.SlowFeatureAnalysis(1), n_patches=n_patches, pool=MeanPool(1), random_state=0)
        found.append(abs(np.corrcoef(stage.fit(film).transform(film).ravel(), np.sin(t / 50))[0, 1]))
    assert found[0] > 0.9
    assert found[1] > found[0] - 0.03


# An interrupt inside the learner


class Patient(TransformerMixin, BaseEstimator):
    """A learner of many iterations that is interrupted in one of them, and keeps what it has."""

    def __init__(self, stop=3):
        self.stop = stop

    def fit(self, X, y=None):
        state = {"n": 0}
        with interruptible("Patient", lambda: state["n"]):
            for n in range(1, 10):
                if n == self.stop:
                    raise KeyboardInterrupt
                state["n"] = n
        self.n_iter_ = state["n"]
        return self

    def transform(self, X):
        return X * self.n_iter_


def test_an_interrupt_keeps_the_learners_best_and_the_stage_completes():
    with pytest.warns(ConvergenceWarning, match="Patient: interrupted, so the fit ends after 2 iterations"):
        stage = Stage(make_pipeline(StandardScaler(), Patient()), patch_size=3, random_state=0).fit(IMAGES)
    assert stage.learner_[1].n_iter_ == 2
    assert stage.transform(IMAGES).shape == (12, 6, 7, 27)
    fresh = Stage(Patient(stop=1), patch_size=3)
    with pytest.raises(KeyboardInterrupt):  # there is nothing to keep
        fresh.fit(IMAGES)
    assert not hasattr(fresh, "learner_")


def test_fewer_patches_than_the_learner_needs():
    with pytest.raises(ValueError, match="n_samples=4 is fewer than n_components=8"):
        Stage(KMeansDictionary(8), patch_size=3, n_patches=4, random_state=0).fit(IMAGES)


def test_a_pool_that_does_not_fit_is_refused_before_anything_is_learned():
    learner = Interrupting(when=True)
    for pool in (SumPool(grid=7), MaxPool(window=(2, 8))):
        with pytest.raises(ValueError, match=r"does not fit maps of height 6 and width 7"):
            Stage(learner, patch_size=3, pool=pool).fit(IMAGES)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # PCA's ratio of explained variance
@pytest.mark.filterwarnings("ignore:KMeansDictionary. of .* are constant:UserWarning")  # so they are
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("value", [0, 1, 200])
@pytest.mark.parametrize(
    "learner",
    [
        PCA(2),
        make_pipeline(ContrastNormalizer(eps=0), ZCA(eps=0), KMeansDictionary(3, max_iter=2, tol=0)),
        make_pipeline(ContrastNormalizer(), ZCA(), KMeansDictionary(3, encode="split", max_iter=2, tol=0)),
        KMeansDictionary(3, encode="hard", max_iter=2, tol=0),
    ],
    ids=["PCA", "no eps", "split", "hard"],
)
def test_constant_images_give_no_nan(learner, value, dtype):
    images = np.full((4, 8, 8), value, dtype)
    stage = Stage(learner, patch_size=3, pool=MeanPool(), rectify=Abs(), random_state=0)
    if name(learner) == "KMeansDictionary":
        with pytest.warns(ConvergenceWarning, match="atoms win nothing"):
            stage.fit(images)
    else:
        stage.fit(images)
    assert np.isfinite(stage.transform(images)).all()
    assert np.isfinite(stage.transform(rng.uniform(0, 255, size=(2, 8, 8)))).all()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"device": "tpu"}, r"device='tpu' is not valid; pass one of 'auto', 'cpu', 'gpu'"),
        ({"learner": KMeans}, "learner=.*pass an object with `fit` and `transform`"),
        ({"learner": NotImplemented}, "pass an object with `fit` and `transform`"),
        ({"patch_size": 0}, "patch_size=0 is not valid; pass an integer of at least 1 or a tuple of 2"),
        ({"patch_size": (3, 3, 3)}, "patch_size="),
        ({"patch_size": 2.5}, "patch_size=2.5"),
        ({"stride": 0}, "stride=0"),
        ({"stride": (1, 2)}, "stride="),
        ({"n_patches": 0}, "n_patches=0"),
        ({"n_patches": 1e3}, "n_patches=1000.0"),
        ({"pad": -1}, "pad=-1"),
        ({"rectify": "abs"}, "rectify='abs' is not valid; pass None or an object with `transform`"),
        ({"normalize": 1}, "normalize=1"),
        ({"pool": SumPool}, "pool="),
        ({"n_jobs": "all"}, "n_jobs='all'"),
        ({"n_jobs": 0}, "n_jobs=0 is not valid"),
    ],
    ids=lambda p: str(p)[:30],
)
def test_bad_parameters(parameters, message):
    stage = Stage(PCA(3), patch_size=3).set_params(**parameters)
    with pytest.raises(ValueError, match=message):
        stage.fit(IMAGES).transform(IMAGES)


@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.int32])
def test_numpy_integers_and_arrays_for_sizes(kind):
    """As grids over arrays give them; no narrow integer overflows in the arithmetic of sizes."""
    images = rng.uniform(size=(2, 300, 9))
    pool = MeanPool(window=(60, 2))
    plain = Stage(PCA(2), patch_size=(4, 3), stride=2, n_patches=50, pad=1, pool=pool, random_state=0)
    expected = plain.fit(images).transform(images)
    odd = clone(plain).set_params(
        patch_size=np.array([4, 3], kind), stride=kind(2), n_patches=kind(50), pad=kind(1), random_state=kind(0),
        pool__window=np.array([60, 2], kind), device=np.str_("cpu"),
    )  # fmt: skip
    np.testing.assert_array_equal(odd.fit(images).transform(images), expected)
    np.testing.assert_array_equal(clone(odd).fit(images).transform(images), expected)
    for pool, same_pool in (
        (MaxPool(grid=np.array([2, 3], kind)), MaxPool(grid=(2, 3))),
        (SumPool(window=kind(3), step=np.array([2, 1], kind)), SumPool(window=3, step=(2, 1))),
    ):
        np.testing.assert_array_equal(pool.fit_transform(images), same_pool.fit_transform(images))
    repr(odd)


SIZES = [(Stage(PCA(2)), "patch_size"), (SumPool(), "grid"), (MaxPool(), "window"), (ToImages(), "shape")]


@pytest.mark.parametrize("bad", [np.array([3, 0]), np.array([3.0, 3.0]), np.array([[3, 3]]), np.arange(1, 5)])
@pytest.mark.parametrize(("estimator", "parameter"), SIZES, ids=lambda p: p if isinstance(p, str) else "")
def test_bad_arrays_for_sizes_are_named(estimator, parameter, bad):
    data = IMAGES.reshape(12, -1) if parameter == "shape" else IMAGES
    with pytest.raises(ValueError, match=rf"{type(estimator).__name__}: {parameter}=array\(.*is not valid; pass"):
        clone(estimator).set_params(**{parameter: bad}).fit(data)


def test_memory_may_be_a_path(tmp_path):
    stage = Stage(PCA(2), patch_size=3, n_patches=50, random_state=0, memory=tmp_path / "cache")
    plain = clone(stage).set_params(memory=None)
    np.testing.assert_array_equal(stage.fit_transform(IMAGES), plain.fit_transform(IMAGES))
    with pytest.raises(
        ValueError, match="Stage: memory=3 is not valid; pass None or an instance of str or PathLike or an"
    ):
        stage.set_params(memory=3).fit(IMAGES)


def test_a_learner_without_transform():
    from sklearn.cluster import DBSCAN

    for learner in (DBSCAN(), make_pipeline(StandardScaler(), DBSCAN())):
        with pytest.raises(ValueError, match=r"learner=.*pass an object with `fit` and `transform`"):
            Stage(learner).fit(IMAGES)


def test_transform_before_fit():
    with pytest.raises(NotFittedError):
        Stage(PCA(3)).transform(IMAGES)


# Failures in the middle


class Interrupting(TransformerMixin, BaseEstimator):
    """A learner that the user stops."""

    def __init__(self, when=False, error=KeyboardInterrupt):
        self.when, self.error = when, error

    def fit(self, X, y=None):
        if self.when:
            raise self.error("stop")
        self.mean_ = X.mean(axis=0)
        return self

    def transform(self, X):
        return X - self.mean_


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_fit_leaves_the_stage_as_it_was(error):
    stage = Stage(Interrupting(), patch_size=3, random_state=0).fit(IMAGES)
    out, before = stage.transform(IMAGES), dict(vars(stage))
    stage.set_params(learner__when=True, learner__error=error)
    with pytest.raises(error, match="stop"):
        stage.fit(IMAGES[:, :7, :7])
    assert vars(stage) == before
    np.testing.assert_array_equal(stage.transform(IMAGES), out)
    fresh = Stage(Interrupting(True, error), patch_size=3)
    with pytest.raises(error, match="stop"):
        fresh.fit(IMAGES)
    assert not [key for key in vars(fresh) if key.endswith("_")]


def test_a_failure_after_learning_leaves_the_stage_as_it_was():
    stage = Stage(PCA(3), patch_size=3, random_state=0).fit(IMAGES)
    before = dict(vars(stage))
    stage.set_params(rectify=FunctionTransformer(lambda maps: 1 / 0))
    with pytest.raises(ZeroDivisionError):
        stage.fit(IMAGES)
    assert vars(stage) == before | {"rectify": stage.rectify}


def test_an_error_in_a_worker_comes_out():
    images = np.tile(IMAGES, (40, 1, 1, 1))
    stage = Stage(chain(), patch_size=3, n_patches=100, random_state=0, n_jobs=2).fit(images)
    stage.rectify = FunctionTransformer(lambda maps: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        stage.transform(images)


@pytest.mark.parametrize("encode", ["triangle", "hard"])
@pytest.mark.parametrize("offset", [100, 10_000])
def test_the_fused_kernel_far_from_the_origin(encode, offset):
    rng = np.random.default_rng(0)
    images = (rng.normal(size=(30, 8, 8)) + offset).astype(np.float32)
    stage = Stage(KMeansDictionary(20, encode=encode), patch_size=3, pool=SumPool(2), random_state=0).fit(images)
    atoms = stage.learner_.components_.astype(float)
    patches = extract_patches(images[..., None].astype(float), (3, 3)).reshape(-1, 9)
    z = np.sqrt(((patches[:, None] - atoms) ** 2).sum(axis=2))
    codes = np.maximum(z.mean(axis=1, keepdims=True) - z, 0) if encode == "triangle" else np.eye(20)[z.argmin(axis=1)]
    expected = SumPool(2).transform(codes.reshape(30, 6, 6, 20))
    found = stage.transform(images)
    if encode == "triangle":
        np.testing.assert_allclose(found, expected, atol=2e-3 * expected.max())
    else:
        assert np.abs(found - expected).sum() <= 0.01 * expected.sum()


def test_names_follow_a_pool_set_after_the_fit():
    images = np.random.default_rng(0).normal(size=(20, 8, 8))
    stage = Stage(PCA(3), patch_size=3, pool=SumPool(2), random_state=0).fit(images)
    stage.set_params(pool=SumPool(3))
    assert len(stage.get_feature_names_out()) == stage.transform(images)[0].size
