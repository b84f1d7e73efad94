"""Stacks unrolled into deep autoencoders."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from featlearn import RBM, DenoisingAutoencoder, KMeansDictionary
from featlearn.networks import deep_autoencoder
from featlearn.networks.deep_autoencoder import decoder
from featlearn.networks.unrolling import CannotUnroll

X = load_digits().data[:300] / 16
STACK = make_pipeline(
    RBM(30, max_iter=5, tol=0, random_state=0), RBM(20, max_iter=5, tol=0, random_state=0), PCA(5, random_state=0)
).fit(X)


def test_before_tuning_it_is_up_and_down_the_stack():
    net = deep_autoencoder(STACK)
    first, second, pca = (step for _, step in STACK.steps)
    code = pca.transform(second.transform(first.transform(X)))
    down = pca.inverse_transform(code)
    down = expit(down @ second.components_ + second.intercept_visible_)
    down = expit(down @ first.components_ + first.intercept_visible_)
    np.testing.assert_allclose(net.transform(X, layer="code"), code, atol=1e-10)
    np.testing.assert_allclose(net.predict(X), down, atol=1e-10)


def test_tuning_lowers_the_error():
    def error(net):
        return ((net.predict(X) - X) ** 2).sum(axis=1).mean()

    net = deep_autoencoder(STACK, max_iter=60, tol=0, learning_rate=0.01, batch_size=50, random_state=0)
    before = error(net)
    assert error(net.fit(X, X)) < 0.7 * before
    assert net.coefs_[0].shape == (64, 30)
    assert net.coefs_[-1].shape == (30, 64)
    assert not np.allclose(net.coefs_[0], net.coefs_[-1].T)  # free of each other


def test_autoencoders_have_their_own_way_down():
    learner = DenoisingAutoencoder(8, max_iter=5, tol=0, random_state=0).fit(X)
    net = deep_autoencoder(learner, loss="squared")
    np.testing.assert_allclose(net.predict(X), learner.reconstruct(X), atol=1e-9)


def test_what_has_no_mirror_image_is_named():
    with pytest.raises(NotFittedError, match="'rbm' \\(RBM\\) is not fitted"):
        deep_autoencoder(make_pipeline(RBM(5)))
    for learner in (KMeansDictionary(5, random_state=0), RBM(5, visible="gaussian", max_iter=1, tol=0)):
        with pytest.raises(CannotUnroll, match="deep_autoencoder mirrors"):
            decoder(learner.fit(X))
