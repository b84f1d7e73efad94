"""K-means as a classifier on MNIST: 25 clusters by cosine, each labelled by the majority of its training digits."""

from typing import Any

import numpy as np
from sklearn.base import clone

from pipelines.experiment import Experiment, Reported, Settings, Split
from pipelines.progress import Steps

N_SEEDS = 5
CURVE = {1: 0.341471, 10: 0.221609, 20: 0.220328, 30: 0.219784, 40: 0.219427, 50: 0.219164}


def load(settings: Settings) -> Split:
    """MNIST: rows (n, 784) float32 in 0..1."""
    from featlearn.datasets import fetch_mnist

    X_train, y_train = fetch_mnist(subset="train", data_home=settings.data_home, return_X_y=True)
    X_test, y_test = fetch_mnist(subset="test", data_home=settings.data_home, return_X_y=True)
    rows = [X.reshape(len(X), -1).astype(np.float32) / 255 for X in (X_train, X_test)]
    split = Split(rows[0], y_train, rows[1], y_test)
    return split.head(2_000, 500) if settings.smoke else split


def build(variant: str, settings: Settings) -> Any:
    """The classifier with the first seed."""
    from featlearn import ClusterClassifier

    iterations = 10 if settings.smoke else 50
    return ClusterClassifier(n_components=25, metric="cosine", max_iter=iterations, random_state=settings.seed)


def measure(estimator: Any, split: Split, variant: str, settings: Settings, steps: Steps) -> dict[str, float]:
    """Test accuracy of several seeds, their mean, and the mean distance to the center along the iterations."""
    accuracies, curves = {}, []
    for seed in range(settings.seed, settings.seed + (2 if settings.smoke else N_SEEDS)):
        # The first is `estimator` itself, so that the caller gets it fitted.
        model = estimator if seed == settings.seed else clone(estimator).set_params(random_state=seed)
        with steps(f"fit seed {seed}", model):
            model.fit(split.X_train, split.y_train)
        with steps(f"test seed {seed}"):
            accuracies[f"accuracy %, seed {seed}"] = 100.0 * float(model.score(split.X_test, split.y_test))
        curves.append(np.asarray(model.distance_curve_, dtype=float))
    rows = {"accuracy %, mean": float(np.mean(list(accuracies.values()))), **accuracies}
    for step in CURVE:
        reached = [curve[step - 1] for curve in curves if len(curve) >= step]
        if len(reached) == len(curves):
            rows[f"mean distance, step {step}"] = float(np.mean(reached))
    return rows


def pictures(estimator: Any, variant: str, settings: Settings, steps: Steps) -> dict[str, Any]:
    """The centers of the first seed."""
    from featlearn import FilterGridDisplay

    return {"centers": lambda: FilterGridDisplay.from_estimator(estimator.dictionary_, shape=(28, 28))}


KMEANS_MNIST = Experiment(
    name="kmeans_mnist",
    title="K-means with 25 clusters on MNIST, cosine distance, 50 steps",
    paper="the lecture notes' table of a 25-cluster K-means classifier",
    data="MNIST (fetched, or mnist/ in the data folder)",
    variants={"cosine_25": "25 clusters labelled by training majority, mean of five seeds"},
    default=("cosine_25",),
    load=load,
    build=build,
    reported={
        "accuracy %, mean": Reported(71.27, "S", 1.0),
        **{
            f"mean distance, step {step}": Reported(
                value, "S", 0.002 if step >= 10 else None, "depends on the start", 6
            )
            for step, value in CURVE.items()
        },
    },
    measure=measure,
    pictures=pictures,
)
