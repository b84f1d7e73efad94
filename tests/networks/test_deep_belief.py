"""Deep belief networks against enumeration, their own machines and finite differences.

Also tests featlearn.networks.belief_machine, featlearn.networks.generative, featlearn.networks.greedy,
featlearn.networks.label_units and featlearn.networks.up_down.
"""

import itertools
import pickle
import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logsumexp
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from featlearn import RBM, DeepBeliefNetwork, NetworkClassifier
from featlearn.networks.belief_machine import BeliefNet
from featlearn.networks.label_units import (
    JointDivergence,
    draw_labels,
    label_energies,
    posterior_codes,
)
from featlearn.networks.up_down import UpDown
from featlearn.training import Batch, Draws, shards

BARS = np.repeat([[1, 1, 0, 0], [0, 0, 1, 1], [1, 1, 1, 1]], 20, axis=0).astype(float)
NAMES = np.repeat(["left", "right", "both"], 20)
QUICK = {"pretrain_iter": 20, "batch_size": 10, "random_state": 0}


def states(n):
    """All 2^n states of n units."""
    return np.array(list(itertools.product([0.0, 1.0], repeat=n)))


def random_net(widths, n_labels=0, visible="binary", seed=0, scale=1.0):
    """A net of random parameters, recognition and generation unrelated."""
    rng = np.random.default_rng(seed)
    params, (*below, top) = {}, widths
    for l, (lower, upper) in enumerate(itertools.pairwise(below), 1):
        shapes = {"R": (upper, lower), "r": upper, "G": (upper, lower), "g": lower}
        params |= {f"{name}{l}": scale * rng.normal(size=shape) for name, shape in shapes.items()}
    d = below[-1] + n_labels
    params |= {"W": scale * rng.normal(size=(top, d)), "b": rng.normal(size=top), "c": rng.normal(size=d)}
    return BeliefNet(params, len(below) - 1, n_labels, visible, None, np.full(below[-1], 0.5))


def fitted(net, classes=None):
    """An estimator with a net."""
    model = DeepBeliefNetwork(net.widths, visible=net.visible)
    first = net.params["R1"] if net.n_directed else net.params["W"]
    model.net_, model.n_features_in_ = net, first.shape[1] - (0 if net.n_directed else net.n_labels)
    if classes is not None:
        model.classes_ = np.asarray(classes)
    return model


def log_top(net):
    """log p(x_n, y) over all x_n (rows) and labels (columns, one without labels), by the energy of the joint."""
    W, b, c = (net.params[name] for name in "Wbc")
    h, x = states(len(b)), states(len(c) - net.n_labels)
    energies = []
    for y in np.eye(net.n_labels) if net.n_labels else np.zeros((1, 0)):
        v = np.hstack([x, np.tile(y, (len(x), 1))])
        energies.append(logsumexp(v @ W.T @ h.T + h @ b, axis=1) + v @ c)
    joint = np.stack(energies, axis=1)
    return joint - logsumexp(joint), logsumexp(joint)


def bernoulli(x, S):
    """log p(x) of all pairs of rows of x and natural parameters S."""
    return x @ S.T - np.logaddexp(0, S).sum(axis=1)


def log_p(net, v):
    """log p(v, y) of rows, (n, C), by enumeration of every layer."""
    value, _ = log_top(net)
    for l in range(net.n_directed, 0, -1):
        below = v if l == 1 else states(net.params[f"G{l}"].shape[1])
        S = states(len(net.params[f"r{l}"])) @ net.params[f"G{l}"] + net.params[f"g{l}"]
        value = logsumexp(bernoulli(below, S)[:, :, None] + value[None], axis=1)
    if not net.n_directed:
        index = v @ (2 ** np.arange(v.shape[1] - 1, -1, -1))
        value = value[index.astype(int)]
    return value


def enumerated_bound(net, v):
    """E_q [log p(v, x_1) + log p_top(x_1) - log q(x_1)] of the rows of a net with one directed layer."""
    x, (top, _) = states(len(net.params["r1"])), log_top(net)
    A = v @ net.params["R1"].T + net.params["r1"]
    log_q = A @ x.T - np.logaddexp(0, A).sum(axis=1, keepdims=True)
    inside = bernoulli(v, x @ net.params["G1"] + net.params["g1"]) + logsumexp(top, axis=1) - log_q
    return (np.exp(log_q) * inside).sum(axis=1)


def difference(f, params, names, eps=1e-6):
    """The gradient of f(params) by central differences."""
    out = {}
    for name in names:
        out[name] = np.empty_like(params[name])
        for i in np.ndindex(params[name].shape):
            up, down = ({k: v.copy() for k, v in params.items()} for _ in range(2))
            up[name][i] += eps
            down[name][i] -= eps
            out[name][i] = (f(up) - f(down)) / (2 * eps)
    return out


def gradient(objective, params, batch, parts=1, seed=0):
    """The gradients and the loss of a batch, over ``parts`` shards."""
    state = objective.init_state(params, batch)
    pieces = [shards._Shard(params, {}, state, objective.hidden, i, parts, [seed]) for i in range(parts)]
    engine, losses = shards.NumpyEngine(objective, 0.0), np.zeros(parts)

    def program(i):
        losses[i] = yield from engine._gradient(pieces[i], batch)

    shards.run_together([program(i) for i in range(parts)], 1)
    return engine._joined([p.grads for p in pieces]), losses.sum()


# --- label units --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_energies_and_codes_of_labels_are_those_of_their_formulas(dtype):
    rng = np.random.default_rng(0)
    A, U = (rng.normal(scale=s, size=(n, 1100)).astype(dtype) for s, n in ((20, 7), (5, 3)))
    A[0, :3] = -3000, 0, 3000
    found, out = np.empty((7, 3)), np.empty((7, 1100), dtype)
    label_energies(A, U, found)
    Z = A[:, None].astype(float) + U
    np.testing.assert_allclose(found, np.logaddexp(0, Z).sum(axis=2), rtol=1e-6)
    P = rng.dirichlet(np.ones(3), size=7).astype(dtype)
    posterior_codes(A, U, P, out)
    np.testing.assert_allclose(out, (P[:, :, None] * expit(Z)).sum(axis=1), atol=1e-6)


def test_labels_are_drawn_with_their_probabilities():
    drawn = draw_labels(np.tile([[0.2, 0.0, 0.5, 0.3]], (40_000, 1)), np.random.default_rng(0))
    np.testing.assert_allclose(np.bincount(drawn, minlength=4) / 40_000, [0.2, 0, 0.5, 0.3], atol=0.01)


@pytest.mark.parametrize("widths", [[4, 3], [3, 5]])
@pytest.mark.parametrize("n_labels", [0, 3])
def test_log_partition_is_that_of_enumeration(widths, n_labels):
    net = random_net(widths, n_labels)
    _, log_z = log_top(net)
    model = fitted(net)
    assert model.log_partition("exact") == (pytest.approx(log_z, abs=1e-12), 0)
    ais = model.log_partition("ais", n_chains=200, n_betas=500, random_state=0)
    assert 0 < ais.error < 0.1
    assert abs(ais.value - log_z) < 4 * ais.error
    assert model.log_partition() == model.log_partition("exact")


def test_label_posterior_is_that_of_enumeration():
    net = random_net([4, 3], n_labels=3)
    v = states(4)
    expected = log_p(net, v)
    expected = np.exp(expected - logsumexp(expected, axis=1, keepdims=True))
    model = fitted(net, ["a", "b", "c"])
    np.testing.assert_allclose(model.predict_proba(v), expected, atol=1e-14)
    np.testing.assert_array_equal(model.predict(v), np.array(["a", "b", "c"])[expected.argmax(axis=1)])
    h = states(3)  # codes: E[h | v], labels summed out
    joint = np.stack([h @ net.params["b"] + (h @ net.params["W"][:, :4]) @ x for x in v])[:, :, None]
    joint = joint + (h @ net.params["W"][:, 4:] + net.params["c"][4:])[None]
    p = np.exp(joint - logsumexp(joint, axis=(1, 2), keepdims=True)).sum(axis=2)
    np.testing.assert_allclose(model.transform(v), p @ h, atol=1e-14)


@pytest.mark.parametrize(("up", "down"), [(1, 1), (2, 1), (1, 2), (2, 2)])
def test_copies_of_a_layer_count(up, down):
    """Long chains reach the machine of ``up`` copies of v and ``down`` of h, that of doubled weights."""
    rng = np.random.default_rng(1)
    params = {"W": 0.5 * rng.normal(size=(2, 3)), "b": 0.3 * rng.normal(size=2), "c": 0.3 * rng.normal(size=3)}
    x = np.tile([[1.0, 0, 1]], (20_000, 1))
    objective = JointDivergence(2, k=15, up=up, down=down)
    draws = Draws(*(np.random.Generator(np.random.SFC64(i)) for i in (0, 1)), True)
    grads = {name: np.empty_like(p) for name, p in params.items()}
    shards.run_together([objective.gradient(params, Batch(x), draws, grads)], 1)
    h, v = states(2), states(3)
    # One copy of each side is drawn given all copies of the other: a Markov chain of v, by its transition matrix.
    q_h = np.exp(bernoulli(h, up * v @ params["W"].T + params["b"])).T
    q_v = np.exp(bernoulli(v, down * h @ params["W"] + params["c"])).T
    p_v = np.linalg.matrix_power(q_h @ q_v, 200)[0]
    expected = up * (p_v @ v - x[0])
    np.testing.assert_allclose(grads["c"], expected, atol=0.02 * up)
    mean_h = expit(up * v @ params["W"].T + params["b"])
    outer = (p_v[:, None, None] * mean_h[:, :, None] * v[:, None]).sum(axis=0)
    seen = expit(up * params["W"] @ x[0] + params["b"])
    np.testing.assert_allclose(grads["W"], up * (outer - np.outer(seen, x[0])), atol=0.02 * up)


# --- the model ----------------------------------------------------------------------------------------------------


def test_tied_layers_are_the_machine_itself():
    """W2 = W1', g1 = c2' and r1 = c: the recognition weights are the posterior, so that every draw gives log p(v)."""
    rng = np.random.default_rng(0)
    W, b, c = rng.normal(size=(3, 4)), rng.normal(size=3), rng.normal(size=4)
    for b_, c_ in ((np.zeros(3), np.zeros(4)), (b, c)):
        params = {"R1": W, "r1": b_, "G1": W, "g1": c_, "W": W.T.copy(), "b": c_, "c": b_}
        rbm = RBM(3)
        rbm.components_, rbm.intercept_hidden_, rbm.intercept_visible_ = W, b_, c_
        rbm.n_features_in_, rbm.visible_mean_ = 4, np.full(4, 0.5)
        bound = fitted(BeliefNet(params, 1, 0, "binary", None, np.full(3, 0.5)))
        value, spread = bound.log_likelihood(states(4), n_draws=3, return_std=True, random_state=0)
        np.testing.assert_allclose(value, rbm.log_likelihood(states(4)), atol=1e-13)
        assert spread.max() < 1e-13
        assert np.exp(value).sum() == pytest.approx(1, abs=1e-13)


@pytest.mark.parametrize("n_labels", [0, 2])
def test_bound_is_below_the_likelihood_and_what_enumeration_says(n_labels):
    net = random_net([4, 3, 2], n_labels)
    v = states(4)
    value, spread = fitted(net).log_likelihood(v, n_draws=800, return_std=True, random_state=0)
    assert (np.abs(value - enumerated_bound(net, v)) < 5 * spread).all()
    assert (value < logsumexp(log_p(net, v), axis=1) + 5 * spread).all()
    assert (enumerated_bound(net, v) < logsumexp(log_p(net, v), axis=1)).all()
    deep = random_net([3, 2, 3, 2], n_labels)
    value, spread = fitted(deep).log_likelihood(states(3), n_draws=800, return_std=True, random_state=0)
    assert (value < logsumexp(log_p(deep, states(3)), axis=1) + 5 * spread).all()


def test_gaussian_visibles():
    rng = np.random.default_rng(0)
    net = random_net([3, 2, 2], visible="gaussian")
    x = states(2)
    top = logsumexp(log_top(net)[0], axis=1)
    v = rng.normal(size=(5, 3))
    square = ((v[:, None] - (x @ net.params["G1"] + net.params["g1"])) ** 2).sum(axis=2)
    exact = logsumexp(-0.5 * square - 1.5 * np.log(2 * np.pi) + top, axis=1)
    A = v @ net.params["R1"].T + net.params["r1"]
    log_q = A @ x.T - np.logaddexp(0, A).sum(axis=1, keepdims=True)
    expected = (np.exp(log_q) * (-0.5 * square - 1.5 * np.log(2 * np.pi) + top - log_q)).sum(axis=1)
    value, spread = fitted(net).log_likelihood(v, n_draws=800, return_std=True, random_state=0)
    assert (np.abs(value - expected) < 5 * spread).all()
    assert (expected < exact).all()
    X = rng.normal(size=(200, 4)) * [1, 10, 0.1, 1] + [0, 100, 0, 3]
    X[:, 3] += X[:, 0]
    for layers in ([3], [3, 2]):
        model = DeepBeliefNetwork(layers, visible="gaussian", pretrain_rate=0.1, **QUICK).fit(X)
        codes = model.to_pipeline().transform(X)
        np.testing.assert_allclose(codes, model.transform(X), atol=1e-10)
    one = DeepBeliefNetwork(3, visible="gaussian", random_state=0).fit(X)
    machine = one.to_pipeline()[0]
    np.testing.assert_allclose(one.log_likelihood(X), machine.log_likelihood(X), atol=1e-9)
    drawn = one.sample(3000, n_steps=20, random_state=0)
    np.testing.assert_allclose((drawn.mean(axis=0) - X.mean(axis=0)) / X.std(axis=0), 0, atol=0.2)


@pytest.mark.parametrize("layers", [[3], [3, 2], [3, 3, 2]])
def test_samples_have_the_distribution_of_the_net(layers):
    net = random_net([3, *layers], n_labels=2, scale=0.7)
    model = fitted(net, ["a", "b"])
    expected = np.exp(log_p(net, states(3)))
    place = 2 ** np.arange(2, -1, -1)
    free = model.sample(6_000, n_steps=20, random_state=0)
    found = np.bincount((free @ place).astype(int), minlength=8) / 6_000
    np.testing.assert_allclose(found, expected.sum(axis=1), atol=0.025)
    held = model.sample(6_000, label="b", n_steps=20, random_state=0)
    found = np.bincount((held @ place).astype(int), minlength=8) / 6_000
    np.testing.assert_allclose(found, expected[:, 1] / expected[:, 1].sum(), atol=0.025)
    means = model.sample(6_000, label="b", n_steps=20, means=True, random_state=0)
    np.testing.assert_allclose(means.mean(axis=0), held.mean(axis=0), atol=0.025)


# --- up-down ------------------------------------------------------------------------------------------------------


def test_gradients_are_those_of_the_bound_and_of_the_dream():
    """Averaged over draws: G, g, W, b and c descend -bound, with long chains; R and r descend -log q of dreams."""
    net = random_net([3, 3, 2], scale=0.7)
    v = np.array([[1.0, 0, 1], [0, 1, 1]])
    batch = Batch(np.repeat(v, 10_000, axis=0))
    found, loss = gradient(UpDown(1, "binary", k=15), net.params, batch)

    def descended(params):
        return -enumerated_bound(replace(net, params=params), v).mean()

    expected = difference(descended, net.params, ["G1", "g1", "W", "b", "c"])
    x = states(3)
    dream = expit(x @ net.params["G1"] + net.params["g1"])
    p_x = np.exp(logsumexp(log_top(net)[0], axis=1))

    def missed(params):
        A = dream @ params["R1"].T + params["r1"]
        return -(p_x * (x * A - np.logaddexp(0, A)).sum(axis=1)).sum()

    expected |= difference(missed, net.params, ["R1", "r1"])
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=0.025, err_msg=name)
    q = np.exp(v @ net.params["R1"].T @ x.T + x @ net.params["r1"])
    q /= q.sum(axis=1, keepdims=True)
    error = (q * ((v[:, None] - dream) ** 2).sum(axis=2)).sum(axis=1).mean()
    assert loss == pytest.approx(error, abs=0.02)


def test_gradients_of_labels_descend_the_joint_likelihood():
    net = random_net([3, 2], n_labels=2, scale=0.7)
    v, y = np.array([[1.0, 0, 1], [0, 1, 1]]), np.array([1, 0])
    batch = Batch(np.repeat(v, 10_000, axis=0), np.repeat(y, 10_000))
    found, _ = gradient(UpDown(0, "binary", 2, k=15), net.params, batch)

    def descended(params):
        return -log_p(replace(net, params=params), v)[[0, 1], y].mean()

    for name, value in difference(descended, net.params, "Wbc").items():
        np.testing.assert_allclose(found[name], value, atol=0.025, err_msg=name)


@pytest.mark.parametrize("parts", [2, 3])
def test_shards_give_the_gradient_of_the_whole(parts):
    """With biases that leave nothing to chance."""
    net = random_net([4, 6, 5, 7], n_labels=2)
    rng = np.random.default_rng(0)
    sure = {name: np.where(rng.random(p.shape) < 0.5, -60.0, 60.0) for name, p in net.params.items() if p.ndim == 1}
    params = net.params | {name: p for name, p in sure.items() if name != "g1"}
    batch = Batch(rng.random((8, 4)), rng.integers(0, 2, 8))
    for persistent in (False, True):
        objective = UpDown(2, "binary", 2, k=2, persistent=persistent)
        one, loss = gradient(objective, params, batch)
        many, again = gradient(objective, params, batch, parts)
        assert loss == pytest.approx(again)
        for name, value in one.items():
            np.testing.assert_allclose(many[name], value, atol=1e-12, err_msg=name)


def test_threads_do_not_change_the_result(monkeypatch):
    monkeypatch.setattr(shards, "SHARD_WORK", 0)
    monkeypatch.setattr(shards, "SHARD_UNITS", 2)
    nets = []
    for threads in (1, 3):
        monkeypatch.setattr(shards, "n_threads", lambda threads=threads: threads)
        nets.append(DeepBeliefNetwork([8, 8], max_iter=3, **QUICK).fit(BARS, NAMES).net_.params)
    for name, value in nets[0].items():
        np.testing.assert_array_equal(nets[1][name], value)


# --- the estimator ------------------------------------------------------------------------------------------------


def test_it_learns_patterns_and_their_names():
    model = DeepBeliefNetwork([6, 6], max_iter=40, learning_rate=0.05, **QUICK).fit(BARS, NAMES)
    patterns = BARS[::20]
    p = np.exp(logsumexp(log_p(model.net_, patterns), axis=1))
    assert p.sum() > 0.75
    assert model.score(BARS) > -0.2
    np.testing.assert_array_equal(model.predict(BARS), NAMES)
    for name, pattern in zip(["left", "right", "both"], patterns, strict=True):
        held = model.sample(300, label=name, n_steps=100, random_state=0)
        assert (held == pattern).all(axis=1).mean() > 0.75
    each = model.sample(60, label=NAMES, n_steps=100, random_state=0)
    assert (each == BARS).all(axis=1).mean() > 0.7
    untaught = DeepBeliefNetwork([6, 6], max_iter=40, learning_rate=0.05, **QUICK).fit(BARS)
    assert np.exp(log_p(untaught.net_, patterns)).sum() > 0.75
    assert model.transform(BARS[:2], layer=1).shape == (2, 6)


def test_up_down_raises_the_likelihood_of_a_poor_start():
    settings = {"pretrain_iter": 3, "batch_size": 10, "learning_rate": 0.1, "random_state": 0}
    before, after = (
        DeepBeliefNetwork([5, 4], max_iter=n, **settings).fit(BARS).log_likelihood(BARS, random_state=0).mean()
        for n in (0, 100)
    )
    exact = log_p(DeepBeliefNetwork([5, 4], max_iter=100, **settings).fit(BARS).net_, BARS).mean()
    assert after > before + 0.5
    assert exact >= after - 0.05
    hinton = DeepBeliefNetwork([5, 4], max_iter=100, persistent=False, **settings).fit(BARS)
    assert log_p(hinton.net_, BARS).mean() > before + 0.5


def test_pretrained_net_is_a_stack_of_machines():
    model = DeepBeliefNetwork([5, 4, 3], max_iter=0, **QUICK).fit(BARS)
    assert model.n_iter_ == 0
    assert len(model.pretrain_curves_) == 3
    machines = model.to_pipeline()
    np.testing.assert_allclose(machines.transform(BARS), model.transform(BARS), atol=1e-7)
    V = machines.transform(BARS)
    for _, machine in machines.steps[::-1]:
        V = machine.inverse_transform(V)
    np.testing.assert_allclose(V, model.reconstruct(BARS), atol=1e-7)
    np.testing.assert_allclose(model.inverse_transform(model.transform(BARS)), V, atol=1e-7)
    np.testing.assert_allclose(((V - BARS) ** 2).sum(axis=1), -model.score_samples(BARS), atol=1e-6)
    stream = np.concatenate(list(model.transform(iter([BARS[:7], BARS[7:]]))))
    np.testing.assert_allclose(stream, model.transform(BARS), atol=1e-12)


def test_a_net_becomes_the_layers_of_a_classifier():
    y = (BARS @ [1, 0, 1, 0]).astype(int)
    for settings, X in (({}, BARS), ({"visible": "gaussian", "pretrain_rate": 0.1}, 3 * BARS + 1)):
        belief = DeepBeliefNetwork([5, 4], max_iter=1, **settings, **QUICK).fit(X)
        net = NetworkClassifier.from_pipeline(belief.to_pipeline(), max_iter=1, learning_rate=1e-12, tol=0).fit(X, y)
        np.testing.assert_allclose(net.transform(X), belief.transform(X), atol=2e-6)
        whole = NetworkClassifier.from_pipeline(belief, max_iter=1, learning_rate=1e-12, tol=0).fit(X, y)
        np.testing.assert_allclose(whole.transform(X), belief.transform(X), atol=2e-6)


def test_targets_that_are_no_labels():
    y = np.linspace(0, 1, 60)
    model = DeepBeliefNetwork([4, 3], max_iter=2, **QUICK)
    assert make_pipeline(model, Ridge()).fit(BARS, y).predict(BARS).shape == (60,)
    with pytest.raises(ValueError, match="y holds values that are continuous"):
        clone(model).set_params(labels=True).fit(BARS, y)
    with pytest.raises(ValueError, match="y holds a single class"):
        clone(model).set_params(labels=True).fit(BARS, np.ones(60))
    with pytest.raises(ValueError, match=r"labels=True needs the labels: fit\(X, y\)"):
        clone(model).set_params(labels=True).fit(BARS)
    assert not hasattr(clone(model).set_params(labels=False).fit(BARS, NAMES), "predict")
    again = clone(model).fit(BARS, NAMES)
    assert hasattr(again, "predict_proba")
    assert not hasattr(again.fit(BARS), "predict_proba")
    assert not hasattr(again, "classes_")
    with pytest.raises(ValueError, match=r"sample\(label=\.\.\.\) needs labels"):
        again.sample(label="left")
    again.fit(BARS, NAMES)
    with pytest.raises(ValueError, match=r"label='up' was not learned; classes_ are \['both', 'left', 'right'\]"):
        again.sample(2, label=["left", "up"])
    with pytest.raises(ValueError, match=r"label has shape \(3,\), and n_samples=2"):
        again.sample(2, label=["left"] * 3)


def test_early_stopping_watches_the_labels():
    X, y = load_digits(return_X_y=True)
    X = X[:600] / 16
    model = DeepBeliefNetwork(
        [30, 30], max_iter=30, weight_decay=0, early_stopping=True, n_iter_no_change=3, learning_rate=0.3, **QUICK
    ).fit(X, y[:600])
    curve = model.validation_curve_
    assert len(curve) == model.n_iter_ == len(model.loss_curve_)
    best = int(curve.argmin())
    assert model.n_iter_ == 30 or model.n_iter_ == best + 4
    held = np.sort(np.random.RandomState(0).permutation(600)[:60])
    proba = model.predict_proba(X[held])[np.arange(60), y[held]]
    assert -np.log(proba).mean() == pytest.approx(curve[best], rel=1e-5)
    with pytest.raises(ValueError, match="early_stopping=True judges the labels"):
        clone(model).fit(X)
    with pytest.raises(ValueError, match="y holds a single class"):
        clone(model).fit(X, np.ones(600))


class Interrupt:
    """Presses Ctrl-C after so many epochs of a part."""

    max_propagation_depth = None

    def __init__(self, part, epochs):
        self.part, self.left = part, epochs

    def setup(self, estimator, context):
        """Nothing."""

    teardown = on_fit_task_begin = lambda self, *args, **kwargs: None

    def on_fit_task_end(self, estimator, context, *, metadata=None):
        """Count."""
        if metadata and context.parent.task_name == self.part:
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
        return False


def test_an_interrupt_ends_a_part_and_keeps_what_it_learned():
    model = DeepBeliefNetwork([4, 3], max_iter=9, **QUICK)
    with pytest.warns(ConvergenceWarning, match="layer 1: interrupted, so the fit ends after 5 iterations"):
        early = clone(model).set_callbacks(Interrupt("layer 1", 5)).fit(BARS)
    assert [len(curve) for curve in early.pretrain_curves_] == [5, 20]
    assert early.n_iter_ == 9
    with pytest.warns(ConvergenceWarning, match="up-down: interrupted, so the fit ends after 4 iterations"):
        late = clone(model).set_callbacks(Interrupt("up-down", 4)).fit(BARS)
    assert late.n_iter_ == 4
    assert np.isfinite(late.transform(BARS)).all()

    def at_once(*args, **kwargs):
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(UpDown, "gradient", at_once)
        with pytest.warns(ConvergenceWarning, match="ends after 40 iterations"):
            kept = clone(model).fit(BARS)
    assert kept.n_iter_ == 0
    np.testing.assert_array_equal(kept.transform(BARS), clone(model).set_params(max_iter=0).fit(BARS).transform(BARS))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JointDivergence, "gradient", at_once)
        fresh = clone(model)
        with pytest.raises(KeyboardInterrupt):
            fresh.fit(BARS)
        assert not hasattr(fresh, "net_")


def test_same_seed_same_net_in_either_precision():
    model = DeepBeliefNetwork([4, 3], max_iter=5, **QUICK)
    one, two, other = (clone(model).set_params(random_state=s).fit(BARS, NAMES) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.transform(BARS), two.transform(BARS))
    assert np.abs(one.transform(BARS) - other.transform(BARS)).max() > 1e-3
    np.testing.assert_array_equal(one.sample(9, random_state=3), two.sample(9, random_state=3))
    short = clone(model).set_params(random_state=1).fit(BARS.astype(np.float32), NAMES)
    assert short.transform(BARS.astype(np.float32)).dtype == np.float32
    assert short.net_.params["R1"].dtype == np.float32
    np.testing.assert_allclose(short.transform(BARS), one.transform(BARS), atol=1e-3)
    again = pickle.loads(pickle.dumps(one))
    np.testing.assert_array_equal(again.predict_proba(BARS), one.predict_proba(BARS))


def test_bad_input_is_refused_by_name():
    model = DeepBeliefNetwork([4, 3], max_iter=1, **QUICK)
    with pytest.raises(ValueError, match=r"DeepBeliefNetwork: visible='binary' takes values in \[0, 1\]"):
        model.fit(255 * BARS)
    with pytest.raises(ValueError, match=r"needs them in an array or an np\.memmap"):
        model.fit(lambda: iter([BARS]))
    with pytest.raises(ValueError, match=r"n_components=\[\] is not valid"):
        clone(model).set_params(n_components=[]).fit(BARS)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.fit(BARS, NAMES[:9])
    with pytest.raises(ValueError, match=r"DeepBeliefNetwork: up-down: training diverged in epoch 1"):
        clone(model).set_params(visible="gaussian", learning_rate=1e20).fit(BARS)
    model.fit(BARS)
    with pytest.raises(ValueError, match="layer=3 is not valid; pass None or an integer of at most 2"):
        model.transform(BARS, layer=3)
    with pytest.raises(ValueError, match="log_z='much' is not valid"):
        model.log_likelihood(BARS, log_z="much")
    with pytest.raises(ValueError, match="call it on each chunk"):
        model.log_likelihood(iter([BARS]))
    with pytest.raises(ValueError, match="n_samples=0 is not valid"):
        model.sample(0)


def test_idle_layers_are_named():
    slow = DeepBeliefNetwork(
        [5, 3], pretrain_rate=1e-9, pretrain_iter=1, max_iter=0, random_state=0, visible="gaussian"
    )
    with pytest.warns(
        UserWarning, match=r"DeepBeliefNetwork: layer 2: of 3 units, 3 are constant .*raise pretrain_iter"
    ):
        slow.fit(np.random.default_rng(0).normal(size=(50, 3)))


def test_a_search_over_layers():
    grid = {"n_components": [[3], [3, 2]], "max_iter": [1]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        search = GridSearchCV(DeepBeliefNetwork(**QUICK), grid, cv=2, scoring="accuracy").fit(BARS[::-1], NAMES[::-1])
    assert "n_components" in search.best_params_
