"""Passes of rows and images through fitted layers: in NumPy, or through Keras where a layer has no NumPy pass."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags

from featlearn.arrays import as_float
from featlearn.images.maps import check_images
from featlearn.networks.layers import FittedLayer, Shape
from featlearn.networks.specs import Pretrained, named
from featlearn.networks.tensor_pass import pass_through
from featlearn.streaming import dense, map_chunks


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

    def on(self, X: Any, last: Callable[[np.ndarray], np.ndarray] | None = None) -> Any:
        """Chunks of X through all, and through a last function; layers on maps take theirs one after the other."""
        whole = self if last is None else partial(_followed, self, last)
        return map_chunks(whole, X, n_jobs=None if self.by_hand else 1)


def _followed(forward: Forward, last: Callable[[np.ndarray], np.ndarray], chunk: Any) -> np.ndarray:
    return last(forward(chunk))


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
    """Whether the first of a network's layers is given images: a function may take them, a `Stage` does."""
    if callable(layers):
        return True
    first = None if layers is None or not (names := named(layers)) else names[0][1]
    if not isinstance(first, Pretrained):
        return first is not None and first.takes_images
    learner = first.learner
    while isinstance(learner, Pipeline):
        learner = next((step for _, step in learner.steps if step is not None and step != "passthrough"), None)
    return learner is not None and get_tags(learner).input_tags.three_d_array
