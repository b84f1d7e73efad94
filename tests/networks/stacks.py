"""Stacks of small layers with drawn arrays, for tests of gradients."""

import numpy as np

from featlearn.networks.stack import PlainStack, StatefulStack


def stack_of(layers, width, dtype=np.float64, frozen=(), **settings):
    """A stack of specs, its parameters and its state as stored; biases are drawn too, or nothing would test them."""
    parts = tuple(part for layer in layers for part in layer.parts())
    kind = StatefulStack if frozen or any(part.state_names for part in parts) else PlainStack
    stack = kind(parts, frozen=frozenset(frozen), **settings)
    rng, params, state, shape = np.random.RandomState(0), {}, {}, (width,)
    for i, part in enumerate(parts):
        for name, value in part.first_params(shape, rng, dtype).items():
            value = value + (0.3 * rng.standard_normal(value.shape)).astype(dtype) if value.ndim == 1 else value
            (state if i in frozen else params)[f"{i}.{name}"] = stack.stored(i, name, value)
        for name, value in part.first_state(shape, dtype).items():
            state[f"{i}.{name}"] = stack.stored(i, name, value)
        shape = part.shape(shape)
    return stack, params, state


def numeric_gradient(f, params, step=1e-6):
    """Central differences of f(params) by every number in it."""
    grads = {name: np.zeros_like(value) for name, value in params.items()}
    for name, value in params.items():
        flat = value.reshape(-1)
        for i in range(flat.size):
            kept = flat[i]
            flat[i] = kept + step
            above = f(params)
            flat[i] = kept - step
            grads[name].reshape(-1)[i] = (above - f(params)) / (2 * step)
            flat[i] = kept
    return grads
