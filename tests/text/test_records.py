"""Text in another shape than lines: tables, JSON, folders, pipes, packed files; refused where no column is named.

Also tests featlearn.text.dates, featlearn.text.encodings, featlearn.text.headers, featlearn.text.json_records,
featlearn.text.readers and featlearn.text.table_records.
"""

import ast
import bz2
import csv
import gzip
import io
import json
import lzma
import os
import re
import shlex
import string
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from featlearn.commands.files import as_options
from featlearn.text.dates import parts, periods
from featlearn.text.documents import FileDocuments, LineDocuments, check_documents
from featlearn.text.encodings import looks_like
from featlearn.text.headers import has_header
from featlearn.text.readers import Source
from featlearn.text.records import structure

ROWS = [
    {"id": "1", "date": "2024-01-03", "text": "The garden was lovely, and the roses bloomed\nall summer long."},
    {"id": "2", "date": "2024-02-11", "text": 'Prices "rose"; the bank raised rates.'},
    {"id": "3", "date": "", "text": ""},
    {"id": "4", "date": "2024-02-12", "text": "Roses need water,\tsaid the gardener."},
]
TEXTS = [row["text"] for row in ROWS if row["text"]]
KNOWN = [(row["text"], row["id"], row["date"] or None, None) for row in ROWS if row["text"]]


def table(rows, delimiter=",", **options):
    """Rows as a table."""
    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter, **options)
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


FORMS = {
    "comma.csv": table(ROWS),
    "semicolon.csv": table(ROWS, ";"),
    "tab.csv": table(ROWS, "\t"),
    "bar.txt": table(ROWS, "|"),
    "excel.csv": "sep=;\n" + table(ROWS, ";"),
    "marked.csv": "\ufeff" + table(ROWS),
    "all_quoted.csv": table(ROWS, quoting=csv.QUOTE_ALL, lineterminator="\n"),
    "backslash.csv": table(ROWS, doublequote=False, escapechar="\\"),
    "blanks.csv": table(ROWS, quoting=csv.QUOTE_ALL).replace('","', '", "'),
    "table.tsv": table(ROWS, "\t"),
    "lines.jsonl": "".join(json.dumps(row) + "\n" for row in ROWS),
    "lines.ndjson": "".join(json.dumps(row, ensure_ascii=False) + "\r\n\r\n" for row in ROWS),
    "lines.json": "\n".join(json.dumps(row) for row in ROWS),
    "list.json": json.dumps(ROWS),
    "pretty.json": json.dumps(ROWS, indent=2),
    "inner.json": json.dumps({"version": 1, "rows": ROWS}),
    "columns.json": json.dumps({name: [row[name] for row in ROWS] for name in ROWS[0]}),
    "frame.json": json.dumps({name: {str(i): row[name] for i, row in enumerate(ROWS)} for name in ROWS[0]}),
    "keyed.json": json.dumps({f"k{row['id']}": row for row in ROWS}),
    "unnamed": table(ROWS),
    "unnamed_json": json.dumps(ROWS),
}


@pytest.mark.parametrize("name", FORMS)
def test_text_in_another_shape_is_read_by_its_column(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(FORMS[name].encode())
    documents = LineDocuments(path, column="text", id="id", date="date")
    assert list(documents.records()) == KNOWN
    assert list(documents) == [text for chunk in documents() for text in chunk] == TEXTS
    assert (documents.tally.documents, documents.tally.empty) == (3, 1)


@pytest.mark.parametrize("reader", [LineDocuments, FileDocuments])
@pytest.mark.parametrize("name", FORMS)
def test_text_in_another_shape_is_refused_by_name(tmp_path, name, reader):
    path = tmp_path / name
    path.write_bytes(FORMS[name].encode())
    with pytest.raises(ValueError, match=rf"{name} looks like (CSV|TSV|JSON|a table).*column='?\w+'?.*plain=True"):
        list(reader(path))
    assert list(reader(path, plain=True))


@pytest.mark.parametrize(
    "text",
    [
        "One, two and three.\nFour, five, six.\nSeven, eight: nine.\n",
        "Dear Sir,\nI write, again, to you.\nYours,\nA\n",
        "[1] A note.\n[2] Another.\n{curly} words\n",
        "\tAn indented line.\n\tAnother one.\n\tA third.\n",
        "x < y and y > z.\n<b>bold</b> at the start of one line only\n",
        "I paid 1,000 for it.\nHe paid 2,000 for it.\nWe paid 3,000 for it.\n",
        "# A heading\n\n* a, b\n* c, d\n",
        "你好，世界。\n再见，世界。\n数学，很难。\n",
        "key: value\nother: value\n",
    ],
)
def test_prose_is_not_refused(tmp_path, text):
    path = tmp_path / "prose.txt"
    path.write_text(text, encoding="utf-8")
    assert list(LineDocuments(path)) == [line for line in text.split("\n") if line.strip()]
    assert list(FileDocuments(path)) == [text]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("<?xml version='1.0'?>\n<a>text</a>", "XML or HTML"),
        ("<!DOCTYPE html><title>A</title><p>text", "XML or HTML"),
        ("<DOC>\n<ID> 1 </ID>\n<TEXT>\nsome words\n</TEXT>\n</DOC>\n", "XML or HTML"),
        ("ham\tsee you\nspam\tfree ringtone\nham\tok, later\n", r"a table cut by tabs .*column='see you'|column=2"),
        ('"3","Title","Some text, here."\n"1","T","More."\n"2","U","Most."\n', "a table cut by commas"),
        ('{"a": [1,\n 2]}', "JSON"),
        ('{\n "cells": []}', "JSON"),
        ('["one text", "another text"]', "JSON"),
    ],
)
def test_other_marks_are_refused_by_name(tmp_path, text, what):
    path = tmp_path / "corpus.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=what):
        list(LineDocuments(path))


def test_columns_by_number_have_no_header(tmp_path):
    path = tmp_path / "sms.txt"
    path.write_text('ham\tsee you\nspam\t"free" ringtone\nham\tok, "later"\n')
    documents = LineDocuments(path, column=2, groups=1)
    assert [(record.text, record.group) for record in documents.records()] == [
        ("see you", "ham"), ('"free" ringtone', "spam"), ('ok, "later"', "ham"),
    ]  # fmt: skip
    assert list(LineDocuments(path, column="2")) == list(documents)
    path.write_text('["one", 2]\n["three", 4]\n')
    assert list(LineDocuments(path, column=1)) == ["one", "three"]
    path.write_text('["one", "two"]')
    assert list(LineDocuments(path, column=1)) == ["one", "two"]


def test_values_of_json(tmp_path):
    path = tmp_path / "a.jsonl"
    values = ["a\r\nb", None, 3, 2.5, True, ["p", "q", None], "", float("nan"), "\ud800x", "\U0001f600"]
    path.write_text("".join(json.dumps({"user": {"text": value}, "a.b": "c"}) + "\n" for value in values))
    assert list(LineDocuments(path, column="user.text")) == [
        "a\nb", "3", "2.5", "true", "p\nq\n", "\ufffdx", "\U0001f600",
    ]  # fmt: skip
    assert list(LineDocuments(path, column="a.b")) == ["c"] * len(values)
    with pytest.raises(ValueError, match=r"a.jsonl, line 1: column 'user' holds a record; name one in it, user.text"):
        list(LineDocuments(path, column="user"))


@pytest.mark.parametrize(
    ("name", "text", "options", "message"),
    [
        ("a.csv", "id,body\n1,x\n", {}, r"a.csv has no column 'text'; there are columns id, body\."),
        ("a.csv", "id,text\n1,x\n", {"id": "name"}, r"no column 'name'; there are columns id, text"),
        ("a.csv", "id,text,text\n1,x,y\n", {}, r"more than one column 'text'"),
        (
            "a.csv",
            "id,text\n1,x\n2,a, b\n",
            {},
            r"a.csv, line 3: the record has 3 fields, and the first line 2.*commas",
        ),
        ("a.csv", 'id,text\n1,x\n2,"a\nb\n', {}, r"a.csv, line 3: a quote is not closed"),
        ("a.csv", "id,text\n1,x\n", {"column": 3}, r"no column 3"),
        ("a.jsonl", '{"text": "a"}\n{"text": "b"\n', {}, r"a.jsonl, line 2: this is no whole JSON"),
        ("a.jsonl", '{"body": "a"}\n{"title": "b"}\n', {}, r"no column 'text'; there are columns body, title"),
        ("a.json", '[{"text": "a"},', {}, r"a.json, line 1: this is no whole JSON"),
        ("a.json", "3", {}, r"a.json holds one int"),
        ("a.json", "[" * 100_000, {}, r"a.json, line 1: this"),
    ],
)
def test_broken_records_are_named(tmp_path, name, text, options, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        list(LineDocuments(tmp_path / name, **{"column": "text"} | options))


def test_parameters_of_columns(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id,text\n1,x\n")
    for options, message in [
        ({"id": "id"}, "id='id' needs column="),
        ({"column": 0}, "column=0 is not valid; pass None or an instance of str or an integer of at least 1"),
        ({"column": "text", "date": 1.5}, r"date=1.5 is not valid"),
        ({"column": "text", "plain": True}, "plain=True reads lines and column= records"),
        ({"plain": 1}, "plain=1 is not valid; pass True or False"),
    ]:
        with pytest.raises(ValueError, match=message):
            LineDocuments(path, **options)


def test_large_fields_and_their_limit(tmp_path):
    text = "word " * 200_000
    path = tmp_path / "a.csv"
    path.write_text(table([{"text": text.strip(), "id": "1"}]))
    assert list(LineDocuments(path, column="text")) == [text.strip()]


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)])
def test_packed_files(tmp_path, suffix, pack):
    for name in (f"a.txt{suffix}", "b.txt"):
        path = tmp_path / name
        path.write_bytes(pack(b"one\ntwo\n"))
        assert list(LineDocuments(path)) == ["one", "two"]
    path = tmp_path / f"a.csv{suffix}"
    path.write_bytes(pack(FORMS["comma.csv"].encode()))
    assert list(LineDocuments(path, column="text")) == TEXTS
    with pytest.raises(ValueError, match=f"a.csv{suffix} looks like CSV"):
        list(LineDocuments(path))
    path = tmp_path / f"bad{suffix}"
    whole = pack(os.urandom(5000).hex().encode())
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=f"bad{suffix} is damaged: it cannot be unpacked after"):
        list(LineDocuments(path))
    path.write_bytes(b"plain text")
    with pytest.raises(ValueError, match=f"bad{suffix} is no {suffix} file"):
        list(LineDocuments(path))


def test_folders_are_walked_in_order(tmp_path):
    for name, content in {
        "b.txt": "b", "a.txt": "a", "sub/c.txt": "c", ".hidden": "no", ".git/d.txt": "no", "e.png": b"\x89PNG\r\n",
        "f.bin": b"\0\1\2\3", "empty.txt": "",
    }.items():  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    for reader in (LineDocuments, FileDocuments):
        documents = reader(tmp_path)
        assert list(documents) == ["a", "b", "c"]
        assert (documents.tally.files, documents.tally.empty_files, documents.tally.left_out) == (4, 1, 4)
    assert [record.id for record in documents.records()] == [str(tmp_path / n) for n in ("a.txt", "b.txt", "sub/c.txt")]
    with pytest.raises(ValueError, match=r"f.bin is binary"):
        list(LineDocuments(tmp_path / "f.bin"))
    with pytest.raises(ValueError, match=r"e.png is no text: it is a picture"):
        list(LineDocuments(tmp_path / "e.png"))
    (tmp_path / "sub" / "r.csv").write_text(FORMS["comma.csv"])
    with pytest.raises(ValueError, match=r"r.csv looks like CSV"):
        list(FileDocuments(tmp_path))
    documents = LineDocuments(tmp_path, column="text")
    assert list(documents) == TEXTS
    assert documents.tally.left_out == 8


def test_standard_input_is_read_as_often_as_asked(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"one\n\ntwo")))
    documents = LineDocuments("-")
    assert list(documents) == list(documents) == ["one", "two"]
    assert [record.id for record in documents.records()] == ["standard input:1", "standard input:3"]
    (copy,) = documents.paths
    assert copy.exists()
    del documents
    assert not copy.exists()


@pytest.mark.skipif(os.name == "nt", reason="no pipes with a name")
def test_a_pipe_is_read_as_often_as_asked(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"one\ntwo\n",))
    writer.start()
    documents = LineDocuments(pipe)
    writer.join()
    assert list(documents) == list(documents) == ["one", "two"]


def test_what_cannot_be_read_is_an_oserror_that_names_it(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("a")
    documents = LineDocuments(path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"a.txt cannot be read: No such file"):
        list(documents)
    path.write_text("a")
    denied = PermissionError(13, "Permission denied")
    monkeypatch.setattr(Path, "open", lambda *_, **__: (_ for _ in ()).throw(denied))
    with pytest.raises(PermissionError, match=r"a.txt cannot be read: Permission denied"):
        list(documents)
    for paths, kind, message in [
        (3, TypeError, "takes paths, and got a int"),
        ([3], TypeError, "takes paths, and 3 is a int"),
        (io.StringIO("a text"), TypeError, "got a StringIO; pass the names"),
        ("a\0b", ValueError, "holds a NUL character"),
        ("a text, not a path " * 50, OSError, "cannot be read: File name too long"),
        (os.devnull, OSError, "is no file to read text from"),
    ]:
        with pytest.raises(kind, match=message):
            LineDocuments(paths)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_byte_order_marks_are_followed_in_the_default_encoding(tmp_path, encoding, end):
    path = tmp_path / "a.txt"
    path.write_bytes(end.join(["first", "", "zweite Zeile – ü", "\u4e2d\u6587"]).encode(encoding))
    assert list(LineDocuments(path)) == ["first", "zweite Zeile – ü", "\u4e2d\u6587"]
    path.write_bytes(FORMS["comma.csv"].encode(encoding))
    assert list(LineDocuments(path, column="text")) == TEXTS


def test_lines_end_only_where_lines_end(tmp_path):
    path = tmp_path / "a.txt"
    lines = ["a\u2028b", "c\x0cd", "e\x0bf", "g\x85h", "i\x1cj"]
    path.write_text("\n".join(lines), encoding="utf-8", newline="")
    assert list(LineDocuments(path)) == lines


SAMPLES = {
    "cp1252": "Das Mädchen fährt heute über die große Brücke nach Köln, weil es dort ein schönes Fest gibt.",
    "latin-1": "Le garçon a été très étonné de voir la forêt brûlée près de l'église où il priait l'année passée.",
    "cp1250": "Zażółć gęślą jaźń, powiedział książę, który był bardzo zmęczony i poszedł spać późno w nocy.",
    "cp1251": "Мы изучаем математику и русский язык, потому что это интересно и полезно для всех людей.",
    "koi8-r": "Мы изучаем математику и русский язык, потому что это интересно и полезно для всех людей.",
    "cp1253": "Μαθαίνουμε μαθηματικά και ελληνικά, γιατί είναι ενδιαφέροντα και χρήσιμα για όλους τους ανθρώπους.",
    "gb18030": "我们在学校学习数学和语文，大家都说这个问题不是很难，可是我还没有想出来怎么做。",
    "big5": "我們在學校學習數學和語文，大家都說這個問題不是很難，可是我還沒有想出來怎麼做。",
    "shift_jis": "私たちは学校で数学と国語を勉強しています。この問題はそんなに難しくないと先生は言いました。",
    "euc_jp": "私たちは学校で数学と国語を勉強しています。この問題はそんなに難しくないと先生は言いました。",
    "euc_kr": "우리는 학교에서 수학과 국어를 공부하고 있습니다. 선생님은 이 문제가 어렵지 않다고 말했습니다.",
    "utf-16-le": "A line of English text, and another one after it.",
    "utf-16-be": "我们在学校学习数学和语文，大家都说这个问题不是很难。",
}


@pytest.mark.parametrize("encoding", SAMPLES)
def test_encoding_errors_say_what_the_bytes_look_like(tmp_path, encoding):
    text = SAMPLES[encoding]
    for content in (text, 400 * "a line in ASCII that is long enough\n" + text):
        path = tmp_path / "a.txt"
        path.write_bytes(content.encode(encoding))
        if encoding.startswith("utf-16") and content != text and encoding.endswith("be"):
            continue
        with pytest.raises(ValueError, match=r"a.txt is not utf-8.* It looks like ") as caught:
            list(LineDocuments(path))
        guess = str(caught.value).split("encoding='")[1].split("'")[0]
        assert "\n".join(LineDocuments(path, guess)) == content.rstrip("\n")


def test_a_wrong_encoding_that_decodes_is_told(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("Das Mädchen fährt über die Brücke.\n中文\n", encoding="utf-8")
    for encoding in ("latin-1", "cp437"):
        with pytest.warns(UserWarning, match=rf"a.txt: its bytes are UTF-8, and were read as {encoding}"):
            list(LineDocuments(path, encoding))
    path.write_text("one é, plain otherwise", encoding="utf-8")
    list(LineDocuments(path, "latin-1"))
    for name in ("utf-8", "UTF8", "utf_8_sig"):
        list(LineDocuments(path, name))


def test_records_are_no_documents(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("a\nb\n")
    with pytest.raises(ValueError, match=r"document 0 of the input is a Record, .*Pass the texts"):
        check_documents(list(LineDocuments(path).records()), "It")
    with pytest.raises(ValueError, match=r"the chunk is a Record"):
        list(check_documents(LineDocuments(path).records(), "It"))
    with pytest.raises(ValueError, match=r"document 0 of the input is a dict, .*Pass the texts"):
        check_documents([{"text": "a"}], "It")


def test_no_encoding_is_claimed_where_it_is_not_clear(tmp_path):
    for data in (b"\xff", b"ab\xff\xfe\xfd", bytes(range(128, 256)), "中文".encode("gb18030"), b"plain", b""):
        assert looks_like(data) is None
    path = tmp_path / "a.txt"
    path.write_bytes("naïve café — déjà vu, ".encode() * 30 + b"\xff" + "señor".encode())
    with pytest.raises(ValueError, match="What stands around it is damaged utf-8: mend this place"):
        list(LineDocuments(path))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-03", (2024, 1, 3)),
        ("2024-01-03T10:00:00Z", (2024, 1, 3)),
        ("2024/1/3", (2024, 1, 3)),
        ("3.1.2024", (2024, 1, 3)),
        ("1/30/2024", (2024, 1, 30)),
        ("30/1/2024", (2024, 1, 30)),
        ("1/3/2024", (2024, 0, 0)),
        ("January 3, 2024", (2024, 1, 3)),
        ("Wed, 03 Jan 2024 10:22:01 +0100", (2024, 1, 3)),
        ("2024年1月3日", (2024, 1, 3)),
        ("20240103", (2024, 1, 3)),
        ("1704276000", (2024, 1, 3)),
        ("2024", (2024, 0, 0)),
        ("Jan 2024", (2024, 1, 0)),
        ("soon", None),
        ("2024-13-01", None),
        ("2023-02-29", None),
        ("12", None),
        ("", None),
    ],
)
def test_dates(text, expected):
    from featlearn.text.dates import order_of

    assert parts(text, order_of([text])) == expected


def test_periods_stand_in_the_order_of_time():
    assert periods(["2024-02-11", "2024-01-03", None, "x"]) == (
        ["2024-02", "2024-01", "no date", "no date"],
        "month",
        2,
    )
    assert periods(["2024-02-11", "2024-02-03"]) == (["2024-02-11", "2024-02-03"], "day", 0)
    assert periods(["1999-02-11", "2024-02-03", "2001"]) == (["1999", "2024", "2001"], "year", 0)
    assert periods(["1/2/2024", "13/2/2024"]) == (["2024-02-01", "2024-02-13"], "day", 0)
    assert periods(["1/2/2024", "2/13/2024"]) == (["2024-01", "2024-02"], "month", 0)


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), include_characters="\n\t"), max_size=40)
NAMES = st.text(string.ascii_letters, min_size=1, max_size=8)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(WORDS, min_size=1, max_size=8), st.sampled_from([*",;\t|", "lines", "list"]), st.booleans())
def test_what_was_written_comes_back(tmp_path, texts, form, marked):
    rows = [{"id": f"n{i}", "text": text, "x": "y,z"} for i, text in enumerate(texts)]
    if len(form) == 1:
        content = table(rows, form, quoting=csv.QUOTE_ALL)
    else:
        content = json.dumps(rows) if form == "list" else "".join(json.dumps(row) + "\n" for row in rows)
    path = tmp_path / ("a.jsonl" if form == "lines" else "a.json" if form == "list" else "a.csv")
    path.write_bytes(content.encode("utf-16" if marked else "utf-8"))
    expected = [(text, f"n{i}") for i, text in enumerate(texts) if text.strip()]
    documents = LineDocuments(path, column="text", id="id")
    if not expected:
        with pytest.raises(ValueError, match="no record with a text"):
            list(documents)
    else:
        assert [(record.text, record.id) for record in documents.records()] == expected
        assert documents.tally.empty == len(texts) - len(expected)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(string.ascii_letters + " .,;'-!?", min_size=1, max_size=60), min_size=1, max_size=12))
def test_prose_of_any_kind_is_not_refused(lines):
    prose = "\n".join(line.replace(",", ", ").replace(";", "; ") for line in lines)
    assert structure(prose, Source(Path("a.txt"), "a.txt"), whole=True) is None


# ---- advice ----

LINES = ["The cat sat on a mat", "A dog ran off, and far", "Birds flew", "It rained all day", "We went home at last"]
PAIRS = [{"id": str(i), "text": line} for i, line in enumerate(LINES)]
MANY = [line * 20 for line in LINES * 200]  # more than a file's beginning


def joined(rows, delimiter="\t", head=None, **options):
    """Rows in lines, below a header or none."""
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, lineterminator="\n", **options).writerows([*([head] if head else []), *rows])
    return file.getvalue()


SHORT = ["ok to nah...", *LINES]
SENTIMENT = [
    [f"14678{i}" for i in range(6)],
    [f"Mon Apr 06 22:19:4{i} PDT 2009" for i in range(6)],
    ["NO_QUERY"] * 6,
    [f"user_{i}" for i in range(6)],
]
QUESTION = "What did you like, in your own words? (Say it all, or nothing at all)"
THREE = ["Yes, I do", "No, not I", "So, say I"]
NUMBERED = [(i, line) for i, line in enumerate(LINES, 1)]
SHAPES = {  # a file, and the texts in it
    "no_header.txt": (joined(NUMBERED), LINES),
    "no_header.csv": (joined(NUMBERED, ","), LINES),
    "short_first.txt": (joined(zip(["ham", "spam"] * 3, SHORT)), SHORT),
    "sentiment.csv": (joined(zip("000444", *SENTIMENT, SHORT), ",", quoting=csv.QUOTE_ALL), SHORT),
    "labels.csv": (joined([(["neg", "pos"][i % 2], line) for i, line in enumerate(LINES)], ","), LINES),
    "all_labels.csv": (joined(list(zip(["sport", "law", "art", "tech", "food"], LINES)), ","), LINES),
    "names.csv": (joined([(f"doc{i + 17}", line) for i, line in enumerate(LINES)], ","), LINES),
    "dated.txt": (joined([(f"2024-01-0{i + 1}", line) for i, line in enumerate(LINES)], "|"), LINES),
    "own_number.txt": (joined(zip([2, 3, 1], THREE)), THREE),
    "comma_each.txt": ("1\tYes, I do\n2\tNo, not I\n3\tSo, say I\n", THREE),
    "semicolons.csv": ("1;Yes, I do\n2;No, not I\n3;So, say I\n", THREE),
    "header.txt": (joined(NUMBERED, head=["n", "what they said"]), LINES),
    "pandas.csv": (joined(NUMBERED, ",", head=["", "review"]), LINES),
    "pandas_unnamed.csv": (joined(NUMBERED, ",", head=["0", "1"]), LINES),
    "question.csv": (joined(NUMBERED, ",", head=["id", QUESTION]), LINES),
    "quotes.csv": (joined(NUMBERED, ",", head=["id", "it's  \"the text\""]), LINES),
    "dash.csv": (joined(NUMBERED, ",", head=["id", "-text"]), LINES),
    "one_column.csv": (joined([(line,) for line in LINES], ",", head=["text"]), LINES),
    "decomposed.csv": (joined(NUMBERED, ",", head=["id", "te\u0301xt"]), LINES),
    "strings.json": (json.dumps(LINES), LINES),
    "strings_pretty": (json.dumps(LINES, indent=1), LINES),
    "strings.jsonl": ("\n".join(map(json.dumps, LINES)), LINES),
    "lists.json": (json.dumps(NUMBERED), LINES),
    "lists.jsonl": ("\n".join(map(json.dumps, NUMBERED)), LINES),
    "in_data.json": (json.dumps({"data": PAIRS}), LINES),
    "in_data_licensed.json": (json.dumps({"license": "word " * 400, "data": PAIRS}), LINES),
    "parts.json": (json.dumps({"train": PAIRS[:3], "test": PAIRS[3:]}), LINES),
    "series.json": (json.dumps({str(i): line for i, line in enumerate(LINES)}), LINES),
    "long_series.json": (json.dumps(dict(enumerate([*SHORT, "more " * 99, *SHORT]))), [*SHORT, "more " * 99, *SHORT]),
    "texts_by_name.json": (json.dumps({f"doc{i}": line for i, line in enumerate(LINES)}), LINES),
    "split.json": (json.dumps({"columns": ["id", "text"], "index": [0, 1, 2, 3, 4], "data": NUMBERED}), LINES),
    "inner.jsonl": ("\n".join(json.dumps({"id": i, "a": {"b c": line}}) for i, line in NUMBERED), LINES),
    "first_empty.jsonl": ("\n".join(json.dumps({"text": t, "x": "a b"}) for t in ["", None, *LINES]), LINES),
    "one.json": (json.dumps({"title": "One of a kind", "text": LINES[0] + LINES[1]}), [LINES[0] + LINES[1]]),
    "large.json": (json.dumps([{"id": i, "text": line} for i, line in enumerate(MANY)]), MANY),
    "large": (json.dumps([{"id": i, "text": line} for i, line in enumerate(MANY)]), MANY),
    "large_pretty": (json.dumps({"rows": [{"text": line} for line in MANY]}, indent=2), MANY),
} | {name: (content, TEXTS) for name, content in FORMS.items()}  # fmt: skip


@pytest.mark.parametrize("reader", [LineDocuments, FileDocuments])
@pytest.mark.parametrize("name", SHAPES)
def test_advice_works(tmp_path, name, reader):
    content, expected = SHAPES[name]
    path = tmp_path / name
    path.write_bytes(content.encode())
    with pytest.raises(ValueError, match=f"{name} looks like") as caught:
        list(reader(path))
    said = as_options(" ".join(str(caught.value).split()))
    lexer = shlex.shlex(said[said.index("(--column") + len("(--column") + 1 :], posix=True, punctuation_chars="()")
    lexer.whitespace_split = True
    found = list(LineDocuments(path, column=next(lexer)))  # warnings are errors
    assert found == expected


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("id,text|1,The cat sat|2,The dog ran", True),
        ("when,what|2024-01-03,The cat sat|2024-01-04,The dog ran", True),
        ("who,what|u1,The cat sat|u2,The dog ran", True),
        ("label,text|sport,The game was won|law,The vote was lost", True),
        ("text|The cat sat|The dog ran", True),
        (",x|0,The cat sat|1,The dog ran", True),
        ("0,1|5,The cat sat|6,The dog ran", True),
        ("v1,v2,|ham,The cat sat,|spam,The dog ran,", True),
        ("1,The cat sat|2,The dog ran", False),
        ("u1,u2|u2,u3|u5,u1", False),
        ("2024-01-03,Hello|2024-01-04,The dog ran", False),
        ("u1,Hello|u2,The dog ran", False),
        ("a@b.org,Hello|c@d.org,The dog ran", False),
        ("ham,Ok|spam,Win a prize now|ham,See you at home", False),
        ("anna,Well done. It was good.|bert,It was bad.", False),
        ("anna,so it goes|bert,it was bad", None),
        ("a,b", None),
    ],
)
def test_a_header_is_told_from_a_record(rows, expected):
    assert has_header([row.split(",") for row in rows.split("|")]) is expected


def test_a_record_taken_for_a_header_is_told(tmp_path):
    path = tmp_path / "a.txt"
    for content, column, kept in [
        (joined(NUMBERED), LINES[0], LINES[1:]),
        (joined([("ham", "Ok"), ("spam", "Win a prize"), ("ham", "See you")]), "Ok", ["Win a prize", "See you"]),
        ("anna,so it goes\nbert,it was bad\ncarl,well\n", "so it goes", ["it was bad", "well"]),
    ]:
        path.write_text(content)
        with pytest.warns(UserWarning, match=rf"the name '{column}', and is taken as a header .* column=2\."):
            assert list(LineDocuments(path, column=column)) == kept
    with pytest.raises(ValueError, match=r"no column 'text'; first row: anna, so it goes. .*\(column=2 holds most"):
        list(LineDocuments(path, column="text"))
    with pytest.raises(ValueError, match=r"perhaps without .*column=2\) \(or column='so it goes' if the first"):
        list(LineDocuments(path))


def test_names_that_look_alike_are_one(tmp_path):
    forms = {"a.csv": "id,{}\n1,one\n", "a.jsonl": '{{"id": 1, "{}": "one"}}\n', "b.json": '{{"a": {{"{}": "one"}}}}'}
    names = [("te\u0301xt", "t\xe9xt"), ("t\xe9xt", "te\u0301xt"), ("t\xa0x", "t x"), (" t\u200bx", "tx")]
    for name, content in forms.items():
        path = tmp_path / name
        for written, asked in names:
            path.write_text(content.format(written), encoding="utf-8")
            assert list(LineDocuments(path, column=f"a.{asked}" if name == "b.json" else asked)) == ["one"]


@pytest.mark.parametrize(
    "text",
    [
        '["a", "b"] is a list in Python\nand more\n',
        '{"a":1} said he\nand more\n',
        '[{"a": 1}, {"b": 2}] is what he wrote.\nMore\n',
        '["Hello", she said]\nand went\n',
        '["a", "b"]\nis a list\nof two\n',
        '{"a": 1, said he\nand more\n',
        "{}\nare empty\nbraces\n",
        '["a", "b"] is a list in Python\n' * 3000,
    ],
)
def test_prose_that_begins_as_json_is_prose(tmp_path, text):
    path = tmp_path / "prose.txt"
    path.write_text(text)
    assert "\n".join([*LineDocuments(path), ""]) == text
    assert list(FileDocuments(path)) == [text]


@pytest.mark.parametrize(
    "text",
    [
        '{"t": "a"}\n{"t": "b"\n{"t": "c"}\n',
        '{"t": "a\n{"t": "b"}\n{"t": "c"}\n',
        '{\n"t": "a",\n"u": "b",\n}',
        '{"t": "a"}',
    ],
)
def test_json_with_a_slip_is_no_prose(tmp_path, text):
    path = tmp_path / "a.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match="looks like JSON"):
        list(LineDocuments(path))


@pytest.mark.parametrize(
    ("lines", "column", "message"),
    [
        (['{"text": "a"}', '"str"', '{"text": "b"}'], "text", r'a.jsonl, line 2: "str" is no record with names'),
        (['{"text": "a"}', "", "3"], "text", r"line 3: 3 is no record with names"),
        (['{"text": "a"}', '["b"]'], "text", r"line 2: a list \(1 values\) is no record"),
        (['"str"', '{"text": "a"}'], "text", r'line 1: "str" is no record .*column=1'),
        (['["b", 1]', '["c", 2]'], "text", r"line 1: a list .*column=1"),
        (["true", '{"text": "a"}'], 1, r"line 2: a record with names among others"),
        (['["a"]', '"b"'], 1, r'line 2: "b" is no record as those before'),
        (['["a", "b"]', '["c"]'], 3, r"no column 3; its records are lists without names: pass a number up to 2"),
        (['"a"', '"b"'], 3, r"no column 3; its records are texts without names: pass column=1"),
    ],
)
def test_lines_that_are_no_records_are_named(tmp_path, lines, column, message):
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(lines))
    with pytest.raises(ValueError, match=message):
        list(LineDocuments(path, column=column))
    (tmp_path / "a.json").write_text(f"[{','.join(filter(None, lines))}]")
    with pytest.raises(ValueError, match=message.split(":")[-1].strip()):
        list(LineDocuments(tmp_path / "a.json", column=column))


def test_what_holds_no_text_is_counted(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('null\n{"text": "a"}\n{"text": null}\n{"other": 1}\n{}\n')
    documents = LineDocuments(path, column="text")
    assert (list(documents), documents.tally.empty) == (["a"], 4)


def test_records_in_json_are_named_from_the_top_too(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"data": PAIRS}))
    with pytest.raises(ValueError, match=r"column 'data' holds a record; name one in it, data.text"):
        list(LineDocuments(path, column="data"))
    for column, id in [("data.text", "data.id"), ("data.text", "id"), ("text", "data.id")]:
        records = LineDocuments(path, column=column, id=id).records()
        assert [(record.text, record.id) for record in records] == [(pair["text"], pair["id"]) for pair in PAIRS]
    path.write_text(json.dumps({"0": "one", "1": "two"}))
    with pytest.raises(ValueError, match=r"no column '25'; it holds texts by their names: pass column=1"):
        list(LineDocuments(path, column="25"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(st.sampled_from(["cat", "dog", "yes,", "no.", "I'm"]), min_size=1), min_size=4, max_size=9),
    st.sampled_from("\t,;|"),
    st.sampled_from(["number", "date", "mark", "label"]),
    st.booleans(),
)
def test_advice_on_tables_gets_every_document(tmp_path, texts, delimiter, first, header):
    kinds = {"number": "{0}", "date": "2024-01-1{0}", "mark": "u{0}x", "label": "{1}"}
    texts = [" ".join(words) for words in texts]
    rows = [(kinds[first].format(i, "ab"[i % 2]), text) for i, text in enumerate(texts)]
    path = tmp_path / "a.csv"
    path.write_text(joined(rows, delimiter, ["a name", "text"] if header else None, quoting=csv.QUOTE_ALL))
    with pytest.raises(ValueError, match="looks like CSV") as caught:
        list(LineDocuments(path))
    assert ("column='text'" in str(caught.value)) == header
    assert list(LineDocuments(path, column="text" if header else 2)) == texts
    assert "column='text'" in str(caught.value) if header else "(column=2)" in str(caught.value)


JSON_VALUES = st.recursive(
    st.sampled_from([None, True, 3, 2.5, "", "a", "a cat sat", "2024-01-03", "the dogs ran off"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(["id", "text", "data", "a.b", "0", "1", "2", "te\u0301"]), inner, max_size=4),
    ),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(JSON_VALUES, st.sampled_from(["a.json", "a.jsonl", "a"]))
def test_advice_on_json_of_any_shape_can_be_followed(tmp_path, value, name):
    path = tmp_path / name
    lines = value if isinstance(value, list) and name == "a.jsonl" else [value]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")
    try:
        list(LineDocuments(path))
    except ValueError as error:
        said = str(error)
    else:
        return
    if (match := re.search(r"\(column=('[^']*'|\d+)\)", said)) is not None:
        try:
            assert list(LineDocuments(path, column=ast.literal_eval(match[1])))
        except ValueError as error:  # one of the records is of another kind, and named
            assert "Mend it or take it out" in str(error)  # noqa: PT017
