"""One EM iteration of a diagonal Gaussian mixture, 100,000 whitened patches of 108 numbers, K = 400, float32.

Each library's iteration is the difference between a long and a short fit from the same mixture (means, variances and
weights), divided by the extra iterations, so that what a fit does once does not count. The mean log-likelihood after
the same iterations is compared too, scored in float64. The bound is the two matrix products of an iteration, in blocks
on each core, with nothing around them.
"""

import time
import warnings
from statistics import median

import numpy as np
from numba import njit
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from benchmarks.harness import show
from benchmarks.kmeans import problem
from featlearn import KMeansDictionary
from featlearn.arrays import blocks
from featlearn.threads import map_in_order, n_threads
from featlearn.vectors.mixture import GaussianMixtureEncoder


@njit(nogil=True)
def _products(F, A, G, P):
    for top in range(0, F.shape[0] - G.shape[0] + 1, G.shape[0]):
        f = F[top : top + G.shape[0]]
        np.dot(f, A.T, G)
        np.dot(G.T, f, P)


def products(F: np.ndarray, A: np.ndarray) -> None:
    """F A' and G' F in blocks of 512 rows on every core, for F (n, 2d + 1) and A (K, 2d + 1)."""

    def run(part):
        _products(F[part], A, np.empty((512, len(A)), np.float32), np.empty(A.shape, np.float32))

    for _ in map_in_order(run, blocks(len(F), 512 * 8), n_threads()):
        pass


def ours(X, start, iterations):
    """Ours from a mixture."""
    learner = GaussianMixtureEncoder(len(start[0]), max_iter=iterations, tol=0, warm_start=True)
    learner.components_, learner.covariances_, learner.weights_ = start
    return learner.fit(X).components_, learner.covariances_, learner.weights_


def scikit_learn(X, start, iterations):
    """scikit-learn's from a mixture."""
    means, covariances, weights = start
    learner = GaussianMixture(
        len(means), covariance_type="diag", max_iter=iterations, tol=0,
        means_init=means, precisions_init=1 / covariances, weights_init=weights,
        init_params="random_from_data",  # replaced by the start; the cheapest
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        learner.fit(X)
    return learner.means_, learner.covariances_, learner.weights_


def likelihood(X, mixture) -> float:
    """Mean log-likelihood in float64, by NumPy, the same for all contenders."""
    means, covariances, weights = (array.astype(np.float64) for array in mixture)
    constant = np.log(weights) - 0.5 * (np.log(2 * np.pi * covariances) + means**2 / covariances).sum(axis=1)
    total = 0.0
    for part in blocks(len(X), 10_000):
        rows = X[part].astype(np.float64)
        logits = constant + rows @ (means / covariances).T - 0.5 * (rows**2 @ (1 / covariances).T)
        top = logits.max(axis=1)
        total += (top + np.log(np.exp(logits - top[:, None]).sum(axis=1))).sum()
    return total / len(X)


def run(quick: bool = False) -> dict:
    """Time the contenders and print seconds an iteration, and the likelihood they reach."""
    n, K, short, long = (10_000, 50, 1, 3) if quick else (100_000, 400, 1, 4)
    X, source = problem(n)
    means = KMeansDictionary(K, max_iter=5, tol=0, random_state=0).fit(X).components_  # no mean on a single sample
    start = (means, np.full(means.shape, X.var(), np.float32), np.full(K, 1 / K, np.float32))
    contenders = {"ours": ours, "scikit-learn": scikit_learn}
    times: dict[str, list[float]] = {name: [] for name in [*contenders, "bound: the products"]}
    reached = {}
    F = np.hstack([X**2, X, np.ones((n, 1), np.float32)])
    A = np.hstack([means, means, means[:, :1]])
    ours(X, start, 1)  # compiles
    products(F, A)
    for _ in range(1 if quick else 2):
        for name, fit in contenders.items():
            marks = [time.perf_counter()]
            for iterations in (short, long):
                reached[name] = fit(X, start, iterations)
                marks.append(time.perf_counter())
            times[name].append((marks[2] - 2 * marks[1] + marks[0]) / (long - short))
        mark = time.perf_counter()
        products(F, A)
        times["bound: the products"].append(time.perf_counter() - mark)
    seconds = {name: median(values) for name, values in times.items()}
    scores = {name: likelihood(X, mixture) for name, mixture in reached.items()}
    rows = [
        [name, s, s / seconds["ours"], f"{scores[name]:.6f}" if name in scores else ""] for name, s in seconds.items()
    ]
    title = f"EM iteration, diagonal mixture, {n} x 108 {source}, K={K}; log-likelihood after {long}"
    show(title, ["", "seconds", "time / ours", "log-likelihood"], rows)
    return {
        "n": n,
        "K": K,
        "data": source,
        "iterations": long,
        "seconds": seconds,
        "time_over_ours": {name: s / seconds["ours"] for name, s in seconds.items()},
        "log_likelihood": scores,
        "log_likelihood_gap": abs(scores["ours"] - scores["scikit-learn"]),
    }
