"""Objectives with targets, weights and state that prove the gradient loop; by hand and in `keras.ops`."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import log_softmax


def cross_entropy(z, batch):
    """The weighted mean of -log softmax(z)[y], and its derivative by z."""
    m, log_p = len(z), log_softmax(z, axis=1)
    w = np.ones(m, z.dtype) if batch.w is None else batch.w
    delta = np.exp(log_p)
    delta[np.arange(m), batch.y] -= 1
    delta *= (w / m)[:, None]
    return -float(w @ log_p[np.arange(m), batch.y]) / m, delta


def weighted_mean(losses, batch):
    """The loss of a batch in `keras.ops`, from those of its rows."""
    from keras import ops

    return ops.mean(losses if batch.w is None else batch.w * losses)


def cross_entropies(z, batch):
    """-log softmax(z)[y] of each row, in `keras.ops`."""
    from keras import ops

    return ops.logsumexp(z, axis=1) - ops.take_along_axis(z, ops.expand_dims(batch.y, 1), axis=1)[:, 0]


@dataclass(frozen=True)
class Softmax:
    """Softmax regression: z = x W' + b, and the cross entropy of labels y."""

    n_classes: int
    hidden = ()

    def init(self, n_features, rng, dtype):
        return {"W": np.zeros((self.n_classes, n_features), dtype), "b": np.zeros(self.n_classes, dtype)}

    def loss(self, params, batch, seed):
        from keras import ops

        z = ops.matmul(batch.x, ops.transpose(params["W"])) + params["b"]
        return weighted_mean(cross_entropies(z, batch), batch)

    def gradient(self, params, batch, draws, grads):
        loss, delta = cross_entropy(batch.x @ params["W"].T + params["b"], batch)
        grads["W"][:], grads["b"][:] = delta.T @ batch.x, delta.sum(axis=0)
        return loss


@dataclass(frozen=True)
class Perceptron:
    """A hidden layer h = tanh(x V' + a), z = h W + b, and the cross entropy; the hidden units may be cut into shards.

    ``dropout`` leaves out so much of h, in training alone.
    """

    n_units: int
    n_classes: int
    dropout: float = 0.0
    hidden = ("V", "a", "W")

    def init(self, n_features, rng, dtype):
        def normal(fan_in, *shape):
            return (rng.standard_normal(shape) / np.sqrt(fan_in)).astype(dtype)

        V, W = normal(n_features, self.n_units, n_features), normal(self.n_units, self.n_units, self.n_classes)
        return {"V": V, "a": np.zeros(self.n_units, dtype), "W": W, "b": np.zeros(self.n_classes, dtype)}

    def for_evaluation(self):
        return replace(self, dropout=0.0)

    def loss(self, params, batch, seed):
        from keras import ops

        from featlearn.kernels.backend import uniform

        h = ops.tanh(ops.matmul(batch.x, ops.transpose(params["V"])) + params["a"])
        if self.dropout:
            h = h * ops.cast(uniform(h.shape, seed, "float32") >= self.dropout, h.dtype) / (1 - self.dropout)
        return weighted_mean(cross_entropies(ops.matmul(h, params["W"]) + params["b"], batch), batch)

    def gradient(self, params, batch, draws, grads):
        h = np.tanh(batch.x @ params["V"].T + params["a"])
        kept = np.ones_like(h)
        if self.dropout:
            kept = (draws.own.random(h.shape, np.float32) >= self.dropout) / h.dtype.type(1 - self.dropout)
        loss, delta = cross_entropy((yield (h * kept) @ params["W"]) + params["b"], batch)
        back = delta @ params["W"].T * kept * (1 - h * h)
        grads["W"][:], grads["b"][:] = (h * kept).T @ delta, delta.sum(axis=0)
        grads["V"][:], grads["a"][:] = back.T @ batch.x, back.sum(axis=0)
        return loss if draws.first else 0.0


@dataclass(frozen=True)
class Centered(Perceptron):
    """A perceptron whose hidden units are taken less a running mean s, which is state: z = (h - s) W + b."""

    hidden = ("V", "a", "W", "s")

    def init_state(self, params, batch):
        return {"s": np.zeros_like(params["a"]), "steps": np.zeros((), np.int32)}

    def loss(self, params, batch, seed, state):
        from keras import ops

        h = ops.tanh(ops.matmul(batch.x, ops.transpose(params["V"])) + params["a"])
        z = ops.matmul(h - state["s"], params["W"]) + params["b"]
        mean = ops.mean(h if batch.w is None else batch.w[:, None] * h, axis=0)
        after = {"s": 0.8 * state["s"] + 0.2 * mean, "steps": state["steps"] + 1}
        return weighted_mean(cross_entropies(z, batch), batch), after

    def gradient(self, params, batch, draws, grads, state):
        h = np.tanh(batch.x @ params["V"].T + params["a"])
        loss, delta = cross_entropy((yield (h - state["s"]) @ params["W"]) + params["b"], batch)
        back = delta @ params["W"].T * (1 - h * h)
        grads["W"][:], grads["b"][:] = (h - state["s"]).T @ delta, delta.sum(axis=0)
        grads["V"][:], grads["a"][:] = back.T @ batch.x, back.sum(axis=0)
        mean = (h if batch.w is None else batch.w[:, None] * h).mean(axis=0)
        s = h.dtype.type(0.8) * state["s"] + h.dtype.type(0.2) * mean
        return loss if draws.first else 0.0, {"s": s, "steps": state["steps"] + 1}


@dataclass(frozen=True)
class Regression:
    """|y - W x - b|^2 / 2, for targets y (m, k), or (m,) if W has one row."""

    hidden = ()

    def loss(self, params, batch, seed):
        from keras import ops

        y = batch.y if len(batch.y.shape) > 1 else ops.expand_dims(batch.y, 1)
        error = ops.matmul(batch.x, ops.transpose(params["W"])) + params["b"] - y
        return weighted_mean(0.5 * ops.sum(error**2, axis=1), batch)

    def gradient(self, params, batch, draws, grads):
        m = len(batch.x)
        w = np.ones(m, batch.x.dtype) if batch.w is None else batch.w
        error = batch.x @ params["W"].T + params["b"] - batch.y.reshape(m, -1)
        delta = (w / m)[:, None] * error
        grads["W"][:], grads["b"][:] = delta.T @ batch.x, delta.sum(axis=0)
        return 0.5 * float((delta * error).sum())
