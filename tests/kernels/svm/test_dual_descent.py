"""Coordinate descent in the dual against L-BFGS on the primal: the optimum, and a gap that never promises too much.

Also tests featlearn.kernels.svm.newton_sparse.
"""

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import minimize as lbfgs

from featlearn.kernels.svm import dual_descent, newton
from featlearn.kernels.svm.dual_descent import DualDescent
from featlearn.kernels.svm.newton import Problem, margins, minimize
from featlearn.kernels.svm.newton_sparse import SparseRows
from featlearn.kernels.svm.newton_systems import ConjugateGradients, DiagonalPreconditioner, newton_system


def make_problem(n=80, d=300, k=3, intercept=True, free=True, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, k, size=n)
    X = sparse.random(n, d, 0.05, format="csr", random_state=seed)
    X = (X + sparse.csr_matrix((np.ones(n), (np.arange(n), y)), shape=(n, d))).astype(dtype)
    y[::5] = rng.integers(0, k, size=len(y[::5]))
    s = rng.uniform(0.1, 2, size=n)
    s[::7] = 0
    s = (s / s.sum()).astype(dtype)
    penalty = np.ones(d + intercept)
    shift = np.zeros(d)
    rows = SparseRows(X)
    if intercept and free:
        penalty[-1] = 0
        shift = newton.row_mean(rows, s, 64)
    Y = np.where(y[:, None] == np.arange(k), 1, -1).astype(np.int8)
    return Problem(rows, Y, np.repeat(s[:, None], k, axis=1), shift, penalty), s


def optimum(problem, C):
    X = problem.X.X.toarray().astype(np.float64) - problem.shift
    Z, best = np.hstack([X, np.ones((len(X), len(problem.penalty) - X.shape[1]))]), []
    for y, c in zip(problem.Y.T.astype(float), problem.c.T.astype(float), strict=True):

        def f(v, y=y, c=c):
            m = np.maximum(0, 1 - y * (Z @ v))
            slope = problem.penalty * v - 2 * C * Z.T @ (c * y * m)
            return 0.5 * np.sum(problem.penalty * v**2) + C * np.sum(c * m**2), slope

        options = {"maxiter": 20000, "maxfun": 20000, "ftol": 1e-15, "gtol": 1e-10}
        best.append(lbfgs(f, np.zeros(Z.shape[1]), jac=True, method="L-BFGS-B", options=options).fun)
    return np.array(best)


@pytest.mark.parametrize(("intercept", "free"), [(True, True), (True, False), (False, False)])
@pytest.mark.parametrize("C", [0.01, 1.0, 100.0, 10_000.0])
@pytest.mark.parametrize("rounds", [0, 2, 20])  # Newton's steps from the start, soon, or hardly ever
def test_the_optimum_whoever_gets_there(intercept, free, C, rounds, monkeypatch):
    monkeypatch.setattr(dual_descent, "ROUNDS", rounds)
    problem, s = make_problem(intercept=intercept, free=free)
    solution = minimize(problem, C, newton_system(problem, s), tol=1e-9, max_iter=500)
    assert solution.converged
    np.testing.assert_allclose(solution.objective, optimum(problem, C), rtol=1e-7)
    np.testing.assert_allclose(solution.M, 1 - problem.Y * margins(problem, solution.V), atol=1e-9)


@pytest.mark.parametrize("free", [True, False])
@pytest.mark.parametrize("C", [1.0, 100.0, 10_000.0])
def test_the_gap_bounds_the_distance_and_no_round_climbs(free, C):
    problem, s = make_problem(free=free)
    best, system = optimum(problem, C), newton_system(problem, s)
    V, M, objective, gap = np.zeros((3, 301)), np.ones((80, 3)), C * problem.c.sum(axis=0), np.full(3, np.inf)
    for _ in range(15):
        before = objective
        V, M, objective, gap, _ = system.descend(problem, C, V, M, objective, gap, 0.0)
        assert (objective <= before * (1 + 1e-12)).all()
        assert (objective - best <= gap * objective + 1e-9 * best).all()
        assert (objective >= best * (1 - 1e-9)).all()


@pytest.mark.parametrize("free", [True, False])
def test_it_starts_from_any_coefficients(free):
    problem, s = make_problem(free=free)
    best = optimum(problem, 10.0)
    near = minimize(problem, 8.0, newton_system(problem, s), tol=1e-9)
    far = np.random.default_rng(0).normal(size=near.V.shape)
    for start in (near.V, far):
        again = minimize(problem, 10.0, newton_system(problem, s), start, tol=1e-9, max_iter=500)
        np.testing.assert_allclose(again.objective, best, rtol=1e-7)
    first = newton_system(problem, s)
    V, M = near.V, near.M
    values = newton.objectives(problem.c, V, problem.penalty * V, M, 10.0)
    after = first.descend(problem, 10.0, V, M, values, np.full(3, np.inf), 0.0)[2]
    assert (after - best <= 0.02 * best).all()  # a warm start is worth its name


def test_single_precision_and_one_class():
    problem, s = make_problem(k=2, dtype=np.float32)
    problem = problem.columns(np.array([1]))
    solution = minimize(problem, 100.0, newton_system(problem, s))
    np.testing.assert_allclose(solution.objective, optimum(problem, 100.0), rtol=1e-4)


def test_products_are_those_of_the_matrix():
    X = sparse.random(70, 40, 0.1, format="csr", random_state=1)
    rows, rng = SparseRows(X), np.random.default_rng(0)
    for k in (1, 4):
        V, b, R = rng.normal(size=(40, k)), rng.normal(size=k), rng.normal(size=(70, k))
        np.testing.assert_allclose(rows.times(V, b, 2), X @ V + b, atol=1e-12)
        np.testing.assert_allclose(rows.pull(R, 2), X.T @ R, atol=1e-12)
    s = rng.uniform(size=70)
    np.testing.assert_allclose(rows.squares(s), X.power(2).T @ s, atol=1e-12)
    np.testing.assert_allclose(rows.row_norms(), X.power(2).sum(axis=1).A1, atol=1e-12)
    out = np.full((3, 40), 7.0)
    rows.dense(np.array([5, 2, 9]), out)
    np.testing.assert_array_equal(out, X.toarray()[[5, 2, 9]])


def test_sparse_rows_of_few_columns_may_take_exact_steps():
    problem, s = make_problem(200, 20)
    system = newton_system(problem, s)
    assert isinstance(system, DualDescent)
    assert system.newton.exact is not None
    wide, s = make_problem(20, 3000)
    assert newton_system(wide, s).newton.exact is None
    only = ConjugateGradients(problem, DiagonalPreconditioner(problem, make_problem(200, 20)[1]))
    np.testing.assert_allclose(
        minimize(problem, 10.0, only, tol=1e-9).objective,
        minimize(problem, 10.0, system, tol=1e-9, max_iter=500).objective,
        rtol=1e-7,
    )
