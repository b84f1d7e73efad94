"""Sparsity and dispersal against closed forms and plain loops."""

import numpy as np
import pytest

from featlearn.vectors.sparsity_measures import high_dispersal, lifetime_sparsity, population_sparsity, sparsity_report

EVERY = [population_sparsity, lifetime_sparsity, high_dispersal, sparsity_report]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_j_equal_features_among_zeros_give_1_minus_j_over_k(dtype):
    codes = np.tril(np.full((8, 8), 3.5)).astype(dtype)
    np.testing.assert_allclose(population_sparsity(codes), 1 - np.arange(1, 9) / 8, atol=1e-12)
    np.testing.assert_allclose(lifetime_sparsity(codes), 1 - np.arange(8, 0, -1) / 8, atol=1e-12)
    np.testing.assert_allclose(population_sparsity(codes, normalize=True), 1 - np.arange(8) / 7, atol=1e-12)


def test_each_against_plain_loops():
    codes = np.random.default_rng(0).normal(size=(30, 7))
    for got, rows in ((population_sparsity(codes), codes), (lifetime_sparsity(codes), codes.T)):
        for value, row in zip(got, rows, strict=True):
            activity = (sum(abs(r) for r in row) / len(row)) ** 2 / (sum(r * r for r in row) / len(row))
            assert value == pytest.approx(1 - activity)
    energies = np.array([sum(r * r for r in column) / 30 for column in codes.T])
    mean = sum(energies) / 7
    assert high_dispersal(codes) == pytest.approx(sum((energies - mean) ** 2) / 7 / mean**2)


def test_known_densities():
    rng = np.random.default_rng(0)
    # (E|r|)^2 / E r^2 is 2 / pi for a normal and 1 / 2 for a Laplace density.
    assert lifetime_sparsity(rng.normal(size=(200_000, 1)))[0] == pytest.approx(1 - 2 / np.pi, abs=0.005)
    assert lifetime_sparsity(rng.laplace(size=(200_000, 1)))[0] == pytest.approx(0.5, abs=0.01)


def test_scale_and_signs_do_not_matter():
    codes = np.random.default_rng(0).normal(size=(30, 7))
    for f in (population_sparsity, lifetime_sparsity, high_dispersal):
        np.testing.assert_allclose(f(-1e-3 * codes), f(codes), rtol=1e-12)
        np.testing.assert_allclose(f(np.abs(codes)), f(codes), rtol=1e-12)


def test_dispersal_is_0_if_features_share_evenly_and_k_minus_1_if_one_does_all():
    assert high_dispersal(np.eye(5)) == 0
    assert high_dispersal(np.eye(5)[:1]) == pytest.approx(4)


def test_zeros_are_as_sparse_as_can_be_and_finite():
    codes = np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
    np.testing.assert_allclose(population_sparsity(codes), [1, 1 / 3])
    np.testing.assert_allclose(population_sparsity(codes, normalize=True), [1, 1 / 2])
    np.testing.assert_allclose(lifetime_sparsity(codes), [0.5, 0.5, 1])
    assert high_dispersal(np.zeros((2, 3))) == 0
    assert population_sparsity([[2.0]], normalize=True)[0] == 0


def test_the_report_holds_the_three_and_counts_dead_features():
    codes = np.random.default_rng(0).random((20, 6))
    codes[:, 2] = 0
    report = sparsity_report(codes)
    assert report["population_sparsity"] == population_sparsity(codes).mean()
    assert report["lifetime_sparsity"] == lifetime_sparsity(codes).mean()
    assert report["high_dispersal"] == high_dispersal(codes)
    assert report["dead_features"] == 1


def test_float32_sums_in_float64():
    codes = np.full((300_000, 1), 0.1, np.float32)
    assert lifetime_sparsity(codes)[0] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("f", EVERY)
def test_bad_codes_are_named(f):
    with pytest.raises(ValueError, match="codes contains NaN"):
        f(np.array([[1.0, np.nan]]))
    with pytest.raises(ValueError, match="Expected 2D array"):
        f(np.ones(3))
    with pytest.raises(ValueError, match="0 sample"):
        f(np.ones((0, 3)))
