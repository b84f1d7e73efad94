"""RBMs of Gaussian visibles in any unit of measurement, and binary ones of sparse rows."""

import copy
import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.special import expit, logsumexp
from sklearn.datasets import load_digits, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from featlearn import RBM

KINDS = pytest.mark.parametrize("settings", [{}, {"learn_variance": True}, {"hidden": "relu"}], ids=str)
rng = np.random.default_rng(0)
TABLE = rng.normal(size=(300, 3)) @ rng.normal(size=(3, 6)) + 0.5 * rng.normal(size=(300, 6))
UNITS, OFFSETS = np.array([1e-6, 1.0, 255.0, 3.0, 0.1, 1e3]), np.array([0, 5.0, 128, -3e3, 1, 1e6])


def machine(n_components=4, **settings):
    """A machine that learned something."""
    return RBM(n_components, visible="gaussian", learning_rate=0.01, max_iter=30, random_state=0, **settings)


# --- units --------------------------------------------------------------------------------------------------------


@KINDS
def test_units_of_measurement_do_not_matter(settings):
    plain, other = machine(**settings).fit(TABLE), machine(**settings).fit(TABLE * UNITS + OFFSETS)
    np.testing.assert_allclose(plain.transform(TABLE), other.transform(TABLE * UNITS + OFFSETS), atol=1e-6)
    np.testing.assert_allclose(plain.loss_curve_, other.loss_curve_, rtol=1e-6)
    np.testing.assert_allclose(plain.score_samples(TABLE), other.score_samples(TABLE * UNITS + OFFSETS), rtol=1e-5)
    np.testing.assert_allclose(other.components_, plain.components_ * UNITS, rtol=1e-4)
    np.testing.assert_allclose(other.variance_, plain.variance_ * UNITS**2, rtol=1e-5)
    drawn = [rbm.gibbs(X, 3, random_state=0) for rbm, X in ((plain, TABLE), (other, TABLE * UNITS + OFFSETS))]
    np.testing.assert_allclose(drawn[0] * UNITS + OFFSETS, drawn[1], rtol=1e-6, atol=1e-4 * UNITS.min())


@KINDS
def test_parameters_are_those_of_a_machine_in_the_units_of_the_data(settings):
    """The formulas of rbm_energy, written out for rows as they are."""
    X = TABLE * [1, 2, 3, 4, 5, 6] + 7
    rbm = machine(**settings).fit(X)
    W, b, c, s2 = rbm.components_, rbm.intercept_hidden_, rbm.intercept_visible_, rbm.variance_
    a = b + (X / s2) @ W.T
    h = np.maximum(a, 0) if "hidden" in settings else expit(a)
    f = np.maximum(a, 0) ** 2 / 2 if "hidden" in settings else np.logaddexp(0, a)
    np.testing.assert_allclose(rbm.transform(X), h, rtol=1e-8)
    np.testing.assert_allclose(rbm.inverse_transform(h), c + h @ W, rtol=1e-8)
    np.testing.assert_allclose(rbm.free_energy(X), ((X - c) ** 2 / (2 * s2)).sum(axis=1) - f.sum(axis=1), rtol=1e-7)
    np.testing.assert_allclose(rbm.scale_**2 if "learn_variance" not in settings else s2, s2)


@pytest.mark.parametrize("settings", [{}, {"learn_variance": True}], ids=str)
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_the_likelihood_integrates_to_one_in_the_units_of_the_data(settings, offset):
    X = TABLE[:, :2] * [0.01, 30.0] + offset
    rbm = machine(3, **settings).fit(X)
    axes = [np.linspace(m - 12 * s, m + 12 * s, 501) for m, s in zip(X.mean(axis=0), X.std(axis=0), strict=True)]
    grid = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    cell = np.prod([axis[1] - axis[0] for axis in axes])
    assert logsumexp(rbm.log_likelihood(grid)) + np.log(cell) == pytest.approx(0, abs=1e-6)
    annealed = rbm.log_partition("ais", n_chains=200, n_betas=500, random_state=0)
    assert annealed.value == pytest.approx(rbm.log_partition("exact").value, abs=5 * annealed.error + 0.01)


def test_samples_have_the_moments_of_the_data():
    X = TABLE * UNITS + OFFSETS
    drawn = machine(8, learn_variance=True).set_params(max_iter=200).fit(X).sample(2_000, 50, random_state=0)
    np.testing.assert_allclose((drawn.mean(axis=0) - X.mean(axis=0)) / X.std(axis=0), 0, atol=0.25)
    np.testing.assert_allclose(drawn.std(axis=0) / X.std(axis=0), 1, atol=0.35)


@KINDS
@pytest.mark.parametrize("offset", [1e4, 1e6])
def test_float32_far_from_zero_loses_no_more_than_the_data_do(settings, offset):
    X = np.float32(TABLE + offset)
    single, double = machine(**settings).fit(X), machine(**settings).fit(np.float64(X))
    assert single.transform(X).dtype == np.float32
    np.testing.assert_allclose(single.loss_curve_, double.loss_curve_, rtol=0.03)
    for method in ("transform", "free_energy", "score_samples"):
        found, expected = getattr(single, method)(X), getattr(single, method)(np.float64(X))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5, err_msg=method)
    codes = single.transform(X), double.transform(X)
    assert min(np.corrcoef(a, b)[0, 1] for a, b in zip(codes[0].T, codes[1].T, strict=True)) > 0.99
    again = copy.deepcopy(single).set_params(solver="sgd", learning_rate=1e-12).partial_fit(X)  # there and back
    np.testing.assert_allclose(again.transform(X), codes[0], atol=1e-5)


@pytest.mark.parametrize("settings", [{}, {"persistent": True, "n_chains": 7}], ids=str)
def test_a_warm_start_goes_on_in_the_units_of_the_data(settings):
    X = TABLE * UNITS + OFFSETS
    rbm = machine(warm_start=True, **settings).fit(X)
    first, mean = rbm.loss_curve_[-1], rbm.mean_
    assert rbm.fit(X).loss_curve_[0] < 1.02 * first
    rbm.partial_fit(X[:50] + UNITS)
    np.testing.assert_array_equal(rbm.mean_, mean)
    if settings:
        assert (abs(rbm.chains_ - X.mean(axis=0)) < 6 * X.std(axis=0)).all()


# --- tables as they come ------------------------------------------------------------------------------------------


def raw_tables():
    digits, wine = load_digits(), load_wine()
    wide = np.random.default_rng(0).normal(size=(200, 300)) + 3
    wide[:100, :60] += 1
    constant = np.hstack([wine.data, np.full((178, 3), 7.3), np.full((178, 2), 1e6)])
    return {
        "bytes": (np.uint8(digits.data[:600] * 255 / 16), digits.target[:600]),
        "wine": (wine.data, wine.target),
        "integers": (np.round(10 * wine.data).astype(int), wine.target),
        "volts": (1e-7 * wine.data, wine.target),
        "offset": (wine.data + 1e5, wine.target),
        "constant columns": (constant, wine.target),
        "wide": (wide, np.repeat([0, 1], 100)),
    }


@pytest.mark.parametrize("settings", [{}, {"learn_variance": True}], ids=str)
@pytest.mark.parametrize("name", raw_tables())
def test_codes_of_raw_tables_serve_a_classifier_without_a_warning(name, settings):
    X, y = raw_tables()[name]
    rbm = RBM(128, visible="gaussian", random_state=0, **settings)
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    standardized = cross_val_score(classifier, X, y, cv=3).mean()
    assert cross_val_score(make_pipeline(rbm, classifier), X, y, cv=3).mean() > standardized - 0.05
    rbm.fit(X)
    relative = rbm.variance_ / rbm.scale_**2
    assert (relative > 0.009).all()
    assert (relative < 2.01).all()


def test_variances_stay_within_bounds_however_long_it_learns():
    """Rates at which they ran away: to 0 on constant features, beyond 1e30 on the others."""
    X = np.hstack([load_digits().data[:400], np.full((400, 2), 5.0)])
    for rate in (0.003, 0.01):
        rbm = RBM(64, visible="gaussian", learn_variance=True, learning_rate=rate, max_iter=40, random_state=0).fit(X)
        relative = rbm.variance_ / rbm.scale_**2
        assert 0.009 < relative.min() < relative.max() < 2.01
        assert rbm.loss_curve_[-1] < rbm.loss_curve_[0]


@pytest.mark.parametrize("name", ["bytes", "wine", "integers", "offset"])
def test_machines_left_unstandardized_say_what_is_wrong(name):
    X, _ = raw_tables()[name]
    with pytest.warns(UserWarning, match=r"RBM: of 64 units, .* constant .*Pass standardize=True"):
        RBM(64, visible="gaussian", standardize=False, init_scale=0.1, random_state=0).fit(X)


def test_tiny_probabilities_are_reported_with_the_cure():
    X = 1e-6 * np.random.default_rng(0).random((200, 9))
    with pytest.warns(UserWarning, match=r"RBM: of 8 units, 8 are constant.*MinMaxScaler"):
        RBM(8, random_state=0).fit(X)


@pytest.mark.parametrize("standardize", [True, np.True_])
def test_binary_visibles_cannot_be_standardized(standardize):
    with pytest.raises(ValueError, match=r"RBM: standardize=(np.True_|True) gives"):
        RBM(2, standardize=standardize).fit(np.eye(4))


def test_numpy_scalars_are_parameters_too():
    settings = {
        "n_components": np.int64(4), "visible": np.str_("gaussian"), "hidden": np.str_("binary"), "k": np.uint8(2),
        "persistent": np.False_, "learn_variance": np.True_, "standardize": np.str_("auto"),
        "sparsity_target": np.float32(0.25), "sparsity_cost": np.float64(0.125), "init_scale": np.float64(0.25),
        "init_visible": np.str_("data"), "solver": np.str_("momentum"), "learning_rate": np.float64(0.001),
        "batch_size": np.int32(50), "max_iter": np.int16(3), "weight_decay": np.float64(0.25), "tol": np.float32(0),
        "engine": np.str_("numpy"), "random_state": np.int64(0),
    }  # fmt: skip
    plain = {k: v.item() if isinstance(v, np.generic) else v for k, v in settings.items()}
    X = TABLE.astype(np.float32)
    found, expected = RBM(**settings).fit(X), RBM(**plain).fit(X)
    np.testing.assert_array_equal(found.components_, expected.components_)
    assert found.components_.dtype == np.float32
    assert np.isfinite(found.log_partition(np.str_("exact")).value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"standardize": "yes"}, "RBM: standardize='yes' is not valid"),
        ({"init_scale": "big"}, "RBM: init_scale='big' is not valid"),
        ({"random_state": "two"}, "RBM: random_state='two' is not valid"),
        ({"persistent": 1}, "RBM: persistent=1 is not valid"),
        ({"learning_rate": 0}, "RBM: learning_rate=0 is not valid"),
    ],
)
def test_bad_parameters_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        RBM(2, visible="gaussian", **settings).fit(TABLE)
    rbm = RBM(2, visible="gaussian").fit(TABLE)
    for question in (lambda: rbm.log_partition("guess"), lambda: rbm.log_likelihood(TABLE, log_z="big")):
        with pytest.raises(ValueError, match=r"RBM: (method='guess'|log_z='big') is not valid"):
            question()


# --- sparse rows --------------------------------------------------------------------------------------------------

BITS = (np.random.default_rng(0).random((230, 40)) < 0.15) * np.random.default_rng(1).random((230, 40))


@pytest.mark.parametrize("format", ["csr_array", "csc_matrix", "coo_array", "lil_matrix"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("settings", [{}, {"persistent": True, "early_stopping": True}, {"k": 2}], ids=str)
def test_sparse_rows_give_what_dense_ones_give(format, dtype, settings):
    X = BITS.astype(dtype)
    S = getattr(sp, format)(X)
    dense, sparse = (RBM(12, max_iter=4, batch_size=20, random_state=0, **settings).fit(data) for data in (X, S))
    for name in ("components_", "intercept_hidden_", "intercept_visible_", "visible_mean_", "loss_curve_"):
        np.testing.assert_allclose(getattr(sparse, name), getattr(dense, name), rtol=1e-6, atol=1e-9, err_msg=name)
    for method in ("transform", "free_energy", "score_samples", "score", "log_likelihood"):
        found, expected = getattr(sparse, method)(S), getattr(dense, method)(X)
        np.testing.assert_allclose(found, expected, rtol=1e-5, err_msg=method)
    np.testing.assert_array_equal(sparse.gibbs(S, 2, random_state=0), dense.gibbs(X, 2, random_state=0))
    sparse.partial_fit(S)
    np.testing.assert_allclose(sparse.components_, dense.partial_fit(X).components_, rtol=1e-6, atol=1e-9)
    chunks = [S.tocsr()[:100], S.tocsr()[100:]]
    np.testing.assert_allclose(np.concatenate(list(dense.transform(iter(chunks)))), dense.transform(X), rtol=1e-5)


def test_sparse_rows_are_made_dense_a_batch_at_a_time():
    """Wider than what is kept: 3,000 x 20,000 bits would take 480 MB."""
    S = sp.random_array((3_000, 20_000), density=1e-4, format="csr", rng=np.random.default_rng(0), dtype=np.float64)
    rbm = RBM(2, max_iter=1, random_state=0)
    tracemalloc.start()
    codes = rbm.fit(S).transform(S)
    rbm.score_samples(S[:40])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert codes.shape == (3_000, 2)
    assert peak < 250e6


def test_sparse_rows_outside_0_and_1_and_for_gaussian_visibles_are_named():
    with pytest.raises(ValueError, match=r"between 0 and 3\."):
        RBM(2).fit(sp.csr_array(3 * np.eye(4)))
    with pytest.raises(ValueError, match=r"between -1 and 0\."):
        RBM(2).fit(sp.csr_array(-np.eye(4)))
    with pytest.raises(TypeError, match=r"RBM: X is a sparse matrix.*\.toarray\(\)"):
        RBM(2, visible="gaussian").fit(sp.csr_array(np.eye(4)))


@pytest.mark.parametrize("dtype", [np.uint8, bool, np.int64])
def test_sparse_bits_of_any_type(dtype):
    X = (BITS > 0).astype(dtype)
    found = RBM(5, max_iter=2, random_state=0).fit(sp.csr_array(X))
    expected = RBM(5, max_iter=2, random_state=0).fit(X.astype(np.float64))
    np.testing.assert_allclose(found.components_, expected.components_, rtol=1e-6, atol=1e-9)
