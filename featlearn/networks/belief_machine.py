"""A fitted deep belief net on chunks of rows: its formulas in the precision of the chunk; picklable.

Layers x_0 = v (K_0,), x_1, ..., x_n, and the top machine's hidden units x_{n+1}; R_l, G_l (K_l, K_{l-1}):

    q(x_l = 1 | x_{l-1}) = sigmoid(r_l + R_l x_{l-1})                              recognition, upwards
    p(x_{l-1} = 1 | x_l) = sigmoid(g_l + x_l G_l),  N(g_1 + x_1 G_1, 1) of Gaussian v       generation, downwards
    p(x_n, y)            = exp(-F(x_n, y)) / Z                                     the top machine, see label_units.py

    log p(v) >= E_q [sum_l log p(x_{l-1} | x_l) - log q(x_l | x_{l-1}) - log sum_y exp(-F(x_n, y))] - log Z

with equality where q is the posterior. The expectation is a mean over draws of q, whose spread is given beside it.

Hinton, Osindero & Teh (2006), "A fast learning algorithm for deep belief nets"; Salakhutdinov & Murray (2008), "On the
quantitative analysis of deep belief networks".
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from featlearn.arrays import as_float
from featlearn.kernels.bernoulli import bernoulli_rows, draw_rows, new_key
from featlearn.kernels.encoding.encode import EncoderPlan, encode_rows
from featlearn.networks.label_units import draw_labels, label_energies, posterior_codes, softmax
from featlearn.training import Params, Standardizer
from featlearn.vectors.rbm import RBM
from featlearn.vectors.rbm_energy import draw_visible, visible_mean
from featlearn.vectors.rbm_machine import unstandardized
from featlearn.vectors.rbm_partition import softplus


@dataclass(frozen=True)
class BeliefNet:
    """Parameters: "R1", "r1", "G1", "g1", ... of ``n_directed`` layers, and "W", "b", "c" of the top machine.

    Rows pass the ``standardizer`` first, None for rows as they are; ``means`` (K_n,) are those of x_n in training. The
    last ``n_labels`` visible units of the top machine are labels.
    """

    params: Params
    n_directed: int
    n_labels: int
    visible: str
    standardizer: Standardizer | None
    means: np.ndarray

    @property
    def widths(self) -> list[int]:
        """Units of each layer above v."""
        return [*(len(self.params[f"r{l}"]) for l in range(1, self.n_directed + 1)), len(self.params["b"])]

    def params_in(self, dtype):
        """The parameters in a precision."""
        return {name: value.astype(dtype, copy=False) for name, value in self.params.items()}

    def standard(self, chunk):
        """The chunk as contiguous floats, standardized."""
        X = np.ascontiguousarray(as_float(np.asarray(chunk)))
        return X if self.standardizer is None else self.standardizer(X)

    def kind(self, layer):
        """The kind of the units of a layer."""
        return self.visible if layer == 0 else "binary"

    def top(self, dtype):
        """W (K, d), labels' weights U (C, K), b, c and the labels' biases (C,) of the top machine."""
        params = self.params_in(dtype)
        W, c = params["W"], params["c"]
        d = len(c) - self.n_labels
        U, c_labels = np.ascontiguousarray(W[:, d:].T), c[d:]
        if not self.n_labels:
            U, c_labels = np.zeros((1, len(W)), dtype), np.zeros(1, dtype)
        return np.ascontiguousarray(W[:, :d]), U, params["b"], c[:d], c_labels

    # --- upwards ---

    def codes(self, chunk, layer):
        """Means of the units of a layer, each given those below; of the top, expected over the labels too."""
        X, params = self.standard(chunk), self.params_in(as_float(chunk[:0]).dtype)
        for l in range(1, min(layer, self.n_directed) + 1):
            X = encode_rows(X, EncoderPlan(params[f"R{l}"], "sigmoid", bias=params[f"r{l}"]))
        if layer <= self.n_directed:
            return X
        W, U, b, _, _ = self.top(X.dtype)
        if not self.n_labels:
            return encode_rows(X, EncoderPlan(W, "sigmoid", bias=b))
        P, out = softmax(self.joint_energies(X)).astype(X.dtype), np.empty((len(X), len(b)), X.dtype)
        posterior_codes(X @ W.T + b, U, P, out)
        return out

    def joint_energies(self, x):
        """-F(x_n, y) less what all labels share, (m, C) in float64."""
        W, U, b, _, c_labels = self.top(x.dtype)
        out = np.empty((len(x), len(U)))
        label_energies(x @ W.T + b, U, out)
        return out + c_labels

    def label_probabilities(self, chunk):
        """p(y | x_n), x_n the means of the layer below the top."""
        x = self.codes(chunk, self.n_directed)
        return softmax(self.joint_energies(x)).astype(x.dtype)

    # --- downwards ---

    def down(self, x, layer, rng=None):
        """Rows of v from states of a layer: each layer drawn if there is a generator, means if not."""
        params = self.params_in(x.dtype)
        for l in range(layer, 0, -1):
            x = visible_mean(x @ params[f"G{l}"], {"c": params[f"g{l}"]}, self.kind(l - 1))
            if rng is not None and l > 1:
                bernoulli_rows(x, new_key(rng))
        return x

    def back(self, V):
        """Rows of v in the units of the data."""
        return V if self.standardizer is None else unstandardized(V, self.standardizer)

    def decoded(self, codes):
        """Means of v, given those of the top."""
        H = np.ascontiguousarray(as_float(codes))
        W, _, _, c, _ = self.top(H.dtype)
        return self.back(self.down(visible_mean(H @ W, {"c": c}, self.kind(self.n_directed)), self.n_directed))

    def reconstructed(self, chunk):
        """Rows to the top and back."""
        return self.decoded(self.codes(chunk, self.n_directed + 1))

    def closeness(self, chunk):
        """Minus the squared error of the reconstruction of each row, standardized."""
        X, V = self.standard(chunk), self.standard(self.reconstructed(chunk))
        V -= X
        return -np.einsum("nd,nd->n", V, V)

    def dreamed(self, n_steps, means, job):
        """Rows of v at the end of chains of the top machine; a block with its labels, or None where they are free."""
        (m, labels), rng = job[0], np.random.Generator(np.random.SFC64(job[1]))
        dtype = self.params["W"].dtype
        W, U, b, c, c_labels = self.top(dtype)
        free, kind = labels is None and self.n_labels, self.kind(self.n_directed)
        x = np.tile(self.means.astype(dtype), (m, 1))
        if kind == "binary":
            bernoulli_rows(x, new_key(rng))
        if labels is None:
            labels = rng.integers(len(U), size=m)
        for _ in range(n_steps):
            h = x @ W.T
            h += U[labels]
            draw_rows(h, b, new_key(rng), 1.0, np.empty_like(h))
            mean = visible_mean(h @ W, {"c": c}, kind)
            x = draw_visible(mean.copy(), {"c": c}, kind, rng)
            if free:
                labels = draw_labels(softmax(h @ U.T + c_labels), rng)
        if self.n_directed:
            mean = self.down(x, self.n_directed, rng)
            x = draw_visible(mean.copy(), {"c": c}, self.visible, rng)
        return self.back(mean if means else x)

    # --- likelihood ---

    def bound(self, n_draws, log_z, job):
        """The bound of log p of each row of a chunk, and its standard error over draws, (2, m)."""
        v, rng = self.standard(job[0]).astype(np.float64), np.random.Generator(np.random.SFC64(job[1]))
        params = self.params_in(np.float64)
        _, _, _, c, _ = self.top(np.float64)
        volume = 0.0 if self.standardizer is None else np.log(self.standardizer.scale, dtype=np.float64).sum()
        drawn = np.empty((n_draws, len(v)))
        for value in drawn:
            x, value[:] = v, -log_z - volume
            for l in range(1, self.n_directed + 1):
                A = x @ params[f"R{l}"].T + params[f"r{l}"]
                h = A - params[f"r{l}"]
                draw_rows(h, params[f"r{l}"], new_key(rng), 1.0, np.empty_like(h))
                value -= (h * A - softplus(A)).sum(axis=1)
                value += log_density(x, h @ params[f"G{l}"] + params[f"g{l}"], self.kind(l - 1))
                x = h
            value += logsumexp(self.joint_energies(x), axis=1)
            value += x @ c if self.kind(self.n_directed) == "binary" else -0.5 * ((x - c) ** 2).sum(axis=1)
        spread = drawn.std(axis=0, ddof=1) / np.sqrt(n_draws) if n_draws > 1 else np.full(len(v), np.inf)
        return np.stack([drawn.mean(axis=0), spread])


def log_density(x: np.ndarray, S: np.ndarray, kind: str) -> np.ndarray:
    """log p(x) (m,) of units with natural parameters S: binary, or normal of variance 1."""
    if kind == "binary":
        return (x * S - softplus(S)).sum(axis=1)
    return -0.5 * ((x - S) ** 2 + np.log(2 * np.pi)).sum(axis=1)


def as_rbm(net: BeliefNet, layer: int) -> RBM:
    """A layer's recognition weights as a fitted RBM of its own; of the top, labels enter with their mean."""
    if layer > net.n_directed:
        W, U, b, c, c_labels = net.top(net.params["W"].dtype)
        b = b + softmax(c_labels[None])[0] @ U
    else:
        W, b, c = (net.params[f"{name}{layer}"] for name in "Rrg")
    rbm = RBM(len(b), visible=net.kind(layer - 1))
    rbm.n_features_in_, rbm.visible_mean_ = W.shape[1], net.means if layer > net.n_directed else np.zeros(W.shape[1])
    if rbm.visible == "gaussian":  # in the units of the data, as RBM gives them
        standard = Standardizer(np.zeros_like(c), np.ones_like(c)) if net.standardizer is None else net.standardizer
        mean, scale = standard.mean.astype(np.float64), standard.scale.astype(np.float64)
        W, c = (W * scale).astype(W.dtype), mean + scale * c
        rbm.mean_, rbm.scale_, rbm.variance_, rbm.visible_mean_ = standard.mean, standard.scale, scale**2, mean
        b = b - (W / scale**2) @ mean
    rbm.components_, rbm.intercept_hidden_, rbm.intercept_visible_ = W, b, c
    rbm.loss_curve_, rbm.n_iter_ = np.empty(0), 0
    return rbm
