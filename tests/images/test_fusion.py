"""The fused path: which learners it takes, equal to the generic path and to loops, on every device there is."""

import warnings
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import featlearn
from featlearn import (
    ZCA,
    Abs,
    ContrastNormalizer,
    KMeansDictionary,
    LocalContrastNormalizer,
    MaxPool,
    MeanPool,
    PCAWhitening,
    RandomPatches,
    SplitSign,
    Stage,
    SumPool,
)
from featlearn.images.fusion import fused_plan, fusible_cells
from featlearn.images.stage import _StageEncoder
from featlearn.kernels.backend import gpu_visible
from featlearn.kernels.encoding.encode import EncoderPlan
from tests import references

rng = np.random.default_rng(0)
PATCH = (3, 4)
# Not noise alone: neighboring pixels of a picture go together.
PICTURES = np.cumsum(rng.normal(size=(3, 10, 11, 3)), axis=1)
PICTURES = np.round(255 * (PICTURES - PICTURES.min()) / np.ptp(PICTURES))
ENCODINGS = ["triangle", "hard", "threshold", "split"]
POOLS = {
    "none": None,
    "sum of a grid": SumPool(grid=2),
    "sum under windows": SumPool(window=(2, 3), step=(2, 3)),
    "sum under windows with gaps": SumPool(window=1, step=2),
    "sum under windows that overlap": SumPool(window=3, step=1),
    "mean of a grid": MeanPool(grid=(2, 1)),
    "mean under windows": MeanPool(window=2, step=1),
    "max of a grid": MaxPool(grid=2),
    "max under windows": MaxPool(window=2, step=2),
}
# stride, pad, channels, dtype
SETTINGS = [(1, 0, 1, np.float64), (2, 0, 3, np.float32), (1, 1, 3, np.uint8), (2, 2, 1, np.float32), (1, 0, 3, float)]


def images(channels, dtype):
    return PICTURES[..., :channels].astype(dtype)


def learner(encode, whitening=ZCA):
    return make_pipeline(
        ContrastNormalizer(), whitening(), KMeansDictionary(6, encode=encode, threshold=0.3, max_iter=5, tol=0)
    )


def fitted(encode, stride=1, pad=0, channels=3, dtype=np.float64, pool=None, **parameters):
    stage = Stage(learner(encode), PATCH, stride=stride, pad=pad, pool=pool, random_state=0, **parameters)
    return stage.fit(images(channels, dtype))


def by_loops(stage, X):
    """Maps (n, h, w, k) of images by the slow reference, from the atoms and the whitening that the stage learned."""
    contrast, whitening, dictionary = (step for _, step in stage.learner_.steps)
    X = np.asarray(X, dtype=float).reshape(*X.shape[:3], -1)
    padded = np.pad(X, ((0, 0), (stage.pad,) * 2, (stage.pad,) * 2, (0, 0)))
    return np.array(
        [
            references.encode_image(
                image,
                dictionary.components_,
                dictionary.encode,
                PATCH,
                stride=stage.stride,
                eps=contrast.eps_,
                ddof=contrast.ddof,
                mean=whitening.mean_,
                whitening=whitening.whitening_,
                threshold=dictionary.threshold,
            )
            for image in padded
        ]
    )


@cache
def reference(encode, stride, pad, channels, dtype):
    return by_loops(fitted(encode, stride, pad, channels, dtype), images(channels, dtype))


def cell_starts(size, window, step):
    return [range(start, start + window) for start in range(0, size - window + 1, step)]


def pooled_by_loops(maps, pool):
    """Cells cut out by their indices; a grid as `numpy.array_split` cuts it."""
    if pool is None:
        return maps
    cells = []
    for axis in (0, 1):
        size = maps.shape[1 + axis]
        at = {name: v[axis] if isinstance(v, tuple) else v for name, v in pool.get_params().items() if v is not None}
        if "window" in at:
            cells.append(cell_starts(size, at["window"], at.get("step", at["window"])))
        else:
            cells.append(np.array_split(np.arange(size), at["grid"]))
    reduce = {SumPool: np.sum, MeanPool: np.mean, MaxPool: np.max}[type(pool)]
    out = np.empty((len(maps), len(cells[0]), len(cells[1]), maps.shape[3]))
    for i, a, b, k in np.ndindex(out.shape):
        out[i, a, b, k] = reduce([maps[i, y, x, k] for y in cells[0][a] for x in cells[1][b]])
    return out


def assert_close(a, b):
    tolerance = 1e-4 if a.dtype == np.float32 else 1e-9
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * max(1, abs(b).max()))


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("encode", ENCODINGS)
def test_fused_equals_generic_equals_loops(encode, pool, monkeypatch):
    for setting in SETTINGS:
        stage = fitted(encode, *setting, pool=POOLS[pool])
        X = images(*setting[2:])
        with monkeypatch.context() as patch:
            patch.setattr(_StageEncoder, "_codes", None)  # the fused path has no need of it
            fused = stage.transform(X)
        with monkeypatch.context() as patch:
            patch.setattr("featlearn.images.stage.fused_plan", lambda *_: None)
            generic = stage.transform(X)
        expected = pooled_by_loops(reference(encode, *setting), POOLS[pool])
        assert fused.dtype == generic.dtype == (np.float64 if setting[3] in (float, np.float64) else np.float32)
        assert fused.shape == generic.shape == (3, *stage.output_shape_)
        assert_close(fused, expected)
        assert_close(generic, expected)


@pytest.mark.parametrize("encode", ENCODINGS)
def test_rectified_and_normalized_codes(encode, monkeypatch):
    steps = {"rectify": SplitSign(threshold=0.1), "normalize": LocalContrastNormalizer(size=3)}
    stage = fitted(encode, pool=MaxPool(), **steps)
    with monkeypatch.context() as patch:
        patch.setattr(_StageEncoder, "_codes", None)
        fused = stage.transform(images(3, float))
    maps = reference(encode, 1, 0, 3, float)
    for step in (*steps.values(), MaxPool()):
        maps = step.transform(maps)
    assert_close(fused, maps)


@pytest.mark.parametrize("encode", ENCODINGS)
@pytest.mark.parametrize(
    "steps",
    [
        [],
        [ContrastNormalizer()],
        [ZCA()],
        [PCAWhitening(n_components=5)],
        [ContrastNormalizer(eps=0, ddof=0)],
        ["passthrough", ContrastNormalizer(), PCAWhitening(), None],
    ],
    ids=str,
)
@pytest.mark.parametrize("dictionary", [KMeansDictionary(4, max_iter=3, tol=0), RandomPatches(4)])
def test_any_of_the_three_parts_may_be_missing(encode, steps, dictionary, monkeypatch):
    dictionary = clone(dictionary).set_params(encode=encode)
    chain = make_pipeline(*steps, dictionary) if steps else dictionary
    stage = Stage(chain, PATCH, pool=SumPool(), random_state=0).fit(images(3, float))
    with monkeypatch.context() as patch:
        patch.setattr(_StageEncoder, "_codes", None)
        fused = stage.transform(images(3, float))
    monkeypatch.setattr("featlearn.images.stage.fused_plan", lambda *_: None)
    generic = stage.transform(images(3, float))
    # A patch that is an atom has distance 0, and both get the root of a rounding error instead.
    np.testing.assert_allclose(fused, generic, rtol=1e-6, atol=1e-6 * generic.max())


class Squared(KMeansDictionary):
    """A dictionary with a code of its own."""

    def transform(self, X):
        return super().transform(X) ** 2


@pytest.mark.parametrize(
    "other",
    [
        PCA(3),
        make_pipeline(ContrastNormalizer(), PCA(3)),
        make_pipeline(StandardScaler(), KMeansDictionary(4)),
        make_pipeline(ZCA(), ContrastNormalizer(), KMeansDictionary(4)),
        make_pipeline(ZCA(), ZCA(), KMeansDictionary(4)),
        make_pipeline(KMeansDictionary(4), PCA(2)),
        make_pipeline(ContrastNormalizer()),
        KMeansDictionary(4, encode="omp"),
        KMeansDictionary(4, encode="hard", assignment="spherical"),
        Squared(4),
    ],
    ids=lambda other: str(other).replace("\n", ""),
)
def test_anything_else_runs_step_by_step(other):
    """And right: the codes are the learner's own."""
    X = images(1, float)[..., 0]
    stage = Stage(other, PATCH, random_state=0).fit(X)
    assert fused_plan(stage.learner_, PATCH, 1) is None
    patch = X[1, 2:5, 3:7].reshape(1, -1)
    np.testing.assert_allclose(stage.transform(X)[1, 2, 3], stage.learner_.transform(patch)[0], rtol=1e-9, atol=1e-12)


def test_signed_and_unit_atoms_are_fused_where_the_code_does_not_ask_who_won():
    for assignment in ("spherical", "cosine"):
        for encode in ("triangle", "threshold", "split"):
            dictionary = KMeansDictionary(4, assignment=assignment, encode=encode, random_state=0)
            assert fused_plan(dictionary.fit(rng.normal(size=(50, 12))), PATCH, 1) is not None


def test_only_sums_over_disjoint_cells_are_fused():
    rows, columns = fusible_cells(SumPool(grid=2), 27, 27)
    assert [(c.start, c.stop) for c in rows] == [(c.start, c.stop) for c in columns] == [(0, 14), (14, 27)]
    assert fusible_cells(MeanPool(window=2, step=2), 9, 9) is not None
    for pool in (None, MaxPool(), SumPool(window=2, step=1), object()):
        assert fusible_cells(pool, 9, 9) is None


def test_hard_codes_count_patches():
    """Pitfalls 14 and 15: a hard code sums to 1, and 27 x 27 of them to 729 = (14 + 13)^2, quadrant by quadrant."""
    X = rng.uniform(0, 255, size=(3, 32, 32, 3)).astype(np.float32)
    chain = make_pipeline(ContrastNormalizer(), ZCA(), KMeansDictionary(7, encode="hard", max_iter=3, tol=0))
    stage = Stage(chain, patch_size=6, n_patches=500, random_state=0).fit(X)
    np.testing.assert_array_equal(stage.transform(X).sum(axis=-1), np.ones((3, 27, 27)))
    quadrants = stage.set_params(pool=SumPool(grid=2)).transform(X).sum(axis=-1)
    np.testing.assert_array_equal(quadrants, np.broadcast_to([[14 * 14, 14 * 13], [13 * 14, 13 * 13]], (3, 2, 2)))
    np.testing.assert_array_equal(quadrants.sum(axis=(1, 2)), 729)


def test_each_patch_is_divided_by_its_own_spread():
    """Pitfall 17: whitening folded into the filters of one convolution cannot do that."""
    dictionary = KMeansDictionary(6, assignment="spherical", encode="split", threshold=0.0, max_iter=5, tol=0)
    chain = make_pipeline(ContrastNormalizer(eps=1e-9), ZCA(), dictionary)
    X = images(3, float)
    stage = Stage(chain, PATCH, random_state=0).fit(X)
    codes = stage.transform(X)
    # Every image at another contrast and brightness: the codes stay. A convolution scales with the image.
    for scale, shift in ((0.2, 0), (3, 40)):
        np.testing.assert_allclose(stage.transform(scale * X + shift), codes, atol=1e-6)
    _, whitening, atoms = (step for _, step in stage.learner_.steps)
    windows = np.lib.stride_tricks.sliding_window_view(X, PATCH, axis=(1, 2)).transpose(0, 1, 2, 4, 5, 3)
    patches = windows.reshape(*windows.shape[:3], -1)
    centered = patches - patches.mean(axis=-1, keepdims=True)
    spread = centered.std(axis=-1, ddof=1, keepdims=True)
    filters = whitening.whitening_ @ atoms.components_.T
    offset = whitening.mean_ @ filters
    own = centered / spread @ filters - offset
    folded = centered / spread.mean() @ filters - offset  # one convolution: one spread for all
    response = codes[..., :6] - codes[..., 6:]
    np.testing.assert_allclose(response, own, atol=1e-6)
    assert np.sqrt(np.mean((folded - own) ** 2)) > 0.2 * np.sqrt(np.mean(own**2))


def test_gpu_for_a_generic_learner_is_refused():
    with pytest.raises(ValueError, match=r"device='gpu' runs the fused encoder.*PCA\(n_components=3.*'cpu' or 'auto'"):
        Stage(PCA(3), PATCH, device="gpu").fit(images(1, float))


@pytest.mark.keras
@pytest.mark.parametrize(
    ("encode", "parameters"),
    [
        ("triangle", {}),
        ("hard", {}),
        ("hard", {"pool": MeanPool(grid=3), "stride": 2}),
        ("threshold", {}),
        ("split", {}),
        ("split", {"pool": None, "rectify": SplitSign()}),
    ],
)
def test_keras_device_equals_the_cpu(encode, parameters):
    """On a machine without a GPU it runs on Keras' CPU device, and says so."""
    pytest.importorskip("keras", reason="pip install 'featlearn[deep]'")
    X = np.random.default_rng(0).uniform(0, 255, size=(5, 12, 11, 3)).astype(np.float32)
    learner = make_pipeline(ContrastNormalizer(), ZCA(), KMeansDictionary(6, encode=encode, threshold=0.1))
    stage = Stage(learner, patch_size=4, n_patches=300, pad=1, random_state=0, pool=SumPool()).fit(X)
    cpu = stage.set_params(device="cpu", **parameters).transform(X)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        gpu = stage.set_params(device="gpu").transform(X)
    assert sum("sees no GPU" in str(w.message) for w in caught) == (not gpu_visible())
    assert gpu.shape == cpu.shape
    assert gpu.dtype == cpu.dtype == np.float32
    assert abs(gpu - cpu).max() < 1e-5 * max(1, abs(cpu).max())


def test_a_stage_of_one_abs_step_is_not_pooled_twice():
    stage = fitted("split", pool=SumPool(), rectify=Abs())
    assert_close(stage.transform(images(3, float)), fitted("split", pool=SumPool()).transform(images(3, float)))


AFFINE = [
    featlearn.ContractiveAutoencoder(4, max_iter=3),
    featlearn.DenoisingAutoencoder(4, activation="tanh", max_iter=3),
    featlearn.GaussianMixtureEncoder(4, tol=0, max_iter=3),
    featlearn.GaussianMixtureEncoder(4, covariance="spherical", tol=0, max_iter=3),
    featlearn.ICA(4, max_iter=3),
    featlearn.PredictiveSparse(4, max_iter=3),
    featlearn.RandomWeights(4, activation="relu"),
    featlearn.RBM(4, visible="gaussian", max_iter=3),
    featlearn.RICA(4, max_iter=3),
    featlearn.SparseAutoencoder(4, max_iter=3),
]


@pytest.mark.parametrize("affine", AFFINE, ids=lambda learner: type(learner).__name__)
@pytest.mark.parametrize("before", [[ContrastNormalizer(), ZCA(eps=0.1)], [ContrastNormalizer()]], ids=["white", "raw"])
def test_learners_with_affine_codes_are_fused(affine, before, monkeypatch):
    X = images(3, np.float32)
    stage = Stage(make_pipeline(*before, affine), PATCH, pool=SumPool(2), random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        stage.fit(X)
    assert fused_plan(stage.learner_, PATCH, 1) is not None
    fused = stage.transform(X)
    monkeypatch.setattr("featlearn.images.stage.fused_plan", lambda *args: None)
    generic = stage.transform(X)
    np.testing.assert_allclose(fused, generic, rtol=1e-3, atol=1e-4 * np.abs(generic).max())


class OtherWeights(TransformerMixin, BaseEstimator):
    """A learner as a stranger writes it: no base of ours, codes by plain NumPy, and a plan of them."""

    def __init__(self, encode="tanh"):
        self.encode = encode

    def fit(self, X, y=None):
        rng = np.random.default_rng(0)
        self.mean_ = X.mean(axis=0)
        self.weights_ = rng.normal(size=(X.shape[1], 5)) / (1 + np.abs(X).max())
        self.bias_ = rng.normal(size=5)
        return self

    def transform(self, X):
        responses = (X - self.mean_) @ self.weights_
        if self.encode == "split":
            return np.hstack([np.maximum(responses - 0.1, 0), np.maximum(-responses - 0.1, 0)])
        return np.tanh(responses + self.bias_) if self.encode == "tanh" else np.abs(responses + self.bias_) * 3

    def encoder_plan(self):
        if self.encode == "split":
            return EncoderPlan(self.weights_.T, "split", threshold=0.1, mean=self.mean_)
        scale = None if self.encode == "tanh" else np.full(5, 3.0)
        return EncoderPlan(self.weights_.T, self.encode, bias=self.bias_, mean=self.mean_, scale=scale)


class Chain(OtherWeights):
    """One that normalizes contrast and whitens by itself, all of it in its plan."""

    def fit(self, X, y=None):
        self.whitening_ = PCAWhitening(4).fit(self._normal(X)).whitening_
        return super().fit(self._normal(X) @ self.whitening_)

    def _normal(self, X):
        X = X - X.mean(axis=1, keepdims=True)
        return X / np.sqrt(X.var(axis=1, ddof=1, keepdims=True) + 10)

    def transform(self, X):
        return super().transform(self._normal(X) @ self.whitening_)

    def encoder_plan(self):
        own = super().encoder_plan()
        own = replace(own, bias=own.bias - self.mean_ @ self.weights_)
        return replace(own, eps=10.0, ddof=1, whitening=self.whitening_, mean=np.zeros(len(self.whitening_)))


WHITENED = [ContrastNormalizer(), ZCA(eps=0.1)]


@pytest.mark.parametrize(
    ("learner", "fused"),
    [
        (OtherWeights(), True),
        (OtherWeights("abs"), True),
        (OtherWeights("split"), True),
        (make_pipeline(ContrastNormalizer(), OtherWeights("split")), True),
        (make_pipeline(*WHITENED, OtherWeights()), True),
        (make_pipeline(*WHITENED, OtherWeights("split")), False),  # an origin after whitening, and no bias to take it
        (Chain(), True),
        (make_pipeline(ContrastNormalizer(), Chain()), False),  # contrast twice
        (make_pipeline(ZCA(), Chain()), False),
    ],
    ids=lambda value: str(value).replace("\n", ""),
)
def test_a_strangers_learner_is_fused(learner, fused, monkeypatch):
    X = images(3, float)
    stage = Stage(learner, PATCH, pool=SumPool(2), random_state=0).fit(X)
    assert (fused_plan(stage.learner_, PATCH, 1) is not None) is fused
    with monkeypatch.context() as patch:
        if fused:
            patch.setattr(_StageEncoder, "_codes", None)
        found = stage.transform(X)
    monkeypatch.setattr("featlearn.images.stage.fused_plan", lambda *_: None)
    np.testing.assert_allclose(found, stage.transform(X), rtol=1e-9, atol=1e-9)
    windows = np.lib.stride_tricks.sliding_window_view(X, PATCH, axis=(1, 2)).transpose(0, 1, 2, 4, 5, 3)
    codes = stage.learner_.transform(windows.reshape(-1, windows[0, 0, 0].size)).reshape(*windows.shape[:3], -1)
    np.testing.assert_allclose(found, pooled_by_loops(codes, SumPool(2)), rtol=1e-9, atol=1e-9)


class Halved(OtherWeights):
    """Another code by the plan of its parent, which does not know of it."""

    def transform(self, X):
        return super().transform(X) / 2


class Renamed(Halved):
    """Neither a transform nor a plan of its own."""


class HalvedWithPlan(Halved):
    """It says how."""

    def encoder_plan(self):
        plan = super().encoder_plan()
        return replace(plan, scale=np.full(5, 0.5))


class Shy(OtherWeights):
    """A plan only at times."""

    def encoder_plan(self):
        return None


@pytest.mark.parametrize(
    ("kind", "fused", "factor"),
    [(Halved, False, 0.5), (Renamed, False, 0.5), (HalvedWithPlan, True, 0.5), (Shy, False, 1)],
)
def test_a_subclass_is_never_encoded_by_the_plan_of_a_parent(kind, fused, factor):
    X = images(1, float)
    plain, other = (Stage(c(), PATCH, random_state=0).fit(X) for c in (OtherWeights, kind))
    assert (fused_plan(other.learner_, PATCH, 1) is not None) is fused
    np.testing.assert_allclose(other.transform(X), factor * plain.transform(X), rtol=1e-12)


class Scaled(TransformerMixin):
    """A mixin that changes the codes of whatever stands behind it."""

    def transform(self, X):
        return 3 * super().transform(X)


class ScaledDictionary(Scaled, KMeansDictionary):
    """Its `transform` is the mixin's."""


class PlainDictionary(KMeansDictionary, Scaled):
    """Its `transform` is the dictionary's."""


def test_who_wrote_transform_is_asked_of_the_order_of_the_bases():
    X = rng.normal(size=(50, 12))
    assert fused_plan(ScaledDictionary(4).fit(X), PATCH, 1) is None
    assert fused_plan(PlainDictionary(4).fit(X), PATCH, 1) is not None
