"""What pictures of networks have in common: the network in an estimator, and the blocks of its layers.

A block is a layer with weights, and what follows it up to the next one: an activation, batch norm, dropout, a pool.
"""

from collections import Counter
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from sklearn.decomposition import PCA

from featlearn.networks.layers import FittedLayer
from featlearn.networks.network import NetworkMixin
from featlearn.validation import check_fitted


class Block(NamedTuple):
    """The layers from ``start`` up to ``end`` of a network."""

    name: str
    start: int
    end: int


def has_weights(fitted: FittedLayer) -> bool:
    """Whether it is a layer with a matrix: of a dense layer W, of a code its atoms A."""
    return not fitted.params.keys().isdisjoint("WA")


def is_network(estimator: Any) -> bool:
    """Whether it is a fitted network whose layers are known."""
    return isinstance(estimator, NetworkMixin) and any(map(has_weights, getattr(estimator, "layers_", ())))


def find_network(who: str, estimator: Any) -> tuple[list[Any], Any]:
    """The steps of a pipeline before a fitted network, and the network; of a search, those of its best estimator.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If there is no network, or one that was made by a function, whose layers are Keras' own.
    """
    takes = "a fitted NetworkClassifier or NetworkRegressor, a pipeline that ends with one, or a search over these"
    check_fitted(who, estimator, takes)
    estimator = getattr(estimator, "best_estimator_", estimator)
    before, last = [], estimator
    if hasattr(estimator, "steps"):
        *before, (_, last) = estimator.steps
        before = [step for _, step in before if step is not None and step != "passthrough"]
    if not isinstance(last, NetworkMixin):
        raise TypeError(f"{who} takes {takes}, not {type(last).__name__}.")
    if not is_network(last):
        raise TypeError(f"{who} draws layers that featlearn knows, and this {type(last).__name__} holds none.")
    return before, last


def through(before: list[Any], X: Any) -> Any:
    """Rows as the network is given them."""
    for step in before:
        X = step.transform(X)
    return X


def blocks_of(layers: list[FittedLayer]) -> list[Block]:
    """The blocks of a network's layers; layers of one name that hold several weights count on: "pretrained-1.2"."""
    starts = [i for i, fitted in enumerate(layers) if has_weights(fitted)]
    total, seen = Counter(layers[i].name for i in starts), Counter[str]()
    blocks = []
    for start, end in pairwise([*starts, len(layers)]):
        name = layers[start].name
        seen[name] += 1
        blocks.append(Block(f"{name}.{seen[name]}" if total[name] > 1 else name, start, end))
    return blocks


def block_named(net: Any, layer: str | int | None) -> Block:
    """A block of a network by its name or its place; None: the first.

    Raises
    ------
    ValueError
        If there is none such.
    """
    blocks = blocks_of(net.layers_)
    if layer is None or (isinstance(layer, (int, np.integer)) and -len(blocks) <= layer < len(blocks)):
        return blocks[layer or 0]
    for block in blocks:
        if block.name == layer:
            return block
    names = ", ".join(block.name for block in blocks)
    raise ValueError(f"{type(net).__name__} has no weights in a layer {layer!r}; there are {names}.")


def two_coordinates(codes: Any, *others: Any) -> tuple[list[np.ndarray], list[str]]:
    """Codes (n, d) and others of their space as points of a plane, (n, 2) each, and what its axes are called.

    Two features are the axes themselves, more are seen along the first two principal components of ``codes``; one has
    a second coordinate of 0.
    """
    every = [np.asarray(each, np.float64).reshape(len(each), -1) for each in (codes, *others)]
    codes, d = every[0], every[0].shape[1]
    if d == 1:
        return [np.column_stack([each, np.zeros(len(each))]) for each in every], ["unit 1", ""]
    if d == 2:
        return every, ["unit 1", "unit 2"]
    if len(codes) == 1:
        return [np.zeros((len(each), 2)) for each in every], ["component 1", "component 2"]
    solver = "covariance_eigh" if len(codes) > d else "full"
    with np.errstate(invalid="ignore", divide="ignore"):  # units that are all constant
        pca = PCA(2, svd_solver=solver).fit(codes)
        shares = 100 * np.nan_to_num(pca.explained_variance_ratio_)
    names = [f"component {i} ({share:.0f} %)" for i, share in enumerate(shares, 1)]
    return [pca.transform(each) for each in every], names


def class_colors(n: int) -> list[Any]:
    """As many colors as classes: the house's first, then those of matplotlib's lists."""
    house = [
        "#2f6db5",
        "#d95f02",
        "#1b9e77",
        "#7570b3",
        "#e7298a",
        "#a6761d",
        "#66a61e",
        "#4d4d4d",
        "#e6ab02",
        "#17a3b8",
    ]
    if n <= len(house):
        return house[:n]
    from matplotlib import colormaps

    return list(colormaps["tab20"](np.arange(n))) if n <= 20 else list(colormaps["turbo"](np.linspace(0.02, 0.98, n)))
