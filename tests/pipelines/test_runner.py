"""The runner and the command line, with small fake experiments."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from featlearn.datasets import DatasetNotFoundError
from pipelines import EXPERIMENTS
from pipelines.__main__ import main
from pipelines.experiment import Experiment, Reported, Row, Settings, Split, fit_and_score
from pipelines.progress import Steps, peak_memory_mb, reset_peak_memory
from pipelines.runner import UsageError, choose_variants, parse_override, run, write_json


def split(settings=None):
    rng = np.random.default_rng(0)
    y = np.arange(120) % 3
    X = rng.normal(size=(120, 5)) + y[:, None] * [1.0, 0.5, 0, 0, 0]
    return Split(X[:80], y[:80], X[80:], y[80:])


def build(variant, settings):
    k = 1 if variant == "narrow" else 3
    return make_pipeline(StandardScaler(), PCA(k, random_state=settings.seed), LogisticRegression())


FAKE = Experiment(
    name="fake",
    title="A fake",
    paper="nobody, nowhere",
    data="nothing",
    variants={"wide": "three components", "narrow": "one component"},
    default=("wide",),
    load=split,
    build=build,
)


def reporting(value, mark, tolerance):
    return {"fake": replace(FAKE, reported={"wide": Reported(value, mark, tolerance)})}


def records(folder):
    return {path.name: json.loads(path.read_text()) for path in folder.rglob("*.json")}


def accuracy():
    data = split()
    return 100 * build("wide", Settings()).fit(data.X_train, data.y_train).score(data.X_test, data.y_test)


def test_step_by_step_is_fit_and_score():
    data, pipeline, steps = split(), build("wide", Settings()), Steps()
    score = fit_and_score(pipeline, data, steps)
    whole = build("wide", Settings()).fit(data.X_train, data.y_train)
    assert score == whole.score(data.X_test, data.y_test)
    np.testing.assert_array_equal(pipeline.predict(data.X_test), whole.predict(data.X_test))
    assert list(steps.seconds) == [
        "fit standardscaler",
        "standardscaler: transform train",
        "fit pca",
        "pca: transform train",
        "fit logisticregression",
        "standardscaler: transform test",
        "pca: transform test",
        "logisticregression: test",
    ]


def test_a_run_prints_a_table_and_writes_a_record(tmp_path, capsys):
    experiments = reporting(accuracy() + 0.25, "S", 0.5)
    assert main(["run", "fake", "--out", str(tmp_path), "--seed", "7"], experiments) == 0
    printed = capsys.readouterr().out
    assert f"{accuracy():.2f}" in printed
    assert f"{accuracy() + 0.25:.2f}" in printed
    assert "-0.25" in printed
    assert "yes (tolerance 0.5)" in printed
    found = json.loads((tmp_path / "fake" / "wide-seed7.json").read_text())
    assert (found["experiment"], found["variant"], found["seed"], found["smoke"]) == ("fake", "wide", 7, False)
    (row,) = found["rows"]
    assert row["name"] == "wide"
    assert row["ours"] == pytest.approx(accuracy())
    assert row["difference"] == pytest.approx(-0.25)
    assert row["within_tolerance"] is True
    assert row["reported"]["mark"] == "S"
    assert found["parameters"]["pca__n_components"] == 3
    assert found["parameters"]["pca__random_state"] == 7
    assert found["parameters"]["pca"] == "PCA"
    assert {"python", "numpy", "scipy", "scikit-learn", "numba", "featlearn"} == set(found["versions"])
    assert found["cpu_count"] >= 1
    assert found["peak_memory_mb"] > 10
    parts = [seconds for name, seconds in found["seconds"].items() if name != "total"]
    assert found["seconds"]["total"] >= sum(parts) - 0.02
    assert "load data" in found["seconds"]
    assert found["date"].endswith("+00:00")


@pytest.mark.parametrize(
    ("mark", "tolerance", "code", "words"),
    [
        ("S", 1.0, 1, "no (tolerance 1)"),
        ("R", 1.0, 1, "no (tolerance 1)"),
        ("A", 1.0, 1, "no (tolerance 1)"),
        ("A", 50.0, 0, "yes (tolerance 50)"),
        ("2nd", 1.0, 0, "no (tolerance 1)"),
        ("M", 1.0, 0, "reported, unverified"),
        ("A", None, 0, "not judged"),
    ],
)
def test_only_anchors_out_of_tolerance_fail_a_run(tmp_path, capsys, mark, tolerance, code, words):
    experiments = reporting(accuracy() - 5, mark, tolerance)
    assert main(["run", "fake", "--out", str(tmp_path)], experiments) == code
    assert words in capsys.readouterr().out


@pytest.mark.parametrize("change", [["--smoke"], ["--set", "pca__n_components=2"]])
def test_other_settings_are_never_judged(tmp_path, capsys, change):
    assert main(["run", "fake", "--out", str(tmp_path), *change], reporting(1.0, "S", 0.1)) == 0
    assert "not judged" in capsys.readouterr().out
    (found,) = records(tmp_path).values()
    assert found["rows"][0]["within_tolerance"] is None


def test_validation_scores_training_samples_that_were_held_out(tmp_path, capsys):
    data = split()
    seen = []

    def measure(estimator, given, variant, settings, steps):
        seen.append(given)
        return {variant: 1.0}

    experiments = {"fake": replace(FAKE, measure=measure, reported={"wide": Reported(70.0, "S", 0.1)})}
    assert main(["run", "fake", "--validation", "--out", str(tmp_path)], experiments) == 0
    (given,) = seen
    np.testing.assert_array_equal(given.X_train, data.X_train[:64])
    np.testing.assert_array_equal(given.y_train, data.y_train[:64])
    np.testing.assert_array_equal(given.X_test, data.X_train[64:])
    np.testing.assert_array_equal(given.y_test, data.y_train[64:])
    printed = capsys.readouterr().out
    assert "Scored on the last 16 training samples, held out." in printed
    assert "not judged: held-out training samples" in printed
    found = records(tmp_path)
    assert set(found) == {"wide-seed0-validation.json"}
    assert found["wide-seed0-validation.json"]["scored_on"] == "the last 16 training samples, held out"
    assert found["wide-seed0-validation.json"]["rows"][0]["within_tolerance"] is None
    assert main(["run", "fake", "--out", str(tmp_path), "--quiet"], {"fake": FAKE}) == 0
    assert records(tmp_path)["wide-seed0.json"]["scored_on"] == "test"


def test_at_most_ten_thousand_are_held_out():
    rows = np.arange(60_000)
    held = Split(rows, rows, rows, rows).held_out()
    assert (len(held.X_train), held.X_test[0], held.y_test[-1]) == (50_000, 50_000, 59_999)


def test_a_number_below_its_bar_fails_a_run(tmp_path, capsys):
    for bar, code, words in ((accuracy() - 1, 0, "yes (at least"), (accuracy() + 1, 1, "no (at least")):
        barred = {"fake": replace(FAKE, bars={"wide": bar})}
        assert main(["run", "fake", "--out", str(tmp_path)], barred) == code
        assert words in capsys.readouterr().out
    assert main(["run", "fake", "--out", str(tmp_path), "--smoke"], barred) == 0
    assert "not judged: small or changed settings" in capsys.readouterr().out
    assert Row("a", float("nan"), bar=1.0).fails


def test_notes_are_printed_under_the_table(tmp_path, capsys):
    noted = {"fake": replace(FAKE, notes={"wide": "it is wide", "narrow": "it is narrow"})}
    assert main(["run", "fake", "--out", str(tmp_path), "--quiet"], noted) == 0
    printed = capsys.readouterr().out
    assert printed.count("wide: it is wide.") == 1
    assert "it is narrow" not in printed


def test_rows():
    assert Row("a", 70.0, Reported(71.0, "S", 1.0)).within is True
    assert Row("a", 69.9, Reported(71.0, "S", 1.0)).fails
    assert not Row("a", 10.0, Reported(71.0, "M", 1.0)).fails
    assert Row("a", 10.0, Reported(71.0, "M", 1.0)).within is None
    assert Row("a", 10.0).difference is None


def test_set_reaches_nested_parameters(tmp_path):
    code = main(
        ["run", "fake", "--out", str(tmp_path), "--set", "pca__n_components=2", "--set", "pca__svd_solver=full"],
        {"fake": FAKE},
    )
    assert code == 0
    (found,) = records(tmp_path).values()
    assert found["overrides"] == {"pca__n_components": 2, "pca__svd_solver": "full"}
    assert found["parameters"]["pca__n_components"] == 2
    assert found["parameters"]["pca__svd_solver"] == "full"


def test_a_wrong_set_names_the_valid_parameters_before_any_work(tmp_path, capsys):
    never = replace(FAKE, load=lambda settings: pytest.fail("data were loaded"))
    code = main(
        ["run", "fake", "--variant", "all", "--out", str(tmp_path), "--set", "pca__n_component=2"], {"fake": never}
    )
    assert code == 2
    message = capsys.readouterr().err
    assert "--set pca__n_component: no variant of fake has such a parameter. Did you mean pca__n_components" in message
    assert "standardscaler__with_mean" in message
    assert main(["run", "fake", "--set", "nonsense"], {"fake": never}) == 2
    assert "write --set step__param=value" in capsys.readouterr().err


def test_a_refused_value_is_told_without_a_traceback(tmp_path, capsys):
    wrong = ["--set", "pca__n_components=-3"]
    assert main(["run", "fake", "--out", str(tmp_path), *wrong], {"fake": FAKE}) == 2
    message = capsys.readouterr().err
    assert "--set {'pca__n_components': -3}: " in message
    assert "'n_components' parameter of PCA must be" in message
    broken = {"fake": replace(FAKE, build=lambda variant, settings: make_pipeline(PCA(-3), LogisticRegression()))}
    with pytest.raises(ValueError, match="parameter of PCA must be"):  # a bug of the experiment's own is not hidden
        main(["run", "fake", "--out", str(tmp_path)], broken)


def bare(variant, settings):
    if variant == "wide":
        return build(variant, settings)
    return make_pipeline(StandardScaler(), LogisticRegression(C=2.0))


def test_a_parameter_of_some_variants_only_names_them(tmp_path, capsys):
    mixed = {"fake": replace(FAKE, default=("wide", "narrow"), build=bare)}
    out = ["--out", str(tmp_path)]
    assert main(["run", "fake", *out, "--set", "pca__n_components=2"], mixed) == 2
    message = capsys.readouterr().err
    assert "--set pca__n_components: narrow has no such parameter, only wide has it; add --variant wide." in message
    # a variant that was not asked for has it
    assert main(["run", "fake", *out, "--variant", "narrow", "--set", "pca__n_components=2"], mixed) == 2
    assert "add --variant wide." in capsys.readouterr().err
    # a misspelt name is looked for in every variant
    assert main(["run", "fake", *out, "--variant", "narrow", "--set", "pca__n_component=2"], mixed) == 2
    assert "Did you mean pca__n_components" in capsys.readouterr().err
    assert records(tmp_path) == {}
    assert main(["run", "fake", *out, "--variant", "wide", "--set", "pca__n_components=2"], mixed) == 0


def test_the_hint_names_a_variant_that_has_all_that_is_set(tmp_path, capsys):
    def apart(variant, settings):
        first = PCA(2) if variant == "wide" else StandardScaler()
        return make_pipeline(first, LogisticRegression())

    two = {"fake": replace(FAKE, default=("wide", "narrow"), build=apart)}
    command = ["run", "fake", "--out", str(tmp_path), "--set", "pca__n_components=1"]
    assert main([*command, "--set", "logisticregression__C=2.0"], two) == 2
    assert "add --variant wide." in capsys.readouterr().err
    assert main([*command, "--set", "standardscaler__with_mean=False"], two) == 2
    message = capsys.readouterr().err
    assert "no variant has all" in message
    assert "add --variant" not in message


def test_digits_tells_that_only_kmeans_has_a_dictionary(tmp_path, capsys):
    change = ["--set", "stage__learner__kmeansdictionary__n_components=10"]
    assert main(["run", "digits", "--smoke", "--out", str(tmp_path), *change]) == 2
    assert "only kmeans has it; add --variant kmeans." in capsys.readouterr().err


def test_an_overridden_run_leaves_the_plain_record(tmp_path):
    def go(*change):
        before = set(records(tmp_path))
        arguments = ["run", "fake", "--out", str(tmp_path), "--quiet"]
        assert main([*arguments, *(word for text in change for word in ("--set", text))], {"fake": FAKE}) == 0
        return set(records(tmp_path)) - before

    assert go() == {"wide-seed0.json"}
    (name,) = go("logisticregression__C=0.00001")
    assert name == "wide-seed0-set-e0cf27bb.json"  # the same in every process and on every machine
    assert records(tmp_path)["wide-seed0.json"]["overrides"] == {}
    assert records(tmp_path)[name]["overrides"] == {"logisticregression__C": 1e-5}
    assert go("logisticregression__C=1e-5") == set()  # the same value: the same record
    (other,) = go("logisticregression__C=1e-5", "pca__whiten=True")
    assert go("pca__whiten=True", "logisticregression__C=1e-5") == set()  # whatever the order
    assert other != name


def test_pictures_of_an_overridden_run_have_its_name(tmp_path):
    class Display:
        def __init__(self):
            import matplotlib.pyplot as plt

            self.figure_ = plt.figure(figsize=(1, 1))

    drawn = replace(FAKE, pictures=lambda *args: {"filters": Display})
    (result,) = run(drawn, Settings(), overrides={"pca__whiten": True}, out=tmp_path, quiet=True)
    assert result.pictures == (str(result.path).replace(".json", "-filters.png"),)
    assert not (tmp_path / "fake" / "wide-seed0-filters.png").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("pca=5", "--set pca=5: pca is made of whole steps"),
        ("logisticregression=passthrough", "Valid ones: logisticregression__C, "),
        ("steps=5", "Set step__param=value."),
        ("pca__n_components=(1, 2)", "parameter of PCA must be"),
    ],
)
def test_values_that_no_step_can_take_exit_with_2(tmp_path, capsys, change, words):
    assert main(["run", "fake", "--out", str(tmp_path), "--set", change], {"fake": FAKE}) == 2
    assert words in capsys.readouterr().err
    assert records(tmp_path) == {}


def test_whole_steps_are_refused_before_the_data_are_loaded(tmp_path, capsys):
    never = {"fake": replace(FAKE, load=lambda settings: pytest.fail("data were loaded"))}
    assert main(["run", "fake", "--out", str(tmp_path), "--set", "logisticregression=5"], never) == 2


def test_a_type_error_of_a_set_value_is_told(tmp_path, capsys):
    def measure(estimator, data, variant, settings, steps):
        raise TypeError("'<' not supported")

    wrong = {"fake": replace(FAKE, measure=measure)}
    assert main(["run", "fake", "--out", str(tmp_path), "--set", "pca__whiten=a"], wrong) == 2
    assert "--set {'pca__whiten': 'a'}: '<' not supported" in capsys.readouterr().err
    with pytest.raises(TypeError):  # without --set it is a bug, and shown as one
        main(["run", "fake", "--out", str(tmp_path)], wrong)


@pytest.mark.parametrize("seed", ["-1", "1.5", "many", str(2**32)])
def test_a_wrong_seed_is_a_usage_error(tmp_path, capsys, seed):
    with pytest.raises(SystemExit) as caught:
        main(["run", "fake", "--out", str(tmp_path), f"--seed={seed}"], {"fake": FAKE})
    assert caught.value.code == 2
    assert f"'{seed}' is no seed; pass a whole number from 0 to " in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_told_before_any_work(tmp_path, capsys, monkeypatch):
    never = {"fake": replace(FAKE, load=lambda settings: pytest.fail("data were loaded"))}
    file = tmp_path / "file"
    file.write_text("in the way")
    assert main(["run", "fake", "--out", str(file / "results")], never) == 2
    message = capsys.readouterr().err
    assert f"--out {file / 'results'}: " in message
    assert "cannot be written" in message
    assert "say --out results" in message
    # a folder that is there and takes no file
    monkeypatch.setattr("pipelines.runner.tempfile.TemporaryFile", lambda dir: (file / "x").open())
    assert main(["run", "fake", "--out", str(tmp_path)], never) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_set_values_are_literals_or_text():
    assert parse_override("a__b=1e-3") == ("a__b", 1e-3)
    assert parse_override("a__b=None") == ("a__b", None)
    assert parse_override("a__b=(6, 6)") == ("a__b", (6, 6))
    assert parse_override("a__b=hard") == ("a__b", "hard")
    assert parse_override("a__b=x=y") == ("a__b", "x=y")
    with pytest.raises(UsageError):
        parse_override("=1")


def test_variants(tmp_path, capsys):
    assert choose_variants(FAKE, None) == ("wide",)
    assert choose_variants(FAKE, "all") == ("wide", "narrow")
    assert choose_variants(FAKE, "narrow, wide") == ("narrow", "wide")
    assert choose_variants(FAKE, "narrow,wide,narrow") == ("narrow", "wide")
    assert len(run(FAKE, Settings(), variants=["wide", "wide"], out=tmp_path / "twice", quiet=True)) == 1
    assert main(["run", "fake", "--variant", "thin", "--out", str(tmp_path)], {"fake": FAKE}) == 2
    assert "Valid ones: wide, narrow, or all" in capsys.readouterr().err
    assert main(["run", "fake", "--variant", "all", "--out", str(tmp_path), "--quiet"], {"fake": FAKE}) == 0
    assert set(records(tmp_path)) == {"wide-seed0.json", "narrow-seed0.json"}
    assert "load data" not in capsys.readouterr().out


def test_an_interrupt_keeps_the_variants_that_are_done(tmp_path, capsys):
    def measure(estimator, data, variant, settings, steps):
        if variant == "narrow":
            raise KeyboardInterrupt
        return {variant: 1.0}

    stopped = {"fake": replace(FAKE, measure=measure)}
    assert main(["run", "fake", "--variant", "all", "--out", str(tmp_path)], stopped) == 130
    assert set(records(tmp_path)) == {"wide-seed0.json"}
    assert "Interrupted" in capsys.readouterr().err


def test_a_record_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_json(path, {"a": np.float64(1.5)})
    assert json.loads(path.read_text()) == {"a": 1.5}

    class Broken:
        def __repr__(self):
            raise RuntimeError("no text")

    with pytest.raises(RuntimeError):
        write_json(path, {"a": Broken()})
    with monkeypatch.context() as patch:  # killed after the text was written, before it took its name
        patch.setattr("pipelines.published.os.replace", lambda *paths: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 1.5}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_absent_data_give_exit_code_2_and_say_what_to_do(tmp_path, capsys):
    def load(settings):
        raise DatasetNotFoundError(f"CIFAR-10: put it into {settings.data_home}")

    absent = {"fake": replace(FAKE, load=load)}
    assert main(["run", "fake", "--data", "/nowhere", "--out", str(tmp_path)], absent) == 2
    message = capsys.readouterr().err
    assert "fake did not run: CIFAR-10: put it into /nowhere" in message
    assert "python -m pipelines run fake --data DIR" in message


@pytest.mark.parametrize("name", ["coates2011", "kmeans_mnist"])
def test_the_papers_without_data_and_network(tmp_path, capsys, no_network, name):
    assert main(["run", name, "--data", str(tmp_path / "empty"), "--out", str(tmp_path)]) == 2
    message = capsys.readouterr().err
    assert "FEATLEARN_DATA" in message
    assert str(tmp_path / "empty") in message
    assert "https://" in message


def test_list_names_every_experiment(capsys):
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    for experiment in EXPERIMENTS.values():
        assert experiment.name in printed
        assert all(variant in printed for variant in experiment.variants)
    with pytest.raises(SystemExit) as caught:
        main(["run", "coates2012"])
    assert caught.value.code == 2
    assert "coates2011" in capsys.readouterr().err


def test_experiments_are_frozen_and_whole():
    for name, experiment in EXPERIMENTS.items():
        assert experiment.name == name
        assert set(experiment.default) <= set(experiment.variants)
        with pytest.raises(AttributeError):
            experiment.title = "another"
        for reported in experiment.reported.values():
            assert reported.mark in {"S", "R", "A", "2nd", "M"}


def test_pictures_are_saved_or_their_lack_is_told(tmp_path, monkeypatch):
    class Display:
        def __init__(self):
            import matplotlib.pyplot as plt

            self.figure_ = plt.figure(figsize=(1, 1))

    drawn = replace(FAKE, pictures=lambda *args: {"filters": Display})
    (result,) = run(drawn, Settings(), out=tmp_path, quiet=True)
    assert result.pictures == (str(tmp_path / "fake" / "wide-seed0-filters.png"),)
    assert (tmp_path / "fake" / "wide-seed0-filters.png").read_bytes().startswith(b"\x89PNG")
    monkeypatch.setattr("pipelines.runner.importlib.util.find_spec", lambda name: None)
    sheet = io.StringIO()
    (result,) = run(drawn, Settings(), out=tmp_path, console=Console(file=sheet, width=120))
    assert result.pictures == ()
    assert "no pictures: matplotlib is not installed" in sheet.getvalue()


def test_a_terminal_shows_clocks_and_the_learners_bars():
    class Learner:
        seen = ()

        def set_callbacks(self, *callbacks):
            self.seen = (*self.seen, [type(callback).__name__ for callback in callbacks])

    sheet, learner = io.StringIO(), Learner()
    steps = Steps(Console(file=sheet, force_terminal=True, width=100), quiet=False)
    with steps("a step"):
        pass
    with steps("fit", learner):
        pass
    assert "a step" in sheet.getvalue()
    assert learner.seen == (["ProgressBar"], [])
    quiet = Learner()
    with Steps(quiet=True)("fit", quiet):
        pass
    assert quiet.seen == ()


def test_peak_memory_sees_an_allocation():
    reset_peak_memory()
    before = peak_memory_mb()
    block = np.ones(25_000_000)
    after = peak_memory_mb()
    assert block.sum() == 25_000_000
    assert 150 < after - before < 400
