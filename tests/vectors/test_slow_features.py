"""Slow features against SciPy's generalized eigenvectors, sines mixed with faster ones, and their own constraints."""

import pickle
import tracemalloc

import numpy as np
import pytest
from scipy import linalg
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline

from featlearn.vectors import slow_features as module
from featlearn.vectors.slow_features import SlowFeatureAnalysis

DEGREE = pytest.mark.parametrize("degree", [1, 2])


def walk(n=1500, d=5, seed=0):
    """A signal of d parts, each a moving average of noise over another time, mixed."""
    rng = np.random.default_rng(seed)
    parts = [np.convolve(rng.normal(size=n + 60), np.ones(3 * k + 1))[60 : n + 60] for k in range(d)]
    return np.column_stack(parts) @ rng.normal(size=(d, d)) + rng.normal(size=d)


def expand(X, degree):
    """All products of two features, in plain loops, beside the features."""
    products = [X[:, i] * X[:, j] for i in range(X.shape[1]) for j in range(i, X.shape[1])]
    return X if degree == 1 else np.column_stack([X, *products])


def brute(X, degree, ends):
    """All generalized eigenvalues and the outputs of unit variance, slowest first."""
    H = expand(X, degree)
    steps = np.concatenate([np.diff(part, axis=0) for part in np.split(H, ends)])
    values, vectors = linalg.eigh(steps.T @ steps / len(steps), np.cov(H.T))
    return values, (H - H.mean(axis=0)) @ vectors


def up_to_sign(Y, Z, tolerance):
    signs = np.sign(np.einsum("nk,nk->k", Y, Z))
    np.testing.assert_allclose(Y, Z * signs, atol=tolerance)


# --- what is found -------------------------------------------------------------------------------------------------


@DEGREE
@pytest.mark.parametrize("lengths", [None, [1500], [200, 2, 900, 398]])
def test_the_outputs_are_the_generalized_eigenvectors(degree, lengths):
    X = walk()
    sfa = SlowFeatureAnalysis(None, degree=degree).fit(X, lengths=lengths)
    values, outputs = brute(X, degree, np.cumsum(lengths or [])[:-1].astype(int))
    assert len(sfa.delta_) == (5 if degree == 1 else 20)
    np.testing.assert_allclose(sfa.delta_, values, rtol=1e-8)
    up_to_sign(sfa.transform(X), outputs, 1e-6)
    few = SlowFeatureAnalysis(3, degree=degree).fit(X, lengths=lengths)
    np.testing.assert_allclose(few.delta_, values[:3], rtol=1e-8)
    up_to_sign(few.transform(X), outputs[:, :3], 1e-6)


@DEGREE
def test_outputs_are_centered_uncorrelated_of_unit_variance_and_sorted(degree):
    X, lengths = walk(), [700, 800]
    sfa = SlowFeatureAnalysis(4, degree=degree)
    Y = sfa.fit_transform(X, lengths=lengths)
    np.testing.assert_allclose(Y.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(np.cov(Y.T), np.eye(4), atol=1e-9)
    steps = np.concatenate([np.diff(Y[:700], axis=0), np.diff(Y[700:], axis=0)])
    np.testing.assert_allclose((steps**2).mean(axis=0), sfa.delta_, rtol=1e-8)
    assert (np.diff(sfa.delta_) > 0).all()


def test_a_slow_sine_is_found_among_fast_ones():
    t = np.arange(3000)
    waves = np.sin(2 * np.pi * t[:, None] / np.array([750, 50, 30, 20]))
    X = waves @ np.random.default_rng(0).normal(size=(4, 4)) + 3
    sfa = SlowFeatureAnalysis(4).fit(X)
    Y = sfa.transform(X)
    np.testing.assert_allclose(np.abs(np.corrcoef(Y.T, waves.T)[:4, 4:]), np.eye(4), atol=1e-2)
    np.testing.assert_allclose(sfa.delta_, (2 * np.pi / np.array([750, 50, 30, 20])) ** 2, rtol=0.02)


def test_the_quadratic_example_of_the_paper():
    """x1 = sin t + cos(11 t)^2 and x2 = cos 11 t hide sin t, which is x1 - x2^2 (section 3.1)."""
    t = np.linspace(0, 2 * np.pi, 4000)
    X = np.column_stack([np.sin(t) + np.cos(11 * t) ** 2, np.cos(11 * t)])
    slowest = SlowFeatureAnalysis(1, degree=2).fit_transform(X)[:, 0]
    assert abs(np.corrcoef(slowest, np.sin(t))[0, 1]) > 1 - 1e-9
    assert abs(np.corrcoef(SlowFeatureAnalysis(1).fit_transform(X)[:, 0], np.sin(t))[0, 1]) < 0.99


def test_white_noise_has_slowness_2():
    X = np.random.default_rng(0).normal(size=(20_000, 3))
    np.testing.assert_allclose(SlowFeatureAnalysis(3).fit(X).delta_, 2, rtol=0.05)


@DEGREE
def test_mixing_shifting_and_units_do_not_matter(degree):
    X = walk()
    sfa = SlowFeatureAnalysis(4, degree=degree)
    expected, delta = sfa.fit_transform(X), sfa.delta_
    mixed = X @ np.random.default_rng(3).normal(size=(5, 5)) + 7
    up_to_sign(sfa.fit_transform(mixed), expected, 1e-6)
    np.testing.assert_allclose(sfa.delta_, delta, rtol=1e-7)
    up_to_sign(sfa.fit_transform(X * [1e6, 1, 1e-6, 1, 1e3]), expected, 1e-6)


@DEGREE
def test_differences_never_cross_sequences(degree):
    """Two slow sequences far apart: with their lengths known the jump is not a difference in time."""
    X = walk(400, 3)
    shifted = np.concatenate([X, X + 50])
    known = SlowFeatureAnalysis(1, degree=degree).fit(shifted, lengths=[400, 400])
    unknown = SlowFeatureAnalysis(1, degree=degree).fit(shifted)
    assert known.delta_[0] < 0.5 * unknown.delta_[0]
    # The order of sequences does not matter.
    back = SlowFeatureAnalysis(1, degree=degree).fit(np.concatenate([X + 50, X]), lengths=[400, 400])
    np.testing.assert_allclose(back.delta_, known.delta_, rtol=1e-7)


# --- sequences by id, and lags -------------------------------------------------------------------------------------


@DEGREE
@pytest.mark.parametrize("ids", ["numbers", "names", "far numbers"])
def test_an_id_per_row_tells_the_sequences(degree, ids):
    X, lengths = walk(), [200, 2, 900, 398]
    number = np.repeat([3, 0, 2, 1], lengths)
    groups = {"numbers": number, "names": np.array(["d", "a", "c", "b"])[number], "far numbers": 10**12 * number - 7}[
        ids
    ]
    expected = SlowFeatureAnalysis(3, degree=degree).fit(X, lengths=lengths)
    sfa = SlowFeatureAnalysis(3, degree=degree).fit(X, groups=groups)
    np.testing.assert_allclose(sfa.delta_, expected.delta_, rtol=1e-9)
    np.testing.assert_allclose(sfa.transform(X), expected.transform(X), atol=1e-7)
    # Rows of different sequences may alternate, as long as each keeps its order.
    mixed = np.argsort(np.random.default_rng(0).permutation(np.repeat(np.arange(4), lengths)), kind="stable")
    place = np.empty(1500, int)
    place[mixed] = np.arange(1500)
    alternating = SlowFeatureAnalysis(3, degree=degree).fit(X[place], groups=groups[place])
    np.testing.assert_allclose(alternating.delta_, expected.delta_, rtol=1e-8)


def test_groups_of_one_row_are_rows_without_a_difference():
    X = walk(100)
    groups = np.concatenate([np.zeros(60, int), np.arange(1, 41)])
    sfa = SlowFeatureAnalysis().fit(X, groups=groups)
    steps = np.diff(sfa.transform(X)[:60], axis=0)
    np.testing.assert_allclose((steps**2).mean(axis=0), sfa.delta_, rtol=1e-8)
    np.testing.assert_allclose(sfa.mean_, X.mean(axis=0))
    with pytest.raises(ValueError, match=r"no sequence has more than lag=1 rows \(X has n_samples=100\)"):
        SlowFeatureAnalysis().fit(X, groups=np.arange(100))


@DEGREE
@pytest.mark.parametrize("lag", [2, 7])
def test_a_lag_compares_rows_further_apart(degree, lag):
    X, lengths = walk(), [700, 3, 797]
    sfa = SlowFeatureAnalysis(3, degree=degree, lag=lag).fit(X, lengths=lengths)
    Y = sfa.transform(X)
    steps = np.concatenate([part[lag:] - part[:-lag] for part in np.split(Y, [700, 703])])
    np.testing.assert_allclose((steps**2).mean(axis=0), sfa.delta_, rtol=1e-7)
    assert (sfa.delta_ < SlowFeatureAnalysis(3, degree=degree, lag=200).fit(X, lengths=lengths).delta_).all()
    with pytest.raises(ValueError, match=r"no sequence has more than lag=900 rows.*a smaller lag"):
        SlowFeatureAnalysis(lag=900).fit(X, lengths=lengths)


def test_cross_validation_cuts_the_ids_as_it_cuts_the_rows():
    class Slowness(SlowFeatureAnalysis):
        def score(self, X, y=None):
            return -float((np.diff(self.transform(X)[:, 0]) ** 2).mean())

    X, groups = walk(), np.repeat(np.arange(6), 250)
    ends = np.arange(0, 1500, 250)
    shifted = X + 40 * (groups % 2)[:, None]  # known ends cost nothing
    scores = cross_val_score(Slowness(2), shifted, groups=groups, cv=GroupKFold(6), params={"groups": groups})
    assert len(scores) == len(ends)
    assert np.isfinite(scores).all()
    for train, test in GroupKFold(6).split(X, groups=groups):
        alone = Slowness(2).fit(shifted[train], lengths=[250] * 5)
        assert np.isclose(scores, alone.score(shifted[test]), rtol=1e-6).any()


@pytest.mark.parametrize(
    ("sequences", "message"),
    [
        ({"groups": np.zeros(39)}, "groups has 39 ids and X has n_samples=40 rows"),
        ({"groups": np.zeros(40), "lengths": [40]}, "lengths and groups both tell the sequences; pass one"),
    ],
)
def test_groups_that_do_not_fit_are_refused(sequences, message):
    with pytest.raises(ValueError, match=f"SlowFeatureAnalysis: {message}"):
        SlowFeatureAnalysis(1).fit(walk(40, 3), **sequences)


def test_it_says_that_the_order_matters():
    assert SlowFeatureAnalysis._needs_order


# --- input without full rank ---------------------------------------------------------------------------------------


def test_directions_that_do_not_vary_are_left_out():
    X = walk(d=3)
    wide = np.column_stack([X, np.full(len(X), 1e8 + 0.1), X[:, 0] - 2 * X[:, 1], np.zeros(len(X))])
    sfa, full = SlowFeatureAnalysis(None).fit(wide), SlowFeatureAnalysis(None).fit(X)
    assert len(sfa.delta_) == 3
    np.testing.assert_allclose(sfa.delta_, full.delta_, rtol=1e-6)
    up_to_sign(sfa.transform(wide), full.transform(X), 1e-6)
    np.testing.assert_allclose(sfa.inverse_transform(sfa.transform(wide)), wide, atol=1e-6)
    # A square that is constant on the circle: x^2 + y^2 = 1 costs the quadratic one a direction.
    angle = np.cumsum(np.random.default_rng(0).normal(size=500)) / 9
    circle = np.column_stack([np.cos(angle), np.sin(angle)])
    assert len(SlowFeatureAnalysis(None, degree=2).fit(circle).delta_) == 4


@pytest.mark.parametrize(("offset", "dtype"), [(1e4, np.float32), (-1e5, np.float32), (1e6, float), (1e9, float)])
def test_rounding_far_from_the_origin_is_no_direction(offset, dtype):
    X = walk(3000, 3)
    X = X / X.std(axis=0)
    far = np.column_stack([X, X[:, 0] - X[:, 1], np.zeros(3000)]) + offset
    sfa, near = SlowFeatureAnalysis().fit(far.astype(dtype)), SlowFeatureAnalysis().fit(X)
    assert len(sfa.delta_) == 3
    np.testing.assert_allclose(sfa.delta_, near.delta_, rtol=0.02)
    Y = sfa.transform(far.astype(dtype))
    np.testing.assert_allclose(np.cov(Y.T.astype(float)), np.eye(3), atol=1e-3)
    np.testing.assert_allclose(Y.mean(axis=0), 0, atol=1e-3)


def test_fewer_rows_than_features():
    with pytest.warns(UserWarning, match=r"30 samples of 40 features are whitened in all the 29 directions"):
        SlowFeatureAnalysis(2).fit(np.random.default_rng(0).normal(size=(30, 40)))
    X = walk(30, 5) @ np.random.default_rng(0).normal(size=(5, 2000))
    tracemalloc.start()
    sfa = SlowFeatureAnalysis().fit(X)
    assert tracemalloc.get_traced_memory()[1] < 2000 * 2000 * 8 / 2
    tracemalloc.stop()
    np.testing.assert_allclose(sfa.delta_, SlowFeatureAnalysis().fit(walk(30, 5)).delta_, rtol=1e-6)
    np.testing.assert_allclose(sfa.inverse_transform(sfa.transform(X)), X, atol=1e-8)


@pytest.mark.filterwarnings("ignore:SlowFeatureAnalysis. 3 samples of 4 features")
@pytest.mark.parametrize(
    ("K", "degree", "rows", "message"),
    [
        (4, 1, 100, r"n_components=4 outputs were asked for, and only 3 directions vary: X has n_samples=100, n_feat"),
        (10, 2, 100, r"only 9 directions vary.*n_features=4, 3 of them independent, degree=2. Pass n_components=9"),
        (3, 1, 3, r"only 2 directions vary: X has n_samples=3"),
    ],
)
def test_more_components_than_directions_are_refused(K, degree, rows, message):
    X = walk(d=3)[:rows]
    with pytest.raises(ValueError, match=message):
        SlowFeatureAnalysis(K, degree=degree).fit(np.column_stack([X, X.sum(axis=1)]))


@DEGREE
@pytest.mark.parametrize("K", [None, 1])
def test_constant_samples_are_refused(degree, K):
    with pytest.raises(ValueError, match=r"only 0 directions vary: each of the n_features=3.*Pass samples that vary"):
        SlowFeatureAnalysis(K, degree=degree).fit(np.full((50, 3), 0.1))


# --- the way back --------------------------------------------------------------------------------------------------


def test_inverse_is_exact_when_complete_and_least_squares_otherwise():
    X = walk()
    sfa = SlowFeatureAnalysis(None).fit(X)
    np.testing.assert_allclose(sfa.inverse_transform(sfa.transform(X)), X, atol=1e-8)
    few = SlowFeatureAnalysis(2).fit(X)
    Y = few.transform(X)
    np.testing.assert_allclose(few.score_samples(X), -((X - few.inverse_transform(Y)) ** 2).sum(axis=1), rtol=1e-8)
    best = np.column_stack([Y, np.ones(len(Y))]) @ np.linalg.lstsq(np.column_stack([Y, np.ones(len(Y))]), X)[0]
    np.testing.assert_allclose(few.inverse_transform(Y), best, atol=1e-8)


def test_inverse_is_refused_where_there_is_none():
    X = walk()
    quadratic = SlowFeatureAnalysis(5, degree=2).fit(X)
    with pytest.raises(ValueError, match="quadratic outputs have no inverse; fit with degree=1"):
        quadratic.inverse_transform(X)
    with pytest.raises(ValueError, match="quadratic outputs have no inverse"):
        quadratic.score_samples(X)
    with pytest.raises(ValueError, match=r"takes codes of 2 columns; got an array of shape \(1500, 5\)"):
        SlowFeatureAnalysis(2).fit(X).inverse_transform(X)


# --- the estimator -------------------------------------------------------------------------------------------------


@DEGREE
def test_chunks_memmaps_and_streams(degree, tmp_path, monkeypatch):
    X = walk().astype(np.float32)
    np.save(tmp_path / "X.npy", X)
    sfa = SlowFeatureAnalysis(3, degree=degree)
    expected = sfa.fit(X, lengths=[63, 65, 1372]).transform(X)
    assert expected.dtype == np.float32
    monkeypatch.setattr(module, "cache_rows", lambda row: 64)
    np.testing.assert_allclose(sfa.fit(X, lengths=[63, 65, 1372]).transform(X), expected, atol=1e-4)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    np.testing.assert_allclose(sfa.fit(mapped, lengths=[63, 65, 1372]).transform(mapped), expected, atol=1e-4)
    streamed = np.concatenate(list(sfa.transform(iter([X[:100], X[100:]]))))
    np.testing.assert_allclose(streamed, expected, atol=1e-4)


@DEGREE
def test_float32_is_near_float64(degree):
    X = walk()
    double = SlowFeatureAnalysis(4, degree=degree).fit(X)
    single = SlowFeatureAnalysis(4, degree=degree).fit(X.astype(np.float32))
    np.testing.assert_allclose(single.delta_, double.delta_, rtol=1e-3)
    up_to_sign(double.transform(X.astype(np.float32)), double.transform(X), 1e-3)


def test_lengths_reach_it_through_a_pipeline():
    X, lengths = walk(), np.array([600, 900])
    pipe = make_pipeline(PCA(3), SlowFeatureAnalysis(2))
    pipe.fit(X, slowfeatureanalysis__lengths=lengths)
    alone = SlowFeatureAnalysis(2).fit(PCA(3).fit_transform(X), lengths=lengths)
    np.testing.assert_allclose(pipe[-1].delta_, alone.delta_, rtol=1e-10)
    assert pipe.get_feature_names_out().tolist() == ["slowfeatureanalysis0", "slowfeatureanalysis1"]


def test_a_second_fit_of_another_degree_is_a_fresh_one():
    X = walk()
    for first, then in ((1, 2), (2, 1)):
        sfa = SlowFeatureAnalysis(3, degree=first).fit(X).set_params(degree=then).fit(X)
        fresh = SlowFeatureAnalysis(3, degree=then).fit(X)
        assert {a for a in vars(sfa) if a.endswith("_")} == {a for a in vars(fresh) if a.endswith("_")}
        np.testing.assert_array_equal(sfa.transform(X), fresh.transform(X))
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(sfa)).transform(X), fresh.transform(X))


def test_an_interrupted_fit_leaves_the_one_before(monkeypatch):
    X = walk()

    def interrupted(*arguments, **settings):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "_differences", interrupted)
        sfa = SlowFeatureAnalysis(2)
        attributes = set(vars(sfa))
        with pytest.raises(KeyboardInterrupt):
            sfa.fit(X)
        assert set(vars(sfa)) == attributes
        with pytest.raises(NotFittedError):
            sfa.transform(X)
    expected = sfa.fit(X).transform(X)
    with pytest.raises(ValueError, match="only 3 directions vary"):
        sfa.set_params(n_components=4).fit(X[:, :3])
    assert sfa.n_features_in_ == 5
    np.testing.assert_array_equal(sfa.transform(X), expected)


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([10, 20], "lengths sum to 30 and X has n_samples=40 rows"),
        ([39, 1], r"lengths\[1\]=1, and a sequence needs at least 2 rows"),
        ([42, -2], r"lengths\[1\]=-2, and a sequence needs at least 2 rows"),
        ([20.0, 20.0], "lengths must be a list of integers"),
        ([], "lengths must be a list of integers"),
        (40, "lengths must be a list of integers"),
    ],
)
def test_lengths_that_do_not_fit_are_refused(lengths, message):
    with pytest.raises(ValueError, match=f"SlowFeatureAnalysis: {message}"):
        SlowFeatureAnalysis(1).fit(walk(40, 3), lengths=lengths)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_components": 0}, "n_components=0 is not valid; pass None or an integer of at least 1"),
        ({"lag": 0}, "lag=0 is not valid; pass an integer of at least 1"),
        ({"degree": 3}, "degree=3 is not valid; pass an integer of at most 2"),
        ({"eps": -1}, "eps=-1 is not valid"),
    ],
)
def test_parameters_out_of_range_are_named(parameters, message):
    with pytest.raises(ValueError, match=f"SlowFeatureAnalysis: {message}"):
        SlowFeatureAnalysis(**parameters).fit(walk(40, 3))


def test_bad_samples_are_refused():
    with pytest.raises(ValueError, match="minimum of 2 is required"):
        SlowFeatureAnalysis(1).fit([[1.0, 2.0]])
    with pytest.raises(ValueError, match="NaN"):
        SlowFeatureAnalysis(1).fit([[1.0], [np.nan], [2.0]])
    with pytest.raises(ValueError, match=r"every row with the one after it.*np\.memmap"):
        SlowFeatureAnalysis(1).fit(iter([walk()]))


@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_samples_whose_squares_overflow_are_refused():
    with pytest.raises(ValueError, match=r"squares of the samples overflow float64\. Scale the data"):
        SlowFeatureAnalysis(1).fit([[1e200], [-1e200], [2e200]])
