"""The public estimators, read from the rooms' stubs: what each is, what it takes, and the instances tests work on.

A learner listed in its room's ``__init__.pyi`` is in the batteries and in the table at once:

    python -m tests.registry    the table of learners, as Markdown
"""

import inspect
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags

import featlearn

WHITENED = make_pipeline(
    featlearn.ContrastNormalizer(), featlearn.ZCA(), featlearn.KMeansDictionary(5, max_iter=5, tol=0)
)
DEEP = {"n_components": [5, 4], "visible": "gaussian", "pretrain_iter": 30, "pretrain_rate": 0.1, "batch_size": 10}
# What the batteries set besides a seed, where defaults take long or leave out what should be tested.
SETTINGS: dict[str, list[dict[str, Any]]] = {
    "ContractiveAutoencoder": [{"max_iter": 5}],
    "DeepBeliefNetwork": [DEEP],
    "DeepBoltzmannMachine": [DEEP],
    "DenoisingAutoencoder": [{"max_iter": 5}],
    "NetworkClassifier": [{"max_iter": 50, "tol": 0}],
    "NetworkRegressor": [{"max_iter": 50, "tol": 0}],
    "Distilled": [
        {
            "teacher": LogisticRegression(),
            "student": featlearn.NetworkClassifier([featlearn.Dense(20, "relu")], learning_rate=0.01, tol=0),
        }
    ],
    "FisherVector": [{"n_components": 3, "patch_size": 3, "n_patches": 400, "max_iter": 300}],
    "LDA": [
        {"n_components": 3, "max_iter": 20},
        {"n_components": 3, "method": "vb", "max_iter": 5, "tol": 0},
        {"n_components": 3, "method": "online", "max_iter": 2},
    ],
    "LinearSVMCV": [{"Cs": 3, "cv": 2}],
    "LogisticAutoregression": [{"rescale": True, "learning_rate": 0.1, "max_iter": 20}],
    "MixtureOfUnigrams": [{"n_components": 3}],
    "PLSA": [{"n_components": 3, "max_iter": 20, "tol": 0}],
    "PredictiveSparse": [{"max_iter": 5}],
    "RBM": [{"n_components": 4, "visible": "gaussian"}],
    "SparseAutoencoder": [{"max_iter": 5}],
    "SparseCoding": [{"max_iter": 5, "tol": 0}],
    "SparseFiltering": [{"max_iter": 20}],
    "Stage": [{"learner": WHITENED, "patch_size": 3, "pool": featlearn.SumPool()}],
    "ToImages": [{"shape": (2, 3)}],
    "TopicExtractor": [{"model": featlearn.LDA(2, max_iter=5, random_state=0), "min_df": 1}],
}


def is_estimator(public: object) -> bool:
    """Whether a public name is a class that learns."""
    return inspect.isclass(public) and issubclass(public, BaseEstimator)


ROOM = {
    name: room for room, names in featlearn._HOME.items() for name in names if is_estimator(getattr(featlearn, name))
}


def instances(name: str) -> list[Any]:
    """The small instances of a public estimator."""
    kind = getattr(featlearn, name)
    seed = {"random_state": 0} if "random_state" in inspect.signature(kind).parameters else {}
    return [kind(**settings, **seed) for settings in SETTINGS.get(name, [{}])]


def takes(name: str) -> str:
    """What a public estimator takes, by its tags: rows, counts, images or text; it tells the battery that tests it."""
    tags = get_tags(instances(name)[0]).input_tags
    if ROOM[name] == "images":
        return "images"
    return "text" if tags.string else "counts" if tags.positive_only else "rows"


def table() -> str:
    """Every public estimator, the first line of its docstring, and what it takes."""
    lines = ["| learner | what it is | X |", "|---|---|---|"]
    for name in ROOM:
        what = inspect.getdoc(getattr(featlearn, name)).split("\n\n")[0].replace("\n", " ").replace("|", "\\|")
        lines.append(f"| `{name}` | {what} | {takes(name)} |")
    return "\n".join(lines)


ESTIMATORS = {name: takes(name) for name in ROOM}

if __name__ == "__main__":
    print(table())
