"""Sparse codes of whitened 6x6 color patches, K = 1,600 atoms, and a dictionary of 256 learned from them.

Codes: orthogonal matching pursuit with 10 atoms against scikit-learn's, which are the same codes; the lasso by FISTA
against scikit-learn's coordinate descent, with what each leaves of the objective above the best known. Learning:
seconds and the objective on the same samples after as many passes, against MiniBatchDictionaryLearning.
"""

import time
import warnings
from statistics import median

import numpy as np
from sklearn.decomposition import MiniBatchDictionaryLearning, sparse_encode
from sklearn.exceptions import ConvergenceWarning

from benchmarks.harness import show
from benchmarks.kmeans import problem, product
from featlearn.kernels.encoding.sparse_codes import fista, lasso_objective
from featlearn.threads import n_threads, one_blas_thread
from featlearn.vectors.dictionary import unit_rows
from featlearn.vectors.sparse_coding import SparseCoding

ALPHA = 1.0  # about 3 % of the codes are nonzero


def timed(run, rounds: int):
    """Median seconds of some runs, and the result."""
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        result = run()
        seconds.append(time.perf_counter() - start)
    return median(seconds), result


def fitted(atoms: np.ndarray, algorithm: str, **settings) -> SparseCoding:
    """A SparseCoding that holds given atoms."""
    coder = SparseCoding(len(atoms), algorithm=algorithm, init=atoms, max_iter=1, tol=0, **settings).fit(atoms)
    coder.components_ = atoms
    return coder


def greedy_codes(X: np.ndarray, atoms: np.ndarray, rounds: int) -> dict:
    """Seconds of orthogonal matching pursuit, ours and scikit-learn's, and how many codes agree."""
    n, K = len(X), len(atoms)
    greedy = fitted(atoms, "omp", n_nonzero=10)
    ours, Z = timed(lambda: greedy.transform(X), rounds)
    sparse_encode(X[:20], atoms, algorithm="omp", n_nonzero_coefs=10, n_jobs=n_threads())  # starts the workers
    start = time.perf_counter()
    theirs_Z = sparse_encode(X, atoms, algorithm="omp", n_nonzero_coefs=10, n_jobs=n_threads())
    theirs = time.perf_counter() - start
    same = float(np.isclose(Z, theirs_Z, atol=1e-3).all(axis=1).mean())
    product(X, atoms)
    bound, _ = timed(lambda: product(X, atoms), rounds)
    rows = [["ours", ours, 1e6 * ours / n, 1.0], ["scikit-learn", theirs, 1e6 * theirs / n, theirs / ours]]
    rows.append(["bound: the product", bound, 1e6 * bound / n, bound / ours])
    title = f"OMP, {n} x {X.shape[1]}, K={K}, 10 atoms a code; {same:.2%} of the rows have the same code"
    show(title, ["", "seconds", "us / row", "time / ours"], rows)
    return {"ours": ours, "scikit-learn": theirs, "bound: the product": bound, "same_codes": same}


def lasso_codes(X: np.ndarray, atoms: np.ndarray, rounds: int) -> dict:
    """Seconds of the lasso, ours and scikit-learn's, and how far above the least objective each ends."""
    K = len(atoms)
    with one_blas_thread():
        best = lasso_objective(X, atoms, fista(X, atoms, ALPHA, 3000, 1e-6), ALPHA).mean()
    rows, result = [], {}
    runs = {
        f"ours, encode_tol={tol:g}": fitted(atoms, "fista", alpha=ALPHA, encode_tol=tol, encode_iter=1000).transform
        for tol in (1e-2, 1e-3, 1e-4)
    }
    runs["scikit-learn, coordinate descent"] = lambda X: sparse_encode(
        X, atoms, algorithm="lasso_cd", alpha=ALPHA, max_iter=1000, n_jobs=n_threads()
    )
    for name, run in runs.items():
        run(X[:20])
        seconds, Z = timed(lambda run=run: run(X), rounds if name.startswith("ours") else 1)
        excess = float(lasso_objective(X, atoms, Z, ALPHA).mean() / best - 1)
        rows.append([name, seconds, 1e6 * seconds / len(X), f"{excess:.1e}"])
        result[name] = {"seconds": seconds, "excess": excess}
    title = f"Lasso codes, {len(X)} x {X.shape[1]}, K={K}, alpha={ALPHA:g}"
    show(title, ["", "seconds", "us / row", "objective above the best"], rows)
    return result


def learning(X: np.ndarray, K: int, passes: int) -> dict:
    """Seconds to learn, and the lasso objective of the atoms."""
    rows, result = [], {}

    def ours():
        model = SparseCoding(K, algorithm="fista", alpha=ALPHA, max_iter=passes, tol=0, random_state=0)
        return model.fit(X).components_

    def ours_online():
        model = SparseCoding(K, algorithm="fista", alpha=ALPHA, random_state=0)
        for _ in range(passes):
            for batch in np.array_split(X, max(1, len(X) // 1024)):
                model.partial_fit(batch)
        return model.components_

    def scikit_learn():
        model = MiniBatchDictionaryLearning(
            K, alpha=ALPHA, max_iter=passes, batch_size=1024, fit_algorithm="cd", random_state=0, n_jobs=n_threads()
        )
        return unit_rows(model.fit(X).components_)

    contenders = {"ours, fit": ours, "ours, partial_fit": ours_online, "scikit-learn, mini-batches": scikit_learn}
    for name, run in contenders.items():
        start = time.perf_counter()
        atoms = run()
        seconds = time.perf_counter() - start
        with one_blas_thread():
            atoms = atoms.astype(X.dtype)
            objective = float(lasso_objective(X, atoms, fista(X, atoms, ALPHA, 1000, 1e-4), ALPHA).mean())
        rows.append([name, seconds, objective])
        result[name] = {"seconds": seconds, "objective": objective}
    title = f"A dictionary, {len(X)} x {X.shape[1]}, K={K}, alpha={ALPHA:g}, {passes} passes"
    show(title, ["", "seconds", "mean objective"], rows)
    return result


def run(quick: bool = False) -> dict:
    """Time the codes and the learning."""
    n, K, small, passes, rounds = (1024, 200, 32, 2, 1) if quick else (2048, 1600, 128, 3, 3)
    X, source = problem(n + K + 5 * n)
    rows, atoms, rest = X[:n], unit_rows(X[n : n + K]), X[n + K :]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return {
            "data": source,
            "omp": greedy_codes(rows, atoms, rounds),
            "lasso": lasso_codes(rows, atoms, rounds),
            "learning": learning(rest, small, passes),
        }
