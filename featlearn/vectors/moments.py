"""Mean and scatter of rows, learned in one walk, and the principal axes that they have.

    scatter     sum_i (x_i - m)(x_i - m)' = (n - 1) S,   S = V diag(l) V'        (d, d)

Moments are merged in float64 with the centered rule of Chan, Golub & LeVeque (1983). Fewer rows than features are kept
as they are, F (r, d) with S = F'F / (n - 1), and V comes from the (r, r) matrix F F': no (d, d) matrix is ever made.

Numbers of relative rounding r and size s carry rounding of variance (r s)^2 at most, and a sum of squares is known to
float64's precision: a direction whose variance is below what its features' rounding explains does not vary.
"""

from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from scipy import linalg

from featlearn.arrays import as_float, blocks, cache_rows
from featlearn.notices import notify
from featlearn.streaming import accumulate, chunk_rows, is_out_of_core
from featlearn.threads import one_blas_thread

EXACT, SINGLE = float(np.finfo(np.float64).eps), float(np.finfo(np.float32).eps)
GRADED = 1e-9  # ratio of the features' variances below which eigenvectors of the scatter would lose the small ones
LARGE = 256  # features from which on a few eigenvectors are found faster than all
WELL_APART = 1e-6  # ratio of the eigenvalues of few rows down to which F'U is orthonormal to 1e-9


def coarse_rounding(X: Any) -> float:
    """The relative rounding of rows that the gate turns into another dtype: half floats in an array; else 0."""
    return float(np.finfo(np.float16).eps) if getattr(X, "dtype", None) == np.float16 else 0.0


@dataclass(frozen=True)
class Moments:
    """Number of rows n, their mean (d,) and their scatter about it, in float64; moments add.

    The scatter is kept as ``product`` (d, d), or, of fewer rows than features, as ``factor`` F (r, d) with F'F the
    scatter. ``rounding`` is the relative rounding of the rows themselves, the coarsest of all chunks.
    """

    n: int
    mean: np.ndarray
    rounding: float
    product: Any = None
    factor: Any = None

    @classmethod
    def of(cls, chunk: np.ndarray, rounding: float = 0.0, dense: bool = False) -> "Moments":
        """Moments of a chunk of rows (m, d); ``dense`` for the scatter itself though m < d, where more rows follow."""
        m, d = chunk.shape
        dtype = chunk.dtype if chunk.dtype.kind == "f" else as_float(chunk[:0]).dtype
        origin = (np.full(m, 1 / m, as_float(chunk[:0]).dtype) @ chunk).astype(np.float64)
        rounding = max(rounding, float(np.finfo(dtype).eps))
        if m < d and not dense:
            factor = np.subtract(chunk, origin, dtype=np.float64)
            shift = factor.mean(axis=0)
            return cls(m, origin + shift, rounding, factor=(factor - shift)[: m if m > 1 else 0])
        # In blocks that stay in the cache, about the mean up to what rounding left of it far from the origin.
        rows = min(m, max(cache_rows(8 * d, 1 << 18), 4 * d))
        buffer, ones, shift, product = np.empty((rows, d)), np.ones(rows), np.zeros(d), None
        with np.errstate(over="ignore", invalid="ignore"):  # `check_moments` refuses what overflows
            for part in blocks(m, rows):
                centered = np.subtract(chunk[part], origin, out=buffer[: part.stop - part.start])
                shift += ones[: len(centered)] @ centered
                product = centered.T @ centered if product is None else product + centered.T @ centered
            product -= np.outer(shift, shift / m)
        return cls(m, origin + shift / m, rounding, product=product)

    def __add__(self, other: "Moments") -> "Moments":
        n = self.n + other.n
        shift, weight = other.mean - self.mean, self.n * other.n / n
        merged = Moments(n, self.mean + shift * (other.n / n), max(self.rounding, other.rounding))
        few = None if self.factor is None or other.factor is None else len(self.factor) + len(other.factor)
        if few is not None and few < len(shift):
            return replace(merged, factor=np.vstack([self.factor, other.factor, np.sqrt(weight) * shift]))
        return replace(merged, product=self.scatter + other.scatter + np.outer(shift, shift) * weight)

    @property
    def scatter(self) -> np.ndarray:
        """The scatter (d, d)."""
        return self.factor.T @ self.factor if self.product is None else self.product

    @cached_property
    def variances(self) -> np.ndarray:
        """Variances of the features (d,), divided by n - 1."""
        squares = np.einsum("rd,rd->d", self.factor, self.factor) if self.product is None else np.diag(self.product)
        return squares / max(self.n - 1, 1)

    @cached_property
    def noise(self) -> np.ndarray:
        """Variance of the rounding of each feature (d,), at most: (r s)^2, s^2 the mean square of its values."""
        return self.rounding**2 * (self.mean**2 + self.variances)

    def scaled(self, scales: np.ndarray) -> "Moments":
        """Moments of the rows with their features multiplied by scales (d,)."""
        product = None if self.product is None else self.product * np.outer(scales, scales)
        factor = None if self.factor is None else self.factor * scales
        return replace(self, mean=self.mean * scales, product=product, factor=factor)

    def times(self, P: np.ndarray) -> np.ndarray:
        """The scatter times P (d, k)."""
        return self.factor.T @ (self.factor @ P) if self.product is None else self.product @ P

    def root(self) -> np.ndarray:
        """Some F (r, d) with F'F the scatter."""
        if self.factor is not None:
            return self.factor
        values, vectors = linalg.eigh(self.product)
        return np.sqrt(np.maximum(values, 0))[:, None] * vectors.T


def moments_of(X: Any, rounding: float = 0.0) -> Moments:
    """Moments of rows in an array, a memmap, a stream or a Dask collection, in one walk."""
    if is_out_of_core(X):
        return accumulate(partial(Moments.of, rounding=rounding), X)
    statistic = partial(Moments.of, rounding=rounding, dense=X.shape[0] >= X.shape[1])
    if X.shape[0] <= chunk_rows(X):  # one chunk: a walk would cost as much as the sums
        with one_blas_thread():
            return statistic(X)
    return accumulate(statistic, X)


def check_moments(who: str, moments: Moments) -> None:
    """Refuse one row, and rows whose squares overflow or vanish in float64."""
    if moments.n < 2:
        raise ValueError(f"{who}: n_samples=1 has no covariance; pass at least 2 samples.")
    largest, size = moments.variances.max(initial=0), np.abs(moments.mean).max(initial=0)
    if not np.isfinite(largest):
        raise ValueError(f"{who}: squares of the samples overflow float64. Scale the data down.")
    if largest < 1e-280 and 0 < size < 1e-130:
        raise ValueError(
            f"{who}: the samples are about {size:.3g} large, and squares of such numbers vanish in float64. Scale the "
            "data up."
        )


@dataclass(frozen=True)
class Axes:
    """Leading principal axes: variances l (k,), descending; axes V (d, k); what rounding explains of l, floors (k,).

    The entry of largest magnitude of each axis is positive.
    """

    values: np.ndarray
    vectors: np.ndarray
    floors: np.ndarray

    @property
    def varies(self) -> np.ndarray:
        """Which directions vary by more than rounding (k,)."""
        return self.values > self.floors


def principal_axes(moments: Moments, k: int | None = None) -> Axes:
    """The k leading principal axes, or all: d of them, or as many as fewer rows have."""
    d, spread = len(moments.mean), moments.n - 1
    variances = moments.variances
    noise = moments.noise
    varying = variances[variances > noise]
    precision = 8 * d * EXACT
    with one_blas_thread():
        if len(varying) and varying.min() < GRADED * varying.max():
            F = moments.factor if moments.product is None else _graded_root(moments, variances > noise)
            _, s, V = linalg.svd(F, full_matrices=False, check_finite=False)
            values, vectors, precision = s**2 / spread, V.T, precision**2
        elif moments.product is None:
            values, vectors = _axes_of_rows(moments.factor / np.sqrt(spread), k)
        else:
            S = moments.product / spread
            if k is None or 4 * k > d or d < LARGE:
                values, vectors = np.linalg.eigh(S)
            else:
                values, vectors = linalg.eigh(S, subset_by_index=[d - k, d - 1], check_finite=False, overwrite_a=True)
            values, vectors = values[::-1], vectors[:, ::-1]
    values, vectors = np.maximum(values[:k], 0), vectors[:, :k]
    # Rows may be the result of sums in their own precision (half floats are added in single).
    noise = noise + 8 * d * max(EXACT, min(moments.rounding, SINGLE) ** 2) * variances
    floors = np.maximum(precision * values.max(initial=0), noise @ vectors**2)
    if (constant := variances <= moments.noise).any():
        vectors = np.where(constant[:, None] & (values > floors), 0, vectors)  # else the rounding of a zero
    largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(len(values))] if len(values) else values
    return Axes(values, vectors * np.where(largest < 0, -1, 1), floors)


def _axes_of_rows(F: np.ndarray, k: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and orthonormal eigenvectors of F'F from F F', for F (r, d) of few rows, largest first."""
    values, U = linalg.eigh(F @ F.T, driver="evd", check_finite=False)
    values, U = np.maximum(values[::-1][:k], 0), U[:, ::-1][:, :k]
    vectors = F.T @ U
    if values.min(initial=1) > WELL_APART * values.max(initial=0):
        return values, vectors / np.sqrt(values)
    # F'U is orthogonal but for rounding, which the smallest directions feel.
    vectors, R = linalg.qr(vectors, mode="economic", check_finite=False, overwrite_a=True)
    return values, vectors * np.where(np.diag(R) < 0, -1, 1)


def _graded_root(moments: Moments, varies: np.ndarray) -> np.ndarray:
    """F (r, d) with F'F the scatter, each feature to its own precision: the root of their correlations, rescaled."""
    deviations = np.sqrt(np.diag(moments.product))
    scales = np.divide(1, deviations, out=np.zeros_like(deviations), where=varies)
    values, vectors = linalg.eigh(moments.product * np.outer(scales, scales), check_finite=False)
    values[values <= 8 * len(values) * EXACT * values[-1]] = 0
    return np.sqrt(values)[:, None] * vectors.T * deviations


def sphering(moments: Moments, share: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """P (d, r) with cov((x - m) P) = I, without the directions that do not vary, and the axes (d, r) it scales.

    Features are first brought to unit variance, so that their units do not decide; then directions whose share of the
    largest variance is at most ``share`` are left out.
    """
    variances = moments.variances
    varies = variances > moments.noise
    scales = np.divide(1, np.sqrt(variances), out=np.zeros_like(variances), where=varies)
    axes = principal_axes(moments.scaled(scales))
    kept = axes.values > np.maximum(axes.floors, share * axes.values.max(initial=0))
    B = axes.vectors[:, kept]
    return scales[:, None] * B / np.sqrt(axes.values[kept]), B


def warn_of_too_few(who: str, n: int, d: int, cure: str) -> None:
    """A UserWarning that n samples were whitened in all n - 1 directions they have."""
    notify(
        f"{who}: {n} samples of {d} features are whitened in all the {n - 1} directions they have, which puts each as "
        f"far from every other, so the outputs hardly carry over to new samples. Pass more samples, or {cure}."
    )
