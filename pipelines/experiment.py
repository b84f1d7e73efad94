"""What an experiment is: a small frozen record, and the walk that fits and tests what it builds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
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
    """One number of ours beside the paper's; or, where the project sets itself a bar, beside the least it may be."""

    name: str
    ours: float
    reported: Reported | None = None
    bar: float | None = None

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
        """Whether the row is an anchor and out of its tolerance, or below its bar."""
        if self.bar is not None and not self.ours >= self.bar:
            return True
        return self.within is False and self.reported is not None and self.reported.mark in ANCHORS


@dataclass(frozen=True)
class Settings:
    """What the command line decides: the seed, the size, what is scored, where the data lie.

    ``smoke`` asks for a small version that takes seconds; ``validation`` for scores on held-out training samples, as
    whoever chooses parameters must.
    """

    seed: int = 0
    smoke: bool = False
    data_home: str | None = None
    validation: bool = False


@dataclass(frozen=True)
class Split:
    """Training samples, and those that are scored.

    ``scored_on`` names the latter. ``stand_in`` says what bundled data were read where the experiment's own were not
    found; empty if they were.
    """

    X_train: np.ndarray
    y_train: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    scored_on: str = "test"
    stand_in: str = ""

    def head(self, n_train: int, n_test: int) -> "Split":
        """The first samples only."""
        return replace(
            self,
            X_train=self.X_train[:n_train],
            y_train=self.y_train[:n_train],
            X_test=self.X_test[:n_test],
            y_test=self.y_test[:n_test],
        )

    def held_out(self) -> "Split":
        """The last 10,000 training samples, or a fifth if there are fewer, held out and scored; no test sample."""
        n = min(10_000, len(self.y_train) // 5)
        return replace(
            self,
            X_train=self.X_train[:-n],
            y_train=self.y_train[:-n],
            X_test=self.X_train[-n:],
            y_test=self.y_train[-n:],
            scored_on=f"the last {n:,} training samples, held out",
        )


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
    """Accuracy in percent on what is scored, in one row named after the variant."""
    return {variant: 100.0 * fit_and_score(estimator, split, steps)}


def parameters_of(estimator: Any) -> dict[str, Any]:
    """The parameters of an estimator that are values; nested estimators are told by their own."""
    parameters: dict[str, Any] = {}
    for name, value in sorted(estimator.get_params(deep=True).items()):
        if value is None or isinstance(value, (bool, int, float, str)):
            parameters[name] = value
        elif isinstance(value, (list, tuple)):
            if not name.endswith("steps"):
                parameters[name] = list(value)
        else:
            parameters[name] = type(value).__name__ if hasattr(value, "get_params") else repr(value)
    return parameters


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
    bars : dict of float
        Name of a row -> the least it may be; the project's own, no paper's.
    notes : dict of str
        Name of a variant -> what a reader of its numbers must know.
    headlines : tuple of str
        Endings of the rows that the table of docs/results.md shows; all of them if empty.
    published : bool
        Whether full runs go into the committed results.
    measure : callable
        ``measure(estimator, split, variant, settings, steps)`` fits the estimator and gives ``{row: number}``.
    pictures : callable or None
        ``pictures(estimator, split, variant, settings, steps)`` gives ``{file name: function that makes a Display}``.
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
    pictures: Callable[[Any, Split, str, Settings, Steps], dict[str, Callable[[], Any]]] | None = None
    bars: Mapping[str, float] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    headlines: tuple[str, ...] = ()
    published: bool = True

    def rows(self, numbers: Mapping[str, float], stand_in: str = "") -> tuple[Row, ...]:
        """Rows of numbers beside the paper's; beside none, and with names that say so, if other data stood in."""
        if stand_in:
            return tuple(Row(f"{name} (bundled data)", number) for name, number in numbers.items())
        return tuple(Row(name, x, self.reported.get(name), self.bars.get(name)) for name, x in numbers.items())
