"""Layers that stand still in a phase of training, and rates by layer."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from featlearn.networks import BatchNorm, Dense, NetworkClassifier

X, Y = load_digits(return_X_y=True)
X, Y = X[:200] / 16, Y[:200]
LAYERS = [Dense(12, "tanh"), BatchNorm(), Dense(8, "relu")]


def network(layers=LAYERS, **params):
    defaults = {"max_iter": 2, "tol": 0, "random_state": 0, "warm_start": True}
    return NetworkClassifier(layers, **(defaults | params))


def arrays(net):
    return {f"{f.name}.{k}": v for f in net.layers_ for k, v in (f.params | f.state).items()}


def moved(before, after):
    return {name.partition(".")[0] for name in before if not np.array_equal(before[name], after[name])}


@pytest.mark.parametrize("engine", ["numpy", pytest.param("keras", marks=pytest.mark.keras)])
def test_phases_head_only_then_all(engine):
    """What is frozen stays bit for bit, moving averages too; then it learns on."""
    net = network(engine=engine).fit(X, Y)
    first = arrays(net)
    net.freeze().fit(X, Y)
    second = arrays(net)
    assert moved(first, second) == {"output"}
    net.unfreeze("dense-2").fit(X, Y)
    third = arrays(net)
    assert moved(second, third) == {"dense-2", "output"}
    net.unfreeze().fit(X, Y)
    assert moved(third, arrays(net)) == {"dense-1", "batchnorm-1", "dense-2", "output"}
    assert net.n_iter_ == 2
    assert net.frozen == ()


def test_frozen_batch_norm_uses_its_moving_averages():
    """So the network that learns is the one that predicts: a full batch's loss is that of the predictions before it."""
    net = network().fit(X, Y).freeze("batchnorm-1").set_params(batch_size=None, max_iter=1)
    log_p = np.log(net.predict_proba(X)[np.arange(len(Y)), Y])
    assert net.fit(X, Y).loss_curve_[-1] == pytest.approx(-log_p.mean(), rel=1e-6)
    net.unfreeze()
    log_p = np.log(net.predict_proba(X)[np.arange(len(Y)), Y])
    assert net.fit(X, Y).loss_curve_[-1] != pytest.approx(-log_p.mean(), rel=1e-3)


def test_names_are_known_before_the_first_fit():
    net = network(frozen=1)
    assert net.freeze("dense-2").frozen == ("dense-1", "dense-2")
    assert net.freeze().frozen == ("dense-1", "dense-2", "batchnorm-1")
    assert net.unfreeze("dense-2", "batchnorm-1").frozen == ("dense-1",)
    fresh = network(frozen=()).fit(X, Y)
    one = network(frozen="dense-1", warm_start=False).fit(X, Y)
    assert not moved({k: v for k, v in arrays(one).items() if k == "dense-1.W"}, {"dense-1.W": first_draw()})
    assert not np.array_equal(arrays(fresh)["dense-1.W"], first_draw())


def first_draw():
    layer = Dense(12, "tanh")
    return layer.first_params((64,), np.random.RandomState(0), np.float64)["W"]


def test_unknown_layers_and_nothing_to_learn():
    with pytest.raises(ValueError, match=r"frozen names \['dense-9'\]; the layers are dense-1"):
        network(frozen=["dense-9"]).fit(X, Y)
    with pytest.raises(ValueError, match=r"no layer \['x'\]"):
        network().unfreeze("x")
    with pytest.raises(ValueError, match="every layer stands still"):
        network(frozen=4).fit(X, Y)
    with pytest.raises(ValueError, match=r"layer_rates names \['y'\]"):
        network(layer_rates={"y": 0.1}).fit(X, Y)


def test_adam_starts_anew_where_others_learn_than_before():
    """Its averages are 0 again, and so is its count of steps: the first step is as long as the rate, no longer."""
    net = network([Dense(12, "tanh")], frozen="dense-1", max_iter=20).fit(X, Y)
    before = arrays(net)["dense-1.W"]
    net.unfreeze().set_params(max_iter=1, batch_size=None, learning_rate=0.001).fit(X, Y)
    step = np.abs(arrays(net)["dense-1.W"] - before)
    assert 0.0009 < step.max() < 0.00101


@pytest.mark.parametrize("engine", ["numpy", pytest.param("keras", marks=pytest.mark.keras)])
def test_a_layer_with_a_tenth_of_the_rate_moves_a_tenth_as_far(engine):
    layers = [Dense(12, "tanh"), Dense(8, "tanh")]
    settings = {"solver": "sgd", "learning_rate": 0.01, "batch_size": None, "max_iter": 1, "engine": engine}
    start = network(layers, **settings, frozen=["dense-1", "dense-2"]).fit(X, Y)
    whole = network(layers, **settings).fit(X, Y)
    slow = network(layers, **settings, layer_rates={"dense-1": 0.1}).fit(X, Y)
    a, b, c = map(arrays, (start, whole, slow))
    for name in ("dense-1.W", "dense-1.b"):
        np.testing.assert_allclose(c[name] - a[name], 0.1 * (b[name] - a[name]), atol=1e-7)
    np.testing.assert_allclose(c["dense-2.W"], b["dense-2.W"], atol=1e-7)


def test_layer_decay_slows_layers_by_their_distance_from_the_output():
    layers = [Dense(12, "tanh"), Dense(8, "tanh")]
    settings = {"solver": "sgd", "learning_rate": 0.01, "max_iter": 2}
    rates = {"dense-1": 0.25, "dense-2": 0.5, "output": 1.0}
    one = network(layers, **settings, layer_decay=0.5).fit(X, Y)
    other = network(layers, **settings, layer_rates=rates).fit(X, Y)
    assert not moved(arrays(one), arrays(other))
    third = network(layers, **settings, layer_decay=0.5, layer_rates={"output": 2.0}).fit(X, Y)
    assert moved(arrays(one), arrays(third))
