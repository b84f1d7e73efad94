"""Timing side by side, a table, and a JSON record."""

import json
import os
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table


def side_by_side(contenders: dict[str, Callable[[], object]], rounds: int = 5, warmup: int = 1) -> dict[str, float]:
    """Median seconds of each contender, run in turn A B C A B C ..., so that a drifting machine is fair to all."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(warmup + rounds):
        for name, run in contenders.items():
            start = time.perf_counter()
            run()
            if turn >= warmup:
                times[name].append(time.perf_counter() - start)
    return {name: median(seconds) for name, seconds in times.items()}


def versions() -> dict[str, str]:
    """Versions of what was compared."""
    found = {}
    for name in (
        "numpy",
        "scipy",
        "scikit-learn",
        "numba",
        "faiss-cpu",
        "tensorflow",
        "tensorflow-cpu",
        "keras",
        "jax",
        "gensim",
        "tomotopy",
        "nltk",
    ):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found | {"python": platform.python_version()}


def show(title: str, columns: list[str], rows: list[list]) -> None:
    """Print one table."""
    table = Table(title=title, title_justify="left")
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right")
    for row in rows:
        table.add_row(*(f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row))
    Console(width=max(100, Console().width)).print(table)


def processor() -> str:
    """The processor's name, as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def save(name: str, result: dict, folder: str | Path = "results/benchmarks") -> Path:
    """Write the record, whole or not at all."""
    record = {
        "benchmark": name,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "versions": versions(),
        "result": result,
    }
    path = Path(folder) / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    try:
        part.write_text(json.dumps(record, indent=2) + "\n")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path
