"""Learners by reconstruction on tables as they come: their codes serve as those of the standardized table do."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, load_wine, make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from featlearn import ContractiveAutoencoder, DenoisingAutoencoder, PredictiveSparse, SparseAutoencoder
from featlearn.training import LBFGS, Batch
from featlearn.training.standardizer import Standardizer

LEARNERS = [SparseAutoencoder, DenoisingAutoencoder, ContractiveAutoencoder, PredictiveSparse]
PLAIN, Y = make_classification(240, 12, n_informative=6, n_redundant=0, n_classes=3, class_sep=2, random_state=0)


def digits(scale):
    X, y = load_digits(return_X_y=True)
    return (np.uint8(X[:500] * (255 / 16)) if scale == 255 else X[:500] / 16), y[:500]


# Fifteen more kinds are in tests/test_tables.py, for every learner.
TABLES = {
    "nanovolts, float32": lambda: ((1e-9 * PLAIN).astype(np.float32), Y),
    "offset 1e6, float32": lambda: ((5 * PLAIN + 1e6).astype(np.float32), Y),
    "integers of 1e6, int32": lambda: (np.round(1e6 * PLAIN).astype(np.int32), Y),
    "every value twice, a column shared": lambda: (np.repeat(PLAIN[:, [0, 0, *range(12)]], 2, axis=0), np.repeat(Y, 2)),
    "breast cancer": lambda: load_breast_cancer(return_X_y=True),
}


def accuracy(learner, X, y):
    """On every third row, of a linear classifier of the codes."""
    head = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    test = np.arange(len(y)) % 3 == 0
    codes = learner.fit(X[~test]).transform(X[~test])
    return head.fit(codes, y[~test]).score(learner.transform(X[test]), y[test])


@pytest.mark.parametrize("Learner", LEARNERS)
@pytest.mark.parametrize("table", TABLES)
def test_codes_of_a_raw_table_serve_as_those_of_the_standardized_one(table, Learner):
    X, y = TABLES[table]()
    learner = Learner(12, max_iter=40, random_state=0)
    raw = accuracy(learner, X, y)
    scaled = accuracy(learner, StandardScaler().fit_transform(np.asarray(X, np.float64)), y)
    assert raw > scaled - 0.05


@pytest.mark.parametrize("Learner", LEARNERS)
def test_an_offset_in_many_features_is_nothing(Learner):
    X = np.random.default_rng(0).normal(size=(80, 3)) @ np.random.default_rng(1).normal(size=(3, 5_000))
    learner = Learner(6, max_iter=10, random_state=0)
    for offset in (1, 1e4):
        codes, moved = learner.fit(X).transform(X), learner.fit(X + offset).transform(X + offset)
        np.testing.assert_allclose(moved, codes, atol=1e-6)
    assert codes.std(axis=0).min() > 0.01


@pytest.mark.parametrize("Learner", LEARNERS)
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_inside_is_as_before(Learner, solver):
    """What is folded in gives what the standardized data give to one that does not standardize."""
    if Learner is PredictiveSparse and solver == "lbfgs":
        pytest.skip("cannot hold its atoms")
    X = load_wine().data
    solver = LBFGS(tol=0) if solver == "lbfgs" else solver
    settings = {"n_components": 5, "max_iter": 5, "weight_decay": 1e-3, "solver": solver, "random_state": 0}
    inside, before = Learner(**settings), Learner(standardize=False, **settings)
    inside.fit(X[:100])
    standard = Standardizer(inside.mean_, inside.scale_)
    before.fit(standard(X[:100]))
    for _ in range(2):  # and once more, going on
        np.testing.assert_allclose(inside.loss_curve_, before.loss_curve_, rtol=1e-7)
        np.testing.assert_allclose(inside.transform(X), before.transform(standard(X)), atol=1e-7)
        np.testing.assert_allclose(inside.score_samples(X), before.score_samples(standard(X)), rtol=1e-6)
        back = before.inverse_transform(before.transform(standard(X))) * standard.scale + standard.mean
        np.testing.assert_allclose(inside.inverse_transform(inside.transform(X)), back, rtol=1e-6)
        inside.set_params(warm_start=True).fit(X)
        before.set_params(warm_start=True).fit(standard(X))


@pytest.mark.parametrize("Learner", LEARNERS)
def test_units_of_features_do_not_matter(Learner):
    units = np.logspace(-6, 6, 12)
    learner = Learner(5, max_iter=5, random_state=0)
    codes, errors = learner.fit(PLAIN).transform(PLAIN), learner.score_samples(PLAIN)
    np.testing.assert_allclose(learner.fit(PLAIN * units).transform(PLAIN * units), codes, atol=1e-8)
    np.testing.assert_allclose(learner.score_samples(PLAIN * units), errors, rtol=1e-6)
    back = learner.inverse_transform(codes)
    np.testing.assert_allclose(back / units, Learner.inverse_transform(learner.fit(PLAIN), codes), atol=1e-6)


@pytest.mark.parametrize("Learner", LEARNERS)
@pytest.mark.parametrize("value", [0, 7.3, 1e6])
def test_a_table_without_variance_is_learned_and_said_to_be_useless(Learner, value):
    X = np.full((20, 3), value)
    with pytest.warns(UserWarning, match=f"{Learner.__name__}: of 4 units, 4 are constant"):
        learner = Learner(4, max_iter=2, random_state=0).fit(X)
    assert np.isfinite(learner.transform(X)).all()
    assert np.isfinite(learner.score(X))
    one = Learner(4, max_iter=2, random_state=0).fit(X[:1] + np.arange(3))
    assert np.isfinite(one.transform(X)).all()


@pytest.mark.parametrize("Learner", LEARNERS)
def test_without_standardizing_useless_codes_are_said_to_be_so(Learner):
    X, _ = digits(255)
    learner = Learner(16, standardize=False, learning_rate=0.005, max_iter=150, tol=0, random_state=0)
    with pytest.warns(UserWarning, match=f"{Learner.__name__}: of 16 units.*pixels by 255.*StandardScaler"):
        learner.fit(X)
    assert not learner.mean_.any()
    assert (learner.scale_ == 1).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        learner.set_params(standardize="auto", learning_rate=None, max_iter=20).fit(X)


@pytest.mark.parametrize("Learner", LEARNERS[:3])
def test_dead_rectified_units_count_as_constant(Learner):
    off = {SparseAutoencoder: {"sparsity_cost": 0}, ContractiveAutoencoder: {"contraction": 0}}.get(Learner, {})
    learner = Learner(6, activation="relu", max_iter=30, learning_rate=3.0, random_state=0, **off)
    with pytest.warns(UserWarning, match="of 6 units, [456] are constant.*Lower learning_rate"):
        learner.fit(PLAIN)


@pytest.mark.parametrize(
    ("output", "X", "bounds"),
    [("sigmoid", PLAIN, r"\[0, 1\]"), ("tanh", 3 * PLAIN, r"\[-1, 1\]"), ("relu", PLAIN, r"\[0, inf\]")],
)
def test_data_outside_the_bounds_of_the_output_are_named(output, X, bounds):
    learner = DenoisingAutoencoder(4, output=output, max_iter=2, random_state=0)
    message = rf"output='{output}' gives values in {bounds}, and the data lie in .*output='linear'"
    for fit in (learner.fit, learner.partial_fit):
        with pytest.warns(UserWarning, match=message):
            fit(X)
    assert not learner.mean_.any()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        learner.fit((X - X.min()) / (X.max() - X.min()))


@pytest.mark.parametrize(
    "settings",
    [
        {"output": "sigmoid"},
        {"output": "sigmoid", "loss": "cross_entropy"},
        {"corruption": "salt_and_pepper"},
    ],
)
def test_what_needs_bounded_data_is_not_standardized(settings):
    X, _ = digits(1)
    learner = DenoisingAutoencoder(4, max_iter=2, random_state=0, **settings)
    automatic, plain = learner.fit(X).components_, learner.set_params(standardize=False).fit(X).components_
    np.testing.assert_array_equal(automatic, plain)
    name = next(iter(settings.keys() - {"output"}), "output")
    with pytest.raises(ValueError, match=f"DenoisingAutoencoder: standardize=True makes.* {name}='{settings[name]}'"):
        learner.set_params(standardize=True).fit(X)
    warm = DenoisingAutoencoder(4, max_iter=2, warm_start=True, random_state=0).fit(X)
    with pytest.raises(ValueError, match="DenoisingAutoencoder: what was learned so far is for standardized data"):
        warm.set_params(**settings).fit(X)


@pytest.mark.parametrize("Learner", LEARNERS)
def test_mean_and_scale_stay_those_of_the_first_part(Learner):
    learner = Learner(4, max_iter=3, random_state=0).partial_fit(PLAIN[:100])
    mean, scale = learner.mean_.copy(), learner.scale_.copy()
    np.testing.assert_allclose(mean, PLAIN[:100].mean(axis=0))
    learner.partial_fit(PLAIN[100:] + 5)
    np.testing.assert_array_equal(learner.mean_, mean)
    learner.set_params(warm_start=True).fit(PLAIN + 5)
    np.testing.assert_array_equal(learner.scale_, scale)
    learner.set_params(warm_start=False).fit(PLAIN + 5)
    np.testing.assert_allclose(learner.mean_, PLAIN.mean(axis=0) + 5)
    with pytest.warns(UserWarning, match=f"{Learner.__name__}: partial_fit learns the mean.*which has 1 row\\."):
        Learner(4, random_state=0).partial_fit(PLAIN[:1])


@pytest.mark.parametrize("Learner", LEARNERS)
def test_rows_held_out_have_no_say_in_mean_and_scale(Learner):
    learner = Learner(4, max_iter=2, early_stopping=True, validation_fraction=0.5, random_state=0).fit(PLAIN)
    training, _ = learner._split(Batch(PLAIN), np.random.RandomState(0))
    np.testing.assert_allclose(learner.mean_, training.x.mean(axis=0))


@pytest.mark.parametrize("Learner", LEARNERS)
@pytest.mark.parametrize("corruption", ["masking", "gaussian", "salt_and_pepper"])
def test_the_same_numbers_are_drawn_for_copies_in_other_dtypes(Learner, corruption):
    """Also those of the corruption, which were drawn in the precision of the rows."""
    if Learner is not DenoisingAutoencoder and corruption != "masking":
        pytest.skip("corrupts nothing")
    own = {"corruption": corruption} if Learner is DenoisingAutoencoder else {}
    X = (np.random.default_rng(0).random((150, 8)) > 0.4).astype(np.uint8)
    learner = Learner(4, max_iter=5, random_state=0, **own)
    expected = learner.fit(X).components_.copy()
    for dtype in (np.float32, np.float64, np.int64, np.float16, bool):
        np.testing.assert_allclose(learner.fit(X.astype(dtype)).components_, expected, atol=1e-4)


# Scores of samples


@pytest.mark.parametrize("Learner", LEARNERS)
@pytest.mark.parametrize("standardize", ["auto", False])
def test_scores_of_samples(Learner, standardize, tmp_path):
    X = PLAIN * [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12] / 6 + 1
    learner = Learner(4, standardize=standardize, max_iter=3, random_state=0).fit(X)
    scores = learner.score_samples(X)
    assert scores.shape == (240,)
    assert scores.max() < 0
    assert learner.score(X) == pytest.approx(scores.mean(), rel=1e-9)
    if Learner is not PredictiveSparse:
        expected = [-0.5 * sum((learner.reconstruct(x[None])[0] - x) ** 2 / learner.scale_**2) for x in X]
        np.testing.assert_allclose(scores, expected)
    np.testing.assert_allclose(np.concatenate(list(learner.score_samples(iter([X[:7], X[7:]])))), scores, rtol=1e-9)
    mapped = np.memmap(tmp_path / "x", np.float64, "w+", shape=X.shape)
    mapped[:] = X
    np.testing.assert_allclose(learner.score_samples(mapped), scores)
    array = pytest.importorskip("dask.array").from_array(X, chunks=(50, 12))
    np.testing.assert_allclose(learner.score_samples(array).compute(), scores, rtol=1e-9)
    single = learner.score_samples(X.astype(np.float32))
    assert single.dtype == np.float64
    np.testing.assert_allclose(single, scores, rtol=1e-3)
    with pytest.raises(ValueError, match="X has 11 features"):
        learner.score_samples(X[:, :11])


@pytest.mark.parametrize("Learner", LEARNERS)
def test_strange_samples_score_low_in_a_pipeline_too(Learner):
    X = np.random.default_rng(0).normal(size=(300, 2)) @ np.random.default_rng(1).normal(size=(2, 10))
    X *= np.logspace(-3, 3, 10)
    strange = X[:20].copy()
    strange[:, 0] = X[20:40, 0]  # the smallest feature no longer fits the others
    for model in (Learner(4, max_iter=30, learning_rate=0.01, random_state=0),):
        pipeline = make_pipeline(StandardScaler(), model).fit(X[20:])
        usual, odd = pipeline.score_samples(X[:20]), pipeline.score_samples(strange)
        alone = model.fit(X[20:])
        assert np.median(odd - usual) < 0
        assert np.median(alone.score_samples(strange) - alone.score_samples(X[:20])) < 0


def test_scores_of_samples_by_cross_entropy():
    X, _ = digits(1)
    learner = DenoisingAutoencoder(8, output="sigmoid", loss="cross_entropy", max_iter=3, random_state=0).fit(X)
    y = learner.reconstruct(X)
    np.testing.assert_allclose(learner.score_samples(X), (X * np.log(y) + (1 - X) * np.log(1 - y)).sum(axis=1))
    with pytest.raises(ValueError, match=r"needs data in \[0, 1\]"):
        learner.score_samples(X + 1)


# Parameters as NumPy scalars


@pytest.mark.parametrize("Learner", LEARNERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numpy_scalars_are_parameters_like_others(Learner, dtype):
    X = PLAIN.astype(dtype)
    plain = {"max_iter": 3, "batch_size": 50, "weight_decay": 1e-3, "learning_rate": 0.01, "tol": 1e-4}
    plain |= {"solver": "momentum", "early_stopping": True, "validation_fraction": 0.2, "n_iter_no_change": 5}
    plain |= {"engine": "numpy", "warm_start": False, "n_components": 5, "standardize": True, "random_state": 3}
    plain |= {
        SparseAutoencoder: {"sparsity_cost": 0.5, "sparsity_target": 0.1, "tied": True, "activation": "tanh"},
        DenoisingAutoencoder: {"corruption": "gaussian", "corruption_level": 0.2, "output": "linear", "tied": False},
        ContractiveAutoencoder: {"contraction": 0.3, "loss": "squared", "tied": False},
        PredictiveSparse: {"alpha": 0.2, "beta": 0.7, "encode_iter": 20, "encode_tol": 1e-3},
    }[Learner]
    expected = Learner(**plain).fit(X)
    for real, whole in ((np.float64, np.int64), (np.float32, np.int32)):
        kinds = {str: np.str_, bool: np.bool_, float: real, int: whole}
        learner = Learner(**{name: kinds[type(value)](value) for name, value in plain.items()}).fit(X)
        assert learner.components_.dtype == dtype
        assert learner.score_samples(X).shape == (240,)
        np.testing.assert_allclose(learner.components_, expected.components_, rtol=1e-4, atol=1e-5)


def test_widths_may_be_an_array():
    for widths in (np.array([6, 3]), (np.int64(6), np.int32(3)), [6, 3]):
        learner = SparseAutoencoder(widths, max_iter=2, random_state=0).fit(PLAIN)
        assert [A.shape for A in learner.coefs_] == [(12, 6), (6, 3), (3, 6), (6, 12)]
    for wrong in (np.array([[6, 3]]), np.array([6.0, 3.0]), np.array([]), "6"):
        with pytest.raises(ValueError, match="SparseAutoencoder: n_components="):
            SparseAutoencoder(wrong).fit(PLAIN)


BAD = {
    "n_components": [0, 1.5, None, True],
    "standardize": ["yes", None, 2],
    "weight_decay": [-1, np.nan, "a"],
    "solver": ["newton", 3, None],
    "learning_rate": [0, -1, np.inf, "a"],
    "batch_size": [0, 1.5],
    "max_iter": [0, 2.5, None],
    "tol": [-1, np.nan],
    "n_iter_no_change": [0],
    "early_stopping": [1, "yes"],
    "validation_fraction": [0, 1],
    "warm_start": [1],
    "engine": ["gpu", None],
    "random_state": ["a", -1, 1.5, 2**32],
    "tied": [1, None],
    "activation": ["elu", np.str_("elu"), None],
    "output": ["softmax"],
    "loss": ["mse"],
    "sparsity_target": [0, 1],
    "sparsity_cost": [-1],
    "corruption": ["dropout"],
    "corruption_level": [-0.1, 2],
    "contraction": [-1],
    "alpha": [-1],
    "beta": [np.inf],
    "encode_iter": [0],
    "encode_tol": [-1],
}


@pytest.mark.parametrize("Learner", LEARNERS)
def test_every_bad_value_is_refused_by_name(Learner):
    for name in Learner().get_params():
        for value in BAD[name]:
            with pytest.raises(ValueError, match=f"{Learner.__name__}: .*{name}=") as caught:
                Learner(**{name: value}).fit(PLAIN)
            assert repr(value) in str(caught.value)
