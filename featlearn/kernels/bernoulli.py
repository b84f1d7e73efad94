"""Steps of Gibbs sampling: sigmoids, draws of binary units, and what is summed on the way, each in one pass.

The random number of a unit is a hash of its place in the array and of a key, one key a draw. It needs no state, so the
loop becomes vector instructions (0.3 ns a unit, where a generator and a comparison take 2), and depends on no order.
Numbers are multiples of 2^-24 in [0, 1), also in float64.

The hash is "lowbias32" (Wellons 2018) with a key between its two rounds; every row has a start and a key of its own.
"""

import numpy as np

from featlearn.jit import njit
from featlearn.kernels.exp import FINITE, exp


@njit(inline="always")
def _hash(x, key):
    """A number of 32 bits for a number and a key."""
    # Sums and products of uint32 are uint64 in numba; cut back each time, they cost what 32 bits cost.
    x = np.uint32(x ^ (x >> np.uint32(16)))
    x = np.uint32(np.uint32(x * np.uint32(0x7FEB352D)) ^ key)
    x = np.uint32(x ^ (x >> np.uint32(15)))
    x = np.uint32(x * np.uint32(0x846CA68B))
    return np.uint32(x ^ (x >> np.uint32(16)))


@njit(inline="always")
def _row_keys(key, i):
    """Two numbers that the units of row i share."""
    first = _hash(np.uint32(key[0] + np.uint32(i)), key[1])
    return first, _hash(first, np.uint32(~key[0]))


@njit(inline="always")
def _uniform(first, second, j, scale):
    """A number of [0, 1) for unit j of a row; ``scale`` is 2^-24 in the dtype wanted."""
    return scale * np.int32(_hash(np.uint32(first + np.uint32(j)), second) >> np.uint32(8))


def new_key(rng: np.random.Generator) -> np.ndarray:
    """The key of one draw, two uint32."""
    return np.array([rng.bit_generator.random_raw()], np.uint64).view(np.uint32)


@njit(nogil=True, cache=True, error_model="numpy", fastmath=FINITE)
def sigmoid_into(Z, bias, weight, out):
    """out := weight / (1 + exp(-(Z + bias))); Z, out (m, K), bias (K,)."""
    one, weight = Z.dtype.type(1), Z.dtype.type(weight)
    for i in range(Z.shape[0]):
        z, o = Z[i], out[i]
        for j in range(z.shape[0]):
            o[j] = weight / (one + exp(-(z[j] + bias[j])))


@njit(nogil=True, cache=True, error_model="numpy", fastmath=FINITE)
def draw_rows(Z, bias, key, weight, means):
    """Z := 1 with probability p = 1 / (1 + exp(-(Z + bias))), else 0, in place; means := weight * p; all (m, K)."""
    one, zero, weight = Z.dtype.type(1), Z.dtype.type(0), Z.dtype.type(weight)
    scale = Z.dtype.type(2.0**-24)
    for i in range(Z.shape[0]):
        z, mean = Z[i], means[i]
        first, second = _row_keys(key, i)
        for j in range(z.shape[0]):
            p = one / (one + exp(-(z[j] + bias[j])))
            mean[j] = weight * p
            z[j] = one if _uniform(first, second, j, scale) < p else zero


@njit(nogil=True, cache=True, error_model="numpy", fastmath=FINITE)
def bernoulli_rows(P, key):
    """P := 1 with probability P, else 0, in place."""
    one, zero, scale = P.dtype.type(1), P.dtype.type(0), P.dtype.type(2.0**-24)
    for i in range(P.shape[0]):
        p = P[i]
        first, second = _row_keys(key, i)
        for j in range(p.shape[0]):
            p[j] = one if _uniform(first, second, j, scale) < p[j] else zero


@njit(nogil=True, cache=True, error_model="numpy", fastmath=FINITE)
def keep_rows(out, key, share):
    """out (m, K) := 1 / share with probability ``share``, else 0: the mask of a dropout."""
    zero, kept, scale = out.dtype.type(0), out.dtype.type(1.0 / share), out.dtype.type(2.0**-24)
    edge = out.dtype.type(share)
    for i in range(out.shape[0]):
        row = out[i]
        first, second = _row_keys(key, i)
        for j in range(row.shape[0]):
            row[j] = kept if _uniform(first, second, j, scale) < edge else zero


@njit(nogil=True, cache=True, error_model="numpy")
def sum_rows(A, out):
    """out (d,) := the sum of the rows of A (n, d), in its precision."""
    out[:] = 0
    for i in range(A.shape[0]):
        for j in range(out.shape[0]):
            out[j] += A[i, j]


@njit(nogil=True, cache=True, error_model="numpy")
def mean_change(A, m, out):
    """out (d,) := the mean of the rows of A (n, d) from the m-th on, less that of the first m."""
    later, first = A.dtype.type(1 / (A.shape[0] - m)), A.dtype.type(1 / m)
    out[:] = 0
    for i in range(m):
        for j in range(out.shape[0]):
            out[j] -= A[i, j]
    for j in range(out.shape[0]):
        out[j] *= first
    for i in range(m, A.shape[0]):
        for j in range(out.shape[0]):
            out[j] += later * A[i, j]


@njit(nogil=True, cache=True, fastmath=True)
def squared_distance(A, B):
    """Sum of (A - B)^2 over rows, each row summed in its own precision."""
    total = 0.0
    for i in range(A.shape[0]):
        a, b, row = A[i], B[i], A.dtype.type(0)
        for j in range(a.shape[0]):
            row += (a[j] - b[j]) * (a[j] - b[j])
        total += row
    return total


@njit(nogil=True, cache=True, error_model="numpy", fastmath=FINITE | {"reassoc"})
def anneal_rows(Z, bias, beta, new_beta, key, log_weights):
    """A step of annealing: log_weights (m,) += sum_k log (1 + exp(new_beta a)) / (1 + exp(beta a)), a = Z + bias.

    Z (m, K) := 1 with probability 1 / (1 + exp(-new_beta a)), else 0, in place. In float64: thousands of steps add up.
    """
    one, zero = Z.dtype.type(1), Z.dtype.type(0)
    step = new_beta - beta
    for i in range(Z.shape[0]):
        z = Z[i]
        first, second = _row_keys(key, i)
        length = 0.0
        for j in range(z.shape[0]):
            length += abs(np.float64(z[j]) + bias[j])
        product, logs = 1.0, 0.0
        if step * length < 600.0:  # the product of all the ratios is finite, and one logarithm is enough
            for j in range(z.shape[0]):
                a = np.float64(z[j]) + bias[j]
                p = 1.0 / (1.0 + exp(-beta * a))
                on = p * exp(step * a)
                ratio = (1.0 - p) + on
                product *= ratio
                z[j] = one if _uniform(first, second, j, 2.0**-24) * ratio < on else zero
        else:
            for j in range(z.shape[0]):
                a = np.float64(z[j]) + bias[j]
                logs += _softplus(new_beta * a) - _softplus(beta * a)
                p = 1.0 / (1.0 + exp(-new_beta * a))
                z[j] = one if _uniform(first, second, j, 2.0**-24) < p else zero
        log_weights[i] += np.log(product) + logs


@njit(inline="always")
def _softplus(x):
    return max(x, 0.0) + np.log1p(np.exp(-abs(x)))


@njit(nogil=True, cache=True, error_model="numpy", fastmath=FINITE)
def flip_rows(X, A, W, group, out):
    """out (m, d): how much sum_k log(1 + exp(a_k)) grows if x_j becomes 1 - x_j; A (m, K) holds a = x W' + b.

    With p = 1 / (1 + exp(-a)) and s = 1 - 2 x_j it is log prod_k ((1 - p_k) + p_k exp(s W_kj)): a logarithm every
    ``group`` factors, so that no product overflows.
    """
    K, d = W.shape
    product = np.empty(d)
    for i in range(X.shape[0]):
        total, x = out[i], X[i]
        total[:] = 0.0
        for top in range(0, K, group):
            product[:] = 1.0
            for k in range(top, min(top + group, K)):
                w = W[k]
                p = 1.0 / (1.0 + exp(-np.float64(A[i, k])))
                q = 1.0 / (1.0 + exp(np.float64(A[i, k])))
                for j in range(d):
                    product[j] *= q + p * exp((1.0 - 2.0 * x[j]) * w[j])
            for j in range(d):
                total[j] += np.log(product[j])


@njit(nogil=True, cache=True, error_model="numpy", fastmath=FINITE)
def flip_rectified_rows(X, A, W, out):
    """As `flip_rows`, of sum_k max(a_k, 0)^2 / 2."""
    for i in range(X.shape[0]):
        total, x = out[i], X[i]
        total[:] = 0.0
        for k in range(W.shape[0]):
            w, a = W[k], np.float64(A[i, k])
            before = max(a, 0.0)
            for j in range(W.shape[1]):
                after = max(a + (1.0 - 2.0 * x[j]) * w[j], 0.0)
                total[j] += 0.5 * (after * after - before * before)
