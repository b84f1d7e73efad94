"""Progress bars and early stopping, on scikit-learn's callback API; the one place that touches that API.

`fitting.fitting` opens and closes a fit with `begin_fit` and `end_fit`; the learner reports every iteration with
`end_iteration` (True means stop). A meta-estimator such as `Stage` wraps the fit of its learner in `sub_fit`. So a bar
set on a GridSearchCV shows the search, its pipelines, their stages and the learner inside.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from math import isfinite
from numbers import Real
from typing import Any, ClassVar

from sklearn.callback import CallbackContext, CallbackSupportMixin, with_callbacks
from sklearn.callback import ProgressBar as _ProgressBar

from featlearn.notices import notify
from featlearn.validation import check_parameters, instance, integer, one_of, optional, real

__all__ = ["CallbackSupportMixin", "EarlyStopping", "ProgressBar", "begin_fit", "end_fit", "end_iteration", "sub_fit"]
__all__ += ["sub_task", "with_callbacks"]
RISING = ("log_likelihood", "bound", "score")  # metrics of which more is better


def begin_fit(estimator: Any, n_tasks: int | None, X: Any = None, y: Any = None) -> CallbackContext:
    """Open the fit of ``estimator``: at most ``n_tasks`` iterations or sub-fits follow (None: not known)."""
    context = estimator._init_callback_context(max_subtasks=n_tasks)
    context.call_on_fit_task_begin(estimator=estimator, X=X, y=y)
    return context


def end_iteration(
    estimator: Any,
    metrics: dict[str, float],
    fitted: Callable[[], dict[str, Any]] | None = None,
    name: str = "iteration",
) -> bool:
    """Report one finished iteration of a fit; True asks the learner to stop. Outside of a fit nobody listens.

    ``metrics`` (for instance ``{"inertia": 12.3}``) reach the callbacks as ``metadata``; ``fitted`` gives the
    attributes that would make a fitted estimator now, computed only if a callback asks.
    """
    context = getattr(estimator, "_callback_fit_ctx", None)
    if context is None or not context._callbacks:  # a tree of tasks would cost small fits more than their arithmetic
        return False
    task = context.subcontext(task_name=name)
    task.call_on_fit_task_begin(estimator=estimator)
    return bool(task.call_on_fit_task_end(estimator=estimator, metadata=metrics, reconstruction_attributes=fitted))


def end_fit(context: CallbackContext, estimator: Any) -> None:
    """Close the fit of ``estimator``."""
    context.call_on_fit_task_end(estimator=estimator)


@contextmanager
def sub_task(estimator: Any, name: str, n_tasks: int | None) -> Iterator[None]:
    """Around a part of a fit that has iterations of its own: what is reported hangs below it."""
    context = estimator._callback_fit_ctx
    task = estimator._callback_fit_ctx = context.subcontext(task_name=name, max_subtasks=n_tasks)
    try:
        task.call_on_fit_task_begin(estimator=estimator)
        yield
        task.call_on_fit_task_end(estimator=estimator)
    finally:
        estimator._callback_fit_ctx = context


@contextmanager
def sub_fit(estimator: Any, sub_estimator: Any, name: str) -> Iterator[None]:
    """Around the fit of a sub-estimator: its tasks hang below those of ``estimator``, and callbacks reach it."""
    task = estimator._callback_fit_ctx.subcontext(task_name=name)
    below = task.propagate_callback_context(sub_estimator) if hasattr(sub_estimator, "set_callbacks") else nullcontext()
    with below:
        # This task and the fit of the sub-estimator are one; only callbacks that stay up here hear of it from us.
        task.call_on_fit_task_begin(estimator=estimator)
        yield
    task.call_on_fit_task_end(estimator=estimator)


def _task_ids(context: CallbackContext) -> tuple[int, ...]:
    """The task's place in the tree of tasks, from the root down."""
    return (*(_task_ids(context.parent) if context.parent else ()), context.task_id)


class ProgressBar(_ProgressBar):
    """Progress bars for every level of a fit, from the grid search down to the learner's iterations.

    scikit-learn's own bar, which by default stops one level below the outermost estimator.

    Parameters
    ----------
    max_propagation_depth : int or None, default=None
        How many levels of nested estimators get a bar; None means all of them.

    See Also
    --------
    EarlyStopping : Ends a fit that no longer improves.
    LivePlot : Draws while a fit runs.

    Examples
    --------
    >>> from featlearn import KMeansDictionary, ProgressBar
    >>> learner = KMeansDictionary(8).set_callbacks(ProgressBar())
    """

    def __init__(self, max_propagation_depth: int | None = None):
        super().__init__(max_propagation_depth=max_propagation_depth)


class EarlyStopping:
    """Stop a learner when a metric it reports no longer improves.

    Set on a learner, or on any estimator above it: it reaches every learner that reports ``monitor``.

    Parameters
    ----------
    monitor : str, default="inertia"
        Name of the metric, as the learner reports it after each iteration: ``inertia`` by `KMeansDictionary`; ``loss``
        by autoencoders, `RBM`, `ICA`, `RICA`, `SparseFiltering` and `SparseCoding`, and ``validation_loss`` where
        samples are held out; ``log_likelihood`` by `GaussianMixtureEncoder`, `PLSA`, `MixtureOfUnigrams` and
        `PCFGParser`; ``bound`` (vb, online) or ``changed`` (gibbs) by `LDA`; ``perplexity`` by topic models that hold
        documents out; ``objective`` by `LinearSVM`.
    patience : int, default=3
        Iterations without improvement before the fit stops.
    tol : float, default=1e-4
        Relative improvement that counts as one.
    mode : {"auto", "min", "max"}, default="auto"
        Whether the metric should fall or rise. "auto" has ``log_likelihood``, ``bound`` and ``score`` rise, and all
        others fall.
    max_propagation_depth : int or None, default=None
        How many levels of nested estimators it reaches; None means all of them.

    Attributes
    ----------
    stopped_ : list of tuple
        ``(estimator name, iterations, best value)`` of each fit stopped in this process.

    Warns
    -----
    UserWarning
        If no fit reported ``monitor``; it names the metrics that were, and by whom.

    See Also
    --------
    ProgressBar : Shows how far a fit is.

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn import EarlyStopping, KMeansDictionary
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> stop = EarlyStopping(patience=1, tol=0.05)
    >>> learner = KMeansDictionary(4, random_state=0, max_iter=100).set_callbacks(stop).fit(X)
    >>> learner.n_iter_ < 100
    True
    """

    _rules: ClassVar = {
        "monitor": instance(str),
        "patience": integer(1),
        "tol": real(0),
        "mode": one_of("auto", "min", "max"),
        "max_propagation_depth": optional(integer(0)),
    }

    def __init__(
        self,
        monitor: str = "inertia",
        patience: int = 3,
        tol: float = 1e-4,
        mode: str = "auto",
        max_propagation_depth: int | None = None,
    ):
        self.monitor, self.patience, self.tol, self.mode = monitor, patience, tol, mode
        self.max_propagation_depth = max_propagation_depth
        check_parameters(self)
        self.stopped_: list[tuple[str, int, float]] = []
        self._best: dict[tuple, tuple[float, int, int]] = {}
        self._reported: dict[str, str] = {}

    def setup(self, estimator, context):
        """Nothing to prepare."""

    def teardown(self, estimator, context):
        """Forget the fits that are over; others may still run. Warn if no fit ever reported the metric."""
        if self._reported and self.monitor not in self._reported:
            found = ", ".join(f"{name} (by {who})" for name, who in sorted(self._reported.items()))
            notify(
                f"EarlyStopping(monitor={self.monitor!r}) never saw that metric, so it stopped nothing; reported were "
                f"{found}. Pass one of them as monitor."
            )
        for key in [key for key in self._best if key[0] == context.root_uuid]:
            del self._best[key]

    def on_fit_task_begin(self, estimator, context):
        """Nothing to do when a task begins."""

    def on_fit_task_end(self, estimator, context, *, metadata=None):
        """Judge an iteration; True stops the fit."""
        who = type(estimator).__name__
        self._reported.update({name: who for name, value in (metadata or {}).items() if isinstance(value, Real)})
        if not metadata or self.monitor not in metadata or context.parent is None:
            return False
        value = float(metadata[self.monitor])
        rises = self.mode == "max" or (self.mode == "auto" and self.monitor in RISING)
        signed = -value if rises else value
        fit = (context.root_uuid, *_task_ids(context.parent))
        best, waited, seen = self._best.get(fit, (float("inf"), 0, 0))
        # A NaN compares as no improvement.
        improved = signed < (best - self.tol * abs(best) if isfinite(best) else best)
        waited = 0 if improved else waited + 1
        best = min(best, signed)
        self._best[fit] = (best, waited, seen + 1)
        if waited < self.patience:
            return False
        self.stopped_.append((who, seen + 1, -best if rises else best))
        return True
