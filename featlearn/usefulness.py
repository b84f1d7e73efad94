"""Whether what was learned is of any use: units that say nothing, features that drown the others.

A learner that ran without an error may still give every row the same code: its units are constant, or saturated at the
end of their range, mostly because the data came in units the objective does not expect. Every learner of units asks
here, at the end of its fit, about the codes of some training rows.
"""

from typing import Any

import numpy as np
import scipy.sparse as sp

from featlearn.notices import notify
from featlearn.streaming import first_chunk, is_out_of_core

PROBED = 1_000  # rows looked at
FLAT = 1e-3  # a unit is constant if its deviation is below this share of the codes' size
EDGE = 0.01  # a unit is saturated if it never comes further than this share of its range from one end
MOST = 0.5  # the share of such units that is worth a warning
FAR = 200  # times the deviation of all features together, from which on the origin is far from the rows
HALF = 2  # of three features or more, half are worth a warning
QUARTILES = 200  # rows that tell where the middle half of a feature lies
BEYOND = 1e3  # times the width of its middle half that a feature reaches only in outliers
STEP = 30  # the largest fall from one principal component to the next
DROWNED = 0.01  # a feature is drowned if its deviation is below this share of the largest one


def probe(X: Any) -> np.ndarray:
    """At most ``PROBED`` rows, evenly spaced over an array or a memmap; of a stream or a Dask array, of its start."""
    if is_out_of_core(X):
        head = first_chunk(X)
        return head[:PROBED] if sp.issparse(head) else np.asarray(head)[:PROBED]
    return X[:: max(1, -(-X.shape[0] // PROBED))]


def idle_units(
    codes: np.ndarray, low: float | None = None, high: float | None = None, share: float = 1.0
) -> tuple[int, int]:
    """How many units (columns) are constant on rows of codes (n, K), and how many others saturated at ``low``/``high``.

    A unit is saturated if it is at one end on a ``share`` of the rows. Codes without both ends are measured by the root
    mean square of all of them.
    """
    codes = np.asarray(codes, dtype=np.float64)
    if low is None or high is None:
        return int((codes.std(axis=0) <= FLAT * np.sqrt(np.mean(codes * codes))).sum()), 0
    constant = codes.std(axis=0) <= FLAT * (high - low)
    edge = EDGE * (high - low)
    at_one_end = np.maximum((codes < low + edge).mean(axis=0), (codes > high - edge).mean(axis=0))
    saturated = at_one_end >= share
    return int(constant.sum()), int((saturated & ~constant).sum())


def warn_of_idle_units(
    who: str,
    codes: np.ndarray,
    cure: str,
    *,
    low: float | None = None,
    high: float | None = None,
    share: float = 1.0,
    most: float = MOST,
) -> None:
    """A UserWarning if more than a share ``most`` of the units say nothing about rows of codes (n, K).

    ``cure`` ends it.

    ``low``, ``high`` and ``share`` as in `idle_units`.
    """
    if len(codes) < 2:
        return
    constant, saturated = idle_units(codes, low, high, share)
    K = codes.shape[1]
    if constant + saturated > most * K:
        notify(
            f"{who}: of {K} units, {constant} are constant and {saturated} saturated on {len(codes)} training rows, so "
            f"their codes tell rows apart badly or not at all. {cure}"
        )


def warn_of_drowned_features(who: str, X: np.ndarray, why: str, share: float = DROWNED) -> None:
    """A UserWarning if the largest feature drowns half of those that vary; ``why`` says what it makes of them.

    X (n, d) are rows as `probe` gives them. Distances and inner products then see one feature, or one outlier, alone.
    Features in the order of their deviations are principal components, which are meant to fall off, step by step.
    ``share`` of the largest deviation is what the others need.
    """
    deviations = np.asarray(X, dtype=np.float64).std(axis=0)
    largest = deviations.max(initial=0)
    varies = deviations > 1e-9 * largest
    varying = deviations[varies]
    falls = varying[1:] / varying[:-1] if len(varying) > 4 else np.zeros(1)
    means = np.asarray(X, dtype=np.float64).mean(axis=0)
    centered = np.abs(means[varies]) < 5 / np.sqrt(max(len(X), 1)) * varying
    ordered = bool((falls < 1.1).all() and (falls > 1 / STEP).all() and centered.all())
    drowned = varying[varying < share * largest]
    if HALF * len(drowned) >= len(varying) > 2 and not ordered:
        notify(
            f"{who}: {why}, and {len(drowned)} of the {len(varying)} features that vary have less than {share:.0%} of "
            f"the deviation of feature {int(deviations.argmax())} ({np.median(drowned):.3g} against {largest:.3g}), so "
            "the learner hardly sees them. Put a StandardScaler before it, or look for outliers."
        )


def warn_of_far_origin(who: str, X: np.ndarray, why: str) -> None:
    """A UserWarning if rows X (n, d) lie so far from the origin that their directions are nearly the same."""
    rows = np.asarray(X, dtype=np.float64)
    mean = rows.mean(axis=0)
    distance, deviation = np.sqrt(mean @ mean), np.sqrt(rows.var(axis=0).sum())
    if len(rows) > 1 and distance > FAR * deviation > 0:
        notify(
            f"{who}: {why}, and the samples lie {distance / deviation:.3g} times as far from the origin as from each "
            f"other (mean of length {distance:.3g}, deviation {deviation:.3g}), so to it they are nearly alike. Put "
            "a StandardScaler before it, or subtract the mean."
        )


def warn_of_outliers(who: str, X: Any, why: str) -> None:
    """A UserWarning if a feature reaches a thousand times as far as its middle half is wide; ``why`` says what follows.

    A single wrong value (a sentinel of -9999, a slip of units) sets the scale, and the codes of all other rows shrink.
    """
    if is_out_of_core(X) or not isinstance(X, np.ndarray) or len(X) < 4:
        return
    some = X[:: max(1, len(X) // QUARTILES)].astype(np.float64)
    low, high = np.quantile(some, [0.25, 0.75], axis=0)
    reach = X.max(axis=0).astype(np.float64) - X.min(axis=0).astype(np.float64)
    far = np.flatnonzero((high > low) & (reach > BEYOND * (high - low)))
    if len(far):
        j = int(far[0])
        notify(
            f"{who}: {why}, and {len(far)} of the {len(reach)} features reach far beyond their middle half (that of "
            f"feature {j} is from {low[j]:.3g} to {high[j]:.3g}, and the values span {reach[j]:.3g}). Look for "
            "outliers and wrong values; clip them or take logarithms, as a StandardScaler shrinks the rest with them."
        )
