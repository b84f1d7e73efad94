"""Local contrast normalization: every place against its neighborhood, first its mean, then its spread.

For an image x (height, width, k) and a Gaussian window w over places (p, q) and channels, its weights summing to 1,

    v[j, c]   = x[j, c] - sum_{p, i} w[p] x[j + p, i] / k         subtractive
    s[j]      = sqrt(sum_{p, i} w[p] v[j + p, i]^2 / k)           local spread
    y[j, c]   = v[j, c] / max(floor, s[j], eps)                   divisive

where the floor is the mean of s over the image, so flat regions are not blown up, and eps the rounding of its values.
At the border the weights that fall inside the image are scaled to sum to 1, so a constant image becomes exactly zero
everywhere.

Jarrett, Kavukcuoglu, Ranzato and LeCun, "What is the best multi-stage architecture for object recognition?", ICCV 2009.
"""

from typing import Any, ClassVar

import numpy as np
from scipy.ndimage import correlate1d

from featlearn.images.maps import MapTransformer, finite
from featlearn.validation import either, integer, one_of, optional, real

ROUNDINGS = 8  # of the largest value: what may be noise
UNITS = 100  # of the exponents of 2 that a unit may have


def gaussian_window(size: int, sigma: float) -> np.ndarray:
    """A Gaussian over ``size`` places, its weights summing to 1; the 2-D window is its outer product with itself."""
    window = np.exp(-0.5 * ((np.arange(size) - (size - 1) / 2) / sigma) ** 2)
    return window / window.sum()


def local_mean(x: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Mean of x (n, height, width, k) over the window around each place and over channels: (n, height, width)."""
    x = x.mean(axis=-1)
    for axis in (1, 2):
        inside = correlate1d(np.ones(x.shape[axis]), window, mode="constant").astype(x.dtype)
        x = correlate1d(x, window, axis=axis, mode="constant")
        x /= inside[:, np.newaxis] if axis == 1 else inside
    return x


def subtract_local_mean(x: np.ndarray, window: np.ndarray) -> np.ndarray:
    """v = x minus its local mean, for x (n, height, width, k)."""
    # The first value of an image is a shift that the mean takes out again; rounding then leaves constants exactly 0.
    x = x - x[:, :1, :1, :1]
    return x - local_mean(x, window)[..., np.newaxis]


def divide_by_local_spread(v: np.ndarray, window: np.ndarray, floor: float | str, eps: np.ndarray) -> np.ndarray:
    """y = v / max(floor, s, eps), for v (n, height, width, k) and eps (n, 1, 1); a floor of "mean" is that of s."""
    # Each image in units of its own, by a power of 2: that rounds nothing, and no square overflows or vanishes.
    _, exponent = np.frexp(np.abs(v).max(axis=(1, 2, 3)))
    unit = np.ldexp(v.dtype.type(1), -np.clip(exponent, -UNITS, UNITS))[:, np.newaxis, np.newaxis]
    v = v * unit[..., np.newaxis]
    spread = np.sqrt(local_mean(v * v, window))
    least = spread.mean(axis=(1, 2), keepdims=True) if floor == "mean" else floor * unit
    return v / np.maximum(np.maximum(spread, least), np.maximum(eps * unit, np.finfo(v.dtype).tiny))[..., np.newaxis]


def _odd(value: Any) -> str | None:
    return None if integer(1)(value) is None and value % 2 == 1 else "an odd integer of at least 1"


class LocalContrastNormalizer(MapTransformer):
    """Subtract the local mean of an image and divide by its local spread, both over a Gaussian window.

    Every image is treated by itself, so nothing is learned. Multiplying an image by a constant or adding one to it
    changes nothing, except where a fixed ``eps`` or ``floor`` takes over.

    Parameters
    ----------
    size : int, default=9
        Side of the square window, odd.
    sigma : float or None, default=None
        Standard deviation of the window in pixels; None takes size / (4 sqrt(2)), which is 1.591 for a size of 9.
    eps : "auto" or float, default="auto"
        Least divisor, in the units of the pixels: an image with no more contrast than this stays near zero. "auto" is
        eight roundings of the image's largest absolute value, so that noise of rounding alone is not blown up.
    floor : "mean" or float, default="mean"
        What the local spread is raised to where it is smaller: its mean over the image, or a number.

    See Also
    --------
    ContrastNormalizer : The same for rows, each as a whole.

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn import LocalContrastNormalizer
    >>> images = np.random.default_rng(0).uniform(size=(2, 12, 12, 3))
    >>> normalizer = LocalContrastNormalizer(size=5)
    >>> np.allclose(normalizer.transform(images), normalizer.transform(2 * images + 1))
    True
    >>> float(abs(normalizer.transform(np.full((1, 12, 12), 0.7))).max())
    0.0
    """

    _rules: ClassVar = {
        "size": _odd,
        "sigma": optional(real(above=0)),
        "eps": either(one_of("auto"), real(above=0)),
        "floor": either(one_of("mean"), real(0)),
    }

    def __init__(
        self, size: int = 9, *, sigma: float | None = None, eps: float | str = "auto", floor: str | float = "mean"
    ):
        self.size = size
        self.sigma = sigma
        self.eps = eps
        self.floor = floor

    def _apply(self, maps):
        sigma = self.size / (4 * np.sqrt(2)) if self.sigma is None else self.sigma
        window = gaussian_window(self.size, sigma)
        floor = self.floor if isinstance(self.floor, str) else float(self.floor)
        # NumPy's means add in the order of the memory layout; with one layout the result depends on values alone.
        maps = np.ascontiguousarray(maps)
        eps = np.empty((len(maps), 1, 1), maps.dtype)
        if isinstance(self.eps, str):
            eps[:, 0, 0] = ROUNDINGS * np.finfo(maps.dtype).eps * np.abs(maps).max(axis=(1, 2, 3))
        else:
            eps[:] = self.eps
        return finite(divide_by_local_spread(subtract_local_mean(maps, window), window, floor, eps), self)
