"""Greedy pretraining: a stack of restricted Boltzmann machines, each learned on the codes of the one below.

Also what the two deep generative nets share: the rules of their parameters, and the gate of their rows.

Hinton, Osindero & Teh (2006), "A fast learning algorithm for deep belief nets".
"""

from typing import Any

import numpy as np

from featlearn.callbacks import end_iteration, sub_task
from featlearn.networks.label_units import JointDivergence
from featlearn.streaming import is_out_of_core
from featlearn.threads import one_blas_thread
from featlearn.training import Batch, GradientDescent, Params, Standardizer, Trained, minimize
from featlearn.usefulness import probe, warn_of_idle_units, warn_of_outliers
from featlearn.validation import Rule, check_rows, either, integer, one_of, optional, real

MOMENTUM = (0.5, 0.9, 5)  # Hinton's


def _widths(value):
    sequence = isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim == 1)
    good = sequence and len(value) > 0 and all(integer(1)(width) is None for width in value)
    return None if good else "a list of such integers, the widths of the layers from the data up"


STACK_RULES: dict[str, Rule] = {
    "n_components": either(integer(1), _widths),
    "visible": one_of("binary", "gaussian"),
    "pretrain_iter": integer(1),
    "pretrain_rate": optional(real(above=0)),
    "max_iter": integer(0),
    "learning_rate": real(above=0),
    "k": integer(1),
    "batch_size": integer(1),
    "weight_decay": real(0),
}


def widths(n_components: Any) -> list[int]:
    """Units of each layer."""
    return [int(width) for width in np.atleast_1d(n_components)]


def training_rows(estimator: Any, X: Any) -> np.ndarray:
    """Rows that a deep net may learn from, or a ValueError."""
    who = type(estimator).__name__
    if is_out_of_core(X):
        raise ValueError(
            f"{who}.fit walks over the samples many times in a random order, so it needs them in an array or an "
            "np.memmap. Of a stream, take a part that fits into memory, or write it to an np.memmap."
        )
    X = check_rows(estimator, X, reset=True)
    if estimator.visible == "binary":
        low, high = float(X.min()), float(X.max())
        if low < 0 or high > 1:
            raise ValueError(
                f"{who}: visible='binary' takes values in [0, 1], read as probabilities; those of X lie between "
                f"{low:.6g} and {high:.6g}. Scale them (pixels: X / 255, others: MinMaxScaler(clip=True)), or pass "
                "visible='gaussian'."
            )
    return X


def usual_rate(objective: JointDivergence) -> float:
    """A learning rate at which contrastive divergence is stable: that of `RBM`, less where weights count twice."""
    rate = 0.1 if objective.visible == "binary" else min(0.01, 4 / (objective.n_components + 4))
    return rate / max(objective.up, objective.down)


def pretrained(
    estimator: Any,
    name: str,
    objective: JointDivergence,
    data: Batch,
    first: Params,
    prepare: Standardizer | None,
    rng: Any,
) -> Trained:
    """Contrastive divergence of one layer of an estimator, as its parameters ask."""
    rate = estimator.pretrain_rate or usual_rate(objective)
    with sub_task(estimator, name, estimator.pretrain_iter):
        return minimize(
            objective,
            data.x,
            first,
            GradientDescent("momentum", learning_rate=rate, momentum=MOMENTUM),
            y=data.y,
            rng=rng,
            max_iter=estimator.pretrain_iter,
            batch_size=estimator.batch_size,
            weight_decay=estimator.weight_decay,
            engine="numpy",
            prepare=prepare,
            on_epoch=lambda metrics, now: end_iteration(estimator, metrics, name="epoch"),
            who=f"{type(estimator).__name__}: {name}",
        )


@one_blas_thread()
def judge_layers(estimator: Any, n_layers: int, X: np.ndarray) -> None:
    """Warn of layers whose codes of training rows X say nothing, and of outliers of standardized features."""
    who, some = type(estimator).__name__, probe(X)
    cure = (
        "Constant units have learned too little: raise pretrain_iter or pretrain_rate, or lower batch_size. Saturated "
    )
    cure += "ones too much: lower the rates, or raise weight_decay"
    if estimator.visible == "binary":
        cure += "; features far from filling [0, 1] need a MinMaxScaler"
    for l in range(1, n_layers + 1):
        warn_of_idle_units(f"{who}: layer {l}", estimator.net_.codes(some, l), f"{cure}.", low=0.0, high=1.0)
    if estimator.visible == "gaussian":
        warn_of_outliers(who, X, "features are measured by their deviations")
