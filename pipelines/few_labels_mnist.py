"""MNIST with few labels: what 60,000 images without labels are worth.

The same net of two sigmoid layers learns from 100, 300, 1,000 or 3,000 labelled digits, in equal shares of the classes:
from first weights that were drawn, or from stacked denoising autoencoders (Vincent et al., 2010) that saw all training
images, once for all draws. Beside them a linear SVM on K-means codes of all images. Rate, dropout and C are chosen for
each number of labels on 10,000 training digits held out, in a draw of its own; every number is the mean of 5 draws of
labels on the test digits.

Our bar: with 1,000 labels the pretrained net makes at most 0.7 times the errors of the other.
"""

from typing import Any

import numpy as np
from sklearn.base import clone

from pipelines.data import mnist_or_digits
from pipelines.experiment import Experiment, Settings, Split
from pipelines.progress import Steps

LABELS = (100, 300, 1_000, 3_000)
DRAWS = 5
WIDTHS = (1_000, 1_000)
EPOCHS = 12  # of each autoencoder
STEPS = 500  # of tuning, in batches of 50
RATES = (1e-3, 3e-3)
DROPOUTS = (0.0, 0.4)
CS = (0.01, 0.1, 1.0)
BAR = 100 * (1 - 0.7)


def network(layers: list[Any], n_labels: int, settings: Settings) -> Any:
    """A net of these layers, tuned for the same number of steps whatever the number of labels."""
    from featlearn import NetworkClassifier

    epochs = max(1, STEPS * 50 // n_labels)
    return NetworkClassifier(
        layers, batch_size=50, max_iter=3 if settings.smoke else epochs, tol=0.0, random_state=settings.seed
    )


def build(variant: str, settings: Settings) -> Any:
    """The net before it knows how many labels there are, or K-means and SVM."""
    from sklearn.pipeline import make_pipeline

    from featlearn import DenoisingAutoencoder, Dense, KMeansDictionary, LinearSVM, Pretrained

    widths, epochs = ((30, 20), 2) if settings.smoke else (WIDTHS, EPOCHS)
    if variant == "kmeans_svm":
        codes = KMeansDictionary(widths[0], encode="triangle", max_iter=20, random_state=settings.seed)
        return make_pipeline(codes, LinearSVM())
    if variant == "none":
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


def shared(estimator: Any, X: np.ndarray, steps: Steps) -> Any:
    """The net with its learners fitted on all images, once for all draws."""
    from sklearn.pipeline import make_pipeline

    from featlearn import Pretrained

    learners = [spec.learner for spec in estimator.layers if isinstance(spec, Pretrained)]
    if not learners:
        return estimator
    stack = make_pipeline(*learners)
    with steps("pretrain on all images", stack):
        stack.fit(X)
    return clone(estimator).set_params(layers=[Pretrained(learner, keep=True) for _, learner in stack.steps])


def with_dropout(layers: list[Any], rate: float) -> list[Any]:
    """Layers with dropout behind each, and half as much of the pixels."""
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


def candidates(variant: str, model: Any, n_labels: int, settings: Settings) -> dict[str, Any]:
    """What is chosen from on held-out digits."""
    if variant == "kmeans_svm":
        return {f"C={C:g}": clone(model[-1]).set_params(C=C) for C in CS}
    found = {}
    for rate in RATES:
        for dropout in DROPOUTS:
            net = network(with_dropout(model.layers, dropout), n_labels, settings)
            found[f"rate={rate:g}, dropout={dropout:g}"] = net.set_params(learning_rate=rate)
    return found


def measure(estimator: Any, split: Split, variant: str, settings: Settings, steps: Steps) -> dict[str, float]:
    """Test errors in percent for each number of labels: means and deviations over the draws."""
    held, labels, draws = split.held_out(), LABELS, DRAWS
    if settings.smoke:
        labels, draws = (20, 50), 2
    if variant == "kmeans_svm":
        model = estimator
        with steps("K-means on all images", model[0]):
            model[0].fit(split.X_train)
        with steps("codes"):
            X_train, X_test = (model[0].transform(X) for X in (split.X_train, split.X_test))
    else:
        model, X_train, X_test = shared(estimator, split.X_train, steps), split.X_train, split.X_test
    n = len(held.y_train)  # the rows after these are held out
    rows = {}
    for n_labels in labels:
        some = drawn(held.y_train, n_labels, settings.seed + 1_000)
        choice, best = {}, candidates(variant, model, n_labels, settings)
        with steps(f"{n_labels} labels: choose"):
            for name, candidate in best.items():
                choice[name] = clone(candidate).fit(X_train[some], split.y_train[some])
                choice[name] = 100 * (1 - choice[name].score(X_train[n:], split.y_train[n:]))
        chosen = min(choice, key=choice.__getitem__)
        steps.say(f"  {variant}, {n_labels} labels: {chosen} of { ({k: round(v, 2) for k, v in choice.items()}) }")
        errors = []
        with steps(f"{n_labels} labels: {draws} draws"):
            for draw in range(draws):
                some = drawn(split.y_train, n_labels, settings.seed + draw)
                net = clone(best[chosen]).fit(X_train[some], split.y_train[some])
                errors.append(100 * (1 - net.score(X_test, split.y_test)))
        steps.say(f"  {variant}, {n_labels} labels: {np.round(errors, 2)}")
        rows[f"{variant}: {n_labels} labels, test error %, mean"] = float(np.mean(errors))
        rows[f"{variant}: {n_labels} labels, test error %, deviation"] = float(np.std(errors, ddof=1))
    return rows


FEW_LABELS_MNIST = Experiment(
    name="few_labels_mnist",
    title="MNIST with few labels and all images, test error in %",
    paper="P. Vincent, H. Larochelle, I. Lajoie, Y. Bengio, P.-A. Manzagol, Stacked denoising autoencoders, 2010",
    data="MNIST (fetched, or mnist/ in the data folder; scikit-learn's digits without it)",
    variants={
        "none": "two sigmoid layers, drawn first weights",
        "pretrained": "the same net, pretrained on all images",
        "kmeans_svm": "K-means codes of all images, linear SVM",
    },
    default=("none", "pretrained", "kmeans_svm"),
    load=mnist_or_digits,
    build=build,
    measure=measure,
    headlines=("mean", "deviation"),
)
