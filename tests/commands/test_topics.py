"""The command line: what it writes, and what it says and returns when the input is wrong.

Also tests featlearn.commands.document_topics and featlearn.commands.report.
"""

import csv
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

import featlearn
from featlearn.commands import document_topics, main, topics

PETS = ["cat", "dog", "leash", "paw", "kennel"]
MONEY = ["bond", "stock", "fund", "yield", "market"]
RNG = np.random.default_rng(0)
LINES = [" ".join(RNG.choice(words, n)) for _ in range(30) for words, n in ((PETS, 14), (MONEY, 6))]
QUICK = ["-k", "2", "--method", "vb", "--max-iter", "5", "--jobs", "1"]


@pytest.fixture
def corpus(tmp_path):
    """A file with a document on every line."""
    path = tmp_path / "corpus.txt"
    path.write_text("\n".join(LINES))
    return path


def run(*arguments):
    """The exit code of a command line, run in this process."""
    return main([str(argument) for argument in arguments])


def refused(capsys, *arguments):
    """What a refused command line says on standard error: one line, and nothing else anywhere."""
    assert run("topics", *arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("featlearn topics: ")
    assert err.count("\n") == 1
    return err


def test_table_report_and_model(corpus, tmp_path, capsys):
    out, model = tmp_path / "report.html", tmp_path / "topics.skops"
    assert run("topics", corpus, *QUICK, "--terms", 5, "--out", out, "--save", model) == 0
    shown, err = capsys.readouterr()
    assert err == (
        "featlearn topics: 1 file: 60 documents, 600 words, 0 of them stop words.\n"
        "featlearn topics: 10 of 10 terms; left out: 0 in fewer than 5 documents (--min-df), 0 in more than 30 "
        "(--max-df).\n"
    )
    rows = [set(line.split()) for line in shown.splitlines() if "%" in line]
    assert len(rows) == 2
    assert any(set(PETS) <= row for row in rows)
    assert any(set(MONEY) <= row for row in rows)
    assert f"report: {out}" in shown
    html = out.read_text(encoding="utf-8")
    assert "leash" in html
    assert "corpus.txt" in html
    extractor = featlearn.load(model)
    assert extractor.transform(["the cat and the dog", "stock market"]).argmax(axis=1).tolist() in ([0, 1], [1, 0])
    assert LINES[0].encode() not in model.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus.txt", "report.html", "topics.skops"]


def test_the_same_seed_gives_the_same_topics(corpus, tmp_path, capsys):
    components = []
    for seed, jobs in [(1, 1), (1, 2), (2, 1)]:
        model = tmp_path / f"{seed}{jobs}.skops"
        options = ["-k", 3, "--method", "vb", "--max-iter", 3, "--seed", seed, "--jobs", jobs]
        assert run("topics", corpus, *options, "--save", model) == 0
        components.append(featlearn.load(model).components_)
    np.testing.assert_array_equal(components[0], components[1])
    assert not np.array_equal(components[0], components[2])


def test_files_or_lines(corpus, tmp_path, capsys):
    paths = [tmp_path / f"{i}.txt" for i in range(20)]
    for path, line in zip(paths, LINES):
        path.write_text(f"{line}\n{line}\n")
    model = tmp_path / "m.skops"

    def documents(*arguments):
        assert run("topics", *arguments, *QUICK, "--min-df", 2, "--save", model, "--force") == 0
        return featlearn.load(model).topics_.n_documents

    assert documents(*paths) == 20
    assert documents(*paths, "--lines") == 40
    assert documents(paths[0], paths[1], "--lines", "--max-df", "1.0") == 4
    assert documents(corpus) == 60
    assert "20 files" in capsys.readouterr().out


def test_large_files_are_streamed_and_the_shares_are_right(corpus, tmp_path, capsys, monkeypatch):
    model = tmp_path / "m.skops"
    options = ["-k", 2, "--method", "online", "--max-iter", 3, "--save", model, "--force"]
    assert run("topics", corpus, *options) == 0
    held, shown = featlearn.load(model), capsys.readouterr().out
    monkeypatch.setattr(topics, "IN_MEMORY", 10)
    assert run("topics", corpus, *options) == 0
    streamed = featlearn.load(model)
    assert held.topics_.n_documents == 60
    assert streamed.topics_.n_documents == 0
    np.testing.assert_allclose(streamed.components_, held.components_, rtol=1e-4, atol=1e-6)
    assert capsys.readouterr().out == shown
    report = tmp_path / "report.html"
    assert run("topics", corpus, *options, "--out", report) == 0
    text = report.read_text(encoding="utf-8")
    assert '"words":600.0,"sized":true' in text
    assert '"documents":0,' in text
    assert '"documents":[[' not in text  # it quotes no document that nobody wrote
    capsys.readouterr()
    assert run("topics", corpus, "-k", 2, "--max-iter", 1, "--save", model, "--force") == 0
    assert featlearn.load(model).model_.method == "online"


def test_options_reach_the_steps(corpus, tmp_path, capsys):
    words, model = tmp_path / "stop.txt", tmp_path / "m.skops"
    words.write_text("cat\nbond stock\n")
    options = ["--stop-words", words, "--min-df", 3, "--max-df", 0.9, "--max-features", 6, "--phrases"]
    pytest.importorskip("gensim", reason="pip install 'featlearn[text]'")
    assert run("topics", corpus, *QUICK, *options, "--save", model) == 0
    extractor = featlearn.load(model)
    assert (extractor.min_df, extractor.max_df, extractor.max_features) == (3, 0.9, 6)
    assert extractor.phrases_ is not None
    assert not {"cat", "bond", "stock"} & set(extractor.terms_)
    assert extractor.tokenizer_.transform(["the cat sat"]) == [["sat"]]


def test_chinese_in_another_encoding(tmp_path, capsys):
    pytest.importorskip("jieba", reason="pip install 'featlearn[text]'")
    path = tmp_path / "corpus.txt"
    path.write_text("我们学习数学，数学很难\n市场上的股票和基金\n" * 10, encoding="gb18030")
    options = ["--language", "chinese", "--max-df", "1.0"]
    assert run("topics", path, *QUICK, *options, "--encoding", "gb18030") == 0
    shown = capsys.readouterr().out
    assert "股票" in shown
    assert "我们" not in shown
    assert "--encoding gb18030" in refused(capsys, path, *options)


def test_bad_input(corpus, tmp_path, capsys):
    assert "nowhere.txt does not exist" in refused(capsys, corpus, tmp_path / "nowhere.txt")
    assert "holds one document" in refused(capsys, tmp_path)
    empty = tmp_path / "empty.txt"
    empty.write_text("")
    assert "empty.txt is empty: it has 0 bytes" in refused(capsys, empty)
    empty.write_text("\n\n \n")
    assert "empty.txt is empty: it holds no line of text" in refused(capsys, empty)
    binary = tmp_path / "binary.txt"
    binary.write_bytes(b"\x7fELF\0\0\0\1 text")
    assert "binary.txt is binary: it holds a NUL character in line 1" in refused(capsys, binary)
    binary.write_bytes(b"caf\xe9 au lait")
    assert "binary.txt is not utf-8: byte 0xe9 at offset 3 (line 1)" in refused(capsys, binary)
    assert "'utf-99' is no text encoding" in refused(capsys, corpus, "--encoding", "utf-99")
    assert "none.txt does not exist" in refused(capsys, corpus, "--stop-words", tmp_path / "none.txt")


def test_too_few_documents_or_words(corpus, tmp_path, capsys):
    assert "holds one document, and topics are learned from many" in refused(capsys, corpus, "--files")
    small = tmp_path / "small.txt"
    small.write_text("a cat\n")
    assert "small.txt holds one document" in refused(capsys, small)
    small.write_text("a cat ran\na dog barked\n")
    assert "Lower min_df" in refused(capsys, small)
    small.write_text("the\nand\n")
    assert "all 2 documents are, for the tokenizer left no token" in refused(capsys, small)


def test_outputs_are_looked_at_before_the_fit(corpus, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(topics, "read", lambda arguments: pytest.fail("it went on"))
    before = corpus.read_bytes()
    for option in ("--out", "--save"):
        assert f"{option} {tmp_path} is a folder" in refused(capsys, corpus, option, tmp_path)
        assert "there is no folder" in refused(capsys, corpus, option, tmp_path / "no" / "report.html")
        assert "would overwrite an input file" in refused(capsys, corpus, option, corpus)
        if os.path.exists("/dev/null"):
            assert "no plain file" in refused(capsys, corpus, option, "/dev/null")
        if os.path.isdir("/proc/self"):
            assert "cannot be written" in refused(capsys, corpus, option, "/proc/self/report.html")
    same = tmp_path / "same"
    assert "both write" in refused(capsys, corpus, "--out", same, "--save", same)
    assert corpus.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["corpus.txt"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-k", "0"], "'0' is not valid; pass a whole number of at least 1"),
        (["-k", "two"], "'two' is not valid"),
        (["--min-df", "-1"], "expected one argument|'-1' is not valid"),
        (["--max-df", "1.5"], "'1.5' is not valid; pass a number of documents"),
        (["--max-df", "many"], "'many' is not valid"),
        (["--min-df", "0"], "'0' is not valid"),
        (["--min-df", "nan"], "'nan' is not valid"),
        (["--seed", "-1"], "expected one argument|no seed"),
        (["--seed", str(2**31)], "is no seed"),
        (["--method", "em"], "invalid choice: 'em'"),
        (["--lines", "--files"], "not allowed with argument"),
    ],
)
def test_bad_arguments(corpus, capsys, arguments, message):
    with pytest.raises(SystemExit, match="2"):
        run("topics", corpus, *arguments)
    err = capsys.readouterr().err
    assert any(part in err for part in message.split("|"))


def test_what_is_written_is_whole_or_not_there(corpus, tmp_path, capsys, monkeypatch):
    model = tmp_path / "topics.skops"
    model.write_text("the old one")
    assert "is there already. Give another name, or --force" in refused(capsys, corpus, *QUICK, "--save", model)

    def half(value, path):
        Path(path).write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("skops.io.dump", half)
    assert "No space left on device" in refused(capsys, corpus, *QUICK, "--save", model, "--force")
    assert model.read_text() == "the old one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus.txt", "topics.skops"]


@pytest.mark.skipif(os.name == "nt", reason="names of files are text there")
def test_what_the_terminal_lacks_ends_no_run(corpus, tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt"))
    path.write_text("\n".join(LINES).replace("cat", "кот"), encoding="utf-8")
    command = [sys.executable, "-m", "featlearn", "topics", path, *QUICK, "--terms", "5", "--out", tmp_path / "r.html"]
    command += ["--force"]
    for encoding in ("ascii", "utf-8:strict"):
        done = subprocess.run(command, capture_output=True, env=os.environ | {"PYTHONIOENCODING": encoding})
        assert done.returncode == 0
        assert done.stderr.count(b"\n") == 2
        assert "кот".encode(encoding.split(":")[0], "backslashreplace") in done.stdout
        assert b"caf\\udce9.txt" in done.stdout


def test_without_a_command_there_is_help():
    done = subprocess.run([sys.executable, "-m", "featlearn"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "topics" in done.stderr
    done = subprocess.run([sys.executable, "-m", "featlearn", "--version"], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.strip() == f"featlearn {featlearn.__version__}"


def test_no_traceback_from_the_shell(tmp_path):
    command = [sys.executable, "-m", "featlearn", "topics", str(tmp_path / "none.txt")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"featlearn topics: {tmp_path / 'none.txt'} does not exist.\n"


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nfrom featlearn.commands import main\n"
        "try: main(['topics', '--help'])\nexcept SystemExit: pass\n"
        "print('loaded', *(name for name in ('numpy', 'sklearn', 'gensim', 'jieba', 'rich') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded"


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_interrupted(corpus, tmp_path):
    out = tmp_path / "report.html"
    arguments = ["topics", str(corpus), "--method", "gibbs", "--max-iter", "100000000", "--out", str(out)]
    code = (
        "import signal, sys, featlearn.topics.lda as lda\nfrom featlearn.commands import main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a job in the background is started without
        "fit = lda.LDA.fit\n"
        "def told(self, X, y=None):\n    fit(lda.LDA(2, max_iter=2), [[1, 0], [0, 1]])\n"  # compiles
        "    print('fitting', flush=True)\n    return fit(self, X)\n"
        "lda.LDA.fit = told\n"
        f"sys.exit(main({arguments!r}))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "fitting\n"
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        shown, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert err == "featlearn topics: interrupted.\n"
    assert shown == ""
    assert [path.name for path in tmp_path.iterdir()] == ["corpus.txt"]


@pytest.fixture
def reviews(tmp_path):
    """A table with a document in every record; one has no text, one no date."""
    path = tmp_path / "reviews.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "date", "source", "text"])
        for i, line in enumerate(LINES):
            writer.writerow([f"r{i}", f"2024-{i % 3 + 9:02d}-01", ["web", "mail"][i % 2], line.replace(" ", "\n", 1)])
        writer.writerow(["r60", "", "", LINES[0]])
        writer.writerow(["r61", "2024-09-01", "web", ""])
    return path


@pytest.fixture
def model(corpus, tmp_path, capsys):
    """A saved model of pets and money."""
    path = tmp_path / "m.skops"
    assert run("topics", corpus, *QUICK, "--save", path) == 0
    capsys.readouterr()
    return path


def test_text_in_another_shape_is_refused_with_the_options_that_read_it(reviews, tmp_path, capsys):
    said = refused(capsys, reviews, *QUICK)
    assert "reviews.csv looks like CSV (columns id, date, source, text)" in said
    assert "--column text" in said
    assert "--lines" in said
    assert "(--column text)" in refused(capsys, reviews, tmp_path, *QUICK)
    assert run("topics", reviews, *QUICK, "--lines") == 0
    assert "1 file: 123 documents" in capsys.readouterr().err
    assert run("topics", reviews, *QUICK, "--column", "text") == 0
    assert "1 file, read as a table cut by commas: 61 documents (1 empty skipped), 614" in capsys.readouterr().err
    assert "no column 'body'; there are columns id, date, source, text" in refused(capsys, reviews, "--column", "body")
    assert "--id is a column of records" in refused(capsys, reviews, "--id", "id")


@pytest.mark.parametrize(
    ("option", "labels"),
    [
        (["--date", "date"], ["2024-09", "2024-10", "2024-11", "no date"]),
        (["--groups", "source"], ["(none)", "mail", "web"]),
    ],
)
def test_topics_by_groups_and_dates(reviews, tmp_path, capsys, monkeypatch, option, labels):
    out, rows = tmp_path / "r.html", tmp_path / "r.csv"
    options = [*QUICK, "--column", "text", "--id", "id", *option, "--out", out, "--csv", rows]
    assert run("topics", reviews, *options) == 0
    shown = capsys.readouterr().out
    lines = [line.split() for line in shown.splitlines() if any(label in line for label in labels)]
    assert [" ".join(line[1:3]).split(" │")[0] for line in lines] == labels
    page = out.read_text(encoding="utf-8")
    assert f'"labels":{json.dumps(labels, separators=(",", ":"))}' in page
    assert '"documents":[["r' in page
    with rows.open(newline="") as file:
        written = list(csv.DictReader(file))
    assert [row["document"] for row in written] == [f"r{i}" for i in range(61)]
    field = "date" if option[0] == "--date" else "group"
    assert written[60][field] == ""
    monkeypatch.setattr(topics, "IN_MEMORY", 10)
    streamed = [*options[:2], "--method", "online", *options[4:], "--force"]
    assert run("topics", reviews, *streamed) == 0
    assert f'"labels":{json.dumps(labels, separators=(",", ":"))}' in out.read_text(encoding="utf-8")


def test_groups_that_cannot_be_shown_are_refused_before_the_fit(reviews, capsys, monkeypatch):
    monkeypatch.setattr(topics, "build", lambda *_: pytest.fail("it went on"))
    assert "'web' is no date" in refused(capsys, reviews, "--column", "text", "--date", "source")
    monkeypatch.setattr(document_topics, "MOST_GROUPS", 50)
    said = refused(capsys, reviews, "--column", "text", "--groups", "id")
    assert "--groups id has 61 different values, and at most 50 can be shown" in said


def test_a_model_is_applied_to_new_documents(model, tmp_path, capsys):
    new, rows, lines, page = (tmp_path / name for name in ("new.txt", "new.csv", "new.jsonl", "new.html"))
    new.write_text("The cat, the dog and the paw\n\nzebra xylophone\nstock, market, giraffe\n")
    before = model.read_bytes()
    assert run("topics", "--model", model, new, "--csv", rows, "--jsonl", lines, "--out", page) == 0
    shown, err = capsys.readouterr()
    told = "1 file: 3 documents (1 empty skipped), 8 words, 3 of them (37.5%) unknown to the model; 1 document without"
    assert told in err
    head, *table = [line.split("\t") for line in shown.splitlines()]
    assert head == ["document", "topics", "terms", "text"]
    assert [row[0] for row in table] == [f"{new}:1"[:60], f"{new}:3"[:60], f"{new}:4"[:60]] or all(
        row[0].endswith("…") for row in table
    )
    assert table[1][1:3] == ["none", "no word is known"]
    expected = featlearn.load(model).transform(new.read_text().splitlines())[[0, 2, 3]]
    found = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [value["document"] for value in found] == [f"{new}:1", f"{new}:3", f"{new}:4"]
    assert [(value["words"], value["unknown"]) for value in found] == [(3, 0), (0, 2), (2, 1)]
    assert found[1]["topic"] is None
    assert found[1]["proportions"] is None
    for i in (0, 2):
        np.testing.assert_allclose(found[i]["proportions"], expected[i], rtol=1e-4)
        assert found[i]["topic"] == expected[i].argmax()
    with rows.open(newline="") as file:
        written = list(csv.DictReader(file))
    assert [row["topic"] for row in written] == [str(found[0]["topic"]), "", str(found[2]["topic"])]
    assert [float(written[2][f"topic_{k}"]) for k in range(2)] == found[2]["proportions"]
    assert "zebra" in page.read_text(encoding="utf-8")
    assert model.read_bytes() == before
    assert "is there already" in refused(capsys, "--model", model, new, "--csv", rows)
    assert "would overwrite an input file" in refused(capsys, "--model", model, new, "--csv", model, "--force")


def test_a_model_reads_tables_folders_and_streams(model, reviews, tmp_path, capsys, monkeypatch):
    rows = tmp_path / "rows.jsonl"
    options = ["--model", model, reviews, "--column", "text", "--id", "id", "--groups", "source", "--jsonl", rows]
    assert run("topics", *options) == 0
    held = rows.read_text()
    assert [json.loads(line)["group"] for line in held.splitlines()][58:] == ["web", "mail", None]
    monkeypatch.setattr(topics, "IN_MEMORY", 10)
    assert run("topics", *options, "--force") == 0
    assert rows.read_text() == held
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, text in [("a.txt", "cat\ndog"), (".b", "no"), ("c.txt", ""), ("d.bin", "\0")]:
        (folder / name).write_text(text)
    assert run("topics", "--model", model, folder, "--jsonl", rows, "--force") == 0
    assert [json.loads(line)["document"] for line in rows.read_text().splitlines()] == [str(folder / "a.txt")]
    told = "2 files: 1 document (1 empty skipped; 2 hidden, binary or other files left out)"
    assert told in capsys.readouterr().err


def test_what_no_model_is_and_what_it_does_not_take(model, corpus, tmp_path, capsys):
    wrong = tmp_path / "wrong.skops"
    for content in (b"", b"text\n", b"\x80\x04K", model.read_bytes()[:-200], pickle.dumps([1])[:-2]):
        wrong.write_bytes(content)
        assert "cannot be read: " in refused(capsys, "--model", wrong, corpus)
    for value, message in [
        ([1], "holds a list, not a TopicExtractor"),
        (featlearn.PCFGParser(), "holds a PCFGParser, .* The parse command takes it"),
        (featlearn.TopicExtractor(), "that was not fitted"),
        (featlearn.LDA(2), "holds a LDA"),
    ]:
        featlearn.save(value, wrong, overwrite=True)
        assert re.search(message, refused(capsys, "--model", wrong, corpus))
    assert "does not exist" in refused(capsys, "--model", tmp_path / "none.skops", corpus)
    assert "is no file" in refused(capsys, "--model", tmp_path, corpus)
    for option in (["-k", "3"], ["--min-df", "2"], ["--phrases"], ["--seed", "1"], ["--save", tmp_path / "s.skops"]):
        name = {"-k": "--topics"}.get(option[0], option[0])
        assert f"learned before: leave out {name}." in refused(capsys, "--model", model, corpus, *option)
    other = tmp_path / "other.txt"
    other.write_text("zebra\nxylophone\n")
    assert run("topics", "--model", model, other, "--csv", tmp_path / "o.csv") == 2
    assert "No word of the 2 documents is known to the model" in capsys.readouterr().err
    assert not (tmp_path / "o.csv").exists()


def test_a_file_given_twice_is_read_once(corpus, tmp_path, capsys):
    assert run("topics", corpus, corpus, tmp_path / "." / corpus.name, *QUICK, "--lines") == 0
    assert "1 file: 60 documents (2 files given twice, read once)" in capsys.readouterr().err


def test_terms_left_out_are_counted(tmp_path, capsys):
    path = tmp_path / "corpus.txt"
    path.write_text("the cat and a dog\nthe cat and a bird\nthe cat, once\nthe fish\n" * 2 + "zebra zebra\n")
    for method in ("vb", "online"):
        options = ["-k", 2, "--method", method, "--max-iter", 1, "--min-df", 2, "--max-df", 4, "--max-features", 2]
        assert run("topics", path, *options) == 0
        assert capsys.readouterr().err == (
            "featlearn topics: 1 file: 9 documents, 28 words, 14 of them stop words.\n"
            "featlearn topics: 2 of 5 terms; left out: 1 in fewer than 2 documents (--min-df), 1 in more than 4 "
            "(--max-df), 1 by --max-features; 5 documents without any of them.\n"
        ), method


def test_warnings_are_lines_on_standard_error(corpus, capsys, monkeypatch):
    def warn(*_):
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            warnings.warn("a warning\nof two lines", UserWarning, stacklevel=1)
        raise ValueError("the end")

    monkeypatch.setattr(topics, "read", warn)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert run("topics", corpus) == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", "featlearn topics: a warning of two lines\nfeatlearn topics: the end\n")


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX pipes")
def test_a_closed_pipe_ends_quietly_and_the_files_are_whole(model, tmp_path):
    new, rows = tmp_path / "new.txt", tmp_path / "rows.csv"
    new.write_text("cat dog\n" * 4_000)
    command = [sys.executable, "-m", "featlearn", "topics", "--model", str(model), str(new)]
    for options, n in [([], 0), (["--csv", str(rows)], 4_001)]:
        with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout.readline() == b"document\ttopics\tterms\ttext\n"
            process.stdout.close()
            err = process.stderr.read().decode()
        assert process.returncode == 0
        assert err.count("\n") == (1 if options else 0)
        if n:
            assert rows.read_text().count("\n") == n


@pytest.mark.parametrize(
    ("name", "write", "column"),
    [
        (
            "sms.txt",
            lambda texts: "".join(f"{['ham', 'spam'][i % 2]}\t{text}\n" for i, text in enumerate(texts)),
            "2",
        ),
        (
            "numbered.csv",
            lambda texts: "".join(f"{i},{text.replace(',', '')}\n" for i, text in enumerate(texts, 2)),
            "2",
        ),
        ("strings.json", json.dumps, "1"),
        ("data.json", lambda texts: json.dumps({"data": [{"id": "1", "text": text} for text in texts]}), "text"),
        ("series.json", lambda texts: json.dumps(dict(enumerate(texts))), "1"),
    ],
)
def test_the_option_that_a_refusal_names_reads_every_document(tmp_path, capsys, name, write, column):
    path = tmp_path / name
    path.write_text(write(["Ok, cat", *LINES]))
    said = refused(capsys, path, *QUICK)
    assert f"(--column {column})" in said
    assert run("topics", path, *QUICK, "--column", column) == 0
    assert f"{len(LINES) + 1} documents," in capsys.readouterr().err


def test_a_first_record_taken_for_a_header_is_told(tmp_path, capsys):
    path = tmp_path / "prose.txt"
    path.write_text("".join(f"{i}\t{line}\n" for i, line in enumerate(LINES)))
    assert run("topics", path, *QUICK, "--column", LINES[0]) == 0
    assert "is taken as a header and no document. If it is one, pass the number, --column 2." in capsys.readouterr().err


def test_texts_in_another_language_are_told(tmp_path, capsys):
    pytest.importorskip("stopwordsiso")
    texts = [
        "Die Katze und der Hund sind in dem Haus mit der Frau",
        "Das ist nicht die Art von Haus, in der wir wohnen",
    ]
    path = tmp_path / "german.txt"
    path.write_text("\n".join(texts * 10), encoding="utf-8")
    assert run("topics", path, "-k", 2, "--max-iter", 2, "--max-df", "1.0") == 0
    assert "are German stop words" in capsys.readouterr().err
    assert run("topics", path, "-k", 2, "--max-iter", 2, "--max-df", "1.0", "--language", "german") == 0
    assert "stop words, and" not in capsys.readouterr().err
