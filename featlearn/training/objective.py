"""What a learner states, and the plain values that the loop and its engines hand around.

A learner states an `Objective`: first parameters, the loss of a `Batch` in `keras.ops` and, where it is faster, a
gradient derived by hand. One whose loss needs more than its parameters (averages of batches, chains of samples) is a
`StatefulObjective`: its state comes with every call, and what the call gives back takes its place. State and the rule's
arrays travel in a `Memory`, so that a training may go on where another ended.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np

from featlearn.training.solvers import GradientDescent

Params = dict[str, np.ndarray]
State = dict[str, np.ndarray]


class Batch(NamedTuple):
    """Rows x (m, ...), with targets y (m,) or (m, k) and weights w (m,), None where there are none.

    The weights of all rows have a mean of 1, so the loss of a batch is ``sum_i w_i l_i / m``: a batch of weights 0 is
    no division by 0, the mean over the batches is ``sum_i w_i l_i / sum_i w_i`` of all rows, and a step on all of them
    is the one that whole weights give as repeated rows.
    """

    x: Any
    y: Any = None
    w: Any = None

    def rows(self, index: Any) -> "Batch":
        """Some of the rows, a slice or an array of indices."""
        x, y, w = self
        return Batch(x[index], None if y is None else y[index], None if w is None else w[index])


def share(n: int, parts: int, index: int) -> slice:
    """The units of shard ``index`` of ``parts``."""
    return slice(n * index // parts, n * (index + 1) // parts)


@dataclass(frozen=True)
class Draws:
    """Random numbers of a shard: ``common`` gives every shard the same, ``own`` each its own.

    ``first`` is True for one shard: the one that counts what all shards know, so that the sum counts it once.
    ``part`` is which shard of how many it is.
    """

    common: np.random.Generator
    own: np.random.Generator
    first: bool
    part: tuple[int, int] = (0, 1)

    def units(self, n: int) -> slice:
        """Those of n units that the shard holds."""
        return share(n, self.part[1], self.part[0])


@dataclass
class Memory:
    """What an unfinished training remembers beside its parameters.

    Steps and epochs made (which enter the seeds of what is drawn next); the rule's arrays beside each parameter, those
    of ``rule``, which has stepped since ``rule_start`` steps were made; and the objective's state, if it has any.
    """

    step: int = 0
    epoch: int = 0
    arrays: dict[str, list[np.ndarray]] = field(default_factory=dict)
    rule: str | None = None
    rule_start: int = 0
    state: State = field(default_factory=dict)


@dataclass(frozen=True)
class Trained:
    """What a training gave: the parameters, the loss of each epoch, and what it needs to go on.

    ``converged`` is False where ``max_iter`` ended it before a tolerance that was asked for did.
    """

    params: Params
    loss_curve: list[float]
    validation_curve: list[float]
    n_iter: int
    memory: Memory
    converged: bool = True


class Objective(Protocol):
    """What a learner states. A frozen dataclass of its settings, so that compiled functions can be kept by it.

    ``hidden`` names the parameters whose first axis runs over units, and may be cut into shards. Of ``loss`` and
    ``gradient`` one will do. Three more methods are optional: ``after_step(params)`` mends parameters after each step;
    ``step_factors(params)`` gives each parameter's share of the learning rate and of the weight decay, see the function
    of that name; ``for_evaluation()`` gives the objective by which rows held out are judged, where that is another one
    (without dropout, say).

    ``after_step`` writes into arrays in place, and puts new tensors into the dict. It may be a generator, which yields
    an array and receives its sum over all shards (of squared weights to an output, say), as ``gradient`` does; of
    parameters that are not in ``hidden`` every shard has to make the same. L-BFGS makes no such steps: it leaves it
    out.
    """

    @property
    def hidden(self) -> tuple[str, ...]: ...

    def init(self, n_features: int, rng: np.random.RandomState, dtype: Any) -> Params:
        """First parameters."""

    def loss(self, params: Any, batch: Batch, seed: Any) -> Any:
        """The mean loss of a batch of tensors, a number, in `keras.ops`; ``seed`` is a tensor of two whole numbers."""

    def gradient(self, params: Params, batch: Batch, draws: Draws, grads: Params) -> Generator | float:
        """Fill ``grads``; give the shard's share of the loss.

        A generator yields an array and receives its sum over all shards; a plain function is not sharded.
        """


class StatefulObjective(Protocol):
    """An objective with a state that is no parameter: named arrays whose shapes stay as they are.

    ``loss`` and ``gradient`` are those of an `Objective` with one argument more, the state, which they leave as it is:
    they give the loss and the state that takes its place. State named in ``hidden`` is cut into shards too, and of all
    other state every shard has to give the same. Rows held out are judged with the state as it is. L-BFGS, which comes
    back to the same rows at will, is refused.
    """

    @property
    def hidden(self) -> tuple[str, ...]: ...

    def init(self, n_features: int, rng: np.random.RandomState, dtype: Any) -> Params:
        """First parameters."""

    def init_state(self, params: Params, batch: Batch) -> State:
        """The state before the first step, which is one on ``batch``."""

    def loss(self, params: Any, batch: Batch, seed: Any, state: Any) -> tuple[Any, Any]:
        """The mean loss of a batch, and the state after it."""

    def gradient(
        self, params: Params, batch: Batch, draws: Draws, grads: Params, state: State
    ) -> Generator | tuple[float, State]:
        """Fill ``grads``; give the shard's share of the loss, and the state after it."""


class Engine(Protocol):
    """What makes the steps of `minimize`: it holds parameters, the rule's arrays and the state of one training."""

    objective: Any

    def begin(self, params: Params, memory: Memory, size: int, seed: Sequence[int]) -> None:
        """Start at parameters (which may be overwritten) and a memory, for batches of up to ``size`` rows."""

    def steps(self, batches: list[Batch], solver: GradientDescent, constants: np.ndarray) -> float:
        """Make a step on each batch, with the constants (m, c) of each; the sum of the losses over all rows."""

    def params(self) -> Params:
        """The parameters now; the next steps may overwrite them."""

    def memory(self) -> Memory:
        """A copy of the memory now, which later steps leave alone."""

    def value_and_gradient(
        self, params: Params, batch: Batch, seed: Sequence[int], state: State
    ) -> tuple[float, Params]:
        """The loss of a batch at any parameters, and its gradient; the same draws for the same seed."""


def params_dtype(params: Params) -> np.dtype:
    """The dtype that all parameters share."""
    return next(iter(params.values())).dtype


def step_factors(objective: Any, params: Params) -> dict[str, tuple[float, float]]:
    """Of each parameter, what multiplies the learning rate and the weight decay: 1 and, for biases, 0, or the
    objective's own ``step_factors(params)``."""
    own = getattr(objective, "step_factors", None)
    return {k: (1.0, float(p.ndim > 1)) for k, p in params.items()} if own is None else own(params)
