"""Curves of learning: what one or several estimators reported after each iteration of their fit, on one axis."""

from collections.abc import Iterable, Mapping
from typing import Any, Self

import numpy as np

from featlearn.validation import check_fitted

# Fitted attributes that hold one value an iteration, (n_iter,), the first found is drawn.
_CURVES = ("loss_curve_", "inertia_curve_", "log_likelihood_curve_")
_VALIDATION = "validation_curve_"


def pyplot(who: str) -> Any:
    """matplotlib's pyplot.

    Raises
    ------
    ImportError
        If matplotlib is missing.
    """
    try:
        from matplotlib import pyplot as plt
    except ImportError as error:
        raise ImportError(f"{who} draws with matplotlib. Install it with `pip install featlearn[plot]`.") from error
    return plt


def find_curve(estimator: Any, curve: str | None = None) -> tuple[str, np.ndarray, np.ndarray | None]:
    """Name of the curve of a fitted estimator, its values (n_iter,) and those on validation data, if there are any.

    A search gives its best estimator's, a `Stage` its learner's, a pipeline those of the last step that has any.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If it holds no curve.
    ValueError
        If the curve is no list of numbers.
    """
    check_fitted(
        "LossCurveDisplay.from_estimator",
        estimator,
        "a fitted estimator, a list or a dict of them (curves themselves are drawn by LossCurveDisplay({'loss': "
        "values}).plot())",
    )
    for one in _from_outside_in(estimator):
        # Any other attribute that is called a curve will do, if there is only the one.
        others = [name for name in vars(one) if name.endswith("_curve_") and name != _VALIDATION]
        for name in (curve,) if curve else (*_CURVES, *(others if len(others) == 1 else ())):
            if getattr(one, name, None) is not None:
                checked = name == "loss_curve_" and getattr(one, _VALIDATION, None) is not None
                return name, _values(one, name), _values(one, _VALIDATION) if checked else None
    looked_for = f"no `{curve}`" if curve else f"none of {', '.join(_CURVES)}. Pass curve='...' to name the attribute"
    raise TypeError(f"{type(estimator).__name__} holds no curve: {looked_for}.")


def _from_outside_in(estimator):
    """The estimator and all that are fitted inside it, the last step of a pipeline first."""
    yield estimator
    if hasattr(estimator, "best_estimator_"):
        yield from _from_outside_in(estimator.best_estimator_)
    elif hasattr(estimator, "learner_"):
        yield from _from_outside_in(estimator.learner_)
    for _, step in reversed(getattr(estimator, "steps", ())):
        if hasattr(step, "fit"):  # "passthrough" is no estimator
            yield from _from_outside_in(step)


def _values(learner, name):
    values = np.asarray(getattr(learner, name))
    if values.ndim != 1 or values.size == 0 or values.dtype.kind not in "fiu":
        raise ValueError(
            f"{type(learner).__name__}.{name} is no curve: it must hold one number per iteration, and has shape "
            f"{values.shape} and type {values.dtype}."
        )
    return values


def _named(estimators):
    """Estimators by name; those of a list by their class, numbered where a class comes more than once."""
    if isinstance(estimators, Mapping):
        named = {str(name): estimator for name, estimator in estimators.items()}
    else:
        estimators = list(estimators) if isinstance(estimators, (list, tuple)) else [estimators]
        classes = [type(estimator).__name__ for estimator in estimators]
        named = {
            f"{name} {classes[:i].count(name) + 1}" if classes.count(name) > 1 else name: estimator
            for i, (name, estimator) in enumerate(zip(classes, estimators))
        }
    if not named:
        raise ValueError("There is nothing to draw: no estimator. Pass at least one.")
    return named


class LossCurveDisplay:
    """Curves of learning, one value an iteration, on one axis.

    Use `from_estimator` to make one.

    Parameters
    ----------
    curves : dict of str to array (n_iter,)
        The curves by name.
    validation : dict of str to array (n_iter,) or None, default=None
        Curves on validation data by the same names, drawn dashed in the same color.
    ylabel : str, default="loss"
        What the curves show.

    Attributes
    ----------
    lines_ : list of matplotlib Line2D
        The curves in order, each followed by its validation curve.
    ax_ : matplotlib Axes
        Axes with the curves.
    figure_ : matplotlib Figure
        Figure with the axes.

    See Also
    --------
    LivePlot : The same while a fit runs.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from featlearn import KMeansDictionary
    >>> from featlearn.plot import LossCurveDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> learners = {f"{k} atoms": KMeansDictionary(k, random_state=0, max_iter=5, tol=0).fit(X) for k in (5, 10)}
    >>> display = LossCurveDisplay.from_estimator(learners, log_scale=True)
    >>> display.ax_.get_ylabel(), [line.get_label() for line in display.lines_]
    ('inertia', ['5 atoms', '10 atoms'])
    """

    def __init__(self, curves: Mapping[str, Any], *, validation: Mapping[str, Any] | None = None, ylabel: str = "loss"):
        self.curves = curves
        self.validation = validation
        self.ylabel = ylabel

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, curve: str | None = None, log_scale: bool = False, ax: Any = None
    ) -> Self:
        """Draw the curves of one or several fitted estimators.

        Parameters
        ----------
        estimator : fitted estimator, list of them, or dict of str to fitted estimator
            Each with ``loss_curve_`` (and perhaps ``validation_curve_``), ``inertia_curve_``,
            ``log_likelihood_curve_`` or the attribute named by ``curve``; or a search, pipeline or `Stage` with one
            inside.
        curve : str or None, default=None
            The fitted attribute to draw, for instance ``"lower_bounds_"`` of scikit-learn's mixtures; None takes the
            first of the above that an estimator has.
        log_scale : bool, default=False
            Whether the values are drawn on a logarithmic scale.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : LossCurveDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing.
        NotFittedError
            If an estimator is not fitted.
        TypeError
            If it holds no curve.
        ValueError
            If there is no estimator, a curve is no list of numbers, or not positive on a logarithmic scale.
        """
        found = {name: find_curve(one, curve) for name, one in _named(estimator).items()}
        whats = {
            name: what.removesuffix("_").removesuffix("_curve").replace("_", " ") for name, (what, *_) in found.items()
        }
        alike = len(set(whats.values())) == 1
        keys = {name: name if alike else f"{name}, {whats[name]}" for name in found}
        return cls(
            {keys[name]: values for name, (_, values, _) in found.items()},
            validation={keys[name]: values for name, (_, _, values) in found.items() if values is not None},
            ylabel=next(iter(whats.values())) if alike else "value",
        ).plot(ax, log_scale=log_scale)

    def plot(self, ax: Any = None, *, log_scale: bool = False) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.
        log_scale : bool, default=False
            Whether the values are drawn on a logarithmic scale.

        Returns
        -------
        self : LossCurveDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing.
        ValueError
            If a curve is not positive on a logarithmic scale, or a validation curve has no curve of its name.
        """
        validation = dict(self.validation or {})
        if unknown := sorted(validation.keys() - self.curves.keys()):
            raise ValueError(f"Validation curves {unknown} belong to no curve; the curves are {sorted(self.curves)}.")
        if log_scale:
            for name, values in (*self.curves.items(), *validation.items()):
                if np.nanmin(values) <= 0:
                    raise ValueError(
                        f"{name} falls to {np.nanmin(values):.3g}, and a logarithmic scale shows only values above 0. "
                        "Pass log_scale=False."
                    )
        if ax is None:
            ax = pyplot("LossCurveDisplay").subplots(figsize=(6, 4), layout="constrained")[1]
        self.ax_, self.figure_, self.lines_ = ax, ax.figure, []
        for name, values in self.curves.items():
            self.lines_.append(draw_curve(ax, values, label=name))
            if name in validation:
                color = self.lines_[-1].get_color()
                dashed = draw_curve(ax, validation[name], label=f"{name}, validation", color=color, linestyle="--")
                self.lines_.append(dashed)
        label_axes(ax, self.ylabel, log_scale)
        if len(self.lines_) > 1:
            ax.legend(frameon=False)
        return self


def draw_curve(ax: Any, values: Iterable[float], **style: Any) -> Any:
    """One value an iteration as a line, counted from 1; a single value as a dot, since its line would be invisible."""
    values = np.asarray(values, dtype=np.float64)
    return ax.plot(np.arange(1, len(values) + 1), values, marker="o" if len(values) == 1 else None, **style)[0]


def label_axes(ax: Any, ylabel: str, log_scale: bool = False) -> None:
    """Label axes of curves: whole iterations, plain numbers, and no frame where there is nothing to read."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    ax.set(xlabel="iteration", ylabel=ylabel, yscale="log" if log_scale else "linear")
    if log_scale:
        low, high = ax.get_ylim()
        # Curves often span less than a factor of ten, where powers of ten alone would leave one label or none.
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 1000 * low else (1,)))
        ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
    ax.spines[["top", "right"]].set_visible(False)
