"""One evaluation of sparse filtering (loss and gradient), 100,000 x 64 float32, K = 256, and 200 L-BFGS iterations.

Ours against the formulas as one writes them in NumPy, and against TensorFlow's automatic gradient compiled by XLA. The
bound is the two matrix products of an evaluation, X W' and its transpose with X, in blocks on every core with nothing
around them. Then a fit of 200 iterations against 200 evaluations: what the line search and L-BFGS itself add.
"""

import time

import numpy as np
from numba import njit

from benchmarks.harness import show, side_by_side
from featlearn.arrays import blocks
from featlearn.datasets import load_photo_patches
from featlearn.threads import map_in_order, n_threads, one_blas_thread
from featlearn.vectors.sparse_filtering import WALK_ROWS, Encoder, Objective, SparseFiltering

EPS = 1e-8
BLOCK = 1024


def problem(n: int) -> np.ndarray:
    """Patches (n, 64) of scikit-learn's two photographs, each less its mean, so that no contender has to remove it."""
    X = load_photo_patches(n, 8, gray=True, random_state=0).reshape(n, -1).astype(np.float32)
    return X - X.mean(axis=1, keepdims=True)


def textbook(X: np.ndarray, W: np.ndarray) -> tuple[np.floating, np.ndarray]:
    """Loss and gradient in NumPy, one array a step."""
    F = X @ W.T
    Fs = np.sqrt(F**2 + np.float32(EPS))
    r = np.sqrt(np.sum(Fs**2, axis=0))
    U = Fs / r
    c = np.sqrt(np.sum(U**2, axis=1, keepdims=True))
    V = U / c
    dU = (1 - V * V.sum(axis=1, keepdims=True)) / c
    dFs = dU / r - U * (np.sum(dU * U, axis=0) / r)
    return V.sum(), (dFs * F / Fs).T @ X


def tensorflow_xla(X: np.ndarray):
    """TensorFlow's loss and gradient of weights (K, d), compiled."""
    import tensorflow as tf

    data = tf.constant(X)

    @tf.function(jit_compile=True)
    def evaluate(W):
        with tf.GradientTape() as tape:
            tape.watch(W)
            F = tf.matmul(data, W, transpose_b=True)
            Fs = tf.sqrt(F * F + EPS)
            U = Fs / tf.sqrt(tf.reduce_sum(Fs * Fs, axis=0))
            V = U / tf.sqrt(tf.reduce_sum(U * U, axis=1, keepdims=True))
            loss = tf.reduce_sum(V)
        return loss, tape.gradient(loss, W)

    return lambda W: tuple(part.numpy() for part in evaluate(tf.constant(W)))


@njit(nogil=True)
def _products(X, W, F, G):
    for top in range(0, X.shape[0], F.shape[0]):
        x = X[top : top + F.shape[0]]
        f = F[: x.shape[0]]
        np.dot(x, W.T, f)
        np.dot(f.T, x, G)


def products(X: np.ndarray, W: np.ndarray) -> None:
    """The two matrix products of an evaluation."""

    def run(part):
        _products(X[part], W, np.empty((BLOCK, len(W)), W.dtype), np.empty_like(W))

    for _ in map_in_order(run, blocks(len(X), WALK_ROWS), n_threads()):
        pass


def run(quick: bool = False) -> dict:
    """Time the contenders and print seconds an evaluation, then those of a fit."""
    n, K, iterations = (10_000, 32, 20) if quick else (100_000, 256, 200)
    X = problem(n)
    W = np.random.default_rng(0).standard_normal((K, X.shape[1])).astype(np.float32)
    objective = Objective(X, Encoder((), "softabs", EPS, False), W.shape)
    contenders = {"ours": lambda: objective(W.ravel()), "NumPy": lambda: textbook(X, W)}
    try:
        evaluate = tensorflow_xla(X)
        contenders["TensorFlow XLA"] = lambda: evaluate(W)
    except ImportError:
        pass
    contenders["bound: two products"] = lambda: products(X, W)
    loss, gradient = (n * part for part in objective(W.ravel()))
    for name in ("NumPy", "TensorFlow XLA"):
        if name in contenders:
            peer_loss, peer_gradient = contenders[name]()
            apart = np.abs(gradient.reshape(W.shape) - peer_gradient).max() / np.abs(peer_gradient).max()
            assert abs(peer_loss / loss - 1) < 1e-3, (name, peer_loss, loss)
            assert apart < 1e-2, (name, apart)
    seconds = side_by_side(contenders, rounds=3 if quick else 11, warmup=2)
    ratios = {name: s / seconds["ours"] for name, s in seconds.items()}
    rows = [[name, s, ratios[name]] for name, s in seconds.items()]
    show(f"sparse filtering, one evaluation, {n} x 64, K={K}", ["", "seconds", "time / ours"], rows)

    def evaluations() -> float:
        start = time.perf_counter()
        with one_blas_thread():  # as in a fit
            for _ in range(iterations):
                objective(W.ravel())
        return time.perf_counter() - start

    before = evaluations()
    start = time.perf_counter()
    learner = SparseFiltering(K, max_iter=iterations, tol=0, center=False, random_state=0).fit(X)
    fit = time.perf_counter() - start
    alone = (before + evaluations()) / 2  # before and after, so that a drifting machine is fair to both
    rows = [[f"{iterations} evaluations", alone, 1.0], [f"{learner.n_iter_} iterations", fit, fit / alone]]
    show("L-BFGS", ["", "seconds", "/ evaluations"], rows)
    return {
        "n": n,
        "K": K,
        "seconds": seconds,
        "time_over_ours": ratios,
        "fit_seconds": fit,
        "fit_over_evaluations": fit / alone,
        "n_iter": learner.n_iter_,
        "loss": [float(loss), float(learner.objective_)],
    }
