"""The gradient loop: batches, rules, schedules, penalties, shards, engines, ends and failures.

Also tests featlearn.kernels.activations, featlearn.training.keras_steps, featlearn.training.objective,
featlearn.training.shards and featlearn.training.solvers.
"""

import subprocess
import sys
import threading
from dataclasses import dataclass

import numpy as np
import pytest

import featlearn.training.loop as training
from featlearn.training import LBFGS, GradientDescent, make_solver, minimize, shards
from featlearn.training.optimizers import RULES
from featlearn.training.shards import run_together
from featlearn.vectors.autoencoder_core import AutoencoderObjective
from featlearn.vectors.sparse_autoencoder import SparseAutoencoder


def rng(seed=0):
    return np.random.RandomState(seed)


@dataclass(frozen=True)
class Mean:
    """|x - m|^2 / 2: the gradient is m - x, the minimum the mean."""

    hidden = ()

    def loss(self, params, batch, seed):
        from keras import ops

        return 0.5 * ops.sum((batch.x - params["m"]) ** 2) / batch.x.shape[0]

    def gradient(self, params, batch, draws, grads):
        grads["m"][:] = params["m"] - batch.x.mean(axis=0)
        return 0.5 * float(((batch.x - params["m"]) ** 2).sum()) / len(batch.x)


class Recorder(Mean):
    """Notes the batches it sees; wants the weights where they are."""

    def __init__(self):
        self.batches = []

    def gradient(self, params, batch, draws, grads):
        self.batches.append(batch.x[:, 0].tolist())
        for g in grads.values():
            g[:] = 0
        return 0.0


X = np.random.default_rng(0).normal(size=(50, 3)) + 1


def fit(objective=None, data=X, solver=None, params=None, **kwargs):
    params = {"m": np.zeros(data.shape[1], data.dtype)} if params is None else params
    solver = GradientDescent("sgd", learning_rate=0.1) if solver is None else solver
    return minimize(Mean() if objective is None else objective, data, params, solver, **{"rng": rng()} | kwargs)


# Batches


@pytest.mark.parametrize(("size", "sizes"), [(None, [10]), (10, [10]), (99, [10]), (4, [4, 4, 2]), (1, [1] * 10)])
def test_every_epoch_takes_every_sample_once(size, sizes):
    recorder, data = Recorder(), np.arange(10.0)[:, None]
    fit(recorder, data, batch_size=size, max_iter=3)
    assert [len(batch) for batch in recorder.batches] == 3 * sizes
    epochs = np.concatenate(recorder.batches).reshape(3, 10)
    np.testing.assert_array_equal(np.sort(epochs, axis=1), np.tile(data.T, (3, 1)))


def test_shuffle_gives_each_epoch_an_order_of_its_own():
    data = np.arange(10.0)[:, None]
    plain, mixed, again = Recorder(), Recorder(), Recorder()
    fit(plain, data, batch_size=3, max_iter=2, shuffle=False)
    assert np.concatenate(plain.batches).tolist() == 2 * list(range(10))
    for recorder in (mixed, again):
        fit(recorder, data, batch_size=3, max_iter=2)
    first, second = np.concatenate(mixed.batches).reshape(2, 10)
    assert first.tolist() != second.tolist() != list(range(10))
    assert mixed.batches == again.batches


def test_chunks_of_the_walk_do_not_matter(monkeypatch):
    expected = fit(batch_size=4, max_iter=3).params["m"]
    monkeypatch.setattr(training, "CHUNK_BYTES", 1)
    np.testing.assert_array_equal(fit(batch_size=4, max_iter=3).params["m"], expected)


def test_small_integers_and_memmaps_become_floats_batch_by_batch(tmp_path):
    small = np.arange(12, dtype=np.uint8).reshape(6, 2)
    mapped = np.memmap(tmp_path / "x", np.uint8, "w+", shape=small.shape)
    mapped[:] = small
    start = {"m": np.zeros(2, np.float32)}
    results = [fit(data=d, params=start, batch_size=2) for d in (small.astype(np.float32), small, mapped)]
    assert results[0].params["m"].dtype == np.float32
    for result in results[1:]:
        np.testing.assert_array_equal(result.params["m"], results[0].params["m"])


def test_full_batch_descent_by_hand():
    m, center = np.zeros(3), X.mean(axis=0)
    losses = []
    for _ in range(5):
        losses.append(0.5 * ((X - m) ** 2).sum(axis=1).mean())
        m = m - 0.1 * (m - center)
    trained = fit(batch_size=None, max_iter=5)
    np.testing.assert_allclose(trained.params["m"], m)
    np.testing.assert_allclose(trained.loss_curve, losses)
    assert trained.n_iter == 5


# Augmentation


def noisy(x, rng):
    return x + rng.normal(size=x.shape)


def test_every_batch_learned_from_is_changed_as_floats_before_prepare():
    seen, recorder = [], Recorder()

    def augment(x, rng):
        seen.append((x.dtype, x.min(), x.max()))
        x += 1000  # x is its own
        return x.astype(np.float64)  # back in the dtype of the parameters

    data = np.arange(10, dtype=np.uint8)[:, None]
    start, kept = {"m": np.zeros(1, np.float32)}, data.copy()
    settings = {"batch_size": 4, "augment": augment, "prepare": lambda x: x / 2}
    trained = fit(recorder, data, params=start, max_iter=3, **settings)
    assert [len(batch) for batch in recorder.batches] == 3 * [4, 4, 2]
    epochs = np.concatenate(recorder.batches).reshape(3, 10)
    np.testing.assert_array_equal(np.sort(epochs, axis=1), np.tile((data.T + 1000.0) / 2, (3, 1)))
    assert {dtype for dtype, *_ in seen} == {np.dtype(np.float32)}
    assert (min(low for _, low, _ in seen), max(high for *_, high in seen)) == (0, 9)  # never changed twice
    assert trained.params["m"].dtype == np.float32
    floats = data.astype(np.float32)
    for shuffle in (True, False):
        fit(recorder, floats, params=start, max_iter=2, shuffle=shuffle, **settings)
    np.testing.assert_array_equal(floats, kept)


def test_rows_held_out_are_never_changed():
    held = np.full((9, 3), 7.0)
    one = fit(batch_size=None, max_iter=1, augment=lambda x, rng: 0 * x + 2, prepare=lambda x: x + 1, validation=held)
    np.testing.assert_allclose(one.params["m"], 0.3)
    np.testing.assert_allclose(one.validation_curve, [0.5 * 3 * 7.7**2])


@pytest.mark.parametrize("shuffle", [True, False])
def test_what_is_drawn_depends_on_the_seed_and_the_step_alone(monkeypatch, shuffle):
    drawn = {}

    def run(name, seed=0, **settings):
        drawn[name] = []

        def augment(x, generator):
            drawn[name].append(generator.random())
            return noisy(x, generator)

        settings = {"batch_size": 4, "max_iter": 3, "shuffle": shuffle, "rng": rng(seed)} | settings
        return fit(augment=augment, **settings)

    whole = run("whole")
    assert len(set(drawn["whole"])) == 3 * 13  # anew in every step
    monkeypatch.setattr(training, "CHUNK_BYTES", 1)
    same(run("chunks"), whole, rtol=0, atol=0)
    assert drawn["chunks"] == drawn["whole"] == (run("again"), drawn["again"])[1]
    run("other", seed=1)
    assert not {*drawn["other"]} & {*drawn["whole"]}
    first = run("first", max_iter=1)
    run("second", max_iter=1, memory=first.memory)  # as partial_fit does, with one random_state
    assert not {*drawn["first"]} & {*drawn["second"]}


def test_shards_and_engines_see_the_same_changes(monkeypatch):
    pytest.importorskip("keras")
    one = net(augment=noisy)
    same(net(augment=noisy, engine="keras"), one, rtol=1e-4, atol=1e-6)
    cut(monkeypatch, 2)
    same(net(augment=noisy), one, rtol=1e-10)
    assert one.loss_curve != net().loss_curve


def test_augment_is_held_to_its_word():
    with pytest.raises(ValueError, match=r"Net: augment gave shape \(2, 3\) for a batch of shape \(4, 3\); .*as many"):
        fit(augment=lambda x, rng: x[:2], batch_size=4, who="Net")
    with pytest.raises(ValueError, match="Net: augment gave NaN or infinity in 50 places of a batch"):
        fit(augment=lambda x, rng: x / [1, 0, 1], batch_size=None, who="Net")
    with pytest.raises(ValueError, match="Net: augment changes the rows in every step, and L-BFGS needs a loss"):
        fit(augment=noisy, solver=LBFGS(), who="Net")


def test_a_learner_with_the_parameter_augments():
    class Augmenting(SparseAutoencoder):
        augment = staticmethod(noisy)

    data = np.random.default_rng(0).random((40, 5))
    fits = [kind(3, max_iter=3, random_state=0).fit(data) for kind in (Augmenting, Augmenting, SparseAutoencoder)]
    np.testing.assert_array_equal(fits[0].components_, fits[1].components_)
    assert not np.array_equal(fits[0].components_, fits[2].components_)


# Rules and schedules


def test_adam_by_hand_over_two_steps():
    center, m, a, b = X.mean(axis=0), np.zeros(3), 0.0, 0.0
    for step in (1, 2):
        g = m - center
        a, b = 0.9 * a + 0.1 * g, 0.999 * b + 0.001 * g * g
        m = m - 0.01 * (a / (1 - 0.9**step)) / (np.sqrt(b / (1 - 0.999**step)) + 1e-8)
    trained = fit(solver=GradientDescent("adam", learning_rate=0.01), batch_size=None, max_iter=2)
    np.testing.assert_allclose(trained.params["m"], m, rtol=1e-12)


def test_momentum_switches_after_the_epochs_asked():
    v, m, center = 0.0, np.zeros(3), X.mean(axis=0)
    for epoch in range(5):
        v = (0.3 if epoch < 2 else 0.8) * v - 0.1 * (m - center)
        m = m + v
    solver = GradientDescent("momentum", learning_rate=0.1, momentum=(0.3, 0.8, 2))
    np.testing.assert_allclose(fit(solver=solver, batch_size=None, max_iter=5).params["m"], m, rtol=1e-12)


def test_every_rule_has_its_usual_learning_rate():
    usual = {"sgd": 0.1, "momentum": 0.1, "nesterov": 0.1, "adagrad": 0.01, "rmsprop": 0.001, "adadelta": 1.0}
    for rule, rate in (usual | {"adam": 0.001}).items():
        assert GradientDescent(rule).rate_at(0, 10) == rate


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ("constant", [2, 2, 2, 2]),
        ("inverse", [2, 2 / 1.5, 1, 0.8]),
        ("exponential", [2, 2 * np.exp(-0.5), 2 * np.exp(-1), 2 * np.exp(-1.5)]),
        ("linear", [2, 1.5, 1, 0.5]),
        ("cosine", [2, 1 + np.sqrt(0.5), 1, 1 - np.sqrt(0.5)]),
        (lambda t: 3 if t > 1 else 0, [0, 0, 6, 6]),
    ],
)
def test_schedules(schedule, rates):
    solver = GradientDescent("sgd", learning_rate=2.0, schedule=schedule, decay=0.5)
    np.testing.assert_allclose([solver.rate_at(t, 4) for t in range(4)], rates)


def test_the_schedule_reaches_the_steps():
    solver = GradientDescent("sgd", learning_rate=0.4, schedule="linear")
    m, center = np.zeros(3), X.mean(axis=0)
    for rate in (0.4, 0.3, 0.2, 0.1):
        m = m - rate * (m - center)
    np.testing.assert_allclose(fit(solver=solver, batch_size=None, max_iter=4).params["m"], m)


def test_weight_decay_leaves_biases_alone():
    start = {"W": np.ones((2, 3)), "b": np.ones(2)}
    trained = fit(Recorder(), params=start, batch_size=None, max_iter=2, weight_decay=0.5)
    np.testing.assert_allclose(trained.params["W"], (1 - 0.1 * 0.5) ** 2)
    np.testing.assert_array_equal(trained.params["b"], 1)
    np.testing.assert_allclose(trained.loss_curve[-1], 0.25 * 6 * (1 - 0.1 * 0.5) ** 4)


# Shards

NET = AutoencoderObjective((12, 6), tied=True, sparsity_cost=0.3, corruption="masking", corruption_level=0.2)
PLAIN = AutoencoderObjective((16,), activation="tanh", sparsity_cost=0.3)


def net(objective=PLAIN, dtype=np.float64, **kwargs):
    data = np.random.default_rng(1).random((60, 9)).astype(dtype)
    solver = kwargs.pop("solver", GradientDescent("momentum", learning_rate=0.1))
    settings = {"batch_size": 16, "max_iter": 3, "weight_decay": 1e-3} | kwargs
    return fit(objective, data, solver, objective.init(9, rng(3), dtype), **settings)


def cut(monkeypatch, parts, threads=2):
    monkeypatch.setattr(shards, "n_shards", lambda params, hidden, batch: parts)
    monkeypatch.setattr(shards, "n_threads", lambda: threads)


def same(a, b, **tolerance):
    assert a.params.keys() == b.params.keys()
    for name, value in a.params.items():
        np.testing.assert_allclose(value, b.params[name], err_msg=name, **tolerance)
    np.testing.assert_allclose(a.loss_curve, b.loss_curve, **tolerance)


def test_shapes_alone_decide_the_shards():
    def parts(K, d, batch):
        return shards.n_shards({"W": np.empty((K, d)), "c": np.empty(d)}, ("W",), batch)

    assert [parts(K, 784, 100) for K in (8, 500, 1024, 4096)] == [1, 2, 8, 8]
    assert parts(500, 784, 1) == 1
    assert shards.n_shards({"m": np.empty(10**6)}, (), 100) == 1


@pytest.mark.parametrize("objective", [NET, PLAIN], ids=["deep tied", "one layer"])
def test_shards_learn_what_one_learns(monkeypatch, objective):
    expected = net(objective)
    for parts in (2, 4):
        cut(monkeypatch, parts)
        same(net(objective), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_threads_never_change_a_bit(monkeypatch, solver):
    results = []
    for threads in (1, 2, 3, 4):
        cut(monkeypatch, 4, threads)
        results.append(net(NET, np.float32, solver=make_solver(solver, None, "test")))
    for result in results[1:]:
        same(result, results[0], rtol=0, atol=0)


@pytest.mark.parametrize("parts", [1, 4])
def test_the_norm_of_all_gradients_is_clipped(monkeypatch, parts):
    cut(monkeypatch, parts)
    one_step = {"batch_size": None, "max_iter": 1, "weight_decay": 0}
    start = net(solver=GradientDescent("sgd", learning_rate=1e-30), **one_step).params

    def moved(clip):
        solver = GradientDescent("sgd", learning_rate=1.0, clip_norm=clip)
        end = net(solver=solver, **one_step).params
        return np.concatenate([(end[k] - start[k]).ravel() for k in sorted(start)])

    free = moved(None)
    length = np.linalg.norm(free)
    np.testing.assert_allclose(moved(0.25 * length), 0.25 * free, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(moved(2 * length), free, rtol=1e-12)


def within(seconds, f):
    """What ``f`` raises; fails if it hangs."""
    caught = []

    def run():
        try:
            f()
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), "hangs"
    return caught[0] if caught else None


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("where", [0, 1, 3])
@pytest.mark.parametrize("turn", [0, 2])
def test_a_failure_in_one_shard_ends_all(error, where, turn):
    ended = []

    def program(index):
        try:
            for i in range(5):
                if index == where and i == turn:
                    raise error("from a shard")
                yield np.ones(1)
        finally:
            ended.append(index)

    raised = within(20, lambda: run_together([program(i) for i in range(4)], 2))
    assert type(raised) is error
    assert str(raised) == "from a shard"
    assert not [t for t in threading.enumerate() if t.name.startswith("featlearn_")]


def test_a_thread_that_does_not_start_ends_all(monkeypatch):
    start = threading.Thread.start

    def refused(thread):
        if thread.name == "featlearn_2":
            raise RuntimeError("can't start new thread")
        start(thread)

    def program():
        yield np.ones(1)

    monkeypatch.setattr(threading.Thread, "start", refused)
    raised = within(20, lambda: run_together([program() for _ in range(3)], 3))
    assert str(raised) == "can't start new thread"
    assert not [t for t in threading.enumerate() if t.name.startswith("featlearn_")]


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("longer", [0, 1, 2])
def test_shards_that_yield_unequally_are_an_error(threads, longer):
    def program(index):
        for _ in range(3 if index == longer else 2):
            yield np.ones(1)

    raised = within(20, lambda: run_together([program(i) for i in range(3)], threads))
    assert isinstance(raised, RuntimeError)
    assert "yields a different number of arrays" in str(raised)


@pytest.mark.parametrize("threads", [1, 2, 3, 5])
def test_what_is_yielded_is_answered_by_the_sum(threads):
    seen = []

    def program(index):
        for turn in range(4):
            total = yield np.array([index * 10.0**turn])
            seen.append((turn, float(total[0])))

    run_together([program(i) for i in range(5)], threads)
    assert sorted(seen) == sorted([(turn, 10 * 10.0**turn) for turn in range(4)] * 5)


def test_a_hook_after_each_step(monkeypatch):
    @dataclass(frozen=True)
    class Positive(AutoencoderObjective):
        def after_step(self, params):
            for name in ("W1", "W2"):
                np.maximum(params[name], 0, out=params[name])

    cut(monkeypatch, 2)
    trained = net(Positive((16,)))
    assert min(trained.params[k].min() for k in ("W1", "W2")) == 0 > trained.params["b2"].min()


@dataclass(frozen=True)
class Short(AutoencoderObjective):
    """W2 (K, d) holds units by its rows, which lie in several shards; its columns are kept within a length."""

    def after_step(self, params):
        if isinstance(params["W2"], np.ndarray):
            squares = yield (params["W2"] ** 2).sum(axis=0)
            params["W2"] *= np.minimum(1, 0.2 / np.sqrt(squares))
        else:
            from keras import ops

            squares = yield ops.sum(params["W2"] ** 2, axis=0)
            params["W2"] = params["W2"] * ops.minimum(1, 0.2 / ops.sqrt(squares))


def test_a_hook_after_each_step_may_add_up_over_the_shards(monkeypatch):
    whole = net(Short((16,)))
    lengths = np.sqrt((whole.params["W2"] ** 2).sum(axis=0))
    np.testing.assert_allclose(lengths.max(), 0.2, rtol=1e-12)
    for parts in (2, 4):
        cut(monkeypatch, parts)
        same(net(Short((16,))), whole, rtol=1e-10)


@pytest.mark.keras
def test_such_a_hook_runs_on_keras_too():
    pytest.importorskip("keras")
    same(*(net(Short((16,)), engine=engine) for engine in ("numpy", "keras")), rtol=1e-5, atol=1e-7)


def test_a_hook_that_yields_unequally_is_an_error(monkeypatch):
    @dataclass(frozen=True)
    class Unequal(AutoencoderObjective):
        def after_step(self, params):
            if len(params["b1"]) == 6:  # of 16 units in three shards
                yield params["W2"].sum(axis=0)

    cut(monkeypatch, 3)
    assert "yields a different number of arrays" in str(within(20, lambda: net(Unequal((16,)), max_iter=9)))


# Ends


@dataclass(frozen=True)
class Steady:
    """m grows by a step every epoch; the loss is |m - 3|."""

    hidden = ()

    def gradient(self, params, batch, draws, grads):
        grads["m"][:] = -1
        return abs(float(params["m"][0]) - 3.0)


def test_early_stopping_keeps_the_best_and_stops_after_patience():
    start, one = {"m": np.zeros(1)}, GradientDescent("sgd", learning_rate=1.0)
    settings = {"batch_size": None, "max_iter": 50, "n_iter_no_change": 4, "validation": X[:5, :1]}
    trained = fit(Steady(), X[:, :1], one, start, **settings)
    assert trained.validation_curve == [2, 1, 0, 1, 2, 3, 4]
    assert trained.n_iter == 7
    assert trained.params["m"] == [3]


def test_a_partial_recovery_is_no_improvement():
    losses = [5.0, 1.0, 4.0, 3.0, 2.0, 1.5, 0.5, 9.0, 9.0]

    @dataclass(frozen=True)
    class Listed:
        hidden = ()

        def gradient(self, params, batch, draws, grads):
            grads["m"][:] = -1
            return losses[int(params["m"][0]) - 1]

    start, one = {"m": np.zeros(1)}, GradientDescent("sgd", learning_rate=1.0)
    settings = {"batch_size": None, "max_iter": 8, "n_iter_no_change": 3, "validation": X[:5, :1]}
    trained = fit(Listed(), X[:, :1], one, start, **settings)
    assert trained.validation_curve == losses[:5]
    assert trained.params["m"] == [2]


def test_tol_stops_where_nothing_improves_and_0_never():
    start, one = {"m": np.zeros(1)}, GradientDescent("sgd", learning_rate=1.0)
    settings = {"batch_size": None, "max_iter": 12, "n_iter_no_change": 2}
    # the loss before the steps of epochs 1, 2, ...: 3 2 1 0 1 2
    assert fit(Steady(), X[:, :1], one, start, tol=1e-3, **settings).n_iter == 6
    assert fit(Steady(), X[:, :1], one, start, tol=0.0, **settings).n_iter == 12


def test_validation_rows_are_not_learned_from_and_counted_whole():
    held = np.full((2501, 3), 7.0)  # three blocks of evaluation
    trained = fit(batch_size=None, max_iter=1, validation=held)
    m = 0.1 * X.mean(axis=0)
    np.testing.assert_allclose(trained.params["m"], m)
    np.testing.assert_allclose(trained.validation_curve, [0.5 * ((held - m) ** 2).sum(axis=1).mean()])


def test_divergence_names_the_epoch_and_the_learning_rate():
    message = (
        r"Net: training diverged in epoch 2: the loss is .*at learning rate 1e\+200\. Lower learning_rate \(try 1e\+199"
    )
    with pytest.raises(ValueError, match=message):
        fit(solver=GradientDescent("sgd", learning_rate=1e200), batch_size=None, max_iter=5, who="Net")


def test_a_callback_sees_metrics_and_copies_and_may_stop():
    seen = []

    def on_epoch(metrics, now):
        seen.append((metrics, now()[0]["m"]))
        return len(seen) == 3

    trained = fit(batch_size=None, max_iter=9, validation=X[:4], on_epoch=on_epoch)
    assert trained.n_iter == 3
    assert [m["loss"] for m, _ in seen] == trained.loss_curve
    assert [m["validation_loss"] for m, _ in seen] == trained.validation_curve
    np.testing.assert_allclose(np.array([m for _, m in seen]).T, np.outer(X.mean(axis=0), [0.1, 0.19, 0.271]))


def test_the_parameters_given_stay_as_they_are():
    start = {"m": np.zeros(3)}
    fit(params=start)
    np.testing.assert_array_equal(start["m"], 0)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("parts", [1, 2])
def test_two_trainings_in_a_row_are_one_long_one(monkeypatch, rule, parts):
    cut(monkeypatch, parts)
    solver = GradientDescent(rule, momentum=(0.2, 0.9, 3))
    data = np.random.default_rng(1).random((60, 9))
    settings = {"data": data, "solver": solver, "batch_size": 25, "shuffle": False}
    start = PLAIN.init(9, rng(), np.float64)
    whole = fit(PLAIN, params=start, max_iter=5, **settings)
    half = fit(PLAIN, params=start, max_iter=2, **settings)
    rest = fit(PLAIN, params=half.params, max_iter=3, memory=half.memory, **settings)
    for name in start:
        np.testing.assert_allclose(rest.params[name], whole.params[name], rtol=1e-12)
    assert (rest.memory.step, rest.memory.epoch) == (15, 5)
    assert half.memory.step == 6  # what a memory holds is not changed by going on from it


def test_what_one_rule_remembers_is_nothing_to_another():
    first = fit(max_iter=1)
    trained = fit(params=first.params, memory=first.memory, solver=GradientDescent("adam"), max_iter=1)
    assert [a.shape for a in trained.memory.arrays["m"]] == [(3,), (3,)]


@pytest.mark.parametrize(
    ("before", "after"), [("adagrad", "momentum"), ("adadelta", "adam"), ("momentum", "adam"), ("lbfgs", "adam")]
)
def test_another_rule_starts_afresh(before, after):
    # squared gradients are no velocity, and Adam corrects its means by its own steps
    first = fit(solver=make_solver(before, None, "test"), max_iter=20)
    settings = {"solver": GradientDescent(after), "shuffle": False, "batch_size": 7}
    fresh = fit(params=first.params, max_iter=3, **settings)
    switched = fit(params=first.params, memory=first.memory, max_iter=1, **settings)
    rest = fit(params=switched.params, memory=switched.memory, max_iter=2, **settings)
    np.testing.assert_array_equal(rest.params["m"], fresh.params["m"])


def test_going_on_draws_other_numbers():
    drawn = []

    class Draw(Recorder):
        def gradient(self, params, batch, draws, grads):
            drawn.append(draws.common.random())
            return super().gradient(params, batch, draws, grads)

    first = fit(Draw(), max_iter=1, batch_size=None)
    fit(Draw(), max_iter=1, batch_size=None, memory=first.memory)
    assert drawn[0] != drawn[1]


def test_going_on_takes_another_order():
    # as partial_fit does, with one random_state for all its calls
    first, second, data = Recorder(), Recorder(), np.arange(10.0)[:, None]
    trained = fit(first, data, max_iter=1, batch_size=3)
    fit(second, data, max_iter=1, batch_size=3, memory=trained.memory)
    assert first.batches != second.batches
    np.testing.assert_array_equal(np.sort(np.concatenate(second.batches)), data[:, 0])


# L-BFGS


def test_lbfgs_keeps_float32_and_stops_when_told():
    trained = fit(data=X.astype(np.float32), solver=LBFGS(), on_epoch=lambda metrics, params: True)
    assert trained.params["m"].dtype == np.float32
    assert trained.n_iter == 1


# The automatic engine


def both_engines(rule, n, **settings):
    """A run by hand and an automatic one, which must agree; 32 batches of 17 rows go in one compiled call."""
    solver = GradientDescent(rule, clip_norm=0.4, schedule="linear", momentum=(0.5, 0.8, 1))
    data = np.random.default_rng(1).random((n, 9)).astype(np.float32)
    settings |= {"data": data, "solver": solver, "params": PLAIN.init(9, rng(), np.float32)}
    settings |= {"batch_size": 17, "max_iter": 2, "weight_decay": 0.01}
    hand, automatic = (fit(PLAIN, engine=engine, **settings) for engine in ("numpy", "keras"))
    assert all(p.dtype == np.float32 for p in automatic.params.values())
    same(hand, automatic, rtol=2e-3, atol=2e-5)
    for name, arrays in hand.memory.arrays.items():
        for mine, other in zip(arrays, automatic.memory.arrays[name], strict=True):
            np.testing.assert_allclose(mine, other, rtol=2e-2, atol=1e-5)
    assert hand.memory.step == automatic.memory.step
    return hand, automatic


@pytest.mark.keras
@pytest.mark.parametrize("rule", RULES)
def test_the_engines_make_the_same_run(rule):
    pytest.importorskip("keras")
    both_engines(rule, 32 * 17)


def test_the_engines_agree_on_rests_and_on_validation():
    pytest.importorskip("keras")
    # 35 batches: a compiled call, single steps, and a rest of another size
    hand, automatic = both_engines("sgd", 590, validation=np.random.default_rng(2).random((50, 9)).astype(np.float32))
    assert hand.memory.step == 70
    np.testing.assert_allclose(hand.validation_curve, automatic.validation_curve, rtol=1e-4)


def test_the_engines_give_lbfgs_the_same():
    pytest.importorskip("keras")
    hand, automatic = (net(solver=LBFGS(), engine=e, max_iter=8) for e in ("numpy", "keras"))
    same(hand, automatic, rtol=1e-5, atol=1e-7)


@pytest.mark.keras
def test_an_objective_with_a_loss_alone_runs_on_keras():
    pytest.importorskip("keras")

    @dataclass(frozen=True)
    class LossOnly:
        hidden = ()
        loss = Mean.loss

    np.testing.assert_allclose(fit(LossOnly(), max_iter=3).params["m"], fit(max_iter=3).params["m"], rtol=1e-6)
    with pytest.raises(ValueError, match="Net: engine='numpy' needs a gradient derived by hand"):
        fit(LossOnly(), engine="numpy", who="Net")


@pytest.mark.keras
def test_keras_loss_is_drawn_anew_each_step_and_the_same_for_the_same_seed():
    pytest.importorskip("keras")
    noisy = AutoencoderObjective((4,), corruption="gaussian", corruption_level=0.5)
    one, two, other = (net(noisy, engine="keras", rng=rng(seed), batch_size=30) for seed in (0, 0, 1))
    same(one, two, rtol=0, atol=0)
    assert one.loss_curve != other.loss_curve
    # shuffle is off and the weights do not move: epochs differ by the noise alone
    still = GradientDescent("sgd", learning_rate=1e-30)
    curve = net(noisy, engine="keras", solver=still, shuffle=False, batch_size=None).loss_curve
    assert len(set(curve)) == 3


def run_alone(code):
    """The last line that code prints in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.split("\n")[-2]


MEMORY = """
import gc, numpy as np
from featlearn.training import make_solver, minimize
from featlearn.vectors.autoencoder_core import AutoencoderObjective

X = np.random.default_rng(0).random((640, 40)).astype(np.float32)

def fit(seed):
    o = AutoencoderObjective((30,))
    rng = np.random.RandomState(seed)
    s = make_solver("adam", None, "x")
    minimize(o, X, o.init(40, rng, np.float32), s, rng=rng, max_iter=2, batch_size=20, engine={engine!r})

def resident():
    gc.collect()
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) / 1024

for seed in range(15):
    fit(seed)
before = resident()
for seed in range(60):
    fit(seed)
print((resident() - before) / 60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")
@pytest.mark.parametrize("engine", ["numpy", "keras"])
def test_fits_do_not_pile_up_memory(engine):
    if engine == "keras":
        pytest.importorskip("keras")
    assert float(run_alone(MEMORY.format(engine=engine))) < 0.2  # MB a fit


# Bad input


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rule": "sdg"}, "rule='sdg'; pass one of 'sgd', 'momentum'"),
        ({"learning_rate": 0}, "learning_rate=0; pass None or a number greater than 0"),
        ({"momentum": 1.5}, "momentum=1.5; pass a number of at most 1"),
        ({"momentum": (0.5, 0.9)}, r"momentum=\(0.5, 0.9\)"),
        ({"decay_rate": -1}, "decay_rate=-1"),
        ({"decay_rate": 1.0}, "decay_rate=1.0"),  # squared gradients would stay 0
        ({"beta1": 1.0}, "beta1=1.0"),
        ({"beta2": 1.0}, "beta2=1.0"),
        ({"eps": 0}, "eps=0"),
        ({"schedule": "step"}, "schedule='step'; pass one of 'constant'"),
        ({"decay": -0.1}, "decay=-0.1"),
        ({"clip_norm": 0.0}, "clip_norm=0.0"),
    ],
)
def test_constants_out_of_range_are_named(settings, message):
    with pytest.raises(ValueError, match=f"Net: solver has {message}"):
        make_solver(GradientDescent(**settings), None, "Net")


def test_solvers_are_found_by_name_and_others_refused():
    assert make_solver("sgd", 0.3, "Net").rate_at(0, 1) == 0.3
    assert isinstance(make_solver("lbfgs", None, "Net"), LBFGS)
    mine = GradientDescent("adagrad", learning_rate=0.5)
    assert make_solver(mine, None, "Net").learning_rate == 0.5
    assert make_solver(mine, 0.2, "Net").learning_rate == 0.2
    assert mine.learning_rate == 0.5
    with pytest.raises(ValueError, match="Net: solver='newton' is not known; pass one of 'sgd'"):
        make_solver("newton", None, "Net")
    with pytest.raises(ValueError, match="Net: solver=3 is not valid"):
        make_solver(3, None, "Net")
    with pytest.raises(ValueError, match="Net: solver has memory=0"):
        make_solver(LBFGS(memory=0), None, "Net")


def test_partial_fit_follows_the_schedule_of_a_whole_fit():
    X = np.random.default_rng(0).random((40, 5))
    solver = GradientDescent("sgd", 0.1, schedule="linear")
    learner = SparseAutoencoder(3, solver=solver, max_iter=2, sparsity_cost=0, random_state=0)
    first = learner.partial_fit(X).components_.copy()
    second = learner.partial_fit(X).components_.copy()
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(learner.partial_fit(X).components_, second)  # two epochs are over: the rate is 0
