"""A fitted learner said as layers, exactly: the one idea of the room.

``unrolled(learner, shape)`` gives the `FittedLayer`s whose outputs are the learner's codes. What it knows, it knows from
the learner itself: an `EncoderPlan` (`featlearn.images.fusion.Fusible`), its matrices, or its steps. A learner of your
own either has an ``encoder_plan()`` or a method ``network_layers(shape)`` that returns such a list.
"""

from functools import singledispatch
from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier, SGDClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.utils.validation import check_is_fitted

from featlearn.kernels.encoding.encode import ACTIVATIONS
from featlearn.linear import LinearSVM, LinearSVMCV
from featlearn.networks.layers import Activation, Affine, Dense, FittedLayer, Shape
from featlearn.vectors import PCAWhitening
from featlearn.vectors.autoencoders import AutoencoderMixin


class CannotUnroll(ValueError):
    """A learner that no layers can stand for."""


def unrolled(learner: Any, shape: Shape) -> list[FittedLayer]:
    """The layers of a fitted learner for inputs of a shape (without the samples).

    Raises
    ------
    NotFittedError
        If the learner is not fitted.
    CannotUnroll
        A ValueError, if the learner is none that can be said as layers.
    """
    check_is_fitted(learner)
    width = getattr(learner, "n_features_in_", None)
    if width is not None and len(shape) == 1 and shape[0] != width:
        raise ValueError(
            f"{type(learner).__name__} was fitted on {width} features, and the layer below it gives {shape[0]}. Fit it "
            "on what that layer gives, or take another learner or width."
        )
    if hasattr(learner, "network_layers"):
        return learner.network_layers(shape)
    return layers_of(learner, shape)


def affine(mean: Any, factor: Any, width: int) -> list[FittedLayer]:
    """(x - mean) * factor, either None for nothing."""
    if mean is None and factor is None:
        return []
    a = np.zeros(width) if mean is None else np.asarray(mean)
    c = np.ones(width) if factor is None else np.asarray(factor)
    return [FittedLayer(Affine(), {}, {"a": np.broadcast_to(a, width), "c": np.broadcast_to(c, width)})]


def dense(W: Any, b: Any = None, activation: str = "linear", **more: Any) -> FittedLayer:
    """f(x W + b) of given W (inputs, units)."""
    params = {"W": np.ascontiguousarray(W)} | ({} if b is None else {"b": np.asarray(b)})
    return FittedLayer(Dense(params["W"].shape[1], activation, bias=b is not None), params, **more)


@singledispatch
def layers_of(learner: Any, shape: Shape) -> list[FittedLayer]:
    """The layers of a fitted learner, by its type."""
    plan = learner.encoder_plan() if hasattr(learner, "encoder_plan") else None
    if plan is not None:
        return _plan_layers(plan)
    raise CannotUnroll(
        f"{type(learner).__name__} cannot be said as layers: it has no encoder_plan() and no network_layers(shape), and "
        "featlearn.networks does not know it. As the first of the layers it can stand still: Pretrained(learner, "
        "trainable=False); or give it such a method."
    )


def _plan_layers(plan):
    if plan.encode not in ACTIVATIONS or plan.eps is not None or plan.squares or plan.encode == "abs":
        raise CannotUnroll(f"encode={plan.encode!r}")
    layers = affine(plan.mean, None, len(plan.mean)) if plan.mean is not None else []
    if plan.whitening is not None:
        layers.append(dense(plan.whitening))
    layers.append(dense(plan.atoms.T, plan.bias, "linear" if plan.encode == "softmax" else plan.encode))
    if plan.encode == "softmax":
        layers.append(FittedLayer(Activation("softmax"), {}))
    if plan.scale is not None:
        layers += affine(None, plan.scale, len(plan.scale))
    return layers


@layers_of.register
def _(learner: AutoencoderMixin, shape: Shape) -> list[FittedLayer]:
    coefs, intercepts, activations = learner._layers()
    half = len(coefs) // 2
    through = zip(coefs[:half], intercepts[:half], activations[:half], strict=True)
    return affine(learner._origin(), None, shape[0]) + [dense(W, b, f) for W, b, f in through]


@layers_of.register(LinearSVM)
@layers_of.register(LinearSVMCV)
@layers_of.register(LogisticRegression)
@layers_of.register(LinearSVC)
@layers_of.register(RidgeClassifier)
@layers_of.register(SGDClassifier)
def _(learner: Any, shape: Shape) -> list[FittedLayer]:
    b = np.broadcast_to(np.asarray(learner.intercept_, learner.coef_.dtype), len(learner.coef_))
    return [dense(learner.coef_.T, b, head=True, classes=learner.classes_)]


@layers_of.register(LinearRegression)
@layers_of.register(Ridge)
def _(learner: Any, shape: Shape) -> list[FittedLayer]:
    W = np.atleast_2d(learner.coef_).T
    return [dense(W, np.broadcast_to(np.asarray(learner.intercept_, W.dtype), W.shape[1]), head=True)]


@layers_of.register
def _(learner: StandardScaler, shape: Shape) -> list[FittedLayer]:
    return affine(learner.mean_, None if learner.scale_ is None else 1 / learner.scale_, shape[0])


@layers_of.register
def _(learner: MinMaxScaler, shape: Shape) -> list[FittedLayer]:
    if learner.clip:
        raise CannotUnroll("MinMaxScaler(clip=True) cannot be said as layers; pass clip=False.")
    return affine(-learner.min_ / learner.scale_, learner.scale_, shape[0])


@layers_of.register
def _(learner: MaxAbsScaler, shape: Shape) -> list[FittedLayer]:
    return affine(None, 1 / learner.scale_, shape[0])


@layers_of.register
def _(learner: PCAWhitening, shape: Shape) -> list[FittedLayer]:  # and ZCA, which is one
    return [*affine(learner.mean_, None, shape[0]), dense(learner.whitening_)]


@layers_of.register
def _(learner: PCA, shape: Shape) -> list[FittedLayer]:
    W = learner.components_.T
    if learner.whiten:
        W = W / np.sqrt(np.maximum(learner.explained_variance_, np.finfo(W.dtype).eps))
    return [*affine(learner.mean_, None, shape[0]), dense(W)]


@layers_of.register(MLPClassifier)
@layers_of.register(MLPRegressor)
def _(learner: Any, shape: Shape) -> list[FittedLayer]:
    f = {"logistic": "sigmoid", "identity": "linear"}.get(learner.activation, learner.activation)
    *hidden, last = zip(learner.coefs_, learner.intercepts_, strict=True)
    classes = getattr(learner, "classes_", None)
    return [*(dense(W, b, f) for W, b in hidden), dense(*last, head=True, classes=classes)]


@layers_of.register
def _(learner: Pipeline, shape: Shape) -> list[FittedLayer]:
    layers: list[FittedLayer] = []
    for _, step in learner.steps:
        if step is not None and step != "passthrough":
            for layer in unrolled(step, shape):
                layers.append(layer)
                shape = layer.layer.shape(shape)
    return layers
