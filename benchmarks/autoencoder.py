"""An epoch of a 784-500-784 autoencoder, sigmoid units, squared error, batches of 100, on 20,000 digits.

Ours by the gradient derived by hand and by Keras' automatic one, plain Keras (`model.fit`, compiled and warmed up
before the clock starts), and the bound: the five matrix products of a step alone, on one or two BLAS threads, whichever
is faster. Then what a fit leaves behind in memory, each kind in a process of its own.
"""

import os
import subprocess
import sys
import time
from statistics import median

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.harness import show
from featlearn.training import GradientDescent, minimize
from featlearn.vectors.autoencoder_core import AutoencoderObjective

UNITS, BATCH = 500, 100
RATES = {"sgd": 0.1, "adam": 0.001}


def problem(n: int) -> tuple[np.ndarray, str]:
    """Rows of 784 pixels in [0, 1]: MNIST where it is at hand, else smooth random blots."""
    try:
        from featlearn.datasets import fetch_mnist

        images = fetch_mnist(subset="train", download_if_missing=False).data
        return (images.reshape(len(images), -1)[:n] / np.float32(255)).astype(np.float32), "MNIST"
    except OSError:
        rng = np.random.default_rng(0)
        blots = rng.random((n, 10), np.float32) @ rng.random((10, 784), np.float32)
        return np.clip(blots - blots.mean(), 0, 1), "random blots"


def first_weights(d: int) -> tuple[AutoencoderObjective, dict[str, np.ndarray]]:
    """The objective and the weights from which all contenders start, so that their losses can be compared."""
    objective = AutoencoderObjective((UNITS,), output="sigmoid")
    return objective, objective.init(d, np.random.RandomState(0), np.float32)


def ours(X: np.ndarray, rule: str, engine: str):
    """A function that makes an epoch; compiled functions are kept between calls."""
    objective, start = first_weights(X.shape[1])
    solver = GradientDescent(rule, RATES[rule])

    def epoch():
        rng = np.random.RandomState(0)
        return minimize(objective, X, start, solver, rng=rng, max_iter=1, batch_size=BATCH, engine=engine).loss_curve[0]

    return epoch


def plain_keras(X: np.ndarray, rule: str):
    """A function that makes an epoch of `model.fit`, the model being built and compiled beforehand."""
    import keras

    layers = [keras.layers.Dense(units, activation="sigmoid") for units in (UNITS, X.shape[1])]
    model = keras.Sequential([keras.Input((X.shape[1],)), *layers])
    start = first_weights(X.shape[1])[1]
    model.set_weights([start["W1"].T, start["b1"], start["W2"], start["b2"]])
    optimizer = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam}[rule](RATES[rule])
    model.compile(optimizer, loss=lambda x, y: 0.5 * keras.ops.sum((x - y) ** 2, axis=-1))
    return lambda: model.fit(X, X, batch_size=BATCH, epochs=1, verbose=0).history["loss"][0]


def five_products(X: np.ndarray, threads: int):
    """A function that makes the five products of each step of an epoch: 2 forward, 2 for gradients, 1 backward."""
    d, steps = X.shape[1], len(X) // BATCH
    rng = np.random.default_rng(0)
    A, B = rng.random((d, UNITS), np.float32), rng.random((UNITS, d), np.float32)
    h, y, back = (np.empty((BATCH, width), np.float32) for width in (UNITS, d, UNITS))
    gradient_A, gradient_B = np.empty_like(A), np.empty_like(B)

    def epoch():
        with threadpool_limits(threads, user_api="blas"):
            for i in range(steps):
                x = X[i * BATCH : (i + 1) * BATCH]
                np.dot(x, A, out=h)
                np.dot(h, B, out=y)
                np.dot(h.T, y, out=gradient_B)
                np.dot(y, B.T, out=back)
                np.dot(x.T, back, out=gradient_A)

    return epoch


GROWTH = """
import gc, sys
import numpy as np
from benchmarks.autoencoder import ours, plain_keras

kind, warm, fits = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
X = np.random.default_rng(0).random((3200, 784)).astype(np.float32)

def resident():
    gc.collect()
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) / 1024

def fit():
    (plain_keras(X, "adam") if kind == "plain" else ours(X, "adam", kind))()

for _ in range(warm):
    fit()
before = resident()
for _ in range(fits):
    fit()
print((resident() - before) / fits)
"""


def growth(kind: str, warm: int, fits: int) -> float:
    """MB of resident memory a fit adds, in a process of its own; ``kind`` is an engine of ours or "plain"."""
    command = [sys.executable, "-c", GROWTH, kind, str(warm), str(fits)]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    return float(
        subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.split()[-1]
    )


def run(quick: bool = False) -> dict:
    """Time the contenders in turn, print milliseconds a step, and the growth of memory."""
    n, rounds, warm, fits = (2_000, 1, 2, 3) if quick else (20_000, 5, 10, 40)
    X, source = problem(n)
    steps = n // BATCH
    try:
        import keras  # noqa: F401

        with_keras = True
    except ImportError:
        with_keras = False
    result: dict = {"n": n, "units": UNITS, "batch": BATCH, "data": source}
    for rule in RATES:
        contenders = {"ours, by hand": ours(X, rule, "numpy")}
        if with_keras:
            contenders |= {"ours, Keras engine": ours(X, rule, "keras"), "plain Keras fit": plain_keras(X, rule)}
        bounds = {f"five products, {k} BLAS thread{'s' * (k > 1)}": five_products(X, k) for k in (1, 2)}
        times: dict[str, list[float]] = {name: [] for name in contenders | bounds}
        losses: dict[str, float] = {}
        for turn in range(rounds + 1):
            for name, epoch in (contenders | bounds).items():
                start = time.perf_counter()
                loss = epoch()
                if turn:
                    times[name].append((time.perf_counter() - start) / steps * 1e3)
                elif loss is not None:
                    losses[name] = float(loss)
        typical = {name: median(values) for name, values in times.items()}
        best = {name: min(values) for name, values in times.items()}
        base = "ours, by hand"
        rows = [[k, typical[k], typical[k] / typical[base], best[k], losses.get(k, "")] for k in times]
        columns = ["", "ms a step", "time / ours", "best ms", "loss of the first epoch"]
        show(f"784-{UNITS}-784, {rule}, batch {BATCH}, {n} rows of {source}", columns, rows)
        bound = min(typical[k] for k in bounds)
        result[rule] = {
            "ms_a_step": typical,
            "best_ms_a_step": best,
            "loss": losses,
            "over_bound": typical[base] / bound,
            "best_over_best_bound": best[base] / min(best[k] for k in bounds),
        }
        best_ratio = result[rule]["best_over_best_bound"]
        print(f"ours over the bound: {result[rule]['over_bound']:.2f} by medians, {best_ratio:.2f} by best rounds")
    if sys.platform == "linux":
        kinds = ["numpy", "keras", "plain"] if with_keras else ["numpy"]
        result["growth_MB_a_fit"] = {kind: growth(kind, warm, fits) for kind in kinds}
        show(
            f"memory a fit leaves, {fits} fits",
            ["", "MB a fit"],
            [[k, v] for k, v in result["growth_MB_a_fit"].items()],
        )
    return result
