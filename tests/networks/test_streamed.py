"""Fits on streams of chunks against fits on arrays."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from featlearn import RBM
from featlearn.networks import Dense, NetworkClassifier, NetworkRegressor, Pretrained

X, Y = load_digits(return_X_y=True)
X, Y = (X / 16)[:600], Y[:600]


def chunks(size=200, weights=None):
    def walk():
        for i in range(0, len(X), size):
            part = slice(i, i + size)
            yield (X[part], Y[part]) if weights is None else (X[part], Y[part], weights[part])

    return walk


def net(**settings):
    return NetworkClassifier([Dense(20, "relu")], **({"max_iter": 4, "tol": 0, "random_state": 0} | settings))


def test_one_chunk_is_a_fit_on_all_rows():
    streamed, whole = net(batch_size=None).fit(chunks(600)), net(batch_size=None).fit(X, Y)
    for W, V in zip(streamed.coefs_, whole.coefs_, strict=True):
        np.testing.assert_allclose(W, V, atol=1e-12)
    np.testing.assert_allclose(streamed.loss_curve_, whole.loss_curve_, atol=1e-12)


def test_chunks_are_walked_once_an_epoch_and_once_for_the_labels():
    walks = []

    def counted():
        walks.append(1)
        return chunks()()

    found = net(learning_rate=0.01, max_iter=15).fit(counted)
    assert len(walks) == 16
    assert found.n_iter_ == len(found.loss_curve_) == 15
    assert found.score(X, Y) > 0.9
    assert found._memory.epoch == 15


def test_streams_are_deterministic_and_go_on():
    first, second = net().fit(chunks()), net().fit(chunks())
    assert np.array_equal(first.coefs_[0], second.coefs_[0])
    before = first.loss_curve_[-1]
    assert first.set_params(warm_start=True).fit(chunks()).loss_curve_[-1] < before


def test_patience_ends_a_stream():
    assert net(tol=0.9, n_iter_no_change=2, max_iter=50).fit(chunks()).n_iter_ < 10


def test_weights_and_targets_of_a_stream():
    weights = (Y < 5).astype(float)
    found = net(learning_rate=0.01, max_iter=15).fit(chunks(weights=weights))
    assert found.classes_.tolist() == list(range(10))
    assert found.score(X[Y < 5], Y[Y < 5]) > 0.9
    assert (found.predict(X[Y >= 5]) < 5).mean() > 0.9

    def pairs():
        yield X, X[:, 20:22]

    fitted = NetworkRegressor([], max_iter=60, learning_rate=0.05, tol=0, random_state=0).fit(pairs)
    assert fitted.score(X, X[:, 20:22]) > 0.9


@pytest.mark.parametrize(
    ("X", "y", "settings", "told"),
    [
        (lambda: chunks()(), None, {}, "an iterator can be walked only once"),
        (lambda: chunks(), Y, {}, "carries its targets and weights itself"),
        (lambda: lambda: iter([X]), None, {}, "let the stream yield tuples"),
        (lambda: lambda: iter([]), None, {}, "holds no chunk"),
        (lambda: chunks(), None, {"early_stopping": True}, "early_stopping=True"),
        (lambda: chunks(), None, {"solver": "lbfgs"}, "solver='lbfgs'"),
        (lambda: chunks(), None, {"layers": [Pretrained(RBM(5))]}, "have to be fitted before"),
    ],
)
def test_wrong_streams_are_named(X, y, settings, told):
    with pytest.raises(ValueError, match=told):
        net().set_params(**settings).fit(X(), y)


def test_predictions_of_a_stream_come_chunk_by_chunk():
    found = net().fit(X, Y)
    for method in ("predict", "predict_proba", "decision_function", "transform"):
        parts = list(getattr(found, method)(iter([X[:100], X[100:]])))
        np.testing.assert_allclose(np.concatenate(parts), getattr(found, method)(X), atol=1e-12)
