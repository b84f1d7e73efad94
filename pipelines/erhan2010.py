"""Test errors over seeds, with and without pretraining: how much the start decides.

Sigmoid nets of three layers on MNIST, each from another seed, with and without stacked denoising autoencoders. Smaller
than the paper's (layers of 200, 10,000 digits, 10 seeds by default): the spread and its shift are the point, not the
level. The epoch with the fewest errors on held-out training digits is kept.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import clone

from featlearn.training import GradientDescent
from pipelines.data import mnist
from pipelines.experiment import Experiment, Settings, Split
from pipelines.progress import Steps

WIDTH, DEPTH, N_TRAIN, SEEDS = 200, 3, 10_000, 10


def load(settings: Settings) -> Split:
    """The first digits of MNIST."""
    split = mnist(settings)
    return replace(split, X_train=split.X_train[:N_TRAIN], y_train=split.y_train[:N_TRAIN])


def build(variant: str, settings: Settings) -> Any:
    """The network of the first seed."""
    from featlearn import DenoisingAutoencoder, Dense, NetworkClassifier, Pretrained

    width, epochs = (30, 1) if settings.smoke else (WIDTH, 20)
    solver = GradientDescent("adam", 0.001, schedule="linear")
    learner = DenoisingAutoencoder(
        width, corruption_level=0.25, output="sigmoid", loss="cross_entropy", solver=solver, max_iter=epochs, tol=0
    )
    layers = [Pretrained(learner) if variant == "pretrained" else Dense(width, "sigmoid") for _ in range(DEPTH)]
    return NetworkClassifier(
        layers,
        solver=GradientDescent("momentum", 0.05, momentum=0.9),
        max_iter=2 if settings.smoke else 60,
        tol=0,
        n_iter_no_change=10,
        early_stopping=True,
        validation_fraction=1 / 5,
        monitor="score",
        random_state=settings.seed,
    )


def measure(estimator: Any, split: Split, variant: str, settings: Settings, steps: Steps) -> dict[str, float]:
    """The test errors of all seeds, in percent."""
    errors = []
    for seed in range(settings.seed, settings.seed + (2 if settings.smoke else SEEDS)):
        net = clone(estimator).set_params(random_state=seed)
        with steps(f"seed {seed}", net):
            errors.append(100.0 * (1 - net.fit(split.X_train, split.y_train).score(split.X_test, split.y_test)))
    estimator.errors_ = np.array(errors)
    return {
        f"{variant}: test error %, mean": float(np.mean(errors)),
        f"{variant}: test error %, standard deviation": float(np.std(errors)),
        **{f"{variant}: test error %, seed {settings.seed + i}": error for i, error in enumerate(errors)},
    }


ERHAN2010 = Experiment(
    name="erhan2010",
    title="Test errors over seeds, with and without pretraining, on 10,000 digits of MNIST",
    paper="D. Erhan et al., Why does unsupervised pre-training help deep learning?, JMLR 11, 2010",
    data="MNIST (fetched, or mnist/ in the data folder)",
    variants={"pretrained": "stacked denoising autoencoders first", "none": "no pretraining"},
    default=("pretrained", "none"),
    load=load,
    build=build,
    measure=measure,
    headlines=("test error %, mean", "test error %, standard deviation"),
)
