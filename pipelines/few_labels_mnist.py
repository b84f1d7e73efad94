"""MNIST with few labels: what 60,000 images without labels are worth.

Two nets learn from 100, 300, 1,000 or 3,000 labelled digits, in equal shares of the classes; each starts from weights
that were drawn, or from what was learned on all training images without labels, once for all draws.

    filters   contrast and whitening of patches of 7 x 7, 100 filters, sums over a grid of 4 x 4, 300 relus; the
              filters are random ones, or K-means' (Coates, Lee & Ng, 2011), and stand still in both
    dense     two layers of 1,000 sigmoids, all tuned; stacked denoising autoencoders (Vincent et al., 2010)

Beside them a linear SVM on the K-means filters' sums. Rate, dropout and C are chosen for each number of labels on
10,000 training digits held out, in a draw of its own; every number is the mean of 5 draws of labels on the test digits.

Our bar: with 1,000 labels the pretrained net of filters makes at most 0.7 times the errors of the other.
"""

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from pipelines.data import mnist_or_digits
from pipelines.experiment import Experiment, Settings, Split
from pipelines.mnist_codes import pixel_shape
from pipelines.progress import Steps

LABELS = (100, 300, 1_000, 3_000)
DRAWS = 5
FILTERS, PATCH, GRID = 100, 7, 4
WIDTHS = (1_000, 1_000)
EPOCHS = 12  # of each autoencoder
STEPS = 600  # of tuning, in batches of 50
RATES = (1e-3, 3e-3)
DROPOUTS = (0.0, 0.5)
CS = (1e-4, 1e-3, 1e-2)


def network(layers: list[Any], n_labels: int, settings: Settings) -> Any:
    """A net of these layers, tuned for the same number of steps whatever the number of labels."""
    from featlearn import NetworkClassifier

    epochs = max(1, STEPS * 50 // n_labels)
    return NetworkClassifier(
        layers, batch_size=50, max_iter=3 if settings.smoke else epochs, tol=0.0, random_state=settings.seed
    )


def filters(variant: str, settings: Settings) -> Any:
    """Images to sums of filters' responses over a grid, each feature standardized."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from featlearn import ZCA, ContrastNormalizer, Flatten, KMeansDictionary, RandomWeights, Stage, SumPool

    size, patch, grid, n = (8, 3, 2, 500) if settings.smoke else (FILTERS, PATCH, GRID, 50_000)
    if variant == "filters_none":
        learner = RandomWeights(size, random_state=settings.seed)
    else:
        learner = KMeansDictionary(size, encode="triangle", max_iter=10, tol=0, random_state=settings.seed)
    stage = Stage(
        make_pipeline(ContrastNormalizer(eps=0.01), ZCA(eps=0.1), learner),
        patch_size=patch,
        pool=SumPool(grid=grid),
        n_patches=n,
        random_state=settings.seed,
    )
    return make_pipeline(stage, Flatten(), StandardScaler())


def build(variant: str, settings: Settings) -> Any:
    """What stands still, if anything does, and then the net or the SVM, before it knows how many labels there are."""
    from featlearn import DenoisingAutoencoder, Dense, LinearSVM, Pretrained

    widths, epochs = ((30, 20), 2) if settings.smoke else (WIDTHS, EPOCHS)
    if variant == "kmeans_svm":
        return Pipeline([("filters", filters(variant, settings)), ("svm", LinearSVM())])
    if variant.startswith("filters"):
        net = network([Dense(30 if settings.smoke else 300, "relu")], 50, settings)
        return Pipeline([("filters", filters(variant, settings)), ("net", net)])
    if variant == "dense_none":
        return network([Dense(width, "sigmoid") for width in widths], 50, settings)
    coders = [
        DenoisingAutoencoder(
            width,
            corruption_level=0.5,
            output="sigmoid",
            loss="cross_entropy",
            tied=True,
            learning_rate=1e-3,
            batch_size=100,
            max_iter=epochs,
            tol=0,
            random_state=settings.seed,
        )
        for width in widths
    ]
    return network([Pretrained(coder) for coder in coders], 50, settings)


def pretrained(estimator: Any, split: Split, steps: Steps) -> Any:
    """What is learned from images without labels, once for all draws; filters' scales on those held out alone."""
    from sklearn.pipeline import make_pipeline

    from featlearn import Pretrained

    if isinstance(estimator, Pipeline):
        stage, flat, scaler = (step for _, step in estimator[0].steps)
        with steps("learn filters from all images", stage):
            stage.fit(images(split, split.X_train))
        with steps("scales of features"):
            scaler.fit(flat.fit_transform(stage.transform(images(split, split.held_out().X_test))))
        return estimator
    learners = [spec.learner for spec in estimator.layers if isinstance(spec, Pretrained)]
    if not learners:
        return estimator
    stack = make_pipeline(*learners)
    with steps("pretrain on all images", stack):
        stack.fit(split.X_train)
    return clone(estimator).set_params(layers=[Pretrained(learner, keep=True) for _, learner in stack.steps])


def images(split: Split, X: np.ndarray) -> np.ndarray:
    """Rows of pixels as images."""
    return X.reshape(-1, *pixel_shape(split))


def with_dropout(layers: list[Any], rate: float) -> list[Any]:
    """Layers with dropout behind each, and half as much of what comes in."""
    from featlearn import Dropout

    if not rate:
        return list(layers)
    found: list[Any] = [Dropout(rate / 2)]
    for layer in layers:
        found += [layer, Dropout(rate)]
    return found


def drawn(y: np.ndarray, n_labels: int, seed: int) -> np.ndarray:
    """Rows of a draw, as many of each class."""
    rng, classes = np.random.RandomState(seed), np.unique(y)
    rows = [rng.permutation(np.flatnonzero(y == c))[: n_labels // len(classes)] for c in classes]
    return np.sort(np.concatenate(rows))


def candidates(last: Any, n_labels: int, settings: Settings) -> dict[str, Any]:
    """What is chosen from on held-out digits."""
    if hasattr(last, "C") and not hasattr(last, "layers"):
        return {f"C={C:g}": clone(last).set_params(C=C) for C in CS}
    found = {}
    for rate in RATES:
        for dropout in DROPOUTS:
            net = network(with_dropout(last.layers, dropout), n_labels, settings)
            found[f"rate={rate:g}, dropout={dropout:g}"] = net.set_params(learning_rate=rate)
    return found


def measure(estimator: Any, split: Split, variant: str, settings: Settings, steps: Steps) -> dict[str, float]:
    """Test errors in percent for each number of labels: means and deviations over the draws."""
    labels, draws = ((20, 50), 2) if settings.smoke else (LABELS, DRAWS)
    model, held = pretrained(estimator, split, steps), split.held_out()
    last = model[-1] if isinstance(model, Pipeline) else model

    def seen(X: np.ndarray) -> np.ndarray:
        """What the net is given for rows of pixels."""
        return model[0].transform(images(split, X)) if isinstance(model, Pipeline) else X

    with steps("features of held-out and test digits"):
        X_held, X_test = seen(held.X_test), seen(split.X_test)

    def error(net: Any, source: Split, seed: int, n_labels: int, X: np.ndarray, y: np.ndarray) -> float:
        """In percent on X and y, of a net that learned from a draw of labels."""
        rows = drawn(source.y_train, n_labels, seed)
        return 100.0 * (1 - float(clone(net).fit(seen(source.X_train[rows]), source.y_train[rows]).score(X, y)))

    found = {}
    for n_labels in labels:
        nets = candidates(last, n_labels, settings)
        with steps(f"{n_labels} labels: choose"):
            seed = settings.seed + 1_000
            tried = {name: error(net, held, seed, n_labels, X_held, held.y_test) for name, net in nets.items()}
        net = nets[min(tried, key=tried.__getitem__)]
        with steps(f"{n_labels} labels: {draws} draws"):
            seeds = range(settings.seed, settings.seed + draws)
            errors = [error(net, split, seed, n_labels, X_test, split.y_test) for seed in seeds]
        told = ", ".join(f"{k}: {value:.2f}" for k, value in tried.items())
        steps.say(f"  {variant}, {n_labels} labels: {np.round(errors, 2)}; of {told}")
        found[f"{variant}: {n_labels:,} labels, test error %, mean"] = float(np.mean(errors))
        found[f"{variant}: {n_labels:,} labels, test error %, deviation"] = float(np.std(errors, ddof=1))
    return found


FEW_LABELS_MNIST = Experiment(
    name="few_labels_mnist",
    title="MNIST with few labels and all images, test error in %",
    paper="A. Coates, H. Lee, A. Y. Ng, An analysis of single-layer networks in unsupervised feature learning, 2011; "
    "P. Vincent et al., Stacked denoising autoencoders, 2010",
    data="MNIST (fetched, or mnist/ in the data folder; scikit-learn's digits without it)",
    variants={
        "filters_none": "100 random filters, 300 relus",
        "filters_pretrained": "100 filters of K-means on all images, 300 relus",
        "kmeans_svm": "the same filters, linear SVM",
        "dense_none": "two layers of 1,000 sigmoids, drawn first weights",
        "dense_pretrained": "the same, two denoising autoencoders on all images",
    },
    default=("filters_none", "filters_pretrained", "kmeans_svm", "dense_none", "dense_pretrained"),
    load=mnist_or_digits,
    build=build,
    measure=measure,
    headlines=("mean", "deviation"),
)
