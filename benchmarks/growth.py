"""How each learner grows: passes over the data, CPU time and memory, as samples n, features d and outputs K grow.

Each learner has a process of its own with one thread, so processor time is work and neighbors matter little. One of
n, d and K is doubled twice while the others stay; the exponents are slopes of log-log lines. Memory is what a fit holds
beside X at most. Passes are the walks over a Dask array, and the statistic is what one of its blocks sends.

    python -m benchmarks.growth results/benchmarks/growth.json    writes what was measured into docs/growth.md
"""

import json
import os
import pickle
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import scipy.sparse as sp

import featlearn as fl
from benchmarks.harness import show
from featlearn.threads import n_threads

STEADY: dict[str, Any] = {"tol": 0, "random_state": 0}
# (n, d, K) to start from, the kind of data, and the learner of K outputs and i iterations. K is None where the learner
# has as many outputs as inputs. Learners of "epochs" draw rows at random and take no Dask array.
LEARNERS: dict[str, tuple[tuple[int, int, int | None], str, Callable[[Any, int], Any]]] = {
    "ContrastNormalizer": ((20_000, 128, None), "rows", lambda K, i: fl.ContrastNormalizer()),
    "ZCA": ((20_000, 128, None), "rows", lambda K, i: fl.ZCA()),
    "PCAWhitening": ((20_000, 128, 32), "rows", lambda K, i: fl.PCAWhitening(K)),
    "RandomPatches": ((20_000, 128, 128), "rows", lambda K, i: fl.RandomPatches(K, random_state=0)),
    "RandomWeights": ((20_000, 128, 128), "rows", lambda K, i: fl.RandomWeights(K, random_state=0)),
    "KMeansDictionary": ((10_000, 128, 64), "rows", lambda K, i: fl.KMeansDictionary(K, max_iter=i, **STEADY)),
    "GaussianMixtureEncoder, diagonal": (
        (10_000, 64, 64),
        "rows",
        lambda K, i: fl.GaussianMixtureEncoder(K, max_iter=i, **STEADY),
    ),
    "GaussianMixtureEncoder, full": (
        (4_000, 32, 16),
        "rows",
        lambda K, i: fl.GaussianMixtureEncoder(K, covariance="full", max_iter=i, **STEADY),
    ),
    "SparseCoding, OMP": ((2_000, 64, 64), "rows", lambda K, i: fl.SparseCoding(K, n_nonzero=4, max_iter=i, **STEADY)),
    "ICA": ((10_000, 64, 16), "rows", lambda K, i: fl.ICA(K, max_iter=i, **STEADY)),
    "RICA": ((10_000, 64, 64), "rows", lambda K, i: fl.RICA(K, max_iter=i, **STEADY)),
    "SparseFiltering": ((10_000, 64, 64), "rows", lambda K, i: fl.SparseFiltering(K, max_iter=i, **STEADY)),
    "SlowFeatureAnalysis": ((20_000, 128, 32), "held rows", lambda K, i: fl.SlowFeatureAnalysis(K)),
    "SparseAutoencoder": ((4_000, 128, 128), "epochs", lambda K, i: fl.SparseAutoencoder(K, max_iter=i, **STEADY)),
    "DenoisingAutoencoder": (
        (4_000, 128, 128),
        "epochs",
        lambda K, i: fl.DenoisingAutoencoder(K, max_iter=i, **STEADY),
    ),
    "ContractiveAutoencoder": (
        (4_000, 128, 128),
        "epochs",
        lambda K, i: fl.ContractiveAutoencoder(K, max_iter=i, **STEADY),
    ),
    "PredictiveSparse": ((1_000, 64, 64), "epochs", lambda K, i: fl.PredictiveSparse(K, max_iter=i, **STEADY)),
    "RBM": ((4_000, 128, 128), "epochs", lambda K, i: fl.RBM(K, visible="gaussian", max_iter=i, **STEADY)),
    "LinearSVM": ((5_000, 128, 4), "classes", lambda K, i: fl.LinearSVM(tol=1e-3)),
    "LinearSVMCV": ((2_000, 64, 4), "classes", lambda K, i: fl.LinearSVMCV(Cs=3, cv=3, tol=1e-3)),
    "UnigramModel": ((2_000, 2_000, None), "counts", lambda K, i: fl.UnigramModel()),
    "MixtureOfUnigrams": ((2_000, 2_000, 32), "counts", lambda K, i: fl.MixtureOfUnigrams(K, max_iter=i, **STEADY)),
    "PLSA": ((1_000, 2_000, 32), "counts", lambda K, i: fl.PLSA(K, max_iter=i, **STEADY)),
    "LDA, Gibbs": ((1_000, 2_000, 32), "held counts", lambda K, i: fl.LDA(K, max_iter=10 * i, **STEADY)),
    "LDA, variational": ((500, 2_000, 32), "counts", lambda K, i: fl.LDA(K, method="vb", max_iter=i, **STEADY)),
    "LDA, online": ((1_000, 2_000, 32), "epoch counts", lambda K, i: fl.LDA(K, method="online", max_iter=i, **STEADY)),
    "PCFGParser": ((1_000, 8, None), "trees", lambda K, i: fl.PCFGParser()),
}
PAGE = Path(__file__).parent.parent / "docs" / "growth.md"
SEVERAL = 3  # iterations of a timed fit


def draw(kind: str, n: int, d: int, K: int | None) -> tuple[Any, ...]:
    """The arguments of a fit: float32 rows around centers, classes beside them, documents of 100 words, or trees."""
    rng, K = np.random.default_rng(0), K or 8
    if kind == "trees":
        grammar, state, trees = fl.load_toy_grammar("picnic"), np.random.RandomState(0), []
        while len(trees) < n:
            tree = grammar.sample(state)
            trees += [tree] * (d <= len(tree) <= 2 * d)
        return [tree.words() for tree in trees], trees
    if kind.endswith("counts"):
        rows = np.repeat(np.arange(n), 100)
        words = (d * rng.beta(0.6, 2.0, len(rows)) + 37 * (rows % K)).astype(np.int64) % d
        X = sp.csr_array((np.ones(len(rows), np.float32), (rows, words)), shape=(n, d))
        X.sum_duplicates()
        return (X,)
    centers = rng.normal(size=(8, d)).astype(np.float32)
    y = rng.integers(K if kind == "classes" else 8, size=n)
    X = rng.standard_normal((n, d), dtype=np.float32)
    X += centers[y % 8] * (1 + y[:, None] // 8) ** 0.5
    return (X, y) if kind == "classes" else (X,)


def megabytes(field: str) -> float:
    """A line of this process's own account of its memory."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise LookupError(field)


def cost(learner: Any, data: tuple[Any, ...], quick: bool) -> tuple[float, float]:
    """Processor seconds of a fit, the least of up to three after an untimed one; MB it held beside the data at most."""
    learner.fit(*data)  # everything is loaded and compiled
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before, seconds = megabytes("VmRSS"), []
    while (len(seconds) < 3 and sum(seconds) < (0 if quick else 0.3)) or not seconds:
        start = time.process_time()
        learner.fit(*data)
        seconds.append(time.process_time() - start)
    return min(seconds), megabytes("VmHWM") - before


def walks(make: Callable[[Any, int], Any], X: Any, K: int | None) -> dict[str, float]:
    """Walks over eight blocks of X on Dask: those of each iteration and the others.

    MB that a block sends at most: in the median walk, which is one of the iterations', and in the walk that sends most.
    """
    import dask.array
    import dask.bag

    size = X.shape[0] // 8
    if sp.issparse(X):
        parts = [X[i * size : (i + 1) * size] for i in range(8)]
        data = dask.bag.from_delayed([dask.delayed(lambda part: [part])(part) for part in parts])
    else:
        data = dask.array.from_array(X[: 8 * size], chunks=(size, X.shape[1]))
    counted, sent = [], []

    def begins(graph):
        if any("_FoldBlock" in str(key) for key in graph):
            sent.append(0)

    def has(key, result, graph, state, worker):
        if "_FoldBlock" in str(key) and not callable(result):
            sent[-1] = max(sent[-1], len(pickle.dumps(result)))

    for iterations in (2, 5):
        sent.clear()
        with dask.config.set(scheduler="synchronous"), dask.callbacks.Callback(start=begins, posttask=has):
            make(K, iterations).fit(data)
        counted.append(len(sent))
    each = (counted[1] - counted[0]) / 3
    return {"fixed": counted[0] - 2 * each, "each": each, "sent_MB": median(sent) / 2**20, "most_MB": max(sent) / 2**20}


def child(name: str, quick: bool) -> dict[str, Any]:
    """All that is measured of one learner."""
    warnings.simplefilter("ignore")  # so few iterations do not converge
    (n, d, K), kind, make = LEARNERS[name]
    sizes = {"n": max(n // 16, 256) if quick else n, "d": d, "K": K}
    data = draw(kind, **sizes)
    record = {"sizes": sizes} | (walks(make, data[0], K) if kind in ("rows", "counts") else {})
    record["cpu_seconds"], record["memory_MB"] = start = cost(make(K, SEVERAL), data, quick)
    factors = [1, 2] if quick else [1, 2, 4]
    for axis, size in sizes.items():
        if size is None or (kind, axis) == ("trees", "d"):
            continue
        points = [start]
        for factor in factors[1:]:
            at = sizes | {axis: size * factor}
            data = draw(kind, **at)
            points.append(cost(make(at["K"], SEVERAL), data, quick))
        for what, values in zip(("time", "memory"), zip(*points, strict=True), strict=True):
            record[f"{what}_{axis}"] = slope(factors, values)
    return record


def slope(factors: Sequence[int], values: Sequence[float]) -> float:
    """The exponent b of the power law a f**b through values at factors f, by least squares of logarithms."""
    return float(np.polyfit(np.log(factors), np.log(np.maximum(values, 1e-3)), 1)[0])


def power(record: dict[str, Any], what: str) -> str:
    """A power law in words: n^1.0 d^0.9 K^1.1."""
    return " ".join(f"{axis}^{max(record[f'{what}_{axis}'], 0):.1f}" for axis in "ndK" if f"{what}_{axis}" in record)


def row(name: str, record: dict[str, Any]) -> list[Any]:
    """The line of a learner in the table."""
    passes = "1" if name == "PCFGParser" else "epochs"  # where Dask does not count them
    if "each" in record:
        passes = f"{record['fixed']:.0f}" + (f" + {record['each']:.2g} i" if record["each"] else "")
    elif LEARNERS[name][1] in ("classes", "held rows", "held counts"):
        passes = "in memory"
    sent = [f"{record[key]:.2g}" if key in record else "" for key in ("sent_MB", "most_MB")]
    sizes = " x ".join(str(size) for size in record["sizes"].values() if size)
    memory = [f"{record['memory_MB']:.1f}", power(record, "memory") if record["memory_MB"] >= 2 else ""]
    return [name, sizes, passes, f"{record['cpu_seconds']:.2f}", power(record, "time"), *memory, *sent]


COLUMNS = ["learner", "n x d x K", "passes", "CPU s", "grows as", "MB beside X", "grows as", "MB sent", "at most"]


def run(quick: bool = False) -> dict:
    """Measure every learner, each in a process of its own."""
    one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    # Memory given back at once, so that what one fit held does not count for the next.
    environment = os.environ | one | {"MALLOC_MMAP_THRESHOLD_": "1048576", "MALLOC_TRIM_THRESHOLD_": "1048576"}

    def measured(name):
        command = [sys.executable, "-m", "benchmarks.growth", name, *["--quick"] * quick]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
        return json.loads(done.stdout.splitlines()[-1])

    with ThreadPoolExecutor(n_threads()) as pool:
        result = dict(zip(LEARNERS, pool.map(measured, LEARNERS), strict=True))
    rows = [row(name, record) for name, record in result.items()]
    show(f"Growth in n, d and K; {SEVERAL} iterations each (LDA, Gibbs: ten times as many), one thread", COLUMNS, rows)
    return result


def markdown(record: dict[str, Any]) -> str:
    """The table of a saved record, and what it was measured on."""
    rows = [row(name, measured) for name, measured in record["result"].items()]
    lines = [" | ".join(map(str, cells)) for cells in (COLUMNS, ["---"] * len(COLUMNS), *rows)]
    machine = (
        f"{record['processor']}, {record['cores']} cores, {record['date'][:10]}, NumPy {record['versions']['numpy']}"
    )
    return "\n".join([*(f"| {line} |" for line in lines), "", f"Measured on {machine}."])


def write_page(record: dict[str, Any], page: Path = PAGE) -> None:
    """Put the table into the page, between its markers."""
    begin, end = "<!-- growth -->\n", "<!-- /growth -->"
    before, _, rest = page.read_text().partition(begin)
    page.write_text(f"{before}{begin}{markdown(record)}\n{end}{rest.partition(end)[2]}")


if __name__ == "__main__":
    name = sys.argv[1]
    if name.endswith(".json"):
        write_page(json.loads(Path(name).read_text()))
    else:
        print(json.dumps(child(name, "--quick" in sys.argv)))
