"""The arrays of fitted learners as layers: what `unrolling` makes its layers of.

affine, dense, coded    (x - a) c,   x W + b,   f(x W + b)
plan_layers             everything that an `EncoderPlan` says
full_posteriors         the components of a mixture of full covariances
"""

from typing import Any

import numpy as np

from featlearn.kernels.encoding.assign import far_center
from featlearn.kernels.encoding.encode import EncoderPlan
from featlearn.networks.code_layers import Contrast, Magnitude, Products, SplitParts, WithSquares
from featlearn.networks.distance_layers import Nearest, Triangle
from featlearn.networks.layers import Activation, Affine, Dense, FittedLayer, Layer

NEAR = 1e-7  # of the squared length of atoms: float32's rounding of squared distances


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


def plain(layer: Layer) -> FittedLayer:
    """A layer without arrays."""
    return FittedLayer(layer, {})


def head(coef: Any, intercept: Any, classes: Any = None) -> list[FittedLayer]:
    """Scores x coef' + intercept of coef (k, d) or (d,)."""
    W = np.atleast_2d(coef).T
    return [dense(W, np.broadcast_to(np.asarray(intercept, W.dtype), W.shape[1]), head=True, classes=classes)]


def coded(W: Any, b: Any, activation: str) -> list[FittedLayer]:
    """f(x W + b), any f of an `EncoderPlan` or a dense layer."""
    if activation == "softmax":
        return [dense(W, b), plain(Activation("softmax"))]
    if activation == "abs":
        return [dense(W, b), plain(Magnitude("abs"))]
    return [dense(W, b, activation)]


def plan_layers(plan: EncoderPlan) -> list[FittedLayer]:
    """Contrast, mean, whitening, and the code of a plan of rows."""
    layers = [] if plan.eps is None else [plain(Contrast(float(plan.eps), int(plan.ddof)))]
    if plan.mean is not None:
        layers += affine(plan.mean, None, len(plan.mean))
    if plan.whitening is not None:
        layers.append(dense(plan.whitening))
    A = plan.atoms
    if plan.encode == "triangle":
        center = far_center(A)  # distances about it do not cancel
        if center is not None:
            layers, A = layers + affine(center, None, len(center)), A - center
        floor = NEAR * float(np.einsum("kd,kd->", A, A, dtype=np.float64) / len(A)) or NEAR
        return [*layers, FittedLayer(Triangle(len(A), floor), {"A": A})]
    if plan.encode == "hard":
        return [*layers, FittedLayer(Nearest(len(A)), {"A": A})]
    if plan.encode == "threshold":
        return [*layers, dense(A.T, np.full(len(A), -plan.threshold, A.dtype), "relu")]
    if plan.encode == "split":
        return [*layers, dense(A.T), plain(SplitParts(float(plan.threshold)))]
    if plan.squares:
        layers.append(plain(WithSquares()))
    layers += coded(A.T, plan.bias, plan.encode)
    return layers if plan.scale is None else layers + affine(None, plan.scale, len(plan.scale))


def full_posteriors(means: np.ndarray, covariances: np.ndarray, weights: np.ndarray) -> list[FittedLayer]:
    """A softmax of log pi_k - log|S_k| / 2 - (x - mu_k)' S_k^-1 (x - mu_k) / 2, quadratic unless all share one S."""
    origin = means.mean(axis=0, dtype=np.float64)
    m, S = means - origin, covariances.astype(np.float64)
    P = np.linalg.inv(S)
    linear = np.einsum("kde,ke->kd", np.broadcast_to(P, (len(m), *P.shape[1:])), m)
    b = np.log(weights) - 0.5 * (np.linalg.slogdet(S)[1] + np.einsum("kd,kd->k", linear, m))
    layers = affine(origin, None, len(origin))
    if len(P) < len(m):
        return [*layers, *coded(linear.T, b, "softmax")]
    i, j = np.triu_indices(len(origin))
    squares = P[:, i, j] * np.where(i == j, -0.5, -1)
    return [*layers, plain(Products()), *coded(np.hstack([linear, squares]).T, b, "softmax")]
