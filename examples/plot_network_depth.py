"""How deep, and how much dropout
================================

A grid over the depth of a network and the share of units that dropout leaves out. Depth is a list of layers; the rate
is reached inside the list by the name of its layer, as in any other nested estimator.

Shows: lists of layers as values of a grid, ``layers__drop__rate`` and ``layers__dense-1__units``, worker processes.
Give a file name ending in .png to keep the picture:

    python examples/plot_network_depth.py depth.png
"""

# %%
import sys

import numpy as np
from matplotlib import pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from featlearn.networks import Dense, Dropout, NetworkClassifier

picture = next((argument for argument in sys.argv[1:] if argument.endswith(".png")), None)
X, y = load_digits(return_X_y=True)
X, y = (X[:600] / 16).astype(np.float32), y[:600]

# %%
# ``("drop", Dropout())`` gives the layer a name; the others are called dense-1, dense-2, ... by their kind.
depths, rates = [1, 2, 4], [0.0, 0.25, 0.5, 0.75]
layers = [[*[Dense(64, "relu")] * depth, ("drop", Dropout())] for depth in depths]
network = NetworkClassifier(layers[0], max_iter=40, batch_size=50, tol=0, random_state=0)
search = GridSearchCV(network, {"layers": layers, "layers__drop__rate": rates}, cv=3, n_jobs=2).fit(X, y)
scores = 100 * search.cv_results_["mean_test_score"].reshape(len(depths), len(rates))
print("hidden layers", *(f"{f'dropout {rate:.2f}':>14}" for rate in rates))
for depth, row in zip(depths, scores, strict=True):
    print(f"{depth:13d}", *(f"{score:12.1f} %" for score in row))

# %%
# The best of these, wider or narrower at its first layer.
finer = GridSearchCV(search.best_estimator_, {"layers__dense-1__units": [16, 64, 128]}, cv=3, n_jobs=2).fit(X, y)
units, rate = finer.best_params_["layers__dense-1__units"], search.best_params_["layers__drop__rate"]
print(f"best: {units} units in the first layer, dropout {rate}, {100 * finer.best_score_:.1f} %")

# %%
figure, ax = plt.subplots(figsize=(6, 3.4), layout="constrained")
ax.imshow(scores, cmap="Blues", vmin=scores.min() - (np.ptp(scores) or 1) / 2, aspect="auto")
ax.set_xticks(range(len(rates)), rates)
ax.set_yticks(range(len(depths)), depths)
ax.set(xlabel="dropout", ylabel="hidden layers", title="Cross-validated accuracy on 600 digits (%)")
for (i, j), score in np.ndenumerate(scores):
    dark = score > (scores.min() + scores.max()) / 2
    weight = "bold" if score == scores.max() else None
    ax.text(j, i, f"{score:.1f}", ha="center", va="center", color="w" if dark else "k", weight=weight)
ax.spines[:].set_visible(False)
ax.tick_params(length=0)
if picture:
    figure.savefig(picture, dpi=120)
else:
    plt.show()
