"""``python -m featlearn parse``: trees, probabilities, pictures, saved parsers, and what it says of wrong input.

Also tests featlearn.commands.files.
"""

import bz2
import gzip
import io
import lzma
import math
import os
import re
import subprocess
import sys
import threading

import pytest

import featlearn
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


def test_a_sentence_without_a_parse_is_said_and_none_parsed_is_an_exit_code(grammar, capsys, monkeypatch):
    assert run("--grammar", grammar, "the zorp sleeps") == 1
    out, err = capsys.readouterr()
    assert "no parse: the words under their likeliest tags" in out
    assert "p(sentence)" not in out
    assert err == "featlearn parse: no parse of 'the zorp sleeps'. No rule covers 'zorp'.\n"
    assert run("--grammar", grammar, "--brackets", "the zorp sleeps", "the the", "-k", 2) == 1
    out, err = capsys.readouterr()
    assert out == "(S (DT the) (X zorp) (Vi sleeps))\n(S (DT the) (DT the))\n"
    assert err.splitlines() == [
        "featlearn parse: no parse of 'the zorp sleeps'. No rule covers 'zorp'.",
        "featlearn parse: no parse of 'the the'. The words are covered, and no tree spans them: 'the the'.",
        "featlearn parse: 2 of 2 sentences have no parse.",
    ]
    monkeypatch.setattr(sys, "stdin", io.StringIO("The man sleeps.\n\nthe man sleeps\n"))
    assert run("--grammar", grammar, "--brackets", "-") == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == ["(S (X The) (NN man) (Vi sleeps) (X .))", "(S (NP (DT the) (NN man)) (VP (Vi sleeps)))"]
    assert "No rule covers 'The', '.' (it has 'the' in lower case)." in err
    assert err.endswith("featlearn parse: 1 of 2 sentences have no parse.\n")
    monkeypatch.setattr(sys, "stdin", io.StringIO(" \n\n"))
    assert "no line holds a word" in refused(capsys, "--grammar", grammar, "-")
    assert run("--grammar", grammar, "\u200b") == 1
    assert "It holds no words." in capsys.readouterr().err


def test_symbols_without_rules_are_said_on_standard_error(tmp_path, capsys):
    path = tmp_path / "g"
    path.write_text("S -> NP VP 0.5 | 'go' 0.5\nNP -> Name 1\nVP -> 'ate' 1\n")
    assert run("--grammar", path, "--brackets", "go") == 0
    out, err = capsys.readouterr()
    assert out == "(S go)\n"
    assert err.startswith(
        "featlearn parse: The grammar has no rules for 'Name', so no sentence is derived through NP -> Name"
    )
    assert err.count("\n") == 1


def test_trees_around_a_cycle_without_a_limit(tmp_path, capsys):
    path = tmp_path / "g"
    path.write_text("S -> A 0.5 | 'a' 0.5\nA -> B 1\nB -> A 1\n")
    assert run("--grammar", path, "a") == 0
    out, err = capsys.readouterr()
    assert "1. p = 0.5\n" in out
    assert "p(sentence)" not in out
    assert "never lose probability" in err
    path.write_text("S -> A 0.5 | 'a' 0.5\nA -> S 0.9 | 'a' 0.1\n")
    assert run("--grammar", path, "a", "-k", 4) == 0
    out = capsys.readouterr().out
    assert [line.split()[3] for line in out.splitlines() if " p = " in line] == ["0.5,", "0.225,", "0.1013,", "0.05,"]
    assert "p(sentence) = 1\n" in out


def test_raw_sentences_and_words(treebank, tmp_path, capsys, monkeypatch):
    model = tmp_path / "parser.skops"
    assert run("--treebank", treebank, "--save", model) == 0
    tree = "(TOP (S (NP (NNP Anna)) (VP (VBD saw) (NP (DT a) (NN dog))) (. .)))\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO("Anna saw a dog.\n"))
    assert run("--model", model, "--brackets", "Anna saw a dog.", "Anna saw a dog .", "-") == 0
    assert capsys.readouterr() == (3 * tree, "")
    run("--model", model, "--brackets", "--words", "Anna saw a dog.")
    assert "dog.)" in capsys.readouterr().out
    assert run("--model", model, "--brackets", "--words", "Anna saw a dog .") == 0
    assert capsys.readouterr().out == tree
    again = tmp_path / "again.skops"
    assert run("--model", model, "--words", "--save", again) == 0
    assert (featlearn.load(model).tokenizer, featlearn.load(again).tokenizer) == ("treebank", "blanks")
    old = featlearn.load(model)
    del old.tokenizer  # as saved before there was one
    featlearn.save(old, again, overwrite=True)
    assert run("--model", again, "--brackets", "Anna saw a dog.") == 0
    assert capsys.readouterr().out == tree


def test_save_writes_and_model_loads_and_nothing_is_overwritten_unasked(grammar, treebank, tmp_path, capsys):
    model = tmp_path / "parser.skops"
    assert run("--grammar", grammar, "--save", model) == 0
    before = model.read_bytes()
    for source in (("--treebank", treebank), ("--grammar", grammar)):
        assert f"--save {model} is there already" in refused(capsys, *source, "--save", model)
        assert f"--save {model} is there already" in refused(capsys, *source, "--save", model, SENTENCE)
    assert model.read_bytes() == before
    assert "would overwrite an input" in refused(capsys, "--model", model, "--save", model, "--force")
    assert run("--model", model, "--brackets", SENTENCE) == 0
    assert model.read_bytes() == before
    assert capsys.readouterr().err == ""
    assert run("--treebank", treebank, "--save", model, "--force") == 0
    assert featlearn.load(model).grammar is None
    picture = tmp_path / "tree.svg"
    for there in ("tree.svg", "tree-2.svg"):
        (tmp_path / there).write_text("mine")
        assert f"{there} is there already" in refused(capsys, "--grammar", grammar, SENTENCE, "-k", 2, "--svg", picture)
        assert (tmp_path / there).read_text() == "mine"
        if there == "tree.svg":
            (tmp_path / there).unlink()
    assert run("--grammar", grammar, SENTENCE, "-k", 2, "--svg", picture, "--force") == 0
    assert (tmp_path / "tree-2.svg").read_text().startswith("<svg")
    (tmp_path / "tree-x.svg").write_text("mine")
    (tmp_path / "tree-2.svg").unlink()
    picture.unlink()
    assert run("--grammar", grammar, SENTENCE, "-k", 2, "--svg", picture) == 0


def test_a_treebank_a_saved_parser_and_the_same_tree(treebank, tmp_path, capsys):
    model = tmp_path / "parser.skops"
    assert run("--treebank", treebank, "--save", model) == 0
    assert capsys.readouterr().out == ""
    assert run("--model", model, "--brackets", "Anna saw a dog .") == 0
    shown = capsys.readouterr().out
    assert shown == "(TOP (S (NP (NNP Anna)) (VP (VBD saw) (NP (DT a) (NN dog))) (. .)))\n"
    assert run("--treebank", treebank / "part" / "one.mrg", "--brackets", "Anna saw a dog .", "--jobs", 1) == 0
    assert capsys.readouterr().out == shown
    parser = featlearn.load(model)
    assert isinstance(parser, PCFGParser)
    assert (parser.horizontal, parser.vertical, parser.annotate_tags, parser.annotations) == (2, 2, True, "all")
    options = ["--horizontal", "all", "--vertical", 1, "--plain", "--beam", 9]
    assert run("--treebank", treebank, *options, "--save", model, "--force") == 0
    parser = featlearn.load(model)
    assert (parser.horizontal, parser.vertical, parser.annotate_tags, parser.annotations) == (None, 1, False, ())
    assert parser.beam == 9
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parser.skops", "treebank"]


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
    assert "is no model that --save wrote" in refused(capsys, "--model", grammar, "a")
    featlearn.save({"a": 1}, bad, overwrite=True)
    assert "holds a dict, not a PCFGParser" in refused(capsys, "--model", bad, "a")
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


def test_grammars_and_treebanks_as_others_write_them(tmp_path, capsys):
    toy = tmp_path / "toy.pcfg"
    toy.write_bytes(
        "\ufeff%start S\r\nNP->'Häuser' [.333334]|'du' [.333334]\r\n  | 'wir'[.333334]\r\nS->NP [1.0]".encode()
    )
    assert run("--grammar", toy, "Häuser", "--brackets") == 0
    assert capsys.readouterr().out == "(S (NP Häuser))\n"
    toy.write_bytes("S -> 'schöne' 'Häuser' 1.0".encode("latin-1"))
    said = refused(capsys, "--grammar", toy, "a")
    assert "line 1 is not UTF-8: byte 0xf6. It looks like cp1252 or latin-1: pass --encoding cp1252." in said
    assert run("--grammar", toy, "schöne Häuser", "--brackets", "--encoding", "cp1252") == 0
    assert capsys.readouterr().out == "(S schöne Häuser)\n"
    bank = tmp_path / "chtb_0001.fid"
    text = "<DOC>\n<S ID=1>\n( (IP (NP-SBJ (NR 上海)\n\t(NR 浦东)) (VP (VV 开发) (NP (NN 法制) (NN 建设)))))\n</S>\n"
    bank.write_bytes(text.encode("gb18030"))
    said = refused(capsys, "--treebank", bank, "a")
    assert "line 3, column" in said
    assert "It looks like gb18030: pass --encoding gb18030." in said
    assert run("--treebank", bank, "--encoding", "gb18030", "--words", "上海 浦东 开发 法制 建设", "--brackets") == 0
    assert capsys.readouterr().out.startswith("(TOP (IP (NP (NR 上海) (NR 浦东)) (VP (VV 开发)")
    assert "'no' is no text encoding" in refused(capsys, "--treebank", bank, "--encoding", "no", "a")
    assert "'no' is no text encoding" in refused(capsys, "--grammar", toy, "--encoding", "no", "a")
    bank.write_text("#BOS 1 0 1 1\nRoss\tNE\tNom\tPNC\t500\n#EOS 1\n")
    assert "NEGRA's export format" in refused(capsys, "--treebank", bank, "a")


def test_a_file_and_words_without_quotes_are_told(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "g.txt").write_text("S -> 'the' V 1.0\nV -> 'runs' 1.0\n")
    (tmp_path / "lines.txt").write_text("the runs\n")
    assert main(["parse", "--grammar", "g.txt", "--brackets", "lines.txt"]) == 1
    assert "there is a file of that name: its lines are read by - < lines.txt" in capsys.readouterr().err
    assert main(["parse", "--grammar", "g.txt", "--brackets", "the", "the", "runs"]) == 1
    assert "3 sentences of a word each" in capsys.readouterr().err
    assert main(["parse", "--grammar", "g.txt", "--brackets", "the runs"]) == 0
    assert capsys.readouterr().err == ""
    assert main(["parse", "--grammar", "g.txt", "--svg", "tree.png", "the runs"]) == 2
    assert "let it end in .svg" in capsys.readouterr().err


def given(monkeypatch, data):
    """Standard input that holds these bytes."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), errors="surrogateescape"))


@pytest.fixture
def cafe(tmp_path):
    path = tmp_path / "cafe.txt"
    path.write_text("S -> NP VP 1\nNP -> 'the' .5 | 'caf\u00e9' .5\nVP -> 'sleeps' 1\n", encoding="utf-8")
    return path


CAFE = "(S (NP caf\u00e9) (VP sleeps))\n"


@pytest.mark.parametrize(
    ("encoding", "options"),
    [("utf-8", []), ("utf-8-sig", []), ("utf-16", []), ("latin-1", ["--encoding", "latin-1"])]
    + [("utf-16-le", ["--encoding", "utf-16-le"]), ("cp1252", ["--encoding", "windows-1252"])],
)
def test_standard_input_is_decoded_as_documents_are(cafe, tmp_path, capsys, monkeypatch, encoding, options):
    assert run("--grammar", cafe, "--words", "--save", tmp_path / "m") == 0
    for pack in (bytes, gzip.compress, bz2.compress, lzma.compress):
        given(monkeypatch, pack("caf\u00e9 sleeps\r\n\r\ncaf\u00e9 sleeps".encode(encoding)))
        assert run("--model", tmp_path / "m", "--brackets", *options, "-") == 0
        assert capsys.readouterr() == (2 * CAFE, "")


def test_standard_input_that_is_no_text_in_the_encoding(cafe, tmp_path, capsys, monkeypatch):
    assert run("--grammar", cafe, "--save", tmp_path / "m") == 0
    for data, message in [
        (b"caf\xe9 sleeps", "not utf-8: byte 0xe9 at offset 3 (line 1) .* pass --encoding cp1252"),
        ("caf\u00e9 sleeps and sleeps".encode("utf-16-le"), "holds NUL characters. .* pass --encoding utf-16-le"),
        (b"%PDF-1.4", "it is a PDF document"),
        (gzip.compress(b"the sleeps")[:-9], "is damaged"),
    ]:
        given(monkeypatch, data)
        said = refused(capsys, "--model", tmp_path / "m", "--brackets", "-")
        assert said.startswith("featlearn parse: standard input ")
        assert re.search(re.sub(r"[()]", ".", message), said)
    given(monkeypatch, "caf\u00e9 caf\u00e9\n".encode())
    run("--model", tmp_path / "m", "--brackets", "--encoding", "latin-1", "-")
    assert "standard input is UTF-8, and was read as latin-1" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", None)
    assert "standard input is closed" in refused(capsys, "--model", tmp_path / "m", "-")
    assert main(["topics", "-"]) == 2
    assert "standard input is closed" in capsys.readouterr().err


def test_bytes_in_a_sentence_of_the_command_line(cafe, capsys):
    sentence = b"caf\xe9 sleeps".decode("utf-8", "surrogateescape")
    assert "byte 0xe9. It looks like cp1252 or latin-1: pass --enc" in refused(capsys, "--grammar", cafe, sentence)
    cafe.write_text(cafe.read_text("utf-8"), encoding="latin-1")
    assert run("--grammar", cafe, "--brackets", "--encoding", "latin-1", sentence) == 0
    assert capsys.readouterr() == (CAFE, "")


def test_lines_are_parsed_as_they_come(cafe):
    command = [sys.executable, "-m", "featlearn", "parse", "--grammar", str(cafe), "--brackets", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for _ in range(2):
            process.stdin.write("caf\u00e9 sleeps\n".encode())
            process.stdin.flush()
            assert process.stdout.readline() == CAFE.encode()  # while standard input stays open


@pytest.mark.parametrize(("suffix", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)])
def test_packed_grammars_and_treebanks(cafe, treebank, tmp_path, capsys, suffix, pack):
    path = tmp_path / f"g.txt.{suffix}"
    path.write_bytes(pack(cafe.read_bytes()))
    assert run("--grammar", path, "--brackets", "caf\u00e9 sleeps") == 0
    assert capsys.readouterr() == (CAFE, "")
    path.write_bytes(pack(cafe.read_bytes())[:-9])
    assert "is damaged" in refused(capsys, "--grammar", path, "a")
    path.write_bytes(cafe.read_bytes())
    assert f"is no .{suffix} file" in refused(capsys, "--grammar", path, "a")
    plain = treebank / "part" / "one.mrg"
    (treebank / f"two.mrg.{suffix}").write_bytes(pack(plain.read_bytes()))
    plain.unlink()
    assert run("--treebank", treebank, "--brackets", "Anna slept .") == 0


def test_numbered_pictures_overwrite_no_input_and_no_output(cafe, tmp_path, capsys, monkeypatch):
    picture, second, third = (tmp_path / name for name in ("t.svg", "t-2.svg", "t-3.svg"))
    two = ("the sleeps", "the sleeps")
    said = refused(capsys, "--grammar", cafe, "--svg", picture, "--save", second, *two)
    assert "--svg and --save both write" in said
    given(monkeypatch, b"the sleeps\nthe sleeps\n")
    assert "both write" in refused(capsys, "--grammar", cafe, "--svg", picture, "--save", second, "--force", "-")
    assert not picture.exists()
    text = cafe.read_bytes()
    second.write_bytes(text)
    for force in ([], ["--force"]):
        for sentences in (two, ["the sleeps", "-"]):
            said = refused(capsys, "--grammar", second, "--svg", picture, *force, *sentences)
            assert "t-2.svg would overwrite an input" in said
    assert second.read_bytes() == text
    assert run("--grammar", second, "--svg", picture, "--brackets", "the sleeps") == 0  # one picture is no second
    capsys.readouterr()
    third.symlink_to(cafe)
    assert "t-3.svg would overwrite an input" in refused(
        capsys, "--grammar", cafe, "--force", "--svg", picture, *3 * two
    )
    third.unlink()
    assert run("--grammar", cafe, "--force", "--svg", picture, "--save", third, "--brackets", *two) == 0
    assert second.read_text().startswith("<svg")
    assert isinstance(featlearn.load(third), PCFGParser)


def test_a_picture_that_comes_to_be_on_the_way_is_not_overwritten(cafe, tmp_path, capsys, monkeypatch):
    picture, second = tmp_path / "t.svg", tmp_path / "t-2.svg"

    def lines():
        yield "the sleeps"
        second.write_text("mine")
        yield "the sleeps"

    monkeypatch.setattr(sys, "stdin", lines())
    assert run("--grammar", cafe, "--svg", picture, "--brackets", "-") == 2
    assert "t-2.svg is there already" in capsys.readouterr().err
    assert (picture.read_text()[:4], second.read_text()) == ("<svg", "mine")


def test_files_of_a_treebank_and_standard_input_are_inputs(treebank, cafe, tmp_path, capsys, monkeypatch):
    one = treebank / "part" / "one.mrg"
    before = one.read_bytes()
    assert "would overwrite an input" in refused(capsys, "--treebank", treebank, "--save", one, "--force")
    assert one.read_bytes() == before
    lines = tmp_path / "t-2.svg"
    lines.write_text("the sleeps\nthe sleeps\n")
    for options in (["--save", lines], ["--svg", tmp_path / "t.svg"]):
        with lines.open() as file:
            monkeypatch.setattr(sys, "stdin", file)
            assert "would overwrite an input" in refused(capsys, "--grammar", cafe, *options, "--force", "-")
    with lines.open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert main(["topics", "-", "--csv", str(lines), "--force"]) == 2
        assert "would overwrite an input" in capsys.readouterr().err
    assert lines.read_text().startswith("the")


def test_a_saved_parser_keeps_its_settings(treebank, tmp_path, capsys):
    model, again = tmp_path / "m", tmp_path / "again"
    assert run("--treebank", treebank, "--beam", 3, "--jobs", 1, "--save", model) == 0
    for options, beam, jobs in [([], 3, 1), (["--beam", 7], 7, 1), (["--jobs", 2], 3, 2), (["--beam", "inf"], None, 1)]:
        assert run("--model", model, *options, "--save", again, "--force") == 0
        parser = featlearn.load(again)
        assert (parser.beam, parser.n_jobs) == (beam, jobs)
    assert run("--treebank", treebank, "--beam", math.inf, "--brackets", "Anna slept .") == 0


def test_settings_that_do_not_apply_are_refused_by_name(cafe, tmp_path, capsys, monkeypatch):
    model = tmp_path / "m"
    assert run("--grammar", cafe, "--save", model) == 0
    for source in (("--model", model), ("--grammar", cafe)):
        for options in (["--plain"], ["--vertical", 2], ["--horizontal", "all"], ["--horizontal", 2]):
            assert f"leave out {options[0]}." in refused(capsys, *source, *options, "the sleeps")
    said = refused(capsys, "--model", model, "--plain", "--horizontal", 0, "--vertical", 1, "a")
    assert "leave out --horizontal, --vertical, --plain." in said
    assert "'nope' is no text encoding" in refused(capsys, "--model", model, "--encoding", "nope", "a")
    assert "leave out --encoding" in refused(capsys, "--model", model, "--encoding", "latin-1", "a")
    for encoding in ("nope", "hex", "undefined", "a\0"):
        given(monkeypatch, b"the sleeps")
        assert "is no text encoding" in refused(capsys, "--grammar", cafe, "--encoding", encoding, "-")
    assert "--svg draws trees" in refused(capsys, "--grammar", cafe, "--save", tmp_path / "n", "--svg", tmp_path / "s")


@pytest.mark.parametrize(
    ("option", "text", "message"),
    [
        ("--grammar", "S -> 'a' 0.5 | 'b' 0.4", "add up to 0.9, not 1. Mend them.\n"),
        ("--grammar", "S -> 'a' 3", "between 0 and 1. Divide counts by their sum.\n"),
        ("--grammar", "%start X\nS -> 'a' 1", "or name one of the symbols that have, with %start: S.\n"),
        ("--grammar", "grammar.cfg", "write rules such as S -> NP VP 1.0.\n"),
        ("--grammar", TREES, "trees in brackets, which --treebank takes.\n"),
        ("--grammar", "<DOC>\n( (S (NN ->) (NN b)))", "trees in brackets, which --treebank takes.\n"),
        ("--grammar", "(S (NP (DT the)", "trees in brackets, which --treebank takes.\n"),
        ("--treebank", TELESCOPE_TEXT, "rules of a grammar, which --grammar takes.\n"),
        ("--treebank", "# mine\n%start S\nS->NP VP 1\n", "rules of a grammar, which --grammar takes.\n"),
        ("--treebank", "S -> NP\n | '(' 0.5\n", "rules of a grammar, which --grammar takes.\n"),
        ("--treebank", "(S (NP the man) (VP sleeps))", "Every word needs brackets and a tag of its own.\n"),
        ("--treebank", "(S (NP (DT the) man) (VP (V sleeps)))", "Every word needs brackets and a tag of its own.\n"),
        ("--treebank", "#1:1.[0] NP(Head:Nba:x)", "convert it to brackets.\n"),
        ("--model", "S -> 'a' 1.0", "Grammars are given with --grammar, trees with --treebank.\n"),
    ],
)
def test_errors_name_what_the_command_has(tmp_path, capsys, option, text, message):
    path = tmp_path / "file"
    path.write_text(text)
    said = refused(capsys, option, path, "a")
    assert message in said
    assert not re.search(r"\w=|\bNone\b|\w\(|from_text|read_trees|parse_tree", said.replace(text, ""))


def test_models_that_are_none(cafe, tmp_path, capsys):
    model = tmp_path / "m"
    assert run("--grammar", cafe, "--save", model) == 0
    for option in ("--grammar", "--treebank"):
        assert "a saved parser; pass it as --model" in refused(capsys, option, model, "a")
    featlearn.save(PCFGParser(), model, overwrite=True)
    assert "has learned from no trees" in refused(capsys, "--model", model, "a")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_what_a_pipe_gives(cafe, treebank, tmp_path, capsys):
    for option, source, sentence in [
        ("--grammar", cafe, "the sleeps"),
        ("--treebank", treebank / "part" / "one.mrg", "Anna slept ."),
    ]:
        pipe = tmp_path / f"pipe{option}"
        os.mkfifo(pipe)
        writer = threading.Thread(target=pipe.write_bytes, args=[source.read_bytes()])
        writer.start()
        assert run(option, pipe, "--brackets", sentence) == 0
        writer.join()


def test_binarized_grammars_have_arrows_in_symbols(tmp_path, capsys):
    path = tmp_path / "g"
    path.write_text("S -> NP @S->_NP 1.0\n@S->_NP -> 'x' 1.0\nNP -> 'a' 1.0\n")
    assert run("--grammar", path, "--brackets", "a x") == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert parse_trees(out)[0].words() == ["a", "x"]
