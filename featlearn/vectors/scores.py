"""The mean of scores of rows, over an array or larger than memory."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from featlearn.streaming import accumulate


def _total(scores, chunk):
    return np.array([scores(chunk).sum(dtype=np.float64), chunk.shape[0]])


def mean_score(scores: Callable[[Any], np.ndarray], X: Any, rows: int | None = None) -> float:
    """The mean of ``scores(chunk)``, one score a row, picklable for a Dask cluster, over the rows of X."""
    total, n = accumulate(partial(_total, scores), X, rows=rows)
    return float(total / n)
