"""What a fit says when it ended without an error and yet not as it should: one place for the words and the manners.

A warning points at the line of the user's code that called the library, whatever decorators lie between. An interrupt
(Ctrl-C) during iterations keeps what was learned so far, as scikit-learn's MLPClassifier does.
"""

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sklearn.exceptions import ConvergenceWarning

_LIBRARIES = ("featlearn", "sklearn", "contextlib", "functools", "joblib")


def notify(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the first line up the stack that is neither ours nor scikit-learn's."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] in _LIBRARIES:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def warn_at_limit(who: str, n_iter: int, tol: float, reached: str, cure: str = "") -> None:
    """A ConvergenceWarning that ``max_iter`` ended a fit before ``tol`` did.

    ``reached`` tells how far it came (``"the inertia still fell by 2e-3 of itself"``), ``cure`` what else may help.
    """
    cure = f", or {cure}" if cure else ""
    notify(
        f"{who}: max_iter={n_iter} iterations were made and the fit has not converged: {reached}, and tol={tol:g}. "
        f"Raise max_iter or tol{cure}.",
        ConvergenceWarning,
    )


@contextmanager
def interruptible(who: str, finished: Callable[[], int]) -> Iterator[None]:
    """Around the iterations of a fit: an interrupt ends them with a warning, and the fit closes with what it has.

    ``finished()`` is the number of iterations whose result is whole; before the first one the interrupt goes through.
    """
    try:
        yield
    except KeyboardInterrupt:
        done = finished()
        if done == 0:
            raise
        notify(
            f"{who}: interrupted, so the fit ends after {done} iteration{'s' if done > 1 else ''} with the best that "
            "was learned in them.",
            ConvergenceWarning,
        )
