"""What a restricted Boltzmann machine computes, and what its training minimizes.

v (m, d) visible, h (m, K) hidden, weights W (K, d), biases b (K,) and c (d,), variances s^2 = exp(z) (d,) of Gaussian
visibles (1 unless learned), y = v or v / s^2, and a = b + W y what reaches the hidden units:

    F(v) = E(v) - sum_k f(a_k),     p(v) = exp(-F(v)) / Z
    E(v) = -c.v                                         v | h is 1 with probability sigmoid(c + h W)        binary
           sum_j (v_j - c_j)^2 / (2 s_j^2)              v | h ~ N(c + h W, s^2)                             gaussian
    f(a) = log(1 + exp(a)),   f' = sigmoid(a)           h is 1 with probability f'                          binary
           max(a, 0)^2 / 2,   f' = max(a, 0)            h = max(a + N(0, sigmoid(a)), 0)                    relu

Learning descends mean F(v_0) - mean F(v_k), v_0 the data and v_k, held fixed, what k steps of Gibbs sampling make of
them (contrastive divergence), or of chains that go on from batch to batch (persistent). The gradient is a difference of
statistics, -f'(a) y' of the data and of v_k; hidden units enter it by f', and are drawn to drive the reconstruction.

As in Hinton's code v_k holds probabilities, or means, if k = 1. Only samples lead, as k grows, to the gradient of the
likelihood, so otherwise v_k is drawn: if k > 1, with persistent chains, and where variances are learned.

Hinton (2002), "Training products of experts by minimizing contrastive divergence"; Tieleman (2008), "Training
restricted Boltzmann machines using approximations to the likelihood gradient"; Lee, Ekanadham & Ng (2008), "Sparse deep
belief net model for visual area V2"; Nair & Hinton (2010), "Rectified linear units improve restricted Boltzmann
machines"; Hinton (2010), "A practical guide to training restricted Boltzmann machines"; Cho, Ilin & Raiko (2011),
"Improved learning of Gaussian-Bernoulli restricted Boltzmann machines".
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from featlearn.kernels.bernoulli import (
    bernoulli_rows,
    draw_rows,
    mean_change,
    new_key,
    sigmoid_into,
    squared_distance,
    sum_rows,
)
from featlearn.training import Batch, Draws, Params, State
from featlearn.vectors.rbm_partition import softplus

# --- formulas -----------------------------------------------------------------------------------------------------


def scaled(v: np.ndarray, params: Params) -> np.ndarray:
    """y = v / s^2, or v itself without learned variances."""
    return v * np.exp(-params["z"]) if "z" in params else v


def hidden_input(v: np.ndarray, params: Params) -> np.ndarray:
    """a (m, K) = b + W y."""
    return scaled(v, params) @ params["W"].T + params["b"]


def free_energy(v: np.ndarray, params: Params, visible: str, hidden: str) -> np.ndarray:
    """F(v), (m,)."""
    a = hidden_input(v, params)
    energy = (softplus(a) if hidden == "binary" else 0.5 * np.maximum(a, 0) ** 2).sum(axis=1)
    if visible == "binary":
        return -(v @ params["c"]) - energy
    square = (v - params["c"]) ** 2
    return 0.5 * (square * np.exp(-params["z"]) if "z" in params else square).sum(axis=1) - energy


def visible_mean(S: np.ndarray, params: Params, visible: str) -> np.ndarray:
    """The mean of v given S = h W, in an array of its own."""
    if visible == "gaussian":
        return S + params["c"]
    out = np.empty_like(S)
    sigmoid_into(S, params["c"], 1.0, out)
    return out


def reconstruction_error(v: np.ndarray, params: Params, visible: str, hidden: str) -> np.ndarray:
    """Squared distances (m,) of v from the mean that the means of the hidden units give back."""
    H = scaled(v, params) @ params["W"].T
    hidden_mean(H, params["b"], hidden, 1.0, H)
    rest = visible_mean(H @ params["W"], params, visible) - v
    return np.einsum("nd,nd->n", rest, rest)


def normal_like(A: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Normal numbers of the shape and dtype of A; of float32, so that both dtypes draw the same ones."""
    return rng.standard_normal(A.shape, np.float32).astype(A.dtype, copy=False)


def draw_visible(mean: np.ndarray, params: Params, visible: str, rng: np.random.Generator) -> np.ndarray:
    """Visible states in place of their means."""
    if visible == "binary":
        bernoulli_rows(mean, new_key(rng))
        return mean
    noise = normal_like(mean, rng)
    mean += noise * np.exp(0.5 * params["z"]) if "z" in params else noise
    return mean


def hidden_mean(Z: np.ndarray, b: np.ndarray, hidden: str, weight: float, out: np.ndarray) -> None:
    """out := weight f'(Z + b)."""
    if hidden == "binary":
        sigmoid_into(Z, b, weight, out)
    else:
        np.maximum(Z + b, 0, out=out)
        out *= out.dtype.type(weight)


def draw_hidden(
    Z: np.ndarray, b: np.ndarray, hidden: str, rng: np.random.Generator, weight: float, out: np.ndarray
) -> np.ndarray:
    """Hidden states for a = Z + b, in place of Z; out := weight f'(a)."""
    if hidden == "binary":
        draw_rows(Z, b, new_key(rng), weight, out)
        return Z
    hidden_mean(Z, b, hidden, weight, out)
    noise = np.empty_like(Z)
    sigmoid_into(Z, b, 1.0, noise)
    noise = np.sqrt(noise) * normal_like(Z, rng)
    Z += b
    Z += noise
    return np.maximum(Z, 0, out=Z)


# --- what is minimized --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Divergence:
    """mean F(v_0) - mean F(v_k), with the squared error of the reconstruction as its value.

    Sharded over hidden units: the shards meet to add up h W, once a Gibbs step. What v_k starts from is said below.
    """

    n_components: int
    visible: str = "binary"
    hidden_units: str = "binary"
    k: int = 1
    learn_variance: bool = False
    sparsity_target: float | None = None
    sparsity_cost: float = 0.0
    sparsity_weights: bool = False
    init_scale: float = 0.1
    log_variance: tuple[float, float] = (-np.inf, np.inf)
    n_chains: int = 0  # that persist
    hidden = ("W", "b")

    @property
    def sampled(self) -> bool:
        """Whether v_k is drawn, or its mean taken."""
        return self.k > 1 or self.n_chains > 0 or self.learn_variance

    def seen(self, v: np.ndarray, params: Params) -> np.ndarray:
        """y: of the visible units, what reaches the hidden ones."""
        return scaled(v, params)

    def visible_mean(self, S: np.ndarray, params: Params) -> np.ndarray:
        """The mean of v given S = h W, in an array of its own."""
        return visible_mean(S, params, self.visible)

    def draw_visible(self, mean: np.ndarray, params: Params, rng: np.random.Generator) -> np.ndarray:
        """Visible states in place of their means."""
        return draw_visible(mean, params, self.visible, rng)

    def init(self, n_features: int, rng: np.random.RandomState, dtype: Any) -> Params:
        """Normal weights, no biases, and unit variances."""
        W = (self.init_scale * rng.standard_normal((self.n_components, n_features))).astype(dtype)
        params = {"W": W, "b": np.zeros(self.n_components, dtype), "c": np.zeros(n_features, dtype)}
        return params | ({"z": np.zeros(n_features, dtype)} if self.learn_variance else {})

    def descent(self, params: Params, x: np.ndarray, chain: np.ndarray | None, draws: Draws, grads: Params):
        """The difference of statistics of the shard's hidden units, as one product of the rows [x; v_k].

        A generator as `gradient` has to be one, of the loss and v_k; v_0 is ``chain``, or x where it is None.
        """
        W, b, m = params["W"], params["b"], len(x)
        negatives = m if chain is None else len(chain)
        V, H = np.empty((m + negatives, x.shape[1]), x.dtype), np.empty((m + negatives, len(W)), x.dtype)
        V[:m] = self.seen(x, params)
        if chain is not None:
            V[m:] = self.seen(chain, params)
        driven = m if chain is None else m + negatives  # rows whose hidden units are drawn: the data, and the chains
        states = draw_hidden(V[:driven] @ W.T, b, self.hidden_units, draws.own, -1 / m, H[:driven])
        for step in range(self.k):
            mean = self.visible_mean((yield states @ W), params)
            if step == 0:
                error = squared_distance(mean[:m], x) / m if draws.first else 0.0
                mean = mean[-negatives:]
            v = self.draw_visible(mean, params, draws.common) if self.sampled else mean
            V[m:] = self.seen(v, params)
            Z = V[m:] @ W.T
            if step < self.k - 1:
                states = draw_hidden(Z, b, self.hidden_units, draws.own, 1.0, H[m:])
        hidden_mean(Z, b, self.hidden_units, 1 / negatives, H[m:])
        np.dot(H.T, V, out=grads["W"])
        sum_rows(H, grads["b"])
        mean_change(V, m, grads["c"])
        if self.learn_variance:
            tied = yield np.einsum("kd,kd->d", W, grads["W"])
            square = ((v - params["c"]) ** 2).mean(axis=0) - ((x - params["c"]) ** 2).mean(axis=0)
            grads["z"][:] = 0.5 * np.exp(-params["z"]) * square - tied
        if self.sparsity_cost:
            excess = (self.sparsity_cost * (-H[:m].sum(axis=0) - self.sparsity_target)).astype(x.dtype)
            grads["b"] += excess
            if self.sparsity_weights:
                grads["W"] += np.outer(excess, V[:m].mean(axis=0))
        return error, v

    def after_step(self, params: Any) -> None:
        """Keep learned variances within their bounds."""
        if not self.learn_variance:
            return
        if isinstance(params["z"], np.ndarray):
            np.clip(params["z"], *self.log_variance, out=params["z"])
        else:
            from keras import ops

            params["z"] = ops.clip(params["z"], *self.log_variance)


@dataclass(frozen=True)
class PersistentDivergence(Divergence):
    """A divergence whose chains go on from batch to batch; they are its state."""

    def init_state(self, params: Params, batch: Batch) -> State:
        """Chains at samples of the first batch."""
        return {"chains": batch.x[np.arange(self.n_chains) % len(batch.x)]}

    def gradient(self, params: Params, batch: Batch, draws: Draws, grads: Params, state: State):
        """Of the shard's hidden units; every shard draws the same chains."""
        chain = state["chains"].astype(batch.x.dtype, copy=False)
        error, v = yield from self.descent(params, batch.x, chain, draws, grads)
        return error, {"chains": v}


@dataclass(frozen=True)
class ContrastiveDivergence(Divergence):
    """A divergence whose chains begin at the data of each batch, which Keras can differentiate too."""

    def gradient(self, params: Params, batch: Batch, draws: Draws, grads: Params):
        """Of the shard's hidden units."""
        error, _ = yield from self.descent(params, batch.x, None, draws, grads)
        return error

    def loss(self, params: Any, batch: Batch, seed: Any) -> Any:
        """Its gradient is that of mean F(v_0) - mean F(v_k), its value the squared error of the reconstruction."""
        from keras import ops

        x = batch.x
        reconstruction, v = (ops.stop_gradient(t) for t in self.negatives(params, x, seed))
        value = ops.mean(self._free_energy(params, x)) - ops.mean(self._free_energy(params, v))
        if self.sparsity_cost:
            W = params["W"] if self.sparsity_weights else ops.stop_gradient(params["W"])
            y = ops.mean(ops.stop_gradient(self._scaled(params, x)), axis=0)
            a = ops.matmul(W, y) + params["b"]
            mean = ops.mean(self._hidden_mean(self._hidden_input(params, x)), axis=0)
            value = value + self.sparsity_cost * ops.sum(ops.stop_gradient(mean - self.sparsity_target) * a)
        error = ops.mean(ops.sum((reconstruction - x) ** 2, axis=1))
        return value - ops.stop_gradient(value) + error

    def negatives(self, params: Any, x: Any, seed: Any) -> tuple[Any, Any]:
        """The reconstruction after a Gibbs step, and v_k; tensors (m, d)."""
        from keras import ops

        from featlearn.kernels.backend import normal, uniform

        draw_h = uniform if self.hidden_units == "binary" else normal
        draw_v = uniform if self.visible == "binary" else normal
        m, d = x.shape
        for_hidden = draw_h((self.k, m, self.n_components), seed, x.dtype)
        for_visible = draw_v((self.k, m, d), ops.flip(seed), x.dtype) if self.sampled else None
        reconstruction, v = None, x
        for step in range(self.k):
            a = self._hidden_input(params, v)
            if self.hidden_units == "binary":
                h = ops.cast(for_hidden[step] < ops.sigmoid(a), x.dtype)
            else:
                h = ops.relu(a + ops.sqrt(ops.sigmoid(a)) * for_hidden[step])
            S = ops.matmul(h, params["W"]) + params["c"]
            v = ops.sigmoid(S) if self.visible == "binary" else S
            reconstruction = v if reconstruction is None else reconstruction
            if for_visible is not None and self.visible == "binary":
                v = ops.cast(for_visible[step] < v, x.dtype)
            elif for_visible is not None:
                v = v + for_visible[step] * (ops.exp(0.5 * params["z"]) if self.learn_variance else 1.0)
        return reconstruction, v

    def _scaled(self, params, v):
        from keras import ops

        return v * ops.exp(-params["z"]) if self.learn_variance else v

    def _hidden_input(self, params, v):
        from keras import ops

        return ops.matmul(self._scaled(params, v), ops.transpose(params["W"])) + params["b"]

    def _hidden_mean(self, a):
        from keras import ops

        return ops.sigmoid(a) if self.hidden_units == "binary" else ops.relu(a)

    def _free_energy(self, params, v):
        from keras import ops

        a = self._hidden_input(params, v)
        energy = ops.sum(ops.softplus(a) if self.hidden_units == "binary" else 0.5 * ops.relu(a) ** 2, axis=1)
        if self.visible == "binary":
            return -ops.matmul(v, params["c"]) - energy
        square = (v - params["c"]) ** 2
        return 0.5 * ops.sum(square * ops.exp(-params["z"]) if self.learn_variance else square, axis=1) - energy
