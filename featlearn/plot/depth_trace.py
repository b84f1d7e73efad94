"""Activities and derivatives through depth, epoch by epoch: a callback that keeps numbers and draws them."""

import threading
import warnings
from multiprocessing import parent_process
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from featlearn.callbacks import _task_ids
from featlearn.plot.curves import label_axes, pyplot
from featlearn.plot.depth import SAMPLES, DepthDisplay, depths, rows_of
from featlearn.plot.live import _check_path, _own_path
from featlearn.plot.nets import is_network
from featlearn.validation import check_parameters, integer, optional
from featlearn.writing import whole_file

LABELLED = 10  # layers that a legend names; of more, as many in even steps


class DepthTrace:
    """A callback that looks at a network after every epoch: how its layers answer, and what gradients reach them.

    Set on a `NetworkClassifier` or `NetworkRegressor`, or on any estimator above one. It keeps the last fit that ran in
    this process. After the fit `plot` draws the curves, and ``last_`` is a `DepthDisplay` of the last epoch.

    Parameters
    ----------
    X : array (n, ...)
        Rows as the network itself is given them (in a pipeline, transformed by the steps before it).
    y : array (n,) or (n, k)
        Their targets.
    every : int, default=1
        Look after every so many epochs.
    n_samples : int, default=500
        At most so many of the rows are looked at, evenly spread over all.
    path : str, Path or None, default=None
        File to draw the curves into at the end of the fit, of any type matplotlib writes (.png, .svg, .pdf...).
    max_propagation_depth : int or None, default=None
        How many levels of nested estimators it reaches; None means all of them.

    Attributes
    ----------
    epochs_ : list of int
        The epochs looked at, from 1.
    names_ : list of str
        The layers, from the first to the output.
    means_, deviations_ : array (n_epochs, n_layers)
        Mean and standard deviation of each layer's activities.
    derivatives_ : array (n_epochs, n_layers)
        Root mean square of the derivatives of the rows' losses by what goes into each layer's activation function.
    last_ : DepthDisplay
        Those of the last epoch looked at, not yet drawn.

    Raises
    ------
    ImportError
        If ``path`` is given and matplotlib is missing.
    ValueError
        If a parameter is out of range, X and y do not fit each other or (in `fit`) the network.

    See Also
    --------
    DepthDisplay : Histograms of a fitted network.
    LivePlot : Draws the loss while a fit runs.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from featlearn.networks import Dense, NetworkClassifier
    >>> from featlearn.plot import DepthTrace
    >>> X, y = load_digits(return_X_y=True)
    >>> trace = DepthTrace(X[:200], y[:200])
    >>> net = NetworkClassifier([Dense(30, "tanh"), Dense(20, "tanh")], max_iter=3, tol=0, random_state=0)
    >>> net.set_callbacks(trace).fit(X, y).n_iter_
    3
    >>> trace.names_, trace.derivatives_.shape
    (['dense-1', 'dense-2', 'output'], (3, 3))
    """

    _rules: ClassVar = {
        "every": integer(1),
        "n_samples": integer(1),
        "max_propagation_depth": optional(integer(0)),
    }

    def __init__(
        self,
        X: Any,
        y: Any,
        *,
        every: int = 1,
        n_samples: int = SAMPLES,
        path: str | Path | None = None,
        max_propagation_depth: int | None = None,
    ):
        self.every, self.n_samples, self.path = every, n_samples, path
        self.max_propagation_depth = max_propagation_depth
        check_parameters(self)
        self.X, self.y = rows_of("DepthTrace", X, y, [], n_samples)
        if path is not None:
            pyplot("DepthTrace")
            _check_path(Path(path))
        self._forget()

    def _forget(self):
        self._lock, self._fit = threading.RLock(), ()

    def __getstate__(self):
        """Without the lock; a copy in another process keeps what it sees there."""
        return {name: value for name, value in vars(self).items() if name not in ("_lock", "_fit")}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._forget()

    def setup(self, estimator, context):
        """Nothing to prepare."""

    def on_fit_task_begin(self, estimator, context):
        """Nothing to do when a task begins."""

    def on_fit_task_end(self, estimator, context, *, metadata=None, fitted_estimator=None):
        """Look at a network after an epoch."""
        if not metadata or context.parent is None or not is_network(fitted_estimator):
            return
        with self._lock:
            fit = (context.root_uuid, *_task_ids(context.parent))
            if fit != self._fit:
                self._fit, self._seen = fit, 0
                self.epochs_: list[int] = []
                self._rows: list[np.ndarray] = []
            self._seen += 1
            if self._seen % self.every:
                return
            depth = depths(fitted_estimator, self.X, self.y)
            self.epochs_.append(self._seen)
            self.names_ = depth.names
            pairs = zip(depth.activities, depth.derivatives, strict=True)
            self._rows.append(
                np.array([(h.mean(), h.std(), np.sqrt(np.square(d, dtype=np.float64).mean())) for h, d in pairs])
            )
            self.means_, self.deviations_, self.derivatives_ = np.moveaxis(np.array(self._rows, np.float64), 2, 0)
            named = (dict(zip(depth.names, arrays, strict=True)) for arrays in (depth.activities, depth.derivatives))
            self.last_ = DepthDisplay(*named)

    def teardown(self, estimator, context):
        """Draw the curves where there is a ``path``. Warn if no network was fitted."""
        if not hasattr(self, "names_"):
            if parent_process() is None:
                warnings.warn(
                    f"DepthTrace saw no network: {type(estimator).__name__} fitted none in this process, or none for "
                    f"{self.every} epochs.",
                    UserWarning,
                    stacklevel=2,
                )
            return
        if self.path is not None:
            from matplotlib.figure import Figure

            figure = Figure(figsize=(9, 4), layout="constrained")
            self.plot(axes=figure.subplots(1, 2))
            with whole_file(_own_path(Path(self.path))) as part:
                figure.savefig(part)

    def plot(self, *, axes: Any = None) -> Self:
        """Draw, by epoch, the deviation of each layer's activities and the size of the derivatives that reach it.

        Parameters
        ----------
        axes : sequence of two matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        self : DepthTrace
            With ``axes_`` and ``figure_``.

        Raises
        ------
        ImportError
            If matplotlib is missing.
        ValueError
            If no fit was seen, or there are not two axes.
        """
        if not hasattr(self, "names_"):
            raise ValueError("DepthTrace saw no fit yet: net.set_callbacks(trace).fit(X, y), then trace.plot().")
        if axes is None:
            axes = pyplot("DepthTrace").subplots(1, 2, figsize=(9, 4), layout="constrained")[1]
        axes = np.asarray(axes, dtype=object).ravel()
        if len(axes) != 2:
            raise ValueError(f"DepthTrace draws on two axes, and there are {len(axes)}.")
        from matplotlib import colormaps

        self.axes_, self.figure_ = axes, axes[0].figure
        n = len(self.names_)
        labelled = set(np.linspace(0, n - 1, min(n, LABELLED)).round().astype(int))
        dot = "o" if len(self.epochs_) == 1 else None
        for ax, values in zip(axes, (self.deviations_, self.derivatives_), strict=True):
            for i, name in enumerate(self.names_):
                color = colormaps["viridis"](0.9 * i / max(n - 1, 1))
                label = name if i in labelled else f"_{name}"
                ax.plot(self.epochs_, values[:, i], color=color, label=label, marker=dot)
        positive = self.derivatives_[self.derivatives_ > 0]
        label_axes(axes[0], "deviation of activities")
        label_axes(axes[1], "root mean square of derivatives")
        if len(positive):
            axes[1].set_yscale("log")
        axes[0].set_ylim(0, None)
        for ax in axes:
            ax.set_xlabel("epoch")
            if len(self.epochs_) == 1:
                ax.set_xlim(self.epochs_[0] - 1, self.epochs_[0] + 1)
        axes[1].legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5), fontsize="small")
        return self
