"""The loss over a growing learning rate."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from featlearn import RBM, DenoisingAutoencoder
from featlearn.networks import Dense, Dropout, NetworkClassifier, Pretrained, find_learning_rate
from featlearn.networks.rate_finder import smooth, steepest

X, Y = load_digits(return_X_y=True)
X, Y = X[:300] / 16, Y[:300]


def test_smoothing_is_the_weighted_average():
    losses = np.array([3.0, 1.0, 2.0])
    expected = [3.0, (1 + 0.9 * 3) / 1.9, (2 + 0.9 * 1 + 0.81 * 3) / 2.71]
    np.testing.assert_allclose(smooth(losses), expected)
    np.testing.assert_allclose(smooth(np.full(5, 7.0)), 7.0)


def test_the_steepest_place_is_found_on_the_way_down():
    rates = 10.0 ** np.arange(-4, 5)
    curve = np.array([5.0, 5, 5, 4.8, 3, 2.5, 2.4, 9, 90])
    assert steepest(rates, curve) == rates[4] or steepest(rates, curve) == rates[3]
    assert steepest(rates, np.arange(9.0)) == rates[0]


def test_first_steps_of_a_quadratic_are_known():
    """Softmax regression, full batch, sgd: the losses are those of steps made by hand."""
    net = NetworkClassifier([], solver="sgd", batch_size=None, random_state=0)
    curve = find_learning_rate(net, X, Y, low=1e-3, high=1.0, n_steps=4)
    np.testing.assert_allclose(curve.rates, [1e-3, 1e-2, 1e-1, 1.0])
    net.set_params(warm_start=True, max_iter=1, tol=0)
    losses = [net.set_params(learning_rate=rate).fit(X, Y).loss_curve_[0] for rate in curve.rates]
    np.testing.assert_allclose(curve.losses, losses, rtol=1e-9)


def test_the_estimator_is_left_as_it_is_and_the_answer_is_always_the_same():
    net = NetworkClassifier([Dense(20, "relu"), Dropout(0.2)], random_state=np.random.RandomState(3))
    before, state = dict(vars(net)), net.random_state.get_state()[1].copy()
    one, other = (find_learning_rate(net, X, Y, n_steps=30) for _ in range(2))
    np.testing.assert_array_equal(one.losses, other.losses)
    assert vars(net) == before
    assert (net.random_state.get_state()[1] == state).all()
    net.set_params(random_state=None)
    np.testing.assert_array_equal(find_learning_rate(net, X, Y).losses, find_learning_rate(net, X, Y).losses)


def test_it_starts_from_what_was_learned_with_warm_start():
    net = NetworkClassifier([Dense(20, "relu")], warm_start=True, random_state=0, max_iter=30, tol=0).fit(X, Y)
    weights = net.coefs_[0].copy()
    curve = find_learning_rate(net, X, Y)
    assert curve.losses[0] < 2.0  # 2.3 of first weights
    assert np.array_equal(net.coefs_[0], weights)
    assert net.n_iter_ == 30


def test_a_loss_that_runs_away_ends_it():
    net = NetworkClassifier([Dense(20, "relu")], solver="sgd", random_state=0, batch_size=20)
    curve = find_learning_rate(net, 1e3 * X, Y, high=1e6)
    assert len(curve.rates) == len(curve.losses) == len(curve.smoothed) < 100
    assert np.isfinite(curve.losses).all()
    assert curve.suggestion in curve.rates


@pytest.mark.filterwarnings("ignore:.*units")
def test_suggestions_are_of_use():
    """One pass at the rate suggested gets further than at a hundredth of it and at a hundred times as much."""
    net = NetworkClassifier([Dense(30, "relu")], solver="sgd", max_iter=2, tol=0, random_state=0, batch_size=20)
    rate = find_learning_rate(net, X, Y, high=100.0).suggestion
    last = [net.set_params(learning_rate=f * rate).fit(X, Y).score(X, Y) for f in (0.01, 1.0, 100.0)]
    assert last[1] == max(last)


def test_pretrained_layers_and_other_learners():
    net = NetworkClassifier([Pretrained(RBM(10, max_iter=2))], random_state=0)
    assert len(find_learning_rate(net, X, Y, n_steps=10).rates) == 10
    assert find_learning_rate(DenoisingAutoencoder(8, random_state=0), X, n_steps=20).suggestion > 0


def test_what_it_refuses():
    net = NetworkClassifier([Dense(5)], random_state=0)
    with pytest.raises(ValueError, match="lbfgs"):
        find_learning_rate(net.set_params(solver="lbfgs"), X, Y)
    net.set_params(solver="sgd")
    for bad in ({"low": 0}, {"low": 2, "high": 1}, {"n_steps": 2}):
        with pytest.raises(ValueError, match="find_learning_rate: "):
            find_learning_rate(net, X, Y, **bad)
