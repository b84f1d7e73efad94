"""SparseFiltering against closed forms, a textbook version with SciPy's L-BFGS, and automatic differentiation."""

import pickle

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from featlearn import EarlyStopping
from featlearn.vectors import sparse_filtering
from featlearn.vectors.sparse_filtering import Encoder, Objective, SparseFiltering
from featlearn.vectors.sparsity_measures import high_dispersal, population_sparsity

ACTIVATIONS = ["softabs", "log"]
SMOOTH = 0.01  # with the default eps the objective has kinks, over which L-BFGS magnifies rounding


def samples(n=400, d=8, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return (rng.laplace(size=(n, d)) @ rng.normal(size=(d, d)) + 1).astype(dtype)


def objective(X, W, activation="softabs", eps=1e-8, center=False):
    """The paper's objective, a sum, and its gradient."""
    X, W = np.asarray(X), np.asarray(W)
    loss, gradient = Objective(X, Encoder((), activation, eps, center), W.shape)(W.ravel())
    return len(X) * loss, len(X) * gradient.reshape(W.shape)


def textbook(X, W, eps=1e-8):
    """Loss and gradient by the chain rule, one array a step (softabs)."""
    n = len(X)
    F = X @ W.T
    Fs = np.sqrt(F**2 + eps)
    r = np.sqrt((Fs**2).sum(axis=0))
    U = Fs / r
    c = np.sqrt((U**2).sum(axis=1))[:, None]
    V = U / c
    dU = 1 / c - U * V.sum(axis=1)[:, None] / c**2
    dFs = dU / r - Fs * (dU * Fs).sum(axis=0) / r**3
    return V.sum() / n, ((dFs * F / Fs).T @ X) / n


# --- known answers (orientation: here a row is a sample) --------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 7])
def test_identity_gives_n(n):
    eye = np.eye(n)
    expected = n * (np.sqrt(1 + 1e-8) + (n - 1) * 1e-4) / np.sqrt(1 + n * 1e-8)
    assert objective(eye, eye)[0] == pytest.approx(expected, rel=1e-12)
    assert objective(eye, eye)[0] == pytest.approx(n, abs=1.1e-4 * n * (n - 1))
    if n == 3:
        assert objective(eye, eye)[0] == pytest.approx(3.0006, abs=1e-6)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_equal_features_give_samples_times_the_root_of_features(activation):
    assert objective(np.ones((6, 3)), np.ones((4, 3)), activation)[0] == pytest.approx(12, abs=1e-6)


def test_two_by_two():
    assert objective([[1.0, 2.0], [2.0, 1.0]], np.eye(2))[0] == pytest.approx(6 / np.sqrt(5), abs=1e-7)


def test_scaling_a_filter_changes_nothing_up_to_eps_and_flipping_its_sign_nothing_at_all():
    X, W = samples(), np.random.default_rng(1).normal(size=(5, 8))
    loss, gradient = objective(X, W)
    assert objective(X, W * [[2], [0.5], [30], [1], [7]])[0] == pytest.approx(loss, rel=1e-6)
    assert objective(X, W * [[-1], [1], [-1], [1], [-1]])[0] == loss
    # So the gradient is at right angles to every filter.
    np.testing.assert_allclose(np.einsum("kd,kd->k", W, gradient), 0, atol=1e-5 * np.abs(gradient).max())

    def swapped(W):
        F = np.abs(X @ W.T)
        F = F / np.linalg.norm(F, axis=1, keepdims=True)
        return (F / np.linalg.norm(F, axis=0)).sum()

    assert abs(swapped(W * [[2], [0.5], [30], [1], [7]]) / swapped(W) - 1) > 0.01


def test_one_sample_is_divided_by_the_norms_of_the_training_samples():
    X = samples()
    learner = SparseFiltering(5, max_iter=30, random_state=0).fit(X)
    codes = learner.transform(X)
    for i in (0, 17, 399):
        np.testing.assert_allclose(learner.transform(X[i : i + 1])[0], codes[i], rtol=1e-10)
    F = np.sqrt(((X - X.mean(axis=1, keepdims=True)) @ learner.components_.T) ** 2 + 1e-8)
    np.testing.assert_allclose(learner.layers_[0].norms, np.linalg.norm(F, axis=0))
    F /= learner.layers_[0].norms
    np.testing.assert_allclose(codes, F / np.linalg.norm(F, axis=1, keepdims=True), rtol=1e-9)
    assert codes.sum() == pytest.approx(learner.objective_)


# --- the objective ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_gradient_is_that_of_automatic_differentiation(activation):
    jax = pytest.importorskip("jax", reason="pip install jax")
    X, W = samples(), np.random.default_rng(1).normal(size=(5, 8))

    def loss(W):
        numpy = jax.numpy
        F = (X - X.mean(axis=1, keepdims=True)) @ W.T
        F = numpy.sqrt(F**2 + 1e-3) if activation == "softabs" else numpy.log1p(F**2)
        F = F / numpy.sqrt((F**2).sum(axis=0))
        return (F / numpy.sqrt((F**2).sum(axis=1, keepdims=True))).sum()

    with jax.enable_x64(True):
        value, gradient = (np.asarray(part) for part in jax.value_and_grad(loss)(W))
    ours = objective(X, W, activation, eps=1e-3, center=True)
    assert ours[0] == pytest.approx(float(value), rel=1e-12)
    np.testing.assert_allclose(ours[1], gradient, atol=1e-9 * np.abs(gradient).max())


def test_without_the_gram_matrix_the_same(monkeypatch):
    X, W = samples(), np.random.default_rng(1).normal(size=(5, 8))
    loss, gradient = objective(X, W, center=True)
    monkeypatch.setattr(sparse_filtering, "WIDEST_GRAM", 7)
    other_loss, other_gradient = objective(X, W, center=True)
    assert other_loss == pytest.approx(loss, rel=1e-12)
    np.testing.assert_allclose(other_gradient, gradient, atol=1e-10 * np.abs(gradient).max())


def test_lbfgs_follows_the_textbook_in_scipy():
    X = samples()
    X /= np.sqrt(np.mean((X - X.mean(axis=1, keepdims=True)) ** 2))  # the first weights are in units of the data's
    centered = X - X.mean(axis=1, keepdims=True)
    first = np.random.RandomState(0).standard_normal((5, 8))
    curve = []
    end = minimize(
        lambda w: tuple(
            np.ravel(part) if np.ndim(part) else part for part in textbook(centered, w.reshape(5, 8), SMOOTH)
        ),
        first.ravel(),
        jac=True,
        method="L-BFGS-B",
        callback=lambda intermediate_result: curve.append(intermediate_result.fun),
        options={"maxiter": 60, "ftol": 0, "gtol": 0},
    )
    learner = SparseFiltering(5, eps=SMOOTH, max_iter=60, tol=0, random_state=0).fit(X)
    np.testing.assert_allclose(learner.loss_curve_[:20], 400 * np.array(curve[:20]), rtol=1e-7)
    assert learner.objective_ == pytest.approx(400 * end.fun, rel=1e-3)
    assert learner.n_iter_ == len(learner.loss_curve_) <= 60
    assert learner.objective_ == learner.loss_curve_[-1] < 0.97 * learner.loss_curve_[0]


def test_learned_codes_are_sparser_and_disperse():
    X = samples(n=1000)
    first = SparseFiltering(8, max_iter=1, random_state=0).fit(X)
    learner = SparseFiltering(8, random_state=0).fit(X)
    assert population_sparsity(learner.transform(X)).mean() > 1.2 * population_sparsity(first.transform(X)).mean()
    assert high_dispersal(learner.transform(X)) < 0.1


# --- layers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_second_layer_learns_from_the_codes_of_the_first(activation):
    X = samples()
    both = SparseFiltering([6, 4], activation=activation, max_iter=15, random_state=0).fit(X)
    first = SparseFiltering(6, activation=activation, max_iter=15, random_state=0).fit(X)
    np.testing.assert_array_equal(both.components_, first.components_)
    H = first.transform(X)
    assert [layer.weights.shape for layer in both.layers_] == [(6, 8), (4, 6)]
    value = objective(H, both.layers_[1].weights, activation, center=True)[0]
    assert both.objective_ == pytest.approx(value, rel=1e-9)
    assert both.n_iter_ == sum(len(layer.loss_curve) for layer in both.layers_) == len(both.loss_curve_)
    assert both.transform(X).shape == (400, 4)
    assert both.transform(X).sum() == pytest.approx(both.objective_, rel=1e-9)
    assert list(both.get_feature_names_out()) == [f"sparsefiltering{i}" for i in range(4)]


def test_n_layers_repeats_the_width():
    X = samples()
    one = SparseFiltering(4, n_layers=3, max_iter=5, random_state=0).fit_transform(X)
    other = SparseFiltering([4, 4, 4], max_iter=5, random_state=0).fit_transform(X)
    np.testing.assert_array_equal(one, other)


# --- every kind of input ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_threads_change_nothing_and_chunks_only_rounding(activation, monkeypatch):
    X = samples(n=1000)
    learner = SparseFiltering([5, 3], activation=activation, eps=SMOOTH, max_iter=8, random_state=0)
    whole = learner.fit_transform(X)
    monkeypatch.setattr(sparse_filtering, "WALK_ROWS", 64)
    parts = []
    for threads in ("1", "2"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        parts.append(learner.fit_transform(X))
    np.testing.assert_array_equal(parts[0], parts[1])
    np.testing.assert_allclose(parts[0], whole, atol=1e-6)


def test_memmaps_streams_and_dask_learn_the_same(tmp_path):
    X = samples(n=600)
    learner = SparseFiltering([5, 3], eps=SMOOTH, max_iter=8, random_state=0)
    expected = learner.fit_transform(X)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    np.testing.assert_allclose(learner.fit_transform(mapped), expected, atol=1e-6)

    def stream():
        return iter([X[:7], X[7:7], X[7:350], X[350:]])

    np.testing.assert_allclose(np.concatenate(list(learner.fit(stream).transform(stream))), expected, atol=1e-6)
    array = pytest.importorskip("dask.array", reason="pip install 'featlearn[dask]'").from_array(X, chunks=(250, 8))
    np.testing.assert_allclose(learner.fit(array).transform(array).compute(), expected, atol=1e-6)


def test_small_integers_are_read_as_float32():
    X = np.random.default_rng(0).integers(0, 256, (300, 6)).astype(np.uint8)
    learner = SparseFiltering([4, 3], max_iter=5, random_state=0).fit(X)
    assert learner.components_.dtype == np.float32
    expected = SparseFiltering([4, 3], max_iter=5, random_state=0).fit_transform(X.astype(np.float32))
    np.testing.assert_array_equal(learner.transform(X), expected)


def test_float32_stays_float32():
    X = samples(dtype=np.float32)
    learner = SparseFiltering(5, max_iter=20, random_state=0).fit(X)
    assert learner.transform(X).dtype == learner.components_.dtype == learner.layers_[0].norms.dtype == np.float32
    exact = SparseFiltering(5, max_iter=20, random_state=0).fit(X.astype(np.float64))
    assert learner.objective_ == pytest.approx(exact.objective_, rel=1e-2)
    assert learner.transform(X.astype(np.float64)).dtype == np.float64


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    "X",
    [np.ones((1, 3)), np.arange(4.0)[None], np.zeros((5, 3)), np.eye(4)[[0, 0, 1]], np.ones((3, 1))],
    ids=["one constant", "one", "zeros", "zero columns", "one feature"],
)
@pytest.mark.filterwarnings("ignore:SparseFiltering. of 2 units")  # zeros have no code
def test_few_and_flat_samples_are_finite(activation, X):
    learner = SparseFiltering([3, 2], activation=activation, random_state=0).fit(X)
    assert np.isfinite(learner.transform(X)).all()
    assert np.isfinite(learner.objective_)
    assert np.isfinite(learner.components_).all()


@pytest.mark.filterwarnings("ignore:SparseFiltering. of 5 units")
def test_responses_that_eps_hides_are_told():
    with pytest.warns(ConvergenceWarning, match=r"responds by more than \d.*eps=1000000.0, which hides it") as caught:
        SparseFiltering(5, max_iter=3, eps=1e6, random_state=0).fit(samples())
    assert caught[0].filename == __file__


# --- scale, usefulness, convergence -----------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("factor", [2.0**-33, 2.0**-20, 2.0**20, 2.0**33])  # volts are 1e-6; float32 bears 1e-10
def test_units_change_nothing(activation, dtype, factor):
    X = samples(dtype=dtype)
    expected = SparseFiltering([5, 3], activation=activation, max_iter=20, random_state=0).fit(X)
    ours = SparseFiltering([5, 3], activation=activation, max_iter=20, random_state=0).fit(X * dtype(factor))
    np.testing.assert_allclose(ours.transform(X * dtype(factor)), expected.transform(X), atol=1e-3)
    np.testing.assert_allclose(ours.components_ * factor, expected.components_, atol=1e-3)


def test_the_papers_scale_starts_at_standard_normal_weights():
    X = samples()
    X -= X.mean(axis=1, keepdims=True)
    X /= np.sqrt(np.mean(X**2))
    learner = SparseFiltering(5, max_iter=1, random_state=0).fit(X)
    loss = objective(X, np.random.RandomState(0).standard_normal((5, 8)))[0]
    assert learner.loss_curve_[0] == pytest.approx(loss, rel=0.1)


@pytest.mark.filterwarnings("ignore:SparseFiltering. every feature is divided")
@pytest.mark.parametrize("kind", ["one feature in seconds", "an outlier"])
def test_a_feature_that_drowns_the_others_is_told(kind):
    X = samples()
    X[:, 2] *= 1e5 if kind == "one feature in seconds" else 1
    X[7, 2] *= 1e7 if kind == "an outlier" else 1
    with pytest.warns(UserWarning, match=r"SparseFiltering: responses are sums.*StandardScaler.*outlier") as caught:
        SparseFiltering(5, max_iter=3, random_state=0).fit(X)
    assert caught[0].filename == __file__


def test_rows_that_all_look_alike_are_told():
    X = samples() + 1e9 * np.arange(8)
    with pytest.warns(UserWarning, match=r"of 5 units, [345] are constant.*StandardScaler"):
        SparseFiltering(5, max_iter=3, random_state=0).fit(X)


def test_the_authors_number_of_iterations_is_silent_and_a_tol_out_of_reach_is_told():
    X = samples()
    assert SparseFiltering(5, max_iter=7, random_state=0).fit(X).n_iter_ == 7
    with pytest.warns(
        ConvergenceWarning, match=r"max_iter=7.*component of the gradient is \d.*tol=1e-05.*tol=0"
    ) as caught:
        SparseFiltering(5, max_iter=7, tol=1e-5, random_state=0).fit(X)
    assert caught[0].filename == __file__
    assert SparseFiltering(5, max_iter=200, tol=1e-1, random_state=0).fit(X).n_iter_ < 200


# --- manners ----------------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_and_state_survives_pickle_and_clone():
    X = samples()
    learner = SparseFiltering([5, 3], max_iter=8, random_state=0).fit(X)
    again = clone(learner).fit(X)
    np.testing.assert_array_equal(learner.components_, again.components_)
    assert not np.array_equal(
        learner.components_, SparseFiltering([5, 3], max_iter=8, random_state=1).fit(X).components_
    )
    copy = pickle.loads(pickle.dumps(learner))
    np.testing.assert_array_equal(copy.transform(X), learner.transform(X))


def test_first_weights_are_standard_normal_and_centering_is_a_choice():
    X = samples()
    learner = SparseFiltering(300, max_iter=1, random_state=0)
    (W,) = learner.fit(X)._first_weights(np.random.RandomState(0), [300])
    assert W.std() == pytest.approx(1, abs=0.05)
    plain = SparseFiltering(4, max_iter=5, center=False, random_state=0).fit(X)
    assert plain.objective_ == pytest.approx(objective(X, plain.components_)[0])
    centered = X - X.mean(axis=1, keepdims=True)
    same = SparseFiltering(4, max_iter=5, random_state=0).fit(X)
    np.testing.assert_allclose(same.transform(X), same.transform(X + np.arange(400.0)[:, None]), atol=1e-8)
    np.testing.assert_allclose(
        SparseFiltering(4, max_iter=5, center=False, random_state=0).fit_transform(centered),
        same.transform(X),
        atol=1e-8,
    )


def test_a_warm_start_goes_on_where_the_fit_ended():
    X = samples()
    learner = SparseFiltering([5, 3], max_iter=10, warm_start=True, random_state=0).fit(X)
    first = [layer.objective for layer in learner.layers_]
    learner.fit(X)
    assert learner.layers_[0].loss_curve[0] < first[0]
    assert learner.layers_[0].objective < first[0]
    cold = clone(learner).set_params(warm_start=False).fit(X)
    assert cold.layers_[0].objective == first[0]
    learner.set_params(warm_start=False).fit(X)
    np.testing.assert_array_equal(learner.components_, cold.components_)


def test_a_warm_start_from_other_shapes_is_refused_and_keeps_the_fit():
    X = samples()
    learner = SparseFiltering(5, max_iter=3, warm_start=True, random_state=0).fit(X)
    codes = learner.transform(X)
    with pytest.raises(ValueError, match=r"fitted weights have the shapes \[\(5, 8\)\], but \[\(6, 8\)\] are needed"):
        learner.set_params(n_components=6).fit(X)
    with pytest.raises(ValueError, match=r"but \[\(5, 4\)\] are needed.*warm_start=False"):
        learner.set_params(n_components=5).fit(X[:, :4])
    learner.set_callbacks(watch := Watch())
    with pytest.raises(ValueError, match=r"but \[\(5, 8\), \(5, 5\)\] are needed"):
        learner.set_params(n_layers=2).fit(X)
    assert not watch.losses  # before a layer is learned in vain
    learner.set_params(n_layers=1)
    np.testing.assert_array_equal(learner.transform(X), codes)


def test_parameters_set_after_the_fit_are_checked():
    learner = SparseFiltering(5, max_iter=2, random_state=0).fit(samples())
    with pytest.raises(ValueError, match="SparseFiltering: activation='abs' is not valid; pass one of 'softabs'"):
        learner.set_params(activation="abs").transform(samples())


class Watch:
    """A callback that collects the loss of every iteration and can raise at one."""

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


def test_callbacks_see_every_iteration_and_an_estimator_that_works():
    X, watch = samples(), Watch()
    learner = SparseFiltering([5, 3], max_iter=6, random_state=0).set_callbacks(watch).fit(X)
    np.testing.assert_array_equal(watch.losses, learner.loss_curve_)
    np.testing.assert_allclose(watch.fitted.transform(X), learner.transform(X), atol=1e-9)


def test_early_stopping_stops_each_layer():
    stop = EarlyStopping(monitor="loss", patience=2, tol=0.01)
    learner = SparseFiltering([6, 4], tol=0, random_state=0).set_callbacks(stop).fit(samples())
    assert len(stop.stopped_) == 2
    assert all(3 <= len(layer.loss_curve) < 100 for layer in learner.layers_)


def test_an_interrupt_keeps_the_iterations_that_are_whole():
    X = samples()
    with pytest.warns(ConvergenceWarning, match="interrupted, so the fit ends after 3 iterations"):
        ours = SparseFiltering(5, random_state=0).set_callbacks(Watch(3)).fit(X)
    expected = SparseFiltering(5, max_iter=3, random_state=0).fit(X)
    np.testing.assert_allclose(ours.components_, expected.components_)
    np.testing.assert_allclose(ours.transform(X), expected.transform(X))
    assert ours.n_iter_ == len(ours.loss_curve_) == 3


def test_an_interrupt_of_the_first_layer_leaves_the_others_valid():
    X = samples()
    with pytest.warns(ConvergenceWarning, match="after 2 iterations"):
        ours = SparseFiltering([5, 3], random_state=0).set_callbacks(Watch(2)).fit(X)
    assert ours.transform(X).shape == (400, 3)
    assert [len(layer.loss_curve) for layer in ours.layers_] == [2, 1]


class Broken(Watch):
    """A callback that fails at the second iteration."""

    def on_fit_task_end(self, estimator, context, *, metadata=None, fitted_estimator=None):
        if metadata and "loss" in metadata:
            self.losses.append(metadata["loss"])
            if len(self.losses) == 2:
                raise ArithmeticError


def test_a_failed_fit_leaves_the_estimator_as_it_was():
    learner = SparseFiltering([5, 3], max_iter=5, random_state=0).set_callbacks(Broken())
    attributes = set(vars(learner))
    with pytest.raises(ArithmeticError):
        learner.fit(samples())
    assert set(vars(learner)) == attributes
    with pytest.raises(NotFittedError):
        learner.transform(samples())
    X = samples()
    learner = SparseFiltering([5, 3], max_iter=5, random_state=0).fit(X)
    codes = learner.transform(X)
    with pytest.raises(ArithmeticError):
        learner.set_callbacks(Broken()).fit(samples(d=9))
    assert learner.n_features_in_ == 8
    np.testing.assert_array_equal(learner.transform(X), codes)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"solver": "sgd"}, "SparseFiltering: solver='sgd' is not valid; pass one of 'lbfgs'"),
        ({"n_components": 0}, "n_components=0 is not valid; pass an integer of at least 1 or a list"),
        ({"n_components": [4, 0]}, r"n_components=\[4, 0\] is not valid"),
        ({"n_components": []}, r"n_components=\[\] is not valid"),
        ({"n_components": 2.5}, "n_components=2.5 is not valid"),
        ({"n_components": [4, 3], "n_layers": 3}, r"gives 2 layers and n_layers=3\. Leave n_layers at 1"),
        ({"activation": "abs"}, "activation='abs' is not valid; pass one of 'softabs', 'log'"),
        ({"n_layers": 0}, "n_layers=0 is not valid"),
        ({"max_iter": 0}, "max_iter=0 is not valid"),
        ({"tol": -1}, "tol=-1 is not valid"),
        ({"eps": 0}, "eps=0 is not valid; pass a number greater than 0"),
        ({"center": 1}, "center=1 is not valid; pass True or False"),
        ({"warm_start": None}, "warm_start=None is not valid"),
    ],
)
def test_parameters_out_of_range_are_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        SparseFiltering(**parameters).fit(samples())


def test_bad_data_are_named():
    X = samples()
    with pytest.raises(ValueError, match="contains NaN"):
        SparseFiltering().fit(np.where(np.arange(400)[:, None] == 3, np.nan, X))
    with pytest.raises(ValueError, match="chunk given to SparseFiltering contains NaN"):
        SparseFiltering(max_iter=2).fit(lambda: iter([X, np.full((2, 8), np.nan)]))
    with pytest.raises(ValueError, match=r"several times.*function that returns a fresh iterator"):
        SparseFiltering().fit(iter([X]))
    with pytest.raises(ValueError, match="expecting 8 features"):
        SparseFiltering(max_iter=2).fit(X).transform(X[:, :7])
    with pytest.raises(ValueError, match=r"squares of float32 numbers overflow above.*Scale the data"):
        SparseFiltering(center=False).fit(np.full((3, 2), 1e20, np.float32))
