"""What network estimators share: from layers to a fit by `training.minimize`, from a fit to passes over rows."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import prod
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from featlearn.arrays import as_float
from featlearn.images.maps import check_images
from featlearn.networks.embedding import Embedding, NeighborEmbedding, Quadruples, by_rows, nearest, paired
from featlearn.networks.engines import ENGINE_RULES, EnginesMixin
from featlearn.networks.forward import Forward, check_image_shape, takes_images
from featlearn.networks.from_pipeline import FromPipelineMixin
from featlearn.networks.layers import Affine, Dense, FittedLayer, Layer, Shape
from featlearn.networks.losses import Loss
from featlearn.networks.map_layers import Flat
from featlearn.networks.phases import PHASE_RULES, PhasesMixin
from featlearn.networks.pretraining import AllRows, PretrainingMixin, layers_of_learner, learned
from featlearn.networks.specs import Pretrained, check_layers, layer_params, named, with_params
from featlearn.networks.stack import PlainStack, Stack, StatefulStack
from featlearn.networks.streamed import learn_stream
from featlearn.networks.unrolling import CannotUnroll
from featlearn.notices import notify
from featlearn.streaming import is_out_of_core
from featlearn.training import LBFGS, TRAINING_RULES, Batch, Memory, Params, Standardizer, State
from featlearn.usefulness import probe, warn_of_drowned_features, warn_of_idle_units
from featlearn.validation import (
    Rule,
    check_parameters,
    check_rows,
    has,
    instance,
    one_of,
    optional,
    real,
)

MOST_IDLE = 0.9  # the share of hidden units, many of them rectified, that may be idle without a word
WIDTH = 100  # units of the one hidden layer where ``layers`` is None
ROWS = 1_000  # rows in a block of a pass forward

NETWORK_RULES: dict[str, Rule] = (
    TRAINING_RULES
    | PHASE_RULES
    | ENGINE_RULES
    | {
        "layers": check_layers,
        "C": optional(real(above=0)),
        "l1_activity": real(0),
        "max_norm": optional(real(above=0)),
        "augment": optional(has("__call__")),
        "embedding": optional(instance(NeighborEmbedding)),
        "monitor": one_of("loss", "score"),
    }
)


def tasks(network: Any, X: Any) -> int:
    """The epochs and the learners to fit, at most."""
    return int(network.max_iter) + sum(isinstance(s, Pretrained) and not s.is_fitted() for _, s in network._specs())


class NetworkMixin(
    FromPipelineMixin, PhasesMixin, EnginesMixin, PretrainingMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin
):
    """`fit` of layers. An estimator adds what its targets are: ``_loss_of(k)``, and ``_width(y)``, the outputs k."""

    _rules: ClassVar[dict[str, Rule]] = NETWORK_RULES
    layers: Any
    C: float | None
    l1_activity: float
    max_norm: float | None
    augment: Any
    monitor: str
    embedding: NeighborEmbedding | None
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

    def _learn(self, X, y=None, sample_weight=None):
        if not is_out_of_core(X):
            return super()._learn(X, y, sample_weight)
        if y is not None or sample_weight is not None:
            raise ValueError(
                f"{type(self).__name__}: a stream carries its targets and weights itself: let it yield tuples (X, y) "
                "or (X, y, sample_weight) of chunks, and pass y=None."
            )
        return learn_stream(self, X)

    def _specs(self) -> list[tuple[str, Layer | Pretrained]]:
        if callable(self.layers):
            return []
        return [("dense-1", Dense(WIDTH, "relu"))] if self.layers is None else named(self.layers)

    def _prepared(self, data, validation, rng, go_on):
        rows = self.__dict__.pop("_all_rows", None)
        rows = AllRows(data.x, np.arange(data.x.shape[0]), data.y, data.w) if rows is None else rows
        if not go_on:
            self._build(data.x.shape[1:], self._dtype(data.x), self._width(data.y), rows, rng)
        self._total = float(data.x.shape[0] if data.w is None else data.w.sum())
        before = Forward(tuple(self.prefix_), ())

        def passed(x):
            return before.on(x) if self.prefix_ else x

        held = None if validation is None else Batch(passed(validation.x), validation.y, validation.w)
        if self.embedding is None:
            return Batch(passed(data.x), data.y, data.w), held, None
        neighbors = nearest(rows.x, int(self.embedding.n_neighbors), type(self).__name__)
        step = self._memory.step if go_on else 0  # or every partial_fit would draw the same pairs
        pairs = np.random.RandomState([rng.randint(2**31 - 1), step])
        data = paired(data, passed(rows.x), rows.places, neighbors, pairs)
        return data.rows(slice(None)) if isinstance(self._solver(), LBFGS) else data, held, None

    def _build(self, shape: Shape, dtype: np.dtype | None, k: int, rows: AllRows | None, rng: Any) -> None:
        """The first ``layers_`` and ``prefix_``: specs made layers one after the other, learners fitted on the way.

        Without a dtype the learners' arrays keep theirs.
        """
        self.layers_, self.prefix_, self._first_shape = [], [], shape
        if callable(self.layers):
            self.layers_ = [self._of_function(shape, k, dtype, rng)]
            return
        specs = self._specs()
        for name, spec in specs:
            if isinstance(spec, Pretrained):
                found = self._learned(name, spec, rows, shape, rng, name == specs[-1][0])
            elif isinstance(spec, Affine):
                standard = Standardizer.of(self._below(rows.x))  # type: ignore[union-attr]
                found = [FittedLayer(spec, {}, {"a": standard.mean, "c": 1 / standard.scale})]
            else:
                found, at = [], shape
                for part in spec.parts():
                    found.append(FittedLayer(part, part.first_params(at, rng, dtype), part.first_state(at, dtype)))
                    at = part.shape(at)
            if found is None:  # a learner that stands still before the layers
                shape = np.shape(Forward((self.prefix_[-1],), ())(np.zeros((1, *shape), dtype)))[1:]
                self._first_shape = shape
                continue
            for fitted in found:
                self.layers_.append(replace(fitted if dtype is None else fitted.at(dtype), name=name))
                shape = fitted.layer.shape(shape)
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
        asked = set(self._frozen_names())
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

    def _learned(self, name, spec, rows, shape, rng, last):
        """The layers of a learner, fitted here if it is not yet; None of one that no layers can stand for."""
        new = not spec.is_fitted()
        learner = learned(self, name, spec.learner, rows, self._below(rows.x), rng) if new else spec.learner
        try:
            found = layers_of_learner(learner, shape, last=last, new=new)
        except CannotUnroll:
            if spec.trainable or self.layers_:
                raise
            self.prefix_.append(learner)
            return None
        return [replace(fitted, fixed=fitted.fixed or not spec.trainable) for fitted in found]

    def _dtype(self, X: Any) -> np.dtype:
        if self.precision in ("float32", "float64"):
            return np.dtype(self.precision)
        return np.dtype(np.float32) if self.precision != "auto" else as_float(X[:0]).dtype

    # What `training.minimize` is given

    def _training(self, *given):
        train = super()._training(*given)
        if self.embedding is not None and self.augment is not None:
            train = partial(train, augment=partial(by_rows, self.augment))
        return train if self.C is None else partial(train, weight_decay=1 / (float(self.C) * self._total))

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
            self._decays(),
            float(self.l1_activity),
            None if self.max_norm is None else float(self.max_norm),
            self.precision.removeprefix("mixed_") if mixed else None,
            self.monitor,
            embedding=self._embedding(),
        )

    def _embedding(self) -> Embedding | None:
        """The auxiliary loss at its layer."""
        if self.embedding is None:
            return None
        end = len(self.layers_) if self.embedding.layer is None else self._end(self.embedding.layer)
        return Embedding(end - 1, float(self.embedding.weight), float(self.embedding.margin))

    def _check_values(self, X):
        if isinstance(X, np.ndarray) and X.ndim == 2 and self._specs() and isinstance(self._specs()[0][1], Dense):
            warn_of_drowned_features(type(self).__name__, probe(X), "the first layer adds features as they are")

    def _judge(self, X):
        """Of the last hidden layer, how many units say something."""
        if self.embedding is not None:
            X = X.x if isinstance(X, Quadruples) else X[:, 0]
        if callable(self.layers) or len(self.layers_) < 2 or self.prefix_ or not isinstance(X, np.ndarray):
            return
        hidden = self.layers_[-2].layer
        kind = getattr(hidden, "activation", getattr(hidden, "function", "linear"))
        low, high = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}.get(kind, (None, None))
        codes = Forward((), tuple(self.layers_[:-1]))(probe(X))
        cure = "Scale the data (StandardScaler, or Affine() as the first layer), or lower learning_rate."
        warn_of_idle_units(type(self).__name__, codes.reshape(len(codes), -1), cure, low=low, high=high, most=MOST_IDLE)

    def _first_parameters(self, objective, X, rng, go_on):
        params = self._parameters()
        if not params:
            raise ValueError(
                f"{type(self).__name__}: every layer stands still, so there is nothing to learn. Leave one out of "
                "frozen, or call unfreeze(name)."
            )
        return params

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
        state = self._state()
        if not go_on:
            return Memory(state=state)
        learns = self._memory.arrays.keys() == self._parameters().keys()
        # The rule starts anew where others learn than before: adam's first steps would be too long.
        return (
            replace(self._memory, state=state) if learns else Memory(self._memory.step, self._memory.epoch, state=state)
        )

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

    def _through(self, X: Any, end: int | None, last: Callable | None = None) -> Any:
        """Rows through the layers before ``end``, and through a last function."""
        check_is_fitted(self)
        return self._through_layers(X, tuple(self.layers_[:end]), last)

    def _through_layers(self, X: Any, layers: tuple[FittedLayer, ...], last: Callable | None = None) -> Any:
        check_parameters(self, "engine")
        X = self._rows(X, reset=False)
        return Forward(tuple(self.prefix_), layers, getattr(self, "image_shape_", None)).on(X, last)

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
        """The number of layers up to the one named, by its name or its place among them; None: all but the last."""
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
            A layer by its name ("dense-1"; Keras' own in a function's model) or place; None takes the last hidden one.

        Returns
        -------
        features : array (n_samples, n_units), a generator of chunks, or a Dask array
        """
        check_is_fitted(self)
        if callable(self.layers):
            return self._through_layers(X, (self._upto(layer),))
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
        if callable(self.layers):
            return int(prod(self._upto(None).layer.shape(())))
        shape = self._first_shape
        for fitted in self.layers_[:-1]:
            shape = fitted.layer.shape(shape)
        return prod(shape)
