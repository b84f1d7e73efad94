"""The one gradient loop.

A learner states an objective: ``init`` (first parameters), ``loss(params, x, seed)`` in `keras.ops`, and, where a
gradient derived by hand is faster, ``gradient``. `minimize` does the rest: batches, update rules, schedules, weight
decay, clipping, early stopping, or SciPy's L-BFGS.

Two engines run the same batches with the same rules (training/optimizers.py):

    numpy   the hand-derived gradient on the CPU, the hidden units cut into shards (training/shards.py)
    keras   the automatic gradient on TensorFlow, JAX or torch, many steps in one call (training/keras_steps.py)

Parameters are dicts of NumPy arrays; the first axis of those named in ``objective.hidden`` runs over units.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np

from featlearn.arrays import as_float, blocks, cache_rows
from featlearn.notices import interruptible
from featlearn.streaming import dense
from featlearn.threads import one_blas_thread
from featlearn.training.lbfgs import lbfgs
from featlearn.training.optimizers import RULES
from featlearn.training.shards import Draws, Memory, NumpyEngine, Params, params_dtype
from featlearn.training.solvers import LBFGS, GradientDescent

CHUNK_BYTES = 16 << 20
DIVERGED = 1e30  # a loss beyond this is on its way to infinity, in float64 too


class Objective(Protocol):
    """What a learner states. A frozen dataclass of its settings, so that compiled functions can be kept by it.

    ``hidden`` names the parameters whose first axis runs over units, and may be cut into shards.
    """

    @property
    def hidden(self) -> tuple[str, ...]: ...

    def init(self, n_features: int, rng: np.random.RandomState, dtype: Any) -> Params:
        """First parameters."""

    def loss(self, params: Any, x: Any, seed: Any) -> Any:
        """The mean loss of a batch x (m, d), a number, in `keras.ops`; ``seed`` is a tensor of two whole numbers."""

    def gradient(self, params: Params, x: np.ndarray, draws: Draws, grads: Params) -> Generator | float:
        """Fill ``grads``; give the shard's share of the loss.

        Optional. A generator yields an array and receives its sum over all shards; a plain function is not sharded.
        """


@dataclass(frozen=True)
class Trained:
    """What a training gave: the parameters, the loss of each epoch, and what it needs to go on.

    ``converged`` is False where ``max_iter`` ended it before a tolerance that was asked for did.
    """

    params: Params
    loss_curve: list[float]
    validation_curve: list[float]
    n_iter: int
    memory: Memory
    converged: bool = True


def minimize(
    objective: Objective,
    X: np.ndarray,
    params: Params,
    solver: "GradientDescent | LBFGS",
    *,
    rng: np.random.RandomState,
    max_iter: int = 100,
    horizon: int | None = None,
    batch_size: int | None = 100,
    shuffle: bool = True,
    weight_decay: float = 0.0,
    tol: float = 0.0,
    n_iter_no_change: int = 10,
    validation: np.ndarray | None = None,
    memory: Memory | None = None,
    engine: str = "auto",
    prepare: Callable[[np.ndarray], np.ndarray] | None = None,
    on_epoch: Callable[[dict[str, float], Callable[[], Params]], bool] | None = None,
    who: str = "minimize",
) -> Trained:
    """Minimize the mean loss over the rows of X.

    Parameters
    ----------
    objective : Objective
        What is minimized.
    X : array (n, d), memmap or CSR matrix
        The samples, made dense batch by batch; small integers become float32 batch by batch.
    params : dict of arrays
        Where to start; they are copied.
    solver : GradientDescent or LBFGS
        How to step, see `make_solver`.
    rng : RandomState
        Decides the order of samples and everything that the objective draws.
    max_iter : int, default=100
        Most epochs, or iterations of L-BFGS.
    horizon : int or None, default=None
        The epoch, counted from the first one ever, at which the schedules "linear" and "cosine" reach 0; None takes
        the last of this training.
    batch_size : int or None, default=100
        Samples in a step; 1 is one sample at a time, None all of them. L-BFGS always takes all.
    shuffle : bool, default=True
        Whether each epoch takes the samples in an order of its own.
    weight_decay : float, default=0
        Adds ``weight_decay / 2 * |W|^2`` to the loss, of parameters with two axes or more: biases do not decay.
    tol : float, default=0
        Stop after ``n_iter_no_change`` epochs that do not improve the (validation) loss by this fraction; 0 runs all
        epochs, unless there is a validation set.
    n_iter_no_change : int, default=10
        Patience.
    validation : array (m, d) or None, default=None
        Samples held out: their loss decides when to stop, and the best parameters are kept.
    memory : Memory or None, default=None
        Of an earlier training, to go on from it.
    engine : {"auto", "numpy", "keras"}, default="auto"
        "numpy" takes the hand-derived gradient on the CPU, "keras" the automatic one on Keras' device; "auto" the
        second where there is a GPU, or no hand-derived gradient.
    prepare : callable or None, default=None
        What raw rows (m, d), as floats of the parameters' dtype, pass batch by batch before the objective sees them:
        it gives new rows, each from its own (`featlearn.training.standardizer.Standardizer`, say). Rows held out and
        those of L-BFGS pass it too.
    on_epoch : callable or None, default=None
        ``on_epoch(metrics, params)`` after each epoch, with ``params()`` giving a copy; True stops.
    who : str, default="minimize"
        Named in errors.

    Returns
    -------
    trained : Trained

    Raises
    ------
    ValueError
        If the loss or a parameter is not finite; the message names the epoch and the learning rate.

    Warns
    -----
    ConvergenceWarning
        If an interrupt (Ctrl-C) ended it: everything returned is then that of the last whole epoch (the parameters the
        best on the samples held out, if there are any). Before the end of the first epoch the interrupt goes through.

    Examples
    --------
    The mean of the samples, as the minimum of the mean squared distance:

    >>> import numpy as np
    >>> from featlearn.training import GradientDescent, minimize
    >>> class Mean:
    ...     hidden = ()
    ...     def gradient(self, params, x, draws, grads):
    ...         grads["m"][:] = params["m"] - x.mean(axis=0)
    ...         return 0.5 * float(((x - params["m"]) ** 2).sum(axis=1).mean())
    >>> X, rng = np.array([[0.0, 1.0], [2.0, 5.0]]), np.random.RandomState(0)
    >>> solver = GradientDescent("sgd", learning_rate=0.5)
    >>> minimize(Mean(), X, {"m": np.zeros(2)}, solver, rng=rng, batch_size=None).params["m"].round(6)
    array([1., 3.])
    """
    params = {name: np.array(value, order="C") for name, value in params.items()}
    # NumPy's narrow integers would overflow in sums with them.
    max_iter, batch_size = int(max_iter), None if batch_size is None else int(batch_size)
    weight_decay = float(weight_decay)  # a NumPy float64 would turn float32 gradients into float64
    run = _engine(objective, engine, who)(objective, weight_decay)
    ready = partial(_ready, dtype=params_dtype(params), prepare=prepare)
    if isinstance(solver, LBFGS):
        return _minimize_lbfgs(run, ready(dense(X)), params, solver, rng, max_iter, weight_decay, on_epoch, who)
    memory = Memory() if memory is None else memory
    slots, same_rule = RULES[solver.rule][1], memory.rule == solver.rule
    arrays = {name: _slots(memory.arrays.get(name, []) if same_rule else [], p, slots) for name, p in params.items()}
    rule_start = memory.rule_start if same_rule else memory.step
    memory = Memory(memory.step, memory.epoch, arrays, solver.rule, rule_start)
    start_epoch = memory.epoch
    last = start_epoch + max_iter
    horizon = last if horizon is None else horizon
    n = X.shape[0]
    size = n if batch_size is None else min(batch_size, n)
    watcher = _Patience(tol, n_iter_no_change, always=validation is not None)
    # The steps made so far enter, or every partial_fit with one random_state would draw the same numbers and orders.
    seed = [*(int(s) for s in rng.randint(2**31 - 1, size=2)), memory.step]
    rng = np.random.RandomState(seed) if memory.step else rng
    X, train_ready = _ready_if_small(X, ready)
    validation, held_ready = (None, ready) if validation is None else _ready_if_small(validation, ready)
    curve: list[float] = []
    held_out: list[float] = []
    patient = tol > 0 and validation is None  # whether something else than max_iter was to end it
    whole: tuple[Params | None, Memory, int] = None, memory, 0  # what is left if the next epoch is interrupted
    with (
        interruptible(who, lambda: whole[-1]),
        one_blas_thread(),
        np.errstate(over="ignore", invalid="ignore", divide="ignore"),
    ):
        run.begin(params, memory, size, seed)
        for epoch in range(start_epoch, last):
            order = rng.permutation(n) if shuffle and size < n else None
            total = 0.0
            for part in blocks(n, max(1, cache_rows(4 * X.shape[1], CHUNK_BYTES, 1) // size) * size):
                rows = X[part] if order is None else X[order[part]]
                batches = [train_ready(rows[b]) for b in blocks(rows.shape[0], size)]
                first = memory.step + 1 - memory.rule_start
                steps = range(first, first + len(batches))
                c = np.array([solver.constants(s, epoch, horizon) for s in steps], params_dtype(params))
                total += run.steps(batches, solver, c)
                memory.step += len(batches)
            params = run.params()
            loss = total / n + penalty(params, weight_decay)
            if not (abs(loss) < DIVERGED and all(np.isfinite(p).all() for p in params.values())):
                rate = solver.rate_at(epoch, horizon)
                raise ValueError(
                    f"{who}: training diverged in epoch {epoch + 1}: the loss is {loss:.3g} or a weight is not finite, "
                    f"at learning rate {rate:.3g}. Lower learning_rate (try {rate / 10:.3g}), pass a "
                    "GradientDescent with clip_norm as solver, or scale the data."
                )
            memory.epoch = epoch + 1
            curve.append(loss)
            metrics = {"loss": loss}
            if validation is not None:
                held_out.append(run.evaluate(params, validation, seed, held_ready) + penalty(params, weight_decay))
                metrics["validation_loss"] = held_out[-1]
            stop = watcher.see(metrics.get("validation_loss", loss), params if validation is not None else None)
            whole = watcher.best_params or _copied(params), run.memory(), len(curve)
            if on_epoch is not None and on_epoch(metrics, partial(_copied, params)):
                stop = True
            if stop:
                patient = False
                break
    kept, memory, epochs = whole
    assert kept is not None
    return Trained(
        kept, curve[:epochs], held_out[:epochs], epochs, memory, converged=not (patient and epochs == max_iter)
    )


def _ready(rows: np.ndarray, dtype: Any, prepare: Callable[[np.ndarray], np.ndarray] | None) -> np.ndarray:
    """Rows as the objective sees them."""
    rows = as_float(dense(rows)).astype(dtype, copy=False)
    return rows if prepare is None else prepare(rows)


def _ready_if_small(X: np.ndarray, ready: Callable) -> tuple[np.ndarray, Callable]:
    """Rows that fit a chunk made ready once and for all, others with what their batches have to pass."""
    return (ready(dense(X)), lambda rows: rows) if 4 * X.shape[0] * X.shape[1] <= CHUNK_BYTES else (X, ready)


def _slots(remembered: list[np.ndarray], p: np.ndarray, slots: int) -> list[np.ndarray]:
    """Copies of what a rule remembers of a parameter; zeros for another rule or another shape."""
    if len(remembered) == slots and all(a.shape == p.shape for a in remembered):
        return [np.array(a, p.dtype) for a in remembered]
    return [np.zeros_like(p) for _ in range(slots)]


def _copied(params: Params) -> Params:
    return {name: np.array(value) for name, value in params.items()}


def penalty(params: Params, weight_decay: float) -> float:
    """weight_decay / 2 * |W|^2 over parameters with two axes or more."""
    if not weight_decay:
        return 0.0
    return 0.5 * weight_decay * sum(float(np.vdot(p, p)) for p in params.values() if p.ndim > 1)


class _Patience:
    """Counts epochs without improvement; keeps the best parameters where it is given any."""

    def __init__(self, tol, patience, always):
        self.tol, self.patience, self.active = tol, patience, always or tol > 0
        self.best, self.waited, self.best_params = np.inf, 0, None

    def see(self, loss, params):
        """Judge an epoch; True asks to stop."""
        improved = loss < self.best - self.tol * abs(self.best) if np.isfinite(self.best) else True
        if params is not None and loss < self.best:
            self.best_params = _copied(params)
        self.best = min(self.best, loss)
        self.waited = 0 if improved else self.waited + 1
        return self.active and self.waited >= self.patience


def _engine(objective, engine, who):
    by_hand = getattr(objective, "gradient", None) is not None
    if engine == "numpy" and not by_hand:
        raise ValueError(f"{who}: engine='numpy' needs a gradient derived by hand, which this objective lacks.")
    if engine == "auto" and by_hand:
        from featlearn.kernels.backend import gpu_may_exist

        if not (gpu_may_exist() and hasattr(objective, "loss")):
            return NumpyEngine
        from featlearn.kernels.backend import gpu_visible

        engine = "keras" if gpu_visible() else "numpy"
    if engine == "numpy":
        return NumpyEngine
    from featlearn.kernels.backend import require_keras

    require_keras(f"{who}: engine='keras'")
    from featlearn.training.keras_steps import KerasEngine

    return KerasEngine


def _minimize_lbfgs(run, X, params, solver, rng, max_iter, weight_decay, on_epoch, who):
    names = list(params)
    seed = [int(s) for s in rng.randint(2**31 - 1, size=2)]

    def unflat(flat):
        ends = np.cumsum([0, *(params[k].size for k in names)])
        return {
            k: flat[low:high].reshape(params[k].shape) for k, low, high in zip(names, ends[:-1], ends[1:], strict=True)
        }

    def value_and_gradient(flat):
        now = unflat(flat)
        loss, grads = run.value_and_gradient(now, X, seed)
        for k in names:
            if weight_decay and now[k].ndim > 1:
                grads[k] = grads[k] + weight_decay * now[k]
        return loss + penalty(now, weight_decay), np.concatenate([grads[k].ravel() for k in names])

    def after(loss, flat):
        return on_epoch is not None and on_epoch({"loss": loss}, lambda: unflat(flat))

    start = np.concatenate([params[k].ravel() for k in names])
    with np.errstate(over="ignore", invalid="ignore"):
        end = lbfgs(
            value_and_gradient,
            start,
            max_iter=max_iter,
            tol=solver.tol,
            memory=solver.memory,
            on_iteration=after,
            who=who,
        )
    memory = Memory(end.n_iter, end.n_iter)
    return Trained(unflat(end.x), list(end.loss_curve), [], end.n_iter, memory, end.ended != "max_iter")
