"""Pictures of trees: where things are drawn, what differs, and SVG that a strict reader of XML takes."""

import re
import xml.etree.ElementTree as ElementTree

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex

from featlearn.grammar.brackets import parse_tree, parse_trees
from featlearn.grammar.tree import Tree
from featlearn.plot.trees import BLACK, BLUE, ORANGE, TreeDisplay, differences, tree_svg

NOUN, VERB = parse_trees(
    "(S (NP (PRP I)) (VP (VBD saw) (NP (NP (PRP her)) (PP (IN with) (NP (NN it))))))"
    "(S (NP (PRP I)) (VP (VBD saw) (NP (PRP her)) (PP (IN with) (NP (NN it)))))"
)
LONG = parse_tree("(S " + "(NP (DT the) (JJ incomprehensible) (NN sentence)) " * 15 + ")")
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(autouse=True)
def _no_screen():
    plt.switch_backend("Agg")
    yield
    plt.close("all")


def boxes(display, i=0):
    """Where texts are, in pixels."""
    display.figure_.canvas.draw()
    return [text.get_window_extent() for text in display.texts_[i]]


@pytest.mark.parametrize("tree", [NOUN, VERB, LONG])
def test_places(tree):
    display = TreeDisplay.from_tree(tree)
    texts = display.texts_[0]
    assert sorted(text.get_text() for text in texts) == sorted([one.label for one in tree.subtrees()] + tree.words())
    found = boxes(display)
    for i, one in enumerate(found):
        for other in found[i + 1 :]:
            assert not one.overlaps(other)
    words = [text for text in texts if text.get_color() == BLACK]
    assert [text.get_text() for text in words] == tree.words()
    assert {text.get_position()[1] for text in words} == {0}
    assert texts[0].get_position()[1] == tree.height()
    frame = display.axes_[0].get_window_extent()
    for box in found:
        assert frame.x0 <= box.x0
        assert box.x1 <= frame.x1
        assert frame.y0 <= box.y0
        assert box.y1 <= frame.y1


def test_edges_run_from_each_child_to_its_parent():
    display = TreeDisplay.from_tree(VERB)
    texts = [text.get_position() for text in display.texts_[0]]
    lines = [np.asarray(line) for line in display.edges_[0].get_segments()]
    assert len(lines) == len(texts) - 1
    for child, line in zip(texts[1:], lines):
        assert line[-1][0] == child[0]
        assert line[-1][1] > child[1]
        above = [text for text in texts if text[0] == line[0][0] and text[1] > line[0][1]]
        assert min(y for _, y in above) - line[0][1] < 0.5
        assert np.all((np.diff(line, axis=0) == 0).any(axis=1))  # down or across


def test_differences_are_orange():
    assert differences([NOUN, VERB]) == [{("NP", 2, 5)}, set()]
    assert differences([NOUN, NOUN]) == [set(), set()]
    display = TreeDisplay.from_trees([NOUN, VERB], titles=["p = 0.7", "p = $0.3"], differ=True)
    orange = [[text.get_text() for text in texts if text.get_color() == ORANGE] for texts in display.texts_]
    assert orange == [["NP"], []]
    assert [ax.get_title() for ax in display.axes_] == ["p = 0.7", "p = $0.3"]
    assert len(display.axes_) == 2
    display = TreeDisplay.from_trees([NOUN, VERB])
    assert not any(text.get_color() == ORANGE for texts in display.texts_ for text in texts)
    display = TreeDisplay.from_tree(VERB, highlight=[("VP", 1, 5), ("NN", 4, 5)], title="one")
    assert [text.get_text() for text in display.texts_[0] if text.get_color() == ORANGE] == ["VP", "NN"]


def test_the_picture_grows_with_the_tree_and_letters_shrink_to_fit_given_axes():
    small, large = TreeDisplay.from_tree(NOUN), TreeDisplay.from_tree(LONG)
    assert large.figure_.get_size_inches()[0] > 3 * small.figure_.get_size_inches()[0]
    assert large.texts_[0][0].get_fontsize() == pytest.approx(10)
    figure, axes = plt.subplots(1, 2, figsize=(8, 3))
    display = TreeDisplay.from_trees([NOUN, LONG], axes=axes)
    assert display.figure_ is figure
    assert list(display.axes_) == list(axes)
    assert display.texts_[1][0].get_fontsize() < 3 < display.texts_[0][0].get_fontsize()


@pytest.mark.filterwarnings("ignore:No font that matplotlib knows")
def test_deep_trees_and_odd_words():
    deep = parse_tree("(A " * 300 + "x" + ")" * 300)
    display = TreeDisplay.from_tree(deep)
    assert len(display.texts_[0]) == 301
    assert max(display.figure_.get_size_inches()) < 2**16 / display.figure_.dpi
    odd = Tree("S", [Tree("$x$", ["研究生"]), Tree("_", ["a\nb"])])
    texts = [text.get_text() for text in TreeDisplay.from_tree(odd, title="$").texts_[0]]
    assert texts == ["S", "$x$", "研究生", "_", "a\\x0ab"]
    assert svg_texts(tree_svg(parse_tree("(A " * 10_000 + "x" + ")" * 10_000))) == ["A"] * 10_000 + ["x"]


def svg_texts(svg):
    return [text.text for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_svg(tmp_path):
    path = tmp_path / "tree.svg"
    svg = tree_svg(NOUN, path, title='p < 0.7 & "q"', highlight=differences([NOUN, VERB])[0])
    assert path.read_text(encoding="utf-8") == svg
    assert list(tmp_path.iterdir()) == [path]
    root = ElementTree.parse(path).getroot()
    assert root.find(f"{SVG}title").text == "I saw her with it"
    width, height = float(root.get("width")), float(root.get("height"))
    title, *texts = root.iter(f"{SVG}text")
    assert title.text == 'p < 0.7 & "q"'
    assert [text.text for text in texts if text.get("fill") == BLACK] == NOUN.words()
    assert [text.text for text in texts if text.get("fill") == ORANGE] == ["NP"]
    assert {text.get("fill") for text in texts} == {BLACK, BLUE, ORANGE}
    places = {(float(text.get("x")), float(text.get("y"))) for text in texts}
    assert len(places) == len(texts) == 17
    assert all(0 < x < width and 0 < y < height for x, y in places)
    edges = re.findall(r"M([\d.]+) ([\d.]+)V([\d.]+)H([\d.]+)V([\d.]+)", root.find(f"{SVG}path").get("d"))
    assert len(edges) == len(texts) - 1
    for x0, y0, bend, x1, y1 in [map(float, edge) for edge in edges]:
        assert any(x == x0 and 0 < y0 - y < 10 for x, y in places)
        assert any(x == x1 and 5 < y - y1 < 20 for x, y in places)
        assert y0 < bend < y1


@given(st.text(min_size=1, max_size=8), st.text(min_size=1, max_size=8))
@settings(max_examples=50)
def test_svg_holds_any_text(label, word):
    tree = Tree(label, [Tree("X", [word])])
    shown = svg_texts(tree_svg(tree, title=word))
    assert len(shown) == 4
    if word.isprintable():
        assert shown[0] == shown[3] == word


def test_svg_is_written_whole_or_not_at_all(tmp_path):
    with pytest.raises(FileNotFoundError):
        tree_svg(NOUN, tmp_path / "no" / "tree.svg")
    path = tmp_path / "tree.svg"
    path.mkdir()
    with pytest.raises(OSError):
        tree_svg(NOUN, path)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("draw", "error", "message"),
    [
        (lambda: TreeDisplay.from_trees([]), ValueError, "There is nothing to draw: no tree"),
        (lambda: TreeDisplay.from_tree("(S (A a))"), TypeError, "A str cannot be drawn; pass a Tree"),
        (lambda: tree_svg(None), TypeError, "A NoneType cannot be drawn"),
        (lambda: TreeDisplay.from_trees([NOUN], titles=["a", "b"]), ValueError, "There are 1 trees and 2 titles"),
        (lambda: TreeDisplay.from_trees([NOUN, VERB], axes=[None]), ValueError, "There are 2 trees and 1 axes"),
        (lambda: TreeDisplay([NOUN], highlights=[]).plot(), ValueError, "There are 1 trees and 0 highlights"),
        (lambda: tree_svg(NOUN, highlight=[("NP", 0, 2)]), ValueError, r"no constituents \[\('NP', 0, 2\)\]"),
    ],
)
def test_bad_arguments(draw, error, message):
    with pytest.raises(error, match=message):
        draw()


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install featlearn\[plot\]"):
        TreeDisplay.from_tree(NOUN)
    assert tree_svg(NOUN)


def test_colors_are_matplotlibs_too():
    assert [to_hex(color) for color in (BLUE, ORANGE, BLACK)] == [BLUE, ORANGE, BLACK]
    assert matplotlib.get_backend().lower() == "agg"
