"""Every parameter of every estimator: bad values are refused by name, NumPy scalars of the right kind pass.

Also tests featlearn.fitting.
"""

import inspect
import re
import warnings
from numbers import Integral, Real

import numpy as np
import pytest
from sklearn.base import clone

import featlearn
from featlearn.validation import COMMON
from tests.registry import ESTIMATORS, instances

rng = np.random.default_rng(0)
X = rng.uniform(size=(60, 6))
Y = np.arange(60) % 3
COUNTS = rng.poisson(1.0, size=(40, 12))
IMAGES = rng.uniform(0, 255, size=(12, 9, 8, 3))
DOCUMENTS = ["the cat sat on the mat", "a dog and a cat", "dogs sat on mats", "stocks and bonds"] * 5
TREES = featlearn.parse_trees("(S (NP (D the) (N cat)) (VP (V sat))) (S (NP (N dogs)) (VP (V ran)))")
# What each kind is fitted on, and what those take that read more than documents.
DATA = {"rows": (X, Y), "counts": (COUNTS,), "images": (IMAGES,), "text": (DOCUMENTS,)}
OTHER_DATA = {
    "ConstituentVectorizer": (TREES,),
    "PCFGParser": ([t.words() for t in TREES], TREES),
    "Phrases": ([d.split() for d in DOCUMENTS],),
    "ToImages": (X,),
}
ALL = {name: (instances(name)[0], OTHER_DATA.get(name, DATA[kind])) for name, kind in ESTIMATORS.items()}
# What takes any object, another estimator or a function: these are told apart by what they can do.
PARAMETERS = [(name, p) for name, (estimator, _) in ALL.items() for p in estimator.get_params(deep=False)]
ids = [f"{name}-{p}" for name, p in PARAMETERS]


# Values of the list below that are right here, because the parameter takes more kinds than its default tells.
RIGHT = {
    ("LDA", "alpha"): (17.25,),
    ("LDA", "eta"): ([1.0],),  # an array, refused for its length
    ("LocalContrastNormalizer", "eps"): (17.25,),
    ("LocalContrastNormalizer", "floor"): (17.25,),
    ("Phrases", "delimiter"): ("nonsense",),
    ("ContrastNormalizer", "eps"): (17.25,),
    ("ZCA", "eps"): (17.25,),
    ("PCAWhitening", "eps"): (17.25,),
    ("GaussianMixtureEncoder", "reg_covar"): (17.25,),
    ("SparseCoding", "alpha"): (17.25,),
    ("SparseFiltering", "eps"): (17.25,),
}


class Nonsense:
    """No parameter can be this."""

    def __repr__(self):
        return "<nonsense>"


def fitted(estimator, data):
    """Fit, and transform where nothing is checked before."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator.fit(*data)
        if hasattr(estimator, "transform") and not isinstance(data[0], list):
            estimator.transform(data[0])


def bad_values(default):
    """Values that cannot be right where the default is what it is."""
    bad = [Nonsense(), float("nan"), 2.5j, b"bytes"]
    if isinstance(default, Integral) and not isinstance(default, bool):
        bad += [1.5, "3", -7]
    elif isinstance(default, Real) and not isinstance(default, bool):
        bad += ["0.1", float("inf"), [1.0]]
    elif isinstance(default, (str, bool)):
        bad += ["nonsense", np.str_("nonsense"), 17.25]
    return bad


def defaults(estimator):
    return {name: p.default for name, p in inspect.signature(type(estimator)).parameters.items()}


def test_every_parameter_has_a_rule_and_every_rule_a_parameter():
    for name, (estimator, _) in ALL.items():
        own = getattr(type(estimator), "_rules", {})
        assert set(estimator.get_params(deep=False)) - set(COMMON) <= set(own), name
        assert set(own) <= set(estimator.get_params(deep=False)), name


@pytest.mark.parametrize(("name", "parameter"), PARAMETERS, ids=ids)
def test_a_bad_value_is_refused_with_estimator_parameter_and_value(name, parameter):
    estimator, data = ALL[name]
    for value in bad_values(defaults(estimator)[parameter]):
        if value in RIGHT.get((name, parameter), ()):
            continue
        with pytest.raises((ValueError, TypeError)) as refused:
            fitted(clone(estimator).set_params(**{parameter: value}), data)
        said = str(refused.value)
        assert name in said, (value, said)
        assert re.search(rf"\b{parameter}\b", said), (value, said)
        assert repr(value) in said or str(value) in said, (value, said)


KINDS = {
    "long": {bool: np.bool_, int: np.int64, float: np.float64, str: np.str_},
    "short": {bool: np.bool_, int: np.int32, float: np.float32, str: np.str_},
    "unsigned": {int: np.uint8},  # where it holds the number
}


@pytest.mark.parametrize("kinds", KINDS)
@pytest.mark.parametrize("name", ALL)
def test_numpy_scalars_pass(name, kinds):
    """All parameters at once: each has its rule, which names it where it is refused."""
    estimator, data = ALL[name]
    scalars = {
        parameter: KINDS[kinds][type(value)](value)
        for parameter, value in estimator.get_params(deep=False).items()
        if type(value) in KINDS[kinds] and (kinds != "unsigned" or 0 <= value < 256)
    }
    fitted(clone(estimator).set_params(**scalars), data)
