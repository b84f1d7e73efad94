"""Networks on Keras: functions that build models, engines, devices, half precision, distributions.

Also tests featlearn.networks.engines.
Also tests featlearn.training.distributing.
"""

import gc
import os
import pickle
import random
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

from featlearn.networks import BatchNorm, Dense, NetworkClassifier, NetworkRegressor
from featlearn.networks import engines as engines_module

keras = pytest.importorskip("keras")
ROOT = Path(__file__).parents[2]


def build(input_shape, n_outputs, end=None, decay=0.0, units=5):
    """Dropout draws, batch normalization has a state."""
    regularizer = keras.regularizers.L2(decay) if decay else None
    x = inputs = keras.Input(input_shape)
    x = keras.layers.Dense(units, activation="tanh", kernel_regularizer=regularizer)(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Dropout(0.2)(x)
    return keras.Model(inputs, keras.layers.Dense(n_outputs, activation=end, kernel_regularizer=regularizer)(x))


def convolutions(input_shape, n_outputs):
    return keras.Sequential(
        [
            keras.Input(input_shape),
            keras.layers.Conv2D(3, 3, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(n_outputs),
        ]
    )


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 4)).astype(np.float32)
    return X, np.array(["a", "b", "c"])[np.argmax(X[:, :3], axis=1)]


def network(layers=build, **more):
    return NetworkClassifier(layers, **{"max_iter": 2, "batch_size": 20, "tol": 0, "random_state": 0} | more)


def arrays(net):
    return {f"{i}.{k}": v for i, f in enumerate(net.layers_) for k, v in (f.params | f.state).items()}


def assert_same(one, other, **tolerance):
    a, b = arrays(one), arrays(other)
    assert a.keys() == b.keys()
    for k in a:
        if tolerance:
            np.testing.assert_allclose(a[k], b[k], **tolerance, err_msg=k)
        else:
            np.testing.assert_array_equal(a[k], b[k], err_msg=k)


# The two engines


@pytest.mark.keras
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_engines_learn_the_same_weights(data, dtype):
    X, y = data[0].astype(dtype), data[1]
    weights = np.random.default_rng(1).random(len(y))
    layers = [Dense(6, "tanh"), BatchNorm(), Dense(5, "relu"), Dense(4, "sigmoid")]
    one, other = (
        network(layers, engine=engine, max_iter=1, weight_decay=1e-3).fit(X, y, sample_weight=weights)
        for engine in ("numpy", "keras")
    )
    assert_same(one, other, rtol=1e-5, atol=1e-5)
    assert other.layers_[0].params["W"].dtype == dtype
    np.testing.assert_allclose(other.loss_curve_, one.loss_curve_, rtol=1e-5)


# Functions that build models


@pytest.mark.keras
def test_a_function_learns_and_tells_what_its_model_tells(data):
    X, y = data
    net = network(max_iter=60, learning_rate=0.02).fit(X, y)
    assert net.score(X, y) > 0.8
    assert all(type(v) is np.ndarray for v in arrays(net).values())
    scores = np.array(net.to_keras().predict_on_batch(X))
    np.testing.assert_allclose(net.decision_function(X), scores, rtol=1e-5, atol=1e-5)
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    np.testing.assert_allclose(net.predict_proba(X), e / e.sum(axis=1, keepdims=True), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(net.predict_proba(X[:1]), net.predict_proba(X)[:1], rtol=1e-5, atol=1e-6)
    assert not np.allclose(arrays(net)["0.batch_normalization/moving_mean"], 0)


@pytest.mark.keras
def test_same_seed_same_weights_whatever_ran_before_and_nothing_global_moves(data):
    net = network().fit(*data)
    keras.layers.Dense(3)
    random.random(), np.random.random()  # noqa: NPY002
    name, policy = keras.layers.Dense(3).name, keras.config.dtype_policy().name
    states = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    again = network().fit(*data)
    assert_same(net, again)
    assert random.getstate() == states[0]
    np.testing.assert_array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002
    assert int(keras.layers.Dense(3).name.rpartition("_")[2]) == int(name.rpartition("_")[2]) + 1
    assert (keras.config.floatx(), keras.config.dtype_policy().name) == ("float32", policy)
    other = network(random_state=1).fit(*data)
    assert not np.allclose(arrays(net)["0.dense/kernel"], arrays(other)["0.dense/kernel"])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells the memory")
@pytest.mark.parametrize(
    "layers", [build, partial(build, units=6), [Dense(5, "tanh")]], ids=["function", "partial", "list"]
)
def test_thirty_fits_leave_nothing(data, layers):
    def resident():
        gc.collect()
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024

    def fit(seed):
        clone(network(layers, engine="keras", max_iter=1, random_state=seed)).fit(*data).predict(data[0])

    for seed in range(10):
        fit(seed)
    before = resident()
    for seed in range(30):
        fit(seed)
    assert resident() - before < 1


@pytest.mark.keras
def test_a_link_at_the_end_is_left_out(data):
    X, y = data
    net = network(partial(build, end="softmax")).fit(X, y)
    plain = network().fit(X, y)
    assert_same(net, plain)
    np.testing.assert_allclose(net.decision_function(X), plain.decision_function(X), rtol=1e-6)
    two = network(partial(build, end="sigmoid")).fit(X, y == "a")
    np.testing.assert_allclose(two.decision_function(X)[:, None], two.to_keras().predict_on_batch(X), rtol=1e-5)
    values = NetworkRegressor(partial(build, end="sigmoid"), max_iter=1, tol=0, random_state=0).fit(X, X[:, 0])
    assert (values.predict(X) > 0).all()  # a regressor's outputs are what the user asked for


@pytest.mark.keras
def test_a_users_own_model_stays_as_it_is(data):
    kept = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    before = [np.array(w) for w in kept.get_weights()]
    net = network(lambda input_shape, n_outputs: kept).fit(*data)
    net.to_keras()
    assert kept.layers[-1].activation is keras.activations.softmax
    for a, b in zip(before, kept.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    start = network(lambda input_shape, n_outputs: kept, learning_rate=1e-9).fit(*data)
    np.testing.assert_allclose(start.layers_[0].params[next(iter(start.layers_[0].params))], before[0], atol=1e-6)


@pytest.mark.keras
def test_regularizers_of_layers_are_weight_decay(data):
    ours = network(weight_decay=0.1).fit(*data)
    theirs = network(partial(build, decay=0.05)).fit(*data)
    assert_same(ours, theirs, rtol=1e-4, atol=1e-5)
    assert not np.allclose(arrays(ours)["0.dense/kernel"], arrays(network().fit(*data))["0.dense/kernel"], atol=1e-4)


@pytest.mark.keras
def test_epochs_one_by_one_and_on_from_a_fit(data):
    X, y = data
    part = network(batch_size=None, learning_rate=0.05)
    for _ in range(3):
        part.partial_fit(X, y, classes=["a", "b", "c"])
    assert part.n_iter_ == 3
    assert part.loss_curve_[-1] < part.loss_curve_[0]
    on = network(batch_size=None, learning_rate=0.05, warm_start=True).fit(X, y)
    first = on.loss_curve_[-1]
    assert on.fit(X, y).loss_curve_[-1] < first


@pytest.mark.keras
def test_transform_gives_a_layer_by_keras_name(data):
    X, y = data
    net = network().fit(X, y)
    model = net.to_keras()
    inner = keras.Model(model.inputs, model.get_layer("dense").output)
    np.testing.assert_allclose(net.transform(X, layer="dense"), inner.predict_on_batch(X), rtol=1e-5, atol=1e-6)
    assert net.transform(X).shape == (60, 5)
    assert len(net.get_feature_names_out()) == 5
    with pytest.raises(ValueError, match=r"no layer 'dense-9' in the model; there are input_layer, dense,"):
        net.transform(X, layer="dense-9")


@pytest.mark.keras
def test_images_held_out_rows_and_weights(data):
    rng = np.random.default_rng(0)
    images, y = rng.random((40, 8, 8, 1), np.float32), np.arange(40) % 2
    images[y == 1, :, :4] += 1
    net = network(convolutions, max_iter=30, learning_rate=0.05, early_stopping=True, n_iter_no_change=30).fit(
        images, y
    )
    assert net.score(images, y) == 1
    assert len(net.validation_curve_) == 30
    # A weight of 0 is as good as no row.
    some = network(max_iter=1, batch_size=None).fit(*data, sample_weight=np.r_[np.zeros(20), np.ones(40)])
    fewer = network(max_iter=1, batch_size=None).fit(data[0][20:], data[1][20:])
    assert_same(some, fewer, rtol=1e-6)


def no_weights(s, k):
    return keras.Sequential([keras.Input(s), keras.layers.Lambda(lambda x: x[:, :3])])


def constrained(s, k):
    return keras.Sequential([keras.Input(s), keras.layers.Dense(k, kernel_constraint="non_neg")])


@pytest.mark.parametrize(
    ("function", "error", "words"),
    [
        (lambda s, k: build(s, k + 1), ValueError, r"n_outputs=3\) returned .* outputs have shape \(None, 4\); they"),
        (lambda s, k: build((7,), k), ValueError, r"cannot be called on rows of shape \(4,\); it takes \(None, 7\)"),
        (lambda s, k: "model", TypeError, r"has to return a keras.Model; it returned str"),
        (no_weights, ValueError, "no_weights returns has no weights to learn"),
        (constrained, ValueError, "dense/kernel of the model have a constraint"),
    ],
)
def test_wrong_models_are_refused_by_name(data, function, error, words):
    net = network(function)
    with pytest.raises(error, match=words):
        net.fit(*data)
    assert not hasattr(net, "layers_")


def test_what_is_for_our_layers_is_refused(data):
    with pytest.raises(ValueError, match="max_norm is for layers of featlearn"):
        network(max_norm=1.0).fit(*data)
    with pytest.raises(ValueError, match="engine='numpy' does not go with layers=a function"):
        network(engine="numpy").fit(*data)


# Pickles


@pytest.mark.slow
def test_pickles_of_functions(data, tmp_path, monkeypatch):
    (tmp_path / "of_the_user.py").write_text(
        "import keras\n\n\ndef make(s, k):\n    return keras.Sequential([keras.Input(s), keras.layers.Dense(k)])\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    from of_the_user import make

    X, y = data
    net = network(make).fit(X, y)
    (tmp_path / "net.pickle").write_bytes(pickle.dumps(net))
    code = (
        "import pickle, numpy as np\n"
        f"net = pickle.load(open({str(tmp_path / 'net.pickle')!r}, 'rb'))\n"
        f"X = np.random.default_rng(0).standard_normal((60, 4)).astype(np.float32)\n"
        f"np.save({str(tmp_path / 'p.npy')!r}, net.predict_proba(X))\n"
    )
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": path})
    np.testing.assert_allclose(np.load(tmp_path / "p.npy"), net.predict_proba(X), rtol=1e-6)
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(network(lambda s, k: make(s, k)).fit(X, y))


@pytest.mark.slow
def test_a_lambda_goes_through_a_search_in_two_processes(data):
    from sklearn.model_selection import GridSearchCV

    search = GridSearchCV(network(lambda s, k: build(s, k)), {"learning_rate": [1e-3, 0.05]}, cv=2, n_jobs=2)
    assert search.fit(*data).best_params_ == {"learning_rate": 0.05}


def test_dense_nets_need_no_keras(data, tmp_path):
    X, y = data
    net = network([Dense(4, "relu"), BatchNorm()], engine="numpy").fit(X, y)
    (tmp_path / "net.pickle").write_bytes(pickle.dumps(net))
    code = (
        "import sys\n"
        "for name in ('keras', 'tensorflow'): sys.modules[name] = None\n"
        "import pickle, numpy as np, featlearn.networks\n"
        f"net = pickle.load(open({str(tmp_path / 'net.pickle')!r}, 'rb'))\n"
        "X = np.random.default_rng(0).standard_normal((60, 4)).astype(np.float32)\n"
        f"np.save({str(tmp_path / 'p.npy')!r}, net.predict_proba(X))\n"
        "net.partial_fit(X, net.predict(X))\n"
        "try: net.to_keras()\n"
        "except ImportError as error: assert 'pip install' in str(error)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    np.testing.assert_allclose(np.load(tmp_path / "p.npy"), net.predict_proba(X), rtol=1e-6)


def test_the_room_loads_no_backend():
    code = (
        "import sys, featlearn.networks as room\n"
        "room.NetworkClassifier(), room.NetworkRegressor\n"
        "assert not {'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": str(ROOT)})


# Devices and precision


def test_a_gpu_that_is_not_there(data, monkeypatch):
    monkeypatch.setattr(engines_module, "gpu_may_exist", lambda: False)
    with pytest.raises(ValueError, match="device='gpu', and Keras' backend sees no GPU here"):
        network([Dense(4)], device="gpu").fit(*data)


def test_what_is_no_distribution(data):
    class Mine:
        scope = None

    with pytest.raises(ValueError, match=r"distribute takes a keras.distribution.Distribution .* this is a Mine"):
        network([Dense(4)], distribute=Mine()).fit(*data)


def test_half_precision_that_the_processor_lacks(data, monkeypatch):
    from featlearn.kernels import backend

    monkeypatch.setattr(backend, "_cpu_flags", lambda: frozenset({"avx2", "avx512f"}))
    with pytest.raises(
        ValueError, match="precision='mixed_bfloat16' needs a GPU or a processor with products in bfloat16"
    ):
        network([Dense(4)], precision="mixed_bfloat16").fit(*data)
    with pytest.raises(ValueError, match="engine='numpy' does not go with precision='mixed_bfloat16'"):
        network([Dense(4)], precision="mixed_bfloat16", engine="numpy").fit(*data)


@pytest.mark.keras
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("layers", [build, [Dense(6, "tanh"), BatchNorm()]], ids=["function", "list"])
def test_half_precision_learns_nearly_the_same(data, monkeypatch, layers, precision):
    monkeypatch.setattr(engines_module, "cpu_multiplies", lambda dtype: True)
    half = network(layers, precision=precision, max_iter=3).fit(*data)
    whole = network(layers, engine="keras", max_iter=3).fit(*data)
    assert {v.dtype for v in arrays(half).values()} == {np.dtype(np.float32)}
    np.testing.assert_allclose(
        half.loss_curve_, whole.loss_curve_, rtol=0.1 if "float16" in precision and "bfloat" not in precision else 0.02
    )
    assert not np.array_equal(half.loss_curve_, whole.loss_curve_)
    assert half.predict_proba(data[0]).dtype == np.float32


SPREAD = """
import sys, numpy as np, keras
from featlearn.networks import NetworkClassifier, Dense, BatchNorm
from tests.networks.test_keras_models import build

backend = keras.backend.backend()
if backend == "jax":
    import jax
    assert len(jax.devices()) == 2
    over = keras.distribution.DataParallel()
else:
    import tensorflow as tf
    cpus = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpus[0], [tf.config.LogicalDeviceConfiguration()] * 2)
    over = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
rng = np.random.default_rng(0)
X = rng.standard_normal((50, 4)).astype(np.float32)
y = np.argmax(X[:, :3], axis=1)
for layers in ([Dense(6, "tanh"), Dense(4, "relu")], build):
    nets = [NetworkClassifier(layers, engine="keras", distribute=d, max_iter=2, batch_size=20, random_state=0, tol=0)
            .fit(X, y) for d in (None, over)]
    if layers is not build or backend == "jax":  # replicas of TensorFlow draw and average for themselves
        for one, other in zip(*(net.layers_ for net in nets)):
            for k in one.params:
                np.testing.assert_allclose(one.params[k], other.params[k], rtol=1e-4, atol=1e-5)
    else:
        np.testing.assert_allclose(nets[0].loss_curve_, nets[1].loss_curve_, rtol=0.2)
print("the same")
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "tensorflow"])
def test_two_devices_learn_the_same(backend):
    pytest.importorskip(backend)
    more = {"KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT)}
    more["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
    done = subprocess.run([sys.executable, "-c", SPREAD], capture_output=True, text=True, env=os.environ | more)
    assert "the same" in done.stdout, done.stderr[-3000:]
