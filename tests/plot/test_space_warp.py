"""The warped plane: lines and rows of each panel are what the layers give for them, in the colors of classes.

Also tests featlearn.plot.nets.
"""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb
from sklearn.datasets import make_circles
from sklearn.exceptions import NotFittedError
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from featlearn.networks import Affine, BatchNorm, Dense, Dropout, Maxout, NetworkClassifier
from featlearn.plot import SpaceWarpDisplay
from featlearn.plot.nets import Block, blocks_of, class_colors, find_network

X, y = make_circles(80, factor=0.5, noise=0.05, random_state=0)
WORDS = np.array(["inner", "outer"])[1 - y]


@pytest.fixture(autouse=True)
def _no_screen():
    plt.switch_backend("Agg")
    yield
    plt.close("all")


def net(*layers, **options):
    return NetworkClassifier(list(layers), max_iter=3, tol=0, random_state=0, **options)


def test_panels_hold_what_the_layers_give():
    model = make_pipeline(StandardScaler(), net(Dense(5, "tanh"), Dropout(0.3), Dense(2, "tanh"))).fit(X, WORDS)
    display = SpaceWarpDisplay.from_estimator(model, X, WORDS, n_lines=4)
    assert display.names == ["input", "dense-1", "dense-2"]
    assert [ax.get_title() for ax in display.axes_] == display.names
    grid = display.lines[0]
    assert grid.shape == (8, 3 * 16 + 1, 2)
    assert (np.ptp(grid[:4, :, 1], axis=1) == 0).all()  # four lines across, then four down
    assert (np.ptp(grid[4:, :, 0], axis=1) == 0).all()
    extent = X.max(axis=0) - X.min(axis=0)
    np.testing.assert_allclose(grid.min(axis=(0, 1)), X.min(axis=0) - 0.1 * extent)
    np.testing.assert_allclose(grid.max(axis=(0, 1)), X.max(axis=0) + 0.1 * extent)
    scaled, flat = model[0].transform(X), model[0].transform(grid.reshape(-1, 2))
    for i, name in enumerate(display.names[1:], 1):
        np.testing.assert_allclose(display.rows[i], model[1].transform(scaled, layer=name))
        np.testing.assert_allclose(display.lines[i].reshape(len(flat), -1), model[1].transform(flat, layer=name))
    np.testing.assert_array_equal(display.classes[display.predicted.ravel()], model.predict(grid.reshape(-1, 2)))
    np.testing.assert_array_equal(display.classes[display.targets], WORDS)

    lines, dots = display.axes_[2].collections[:2]
    np.testing.assert_allclose(dots.get_offsets().data, display.rows[2])
    colors = np.array([to_rgb(color) for color in class_colors(2)])
    np.testing.assert_allclose(dots.get_facecolors()[:, :3], colors[display.targets])
    segments = np.array([path.vertices for path in lines.get_paths()])
    np.testing.assert_allclose(segments[:, 0].reshape(8, 48, 2), display.lines[2][:, :-1])
    np.testing.assert_allclose(segments[:, 1].reshape(8, 48, 2), display.lines[2][:, 1:])
    shades = 0.55 + 0.45 * colors[display.predicted[:, :-1].ravel()]
    np.testing.assert_allclose(lines.get_colors()[:, :3], shades)
    assert [text.get_text() for text in display.figure_.legends[0].get_texts()] == ["inner", "outer"]
    assert display.axes_[1].get_xlabel().startswith("component 1 (")


def test_a_wide_layer_is_one_plane_for_rows_and_lines():
    display = SpaceWarpDisplay.from_estimator(net(Dense(6, "tanh")).fit(X, y), X, y, n_lines=3)
    lines, dots = display.axes_[1].collections[:2]
    rows = display.rows[1]
    centered = rows - rows.mean(axis=0)
    axes = np.linalg.lstsq(centered, dots.get_offsets().data, rcond=None)[0]
    bends = (display.lines[1] - rows.mean(axis=0)) @ axes
    starts = np.array([path.vertices[0] for path in lines.get_paths()]).reshape(*bends[:, :-1].shape)
    np.testing.assert_allclose(starts, bends[:, :-1], atol=1e-6)


@pytest.mark.parametrize("layers", [[], [Dense(1, "tanh")], [Affine(), Dense(3), BatchNorm(), Maxout(2)] * 2])
def test_no_layer_one_unit_and_many_panels_are_drawn(layers):
    model = net(*layers).fit(X, y)
    display = SpaceWarpDisplay.from_estimator(model, X[:5], np.zeros(5, int))  # rows of a single class
    assert len(display.axes_) == 1 + len(blocks_of(model.layers_)) - 1
    display.figure_.canvas.draw()


def test_single_precision_and_axes_given():
    model = net(Dense(2, "tanh")).fit(X.astype(np.float32), y)
    axes = plt.subplots(1, 2)[1]
    display = SpaceWarpDisplay.from_estimator(model, X.astype(np.float32), y, axes=axes)
    assert [*display.axes_] == [*axes]
    assert display.rows[1].dtype == np.float32
    with pytest.raises(ValueError, match=r"2 panels \(input, dense-1\), on 3 axes"):
        display.plot(plt.subplots(1, 3)[1])


def test_what_cannot_be_drawn():
    draw, model = SpaceWarpDisplay.from_estimator, net(Dense(2)).fit(X, y)
    with pytest.raises(NotFittedError):
        draw(net(), X, y)
    with pytest.raises(TypeError, match="not LogisticRegression"):
        draw(LogisticRegression().fit(X, y), X, y)
    with pytest.raises(ValueError, match=r"X \(n_samples, 2\).*got \(80, 3\)"):
        draw(model, np.c_[X, y], y)
    with pytest.raises(ValueError, match=r"classes \[7\] that the network does not know"):
        draw(model, X, np.full(80, 7))
    with pytest.raises(ValueError, match="n_lines=1"):
        draw(model, X, y, n_lines=1)
    several = net(Dense(2)).fit(X, np.eye(2, dtype=int)[y])
    with pytest.raises(TypeError, match="colors the plane by the one class"):
        draw(several, X, y)


def test_regions_are_drawn_by_scikit_learn():
    three = (y + (X[:, 0] > 0)).astype(int)
    display = DecisionBoundaryDisplay.from_estimator(net(Dense(4, "tanh")).fit(X, three), X, response_method="predict")
    assert set(np.unique(display.response)) <= {0, 1, 2}


def test_blocks_begin_at_weights():
    layers = net(Affine(), Dense(4), BatchNorm(), Maxout(3), Dropout(0.1)).fit(X, y).layers_
    assert blocks_of(layers) == [Block("dense-1", 1, 3), Block("maxout-1", 3, 6), Block("output", 6, 7)]
    twice = net(("deep", Dense(4)), ("other", Dense(3))).fit(X, y).layers_
    same = [replace(fitted, name="deep") if fitted.name == "other" else fitted for fitted in twice]
    assert [block.name for block in blocks_of(same)] == ["deep.1", "deep.2", "output"]


def test_a_network_is_found_in_pipelines_alone():
    model = make_pipeline(StandardScaler(), "passthrough", net()).fit(X, y)
    before, found = find_network("this", model)
    assert before == [model[0]]
    assert found is model[-1]
    with pytest.raises(TypeError, match=r"this takes a fitted NetworkClassifier.*not ndarray"):
        find_network("this", X)
