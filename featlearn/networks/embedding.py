"""Neighbors are pulled together and others pushed apart, as a second loss on a layer's outputs h.

    weight / n sum_i |h_i - h_j|^2 + max(0, margin - |h_i - h_k|)^2

j is drawn from the nearest neighbors of row i among the inputs, k from the rows that are none. Rows need no label for
that. Weston, Ratle & Collobert (2008), "Deep learning via semi-supervised embedding", with the margin loss of Hadsell,
Chopra & LeCun (2006).

A batch holds four rows at each place: one with a label, then i, j and k. All pass the layers; those with labels alone
have a loss at the output.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from sklearn.neighbors import NearestNeighbors

from featlearn.arrays import as_float
from featlearn.streaming import dense
from featlearn.training import Batch
from featlearn.validation import Rule, check_argument, either, instance, integer, optional, real

ROLES = 4  # labelled, i, j, k
TINY = 1e-12  # squared distances below have no direction


@dataclass(frozen=True)
class NeighborEmbedding:
    """Unsupervised embedding as an auxiliary loss: neighbors pull, others push.

    Pass it to a network as ``embedding``. It learns from all rows of `fit`, also from those without labels. Every row
    of an epoch goes with a labelled one, taken in turn.

    Parameters
    ----------
    layer : str, int or None, default=None
        The layer whose outputs it shapes, by name or place; None takes the output.
    weight : float, default=1.0
        What multiplies it.
    margin : float, default=1.0
        The distance that rows which are no neighbors should keep.
    n_neighbors : int, default=10
        How many of the nearest rows count as neighbors.

    See Also
    --------
    Pretrained : A layer learned from rows without labels beforehand.

    References
    ----------
    J. Weston, F. Ratle, R. Collobert, "Deep learning via semi-supervised embedding", 2008.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from featlearn.networks import Dense, NeighborEmbedding, NetworkClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> y[50:] = -1  # rows without labels
    >>> net = NetworkClassifier([Dense(50, "relu")], embedding=NeighborEmbedding(), max_iter=5, tol=0, random_state=0)
    >>> net.fit(X / 16, y).predict(X / 16).shape
    (1797,)
    """

    layer: str | int | None = None
    weight: float = 1.0
    margin: float = 1.0
    n_neighbors: int = 10

    _rules: ClassVar[dict[str, Rule]] = {
        "layer": optional(either(instance(str), integer())),
        "weight": real(0),
        "margin": real(above=0),
        "n_neighbors": integer(1),
    }

    def __post_init__(self):
        for name, rule in self._rules.items():
            check_argument(type(self).__name__, name, getattr(self, name), rule)


class Quadruples:
    """Rows (n, 4, ...) drawn when they are taken: a labelled one, i, one of its neighbors, and one of the others."""

    drawn = True  # so that the loop takes them anew in each epoch

    def __init__(self, x: Any, places: np.ndarray, neighbors: np.ndarray, rng: np.random.RandomState):
        self.x, self.places, self.neighbors, self.rng = x, places, neighbors, rng
        self.shape = (x.shape[0], ROLES, *x.shape[1:])
        taken = np.sort(np.column_stack([np.arange(len(neighbors)), neighbors]), axis=1)
        self._gaps = taken - np.arange(taken.shape[1])

    def __getitem__(self, part: Any) -> np.ndarray:
        i = np.arange(self.shape[0])[part]
        n, k = self.neighbors.shape
        j = self.neighbors[i, self.rng.randint(k, size=len(i))]
        other = self.rng.randint(n - k - 1, size=len(i))
        other = other + (self._gaps[i] <= other[:, None]).sum(axis=1)  # past those that are taken
        index = np.column_stack([self.places[i % len(self.places)], i, j, other])
        return np.asarray(dense(self.x[index.ravel()])).reshape(*index.shape, *self.x.shape[1:])


def nearest(X: Any, n_neighbors: int, who: str) -> np.ndarray:
    """The nearest rows of each row, (n, k); fewer where there are not enough."""
    n = X.shape[0]
    if n < 3:
        raise ValueError(f"{who}: an embedding needs 3 rows, a neighbor and another for each; got {n}.")
    rows = X if sp.issparse(X) else as_float(np.asarray(X)).reshape(n, -1)
    return NearestNeighbors(n_neighbors=min(n_neighbors, n - 2)).fit(rows).kneighbors(return_distance=False)


def paired(data: Batch, x: Any, places: np.ndarray, neighbors: np.ndarray, rng: np.random.RandomState) -> Batch:
    """Labelled data of rows at ``places`` of all rows x, as `Quadruples` with their targets and weights."""
    turn = np.arange(x.shape[0]) % len(places)
    return Batch(Quadruples(x, places, neighbors, rng), data.y[turn], None if data.w is None else data.w[turn])


def by_rows(change: Any, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Quadruples (m, 4, ...) whose rows pass ``change``."""
    rows = np.asarray(change(x.reshape(-1, *x.shape[2:]), rng))
    return rows.reshape(len(x), ROLES, *rows.shape[1:])


@dataclass(frozen=True)
class Embedding:
    """The loss at the layer with number ``at``, by hand and in `keras.ops`."""

    at: int
    weight: float
    margin: float

    def spread(self, batch: Batch) -> Batch:
        """Quadruples (m, 4, ...) as 4 m rows, the labelled first; these alone have weights."""
        x, y, w = batch
        m = len(x)
        w = np.ones(m, x.dtype) if w is None else w
        x = np.ascontiguousarray(x.swapaxes(0, 1)).reshape(ROLES * m, *x.shape[2:])
        return Batch(x, np.concatenate([y] * ROLES), np.concatenate([ROLES * w, np.zeros((ROLES - 1) * m, w.dtype)]))

    def spread_tensor(self, batch: Batch) -> Batch:
        """`spread` of tensors."""
        from keras import ops

        x, y, w = batch
        m = x.shape[0]
        w = ops.ones_like(ops.reshape(x, (m, -1))[:, 0]) if w is None else w
        parts = [x[:, role] for role in range(ROLES)]
        none = ops.zeros_like(w)
        return Batch(
            ops.concatenate(parts), ops.concatenate([y] * ROLES), ops.concatenate([ROLES * w, none, none, none])
        )

    def by_hand(
        self, h: np.ndarray, shared: bool, first: bool
    ) -> Generator[np.ndarray, np.ndarray, tuple[float, np.ndarray]]:
        """This shard's share of the loss, and its derivative by h; ``shared`` says that h are a share of the units."""
        rows = h.reshape(ROLES, len(h) // ROLES, -1)
        _, i, j, k = rows
        m = rows.shape[1]
        pull, push = i - j, i - k
        squares = np.einsum("mk,mk->m", push, push)
        if shared:
            squares = yield squares
        distance = np.sqrt(np.maximum(squares, h.dtype.type(TINY)))
        short = np.maximum(h.dtype.type(self.margin) - distance, 0)
        loss = float(np.vdot(pull, pull)) + (float(np.vdot(short, short)) if first else 0.0)
        if not shared and not first:
            loss = 0.0
        d = np.zeros_like(rows)
        factor = h.dtype.type(2 * self.weight / m)
        pull *= factor
        push *= (factor * short / distance)[:, None]
        d[1], d[2], d[3] = pull - push, -pull, push
        return self.weight / m * loss, d.reshape(h.shape)

    def tensor(self, h: Any) -> Any:
        """The loss, in `keras.ops`."""
        from keras import ops

        _, i, j, k = ops.split(ops.reshape(h, (h.shape[0], -1)), ROLES)
        pull = ops.sum((i - j) ** 2, axis=1)
        distance = ops.sqrt(ops.maximum(ops.sum((i - k) ** 2, axis=1), TINY))
        return self.weight * ops.mean(pull + ops.relu(self.margin - distance) ** 2)
