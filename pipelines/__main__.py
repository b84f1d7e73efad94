"""The command line: ``python -m pipelines list``, ``run NAME`` and ``table [--write]``."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from featlearn.datasets import DatasetCorruptError, DatasetNotFoundError
from pipelines import EXPERIMENTS, published
from pipelines.experiment import Experiment, Settings
from pipelines.runner import UsageError, choose_variants, parse_override, run, table

# Exit codes: every anchor within its tolerance; one is not; the data or a setting is missing; interrupted.
DONE, OUT_OF_TOLERANCE, NOT_RUN, INTERRUPTED = 0, 1, 2, 130


def seed(text: str) -> int:
    """A seed that every generator takes, also with the number of a run added."""
    if not text.isdecimal() or int(text) >= 2**31:
        raise argparse.ArgumentTypeError(f"{text!r} is no seed; pass a whole number from 0 to {2**31 - 1}")
    return int(text)


def parser(experiments: Mapping[str, Experiment]) -> argparse.ArgumentParser:
    """The parser of the three commands."""
    top = argparse.ArgumentParser(prog="python -m pipelines", description="Papers as runnable experiments.")
    commands = top.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="what can be run")
    command = commands.add_parser("run", help="run one experiment")
    command.add_argument("name", choices=list(experiments), metavar="NAME", help=", ".join(experiments))
    command.add_argument("--variant", metavar="NAME[,NAME...]", help="variants to run, or all")
    command.add_argument("--data", metavar="DIR", help="folder of the data sets (default: FEATLEARN_DATA, or a cache)")
    command.add_argument(
        "--set", action="append", default=[], metavar="STEP__PARAM=VALUE", help="change a parameter; may be repeated"
    )
    command.add_argument("--smoke", action="store_true", help="a small version that takes seconds")
    command.add_argument(
        "--validation", action="store_true", help="score held-out training samples instead of the test samples"
    )
    command.add_argument("--seed", type=seed, default=0, help="0 or more; default: 0")
    command.add_argument("--out", default="results", metavar="DIR", help="where records go (default: results)")
    command.add_argument("--quiet", action="store_true", help="print the table only")
    show = commands.add_parser("table", help="the committed results as Markdown")
    show.add_argument(
        "--write",
        nargs="?",
        const=published.PAGE,
        metavar="FILE",
        help="replace the tables between the markers in FILE (default: docs/results.md)",
    )
    show.add_argument("--import", dest="folder", metavar="DIR", help="first take the full runs recorded in DIR")
    for each in (command, show):
        each.add_argument("--results", default=published.RESULTS, metavar="FILE", help="the committed results")
    return top


def show_list(experiments: Mapping[str, Experiment], console: Console) -> None:
    """Print every experiment with its paper, its data and its variants."""
    sheet = Table(show_lines=True)
    for heading in ("name", "what", "data", "variants (* runs by default)"):
        sheet.add_column(heading)
    for experiment in experiments.values():
        variants = [f"{name}{' *' if name in experiment.default else ''}" for name in experiment.variants]
        sheet.add_row(experiment.name, f"{experiment.title}\n{experiment.paper}", experiment.data, "\n".join(variants))
    console.print(sheet)


def show_table(arguments: argparse.Namespace, experiments: Mapping[str, Experiment]) -> int:
    """Print the committed results, or write them into a file."""
    if arguments.folder:
        n = published.add_folder(arguments.results, arguments.folder, experiments)
        print(f"{n} results taken from {arguments.folder}", file=sys.stderr)
    block = published.markdown(published.read(arguments.results), experiments)
    if not arguments.write:
        print(block)
        return DONE
    path = Path(arguments.write)
    try:
        published.write_text(path, published.replace_block(path.read_text(), block))
    except (OSError, ValueError) as error:
        print(f"--write {path}: {error}", file=sys.stderr)
        return NOT_RUN
    return DONE


def main(argv: Sequence[str] | None = None, experiments: Mapping[str, Experiment] = EXPERIMENTS) -> int:
    """Run a command line and return the exit code."""
    arguments = parser(experiments).parse_args(argv)
    console = Console()
    if not console.is_terminal:
        console = Console(width=140)  # a file or a pipe does not wrap
    if arguments.command == "list":
        show_list(experiments, console)
        return DONE
    if arguments.command == "table":
        return show_table(arguments, experiments)
    os.environ.setdefault("MPLBACKEND", "Agg")  # pictures go to files
    experiment = experiments[arguments.name]
    settings = Settings(arguments.seed, arguments.smoke, arguments.data, arguments.validation)
    try:
        results = run(
            experiment,
            settings,
            variants=choose_variants(experiment, arguments.variant),
            overrides=dict(map(parse_override, arguments.set)),
            out=arguments.out,
            quiet=arguments.quiet,
            console=console,
            results_file=arguments.results,
        )
    except (UsageError, DatasetNotFoundError, DatasetCorruptError) as error:
        print(f"{experiment.name} did not run: {error}", file=sys.stderr)
        if isinstance(error, DatasetNotFoundError):
            print(f"Then: python -m pipelines run {experiment.name} --data DIR", file=sys.stderr)
        return NOT_RUN
    except KeyboardInterrupt:
        print("Interrupted; records of the variants that were done are kept.", file=sys.stderr)
        return INTERRUPTED
    if arguments.quiet:
        console.print(experiment.title, highlight=False)
    console.print(table(results))
    for result in results:
        peak = "" if result.peak_memory_mb is None else f", peak memory {result.peak_memory_mb:,.0f} MB"
        files = ", ".join(map(str, (result.path, *result.pictures)))
        console.print(
            f"{result.variant}: {result.seconds['total']:.1f} s{peak}; {files}", soft_wrap=True, highlight=False
        )
    for remark in dict.fromkeys(remark for result in results for remark in result.remarks):
        console.print(remark, soft_wrap=True, highlight=False, markup=False)
    return OUT_OF_TOLERANCE if any(result.fails for result in results) else DONE


if __name__ == "__main__":
    sys.exit(main())
