"""What an experiment is: a small frozen record, and the walk that fits and tests what it builds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipelines.progress import Steps

ANCHORS = ("S", "R", "A")  # lecture notes, reference implementation, abstract: a run may fail on these


@dataclass(frozen=True)
class Reported:
    """A number that a paper reports.

    ``mark`` says how well it is known: S printed in the lecture notes, R read in a reference implementation, A read in
    the paper's abstract, 2nd read in a survey, M from memory and unverified. ``tolerance`` None means that it was
    reached at other settings (``note`` says which) or depends on the start: it is shown and not judged.
    """

    value: float
    mark: str
    tolerance: float | None = None
    note: str = ""
    decimals: int = 2


@dataclass(frozen=True)
class Row:
    """One number of ours beside the paper's."""

    name: str
    ours: float
    reported: Reported | None = None

    @property
    def difference(self) -> float | None:
        """Ours minus the paper's."""
        return None if self.reported is None else self.ours - self.reported.value

    @property
    def within(self) -> bool | None:
        """Whether the difference is within the tolerance; None where it is not judged."""
        if self.reported is None or self.reported.mark == "M" or self.reported.tolerance is None:
            return None
        return abs(self.ours - self.reported.value) <= self.reported.tolerance

    @property
    def fails(self) -> bool:
        """Whether the row is an anchor and out of its tolerance."""
        return self.within is False and self.reported is not None and self.reported.mark in ANCHORS


@dataclass(frozen=True)
class Settings:
    """What the command line decides: the seed, whether a seconds-long small version runs, where the data lie."""

    seed: int = 0
    smoke: bool = False
    data_home: str | None = None


@dataclass(frozen=True)
class Split:
    """Training and test samples."""

    X_train: np.ndarray
    y_train: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray

    def head(self, n_train: int, n_test: int) -> "Split":
        """The first samples only."""
        return Split(self.X_train[:n_train], self.y_train[:n_train], self.X_test[:n_test], self.y_test[:n_test])


def fit_and_score(pipeline: Any, split: Split, steps: Steps) -> float:
    """Fit a scikit-learn Pipeline and score it, as ``fit`` and ``score`` would, with each step timed.

    Step by step, the input of a step is freed as soon as its output exists.
    """
    *transformers, (last, classifier) = pipeline.steps
    X = split.X_train
    for name, step in transformers:
        with steps(f"fit {name}", step):
            step.fit(X, split.y_train)
        with steps(f"{name}: transform train"):
            X = step.transform(X)
    with steps(f"fit {last}", classifier):
        classifier.fit(X, split.y_train)
    X = split.X_test
    for name, step in transformers:
        with steps(f"{name}: transform test"):
            X = step.transform(X)
    with steps(f"{last}: test"):
        return float(classifier.score(X, split.y_test))


def measure_accuracy(estimator: Any, split: Split, variant: str, settings: Settings, steps: Steps) -> dict[str, float]:
    """Test accuracy in percent, in one row named after the variant."""
    return {variant: 100.0 * fit_and_score(estimator, split, steps)}


@dataclass(frozen=True)
class Experiment:
    """A paper's experiment: what it is, what it reads, what it builds, and what the paper reports.

    Attributes
    ----------
    name, title, paper, data : str
        What ``list`` prints; ``data`` says what is read and where it comes from.
    variants : dict of str
        Name of each variant -> one line about it.
    default : tuple of str
        Variants that run unless others are named.
    load : callable
        ``load(settings)`` gives the Split.
    build : callable
        ``build(variant, settings)`` gives an unfitted estimator.
    reported : dict of Reported
        Name of a row -> the paper's number.
    measure : callable
        ``measure(estimator, split, variant, settings, steps)`` fits the estimator and gives ``{row: number}``.
    pictures : callable or None
        ``pictures(estimator, variant, settings, steps)`` gives ``{file name: function that makes a Display}``.
    """

    name: str
    title: str
    paper: str
    data: str
    variants: Mapping[str, str]
    default: tuple[str, ...]
    load: Callable[[Settings], Split]
    build: Callable[[str, Settings], Any]
    reported: Mapping[str, Reported] = field(default_factory=dict)
    measure: Callable[[Any, Split, str, Settings, Steps], dict[str, float]] = measure_accuracy
    pictures: Callable[[Any, str, Settings, Steps], dict[str, Callable[[], Any]]] | None = None
