"""Activation functions of a layer, their slopes and the errors of an output, each one pass over a block of rows.

With z the sum of inputs, h = f(z) and the slope written in h:

    sigmoid   h = 1 / (1 + e^-z)     f' = h (1 - h)
    tanh      h = tanh z             f' = 1 - h^2
    relu      h = max(z, 0)          f' = 1 where h > 0
    linear    h = z                  f' = 1
    leaky     h = max(z, z / 100)    f' = 1 where h > 0, 1/100 elsewhere                    Maas et al. (2013)
    elu       h = z or e^z - 1       f' = 1 where h > 0, h + 1 elsewhere                    Clevert et al. (2016)
    selu      h = s z or s a (e^z - 1)   f' = s where h > 0, h + s a elsewhere              Klambauer et al. (2017)
    softplus  h = log(1 + e^z)       f' = 1 - e^-h
    step      h = 1 where z >= 0     f' = 0

``out`` must be another array than the inputs: where they overlap, compiled loops leave the vector units unused (the
sigmoid then took 20 times as long).
"""

import numpy as np

from featlearn.jit import njit
from featlearn.kernels.exp import exp

ACTIVATIONS = ("sigmoid", "tanh", "relu", "linear")
LAYER_ACTIVATIONS = (*ACTIVATIONS, "leaky", "elu", "selu", "softplus", "step")
KIND = {name: kind for kind, name in enumerate(LAYER_ACTIVATIONS)}
SIGMOID, TANH, RELU, LINEAR, LEAKY, ELU, SELU, SOFTPLUS, STEP = range(9)
LEAK = 0.01  # the slope of leaky below 0
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772  # the fixed point of mean 0 and variance 1
ROWS = 64  # rows whose 1 + e^-|z| are multiplied before one logarithm: the product lies between 1 and 2^64


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "nnan", "nsz"})
def activate_rows(Z, bias, kind, out):
    """``out`` := f(Z + bias); Z (m, K), bias (K,), kind one of KIND."""
    zero, one, two = Z.dtype.type(0), Z.dtype.type(1), Z.dtype.type(2)
    for i in range(Z.shape[0]):
        z, h = Z[i], out[i]
        if kind == SIGMOID:
            for j in range(z.shape[0]):
                h[j] = one / (one + exp(-(z[j] + bias[j])))
        elif kind == TANH:
            for j in range(z.shape[0]):
                value = z[j] + bias[j]
                e = exp(-two * abs(value))
                h[j] = np.copysign((one - e) / (one + e), value)
        elif kind == RELU:
            for j in range(z.shape[0]):
                h[j] = max(z[j] + bias[j], zero)
        elif kind == LEAKY:
            leak = Z.dtype.type(LEAK)
            for j in range(z.shape[0]):
                value = z[j] + bias[j]
                h[j] = max(value, leak * value)
        elif kind in (ELU, SELU):
            scale = Z.dtype.type(SELU_SCALE if kind == SELU else 1.0)
            floor = Z.dtype.type(SELU_SCALE * SELU_ALPHA if kind == SELU else 1.0)
            for j in range(z.shape[0]):
                value = z[j] + bias[j]
                # Where one of the two is not 0, the other is.
                h[j] = scale * max(value, zero) + floor * (exp(min(value, zero)) - one)
        elif kind == SOFTPLUS:
            for j in range(z.shape[0]):
                value = z[j] + bias[j]
                h[j] = max(value, zero) + np.log1p(exp(-abs(value)))
        elif kind == STEP:
            for j in range(z.shape[0]):
                h[j] = one if z[j] + bias[j] >= zero else zero
        else:
            for j in range(z.shape[0]):
                h[j] = z[j] + bias[j]


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "nnan", "nsz"})
def backward_rows(D, H, push, kind, out):
    """``out`` := (D + push) f', the way back through a layer; D, H (m, K), push (K,)."""
    zero, one = D.dtype.type(0), D.dtype.type(1)
    for i in range(D.shape[0]):
        d, h, o = D[i], H[i], out[i]
        if kind == SIGMOID:
            for j in range(d.shape[0]):
                o[j] = (d[j] + push[j]) * (h[j] * (one - h[j]))
        elif kind == TANH:
            for j in range(d.shape[0]):
                o[j] = (d[j] + push[j]) * (one - h[j] * h[j])
        elif kind == RELU:
            for j in range(d.shape[0]):
                o[j] = d[j] + push[j] if h[j] > zero else zero
        elif kind == LEAKY:
            leak = D.dtype.type(LEAK)
            for j in range(d.shape[0]):
                o[j] = (d[j] + push[j]) * (one if h[j] > zero else leak)
        elif kind in (ELU, SELU):
            scale = D.dtype.type(SELU_SCALE if kind == SELU else 1.0)
            floor = D.dtype.type(SELU_SCALE * SELU_ALPHA if kind == SELU else 1.0)
            for j in range(d.shape[0]):
                o[j] = (d[j] + push[j]) * (scale if h[j] > zero else h[j] + floor)
        elif kind == SOFTPLUS:
            for j in range(d.shape[0]):
                o[j] = (d[j] + push[j]) * (one - exp(-h[j]))
        elif kind == STEP:
            for j in range(d.shape[0]):
                o[j] = zero
        else:
            for j in range(d.shape[0]):
                o[j] = d[j] + push[j]


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "nnan", "nsz", "reassoc"})
def squared_rows(Y, X, kind, scale, out):
    """``out`` := scale (Y - X) f'; returns sum |Y - X|^2 / 2; Y, X (m, d)."""
    scale = Y.dtype.type(scale)
    zero, one = Y.dtype.type(0), Y.dtype.type(1)
    total = 0.0
    for i in range(Y.shape[0]):
        y, x, o = Y[i], X[i], out[i]
        row = zero
        for j in range(y.shape[0]):
            row += (y[j] - x[j]) * (y[j] - x[j])
        total += row
        if kind == SIGMOID:
            for j in range(y.shape[0]):
                o[j] = scale * (y[j] - x[j]) * (y[j] * (one - y[j]))
        elif kind == TANH:
            for j in range(y.shape[0]):
                o[j] = scale * (y[j] - x[j]) * (one - y[j] * y[j])
        elif kind == RELU:
            for j in range(y.shape[0]):
                o[j] = scale * (y[j] - x[j]) if y[j] > zero else zero
        else:
            for j in range(y.shape[0]):
                o[j] = scale * (y[j] - x[j])
    return 0.5 * total


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "nnan", "nsz", "reassoc"})
def cross_entropy_rows(Z, bias, X, scale, out):
    """``out`` := scale (y - X), y = sigmoid(Z + bias); returns -sum X log y + (1 - X) log(1 - y); all (m, d).

    From z itself, as max(z, 0) - x z + log(1 + e^-|z|): finite however saturated y is.
    """
    scale = Z.dtype.type(scale)
    zero, one = Z.dtype.type(0), Z.dtype.type(1)
    product = np.ones(Z.shape[1], Z.dtype)
    total = 0.0
    for i in range(Z.shape[0]):
        z, x, o = Z[i], X[i], out[i]
        row = zero
        for j in range(z.shape[0]):
            value = z[j] + bias[j]
            e = exp(-abs(value))
            y = (one if value >= zero else e) / (one + e)
            row += max(value, zero) - x[j] * value
            product[j] *= one + e
            o[j] = scale * (y - x[j])
        total += row
        if i % ROWS == ROWS - 1:
            total += np.log(product).sum()
            product[:] = one
    return total + np.log(product).sum()


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "nnan", "nsz"})
def contraction_rows(H, push, kind, out, squares):
    """``out`` += push f' df'/dz and ``squares`` += column sums of f'^2, smooth f; H (m, K), push, squares (K,)."""
    one, two = H.dtype.type(1), H.dtype.type(2)
    for i in range(H.shape[0]):
        h, o = H[i], out[i]
        if kind == SIGMOID:
            for j in range(h.shape[0]):
                square = (h[j] * (one - h[j])) ** 2
                squares[j] += square
                o[j] += push[j] * square * (one - two * h[j])
        elif kind == TANH:
            for j in range(h.shape[0]):
                square = (one - h[j] * h[j]) ** 2
                squares[j] += square
                o[j] -= push[j] * square * two * h[j]
        else:
            for j in range(h.shape[0]):
                squares[j] += one


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "nnan", "nsz"})
def softmax_losses(Z, labels, losses, out):
    """losses (m,) := -log softmax(Z)[label] and ``out`` (m, k) := its derivative by Z, softmax less 1 at the label."""
    one = Z.dtype.type(1)
    for i in range(Z.shape[0]):
        z, o, label = Z[i], out[i], labels[i]
        top = z[0]
        for j in range(1, z.shape[0]):
            top = max(top, z[j])
        total = Z.dtype.type(0)
        for j in range(z.shape[0]):
            o[j] = exp(z[j] - top)
            total += o[j]
        losses[i] = np.log(total) - (z[label] - top)
        share = one / total
        for j in range(z.shape[0]):
            o[j] *= share
        o[label] -= one
