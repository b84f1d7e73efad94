"""Learning of a deep Boltzmann machine: means of the data by mean field, those of the model from persistent chains.

    -dW_l = <m_l m_{l-1}'> over the batch - <h_l h_{l-1}'> over the chains,    -db_l = <m_l> - <h_l>

The first is the gradient of the variational bound for the batch's mean-field means m; the second the gradient of log Z,
estimated by chains that make ``k`` Gibbs steps a batch and never start again. Odd layers enter it by their
probabilities given the even ones. Symbols as in boltzmann_machine.py.

Sharded over the units of every layer: a shard computes its own units, and all shards put a layer together.

Salakhutdinov & Hinton (2009), "Deep Boltzmann machines"; Tieleman (2008), "Training restricted Boltzmann machines using
approximations to the likelihood gradient".
"""

from dataclasses import dataclass

import numpy as np

from featlearn.kernels.bernoulli import sigmoid_into, squared_distance, sum_rows
from featlearn.networks.boltzmann_machine import BoltzmannNet, drawn, parities
from featlearn.networks.up_down import placed
from featlearn.training import Batch, Draws, Params, State
from featlearn.vectors.rbm_energy import draw_visible, visible_mean

BURN_IN = 100  # Gibbs steps of the chains before learning begins


@dataclass(frozen=True)
class BoltzmannLearning:
    """A step on a batch, with the squared error of v given the mean-field means of h_1 as its value.

    The state is the chains "chain0", ..., of ``n_chains`` rows, and the places of a shard's units in their layers.
    """

    depth: int
    visible: str
    n_mean_field: int
    k: int
    n_chains: int

    @property
    def hidden(self) -> tuple[str, ...]:
        return tuple(f"{name}{l}" for name in ("W", "b", "place") for l in range(1, self.depth + 1))

    def first_state(self, net: BoltzmannNet, rng: np.random.RandomState) -> State:
        """Chains of a pretrained net, which do not know which rows come first."""
        draws = np.random.Generator(np.random.SFC64(rng.randint(2**31 - 1)))
        states = net.start(self.n_chains, draws)
        for _ in range(BURN_IN):
            net.gibbs(states, draws)
        state = {f"chain{l}": h for l, h in enumerate(states)}
        return state | {f"place{l}": np.arange(states[l].shape[1]) for l in range(1, self.depth + 1)}

    def init_state(self, params: Params, batch: Batch) -> State:
        """A state that `first_state` has made has to come in the memory of the training."""
        raise ValueError("BoltzmannLearning: pass the memory of first_state.")

    def gradient(self, params: Params, batch: Batch, draws: Draws, grads: Params, state: State):
        """Of the shard's units."""
        x, layers = batch.x, range(1, self.depth + 1)
        mine = {l: slice(state[f"place{l}"][0], state[f"place{l}"][-1] + 1) for l in layers}
        widths = {l: state[f"chain{l}"].shape[1] for l in layers}
        c = {"c": params["b0"]}

        def sides(l, states, from_v=None):
            """What reaches the shard's units of a layer from both sides."""
            A = (states[l - 1] @ params[f"W{l}"].T) if from_v is None else from_v
            if l < self.depth:
                above = np.ascontiguousarray(states[l + 1][:, mine[l + 1]])
                back = yield above @ params[f"W{l + 1}"]
                A = A + back[:, mine[l]]
            return A

        means = {0: x}
        for l in layers:
            A = means[l - 1] @ params[f"W{l}"].T
            if l < self.depth:
                A *= A.dtype.type(2)
            sigmoid_into(A, params[f"b{l}"], 1.0, A)
            means[l] = yield placed(A, mine[l], widths[l])
        from_v = x @ params["W1"].T
        for _ in range(self.n_mean_field if self.depth > 1 else 0):
            for side in parities(self.depth):
                for l in side:
                    A = yield from sides(l, means, from_v if l == 1 else None)
                    sigmoid_into(A, params[f"b{l}"], 1.0, A)
                    means[l] = yield placed(A, mine[l], widths[l])
        S = yield np.ascontiguousarray(means[1][:, mine[1]]) @ params["W1"]
        error = squared_distance(visible_mean(S, c, self.visible), x) / len(x) if draws.first else 0.0

        odd, even = parities(self.depth)
        chains = {l: state[f"chain{l}"].astype(x.dtype, copy=False) for l in (0, *layers)}
        for _ in range(self.k):
            for side in (odd, even):
                for l in side:
                    h = drawn((yield from sides(l, chains)), params[f"b{l}"], draws.own)
                    chains[l] = yield placed(h, mine[l], widths[l])
            S = yield np.ascontiguousarray(chains[1][:, mine[1]]) @ params["W1"]
            chains[0] = draw_visible(visible_mean(S, c, self.visible), c, self.visible, draws.common)
        model = dict(chains)
        for l in odd:
            A = yield from sides(l, chains)
            sigmoid_into(A, params[f"b{l}"], 1.0, A)
            model[l] = yield placed(A, mine[l], widths[l])

        for l in layers:
            H = np.vstack([means[l][:, mine[l]] / -x.dtype.type(len(x)), model[l][:, mine[l]] / self._number(x)])
            np.dot(H.T, np.vstack([means[l - 1], model[l - 1]]), out=grads[f"W{l}"])
            sum_rows(H, grads[f"b{l}"])
        grads["b0"][:] = model[0].mean(axis=0) - x.mean(axis=0)
        return error, state | {f"chain{l}": chains[l] for l in (0, *layers)}

    def _number(self, x):
        return x.dtype.type(self.n_chains)
