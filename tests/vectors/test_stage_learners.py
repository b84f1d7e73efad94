"""scikit-learn's KernelPCA, NMF, FastICA and PCA as the learner of a stage on digits, alone and in a search."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import NMF, PCA, FastICA, KernelPCA
from sklearn.feature_extraction.image import extract_patches_2d
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from featlearn import ZCA, Abs, ContrastNormalizer, Flatten, LinearSVM, MeanPool, Stage

DIGITS = load_digits()
IMAGES, Y = DIGITS.images[:120] / 16, DIGITS.target[:120]
LEARNERS = {
    "PCA": PCA(6),
    "whitened FastICA": make_pipeline(
        ContrastNormalizer(eps=0.1),
        ZCA(),
        FastICA(6, whiten="unit-variance", tol=1e-2, max_iter=1000),  # the patches' own mean is gone: no full rank
    ),
    "FastICA": FastICA(6, whiten="unit-variance", whiten_solver="eigh", tol=1e-2, max_iter=1000),
    "NMF": NMF(6, init="nndsvda", tol=1e-3, max_iter=1000),
    "NMF of scaled pixels": make_pipeline(MinMaxScaler(clip=True), NMF(6, init="nndsvda", tol=1e-3, max_iter=1000)),
    "KernelPCA": KernelPCA(6, kernel="rbf", gamma=0.3),
}
EACH = pytest.mark.parametrize("learner", LEARNERS.values(), ids=LEARNERS)
DTYPE = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def stage(learner, **parameters):
    return Stage(learner, **{"patch_size": 4, "n_patches": 300, "random_state": 0} | parameters)


def pipeline(learner):
    return make_pipeline(
        stage(learner, rectify=Abs(), pool=MeanPool(grid=2)), Flatten(), StandardScaler(), LinearSVM(C=0.1)
    )


def tolerance(learner, dtype):
    """NMF's rows depend on the batch they are in, to within its tol."""
    last = learner[-1] if hasattr(learner, "steps") else learner
    return 0.02 if isinstance(last, NMF) else {np.float32: 1e-3, np.float64: 1e-9}[dtype]


@EACH
@DTYPE
def test_each_place_holds_the_learners_answer_to_the_patch_there(learner, dtype):
    images = IMAGES.astype(dtype)
    fitted = stage(learner).fit(images)
    maps = fitted.transform(images)
    assert maps.shape == (120, 5, 5, 6)
    assert maps.dtype == dtype
    patches = np.concatenate([extract_patches_2d(image, (4, 4)) for image in images]).reshape(-1, 16)
    expected = fitted.learner_.transform(patches)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(maps.reshape(-1, 6), expected, atol=tolerance(learner, dtype) * scale)
    pooled = stage(learner, rectify=Abs(), pool=MeanPool(grid=(1, 1))).fit_transform(images)
    means = np.abs(expected).reshape(120, 25, 6).mean(axis=1)
    np.testing.assert_allclose(pooled[:, 0, 0], means, atol=tolerance(learner, dtype) * scale)


@EACH
@DTYPE
def test_what_was_fitted_in_one_precision_transforms_the_other(learner, dtype):
    """NMF takes no other precision than it was fitted on; the stage hands it that one."""
    other = np.float64 if dtype == np.float32 else np.float32
    fitted = stage(learner).fit(IMAGES.astype(dtype))
    maps = fitted.transform(IMAGES.astype(other))
    assert maps.dtype == other
    expected = fitted.transform(IMAGES.astype(dtype))
    np.testing.assert_allclose(maps, expected, atol=max(tolerance(learner, np.float32) * np.abs(expected).max(), 1e-4))


@EACH
def test_integer_pixels_do(learner):
    images = (DIGITS.images[:60]).astype(np.uint8)
    maps = stage(learner).fit(images).transform(images)
    assert maps.dtype == np.float32
    assert np.isfinite(maps).all()


@EACH
def test_the_same_stage_twice_and_after_a_pickle(learner):
    fitted = stage(learner).fit(IMAGES)
    out = fitted.transform(IMAGES)
    np.testing.assert_array_equal(clone(fitted).fit(IMAGES).transform(IMAGES), out)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).transform(IMAGES), out)


def test_nmf_says_that_it_takes_no_negative_pixels():
    with pytest.raises(ValueError, match="Negative values in data passed to NMF"):
        stage(LEARNERS["NMF"]).fit(IMAGES - 0.5)
    codes = stage(LEARNERS["NMF of scaled pixels"]).fit(IMAGES - 0.5).transform(IMAGES - 0.5)
    assert (codes >= 0).all()


def test_kernel_pca_of_a_linear_kernel_is_pca():
    linear = stage(KernelPCA(5)).fit(IMAGES).transform(IMAGES)
    plain = stage(PCA(5, svd_solver="full")).fit(IMAGES).transform(IMAGES)
    signs = np.sign(np.einsum("nyxk,nyxk->k", linear, plain))
    np.testing.assert_allclose(linear, plain * signs, atol=1e-8)


def test_a_search_over_learners_in_two_processes_scores_as_each_alone():
    candidates = [LEARNERS["PCA"], LEARNERS["whitened FastICA"], LEARNERS["NMF"], LEARNERS["KernelPCA"]]
    grid = {"stage__learner": candidates}
    together = GridSearchCV(pipeline(PCA()), grid, cv=2, n_jobs=2, error_score="raise").fit(IMAGES, Y)
    scores = together.cv_results_["mean_test_score"]
    alone = [cross_val_score(pipeline(learner), IMAGES, Y, cv=2).mean() for learner in candidates]
    # A worker process counts fewer cores, so its matrix products may round otherwise at a tie.
    np.testing.assert_allclose(scores, alone, atol=1 / len(IMAGES))
    assert min(scores) > 0.5
    assert together.best_estimator_.predict(IMAGES).shape == (120,)


def test_a_search_reaches_the_parameters_of_the_learner():
    grid = [
        {"stage__learner": [NMF(init="nndsvda", tol=1e-3, max_iter=1000)], "stage__learner__n_components": [2, 5]},
        {"stage__learner": [KernelPCA(4, kernel="rbf")], "stage__learner__gamma": [0.1, 1.0]},
    ]
    search = GridSearchCV(pipeline(PCA()), grid, cv=2, n_jobs=2, error_score="raise").fit(IMAGES, Y)
    assert len(search.cv_results_["params"]) == 4
    assert search.best_score_ > 0.5
    best = search.best_estimator_[0].learner_
    for name, value in search.best_params_.items():
        if "__learner__" in name:
            assert best.get_params()[name.split("__")[-1]] == value
