"""The loss along growing learning rates, and the rate that is suggested."""

from typing import Any, Self

import numpy as np

from featlearn.plot.curves import pyplot

LOSS, SUGGESTION, GRAY = "#2f6db5", "#d95f02", "#b0b7bf"


class LearningRateDisplay:
    """The curve of a search for a learning rate: loss against rate, on a logarithmic scale, with what is suggested.

    What `find_learning_rate` gives is drawn by `from_search`.

    Parameters
    ----------
    rates : array (n_steps,)
        Learning rates, above 0.
    losses : array (n_steps,)
        The loss at each.
    smoothed : array (n_steps,) or None, default=None
        A moving average of the losses; where there is one, the losses themselves are drawn in gray.
    suggestion : float or None, default=None
        The rate that is marked.

    Attributes
    ----------
    line_ : matplotlib Line2D
        The curve, smoothed where it can be.
    ax_ : matplotlib Axes
        Axes with the curve.
    figure_ : matplotlib Figure
        Figure with the axes.

    See Also
    --------
    LossCurveDisplay : The loss along the iterations of a fit.

    References
    ----------
    Smith (2017), "Cyclical learning rates for training neural networks", section 3.3.

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn.plot import LearningRateDisplay
    >>> rates = np.geomspace(1e-4, 1, 30)
    >>> display = LearningRateDisplay(rates, 2 - np.log1p(100 * rates) + 40 * rates**3, suggestion=0.05).plot()
    >>> display.ax_.get_xscale()
    'log'
    """

    def __init__(self, rates: Any, losses: Any, *, smoothed: Any = None, suggestion: float | None = None):
        self.rates = rates
        self.losses = losses
        self.smoothed = smoothed
        self.suggestion = suggestion

    @classmethod
    def from_search(cls, search: Any, *, ax: Any = None) -> Self:
        """Draw what a search for a learning rate gave.

        Parameters
        ----------
        search : object
            With ``rates``, ``losses`` and perhaps ``smoothed`` and ``suggestion``, as `find_learning_rate` gives it.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : LearningRateDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing.
        TypeError
            If it holds no rates and losses.
        ValueError
            If these are none that can be drawn.
        """
        if not (hasattr(search, "rates") and hasattr(search, "losses")):
            raise TypeError(
                f"LearningRateDisplay.from_search takes what find_learning_rate gives, with rates and losses, not "
                f"{type(search).__name__}. Rates and losses themselves are drawn by LearningRateDisplay(rates, "
                "losses).plot()."
            )
        more = {name: getattr(search, name, None) for name in ("smoothed", "suggestion")}
        return cls(search.rates, search.losses, **more).plot(ax)

    def plot(self, ax: Any = None) -> Self:
        """Draw the curve.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        self : LearningRateDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing.
        ValueError
            If there is no rate, there are not as many losses, or a rate is not above 0.
        """
        rates, losses = (np.asarray(each, np.float64) for each in (self.rates, self.losses))
        curve = losses if self.smoothed is None else np.asarray(self.smoothed, np.float64)
        if rates.ndim != 1 or rates.shape != losses.shape or rates.shape != curve.shape or rates.size == 0:
            raise ValueError(
                f"LearningRateDisplay needs a loss for each learning rate, at least one; got shapes {rates.shape} and "
                f"{losses.shape}."
            )
        if not (np.isfinite(rates).all() and rates.min() > 0):
            raise ValueError(f"LearningRateDisplay: learning rates are finite and above 0; got {rates.min():.3g}.")
        if ax is None:
            ax = pyplot("LearningRateDisplay").subplots(figsize=(6, 4), layout="constrained")[1]
        self.ax_, self.figure_ = ax, ax.figure
        if self.smoothed is not None:
            ax.plot(rates, losses, color=GRAY, linewidth=1, label="loss of a batch")
        label = "loss" if self.smoothed is None else "smoothed"
        (self.line_,) = ax.plot(rates, curve, color=LOSS, marker="o" if len(rates) == 1 else None, label=label)
        ax.set(xscale="log", xlabel="learning rate", ylabel="loss")
        known = curve[np.isfinite(curve)]
        if len(known):
            # The loss explodes at the end of the search, and would press the rest into a line.
            top = known[0] + 0.5 * max(known[0] - known.min(), 1e-3 * abs(known[0]))
            low, high = losses[np.isfinite(losses)].min(initial=known.min()), min(known.max(), top)
            pad = 0.08 * (high - low) or 0.5
            ax.set_ylim(low - pad, high + pad)
        if self.suggestion is not None:
            ax.axvline(self.suggestion, color=SUGGESTION, linestyle="--", label=f"suggested: {self.suggestion:.2g}")
        if self.suggestion is not None or self.smoothed is not None:
            ax.legend(frameon=False)
        ax.spines[["top", "right"]].set_visible(False)
        return self
