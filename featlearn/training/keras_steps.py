"""Training steps by automatic gradients: many steps in one compiled function, on TensorFlow, JAX or torch.

No Keras model is made, and compiled functions are kept by objective, so fits do not pile up memory.
"""

import inspect
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from featlearn.training.distributing import averaged, laid_out, replicated, spread, strategy
from featlearn.training.objective import Batch, Memory, Params, State, params_dtype, step_factors
from featlearn.training.optimizers import tensor_rule
from featlearn.training.solvers import GradientDescent

KERAS_STEPS = 32


class KerasEngine:
    """Steps by the automatic gradient, many in one compiled function."""

    def __init__(self, objective: Any, weight_decay: float):
        self.objective, self.decay = objective, weight_decay

    def begin(self, params: Params, memory: Memory, size: int, seed: Sequence[int]) -> None:
        """Start at copies of parameters, of the rule's arrays and of the state."""
        self.dtype = params_dtype(params)
        self._memory = memory
        self._params, self._state = _tensors(params), _tensors(memory.state)
        self._arrays = {k: [laid_out(k, _tensor(a)) for a in arrays] for k, arrays in memory.arrays.items()}
        self.rng = np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed)))

    def params(self) -> Params:
        """A copy of the parameters now."""
        return {k: np.array(_numpy(v), self.dtype) for k, v in self._params.items()}

    def memory(self) -> Memory:
        """A copy of the memory now."""
        arrays = {k: [np.asarray(_numpy(a), self.dtype) for a in v] for k, v in self._arrays.items()}
        # In the dtypes of the first state: JAX keeps no float64.
        state = {k: np.array(_numpy(v), self._memory.state[k].dtype) for k, v in self._state.items()}
        return replace(self._memory, arrays=arrays, state=state)

    def steps(self, batches: list[Batch], solver: GradientDescent, constants: np.ndarray) -> float:
        """Make a step on each batch; the sum of the losses over all rows."""
        total, i = 0.0, 0
        over = strategy()
        run = _compiled_steps(self.objective, solver.rule, over)
        clip = -1.0 if solver.clip_norm is None else solver.clip_norm
        settings = np.array([self.decay, clip], self.dtype)
        while i < len(batches):
            rows, m = len(batches[i].x), 1
            while m < KERAS_STEPS and i + m < len(batches) and len(batches[i + m].x) == rows:
                m += 1
            m = m if m == KERAS_STEPS and over is None else 1  # two compiled sizes, whatever the number of batches
            seeds = self.rng.integers(2**31 - 1, size=(m, 2), dtype=np.int32)
            stacked = _batch(lambda *parts: np.stack(parts), *batches[i : i + m])
            given = (_tensor(a) for a in (constants[i : i + m], seeds, settings))
            carry, loss = run((self._params, self._arrays, self._state), _batch(_rows(1), stacked), *given)
            self._params, self._arrays, self._state = carry
            total += rows * float(_numpy(loss))
            i += m
        return total

    def value_and_gradient(
        self, params: Params, batch: Batch, seed: Sequence[int], state: State
    ) -> tuple[float, Params]:
        """The loss of a batch and its gradient; the same draws for the same seed."""
        seeds = np.array([s % (2**31 - 1) for s in (seed[0], sum(seed[1:]))], np.int32)
        run = _compiled_gradient(self.objective)
        loss, grads = run(_tensors(params), _batch(_rows(0), batch), _tensor(seeds), _tensors(state))
        return float(_numpy(loss)), {k: np.array(_numpy(g), params_dtype(params)) for k, g in grads.items()}


def _tensor(array):
    from keras import ops

    return ops.convert_to_tensor(array)


def _tensors(arrays):
    return {k: laid_out(k, _tensor(v)) for k, v in arrays.items()}


def _rows(axis):
    """What makes a tensor of an array whose rows lie along an axis."""
    return lambda array: spread(_tensor(array), axis)


def _numpy(tensor):
    from featlearn.kernels.backend import to_numpy

    return to_numpy(tensor)


def _batch(f, *batches):
    """A batch of ``f`` of the arrays of batches, None where they have none."""
    return Batch(*(None if parts[0] is None else f(*parts) for parts in zip(*batches, strict=True)))


def _differentiated(objective):
    """A function of parameters, batch, seed and state that gives ((loss, new state), gradients)."""
    from featlearn.kernels.backend import value_and_grad

    scale = getattr(objective, "loss_scale", 1.0)

    def scaled(params, batch, seed, state):
        if hasattr(objective, "init_state"):
            loss, state = objective.loss(params, batch, seed, state)
        else:
            loss = objective.loss(params, batch, seed)
        return loss if scale == 1 else scale * loss, state

    differentiate = value_and_grad(scaled, has_aux=True)
    if scale == 1:
        return differentiate

    def unscaled(*arguments):
        (loss, state), grads = differentiate(*arguments)
        return (loss / scale, state), {k: g / scale for k, g in grads.items()}

    return unscaled


def _run_alone(generator):
    """Run a generator written for shards: there is one, so every sum is what it yields."""
    total = None
    with suppress(StopIteration):
        while True:
            total = generator.send(total)


@lru_cache(maxsize=8)
def _compiled_gradient(objective):
    from featlearn.kernels.backend import compiled

    differentiate = _differentiated(objective)

    def run(params, batch, seed, state):
        (loss, _), grads = differentiate(params, batch, seed, state)
        return loss, grads

    return compiled(run, xla=getattr(objective, "xla", True))


@lru_cache(maxsize=8)
def _compiled_steps(objective, rule, over=None):
    """Steps on batches of x (m, b, ...), with constants (m, c), seeds (m, 2) and settings (decay, clip norm or -1).

    With a strategy ``over`` several devices they are single ones.
    """
    from keras import ops

    from featlearn.kernels.backend import compiled

    formula, differentiate = tensor_rule(rule), _differentiated(objective)
    after_step = getattr(objective, "after_step", None)

    def step(i, carry, batches, constants, seeds, settings):
        (params, memory, state), total = carry
        (loss, state), grads = differentiate(params, _batch(lambda a: a[i], batches), seeds[i], state)
        if over is not None:
            loss, state, grads = averaged(loss, state, grads)
        norm = ops.sqrt(sum(ops.sum(g * g) for g in grads.values()))
        clip = settings[1]
        scale = ops.where(ops.logical_and(clip > 0, norm > clip), clip / norm, ops.ones_like(norm))
        new_params, new_memory = {}, {}
        factors = step_factors(objective, params)
        for name, p in params.items():
            g = scale * grads[name]
            rate, decay = factors[name]
            if decay:
                g = g + (decay * settings[0]) * p
            c = constants[i] if rate == 1 else ops.concatenate([rate * constants[i, :1], constants[i, 1:]])
            result = formula(p, g, *memory[name], c)
            p, *slots = result if isinstance(result, tuple) else (result,)
            new_params[name], new_memory[name] = p, slots
        if after_step is not None:
            mending = after_step(new_params)
            if inspect.isgenerator(mending):
                _run_alone(mending)
        return (new_params, new_memory, state), total + loss

    def steps(carry, batches, constants, seeds, settings):
        first = ops.zeros((), dtype=settings.dtype)
        if over is not None:  # replicas do not meet within a loop
            return step(0, (carry, first), batches, constants, seeds, settings)
        return ops.fori_loop(
            0, constants.shape[0], lambda i, carry: step(i, carry, batches, constants, seeds, settings), (carry, first)
        )

    if over is not None:
        return replicated(steps, over)
    return compiled(steps, xla=getattr(objective, "xla", True))
