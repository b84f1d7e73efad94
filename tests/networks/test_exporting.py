"""A network as a Keras model and as files gives the same scores.

Also tests featlearn.networks.onnx_graph.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.base import BaseEstimator, TransformerMixin

from featlearn import ZCA
from featlearn.networks import (
    Activation,
    Affine,
    AlphaDropout,
    BatchNorm,
    Dense,
    Dropout,
    GaussianNoise,
    Maxout,
    NetworkClassifier,
    NetworkRegressor,
    Pretrained,
)
from featlearn.networks.map_layers import Flat, Patches, Pool

ROOT = Path(__file__).parents[2]
STACKS = {
    "plain": [Dense(6, "tanh"), Dropout(0.3), BatchNorm(), Activation("relu"), Dense(5, "sigmoid")],
    "ours": [Affine(), Dense(6, "leaky"), AlphaDropout(), Maxout(4), GaussianNoise(), Dense(5, "step", bias=False)],
    "curves": [Dense(6, "elu"), Dense(5, "selu"), Dense(5, "softplus"), Dense(4, "softmax"), Activation("leaky")],
}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 4)).astype(np.float32) + 3
    return X, np.argmax(X[:, :3], axis=1)


def fitted(layers, X, y, **more):
    return NetworkClassifier(layers, max_iter=2, tol=0, random_state=0, engine="numpy", **more).fit(X, y)


def make(input_shape, n_outputs):
    import keras

    return keras.Sequential([keras.Input(input_shape), keras.layers.Dense(n_outputs, activation="softmax")])


@pytest.mark.keras
@pytest.mark.parametrize("layers", STACKS.values(), ids=STACKS)
def test_a_keras_model_gives_the_scores(data, layers):
    pytest.importorskip("keras")
    X, y = data
    net = fitted(layers, X, y)
    scores = net.to_keras().predict_on_batch(X)
    np.testing.assert_allclose(scores, net.decision_function(X), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(softmax(scores, axis=1), net.predict_proba(X), rtol=1e-5, atol=1e-5)


@pytest.mark.keras
def test_layers_on_maps_go_to_keras(data):
    pytest.importorskip("keras")
    images = np.random.default_rng(0).random((40, 5, 5, 1)).astype(np.float32)
    layers = [Patches((2, 2)), Dense(3, "relu"), Pool("mean", ((0, 2), (2, 4)), ((0, 4),)), Flat()]
    net = NetworkClassifier(layers, max_iter=1, tol=0, random_state=0).fit(images, images[:, 0, 0, 0] > 0.5)
    scores = net.to_keras().predict_on_batch(images)
    np.testing.assert_allclose(scores[:, 0], net.decision_function(images), rtol=1e-5, atol=1e-5)


def test_two_classes_float64_and_values(data):
    pytest.importorskip("keras")
    X, y = data[0].astype(np.float64), data[1]
    net = fitted([Dense(3, "tanh")], X, y == 0)
    scores = net.to_keras().predict_on_batch(X)
    assert (scores.shape, scores.dtype) == ((50, 1), np.float64)
    np.testing.assert_allclose(scores[:, 0], net.decision_function(X), rtol=1e-12)
    values = NetworkRegressor([Dense(3, "tanh")], max_iter=2, tol=0, random_state=0).fit(X, X[:, 0])
    np.testing.assert_allclose(values.to_keras().predict_on_batch(X)[:, 0], values.predict(X), rtol=1e-12)


@pytest.mark.slow
def test_files_load_in_another_process(data, tmp_path):
    pytest.importorskip("keras")
    X, y = data
    nets = {name: fitted(layers, X, y) for name, layers in STACKS.items()}
    nets["function"] = NetworkClassifier(make, max_iter=2, tol=0, random_state=0).fit(X, y)
    for name, net in nets.items():
        assert net.export(tmp_path / f"{name}.keras") == tmp_path / f"{name}.keras"
    np.save(tmp_path / "X.npy", X)
    code = (
        "import numpy as np, keras, featlearn.networks.exporting\n"
        f"for name in {list(nets)!r}:\n"
        "    model = keras.saving.load_model(name + '.keras')\n"
        "    np.save(name + '.npy', model.predict_on_batch(np.load('X.npy')))\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, cwd=tmp_path)
    for name, net in nets.items():
        np.testing.assert_allclose(np.load(tmp_path / f"{name}.npy"), net.decision_function(X), rtol=1e-5, atol=1e-5)


def test_a_file_imports_nothing_but_this_room():
    pytest.importorskip("keras")
    from featlearn.networks.exporting import _spec_of

    with pytest.raises(ValueError, match=r"has a layer system of antigravity; import"):
        _spec_of({"module": "antigravity", "name": "system", "fields": {}})
    assert "antigravity" not in sys.modules
    with pytest.raises(ValueError, match=r"has a layer Loss of featlearn.networks.losses"):
        _spec_of({"module": "featlearn.networks.losses", "name": "Loss", "fields": {}})
    assert _spec_of({"module": "featlearn.networks.layers", "name": "Dense", "fields": {"units": 3}}) == Dense(3)


def test_a_failed_write_leaves_the_old_file(data, tmp_path, monkeypatch):
    keras = pytest.importorskip("keras")
    net, path = fitted([Dense(3)], *data), tmp_path / "net.keras"
    path.write_text("old")

    def half(self, file, **more):
        Path(file).write_text("half")
        raise OSError("no space left")

    monkeypatch.setattr(keras.Model, "save", half)
    with pytest.raises(OSError, match="no space"):
        net.export(path)
    assert (path.read_text(), list(tmp_path.iterdir())) == ("old", [path])


class Halves(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return X / 2


def test_what_cannot_be_exported_says_why(data, tmp_path, monkeypatch):
    X, y = data
    net = fitted([Dense(3)], X, y)
    with pytest.raises(ValueError, match=r"NetworkClassifier.export\('net.h5'\): pass a name that ends in .keras"):
        net.export(tmp_path / "net.h5")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match="pip install onnx"):
        net.export(tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())
    behind = fitted([Pretrained(Halves(), trainable=False), Dense(3)], X, y)
    with pytest.raises(ValueError, match="Halves stands before the layers"):
        behind.export(tmp_path / "net.onnx")


@pytest.mark.parametrize("layers", [*STACKS.values(), [Pretrained(ZCA())]], ids=[*STACKS, "learner"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_onnx_gives_the_scores(data, tmp_path, layers, dtype):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    X, y = data[0].astype(dtype), data[1]
    net = fitted(layers, X, y)
    path = net.export(tmp_path / "net.onnx")
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (scores,) = session.run(["scores"], {"X": X})
    assert scores.dtype == dtype
    np.testing.assert_allclose(scores, net.decision_function(X), rtol=1e-5, atol=1e-5)


def test_onnx_of_a_function(data, tmp_path):
    pytest.importorskip("tf2onnx")
    runtime = pytest.importorskip("onnxruntime")
    X, y = data
    net = NetworkClassifier(make, max_iter=2, tol=0, random_state=0).fit(X, y)
    session = runtime.InferenceSession(net.export(tmp_path / "net.onnx"), providers=["CPUExecutionProvider"])
    (scores,) = session.run(None, {session.get_inputs()[0].name: X})
    np.testing.assert_allclose(scores, net.decision_function(X), rtol=1e-5, atol=1e-5)
