"""GaussianMixtureEncoder against scikit-learn's EM, finite differences and closed forms.

Also tests featlearn.vectors.mixture_start.
"""

import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm
from sklearn.base import clone
from sklearn.callback import CallbackSupportMixin
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.mixture import GaussianMixture

import featlearn
from featlearn import EarlyStopping
from featlearn.vectors import mixture as module
from featlearn.vectors.mixture import GaussianMixtureEncoder
from tests import references

ALL = ["diag", "spherical", "full", "tied"]
KINDS = pytest.mark.parametrize("covariance", ALL)
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
INITS = pytest.mark.parametrize("init", ["kmeans", "random"])


def blobs(n=800, d=3, seed=0):
    """Five clouds of unequal weight and shape that touch."""
    rng = np.random.default_rng(seed)
    centers, scales = 3 * rng.normal(size=(5, d)), rng.uniform(0.4, 1.5, (5, d))
    labels = rng.choice(5, n, p=[0.35, 0.25, 0.2, 0.15, 0.05])
    return centers[labels] + scales[labels] * rng.normal(size=(n, d))


def learner(K=5, **parameters):
    return GaussianMixtureEncoder(K, **{"random_state": 0, **parameters})


def peer(X, means, covariance, iterations, tol=0.0, reg_covar=1e-6):
    """scikit-learn's EM from given means, equal weights and the pooled covariance about the nearest mean."""
    nearest, _ = references.nearest(X, means)
    K, rest = len(means), X - means[nearest]
    C = rest.T @ rest / len(X) + reg_covar * np.eye(X.shape[1])
    precisions = {
        "diag": np.tile(1 / np.diag(C), (K, 1)),
        "spherical": np.full(K, 1 / np.diag(C).mean()),
        "full": np.tile(np.linalg.inv(C), (K, 1, 1)),
        "tied": np.linalg.inv(C),
    }[covariance]
    theirs = GaussianMixture(
        K, covariance_type=covariance, max_iter=iterations, tol=tol, reg_covar=reg_covar,
        means_init=means, weights_init=np.full(K, 1 / K), precisions_init=precisions,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return theirs.fit(X)


def matrices(ours):
    """The covariances written out, (K, d, d)."""
    (K, d), C = ours.components_.shape, ours.covariances_.astype(float)
    if ours.covariance in ("full", "tied"):
        return np.broadcast_to(C, (K, d, d))
    return np.array([np.diag(np.broadcast_to(c, d)) for c in C])


def log_density(x, means, deviations, weights):
    """log p of one sample, written out."""
    return logsumexp(np.log(weights) + norm.logpdf(x, means, deviations).sum(axis=1))


# --- EM ------------------------------------------------------------------------------------------------------------


@KINDS
@pytest.mark.parametrize("iterations", [1, 2, 25])
def test_em_equals_scikit_learn(covariance, iterations):
    X = blobs()
    ours = learner(covariance=covariance, init=X[:5], max_iter=iterations, tol=0, reg_covar=1e-6).fit(X)
    theirs = peer(X, X[:5], covariance, iterations)
    np.testing.assert_allclose(ours.components_, theirs.means_, atol=1e-8)
    np.testing.assert_allclose(ours.covariances_, theirs.covariances_, atol=1e-8)
    np.testing.assert_allclose(ours.weights_, theirs.weights_, atol=1e-8)
    np.testing.assert_allclose(ours.log_likelihood_curve_, theirs.lower_bounds_, atol=1e-9)
    np.testing.assert_allclose(ours.score_samples(X), theirs.score_samples(X), atol=1e-8)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-8)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    assert ours.score(X) == pytest.approx(theirs.score(X), abs=1e-9)
    assert ours.bic(X) == pytest.approx(theirs.bic(X))
    assert ours.aic(X) == pytest.approx(theirs.aic(X))


@pytest.mark.parametrize("K", [1, 3])
def test_shapes_and_roots_are_those_of_scikit_learn(K):
    X = blobs()[:, :3]
    for covariance in ALL:
        ours = learner(K, covariance=covariance, init=X[:K], reg_covar=1e-6, tol=0, max_iter=5).fit(X)
        theirs = peer(X, X[:K], covariance, 5)
        assert ours.covariances_.shape == theirs.covariances_.shape
        np.testing.assert_allclose(ours.precisions_cholesky_, theirs.precisions_cholesky_, atol=1e-8)
        assert ours._n_parameters() == theirs._n_parameters()
        np.testing.assert_allclose(ours.score_samples(X), theirs.score_samples(X), atol=1e-8)


@KINDS
def test_tol_stops_where_scikit_learn_stops(covariance):
    X = blobs()
    ours = learner(covariance=covariance, init=X[:5], max_iter=200, reg_covar=1e-6).fit(X)
    theirs = peer(X, X[:5], covariance, 200, tol=1e-3)
    assert ours.converged_
    assert ours.n_iter_ == theirs.n_iter_ == len(ours.log_likelihood_curve_) > 3


@KINDS
def test_one_feature(covariance):
    X = blobs(d=1)
    ours = learner(covariance=covariance, init=X[:5], max_iter=10, tol=0, reg_covar=1e-6).fit(X)
    theirs = peer(X, X[:5], covariance, 10)
    np.testing.assert_allclose(ours.components_, theirs.means_, atol=1e-8)
    np.testing.assert_allclose(ours.covariances_, theirs.covariances_, atol=1e-8)


@KINDS
@INITS
@pytest.mark.parametrize("seed", range(3))
def test_the_likelihood_never_falls(covariance, init, seed):
    X = blobs(seed=seed)
    ours = learner(8, covariance=covariance, init=init, tol=0, max_iter=60, random_state=seed).fit(X)
    curve = np.r_[ours.log_likelihood_curve_, ours.score(X)]
    assert (np.diff(curve) > -1e-9).all()
    assert curve[-1] > curve[0] + 0.01


def test_float32_follows_float64():
    X = blobs(n=3000, d=20)
    single = learner(8, init=X[:8], max_iter=10, tol=0).fit(X.astype(np.float32))
    double = learner(8, init=X[:8], max_iter=10, tol=0).fit(X)
    for name in ("components_", "covariances_", "weights_"):
        assert getattr(single, name).dtype == np.float32
        np.testing.assert_allclose(getattr(single, name), getattr(double, name), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(single.log_likelihood_curve_, double.log_likelihood_curve_, rtol=1e-5)


@KINDS
@pytest.mark.parametrize("offset", [1e3, 1e4])
def test_float32_data_far_from_the_origin(covariance, offset):
    X = np.round(blobs() * 64) / 64  # exact in float32 at either place
    near = learner(covariance=covariance, init=X[:5], tol=0, max_iter=10).fit(X.astype(np.float32))
    far = learner(covariance=covariance, init=X[:5] + offset, tol=0, max_iter=10).fit((X + offset).astype(np.float32))
    np.testing.assert_allclose(far.covariances_, near.covariances_, rtol=2e-3)
    r = far.transform((X + offset).astype(np.float32))
    np.testing.assert_allclose(r, near.transform(X.astype(np.float32)), atol=3e-6 * offset)  # the means are rounded
    np.testing.assert_allclose(far.log_likelihood_curve_, near.log_likelihood_curve_, atol=1e-4)


def test_kmeans_finds_clouds_that_random_means_miss():
    rng = np.random.default_rng(0)
    X = np.repeat(100 * rng.normal(size=(10, 4)), 30, axis=0) + rng.normal(size=(300, 4))
    scores = {
        init: [learner(10, init=init, random_state=s).fit(X).score(X) for s in range(5)]
        for init in ("kmeans", "random")
    }
    assert np.median(scores["kmeans"]) > np.median(scores["random"]) + 0.5


# --- scale, offset, distance, dtype -------------------------------------------------------------------------------


def far_groups(far, spread=0.3, seed=0):
    """Four groups of 200 at (+-far, +-2), and their variances."""
    rng = np.random.default_rng(seed)
    noise = spread * rng.normal(size=(4, 200, 2))
    centers = np.array([[-far, -2], [-far, 2], [far, -2], [far, 2]])
    X = (centers[:, None] + noise).reshape(-1, 2)
    return X, np.repeat(np.arange(4), 200)


@KINDS
@DTYPES
@pytest.mark.parametrize("far", [3000.0, 1e4, 1e6])
def test_groups_far_apart_give_the_right_mixture(covariance, dtype, far):
    X, labels = far_groups(far)
    X = X.astype(dtype)
    ours = learner(4, covariance=covariance).fit(X)
    found = ours.predict(X)
    assert len(set(zip(found, labels, strict=True))) == 4
    np.testing.assert_array_equal(ours.transform(X).max(axis=1), 1)
    each = np.array([np.cov(X[found == k].astype(float).T, bias=True) for k in range(4)])
    if covariance == "tied":
        each[:] = each.mean(axis=0)
    if covariance in ("diag", "spherical"):
        each = each * np.eye(2)
    if covariance == "spherical":
        each = np.trace(each, axis1=1, axis2=2)[:, None, None] / 2 * np.eye(2)
    np.testing.assert_allclose(matrices(ours), each, rtol=1e-3, atol=1e-4)


@KINDS
@pytest.mark.parametrize("far", [10.0, 60.0, 200.0])
def test_float32_keeps_the_variances_of_groups_apart(covariance, far):
    X = far_groups(far)[0].astype(np.float32)
    init = [[-far, -2], [-far, 2], [far, -2], [far, 2]]
    single = learner(4, covariance=covariance, init=init, tol=0, max_iter=5).fit(X)
    double = learner(4, covariance=covariance, init=init, tol=0, max_iter=5).fit(X.astype(float))
    np.testing.assert_allclose(single.covariances_, double.covariances_, rtol=2e-3, atol=1e-5)
    np.testing.assert_allclose(single.score_samples(X), double.score_samples(X), atol=0.01)


@pytest.mark.filterwarnings("ignore:GaussianMixtureEncoder. components start from features")
@pytest.mark.parametrize("covariance", ["diag", "spherical", "full"])  # one matrix for all must hold the outlier, too
def test_an_outlier_beyond_what_squares_can_hold_disturbs_nobody(covariance):
    X = np.random.default_rng(0).normal(1000, 1, size=(2000, 3))
    X[7] = -1e9
    with pytest.warns(UserWarning, match="2 are constant.*outlier"):  # a component for it leaves one for all others
        ours = learner(2, covariance=covariance).fit(X)
    rest = X[np.arange(2000) != 7]
    big = int(ours.weights_.argmax())
    np.testing.assert_allclose(ours.components_[big], rest.mean(axis=0), rtol=1e-9)
    assert ours.predict(X[[7]])[0] != big
    np.testing.assert_allclose(np.diag(matrices(ours)[big]), rest.var(axis=0), rtol=0.05)


@KINDS
@pytest.mark.parametrize("factor", [1e-6, 1e6, np.array([1e-6, 1.0, 1e5])], ids=["volts", "large", "mixed units"])
def test_units_change_nothing(covariance, factor):
    if covariance == "spherical" and np.ndim(factor):
        return  # one variance for all features knows their units
    X = blobs()
    expected = learner(covariance=covariance, init=X[:5]).fit(X)
    if not np.ndim(factor):
        ours = learner(covariance=covariance, init=X[:5] * factor).fit(X * factor)
        np.testing.assert_allclose(ours.transform(X * factor), expected.transform(X), atol=1e-6)
        np.testing.assert_allclose(ours.components_, expected.components_ * factor, rtol=1e-6)
    free = learner(covariance=covariance).fit(X * factor)  # other draws
    assert free.score(X * factor) + np.log(factor * np.ones(3)).sum() > expected.score(X) - 0.1


@KINDS
@DTYPES
@pytest.mark.parametrize("offset", [1e6, -1e6])
def test_an_offset_changes_nothing(covariance, dtype, offset):
    X = np.round(blobs() * 8) / 8  # exact in float32 at either place
    near = learner(covariance=covariance, init=X[:5], max_iter=10, tol=0).fit(X.astype(dtype))
    far = learner(covariance=covariance, init=X[:5] + offset, max_iter=10, tol=0).fit((X + offset).astype(dtype))
    np.testing.assert_allclose(far.covariances_, near.covariances_, rtol=0.02, atol=5e-3)
    np.testing.assert_allclose(far.weights_, near.weights_, atol=2e-3)


@KINDS
def test_the_same_numbers_in_another_dtype_start_and_end_alike(covariance):
    X = np.round(blobs(n=1000) * 16).astype(np.int64)
    fits = [learner(covariance=covariance).fit(X.astype(t)) for t in (np.float64, np.int64)]
    same(*fits)
    small = learner(covariance=covariance).fit(X.astype(np.float32))
    np.testing.assert_allclose(small.components_, fits[0].components_, rtol=0.02, atol=0.5)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_any_table_gives_finite_codes(data):
    """Ties, constants, tiny and huge columns, offsets: all in one table."""
    n, d = data.draw(st.integers(3, 30)), data.draw(st.integers(1, 5))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    X = np.round(rng.normal(size=(n, d)) * data.draw(st.sampled_from([1, 3, 100])))
    X = X * 10.0 ** data.draw(arrays(np.int64, d, elements=st.integers(-9, 9)))
    X = X + data.draw(arrays(np.float64, d, elements=st.sampled_from([0.0, 1.0, 1e6])))
    X = X.astype(data.draw(st.sampled_from([np.float32, np.float64])))
    covariance = data.draw(st.sampled_from(ALL))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", (ConvergenceWarning, UserWarning))
        try:
            ours = learner(data.draw(st.integers(1, 3)), covariance=covariance, max_iter=20).fit(X)
        except ValueError as error:
            assert "GaussianMixtureEncoder: the largest value is" in str(error)  # noqa: PT017
            return
    for value in (ours.components_, ours.covariances_, ours.transform(X), ours.score_samples(X)):
        assert np.isfinite(value).all()
    np.testing.assert_allclose(ours.transform(X).sum(axis=1), 1, rtol=1e-4)
    assert np.isfinite(ours.transform(X * X.dtype.type(1e3))).all()


# --- codes ---------------------------------------------------------------------------------------------------------


@KINDS
@DTYPES
def test_posteriors_sum_to_one_and_density_is_their_joint(covariance, dtype):
    X = blobs().astype(dtype)
    ours = learner(covariance=covariance).fit(X)
    r = ours.transform(X)
    assert r.dtype == dtype
    np.testing.assert_allclose(r.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(r, ours.predict_proba(X))
    ours.set_params(encode="density")
    density = ours.transform(X)
    assert density.dtype == dtype
    np.testing.assert_allclose(density.sum(axis=1), np.exp(ours.score_samples(X)), rtol=1e-4)
    np.testing.assert_allclose(density / density.sum(axis=1, keepdims=True), r, atol=1e-4)
    expected = ours.weights_[2] * multivariate_normal.pdf(X.astype(float), ours.components_[2], matrices(ours)[2])
    np.testing.assert_allclose(density[:, 2], expected, rtol=1e-3, atol=1e-12)


def test_density_saturates_and_underflows_quietly():
    X = blobs(d=60)
    ours = learner(encode="density").fit(X.astype(np.float32))
    assert (ours.transform((X + 40).astype(np.float32)) == 0).all()
    narrow = learner(1, encode="density", reg_covar=1e-12).fit(np.zeros((5, 60), np.float32))
    assert np.isfinite(narrow.transform(np.zeros((2, 60), np.float32))).all()


@pytest.mark.parametrize("covariance", ["diag", "spherical"])
def test_fisher_vectors_are_the_scaled_gradient(covariance):
    X = blobs()
    ours = learner(4, encode="fisher", covariance=covariance).fit(X)
    K, d = 4, 3
    codes = ours.transform(X[:6]).reshape(6, 2, K, d)
    means, weights = ours.components_, ours.weights_
    deviations = np.sqrt(np.broadcast_to(ours.covariances_.reshape(K, -1), (K, d)))
    h = 1e-6
    for x, code in zip(X[:6], codes, strict=True):
        for k in range(K):
            for j in range(d):
                step = np.zeros((K, d))
                step[k, j] = h
                by_mean = log_density(x, means + step, deviations, weights)
                by_mean -= log_density(x, means - step, deviations, weights)
                by_deviation = log_density(x, means, deviations + step, weights)
                by_deviation -= log_density(x, means, deviations - step, weights)
                # Fisher information, if the posteriors are near 0 or 1: pi / s^2 and 2 pi / s^2
                s, pi = deviations[k, j], weights[k]
                assert code[0, k, j] == pytest.approx(by_mean / (2 * h) / np.sqrt(pi / s**2), abs=1e-6)
                assert code[1, k, j] == pytest.approx(by_deviation / (2 * h) / np.sqrt(2 * pi / s**2), abs=1e-6)


def test_fisher_vectors_have_mean_zero_and_unit_variance_on_their_own_samples():
    """The score has mean zero under the model, and its scaling is its deviation where components are apart."""
    ours = learner(2, encode="fisher", init=[[-20.0, 0], [20.0, 0]])
    X = np.random.default_rng(0).normal(size=(4000, 2)) * [1, 3] + np.where(np.arange(4000) < 1000, -20, 20)[:, None]
    codes = ours.set_params(init=[[-20.0, -20], [20.0, 20]]).fit_transform(X)
    np.testing.assert_allclose(codes.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(codes.std(axis=0), 1, atol=0.1)


@pytest.mark.parametrize(("encode", "width"), [("posterior", 5), ("density", 5), ("fisher", 30)])
def test_names_of_the_columns(encode, width):
    ours = learner(encode=encode).fit(blobs())
    names = ours.get_feature_names_out()
    assert ours.transform(blobs()).shape[1] == width == len(names)
    assert names[-1] == f"gaussianmixtureencoder{width - 1}"


# --- duplicates, empty components, degenerate data -----------------------------------------------------------------


@KINDS
@INITS
@DTYPES
def test_duplicate_heavy_data_give_no_nan(covariance, init, dtype):
    rng = np.random.default_rng(0)
    X = np.repeat(rng.normal(size=(40, 4)), rng.integers(1, 30, 40), axis=0).astype(dtype)
    ours = learner(30, covariance=covariance, init=init, tol=0, max_iter=30).fit(X)
    for value in (ours.components_, ours.covariances_, ours.weights_, ours.log_likelihood_curve_, ours.transform(X)):
        assert np.isfinite(value).all()
    least = np.linalg.eigvalsh(matrices(ours))[:, 0]
    assert (least > 0.9 * ours.reg_covar_.min()).all()
    assert ours.reg_covar_.min() > 0
    assert ours.weights_.sum() == pytest.approx(1, abs=1e-5)


@INITS
def test_fewer_distinct_samples_than_components_warn_with_both_numbers(init):
    X = np.repeat(np.eye(3), 4, axis=0)
    with pytest.warns(ConvergenceWarning, match="3 distinct rows for n_components=5"):
        ours = learner(init=init).fit(X)
    assert np.isfinite(ours.transform(X)).all()
    np.testing.assert_allclose(ours.transform(X).sum(axis=1), 1)


def test_a_component_without_mass_is_drawn_anew():
    X = blobs()
    init = np.vstack([X[:4], np.full((1, 3), 1e6)])
    ours = learner(init=init, max_iter=300).fit(X)
    assert ours.weights_.min() > 1e-3
    assert np.abs(ours.components_).max() < 20
    curve = ours.log_likelihood_curve_
    assert (np.diff(curve) > -2 / len(X)).all()  # a new component takes the weight of one sample
    single = learner(4, init=X[:4], max_iter=300).fit(X)
    assert curve[-1] > single.log_likelihood_curve_[-1]


def test_constant_features_stay_finite():
    X = blobs()
    X[:, 1] = 7
    ours = learner().fit(X)
    np.testing.assert_allclose(ours.covariances_[:, 1], ours.reg_covar_[1], rtol=1e-3)
    np.testing.assert_allclose(learner(reg_covar=1e-6).fit(X).covariances_[:, 1], 1e-6, rtol=1e-3)
    with pytest.raises(ValueError, match=r"collapsed onto equal values.*reg_covar=0"):
        learner(reg_covar=0).fit(X)


# --- invariances ---------------------------------------------------------------------------------------------------


def same(a, b, atol=1e-8):
    for name in ("components_", "covariances_", "weights_", "log_likelihood_curve_"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), atol=atol)


@KINDS
def test_chunks_threads_and_order_change_nothing_beyond_rounding(covariance, monkeypatch):
    X = blobs(n=1000)
    ours = learner(covariance=covariance, max_iter=8, tol=0)
    expected = clone(ours).fit(X)
    np.testing.assert_array_equal(clone(ours).fit(X).components_, expected.components_)
    order = np.random.default_rng(1).permutation(1000)
    same(clone(ours).fit(X[order]), expected)
    monkeypatch.setattr(module, "CHUNK_ROWS", 64)
    in_chunks = clone(ours).fit(X)
    same(in_chunks, expected)
    for threads in (1, 2, 5):
        monkeypatch.setattr(featlearn.streaming, "n_threads", lambda n_jobs=None, t=threads: t)
        np.testing.assert_array_equal(clone(ours).fit(X).components_, in_chunks.components_)


def test_streams_and_memmaps_give_what_the_array_gives(tmp_path):
    X = blobs()
    ours = learner(max_iter=8, tol=0)
    expected = clone(ours).fit(X)
    for stream in (lambda: iter([X[:100], X[100:]]), lambda: [X[:1], X[1:1], X[1:]]):
        learned = clone(ours).fit(stream)
        assert learned.components_.dtype == np.float64
        same(learned, expected)
    np.save(tmp_path / "X.npy", X)
    same(clone(ours).fit(np.load(tmp_path / "X.npy", mmap_mode="r")), expected)
    halves = [X[:100], X[100:]]
    for encode in ("posterior", "fisher"):
        expected.set_params(encode=encode)
        codes = np.concatenate(list(expected.transform(iter(halves))))
        np.testing.assert_allclose(codes, expected.transform(X), atol=1e-10)
    np.testing.assert_allclose(np.concatenate(list(expected.score_samples(iter(halves)))), expected.score_samples(X))
    np.testing.assert_array_equal(np.concatenate(list(expected.predict(iter(halves)))), expected.predict(X))
    assert expected.score(iter(halves)) == pytest.approx(expected.score(X))
    with pytest.raises(ValueError, match="walks over the data several times"):
        clone(ours).fit(iter(halves))


def test_dask_arrays_give_what_the_array_gives():
    da = pytest.importorskip("dask.array", reason="pip install 'featlearn[dask]'")
    X, weights = blobs(), np.random.default_rng(0).uniform(0, 2, 800)
    ours = learner(max_iter=8, tol=0)
    expected = clone(ours).fit(X, sample_weight=weights)
    Y = da.from_array(X, chunks=(150, 2))
    learned = clone(ours).fit(Y, sample_weight=da.from_array(weights, chunks=300))
    same(learned, expected)
    np.testing.assert_allclose(learned.transform(Y).compute(), expected.transform(X), atol=1e-8)
    np.testing.assert_allclose(learned.score_samples(Y).compute(), expected.score_samples(X), atol=1e-8)
    assert learned.score(Y) == pytest.approx(expected.score(X))
    fisher = learned.set_params(encode="fisher").transform(Y)
    assert fisher.shape == (800, 30)
    np.testing.assert_allclose(fisher.compute(), expected.set_params(encode="fisher").transform(X), atol=1e-6)


@KINDS
def test_a_weight_of_w_counts_as_w_samples(covariance):
    X = blobs(n=300)
    weights = np.random.default_rng(0).integers(0, 4, 300)
    ours = learner(4, covariance=covariance, max_iter=10, tol=0)
    repeated = clone(ours).fit(np.repeat(X, weights, axis=0))
    weighted = clone(ours).fit(X, sample_weight=weights)
    same(weighted, repeated)
    assert weighted.score(X, sample_weight=weights) == pytest.approx(repeated.score(np.repeat(X, weights, axis=0)))
    same(clone(ours).fit(lambda: [(X[:50], weights[:50]), (X[50:], weights[50:])]), repeated)


# --- warm start, sampling, stopping --------------------------------------------------------------------------------


@KINDS
def test_warm_start_goes_on(covariance):
    X = blobs()
    ours = learner(covariance=covariance, init=X[:5], max_iter=4, tol=0, warm_start=True).fit(X)
    first = ours.log_likelihood_curve_
    ours.fit(X)
    whole = learner(covariance=covariance, init=X[:5], max_iter=8, tol=0).fit(X)
    np.testing.assert_allclose(ours.components_, whole.components_, atol=1e-10)
    np.testing.assert_allclose(np.r_[first, ours.log_likelihood_curve_], whole.log_likelihood_curve_, atol=1e-12)
    with pytest.raises(ValueError, match=r"warm_start=True goes on from 5 components of 3 features.*n_components=6"):
        ours.set_params(n_components=6).fit(X)
    with pytest.raises(ValueError, match=r"n_features=2"):
        ours.set_params(n_components=5).fit(X[:, :2])
    assert ours.n_features_in_ == 3


@KINDS
def test_samples_have_the_moments_of_the_mixture(covariance):
    ours = learner(covariance=covariance).fit(blobs())
    X, labels = ours.sample(40_000)
    variances = np.diagonal(matrices(ours), axis1=1, axis2=2)
    for k in range(5):
        rows = X[labels == k]
        assert len(rows) / len(X) == pytest.approx(ours.weights_[k], abs=0.01)
        error = 5 * np.sqrt(variances[k] / len(rows))
        assert (abs(rows.mean(axis=0) - ours.components_[k]) < error).all()
        np.testing.assert_allclose(np.cov(rows.T), matrices(ours)[k], atol=0.15 * variances[k].max())
    with pytest.raises(ValueError, match="n_samples=0"):
        ours.sample(0)


def test_samples_take_a_random_state_or_that_of_the_mixture():
    ours = learner().fit(blobs())
    np.testing.assert_array_equal(ours.sample(10)[0], ours.sample(10)[0])
    np.testing.assert_array_equal(ours.sample(10)[0], ours.sample(10, random_state=ours.random_state)[0])
    drawn = [ours.sample(10, random_state=seed)[0] for seed in (1, np.random.RandomState(1), 2)]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[0] != drawn[2]).all()
    assert (ours.set_params(random_state=None).sample(10)[0] != ours.sample(10)[0]).all()
    for seed in (-1, "a", 0.5):
        with pytest.raises(ValueError, match=r"GaussianMixtureEncoder\.sample: random_state=.* pass None, an integer"):
            ours.sample(random_state=seed)


def test_max_iter_without_tol_warns_and_tol_0_does_not():
    X = blobs()
    words = r"max_iter=2 iterations were made.*log-likelihood still changed by 0\.\d+, and tol=0\.001.*pass tol=0"
    with pytest.warns(ConvergenceWarning, match=words) as caught:
        ours = learner(max_iter=2).fit(X)
    assert caught[0].filename == __file__
    assert not ours.converged_
    assert learner(max_iter=2, tol=0).fit(X).n_iter_ == 2


def test_early_stopping_reads_the_likelihood():
    stop = EarlyStopping(monitor="log_likelihood", mode="max", patience=1, tol=0.01)
    ours = learner(tol=1e-12, max_iter=200).set_callbacks(stop).fit(blobs())
    assert ours.n_iter_ < 100
    assert len(stop.stopped_) == 1


class Watch:
    """A callback that raises at the third iteration."""

    def __init__(self, error=KeyboardInterrupt):
        self.error, self.seen = error, 0

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        self.seen += 1
        if self.seen == 3:
            raise self.error


def test_an_interrupt_keeps_the_iterations_that_are_whole(monkeypatch):
    assert issubclass(GaussianMixtureEncoder, CallbackSupportMixin)
    X = blobs()
    expected = learner(tol=0, max_iter=3).fit(X)
    with pytest.warns(ConvergenceWarning, match="interrupted, so the fit ends after 3 iterations"):
        ours = learner(max_iter=10).set_callbacks(Watch()).fit(X)
    np.testing.assert_array_equal(ours.components_, expected.components_)
    np.testing.assert_array_equal(ours.transform(X), expected.transform(X))
    assert ours.n_iter_ == len(ours.log_likelihood_curve_) == 3
    assert not ours.converged_

    def during(chunk, weights=None, *, plan, calls=[0]):  # noqa: B006
        calls[0] += 1
        if calls[0] == 4:
            raise KeyboardInterrupt
        return em_step(chunk, weights, plan=plan)

    em_step = module.em_step
    monkeypatch.setattr(module, "em_step", during)
    with pytest.warns(ConvergenceWarning, match="after 3 iterations"):
        ours = learner(tol=0, max_iter=10).fit(X)
    np.testing.assert_array_equal(ours.components_, expected.components_)


def test_a_failed_fit_leaves_the_estimator_as_it_was():
    X = blobs()
    fresh = learner(tol=0, max_iter=10).set_callbacks(Watch(ArithmeticError))
    with pytest.raises(ArithmeticError):
        fresh.fit(X)
    with pytest.raises(NotFittedError):
        fresh.transform(X)
    fitted = learner(tol=0, max_iter=10).fit(X)
    before = fitted.transform(X)
    fitted.set_callbacks(Watch(ArithmeticError))
    with pytest.raises(ArithmeticError):
        fitted.fit(X[:, :2])
    np.testing.assert_array_equal(fitted.transform(X), before)


def test_pickle_clone_and_seed():
    X = blobs()
    ours = learner(encode="fisher").fit(X)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(ours)).transform(X), ours.transform(X))
    np.testing.assert_array_equal(clone(ours).fit(X).transform(X), ours.transform(X))
    assert (learner(init="random", random_state=1).fit(X).components_ != ours.components_).any()


# --- bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"K": 0}, "n_components=0 is not valid"),
        ({"covariance": "banded"}, "covariance='banded' is not valid"),
        ({"covariance": "tied", "encode": "fisher"}, "encode='fisher' is defined for variances, not for 'tied'"),
        ({"reg_covar": "scott"}, "reg_covar='scott' is not valid; pass one of 'auto' or a finite number"),
        ({"encode": "triangle"}, "encode='triangle' is not valid"),
        ({"max_iter": 0}, "max_iter=0 is not valid"),
        ({"tol": -1}, "tol=-1 is not valid"),
        ({"init": "normal"}, "init='normal' is not valid"),
        ({"reg_covar": -1e-6}, "reg_covar=-1e-06 is not valid"),
        ({"warm_start": 1}, "warm_start=1 is not valid"),
        ({"init": np.zeros((4, 3))}, r"init has shape \(4, 3\); pass 5 rows of 3 features"),
        ({"init": np.full((5, 3), np.nan)}, "init contains NaN or infinity"),
        ({"K": 801}, "n_samples=800 is fewer than n_components=801"),
    ],
)
def test_bad_parameters_by_name(parameters, message):
    with pytest.raises(ValueError, match=message):
        learner(**parameters).fit(blobs())


def test_bad_data_by_name():
    X = blobs()
    broken = X.copy()
    broken[3, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        learner().fit(broken)
    with pytest.raises(ValueError, match="NaN"):
        learner().fit(lambda: [X, broken])
    with pytest.raises(ValueError, match="n_samples=3 is fewer than n_components=5"):
        learner(init=X[:5]).fit(lambda: [X[:2], X[2:3]])
    with pytest.raises(ValueError, match="n_samples=2 is fewer than n_components=5"):
        learner(init=X[:5]).fit(X, sample_weight=np.r_[1, 1, np.zeros(798)])
    with pytest.raises(ValueError, match="all samples have weight 0"):
        learner().fit(lambda: [(X, np.zeros(800))])
    with pytest.raises(ValueError, match="at least one non-zero"):
        learner().fit(X, sample_weight=np.zeros(800))
    with pytest.raises(ValueError, match="at least 0; those of a chunk lie between -1"):
        learner().fit(lambda: [(X, -np.ones(800))])
    with pytest.raises(ValueError, match="expecting 3 features"):
        learner().fit(X).transform(X[:, :2])
    with pytest.raises(ValueError, match=r"squares of float32 numbers overflow above.*Scale the data"):
        learner(init="random").fit((X * 1e25).astype(np.float32))
