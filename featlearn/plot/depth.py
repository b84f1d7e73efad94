"""Whether signals pass through depth: what every layer of a network answers, and what comes back to it.

    z_l = h_{l-1} W_l + b_l,   h_l = f(z_l)      (m, k_l), what layer l gives for m rows
    m dE / dz_l                                 the derivative of each row's loss, E the mean loss

The derivative by W_l is h_{l-1}' dE / dz_l: where these shrink from layer to layer on the way down, the first layers
learn too slowly to matter. Glorot & Bengio (2010), "Understanding the difficulty of training deep feedforward neural
networks", figures 2 to 7.

The derivative is the network's own: a parameter p = 0 is added to z_l, and dE / dp asked for.
"""

from copy import copy
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from featlearn.arrays import as_float
from featlearn.networks.forward import Forward
from featlearn.networks.layers import Activation, AlphaDropout, Dropout, GaussianNoise, Layer, Shape
from featlearn.networks.map_layers import RandomFlip
from featlearn.networks.stack import PlainStack, StatefulStack
from featlearn.networks.tensor_pass import pass_through
from featlearn.plot.curves import pyplot
from featlearn.plot.nets import blocks_of, find_network, has_weights, through
from featlearn.streaming import dense
from featlearn.training import Batch, Params, State
from featlearn.training.loop import _engine
from featlearn.validation import check_argument, integer

ACTIVITY, DERIVATIVE = "#2f6db5", "#d95f02"
SAMPLES = 500  # rows looked at: their activities number tens of thousands in the smallest layers worth a picture
LEAST = 1e-12  # of the largest derivative; what is less is drawn at the edge
_NOISE = (AlphaDropout, Dropout, GaussianNoise, RandomFlip)


@dataclass(frozen=True)
class Probe(Layer):
    """Adds its parameter, zeros (m, ...), so that there is a derivative by what passes. It lets no units be shared."""

    by_hand: ClassVar[bool] = True

    @property
    def param_names(self) -> tuple[str, ...]:
        """p."""
        return ("p",)

    def shape(self, shape: Shape) -> Shape:
        """As it was."""
        return shape

    def apply(self, p: Any, s: Any, x: Any, seed: Any, training: bool) -> tuple[Any, Any]:
        """x + p."""
        return x + p["p"], s

    def forward(self, p: Params, s: State, x: np.ndarray, rng: Any, training: bool) -> tuple[np.ndarray, Any, State]:
        """x + p."""
        return x + p["p"], None, s

    def backward(self, p: Params, s: State, kept: Any, d: np.ndarray, g: Params) -> np.ndarray:
        """As it comes."""
        g["p"][...] = d
        return d


class Depth(NamedTuple):
    """What `depths` gives: a name, activities and derivatives (m, ...) of each block of layers."""

    names: list[str]
    activities: list[np.ndarray]
    derivatives: list[np.ndarray]


def depths(net: Any, X: Any, y: Any) -> Depth:
    """Activities h of a network's blocks of layers for rows, and the derivatives of the rows' losses by their z.

    Nothing is dropped or disturbed; batch norm takes the mean and variance of these rows, as it does in training.
    """
    net = copy(net)  # which notes down what rows it is given
    data = net._data(X, y, None, reset=False)
    layers = [fitted for fitted in net.layers_ if not isinstance(fitted.layer, _NOISE)]
    frozen_before = {id(net.layers_[i]) for i in net._frozen()}
    dtype = next(array.dtype for fitted in layers if has_weights(fitted) for array in fitted.params.values())
    x = Forward(tuple(net.prefix_), ())(data.x) if net.prefix_ else as_float(dense(data.x))
    x = x.astype(dtype, copy=False)
    y = data.y if data.y.dtype.kind != "f" else data.y.astype(dtype, copy=False)
    ends = {block.end: block.name for block in blocks_of(layers)}

    probed: list[Layer] = []
    frozen, probes, activities = set(), [], []
    params: Params = {}
    state: State = {}
    h = x
    for end, fitted in enumerate(layers, 1):
        at, layer = len(probed), fitted.layer
        stands_still = id(fitted) in frozen_before
        frozen |= {at} if stands_still else set()
        (state if stands_still else params).update({f"{at}.{k}": v for k, v in fitted.params.items()})
        state.update({f"{at}.{k}": v for k, v in fitted.state.items()})
        after = getattr(layer, "activation", "linear")
        probed.append(layer if after == "linear" else replace(layer, activation="linear"))
        if has_weights(fitted):
            probes.append(f"{at + 1}.p")
            params[probes[-1]] = np.zeros_like(_passed(replace(fitted, layer=probed[-1]), h))
            probed += [Probe()] + ([] if after == "linear" else [Activation(after)])
        h = _passed(fitted, h)
        if end in ends:
            activities.append(h)
    given = net._objective()
    kind = StatefulStack if frozen or state else PlainStack
    objective = kind(tuple(probed), given.loss_of, frozenset(frozen), l1_activity=given.l1_activity)
    run = _engine(objective, net.engine, 0.0, type(net).__name__)
    _, gradients = run.value_and_gradient(params, Batch(x, y), [0, 0], state)
    return Depth(list(ends.values()), activities, [len(x) * gradients[name] for name in probes])


def _passed(fitted, h):
    """Rows through a layer; maps through Keras."""
    return Forward((), (fitted,))(h) if h.ndim == 2 else pass_through((fitted,), h)


def spread(X: Any, y: Any, n: int) -> tuple[Any, Any]:
    """At most n rows, evenly spread over all."""
    total = X.shape[0]
    rows = np.unique(np.linspace(0, total - 1, min(n, total)).round().astype(int))
    return X[rows], y[rows]


def rows_of(who: str, X: Any, y: Any, before: list[Any], n: int) -> tuple[Any, Any]:
    """Rows as the network takes them, at most n, and their targets."""
    check_argument(who, "n_samples", n, integer(1))
    X, y = (each if hasattr(each, "shape") else np.asarray(each) for each in (X, y))
    if X.ndim < 2 or len(y.shape) < 1 or X.shape[0] != y.shape[0] or X.shape[0] == 0:
        raise ValueError(
            f"{who} needs rows X (n, ...) and a target for each, y (n,) or (n, k); got shapes {X.shape} and {y.shape}."
        )
    X, y = (each.to_numpy() if hasattr(each, "to_numpy") else each for each in (through(before, X), y))
    return spread(X, y, n)


class DepthDisplay:
    """Histograms of activities and of derivatives through the layers of a network: do gradients reach the first one?

    Left what each layer gives, the zeros of rectifiers counted and not drawn; right the size of the derivative of each
    row's loss by what goes into its activation function, on a logarithmic scale. The output comes last. Use
    `from_estimator` to make one.

    Parameters
    ----------
    activities, derivatives : dict of str to array
        By the name of the layer, from the first to the last.

    Attributes
    ----------
    vanished_ : float
        Root mean square of the derivatives at the first layer, divided by that at the last hidden one: about 1 where
        gradients keep their size, 1e-6 where they vanish. 1 if there is no or one hidden layer, NaN if both are 0.
    axes_ : array of two matplotlib Axes
        Axes with the histograms.
    figure_ : matplotlib Figure
        Figure with the axes.

    See Also
    --------
    DepthTrace : The same after every epoch of a fit, in numbers.
    SparsityDisplay : How sparse a code is.

    References
    ----------
    Glorot & Bengio (2010), "Understanding the difficulty of training deep feedforward neural networks".

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from featlearn.networks import Dense, NetworkClassifier
    >>> from featlearn.plot import DepthDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> net = NetworkClassifier([Dense(30, "sigmoid", init="uniform")] * 5, max_iter=1, tol=0, random_state=0)
    >>> import warnings
    >>> with warnings.catch_warnings(action="ignore"):  # that its codes say nothing
    ...     net = net.fit(X / 16, y)
    >>> display = DepthDisplay.from_estimator(net, X / 16, y)
    >>> display.vanished_ < 0.01
    True
    """

    def __init__(self, activities: dict[str, Any], derivatives: dict[str, Any]):
        self.activities = activities
        self.derivatives = derivatives

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: Any, *, n_samples: int = SAMPLES, bins: int = 60, axes: Any = None
    ) -> Self:
        """Draw how rows and their losses pass through the layers of a fitted network.

        Parameters
        ----------
        estimator : NetworkClassifier or NetworkRegressor
            A fitted one, a pipeline that ends with one, or a search over these.
        X : array (n, ...)
            Rows.
        y : array (n,) or (n, k)
            Their targets.
        n_samples : int, default=500
            At most so many of the rows are looked at, evenly spread over all.
        bins : int, default=60
            Bins of each histogram.
        axes : sequence of two matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : DepthDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing.
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If it holds no network.
        ValueError
            If X and y do not fit each other or the network.
        """
        before, net = find_network("DepthDisplay.from_estimator", estimator)
        names, activities, derivatives = depths(net, *rows_of("DepthDisplay", X, y, before, n_samples))
        pairs = (dict(zip(names, arrays, strict=True)) for arrays in (activities, derivatives))
        return cls(*pairs).plot(bins=bins, axes=axes)

    def plot(self, *, bins: int = 60, axes: Any = None) -> Self:
        """Draw the histograms.

        Parameters
        ----------
        bins : int, default=60
            Bins of each histogram.
        axes : sequence of two matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        self : DepthDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing.
        ValueError
            If there is no layer, or activities and derivatives are of different ones.
        """
        names = list(self.activities)
        if not names or names != list(self.derivatives):
            raise ValueError(
                f"DepthDisplay takes activities and derivatives of the same layers, at least one; got {names} and "
                f"{list(self.derivatives)}."
            )
        check_argument("DepthDisplay", "bins", bins, integer(1))
        if axes is None:
            size = (9, min(1.3 + 0.5 * len(names), 14))
            axes = pyplot("DepthDisplay").subplots(1, 2, figsize=size, layout="constrained")[1]
        self.axes_ = np.asarray(axes, dtype=object).ravel()
        if len(self.axes_) != 2:
            raise ValueError(f"DepthDisplay draws on two axes, and there are {len(self.axes_)}.")
        self.figure_ = self.axes_[0].figure
        activities, derivatives = (
            [np.asarray(a, np.float64).ravel() for a in group.values()] for group in (self.activities, self.derivatives)
        )
        rms = [float(np.sqrt((d**2).mean())) for d in derivatives]
        first, last = rms[0], rms[max(len(rms) - 2, 0)]
        self.vanished_ = first / last if last else float("nan") if not first else float("inf")

        left, right = self.axes_
        _ridges(left, names, activities, bins, ACTIVITY, [f"{a.mean():.2g} ± {a.std():.2g}" for a in activities])
        left.set(xlabel="activity", title="activities: mean ± deviation")
        sizes = [np.abs(d) for d in derivatives]
        largest = max(size.max() for size in sizes) or 1.0
        sizes = [np.maximum(size, LEAST * largest) * (size > 0) for size in sizes]
        _ridges(right, names, sizes, bins, DERIVATIVE, [f"{value:.1e}" for value in rms], log_scale=True)
        right.set(xlabel="|derivative of the loss|", title="derivatives: root mean square")
        right.tick_params(axis="y", labelleft=False)
        return self


def _ridges(ax, names, values, bins, color, notes, log_scale=False):
    """A histogram of each layer's values but zeros, one above the other, the first on top, with a note on its right."""
    shown = [np.log10(v[v > 0]) if log_scale else v[v != 0] for v in values]
    ends = [np.quantile(v, [0.002, 0.998]) for v in shown if len(v)]  # a few far ones would squeeze all others
    low, high = (min(e[0] for e in ends), max(e[1] for e in ends)) if ends else (0.0, 1.0)
    if not high > low:
        low, high = low - 0.5, high + 0.5
    for i, (kept, all_values) in enumerate(zip(shown, values, strict=True)):
        base = len(names) - 1 - i
        counts, edges = np.histogram(np.clip(kept, low, high), bins, (low, high))
        heights = base + 0.85 * counts / max(counts.max(), 1)
        ax.stairs(heights, 10**edges if log_scale else edges, baseline=base, fill=True, color=color, alpha=0.85)
        ax.axhline(base, color="#b0b7bf", linewidth=0.6, zorder=0)
        zeros = 100 * (1 - len(kept) / len(all_values))
        notes[i] += f"\n{zeros:.3g} % zero" if zeros >= 0.1 else ""
    if log_scale:
        ax.set_xscale("log")
    places = len(names) - 1 - np.arange(len(names))
    small = "small" if len(names) <= 15 else "x-small"
    ax.set_yticks(places + 0.3, names, fontsize=small)
    ax.set_ylim(-0.1, len(names))
    other = ax.secondary_yaxis("right")
    other.set_yticks(places + 0.35, notes, fontsize="x-small", color="#555555")
    for each in (ax, other):
        each.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    other.spines[:].set_visible(False)
