"""A million documents, one a line of a file, to 100 topics in one pass: seconds, and the peak memory of the process.

The documents are sentences of the IMDB reviews (imdb_text in the data home), or drawn from 20,000 made-up words.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from benchmarks.harness import show

CHILD = """
import json, sys, time
from pipelines.progress import peak_memory_mb
from featlearn import LDA, TopicExtractor
from featlearn.text.documents import LineDocuments

model = LDA(100, method="online", batch_size=4096, max_iter=1, random_state=0)
start = time.perf_counter()
extractor = TopicExtractor(model, min_df=20).fit(LineDocuments([sys.argv[1]]))
seconds = time.perf_counter() - start
documents = extractor.model_.n_documents_seen_
result = {"documents": documents, "terms": len(extractor.terms_), "seconds": seconds, "peak_MB": peak_memory_mb()}
print(json.dumps(result))
"""


def sentences() -> Iterator[str]:
    """Sentences of the reviews, over and over."""
    from featlearn.datasets import load_imdb_text

    while True:
        for subset in ("train", "unsup", "test"):
            for text, _ in load_imdb_text(subset):
                yield from (part.strip() for part in text.split(". ") if len(part) > 20)


def made_up() -> Iterator[str]:
    """Documents of 15 words whose frequencies fall as 1 / rank."""
    rng = np.random.default_rng(0)
    words = np.array([f"word{i}" for i in range(20_000)])
    p = 1 / np.arange(1, len(words) + 1)
    while True:
        for row in rng.choice(words, (1000, 15), p=p / p.sum()):
            yield " ".join(row)


def run(quick: bool = False) -> dict:
    """Measure and print."""
    from featlearn.datasets import DatasetNotFoundError

    n = 20_000 if quick else 1_000_000
    try:
        documents, what = sentences(), "sentences of film reviews"
        first = next(documents)
    except DatasetNotFoundError:
        documents, what = made_up(), "made-up documents"
        first = next(documents)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "documents.txt"
        with path.open("w", encoding="utf-8") as file:
            file.write(first + "\n")
            file.writelines(line.replace("\n", " ") + "\n" for line in islice(documents, n - 1))
        size = path.stat().st_size / 2**20
        start = time.perf_counter()
        output = subprocess.run([sys.executable, "-c", CHILD, str(path)], check=True, stdout=subprocess.PIPE, text=True)
    result = json.loads(output.stdout) | {"what": what, "file_MB": size, "process_seconds": time.perf_counter() - start}
    show(
        f"Online LDA, 100 topics, one pass over {n:,} {what}",
        ["documents", "file, MB", "terms", "seconds", "peak memory, MB"],
        [[result["documents"], size, result["terms"], result["seconds"], result["peak_MB"]]],
    )
    return result
