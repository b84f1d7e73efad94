"""The committed results, how runs get into them, and the tables of docs/results.md made from them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline

from pipelines import EXPERIMENTS, published
from pipelines.__main__ import main
from pipelines.experiment import Experiment, Reported, Settings, Split

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "pipelines" / "results.json"


class Judge(PCA):
    """Scores what it is told to."""

    def score(self, X, y):
        return 0.75


def load(settings):
    import numpy as np

    X, y = np.eye(50), np.arange(50) % 2
    return Split(X[:40], y[:40], X[40:], y[40:], stand_in="toys, because the real thing was not found" * STAND_IN)


STAND_IN = False

FAKE = Experiment(
    name="fake",
    title="A fake",
    paper="nobody, nowhere",
    data="nothing",
    variants={"wide": "three components", "narrow": "one component"},
    default=("wide",),
    load=load,
    build=lambda variant, settings: make_pipeline(
        PCA(2), Judge(3 if variant == "wide" else 1, random_state=settings.seed).set_params(n_components=1)
    ),
    reported={"wide": Reported(75.5, "R", 1.0), "narrow": Reported(70.0, "M")},
    notes={"narrow": "it is narrow"},
)
FAKES = {"fake": FAKE}


def entry(variant="wide", seed=0, date="2026-01-01", ours=75.0, experiment="fake", name=None, **row):
    shown = {"name": name or variant, "ours": ours, "reported": None, "mark": None, "bar": None, **row}
    return {
        "experiment": experiment,
        "variant": variant,
        "seed": seed,
        "date": date,
        "scored_on": "test",
        "machine": "8 cores, Abacus, Linux",
        "seconds": 167.0,
        "peak_memory_mb": 2125.0,
        "rows": [shown],
    }


def test_a_full_run_adds_its_entry_and_replaces_its_earlier_one(tmp_path, results_of_the_test):
    published.add(results_of_the_test, entry(ours=1.0), entry("narrow", ours=2.0), entry(seed=1, ours=3.0))
    assert main(["run", "fake", "--out", str(tmp_path), "--quiet"], FAKES) == 0
    found = {published.key(e): e for e in published.read(results_of_the_test)}
    assert set(found) == {("fake", "wide", 0), ("fake", "narrow", 0), ("fake", "wide", 1)}
    new = found["fake", "wide", 0]
    (row,) = new["rows"]
    assert row == {"name": "wide", "ours": 75.0, "reported": 75.5, "mark": "R", "bar": None}
    record = json.loads((tmp_path / "fake" / "wide-seed0.json").read_text())
    assert (new["date"], new["seconds"], new["peak_memory_mb"], new["scored_on"]) == (
        record["date"],
        record["seconds"]["total"],
        record["peak_memory_mb"],
        "test",
    )
    assert f"{record['cpu_count']} core" in new["machine"]
    assert found["fake", "narrow", 0]["rows"][0]["ours"] == 2.0


@pytest.mark.parametrize(
    "change", [["--smoke"], ["--validation"], ["--set", "pca__whiten=True"], ["--results", "elsewhere.json"]]
)
def test_other_runs_leave_the_results_alone(tmp_path, results_of_the_test, monkeypatch, change):
    monkeypatch.chdir(tmp_path)
    assert main(["run", "fake", "--out", str(tmp_path), "--quiet", *change], FAKES) == 0
    assert published.read(results_of_the_test) == []
    assert (tmp_path / "elsewhere.json").exists() == ("--results" in change)


def test_bundled_data_never_pass_for_the_real_ones(tmp_path, results_of_the_test, monkeypatch, capsys):
    monkeypatch.setattr(f"{__name__}.STAND_IN", True)
    assert main(["run", "fake", "--out", str(tmp_path), "--quiet"], FAKES) == 0
    printed = capsys.readouterr().out
    assert "Data: toys, because the real thing was not found." in printed
    assert "75.5" not in printed
    (record,) = (json.loads(path.read_text()) for path in tmp_path.rglob("*.json"))
    assert (tmp_path / "fake" / "wide-seed0-bundled.json").exists()
    assert record["data"] == "toys, because the real thing was not found"
    assert record["stand_in"] is True
    assert [(row["name"], row["reported"]) for row in record["rows"]] == [("wide (bundled data)", None)]
    assert published.read(results_of_the_test) == []


def test_an_experiment_may_stay_out_of_the_results(tmp_path, results_of_the_test):
    private = {"fake": replace(FAKE, published=False)}
    assert main(["run", "fake", "--out", str(tmp_path), "--quiet"], private) == 0
    assert published.read(results_of_the_test) == []
    assert not EXPERIMENTS["digits"].published  # `make demo` must not change a committed file


def test_results_that_cannot_be_written_do_not_stop_a_run(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    place = str(tmp_path / "file" / "results.json")
    assert main(["run", "fake", "--variant", "all", "--out", str(tmp_path), "--results", place], FAKES) == 0
    assert f"not added to {place}" in capsys.readouterr().out
    assert len(list(tmp_path.rglob("*-seed0.json"))) == 2


def test_import_takes_full_runs_with_todays_settings(tmp_path, results_of_the_test, capsys):
    out = ["--out", str(tmp_path), "--quiet", "--results", str(tmp_path / "unused.json")]
    assert main(["run", "fake", *out], FAKES) == 0
    assert main(["run", "fake", *out, "--variant", "narrow", "--smoke"], FAKES) == 0
    assert main(["run", "fake", *out, "--seed", "1", "--set", "pca__whiten=True"], FAKES) == 0
    assert main(["run", "fake", *out, "--seed", "2", "--set", "pca__whiten=False"], FAKES) == 0  # as it is anyway
    assert main(["table", "--import", str(tmp_path)], FAKES) == 0
    assert "2 results taken" in capsys.readouterr().err
    assert [published.key(e) for e in published.read(results_of_the_test)] == [("fake", "wide", 0), ("fake", "wide", 2)]
    # what is there already stays, unless the record is newer
    published.add(results_of_the_test, entry(date="2999", ours=1.0), entry(seed=2, date="1999", ours=1.0))
    assert main(["table", "--import", str(tmp_path)], FAKES) == 0
    assert [e["rows"][0]["ours"] for e in published.read(results_of_the_test)] == [1.0, 75.0]
    # a parameter of the record that is gone, or of another value, makes it yesterday's
    record = json.loads((tmp_path / "fake" / "wide-seed0.json").read_text())
    today = dict(record["parameters"])
    assert published.has_todays_settings(record, today)
    assert published.has_todays_settings(record, {**today, "new": 1})
    assert not published.has_todays_settings(record, {**today, "pca__n_components": 3})
    assert not published.has_todays_settings({**record, "parameters": {**today, "gone": None}}, today)
    assert not published.has_todays_settings({**record, "scored_on": "held out"}, today)
    assert not published.has_todays_settings({**record, "stand_in": True}, today)


def test_table(tmp_path, results_of_the_test, capsys):
    assert main(["table"], FAKES) == 0
    assert capsys.readouterr().out == "No results yet.\n"
    published.add(
        results_of_the_test,
        entry(reported=75.5, mark="R"),
        entry("narrow", reported=70.0, mark="M", ours=69.996),
        entry(seed=3),
        entry("gone"),
        entry(experiment="gone"),
    )
    assert main(["table"], FAKES) == 0
    assert capsys.readouterr().out.splitlines() == [
        "## A fake",
        "",
        "`python -m pipelines run fake`",
        "",
        "| variant | ours | reported | whole run | peak memory |",
        "|---|---|---|---|---|",
        "| `wide`: three components | **75.00** | 75.5 (R) | 2 min 47 s | 2.1 GB |",
        "| `wide`: three components, seed 3 | **75.00** |  | 2 min 47 s | 2.1 GB |",
        "| `narrow`: one component | **70.00** | 70 (M) | 2 min 47 s | 2.1 GB |",
        "",
        "`narrow`: it is narrow.",
        "",
        "Test samples; seed 0 unless said; one run each, measured on 8 cores, Abacus, Linux. Reported numbers: R read "
        "in a reference implementation; M from memory, unverified.",
    ]


def test_rows_of_a_run_share_its_cost_and_only_headlines_are_shown():
    many = {**entry(name="wide: gain", bar=6.0), "seconds": 9.4, "peak_memory_mb": 583.1}
    many["rows"] += [{**many["rows"][0], "name": f"wide: {ending}", "bar": None} for ending in ("loss", "detail")]
    experiments = {"fake": replace(FAKE, headlines=("gain", "loss"))}
    lines = [line for line in published.markdown([many], experiments).splitlines() if line.startswith("| `")]
    assert lines == [
        "| `wide`: three components, gain | **75.00** | our bar: 6 | 9 s | 583 MB |",
        "| `wide`, loss | **75.00** |  |  |  |",
    ]


def test_write_replaces_what_is_between_the_markers(tmp_path, results_of_the_test, capsys):
    published.add(results_of_the_test, entry())
    page = tmp_path / "page.md"
    page.write_text(f"before\n\n{published.BEGIN}\nold\n{published.END}\n\nafter\n")
    assert main(["table", "--write", str(page)], FAKES) == 0
    text = page.read_text()
    assert text.startswith(f"before\n\n{published.BEGIN}\n## A fake\n")
    assert text.endswith(f"\n{published.END}\n\nafter\n")
    assert "old" not in text
    assert main(["table", "--write", str(page)], FAKES) == 0
    assert page.read_text() == text
    for wrong in ("no markers", f"{published.END}{published.BEGIN}", 2 * (published.BEGIN + published.END)):
        page.write_text(wrong)
        assert main(["table", "--write", str(page)], FAKES) == 2
        assert "<!-- results --> and <!-- /results --> must be there once each" in capsys.readouterr().err
        assert page.read_text() == wrong
    assert main(["table", "--write", str(tmp_path / "absent.md")], FAKES) == 2


def test_write_without_a_name_writes_the_page_of_results(tmp_path, results_of_the_test, monkeypatch):
    published.add(results_of_the_test, entry())
    monkeypatch.setattr(published, "PAGE", tmp_path / "results.md")
    published.PAGE.write_text(f"{published.BEGIN}\n{published.END}\n")
    assert main(["table", "--write"], FAKES) == 0
    assert "## A fake" in published.PAGE.read_text()


def test_the_page_holds_the_committed_results():
    text = published.PAGE.read_text()
    block = published.markdown(published.read(COMMITTED), EXPERIMENTS)
    assert text == published.replace_block(text, block), (
        "run `python -m pipelines table --write`; or, to forget what you ran yourself, "
        "`git checkout pipelines/results.json`"
    )


def test_the_committed_results_are_of_experiments_and_numbers_that_exist():
    entries = published.read(COMMITTED)
    assert len({published.key(e) for e in entries}) == len(entries)
    for e in entries:
        experiment = EXPERIMENTS[e["experiment"]]
        assert e["variant"] in experiment.variants
        assert e["scored_on"] == "test"
        for row in e["rows"]:
            reported = experiment.reported.get(row["name"])
            assert (row["reported"], row["mark"]) == (reported and reported.value, reported and reported.mark)
            assert row["bar"] == experiment.bars.get(row["name"])
            assert row["name"].startswith(e["variant"])


def test_the_first_numbers_are_kept():
    ours = {row["name"]: row["ours"] for e in published.read(COMMITTED) for row in e["rows"]}
    assert {"kmeans_triangle_1600", "kmeans_triangle_4000"} <= set(ours)
    note = EXPERIMENTS["coates2011"].notes["kmeans_triangle_4000"]
    assert "informed by the test images" in note
    assert note in published.PAGE.read_text()


def test_todays_settings_are_asked_of_the_experiment(tmp_path):
    built = published.parameters_of(FAKE.build("wide", Settings(seed=4)))
    record = {
        **{name: entry(seed=4)[name] for name in ("experiment", "variant", "seed", "date")},
        "smoke": False,
        "parameters": {**built, "judge__random_state": 4},
        "rows": [{"name": "wide", "ours": 75.0, "reported": None}],
        "seconds": {"total": 1.0},
        "peak_memory_mb": None,
        "cpu_count": 2,
        "platform": "Linux-x",
    }
    (tmp_path / "fake").mkdir()
    path = tmp_path / "fake" / "record.json"
    path.write_text(json.dumps(record, default=repr))
    assert [published.key(e) for e in published.entries_of_folder(tmp_path, FAKES)] == [("fake", "wide", 4)]
    older = tmp_path / "fake" / "z-record.json"
    older.write_text(json.dumps({**record, "date": "1999", "peak_memory_mb": 1.0}, default=repr))
    (tmp_path / "fake" / "a-record.json").write_text(older.read_text())
    assert [e["date"] for e in published.entries_of_folder(tmp_path, FAKES)] == [record["date"]]
    older.unlink()
    (tmp_path / "fake" / "a-record.json").unlink()
    path.write_text(json.dumps({**record, "seed": 5}, default=repr))
    assert published.entries_of_folder(tmp_path, FAKES) == []
    path.write_text(json.dumps({**record, "experiment": "gone"}, default=repr))
    assert published.entries_of_folder(tmp_path, FAKES) == []
