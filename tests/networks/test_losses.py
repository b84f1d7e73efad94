"""Losses: closed forms, finite differences, scikit-learn's log loss, and tensors against arrays."""

import numpy as np
import pytest
from scipy.special import expit, log_softmax
from sklearn.metrics import hinge_loss, log_loss

from featlearn.networks.losses import Loss, linked, softmax

RNG = np.random.default_rng(0)
Z = RNG.standard_normal((6, 4)) * 2
LABELS = np.array([0, 1, 2, 3, 1, 1])
SIGNS = 2 * np.eye(4)[LABELS] - 1
SHARES = RNG.uniform(size=(6, 4))
CASES = {
    "softmax": (Loss("cross_entropy", "softmax"), LABELS),
    "smoothed": (Loss("cross_entropy", "softmax", 0.1), LABELS),
    "soft": (Loss("cross_entropy", "softmax"), SHARES / SHARES.sum(axis=1, keepdims=True)),
    "sigmoid": (Loss("cross_entropy", "sigmoid"), SHARES),
    "squared": (Loss("squared"), SHARES),
    "squared sigmoid": (Loss("squared", "sigmoid"), SHARES),
    "squared softmax": (Loss("squared", "softmax"), LABELS),
    "hinge": (Loss("hinge"), SIGNS),
    "squared hinge": (Loss("squared_hinge"), SIGNS),
    "huber": (Loss("huber"), SHARES),
}


@pytest.mark.parametrize("name", CASES)
def test_derivative_is_that_of_finite_differences(name):
    loss, y = CASES[name]
    _, delta = loss.rows(Z, y)
    numeric = np.zeros_like(Z)
    for i, j in np.ndindex(Z.shape):
        step = np.zeros_like(Z)
        step[i, j] = 1e-6
        numeric[i, j] = (loss.rows(Z + step, y)[0].sum() - loss.rows(Z - step, y)[0].sum()) / 2e-6
    np.testing.assert_allclose(delta, numeric, atol=1e-8)


@pytest.mark.keras
@pytest.mark.parametrize("name", CASES)
def test_tensors_have_the_loss_of_arrays(name):
    from keras import ops

    loss, y = CASES[name]
    y = y if y.ndim == 1 else y.astype(np.float32)
    z = Z.astype(np.float32)
    found = ops.convert_to_numpy(loss.tensor(ops.convert_to_tensor(z), ops.convert_to_tensor(y)))
    np.testing.assert_allclose(found, loss.rows(z, y)[0], rtol=2e-5, atol=1e-6)


def test_softmax_at_zero_is_the_logarithm_of_the_classes():
    losses, delta = Loss("cross_entropy", "softmax").rows(np.zeros((1, 10)), np.array([3]))
    assert losses[0] == pytest.approx(2.302585, abs=1e-6)
    assert delta[0, 3] == pytest.approx(-0.9)
    assert delta[0, 0] == pytest.approx(0.1)


def test_label_smoothing_of_a_tenth():
    targets = Loss("cross_entropy", "softmax", 0.1).targets(np.array([2]), 10, np.dtype(float))
    assert targets[0, 2] == pytest.approx(0.91)
    assert targets[0, 0] == pytest.approx(0.01)


def test_cross_entropies_are_scikit_learns():
    found = Loss("cross_entropy", "softmax").rows(Z, LABELS)[0]
    assert found.mean() == pytest.approx(log_loss(LABELS, np.exp(log_softmax(Z, axis=1)), labels=range(4)))
    two, y = Z[:, :1], (LABELS > 1).astype(float)[:, None]
    assert Loss("cross_entropy", "sigmoid").rows(two, y)[0].mean() == pytest.approx(log_loss(y[:, 0], expit(two[:, 0])))


def test_hinge_is_scikit_learns():
    two = 2.0 * (LABELS > 1) - 1
    assert Loss("hinge").rows(Z[:, :1], two[:, None])[0].mean() == pytest.approx(hinge_loss(two, Z[:, 0]))


def test_huber_by_hand():
    losses, delta = Loss("huber").rows(np.array([[0.5], [3.0], [-3.0]]), np.zeros((3, 1)))
    assert losses.tolist() == [0.125, 2.5, 2.5]
    assert delta[:, 0].tolist() == [0.5, 1.0, -1.0]


@pytest.mark.parametrize("scale", [1e3, -1e3])
def test_far_scores_stay_finite(scale):
    for loss, y in CASES.values():
        losses, delta = loss.rows(Z * scale, y)
        assert np.isfinite(losses).all()
        assert np.isfinite(delta).all()
    assert np.isfinite(softmax(Z * scale)).all()


def test_links():
    np.testing.assert_allclose(linked(Z, "softmax"), np.exp(log_softmax(Z, axis=1)))
    np.testing.assert_allclose(linked(Z, "sigmoid"), expit(Z))
    assert linked(Z, "identity") is Z


def test_what_counts_as_wrong():
    z = np.array([[2.0, 1.0], [0.0, 3.0]])
    assert Loss("cross_entropy", "softmax").wrong(z, np.array([1, 1])).tolist() == [1, 0]
    assert Loss("cross_entropy", "sigmoid").wrong(z - 1.5, np.array([[1.0, 1.0], [0.0, 1.0]])).tolist() == [0.5, 0]
    assert Loss("hinge").wrong(z, np.array([[1.0, -1.0], [1.0, -1.0]])).tolist() == [0, 1]
    assert Loss("squared").wrong(z, z + 2).tolist() == [4, 4]
