"""scikit-learn's own checks over every public two-dimensional estimator."""

import warnings

import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import estimator_checks

from tests.registry import ESTIMATORS, instances

# tests/images/test_battery.py is that of images; tests/text, tests/topics and tests/grammar check what reads texts.
ESTIMATORS_2D = [e for name, kind in ESTIMATORS.items() if kind in ("rows", "counts") for e in instances(name)]
EXTRA_CHECKS = [
    estimator_checks.check_transformer_get_feature_names_out,
    estimator_checks.check_transformer_get_feature_names_out_pandas,
    estimator_checks.check_set_output_transform,
    estimator_checks.check_set_output_transform_pandas,
    estimator_checks.check_dataframe_column_names_consistency,
]


def name(estimator):
    return type(estimator).__name__


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
