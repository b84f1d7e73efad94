"""Depth: activities and derivatives are those of finite differences, and each is drawn in its layer's row.

Also tests featlearn.plot.depth_trace.
"""

import pickle

import numpy as np
import pytest
from matplotlib import pyplot as plt
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from featlearn.networks import Activation, Affine, BatchNorm, Dense, Dropout, Maxout, NetworkClassifier
from featlearn.plot import DepthDisplay, DepthTrace
from featlearn.plot.depth import depths

DIGITS, LABELS = load_digits(return_X_y=True)
DIGITS, LABELS = DIGITS[:150] / 16, LABELS[:150]


@pytest.fixture(autouse=True)
def _no_screen():
    plt.switch_backend("Agg")
    yield
    plt.close("all")


def net(*layers, X=DIGITS, y=LABELS, **options):
    return NetworkClassifier(list(layers), max_iter=2, tol=0, random_state=0, **options).fit(X, y)


def through(layers, h, shift=0.0):
    """Rows through layers one by one, with something added before the first one's activation function."""
    for i, fitted in enumerate(layers):
        if i == 0:
            z = h @ fitted.params["W"] + fitted.params["b"] + shift
            h = F[fitted.layer.activation](z)
        else:
            h = fitted.layer.forward(fitted.params, fitted.state, h, None, False)[0]
    return h


F = {
    "linear": lambda z: z,
    "tanh": np.tanh,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "elu": lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
}


def losses_of(scores, y):
    """Cross entropy of each row."""
    h = scores - scores.max(axis=1, keepdims=True)
    return np.log(np.exp(h).sum(axis=1)) - h[np.arange(len(h)), y]


def check_by_differences(model, blocks, X, y):
    """``blocks``: where each begins and ends."""
    names, activities, derivatives = depths(model, X, y)
    rng = np.random.default_rng(0)
    for (start, end), h, d in zip(blocks, activities, derivatives, strict=True):
        below = X
        for fitted in model.layers_[:start]:
            below = fitted.layer.forward(fitted.params, fitted.state, below, None, False)[0]
        np.testing.assert_allclose(h, through(model.layers_[start:end], below), rtol=1e-10, atol=1e-12)
        step = 1e-6 * rng.normal(size=d.shape)
        above = model.layers_[start:]
        found = losses_of(through(above, below, step), y) - losses_of(through(above, below, -step), y)
        np.testing.assert_allclose((d * step).sum(axis=1), found / 2, rtol=1e-5, atol=1e-12)
    return names


def test_derivatives_are_those_of_finite_differences():
    model = net(Dense(8, "tanh"), Dropout(0.5), Dense(7), Activation("softplus"), Maxout(5), Dense(6, "sigmoid"))
    names = check_by_differences(model, [(0, 2), (2, 4), (4, 6), (6, 7), (7, 8)], DIGITS[:20], LABELS[:20])
    assert names == ["dense-1", "dense-2", "maxout-1", "dense-3", "output"]


def test_frozen_layers_and_scalers_let_derivatives_through():
    model = net(Affine(), Dense(8, "tanh"), BatchNorm(), Dense(7, "elu"))
    model.frozen = 3  # batch norm stands still, so that finite differences of one row hold
    assert check_by_differences(model, [(1, 3), (3, 4), (4, 5)], DIGITS[:20], LABELS[:20])[0] == "dense-1"


def test_batch_norm_takes_the_mean_of_the_rows():
    """A constant added to a unit before batch norm is taken away again: the derivatives of all rows sum to 0."""
    model = net(Dense(8), BatchNorm(), Activation("tanh"))
    d = depths(model, DIGITS[:20], LABELS[:20]).derivatives[0]
    assert np.abs(d).max() > 1e-3
    np.testing.assert_allclose(d.sum(axis=0), 0, atol=1e-12)


def test_keras_gives_the_same():
    pytest.importorskip("keras", reason="pip install 'featlearn[deep]'")
    model = net(Dense(8, "tanh"), Dense(7, "relu"))
    by_hand = depths(model, DIGITS[:20], LABELS[:20])
    model.engine = "keras"
    for d, expected in zip(depths(model, DIGITS[:20], LABELS[:20]).derivatives, by_hand.derivatives, strict=True):
        np.testing.assert_allclose(d, expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.*units")
def test_sigmoids_vanish_and_each_layer_has_its_row():
    model = net(*[Dense(20, "sigmoid", init="uniform")] * 5)
    display = DepthDisplay.from_estimator(model, DIGITS, LABELS, bins=10)
    names = ["dense-1", "dense-2", "dense-3", "dense-4", "dense-5", "output"]
    assert list(display.activities) == list(display.derivatives) == names
    size = {name: np.sqrt((d**2).mean()) for name, d in display.derivatives.items()}
    assert display.vanished_ == pytest.approx(size["dense-1"] / size["dense-5"])
    assert display.vanished_ < 1e-2
    left, right = display.axes_
    assert [tick.get_text() for tick in left.get_yticklabels()] == names
    for ax, group in ((left, display.activities), (right, display.derivatives)):
        bases = [patch.get_data().baseline for patch in ax.patches]
        assert bases == [5, 4, 3, 2, 1, 0]
        for base, patch, values in zip(bases, ax.patches, group.values(), strict=True):
            heights, edges, _ = patch.get_data()
            values = np.abs(values).ravel() if ax is right else values.ravel()
            counts = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0]
            np.testing.assert_allclose(heights - base, 0.85 * counts / counts.max())
    assert right.get_xscale() == "log"
    display.figure_.canvas.draw()


def test_dead_rectifiers_and_no_hidden_layer_are_drawn():
    model = net(Dense(6, "relu"), Dense(5, "relu"))
    model.layers_[0].params["b"][...] = -1e3
    display = DepthDisplay.from_estimator(model, DIGITS, LABELS)
    assert display.vanished_ == 0
    notes = display.axes_[0].child_axes[0].get_yticklabels()
    assert [("100 % zero" in note.get_text()) for note in notes] == [True, False, False]
    display.figure_.canvas.draw()
    single = DepthDisplay.from_estimator(net(y=LABELS > 4), DIGITS[:1], LABELS[:1] > 4)
    assert list(single.activities) == ["output"]
    assert single.vanished_ == 1


def test_pipelines_searches_and_some_of_the_rows():
    inner = NetworkClassifier([Dense(8, "tanh")], max_iter=1, tol=0, random_state=0)
    pipeline = make_pipeline(StandardScaler(), inner).fit(DIGITS, LABELS)
    display = DepthDisplay.from_estimator(pipeline, DIGITS, LABELS, n_samples=10)
    rows = np.linspace(0, 149, 10).round().astype(int)
    expected = pipeline[-1].transform(pipeline[:-1].transform(DIGITS[rows]))
    np.testing.assert_allclose(display.activities["dense-1"], expected)
    search = GridSearchCV(pipeline, {"networkclassifier__layers__dense-1__units": [4, 5]}, cv=2).fit(DIGITS, LABELS)
    assert DepthDisplay.from_estimator(search, DIGITS, LABELS).activities["dense-1"].shape[1] in (4, 5)


def test_what_cannot_be_drawn():
    draw, model = DepthDisplay.from_estimator, net(Dense(3))
    with pytest.raises(NotFittedError):
        draw(NetworkClassifier(), DIGITS, LABELS)
    with pytest.raises(TypeError, match=r"a fitted NetworkClassifier or NetworkRegressor.*not LogisticRegression"):
        draw(LogisticRegression().fit(DIGITS, LABELS), DIGITS, LABELS)
    with pytest.raises(ValueError, match=r"a target for each.*\(150, 64\) and \(149,\)"):
        draw(model, DIGITS, LABELS[1:])
    with pytest.raises(ValueError, match=r"labels \[77\]"):
        draw(model, DIGITS, np.full(150, 77))
    with pytest.raises(ValueError, match="n_samples=0"):
        draw(model, DIGITS, LABELS, n_samples=0)
    with pytest.raises(ValueError, match="two axes, and there are 3"):
        draw(model, DIGITS, LABELS, axes=plt.subplots(1, 3)[1])
    with pytest.raises(ValueError, match=r"same layers, at least one; got \[\] and \[\]"):
        DepthDisplay({}, {}).plot()


# Epoch by epoch


def test_a_trace_sees_every_epoch(tmp_path):
    trace = DepthTrace(DIGITS, LABELS, path=tmp_path / "depth.png")
    model = NetworkClassifier([Dense(8, "tanh"), Dense(6, "tanh")], max_iter=4, tol=0, random_state=0)
    model.set_callbacks(trace).fit(DIGITS, LABELS)
    assert trace.epochs_ == [1, 2, 3, 4]
    assert trace.names_ == ["dense-1", "dense-2", "output"]
    _, activities, derivatives = depths(model, DIGITS, LABELS)
    np.testing.assert_allclose(trace.means_[-1], [h.mean() for h in activities])
    np.testing.assert_allclose(trace.deviations_[-1], [h.std() for h in activities])
    np.testing.assert_allclose(trace.derivatives_[-1], [np.sqrt((d**2).mean()) for d in derivatives])
    assert (tmp_path / "depth.png").read_bytes().startswith(b"\x89PNG")
    plain = NetworkClassifier([Dense(8, "tanh"), Dense(6, "tanh")], max_iter=4, tol=0, random_state=0)
    np.testing.assert_array_equal(plain.fit(DIGITS, LABELS).coefs_[0], model.coefs_[0])
    trace.plot()
    for ax, values in zip(trace.axes_, (trace.deviations_, trace.derivatives_), strict=True):
        np.testing.assert_array_equal([line.get_ydata() for line in ax.lines], values.T)
    assert [text.get_text() for text in trace.axes_[1].get_legend().get_texts()] == trace.names_
    np.testing.assert_array_equal(trace.last_.activities["dense-2"], activities[1])


def test_a_trace_in_a_pipeline_keeps_the_last_fit():
    scaled = StandardScaler().fit_transform(DIGITS)
    trace = DepthTrace(scaled, LABELS, every=2)
    model = make_pipeline(
        StandardScaler(), NetworkClassifier([Dense(8, "tanh")] * 12, max_iter=5, tol=0, random_state=0)
    )
    model.set_callbacks(trace).fit(DIGITS, LABELS)
    assert trace.epochs_ == [2, 4]
    assert trace.derivatives_.shape == (2, 13)
    assert len(trace.plot().axes_[1].get_legend().get_texts()) == 10
    model.set_params(networkclassifier__layers=[], networkclassifier__max_iter=2).fit(DIGITS, LABELS)
    assert trace.names_ == ["output"]
    assert trace.plot().axes_[0].get_xlim() == (1, 3)
    again = pickle.loads(pickle.dumps(trace))
    assert again.epochs_ == [2]


def test_a_trace_without_a_network():
    trace = DepthTrace(DIGITS, LABELS)
    with pytest.raises(ValueError, match="saw no fit yet"):
        trace.plot()
    from featlearn import KMeansDictionary

    with pytest.warns(UserWarning, match="saw no network: KMeansDictionary fitted none"):
        KMeansDictionary(3, max_iter=2, tol=0, random_state=0).set_callbacks(trace).fit(DIGITS)
    with pytest.raises(ValueError, match="every=0"):
        DepthTrace(DIGITS, LABELS, every=0)
    with pytest.raises(ValueError, match="a target for each"):
        DepthTrace(DIGITS, LABELS[:3])
    with pytest.raises(ValueError, match="lies in a folder that does not exist"):
        DepthTrace(DIGITS, LABELS, path="/nowhere/depth.png")
