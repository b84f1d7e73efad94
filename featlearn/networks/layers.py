"""The layers of a network: small frozen specs, each of which can do its own part of a pass.

A layer maps x (m, ...) to y (m, ...), with parameters p that are learned and a state s that is not (moving averages):

    shape(shape)                    the shape of its outputs, without the samples
    first_params(shape, rng, dtype)  first parameters;  first_state(shape, dtype)  the first state
    param_names, state_names        what these are called
    apply(p, s, x, seed, training)  y and the new state, in `keras.ops`
    forward(p, s, x, rng, training) y, what `backward` needs, and the new state, in NumPy (``by_hand`` layers alone)
    backward(p, s, kept, d, g)      the loss's derivative by x from d, that by y; fills g

A layer whose units do not look at each other is ``local``: it can work on a share of them. A spec that stands for
several layers says so in `parts`. Parameters of a `Dense` are W (inputs, units) and b (units,).

    glorot     variance 2 / (inputs + units), times 16 before a sigmoid       Glorot & Bengio (2010)
    he         2 / inputs                                                     He et al. (2015)
    lecun      1 / inputs                                                     LeCun et al. (1998)
    orthogonal W'W = 1 or WW' = 1, times sqrt 2 before a relu                 Saxe et al. (2014)
    uniform    within +-1 / sqrt(inputs), as in the notes' and torch's layers
"""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from featlearn.kernels.activations import (
    KIND,
    LAYER_ACTIVATIONS,
    LEAK,
    SELU_ALPHA,
    SELU_SCALE,
    activate_rows,
    backward_rows,
)
from featlearn.kernels.bernoulli import keep_rows, new_key
from featlearn.networks.losses import softmax
from featlearn.training import Params, State
from featlearn.validation import Rule, boolean, check_argument, integer, one_of, real

INITS = ("auto", "glorot", "he", "lecun", "orthogonal", "uniform", "zeros")
DRAWN = ("glorot", "he", "lecun")
ALL_ACTIVATIONS = (*LAYER_ACTIVATIONS, "softmax")
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layer:
    """What all layers are; subclass it for one of your own (``shape``, ``first_params`` and ``apply`` will do)."""

    by_hand: ClassVar[bool] = False
    local: ClassVar[bool] = False
    blocks: ClassVar[bool] = False  # no gradient passes: what lies below cannot learn
    takes_images: ClassVar[bool] = False  # as the first layer it is given (n, height, width[, channels])
    state_names: ClassVar[tuple[str, ...]] = ()
    decayed: ClassVar[tuple[str, ...]] = ("W",)  # the parameters that weight decay reaches
    own_precision: ClassVar[bool] = False  # whether it sees to products in half precision itself
    xla: ClassVar[bool] = True  # whether TensorFlow's XLA makes it faster on a CPU
    _rules: ClassVar[dict[str, Rule]] = {}

    @property
    def param_names(self) -> tuple[str, ...]:
        """What its parameters are called."""
        return ()

    def __post_init__(self):
        for name, rule in self._rules.items():
            check_argument(type(self).__name__, name, getattr(self, name), rule)

    def parts(self) -> tuple["Layer", ...]:
        """The layers it stands for."""
        return (self,)

    def shape(self, shape: Shape) -> Shape:
        """The shape of its outputs."""
        return shape

    def first_params(self, shape: Shape, rng: np.random.RandomState, dtype: Any) -> Params:
        """First parameters."""
        return {}

    def first_state(self, shape: Shape, dtype: Any) -> State:
        """The first state."""
        return {}

    def apply(self, p: Any, s: Any, x: Any, seed: Any, training: bool) -> tuple[Any, Any]:
        """Outputs and the new state, of tensors."""
        raise NotImplementedError

    def forward(self, p: Params, s: State, x: np.ndarray, rng: Any, training: bool) -> tuple[np.ndarray, Any, State]:
        """Outputs, what the way back needs, and the new state."""
        raise NotImplementedError

    def backward(self, p: Params, s: State, kept: Any, d: np.ndarray, g: Params) -> np.ndarray:
        """The derivative by the inputs."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class FittedLayer:
    """A layer with its arrays, as a network or a learner's unrolling holds it.

    ``name`` is that of the spec it is a part of. ``head`` says that it gives the scores of a classifier, whose
    ``classes`` these are, or the values of a regressor. ``fixed`` ones are never learned.
    """

    layer: Layer
    params: Params
    state: State = field(default_factory=dict)
    name: str = ""
    head: bool = False
    fixed: bool = False
    classes: Any = None

    def at(self, dtype: Any) -> "FittedLayer":
        """With arrays of a dtype; whole numbers in the state stay what they are."""
        params = {k: np.asarray(v, dtype) for k, v in self.params.items()}
        state = {k: v if np.asarray(v).dtype.kind in "iu" else np.asarray(v, dtype) for k, v in self.state.items()}
        return replace(self, params=params, state=state)


def tensor_activation(name: str) -> Any:
    """An activation function on tensors."""
    from keras import ops

    return {
        "sigmoid": ops.sigmoid,
        "tanh": ops.tanh,
        "relu": ops.relu,
        "linear": lambda z: z,
        "leaky": lambda z: ops.maximum(z, LEAK * z),
        "elu": lambda z: ops.relu(z) + ops.exp(ops.minimum(z, 0)) - 1,
        "selu": lambda z: SELU_SCALE * (ops.relu(z) + SELU_ALPHA * (ops.exp(ops.minimum(z, 0)) - 1)),
        "softplus": ops.softplus,
        "step": lambda z: ops.cast(z >= 0, z.dtype),
        "softmax": ops.softmax,
    }[name]


def initial(init: str, activation: str, inputs: int, units: int, rng: np.random.RandomState, dtype: Any) -> np.ndarray:
    """First weights (inputs, units); "auto" is he before (leaky) relu, lecun before selu and elu, else glorot."""
    name, _, shape = init.partition("_")
    if name == "auto":
        name = {"relu": "he", "leaky": "he", "selu": "lecun", "elu": "lecun"}.get(activation, "glorot")
    if name == "zeros":
        return np.zeros((inputs, units), dtype)
    if name == "orthogonal":
        tall, wide = max(inputs, units), min(inputs, units)
        q, r = np.linalg.qr(rng.standard_normal((tall, wide)))
        q *= np.sign(np.diag(r))  # or the draw would not be uniform
        gain = np.sqrt(2) if activation in ("relu", "leaky") else 1.0
        return (gain * (q if inputs >= units else q.T)).astype(dtype)
    if name == "uniform":
        limit = 1 / np.sqrt(inputs)
        return rng.uniform(-limit, limit, (inputs, units)).astype(dtype)
    variance = {"glorot": 2 / (inputs + units), "he": 2 / inputs, "lecun": 1 / inputs}[name]
    variance *= 16 if name == "glorot" and activation == "sigmoid" else 1
    if shape == "normal":
        return (np.sqrt(variance) * rng.standard_normal((inputs, units))).astype(dtype)
    limit = np.sqrt(3 * variance)
    return rng.uniform(-limit, limit, (inputs, units)).astype(dtype)


@dataclass(frozen=True)
class Dense(Layer):
    """Units that see all inputs: f(x W + b).

    Parameters
    ----------
    units : int
        How many.
    activation : str, default="linear"
        f: "step", "sigmoid", "tanh", "relu", "leaky", "elu", "selu", "softplus", "softmax" or "linear".
    init : str, default="auto"
        First weights, see this module: "glorot", "he", "lecun" (uniform; "_normal" after it draws normal ones),
        "orthogonal", "uniform" or "zeros". Weights of a learner come by `Pretrained`.
    bias : bool, default=True
        Whether there is a b.
    bias_init : float, default=0.0
        The first b.

    Examples
    --------
    >>> from featlearn.networks import Dense
    >>> Dense(500, "relu")
    Dense(units=500, activation='relu')
    """

    units: int
    activation: str = "linear"
    init: str = field(default="auto", repr=False)
    bias: bool = field(default=True, repr=False)
    bias_init: float = field(default=0.0, repr=False)
    pieces: int = field(default=1, repr=False)  # of a Maxout, whose units must not be torn apart

    by_hand: ClassVar[bool] = True
    _rules: ClassVar[dict[str, Rule]] = {
        "units": integer(1),
        "activation": one_of(*ALL_ACTIVATIONS),
        "init": one_of(*INITS, *(f"{name}_normal" for name in DRAWN)),
        "bias": boolean(),
        "bias_init": real(),
    }

    @property
    def param_names(self) -> tuple[str, ...]:
        """W, and b where there is one."""
        return ("W", "b") if self.bias else ("W",)

    def parts(self) -> tuple[Layer, ...]:
        """A softmax looks at all units: it is a layer of its own."""
        if self.activation != "softmax":
            return (self,)
        return Dense(self.units, "linear", self.init, self.bias, self.bias_init), Activation("softmax")

    def shape(self, shape: Shape) -> Shape:
        """As many features as units."""
        return (*shape[:-1], self.units * self.pieces)

    def draw(self, inputs: int, rng: np.random.RandomState, dtype: Any) -> np.ndarray:
        """First weights (inputs, units)."""
        return initial(self.init, self.activation, inputs, self.units * self.pieces, rng, dtype)

    def first_params(self, shape: Shape, rng: np.random.RandomState, dtype: Any) -> Params:
        """W and b."""
        params = {"W": self.draw(shape[-1], rng, dtype)}
        if self.bias:
            params["b"] = np.full(self.units * self.pieces, self.bias_init, dtype)
        return params

    def apply(self, p: Any, s: Any, x: Any, seed: Any, training: bool) -> tuple[Any, Any]:
        """f(x W + b)."""
        from keras import ops

        z = ops.matmul(x, p["W"])
        return tensor_activation(self.activation)(z + p["b"] if self.bias else z), s

    def forward(self, p: Params, s: State, x: np.ndarray, rng: Any, training: bool) -> tuple[np.ndarray, Any, State]:
        """f(x W + b); the way back is the stack's, which shares the units out."""
        z = x @ p["W"]
        h = np.empty_like(z)
        activate_rows(z, p["b"] if self.bias else np.zeros(z.shape[1], z.dtype), KIND[self.activation], h)
        return h, None, s


@dataclass(frozen=True)
class Activation(Layer):
    """An activation function on its own, after a `BatchNorm` say.

    Parameters
    ----------
    function : str
        As of `Dense`.
    """

    function: str

    by_hand: ClassVar[bool] = True
    _rules: ClassVar[dict[str, Rule]] = {"function": one_of(*ALL_ACTIVATIONS)}

    @property
    def local(self):  # type: ignore[override]
        """A softmax looks at all units."""
        return self.function != "softmax"

    def apply(self, p: Any, s: Any, x: Any, seed: Any, training: bool) -> tuple[Any, Any]:
        """f(x)."""
        return tensor_activation(self.function)(x), s

    def forward(self, p: Params, s: State, x: np.ndarray, rng: Any, training: bool) -> tuple[np.ndarray, Any, State]:
        """f(x)."""
        if self.function == "softmax":
            h = softmax(x)
        else:
            h = np.empty_like(x)
            activate_rows(x, np.zeros(x.shape[1], x.dtype), KIND[self.function], h)
        return h, h, s

    def backward(self, p: Params, s: State, kept: Any, d: np.ndarray, g: Params) -> np.ndarray:
        """d f'."""
        if self.function == "softmax":
            return kept * (d - (d * kept).sum(axis=1, keepdims=True))
        out = np.empty_like(d)
        backward_rows(d, kept, np.zeros(d.shape[1], d.dtype), KIND[self.function], out)
        return out


@dataclass(frozen=True)
class Maxout(Layer):
    """Units that are the largest of several linear pieces each, Goodfellow et al. (2013).

    Parameters
    ----------
    units : int
        How many.
    pieces : int, default=2
        Of each unit.
    """

    units: int
    pieces: int = 2

    _rules: ClassVar[dict[str, Rule]] = {"units": integer(1), "pieces": integer(1)}

    def parts(self) -> tuple[Layer, ...]:
        """Pieces, and the largest of each unit's."""
        return Dense(self.units, init="he", pieces=self.pieces), LargestPiece(self.pieces)


@dataclass(frozen=True)
class LargestPiece(Layer):
    """The largest of every ``pieces`` features in a row; ties go to the first."""

    pieces: int

    by_hand: ClassVar[bool] = True
    local: ClassVar[bool] = True

    def shape(self, shape: Shape) -> Shape:
        """One feature for the pieces of a unit."""
        return (*shape[:-1], shape[-1] // self.pieces)

    def apply(self, p: Any, s: Any, x: Any, seed: Any, training: bool) -> tuple[Any, Any]:
        """The largest pieces."""
        from keras import ops

        return ops.max(ops.reshape(x, (-1, *x.shape[1:-1], x.shape[-1] // self.pieces, self.pieces)), axis=-1), s

    def forward(self, p: Params, s: State, x: np.ndarray, rng: Any, training: bool) -> tuple[np.ndarray, Any, State]:
        """The largest pieces."""
        pieces = x.reshape(len(x), -1, self.pieces)
        best = pieces.argmax(axis=2)[:, :, None]
        return np.take_along_axis(pieces, best, axis=2)[:, :, 0], best, s

    def backward(self, p: Params, s: State, kept: Any, d: np.ndarray, g: Params) -> np.ndarray:
        """To the largest pieces alone."""
        out = np.zeros((*d.shape, self.pieces), d.dtype)
        np.put_along_axis(out, kept, d[:, :, None], axis=2)
        return out.reshape(len(d), -1)


@dataclass(frozen=True)
class Dropout(Layer):
    """In training, a share of the features is 0 and the others grow by 1 / (1 - rate); Srivastava et al. (2014).

    Parameters
    ----------
    rate : float, default=0.5
        The share left out, in [0, 1).
    """

    rate: float = 0.5

    by_hand: ClassVar[bool] = True
    local: ClassVar[bool] = True
    _rules: ClassVar[dict[str, Rule]] = {"rate": real(0, 0.999)}

    def apply(self, p: Any, s: Any, x: Any, seed: Any, training: bool) -> tuple[Any, Any]:
        """Features left out."""
        if not training or not self.rate:
            return x, s
        from keras import ops

        from featlearn.kernels.backend import uniform

        kept = ops.cast(uniform(tuple(x.shape), seed, "float32") >= self.rate, x.dtype)
        return x * kept / (1 - self.rate), s

    def forward(self, p: Params, s: State, x: np.ndarray, rng: Any, training: bool) -> tuple[np.ndarray, Any, State]:
        """Features left out."""
        if not training or not self.rate:
            return x, None, s
        mask = np.empty_like(x)
        keep_rows(mask, new_key(rng), 1 - self.rate)
        return x * mask, mask, s

    def backward(self, p: Params, s: State, kept: Any, d: np.ndarray, g: Params) -> np.ndarray:
        """To the features that were kept."""
        return d if kept is None else d * kept


@dataclass(frozen=True)
class AlphaDropout(Layer):
    """Dropout for selu: what is left out takes selu's lowest value, and mean 0 and variance 1 are kept.

    Klambauer, Unterthiner, Mayr & Hochreiter (2017), "Self-normalizing neural networks", section 2.

    Parameters
    ----------
    rate : float, default=0.1
        The share left out, in [0, 1).
    """

    rate: float = 0.1

    by_hand: ClassVar[bool] = True
    local: ClassVar[bool] = True
    _rules: ClassVar[dict[str, Rule]] = {"rate": real(0, 0.999)}

    def affine(self) -> tuple[float, float, float]:
        """a and b of a (x or low) + b, and low."""
        q, low = 1 - self.rate, -SELU_SCALE * SELU_ALPHA
        a = (q + low * low * q * (1 - q)) ** -0.5
        return a, -a * (1 - q) * low, low

    def apply(self, p: Any, s: Any, x: Any, seed: Any, training: bool) -> tuple[Any, Any]:
        """Features at the lowest value."""
        if not training or not self.rate:
            return x, s
        from keras import ops

        from featlearn.kernels.backend import uniform

        a, b, low = self.affine()
        kept = ops.cast(uniform(tuple(x.shape), seed, "float32") >= self.rate, x.dtype)
        return a * (x * kept + low * (1 - kept)) + b, s

    def forward(self, p: Params, s: State, x: np.ndarray, rng: Any, training: bool) -> tuple[np.ndarray, Any, State]:
        """Features at the lowest value."""
        if not training or not self.rate:
            return x, None, s
        a, b, low = (x.dtype.type(v) for v in self.affine())
        mask = np.empty_like(x)
        keep_rows(mask, new_key(rng), 1 - self.rate)
        mask *= x.dtype.type(1 - self.rate)  # 0 or 1
        y = x - low
        y *= mask
        y += low
        y *= a
        y += b
        mask *= a
        return y, mask, s

    def backward(self, p: Params, s: State, kept: Any, d: np.ndarray, g: Params) -> np.ndarray:
        """To the features that were kept."""
        return d if kept is None else d * kept


@dataclass(frozen=True)
class GaussianNoise(Layer):
    """In training, normal noise is added to every feature.

    Parameters
    ----------
    scale : float, default=0.1
        Its standard deviation.
    """

    scale: float = 0.1

    by_hand: ClassVar[bool] = True
    local: ClassVar[bool] = True
    _rules: ClassVar[dict[str, Rule]] = {"scale": real(0)}

    def apply(self, p: Any, s: Any, x: Any, seed: Any, training: bool) -> tuple[Any, Any]:
        """Noise added."""
        if not training or not self.scale:
            return x, s
        from keras import ops

        from featlearn.kernels.backend import normal

        return x + self.scale * ops.cast(normal(tuple(x.shape), seed, "float32"), x.dtype), s

    def forward(self, p: Params, s: State, x: np.ndarray, rng: Any, training: bool) -> tuple[np.ndarray, Any, State]:
        """Noise added."""
        if not training or not self.scale:
            return x, None, s
        noise = rng.standard_normal(x.shape, np.float32).astype(x.dtype, copy=False)
        noise *= x.dtype.type(self.scale)
        noise += x
        return noise, None, s

    def backward(self, p: Params, s: State, kept: Any, d: np.ndarray, g: Params) -> np.ndarray:
        """As it comes."""
        return d


@dataclass(frozen=True)
class Affine(Layer):
    """Each feature less an offset and times a factor, (x - a) * c: what a fitted scaler is.

    Learned from the rows of `fit` where it comes from no learner: mean 0 and deviation 1. It is no parameter: gradients
    leave it alone.
    """

    by_hand: ClassVar[bool] = True
    local: ClassVar[bool] = True
    state_names: ClassVar[tuple[str, ...]] = ("a", "c")

    def first_state(self, shape: Shape, dtype: Any) -> State:
        """Nothing is changed."""
        return {"a": np.zeros(shape[-1], dtype), "c": np.ones(shape[-1], dtype)}

    def apply(self, p: Any, s: Any, x: Any, seed: Any, training: bool) -> tuple[Any, Any]:
        """(x - a) c."""
        return (x - s["a"]) * s["c"], s

    def forward(self, p: Params, s: State, x: np.ndarray, rng: Any, training: bool) -> tuple[np.ndarray, Any, State]:
        """(x - a) c."""
        y = x - s["a"]
        y *= s["c"]
        return y, None, s

    def backward(self, p: Params, s: State, kept: Any, d: np.ndarray, g: Params) -> np.ndarray:
        """d c."""
        return d * s["c"]


@dataclass(frozen=True)
class BatchNorm(Layer):
    """Each feature standardized over the batch, then scaled and shifted: g (x - mean) / sqrt(var + eps) + b.

    At prediction mean and variance are moving averages of those of the batches, as they are while its layer is frozen.
    Ioffe & Szegedy (2015), "Batch normalization".

    Parameters
    ----------
    momentum : float, default=0.9
        How much of a moving average stays in each step.
    eps : float, default=1e-3
        Added to the variance.
    """

    momentum: float = 0.9
    eps: float = 1e-3

    by_hand: ClassVar[bool] = True
    local: ClassVar[bool] = True
    state_names: ClassVar[tuple[str, ...]] = ("mean", "variance")
    _rules: ClassVar[dict[str, Rule]] = {"momentum": real(0, 0.99999), "eps": real(above=0)}

    @property
    def param_names(self) -> tuple[str, ...]:
        """g and b."""
        return "g", "b"

    def first_params(self, shape: Shape, rng: np.random.RandomState, dtype: Any) -> Params:
        """g = 1, b = 0."""
        return {"g": np.ones(shape[-1], dtype), "b": np.zeros(shape[-1], dtype)}

    def first_state(self, shape: Shape, dtype: Any) -> State:
        """A mean of 0 and a variance of 1."""
        return {"mean": np.zeros(shape[-1], dtype), "variance": np.ones(shape[-1], dtype)}

    def apply(self, p: Any, s: Any, x: Any, seed: Any, training: bool) -> tuple[Any, Any]:
        """Standardized, scaled and shifted."""
        from keras import ops

        mean, variance = s["mean"], s["variance"]
        if training:
            axes = tuple(range(len(x.shape) - 1))
            mean, variance = ops.mean(x, axis=axes), ops.var(x, axis=axes)
            m = self.momentum
            s = {"mean": m * s["mean"] + (1 - m) * mean, "variance": m * s["variance"] + (1 - m) * variance}
        return (x - mean) / ops.sqrt(variance + self.eps) * p["g"] + p["b"], s

    def forward(self, p: Params, s: State, x: np.ndarray, rng: Any, training: bool) -> tuple[np.ndarray, Any, State]:
        """Standardized, scaled and shifted."""
        one = x.dtype.type(1)
        if training:
            mean = x.mean(axis=0)
            centered = x - mean
            variance = np.einsum("mk,mk->k", centered, centered) / x.dtype.type(len(x))
            m = x.dtype.type(self.momentum)
            s = {"mean": m * s["mean"] + (one - m) * mean, "variance": m * s["variance"] + (one - m) * variance}
        else:
            centered, variance = x - s["mean"], s["variance"]
        inverse = one / np.sqrt(variance + x.dtype.type(self.eps))
        centered *= inverse
        return centered * p["g"] + p["b"], (centered, inverse, training), s

    def backward(self, p: Params, s: State, kept: Any, d: np.ndarray, g: Params) -> np.ndarray:
        """Through the batch's mean and variance too, unless these were fixed."""
        z, inverse, training = kept
        along, total = np.einsum("mk,mk->k", d, z), d.sum(axis=0)
        if g:
            g["g"][:], g["b"][:] = along, total
        if not training:
            return d * (p["g"] * inverse)
        m = d.dtype.type(len(d))
        return (d - total / m - z * (along / m)) * (p["g"] * inverse)
