"""A fitted deep Boltzmann machine on chunks of rows: its formulas in the precision of the chunk; picklable.

Layers h_0 = v (K_0,), h_1, ..., h_L; weights W_l (K_l, K_{l-1}), biases b_l (K_l,):

    E(h_0, ..., h_L) = -sum_l b_l.h_l - sum_l h_l.(W_l h_{l-1}),      |v - b_0|^2 / 2 in place of -b_0.v for Gaussian v
    p(h_l = 1 | the others) = sigmoid(b_l + W_l h_{l-1} + h_{l+1} W_{l+1})
    v | h_1 is 1 with probability sigmoid(b_0 + h_1 W_1), or N(b_0 + h_1 W_1, 1)

Mean field takes q(h | v) = prod of independent units with means m_l, and sweeps over odd and even layers in turn

    m_l = sigmoid(b_l + W_l m_{l-1} + m_{l+1} W_{l+1})

each of which raises the bound, from a pass upwards that doubles the weights in place of the layers not yet known:

    log p(v) >= ELBO(v) = -E(v, m_1, ..., m_L) + sum of the entropies of the m_l - log Z

Given the odd layers the even ones are independent, and the other way round: the net is a restricted Boltzmann machine
of the even layers (v among them) as visible and the odd ones as hidden units, whose weights are W_l and W_l' in blocks.
So Z is that of rbm_partition.py.

Salakhutdinov & Hinton (2009), "Deep Boltzmann machines".
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import entr

from featlearn.arrays import as_float
from featlearn.kernels.bernoulli import bernoulli_rows, draw_rows, new_key, sigmoid_into
from featlearn.training import Params, Standardizer
from featlearn.vectors.rbm_energy import draw_visible, visible_mean
from featlearn.vectors.rbm_machine import unstandardized


def parities(depth: int) -> tuple[range, range]:
    """The odd and the even hidden layers."""
    return range(1, depth + 1, 2), range(2, depth + 1, 2)


@dataclass(frozen=True)
class BoltzmannNet:
    """Parameters "W1", "b1", ..., and "b0" of v, of rows that have passed the ``standardizer`` (None: as they are).

    ``means`` are those of the units of the even layers in training, v first, one after the other.
    """

    params: Params
    visible: str
    n_mean_field: int
    standardizer: Standardizer | None
    means: np.ndarray

    @property
    def depth(self) -> int:
        """Hidden layers."""
        return len(self.params) // 2

    @property
    def widths(self) -> list[int]:
        """Units of each layer above v."""
        return [len(self.params[f"b{l}"]) for l in range(1, self.depth + 1)]

    def params_in(self, dtype):
        """The parameters in a precision."""
        return {name: value.astype(dtype, copy=False) for name, value in self.params.items()}

    def standard(self, chunk):
        """The chunk as contiguous floats, standardized."""
        X = np.ascontiguousarray(as_float(np.asarray(chunk)))
        return X if self.standardizer is None else self.standardizer(X)

    def back(self, V):
        """Rows of v in the units of the data."""
        return V if self.standardizer is None else unstandardized(V, self.standardizer)

    def sides(self, l, states, params):
        """What reaches a hidden layer from both sides."""
        A = states[l - 1] @ params[f"W{l}"].T
        if l < self.depth:
            A += states[l + 1] @ params[f"W{l + 1}"]
        return A

    def mean_field(self, v, params):
        """v and the means of the hidden layers, a list."""
        means, doubled = [v], v.dtype.type(2)
        for l in range(1, self.depth + 1):
            A = means[-1] @ params[f"W{l}"].T
            if l < self.depth:
                A *= doubled
            sigmoid_into(A, params[f"b{l}"], 1.0, A)
            means.append(A)
        from_v = v @ params["W1"].T
        for _ in range(self.n_mean_field if self.depth > 1 else 0):
            for layers in parities(self.depth):
                for l in layers:
                    A = from_v + means[2] @ params["W2"] if l == 1 else self.sides(l, means, params)
                    sigmoid_into(A, params[f"b{l}"], 1.0, A)
                    means[l] = A
        return means

    def codes(self, chunk, layer):
        """Mean-field means of a layer."""
        X = self.standard(chunk)
        return self.mean_field(X, self.params_in(X.dtype))[layer]

    def reconstructed(self, chunk):
        """Means of v given the mean-field means of the first layer."""
        X = self.standard(chunk)
        return self.back(self._seen(X, self.params_in(X.dtype)))

    def closeness(self, chunk):
        """Minus the squared error of the reconstruction of each row, standardized."""
        X = self.standard(chunk)
        V = self._seen(X, self.params_in(X.dtype)) - X
        return -np.einsum("nd,nd->n", V, V)

    def _seen(self, X, params):
        m = self.mean_field(X, params)[1]
        return visible_mean(m @ params["W1"], {"c": params["b0"]}, self.visible)

    def free_bound(self, chunk):
        """ELBO(v) + log Z of each row, in float64 and in the units of the data."""
        X, params = self.standard(chunk).astype(np.float64), self.params_in(np.float64)
        means = self.mean_field(X, params)
        if self.visible == "binary":
            value = X @ params["b0"]
        else:
            value = -0.5 * ((X - params["b0"]) ** 2).sum(axis=1)
        for l, m in enumerate(means[1:], 1):
            value = value + m @ params[f"b{l}"] + np.einsum("nk,nk->n", m, means[l - 1] @ params[f"W{l}"].T)
            value += (entr(m) + entr(1 - m)).sum(axis=1)
        volume = 0.0 if self.standardizer is None else np.log(self.standardizer.scale, dtype=np.float64).sum()
        return value - volume

    def restricted(self):
        """W, b and c of the restricted Boltzmann machine that this is: odd layers given the even ones."""
        widths = [len(self.params["b0"]), *self.widths]
        odd, even = range(1, self.depth + 1, 2), range(0, self.depth + 1, 2)
        row, column = ({l: sum(widths[j] for j in side if j < l) for l in side} for side in (odd, even))
        shape = sum(widths[l] for l in odd), sum(widths[l] for l in even)
        W = np.zeros(shape, self.params["W1"].dtype)
        for l in range(1, self.depth + 1):
            block, (upper, lower) = self.params[f"W{l}"], (l, l - 1) if l % 2 else (l - 1, l)
            part = block if l % 2 else block.T
            W[row[upper] : row[upper] + len(part), column[lower] : column[lower] + part.shape[1]] = part
        b, c = (np.concatenate([self.params[f"b{l}"] for l in side]) for side in (odd, even))
        return W, b, c

    def start(self, m, rng):
        """States of v and the even layers, drawn from their means in training; zeros elsewhere."""
        widths, dtype = [len(self.params["b0"]), *self.widths], self.params["W1"].dtype
        states, end = [np.zeros((m, width), dtype) for width in widths], 0
        for l in range(0, self.depth + 1, 2):
            states[l][:] = self.means[end : end + widths[l]]
            end += widths[l]
            if l or self.visible == "binary":
                bernoulli_rows(states[l], new_key(rng))
        return states

    def gibbs(self, states, rng):
        """A Gibbs step of chains, whose states are replaced; the means of v are given back."""
        c = {"c": self.params["b0"]}
        for side in parities(self.depth):
            for l in side:
                states[l] = drawn(self.sides(l, states, self.params), self.params[f"b{l}"], rng)
        mean = visible_mean(states[1] @ self.params["W1"], c, self.visible)
        states[0] = draw_visible(mean.copy(), c, self.visible, rng)
        return mean

    def dreamed(self, n_steps, means, job):
        """Rows of v at the end of chains; a block of them, from a generator of its own."""
        (m, _), rng = job[0], np.random.Generator(np.random.SFC64(job[1]))
        states = self.start(m, rng)
        for _ in range(n_steps):
            mean = self.gibbs(states, rng)
        return self.back(mean if means else states[0])


def drawn(A: np.ndarray, b: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Binary states given what reaches the units, in place of it."""
    draw_rows(A, b, new_key(rng), 1.0, np.empty_like(A))
    return A
