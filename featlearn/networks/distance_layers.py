"""Codes by distances from atoms, as layers; the atoms a_j (K, d) are learned.

    Triangle    max(mean_k z_k - z_j, 0),  z_j = |x - a_j|        Coates, Lee & Ng (2011)
    Nearest     1 for the nearest atom, 0 for the others          no gradient passes

Atoms are places, not weights: they do not decay.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from featlearn.networks.layers import Layer, Shape
from featlearn.training import Params, State


@dataclass(frozen=True)
class Triangle(Layer):
    """How much nearer than the mean distance each atom is: max(mean_k z_k - z_j, 0), z_j = |x - a_j|.

    Below ``floor`` the root of a squared distance, whose slope has no bound at 0, becomes a line through 0.

    Parameters
    ----------
    n_atoms : int
        K; the atoms A (K, d) are what is learned.
    floor : float, default=1e-6
        In squared units of x.
    """

    n_atoms: int
    floor: float = 1e-6

    by_hand: ClassVar[bool] = True

    @property
    def param_names(self) -> tuple[str, ...]:
        """The atoms."""
        return ("A",)

    def shape(self, shape: Shape) -> Shape:
        """A feature for each atom."""
        return (*shape[:-1], self.n_atoms)

    def first_params(self, shape: Shape, rng: np.random.RandomState, dtype: Any) -> Params:
        """Normal atoms."""
        return {"A": rng.standard_normal((self.n_atoms, shape[-1])).astype(dtype)}

    def apply(self, p: Any, s: Any, x: Any, seed: Any, training: bool) -> tuple[Any, Any]:
        """The code."""
        from keras import ops

        A, low = p["A"], self.floor
        squares = ops.sum(x * x, axis=-1, keepdims=True) + ops.sum(A * A, axis=1)
        squares = ops.relu(squares - 2 * ops.matmul(x, ops.transpose(A)))
        z = ops.where(squares > low, ops.sqrt(ops.maximum(squares, low)), squares / low**0.5)
        return ops.relu(ops.mean(z, axis=-1, keepdims=True) - z), s

    def forward(self, p: Params, s: State, x: np.ndarray, rng: Any, training: bool) -> tuple[np.ndarray, Any, State]:
        """The code."""
        A, low = p["A"], x.dtype.type(self.floor)
        squares = (x * x).sum(axis=-1, keepdims=True) + (A * A).sum(axis=1) - 2 * (x @ A.T)
        np.maximum(squares, 0, out=squares)
        near = squares <= low
        z = np.where(near, squares / np.sqrt(low), np.sqrt(squares))
        return np.maximum(z.mean(axis=-1, keepdims=True) - z, 0), (x, z, near), s

    def backward(self, p: Params, s: State, kept: Any, d: np.ndarray, g: Params) -> np.ndarray:
        """By the squared distances: dz / 2z each."""
        x, z, near = kept
        d = np.where(z < z.mean(axis=-1, keepdims=True), d, 0)
        root = z.dtype.type(np.sqrt(self.floor))
        by_square = (d.mean(axis=-1, keepdims=True) - d) / np.where(near, root, 2 * z)
        if g:
            flat = by_square.reshape(-1, by_square.shape[-1])
            g["A"][:] = 2 * (p["A"] * flat.sum(axis=0)[:, None] - flat.T @ x.reshape(len(flat), -1))
        return 2 * (x * by_square.sum(axis=-1, keepdims=True) - by_square @ p["A"])


@dataclass(frozen=True)
class Nearest(Layer):
    """1 for the nearest atom, 0 for the others: a hard code, which passes no gradient.

    Parameters
    ----------
    n_atoms : int
        K; the atoms are A (K, d).
    rule : {"euclidean", "spherical", "cosine"}, default="euclidean"
        By the least distance, the largest |x.a| or the largest x.a.
    """

    n_atoms: int
    rule: str = "euclidean"

    by_hand: ClassVar[bool] = True
    blocks: ClassVar[bool] = True

    @property
    def param_names(self) -> tuple[str, ...]:
        """The atoms."""
        return ("A",)

    def shape(self, shape: Shape) -> Shape:
        """A feature for each atom."""
        return (*shape[:-1], self.n_atoms)

    def first_params(self, shape: Shape, rng: np.random.RandomState, dtype: Any) -> Params:
        """Normal atoms."""
        return {"A": rng.standard_normal((self.n_atoms, shape[-1])).astype(dtype)}

    def apply(self, p: Any, s: Any, x: Any, seed: Any, training: bool) -> tuple[Any, Any]:
        """The code."""
        from keras import ops

        g = ops.matmul(x, ops.transpose(p["A"]))
        if self.rule == "euclidean":
            g = g - 0.5 * ops.sum(p["A"] * p["A"], axis=1)
        winner = ops.argmax(ops.abs(g) if self.rule == "spherical" else g, axis=-1)
        return ops.one_hot(winner, self.n_atoms, dtype=x.dtype), s

    def forward(self, p: Params, s: State, x: np.ndarray, rng: Any, training: bool) -> tuple[np.ndarray, Any, State]:
        """The code."""
        g = x @ p["A"].T
        if self.rule == "euclidean":
            g -= 0.5 * (p["A"] * p["A"]).sum(axis=1)
        winner = (np.abs(g) if self.rule == "spherical" else g).argmax(axis=-1)
        return np.eye(self.n_atoms, dtype=x.dtype)[winner], x.shape, s

    def backward(self, p: Params, s: State, kept: Any, d: np.ndarray, g: Params) -> np.ndarray:
        """Nothing."""
        for gradient in g.values():
            gradient[:] = 0
        return np.zeros(kept, d.dtype)
