"""Recognizing learners that the fused encoder can run: contrast -> whitening -> dictionary, or parts of it."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

from sklearn.pipeline import Pipeline

from featlearn.images.pools import MeanPool, SumPool
from featlearn.kernels.encoding.encode import ENCODINGS, EncoderPlan
from featlearn.vectors.affine import about_zero, plan_of
from featlearn.vectors.contrast import ContrastNormalizer
from featlearn.vectors.dictionary import DictionaryMixin
from featlearn.vectors.whitening import ZCA, PCAWhitening


def encoder_plan(learner: Any, patch: tuple[int, int], stride: int) -> EncoderPlan | None:
    """The plan of a fitted learner, or None where the fused encoder does not know it."""
    steps = [step for _, step in learner.steps] if type(learner) is Pipeline else [learner]
    steps = [step for step in steps if step is not None and step != "passthrough"]
    contrast = steps.pop(0) if steps and type(steps[0]) is ContrastNormalizer else None
    whitening = steps.pop(0) if steps and type(steps[0]) in (ZCA, PCAWhitening) else None
    plan = _last_step(steps[0], whitening is not None) if len(steps) == 1 else None
    if plan is None:
        return None
    plan = replace(
        plan,
        eps=None if contrast is None else contrast.eps_,
        ddof=1 if contrast is None else contrast.ddof,
        patch=patch,
        stride=stride,
    )
    if whitening is None:
        return plan
    return replace(plan, whitening=whitening.whitening_, mean=whitening.mean_)


def _last_step(learner: Any, whitened: bool) -> EncoderPlan | None:
    """The plan of the learner that gives the codes; whitened patches lie about zero and need no other origin."""
    # A subclass with a transform of its own is another encoder.
    transform = getattr(type(learner), "transform", None)
    author: Any = next((c for c in type(learner).__mro__ if "_affine_code" in vars(c)), None)
    if author is not None and transform is author.transform:
        code = learner._affine_code()
        return None if code is None else plan_of(about_zero(code) if whitened else code)
    if transform is not DictionaryMixin.transform:
        return None
    if learner.encode not in ENCODINGS or (learner.encode == "hard" and learner._rule() != "euclidean"):
        return None
    return EncoderPlan(atoms=learner.components_, encode=learner.encode, threshold=learner.threshold)


def fusible_cells(pool: Any, height: int, width: int) -> tuple[tuple[slice, ...], tuple[slice, ...]] | None:
    """The row and column cells of a pool that sums over disjoint cells, or None."""
    if type(pool) not in (SumPool, MeanPool):
        return None
    rows, columns = pool.cells(height, width)
    disjoint = all(a.stop <= b.start for cells in (rows, columns) for a, b in pairwise(cells))
    return (tuple(rows), tuple(columns)) if disjoint else None
