"""The notes' training recipes on MNIST: which loss, batch, depth and activation a network learns with at all.

784-500-500-10, sigmoid, SGD 0.1, 20 epochs; each variant changes one thing. The notes say neither how many images nor
which first weights. Here are the first 10,000 images (20 epochs of 60,000 learn far more than the notes' 84 %), and
Keras' weights of the time, Glorot's uniform ones without the factor 4 that Glorot & Bengio (2010) give a sigmoid, and
biases of 0. "3 layers" counts the output: two hidden ones of 500; "9 layers" has eight.

Keras' mean squared error is a mean over the ten outputs, ours half of their sum: 0.1 there is 0.1 * 2 / 10 here.
"""

from typing import Any

import numpy as np

from pipelines.data import mnist
from pipelines.experiment import Experiment, Reported, Settings, Split, fit_and_score
from pipelines.progress import Steps

IMAGES, UNITS, RATE, BATCH, EPOCHS = 10_000, 500, 0.1, 100, 20
# What differs from the first: hidden layers, activation, loss, batch, learning rate.
RECIPES: dict[str, dict[str, Any]] = {
    "cross_entropy": {},
    "mse": {"loss": "squared", "learning_rate": RATE * 2 / 10},
    "full_batch": {"batch_size": None},
    "nine_layers": {"hidden": 8},
    "nine_layers_relu": {"hidden": 8, "activation": "relu"},
}


def load(settings: Settings) -> Split:
    """The first images, and all test images."""
    return mnist(settings).head(IMAGES, 10_000)


def build(variant: str, settings: Settings) -> Any:
    """The network in a pipeline of its own."""
    from sklearn.pipeline import make_pipeline

    from featlearn.networks import Activation, Dense, NetworkClassifier

    recipe = {"hidden": 2, "activation": "sigmoid", "loss": "cross_entropy", "learning_rate": RATE, "batch_size": BATCH}
    recipe |= RECIPES[variant]
    # An activation of its own, or `Dense` would draw wider weights before a sigmoid.
    hidden = [Dense(UNITS, init="glorot"), Activation(recipe.pop("activation"))] * recipe.pop("hidden")
    epochs = 2 if settings.smoke else EPOCHS
    return make_pipeline(
        NetworkClassifier(hidden, solver="sgd", max_iter=epochs, tol=0, random_state=settings.seed, **recipe)
    )


def measure(estimator: Any, split: Split, variant: str, settings: Settings, steps: Steps) -> dict[str, float]:
    """Accuracy on training and on scored images."""
    accuracy = 100.0 * fit_and_score(estimator, split, steps)
    with steps("score train"):
        train = 100.0 * float(np.mean(estimator.predict(split.X_train) == split.y_train))
    return {f"{variant}: accuracy %": accuracy, f"{variant}: training accuracy %": train}


def reported() -> dict[str, Reported]:
    """The notes' accuracies; those that hang on what the notes leave out are shown and not judged."""
    note = "images and first weights are not told"
    return {
        "cross_entropy: accuracy %": Reported(84.0, "S", None, note, 1),
        "mse: accuracy %": Reported(11.0, "S", None, note, 1),
        "full_batch: accuracy %": Reported(12.0, "S", None, note, 1),
        "nine_layers: accuracy %": Reported(11.0, "S", 2.0, decimals=1),
        "nine_layers_relu: accuracy %": Reported(96.0, "S", 2.0, decimals=1),
    }


def pictures(estimator: Any, split: Split, variant: str, settings: Settings, steps: Steps) -> dict[str, Any]:
    """Activities and derivatives through depth, at the end."""
    from featlearn import DepthDisplay

    return {"depth": lambda: DepthDisplay.from_estimator(estimator, split.X_test, split.y_test)}


RECIPES_MNIST = Experiment(
    name="recipes",
    title="Training recipes on MNIST: what 784-500-500-10 learns with in 20 epochs, test accuracy in %",
    paper="the lecture notes' table of losses, batches, depths and activations",
    data="MNIST (fetched, or mnist/ in the data folder), the first 10,000 training images",
    variants={
        "cross_entropy": "cross entropy, batches of 100, two hidden layers of 500 sigmoids",
        "mse": "mean squared error",
        "full_batch": "all images in a step",
        "nine_layers": "eight hidden layers",
        "nine_layers_relu": "eight hidden layers of rectifiers",
    },
    default=tuple(RECIPES),
    load=load,
    build=build,
    reported=reported(),
    measure=measure,
    pictures=pictures,
    bars={"cross_entropy: accuracy %": 80.0},
    notes={
        "mse": "far behind cross entropy, as in the notes, but not at chance; Keras' weights and narrower ones alike",
    },
    headlines=("accuracy %",),
)
