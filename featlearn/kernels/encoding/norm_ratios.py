"""Sparse filtering, fused: loss and gradient, row norms and codes of a chunk, one cache-sized block at a time.

X (n, d) samples (the mean of each removed, if asked), W (K, d) weights, F = X W' responses, r (K,) norms:

    softabs  s(f) = sqrt(f^2 + eps)        log  s(f) = log(1 + f^2)
    U = s(F) / r,   r_k^2 = sum_n s(F_nk)^2        every feature divided by its norm over the samples
    V = U / c,      c_n^2 = sum_k U_nk^2           every sample divided by its norm over the features
    L = sum_nk V_nk                                what is minimized

    dL/dU_nk = (1 - V_nk sum_j V_nj) / c_n,        t_k = sum_n U_nk dL/dU_nk
    dL/dW_k  = sum_n dL/dU_nk s'(F_nk) / r_k x_n  -  t_k / r_k^2  H_k,    H_k = sum_n s s'(F_nk) x_n = 1/2 d(r_k^2)/dW_k

The second term, what W does through r, needs t of all samples; but H does not, so it is added after the walk. For
softabs s s' = f, and with the Gram matrix S = X'X, known before, H = W S and r_k^2 = w_k' S w_k + n eps: an evaluation
is one walk with two matrix products. log needs a walk of its own for r and H (`squares_and_slopes`). In the code
``scale`` is 1 / r times any one number, which cancels in V, L, t and dL/dW, so that it can be near 1 whatever n is.

Ngiam, Koh, Chen, Bhaskar & Ng (2011), "Sparse filtering", NIPS.
"""

import numpy as np
from numba import types
from numba.extending import intrinsic, overload

from featlearn.arrays import cache_rows
from featlearn.jit import njit

SOFTABS, LOG = range(2)
ACTIVATIONS = {"softabs": SOFTABS, "log": LOG}
BLOCK_BYTES = 1 << 20
BLOCK_ROWS = (256, 1024)  # fewest and most rows of a block: what the matrix products need, what the cache holds
LN2 = float(np.log(2.0))


@intrinsic
def _recast(typingctx, value):
    """The bits of a float as an integer, and back."""
    twins: dict = {types.float32: types.int32, types.float64: types.int64}
    twins |= {whole: real for real, whole in twins.items()}
    twin = twins.get(value)

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], context.get_value_type(signature.return_type))

    return None if twin is None else (twin(value), codegen)


def log1p(x):
    """log(1 + x) of one float32 or float64, x >= 0, as vector instructions; for compiled code only."""
    raise TypeError("log1p runs inside compiled code; in Python call np.log1p.")


@overload(log1p, inline="always")
def _log1p(x):
    # 1 + x = 2^k (1 + f) with 1 + f in [0.71, 1.42); log(1 + f) = 2 artanh(f / (2 + f)), by its series in odd powers.
    single = x == types.float32
    one, whole, digits = (np.float32, np.int32, 23) if single else (np.float64, np.int64, 52)
    half_root = whole(one(np.sqrt(0.5)).view(whole))
    shift, unit, two, ln2 = whole(digits), one(1), one(2), one(LN2)
    c3, c5, c7, c9 = (one(2 / odd) for odd in (3, 5, 7, 9))
    c11, c13, c15, c17, c19, c21 = (one(0 if single else 2 / odd) for odd in (11, 13, 15, 17, 19, 21))

    def compiled(x):
        bits = _recast(unit + x)  # type: ignore[call-arg, var-annotated]
        k = (bits - half_root) >> shift
        # Where k is 0, f is x itself: 1 + x has lost the digits of a small x.
        f = x if k == 0 else _recast(whole(bits - (k << shift))) - unit
        q = f / (two + f)
        w = q * q
        p = c11 + w * (c13 + w * (c15 + w * (c17 + w * (c19 + w * c21))))
        return one(k) * ln2 + q * (two + w * (c3 + w * (c5 + w * (c7 + w * (c9 + w * p)))))

    return compiled


@njit(nogil=True, cache=True, error_model="numpy", fastmath=True)
def _centered(X, out):
    """out = X less the mean of each row, in float64: float32 would round the mean of rows far from 0."""
    for i in range(X.shape[0]):
        row, target = X[i], out[i]
        total = 0.0
        for j in range(row.shape[0]):
            total += row[j]
        mean = total / row.shape[0]
        for j in range(row.shape[0]):
            target[j] = row[j] - mean


@njit(nogil=True, cache=True, error_model="numpy", fastmath=True)
def _normalized(f, activation, eps, scale, u):
    """u = s(f) scale, f := s'(f) scale; the sums of u and of u^2."""
    one = f.dtype.type(1)
    total = square = f.dtype.type(0)
    if activation == SOFTABS:
        for k in range(f.shape[0]):
            q = f[k] * f[k] + eps
            factor = scale[k] / np.sqrt(q)
            f[k] *= factor
            u[k] = q * factor
            total += u[k]
            square += u[k] * u[k]
    else:
        for k in range(f.shape[0]):
            q = f[k] * f[k]
            u[k] = log1p(q) * scale[k]
            f[k] *= (scale[k] + scale[k]) / (one + q)
            total += u[k]
            square += u[k] * u[k]
    return total, square


@njit(nogil=True, cache=True, error_model="numpy", fastmath=True)
def _pulled(f, u, a, b, t):
    """f *= dL/dU = a - b u, and t += u dL/dU."""
    for k in range(f.shape[0]):
        pull = a - b * u[k]
        f[k] *= pull
        t[k] += u[k] * pull


@njit(nogil=True, cache=True, error_model="numpy", fastmath=True)
def _squared(f, activation, eps, squares):
    """squares += s(f)^2, f := s(f) s'(f)."""
    one = f.dtype.type(1)
    if activation == SOFTABS:
        for k in range(f.shape[0]):
            squares[k] += f[k] * f[k] + eps
    else:
        for k in range(f.shape[0]):
            q = f[k] * f[k]
            s = log1p(q)
            squares[k] += s * s
            f[k] *= (s + s) / (one + q)


@njit(nogil=True, cache=True, error_model="numpy")
def _loss_and_pull(X, W, activation, eps, center, scale, rows, G, t):
    """The loss of X; G (K, d) and t (K,), in float64, grow by theirs."""
    one, zero = W.dtype.type(1), W.dtype.type(0)
    B, F, u = np.empty((rows, W.shape[1]), W.dtype), np.empty((rows, W.shape[0]), W.dtype), np.empty_like(W[:, 0])
    g, pulls = np.empty_like(W), np.empty_like(W[:, 0])
    loss = 0.0
    for top in range(0, X.shape[0], rows):
        x = X[top : top + rows]
        m = x.shape[0]
        if center:
            _centered(x, B[:m])
            x = B[:m]
        f = F[:m]
        np.dot(x, W.T, f)
        pulls[:] = 0
        for i in range(m):
            total, square = _normalized(f[i], activation, eps, scale, u)
            a = one / np.sqrt(square) if square > zero else zero  # a sample without any response has no direction
            loss += total * a
            _pulled(f[i], u, a, total * a * a * a, pulls)
        np.dot(f.T, x, g)
        G += g
        t += pulls
    return loss


@njit(nogil=True, cache=True, error_model="numpy")
def _squares_and_slopes(X, W, activation, eps, center, rows, slopes, H, squares):
    """squares (K,) and, if asked for, H (K, d), in float64, grow by those of X."""
    B, F = np.empty((rows, W.shape[1]), W.dtype), np.empty((rows, W.shape[0]), W.dtype)
    h, found = np.empty_like(W), np.empty_like(W[:, 0])
    for top in range(0, X.shape[0], rows):
        x = X[top : top + rows]
        m = x.shape[0]
        if center:
            _centered(x, B[:m])
            x = B[:m]
        f = F[:m]
        np.dot(x, W.T, f)
        found[:] = 0
        for i in range(m):
            _squared(f[i], activation, eps, found)
        squares += found
        if slopes:
            np.dot(f.T, x, h)
            H += h


@njit(nogil=True, cache=True, error_model="numpy")
def _codes(X, W, activation, eps, center, scale, rows, out):
    """out (n, K) = V of X."""
    zero, one = W.dtype.type(0), W.dtype.type(1)
    B, F = np.empty((rows, W.shape[1]), W.dtype), np.empty((rows, W.shape[0]), W.dtype)
    for top in range(0, X.shape[0], rows):
        x, v = X[top : top + rows], out[top : top + rows]
        m = x.shape[0]
        if center:
            _centered(x, B[:m])
            x = B[:m]
        f = F[:m]
        np.dot(x, W.T, f)
        for i in range(m):
            square = _normalized(f[i], activation, eps, scale, v[i])[1]
            v[i] *= one / np.sqrt(square) if square > zero else zero


def block_rows(n: int, n_components: int, itemsize: int) -> int:
    """Rows of a block for n samples: its responses fill about 1 MB."""
    fewest, most = BLOCK_ROWS
    return min(n, most, max(fewest, cache_rows(n_components * itemsize, BLOCK_BYTES)))


def _prepared(X, W, activation, eps):
    X = np.ascontiguousarray(X, dtype=W.dtype)
    return X, np.ascontiguousarray(W), ACTIVATIONS[activation], W.dtype.type(eps)


def loss_and_pull(
    X: np.ndarray, W: np.ndarray, scale: np.ndarray, activation: str = "softabs", eps: float = 1e-8, center: bool = True
) -> tuple[float, np.ndarray, np.ndarray]:
    """The loss of a chunk X (n, d), the first term of dL/dW (K, d) and t (K,); ``scale`` (K,) is 1 / r times a number.

    In the dtype of W, with sums in float64. r belongs to the whole data, of which X may be a part.
    """
    x, w, kind, number = _prepared(X, W, activation, eps)
    G, t = np.zeros(W.shape), np.zeros(len(W))
    rows = block_rows(len(x), len(w), w.itemsize)
    loss = _loss_and_pull(x, w, kind, number, center, scale.astype(w.dtype), rows, G, t)
    return loss, G, t


def squares_and_slopes(
    X: np.ndarray,
    W: np.ndarray,
    activation: str = "softabs",
    eps: float = 1e-8,
    center: bool = True,
    slopes: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """What a chunk X (n, d) adds to the squared norms r^2 (K,) and to their half gradient H (K, d), in float64."""
    x, w, kind, number = _prepared(X, W, activation, eps)
    squares, H = np.zeros(len(W)), np.zeros(W.shape if slopes else (0, 0))
    rows = block_rows(len(x), len(w), w.itemsize)
    _squares_and_slopes(x, w, kind, number, center, rows, slopes, H, squares)
    return squares, H


def codes(
    X: np.ndarray, W: np.ndarray, scale: np.ndarray, activation: str = "softabs", eps: float = 1e-8, center: bool = True
) -> np.ndarray:
    """V (n, K) of a chunk X (n, d), in the dtype of W; ``scale`` (K,) is 1 / r times a number."""
    x, w, kind, number = _prepared(X, W, activation, eps)
    out = np.empty((len(x), len(w)), w.dtype)
    _codes(x, w, kind, number, center, scale.astype(w.dtype), block_rows(len(x), len(w), w.itemsize), out)
    return out


def gram(X: np.ndarray, center: bool = True) -> np.ndarray:
    """X'X (d, d) of a chunk X (n, d), in float64; of rows less their mean, if asked."""
    X = np.asarray(X, dtype=np.float64)
    if center:
        X = X - X.mean(axis=1, keepdims=True)
    return X.T @ X


def square(X: np.ndarray, center: bool = True) -> float:
    """Sum of squares of a chunk X (n, d), in float64; of rows less their mean, if asked."""
    X = np.asarray(X, dtype=np.float64)
    if center:
        X = X - X.mean(axis=1, keepdims=True)
    return float(np.einsum("nd,nd->", X, X))
