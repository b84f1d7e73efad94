"""The autoencoders: gradients against finite differences, known answers, and the manners of an estimator.

Also tests featlearn.training.learner, featlearn.vectors.autoencoder_core, featlearn.vectors.contractive_autoencoder,
featlearn.vectors.denoising_autoencoder, featlearn.vectors.features and featlearn.vectors.sparse_autoencoder.
"""

import pickle
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

import featlearn.training.learner
from featlearn import accumulate
from featlearn.callbacks import EarlyStopping
from featlearn.training import LBFGS, Batch, GradientDescent, shards
from featlearn.training.shards import NumpyEngine
from featlearn.vectors.autoencoder_core import AutoencoderObjective, corrupted, sparsity
from featlearn.vectors.contractive_autoencoder import ContractiveAutoencoder
from featlearn.vectors.denoising_autoencoder import DenoisingAutoencoder
from featlearn.vectors.sparse_autoencoder import SparseAutoencoder

ALL = [SparseAutoencoder, DenoisingAutoencoder, ContractiveAutoencoder]
X = np.random.default_rng(0).random((60, 7))


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


FUNCTIONS = {"sigmoid": sigmoid, "tanh": np.tanh, "relu": lambda z: np.maximum(z, 0), "linear": lambda z: z}


def layers_of(o, params):
    """Matrices (inputs, outputs) and biases of all layers, written out for each number of layers."""
    W, b = ({k: v for k, v in params.items() if k[0] == kind} for kind in "Wb")
    matrices = [W["W1"].T, (W["W1"] if o.tied else W["W2"])] if len(o.widths) == 1 else None
    if len(o.widths) == 2:
        down = (W["W2"].T, W["W1"]) if o.tied else (W["W3"].T, W["W4"])
        matrices = [W["W1"].T, W["W2"], *down]
    if len(o.widths) == 3:
        down = (W["W3"], W["W2"].T, W["W1"]) if o.tied else (W["W4"], W["W5"].T, W["W6"])
        matrices = [W["W1"].T, W["W2"], W["W3"].T, *down]
    return matrices, [b[f"b{i}"] for i in range(1, len(b) + 1)]


def objective_by_hand(o, params, x, target):
    """The objective as its header prints it, sample by sample in float64."""
    matrices, biases = layers_of(o, params)
    f, g, codes, total = FUNCTIONS[o.activation], FUNCTIONS[o.output], [], 0.0
    for row, wanted in zip(x, target, strict=True):
        h = row
        for i, (A, b) in enumerate(zip(matrices, biases, strict=True)):
            h = (g if i == len(matrices) - 1 else f)(h @ A + b)
            if i == len(o.widths) - 1:
                codes.append(h)
        if o.loss_name == "cross_entropy":
            total -= (wanted * np.log(h) + (1 - wanted) * np.log(1 - h)).sum() / len(x)
        else:
            total += 0.5 * ((h - wanted) ** 2).sum() / len(x)
    codes = np.array(codes)
    if o.sparsity_cost:
        rho = o.sparsity_target
        for r in codes.mean(axis=0):
            r = (1 + r) / 2 if o.activation == "tanh" else r
            r = 1e-6 + (1 - 2e-6) * r  # the margin that keeps logarithms finite
            total += o.sparsity_cost * (rho * np.log(rho / r) + (1 - rho) * np.log((1 - rho) / (1 - r)))
    for j, h in product(range(codes.shape[1]), codes if o.contraction else []):
        slope = {"sigmoid": h[j] * (1 - h[j]), "tanh": 1 - h[j] ** 2, "linear": 1.0}[o.activation]
        total += o.contraction / len(x) * slope**2 * (matrices[0][:, j] ** 2).sum()
    return total


def by_engine(o, params, x, parts=1, seed=(1, 2)):
    """Loss and gradient of the hand-derived engine, in ``parts`` shards."""

    before, shards.n_shards = shards.n_shards, lambda *shapes: parts
    try:
        return NumpyEngine(o, 0.0).value_and_gradient(params, Batch(x), list(seed), {})
    finally:
        shards.n_shards = before


def finite_differences(f, params, step=3e-5):
    grads = {}
    for name, p in params.items():
        grads[name] = np.empty_like(p)
        for i in np.ndindex(p.shape):
            kept = p[i]
            p[i] = kept + step
            high = f()
            p[i] = kept - step
            grads[name][i] = (high - f()) / (2 * step)
            p[i] = kept
    return grads


def combinations():
    for activation, output, tied, widths in product(
        FUNCTIONS, ["sigmoid", "tanh", "relu", "linear", "cross_entropy"], [False, True], [(4,), (4, 3), (4, 3, 2)]
    ):
        entropy = output == "cross_entropy"
        o = AutoencoderObjective(
            widths, activation, "sigmoid" if entropy else output, "cross_entropy" if entropy else "squared", tied
        )
        yield o
        if activation in ("sigmoid", "tanh"):
            yield replace(o, sparsity_cost=0.7, sparsity_target=0.2)
        if activation != "relu" and len(widths) == 1:
            yield replace(o, contraction=0.4)
        if activation in ("sigmoid", "tanh") and len(widths) == 1:
            yield replace(o, contraction=0.4, sparsity_cost=0.7, corruption="masking", corruption_level=0.3)


def started(o, dtype=np.float64, d=5, seed=0):
    rng = np.random.RandomState(seed)
    params = o.init(d, rng, dtype)
    for name in params:  # biases too: at 0 some mistakes do not show
        params[name] += rng.normal(scale=0.3, size=params[name].shape).astype(dtype)
    return params


def name(o):
    marks = [*map(str, o.widths), o.activation, o.loss_name if o.loss_name != "squared" else o.output]
    marks += ["tied"] * o.tied + ["sparse"] * bool(o.sparsity_cost) + ["contractive"] * bool(o.contraction)
    return "-".join(marks)


# The objective


@pytest.mark.parametrize("o", list(combinations()), ids=name)
def test_the_gradient_derived_by_hand(o):
    params, x = started(o), np.random.default_rng(3).random((6, 5))
    draws = np.random.Generator(np.random.SFC64(np.random.SeedSequence([1, 2])))
    noisy = corrupted(x, o.corruption, o.corruption_level, draws)
    loss, grads = by_engine(o, params, x)
    np.testing.assert_allclose(loss, objective_by_hand(o, params, noisy, x), rtol=1e-12)
    expected = finite_differences(lambda: objective_by_hand(o, params, noisy, x), params)
    assert grads.keys() == expected.keys()
    for key in grads:
        np.testing.assert_allclose(grads[key], expected[key], rtol=1e-6, atol=1e-8, err_msg=key)


@pytest.mark.parametrize("parts", [2, 3])
@pytest.mark.parametrize("widths", [(9,), (9, 4), (9, 5, 4)])
@pytest.mark.parametrize("tied", [False, True])
def test_shards_add_up_to_the_whole(parts, widths, tied):
    o = AutoencoderObjective(widths, tied=tied, sparsity_cost=0.5, corruption="gaussian", corruption_level=0.3)
    o = replace(o, contraction=0.2) if len(widths) == 1 else o
    params = started(o)
    x = np.random.default_rng(3).random((6, 5))
    (loss, grads), (expected, whole) = (by_engine(o, params, x, n) for n in (parts, 1))
    np.testing.assert_allclose(loss, expected, rtol=1e-12)
    for key in whole:
        np.testing.assert_allclose(grads[key], whole[key], rtol=1e-9, atol=1e-12, err_msg=key)


@pytest.mark.parametrize(
    "o",
    [
        AutoencoderObjective((4, 3), "sigmoid", "linear", tied=True, sparsity_cost=0.7),
        AutoencoderObjective((4,), "tanh", "sigmoid", "cross_entropy", sparsity_cost=0.7, contraction=0.3),
        AutoencoderObjective((4, 3, 2), "relu", "tanh"),
        AutoencoderObjective((4,), "linear", "relu", contraction=0.3),
        AutoencoderObjective((4,), "sigmoid", "sigmoid", tied=True, contraction=0.3),
    ],
    ids=name,
)
def test_the_automatic_gradient_is_the_same(o):
    pytest.importorskip("keras")
    from keras import ops

    from featlearn.kernels.backend import value_and_grad

    params, x = started(o), np.random.default_rng(3).random((6, 5))
    tensors = {k: ops.convert_to_tensor(v) for k, v in params.items()}
    value, automatic = value_and_grad(o.loss)(tensors, Batch(ops.convert_to_tensor(x)), None)
    loss, grads = by_engine(o, params, x)
    np.testing.assert_allclose(loss, float(value), rtol=1e-9)
    for key in grads:
        np.testing.assert_allclose(grads[key], np.asarray(automatic[key]), rtol=1e-6, atol=1e-9, err_msg=key)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
@pytest.mark.parametrize("bias", [-1e4, 1e4])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_saturated_units_give_finite_numbers(activation, bias, dtype):
    o = AutoencoderObjective((4,), activation, "sigmoid", "cross_entropy", sparsity_cost=3.0, contraction=0.1)
    params = started(o, dtype)
    params["b1"][:2], params["b2"][:2] = bias, bias
    loss, grads = by_engine(o, params, np.random.default_rng(3).random((6, 5)).astype(dtype))
    assert np.isfinite(loss)
    for g in grads.values():
        assert g.dtype == dtype
        assert np.isfinite(g).all()


def test_divergence_from_the_wanted_mean_by_hand():
    h = np.array([[0.1, 0.5], [0.3, 0.9]])
    value, slope = sparsity(h, "sigmoid", 0.1)
    means = np.array([0.2, 0.7])
    np.testing.assert_allclose(
        value, sum(0.1 * np.log(0.1 / r) + 0.9 * np.log(0.9 / (1 - r)) for r in means), rtol=1e-5
    )
    np.testing.assert_allclose(slope, (-0.1 / means + 0.9 / (1 - means)) / 2, rtol=1e-5)
    assert sparsity(np.full((3, 2), 0.1), "sigmoid", 0.1)[0] == pytest.approx(0, abs=1e-9)
    assert sparsity(np.full((3, 2), -0.8), "tanh", 0.1)[0] == pytest.approx(0, abs=1e-9)


def test_contractive_penalty_is_the_jacobian():
    o = AutoencoderObjective((4,), contraction=1.0)
    params, x = started(o), np.random.default_rng(3).random((6, 5))

    def code(v):
        return sigmoid(params["W1"] @ v + params["b1"])

    jacobians = [
        np.array([(code(row + 1e-5 * e) - code(row - 1e-5 * e)) / 2e-5 for e in np.eye(5)]).ravel() for row in x
    ]
    (with_penalty, grads), (without, plain) = by_engine(o, params, x), by_engine(replace(o, contraction=0.0), params, x)
    np.testing.assert_allclose(with_penalty - without, np.mean([(J**2).sum() for J in jacobians]), rtol=1e-6)
    assert abs(grads["W1"] - plain["W1"]).min() > 1e-6


def test_tied_weights_sum_both_gradients():
    free = AutoencoderObjective((4,))
    params, x = started(free), np.random.default_rng(3).random((6, 5))
    params["W2"] = params["W1"].copy()
    both = by_engine(free, params, x)[1]
    one = by_engine(replace(free, tied=True), {k: params[k] for k in ("W1", "b1", "b2")}, x)[1]
    np.testing.assert_allclose(one["W1"], both["W1"] + both["W2"])


@pytest.mark.parametrize("rows", [63, 64, 65, 128, 300])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropy_of_many_rows(rows, dtype):
    # inputs near 0, where each 1 + e^-|z| is nearly 2: a product over all rows would overflow
    o = AutoencoderObjective((4,), "sigmoid", "sigmoid", "cross_entropy")
    params = {k: (0.01 * v).astype(dtype) for k, v in started(o).items()}
    x = np.random.default_rng(3).random((rows, 5)).astype(dtype)
    expected = objective_by_hand(o, {k: v.astype(float) for k, v in params.items()}, x.astype(float), x.astype(float))
    np.testing.assert_allclose(by_engine(o, params, x)[0], expected, rtol=1e-12 if dtype == np.float64 else 1e-5)


# Corruption


def generator(seed=0):
    return np.random.Generator(np.random.SFC64(seed))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_corruption_statistics(dtype):
    x = np.full((300, 400), 0.4, dtype)
    kept = x.copy()
    masked, noisy, salted = (
        corrupted(x, kind, 0.3, generator()) for kind in ("masking", "gaussian", "salt_and_pepper")
    )
    for out in (masked, noisy, salted):
        assert out.dtype == dtype
        np.testing.assert_array_equal(x, kept)
    assert set(np.unique(masked)) == {0, dtype(0.4)}
    assert abs((masked == 0).mean() - 0.3) < 0.005
    assert abs((noisy - x).mean()) < 0.005
    assert abs((noisy - x).std() - 0.3) < 0.005
    assert set(np.unique(salted)) == {0, dtype(0.4), 1}
    assert abs((salted == 0).mean() - 0.15) < 0.005
    assert abs((salted == 1).mean() - 0.15) < 0.005
    for kind in ("masking", "salt_and_pepper", "gaussian"):
        np.testing.assert_array_equal(corrupted(x, kind, 0.0, generator()), x)
    assert (corrupted(x, "masking", 1.0, generator()) == 0).all()


@pytest.mark.parametrize("kind", ["masking", "gaussian", "salt_and_pepper"])
def test_corruption_of_tensors_has_the_same_statistics(kind):
    pytest.importorskip("keras")
    from keras import ops

    from featlearn.vectors.autoencoder_core import corrupted_tensor

    x = np.full((300, 400), 0.4, np.float32)
    seed = ops.convert_to_tensor(np.array([3, 4], np.int32))
    tensor = np.asarray(corrupted_tensor(ops.convert_to_tensor(x), kind, 0.3, seed))
    array = corrupted(x, kind, 0.3, generator())
    assert tensor.dtype == np.float32
    for value in (0.0, 1.0):
        assert abs((tensor == value).mean() - (array == value).mean()) < 0.01
    assert abs(tensor.mean() - array.mean()) < 0.01
    assert abs(tensor.std() - array.std()) < 0.01


def test_the_target_is_never_corrupted():
    # with all inputs masked the output is its bias, and the gradient of the bias is the distance to the clean mean
    o = AutoencoderObjective((4,), corruption="masking", corruption_level=1.0)
    params, x = started(o), np.random.default_rng(3).random((6, 5))
    loss, found = by_engine(o, params, x)
    y = sigmoid(params["b1"]) @ params["W2"] + params["b2"]
    np.testing.assert_allclose(loss, 0.5 * ((y - x) ** 2).sum(axis=1).mean())
    np.testing.assert_allclose(found["b2"], y - x.mean(axis=0))


def test_codes_and_scores_are_of_uncorrupted_samples():
    learner = DenoisingAutoencoder(3, corruption_level=0.9, max_iter=3, random_state=0).fit(X)
    h = sigmoid((X - learner.mean_) @ learner.components_.T + learner.intercept_)
    np.testing.assert_allclose(learner.transform(X), h)
    y = h @ learner.decoder_components_ + learner.decoder_intercept_ + learner.mean_
    np.testing.assert_allclose(learner.score(X), -0.5 * (((y - X) / learner.scale_) ** 2).sum(axis=1).mean())


# What they learn


def test_a_linear_tied_one_spans_the_principal_components():
    rng = np.random.default_rng(0)
    data = rng.normal(size=(300, 6)) * [3, 2, 1, 0.3, 0.2, 0.1] @ np.linalg.qr(rng.normal(size=(6, 6)))[0] + 5
    learner = SparseAutoencoder(
        2,
        activation="linear",
        tied=True,
        sparsity_cost=0,
        standardize=False,
        solver="lbfgs",
        max_iter=500,
        random_state=0,
    ).fit(data)
    principal = np.linalg.svd(data - data.mean(axis=0))[2][:2]
    span = np.linalg.qr(learner.components_.T)[0]
    np.testing.assert_allclose(np.linalg.svd(principal @ span)[1], 1, atol=1e-5)
    centered = data - data.mean(axis=0)
    error = 0.5 * ((centered - centered @ principal.T @ principal) ** 2).sum(axis=1).mean()
    np.testing.assert_allclose(-learner.score(data), error, rtol=1e-4)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
@pytest.mark.parametrize("widths", [5, [6, 4]])
def test_units_reach_the_mean_activity_wanted(activation, widths):
    learner = SparseAutoencoder(
        widths, activation=activation, sparsity_target=0.1, sparsity_cost=50, solver=LBFGS(tol=0), random_state=0
    ).fit(X)
    means = learner.transform(X).mean(axis=0)
    np.testing.assert_allclose(means, 0.1 if activation == "sigmoid" else -0.8, atol=0.01)


def test_denoising_fills_in_what_is_masked():
    # all columns are equal, so a masked one can be read off the others
    data = np.random.default_rng(0).normal(size=(400, 1)) * np.ones(8)
    masked = data * (np.random.default_rng(1).random(data.shape) > 0.4)
    settings = {"activation": "linear", "solver": GradientDescent("adam", 0.01), "max_iter": 60, "random_state": 0}
    plain, denoising = (DenoisingAutoencoder(8, corruption_level=level, **settings).fit(data) for level in (0.0, 0.4))
    errors = [((learner.reconstruct(masked) - data) ** 2).mean() for learner in (plain, denoising)]
    assert errors[1] < 0.5 * errors[0]


def test_contraction_flattens_the_codes():
    norms = []
    for contraction in (0.0, 10.0):
        learner = ContractiveAutoencoder(4, contraction=contraction, solver=LBFGS(tol=0), random_state=0).fit(X)
        h = learner.transform(X)
        norms.append(((h * (1 - h)) ** 2 @ (learner.components_**2).sum(axis=1)).mean())
    assert norms[1] < 0.1 * norms[0]


def test_weight_decay_is_for_weights():
    small = SparseAutoencoder(3, sparsity_cost=0, weight_decay=100.0, solver="lbfgs", random_state=0)
    with pytest.warns(UserWarning, match="of 3 units, 3 are constant"):
        small.fit(X)
    assert max(abs(A).max() for A in small.coefs_) < 1e-2
    np.testing.assert_allclose(small.decoder_intercept_ + small.mean_, X.mean(axis=0), atol=0.02)


# Fitted attributes


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("widths", [5, [5], (5, 3), [6, 4, 2]])
def test_shapes_of_layers(widths, tied):
    learner = SparseAutoencoder(widths, tied=tied, max_iter=2, random_state=0).fit(X.astype(np.float32))
    sizes = [7, *np.atleast_1d(widths), *np.atleast_1d(widths)[-2::-1], 7]
    assert [A.shape for A in learner.coefs_] == list(pairwise(sizes))
    assert [b.shape for b in learner.intercepts_] == [(size,) for size in sizes[1:]]
    assert {A.dtype for A in learner.coefs_ + learner.intercepts_} == {np.dtype(np.float32)}
    h = X.astype(np.float32) - learner.mean_
    for i, (A, b) in enumerate(zip(learner.coefs_, learner.intercepts_, strict=True)):
        h = h @ A + b if i == len(sizes) - 2 else sigmoid(h @ A + b)
        if i == len(learner.coefs_) // 2 - 1:
            code = h
    found = learner.transform(X.astype(np.float32))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, code, rtol=1e-5)
    back = h + learner.mean_
    np.testing.assert_allclose(learner.inverse_transform(found), back, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(learner.reconstruct(X.astype(np.float32)), back, rtol=1e-4, atol=1e-6)
    assert len(learner.get_feature_names_out()) == np.atleast_1d(widths)[-1]
    if tied:
        np.testing.assert_allclose(learner.coefs_[-1], learner.coefs_[0].T * learner.scale_**2, rtol=1e-6)
        for A, mirrored in zip(learner.coefs_[1:-1], learner.coefs_[-2:0:-1], strict=True):
            np.testing.assert_array_equal(A, mirrored.T)
    np.testing.assert_array_equal(learner.components_, learner.coefs_[0].T)
    np.testing.assert_array_equal(learner.decoder_components_, learner.coefs_[-1])
    assert learner.loss_curve_.shape == (learner.n_iter_,) == (2,)
    assert not hasattr(learner, "validation_curve_")


def test_score_is_minus_the_cross_entropy():
    learner = DenoisingAutoencoder(3, output="sigmoid", loss="cross_entropy", max_iter=2, random_state=0).fit(X)
    y = learner.reconstruct(X)
    expected = (X * np.log(y) + (1 - X) * np.log(1 - y)).sum(axis=1).mean()
    np.testing.assert_allclose(learner.score(X), expected)
    np.testing.assert_allclose(learner.score(iter([X[:7], X[7:]])), expected)
    learner.intercepts_[1][:] = 1e4
    assert np.isfinite(learner.score(X))


@pytest.mark.parametrize("Learner", ALL)
def test_streams_memmaps_and_dask_are_transformed(Learner, tmp_path):
    learner = Learner(3, max_iter=2, random_state=0).fit(X)
    expected = learner.transform(X)
    np.testing.assert_allclose(np.concatenate(list(learner.transform(iter([X[:20], X[20:]])))), expected)
    mapped = np.memmap(tmp_path / "x", np.float64, "w+", shape=X.shape)
    mapped[:] = X
    np.testing.assert_allclose(learner.transform(mapped), expected)
    np.testing.assert_array_equal(clone(learner).fit(mapped).components_, learner.components_)
    array = pytest.importorskip("dask.array").from_array(X, chunks=(25, 7))
    np.testing.assert_allclose(learner.transform(array).compute(), expected)
    np.testing.assert_allclose(learner.score(array), learner.score(X))
    with pytest.raises(ValueError, match="call partial_fit on its chunks"):
        learner.fit(iter([X]))


# Going on


@pytest.mark.parametrize("Learner", ALL)
def test_warm_start_goes_on(Learner):
    settings = {"tol": 0.0, "batch_size": None, "solver": "momentum", "random_state": 0}
    level = {"corruption_level": 0.0} if Learner is DenoisingAutoencoder else {}
    whole = Learner(3, max_iter=6, **settings, **level).fit(X)
    parts = Learner(3, max_iter=4, warm_start=True, **settings, **level).fit(X)
    parts.set_params(max_iter=2).fit(X)
    for A, B in zip(parts.coefs_, whole.coefs_, strict=True):
        np.testing.assert_allclose(A, B, rtol=1e-9)
    np.testing.assert_allclose(parts.loss_curve_, whole.loss_curve_[4:])
    cold = parts.set_params(warm_start=False, max_iter=6).fit(X)
    np.testing.assert_array_equal(cold.components_, whole.components_)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n_components": 4}, r"W1 \(3, 7\) instead of \(4, 7\)"),
        ({"n_components": [3, 2]}, r"W2 \(3, 7\) instead of \(3, 2\).*W3 None instead of \(3, 2\)"),
        ({"tied": True}, r"W2 \(3, 7\) instead of None"),
    ],
)
def test_warm_start_refuses_other_shapes(changed, message):
    learner = SparseAutoencoder(3, max_iter=2, warm_start=True, random_state=0).fit(X)
    before = learner.components_.copy()
    learner.set_params(**changed)
    with pytest.raises(
        ValueError, match=f"SparseAutoencoder: the weights learned so far .*{message}.*warm_start=False"
    ):
        learner.fit(X)
    np.testing.assert_array_equal(learner.components_, before)


def test_tied_weights_may_go_on_untied():
    learner = SparseAutoencoder(3, tied=True, max_iter=2, warm_start=True, random_state=0).fit(X)
    learner.set_params(tied=False).fit(X)
    assert abs(learner.components_ - learner.decoder_components_).max() > 1e-4


@pytest.mark.parametrize("Learner", ALL)
def test_partial_fit_learns_from_parts(Learner):
    learner = Learner(4, learning_rate=0.01, random_state=0)
    for _ in range(30):
        for part in (X[:30], X[30:]):
            learner.partial_fit(part)
    assert learner.loss_curve_.shape == (learner.n_iter_,) == (60,)
    assert learner.loss_curve_[-2:].mean() < 0.7 * learner.loss_curve_[:2].mean()
    with pytest.raises(ValueError, match="X has 6 features"):
        learner.partial_fit(X[:, :6])


def test_early_stopping_holds_out_training_rows(monkeypatch):
    import featlearn.training.learner as gradient

    seen = {}

    def spy(objective, rows, *args, validation, **kwargs):
        seen.update(rows=rows, held=validation.x)
        return minimize(objective, rows, *args, validation=validation, **kwargs)

    minimize = gradient.minimize
    monkeypatch.setattr(gradient, "minimize", spy)
    learner = SparseAutoencoder(3, early_stopping=True, validation_fraction=0.25, max_iter=5, random_state=0).fit(X)
    assert (len(seen["rows"]), len(seen["held"])) == (45, 15)
    together = np.concatenate([seen["rows"], seen["held"]])
    np.testing.assert_array_equal(np.sort(together, axis=0), np.sort(X, axis=0))
    assert learner.validation_curve_.shape == (5,)
    with pytest.raises(ValueError, match=r"early_stopping=True judges epochs.*solver='lbfgs'"):
        learner.set_params(solver="lbfgs").fit(X)


@pytest.mark.parametrize(("n", "fraction", "held"), [(2, 0.1, 1), (3, 0.9, 2), (4, 0.9, 3), (60, 0.1, 6)])
def test_early_stopping_leaves_a_row_to_learn_from(n, fraction, held):
    learner = SparseAutoencoder(2, early_stopping=True, validation_fraction=fraction, max_iter=1, random_state=0)
    training, validation = learner._split(Batch(X[:n]), np.random.RandomState(0))
    assert (len(training.x), len(validation.x)) == (n - held, held)
    assert learner.fit(X[:n]).n_iter_ == 1
    with pytest.raises(ValueError, match=r"early_stopping=True holds out samples, and n_samples=1 is too few"):
        learner.fit(X[:1])


# Manners


@pytest.mark.parametrize("Learner", ALL)
def test_the_same_seed_gives_the_same_and_a_clone_too(Learner):
    one = Learner(3, max_iter=3, random_state=4).fit(X)
    np.testing.assert_array_equal(one.components_, clone(one).fit(X).components_)
    assert abs(one.components_ - clone(one).set_params(random_state=5).fit(X).components_).max() > 0.01


class Interrupt:
    """A callback that raises after epoch ``epoch``, once."""

    max_propagation_depth = None

    def __init__(self, epoch):
        self.epoch = epoch

    def setup(self, estimator, context):
        self.seen = 0

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, metadata=None):
        self.seen += bool(metadata and "loss" in metadata)
        if self.seen == self.epoch:
            self.seen += 1
            raise KeyboardInterrupt


def same_state(one, other):
    """Whether two learners hold the same, to the last bit, and go on alike."""
    for A, B in zip(one.coefs_ + one.intercepts_, other.coefs_ + other.intercepts_, strict=True):
        np.testing.assert_array_equal(A, B)
    np.testing.assert_array_equal(one.loss_curve_, other.loss_curve_)
    assert one.n_iter_ == other.n_iter_ == len(one.loss_curve_)
    for learner in (one, other):
        learner.set_callbacks()
        learner.partial_fit(X)
    for A, B in zip(one.coefs_, other.coefs_, strict=True):
        np.testing.assert_array_equal(A, B)


@pytest.mark.parametrize("Learner", ALL)
@pytest.mark.parametrize("warm", [False, True])
def test_an_interrupted_fit_keeps_the_epochs_made(Learner, warm):
    one, other = (Learner(3, max_iter=2, warm_start=warm, random_state=0).fit(X) for _ in range(2))
    one.set_params(max_iter=50).set_callbacks(Interrupt(2))
    with pytest.warns(ConvergenceWarning, match=f"{Learner.__name__}: interrupted, so the fit ends after 2 iterations"):
        one.fit(X)
    same_state(one, other.fit(X))


@pytest.mark.parametrize("Learner", ALL)
@pytest.mark.parametrize("n_shards", [1, 2])
def test_an_interrupt_within_an_epoch_goes_back_to_its_beginning(Learner, n_shards, monkeypatch):
    monkeypatch.setattr(shards, "n_shards", lambda *shapes: n_shards)
    monkeypatch.setattr(shards, "n_threads", lambda: 2)
    settings = {"batch_size": 20, "solver": "momentum", "learning_rate": 0.01, "random_state": 0}
    expected = Learner(4, max_iter=2, **settings).fit(X)
    steps, gradient = 0, AutoencoderObjective.gradient

    def interrupted(self, params, x, draws, grads):
        nonlocal steps
        steps += draws.first
        if draws.first and steps == 3 + 3 + 2:  # the second of the third epoch
            raise KeyboardInterrupt
        return (yield from gradient(self, params, x, draws, grads))

    monkeypatch.setattr(AutoencoderObjective, "gradient", interrupted)
    learner = Learner(4, max_iter=50, **settings)
    with pytest.warns(ConvergenceWarning, match="interrupted, so the fit ends after 2 iterations with the best"):
        learner.fit(X)
    same_state(learner, expected)
    assert learner.transform(X).shape == (60, 4)


def test_an_interrupt_keeps_the_best_on_the_samples_held_out():
    settings = {"early_stopping": True, "n_iter_no_change": 50, "learning_rate": 0.3, "solver": "momentum"}
    settings |= {"sparsity_cost": 0, "random_state": 1}
    learner = SparseAutoencoder(3, max_iter=50, **settings).set_callbacks(Interrupt(12))
    with pytest.warns(ConvergenceWarning, match="after 12 iterations"):
        learner.fit(X)
    best = int(np.argmin(learner.validation_curve_)) + 1
    assert len(learner.validation_curve_) == len(learner.loss_curve_) == 12 > best
    expected = SparseAutoencoder(3, max_iter=best, **settings).fit(X)
    np.testing.assert_array_equal(learner.components_, expected.components_)


@pytest.mark.parametrize("Learner", ALL)
def test_an_interrupt_before_the_first_epoch_leaves_the_estimator_as_it_was(Learner, monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt
        yield

    learner = Learner(3, max_iter=5, random_state=0).fit(X)
    before = dict(learner.__dict__)
    copies = [A.copy() for A in learner.coefs_]
    monkeypatch.setattr(AutoencoderObjective, "gradient", interrupted)
    with pytest.raises(KeyboardInterrupt):
        learner.set_params(warm_start=True).fit(X + 1)
    with pytest.raises(KeyboardInterrupt):
        learner.partial_fit(X)
    for key, value in before.items():
        assert learner.__dict__[key] is value or key == "warm_start"
    for A, kept in zip(learner.coefs_, copies, strict=True):
        np.testing.assert_array_equal(A, kept)


@pytest.mark.parametrize("Learner", ALL)
def test_lbfgs_says_that_it_ended_at_max_iter(Learner):
    learner = Learner(3, solver="lbfgs", max_iter=4, random_state=0)
    message = rf"{Learner.__name__}: max_iter=4 iterations were made and the fit has not converged: .* and tol=1e-05"
    with pytest.warns(ConvergenceWarning, match=message):
        learner.fit(X)
    assert learner.n_iter_ == 4
    with pytest.warns(ConvergenceWarning, match="max_iter=1 iterations"):
        learner.set_params(max_iter=1).fit(X)
    # silent: a part of the data, no tolerance asked for, a callback's wish, an end by the tolerance, and epochs
    learner.set_params(max_iter=4).partial_fit(X)
    learner.set_params(solver=LBFGS(tol=0)).fit(X)
    learner.set_params(solver="lbfgs").set_callbacks(EarlyStopping(monitor="loss", patience=1, tol=0.9)).fit(X)
    assert learner.n_iter_ < 4
    learner.set_callbacks().set_params(solver=LBFGS(tol=0.5), max_iter=100).fit(X)
    assert learner.n_iter_ < 100
    learner.set_params(solver="adam", max_iter=2).fit(X)


@pytest.mark.parametrize("Learner", ALL)
@pytest.mark.parametrize("where", ["a callback", "a step"])
def test_an_interrupted_fit_by_lbfgs_keeps_the_iterations_made(Learner, where, monkeypatch):
    settings = {"solver": LBFGS(tol=0), "random_state": 0}
    expected = Learner(3, max_iter=3, **settings).fit(X)
    learner = Learner(3, max_iter=50, **settings)
    if where == "a callback":
        learner.set_callbacks(Interrupt(3))
    else:
        gradient = AutoencoderObjective.gradient

        def interrupted(self, params, x, draws, grads):
            if seen == 3:
                raise KeyboardInterrupt
            return (yield from gradient(self, params, x, draws, grads))

        monkeypatch.setattr(AutoencoderObjective, "gradient", interrupted)
        seen = 0
        end_iteration = featlearn.training.learner.end_iteration

        def counted(*args, **kwargs):
            nonlocal seen
            seen += 1
            return end_iteration(*args, **kwargs)

        monkeypatch.setattr(featlearn.training.learner, "end_iteration", counted)
    with pytest.warns(ConvergenceWarning, match=f"{Learner.__name__}: interrupted, so the fit ends after 3 iterations"):
        learner.fit(X)
    monkeypatch.undo()
    for A, B in zip(learner.coefs_, expected.coefs_, strict=True):
        np.testing.assert_array_equal(A, B)
    np.testing.assert_array_equal(learner.loss_curve_, expected.loss_curve_)
    assert learner.n_iter_ == 3


def test_callbacks_see_the_loss_and_may_stop():
    stop = EarlyStopping(monitor="loss", patience=1, tol=0.5)
    learner = SparseAutoencoder(3, max_iter=50, random_state=0).set_callbacks(stop).fit(X)
    assert learner.n_iter_ == 2


PREDICT = """
import pickle, sys
import numpy as np
learner = pickle.load(open(sys.argv[1], "rb"))
X = np.load(sys.argv[2])
np.testing.assert_array_equal(learner.transform(X), np.load(sys.argv[3]))
learner.score(X), learner.reconstruct(X)
assert not {"keras", "tensorflow", "jax"} & set(sys.modules), "heavy"
"""


@pytest.mark.parametrize("engine", ["numpy", "keras"])
def test_a_pickle_predicts_without_keras(engine, tmp_path):
    if engine == "keras":
        pytest.importorskip("keras")
    learner = SparseAutoencoder([4, 2], max_iter=2, engine=engine, random_state=0).fit(X)
    (tmp_path / "learner").write_bytes(pickle.dumps(learner))
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "codes.npy", learner.transform(X))
    files = [str(tmp_path / file) for file in ("learner", "x.npy", "codes.npy")]
    done = subprocess.run(
        [sys.executable, "-c", PREDICT, *files], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("learner", "message"),
    [
        (
            SparseAutoencoder(0),
            "SparseAutoencoder: n_components=0 is not valid; pass an integer of at least 1 or a list",
        ),
        (SparseAutoencoder([]), r"n_components=\[\] is not valid"),
        (SparseAutoencoder([4, 0]), r"n_components=\[4, 0\] is not valid"),
        (SparseAutoencoder(activation="elu"), "activation='elu' is not valid; pass one of 'sigmoid'"),
        (SparseAutoencoder(output="softmax"), "output='softmax' is not valid"),
        (SparseAutoencoder(loss="mse"), "loss='mse' is not valid; pass one of 'squared', 'cross_entropy'"),
        (SparseAutoencoder(tied=1), "tied=1 is not valid; pass True or False"),
        (SparseAutoencoder(sparsity_target=0), "sparsity_target=0 is not valid; pass a number greater than 0"),
        (SparseAutoencoder(sparsity_target=1), "sparsity_target=1 is not valid"),
        (SparseAutoencoder(sparsity_cost=-1), "sparsity_cost=-1 is not valid"),
        (SparseAutoencoder(weight_decay=-1), "weight_decay=-1 is not valid"),
        (SparseAutoencoder(batch_size=0), "batch_size=0 is not valid"),
        (SparseAutoencoder(solver="newton"), "SparseAutoencoder: solver='newton' is not valid; pass one of 'sgd'"),
        (SparseAutoencoder(solver=3), "SparseAutoencoder: solver=3 is not valid; pass one of 'sgd'"),
        (SparseAutoencoder(engine="gpu"), "engine='gpu' is not valid"),
        (SparseAutoencoder(activation="relu"), "activation='relu' are not bounded.*sparsity_cost=0"),
        (SparseAutoencoder(loss="cross_entropy"), "loss='cross_entropy' needs outputs in.*output='linear'.*'sigmoid'"),
        (DenoisingAutoencoder(corruption="dropout"), "corruption='dropout' is not valid; pass one of 'masking'"),
        (DenoisingAutoencoder(corruption_level=1.2), "corruption_level=1.2 is not valid; pass a number of at most 1"),
        (DenoisingAutoencoder(corruption_level=-1, corruption="gaussian"), "corruption_level=-1 is not valid"),
        (ContractiveAutoencoder([4, 3]), r"n_components=\[4, 3\] is not valid; pass one integer.*stack"),
        (ContractiveAutoencoder(contraction=-1), "contraction=-1 is not valid"),
        (ContractiveAutoencoder(activation="relu"), "contraction=0.1 needs a smooth activation.*'relu' jumps"),
    ],
)
def test_bad_parameters_are_named(learner, message):
    with pytest.raises(ValueError, match=message):
        learner.fit(X)
    assert not hasattr(learner, "coefs_")
    assert not hasattr(learner, "components_")


@pytest.mark.parametrize(
    "learner",
    [
        SparseAutoencoder(loss="cross_entropy", output="sigmoid"),
        DenoisingAutoencoder(corruption="salt_and_pepper"),
    ],
)
def test_data_outside_the_unit_interval_are_refused_where_it_matters(learner):
    pixels = np.arange(256, dtype=np.uint8).reshape(32, 8)
    with pytest.raises(ValueError, match=r"needs data in \[0, 1\], and they lie in \[0, 255\].*by 255"):
        learner.fit(pixels)
    with pytest.raises(
        ValueError, match=r"they lie in \[-1, 0.5\]\. Scale them, with sklearn.*MinMaxScaler\(clip=True\) say\."
    ):
        learner.fit(np.array([[-1.0, 0.5]]))


def test_scores_of_cross_entropy_need_the_unit_interval_too():
    learner = SparseAutoencoder(loss="cross_entropy", output="sigmoid", max_iter=1, random_state=0).fit(X)
    with pytest.raises(ValueError, match=r"SparseAutoencoder: loss='cross_entropy' needs data in \[0, 1\]"):
        learner.score(X + 1)


def test_the_scaling_that_the_error_names_works_across_folds():
    learner = DenoisingAutoencoder(2, output="sigmoid", loss="cross_entropy", max_iter=1, random_state=0)
    scaled = make_pipeline(MinMaxScaler(clip=True), learner).fit(X[:30])
    wider = 3 * X[30:] - 1  # a fold whose values leave the range of the one learned from
    assert np.isfinite(scaled.score(wider))
    with pytest.raises(ValueError, match=r"MinMaxScaler\(clip=True\)"):
        make_pipeline(MinMaxScaler(), learner).fit(X[:30]).score(wider)


@pytest.mark.parametrize("Learner", ALL)
def test_relu_and_deep_where_they_are_allowed(Learner):
    off = {SparseAutoencoder: {"sparsity_cost": 0}, ContractiveAutoencoder: {"contraction": 0}}.get(Learner, {})
    assert Learner(3, activation="relu", max_iter=1, random_state=0, **off).fit(X).transform(X).min() >= 0


def test_what_is_not_fitted_or_not_codes_is_refused():
    with pytest.raises(NotFittedError):
        SparseAutoencoder().transform(X)
    learner = SparseAutoencoder(3, max_iter=1, random_state=0).fit(X)
    with pytest.raises(ValueError, match=r"takes codes of 3 columns; got an array of shape \(60, 7\)"):
        learner.inverse_transform(X)
    with pytest.raises(ValueError, match="activation='elu' is not valid"):
        learner.set_params(activation="elu").transform(X)


def test_chunks_do_not_change_the_score():
    learner = SparseAutoencoder(3, standardize=False, max_iter=2, random_state=0).fit(X)
    y = learner.reconstruct(X)
    total = accumulate(lambda a, b: ((a - b) ** 2).sum() / 2, X, y, rows=7)
    np.testing.assert_allclose(learner.score(X), -total / len(X))
