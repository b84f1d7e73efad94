"""Random distinct rows that depend on what the rows hold."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from featlearn.kernels.sample import RowSample, row_uniforms

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def sample(parts, size, seed, weights=None):
    weights = [None] * len(parts) if weights is None else weights
    total = None
    for part, w in zip(parts, weights, strict=True):
        one = RowSample.of(part, size, seed, w)
        total = one if total is None else total + one
    return total


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(1, 199), max_size=5), seed=st.integers(0, 2**31 - 1), size=st.integers(1, 250))
def test_cuts_and_order_do_not_matter(cuts, seed, size):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(200, 3)).astype(np.float32)
    X[50:60] = X[:10]
    w = rng.uniform(0, 2, 200)
    w[50:60] = w[:10]
    whole = RowSample.of(X, size, seed, w)
    order = rng.permutation(200)
    parts, weights = np.split(X[order], sorted(cuts)), np.split(w[order], sorted(cuts))
    np.testing.assert_array_equal(sample(parts, size, seed, weights).rows, whole.rows)
    assert len(whole.rows) == min(size, 190)
    assert (np.diff(whole.chosen.keys) > 0).all()


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(["normal", "whole numbers", "bytes", "large", "tiny"]),
    seed=st.integers(0, 2**31 - 1),
    size=st.integers(1, 120),
    weighted=st.booleans(),
)
def test_copies_in_other_dtypes_draw_the_same_rows(kind, seed, size, weighted):
    rng = np.random.default_rng(seed)
    X = {
        "normal": rng.normal(size=(100, 3)),
        "whole numbers": rng.integers(-9, 9, (100, 3)).astype(float),
        "bytes": rng.integers(0, 256, (100, 3)).astype(float),
        "large": 1e12 * rng.normal(size=(100, 3)),
        "tiny": 1e-12 * rng.normal(size=(100, 3)),
    }[kind]
    weights = rng.uniform(0, 2, 100) if weighted else None
    wide, narrow = RowSample.of(X, size, seed, weights), RowSample.of(X.astype(np.float32), size, seed, weights)
    np.testing.assert_array_equal(wide.rows.astype(np.float32), narrow.rows)
    np.testing.assert_array_equal(wide.masses, narrow.masses)


NEAR = ["seconds since 1970", "offset 1e8", "offset 1e300", "beyond float32", "below float32", "pairs", "half of them"]


def near_rows(kind, rng):
    """200 rows of float64, most of them different, that float32 cannot tell apart."""
    x = rng.normal(size=(200, 1))
    rows = {
        "seconds since 1970": 1.6e9 + np.arange(200.0)[:, None],
        "offset 1e8": 1e8 + x,
        "offset 1e300": 1e300 * (1 + 1e-10 * x),
        "beyond float32": 1e200 * x,
        "below float32": 1e-200 * x,
        "pairs": np.vstack([x[:100], x[:100] * (1 + 1e-12)]),
        "half of them": np.vstack([x[:100], 1e8 + x[100:]]),
    }[kind]
    rows = np.hstack([rows, np.zeros((200, 1))])
    rows[rng.integers(0, 200, 20)] = rows[rng.integers(0, 200, 20)]
    return rows


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(NEAR),
    seed=st.integers(0, 2**31 - 1),
    size=st.integers(1, 250),
    weighting=st.sampled_from(["none", "equal rows alike", "zeros"]),
    cuts=st.lists(st.integers(1, 199), max_size=5),
)
def test_rows_that_only_float64_tells_apart_do_not_depend_on_cuts_and_order_either(kind, seed, size, weighting, cuts):
    rng = np.random.default_rng(seed)
    X = near_rows(kind, rng)
    _, group = np.unique(X, axis=0, return_inverse=True)
    w = {"none": np.ones(200), "equal rows alike": rng.uniform(0.1, 2, 200), "zeros": rng.integers(0, 2, 200) * 1.0}[
        weighting
    ][group.ravel()]
    whole = RowSample.of(X, size, seed, w)
    order = rng.permutation(200)
    parts, weights = np.split(X[order], sorted(cuts)), np.split(w[order], sorted(cuts))
    found = sample(parts, size, seed, weights)
    np.testing.assert_array_equal(found.rows, whole.rows)
    distinct = len(np.unique(X[w > 0], axis=0))
    assert len(np.unique(whole.rows, axis=0)) == len(whole.rows) == min(size, distinct)


@pytest.mark.parametrize("kind", NEAR)
def test_rows_that_only_float64_tells_apart_are_drawn_one_by_one(kind):
    """Whether a row is drawn does not hang on its neighbors': shares over 800 seeds, the variance of their number."""
    X = np.unique(near_rows(kind, np.random.default_rng(0)), axis=0)
    size, n = 40, len(X)
    counts, upper = np.zeros(n), []
    for seed in range(800):
        rows = RowSample.of(X, size, seed).rows
        drawn = np.isin(X[:, 0], rows[:, 0])
        counts += drawn
        upper.append(drawn[n // 2 :].sum())
    assert stats.chisquare(counts).pvalue > 1e-4
    share = 1 - n // 2 / n
    expected = size * share * (1 - share) * (n - size) / (n - 1)  # hypergeometric
    if kind != "pairs":  # of a pair that shares a float32 number one half is drawn at a time, unless both are
        assert np.var(upper) == pytest.approx(expected, rel=0.15)


def test_masses_are_the_weights_of_equal_rows():
    rng = np.random.default_rng(0)
    X, masses = rng.integers(0, 4, (500, 2)) * 1.0, rng.uniform(0, 2, 500)
    drawn = RowSample.of(X[:300], 9, 3, masses=masses[:300]) + RowSample.of(X[300:], 9, 3, masses=masses[300:])
    assert len(drawn.rows) == 9
    expected = [masses[(row == X).all(axis=1)].sum() for row in drawn.rows]
    np.testing.assert_allclose(drawn.masses, expected)


@DTYPES
def test_equal_rows_count_once(dtype):
    X = np.repeat(np.arange(12, dtype=dtype).reshape(6, 2), [1, 50, 2, 1, 7, 3], axis=0)
    rows = sample([X[:20], X[20:]], 100, 0).rows
    np.testing.assert_array_equal(np.unique(rows, axis=0), np.unique(X, axis=0))
    assert len(rows) == 6


def test_equal_rows_count_once_when_their_weights_differ_by_rounding():
    X = np.repeat(np.arange(12.0).reshape(6, 2), 20, axis=0)
    weights = 1 + 1e-12 * np.random.default_rng(0).random(120)
    rows = sample([X[:70], X[70:]], 100, 0, [weights[:70], weights[70:]]).rows
    assert len(rows) == len(np.unique(rows, axis=0)) == 6


@DTYPES
def test_minus_zero_is_zero(dtype):
    X = np.array([[0.0, 1.0], [-0.0, 1.0]], dtype)
    assert row_uniforms(X, 0)[0] == row_uniforms(X, 0)[1]
    assert len(RowSample.of(X, 5, 0).rows) == 1


@DTYPES
def test_rows_of_small_whole_numbers_are_told_apart(dtype):
    """Their bits end in long runs of zeros; 2^17 rows of a hash of 53 bits share a value with odds of 1 : 10^6."""
    bits = np.random.default_rng(0).integers(0, 2, (2**17, 64))
    for value, seeds in ((1, [0]), (2, range(12)), (3, [0])):
        rows = (bits * value).astype(dtype)
        for seed in seeds:
            assert len(np.unique(row_uniforms(rows, seed))) == 2**17
    pixels = np.stack(np.meshgrid(np.arange(128), np.arange(128)), axis=-1).reshape(-1, 2).astype(dtype)
    assert len(np.unique(row_uniforms(pixels, 0))) == 128**2


@DTYPES
def test_columns_are_told_apart(dtype):
    X = np.array([[1, 2, 3], [3, 2, 1], [2, 1, 3]], dtype)
    assert len(np.unique(row_uniforms(X, 0))) == 3


def test_numbers_are_uniform_and_independent_of_the_data_and_of_other_seeds():
    X = np.arange(20000.0)[:, None] / 256
    u, v = row_uniforms(X, 1), row_uniforms(X, 2)
    assert stats.kstest(u, "uniform").pvalue > 0.01
    assert abs(np.corrcoef(u, X[:, 0])[0, 1]) < 0.02
    assert abs(np.corrcoef(u, v)[0, 1]) < 0.02
    assert abs(np.corrcoef(u[1:], u[:-1])[0, 1]) < 0.02


def test_the_seed_decides():
    X = np.random.default_rng(0).normal(size=(100, 3))
    assert not np.array_equal(RowSample.of(X, 10, 0).rows, RowSample.of(X, 10, 1).rows)
    np.testing.assert_array_equal(RowSample.of(X, 10, 0).rows, RowSample.of(X, 10, 0).rows)


def test_rows_are_drawn_in_proportion_to_their_weights():
    """One row of three over 6,000 seeds: chi-squared against 1 : 2 : 5."""
    X, weights = np.array([[1.0], [2.0], [3.0]]), np.array([1.0, 2.0, 5.0])
    drawn = [RowSample.of(X, 1, seed, weights).rows[0, 0] for seed in range(6000)]
    counts = [drawn.count(v) for v in (1.0, 2.0, 3.0)]
    assert stats.chisquare(counts, 6000 * weights / 8).pvalue > 0.01


def test_the_second_row_is_drawn_as_without_replacement():
    """P(first 2, then 0) = w2 / (w0 + w1 + w2) * w0 / (w0 + w1)."""
    X, weights = np.array([[0.0], [1.0], [2.0]]), np.array([1.0, 2.0, 5.0])
    drawn = [tuple(RowSample.of(X, 2, seed, weights).rows[:, 0]) for seed in range(6000)]
    hits = sum(pair == (2.0, 0.0) for pair in drawn)
    assert stats.binomtest(hits, 6000, 5 / 8 * 1 / 3).pvalue > 0.01


def test_rows_of_weight_zero_are_left_out():
    X, weights = np.arange(10.0)[:, None], np.r_[np.zeros(5), np.ones(5)]
    assert sorted(RowSample.of(X, 10, 0, weights).rows[:, 0]) == [5, 6, 7, 8, 9]
    assert len(RowSample.of(X, 10, 0, np.zeros(10)).rows) == 0
