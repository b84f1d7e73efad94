"""Which learner? A search over learners and their parameters
============================================================

A stage takes any learner, so the learner itself is a parameter: a list of grids names each with the parameters that are
its own. The search refits the best of all on the whole training set.

Shows: `GridSearchCV` with ``stage__learner`` and ``stage__learner__...``, worker processes. Give a file name ending in
.png to keep the picture:

    python examples/plot_search_learners.py search.png
"""

# %%
import sys
from time import perf_counter

import numpy as np
from matplotlib import pyplot as plt
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from featlearn import ZCA, Flatten, KMeansDictionary, LinearSVM, SparseAutoencoder, SparseFiltering, Stage, SumPool

picture = next((argument for argument in sys.argv[1:] if argument.endswith(".png")), None)
digits = load_digits()
X_train, X_test, y_train, y_test = train_test_split(
    digits.images.astype(np.float32), digits.target, train_size=400, stratify=digits.target, random_state=0
)

# %%
# One grid for each learner. Learners are cloned, and get seeds from the stage.
grids = [
    {"stage__learner": [PCA()], "stage__learner__n_components": [8, 16]},
    {
        "stage__learner": [make_pipeline(ZCA(), KMeansDictionary(max_iter=20, tol=0))],
        "stage__learner__kmeansdictionary__n_components": [16, 64],
        "stage__learner__kmeansdictionary__encode": ["hard", "triangle"],
    },
    {
        "stage__learner": [make_pipeline(ZCA(), SparseAutoencoder(64, learning_rate=0.01, max_iter=10))],
        "stage__learner__sparseautoencoder__sparsity_cost": [0, 1],
    },
    {
        "stage__learner": [SparseFiltering(max_iter=30)],
        "stage__learner__n_components": [16, 64],
    },
]
stage = Stage(PCA(), patch_size=4, n_patches=3_000, pool=SumPool(grid=2), random_state=0)
model = make_pipeline(stage, Flatten(), StandardScaler(), LinearSVM(C=0.03))
started = perf_counter()
search = GridSearchCV(model, grids, cv=3, n_jobs=2).fit(X_train, y_train)
print(f"{len(search.cv_results_['params'])} candidates, 3 folds each, in {perf_counter() - started:.1f} s")

# %%
# The candidates, best first.
order = np.argsort(-search.cv_results_["mean_test_score"], kind="stable")
names, scores, spread = [], [], []
for i in order:
    parameters = dict(search.cv_results_["params"][i])
    learner = parameters.pop("stage__learner")
    kind = type(learner[-1] if hasattr(learner, "steps") else learner).__name__
    settings = ", ".join(f"{name.split('__')[-1]}={value}" for name, value in parameters.items())
    names.append(f"{kind}: {settings}")
    scores.append(100 * search.cv_results_["mean_test_score"][i])
    spread.append(100 * search.cv_results_["std_test_score"][i])
    print(f"{scores[-1]:6.1f} %   {names[-1]}")
print(f"best learner: {names[0]}; {100 * search.score(X_test, y_test):.1f} % of {len(y_test)} other digits")

# %%
figure, ax = plt.subplots(figsize=(9, 4.6), layout="constrained")
kinds = [name.split(":")[0] for name in names]
colors = {kind: f"C{i}" for i, kind in enumerate(sorted(set(kinds)))}
ax.barh(range(len(names)), scores, xerr=spread, color=[colors[kind] for kind in kinds], error_kw={"lw": 1})
ax.set_yticks(range(len(names)), names)
ax.invert_yaxis()
ax.set(xlim=(min(scores) - 5, 100), xlabel="cross-validated accuracy (%), 400 digits", title="Learners and parameters")
ax.spines[["top", "right"]].set_visible(False)
if picture:
    figure.savefig(picture, dpi=120)
else:
    plt.show()
