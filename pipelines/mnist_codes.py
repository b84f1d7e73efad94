"""Codes of MNIST digits against their raw pixels: the same linear SVM on both, C chosen on held-out training rows."""

from typing import Any

from sklearn.base import clone

from pipelines.experiment import Settings, Split, fit_and_score
from pipelines.progress import Steps

CS = [1.0, 10.0, 100.0, 1_000.0, 10_000.0]


def classifier(settings: Settings) -> Any:
    """A linear SVM that tries every C on a sixth of its rows (10,000 digits of MNIST) and then learns from all."""
    from sklearn.model_selection import StratifiedShuffleSplit

    from pipelines.mean_svm import MeanSVMCV

    return MeanSVMCV(Cs=CS[:2] if settings.smoke else CS, cv=StratifiedShuffleSplit(1, test_size=1 / 6, random_state=0))


def codes_against_pixels(
    pipeline: Any, split: Split, variant: str, steps: Steps, pixels: str = "raw pixels"
) -> dict[str, float]:
    """Accuracies in percent of a pipeline (learner, classifier) and of a clone of its classifier on the pixels."""
    codes = 100.0 * fit_and_score(pipeline, split, steps)
    other = clone(pipeline[-1])
    with steps(f"fit the classifier on {pixels}", other):
        other.fit(split.X_train, split.y_train)
    raw = 100.0 * float(other.score(split.X_test, split.y_test))
    return {
        f"{variant}: accuracy %, codes": codes,
        f"{variant}: accuracy %, {pixels}": raw,
        f"{variant}: points gained over {pixels}": codes - raw,
    }


def pixel_shape(split: Split) -> tuple[int, int]:
    """Height and width of the digits: 28 of MNIST, 8 of scikit-learn's."""
    side = round(split.X_train.shape[1] ** 0.5)
    return side, side
