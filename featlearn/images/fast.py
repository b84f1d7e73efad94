"""Recognizing learners that the fused encoder can run: contrast -> whitening -> dictionary, or parts of it."""

from itertools import pairwise
from typing import Any

from sklearn.pipeline import Pipeline

from featlearn.images.pools import MeanPool, SumPool
from featlearn.kernels.encode import ENCODINGS, EncoderPlan
from featlearn.vectors.contrast import ContrastNormalizer
from featlearn.vectors.dictionary import DictionaryMixin
from featlearn.vectors.whitening import ZCA, PCAWhitening


def encoder_plan(learner: Any, patch: tuple[int, int], stride: int) -> EncoderPlan | None:
    """The plan of a fitted learner, or None where the fused encoder does not know it."""
    steps = [step for _, step in learner.steps] if type(learner) is Pipeline else [learner]
    steps = [step for step in steps if step is not None and step != "passthrough"]
    contrast = steps.pop(0) if steps and type(steps[0]) is ContrastNormalizer else None
    whitening = steps.pop(0) if steps and type(steps[0]) in (ZCA, PCAWhitening) else None
    # A subclass with a transform of its own is another encoder.
    if len(steps) != 1 or getattr(type(steps[0]), "transform", None) is not DictionaryMixin.transform:
        return None
    dictionary = steps[0]
    if dictionary.encode not in ENCODINGS or (dictionary.encode == "hard" and dictionary._rule() != "euclidean"):
        return None
    return EncoderPlan(
        atoms=dictionary.components_,
        encode=dictionary.encode,
        threshold=dictionary.threshold,
        eps=None if contrast is None else contrast.eps,
        ddof=1 if contrast is None else contrast.ddof,
        whitening=None if whitening is None else whitening.whitening_,
        mean=None if whitening is None else whitening.mean_,
        patch=patch,
        stride=stride,
    )


def fusible_cells(pool: Any, height: int, width: int) -> tuple[tuple[slice, ...], tuple[slice, ...]] | None:
    """The row and column cells of a pool that sums over disjoint cells, or None."""
    if type(pool) not in (SumPool, MeanPool):
        return None
    rows, columns = pool.cells(height, width)
    disjoint = all(a.stop <= b.start for cells in (rows, columns) for a, b in pairwise(cells))
    return (tuple(rows), tuple(columns)) if disjoint else None
