"""Update rules of gradient descent: one scalar formula each, run by two engines.

With p a weight, g its gradient (clipped, and with weight decay added) and a, b what the rule remembers:

    sgd        p := p - r g
    momentum   a := m a - r g,  p := p + a                                              Polyak (1964)
    nesterov   a := m a - r g,  p := p + m a - r g                                      Sutskever et al. (2013)
    adagrad    a := a + g^2,  p := p - r g / (sqrt(a) + e)                              Duchi et al. (2011)
    rmsprop    a := q a + (1-q) g^2,  p := p - r g / (sqrt(a) + e)                      Tieleman & Hinton (2012)
    adadelta   a := q a + (1-q) g^2,  u = g sqrt(b+e) / sqrt(a+e),  p := p - r u,
               b := q b + (1-q) u^2                                                     Zeiler (2012)
    adam       a := q1 a + (1-q1) g,  b := q2 b + (1-q2) g^2,
               p := p - r a / (1-q1^t) / (sqrt(b / (1-q2^t)) + e)                       Kingma & Ba (2015)

Each rule is written once, in operators and `sqrt` alone, on what may be numbers or tensors. On the CPU numba compiles
it into one pass over the weights, `update`; for Keras the same code runs on tensors, `tensor_rule`. The constants of a
step, c, come as an array of the weights' dtype, so no rule promotes float32.
"""

from math import sqrt
from types import FunctionType
from typing import Any

import numpy as np

from featlearn.jit import njit

_rule: Any = njit(cache=True)
_pass: Any = njit(nogil=True, cache=True, fastmath={"contract", "arcp", "nsz"}, error_model="numpy")


@_rule
def _sgd(p, g, c):
    return p - c[0] * g


@_rule
def _momentum(p, g, a, c):
    a = c[1] * a - c[0] * g
    return p + a, a


@_rule
def _nesterov(p, g, a, c):
    a = c[1] * a - c[0] * g
    return p + c[1] * a - c[0] * g, a


@_rule
def _adagrad(p, g, a, c):
    a = a + g * g
    return p - c[0] * g / (sqrt(a) + c[1]), a


@_rule
def _rmsprop(p, g, a, c):
    a = c[1] * a + c[2] * g * g
    return p - c[0] * g / (sqrt(a) + c[3]), a


@_rule
def _adadelta(p, g, a, b, c):
    a = c[1] * a + c[2] * g * g
    u = g * sqrt(b + c[3]) / sqrt(a + c[3])
    return p - c[0] * u, a, c[1] * b + c[2] * u * u


@_rule
def _adam(p, g, a, b, c):
    a = c[1] * a + c[2] * g
    b = c[3] * b + c[4] * g * g
    return p - c[0] * a / (sqrt(b * c[5]) + c[6]), a, b


# Each rule with the number of arrays it remembers.
RULES = {
    "sgd": (_sgd, 0),
    "momentum": (_momentum, 1),
    "nesterov": (_nesterov, 1),
    "adagrad": (_adagrad, 1),
    "rmsprop": (_rmsprop, 1),
    "adadelta": (_adadelta, 2),
    "adam": (_adam, 2),
}


# A named function for each, since Numba keeps no closure on disk: every process would compile it anew.
@_pass
def _sgd_pass(p, g, c, scale, decay):
    for i in range(p.shape[0]):
        p[i] = _sgd(p[i], scale * g[i] + decay * p[i], c)


@_pass
def _momentum_pass(p, g, a, c, scale, decay):
    for i in range(p.shape[0]):
        p[i], a[i] = _momentum(p[i], scale * g[i] + decay * p[i], a[i], c)


@_pass
def _nesterov_pass(p, g, a, c, scale, decay):
    for i in range(p.shape[0]):
        p[i], a[i] = _nesterov(p[i], scale * g[i] + decay * p[i], a[i], c)


@_pass
def _adagrad_pass(p, g, a, c, scale, decay):
    for i in range(p.shape[0]):
        p[i], a[i] = _adagrad(p[i], scale * g[i] + decay * p[i], a[i], c)


@_pass
def _rmsprop_pass(p, g, a, c, scale, decay):
    for i in range(p.shape[0]):
        p[i], a[i] = _rmsprop(p[i], scale * g[i] + decay * p[i], a[i], c)


@_pass
def _adadelta_pass(p, g, a, b, c, scale, decay):
    for i in range(p.shape[0]):
        p[i], a[i], b[i] = _adadelta(p[i], scale * g[i] + decay * p[i], a[i], b[i], c)


@_pass
def _adam_pass(p, g, a, b, c, scale, decay):
    for i in range(p.shape[0]):
        p[i], a[i], b[i] = _adam(p[i], scale * g[i] + decay * p[i], a[i], b[i], c)


PASSES = {
    "sgd": _sgd_pass,
    "momentum": _momentum_pass,
    "nesterov": _nesterov_pass,
    "adagrad": _adagrad_pass,
    "rmsprop": _rmsprop_pass,
    "adadelta": _adadelta_pass,
    "adam": _adam_pass,
}


def update(
    name: str,
    p: np.ndarray,
    g: np.ndarray,
    memory: list[np.ndarray],
    c: np.ndarray,
    scale: float = 1.0,
    decay: float = 0.0,
) -> None:
    """One step of a rule on contiguous weights p, in place, with gradient ``scale * g + decay * p``."""
    number = p.dtype.type
    PASSES[name](p.reshape(-1), g.reshape(-1), *[m.reshape(-1) for m in memory], c, number(scale), number(decay))


def tensor_rule(name: str) -> Any:
    """The rule for tensors of Keras' backend: the same code, with its square root."""
    from keras import ops

    return FunctionType(RULES[name][0].py_func.__code__, {"sqrt": ops.sqrt})
