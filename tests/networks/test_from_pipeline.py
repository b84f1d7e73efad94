"""From a fitted pipeline to a network that gives the same, and is tuned from there."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA, KernelPCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from featlearn import RBM, ZCA, DenoisingAutoencoder, LinearSVM, LinearSVMCV
from featlearn.networks import Dense, Dropout, NetworkClassifier, NetworkRegressor
from featlearn.networks.from_pipeline import RATE

X, Y = load_digits(return_X_y=True)
X, Y = X[:300] / 16, Y[:300]


def fitted(*steps, y=Y):
    return make_pipeline(*steps).fit(X, y)


def stack(last=None, y=Y):
    rbms = RBM(20, max_iter=3, random_state=0), RBM(12, max_iter=3, random_state=0)
    return fitted(*rbms, *([] if last is None else [last]), y=y)


HEADS = [
    (LinearSVM(C=0.5), "squared_hinge", 0.5),
    (LinearSVMCV(Cs=[0.1, 1.0], cv=2), "squared_hinge", None),
    (LinearSVC(C=0.1, loss="hinge", max_iter=100_000), "hinge", 0.1),
    (LogisticRegression(C=3.0), "cross_entropy", 3.0),
    (SGDClassifier(loss="hinge", random_state=0), "hinge", None),
]


@pytest.mark.parametrize(("last", "loss", "C"), HEADS, ids=lambda v: type(v).__name__ if hasattr(v, "fit") else "")
@pytest.mark.parametrize("y", [Y, np.where(Y > 4, "large", "small")], ids=["ten", "two"])
def test_the_untuned_network_gives_what_the_pipeline_gives(last, loss, C, y):
    pipeline = stack(last, y)
    net = NetworkClassifier.from_pipeline(pipeline)
    np.testing.assert_allclose(net.decision_function(X), pipeline.decision_function(X), atol=1e-10)
    assert (net.predict(X) == pipeline.predict(X)).all()
    assert net.loss == loss
    assert net.learning_rate == RATE
    expected = pipeline[-1].C_ if isinstance(last, LinearSVMCV) else C
    assert expected == net.C
    assert (net.n_iter_, len(net.loss_curve_), net.n_features_in_) == (0, 0, 64)
    if loss == "cross_entropy":
        np.testing.assert_allclose(net.predict_proba(X), pipeline.predict_proba(X), atol=1e-10)


@pytest.mark.parametrize("last", [LinearSVM(C=0.5), LogisticRegression(C=3.0, tol=1e-8, max_iter=1000)])
@pytest.mark.parametrize("y", [Y, (Y > 4).astype(int)], ids=["ten", "two"])
def test_the_linear_optimum_is_one_of_the_network(last, y):
    """Loss and weight decay are those of the classifier, so its weights do not move."""
    pipeline = fitted(StandardScaler(), last, y=y)
    net = NetworkClassifier.from_pipeline(
        pipeline, solver="sgd", learning_rate=0.01, batch_size=None, max_iter=3, tol=0, random_state=0
    )
    before = net.layers_[-1].params["W"]
    net.fit(X, y)
    assert np.abs(net.layers_[-1].params["W"] - before).max() < 1e-5
    assert np.ptp(net.loss_curve_) < 1e-6
    net.set_params(C=0.01).fit(X, y)
    assert np.abs(net.layers_[-1].params["W"] - before).max() > 1e-3


def test_tuning_improves_on_the_pipeline_and_scalers_stand_still():
    pipeline = fitted(RBM(20, max_iter=3, random_state=0), StandardScaler(), LinearSVM(C=0.01))
    net = NetworkClassifier.from_pipeline(pipeline, max_iter=60, tol=0, random_state=0)
    scaler = net.layers_[1]
    net.fit(X, Y)
    assert net.score(X, Y) > pipeline.score(X, Y) + 0.01
    for name, array in scaler.state.items():
        np.testing.assert_array_equal(net.layers_[1].state[name], array)
    assert not np.array_equal(net.layers_[0].params["W"], pipeline[0].components_.T)


def test_partial_fit_goes_on_from_the_pipeline():
    pipeline = stack(LogisticRegression())
    one = NetworkClassifier.from_pipeline(pipeline, random_state=0).partial_fit(X, Y)
    other = NetworkClassifier.from_pipeline(pipeline, random_state=0, max_iter=1, tol=0).fit(X, Y)
    np.testing.assert_allclose(one.predict_proba(X), other.predict_proba(X), atol=0.02)
    assert one.n_iter_ == 1


def test_clones_and_pickles_keep_what_was_learned():
    pipeline = stack()
    net = NetworkClassifier.from_pipeline(pipeline, max_iter=2, tol=0, random_state=0, frozen=2)
    again = clone(net).fit(X, Y)
    np.testing.assert_allclose(again.transform(X), pipeline.transform(X), atol=1e-12)
    assert np.array_equal(again.predict_proba(X), net.fit(X, Y).predict_proba(X))
    assert np.array_equal(pickle.loads(pickle.dumps(net)).predict_proba(X), net.predict_proba(X))


def test_float32_stays():
    pipeline = make_pipeline(RBM(8, max_iter=2, random_state=0), LinearSVM()).fit(X.astype(np.float32), Y)
    net = NetworkClassifier.from_pipeline(pipeline)
    assert {a.dtype for layer in net.layers_ for a in layer.params.values()} == {np.dtype(np.float32)}
    assert net.decision_function(X.astype(np.float32)).dtype == np.float32


def test_the_head_may_be_left_out_or_be_layers():
    pipeline = stack(LinearSVM())
    fresh = NetworkClassifier.from_pipeline(pipeline, head=None, max_iter=1, tol=0).fit(X, Y)
    assert [layer.name for layer in fresh.layers_] == ["rbm-1", "rbm-2", "output"]
    assert fresh.loss == "cross_entropy"
    deep = NetworkClassifier.from_pipeline(pipeline, head=[Dropout(0.2), Dense(7, "relu")], max_iter=1, tol=0).fit(X, Y)
    assert [layer.name for layer in deep.layers_] == ["rbm-1", "rbm-2", "dropout-1", "dense-1", "output"]


def test_other_classes_are_refused():
    net = NetworkClassifier.from_pipeline(stack(LinearSVM()), max_iter=1)
    with pytest.raises(ValueError, match="10 outputs of classes"):
        net.fit(X[Y < 5], Y[Y < 5])


def test_a_learner_that_is_not_fitted_is_named():
    with pytest.raises(NotFittedError, match=r"'rbm' .RBM. is not fitted"):
        NetworkClassifier.from_pipeline(make_pipeline(StandardScaler().fit(X), RBM(3)))


def test_layers_come_from_the_pipeline():
    with pytest.raises(TypeError, match="head="):
        NetworkClassifier.from_pipeline(stack(), layers=[Dense(3)])


def test_a_regressor_at_the_end_makes_a_regressor():
    target = X @ np.random.RandomState(0).normal(size=64)
    pipeline = fitted(ZCA(eps=0.1), LinearRegression(), y=target)
    net = NetworkRegressor.from_pipeline(pipeline)
    np.testing.assert_allclose(net.predict(X), pipeline.predict(X), atol=1e-8)
    with pytest.raises(TypeError, match="ends in LinearRegression"):
        NetworkClassifier.from_pipeline(pipeline)
    with pytest.raises(TypeError, match="ends in LinearSVM"):
        NetworkRegressor.from_pipeline(stack(LinearSVM()))


def test_a_first_step_without_layers_stands_still():
    pipeline = fitted(KernelPCA(8, kernel="rbf"), PCA(5), LogisticRegression())
    net = NetworkClassifier.from_pipeline(pipeline, max_iter=2, tol=0, random_state=0)
    np.testing.assert_allclose(net.decision_function(X), pipeline.decision_function(X), atol=1e-10)
    assert not net.layers[0][1].trainable
    assert net.layers[1][1].trainable
    assert net.fit(X, Y).score(X, Y) > 0.5


def test_a_network_is_a_learner_of_another():
    first = NetworkClassifier([Dense(15, "tanh"), Dropout(0.5)], max_iter=3, tol=0, random_state=0).fit(X, Y)
    pipeline = fitted(DenoisingAutoencoder(20, max_iter=2, random_state=0))
    net = NetworkClassifier.from_pipeline(make_pipeline(first, LogisticRegression().fit(first.transform(X), Y)))
    np.testing.assert_allclose(net.transform(X), first.transform(X), atol=1e-12)
    assert len(pipeline) == 1
