"""``python -m featlearn parse``: trees, probabilities, pictures, saved parsers, and what it says of wrong input."""

import io
import subprocess
import sys

import joblib
import pytest

from featlearn.commands import main
from featlearn.commands.parse import number
from featlearn.grammar.brackets import parse_trees
from featlearn.grammar.parser import PCFGParser
from featlearn.grammar.toys import PICNIC_TEXT, TELESCOPE_TEXT

SENTENCE = "the man saw the woman with the telescope"
TREES = """
( (S (NP-SBJ-1 (DT The) (NN dog)) (VP (VBD saw) (NP (DT a) (NN cat)) (S (-NONE- *-1))) (. .)) )
( (S (NP-SBJ (NNP Anna)) (VP (VBD slept)) (. .)) )
"""


@pytest.fixture
def grammar(tmp_path):
    path = tmp_path / "telescope.pcfg"
    path.write_text(TELESCOPE_TEXT)
    return path


@pytest.fixture
def treebank(tmp_path):
    folder = tmp_path / "treebank" / "part"
    folder.mkdir(parents=True)
    (folder / "one.mrg").write_text(6 * TREES)
    (folder / "readme.txt").write_text("no trees (")
    return tmp_path / "treebank"


def run(*arguments):
    return main(["parse", *map(str, arguments)])


def refused(capsys, *arguments):
    """What a refused command line says on standard error: one line, and nothing on standard output."""
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("featlearn parse: ")
    assert err.count("\n") == 1
    return err


def test_trees_probabilities_and_alternatives(grammar, capsys):
    assert run("--grammar", grammar, SENTENCE, "-k", 5) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith(SENTENCE)
    assert "1. p = 5.292e-05, 77.8 % of the sentence" in out
    assert "2. p = 1.512e-05, 22.2 % of the sentence" in out
    assert "p(sentence) = 6.804e-05" in out
    assert out.count("telescope") == 3  # the sentence and two drawings
    assert run("--grammar", grammar, SENTENCE) == 0
    assert "2. p" not in capsys.readouterr().out


def test_brackets_lines_and_standard_input(grammar, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("the man sleeps\n\n  the woman sleeps \n"))
    assert run("--grammar", grammar, "--brackets", "-", "the telescope sleeps") == 0
    trees = parse_trees(capsys.readouterr().out)
    assert [" ".join(tree.words()) for tree in trees] == ["the man sleeps", "the woman sleeps", "the telescope sleeps"]


def test_a_sentence_without_a_parse(grammar, capsys):
    assert run("--grammar", grammar, "the zorp sleeps") == 0
    out = capsys.readouterr().out
    assert "no parse: the words under their likeliest tags" in out
    assert "p(sentence)" not in out


def test_a_treebank_a_saved_parser_and_the_same_tree(treebank, tmp_path, capsys):
    model = tmp_path / "parser.joblib"
    assert run("--treebank", treebank, "--save", model) == 0
    assert capsys.readouterr().out == ""
    assert run("--model", model, "--brackets", "Anna saw a dog .") == 0
    shown = capsys.readouterr().out
    assert shown == "(TOP (S (NP (NNP Anna)) (VP (VBD saw) (NP (DT a) (NN dog))) (. .)))\n"
    assert run("--treebank", treebank / "part" / "one.mrg", "--brackets", "Anna saw a dog .", "--jobs", 1) == 0
    assert capsys.readouterr().out == shown
    parser = joblib.load(model)
    assert isinstance(parser, PCFGParser)
    assert (parser.horizontal, parser.vertical, parser.annotate_tags, parser.annotations) == (2, 2, True, "all")
    options = ["--horizontal", "all", "--vertical", 1, "--plain", "--beam", 9]
    assert run("--treebank", treebank, *options, "--save", model) == 0
    parser = joblib.load(model)
    assert (parser.horizontal, parser.vertical, parser.annotate_tags, parser.annotations) == (None, 1, False, ())
    assert parser.beam == 9
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parser.joblib", "treebank"]


def test_pictures(grammar, tmp_path, capsys):
    assert run("--grammar", grammar, SENTENCE, "-k", 2, "--svg", tmp_path / "tree.svg") == 0
    first, second = (tmp_path / name for name in ("tree.svg", "tree-2.svg"))
    for path in (first, second):
        assert path.read_text().startswith("<svg")
        assert "telescope" in path.read_text()
    assert "5.292e-05" in first.read_text()
    assert first.read_text() != second.read_text()


@pytest.mark.parametrize(
    ("log_p", "text"), [(0.0, "1"), (-2.0, "0.1353"), (-1000.0, "5.076e-435"), (float("-inf"), "0")]
)
def test_numbers(log_p, text):
    assert number(log_p) == text


def test_bad_input(grammar, treebank, tmp_path, capsys):
    assert "nowhere does not exist" in refused(capsys, "--grammar", tmp_path / "nowhere", "a")
    assert "nowhere does not exist" in refused(capsys, "--treebank", tmp_path / "nowhere", "a")
    assert "nowhere does not exist" in refused(capsys, "--model", tmp_path / "nowhere", "a")
    assert "nothing to parse" in refused(capsys, "--grammar", grammar)
    bad = tmp_path / "bad"
    bad.write_text("S -> NP VP 0.5\n")
    assert "add up to 0.5, not 1" in refused(capsys, "--grammar", bad, "a")
    bad.write_text("S NP VP\n")
    assert "Line 1 of the grammar" in refused(capsys, "--grammar", bad, "a")
    bad.write_text("")
    assert "no rules" in refused(capsys, "--grammar", bad, "a")
    bad.write_bytes(b"S -> 'caf\xe9' 1.0")
    assert "is not UTF-8: byte 0xe9" in refused(capsys, "--grammar", bad, "a")
    bad.write_text("(S (NP (DT the)")
    assert "bad, line 1, column" in refused(capsys, "--treebank", bad, "a")
    bad.write_text("")
    assert "holds no tree" in refused(capsys, "--treebank", bad, "a")
    assert "is no saved parser" in refused(capsys, "--model", grammar, "a")
    joblib.dump({"a": 1}, bad)
    assert "it holds a dict" in refused(capsys, "--model", bad, "a")
    (tmp_path / "empty").mkdir()
    assert "holds no file *.mrg" in refused(capsys, "--treebank", tmp_path / "empty", "a")
    assert "Is a directory" in refused(capsys, "--grammar", tmp_path / "empty", "a")


def test_outputs_are_looked_at_first(grammar, tmp_path, capsys):
    before = grammar.read_text()
    for option in ("--svg", "--save"):
        assert f"{option} {tmp_path} is a folder" in refused(capsys, "--grammar", grammar, "a", option, tmp_path)
        assert "there is no folder" in refused(capsys, "--grammar", grammar, "a", option, tmp_path / "no" / "f")
        assert "would overwrite an input" in refused(capsys, "--grammar", grammar, "a", option, grammar)
    same = tmp_path / "same"
    assert "both write" in refused(capsys, "--grammar", grammar, "a", "--svg", same, "--save", same)
    assert grammar.read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == [grammar.name]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a"], "one of the arguments --grammar --treebank --model is required"),
        (["--grammar", "f", "--model", "g", "a"], "not allowed with argument"),
        (["--grammar", "f", "-k", "0"], "'0' is not valid; pass a whole number of at least 1"),
        (["--grammar", "f", "--beam", "0"], "'0' is not valid; pass a number above 0"),
        (["--grammar", "f", "--beam", "x"], "'x' is not valid"),
        (["--treebank", "f", "--horizontal", "some"], "'some' is not valid; pass a whole number of at least 0, or all"),
        (["--treebank", "f", "--vertical", "0"], "'0' is not valid"),
    ],
)
def test_bad_arguments(capsys, arguments, message):
    with pytest.raises(SystemExit, match="2"):
        run(*arguments)
    assert message in capsys.readouterr().err


def test_from_the_shell(tmp_path):
    (tmp_path / "g").write_text(PICNIC_TEXT)
    command = [sys.executable, "-m", "featlearn", "parse", "--grammar", str(tmp_path / "g"), "--brackets", "-"]
    done = subprocess.run(command, input="Anna ate\n", capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "(S (NP (Name Anna)) (VP (V ate)))\n"
    command[5] = str(tmp_path / "none")
    done = subprocess.run(command, input="Anna ate\n", capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"featlearn parse: {tmp_path / 'none'} does not exist.\n"


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nfrom featlearn.commands import main\n"
        "try: main(['parse', '--help'])\nexcept SystemExit: pass\n"
        "print('loaded', *(name for name in ('numpy', 'sklearn', 'numba') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded"
