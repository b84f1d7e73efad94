"""The treebank experiments: their settings, their split, and small runs."""

import json
from collections import Counter

import pytest

from featlearn.datasets import _trees, get_data_home
from featlearn.datasets._store import DatasetNotFoundError
from featlearn.grammar.brackets import parse_tree
from pipelines import treebank
from pipelines.experiment import Settings, Split
from pipelines.progress import Steps
from pipelines.runner import run
from pipelines.treebank import SETTINGS, TREEBANK, TREEBANK_CRAFT, VARIANTS


@pytest.fixture
def needs():
    """A function that skips the test where a treebank is absent, saying how to bring it."""

    def require(bank):
        try:
            _trees.find_files(bank, get_data_home())
        except DatasetNotFoundError as error:
            pytest.skip(str(error))

    return require


def rows(folder):
    records = [json.loads(path.read_text()) for path in folder.rglob("*.json")]
    return {row["name"]: row for record in records for row in record["rows"]}


def test_variants_build_what_they_say():
    assert set(SETTINGS) == set(VARIANTS)
    for experiment in (TREEBANK, TREEBANK_CRAFT):
        assert set(experiment.default) <= set(experiment.variants)
        for variant in experiment.variants:
            parameters = experiment.build(variant, Settings()).get_params()
            assert {name: parameters[name] for name in SETTINGS[variant]} == SETTINGS[variant]
            if variant != "plain":
                vertical, horizontal = (int(part[1:]) for part in variant.split("_")[:2])
                assert (parameters["vertical"], parameters["horizontal"]) == (vertical, horizontal)
            assert (parameters["annotations"] == "all") == variant.endswith("_split")


def test_papers_numbers_are_shown_and_not_judged():
    for name, reported in TREEBANK.reported.items():
        assert reported.mark == "M"
        assert reported.tolerance is None
        assert name.split(":")[0] in VARIANTS
    assert TREEBANK.bars.items() >= {"v2_h2: F1 %": 72.0, "v2_h2: points over plain": 4.0}.items()
    (row,) = TREEBANK.rows({"v2_h2_split: points over plain": 3.9})
    assert row.fails


def test_every_tenth_file_is_scored(tmp_path, monkeypatch):
    files = []
    for i in range(23):
        files.append(tmp_path / f"{i:02}.mrg")
        files[-1].write_text(f"( (S (NP-SBJ (NN w{i})) (VP (-NONE- *)) (. .)) )\n" * 11)
    monkeypatch.setattr(_trees, "find_files", lambda bank, home: files)
    split = treebank.penn(Settings())
    scored = Counter(words[0] for words in split.X_test)
    assert scored == {"w9": 11, "w19": 11}
    assert not scored.keys() & {words[0] for words in split.X_train}
    assert len(split.X_train) == len(split.y_train) == 21 * 11
    assert split.y_test[0] == parse_tree("(TOP (S (NP (NN w9)) (. .)))")
    assert [tree.words() for tree in split.y_train] == split.X_train
    assert len(treebank.penn(Settings(smoke=True)).X_train) == 18 * 11
    held = split.held_out()
    assert {words[0] for words in held.X_test} <= {words[0] for words in split.X_train}


def test_rows_are_what_the_parser_scores():
    trees = [
        parse_tree("(S (NP (DT the) (NN dog)) (VP (VBD saw) (NP (DT a) (NN cat))))"),
        parse_tree("(S (NP (NNP Anna)) (VP (VBD slept)))"),
    ] * 4
    long = parse_tree("(S (NP " + "(NN dog) " * 41 + ") (VP (VBD slept)))")
    sentences = [tree.words() for tree in trees]
    split = Split(sentences, trees, [*sentences[:2], long.words()], [*trees[:2], long])
    found = treebank.measure(TREEBANK.build("v2_h2", Settings()), split, "v2_h2", Settings(), Steps())
    assert found["v2_h2: F1 %"] == found["v2_h2: exact match %"] == 100
    assert found["v2_h2: sentences with a parse %"] == found["v2_h2: tags %"] == 100
    assert found["v2_h2: points over plain"] == 0
    assert "plain: points over plain" not in treebank.measure(
        TREEBANK.build("plain", Settings()), split, "plain", Settings(), Steps()
    )


def test_penn_smoke(tmp_path, needs):
    needs(_trees.PENN_SAMPLE)
    run(TREEBANK, Settings(smoke=True), variants=("plain", "v2_h2_split"), out=tmp_path, quiet=True)
    found = rows(tmp_path)
    assert min(found[f"{variant}: F1 %"]["ours"] for variant in ("plain", "v2_h2_split")) > 40
    assert found["v2_h2_split: tags %"]["ours"] > 60
    assert found["plain: F1 %"]["reported"]["mark"] == "M"


def test_craft_smoke(tmp_path, needs):
    needs(_trees.CRAFT)
    split = TREEBANK_CRAFT.load(Settings(smoke=True))
    assert len(split.X_train) > 1_000
    assert len(split.X_test) > 100
