"""Peak memory of ZCA and K-means learned out of a file, at 1x and 10x the samples, each in a fresh process."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.harness import show

CHILD = """
import json, sys
import numpy as np
from featlearn import ZCA, KMeansDictionary
import featlearn.streaming

def anonymous():
    # memory of our own; pages of the mapped file are the system's cache and can be dropped at any time
    for line in open("/proc/self/status"):
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1024
path, n = sys.argv[1], int(sys.argv[2])
X = np.memmap(path, np.float32, "r", shape=(n, 108))
KMeansDictionary(50, max_iter=1, tol=0, random_state=0).fit(X[:500])  # load and compile everything first
peak = start = anonymous()
def watch():
    global peak
    peak = max(peak, anonymous())
import threading, time
done = threading.Event()
def loop():
    while not done.is_set():
        watch(); time.sleep(0.01)
thread = threading.Thread(target=loop); thread.start()
ZCA().fit(X)
KMeansDictionary(200, max_iter=3, tol=0, random_state=0).fit(X)
done.set(); thread.join()
print(json.dumps({"start": start, "peak": peak}))
"""


def run(quick: bool = False) -> dict:
    """Measure the growth of anonymous memory during the fits, in MB."""
    base = 20_000 if quick else 200_000
    result = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "patches.f32"
        rng = np.random.default_rng(0)
        with path.open("wb") as file:
            for _ in range(10):
                file.write(rng.standard_normal((base, 108), dtype=np.float32).tobytes())
        for n in (base, 10 * base):
            output = subprocess.run(
                [sys.executable, "-c", CHILD, str(path), str(n)], check=True, capture_output=True, text=True
            ).stdout
            measured = json.loads(output)
            result[f"{n} samples"] = {"data_MB": n * 108 * 4 / 2**20, "growth_MB": measured["peak"] - measured["start"]}
    rows = [[name, r["data_MB"], r["growth_MB"]] for name, r in result.items()]
    show("ZCA, then K-means with 200 atoms, out of a mapped file", ["", "data, MB", "growth, MB"], rows)
    return result
