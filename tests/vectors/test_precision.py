"""Rounding does not pass for data: in the way back from codes, far from the origin, among constant columns."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline

import featlearn
from featlearn import ZCA, ContrastNormalizer, KMeansDictionary, RandomPatches

rng = np.random.default_rng(0)


@pytest.mark.parametrize("encode", ["split", "threshold"])
@pytest.mark.parametrize("kind", ["rank 3 of 8", "average reference"])
def test_the_way_back_inverts_no_rounding(encode, kind):
    X = rng.normal(size=(400, 3)) @ rng.normal(size=(3, 8)) if kind == "rank 3 of 8" else rng.normal(size=(400, 8))
    X = X - X.mean(axis=1, keepdims=True) if kind == "average reference" else X
    learner = KMeansDictionary(12, encode=encode, threshold=0.0, tol=0, max_iter=5, random_state=0)
    double = learner.fit(X).score_samples(X)
    single = learner.fit(X.astype(np.float32)).score_samples(X.astype(np.float32))
    assert single.min() > 2 * double.min() - 1e-4
    if encode == "split":  # exact, as its documentation says
        assert single.min() > -1e-6


def test_constant_columns_stay_zero_and_draws_do_not_follow_rounding():
    X = np.column_stack([rng.normal(size=(300, 6)), np.zeros((300, 2)), np.full((300, 1), 0.3)])
    white = ZCA().fit_transform(X)
    np.testing.assert_array_equal(white[:, 6:8], 0)

    def codes(data):
        return make_pipeline(ZCA(), RandomPatches(6, random_state=0)).fit(data).transform(X)

    np.testing.assert_allclose(codes(np.asfortranarray(X)), codes(X), atol=1e-9)
    np.testing.assert_allclose(codes(lambda: iter([X[:100], X[100:]])), codes(X), atol=1e-9)


def test_few_float32_rows_with_one_large_feature_are_whitened_exactly():
    X = rng.normal(size=(20, 50))
    X[:, 3] *= 1e5
    with pytest.warns(UserWarning, match="ZCA: "):
        whitener = ZCA().fit(X)
    single = whitener.transform(X.astype(np.float32))
    np.testing.assert_allclose(single, whitener.transform(X.astype(np.float32).astype(float)), rtol=1e-5, atol=1e-5)


def test_rows_that_only_rounding_tells_apart_are_told():
    X = (rng.normal(size=(200, 8)) * 2.8 + 1e6).astype(np.float32)
    with pytest.warns(UserWarning, match="ContrastNormalizer: of 8 units, 8 are constant"):
        ContrastNormalizer(eps=0).fit(X)


@pytest.mark.parametrize("assignment", ["cosine", "spherical"])
def test_samples_far_longer_than_unit_atoms_are_told(assignment):
    X = np.abs(rng.normal(size=(200, 8)))
    learner = KMeansDictionary(4, assignment=assignment, max_iter=5, tol=0, random_state=0)
    learner.fit(X)
    with pytest.warns(UserWarning, match=r"distances of the samples.*Normalizer"):
        learner.fit(1e7 * X)


@pytest.mark.parametrize("name", ["SparseAutoencoder", "PredictiveSparse", "RBM"])
def test_epochs_that_end_before_a_tol_that_was_asked_for_are_told(name):
    X = rng.uniform(size=(100, 6))
    learner = getattr(featlearn, name)(4, max_iter=2, tol=1e-4, random_state=0)
    with pytest.warns(ConvergenceWarning, match=f"{name}: max_iter=2 .*tol=0.0001"):
        learner.fit(X)
    learner.set_params(tol=0).fit(X)


def test_masked_values_are_not_learned_from():
    X = np.ma.masked_less(rng.normal(size=(40, 3)), 0)
    for learner in (ZCA(), KMeansDictionary(2), featlearn.LinearSVM()):
        with pytest.raises(ValueError, match=r"masked array with \d+ masked values"):
            learner.fit(X, np.arange(40) % 2)
    ZCA().fit(np.ma.masked_array(X.data, mask=False))
