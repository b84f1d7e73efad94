"""The page of topics: what it holds, that it neither breaks nor loads anything, and that its script ranks as we do."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from featlearn.plot.topic_map import can_be_shown, embedded, explorer_data, topics_html
from featlearn.topics.tables import Topics

rng = np.random.default_rng(0)
K, V, D = 6, 300, 50
NASTY = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "]]>",
    "\"quotes' & \\slashes\\",
    "a\u2028b\u2029c",
    "北京大学",
    "😀",
    "\ud83d",  # half a character
    "{{data}}",
    "\0\x1b",
]
TERMS = NASTY + [f"w{i}" for i in range(V - len(NASTY))]
PHI = 0.9 * rng.dirichlet(np.full(V, 0.05), K) + 0.1 / V
TABLE = Topics(
    PHI,
    TERMS,
    proportions=rng.dirichlet(np.full(K, 0.3), D),
    lengths=rng.integers(1, 50, D),
    documents=[f"{NASTY[i % len(NASTY)]} document {i}\n\n" + "word " * (400 * (i % 2)) for i in range(D)],
)
GROUPS = pd.Series(np.array(["<b>old</b>", "new"])[np.arange(D) % 2], name="age & <i>")


class Page(HTMLParser):
    """Elements, their attributes, and the texts of scripts, as a browser would find them."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.scripts, self.texts, self.inside = [], [], [], {}, None
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        self.inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside == "script":
            self.scripts[-1] += data
        elif self.inside:
            self.texts[self.inside] = self.texts.get(self.inside, "") + data


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A function that runs a page's script in node, and gives the values of expressions."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    path = tmp_path_factory.mktemp("page") / "page.html"

    def run(page, *expressions):
        path.write_text(page, encoding="utf-8")
        command = [node, str(Path(__file__).with_name("topic_map.js")), str(path)]
        done = subprocess.run(
            command, input=json.dumps(expressions), capture_output=True, encoding="utf-8", timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


# ---- the file ----


def test_data_come_back_whole():
    data = explorer_data(TABLE, groups=GROUPS)
    assert json.loads(embedded(data)) == data
    parsed = Page(topics_html(TABLE, groups=GROUPS))
    assert len(parsed.scripts) == 2
    assert json.loads(parsed.scripts[0]) == data
    assert set(NASTY) & set(data["terms"])
    assert embedded(NASTY).isprintable()
    assert not re.search("[<>&\u2028\u2029]", embedded(NASTY))


@pytest.mark.parametrize("term", NASTY)
def test_no_term_breaks_the_page(term):
    plain = Page(topics_html(Topics([[1, 1]], ["a", "b"], proportions=[[1.0]], documents=["text"])))
    table = Topics([[1, 1]], [term, "b"], proportions=[[1.0]], documents=[term])
    nasty = Page(topics_html(table, title=term, groups=[term], group_name=term))
    assert nasty.tags == plain.tags
    assert nasty.attributes == plain.attributes
    assert nasty.scripts[1] == plain.scripts[1]
    assert json.loads(nasty.scripts[0])["terms"] == [term, "b"]
    expected = term.encode("utf-8", "replace").decode("utf-8")
    assert nasty.texts["title"] == nasty.texts["h1"] == expected


def test_page_loads_nothing():
    page = topics_html(TABLE, groups=GROUPS)
    assert not re.search(r"https?:|//[\w.-]+\.\w|url\(|@import|\bfetch\(|XMLHttpRequest|innerHTML|eval\(", page)
    names = {name for name, _ in Page(page).attributes}
    assert not names & {"src", "href", "srcset", "data", "action", "poster"}
    assert "default-src 'none'" in page
    assert "link" not in Page(page).tags


def test_page_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "topics.html"
    assert topics_html(TABLE, str(path)) == path
    assert path.read_text(encoding="utf-8") == topics_html(TABLE)
    assert list(tmp_path.iterdir()) == [path]

    def full(self, *args, **kwargs):
        self.write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="no space left"):
        topics_html(Topics([[1.0]]), path)
    monkeypatch.undo()
    assert path.read_text(encoding="utf-8") == topics_html(TABLE)
    assert list(tmp_path.iterdir()) == [path]


def test_ids_that_the_script_asks_for_exist():
    page = topics_html(TABLE)
    ids = [value for name, value in Page(page).attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'\$\("([^"]+)"\)', page)) <= set(ids)
    refers = {value for name, value in Page(page).attributes if name in ("aria-labelledby", "for")}
    assert refers <= set(ids)


# ---- what it holds ----


def test_every_term_that_any_step_shows_is_there_and_no_other():
    p = TABLE.marginal
    for phi in (*PHI, np.where(PHI[1] > 2e-3, PHI[1], 0)):
        known = np.flatnonzero(phi)
        shown = set()
        for weight in np.linspace(0, 1, 101):
            score = max(weight, 1e-6) * np.log(phi[known]) + (1 - max(weight, 1e-6)) * np.log(phi[known] / p[known])
            shown |= set(known[np.argsort(-score)[:12]].tolist())
        assert can_be_shown(phi, p, 12).tolist() == sorted(shown)
    assert len(shown) < len(known)


def test_large_models_make_small_files():
    table = Topics(rng.dirichlet(np.full(20_000, 0.02), 20), proportions=rng.dirichlet(np.full(20, 0.1), 30))
    data = explorer_data(table)
    assert len(data["terms"]) < 20 * 200
    assert len(topics_html(table)) < 300_000


def test_data_are_the_tables():
    data = explorer_data(TABLE, n_terms=15, groups=GROUPS)
    ids = [TERMS.index(term) for term in data["terms"]]
    np.testing.assert_allclose(data["frequency"], TABLE.marginal[ids], rtol=1e-5)
    assert [data["terms"][i] for i in data["salient"]] == [TERMS[w] for w in np.argsort(-TABLE.saliency)[:15]]
    for k, topic in enumerate(data["topics"]):
        assert topic["share"] == pytest.approx(TABLE.sizes[k], rel=1e-5)
        np.testing.assert_allclose(topic["phi"], PHI[k, [ids[i] for i in topic["terms"]]], rtol=1e-5)
        for (document, proportion, text), known in zip(topic["documents"], TABLE.documents(k), strict=True):
            assert document == known.document
            assert proportion == pytest.approx(known.proportion, abs=1e-4)
            assert len(text) <= 600
            assert " ".join(known.text.split()).startswith(text.rstrip("…"))
    posterior = TABLE.sizes[:, None] * PHI / TABLE.marginal
    for term, shares in zip(ids, data["shares"], strict=True):
        dense = np.zeros(K)
        dense[shares[::2]] = np.array(shares[1::2]) / 1000
        np.testing.assert_allclose(dense, posterior[:, term], atol=0.0051)
    labels, means = TABLE.prevalence(GROUPS)
    assert data["groups"]["name"] == "age & <i>"
    assert data["groups"]["labels"] == labels.tolist()
    np.testing.assert_allclose(data["groups"]["shares"], means, rtol=1e-5)
    assert data["words"] == TABLE.lengths.sum()


@pytest.mark.parametrize("k", [1, 2, 3])
def test_few_topics_without_documents(k):
    data = explorer_data(Topics(PHI[:k]))
    assert [topic["documents"] for topic in data["topics"]] == [[]] * k
    assert data["groups"] is None
    assert all(0 <= topic[axis] <= 500 for topic in data["topics"] for axis in "xy")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"topics": PHI}, TypeError, "takes Topics, and got ndarray"),
        ({"n_terms": 0}, ValueError, "n_terms=0 shows no terms"),
        ({"relevance": 2}, ValueError, "relevance=2 is not valid"),
        ({"relevance": float("nan")}, ValueError, "relevance=nan is not valid"),
        ({"groups": [1, 2]}, ValueError, r"groups of shape \(2,\)"),
    ],
)
def test_bad_pages(arguments, error, message, tmp_path):
    with pytest.raises(error, match=message):
        topics_html(**{"topics": TABLE, "path": tmp_path / "page.html", **arguments})
    assert not list(tmp_path.iterdir())


def test_too_many_groups():
    table = Topics([[1.0]], proportions=np.ones((300, 1)))
    with pytest.raises(ValueError, match=r"300 distinct values.* at most 200.*pandas\.cut"):
        topics_html(table, groups=np.arange(300))


# ---- the script ----


def test_script_ranks_as_the_tables_do(run):
    lambdas = [0, 0.01, 0.25, 0.6, 0.99, 1]
    page = topics_html(TABLE, n_terms=20)
    expression = "DATA.topics.map(t => rank(t, DATA.frequency, {}, 20).map(i => DATA.terms[t.terms[i]]))"
    found = run(page, *[expression.format(x) for x in lambdas])
    for x, ranked in zip(lambdas, found, strict=True):
        assert ranked == TABLE.top_terms(20, "relevance", relevance=x), x


def test_script_knows_where_terms_come_from(run):
    data = explorer_data(TABLE)
    shares, areas = run(
        topics_html(TABLE), "DATA.terms.map((_, i) => sharesOf(i))", "[0.5, 0.1].map(s => radius(s) ** 2)"
    )
    posterior = TABLE.sizes[:, None] * PHI / TABLE.marginal
    np.testing.assert_allclose(shares, posterior[:, [TERMS.index(t) for t in data["terms"]]].T, atol=0.0051)
    assert areas[0] == pytest.approx(5 * areas[1])


SHOWN = '$("bars").children.map(item => item.children[0].textContent)'


def test_choosing_a_topic_and_moving_the_slider(run):
    page = topics_html(TABLE, groups=GROUPS, n_terms=10, relevance=0.6)
    first, _, second, heading, documents, _, third, where, table = run(
        page,
        SHOWN,
        'circles[2].fire("click")',
        SHOWN,
        '$("terms-heading").textContent',
        '[$("documents-section").hidden, $("documents").children.length, $("documents").textContent]',
        '$("lambda").fire("input", {target: {value: "0.1"}})',
        SHOWN,
        "location.hash",
        '$("table").children.map(row => row.children[2].textContent)',
    )
    assert first == [TERMS[w] for w in np.argsort(-TABLE.saliency)[:10]]
    assert second == TABLE.top_terms(10, "relevance")[2]
    assert third == TABLE.top_terms(10, "relevance", relevance=0.1)[2] != second
    assert heading == f"Topic 2 · {100 * TABLE.sizes[2]:.1f} % of all words"
    assert documents[:2] == [False, 3]
    assert f"Document {TABLE.documents(2)[0].document}" in documents[2]
    assert where == "#topic=2&lambda=0.10"
    assert table == [", ".join(TABLE.top_terms(10, "relevance", relevance=0.1)[k]) for k in TABLE.order]


def test_keys_walk_through_topics_by_size(run):
    key = '($("map").fire("keydown", {{key: "{}"}}), state.topic)'
    order = TABLE.order.tolist()
    presses = ["ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp", "End", "Home", "Escape", "ArrowLeft"]
    chosen = run(topics_html(TABLE), *[key.format(press) for press in presses])
    assert chosen == [order[0], order[1], order[0], order[-1], order[-1], order[0], None, order[-1]]
    prevented = '[$("map").fire("keydown", {key: "End"}), $("map").fire("keydown", {key: "x"})]'
    assert run(topics_html(TABLE), prevented) == [[True, False]]
    buttons = ['($("next").fire("click"), state.topic)', '($("previous").fire("click"), state.topic)']
    assert run(topics_html(TABLE), *buttons, '($("clear").fire("click"), state.topic)') == [order[0], order[-1], None]


def test_selected_circle_is_marked(run):
    marks = "circles.map(circle => circle.attributes['aria-selected'])"
    active = '$("map").getAttribute("aria-activedescendant")'
    _, marked, name, _, unmarked, none = run(topics_html(TABLE), "select(4)", marks, active, "clear()", marks, active)
    assert marked == ["true" if k == 4 else "false" for k in range(K)]
    assert (name, none) == ("topic-4", None)
    assert unmarked == ["false"] * K


def test_pointing_at_a_term_resizes_circles_and_a_click_holds_it(run):
    radii = "circles.map(circle => Number(circle.attributes.r))"
    item = '$("bars").children[0]'
    before, _, during, caption, _, after, _, held, pressed, _, cleared = run(
        topics_html(TABLE),
        radii,
        f'{item}.fire("mouseenter")',
        radii,
        '$("caption").textContent',
        f'{item}.fire("mouseleave")',
        radii,
        f'{item}.children[0].fire("click")',
        radii,
        f'{item}.children[0].getAttribute("aria-pressed")',
        "clear()",
        radii,
    )
    term = np.argsort(-TABLE.saliency)[0]
    scale = explorer_data(TABLE)["scale"]
    posterior = TABLE.sizes * PHI[:, term] / TABLE.marginal[term]
    np.testing.assert_allclose(during, np.maximum(scale * np.sqrt(posterior), 4), atol=0.02 * scale)
    np.testing.assert_allclose(before, np.maximum(scale * np.sqrt(TABLE.sizes), 4), atol=0.01)
    assert before == after == cleared
    assert held == during != before
    assert pressed == "true"
    assert f"topic {posterior.argmax()} (" in caption


def test_bars_are_frequencies(run):
    widths = '$("bars").children.map(item => item.children[1].children.map(bar => parseFloat(bar.style.width)))'
    _, bars, counts = run(
        topics_html(TABLE, n_terms=8), "select(1)", widths, '$("bars").children.map(i => i.children[2].textContent)'
    )
    terms = TABLE.top_indices(8, "relevance")[1]
    longest = TABLE.marginal[terms].max()
    inside = TABLE.sizes[1] * PHI[1, terms]
    np.testing.assert_allclose(bars, 100 * np.array([TABLE.marginal[terms], inside]).T / longest, atol=0.01)
    assert [int(c.replace(",", "")) for c in counts] == [round(x * TABLE.lengths.sum()) for x in inside]


def test_groups_show_the_chosen_topic_or_the_largest(run):
    texts = '$("groups").children.map(item => item.textContent)'
    heading = '$("groups-heading").textContent'
    largest, title, _, chosen, chosen_title = run(
        topics_html(TABLE, groups=GROUPS), texts, heading, "select(3)", texts, heading
    )
    labels, means = TABLE.prevalence(GROUPS)
    assert largest == [f"{g}topic {m.argmax()} · {100 * m.max():.1f} %" for g, m in zip(labels, means)]
    assert chosen == [f"{g}{100 * m[3]:.1f} %" for g, m in zip(labels, means)]
    assert title == "Largest topic by age & <i>"
    assert chosen_title == "Share of topic 3 by age & <i>"


def test_ordered_categories_keep_their_order_on_the_page(run):
    months = ["January", "February", "March", "April"]
    groups = pd.Series(pd.Categorical([months[i % 3] for i in range(D)], categories=months, ordered=True), name="month")
    page = topics_html(TABLE, groups=groups)
    labels = '$("groups").children.map(item => item.children[0].textContent)'
    assert run(page, labels, "select(1)", labels)[::2] == [months[:3]] * 2
    sizes = pd.cut(np.arange(D), [-1, 3, 10, D], labels=["small", "large", "huge"])
    assert explorer_data(TABLE, groups=sizes)["groups"]["labels"] == ["small", "large", "huge"]
    np.testing.assert_allclose(
        explorer_data(TABLE, groups=sizes)["groups"]["shares"], TABLE.prevalence(sizes)[1], rtol=1e-5
    )


def test_address_brings_back_what_was_shown(run):
    again = '(location.hash = "{}", window.fire("hashchange"), [state.topic, state.lambda])'
    hashes = ["#topic=3&lambda=0.25", "#topic=99&lambda=7", "#nonsense", ""]
    found = run(topics_html(TABLE), *[again.format(x) for x in hashes])
    assert found == [[3, 0.25], [None, 0.25], [None, 0.25], [None, 0.25]]


def test_a_page_says_shares_only_where_they_are_known(run):
    shown = [
        '[$("summary"), $("caption"), $("terms-heading"), $("documents")].map(one => one.textContent)',
        "select(0)",
        '$("terms-heading").textContent',
        "circles.map(one => one.attributes['aria-label'].includes('%'))",
        '[$("share-heading"), ...$("table").children.map(row => row.children[1])].map(one => one.hidden)',
        '$("documents-section").hidden',
    ]
    unknown = run(topics_html(Topics(PHI[:2], TERMS)), *shown)
    told = run(topics_html(Topics(PHI[:2], TERMS, words=[300, 100])), *shown)
    assert unknown[0][:2] == ["2 topics · 300 terms", "How large the topics are is not known; here all count alike."]
    assert told[0][:2] == ["2 topics · 400 words · 300 terms", "Area: share of all words."]
    assert (unknown[2], told[2]) == ("Topic 0", "Topic 0 · 75.0 % of all words")
    assert (unknown[3], told[3]) == ([False] * 2, [True] * 2)
    assert (unknown[4], told[4]) == ([True] * 3, [False] * 3)
    assert unknown[5] is told[5] is True


@pytest.mark.parametrize("k", [1, 2])
def test_script_without_documents_and_groups(run, k):
    page = topics_html(Topics(PHI[:k], TERMS))
    hidden, summary, _, amounts = run(
        page,
        '[$("documents-section").hidden, $("groups-section").hidden, $("lambda-row").hidden]',
        '$("summary").textContent',
        "select(0)",
        '$("bars").children[0].children[2].textContent',
    )
    assert hidden == [True, True, True]
    assert summary == f"{k} topic{'s' * (k > 1)} · 300 terms"
    assert amounts.endswith(" %")
    assert run(page, "further(0, 1)") == [k - 1]
