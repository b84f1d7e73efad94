"""A stack of learners unrolled into a deep autoencoder: up through their codes, down through their transposes.

    h_0 = x,   h_l = f(h_{l-1} W_l + b_l),   l = 1 .. L;      g_L = h_L,   g_{l-1} = f(g_l W_l' + c_l);      y = g_0

The weights on the way down start as the transposes of those on the way up, and are then free: gradients of the cross
entropy between x and y tune all 2 L layers.

Hinton & Salakhutdinov (2006), "Reducing the dimensionality of data with neural networks", Science 313.
"""

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline

from featlearn.networks.layers import FittedLayer, Shape
from featlearn.networks.plan_layers import dense
from featlearn.networks.regressor import NetworkRegressor
from featlearn.networks.specs import Pretrained, is_fitted
from featlearn.networks.unrolling import CannotUnroll
from featlearn.validation import check_parameters
from featlearn.vectors import RBM
from featlearn.vectors.autoencoders import AutoencoderMixin


class Mirror(BaseEstimator):
    """The way down of a fitted learner, as layers: what `deep_autoencoder` puts after the code.

    Parameters
    ----------
    learner : RBM, autoencoder or PCA
        The fitted learner.
    output : bool, default=False
        Whether it gives the network's outputs: the scores before its last activation function.
    """

    def __init__(self, learner, output: bool = False):
        self.learner = learner
        self.output = output

    def fit(self, X: Any, y: Any = None) -> "Mirror":
        """Nothing: the learner is fitted."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return is_fitted(self.learner)

    def network_layers(self, shape: Shape) -> list[FittedLayer]:
        """The layers of the decoder.

        Parameters
        ----------
        shape : tuple of int
            Of the codes, without the samples.

        Returns
        -------
        layers : list of FittedLayer
        """
        layers = [dense(W, b, f) for W, b, f in decoder(self.learner)]
        if self.output:
            W, b = layers[-1].params["W"], layers[-1].params["b"]
            layers[-1] = dense(W, b, head=True)
        return layers


def decoder(learner: Any) -> list[tuple[np.ndarray, np.ndarray, str]]:
    """Weights (K, K'), biases (K',) and activation functions from the codes of a fitted learner back to its inputs."""
    if isinstance(learner, RBM):
        if learner.visible != "binary" or learner.hidden != "binary":
            raise CannotUnroll(
                f"deep_autoencoder mirrors RBMs of binary units; this one has visible={learner.visible!r} and "
                f"hidden={learner.hidden!r}."
            )
        return [(learner.components_, learner.intercept_visible_, "sigmoid")]
    if isinstance(learner, AutoencoderMixin):
        coefs, intercepts, activations = learner._layers()
        half, origin = len(coefs) // 2, learner._origin()
        found = list(zip(coefs[half:], intercepts[half:], activations[half:], strict=True))
        if origin is not None:
            W, b, f = found[-1]
            found[-1] = W, b + origin, f
        return found
    if isinstance(learner, PCA) and not learner.whiten:
        return [(learner.components_, learner.mean_, "linear")]
    raise CannotUnroll(
        f"deep_autoencoder mirrors RBMs of binary units, autoencoders and PCA, and not {type(learner).__name__}."
    )


def deep_autoencoder(stack: Any, **params: Any) -> NetworkRegressor:
    """A deep autoencoder that starts as a fitted stack and its mirror image, to be tuned by ``fit(X, X)``.

    Parameters
    ----------
    stack : Pipeline
        Fitted RBMs of binary units, autoencoders or PCA (for a linear code), the code last; or one of them.
    **params
        Of `NetworkRegressor`. The default loss is the cross entropy, for data in [0, 1].

    Returns
    -------
    network : NetworkRegressor
        ``predict`` gives reconstructions, ``transform(X, layer="code")`` codes. It can be used before it is fitted.

    Raises
    ------
    NotFittedError
        If a step is not fitted.
    CannotUnroll
        A ValueError, if a step has no mirror image.

    See Also
    --------
    NetworkRegressor : What it returns.
    DenoisingAutoencoder : A deep autoencoder without pretraining: a list of widths.

    References
    ----------
    Hinton & Salakhutdinov (2006), "Reducing the dimensionality of data with neural networks", Science 313.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.pipeline import make_pipeline
    >>> from featlearn import RBM
    >>> from featlearn.networks import deep_autoencoder
    >>> X = load_digits().data / 16
    >>> stack = make_pipeline(RBM(100, random_state=0), RBM(20, random_state=0)).fit(X)
    >>> net = deep_autoencoder(stack, max_iter=20, tol=0, random_state=0)
    >>> before = ((net.predict(X) - X) ** 2).sum(axis=1).mean()
    >>> after = ((net.fit(X, X).predict(X) - X) ** 2).sum(axis=1).mean()
    >>> bool(after < before), net.transform(X, layer="code").shape
    (True, (1797, 20))
    """
    steps = stack.steps if isinstance(stack, Pipeline) else [(type(stack).__name__.lower(), stack)]
    steps = [(name, step) for name, step in steps if step is not None and step != "passthrough"]
    for name, step in steps:
        if not is_fitted(step):
            raise NotFittedError(
                f"deep_autoencoder: {name!r} ({type(step).__name__}) is not fitted. Fit the stack first; or take a "
                "DenoisingAutoencoder of several widths, which starts from random weights."
            )
    up: list[Any] = [(name, Pretrained(step, keep=True)) for name, step in steps]
    up[-1] = ("code", up[-1][1])
    down = [
        (f"{name}-back", Pretrained(Mirror(step, output=i == 0), keep=True))
        for i, (name, step) in reversed(list(enumerate(steps)))
    ]
    net = NetworkRegressor([*up, *down], **({"loss": "cross_entropy"} | params))
    check_parameters(net)
    shape = (int(steps[0][1].n_features_in_),)
    net._start_as(steps[0][1], None, shape, shape[0])
    return net
