"""Runs an experiment: builds, fits, prints ours beside the paper's, writes JSON and pictures."""

import ast
import difflib
import hashlib
import importlib.util
import os
import platform
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import joblib
from rich.console import Console
from rich.table import Table

import featlearn
from pipelines import published
from pipelines.experiment import Experiment, Row, Settings, Split, parameters_of
from pipelines.progress import Steps, peak_memory_mb, reset_peak_memory
from pipelines.published import write_json

PACKAGES = ("numpy", "scipy", "scikit-learn", "numba")


class UsageError(ValueError):
    """What the command line asks for does not exist; the message names what does."""


@dataclass(frozen=True)
class Result:
    """What one variant gave: its rows, seconds by step, peak memory, and where the record lies."""

    variant: str
    rows: tuple[Row, ...]
    seconds: dict[str, float]
    peak_memory_mb: float | None
    pictures: tuple[str, ...]
    path: Path
    unjudged: str = ""  # why the numbers are not the experiment's; empty if they are
    remarks: tuple[str, ...] = ()

    @property
    def judged(self) -> bool:
        """Whether this was a full run of the experiment's own settings, on its own data, scored on its test samples."""
        return not self.unjudged

    @property
    def fails(self) -> bool:
        """Whether an anchor is out of its tolerance or a number below its bar, in a judged run."""
        return self.judged and any(row.fails for row in self.rows)


def parse_override(text: str) -> tuple[str, Any]:
    """``step__param=value`` as a name and a Python value; what is no literal stays a string."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"--set {text!r} is not understood; write --set step__param=value.")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def check_names(experiment: Experiment, settings: Settings, variants: Sequence[str], names: Iterable[str]) -> None:
    """Refuse a parameter that a variant to run lacks; the UsageError names the variants or parameters there are."""
    parameters = {v: experiment.build(v, settings).get_params(deep=True) for v in experiment.variants}
    having_all = [v for v in parameters if parameters[v].keys() >= set(names)]
    for name in names:
        having = [v for v in parameters if name in parameters[v]]
        lacking = [v for v in variants if v not in having]
        if not lacking:
            continue
        if not having:
            valid = sorted(set().union(*parameters.values()))
            close = difflib.get_close_matches(name, valid, n=3)
            hint = f" Did you mean {' or '.join(close)}?" if close else ""
            raise UsageError(
                f"--set {name}: no variant of {experiment.name} has such a parameter.{hint} "
                f"Valid ones: {', '.join(valid)}."
            )
        fix = [v for v in having_all if v in variants] or having_all
        raise UsageError(
            f"--set {name}: {', '.join(lacking)} {_has(lacking)} no such parameter, only {', '.join(having)} "
            f"{_has(having)} it; "
            + (f"add --variant {','.join(fix)}." if fix else "no variant has all that is --set, run them one by one.")
        )


def _has(names: Sequence[str]) -> str:
    return "has" if len(names) == 1 else "have"


def apply_overrides(estimator: Any, overrides: dict[str, Any]) -> Any:
    """Set parameters of a built estimator; a UsageError tells what cannot be set to a value."""
    current = estimator.get_params(deep=True)
    for name, value in overrides.items():
        if name.endswith("steps") or ("__" not in name and hasattr(current[name], "get_params")):
            inside = [n for n in sorted(current) if n.startswith(f"{name}__")]
            fix = f"Valid ones: {', '.join(inside)}." if inside else "Set step__param=value."
            raise UsageError(
                f"--set {name}={value!r}: {name} is made of whole steps, and --set gives values only, to parameters of "
                f"steps. {fix}"
            )
    try:
        return estimator.set_params(**overrides)
    except (ValueError, TypeError, AttributeError) as error:
        raise UsageError(f"--set {overrides}: {error}") from error


def prepare_folder(out: str | os.PathLike, name: str) -> Path:
    """The folder of an experiment's records, made and tried, so that hours of work find a place to go."""
    folder = Path(out) / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise UsageError(
            f"--out {out}: {folder} cannot be written ({error.strerror}); pass a folder that can, say --out results."
        ) from error


def why_unjudged(settings: Settings, overrides: dict[str, Any], split: Split) -> str:
    """Why a run's numbers may not stand for the experiment's; empty if they may."""
    if split.stand_in:
        return "other data"
    if settings.validation:
        return "held-out training samples"
    return "small or changed settings" if settings.smoke or overrides else ""


def record_stem(variant: str, settings: Settings, overrides: dict[str, Any], stand_in: str = "") -> str:
    """Name of a record's files, another one for other data, sizes, splits and overrides (the record lists them)."""
    stem = f"{variant}-seed{settings.seed}" + ("-smoke" if settings.smoke else "")
    stem += ("-validation" if settings.validation else "") + ("-bundled" if stand_in else "")
    if not overrides:
        return stem
    return f"{stem}-set-{hashlib.sha256(repr(sorted(overrides.items())).encode()).hexdigest()[:8]}"


def choose_variants(experiment: Experiment, asked: str | None) -> tuple[str, ...]:
    """The variants named by ``a,b``, ``all`` or None (the default ones)."""
    if asked is None:
        return experiment.default
    if asked == "all":
        return tuple(experiment.variants)
    names = tuple(dict.fromkeys(name.strip() for name in asked.split(",")))
    for name in names:
        if name not in experiment.variants:
            raise UsageError(
                f"--variant {name!r}: {experiment.name} has no such variant. "
                f"Valid ones: {', '.join(experiment.variants)}, or all."
            )
    return names


def run(
    experiment: Experiment,
    settings: Settings,
    *,
    variants: Sequence[str] | None = None,
    overrides: dict[str, Any] | None = None,
    out: str | os.PathLike = "results",
    quiet: bool = False,
    console: Console | None = None,
    results_file: str | os.PathLike | None = None,
) -> list[Result]:
    """Run variants of an experiment, one after the other.

    Each variant's record is written as soon as it is done, so an interrupt loses only the variant that was running. A
    judged run's numbers go into `results_file` too, in the place of an earlier run's with the same seed.

    Raises
    ------
    UsageError
        If an override is no parameter of what is built, its value is refused, or `out` cannot be written.
    DatasetNotFoundError, DatasetCorruptError
        If the data set is absent or damaged.
    """
    overrides = overrides or {}
    variants = tuple(dict.fromkeys(variants or experiment.default))
    console = console or Console()
    # Every variant is built first, so that a wrong parameter is reported before hours of work.
    if overrides:
        check_names(experiment, settings, variants, overrides)
    estimators = {v: apply_overrides(experiment.build(v, settings), overrides) for v in variants}
    folder = prepare_folder(out, experiment.name)
    loading = Steps(console, quiet)
    loading.say(f"{experiment.title}\n{experiment.paper}")
    with loading("load data"):
        split = experiment.load(settings)
        split = split.held_out() if settings.validation else split
    unjudged = why_unjudged(settings, overrides, split)
    remarks = [f"Data: {split.stand_in}."] if split.stand_in else []
    remarks += [] if split.scored_on == "test" else [f"Scored on {split.scored_on}."]
    for remark in remarks:
        loading.say(remark)
    results = []
    for variant in variants:
        loading.say(f"{variant}: {experiment.variants[variant]}")
        reset_peak_memory()
        steps, start = Steps(console, quiet), time.perf_counter()
        estimator = estimators.pop(variant)
        try:
            numbers = experiment.measure(estimator, split, variant, settings, steps)
        except (ValueError, TypeError) as error:
            if not overrides:
                raise
            raise UsageError(f"--set {overrides}: {error}") from error
        rows = experiment.rows(numbers, split.stand_in)
        stem = record_stem(variant, settings, overrides, split.stand_in)
        seconds = {**loading.seconds, **steps.seconds}
        seconds["total"] = loading.seconds["load data"] + time.perf_counter() - start
        notes = [f"{variant}: {experiment.notes[variant]}."] if variant in experiment.notes else []
        result = Result(
            variant, rows, seconds, peak_memory_mb(), (), folder / f"{stem}.json", unjudged, (*remarks, *notes)
        )
        content = record(experiment, result, settings, overrides, estimator, split)
        write_json(result.path, content)
        if result.judged and experiment.published and results_file is not None:
            try:
                published.add(results_file, published.entry_of(content))
            except OSError as error:  # the record has the numbers, and more variants may follow
                steps.say(f"  not added to {results_file}: {error}")
        # The numbers are safe before anything is drawn.
        pictures = tuple(save_pictures(experiment, estimator, split, variant, settings, steps, folder, stem))
        if pictures:
            result = replace(result, pictures=pictures)
            write_json(result.path, {**content, "pictures": list(pictures)})
        results.append(result)
    return results


def save_pictures(
    experiment: Experiment,
    estimator: Any,
    split: Split,
    variant: str,
    settings: Settings,
    steps: Steps,
    folder: Path,
    stem: str,
) -> Iterable[str]:
    """Write the experiment's pictures, and yield their paths; say so where what draws them is not installed."""
    if experiment.pictures is None:
        return
    if importlib.util.find_spec("matplotlib") is None:
        steps.say("  no pictures: matplotlib is not installed (pip install 'featlearn[plot]')")
        return
    import matplotlib.pyplot as plt

    try:
        displays = experiment.pictures(estimator, split, variant, settings, steps)
        for name, draw in displays.items():
            path = folder / f"{stem}-{name}.png"
            with steps(f"draw {name}"):
                figure = draw().figure_
                figure.savefig(path, dpi=120, bbox_inches="tight")
                plt.close(figure)
            yield str(path)
    except ImportError as error:
        steps.say(f"  no pictures: {error}")


def record(
    experiment: Experiment,
    result: Result,
    settings: Settings,
    overrides: dict[str, Any],
    estimator: Any,
    split: Split,
) -> dict[str, Any]:
    """Everything about a run that its repetition needs."""
    return {
        "experiment": experiment.name,
        "variant": result.variant,
        "paper": experiment.paper,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": settings.seed,
        "smoke": settings.smoke,
        "data": split.stand_in or experiment.data,
        "stand_in": bool(split.stand_in),
        "scored_on": split.scored_on,
        "overrides": overrides,
        "parameters": parameters_of(estimator),
        "rows": [
            {
                "name": row.name,
                "ours": float(row.ours),
                "reported": None if row.reported is None else asdict(row.reported),
                "difference": None if row.difference is None else float(row.difference),
                "within_tolerance": row.within if result.judged else None,
                "bar": row.bar,
            }
            for row in result.rows
        ],
        "seconds": {name: round(value, 3) for name, value in result.seconds.items()},
        "peak_memory_mb": None if result.peak_memory_mb is None else round(result.peak_memory_mb, 1),
        "pictures": list(result.pictures),
        "versions": versions(),
        "cpu": published.cpu_name(),
        "cpu_count": joblib.cpu_count(),
        "platform": platform.platform(),
    }


def versions() -> dict[str, str]:
    """Of Python, of featlearn and of what it computes with."""
    found = {"python": platform.python_version(), "featlearn": featlearn.__version__}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def table(results: Sequence[Result]) -> Table:
    """Ours beside the paper's, one row a number; ours alone where the paper reports none of them."""
    sheet = Table()
    compared = any(row.reported or row.bar is not None for result in results for row in result.rows)
    headings = ("", "ours", "paper", "mark", "difference", "within tolerance") if compared else ("", "ours")
    for heading in headings:
        sheet.add_column(heading, justify="left" if heading in ("", "mark", "within tolerance") else "right")
    for result in results:
        for row in result.rows:
            sheet.add_row(row.name, *_cells(row, result)[: len(headings) - 1])
    return sheet


def _cells(row: Row, result: Result) -> tuple[str, ...]:
    if row.reported is None:
        return f"{row.ours:.2f}", "", "", "", _verdict(row, result)
    reported, d = row.reported, row.reported.decimals
    return (
        f"{row.ours:.{d}f}",
        f"{reported.value:.{d}f}",
        reported.mark,
        f"{row.ours - reported.value:+.{d}f}",
        _verdict(row, result),
    )


def _verdict(row: Row, result: Result) -> str:
    reported = row.reported
    if reported is None and row.bar is None:
        return ""
    if not result.judged:
        return f"not judged: {result.unjudged}"
    if reported is not None and reported.mark == "M":
        return "reported, unverified"
    if reported is None:
        return f"{'yes' if row.ours >= row.bar else 'no'} (at least {row.bar:g})"
    if reported.tolerance is None:
        return f"not judged: {reported.note}" if reported.note else "not judged"
    answer = "yes" if row.within else "no"
    return f"{answer} (tolerance {reported.tolerance:g})"
