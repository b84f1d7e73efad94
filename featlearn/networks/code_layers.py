"""What learners' codes are beside dense layers, as layers: contrast, thresholds, magnitudes, squares, norms.

For features x (..., d) on the last axis, whatever is before it:

    Contrast    (x - mean x) / sqrt(var x + eps),  var with divisor d - ddof            as `ContrastNormalizer`
    Centered    x - mean x
    SplitParts  max(x - t, 0) and max(-x - t, 0)                                        Coates & Ng (2011)
    Shrink      sign(x) max(|x| - t, 0)
    Magnitude   |x|,  sqrt(x^2 + eps)  or  log(1 + x^2)                                 Ngiam et al. (2011)
    UnitNorm    x / |x|,  0 for 0
    WithSquares [x^2, x];    Products  [x, x_i x_j],  i <= j
    Clip        x within [low, high]

Nothing here is learned. The slope of a kink at the kink itself is 0, as relu's.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from featlearn.kernels.encoding.encode import FLAT
from featlearn.networks.layers import Layer, Shape
from featlearn.training import Params, State
from featlearn.vectors.contrast import contrast_normalize


def rounding(x: Any) -> float:
    """The rounding of 1 in a tensor's precision."""
    from keras.backend import standardize_dtype

    return {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10}.get(standardize_dtype(x.dtype), 2.0**-7)


class RowLayer(Layer):
    """A layer without parameters and draws: ``formula(x)`` in `keras.ops`; ``values(x)`` gives y and what is kept of
    it in NumPy, and ``slopes(kept, d)`` the derivative by x."""

    by_hand: ClassVar[bool] = True

    def formula(self, x: Any) -> Any:
        """y, of tensors."""
        raise NotImplementedError

    def values(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        """y, and what `slopes` needs."""
        raise NotImplementedError

    def slopes(self, kept: Any, d: np.ndarray) -> np.ndarray:
        """The derivative by x from d, that by y."""
        raise NotImplementedError

    def apply(self, p: Any, s: Any, x: Any, seed: Any, training: bool) -> tuple[Any, Any]:
        """The formula."""
        return self.formula(x), s

    def forward(self, p: Params, s: State, x: np.ndarray, rng: Any, training: bool) -> tuple[np.ndarray, Any, State]:
        """The formula."""
        return (*self.values(x), s)

    def backward(self, p: Params, s: State, kept: Any, d: np.ndarray, g: Params) -> np.ndarray:
        """The derivative by x."""
        return self.slopes(kept, d)


@dataclass(frozen=True)
class Contrast(RowLayer):
    """Each row less its mean, by its deviation: a `ContrastNormalizer`.

    Parameters
    ----------
    eps : float
        Added to the variance; 0 leaves constant rows at 0.
    ddof : int, default=1
        The variance divides by d - ddof.
    """

    eps: float
    ddof: int = 1

    def formula(self, x: Any) -> Any:
        """(x - mean) / sqrt(var + eps)."""
        from keras import ops

        mean = ops.mean(x, axis=-1, keepdims=True)
        x = x - mean
        x = x - ops.mean(x, axis=-1, keepdims=True)  # the rounding of a mean far from 0
        divisor = max(x.shape[-1] - self.ddof, 1)
        if self.eps:
            return x / ops.sqrt(ops.sum(x * x, axis=-1, keepdims=True) / divisor + self.eps)
        # Measured by itself, so that no square can vanish; what is noise of rounding gives 0.
        size = ops.maximum(ops.max(ops.abs(x), axis=-1, keepdims=True), 1e-30)
        x = x / ops.stop_gradient(size)
        flat = (FLAT * rounding(x) * ops.abs(mean) / size) ** 2
        variance = ops.sum(x * x, axis=-1, keepdims=True) / divisor
        varies = variance > flat
        return ops.where(varies, x / ops.sqrt(ops.where(varies, variance, 1.0)), 0.0)

    def values(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        """The same, and 1 / sqrt(var + eps)."""
        rows = x.reshape(-1, x.shape[-1])
        y = contrast_normalize(rows, self.eps, self.ddof).reshape(x.shape)
        d = max(x.shape[-1] - self.ddof, 1)
        spread = np.sqrt(x.var(axis=-1, keepdims=True) * x.dtype.type(x.shape[-1] / d) + x.dtype.type(self.eps))
        # A row of zeros was constant: nothing comes back from it.
        inverse = np.divide(1, spread, out=np.zeros_like(spread), where=spread > 0)
        return y, (y, inverse if self.eps else inverse * y.any(axis=-1, keepdims=True))

    def slopes(self, kept: Any, d: np.ndarray) -> np.ndarray:
        """Through the mean and the deviation too."""
        y, inverse = kept
        divisor = d.dtype.type(max(d.shape[-1] - self.ddof, 1))
        back = (d - y * ((d * y).sum(axis=-1, keepdims=True) / divisor)) * inverse
        return back - back.mean(axis=-1, keepdims=True)


@dataclass(frozen=True)
class Centered(RowLayer):
    """Each row less its mean."""

    def formula(self, x: Any) -> Any:
        """x - mean."""
        from keras import ops

        return x - ops.mean(x, axis=-1, keepdims=True)

    def values(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        """x - mean."""
        return x - x.mean(axis=-1, keepdims=True), None

    def slopes(self, kept: Any, d: np.ndarray) -> np.ndarray:
        """d - mean."""
        return d - d.mean(axis=-1, keepdims=True)


@dataclass(frozen=True)
class SplitParts(RowLayer):
    """max(x - t, 0), then max(-x - t, 0): twice the features.

    Parameters
    ----------
    threshold : float, default=0.0
        t.
    """

    threshold: float = 0.0

    def shape(self, shape: Shape) -> Shape:
        """Twice the features."""
        return (*shape[:-1], 2 * shape[-1])

    def formula(self, x: Any) -> Any:
        """The two parts."""
        from keras import ops

        return ops.relu(ops.concatenate([x, -x], axis=-1) - self.threshold)

    def values(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        """The two parts."""
        y = np.concatenate([x, -x], axis=-1)
        y -= y.dtype.type(self.threshold)
        np.maximum(y, 0, out=y)
        return y, y > 0

    def slopes(self, kept: Any, d: np.ndarray) -> np.ndarray:
        """Of the one less of the other."""
        above, below = np.split(d * kept, 2, axis=-1)
        return above - below


@dataclass(frozen=True)
class Shrink(RowLayer):
    """sign(x) max(|x| - t, 0), a soft threshold.

    Parameters
    ----------
    threshold : float, default=0.1
        t.
    """

    threshold: float = 0.1

    local: ClassVar[bool] = True

    def formula(self, x: Any) -> Any:
        """x less its projection on [-t, t]."""
        from keras import ops

        return ops.relu(x - self.threshold) - ops.relu(-x - self.threshold)

    def values(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        """x less its projection on [-t, t]."""
        t = float(self.threshold)
        return x - np.clip(x, -t, t), np.abs(x) > t

    def slopes(self, kept: Any, d: np.ndarray) -> np.ndarray:
        """Where it is not 0."""
        return d * kept


@dataclass(frozen=True)
class Clip(RowLayer):
    """x kept within [low, high]: a `MinMaxScaler` that clips.

    Parameters
    ----------
    low, high : float, default=0.0, 1.0
        The ends.
    """

    low: float = 0.0
    high: float = 1.0

    local: ClassVar[bool] = True

    def formula(self, x: Any) -> Any:
        """x within the ends."""
        from keras import ops

        inside = ops.cast(ops.logical_and(x > self.low, x < self.high), x.dtype)
        return ops.where(inside > 0, x, ops.stop_gradient(ops.clip(x, self.low, self.high)))

    def values(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        """x within the ends."""
        return np.clip(x, float(self.low), float(self.high)), (x > self.low) & (x < self.high)

    def slopes(self, kept: Any, d: np.ndarray) -> np.ndarray:
        """Where it lies between the ends."""
        return d * kept


@dataclass(frozen=True)
class Magnitude(RowLayer):
    """|x|, or smoother: sqrt(x^2 + eps), or log(1 + x^2).

    Parameters
    ----------
    kind : {"abs", "softabs", "log"}, default="abs"
        Which of them.
    eps : float, default=1e-8
        Of "softabs".
    """

    kind: str = "abs"
    eps: float = 1e-8

    local: ClassVar[bool] = True

    def formula(self, x: Any) -> Any:
        """The magnitude."""
        from keras import ops

        if self.kind == "abs":
            return ops.relu(x) + ops.relu(-x)
        return ops.sqrt(x * x + self.eps) if self.kind == "softabs" else ops.log1p(x * x)

    def values(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        """The magnitude, and its slope."""
        if self.kind == "abs":
            return np.abs(x), np.sign(x)
        if self.kind == "log":
            return np.log1p(x * x), 2 * x / (1 + x * x)
        y = np.sqrt(x * x + x.dtype.type(self.eps))
        return y, x / y

    def slopes(self, kept: Any, d: np.ndarray) -> np.ndarray:
        """d times the slope."""
        return d * kept


@dataclass(frozen=True)
class UnitNorm(RowLayer):
    """Each row scaled to length 1; a row of zeros stays."""

    def formula(self, x: Any) -> Any:
        """x / |x|."""
        from keras import ops

        square = ops.sum(x * x, axis=-1, keepdims=True)
        return ops.where(square > 0, x / ops.sqrt(ops.where(square > 0, square, 1.0)), 0.0)

    def values(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        """x / |x|, and 1 / |x|."""
        norm = np.sqrt((x * x).sum(axis=-1, keepdims=True))
        inverse = np.divide(1, norm, out=np.zeros_like(norm), where=norm > 0)
        y = x * inverse
        return y, (y, inverse)

    def slopes(self, kept: Any, d: np.ndarray) -> np.ndarray:
        """Along the sphere."""
        y, inverse = kept
        return (d - y * (d * y).sum(axis=-1, keepdims=True)) * inverse


@dataclass(frozen=True)
class WithSquares(RowLayer):
    """[x^2, x]."""

    def shape(self, shape: Shape) -> Shape:
        """Twice the features."""
        return (*shape[:-1], 2 * shape[-1])

    def formula(self, x: Any) -> Any:
        """Squares first."""
        from keras import ops

        return ops.concatenate([x * x, x], axis=-1)

    def values(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        """Squares first."""
        return np.concatenate([x * x, x], axis=-1), x

    def slopes(self, kept: Any, d: np.ndarray) -> np.ndarray:
        """Of both."""
        squares, plain = np.split(d, 2, axis=-1)
        return 2 * kept * squares + plain


@dataclass(frozen=True)
class Products(RowLayer):
    """[x, all products x_i x_j with i <= j]: what is quadratic becomes linear."""

    def shape(self, shape: Shape) -> Shape:
        """d + d (d + 1) / 2 features."""
        d = shape[-1]
        return (*shape[:-1], d + d * (d + 1) // 2)

    def formula(self, x: Any) -> Any:
        """x first."""
        from keras import ops

        i, j = np.triu_indices(x.shape[-1])
        return ops.concatenate([x, ops.take(x, i, axis=-1) * ops.take(x, j, axis=-1)], axis=-1)

    def values(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        """x first."""
        i, j = np.triu_indices(x.shape[-1])
        return np.concatenate([x, x[..., i] * x[..., j]], axis=-1), x

    def slopes(self, kept: Any, d: np.ndarray) -> np.ndarray:
        """Of the square matrix of the products' derivatives, twice its symmetric part."""
        n = kept.shape[-1]
        i, j = np.triu_indices(n)
        square = np.zeros((*kept.shape[:-1], n, n), d.dtype)
        square[..., i, j] = d[..., n:]
        both = square + np.swapaxes(square, -1, -2)
        return d[..., :n] + (both @ kept[..., None])[..., 0]
