"""How to step: the rules of gradient descent with their constants, and L-BFGS, as objects with parameters."""

from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator

from featlearn.training.optimizers import RULES
from featlearn.validation import Rule, boolean, either, has, instance, integer, one_of, optional, real

LEARNING_RATES = {
    "sgd": 0.1,
    "momentum": 0.1,
    "nesterov": 0.1,
    "adagrad": 0.01,
    "rmsprop": 0.001,
    "adadelta": 1.0,
    "adam": 0.001,
}
SCHEDULES = ("constant", "inverse", "exponential", "linear", "cosine")


def _switch(value):
    good = isinstance(value, (tuple, list)) and len(value) == 3
    good = good and all(real(0, 1)(v) is None for v in value[:2]) and integer(0)(value[2]) is None
    return None if good else "(first, later, switch epoch), say (0.5, 0.9, 5)"


class GradientDescent(BaseEstimator):
    """A rule of stochastic gradient descent with its constants.

    Parameters
    ----------
    rule : {"sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adadelta", "adam"}, default="adam"
        The update rule, see `featlearn.training.optimizers`.
    learning_rate : float or None, default=None
        Step size; None takes the rule's usual one (0.1 for sgd, momentum and nesterov, 0.01 for adagrad, 0.001 for
        rmsprop and adam, 1 for adadelta).
    momentum : float or (float, float, int), default=0.9
        Of momentum and nesterov; ``(0.5, 0.9, 5)`` switches from 0.5 to 0.9 after 5 epochs.
    decay_rate : float, default=0.9
        How slowly rmsprop and adadelta forget squared gradients (0.95 is usual for adadelta).
    beta1, beta2 : float, default=0.9, 0.999
        How slowly adam forgets gradients and their squares.
    eps : float, default=1e-8
        Keeps divisions finite in adagrad, rmsprop, adadelta and adam.
    schedule : {"constant", "inverse", "exponential", "linear", "cosine"} or callable, default="constant"
        The learning rate over the epochs t = 0, 1, ...: times 1 / (1 + decay t), exp(-decay t), falling to 0 at
        ``max_iter`` in a line or half a cosine, or times ``schedule(t)``.
    decay : float, default=0.01
        The decay of "inverse" and "exponential", per epoch.
    clip_norm : float or None, default=None
        Longest gradient, all parameters together; a longer one is scaled down to it.

    Examples
    --------
    >>> from featlearn.training import GradientDescent
    >>> hinton = GradientDescent("momentum", learning_rate=0.1, momentum=(0.5, 0.9, 5))
    >>> [hinton.momentum_at(epoch) for epoch in (0, 4, 5)]
    [0.5, 0.5, 0.9]
    """

    _rules: ClassVar[dict[str, Rule]] = {
        "rule": one_of(*RULES),
        "learning_rate": optional(real(above=0)),
        "momentum": either(real(0, 1), _switch),
        "decay_rate": real(0, 0.999999),
        "beta1": real(0, 0.999999),
        "beta2": real(0, 0.9999999),
        "eps": real(above=0),
        "schedule": either(one_of(*SCHEDULES), has("__call__")),
        "decay": real(0),
        "clip_norm": optional(real(above=0)),
    }

    def __init__(
        self,
        rule: str = "adam",
        learning_rate: float | None = None,
        *,
        momentum: float | tuple[float, float, int] = 0.9,
        decay_rate: float = 0.9,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        schedule="constant",
        decay: float = 0.01,
        clip_norm: float | None = None,
    ):
        self.rule = rule
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.decay_rate = decay_rate
        self.beta1 = beta1
        self.beta2 = beta2
        self.eps = eps
        self.schedule = schedule
        self.decay = decay
        self.clip_norm = clip_norm

    def momentum_at(self, epoch: int) -> float:
        """The momentum of an epoch, counted from 0."""
        if isinstance(self.momentum, (tuple, list)):
            first, later, switch = self.momentum
            return first if epoch < switch else later
        return self.momentum

    def rate_at(self, epoch: int, max_iter: int) -> float:
        """The learning rate of an epoch, counted from 0."""
        rate = LEARNING_RATES[self.rule] if self.learning_rate is None else self.learning_rate
        if callable(self.schedule):
            return rate * float(self.schedule(epoch))
        if self.schedule == "constant":  # asked for in every step
            return rate * 1.0
        share = min(epoch / max_iter, 1.0)
        factor = {
            "inverse": 1 / (1 + self.decay * epoch),
            "exponential": np.exp(-self.decay * epoch),
            "linear": 1 - share,
            "cosine": 0.5 * (1 + np.cos(np.pi * share)),
        }
        return rate * float(factor[self.schedule])

    def constants(self, step: int, epoch: int, max_iter: int) -> list[float]:
        """The constants c of the rule at a step, counted from 1."""
        r, q = self.rate_at(epoch, max_iter), self.decay_rate
        if self.rule == "adam":
            one, two = 1 - self.beta1**step, 1 - self.beta2**step
            return [r / one, self.beta1, 1 - self.beta1, self.beta2, 1 - self.beta2, 1 / two, self.eps]
        if self.rule in ("momentum", "nesterov"):
            return [r, self.momentum_at(epoch)]
        if self.rule in ("rmsprop", "adadelta"):
            return [r, q, 1 - q, self.eps]
        return [r, self.eps]


class LBFGS(BaseEstimator):
    """SciPy's L-BFGS on all samples at once.

    Parameters
    ----------
    memory : int, default=10
        Steps remembered.
    tol : float, default=1e-5
        Stop when no component of the gradient is larger.
    """

    _rules: ClassVar[dict[str, Rule]] = {"memory": integer(1), "tol": real(0)}

    def __init__(self, *, memory: int = 10, tol: float = 1e-5):
        self.memory = memory
        self.tol = tol


def make_solver(solver: Any, learning_rate: float | None, who: str) -> GradientDescent | LBFGS:
    """The solver that a learner's parameters ask for: a name or an object, and a learning rate or None."""
    names = [*RULES, "lbfgs"]
    if isinstance(solver, str):
        if solver not in names:
            raise ValueError(
                f"{who}: solver={solver!r} is not known; pass one of {', '.join(map(repr, names))}, or a "
                "GradientDescent or LBFGS object of featlearn.training."
            )
        made = LBFGS() if solver == "lbfgs" else GradientDescent(solver, learning_rate)
    elif isinstance(solver, GradientDescent):
        made = GradientDescent(**solver.get_params(deep=False))
        if learning_rate is not None:
            made.learning_rate = learning_rate
    elif isinstance(solver, LBFGS):
        made = solver
    else:
        raise ValueError(
            f"{who}: solver={solver!r} is not valid; pass a name ({', '.join(names)}) or a GradientDescent or LBFGS "
            "object of featlearn.training."
        )
    for name, rule in made._rules.items():
        expected = rule(getattr(made, name))
        if expected is not None:
            raise ValueError(f"{who}: solver has {name}={getattr(made, name)!r}; pass {expected}.")
    return made


# Of the parameters that all learners by gradient share.
TRAINING_RULES: dict[str, Rule] = {
    "solver": either(one_of(*RULES, "lbfgs"), instance(GradientDescent, LBFGS)),
    "learning_rate": optional(real(above=0)),
    "batch_size": optional(integer(1)),
    "max_iter": integer(1),
    "weight_decay": real(0),
    "tol": real(0),
    "n_iter_no_change": integer(1),
    "early_stopping": boolean(),
    "validation_fraction": real(above=0, high=0.9),
    "warm_start": boolean(),
    "engine": one_of("auto", "numpy", "keras"),
}
