"""A search over what is learned and how it is pooled
======================================================

The parameters of a stage, of the learner in it and of its pool are reached by name, so `GridSearchCV` tunes them all.
With ``memory=`` a learner is fitted once for each fold and number of components, not again for every pool.

Shows: nested parameters, `Stage(memory=...)`, worker processes. Give a file name ending in .png to keep the picture:

    python examples/plot_grid_search.py search.png
"""

# %%
import sys
import tempfile
from time import perf_counter

import numpy as np
from matplotlib import pyplot as plt
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from featlearn import Abs, ContrastNormalizer, Flatten, LinearSVM, MaxPool, MeanPool, Stage

picture = next((argument for argument in sys.argv[1:] if argument.endswith(".png")), None)
digits = load_digits()
images, y = digits.images[:500] * (255 / 16), digits.target[:500]

# %%
# Any transformer of vectors can be lifted to images: here principal components of 4 x 4 patches, their absolute values
# pooled. ``stage__learner__pca__n_components`` reads from the outside in.
components = [2, 4, 8]
pools = [MeanPool(grid=1), MeanPool(grid=2), MeanPool(grid=3), MaxPool(grid=1), MaxPool(grid=2), MaxPool(grid=3)]
with tempfile.TemporaryDirectory() as cache:
    stage = Stage(make_pipeline(ContrastNormalizer(), PCA()), patch_size=4, rectify=Abs(), random_state=0, memory=cache)
    search = GridSearchCV(
        make_pipeline(stage, Flatten(), StandardScaler(), LinearSVM(C=0.03)),
        {"stage__learner__pca__n_components": components, "stage__pool": pools},
        cv=3,
        n_jobs=2,
    )
    started = perf_counter()
    search.fit(images, y)
    print(f"{len(search.cv_results_['params'])} candidates, 3 folds each, in {perf_counter() - started:.1f} s")

# %%
# The table: cross-validated accuracy by components and pool.
scores = 100 * search.cv_results_["mean_test_score"].reshape(len(components), len(pools))
names = [f"{type(pool).__name__[:-4].lower()} {pool.grid} × {pool.grid}" for pool in pools]
print("components", *(f"{name:>10}" for name in names))
for n, row in zip(components, scores, strict=True):
    print(f"{n:10d}", *(f"{score:8.1f} %" for score in row))
print("best:", search.best_params_)

# %%
figure, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
ax.imshow(scores, cmap="Blues", vmin=scores.min() - 5, aspect="auto")
ax.set_xticks(range(len(names)), names)
ax.set_yticks(range(len(components)), components)
ax.set(xlabel="pool", ylabel="principal components", title="Cross-validated accuracy on 500 digits (%)")
for (i, j), score in np.ndenumerate(scores):
    best = score == scores.max()
    dark = score > (scores.min() + scores.max()) / 2
    ax.text(j, i, f"{score:.1f}", ha="center", va="center", color="w" if dark else "k", weight="bold" if best else None)
ax.spines[:].set_visible(False)
ax.tick_params(length=0)
if picture:
    figure.savefig(picture, dpi=120)
else:
    plt.show()
