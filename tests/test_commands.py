"""The command line: what it writes, and what it says and returns when the input is wrong."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import joblib
import numpy as np
import pytest

import featlearn
from featlearn.commands import main, topics

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
    out, model = tmp_path / "report.html", tmp_path / "topics.joblib"
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
    extractor = joblib.load(model)
    assert extractor.transform(["the cat and the dog", "stock market"]).argmax(axis=1).tolist() in ([0, 1], [1, 0])
    assert LINES[0].encode() not in model.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus.txt", "report.html", "topics.joblib"]


def test_the_same_seed_gives_the_same_topics(corpus, tmp_path, capsys):
    components = []
    for seed, jobs in [(1, 1), (1, 2), (2, 1)]:
        model = tmp_path / f"{seed}{jobs}.joblib"
        options = ["-k", 3, "--method", "vb", "--max-iter", 3, "--seed", seed, "--jobs", jobs]
        assert run("topics", corpus, *options, "--save", model) == 0
        components.append(joblib.load(model).components_)
    np.testing.assert_array_equal(components[0], components[1])
    assert not np.array_equal(components[0], components[2])


def test_files_or_lines(corpus, tmp_path, capsys):
    paths = [tmp_path / f"{i}.txt" for i in range(20)]
    for path, line in zip(paths, LINES):
        path.write_text(f"{line}\n{line}\n")
    model = tmp_path / "m.joblib"

    def documents(*arguments):
        assert run("topics", *arguments, *QUICK, "--min-df", 2, "--save", model, "--force") == 0
        return joblib.load(model).topics_.n_documents

    assert documents(*paths) == 20
    assert documents(*paths, "--lines") == 40
    assert documents(paths[0], paths[1], "--lines", "--max-df", "1.0") == 4
    assert documents(corpus) == 60
    assert "20 files" in capsys.readouterr().out


def test_large_files_are_streamed_and_the_shares_are_right(corpus, tmp_path, capsys, monkeypatch):
    model = tmp_path / "m.joblib"
    options = ["-k", 2, "--method", "online", "--max-iter", 3, "--save", model, "--force"]
    assert run("topics", corpus, *options) == 0
    held, shown = joblib.load(model), capsys.readouterr().out
    monkeypatch.setattr(topics, "IN_MEMORY", 10)
    assert run("topics", corpus, *options) == 0
    streamed = joblib.load(model)
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
    assert joblib.load(model).model_.method == "online"


def test_options_reach_the_steps(corpus, tmp_path, capsys):
    words, model = tmp_path / "stop.txt", tmp_path / "m.joblib"
    words.write_text("cat\nbond stock\n")
    options = ["--stop-words", words, "--min-df", 3, "--max-df", 0.9, "--max-features", 6, "--phrases"]
    pytest.importorskip("gensim", reason="pip install 'featlearn[text]'")
    assert run("topics", corpus, *QUICK, *options, "--save", model) == 0
    extractor = joblib.load(model)
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
    model = tmp_path / "topics.joblib"
    model.write_text("the old one")
    assert "is there already. Give another name, or --force" in refused(capsys, corpus, *QUICK, "--save", model)

    def half(value, path):
        Path(path).write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(joblib, "dump", half)
    assert "No space left on device" in refused(capsys, corpus, *QUICK, "--save", model, "--force")
    assert model.read_text() == "the old one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus.txt", "topics.joblib"]


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
        "import sys, featlearn.text.lda as lda\nfrom featlearn.commands import main\n"
        "fit = lda.LDA.fit\n"
        "def told(self, X, y=None):\n    print('fitting', flush=True)\n    return fit(self, X)\n"
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
