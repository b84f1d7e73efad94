"""ContrastNormalizer against the formula written out, row by row."""

import numpy as np
import pytest

import featlearn
from featlearn import ContrastNormalizer
from featlearn.vectors.contrast import contrast_normalize
from tests import references


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("eps", [0.0, 10.0])
def test_rows_equal_the_formula(eps, ddof):
    X = np.random.default_rng(0).uniform(0, 255, (9, 12))
    expected = [references.contrast(x, eps, ddof) for x in X]
    np.testing.assert_allclose(ContrastNormalizer(eps=eps, ddof=ddof).fit_transform(X), expected, rtol=1e-12)


def test_matlab_divides_by_n_minus_one_and_numpy_by_n():
    row = np.array([[1.0, 2.0, 3.0, 4.0]])
    np.testing.assert_allclose(ContrastNormalizer(eps=0, ddof=1).fit_transform(row).var(ddof=1), 1)
    np.testing.assert_allclose(ContrastNormalizer(eps=0, ddof=0).fit_transform(row).var(ddof=0), 1)
    assert ContrastNormalizer().ddof == 1  # the paper's demo is MATLAB


def test_eps_10_on_bytes_is_eps_10_over_255_squared_on_unit_pixels():
    X = np.random.default_rng(0).integers(0, 256, (50, 108)).astype(np.float64)
    on_bytes = ContrastNormalizer(eps=10).fit_transform(X)
    on_units = ContrastNormalizer(eps=10 / 255**2).fit_transform(X / 255)
    np.testing.assert_allclose(on_units, on_bytes, atol=1e-6)


@pytest.mark.parametrize("eps", [0, 10])
@pytest.mark.parametrize("value", [0.0, 7.0, -1e6])
def test_constant_rows_give_zeros_and_never_nan(value, eps):
    X = np.full((3, 36), value)
    np.testing.assert_array_equal(ContrastNormalizer(eps=eps).fit_transform(X), np.zeros_like(X))


@pytest.mark.parametrize("ddof", [0, 1])
def test_one_feature_gives_zeros(ddof):
    X = np.arange(5.0)[:, None]
    np.testing.assert_array_equal(ContrastNormalizer(ddof=ddof).fit_transform(X), np.zeros((5, 1)))


@pytest.mark.parametrize(
    ("given", "returned"),
    [
        (np.float32, np.float32),
        (np.float64, np.float64),
        (np.uint8, np.float32),
        (np.int16, np.float32),
        (np.int64, np.float64),
    ],
)
def test_dtype_of_the_result(given, returned):
    X = np.random.default_rng(0).integers(0, 100, (10, 8)).astype(given)
    Y = ContrastNormalizer().fit_transform(X)
    assert Y.dtype == returned
    np.testing.assert_allclose(Y, ContrastNormalizer().fit_transform(X.astype(float)), atol=1e-6)


def test_input_is_left_alone():
    X = np.random.default_rng(0).normal(size=(10, 8))
    before = X.copy()
    ContrastNormalizer().fit_transform(X)
    contrast_normalize(X, 10.0, 1)
    np.testing.assert_array_equal(X, before)


def test_transform_without_fit_remembers_nothing():
    normalizer = ContrastNormalizer()
    assert normalizer.transform(np.ones((2, 3))).shape == (2, 3)
    assert normalizer.transform(np.ones((2, 5))).shape == (2, 5)
    assert not hasattr(normalizer, "n_features_in_")


def test_parameters_out_of_range_are_named():
    with pytest.raises(ValueError, match=r"eps=-1 is not valid; pass a number of at least 0"):
        ContrastNormalizer(eps=-1).fit(np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"ddof=2 is not valid; pass an integer of at most 1"):
        ContrastNormalizer(ddof=2).fit(np.ones((2, 2)))
    with pytest.raises(ValueError, match="eps=nan"):
        ContrastNormalizer(eps=float("nan")).fit(np.ones((2, 2)))


def test_streams_and_chunks_give_the_same_rows(monkeypatch):
    X = np.random.default_rng(0).normal(size=(300, 6))
    whole = ContrastNormalizer().fit_transform(X)
    chunks = ContrastNormalizer().fit(X).transform(iter([X[:100], X[100:]]))
    np.testing.assert_array_equal(np.concatenate(list(chunks)), whole)
    monkeypatch.setattr(featlearn.streaming, "CHUNK_BYTES", 1)  # chunks of 64 rows
    np.testing.assert_array_equal(ContrastNormalizer().fit_transform(X), whole)


def test_a_one_shot_iterator_is_not_eaten_by_fit():
    chunks = iter([np.ones((2, 3)), np.ones((2, 3))])
    with pytest.raises(ValueError, match="walked only once"):
        ContrastNormalizer().fit_transform(chunks)
    assert len(list(chunks)) == 2
