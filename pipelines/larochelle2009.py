"""Greedy layer-wise pretraining of three sigmoid layers on MNIST, against none and against a shallow net.

The rows of the lecture notes: stacked RBMs, stacked autoassociators, stacked logistic autoregression, supervised
pretraining, no pretraining, and one hidden layer. Every net is tuned by stochastic gradient descent on 50,000 digits;
the epoch with the fewest errors on the other 10,000 training digits is kept (as in the paper), and the test digits are
read once.
"""

from typing import Any

from featlearn.training import GradientDescent
from pipelines.data import mnist
from pipelines.experiment import Experiment, Reported, Settings, Split
from pipelines.progress import Steps

WIDTH, DEPTH = 1000, 3
EPOCHS = 30  # of tuning, at most
PATIENCE = 6
TABLE = {  # train, valid and test error in percent
    "rbm": (0.0, 1.20, 1.20),
    "autoencoder": (0.0, 1.31, 1.41),
    "autoregression": (0.0, 1.65, 1.85),
    "supervised": (0.0, 1.74, 2.04),
    "none": (0.004, 2.07, 2.40),
    "shallow": (0.0, 1.91, 1.93),
}
BARS = {"rbm": 1.40, "autoencoder": 1.60}


def tuned(layers: Any, settings: Settings, **changes: Any) -> Any:
    """A network of these layers, tuned by gradient descent with the epoch of fewest held-out errors kept."""
    from featlearn import NetworkClassifier

    parameters: dict[str, Any] = {
        "solver": GradientDescent("momentum", 0.1, momentum=0.9),
        "batch_size": 100,
        "max_iter": 2 if settings.smoke else EPOCHS,
        "tol": 0.0,
        "n_iter_no_change": PATIENCE,
        "early_stopping": True,
        "validation_fraction": 1 / 6,
        "monitor": "score",
        "random_state": settings.seed,
    }
    return NetworkClassifier(layers, **(parameters | changes))


def build(variant: str, settings: Settings) -> Any:
    """The network of a row."""
    from featlearn import RBM, DenoisingAutoencoder, Dense, LogisticAutoregression, Pretrained

    width, epochs = (50, 1) if settings.smoke else (WIDTH, 25 if variant == "rbm" else 10)

    def layer() -> Any:
        if variant == "rbm":
            solver = GradientDescent("momentum", 0.05, momentum=(0.5, 0.9, 5), schedule="linear")
            return Pretrained(RBM(width, solver=solver, max_iter=epochs, tol=0))
        if variant == "autoencoder":
            return Pretrained(
                DenoisingAutoencoder(
                    width,
                    corruption_level=0.0,
                    output="sigmoid",
                    loss="cross_entropy",
                    tied=True,
                    solver=GradientDescent("adam", 0.001, schedule="linear"),
                    max_iter=epochs,
                    tol=0,
                )
            )
        if variant == "autoregression":
            solver = GradientDescent("adam", 0.001, schedule="linear")
            return Pretrained(LogisticAutoregression(solver=solver, max_iter=epochs, tol=0))
        if variant == "supervised":
            below = tuned([Dense(width, "sigmoid")], settings, max_iter=epochs, early_stopping=False, monitor="loss")
            return Pretrained(below)
        return Dense(width, "sigmoid")

    if variant == "shallow":
        return tuned([Dense(width, "sigmoid")], settings)
    return tuned([layer() for _ in range(DEPTH)], settings)


def measure(estimator: Any, split: Split, variant: str, settings: Settings, steps: Steps) -> dict[str, float]:
    """Errors in percent on the training, the held-out and the test digits."""
    with steps("fit", estimator):
        estimator.fit(split.X_train, split.y_train)
    with steps("test"):
        train, test = (
            100.0 * (1 - float(estimator.score(X, y)))
            for X, y in ((split.X_train, split.y_train), (split.X_test, split.y_test))
        )
    best = 100.0 * float(min(estimator.validation_curve_))
    return {
        f"{variant}: test error %": test,
        f"{variant}: held-out error %": best,
        f"{variant}: error % on all training digits": train,
        f"{variant}: epochs of tuning": float(estimator.n_iter_),
    }


def reported() -> dict[str, Reported]:
    """The notes' table; another split, other rates and epochs, so nothing is judged but by the bars."""
    rows = {}
    for variant, (_, valid, test) in TABLE.items():
        rows[f"{variant}: test error %"] = Reported(test, "S", None, "other epochs and rates")
        rows[f"{variant}: held-out error %"] = Reported(valid, "S", None, "other epochs and rates")
    return rows


LAROCHELLE2009 = Experiment(
    name="larochelle2009",
    title="Three sigmoid layers on MNIST, pretrained layer by layer in four ways, or not",
    paper="H. Larochelle, Y. Bengio, J. Louradour, P. Lamblin, Exploring strategies for training deep neural networks, "
    "JMLR 10, 2009",
    data="MNIST (fetched, or mnist/ in the data folder)",
    variants={
        "rbm": "stacked restricted Boltzmann machines",
        "autoencoder": "stacked autoassociators",
        "autoregression": "stacked logistic autoregression",
        "supervised": "layers learned with labels, one after the other",
        "none": "no pretraining",
        "shallow": "one hidden layer",
    },
    default=("rbm", "none", "autoencoder", "shallow", "supervised", "autoregression"),
    load=mnist,
    build=build,
    reported=reported(),
    measure=measure,
    headlines=("test error %", "held-out error %"),
)
