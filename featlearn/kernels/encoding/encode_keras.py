"""The fused encoder's formulas in `keras.ops`, for a GPU: TensorFlow (XLA), JAX or torch, whichever Keras runs on.

The same plan and the same result as `encode.FusedEncoder`, in float32. The whole chain is one compiled function of one
shape; pooling is two small matrix products with 0/1 matrices, rows (p, h) and columns (q, w). Squared distances are
products about the center of the atoms or, where the atoms lie in groups so far apart that products cancel within one,
sums of squared differences, feature by feature (slower: it reads the map once a feature).
"""

import warnings

import numpy as np

from featlearn.kernels.backend import compiled, gpu_visible, to_numpy
from featlearn.kernels.encoding.assign import far_center
from featlearn.kernels.encoding.encode import ACTIVATIONS, CANCELED, FLAT, EncoderPlan, map_size

MAP_BYTES = 256 << 20


def cell_matrix(cells: tuple[slice, ...] | None, size: int) -> np.ndarray:
    """0/1 matrix (cells, size) whose product with a map sums its cells; the identity for None."""
    if cells is None:
        return np.eye(size, dtype=np.float32)
    matrix = np.zeros((len(cells), size), np.float32)
    for i, cell in enumerate(cells):
        matrix[i, cell] = 1
    return matrix


def products_cancel(atoms: np.ndarray) -> bool:
    """Whether one in twenty of atoms (K, d) lies so near to another that float32 products tell little of the gap."""
    atoms = atoms.astype(np.float64)
    squares = np.einsum("kd,kd->k", atoms, atoms)
    gaps = squares[:, None] + squares - 2 * atoms @ atoms.T
    np.fill_diagonal(gaps, 4 * squares)
    canceled = CANCELED * np.sqrt(np.finfo(np.float32).eps / 2)
    return bool(np.quantile(gaps.min(axis=1) / np.maximum(4 * squares, 1e-30), 0.05) < canceled)


def _tensor(array):
    """A constant of the formula; torch does not mix its tensors with arrays."""
    from keras import ops

    return ops.convert_to_tensor(np.asarray(array, np.float32))


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
        self._atoms, self._center = np.asarray(plan.atoms, np.float32), np.zeros(plan.atoms.shape[1], np.float32)
        self._cancel = False
        if plan.encode in ("triangle", "hard"):
            center = far_center(plan.atoms)
            self._center = self._center if center is None else center.astype(np.float32)
            self._atoms = np.asarray(plan.atoms - self._center, np.float32)
            self._cancel = products_cancel(self._atoms)
        self._run = compiled(self._formula)

    def _squares(self, x):
        """Squared distances (m, K) of x (m, d)."""
        from keras import ops

        atoms, x = _tensor(self._atoms), x - _tensor(self._center)
        if not self._cancel:
            lengths = ops.sum(x * x, axis=1, keepdims=True) + ops.sum(atoms * atoms, axis=1)
            return ops.maximum(lengths - 2 * ops.matmul(x, ops.transpose(atoms)), 0.0)

        def add(j, total):
            return total + ops.square(ops.take(x, [j], axis=1) - ops.transpose(ops.take(atoms, [j], axis=1)))

        nothing = ops.matmul(ops.zeros_like(x), ops.transpose(atoms))
        return ops.fori_loop(0, self._atoms.shape[1], add, nothing)

    def _formula(self, images):
        from keras import ops

        plan = self.plan
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
            x = x - _tensor(plan.mean)
        if plan.whitening is not None:
            x = ops.matmul(x, _tensor(plan.whitening))
        if plan.squares:
            x = ops.concatenate([x * x, x], axis=1)
        distances = plan.encode in ("triangle", "hard")
        g = self._squares(x) if distances else ops.matmul(x, ops.transpose(_tensor(self._atoms)))
        if plan.encode == "triangle":
            z = ops.sqrt(g)
            codes = ops.maximum(ops.mean(z, axis=1, keepdims=True) - z, 0.0)
        elif plan.encode == "hard":
            codes = ops.one_hot(ops.argmin(g, axis=1), len(plan.atoms), dtype="float32")
        elif plan.encode in ACTIVATIONS:
            g = g + _tensor(plan.bias)
            codes = g if plan.encode == "linear" else getattr(ops, plan.encode)(g)
            codes = codes if plan.scale is None else codes * _tensor(plan.scale)
        else:
            codes = ops.maximum(g - plan.threshold, 0.0)
            if plan.encode == "split":
                codes = ops.concatenate([codes, ops.maximum(-g - plan.threshold, 0.0)], axis=1)
        maps = ops.reshape(codes, (-1, self.height, self.width, plan.n_outputs))
        return ops.einsum("nhwk,ph,qw->npqk", maps, _tensor(self._rows_matrix), _tensor(self._cols_matrix))

    def __call__(self, images: np.ndarray) -> np.ndarray:
        from keras import ops

        out = np.empty((len(images), len(self._rows_matrix), len(self._cols_matrix), self.plan.n_outputs), self.dtype)
        for start in range(0, len(images), self.rows):
            part = np.asarray(images[start : start + self.rows], dtype=np.float32)
            whole = np.zeros((min(self.rows, len(images)), *part.shape[1:]), np.float32)  # one shape, one compilation
            whole[: len(part)] = part
            result = to_numpy(self._run(ops.convert_to_tensor(whole)))
            out[start : start + self.rows] = result[: len(part)]
        return out
