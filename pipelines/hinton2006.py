"""Deep nets from stacked RBMs on MNIST: the autoencoder 784-1000-500-250-30, and a deep belief net that draws digits.

The code of the autoencoder is linear, as in the paper: PCA of the third RBM's codes starts it, where the paper has an
RBM of Gaussian units. All layers are tuned together on the cross entropy; ``squared error`` is the sum over the pixels
of a digit, in the mean over digits, as the reference code prints it.
"""

from typing import Any

from featlearn.training import GradientDescent
from pipelines.data import mnist
from pipelines.experiment import Experiment, Reported, Settings, Split
from pipelines.progress import Steps

WIDTHS, CODE = (1000, 500, 250), 30
EPOCHS = 35  # the reference's


def rbm(width: int, settings: Settings, epochs: int) -> Any:
    """An RBM of the stack, at the reference's rates."""
    from featlearn import RBM

    solver = GradientDescent("momentum", 0.05, momentum=(0.5, 0.9, 5), schedule="linear")
    epochs = 1 if settings.smoke else epochs
    return RBM(width, solver=solver, max_iter=epochs, tol=0, weight_decay=2e-4, random_state=settings.seed)


def build(variant: str, settings: Settings) -> Any:
    """The stack that the autoencoder unrolls, or the deep belief net."""
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline

    from featlearn import DeepBeliefNetwork

    if variant == "autoencoder":
        widths = (60, 40) if settings.smoke else WIDTHS
        code = PCA(10 if settings.smoke else CODE, random_state=settings.seed)
        return make_pipeline(*(rbm(width, settings, 10) for width in widths), code)
    widths = [50, 50, 100] if settings.smoke else [500, 500, 2000]
    return DeepBeliefNetwork(widths, max_iter=1 if settings.smoke else 10, random_state=settings.seed)


def measure(estimator: Any, split: Split, variant: str, settings: Settings, steps: Steps) -> dict[str, float]:
    """Squared errors of reconstructions, or the error of the deep belief net as a classifier."""
    from featlearn import deep_autoencoder

    if variant == "dbn":
        with steps("fit", estimator):
            estimator.fit(split.X_train, split.y_train)
        with steps("test"):
            return {"dbn: test error %": 100.0 * (1 - float((estimator.predict(split.X_test) == split.y_test).mean()))}
    with steps("pretrain", estimator):
        estimator.fit(split.X_train)
    net = deep_autoencoder(
        estimator,
        solver=GradientDescent("adam", 0.001, schedule="cosine"),
        max_iter=2 if settings.smoke else EPOCHS,
        tol=0,
        random_state=settings.seed,
        warm_start=True,
    )

    def error(X):
        return float(((net.predict(X) - X) ** 2).sum(axis=1).mean())

    rows = {"autoencoder: squared error, test, before tuning": error(split.X_test)}
    with steps("tune", net):
        net.fit(split.X_train, split.X_train)
    estimator.network_ = net
    with steps("test"):
        rows["autoencoder: squared error, test"] = error(split.X_test)
        rows["autoencoder: squared error, train"] = error(split.X_train)
    return rows


def pictures(estimator: Any, split: Split, variant: str, settings: Settings, steps: Steps) -> dict[str, Any]:
    """Digits that the deep belief net draws, by label; digits and what the autoencoder makes of them."""
    from featlearn.plot import ReconstructionDisplay, SampleGridDisplay

    if variant == "dbn":
        return {
            "samples": lambda: SampleGridDisplay.from_estimator(estimator, shape=(28, 28), random_state=settings.seed)
        }
    X = split.X_test[:10]
    return {"reconstructions": lambda: ReconstructionDisplay(X, estimator.network_.predict(X), shape=(28, 28)).plot()}


HINTON2006 = Experiment(
    name="hinton2006",
    title="A deep autoencoder and a deep belief net from stacked RBMs on MNIST",
    paper="G. Hinton, R. Salakhutdinov, Reducing the dimensionality of data with neural networks, Science 313, 2006; "
    "G. Hinton, S. Osindero, Y. Teh, A fast learning algorithm for deep belief nets, 2006",
    data="MNIST (fetched, or mnist/ in the data folder)",
    variants={
        "autoencoder": "784-1000-500-250-30, unrolled and tuned",
        "dbn": "a deep belief net with labels, 784-500-500-2000",
    },
    default=("autoencoder", "dbn"),
    load=mnist,
    build=build,
    reported={
        "autoencoder: squared error, test": Reported(4.520, "R", None, "conjugate gradients, epoch 35", 3),
        "autoencoder: squared error, train": Reported(4.318, "R", None, "conjugate gradients, epoch 35", 3),
        "dbn: test error %": Reported(1.25, "M", None, "after up-down tuning"),
    },
    measure=measure,
    pictures=pictures,
    headlines=("squared error, test", "squared error, train", "test error %"),
)
