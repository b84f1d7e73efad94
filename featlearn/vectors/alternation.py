"""What learners share that alternate between codes and atoms: rows at the gate, atoms drawn from them, iterations."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from featlearn.arrays import as_float
from featlearn.callbacks import end_iteration
from featlearn.kernels.sample import RowSample
from featlearn.streaming import float_dtype, is_out_of_core
from featlearn.validation import check_rows, check_weights, chunk_weights


def check_count(estimator: Any, n_samples: int) -> None:
    """Refuse fewer samples than atoms."""
    K = estimator.n_components
    if n_samples < K:
        raise ValueError(
            f"{type(estimator).__name__}: n_samples={n_samples} is fewer than n_components={K}. Pass at least {K} "
            "samples of weight above 0, or ask for fewer components."
        )


def gated(
    estimator: Any, X: Any, sample_weight: Any = None, *, reset: bool, passes: int, **kinds: bool
) -> tuple[Any, Any, np.dtype]:
    """Rows, their weights and the dtype to learn in; ``kinds`` of rows as `check_rows` has them."""
    X = check_rows(estimator, X, reset=reset, passes=passes, **kinds)
    if is_out_of_core(X):
        return X, sample_weight, float_dtype(X) if passes > 1 else np.dtype(np.float64)
    if reset:
        check_count(estimator, X.shape[0])
    return X, check_weights(sample_weight, X), float_dtype(X)


def check_goes_on(estimator: Any) -> None:
    """Refuse to go on from another number of atoms than ``n_components``."""
    found = len(estimator.components_)
    if found != estimator.n_components:
        raise ValueError(
            f"{type(estimator).__name__}: n_components={estimator.n_components} was set after {found} atoms were "
            f"learned, and partial_fit goes on with those. Pass n_components={found}, or fit a clone to start afresh."
        )


def given_atoms(estimator: Any, dtype: np.dtype | type) -> np.ndarray:
    """The first atoms (n_components, n_features) that ``init`` holds."""
    who, shape = type(estimator).__name__, (estimator.n_components, estimator.n_features_in_)
    atoms = np.array(estimator.init, dtype=dtype)
    if atoms.shape != shape:
        raise ValueError(f"{who}: init has shape {atoms.shape}; pass {shape[0]} rows of {shape[1]} features.")
    if not np.isfinite(atoms).all():
        raise ValueError(f"{who}: init contains NaN or infinity; pass finite rows.")
    return atoms


def sample_of(chunk, weights=None, *, size: int, seed: int, worth: Callable | None = None) -> RowSample:
    """Random distinct rows of a chunk (m, d) of weight above 0, and in proportion to what they are ``worth`` (m,)."""
    # Told apart as they came: scaled to unit length, copies in other dtypes would differ by rounding.
    X = np.ascontiguousarray(as_float(chunk))
    w = chunk_weights(X, weights)
    drawn = (w > 0).astype(np.float64)
    return RowSample.of(X, size, seed, drawn if worth is None else drawn * worth(X), w)


def drawn(fold: Callable, X: Any, weights: Any, rng: np.random.RandomState, size: int, worth=None) -> RowSample:
    """`sample_of` all rows, by one walk: ``fold(statistic, X, weights)``."""
    return fold(partial(sample_of, size=size, seed=int(rng.randint(2**31 - 1)), worth=worth), X, weights)


def revived(atoms: np.ndarray, dead: np.ndarray, draw: Callable[[int], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Atoms (K, d), the ``dead`` ones (K,) replaced by as many rows as ``draw(size)`` finds, and which these are."""
    lost = np.flatnonzero(dead)
    if len(lost):
        rows = draw(len(lost))
        lost, atoms = lost[: len(rows)], atoms.copy()
        atoms[lost] = rows
    return atoms, lost


class Run:
    """The iterations of a fit: what is learned and the curve of a metric, replaced as one ``whole``.

    So an interrupt finds the two in step.
    """

    def __init__(self, state: Any):
        self.whole: tuple[Any, list[float]] = (state, [])
        self.ended = ""  # "settled", "stopped" by a callback, at the "limit"; empty if interrupted

    def finished(self) -> int:
        """Iterations that are whole."""
        return len(self.whole[1])

    def iterate(self, estimator: Any, update: Callable, metric: str, fitted: Callable[..., dict[str, Any]]) -> None:
        """At most ``max_iter`` times ``update(state, curve)``: the next state, its metric, and whether it settled.

        ``fitted(state, curve)`` gives what would make a fitted estimator now.
        """
        for _ in range(estimator.max_iter):
            state, value, settled = update(*self.whole)
            self.whole = state, [*self.whole[1], value]
            stop = end_iteration(estimator, {metric: value}, partial(fitted, *self.whole))
            if settled or stop:
                self.ended = "settled" if settled else "stopped"
                return
        self.ended = "limit"
