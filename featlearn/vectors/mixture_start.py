"""A first look at samples, from which a mixture starts: means, variances, units, and what to add to variances."""

from dataclasses import dataclass

import numpy as np

from featlearn.arrays import as_float
from featlearn.kernels.encoding.assign import nearest
from featlearn.kernels.sample import RowSample
from featlearn.validation import chunk_weights
from featlearn.vectors.alternation import sample_of

OUTLYING = 100  # quartile ranges from which a deviation is that of outliers
REGULAR = 1e-6  # of a variance: what reg_covar="auto" adds


@dataclass(frozen=True)
class Glance:
    """A first look at samples: sum w, mean (d,), sum w (x - mean)^2 (d,), how many weigh, and some rows; they add.

    Chan, Golub & LeVeque (1979): no square is taken of anything but a distance from a mean.
    """

    total: float
    mean: np.ndarray
    squares: np.ndarray
    n_samples: int
    sample: RowSample

    def __add__(self, other: "Glance") -> "Glance":
        total = self.total + other.total
        share, move = other.total / total if total > 0 else 0.0, other.mean - self.mean
        return Glance(
            total,
            self.mean + share * move,
            self.squares + other.squares + self.total * share * move**2,
            self.n_samples + other.n_samples,
            self.sample + other.sample,
        )


def glance(chunk, weights=None, *, size, seed):
    """`Glance` at one chunk, with ``size`` random distinct rows."""
    sample = sample_of(chunk, weights, size=size, seed=seed)
    X = as_float(chunk)
    w = chunk_weights(X, weights)
    total = float(w.sum())
    first = X[0].astype(np.float64)
    rest = X - first
    move = w @ rest / total if total > 0 else np.zeros(len(first))
    rest -= move
    return Glance(total, first + move, w @ (rest * rest), int(np.count_nonzero(w)), sample)


def spread(chunk, weights=None, *, means, center, scale, matrix):
    """Sum w (x - mean)^2 (d,), or sum w (x - mean)'(x - mean), of a chunk about the nearest of some means.

    All in units of ``scale`` about ``center``.
    """
    X = (as_float(chunk) - center) / scale
    w = chunk_weights(X, weights)
    rest = X - means[nearest(X, means, "euclidean")[0]]
    return (w[:, None] * rest).T @ rest if matrix else w @ (rest * rest)


def units(rows: np.ndarray, deviations: np.ndarray) -> np.ndarray:
    """Units (d,) in which K-means takes distances: the deviation, but no outlier may swell it, and 1 for constants."""
    low, high = np.quantile(rows, [0.25, 0.75], axis=0)
    most = np.where(high > low, OUTLYING * (high - low), np.inf)
    return np.where(deviations > 0, np.minimum(deviations, most), 1.0)


def regularizer(within: np.ndarray, overall: np.ndarray) -> np.ndarray:
    """What ``reg_covar="auto"`` adds (d,): a share of the variance about the nearest first mean.

    Not of the variance over all samples, beside which groups far apart would all be points. A feature without variance
    within groups takes the median of the others, or its own over all samples if that is less.
    """
    present, varies = within[within > 0], overall > 0
    typical = np.median(present) if len(present) else np.inf
    least = np.minimum(np.where(within > 0, within, overall), np.where(within > 0, np.inf, typical))
    constant = typical if len(present) else np.median(overall[varies]) if varies.any() else 1.0
    return REGULAR * np.where(varies, least, constant)
