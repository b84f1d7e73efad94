"""Displays given images for rows, or another kind of thing than they draw: drawn, or refused by what they take."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from featlearn import Flatten, LinearSVM, PCAWhitening
from featlearn.plot import (
    DocumentTopicDisplay,
    FilterGridDisplay,
    LossCurveDisplay,
    ReconstructionDisplay,
    SampleGridDisplay,
    SparsityDisplay,
    TopicDisplay,
    TopicMapDisplay,
)
from featlearn.topics import Topics

plt = pytest.importorskip("matplotlib.pyplot", reason="pip install 'featlearn[plot]'")

rng = np.random.default_rng(0)
IMAGES = rng.uniform(size=(60, 4, 6))
ROWS = IMAGES.reshape(60, 24)
LABELS = np.arange(60) % 3
PCA_OF_ROWS = PCA(5).fit(ROWS)
TABLE = Topics([[5, 4, 1, 0], [0, 1, 4, 5]], proportions=[[0.9, 0.1], [0.2, 0.8]])


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


# --- reconstructions of images


@pytest.mark.parametrize("kind", [np.asarray, list, lambda X: X[..., None], lambda X: X.astype(np.float32)])
def test_images_are_drawn_by_a_learner_of_rows(kind):
    drawn = ReconstructionDisplay.from_estimator(PCA_OF_ROWS, kind(IMAGES))
    rows = ReconstructionDisplay.from_estimator(PCA_OF_ROWS, ROWS, shape=(4, 6))
    np.testing.assert_allclose(drawn.reconstructions, rows.reconstructions, rtol=1e-5)
    assert drawn.shape[:2] == (4, 6)
    assert drawn.mse_ == pytest.approx(rows.mse_, rel=1e-5)
    np.testing.assert_allclose(drawn.im_.get_array(), rows.im_.get_array(), atol=1e-5)


def test_color_corrupted_and_our_own_learners():
    color = rng.uniform(size=(30, 4, 4, 3))
    learner = PCAWhitening(6).fit(color.reshape(30, -1))
    display = ReconstructionDisplay.from_estimator(learner, color, corrupted=color + 0.1)
    assert display.shape == (4, 4, 3)
    expected = learner.inverse_transform(learner.transform((color + 0.1).reshape(30, -1)[:10]))
    np.testing.assert_allclose(display.reconstructions, expected)
    np.testing.assert_allclose(display.originals, color[:10].reshape(10, -1))


def test_what_takes_images_still_gets_images():
    pipeline = make_pipeline(Flatten(), PCA(5)).fit(IMAGES)
    display = ReconstructionDisplay.from_estimator(pipeline, IMAGES)
    np.testing.assert_allclose(
        display.reconstructions, PCA_OF_ROWS.inverse_transform(PCA_OF_ROWS.transform(ROWS[:10])), atol=1e-8
    )


def test_images_of_ones_own():
    display = ReconstructionDisplay(IMAGES[:3], IMAGES[:3] + 1, corrupted=ROWS[:3]).plot()
    flat = ReconstructionDisplay(ROWS[:3], ROWS[:3] + 1, shape=(4, 6), corrupted=ROWS[:3]).plot()
    np.testing.assert_array_equal(display.im_.get_array(), flat.im_.get_array())
    assert display.mse_ == pytest.approx(1)
    with pytest.raises(ValueError, match=r"images of one size; got original \(3, 4, 6\), reconstructed \(2, 4, 6\)"):
        ReconstructionDisplay(IMAGES[:3], IMAGES[:2]).plot()


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 5), st.sampled_from([(), (1,), (3,)]))
def test_images_of_any_size(n, height, width, channels):
    X = np.random.default_rng(0).uniform(size=(n, height, width, *channels))
    rows = X.reshape(n, -1)
    learner = StandardScaler().fit(np.concatenate([rows, rows + 1]))
    display = ReconstructionDisplay.from_estimator(learner, X)
    np.testing.assert_allclose(display.reconstructions, rows, atol=1e-12)
    plt.close("all")


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (
            IMAGES[:, :3],
            ValueError,
            r"samples of shape \(3, 6\), which are 18 numbers, and PCA was fitted to rows of 24",
        ),
        (IMAGES[0], ValueError, r"X of shape \(4, 6\) is a single one; pass X\[None\]"),
        (ROWS[0], ValueError, "is a single one"),
        ("digits.png", TypeError, r"got a path or text, 'digits\.png'"),
        (None, TypeError, "takes an array of samples and got None"),
        (sp.csr_array(ROWS), TypeError, "X is a sparse matrix"),
        (np.array([["a"]]), ValueError, "takes numbers"),
    ],
)
def test_no_samples_for_a_reconstruction(X, error, message):
    with pytest.raises(error, match=f"ReconstructionDisplay.*{message}"):
        ReconstructionDisplay.from_estimator(PCA_OF_ROWS, X)


def test_sparsity_of_images():
    of_images, of_rows = (SparsityDisplay.from_estimator(PCA_OF_ROWS, X) for X in (IMAGES, ROWS))
    np.testing.assert_array_equal(of_images.codes, of_rows.codes)


# --- weights of linear models


@pytest.mark.parametrize(
    "model", [LogisticRegression(), LinearSVM(), Ridge(), make_pipeline(StandardScaler(), LinearSVM())]
)
def test_a_linear_model_is_told_how_to_draw_its_weights(model):
    model.fit(ROWS, LABELS)
    last = model[-1] if hasattr(model, "steps") else model
    name = type(last).__name__
    fix = r"FilterGridDisplay\(numpy\.atleast_2d\(model\.coef_\)\)\.plot\(\) draws the weights"
    with pytest.raises(TypeError, match=f"holds? .*filters.*{name} is a linear model, whose coef_.*{fix}"):
        FilterGridDisplay.from_estimator(model)
    assert FilterGridDisplay(np.atleast_2d(last.coef_), shape=(4, 6)).plot().im_.get_array().shape[0] >= 4


# --- anything else


@pytest.mark.parametrize("thing", [ROWS, "model", None, TABLE, pd.DataFrame(ROWS), PCA, 3.0])
@pytest.mark.parametrize(
    ("draw", "takes"),
    [
        (
            FilterGridDisplay.from_estimator,
            r"a fitted dictionary, factor or cluster model.*FilterGridDisplay\(filters\)",
        ),
        (SampleGridDisplay.from_estimator, r"a fitted generative learner.*SampleGridDisplay\.from_samples"),
        (LossCurveDisplay.from_estimator, r"a fitted estimator, a list or a dict of them.*LossCurveDisplay\("),
        (TopicDisplay.from_estimator, r"a fitted topic model.*Topics\(components, terms\)"),
        (TopicMapDisplay.from_estimator, r"a fitted topic model.*Topics\(components, terms\)"),
        (DocumentTopicDisplay.from_estimator, r"a fitted topic model.*Topics\(components, terms\)"),
    ],
)
def test_no_estimator_at_all(draw, takes, thing):
    if thing is TABLE and draw.__self__.__name__ in ("TopicDisplay", "TopicMapDisplay", "DocumentTopicDisplay"):
        assert draw(thing).figure_ is not None
        return
    kind = "the class PCA; make one" if thing is PCA else type(thing).__name__
    with pytest.raises(TypeError, match=f"from_estimator takes {takes}.*, not {kind}"):
        draw(thing)


@pytest.mark.parametrize(
    ("draw", "error", "message"),
    [
        (lambda: SparsityDisplay.from_estimator(ROWS, ROWS), TypeError, r"no `transform`.*SparsityDisplay\.from_codes"),
        (lambda: SparsityDisplay.from_codes(PCA_OF_ROWS), TypeError, r"takes codes .*, not PCA"),
        (lambda: SparsityDisplay.from_codes([["a"]]), TypeError, r"takes codes .*, not list"),
        (lambda: SampleGridDisplay.from_samples(PCA_OF_ROWS), TypeError, "takes samples .*, not PCA"),
        (lambda: ReconstructionDisplay.from_estimator(PCA, ROWS), TypeError, "not the class PCA; make one and fit it"),
        (lambda: ReconstructionDisplay.from_estimator(ROWS, ROWS), TypeError, "an autoencoder, PCA, a dictionary"),
        (lambda: TopicDisplay.from_estimator(KMeans(2, n_init=1).fit(ROWS)), TypeError, "KMeans is no topic model"),
        (
            lambda: TopicDisplay.from_topics(TABLE, topics={1, 0}),
            ValueError,
            r"topics={0, 1} is not valid; pass a list",
        ),
        (lambda: TopicDisplay.from_topics(TABLE, topics="10"), ValueError, "topics='10' is not valid; pass a list"),
        (
            lambda: TopicDisplay.from_topics(TABLE, topics=[0.7]),
            ValueError,
            r"topics=0\.7 is not valid; pass an integer",
        ),
        (lambda: TopicDisplay.from_topics(TABLE, topics=1), ValueError, "topics=1 is not valid; pass a list"),
        (lambda: TopicDisplay.from_topics(TABLE, n_terms=2.5), ValueError, r"n=2\.5 is not valid; pass an integer"),
        (lambda: TopicDisplay([{"a", "b"}], [[2, 1]], ["t"]).plot(), ValueError, "for panel 0, where a list of words"),
        (lambda: TopicDisplay(["ab"], [[2, 1]], ["t"]).plot(), ValueError, "have 'ab' for panel 0, where a list"),
        (lambda: TopicDisplay({0: ["a"]}, [[1]], ["t"]).plot(), ValueError, "pass a list that has the list of terms"),
        (lambda: TopicDisplay([["a", 1]], [[2, 1]], ["t"]).plot(), ValueError, "have 1 for panel 0, which is no word"),
        (lambda: TopicDisplay([["a"]], [[2, 1]], ["t"]).plot(), ValueError, "panel 0 has 1 terms and 2 values"),
        (lambda: TopicDisplay([["a"]], [[1]], []).plot(), ValueError, "terms of 1 topics and 0 titles"),
        (lambda: TopicMapDisplay([[0, 0]], None, {0: "abc"}).plot(), ValueError, "have 'abc' for panel 0"),
        (lambda: TopicMapDisplay([[0, 0]], None, {1: ["a"]}).plot(), ValueError, "a topic in terms=1 is not valid"),
        (lambda: TopicMapDisplay([[0, 0]], None, [["a"]]).plot(), ValueError, "pass a dict of topics' numbers"),
        (lambda: DocumentTopicDisplay.from_topics(TABLE, groups={1, 2}), ValueError, "groups are a set"),
    ],
)
def test_what_is_no_such_thing_is_named(draw, error, message):
    with pytest.raises(error, match=message):
        draw()
