"""A step of Euclidean K-means for few atoms of few features: one pass, each distance by differences in float64.

    label_i = argmin_k |x_i - a_k|^2,  sums_k = sum_{i in k} w_i x_i,  won_k = sum_{i in k} w_i,
    inertia = sum_i w_i |x_i - a_label_i|^2

For few atoms this is faster than a matrix product, which must be scanned and, where it cancels, confirmed; for few
samples, too, for a product has more to prepare. Ties go to the lowest index, as in `assign`.
"""

import numpy as np

from featlearn.jit import njit

FEW = 12  # atoms up to which differences are faster than a product
SMALL = 1 << 16  # n K d up to which they are faster for any number of atoms


def is_direct(X: np.ndarray, atoms: np.ndarray) -> bool:
    """Whether `direct_step` is the faster way for rows X (n, d) and atoms (K, d)."""
    return len(atoms) <= FEW or X.size * len(atoms) <= SMALL


@njit(nogil=True, cache=True, fastmath=True)
def _square(x, a):
    """|x - a|^2 in float64."""
    square = 0.0
    for j in range(x.shape[0]):
        difference = np.float64(x[j]) - a[j]
        square += difference * difference
    return square


@njit(nogil=True, cache=True)
def direct_step(X, atoms, weights, labels, sums, won):
    """One step for rows X (n, d), atoms (K, d) and weights (n,) in float64; labels (n,), sums and won are written.

    Returns the inertia. Empty labels or sums are left out.
    """
    inertia = 0.0
    for i in range(X.shape[0]):
        x, w = X[i], weights[i]
        at, least = 0, np.inf
        for k in range(atoms.shape[0]):
            square = _square(x, atoms[k])
            if square < least:
                at, least = k, square
        if labels.shape[0]:
            labels[i] = at
        inertia += w * least
        won[at] += w
        if sums.shape[0]:
            total = sums[at]
            for j in range(x.shape[0]):
                total[j] += w * x[j]
    return inertia
