"""Sister estimators say the same of what they share; where they differ, it is for the reason given here."""

import inspect

import pytest

import featlearn
from tests.registry import is_estimator

pytest.importorskip("numpydoc", reason="pip install 'featlearn[dev]'")
from sklearn.utils._testing import assert_docstring_consistency

AUTOENCODERS = ["ContractiveAutoencoder", "DenoisingAutoencoder", "SparseAutoencoder"]
DEEP = "the contractive penalty is that of one layer"
OWN = "what is learned is its own"
STEPS = "iterations are of its own kind"

# Sisters, and of the parameters and attributes they all have those that differ, with the reason.
FAMILIES = [
    (
        AUTOENCODERS,
        {
            "n_components": DEEP,
            "activation": DEEP,
            "tied": "the contractive one's default",
            "solver": "noise is drawn anew, so L-BFGS sees another objective",
            "standardize": "corruption has a unit too",
        },
        {"components_": DEEP, "decoder_components_": DEEP, "intercept_": DEEP},
    ),
    (
        [*AUTOENCODERS, "PredictiveSparse", "RBM"],
        {
            "n_components": OWN,
            "engine": "not all have both",
            "learning_rate": "the RBM's depends on its units",
            "max_iter": "other defaults, and L-BFGS",
            "solver": "not all take L-BFGS",
            "standardize": "what it matters to",
            "tol": "held out or not",
            "weight_decay": "what decays",
        },
        {
            "components_": OWN,
            "loss_curve_": OWN,
            "mean_, scale_": "where it is folded in",
            "validation_curve_": OWN,
        },
    ),
    (
        ["LogisticAutoregression", "SparseAutoencoder"],
        {"n_components": OWN, "weight_decay": "it has a peer"},
        {"components_": OWN, "intercept_": OWN},
    ),
    (
        ["KMeansDictionary", "RandomPatches"],
        {"encode": "exemplars are scaled for inner products", "random_state": OWN},
        {},
    ),
    (
        ["GaussianMixtureEncoder", "KMeansDictionary", "SparseCoding"],
        {"n_components": OWN, "init": OWN, "max_iter": STEPS, "tol": OWN},
        {"components_": OWN, "n_iter_": STEPS},
    ),
    (
        ["PCAWhitening", "ZCA"],
        {"eps": "the one refers to the other"},
        {"explained_variance_": "one keeps a few axes"},
    ),
    (
        ["ICA", "RICA"],
        {
            "n_components": "one may be overcomplete",
            "sparsity": "another default",
            "eps": "one does not whiten",
            "max_iter": STEPS,
            "tol": "one is relative",
        },
        {
            "components_": OWN,
            "loss_curve_": "one is minus the objective",
            "mean_": "one need not whiten",
            "n_iter_": STEPS,
        },
    ),
    (
        ["LDA", "MixtureOfUnigrams", "PLSA"],
        {
            "decay": "LDA's online steps are Hoffman's",
            "early_stopping": "what Gibbs averages, what beta does",
            "eta": OWN,
            "max_iter": "LDA has three methods",
            "n_iter_no_change": "looks or iterations",
            "offset": "LDA's online steps are Hoffman's",
            "random_state": "what is drawn",
            "tol": OWN,
            "warm_start": "LDA has priors too",
        },
        {
            "components_": OWN,
            "n_batch_iter_": "LDA's mini-batches",
            "n_iter_": STEPS,
            "perplexity_curve_": STEPS,
            "topic_counts_": OWN,
        },
    ),
    (
        ["LinearSVM", "LinearSVMCV"],
        {
            "class_weight": "the one refers to the other",
            "max_iter": STEPS,
            "penalize_intercept": "the one refers to the other",
            "tol": "the one refers to the other",
        },
        {"coef_": OWN, "intercept_": OWN, "n_iter_": STEPS, "objective_": OWN},
    ),
    (
        ["FisherVector", "Stage"],
        {"n_patches": "a learner may need order in time", "random_state": "what is drawn"},
        {"output_shape_": OWN, "patch_dtype_": "a mixture or a learner"},
    ),
    (["MaxPool", "MeanPool", "SumPool"], {}, {}),
    (["SoftThreshold", "SplitSign"], {"threshold": "another default"}, {}),
]
IDS = [" ".join(names) for names, *_ in FAMILIES]


@pytest.mark.filterwarnings("ignore:Checking was skipped")  # of what not all have
@pytest.mark.parametrize(("names", "parameters", "attributes"), FAMILIES, ids=IDS)
def test_sisters_say_the_same_but_for_the_reasons_given(names, parameters, attributes):
    kinds = [getattr(featlearn, name) for name in names]
    assert_docstring_consistency(kinds, include_params=True, exclude_params=list(parameters))
    assert_docstring_consistency(kinds, include_attrs=True, exclude_attrs=list(attributes))
    for name in parameters:  # a reason without a difference is out of date
        with pytest.raises(AssertionError):
            assert_docstring_consistency(kinds, include_params=[name])
    for name in attributes:
        with pytest.raises(AssertionError):
            assert_docstring_consistency(kinds, include_attrs=[name])


def test_threads_and_features_are_told_in_the_same_words():
    kinds = {name: kind for name in featlearn.__all__ if is_estimator(kind := getattr(featlearn, name))}
    threads = [k for name, k in kinds.items() if "n_jobs" in inspect.signature(k).parameters]
    encoders = {featlearn.FisherVector, featlearn.Stage}  # whose threads do no more than encode
    assert_docstring_consistency([k for k in threads if k not in encoders], include_params=["n_jobs"])
    terms = {"LDA", "MixtureOfUnigrams", "PLSA", "UnigramModel"}  # whose features are those of a vocabulary
    maps = {"Flatten", "ToImages"}  # whose rows may have none
    rows = [k for name, k in kinds.items() if "    n_features_in_ : " in k.__doc__ and name not in terms | maps]
    assert len(rows) > 15
    assert_docstring_consistency(rows, include_attrs=["n_features_in_"])
