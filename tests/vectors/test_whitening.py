"""ZCA and PCAWhitening against NumPy's covariance, eigenvalues in closed form, and each other.

Also tests featlearn.vectors.moments.
"""

import pickle
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.datasets import load_digits, load_sample_image, load_wine
from sklearn.decomposition import PCA
from sklearn.feature_extraction.image import extract_patches_2d
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import pairwise_distances
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

import featlearn
from featlearn import ZCA, ContrastNormalizer, KMeansDictionary, PCAWhitening
from featlearn.vectors.moments import Moments, principal_axes, sphering

FEW = pytest.mark.filterwarnings("ignore:.*samples of .* features are whitened in all")
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


@FEW
def test_too_few_samples_for_eps_0_are_counted():
    X = correlated(5, 7)
    with pytest.raises(ValueError, match=r"ZCA: 5 samples cannot whiten 7 features with eps=0.*rank 4 at most"):
        ZCA(eps=0).fit(X)
    with pytest.raises(ValueError, match=r"7 samples cannot whiten 7 features"):
        ZCA(eps=0).fit(correlated(7, 7))
    ZCA(eps=0).fit(correlated(8, 7))
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
    with pytest.raises(ValueError, match=r"takes codes of 3 columns; got an array of shape \(2, 7\)"):
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


# --- rounding is no direction --------------------------------------------------------------------------------------


def deficient(kind, offset, dtype, n=1000, rank=4, d=6, seed=0):
    """Rows (n, d) of the given rank as they come: mixed, some channels twice, or sums of others in their precision."""
    rng = np.random.default_rng(seed)
    S = rng.normal(size=(n, rank))
    if kind == "mixed":
        return (S @ rng.normal(size=(rank, d)) + offset).astype(dtype)
    S = (S + offset).astype(dtype)
    if kind == "twice":
        return np.column_stack([S, S[:, : d - rank]])
    if kind == "constant":
        return np.column_stack([S, np.full((n, d - rank), offset + 0.1, dtype)])
    return np.column_stack([S, np.cumsum(S, axis=1, dtype=dtype)[:, rank - d :]])


@BOTH
@pytest.mark.parametrize("kind", ["mixed", "twice", "sums", "constant"])
@pytest.mark.parametrize(
    ("offset", "dtype"),
    [(o, t) for t in ("float32", "float64") for o in (0, -1e4, 1e6)]
    + [(1e9, "float64"), (0, "float16"), (200, "float16")],
)
def test_rounding_far_from_the_origin_is_no_direction(Whitening, kind, offset, dtype):
    X = deficient(kind, offset, dtype)
    Y = Whitening(eps=0).fit_transform(X).astype(float)
    np.testing.assert_allclose(np.linalg.eigvalsh(np.cov(Y.T)), [0, 0, 1, 1, 1, 1], atol=1e-3)
    np.testing.assert_allclose(Y.mean(axis=0), 0, atol=1e-4)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 5), st.integers(0, 3), st.floats(-6, 6), st.booleans(), st.sampled_from(["float32", "float64"]),
    st.integers(0, 10**6),
)  # fmt: skip
def test_the_rank_is_counted_at_any_offset_and_unit(rank, extra, exponent, negative, dtype, seed):
    X = deficient("mixed", 0, float, 300, rank, rank + extra, seed)
    X = ((X + (-1e3 if negative else 1e3)) * 10.0**exponent).astype(dtype)
    whitening = PCAWhitening(eps=0).fit(X)
    assert np.count_nonzero(whitening.whitening_.any(axis=0)) == rank
    assert sphering(whitening.moments_)[0].shape == (rank + extra, rank)


@BOTH
def test_a_mean_that_float32_cannot_hold_is_subtracted_nevertheless(Whitening):
    X = np.random.default_rng(0).integers(0, 9, (500, 3)).astype(np.float32) + np.float32(1_000_003)
    whitening = Whitening(eps=0).fit(X)
    exact = (X.astype(float) - whitening.mean_) @ whitening.whitening_
    np.testing.assert_allclose(whitening.transform(X), exact, atol=1e-5)
    np.testing.assert_allclose(whitening.transform(X[:1]), exact[:1], atol=1e-5)


@BOTH
def test_features_of_any_unit_keep_their_precision(Whitening):
    """A table with timestamps: beside a variance of 1e14 a variance of 1 is 22 roundings of float64."""
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(500, 3)), 1.7e9 + 1e7 * rng.normal(size=500), np.full(500, 1e9 + 0.1)])
    Y = Whitening(eps=0).fit_transform(X)
    np.testing.assert_allclose(np.linalg.eigvalsh(np.cov(Y.T)), [0, 1, 1, 1, 1], atol=1e-6)


def test_samples_that_vary_by_rounding_alone_are_told():
    X = np.float32(1e9) + np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32) * 100
    for whitening in (ZCA(), PCAWhitening()):
        with pytest.warns(
            UserWarning, match=r"no feature varies by more than the rounding.*Subtract the offset"
        ) as told:
            assert (whitening.fit_transform(X) == 0).all()
        assert told[0].filename == __file__


def test_squares_that_vanish_or_overflow_are_refused():
    X = correlated()
    for whitening in (ZCA(), PCAWhitening()):
        with pytest.raises(ValueError, match=r"squares of such numbers vanish in float64\. Scale the data up"):
            whitening.fit(X * 1e-170)
        with pytest.raises(ValueError, match="squares of the samples overflow float64"):
            whitening.fit(X * 1e160)
        for scale in (1e-25, 1e18):  # beyond what float32 could square
            Y = whitening.fit_transform((X * scale).astype(np.float32))
            np.testing.assert_allclose(Y, whitening.fit_transform(X), atol=1e-4)


# --- fewer samples than features -----------------------------------------------------------------------------------


def wide(n=12, d=40, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) * rng.uniform(0.5, 3, d) + 5


@FEW
@BOTH
def test_few_rows_are_whitened_as_their_covariance_says(Whitening):
    X = wide()
    values, vectors = np.linalg.eigh(np.cov(X.T))
    values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
    eps = 0.1 * np.median(X.var(axis=0, ddof=1))
    whitening = Whitening().fit(X)
    assert whitening.eps_ == pytest.approx(eps)
    np.testing.assert_allclose(whitening.explained_variance_, values[:11], rtol=1e-9)
    other = wide(seed=1)
    expected = (other - X.mean(axis=0)) @ (vectors / np.sqrt(values + eps))
    if Whitening is PCAWhitening:
        np.testing.assert_allclose(np.abs(whitening.transform(other)), np.abs(expected[:, :11]), atol=1e-9)
    else:
        np.testing.assert_allclose(whitening.transform(other), expected @ vectors.T, atol=1e-9)
        assert not {"whitening_", "dewhitening_"} & vars(whitening).keys()
        np.testing.assert_allclose(whitening.inverse_transform(whitening.transform(other)), other, atol=1e-9)
        np.testing.assert_allclose(whitening.dewhitening_ @ whitening.whitening_, np.eye(40), atol=1e-9)
    np.testing.assert_allclose((other - whitening.mean_) @ whitening.whitening_, whitening.transform(other), atol=1e-9)
    again = pickle.loads(pickle.dumps(whitening))
    np.testing.assert_array_equal(again.transform(other), whitening.transform(other))


@BOTH
@pytest.mark.parametrize("cuts", [[3], [1, 2, 3], [30], [5, 45, 50]])
def test_rows_that_come_a_few_at_a_time_become_a_covariance_in_time(Whitening, cuts):
    X = wide(60)
    whole = Whitening().fit(X)
    streamed = Whitening().fit(iter(np.split(X, cuts)))
    by_parts = Whitening()
    for part in np.split(X, cuts):
        if len(part) > 1:
            by_parts.partial_fit(part)
    np.testing.assert_allclose(streamed.transform(X), whole.transform(X), atol=1e-8)
    if min(np.diff([0, *cuts, 60])) > 1:
        np.testing.assert_allclose(by_parts.transform(X), whole.transform(X), atol=1e-8)


def test_the_moments_of_few_rows_stay_few_rows():
    X = wide(30, 50)
    parts = Moments.of(X[:7]) + Moments.of(X[7:8]) + Moments.of(X[8:])
    assert parts.product is None
    np.testing.assert_allclose(parts.scatter, np.cov(X.T) * 29, atol=1e-9)
    np.testing.assert_allclose(parts.root().T @ parts.root(), parts.scatter, atol=1e-9)
    np.testing.assert_allclose(parts.variances, X.var(axis=0, ddof=1), rtol=1e-9)
    more = parts + Moments.of(wide(30, 50, seed=1))
    assert more.factor is None
    np.testing.assert_allclose(more.scatter, np.cov(np.vstack([X, wide(30, 50, seed=1)]).T) * 59, atol=1e-9)
    np.testing.assert_allclose(more.root().T @ more.root(), more.scatter, atol=1e-8)
    # Axes of small variance are at right angles too.
    graded = Moments.of(np.diag(10.0 ** -np.arange(9)) @ wide(9, 50))
    axes = principal_axes(graded, 8)
    np.testing.assert_allclose(axes.vectors.T @ axes.vectors, np.eye(8), atol=1e-9)


@FEW
@BOTH
def test_20_000_features_are_quick_and_small(Whitening):
    X = wide(80, 20_000)
    tracemalloc.start()
    Y = Whitening().fit_transform(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 * X.nbytes  # one (d, d) matrix would be 250 times
    np.testing.assert_allclose(Y.mean(axis=0), 0, atol=1e-9)


def test_a_few_of_many_axes_are_those_of_all():
    X = np.random.default_rng(0).normal(size=(900, 300)) * np.linspace(3, 1, 300)
    some, every = PCAWhitening(5, eps=0).fit(X), PCAWhitening(eps=0).fit(X)
    np.testing.assert_allclose(some.transform(X), every.transform(X)[:, :5], atol=1e-8)


# --- eps in the unit of the data -----------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("unit", [1e-6, 255.0, 1e9])
def test_auto_eps_does_not_ask_for_the_unit(Whitening, unit):
    X = correlated()
    Y = Whitening().fit_transform(X)
    np.testing.assert_allclose(Whitening().fit_transform(X * unit), Y, atol=1e-7)
    np.testing.assert_allclose(Whitening().fit_transform(unit * (X + 1e3)), Y, atol=1e-7)
    assert Y.var(axis=0).max() > 0.8


def test_auto_eps_of_contrast_normalized_patches_is_about_the_papers(patches):
    X = ContrastNormalizer(eps=10.0).fit_transform(patches)
    assert 0.05 < ZCA().fit(X).eps_ < 0.15
    assert ZCA("paper").fit(X).eps_ == 0.1
    np.testing.assert_array_equal(ZCA("paper").fit_transform(X), ZCA(0.1).fit_transform(X))


@BOTH
def test_features_flattened_by_eps_are_told(Whitening):
    X = correlated()
    with pytest.warns(
        UserWarning, match=r"eps=0.1 is more than 100 times the variance of 7 of the 7.*eps='auto'"
    ) as told:
        clone(Whitening()).set_params(eps=0.1).fit(1e-6 * X)
    assert told[0].filename == __file__
    with pytest.warns(UserWarning, match="come out flattened"):
        Whitening(eps="paper").partial_fit(1e-6 * X)
    # One feature in another unit decides nothing for the rest.
    wine = load_wine().data
    eigenvalues = np.linalg.eigvalsh(np.cov(Whitening().fit_transform(wine).T))
    assert (eigenvalues > 0.1).all()


@BOTH
@pytest.mark.parametrize("eps", ["scott", -0.1, None, np.nan])
def test_eps_out_of_range_is_named(Whitening, eps):
    with pytest.raises(ValueError, match=f"{Whitening.__name__}: eps=.* is not valid"):
        Whitening(eps=eps).fit(correlated())


@BOTH
def test_whitening_so_few_samples_that_each_has_its_own_direction_is_told(Whitening):
    with pytest.warns(
        UserWarning, match=r"12 samples of 40 features are whitened in all the 11 directions.*more"
    ) as told:
        Whitening().fit(wide())
    assert told[0].filename == __file__
    Whitening(eps=200).fit(wide())
    Whitening().partial_fit(wide())  # more may come
    PCAWhitening(4).fit(wide())
    Whitening().fit(wide(60))


# --- ranks and scores ----------------------------------------------------------------------------------------------


@FEW
def test_more_components_than_the_rank_are_told():
    X = deficient("mixed", 3, float)
    with pytest.warns(UserWarning, match=r"n_components=6 axes.*vary in 4 directions only, so 2 outputs are always 0"):
        Y = PCAWhitening(6).fit_transform(X)
    assert Y.shape == (1000, 6)
    assert (Y[:, 4:] == 0).all()
    for eps in (0, "auto"):
        with pytest.warns(UserWarning, match=r"n_components=20 axes.*the 12 samples of 40 features vary in 11 direct"):
            Y = PCAWhitening(20, eps=eps).fit_transform(wide())
        assert Y.shape == (12, 20)
        assert (Y[:, 11:] == 0).all()
    assert PCAWhitening().fit_transform(wide()).shape == (12, 11)
    PCAWhitening(4).fit(X)


@pytest.mark.filterwarnings("ignore:PCAWhitening. n_components")
def test_a_search_over_n_components_lives():
    X, y = load_digits(return_X_y=True)
    pipe = make_pipeline(PCAWhitening(), LogisticRegression(max_iter=500))
    search = GridSearchCV(pipe, {"pcawhitening__n_components": np.array([2, 10, 64])}, cv=2, error_score="raise")
    search.fit(X[:200], y[:200])
    assert search.best_params_ != {"pcawhitening__n_components": 2}


@BOTH
@pytest.mark.parametrize("n", [6, 400])
def test_score_samples_is_the_error_of_the_way_back(Whitening, n):
    X = correlated(n, 7)
    whitening = Whitening(3) if Whitening is PCAWhitening else ZCA()
    other = correlated(20, 7, seed=3)
    whitening.fit(X)
    rebuilt = whitening.inverse_transform(whitening.transform(other))
    scores = whitening.score_samples(other)
    np.testing.assert_allclose(scores, -((other - rebuilt) ** 2).sum(axis=1), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(np.concatenate(list(whitening.score_samples(iter([other[:5], other[5:]])))), scores)
    if Whitening is PCAWhitening:
        outlier = other[:1] + 50 * np.linalg.svd(whitening.components_)[2][-1]
        assert whitening.score_samples(outlier)[0] < scores.min() - 1000
        pipe = make_pipeline(ZCA(), PCAWhitening(3)).fit(X)
        assert pipe.score_samples(other).shape == (20,)
