"""Which learning rate: the loss while the rate grows from step to step.

    rate_t = low (high / low)^(t / (n - 1)),  a step on the next batch at each;  the loss before the step is noted

    smoothed_t = sum_s b^(t-s) loss_s / sum_s b^(t-s)

Smith (2017), "Cyclical learning rates for training neural networks", section 3.3. The rate suggested is the one where
the smoothed loss falls the steepest over the logarithm of the rate, on its way down to its minimum.
"""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state

from featlearn.arrays import blocks
from featlearn.training import LBFGS, Batch, Memory, minimize
from featlearn.validation import check_argument, check_parameters, integer, real

SMOOTHING = 0.9
HOPELESS = 4.0  # a smoothed loss so many times the lowest ends the search


@dataclass(frozen=True, eq=False)
class LearningRateCurve:
    """What `find_learning_rate` found.

    Attributes
    ----------
    rates : array (n,)
        Learning rates, in growing order; fewer than asked for if the loss ran away.
    losses : array (n,)
        The loss of each batch before the step at this rate.
    smoothed : array (n,)
        A moving average of these.
    suggestion : float
        The rate where the smoothed loss falls the steepest.
    """

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    suggestion: float


def smooth(losses: np.ndarray) -> np.ndarray:
    """Averages of the losses so far, older ones with less weight."""
    weights = SMOOTHING ** np.arange(len(losses))
    return np.array([np.average(losses[: t + 1], weights=weights[t::-1]) for t in range(len(losses))])


def steepest(rates: np.ndarray, smoothed: np.ndarray) -> float:
    """The rate where the loss falls the steepest before its minimum; the lowest rate if it never falls."""
    end = int(smoothed.argmin()) + 1
    if end < 3:
        return float(rates[0])
    return float(rates[np.gradient(smoothed[:end], np.log(rates[:end])).argmin()])


def find_learning_rate(
    net: Any,
    X: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    low: float = 1e-6,
    high: float = 10.0,
    n_steps: int = 100,
) -> LearningRateCurve:
    """The loss of a network while its learning rate grows, and a rate to take.

    The estimator is left as it is. It starts from first weights, or with ``warm_start`` from those learned. Learners
    among its layers that are not fitted are fitted first.

    Parameters
    ----------
    net : NetworkClassifier, NetworkRegressor or another learner by gradient descent
        The estimator.
    X : array (n_samples, n_features), sparse matrix or memmap
        The rows.
    y : array (n_samples,) or (n_samples, n_outputs), default=None
        The targets.
    sample_weight : array (n_samples,), default=None
        Weights of the rows.
    low, high : float, default=1e-6, 10
        The first rate and the last.
    n_steps : int, default=100
        How many steps of gradient descent, each on ``batch_size`` rows.

    Returns
    -------
    curve : LearningRateCurve

    Raises
    ------
    ValueError
        If the solver has no learning rate (L-BFGS), or the loss is not finite at the lowest one.

    See Also
    --------
    NetworkClassifier : Takes the rate found, as ``learning_rate``.

    References
    ----------
    L. N. Smith, "Cyclical learning rates for training neural networks", 2017.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from featlearn.networks import Dense, NetworkClassifier, find_learning_rate
    >>> X, y = load_digits(return_X_y=True)
    >>> net = NetworkClassifier([Dense(50, "relu")], random_state=0)
    >>> curve = find_learning_rate(net, X / 16, y)
    >>> 1e-4 < curve.suggestion < 1
    True
    """
    who = "find_learning_rate"
    check_argument(who, "low", low, real(above=0))
    check_argument(who, "high", high, real(above=float(low)))
    check_argument(who, "n_steps", n_steps, integer(3))
    go_on = net.warm_start and hasattr(net, "loss_curve_")
    # Copies, so that neither the estimator nor its random generator is touched.
    net, seed = deepcopy(net) if go_on else clone(net), deepcopy(net.random_state)
    check_parameters(net)
    solver = net._solver()
    if isinstance(solver, LBFGS):
        raise ValueError(f"{who}: solver='lbfgs' has no learning rate. Pass a rule of gradient descent, 'adam' say.")
    rng = check_random_state(0 if seed is None else seed)
    data, _, prepare = net._prepared(net._data(X, y, sample_weight, reset=not go_on), None, rng, go_on)
    objective = net._objective()
    params = net._first_parameters(objective, data.x, rng, go_on)
    memory = net._remembered(go_on) or Memory()
    rates = float(low) * (float(high) / float(low)) ** (np.arange(int(n_steps)) / (int(n_steps) - 1))
    losses: list[float] = []
    for rate, batch in zip(rates, _batches(data, net.batch_size, rng), strict=False):
        try:
            trained = minimize(
                objective,
                batch.x,
                params,
                solver.set_params(learning_rate=float(rate), schedule="constant"),
                y=batch.y,
                sample_weight=batch.w,
                rng=rng,
                max_iter=1,
                batch_size=None,
                weight_decay=net.weight_decay,
                memory=memory,
                engine=net.engine,
                prepare=prepare,
                who=type(net).__name__,
            )
        except ValueError:
            if not losses:
                raise
            break  # the loss is not finite any more
        params, memory = trained.params, trained.memory
        losses.append(trained.loss_curve[0])
        smoothed = smooth(np.array(losses))
        if smoothed[-1] > HOPELESS * smoothed.min():
            break
    rates = rates[: len(losses)]
    return LearningRateCurve(rates, np.array(losses), smoothed, steepest(rates, smoothed))


def _batches(data: Batch, size: int | None, rng: np.random.RandomState) -> Iterator[Batch]:
    """Batches of rows in an order drawn anew for each pass, without end."""
    n = data.x.shape[0]
    while True:
        order = rng.permutation(n)
        for part in blocks(n, n if size is None else min(int(size), n)):
            yield data.rows(order[part])
