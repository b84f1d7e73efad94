"""The sparseness of responses and its derivative, in one pass over a block: the inner loop of ICA and RICA.

    smooth_l1   g(u) = sqrt(u^2 + eps),                        g'(u) = u / g(u)
    logcosh     g(u) = log cosh u = |u| + log(1 + e) - log 2,  g'(u) = tanh u = sign(u) (1 - e) / (1 + e),  e = e^-2|u|

The logarithms of 64 rows are taken at once, as log of a product, which lies between 1 and 2^64.
"""

import numpy as np

from featlearn.jit import njit
from featlearn.kernels.exp import exp

ROWS = 64  # rows summed in the precision of H before they enter the sums in float64


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "nnan", "nsz"})
def smooth_l1_rows(H, eps, sums):
    """H (m, K) := g'(H) in place, and sums (K,) += the column sums of g(H), for g(u) = sqrt(u^2 + eps)."""
    eps = H.dtype.type(eps)
    partial = np.zeros(H.shape[1], H.dtype)
    for i in range(H.shape[0]):
        row = H[i]
        for k in range(row.shape[0]):
            value = np.sqrt(row[k] * row[k] + eps)
            partial[k] += value
            row[k] = row[k] / value if value > 0 else value
        if i % ROWS == ROWS - 1:
            sums += partial
            partial[:] = 0
    sums += partial


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "nnan", "nsz"})
def logcosh_rows(H, sums):
    """H (m, K) := tanh(H) in place, and sums (K,) += the column sums of log cosh H."""
    one, two = H.dtype.type(1), H.dtype.type(2)
    partial, product = np.zeros(H.shape[1], H.dtype), np.ones(H.shape[1], H.dtype)
    for i in range(H.shape[0]):
        row = H[i]
        for k in range(row.shape[0]):
            size = abs(row[k])
            e = exp(-two * size)
            partial[k] += size
            product[k] *= one + e
            row[k] = np.copysign((one - e) / (one + e), row[k])
        if i % ROWS == ROWS - 1:
            sums += partial + np.log(product)
            partial[:] = 0
            product[:] = 1
    sums += partial + np.log(product) - H.shape[0] * np.log(2.0)
