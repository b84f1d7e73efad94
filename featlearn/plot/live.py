"""A picture that grows with the fit: the curves of what a learner reports, and its filters as they form."""

import os
import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing import parent_process
from numbers import Real
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from sklearn.exceptions import NotFittedError

from featlearn.callbacks import _task_ids
from featlearn.images.maps import axes_rule
from featlearn.persistence import whole_file
from featlearn.plot.curves import draw_curve, label_axes, pyplot
from featlearn.plot.filters import FilterGridDisplay, find_filters
from featlearn.plot.tiles import picture_shape
from featlearn.validation import boolean, check_parameters, integer, optional

_COLORS, _EARLIER = ("#2f6db5", "#d95f02", "#1b9e77", "#7570b3"), "#b0b7bf"


@dataclass
class _Fit:
    """What one fit has reported so far."""

    name: str
    curves: dict[str, list[float]] = field(default_factory=dict)
    fitted: Any = None
    n_iter: int = 0
    n_drawn: int = 0


class _Screen:
    """A figure, and where it is seen while it changes: a window, a notebook, or nowhere but in its file."""

    def __init__(self):
        from matplotlib.backends import BackendFilter, backend_registry
        from matplotlib.figure import Figure

        plt = pyplot("LivePlot")
        # Windows belong to the main thread of the main process.
        backend = plt.get_backend().lower() if parent_process() is None and _in_main_thread() else "agg"
        self.handle, self.shown, self.in_notebook = None, False, "inline" in backend
        mute = backend in backend_registry.list_builtin(BackendFilter.NON_INTERACTIVE)
        self.in_window = not mute and not self.in_notebook
        # A figure that pyplot does not know of is not shown a second time at the end of a notebook's cell.
        make = plt.figure if self.in_window else Figure
        self.figure: Any = make(figsize=(9, 4), layout="constrained")

    def is_open(self):
        """Whether there is a window that is not closed."""
        return self.in_window and pyplot("LivePlot").fignum_exists(self.figure.number)

    def show(self):
        """Show the figure as it is now."""
        if not _in_main_thread():
            return
        if self.in_notebook:
            if self.handle is None:
                from IPython.display import display

                self.handle = display(self.figure, display_id=True)
            else:
                self.handle.update(self.figure)
        elif self.is_open():
            if not self.shown:
                self.figure.canvas.manager.show()
                self.shown = True
            self.figure.canvas.draw_idle()
            self.figure.canvas.flush_events()


def _in_main_thread():
    return threading.current_thread() is threading.main_thread()


def _names(monitor):
    """The rule for names of metrics."""
    names = [monitor] if isinstance(monitor, str) or not isinstance(monitor, Sequence) else monitor
    good = monitor is None or all(isinstance(name, str) for name in names)
    return None if good else "None, a name or a sequence of names"


class LivePlot:
    """A callback that draws the curve of a metric, and the learner's filters, while the fit goes on.

    Set on a learner, or on any estimator above it: it follows every learner that reports the metric, the running fit in
    color and earlier fits of the same kind in gray. In a notebook or a window the picture is replaced in place; with
    ``path`` it is a file that any viewer may watch, replaced as a whole, never half written.

    Parameters
    ----------
    monitor : str, sequence of str or None, default=None
        Names of the metrics to draw, as the learner reports them after each iteration; None takes the first it reports,
        and the same on validation data (``loss`` and ``validation_loss``).
    every : int, default=1
        Draw after every so many iterations, and at the end of each fit. A picture takes about as long as 0.1 s.
    filters : bool, default=True
        Whether to draw the filters where the learner offers them. False also spares the learner giving them.
    shape : tuple (height, width) or (height, width, channels) or None, default=None
        Shape of a filter; None takes a square one, and draws no filters where they make no square.
    n_filters : int or None, default=100
        At most so many filters are drawn; None draws all.
    log_scale : bool, default=False
        Whether the metric is drawn on a logarithmic scale, if it is positive.
    path : str, Path or None, default=None
        File to write, of any type matplotlib writes (.png, .svg, .pdf...).
    max_propagation_depth : int or None, default=None
        How many levels of nested estimators it reaches; None means all of them.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The picture; there from the beginning of the fit.

    Raises
    ------
    ImportError
        If matplotlib is missing.
    ValueError
        If a parameter is out of range, the folder of ``path`` does not exist or its type cannot be written; by `fit`,
        if the filters do not have the shape given.

    Warns
    -----
    UserWarning
        If no learner ever reports the metric, or the file cannot be written; the fit goes on.

    See Also
    --------
    LossCurveDisplay : The curve afterwards.

    Notes
    -----
    Worker processes, for instance those of ``GridSearchCV(n_jobs=2)``, share no picture: each writes its own file,
    ``path`` with its process number (live-4711.png), or draws nothing without ``path``. The fit on all samples at the
    end of a search runs in the main process and is drawn as usual.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from featlearn import KMeansDictionary
    >>> from featlearn.plot import LivePlot
    >>> X, _ = load_digits(return_X_y=True)
    >>> live = LivePlot(every=5)
    >>> learner = KMeansDictionary(16, random_state=0).set_callbacks(live).fit(X)
    >>> curve, grid = live.figure_.axes
    >>> len(curve.lines[0].get_ydata()) == learner.n_iter_, grid.get_title()
    (True, '16 filters, 8 × 8')
    """

    _rules: ClassVar = {
        "monitor": _names,
        "every": integer(1),
        "filters": boolean(),
        "shape": optional(axes_rule(2, 3)),
        "n_filters": optional(integer(1)),
        "log_scale": boolean(),
    }

    def __init__(
        self,
        monitor: str | Sequence[str] | None = None,
        *,
        every: int = 1,
        filters: bool = True,
        shape: tuple[int, ...] | None = None,
        n_filters: int | None = 100,
        log_scale: bool = False,
        path: str | Path | None = None,
        max_propagation_depth: int | None = None,
    ):
        self.monitor, self.every, self.filters, self.shape = monitor, every, filters, shape
        self.n_filters, self.log_scale, self.path = n_filters, log_scale, path
        self.max_propagation_depth = max_propagation_depth
        check_parameters(self)
        pyplot("LivePlot")
        if path is not None:
            _check_path(Path(path))
        self._forget()

    def _forget(self):
        self._fits: dict[tuple, _Fit] = {}
        self._reported: set[str] = set()
        self._screen: _Screen | None = None
        self._running, self._writes = 0, True
        self._lock = threading.RLock()

    def __getstate__(self):
        """The parameters alone: a copy, in this process or another, draws a picture of its own."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_") and name != "figure_"}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._forget()

    def setup(self, estimator, context):
        """Begin a new picture, unless another fit is still drawing on this one."""
        with self._lock:
            self._running += 1
            if self._running > 1:
                return
            self._fits, self._reported, self._writes = {}, set(), True
            if self._screen is None or not self._screen.is_open():
                self._screen = None
                self._open()

    def teardown(self, estimator, context):
        """Draw the last state, also of a fit that failed. Warn if no fit ever reported the metric."""
        with self._lock:
            self._running -= 1
            if self._fits:
                self._draw(list(self._fits.values())[-1])
                self._open().show()  # threads of the fit have drawn, and may not show
        wanted = self._named()
        if wanted and self._reported and not self._reported & set(wanted):
            warnings.warn(
                f"LivePlot(monitor={self.monitor!r}) never saw that metric, so it drew nothing; reported were "
                f"{', '.join(sorted(self._reported))}.",
                UserWarning,
                stacklevel=2,
            )

    def on_fit_task_begin(self, estimator, context):
        """Nothing to do when a task begins."""

    @property
    def on_fit_task_end(self):
        """The hook: its signature says whether the learner has to give its filters after each iteration."""
        return self._end_with_filters if self.filters else self._end_without_filters

    def _end_with_filters(self, estimator, context, *, metadata=None, fitted_estimator=None):
        self._end(estimator, context, metadata, fitted_estimator)

    def _end_without_filters(self, estimator, context, *, metadata=None):
        self._end(estimator, context, metadata, None)

    def _end(self, estimator, context, metadata, fitted):
        if parent_process() is not None and self.path is None:
            return
        with self._lock:
            ended = self._fits.get((context.root_uuid, *_task_ids(context)))
            if ended is not None:  # this task is a whole fit
                self._draw(ended)
                ended.fitted = None
            numbers = {name: float(value) for name, value in (metadata or {}).items() if isinstance(value, Real)}
            self._reported.update(numbers)
            first = next(iter(numbers), None)
            wanted = self._named() or [name for name in (first, f"validation_{first}") if name in numbers]
            if context.parent is None or not set(wanted) & set(numbers):
                return
            key = (context.root_uuid, *_task_ids(context.parent))
            fit = self._fits.pop(key, None) or _Fit(type(estimator).__name__)
            self._fits[key] = fit  # the last of the dictionary is the fit that runs
            fit.n_iter += 1
            for name in wanted:
                # A metric may come late, or only after some iterations.
                values = fit.curves.setdefault(name, [])
                values += [np.nan] * (fit.n_iter - 1 - len(values)) + [numbers.get(name, np.nan)]
            fit.fitted = fitted if self._makes_picture(fitted) else None
            if fit.n_iter % self.every == 0:
                self._draw(fit)

    def _named(self):
        return [self.monitor] if isinstance(self.monitor, str) else list(self.monitor or ())

    def _makes_picture(self, fitted):
        """Whether a learner has filters that can be drawn."""
        try:
            filters, known = (None, None) if fitted is None else find_filters(fitted)
        except (TypeError, NotFittedError):
            return False
        if filters is None:
            return False
        try:
            picture_shape(filters.shape[1], known if self.shape is None else self.shape)
        except ValueError:
            if self.shape is not None:
                raise
            return False
        return True

    def _open(self):
        if self._screen is None:
            self._screen = _Screen()
            self.figure_ = self._screen.figure
        return self._screen

    def _draw(self, fit):
        """Draw a fit over the earlier fits of its kind, if it has anything new."""
        if fit.n_drawn == fit.n_iter:
            return
        fit.n_drawn = fit.n_iter
        screen = self._open()
        screen.figure.clear()
        curves, *grid = screen.figure.subplots(1, 1 if fit.fitted is None else 2, squeeze=False)[0]
        for i, (name, values) in enumerate(fit.curves.items()):
            for other in self._fits.values():
                if other is not fit and other.name == fit.name and name in other.curves:
                    draw_curve(curves, other.curves[name], color=_EARLIER, linewidth=1, label="_earlier")
            draw_curve(curves, values, color=_COLORS[i % len(_COLORS)], label=name)
        positive = all(value > 0 for values in fit.curves.values() for value in values if np.isfinite(value))
        first = next(iter(fit.curves))
        one = set(fit.curves) <= {first, f"validation_{first}"}
        label_axes(curves, first.replace("_", " ") if one else "value", self.log_scale and positive)
        curves.set_title(f"{fit.name}, iteration {fit.n_iter}")
        if len(fit.curves) > 1:
            curves.legend(frameon=False)
        if grid:
            FilterGridDisplay.from_estimator(fit.fitted, shape=self.shape, n_filters=self.n_filters, ax=grid[0])
        screen.show()
        if self.path is not None and self._writes:
            try:
                with whole_file(_own_path(Path(self.path))) as part:
                    screen.figure.savefig(part)
            except OSError as error:  # a full disk must not cost a night of training
                self._writes = False
                warnings.warn(f"LivePlot stops writing {self.path}: {error}", UserWarning, stacklevel=2)


def _check_path(path: Path) -> None:
    from matplotlib.figure import Figure

    if not path.parent.is_dir():
        raise ValueError(
            f"LivePlot: path={str(path)!r} lies in a folder that does not exist; make {str(path.parent)!r}."
        )
    types = sorted(Figure().canvas.get_supported_filetypes())
    if path.suffix[1:].lower() not in types:
        raise ValueError(f"LivePlot: path={str(path)!r} must end in a type that can be written: .{', .'.join(types)}.")


def _own_path(path: Path) -> Path:
    """The file of this process: the one named in the main process, one with the process number in a worker."""
    return path if parent_process() is None else path.with_name(f"{path.stem}-{os.getpid()}{path.suffix}")
