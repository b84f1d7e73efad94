"""RBM against enumeration, finite differences, numerical integration, automatic gradients and scikit-learn.

Also tests featlearn.kernels.bernoulli, featlearn.vectors.rbm_energy and featlearn.vectors.rbm_machine.
"""

import itertools
import pickle
import warnings

import numpy as np
import pytest
from scipy.special import expit, logsumexp
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import BernoulliRBM
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks

from featlearn.kernels.bernoulli import bernoulli_rows, draw_rows, new_key
from featlearn.training import Batch, Draws, GradientDescent, minimize, shards
from featlearn.vectors import rbm_energy
from featlearn.vectors.rbm import RBM
from featlearn.vectors.rbm_energy import (
    ContrastiveDivergence,
    Divergence,
    PersistentDivergence,
    draw_hidden,
    free_energy,
)
from tests.test_battery import EXTRA_CHECKS

KINDS = [(v, h) for v in ("binary", "gaussian") for h in ("binary", "relu")]
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def states(n):
    """All 2^n states of n units."""
    return np.array(list(itertools.product([0.0, 1.0], repeat=n)))


def small(visible="binary", d=4, K=3, seed=0, variance=False, scale=1.0):
    """A random machine."""
    rng = np.random.default_rng(seed)
    params = {
        "W": scale * rng.normal(size=(K, d)),
        "b": 0.5 * rng.normal(size=K),
        "c": 0.5 * rng.normal(size=d),
    }
    return params | ({"z": 0.4 * rng.normal(size=d)} if variance else {})


def fitted(params, visible="binary", hidden="binary", mean=None, **settings):
    """An RBM with given parameters."""
    K, d = params["W"].shape
    rbm = RBM(K, visible=visible, hidden=hidden, learn_variance="z" in params, **settings)
    rbm.components_, rbm.intercept_hidden_, rbm.intercept_visible_ = params["W"], params["b"], params["c"]
    rbm.n_features_in_, rbm.visible_mean_ = d, np.full(d, 0.5) if mean is None else mean
    if visible == "gaussian":
        rbm.variance_ = np.exp(params["z"]) if "z" in params else np.ones(d)
    return rbm


def joint(params, v, h):
    """exp(-E(v, h)) summed by the definition of the energy, over every v and h of a binary machine."""
    W, b, c = params["W"], params["b"], params["c"]
    return np.array([[np.exp(x @ c + y @ b + y @ W @ x) for y in h] for x in v])


def log_likelihood(params, X):
    """Mean log p of rows of a binary machine, by enumeration."""
    d, K = len(params["c"]), len(params["b"])
    z = joint(params, states(d), states(K)).sum()
    return np.log(joint(params, X, states(K)).sum(axis=1) / z).mean()


def run_gradient(objective, params, x, seed=0, *state):
    """The gradient of one shard: the loss (and the state after it), and the gradients."""
    own, common = (np.random.Generator(np.random.SFC64([seed, i])) for i in range(2))
    grads = {name: np.full_like(p, np.nan) for name, p in params.items()}
    program = objective.gradient(params, Batch(x), Draws(common, own, True), grads, *state)
    total = None
    while True:
        try:
            total = program.send(total)
        except StopIteration as stop:
            return stop.value, grads


def difference(f, params, eps=1e-6):
    """The gradient of f(params) by central differences."""
    out = {}
    for name, p in params.items():
        out[name] = np.empty_like(p)
        for i in np.ndindex(p.shape):
            up, down = ({k: v.copy() for k, v in params.items()} for _ in range(2))
            up[name][i] += eps
            down[name][i] -= eps
            out[name][i] = (f(up) - f(down)) / (2 * eps)
    return out


def bars(side=3, n=200, seed=0):
    """Bars and stripes: rows, or columns, of a square are on."""
    rng = np.random.default_rng(seed)
    on = rng.random((n, side)) < 0.5
    squares = np.repeat(on[:, :, None], side, axis=2)
    squares = np.where(rng.random((n, 1, 1)) < 0.5, squares, squares.transpose(0, 2, 1))
    return squares.reshape(n, -1).astype(float)


# --- the model ----------------------------------------------------------------------------------------------------


def test_p_of_v_is_in_proportion_to_exp_minus_free_energy():
    params = small()
    v, h = states(4), states(3)
    p = joint(params, v, h).sum(axis=1)
    found = np.exp(-fitted(params).free_energy(v))
    np.testing.assert_allclose(found / found.sum(), p / p.sum(), rtol=1e-12)


def test_codes_and_their_inverse_are_conditional_means():
    params = small()
    v, h = states(4), states(3)
    table = joint(params, v, h)
    rbm = fitted(params)
    np.testing.assert_allclose(rbm.transform(v), table @ h / table.sum(axis=1, keepdims=True), rtol=1e-12)
    expected = (table.T @ v) / table.sum(axis=0)[:, None]
    np.testing.assert_allclose(rbm.inverse_transform(h), expected, rtol=1e-12)


@pytest.mark.parametrize("variance", [False, True])
def test_gaussian_free_energy_is_that_of_the_joint_density(variance):
    """sum over h of exp(-E(v, h)), E by its definition; and Z by numerical integration over two visibles."""
    params = small("gaussian", d=2, variance=variance)
    s2 = np.exp(params["z"]) if variance else np.ones(2)
    W, b, c = params["W"], params["b"], params["c"]
    v = np.random.default_rng(1).normal(size=(5, 2))
    energy = [[((x - c) ** 2 / (2 * s2)).sum() - y @ b - y @ W @ (x / s2) for y in states(3)] for x in v]
    rbm = fitted(params, "gaussian")
    np.testing.assert_allclose(rbm.free_energy(v), -logsumexp(-np.array(energy), axis=1), rtol=1e-12)
    axis = np.linspace(-15, 15, 601)  # sums over a grid converge at once for functions as smooth as this
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    log_z = logsumexp(-rbm.free_energy(grid)) + 2 * np.log(axis[1] - axis[0])
    assert rbm.log_partition().value == pytest.approx(log_z, abs=1e-8)


def test_gaussian_codes_and_means():
    params = small("gaussian", variance=True)
    rbm, v = fitted(params, "gaussian"), np.random.default_rng(0).normal(size=(6, 4))
    np.testing.assert_allclose(
        rbm.transform(v), expit(params["b"] + (v / np.exp(params["z"])) @ params["W"].T), rtol=1e-10
    )
    h = states(3)
    np.testing.assert_allclose(rbm.inverse_transform(h), params["c"] + h @ params["W"], rtol=1e-12)


def test_rectified_codes_are_rectified_means():
    params = small()
    v = states(4)
    codes = fitted(params, hidden="relu").transform(v)
    np.testing.assert_allclose(codes, np.maximum(v @ params["W"].T + params["b"], 0), atol=1e-12)
    assert (codes == 0).any()


@DTYPES
def test_free_energy_of_huge_inputs_is_finite(dtype):
    params = {"W": np.array([[1000.0], [-1000.0]]), "b": np.zeros(2), "c": np.zeros(1)}
    energy = fitted(params).free_energy(np.array([[1.0], [0.0]], dtype))
    np.testing.assert_allclose(energy, [-1000, -2 * np.log(2)], rtol=1e-6)
    assert energy.dtype == dtype


# --- the gradient -------------------------------------------------------------------------------------------------


def exact_gradient(params, X):
    """Of the mean negative log-likelihood, by enumeration: statistics of the data minus those of the model."""
    v, h = states(len(params["c"])), states(len(params["b"]))
    p = joint(params, v, h)
    p /= p.sum()

    def statistics(weights, v):
        return {
            "W": -(weights @ h).T @ v,
            "b": -(weights @ h).sum(axis=0),
            "c": -(weights.sum(axis=1)) @ v,
        }

    data = joint(params, X, h)
    data /= data.sum(axis=1, keepdims=True) * len(X)
    model = statistics(p, v)
    return {name: value - model[name] for name, value in statistics(data, X).items()}


def test_long_chains_approach_the_gradient_of_the_likelihood():
    W = 3 * np.array([[1.0, 1, 1, 1], [1, 1, -1, -1], [1, -1, 0, 0]])  # two modes, far apart
    params = {"W": W, "b": np.array([-6.0, 0, -1.5]), "c": np.array([0.1, -0.1, 0.2, 0]) - W.sum(axis=0) / 2}
    X = np.tile(states(4)[[15, 14]], (10_000, 1))
    exact = exact_gradient(params, X[:2])
    finite = difference(lambda p: -log_likelihood(p, X[:2]), params)
    gaps = []
    for k in (2, 5, 40):
        _, grads = run_gradient(ContrastiveDivergence(3, k=k), params, X)
        gaps.append(max(abs(grads[n] - exact[n]).max() for n in exact))
    for name in exact:
        np.testing.assert_allclose(exact[name], finite[name], atol=1e-8)
    assert gaps[0] > 0.1  # few steps are biased, or the test would show nothing
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 0.02


def test_persistent_chains_approach_the_gradient_of_the_likelihood():
    params = small(scale=2.0)
    X = states(4)[[0, 3, 12, 15]]
    objective, exact, gaps = PersistentDivergence(3, n_chains=20_000), exact_gradient(params, X), []
    state = objective.init_state(params, Batch(X))
    for seed in range(40):
        (_, state), grads = run_gradient(objective, params, X, seed, state)
        gaps.append(max(abs(grads[n] - e).max() for n, e in exact.items()))
    first, last = gaps[0], gaps[-1]
    assert first > 0.1
    assert last < 0.02


@pytest.mark.parametrize(
    ("visible", "hidden", "variance"),
    [(*kind, False) for kind in KINDS] + [(*kind, True) for kind in KINDS if kind[0] == "gaussian"],
)
@pytest.mark.parametrize("k", [1, 2])
def test_the_gradient_is_that_of_the_difference_of_free_energies(monkeypatch, visible, hidden, k, variance):
    """Finite differences of mean F(v0) - mean F(vk), with vk as the gradient made it."""
    params = small(visible, variance=variance, scale=0.6)
    x = states(4)[::2] if visible == "binary" else np.random.default_rng(0).normal(size=(8, 4))
    seen = []
    for name in ("visible_mean", "draw_visible"):
        f = getattr(rbm_energy, name)
        monkeypatch.setattr(rbm_energy, name, lambda *a, f=f: seen.append(f(*a)) or seen[-1])
    objective = ContrastiveDivergence(3, visible, hidden, k=k, learn_variance=variance)
    error, grads = run_gradient(objective, params, x)
    vk = seen[-1]

    def contrast(p):
        return free_energy(x, p, visible, hidden).mean() - free_energy(vk, p, visible, hidden).mean()

    expected = difference(contrast, params)
    for name in params:
        np.testing.assert_allclose(grads[name], expected[name], atol=2e-8)
    drawn = k > 1 or variance
    assert bool(visible == "binary" and np.isin(vk, [0, 1]).all()) == bool(visible == "binary" and drawn)
    if not drawn:
        assert error == pytest.approx(((vk - x) ** 2).sum(axis=1).mean())


@pytest.mark.parametrize("weights", [False, True])
def test_sparsity_adds_excess_activation_to_the_gradient(weights):
    params, x = small(), states(4)
    _, plain = run_gradient(ContrastiveDivergence(3), params, x)
    objective = ContrastiveDivergence(3, sparsity_target=0.1, sparsity_cost=2.0, sparsity_weights=weights)
    _, pulled = run_gradient(objective, params, x)
    excess = 2.0 * (expit(x @ params["W"].T + params["b"]).mean(axis=0) - 0.1)
    np.testing.assert_allclose(pulled["b"] - plain["b"], excess, atol=1e-12)
    np.testing.assert_allclose(pulled["W"] - plain["W"], weights * np.outer(excess, x.mean(axis=0)), atol=1e-12)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize(("visible", "hidden"), KINDS)
def test_automatic_gradient_equals_the_difference_of_statistics(visible, hidden, k):
    pytest.importorskip("keras", reason="pip install 'featlearn[deep]'")
    from keras import ops

    from featlearn.kernels.backend import value_and_grad

    variance = visible == "gaussian" and k == 1
    params = small(visible, variance=variance, scale=0.6)
    x = states(4)[::2] if visible == "binary" else np.random.default_rng(0).normal(size=(8, 4))
    objective = ContrastiveDivergence(
        3, visible, hidden, k=k, learn_variance=variance, sparsity_target=0.2, sparsity_cost=0.5, sparsity_weights=True
    )
    tensors = {n: ops.convert_to_tensor(p) for n, p in params.items()}
    seed, batch = ops.convert_to_tensor(np.array([3, 4], np.int32)), ops.convert_to_tensor(x)
    value, grads = value_and_grad(objective.loss)(tensors, Batch(batch), seed)
    reconstruction, vk = (ops.convert_to_numpy(t) for t in objective.negatives(tensors, batch, seed))
    y, yk = (v / np.exp(params["z"]) if variance else v for v in (x, vk))
    a, ak = (u @ params["W"].T + params["b"] for u in (y, yk))
    f = expit if hidden == "binary" else lambda a: np.maximum(a, 0)
    excess = 0.5 * (f(a).mean(axis=0) - 0.2)
    expected = {
        "W": (f(ak).T @ yk - f(a).T @ y) / 8 + np.outer(excess, y.mean(axis=0)),
        "b": f(ak).mean(axis=0) - f(a).mean(axis=0) + excess,
        "c": yk.mean(axis=0) - y.mean(axis=0),
    }
    for name, g in expected.items():
        found = ops.convert_to_numpy(grads[name])
        np.testing.assert_allclose(found, g, atol=1e-10 if found.dtype == np.float64 else 1e-5)  # JAX keeps float32
    assert float(value) == pytest.approx(((reconstruction - x) ** 2).sum(axis=1).mean(), rel=1e-5)
    if k > 1 and visible == "binary":
        assert set(np.unique(vk)) <= {0, 1}
    assert not np.allclose(vk, x)


def test_both_engines_learn_the_same_reconstruction():
    pytest.importorskip("keras", reason="pip install 'featlearn[deep]'")
    X = bars()
    curves = [
        RBM(12, learning_rate=0.05, max_iter=15, batch_size=20, engine=engine, random_state=0).fit(X).loss_curve_
        for engine in ("numpy", "keras")
    ]
    assert curves[0][-1] < 0.7 * curves[0][0]
    np.testing.assert_allclose(curves[0][:8], curves[1][:8], rtol=0.15)  # their draws differ


def test_shards_make_the_same_gradient(monkeypatch):
    """Hidden units without noise: saturated, so that every shard draws what one would."""
    rng = np.random.RandomState(0)
    X = (rng.rand(40, 10) < 0.5).astype(float)
    results = []
    for parts in (1, 4):
        monkeypatch.setattr(shards, "n_shards", lambda *a, parts=parts: parts)
        objective = ContrastiveDivergence(8, sparsity_target=0.1, sparsity_cost=0.1)
        params = objective.init(10, np.random.RandomState(1), np.float64)
        params["W"] = np.sign(params["W"]) * 1000
        params["b"][:] = 500.5
        solver = GradientDescent("sgd", learning_rate=0.01)
        results.append(minimize(objective, X, params, solver, rng=np.random.RandomState(0), max_iter=2, batch_size=10))
    for name in ("W", "b", "c"):
        np.testing.assert_allclose(results[0].params[name], results[1].params[name], atol=1e-10)
    np.testing.assert_allclose(results[0].loss_curve, results[1].loss_curve)


@pytest.mark.parametrize(
    "settings", [{}, {"persistent": True}, {"visible": "gaussian", "learn_variance": True, "k": 2}]
)
def test_threads_do_not_change_a_bit(monkeypatch, settings):
    monkeypatch.setattr(shards, "n_shards", lambda *a: 4)
    X = np.random.RandomState(0).rand(300, 20).astype(np.float32)
    found = []
    for threads in (1, 2):
        monkeypatch.setattr(shards, "n_threads", lambda threads=threads: threads)
        found.append(RBM(16, max_iter=3, random_state=0, n_chains=30, learning_rate=0.01, **settings).fit(X))
    for name in ("components_", "intercept_hidden_", "intercept_visible_", "loss_curve_"):
        np.testing.assert_array_equal(getattr(found[0], name), getattr(found[1], name))


# --- learning -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, {"k": 5}, {"persistent": True, "max_iter": 200}], ids=str)
def test_training_raises_the_likelihood_of_bars_and_stripes(settings):
    X = bars()
    rbm = RBM(12, **{"batch_size": 20, "learning_rate": 0.05, "max_iter": 100, "random_state": 0} | settings).fit(X)
    before = fitted(ContrastiveDivergence(12).init(9, np.random.RandomState(0), np.float64))
    p = X.mean(axis=0)
    independent = (X * np.log(p) + (1 - X) * np.log(1 - p)).sum(axis=1).mean()
    learned = rbm.log_likelihood(X).mean()
    assert learned > max(independent, before.log_likelihood(X).mean()) + 1.5
    assert rbm.loss_curve_[-1] < rbm.loss_curve_[0]


@pytest.mark.filterwarnings("ignore:RBM. of 1 units, 1 are constant")  # it has no weights
def test_learned_variances_are_those_of_the_data():
    """With no weights the machine is a normal distribution, whose variances and means are known."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 3)) * [0.5, 1.0, 2.0] + [1.0, 0.0, -1.0]
    rbm = RBM(1, visible="gaussian", learn_variance=True, init_scale=0.0, weight_decay=10.0, learning_rate=0.05)
    rbm.set_params(max_iter=60, random_state=0, solver="sgd").fit(X)
    np.testing.assert_allclose(rbm.variance_, X.var(axis=0), rtol=0.15)
    np.testing.assert_allclose(rbm.inverse_transform(np.zeros((1, 1)))[0], X.mean(axis=0), atol=0.15)


def test_sparsity_pulls_the_mean_activation_to_the_target():
    X = load_digits().data[:500] / 16
    settings = {"n_components": 30, "max_iter": 20, "batch_size": 20, "random_state": 0}
    free = RBM(**settings).fit(X).transform(X).mean(axis=0)
    for weights in (False, True):
        held = RBM(sparsity_target=0.1, sparsity_cost=3.0, sparsity_weights=weights, **settings).fit(X)
        mean = held.transform(X).mean(axis=0)
        assert abs(mean - 0.1).max() < 0.08
        assert abs(free - 0.1).max() > 0.2


def test_weight_decay_leaves_biases_alone():
    x = bars()
    objective = ContrastiveDivergence(4)
    first = objective.init(9, np.random.RandomState(0), np.float64)
    first["b"][:], first["c"][:] = 0.3, -0.2
    steps = [
        minimize(
            objective,
            x,
            first,
            GradientDescent("sgd", 0.1),
            rng=np.random.RandomState(0),
            max_iter=1,
            batch_size=None,
            weight_decay=decay,
        ).params
        for decay in (0.0, 0.5)
    ]
    for name in ("b", "c"):
        np.testing.assert_array_equal(steps[0][name], steps[1][name])
    np.testing.assert_allclose(steps[0]["W"] - steps[1]["W"], 0.1 * 0.5 * first["W"], atol=1e-12)


def test_hinton_s_settings_are_the_default():
    solver = RBM()._solver()
    assert (solver.rule, solver.learning_rate) == ("momentum", 0.1)
    assert [solver.momentum_at(e) for e in (4, 5)] == [0.5, 0.9]
    assert RBM(300, visible="gaussian")._solver().learning_rate == 0.01
    assert RBM(1996, visible="gaussian")._solver().learning_rate == 0.002
    assert RBM(300, visible="gaussian", learn_variance=True)._solver().learning_rate == 0.001
    assert RBM(visible="gaussian", hidden="relu")._solver().learning_rate == 0.001
    persistent = RBM(persistent=True)._solver()
    assert (persistent.learning_rate, persistent.momentum) == (0.05, 0.5)
    assert RBM(solver="adam")._solver().learning_rate is None
    assert RBM(hidden="relu")._solver().learning_rate == 0.001
    assert RBM(visible="gaussian", learning_rate=0.3)._solver().learning_rate == 0.3
    assert RBM(solver=GradientDescent("momentum", momentum=0.7))._solver().momentum == 0.7


def test_first_visible_biases():
    X = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    settings = {"n_components": 2, "learning_rate": 1e-12, "max_iter": 1, "random_state": 0}
    assert abs(RBM(**settings).fit(X).intercept_visible_).max() < 1e-9
    c = RBM(init_visible="data", **settings).fit(X).intercept_visible_
    np.testing.assert_allclose(expit(c), [4.5 / 5, 1.5 / 5], rtol=1e-8)
    c = RBM(init_visible="data", visible="gaussian", **settings).fit(X).intercept_visible_
    np.testing.assert_allclose(c, [1, 0.25], atol=1e-8)


# --- persistent chains --------------------------------------------------------------------------------------------


def test_chains_persist_over_batches_and_epochs(monkeypatch):
    """Each gradient starts its chains where the one before left them."""
    starts, ends = [], []
    gradient = PersistentDivergence.gradient

    def followed(self, params, batch, draws, grads, state):
        starts.append(state["chains"].copy())
        loss, state = yield from gradient(self, params, batch, draws, grads, state)
        ends.append(state["chains"].copy())
        return loss, state

    monkeypatch.setattr(PersistentDivergence, "gradient", followed)
    X = bars()
    rbm = RBM(6, persistent=True, n_chains=7, batch_size=50, max_iter=3, random_state=0).fit(X)
    assert len(starts) == 12
    for end, start in itertools.pairwise(zip(ends, starts, strict=True)):
        np.testing.assert_array_equal(end[0], start[1])
    assert all((a != b).any() for a, b in zip(starts, ends, strict=True))
    np.testing.assert_array_equal(rbm.chains_, ends[-1])
    assert rbm.chains_.shape == (7, 9)
    starts.clear()
    before = rbm.chains_.copy()
    rbm.partial_fit(X[:50])
    np.testing.assert_array_equal(starts[0], before)
    starts.clear()
    before = rbm.chains_.copy()
    rbm.set_params(warm_start=True).fit(X)
    np.testing.assert_array_equal(starts[0], before)
    starts.clear()
    rbm.set_params(warm_start=False).fit(X)
    assert np.isin(starts[0], X).all()
    assert (starts[0] != rbm.chains_).any()


@pytest.mark.parametrize("visible", ["binary", "gaussian"])
def test_samples_held_out_do_not_move_the_chains(visible):
    X = np.random.RandomState(0).rand(200, 10)
    settings = {"visible": visible, "persistent": True, "max_iter": 4, "random_state": 0}
    held = RBM(8, early_stopping=True, **settings).fit(X)
    order = np.random.RandomState(0).permutation(200)
    objective, rng = held._objective(), np.random.RandomState(0)
    rng.permutation(200)
    rows = X[np.sort(order[20:])]
    plain = minimize(
        objective,
        rows,
        objective.init(10, rng, np.float64),
        held._solver(),
        rng=rng,
        max_iter=1 + int(np.argmin(held.validation_curve_)),  # chains are those of the parameters that are kept
        weight_decay=held.weight_decay,
        prepare=held._learned_standardizer(),
    )
    chains = plain.memory.state["chains"] * getattr(held, "scale_", 1) + getattr(held, "mean_", 0)
    np.testing.assert_array_equal(held.chains_, chains)
    assert len(held.validation_curve_) == held.n_iter_ == 4


def test_chains_have_one_home():
    rbm = RBM(8, persistent=True, n_chains=4, max_iter=2, random_state=0).fit(bars())
    assert [name for name in vars(rbm) if "chains" in name] == ["n_chains", "chains_"]
    assert rbm._memory.state == {}
    assert pickle.dumps(rbm).count(rbm.chains_.tobytes()) == 1
    assert hash(rbm._objective()) == hash(rbm._objective())  # plain settings, and nothing that moves


# --- sampling -----------------------------------------------------------------------------------------------------


@DTYPES
def test_draws_are_uniform_and_independent(dtype):
    rng = np.random.Generator(np.random.SFC64(0))
    p = np.linspace(0, 1, 21, dtype=dtype)
    P = np.tile(p, (20_000, 5))
    bernoulli_rows(P, new_key(rng))
    assert P[:, 0].max() == 0
    assert P[:, 20].min() == 1
    counts = P.reshape(-1, 5, 21).mean(axis=(0, 1))
    np.testing.assert_allclose(counts, p, atol=5 * 0.5 / np.sqrt(100_000))
    columns = np.corrcoef(P[:, 1:20].T)
    assert abs(columns - np.eye(19)).max() < 5 / np.sqrt(20_000)
    halves = [np.full((500, 500), 0.5, dtype) for _ in range(2)]
    for H in halves:
        bernoulli_rows(H, new_key(rng))
    for A, B in ((halves[0], halves[1]), (halves[0][:-1], halves[0][1:]), (halves[0][:, :-1], halves[0][:, 1:])):
        assert abs(((A - 0.5) * (B - 0.5)).mean()) * 4 < 5 / np.sqrt(A.size)


def test_draw_rows_gives_states_and_weighted_probabilities():
    Z = np.random.default_rng(0).normal(size=(20_000, 3)) * 0 + [-1.0, 0.0, 2.0]
    bias, means = np.array([0.5, 0.0, 0.5]), np.empty((20_000, 3))
    p = expit(Z[0] + bias)
    draw_rows(Z, bias, new_key(np.random.Generator(np.random.SFC64(0))), -0.1, means)
    np.testing.assert_allclose(means, np.tile(-0.1 * p, (20_000, 1)), rtol=1e-12)
    np.testing.assert_allclose(Z.mean(axis=0), p, atol=0.02)


def test_rectified_units_are_drawn_with_the_noise_of_nair_and_hinton():
    a = np.array([-1.0, 0.0, 1.0, 3.0])
    means = np.empty((100_000, 4))
    rng = np.random.Generator(np.random.SFC64(0))
    h = draw_hidden(np.tile(a, (100_000, 1)), np.zeros(4), "relu", rng, 1.0, means)
    reference = np.maximum(a + np.sqrt(expit(a)) * np.random.default_rng(1).normal(size=(100_000, 4)), 0)
    np.testing.assert_allclose(h.mean(axis=0), reference.mean(axis=0), atol=0.02)
    np.testing.assert_allclose(h.std(axis=0), reference.std(axis=0), atol=0.02)
    np.testing.assert_array_equal(means[0], np.maximum(a, 0))


def test_gibbs_sampling_reaches_the_model_s_distribution():
    params = small(scale=0.8)
    v = states(4)
    p = joint(params, v, states(3)).sum(axis=1)
    p /= p.sum()
    rbm = fitted(params)
    drawn = rbm.sample(20_000, n_steps=30, random_state=0)
    counts = np.bincount((drawn @ [8, 4, 2, 1]).astype(int), minlength=16)
    chi_square = ((counts - 20_000 * p) ** 2 / (20_000 * p)).sum()
    assert chi_square < 40  # 15 degrees of freedom; 37.7 is one in a thousand
    start = np.zeros((20_000, 4))
    near = np.bincount((rbm.gibbs(start, random_state=0) @ [8, 4, 2, 1]).astype(int), minlength=16)
    assert ((near - 20_000 * p) ** 2 / (20_000 * p)).sum() > 100


def test_gaussian_sampling_reaches_the_model_s_moments():
    params = small("gaussian", d=2, variance=True, scale=0.5)
    rbm, h = fitted(params, "gaussian"), states(3)
    s2 = np.exp(params["z"])
    mean = params["c"] + h @ params["W"]
    log_p = h @ params["b"] + ((mean**2 - params["c"] ** 2) / (2 * s2)).sum(axis=1)
    p = np.exp(log_p - logsumexp(log_p))
    drawn = rbm.sample(20_000, n_steps=30, random_state=0)
    np.testing.assert_allclose(drawn.mean(axis=0), p @ mean, atol=0.05)
    np.testing.assert_allclose((drawn**2).mean(axis=0), p @ (mean**2) + s2, rtol=0.06)


def test_random_states_decide_the_draws():
    rbm = fitted(small())
    v = np.zeros((200, 4))
    np.testing.assert_array_equal(rbm.gibbs(v, 3, random_state=1), rbm.gibbs(v, 3, random_state=1))
    assert (rbm.gibbs(v, 3, random_state=1) != rbm.gibbs(v, 3, random_state=2)).any()
    assert (rbm.gibbs(v) != rbm.gibbs(v)).any()
    np.testing.assert_array_equal(rbm.gibbs(v, 0), v)
    np.testing.assert_array_equal(rbm.sample(70, 2, random_state=1), rbm.sample(70, 2, random_state=1))
    assert not v.any()


# --- scores -------------------------------------------------------------------------------------------------------


def test_pseudo_likelihood_by_enumeration():
    params = small(scale=1.5)
    v = states(4)
    p = joint(params, v, states(3)).sum(axis=1)
    expected = []
    for i in range(16):
        flipped = [i ^ (1 << (3 - j)) for j in range(4)]
        expected.append(sum(np.log(p[i] / (p[i] + p[f])) for f in flipped))
    np.testing.assert_allclose(fitted(params).score_samples(v), expected, rtol=1e-10)
    assert fitted(params).score(v) == pytest.approx(np.mean(expected))


@pytest.mark.parametrize("hidden", ["binary", "relu"])
def test_pseudo_likelihood_is_made_of_free_energies(hidden):
    """Flips one by one; values between 0 and 1, more hidden units than a product can take, and huge weights."""
    rng = np.random.default_rng(0)
    for scale in (0.3, 20.0, 100.0):
        params = small(d=5, K=300, scale=scale)
        rbm, X = fitted(params, hidden=hidden), rng.random((6, 5))
        expected = np.zeros(6)
        for j in range(5):
            flipped = X.copy()
            flipped[:, j] = 1 - X[:, j]
            expected -= np.logaddexp(0, rbm.free_energy(X) - rbm.free_energy(flipped))
        np.testing.assert_allclose(rbm.score_samples(X), expected, rtol=1e-6)


def test_scores_are_the_mean_of_scikit_learn_s():
    """Theirs flips one random feature; its average over draws is ours."""
    X = (load_digits().data[:40] > 7).astype(float)
    peer = BernoulliRBM(20, random_state=0, n_iter=5).fit(X)
    params = {"W": peer.components_, "b": peer.intercept_hidden_, "c": peer.intercept_visible_}
    rbm = fitted({k: np.ascontiguousarray(v) for k, v in params.items()})
    np.testing.assert_allclose(rbm.free_energy(X), peer._free_energy(X), rtol=1e-12)
    np.testing.assert_allclose(rbm.transform(X), peer.transform(X), rtol=1e-10)
    draws = []
    for seed in range(1500):
        peer.random_state = seed
        draws.append(peer.score_samples(X))
    error = np.std(draws, axis=0) / np.sqrt(1500)
    assert (abs(np.mean(draws, axis=0) - rbm.score_samples(X)) < 5 * error).all()


@pytest.mark.parametrize("hidden", ["binary", "relu"])
@pytest.mark.parametrize("standardize", [True, False])
def test_gaussian_scores_are_squared_errors_of_the_reconstruction(hidden, standardize):
    X = np.random.default_rng(0).normal(size=(60, 5)) * [1, 2, 3, 4, 50] + 10
    rbm = RBM(3, visible="gaussian", hidden=hidden, standardize=standardize, learning_rate=1e-4, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if not standardize else "error")
        rbm.fit(X)
    expected = -(((rbm.inverse_transform(rbm.transform(X)) - X) / rbm.scale_) ** 2).sum(axis=1)
    np.testing.assert_allclose(rbm.score_samples(X), expected, rtol=1e-9)
    assert rbm.score(X) == pytest.approx(expected.mean())


def test_anomalies_score_low_at_the_end_of_a_pipeline():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(500, 2)) @ rng.normal(size=(2, 12)) + 0.1 * rng.normal(size=(500, 12)) + 1000
    odd = 3 * rng.normal(size=(20, 12)) + 1000
    scores = make_pipeline(StandardScaler(), RBM(16, visible="gaussian", max_iter=100, random_state=0)).fit(table)
    assert np.median(scores.score_samples(odd)) < np.quantile(scores.score_samples(table), 0.05)


def test_streams_and_dask_give_what_an_array_gives():
    X = np.random.default_rng(0).random((500, 9)).astype(np.float32)
    rbm = RBM(5, max_iter=2, random_state=0).fit(X)
    for method in ("transform", "free_energy", "score_samples"):
        f = getattr(rbm, method)
        np.testing.assert_allclose(np.concatenate(list(f(iter([X[:200], X[200:]])))), f(X), rtol=1e-4)
        assert f(X).dtype == np.float32
    codes = rbm.transform(X)
    np.testing.assert_allclose(np.concatenate(list(rbm.inverse_transform(iter([codes])))), rbm.inverse_transform(codes))
    assert rbm.score(lambda: iter([X[:100], X[100:]])) == pytest.approx(rbm.score(X), rel=1e-5)
    dask_array = pytest.importorskip("dask.array", reason="pip install 'featlearn[dask]'")
    lazy = rbm.free_energy(dask_array.from_array(X, chunks=(200, 9)))
    np.testing.assert_allclose(lazy.compute(scheduler="synchronous"), rbm.free_energy(X), rtol=1e-4)


# --- manners ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_components": 0}, "n_components=0 is not valid; pass an integer of at least 1"),
        ({"k": 0}, "k=0 is not valid; pass an integer of at least 1"),
        ({"visible": "ternary"}, "visible='ternary' is not valid; pass one of 'binary', 'gaussian'"),
        ({"hidden": "tanh"}, "hidden='tanh' is not valid; pass one of 'binary', 'relu'"),
        ({"n_chains": 0}, "n_chains=0 is not valid"),
        ({"solver": "lbfgs"}, "solver='lbfgs' needs an objective with a value"),
        ({"solver": "newton"}, "solver='newton' is not valid; pass one of 'sgd'"),
        ({"persistent": True, "engine": "keras"}, "persistent=True keeps its chains on the CPU"),
        ({"learn_variance": True}, "learn_variance=True needs visible='gaussian'"),
        ({"sparsity_cost": 0.1}, "needs a sparsity_target"),
        ({"sparsity_target": 1.0}, "pass a number between 0 and 1"),
        ({"init_visible": "ones"}, "init_visible='ones' is not valid"),
        ({"init_scale": -1}, "init_scale=-1 is not valid"),
        ({"weight_decay": -1}, "weight_decay=-1 is not valid"),
    ],
)
def test_bad_parameters_are_named(settings, message):
    with pytest.raises(ValueError) as caught:
        RBM(**settings).fit(np.zeros((4, 3)))
    assert message in str(caught.value)


@pytest.mark.parametrize("X", [np.array([[0.0, 1.5]]), np.array([[-0.25, 1.0]]), np.array([[0, 255]], np.uint8)])
def test_values_outside_0_and_1_are_named(X):
    with pytest.raises(ValueError, match=rf"between {X.min():.6g} and {X.max():.6g}.*visible='gaussian'"):
        RBM(2).fit(X)
    with pytest.raises(ValueError, match="takes values in"):
        RBM(2).partial_fit(X)
    RBM(2, visible="gaussian", max_iter=1).fit(X / 100)


def test_bad_questions_are_named():
    rbm = fitted(small())
    with pytest.raises(ValueError, match=r"takes codes of 3 columns; got an array of shape \(2, 4\)"):
        rbm.inverse_transform(np.zeros((2, 4)))
    with pytest.raises(ValueError, match="codes given to RBM contains NaN"):
        rbm.inverse_transform(np.full((2, 3), np.nan))
    with pytest.raises(ValueError, match="n_steps=-1 is not valid"):
        rbm.gibbs(np.zeros((1, 4)), n_steps=-1)
    with pytest.raises(ValueError, match="n_samples=0 is not valid"):
        rbm.sample(0)
    with pytest.raises(ValueError, match="call partial_fit on its chunks"):
        RBM(2).fit(iter([np.zeros((3, 2))]))


def test_divergence_names_the_learning_rate():
    X = 100 * np.random.default_rng(0).normal(size=(200, 5))
    with pytest.raises(ValueError, match=r"RBM: training diverged in epoch .* at learning rate 10"):
        RBM(5, visible="gaussian", hidden="relu", learning_rate=10.0, max_iter=50, random_state=0).fit(X)


def test_saturated_units_are_reported_with_numbers():
    X = bars()
    with pytest.warns(UserWarning, match=r"RBM: of 10 units, 10 are constant .* on 200 training rows.*init_scale"):
        RBM(10, learning_rate=1e-9, init_scale=1e4, max_iter=1, random_state=0).fit(X[:, :1] * 0 + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        RBM(10, learning_rate=0.1, max_iter=20, random_state=0).fit(X)


class Interrupt:
    """A callback that raises after epoch ``epoch``."""

    max_propagation_depth = None

    def __init__(self, epoch):
        self.epoch, self.seen = epoch, 0

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, metadata=None):
        self.seen += bool(metadata and "loss" in metadata)
        if self.seen == self.epoch:
            self.seen += 1
            raise KeyboardInterrupt


INTERRUPTED = pytest.mark.parametrize(
    "settings",
    [{}, {"persistent": True, "n_chains": 5}, {"visible": "gaussian"}, {"visible": "gaussian", "persistent": True}],
    ids=str,
)


@INTERRUPTED
def test_an_interrupt_keeps_the_epochs_made(settings):
    X = bars()
    expected = RBM(4, max_iter=3, random_state=0, **settings).fit(X)
    rbm = RBM(4, max_iter=9, random_state=0, **settings).set_callbacks(Interrupt(3))
    with pytest.warns(ConvergenceWarning, match="RBM: interrupted, so the fit ends after 3 iterations"):
        rbm.fit(X)
    np.testing.assert_array_equal(rbm.transform(X), expected.transform(X))
    assert rbm.n_iter_ == len(rbm.loss_curve_) == 3
    for name, value in expected.__dict__.items():
        if name.endswith("_"):
            np.testing.assert_array_equal(getattr(rbm, name), value, err_msg=name)
    np.testing.assert_array_equal(rbm.sample(3, 2, random_state=0), expected.sample(3, 2, random_state=0))
    rbm.set_params(warm_start=True, max_iter=2).fit(X)  # and may go on
    assert rbm.n_iter_ == 2


@INTERRUPTED
@pytest.mark.parametrize("kind", ["fresh", "fitted"])
def test_an_interrupt_within_an_epoch_loses_that_epoch_alone(settings, kind, monkeypatch):
    """From inside a gradient: of the fifth batch, in the third epoch; and of the first, before there is anything."""
    X, descent = bars(), Divergence.descent
    expected = RBM(4, max_iter=2, random_state=0, **settings).fit(X)
    made = []

    def interrupted(self, *given):
        made.append(1)
        if len(made) == last:
            raise KeyboardInterrupt
        return (yield from descent(self, *given))

    monkeypatch.setattr(Divergence, "descent", interrupted)
    last = 6
    rbm = RBM(4, max_iter=9, random_state=0, **settings)
    with pytest.warns(ConvergenceWarning, match="after 2 iterations"):
        rbm.fit(X)
    np.testing.assert_array_equal(rbm.transform(X), expected.transform(X))
    if rbm.persistent:
        np.testing.assert_array_equal(rbm.chains_, expected.chains_)
    made.clear()
    last = 1
    subject = RBM(4, **settings) if kind == "fresh" else rbm
    before = pickle.dumps(subject.__dict__)
    with pytest.raises(KeyboardInterrupt):
        subject.fit(X)
    assert pickle.dumps(subject.__dict__) == before


@pytest.mark.parametrize("settings", [{}, {"persistent": True}, {"visible": "gaussian", "learn_variance": True}])
@DTYPES
def test_pickle_clone_and_the_same_seed(settings, dtype):
    X = bars().astype(dtype)
    rbm = RBM(6, max_iter=3, random_state=0, **settings).fit(X)
    copy = pickle.loads(pickle.dumps(rbm))
    np.testing.assert_array_equal(copy.transform(X), rbm.transform(X))
    np.testing.assert_array_equal(clone(rbm).fit(X).components_, rbm.components_)
    copy.partial_fit(X)
    rbm.partial_fit(X)
    np.testing.assert_array_equal(copy.components_, rbm.components_)
    assert rbm.transform(X).dtype == rbm.components_.dtype == dtype
    assert rbm.n_iter_ == 4
    assert rbm.get_feature_names_out()[0] == "rbm0"


def test_warm_start_goes_on_and_asks_for_the_same_shapes():
    X = bars()
    rbm = RBM(6, max_iter=5, warm_start=True, random_state=0).fit(X)
    first = rbm.loss_curve_
    assert rbm.fit(X).loss_curve_[0] < first[0]
    with pytest.raises(ValueError, match=r"W \(6, 9\) instead of \(7, 9\)"):
        rbm.set_params(n_components=7).fit(X)
    assert rbm.components_.shape == (6, 9)


def test_another_kind_of_fit_keeps_nothing_of_the_one_before():
    X = bars()
    rbm = RBM(3, visible="gaussian", persistent=True, max_iter=1, random_state=0).fit(X)
    assert rbm.variance_.shape == (9,)
    assert rbm.chains_.shape == (100, 9)
    rbm.set_params(visible="binary", persistent=False).fit(X)
    assert not hasattr(rbm, "variance_")
    assert not hasattr(rbm, "chains_")
    rbm.set_params(visible="gaussian", learn_variance=True, warm_start=True, learning_rate=1e-12).fit(X)
    np.testing.assert_allclose(rbm.variance_, 1)


def test_integers_and_memmaps_learn_as_floats(tmp_path):
    X = (load_digits().data[:300] > 7).astype(np.uint8)
    file = np.memmap(tmp_path / "x", np.uint8, "w+", shape=X.shape)
    file[:] = X
    expected = RBM(5, max_iter=2, random_state=0).fit(X.astype(np.float32)).components_
    np.testing.assert_array_equal(RBM(5, max_iter=2, random_state=0).fit(X).components_, expected)
    np.testing.assert_array_equal(RBM(5, max_iter=2, random_state=0).fit(file).components_, expected)


class AnyValue(RBM):
    """Binary visibles without the gate of values, which scikit-learn's checks do not keep to."""

    def _check_values(self, X):
        pass


CHECKED = [
    AnyValue(4, learning_rate=0.001, max_iter=2, random_state=0),
    AnyValue(4, learning_rate=0.001, max_iter=2, persistent=True, n_chains=5, random_state=0),
    RBM(4, visible="gaussian", max_iter=2, random_state=0),
]


@pytest.mark.filterwarnings("ignore:RBM. of 4 units")  # binary ones, of values far from [0, 1]
@estimator_checks.parametrize_with_checks(CHECKED)
def test_scikit_learn_check(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names")
@pytest.mark.filterwarnings("ignore:RBM. of 4 units")
@pytest.mark.parametrize("check", EXTRA_CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("estimator", CHECKED[::2], ids=["binary", "gaussian"])
def test_extra_check(estimator, check):
    check(type(estimator).__name__, estimator)


def test_log_likelihood_is_seeded_and_takes_no_stream():
    X = (np.random.default_rng(0).random((40, 25)) < 0.4).astype(float)
    rbm = RBM(25, max_iter=2, random_state=0).fit(X)
    first, again = (rbm.log_likelihood(X[:3], random_state=1) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    with pytest.raises(ValueError, match=r"log_likelihood takes an array or an np\.memmap\. For a stream, compute"):
        rbm.log_likelihood(lambda: iter([X]))
