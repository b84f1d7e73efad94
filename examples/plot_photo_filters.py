"""What three learners find in the same photographs
====================================================

Patches of two photographs, 12 x 12 pixels each. Principal components are waves that fill the patch, ordered by how much
they explain. Independent components and whitened K-means answer to edges at a place, a direction and a size, much as
cells of the visual cortex do.

Shows: `load_photo_patches`, `ContrastNormalizer` and `ZCA` in scikit-learn pipelines, `FilterGridDisplay` for ours and
scikit-learn's learners. Give a file name ending in .png to keep the picture:

    python examples/plot_photo_filters.py filters.png
"""

# %%
import sys
from time import perf_counter

import numpy as np
from matplotlib import pyplot as plt
from sklearn.decomposition import PCA, FastICA
from sklearn.pipeline import make_pipeline

from featlearn import ZCA, ContrastNormalizer, FilterGridDisplay, Flatten, KMeansDictionary
from featlearn.datasets import load_photo_patches

picture = next((argument for argument in sys.argv[1:] if argument.endswith(".png")), None)
patches = load_photo_patches(12_000, 12, random_state=0)

# %%
# Every learner gets the same 49 components and the same patches, their contrast normalized.
learners = {
    "PCA": [PCA(49, random_state=0)],
    "FastICA": [FastICA(49, whiten_solver="eigh", tol=2e-3, max_iter=300, random_state=0)],
    "K-means of whitened patches": [ZCA(eps=0.1), KMeansDictionary(49, max_iter=30, tol=0, random_state=0)],
}
figure, axes = plt.subplots(1, 3, figsize=(12, 4.4), layout="constrained")
for ax, (name, steps) in zip(axes, learners.items(), strict=True):
    started = perf_counter()
    pipeline = make_pipeline(Flatten(), ContrastNormalizer(eps=30), *steps).fit(patches)
    seconds = perf_counter() - started
    FilterGridDisplay.from_estimator(pipeline, whitened=True, ax=ax)
    ax.set_title(name)
    # How local is a filter? The share of its energy in the quarter of its pixels that hold the most.
    energy = np.sort(pipeline[-1].components_ ** 2, axis=1)[:, ::-1]
    share = (energy[:, :36].sum(axis=1) / energy.sum(axis=1)).mean()
    print(f"{name:<28} {seconds:4.1f} s   energy in the strongest quarter of the pixels: {100 * share:.0f} %")

# %%
if picture:
    figure.savefig(picture, dpi=120)
else:
    plt.show()
