"""A restricted Boltzmann machine, 60,000 x 784 MNIST, 500 hidden units, batches of 100, float32.

An epoch is the difference between a long and a short fit, divided by the extra epochs, so that what a fit does once
does not count. The bound is the five matrix products of a step, each core on half of the hidden units, with nothing
around them and no meeting. scikit-learn's `BernoulliRBM` runs persistent chains, which takes the same five products.

Then both learn for three epochs from 50,000 training images, binarized at random once, and annealed importance sampling
gives the log-likelihood of the other 10,000 training images. Ours runs at its defaults; scikit-learn at the learning
rate, of 0.01, 0.02, 0.05 and 0.1 (its default), that makes the images it learned from likeliest.
"""

import time
from statistics import median

import numpy as np
from sklearn.neural_network import BernoulliRBM

from benchmarks.harness import show
from featlearn.datasets import fetch_mnist
from featlearn.threads import map_in_order, n_threads
from featlearn.vectors.rbm import RBM
from featlearn.vectors.rbm_energy import free_energy
from featlearn.vectors.rbm_partition import annealed_log_partition

BATCH = 100
RATES = (0.01, 0.02, 0.05, 0.1)


def images(n: int) -> np.ndarray:
    """Training images of MNIST as float32 rows in [0, 1]."""
    X = fetch_mnist(subset="train").data[:n]
    return X.reshape(len(X), -1) / np.float32(255)


def ours(X, K, epochs):
    """CD-1 at our defaults."""
    return RBM(K, max_iter=epochs, random_state=0).fit(X)


def scikit_learn(X, K, epochs, rate=0.1):
    """Persistent contrastive divergence."""
    return BernoulliRBM(K, learning_rate=rate, batch_size=BATCH, n_iter=epochs, random_state=0).fit(X)


def products(X: np.ndarray, K: int) -> None:
    """The matrix products of an epoch: three of a layer, and one of twice the rows for the gradient."""

    def run(units):
        W, grad = np.ones((units, X.shape[1]), np.float32), np.empty((units, X.shape[1]), np.float32)
        h, hv = np.empty((BATCH, units), np.float32), np.ones((2 * BATCH, units), np.float32)
        v, both = np.empty((BATCH, X.shape[1]), np.float32), np.ones((2 * BATCH, X.shape[1]), np.float32)
        for top in range(0, len(X) - BATCH + 1, BATCH):
            np.dot(X[top : top + BATCH], W.T, out=h)
            np.dot(hv[:BATCH], W, out=v)
            np.dot(both[:BATCH], W.T, out=h)
            np.dot(hv.T, both, out=grad)

    cores = n_threads()
    for _ in map_in_order(run, [K // cores] * cores, cores):
        pass


def log_likelihood(W, b, c, means, *, on, n_betas):
    """Mean log p of several sets of rows by one annealing, and its standard error."""
    W, b, c = (np.ascontiguousarray(a, np.float32) for a in (W, b, c))
    log_z = annealed_log_partition(W, b, c, None, means, n_betas=n_betas, seed=np.random.SeedSequence(0))
    params = {"W": W, "b": b, "c": c}
    return [float(-free_energy(X, params, "binary", "binary").mean() - log_z.value) for X in on], log_z.error


def run(quick: bool = False) -> dict:
    """Time the contenders, compare what they learn, and print both."""
    n, K, n_betas, more = (3_000, 100, 500, 10) if quick else (60_000, 500, 10_000, 1)
    X = images(n)
    ours(X[:200], K, 1)  # compiles
    times: dict[str, list[float]] = {"ours": [], "scikit-learn": [], "bound: the products": []}
    for _ in range(1 if quick else 3):
        for name, fit in (("ours", ours), ("scikit-learn", scikit_learn)):
            marks = [time.perf_counter()]
            for epochs in (1, 1 + more):
                fit(X, K, epochs)
                marks.append(time.perf_counter())
            times[name].append((marks[2] - 2 * marks[1] + marks[0]) / more)
        start = time.perf_counter()
        products(X, K)
        times["bound: the products"].append(time.perf_counter() - start)
    seconds = {name: median(values) for name, values in times.items()}
    rows = [[name, s, s / seconds["ours"]] for name, s in seconds.items()]
    show(f"An epoch of an RBM, {n} x 784, {K} hidden, batch {BATCH}", ["", "seconds", "time / ours"], rows)

    binary = (np.random.default_rng(0).random(X.shape, np.float32) < X).astype(np.float32)
    train, held_out = binary[: n * 5 // 6], binary[n * 5 // 6 :]
    means, epochs = train.mean(axis=0, dtype=np.float64), 3
    start = time.perf_counter()
    learner = ours(train, K, epochs)
    machines = {"ours": (learner.components_, learner.intercept_hidden_, learner.intercept_visible_)}
    took = {"ours": time.perf_counter() - start}
    for rate in RATES:
        start = time.perf_counter()
        peer = scikit_learn(train, K, epochs, rate)
        name = f"scikit-learn, rate {rate}"
        machines[name] = (peer.components_, peer.intercept_hidden_, peer.intercept_visible_)
        took[name] = time.perf_counter() - start
    found, annealing = {}, []
    for name, machine in machines.items():
        start = time.perf_counter()
        (seen, unseen), error = log_likelihood(*machine, means, on=(train, held_out), n_betas=n_betas)
        annealing.append(time.perf_counter() - start)
        found[name] = {"seen": seen, "held_out": unseen, "standard_error": error, "seconds": took[name]}
    best = max((name for name in found if name != "ours"), key=lambda name: found[name]["seen"])
    rows = [[name + (" (best)" if name == best else ""), *map(float, f.values())] for name, f in found.items()]
    columns = ["", "log p, seen", "log p, held out", "error of log Z", "seconds"]
    show(f"Log-likelihood after {epochs} epochs, {len(train)} images, annealing of {n_betas} steps", columns, rows)
    return {
        "n": n,
        "K": K,
        "seconds_an_epoch": seconds,
        "time_over_ours": {name: s / seconds["ours"] for name, s in seconds.items()},
        "log_likelihood": found,
        "best_of_scikit_learn": best,
        "annealing_seconds": median(annealing),
    }
