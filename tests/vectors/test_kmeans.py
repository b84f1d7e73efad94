"""KMeansDictionary against plain loops, the printed update, and scikit-learn."""

import os
import pickle
import subprocess
import sys
import tracemalloc
from functools import partial

import numpy as np
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.callback import CallbackSupportMixin
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, load_iris, load_wine, make_blobs
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import featlearn
from featlearn import ZCA, ContrastNormalizer, EarlyStopping, KMeansDictionary
from featlearn.datasets import load_photo_patches
from featlearn.vectors import kmeans
from featlearn.vectors.alternation import sample_of
from featlearn.vectors.kmeans import ClusterSums, cluster_step, updated_atoms
from tests import references

RULES = pytest.mark.parametrize("assignment", ["euclidean", "spherical", "cosine"])
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def blobs(n=600, d=6, seed=0):
    """Eight clouds of unequal size that touch, with unequal rows."""
    rng = np.random.default_rng(seed)
    return (2 * rng.normal(size=(8, d)))[rng.integers(0, 8, n) // (1 + (rng.random(n) < 0.3))] + rng.normal(size=(n, d))


def unit(X):
    return X / np.linalg.norm(X, axis=1, keepdims=True)


@pytest.fixture(params=[False, True], ids=["full-search", "with-bounds"])
def bounds(request, monkeypatch):
    """Both ways to find the nearest centers, whatever the number of atoms."""
    monkeypatch.setattr(kmeans, "REMEMBER", 1 if request.param else 10**9)


# --- the learning rules -------------------------------------------------------------------------------------------


@DTYPES
@pytest.mark.parametrize("iterations", [1, 2, 10])
@pytest.mark.usefixtures("bounds")
def test_euclidean_equals_plain_lloyd(iterations, dtype):
    X = blobs()
    learner = KMeansDictionary(7, init=X[:7], tol=0, max_iter=iterations).fit(X.astype(dtype))
    centers, inertias = references.lloyd(X, X[:7], iterations)
    tolerance = 1e-4 if dtype == np.float32 else 1e-10
    np.testing.assert_allclose(learner.components_, centers, atol=tolerance)
    np.testing.assert_allclose(learner.inertia_curve_, inertias, rtol=tolerance)
    assert learner.components_.dtype == dtype
    assert learner.n_iter_ == iterations


@DTYPES
@pytest.mark.usefixtures("bounds")
def test_euclidean_equals_scikit_learn(dtype):
    X = load_digits().data[:800].astype(dtype)
    ours = KMeansDictionary(30, init=X[:30], tol=0, max_iter=300, encode="hard").fit(X)
    theirs = KMeans(30, init=X[:30], n_init=1, tol=0, max_iter=300, algorithm="lloyd").fit(X)
    np.testing.assert_allclose(ours.components_, theirs.cluster_centers_, atol=1e-4)
    np.testing.assert_allclose(ours.inertia_, theirs.inertia_, rtol=1e-5)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    np.testing.assert_allclose(ours.counts_, np.bincount(theirs.labels_))


@pytest.mark.parametrize(("offset", "dtype"), [(1e3, np.float64), (1e6, np.float64), (2e3, np.float32)])
def test_data_far_from_the_origin(offset, dtype):
    X = (blobs() + offset).astype(dtype)
    learner = KMeansDictionary(7, init=X[:7], tol=0, max_iter=20, encode="hard").fit(X)
    centers, inertias = references.lloyd(X, X[:7], 20)
    # the centers themselves are rounded to the dtype
    np.testing.assert_allclose(learner.components_, centers, rtol=4 * np.finfo(dtype).eps)
    np.testing.assert_allclose(learner.inertia_curve_, inertias[: learner.n_iter_], rtol=1e-3)
    labels, _ = references.nearest(X, learner.components_)
    assert np.mean(learner.predict(X) == labels) > 0.999
    np.testing.assert_array_equal(learner.transform(X).argmax(axis=1), learner.predict(X))
    z = np.sqrt(((X[:, None].astype(float) - learner.components_) ** 2).sum(axis=2))
    triangle = learner.set_params(encode="triangle").transform(X)
    np.testing.assert_allclose(triangle, np.maximum(z.mean(axis=1, keepdims=True) - z, 0), atol=2e-3)


@DTYPES
@pytest.mark.parametrize("iterations", [1, 5, 20])
def test_spherical_equals_the_damped_update_as_printed(iterations, dtype):
    """unit((X S' + D)(S S' + I)^-1) is unit(X S' + D), for S S' is diagonal."""
    X = blobs()
    D = unit(X[:9])
    learner = KMeansDictionary(9, assignment="spherical", init=D, tol=0, max_iter=iterations).fit(X.astype(dtype))
    expected = references.damped_spherical(X, D, iterations)
    np.testing.assert_allclose(learner.components_, expected, atol=2e-4 if dtype == np.float32 else 1e-10)


@DTYPES
@pytest.mark.parametrize("iterations", [1, 5])
def test_cosine_equals_plain_spherical_kmeans(iterations, dtype):
    X = blobs() + 1
    learner = KMeansDictionary(9, assignment="cosine", init=X[:9], tol=0, max_iter=iterations).fit(X.astype(dtype))
    D, inertias = references.cosine_kmeans(X, unit(X[:9]), iterations)
    tolerance = 1e-4 if dtype == np.float32 else 1e-9
    np.testing.assert_allclose(learner.components_, D, atol=tolerance)
    np.testing.assert_allclose(learner.inertia_curve_, inertias, rtol=tolerance)


def test_the_two_rules_are_two_modes():
    """Samples on both sides of the origin: one signed atom for all of them, or a center for each side."""
    X = np.outer(np.r_[np.linspace(2, 3, 30), -np.linspace(2, 3, 30)], [0.6, 0.8])
    X += 1e-3 * np.random.default_rng(0).normal(size=X.shape)
    spherical = KMeansDictionary(1, assignment="spherical", random_state=0).fit(X)
    assert abs(spherical.components_[0] @ [0.6, 0.8]) > 0.9999
    assert spherical.inertia_ < 1e-3
    euclidean = KMeansDictionary(2, init=X[[0, 30]]).fit(X)
    np.testing.assert_allclose(euclidean.components_, [[1.5, 2], [-1.5, -2]], atol=0.01)
    assert euclidean.inertia_ > 1


@pytest.mark.parametrize(("assignment", "damping"), [("euclidean", 1), ("spherical", 0), ("cosine", 1)])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.usefixtures("bounds")
def test_the_error_never_increases_without_damping(assignment, damping, seed):
    X = blobs(seed=seed)
    learner = KMeansDictionary(20, assignment=assignment, damping=damping, tol=0, max_iter=40, random_state=seed).fit(X)
    curve = np.r_[learner.inertia_curve_, learner.inertia_]
    assert len(curve) > 4
    assert (np.diff(curve) <= 1e-9 * curve[0]).all()


def test_damping_slows_the_atoms_down():
    X = blobs()
    moves = []
    for damping in (0, 1, 1e4):
        D = (
            KMeansDictionary(5, assignment="spherical", damping=damping, init=X[:5], max_iter=1, tol=0)
            .fit(X)
            .components_
        )
        moves.append(np.linalg.norm(D - unit(X[:5])))
    assert moves[0] > moves[1] > moves[2] > 0


@pytest.mark.parametrize("assignment", ["spherical", "cosine"])
@pytest.mark.parametrize("init", ["random", "normal", "k-means++"])
def test_atoms_have_norm_1(assignment, init):
    learner = KMeansDictionary(12, assignment=assignment, init=init, random_state=0).fit(blobs())
    np.testing.assert_allclose(np.linalg.norm(learner.components_, axis=1), 1, rtol=1e-12)


def test_negating_a_sample_flips_its_code():
    X = blobs()
    learner = KMeansDictionary(12, assignment="spherical", encode="omp", random_state=0).fit(X)
    codes = learner.transform(X)
    np.testing.assert_array_equal(learner.transform(-X), -codes)
    assert (codes < 0).any()
    assert ((codes != 0).sum(axis=1) == 1).all()
    learner.set_params(encode="split", threshold=0.1)
    codes, flipped = learner.transform(X), learner.transform(-X)
    np.testing.assert_array_equal(flipped, np.hstack([codes[:, 12:], codes[:, :12]]))


# --- first atoms and empty clusters --------------------------------------------------------------------------------


@RULES
@pytest.mark.parametrize("init", ["random", "normal", "k-means++"])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.usefixtures("bounds")
def test_duplicate_heavy_data_give_no_nan_and_no_dead_atom(assignment, init, seed):
    rng = np.random.default_rng(seed)
    X = np.repeat(rng.normal(size=(40, 5)), rng.integers(1, 60, 40), axis=0)
    learner = KMeansDictionary(30, assignment=assignment, init=init, tol=0, max_iter=60, random_state=seed).fit(X)
    assert np.isfinite(learner.components_).all()
    assert (learner.counts_ > 0).all()
    assert len(np.unique(learner.components_.round(9), axis=0)) == 30


@RULES
def test_atoms_far_from_all_samples_are_drawn_anew(assignment):
    X = blobs() + 6
    init = np.vstack([X[:4], np.full((4, 6), -1e3)])
    learner = KMeansDictionary(8, assignment=assignment, init=init, tol=0, random_state=0).fit(X)
    assert (learner.counts_ > 0).all()
    assert np.abs(learner.components_).max() < 20
    assert len(np.unique(learner.components_.round(6), axis=0)) == 8


@pytest.mark.parametrize("assignment", ["spherical", "cosine"])
def test_rows_of_zeros_never_become_atoms(assignment):
    X = np.vstack([np.zeros((500, 5)), np.random.default_rng(0).normal(size=(12, 5))])
    learner = KMeansDictionary(12, assignment=assignment, init="random", random_state=0).fit(X)
    np.testing.assert_allclose(np.linalg.norm(learner.components_, axis=1), 1)
    with pytest.raises(ValueError, match="no sample can be an atom"):
        KMeansDictionary(2, assignment=assignment, init="random").fit(np.zeros((5, 3)))


@RULES
def test_new_atoms_are_drawn_in_proportion_to_the_error(assignment):
    """990 samples lie at the only atom, but for little; ten do not."""
    rng = np.random.default_rng(0)
    atom = np.array([[1.0, 0, 0]])
    X = np.vstack([atom + 0.01 * rng.normal(size=(990, 3)), [0, 1, 1] + 0.1 * rng.normal(size=(10, 3))])
    worth = partial(kmeans.worth, atoms=atom, assignment=assignment)
    drawn = [sample_of(X, size=1, seed=s, worth=worth).rows[0] for s in range(200)]
    away = np.mean([row[0] < 0.5 for row in drawn])
    errors = kmeans.fits(kmeans.as_samples(X, assignment), atom, assignment)[2]
    assert away == pytest.approx(errors[990:].sum() / errors.sum(), abs=0.05)
    assert away > 0.9
    covered = sample_of(np.repeat(atom, 5, axis=0), size=3, seed=0, worth=worth)
    assert len(covered.rows) == 0


@pytest.mark.parametrize("init", ["normal", "random"])
def test_fewer_distinct_samples_than_atoms_warn_with_both_numbers(init):
    X = np.repeat(np.eye(3), 4, axis=0)
    with pytest.warns(ConvergenceWarning, match="2 of n_components=5 atoms win nothing"):
        learner = KMeansDictionary(5, init=init, random_state=0).fit(X)
    assert np.isfinite(learner.components_).all()
    assert learner.inertia_ < 1e-12


def test_random_first_atoms_are_samples():
    X = blobs()
    first = KMeansDictionary(20, max_iter=1, tol=0, init="random", random_state=0)
    X_, weights, _ = first._gate(X, None, reset=True, passes=3)
    atoms = first._first_atoms(X_, weights, np.random.RandomState(0))
    assert len(np.unique(atoms, axis=0)) == 20
    assert all((atom == X).all(axis=1).any() for atom in atoms)


def test_kmeans_plusplus_spreads_the_first_atoms():
    """Ten tight clouds: k-means++ finds each of them, most random draws do not."""
    rng = np.random.default_rng(0)
    X = np.repeat(100 * rng.normal(size=(10, 4)), 30, axis=0) + rng.normal(size=(300, 4))
    inertias = {
        init: [KMeansDictionary(10, init=init, random_state=s, max_iter=30, tol=0).fit(X).inertia_ for s in range(8)]
        for init in ("k-means++", "random")
    }
    assert np.median(inertias["k-means++"]) < np.median(inertias["random"]) / 10


def test_normal_first_atoms_are_those_of_the_demo():
    learner = KMeansDictionary(2000, init="normal")
    X_, weights, _ = learner._gate(np.random.default_rng(0).normal(size=(2000, 6)), None, reset=True, passes=3)
    atoms = learner._first_atoms(X_, weights, np.random.RandomState(0))
    assert atoms.std() == pytest.approx(0.1, rel=0.03)
    assert atoms.mean() == pytest.approx(0, abs=0.003)


def test_n_init_keeps_the_best_run():
    X = blobs()
    rng = np.random.RandomState(3)
    singles = [KMeansDictionary(8, random_state=rng, max_iter=3, tol=0).fit(X).inertia_ for _ in range(6)]
    best = KMeansDictionary(8, random_state=3, max_iter=3, tol=0, n_init=6).fit(X)
    assert best.inertia_ == min(singles) < max(singles)
    assert best.n_iter_ == len(best.inertia_curve_) == 3


def accounts(X, y, K, seeds=range(6)):
    """Mean inertia and agreement with the truth of ours and scikit-learn's K-means at their defaults."""
    ours = [KMeansDictionary(K, random_state=s).fit(X) for s in seeds]
    theirs = [KMeans(K, n_init=1, random_state=s).fit(X) for s in seeds]
    return [
        (np.mean([m.inertia_ for m in ms]), np.mean([adjusted_rand_score(y, m.labels_) for m in ms]))
        for ms in (ours, theirs)
    ]


@pytest.mark.parametrize("standardized", [False, True], ids=["raw", "standardized"])
@pytest.mark.parametrize(("K", "d", "std"), [(6, 2, 0.5), (6, 10, 1), (8, 50, 4), (20, 5, 0.5)])
def test_the_defaults_do_not_lose_on_plain_clusters(K, d, std, standardized):
    X, y = make_blobs(100 * K, d, centers=K, cluster_std=std, random_state=K)
    X = (X - X.mean(axis=0)) / X.std(axis=0) if standardized else X
    (ours, found), (theirs, truth) = accounts(X, y, K)
    assert ours <= 1.02 * theirs
    assert found >= truth - 0.02


@pytest.mark.parametrize(("scale", "offset"), [(1e-6, 0), (1e6, 0), (1, 1e3), (1, 1e6)])
def test_the_defaults_find_clusters_of_any_scale_and_place(scale, offset):
    X, y = make_blobs(600, 4, centers=6, random_state=3)
    found = KMeansDictionary(6, random_state=0).fit(scale * X + offset).labels_
    assert adjusted_rand_score(y, found) == 1


def started(X, K, **parameters):
    """The spread of the first atoms of a default dictionary, and of the samples."""
    learner = KMeansDictionary(K, **parameters)
    X, weights, _ = learner._gate(X, None, reset=True, passes=3)
    return learner._first_atoms(X, weights, np.random.RandomState(0)).std(), X.std()


@pytest.mark.parametrize("K", [49, 100, 400])
def test_on_whitened_patches_the_defaults_start_as_the_paper_does(K):
    """k-means++ would leave a third of the atoms to outliers, and save nothing by it."""
    patches = load_photo_patches(4000, 8, gray=True, random_state=0).reshape(4000, -1)
    white = ZCA().fit_transform(ContrastNormalizer().fit_transform(patches))
    atoms, samples = started(white, K)
    assert atoms == pytest.approx(0.1, rel=0.1)
    assert started(white, K, init="k-means++")[0] > samples
    assert started(patches, K)[0] > 0.3 * patches.std()
    blobs_, _ = make_blobs(4000, 8, centers=K, random_state=0)
    assert started((blobs_ - blobs_.mean(axis=0)) / blobs_.std(axis=0), K)[0] > 0.5


LEARNERS_THAT_DRAW = [
    KMeansDictionary(6, init="random", max_iter=2, tol=0),
    KMeansDictionary(6, init="k-means++", max_iter=2, tol=0),
    KMeansDictionary(6, assignment="spherical", init="random", max_iter=2, tol=0),
    KMeansDictionary(6, assignment="cosine", init="k-means++", max_iter=2, tol=0),
    KMeansDictionary(9, init=np.vstack([np.zeros((1, 4)), np.full((8, 4), 1e6)]), max_iter=2, tol=0),  # revived
    featlearn.RandomPatches(6),
    featlearn.GaussianMixtureEncoder(3, init="random", max_iter=1, tol=0),
    featlearn.GaussianMixtureEncoder(3, max_iter=1, tol=0),
    featlearn.SparseCoding(6, max_iter=1, tol=0),
]


@pytest.mark.parametrize("learner", LEARNERS_THAT_DRAW, ids=lambda learner: repr(learner)[:60])
@pytest.mark.parametrize("kind", ["normal", "whole numbers"])
def test_copies_in_other_dtypes_draw_the_same_atoms(learner, kind):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4)) if kind == "normal" else rng.integers(-50, 50, (300, 4)).astype(np.float64)
    dtypes = [np.float32] if kind == "normal" else [np.float32, np.int64, np.int16]
    expected = clone(learner).set_params(random_state=3).fit(X).components_
    for dtype in dtypes:
        found = clone(learner).set_params(random_state=3).fit(X.astype(dtype)).components_
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


# --- labels, scores, sparse rows, words -----------------------------------------------------------------------------


@RULES
@pytest.mark.parametrize("K", [5, 40])
@pytest.mark.usefixtures("bounds")
def test_labels_are_those_of_predict_and_of_the_inertia(assignment, K):
    X = blobs()
    learner = KMeansDictionary(K, assignment=assignment, random_state=0).fit(X)
    np.testing.assert_array_equal(learner.labels_, learner.predict(X))
    np.testing.assert_array_equal(clone(learner).fit_predict(X), learner.labels_)
    assert learner.labels_.dtype == np.int32
    assert learner.inertia_ == pytest.approx(-learner.score(X))
    if assignment == "euclidean":
        np.testing.assert_array_equal(learner.counts_, np.bincount(learner.labels_, minlength=K))
        gaps = X - learner.components_[learner.labels_]
        assert learner.inertia_ == pytest.approx((gaps**2).sum())


def test_streams_have_no_labels_but_fit_predict_gives_them():
    X = blobs()
    stream = lambda: [X[:100], X[100:]]  # noqa: E731
    learner = KMeansDictionary(5, random_state=0).fit(X)
    labels = learner.labels_
    found = np.concatenate(list(learner.fit_predict(stream)))
    assert not hasattr(learner, "labels_")
    np.testing.assert_array_equal(found, labels)
    weighted = KMeansDictionary(5, random_state=0).fit_predict(X, sample_weight=np.ones(600))
    np.testing.assert_array_equal(weighted, labels)
    assert not hasattr(learner.fit(X).partial_fit(X[:20]), "labels_")


@pytest.mark.parametrize("encode", ["triangle", "hard", "threshold", "split", "omp"])
@RULES
def test_score_samples_are_the_errors_of_inverse_transform(assignment, encode):
    X = blobs(n=100)
    learner = KMeansDictionary(9, assignment=assignment, encode=encode, random_state=0).fit(X)
    scores = learner.score_samples(X)
    errors = ((X - learner.inverse_transform(learner.transform(X))) ** 2).sum(axis=1)
    np.testing.assert_allclose(scores, -errors, atol=1e-9)
    np.testing.assert_allclose(np.concatenate(list(learner.score_samples(iter([X[:30], X[30:]])))), scores)
    if (assignment, encode) in (("euclidean", "triangle"), ("euclidean", "hard"), ("spherical", "omp")):
        assert scores.sum() == pytest.approx(learner.score(X))


def test_score_samples_end_a_pipeline_and_find_the_odd_ones():
    X = np.vstack([blobs(n=300), blobs(n=300)])
    odd = np.random.default_rng(0).normal(size=(20, 6)) * 12
    pipe = make_pipeline(StandardScaler(), KMeansDictionary(16, random_state=0)).fit(X)
    assert np.median(pipe.score_samples(odd)) < np.quantile(pipe.score_samples(X), 0.01)
    patches = make_pipeline(StandardScaler(), featlearn.RandomPatches(16, random_state=0)).fit(X)
    assert np.median(patches.score_samples(odd)) < np.quantile(patches.score_samples(X), 0.01)


@RULES
@pytest.mark.parametrize("format", ["csr_array", "csr_matrix", "csc_array", "coo_array"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_sparse_rows_give_what_dense_rows_give(assignment, format, dtype, monkeypatch):
    monkeypatch.setattr(featlearn.vectors.dictionary, "CHUNK_BYTES", 1)  # chunks of 64 rows
    monkeypatch.setattr(featlearn.streaming, "CHUNK_BYTES", 1)
    rng = np.random.default_rng(0)
    X = (rng.poisson(0.4, (300, 20)) * rng.integers(1, 5, 20)).astype(dtype)
    S = getattr(scipy.sparse, format)(X)
    weights = rng.uniform(0, 2, 300)
    dense = KMeansDictionary(12, assignment=assignment, random_state=0, max_iter=5, tol=0).fit(X, sample_weight=weights)
    sparse = clone(dense).fit(S, sample_weight=weights)
    for name in ("components_", "inertia_curve_", "counts_", "labels_"):
        np.testing.assert_array_equal(getattr(sparse, name), getattr(dense, name))
    for encode in ("triangle", "hard", "split", "omp"):
        dense.set_params(encode=encode)
        np.testing.assert_array_equal(dense.transform(S), dense.transform(X))
    np.testing.assert_array_equal(dense.predict(S), dense.predict(X))
    np.testing.assert_array_equal(dense.score_samples(S), dense.score_samples(X))
    assert dense.score(S) == dense.score(X)
    parts = [clone(dense).partial_fit(B[:100]).partial_fit(B[100:]) for B in (S.tocsr(), X)]
    np.testing.assert_array_equal(parts[0].components_, parts[1].components_)
    chunks = clone(dense).fit(lambda: [S.tocsr()[:64], S.tocsr()[64:]])
    np.testing.assert_allclose(chunks.components_, clone(dense).fit(X).components_, atol=1e-5)


def test_a_wide_sparse_matrix_is_never_dense_as_a_whole():
    S = scipy.sparse.random_array((2000, 50_000), density=2e-4, format="csr", rng=np.random.default_rng(0))
    tracemalloc.start()
    KMeansDictionary(3, random_state=0, max_iter=2, tol=0, init="random").fit(S).predict(S)
    assert tracemalloc.get_traced_memory()[1] < 400 * 2**20  # dense it is 800 MB
    tracemalloc.stop()


def test_an_end_at_max_iter_is_told_and_tol_0_asks_for_none():
    X = blobs(n=2000)
    with pytest.warns(ConvergenceWarning, match=r"KMeansDictionary: max_iter=3 .* still changed by .*tol=0.0001"):
        KMeansDictionary(20, max_iter=3, random_state=0).fit(X)
    for learner in (KMeansDictionary(20, max_iter=3, tol=0), KMeansDictionary(20), KMeansDictionary(20, tol=0.9)):
        learner.set_params(random_state=0).fit(X)  # warnings are errors
    stop = EarlyStopping(patience=1, tol=0.5)
    KMeansDictionary(20, random_state=0).set_callbacks(stop).fit(X)


@pytest.mark.parametrize("assignment", ["euclidean", "spherical", "cosine"])
def test_the_defaults_converge_on_ordinary_tables(assignment):
    for load in (load_digits, load_iris):
        KMeansDictionary(10, assignment=assignment, random_state=0).fit(load().data)  # warnings are errors


@pytest.mark.parametrize("Learner", [KMeansDictionary, featlearn.RandomPatches])
def test_a_feature_that_drowns_the_others_is_named(Learner):
    outlier = blobs()
    outlier[5, 2] = 1e5
    hidden = np.vstack([blobs(n=3000), outlier])  # not among the rows that are looked at, but k-means gives it an atom
    days = np.column_stack([blobs(), 1.7e9 + 86_400 * np.arange(600)])
    cases = [(load_wine().data, 12), (outlier, 2), (days, 6)] + ([(hidden, 2)] if Learner is KMeansDictionary else [])
    for X, feature in cases:
        with pytest.warns(UserWarning, match=f"{Learner.__name__}: .* of feature {feature} .*StandardScaler"):
            Learner(random_state=0).fit(X)
        if len(X) < 1000 and X is not outlier:
            Learner(random_state=0).fit(StandardScaler().fit_transform(X))  # warnings are errors


@pytest.mark.parametrize("Learner", [KMeansDictionary, featlearn.RandomPatches])
def test_no_false_alarm_of_scale(Learner):
    rng = np.random.default_rng(0)
    waves = np.array([np.sin((1 + 0.1 * rng.normal()) * np.linspace(0, 6, 200) + rng.normal()) for _ in range(500)])
    rare = np.eye(50)[np.minimum(rng.zipf(1.5, 1000) - 1, 49)]
    counts = rng.poisson(50 / np.arange(1, 300), (500, 299)).astype(float)
    digits = load_digits().data  # pixels at the border hardly vary
    for X in (waves, PCA(50).fit_transform(waves), rare, counts, scipy.sparse.csr_array(counts**3), digits):
        Learner(random_state=0).fit(X)  # warnings are errors


def test_atoms_that_went_to_outliers_are_told():
    X = np.random.default_rng(0).normal(size=(400, 10)) ** 5
    with pytest.warns(UserWarning, match=r"of n_components=8 atoms hold less than a tenth.*outliers.*RobustScaler"):
        KMeansDictionary(random_state=0).fit(X)
    KMeansDictionary(random_state=0).fit(np.sign(X) * np.abs(X) ** 0.2)  # warnings are errors


@pytest.mark.parametrize("Learner", [KMeansDictionary, featlearn.RandomPatches])
@pytest.mark.parametrize("encode", ["threshold", "split"])
def test_a_threshold_beyond_the_data_is_told(Learner, encode):
    X = 1e-4 * blobs()
    parameters = {"assignment": "spherical"} if Learner is KMeansDictionary else {}
    learner = Learner(encode=encode, random_state=0, **parameters)
    with pytest.warns(UserWarning, match=r"units, .*constant.*Lower threshold=0.25"):
        learner.fit(X)
    learner.set_params(threshold=1e-6).fit(X)  # warnings are errors


def test_numpy_scalars_are_taken_as_what_they_hold():
    X = blobs(n=200)
    plain = KMeansDictionary(
        9, assignment="spherical", encode="split", init="random", n_init=2, max_iter=20, tol=0, random_state=0
    )
    given = {
        name: np.str_(value) if isinstance(value, str) else np.uint8(value) if isinstance(value, int) else value
        for name, value in plain.get_params().items()
    }
    np.testing.assert_array_equal(KMeansDictionary(**given).fit(X).transform(X), plain.fit(X).transform(X))
    many = KMeansDictionary(np.uint8(20), init=np.str_("k-means++"), max_iter=np.int16(300), n_init=np.uint8(3))
    assert many.fit(X).components_.shape == (20, 6)


# --- invariances ---------------------------------------------------------------------------------------------------


@RULES
@pytest.mark.usefixtures("bounds")
def test_chunks_threads_and_order_change_nothing_beyond_rounding(assignment, monkeypatch):
    X = blobs(n=1000)
    learner = KMeansDictionary(9, assignment=assignment, max_iter=8, tol=0, random_state=0)
    expected = learner.fit(X).components_
    np.testing.assert_array_equal(clone(learner).fit(X).components_, expected)
    order = np.random.default_rng(1).permutation(1000)
    np.testing.assert_allclose(clone(learner).fit(X[order]).components_, expected, atol=1e-9)
    monkeypatch.setattr(featlearn.streaming, "CHUNK_BYTES", 1)  # chunks of 64 rows
    in_chunks = clone(learner).fit(X).components_
    np.testing.assert_allclose(in_chunks, expected, atol=1e-9)
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        monkeypatch.setattr("joblib.cpu_count", lambda: 8)
        np.testing.assert_array_equal(clone(learner).fit(X).components_, in_chunks)


@pytest.mark.usefixtures("bounds")
def test_float32_runs_agree_whatever_the_threads(monkeypatch):
    X = blobs(n=2000, d=20).astype(np.float32)
    monkeypatch.setattr(featlearn.streaming, "CHUNK_BYTES", 1)
    results = []
    for threads in (1, 4):
        monkeypatch.setattr(featlearn.streaming, "n_threads", lambda n_jobs=None, t=threads: t)
        results.append(KMeansDictionary(40, max_iter=10, tol=0, random_state=0).fit(X).components_)
    np.testing.assert_array_equal(*results)


def test_streams_give_what_the_array_gives():
    X = blobs()
    learner = KMeansDictionary(9, max_iter=8, tol=0, random_state=0)
    expected = learner.fit(X).components_
    assert expected.dtype == np.float64
    for stream in (lambda: iter([X[:100], X[100:]]), lambda: [X[:1], X[1:1], X[1:]]):
        learned = clone(learner).fit(stream)
        np.testing.assert_allclose(learned.components_, expected, atol=1e-9)
        assert learned.components_.dtype == np.float64
    codes = np.concatenate(list(learner.transform(iter([X[:100], X[100:]]))))
    np.testing.assert_allclose(codes, learner.transform(X), atol=1e-12)
    assert learner.score(iter([X[:100], X[100:]])) == pytest.approx(learner.score(X))


@RULES
@pytest.mark.usefixtures("bounds")
def test_a_weight_of_w_counts_as_w_samples(assignment):
    X = blobs(n=200)
    weights = np.random.default_rng(0).integers(0, 4, 200)
    repeated = KMeansDictionary(6, assignment=assignment, random_state=0).fit(np.repeat(X, weights, axis=0))
    weighted = KMeansDictionary(6, assignment=assignment, random_state=0).fit(X, sample_weight=weights)
    np.testing.assert_allclose(weighted.components_, repeated.components_, atol=1e-9)
    np.testing.assert_allclose(weighted.inertia_, repeated.inertia_)
    np.testing.assert_allclose(weighted.counts_, repeated.counts_)
    assert weighted.score(X, sample_weight=weights) == pytest.approx(-weighted.inertia_)
    stream = KMeansDictionary(6, assignment=assignment, random_state=0).fit(
        lambda: [(X[:50], weights[:50]), (X[50:], weights[50:])]
    )
    np.testing.assert_allclose(stream.components_, repeated.components_, atol=1e-9)


@RULES
def test_a_weight_of_zero_removes_a_sample(assignment):
    X = blobs(n=200)
    weights = np.r_[np.ones(150), np.zeros(50)]
    far = X.copy()
    far[150:] *= 1e3
    kept = KMeansDictionary(6, assignment=assignment, random_state=0).fit(X[:150])
    weighted = KMeansDictionary(6, assignment=assignment, random_state=0).fit(far, sample_weight=weights)
    np.testing.assert_allclose(weighted.components_, kept.components_, atol=1e-9)


@DTYPES
def test_bytes_and_read_only_memmaps_are_taken(tmp_path, dtype):
    X = np.random.default_rng(0).integers(0, 256, (300, 9)).astype(np.uint8)
    np.save(tmp_path / "bytes.npy", X)
    np.save(tmp_path / "floats.npy", X.astype(dtype))
    expected = KMeansDictionary(5, random_state=0).fit(X.astype(np.float32))
    for data in (X, np.load(tmp_path / "bytes.npy", mmap_mode="r")):
        learner = KMeansDictionary(5, random_state=0).fit(data)
        np.testing.assert_array_equal(learner.components_, expected.components_)
        assert learner.transform(data).dtype == np.float32
    learner = KMeansDictionary(5, random_state=0).fit(np.load(tmp_path / "floats.npy", mmap_mode="r"))
    assert learner.transform(np.load(tmp_path / "floats.npy", mmap_mode="r")).dtype == dtype


# --- partial_fit, score, stopping ----------------------------------------------------------------------------------


def test_partial_fit_comes_close_to_fit_and_is_deterministic():
    X = blobs(n=4000)
    batches = [X[i : i + 200] for i in range(0, 4000, 200)]

    def learn():
        learner = KMeansDictionary(8, init="k-means++", random_state=1)
        for _ in range(3):
            for batch in batches:
                learner.partial_fit(batch)
        return learner

    learner, full = learn(), KMeansDictionary(8, init="k-means++", random_state=0, n_init=3).fit(X)
    np.testing.assert_array_equal(learner.components_, learn().components_)
    assert -learner.score(X) < 1.1 * full.inertia_
    assert learner.n_iter_ == 60
    assert learner.n_samples_seen_ == 12000
    assert learner.counts_.sum() == 12000


def test_partial_fit_is_the_running_mean_of_what_an_atom_won():
    X = np.array([[0.0, 0], [1, 0], [10, 0], [2, 0], [12, 0], [11, 0]])
    learner = KMeansDictionary(2, init=np.array([[0.0, 0], [10, 0]]))
    learner.partial_fit(X[:3]).partial_fit(X[3:])
    np.testing.assert_allclose(learner.components_, [[1, 0], [11, 0]])  # (0 + 1 + 2) / 3 and (10 + 12 + 11) / 3
    np.testing.assert_array_equal(learner.counts_, [3, 3])


@pytest.mark.parametrize("assignment", ["spherical", "cosine"])
def test_partial_fit_of_unit_atoms(assignment):
    X = blobs(n=1000) + 1
    learner = KMeansDictionary(8, assignment=assignment, random_state=0)
    for i in range(0, 1000, 100):
        learner.partial_fit(X[i : i + 100])
    np.testing.assert_allclose(np.linalg.norm(learner.components_, axis=1), 1)
    assert (
        -learner.score(X) < 1.3 * KMeansDictionary(8, assignment=assignment, random_state=0, n_init=3).fit(X).inertia_
    )


def test_partial_fit_after_fit_weighs_what_fit_saw():
    X = blobs(n=1000)
    learner = KMeansDictionary(8, random_state=0, tol=0, max_iter=200).fit(X)
    before, counts = learner.components_.copy(), learner.counts_.copy()
    learner.partial_fit(X[:10])
    labels = KMeansDictionary(8, init=before, encode="hard", max_iter=1, tol=0).fit(X).predict(X[:10])
    moved = np.linalg.norm(learner.components_ - before, axis=1)
    assert (moved[np.setdiff1d(range(8), labels)] < 1e-12).all()
    assert 0 < moved.max() < 0.5
    np.testing.assert_array_equal(learner.counts_, counts + np.bincount(labels, minlength=8))
    assert learner.n_samples_seen_ == 1010


def test_score_is_minus_the_inertia():
    X, T = blobs(seed=0), blobs(seed=1)
    learner = KMeansDictionary(8, random_state=0).fit(X)
    assert learner.score(X) == pytest.approx(-learner.inertia_)
    assert learner.score(T) == pytest.approx(-references.nearest(T, learner.components_)[1].sum())
    spherical = KMeansDictionary(8, assignment="spherical", random_state=0).fit(X)
    G = T @ spherical.components_.T
    best = np.abs(G).argmax(axis=1)
    error = T - G[np.arange(len(T)), best, None] * spherical.components_[best]
    assert spherical.score(T) == pytest.approx(-(error**2).sum())


def test_tol_stops_at_the_relative_change():
    X = blobs(n=1000)
    long = KMeansDictionary(20, tol=0, max_iter=300, random_state=0).fit(X)
    assert long.n_iter_ < 300  # nothing moves any more
    short = KMeansDictionary(20, tol=1e-2, max_iter=300, random_state=0).fit(X)
    change = -np.diff(short.inertia_curve_) / short.inertia_curve_[:-1]
    assert change[-1] <= 1e-2 < change[:-1].min()
    np.testing.assert_allclose(short.inertia_curve_, long.inertia_curve_[: short.n_iter_])


# --- callbacks and interrupts --------------------------------------------------------------------------------------


class Watch:
    """A callback that collects the inertia of each iteration and can raise at one."""

    max_propagation_depth = None

    def __init__(self, raise_at=None, error=KeyboardInterrupt):
        self.raise_at, self.error, self.inertias = raise_at, error, []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, metadata=None):
        if metadata and "inertia" in metadata:
            self.inertias.append(metadata["inertia"])
            if len(self.inertias) == self.raise_at:
                raise self.error


def test_callbacks_see_the_inertia_of_each_iteration():
    watch = Watch()
    learner = KMeansDictionary(8, random_state=0, n_init=2, max_iter=5, tol=0).set_callbacks(watch)
    assert isinstance(learner, CallbackSupportMixin)
    learner.fit(blobs())
    assert len(watch.inertias) == 10
    curve = learner.inertia_curve_.tolist()
    assert curve in (watch.inertias[:5], watch.inertias[5:])


def test_a_fit_that_fails_leaves_no_trace():
    learner = KMeansDictionary(8, random_state=0).set_callbacks(Watch(3, ArithmeticError))
    attributes = set(vars(learner))
    with pytest.raises(ArithmeticError):
        learner.fit(blobs())
    assert set(vars(learner)) == attributes
    with pytest.raises(NotFittedError):
        learner.transform(blobs())


@pytest.mark.usefixtures("bounds")
@pytest.mark.parametrize("at", [1, 3])
def test_an_interrupt_keeps_the_iterations_that_were_whole(at):
    X = blobs()
    learner = KMeansDictionary(8, random_state=0, tol=0).set_callbacks(Watch(at))
    with pytest.warns(ConvergenceWarning, match=f"interrupted, so the fit ends after {at} iteration"):
        learner.fit(X)
    short = KMeansDictionary(8, random_state=0, tol=0, max_iter=at).fit(X)
    for name in ("components_", "inertia_", "inertia_curve_", "n_iter_", "counts_", "labels_", "n_samples_seen_"):
        np.testing.assert_allclose(getattr(learner, name), getattr(short, name))
    np.testing.assert_array_equal(learner.predict(X), learner.labels_)


@pytest.mark.usefixtures("bounds")
def test_an_interrupt_within_a_walk_keeps_the_iteration_before_it(monkeypatch):
    X, walks, real = blobs(), [], KMeansDictionary._walk

    def walk(*args):
        stats = real(*args)
        walks.append(1)
        if len(walks) == 4:
            raise KeyboardInterrupt
        return stats

    monkeypatch.setattr(KMeansDictionary, "_walk", walk)
    with pytest.warns(ConvergenceWarning, match="ends after 3 iterations"):
        learner = KMeansDictionary(8, random_state=0, tol=0).fit(X)
    monkeypatch.undo()
    short = KMeansDictionary(8, random_state=0, tol=0, max_iter=3).fit(X)
    np.testing.assert_allclose(learner.components_, short.components_)
    assert learner.inertia_ == pytest.approx(short.inertia_) == -learner.score(X)


def test_an_interrupt_in_a_second_run_keeps_the_better_one():
    X = blobs()
    alone = KMeansDictionary(8, random_state=0).fit(X)
    learner = KMeansDictionary(8, random_state=0, n_init=5).set_callbacks(Watch(alone.n_iter_ + 1))
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        learner.fit(X)
    assert learner.inertia_ <= alone.inertia_
    assert learner.inertia_ == pytest.approx(-learner.score(X))


def test_an_interrupt_before_the_first_iteration_goes_through_and_leaves_the_first_fit(monkeypatch):
    X = blobs()
    learner = KMeansDictionary(8, random_state=0).fit(X)
    before = {name: np.copy(value) for name, value in vars(learner).items() if name.endswith("_")}

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(KMeansDictionary, "_walk", interrupted)
    with pytest.raises(KeyboardInterrupt):
        learner.fit(blobs(d=9))
    monkeypatch.undo()
    assert {name for name in vars(learner) if name.endswith("_")} == set(before)
    for name, value in before.items():
        np.testing.assert_array_equal(getattr(learner, name), value)
    learner.transform(X)


def test_early_stopping_stops():
    X = blobs(n=1000)
    stop = EarlyStopping(patience=2, tol=0.01)
    learner = KMeansDictionary(20, random_state=0, tol=0, max_iter=200).set_callbacks(stop).fit(X)
    full = KMeansDictionary(20, random_state=0, tol=0, max_iter=200).fit(X)
    assert learner.n_iter_ < full.n_iter_
    np.testing.assert_allclose(learner.inertia_curve_, full.inertia_curve_[: learner.n_iter_])
    gains = -np.diff(learner.inertia_curve_) / learner.inertia_curve_[:-1]
    assert (gains[-2:] < 0.01).all()
    assert len(stop.stopped_) == 1


# --- statistics ----------------------------------------------------------------------------------------------------


@RULES
def test_cluster_sums_of_parts_add_to_those_of_the_whole(assignment):
    X, atoms = blobs() + 1, unit(blobs(9, seed=5))
    whole = cluster_step(X, atoms=atoms, assignment=assignment)
    parts = cluster_step(X[:100], atoms=atoms, assignment=assignment)
    parts = parts + cluster_step(X[100:], atoms=atoms, assignment=assignment)
    for name in ("sums", "weights", "inertia", "total"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-12, atol=1e-9)


@RULES
def test_an_atom_that_won_nothing_stays(assignment):
    atoms = unit(blobs(3))
    stats = ClusterSums(np.zeros((3, 6)), np.zeros(3), 0.0, 0.0)
    np.testing.assert_allclose(updated_atoms(stats, atoms, assignment, 1.0), atoms)
    np.testing.assert_allclose(updated_atoms(stats, atoms, assignment, 0.0), atoms)


# --- the estimator -------------------------------------------------------------------------------------------------


def test_a_fitted_dictionary_works_in_another_process(tmp_path):
    X = blobs()
    learner = KMeansDictionary(9, random_state=0).fit(X)
    (tmp_path / "learner.pickle").write_bytes(pickle.dumps(learner))
    np.save(tmp_path / "X.npy", X)
    code = (
        "import pickle, numpy as np\n"
        "learner = pickle.load(open('learner.pickle', 'rb'))\n"
        "np.save('codes.npy', learner.transform(np.load('X.npy')))\n"
    )
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "codes.npy"), learner.transform(X))


def test_set_params_then_fit_equals_a_fresh_fit():
    X = blobs()
    changed = KMeansDictionary(5, random_state=0).fit(X)
    changed.set_params(n_components=9, assignment="spherical", encode="split", threshold=0.1, random_state=4).fit(X)
    fresh = KMeansDictionary(9, assignment="spherical", encode="split", threshold=0.1, random_state=4).fit(X)
    np.testing.assert_array_equal(changed.transform(X), fresh.transform(X))
    assert vars(changed).keys() == vars(fresh).keys()
    copy = clone(changed)
    assert copy.get_params() == changed.get_params()
    assert not hasattr(copy, "components_")
    np.testing.assert_array_equal(copy.fit(X).transform(X), fresh.transform(X))


@RULES
def test_the_same_seed_gives_the_same_atoms_and_another_gives_others(assignment):
    X = blobs()

    def fit(seed):
        return KMeansDictionary(9, assignment=assignment, random_state=seed, max_iter=3, tol=0).fit(X).components_

    np.testing.assert_array_equal(fit(0), fit(0))
    np.testing.assert_array_equal(fit(np.random.RandomState(0)), fit(0))
    assert not np.array_equal(fit(0), fit(1))


def test_the_input_and_first_atoms_are_left_alone():
    X, init = blobs(), blobs()[:5]
    before = X.copy(), init.copy()
    learner = KMeansDictionary(5, assignment="spherical", init=init).fit(X)
    learner.transform(X)
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(init, before[1])


def test_feature_names():
    X = blobs()
    assert KMeansDictionary(3, random_state=0).fit(X).get_feature_names_out()[-1] == "kmeansdictionary2"
    split = KMeansDictionary(3, encode="split", random_state=0).fit(X)
    assert len(split.get_feature_names_out()) == 6 == split.transform(X).shape[1]


@pytest.mark.parametrize("offset", [0, 100, 3000])
def test_many_atoms_are_exact_far_from_the_origin(offset):
    """Four hundred atoms: enough for bounds between iterations, which stand aside where products would cancel."""
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(4000, 8)) + offset).astype(np.float32)
    init = X[:400].copy()
    learner = KMeansDictionary(400, init=init, max_iter=10, tol=0, random_state=0).fit(X)
    assert (learner.counts_ > 0).all()
    exact = ((X[:, None].astype(float) - learner.components_.astype(float)) ** 2).sum(axis=2).min(axis=1).sum()
    assert learner.inertia_ == pytest.approx(exact, rel=1e-3)


def test_dead_atoms_are_drawn_anew_far_from_the_origin():
    """The first atoms lie about 0 and the data at 1e9, far more than their spread: all but one atom start dead."""
    rng = np.random.default_rng(0)
    hours = np.repeat([0.0, 40.0, 90.0], 50)[:, None] + rng.normal(size=(150, 1))
    X = 1.7e9 + 3600 * hours
    learner = KMeansDictionary(3, max_iter=50, tol=0, random_state=0).fit(X)
    assert sorted(learner.counts_) == [50, 50, 50]


def test_a_memmap_keeps_no_bounds(tmp_path, monkeypatch):
    path = tmp_path / "rows.f32"
    np.random.default_rng(0).normal(size=(900, 4)).astype(np.float32).tofile(path)
    mapped = np.memmap(path, np.float32, "r", shape=(900, 4))
    built = []
    real = kmeans.RememberedRows
    monkeypatch.setattr(kmeans, "RememberedRows", lambda *a: built.append(1) or real(*a))
    one = KMeansDictionary(400, max_iter=3, tol=0, random_state=0).fit(mapped)
    assert built == []
    other = KMeansDictionary(400, max_iter=3, tol=0, random_state=0).fit(np.array(mapped))
    assert built == [1]
    np.testing.assert_allclose(one.components_, other.components_, atol=1e-5)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_overflow_is_named():
    X = (np.random.default_rng(0).normal(size=(50, 3)) * 1e25).astype(np.float32)
    with pytest.raises(ValueError, match=r"squares of float32 numbers overflow above.*Scale the data"):
        KMeansDictionary(3).fit(X)


def test_encoding_parameters_set_after_the_fit_are_checked():
    learner = KMeansDictionary(3, random_state=0).fit(blobs())
    with pytest.raises(ValueError, match="encode='foo' is not valid"):
        learner.set_params(encode="foo").transform(blobs())


def test_partial_fit_refuses_another_number_of_atoms():
    X = np.random.default_rng(0).normal(size=(30, 3))
    learner = KMeansDictionary(4, random_state=0).partial_fit(X)
    before = learner.components_.copy()
    with pytest.raises(ValueError, match=r"n_components=5 was set after 4 atoms were learned"):
        learner.set_params(n_components=5).partial_fit(X)
    np.testing.assert_array_equal(learner.components_, before)
