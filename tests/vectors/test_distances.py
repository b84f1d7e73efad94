"""Distances that cancel: groups far apart, outliers, offsets. The truth is sums of squared differences in float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featlearn import ClusterClassifier, KMeansDictionary, Stage
from featlearn.kernels.encoding import assign
from featlearn.vectors import mixture_start
from featlearn.vectors.dictionary import codes, unit_rows

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def squares(X, atoms):
    """All squared distances (n, K), in float64, by differences."""
    X, atoms = np.asarray(X, np.float64), np.asarray(atoms, np.float64)
    return np.array([((X - a) ** 2).sum(axis=1) for a in atoms]).T.reshape(len(X), len(atoms))


def triangle(X, atoms):
    z = np.sqrt(squares(X, atoms))
    return np.maximum(z.mean(axis=1, keepdims=True) - z, 0)


def groups(far, n=200, spread=0.3, seed=0):
    """Four groups at (+-far, +-2), and their centers."""
    centers = np.array([[-far, -2], [-far, 2], [far, -2], [far, 2]])
    rng = np.random.default_rng(seed)
    return np.concatenate([c + spread * rng.normal(size=(n, 2)) for c in centers]), centers


def outlier(n=2000, d=3, seed=0):
    """Readings near 1000, and a single missing value by its code."""
    X = 1000 + np.random.default_rng(seed).normal(size=(n, d))
    X[7] = -9999
    return X


def check(learner, X):
    """Labels, inertia, score and triangle codes of a fitted dictionary against the truth."""
    D, n = squares(X, learner.components_), len(X)
    np.testing.assert_array_equal(learner.predict(X), D.argmin(axis=1))
    assert learner.inertia_ == pytest.approx(D.min(axis=1).sum(), rel=1e-5)
    assert learner.score(X) == pytest.approx(-D.min(axis=1).sum(), rel=1e-5)
    np.testing.assert_array_equal(learner.counts_, np.bincount(D.argmin(axis=1), minlength=len(learner.components_)))
    hard = codes(X, learner.components_, "hard", 0.0, "euclidean")
    np.testing.assert_array_equal(hard.argmax(axis=1), D.argmin(axis=1))
    found = codes(X, learner.components_, "triangle", 0.0, "euclidean")
    np.testing.assert_allclose(found, triangle(X, learner.components_), atol=1e-5 * np.sqrt(D).mean(axis=1).max())
    assert found.shape[0] == n


@DTYPES
@pytest.mark.parametrize("far", [3000.0, 10_000.0, 1e6])
def test_groups_far_apart(far, dtype):
    X, centers = groups(far)
    learner = KMeansDictionary(4, init=centers, max_iter=5).fit(X.astype(dtype))
    check(learner, X.astype(dtype))
    if far == 3000:
        assert learner.inertia_ == pytest.approx(139.569, abs=2e-3)
        assert learner.inertia_curve_[-1] == pytest.approx(139.569, abs=2e-3)


def test_distances_of_triangle_codes_within_a_far_group():
    """z itself, from the codes: mean less code, where the code is positive."""
    X, centers = groups(3000.0)
    X, atoms = X.astype(np.float32), (centers + 0.05).astype(np.float32)
    z = np.sqrt(squares(X, atoms))
    plan = assign.prepared_atoms(atoms, "euclidean", np.dtype(np.float32))
    assert len(plan.center) == 0  # no center would help: groups lie on both sides
    found = codes(X, atoms, "triangle", 0.0, "euclidean").astype(np.float64)
    near = z < z.mean(axis=1, keepdims=True)
    np.testing.assert_allclose((z.mean(axis=1, keepdims=True) - found)[near], z[near], atol=1e-3)


@DTYPES
@pytest.mark.parametrize("K", [8, 450])
def test_one_outlier_among_readings_far_from_zero(K, dtype):
    X = outlier().astype(dtype)
    learner = KMeansDictionary(K, init=X[:K].copy(), max_iter=4, tol=0).fit(X)
    check(learner, X)
    assert np.any(np.all(learner.components_ == -9999, axis=1))  # it kept an atom to itself


@pytest.mark.parametrize("data", ["groups", "outlier", "offset"])
def test_the_search_with_bounds(data):
    """Four hundred atoms and more, whose bounds know what a product may have lost."""
    rng = np.random.default_rng(0)
    X = {
        "groups": rng.choice([-3000.0, 3000.0], (3000, 1)) + rng.normal(size=(3000, 4)),
        "outlier": outlier(3000, 4),
        "offset": 1e6 + rng.normal(size=(3000, 4)),
    }[data].astype(np.float32)
    learner = KMeansDictionary(400, init=X[:400].copy(), max_iter=12, tol=0, random_state=0).fit(X)
    D = squares(X, learner.components_)
    assert learner.inertia_ == pytest.approx(D.min(axis=1).sum(), rel=1e-5)
    np.testing.assert_array_equal(learner.predict(X), D.argmin(axis=1))
    np.testing.assert_array_equal(learner.counts_, np.bincount(D.argmin(axis=1), minlength=400))
    assert (np.diff(learner.inertia_curve_) <= 1e-6 * learner.inertia_curve_[0]).all()  # never up, as it would be


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint16, np.uint8, np.float16])
def test_numbers_of_other_kinds(dtype):
    rng = np.random.default_rng(0)
    high = 250 if dtype in (np.uint8, np.float16) else 60_000
    X = (rng.choice([3, high - 3], (500, 1)) + rng.integers(-3, 4, (500, 3))).astype(dtype)
    learner = KMeansDictionary(6, init=X[:6].astype(float), max_iter=3, tol=0).fit(X)
    D = squares(X, learner.components_)
    least = D.min(axis=1)
    np.testing.assert_array_equal(D[np.arange(500), learner.predict(X)], least)
    assert learner.inertia_ == pytest.approx(least.sum(), rel=1e-5)


def test_memmaps_streams_and_chunks(tmp_path):
    X = groups(10_000.0, 500)[0].astype(np.float32)
    X.tofile(tmp_path / "rows.f32")
    mapped = np.memmap(tmp_path / "rows.f32", np.float32, "r", shape=X.shape)
    for data in (mapped, lambda: iter(np.array_split(X, 7))):
        learner = KMeansDictionary(4, init=groups(10_000.0)[1], max_iter=3).fit(data)
        D = squares(X, learner.components_)
        assert learner.inertia_ == pytest.approx(D.min(axis=1).sum(), rel=1e-5)
        np.testing.assert_array_equal(learner.predict(mapped), D.argmin(axis=1))
        for size in (1, 3, assign.BLOCK_ROWS, assign.BLOCK_ROWS + 1):  # a row's label knows nothing of its neighbors
            np.testing.assert_array_equal(learner.predict(X[:size]), D.argmin(axis=1)[:size])


def test_rows_coarser_than_the_atoms():
    """float32 rows, atoms learned in float64: the atoms are not rounded to the rows' precision."""
    rng = np.random.default_rng(0)
    X = 1e6 + rng.normal(size=(400, 3))
    learner = KMeansDictionary(20, random_state=0).fit(X)
    coarse = X.astype(np.float32)
    np.testing.assert_array_equal(learner.predict(coarse), squares(coarse, learner.components_).argmin(axis=1))


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_cluster_classifier(metric):
    X, centers = groups(10_000.0)
    X, y = X.astype(np.float32), np.repeat(np.arange(4), 200)
    learner = ClusterClassifier(4, metric=metric, init=centers, max_iter=3).fit(X, y)
    assert learner.score(X, y) == 1  # by cosine, too: the groups are 4e-4 apart in angle, their samples 6e-5


def test_mixtures_start_from_true_labels():
    """The first variances of a mixture are those about the nearest mean."""
    X, centers = groups(10_000.0)
    X, means = X.astype(np.float32), (centers + 0.05).astype(np.float32)
    D = squares(X, means)
    found = mixture_start.spread(X, means=means, center=np.zeros(2, X.dtype), scale=np.ones(2, X.dtype), matrix=False)
    truth = ((X.astype(float) - means[D.argmin(axis=1)]) ** 2).sum(axis=0)
    np.testing.assert_allclose(found, truth, rtol=1e-6)


@pytest.mark.parametrize("assignment", ["cosine", "spherical"])
def test_directions_that_nearly_coincide(assignment):
    """Labels of directions closer than float32 tells apart in a product are those of float64."""
    rng = np.random.default_rng(0)
    atoms = unit_rows(1 + 1e-5 * rng.normal(size=(50, 6))).astype(np.float32)
    X = (rng.uniform(1, 9, (500, 1)) * (1 + 1e-5 * rng.normal(size=(500, 6)))).astype(np.float32)
    X[::2] *= -1 if assignment == "spherical" else 1
    G = X.astype(float) @ atoms.T.astype(float)
    best = (np.abs(G) if assignment == "spherical" else G).argmax(axis=1)
    labels, _ = assign.nearest(X, atoms, assignment)
    np.testing.assert_array_equal(labels, best)
    np.testing.assert_array_equal(assign.nearest(X.astype(float), atoms, assignment)[0], best)
    U = unit_rows(X) if assignment == "cosine" else X
    _, s, errors = assign.fits(U, atoms, assignment)
    A, U = atoms[best].astype(float), U.astype(float)
    truth = ((U - s[:, None] * A) ** 2).sum(axis=1) / (2 if assignment == "cosine" else 1)
    np.testing.assert_allclose(errors, truth, rtol=1e-5)


def test_rows_of_any_length_have_a_direction():
    """Also those whose squares vanish in float32."""
    X = np.array([[3e-30, 4e-30], [3, 4], [0, 0], [1e-42, 0]], np.float32)
    np.testing.assert_allclose(unit_rows(X), [[0.6, 0.8], [0.6, 0.8], [0, 0], [1, 0]], rtol=1e-6)


@pytest.mark.parametrize("pixels", ["offset", "two groups", "one dark image"])
@pytest.mark.parametrize("encode", ["triangle", "hard"])
def test_images(pixels, encode):
    """Patches far from zero, or in two groups far apart, through the fused encoder."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(6, 8, 8, 1))
    images += {
        "offset": np.full((6, 1, 1, 1), 1e5),
        "two groups": np.array([-4000, 4000, -4000, 4000, 4000, -4000.0]).reshape(6, 1, 1, 1),
        "one dark image": np.array([-9999, 1000, 1000, 1000, 1000, 1000.0]).reshape(6, 1, 1, 1),
    }[pixels]
    images = images.astype(np.float32)
    learner = KMeansDictionary(12, encode=encode, init="random", max_iter=3, tol=0, random_state=0)
    stage = Stage(learner, patch_size=3, n_patches=150, random_state=0, device="cpu").fit(images)
    found = stage.transform(images).reshape(-1, 12)
    P = np.lib.stride_tricks.sliding_window_view(images[..., 0], (3, 3), axis=(1, 2)).reshape(-1, 9)
    D = squares(P, stage.learner_.components_)
    if encode == "hard":
        np.testing.assert_array_equal(found.argmax(axis=1), D.argmin(axis=1))
        np.testing.assert_array_equal(found.sum(axis=1), 1)
    else:
        z = np.sqrt(D)
        np.testing.assert_allclose(found, np.maximum(z.mean(axis=1, keepdims=True) - z, 0), atol=1e-5 * z.max())


@st.composite
def far_groups(draw):
    """Rows and atoms about a few centers, of any spread, scale and offset; some outliers, ties and duplicates."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    d, n, K = draw(st.integers(1, 9)), draw(st.integers(1, 60)), draw(st.sampled_from([1, 2, 5, 30, 300]))
    centers = 10.0 ** draw(st.floats(-2, 7)) * rng.normal(size=(draw(st.integers(1, 4)), d))
    offset, scale = draw(st.sampled_from([0, 1, 1e3, 1e6])), 10.0 ** draw(st.floats(-6, 6))

    def rows(m):
        return scale * (offset + centers[rng.integers(len(centers), size=m)] + rng.normal(size=(m, d)))

    X, atoms = rows(n), rows(K)
    kind = draw(st.sampled_from(["plain", "outlier", "outlying atom", "duplicates", "rounded"]))
    if kind == "outlier":
        X[0] = -9 * np.abs(X).max()
    elif kind == "outlying atom":
        atoms[-1] = -9 * np.abs(X).max()
    elif kind == "duplicates":
        X[: min(n, K)] = atoms[: min(n, K)]
        atoms[K // 2 :] = atoms[: K - K // 2]
    elif kind == "rounded":
        X, atoms = np.round(X / np.abs(X).max() * 4), np.round(atoms / np.abs(X).max() * 4)
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    return X.astype(dtype), atoms.astype(dtype if draw(st.booleans()) else np.float64)


@settings(max_examples=150, deadline=None)
@given(far_groups())
def test_labels_errors_and_codes_are_those_of_float64(data):
    X, atoms = data
    D, at = squares(X, atoms), np.arange(len(X))
    labels, errors = assign.nearest(X, atoms, "euclidean")
    assert (D[at, labels] <= D.min(axis=1) * (1 + 1e-14)).all()
    np.testing.assert_allclose(errors, D[at, labels], rtol=1e-5 if X.dtype == np.float32 else 1e-13)
    hard = codes(X, atoms, "hard", 0.0, "euclidean")
    np.testing.assert_array_equal(hard.argmax(axis=1), labels)
    z = np.sqrt(D)
    mean = z.mean(axis=1, keepdims=True)
    found = codes(X, atoms, "triangle", 0.0, "euclidean")
    assert (np.abs(found - np.maximum(mean - z, 0)) <= (2e-5 if X.dtype == np.float32 else 1e-9) * (mean + z)).all()
