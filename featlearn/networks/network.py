"""What network estimators share: from layers to a fit by `training.minimize`, and from a fit to passes over rows."""

from dataclasses import dataclass, replace
from math import prod
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from featlearn.arrays import as_float
from featlearn.callbacks import sub_fit
from featlearn.images.maps import check_images
from featlearn.networks.layers import Affine, Dense, FittedLayer, Layer, Shape
from featlearn.networks.losses import Loss
from featlearn.networks.map_layers import Flat
from featlearn.networks.specs import Pretrained, check_layers, layer_params, named, with_params
from featlearn.networks.stack import PlainStack, Stack, StatefulStack
from featlearn.networks.tensor_pass import pass_through
from featlearn.networks.unrolling import CannotUnroll, unrolled
from featlearn.notices import notify
from featlearn.streaming import dense, is_out_of_core, map_chunks
from featlearn.training import TRAINING_RULES, Batch, GradientLearnerMixin, Memory, Params, Standardizer, State
from featlearn.validation import (
    Rule,
    check_parameters,
    check_rows,
    either,
    has,
    instance,
    integer,
    one_of,
    optional,
    real,
)

WIDTH = 100  # units of the one hidden layer where ``layers`` is None
ROWS = 1_000  # rows in a block of a pass forward

NETWORK_RULES: dict[str, Rule] = TRAINING_RULES | {
    "layers": check_layers,
    "C": optional(real(above=0)),
    "l1_activity": real(0),
    "max_norm": optional(real(above=0)),
    "augment": optional(has("__call__")),
    "monitor": one_of("loss", "score"),
    "freeze": either(instance(tuple, list, str), integer(0)),
    "layer_rates": optional(instance(dict)),
    "layer_decay": real(above=0),
    "precision": one_of("auto", "float32", "float64", "mixed_bfloat16", "mixed_float16"),
}


@dataclass(frozen=True)
class Forward:
    """Rows through learners that stand still, then through layers; picklable.

    Layers on maps pass through Keras. ``image`` is the shape of an image, where images come in.
    """

    prefix: tuple[Any, ...]
    layers: tuple[FittedLayer, ...]
    image: Shape | None = None

    def __call__(self, chunk: Any) -> np.ndarray:
        x = as_float(dense(chunk) if self.image is None else check_image_shape(chunk, self.image))
        for learner in self.prefix:
            x = as_float(dense(learner.transform(x)))
        if not self.by_hand:
            return pass_through(self.layers, x)
        for fitted in self.layers:
            at = fitted.at(x.dtype)
            x = at.layer.forward(at.params, at.state, x, None, False)[0]
        return x

    @property
    def by_hand(self) -> bool:
        """Whether all layers have a NumPy pass."""
        return all(fitted.layer.by_hand for fitted in self.layers)

    def on(self, X: Any) -> Any:
        """Chunks of X through all; layers on maps take theirs one after the other."""
        return map_chunks(self, X, n_jobs=None if self.by_hand else 1)


def check_image_shape(images: Any, shape: Shape) -> np.ndarray:
    """Images of the shape that a network was fitted on."""
    images = check_images(images, "The network")
    if images.shape[1:] != shape:
        raise ValueError(
            f"The network was fitted on images of shape {shape} and now got {images.shape[1:]}. Resize the images, or "
            "fit it on this size."
        )
    return images


def takes_images(layers: Any) -> bool:
    """Whether the first of a network's layers is given images: a layer on maps, a `Stage`, a `Flatten`."""
    first = None if layers is None or not (names := named(layers)) else names[0][1]
    if not isinstance(first, Pretrained):
        return first is not None and first.takes_images
    learner = first.learner
    while isinstance(learner, Pipeline):
        learner = next((step for _, step in learner.steps if step is not None and step != "passthrough"), None)
    return learner is not None and get_tags(learner).input_tags.three_d_array


class NetworkMixin(GradientLearnerMixin):
    """`fit` of layers. An estimator adds what its targets are: ``_loss_of(k)``, and ``_width(y)``, the outputs k."""

    _rules: ClassVar[dict[str, Rule]] = NETWORK_RULES
    layers: Any
    C: float | None
    l1_activity: float
    max_norm: float | None
    augment: Any
    monitor: str
    freeze: Any
    layer_rates: dict[str, float] | None
    layer_decay: float
    precision: str
    layers_: list[FittedLayer]
    prefix_: list[Any]

    def _loss_of(self, k: int) -> Loss:
        raise NotImplementedError

    def _width(self, y: np.ndarray) -> int:
        raise NotImplementedError

    # Parameters of layers, reached by name

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters by name; with ``deep`` also those of the layers, as ``layers__dense-1__units``."""
        params = super().get_params(deep)  # type: ignore[misc]
        return params | {f"layers__{k}": v for k, v in layer_params(self.layers).items()} if deep else params

    def set_params(self, **params: Any) -> Self:
        """Set parameters, also those of layers."""
        if "layers" in params:
            super().set_params(layers=params.pop("layers"))  # type: ignore[misc]
        inside = {k: v for k, v in params.items() if k.startswith("layers__")}
        if inside and isinstance(self.layers, (list, tuple)):
            self.layers = with_params(self.layers, {k[len("layers__") :]: v for k, v in inside.items()})
            params = {k: v for k, v in params.items() if k not in inside}
        return super().set_params(**params) if params else self  # type: ignore[misc]

    # From the rows to a fit

    def _specs(self) -> list[tuple[str, Layer | Pretrained]]:
        return [("dense-1", Dense(WIDTH, "relu"))] if self.layers is None else named(self.layers)

    def _prepared(self, data, validation, rng, go_on):
        if not go_on:
            self._build(data, rng)
        if not self.prefix_:
            return data, validation, None
        before = Forward(tuple(self.prefix_), ())
        cached = [None if b is None else Batch(before.on(b.x), b.y, b.w) for b in (data, validation)]
        return *cached, None

    def _build(self, data: Batch, rng: Any) -> None:
        """The first ``layers_`` and ``prefix_``: specs made layers one after the other, learners fitted on the way."""
        dtype = self._dtype(data.x)
        shape: Shape = data.x.shape[1:]
        self.layers_, self.prefix_ = [], []
        specs = self._specs()
        for i, (name, spec) in enumerate(specs):
            if isinstance(spec, Pretrained):
                found = self._learned(name, spec, data, shape, rng)
            elif isinstance(spec, Affine):
                standard = Standardizer.of(self._below(data.x))
                found = [FittedLayer(spec, {}, {"a": standard.mean, "c": 1 / standard.scale})]
            else:
                found, at = [], shape
                for part in spec.parts():
                    found.append(FittedLayer(part, part.first_params(at, rng, dtype), part.first_state(at, dtype)))
                    at = part.shape(at)
            if not found:  # one that stands still
                shape = np.shape(Forward((self.prefix_[-1],), ())(np.zeros((1, *shape), dtype)))[1:]
            elif i < len(specs) - 1:  # what another layer gets of a network is what is below its last one
                found = [fitted for fitted in found if not fitted.head]
                if not found:
                    raise ValueError(
                        f"{type(self).__name__}: {name!r} gives scores, which no layer goes on from. Make it the last, "
                        "or leave it out."
                    )
            if not self.layers_:
                self._shape_in = shape
            for fitted in found:
                self.layers_.append(replace(fitted.at(dtype), name=name))
                shape = fitted.layer.shape(shape)
        k = self._width(data.y)
        self._warn_if_blocked()
        if self.layers_ and self.layers_[-1].head:
            self._check_head(k)
            return
        if len(shape) > 1:
            self.layers_.append(FittedLayer(Flat(), {}, name="flat"))
            shape = self.layers_[-1].layer.shape(shape)
        head = Dense(k, "linear", init="glorot")
        self.layers_.append(FittedLayer(head, head.first_params(shape, rng, dtype), name="output", head=True))

    def _warn_if_blocked(self) -> None:
        """A layer that no gradient passes, and what is below it, cannot learn; said where it was asked to."""
        names = list(dict.fromkeys(fitted.name for fitted in self.layers_))
        asked = {self.freeze} if isinstance(self.freeze, str) else self.freeze
        asked = set(names[: int(asked)] if not isinstance(asked, (list, tuple, set)) else asked)
        for fitted in self.layers_:
            if fitted.layer.blocks and not fitted.fixed and fitted.name not in asked:
                notify(
                    f"{type(self).__name__}: no gradient passes {type(fitted.layer).__name__} of {fitted.name!r} (a "
                    "hard code), so it stands still, with all layers below it. Pass encode='triangle', 'threshold' or "
                    "'split' to its learner, or freeze it."
                )

    def _check_head(self, k: int) -> None:
        """The last learner has to give as many outputs as there are targets, of the same classes."""
        head = self.layers_[-1]
        if head.params["W"].shape[1] != k or (
            head.classes is not None and not np.array_equal(head.classes, getattr(self, "classes_", head.classes))
        ):
            raise ValueError(
                f"{type(self).__name__}: the last learner gives {head.params['W'].shape[1]} outputs of classes "
                f"{head.classes}, and the targets need {k} of {getattr(self, 'classes_', None)}. Leave it out, and the "
                "network makes an output of its own."
            )

    def _below(self, X: Any) -> Any:
        """What the layers so far give for rows."""
        if not self.prefix_ and not self.layers_:
            return X
        return Forward(tuple(self.prefix_), tuple(self.layers_)).on(X)

    def _learned(self, name, spec, data, shape, rng):
        """The layers of a learner, fitted here if it is not yet."""
        learner = spec.learner
        if not spec.is_fitted():
            learner = clone(learner)
            if "random_state" in learner.get_params() and learner.get_params()["random_state"] is None:
                learner.set_params(random_state=rng.randint(2**31 - 1))
            rows = self._below(data.x)
            with sub_fit(self, learner, name):
                learner.fit(rows)
        try:
            return [replace(fitted, fixed=fitted.fixed or not spec.trainable) for fitted in unrolled(learner, shape)]
        except CannotUnroll:
            if spec.trainable or self.layers_:
                raise
            self.prefix_.append(learner)
            return []

    def _dtype(self, X: Any) -> np.dtype:
        if self.precision in ("float32", "float64"):
            return np.dtype(self.precision)
        return np.dtype(np.float32) if self.precision != "auto" else as_float(X[:0]).dtype

    # What `training.minimize` is given

    def _frozen(self) -> frozenset[int]:
        """The layers that stand still."""
        names = list(dict.fromkeys(fitted.name for fitted in self.layers_))
        freeze = [self.freeze] if isinstance(self.freeze, str) else self.freeze
        asked = set(names[: int(freeze)] if not isinstance(freeze, (list, tuple)) else freeze)
        unknown = asked - set(names)
        if unknown:
            raise ValueError(
                f"{type(self).__name__}: freeze names {sorted(unknown)}; the layers are {', '.join(names)}."
            )
        blocked = max((i for i, fitted in enumerate(self.layers_) if fitted.layer.blocks), default=-1)
        return frozenset(
            i for i, fitted in enumerate(self.layers_) if fitted.fixed or fitted.name in asked or i <= blocked
        )

    def _rates(self) -> tuple[float, ...]:
        """What multiplies each layer's learning rate: ``layer_decay`` to the power of its distance from the output."""
        names = list(dict.fromkeys(fitted.name for fitted in self.layers_))
        if self.layer_rates is None and self.layer_decay == 1:
            return ()
        rates = {name: float(self.layer_decay) ** (len(names) - 1 - i) for i, name in enumerate(names)}
        unknown = set(self.layer_rates or {}) - set(names)
        if unknown:
            raise ValueError(
                f"{type(self).__name__}: layer_rates names {sorted(unknown)}; the layers are {', '.join(names)}."
            )
        rates |= {name: float(rate) for name, rate in (self.layer_rates or {}).items()}
        return tuple(rates[fitted.name] for fitted in self.layers_)

    def _objective(self) -> Stack:
        layers = tuple(fitted.layer for fitted in self.layers_)
        frozen = self._frozen()
        k = layers[-1].shape((1,))[-1]
        kind = StatefulStack if frozen or any(layer.state_names for layer in layers) else PlainStack
        mixed = self.precision.startswith("mixed_")
        return kind(
            layers,
            self._loss_of(k),
            frozen,
            self._rates(),
            (),
            float(self.l1_activity),
            None if self.max_norm is None else float(self.max_norm),
            self.precision.removeprefix("mixed_") if mixed else None,
            self.monitor,
        )

    def _first_parameters(self, objective, X, rng, go_on):
        return self._parameters()

    def _parameters(self) -> Params:
        objective, frozen = self._objective(), self._frozen()
        return {
            f"{i}.{k}": objective.stored(i, k, v)
            for i, fitted in enumerate(self.layers_)
            for k, v in fitted.params.items()
            if i not in frozen
        }

    def _state(self) -> State:
        objective, frozen = self._objective(), self._frozen()
        return {
            f"{i}.{k}": objective.stored(i, k, v)
            for i, fitted in enumerate(self.layers_)
            for k, v in (fitted.state | (fitted.params if i in frozen else {})).items()
        }

    def _remembered(self, go_on):
        return replace(self._memory, state=self._state()) if go_on else Memory(state=self._state())

    def _attributes(self, params: Params, state: State) -> dict[str, Any]:
        objective = self._objective()

        def learned(i, group):
            known = params | state
            return {
                k: objective.unstored(i, k, known[f"{i}.{k}"]) if f"{i}.{k}" in known else v for k, v in group.items()
            }

        layers = [
            replace(fitted, params=learned(i, fitted.params), state=learned(i, fitted.state))
            for i, fitted in enumerate(self.layers_)
        ]
        return {"layers_": layers}

    # Passes over rows

    def _through(self, X: Any, end: int | None) -> Any:
        """Rows through the layers before ``end``."""
        check_is_fitted(self)
        check_parameters(self, "engine")
        X = self._rows(X, reset=False)
        return Forward(tuple(self.prefix_), tuple(self.layers_[:end]), getattr(self, "image_shape_", None)).on(X)

    def _rows(self, X: Any, reset: bool) -> Any:
        """Rows, or images where the first layer takes them, checked; a stream's chunks are checked as they come."""
        images = takes_images(self.layers) and np.ndim(X) != 2 if reset else hasattr(self, "image_shape_")
        if not images:
            if reset:
                self.__dict__.pop("image_shape_", None)
            return check_rows(self, X, reset=reset, accept_sparse=True)
        if is_out_of_core(X):
            return X
        X = check_images(X, type(self).__name__)
        if reset:
            self.__dict__.pop("n_features_in_", None)
            self.image_shape_ = X.shape[1:]
        return X if reset else check_image_shape(X, self.image_shape_)

    def _end(self, layer: str | int | None) -> int:
        """The number of layers up to the one named (by its name, or its place among names); None: all but the last."""
        if layer is None:
            return len(self.layers_) - 1
        names = list(dict.fromkeys(fitted.name for fitted in self.layers_))
        at = names[layer] if isinstance(layer, (int, np.integer)) and -len(names) <= layer < len(names) else layer
        if at not in names:
            raise ValueError(f"{type(self).__name__}: there is no layer {layer!r}; there are {', '.join(names)}.")
        return max(i for i, fitted in enumerate(self.layers_) if fitted.name == at) + 1

    def transform(self, X: Any, layer: str | int | None = None) -> Any:
        """What a layer gives for rows: features for another learner.

        Parameters
        ----------
        X : array (n_samples, n_features), sparse matrix, memmap, stream of chunks or Dask array
            The rows.
        layer : str, int or None, default=None
            A layer by its name ("dense-1") or place; None takes the last hidden one.

        Returns
        -------
        features : array (n_samples, n_units), a generator of chunks, or a Dask array
        """
        check_is_fitted(self)
        return self._through(X, self._end(layer))

    @property
    def coefs_(self) -> list[np.ndarray]:
        """The matrices of the dense layers, (inputs, units) each, as scikit-learn's MLP has them."""
        return [fitted.params["W"] for fitted in self.layers_ if isinstance(fitted.layer, Dense)]

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """The biases of the dense layers."""
        return [fitted.params["b"] for fitted in self.layers_ if isinstance(fitted.layer, Dense) and fitted.layer.bias]

    @property
    def _n_features_out(self):
        shape = self._shape_in
        for fitted in self.layers_[:-1]:
            shape = fitted.layer.shape(shape)
        return prod(shape)

    def network_layers(self, shape: Shape) -> list[FittedLayer]:
        """The layers as fitted, for another network or a Pipeline that is unrolled; the last is a head.

        Parameters
        ----------
        shape : tuple of int
            Of one sample.

        Returns
        -------
        layers : list of FittedLayer

        Raises
        ------
        ValueError
            If they begin with a learner that stands still, or take another shape.
        """
        check_is_fitted(self)
        if self.prefix_:
            raise CannotUnroll(
                f"{type(self).__name__} begins with {type(self.prefix_[0]).__name__}, which stands still and cannot be "
                "said as layers."
            )
        if tuple(shape) != tuple(self._shape_in):
            raise ValueError(
                f"{type(self).__name__} was fitted on samples of shape {tuple(self._shape_in)}, and the layer below it "
                f"gives {tuple(shape)}. Fit it on what that layer gives."
            )
        return list(self.layers_)
