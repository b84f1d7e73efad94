"""A fit on chunks that never lie in memory together: each epoch walks the stream once.

Rows are shuffled within their chunk, so chunks should be fair samples of the data. Everything else is as in a fit on an
array: one chunk that holds all rows gives the same epochs but for the draws.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils import check_random_state

from featlearn.callbacks import end_iteration
from featlearn.notices import interruptible, warn_at_limit
from featlearn.streaming import is_dask, n_rows, require_many_passes
from featlearn.training import LBFGS


def labelled_chunks(X: Any, who: str) -> Callable[[], Iterator[tuple]]:
    """A function that gives the chunks of a stream as (X, y, weights); weights None where there are none."""
    if is_dask(X):
        raise ValueError(
            f"{who}.fit takes no Dask collection. Pass a function that yields chunks (X, y) of it, computed one by "
            "one, or call partial_fit on them."
        )
    require_many_passes(X, who)

    def chunks():
        for item in X():
            if not isinstance(item, tuple) or len(item) not in (2, 3):
                raise ValueError(
                    f"{who}.fit learns from targets too: let the stream yield tuples (X, y) or (X, y, sample_weight) "
                    f"of chunks, not {type(item).__name__}."
                )
            if n_rows(item[0]):
                yield (*item, None)[:3]

    return chunks


def learn_stream(network: Any, X: Any) -> Any:
    """`fit` of a network on a stream."""
    who, solver = type(network).__name__, network._solver()
    if network.early_stopping or isinstance(solver, LBFGS):
        raise ValueError(
            f"{who}: on a stream, early_stopping=True and solver='lbfgs' need rows they can come back to. Pass an "
            "array or an np.memmap, or a rule of gradient descent without early stopping."
        )
    if network._uses_all_rows():
        raise ValueError(
            f"{who}: the learners among the layers have to be fitted before a fit on a stream. Fit them on a sample of "
            "the rows, or on the stream themselves, and pass Pretrained(learner)."
        )
    chunks, rng = labelled_chunks(X, who), check_random_state(network.random_state)
    go_on = network.warm_start and hasattr(network, "loss_curve_")
    targets: list[np.ndarray] = []
    total = 0.0
    for _, y, weights in chunks():
        total += len(y) if weights is None else float(np.sum(weights))
        targets.append(np.unique(y) if is_classifier(network) else np.asarray(y)[:1])
    if not targets:
        raise ValueError(f"{who}: the stream holds no chunk of rows. Pass at least one row.")
    classes = np.unique(np.concatenate(targets)) if is_classifier(network) else None
    curve: list[float] = []
    best, waited = np.inf, 0
    start = network._memory.epoch if go_on else 0
    with interruptible(who, lambda: len(curve)):
        for epoch in range(start, start + network.max_iter):
            loss = rows = 0.0
            for x, y, weights in chunks():
                first = not go_on
                if first:
                    network._given_classes = classes
                data = network._data(x, y, weights, reset=first)
                data, _, prepare = network._prepared(data, None, rng, go_on)
                network._total, go_on = total, True
                train = network._training(data, solver, prepare, rng, not first)
                trained = train(max_iter=1, horizon=start + network.max_iter)
                network._publish(replace(trained, memory=replace(trained.memory, epoch=epoch)), [], [])
                loss += trained.loss_curve[0] * len(y)
                rows += len(y)
            curve.append(loss / rows)
            network._memory = replace(network._memory, epoch=epoch + 1)
            stop = end_iteration(network, {"loss": curve[-1]}, lambda: {"layers_": network.layers_}, name="epoch")
            waited = 0 if not np.isfinite(best) or curve[-1] < best - network.tol * abs(best) else waited + 1
            best = min(best, curve[-1])
            if stop or (network.tol > 0 and waited >= network.n_iter_no_change):
                break
        else:
            if network.tol > 0:
                warn_at_limit(who, len(curve), network.tol, f"the loss is {curve[-1]:.6g}", "set tol=0")
    network.loss_curve_, network.n_iter_ = np.array(curve), len(curve)
    return network
