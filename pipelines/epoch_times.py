"""Seconds of an epoch over MNIST's 60,000 digits: operations one by one, compiled, by hand, and on a GPU.

The notes give 169, 7 and 2 seconds for plain code on a CPU, compiled code and a GPU, of a machine and a network that
they do not tell, so nothing is judged. Ours is 784-500-10 with batches of 20, small steps, whose price is mostly
calls and passes over memory. An epoch before the clock starts pays for compilation.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pipelines.data import mnist_or_digits
from pipelines.experiment import Experiment, Reported, Settings, Split
from pipelines.progress import Steps

UNITS, BATCH = 500, 20
EPOCH = 60_000  # rows; where fewer are timed, the time is scaled
TIMED = {"plain": 4_000}  # all rows for the others


def build(variant: str, settings: Settings) -> Any:
    """The network on its engine."""
    from featlearn import NetworkClassifier
    from featlearn.networks import Dense

    engine = "numpy" if variant == "by_hand" else "keras"
    return NetworkClassifier(
        [Dense(UNITS, "tanh")],
        solver="sgd",
        learning_rate=0.01,
        batch_size=BATCH,
        max_iter=1,
        tol=0.0,
        warm_start=True,
        engine=engine,
        device="gpu" if variant == "gpu" else "auto" if variant == "by_hand" else "cpu",
        random_state=settings.seed,
    )


@contextmanager
def uncompiled() -> Iterator[None]:
    """Functions of Keras' backend run operation by operation."""
    from featlearn.kernels.backend import backend

    if backend() == "jax":
        import jax

        with jax.disable_jit():
            yield
    elif backend() == "tensorflow":
        import tensorflow as tf

        tf.config.run_functions_eagerly(True)
        try:
            yield
        finally:
            tf.config.run_functions_eagerly(False)
    else:
        yield


def seconds_of_an_epoch(estimator: Any, split: Split, rows: int) -> float:
    """Wall time of the second of two epochs, for 60,000 rows."""
    X, y = split.X_train[:rows], split.y_train[:rows]
    estimator.fit(X, y)
    begin = time.perf_counter()
    estimator.fit(X, y)
    return (time.perf_counter() - begin) * EPOCH / len(X)


def measure(estimator: Any, split: Split, variant: str, settings: Settings, steps: Steps) -> dict[str, float]:
    """Seconds an epoch, and accuracy after two."""
    rows = 400 if settings.smoke else TIMED.get(variant, EPOCH)
    with steps("two epochs", estimator):
        if variant == "plain":
            with uncompiled():
                seconds = seconds_of_an_epoch(estimator, split, rows)
        else:
            seconds = seconds_of_an_epoch(estimator, split, rows)
    return {
        f"{variant}: seconds an epoch": seconds,
        f"{variant}: accuracy after two": 100.0 * float(estimator.score(split.X_test, split.y_test)),
    }


NOTE = "another net on another machine"
EPOCH_TIMES = Experiment(
    name="epoch_times",
    title="Seconds of an epoch of 784-500-10 over 60,000 digits, batches of 20",
    paper="lecture notes on deep learning: plain code on a CPU, compiled code, a GPU",
    data="MNIST (fetched, or mnist/ in the data folder; scikit-learn's digits without it)",
    variants={
        "plain": "Keras' operations one by one on the CPU (4,000 digits, scaled)",
        "compiled": "the Keras engine, compiled for the CPU",
        "by_hand": "back-propagation by hand, featlearn's default on CPUs",
        "gpu": "the Keras engine on a GPU",
    },
    default=("plain", "compiled", "by_hand"),
    load=mnist_or_digits,
    build=build,
    measure=measure,
    reported={
        "plain: seconds an epoch": Reported(169.0, "S", None, NOTE, 0),
        "compiled: seconds an epoch": Reported(7.0, "S", None, NOTE, 0),
        "gpu: seconds an epoch": Reported(2.0, "S", None, NOTE, 0),
    },
    headlines=("seconds an epoch",),
)
