"""Label units: a softmax group beside the visible units x of a restricted Boltzmann machine, of which one is on.

With weights W (K, d) of x and U (K, C) of the labels, hidden biases b (K,), visible ones c (d,) and c' (C,):

    F(x, y) = -c.x - c'_y - sum_k log(1 + exp(a_k + U_ky)),     a = b + W x
    p(y | x) = softmax_y -F(x, y)                               exact, at C K operations a row
    E[h | x] = sum_y p(y | x) sigmoid(a + U_y)
    Z        = sum_y exp(c'_y) Z_y,                             Z_y that of the machine of x with hidden biases b + U_y

A machine without labels is one with C = 1, U = 0 and c' = 0. In training the group is a part of the visible vector
[x, y], given as a one-hot row.

Hinton, Osindero & Teh (2006), "A fast learning algorithm for deep belief nets"; Larochelle & Bengio (2008),
"Classification using discriminative restricted Boltzmann machines".
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_consistent_length

from featlearn.jit import njit
from featlearn.kernels.exp import FINITE, exp
from featlearn.threads import map_in_order, n_threads
from featlearn.training import Batch, Draws, Params
from featlearn.vectors.rbm_energy import ContrastiveDivergence
from featlearn.vectors.rbm_partition import (
    ENUMERATED,
    LogPartition,
    annealed_log_partition,
    exact_log_partition,
)

GROUP = 512  # factors below 2 whose product is finite, so that one logarithm is enough for them
LEAST_CHAINS = 10  # of annealing, for each label


@njit(nogil=True, cache=True, error_model="numpy", fastmath=FINITE)
def label_energies(A, U, out):
    """out (m, C) := sum_k log(1 + exp(A_ik + U_yk)), in float64; A (m, K), U (C, K)."""
    one = A.dtype.type(1)
    for i in range(A.shape[0]):
        a = A[i]
        for y in range(U.shape[0]):
            u, linear, logs = U[y], 0.0, 0.0
            for start in range(0, a.shape[0], GROUP):
                product, part = 1.0, a.dtype.type(0)
                for k in range(start, min(start + GROUP, a.shape[0])):
                    z = a[k] + u[k]
                    part += max(z, a.dtype.type(0))
                    product *= one + exp(-abs(z))
                logs += np.log(product)
                linear += part
            out[i, y] = linear + logs


@njit(nogil=True, cache=True, error_model="numpy", fastmath=FINITE)
def posterior_codes(A, U, P, out):
    """out (m, K) := sum_y P_iy sigmoid(A_ik + U_yk)."""
    one = A.dtype.type(1)
    for i in range(A.shape[0]):
        a, o = A[i], out[i]
        o[:] = 0
        for y in range(U.shape[0]):
            u, p = U[y], P[i, y]
            for k in range(a.shape[0]):
                o[k] += p / (one + exp(-(a[k] + u[k])))


def classes_of(X: Any, y: Any, labels: bool | str, needed: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """The classes of targets and each row's among them, or none of either; ``needed`` to judge rows held out."""
    if needed and (labels is False or y is None):
        raise ValueError(
            "DeepBeliefNetwork: early_stopping=True judges the labels of samples held out, and there are none. Give "
            "fit a y and leave labels='auto', or pass early_stopping=False."
        )
    if not labels or (y is None and labels == "auto"):
        return np.empty(0), None
    if y is None:
        raise ValueError("DeepBeliefNetwork: labels=True needs the labels: fit(X, y). Pass labels='auto' or False.")
    kind, classes = type_of_target(y, input_name="y"), np.empty(0)
    if kind in ("binary", "multiclass"):
        y = column_or_1d(y)
        check_consistent_length(X, y)
        classes, index = np.unique(y, return_inverse=True)
    if len(classes) > 1:
        return classes, index
    if labels == "auto" and not needed:
        return np.empty(0), None
    found = "a single class" if len(classes) else f"values that are {kind}"
    raise ValueError(
        f"DeepBeliefNetwork: labels are of two classes or more, and y holds {found}. Pass labels=False and "
        "early_stopping=False to learn without them."
    )


def places_of(label: Any, n: int, classes: np.ndarray | None) -> np.ndarray:
    """The places in ``classes`` of a label for all of n samples, or of one for each."""
    if classes is None:
        raise ValueError(
            "DeepBeliefNetwork: sample(label=...) needs labels, and none were learned. Give fit a y of classes, or "
            "pass label=None."
        )
    asked = np.broadcast_to(np.asarray(label), n) if np.ndim(label) == 0 else np.asarray(label)
    if asked.shape != (n,):
        raise ValueError(
            f"DeepBeliefNetwork: label has shape {asked.shape}, and n_samples={n}; pass one label, or one for each."
        )
    unknown = asked[~np.isin(asked, classes)].tolist()
    if unknown:
        raise ValueError(f"DeepBeliefNetwork: label={unknown[0]!r} was not learned; classes_ are {classes.tolist()}.")
    return np.searchsorted(classes, asked)


def softmax(E: np.ndarray) -> np.ndarray:
    """exp(E) over its sum, by rows."""
    P = np.exp(E - E.max(axis=1, keepdims=True))
    return P / P.sum(axis=1, keepdims=True)


def one_hot(labels: np.ndarray, n_labels: int, dtype: Any) -> np.ndarray:
    """Rows (m, C) with a 1 at each label."""
    out = np.zeros((len(labels), n_labels), dtype)
    out[np.arange(len(labels)), labels] = 1
    return out


def draw_labels(P: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A label for each row of probabilities (m, C)."""
    ends = np.cumsum(P, axis=1, dtype=np.float64)
    drawn = (rng.random(len(P))[:, None] * ends[:, -1:] >= ends).sum(axis=1)
    return np.minimum(drawn, P.shape[1] - 1)


@dataclass(frozen=True)
class JointDivergence(ContrastiveDivergence):
    """Contrastive divergence of [x, y], with the layer's copies counted when it will lie in a deep Boltzmann machine.

    ``up`` copies of the visible units drive the hidden ones, ``down`` copies of the hidden ones the visible: both 1 for
    an ordinary machine. A batch has labels as its targets, whole numbers, if ``n_labels`` is not 0.
    """

    n_labels: int = 0
    up: float = 1.0
    down: float = 1.0
    drawn: bool = False

    @property
    def sampled(self) -> bool:
        """Whether v_k is drawn, or its mean taken."""
        return self.drawn or self.k > 1

    def init(self, n_features: int, rng: np.random.RandomState, dtype: Any) -> Params:
        """Normal weights, and no biases."""
        return super().init(n_features + self.n_labels, rng, dtype)

    def joined(self, batch: Batch) -> np.ndarray:
        """[x, y] of a batch."""
        if not self.n_labels:
            return batch.x
        return np.hstack([batch.x, one_hot(batch.y, self.n_labels, batch.x.dtype)])

    def gradient(self, params: Params, batch: Batch, draws: Draws, grads: Params):
        """Of the shard's hidden units."""
        error, _ = yield from self.descent(params, self.joined(batch), None, draws, grads)
        return error

    def seen(self, v: np.ndarray, params: Params) -> np.ndarray:
        return v if self.up == 1 else v.dtype.type(self.up) * v

    def visible_mean(self, S: np.ndarray, params: Params) -> np.ndarray:
        S = S if self.down == 1 else S.dtype.type(self.down) * S
        mean = super().visible_mean(S, params)
        if self.n_labels:
            d = S.shape[1] - self.n_labels
            mean[:, d:] = softmax(S[:, d:] + params["c"][d:])
        return mean

    def draw_visible(self, mean: np.ndarray, params: Params, rng: np.random.Generator) -> np.ndarray:
        d = mean.shape[1] - self.n_labels
        labels = mean[:, d:].copy()
        super().draw_visible(mean, params, rng)
        if self.n_labels:
            mean[:, d:] = one_hot(draw_labels(labels, rng), self.n_labels, mean.dtype)
        return mean


def joint_log_partition(
    W: np.ndarray,
    b: np.ndarray,
    c: np.ndarray,
    variance: np.ndarray | None,
    means: np.ndarray,
    *,
    n_labels: int,
    method: str,
    n_chains: int,
    n_betas: int,
    seed: np.random.SeedSequence,
) -> LogPartition:
    """log Z of a machine whose last ``n_labels`` visible units are labels: the sum of those of its labels.

    ``W`` (K, d + C), ``b`` (K,), ``c`` (d + C,); the rest as in `annealed_log_partition`. ``method`` is "exact", "ais",
    or "auto": exact up to 20 units. The chains are shared out among the labels, at least 10 for each.
    """
    d = len(c) - n_labels
    (W, U), (c, c_labels) = np.hsplit(W, [d]), np.split(c, [d])
    fewest = len(b) if variance is not None else min(len(b), d)
    exact = method == "exact" or (method == "auto" and fewest <= ENUMERATED)
    if not n_labels:
        U, c_labels = np.zeros((len(b), 1), W.dtype), np.zeros(1)
    chains = n_chains if not n_labels else max(-(-n_chains // n_labels), LEAST_CHAINS)

    def of_label(job):
        y, own = job
        machine = np.ascontiguousarray(W), b + U[:, y], c, variance
        if exact:
            return exact_log_partition(*machine)
        return annealed_log_partition(*machine, means, n_chains=chains, n_betas=n_betas, seed=own)

    jobs = list(enumerate(seed.spawn(U.shape[1])))
    # One machine shares out its own blocks of chains; several are shared out themselves.
    found = list(map_in_order(of_label, jobs, n_threads())) if len(jobs) > 1 else [of_label(jobs[0])]
    logs = np.array([part.value for part in found]) + c_labels
    top = logs.max()
    weights = np.exp(logs - top)
    errors = weights / weights.sum() * [part.error for part in found]
    return LogPartition(float(top + np.log(weights.sum())), float(np.sqrt((errors**2).sum())))
