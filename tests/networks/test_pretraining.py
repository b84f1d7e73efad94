"""The greedy walk of `fit`: what each learner is given, and who is never seen."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.datasets import load_digits
from sklearn.decomposition import KernelPCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from featlearn import RBM, DenoisingAutoencoder, KMeansDictionary, ProgressBar, SlowFeatureAnalysis
from featlearn.networks import BatchNorm, Dense, NetworkClassifier, NetworkRegressor, Pretrained
from featlearn.networks.layers import Dense as DenseLayer
from featlearn.networks.layers import FittedLayer
from featlearn.networks.pretraining import AllRows, unlabelled_rows

X, Y = load_digits(return_X_y=True)
X, Y = X[:300] / 16, Y[:300]
QUICK = {"max_iter": 2, "tol": 0, "random_state": 0}


class Watcher(TransformerMixin, BaseEstimator):
    """A linear layer that keeps what it was fitted on."""

    def __init__(self, random_state=None, seen=None):
        self.random_state, self.seen = random_state, seen

    def fit(self, X, y=None, sample_weight=None):
        self.X_, self.y_, self.w_, self.seed_ = X, y, sample_weight, self.random_state
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return 2 * X

    def network_layers(self, shape):
        return [FittedLayer(DenseLayer(shape[0]), {"W": 2 * np.eye(shape[0]), "b": np.zeros(shape[0])})]


class LabelledWatcher(ClassifierMixin, Watcher):
    """One that takes labels."""


def watched(net, kind=Watcher):
    """The learners that a fit made, in order."""
    found = []
    fit = kind.fit

    def keeping(self, X, y=None, sample_weight=None):
        found.append(self)
        return fit(self, X, y, sample_weight)

    patch = pytest.MonkeyPatch()
    patch.setattr(kind, "fit", keeping)
    return found, patch


@pytest.fixture
def made():
    found, patch = watched(None)
    yield found
    patch.undo()


def test_each_learner_gets_what_those_below_give(made):
    layers = [Pretrained(Watcher()), Dense(5, "tanh"), Pretrained(Watcher())]
    net = NetworkClassifier(layers, **QUICK, frozen=3).fit(X, Y)
    first, second = made
    assert first.X_ is X or np.array_equal(first.X_, X)
    assert first.y_ is None
    assert first.w_ is None
    dense = net.layers_[1].params
    np.testing.assert_allclose(second.X_, np.tanh(2 * X @ dense["W"] + dense["b"]), atol=1e-6)
    assert first.seed_ is not None
    assert first.seed_ != second.seed_


def test_rows_without_labels_are_learned_from_in_their_order(made):
    y = np.where(np.arange(300) % 3 == 0, Y, -1)
    NetworkClassifier([Pretrained(Watcher())], **QUICK).fit(X, y)
    NetworkClassifier([Pretrained(Watcher())], **QUICK).fit(X[:100], Y[:100], unlabelled=X[100:])
    for learner in made:
        np.testing.assert_array_equal(learner.X_, X)


def test_both_ways_to_say_that_a_row_has_no_label_agree():
    y = np.where(np.arange(300) < 100, Y, -1)
    layers = [Pretrained(RBM(20, max_iter=2)), Dense(10, "relu")]
    by_mark = NetworkClassifier(layers, **QUICK).fit(X, y)
    by_name = NetworkClassifier(layers, **QUICK).fit(X[:100], Y[:100], unlabelled=X[100:])
    np.testing.assert_array_equal(by_mark.predict_proba(X), by_name.predict_proba(X))
    assert list(by_mark.classes_) == list(range(10))


@pytest.mark.parametrize(
    ("y", "marked"),
    [([-1, 1, -1], []), ([-1, 0, 1], [0]), ([-1, 2, 2], [0]), ([1.0, -1.0, 3.0], [1]), (["-1", "a", "b"], [])],
)
def test_minus_one_beside_one_alone_is_a_class(y, marked):
    assert np.flatnonzero(unlabelled_rows(np.array(y))).tolist() == marked


def test_minus_one_is_a_class_where_nothing_learns_without_labels():
    net = NetworkClassifier([Dense(5)], **QUICK).fit(X, np.where(Y < 3, -1, Y))
    assert -1 in net.classes_


def test_minus_one_is_a_number_to_a_regressor(made):
    y = np.arange(300) % 3 - 1
    NetworkRegressor([Pretrained(Watcher())], **QUICK).fit(X[:200], y[:200], unlabelled=X[200:])
    np.testing.assert_array_equal(made[0].X_, X)
    net = NetworkRegressor([Pretrained(Watcher())], batch_size=None, max_iter=1, tol=0, random_state=0).fit(X, y)
    assert net.loss_curve_[0] > 0
    assert net._total == 300


def test_unlabelled_rows_that_nothing_uses_are_named():
    with pytest.warns(UserWarning, match=r"unlabelled=\) changes nothing"):
        NetworkClassifier([Dense(5)], **QUICK).fit(X, Y, unlabelled=X)


def test_rows_held_out_never_enter(made):
    y = np.where(np.arange(300) < 200, Y, -1)
    net = NetworkClassifier([Pretrained(Watcher())], **QUICK, early_stopping=True, validation_fraction=0.25)
    net.fit(X + np.arange(300)[:, None], y)
    seen = np.round((made[0].X_ - X[0] + X[0])[:, 0]).astype(int)  # the first pixel is 0, so it holds the place
    assert len(seen) == 250
    assert (np.diff(seen) > 0).all()
    assert (seen >= 200).sum() == 100


def test_weights_and_labels_reach_those_who_take_them():
    found, patch = watched(None, LabelledWatcher)
    y = np.where(np.arange(300) % 2 == 0, Y, -1)
    w = np.arange(300) % 5.0
    try:
        NetworkClassifier([Pretrained(LabelledWatcher()), Dense(5)], **QUICK).fit(X, y, sample_weight=w)
    finally:
        patch.undo()
    used = (y >= 0) & (w > 0)
    np.testing.assert_array_equal(found[0].X_, X[used])
    np.testing.assert_array_equal(found[0].y_, y[used])
    np.testing.assert_array_equal(found[0].w_, w[used])


def test_rows_of_weight_zero_are_as_good_as_absent():
    y, w = np.where(np.arange(300) % 2 == 0, Y, -1), (np.arange(300) % 3 > 0).astype(float)
    layers = [Pretrained(RBM(10, max_iter=2))]
    one = NetworkClassifier(layers, **QUICK).fit(X, y, sample_weight=w)
    other = NetworkClassifier(layers, **QUICK).fit(X[w > 0], y[w > 0])
    np.testing.assert_allclose(one.predict_proba(X), other.predict_proba(X), rtol=1e-6)


def test_all_rows_keeps_its_places():
    rows = AllRows.of(np.arange(6)[:, None], np.array([4, -1, 5, -1, 6, 7]), None).without(np.array([1]))
    x, y, _ = rows.labelled()
    assert x.ravel().tolist() == [0, 4, 5]
    assert y.tolist() == [4, 6, 7]
    assert rows.x.ravel().tolist() == [0, 1, 3, 4, 5]


def test_layers_start_as_the_learners_did():
    net = NetworkClassifier([Pretrained(RBM(20, max_iter=3)), Pretrained(DenoisingAutoencoder(8, max_iter=3))], **QUICK)
    net.set_params(frozen=2).fit(X, Y)
    seeds = np.random.RandomState(0)
    rbm = RBM(20, max_iter=3, random_state=seeds.randint(2**31 - 1)).fit(X)
    codes = rbm.transform(X)
    coder = DenoisingAutoencoder(8, max_iter=3, random_state=seeds.randint(2**31 - 1)).fit(codes)
    np.testing.assert_allclose(net.transform(X), coder.transform(codes), atol=1e-10)


def test_supervised_walk_drops_the_scores():
    """Bengio et al. (2007): each layer is learned with labels, as the hidden layer of a net of its own."""
    below = NetworkClassifier([Dense(12, "sigmoid")], max_iter=3, tol=0)
    net = NetworkClassifier([Pretrained(below), Pretrained(clone(below))], **QUICK, frozen=2).fit(X, Y)
    assert [fitted.layer.units for fitted in net.layers_] == [12, 12, 10]
    first = clone(below).set_params(random_state=np.random.RandomState(0).randint(2**31 - 1)).fit(X, Y)
    np.testing.assert_allclose(net.transform(X, "pretrained-1"), first.transform(X), atol=1e-10)


def test_a_learner_of_nothing_but_scores_is_refused():
    with pytest.raises(ValueError, match="LogisticRegression gives nothing but its scores"):
        NetworkClassifier([Pretrained(LogisticRegression()), Dense(3)], **QUICK).fit(X, Y)


@pytest.mark.parametrize(
    "learner", [KernelPCA(6, kernel="rbf"), SlowFeatureAnalysis(6)], ids=lambda e: type(e).__name__
)
def test_kernel_pca_and_slow_features_stand_still_as_first_layer(learner):
    """Slow features need rows in their order in time, labelled or not."""
    y = np.where(np.arange(300) % 4 > 0, Y, -1)
    layers = [("first", Pretrained(learner, trainable=False)), Dense(10, "tanh")]
    net = NetworkClassifier(layers, max_iter=3, tol=0, random_state=0).fit(X, y)
    codes = clone(learner).fit(X).transform(X)
    dense = net.layers_[-2].params
    expected = np.tanh(codes @ dense["W"] + dense["b"])
    np.testing.assert_allclose(net.transform(X), expected, atol=1e-6)
    assert net.get_feature_names_out().shape == (10,)


def test_what_no_layer_can_stand_for_cannot_come_later():
    layers = [Dense(5), Pretrained(KernelPCA(3), trainable=False)]
    with pytest.raises(ValueError, match="KernelPCA cannot be said as layers"):
        NetworkClassifier(layers, **QUICK).fit(X, Y)


def test_a_learner_of_another_width_is_refused():
    rbm = RBM(4, max_iter=1).fit(X[:, :7])
    with pytest.raises(ValueError, match="fitted on 7 features, and the layer below it gives 5"):
        NetworkClassifier([Dense(5), Pretrained(rbm)], **QUICK).fit(X, Y)


def test_a_learner_said_to_be_fitted_has_to_be():
    with pytest.raises(NotFittedError):
        NetworkClassifier([Pretrained(RBM(4), keep=True)], **QUICK).fit(X, Y)


def test_keep_false_learns_anew():
    rbm = RBM(4, max_iter=1, random_state=0).fit(X[:50])
    net = NetworkClassifier([Pretrained(rbm, keep=False)], **QUICK, frozen=1).fit(X, Y)
    np.testing.assert_allclose(net.transform(X), clone(rbm).fit(X).transform(X), atol=1e-10)


def test_a_failed_walk_leaves_all_as_it_was():
    net = NetworkClassifier([Dense(5)], **QUICK).fit(X, Y)
    before = dict(vars(net))
    net.layers = [Pretrained(RBM(3, max_iter=1)), Pretrained(RBM(3, max_iter=0))]
    with pytest.raises(ValueError, match="max_iter"):
        net.fit(X, Y)
    assert {k: v for k, v in vars(net).items() if k != "layers"} == {k: v for k, v in before.items() if k != "layers"}
    assert not hasattr(net.layers[0].learner, "components_")


def test_callbacks_reach_the_learners(capsys):
    net = NetworkClassifier([Pretrained(RBM(3, max_iter=2))], **QUICK).set_callbacks(ProgressBar())
    net.fit(X, Y)
    assert "RBM" in capsys.readouterr().out


def test_partial_fit_walks_on_its_first_part():
    net = NetworkClassifier([Pretrained(RBM(3, max_iter=2))], random_state=0)
    net.partial_fit(X[:150], Y[:150], classes=range(10)).partial_fit(X[150:], Y[150:])
    assert net.n_iter_ == 2


def test_memmap_is_never_written_nor_turned_into_floats(tmp_path):
    pixels = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.uint8, X.shape)
    pixels[:] = (16 * X).astype(np.uint8)
    pixels.flush()
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    layers = [Pretrained(StandardScaler()), Pretrained(KMeansDictionary(8, max_iter=3, tol=0, encode="threshold"))]
    y = np.where(np.arange(300) < 100, Y, -1)
    net = NetworkClassifier(layers, **QUICK).fit(mapped, y)
    again = NetworkClassifier(layers, **QUICK).fit(np.asarray(mapped, np.float32), y)
    np.testing.assert_allclose(net.predict_proba(mapped), again.predict_proba(mapped), rtol=1e-4)


def test_walk_goes_through_batch_norm_as_it_starts():
    net = NetworkClassifier(
        [Dense(6, "relu"), BatchNorm(), Pretrained(RBM(4, visible="gaussian", max_iter=2))], **QUICK
    )
    assert net.fit(X, Y).predict(X).shape == (300,)


def test_pretraining_helps_where_labels_are_few():
    """The point of the walk, on digits: 50 labels of 1,500 rows, three draws."""
    pixels, digits = load_digits(return_X_y=True)
    pixels, errors = (pixels / 16).astype(np.float32), {"none": [], "pretrained": []}
    for seed in range(3):
        order = np.random.RandomState(seed).permutation(len(pixels))
        train, test = order[:1500], order[1500:]
        y = np.where(np.arange(1500) < 50, digits[train], -1)
        rbms = [
            Pretrained(RBM(100, learning_rate=0.1, max_iter=20)),
            Pretrained(RBM(100, learning_rate=0.1, max_iter=20)),
        ]
        for name, layers in (("none", [Dense(100, "sigmoid")] * 2), ("pretrained", rbms)):
            net = NetworkClassifier(layers, learning_rate=3e-3, max_iter=60, tol=0, random_state=seed)
            if name == "none":
                net.fit(pixels[train][y >= 0], y[y >= 0])
            else:
                net.fit(pixels[train], y)
            errors[name].append(1 - net.score(pixels[test], digits[test]))
    print({name: np.round(e, 3) for name, e in errors.items()})
    assert np.mean(errors["pretrained"]) < 0.9 * np.mean(errors["none"])
