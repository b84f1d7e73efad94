"""Every fitted learner says itself as layers: the same numbers as its transform, or scores, before any training.

Also tests featlearn.networks.plan_layers.
"""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_classification
from sklearn.decomposition import NMF, PCA, FastICA, IncrementalPCA, KernelPCA, TruncatedSVD
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, Normalizer, RobustScaler, StandardScaler
from sklearn.svm import LinearSVC

from featlearn import (
    ICA,
    RBM,
    RICA,
    ZCA,
    Abs,
    ContractiveAutoencoder,
    ContrastNormalizer,
    DenoisingAutoencoder,
    Flatten,
    GaussianMixtureEncoder,
    KMeansDictionary,
    LinearSVM,
    LinearSVMCV,
    LocalContrastNormalizer,
    MaxPool,
    MeanPool,
    PCAWhitening,
    Positive,
    PredictiveSparse,
    RandomPatches,
    RandomWeights,
    SlowFeatureAnalysis,
    SoftThreshold,
    SparseAutoencoder,
    SparseCoding,
    SparseFiltering,
    SplitSign,
    Stage,
    SumPool,
    ToImages,
)
from featlearn.networks import CannotUnroll, Dense, NetworkClassifier, Pretrained
from featlearn.networks.network import Forward
from featlearn.networks.unrolling import as_network_layers, unrolled

X = np.random.RandomState(0).standard_normal((90, 3)) @ np.random.RandomState(1).standard_normal((3, 6))
X = (X + 0.3 * np.random.RandomState(2).standard_normal((90, 6)) + [2, 1, 0, 0, -1, 0]).astype(np.float32)
UNIT = (X - X.min()) / np.ptp(X)
Y = (X[:, 0] > 2).astype(int) + (X[:, 1] > 1)


def fitted(learner, rows=X, y=Y):
    with warnings.catch_warnings():  # what small learners warn of is no matter here
        warnings.simplefilter("ignore")
        return learner.fit(rows, y)


def forward(learner, rows):
    return Forward((), as_network_layers(learner, rows.shape[1:], rows.dtype))(rows)


LEARNERS = [
    *(KMeansDictionary(5, encode=code, random_state=0) for code in ("triangle", "hard", "threshold", "split")),
    KMeansDictionary(5, assignment="spherical", encode="hard", random_state=0),
    KMeansDictionary(5, assignment="cosine", encode="hard", random_state=0),
    RandomPatches(5, encode="triangle", random_state=0),
    RandomPatches(5, encode="split", threshold=0.1, random_state=0),
    *(RandomWeights(4, activation=f, random_state=0) for f in ("sigmoid", "tanh", "relu", "linear")),
    *(GaussianMixtureEncoder(3, covariance=kind, random_state=0) for kind in ("diag", "spherical", "tied", "full")),
    RBM(4, visible="gaussian", max_iter=2, random_state=0),
    RBM(4, visible="gaussian", hidden="relu", learning_rate=1e-3, max_iter=2, random_state=0),
    RBM(4, visible="gaussian", standardize=True, max_iter=2, random_state=0),
    SparseAutoencoder(4, max_iter=2, random_state=0),
    DenoisingAutoencoder([5, 3], max_iter=2, random_state=0),
    ContractiveAutoencoder(4, max_iter=2, random_state=0),
    PredictiveSparse(4, max_iter=2, random_state=0),
    ICA(3, random_state=0),
    RICA(4, max_iter=3, random_state=0),
    SlowFeatureAnalysis(3),
    SlowFeatureAnalysis(3, degree=2),
    SparseFiltering(4, max_iter=3, random_state=0),
    SparseFiltering([4, 3], activation="log", center=False, max_iter=3, random_state=0),
    ZCA(),
    PCAWhitening(3),
    ContrastNormalizer(),
    ContrastNormalizer(eps=0, ddof=0),
    Flatten(),
    PCA(3),
    PCA(3, whiten=True),
    IncrementalPCA(3),
    TruncatedSVD(3),
    FastICA(3, random_state=0),
    StandardScaler(),
    StandardScaler(with_mean=False),
    StandardScaler(with_mean=False, with_std=False),
    MinMaxScaler(),
    MinMaxScaler((-1, 2), clip=True),
    MaxAbsScaler(),
    RobustScaler(),
    Normalizer(),
    make_pipeline(StandardScaler(), ContrastNormalizer(eps=0.1), ZCA(), KMeansDictionary(5, random_state=0)),
    make_pipeline("passthrough", PCA(2)),
]


@pytest.mark.parametrize("learner", LEARNERS, ids=lambda learner: repr(learner).replace("\n", "")[:60])
def test_codes_are_the_learners(learner):
    fitted(learner)
    more = np.vstack([X, 3 * X[:20]])  # beyond what it was fitted on
    expected = learner.transform(more)
    found = forward(learner, more)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=2e-5 * max(1, np.abs(expected).max()))
    double = forward(learner, more.astype(np.float64))
    np.testing.assert_allclose(double, learner.transform(more.astype(np.float64)), atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("hidden", ["binary", "relu"])
def test_binary_rbm(hidden):
    rbm = fitted(RBM(4, hidden=hidden, learning_rate=1e-3, max_iter=2, random_state=0), UNIT)
    np.testing.assert_allclose(forward(rbm, UNIT), rbm.transform(UNIT), atol=1e-6)


def test_far_atoms_do_not_cancel():
    far = X + np.float32(1_000)
    learner = fitted(KMeansDictionary(5, random_state=0), far)
    np.testing.assert_allclose(forward(learner, far), learner.transform(far), atol=2e-3)


HEADS = [
    LinearSVM(),
    LinearSVMCV(),
    LinearSVC(),
    LogisticRegression(max_iter=1_000),
    RidgeClassifier(),
    SGDClassifier(random_state=0),
    MLPClassifier(hidden_layer_sizes=[4], activation="logistic", max_iter=5, random_state=0),
]


@pytest.mark.parametrize("two", [True, False], ids=["two classes", "three"])
@pytest.mark.parametrize("head", HEADS, ids=lambda head: type(head).__name__)
def test_scores_are_the_classifiers(head, two):
    y = np.array(["a", "b", "c"])[np.minimum(Y, 1) if two else Y]
    fitted(head, y=y)
    layers = as_network_layers(head, (6,))
    z = Forward((), layers)(X)
    if isinstance(head, MLPClassifier):
        p = head.predict_proba(X)
        expected = np.log(p[:, 1:] / p[:, :1]) if two else np.log(p)
        z = z if two else z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    else:
        expected = head.decision_function(X).reshape(len(X), -1)
    np.testing.assert_allclose(z, expected, atol=1e-5 * max(1, np.abs(expected).max()))
    assert layers[-1].head
    assert list(layers[-1].classes) == list(head.classes_)


@pytest.mark.parametrize("targets", [1, 2])
@pytest.mark.parametrize(
    "head", [LinearRegression(), Ridge(), MLPRegressor(hidden_layer_sizes=[4], max_iter=5)], ids=repr
)
def test_values_are_the_regressors(head, targets):
    fitted(head, y=X[:, :targets] if targets > 1 else X[:, 0])
    np.testing.assert_allclose(forward(head, X), head.predict(X).reshape(len(X), -1), atol=1e-4)


IMAGES = (load_digits().images[:60] * 15).astype(np.float32)
LABELS = load_digits().target[:60]
COLORS = np.stack([IMAGES, IMAGES[::-1], IMAGES.transpose(0, 2, 1)], axis=-1).astype(np.uint8)


def whitened(learner):
    return make_pipeline(ContrastNormalizer(eps=10), ZCA(eps=0.1), learner)


STAGES = {
    "triangle, sums": Stage(whitened(KMeansDictionary(6)), 3, pool=SumPool()),
    "split, overlapping windows": Stage(
        whitened(KMeansDictionary(6, encode="split")), 3, pool=MaxPool(window=3, step=2)
    ),
    "threshold, uneven means": Stage(RandomPatches(6, encode="threshold"), (2, 4), pad=1, pool=MeanPool((3, 2))),
    "hard": Stage(whitened(KMeansDictionary(6, encode="hard")), 4, stride=2, pool=SumPool()),
    "tanh, abs, contrast, means": Stage(
        RandomWeights(5, activation="tanh", standardize=True),
        3,
        rectify=Abs(),
        normalize=LocalContrastNormalizer(3),
        pool=MeanPool(window=2),
    ),
    "linear, split signs": Stage(ICA(5), 3, rectify=SplitSign(0.1), pool=SumPool()),
    "sigmoid, no pool": Stage(SparseAutoencoder(5, max_iter=1), 4, stride=2),
    "posteriors": Stage(whitened(GaussianMixtureEncoder(4)), 3, pool=SumPool(3)),
    "filtered": Stage(SparseFiltering(5, max_iter=3), 3, rectify=SoftThreshold(0.1), pool=MaxPool()),
    "principal, positive": Stage(PCA(4), 4, rectify=Positive(), pool=MaxPool(2)),
}


@pytest.mark.keras
@pytest.mark.parametrize("name", STAGES)
def test_a_stage_is_its_patches_and_its_learner(name):
    pytest.importorskip("keras")
    images = COLORS if name.startswith(("triangle", "hard")) else IMAGES
    stage = fitted(STAGES[name].set_params(n_patches=500, random_state=0), images)
    expected = stage.transform(images[:20])
    np.testing.assert_allclose(
        Forward((), as_network_layers(stage, images.shape[1:]))(images[:20]),
        expected,
        atol=1e-5 * max(1, np.abs(expected).max()),
    )


def scored(images, y, *stages, C=0.1):
    return fitted(make_pipeline(*stages, Flatten(), StandardScaler(), LinearSVM(C)), images, y)


def untrained(layers, images, y, **parameters):
    """A network after steps of no length."""
    known = {"loss": "squared_hinge", "learning_rate": 1e-30, "max_iter": 1, "tol": 0, "random_state": 0}
    return NetworkClassifier(layers, **(known | parameters)).fit(images, y)


@pytest.mark.slow
@pytest.mark.keras
def test_two_stages_from_rows_to_scores():
    pytest.importorskip("keras")
    first = Stage(whitened(KMeansDictionary(5)), 3, pool=MeanPool(window=2), n_patches=500, random_state=0)
    second = Stage(KMeansDictionary(4), 2, pool=SumPool(1), n_patches=200, random_state=0)
    rows = IMAGES.reshape(60, -1)
    pipeline = scored(rows, LABELS, ToImages(), first, second)
    np.testing.assert_allclose(forward(pipeline, rows), pipeline.decision_function(rows), atol=1e-4)
    net = untrained([(name, Pretrained(step)) for name, step in pipeline.steps], rows, LABELS)
    np.testing.assert_allclose(net.decision_function(rows), pipeline.decision_function(rows), atol=1e-4)
    assert net.transform(rows, layer="stage-1").shape == (60, 3, 3, 5)


@pytest.mark.keras
def test_a_network_of_images_is_its_pipeline_and_then_learns():
    pytest.importorskip("keras")
    stage = Stage(whitened(KMeansDictionary(8)), 3, pool=SumPool(), n_patches=500, random_state=0)
    pipeline = scored(IMAGES[:40], LABELS[:40], stage, C=1e-3)
    layers = [(name, Pretrained(step)) for name, step in pipeline.steps]
    net = untrained(layers, IMAGES[:40], LABELS[:40])
    for network in (net, NetworkClassifier.from_pipeline(pipeline)):
        np.testing.assert_allclose(network.decision_function(IMAGES), pipeline.decision_function(IMAGES), atol=1e-4)
        np.testing.assert_array_equal(network.predict(IMAGES), pipeline.predict(IMAGES))
    assert net.transform(IMAGES).shape == (60, 32)
    assert len(net.get_feature_names_out()) == 32
    stream = np.vstack(list(net.transform(iter([IMAGES[:30], IMAGES[30:]]))))
    np.testing.assert_allclose(stream, net.transform(IMAGES), atol=1e-5)
    with pytest.raises(ValueError, match=r"fitted on images of shape \(8, 8\) and now got \(8, 7\)"):
        net.predict(IMAGES[:, :, :7])
    with pytest.raises(ValueError, match="Turn flat rows into images"):
        net.predict(IMAGES.reshape(60, -1))
    tuned = untrained(layers, IMAGES[:40], LABELS[:40], learning_rate=1e-3, max_iter=5)
    assert tuned.loss_curve_[-1] < 0.95 * tuned.loss_curve_[0]
    again = untrained(layers, IMAGES[:40], LABELS[:40], learning_rate=1e-3, max_iter=5)
    np.testing.assert_array_equal(again.decision_function(IMAGES), tuned.decision_function(IMAGES))
    moved = [
        f"{fitted.name} {type(fitted.layer).__name__}"
        for fitted, start in zip(tuned.layers_, net.layers_, strict=True)
        for k, v in (fitted.params | fitted.state).items()
        if not np.array_equal(v, (start.params | start.state)[k])
    ]
    assert moved == ["stage Dense", "stage Triangle", "linearsvm Dense", "linearsvm Dense"]
    head = untrained(layers, IMAGES[:40], LABELS[:40], learning_rate=1e-3, frozen=["stage"])
    np.testing.assert_array_equal(head.transform(IMAGES), net.transform(IMAGES))


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore")  # of small learners
def test_learners_of_images_are_fitted_on_the_way():
    pytest.importorskip("keras")
    first, second = (KMeansDictionary(k, random_state=0) for k in (5, 4))
    stage = Stage(whitened(first), 3, pool=MeanPool(window=2), n_patches=500, random_state=0)
    upper = Stage(second, 2, pool=SumPool(1), n_patches=200, random_state=0)
    net = untrained([Pretrained(stage), Pretrained(upper)], IMAGES, LABELS)
    maps = net.transform(IMAGES, "pretrained-1")
    np.testing.assert_allclose(maps, stage.fit(IMAGES).transform(IMAGES), atol=1e-5)
    expected = upper.fit(maps).transform(maps).reshape(60, -1)  # roundings decide where K-means ends
    np.testing.assert_allclose(net.transform(IMAGES), expected, atol=1e-4)


@pytest.mark.keras
def test_the_gradient_of_a_stage_is_that_of_finite_differences():
    keras = pytest.importorskip("keras")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("float64 is what finite differences take")
    from featlearn.training.keras_steps import KerasEngine
    from featlearn.training.objective import Batch

    stage = Stage(
        whitened(KMeansDictionary(3)), 3, rectify=Abs(), normalize=LocalContrastNormalizer(3), pool=SumPool(),
        n_patches=500, random_state=0,
    )  # fmt: skip
    images = IMAGES[:6].astype(np.float64)
    pipeline = scored(images, LABELS[:6], stage)
    net = untrained([(name, Pretrained(step)) for name, step in pipeline.steps], images, LABELS[:6])
    objective, params, state = net._objective(), net._parameters(), net._state()
    batch = Batch(images, 2.0 * (LABELS[:6, None] == np.arange(6)) - 1)
    engine = KerasEngine(objective, 0.0)
    _, grads = engine.value_and_gradient(params, batch, (0, 0), state)
    rng = np.random.RandomState(0)
    for name, p in params.items():
        along = rng.standard_normal(p.shape)
        ends = [
            engine.value_and_gradient(params | {name: p + step * along}, batch, (0, 0), state)[0]
            for step in (1e-6, -1e-6)
        ]
        expected = (ends[0] - ends[1]) / 2e-6
        assert np.vdot(grads[name], along) == pytest.approx(expected, rel=1e-4, abs=1e-7), name


@pytest.mark.keras
def test_cifar_10(require_dataset):
    pytest.importorskip("keras")
    require_dataset("cifar10")
    from featlearn.datasets import fetch_cifar10

    images, y = fetch_cifar10(subset="test", return_X_y=True)
    images, y = images[:60], y[:60]
    stage = Stage(
        whitened(KMeansDictionary(20, max_iter=5)), 6, stride=2, pool=SumPool(), n_patches=2_000, random_state=0
    )
    pipeline = scored(images, y, stage)
    np.testing.assert_allclose(
        forward(pipeline, images.astype(np.float32)), pipeline.decision_function(images), atol=1e-4
    )


def test_dense_networks_on_codes_take_no_keras(monkeypatch):
    monkeypatch.setattr("featlearn.training.keras_steps.KerasEngine", None)
    monkeypatch.setattr("featlearn.networks.forward.pass_through", None)
    learner = fitted(make_pipeline(ContrastNormalizer(eps=0.1), KMeansDictionary(5, random_state=0)))
    net = untrained([Pretrained(learner), Dense(4, "relu")], X, Y, loss="cross_entropy", learning_rate=1e-2, max_iter=9)
    assert net.loss_curve_[-1] < net.loss_curve_[0]
    images = untrained([Pretrained(fitted(Flatten(), IMAGES)), Dense(9, "relu")], IMAGES, LABELS, learning_rate=1e-3)
    assert images.decision_function(IMAGES).shape == (60, 10)
    assert images.image_shape_ == (8, 8)
    rows = untrained([Pretrained(Flatten()), Dense(9, "relu")], X, Y, learning_rate=1e-3)
    assert rows.n_features_in_ == 6
    assert not hasattr(rows, "image_shape_")


def test_a_hard_code_stands_still_and_says_so():
    learner = fitted(make_pipeline(ZCA(), KMeansDictionary(5, encode="hard", random_state=0)))
    layers = [("codes", Pretrained(learner)), Dense(4, "relu")]
    with pytest.warns(UserWarning, match="no gradient passes Nearest of 'codes'"):
        net = untrained(layers, X, Y, loss="cross_entropy", learning_rate=1e-2, weight_decay=1.0, max_iter=3)
    np.testing.assert_allclose(net.transform(X, "codes"), learner.transform(X), atol=1e-6)
    untrained(layers, X, Y, loss="cross_entropy", frozen=["codes"])
    untrained([("codes", Pretrained(learner, trainable=False)), Dense(4)], X, Y, loss="cross_entropy")


@pytest.mark.parametrize(
    ("learner", "message"),
    [
        (KMeansDictionary(5, encode="omp", random_state=0), "passes no useful gradient"),
        (SparseCoding(5, max_iter=2, random_state=0), "passes no useful gradient"),
        (GaussianMixtureEncoder(3, encode="fisher", random_state=0), "pass 'posterior'"),
        (KernelPCA(3), "KernelPCA cannot be said as layers"),
        (Normalizer("l1"), "norm='l2'"),
    ],
    ids=repr,
)
def test_what_cannot_be_layers_says_why_and_stands_still_at_the_beginning(learner, message):
    fitted(learner)
    with pytest.raises(CannotUnroll, match=message):
        unrolled(learner, (6,))
    with pytest.raises(CannotUnroll):
        untrained([Pretrained(learner), Dense(3)], X, Y)
    still = untrained([Pretrained(learner, trainable=False), Dense(3)], X, Y, max_iter=1)
    assert still.decision_function(X).shape == (90, 3)


def test_a_subclass_with_another_transform_is_another_learner():
    class Loud(KMeansDictionary):
        def transform(self, X):
            return 2 * super().transform(X)

    class LoudWhitening(PCAWhitening):
        def transform(self, X):
            return 2 * super().transform(X)

    for learner in (Loud(5, random_state=0), LoudWhitening(3)):
        with pytest.raises(CannotUnroll, match="cannot be said as layers"):
            unrolled(fitted(learner), (6,))


def test_a_learner_may_say_its_own_layers():
    class Halved(StandardScaler):
        def network_layers(self, shape):
            return unrolled(StandardScaler().fit(X), shape)[:1]

    assert len(unrolled(fitted(Halved()), (6,))) == 1


def test_networks_are_learners():
    net = untrained([Dense(5, "tanh"), Dense(4, "relu")], X, Y, loss="cross_entropy", learning_rate=1e-2, max_iter=3)
    layers = unrolled(net, (6,))
    assert [fitted.head for fitted in layers] == [False, False, True]
    np.testing.assert_allclose(forward(net, X), net.decision_function(X), atol=1e-6)
    upper = fitted(make_pipeline(net, StandardScaler()))
    np.testing.assert_allclose(forward(upper, X), upper.transform(X), atol=1e-5)
    more = untrained([Pretrained(net), Dense(3, "relu")], X, Y, loss="cross_entropy")
    np.testing.assert_allclose(more.transform(X, "pretrained-1"), net.transform(X), atol=1e-6)
    whole = untrained([Pretrained(net)], X, Y, loss="cross_entropy")
    np.testing.assert_allclose(whole.decision_function(X), net.decision_function(X), atol=1e-6)


def test_misfits_are_refused():
    stage = fitted(Stage(ZCA(), 3, n_patches=200, random_state=0), IMAGES)
    with pytest.raises(ValueError, match=r"Stage was fitted on images of shape \(8, 8\)"):
        unrolled(stage, (9, 8))
    with pytest.raises(ValueError, match=r"Flatten was fitted on samples of shape \(8, 8\)"):
        unrolled(fitted(Flatten(), IMAGES), (64,))
    with pytest.raises(ValueError, match="was fitted on 6 features, and the layer below it gives 5"):
        unrolled(fitted(ZCA()), (5,))
    with pytest.raises(NotFittedError):
        unrolled(ZCA(), (6,))
    with pytest.raises(ValueError, match="gives nothing but its scores"):
        untrained([Pretrained(fitted(LinearSVM())), Dense(3)], X, Y)
    with pytest.raises(ValueError, match="takes rows"):
        untrained([Dense(3)], IMAGES, LABELS)
    with pytest.raises(CannotUnroll, match="NMF cannot be said"):
        unrolled(fitted(Stage(NMF(3, max_iter=5), 3, n_patches=200, random_state=0), IMAGES), (8, 8))


def test_a_classifier_of_other_classes_is_no_head():
    head = fitted(LinearSVM())
    points, y = make_classification(90, 6, n_informative=4, n_classes=4, random_state=0)
    with pytest.raises(ValueError, match="the last learner gives 3 outputs"):
        untrained([Pretrained(head)], points, y)
