"""A folder of 30 messy files, as people have them: ``python -m tests.messy FOLDER`` makes one to try commands on."""

import bz2
import csv
import gzip
import io
import json
import lzma
import random
import sys
from pathlib import Path

PETS = ["cat", "dog", "leash", "paw", "kennel"]
MONEY = ["bond", "stock", "fund", "yield", "market"]
NOTES = {"notes.txt": "\n", "dos.txt": "\r\n", "mac.txt": "\r"}  # line ends
TEXTS = 40  # in each file of lines


def texts(seed: int) -> list[str]:
    """Texts about pets and money, a line each."""
    random.seed(seed)
    return [" ".join(random.choices(PETS if i % 2 else MONEY, k=12)) for i in range(TEXTS)]


def table(rows: list[dict], delimiter: str) -> str:
    """Rows as a table."""
    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def messy_files() -> dict[str, bytes]:
    """30 files by name: their line ends, encodings, emptiness, structure, packing and scripts all differ."""
    rows = [
        {"id": f"r{i}", "date": f"2024-{1 + i % 6:02d}-01", "label": "ab"[i % 2], "text": text.replace(" ", ",\n", 1)}
        for i, text in enumerate(texts(7))
    ]
    lines = "\n".join(texts(1))
    western, chinese = (
        "Der Hund fährt über die Brücke, très étonné. ",
        "我们在学校学习数学和语文，大家都说这个问题不是很难。",
    )
    files: dict[str, str | bytes] = {name: end.join(texts(i)) for i, (name, end) in enumerate(NOTES.items())}
    files |= {
        "marked.txt": ("\ufeff" + lines).encode(),
        "wide.txt": lines.encode("utf-16"),
        "wider.txt": lines.encode("utf-32"),
        "wide_unmarked.txt": lines.encode("utf-16-le"),
        "western.txt": (western + "\n").encode("cp1252") * 5,
        "chinese.txt": (chinese + "\n").encode("gb18030") * 5,
        "taiwan.txt": "我們在學校學習數學和語文，大家都說這個問題不是很難。\n".encode("big5") * 5,
        "japanese.txt": "私たちは学校で数学と国語を勉強しています。難しくないと言いました。\n".encode("shift_jis") * 5,
        "korean.txt": "우리는 학교에서 수학과 국어를 공부하고 있습니다. 선생님은 말했습니다.\n".encode("euc_kr") * 5,
        "russian.txt": "Мы изучаем математику и русский язык, потому что это интересно.\n".encode("cp1251") * 5,
        "empty.txt": b"",
        "blank.txt": b" \n\n\t\n",
        "packed.txt.gz": gzip.compress(lines.encode()),
        "packed.txt.bz2": bz2.compress(lines.encode()),
        "packed.txt.xz": lzma.compress(lines.encode()),
        "cut.txt.gz": gzip.compress(lines.encode())[:-20],
        "reviews.csv": table(rows, ","),
        "german.csv": "\ufeff" + table(rows, ";"),
        "reviews.tsv": table(rows, "\t"),
        "reviews.jsonl": "".join(json.dumps(row) + "\n" for row in rows),
        "reviews.json": json.dumps(rows, indent=1),
        "bad.jsonl": json.dumps(rows[0]) + '\n{"id": "r1", "text": "cut\n',
        "page.html": "<!DOCTYPE html><title>Dogs</title><p>A dog.</p>",
        "paper.pdf": b"%PDF-1.7\n\xe2\xe3\xcf\xd3\n1 0 obj",
        "photo.png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        "program.bin": bytes(range(256)),
        "odd \u200b“name”\n.txt": lines,
    }
    return {name: content if isinstance(content, bytes) else content.encode() for name, content in files.items()}


def make(folder: Path) -> dict[str, Path]:
    """The files, written to a folder."""
    paths = {name: folder / name for name in messy_files()}
    for name, content in messy_files().items():
        paths[name].write_bytes(content)
    return paths


if __name__ == "__main__":
    make(Path(sys.argv[1]))
