"""From a fitted Pipeline to a network that gives what it gives, and that gradients tune from there."""

from dataclasses import replace
from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVC
from sklearn.utils.validation import check_is_fitted

from featlearn.arrays import as_float
from featlearn.linear import LinearSVM, LinearSVMCV
from featlearn.networks.layers import FittedLayer, Shape
from featlearn.networks.specs import Pretrained, is_fitted, named
from featlearn.networks.unrolling import CannotUnroll, unrolled
from featlearn.streaming import dense
from featlearn.training import Memory
from featlearn.validation import check_parameters

RATE = 1e-4  # of adam, for what was learned before: larger steps lose it


def loss_of_classifier(classifier: Any) -> dict[str, Any]:
    """The parameters of a network whose loss is that of a linear classifier."""
    if isinstance(classifier, (LinearSVM, LinearSVMCV)):
        return {"loss": "squared_hinge", "C": float(getattr(classifier, "C_", getattr(classifier, "C", 1.0)))}
    if isinstance(classifier, LinearSVC):
        return {"loss": str(classifier.loss), "C": float(classifier.C)}
    if isinstance(classifier, LogisticRegression):
        C = float(classifier.C)
        return {"loss": "cross_entropy"} | ({"C": C} if np.isfinite(C) else {})
    if isinstance(classifier, SGDClassifier) and classifier.loss in ("hinge", "squared_hinge"):
        return {"loss": str(classifier.loss)}
    return {"loss": "cross_entropy"} if is_classifier(classifier) else {}


def network_of(kind: type, pipeline: Any, head: Any, params: dict[str, Any]) -> Any:
    """The network of a fitted Pipeline, see `NetworkMixin.from_pipeline`."""
    who = f"{kind.__name__}.from_pipeline"
    if "layers" in params:
        raise TypeError(f"{who} takes its layers from the pipeline; pass those that follow as head=[...].")
    steps = pipeline.steps if isinstance(pipeline, Pipeline) else [(type(pipeline).__name__.lower(), pipeline)]
    steps = [(name, step) for name, step in steps if step is not None and step != "passthrough"]
    for name, step in steps:
        if not is_fitted(step):
            raise NotFittedError(
                f"{who}: {name!r} ({type(step).__name__}) is not fitted. Fit the pipeline first; or pass "
                "layers=[Pretrained(learner), ...], which are fitted one after the other in the network's fit."
            )
    name, last = steps[-1]
    scores = is_classifier(last) or is_regressor(last)
    if scores and head == "auto" and is_classifier(last) != issubclass(kind, ClassifierMixin):
        raise TypeError(
            f"{who}: the pipeline ends in {type(last).__name__}. Take the network of its kind, or head=None without it."
        )
    if scores and head != "auto":
        steps, scores = steps[:-1], False
    shape = input_shape(steps[0][1]) if steps else None
    layers: list[Any] = list(zip([name for name, _ in steps], kept_steps(steps, shape), strict=True))
    if head not in ("auto", None):
        layers += named(head)
    defaults = {"learning_rate": RATE} if params.get("solver", "adam") == "adam" else {}
    net = kind(layers, **(defaults | (loss_of_classifier(last) if scores else {}) | params))
    if scores and shape is not None:
        check_parameters(net)
        net._start_as(steps[0][1], last, shape)
    return net


def input_shape(learner: Any) -> Shape | None:
    """The shape of a row, or an image, that a fitted learner takes; None where it does not tell."""
    if hasattr(learner, "image_shape_"):
        return tuple(learner.image_shape_)
    width = getattr(learner, "n_features_in_", None)
    return None if width is None else (int(width),)


def kept_steps(steps: list[tuple[str, Any]], shape: Shape | None) -> list[Pretrained]:
    """The steps of a pipeline; the first ones stand still where no layers can stand for them."""
    found: list[Pretrained] = []
    for _, step in steps:
        fixed = False
        if shape is not None and all(not spec.trainable for spec in found):
            known = shape
            try:
                unrolled(step, known)
                shape = None  # from here on all have to
            except CannotUnroll:
                fixed = True
                shape = as_float(dense(step.transform(np.zeros((1, *known), np.float32)))).shape[1:]
        found.append(Pretrained(step, trainable=not fixed, keep=True))
    return found


class FromPipelineMixin:
    """`from_pipeline` of the network estimators, and the way back: a network as layers of another."""

    layers_: list[FittedLayer]
    prefix_: list[Any]
    _build: Any

    @classmethod
    def from_pipeline(cls, pipeline: Any, *, head: Any = "auto", **params: Any) -> Self:
        """A network that starts as a fitted Pipeline, every step a layer or several.

        One whose pipeline ends in a classifier (regressor) gives at once what the pipeline gives: it can predict
        before it is fitted. `fit` and `partial_fit` tune it from there; clones keep what was learned.

        Parameters
        ----------
        pipeline : Pipeline
            Fitted learners, or one of them. The first ones stand still where no layers can stand for them; scalers
            always do.
        head : "auto", None or list of layers, default="auto"
            "auto" takes the last step as the output if it is a linear classifier (regressor), with its loss and its C.
            None leaves it out and makes an output of its own, on top of the layers of a list.
        **params
            Of the network. A learning rate of 1e-4 is the default for adam, and the loss of the classifier.

        Returns
        -------
        network : NetworkClassifier or NetworkRegressor

        Raises
        ------
        NotFittedError
            If a step is not fitted.
        CannotUnroll
            A ValueError, if a step is none that can be said as layers.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from sklearn.linear_model import LogisticRegression
        >>> from sklearn.pipeline import make_pipeline
        >>> from featlearn import RBM
        >>> from featlearn.networks import NetworkClassifier
        >>> X, y = load_digits(return_X_y=True)
        >>> X /= 16
        >>> stack = make_pipeline(RBM(64, random_state=0), LogisticRegression(max_iter=2000)).fit(X, y)
        >>> net = NetworkClassifier.from_pipeline(stack, max_iter=20, tol=0, random_state=0)
        >>> bool((net.predict(X) == stack.predict(X)).all())
        True
        >>> net.fit(X, y).score(X, y) > stack.score(X, y)
        True
        """
        return network_of(cls, pipeline, head, params)

    def _start_as(self, first: Any, last: Any, shape: Shape, k: int | None = None) -> None:
        """The fit of a pipeline that ends in k outputs, taken over."""
        self._take_targets(last)
        if k is None:
            k = np.atleast_2d(last.coef_).shape[0] if hasattr(last, "coef_") else np.shape(last.intercepts_[-1])[0]
        self._build(shape, None, k, None, np.random.RandomState(0))
        arrays = [array for fitted in self.layers_ for array in fitted.params.values()]
        self.layers_ = [fitted.at(np.result_type(*arrays)) for fitted in self.layers_]
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(first, name):
                setattr(self, name, getattr(first, name))
        if len(shape) > 1:
            self.image_shape_ = shape
        self.loss_curve_, self.n_iter_, self._memory = np.array([]), 0, Memory()

    def _take_targets(self, last: Any) -> None:
        """What the last learner of a pipeline knows of its targets."""

    def network_layers(self, shape: Shape) -> list[FittedLayer]:
        """The layers of the fitted network, as those of another one.

        Parameters
        ----------
        shape : tuple of int
            Of the inputs, without the samples.

        Returns
        -------
        layers : list of FittedLayer
        """
        check_is_fitted(self)
        if self.prefix_:
            raise CannotUnroll(
                f"{type(self).__name__} starts with {type(self.prefix_[0]).__name__}, which no layers can stand for."
            )
        classes = getattr(self, "classes_", None)
        return [*self.layers_[:-1], replace(self.layers_[-1], head=True, classes=classes)]
