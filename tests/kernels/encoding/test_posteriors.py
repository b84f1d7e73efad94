"""The mixture kernels against densities of SciPy and plain loops, far from the origin too."""

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm

from featlearn.kernels.encoding.posteriors import (
    BLOCK_ROWS,
    DirectPlan,
    Mixture,
    affine_logits,
    em_sums,
    fisher_sums,
    log_joint,
    maximized,
    posteriors,
    prepared,
    prepared_for,
)

KINDS = pytest.mark.parametrize("kind", ["diag", "spherical"])
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def problem(kind="diag", n=BLOCK_ROWS + 88, K=5, d=4, seed=0):
    """Samples, uneven weights and a mixture that fits neither."""
    rng = np.random.default_rng(seed)
    shape = (K, d) if kind == "diag" else K
    shares = rng.uniform(0.1, 1, K)
    mixture = Mixture(2 * rng.normal(size=(K, d)), rng.uniform(0.3, 2, shape), shares / shares.sum())
    return 2 * rng.normal(size=(n, d)), rng.uniform(0, 3, n), mixture


def log_joint_by_scipy(X, mixture):
    """log pi_k + sum_j log N(x_j; mu_kj, s_kj), one component at a time, in float64."""
    X = np.asarray(X, float)
    columns = []
    for mean, variance, weight in zip(*mixture, strict=True):
        columns.append(np.log(weight) + norm.logpdf(X, mean, np.sqrt(variance)).sum(axis=1))
    return np.column_stack(columns)


@KINDS
@DTYPES
def test_affine_logits_are_the_log_joint_density(kind, dtype):
    X, _, mixture = problem(kind)
    A, c = affine_logits(*mixture, dtype)
    assert A.dtype == c.dtype == dtype
    assert (A.shape, c.shape) == ((5, 8), (5,))
    logits = np.hstack([X**2, X]) @ A.T.astype(float) + c
    np.testing.assert_allclose(logits, log_joint_by_scipy(X, mixture), rtol=1e-12 if dtype == np.float64 else 1e-5)


def test_affine_logits_of_a_component_without_weight():
    A, c = affine_logits(np.zeros((2, 1)), np.ones((2, 1)), np.array([1.0, 0.0]), np.float32)
    assert np.isfinite(A).all()
    assert np.isfinite(c).all()
    assert c[1] < -1e37


@KINDS
@DTYPES
@pytest.mark.parametrize("d", [1, 4])
def test_densities_and_posteriors(kind, dtype, d):
    X, _, mixture = problem(kind, d=d)
    X, plan = X.astype(dtype), prepared(mixture, dtype)
    expected = log_joint_by_scipy(X, mixture)
    tolerance = {"rtol": 1e-10} if dtype == np.float64 else {"rtol": 2e-5, "atol": 1e-4}
    np.testing.assert_allclose(log_joint(X, plan), expected, **tolerance)
    r, log_p = posteriors(X, plan)
    assert r.dtype == log_p.dtype == log_joint(X, plan).dtype == dtype
    np.testing.assert_allclose(log_p, logsumexp(expected, axis=1), **tolerance)
    np.testing.assert_allclose(r, np.exp(expected - logsumexp(expected, axis=1, keepdims=True)), atol=tolerance["rtol"])
    np.testing.assert_allclose(r.sum(axis=1), 1, rtol=1e-6)


@KINDS
@pytest.mark.parametrize("d", [1, 4])
def test_em_sums_and_the_m_step(kind, d):
    X, w, mixture = problem(kind, d=d)
    plan = prepared(mixture, np.float64)
    sums = em_sums(X[:300], w[:300], plan) + em_sums(X[300:], w[300:], plan)
    joint = log_joint_by_scipy(X, mixture)
    log_p = logsumexp(joint, axis=1)
    r = w[:, None] * np.exp(joint - log_p[:, None])
    mass = r.sum(axis=0)
    np.testing.assert_allclose(sums.mass, mass)
    assert sums.log_likelihood == pytest.approx(w @ log_p)
    assert sums.total == pytest.approx(w.sum())
    assert sums.n_samples == len(X)
    new = maximized(sums, mixture, plan, 0.01)
    means = r.T @ X / mass[:, None]
    variances = np.array([r[:, k] @ (X - means[k]) ** 2 / mass[k] for k in range(5)])
    np.testing.assert_allclose(new.means, means, atol=1e-12)
    np.testing.assert_allclose(new.weights, mass / w.sum())
    expected = variances + 0.01 if kind == "diag" else variances.mean(axis=1) + 0.01
    np.testing.assert_allclose(new.covariances, expected)


@KINDS
@DTYPES
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_far_from_the_origin_posteriors_stay(kind, dtype, offset):
    X, _, mixture = problem(kind)
    X = (X + offset).astype(dtype)  # what rounding the data costs is not the kernel's
    expected = log_joint_by_scipy(X, mixture._replace(means=mixture.means + offset))
    expected = np.exp(expected - logsumexp(expected, axis=1, keepdims=True))
    plan = prepared(mixture._replace(means=mixture.means + offset), dtype)
    assert plan.A.dtype == dtype  # the distance costs nothing: float64 is for narrow components
    np.testing.assert_allclose(posteriors(X, plan)[0], expected, atol=1e-5)


def test_narrow_components_are_worked_on_in_float64():
    """Two values 0.01 apart, 100 from a third component: float32 squares about the origin hold no such digits."""
    mixture = Mixture(np.array([[100.0], [100.01], [-200.01]]), np.full((3, 1), 1e-6), np.full(3, 1 / 3))
    X = np.array([[100.0], [100.01], [100.004]], np.float32)
    plan = prepared(mixture, np.float32)
    assert plan.A.dtype == np.float64
    expected = log_joint_by_scipy(X, mixture)
    r, log_p = posteriors(X, plan)
    assert r.dtype == np.float32
    np.testing.assert_allclose(r, np.exp(expected - logsumexp(expected, axis=1, keepdims=True)), atol=1e-5)
    np.testing.assert_allclose(log_p, logsumexp(expected, axis=1), rtol=1e-4)
    assert prepared(mixture._replace(covariances=np.full((3, 1), 100.0)), np.float32).A.dtype == np.float32


@DTYPES
def test_distances_about_each_mean_where_expanded_squares_lose_all_digits(dtype):
    mixture = Mixture(np.array([[1e6], [1e6 + 0.5], [-2e6]]), np.full((3, 1), 1e-2), np.full(3, 1 / 3))
    X = np.array([[1e6], [1e6 + 0.5], [-2e6]], dtype)
    plan = prepared(mixture, dtype)
    assert isinstance(plan, DirectPlan)
    expected = log_joint_by_scipy(X, mixture)
    np.testing.assert_allclose(posteriors(X, plan)[1], logsumexp(expected, axis=1), rtol=1e-5)
    np.testing.assert_allclose(log_joint(X, plan), expected, rtol=1e-5)
    new = maximized(em_sums(X, np.ones(3), plan), mixture, plan, 0.01)
    np.testing.assert_allclose(new.covariances[:, 0], [0.01, 0.01, 0.01], rtol=1e-3)
    sums = fisher_sums(X, np.arange(3), 3, mixture, plan)
    np.testing.assert_allclose(sums[0, 0, 0], 0, atol=1e-4)


def test_rows_far_beyond_the_mixture_overflow_nothing():
    mixture = Mixture(np.zeros((2, 3)) + [[0], [1e-6]], np.full((2, 3), 1e-12), np.full(2, 0.5))
    X = np.array([[1e15] * 3, [-1e15] * 3], np.float32)
    r, log_p = posteriors(X, prepared_for(mixture, X))
    assert np.isfinite(r).all()
    assert np.isfinite(log_p).all()


def test_a_component_without_mass_keeps_its_place():
    X, w, mixture = problem()
    mixture = mixture._replace(means=np.vstack([mixture.means[:4], np.full(4, 1e4)]))
    plan = prepared(mixture, np.float64)
    sums = em_sums(X, w, plan)
    assert sums.alive.tolist() == [True] * 4 + [False]
    new = maximized(sums, mixture, plan, 0)
    np.testing.assert_array_equal(new.means[4], mixture.means[4])
    np.testing.assert_array_equal(new.covariances[4], mixture.covariances[4])
    assert new.weights[4] == 0
    assert np.isfinite(new.means).all()


@KINDS
@DTYPES
def test_fisher_sums_of_groups(kind, dtype):
    X, _, mixture = problem(kind)
    groups = np.random.default_rng(0).integers(0, 3, len(X))
    sums = fisher_sums(X.astype(dtype), groups, 4, mixture, prepared(mixture, dtype))
    joint = log_joint_by_scipy(X, mixture)
    r = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
    expected = np.zeros((4, 2, 5, 4))
    for i, group in enumerate(groups):
        for k in range(5):
            u = (X[i] - mixture.means[k]) / np.sqrt(mixture.covariances[k])
            expected[group, 0, k] += r[i, k] * u / np.sqrt(mixture.weights[k])
            expected[group, 1, k] += r[i, k] * (u**2 - 1) / np.sqrt(2 * mixture.weights[k])
    assert sums.dtype == dtype
    assert (sums[3] == 0).all()
    np.testing.assert_allclose(sums, expected, atol=1e-9 if dtype == np.float64 else 2e-3)
