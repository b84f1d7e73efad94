"""RandomWeights: moments of the weights, right angles, activations by the formula, and the seed."""

import pickle

import numpy as np
import pytest
from scipy import stats
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import StandardScaler

from featlearn import Abs, LocalContrastNormalizer, MeanPool, Stage
from featlearn.vectors import random_weights as module
from featlearn.vectors.random_weights import RandomWeights

X = np.random.default_rng(0).normal(size=(300, 12))
ALL = pytest.mark.parametrize("distribution", ["normal", "uniform", "unit", "orthogonal"])
FORMULAS = {
    "linear": lambda h: h,
    "relu": lambda h: np.where(h > 0, h, 0),
    "abs": lambda h: np.where(h > 0, h, -h),
    "tanh": lambda h: (np.exp(2 * h) - 1) / (np.exp(2 * h) + 1),
    "sigmoid": lambda h: 1 / (1 + np.exp(-h)),
}


def filters(K=2000, **parameters):
    return RandomWeights(K, random_state=0, **parameters).fit(X).components_


@ALL
def test_filters_have_the_length_asked_for_and_no_direction_of_their_own(distribution):
    W = filters(distribution=distribution, scale=3.0)
    assert W.shape == (2000, 12)
    squares = (W**2).sum(axis=1)
    assert squares.mean() == pytest.approx(9, rel=0.03)
    # Every weight has mean 0 and variance scale^2 / d, and no two go together.
    np.testing.assert_allclose(W.mean(axis=0), 0, atol=5 * np.sqrt(9 / 12 / 2000))
    np.testing.assert_allclose(W.T @ W / 2000, 9 / 12 * np.eye(12), atol=0.1)
    if distribution in ("unit", "orthogonal"):
        np.testing.assert_allclose(squares, 9, rtol=1e-12)
    else:
        assert squares.std() > 0.5


def test_normal_and_uniform_weights_are_what_they_say():
    assert stats.kstest(filters().ravel() * np.sqrt(12), "norm").pvalue > 0.01
    half = np.sqrt(3 / 12)
    assert stats.kstest(filters(distribution="uniform").ravel(), "uniform", (-half, 2 * half)).pvalue > 0.01


def test_a_weight_of_a_unit_filter_follows_the_law_of_the_sphere():
    """The square of one coordinate of a random direction is Beta(1/2, (d - 1)/2)."""
    law = stats.beta(0.5, 5.5)
    assert stats.kstest(filters(distribution="unit")[:, 0] ** 2, law.cdf).pvalue > 0.01
    first = [RandomWeights(1, distribution="orthogonal", random_state=s).fit(X).components_[0] for s in range(300)]
    assert stats.kstest(np.square(first)[:, 0], law.cdf).pvalue > 0.01
    # Without the signs of R in the QR decomposition the first weight would mostly be negative.
    assert abs(np.sign(first)[:, 0].sum()) < 5 * np.sqrt(300)


@pytest.mark.parametrize("K", [1, 5, 12])
def test_orthogonal_filters_are_at_right_angles(K):
    W = filters(K, distribution="orthogonal", scale=2.0)
    np.testing.assert_allclose(W @ W.T, 4 * np.eye(K), atol=1e-12)


def test_more_orthogonal_filters_than_features_come_in_blocks():
    W = filters(30, distribution="orthogonal")
    for block in (W[:12], W[12:24], W[24:]):
        np.testing.assert_allclose(block @ block.T, np.eye(len(block)), atol=1e-12)
    assert np.abs(W[:12] @ W[12:24].T).max() < 0.99


@pytest.mark.parametrize("activation", FORMULAS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_activations_are_their_formulas(activation, dtype):
    learner = RandomWeights(7, activation=activation, bias=0.5, random_state=1).fit(X.astype(dtype))
    H = (X - learner.mean_) / learner.scale_ @ learner.components_.astype(float).T + learner.intercept_
    out = learner.transform(X.astype(dtype))
    assert out.dtype == learner.components_.dtype == learner.intercept_.dtype == dtype
    np.testing.assert_allclose(out, FORMULAS[activation](H), atol=1e-12 if dtype == np.float64 else 1e-5)


def test_biases_have_the_deviation_asked_for():
    many = RandomWeights(5000, bias=0.5, random_state=0).fit(X)
    assert stats.kstest(many.intercept_ / 0.5, "norm").pvalue > 0.01
    none = RandomWeights(5000, random_state=0).fit(X)
    np.testing.assert_array_equal(none.intercept_, 0)
    np.testing.assert_array_equal(many.components_, none.components_)


@ALL
def test_the_seed_decides_and_the_samples_do_not(distribution):
    learner = RandomWeights(9, distribution=distribution, bias=1.0, random_state=5)
    expected = learner.fit(X).components_
    np.testing.assert_array_equal(clone(learner).fit(-3 * X[:4]).components_, expected)
    assert not np.array_equal(clone(learner).set_params(random_state=6).fit(X).components_, expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(learner)).transform(X), learner.transform(X))


def test_streams_give_their_width_and_are_transformed():
    learner = RandomWeights(4, activation="tanh", random_state=0).fit(X)
    streamed = clone(learner).fit(lambda: iter([X[:100], X[100:]]))
    np.testing.assert_array_equal(streamed.components_, learner.components_)
    out = np.concatenate(list(learner.transform(iter([X[:100], X[100:]]))))
    np.testing.assert_allclose(out, learner.transform(X), atol=1e-12)
    with pytest.raises(ValueError, match="an iterator can be walked only once"):
        clone(learner).fit(iter([X]))


def test_a_random_stage_of_jarrett():
    images = np.random.default_rng(0).uniform(size=(6, 12, 12))
    stage = Stage(
        RandomWeights(5, activation="tanh", distribution="unit"),
        patch_size=5,
        rectify=Abs(),
        normalize=LocalContrastNormalizer(size=3),
        pool=MeanPool(window=4, step=4),
        random_state=0,
    )
    out = stage.fit_transform(images)
    assert out.shape == (6, 2, 2, 5)
    rows = np.lib.stride_tricks.sliding_window_view(images, (5, 5), axis=(1, 2)).reshape(-1, 25)
    rows = (rows - rows.mean(axis=0)) / stage.learner_.scale_  # all there are
    maps = np.abs(np.tanh(rows @ stage.learner_.components_.T)).reshape(6, 8, 8, 5)
    expected = MeanPool(window=4, step=4).transform(LocalContrastNormalizer(size=3).transform(maps))
    np.testing.assert_allclose(out, expected, atol=1e-10)


TABLES = {
    "bytes": np.random.default_rng(1).integers(0, 256, size=(200, 12)),
    "volts": 1e-6 * X,
    "far": 1e6 + X,
    "units": X * 10.0 ** np.arange(-6, 6) + np.arange(12),
    "constants": np.c_[X[:, :6], np.full((300, 6), 0.1)],
}


@pytest.mark.parametrize("activation", FORMULAS)
@pytest.mark.parametrize("table", TABLES)
def test_units_and_levels_of_features_do_not_matter(table, activation):
    """The codes of a table are those of the standardized table, and no unit is constant or saturated."""
    Z = TABLES[table]
    standardized = StandardScaler().fit_transform(Z)
    learner = RandomWeights(20, activation=activation, bias=0.5, random_state=0)
    expected = clone(learner).fit(standardized).transform(standardized)
    codes = learner.fit(Z).transform(Z)
    np.testing.assert_allclose(codes, expected, atol=1e-7)
    np.testing.assert_allclose(
        ((Z - learner.mean_) / learner.scale_).std(), np.sqrt((standardized**2).mean()), rtol=0.05
    )
    single = learner.fit(Z.astype(np.float32)).transform(Z.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, codes, atol=1.0 if table == "far" else 1e-2)  # float32 knows 1e6 to .06
    streamed = learner.fit(lambda: iter([Z[:70], Z[70:]])).transform(Z)
    np.testing.assert_allclose(streamed, codes, atol=1e-7)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu", "linear"])
def test_units_that_say_nothing_are_warned_of(activation):
    learner = RandomWeights(20, activation=activation, standardize=False, random_state=0)
    with pytest.warns(UserWarning, match=r"RandomWeights: of 20 units, \d+ are constant.*standardize=True"):
        learner.fit(1e6 + X)
    with pytest.warns(UserWarning, match=r"RandomWeights: filters weigh all features alike"):
        learner.fit(np.c_[X, 1e4 * X[:, :1]])


def test_an_interrupted_fit_leaves_the_one_before(monkeypatch):
    learner = RandomWeights(3, random_state=0).fit(X)
    before = learner.components_

    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "random_filters", interrupted)
    with pytest.raises(KeyboardInterrupt):
        learner.fit(X[:, :5])
    assert learner.components_ is before
    assert learner.n_features_in_ == 12
    fresh = RandomWeights(3)
    with pytest.raises(KeyboardInterrupt):
        fresh.fit(X)
    with pytest.raises(NotFittedError):
        fresh.transform(X)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_components": 0}, "n_components=0 is not valid; pass an integer of at least 1"),
        ({"activation": "softplus"}, "activation='softplus' is not valid; pass one of 'linear', 'relu'"),
        ({"distribution": "cauchy"}, "distribution='cauchy' is not valid; pass one of 'normal', 'uniform'"),
        ({"scale": 0}, "scale=0 is not valid; pass a number greater than 0"),
        ({"bias": -1}, "bias=-1 is not valid; pass a number of at least 0"),
    ],
)
def test_parameters_out_of_range_are_named(parameters, message):
    with pytest.raises(ValueError, match=f"RandomWeights: {message}"):
        RandomWeights(**parameters).fit(X)
