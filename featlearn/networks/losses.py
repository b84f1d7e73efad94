"""What a network's last layer z (m, k) is compared with, by hand and in `keras.ops`.

    cross entropy   -sum_k t_k log softmax(z)_k,  or  sum_k log(1 + e^z_k) - t_k z_k  where labels do not exclude
                    each other (sigmoid);  t = (1 - s) [y = k] + s / k with label smoothing s   Szegedy et al. (2016)
    squared         |g(z) - t|^2 / 2,  g the link: identity, sigmoid or softmax
    hinge           sum_k max(0, 1 - t_k z_k),  t = +-1, a column per class
    squared hinge   sum_k max(0, 1 - t_k z_k)^2                                                as liblinear's
    huber           sum_k e^2 / 2 where |e| <= 1, |e| - 1/2 beyond;  e = z - t                  Huber (1964)

Every formula gives the loss of each row and its derivative by z.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from featlearn.kernels.activations import softmax_losses

LOSSES = ("cross_entropy", "squared", "hinge", "squared_hinge", "huber")
LINKS = ("softmax", "sigmoid", "identity")
MARGINS = ("hinge", "squared_hinge")


def softmax(z: np.ndarray) -> np.ndarray:
    """Rows of z as probabilities."""
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def linked(z: np.ndarray, link: str) -> np.ndarray:
    """g(z)."""
    return softmax(z) if link == "softmax" else expit(z) if link == "sigmoid" else z


@dataclass(frozen=True)
class Loss:
    """One of `LOSSES` with its link; targets are whole numbers (m,), the columns of classes, or floats (m, k)."""

    name: str
    link: str = "identity"
    smoothing: float = 0.0

    def targets(self, y: np.ndarray, k: int, dtype: Any) -> np.ndarray:
        """Targets t (m, k) as floats."""
        t = np.eye(k, dtype=dtype)[y] if y.ndim == 1 else y.astype(dtype, copy=False)
        if self.smoothing:
            t = t * dtype.type(1 - self.smoothing) + dtype.type(self.smoothing / max(k, 2))
        return t

    def rows(self, z: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The loss of each row (m,) and its derivative by z (m, k)."""
        softmaxed = self.name == "cross_entropy" and self.link == "softmax"
        if softmaxed and y.ndim == 1 and not self.smoothing:
            losses, delta = np.empty(len(z), z.dtype), np.empty_like(z)
            softmax_losses(z, y, losses, delta)
            return losses, delta
        t = self.targets(y, z.shape[1], z.dtype)
        if softmaxed:
            shifted = z - z.max(axis=1, keepdims=True)
            logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
            return -(t * logs).sum(axis=1), np.exp(logs) - t
        if self.name == "cross_entropy":
            softplus = np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))
            return (softplus - t * z).sum(axis=1), expit(z) - t
        if self.name == "squared":
            h = linked(z, self.link)
            error = h - t
            losses = 0.5 * (error * error).sum(axis=1)
            if self.link == "softmax":
                return losses, h * (error - (error * h).sum(axis=1, keepdims=True))
            return losses, error * h * (1 - h) if self.link == "sigmoid" else error
        if self.name == "huber":
            error = z - t
            size = np.abs(error)
            return np.where(size <= 1, 0.5 * error * error, size - 0.5).sum(axis=1), np.clip(error, -1, 1)
        short = np.maximum(1 - t * z, 0)
        if self.name == "hinge":
            return short.sum(axis=1), -t * (short > 0)
        return (short * short).sum(axis=1), -2 * t * short

    def labels(self, y: Any) -> Any:
        """What a prediction is right or wrong by."""
        return y

    def tensor(self, z: Any, y: Any) -> Any:
        """The loss of each row, in `keras.ops`."""
        from keras import ops

        k = z.shape[1]
        t = ops.cast(ops.one_hot(y, k) if len(y.shape) == 1 else y, z.dtype)
        if self.smoothing:
            t = t * (1 - self.smoothing) + self.smoothing / max(k, 2)
        if self.name == "cross_entropy" and self.link == "softmax":
            return ops.sum(t * (ops.logsumexp(z, axis=1, keepdims=True) - z), axis=1)
        if self.name == "cross_entropy":
            return ops.sum(ops.softplus(z) - t * z, axis=1)
        if self.name == "squared":
            h = {"softmax": ops.softmax, "sigmoid": ops.sigmoid, "identity": lambda a: a}[self.link](z)
            return 0.5 * ops.sum((h - t) ** 2, axis=1)
        if self.name == "huber":
            size = ops.abs(z - t)
            return ops.sum(ops.where(size <= 1, 0.5 * size * size, size - 0.5), axis=1)
        short = ops.relu(1 - t * z)
        return ops.sum(short if self.name == "hinge" else short * short, axis=1)

    def wrong(self, z: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Of each row, whether (of several columns: in which share of them) the prediction is wrong, (m,).

        Of numbers, the mean squared error.
        """
        if y.ndim == 1:
            return (z.argmax(axis=1) != y).astype(z.dtype)
        edge = 0 if self.name in MARGINS else 0.5
        if self.link == "identity" and self.name not in MARGINS:
            return ((z - y) ** 2).mean(axis=1)
        if self.name in MARGINS and z.shape[1] > 1:
            return (z.argmax(axis=1) != y.argmax(axis=1)).astype(z.dtype)
        return ((z > 0) != (y > edge)).mean(axis=1, dtype=z.dtype)
