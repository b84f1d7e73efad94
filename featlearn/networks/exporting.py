"""A fitted network as a Keras model of its own, and as files: "net.keras", "net.onnx".

Both map rows to scores, what ``decision_function`` (of a regressor: ``predict``) gives, a column for each output: two
classes have one. A softmax or sigmoid of them gives the probabilities.

Dense layers, activations, dropout and batch normalization become Keras' own layers. Others become a `SpecLayer`, which
keeps our spec and its arrays and does what the layer does at prediction. To load a file with one, import this module:

>>> import keras, featlearn.networks.exporting  # doctest: +SKIP
>>> keras.saving.load_model("net.keras")  # doctest: +SKIP

Graphs of ONNX are written without Keras (`featlearn.networks.onnx_graph`), but for models that a function built.
"""

import sys
import warnings
from dataclasses import asdict
from functools import singledispatch
from importlib import import_module
from pathlib import Path
from typing import Any

import keras
import numpy as np

from featlearn.kernels.activations import LEAK
from featlearn.networks.keras_models import KerasGraph, fresh_model
from featlearn.networks.layers import (
    Activation,
    AlphaDropout,
    BatchNorm,
    Dense,
    Dropout,
    GaussianNoise,
    Layer,
)
from featlearn.networks.onnx_graph import dtype_of, exported
from featlearn.writing import whole_file


def to_keras(estimator: Any) -> keras.Model:
    """A keras.Model of a fitted network, see `NetworkClassifier.to_keras`."""
    layers, shape = exported(estimator)
    if isinstance(layers[0].layer, KerasGraph):
        return fresh_model(layers[0])
    dtype = str(dtype_of(layers))
    x = inputs = keras.Input(shape, dtype=dtype)
    for fitted, name in zip(layers, _unique_names(layers), strict=True):
        arrays = _arrays(fitted)
        layer = keras_layer(fitted.layer, name, dtype)
        if layer is None:
            shapes = {k: v.shape for k, v in arrays.items()}
            layer = SpecLayer(fitted.layer, shapes, name=name, dtype=dtype)
        x = layer(x)
        if arrays:
            layer.set_weights(list(arrays.values()))
    return keras.Model(inputs, x, name=type(estimator).__name__.lower())


def export(estimator: Any, path: Path, who: str) -> Path:
    """Write a fitted network to a file by Keras, see `NetworkClassifier.export`."""
    model = to_keras(estimator)
    with whole_file(path) as part, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)  # Keras' with NumPy 2
        if path.suffix == ".keras":
            model.save(part)
            return path
        try:
            model.export(part, format="onnx", verbose=False)
        except ImportError as error:
            raise ImportError(
                f"{who}: Keras exports the models of functions with packages that are not installed: pip install onnx "
                f"tf2onnx ({error})."
            ) from error
    return path


def _unique_names(layers):
    """Those of the specs; the second layer of one gets a number."""
    counts: dict[str, int] = {}
    names = []
    for i, fitted in enumerate(layers):
        name = (fitted.name or f"layer-{i}").replace("/", "-")
        counts[name] = counts.get(name, 0) + 1
        names.append(name if counts[name] == 1 else f"{name}-part-{counts[name]}")
    return names


# Keras


def keras_activation(name: str) -> Any:
    """Keras' activation of the same formula; None if it has none by that name."""
    if name in ("leaky", "step"):
        return None
    return getattr(keras.activations, name)


@singledispatch
def keras_layer(spec: Layer, name: str, dtype: str) -> Any:
    """Keras' own layer of the same formula, or None."""
    return None


@keras_layer.register
def _(spec: Dense, name: str, dtype: str) -> Any:
    f = keras_activation(spec.activation)
    if f is None:
        return None
    return keras.layers.Dense(spec.units * spec.pieces, f, use_bias=spec.bias, name=name, dtype=dtype)


@keras_layer.register
def _(spec: Activation, name: str, dtype: str) -> Any:
    if spec.function == "leaky":
        return keras.layers.LeakyReLU(LEAK, name=name, dtype=dtype)
    f = keras_activation(spec.function)
    return None if f is None else keras.layers.Activation(f, name=name, dtype=dtype)


@keras_layer.register
def _(spec: Dropout, name: str, dtype: str) -> Any:
    return keras.layers.Dropout(spec.rate, name=name, dtype=dtype)


@keras_layer.register
def _(spec: AlphaDropout, name: str, dtype: str) -> Any:
    return keras.layers.AlphaDropout(spec.rate, name=name, dtype=dtype)


@keras_layer.register
def _(spec: GaussianNoise, name: str, dtype: str) -> Any:
    return keras.layers.GaussianNoise(spec.scale, name=name, dtype=dtype)


@keras_layer.register
def _(spec: BatchNorm, name: str, dtype: str) -> Any:
    return keras.layers.BatchNormalization(momentum=spec.momentum, epsilon=spec.eps, name=name, dtype=dtype)


def _arrays(fitted) -> dict[str, np.ndarray]:
    """The arrays of a layer in the order of Keras' weights: W and b; g, b, mean and variance."""
    params = {k: fitted.params[k] for k in fitted.layer.param_names}
    return params | {k: fitted.state[k] for k in fitted.layer.state_names}


@keras.saving.register_keras_serializable("featlearn")
class SpecLayer(keras.layers.Layer):
    """A layer of featlearn in Keras, as it is at prediction: its spec, and its arrays as weights."""

    def __init__(self, spec: Layer | dict, shapes: dict, **more: Any):
        super().__init__(**more)
        self.spec = spec if isinstance(spec, Layer) else _spec_of(spec)
        self.shapes = {k: tuple(shape) for k, shape in shapes.items()}

    def build(self, input_shape: tuple) -> None:
        """Make the weights; their values come later."""
        learned = self.spec.param_names
        self.arrays = {
            k: self.add_weight(shape=shape, name=k, trainable=k in learned) for k, shape in self.shapes.items()
        }

    def call(self, x: Any) -> Any:
        """What the layer gives at prediction."""
        p = {k: self.arrays[k] for k in self.spec.param_names}
        s = {k: self.arrays[k] for k in self.spec.state_names}
        return self.spec.apply(p, s, x, None, False)[0]

    def get_config(self) -> dict:
        """The spec as a dict of plain values."""
        spec = {"module": type(self.spec).__module__, "name": type(self.spec).__name__, "fields": asdict(self.spec)}
        return super().get_config() | {"spec": spec, "shapes": {k: list(shape) for k, shape in self.shapes.items()}}


def _spec_of(said: dict) -> Layer:
    """A spec from a file: of featlearn, or of a module that is imported already. A file imports nothing else."""
    module = said["module"]
    home = import_module(module) if module.startswith("featlearn.networks.") else sys.modules.get(module)
    kind = getattr(home, said["name"], None)
    if not (isinstance(kind, type) and issubclass(kind, Layer)):
        raise ValueError(f"The file has a layer {said['name']} of {module}; import that module before loading it.")
    return kind(**{k: _hashable(v) for k, v in said["fields"].items()})


def _hashable(value):
    """Lists, of which files are full, as the tuples that they were."""
    return tuple(map(_hashable, value)) if isinstance(value, (list, tuple)) else value
