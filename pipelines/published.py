"""The committed results: one entry for each variant and seed, and the tables of docs/results.md made from them.

A full run of an experiment's own settings, scored on the test samples of its own data, replaces its entry; runs with
``--smoke``, ``--set``, ``--validation`` or bundled data never do.
"""

import json
import os
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipelines.experiment import Experiment, Settings, parameters_of

RESULTS = Path(__file__).with_name("results.json")
PAGE = Path(__file__).parent.parent / "docs" / "results.md"
BEGIN, END = "<!-- results -->", "<!-- /results -->"
MARKS = {
    "S": "printed in the lecture notes",
    "R": "read in a reference implementation",
    "A": "read in the paper's abstract",
    "2nd": "read in a survey",
    "M": "from memory, unverified",
}

Entry = dict[str, Any]


def key(entry: Entry) -> tuple[str, str, int]:
    """What an entry is the only one of."""
    return entry["experiment"], entry["variant"], entry["seed"]


def entry_of(record: Mapping[str, Any]) -> Entry:
    """The part of a run's record that is committed."""
    kept = ("experiment", "variant", "seed", "date", "scored_on")
    return {
        **{name: record[name] for name in kept},
        "machine": _machine(record),
        "seconds": record["seconds"]["total"],
        "peak_memory_mb": record["peak_memory_mb"],
        "rows": [
            {
                "name": row["name"],
                "ours": round(row["ours"], 6),
                "reported": row["reported"] and row["reported"]["value"],
                "mark": row["reported"] and row["reported"]["mark"],
                "bar": row.get("bar"),
            }
            for row in record["rows"]
        ],
    }


def read(path: str | os.PathLike = RESULTS) -> list[Entry]:
    """The entries of a file; none if there is no file."""
    path = Path(path)
    return json.loads(path.read_text())["results"] if path.exists() else []


def add(path: str | os.PathLike, *entries: Entry) -> None:
    """Put entries into a file, each in the place of an earlier one of its variant and seed."""
    kept = {key(entry): entry for entry in (*read(path), *entries)}
    write_json(Path(path), {"results": [kept[k] for k in sorted(kept)]})


def has_todays_settings(record: Mapping[str, Any], parameters: Mapping[str, Any]) -> bool:
    """Whether a record is of a full run on test samples, with the parameters that are built today.

    Parameters that did not exist when the record was written are not asked for.
    """
    full = not record["smoke"] and not record.get("stand_in") and record.get("scored_on", "test") == "test"
    today = json.loads(json.dumps(parameters, default=plain))
    missing = object()
    return full and all(today.get(name, missing) == value for name, value in record["parameters"].items())


def entries_of_folder(folder: str | os.PathLike, experiments: Mapping[str, Experiment]) -> list[Entry]:
    """The latest entry for each variant and seed among the records in a folder, of those with today's settings."""
    found: dict[tuple, Entry] = {}
    for path in sorted(Path(folder).glob("*/*.json")):
        record = json.loads(path.read_text())
        experiment = experiments.get(record.get("experiment"))
        if experiment is None or not experiment.published or record["variant"] not in experiment.variants:
            continue
        built = experiment.build(record["variant"], Settings(seed=record["seed"]))
        if not has_todays_settings(record, parameters_of(built)):
            continue
        entry = entry_of({"scored_on": "test", **record})
        if key(entry) not in found or entry["date"] > found[key(entry)]["date"]:
            found[key(entry)] = entry
    return list(found.values())


def add_folder(path: str | os.PathLike, folder: str | os.PathLike, experiments: Mapping[str, Experiment]) -> int:
    """Add the entries of a folder's records to a file, unless it has later ones; how many were added."""
    dates = {key(entry): entry["date"] for entry in read(path)}
    later = [e for e in entries_of_folder(folder, experiments) if e["date"] > dates.get(key(e), "")]
    if later:
        add(path, *later)
    return len(later)


def markdown(entries: Iterable[Entry], experiments: Mapping[str, Experiment]) -> str:
    """The tables: one for each experiment that has entries, in the order of the code."""
    entries = list(entries)
    parts = []
    for experiment in experiments.values():
        order = list(experiment.variants)
        own = [e for e in entries if e["experiment"] == experiment.name and e["variant"] in order]
        if own:
            own.sort(key=lambda e: (order.index(e["variant"]), e["seed"]))
            parts.append(_section(experiment, own))
    return "\n\n".join([*parts, _legend(entries)] if parts else ["No results yet."])


def _section(experiment: Experiment, entries: list[Entry]) -> str:
    lines = [
        f"## {experiment.title}",
        "",
        f"`python -m pipelines run {experiment.name}`",
        "",
        "| variant | ours | reported | whole run | peak memory |",
        "|---|---|---|---|---|",
    ]
    for entry in entries:
        name, seed = entry["variant"], f", seed {entry['seed']}" if entry["seed"] else ""
        label, cost = f"`{name}`: {experiment.variants[name]}{seed}", (_duration(entry), _memory(entry))
        for row in entry["rows"]:
            ending = row["name"].removeprefix(name).removeprefix(": ")
            if experiment.headlines and ending and ending not in experiment.headlines:
                continue
            text = ", ".join(filter(None, (label, ending)))
            lines.append(f"| {text} | **{_ours(row, experiment)}** | {_reported(row)} | {cost[0]} | {cost[1]} |")
            label, cost = f"`{name}`", ("", "")  # once for each run
    noted = [name for name in dict.fromkeys(e["variant"] for e in entries) if name in experiment.notes]
    for name in noted:
        lines += ["", f"`{name}`: {experiment.notes[name]}."]
    return "\n".join(lines)


def _ours(row, experiment):
    reported = experiment.reported.get(row["name"])
    return f"{row['ours']:.{2 if reported is None else reported.decimals}f}"


def _reported(row):
    if row["reported"] is not None:
        return f"{row['reported']:g} ({row['mark']})"
    return "" if row["bar"] is None else f"our bar: {row['bar']:g}"


def _duration(entry):
    minutes, seconds = divmod(round(entry["seconds"]), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def _memory(entry):
    mb = entry["peak_memory_mb"]
    return "" if mb is None else f"{mb / 1000:.1f} GB" if mb >= 1000 else f"{mb:.0f} MB"


def _legend(entries):
    used = {row["mark"] for entry in entries for row in entry["rows"]}
    marks = "; ".join(f"{mark} {meaning}" for mark, meaning in MARKS.items() if mark in used)
    machines = "; ".join(sorted({entry["machine"] for entry in entries}))
    text = f"Test samples; seed 0 unless said; one run each, measured on {machines}."
    return text + (f" Reported numbers: {marks}." if marks else "")


def _machine(record):
    n = record["cpu_count"]
    cpu = [record["cpu"]] if record.get("cpu") else []
    return ", ".join([f"{n} core{'s' if n > 1 else ''}", *cpu, record["platform"].split("-")[0]])


def replace_block(text: str, block: str) -> str:
    """A text with what stands between the markers replaced.

    Raises
    ------
    ValueError
        If the two markers are not there once each, in order.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(
            f"the lines {BEGIN} and {END} must be there once each, in this order; put them where the tables shall go."
        )
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{block}\n{END}{rest.split(END)[1]}"


def cpu_name() -> str:
    """What the processor calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, "") or platform.processor() or platform.machine()


def write_text(path: Path, text: str) -> None:
    """Write a file so that a reader never meets half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON so that a reader never meets half a file."""
    write_text(path, json.dumps(content, indent=2, default=plain) + "\n")


def plain(value: Any) -> Any:
    """NumPy scalars as Python numbers, anything else as text."""
    return value.item() if hasattr(value, "item") else repr(value)
