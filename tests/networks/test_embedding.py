"""Neighbors pull and others push: pairs, loss and gradient, by hand and in `keras.ops`."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from featlearn.networks import BatchNorm, Dense, Dropout, NeighborEmbedding, NetworkClassifier, NetworkRegressor
from featlearn.networks.embedding import Embedding, Quadruples, nearest
from featlearn.training import Batch
from featlearn.training.shards import NumpyEngine

X, Y = load_digits(return_X_y=True)
X = X / 16


TWO = (Dense(12, "tanh"), Dense(6, "tanh"))


def network(layers=TWO, **params):
    return NetworkClassifier(list(layers), **({"max_iter": 1, "tol": 0, "random_state": 0} | params))


def slow_loss(h, weight, margin):
    """The formula, pair by pair; h are rows with labels, i, j and k."""
    _, i, j, k = np.split(h, 4)
    total = 0.0
    for a, b, c in zip(i, j, k, strict=True):
        total += np.sum((a - b) ** 2) + max(0.0, margin - np.linalg.norm(a - c)) ** 2
    return weight * total / len(i)


def test_loss_is_the_formula_and_its_derivative():
    rng = np.random.RandomState(0)
    h, embedding = rng.normal(size=(20, 3)), Embedding(0, 0.7, 2.5)
    steps = embedding.by_hand(h, False, True)
    with pytest.raises(StopIteration) as end:
        next(steps)
    loss, d = end.value.value
    assert loss == pytest.approx(slow_loss(h, 0.7, 2.5), rel=1e-12)
    numeric, eps = np.zeros_like(h), 1e-6
    for index in np.ndindex(h.shape):
        up, down = h.copy(), h.copy()
        up[index] += eps
        down[index] -= eps
        numeric[index] = (slow_loss(up, 0.7, 2.5) - slow_loss(down, 0.7, 2.5)) / (2 * eps)
    np.testing.assert_allclose(d, numeric, atol=1e-8)
    assert (d[:5] == 0).all()


def test_equal_rows_have_no_direction_and_give_no_nan():
    with pytest.raises(StopIteration) as end:
        next(Embedding(0, 1.0, 1.0).by_hand(np.ones((8, 3)), False, True))
    loss, d = end.value.value
    assert loss == pytest.approx(1.0, abs=1e-5)
    assert (d == 0).all()


def objective_and_batch(layer, layers=None, weights=None):
    net = network(**({} if layers is None else {"layers": layers}), embedding=NeighborEmbedding(layer, 0.5, 2.0))
    net.set_params(l1_activity=0.01).fit(X[:60], Y[:60])
    rng = np.random.RandomState(1)
    x = X[rng.randint(60, size=(9, 4))]
    objective = net._objective()
    y = np.searchsorted(net.classes_, Y[:9])
    return objective, net._parameters(), Batch(x, y, weights), net._state()


def values(objective, params, batch, state):
    return NumpyEngine(objective, 0.0).value_and_gradient(params, batch, [1, 2, 3], state)


@pytest.mark.parametrize("layer", [None, "dense-1", "dense-2", 0])
@pytest.mark.parametrize("weighted", [False, True])
def test_gradient_of_the_stack_by_finite_differences(layer, weighted):
    w = np.linspace(0.2, 1.8, 9) if weighted else None
    objective, params, batch, state = objective_and_batch(layer, weights=w)
    _, grads = values(objective, params, batch, state)
    rng, eps = np.random.RandomState(0), 1e-6
    for name, p in params.items():
        direction = rng.normal(size=p.shape)
        up, down = ({**params, name: p + s * eps * direction} for s in (1, -1))
        slope = (values(objective, up, batch, state)[0] - values(objective, down, batch, state)[0]) / (2 * eps)
        assert slope == pytest.approx(float(np.vdot(grads[name], direction)), rel=1e-5, abs=1e-8)


@pytest.mark.keras
@pytest.mark.parametrize("layers", [TWO, (Dense(12, "relu"), BatchNorm())])
def test_keras_gives_the_same(layers):
    from featlearn.training.keras_steps import KerasEngine

    objective, params, batch, state = objective_and_batch(None, layers, np.linspace(0.2, 1.8, 9))
    by_hand, grads = values(objective, params, batch, state)
    loss, tensors = KerasEngine(objective, 0.0).value_and_gradient(params, batch, [1, 2, 3], state)
    assert loss == pytest.approx(by_hand, rel=1e-5)
    for name, g in grads.items():
        np.testing.assert_allclose(tensors[name], g, atol=1e-5)


def test_shards_share_the_distances():
    """Units cut into shards see the distance over all of them."""
    rng = np.random.RandomState(0)
    h, embedding = rng.normal(size=(12, 6)), Embedding(0, 1.0, 3.0)
    with pytest.raises(StopIteration) as end:
        next(embedding.by_hand(h, False, True))
    loss, d = end.value.value
    parts = [embedding.by_hand(h[:, :2], True, True), embedding.by_hand(h[:, 2:], True, False)]
    squares = sum(next(part) for part in parts)
    ends = []
    for part in parts:
        with pytest.raises(StopIteration) as end:
            part.send(squares)
        ends.append(end.value.value)
    assert sum(value for value, _ in ends) == pytest.approx(loss)
    np.testing.assert_allclose(np.hstack([g for _, g in ends]), d)


def test_rows_held_out_are_judged_without_it():
    objective, params, batch, state = objective_and_batch(None)
    plain = Batch(batch.x[:, 0], batch.y)
    judged = NumpyEngine(objective.for_evaluation(), 0.0).value_and_gradient(params, plain, [1, 2, 3], state)[0]
    net = network().fit(X[:60], Y[:60])
    without = NumpyEngine(net._objective().for_evaluation(), 0.0).value_and_gradient(params, plain, [1, 2, 3], state)
    assert judged == without[0]


def test_quadruples_are_neighbors_and_others():
    neighbors = nearest(X[:40], 5, "test")
    distances = np.linalg.norm(X[:40, None] - X[None, :40], axis=2) + 1e9 * np.eye(40)
    for i in range(40):
        assert set(neighbors[i]) == set(np.argsort(distances[i])[:5])
    places, rng = np.array([3, 7, 11]), np.random.RandomState(0)
    drawn = Quadruples(np.arange(40.0)[:, None], places, neighbors, rng)
    assert drawn.shape == (40, 4, 1)
    others: list = [set() for _ in range(40)]
    for _ in range(300):
        rows = drawn[np.arange(40)][:, :, 0].astype(int)
        assert rows[:, 0].tolist() == [places[i % 3] for i in range(40)]
        assert rows[:, 1].tolist() == list(range(40))
        for i, (_, _, j, k) in enumerate(rows):
            assert j in neighbors[i]
            assert k not in neighbors[i]
            assert k != i
            others[i].add(k)
    assert all(len(seen) == 34 for seen in others)


def test_few_rows():
    net = network(embedding=NeighborEmbedding(n_neighbors=10))
    assert net.fit(X[:4], [0, 1, 0, 1]).predict(X[:4]).shape == (4,)
    with pytest.raises(ValueError, match="needs 3 rows"):
        network(embedding=NeighborEmbedding()).fit(X[:2], [0, 1])


def test_same_seed_same_weights_and_each_part_draws_pairs_of_its_own():
    settings = {"embedding": NeighborEmbedding("dense-2", n_neighbors=3), "max_iter": 3}
    one, other = (network([Dense(6), Dropout(0.3), Dense(4)], **settings).fit(X[:90], Y[:90]) for _ in range(2))
    with pytest.raises(ValueError, match="no layer 'dense-7'"):
        network(embedding=NeighborEmbedding("dense-7")).fit(X[:9], Y[:9])
    assert np.array_equal(one.coefs_[0], other.coefs_[0])
    assert one.partial_fit(X[:90], Y[:90]).n_iter_ == 4


def test_augmented_rows_and_lbfgs():
    net = network(embedding=NeighborEmbedding(), augment=lambda x, rng: x + 0.01 * rng.standard_normal(x.shape))
    assert net.fit(X[:60], Y[:60]).predict(X[:9]).shape == (9,)
    with pytest.warns(ConvergenceWarning, match="max_iter=3"):
        assert network(embedding=NeighborEmbedding(), solver="lbfgs", max_iter=3).fit(X[:60], Y[:60]).n_iter_ == 3


def test_early_stopping_and_regression():
    y = np.where(np.arange(200) < 100, Y[:200], -1)
    net = network(embedding=NeighborEmbedding(n_neighbors=4), early_stopping=True, max_iter=3).fit(X[:200], y)
    assert len(net.validation_curve_) == 3
    assert -1 not in net.classes_
    net = NetworkRegressor([Dense(5)], embedding=NeighborEmbedding(), max_iter=2, tol=0, random_state=0)
    assert net.fit(X[:50], X[:50].sum(axis=1), unlabelled=X[50:90]).predict(X).shape == (1797,)


@pytest.mark.parametrize(("name", "value"), [("weight", -1), ("margin", 0), ("n_neighbors", 0), ("layer", 0.5)])
def test_settings_are_checked(name, value):
    with pytest.raises(ValueError, match=name):
        NeighborEmbedding(**{name: value})


def test_it_helps_with_thirty_labels():
    """Weston et al. (2008), on digits: 3 labels of each kind among 1,300 rows, three draws."""
    plain, embedded = [], []
    for seed in range(3):
        train, test, y, y_test = train_test_split(X, Y, test_size=497, random_state=seed, stratify=Y)
        rng = np.random.RandomState(seed)
        labelled = np.concatenate([rng.permutation(np.flatnonzero(y == c))[:3] for c in range(10)])
        marked = np.full(len(y), -1)
        marked[labelled] = y[labelled]
        settings = {"tol": 0, "random_state": seed}
        net = NetworkClassifier([Dense(100, "relu")], max_iter=300, **settings).fit(train[labelled], y[labelled])
        plain.append(net.score(test, y_test))
        net = NetworkClassifier([Dense(100, "relu")], embedding=NeighborEmbedding(), max_iter=15, **settings)
        embedded.append(net.fit(train.astype(np.float32), marked).score(test, y_test))
    print(f"plain {np.round(plain, 3)}, with the embedding {np.round(embedded, 3)}")
    assert np.mean(embedded) > np.mean(plain) + 0.02
