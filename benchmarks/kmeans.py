"""One K-means iteration, 400,000 whitened patches of 108 numbers, K = 1,600.

Each library's iteration is the difference between a long and a short fit from the same centers, divided by the extra
iterations, so that what a fit does once does not count. The bound is the matrix product of an iteration, in blocks on
each core, with nothing around it.
"""

import time
import warnings
from statistics import median

import numpy as np
from numba import njit
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from benchmarks.harness import show
from featlearn import ZCA, ContrastNormalizer, KMeansDictionary
from featlearn.arrays import blocks
from featlearn.images.patches import sample_patches
from featlearn.threads import map_in_order, n_threads


def problem(n: int) -> tuple[np.ndarray, str]:
    """Whitened patches: of CIFAR-10 where it is at hand, else of scikit-learn's two photographs with noise."""
    try:
        from featlearn.datasets import fetch_cifar10

        images, source = fetch_cifar10(subset="train", download_if_missing=False).data, "CIFAR-10 patches"
    except OSError:
        from featlearn.datasets import load_photo_patches

        images, source = load_photo_patches(2000, 32, gray=False, random_state=0), "photograph patches"
    patches = ContrastNormalizer().fit_transform(sample_patches(images, (6, 6), n, 0))
    return np.ascontiguousarray(ZCA().fit_transform(patches)), source


@njit(nogil=True)
def _product(X, A, G):
    for top in range(0, X.shape[0] - G.shape[0] + 1, G.shape[0]):
        np.dot(X[top : top + G.shape[0]], A.T, G)


def product(X: np.ndarray, atoms: np.ndarray) -> None:
    """X atoms' in blocks of 1,024 rows on every core."""

    def run(part):
        _product(X[part], atoms, np.empty((1024, len(atoms)), np.float32))

    for _ in map_in_order(run, blocks(len(X), 1024 * 16), n_threads()):
        pass


def ours(X, atoms, iterations):
    """Ours from given centers."""
    KMeansDictionary(len(atoms), init=atoms, max_iter=iterations, tol=0).fit(X)


def scikit_learn(X, atoms, iterations):
    """scikit-learn's Lloyd from given centers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        KMeans(len(atoms), init=atoms, n_init=1, max_iter=iterations, tol=0, algorithm="lloyd").fit(X)


def faiss_kmeans(X, atoms, iterations):
    """faiss from given centers, on all the points."""
    import faiss

    faiss.omp_set_num_threads(n_threads())
    learner = faiss.Kmeans(X.shape[1], len(atoms), niter=iterations, max_points_per_centroid=len(X))
    learner.train(X, init_centroids=atoms)


def run(quick: bool = False) -> dict:
    """Time the contenders and print seconds an iteration, early in the fit and late."""
    n, K, short, long = (20_000, 200, 1, 3) if quick else (400_000, 1600, 2, 7)
    X, source = problem(n)
    first = X[np.random.default_rng(0).choice(n, K, replace=False)]
    settled = KMeansDictionary(K, init=first, max_iter=3 if quick else 20, tol=0).fit(X).components_
    contenders = {"ours": ours, "scikit-learn Lloyd": scikit_learn}
    try:
        import faiss  # noqa: F401

        contenders["faiss"] = faiss_kmeans
    except ImportError:
        pass
    result: dict = {"n": n, "K": K, "data": source}
    for phase, atoms in (("from random centers", first), ("after 20 iterations", settled)):
        times: dict[str, list[float]] = {name: [] for name in [*contenders, "bound: the product"]}
        for _ in range(1 if quick else 3):
            for name, fit in contenders.items():
                marks = [time.perf_counter()]
                for iterations in (short, long):
                    fit(X, atoms, iterations)
                    marks.append(time.perf_counter())
                times[name].append((marks[2] - 2 * marks[1] + marks[0]) / (long - short))
            start = time.perf_counter()
            product(X, atoms)
            times["bound: the product"].append(time.perf_counter() - start)
        seconds = {name: median(values) for name, values in times.items()}
        rows = [[name, s, s / seconds["ours"]] for name, s in seconds.items()]
        show(f"K-means iteration {phase}, {n} x 108 {source}, K={K}", ["", "seconds", "time / ours"], rows)
        result[phase] = {
            "seconds": seconds,
            "time_over_ours": {name: s / seconds["ours"] for name, s in seconds.items()},
        }
    return result
