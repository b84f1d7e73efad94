"""Sparse codes against scikit-learn, exhaustive search, closed forms and the algorithms written out in NumPy."""

import pickle
from itertools import combinations

import numpy as np
import pytest
from sklearn.decomposition import sparse_encode
from sklearn.linear_model import Lasso, orthogonal_mp_gram

from featlearn.kernels.encoding import sparse_codes
from featlearn.kernels.encoding.sparse_codes import (
    OMP,
    ProximalEncoder,
    fista,
    fitted_atoms,
    ista,
    largest_eigenvalue,
    lasso_objective,
    lasso_residual,
    omp,
    sparse_sums,
)


def problem(n=60, K=20, d=8, seed=0, unit=True, dtype=np.float64):
    rng = np.random.default_rng(seed)
    D = rng.normal(size=(K, d)) * rng.uniform(0.3, 3, size=(K, 1))
    if unit:
        D /= np.linalg.norm(D, axis=1, keepdims=True)
    return rng.normal(size=(n, d)).astype(dtype), D.astype(dtype)


def slow_omp(x, D, size, tol=0.0):
    """Orthogonal matching pursuit of one row, as in the textbook: a least-squares fit a step."""
    chosen, z, rest = [], np.zeros(len(D)), x
    while len(chosen) < size and rest @ rest > tol:
        k = int(np.argmax(np.abs(D @ rest) / np.linalg.norm(D, axis=1)))
        chosen.append(k)
        z[chosen] = np.linalg.lstsq(D[chosen].T, x, rcond=None)[0]
        rest = x - z @ D
    return z


def slow_lasso(X, D, alpha, positive=False):
    """Lasso codes by scikit-learn's coordinate descent, whose loss is divided by the number of features."""
    lasso = Lasso(alpha / D.shape[1], fit_intercept=False, positive=positive, tol=1e-14, max_iter=100_000)
    return np.array([lasso.fit(D.T, x).coef_ for x in X])


# --- orthogonal matching pursuit -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_omp_equals_scikit_learn(size):
    X, D = problem()
    expected = orthogonal_mp_gram(D @ D.T, D @ X.T, n_nonzero_coefs=size).T
    np.testing.assert_allclose(omp(X, D, size), expected, atol=1e-10)


def test_omp_with_a_tolerance_equals_scikit_learn():
    X, D = problem()
    tol = 0.8
    expected = orthogonal_mp_gram(D @ D.T, D @ X.T, tol=tol, norms_squared=np.sum(X**2, axis=1)).T
    Z = omp(X, D, 8, tol)
    np.testing.assert_allclose(Z, expected, atol=1e-10)
    assert len(np.unique((Z != 0).sum(axis=1))) > 2  # rows stop at different lengths
    assert (np.sum((X - Z @ D) ** 2, axis=1) <= tol).all()


def test_omp_with_atoms_of_any_length_takes_the_best_direction():
    X, D = problem(unit=False)
    np.testing.assert_allclose(omp(X, D, 4), [slow_omp(x, D, 4) for x in X], atol=1e-9)
    unit = np.linalg.norm(D, axis=1)
    np.testing.assert_allclose(omp(X, D, 4) * unit, omp(X, D / unit[:, None], 4), atol=1e-9)


def test_omp_residuals_are_bounded_by_exhaustive_search():
    X, D = problem(n=40, K=9, d=5)
    best = np.full(len(X), np.inf)
    for pair in combinations(range(9), 2):
        S = D[list(pair)]
        best = np.minimum(best, np.sum((X - X @ np.linalg.pinv(S) @ S) ** 2, axis=1))
    one, two = (np.sum((X - omp(X, D, size) @ D) ** 2, axis=1) for size in (1, 2))
    np.testing.assert_allclose(one, np.sum(X**2, axis=1) - np.max((X @ D.T) ** 2, axis=1))
    assert (two >= best - 1e-12).all()
    assert (two < one).all()
    assert np.isclose(two, best).mean() > 0.5  # greedy is often right
    assert not np.isclose(two, best).all()


def test_omp_with_orthogonal_atoms_keeps_the_largest_responses():
    X, _ = problem(d=8)
    D = np.linalg.qr(np.random.default_rng(3).normal(size=(8, 8)))[0]
    g = X @ D.T
    kept = np.abs(g) >= np.sort(np.abs(g), axis=1)[:, [-3]]
    np.testing.assert_allclose(omp(X, D, 3), np.where(kept, g, 0), atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_omp_stops_when_nothing_is_left(dtype):
    X, D = problem(dtype=dtype)
    D = np.vstack([D, D[:3], np.zeros((1, 8), dtype)])  # duplicates, and an atom of zeros
    X = np.vstack([np.zeros((1, 8), dtype), 3 * D[5:6], D[1:2] - 2 * D[7:8], X])
    Z = omp(X, D, 24)  # more than the 8 features
    assert Z.dtype == dtype
    assert np.isfinite(Z).all()
    assert not Z[0].any()
    assert np.flatnonzero(Z[1]).tolist() == [5]
    np.testing.assert_allclose(Z @ D, X, atol=1e-10 if dtype == np.float64 else 1e-3)
    assert (Z != 0).sum(axis=1).max() <= 8
    assert not Z[:, -1].any()


def test_omp_in_float32_is_omp():
    X, D = problem(n=500, K=64, d=32)
    Z, Z32 = omp(X, D, 5), omp(X.astype(np.float32), D.astype(np.float32), 5)
    same = ((Z != 0) == (Z32 != 0)).all(axis=1)
    assert same.mean() > 0.99  # near ties may fall the other way
    np.testing.assert_allclose(Z32[same], Z[same], atol=1e-4)


def test_sparse_sums_are_those_of_the_dense_codes():
    X, D = problem()
    for size, tol in ((1, 0.0), (4, 0.0), (4, 0.8)):
        A, B = np.zeros((20, 20)), np.zeros((20, 8))
        encoder = OMP(D, size, tol)
        loss = sparse_sums(X, *encoder.sparse(X), D, A, B)
        Z = encoder(X)
        np.testing.assert_allclose(A, Z.T @ Z, atol=1e-12)
        np.testing.assert_allclose(B, Z.T @ X, atol=1e-12)
        np.testing.assert_allclose(loss, np.sum((X - Z @ D) ** 2))


# --- lasso ---------------------------------------------------------------------------------------------------------


def slow_steps(x, D, alpha, n_iter, accelerated):
    """ISTA or FISTA with restarts for one row, line by line."""
    L = np.linalg.eigvalsh(D @ D.T).max()
    z, y, t = np.zeros(len(D)), np.zeros(len(D)), 1.0
    for _ in range(n_iter):
        v = y - (y @ D - x) @ D.T / L
        new = np.sign(v) * np.maximum(np.abs(v) - alpha / L, 0)
        if accelerated:
            t = 1.0 if (y - new) @ (new - z) > 0 else t
            ahead = (1 + np.sqrt(1 + 4 * t * t)) / 2
            y = new + (t - 1) / ahead * (new - z)
            t = ahead
        else:
            y = new
        z = new
    return z


@pytest.mark.parametrize("K", [10, 30])  # products by the Gram matrix, and through the features
@pytest.mark.parametrize("encode", [ista, fista])
def test_every_step_is_the_formula(encode, K):
    X, D = problem(K=K, unit=False)
    for steps in (1, 2, 5, 60):
        expected = [slow_steps(x, D, 0.3, steps, encode is fista) for x in X]
        np.testing.assert_allclose(encode(X, D, 0.3, n_iter=steps, tol=0), expected, atol=1e-10)


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("K", [6, 12, 20])
@pytest.mark.parametrize("encode", [ista, fista])
def test_lasso_codes_equal_scikit_learn(encode, K, positive):
    X, D = problem(n=20, K=K)
    Z = encode(X, D, 0.2, n_iter=20_000, tol=1e-13, positive=positive)
    expected = slow_lasso(X, D, 0.2, positive)
    np.testing.assert_allclose(Z, expected, atol=1e-6)
    np.testing.assert_allclose(lasso_objective(X, D, Z, 0.2), lasso_objective(X, D, expected, 0.2), rtol=1e-9)
    assert lasso_residual(X, D, Z, 0.2, positive).max() < 1e-9
    assert (Z.min() >= 0) == positive


def test_lasso_codes_equal_least_angle_regression():
    X, D = problem(n=30)
    with np.errstate(all="ignore"):
        expected = sparse_encode(X, D, algorithm="lasso_lars", alpha=0.3)
    np.testing.assert_allclose(fista(X, D, 0.3, n_iter=20_000, tol=1e-13), expected, atol=1e-7)


def test_lasso_codes_of_orthogonal_atoms_are_soft_thresholds():
    X, _ = problem(d=8)
    D = np.linalg.qr(np.random.default_rng(3).normal(size=(8, 8)))[0]
    g = X @ D.T
    np.testing.assert_allclose(fista(X, D, 0.5), np.sign(g) * np.maximum(np.abs(g) - 0.5, 0), atol=1e-12)
    np.testing.assert_allclose(ista(X, D, 0.5, positive=True), np.maximum(g - 0.5, 0), atol=1e-12)


def test_without_a_response_above_alpha_codes_are_zero():
    X, D = problem()
    alpha = np.abs(X @ D.T).max()
    assert not fista(X, D, alpha * 1.001).any()
    assert fista(X, D, alpha * 0.99).any()
    assert not fista(np.zeros((2, 8)), D, 0.0).any()
    assert not fista(X, np.zeros((3, 8)), 0.1).any()


def test_ista_never_rises_and_fista_is_ahead():
    X, D = problem(n=200, K=40)
    steps = range(1, 80)
    slow, fast = (
        np.array([lasso_objective(X, D, encode(X, D, 0.1, n, 0.0), 0.1) for n in steps]) for encode in (ista, fista)
    )
    assert (np.diff(slow, axis=0) <= 1e-12).all()
    assert (fast.mean(axis=1) <= slow.mean(axis=1) + 1e-12).all()
    best = lasso_objective(X, D, fista(X, D, 0.1, 20_000, 1e-12), 0.1).mean()
    assert fast[-1].mean() - best < 0.1 * (slow[-1].mean() - best)


@pytest.mark.parametrize("tol", [1e-2, 1e-4, 1e-6])
def test_a_row_stops_near_the_optimum_that_tol_asks_for(tol):
    X, D = problem(n=100, K=14)
    for encode in (ista, fista):
        residual = lasso_residual(X, D, encode(X, D, 0.1, 50_000, tol), 0.1) / np.abs(X @ D.T).max(axis=1)
        assert residual.max() < 1.2 * tol
        assert np.median(residual) > 0.1 * tol  # it did stop


def test_the_residual_is_the_distance_to_the_subgradient():
    D = np.eye(3)
    X = np.array([[2.0, 0.1, -0.9]])
    Z = np.array([[1.5, 0.0, 0.0]])  # -gradient (0.5, 0.1, -0.9)
    np.testing.assert_allclose(lasso_residual(X, D, Z, 0.5), [0.4])
    np.testing.assert_allclose(lasso_residual(X, D, Z, 0.2), [0.7])
    np.testing.assert_allclose(lasso_residual(X, D, Z, 0.5, positive=True), [0.0], atol=1e-15)


@pytest.mark.parametrize("K", [10, 30])
def test_a_target_is_a_lasso_with_more_features(K):
    X, D = problem(K=K)
    target = np.random.default_rng(5).normal(size=(60, K))
    encoder = ProximalEncoder(D, 0.3, 20_000, 1e-13, beta=2.0)
    wide = np.hstack([X, np.sqrt(2) * target]), np.hstack([D, np.sqrt(2) * np.eye(K)])
    Z = encoder(X, target=target)
    assert lasso_residual(*wide, Z, 0.3).max() < 1e-9
    np.testing.assert_allclose(encoder(X, start=target, target=target), Z, atol=1e-9)
    np.testing.assert_allclose(Z[:5], slow_lasso(wide[0][:5], wide[1], 0.3), atol=1e-7)


def test_a_start_at_the_optimum_stays_and_is_not_written_to():
    X, D = problem(K=10)
    Z = fista(X, D, 0.1, 20_000, 1e-14)
    before = Z.copy()
    np.testing.assert_allclose(ProximalEncoder(D, 0.1, 1, 0)(X, start=Z), Z, atol=1e-12)
    np.testing.assert_array_equal(Z, before)


@pytest.mark.parametrize("make", [lambda D: OMP(D, 4), lambda D: ProximalEncoder(D, 0.1, 400, 1e-2)])
def test_a_row_does_not_depend_on_its_neighbors_or_the_block(make, monkeypatch):
    X, D = problem(n=300, K=40)
    encoder = make(D)
    Z = encoder(X)
    np.testing.assert_allclose(encoder(X[100:130]), Z[100:130], atol=1e-10)
    np.testing.assert_allclose(encoder(X[::-1])[::-1], Z, atol=1e-10)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(encoder))(X), Z)
    assert encoder(X[:0]).shape == (0, 40)
    monkeypatch.setattr(sparse_codes, "BLOCK_BYTES", 1)
    np.testing.assert_allclose(encoder(X), Z, atol=1e-10)


def test_float32_codes_are_near_the_optimum():
    X, D = problem(n=300, K=40)
    Z = fista(X.astype(np.float32), D.astype(np.float32), 0.1, 2000, 1e-5)
    assert Z.dtype == np.float32
    assert lasso_residual(X, D, Z.astype(float), 0.1).max() < 1e-3
    assert lasso_objective(X, D, Z, 0.1).dtype == np.float64


@pytest.mark.parametrize("shape", [(5, 9), (9, 5)])
def test_largest_eigenvalue(shape):
    D = np.random.default_rng(0).normal(size=shape)
    np.testing.assert_allclose(largest_eigenvalue(D), np.linalg.eigvalsh(D @ D.T).max())


# --- atoms ---------------------------------------------------------------------------------------------------------


def test_fitted_atoms_have_unit_length_and_never_raise_the_error():
    X, D = problem(n=500)
    Z = omp(X, D, 3)
    A, B = Z.T @ Z, Z.T @ X
    errors = [np.sum((X - Z @ D) ** 2)]
    now = D
    for _ in range(10):
        now = fitted_atoms(A, B, now, sweeps=1, tol=0)
        np.testing.assert_allclose(np.linalg.norm(now, axis=1), 1)
        errors.append(np.sum((X - Z @ now) ** 2))
    assert (np.diff(errors) < 0).all()
    np.testing.assert_allclose(fitted_atoms(A, B, D, sweeps=10, tol=0), now, atol=1e-12)
    assert errors[1] < 0.99 * errors[0]


def test_fitted_atoms_end_where_no_atom_wants_to_move():
    X, D = problem(n=500)
    Z = omp(X, D, 3)
    A, B = Z.T @ Z, Z.T @ X
    best = fitted_atoms(A, B, D, sweeps=2000, tol=0)
    gradient = A @ best - B
    tangent = gradient - np.einsum("kd,kd->k", gradient, best)[:, None] * best
    assert np.abs(tangent).max() < 1e-8 * np.abs(gradient).max()


def test_fitted_atoms_in_closed_form():
    X, _ = problem()
    z = np.random.default_rng(1).normal(size=(60, 1))
    pull = z.T @ X
    start = np.eye(8)[:1]
    np.testing.assert_allclose(fitted_atoms(z.T @ z, pull, start), pull / np.linalg.norm(pull))
    apart = np.diag([2.0, 0.0, 5.0])  # each sample with one atom: unit(sum z x), the rule of spherical K-means
    B = np.arange(1.0, 7).reshape(3, 2)
    expected = B / np.linalg.norm(B, axis=1, keepdims=True)
    expected[1] = [0.6, 0.8]  # without codes, an atom stays
    np.testing.assert_allclose(fitted_atoms(apart, B, [[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]]), expected)
