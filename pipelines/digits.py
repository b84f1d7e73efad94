"""The main job on data that come with scikit-learn: digits by raw pixels, by PCA and by K-means features.

Each row is followed by the same linear SVM and learns from the same 360 labelled digits. Filters are learned from
photographs too, to be looked at beside those of the digits.
"""

from typing import Any

import numpy as np

from pipelines.experiment import Experiment, Settings, Split
from pipelines.progress import Steps


def load(settings: Settings) -> Split:
    """scikit-learn's digits: images (n, 8, 8) float32 scaled to 0..255; a fixed fifth of each class trains."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bunch = load_digits()
    images = (bunch.images * (255 / 16)).astype(np.float32)
    X_train, X_test, y_train, y_test = train_test_split(
        images, bunch.target, train_size=0.2, stratify=bunch.target, random_state=0
    )
    split = Split(X_train, y_train, X_test, y_test)
    return split.head(200, 200) if settings.smoke else split


def features(patch_size: int, n_components: int, n_patches: int | None, seed: int, pool: Any = None) -> Any:
    """A stage of normalized, whitened patches and a K-means dictionary with the triangle code."""
    from sklearn.pipeline import make_pipeline

    from featlearn import ZCA, ContrastNormalizer, KMeansDictionary, Stage

    learner = make_pipeline(
        ContrastNormalizer(eps=10.0),
        ZCA(eps=0.1),
        KMeansDictionary(n_components, encode="triangle", init="normal", max_iter=20, tol=0, random_state=seed),
    )
    return Stage(learner, patch_size=patch_size, n_patches=n_patches, pool=pool, random_state=seed)


def build(variant: str, settings: Settings) -> Any:
    """The pipeline of a row."""
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from featlearn import Flatten, SumPool
    from pipelines.mean_svm import MeanSVM

    svm = MeanSVM(C=100.0)
    if variant == "raw_pixels":
        return make_pipeline(Flatten(), StandardScaler(), svm)
    if variant == "pca":
        pca = PCA(n_components=30, random_state=settings.seed)
        return make_pipeline(Flatten(), pca, StandardScaler(), svm)
    stage = features(4, 50 if settings.smoke else 200, None, settings.seed, SumPool(grid=2))
    return make_pipeline(stage, Flatten(), StandardScaler(), svm)


def pictures(estimator: Any, split: Split, variant: str, settings: Settings, steps: Steps) -> dict[str, Any]:
    """The filters learned from the digits, and filters learned from photographs the same way."""
    if variant != "kmeans":
        return {}
    from featlearn import FilterGridDisplay
    from featlearn.datasets import load_photo_patches

    photos = load_photo_patches(2_000 if settings.smoke else 50_000, 12, random_state=settings.seed)
    stage = features(12, 25 if settings.smoke else 100, None, settings.seed)
    with steps("fit filters of photographs", stage):
        stage.fit(photos)
    return {
        "filters-digits": lambda: FilterGridDisplay.from_estimator(estimator.named_steps["stage"], whitened=True),
        "filters-photographs": lambda: FilterGridDisplay.from_estimator(stage, whitened=True),
    }


DIGITS = Experiment(
    name="digits",
    title="Digits (8 x 8) from 360 labelled ones, linear SVM, test accuracy in %",
    paper="no paper: the main job on bundled data",
    data="scikit-learn's digits and photographs (bundled)",
    variants={
        "raw_pixels": "pixels",
        "pca": "30 principal components",
        "kmeans": "K-means features of whitened 4 x 4 patches, pooled over quadrants",
    },
    default=("raw_pixels", "pca", "kmeans"),
    load=load,
    build=build,
    pictures=pictures,
    published=False,  # whoever tries `make demo` leaves the committed results alone
)
