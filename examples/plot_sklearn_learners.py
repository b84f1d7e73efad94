"""scikit-learn's own learners, lifted to images
================================================

A `Stage` takes any transformer of vectors. Here PCA, FastICA, NMF and KernelPCA each learn 12 features from the same
4 x 4 patches of digits; the stage applies them at every place, splits signs, and pools over quadrants. A grid search
over the learner, in two worker processes, tells which of them a linear machine reads best.

Shows: scikit-learn's learners in `Stage`, a learner as a parameter of `GridSearchCV`. Give a file name ending in .png
to keep the picture:

    python examples/plot_sklearn_learners.py learners.png
"""

# %%
import sys

import numpy as np
from matplotlib import pyplot as plt
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import NMF, PCA, FastICA, KernelPCA
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from featlearn import Flatten, LinearSVM, SplitSign, Stage, SumPool

picture = next((argument for argument in sys.argv[1:] if argument.endswith(".png")), None)
digits = load_digits()
images, y = digits.images[:500] / 16, digits.target[:500]

# %%
# Each learner as scikit-learn ships it. KernelPCA compares every patch with every patch it was fitted on, so a few
# hundred must do; NMF takes no negative pixels, and digits have none.
learners = {
    "PCA": PCA(12),
    "FastICA": FastICA(12, whiten="unit-variance", whiten_solver="eigh", tol=1e-3, max_iter=1000),
    "NMF": NMF(12, init="nndsvda", tol=1e-3, max_iter=1000),
    "KernelPCA": KernelPCA(12, kernel="rbf", gamma=0.3),
}

# %%
# The search swaps whole learners. Signs are split before pooling, or positive and negative responses would cancel; NMF
# has no negative ones.
stage = Stage(learners["PCA"], patch_size=4, n_patches=600, rectify=SplitSign(), pool=SumPool(grid=2), random_state=0)
pipeline = make_pipeline(stage, Flatten(), StandardScaler(), LinearSVM(C=0.03))
search = GridSearchCV(pipeline, {"stage__learner": list(learners.values())}, cv=3, n_jobs=2).fit(images, y)
accuracies = dict(zip(learners, 100 * search.cv_results_["mean_test_score"], strict=True))
for name, accuracy in accuracies.items():
    print(f"{name:<10} {accuracy:5.1f} % right, cross-validated")

# %%
# What each of them sees: the first features' responses at every place of one digit, red where positive.
shown, digit = 7, images[10]
figure, axes = plt.subplots(len(learners), shown + 1, figsize=(10.5, 6), layout="constrained")
for row, (name, learner) in zip(axes, learners.items(), strict=True):
    maps = Stage(clone(learner), patch_size=4, n_patches=600, random_state=0).fit(images).transform(digit[None])[0]
    maps = maps[..., np.argsort(-np.abs(maps).max(axis=(0, 1)))]
    row[0].imshow(digit, cmap="gray_r")
    row[0].set_ylabel(f"{name}\n{accuracies[name]:.1f} %")
    for k, ax in enumerate(row[1:]):
        most = max(abs(maps[..., k]).max(), 1e-9)
        ax.imshow(maps[..., k], cmap="RdBu_r", vmin=-most, vmax=most)
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
figure.suptitle("A digit, and the seven features that answer it most, at every place (each in its own scale)")
if picture:
    figure.savefig(picture, dpi=120)
else:
    plt.show()
