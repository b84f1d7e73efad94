"""scikit-learn's own checks over every public two-dimensional estimator; the tested set equals the public set."""

import inspect
import warnings

import pytest
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import estimator_checks

import featlearn

ESTIMATORS_2D = [
    featlearn.ClusterClassifier(),
    featlearn.ContractiveAutoencoder(max_iter=5, random_state=0),
    featlearn.ContrastNormalizer(),
    featlearn.DenoisingAutoencoder(max_iter=5, random_state=0),
    featlearn.GaussianMixtureEncoder(random_state=0),
    featlearn.ICA(random_state=0),
    featlearn.KMeansDictionary(random_state=0),
    featlearn.LDA(3, max_iter=20, random_state=0),
    featlearn.LDA(3, method="vb", max_iter=5, tol=0, random_state=0),
    featlearn.LDA(3, method="online", max_iter=2, random_state=0),
    featlearn.LinearSVM(),
    featlearn.LinearSVMCV(Cs=3, cv=2),
    featlearn.MixtureOfUnigrams(3, random_state=0),
    featlearn.PCAWhitening(),
    featlearn.PLSA(3, max_iter=20, tol=0, random_state=0),
    featlearn.PredictiveSparse(max_iter=5, random_state=0),
    featlearn.RBM(4, visible="gaussian", random_state=0),
    featlearn.RICA(random_state=0),
    featlearn.RandomPatches(random_state=0),
    featlearn.RandomWeights(random_state=0),
    featlearn.SlowFeatureAnalysis(),
    featlearn.SparseAutoencoder(max_iter=5, random_state=0),
    featlearn.SparseCoding(max_iter=5, tol=0, random_state=0),
    featlearn.SparseFiltering(max_iter=20, random_state=0),
    featlearn.UnigramModel(),
    featlearn.ZCA(),
]
# Their input is documents or sentences; tests/text and tests/grammar check them.
TEXT_ESTIMATORS = {"ConstituentVectorizer", "PCFGParser", "Phrases", "Tokenizer", "TopicExtractor"}
# Image estimators take (n, height, width[, channels]); tests/images/test_battery.py checks them.
IMAGE_ESTIMATORS = {
    "Abs",
    "FisherVector",
    "Flatten",
    "LocalContrastNormalizer",
    "MaxPool",
    "MeanPool",
    "Positive",
    "SoftThreshold",
    "SplitSign",
    "Stage",
    "SumPool",
    "ToImages",
}
EXTRA_CHECKS = [
    estimator_checks.check_transformer_get_feature_names_out,
    estimator_checks.check_transformer_get_feature_names_out_pandas,
    estimator_checks.check_set_output_transform,
    estimator_checks.check_set_output_transform_pandas,
    estimator_checks.check_dataframe_column_names_consistency,
]


def name(estimator):
    return type(estimator).__name__


def public_estimators():
    found = {n for n in featlearn.__all__ if inspect.isclass(getattr(featlearn, n))}
    return {n for n in found if issubclass(getattr(featlearn, n), BaseEstimator)}


def test_the_tested_set_is_the_public_set():
    tested = {name(e) for e in ESTIMATORS_2D}
    assert tested | IMAGE_ESTIMATORS | TEXT_ESTIMATORS == public_estimators()
    assert not tested & (IMAGE_ESTIMATORS | TEXT_ESTIMATORS)


@pytest.mark.parametrize("estimator", ESTIMATORS_2D, ids=name)
def test_enough_checks_are_collected(estimator):
    checks = list(estimator_checks.estimator_checks_generator(estimator, legacy=True))
    assert len(checks) >= 45


@estimator_checks.parametrize_with_checks(ESTIMATORS_2D)
def test_scikit_learn_check(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Some checks fit eight atoms to four distinct samples; that warning is right.
        warnings.simplefilter("ignore", ConvergenceWarning)
        check(estimator)


@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names")  # the checks' own doing
@pytest.mark.parametrize("check", EXTRA_CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("estimator", ESTIMATORS_2D, ids=name)
def test_extra_check(estimator, check):
    if not hasattr(estimator, "transform") and "column_names" not in check.__name__:
        pytest.skip("not a transformer")
    check(name(estimator), estimator)
