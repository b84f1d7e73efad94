"""The gate of files: texts in every form and encoding, whole, cut, changed or random, by the readers and the command.

What was written whole must come back as it was; what was cut comes back as the beginning, or is refused; what was
packed and cut is refused.
"""

import bz2
import contextlib
import csv
import gzip
import io
import json
import lzma
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from featlearn.commands import main
from featlearn.text.documents import FileDocuments, LineDocuments
from tests.fuzz import Case, pick

WORDS = {
    "utf-8": [
        "cat",
        "naïve",
        "中文",
        "кот",
        "ねこ",
        "고양이",
        "\u200bx",
        "e\u0301",
        "😀",
        "don’t",
        "a\u2028b",
        "x\x0cy",
    ],
    "utf-16": ["cat", "naïve", "中文", "кот", "ねこ", "😀", "don’t", "\ufeffx"],
    "utf-32": ["cat", "中文", "кот", "😀"],
    "utf-8-sig": ["cat", "naïve", "中文"],
    "gb18030": ["cat", "中文", "学习", "数学"],
    "shift_jis": ["ねこ", "学校", "cat"],
    "euc_kr": ["고양이", "학교", "cat"],
    "big5": ["中文", "學習", "cat"],
    "cp1251": ["кот", "собака", "cat"],
    "latin-1": ["cat", "naïve", "café", "über"],
    "utf-16-le": ["cat", "dog", "中文"],
}
MARKS = ['"', "'", ",", ";", "\t", "|", "{", "}", "[", "\\", "\\n", "\n", "a,b", '""', "#", "=1+1", "</b>", "null"]
PACKS = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}
TABLES = {"comma.csv": ",", "semicolon.csv": ";", "tab.tsv": "\t", "bar.csv": "|", "tab.csv": "\t"}
FORMS = ["lines.txt", "file.txt", "lines.jsonl", "list.json", "pretty.json", *TABLES]


def document(rng: np.random.Generator, words: list[str], form: str) -> str:
    """A text; one for lines or files has nothing that looks like a table."""
    n = int(rng.integers(0, 12))
    marks = [] if form.endswith(".txt") else MARKS
    text = " ".join(pick(rng, words + marks if rng.uniform() < 0.4 else words) for _ in range(n))
    if form == "file.txt" and n > 1:
        text += "\n" + pick(rng, words) + pick(rng, ["", "\n", "\n\n"])
    return text


def content_of(rng: np.random.Generator, texts: list[str], form: str) -> str:
    """The texts in a form, with line ends of some kind."""
    end = pick(rng, ["\n", "\n", "\r\n", "\r"])
    if form == "lines.txt":
        return end.join(texts) + pick(rng, ["", end, 2 * end])
    if form == "file.txt":
        return texts[0].replace("\n", end)
    rows: list[dict[str, Any]] = [{"id": f"n{i}", "text": text, "more": i} for i, text in enumerate(texts)]
    if form == "lines.jsonl":
        return end.join(json.dumps(row, ensure_ascii=bool(rng.integers(2))) for row in rows)
    if form.endswith(".json"):
        return json.dumps(rows, indent=2 if form == "pretty.json" else None)
    file = io.StringIO()
    quoting = csv.QUOTE_ALL if rng.uniform() < 0.5 or end == "\r" else csv.QUOTE_MINIMAL
    writer = csv.DictWriter(file, list(rows[0]), delimiter=TABLES[form], quoting=quoting, lineterminator=end)
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def files_case(rng: np.random.Generator) -> Case:
    """A file and how it is read."""
    form = pick(rng, FORMS)
    encoding = pick(rng, list(WORDS) + ["utf-8"] * 10)
    suffix = pick(rng, ["", "", "", *PACKS])
    texts = [document(rng, WORDS[encoding], form) for _ in range(1 if form == "file.txt" else int(rng.integers(1, 9)))]
    data = content_of(rng, texts, form).encode(encoding)
    packed = PACKS[suffix](data)
    whole = rng.uniform() < 0.5
    damage = "whole" if whole else pick(rng, ["cut", "cut", "changed", "random", "random"])
    if damage == "cut":
        packed = packed[: int(rng.integers(len(packed) + 1))]
    elif damage == "changed" and packed:
        at = int(rng.integers(len(packed)))
        packed = packed[:at] + rng.bytes(int(rng.integers(0, 5))) + packed[at + int(rng.integers(0, 5)) :]
    elif damage == "random":
        packed = pick(rng, [b"", b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\xff\xfe", b"{", b"[", b"%PDF-"]) + rng.bytes(
            int(rng.integers(0, 200))
        )
        packed = pick(rng, [packed, bytes(byte % 96 + 32 for byte in packed), bytes(byte or 65 for byte in packed)])
    named = encoding if encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32") and rng.uniform() < 0.5 else ""
    passed = "utf-8" if encoding.startswith(("utf-8", "utf-16", "utf-32")) and not named else encoding
    if encoding == "utf-16-le":
        passed = encoding
    options: dict[str, Any] = {} if form.endswith(".txt") else {"column": "text", "id": "id"}
    how = pick(rng, ["list", "list", "chunks", "folder", "command"] if rng.uniform() < 0.5 else ["list"])
    what = f"{form}{suffix} in {encoding} ({damage}), read as {passed} by {how}"
    reader = FileDocuments if form == "file.txt" else LineDocuments

    def call():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, f"{form}{suffix}")
            path.write_bytes(packed)
            if how == "command":
                return command(path, passed, options)
            documents = reader(folder if how == "folder" else path, passed, chunk=2, **options)
            expected = [ends(text) for text in texts if text.strip()]
            try:
                found = [t for chunk in documents() for t in chunk] if how == "chunks" else list(documents)
                if whole and options:
                    names = [record.id for record in documents.records()]
                    if names != [f"n{i}" for i, text in enumerate(texts) if text.strip()]:
                        return f"names {names} do not go with {texts}"
            except ValueError as error:
                if whole and expected:
                    return f"{type(error).__name__}: {error}"
                raise
        return compared(found, expected, damage, suffix, form)

    return what, call


def ends(text: str) -> str:
    """A text as it comes back: lines end by a newline."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def compared(found: list[str], expected: list[str], damage: str, suffix: str, form: str) -> str | None:
    """What is wrong with the documents read."""
    if not all(isinstance(text, str) and text.strip() for text in found) or not found:
        return f"it gave {found!r:.200}"
    if damage == "whole":
        return None if found == expected else f"it gave {found!r:.300}, not {expected!r:.300}"
    if damage == "cut" and form != "file.txt" and found[:-1] != expected[: len(found) - 1]:
        return f"cut, it gave {found!r:.300} of {expected!r:.300}"
    if damage == "cut" and suffix and found != expected:
        return f"packed and cut, it gave {found!r:.300}"
    return None


def command(path: Path, encoding: str, options: dict[str, Any]) -> str | None:
    """What is wrong with the answer of the command line: an exit code and, of a refusal, one line."""
    arguments = ["topics", str(path), "-k", "2", "--method", "vb", "--max-iter", "1", "--jobs", "1", "--min-df", "1"]
    arguments += ["--max-df", "1.0", "--encoding", encoding, *(["--column", "text"] if options else [])]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    lines = err.getvalue().split("\n")
    if code == 2 and len(lines) == 2 and lines[0].startswith("featlearn topics: ") and not out.getvalue():
        return None
    return None if code == 0 and out.getvalue() else f"exit code {code}: {err.getvalue()!r:.300}"
