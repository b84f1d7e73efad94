"""What the parameter ``layers`` may hold, and how its items are named, reached by grids and put together.

A list of layers (`featlearn.networks.layers`), of ``(name, layer)`` where a name is wanted, and of `Pretrained`
learners; or a Pipeline of learners, each of which becomes a `Pretrained`.
"""

from collections import Counter
from dataclasses import dataclass, fields, replace
from typing import Any

from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from featlearn.networks.layers import Layer


@dataclass(frozen=True)
class Pretrained:
    """A learner whose codes a network starts from.

    One that is fitted becomes layers as it is; clones of the network keep it so. One that is not is fitted in the
    network's `fit`, on what the layers below it give for the training rows (and for rows without labels): the greedy
    walk of Hinton, Osindero & Teh (2006) and Bengio et al. (2007). A learner that needs labels, a `NetworkClassifier`
    say, gets those of the labelled rows (supervised layer-wise pretraining), and its last layer is dropped.

    Parameters
    ----------
    learner : estimator
        RBM, autoencoder, dictionary, ZCA, scaler, Stage, a Pipeline of them, ...
    trainable : bool, default=True
        Whether gradients reach it. One that no layers can stand for (kernel PCA, say) has to be the first, and False.
    keep : bool or None, default=None
        Whether a fitted learner stays as it is; False fits a clone of it anew. None: if it is fitted.

    Examples
    --------
    >>> from featlearn import RBM
    >>> from featlearn.networks import Dense, NetworkClassifier, Pretrained
    >>> net = NetworkClassifier([Pretrained(RBM(20)), Pretrained(RBM(10)), Dense(10, "relu")])
    >>> net.set_params(**{"layers__pretrained-1__learner__n_components": 30}).layers[0].learner.n_components
    30
    """

    learner: Any
    trainable: bool = True
    keep: bool | None = None

    def __post_init__(self):
        if isinstance(self.learner, type) or not hasattr(self.learner, "fit"):
            raise TypeError(f"Pretrained takes a learner with `fit`, not {self.learner!r}.")

    def is_fitted(self) -> bool:
        """Whether the learner stays as it is."""
        return is_fitted(self.learner) if self.keep is None else self.keep


def is_fitted(learner: Any) -> bool:
    """Whether an estimator (of a Pipeline, every step) was fitted."""
    if isinstance(learner, Pipeline):
        return all(is_fitted(step) for _, step in learner.steps if step is not None and step != "passthrough")
    try:
        check_is_fitted(learner)
    except (NotFittedError, TypeError):
        return False
    return True


Spec = Layer | Pretrained


def named(layers: Any) -> list[tuple[str, Spec]]:
    """The items of ``layers`` with their names: given, or "dense-1", "dense-2", "dropout-1", ... by kind."""
    if isinstance(layers, Pipeline):
        steps = [(name, step) for name, step in layers.steps if step is not None and step != "passthrough"]
        return [(name, Pretrained(step)) for name, step in steps]
    counts: Counter[str] = Counter()
    found = []
    for item in layers:
        kind = type(item).__name__.lower()
        counts[kind] += 1
        found.append(tuple(item) if isinstance(item, (tuple, list)) else (f"{kind}-{counts[kind]}", item))
    return found


def check_layers(value: Any) -> str | None:
    """The rule of the parameter ``layers``: None, or what is expected."""
    expected = (
        "None, a list of layers (featlearn.networks.Dense, Dropout, Pretrained, ...; or (name, layer)), a Pipeline of "
        "learners, or a function build(input_shape, n_outputs) that returns a keras.Model"
    )
    if value is None or isinstance(value, Pipeline) or (callable(value) and not isinstance(value, type)):
        return None
    if not isinstance(value, (list, tuple)):
        return expected
    for item in value:
        if isinstance(item, (tuple, list)):
            if len(item) != 2 or not isinstance(item[0], str) or "__" in item[0]:
                return f"{expected}; {item!r} is no (name, layer), with a name without '__'"
            item = item[1]
        if not isinstance(item, (Layer, Pretrained)):
            cure = " (wrap a learner: Pretrained(learner))" if hasattr(item, "fit") else ""
            return f"{expected}; {item!r} is no layer{cure}"
    names = [name for name, _ in named(value)]
    twice = [name for name, count in Counter(names).items() if count > 1]
    return f"layers with names of their own; {twice} stand for more than one" if twice else None


def layer_params(layers: Any) -> dict[str, Any]:
    """What grids may reach in a list of layers: "dense-1", "dense-1__units", "pretrained-1__learner__n_iter", ..."""
    found: dict[str, Any] = {}
    if not isinstance(layers, (list, tuple)) or check_layers(layers) is not None:
        return found
    for name, spec in named(layers):
        found[name] = spec
        for field in fields(spec):
            value = getattr(spec, field.name)
            found[f"{name}__{field.name}"] = value
            if hasattr(value, "get_params") and not isinstance(value, type):
                for key, inner in value.get_params().items():
                    found[f"{name}__{field.name}__{key}"] = inner
    return found


def with_params(layers: Any, changes: dict[str, Any]) -> list:
    """A list of layers with some items, or fields of items, changed."""
    changed = list(layers)
    names = [name for name, _ in named(layers)]
    # Whole items first, or they would undo what is changed inside them.
    for key in sorted(changes, key=lambda key: key.count("__")):
        name, _, rest = key.partition("__")
        if name not in names:
            raise ValueError(f"layers has no {name!r}; there are {', '.join(names)}.")
        at = names.index(name)
        given = isinstance(changed[at], (tuple, list))
        spec = changed[at][1] if given else changed[at]
        spec = changes[key] if not rest else _with_field(spec, name, rest, changes[key])
        # A changed kind would change the names that others are reached by, so what was counted is named.
        changed[at] = (name, spec) if given or not rest else spec
    return changed


def _with_field(spec, name, rest, value):
    field, _, inner = rest.partition("__")
    known = [f.name for f in fields(spec)]
    if field not in known:
        raise ValueError(f"layer {name!r} ({type(spec).__name__}) has no {field!r}; it has {', '.join(known)}.")
    if not inner:
        return replace(spec, **{field: value})
    learner = getattr(spec, field)
    return replace(spec, **{field: clone(learner).set_params(**{inner: value})})
