"""Six learners, the same photographs
====================================

The same whitened patches of two photographs, 8 x 8 pixels each, are handed to six learners that share nothing but
``n_components``. K-means and sparse coding collect patches that occur; RICA and sparse filtering look for responses
that are rarely large; the autoencoder and the Boltzmann machine rebuild a patch from few active units. Most of what
they find are edges at a place, a direction and a size.

Shows: `KMeansDictionary`, `SparseCoding`, `RICA`, `SparseFiltering`, `SparseAutoencoder`, `RBM`, `FilterGridDisplay`.
Give a file name ending in .png to keep the picture:

    python examples/plot_learners_side_by_side.py learners.png
"""

# %%
import sys
from time import perf_counter

import numpy as np
from matplotlib import pyplot as plt
from sklearn.pipeline import make_pipeline

from featlearn import (
    RBM,
    RICA,
    ZCA,
    ContrastNormalizer,
    FilterGridDisplay,
    Flatten,
    KMeansDictionary,
    SparseAutoencoder,
    SparseCoding,
    SparseFiltering,
)
from featlearn.datasets import load_photo_patches
from featlearn.training import LBFGS
from featlearn.vectors.sparsity_measures import population_sparsity

picture = next((argument for argument in sys.argv[1:] if argument.endswith(".png")), None)
whitening = make_pipeline(Flatten(), ContrastNormalizer(eps=30), ZCA(eps=0.5))
patches = whitening.fit_transform(load_photo_patches(10_000, 8, random_state=0))
patches /= patches.std()

# %%
# Every learner: 49 units, a fixed seed, and its own few settings.
learners = {
    "K-means": KMeansDictionary(49, max_iter=30, tol=0, random_state=0),
    "sparse coding (OMP)": SparseCoding(49, n_nonzero=5, max_iter=10, tol=0, random_state=0),
    "RICA": RICA(49, max_iter=60, tol=0, random_state=0),
    "sparse filtering": SparseFiltering(49, max_iter=60, random_state=0),
    "sparse autoencoder": SparseAutoencoder(
        49,
        sparsity_target=0.02,
        sparsity_cost=20,
        weight_decay=0.04,
        solver=LBFGS(tol=0),  # 80 iterations, however much there is left to gain
        max_iter=80,
        random_state=0,
    ),
    "Gaussian RBM": RBM(
        49,
        visible="gaussian",
        sparsity_target=0.02,
        sparsity_cost=5,
        init_scale=0.01,
        learning_rate=0.03,
        max_iter=30,
        random_state=0,
    ),
}
figure, axes = plt.subplots(2, 3, figsize=(11, 7.8), layout="constrained")
figure.get_layout_engine().set(w_pad=0.12, h_pad=0.08)
for ax, (name, learner) in zip(axes.flat, learners.items(), strict=True):
    started = perf_counter()
    learner.fit(patches)
    seconds = perf_counter() - started
    FilterGridDisplay.from_estimator(learner, ax=ax)
    ax.set_title(name)
    # How local is a filter? The share of its energy in the quarter of its pixels that hold the most.
    energy = np.sort(learner.components_**2, axis=1)[:, ::-1]
    local = (energy[:, :16].sum(axis=1) / energy.sum(axis=1)).mean()
    sparsity = population_sparsity(learner.transform(patches[:2_000])).mean()
    print(f"{name:<20} {seconds:4.1f} s   locality of filters {local:.2f}   sparsity of codes {sparsity:.2f}")

# %%
if picture:
    figure.savefig(picture, dpi=120)
else:
    plt.show()
