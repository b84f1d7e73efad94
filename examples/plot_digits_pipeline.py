"""Digits by raw pixels, by PCA and by K-means features
=======================================================

A pipeline learns small filters from patches of the digits, without labels, and a linear machine reads what they answer
in each quadrant. With 360 labelled digits the same linear machine gets fewer right from raw pixels or from principal
components.

Shows: `Stage` in a scikit-learn pipeline, `FilterGridDisplay`. Give a file name ending in .png to keep the picture:

    python examples/plot_digits_pipeline.py digits.png
"""

# %%
# Data: scikit-learn's digits, 8 x 8 pixels. A fifth of them trains, the rest tests.
import sys

from matplotlib import pyplot as plt
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from featlearn import ZCA, ContrastNormalizer, FilterGridDisplay, Flatten, KMeansDictionary, LinearSVM, Stage, SumPool

picture = next((argument for argument in sys.argv[1:] if argument.endswith(".png")), None)
digits = load_digits()
images_train, images_test, y_train, y_test = train_test_split(
    digits.images * (255 / 16), digits.target, train_size=0.2, stratify=digits.target, random_state=0
)

# %%
# Three ways to features, each read by the same linear support vector machine.
C = 100 / len(y_train)
learner = make_pipeline(ContrastNormalizer(eps=10), ZCA(eps=0.1), KMeansDictionary(200, encode="triangle"))
pipelines = {
    "64 raw pixels": make_pipeline(Flatten(), StandardScaler(), LinearSVM(C)),
    "30 principal components": make_pipeline(Flatten(), PCA(30), StandardScaler(), LinearSVM(C)),
    "200 K-means filters": make_pipeline(
        Stage(learner, patch_size=4, pool=SumPool(grid=2), random_state=0),
        Flatten(),
        StandardScaler(),
        LinearSVM(C),
    ),
}
errors = {}
for name, pipeline in pipelines.items():
    accuracy = 100 * pipeline.fit(images_train, y_train).score(images_test, y_test)
    errors[name] = 100 - accuracy
    print(f"{name:<24} {pipeline[-1].n_features_in_:4d} features  {accuracy:5.1f} % right")

# %%
# The filters: edges, strokes and their ends. The stage knows the shape of its patches, so the display needs no more.
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained", width_ratios=[1, 1.3])
FilterGridDisplay.from_estimator(pipelines["200 K-means filters"], ax=left)
left.set_title("100 of the 200 filters, 4 × 4 pixels")
bars = right.barh(list(errors), list(errors.values()), color=["#b0b7bf", "#b0b7bf", "#2f6db5"], height=0.55)
right.bar_label(bars, fmt="%.1f %%", padding=4)
right.set(xlim=(0, 10), xlabel="test error of a linear SVM, 360 labelled digits (%)")
right.invert_yaxis()
right.spines[["top", "right"]].set_visible(False)
if picture:
    figure.savefig(picture, dpi=120)
else:
    plt.show()
