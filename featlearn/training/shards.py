"""Training steps by gradients derived by hand, the hidden units cut into shards, a thread each.

A shard holds its rows of every matrix whose first axis runs over hidden units, and copies of the other parameters. It
computes with these alone, and meets the others only to add up what all of them contribute to (a reconstruction, say):
weights, gradients and updates never leave the core's cache. How many shards there are depends on shapes alone, and
sums are taken in the order of the shards, so the number of threads changes no bit.
"""

import inspect
import threading
from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from featlearn.threads import n_threads, one_blas_thread
from featlearn.training.objective import Batch, Draws, Memory, Params, State, share, step_factors
from featlearn.training.optimizers import update
from featlearn.training.solvers import GradientDescent

SHARD_UNITS = 128  # fewer units in a shard starve its matrix products
SHARD_WORK = 3e7  # multiplications of a step below which meeting costs more than sharing saves
UNEQUAL = "The gradient yields a different number of arrays on different shards."


def n_shards(params: Params, hidden: tuple[str, ...], batch: int) -> int:
    """Into how many parts the hidden units are cut: a power of two up to 8, decided by shapes alone."""
    units = [params[name].shape[0] for name in hidden if name in params]
    work = 6.0 * batch * sum(p.size for p in params.values())
    if not units or work < SHARD_WORK:
        return 1
    most = min(max(units) // SHARD_UNITS, min(units), 8)
    return 1 << max(0, most.bit_length() - 1)


class _Shard:
    """A thread's part: views of its rows of what belongs to hidden units, copies of the rest, and scratch gradients."""

    def __init__(self, params, arrays, state, hidden, index, parts, seed):
        def part(name, value):
            if name in hidden:
                return value[share(value.shape[0], parts, index)]
            return value if index == 0 else value.copy()

        self.params = {name: part(name, value) for name, value in params.items()}
        self.arrays = {name: [part(name, a) for a in memory] for name, memory in arrays.items()}
        self.state = {name: part(name, value) for name, value in state.items()}
        self.grads = {name: np.empty_like(value) for name, value in self.params.items()}
        self.hidden, self.index = hidden, index
        generator = np.random.Generator
        own = np.random.SeedSequence([*seed, index])
        self.draws = Draws(
            generator(np.random.SFC64(np.random.SeedSequence(seed))),
            generator(np.random.SFC64(own)),
            index == 0,
            (index, parts),
        )


class NumpyEngine:
    """Steps by the hand-derived gradient, the shards side by side."""

    def __init__(self, objective: Any, weight_decay: float):
        self.objective, self.decay = objective, weight_decay
        self.stateful = hasattr(objective, "init_state")

    def begin(self, params: Params, memory: Memory, size: int, seed: Sequence[int]) -> None:
        """Start at parameters and the arrays of a memory, which the steps overwrite."""
        self._params, self._memory = params, memory
        self.shards = self._cut(params, memory.arrays, memory.state, size, seed)

    def _cut(self, params, arrays, state, size, seed):
        """The shards of parameters; a gradient that is no generator is not shared out."""
        hidden = tuple(self.objective.hidden)
        sharded = inspect.isgeneratorfunction(self.objective.gradient)
        parts = n_shards(params, hidden, size) if sharded else 1
        return [_Shard(params, arrays, state, hidden, i, parts, seed) for i in range(parts)]

    def params(self) -> Params:
        """The parameters now, which the next steps overwrite."""
        return self._params

    def memory(self) -> Memory:
        """A copy of the memory now, which later steps leave alone."""
        arrays = {k: [a.copy() for a in v] for k, v in self._memory.arrays.items()}
        return replace(self._memory, arrays=arrays, state=self._joined([s.state for s in self.shards]))

    def steps(self, batches: list[Batch], solver: GradientDescent, constants: np.ndarray) -> float:
        """Make a step on each batch; the sum of the losses over all rows."""
        losses = np.zeros(len(self.shards))
        programs = [self._program(shard, batches, solver, constants, losses) for shard in self.shards]
        run_together(programs, n_threads() if len(programs) > 1 else 1)  # to count cores takes longer than small steps
        return float(losses.sum())

    def _program(self, shard, batches, solver, constants, losses):
        after_step = getattr(self.objective, "after_step", None)
        factors = step_factors(self.objective, shard.params)
        rates = constants.copy()
        for batch, c, own in zip(batches, constants, rates, strict=True):
            losses[shard.index] += len(batch.x) * (yield from self._gradient(shard, batch))
            scale = 1.0
            if solver.clip_norm is not None:
                square = sum(
                    float(np.vdot(g, g)) for k, g in shard.grads.items() if k in shard.hidden or shard.draws.first
                )
                norm = float(np.sqrt((yield np.array([square]))[0]))
                scale = min(1.0, solver.clip_norm / norm) if norm > 0 else 1.0
            for name, p in shard.params.items():
                rate, decay = factors[name]
                own[0] = rate * c[0]
                update(solver.rule, p, shard.grads[name], shard.arrays[name], own, scale, decay * self.decay)
            if after_step is not None:
                mending = after_step(shard.params)
                if inspect.isgenerator(mending):
                    yield from mending

    def _gradient(self, shard, batch):
        """The objective's gradient as a generator, whichever way it was written; the shard keeps the new state."""
        state = (shard.state,) if self.stateful else ()
        result = self.objective.gradient(shard.params, batch, shard.draws, shard.grads, *state)
        if inspect.isgenerator(result):
            result = yield from result
        if self.stateful:
            result, shard.state = result
        return result

    def value_and_gradient(
        self, params: Params, batch: Batch, seed: Sequence[int], state: State
    ) -> tuple[float, Params]:
        """The loss of a batch and its gradient; the same draws for the same seed."""
        shards = self._cut(params, {}, state, len(batch.x), seed)
        losses = np.zeros(len(shards))

        def program(shard):
            losses[shard.index] = yield from self._gradient(shard, batch)

        with one_blas_thread():
            run_together([program(shard) for shard in shards], n_threads() if len(shards) > 1 else 1)
        return float(losses.sum()), self._joined([s.grads for s in shards])

    def _joined(self, parts):
        """What the shards hold, those of hidden units one after the other."""
        hidden = self.objective.hidden if len(parts) > 1 else ()
        return {k: np.concatenate([p[k] for p in parts]) if k in hidden else v for k, v in parts[0].items()}


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
    try:
        for thread in others:
            thread.start()
        worker(0)
    except BaseException:
        barrier.abort()  # a thread that did not start, say: the others would wait for it forever
        raise
    finally:
        for thread in others:
            if thread.is_alive():
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
