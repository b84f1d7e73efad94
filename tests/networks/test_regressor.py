"""NetworkRegressor: peers, targets, losses, wrong input."""

import numpy as np
import pytest
from sklearn.linear_model import HuberRegressor, Ridge
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from featlearn.networks import Dense, NetworkRegressor

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (300, 3))
Y = np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2]


def net(layers=None, **settings):
    return NetworkRegressor(layers, **({"max_iter": 5, "tol": 0, "random_state": 0} | settings))


def test_without_hidden_layers_it_is_ridge():
    # mean of e^2 / 2 + decay / 2 |w|^2 is ridge with alpha = decay n.
    ours = net([], solver="lbfgs", weight_decay=0.1, max_iter=500).fit(X, Y)
    theirs = Ridge(alpha=0.1 * 300).fit(X, Y)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), atol=1e-4)
    weights = RNG.integers(0, 3, 300)
    ours.fit(X, Y, sample_weight=weights)
    theirs = Ridge(alpha=0.1 * weights.sum()).fit(X, Y, sample_weight=weights)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), atol=1e-4)


def test_huber_looks_less_at_outliers():
    y = 3 * X[:, 0]
    y[:10] += 50
    squared, huber = (net([], loss=loss, solver="lbfgs", max_iter=500).fit(X, y) for loss in ("squared", "huber"))
    robust = HuberRegressor(alpha=0, epsilon=1.35).fit(X, y)
    assert abs(huber.coefs_[0][0, 0] - 3) < 0.2 < abs(squared.coefs_[0][0, 0] - 3) + 0.5
    np.testing.assert_allclose(huber.coefs_[0][:, 0], robust.coef_, atol=0.15)


def test_a_fitted_perceptron_goes_on_from_where_it_is():
    theirs = MLPRegressor(
        hidden_layer_sizes=(10,), activation="tanh", max_iter=50, tol=1e-10, random_state=0, n_iter_no_change=1000
    )
    stack = make_pipeline(StandardScaler(), theirs)
    with pytest.warns(Warning, match="Maximum iterations"):
        stack.fit(X, Y)
    ours = NetworkRegressor.from_pipeline(stack, max_iter=100, tol=0, learning_rate=0.003, random_state=0)
    np.testing.assert_allclose(ours.predict(X), stack.predict(X), atol=1e-10)
    assert ours.fit(X, Y).score(X, Y) > stack.score(X, Y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_it_learns_a_product(solver):
    found = net([Dense(30, "tanh")], solver=solver, max_iter=300, learning_rate=0.01 if solver == "adam" else None)
    assert found.fit(X, Y).score(X, Y) > 0.97


def test_several_targets():
    two = np.column_stack([Y, 2 * Y])
    found = net([Dense(20, "tanh")], max_iter=100, learning_rate=0.02).fit(X, two)
    assert found.predict(X).shape == (300, 2)
    assert found.score(X, two) > 0.8


def test_shares_by_cross_entropy():
    shares = 1 / (1 + np.exp(-3 * X[:, 0]))
    found = net([], loss="cross_entropy", solver="lbfgs", max_iter=300).fit(X, shares)
    np.testing.assert_allclose(found.predict(X), shares, atol=1e-3)
    np.testing.assert_allclose(found.coefs_[0][:, 0], [3, 0, 0], atol=2e-2)
    with pytest.raises(ValueError, match=r"targets in \[0, 1\], and y lies in \[-"):
        found.fit(X, Y)


def test_partial_fits_are_epochs():
    parts, whole = (net([Dense(8, "tanh")], batch_size=None, max_iter=3) for _ in range(2))
    for _ in range(3):
        parts.partial_fit(X, Y)
    np.testing.assert_allclose(parts.predict(X), whole.fit(X, Y).predict(X), atol=1e-12)
    with pytest.raises(ValueError, match="y has 2 axes now"):
        parts.partial_fit(X, np.column_stack([Y, Y]))


def test_targets_that_are_none():
    with pytest.raises(ValueError, match="requires y"):
        net().fit(X)
    with pytest.raises(ValueError, match="dim 3"):
        net().fit(X, np.zeros((300, 2, 2)))
    with pytest.raises(ValueError, match="NaN"):
        net().fit(X, np.where(Y > 1, np.nan, Y))
