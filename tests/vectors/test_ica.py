"""ICA and RICA against sources that were mixed, FastICA, finite differences, and the formulas in plain NumPy.

Also tests featlearn.kernels.encoding.sparseness and featlearn.vectors.rica.
"""

import pickle
import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_sample_image, load_wine
from sklearn.decomposition import PCA, FastICA
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.feature_extraction.image import extract_patches_2d
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from featlearn import ZCA, ContrastNormalizer, EarlyStopping, PCAWhitening, Stage
from featlearn.kernels.encoding.sparseness import logcosh_rows, smooth_l1_rows
from featlearn.vectors import ica, rica
from featlearn.vectors.affine import AffineCodesMixin
from featlearn.vectors.ica import ICA, gaussian_mean, non_gaussianity, orthonormal, sparseness, tangent
from featlearn.vectors.moments import moments_of
from featlearn.vectors.rica import RICA, reconstruction_cost, spread

BOTH = pytest.mark.parametrize("Learner", [ICA, RICA])
SPARSITY = pytest.mark.parametrize("sparsity", ["logcosh", "smooth_l1"])


def sources(kind, n=4000, d=6, seed=0):
    rng = np.random.default_rng(seed)
    S = {"laplace": rng.laplace, "uniform": lambda size: rng.uniform(-1, 1, size)}.get(kind, rng.laplace)(size=(n, d))
    if kind == "both":
        S[:, ::2] = rng.uniform(-1, 1, (n, d - d // 2))
    return S


def mixed(kind, **shape):
    """Whitened mixtures of sources, and the matrix (d, d) from sources to them."""
    S = sources(kind, **shape)
    A = np.random.default_rng(9).normal(size=(S.shape[1], S.shape[1]))
    whitening = PCAWhitening(eps=0).fit(S @ A)
    return whitening.transform(S @ A), A @ whitening.whitening_


def amari(P):
    """Amari distance of a product of unmixing and mixing from a permutation with scales: 0 if it is one, at most 1."""
    P, K = np.abs(P), len(P)
    rows, columns = (P / P.max(axis=1, keepdims=True)).sum(), (P / P.max(axis=0, keepdims=True)).sum()
    return (rows + columns - 2 * K) / (2 * K * (K - 1))


def g(u, sparsity, eps):
    return np.log(np.cosh(u)) if sparsity == "logcosh" else np.sqrt(u**2 + eps)


def slopes(f, v, h=1e-5):
    """The gradient of f at v by central differences."""
    return np.array([(f(v + h * e) - f(v - h * e)) / (2 * h) for e in np.eye(len(v))])


# --- the kernel ----------------------------------------------------------------------------------------------------


@SPARSITY
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("m", [1, 63, 64, 200])
def test_the_kernel_is_the_formula(sparsity, dtype, m):
    U = (3 * np.random.default_rng(m).normal(size=(m, 5))).astype(dtype)
    U[0] = [0, -0.0, 80, -80, 1e-4]
    H, sums, exact = U.copy(), np.full(5, 10.0), U.astype(np.float64)
    logcosh_rows(H, sums) if sparsity == "logcosh" else smooth_l1_rows(H, 0.01, sums)
    slope = np.tanh(exact) if sparsity == "logcosh" else exact / np.sqrt(exact**2 + 0.01)
    log_cosh = np.logaddexp(exact, -exact) - np.log(2)
    values = (log_cosh if sparsity == "logcosh" else np.sqrt(exact**2 + 0.01)).sum(axis=0)
    tolerance = 1e-6 if dtype == np.float32 else 1e-13
    np.testing.assert_allclose(sums, 10 + values, rtol=tolerance)
    np.testing.assert_allclose(H, slope, rtol=tolerance, atol=tolerance)
    assert H.dtype == dtype


def test_the_absolute_value_itself_has_slope_zero_at_zero():
    H, sums = np.array([[0.0, -2.0]]), np.zeros(2)
    smooth_l1_rows(H, 0.0, sums)
    np.testing.assert_array_equal(H, [[0, -1]])
    np.testing.assert_array_equal(sums, [0, 2])


# --- objectives and gradients --------------------------------------------------------------------------------------


def test_what_a_gaussian_response_gives():
    assert gaussian_mean("smooth_l1", 0) == pytest.approx(np.sqrt(2 / np.pi), abs=1e-9)
    # E sqrt(v^2 + 1) and E log cosh v by the quantiles of a normal.
    v = stats.norm.ppf((np.arange(2_000_000) + 0.5) / 2_000_000)
    assert gaussian_mean("smooth_l1", 1) == pytest.approx(np.sqrt(v**2 + 1).mean(), abs=1e-5)
    assert gaussian_mean("logcosh", 0) == pytest.approx(np.log(np.cosh(v)).mean(), abs=1e-5)


@pytest.mark.parametrize("K", [1, 3, 4])
def test_orthonormal_filters_are_the_inverse_root(K):
    V = np.random.default_rng(0).normal(size=(K, 4))
    values, vectors = np.linalg.eigh(V @ V.T)
    W = orthonormal(V)[0]
    np.testing.assert_allclose(W, vectors @ np.diag(values**-0.5) @ vectors.T @ V, atol=1e-12)
    np.testing.assert_allclose(W @ W.T, np.eye(K), atol=1e-12)


@SPARSITY
@pytest.mark.parametrize("parameters", [{}, {"normalize_rows": False}], ids=["unit rows", "free rows"])
@pytest.mark.parametrize("K", [2, 5, 8])
def test_gradients_of_rica_equal_finite_differences(sparsity, parameters, K):
    X = np.random.default_rng(0).laplace(size=(150, 5)) + 0.3
    learner = RICA(K, reconstruction_cost=0.7, sparsity=sparsity, **parameters)
    loss = learner._objective(X, moments_of(X), np.full(5, 0.2), 1.5)
    V = np.random.default_rng(1).normal(size=(K, 5))

    def f(v):
        return loss(learner._constrained(v.reshape(K, 5))[0])[0]

    W, pull_back = learner._constrained(V)
    gradient = pull_back(loss(W)[1]).ravel()
    np.testing.assert_allclose(gradient, slopes(f, V.ravel()), atol=1e-8)
    assert np.abs(gradient).max() > 1e-3


@SPARSITY
@pytest.mark.parametrize("K", [2, 5])
def test_the_gradient_of_ica_equals_finite_differences(sparsity, K):
    X = np.random.default_rng(0).laplace(size=(150, 5)) + 0.3
    V = np.random.default_rng(1).normal(size=(K, 5))

    def f(v):
        return non_gaussianity(sparseness(X, orthonormal(v.reshape(K, 5))[0], sparsity, 0.02), 0.4)[0]

    W, pull_back = orthonormal(V)
    slope = non_gaussianity(sparseness(X, W, sparsity, 0.02), 0.4)[1]
    gradient = pull_back(slope).ravel()
    np.testing.assert_allclose(gradient, slopes(f, V.ravel()), atol=1e-8)
    assert np.abs(gradient).max() > 1e-3
    # Along the orthonormal filters themselves V and W agree, and what is left out turns nothing.
    along = orthonormal(W)[1](slope)
    np.testing.assert_allclose(along, tangent(slope, W), atol=1e-8)


def test_curvatures_are_those_of_log_cosh():
    X, W = np.random.default_rng(0).laplace(size=(150, 5)), np.random.default_rng(1).normal(size=(70, 5))
    for filters in (W, W[:3], W[:1]):
        sums = sparseness(X, filters, "logcosh", 0, curved=True)
        Y = X @ filters.T
        np.testing.assert_allclose(sums.curvatures, (1 - np.tanh(Y) ** 2).sum(axis=0), rtol=1e-10)
        np.testing.assert_allclose(sums.slopes, np.tanh(Y).T @ X, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(sums.values, np.log(np.cosh(Y)).sum(axis=0), rtol=1e-10)


@SPARSITY
def test_score_is_the_objective_by_the_formula(sparsity):
    X, rng = 3 * np.random.default_rng(0).laplace(size=(200, 5)) + 0.2, np.random.default_rng(1)
    rica = RICA(7, reconstruction_cost=0.3, sparsity=sparsity, eps=0.02, random_state=0, max_iter=2, tol=0).fit(X)
    W, other = rica.components_, rng.normal(size=(90, 5))
    assert rica.scale_ == pytest.approx(np.sqrt(X.var(axis=0, ddof=1).mean()))
    Z = (other - X.mean(axis=0)) / rica.scale_
    H = Z @ W.T
    rebuilt = ((H @ W - Z) ** 2).sum(axis=1).mean()
    assert rica.score(other) == pytest.approx(-g(H, sparsity, 0.02).sum(axis=1).mean() - 0.3 * rebuilt, rel=1e-12)
    assert rica.score(X) == pytest.approx(-rica.loss_curve_[-1], rel=1e-12)
    for whiten in (True, False):
        ica = ICA(3, whiten=whiten, sparsity=sparsity, eps=0.02, random_state=0, max_iter=2, tol=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ica.fit(X)
        Y = (other - (X.mean(axis=0) if whiten else 0)) @ ica.components_.T
        gaps = g(Y, sparsity, 0.02).mean(axis=0) - gaussian_mean(sparsity, 0.02)
        assert ica.score(other) == pytest.approx((gaps**2).sum(), rel=1e-10)
        assert ica.score(X) == pytest.approx(-ica.loss_curve_[-1], rel=1e-9)


def test_reconstruction_cost_takes_second_moments_alone():
    rng = np.random.default_rng(0)
    X, W = rng.normal(size=(50, 4)) + 2, rng.normal(size=(6, 4))
    expected = ((X @ W.T @ W - X) ** 2).sum(axis=1).mean()
    for root in (X / np.sqrt(50), np.linalg.cholesky(X.T @ X / 50).T):
        assert reconstruction_cost(W, root)[0] == pytest.approx(expected, rel=1e-12)


def test_statistics_of_parts_add_to_those_of_the_whole():
    rng = np.random.default_rng(0)
    X, W = rng.normal(size=(300, 4)), rng.normal(size=(3, 4))
    whole, parts = (sparseness(X, W, "logcosh", 0), [sparseness(x, W, "logcosh", 0) for x in (X[:70], X[70:])])
    total = parts[0] + parts[1]
    assert total.n == whole.n == 300
    np.testing.assert_allclose(total.values, whole.values, rtol=1e-12)
    np.testing.assert_allclose(total.slopes, whole.slopes, rtol=1e-9, atol=1e-12)


# --- what is found -------------------------------------------------------------------------------------------------


@SPARSITY
@pytest.mark.parametrize("kind", ["laplace", "uniform", "both"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ica_finds_the_sources_as_well_as_fastica(kind, sparsity, dtype):
    Z, mixing = mixed(kind)
    ica = ICA(6, whiten=False, sparsity=sparsity, random_state=0).fit(Z.astype(dtype))
    fast = FastICA(6, whiten="unit-variance", random_state=0, max_iter=1000).fit(Z)
    ours, theirs = amari(ica.components_ @ mixing.T), amari(fast.components_ @ mixing.T)
    assert amari(mixing.T) > 0.2  # whitening alone does not do it
    assert ours < 0.05
    assert ours < (1.3 if sparsity == "logcosh" else 3) * theirs
    assert ica.components_.dtype == dtype
    np.testing.assert_allclose(ica.components_ @ ica.components_.T, np.eye(6), atol=1e-5)
    assert ica.n_iter_ < 100


@pytest.mark.parametrize("kind", ["laplace", "uniform"])
def test_fewer_components_are_sources_too(kind):
    Z, mixing = mixed(kind)
    W = ICA(3, whiten=False, random_state=0).fit(Z).components_
    shares = np.abs(W @ mixing.T) * sources(kind).std(axis=0)
    shares /= np.linalg.norm(shares, axis=1, keepdims=True)
    assert (shares.max(axis=1) > 0.99).all()
    assert len(set(shares.argmax(axis=1))) == 3
    np.testing.assert_allclose(W @ W.T, np.eye(3), atol=1e-10)


def test_complete_rica_of_large_cost_is_ica():
    Z, mixing = mixed("laplace")
    free = RICA(6, reconstruction_cost=100, normalize_rows=False, random_state=0, max_iter=1000).fit(Z)
    unit = RICA(6, reconstruction_cost=100, random_state=0, max_iter=1000).fit(Z)
    for W in (free.components_, unit.components_):
        assert amari(W @ mixing.T) < 0.05
        np.testing.assert_allclose(W @ W.T, np.eye(6), atol=0.02)
    # With a low cost rows are free to follow the sparsity, whatever the samples lose.
    loose = RICA(6, reconstruction_cost=1e-3, random_state=0).fit(Z)
    assert np.abs(loose.components_ @ loose.components_.T - np.eye(6)).max() > 0.5


def test_overcomplete_rica_finds_more_sparse_directions_than_dimensions():
    """Samples along one of five directions of the plane: the filters at right angles to them answer least often."""
    rng = np.random.default_rng(0)
    angles = np.pi * np.arange(5) / 5 + 0.1
    directions = np.column_stack([np.cos(angles), np.sin(angles)])
    X = rng.laplace(size=(3000, 1)) * directions[rng.integers(0, 5, 3000)]
    # A filter per direction, from four random starts: each ends at right angles to one of the directions.
    W = np.concatenate(
        [RICA(5, reconstruction_cost=0.5, eps=1e-4, random_state=s).fit(X).components_ for s in range(4)]
    )
    cosines = np.abs(W @ directions.T)
    assert np.median(cosines.min(axis=1)) < 0.02
    assert len(set(cosines.argmin(axis=1))) == 5


def test_overcomplete_filters_lose_nothing():
    X = sources("laplace", d=5)
    rica = RICA(12, random_state=0).fit(X)
    assert rica.transform(X).shape == (4000, 12)
    np.testing.assert_allclose(np.linalg.norm(rica.components_, axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(rica.inverse_transform(rica.transform(X)), X, atol=1e-9)
    # A large cost gives a tight frame: of unit rows, all eigenvalues of W'W are K / d.
    frame = RICA(12, reconstruction_cost=1e4, random_state=0).fit(ZCA(eps=0).fit_transform(X)).components_
    np.testing.assert_allclose(frame.T @ frame, 12 / 5 * np.eye(5), atol=0.01)


def test_filters_of_natural_images_are_localized():
    photo = load_sample_image("china.jpg").mean(axis=2)
    patches = extract_patches_2d(photo, (8, 8), max_patches=4000, random_state=0).reshape(4000, -1)
    Z = make_pipeline(PCAWhitening(40, eps=0)).fit_transform(patches - patches.mean(axis=1, keepdims=True))
    kurtosis = stats.kurtosis(Z, axis=0).mean()
    for learner in (ICA(20, random_state=0), RICA(20, random_state=0), RICA(60, random_state=0)):
        assert stats.kurtosis(learner.fit_transform(Z), axis=0).mean() > 1.5 * kurtosis


def test_filters_that_shrink_to_nothing_are_told():
    X = sources("laplace", n=300)
    with pytest.warns(
        ConvergenceWarning, match=r"all filters shrank.*reconstruction_cost=0.001.*normalize_rows=True"
    ) as told:
        RICA(6, reconstruction_cost=1e-3, normalize_rows=False, random_state=0).fit(X)
    assert told[0].filename == __file__


# --- the estimators ------------------------------------------------------------------------------------------------


@BOTH
def test_transform_is_linear_and_has_a_way_back(Learner):
    Z = 3 * mixed("laplace")[0] + 7
    learner = Learner(4, random_state=0, max_iter=5, tol=0).fit(Z)
    H, scale = learner.transform(Z), getattr(learner, "scale_", 1)
    np.testing.assert_allclose(H, (Z - Z.mean(axis=0)) @ learner.components_.T / scale, rtol=1e-9, atol=1e-9)
    back = learner.inverse_transform(H)
    # The rest is seen by no filter, and the responses are the same.
    np.testing.assert_allclose((Z - back) @ learner.components_.T, 0, atol=1e-8)
    np.testing.assert_allclose(learner.transform(back), H, atol=1e-8)
    np.testing.assert_allclose(learner.score_samples(Z), -((Z - back) ** 2).sum(axis=1), rtol=1e-9)
    whole = Learner(None, random_state=0, max_iter=5, tol=0).fit(Z)
    np.testing.assert_allclose(whole.inverse_transform(whole.transform(Z)), Z, atol=1e-8)
    np.testing.assert_allclose(whole.score_samples(Z), 0, atol=1e-12)
    with pytest.raises(ValueError, match=r"inverse_transform takes codes of 4 columns; got an array of shape \(2, 6\)"):
        learner.inverse_transform(Z[:2])


@BOTH
def test_streams_chunks_and_dask_learn_the_same(Learner, monkeypatch):
    X = mixed("laplace", n=1500)[0]
    learner = Learner(5, random_state=0, max_iter=8, tol=0)
    expected = learner.fit(X).components_
    scores = [learner.score(X), learner.fit(lambda: iter([X[:7], X[7:900], X[900:]])).score(X)]
    np.testing.assert_allclose(learner.components_, expected, atol=1e-7)
    assert scores[0] == pytest.approx(scores[1], rel=1e-7)
    monkeypatch.setattr(ica if Learner is ICA else rica, "cache_rows", lambda row: 64)
    np.testing.assert_allclose(learner.fit(X).components_, expected, atol=1e-7)
    dask_array = pytest.importorskip("dask.array", reason="pip install 'featlearn[dask]'")
    np.testing.assert_allclose(learner.fit(dask_array.from_array(X, chunks=(400, 6))).components_, expected, atol=1e-7)


@BOTH
def test_memmaps_and_small_integers(Learner, tmp_path):
    X = np.random.default_rng(0).integers(0, 9, (400, 5)).astype(np.uint8)
    learner = Learner(3, random_state=0, max_iter=5, tol=0)
    expected = learner.fit(X.astype(np.float32)).components_
    assert expected.dtype == np.float32
    np.testing.assert_array_equal(learner.fit(X).components_, expected)
    np.save(tmp_path / "X.npy", X)
    np.testing.assert_array_equal(learner.fit(np.load(tmp_path / "X.npy", mmap_mode="r")).components_, expected)


@BOTH
@pytest.mark.parametrize("threads", ["1", "2"])
def test_the_seed_decides_and_threads_do_not(Learner, threads, monkeypatch):
    X = mixed("laplace", n=9000)[0].astype(np.float32)
    learner = Learner(5, random_state=3, max_iter=10, tol=0)
    monkeypatch.setattr(ica if Learner is ICA else rica, "cache_rows", lambda row: 1024)
    expected = clone(learner).fit(X).components_
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    np.testing.assert_array_equal(clone(learner).fit(X).components_, expected)
    assert not np.array_equal(clone(learner).set_params(random_state=4).fit(X).components_, expected)


@BOTH
@pytest.mark.parametrize("max_iter", [3, 15])
def test_the_loss_falls_and_is_reported(Learner, max_iter):
    watch, X = Watch(), load_digits().data[:300, 2:6]
    learner = Learner(4, random_state=0, max_iter=max_iter, tol=0).set_callbacks(watch).fit(X)
    assert learner.n_iter_ == len(learner.loss_curve_) == max_iter
    assert (np.diff(learner.loss_curve_) <= 0).all()
    np.testing.assert_array_equal(watch.losses, learner.loss_curve_)
    np.testing.assert_allclose(watch.fitted.transform(X), learner.transform(X), atol=1e-9)
    np.testing.assert_allclose(watch.fitted.inverse_transform(np.eye(4)), learner.inverse_transform(np.eye(4)))


def test_early_stopping_stops():
    Z, stop = mixed("laplace")[0], EarlyStopping("loss", patience=2, tol=0.01)
    learner = RICA(6, random_state=0, tol=0).set_callbacks(stop).fit(Z)
    assert learner.n_iter_ < RICA(6, random_state=0, tol=1e-7).fit(Z).n_iter_
    assert len(stop.stopped_) == 1


class Watch:
    """A callback that collects the loss of each iteration and can raise at one."""

    max_propagation_depth = None

    def __init__(self, raise_at=None):
        self.raise_at, self.losses, self.fitted = raise_at, [], None

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, metadata=None, fitted_estimator=None):
        if metadata and "loss" in metadata:
            self.losses.append(metadata["loss"])
            self.fitted = fitted_estimator
            if len(self.losses) == self.raise_at:
                raise KeyboardInterrupt


@BOTH
@pytest.mark.parametrize("place", ["callback", "statistic"])
@pytest.mark.parametrize("at", [2, 40])
def test_an_interrupted_fit_keeps_the_best(Learner, place, at, monkeypatch):
    """Among the fixed points of ICA, and in L-BFGS."""
    X, watch = load_digits().data[:300, 2:14], Watch(at if place == "callback" else None)
    if place == "statistic":

        def interrupted(*arguments, **settings):
            if len(watch.losses) == at:
                raise KeyboardInterrupt
            return sparseness(*arguments, **settings)

        monkeypatch.setattr(ica if Learner is ICA else rica, "sparseness", interrupted)
    learner = Learner(8, random_state=0, tol=0).set_callbacks(watch)
    with pytest.warns(ConvergenceWarning, match=f"{Learner.__name__}: interrupted, so the fit ends after") as told:
        learner.fit(X)
    monkeypatch.undo()
    assert told[0].filename == __file__
    assert learner.n_iter_ == len(learner.loss_curve_) == at
    assert abs(learner.score(X)) == pytest.approx(abs(learner.loss_curve_[-1]), rel=1e-9)
    expected = Learner(8, random_state=0, max_iter=at, tol=0).fit(X)
    np.testing.assert_allclose(learner.transform(X), expected.transform(X), atol=1e-9)


@BOTH
def test_an_interrupt_before_the_first_iteration_leaves_the_fit_before(Learner, monkeypatch):
    Z = mixed("laplace")[0]
    learner = Learner(4, random_state=0, max_iter=5, tol=0)
    attributes = set(vars(learner))

    def interrupted(*arguments, **settings):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ica if Learner is ICA else rica, "sparseness", interrupted)
        with pytest.raises(KeyboardInterrupt):
            learner.fit(Z)
        assert set(vars(learner)) == attributes
        with pytest.raises(NotFittedError):
            learner.transform(Z)
    before = learner.fit(Z).components_
    with monkeypatch.context() as patch:
        patch.setattr(ica if Learner is ICA else rica, "sparseness", interrupted)
        with pytest.raises(KeyboardInterrupt):
            learner.fit(Z[:, :4])
    assert learner.components_ is before
    assert learner.n_features_in_ == 6


@BOTH
def test_max_iter_before_tol_is_told(Learner):
    X = load_digits().data[:300]
    with pytest.warns(
        ConvergenceWarning, match=f"{Learner.__name__}: max_iter=6 iterations were made and the fit"
    ) as told:
        Learner(8, random_state=0, max_iter=6).fit(X)
    assert told[0].filename == __file__
    Learner(8, random_state=0, max_iter=6, tol=0).fit(X)  # as many as asked for


@BOTH
@pytest.mark.parametrize("name", ["digits", "wine", "cancer", "normal", "laplace"])
def test_defaults_converge_on_ordinary_data(Learner, name):
    r = np.random.default_rng(0)
    X = {
        "digits": lambda: load_digits().data,
        "wine": lambda: StandardScaler().fit_transform(load_wine().data),
        "cancer": lambda: StandardScaler().fit_transform(load_breast_cancer().data),
        "normal": lambda: r.normal(size=(200, 10)),
        "laplace": lambda: r.laplace(size=(500, 6)),
    }[name]()
    assert Learner(random_state=0).fit(X).n_iter_ < 1000


@BOTH
def test_a_pickle_transforms_alike(Learner):
    Z = mixed("laplace")[0]
    learner = Learner(4, random_state=0, max_iter=5, tol=0).fit(Z)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(learner)).transform(Z), learner.transform(Z))
    names = [f"{Learner.__name__.lower()}{k}" for k in range(4)]
    assert learner.get_feature_names_out().tolist() == names


@BOTH
def test_in_a_stage_every_patch_is_a_row(Learner):
    images = np.random.default_rng(0).uniform(size=(10, 6, 7))
    stage = Stage(make_pipeline(ZCA(), Learner(5, max_iter=5, tol=0)), patch_size=3, random_state=0).fit(images)
    rows = np.lib.stride_tricks.sliding_window_view(images, (3, 3), axis=(1, 2)).reshape(-1, 9)
    np.testing.assert_allclose(stage.transform(images).reshape(-1, 5), stage.learner_.transform(rows), atol=1e-10)


def test_more_filters_than_the_rank_are_refused():
    Z = mixed("laplace")[0]
    with pytest.raises(ValueError, match=r"n_components=7 sources.*n_samples=4000.*n_features=6.*rank 6.*RICA"):
        ICA(7).fit(Z)
    with pytest.raises(ValueError, match=r"n_components=5 sources.*have rank 4\. Pass n_components=4 or less, or None"):
        ICA(5).fit(referenced(Z[:, :4]))
    with pytest.raises(ValueError, match=r"n_components=6 sources.*n_samples=6 samples.*have rank 5"):
        ICA(6).fit(Z[:6])
    with pytest.raises(ValueError, match=r"n_components=7 filters cannot be orthonormal in n_features=6.*RICA"):
        ICA(7, whiten=False).fit(Z)
    with pytest.raises(ValueError, match=r"each of the n_features=3 features is constant.*Pass samples that vary"):
        ICA().fit(np.full((20, 3), 0.1))


# --- what whitens itself -------------------------------------------------------------------------------------------


def referenced(X):
    """Channels less their average, and one that is minus the sum of the others: no rank is left for it."""
    return np.column_stack([X, -X.sum(axis=1)])


def worst(S, Y):
    """The least correlation of a source with the output nearest to it."""
    k = S.shape[1]
    return np.abs(np.corrcoef(S.T, Y.T)[:k, k:]).max(axis=1).min()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["laplace", "uniform", "both"])
@pytest.mark.parametrize("data", ["plain", "volts", "offset", "referenced", "twice", "constant", "whitened", "units"])
def test_sources_come_back_from_any_table(data, kind, dtype):
    S = sources(kind, 5000, 4)
    M = S @ np.random.default_rng(3).normal(size=(4, 4))
    tables = {
        "plain": lambda: M,
        "volts": lambda: 1e-6 * M,
        "offset": lambda: M + (1e4 if dtype == np.float32 else 1e6),
        "referenced": lambda: referenced(M),
        "twice": lambda: np.column_stack([M, M[:, :2]]),
        "constant": lambda: np.column_stack([M, np.full(5000, 3.3), np.zeros(5000)]),
        "whitened": lambda: PCAWhitening(5, eps=0).fit_transform(np.column_stack([M, M[:, 0] + M[:, 1]])),
        "units": lambda: M * [1e5, 1, 1e-3, 1e2],
    }
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "PCAWhitening: n_components")
        X = tables[data]().astype(dtype)
    ours = ICA(random_state=0).fit(X)
    Y = ours.transform(X).astype(float)
    assert Y.shape == (5000, 4)
    theirs = FastICA(4, whiten="unit-variance", random_state=0).fit_transform(sources(kind, 5000, 4))
    assert worst(S, Y) > 0.995
    assert worst(theirs, Y) > 0.99
    np.testing.assert_allclose(Y.std(axis=0), 1, rtol=1e-3)
    np.testing.assert_allclose(Y.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(np.abs(np.corrcoef(Y.T) - np.eye(4)), 0, atol=1e-3)
    scale = np.abs(X - X.mean(axis=0)).max(axis=0) + 1e-6 * np.abs(X).max()
    assert (np.abs(ours.inverse_transform(Y) - X) < 1e-3 * scale).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.integers(0, 3), st.floats(-8, 8), st.floats(-1e4, 1e4), st.integers(0, 10**6))
def test_no_source_is_a_direction_without_variance(rank, extra, exponent, offset, seed):
    r = np.random.default_rng(seed)
    X = (r.laplace(size=(200, rank)) @ r.normal(size=(rank, rank + extra)) + offset) * 10.0**exponent
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        Y = ICA(random_state=0, max_iter=20).fit_transform(X)
    assert Y.shape == (200, rank)
    np.testing.assert_allclose(Y.T @ Y / 200, np.eye(rank), atol=1e-4)


@pytest.mark.parametrize("K", [3, 12])
def test_fewer_sources_lie_among_the_leading_directions(K):
    X = load_digits().data
    ica, pca = ICA(K, random_state=0).fit(X), PCA(K).fit(X)
    np.testing.assert_allclose(ica.components_ @ pca.components_.T @ pca.components_, ica.components_, atol=1e-9)
    np.testing.assert_allclose(np.cov(ica.transform(X).T, ddof=0), np.eye(K), atol=1e-9)
    np.testing.assert_allclose(
        ica.inverse_transform(ica.transform(X)), pca.inverse_transform(pca.transform(X)), atol=1e-8
    )
    np.testing.assert_allclose(ica.mixing_, np.linalg.pinv(ica.components_), atol=1e-8)
    turn = ica.components_ @ np.linalg.pinv(ica.whitening_)
    np.testing.assert_allclose(turn @ turn.T, np.eye(K), atol=1e-9)


def test_contrast_normalized_patches_lose_no_filter():
    photo = load_sample_image("china.jpg").mean(axis=2)
    patches = extract_patches_2d(photo, (4, 4), max_patches=3000, random_state=0).reshape(3000, -1)
    Y = ICA(random_state=0).fit_transform(ContrastNormalizer().fit_transform(patches))
    assert Y.shape == (3000, 15)
    np.testing.assert_allclose(Y.std(axis=0), 1, rtol=1e-6)
    with pytest.raises(ValueError, match="have rank 15"):
        ICA(16).fit(ContrastNormalizer().fit_transform(patches))


def test_codes_of_raw_digits_serve_a_classifier():
    X, y = load_digits(return_X_y=True)
    ours, theirs = (
        make_pipeline(learner, LogisticRegression(max_iter=300)).fit(X[:900], y[:900]).score(X[900:], y[900:])
        for learner in (ICA(32, random_state=0), FastICA(32, whiten="unit-variance", random_state=0))
    )
    assert ours > theirs - 0.01
    assert ours > 0.85


def test_samples_that_are_not_white_are_told():
    Z = mixed("laplace")[0]
    for X in (3 * Z, Z + 1, Z * [1, 1, 1, 1, 1, 1e-3]):
        with pytest.warns(
            UserWarning, match=r"whiten=False and the samples are not whitened.*Leave whiten=True"
        ) as told:
            ICA(2, whiten=False, random_state=0).fit(X)
        assert told[0].filename == __file__
    plain = ICA(whiten=False, random_state=0).fit(Z)
    assert not hasattr(plain, "mean_")
    np.testing.assert_array_equal(plain.transform(Z), Z @ plain.components_.T)
    again = ICA(random_state=0).fit(Z).set_params(whiten=False).fit(Z)
    assert {a for a in vars(again) if a.endswith("_")} == {a for a in vars(plain) if a.endswith("_")}


def test_one_feature_that_decides_the_leading_directions_is_told():
    X = np.random.default_rng(0).laplace(size=(300, 5)) * [1e4, 1, 1, 1, 1]
    with pytest.warns(UserWarning, match="ICA: it keeps the 2 principal directions.*StandardScaler"):
        ICA(2, random_state=0).fit(X)
    ICA(random_state=0).fit(X)
    with pytest.warns(UserWarning, match="RICA: it rebuilds the samples in their own units.*StandardScaler"):
        RICA(2, random_state=0).fit(X)


@pytest.mark.parametrize("unit", [1e-6, 1.0, 255.0])
@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_the_unit_and_the_offset_change_nothing_in_rica(unit, offset):
    X = load_digits().data[:300, 2:14]
    expected = RICA(6, random_state=0, max_iter=30, tol=0).fit(X)
    rica = RICA(6, random_state=0, max_iter=30, tol=0).fit(unit * (X + offset))
    np.testing.assert_allclose(rica.components_, expected.components_, atol=1e-5)
    np.testing.assert_allclose(rica.transform(unit * (X + offset)), expected.transform(X), atol=1e-4)
    assert spread(moments_of(np.full((9, 2), 0.1))) == 1


@BOTH
def test_wide_tables_need_no_covariance(Learner):
    X = np.random.default_rng(0).normal(size=(20, 3000))
    learner = Learner(5, random_state=0, max_iter=5, tol=0).fit(X[:, :30])  # loads the kernels
    tracemalloc.start()
    learner.fit(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3000 * 3000 * 8 / 4
    assert learner.transform(X).shape == (20, 5)
    assert learner.score_samples(X).shape == (20,)


def test_as_many_sources_as_samples_are_told():
    with pytest.warns(
        UserWarning, match=r"20 samples of 30 features are whitened in all the 19 directions.*n_components"
    ):
        ICA(random_state=0, max_iter=5, tol=0).fit(np.random.default_rng(0).normal(size=(20, 30)))


@BOTH
@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_fused_code_knows_the_mean(Learner, offset, dtype):
    X = (np.random.default_rng(0).laplace(size=(400, 6)) + offset).astype(dtype)
    learner = Learner(4, random_state=0, max_iter=5, tol=0).fit(X)
    fused = AffineCodesMixin.transform(learner, X)
    np.testing.assert_allclose(fused, learner.transform(X), atol=1e-3 if dtype == np.float32 else 1e-9)


@BOTH
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_components": 0}, "n_components=0 is not valid; pass None or an integer of at least 1"),
        ({"sparsity": "kurtosis"}, "sparsity='kurtosis' is not valid; pass one of"),
        ({"eps": -1.0}, "eps=-1.0 is not valid"),
        ({"max_iter": 0}, "max_iter=0 is not valid"),
        ({"tol": np.nan}, "tol=nan is not valid; pass a finite number"),
    ],
)
def test_parameters_out_of_range_are_named(Learner, parameters, message):
    with pytest.raises(ValueError, match=f"{Learner.__name__}: {message}"):
        Learner(**{"n_components": 2} | parameters).fit(np.eye(4))


def test_parameters_of_rica_out_of_range_are_named():
    with pytest.raises(ValueError, match="RICA: reconstruction_cost=-1 is not valid"):
        RICA(2, reconstruction_cost=-1).fit(np.eye(4))
    with pytest.raises(ValueError, match="RICA: normalize_rows='yes' is not valid; pass True or False"):
        RICA(2, normalize_rows="yes").fit(np.eye(4))


@BOTH
def test_bad_samples_are_refused(Learner):
    with pytest.raises(ValueError, match="minimum of 2 is required"):
        Learner(2).fit(np.ones((1, 4)))
    with pytest.raises(ValueError, match="NaN"):
        Learner(2).fit([[np.nan, 1.0], [1.0, 2.0]])
    with pytest.raises(ValueError, match=f"{Learner.__name__} walks over the data several times"):
        Learner(2).fit(iter([np.eye(4)]))
    with pytest.raises(ValueError, match="expecting 4 features"):
        Learner(2, random_state=0).fit(np.eye(4)).transform(np.eye(3))
