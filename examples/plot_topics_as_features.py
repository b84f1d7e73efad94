"""Topics as features where labels are few
=======================================

Texts are plenty and labels are dear. `LDA` learns topics from all texts without looking at a label; a linear SVM then
learns from a handful of labels, on TF-IDF, on the topics of a text, and on both. The fewer the labels, the more the
topics help: they know which words go together from texts that nobody has labelled.

Shows: `LDA` in a Pipeline and in a FeatureUnion, topic proportions as features. The texts are six of the 20 newsgroups
if the data home has them (20news-bydate/), else documents drawn from topics. Give a file name ending in .png to keep
the picture:

    python examples/plot_topics_as_features.py features.png
"""

# %%
import sys

import numpy as np
from matplotlib import pyplot as plt
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import LinearSVC

from featlearn import LDA
from featlearn.datasets import DatasetNotFoundError, load_20newsgroups

picture = next((argument for argument in sys.argv[1:] if argument.endswith(".png")), None)

# %%
# The texts as counts. Without the newsgroups: 1,500 documents of six kinds, each kind fond of some of thirty topics.
try:
    texts, y, names = load_20newsgroups("train", remove=("headers", "footers", "quotes"))
    kept = np.flatnonzero(np.isin(y, [1, 7, 10, 13, 14, 16]))
    y = np.asarray(y)[kept]
    X = CountVectorizer(stop_words="english", min_df=5, max_df=0.3).fit_transform([texts[i] for i in kept])
    print("groups:", ", ".join(names[group] for group in np.unique(y)))
except DatasetNotFoundError as error:
    print(f"{error}\nDocuments drawn from topics instead.")
    rng = np.random.default_rng(0)
    words = rng.dirichlet(np.full(4000, 0.02), 30)
    fond = rng.dirichlet(np.full(30, 0.2), 6)
    y = rng.integers(6, size=1500)
    X = np.stack([rng.multinomial(rng.poisson(60), rng.dirichlet(10 * fond[k] + 0.01) @ words) for k in y])
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.4, stratify=y, random_state=0)

# %%
# What turns counts into features is fitted to all training texts, without labels. Square roots of proportions have
# products that are affinities between distributions.
roots = FunctionTransformer(np.sqrt)
features = {
    "TF-IDF": TfidfTransformer(sublinear_tf=True),
    "topics": make_pipeline(LDA(40, max_iter=150, random_state=0), roots),
}
features["both"] = FeatureUnion(list(features.items()))
columns = {name: (step.fit(X_train).transform(X_train), step.transform(X_test)) for name, step in features.items()}

# %%
# A linear SVM on more and more labels, the same number of each kind; the mean of five draws of the labels.
sizes = [5, 10, 20, 40, 80]
accuracy = {name: np.zeros(len(sizes)) for name in features}
for i, size in enumerate(sizes):
    for draw in range(5):
        rng = np.random.default_rng(draw)
        few = np.concatenate([rng.permutation(np.flatnonzero(y_train == k))[:size] for k in np.unique(y_train)])
        for name, (train, test) in columns.items():
            accuracy[name][i] += LinearSVC().fit(train[few], y_train[few]).score(test, y_test) / 5
print("labels of a kind " + "".join(f"{size:>8}" for size in sizes))
for name, row in accuracy.items():
    print(f"{name:<17}" + "".join(f"{value:8.1%}" for value in row))

# %%
figure, ax = plt.subplots(figsize=(6, 4.2), layout="constrained")
for (name, row), color in zip(accuracy.items(), ("#aab2bd", "#2f6cb3", "#c9513a"), strict=True):
    ax.plot(sizes, 100 * row, "o-", color=color, label=name)
ax.set(xscale="log", xlabel="labels of each kind", ylabel="accuracy on unseen texts, %")
ax.set_xticks(sizes, [str(size) for size in sizes])
ax.minorticks_off()
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False)
if picture:
    figure.savefig(picture, dpi=120)
