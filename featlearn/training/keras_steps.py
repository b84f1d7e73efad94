"""Training steps by automatic gradients: many steps in one compiled function, on TensorFlow, JAX or torch.

No Keras model is made, and compiled functions are kept by objective, so fits do not pile up memory.
"""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from featlearn.training.optimizers import tensor_rule
from featlearn.training.shards import NumpyEngine, params_dtype

KERAS_STEPS = 32


class KerasEngine:
    """Steps by the automatic gradient, many in one compiled function."""

    def __init__(self, objective, weight_decay):
        self.objective, self.decay = objective, weight_decay

    def begin(self, params, memory, batch, seed):
        self.dtype = params_dtype(params)
        self._params, self._memory = _tensors(params), memory
        self._arrays = {k: [_tensor(a) for a in arrays] for k, arrays in memory.arrays.items()}
        self.rng = np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed)))

    def params(self):
        return _arrays(self._params, self.dtype)

    def memory(self):
        arrays = {k: [np.asarray(_numpy(a), self.dtype) for a in v] for k, v in self._arrays.items()}
        return replace(self._memory, arrays=arrays)

    def steps(self, batches, solver, constants):
        """Make a step on each batch; the sum of the losses over all rows."""
        total, i = 0.0, 0
        while i < len(batches):
            m = 1
            while m < KERAS_STEPS and i + m < len(batches) and len(batches[i + m]) == len(batches[i]):
                m += 1
            m = m if m == KERAS_STEPS else 1  # two compiled sizes, whatever the number of batches
            x = np.stack(batches[i : i + m])
            seeds = self.rng.integers(2**31 - 1, size=(m, 2), dtype=np.int32)
            clip = -1.0 if solver.clip_norm is None else solver.clip_norm
            settings = np.array([self.decay, clip], self.dtype)
            run = _compiled_steps(self.objective, solver.rule)
            self._params, self._arrays, loss = run(
                self._params, self._arrays, _tensor(x), _tensor(constants[i : i + m]), _tensor(seeds), _tensor(settings)
            )
            total += len(batches[i]) * float(_numpy(loss))
            i += m
        return total

    def value_and_gradient(self, params, X, seed):
        """The loss on all rows and its gradient; the same draws for the same seed."""
        seed = np.array([s % (2**31 - 1) for s in (seed[0], sum(seed[1:]))], np.int32)
        loss, grads = _compiled_gradient(self.objective)(_tensors(params), _tensor(X), _tensor(seed))
        return float(_numpy(loss)), _arrays(grads, params_dtype(params))

    evaluate = NumpyEngine.evaluate


def _tensor(array):
    from keras import ops

    return ops.convert_to_tensor(array)


def _tensors(params):
    return {k: _tensor(v) for k, v in params.items()}


def _numpy(tensor):
    from keras import ops

    return ops.convert_to_numpy(tensor)


def _arrays(tensors, dtype):
    return {k: np.array(_numpy(v), dtype) for k, v in tensors.items()}


@lru_cache(maxsize=8)
def _compiled_gradient(objective):
    from featlearn.kernels.backend import compiled, value_and_grad

    return compiled(value_and_grad(objective.loss))


@lru_cache(maxsize=8)
def _compiled_steps(objective, rule):
    """Steps on batches x (m, b, d), with constants (m, c), seeds (m, 2) and settings (decay, clip norm or -1)."""
    from keras import ops

    from featlearn.kernels.backend import compiled, value_and_grad

    formula, differentiate = tensor_rule(rule), value_and_grad(objective.loss)
    after_step = getattr(objective, "after_step", None)

    def step(i, carry, x, constants, seeds, settings):
        params, memory, total = carry
        loss, grads = differentiate(params, x[i], seeds[i])
        norm = ops.sqrt(sum(ops.sum(g * g) for g in grads.values()))
        clip = settings[1]
        scale = ops.where(ops.logical_and(clip > 0, norm > clip), clip / norm, ops.ones_like(norm))
        new_params, new_memory = {}, {}
        for name, p in params.items():
            g = scale * grads[name]
            if len(p.shape) > 1:
                g = g + settings[0] * p
            result = formula(p, g, *memory[name], constants[i])
            p, *slots = result if isinstance(result, tuple) else (result,)
            new_params[name], new_memory[name] = p, slots
        if after_step is not None:
            after_step(new_params)
        return new_params, new_memory, total + loss

    def steps(params, memory, x, constants, seeds, settings):
        first = ops.zeros((), dtype=x.dtype)
        return ops.fori_loop(
            0, x.shape[0], lambda i, carry: step(i, carry, x, constants, seeds, settings), (params, memory, first)
        )

    return compiled(steps)
