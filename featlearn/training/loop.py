"""The one gradient loop.

A learner states an objective (training/objective.py): ``init`` (first parameters), ``loss(params, batch, seed)`` in
`keras.ops`, and, where a gradient derived by hand is faster, ``gradient``. `minimize` does the rest: batches of rows,
their targets and weights, update rules, schedules, weight decay, clipping, early stopping, or SciPy's L-BFGS.

Two engines run the same batches with the same rules (training/optimizers.py):

    numpy   the hand-derived gradient on the CPU, the hidden units cut into shards (training/shards.py)
    keras   the automatic gradient on TensorFlow, JAX or torch, many steps in one call (training/keras_steps.py)

Parameters are dicts of NumPy arrays; the first axis of those named in ``objective.hidden`` runs over units.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from math import prod
from typing import Any

import numpy as np

from featlearn.arrays import as_float, blocks, cache_rows
from featlearn.notices import interruptible
from featlearn.streaming import dense
from featlearn.threads import one_blas_thread
from featlearn.training.lbfgs import lbfgs
from featlearn.training.objective import (
    Batch,
    Engine,
    Memory,
    Objective,
    Params,
    State,
    StatefulObjective,
    Trained,
    params_dtype,
    step_factors,
)
from featlearn.training.optimizers import RULES
from featlearn.training.shards import NumpyEngine
from featlearn.training.solvers import LBFGS, GradientDescent
from featlearn.validation import check_argument, integer, optional

CHUNK_BYTES = 16 << 20
EVALUATED_ROWS = 1_000
DIVERGED = 1e30  # a loss beyond this is on its way to infinity, in float64 too


def minimize(
    objective: Objective | StatefulObjective,
    X: Any,
    params: Params,
    solver: GradientDescent | LBFGS,
    *,
    y: Any = None,
    sample_weight: Any = None,
    rng: np.random.RandomState,
    max_iter: int = 100,
    horizon: int | None = None,
    batch_size: int | None = 100,
    shuffle: bool = True,
    weight_decay: float = 0.0,
    tol: float = 0.0,
    n_iter_no_change: int = 10,
    validation: Any = None,
    memory: Memory | None = None,
    engine: str = "auto",
    prepare: Callable[[np.ndarray], np.ndarray] | None = None,
    augment: Callable[[np.ndarray, np.random.Generator], np.ndarray] | None = None,
    on_epoch: Callable[[dict[str, float], Callable[[], tuple[Params, State]]], bool] | None = None,
    who: str = "minimize",
) -> Trained:
    """Minimize the mean loss over the rows of X, a weighted mean where rows have weights.

    Parameters
    ----------
    objective : Objective or StatefulObjective
        What is minimized.
    X : array (n, ...), memmap or CSR matrix
        The samples, made dense batch by batch; small integers become float32 batch by batch.
    params : dict of arrays
        Where to start; they are copied.
    solver : GradientDescent or LBFGS
        How to step, see `make_solver`.
    y : array (n,) or (n, k), or None, default=None
        Targets: floats, which take the dtype of the parameters, or whole numbers, which stay as they are.
    sample_weight : array (n,) or None, default=None
        Weights w of the rows, at least 0: the loss of an epoch is ``sum_i w_i l_i / sum_i w_i``. They reach the
        objective divided by their mean over all rows, see `Batch`; so a step on all rows is the one that whole weights
        give as repeated rows, and steps on some of them are so on average.
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
    validation : array (m, ...), tuple or None, default=None
        Samples held out, ``X``, ``(X, y)`` or ``(X, y, sample_weight)``: their (weighted) mean loss decides when to
        stop, and the best parameters are kept, with the state they were judged with. Not with L-BFGS.
    memory : Memory or None, default=None
        Of an earlier training, to go on from it.
    engine : {"auto", "numpy", "keras"}, default="auto"
        "numpy" takes the hand-derived gradient on the CPU, "keras" the automatic one on Keras' device; "auto" the
        second where there is a GPU, or no hand-derived gradient.
    prepare : callable or None, default=None
        What raw rows (m, d), as floats of the parameters' dtype, pass batch by batch before the objective sees them:
        it gives new rows, each from its own (`featlearn.training.standardizer.Standardizer`, say). Rows held out and
        those of L-BFGS pass it too.
    augment : callable or None, default=None
        ``augment(x, rng) -> x`` changes every batch that is learned from, at random (shifts, flips, noise), and never
        rows held out. It sees rows x (m, ...) in their own units, as floats of the parameters' dtype, before
        ``prepare``, which then treats changed rows and others alike; x is its own, to write into. It gives as many
        rows, of any other shape that ``prepare`` and the objective take, and leaves targets as they are. ``rng``
        depends on the seed and the number of the step alone: neither chunks nor threads nor engines change what is
        drawn. Not with L-BFGS.
    on_epoch : callable or None, default=None
        ``on_epoch(metrics, now)`` after each epoch, with ``now()`` giving copies of the parameters and of the state;
        True stops.
    who : str, default="minimize"
        Named in errors.

    Returns
    -------
    trained : Trained

    Raises
    ------
    ValueError
        If the loss or a parameter is not finite; the message names the epoch and the learning rate. For targets or
        weights that do not fit the rows, for another number of rows or values that are not finite from ``augment``,
        and for L-BFGS on an objective with a state, with rows held out, or with ``augment``.

    Warns
    -----
    ConvergenceWarning
        If an interrupt (Ctrl-C) ended it: everything returned is then that of the last whole epoch (parameters and
        state the best on the samples held out, if there are any). Before the end of the first epoch the interrupt goes
        through.

    Examples
    --------
    The mean of the samples, as the minimum of the mean squared distance:

    >>> import numpy as np
    >>> from featlearn.training import GradientDescent, minimize
    >>> class Mean:
    ...     hidden = ()
    ...     def gradient(self, params, batch, draws, grads):
    ...         grads["m"][:] = params["m"] - batch.x.mean(axis=0)
    ...         return 0.5 * float(((batch.x - params["m"]) ** 2).sum(axis=1).mean())
    >>> X, rng = np.array([[0.0, 1.0], [2.0, 5.0]]), np.random.RandomState(0)
    >>> solver = GradientDescent("sgd", learning_rate=0.5)
    >>> minimize(Mean(), X, {"m": np.zeros(2)}, solver, rng=rng, batch_size=None).params["m"].round(6)
    array([1., 3.])
    """
    params = {name: np.array(value, order="C") for name, value in params.items()}
    # NumPy's narrow integers would overflow in sums with them.
    max_iter, batch_size = int(max_iter), None if batch_size is None else int(batch_size)
    weight_decay = float(weight_decay)  # a NumPy float64 would turn float32 gradients into float64
    check_argument(who, "max_iter", max_iter, integer(1))
    check_argument(who, "batch_size", batch_size, optional(integer(1)))
    data, held = _checked(who, X, y, sample_weight), None
    if validation is not None:
        held = _checked(f"{who}: validation", *(validation if isinstance(validation, tuple) else (validation,)))
    run = _engine(objective, engine, weight_decay, who)
    factors = step_factors(objective, params)
    ready = partial(_ready, dtype=params_dtype(params), prepare=prepare)
    init_state = getattr(objective, "init_state", None)
    if isinstance(solver, LBFGS):
        if init_state is not None:
            raise ValueError(
                f"{who}: L-BFGS needs a loss that depends on the parameters alone, and this one has a state that moves "
                "with every step. Pass a rule of gradient descent as solver."
            )
        if held is not None:
            raise ValueError(
                f"{who}: validation judges epochs of gradient descent, which L-BFGS does not make. Pass "
                "validation=None, or a rule of gradient descent as solver."
            )
        if augment is not None:
            raise ValueError(
                f"{who}: augment changes the rows in every step, and L-BFGS needs a loss that depends on the "
                "parameters alone. Pass augment=None, or a rule of gradient descent as solver."
            )
        return _minimize_lbfgs(run, ready(data), params, solver, rng, max_iter, weight_decay, on_epoch, who)
    memory = Memory() if memory is None else memory
    slots, same_rule = RULES[solver.rule][1], memory.rule == solver.rule
    arrays = {name: _slots(memory.arrays.get(name, []) if same_rule else [], p, slots) for name, p in params.items()}
    rule_start = memory.rule_start if same_rule else memory.step
    state = {} if init_state is None else memory.state
    memory = Memory(memory.step, memory.epoch, arrays, solver.rule, rule_start, state)
    start_epoch, start_step = memory.epoch, memory.step
    last = start_epoch + max_iter
    horizon = last if horizon is None else horizon
    n = X.shape[0]
    size = n if batch_size is None else min(batch_size, n)
    watcher = _Patience(tol, n_iter_no_change, always=held is not None)
    # The steps made so far enter, or every partial_fit with one random_state would draw the same numbers and orders.
    seed = [*(int(s) for s in rng.randint(2**31 - 1, size=2)), memory.step]
    rng = np.random.RandomState(seed) if memory.step else rng
    data, train_ready = _ready_if_small(data, ready if augment is None else partial(ready, prepare=None))
    if held is not None:
        held, held_ready = _ready_if_small(held, ready)
        judged = objective.for_evaluation() if hasattr(objective, "for_evaluation") else objective
        judge = run if judged is objective else _engine(judged, engine, weight_decay, who)
    curve: list[float] = []
    held_out: list[float] = []
    patient = tol > 0 and held is None  # whether something else than max_iter was to end it
    whole: tuple[Params | None, Memory, int] = None, memory, 0  # what is left if the next epoch is interrupted
    with (
        interruptible(who, lambda: whole[-1]),
        one_blas_thread(),
        np.errstate(over="ignore", invalid="ignore", divide="ignore"),
    ):
        for epoch in range(start_epoch, last):
            order = rng.permutation(n) if shuffle and size < n else None
            total = 0.0
            for batches in _walk(data, order, size, train_ready):
                if augment is not None:
                    changed = partial(_augmented, augment=augment, prepare=prepare, seed=seed, who=who)
                    batches = [changed(batch, step=s) for s, batch in enumerate(batches, memory.step)]
                if memory.step == start_step:
                    if init_state is not None and not memory.state:
                        memory.state = init_state(params, batches[0])
                    run.begin(params, memory, size, seed)
                first = memory.step + 1 - memory.rule_start
                steps = range(first, first + len(batches))
                c = np.array([solver.constants(s, epoch, horizon) for s in steps], params_dtype(params))
                total += run.steps(batches, solver, c)
                memory.step += len(batches)
            params = run.params()
            loss = total / n + penalty(params, weight_decay, factors)
            if not (abs(loss) < DIVERGED and all(np.isfinite(p).all() for p in params.values())):
                rate = solver.rate_at(epoch, horizon)
                raise ValueError(
                    f"{who}: training diverged in epoch {epoch + 1}: the loss is {loss:.3g} or a weight is not finite, "
                    f"at learning rate {rate:.3g}. Lower learning_rate (try {rate / 10:.3g}), pass a "
                    "GradientDescent with clip_norm as solver, or scale the data."
                )
            memory.epoch = epoch + 1
            now = run.memory()
            curve.append(loss)
            metrics = {"loss": loss}
            if held is not None:
                judgment = _evaluated(judge, params, held, seed, now.state, held_ready)
                held_out.append(judgment + penalty(params, weight_decay, factors))
                metrics["validation_loss"] = held_out[-1]
            stop = watcher.see(metrics.get("validation_loss", loss), None if held is None else (params, now.state))
            best, state = watcher.kept or (_copied(params), now.state)
            whole = best, replace(now, state=state), len(curve)
            if on_epoch is not None and on_epoch(metrics, partial(_copies, params, now.state)):
                stop = True
            if stop:
                patient = False
                break
    kept, memory, epochs = whole
    assert kept is not None
    return Trained(
        kept, curve[:epochs], held_out[:epochs], epochs, memory, converged=not (patient and epochs == max_iter)
    )


def _checked(who: str, X: Any, y: Any = None, sample_weight: Any = None) -> Batch:
    """Rows with their targets and weights, the weights divided by their mean."""
    y = None if y is None else np.asarray(y)
    w = None if sample_weight is None else np.asarray(sample_weight, np.float64)
    for name, value in (("y", y), ("sample_weight", w)):
        if value is not None and (value.ndim == 0 or len(value) != X.shape[0]):
            raise ValueError(f"{who}: {name} has shape {value.shape} and X {X.shape[0]} rows; pass a value for each.")
    if y is not None and y.dtype.kind not in "biuf":
        raise ValueError(
            f"{who}: y holds {y.dtype}, and targets are numbers. Take the indices of labels, with np.unique(y, "
            "return_inverse=True) say."
        )
    if X.shape[0] == 0:
        raise ValueError(f"{who}: there are no rows.")
    if y is not None and not np.isfinite(y).all():
        raise ValueError(
            f"{who}: y holds NaN or infinity in {int((~np.isfinite(y)).sum())} places. Leave those rows out."
        )
    if w is None:
        return Batch(X, y)
    if w.ndim != 1 or not (np.isfinite(w).all() and w.min() >= 0 and w.max() > 0):
        raise ValueError(f"{who}: sample_weight has to be finite numbers (n,) of at least 0, and not all of them 0.")
    w = w / w.max()  # so that no sum overflows
    return Batch(X, y, w / w.mean())


def _ready(batch: Batch, dtype: Any, prepare: Callable[[np.ndarray], np.ndarray] | None) -> Batch:
    """A batch as the objective sees it."""
    x, y, w = batch
    x = as_float(dense(x)).astype(dtype, copy=False)
    y = y if y is None or y.dtype.kind != "f" else y.astype(dtype, copy=False)
    return Batch(x if prepare is None else prepare(x), y, None if w is None else w.astype(dtype, copy=False))


def _augmented(
    batch: Batch, augment: Callable, prepare: Callable | None, seed: list[int], step: int, who: str
) -> Batch:
    """A batch of floats, changed at random and prepared."""
    # A spawn key, so that no shard nor rows held out draw the same.
    rng = np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(step,))))
    x = np.asarray(augment(batch.x.copy(), rng))  # a copy, since it may be a view of the caller's rows
    if x.ndim == 0 or len(x) != len(batch.x):
        raise ValueError(
            f"{who}: augment gave shape {x.shape} for a batch of shape {batch.x.shape}; it has to give as many rows."
        )
    x = x.astype(batch.x.dtype, copy=False)
    if not np.isfinite(x).all():
        raise ValueError(f"{who}: augment gave NaN or infinity in {int((~np.isfinite(x)).sum())} places of a batch.")
    return batch._replace(x=x if prepare is None else prepare(x))


def _ready_if_small(data: Batch, ready: Callable) -> tuple[Batch, Callable]:
    """Rows that fit a chunk made ready once and for all, others with what their batches have to pass.

    Rows that are drawn when they are taken say so by an attribute ``drawn``; they stay as they are.
    """
    small = 4 * prod(data.x.shape) <= CHUNK_BYTES and not getattr(data.x, "drawn", False)
    return (ready(data), lambda batch: batch) if small else (data, ready)


def _walk(data: Batch, order: np.ndarray | None, size: int, ready: Callable) -> Iterator[list[Batch]]:
    """The batches of an epoch, as many at a time as fit a chunk."""
    n, *shape = data.x.shape
    for part in blocks(n, max(1, cache_rows(4 * prod(shape), CHUNK_BYTES, 1) // size) * size):
        chunk = data.rows(part if order is None else order[part])
        yield [ready(chunk.rows(b)) for b in blocks(chunk.x.shape[0], size)]


def _evaluated(run: Engine, params: Params, held: Batch, seed: list[int], state: State, ready: Callable) -> float:
    """The mean loss of rows that are not learned from, made ready block by block."""
    total, n = 0.0, held.x.shape[0]
    for part in blocks(n, EVALUATED_ROWS):
        batch = ready(held.rows(part))
        total += len(batch.x) * run.value_and_gradient(params, batch, [*seed, part.start], state)[0]
    return total / n


def _slots(remembered: list[np.ndarray], p: np.ndarray, slots: int) -> list[np.ndarray]:
    """Copies of what a rule remembers of a parameter; zeros for another rule or another shape."""
    if len(remembered) == slots and all(a.shape == p.shape for a in remembered):
        return [np.array(a, p.dtype) for a in remembered]
    return [np.zeros_like(p) for _ in range(slots)]


def _copied(arrays: Params) -> Params:
    return {name: np.array(value) for name, value in arrays.items()}


def _copies(params: Params, state: State) -> tuple[Params, State]:
    return _copied(params), _copied(state)


def penalty(params: Params, weight_decay: float, factors: dict[str, tuple[float, float]]) -> float:
    """weight_decay / 2 * |W|^2 over parameters, each times its share of the decay (0 for biases)."""
    if not weight_decay:
        return 0.0
    return 0.5 * weight_decay * sum(factors[k][1] * float(np.vdot(p, p)) for k, p in params.items() if factors[k][1])


class _Patience:
    """Counts epochs without improvement; keeps the parameters and the state of the best where it is given any."""

    def __init__(self, tol, patience, always):
        self.tol, self.patience, self.active = tol, patience, always or tol > 0
        self.best, self.waited, self.kept = np.inf, 0, None

    def see(self, loss, now):
        """Judge an epoch; True asks to stop."""
        improved = loss < self.best - self.tol * abs(self.best) if np.isfinite(self.best) else True
        if now is not None and loss < self.best:
            self.kept = _copies(*now)
        self.best = min(self.best, loss)
        self.waited = 0 if improved else self.waited + 1
        return self.active and self.waited >= self.patience


def _engine(objective: Any, engine: str, weight_decay: float, who: str) -> Engine:
    by_hand = getattr(objective, "gradient", None) is not None
    if engine == "numpy" and not by_hand:
        raise ValueError(f"{who}: engine='numpy' needs a gradient derived by hand, which this objective lacks.")
    if engine == "auto" and by_hand:
        from featlearn.kernels.backend import gpu_may_exist, gpu_visible

        engine = "keras" if gpu_may_exist() and hasattr(objective, "loss") and gpu_visible() else "numpy"
    if engine == "numpy":
        return NumpyEngine(objective, weight_decay)
    from featlearn.kernels.backend import require_keras

    require_keras(f"{who}: engine='keras'")
    from featlearn.training.keras_steps import KerasEngine

    return KerasEngine(objective, weight_decay)


def _minimize_lbfgs(
    run: Engine, data: Batch, params: Params, solver: LBFGS, rng, max_iter, weight_decay, on_epoch, who
) -> Trained:
    names, factors = list(params), step_factors(run.objective, params)
    ends = np.cumsum([0, *(params[k].size for k in names)])
    seed = [int(s) for s in rng.randint(2**31 - 1, size=2)]

    def unflat(flat):
        parts = zip(names, ends[:-1], ends[1:], strict=True)
        return {k: flat[low:high].reshape(params[k].shape) for k, low, high in parts}

    def value_and_gradient(flat):
        now = unflat(flat)
        loss, grads = run.value_and_gradient(now, data, seed, {})
        for k in names:
            if weight_decay and factors[k][1]:
                grads[k] = grads[k] + factors[k][1] * weight_decay * now[k]
        return loss + penalty(now, weight_decay, factors), np.concatenate([grads[k].ravel() for k in names])

    def after(loss, flat):
        return on_epoch is not None and on_epoch({"loss": loss}, lambda: (unflat(flat), {}))

    with np.errstate(over="ignore", invalid="ignore"):
        end = lbfgs(
            value_and_gradient,
            np.concatenate([params[k].ravel() for k in names]),
            max_iter=max_iter,
            tol=solver.tol,
            memory=solver.memory,
            on_iteration=after,
            who=who,
        )
    memory = Memory(end.n_iter, end.n_iter)
    return Trained(unflat(end.x), list(end.loss_curve), [], end.n_iter, memory, end.ended != "max_iter")
