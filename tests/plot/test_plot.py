"""Pictures: every pixel of a filter lands where it belongs, and the displays draw what they say.

Also tests featlearn.plot.filters, featlearn.plot.reconstruction and featlearn.plot.tiles.
"""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.decomposition import NMF, PCA, FastICA, MiniBatchDictionaryLearning
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import BernoulliRBM
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from featlearn.images import Flatten, Stage, ToImages
from featlearn.plot import FilterGridDisplay, ReconstructionDisplay, tile
from featlearn.plot.filters import find_filters
from featlearn.vectors import ZCA, ContrastNormalizer, KMeansDictionary

rng = np.random.default_rng(0)
DIGITS = load_digits().data[:300]


@pytest.fixture(autouse=True)
def _no_screen():
    plt.switch_backend("Agg")
    yield
    plt.close("all")


class FakeStage(TransformerMixin, BaseEstimator):
    """What a display needs to know of a Stage."""

    def __init__(self, learner, patch_shape):
        self.learner, self.patch_shape = learner, patch_shape

    def fit(self, X, y=None):
        self.learner_ = self.learner.fit(X)
        self.patch_shape_ = self.patch_shape
        return self

    def transform(self, X):
        return X


class Learned(BaseEstimator):
    """A fitted learner with the filters given."""

    def __init__(self, components):
        self.components = components

    def fit(self, X, y=None):
        self.components_ = self.components
        return self


# tile


def test_every_pixel_lands_in_its_place():
    """One marked pixel per filter, row, column and channel: a picture with exactly that pixel lit."""
    n, height, width, channels = 5, 3, 4, 3
    for i, y, x, c in np.ndindex(n, height, width, channels):
        filters = np.zeros((n, height, width, channels))
        filters[i, y, x, c] = 1
        picture = tile(filters.reshape(n, -1), (height, width, channels), ncols=2, padding=2)
        assert picture.shape == (3 * 3 + 2 * 2, 2 * 4 + 2, 3)
        row, column = i // 2 * 5 + y, i % 2 * 6 + x
        assert picture[row, column, c] == 1
        inside = np.zeros(picture.shape[:2], dtype=bool)
        for j in range(n):
            inside[j // 2 * 5 :, j % 2 * 6 :][:height, :width] = True
        assert picture[inside].sum() == 1
        assert (picture[~inside] == 1).all()


def test_gray_tiles_and_gaps():
    filters = np.arange(1.0, 13).reshape(3, 4)
    picture = tile(filters, (2, 2), ncols=2, padding=1, normalize=None)
    nan = np.nan
    expected = [[1, 2, nan, 5, 6], [3, 4, nan, 7, 8], [nan] * 5, [9, 10, nan, nan, nan], [11, 12, nan, nan, nan]]
    np.testing.assert_array_equal(picture, expected)


def test_tile_takes_images_and_one_channel():
    images = rng.uniform(size=(4, 2, 5))
    np.testing.assert_array_equal(tile(images), tile(images.reshape(4, 10), (2, 5)))
    np.testing.assert_array_equal(tile(images[..., None]), tile(images))
    np.testing.assert_array_equal(tile(images, (5, 2)), tile(images.reshape(4, 10), (5, 2)))


@pytest.mark.parametrize(("n", "grid"), [(1, (1, 1)), (4, (2, 2)), (5, (2, 3)), (10, (3, 4)), (100, (10, 10))])
def test_the_grid_is_nearly_square(n, grid):
    assert tile(np.ones((n, 9)), padding=0).shape == (3 * grid[0], 3 * grid[1])


def test_signed_filters_keep_zero_gray():
    filters = np.array([[0.0, 2.0, -1.0, 0.0], [0.0, -4.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    each = tile(filters, ncols=3, padding=0).reshape(2, 3, 2).transpose(1, 0, 2).reshape(3, 4)
    np.testing.assert_array_equal(each, [[0.5, 1, 0.25, 0.5], [0.5, 0, 0.5, 0.5], [0.5] * 4])
    alike = tile(filters, ncols=3, padding=0, normalize="all").reshape(2, 3, 2).transpose(1, 0, 2).reshape(3, 4)
    np.testing.assert_array_equal(alike, [[0.5, 0.75, 0.375, 0.5], [0.5, 0, 0.5, 0.5], [0.5] * 4])


def test_positive_filters_keep_zero_black():
    filters = np.array([[0.0, 2.0, 1.0, 0.0], [0.0, 4.0, 0.0, 0.0]])
    np.testing.assert_array_equal(tile(filters, ncols=1, padding=0)[:2].ravel(), [0, 1, 0.5, 0])
    np.testing.assert_array_equal(tile(filters, ncols=1, padding=0, normalize="all")[:2].ravel(), [0, 0.5, 0.25, 0])


def test_tile_leaves_its_input_alone():
    filters = rng.normal(size=(3, 12)).astype(np.float32)
    copy = filters.copy()
    filters.flags.writeable = False
    assert tile(filters).shape == (5, 5, 3)
    np.testing.assert_array_equal(filters, copy)
    assert np.isfinite(tile(np.array([[0, 255, 3, 4]], dtype=np.uint8))).all()


@pytest.mark.parametrize(
    ("filters", "options", "message"),
    [
        (np.ones((2, 10)), {}, "10 features make no square"),
        (np.ones((2, 10)), {"shape": (3, 4)}, r"shape=\(3, 4\) takes 3 \* 4 = 12 features, and there are 10"),
        (np.ones((2, 20)), {"shape": (2, 2, 5)}, r"5 channels, and a picture shows 1 or 3. Pass shape=\(2, 10\)"),
        (np.ones((2, 4)), {"shape": 4}, "shape=4 is not valid"),
        (np.ones((2, 4)), {"shape": (2, 2.0)}, "is not valid"),
        (np.ones((0, 4)), {}, "nothing to show"),
        (np.ones(4), {}, "nothing to show"),
        (np.ones((2, 4)), {"normalize": "some"}, "normalize='some'"),
        (np.ones((2, 4)), {"padding": -1}, "padding=-1"),
        (np.ones((2, 4)), {"ncols": 0}, "ncols=0"),
    ],
)
def test_tile_names_what_is_wrong(filters, options, message):
    with pytest.raises(ValueError, match=message):
        tile(filters, **options)


# FilterGridDisplay


@pytest.mark.parametrize(
    "model",
    [
        PCA(9),
        NMF(9, init="nndsvd", tol=0.1),
        FastICA(9, random_state=0, tol=0.1),
        MiniBatchDictionaryLearning(9, random_state=0, max_iter=2),
        KMeans(9, n_init=1, random_state=0),
        BernoulliRBM(9, n_iter=1, random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
def test_scikit_learns_own_learners(model):
    display = FilterGridDisplay.from_estimator(model.fit(DIGITS / 16))
    learned = model.cluster_centers_ if isinstance(model, KMeans) else model.components_
    np.testing.assert_array_equal(display.filters, learned)
    np.testing.assert_array_equal(display.im_.get_array().filled(np.nan), tile(learned, (8, 8)))
    assert display.im_.get_array().shape == (26, 26)
    assert display.figure_ is display.ax_.figure
    assert display.ax_.get_title() == "9 filters, 8 × 8"


def test_a_learned_color_atom_is_the_image_it_came_from():
    """Through CIFAR's layout, images, flat rows and K-means with one atom per image: the pictures come back."""
    images = rng.uniform(0.1, 1, size=(4, 5, 6, 3))
    rows = images.transpose(0, 3, 1, 2).reshape(4, -1)
    pipe = make_pipeline(ToImages((5, 6, 3), order="chw"), Flatten(), KMeans(4, init=images.reshape(4, -1), n_init=1))
    display = FilterGridDisplay.from_estimator(pipe.fit(rows), normalize=None, ncols=4, padding=1)
    assert display.shape == (5, 6, 3)
    picture = display.im_.get_array()
    for i in range(4):
        np.testing.assert_allclose(picture[:, 7 * i : 7 * i + 6], images[i], rtol=1e-12)


def test_a_stage_knows_the_shape_of_its_patches():
    patches = rng.normal(size=(50, 24))
    stage = FakeStage(PCA(5), (4, 2, 3)).fit(patches)
    for estimator in (stage, make_pipeline(stage, StandardScaler(), PCA(2)).fit(patches)):
        display = FilterGridDisplay.from_estimator(estimator)
        assert display.shape == (4, 2, 3)
        np.testing.assert_array_equal(display.filters, stage.learner_.components_)
    gray = FakeStage(PCA(5), (4, 6)).fit(patches)
    assert FilterGridDisplay.from_estimator(gray).shape == (4, 6)
    assert FilterGridDisplay.from_estimator(gray, shape=(4, 2, 3)).shape == (4, 2, 3)


def test_a_real_stage():
    learner = make_pipeline(ContrastNormalizer(), ZCA(), KMeansDictionary(6, max_iter=3, tol=0))
    stage = Stage(learner, patch_size=(4, 5), n_patches=500, random_state=0).fit(rng.uniform(size=(20, 9, 9, 3)))
    zca, dictionary = stage.learner_[1:]
    display = FilterGridDisplay.from_estimator(stage)
    assert display.shape == (4, 5, 3)
    expected = zca.inverse_transform(dictionary.components_) - zca.mean_
    np.testing.assert_allclose(display.filters, expected, atol=1e-10)
    white = FilterGridDisplay.from_estimator(stage, whitened=True)
    np.testing.assert_array_equal(white.filters, dictionary.components_)


def test_filters_are_taken_back_through_the_whitening():
    X = rng.normal(size=(500, 16)) @ rng.normal(size=(16, 16)) + 7
    atoms = rng.normal(size=(6, 10))
    white = PCA(10, whiten=True)
    # Normalizer cannot be undone and is passed over; the scaler's and the whitening's inverses are written out here.
    pipe = make_pipeline(Normalizer(), StandardScaler(), white, Learned(atoms)).fit(X)
    scale = pipe.named_steps["standardscaler"].scale_
    expected = (atoms * np.sqrt(white.explained_variance_)) @ white.components_ * scale
    display = FilterGridDisplay.from_estimator(pipe)
    np.testing.assert_allclose(display.filters, expected, rtol=1e-10)
    with_classifier = make_pipeline(StandardScaler(), KMeans(3, n_init=1), LogisticRegression()).fit(X, X[:, 0] > 7)
    assert FilterGridDisplay.from_estimator(with_classifier).filters.shape == (3, 16)
    stage = FakeStage(make_pipeline(PCA(16, whiten=True), Learned(rng.normal(size=(4, 16)))), (2, 8)).fit(X)
    whitened = FilterGridDisplay.from_estimator(stage, whitened=True)
    np.testing.assert_array_equal(whitened.filters, stage.learner_[-1].components_)
    assert abs(FilterGridDisplay.from_estimator(stage).filters - whitened.filters).max() > 0.1


def test_whitened_filters_that_make_no_picture_say_so():
    X = rng.normal(size=(50, 16))
    pipe = make_pipeline(PCA(10, whiten=True), Learned(np.ones((2, 10)))).fit(X)
    with pytest.raises(ValueError, match=r"10 features make no square.*whitened=False"):
        FilterGridDisplay.from_estimator(pipe, whitened=True)


def test_the_last_learner_of_a_pipeline_and_of_a_search_counts():
    pipe = make_pipeline(PCA(20), KMeans(4, n_init=1, random_state=0))
    search = GridSearchCV(pipe, {"kmeans__n_clusters": [4]}, cv=2).fit(DIGITS)
    best = search.best_estimator_
    expected = best[-1].cluster_centers_ @ best[0].components_
    np.testing.assert_allclose(FilterGridDisplay.from_estimator(search).filters, expected, atol=1e-10)


def test_number_of_filters_and_axes():
    pca = PCA(30).fit(DIGITS)
    display = FilterGridDisplay.from_estimator(pca, n_filters=6, ncols=6, padding=2)
    np.testing.assert_array_equal(display.filters, pca.components_[:6])
    assert display.im_.get_array().shape == (8, 6 * 10 - 2)
    assert display.ax_.get_title() == "6 of 30 filters, 8 × 8"
    assert len(FilterGridDisplay.from_estimator(pca, n_filters=None).filters) == 30
    figure, axes = plt.subplots(1, 2)
    assert display.plot(axes[1], cmap="viridis") is display
    assert display.ax_ is axes[1]
    assert display.figure_ is figure
    assert display.im_.get_cmap().name == "viridis"
    with pytest.raises(ValueError, match="n_filters=0"):
        FilterGridDisplay.from_estimator(pca, n_filters=0)


def test_what_has_no_filters():
    with pytest.raises(TypeError, match="StandardScaler holds no filters"):
        FilterGridDisplay.from_estimator(StandardScaler().fit(DIGITS))
    with pytest.raises(TypeError, match=r"No step of the pipeline \(StandardScaler, Normalizer\)"):
        FilterGridDisplay.from_estimator(make_pipeline(StandardScaler(), Normalizer()).fit(DIGITS))
    with pytest.raises(NotFittedError):
        FilterGridDisplay.from_estimator(PCA(3))
    with pytest.raises(NotFittedError):
        find_filters(FakeStage(PCA(5), (4, 6)))


# ReconstructionDisplay


def test_reconstructions_below_originals():
    pca = PCA(10).fit(DIGITS)
    display = ReconstructionDisplay.from_estimator(pca, DIGITS, n_samples=4)
    back = pca.inverse_transform(pca.transform(DIGITS[:4]))
    picture = display.im_.get_array()
    assert picture.shape == (17, 4 * 9 - 1)
    for i in range(4):
        np.testing.assert_allclose(picture[:8, 9 * i : 9 * i + 8], DIGITS[i].reshape(8, 8) / 16)
        np.testing.assert_allclose(picture[9:, 9 * i : 9 * i + 8], back[i].reshape(8, 8).clip(0, 16) / 16, rtol=1e-12)
    assert display.mse_ == pytest.approx(((DIGITS[:4] - back) ** 2).mean(), rel=1e-12)
    assert display.ax_.get_title() == f"Mean squared error {display.mse_:.3g}"
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == ["original", "reconstructed"]


def test_reconstructions_of_images_frames_and_few_samples():
    images = rng.uniform(size=(6, 5, 4, 3))
    pipe = make_pipeline(Flatten(), PCA(5)).fit(images)
    display = ReconstructionDisplay.from_estimator(pipe, images)
    assert display.im_.get_array().shape == (11, 6 * 5 - 1, 3)
    assert display.mse_ < 1e-25
    table = pd.DataFrame(DIGITS[:3])
    figure, ax = plt.subplots()
    display = ReconstructionDisplay.from_estimator(PCA(2).fit(table), table, ax=ax, shape=(4, 16))
    assert display.im_.get_array().shape == (9, 3 * 17 - 1)
    assert display.figure_ is figure
    flat = ReconstructionDisplay(np.ones((2, 4)), np.ones((2, 4))).plot()
    assert flat.mse_ == 0


def test_reconstruction_errors():
    with pytest.raises(TypeError, match="BernoulliRBM has no `inverse_transform`"):
        ReconstructionDisplay.from_estimator(BernoulliRBM(2, n_iter=1).fit(DIGITS / 16), DIGITS)
    with pytest.raises(TypeError, match="Pipeline has no `inverse_transform`"):
        ReconstructionDisplay.from_estimator(make_pipeline(Normalizer(), PCA(2)).fit(DIGITS), DIGITS)
    with pytest.raises(ValueError, match="n_samples=0"):
        ReconstructionDisplay.from_estimator(PCA(2).fit(DIGITS), DIGITS, n_samples=0)
    with pytest.raises(ValueError, match=r"\(2, 4\).*\(2, 9\)"):
        ReconstructionDisplay(np.ones((2, 4)), np.ones((2, 9))).plot()


# matplotlib


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    pca = PCA(4).fit(DIGITS)
    for name in ("matplotlib", "matplotlib.pyplot"):
        monkeypatch.setitem(sys.modules, name, None)
    for draw in (
        lambda: FilterGridDisplay.from_estimator(pca),
        lambda: ReconstructionDisplay.from_estimator(pca, DIGITS),
    ):
        with pytest.raises(ImportError, match=r"pip install featlearn\[plot\]"):
            draw()
    assert tile(pca.components_).shape == (17, 17)
    monkeypatch.undo()


def test_importing_plot_does_not_import_matplotlib():
    code = "import sys, featlearn.plot; featlearn.plot.tile([[0, 1, 2, 3]]); print('matplotlib' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


# networks


def test_weights_of_a_network_by_layer():
    from featlearn.networks import Affine, BatchNorm, Dense, Dropout, Maxout, NetworkClassifier

    y = load_digits().target[:300]
    layers = [Affine(), Dense(9, "tanh"), BatchNorm(), Dropout(0.1), Maxout(4, 3), Dense(5, "relu")]
    net = NetworkClassifier(layers, max_iter=2, tol=0, random_state=0).fit(DIGITS, y)
    scaler, first, norm, _, maxout, _, second, output = net.layers_
    scale = norm.params["g"] / np.sqrt(norm.state["variance"] + 1e-3)
    W1 = scaler.state["c"][:, None] * first.params["W"]
    pieces = (W1 * scale) @ maxout.params["W"]
    units = sum(pieces[:, k::3] for k in range(3)) / 3
    expected = {
        "dense-1": W1,
        "maxout-1": pieces,
        "dense-2": units @ second.params["W"],
        "output": units @ second.params["W"] @ output.params["W"],
    }
    for i, (name, W) in enumerate(expected.items()):
        for layer in (name, i, i - 4):
            np.testing.assert_allclose(find_filters(net, layer=layer)[0], W.T, rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(find_filters(net)[0], find_filters(net, layer=0)[0])
    display = FilterGridDisplay.from_estimator(net, layer=2)
    assert display.ax_.get_title() == "5 filters of dense-2, 8 × 8"
    with pytest.raises(
        ValueError, match="no weights in a layer 'dropout-1'; there are dense-1, maxout-1, dense-2, out"
    ):
        FilterGridDisplay.from_estimator(net, layer="dropout-1")
    with pytest.raises(TypeError, match="layer=1 names a layer of a network, and PCA is none"):
        FilterGridDisplay.from_estimator(PCA(3).fit(DIGITS), layer=1)


def test_weights_of_a_network_in_a_pipeline_are_taken_back():
    from featlearn.networks import Dense, NetworkClassifier

    y = load_digits().target[:300]
    net = NetworkClassifier([Dense(6, "relu")], max_iter=2, tol=0, random_state=0)
    pipeline = make_pipeline(PCA(10), net).fit(DIGITS, y)
    W = pipeline[-1].coefs_[0]
    np.testing.assert_allclose(find_filters(pipeline)[0], W.T @ pipeline[0].components_, atol=1e-10)
    both = W @ pipeline[-1].coefs_[1]
    np.testing.assert_allclose(find_filters(pipeline, layer="output")[0], both.T @ pipeline[0].components_, atol=1e-10)
