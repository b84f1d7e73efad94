"""Unroll a pipeline into layers and fine-tune it
==============================================

A pipeline of learners is fitted step by step: filters first, without labels, then a linear machine on what they answer.
Unrolled, the same pipeline is a network: it starts with the same scores, and gradients of the loss then reach the
filters too. Tuning the head alone is the baseline that belongs beside it.

Shows: `NetworkClassifier.from_pipeline`, ``frozen``, the filters before and after. Give a file name ending in .png to
keep the picture:

    python examples/plot_unroll_and_finetune.py tuned.png
"""

# %%
# Data: scikit-learn's digits, 8 x 8 pixels. A fifth of them trains, the rest tests.
import sys

import numpy as np
from matplotlib import pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from featlearn import ContrastNormalizer, Flatten, KMeansDictionary, LinearSVM, Stage, SumPool
from featlearn.networks import NetworkClassifier

picture = next((argument for argument in sys.argv[1:] if argument.endswith(".png")), None)
digits = load_digits()
images = (digits.images * (255 / 16)).astype(np.float32)
images_train, images_test, y_train, y_test = train_test_split(
    images, digits.target, train_size=0.2, stratify=digits.target, random_state=0
)

# %%
# A small pipeline: eight filters of 4 x 4 pixels, their answers summed in each quadrant, and a linear machine.
learner = make_pipeline(ContrastNormalizer(eps=10), KMeansDictionary(8, encode="triangle"))
stage = Stage(learner, patch_size=4, pool=SumPool(grid=2), random_state=0)
pipeline = make_pipeline(stage, Flatten(), StandardScaler(), LinearSVM(0.1)).fit(images_train, y_train)
print(f"pipeline            {100 * pipeline.score(images_test, y_test):5.1f} % right")

# %%
# The network begins as the pipeline: every step is a layer, or several, and the scores are the same.
net = NetworkClassifier.from_pipeline(pipeline, learning_rate=3e-3, max_iter=40, tol=0, random_state=0)
difference = np.abs(net.decision_function(images_test) - pipeline.decision_function(images_test)).max()
print(f"largest difference of the scores: {difference:.1e}")
before = next(fitted.params["A"] for fitted in net.layers_ if "A" in fitted.params)

# %%
# Head only, then everything; the scaler always stands still.
head = NetworkClassifier.from_pipeline(
    pipeline, learning_rate=3e-3, max_iter=40, tol=0, frozen=["stage"], random_state=0
).fit(images_train, y_train)
print(f"head only           {100 * head.score(images_test, y_test):5.1f} % right")
net.fit(images_train, y_train)
print(f"unrolled and tuned  {100 * net.score(images_test, y_test):5.1f} % right")
after = next(fitted.params["A"] for fitted in net.layers_ if "A" in fitted.params)

# %%
# The atoms before and after.
figure, axes = plt.subplots(2, 8, figsize=(10, 3), layout="constrained")
for row, name, atoms in zip(axes, ("K-means", "tuned"), (before, after), strict=True):
    row[0].set_ylabel(name)
    for ax, atom in zip(row, atoms, strict=True):
        ax.imshow(atom.reshape(4, 4), cmap="gray", vmin=-2, vmax=2)
        ax.set(xticks=[], yticks=[])
figure.suptitle("Eight filters, before and after the gradients reached them")
if picture:
    figure.savefig(picture, dpi=120)
