"""L-BFGS on functions whose minimum is known, its stops, and its errors."""

import numpy as np
import pytest
from scipy.optimize import rosen, rosen_der
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_info

from featlearn.training.lbfgs import lbfgs


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_quadratic_form(dtype):
    rng = np.random.default_rng(0)
    A = rng.normal(size=(8, 8))
    A = A @ A.T + np.eye(8)
    b = rng.normal(size=8)
    end = lbfgs(
        lambda x: (0.5 * float(x @ A @ x) - float(b @ x), (A @ x - b).astype(dtype)), np.zeros(8, dtype), tol=1e-8
    )
    assert end.x.dtype == dtype
    assert len(end.loss_curve) == end.n_iter <= end.n_evaluations
    np.testing.assert_allclose(end.x, np.linalg.solve(A, b), atol=1e-3 if dtype == np.float32 else 1e-6)
    assert (np.diff(end.loss_curve) <= 1e-6).all()
    np.testing.assert_allclose(end.loss, -0.5 * b @ np.linalg.solve(A, b), rtol=1e-5)


def test_rosenbrock_and_a_stop_on_the_way():
    def f(x):
        return rosen(x), rosen_der(x)

    np.testing.assert_allclose(lbfgs(f, np.zeros(4), max_iter=500, tol=1e-9).x, 1, atol=1e-5)
    seen = []
    end = lbfgs(f, np.zeros(4), on_iteration=lambda loss, x: seen.append((loss, x)) or loss < 1e-2)
    assert end.ended == "stopped"
    assert not end.converged
    assert end.loss < 1e-2
    assert len(seen) == end.n_iter
    np.testing.assert_array_equal(seen[-1][1], end.x)
    assert lbfgs(f, np.zeros(4), max_iter=3).n_iter == 3


def test_a_loss_that_is_not_finite_is_named():
    with pytest.raises(ValueError, match=r"Learner: the loss is nan at iteration 1 of L-BFGS, with weights up to 7"):
        lbfgs(lambda x: (np.nan, x), np.array([1.0, -7.0]), who="Learner")
    with pytest.raises(ValueError, match="Scale the data down"):
        lbfgs(lambda x: (0.0, x * np.inf), np.ones(2))


def test_blas_has_one_thread_meanwhile():
    counts = []

    def f(x):
        counts.append({info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"})
        return float(x @ x), 2 * x

    lbfgs(f, np.ones(3))
    assert counts
    assert all(count == {1} for count in counts)


def rosenbrock(x):
    return rosen(x), rosen_der(x)


def test_it_says_why_it_ended():
    assert lbfgs(rosenbrock, np.zeros(4), max_iter=500).ended == "converged"
    assert lbfgs(rosenbrock, np.zeros(4), max_iter=3).ended == "max_iter"
    assert lbfgs(rosenbrock, np.zeros(4), max_iter=3, on_iteration=lambda loss, x: True).ended == "stopped"
    # A gradient that points uphill: no step is any good.
    assert lbfgs(lambda x: (float(x @ x), -2 * x), np.ones(2)).ended == "precision"


@pytest.mark.parametrize("place", ["statistic", "callback"])
@pytest.mark.parametrize("at", [2, 7])
def test_an_interrupt_keeps_the_last_iteration_that_is_whole(place, at):
    states = []

    def f(x):
        if place == "statistic" and len(states) == at:
            raise KeyboardInterrupt
        return rosen(x), rosen_der(x)

    def seen(loss, x):
        states.append((loss, x))
        if place == "callback" and len(states) == at:
            raise KeyboardInterrupt
        return False

    with pytest.warns(ConvergenceWarning, match=f"Learner: interrupted, so the fit ends after {at} iterations") as told:
        end = lbfgs(f, np.zeros(4), on_iteration=seen, who="Learner")
    assert told[0].filename == __file__
    assert (end.ended, end.n_iter, len(end.loss_curve)) == ("interrupted", at, at)
    np.testing.assert_array_equal(end.x, states[-1][1])
    assert end.loss == rosen(end.x) == states[-1][0]


def test_an_interrupt_before_the_first_iteration_goes_through():
    def f(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lbfgs(f, np.zeros(4))
