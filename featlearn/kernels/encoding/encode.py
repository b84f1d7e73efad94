"""The fused convolutional encoder: patches, contrast, whitening, distances, coding and pooling, a block at a time.

For each block of map rows of the images, in order (small enough that its responses stay in the cache):

    P  (m, d)  patches, each (x - mean) / sqrt(var + eps)                    contrast normalization
    Z  (m, d)  = (P - mean patch) W                                          whitening
    G  (m, K)  = (Z - c) A'                                                  the one large matrix product
    code       triangle   max(mean_k z_k - z_j, 0),  z_j = ||z - a_j|| = sqrt(G_j + |a_j|^2 + |z|^2),  A = -2 atoms
               hard       one at argmin_j G_j + |a_j|^2,                                             A = -2 atoms
               threshold  max(G_j - t, 0),                                                           A = atoms
               split      max(G_j - t, 0) and max(-G_j - t, 0),                                      A = atoms
               affine     s_j f(G_j + b_j), f one of sigmoid, tanh, relu, linear, abs, or softmax over j
    pooled     sum of the codes of each cell of a grid

For distances c is where the atoms crowd, if that is far from the origin (atoms there are less c), else 0; z_j and the
argmin are measured again, by differences, where they may be mostly rounding (see `assign`).

The affine codes are those of autoencoders, Boltzmann machines and, with [z^2, z] in place of z, Gaussian mixtures.

Coates, Lee & Ng (2011), "An analysis of single-layer networks in unsupervised feature learning", sections 3.2-3.3;
Coates & Ng (2011), "The importance of encoding versus training with sparse coding and vector quantization".
"""

import math
from dataclasses import dataclass

import numpy as np

from featlearn.arrays import as_float, read_only
from featlearn.jit import njit
from featlearn.kernels.encoding.assign import Atoms, exact_gap, nearest_atoms, prepared_atoms, products
from featlearn.kernels.exp import FINITE, exp, softmax_row
from featlearn.kernels.simd import root_row

TRIANGLE, HARD, THRESHOLD, SPLIT, SIGMOID, TANH, RELU, LINEAR, ABS, SOFTMAX = range(10)
ENCODINGS = {"triangle": TRIANGLE, "hard": HARD, "threshold": THRESHOLD, "split": SPLIT}
ACTIVATIONS = {"sigmoid": SIGMOID, "tanh": TANH, "relu": RELU, "linear": LINEAR, "abs": ABS, "softmax": SOFTMAX}
CODES = ENCODINGS | ACTIVATIONS
BLOCK_BYTES = 4 << 20
BLOCK_PATCHES = 512
CANCELED = 8  # z^2 below so many roots of a rounding of (|x| + |a|)^2 is summed again: float32's z is right to 2e-5
FLAT = 64  # without eps, a patch whose deviation is within so many roundings of its mean is constant, and gives zeros


@dataclass(frozen=True)
class EncoderPlan:
    """Everything the encoder needs to know, as arrays.

    What a learner of rows (n, d) says of its codes:

    * ``atoms`` (K, k) and ``encode``, one of `ENCODINGS` with its ``threshold``, or one of `ACTIVATIONS`, f, with the
      ``bias`` (K,) of its code ``scale * f(x atoms' + bias)``; ``scale`` (K,) or None for 1. With ``squares`` the atoms
      are (K, 2 k) and take [x^2, x].
    * ``whitening`` (d, k), or None and k = d; ``mean`` (d,), or None, is subtracted first.
    * ``eps`` and ``ddof`` of the contrast normalization before all that, or ``eps=None`` for none.

    What `Stage` adds: ``patch`` (height, width); ``stride``; ``row_cells`` and ``col_cells``: disjoint, ordered slices
    of map rows and columns that are summed, or None for every patch on its own. As it is, the plan encodes rows, each
    an image of one pixel.
    """

    atoms: np.ndarray
    encode: str
    threshold: float = 0.0
    eps: float | None = None
    ddof: int = 1
    whitening: np.ndarray | None = None
    mean: np.ndarray | None = None
    patch: tuple[int, int] = (1, 1)
    stride: int = 1
    row_cells: tuple[slice, ...] | None = None
    col_cells: tuple[slice, ...] | None = None
    bias: np.ndarray | None = None
    scale: np.ndarray | None = None
    squares: bool = False

    def __post_init__(self):
        if self.encode not in CODES:
            raise ValueError(f"EncoderPlan: encode={self.encode!r} is not valid; pass one of {', '.join(CODES)}.")
        affine = self.encode in ACTIVATIONS
        if affine != (self.bias is not None) or (not affine and (self.scale is not None or self.squares)):
            raise ValueError(
                f"EncoderPlan: encode={self.encode!r} takes {'a bias' if affine else 'no bias, scale or squares'}."
            )

    @property
    def n_outputs(self) -> int:
        """Channels of the codes."""
        return len(self.atoms) * (2 if self.encode == "split" else 1)


@njit(nogil=True, cache=True, fastmath=True)
def _extract(images, first, rows, height, width, stride, ph, pw, eps, ddof, shift, out):
    """Patches of ``rows`` map rows from the ``first`` on (of all images, in order), contrast-normalized, less shift.

    images (n, H, W, c); map row r is row r % height of image r // height; out (rows * width, ph * pw * c).
    """
    channels = images.shape[3]
    run = pw * channels
    d = ph * run
    flat = images.reshape(images.shape[0], images.shape[1], images.shape[2] * channels)
    for y in range(rows):
        image = flat[(first + y) // height]
        top = (first + y) % height * stride
        for x in range(width):
            patch = out[y * width + x]
            left = x * stride * channels
            # Far from 0 the rounding of a mean would be that of the offset; one pixel takes most of it away, exactly.
            base = image[top, left] if eps >= 0 else image.dtype.type(0)
            for r in range(ph):
                source = image[top + r, left : left + run]
                target = patch[r * run : (r + 1) * run]
                for j in range(run):
                    target[j] = source[j] - base
            if eps >= 0:
                total = patch.dtype.type(0)
                for j in range(d):
                    total += patch[j]
                mean = total / patch.dtype.type(d)
                noise = patch.dtype.type(FLAT * np.finfo(patch.dtype).eps) * (mean + base)
                for j in range(d):
                    patch[j] -= mean
                if eps == 0:  # the result has no unit then, so the patch is measured by itself and no square vanishes
                    size = patch.dtype.type(0)
                    for j in range(d):
                        size = max(size, abs(patch[j]))
                    if size > 0:
                        noise /= size
                        for j in range(d):
                            patch[j] /= size
                square = patch.dtype.type(0)
                for j in range(d):
                    square += patch[j] * patch[j]
                variance = square / patch.dtype.type(max(d - ddof, 1)) + eps
                constant = variance <= noise * noise and eps == 0
                scale = patch.dtype.type(0) if constant else patch.dtype.type(1) / np.sqrt(variance)
                for j in range(d):
                    patch[j] = patch[j] * scale - shift[j]
            else:
                for j in range(d):
                    patch[j] -= shift[j]


@njit(nogil=True, cache=True)
def _mend(x, length, row, atoms, share):
    """Measure again what may have canceled among the distances row (K,) of x, or is NaN; returns their sum."""
    total = 0.0
    for j in range(row.shape[0]):
        if not row[j] >= share * (length + atoms.lengths[j]):
            row[j] = np.sqrt(exact_gap(x, atoms.exact[j]))
        total += row[j]
    return total


@njit(nogil=True, cache=True)
def _distances(Z, atoms, G, squares, share, means):
    """Products G (m, K) of Z (m, d), of squared lengths (m,), into distances; and their means (m,)."""
    bias, K, floor = atoms.bias, G.dtype.type(G.shape[1]), G.dtype.type(np.finfo(G.dtype).tiny)
    suspect = G.dtype.type(9) * share * share  # z < share (|x| + |a|) only where |a| < 2 |x|, since |a| <= |x| + z
    listed, count = np.empty(len(Z), np.int64), 0
    for p in range(len(Z)):  # listed rows wait, since a branch here would count references to every row
        total, doubtful = root_row(G[p], bias, squares[p], suspect * squares[p] + floor)
        means[p] = total / K
        listed[count] = p
        count += doubtful
    for p in listed[:count]:
        means[p] = _mend(Z[p], np.sqrt(squares[p]), G[p], atoms, share) / K


@njit(nogil=True, cache=True, fastmath=True)
def _add_triangle(z, mu, cell):
    """cell += max(mu - z, 0) over the rows of z, two at a time so that the cell is loaded half as often."""
    zero = z.dtype.type(0)
    m = z.shape[0]
    for p in range(0, m - 1, 2):
        a, b, mu_a, mu_b = z[p], z[p + 1], mu[p], mu[p + 1]
        for j in range(cell.shape[0]):
            cell[j] += max(mu_a - a[j], zero) + max(mu_b - b[j], zero)
    if m % 2:
        a, mu_a = z[m - 1], mu[m - 1]
        for j in range(cell.shape[0]):
            cell[j] += max(mu_a - a[j], zero)


@njit(nogil=True, cache=True, fastmath=True)
def _add_threshold(g, t, sign, cell):
    """cell += max(sign * g - t, 0) over the rows of g."""
    zero = g.dtype.type(0)
    for p in range(g.shape[0]):
        row = g[p]
        for j in range(cell.shape[0]):
            cell[j] += max(sign * row[j] - t, zero)


@njit(nogil=True, cache=True, error_model="numpy", fastmath=FINITE)
def _add_affine(g, bias, encode, cell):
    """cell += f(g + bias) over the rows of g, which may be overwritten."""
    one, two, zero = g.dtype.type(1), g.dtype.type(2), g.dtype.type(0)
    for p in range(g.shape[0]):
        row = g[p]
        if encode == SIGMOID:
            for j in range(cell.shape[0]):
                cell[j] += one / (one + exp(-(row[j] + bias[j])))
        elif encode == TANH:
            for j in range(cell.shape[0]):
                cell[j] += two / (one + exp(-two * (row[j] + bias[j]))) - one
        elif encode == RELU:
            for j in range(cell.shape[0]):
                cell[j] += max(row[j] + bias[j], zero)
        elif encode == LINEAR:
            for j in range(cell.shape[0]):
                cell[j] += row[j] + bias[j]
        elif encode == ABS:
            for j in range(cell.shape[0]):
                cell[j] += abs(row[j] + bias[j])
        else:
            for j in range(cell.shape[0]):
                row[j] += bias[j]
            softmax_row(row)
            for j in range(cell.shape[0]):
                cell[j] += row[j]


@njit(nogil=True, cache=True, fastmath=True)
def _with_squares(Z, out):
    """out (m, 2 d) := [Z^2, Z]."""
    d = Z.shape[1]
    for p in range(Z.shape[0]):
        for j in range(d):
            out[p, j] = Z[p, j] * Z[p, j]
            out[p, d + j] = Z[p, j]


@njit(nogil=True, cache=True)
def _encode_images(
    images, atoms, bias, W, shift, whiten, squares, eps, ddof, encode, t, share, ph, pw, stride, height, width, rows,
    row_cell, cols, out,
):  # fmt: skip
    """Padded images (n, H, W, c) into out (n, row cells, column cells, outputs), ``rows`` map rows at a time."""
    A = atoms.A
    K = A.shape[0]
    d = A.shape[1] // 2 if squares else A.shape[1]
    one = A.dtype.type(1)
    patches = np.empty((rows * width, W.shape[0] if whiten else d), A.dtype)
    white = np.empty((rows * width if whiten else 0, d), A.dtype)
    responses = np.empty((rows * width, K), A.dtype)
    norms, means = np.empty(rows * width, A.dtype), np.empty(rows * width, A.dtype)
    labels = np.empty(rows * width, np.int32)
    moved = np.empty((rows * width if atoms.center.shape[0] else 0, d), A.dtype)
    doubled = np.empty((rows * width if squares else 0, 2 * d), A.dtype)
    out[:] = 0
    total = images.shape[0] * height
    for first in range(0, total, rows):
        used = min(rows, total - first)
        m = used * width
        _extract(images, first, used, height, width, stride, ph, pw, eps, ddof, shift, patches)
        Z = patches[:m]
        if whiten:
            Z = white[:m]
            np.dot(patches[:m], W, Z)
        if squares:
            _with_squares(Z, doubled[:m])
            Z = doubled[:m]
        G = responses[:m]
        if encode in (TRIANGLE, HARD):
            products(Z, atoms, moved[:m], G, norms[:m])
        else:
            np.dot(Z, A.T, G)
        if encode == TRIANGLE:
            _distances(Z, atoms, G, norms, share, means)
        elif encode == HARD:
            nearest_atoms(Z, atoms, G, norms, labels, means)
        for y in range(used):
            i, r = (first + y) // height, row_cell[(first + y) % height]
            if r < 0:
                continue
            for c in range(cols.shape[0]):
                lo, hi = y * width + cols[c, 0], y * width + cols[c, 1]
                cell = out[i, r, c]
                if encode == TRIANGLE:
                    _add_triangle(G[lo:hi], means[lo:hi], cell)
                elif encode == HARD:
                    for p in range(lo, hi):
                        cell[labels[p]] += 1
                elif encode >= SIGMOID:
                    _add_affine(G[lo:hi], bias, encode, cell)
                else:
                    _add_threshold(G[lo:hi], t, one, cell[:K])
                    if encode == SPLIT:
                        _add_threshold(G[lo:hi], t, -one, cell[K:])


def map_size(height: int, width: int, patch: tuple[int, int], stride: int) -> tuple[int, int]:
    """Rows and columns of the feature map of an image."""
    return (height - patch[0]) // stride + 1, (width - patch[1]) // stride + 1


def linear_atoms(atoms: np.ndarray, dtype: np.dtype) -> Atoms:
    """Atoms whose products are wanted as they are."""
    A, none, zero = np.ascontiguousarray(atoms, dtype=dtype), np.empty(0, dtype), np.dtype(dtype).type(0)
    return Atoms(-1, read_only(A), A, none, none, none, zero, zero)


class FusedEncoder:
    """The plan made ready for images of one size and dtype; calling it on images (n, H, W, c) gives their codes.

    The result is (n, row cells, column cells, outputs), in the dtype. A call runs on the calling thread; images are
    independent, so calls may run side by side.
    """

    def __init__(self, plan: EncoderPlan, height: int, width: int, dtype: np.dtype):
        self.plan, self.dtype = plan, np.dtype(dtype)
        self.height, self.width = map_size(height, width, plan.patch, plan.stride)
        atoms = plan.atoms
        self.whiten = plan.whitening is not None
        width_in = atoms.shape[1] // (2 if plan.squares else 1)
        self.W, self.shift = np.empty((0, width_in), dtype), np.zeros(width_in, dtype)
        if plan.whitening is not None:
            if plan.mean is None:
                raise ValueError("The plan has a whitening and no mean; give both, or neither.")
            self.W = np.ascontiguousarray(plan.whitening, dtype=dtype)
        if plan.mean is not None:
            self.shift = plan.mean.astype(dtype)
        distances = plan.encode in ("triangle", "hard")
        self.atoms = prepared_atoms(atoms, "euclidean", self.dtype) if distances else linear_atoms(atoms, self.dtype)
        self.bias = np.zeros(len(atoms), dtype) if plan.bias is None else plan.bias.astype(dtype)
        self.scale = None if plan.scale is None else plan.scale.astype(dtype)
        # Without a pool every place is a cell; rows of a table come as a map of one column, so no loop over them.
        self.row_cell, n_rows = np.arange(self.height), self.height
        self.cols = np.column_stack([np.arange(self.width), np.arange(1, self.width + 1)])
        if plan.row_cells:
            self.row_cell, n_rows = np.full(self.height, -1), len(plan.row_cells)
            for i, cell in enumerate(plan.row_cells):
                self.row_cell[cell] = i
        if plan.col_cells:
            self.cols = np.array([(cell.start, cell.stop) for cell in plan.col_cells])
        self.shape = (n_rows, len(self.cols), plan.n_outputs)
        # A block is some map rows of as many images as it takes: some 500 patches feed the product well.
        row_bytes = max(1, self.width * len(atoms) * self.dtype.itemsize)
        self.rows = max(1, min(BLOCK_BYTES // row_bytes, BLOCK_PATCHES // self.width))

    def _check(self, n_channels: int) -> None:
        """Refuse a plan whose arrays, once set by hand on a learner, do not fit each other: the loops follow them."""
        plan, width = self.plan, math.prod(self.plan.patch) * n_channels
        inner = width if plan.whitening is None else plan.whitening.shape[1]
        fits = plan.whitening is None or len(plan.whitening) == width
        fits = fits and plan.atoms.ndim == 2 and plan.atoms.shape[1] == inner * (2 if plan.squares else 1)
        if not (fits and self.shift.shape == (width,) and self.bias.shape == (len(plan.atoms),)):
            raise ValueError(
                f"components_ of shape {plan.atoms.shape}, with intercepts {self.bias.shape} and mean "
                f"{self.shift.shape}, do not fit rows of {width} features. Set what fits the learner, or fit it again."
            )

    def __call__(self, images: np.ndarray) -> np.ndarray:
        self._check(images.shape[3])
        out = np.empty((len(images), *self.shape), self.dtype)
        plan, number = self.plan, self.dtype.type
        images = read_only(np.ascontiguousarray(images, dtype=self.dtype))
        _encode_images(
            images, self.atoms, self.bias, self.W, self.shift, self.whiten,
            plan.squares, number(-1 if plan.eps is None else plan.eps), plan.ddof, CODES[plan.encode],
            number(plan.threshold), number(np.sqrt(CANCELED * np.sqrt(np.finfo(self.dtype).eps / 2))), *plan.patch,
            plan.stride, self.height, self.width, self.rows, self.row_cell, self.cols, out,
        )  # fmt: skip
        if self.scale is not None:
            out *= self.scale
        return out


def encode_rows(X: np.ndarray, plan: EncoderPlan) -> np.ndarray:
    """Codes (n, outputs) of rows X (n, d), float32 or float64 as the rows."""
    # They are an image one pixel wide, each pixel a patch of its own.
    return encode_images(np.ascontiguousarray(as_float(X))[None, :, None, :], plan)[0, :, 0, :]


def encode_images(images: np.ndarray, plan: EncoderPlan) -> np.ndarray:
    """Codes of images (n, H, W, c), pooled: (n, row cells, column cells, outputs), float32 or float64 as the images."""
    return FusedEncoder(plan, images.shape[1], images.shape[2], as_float(images[:0]).dtype)(images)
