"""The core of the autoencoders: one objective, its gradient derived by hand, and the passes through the layers.

An encoder of layers of K_1, ..., K_L units and its mirror image learn to give back their input x (m, d):

    h_0 = x~ (x, or x corrupted),   h_l = f(h_{l-1} A_l + b_l),   code h_L,   y = g(h_{2L-1} A_2L + b_2L)

    1/m sum_i E(y_i, x_i)                                 E = |y - x|^2 / 2, or the cross entropy with g = sigmoid
    + beta sum_j KL(rho || r_j)                           r_j the mean of code unit j over the batch, for tanh of
                                                          (1 + h) / 2;  KL = rho log(rho/r) + (1-rho) log((1-rho)/(1-r))
    + lambda/m sum_i sum_j f'(z_ij)^2 |W_j|^2             |Jacobian of the code|^2, one hidden layer, W = A_1'

Tied weights: A_{2L+1-l} = A_l', so the matrix receives the gradients of both.

The layers go in pairs, and shards (training/shards.py) hold units of odd layers: A_1 by columns, A_2 by rows, ... A
pair needs one sum over the shards on the way up, h_l A_{l+1}, and one on the way down. A matrix is stored with the
units of its odd layer first: W_l = A_l' (K_l, K_{l-1}) for odd l, W_l = A_l (K_{l-1}, K_l) for even l; then a matrix
and its mirror image are stored alike, and tied weights are one array.

Weights start uniform within +-sqrt(6 / (inputs + outputs)), Glorot & Bengio (2010); four times that before a sigmoid,
whose slope at 0 is a quarter of tanh's.

Hinton & Salakhutdinov (2006), "Reducing the dimensionality of data with neural networks" (deep, mirrored). Ng (2011),
"Sparse autoencoder", CS294A notes. Vincent et al. (2008, 2010), denoising. Rifai et al. (2011), contractive.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np

from featlearn.kernels.activations import (
    KIND,
    activate_rows,
    backward_rows,
    contraction_rows,
    cross_entropy_rows,
    squared_rows,
)
from featlearn.training import Batch, Draws, Params

CORRUPTIONS = ("masking", "gaussian", "salt_and_pepper")
MARGIN = 1e-6  # mean activations are drawn from [0, 1] into [margin, 1 - margin], so that their logarithms are finite


def corrupted(x: np.ndarray, corruption: str | None, level: float, rng: np.random.Generator) -> np.ndarray:
    """A corrupted copy of x: zeros or zeros and ones in a share ``level`` of the places, or noise of that deviation."""
    if corruption is None or level == 0:
        return x
    # Drawn in float32 whatever the dtype, so that the same numbers are corrupted alike.
    if corruption == "gaussian":
        noise = rng.standard_normal(x.shape, np.float32).astype(x.dtype, copy=False)
        noise *= x.dtype.type(level)
        noise += x
        return noise
    u = rng.random(x.shape, np.float32)
    if corruption == "masking":
        return np.multiply(x, u >= level, out=u if x.dtype == u.dtype else None)
    return np.where(u < level, (u < level / 2).astype(x.dtype), x)


def corrupted_tensor(x: Any, corruption: str | None, level: float, seed: Any) -> Any:
    """`corrupted` for tensors of Keras' backend."""
    from keras import ops

    from featlearn.kernels.backend import normal, uniform

    if corruption is None or level == 0:
        return x
    if corruption == "gaussian":
        return x + level * ops.cast(normal(x.shape, seed, "float32"), x.dtype)
    u = uniform(x.shape, seed, "float32")
    if corruption == "masking":
        return x * ops.cast(u >= level, x.dtype)
    return ops.where(u < level, ops.cast(u < level / 2, x.dtype), x)


def sparsity(h: np.ndarray, activation: str, target: float) -> tuple[float, np.ndarray]:
    """sum_j KL(rho || r_j) of activities h (m, K), and its derivative by any h_ij, (K,)."""
    scale, shift = (0.5, 0.5) if activation == "tanh" else (1.0, 0.0)
    squeeze = 1 - 2 * MARGIN
    r = MARGIN + squeeze * (scale * h.mean(axis=0, dtype=np.float64) + shift)
    divergence = target * np.log(target / r) + (1 - target) * np.log((1 - target) / (1 - r))
    slope = ((1 - target) / (1 - r) - target / r) * (squeeze * scale / len(h))
    return float(divergence.sum()), slope.astype(h.dtype)


def forward(X: np.ndarray, coefs: list, intercepts: list, activations: list[str]) -> np.ndarray:
    """Rows X through layers A (K, K'), b (K',) and their activation functions."""
    for A, b, activation in zip(coefs, intercepts, activations, strict=True):
        Z = X @ A.astype(X.dtype, copy=False)
        X = np.empty_like(Z)
        activate_rows(Z, b.astype(X.dtype, copy=False), KIND[activation], X)
    return X


def error_sum(Z: np.ndarray, X: np.ndarray, output: str, loss: str, scale: float, delta: np.ndarray, bias) -> float:
    """sum_i E(y_i, x_i) for y = g(Z + bias); delta := scale times its derivative by Z."""
    if loss == "cross_entropy":
        return cross_entropy_rows(Z, bias, X, scale, delta)
    Y = np.empty_like(Z)
    activate_rows(Z, bias, KIND[output], Y)
    return squared_rows(Y, X, KIND[output], scale, delta)


def row_errors(Z: np.ndarray, X: np.ndarray, output: str, loss: str) -> np.ndarray:
    """E(y_i, x_i) of each row for y = g(Z), (m,) in float64."""
    if loss == "cross_entropy":
        softplus = np.maximum(Z, 0) + np.log1p(np.exp(-np.abs(Z)))
        return (softplus - X * Z).sum(axis=1, dtype=np.float64)
    error = np.empty_like(Z)
    activate_rows(Z, np.zeros(Z.shape[1], Z.dtype), KIND[output], error)
    error -= X
    return 0.5 * np.einsum("nd,nd->n", error, error, dtype=np.float64)


@dataclass(frozen=True)
class AutoencoderObjective:
    """The objective above, for `training.minimize`; parameters W1, b1, W2, b2, ..., as stored (W1..WL if tied).

    ``widths`` are K_1, ..., K_L; ``sparsity_cost`` is beta, ``contraction`` lambda; see the estimators.
    """

    widths: tuple[int, ...]
    activation: str = "sigmoid"
    output: str = "linear"
    loss_name: str = "squared"
    tied: bool = False
    sparsity_target: float = 0.05
    sparsity_cost: float = 0.0
    corruption: str | None = None
    corruption_level: float = 0.0
    contraction: float = 0.0

    @property
    def depth(self) -> int:
        """The number of layers, 2 L."""
        return 2 * len(self.widths)

    def weight(self, layer: int) -> str:
        """The name of the matrix of a layer, counted from 1."""
        mirrored = self.tied and layer > len(self.widths)
        return f"W{self.depth + 1 - layer if mirrored else layer}"

    @property
    def hidden(self) -> tuple[str, ...]:
        """Parameters whose first axis runs over units of odd layers."""
        layers = range(1, self.depth + 1)
        return (*sorted({self.weight(l) for l in layers}), *(f"b{l}" for l in layers if l % 2))

    def init(self, n_features: int, rng: np.random.RandomState, dtype: Any) -> Params:
        """Uniform weights and biases of 0."""
        widths = [n_features, *self.widths, *self.widths[-2::-1], n_features]
        params: Params = {}
        for l in range(1, self.depth + 1):
            inputs, outputs = widths[l - 1], widths[l]
            if self.weight(l) not in params:
                function = self.activation if l < self.depth else self.output
                limit = np.sqrt(6 / (inputs + outputs)) * (4 if function == "sigmoid" else 1)
                shape = (outputs, inputs) if l % 2 else (inputs, outputs)
                params[self.weight(l)] = rng.uniform(-limit, limit, shape).astype(dtype)
            params[f"b{l}"] = np.zeros(outputs, dtype)
        return params

    def loss(self, params: Any, batch: Batch, seed: Any) -> Any:
        """The objective of a batch in `keras.ops`."""
        from keras import ops

        x = batch.x
        functions = {"sigmoid": ops.sigmoid, "tanh": ops.tanh, "relu": ops.relu, "linear": lambda z: z}
        functions["softplus"] = ops.softplus
        f, m = functions[self.activation], x.shape[0]
        h = code = corrupted_tensor(x, self.corruption, self.corruption_level, seed)
        for l in range(1, self.depth + 1):
            W = params[self.weight(l)]
            z = ops.matmul(h, ops.transpose(W) if l % 2 else W) + params[f"b{l}"]
            h = f(z) if l < self.depth else h
            code = h if l == len(self.widths) else code
        if self.loss_name == "cross_entropy":
            total = ops.sum(ops.softplus(z) - x * z) / m
        else:
            total = 0.5 * ops.sum((functions[self.output](z) - x) ** 2) / m
        if self.sparsity_cost:
            rho = self.sparsity_target
            r = ops.mean(code, axis=0)
            r = MARGIN + (1 - 2 * MARGIN) * (0.5 * r + 0.5 if self.activation == "tanh" else r)
            total += self.sparsity_cost * ops.sum(rho * ops.log(rho / r) + (1 - rho) * ops.log((1 - rho) / (1 - r)))
        if self.contraction:
            slope = {"sigmoid": lambda: code * (1 - code), "tanh": lambda: 1 - code**2, "linear": lambda: 1 + 0 * code}
            squares = ops.sum(params["W1"] ** 2, axis=1)
            total += self.contraction * ops.sum(slope[self.activation]() ** 2 * squares) / m
        return total

    def gradient(
        self, params: Params, batch: Batch, draws: Draws, grads: Params
    ) -> Generator[np.ndarray, np.ndarray, float]:
        """The gradient by back-propagation; gives the shard's share of the objective."""
        x = batch.x
        m, code, kind = len(x), len(self.widths), KIND[self.activation]
        odd, filled = range(1, self.depth, 2), set()

        def weight_gradient(layer, left, right):
            name = self.weight(layer)
            if name in filled:  # tied: the mirror image was here before
                grads[name] += left.T @ right
            else:
                np.dot(left.T, right, out=grads[name])
                filled.add(name)

        h = [corrupted(x, self.corruption, self.corruption_level, draws.common)]
        for l in odd:
            z = h[l - 1] @ params[self.weight(l)].T
            h.append(np.empty_like(z))
            activate_rows(z, params[f"b{l}"], kind, h[l])
            total = yield h[l] @ params[self.weight(l + 1)]
            h.append(np.empty_like(total))  # what was received belongs to all shards
            if l + 1 < self.depth:
                activate_rows(total, params[f"b{l + 1}"], kind, h[l + 1])

        delta = h.pop()
        loss = error_sum(total, x, self.output, self.loss_name, 1 / m, delta, params[f"b{self.depth}"]) / m
        loss = loss if draws.first else 0.0
        delta.sum(axis=0, out=grads[f"b{self.depth}"])

        push = [np.zeros(layer.shape[1], layer.dtype) for layer in h]
        if self.sparsity_cost:
            divergence, slope = sparsity(h[code], self.activation, self.sparsity_target)
            push[code] = h[code].dtype.type(self.sparsity_cost) * slope
            if code % 2 or draws.first:
                loss += self.sparsity_cost * divergence
        for l in reversed(odd):
            W, V = params[self.weight(l)], params[self.weight(l + 1)]
            weight_gradient(l + 1, h[l], delta)
            above = delta @ V.T
            back = np.empty_like(above)
            backward_rows(above, h[l], push[l], kind, back)
            if self.contraction:
                squares, lengths = np.zeros(len(W), W.dtype), np.einsum("kd,kd->k", W, W)
                each = W.dtype.type(2 * self.contraction / m)
                contraction_rows(h[l], each * lengths, kind, back, squares)
                loss += self.contraction / m * float(squares @ lengths)
            weight_gradient(l, back, h[l - 1])
            if self.contraction:
                grads[self.weight(l)] += (each * squares)[:, None] * W
            back.sum(axis=0, out=grads[f"b{l}"])
            if l > 1:
                total = yield back @ W
                delta = np.empty_like(total)
                backward_rows(total, h[l - 1], push[l - 1], kind, delta)
                delta.sum(axis=0, out=grads[f"b{l - 1}"])
        return loss
