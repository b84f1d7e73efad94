"""A fitted learner said as layers, exactly: the one idea of the room.

``unrolled(learner, shape)`` gives the `FittedLayer`s whose outputs are the learner's codes. What it knows, it knows
from the learner itself: an `EncoderPlan` (`featlearn.images.fusion.Fusible`), its matrices, or its steps. A
learner of your own either has an ``encoder_plan()`` or a method ``network_layers(shape)`` that returns such a list.

Learned are matrices (whitening's, a PCA's too), biases and atoms. What a fit measured of the data stays as it is:
means, scalers, the norms of sparse filtering, the gains of predictive sparse codes. A `Stage` is its patches, then the
layers of its learner on the last axis, then rectifier, normalizer and pool.
"""

from functools import singledispatch
from typing import Any

import numpy as np
from sklearn.decomposition import PCA, FastICA, IncrementalPCA, TruncatedSVD
from sklearn.linear_model import (
    ElasticNet,
    LinearRegression,
    LogisticRegression,
    Ridge,
    RidgeClassifier,
    RidgeClassifierCV,
    RidgeCV,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, Normalizer, RobustScaler, StandardScaler
from sklearn.svm import LinearSVC, LinearSVR
from sklearn.utils.validation import check_is_fitted

from featlearn.images import (
    Abs,
    Flatten,
    LocalContrastNormalizer,
    MaxPool,
    MeanPool,
    Positive,
    SoftThreshold,
    SplitSign,
    Stage,
    SumPool,
    ToImages,
)
from featlearn.images.fusion import speaks_for_itself
from featlearn.linear import LinearSVM, LinearSVMCV
from featlearn.networks.code_layers import Centered, Clip, Contrast, Magnitude, Products, Shrink, SplitParts, UnitNorm
from featlearn.networks.distance_layers import Nearest
from featlearn.networks.layers import Activation, FittedLayer, Layer, Shape
from featlearn.networks.map_layers import Flat, LocalContrast, Patches, Pool, Reshaped
from featlearn.networks.plan_layers import affine, coded, dense, full_posteriors, head, plain, plan_layers
from featlearn.vectors import (
    ZCA,
    ContrastNormalizer,
    GaussianMixtureEncoder,
    PCAWhitening,
    SlowFeatureAnalysis,
    SparseCoding,
    SparseFiltering,
)
from featlearn.vectors.autoencoders import AutoencoderMixin
from featlearn.vectors.dictionary import DictionaryMixin
from featlearn.vectors.sparse_filtering import scales


class CannotUnroll(ValueError):
    """A learner that no layers can stand for."""


def unrolled(learner: Any, shape: Shape) -> list[FittedLayer]:
    """The layers of a fitted learner for inputs of a shape (without the samples).

    Parameters
    ----------
    learner : estimator
        A fitted transformer, classifier, regressor, or a Pipeline of them.
    shape : tuple of int
        Of one sample: (n_features,), or (height, width[, channels]) of an image. A learner of rows acts on the last
        axis of maps.

    Returns
    -------
    layers : list of FittedLayer
        At least one. The scores of a classifier and the values of a regressor are a ``head``.

    Raises
    ------
    NotFittedError
        If the learner is not fitted.
    CannotUnroll
        A ValueError, if the learner is none that can be said as layers.

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn import KMeansDictionary
    >>> from featlearn.networks.unrolling import unrolled
    >>> X = np.random.default_rng(0).normal(size=(50, 3))
    >>> [fitted.layer.n_atoms for fitted in unrolled(KMeansDictionary(4, random_state=0).fit(X), (3,))]
    [4]
    """
    check_is_fitted(learner)
    width = getattr(learner, "n_features_in_", None)
    if width is not None and not isinstance(learner, (Flatten, Pipeline)) and shape[-1] != width:
        raise ValueError(
            f"{type(learner).__name__} was fitted on {width} features, and the layer below it gives {shape[-1]}. Fit "
            "it on what that layer gives, or take another learner or width."
        )
    if hasattr(learner, "network_layers"):
        return learner.network_layers(shape)
    known = layers_of if _is_known(type(learner)) else planned
    return known(learner, shape) or affine(0.0, 1.0, shape[-1])


def _is_known(kind: type) -> bool:
    """Whether the layers of a type are written for its ``transform``: a subclass may have another."""
    known = next(c for c in kind.__mro__ if c in layers_of.registry)
    author = next((c for c in kind.__mro__ if vars(c).keys() & {"transform", "encoder_plan"}), object)
    return author is known or not issubclass(author, known)


def as_network_layers(learner: Any, shape: Shape, dtype: Any = np.float32) -> tuple[FittedLayer, ...]:
    """The layers of a fitted learner as a network starts from them: arrays of a dtype, nothing trained."""
    return tuple(fitted.at(dtype) for fitted in unrolled(learner, shape))


@singledispatch
def layers_of(learner: Any, shape: Shape) -> list[FittedLayer]:
    """The layers of a fitted learner, by its type; nothing for one that leaves all as it is."""
    return planned(learner, shape)


def planned(learner: Any, shape: Shape) -> list[FittedLayer]:
    """The layers of a learner that says its codes as a plan."""
    plan = learner.encoder_plan() if speaks_for_itself(type(learner)) else None
    if plan is not None:
        return plan_layers(plan)
    raise CannotUnroll(
        f"{type(learner).__name__} cannot be said as layers: it has no encoder_plan() and no network_layers(shape), "
        "and featlearn.networks does not know it. As the first of the layers it can stand still: Pretrained(learner, "
        "trainable=False); or give it such a method."
    )


# Learners of rows


@layers_of.register
def _(learner: DictionaryMixin, shape: Shape) -> list[FittedLayer]:
    plan = learner.encoder_plan()
    if plan is not None:
        return plan_layers(plan)
    if learner.encode == "hard":
        return [FittedLayer(Nearest(len(learner.components_), learner._rule()), {"A": learner.components_})]
    raise CannotUnroll(
        f"{type(learner).__name__}: encode={learner.encode!r} picks atoms by a search that passes no useful gradient, "
        "so it is no layer. Pass encode='triangle', 'threshold' or 'split' (set_params will do: the atoms stay), or "
        "let it stand still as the first of the layers: Pretrained(learner, trainable=False)."
    )


@layers_of.register
def _(learner: SparseCoding, shape: Shape) -> list[FittedLayer]:
    raise CannotUnroll(
        f"SparseCoding: codes of algorithm={learner.algorithm!r} come from a search for each row that passes no useful "
        "gradient, so no layer stands for it. Take its atoms as a dictionary with encode='threshold' or 'split', or "
        "PredictiveSparse, or let it stand still as the first of the layers: Pretrained(learner, trainable=False)."
    )


@layers_of.register
def _(learner: GaussianMixtureEncoder, shape: Shape) -> list[FittedLayer]:
    if learner.encode != "posterior":
        raise CannotUnroll(
            f"GaussianMixtureEncoder: encode={learner.encode!r} cannot be said as layers; pass 'posterior'."
        )
    plan = learner.encoder_plan()
    if plan is not None:
        return plan_layers(plan)
    if learner._mixture.covariances.ndim == 3:
        return full_posteriors(*learner._mixture)
    raise CannotUnroll(
        "GaussianMixtureEncoder: float32 cannot hold these posteriors as a function of squares: the components "
        "lie too many deviations apart. Whiten the features before it, or let it stand still as the first layer: "
        "Pretrained(learner, trainable=False)."
    )


@layers_of.register
def _(learner: AutoencoderMixin, shape: Shape) -> list[FittedLayer]:
    coefs, intercepts, activations = learner._layers()
    half = len(coefs) // 2
    layers = affine(learner._origin(), None, shape[-1])
    for W, b, f in zip(coefs[:half], intercepts[:half], activations[:half], strict=True):
        layers += coded(W, b, f)
    return layers


@layers_of.register
def _(learner: SparseFiltering, shape: Shape) -> list[FittedLayer]:
    layers = []
    kind = {"softabs": "softabs", "log": "log"}[learner.activation]
    for layer in learner.layers_:
        layers += [plain(Centered())] if learner.center else []
        layers += [dense(layer.weights.T), plain(Magnitude(kind, float(learner.eps)))]
        layers += [*affine(None, scales(layer.norms), len(layer.norms)), plain(UnitNorm())]
    return layers


@layers_of.register
def _(learner: SlowFeatureAnalysis, shape: Shape) -> list[FittedLayer]:
    layers = affine(learner.mean_, None, shape[-1])
    if hasattr(learner, "mixing_"):
        return [*layers, dense(learner.components_.T)]
    layers += [dense(learner.whitening_), plain(Products())]
    mean = learner.expanded_mean_
    return [*layers, *affine(mean, None, len(mean)), dense(learner.components_.T)]


@layers_of.register
def _(learner: ContrastNormalizer, shape: Shape) -> list[FittedLayer]:
    return [plain(Contrast(float(learner.eps_), int(learner.ddof)))]


@layers_of.register(PCAWhitening)
@layers_of.register(ZCA)
def _(learner: Any, shape: Shape) -> list[FittedLayer]:
    return [*affine(learner.mean_, None, shape[-1]), dense(learner.whitening_)]


@layers_of.register(PCA)
@layers_of.register(IncrementalPCA)
def _(learner: Any, shape: Shape) -> list[FittedLayer]:
    W = learner.components_.T
    if learner.whiten:
        W = W / np.sqrt(np.maximum(learner.explained_variance_, np.finfo(W.dtype).eps))
    return [*affine(learner.mean_, None, shape[-1]), dense(W)]


@layers_of.register
def _(learner: FastICA, shape: Shape) -> list[FittedLayer]:
    return [*affine(getattr(learner, "mean_", None), None, shape[-1]), dense(learner.components_.T)]


@layers_of.register
def _(learner: TruncatedSVD, shape: Shape) -> list[FittedLayer]:
    return [dense(learner.components_.T)]


# Scalers


@layers_of.register
def _(learner: StandardScaler, shape: Shape) -> list[FittedLayer]:
    mean = learner.mean_ if learner.with_mean else None
    return affine(mean, None if learner.scale_ is None else 1 / learner.scale_, shape[-1])


@layers_of.register
def _(learner: RobustScaler, shape: Shape) -> list[FittedLayer]:
    return affine(learner.center_, None if learner.scale_ is None else 1 / learner.scale_, shape[-1])


@layers_of.register
def _(learner: MinMaxScaler, shape: Shape) -> list[FittedLayer]:
    layers = affine(-learner.min_ / learner.scale_, learner.scale_, shape[-1])
    low, high = learner.feature_range
    return [*layers, plain(Clip(float(low), float(high)))] if learner.clip else layers


@layers_of.register
def _(learner: MaxAbsScaler, shape: Shape) -> list[FittedLayer]:
    layers = affine(None, 1 / learner.scale_, shape[-1])
    return [*layers, plain(Clip(-1.0, 1.0))] if getattr(learner, "clip", False) else layers


@layers_of.register
def _(learner: Normalizer, shape: Shape) -> list[FittedLayer]:
    if learner.norm != "l2":
        raise CannotUnroll(f"Normalizer(norm={learner.norm!r}) cannot be said as layers; pass norm='l2'.")
    return [plain(UnitNorm())]


# Heads


@layers_of.register(LinearSVM)
@layers_of.register(LinearSVMCV)
@layers_of.register(LogisticRegression)
@layers_of.register(LinearSVC)
@layers_of.register(RidgeClassifier)
@layers_of.register(RidgeClassifierCV)
@layers_of.register(SGDClassifier)
def _(learner: Any, shape: Shape) -> list[FittedLayer]:
    return head(learner.coef_, learner.intercept_, learner.classes_)


@layers_of.register(LinearRegression)
@layers_of.register(Ridge)
@layers_of.register(RidgeCV)
@layers_of.register(ElasticNet)
@layers_of.register(SGDRegressor)
@layers_of.register(LinearSVR)
def _(learner: Any, shape: Shape) -> list[FittedLayer]:
    return head(learner.coef_, learner.intercept_)


@layers_of.register(MLPClassifier)
@layers_of.register(MLPRegressor)
def _(learner: Any, shape: Shape) -> list[FittedLayer]:
    f = {"logistic": "sigmoid", "identity": "linear"}.get(learner.activation, learner.activation)
    *hidden, (W, b) = zip(learner.coefs_, learner.intercepts_, strict=True)
    return [*(dense(V, c, f) for V, c in hidden), *head(W.T, b, getattr(learner, "classes_", None))]


# Images and maps


@layers_of.register
def _(learner: ToImages, shape: Shape) -> list[FittedLayer]:
    return [plain(Reshaped(tuple(learner.shape_), learner.order))]


@layers_of.register
def _(learner: Flatten, shape: Shape) -> list[FittedLayer]:
    if tuple(shape) != tuple(learner.shape_):
        raise ValueError(
            f"Flatten was fitted on samples of shape {learner.shape_}, and the layer below it gives {tuple(shape)}. "
            "Fit it on what that layer gives."
        )
    return [plain(Flat())]


@layers_of.register(Abs)
@layers_of.register(Positive)
@layers_of.register(SoftThreshold)
@layers_of.register(SplitSign)
@layers_of.register(LocalContrastNormalizer)
@layers_of.register(SumPool)
@layers_of.register(MeanPool)
@layers_of.register(MaxPool)
def _(learner: Any, shape: Shape) -> list[FittedLayer]:
    height, width = shape[:2]
    if isinstance(learner, LocalContrastNormalizer):
        sigma = float(learner.size / (4 * np.sqrt(2)) if learner.sigma is None else learner.sigma)
        eps, floor = (v if isinstance(v, str) else float(v) for v in (learner.eps, learner.floor))
        layer: Layer = LocalContrast(int(learner.size), sigma, eps, floor)
    elif isinstance(learner, (SumPool, MeanPool, MaxPool)):
        kind = type(learner).__name__.removesuffix("Pool").lower()
        rows, columns = (tuple((c.start, c.stop) for c in axis) for axis in learner.cells(height, width))
        layer = Pool(kind, rows, columns)
    else:
        layer = {
            Abs: lambda: Magnitude("abs"),
            Positive: lambda: Activation("relu"),
            SoftThreshold: lambda: Shrink(float(learner.threshold)),
            SplitSign: lambda: SplitParts(float(learner.threshold)),
        }[type(learner)]()
    if len(shape) == 3:
        return [plain(layer)]
    # A missing channel axis stays missing as long as there is one channel.
    out = layer.shape((height, width, 1))
    layers = [plain(Reshaped((height, width, 1))), plain(layer)]
    return layers if out[2] > 1 else [*layers, plain(Reshaped(out[:2]))]


@layers_of.register
def _(learner: Stage, shape: Shape) -> list[FittedLayer]:
    if tuple(shape) != tuple(learner.image_shape_):
        raise ValueError(
            f"Stage was fitted on images of shape {tuple(learner.image_shape_)}, and the layer below it gives "
            f"{tuple(shape)}. Fit it on what that layer gives."
        )
    patch = int(learner.patch_shape_[0]), int(learner.patch_shape_[1])
    layers = [plain(Patches(patch, int(learner.stride), int(learner.pad)))]
    steps = (learner.learner_, learner.rectify, learner.normalize, learner.pool)
    layers = chained(layers, [step for step in steps if step is not None], shape)
    return [fitted for fitted in layers if not fitted.head]


@layers_of.register
def _(learner: Pipeline, shape: Shape) -> list[FittedLayer]:
    return chained([], [step for _, step in learner.steps if step is not None and step != "passthrough"], shape)


def chained(layers: list[FittedLayer], learners: list[Any], shape: Shape) -> list[FittedLayer]:
    """Layers and those of learners after them, each for what the ones before give."""
    for learner in learners:
        layers = [fitted for fitted in layers if not fitted.head]  # what a network gives as features is what is below
        at = shape
        for fitted in layers:
            at = fitted.layer.shape(at)
        layers += unrolled(learner, at)
    return layers
