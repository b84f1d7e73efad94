"""ContrastNormalizer against the formula written out, row by row."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags

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
    np.testing.assert_allclose(ContrastNormalizer().fit_transform(X / 255), on_bytes, atol=1e-6)
    for kind in (np.uint8, np.int64, np.float32):
        np.testing.assert_array_equal(
            ContrastNormalizer().fit_transform(X.astype(kind)), ContrastNormalizer(eps=10).fit_transform(X.astype(kind))
        )


BYTES = np.random.default_rng(1).integers(0, 256, (60, 16)).astype(np.uint8)


@pytest.mark.parametrize(
    ("X", "expected"),
    [
        (BYTES, 255),
        (BYTES // 8, 255),  # dark, and bytes all the same
        (BYTES.astype(float), 255),
        (BYTES.astype(np.int16), 255),
        (BYTES / 255, 1),
        ((BYTES / 255).astype(np.float32), 1),
        (BYTES > 127, 1),
        (np.clip(BYTES / 255, 0, 0.51), 1),
        (BYTES // 16, 255),  # as bytes; as numbers:
        ((BYTES // 16).astype(float), 15),
        (BYTES / 127.5 - 1, 2),
        (1e-6 * (BYTES / 127.5 - 1), 2e-6),
        (BYTES * 257.0, 65535),
        (1e6 + BYTES, 255),
        (BYTES - 128.0, 255),
    ],
)
def test_auto_knows_the_range(X, expected):
    found = ContrastNormalizer().fit(X).eps_
    assert found == pytest.approx(10 * ((np.ptp(X) if expected is None else expected) / 255) ** 2, rel=1e-9)


def test_paper_is_ten():
    assert ContrastNormalizer(eps="paper").fit(BYTES / 2).eps_ == 10
    assert ContrastNormalizer(eps=np.str_("paper")).fit(BYTES / 2).eps_ == 10
    assert ContrastNormalizer(eps=np.float32(3)).fit(BYTES).eps_ == 3


def test_eps_is_that_of_the_fit():
    normalizer = ContrastNormalizer().fit(BYTES / 255)
    expected = normalizer.transform(BYTES / 255)
    np.testing.assert_array_equal(normalizer.set_params(eps=10).transform(BYTES / 255), expected)


@settings(deadline=None, max_examples=50)
@given(st.floats(-6, 6), st.floats(-100, 100), st.integers(0, 2**20), st.integers(2, 30))
def test_auto_does_not_depend_on_the_units(scale, offset, seed, width):
    """Unless the data look like pixels: these have negative values."""
    X = np.random.default_rng(seed).uniform(-1, 1, size=(20, width))
    Z = 10.0**scale * (X + offset)
    if Z.min() < 0:
        np.testing.assert_allclose(
            ContrastNormalizer().fit_transform(Z), ContrastNormalizer().fit_transform(X), rtol=1e-8, atol=1e-9
        )


def test_auto_on_streams_memmaps_and_dask(tmp_path):
    dask = pytest.importorskip("dask.array", reason="pip install 'featlearn[dask]'")
    X = np.random.default_rng(0).normal(size=(300, 6)).astype(np.float32)
    X[250, 3] = 30
    expected = ContrastNormalizer().fit(X).eps_
    np.memmap(tmp_path / "rows", np.float32, "w+", shape=X.shape)[:] = X
    for data in (
        lambda: iter([X[:100], X[100:]]),
        np.memmap(tmp_path / "rows", np.float32, "r", shape=X.shape),
        dask.from_array(X, chunks=(70, 2)),
    ):
        assert ContrastNormalizer().fit(data).eps_ == expected
    assert ContrastNormalizer().fit(lambda: iter([BYTES[:20] // 4, BYTES[20:] // 4])).eps_ == 10


# Sizes at the ends of a float's range, and far from zero


@pytest.mark.parametrize("size", [1e-25, 1e25])
@pytest.mark.parametrize("eps", ["auto", 10.0, 0])
def test_float32_values_whose_squares_leave_their_range_are_refused(size, eps):
    X = 100 * np.random.default_rng(0).normal(size=(30, 6))
    extreme = (size * X).astype(np.float32)
    with pytest.raises(ValueError, match=r"ContrastNormalizer: the largest value is .* (overflow|vanish)"):
        ContrastNormalizer(eps=eps).fit(extreme)
    if size > 1 or eps == "auto":
        with pytest.raises(ValueError, match=r"ContrastNormalizer: the largest value is .* (overflow|vanish)"):
            ContrastNormalizer(eps=eps).fit(lambda: iter([extreme[:10], extreme[10:]]))
    normalizer = ContrastNormalizer(eps=eps).fit(X.astype(np.float32))
    if size > 1:
        for data in (extreme, iter([extreme])):
            with pytest.raises(ValueError, match="overflow"):
                list(normalizer.transform(data))
    elif eps == 0:  # has no unit: any size will do
        np.testing.assert_allclose(normalizer.transform(extreme), normalizer.transform(X.astype(np.float32)), atol=1e-5)
    else:
        assert abs(normalizer.transform(extreme)).max() < 1e-20  # nothing, beside eps
    wide = ContrastNormalizer().fit_transform(size * X)  # float64 takes both
    np.testing.assert_allclose(wide, ContrastNormalizer().fit_transform(X), atol=1e-9)


@pytest.mark.parametrize("eps", ["auto", 0])
def test_a_small_contrast_far_from_zero(eps):
    X = np.random.default_rng(0).uniform(0, 10, size=(40, 25))
    far = (1e4 + X).astype(np.float32)
    expected = ContrastNormalizer(eps=eps).fit_transform(far.astype(np.float64))
    np.testing.assert_allclose(ContrastNormalizer(eps=eps).fit_transform(far), expected, atol=1e-5)
    np.testing.assert_allclose(
        expected, ContrastNormalizer(eps=eps if eps == 0 else "auto").fit_transform(X - 5), atol=1e-3
    )


# What is useless says so


def test_an_eps_above_every_variance_is_warned_of():
    with pytest.warns(UserWarning, match=r'eps=10 is above the variance of nearly all rows .* Pass eps="auto", which'):
        ContrastNormalizer(eps=10).fit(BYTES / 255)
    outlier = BYTES / 255
    outlier[7, 3] = -1e6
    with pytest.warns(UserWarning, match="Look for outliers"):
        ContrastNormalizer().fit(outlier)


@pytest.mark.parametrize(
    "X",
    [
        BYTES[:, :1].repeat(8, axis=1) + np.zeros(8),  # rows differ in brightness alone
        BYTES + 1e6 * np.arange(16),
        np.c_[BYTES.astype(float), 1.6e9 + BYTES[:, :2]],
        np.c_[BYTES / 255, np.full((60, 4), 3.0)],
    ],
    ids=["flat rows", "offsets", "timestamps", "a constant column"],
)
def test_features_of_no_common_scale_are_warned_of(X):
    said = r"ContrastNormalizer: (of \d+ units, \d+ are constant|the features lie at different levels).*StandardScaler"
    with pytest.warns(UserWarning, match=said):
        ContrastNormalizer().fit(X)


def test_ordinary_data_are_not_warned_of():
    rng = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for X in (BYTES, BYTES / 255, rng.normal(size=(50, 9)), 1e-6 * rng.normal(size=(50, 9)), np.zeros((5, 4))):
            ContrastNormalizer().fit(X)
            ContrastNormalizer(eps=0).fit(X)


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
    Y = ContrastNormalizer(eps=10).fit_transform(X)
    assert Y.dtype == returned
    np.testing.assert_allclose(Y, ContrastNormalizer(eps=10).fit_transform(X.astype(float)), atol=1e-6)


def test_input_is_left_alone():
    X = np.random.default_rng(0).normal(size=(10, 8))
    before = X.copy()
    ContrastNormalizer().fit_transform(X)
    contrast_normalize(X, 10.0, 1)
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("eps", [0, 10.0, "paper"])
def test_a_number_needs_no_fit_and_transform_remembers_nothing(eps):
    normalizer = ContrastNormalizer(eps=eps)
    assert not get_tags(normalizer).requires_fit
    assert normalizer.transform(np.ones((2, 3))).shape == (2, 3)
    assert normalizer.transform(np.ones((2, 5))).shape == (2, 5)
    assert not hasattr(normalizer, "n_features_in_")
    assert not hasattr(normalizer, "eps_")


def test_auto_needs_a_fit():
    assert get_tags(ContrastNormalizer()).requires_fit
    with pytest.raises(NotFittedError):
        ContrastNormalizer().transform(np.ones((2, 3)))


def test_parameters_out_of_range_are_named():
    with pytest.raises(ValueError, match=r"eps=-1 is not valid; pass one of 'auto', 'paper' or a number of at least 0"):
        ContrastNormalizer(eps=-1).fit(np.ones((2, 2)))
    with pytest.raises(ValueError, match="eps='demo'"):
        ContrastNormalizer(eps="demo").fit(np.ones((2, 2)))
    with pytest.raises(ValueError, match="eps=-1"):
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
