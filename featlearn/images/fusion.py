"""The door of the fused encoder: contrast -> whitening -> learner, or parts of it, in one plan that pools as it goes.

A learner comes in by `Fusible`: it says itself what its codes are. Any other runs step by step, and is as right.
"""

from dataclasses import replace
from itertools import pairwise
from typing import Any, Protocol

from sklearn.pipeline import Pipeline

from featlearn.images.pools import MeanPool, SumPool
from featlearn.kernels.encoding.encode import ACTIVATIONS, EncoderPlan
from featlearn.vectors.affine import about_zero
from featlearn.vectors.contrast import ContrastNormalizer
from featlearn.vectors.whitening import ZCA, PCAWhitening


class Fusible(Protocol):
    """A learner of vectors that `Stage` may run by the fused encoder, instead of calling its ``transform``.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.base import BaseEstimator, TransformerMixin
    >>> from featlearn import Stage, SumPool
    >>> from featlearn.kernels.encoding.encode import EncoderPlan
    >>> class Edges(TransformerMixin, BaseEstimator):
    ...     def fit(self, X, y=None):
    ...         self.filters_ = np.diff(np.eye(X.shape[1]), axis=0)
    ...         return self
    ...     def transform(self, X):
    ...         return np.maximum(X @ self.filters_.T, 0)
    ...     def encoder_plan(self):
    ...         return EncoderPlan(self.filters_, "relu", bias=np.zeros(len(self.filters_)))
    >>> images = np.random.default_rng(0).uniform(size=(5, 8, 8))
    >>> Stage(Edges(), patch_size=2, pool=SumPool()).fit_transform(images).shape
    (5, 2, 2, 3)
    """

    def transform(self, X: Any, /) -> Any:
        """Codes (n, K) of rows X (n, d)."""

    def encoder_plan(self) -> EncoderPlan | None:
        """The plan that gives the codes of `transform`; None where there is none, and rows are encoded step by step.

        A subclass that writes a ``transform`` of its own writes this too, or is not fused.

        Returns
        -------
        plan : EncoderPlan or None
            Of rows of features, as fitted.
        """


def fused_plan(learner: Any, patch: tuple[int, int], stride: int) -> EncoderPlan | None:
    """The plan of a fitted learner, or None where it runs step by step."""
    steps = [step for _, step in learner.steps] if type(learner) is Pipeline else [learner]
    steps = [step for step in steps if step is not None and step != "passthrough"]
    contrast = steps.pop(0) if steps and type(steps[0]) is ContrastNormalizer else None
    whitening = steps.pop(0) if steps and type(steps[0]) in (ZCA, PCAWhitening) else None
    plan = steps[0].encoder_plan() if len(steps) == 1 and speaks_for_itself(type(steps[0])) else None
    if plan is None:
        return None
    if plan.eps is not None and (contrast is not None or whitening is not None):
        return None
    if contrast is not None:
        plan = replace(plan, eps=contrast.eps_, ddof=contrast.ddof)
    if whitening is not None:
        if plan.whitening is not None or (plan.mean is not None and plan.encode not in ACTIVATIONS):
            return None
        plan = replace(about_zero(plan), whitening=whitening.whitening_, mean=whitening.mean_)
    return replace(plan, patch=patch, stride=stride)


def speaks_for_itself(kind: type) -> bool:
    """Whether the plan is by who wrote `transform`, or by who came later: another's `transform` is another encoder."""
    author = next((c for c in kind.__mro__ if vars(c).keys() & {"transform", "encoder_plan"}), object)
    return "encoder_plan" in vars(author)


def fusible_cells(pool: Any, height: int, width: int) -> tuple[tuple[slice, ...], tuple[slice, ...]] | None:
    """The row and column cells of a pool that sums over disjoint cells, or None."""
    if type(pool) not in (SumPool, MeanPool):
        return None
    rows, columns = pool.cells(height, width)
    disjoint = all(a.stop <= b.start for cells in (rows, columns) for a, b in pairwise(cells))
    return (tuple(rows), tuple(columns)) if disjoint else None
