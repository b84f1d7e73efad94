"""A student's loss against finite differences and the paper's limit; teachers, transfer rows, and gains."""

import pickle

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.svm import LinearSVC

from featlearn import RBM
from featlearn.networks import Dense, Distilled, Dropout, NetworkClassifier, Pretrained
from featlearn.networks.distilled import SoftLoss, softened

X, Y = load_digits(return_X_y=True)
X = X / 16
QUICK = NetworkClassifier([Dense(15, "relu")], max_iter=3, tol=0)


def soft_targets(v, T, link):
    return softmax(v / T, axis=1) if link == "softmax" else 1 / (1 + np.exp(-v / T))


def drawn(link, m=6, seed=0):
    """Scores of student and teacher, and targets at T = 3; the last row has no label."""
    rng = np.random.RandomState(seed)
    k = 4 if link == "softmax" else 1
    z, v = rng.normal(size=(2, m, k)) * 2
    t = np.eye(k)[rng.randint(k, size=m)] if k > 1 else rng.randint(2, size=(m, 1)).astype(float)
    known = np.ones((m, 1))
    known[-1] = 0
    return z, v, np.hstack([soft_targets(v, 3.0, link), t, known])


@pytest.mark.parametrize("link", ["softmax", "sigmoid"])
def test_loss_is_the_formula_its_derivative_that_of_differences(link):
    z, _v, y = drawn(link)
    k, loss = z.shape[1], SoftLoss("cross_entropy", link, 0.0, 3.0, 0.7)
    losses, d = loss.rows(z, y)
    if link == "softmax":
        q, t = y[:, :k], y[:, k : 2 * k]
        kl = (q * (np.log(q) - log_softmax(z / 3, axis=1))).sum(axis=1)
        hard = -(t * log_softmax(z, axis=1)).sum(axis=1) * y[:, -1]
        np.testing.assert_allclose(losses, 0.7 * 9 * kl + 0.3 * hard, rtol=1e-12)
    eps = 1e-6
    for index in np.ndindex(z.shape):
        up, down = z.copy(), z.copy()
        up[index] += eps
        down[index] -= eps
        slope = (loss.rows(up, y)[0] - loss.rows(down, y)[0])[index[0]] / (2 * eps)
        assert d[index] == pytest.approx(slope, abs=1e-8)


@pytest.mark.keras
@pytest.mark.parametrize("link", ["softmax", "sigmoid"])
def test_keras_gives_the_same(link):
    z, _, y = drawn(link)
    loss = SoftLoss("cross_entropy", link, 0.0, 3.0, 0.7)
    expected, labels = loss.rows(z, y)[0], loss.labels(y)
    z, y = z.astype(np.float32), y.astype(np.float32)
    np.testing.assert_allclose(np.asarray(loss.tensor(z, y)), expected, rtol=2e-4, atol=1e-5)
    assert np.array_equal(labels, labels.astype(int))


@pytest.mark.parametrize("T", [1.0, 4.0, 20.0])
def test_gradient_of_the_paper(T):
    """Row 22 of the known answers: (softmax(z / T) - softmax(v / T)) / T, and T^2 times that here."""
    z, v, _ = drawn("softmax")
    y = np.hstack([softmax(v / T, axis=1), np.zeros((6, 5))])
    d = SoftLoss("cross_entropy", "softmax", 0.0, T, 1.0).rows(z, y)[1]
    np.testing.assert_allclose(d / T**2, (softmax(z / T, axis=1) - softmax(v / T, axis=1)) / T, atol=1e-14)


def test_large_temperature_matches_centered_scores():
    z, v, _ = drawn("softmax")
    y = np.hstack([softmax(v / 100, axis=1), np.zeros((6, 5))])
    d = SoftLoss("cross_entropy", "softmax", 0.0, 100.0, 1.0).rows(z, y)[1]
    limit = ((z - z.mean(axis=1, keepdims=True)) - (v - v.mean(axis=1, keepdims=True))) / 4
    assert np.abs(d - limit).max() < 0.03 * np.abs(limit).max()


def test_a_student_who_says_what_the_teacher_says_has_no_loss():
    _, v, y = drawn("softmax")
    losses, d = SoftLoss("cross_entropy", "softmax", 0.0, 3.0, 1.0).rows(v, y)
    assert np.abs(losses).max() < 1e-12
    assert np.abs(d).max() < 1e-12


def test_certain_teachers_give_no_nan():
    y = np.array([[0.0, 1.0, 0.0, 1.0, 1.0]], np.float32)
    losses, d = SoftLoss("cross_entropy", "softmax").rows(np.array([[50.0, -50.0]], np.float32), y)
    assert np.isfinite(losses).all()
    assert np.isfinite(d).all()


@pytest.mark.parametrize("kind", [LogisticRegression(), RidgeClassifier(), LinearSVC(), RandomForestClassifier(5)])
@pytest.mark.parametrize("n_classes", [2, 5])
def test_any_classifier_teaches(kind, n_classes):
    some = n_classes > Y
    teacher = clone(kind).fit(X[some], Y[some])
    q = softened(teacher, X[some][:20], 2.0)
    if hasattr(teacher, "predict_proba") and n_classes > 2:
        p = np.maximum(teacher.predict_proba(X[some][:20]), 1e-38) ** 0.5
        np.testing.assert_allclose(q, p / p.sum(axis=1, keepdims=True), atol=1e-6)
    model = Distilled(teacher, QUICK, random_state=0).fit(X[some][:99], Y[some][:99])
    assert model.teacher_ is teacher
    assert model.decision_function(X[:7]).shape == ((7,) if n_classes == 2 else (7, 5))
    np.testing.assert_allclose(model.predict_proba(X[:7]).sum(axis=1), 1, atol=1e-6)


def test_the_student_is_a_network_like_any_other():
    labels = Y.astype(str)
    model = Distilled(LogisticRegression(), QUICK, random_state=0).fit(X[:300], labels[:300])
    assert type(model.student_) is NetworkClassifier
    assert model.predict(X).dtype == labels.dtype
    again = pickle.loads(pickle.dumps(model))
    assert (again.predict(X) == model.student_.predict(X)).all()
    assert "_lesson" not in vars(model.student_)
    assert not hasattr(QUICK, "layers_")
    assert QUICK.random_state is None
    assert clone(model).fit(X[:300], labels[:300]).predict_proba(X).tolist() == model.predict_proba(X).tolist()


def test_rows_without_labels_are_taught_by_the_teacher_alone():
    teacher = LogisticRegression().fit(X[:600], Y[:600])
    marked = np.where(np.arange(600) < 100, Y[:600], -1)
    student = NetworkClassifier([Dense(15, "relu")], max_iter=5, tol=0, random_state=0)
    one = Distilled(teacher, student, alpha=0.5).fit(X[:600], marked)
    other = Distilled(teacher, student, alpha=0.5).fit(X[:100], Y[:100], unlabelled=X[100:600])
    assert np.array_equal(one.predict_proba(X), other.predict_proba(X))
    wrong = np.where(np.arange(600) < 100, Y[:600], 9 - Y[:600])  # with alpha = 1 labels say nothing
    by_teacher = [Distilled(teacher, student, alpha=1.0).fit(X[:600], y).predict_proba(X) for y in (marked, wrong)]
    assert np.array_equal(*by_teacher)


def test_with_alpha_zero_it_is_the_student_alone():
    student = NetworkClassifier([Dense(15, "relu")], max_iter=3, tol=0, random_state=0)
    model = Distilled(LogisticRegression(), student, alpha=0.0).fit(X[:300], Y[:300])
    np.testing.assert_allclose(model.predict_proba(X), student.fit(X[:300], Y[:300]).predict_proba(X), atol=1e-9)


def test_students_may_be_pretrained_stopped_early_and_weighted():
    student = NetworkClassifier(
        [Pretrained(RBM(20, max_iter=2)), Dropout(0.1)],
        max_iter=4,
        early_stopping=True,
        monitor="score",
        class_weight="balanced",
        label_smoothing=0.1,
    )
    model = Distilled(LogisticRegression(), student, random_state=0)
    model.fit(X[:300], np.where(np.arange(300) % 2, Y[:300], -1), sample_weight=np.arange(300) % 4)
    assert len(model.student_.validation_curve_) == model.student_.n_iter_
    assert model.score(X[:300], Y[:300]) > 0.1


def test_searches_keep_a_frozen_teacher():
    teacher = FrozenEstimator(LogisticRegression().fit(X, Y))
    model = clone(Distilled(teacher, QUICK, random_state=0)).fit(X[:100], Y[:100])
    assert np.array_equal(model.teacher_.predict(X), teacher.predict(X))


def test_what_it_refuses():
    teacher = LogisticRegression().fit(X[Y < 5], Y[Y < 5])
    with pytest.raises(ValueError, match=r"labels \[5, 6, 7, 8, 9\] that the teacher does not know"):
        Distilled(teacher, QUICK).fit(X, Y)
    with pytest.raises(ValueError, match="a student learns probabilities, and loss='hinge'"):
        Distilled(teacher, NetworkClassifier(loss="hinge")).fit(X, Y)
    with pytest.raises(ValueError, match="1 class"):
        Distilled(LogisticRegression(), QUICK).fit(X[:9], np.zeros(9))
    for name, value in (("temperature", 0), ("alpha", 2), ("student", LogisticRegression()), ("teacher", 3)):
        with pytest.raises(ValueError, match=name):
            Distilled(**{name: value}).fit(X, Y)


def test_a_small_student_learns_more_from_a_good_teacher_than_from_few_labels():
    """100 labels and the teacher's word on 900 rows, against 100 labels alone."""
    teacher = LogisticRegression(C=0.1, max_iter=500).fit(X[:1000], Y[:1000])
    student = NetworkClassifier([Dense(20, "relu")], max_iter=40, tol=0, random_state=0, learning_rate=3e-3)
    taught = Distilled(teacher, student).fit(X[:100], Y[:100], unlabelled=X[100:1000])
    alone = student.fit(X[:100], Y[:100])
    print(
        f"teacher {teacher.score(X[1000:], Y[1000:]):.3f}, taught {taught.score(X[1000:], Y[1000:]):.3f}, "
        f"alone {alone.score(X[1000:], Y[1000:]):.3f}"
    )
    assert taught.score(X[1000:], Y[1000:]) > alone.score(X[1000:], Y[1000:]) + 0.03
