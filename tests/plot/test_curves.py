"""Curves of learning: the values drawn are the values learned, with the right names."""

import numpy as np
import pytest
from matplotlib import pyplot as plt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from featlearn import KMeansDictionary, Stage
from featlearn.plot import LossCurveDisplay

DIGITS, LABELS = load_digits(return_X_y=True)
DIGITS, LABELS = DIGITS[:200], LABELS[:200]


@pytest.fixture(autouse=True)
def _no_screen():
    plt.switch_backend("Agg")
    yield
    plt.close("all")


class Learned(TransformerMixin, BaseEstimator):
    """An estimator that learned the attributes given."""

    def __init__(self, attributes=()):
        self.attributes = attributes

    def fit(self, X, y=None):
        self.done_ = True
        vars(self).update(self.attributes)
        return self

    def transform(self, X):
        return X


def learned(**attributes):
    return Learned(attributes).fit(None)


def kmeans(k=5):
    return KMeansDictionary(k, random_state=0, max_iter=6, tol=0)


def drawn(display):
    return {line.get_label(): line.get_ydata().tolist() for line in display.lines_}


def test_the_curve_of_one_learner():
    model = kmeans().fit(DIGITS)
    display = LossCurveDisplay.from_estimator(model)
    (line,) = display.lines_
    np.testing.assert_array_equal(line.get_ydata(), model.inertia_curve_)
    np.testing.assert_array_equal(line.get_xdata(), np.arange(1, model.n_iter_ + 1))
    assert display.ax_.get_ylabel() == "inertia"
    assert display.ax_.get_xlabel() == "iteration"
    assert display.ax_.get_legend() is None
    assert display.ax_.get_yscale() == "linear"
    assert display.ax_.lines[:] == display.lines_
    assert display.figure_ is display.ax_.figure


def test_loss_and_validation_share_a_color():
    display = LossCurveDisplay.from_estimator(
        {
            "a": learned(loss_curve_=[3.0, 2.0], validation_curve_=np.array([4.0, 3.0]), inertia_curve_=[9.0]),
            "b": learned(loss_curve_=[5, 4, 3], validation_curve_=None),
        }
    )
    assert drawn(display) == {"a": [3, 2], "a, validation": [4, 3], "b": [5, 4, 3]}
    one, held_out, other = display.lines_
    assert one.get_color() == held_out.get_color() != other.get_color()
    assert (one.get_linestyle(), held_out.get_linestyle()) == ("-", "--")
    assert [text.get_text() for text in display.ax_.get_legend().texts] == ["a", "a, validation", "b"]


def test_several_learners_are_named_by_class_and_number():
    models = [kmeans(3).fit(DIGITS), kmeans(4).fit(DIGITS)]
    display = LossCurveDisplay.from_estimator(models)
    assert drawn(display) == {
        f"KMeansDictionary {i + 1}": model.inertia_curve_.tolist() for i, model in enumerate(models)
    }
    mixed = LossCurveDisplay.from_estimator([models[0], learned(log_likelihood_curve_=[-3.0, -2.0])])
    assert list(drawn(mixed)) == ["KMeansDictionary, inertia", "Learned, log likelihood"]
    assert mixed.ax_.get_ylabel() == "value"


def test_scikit_learns_own_learners():
    network = MLPClassifier((5,), max_iter=3, random_state=0)
    with pytest.warns(match="Maximum iterations"):
        network.fit(DIGITS, LABELS)
    assert drawn(LossCurveDisplay.from_estimator(network)) == {"MLPClassifier": network.loss_curve_}
    mixture = GaussianMixture(2, random_state=0, reg_covar=0.1).fit(DIGITS)
    display = LossCurveDisplay.from_estimator(mixture, curve="lower_bounds_")
    assert drawn(display) == {"GaussianMixture": list(mixture.lower_bounds_)}
    assert display.ax_.get_ylabel() == "lower bounds"


def test_any_other_curve_if_there_is_only_one():
    display = LossCurveDisplay.from_estimator(learned(free_energy_curve_=[2.0, 1.0]))
    assert display.ax_.get_ylabel() == "free energy"
    two = learned(free_energy_curve_=[2.0, 1.0], gap_curve_=[1.0, 1.0])
    with pytest.raises(TypeError, match=r"Learned holds no curve: none of loss_curve_.* Pass curve="):
        LossCurveDisplay.from_estimator(two)
    assert drawn(LossCurveDisplay.from_estimator(two, curve="gap_curve_")) == {"Learned": [1, 1]}


def test_inside_pipelines_stages_and_searches():
    pipe = make_pipeline(StandardScaler(), kmeans(), "passthrough", StandardScaler())
    search = GridSearchCV(pipe, {"kmeansdictionary__n_components": [4]}, cv=2, scoring=lambda *_: 0.0).fit(DIGITS)
    best = search.best_estimator_[1]
    assert drawn(LossCurveDisplay.from_estimator(search)) == {"GridSearchCV": best.inertia_curve_.tolist()}
    stage = Stage(make_pipeline(StandardScaler(), kmeans()), patch_size=3, random_state=0).fit(DIGITS.reshape(-1, 8, 8))
    expected = stage.learner_[-1].inertia_curve_.tolist()
    assert drawn(LossCurveDisplay.from_estimator(make_pipeline(stage))) == {"Pipeline": expected}
    last = make_pipeline(learned(loss_curve_=[1.0]), learned(loss_curve_=[2.0])).fit(DIGITS)
    assert drawn(LossCurveDisplay.from_estimator(last)) == {"Pipeline": [2]}


def test_logarithmic_scale():
    display = LossCurveDisplay.from_estimator(learned(loss_curve_=[100.0, np.nan, 1.0]), log_scale=True)
    assert display.ax_.get_yscale() == "log"
    display.figure_.canvas.draw()
    labels = {label.get_text() for label in display.ax_.get_yticklabels()}
    assert {"1", "2", "5", "10", "100"} <= labels
    for attributes in ({"loss_curve_": [1.0, 0.0]}, {"loss_curve_": [1.0], "validation_curve_": [-1.0]}):
        with pytest.raises(ValueError, match=r"falls to .* log_scale=False"):
            LossCurveDisplay.from_estimator(learned(**attributes), log_scale=True)


def test_one_value_is_a_dot():
    one, two = LossCurveDisplay({"a": [1.0], "b": [1.0, 2.0]}).plot().lines_
    assert one.get_marker() == "o"
    assert two.get_marker() in (None, "None", "")


def test_axes_given():
    figure, axes = plt.subplots(1, 2)
    display = LossCurveDisplay.from_estimator(learned(loss_curve_=[1.0]), ax=axes[1])
    assert display.ax_ is axes[1]
    assert display.figure_ is figure
    assert len(plt.get_fignums()) == 1


@pytest.mark.parametrize(
    ("estimator", "options", "error", "message"),
    [
        (KMeansDictionary(), {}, NotFittedError, "not fitted"),
        ({"good": learned(loss_curve_=[1.0]), "bad": PCA()}, {}, NotFittedError, "not fitted"),
        (PCA(2).fit(DIGITS), {}, TypeError, "PCA holds no curve: none of loss_curve_"),
        (PCA(2).fit(DIGITS), {"curve": "losses_"}, TypeError, "PCA holds no curve: no `losses_`"),
        (learned(loss_curve_=[]), {}, ValueError, r"Learned.loss_curve_ is no curve: .* shape \(0,\)"),
        (learned(loss_curve_=[[1.0]]), {}, ValueError, r"has shape \(1, 1\)"),
        (learned(loss_curve_=["a"]), {}, ValueError, "one number per iteration"),
        ([], {}, ValueError, "no estimator"),
        ({}, {}, ValueError, "no estimator"),
    ],
)
def test_what_cannot_be_drawn_says_why(estimator, options, error, message):
    with pytest.raises(error, match=message):
        LossCurveDisplay.from_estimator(estimator, **options)


def test_a_validation_curve_belongs_to_a_curve():
    with pytest.raises(ValueError, match=r"\['b'\] belong to no curve; the curves are \['a'\]"):
        LossCurveDisplay({"a": [1.0]}, validation={"b": [1.0]}).plot()
