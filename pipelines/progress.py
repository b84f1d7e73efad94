"""Progress on the terminal, seconds of each step, and the peak of memory."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

SHOWN_FROM = 0.1  # seconds; a shorter step is recorded and not printed


class Steps:
    """Times named steps: ``with steps("fit dictionary"): ...``; ``seconds`` holds what each took.

    On a terminal a running step shows a clock, or the learner's own progress bars where it reports its iterations.
    """

    def __init__(self, console: Console | None = None, quiet: bool = True):
        self.console, self.quiet = console or Console(), quiet
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str, learner: Any = None) -> Iterator[None]:
        start = time.perf_counter()
        with self._display(name, learner):
            yield
        took = time.perf_counter() - start
        self.seconds[name] = self.seconds.get(name, 0.0) + took
        if took >= SHOWN_FROM:
            self.say(f"  {name:<40} {took:8.1f} s")

    def say(self, text: str) -> None:
        """Print a line, unless quiet."""
        if not self.quiet:
            self.console.print(text, markup=False, highlight=False)

    def _display(self, name, learner):
        if self.quiet or not self.console.is_terminal:
            return nullcontext()
        if hasattr(learner, "set_callbacks"):
            return _bars(learner)
        progress = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=self.console, transient=True
        )
        progress.add_task(name)
        return progress


@contextmanager
def _bars(learner):
    """The learner's own progress bars during its fit; afterwards it is as before."""
    from featlearn import ProgressBar

    learner.set_callbacks(ProgressBar())
    try:
        yield
    finally:
        learner.set_callbacks()


def reset_peak_memory() -> None:
    """Forget the peak so far, where the system can (Linux)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory_mb() -> float | None:
    """Most memory this process held at once, in MB (10^6 bytes), since the last reset; None where it cannot be told."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
