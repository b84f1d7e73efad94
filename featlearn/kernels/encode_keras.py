"""The fused encoder's formulas in `keras.ops`, for a GPU: TensorFlow (XLA), JAX or torch, whichever Keras runs on.

The same plan and the same result as `encode.FusedEncoder`, in float32. The whole chain is one compiled function of one
shape; pooling is two small matrix products with 0/1 matrices, rows (p, h) and columns (q, w).
"""

import warnings

import numpy as np

from featlearn.kernels.backend import compiled, gpu_visible
from featlearn.kernels.encode import ACTIVATIONS, FLAT, EncoderPlan, map_size

MAP_BYTES = 256 << 20


def cell_matrix(cells: tuple[slice, ...] | None, size: int) -> np.ndarray:
    """0/1 matrix (cells, size) whose product with a map sums its cells; the identity for None."""
    if cells is None:
        return np.eye(size, dtype=np.float32)
    matrix = np.zeros((len(cells), size), np.float32)
    for i, cell in enumerate(cells):
        matrix[i, cell] = 1
    return matrix


class KerasEncoder:
    """The plan made ready for images of one size; calling it on images (n, H, W, c) gives their codes as NumPy.

    ``rows`` images are encoded at a time, so that their maps take about 256 MB.
    """

    def __init__(self, plan: EncoderPlan, height: int, width: int, dtype: np.dtype):
        import keras

        if not gpu_visible():
            warnings.warn(
                f"Keras (backend {keras.backend.backend()}) sees no GPU and encodes on its CPU device; device='cpu' is "
                "faster there.",
                UserWarning,
                stacklevel=2,
            )
        self.plan, self.dtype = plan, np.dtype(dtype)
        self.height, self.width = map_size(height, width, plan.patch, plan.stride)
        self.rows = max(1, MAP_BYTES // (4 * plan.n_outputs * self.height * self.width))
        self._rows_matrix = cell_matrix(plan.row_cells, self.height)
        self._cols_matrix = cell_matrix(plan.col_cells, self.width)
        self._run = compiled(self._formula)

    def _formula(self, images):
        from keras import ops

        plan = self.plan
        atoms = ops.convert_to_tensor(np.asarray(plan.atoms, np.float32))
        x = ops.image.extract_patches(
            images, plan.patch, strides=plan.stride, padding="valid", data_format="channels_last"
        )
        x = ops.reshape(x, (-1, x.shape[-1]))
        if plan.eps is not None:
            mean = ops.mean(x, axis=1, keepdims=True)
            x = x - mean
            x = x - ops.mean(x, axis=1, keepdims=True)  # the rounding of a mean far from 0
            variance = ops.sum(x * x, axis=1, keepdims=True) / max(x.shape[1] - plan.ddof, 1) + plan.eps
            flat = 0.0 if plan.eps else (FLAT * np.finfo(np.float32).eps * mean) ** 2
            x = ops.where(variance > flat, x / ops.sqrt(ops.maximum(variance, 1e-30)), 0.0)
        if plan.mean is not None:
            x = x - np.asarray(plan.mean, np.float32)
        if plan.whitening is not None:
            x = ops.matmul(x, np.asarray(plan.whitening, np.float32))
        if plan.squares:
            x = ops.concatenate([x * x, x], axis=1)
        g = ops.matmul(x, ops.transpose(atoms))
        if plan.encode in ("triangle", "hard"):
            squares = ops.sum(x * x, axis=1, keepdims=True) + ops.sum(atoms * atoms, axis=1) - 2 * g
            if plan.encode == "triangle":
                z = ops.sqrt(ops.maximum(squares, 0.0))
                codes = ops.maximum(ops.mean(z, axis=1, keepdims=True) - z, 0.0)
            else:
                codes = ops.one_hot(ops.argmin(squares, axis=1), len(plan.atoms), dtype="float32")
        elif plan.encode in ACTIVATIONS and plan.bias is not None:
            g = g + np.asarray(plan.bias, np.float32)
            activate = {
                "abs": ops.abs,
                "sigmoid": ops.sigmoid,
                "tanh": ops.tanh,
                "relu": ops.relu,
                "softmax": ops.softmax,
            }
            codes = g if plan.encode == "linear" else activate[plan.encode](g)
            codes = codes if plan.scale is None else codes * np.asarray(plan.scale, np.float32)
        else:
            codes = ops.maximum(g - plan.threshold, 0.0)
            if plan.encode == "split":
                codes = ops.concatenate([codes, ops.maximum(-g - plan.threshold, 0.0)], axis=1)
        maps = ops.reshape(codes, (-1, self.height, self.width, plan.n_outputs))
        return ops.einsum("nhwk,ph,qw->npqk", maps, self._rows_matrix, self._cols_matrix)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        from keras import ops

        out = np.empty((len(images), len(self._rows_matrix), len(self._cols_matrix), self.plan.n_outputs), self.dtype)
        for start in range(0, len(images), self.rows):
            part = np.asarray(images[start : start + self.rows], dtype=np.float32)
            whole = np.zeros((min(self.rows, len(images)), *part.shape[1:]), np.float32)  # one shape, one compilation
            whole[: len(part)] = part
            result = ops.convert_to_numpy(self._run(ops.convert_to_tensor(whole)))
            out[start : start + self.rows] = result[: len(part)]
        return out
