"""The objective of a stack of layers, for `training.minimize`: forward, loss, and back-propagation by hand.

    h_0 = x (m, d),   h_l = layer_l(h_{l-1}),   z = h_L (m, k)

    1/m sum_i w_i E(z_i, y_i)  +  l1/m sum_i w_i sum_{hidden l} |h_l,i|_1

Rumelhart, Hinton & Williams (1986), "Learning representations by back-propagating errors"; the sparsity of hidden
activities as in Glorot, Bordes & Bengio (2011).

Dense layers go in pairs, so that shards (training/shards.py) hold units: the first of a pair by its columns ("col": a
shard has all inputs and a share of the units), the second by its rows ("row": a share of the inputs; one sum over the
shards gives all units). What lies between them has to be local. A pair costs one sum on the way up and one on the way
down; a dense layer that finds no partner is computed by every shard ("free"), mostly the few outputs.

The matrix of a "col" layer is stored transposed, (units, inputs), that of the others (inputs, units).
Layers that are frozen keep their arrays in the state, where no rule of descent reaches them.
"""

from collections.abc import Generator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from featlearn.kernels.activations import KIND, activate_rows, backward_rows
from featlearn.kernels.bernoulli import sum_rows
from featlearn.networks.embedding import Embedding
from featlearn.networks.layers import Dense, Layer
from featlearn.networks.losses import MARGINS, Loss
from featlearn.training import Batch, Draws, Params, State


@dataclass(frozen=True)
class Stack:
    """Layers and the loss of the last one; their arrays come as parameters and state.

    ``frozen`` names layers (by index) that stand still; ``rates`` and ``decays`` multiply a layer's learning rate and
    weight decay (empty: 1). ``judged`` says what rows held out are judged by.
    """

    layers: tuple[Layer, ...]
    loss_of: Loss
    frozen: frozenset[int] = frozenset()
    rates: tuple[float, ...] = ()
    decays: tuple[float, ...] = ()
    l1_activity: float = 0.0
    max_norm: float | None = None
    precision: str | None = None
    judged: str = "loss"
    training: bool = True
    embedding: Embedding | None = None

    @cached_property
    def roles(self) -> tuple[str, ...]:
        """Of each layer "col", "row" or "free" (dense ones), and "own" or "common" (others: whose units it sees)."""
        roles = ["common"] * len(self.layers)
        dense = [i for i, layer in enumerate(self.layers) if isinstance(layer, Dense)]
        at = 0
        while at < len(dense):
            i = dense[at]
            following = dense[at + 1] if at + 1 < len(dense) else None
            between = range(i + 1, following or 0)
            if following is not None and all(self.layers[j].local for j in between):
                roles[i], roles[following] = "col", "row"
                for j in between:
                    roles[j] = "own"
                at += 2
            else:
                roles[i] = "free"
                at += 1
        return tuple(roles)

    @cached_property
    def by_hand(self) -> bool:
        """Whether every layer has its way back, and in full precision."""
        return self.precision is None and all(layer.by_hand for layer in self.layers)

    @cached_property
    def xla(self) -> bool:
        """Whether TensorFlow's XLA makes it faster on a CPU."""
        return all(layer.xla for layer in self.layers)

    @property
    def loss_scale(self) -> float:
        """What the loss is multiplied by while it is differentiated: float16 knows no small derivatives."""
        return 1024.0 if self.precision == "float16" else 1.0

    @cached_property
    def hidden(self) -> tuple[str, ...]:
        """Arrays whose first axis runs over the units of a shard."""
        names: list[str] = []
        for i, role in enumerate(self.roles):
            if role in ("col", "own"):
                names += [f"{i}.{k}" for k in ("W", "b", "g", "a", "c", "mean", "variance")]
            if role == "row":
                names.append(f"{i}.W")
        return tuple(names)

    @cached_property
    def lowest(self) -> int:
        """The first layer that learns: no derivative goes further down."""
        learns = [i for i, layer in enumerate(self.layers) if i not in self.frozen and layer.param_names]
        return min(learns, default=len(self.layers))

    @cached_property
    def hidden_ends(self) -> frozenset[int]:
        """The layers whose outputs are hidden activities: the last before a dense layer."""
        dense = [i for i, layer in enumerate(self.layers) if isinstance(layer, Dense) and i > 0]
        return frozenset(i - 1 for i in dense if any(isinstance(layer, Dense) for layer in self.layers[:i]))

    def stored(self, i: int, name: str, array: np.ndarray) -> np.ndarray:
        """An array of layer i as it is stored here."""
        layer = self.layers[i]
        if self.roles[i] != "col" or not isinstance(layer, Dense):
            return array
        if name == "W":
            return np.ascontiguousarray(array.T).reshape(layer.units, -1)
        return array.reshape(layer.units, -1) if layer.pieces > 1 else array

    def unstored(self, i: int, name: str, array: np.ndarray) -> np.ndarray:
        """An array of layer i as its layer knows it."""
        layer = self.layers[i]
        if self.roles[i] != "col" or not isinstance(layer, Dense):
            return array
        if name == "W":
            return np.ascontiguousarray(array.reshape(layer.units * layer.pieces, -1).T)
        return array.reshape(-1)

    def step_factors(self, params: Any) -> dict[str, tuple[float, float]]:
        """Rates and decays of the layers; of biases and of what scales and shifts, no decay."""
        factors = {}
        for name in params:
            i, _, kind = name.partition(".")
            rate = self.rates[int(i)] if self.rates else 1.0
            decay = self.decays[int(i)] if self.decays else 1.0
            factors[name] = rate, decay if kind in self.layers[int(i)].decayed else 0.0
        return factors

    def for_evaluation(self) -> "Stack":
        """Nothing drawn, and moving averages in place of a batch's."""
        return replace(self, training=False, l1_activity=0.0)

    def _embeds(self, i: int) -> bool:
        """Whether the outputs of layer i have a loss of their own."""
        return self.training and self.embedding is not None and i == self.embedding.at

    def _of(self, i: int, params: Any, state: Any) -> tuple[dict, dict]:
        """The parameters and the state of layer i, frozen ones among the first."""
        layer, frozen = self.layers[i], i in self.frozen
        source = state if frozen else params
        p = {k: source[f"{i}.{k}"] for k in layer.param_names}
        return p, {k: state[f"{i}.{k}"] for k in layer.state_names}

    def _run(self, params: Any, batch: Batch, seed: Any, state: Any) -> tuple[Any, Any]:
        """The objective of a batch and the next state, in `keras.ops`."""
        from keras import ops

        if self.training and self.embedding is not None:
            batch = self.embedding.spread_tensor(batch)
        x, state = batch.x, dict(state)
        weight = ops.ones_like(x[..., 0]) if batch.w is None else batch.w
        weight = ops.reshape(weight, (x.shape[0], -1))[:, 0]
        sparse: Any = 0.0
        for i, layer in enumerate(self.layers):
            p, s = self._of(i, params, state)
            p = {k: self._tensor_unstored(i, k, v) for k, v in p.items()}
            if self.precision is not None:
                # Averages need all their digits.
                half = not (layer.state_names or layer.own_precision)
                x = ops.cast(x, self.precision if half else weight.dtype)
                p = {k: ops.cast(v, self.precision) for k, v in p.items()} if half else p
            training = self.training and i not in self.frozen
            x, after = layer.apply(p, s, x, seed + i if seed is not None else None, training)
            if training:
                after = dict(after)
                sparse = sparse + after.pop("losses", 0.0)
                state |= {f"{i}.{k}": v for k, v in after.items()}
            if self.l1_activity and i in self.hidden_ends:
                rows = ops.sum(ops.reshape(ops.abs(x), (x.shape[0], -1)), axis=1)
                sparse = sparse + self.l1_activity * ops.mean(weight * ops.cast(rows, weight.dtype))
            if self._embeds(i):
                sparse = sparse + self.embedding.tensor(ops.cast(x, weight.dtype))  # type: ignore[union-attr]
        z = ops.cast(x, weight.dtype)
        losses = self._judged_tensor(z, batch.y) if self._counts() else self.loss_of.tensor(z, batch.y)
        return ops.mean(weight * losses) + sparse, state

    def _tensor_unstored(self, i, name, array):
        from keras import ops

        layer = self.layers[i]
        if self.roles[i] != "col" or not isinstance(layer, Dense):
            return array
        if name == "W":
            return ops.transpose(ops.reshape(array, (layer.units * layer.pieces, -1)))
        return ops.reshape(array, (-1,))

    def _counts(self) -> bool:
        return not self.training and self.judged == "score"

    def _judged_tensor(self, z, y):
        from keras import ops

        y = self.loss_of.labels(y)
        if len(y.shape) == 1:
            return ops.cast(ops.argmax(z, axis=1) != ops.cast(y, "int64"), z.dtype)
        if self.loss_of.link == "identity" and self.loss_of.name not in MARGINS:
            return ops.mean((z - y) ** 2, axis=1)
        if self.loss_of.name in MARGINS and z.shape[1] > 1:
            return ops.cast(ops.argmax(z, axis=1) != ops.argmax(y, axis=1), z.dtype)
        edge = 0 if self.loss_of.name in MARGINS else 0.5
        return ops.mean(ops.cast((z > 0) != (y > edge), z.dtype), axis=1)

    def _back(
        self, params: Params, batch: Batch, draws: Draws, grads: Params, state: State
    ) -> Generator[np.ndarray, np.ndarray, tuple[float, State]]:
        """The gradient by back-propagation; gives the shard's share of the objective and the next state."""
        if self.training and self.embedding is not None:
            batch = self.embedding.spread(batch)
        x, m = batch.x, len(batch.x)
        w = None if batch.w is None else batch.w[:, None]
        kept: list[Any] = []
        after, sparse = dict(state), 0.0
        for i, (layer, role) in enumerate(zip(self.layers, self.roles, strict=True)):
            p, s = self._of(i, params, state)
            training = self.training and i not in self.frozen
            if isinstance(layer, Dense):
                W = p["W"].reshape(-1, p["W"].shape[1] // layer.pieces) if role == "col" else p["W"]
                z = x @ (W.T if role == "col" else W)
                if role == "row":
                    z = yield z
                b = p["b"].reshape(-1) if layer.bias else np.zeros(z.shape[1], z.dtype)
                h = np.empty_like(z)
                activate_rows(z, b, KIND[layer.activation], h)
                kept.append((x, h, W))
                x = h
            else:
                x, keep, new = layer.forward(p, s, x, draws.own if role == "own" else draws.common, training)
                kept.append(keep)
                if training:
                    after |= {f"{i}.{k}": v for k, v in new.items()}
            if self.l1_activity and i in self.hidden_ends and (self._shared_out(i) or draws.first):
                sparse += self.l1_activity / m * float(np.abs(x if w is None else w * x).sum())
            if self._embeds(i):
                apart, push_apart = yield from self.embedding.by_hand(x, self._shared_out(i), draws.first)  # type: ignore[union-attr]
                sparse += apart

        if not self.training:
            losses = self.loss_of.wrong(x, batch.y) if self._counts() else self.loss_of.rows(x, batch.y)[0]
            total = float((losses if batch.w is None else batch.w * losses).sum(dtype=np.float64)) / m
            return (total if draws.first else 0.0), after
        losses, delta = self.loss_of.rows(x, batch.y)
        delta = delta / delta.dtype.type(m) if w is None else delta * (w / w.dtype.type(m))
        loss = float((losses if batch.w is None else batch.w * losses).sum(dtype=np.float64)) / m
        loss = (loss if draws.first else 0.0) + sparse

        for i in range(len(self.layers) - 1, self.lowest - 1, -1):
            layer, role = self.layers[i], self.roles[i]
            p, s = self._of(i, params, state)
            mine = {} if i in self.frozen else {k: grads[f"{i}.{k}"] for k in p}
            if self.l1_activity and i in self.hidden_ends:
                h = kept[i][1] if isinstance(layer, Dense) else self._output(i, kept, params, state)
                push = np.sign(h) * h.dtype.type(self.l1_activity / m)
                delta = delta + (push if w is None else w * push)
            if self._embeds(i):
                delta = delta + push_apart
            if not isinstance(layer, Dense):
                delta = layer.backward(p, s, kept[i], delta, mine)
                continue
            below, h, W = kept[i]
            if layer.activation != "linear":
                back = np.empty_like(delta)
                backward_rows(delta, h, np.zeros(h.shape[1], h.dtype), KIND[layer.activation], back)
                delta = back
            if mine:
                if role == "col":
                    np.dot(delta.T, below, out=mine["W"].reshape(W.shape))
                else:
                    np.dot(below.T, delta, out=mine["W"])
                if layer.bias:
                    sum_rows(delta, mine["b"].reshape(-1))
            if i > self.lowest:
                delta = (yield delta @ W) if role == "col" else delta @ W.T
        return loss, after

    def _shared_out(self, i: int) -> bool:
        """Whether the outputs of layer i are a share of the units."""
        return self.roles[i] in ("col", "own")

    def _output(self, i, kept, params, state):
        """What layer i gave: what the next dense layer was given."""
        following = next(j for j in range(i + 1, len(self.layers)) if isinstance(self.layers[j], Dense))
        return kept[following][0]

    @property
    def after_step(self) -> Any:
        """Keeps the weights into a hidden unit no longer than ``max_norm``; None without."""
        return None if self.max_norm is None else self._limit

    def _limit(self, params: Any) -> Any:
        limited = [
            (f"{i}.W", layer, self.roles[i])
            for i, layer in enumerate(self.layers[:-1])
            if isinstance(layer, Dense) and i not in self.frozen
        ]
        if limited and isinstance(params[limited[0][0]], np.ndarray):
            return self._limit_arrays(params, limited)
        for name, layer, role in limited:
            params[name] = self._limited(params[name], layer, role)
        return None

    def _limit_arrays(self, params, limited):
        for name, layer, role in limited:
            W, col = params[name], role == "col"
            rows = W.reshape(-1, W.shape[1] // layer.pieces) if col else W
            squares = np.einsum("ij,ij->i" if col else "ij,ij->j", rows, rows)
            if role == "row":
                squares = yield squares
            scale = np.minimum(1, self.max_norm / np.sqrt(np.maximum(squares, 1e-30))).astype(W.dtype)
            rows *= scale[:, None] if col else scale

    def _limited(self, W, layer, role):
        from keras import ops

        col = role == "col"
        rows = ops.reshape(W, (-1, W.shape[1] // layer.pieces)) if col else W
        squares = ops.sum(rows * rows, axis=1 if col else 0, keepdims=True)
        scale = ops.minimum(1.0, self.max_norm / ops.sqrt(ops.maximum(squares, 1e-30)))
        return ops.reshape(rows * scale, W.shape)


class PlainStack(Stack):
    """A stack without state: an `Objective`."""

    def loss(self, params: Any, batch: Batch, seed: Any) -> Any:
        """The objective of a batch in `keras.ops`."""
        return self._run(params, batch, seed, {})[0]

    @property
    def gradient(self) -> Any:
        """Back-propagation by hand; None if a layer has no way back of its own."""
        return self._gradient if self.by_hand else None

    def _gradient(self, params: Params, batch: Batch, draws: Draws, grads: Params) -> Generator[Any, Any, float]:
        loss, _ = yield from self._back(params, batch, draws, grads, {})
        return loss


class StatefulStack(Stack):
    """A stack with moving averages or frozen layers: a `StatefulObjective`, which starts from a given state."""

    def init_state(self, params: Params, batch: Batch) -> State:
        """Never asked for: the state is given to `minimize` in its memory."""
        raise NotImplementedError("pass the state of the layers as memory")

    def loss(self, params: Any, batch: Batch, seed: Any, state: Any) -> tuple[Any, Any]:
        """The objective of a batch in `keras.ops`, and the next state."""
        return self._run(params, batch, seed, state)

    @property
    def gradient(self) -> Any:
        """Back-propagation by hand; None if a layer has no way back of its own."""
        return self._back if self.by_hand else None
