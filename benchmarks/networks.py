"""An epoch of a network 784-1000-1000-1000-10, rectified units, batches of 100, Adam; and small refits 64-128-128-2.

Ours by back-propagation by hand and on the Keras engine, plain Keras (`model.fit`, compiled with XLA and warmed up
before the clock starts), Keras on JAX (in a process of its own: a process has one backend), a plain loop of torch where
it is installed, scikit-learn's MLPClassifier, and two bounds: the matrix products of a step alone, and these with one
pass of Adam over the weights. Seconds of the processor and of the wall; losses after four epochs stand side by side.
Then thirty small fits, one after the other: seconds of each, and what they leave in memory.
"""

import gc
import json
import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.autoencoder import problem
from benchmarks.harness import show

HIDDEN, CLASSES, BATCH, RATE = (1000, 1000, 1000), 10, 100, 1e-3
SMALL, REFITS = (128, 128), 30


def labelled(n: int) -> tuple[np.ndarray, np.ndarray, str]:
    """Rows of 784 pixels with labels: MNIST where it is at hand, else random blots and a random rule."""
    X, source = problem(n)
    if source == "MNIST":
        from featlearn.datasets import fetch_mnist

        return X, fetch_mnist(subset="train", download_if_missing=False).target[:n], source
    W = np.random.default_rng(1).standard_normal((X.shape[1], CLASSES))
    return X, (X @ W).argmax(axis=1), source


def ours(engine: str, X: np.ndarray, y: np.ndarray, hidden: tuple[int, ...] = HIDDEN, epochs: int = 1):
    """A function that goes on for some epochs, and gives the last loss."""
    from featlearn.networks import Dense, NetworkClassifier

    net = NetworkClassifier(
        [Dense(units, "relu") for units in hidden],
        learning_rate=RATE,
        batch_size=BATCH,
        max_iter=epochs,
        tol=0,
        warm_start=True,
        engine=engine,
        random_state=0,
    )
    return lambda: float(net.fit(X, y).loss_curve_[-1])


def plain_keras(X: np.ndarray, y: np.ndarray):
    """A function that makes an epoch of `model.fit`, compiled with XLA."""
    import keras

    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(units, "relu", kernel_initializer="he_uniform") for units in HIDDEN]
    model = keras.Sequential([keras.Input((X.shape[1],)), *layers, keras.layers.Dense(CLASSES)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(RATE), loss, jit_compile=True)
    return lambda: model.fit(X, y, batch_size=BATCH, epochs=1, verbose=0).history["loss"][0]


def plain_torch(X: np.ndarray, y: np.ndarray):
    """A function that makes an epoch in a plain loop."""
    import torch

    torch.manual_seed(0)
    widths = [X.shape[1], *HIDDEN]
    layers: list = []
    for a, b in pairwise(widths):
        layers += [torch.nn.Linear(a, b), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers, torch.nn.Linear(widths[-1], CLASSES))
    rule, loss_of = torch.optim.Adam(model.parameters(), RATE), torch.nn.CrossEntropyLoss()
    x, target = torch.from_numpy(X), torch.from_numpy(y.astype(np.int64))

    def epoch():
        total, order = 0.0, torch.randperm(len(x))
        for start in range(0, len(x), BATCH):
            rows = order[start : start + BATCH]
            rule.zero_grad()
            loss = loss_of(model(x[rows]), target[rows])
            loss.backward()
            rule.step()
            total += float(loss.detach()) * len(rows)
        return total / len(x)

    return epoch


def scikit(X: np.ndarray, y: np.ndarray):
    """A function that makes an epoch of scikit-learn's MLPClassifier."""
    from sklearn.neural_network import MLPClassifier

    net = MLPClassifier(HIDDEN, alpha=0.0, batch_size=BATCH, learning_rate_init=RATE, random_state=0)
    return lambda: float(net.partial_fit(X, y, classes=np.arange(CLASSES)).loss_)


def products(X: np.ndarray, with_adam: bool):
    """A function that makes the products of each step of an epoch, and, asked for, a pass of Adam over the weights."""
    from featlearn.training import GradientDescent
    from featlearn.training.optimizers import RULES, update

    rng = np.random.default_rng(0)
    widths = [X.shape[1], *HIDDEN, CLASSES]
    W = [rng.random((a, b), np.float32) for a, b in pairwise(widths)]
    grads = [np.empty_like(w) for w in W]
    slots = [[np.zeros_like(w) for _ in range(RULES["adam"][1])] for w in W]
    h = [np.empty((BATCH, b), np.float32) for b in widths]
    back = [np.empty((BATCH, b), np.float32) for b in widths]
    c = np.array(GradientDescent("adam", RATE).constants(1, 0, 1), np.float32)

    def epoch():
        for i in range(len(X) // BATCH):
            h[0] = X[i * BATCH : (i + 1) * BATCH]
            for k, w in enumerate(W):
                np.dot(h[k], w, out=h[k + 1])
            for k in range(len(W) - 1, -1, -1):
                np.dot(h[k].T, back[k + 1], out=grads[k])
                if k:
                    np.dot(back[k + 1], W[k].T, out=back[k])
            if with_adam:
                for w, g, slot in zip(W, grads, slots, strict=True):
                    update("adam", w, g, slot, c)

    return epoch


ON_JAX = """
import json, sys, time
import numpy as np
from benchmarks.networks import labelled, plain_keras

X, y, _ = labelled(int(sys.argv[1]))
epoch, seconds, losses = plain_keras(X, y), [], []
for _ in range(int(sys.argv[2]) + 1):
    begin = time.process_time(), time.perf_counter()
    losses.append(epoch())
    seconds.append((time.process_time() - begin[0], time.perf_counter() - begin[1]))
print(json.dumps([seconds[1:], losses]))
"""


def elsewhere(code: str, *arguments: object, **environment: str) -> list:
    """What a script prints as JSON, in a process of its own."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    more = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"} | environment
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=more)
    return json.loads(done.stdout.splitlines()[-1])


def installed(*names: str) -> bool:
    """Whether all packages are."""
    from importlib.util import find_spec

    return all(find_spec(name) is not None for name in names)


def resident() -> float:
    """MB of memory that this process holds."""
    gc.collect()
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def refits(engine: str, fits: int) -> tuple[float, float]:
    """Seconds of a small fit (ten epochs of 320 rows), and the MB that all fits leave."""
    from featlearn.networks import Dense, NetworkClassifier

    rng = np.random.default_rng(0)
    X = rng.random((320, 64), np.float32)
    y = X[:, 0] > 0.5
    seconds = []
    before = 0.0
    for seed in range(fits + 10):  # the first ten fill caches
        if seed == 10 and sys.platform == "linux":
            before = resident()
        begin = time.process_time()
        layers = [Dense(units, "relu") for units in SMALL]
        NetworkClassifier(layers, batch_size=32, max_iter=10, tol=0, engine=engine, random_state=seed).fit(X, y)
        seconds.append(time.process_time() - begin)
    return median(seconds[10:]), resident() - before if sys.platform == "linux" else float("nan")


def run(quick: bool = False) -> dict:
    """Time the contenders in turn, print seconds an epoch and losses, then the small refits."""
    n, rounds, fits = (1_000, 2, 3) if quick else (20_000, 3, REFITS)
    X, y, source = labelled(n)
    with_keras = installed("keras", "tensorflow")
    contenders = {"ours, by hand": ours("numpy", X, y)}
    if with_keras:
        contenders |= {"ours, Keras engine": ours("keras", X, y), "Keras TensorFlow with XLA": plain_keras(X, y)}
    if installed("torch"):
        contenders["torch, plain loop"] = plain_torch(X, y)
    contenders["scikit-learn"] = scikit(X, y)
    bounds = {"its products": products(X, False), "its products and Adam": products(X, True)}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders | bounds}
    losses: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds + 1):
        for name, epoch in (contenders | bounds).items():
            begin = time.process_time(), time.perf_counter()
            with threadpool_limits(2, user_api="blas"):
                loss = epoch()
            if turn:
                times[name].append((time.process_time() - begin[0], time.perf_counter() - begin[1]))
            if loss is not None:
                losses[name].append(loss)
    if with_keras and installed("jax"):
        found, curve = elsewhere(ON_JAX, n, rounds, KERAS_BACKEND="jax", JAX_PLATFORMS="cpu")
        times["Keras JAX"], losses["Keras JAX"] = [tuple(pair) for pair in found], curve
    cpu = {name: median(a for a, _ in pairs) for name, pairs in times.items()}
    wall = {name: median(b for _, b in pairs) for name, pairs in times.items()}
    base = "ours, by hand"
    rows = [[k, cpu[k], wall[k], cpu[k] / cpu[base], wall[k] / wall[base], losses.get(k, [""])[-1]] for k in times]
    columns = ["", "CPU s", "wall s", "CPU / ours", "wall / ours", f"loss, epoch {rounds + 1}"]
    show(f"784-1000x3-10, Adam, batch {BATCH}, an epoch of {n:,} rows of {source}", columns, rows)
    engines = ["numpy", "keras"] if with_keras else ["numpy"]
    small = {engine: refits(engine, fits) for engine in engines}
    show(f"{fits} refits 64-128-128-2", ["engine", "CPU s each", "MB left by all"], [[k, *v] for k, v in small.items()])
    peers = [k for k in ("Keras TensorFlow with XLA", "Keras JAX", "torch, plain loop") if k in wall]
    return {
        "n": n,
        "data": source,
        "cpu_s": cpu,
        "wall_s": wall,
        "loss": losses,
        "over_fastest_peer": wall[base] / min(wall[k] for k in peers) if peers else None,
        "over_products_and_adam": wall[base] / wall["its products and Adam"],
        "scikit_learn_over_ours": wall["scikit-learn"] / wall[base],
        "refits": {k: {"cpu_s": a, "MB": b} for k, (a, b) in small.items()},
    }
