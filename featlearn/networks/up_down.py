"""The up-down algorithm: a stack of Boltzmann machines tuned as one generative model, a contrastive wake-sleep.

    wake    x_l ~ q(x_l | x_{l-1}) from the data up;            G_l descends -log p(x_{l-1} | x_l) of these states
    top     CD-k of the top machine, from (x_n, y);             W descends F of the data less F of what it dreams
    sleep   x_{l-1} ~ p(x_{l-1} | x_l) from the dream down;     R_l descends -log q(x_l | x_{l-1}) of these states

For fixed draws each gradient is that of a logistic regression: (target - prediction) times input. The mean of the first
over q is the exact gradient of the variational bound in G; that of the top is as far from it as contrastive divergence
is; the last fits q to the posterior in the dreams instead of the data. Rows of v enter by their values and leave the
dream as means, as in Hinton's code. Symbols as in belief_machine.py.

Sharded over the units of every layer: a shard computes its own units of x_l, all shards put them together.

Hinton, Osindero & Teh (2006), "A fast learning algorithm for deep belief nets", appendix B.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from featlearn.kernels.bernoulli import bernoulli_rows, draw_rows, new_key, sigmoid_into, squared_distance, sum_rows
from featlearn.networks.belief_machine import BeliefNet
from featlearn.networks.label_units import JointDivergence
from featlearn.training import Batch, Draws, Params, State
from featlearn.vectors.rbm_energy import visible_mean


@dataclass(frozen=True)
class Judge:
    """Rows held out, judged by -log p(y | x); it has no gradient."""

    n_directed: int
    n_labels: int
    hidden = ()

    def init_state(self, params: Params, batch: Batch) -> State:
        """None; `UpDown` has one."""
        return {}

    def gradient(self, params: Params, batch: Batch, draws: Draws, grads: Params, state: State):
        """The mean over the rows."""
        net = BeliefNet(params, self.n_directed, self.n_labels, "binary", None, params["c"])
        P = net.label_probabilities(batch.x)[np.arange(len(batch.x)), batch.y]
        return float(-np.log(np.maximum(P, np.finfo(P.dtype).tiny)).mean()), state


@dataclass(frozen=True)
class UpDown:
    """A step of contrastive wake-sleep on a batch, with the squared error of v given x_1 as its value."""

    n_directed: int
    visible: str
    n_labels: int = 0
    k: int = 1
    persistent: bool = False

    @property
    def hidden(self) -> tuple[str, ...]:
        layers = range(1, self.n_directed + 1)
        return (*(f"{name}{l}" for name in ("R", "r", "G", "place") for l in layers), "W", "b")

    @property
    def top(self) -> JointDivergence:
        """The objective of the top machine."""
        kind = "binary" if self.n_directed else self.visible
        return JointDivergence(1, visible=kind, n_labels=self.n_labels, k=self.k, drawn=True)

    def for_evaluation(self) -> Judge:
        """By its labels."""
        return Judge(self.n_directed, self.n_labels)

    def init_state(self, params: Params, batch: Batch) -> State:
        """The places of units in their layers, cut into shards as they are."""
        state = {f"place{l}": np.arange(len(params[f"r{l}"])) for l in range(1, self.n_directed + 1)}
        if self.persistent:
            net = BeliefNet(params, self.n_directed, self.n_labels, self.visible, None, params["c"])
            state["chains"] = self.top.joined(Batch(net.codes(batch.x, self.n_directed), batch.y))
        return state

    def gradient(self, params: Params, batch: Batch, draws: Draws, grads: Params, state: State):
        """Of the shard's units."""
        m, states = len(batch.x), [batch.x]
        places = [state[f"place{l}"] for l in range(1, self.n_directed + 1)]
        mine = [slice(place[0], place[-1] + 1) for place in places]
        error = 0.0
        for l in range(1, self.n_directed + 1):
            below, width = states[-1], len(params[f"g{l + 1}"]) if l < self.n_directed else self._top_width(params)
            h = below @ params[f"R{l}"].T
            draw_rows(h, params[f"r{l}"], new_key(draws.own), 1.0, np.empty_like(h))
            S = yield h @ params[f"G{l}"]
            mean = visible_mean(S, {"c": params[f"g{l}"]}, self.visible if l == 1 else "binary")
            if l == 1 and draws.first:
                error = squared_distance(mean, below) / m
            mean -= below
            _regressed(h, mean, grads[f"G{l}"], grads[f"g{l}"])
            states.append((yield placed(h, mine[l - 1], width)))
        joined = self.top.joined(Batch(states[-1], batch.y))
        top_error, dream = yield from self.top.descent(params, joined, state.get("chains"), draws, grads)
        dreamed = [dream[:, : states[-1].shape[1]]]
        for l in range(self.n_directed, 0, -1):
            S = yield np.ascontiguousarray(dreamed[0][:, mine[l - 1]]) @ params[f"G{l}"]
            x = visible_mean(S, {"c": params[f"g{l}"]}, self.visible if l == 1 else "binary")
            if l > 1:
                bernoulli_rows(x, new_key(draws.common))
            dreamed.insert(0, x)
        for l in range(1, self.n_directed + 1):
            P = dreamed[l - 1] @ params[f"R{l}"].T
            sigmoid_into(P, params[f"r{l}"], 1.0, P)
            P -= dreamed[l][:, mine[l - 1]]
            P /= P.dtype.type(len(dream))
            np.dot(P.T, dreamed[l - 1], out=grads[f"R{l}"])
            sum_rows(P, grads[f"r{l}"])
        after = {"chains": dream} if self.persistent else {}
        return (error if self.n_directed else top_error), state | after

    def _top_width(self, params):
        """Units of x_n."""
        return len(params["c"]) - self.n_labels


def placed(own: np.ndarray, mine: slice, width: int) -> np.ndarray:
    """The shard's units among all of a layer, the others 0: the sum over shards is the layer."""
    if own.shape[1] == width:
        return own
    out = np.zeros((len(own), width), own.dtype)
    out[:, mine] = own
    return out


def _regressed(h: np.ndarray, rest: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> None:
    """Gradients of a regression on h (m, K) whose predictions exceed their targets by ``rest`` (m, d)."""
    rest /= rest.dtype.type(len(h))
    np.dot(h.T, rest, out=weights)
    sum_rows(rest, bias)


def untied(weights: list[np.ndarray], biases: list[np.ndarray], visible_biases: list[np.ndarray]) -> dict[str, Any]:
    """Parameters of the directed layers, recognition and generation both with the weights of the machines."""
    params: dict[str, Any] = {}
    for l, (W, b, c) in enumerate(zip(weights, biases, visible_biases, strict=True), 1):
        params |= {f"R{l}": W, f"r{l}": b, f"G{l}": W.copy(), f"g{l}": c}
    return params
