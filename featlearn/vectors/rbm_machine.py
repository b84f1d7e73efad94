"""A fitted restricted Boltzmann machine on chunks of rows: its formulas in the precision of the chunk; picklable."""

from dataclasses import dataclass

import numpy as np

from featlearn.arrays import as_float
from featlearn.kernels.bernoulli import flip_rectified_rows, flip_rows
from featlearn.streaming import dense
from featlearn.training import Params, Standardizer
from featlearn.vectors.rbm_energy import (
    draw_hidden,
    draw_visible,
    free_energy,
    hidden_input,
    reconstruction_error,
    scaled,
    visible_mean,
)
from featlearn.vectors.rbm_partition import softplus


@dataclass(frozen=True)
class Machine:
    """Parameters of rows that have passed ``standardizer``, None for rows as they are, and the kinds of units."""

    params: Params
    visible: str
    hidden: str
    standardizer: Standardizer | None = None

    def at(self, chunk):
        """The chunk as contiguous floats, standardized, and the parameters in its precision."""
        X = np.ascontiguousarray(as_float(dense(chunk)))
        return X if self.standardizer is None else self.standardizer(X), self.params_in(X.dtype)

    def params_in(self, dtype):
        """The parameters in a precision."""
        return {name: value.astype(dtype, copy=False) for name, value in self.params.items()}

    def back(self, V):
        """Visible states in the units of the data."""
        return V if self.standardizer is None else unstandardized(V, self.standardizer)

    def free_energy(self, chunk):
        """F(v) of each row."""
        X, params = self.at(chunk)
        return free_energy(X, params, self.visible, self.hidden)

    def visible_mean(self, chunk):
        """Means of visible units given rows of hidden ones."""
        H = np.ascontiguousarray(as_float(chunk))
        params = self.params_in(H.dtype)
        return self.back(visible_mean(H @ params["W"], params, self.visible))

    def pseudo_likelihood(self, chunk):
        """sum_j log p(v_j | v without v_j) of each row, for binary visibles."""
        X, params = self.at(chunk)
        A, W = hidden_input(X, params), params["W"].astype(np.float64)
        growth = np.empty(X.shape)
        if self.hidden == "binary":
            flip_rows(X, A, W, int(np.clip(600 / max(np.abs(W).max(), 1e-300), 1, len(W))), growth)
        else:
            flip_rectified_rows(X, A, W, growth)
        growth += (1 - 2 * X) * params["c"]
        return -softplus(growth).sum(axis=1).astype(X.dtype)

    def closeness(self, chunk):
        """Minus the squared error of the reconstruction of each row."""
        X, params = self.at(chunk)
        return -reconstruction_error(X, params, self.visible, self.hidden)

    def gibbs(self, n_steps, job):
        """Steps of Gibbs sampling of a block of chains, from a generator of its own."""
        (v, params), rng = self.at(job[0]), np.random.Generator(np.random.SFC64(job[1]))
        for _ in range(n_steps):
            Z = scaled(v, params) @ params["W"].T
            h = draw_hidden(Z, params["b"], self.hidden, rng, 1.0, np.empty_like(Z))
            v = draw_visible(visible_mean(h @ params["W"], params, self.visible), params, self.visible, rng)
        return self.back(v)


def unstandardized(V: np.ndarray, standardizer: Standardizer) -> np.ndarray:
    """Visible states in the units of the data."""
    return V * standardizer.scale.astype(V.dtype) + standardizer.mean.astype(V.dtype)
