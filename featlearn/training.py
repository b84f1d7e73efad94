"""The one gradient loop.

A learner states an objective: ``init`` (first parameters), ``loss(params, x, seed)`` in `keras.ops`, and, where a
gradient derived by hand is faster, ``gradient``. `minimize` does the rest: batches, update rules, schedules, weight
decay, clipping, early stopping, or SciPy's L-BFGS.

Two engines run the same batches with the same rules (kernels/optimizers.py):

    numpy   the hand-derived gradient on the CPU. The hidden units are cut into shards, a thread each: a shard holds
            its rows of every weight matrix, computes with them alone, and meets the others only to add up what all of
            them contribute to (a reconstruction, say). Weights, gradients and updates never leave the core's cache.
    keras   the automatic gradient, many steps in one compiled function, on TensorFlow, JAX or torch. No Keras model
            is made, and compiled functions are kept by objective, so fits do not pile up memory.

Parameters are dicts of NumPy arrays; the first axis of those named in ``objective.hidden`` runs over units.
"""

import inspect
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, Protocol

import numpy as np
from sklearn.base import BaseEstimator

from featlearn.kernels.lbfgs import lbfgs
from featlearn.kernels.optimizers import RULES, tensor_rule, update
from featlearn.threads import as_float, blocks, cache_rows, n_threads, one_blas_thread
from featlearn.validation import boolean, either, has, instance, integer, one_of, optional, real

Params = dict[str, np.ndarray]

LEARNING_RATES = {
    "sgd": 0.1,
    "momentum": 0.1,
    "nesterov": 0.1,
    "adagrad": 0.01,
    "rmsprop": 0.001,
    "adadelta": 1.0,
    "adam": 0.001,
}
SCHEDULES = ("constant", "inverse", "exponential", "linear", "cosine")
CHUNK_BYTES = 16 << 20
SHARD_UNITS = 128  # fewer units in a shard starve its matrix products
SHARD_WORK = 3e7  # multiplications of a step below which meeting costs more than sharing saves
EVALUATED_ROWS = 1_000
KERAS_STEPS = 32
DIVERGED = 1e30  # a loss beyond this is on its way to infinity, in float64 too
UNEQUAL = "The gradient yields a different number of arrays on different shards."


@dataclass(frozen=True)
class Draws:
    """Random numbers of a shard: ``common`` gives every shard the same, ``own`` each its own.

    ``first`` is True for one shard: the one that counts what all shards know, so that the sum counts it once.
    """

    common: np.random.Generator
    own: np.random.Generator
    first: bool


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


class GradientDescent(BaseEstimator):
    """A rule of stochastic gradient descent with its constants.

    Parameters
    ----------
    rule : {"sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adadelta", "adam"}, default="adam"
        The update rule, see `featlearn.kernels.optimizers`.
    learning_rate : float or None, default=None
        Step size; None takes the rule's usual one (0.1 for sgd, momentum and nesterov, 0.01 for adagrad, 0.001 for
        rmsprop and adam, 1 for adadelta).
    momentum : float or (float, float, int), default=0.9
        Of momentum and nesterov; ``(0.5, 0.9, 5)`` switches from 0.5 to 0.9 after 5 epochs.
    decay_rate : float, default=0.9
        How slowly rmsprop and adadelta forget squared gradients (0.95 is usual for adadelta).
    beta1, beta2 : float, default=0.9, 0.999
        How slowly adam forgets gradients and their squares.
    eps : float, default=1e-8
        Keeps divisions finite in adagrad, rmsprop, adadelta and adam.
    schedule : {"constant", "inverse", "exponential", "linear", "cosine"} or callable, default="constant"
        The learning rate over the epochs t = 0, 1, ...: times 1 / (1 + decay t), exp(-decay t), falling to 0 at
        ``max_iter`` in a line or half a cosine, or times ``schedule(t)``.
    decay : float, default=0.01
        The decay of "inverse" and "exponential", per epoch.
    clip_norm : float or None, default=None
        Longest gradient, all parameters together; a longer one is scaled down to it.

    Examples
    --------
    >>> from featlearn.training import GradientDescent
    >>> hinton = GradientDescent("momentum", learning_rate=0.1, momentum=(0.5, 0.9, 5))
    >>> [hinton.momentum_at(epoch) for epoch in (0, 4, 5)]
    [0.5, 0.5, 0.9]
    """

    def __init__(
        self,
        rule: str = "adam",
        learning_rate: float | None = None,
        momentum: float | tuple[float, float, int] = 0.9,
        decay_rate: float = 0.9,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        schedule="constant",
        decay: float = 0.01,
        clip_norm: float | None = None,
    ):
        self.rule = rule
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.decay_rate = decay_rate
        self.beta1 = beta1
        self.beta2 = beta2
        self.eps = eps
        self.schedule = schedule
        self.decay = decay
        self.clip_norm = clip_norm

    def check(self, who: str) -> None:
        """Refuse constants out of range; the ValueError names the learner ``who``."""
        share = real(0, 1)
        rules = {
            "rule": one_of(*RULES),
            "learning_rate": optional(real(above=0)),
            "momentum": either(share, _momentum_rule),
            "decay_rate": share,
            "beta1": real(0, 0.999999),
            "beta2": real(0, 0.9999999),
            "eps": real(above=0),
            "schedule": either(one_of(*SCHEDULES), has("__call__")),
            "decay": real(0),
            "clip_norm": optional(real(above=0)),
        }
        for name, rule in rules.items():
            expected = rule(getattr(self, name))
            if expected is not None:
                raise ValueError(f"{who}: solver has {name}={getattr(self, name)!r}; pass {expected}.")

    def momentum_at(self, epoch: int) -> float:
        """The momentum of an epoch, counted from 0."""
        if isinstance(self.momentum, (tuple, list)):
            first, later, switch = self.momentum
            return first if epoch < switch else later
        return self.momentum

    def rate_at(self, epoch: int, max_iter: int) -> float:
        """The learning rate of an epoch, counted from 0."""
        rate = LEARNING_RATES[self.rule] if self.learning_rate is None else self.learning_rate
        if callable(self.schedule):
            return rate * float(self.schedule(epoch))
        share = min(epoch / max_iter, 1.0)
        factor = {
            "constant": 1.0,
            "inverse": 1 / (1 + self.decay * epoch),
            "exponential": np.exp(-self.decay * epoch),
            "linear": 1 - share,
            "cosine": 0.5 * (1 + np.cos(np.pi * share)),
        }
        return rate * float(factor[self.schedule])

    def constants(self, step: int, epoch: int, max_iter: int) -> list[float]:
        """The constants c of the rule at a step, counted from 1."""
        r, q = self.rate_at(epoch, max_iter), self.decay_rate
        if self.rule == "adam":
            one, two = 1 - self.beta1**step, 1 - self.beta2**step
            return [r / one, self.beta1, 1 - self.beta1, self.beta2, 1 - self.beta2, 1 / two, self.eps]
        if self.rule in ("momentum", "nesterov"):
            return [r, self.momentum_at(epoch)]
        if self.rule in ("rmsprop", "adadelta"):
            return [r, q, 1 - q, self.eps]
        return [r, self.eps]


class LBFGS(BaseEstimator):
    """SciPy's L-BFGS on all samples at once.

    Parameters
    ----------
    memory : int, default=10
        Steps remembered.
    tol : float, default=1e-5
        Stop when no component of the gradient is larger.
    """

    def __init__(self, memory: int = 10, tol: float = 1e-5):
        self.memory = memory
        self.tol = tol

    def check(self, who: str) -> None:
        """Refuse settings out of range."""
        for name, rule in {"memory": integer(1), "tol": real(0)}.items():
            expected = rule(getattr(self, name))
            if expected is not None:
                raise ValueError(f"{who}: solver has {name}={getattr(self, name)!r}; pass {expected}.")


def _momentum_rule(value):
    good = isinstance(value, (tuple, list)) and len(value) == 3
    good = good and all(real(0, 1)(v) is None for v in value[:2]) and integer(0)(value[2]) is None
    return None if good else "(first, later, switch epoch), say (0.5, 0.9, 5)"


def make_solver(solver: Any, learning_rate: float | None, who: str) -> "GradientDescent | LBFGS":
    """The solver that a learner's parameters ask for: a name or an object, and a learning rate or None."""
    names = [*RULES, "lbfgs"]
    if isinstance(solver, str):
        if solver not in names:
            raise ValueError(
                f"{who}: solver={solver!r} is not known; pass one of {', '.join(map(repr, names))}, or a "
                "GradientDescent or LBFGS object of featlearn.training."
            )
        made = LBFGS() if solver == "lbfgs" else GradientDescent(solver, learning_rate)
    elif isinstance(solver, GradientDescent):
        made = GradientDescent(**solver.get_params(deep=False))
        if learning_rate is not None:
            made.learning_rate = learning_rate
    elif isinstance(solver, LBFGS):
        made = solver
    else:
        raise ValueError(
            f"{who}: solver={solver!r} is not valid; pass a name ({', '.join(names)}) or a GradientDescent or LBFGS "
            "object of featlearn.training."
        )
    made.check(who)
    return made


@dataclass
class Memory:
    """What an unfinished training remembers: steps and epochs made, and the rule's arrays beside each parameter."""

    step: int = 0
    epoch: int = 0
    arrays: dict[str, list[np.ndarray]] = field(default_factory=dict)


@dataclass(frozen=True)
class Trained:
    """What a training gave: the parameters, the loss of each epoch, and what it needs to go on."""

    params: Params
    loss_curve: list[float]
    validation_curve: list[float]
    n_iter: int
    memory: Memory


def minimize(
    objective: Objective,
    X: np.ndarray,
    params: Params,
    solver: "GradientDescent | LBFGS",
    *,
    rng: np.random.RandomState,
    max_iter: int = 100,
    batch_size: int | None = 100,
    shuffle: bool = True,
    weight_decay: float = 0.0,
    tol: float = 0.0,
    n_iter_no_change: int = 10,
    validation: np.ndarray | None = None,
    memory: Memory | None = None,
    engine: str = "auto",
    on_epoch: Callable[[dict[str, float], Callable[[], Params]], bool] | None = None,
    who: str = "minimize",
) -> Trained:
    """Minimize the mean loss over the rows of X.

    Parameters
    ----------
    objective : Objective
        What is minimized.
    X : array (n, d) or memmap
        The samples; small integers become float32 batch by batch.
    params : dict of arrays
        Where to start; they are copied.
    solver : GradientDescent or LBFGS
        How to step, see `make_solver`.
    rng : RandomState
        Decides the order of samples and everything that the objective draws.
    max_iter : int, default=100
        Most epochs, or iterations of L-BFGS.
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
    run = _engine(objective, engine, who)(objective, weight_decay)
    if isinstance(solver, LBFGS):
        return _minimize_lbfgs(run, X, params, solver, rng, max_iter, weight_decay, on_epoch, who)
    memory = Memory() if memory is None else memory
    slots = RULES[solver.rule][1]
    arrays = {name: _slots(memory.arrays.get(name, []), p, slots) for name, p in params.items()}
    memory = Memory(memory.step, memory.epoch, arrays)
    start_epoch = memory.epoch
    last = start_epoch + max_iter
    n = X.shape[0]
    size = n if batch_size is None else min(batch_size, n)
    watcher = _Patience(tol, n_iter_no_change, always=validation is not None)
    # The steps made so far enter, or every partial_fit with one random_state would draw the same numbers.
    seed = [*(int(s) for s in rng.randint(2**31 - 1, size=2)), memory.step]
    curve: list[float] = []
    held_out: list[float] = []
    with one_blas_thread(), np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        run.begin(params, memory, size, X.shape[1], seed)
        for epoch in range(start_epoch, last):
            order = rng.permutation(n) if shuffle and size < n else None
            total = 0.0
            for part in blocks(n, max(1, cache_rows(4 * X.shape[1], CHUNK_BYTES, 1) // size) * size):
                rows = as_float(X[part] if order is None else X[order[part]]).astype(params_dtype(params), copy=False)
                batches = [rows[b] for b in blocks(len(rows), size)]
                steps = range(memory.step + 1, memory.step + 1 + len(batches))
                c = np.array([solver.constants(s, epoch, last) for s in steps], params_dtype(params))
                total += run.steps(batches, solver, c)
                memory.step += len(batches)
            params = run.params()
            loss = total / n + penalty(params, weight_decay)
            if not (abs(loss) < DIVERGED and all(np.isfinite(p).all() for p in params.values())):
                rate = solver.rate_at(epoch, last)
                raise ValueError(
                    f"{who}: training diverged in epoch {epoch + 1}: the loss is {loss:.3g} or a weight is not finite, "
                    f"at learning rate {rate:.3g}. Lower learning_rate (try {rate / 10:.3g}), set clip_norm, or scale "
                    "the data."
                )
            memory.epoch = epoch + 1
            curve.append(loss)
            metrics = {"loss": loss}
            if validation is not None:
                held_out.append(run.evaluate(params, validation, seed) + penalty(params, weight_decay))
                metrics["validation_loss"] = held_out[-1]
            stop = watcher.see(metrics.get("validation_loss", loss), params if validation is not None else None)
            if on_epoch is not None and on_epoch(metrics, partial(_copied, params)):
                stop = True
            if stop:
                break
    if watcher.best_params is not None:
        params = watcher.best_params
    return Trained(_copied(params), curve, held_out, len(curve), run.memory())


def _slots(remembered: list[np.ndarray], p: np.ndarray, slots: int) -> list[np.ndarray]:
    """Copies of what a rule remembers of a parameter; zeros if another rule or another shape made it."""
    if len(remembered) == slots and all(a.shape == p.shape for a in remembered):
        return [np.array(a, p.dtype) for a in remembered]
    return [np.zeros_like(p) for _ in range(slots)]


def _copied(params: Params) -> Params:
    return {name: np.array(value) for name, value in params.items()}


def params_dtype(params: Params) -> np.dtype:
    """The dtype that all parameters share."""
    return next(iter(params.values())).dtype


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
            return _NumpyEngine
        from featlearn.kernels.backend import gpu_visible

        engine = "keras" if gpu_visible() else "numpy"
    if engine == "numpy":
        return _NumpyEngine
    from featlearn.kernels.backend import require_keras

    require_keras(f"{who}: engine='keras'")
    return _KerasEngine


def _minimize_lbfgs(run, X, params, solver, rng, max_iter, weight_decay, on_epoch, who):
    names = list(params)
    dtype = params_dtype(params)
    X = as_float(np.asarray(X)).astype(dtype, copy=False)
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
    return Trained(unflat(end.x), list(end.loss_curve), [], end.n_iter, Memory(end.n_iter, end.n_iter))


def n_shards(params: Params, hidden: tuple[str, ...], batch: int) -> int:
    """Into how many parts the hidden units are cut: a power of two up to 8, decided by shapes alone."""
    units = [params[name].shape[0] for name in hidden]
    work = 6.0 * batch * sum(p.size for p in params.values())
    if not units or work < SHARD_WORK:
        return 1
    most = min(max(units) // SHARD_UNITS, min(units), 8)
    return 1 << max(0, most.bit_length() - 1)


def share(n: int, parts: int, index: int) -> slice:
    """The units of shard ``index`` of ``parts``."""
    return slice(n * index // parts, n * (index + 1) // parts)


class _Shard:
    """A thread's part: views of its rows of the hidden parameters, copies of the others, and scratch gradients."""

    def __init__(self, params, arrays, hidden, index, parts, seed):
        def part(name, value):
            if name in hidden:
                return value[share(value.shape[0], parts, index)]
            return value if index == 0 else value.copy()

        self.params = {name: part(name, value) for name, value in params.items()}
        self.arrays = {name: [part(name, a) for a in memory] for name, memory in arrays.items()}
        self.grads = {name: np.empty_like(value) for name, value in self.params.items()}
        self.hidden, self.index = hidden, index
        generator = np.random.Generator
        own = np.random.SeedSequence([*seed, index])
        self.draws = Draws(
            generator(np.random.SFC64(np.random.SeedSequence(seed))), generator(np.random.SFC64(own)), index == 0
        )


def _gradient(objective, shard, x):
    """The objective's gradient as a generator, whichever way it was written."""
    result = objective.gradient(shard.params, x, shard.draws, shard.grads)
    if inspect.isgenerator(result):
        return (yield from result)
    return result


class _NumpyEngine:
    """Steps by the hand-derived gradient, the shards side by side."""

    def __init__(self, objective, weight_decay):
        self.objective, self.decay = objective, weight_decay

    def begin(self, params, memory, batch, n_features, seed):
        hidden = tuple(self.objective.hidden)
        sharded = inspect.isgeneratorfunction(self.objective.gradient)
        parts = n_shards(params, hidden, batch) if sharded else 1
        self._params, self._memory = params, memory
        self.shards = [_Shard(params, memory.arrays, hidden, i, parts, seed) for i in range(parts)]

    def params(self):
        return self._params

    def memory(self):
        return self._memory

    def steps(self, batches, solver, constants):
        """Make a step on each batch; the sum of the losses over all rows."""
        losses = np.zeros(len(self.shards))
        programs = [self._program(shard, batches, solver, constants, losses) for shard in self.shards]
        run_together(programs, n_threads())
        return float(losses.sum())

    def _program(self, shard, batches, solver, constants, losses):
        after_step = getattr(self.objective, "after_step", None)
        for x, c in zip(batches, constants, strict=True):
            losses[shard.index] += len(x) * (yield from _gradient(self.objective, shard, x))
            scale = 1.0
            if solver.clip_norm is not None:
                square = sum(
                    float(np.vdot(g, g)) for k, g in shard.grads.items() if k in shard.hidden or shard.draws.first
                )
                norm = float(np.sqrt((yield np.array([square]))[0]))
                scale = min(1.0, solver.clip_norm / norm) if norm > 0 else 1.0
            for name, p in shard.params.items():
                decay = self.decay if p.ndim > 1 else 0.0
                update(solver.rule, p, shard.grads[name], shard.arrays[name], c, scale, decay)
            if after_step is not None:
                after_step(shard.params)

    def value_and_gradient(self, params, X, seed):
        """The loss on all rows and its gradient; the same draws for the same seed."""
        parts = n_shards(params, tuple(self.objective.hidden), len(X))
        if not inspect.isgeneratorfunction(self.objective.gradient):
            parts = 1
        shards = [_Shard(params, {}, tuple(self.objective.hidden), i, parts, seed) for i in range(parts)]
        losses = np.zeros(parts)

        def program(shard):
            losses[shard.index] = yield from _gradient(self.objective, shard, X)

        with one_blas_thread():
            run_together([program(shard) for shard in shards], n_threads())
        grads = {
            k: np.concatenate([s.grads[k] for s in shards]) if k in self.objective.hidden else shards[0].grads[k]
            for k in params
        }
        return float(losses.sum()), grads

    def evaluate(self, params, X, seed):
        """The mean loss of rows that are not learned from."""
        total = 0.0
        for part in blocks(X.shape[0], EVALUATED_ROWS):
            rows = as_float(X[part]).astype(params_dtype(params), copy=False)
            total += len(rows) * self.value_and_gradient(params, rows, [*seed, part.start])[0]
        return total / X.shape[0]


def run_together(programs: list[Generator], threads: int) -> None:
    """Run generators side by side; each array they yield is answered by the sum of all, added in their order.

    The sums do not depend on the number of threads. A RuntimeError if some yield more often than others.
    """
    threads = min(threads, len(programs))
    if threads == 1:
        _run_on(programs, _summed)
        return
    barrier = threading.Barrier(threads)
    boards: list[list] = [[None] * len(programs), [None] * len(programs)]
    failures: list[BaseException] = []

    def worker(index):
        mine = range(index, len(programs), threads)
        turn = 0

        def exchange(values):
            nonlocal turn
            # Two boards in turn: nobody writes one that another may still be reading.
            board = boards[turn % 2]
            turn += 1
            for i, value in zip(mine, values, strict=True):
                board[i] = value
            barrier.wait()
            if any(value is None for value in board):
                if any(value is not None for value in board):
                    raise RuntimeError(UNEQUAL)
                return None
            return _summed(board)

        try:
            _run_on([programs[i] for i in mine], exchange)
            exchange([None] * len(mine))  # the others must have ended too, or they would wait forever
        except threading.BrokenBarrierError:
            pass
        except BaseException as failure:
            failures.append(failure)
            barrier.abort()

    others = [threading.Thread(target=worker, args=(i,), name=f"featlearn_{i}") for i in range(1, threads)]
    for thread in others:
        thread.start()
    worker(0)
    for thread in others:
        thread.join()
    if failures:
        raise failures[0]


def _run_on(programs, exchange):
    """Run the programs of one thread to their end."""
    total = None
    # Set in each thread, which inherits nothing; what overflows is found by `minimize` and named.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        while values := _advance(programs, total):
            total = exchange(values)


def _advance(programs, total):
    """Hand every program the sum it waits for; what they yield next, or nothing once all have ended."""
    values = []
    for program in programs:
        try:
            values.append(program.send(total))
        except StopIteration:
            continue
    if values and len(values) < len(programs):
        raise RuntimeError(UNEQUAL)
    return values


def _summed(values):
    if len(values) == 1:
        return values[0]
    total = values[0] + values[1]
    for value in values[2:]:
        total += value
    return total


class _KerasEngine:
    """Steps by the automatic gradient, many in one compiled function."""

    def __init__(self, objective, weight_decay):
        self.objective, self.decay = objective, weight_decay

    def begin(self, params, memory, batch, n_features, seed):
        self.dtype = params_dtype(params)
        self._params, self._arrays, self._memory = _tensors(params), {}, memory
        self._arrays = {k: [_tensor(a) for a in arrays] for k, arrays in memory.arrays.items()}
        self.rng = np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed)))

    def params(self):
        return _arrays(self._params, self.dtype)

    def memory(self):
        arrays = {k: [np.asarray(_numpy(a), self.dtype) for a in v] for k, v in self._arrays.items()}
        return Memory(self._memory.step, self._memory.epoch, arrays)

    def steps(self, batches, solver, constants):
        """Make a step on each batch; the sum of the losses over all rows."""
        total, i = 0.0, 0
        while i < len(batches):
            m = 1
            while m < KERAS_STEPS and i + m < len(batches) and len(batches[i + m]) == len(batches[i]):
                m += 1
            m = m if m == KERAS_STEPS else 1  # two compiled sizes, whatever the number of batches
            x = np.stack(batches[i : i + m])
            seeds = self.rng.integers(2**31 - 1, size=(m, 2), dtype=np.int32)
            clip = -1.0 if solver.clip_norm is None else solver.clip_norm
            settings = np.array([self.decay, clip], self.dtype)
            run = _compiled_steps(self.objective, solver.rule)
            self._params, self._arrays, loss = run(
                self._params, self._arrays, _tensor(x), _tensor(constants[i : i + m]), _tensor(seeds), _tensor(settings)
            )
            total += len(batches[i]) * float(_numpy(loss))
            i += m
        return total

    def value_and_gradient(self, params, X, seed):
        """The loss on all rows and its gradient; the same draws for the same seed."""
        seed = np.array([s % (2**31 - 1) for s in (seed[0], sum(seed[1:]))], np.int32)
        loss, grads = _compiled_gradient(self.objective)(_tensors(params), _tensor(X), _tensor(seed))
        return float(_numpy(loss)), _arrays(grads, params_dtype(params))

    evaluate = _NumpyEngine.evaluate


def _tensor(array):
    from keras import ops

    return ops.convert_to_tensor(array)


def _tensors(params):
    return {k: _tensor(v) for k, v in params.items()}


def _numpy(tensor):
    from keras import ops

    return ops.convert_to_numpy(tensor)


def _arrays(tensors, dtype):
    return {k: np.array(_numpy(v), dtype) for k, v in tensors.items()}


@lru_cache(maxsize=8)
def _compiled_gradient(objective):
    from featlearn.kernels.backend import compiled, value_and_grad

    return compiled(value_and_grad(objective.loss))


@lru_cache(maxsize=8)
def _compiled_steps(objective, rule):
    """Steps on batches x (m, b, d), with constants (m, c), seeds (m, 2) and settings (decay, clip norm or -1)."""
    from keras import ops

    from featlearn.kernels.backend import compiled, value_and_grad

    formula, differentiate = tensor_rule(rule), value_and_grad(objective.loss)
    after_step = getattr(objective, "after_step", None)

    def step(i, carry, x, constants, seeds, settings):
        params, memory, total = carry
        loss, grads = differentiate(params, x[i], seeds[i])
        norm = ops.sqrt(sum(ops.sum(g * g) for g in grads.values()))
        clip = settings[1]
        scale = ops.where(ops.logical_and(clip > 0, norm > clip), clip / norm, ops.ones_like(norm))
        new_params, new_memory = {}, {}
        for name, p in params.items():
            g = scale * grads[name]
            if len(p.shape) > 1:
                g = g + settings[0] * p
            result = formula(p, g, *memory[name], constants[i])
            p, *slots = result if isinstance(result, tuple) else (result,)
            new_params[name], new_memory[name] = p, slots
        if after_step is not None:
            after_step(new_params)
        return new_params, new_memory, total + loss

    def steps(params, memory, x, constants, seeds, settings):
        first = ops.zeros((), dtype=x.dtype)
        return ops.fori_loop(
            0, x.shape[0], lambda i, carry: step(i, carry, x, constants, seeds, settings), (params, memory, first)
        )

    return compiled(steps)


def training_rules() -> dict[str, Any]:
    """Rules for the parameters that all learners by gradient share, for `check_parameters`."""
    return {
        "learning_rate": optional(real(above=0)),
        "batch_size": optional(integer(1)),
        "max_iter": integer(1),
        "weight_decay": real(0),
        "tol": real(0),
        "n_iter_no_change": integer(1),
        "early_stopping": boolean(),
        "validation_fraction": real(above=0, high=0.9),
        "warm_start": boolean(),
        "engine": one_of("auto", "numpy", "keras"),
        "solver": either(instance(str), instance(GradientDescent, LBFGS)),
    }
