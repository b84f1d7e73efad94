"""A pretrained network in a pipeline, and what pretraining is worth
===================================================================

200 labelled digits and 1,000 without labels. Two Boltzmann machines are learned greedily from all of them, become the
hidden layers of a network, and gradients tune the whole; a search decides whether they help. It fits everything anew in
each fold.

Shows: `NetworkClassifier`, `Pretrained`, rows without labels, lists of layers as values of a grid. Give a file name
ending in .png to keep the picture:

    python examples/plot_network_pretrained.py pretrained.png
"""

# %%
import sys

from matplotlib import pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from featlearn import RBM, FilterGridDisplay
from featlearn.networks import Dense, NetworkClassifier, Pretrained

picture = next((argument for argument in sys.argv[1:] if argument.endswith(".png")), None)
X, y = load_digits(return_X_y=True)
X_train, X_rest, y_train, y_rest = train_test_split(X, y, train_size=200, stratify=y, random_state=0)
X_test, y_test = X_rest[1_000:], y_rest[1_000:]
unlabelled = MinMaxScaler().fit_transform(X_rest[:1_000])

# %%
# A learner in `Pretrained` is fitted on what the layers below it give, for rows with labels and without. The values of
# ``layers`` are whole lists: a network from random weights, and a pretrained one of the same shape.
layers = {
    "random": [Dense(100, "sigmoid"), Dense(60, "sigmoid")],
    "pretrained": [
        Pretrained(RBM(100, learning_rate=0.05, batch_size=20, max_iter=30)),
        Pretrained(RBM(60, learning_rate=0.05, batch_size=20, max_iter=30)),
    ],
}
network = NetworkClassifier(max_iter=60, batch_size=20, tol=0, random_state=0)
search = GridSearchCV(
    make_pipeline(MinMaxScaler(), network),
    {"networkclassifier__layers": list(layers.values()), "networkclassifier__learning_rate": [1e-3, 3e-3]},
    cv=3,
)
search.fit(X_train, y_train, networkclassifier__unlabelled=unlabelled)

# %%
# Names of nested parameters reach into the list, and into the learner: ``layers__pretrained-1__learner__n_components``.
start = {id(value): name for name, value in layers.items()}
for parameters, score in zip(search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True):
    name = start[id(parameters["networkclassifier__layers"])]
    print(f"{name:<11} rate {parameters['networkclassifier__learning_rate']:.3f}   {100 * score:.1f} % right")
best = start[id(search.best_params_["networkclassifier__layers"])]
print(f"best start: {best}; {100 * search.score(X_test, y_test):.1f} % of {len(y_test)} other digits")

# %%
# The weights of the first layer, and what units of the second look for in the pixels.
figure, axes = plt.subplots(1, 2, figsize=(9, 4.8), layout="constrained")
for layer, ax in enumerate(axes):
    FilterGridDisplay.from_estimator(search.best_estimator_[-1], layer=layer, n_filters=49, ax=ax)
if picture:
    figure.savefig(picture, dpi=120)
else:
    plt.show()
