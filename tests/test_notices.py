"""Warnings point at the user's line, whatever calls the fit; interrupts keep what was learned."""

import inspect
import warnings

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

import featlearn as fl
from featlearn.notices import interruptible, notify, warn_at_limit

rng = np.random.default_rng(0)
X = rng.uniform(size=(30, 4))
Y = np.arange(30) % 2
LEVELS = X + 100 * np.arange(4)  # of features, far apart
COUNTS = rng.poisson(1.0, size=(20, 8))
IMAGES = rng.uniform(0, 255, size=(6, 8, 8))
DOCUMENTS = ["the cat sat on the mat", "a dog and a cat", "stocks and bonds"] * 4
SENTENCES = [["a", "c"], ["b", "d", "a"], ["a", "d", "a"]]
GRAMMAR = "S -> NP VP [1.0]\nNP -> 'a' [.4] | 'b' [.6]\nVP -> 'c' [.5] | 'd' NP [.5]"
ONE = {"max_iter": 1, "random_state": 0}

# Of every estimator whose fit may warn, one that does, and what it is fitted on.
WARNS = [
    (fl.ClusterClassifier(3, **ONE), X, Y),
    (fl.ContractiveAutoencoder(3, tol=1e-9, **ONE), X),
    (fl.ContrastNormalizer(), LEVELS),
    (fl.DenoisingAutoencoder(3, tol=1e-9, **ONE), X),
    (fl.FisherVector(2, patch_size=3, max_iter=1, random_state=0), IMAGES),
    (fl.GaussianMixtureEncoder(3, **ONE), X),
    (fl.ICA(2, **ONE), X),
    (fl.KMeansDictionary(3, **ONE), X),
    (fl.LDA(2, method="vb", tol=1e-9, **ONE), COUNTS),
    (fl.LinearSVM(tol=1e-9, max_iter=1), X, Y),
    (fl.LinearSVMCV(Cs=[1.0], cv=2, tol=1e-9, max_iter=1), X, Y),
    (fl.LogisticAutoregression(rescale=True, tol=1e-9, **ONE), X),
    (fl.MixtureOfUnigrams(2, tol=1e-9, **ONE), COUNTS),
    (fl.NetworkClassifier(tol=1e-9, **ONE), X, Y),
    (fl.NetworkRegressor(tol=1e-9, **ONE), X, Y),
    (fl.PCAWhitening(eps=1e3), X),
    (fl.PCFGParser(grammar=GRAMMAR, method="em", max_iter=1), SENTENCES),
    (fl.PLSA(2, tol=1e-9, **ONE), COUNTS),
    (fl.PredictiveSparse(3, tol=1e-9, **ONE), X),
    (fl.RBM(3, tol=1e-9, **ONE), X),
    (fl.RICA(3, **ONE), X),
    (fl.RandomPatches(3, random_state=0), X * [1e6, 1, 1, 1]),
    (fl.RandomWeights(3, standardize=False, random_state=0), X * [1e6, 1, 1, 1]),
    (fl.SlowFeatureAnalysis(), X[:4]),
    (fl.SparseAutoencoder(3, tol=1e-9, **ONE), X),
    (fl.SparseCoding(3, **ONE), X),
    (fl.SparseFiltering(3, tol=1e-9, **ONE), X),
    (fl.Stage(fl.KMeansDictionary(3, **ONE), patch_size=3, random_state=0), IMAGES),
    (fl.TopicExtractor(fl.PLSA(2, tol=1e-9, **ONE), min_df=1), DOCUMENTS),
    (fl.ZCA(eps=1e3), X),
]
# Their fits learn nothing that could fail to converge or be of no use.
SILENT = {"Abs", "ConstituentVectorizer", "Flatten", "LocalContrastNormalizer", "MaxPool", "MeanPool", "Phrases"}
SILENT |= {"Positive", "SoftThreshold", "SplitSign", "SumPool", "ToImages", "Tokenizer", "UnigramModel"}
SILENT |= {"DeepBeliefNetwork", "DeepBoltzmannMachine", "Distilled"}  # they warn as their layers and students do


def told(call):
    """The files at which the warnings of a call point."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return {w.filename for w in caught}


def test_every_public_estimator_is_here():
    named = {type(estimator).__name__ for estimator, *_ in WARNS}
    public = {name for name in fl.__all__ if inspect.isclass(getattr(fl, name))}
    assert named | SILENT == {name for name in public if issubclass(getattr(fl, name), BaseEstimator)}


@pytest.mark.parametrize(("estimator", "data"), [(e, d) for e, *d in WARNS], ids=[type(e).__name__ for e, *_ in WARNS])
def test_a_warning_of_a_fit_points_at_the_line_that_called_it(estimator, data):
    split = [(np.arange(len(data[0])), np.arange(len(data[0])))]
    search = GridSearchCV(make_pipeline(estimator), {}, cv=split, refit=False, scoring=lambda *_: 0.0, n_jobs=1)
    assert told(lambda: clone(estimator).fit(*data)) == {__file__}
    assert told(lambda: search.fit(*data)) == {__file__}
    if hasattr(estimator, "transform"):
        assert told(lambda: make_pipeline(clone(estimator)).fit_transform(*data)) == {__file__}
    for method in ("fit_predict", "partial_fit"):  # may have nothing to say of
        if hasattr(estimator, method):
            assert told(lambda method=method: getattr(clone(estimator), method)(*data)) <= {__file__}


def test_a_warning_points_at_the_caller():
    with pytest.warns(UserWarning, match="hello") as caught:
        notify("hello")
    assert caught[0].filename == __file__


def test_a_limit_names_the_numbers_and_the_cure():
    with pytest.warns(ConvergenceWarning, match=r"A: max_iter=3 .*it fell by 0.1, and tol=0.01.*max_iter or tol, or x"):
        warn_at_limit("A", 3, 0.01, "it fell by 0.1", "x")


def test_an_interrupt_after_an_iteration_keeps_it():
    done = []

    def work():
        with interruptible("A", lambda: len(done)):
            for i in range(9):
                if i == 2:
                    raise KeyboardInterrupt
                done.append(i)

    with pytest.warns(ConvergenceWarning, match=r"A: interrupted, .* after 2 iterations"):
        work()
    assert done == [0, 1]


def test_an_interrupt_before_any_iteration_and_errors_go_through():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(KeyboardInterrupt), interruptible("A", lambda: 0):
            raise KeyboardInterrupt
        with pytest.raises(ZeroDivisionError), interruptible("A", lambda: 3):
            raise ZeroDivisionError
