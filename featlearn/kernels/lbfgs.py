"""SciPy's L-BFGS with manners: float32 in and out, a loss curve, a clear end, and one BLAS thread around it.

x := x - t H g,   H the inverse Hessian told by the last ``memory`` steps,   t by a line search      Nocedal (1980)
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from featlearn.threads import one_blas_thread


@dataclass(frozen=True)
class Minimum:
    """Where L-BFGS ended: x in the dtype of its start, the loss there, the loss of every iteration, and counts.

    ``converged`` is False if ``max_iter`` or a callback ended it.
    """

    x: np.ndarray
    loss: float
    loss_curve: np.ndarray
    n_iter: int
    n_evaluations: int
    converged: bool


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

    Examples
    --------
    >>> import numpy as np
    >>> lbfgs(lambda x: (float(x @ x), 2 * x), np.array([1.0, -2.0])).x.round(6) + 0.0
    array([0., 0.])
    """
    # Imported here: a fit by SGD does not pay for scipy.optimize.
    from scipy.optimize import minimize

    curve: list[float] = []

    def evaluate(x):
        loss, gradient = f(x.astype(x0.dtype, copy=False))
        if not (np.isfinite(loss) and np.isfinite(gradient).all()):
            raise ValueError(
                f"{who}: the loss is {loss} at iteration {len(curve) + 1} of L-BFGS, with weights up to "
                f"{np.abs(x).max():.3g}. Scale the data down (standardize it), or start from smaller weights."
            )
        return float(loss), gradient.astype(np.float64)

    def after(intermediate_result):
        curve.append(float(intermediate_result.fun))
        if on_iteration is not None and on_iteration(curve[-1], intermediate_result.x.astype(x0.dtype)):
            raise StopIteration

    with one_blas_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        end = minimize(
            evaluate,
            x0.astype(np.float64),
            jac=True,
            method="L-BFGS-B",
            callback=after,
            options={"maxiter": max_iter, "maxcor": memory, "gtol": tol, "ftol": 1e-4 * tol, "maxfun": 15 * max_iter},
        )
    return Minimum(
        end.x.astype(x0.dtype), float(end.fun), np.array(curve), int(end.nit), int(end.nfev), bool(end.status == 0)
    )
