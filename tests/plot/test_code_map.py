"""The map of a code: every row's point, its class's color, and the legend."""

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from featlearn.networks import Dense, NetworkClassifier
from featlearn.plot import CodeMapDisplay
from featlearn.plot.nets import class_colors

X, y = load_digits(return_X_y=True)
X, y = X[:200] / 16, y[:200]
rng = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _no_screen():
    plt.switch_backend("Agg")
    yield
    plt.close("all")


def drawn(display):
    """Points and colors of the rows."""
    dots = display.ax_.collections[0]
    return dots.get_offsets().data, dots.get_facecolors()[:, :3]


def test_two_units_are_drawn_as_they_are():
    codes = rng.normal(size=(30, 2))
    classes = np.array(["b", "a", "c"])[np.arange(30) % 3]
    display = CodeMapDisplay.from_codes(codes, classes)
    points, colors = drawn(display)
    np.testing.assert_array_equal(points, codes)
    expected = dict(zip("abc", map(to_rgb, class_colors(3)), strict=True))
    np.testing.assert_allclose(colors, [expected[c] for c in classes])
    legend = display.ax_.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b", "c"]
    for handle, c in zip(legend.legend_handles, "abc", strict=True):
        np.testing.assert_allclose(handle.get_facecolors()[0, :3], expected[c])
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("unit 1", "unit 2")


def test_more_units_are_seen_along_principal_components():
    display = CodeMapDisplay.from_codes(X, y)
    centered = X - X.mean(axis=0)
    values, axes = np.linalg.eigh(centered.T @ centered)
    points, _ = drawn(display)
    np.testing.assert_allclose(np.abs(points), np.abs(centered @ axes[:, :-3:-1]), atol=1e-10)
    share = 100 * values[-1] / values.sum()
    assert display.ax_.get_xlabel() == f"component 1 ({share:.0f} %)"
    few = CodeMapDisplay.from_codes(X[:3])  # fewer rows than units
    assert np.isfinite(few.points_).all()


def test_layers_of_networks_pipelines_and_images():
    net = NetworkClassifier([Dense(5, "tanh"), Dense(2, "tanh")], max_iter=2, tol=0, random_state=0)
    model = make_pipeline(StandardScaler(), net).fit(X, y)
    scaled = model[0].transform(X)
    np.testing.assert_array_equal(CodeMapDisplay.from_estimator(model, X, y).codes, net.transform(scaled))
    first = CodeMapDisplay.from_estimator(model, X, y, layer="dense-1")
    np.testing.assert_array_equal(first.codes, net.transform(scaled, layer="dense-1"))
    pca = PCA(2).fit(X)
    np.testing.assert_allclose(CodeMapDisplay.from_estimator(pca, X.reshape(-1, 8, 8)).codes, pca.transform(X))


@pytest.mark.parametrize(
    ("codes", "labels"),
    [
        (X[:, :1], y),
        (X[:1], None),
        (X[:1], ["one"]),
        (np.ones((5, 3)), [0, 0, 1, 1, 1]),
        (X, np.zeros(200)),
        (X, np.arange(200) % 15),
        (X, np.arange(200) % 40),
        (X, rng.normal(size=200)),
        (X.reshape(-1, 8, 8), y),
    ],
)
def test_what_is_narrow_single_constant_or_of_many_classes_is_drawn(codes, labels):
    display = CodeMapDisplay.from_codes(codes, labels)
    assert display.points_.shape == (len(codes), 2)
    display.figure_.canvas.draw()
    if labels is not None and len(np.unique(labels)) == 40:
        assert display.ax_.get_legend() is None
        assert [tick.get_text() for tick in display.figure_.axes[1].get_yticklabels()][-1] == "39"


def test_labels_style_and_axes_given():
    ax = plt.subplots()[1]
    display = CodeMapDisplay(X[:, :2], y % 2, title="two").plot(ax, labels=["even", "odd"], s=3)
    assert display.ax_ is ax
    assert ax.get_title() == "two"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["even", "odd"]
    assert ax.collections[0].get_sizes().tolist() == [3]
    with pytest.raises(ValueError, match="1 labels for 2 classes"):
        CodeMapDisplay(X, y % 2).plot(labels=["even"])


@pytest.mark.parametrize(
    ("codes", "labels", "message"),
    [
        (X[:, 0], None, r"got shape \(200,\)"),
        (X[:0], None, r"got shape \(0, 64\)"),
        (np.array([["a", "b"]]), None, "numbers"),
        (np.array([[0.0, np.nan]]), None, "1 are NaN or infinite"),
        (X, y[1:], r"a class for each code, y \(200,\); got shape \(199,\)"),
    ],
)
def test_codes_that_cannot_be_drawn(codes, labels, message):
    with pytest.raises(ValueError, match=message):
        CodeMapDisplay.from_codes(codes, labels)


def test_estimators_without_codes():
    with pytest.raises(TypeError, match="LogisticRegression has no `transform`"):
        CodeMapDisplay.from_estimator(LogisticRegression().fit(X, y), X)
    with pytest.raises(NotFittedError):
        CodeMapDisplay.from_estimator(PCA(), X)
    with pytest.raises(TypeError, match=r"a fitted NetworkClassifier.*not PCA"):
        CodeMapDisplay.from_estimator(PCA(2).fit(X), X, layer=1)
    with pytest.raises(TypeError, match=r"a fitted transformer.*not ndarray of shape"):
        CodeMapDisplay.from_estimator(X, X)


def test_every_class_has_a_color_of_its_own():
    for n in (1, 2, 10, 11, 20, 21, 100):
        assert len({to_rgb(color) for color in class_colors(n)}) == n
