"""A small net taught by a large one on MNIST.

Hinton, Vinyals & Dean (2015) taught a net of two layers of 800 relus by one of two layers of 1,200 with dropout: 146
test errors alone, 74 with the teacher's word at T = 20, 67 of the teacher. Here the nets are smaller by default, and
the teacher has dropout in place of the paper's shifted digits; a student of 30 relus shows the gain at a glance.
"""

from typing import Any

from pipelines.data import mnist_or_digits
from pipelines.experiment import Experiment, Reported, Settings, Split
from pipelines.progress import Steps

STUDENTS = {"student_800": 800, "student_30": 30}
PAPER = {"teacher": 67, "alone": 146, "taught": 74}  # errors of 10,000


def build(variant: str, settings: Settings) -> Any:
    """Teacher and student of a variant."""
    from featlearn import Dense, Distilled, Dropout, NetworkClassifier

    width, units = (50, 10) if settings.smoke else (1_200, STUDENTS[variant])
    epochs = 2 if settings.smoke else 20
    common: dict[str, Any] = {"max_iter": epochs, "tol": 0.0, "batch_size": 100, "random_state": settings.seed}
    teacher = NetworkClassifier(
        [Dropout(0.2), Dense(width, "relu"), Dropout(0.5), Dense(width, "relu"), Dropout(0.5)], **common
    )
    student = NetworkClassifier([Dense(units, "relu"), Dense(units, "relu")], **common)
    return Distilled(teacher, student, temperature=20.0 if variant == "student_800" else 4.0, alpha=0.9)


def measure(estimator: Any, split: Split, variant: str, settings: Settings, steps: Steps) -> dict[str, float]:
    """Test errors in percent of the teacher, of the student alone and of the student taught."""
    from sklearn.base import clone

    alone = clone(estimator.student)
    with steps("fit teacher and student", estimator):
        estimator.fit(split.X_train, split.y_train)
    with steps("fit the student alone", alone):
        alone.fit(split.X_train, split.y_train)
    with steps("test"):
        errors = {
            f"{variant}: {name}, test error %": 100.0 * (1 - float(net.score(split.X_test, split.y_test)))
            for name, net in (("teacher", estimator.teacher_), ("alone", alone), ("taught", estimator))
        }
    gained = errors[f"{variant}: alone, test error %"] - errors[f"{variant}: taught, test error %"]
    return errors | {f"{variant}: points gained by the teacher": gained}


DISTILLATION_MNIST = Experiment(
    name="distillation_mnist",
    title="A small net taught by a large one on MNIST, test error in %",
    paper="G. Hinton, O. Vinyals, J. Dean, Distilling the knowledge in a neural network, 2015",
    data="MNIST (fetched, or mnist/ in the data folder; scikit-learn's digits without it)",
    variants={
        "student_800": "two layers of 800 relus, T = 20, as in the paper",
        "student_30": "two layers of 30 relus, T = 4",
    },
    default=("student_800", "student_30"),
    load=mnist_or_digits,
    build=build,
    reported={
        f"student_800: {name}, test error %": Reported(errors / 100, "M", None, "without shifted digits")
        for name, errors in PAPER.items()
    },
    measure=measure,
    bars={f"{variant}: points gained by the teacher": 0.0 for variant in STUDENTS},
)
