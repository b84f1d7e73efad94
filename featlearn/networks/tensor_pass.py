"""Rows through layers on Keras' backend: one compiled function for a list of layers, whatever their arrays.

Nothing of Keras is kept in an estimator, and functions are kept by the layers, so predictions do not pile up memory.
"""

from functools import lru_cache
from math import prod

import numpy as np

from featlearn.networks.layers import FittedLayer, Layer, Shape

PASS_BYTES = 64 << 20  # of the widest layer's outputs


def pass_rows(layers: tuple[FittedLayer, ...], shape: Shape) -> int:
    """Rows of a shape that go through layers at once: a power of 2."""
    widest = prod(shape)
    for fitted in layers:
        shape = fitted.layer.shape(shape)
        widest = max(widest, prod(shape), getattr(fitted.layer, "widest", 0))
    return 1 << max(0, (PASS_BYTES // (4 * widest)).bit_length() - 1)


@lru_cache(maxsize=32)
def _compiled(layers: tuple[Layer, ...]):
    from featlearn.kernels.backend import compiled

    def run(arrays, x):
        for layer, (p, s) in zip(layers, arrays, strict=True):
            x, _ = layer.apply(p, s, x, None, False)
        return x

    return compiled(run, xla=all(layer.xla for layer in layers))


def pass_through(layers: tuple[FittedLayer, ...], x: np.ndarray) -> np.ndarray:
    """What layers give for rows x (m, ...), nothing drawn; the arrays in the rows' dtype."""
    from featlearn.kernels.backend import require_keras

    ops = require_keras("A network with layers on maps").ops

    def tensors(group):
        return {k: ops.convert_to_tensor(np.asarray(v, x.dtype)) for k, v in group.items()}

    run = _compiled(tuple(fitted.layer for fitted in layers))
    arrays = [(tensors(fitted.params), tensors(fitted.state)) for fitted in layers]
    # Sizes are powers of 2, so that few are compiled.
    rows = min(pass_rows(layers, x.shape[1:]), 1 << max(0, len(x) - 1).bit_length())
    parts = []
    for start in range(0, len(x), rows):
        part = x[start : start + rows]
        whole = np.zeros((rows, *x.shape[1:]), x.dtype)
        whole[: len(part)] = part
        parts.append(np.asarray(ops.convert_to_numpy(run(arrays, ops.convert_to_tensor(whole)))[: len(part)], x.dtype))
    return np.concatenate(parts)
