"""SciPy's L-BFGS with manners: float32 in and out, a loss curve, a clear end, and one BLAS thread around it.

x := x - t H g,   H the inverse Hessian told by the last ``memory`` steps,   t by a line search      Nocedal (1980)
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from featlearn.notices import interruptible
from featlearn.threads import one_blas_thread

ENDS = {0: "converged", 1: "max_iter", 2: "precision"}  # SciPy's status of L-BFGS-B


@dataclass(frozen=True)
class Minimum:
    """Where L-BFGS ended: x in the dtype of its start, the loss there, the loss of every iteration, and counts.

    ``ended`` says why: "converged"; "max_iter" (or 15 times as many evaluations); "precision", where no step along the
    gradient lowers the loss any more, as happens at the rounding of its dtype; "stopped" by ``on_iteration``; or
    "interrupted" (Ctrl-C), with the best of the iterations that were finished.
    """

    x: np.ndarray
    loss: float
    loss_curve: np.ndarray
    n_iter: int
    n_evaluations: int
    ended: str

    @property
    def converged(self) -> bool:
        """Whether ``tol`` ended it."""
        return self.ended == "converged"


def lbfgs(
    f: Callable[[np.ndarray], tuple[float, np.ndarray]],
    x0: np.ndarray,
    *,
    max_iter: int = 200,
    tol: float = 1e-5,
    memory: int = 10,
    on_iteration: Callable[[float, np.ndarray], bool] | None = None,
    who: str = "L-BFGS",
) -> Minimum:
    """Minimize ``f``, which maps a flat x (in the dtype of ``x0``) to the loss and its gradient.

    Parameters
    ----------
    f : callable
        ``f(x) -> (loss, gradient)``; x and gradient have the shape and dtype of ``x0``.
    x0 : array (n,)
        Where to start; float32 or float64.
    max_iter : int, default=200
        Most iterations.
    tol : float, default=1e-5
        Stop when every component of the gradient is below ``tol``, or an iteration gains less than ``tol`` times
        1e-4 of the loss.
    memory : int, default=10
        Steps remembered.
    on_iteration : callable or None, default=None
        ``on_iteration(loss, x)`` after every iteration; True stops.
    who : str, default="L-BFGS"
        Named in errors.

    Returns
    -------
    minimum : Minimum

    Raises
    ------
    ValueError
        If the loss or its gradient is not finite.

    Warns
    -----
    ConvergenceWarning
        If an interrupt (Ctrl-C) ended it after the first iteration; before that the interrupt goes through.

    Examples
    --------
    >>> import numpy as np
    >>> lbfgs(lambda x: (float(x @ x), 2 * x), np.array([1.0, -2.0])).x.round(6) + 0.0
    array([0., 0.])
    """
    # Imported here: a fit by SGD does not pay for scipy.optimize.
    from scipy.optimize import minimize

    curve: list[float] = []
    evaluations, stopped, finished = 0, False, (x0, np.inf, 0)

    def evaluate(x):
        nonlocal evaluations
        evaluations += 1
        loss, gradient = f(x.astype(x0.dtype, copy=False))
        if not (np.isfinite(loss) and np.isfinite(gradient).all()):
            raise ValueError(
                f"{who}: the loss is {loss} at iteration {len(curve) + 1} of L-BFGS, with weights up to "
                f"{np.abs(x).max():.3g}. Scale the data down (standardize it), or start from smaller weights."
            )
        return float(loss), gradient.astype(np.float64)

    def after(intermediate_result):
        nonlocal finished, stopped
        curve.append(float(intermediate_result.fun))
        finished = (intermediate_result.x.astype(x0.dtype), curve[-1], len(curve))
        stopped = on_iteration is not None and on_iteration(curve[-1], finished[0].copy())
        if stopped:
            raise StopIteration

    end = None
    with one_blas_thread(), interruptible(who, lambda: finished[2]), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        end = minimize(
            evaluate,
            x0.astype(np.float64),
            jac=True,
            method="L-BFGS-B",
            callback=after,
            options={"maxiter": max_iter, "maxcor": memory, "gtol": tol, "ftol": 1e-4 * tol, "maxfun": 15 * max_iter},
        )
    if end is None:  # the loss falls with every iteration, so the last one is the best
        x, loss, n_iter = finished
        return Minimum(x, loss, np.array(curve[:n_iter]), n_iter, evaluations, "interrupted")
    ended = "stopped" if stopped else ENDS[end.status]
    return Minimum(end.x.astype(x0.dtype), float(end.fun), np.array(curve), int(end.nit), int(end.nfev), ended)
