"""A pretrained network in a pipeline, and what pretraining is worth
===================================================================

200 labelled digits and 1,000 without labels. Two Boltzmann machines are learned greedily from all of them, become the
hidden layers of a network, and gradients tune the whole; a network of the same shape starts from random weights. A
search fits everything anew in each fold.

Shows: `NetworkClassifier`, `Pretrained`, rows without labels, the parameters of a layer's learner in a grid. Give a
file name ending in .png to keep the picture:

    python examples/plot_network_pretrained.py pretrained.png
"""

# %%
import sys

from matplotlib import pyplot as plt
from sklearn.base import clone
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
# A learner in `Pretrained` is fitted on what the layers below it give, for rows with labels and without. Names of
# nested parameters reach into the list of layers, and into the learner.
layers = [
    Pretrained(RBM(100, learning_rate=0.05, batch_size=20, max_iter=30)),
    Pretrained(RBM(60, learning_rate=0.05, batch_size=20, max_iter=30)),
]
network = NetworkClassifier(layers, max_iter=60, batch_size=20, tol=0, random_state=0)
units, rate = "networkclassifier__layers__pretrained-1__learner__n_components", "networkclassifier__learning_rate"
search = GridSearchCV(make_pipeline(MinMaxScaler(), network), {units: [50, 100], rate: [1e-3, 3e-3]}, cv=3)
search.fit(X_train, y_train, networkclassifier__unlabelled=unlabelled)
for parameters, score in zip(search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True):
    print(f"{parameters[units]:4d} units, rate {parameters[rate]:.3f}   {100 * score:.1f} % right")

# %%
# The best, beside one of its shape that was not pretrained.
shape = [Dense(search.best_params_[units], "sigmoid"), Dense(60, "sigmoid")]
random = clone(search.best_estimator_).set_params(networkclassifier__layers=shape).fit(X_train, y_train)
for name, model in {"random": random, "pretrained": search}.items():
    print(f"{name} start: {100 * model.score(X_test, y_test):.1f} % of {len(y_test)} other digits")

# %%
# The weights of the first layer, and what units of the second look for in the pixels.
figure, axes = plt.subplots(1, 2, figsize=(9, 4.8), layout="constrained")
for layer, ax in enumerate(axes):
    FilterGridDisplay.from_estimator(search.best_estimator_[-1], layer=layer, n_filters=49, ax=ax)
if picture:
    figure.savefig(picture, dpi=120)
else:
    plt.show()
