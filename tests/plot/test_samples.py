"""Samples and Markov chains as pictures: every sample in its place and on one scale, from any generative learner."""

import numpy as np
import pytest
from matplotlib import pyplot as plt
from sklearn.base import BaseEstimator
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from featlearn.images import Flatten
from featlearn.plot import ReconstructionDisplay, SampleGridDisplay, tile

rng = np.random.default_rng(0)
DIGITS = load_digits().data[:200]
MIXTURE = GaussianMixture(3, covariance_type="diag", reg_covar=0.1, random_state=0).fit(DIGITS)


@pytest.fixture(autouse=True)
def _no_screen():
    plt.switch_backend("Agg")
    yield
    plt.close("all")


class Dreamer(BaseEstimator):
    """A generative learner that gives what it is told; `answer` may take over."""

    def __init__(self, answer=None):
        self.answer = answer

    def fit(self, X, y=None):
        self.X_ = X
        return self

    def sample(self, n_samples, random_state=None):
        if self.answer is not None:
            return self.answer(n_samples)
        return self.X_[np.random.default_rng(random_state).integers(len(self.X_), size=n_samples)]


class Seedless(Dreamer):
    """One without a seed anywhere."""

    def sample(self, n_samples):
        return self.X_[:n_samples]


def drawn(display):
    return np.ma.filled(display.im_.get_array(), np.nan)


def test_samples_are_drawn_in_order_on_one_scale():
    display = SampleGridDisplay.from_estimator(Dreamer().fit(DIGITS), n_samples=6, random_state=5, ncols=3)
    samples = DIGITS[np.random.default_rng(5).integers(200, size=6)]
    np.testing.assert_array_equal(display.samples, samples)
    picture = drawn(display)
    assert picture.shape == (17, 26)
    for i in range(6):
        top, left = 9 * (i // 3), 9 * (i % 3)
        np.testing.assert_allclose(
            picture[top : top + 8, left : left + 8], (samples[i].reshape(8, 8) - samples.min()) / np.ptp(samples)
        )
    assert display.ax_.get_title() == "6 samples, 8 × 8"
    assert display.figure_ is display.ax_.figure


def test_limits_of_the_scale():
    X = np.array([[-1.0, 0.0, 2.0, 4.0]])
    np.testing.assert_array_equal(drawn(SampleGridDisplay.from_samples(X)).ravel(), [0, 0.2, 0.6, 1])
    limited = SampleGridDisplay.from_samples(X, vmin=0, vmax=2)
    np.testing.assert_array_equal(drawn(limited).ravel(), [0, 0, 1, 1])
    np.testing.assert_array_equal(drawn(SampleGridDisplay.from_samples(X * 0 + 3)).ravel(), [0, 0, 0, 0])
    with pytest.raises(ValueError, match="vmin=2 must be less than vmax=2"):
        SampleGridDisplay.from_samples(X, vmin=2, vmax=2)


def test_scikit_learns_mixtures_give_tuples_and_keep_their_seed():
    displays = [SampleGridDisplay.from_estimator(MIXTURE, n_samples=5, random_state=seed) for seed in (1, 1, 2)]
    expected = GaussianMixture(covariance_type="diag", random_state=1)
    expected.__dict__.update({name: value for name, value in vars(MIXTURE).items() if name.endswith("_")})
    np.testing.assert_array_equal(displays[0].samples, expected.sample(5)[0])
    np.testing.assert_array_equal(displays[0].samples, displays[1].samples)
    assert (displays[0].samples != displays[2].samples).any()
    assert MIXTURE.random_state == 0
    own = SampleGridDisplay.from_estimator(MIXTURE, n_samples=5)
    np.testing.assert_array_equal(own.samples, MIXTURE.sample(5)[0])


def test_an_estimator_whose_sample_takes_a_seed():
    density = KernelDensity(bandwidth=0.5).fit(DIGITS)
    display = SampleGridDisplay.from_estimator(density, n_samples=4, random_state=3)
    np.testing.assert_array_equal(display.samples, density.sample(4, random_state=3))


def test_samples_of_a_pipeline_go_back_to_pictures():
    images = DIGITS.reshape(-1, 8, 8)
    pipe = make_pipeline(Flatten(), "passthrough", PCA(5), GaussianMixture(2, random_state=0)).fit(images)
    display = SampleGridDisplay.from_estimator(pipe, n_samples=3)
    codes = pipe[-1].sample(3)[0]
    expected = (codes @ pipe[2].components_ + pipe[2].mean_).reshape(3, 8, 8)
    np.testing.assert_allclose(display.samples, expected, rtol=1e-10, atol=1e-10)
    assert display.shape == (8, 8)
    search = GridSearchCV(PCA(3), {"n_components": [3]}, cv=2).fit(DIGITS)
    with pytest.raises(TypeError, match="PCA has no `sample`"):
        SampleGridDisplay.from_estimator(search)
    search = GridSearchCV(GaussianMixture(2, random_state=0), {"n_components": [2]}, cv=2).fit(DIGITS)
    np.testing.assert_array_equal(
        SampleGridDisplay.from_estimator(search, n_samples=3).samples, search.best_estimator_.sample(3)[0]
    )


def test_samples_that_are_images_or_colored():
    images = rng.uniform(size=(4, 5, 6, 3))
    for display in (
        SampleGridDisplay.from_samples(images, vmin=0, vmax=1),
        SampleGridDisplay.from_samples(images.reshape(4, -1), shape=(5, 6, 3), vmin=0, vmax=1),
    ):
        assert display.shape == (5, 6, 3)
        np.testing.assert_allclose(display.im_.get_array(), tile(images, normalize=None))
    figure, axes = plt.subplots(1, 2)
    assert SampleGridDisplay.from_samples(images, ax=axes[1], cmap="viridis").ax_ is axes[1]
    assert figure.axes == [*axes]
    assert SampleGridDisplay.from_samples([[True, False, False, True]]).ax_.get_title() == "1 sample, 2 × 2"


@pytest.mark.parametrize(
    ("estimator", "options", "error", "message"),
    [
        (PCA(2).fit(DIGITS), {}, TypeError, "PCA has no `sample`.*from_samples"),
        (GaussianMixture(2), {}, NotFittedError, "not fitted"),
        (make_pipeline(PCA(2), GaussianMixture(2)), {}, NotFittedError, "not fitted"),
        (make_pipeline(Normalizer(), Dreamer()).fit(DIGITS), {}, TypeError, "'normalizer'.*no `inverse_transform`"),
        (Seedless().fit(DIGITS), {"random_state": 1}, TypeError, "Seedless.sample takes no random_state"),
        (MIXTURE, {"n_samples": 0}, ValueError, "n_samples=0"),
        (MIXTURE, {"shape": (8, 9)}, ValueError, r"shape=\(8, 9\) takes 8 \* 9 = 72 features, and there are 64"),
        (Dreamer(lambda n: np.ones(n)).fit(DIGITS), {}, ValueError, r"Dreamer.sample\(100\) gave shape \(100,\)"),
        (Dreamer(lambda n: np.ones((3, 4))).fit(DIGITS), {}, ValueError, r"gave shape \(3, 4\)"),
        (Dreamer(lambda n: np.full((n, 4), np.nan)).fit(DIGITS), {}, ValueError, "400 values are NaN"),
        (Dreamer(lambda n: np.ones((n, 5))).fit(DIGITS), {}, ValueError, "5 features make no square"),
    ],
)
def test_what_cannot_be_drawn_says_why(estimator, options, error, message):
    with pytest.raises(error, match=message):
        SampleGridDisplay.from_estimator(estimator, **options)


def test_no_seed_is_no_error():
    display = SampleGridDisplay.from_estimator(Seedless().fit(DIGITS), n_samples=2)
    np.testing.assert_array_equal(display.samples, DIGITS[:2])


@pytest.mark.parametrize("X", [np.empty((0, 4)), np.empty((2, 0)), np.ones(4), [["a"]]])
def test_no_samples(X):
    with pytest.raises(ValueError, match=r"nothing to show|finite numbers"):
        SampleGridDisplay.from_samples(X)


# Chains


def test_chains_are_rows_and_time_runs_to_the_right():
    """Every state has its own gray: chain and step are read off the picture, and off the ticks below and beside it."""
    n_steps, n_chains = 7, 3
    gray = np.arange(n_steps)[:, None] + 10 * np.arange(n_chains)
    chains = np.repeat(gray[..., None], 6, axis=2)
    display = SampleGridDisplay.from_chains(chains, shape=(2, 3), vmin=0, vmax=26, n_times=4, steps=np.arange(7) * 5)
    np.testing.assert_array_equal(display.steps, [0, 10, 20, 30])
    picture, ax = drawn(display), display.ax_
    assert picture.shape == (3 * 3 - 1, 4 * 4 - 1)
    columns, rows = ax.get_xticks().round().astype(int), ax.get_yticks().astype(int)
    np.testing.assert_allclose(picture[np.ix_(rows, columns)] * 26, gray[[0, 2, 4, 6]].T)
    np.testing.assert_array_equal(ax.get_xticks(), [1, 5, 9, 13])
    np.testing.assert_array_equal(ax.get_yticks(), [0.5, 3.5, 6.5])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "10", "20", "30"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["1", "2", "3"]
    assert ax.get_title() == "3 chains, 2 × 3"


def test_few_and_many_chains():
    chains = rng.uniform(size=(5, 4, 9))
    display = SampleGridDisplay.from_chains(chains, n_chains=2, n_times=100)
    np.testing.assert_array_equal(display.samples.reshape(2, 5, 9), chains[:, :2].swapaxes(0, 1))
    assert display.ax_.get_title() == "2 of 4 chains, 3 × 3"
    images = SampleGridDisplay.from_chains(chains.reshape(5, 4, 3, 3), n_chains=2, n_times=100)
    np.testing.assert_array_equal(drawn(images), drawn(display))
    last = SampleGridDisplay.from_chains(chains, n_times=1)
    np.testing.assert_array_equal(last.samples, chains[-1])
    np.testing.assert_array_equal(last.steps, [4])


@pytest.mark.parametrize(
    ("chains", "options", "message"),
    [
        (np.ones((5, 9)), {}, r"shape \(5, 9\). Pass chains \(n_steps, n_chains, n_features\)"),
        (np.ones((0, 2, 9)), {}, "nothing to show"),
        (np.ones((5, 2, 9)), {"steps": [1, 2]}, r"steps has shape \(2,\), and the chains have 5 steps"),
        (np.ones((5, 2, 9)), {"n_times": 0}, "n_times=0"),
        (np.full((5, 2, 9), np.inf), {}, "90 values are NaN or infinite"),
        (np.ones((5, 2, 7)), {}, "7 features make no square"),
    ],
)
def test_chains_that_are_none(chains, options, message):
    with pytest.raises(ValueError, match=message):
        SampleGridDisplay.from_chains(chains, **options)


# ReconstructionDisplay with `reconstruct` and with corrupted inputs


class Doubler(BaseEstimator):
    """Reconstructs by a method of its own, and has no inverse_transform."""

    def reconstruct(self, X):
        return 2 * np.asarray(X)

    def transform(self, X):
        raise AssertionError("`reconstruct` comes first")


def test_reconstruct_is_taken_where_it_exists():
    X = rng.uniform(size=(5, 4))
    display = ReconstructionDisplay.from_estimator(Doubler(), X)
    np.testing.assert_array_equal(display.reconstructions, 2 * X)


def test_corrupted_inputs_are_drawn_and_reconstructed():
    noisy = DIGITS * (rng.uniform(size=DIGITS.shape) < 0.7)
    pca = PCA(10).fit(DIGITS)
    display = ReconstructionDisplay.from_estimator(pca, DIGITS, corrupted=noisy, n_samples=4)
    back = pca.inverse_transform(pca.transform(noisy[:4]))
    np.testing.assert_array_equal(display.corrupted, noisy[:4])
    assert display.mse_ == pytest.approx(((back - DIGITS[:4]) ** 2).mean(), rel=1e-12)
    picture = drawn(display)
    assert picture.shape == (26, 35)
    for row, expected in enumerate((DIGITS[:4], noisy[:4], back.clip(0, 16))):
        for i in range(4):
            np.testing.assert_allclose(
                picture[9 * row : 9 * row + 8, 9 * i : 9 * i + 8], expected[i].reshape(8, 8) / 16, rtol=1e-12
            )
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels == ["original", "corrupted", "reconstructed"]
    np.testing.assert_array_equal(display.ax_.get_yticks(), [3.5, 12.5, 21.5])
    with pytest.raises(ValueError, match=r"corrupted has shape \(3, 64\), and X \(200, 64\)"):
        ReconstructionDisplay.from_estimator(pca, DIGITS, corrupted=noisy[:3])
    with pytest.raises(ValueError, match=r"original \(2, 4\), corrupted \(3, 4\), reconstructed \(2, 4\)"):
        ReconstructionDisplay(np.ones((2, 4)), np.ones((2, 4)), corrupted=np.ones((3, 4))).plot()
