"""The Newton solver against the objective written out, finite differences and SciPy's L-BFGS.

Also tests featlearn.kernels.svm.newton_systems and featlearn.kernels.svm.newton_table.
"""

import numpy as np
import pytest
from scipy.optimize import minimize as lbfgs

from featlearn.kernels.svm import newton, newton_systems
from featlearn.kernels.svm.newton import Problem, gradient, hessian_product, margins, minimize, objectives, step_length
from featlearn.kernels.svm.newton_systems import (
    ActiveHessian,
    CholeskyPreconditioner,
    ConjugateGradients,
    DiagonalPreconditioner,
    RowKernel,
    gram,
    kernel_matrix,
    newton_system,
)
from featlearn.kernels.svm.newton_table import Table, table


def slow_objective(X, Y, c, penalty, C, v):
    """The objective of one class at v (D,), row by row: the reference."""
    total = 0.5 * float(np.sum(penalty * v**2))
    for x, y, weight in zip(X, Y, c):
        f = float(x @ v[: len(x)]) + (v[len(x)] if len(v) > len(x) else 0.0)
        total += C * weight * max(0.0, 1 - y * f) ** 2
    return total


def make_problem(n=40, d=6, k=3, intercept=True, free=True, dtype=np.float64, shift=False, seed=0):
    rng = np.random.default_rng(seed)
    X = (rng.normal(size=(n, d)) * rng.uniform(0.2, 3, size=d) + rng.normal(size=d)).astype(dtype)
    y = rng.integers(0, k, size=n)
    X[np.arange(n), y % d] += 1
    Y = np.where(y[:, None] == np.arange(k), 1, -1).astype(np.int8)
    s = rng.uniform(0.1, 2, size=n)
    s[::7] = 0
    s = (s / s.sum()).astype(dtype)
    penalty = np.ones(d + intercept)
    if intercept and free:
        penalty[-1] = 0
    mean = newton.row_mean(X, s, 64) if shift else np.zeros(d)
    return Problem(X, Y, np.repeat(s[:, None], k, axis=1), mean, penalty), s


def optimum(problem, C):
    """Each class's least objective, by L-BFGS in float64 on the shifted rows."""
    X = problem.X.astype(np.float64) - problem.shift
    ones = np.ones((len(X), len(problem.penalty) - X.shape[1]))
    Z, best = np.hstack([X, ones]), []
    for y, c in zip(problem.Y.T.astype(float), problem.c.T.astype(float)):

        def f(v, y=y, c=c):
            m = np.maximum(0, 1 - y * (Z @ v))
            return (
                0.5 * np.sum(problem.penalty * v**2) + C * np.sum(c * m**2),
                problem.penalty * v - 2 * C * Z.T @ (c * y * m),
            )

        options = {"maxiter": 20000, "maxfun": 20000, "ftol": 1e-15, "gtol": 1e-10}
        best.append(lbfgs(f, np.zeros(Z.shape[1]), jac=True, method="L-BFGS-B", options=options).fun)
    return np.array(best)


def slacks(problem, V):
    return 1 - problem.Y * margins(problem, V)


def value(problem, V, C):
    return objectives(problem.c, V, problem.penalty * V, slacks(problem, V), C)


def slope(problem, V, C):
    M = slacks(problem, V)
    return gradient(problem, V, M, 2 * C * problem.c * (M > 0))


@pytest.mark.parametrize("free", [True, False])
def test_objective_is_the_formula(free):
    problem, _ = make_problem(free=free)
    V = np.random.default_rng(1).normal(size=(3, 7))
    expected = [
        slow_objective(problem.X, problem.Y[:, j], problem.c[:, j], problem.penalty, 3.0, V[j]) for j in range(3)
    ]
    np.testing.assert_allclose(value(problem, V, 3.0), expected, rtol=1e-12)


@pytest.mark.parametrize("shift", [True, False])
@pytest.mark.parametrize("intercept", [True, False])
def test_gradient_and_hessian_by_finite_differences(intercept, shift):
    problem, _ = make_problem(intercept=intercept, shift=shift)
    rng = np.random.default_rng(1)
    V, P = 0.3 * rng.normal(size=(2, 3, len(problem.penalty)))
    C, h = 5.0, 1e-6
    G = slope(problem, V, C)
    for i in range(V.shape[1]):
        E = np.zeros_like(V)
        E[:, i] = h
        ahead, back = (value(problem, U, C) for U in (V + E, V - E))
        np.testing.assert_allclose(G[:, i], (ahead - back) / (2 * h), rtol=1e-5, atol=1e-7)
    M = slacks(problem, V)
    assert np.abs(M).min() > 1e-4  # no row changes sides within the step below
    F = np.empty_like(M)
    product = hessian_product(problem, P, 2 * C * problem.c * (M > 0), F)
    ahead, back = (slope(problem, U, C) for U in (V + h * P, V - h * P))
    np.testing.assert_allclose(product, (ahead - back) / (2 * h), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(F, margins(problem, P), rtol=1e-12)


def test_step_length_minimizes_along_the_step():
    rng = np.random.default_rng(0)
    M, Q = rng.normal(size=(2, 200, 4))
    B = rng.uniform(0, 1, size=(200, 4))
    Q[:, 3] *= 1e-3  # a class whose best step is far beyond 1
    square = np.full(4, 1e-6)
    linear = -np.array([0.1, 5.0, 80.0, 0.01])
    t = step_length(linear, square, B, M, Q)
    grid = np.concatenate([np.linspace(0, 3, 2001), np.logspace(0, 5, 4001)])
    for j in range(4):
        values = [
            linear[j] * u + square[j] * u * u / 2 + 0.5 * B[:, j] @ np.maximum(0, M[:, j] - u * Q[:, j]) ** 2
            for u in grid
        ]
        at = linear[j] * t[j] + square[j] * t[j] ** 2 / 2 + 0.5 * B[:, j] @ np.maximum(0, M[:, j] - t[j] * Q[:, j]) ** 2
        assert at <= min(values) + 1e-6 * np.ptp(values)


def test_step_length_leaves_finished_classes_alone():
    M, Q, B = np.ones((1, 2)), np.ones((1, 2)), np.ones((1, 2))
    # The first class's minimum is 1 up to rounding; the second's is 5.
    t = step_length(np.array([1e-17, -4.0]), np.array([0.0, 0.8]), B, M, Q)
    np.testing.assert_allclose(t, [1.0, 5.0], rtol=1e-6)


@pytest.mark.parametrize("tile", [3, 1024])
def test_gram_and_kernel_are_the_products(tile, monkeypatch):
    monkeypatch.setattr(newton_systems, "TILE", tile)
    problem, s = make_problem(n=20, shift=True)
    Z = np.hstack([problem.X - problem.shift, np.ones((20, 1))])
    np.testing.assert_allclose(np.triu(gram(problem, s)), np.triu(Z.T @ (s[:, None] * Z)), atol=1e-12)
    np.testing.assert_allclose(kernel_matrix(problem), Z[:, :-1] @ Z[:, :-1].T, atol=1e-12)


@pytest.mark.parametrize("tile", [3, 1024])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cholesky_preconditioner_inverts_at_every_scale(tile, dtype, monkeypatch):
    monkeypatch.setattr(newton_systems, "TILE", tile)
    problem, s = make_problem(dtype=dtype, shift=True)
    solver = CholeskyPreconditioner(problem, s)
    Z = np.hstack([problem.X - problem.shift, np.ones((40, 1))])
    for scale in (7.0, 0.3, 200.0):
        solver.prepare(scale)
        dense = np.diag(problem.penalty) + scale * Z.T @ (s[:, None] * Z)
        R = np.random.default_rng(2).normal(size=(3, 7))
        np.testing.assert_allclose(
            solver.solve(R), np.linalg.solve(dense, R.T).T, rtol=1e-3 if dtype == np.float32 else 1e-9
        )


def test_a_scale_near_the_last_keeps_the_factor():
    problem, s = make_problem()
    solver = CholeskyPreconditioner(problem, s)
    solver.prepare(1.0)
    solver.prepare(1.9)
    assert solver.scale == 1.0
    solver.prepare(2.1)
    assert solver.scale == 2.1


def systems(problem, s):
    return {
        "cholesky": ConjugateGradients(problem, CholeskyPreconditioner(problem, s)),
        "diagonal": ConjugateGradients(problem, DiagonalPreconditioner(problem, s)),
        "kernel": RowKernel(problem),
        "exact": Forced(problem, CholeskyPreconditioner(problem, s), ActiveHessian(problem)),
    }


class Forced(ConjugateGradients):
    """Exact steps from the first one on."""

    def step(self, *arguments):
        self.slow[:] = True
        return super().step(*arguments)


@pytest.mark.parametrize("kind", ["cholesky", "diagonal", "kernel", "exact"])
@pytest.mark.parametrize(("n", "d"), [(60, 8), (12, 30)])
@pytest.mark.parametrize(("intercept", "free"), [(True, True), (True, False), (False, False)])
def test_every_system_reaches_the_optimum(kind, n, d, intercept, free):
    problem, s = make_problem(n=n, d=d, intercept=intercept, free=free, shift=free)
    solution = minimize(problem, 20.0, systems(problem, s)[kind], tol=1e-9)
    assert solution.converged
    np.testing.assert_allclose(solution.objective, optimum(problem, 20.0), rtol=1e-7)
    np.testing.assert_allclose(solution.M, slacks(problem, solution.V), atol=1e-9)


@pytest.mark.parametrize("kind", ["cholesky", "diagonal", "kernel", "exact"])
@pytest.mark.parametrize("C", [0.01, 1.0, 100.0])
def test_default_tol_is_within_a_thousandth(kind, C):
    problem, s = make_problem(n=300, d=20, dtype=np.float32)
    best = optimum(problem, C)
    objective = minimize(problem, C, systems(problem, s)[kind]).objective
    assert (objective <= best * (1 + 1e-3)).all()
    assert (objective >= best * (1 - 1e-5)).all()


@pytest.mark.parametrize(("C", "error"), [(4.0, 1e-5), (1e5, 1e-9)])  # factored in float32, in float64
@pytest.mark.parametrize(("intercept", "free"), [(True, True), (True, False), (False, False)])
def test_exact_steps_solve_newtons_equation(intercept, free, C, error):
    problem, _ = make_problem(n=12, d=30, intercept=intercept, free=free, shift=free)
    system = RowKernel(problem)
    W = 0.02 * np.random.default_rng(3).normal(size=(3, 12 + intercept))
    V = system.coefficients(problem, W)
    M = slacks(problem, V)
    assert 0 < np.mean(M > 0) < 1
    np.testing.assert_allclose(system.margins(problem, W), margins(problem, V), atol=1e-12)
    A = 2 * C * problem.c * (M > 0)
    P, F, along, _ = system.step(problem, W, M, A)
    G, step, again = gradient(problem, V, M, A), system.coefficients(problem, P), np.empty_like(A)
    np.testing.assert_allclose(hessian_product(problem, step, A, again), -G, atol=error * np.abs(G).max())
    np.testing.assert_allclose(F, again, atol=1e-12)
    np.testing.assert_allclose(along, (G * step).sum(axis=1), rtol=1e-9)
    inner = (W * system.metric(problem, P, F)).sum(axis=1)
    np.testing.assert_allclose(inner, (V * problem.penalty * step).sum(axis=1), atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_row_kernel_reaches_the_optimum_on_raw_pixels(dtype):
    # Neighboring pixels alike, 0 to 255, few rows: K's rounding in float32 is as large as n / (2 C).
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, size=60)
    walk = np.cumsum(rng.normal(size=(3, 700))[y] + rng.normal(size=(60, 700)), axis=1)
    X = (255 * (walk - walk.min()) / np.ptp(walk)).astype(dtype)
    Y = np.where(y[:, None] == np.arange(3), 1, -1).astype(np.int8)
    c = np.full((60, 3), 1 / 60, dtype=np.float32)
    penalty = np.r_[np.ones(700), 0]
    narrow = Problem(X, Y, c, X.mean(axis=0, dtype=np.float64), penalty)
    solution = minimize(narrow, 100.0, RowKernel(narrow), tol=1e-9)
    # With dual variables a at the optimum, the dual objective is a bound from below: no solver in between.
    Z = X.astype(np.float64) - narrow.shift
    M = np.maximum(0, 1 - Y * (Z @ solution.V[:, :-1].T + solution.V[:, -1]))
    primal = 0.5 * (solution.V[:, :-1] ** 2).sum(axis=1) + 100 * (M**2).mean(axis=0)
    a = 2 * 100 / 60 * M
    dual = a.sum(axis=0) - 0.5 * (((a * Y).T @ Z) ** 2).sum(axis=1) - (a**2).sum(axis=0) * 60 / 400
    np.testing.assert_allclose((a * Y).sum(axis=0), 0, atol=1e-6 * a.max())  # so the bound holds
    assert solution.converged
    np.testing.assert_allclose(solution.objective, primal, rtol=1e-6)
    np.testing.assert_allclose(primal, dual, rtol=1e-5)


def test_row_kernel_starts_from_any_coefficients():
    problem, _ = make_problem(n=20, d=30, shift=True)
    system = RowKernel(problem)
    best = minimize(problem, 10.0, system, tol=1e-12)
    np.testing.assert_allclose(system.coordinates(problem, best.V, 10.0), best.W, atol=1e-6)
    elsewhere = np.random.default_rng(5).normal(size=best.V.shape)
    again = minimize(problem, 10.0, system, system.coordinates(problem, elsewhere, 10.0), tol=1e-12)
    np.testing.assert_allclose(again.V, best.V, atol=1e-7)


@pytest.mark.parametrize("free", [True, False])
def test_row_kernel_without_active_rows(free):
    problem, _ = make_problem(n=12, d=30, free=free)
    nothing = problem.weighted(0 * problem.c)
    solution = minimize(nothing, 10.0, RowKernel(nothing), np.ones((3, 13)))
    assert solution.converged
    np.testing.assert_allclose(solution.objective, 0, atol=1e-20)


def test_choice_of_system_follows_the_shape(monkeypatch):
    monkeypatch.setattr(newton_systems, "SMALL", 5)
    monkeypatch.setattr(newton_systems, "LARGEST_KERNEL", 25)
    monkeypatch.setattr(newton_systems, "LARGEST_GRAM", 25)

    def kind(n, d):
        system = newton_system(*make_problem(n=n, d=d))
        return type(getattr(system, "preconditioner", system))

    assert kind(40, 6) is CholeskyPreconditioner
    assert kind(4, 5) is CholeskyPreconditioner  # few features: the Gram matrix is small whatever the rows
    assert kind(10, 30) is RowKernel
    assert kind(30, 40) is DiagonalPreconditioner


def test_warm_start_and_report():
    problem, s = make_problem()
    system = ConjugateGradients(problem, CholeskyPreconditioner(problem, s))
    cold = minimize(problem, 10.0, system, tol=1e-14)
    warm = minimize(problem, 10.0, system, cold.V, tol=1e-14)
    assert warm.n_iter == 1
    np.testing.assert_allclose(warm.V, cold.V, atol=1e-6)
    seen = []
    stopped = minimize(
        problem, 10.0, system, report=lambda V, objective: seen.append(objective.sum()) or len(seen) == 2
    )
    assert stopped.n_iter == 2
    assert stopped.stopped
    assert seen[1] < seen[0]


def test_each_iteration_lowers_the_objective():
    problem, s = make_problem(n=30, d=25)
    history = []
    minimize(
        problem, 1e4, systems(problem, s)["kernel"], tol=1e-9, report=lambda V, objective: history.append(objective)
    )
    assert (np.diff(history, axis=0) <= 1e-12 * np.array(history[0])).all()


@pytest.mark.parametrize("kind", [CholeskyPreconditioner, RowKernel])
def test_a_factorization_that_fails_is_tried_with_a_ridge(kind, monkeypatch):
    problem, s = make_problem(n=30, d=4, dtype=np.float32)
    problem.X[:, 1] = problem.X[:, 0]  # singular matrices, lifted by a penalty or n / (2 C) below their rounding
    C = 1e22 if kind is RowKernel else 1e9
    system = (
        RowKernel(problem) if kind is RowKernel else ConjugateGradients(problem, CholeskyPreconditioner(problem, s))
    )
    ridges = []
    of = newton_systems.ridges
    monkeypatch.setattr(newton_systems, "ridges", lambda dtype: (ridges.append(r) or r for r in of(dtype)))
    solution = minimize(problem, C, system, max_iter=30)
    assert max(ridges) > 0
    assert np.isfinite(solution.objective).all()
    assert (solution.objective <= C * problem.c.sum(axis=0)).all()


@pytest.mark.parametrize("kind", [CholeskyPreconditioner, RowKernel])
def test_overflowing_features_are_named(kind):
    dtype, factor = (np.float64, 1e200) if kind is RowKernel else (np.float32, 1e25)
    problem, s = make_problem(n=12, d=4, dtype=dtype)
    problem.X[:] *= dtype(factor)
    arguments = (problem,) if kind is RowKernel else (problem, s)
    cure = r"Standardize the features\.$" if kind is RowKernel else "Standardize the features, or pass float64"
    with np.errstate(all="ignore"), pytest.raises(ValueError, match=f"too large for {dtype.__name__}.*{cure}"):
        kind(*arguments)


def test_overflow_by_the_scale_is_named():
    problem, s = make_problem(dtype=np.float32)
    solver = CholeskyPreconditioner(problem, s)
    with np.errstate(all="ignore"), pytest.raises(ValueError, match=r"too large for float32"):
        solver.prepare(1e38)


@pytest.mark.parametrize("C", [0.01, 1.0, 100.0])
@pytest.mark.parametrize(("n", "d"), [(60, 8), (12, 30), (3, 1)])
@pytest.mark.parametrize(("intercept", "free"), [(True, True), (True, False), (False, False)])
def test_a_table_reaches_the_optimum(n, d, intercept, free, C):
    problem, s = make_problem(n=n, d=d, intercept=intercept, free=free, shift=free)
    small = table(problem)
    system = newton_system(small, s)
    assert isinstance(system, Table)
    solution = minimize(small, C, system, tol=1e-10)
    assert solution.converged
    np.testing.assert_allclose(solution.objective, optimum(problem, C), rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(solution.M, slacks(problem, solution.V), atol=1e-8)


def test_a_table_follows_any_change_of_active_rows():
    problem, _ = make_problem(n=50, d=6, shift=True)
    small, rng, C = table(problem), np.random.default_rng(0), 3.0
    system = Table(small)
    for turn in range(12):  # many rows change sides, or few, or none, in some classes or in all
        live = [np.arange(3), np.array([1]), np.array([0, 2])][turn % 3]
        gap = np.zeros(3)
        gap[live] = np.inf
        V = rng.normal(size=(3, 7)) * 10.0 ** rng.integers(-2, 1)
        M = slacks(small, V)
        after = system.descend(small, C, V, M, value(small, V, C), gap, 1e-4)
        A = 2 * C * small.c * (M > 0)
        for j in range(3):
            H = np.diag(small.penalty) + small.X.T @ (A[:, j, None] * small.X)
            step = -np.linalg.solve(H, gradient(small, V, M, A)[j])
            t = (after[0][j] - V[j]) @ step / (step @ step)
            np.testing.assert_allclose(after[0][j] - V[j], t * step if j in live else 0, atol=1e-8 * np.abs(step).max())
        np.testing.assert_allclose(after[1], slacks(small, after[0]), atol=1e-9)
        np.testing.assert_allclose(after[2], value(small, after[0], C), rtol=1e-9)


def test_conjugate_gradients_that_take_too_long_give_way_to_exact_steps():
    problem, s = make_problem(n=90, d=30)
    slow = ConjugateGradients(problem, CholeskyPreconditioner(problem, s))
    quick = ConjugateGradients(problem, CholeskyPreconditioner(problem, s), ActiveHessian(problem))
    one, other = (minimize(problem, 1e4, system, tol=1e-8) for system in (slow, quick))
    assert quick.slow.any()
    assert other.n_passes < 0.7 * one.n_passes
    np.testing.assert_allclose(other.objective, one.objective, rtol=1e-6)
