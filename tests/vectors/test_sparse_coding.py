"""SparseCoding finds the atoms that made the data, never raises its objective, and learns the same from any source."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import orthogonal_mp_gram
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import featlearn
from featlearn.kernels.encoding.sparse_codes import fista, omp
from featlearn.vectors import sparse_coding
from featlearn.vectors.alternation import gated
from featlearn.vectors.sparse_coding import Coder, CodeSums, SparseCoding, twins

ALGORITHMS = pytest.mark.parametrize("algorithm", ["omp", "ista", "fista"])


def made(n=1500, K=20, d=12, s=2, noise=0.01, seed=0):
    """Samples made of s atoms each, and the atoms."""
    rng = np.random.default_rng(seed)
    D = rng.normal(size=(K, d))
    D /= np.linalg.norm(D, axis=1, keepdims=True)
    Z = np.zeros((n, K))
    for z in Z:
        z[rng.choice(K, s, replace=False)] = rng.uniform(0.7, 2, s) * rng.choice([-1, 1], s)
    return Z @ D + noise * rng.normal(size=(n, d)), D


def learner(algorithm="omp", **more):
    settings = {"n_nonzero": 2, "alpha": 0.1, "max_iter": 6, "tol": 0, "random_state": 0} | more
    return SparseCoding(20, algorithm=algorithm, **settings)


# --- what is learned -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["omp", "fista"])
def test_the_atoms_that_made_the_data_are_found_up_to_sign_and_order(algorithm):
    X, D = made(d=16)
    found = (
        SparseCoding(20, algorithm=algorithm, n_nonzero=2, alpha=0.1, max_iter=80, tol=0, random_state=2)
        .fit(X)
        .components_
    )
    likeness = np.abs(D @ found.T)
    assert (likeness.max(axis=1) > 0.99).sum() >= 20
    assert (np.abs(D @ X[:20].T / np.linalg.norm(X[:20], axis=1)).max(axis=1) > 0.99).sum() < 5  # samples are not atoms


@ALGORITHMS
def test_atoms_have_unit_length_and_the_curve_is_the_mean_objective(algorithm):
    X, _ = made()
    curve = []
    for iterations in (1, 2, 4):
        fitted = learner(algorithm, max_iter=iterations).fit(X)
        np.testing.assert_allclose(np.linalg.norm(fitted.components_, axis=1), 1)
        assert fitted.n_iter_ == len(fitted.loss_curve_) == iterations
        curve.append(-fitted.score(X))
    np.testing.assert_allclose(fitted.loss_curve_[[1, 2]], curve[:2], rtol=1e-9)
    Z = fitted.transform(X)
    weight = 0 if algorithm == "omp" else 0.1
    expected = 0.5 * np.sum((X - Z @ fitted.components_) ** 2, axis=1) + weight * np.abs(Z).sum(axis=1)
    assert -fitted.score(X) == pytest.approx(expected.mean(), rel=1e-12)


@pytest.mark.parametrize("algorithm", ["ista", "fista"])
def test_the_lasso_objective_never_rises(algorithm):
    X, _ = made(n=300)
    fitted = learner(algorithm, max_iter=15, encode_iter=3000, encode_tol=1e-6).fit(X)
    assert (np.diff(fitted.loss_curve_) <= 1e-9).all()
    assert fitted.loss_curve_[-1] < 0.8 * fitted.loss_curve_[0]


@ALGORITHMS
def test_the_update_of_the_atoms_never_raises_the_objective(algorithm):
    X, D = made(seed=1)
    start = np.random.default_rng(2).normal(size=D.shape)
    start /= np.linalg.norm(start, axis=1, keepdims=True)
    fitted = learner(algorithm, init=start, max_iter=1).fit(X)
    Z = omp(X, start, 2) if algorithm == "omp" else learner(algorithm, init=start)._coder(start)(X)
    before, after = (np.sum((X - Z @ atoms) ** 2) for atoms in (start, fitted.components_))
    assert after < 0.9 * before
    np.testing.assert_allclose(fitted.sums_.A, Z.T @ Z, atol=1e-9)
    np.testing.assert_allclose(fitted.sums_.B, Z.T @ X, atol=1e-9)


def test_one_atom_a_sample_is_spherical_k_means():
    X, _ = made()
    start = X[:20] / np.linalg.norm(X[:20], axis=1, keepdims=True)
    ours = SparseCoding(20, n_nonzero=1, init=start, max_iter=5, tol=0).fit(X)
    theirs = featlearn.KMeansDictionary(20, assignment="spherical", init=start, damping=0, max_iter=5, tol=0).fit(X)
    np.testing.assert_allclose(ours.components_, theirs.components_, atol=1e-9)
    np.testing.assert_allclose(2 * len(X) * ours.loss_curve_, theirs.inertia_curve_)


def test_transform_is_the_pursuit_or_the_lasso_of_the_kernel():
    X, _ = made(n=300)
    greedy, lasso = learner().fit(X), learner("fista").fit(X)
    D = greedy.components_
    np.testing.assert_allclose(
        greedy.transform(X), orthogonal_mp_gram(D @ D.T, D @ X.T, n_nonzero_coefs=2).T, atol=1e-9
    )
    np.testing.assert_allclose(lasso.transform(X), fista(X, lasso.components_, 0.1, 100, 1e-3), atol=1e-9)
    np.testing.assert_allclose(greedy.inverse_transform(greedy.transform(X)), greedy.transform(X) @ D)


def test_without_a_number_a_tenth_of_the_features_is_taken():
    X = np.random.default_rng(0).normal(size=(100, 35))
    Z = SparseCoding(20, random_state=0, max_iter=2, tol=0).fit_transform(X)
    assert ((Z != 0).sum(axis=1) == 3).all()


@ALGORITHMS
def test_positive_minus_negative_part_is_the_code(algorithm):
    X, _ = made(n=300)
    plain, split = (learner(algorithm, split_sign=split).fit(X) for split in (False, True))
    Z, parts = plain.transform(X), split.transform(X)
    assert parts.shape == (300, 40)
    assert (parts >= 0).all()
    assert (parts > 0).any(axis=1).all()
    assert not (parts[:, :20] * parts[:, 20:]).any()
    np.testing.assert_array_equal(parts[:, :20] - parts[:, 20:], Z)
    np.testing.assert_allclose(split.inverse_transform(parts), plain.inverse_transform(Z))
    assert len(split.get_feature_names_out()) == 40
    assert len(plain.get_feature_names_out()) == 20


# --- first atoms, dead atoms, the end ------------------------------------------------------------------------------


def test_first_atoms():
    X, D = made()
    rows = X / np.linalg.norm(X, axis=1, keepdims=True)
    fitted = learner()
    X_, _, dtype = gated(fitted, X, reset=True, passes=3)
    random = fitted._first_atoms(X_, dtype, np.random.RandomState(0))
    assert (np.max(random @ rows.T, axis=1) > 1 - 1e-12).all()
    assert len(np.unique(random, axis=0)) == 20
    normal = learner(init="normal")
    gated(normal, X, reset=True, passes=3)
    atoms = normal._first_atoms(X_, dtype, np.random.RandomState(0))
    assert (np.max(atoms @ rows.T, axis=1) < 1 - 1e-6).all()
    given = learner(init=3 * D)
    gated(given, X, reset=True, passes=3)
    np.testing.assert_allclose(given._first_atoms(X_, dtype, None), D)


@pytest.mark.parametrize("algorithm", ["omp", "fista"])
def test_an_atom_that_nobody_uses_is_drawn_from_what_is_explained_worst(algorithm):
    rng = np.random.default_rng(0)
    X = np.zeros((400, 4))
    X[:, 0] = rng.normal(size=400)
    X[350:, :] = 0
    X[350:, 1] = rng.uniform(1, 2, 50)
    start = [[1.0, 0, 0, 0], [0, 0, 1, 0]]  # the second atom meets no sample, and only the last 50 miss an atom
    for seed in range(5):
        fitted = SparseCoding(
            2, algorithm=algorithm, n_nonzero=1, alpha=1e-4, init=start, max_iter=1, tol=0, random_state=seed
        ).fit(X)
        np.testing.assert_allclose(np.abs(fitted.components_), [[1, 0, 0, 0], [0, 1, 0, 0]], atol=1e-9)


def test_of_two_atoms_that_greedy_codes_never_part_one_is_drawn_anew():
    X, D = made()
    start = D.copy()
    start[1] = D[0] + 0.1 * D[1]  # nearly a twin of atom 0, and atom 1 is missing
    start[1] /= np.linalg.norm(start[1])
    assert start[0] @ start[1] > sparse_coding.TWIN
    fitted = learner(init=start, max_iter=15).fit(X)
    assert np.abs(D @ fitted.components_.T).max(axis=1).min() > 0.99
    np.testing.assert_array_equal(twins(D, np.ones(20), 1e3), False)
    np.testing.assert_array_equal(np.flatnonzero(twins(start, np.ones(20), 1e3)), [1])
    assert not twins(start, np.full(20, 1e9), 1e3).any()  # to lose it would cost more than it could save


def test_few_distinct_samples_give_no_nan():
    X = np.repeat([[1.0, 0, 0], [0, 2, 0], [0, 0, 0]], 10, axis=0)
    fitted = SparseCoding(8, random_state=0).fit(X)
    np.testing.assert_allclose(np.linalg.norm(fitted.components_, axis=1), 1)
    np.testing.assert_allclose(fitted.inverse_transform(fitted.transform(X)), X, atol=1e-12)
    zeros = SparseCoding(8, random_state=0).fit(np.zeros((10, 3)))
    assert np.isfinite(zeros.components_).all()
    assert not zeros.transform(X[20:]).any()


def test_codes_that_are_all_zero_are_told():
    X, _ = made(n=200)
    with pytest.warns(ConvergenceWarning, match=r"every code is zero, with alpha=1000.*Lower alpha"):
        fitted = SparseCoding(5, algorithm="fista", alpha=1000, max_iter=3, tol=0, random_state=0).fit(X)
    assert not fitted.transform(X).any()


def test_tol_stops_at_the_first_iteration_that_gains_less():
    X, _ = made()
    curve = learner("fista", tol=1e-2, max_iter=200).fit(X).loss_curve_
    gains = np.abs(np.diff(curve)) / curve[:-1]
    assert gains[-1] < 1e-2 <= gains[:-1].min()


def test_a_tol_out_of_reach_is_told_and_0_is_silent():
    X, _ = made(n=300)
    words = r"max_iter=2.*objective still changed by 0\.\d+ of itself, and tol=0\.0001.*pass tol=0"
    with pytest.warns(ConvergenceWarning, match=words) as caught:
        learner(max_iter=2, tol=1e-4).fit(X)
    assert caught[0].filename == __file__
    assert learner(max_iter=2).fit(X).n_iter_ == 2
    assert SparseCoding(20, random_state=0).fit(X).n_iter_ < 200


# --- scale, usefulness, errors -------------------------------------------------------------------------------------


@ALGORITHMS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("factor", [2.0**-33, 2.0**-20, 2.0**20, 2.0**33])  # volts are 1e-6; float32 bears 1e-10
def test_units_change_nothing(algorithm, dtype, factor):
    X = made(n=300)[0].astype(dtype)
    start = X[:20]
    expected = learner(algorithm, alpha="auto", init=start).fit(X)
    ours = learner(algorithm, alpha="auto", init=start).fit(X * dtype(factor))
    np.testing.assert_allclose(ours.components_, expected.components_, atol=1e-4)
    np.testing.assert_allclose(ours.transform(X * dtype(factor)) / factor, expected.transform(X), atol=1e-3)
    assert ours.alpha_ == pytest.approx(factor * expected.alpha_, rel=1e-5)


def test_alpha_is_a_tenth_of_the_root_mean_square():
    X = np.random.default_rng(0).normal(size=(400, 6))
    X /= np.sqrt(np.mean(X**2))
    auto, number = (SparseCoding(5, algorithm="fista", alpha=alpha, random_state=0).fit(X) for alpha in ("auto", 0.1))
    assert auto.alpha_ == pytest.approx(0.1)
    assert number.alpha_ == 0.1
    np.testing.assert_allclose(auto.transform(X), number.transform(X), atol=1e-6)
    assert SparseCoding(5, random_state=0).fit(X).alpha_ == 0
    batch = SparseCoding(5, algorithm="fista", random_state=0).partial_fit(2 * X)
    assert batch.partial_fit(X).alpha_ == pytest.approx(0.2)


@ALGORITHMS
def test_the_score_of_a_sample_is_minus_its_squared_error(algorithm):
    X, _ = made(n=300)
    for split in (False, True):
        fitted = learner(algorithm, split_sign=split).fit(X[:200])
        expected = -((X - fitted.inverse_transform(fitted.transform(X))) ** 2).sum(axis=1)
        np.testing.assert_allclose(fitted.score_samples(X), expected, atol=1e-12)
    strange = np.random.default_rng(1).normal(size=(50, 12))
    strange *= np.linalg.norm(X[:50], axis=1, keepdims=True) / np.linalg.norm(strange, axis=1, keepdims=True)
    assert np.median(fitted.score_samples(strange)) < np.median(fitted.score_samples(X[200:]))
    stream = np.concatenate(list(fitted.score_samples(iter([X[:100], X[100:]]))))
    np.testing.assert_allclose(stream, fitted.score_samples(X), atol=1e-12)
    assert make_pipeline(StandardScaler(), learner(algorithm)).fit(X).score_samples(X).shape == (300,)
    assert fitted.score_samples(X.astype(np.float32)).dtype == np.float32


@pytest.mark.filterwarnings("ignore:SparseCoding. of 5 units")
@pytest.mark.parametrize("kind", ["one feature in seconds", "an outlier"])
def test_a_feature_that_drowns_the_others_is_told(kind):
    X, _ = made(n=300)
    X[:, 2] *= 1e5 if kind == "one feature in seconds" else 1
    X[7, 2] += 1e5 if kind == "an outlier" else 0
    with pytest.warns(UserWarning, match=r"SparseCoding: codes explain.*StandardScaler.*outlier"):
        SparseCoding(5, random_state=0, max_iter=3, tol=0).fit(X)


@pytest.mark.filterwarnings("ignore:SparseCoding. of 5 units")
@ALGORITHMS
@pytest.mark.parametrize("offset", [300, 1e6, -1e6])
def test_an_offset_that_hides_how_rows_differ_is_told(algorithm, offset):
    X, _ = made(n=300)
    with pytest.warns(UserWarning, match=r"samples lie .* times as far from the origin.*StandardScaler"):
        SparseCoding(5, algorithm=algorithm, random_state=0, max_iter=3, tol=0).fit(X + offset)


# --- invariances ---------------------------------------------------------------------------------------------------


@ALGORITHMS
def test_chunks_threads_and_order_change_nothing_beyond_rounding(algorithm, monkeypatch):
    X, _ = made(n=700)
    model = learner(algorithm)
    expected = model.fit(X).components_
    codes = model.transform(X)
    np.testing.assert_array_equal(clone(model).fit(X).components_, expected)
    order = np.random.default_rng(1).permutation(700)
    np.testing.assert_allclose(clone(model).fit(X[order]).components_, expected, atol=1e-9)
    np.testing.assert_allclose(clone(model).fit(lambda: [X[:1], X[1:1], X[1:]]).components_, expected, atol=1e-9)
    monkeypatch.setattr(sparse_coding, "ROWS", 64)
    parts = clone(model).fit(X)
    in_parts = parts.transform(X)
    np.testing.assert_allclose(parts.components_, expected, atol=1e-9)
    np.testing.assert_allclose(model.transform(X), codes, atol=1e-9)
    for threads in (1, 2, 5):
        monkeypatch.setattr(featlearn.streaming, "n_threads", lambda n_jobs=None, t=threads: t)
        np.testing.assert_array_equal(clone(model).fit(X).components_, parts.components_)
        np.testing.assert_array_equal(parts.transform(X), in_parts)


def test_streams_and_dask_give_what_the_array_gives():
    X, _ = made(n=700)
    model = learner().fit(X)
    codes, score = model.transform(X), model.score(X)
    stream = np.concatenate(list(model.transform(iter([X[:100], X[100:]]))))
    np.testing.assert_allclose(stream, codes, atol=1e-12)
    assert model.score(iter([X[:100], X[100:]])) == pytest.approx(score)
    dask_array = pytest.importorskip("dask.array", reason="pip install 'featlearn[dask]'")
    lazy = dask_array.from_array(X, chunks=(300, 5))
    np.testing.assert_allclose(clone(model).fit(lazy).components_, model.components_, atol=1e-9)
    np.testing.assert_allclose(model.transform(lazy).compute(), codes, atol=1e-12)


@ALGORITHMS
def test_sums_of_parts_add_to_those_of_the_whole(algorithm):
    X, D = made(n=300)
    coder = learner(algorithm)._coder(D)
    whole, parts = coder.sums(X), coder.sums(X[:100]) + coder.sums(X[100:])
    for name in ("A", "B", "objective", "total"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), atol=1e-9)
    assert whole.total == 300
    assert whole.objective == pytest.approx(coder.errors(X).sum())
    again = pickle.loads(pickle.dumps(coder))
    assert isinstance(again, Coder)
    np.testing.assert_array_equal(again(X), coder(X))


@ALGORITHMS
def test_dtype_is_kept(algorithm):
    X, _ = made(n=500)
    small = learner(algorithm).fit(X.astype(np.float32))
    assert small.components_.dtype == small.transform(X.astype(np.float32)).dtype == np.float32
    assert small.transform(X).dtype == small.inverse_transform(small.transform(X)).dtype == np.float64
    wide = learner(algorithm, max_iter=1).fit(X)
    narrow = learner(algorithm, max_iter=1, init=wide.components_).fit(X.astype(np.float32))
    again = learner(algorithm, max_iter=1, init=wide.components_).fit(X)
    np.testing.assert_allclose(narrow.components_, again.components_, atol=2e-3)
    pixels = np.random.default_rng(0).integers(0, 255, (300, 6)).astype(np.uint8)
    assert learner(algorithm).fit(pixels).components_.dtype == np.float32


# --- partial_fit ---------------------------------------------------------------------------------------------------


def test_batches_lower_the_loss_and_find_atoms():
    X, D = made(n=3000)
    model = learner()
    for _ in range(6):
        for batch in np.split(X, 10):
            model.partial_fit(batch)
    assert model.n_iter_ == len(model.loss_curve_) == 60
    assert model.loss_curve_[-1] < 0.3 * model.loss_curve_[0]
    np.testing.assert_allclose(np.linalg.norm(model.components_, axis=1), 1)
    assert (np.abs(D @ model.components_.T).max(axis=1) > 0.98).sum() >= 14


def test_a_batch_is_one_iteration_with_faded_memory():
    X, _ = made(n=1000)
    first, whole = learner().partial_fit(X[:500]), learner(max_iter=1).fit(X[:500])
    np.testing.assert_array_equal(first.components_, whole.components_)
    new = first._coder(first.components_).sums(X[500:])
    second = clone(first).partial_fit(X[:500]).partial_fit(X[500:])
    np.testing.assert_allclose(second.sums_.A, first.sums_.A / 2**8 + new.A, atol=1e-9)  # (1 - 1/2)^8
    np.testing.assert_allclose(whole.partial_fit(X[500:]).components_, second.components_)
    assert isinstance(whole.sums_, CodeSums)


# --- manners -------------------------------------------------------------------------------------------------------


class Watch:
    """A callback that collects the loss of each iteration and can raise at one."""

    max_propagation_depth = None

    def __init__(self, raise_at=None, error=KeyboardInterrupt):
        self.raise_at, self.error, self.losses = raise_at, error, []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, metadata=None):
        if metadata and "loss" in metadata:
            self.losses.append(metadata["loss"])
            if len(self.losses) == self.raise_at:
                raise self.error


def test_callbacks_see_the_loss_and_can_stop():
    X, _ = made(n=300)
    watch = Watch()
    fitted = learner().set_callbacks(watch).fit(X)
    np.testing.assert_array_equal(watch.losses, fitted.loss_curve_)
    stop = featlearn.EarlyStopping(monitor="loss", patience=1, tol=0.9)
    assert learner(max_iter=50).set_callbacks(stop).fit(X).n_iter_ < 10


def test_an_interrupt_keeps_the_iterations_that_are_whole(monkeypatch):
    X, _ = made(n=300)
    expected = learner(max_iter=2).fit(X)
    with pytest.warns(ConvergenceWarning, match="interrupted, so the fit ends after 2 iterations"):
        ours = learner(tol=1e-4).set_callbacks(Watch(2)).fit(X)
    np.testing.assert_array_equal(ours.components_, expected.components_)
    np.testing.assert_array_equal(ours.sums_.A, expected.sums_.A)
    assert ours.n_iter_ == len(ours.loss_curve_) == 2
    sums, calls = Coder.sums, []

    def interrupted(self, chunk):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return sums(self, chunk)

    monkeypatch.setattr(Coder, "sums", interrupted)
    with pytest.warns(ConvergenceWarning, match="after 2 iterations"):
        ours = learner().fit(X)
    np.testing.assert_array_equal(ours.components_, expected.components_)


def test_a_failed_fit_leaves_the_estimator_as_it_was():
    X, _ = made(n=300)
    fresh = learner().set_callbacks(Watch(2, ArithmeticError))
    with pytest.raises(ArithmeticError):
        fresh.fit(X)
    with pytest.raises(NotFittedError):
        fresh.transform(X)
    fitted = learner().fit(X)
    before = pickle.dumps({k: v for k, v in vars(fitted).items() if k.endswith("_")})
    with pytest.raises(ArithmeticError):
        fitted.set_callbacks(Watch(2, ArithmeticError)).fit(X[:, :7])
    assert pickle.dumps({k: v for k, v in vars(fitted).items() if k.endswith("_")}) == before


@ALGORITHMS
def test_pickle_and_clone(algorithm):
    X, _ = made(n=300)
    fitted = learner(algorithm).fit(X)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.transform(X), fitted.transform(X))
    np.testing.assert_array_equal(clone(fitted).fit(X).components_, fitted.components_)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"algorithm": "lars"}, "algorithm='lars' is not valid; pass one of 'omp', 'ista', 'fista'"),
        ({"n_nonzero": 0}, "n_nonzero=0 is not valid; pass None or an integer of at least 1"),
        ({"n_nonzero": 21}, "n_nonzero=21 atoms in a code are more than n_components=20"),
        ({"alpha": -1}, "alpha=-1 is not valid"),
        ({"encode_iter": 0}, "encode_iter=0 is not valid"),
        ({"encode_tol": -1}, "encode_tol=-1 is not valid"),
        ({"split_sign": 1}, "split_sign=1 is not valid; pass True or False"),
        ({"init": "svd"}, "init='svd' is not valid"),
        ({"init": np.ones((3, 12))}, r"init has shape \(3, 12\); pass 20 rows of 12"),
        ({"init": np.zeros((20, 12))}, "init holds an atom of zeros"),
    ],
)
def test_bad_parameters_are_named(settings, message):
    X, _ = made(n=100)
    with pytest.raises(ValueError, match=f"SparseCoding: {message}"):
        learner(**settings).fit(X)


def test_bad_data_are_named():
    X, _ = made(n=100)
    with pytest.raises(ValueError, match=r"n_samples=19 is fewer than n_components=20. Pass at least 20"):
        learner().fit(X[:19])
    with pytest.raises(ValueError, match="walks over the data several times"):
        learner().fit(iter([X]))
    with pytest.raises(ValueError, match="takes codes of 20 columns; got an array of shape"):
        learner().fit(X).inverse_transform(X)
    huge = (1e30 * X).astype(np.float32)
    with (
        np.errstate(all="ignore"),
        pytest.raises(ValueError, match=r"squares of float32 numbers overflow above.*Scale the data"),
    ):
        learner("fista").fit(huge)
    with pytest.raises(ValueError, match="NaN"):
        learner().fit(np.where(X.max() == X, np.nan, X))
    fitted = learner().fit(X).set_params(n_components=21)
    with pytest.raises(
        ValueError, match=r"n_components=21 was set after 20 atoms were learned.* Pass n_components=20, or"
    ):
        fitted.partial_fit(X)
