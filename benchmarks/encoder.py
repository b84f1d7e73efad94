"""The triangle encoder on 32x32x3 images: patches, contrast, ZCA, K = 1,600 distances, quadrant sums.

The bound is the encoder's own matrix products (whitening and dictionary), an image at a time on each core, with nothing
around them; the dictionary product alone is printed too.
"""

import os

import numpy as np
from numba import njit

from benchmarks.harness import show, side_by_side
from featlearn import map_chunks
from featlearn.kernels.encoding.encode import EncoderPlan, FusedEncoder
from featlearn.threads import map_in_order, n_threads

CELLS = (slice(0, 14), slice(14, 27))


def problem(n: int, K: int):
    """Images and a plan of the shape of the CIFAR-10 experiment, with random contents."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(n, 32, 32, 3), dtype=np.uint8)
    plan = EncoderPlan(
        atoms=rng.normal(size=(K, 108)).astype(np.float32),
        encode="triangle",
        patch=(6, 6),
        eps=10.0,
        whitening=(0.3 * rng.normal(size=(108, 108))).astype(np.float32),
        mean=(0.1 * rng.normal(size=108)).astype(np.float32),
        row_cells=CELLS,
        col_cells=CELLS,
    )
    return images, plan


def plain_numpy(images: np.ndarray, plan: EncoderPlan) -> np.ndarray:
    """What one writes first: the formulas, vectorized over the patches of an image, float32, all BLAS threads."""
    out = np.empty((len(images), 2, 2, len(plan.atoms)), np.float32)
    squares = (plan.atoms**2).sum(axis=1)
    for i, image in enumerate(images):
        x = np.lib.stride_tricks.sliding_window_view(image, (6, 6), axis=(0, 1))
        x = x.transpose(0, 1, 3, 4, 2).reshape(-1, 108).astype(np.float32)
        x = (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, ddof=1, keepdims=True) + np.float32(10))
        x = (x - plan.mean) @ plan.whitening
        z = np.sqrt(np.maximum((x**2).sum(axis=1, keepdims=True) - 2 * x @ plan.atoms.T + squares, 0))
        codes = np.maximum(z.mean(axis=1, keepdims=True) - z, 0).reshape(27, 27, -1)
        for a, rows in enumerate(CELLS):
            for b, cols in enumerate(CELLS):
                out[i, a, b] = codes[rows, cols].sum(axis=(0, 1))
    return out


@njit(nogil=True)
def _products(x, W, A, Z, G, images, whiten):
    for _ in range(images):
        if whiten:
            np.dot(x, W, Z)
        np.dot(Z, A.T, G)


def products(plan: EncoderPlan, n: int, whiten: bool) -> None:
    """The matrix products of n images (729 patches each), the same number of images on each core."""
    threads = n_threads()

    def run(share):
        x = np.ones((729, 108), np.float32)
        _products(x, plan.whitening, plan.atoms, x.copy(), np.empty((729, len(plan.atoms)), np.float32), share, whiten)

    for _ in map_in_order(run, [n // threads] * threads, threads):
        pass


def xla_encoder(plan: EncoderPlan):
    """Our `keras.ops` encoder on TensorFlow's CPU device, compiled by XLA; None without TensorFlow."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import keras
        import tensorflow  # noqa: F401
    except ImportError:
        return None
    if keras.backend.backend() != "tensorflow":
        return None
    import warnings

    from featlearn.kernels.encoding import encode_keras

    encode_keras.MAP_BYTES = 32 << 20  # the fastest of 8, 32, 64 and 256 MB on a CPU
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return encode_keras.KerasEncoder(plan, 32, 32, np.dtype(np.float32))


def run(quick: bool = False) -> dict:
    """Time the contenders and print milliseconds an image."""
    n, K = (64, 400) if quick else (240, 1600)
    images, plan = problem(n, K)
    fused = FusedEncoder(plan, 32, 32, np.dtype(np.float32))
    contenders = {
        "ours": lambda: map_chunks(fused, images, rows=8),
        "bound: both products": lambda: products(plan, n, True),
        "dictionary product alone": lambda: products(plan, n, False),
        "plain NumPy": lambda: plain_numpy(images, plan),
    }
    xla = xla_encoder(plan)
    if xla is not None:
        contenders["TensorFlow XLA"] = lambda: xla(images.astype(np.float32))
        difference = np.abs(xla(images[:8].astype(np.float32)) - fused(images[:8])).max() / fused(images[:8]).max()
        assert difference < 1e-4, difference
    seconds = side_by_side(contenders, rounds=2 if quick else 7)
    ours = seconds["ours"]
    rows = [[name, 1e3 * s / n, s / ours] for name, s in seconds.items()]
    show(f"triangle encoder, {n} images 32x32x3, K={K}", ["", "ms / image", "time / ours"], rows)
    return {"images": n, "K": K, "seconds": seconds, "time_over_ours": {name: s / ours for name, s in seconds.items()}}
