"""Pictures of topics: each bar, cell and circle is what the tables say."""

import warnings

import numpy as np
import pandas as pd
import pytest
from matplotlib import font_manager, rcParams
from matplotlib import pyplot as plt
from scipy.spatial.distance import pdist
from sklearn.decomposition import LatentDirichletAllocation
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from featlearn.plot.topic_displays import BOXES, DocumentTopicDisplay, TopicDisplay, font_families
from featlearn.plot.topic_map import TopicMapDisplay, circles, spread
from featlearn.topics.extractor import TopicExtractor
from featlearn.topics.tables import Topics

rng = np.random.default_rng(0)
K, V, D = 7, 40, 90
TERMS = [f"w{i}" for i in range(V)]
PHI, THETA = rng.dirichlet(np.full(V, 0.2), K), rng.dirichlet(np.full(K, 0.2), D)
TABLE = Topics(PHI, TERMS, proportions=THETA, lengths=rng.integers(1, 9, D))
TEXTS = ["moon orbit moon star", "goal team goal", "star moon team", "team goal win goal"]
CHINESE = Topics([[3, 2, 1], [1, 2, 3]], terms=["北京", "大学", "moon"])
LACKING = not {"Noto Sans CJK SC", "Noto Sans SC", "WenQuanYi Zen Hei", "Droid Sans Fallback"} & {
    font.name for font in font_manager.fontManager.ttflist
}


@pytest.fixture(autouse=True)
def _no_screen():
    plt.switch_backend("Agg")
    yield
    plt.close("all")


def labels(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def render(display):
    """Draw for good: fonts, formulas and layout fail here only."""
    display.figure_.canvas.draw()
    return display


# ---- bars ----


@pytest.mark.parametrize("by", ["probability", "relevance", "lift"])
def test_bars(by):
    display = render(TopicDisplay.from_topics(TABLE, n_terms=4, by=by, relevance=0.3))
    frame = TABLE.top_terms(4, by, relevance=0.3, as_frame=True)
    assert len(display.axes_) == K
    for ax, bars, k in zip(display.axes_, display.bars_, TABLE.order, strict=True):
        expected = frame[frame["topic"] == k]
        assert labels(ax) == expected["term"].tolist()
        np.testing.assert_allclose(
            [bar.get_width() for bar in bars], expected["lift" if by == "lift" else "probability"]
        )
        assert ax.get_title() == f"topic {k} ({TABLE.sizes[k]:.1%})"
        assert ax.yaxis_inverted()
    assert display.figure_.get_supxlabel() == ("lift" if by == "lift" else "probability in the topic")
    assert len({ax.get_xlim() for ax in display.axes_}) == 1


def test_bars_of_topics_asked_for_and_where():
    display = TopicDisplay.from_topics(TABLE, topics=[3, 1], max_columns=1, figsize=(3, 5))
    assert [ax.get_title().split()[1] for ax in display.axes_] == ["3", "1"]
    first, second = (ax.get_subplotspec() for ax in display.axes_)
    assert (first.colspan.start, second.colspan.start, second.rowspan.start) == (0, 0, 1)
    np.testing.assert_array_equal(display.figure_.get_size_inches(), (3, 5))
    axes = plt.subplots(1, 2)[1]
    assert TopicDisplay.from_topics(TABLE, topics=[3, 1], axes=axes).axes_.tolist() == axes.tolist()
    many = Topics(rng.dirichlet(np.ones(5), 30))
    assert len(TopicDisplay.from_topics(many).axes_) == 20
    assert TopicDisplay.from_topics(many).axes_[0].get_title() == "topic 0"


def test_last_panel_of_each_column_shows_numbers():
    display = render(TopicDisplay.from_topics(TABLE, max_columns=4))
    shown = [ax.xaxis.get_tick_params()["labelbottom"] for ax in display.axes_]
    assert shown == [False] * 3 + [True] * 4
    assert len(display.figure_.axes) == K


def test_displays_of_a_pipeline():
    pipeline = make_pipeline(CountVectorizer(), LatentDirichletAllocation(2, random_state=0)).fit(TEXTS)
    table = Topics.from_estimator(pipeline, TEXTS)
    assert (
        labels(TopicDisplay.from_estimator(pipeline, TEXTS, n_terms=3).axes_[0]) == table.top_terms(3)[table.order[0]]
    )
    assert len(TopicMapDisplay.from_estimator(pipeline, TEXTS).circles_) == 2
    assert DocumentTopicDisplay.from_estimator(pipeline, TEXTS).proportions.shape == (4, 2)
    X = CountVectorizer().fit_transform(TEXTS)
    names = [f"n{i}" for i in range(6)]
    assert labels(TopicDisplay.from_estimator(pipeline[-1], X, terms=names).axes_[0])[0].startswith("n")


def test_displays_of_an_extractor_need_no_documents():
    """It kept what it learned from, also at the end of a search."""
    extractor = TopicExtractor(LatentDirichletAllocation(2, random_state=0), min_df=1, max_df=1.0)
    for fitted in (extractor.fit(TEXTS * 2), GridSearchCV(extractor, {"max_df": [1.0]}, cv=2).fit(TEXTS * 2)):
        table = Topics.from_estimator(fitted, TEXTS * 2)
        display = TopicDisplay.from_estimator(fitted, n_terms=3)
        assert [labels(ax) for ax in display.axes_] == [table.top_terms(3)[k] for k in table.order]
        assert [ax.get_title() for ax in display.axes_] == [f"topic {k} ({table.sizes[k]:.1%})" for k in table.order]
        assert TopicMapDisplay.from_estimator(fitted).sizes == pytest.approx(table.sizes)
        shown = DocumentTopicDisplay.from_estimator(fitted).proportions
        np.testing.assert_allclose(np.sort(shown[:, 0]), np.sort(table.proportions[:, table.order[0]]))


def test_no_display_claims_shares_that_nobody_knows():
    unknown, told = Topics(TABLE.components), Topics(TABLE.components, words=np.arange(1, K + 1))
    assert "%" not in TopicDisplay.from_topics(unknown).axes_[0].get_title()
    assert TopicDisplay.from_topics(told).axes_[0].get_title() == f"topic {K - 1} ({told.sizes.max():.1%})"
    alike = TopicMapDisplay.from_topics(unknown)
    assert alike.ax_.get_title() == "distance: Jensen-Shannon"
    assert len({circle.get_radius() for circle in alike.circles_}) == 1
    assert TopicMapDisplay.from_topics(told).ax_.get_title().startswith("area: share of words")


def test_a_term_is_no_formula_and_no_paragraph():
    table = Topics([[4, 3, 2, 1]], ["$x^{$", "$\\frac$", "two\nlines", "x" * 50])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        display = render(TopicDisplay.from_topics(table))
        render(TopicMapDisplay.from_topics(table))
    assert labels(display.axes_[0]) == ["$x^{$", "$\\frac$", "two lines", "x" * 23 + "…"]


@pytest.mark.skipif(not LACKING, reason="a font with Chinese is installed")
@pytest.mark.parametrize("draw", [TopicDisplay.from_topics, TopicMapDisplay.from_topics])
def test_chinese_without_a_font_warns_once_and_draws(draw):
    with pytest.warns(UserWarning, match="4 of the characters, such as '京北大学'.*fonts-noto-cjk") as caught:
        display = draw(CHINESE)
    assert len(caught) == 1
    if BOXES in {font.name for font in font_manager.fontManager.ttflist}:
        render(display)  # and no warning of matplotlib for each character


def test_fonts_are_added_only_where_characters_lack(monkeypatch):
    assert font_families(["moon", "Škoda"]) == font_families([])
    # DejaVu Serif's part is played by a font that alone knows a character.
    monkeypatch.setattr("featlearn.plot.topic_displays.FONTS", ("Not Installed", "DejaVu Sans"))
    monkeypatch.setitem(rcParams, "font.family", ["STIXSizeOneSym"])
    assert font_families(["moon"]) == ["STIXSizeOneSym", "DejaVu Sans"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: TopicDisplay.from_topics(TABLE, topics=[2, 7, -1]), r"no topics \[7, -1\]; there are 7, from 0 to 6"),
        (lambda: TopicDisplay.from_topics(TABLE, topics=[]), "nothing to draw"),
        (lambda: TopicDisplay.from_topics(TABLE, n_terms=0), "n=0 is not valid"),
        (lambda: TopicDisplay.from_topics(TABLE, max_columns=0), "max_columns=0"),
        (lambda: TopicDisplay.from_topics(TABLE, by="fame"), "by='fame'"),
        (lambda: TopicDisplay.from_topics(TABLE, axes=plt.subplots()[1]), "draws 7 topics.* there are 1"),
        (lambda: TopicDisplay.from_estimator(TABLE, terms=TERMS), "Topics have their own documents and terms"),
        (lambda: DocumentTopicDisplay.from_topics(TABLE, max_rows=0), "max_rows=0"),
        (lambda: DocumentTopicDisplay.from_topics(Topics(TABLE.components)), "DocumentTopicDisplay needs the prop"),
        (lambda: DocumentTopicDisplay.from_topics(TABLE, groups=["a"]), r"groups of shape \(1,\)"),
        (lambda: TopicMapDisplay.from_topics(TABLE, n_annotated=-1), "n_annotated=-1"),
    ],
)
def test_bad_pictures(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# ---- documents by topics ----


def test_rows_are_documents_by_main_topic():
    display = render(DocumentTopicDisplay.from_topics(TABLE))
    np.testing.assert_array_equal(display.topics, TABLE.order)
    np.testing.assert_array_equal(display.counts, np.ones(D))
    theta = TABLE.proportions[:, TABLE.order].tolist()
    expected = sorted(theta, key=lambda row: (row.index(max(row)), -max(row)))
    np.testing.assert_array_equal(display.im_.get_array(), expected)
    assert [label.get_text() for label in display.ax_.get_xticklabels()] == [str(k) for k in TABLE.order]
    assert display.ax_.get_ylabel() == "documents"


def test_many_documents_are_averaged():
    n = 10_007
    table = Topics(TABLE.components, proportions=rng.dirichlet(np.ones(K), n))
    display = render(DocumentTopicDisplay.from_topics(table))
    whole = DocumentTopicDisplay.from_topics(table, max_rows=n)
    assert len(display.proportions) == 200
    assert display.counts.sum() == n
    starts = np.cumsum(display.counts) - display.counts
    means = np.add.reduceat(whole.proportions, starts) / display.counts[:, None]
    np.testing.assert_allclose(display.proportions, means)
    assert display.ax_.get_ylabel() == "documents, 50 to 51 a row"
    assert labels(display.ax_)[-1] == "10,007"


def test_ordered_categories_keep_their_order_in_the_heat_map():
    sizes = pd.Categorical(
        ["s", "m", "l", "m"] * (D // 4) + ["l"] * (D % 4), categories=["s", "m", "l", "xl"], ordered=True
    )
    display = render(DocumentTopicDisplay.from_topics(TABLE, groups=sizes, max_rows=D))
    assert list(dict.fromkeys(display.groups)) == ["s", "m", "l"]


def test_groups_lie_together_and_each_keeps_a_row():
    groups = np.array(["many"] * (D - 3) + ["few"] * 2 + ["$one$"])
    display = render(DocumentTopicDisplay.from_topics(TABLE, groups=groups, max_rows=10))
    assert display.groups == ["$one$", "few"] + ["many"] * 9
    assert labels(display.ax_) == ["$one$", "few", "many"]
    few = TABLE.proportions[D - 3 : D - 1][:, TABLE.order].mean(axis=0)
    np.testing.assert_allclose(display.proportions[1], few)
    np.testing.assert_allclose(display.counts @ display.proportions / D, TABLE.proportions[:, TABLE.order].mean(axis=0))


# ---- map ----


def test_circles_have_area_by_size_and_keep_distances():
    display = render(TopicMapDisplay.from_topics(TABLE, n_annotated=3, n_terms=2))
    radii = np.array([circle.get_radius() for circle in display.circles_])
    np.testing.assert_allclose(radii**2 / (radii**2).sum(), TABLE.sizes)
    centers = np.array([circle.get_center() for circle in display.circles_])
    ratios = pdist(centers) / pdist(TABLE.map())
    np.testing.assert_allclose(ratios, ratios[0])
    assert ((centers - radii[:, None] >= 0) & (centers + radii[:, None] <= 1)).all()
    tops = TABLE.top_terms(2, "relevance")
    assert [note.get_text() for note in display.annotations_] == [f"{k}  {', '.join(tops[k])}" for k in TABLE.order[:3]]
    assert display.ax_.get_aspect() == 1


@pytest.mark.parametrize("k", [1, 2, 3, 120])
def test_maps_of_few_and_of_many_topics(k):
    table = Topics(rng.dirichlet(np.full(V, 0.2), k))
    display = render(TopicMapDisplay.from_topics(table))
    assert len(display.circles_) == k
    assert np.isfinite(display.figure_.get_tightbbox().extents).all()


def test_one_topic_lies_in_the_middle():
    centers, radii = circles(np.zeros((1, 2)), np.ones(1))
    np.testing.assert_array_equal(centers, [[0.5, 0.5]])
    assert 0 < radii[0] < 0.5


def test_notes_do_not_overlap():
    for heights in ([0.5] * 6, [1, 1, 0, 0], [0.9, 0.1], [], np.sort(rng.uniform(size=11))[::-1]):
        apart = spread(heights, 0.085)
        assert (np.diff(apart) <= -0.085 + 1e-12).all()
        assert ((apart >= -1e-12) & (apart <= 1 + 1e-12)).all()
    np.testing.assert_array_equal(spread([0.9, 0.1], 0.085), [0.9, 0.1])
    assert len(spread([0.5] * 40, 0.085)) == 40
