"""A network that a function of the user's makes in Keras, as one layer of a stack.

``build(input_shape, n_outputs)`` returns a `keras.Model`. Its variables become plain arrays: trainable ones are
parameters, others (moving averages, variables of frozen layers) state; the model itself is never fitted, only called
as a function of them (`keras.Model.stateless_call`). So the loop of `featlearn.training` fits it as it fits any layer.

Models are built where no variable comes to life (`keras.StatelessScope`), as if nothing had run before: the same seed
gives the same first weights and the same names of layers, whatever was built earlier, and what is global (random
states, counters of names) stays as it was. Models of one structure share compiled functions, so fits pile up nothing.
"""

import hashlib
import marshal
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import lru_cache
from inspect import isfunction, signature
from math import prod
from typing import Any, ClassVar
from uuid import uuid4

import numpy as np

from featlearn.kernels.backend import backend, require_keras, to_numpy
from featlearn.networks.layers import FittedLayer, Layer, Shape

SEED_STATE = "seed_generator_state"


@dataclass(frozen=True)
class KerasGraph(Layer):
    """The spec of a model that a function builds; two of one ``structure`` share compiled functions."""

    build: Callable = field(compare=False, repr=False)
    inputs: Shape
    units: int
    policy: str
    scores: bool  # whether a softmax or sigmoid at the end is left out
    structure: str = field(repr=False)
    params: tuple[str, ...] = field(repr=False)
    state_names: tuple[str, ...] = field(repr=False)  # type: ignore[misc]
    decayed: tuple[str, ...] = field(repr=False)  # type: ignore[misc]
    xla: bool = field(repr=False)  # type: ignore[misc]
    output: str | None = None  # the layer whose outputs are asked for; None: the model's

    own_precision: ClassVar[bool] = True

    @property
    def param_names(self) -> tuple[str, ...]:
        """The paths of the trainable variables, "dense/kernel" say."""
        return self.params

    def shape(self, shape: Shape) -> Shape:
        """That of the outputs. The model is built here at the latest, and not while something is compiled."""
        return _called(self).shape

    @property
    def widest(self) -> int:
        """The numbers that the largest of the model's layers gives for a row."""
        return _called(self).widest

    def upto(self, layer: str | int | None) -> "KerasGraph":
        """The same up to a layer of the model, by its name or place; None: the last but one."""
        names = _called(self).names
        if names is None:
            raise ValueError(
                "transform gives the outputs of layers of a Sequential or functional model, and this one is of a class "
                "of its own. Return keras.Sequential(...) or keras.Model(inputs, outputs)."
            )
        if layer is None and len(names) < 2:
            raise ValueError("transform gives what a hidden layer gives, and this model has none.")
        at = -2 if layer is None else layer
        name = names[int(at)] if isinstance(at, (int, np.integer)) and -len(names) <= at < len(names) else at
        if name not in names:
            raise ValueError(f"there is no layer {layer!r} in the model; there are {', '.join(names)}.")
        return replace(self, output=name)

    def apply(self, p: Any, s: Any, x: Any, seed: Any, training: bool) -> tuple[Any, Any]:
        """Outputs, and the state with "losses", the sum of the layers' regularizers, in training."""
        from keras import ops

        called, state = _called(self), []
        whole = "float64" if self.policy == "float64" else "float32"
        for i, (name, dtype) in enumerate(called.others):
            if name:
                state.append(ops.cast(s[name], dtype))
            else:  # a seed generator: its draws depend on the seed of the step alone
                state.append(ops.zeros((2,), dtype) if seed is None else ops.cast(seed + 7919 * (i + 1), dtype))
        more = {"training": training} if called.takes_training else {}
        with called.without_link():
            y, after, losses = called.model.stateless_call(
                [ops.cast(p[name], whole) for name in called.trained],
                state,
                ops.cast(x, whole),
                return_losses=True,
                **more,
            )
        y = ops.cast(y, x.dtype)
        if not training:
            return y, s
        new = {name: a for (name, _), a in zip(called.others, after, strict=True) if name}
        return y, s | new | {"losses": sum((ops.cast(loss, x.dtype) for loss in losses), ops.zeros((), x.dtype))}


@dataclass(frozen=True)
class _Called:
    """A model as functions need it: which variables it takes in which order, and what its layers are called."""

    model: Any
    trained: tuple[str, ...]
    others: tuple[tuple[str, str], ...]  # names ("": a seed generator) and dtypes
    takes_training: bool
    names: tuple[str, ...] | None
    shape: Shape
    widest: int
    last: Any  # the layer whose activation is left out, or None

    @contextmanager
    def without_link(self) -> Iterator[None]:
        """The last layer gives scores meanwhile; the model may be the user's, so it is left as it was."""
        import keras

        if self.last is None:
            yield
            return
        before = self.last.activation
        self.last.activation = keras.activations.linear
        try:
            yield
        finally:
            self.last.activation = before


def built(
    build: Callable,
    inputs: Shape,
    units: int,
    *,
    scores: bool,
    precision: str,
    dtype: Any,
    rng: np.random.RandomState,
    who: str,
) -> FittedLayer:
    """The layer of a model that ``build(inputs, units)`` returns, with its first weights.

    ``scores`` leaves out a softmax or a sigmoid at its end, which the loss adds itself. ``precision`` is that of the
    estimator, ``dtype`` that of the rows.

    Raises
    ------
    TypeError
        If what is returned is no keras.Model.
    ValueError
        If the model takes or gives other shapes, has nothing to learn, or constraints of weights.
    ImportError
        If Keras is missing.
    """
    require_keras(f"{who}: layers=a function")
    policy = precision if precision.startswith("mixed_") else _policy(dtype)
    with _as_if_first(rng.randint(2**31 - 1), policy):
        model = _made(build, inputs, units, who)
        names = _names(model)
        values = {names[id(v)]: np.array(to_numpy(v.value)) for v in model.variables if names[id(v)]}
        params = tuple(names[id(v)] for v in model.trainable_variables)
        graph = KerasGraph(
            build=build,
            inputs=tuple(inputs),
            units=int(units),
            policy=policy,
            scores=scores,
            structure=_structure(model),
            params=params,
            state_names=tuple(k for k in values if k not in params),
            decayed=tuple(k for k in params if values[k].ndim > 1),
            xla=not any("Conv" in type(layer).__name__ for layer in _layers(model)),
        )
        constrained = [v.path for v in model.trainable_variables if getattr(v, "constraint", None) is not None]
    if constrained:
        raise ValueError(
            f"{who}: {', '.join(constrained)} of the model have a constraint, which this loop does not apply. Pass a "
            "regularizer to that layer instead, or weight_decay here."
        )
    if not params:
        raise ValueError(f"{who}: the model that {_named(build)} returns has no weights to learn.")
    _called(graph)  # outside of what is compiled
    return FittedLayer(graph, {k: values[k] for k in params}, {k: values[k] for k in graph.state_names}, "model")


def fresh_model(fitted: FittedLayer) -> Any:
    """A model of its own with the learned weights; it gives scores, as ``decision_function`` does."""
    import keras

    graph = fitted.layer
    assert isinstance(graph, KerasGraph)
    with _as_if_first(0, graph.policy, alive=True):
        model = _made(graph.build, graph.inputs, graph.units, "to_keras")
        names = _names(model)
        order = [names[id(v)] for v in model.variables]
        others = {id(v) for v in _called(graph).model.variables}
        if any(id(v) in others for v in model.variables):  # a model that the function keeps: it stays as it is
            model = keras.models.clone_model(model)
        for v, name in zip(model.variables, order, strict=True):
            if name:
                v.assign((fitted.params | fitted.state)[name])
        model, last = _scoring(model) if graph.scores else (model, None)
        if last is not None:
            last.activation = keras.activations.linear
    return model


@lru_cache(maxsize=16)
def _called(graph: KerasGraph) -> _Called:
    """The model of a spec, built (again, where a fit or a file handed it over) without weights."""
    import keras

    with _as_if_first(0, graph.policy):
        model = _made(graph.build, graph.inputs, graph.units, "layers=a function")
        names, layers = _names(model), tuple(layer.name for layer in model.layers) if _functional(model) else None
        found = tuple(names[id(v)] for v in model.trainable_variables)
        if found != graph.params:
            raise ValueError(
                f"{_named(graph.build)} returned a model with the weights {', '.join(graph.params)} when it was "
                f"fitted, and now one with {', '.join(found)}. A function given as layers has to build the same model "
                "for the same arguments; fit again if it was meant to change."
            )
        model, last = _scoring(model) if graph.scores else (model, None)
        if graph.output is not None:
            model, last = keras.Model(model.inputs, model.get_layer(graph.output).output), None
        return _Called(
            model=model,
            trained=tuple(names[id(v)] for v in model.trainable_variables),
            others=tuple((names[id(v)], str(v.dtype)) for v in model.non_trainable_variables),
            takes_training="training" in signature(model.call).parameters,
            names=layers,
            shape=_output_shape(model, graph.inputs)[1:],
            widest=_widest(model, graph.inputs),
            last=last,
        )


def _policy(dtype):
    """That of rows: float64 where the backend has it."""
    if np.dtype(dtype) != np.float64:
        return "float32"
    if backend() != "jax":
        return "float64"
    import jax

    return "float64" if jax.config.read("jax_enable_x64") else "float32"


def _named(build):
    return getattr(build, "__name__", repr(build))


@contextmanager
def _as_if_first(seed: int, policy: str, alive: bool = False) -> Iterator[None]:
    """Models made within do not depend on what ran before, and what is global stays as it was.

    Only an ``alive`` one has variables; those of others are but first values.
    """
    import keras
    from keras.src.backend.common import global_state  # names and seeds have no public way to be put back

    tracker, floatx, states = global_state.GLOBAL_STATE_TRACKER, keras.config.floatx(), _random_states()
    kept = dict(vars(tracker))
    for name in ("object_name_uids", "global_seed_generator", "global_random_seed", "uninitialized_variables"):
        vars(tracker).pop(name, None)
    try:
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002 - what the function may draw from
        _seed_backend(seed)
        keras.config.set_floatx("float64" if policy == "float64" else "float32")
        keras.config.set_dtype_policy(policy)
        with nullcontext() if alive else keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        global_state.GLOBAL_STATE_TRACKER = tracker  # a clear_session within puts another in its place
        vars(tracker).clear()
        vars(tracker).update(kept)
        keras.config.set_floatx(floatx)
        _put_back(states)


def _random_states():
    """Of Python, of NumPy, and of the backend where it has one."""
    states: list[Any] = [random.getstate(), np.random.get_state(), None]  # noqa: NPY002
    if backend() == "tensorflow":
        from tensorflow.python.eager import context

        states[2] = {k: v for k, v in vars(context.context()).items() if k in ("_seed", "_rng")}
    if backend() == "torch":
        import torch

        states[2] = torch.get_rng_state()
    return states


def _seed_backend(seed):
    if backend() == "tensorflow":
        import tensorflow as tf

        tf.random.set_seed(seed)
    if backend() == "torch":
        import torch

        torch.random.default_generator.manual_seed(seed)


def _put_back(states):
    random.setstate(states[0])
    np.random.set_state(states[1])  # noqa: NPY002
    if backend() == "tensorflow":
        from tensorflow.python.eager import context

        vars(context.context()).update(states[2])
    if backend() == "torch":
        import torch

        torch.set_rng_state(states[2])


def _made(build: Callable, inputs: Shape, units: int, who: str) -> Any:
    """What the function returns, with its shapes checked."""
    import keras

    asked = f"{_named(build)}(input_shape={tuple(inputs)}, n_outputs={units})"
    model = build(tuple(inputs), units)
    if not isinstance(model, keras.Model):
        raise TypeError(f"{who}: {asked} has to return a keras.Model; it returned {type(model).__name__}.")
    try:
        shape = _output_shape(model, inputs)
    except Exception as error:
        takes = getattr(model, "input_shape", None) if model.built else None
        raise ValueError(
            f"{who}: {asked} returned a model that cannot be called on rows of shape {tuple(inputs)}"
            f"{'' if takes is None else f'; it takes {takes}'}: {error}"
        ) from error
    if shape != (None, units):
        more = " (two classes have one output)" if units == 1 else ""
        raise ValueError(
            f"{who}: {asked} returned a model whose outputs have shape {shape}; they have to be (None, {units}){more}."
        )
    return model


def _output_shape(model, inputs):
    """(None, ...), by a call on a symbolic tensor."""
    import keras

    y = model(keras.KerasTensor((None, *inputs), keras.config.floatx()))
    return tuple(y.shape) if hasattr(y, "shape") else f"{len(y)} outputs"


def _widest(model, inputs):
    """The numbers that the largest layer gives for a row; a guess where layers do not tell."""
    sizes = [100 * prod(inputs)]
    if _functional(model):
        shapes = (getattr(getattr(layer, "output", None), "shape", None) for layer in model.layers)
        sizes = [prod(n or 1 for n in shape) for shape in shapes if shape is not None]
    return max(sizes)


def _functional(model):
    """Whether a model is known as a graph of layers."""
    import keras

    return isinstance(model, keras.Sequential) or hasattr(model, "operations")


def _scoring(model):
    """A model without the softmax or sigmoid at its end: a smaller one, or with the layer to call without it."""
    import keras

    if not _functional(model):
        return model, None
    last = model.layers[-1]
    if isinstance(last, keras.layers.Softmax):
        return keras.Model(model.inputs, last.input), None
    links = (keras.activations.softmax, keras.activations.sigmoid)
    return model, last if getattr(last, "activation", None) in links else None


def _names(model) -> dict[int, str]:
    """The path of each variable, made unique; "" for a seed generator's."""
    counts: Counter[str] = Counter()
    names: dict[int, str] = {}
    for v in model.variables:
        counts[v.path] += 1
        again = f"_{counts[v.path]}" if counts[v.path] > 1 else ""
        names[id(v)] = "" if v.path.endswith(SEED_STATE) else v.path + again
    return names


def _layers(model):
    """All layers, also those within others."""
    for layer in getattr(model, "layers", None) or getattr(model, "_layers", []):
        yield layer
        yield from _layers(layer)


def _structure(model) -> str:
    """A digest of what a model computes: its layers as Keras tells them, and the code of those that are not Keras'."""
    try:
        digest = hashlib.sha256(model.to_json().encode())
    except Exception:
        return uuid4().hex  # a class that cannot be told: like no other
    for layer in (model, *_layers(model)):
        functions = [f for f in vars(layer).values() if isfunction(f)]
        for cls in type(layer).__mro__:
            if not cls.__module__.startswith(("keras.", "tensorflow.", "builtins")):
                functions += [f for f in vars(cls).values() if isfunction(f)]
        for f in functions:
            if not (f.__module__ or "").startswith("keras."):
                inside = [c.cell_contents for c in f.__closure__ or ()]
                digest.update(marshal.dumps(f.__code__, 2) + repr((f.__defaults__, inside)).encode())
    return digest.hexdigest()
