"""Three hidden layers of 1,000 units on MNIST: rectifier, tanh and softplus, with and without pretraining.

Pretraining is a stack of denoising autoencoders (masking noise of .25). Pixels are rebuilt through a sigmoid with the
cross entropy, codes of layers below through linear units with the squared error of standardized features (the paper has
softplus or tanh units there). Without pretraining an L1 penalty keeps rectified activities sparse. The epoch with the
fewest errors on 10,000 held-out training digits is kept; the test digits are read once.
"""

from typing import Any

from featlearn.training import GradientDescent
from pipelines.data import mnist
from pipelines.experiment import Experiment, Reported, Settings, Split
from pipelines.larochelle2009 import measure as errors
from pipelines.progress import Steps

TABLE = {"relu": (1.20, 1.43), "tanh": (1.16, 1.57), "softplus": (1.17, 1.77)}  # with and without pretraining
WIDTH, DEPTH, EPOCHS, PRETRAINING = 1000, 3, 15, 5
RATES = {"relu": 0.05, "tanh": 0.03, "softplus": 0.01}  # softplus units are never small at first


def build(variant: str, settings: Settings) -> Any:
    """The network of a row, "relu" or "relu_pretrained" say."""
    from featlearn import DenoisingAutoencoder, Dense, NetworkClassifier, Pretrained

    activation, pretrained = variant.removesuffix("_pretrained"), variant.endswith("_pretrained")
    width = 50 if settings.smoke else WIDTH

    def learner(layer: int) -> Any:
        output = {"output": "sigmoid", "loss": "cross_entropy"} if layer == 0 else {}
        return DenoisingAutoencoder(
            width,
            activation=activation,
            corruption_level=0.25,
            solver=GradientDescent("adam", 0.0005, schedule="linear"),
            max_iter=1 if settings.smoke else PRETRAINING,
            tol=0,
            **output,
        )

    layers = [Pretrained(learner(i)) if pretrained else Dense(width, activation) for i in range(DEPTH)]
    return NetworkClassifier(
        layers,
        solver=GradientDescent("momentum", RATES[activation], momentum=0.9, schedule="linear"),
        l1_activity=1e-5 if activation == "relu" and not pretrained else 0.0,
        max_iter=2 if settings.smoke else EPOCHS,
        tol=0,
        n_iter_no_change=8,
        early_stopping=True,
        validation_fraction=1 / 6,
        monitor="score",
        random_state=settings.seed,
    )


def measure(estimator: Any, split: Split, variant: str, settings: Settings, steps: Steps) -> dict[str, float]:
    """Errors in percent, and how many hidden activities of the test digits are 0."""
    rows = errors(estimator, split, variant, settings, steps)
    codes = estimator.transform(split.X_test)
    return rows | {f"{variant}: % of the last hidden activities that are 0": 100.0 * float((codes == 0).mean())}


def reported() -> dict[str, Reported]:
    """The paper's column of MNIST; other epochs and rates."""
    rows = {}
    for activation, (with_, without) in TABLE.items():
        rows[f"{activation}_pretrained: test error %"] = Reported(with_, "S", None, "other epochs and rates")
        rows[f"{activation}: test error %"] = Reported(without, "S", None, "other epochs and rates")
    return rows


GLOROT2011 = Experiment(
    name="glorot2011",
    title="Rectifier, tanh and softplus nets on MNIST, with and without pretraining",
    paper="X. Glorot, A. Bordes, Y. Bengio, Deep sparse rectifier neural networks, AISTATS 2011",
    data="MNIST (fetched, or mnist/ in the data folder)",
    variants={
        f"{a}{end}": f"{a} units, {'denoising autoencoders first' if end else 'no pretraining'}"
        for a in TABLE
        for end in ("", "_pretrained")
    },
    default=tuple(f"{a}{end}" for a in TABLE for end in ("", "_pretrained")),
    load=mnist,
    build=build,
    reported=reported(),
    measure=measure,
    headlines=("test error %", "held-out error %"),
)
