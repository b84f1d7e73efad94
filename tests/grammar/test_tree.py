"""Trees: what they hold, against recursive definitions on small random trees; and trees too deep for recursion.

Also tests featlearn.grammar.drawing and featlearn.grammar.walks.
"""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featlearn.grammar.brackets import parse_tree
from featlearn.grammar.drawing import columns, layout
from featlearn.grammar.escapes import escape, unescape
from featlearn.grammar.tree import Tree, make_tree
from featlearn.grammar.walks import fold

DEPTH = 10_000
DEEP = "(A " * DEPTH + "x" + ")" * DEPTH
SENTENCE = parse_tree("(S (NP (DT the) (NN man)) (VP (VBD saw) (NP (PRP me))))")
TEXTS = st.text(st.sampled_from("ab|^+()\\ '\"\tx28é我-="), min_size=1, max_size=6)


def trees_of(labels=TEXTS, words=TEXTS, mixed=False):
    """Random trees; without `mixed`, words stand alone under their tag."""
    tags = st.builds(lambda label, word: Tree(label, [word]), labels, words)
    if mixed:
        tags = st.one_of(tags, words)
    inner = st.recursive(
        tags, lambda below: st.builds(Tree, labels, st.lists(below, min_size=1, max_size=5)), max_leaves=12
    )
    return st.builds(lambda label, one: one if isinstance(one, Tree) else Tree(label, [one]), labels, inner)


def test_what_a_tree_holds():
    assert SENTENCE.label == "S"
    assert SENTENCE.children == (
        Tree("NP", [Tree("DT", ["the"]), Tree("NN", ["man"])]),
        Tree("VP", (Tree("VBD", ["saw"]), Tree("NP", [Tree("PRP", ["me"])]))),
    )
    assert SENTENCE.words() == ["the", "man", "saw", "me"]
    assert SENTENCE.tags() == ["DT", "NN", "VBD", "PRP"]
    assert [tree.children[0] for tree in SENTENCE.preterminals()] == SENTENCE.words()
    assert [tree.label for tree in SENTENCE.subtrees()] == ["S", "NP", "DT", "NN", "VP", "VBD", "NP", "PRP"]
    assert SENTENCE.productions() == [
        ("S", ("NP", "VP")),
        ("NP", ("DT", "NN")),
        ("DT", ("the",)),
        ("NN", ("man",)),
        ("VP", ("VBD", "NP")),
        ("VBD", ("saw",)),
        ("NP", ("PRP",)),
        ("PRP", ("me",)),
    ]
    assert SENTENCE.spans() == [("S", 0, 4), ("NP", 0, 2), ("VP", 2, 4), ("NP", 3, 4)]
    assert SENTENCE.spans(preterminals=True)[2:4] == [("DT", 0, 1), ("NN", 1, 2)]
    assert SENTENCE.height() == 4
    assert Tree("NN", ["dog"]).height() == 1
    assert len(SENTENCE) == 4
    assert str(SENTENCE) == repr(SENTENCE) == "(S (NP (DT the) (NN man)) (VP (VBD saw) (NP (PRP me))))"


def words_of(tree):
    return [tree] if isinstance(tree, str) else [word for child in tree.children for word in words_of(child)]


def spans_of(tree, start=0):
    """(label, start, end, whether a preterminal), by recursion."""
    found, place = [], start
    for child in tree.children:
        found += [] if isinstance(child, str) else spans_of(child, place)
        place += len(words_of(child))
    alone = len(tree.children) == 1 and isinstance(tree.children[0], str)
    return [(tree.label, start, place, alone), *found]


def height_of(tree):
    return 0 if isinstance(tree, str) else 1 + max(map(height_of, tree.children))


@given(trees_of(mixed=True))
def test_walks_agree_with_recursion(tree):
    assert tree.words() == words_of(tree)
    assert len(tree.tags()) == len(tree) == len(words_of(tree))
    assert tree.spans(preterminals=True) == [span[:3] for span in spans_of(tree)]
    assert tree.spans() == [span[:3] for span in spans_of(tree) if not span[3]]
    assert tree.height() == height_of(tree)
    assert [one.label for one in tree.subtrees()] == [lhs for lhs, _ in tree.productions()]
    assert fold(tree, lambda node, children: Tree(node.label, children)) == tree


@given(trees_of(mixed=True), trees_of(mixed=True))
def test_equality_is_that_of_the_nested_values(one, two):
    def nested(tree):
        return tree if isinstance(tree, str) else (tree.label, [nested(child) for child in tree.children])

    assert (one == two) == (nested(one) == nested(two))
    twin = fold(one, lambda node, children: make_tree(node.label, tuple(children)))
    assert twin is not one
    assert twin == one
    assert hash(twin) == hash(one)


@pytest.mark.parametrize(
    "other",
    [
        "(S (NP (DT the) (NN man)) (VP (VBD saw) (NP (PRP us))))",
        "(S (NP (DT the) (NN man)) (VP (VBD saw) (NP (PRN me))))",
        "(S (NP (DT the) (NN man)) (VP (VBD saw) (PRP me)))",
        "(S (NP (DT the) (NN man)) (VP (VBD saw)) (NP (PRP me)))",
    ],
)
def test_trees_differ(other):
    assert parse_tree(other) != SENTENCE
    assert hash(parse_tree(other)) != hash(SENTENCE)
    assert other != SENTENCE
    assert Tree("A", ["b"]) != Tree("A", [Tree("b", ["b"])])


def test_sets_copies_and_arrays():
    twin = parse_tree(str(SENTENCE))
    assert {twin, SENTENCE} == {SENTENCE}
    assert copy.copy(SENTENCE) is SENTENCE
    assert copy.deepcopy([SENTENCE])[0] is SENTENCE
    array = np.array([SENTENCE, twin], dtype=object)
    assert array.shape == (2,)  # a tree is no sequence, which NumPy would take apart
    assert array[1] == SENTENCE


@given(trees_of(mixed=True))
def test_pickle(tree):
    again = pickle.loads(pickle.dumps(tree))
    assert again == tree
    assert type(again) is Tree


def test_a_tree_never_changes():
    with pytest.raises(AttributeError, match="A Tree is immutable, so 'label' cannot be set"):
        SENTENCE.label = "X"
    with pytest.raises(AttributeError, match="'children' cannot be deleted"):
        del SENTENCE.children
    with pytest.raises(AttributeError, match="'score' cannot be set"):
        SENTENCE.score = 1.0
    children = [Tree("DT", ["the"])]
    tree = Tree("NP", children)
    children.append(Tree("NN", ["man"]))
    assert len(tree) == 1


@pytest.mark.parametrize(
    ("label", "children", "error", "message"),
    [
        ("", ["a"], ValueError, "label of a tree must not be empty"),
        (None, ["a"], TypeError, "label of a tree must be a str; got None of type NoneType"),
        ("NP", [], ValueError, "'NP' has no children"),
        ("NP", "the", TypeError, "children of 'NP' must be a list or tuple; got a single str"),
        ("NP", Tree("A", ["a"]), TypeError, "got a single Tree"),
        ("NP", ["a", ""], ValueError, "A word under 'NP' is empty"),
        ("NP", ["a", 3], TypeError, "A child of 'NP' must be a Tree or a str; got 3 of type int"),
    ],
)
def test_bad_trees(label, children, error, message):
    with pytest.raises(error, match=message):
        Tree(label, children)


def test_ten_thousand_levels():
    tree, twin = parse_tree(DEEP), parse_tree(DEEP)
    assert tree.height() == DEPTH
    assert len(tree) == 1
    assert tree == twin
    assert hash(tree) == hash(twin)
    assert pickle.loads(pickle.dumps(tree)) == tree
    assert str(tree) == DEEP
    assert tree.words() == ["x"]
    assert tree.spans(preterminals=True) == [("A", 0, 1)] * DEPTH
    assert parse_tree(tree.pretty()) == tree
    assert len(tree.ascii().split("\n")) == 2 * DEPTH + 1
    assert len(tree.productions()) == sum(1 for _ in tree.subtrees()) == DEPTH
    wide = parse_tree(DEEP.replace("x", "x" * 200))
    assert wide.ascii(width=100).endswith("A ...")


def test_pretty():
    assert SENTENCE.pretty().split("\n") == [
        "(S",
        "  (NP (DT the) (NN man))",
        "  (VP",
        "    (VBD saw)",
        "    (NP (PRP me))))",
    ]
    assert SENTENCE.pretty(indent=0).split("\n")[3] == "(VBD saw)"


@given(trees_of(mixed=True))
def test_pretty_reads_back(tree):
    assert parse_tree(tree.pretty(), mixed=True) == tree


def test_ascii():
    drawn = """\
          S
    ______|_______
    |           VP
    |       _____|______
   NP       |         NP
 ___|___    |          |
DT    NN   VBD        PRP
 |     |    |          |
the 研究生 saw incomprehensible"""
    tree = parse_tree("(S (NP (DT the) (NN 研究生)) (VP (VBD saw) (NP (PRP incomprehensible))))")
    assert tree.ascii() == drawn
    for line in tree.ascii().split("\n"):
        assert columns(line) <= columns("the 研究生 saw incomprehensible")


def test_ascii_is_an_outline_where_it_is_too_wide():
    outline = "S\n|-- NP\n|   |-- DT the\n|   `-- NN man\n`-- VP\n    |-- VBD saw\n    `-- NP\n        `-- PRP me"
    assert SENTENCE.ascii(width=14) == outline
    assert SENTENCE.ascii(width=15) != outline
    assert Tree("VP", ["switch", Tree("NP", ["it"]), "on"]).ascii(5) == "VP\n|-- switch\n|-- NP it\n`-- on"


def test_columns():
    assert columns("ab") == 2
    assert columns("研究") == 4
    assert columns("e\u0301") == 1


@given(trees_of())
@settings(max_examples=50)
def test_layout_keeps_texts_apart_and_parents_in_the_middle(tree):
    places, width = layout(tree)
    taken = {}
    for i, place in enumerate(places):
        start = place.center - place.columns // 2
        assert start >= 0
        assert start + place.columns <= width
        for column in range(start, start + place.columns):
            assert taken.setdefault((place.level, column), i) == i
        below = [other for other in places if other.parent == i]
        if below:
            assert place.center == (below[0].center + below[-1].center) // 2
            assert place.level == 1 + max(other.level for other in below)
    assert [place.span for place in places if place.span] == tree.spans(preterminals=True)
    assert [escaped.text for escaped in places if not escaped.span] == [escape(word, "\t") for word in tree.words()]


@given(st.text(max_size=20) | st.text(st.sampled_from("\\x2058c( )"), max_size=12))
def test_escapes(text):
    for reserved in ("() ", "|^+", "() \t\n\0\\"):
        written = escape(text, reserved)
        assert unescape(written) == text
        assert not set(written) & (set(reserved) - {"\\"})


def test_escapes_leave_treebank_words_alone():
    assert escape("1\\/2") == "1\\/2"
    assert escape("a b") == "a\\x20b"
    assert escape("\\x20") == "\\x5cx20"


def test_nltk():
    nltk = pytest.importorskip("nltk")
    peer = nltk.Tree.fromstring(str(SENTENCE))
    assert SENTENCE.to_nltk() == peer
    assert Tree.from_nltk(peer) == SENTENCE
    assert peer.leaves() == SENTENCE.words()
    assert [production.lhs().symbol() for production in peer.productions()] == [
        lhs for lhs, _ in SENTENCE.productions()
    ]
    labeled = nltk.Tree(nltk.Nonterminal("NP"), ["a"])
    assert Tree.from_nltk(labeled) == Tree("NP", ["a"])
    deep = parse_tree(DEEP)
    assert Tree.from_nltk(deep.to_nltk()) == deep
    with pytest.raises(TypeError, match=r"takes an nltk\.Tree; got a str"):
        Tree.from_nltk("(S)")
    with pytest.raises(TypeError, match="A child of 'NP' must be a Tree or a str; got"):
        Tree.from_nltk(nltk.Tree("NP", [("the", "DT")]))


def test_nltk_is_missing(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "nltk", None)
    with pytest.raises(ImportError, match="pip install nltk"):
        SENTENCE.to_nltk()
