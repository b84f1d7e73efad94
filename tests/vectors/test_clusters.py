"""ClusterClassifier: labels by hand, from training counts only."""

import numpy as np
import pytest
import scipy.sparse
from sklearn.datasets import load_digits, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import featlearn
from featlearn import ClusterClassifier
from featlearn.vectors.clusters import majority_labels


def test_majority_labels_by_hand():
    counts = np.array([[5, 1, 0], [2, 2, 1], [0, 0, 0], [0, 0, 9]])
    # the second cluster ties, and takes the lower class; the third is empty, and takes the most frequent class, 2
    np.testing.assert_array_equal(majority_labels(counts), [0, 0, 2, 2])
    np.testing.assert_array_equal(majority_labels(np.zeros((2, 3), int)), [0, 0])


def test_labels_come_from_training_counts_only():
    X = np.array([[0.0], [1], [2], [10], [11], [12], [13]])
    y = np.array(["a", "a", "b", "b", "b", "b", "a"])
    model = ClusterClassifier(2, init=np.array([[0.0], [10]])).fit(X, y)
    np.testing.assert_array_equal(model.cluster_counts_, [[2, 1], [1, 3]])
    assert model.cluster_labels_.tolist() == ["a", "b"]
    before = model.cluster_labels_.copy()
    assert model.predict(np.array([[-3.0], [5], [8], [99]])).tolist() == ["a", "a", "b", "b"]
    np.testing.assert_array_equal(model.cluster_labels_, before)
    assert model.score(X, y) == 5 / 7
    assert model.classes_.tolist() == ["a", "b"]


def test_an_empty_cluster_has_the_label_of_the_training_majority():
    X, y = np.array([[0.0], [1], [2], [3]]), np.array([7, 7, 7, 4])
    model = ClusterClassifier(2, init=np.array([[0.0], [3]])).fit(X, y)
    model.cluster_counts_ = np.array([[3, 1], [0, 0]])
    assert model.classes_[majority_labels(np.array([[1, 3], [0, 0]]))].tolist() == [7, 7]


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_digits(metric):
    X, y = load_digits(return_X_y=True)
    model = ClusterClassifier(60, metric=metric, random_state=0).fit(X[:1200], y[:1200])
    assert model.score(X[1200:], y[1200:]) > 0.8
    assert model.cluster_counts_.sum() == 1200
    np.testing.assert_array_equal(model.cluster_counts_.sum(axis=0), np.bincount(y[:1200]))
    assert (np.diff(model.distance_curve_) <= 1e-9).all()
    assert len(model.distance_curve_) == model.n_iter_ <= 300


def test_cosine_labels_do_not_depend_on_the_length_of_samples():
    X, y = load_digits(return_X_y=True)
    model = ClusterClassifier(30, metric="cosine", random_state=0).fit(X, y)
    np.testing.assert_array_equal(model.predict(X * 3.7), model.predict(X))
    U = X / np.linalg.norm(X, axis=1, keepdims=True)
    D = model.dictionary_.components_
    np.testing.assert_array_equal(model.predict(X), model.cluster_labels_[(U @ D.T).argmax(axis=1)])
    np.testing.assert_allclose(1 - (U @ D.T).max(axis=1).mean(), model.distance_curve_[-1], rtol=0.01)


def test_y_is_not_used_for_the_clustering():
    X, y = load_digits(return_X_y=True)
    one = ClusterClassifier(20, random_state=0).fit(X, y)
    other = ClusterClassifier(20, random_state=0).fit(X, np.random.default_rng(0).permutation(y))
    np.testing.assert_array_equal(one.dictionary_.components_, other.dictionary_.components_)


def test_grid_search_over_the_number_of_clusters_with_two_workers():
    X, y = load_digits(return_X_y=True)
    results = []
    for n_jobs in (1, 2):
        grid = GridSearchCV(ClusterClassifier(random_state=0), {"n_components": [5, 40]}, cv=2, n_jobs=n_jobs)
        results.append(grid.fit(X[:600], y[:600]))
    assert results[1].best_params_ == {"n_components": 40}
    np.testing.assert_array_equal(*(r.cv_results_["mean_test_score"] for r in results))


def test_streams_and_chunks_predict_alike(monkeypatch):
    X, y = load_digits(return_X_y=True)
    names = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
    model = ClusterClassifier(20, random_state=0).fit(X, names[y])
    whole = model.predict(X)
    assert set(whole) <= set(names)
    np.testing.assert_array_equal(np.concatenate(list(model.predict(iter([X[:100], X[100:]])))), whole)
    monkeypatch.setattr(featlearn.streaming, "CHUNK_BYTES", 1)
    np.testing.assert_array_equal(model.predict(X), whole)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_without_a_number_there_are_25_clusters_or_as_many_as_distinct_samples(metric):
    X, y = load_digits(return_X_y=True)
    assert len(ClusterClassifier(metric=metric, random_state=0).fit(X, y).cluster_labels_) == 25
    few = np.repeat(X[:7], 4, axis=0)
    model = ClusterClassifier(metric=metric, random_state=0).fit(few, np.repeat(y[:7], 4))  # warnings are errors
    assert len(model.cluster_labels_) == 7
    assert model.n_components is None
    assert model.score(few, np.repeat(y[:7], 4)) == 1
    assert len(ClusterClassifier(random_state=0).fit(X[:1], y[:1]).cluster_labels_) == 1


@pytest.mark.parametrize("format", ["csr_array", "csc_matrix"])
def test_sparse_rows_give_what_dense_rows_give(format):
    X, y = load_digits(return_X_y=True)
    S = getattr(scipy.sparse, format)(X)
    for metric in ("euclidean", "cosine"):
        dense = ClusterClassifier(metric=metric, random_state=0).fit(X, y)
        sparse = ClusterClassifier(metric=metric, random_state=0).fit(S, y)
        np.testing.assert_array_equal(sparse.cluster_counts_, dense.cluster_counts_)
        np.testing.assert_array_equal(sparse.predict(S), dense.predict(X))


def test_an_end_at_max_iter_is_told_and_tol_0_asks_for_none():
    X, y = load_digits(return_X_y=True)
    with pytest.warns(ConvergenceWarning, match="max_iter=2 iterations"):
        ClusterClassifier(max_iter=2, random_state=0).fit(X, y)
    ClusterClassifier(max_iter=2, tol=0, random_state=0).fit(X, y)  # warnings are errors


def test_a_table_in_mixed_units_is_told_to_be_scaled():
    X, y = load_wine(return_X_y=True)
    with pytest.warns(UserWarning, match="StandardScaler"):
        ClusterClassifier(random_state=0).fit(X, y)
    make_pipeline(StandardScaler(), ClusterClassifier(random_state=0)).fit(X, y)


@pytest.mark.parametrize(
    ("name", "value"), [("max_iter", 0), ("tol", -1.0), ("init", "best"), ("n_init", 0), ("n_components", 0)]
)
def test_a_bad_parameter_is_refused_by_its_own_name(name, value):
    X, y = load_digits(return_X_y=True)
    with pytest.raises(ValueError, match=f"^ClusterClassifier: {name}="):
        ClusterClassifier(**{name: value}).fit(X, y)


def test_bad_input_is_named():
    X, y = load_digits(return_X_y=True)
    with pytest.raises(ValueError, match="ClusterClassifier: metric='l1' is not valid; pass one of 'euclidean', 'cos"):
        ClusterClassifier(metric="l1").fit(X, y)
    with pytest.raises(ValueError, match="continuous"):
        ClusterClassifier().fit(X, X[:, 2] / 3)
    with pytest.raises(ValueError, match="n_samples=10 is fewer than n_components=25"):
        ClusterClassifier(25).fit(X[:10], y[:10])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        ClusterClassifier().fit(X, y[:10])
    model = ClusterClassifier(random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="has 63 features, but ClusterClassifier is expecting 64"):
        model.predict(X[:, :63])
