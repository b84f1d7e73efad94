"""Affine codes: rows against the reference, images against rows, and a subclass with codes of its own."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline

from featlearn import ZCA, ContrastNormalizer, Stage, SumPool
from featlearn.images.fusion import fused_plan
from featlearn.images.patches import extract_patches
from featlearn.kernels.encoding.encode import EncoderPlan
from featlearn.vectors.affine import AffineCodesMixin, about_zero
from tests import references

ACTIVATIONS = pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "linear", "abs", "softmax"])


class Units(AffineCodesMixin, BaseEstimator):
    """A learner of nothing: random weights, so that the codes are all there is to test."""

    def __init__(self, activation="sigmoid", squares=False, origin=None, scaled=False):
        self.activation, self.squares, self.origin, self.scaled = activation, squares, origin, scaled

    def fit(self, X, y=None):
        rng = np.random.default_rng(0)
        self.n_features_in_ = d = X.shape[1]
        origin = None if self.origin is None else np.full(d, float(self.origin))
        weights = rng.normal(size=(7, d))
        if self.squares:
            weights = np.hstack([-rng.uniform(0.1, 1, (7, d)), weights])
        scale = rng.uniform(1, 2, 7) if self.scaled else None
        self.code_ = EncoderPlan(
            weights / d, self.activation, bias=rng.normal(size=7), squares=self.squares, mean=origin, scale=scale
        )
        return self

    def encoder_plan(self):
        return self.code_


class Doubled(Units):
    def transform(self, X):
        return 2 * super().transform(X)


def by_reference(X, code):
    origin = 0 if code.mean is None else code.mean
    scale = 1 if code.scale is None else code.scale
    return np.array(
        [references.affine_code(x - origin, code.atoms, code.bias, code.encode, code.squares) * scale for x in X]
    )


@ACTIVATIONS
@pytest.mark.parametrize("squares", [False, True])
@pytest.mark.parametrize("origin", [None, 3.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows(activation, squares, origin, dtype):
    X = np.random.default_rng(1).normal(3, 1, size=(23, 5)).astype(dtype)
    learner = Units(activation, squares, origin, scaled=True).fit(X)
    found = learner.transform(X)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, by_reference(X.astype(float), learner.code_), atol=2e-5, rtol=2e-5)
    again = pickle.loads(pickle.dumps(learner)).transform(X[4:9])
    np.testing.assert_allclose(again, found[4:9], rtol=1e-5, atol=1e-6)
    assert list(learner.get_feature_names_out()) == [f"units{k}" for k in range(7)]


@pytest.mark.parametrize("squares", [False, True])
def test_an_origin_can_be_folded_into_the_weights(squares):
    X = np.random.default_rng(1).normal(size=(9, 4))
    code = Units("linear", squares, 3.0).fit(X).code_
    folded = about_zero(code)
    assert folded.mean is None
    np.testing.assert_allclose(by_reference(X, folded), by_reference(X, code), atol=1e-12)
    assert about_zero(folded) is folded


@ACTIVATIONS
@pytest.mark.parametrize("squares", [False, True])
@pytest.mark.parametrize("before", [[], [ContrastNormalizer()], [ZCA(eps=0.1)], [ContrastNormalizer(), ZCA(eps=0.1)]])
def test_images_equal_rows(activation, squares, before):
    images = np.random.default_rng(2).uniform(0, 255, (3, 9, 8, 3))
    units = Units(activation, squares, origin=None if not before else 0.5)
    stage = Stage(make_pipeline(*before, units), patch_size=3, pool=SumPool(2), random_state=0).fit(images)
    if not before:  # raw pixels: weights small enough that nothing saturates
        step = stage.learner_[-1]
        step.code_ = replace(step.code_, atoms=step.code_.atoms / 1e4)
    assert fused_plan(stage.learner_, (3, 3), 1) is not None
    patches = extract_patches(images, (3, 3), 1)
    codes = stage.learner_.transform(patches.reshape(-1, 27)).reshape(*patches.shape[:3], -1)
    rows, cols = stage.pool.cells(7, 6)
    expected = np.array([references.pooled(m, rows, cols) for m in codes])
    np.testing.assert_allclose(stage.transform(images), expected, rtol=1e-8, atol=1e-8)


def test_a_subclass_with_codes_of_its_own_is_not_fused():
    images = np.random.default_rng(2).uniform(0, 1, (2, 6, 6))
    plain, doubled = (Stage(c(), patch_size=3, random_state=0).fit(images) for c in (Units, Doubled))
    assert fused_plan(doubled.learner_, (3, 3), 1) is None
    np.testing.assert_allclose(doubled.transform(images), 2 * plain.transform(images))
