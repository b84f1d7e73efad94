"""The topics command on messy files: every one is read right, or refused in one line that says what to do."""

import json
import os
import re

import pytest

from featlearn.commands import main
from tests.messy import TEXTS, make, messy_files

QUICK = ["-k", "2", "--method", "vb", "--max-iter", "2", "--jobs", "1", "--min-df", "1", "--max-df", "1.0"]
PLAIN = ["notes.txt", "dos.txt", "mac.txt", "marked.txt", "wide.txt", "wider.txt", "odd \u200b“name”\n.txt"]
PLAIN += ["packed.txt.gz", "packed.txt.bz2", "packed.txt.xz"]
TABLES = ["reviews.csv", "german.csv", "reviews.tsv", "reviews.jsonl", "reviews.json"]
READ: dict[str, list[str]] = {name: [] for name in PLAIN} | {name: ["--column", "text"] for name in TABLES}
READ["wide_unmarked.txt"] = ["--encoding", "utf-16-le"]
REFUSED = {
    "wide_unmarked.txt": r"utf-16-le without a byte order mark: pass --encoding utf-16-le",
    "western.txt": r"looks like cp1252 or latin-1: pass --encoding cp1252",
    "chinese.txt": r"--encoding gb18030",
    "taiwan.txt": r"--encoding big5",
    "japanese.txt": r"--encoding shift_jis",
    "korean.txt": r"--encoding euc_kr",
    "russian.txt": r"--encoding cp1251",
    "empty.txt": r"is empty: it has 0 bytes",
    "blank.txt": r"is empty: it holds no line of text",
    "cut.txt.gz": r"cut.txt.gz is damaged: it cannot be unpacked",
    "reviews.csv": r"looks like CSV \(columns id, date, label, text\).*\(--column text\).*--lines",
    "german.csv": r"looks like CSV \(columns id, date, label, text\).*--column text",
    "reviews.tsv": r"looks like TSV \(columns id, date, label, text\).*--column text",
    "reviews.jsonl": r"looks like JSON Lines \(with columns id, date, label, text\).*--column text",
    "reviews.json": r"looks like JSON.*--column text",
    "bad.jsonl": r"looks like JSON Lines",
    "page.html": r"looks like XML or HTML",
    "paper.pdf": r"paper.pdf is no text: it is a PDF document",
    "photo.png": r"photo.png is no text: it is a picture",
    "program.bin": r"program.bin is binary",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the files."""
    folder = tmp_path_factory.mktemp("messy")
    make(folder)
    return folder


def test_there_are_thirty():
    assert len(messy_files()) == 30
    assert set(messy_files()) == READ.keys() | REFUSED.keys() | {"bad.jsonl"}


@pytest.mark.skipif(os.name == "nt", reason="such names are not possible there")
@pytest.mark.parametrize("name", READ)
def test_messy_files_that_are_read(folder, tmp_path, capsys, name):
    out = tmp_path / "out.jsonl"
    assert main(["topics", str(folder / name), *QUICK, *READ[name], "--jsonl", str(out)]) == 0
    err = capsys.readouterr().err
    assert re.search(rf"1 file.*: {TEXTS} documents, {12 * TEXTS} words", err)
    assert "10 of 10 terms" in err
    assert len([json.loads(line) for line in out.read_text().splitlines()]) == TEXTS


@pytest.mark.skipif(os.name == "nt", reason="such names are not possible there")
@pytest.mark.parametrize("name", REFUSED)
def test_messy_files_that_are_refused(folder, capsys, name):
    assert main(["topics", str(folder / name), *QUICK]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("featlearn topics: ")
    assert err.count("\n") == 1
    assert re.search(REFUSED[name], err), err


def test_the_whole_folder(folder, capsys, tmp_path):
    said = []
    left = dict.fromkeys(messy_files())
    for _ in range(len(left)):  # whoever follows the messages gets through
        trial = tmp_path / "trial"
        trial.mkdir(exist_ok=True)
        for path in trial.iterdir():
            path.unlink()
        for name in left:
            (trial / name).write_bytes(messy_files()[name])
        if main(["topics", str(trial), *QUICK, "--max-iter", "1"]) == 0:
            break
        err = capsys.readouterr().err
        named = max((name for name in left if " ".join(name.split()) in err), key=len)
        said.append(named)
        del left[named]
    assert set(said) == REFUSED.keys() - {"empty.txt", "blank.txt", "paper.pdf", "photo.png", "program.bin"}
    counts = "12 files: 10 documents (2 empty skipped; 3 hidden, binary or other files left out)"
    assert counts in capsys.readouterr().err


def test_the_whole_folder_by_column(folder, capsys):
    assert main(["topics", str(folder), *QUICK, "--column", "text"]) == 2
    assert "bad.jsonl, line 2: this is no whole JSON" in capsys.readouterr().err
    (folder / "bad.jsonl").unlink()
    assert main(["topics", str(folder), *QUICK, "--column", "text", "--date", "date"]) == 0
    out, err = capsys.readouterr()
    assert "5 files, read as JSON and JSON Lines and a table cut by commas and a table cut by semicolons and a" in err
    assert f"by tabs: {5 * TEXTS} documents (24 hidden, binary or other files left out)" in err
    assert "2024-06" in out
