"""log Z of small machines: by plain sums, by integrals, and by annealing."""

import numpy as np
import pytest
from scipy.special import expit, logsumexp

from featlearn.kernels.bernoulli import anneal_rows, new_key
from featlearn.vectors import rbm_partition
from featlearn.vectors.rbm_partition import annealed_log_partition, exact_log_partition, feature_means, temperatures
from tests.vectors.test_rbm import fitted, joint, small, states


def machine(params):
    return params["W"], params["b"], params["c"], np.exp(params["z"]) if "z" in params else None


@pytest.mark.parametrize(("d", "K"), [(5, 3), (3, 5), (4, 4), (1, 1)])
def test_enumeration_equals_the_sum_over_all_states(d, K):
    params = small(d=d, K=K)
    expected = np.log(joint(params, states(d), states(K)).sum())
    found = exact_log_partition(*machine(params))
    assert found.value == pytest.approx(expected, abs=1e-12)
    assert found.error == 0
    assert fitted(params).log_partition() == found


def test_enumeration_over_several_blocks_is_the_sum_over_visibles():
    params = small(d=13, K=14, scale=0.5)
    total = logsumexp(-fitted(params).free_energy(states(13)))
    assert exact_log_partition(*machine(params)).value == pytest.approx(total, abs=1e-9)  # the 13 visibles
    swapped = {"W": params["W"].T, "b": params["c"], "c": params["b"]}
    assert exact_log_partition(*machine(swapped)).value == pytest.approx(total, abs=1e-9)


@pytest.mark.parametrize("variance", [0.3, 2.0])
def test_gaussian_enumeration_equals_the_integral(variance):
    params = small(d=1, K=4) | {"z": np.log([variance])}
    rbm = fitted(params, "gaussian")
    x = np.linspace(-40, 40, 8001)
    log_z = logsumexp(-rbm.free_energy(x[:, None])) + np.log(x[1] - x[0])
    assert exact_log_partition(*machine(params)).value == pytest.approx(log_z, abs=1e-8)


def test_the_probabilities_of_all_states_add_up_to_1():
    rbm = fitted(small())
    assert np.exp(rbm.log_likelihood(states(4))).sum() == pytest.approx(1)
    assert np.exp(rbm.log_likelihood(states(4), log_z=0.0)).sum() != pytest.approx(1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("visible", ["binary", "gaussian"])
def test_annealing_agrees_with_enumeration_within_its_error(visible, dtype):
    gaps = []
    for seed in range(4):
        params = small(visible, d=12, K=10, seed=seed, variance=visible == "gaussian", scale=0.5)
        rbm = fitted({k: v.astype(dtype) for k, v in params.items()}, visible, mean=np.linspace(0.1, 0.9, 12))
        exact = rbm.log_partition("exact")
        found = rbm.log_partition("ais", n_chains=100, n_betas=500, random_state=seed)
        assert 0 < found.error < 0.2
        gaps.append((found.value - exact.value) / found.error)
    assert np.abs(gaps).max() < 4
    assert np.sqrt(np.mean(np.square(gaps))) < 2


def test_the_error_of_annealing_is_its_spread_over_runs():
    params = small(d=12, K=10, scale=0.7)
    rbm = fitted(params)
    runs = [rbm.log_partition("ais", n_chains=40, n_betas=60, random_state=s) for s in range(60)]
    assert np.mean([r.error for r in runs]) == pytest.approx(np.std([r.value for r in runs]), rel=0.4)


def test_more_steps_err_less():
    rbm = fitted(small(d=12, K=10, scale=1.0))
    coarse, fine = (rbm.log_partition("ais", n_chains=50, n_betas=n, random_state=0).error for n in (10, 1000))
    assert fine < 0.5 * coarse


@pytest.mark.parametrize("chains", [1, 60])
def test_threads_do_not_change_the_estimate(monkeypatch, chains):
    params = small(d=8, K=6)
    found = []
    for threads in (1, 2):
        monkeypatch.setattr(rbm_partition, "n_threads", lambda threads=threads: threads)
        seed = np.random.SeedSequence(0)
        found.append(annealed_log_partition(*machine(params), np.full(8, 0.5), n_chains=chains, n_betas=50, seed=seed))
    assert found[0] == found[1]
    assert np.isinf(found[0].error) == (chains == 1)


def test_a_machine_without_weights_needs_no_chains():
    """The first machine is then the last but for biases, and every weight the same for hidden ones."""
    params = small(d=6, K=5, scale=0.0)
    rbm = fitted(params, mean=expit(params["c"]))
    found = rbm.log_partition("ais", n_chains=5, n_betas=20, random_state=0)
    expected = np.logaddexp(0, params["b"]).sum() + np.logaddexp(0, params["c"]).sum()
    assert found.value == pytest.approx(expected, abs=1e-10)
    assert found.error < 1e-10


@pytest.mark.parametrize("scale", [1.0, 500.0])
def test_anneal_rows_by_its_formula(scale):
    """Also where the product of all ratios would overflow."""
    rng = np.random.default_rng(0)
    Z, bias = scale * rng.normal(size=(5000, 7)), rng.normal(size=7)
    a, weights = Z + bias, np.ones(5000)
    expected = 1 + (np.logaddexp(0, 0.8 * a) - np.logaddexp(0, 0.5 * a)).sum(axis=1)
    anneal_rows(Z, bias, 0.5, 0.8, new_key(np.random.Generator(np.random.SFC64(0))), weights)
    np.testing.assert_allclose(weights, expected, rtol=1e-9)
    assert set(np.unique(Z)) == {0, 1}
    p = expit(0.8 * a)
    assert abs((Z - p).mean()) < 5 * 0.5 / np.sqrt(Z.size)
    assert abs(((Z - p) * (p - 0.5)).mean()) < 5 * 0.25 / np.sqrt(Z.size)


def test_temperatures_are_those_of_salakhutdinov_and_murray():
    betas = temperatures(14_500)
    assert (betas[0], betas[-1], len(betas)) == (0, 1, 14_501)
    assert (betas[500], betas[4500]) == (pytest.approx(0.5), pytest.approx(0.9))
    assert (np.diff(betas) > 0).all()
    np.testing.assert_array_equal(temperatures(1), [0, 1])


def test_feature_means_of_small_integers():
    X = np.array([[255, 0]] * 70_000, np.uint8)
    np.testing.assert_allclose(feature_means(X), [255, 0])


def test_bad_questions_are_named():
    rbm = fitted(small())
    with pytest.raises(ValueError, match="method='guess' is not valid"):
        rbm.log_partition("guess")
    with pytest.raises(ValueError, match="n_betas=0 is not valid"):
        rbm.log_partition("ais", n_betas=0)
    with pytest.raises(ValueError, match=r"log_partition needs hidden='binary'.*free_energy"):
        fitted(small(), hidden="relu").log_partition()
    large = {"W": np.zeros((30, 30)), "b": np.zeros(30), "c": np.zeros(30)}
    with pytest.raises(ValueError, match=r"2\^30 states of 30 units"):
        fitted(large).log_partition("exact")


def test_auto_enumerates_where_it_can():
    assert fitted(small(d=30, K=4)).log_partition().error == 0
    assert fitted(small(d=4, K=30)).log_partition().error == 0
    many = fitted(small("gaussian", d=4, K=21, scale=0.1), "gaussian")
    assert many.log_partition(n_betas=20, random_state=0).error > 0
