"""The benchmarks' harness, their command line, and the two that are quick."""

import json
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks import growth, harness, imports, lda_gibbs, lda_variational, memory, networks, newsgroups, topics_memory


class Clock:
    """A clock that moves only when a contender runs."""

    def __init__(self):
        self.now = 0.0

    def perf_counter(self):
        return self.now


def test_side_by_side_takes_turns_and_gives_medians(monkeypatch):
    clock, order = Clock(), []
    monkeypatch.setattr(harness, "time", clock)
    # the first turn is the warmup: slow, and not counted
    seconds = {"a": iter([90.0, 1.0, 8.0, 2.0]), "b": iter([70.0, 5.0, 3.0, 4.0])}

    def contender(name):
        def run():
            order.append(name)
            clock.now += next(seconds[name])

        return run

    result = harness.side_by_side({name: contender(name) for name in seconds}, rounds=3, warmup=1)
    assert order == ["a", "b"] * 4
    assert result == {"a": 2.0, "b": 4.0}


def test_side_by_side_without_warmup_counts_every_turn(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(harness, "time", clock)
    took = iter([10.0, 1.0])
    assert harness.side_by_side({"a": lambda: setattr(clock, "now", clock.now + next(took))}, 2, 0) == {"a": 5.5}


def test_save_writes_the_record_and_what_its_repetition_needs(tmp_path):
    path = harness.save("speed", {"ratio": 0.5}, tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / "speed.json"
    record = json.loads(path.read_text())
    assert set(record) == {"benchmark", "date", "processor", "cores", "versions", "result"}
    assert (record["benchmark"], record["result"]) == ("speed", {"ratio": 0.5})
    assert record["date"].endswith("+00:00")
    assert record["cores"] >= 1
    assert {"python", "numpy", "scipy", "scikit-learn", "numba"} <= set(record["versions"])


@pytest.mark.parametrize("where", ["text", "disk", "name"])
def test_save_writes_whole_or_not_at_all(tmp_path, monkeypatch, where):
    path = harness.save("speed", {"ratio": 0.5}, tmp_path)
    before = path.read_text()

    def half(self, text):
        with self.open("w") as file:
            file.write(text[:20])
        raise OSError("no space left")

    def stopped(*paths):
        raise KeyboardInterrupt

    if where == "disk":
        monkeypatch.setattr(Path, "write_text", half)
    if where == "name":
        monkeypatch.setattr(harness.os, "replace", stopped)
    with pytest.raises({"text": TypeError, "disk": OSError, "name": KeyboardInterrupt}[where]):
        harness.save("speed", {"ratio": {1, 2} if where == "text" else 0.7}, tmp_path)
    assert path.read_text() == before
    assert list(tmp_path.iterdir()) == [path]


def test_show_prints_every_cell(capsys):
    harness.show("a title", ["", "seconds", "runs"], [["ours", 0.123456, 7], ["peer", 12.0, "none"]])
    printed = capsys.readouterr().out
    lines = {line.split()[1]: line for line in printed.splitlines() if line.startswith("\u2502")}
    assert "a title" in printed
    assert "seconds" in printed
    assert "0.123 " in lines["ours"]
    assert " 7 " in lines["ours"]
    assert " 12 " in lines["peer"]
    assert "none" in lines["peer"]


def test_an_unknown_benchmark_exits_with_2_and_names_the_known(capsys):
    with pytest.raises(SystemExit) as caught:
        command.main(["kmean"])
    assert caught.value.code == 2
    message = capsys.readouterr().err
    assert "invalid choice: 'kmean'" in message
    assert all(name in message for name in (*command.BENCHMARKS, "all"))


@pytest.mark.parametrize("asked", [["imports", "memory"], ["all"]])
def test_the_command_runs_what_is_named_and_saves_it(tmp_path, monkeypatch, capsys, asked):
    class Fake:
        def __init__(self, name):
            self.name = name

        def run(self, quick):
            return {"name": self.name, "quick": quick}

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "import_module", Fake)
    assert command.main([*asked, "--quick"]) == 0
    names = list(command.BENCHMARKS) if asked == ["all"] else asked
    folder = tmp_path / "results" / "benchmarks"
    assert {path.name for path in folder.iterdir()} == {f"{name}.json" for name in names}
    for name in names:
        assert json.loads((folder / f"{name}.json").read_text())["result"] == {
            "name": f"benchmarks.{name}",
            "quick": True,
        }
    printed = capsys.readouterr().out
    places = [printed.index(f"benchmarks/{name}.json") for name in names]
    assert all(a < b for a, b in pairwise(places))


def test_every_benchmark_named_is_there():
    folder = Path(command.__file__).parent
    shared = {"__init__", "__main__", "harness", "newsgroups"}
    assert {path.stem for path in folder.glob("*.py")} == shared | set(command.BENCHMARKS)


@pytest.mark.slow
def test_imports_gives_seconds_and_ratios(capsys):
    result = imports.run(quick=True)
    printed = capsys.readouterr().out
    names = {"import featlearn", "import sklearn.base", "python"}
    assert set(result) == {"seconds", "over_sklearn"}
    assert set(result["seconds"]) == set(result["over_sklearn"]) == names
    assert result["over_sklearn"]["import sklearn.base"] == 1
    for name in names:
        ratio = result["seconds"][name] / result["seconds"]["import sklearn.base"]
        assert result["over_sklearn"][name] == pytest.approx(ratio)
        assert name in printed
    assert result["seconds"]["python"] < result["seconds"]["import sklearn.base"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")
def test_memory_gives_the_growth_at_both_sizes(capsys):
    result = memory.run(quick=True)
    printed = capsys.readouterr().out
    assert list(result) == ["20000 samples", "200000 samples"]
    for name, measured in result.items():
        assert set(measured) == {"data_MB", "growth_MB"}
        assert measured["data_MB"] == pytest.approx(int(name.split()[0]) * 108 * 4 / 2**20)
        assert measured["growth_MB"] > 0
        assert name in printed
    # ten times the samples, 74 MB more of them: what is held does not grow with them
    assert result["200000 samples"]["growth_MB"] - result["20000 samples"]["growth_MB"] < 60


@pytest.mark.parametrize("home", ["data", "absent"])
def test_topic_corpora_share_terms_that_are_all_in_training(home, require_dataset, monkeypatch, tmp_path):
    if home == "data":
        require_dataset("20newsgroups")
    else:
        monkeypatch.setenv("FEATLEARN_DATA", str(tmp_path))
    train, test, what = newsgroups.topic_corpus(quick=True)
    assert (train.shape[0], test.shape[0]) == newsgroups.QUICK
    assert ((train > 0).sum(axis=0) >= 5).all()
    assert what.startswith("posts of 20" if home == "data" else "documents drawn")


@pytest.mark.slow
def test_lda_variational_compares_passes_and_bounds(require_dataset, monkeypatch, capsys):
    require_dataset("20newsgroups")
    monkeypatch.setattr(lda_variational, "n_threads", lambda: 1)  # the peer's processes take seconds to start
    monkeypatch.setitem(sys.modules, "gensim", None)
    result = lda_variational.run(quick=True)
    printed = capsys.readouterr().out
    assert result["batch"]["bound_difference"] < 0.05  # ours starts from topics of documents, so the two end apart
    assert set(result["online"]["seconds"]) == {"ours", "scikit-learn"}
    perplexity = result["online"]["perplexity"]
    assert 0.8 < perplexity["ours"] / perplexity["scikit-learn"] < 1.05
    assert f"{result['documents']} posts of 20 newsgroups, {result['terms']} terms" in " ".join(printed.split())


@pytest.mark.slow
def test_lda_gibbs_compares_speed_and_the_time_to_a_perplexity(require_dataset, monkeypatch, capsys):
    pytest.importorskip("tomotopy")
    require_dataset("20newsgroups")
    monkeypatch.setattr(lda_gibbs, "PATIENCE", 0)
    result = lda_gibbs.run(quick=True)
    assert set(result["rate"]) == set(result["after"]) == {"featlearn", "tomotopy"}
    assert result["after"]["featlearn"] == pytest.approx(result["after"]["tomotopy"], rel=0.1)
    reached = result["reached"]
    assert reached["featlearn"]["perplexity"] < 1.1 * result["goal"]
    assert reached["scikit-learn, online"]["seconds"] == 0
    assert "tomotopy" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="measures memory by the resource module")
def test_topics_memory_learns_every_line_of_the_file(capsys):
    result = topics_memory.run(quick=True)
    assert result["documents"] == 20_000
    assert 50 < result["peak_MB"] < 2000
    assert result["what"] in " ".join(capsys.readouterr().out.split())


def test_growth_finds_exponents():
    assert growth.slope([1, 2, 4], [3.0, 12.0, 48.0]) == pytest.approx(2)
    assert growth.slope([1, 2, 4], [5.0, 5.0, 5.0]) == pytest.approx(0)


def test_growth_writes_its_page(tmp_path):
    sizes = {"n": 1000, "d": 64, "K": 8}
    slopes = {
        f"{what}_{axis}": b for what in ("time", "memory") for axis, b in zip("ndK", (1.02, 0.98, 0.5), strict=True)
    }
    measured = {"sizes": sizes, "cpu_seconds": 0.251, "memory_MB": 3.21, **slopes}
    walked = measured | {"fixed": 3.0, "each": 1.0, "sent_MB": 0.0631, "most_MB": 1.3}
    result = {"KMeansDictionary": walked, "RBM": measured, "LinearSVM": measured | {"memory_MB": 0.4}}
    page = tmp_path / "growth.md"
    page.write_text("before\n<!-- growth -->\nold\n<!-- /growth -->\nafter\n")
    record = {
        "processor": "Abacus",
        "cores": 2,
        "date": "2026-11-29T20:00",
        "versions": {"numpy": "2"},
        "result": result,
    }
    growth.write_page(record, page)
    growth.write_page(record, page)
    lines = page.read_text().splitlines()
    assert lines[:2] + lines[-2:] == ["before", "<!-- growth -->", "<!-- /growth -->", "after"]
    assert (
        "| KMeansDictionary | 1000 x 64 x 8 | 3 + 1 i | 0.25 | n^1.0 d^1.0 K^0.5 | 3.2 | n^1.0 d^1.0 K^0.5 | 0.063 | 1.3 |"  # noqa: E501
        in lines
    )
    assert "| RBM | 1000 x 64 x 8 | epochs | 0.25 | n^1.0 d^1.0 K^0.5 | 3.2 | n^1.0 d^1.0 K^0.5 |  |  |" in lines
    assert any(line.startswith("| LinearSVM | 1000 x 64 x 8 | in memory |") for line in lines)
    assert "Measured on Abacus, 2 cores, 2026-11-29, NumPy 2." in lines


def test_growth_counts_walks_and_what_is_sent():
    dask = pytest.importorskip("dask", reason="pip install 'featlearn[dask]'")
    assert dask.__version__
    X = growth.draw("rows", 800, 6, 3)[0]
    _, _, make = growth.LEARNERS["ZCA"]
    found = growth.walks(make, X, None)
    assert (found["fixed"], found["each"]) == (1, 0)
    assert found["sent_MB"] * 2**20 == pytest.approx(6 * 6 * 8, abs=1000)  # second moments, and what pickle adds


@pytest.mark.slow
def test_networks_gives_epochs_losses_and_refits(capsys):
    result = networks.run(quick=True)
    printed = capsys.readouterr().out
    names = {"ours, by hand", "ours, Keras engine", "Keras TensorFlow with XLA", "Keras JAX", "scikit-learn"}
    assert names <= set(result["loss"])
    assert {"its products", "its products and Adam"} <= set(result["wall_s"])
    for name, losses in result["loss"].items():
        assert losses[-1] < losses[0]
        assert name in printed
    assert result["loss"]["ours, by hand"] == pytest.approx(result["loss"]["ours, Keras engine"], rel=0.02)
    assert set(result["refits"]) == {"numpy", "keras"}
    assert result["scikit_learn_over_ours"] > 0
