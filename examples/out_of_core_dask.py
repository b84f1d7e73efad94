"""Learning from data that never fit in memory
===============================================

Patches lie in a file. ZCA and K-means walk over it as a memory map, as a stream of chunks or as a Dask array, and learn
what they learn from the whole array in memory. Dask runs the walk on whatever cluster you have.

Needs the extra `dask`: pip install 'featlearn[dask]'
"""

# %%
# A file of 60,000 patches of photographs, 8 x 8 pixels each, written piece by piece.
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
from sklearn.pipeline import make_pipeline

from featlearn import ZCA, ContrastNormalizer, KMeansDictionary
from featlearn.datasets import load_photo_patches

try:
    import dask.array
except ImportError:
    print("This example needs Dask: pip install 'featlearn[dask]'")
    sys.exit(0)

folder = tempfile.TemporaryDirectory()
path = Path(folder.name) / "patches.npy"
file = np.lib.format.open_memmap(path, "w+", np.float32, (60_000, 64))
for i in range(0, 60_000, 10_000):
    file[i : i + 10_000] = load_photo_patches(10_000, 8, random_state=i).reshape(-1, 64)
file.flush()


# %%
# One recipe for every kind of input. A stream is a function that returns a fresh iterator, as K-means walks many times.
def through(step, X):
    """X transformed by a step; a stream stays a function."""
    return (lambda: step.transform(X)) if callable(X) else step.transform(X)


def learn(X):
    """Contrast normalization, ZCA and 50 atoms, each learned from what the one before gives."""
    normalizer = ContrastNormalizer().fit(X)
    normalized = through(normalizer, X)
    whitening = ZCA(eps=0.1).fit(normalized)
    kmeans = KMeansDictionary(50, max_iter=10, tol=0, random_state=0).fit(through(whitening, normalized))
    return make_pipeline(normalizer, whitening, kmeans)


def chunks():
    """The file, 7,000 rows at a time."""
    rows = np.load(path, mmap_mode="r")
    return (rows[i : i + 7_000] for i in range(0, len(rows), 7_000))


inputs = {
    "array": np.load(path),
    "memory map": np.load(path, mmap_mode="r"),
    "stream": chunks,
    "Dask array": dask.array.from_array(np.load(path, mmap_mode="r"), chunks=(15_000, 64)),
}
probe = inputs["array"][:1000]
expected = learn(inputs["array"]).transform(probe)
for name, X in inputs.items():
    started = perf_counter()
    pipeline = learn(X)
    seconds = perf_counter() - started
    gap = abs(pipeline.transform(probe) - expected).max()
    print(f"{name:<11} {seconds:4.1f} s  inertia {pipeline[-1].inertia_:,.1f}  largest difference of a code {gap:.1e}")

# %%
# Encoding is lazy too: nothing is read before it is asked for.
lazy = pipeline.transform(inputs["Dask array"])
print("lazy codes:", lazy.shape, lazy.dtype, "in", lazy.npartitions, "blocks; mean", f"{lazy.mean().compute():.4f}")
folder.cleanup()
