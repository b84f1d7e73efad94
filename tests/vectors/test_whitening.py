"""ZCA and PCAWhitening against NumPy's covariance, eigenvalues in closed form, and each other."""

import numpy as np
import pytest
from sklearn.datasets import load_sample_image
from sklearn.decomposition import PCA
from sklearn.feature_extraction.image import extract_patches_2d
from sklearn.metrics import pairwise_distances

import featlearn
from featlearn import ZCA, ContrastNormalizer, KMeansDictionary, PCAWhitening
from featlearn.vectors.whitening import Moments

BOTH = pytest.mark.parametrize("Whitening", [ZCA, PCAWhitening])


def correlated(n=400, d=7, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d) * 3


@pytest.fixture(scope="module")
def patches():
    """Patches (2000, 36) of a photograph, pixels 0..255 in float32."""
    photo = load_sample_image("china.jpg").mean(axis=2)
    return extract_patches_2d(photo, (6, 6), max_patches=2000, random_state=0).reshape(2000, -1).astype(np.float32)


@pytest.mark.parametrize("offset", [0, 1e6])
def test_merged_moments_equal_numpy_cov(offset):
    X = correlated(300, 5) + offset
    parts = [Moments.of(X[:17]), Moments.of(X[17:200]), Moments.of(X[200:201]), Moments.of(X[201:])]
    total = parts[0] + parts[1] + parts[2] + parts[3]
    assert total.n == 300
    np.testing.assert_allclose(total.mean, X.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(total.scatter / (total.n - 1), np.cov(X.T), rtol=1e-8 if offset else 1e-12)


def test_moments_of_float32_and_bytes_are_taken_in_float64():
    X = (1e4 + np.random.default_rng(0).normal(size=(500, 3))).astype(np.float32)
    np.testing.assert_allclose(Moments.of(X).scatter, np.cov(X.astype(float).T) * 499, rtol=1e-9)
    B = np.random.default_rng(0).integers(0, 256, (500, 3)).astype(np.uint8)
    np.testing.assert_allclose(Moments.of(B).scatter, np.cov(B.astype(float).T) * 499, rtol=1e-12)


def test_zca_matrix_is_symmetric_and_equals_the_closed_form():
    X = correlated()
    zca = ZCA(eps=0.1).fit(X)
    values, vectors = np.linalg.eigh(np.cov(X.T))
    np.testing.assert_allclose(zca.whitening_, vectors @ np.diag((values + 0.1) ** -0.5) @ vectors.T, atol=1e-10)
    np.testing.assert_allclose(zca.whitening_, zca.whitening_.T, atol=1e-12)
    np.testing.assert_allclose(zca.explained_variance_, values[::-1], rtol=1e-10)
    np.testing.assert_allclose(zca.mean_, X.mean(axis=0))


@BOTH
def test_covariance_is_the_identity_at_eps_0(Whitening):
    Y = Whitening(eps=0).fit_transform(correlated())
    np.testing.assert_allclose(np.cov(Y.T), np.eye(7), atol=1e-9)
    np.testing.assert_allclose(Y.mean(axis=0), 0, atol=1e-10)


@BOTH
def test_eigenvalues_are_l_over_l_plus_eps(Whitening):
    X = correlated()
    l = np.linalg.eigvalsh(np.cov(X.T))
    Y = Whitening(eps=0.5).fit_transform(X)
    np.testing.assert_allclose(np.linalg.eigvalsh(np.cov(Y.T)), np.sort(l / (l + 0.5)), rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@BOTH
def test_patches_centered_one_by_one_are_singular_by_one_dimension(Whitening, dtype, patches):
    X = ContrastNormalizer(eps=0).fit_transform(patches.astype(dtype))
    whitening = Whitening(eps=0).fit(X)
    Y = whitening.transform(X)
    assert np.isfinite(Y).all()
    eigenvalues = np.linalg.eigvalsh(np.cov(Y.T.astype(float)))
    np.testing.assert_allclose(eigenvalues[0], 0, atol=1e-9)  # the constant patch, not rounding blown up
    np.testing.assert_allclose(eigenvalues[1:], 1, rtol=1e-4)
    assert np.abs(whitening.whitening_).max() < 1e3


def test_channels_centered_by_themselves_are_singular_by_one_dimension_each():
    X = np.random.default_rng(0).normal(size=(800, 3, 8))
    X -= X.mean(axis=2, keepdims=True)
    eigenvalues = np.linalg.eigvalsh(np.cov(ZCA(eps=0).fit_transform(X.reshape(800, 24)).T))
    np.testing.assert_allclose(eigenvalues[:3], 0, atol=1e-9)
    np.testing.assert_allclose(eigenvalues[3:], 1, rtol=1e-9)


def test_a_feature_that_follows_from_others_up_to_float32_rounding_has_no_direction_of_its_own():
    A = np.random.default_rng(0).normal(size=(500, 2)).astype(np.float32)
    X = np.column_stack([A, (10 * A[:, 0] + A[:, 1]) - 10 * A[:, 0]])  # A's second column, but for rounding
    assert 0 < np.abs(X[:, 1] - X[:, 2]).max() < 1e-5
    for whitening in (ZCA(eps=0), PCAWhitening(eps=0)):
        eigenvalues = np.linalg.eigvalsh(np.cov(whitening.fit_transform(X).T.astype(float)))
        np.testing.assert_allclose(np.sort(eigenvalues), [0, 1, 1], atol=1e-4)


def test_constant_features_give_zeros_and_never_nan():
    X = np.column_stack([correlated(100, 2), np.full(100, 5.0)])
    for whitening in (ZCA(eps=0), PCAWhitening(eps=0)):
        Y = whitening.fit_transform(X)
        np.testing.assert_allclose(np.sort(np.linalg.eigvalsh(np.cov(Y.T))), [0, 1, 1], atol=1e-9)
    np.testing.assert_array_equal(ZCA(eps=0).fit_transform(np.full((5, 2), 3.0)), 0)


def test_pca_and_zca_differ_by_a_rotation():
    X = correlated()
    zca, pca = ZCA(eps=0.1).fit(X), PCAWhitening(eps=0.1).fit(X)
    Y, Z = zca.transform(X), pca.transform(X)
    np.testing.assert_allclose(pairwise_distances(Y), pairwise_distances(Z), atol=1e-7)
    rotation = np.linalg.lstsq(Z, Y, rcond=None)[0]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(7), atol=1e-9)
    init = Y[:12], Z[:12]
    labels = [KMeansDictionary(12, init=i, tol=0).fit(D).predict(D) for i, D in zip(init, (Y, Z), strict=True)]
    np.testing.assert_array_equal(*labels)


def test_test_samples_are_whitened_by_what_training_gave():
    X, T = correlated(seed=0), 5 + 2 * correlated(50, seed=1)
    zca = ZCA(eps=0.1).fit(X)
    before = zca.whitening_.copy(), zca.mean_.copy()
    np.testing.assert_allclose(zca.transform(T), (T - X.mean(axis=0)) @ before[0], atol=1e-10)
    np.testing.assert_allclose(zca.transform(T[:1]), zca.transform(T)[:1], atol=1e-12)
    np.testing.assert_array_equal(zca.whitening_, before[0])
    np.testing.assert_array_equal(zca.mean_, before[1])


def test_pca_equals_scikit_learn_up_to_sign():
    X = correlated()
    ours, theirs = PCAWhitening(3, eps=0).fit(X), PCA(3, whiten=True).fit(X)
    np.testing.assert_allclose(np.abs(ours.transform(X)), np.abs(theirs.transform(X)), atol=1e-9)
    np.testing.assert_allclose(ours.explained_variance_, theirs.explained_variance_, rtol=1e-10)
    assert ours.components_.shape == (3, 7)
    assert ours.get_feature_names_out().tolist() == ["pcawhitening0", "pcawhitening1", "pcawhitening2"]
    largest = np.abs(ours.components_).argmax(axis=1)
    assert (ours.components_[np.arange(3), largest] > 0).all()


@BOTH
def test_partial_fit_equals_fit(Whitening):
    X = correlated() + 1e3
    whole = Whitening().fit(X)
    parts = Whitening().partial_fit(X[:10]).partial_fit(X[10:150]).partial_fit(X[150:])
    assert parts.n_samples_seen_ == whole.n_samples_seen_ == 400
    np.testing.assert_allclose(parts.transform(X), whole.transform(X), atol=1e-9)
    more = Whitening().fit(X[:150]).partial_fit(X[150:])
    np.testing.assert_allclose(more.transform(X), whole.transform(X), atol=1e-9)
    again = parts.fit(X[:150])
    assert again.n_samples_seen_ == 150


@BOTH
@pytest.mark.parametrize("eps", [0, 0.1])
def test_inverse_transform_gives_the_samples_back(Whitening, eps):
    X = correlated()
    whitening = Whitening(eps=eps).fit(X)
    np.testing.assert_allclose(whitening.inverse_transform(whitening.transform(X)), X, atol=1e-8)


def test_inverse_of_fewer_components_is_the_projection():
    X = correlated()
    pca = PCAWhitening(3).fit(X)
    V = pca.components_
    expected = X.mean(axis=0) + (X - X.mean(axis=0)) @ V.T @ V
    np.testing.assert_allclose(pca.inverse_transform(pca.transform(X)), expected, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@BOTH
def test_dtype_is_kept(Whitening, dtype):
    X = correlated().astype(dtype)
    whitening = Whitening().fit(X)
    assert whitening.transform(X).dtype == dtype
    assert whitening.inverse_transform(whitening.transform(X)).dtype == dtype
    np.testing.assert_allclose(whitening.transform(X), Whitening().fit_transform(X.astype(float)), atol=2e-5)


@BOTH
def test_streams_iterators_and_chunk_sizes_give_the_same_result(Whitening, monkeypatch):
    X = correlated()
    whole = Whitening().fit(X)
    chunks = [X[:7], X[7:7], X[7:130], X[130:]]
    for data in (iter(chunks), lambda: iter(chunks), lambda: chunks, lambda: [c.tolist() for c in (X[:7], X[7:])]):
        np.testing.assert_allclose(Whitening().fit(data).whitening_, whole.whitening_, atol=1e-10)
    stream = np.concatenate(list(whole.transform(iter(chunks))))
    np.testing.assert_allclose(stream, whole.transform(X), atol=1e-12)
    monkeypatch.setattr(featlearn.streaming, "CHUNK_BYTES", 1)
    np.testing.assert_allclose(Whitening().fit(X).whitening_, whole.whitening_, atol=1e-10)
    np.testing.assert_allclose(whole.transform(X), stream, atol=1e-12)


def test_too_few_samples_for_eps_0_are_counted():
    X = correlated(5, 7)
    with pytest.raises(ValueError, match=r"ZCA: 5 samples cannot whiten 7 features with eps=0.*rank 4 at most"):
        ZCA(eps=0).fit(X)
    with pytest.raises(ValueError, match=r"7 samples cannot whiten 7 features"):
        ZCA(eps=0).fit(correlated(7, 7))
    ZCA(eps=0).fit(correlated(8, 7))
    with pytest.raises(ValueError, match=r"PCAWhitening\(n_components=4\)"):
        PCAWhitening(eps=0).fit(X)
    np.testing.assert_allclose(np.cov(PCAWhitening(4, eps=0).fit_transform(X).T), np.eye(4), atol=1e-9)
    assert np.isfinite(ZCA(eps=0.1).fit_transform(X)).all()


def test_one_sample_has_no_covariance():
    with pytest.raises(ValueError, match="n_samples=1 has no covariance; pass at least 2"):
        ZCA().fit(np.ones((1, 3)))
    with pytest.raises(ValueError, match="n_samples=1 has no covariance; pass at least 2"):
        ZCA().fit(iter([np.ones((1, 3))]))


def test_more_components_than_features_are_refused():
    with pytest.raises(ValueError, match="n_components=8 is more than the 7 features; pass at most 7"):
        PCAWhitening(8).fit(correlated())
    with pytest.raises(ValueError, match=r"n_components=0 is not valid; pass None or an integer of at least 1"):
        PCAWhitening(0).fit(correlated())


def test_inverse_of_the_wrong_width_is_refused():
    pca = PCAWhitening(3).fit(correlated())
    with pytest.raises(ValueError, match=r"takes rows of 3 whitened features; got an array of shape \(2, 7\)"):
        pca.inverse_transform(np.ones((2, 7)))


def test_a_failed_partial_fit_leaves_the_estimator_as_it_was():
    X = correlated()
    zca = ZCA().fit(X)
    before = zca.whitening_.copy()
    with pytest.raises(ValueError, match="NaN"):
        zca.partial_fit(np.full((3, 7), np.nan))
    with pytest.raises(ValueError, match="7 features"):
        zca.partial_fit(np.ones((3, 6)))
    np.testing.assert_array_equal(zca.whitening_, before)
    assert zca.n_samples_seen_ == 400


def test_an_iterator_walked_by_fit_is_not_transformed_into_nothing():
    X = correlated()
    with pytest.raises(ValueError, match="walked already"):
        ZCA().fit_transform(iter([X]))
