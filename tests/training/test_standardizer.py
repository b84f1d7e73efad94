"""Means and scales of features: units do not matter, rare values do not rule, and nothing divides by zero."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from featlearn.training import LBFGS, GradientDescent, minimize, standardizer
from featlearn.training.standardizer import Standardizer

rng = np.random.default_rng(0)
X = rng.normal(size=(300, 4)) * [1, 2, 3, 0.5] + [0, 5, -3, 1]


def test_features_come_out_about_zero_and_of_one_size():
    Z = Standardizer.of(X)(X)
    np.testing.assert_allclose(Z.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(Z.std(axis=0), 1, atol=0.1)
    assert (Z**2).mean() == pytest.approx(1)


def test_the_formula():
    """Against the header, feature by feature."""
    table = np.exp(X)
    large = [np.mean([(x - column.mean()) ** 4 for x in column]) ** 0.25 for column in table.T]
    squares = [np.mean([((x - column.mean()) / s) ** 2 for x in column]) for column, s in zip(table.T, large)]
    standard = Standardizer.of(table)
    np.testing.assert_allclose(standard.mean, table.mean(axis=0))
    np.testing.assert_allclose(standard.scale, np.sqrt(np.mean(squares)) * np.array(large))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_units_do_not_matter(dtype):
    units = np.array([1e-9, 1e6, 1.0, 1e3])
    expected = Standardizer.of(X)(X)
    table = (X * units).astype(dtype)
    np.testing.assert_allclose(Standardizer.of(table)(table), expected, rtol=1e-4, atol=1e-5)
    huge, tiny = 1e140 * X, 1e-140 * X
    for table in (huge, tiny, -huge):
        np.testing.assert_allclose(abs(Standardizer.of(table)(table)), abs(expected), rtol=1e-9)


def test_a_value_that_is_rare_does_not_rule():
    pixels = np.random.default_rng(1).integers(0, 256, (10_000, 5)).astype(np.uint8)
    pixels[:, 4] = 0
    pixels[7, 4] = 255  # once in 10,000 rows: 100 deviations
    Z = Standardizer.of(pixels)(pixels.astype(np.float32))
    assert 5 < abs(Z[:, 4]).max() < 15
    assert Z[:, 4].std() < 0.2 < Z[:, 3].std()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("constant", [0.1, -7.3, 1e6 + 0.1, 255])
def test_constant_features_come_out_as_zero(dtype, constant):
    table = np.column_stack([X, np.full(300, constant)]).astype(dtype)
    standard = Standardizer.of(table)
    assert not standard(table)[:, -1].any()
    assert 0.5 < standard.scale[-1] < 5  # that of its neighbors, should it vary later
    alone = Standardizer.of(table[:, -1:])
    assert (alone.scale == 1).all()
    assert not alone(table[:, -1:]).any()
    assert not Standardizer.of(table[:1])(table[:1]).any()  # a single row


def test_far_from_zero_float32_keeps_what_it_has():
    far = (X + 1e6).astype(np.float32)
    Z = Standardizer.of(far)(far)
    assert Z.dtype == np.float32
    expected = Standardizer.of(far.astype(np.float64))(far.astype(np.float64))
    np.testing.assert_allclose(Z, expected, atol=0.1)  # half a step of float32 at 1e6
    np.testing.assert_allclose(np.diff(Z, axis=0), np.diff(expected, axis=0), rtol=5e-3, atol=1e-6)


def test_the_walk_may_be_cut_anywhere(monkeypatch, tmp_path):
    expected = Standardizer.of(X)
    mapped = np.memmap(tmp_path / "x", np.float64, "w+", shape=X.shape)
    mapped[:] = X
    monkeypatch.setattr(standardizer, "WALK_BYTES", 64 * 8 * 4)
    found = Standardizer.of(mapped)
    np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-12)
    np.testing.assert_allclose(found.scale, expected.scale, rtol=1e-12)


def test_none_changes_nothing():
    nothing = Standardizer.none(X)
    assert nothing.if_any() is None
    assert Standardizer.of(X).if_any() is not None
    np.testing.assert_array_equal(nothing(X), X)


@given(
    hnp.arrays(
        st.sampled_from([np.float32, np.float64, np.int64, np.uint8]),
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=6),
        elements=st.integers(0, 255) | st.sampled_from([0, 1, 2]),
    ),
    st.sampled_from([1, 1e-15, 1e-6, 1e6, 1e17]),
    st.sampled_from([0, 1, 1e6]),
)
def test_whatever_comes_it_is_finite_and_of_one_size(X, unit, offset):
    X = (X * unit + offset).astype(X.dtype) if X.dtype.kind == "f" else X
    standard = Standardizer.of(X)
    Z = standard(X.astype(standard.mean.dtype)).astype(np.float64)
    assert np.isfinite(Z).all()
    assert (standard.scale > 0).all()
    varying = Z.std(axis=0) > 0
    assert (Z[:, varying] ** 2).mean() < 1.01 if varying.any() else not Z.any()


def test_a_feature_of_the_smallest_numbers_is_constant():
    for dtype, small in ((np.float64, 5e-324), (np.float64, 1e-305), (np.float32, 1e-45), (np.float32, 1e-37)):
        table = np.column_stack([X[:, 0], small * (np.arange(300) % 3)]).astype(dtype)
        standard = Standardizer.of(table)
        assert np.isfinite(standard(table)).all()
        assert standard.scale[1] == pytest.approx(X[:, 0].std(), rel=1e-5)


class Mean:
    """|x - m|^2 / 2 over standardized rows: its minimum is their mean."""

    hidden = ()

    def __init__(self):
        self.seen = []

    def gradient(self, params, batch, draws, grads):
        x = batch.x
        self.seen.append(x.copy())
        grads["m"][:] = params["m"] - x.mean(axis=0)
        return 0.5 * float(((x - params["m"]) ** 2).sum(axis=1).mean())


@pytest.mark.parametrize("chunk", [1, 16 << 20])
@pytest.mark.parametrize("solver", [GradientDescent("sgd", learning_rate=0.5), LBFGS()])
@pytest.mark.parametrize("kind", ["array", "memmap"])
def test_the_gradient_loop_sees_prepared_rows(chunk, solver, kind, tmp_path, monkeypatch):
    monkeypatch.setattr("featlearn.training.loop.CHUNK_BYTES", chunk)
    data = np.round(20 * X + 100).astype(np.uint8)
    if kind == "memmap":
        mapped = np.memmap(tmp_path / "x", np.uint8, "w+", shape=data.shape)
        mapped[:] = data
        data = mapped
    before, prepare, objective = np.array(data), Standardizer.of(data), Mean()
    settings = {"rng": np.random.RandomState(0), "shuffle": False, "batch_size": 100, "max_iter": 30}
    trained = minimize(
        objective,
        data,
        {"m": np.ones(4, np.float32)},
        solver,
        prepare=prepare,
        validation=None if isinstance(solver, LBFGS) else data[:50],
        **settings,
    )
    expected = prepare(before.astype(np.float32))
    for x in objective.seen:
        assert x.dtype == np.float32
        assert abs(x).max() < 6
    first = 300 if isinstance(solver, LBFGS) else 100
    np.testing.assert_array_equal(objective.seen[0], expected[:first])
    np.testing.assert_array_equal(data, before)
    if trained.validation_curve:
        held = expected[:50]
        loss = 0.5 * ((held - trained.params["m"]) ** 2).sum(axis=1).mean()
        assert min(trained.validation_curve) == pytest.approx(loss, rel=1e-5)
