"""Sparse filtering, one and two layers: classification of CIFAR-10 by patches, and filters of natural patches.

A patch loses its mean (the learner's part), its contrast is normalized as in ``coates2011``, and nothing is whitened.
256 features a layer, L-BFGS of 200 iterations from N(0, 1) as in the authors' code. Beside the accuracy stand the
objective, and how sparse the codes of patches are that were not learned from.
"""

from typing import Any

import numpy as np

from pipelines.data import cifar10_or_digits
from pipelines.experiment import Experiment, Settings, Split, fit_and_score
from pipelines.progress import Steps

PAPER = "J. Ngiam, P. W. Koh, Z. Chen, S. Bhaskar, A. Y. Ng, Sparse filtering, 2011"
FEATURES = 256
PHOTO_PATCH = 16
VARIANTS = {"one_layer": "256 features", "two_layers": "256 features of 256 features"}


def learner(variant: str, settings: Settings) -> Any:
    """Contrast normalization and sparse filtering."""
    from sklearn.pipeline import make_pipeline

    from featlearn import ContrastNormalizer, SparseFiltering

    k, iterations = (32, 15) if settings.smoke else (FEATURES, 200)
    widths = [k, k] if variant == "two_layers" else [k]
    filtering = SparseFiltering(n_components=widths, max_iter=iterations, random_state=settings.seed)
    # eps is 10 for bytes; the stand-in's pixels go from 0 to 1.
    return make_pipeline(ContrastNormalizer(), filtering)


def diagnostics(filtering: Any, codes: np.ndarray, variant: str, n_samples: int) -> dict[str, float]:
    """Objective of each layer a training patch, first and last, and the sparsity of codes (n, K) of other patches."""
    from featlearn.vectors.sparsity_measures import lifetime_sparsity, population_sparsity

    rows = {}
    for i, layer in enumerate(filtering.layers_, 1):
        for when, value in (("first iteration", layer.loss_curve[0]), ("last iteration", layer.loss_curve[-1])):
            rows[f"{variant}: objective a patch, layer {i}, {when}"] = float(value) / n_samples
    rows[f"{variant}: population sparsity"] = float(np.nanmean(population_sparsity(codes)))
    rows[f"{variant}: lifetime sparsity"] = float(np.nanmean(lifetime_sparsity(codes)))
    return rows


def build(variant: str, settings: Settings) -> Any:
    """The pipeline of a variant, from images to classes."""
    from sklearn.pipeline import make_pipeline

    from featlearn import Flatten, Stage, SumPool
    from pipelines.mean_svm import MeanSVM
    from pipelines.scaler import FeatureScaler

    stage = Stage(
        learner(variant, settings),
        patch_size=6,
        n_patches=2_000 if settings.smoke else None,  # 100,000, or as many as the stand-in has
        pool=SumPool(grid=2),
        random_state=settings.seed,
    )
    return make_pipeline(stage, Flatten(), FeatureScaler(eps=0.01, copy=False), MeanSVM(C=100.0))


def measure(estimator: Any, split: Split, variant: str, settings: Settings, steps: Steps) -> dict[str, float]:
    """Accuracy in percent, objective and sparsity."""
    from featlearn.images.patches import sample_patches

    rows = {variant: 100.0 * fit_and_score(estimator, split, steps)}
    stage = estimator.named_steps["stage"]
    with steps("sparsity of patches that were not learned from"):
        images = split.X_test if split.X_test.ndim == 4 else split.X_test[..., None]
        n = 500 if settings.smoke else 1_500 if split.stand_in else 20_000
        codes = stage.learner_.transform(sample_patches(images, (6, 6), n, settings.seed))
    return {**rows, **diagnostics(stage.learner_[-1], codes, variant, stage.n_patches_)}


def pictures(estimator: Any, split: Split, variant: str, settings: Settings, steps: Steps) -> dict[str, Any]:
    """The filters of the first layer, the objective, and how sparse the codes of scored patches are."""
    from featlearn import FilterGridDisplay
    from featlearn.images.patches import sample_patches
    from featlearn.plot import LossCurveDisplay, SparsityDisplay

    fitted = estimator.named_steps["stage"].learner_
    images = split.X_test if split.X_test.ndim == 4 else split.X_test[..., None]
    patches = sample_patches(images, (6, 6), 500, settings.seed)
    return {
        "filters": lambda: FilterGridDisplay.from_estimator(estimator.named_steps["stage"], whitened=True),
        "objective": lambda: LossCurveDisplay.from_estimator(fitted),
        "sparsity": lambda: SparsityDisplay.from_estimator(fitted, patches),
    }


NGIAM2011 = Experiment(
    name="ngiam2011",
    title="Sparse filtering of 6 x 6 patches of CIFAR-10, linear SVM, test accuracy in %",
    paper=PAPER,
    data="CIFAR-10 (fetched, or cifar-10-batches-bin/ in the data folder; scikit-learn's digits without it)",
    variants=VARIANTS,
    default=tuple(VARIANTS),
    load=cifar10_or_digits,
    build=build,
    measure=measure,
    pictures=pictures,
    notes={"one_layer": "the paper classifies STL-10, not CIFAR-10, so nothing is set beside these numbers"},
)


def load_photographs(settings: Settings) -> Split:
    """Patches (n, 256) of scikit-learn's photographs, in 0..255; learned from and looked at, never classified."""
    from featlearn.datasets import load_photo_patches

    n = 3_000 if settings.smoke else 60_000
    patches = load_photo_patches(n, PHOTO_PATCH, random_state=0).reshape(n, -1)
    cut = 5 * n // 6
    return Split(patches[:cut], np.zeros(cut), patches[cut:], np.zeros(n - cut))


def measure_photographs(
    estimator: Any, split: Split, variant: str, settings: Settings, steps: Steps
) -> dict[str, float]:
    """Objective and sparsity."""
    with steps("fit", estimator):
        estimator.fit(split.X_train)
    with steps("sparsity of patches that were not learned from"):
        codes = estimator.transform(split.X_test)
    return diagnostics(estimator[-1], codes, variant, len(split.X_train))


def pictures_photographs(
    estimator: Any, split: Split, variant: str, settings: Settings, steps: Steps
) -> dict[str, Any]:
    """The filters of the first layer, the objective and the sparsity of codes."""
    from featlearn import FilterGridDisplay
    from featlearn.plot import LossCurveDisplay, SparsityDisplay

    return {
        "filters": lambda: FilterGridDisplay.from_estimator(estimator, whitened=True),
        "objective": lambda: LossCurveDisplay.from_estimator(estimator),
        "sparsity": lambda: SparsityDisplay.from_estimator(estimator, split.X_test[:2_000]),
    }


NGIAM2011_PHOTOGRAPHS = Experiment(
    name="ngiam2011_photographs",
    title="Sparse filtering of 16 x 16 patches of two photographs: objective and sparsity",
    paper=PAPER,
    data="scikit-learn's two photographs (bundled), not the paper's; scored patches may overlap learned ones",
    variants=VARIANTS,
    default=tuple(VARIANTS),
    load=load_photographs,
    build=learner,
    measure=measure_photographs,
    pictures=pictures_photographs,
)
