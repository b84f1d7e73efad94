"""Deep Boltzmann machines against enumeration, their own machines and finite differences.

Also tests featlearn.networks.boltzmann_learning and featlearn.networks.boltzmann_machine.
"""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logsumexp
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from featlearn import RBM, DeepBoltzmannMachine, EarlyStopping
from featlearn.networks.boltzmann_learning import BoltzmannLearning
from featlearn.networks.boltzmann_machine import BoltzmannNet
from featlearn.training import Batch, shards

BARS = np.repeat([[1, 1, 0, 0], [0, 0, 1, 1], [1, 1, 1, 1]], 20, axis=0).astype(float)
QUICK = {"pretrain_iter": 10, "batch_size": 10, "random_state": 0}
SIZES = [[3, 2], [3, 3], [4, 3, 2], [3, 2, 3, 2]]


def states(n):
    """All 2^n states of n units."""
    return np.array(list(itertools.product([0.0, 1.0], repeat=n)))


def random_net(widths, visible="binary", scale=1.0, n_mean_field=10, seed=0):
    """A net of random parameters."""
    rng = np.random.default_rng(seed)
    params = {"b0": rng.normal(size=widths[0])}
    for l, (lower, upper) in enumerate(itertools.pairwise(widths), 1):
        params |= {f"W{l}": scale * rng.normal(size=(upper, lower)), f"b{l}": rng.normal(size=upper)}
    return BoltzmannNet(params, visible, n_mean_field, None, np.full(sum(widths[::2]), 0.5))


def fitted(net):
    """An estimator with a net."""
    model = DeepBoltzmannMachine(net.widths, visible=net.visible)
    model.net_, model.n_features_in_ = net, len(net.params["b0"])
    return model


def energies(net):
    """-E of every joint state, an axis for each layer, by the definition of the energy."""
    layers = [states(width) for width in (len(net.params["b0"]), *net.widths)]
    total = np.zeros([len(h) for h in layers])
    for l, h in enumerate(layers):
        shape = [1] * len(layers)
        shape[l] = -1
        total = total + (h @ net.params[f"b{l}"]).reshape(shape)
        if l:
            shape[l - 1] = -1
            pairs = layers[l - 1] @ net.params[f"W{l}"].T @ h.T
            total = total + pairs.reshape(
                [len(layers[l - 1]) if j == l - 1 else len(h) if j == l else 1 for j in range(len(layers))]
            )
    return total


def log_p(net):
    """log p(v) of every v."""
    joint = energies(net)
    return logsumexp(joint, axis=tuple(range(1, joint.ndim))) - logsumexp(joint)


def gradient(objective, net, batch, state, parts=1, seed=0):
    """The gradients, the loss and the state after a batch, over ``parts`` shards."""
    pieces = [shards._Shard(net.params, {}, state, objective.hidden, i, parts, [seed]) for i in range(parts)]
    engine, losses = shards.NumpyEngine(objective, 0.0), np.zeros(parts)
    engine.stateful = True

    def program(i):
        losses[i] = yield from engine._gradient(pieces[i], batch)

    shards.run_together([program(i) for i in range(parts)], 1)
    return engine._joined([p.grads for p in pieces]), losses.sum(), engine._joined([p.state for p in pieces])


# --- the model ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("widths", [[4, *sizes] for sizes in SIZES])
def test_bound_rises_with_each_sweep_and_stays_below_the_likelihood(widths):
    net = random_net(widths)
    v, exact = states(4), log_p(net)
    log_z = logsumexp(energies(net))
    bounds = np.array([replace(net, n_mean_field=n).free_bound(v) - log_z for n in range(15)])
    assert (np.diff(bounds, axis=0) > -1e-12).all()
    assert (np.diff(bounds[:3], axis=0).max(axis=1) > 1e-4).all()
    assert (bounds[-1] < exact).all()
    assert (bounds[-1] > exact - 1).mean() > 0.5
    found, std = fitted(net).log_likelihood(v, return_std=True)
    np.testing.assert_allclose(found, bounds[10], atol=1e-12)
    assert (std == 0).all()


@pytest.mark.parametrize("widths", [[4, *sizes] for sizes in SIZES])
def test_log_partition_is_that_of_enumeration(widths):
    net = random_net(widths)
    log_z = logsumexp(energies(net))
    model = fitted(net)
    assert model.log_partition() == (pytest.approx(log_z, abs=1e-12), 0)
    ais = model.log_partition("ais", n_chains=200, n_betas=500, random_state=0)
    assert 0 < ais.error < 0.1
    assert abs(ais.value - log_z) < 4 * ais.error


def test_a_layer_given_its_neighbors_is_a_sigmoid_of_both():
    net = random_net([3, 3, 2])
    joint = np.exp(energies(net))
    v, h1, h2 = states(3), states(3), states(2)
    p = joint / joint.sum(axis=1, keepdims=True)  # of h1 given v and h2
    expected = np.einsum("vhk,hj->vkj", p, h1)
    found = expit((v @ net.params["W1"].T)[:, None] + (h2 @ net.params["W2"])[None] + net.params["b1"])
    np.testing.assert_allclose(found, expected, atol=1e-14)
    i, k = np.divmod(np.arange(32), 4)
    A = net.sides(1, [v[i], None, h2[k]], net.params)
    np.testing.assert_allclose(expit(A + net.params["b1"]), expected[i, k], atol=1e-14)


def test_a_single_layer_is_a_restricted_machine():
    net = random_net([4, 3])
    rbm = RBM(3)
    rbm.components_, rbm.intercept_hidden_, rbm.intercept_visible_ = (net.params[k] for k in ("W1", "b1", "b0"))
    rbm.n_features_in_, rbm.visible_mean_ = 4, np.full(4, 0.5)
    model, v = fitted(net), states(4)
    np.testing.assert_allclose(model.log_likelihood(v), rbm.log_likelihood(v), atol=1e-13)
    np.testing.assert_allclose(model.transform(v), rbm.transform(v), atol=1e-14)
    np.testing.assert_allclose(model.reconstruct(v), rbm.inverse_transform(rbm.transform(v)), atol=1e-14)
    np.testing.assert_allclose(-model.score_samples(v), ((model.reconstruct(v) - v) ** 2).sum(axis=1), atol=1e-14)


@pytest.mark.parametrize("sizes", SIZES)
def test_samples_have_the_distribution_of_the_net(sizes):
    net = random_net([3, *sizes], scale=0.7)
    drawn = fitted(net).sample(6_000, n_steps=25, random_state=0)
    found = np.bincount((drawn @ [4, 2, 1]).astype(int), minlength=8) / 6_000
    np.testing.assert_allclose(found, np.exp(log_p(net)), atol=0.025)
    means = fitted(net).sample(6_000, n_steps=25, means=True, random_state=0)
    np.testing.assert_allclose(means.mean(axis=0), drawn.mean(axis=0), atol=0.025)


# --- learning -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("widths", [[3, 2], [3, 3, 2], [3, 2, 3, 2]])
def test_gradient_is_that_of_the_bound(widths):
    """At the fixed point of mean field the means do not move it; chains of a net in equilibrium estimate the rest."""
    net = random_net(widths, scale=0.7, n_mean_field=100)
    v = np.array([[1.0, 0, 1], [0, 1, 1]])
    objective = BoltzmannLearning(net.depth, "binary", 100, 2, 20_000)
    state = objective.first_state(net, np.random.RandomState(0))
    found, loss, after = gradient(objective, net, Batch(v), state)

    def descended(params):
        fresh = replace(net, params=params)
        return -fresh.free_bound(v).mean() + logsumexp(energies(fresh))

    for name, p in net.params.items():
        for i in np.ndindex(p.shape):
            up, down = ({k: a.copy() for k, a in net.params.items()} for _ in range(2))
            up[name][i] += 1e-6
            down[name][i] -= 1e-6
            expected = (descended(up) - descended(down)) / 2e-6
            assert found[name][i] == pytest.approx(expected, abs=0.02), (name, i)
    assert loss == pytest.approx(-fitted(net).score(v))
    assert (after["chain0"] != state["chain0"]).any()


@pytest.mark.parametrize("parts", [2, 3])
def test_shards_give_the_gradient_of_the_whole(parts):
    """With biases that leave nothing to chance in the chains, whose states come out the same."""
    net = random_net([4, 6, 5, 7], scale=0.3)
    rng = np.random.default_rng(0)
    sure = {f"b{l}": np.where(rng.random(n) < 0.5, -60.0, 60.0) for l, n in enumerate([4, 6, 5, 7])}
    net = replace(net, params=net.params | sure)
    objective = BoltzmannLearning(3, "binary", 3, 2, 5)
    state = objective.first_state(net, np.random.RandomState(0))
    batch = Batch(rng.random((8, 4)))
    one, loss, after = gradient(objective, net, batch, state)
    many, again, chains = gradient(objective, net, batch, state, parts)
    assert loss == pytest.approx(again)
    for name, value in (one | after).items():
        np.testing.assert_allclose((many | chains)[name], value, atol=1e-12, err_msg=name)


def test_shards_give_the_means_of_the_whole():
    """Of mean field, which has no chance in it: the data's share of the gradient, chains of zeros taken away."""
    net = random_net([4, 6, 5, 7])
    batch = Batch(np.random.default_rng(0).random((8, 4)))
    objective = BoltzmannLearning(3, "gaussian", 3, 1, 4)
    state = objective.first_state(net, np.random.RandomState(0))
    losses = [gradient(objective, net, batch, state, parts)[1] for parts in (1, 2, 3)]
    np.testing.assert_allclose(losses, losses[0], atol=1e-12)


def test_threads_do_not_change_the_result(monkeypatch):
    monkeypatch.setattr(shards, "SHARD_WORK", 0)
    monkeypatch.setattr(shards, "SHARD_UNITS", 2)
    nets = []
    for threads in (1, 3):
        monkeypatch.setattr(shards, "n_threads", lambda threads=threads: threads)
        nets.append(DeepBoltzmannMachine([8, 8], max_iter=3, **QUICK).fit(BARS).net_.params)
    for name, value in nets[0].items():
        np.testing.assert_array_equal(nets[1][name], value)


# --- the estimator ------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:DeepBoltzmannMachine. layer 3")  # idle before all learn together
@pytest.mark.parametrize("sizes", [[5], [5, 4, 3]])
def test_it_learns_patterns(sizes):
    settings = QUICK | {"pretrain_iter": 5, "learning_rate": 0.2, "max_iter": 120}
    model = DeepBoltzmannMachine(sizes, **settings).fit(BARS)
    before = clone(model).set_params(max_iter=0).fit(BARS)
    index = (BARS[::20] @ [8, 4, 2, 1]).astype(int)
    start, end = (log_p(net)[index] for net in (before.net_, model.net_))
    assert end.mean() > start.mean() + 1
    assert np.exp(end).sum() > 0.85
    curve = model.elbo_curve_
    assert len(curve) == len(model.loss_curve_) == model.n_iter_ == 120
    assert curve[-1] > curve[0]
    assert model.log_likelihood(BARS).mean() == pytest.approx(curve[-1], abs=1e-9)
    assert curve[-1] <= end.mean() + 1e-9
    assert [len(c) for c in model.pretrain_curves_] == [5] * len(sizes)
    assert model.transform(BARS, layer=1).shape == (60, 5)
    drawn = model.sample(500, n_steps=100, random_state=0) @ [8, 4, 2, 1]
    assert np.isin(drawn, index).mean() > 0.85


def test_gaussian_visibles():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4)) * [1, 10, 0.1, 1] + [0, 100, 0, 3]
    X[:, 3] += X[:, 0]
    model = DeepBoltzmannMachine([4, 3], visible="gaussian", **(QUICK | {"pretrain_rate": 0.1})).fit(X)
    assert not hasattr(model, "elbo_curve_")
    drawn = model.sample(2000, n_steps=30, random_state=0)
    np.testing.assert_allclose((drawn.mean(axis=0) - X.mean(axis=0)) / X.std(axis=0), 0, atol=0.3)
    with pytest.raises(ValueError, match="log_partition and log_likelihood need visible='binary'"):
        model.log_likelihood(X)
    assert model.score(X) > -4
    far = clone(model).fit(X * 1000 - 7)
    np.testing.assert_allclose(far.transform(X * 1000 - 7), model.transform(X), atol=1e-4)


def test_callbacks_and_interrupts():
    stop = EarlyStopping("bound", patience=2, tol=10.0)
    model = DeepBoltzmannMachine([4, 3], max_iter=30, **QUICK).set_callbacks(stop).fit(BARS)
    assert model.n_iter_ == 3
    assert len(model.elbo_curve_) == 3

    class Interrupt:
        """Presses Ctrl-C in the fifth epoch of all layers."""

        max_propagation_depth, left = None, 5
        setup = teardown = on_fit_task_begin = lambda self, *args, **kwargs: None

        def on_fit_task_end(self, estimator, context, *, metadata=None):
            """Count."""
            if metadata and "bound" in metadata:
                self.left -= 1
                if self.left == 0:
                    raise KeyboardInterrupt
            return False

    with pytest.warns(ConvergenceWarning, match="all layers: interrupted, so the fit ends after 5 iterations"):
        kept = DeepBoltzmannMachine([4, 3], max_iter=30, **QUICK).set_callbacks(Interrupt()).fit(BARS)
    assert kept.n_iter_ == len(kept.elbo_curve_) == 5

    def at_once(*args, **kwargs):
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BoltzmannLearning, "gradient", at_once)
        with pytest.warns(ConvergenceWarning, match="ends after 20 iterations"):
            pretrained = DeepBoltzmannMachine([4, 3], max_iter=30, **QUICK).fit(BARS)
    assert pretrained.n_iter_ == 0
    assert pretrained.transform(BARS).shape == (60, 3)


def test_same_seed_same_net_in_either_precision():
    model = DeepBoltzmannMachine([4, 3], max_iter=5, **QUICK)
    one, two, other = (clone(model).set_params(random_state=s).fit(BARS) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.transform(BARS), two.transform(BARS))
    np.testing.assert_array_equal(one.elbo_curve_, two.elbo_curve_)
    assert np.abs(one.transform(BARS) - other.transform(BARS)).max() > 1e-3
    short = clone(model).set_params(random_state=1).fit(BARS.astype(np.float32))
    assert short.transform(BARS.astype(np.float32)).dtype == np.float32
    np.testing.assert_allclose(short.transform(BARS), one.transform(BARS), atol=1e-3)
    stream = np.concatenate(list(one.transform(iter([BARS[:7], BARS[7:]]))))
    np.testing.assert_allclose(stream, one.transform(BARS), atol=1e-12)


def test_bad_input_is_refused_by_name():
    model = DeepBoltzmannMachine([4, 3], max_iter=1, **QUICK)
    with pytest.raises(ValueError, match=r"DeepBoltzmannMachine: visible='binary' takes values in \[0, 1\]"):
        model.fit(255 * BARS)
    with pytest.raises(ValueError, match=r"DeepBoltzmannMachine: n_components=\[3, 0\] is not valid"):
        clone(model).set_params(n_components=[3, 0]).fit(BARS)
    with pytest.raises(ValueError, match="training diverged in epoch 1"):
        clone(model).set_params(visible="gaussian", learning_rate=1e30).fit(BARS)
    model.fit(BARS)
    with pytest.raises(ValueError, match="layer=0 is not valid"):
        model.transform(BARS, layer=0)
    with pytest.raises(ValueError, match="method='guess' is not valid"):
        model.log_partition("guess")
    with pytest.raises(ValueError, match="pass the memory of first_state"):
        BoltzmannLearning(2, "binary", 1, 1, 1).init_state({}, Batch(BARS))
