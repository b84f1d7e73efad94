"""Binarization: known answers worked by hand, a peer library's, and the exact way back for every label."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featlearn.datasets._store import DatasetNotFoundError
from featlearn.datasets._trees import stream_treebank
from featlearn.grammar.binarization import base_label, binarize, is_intermediate, labels_of, symbol_of, unbinarize
from featlearn.grammar.brackets import parse_tree
from featlearn.grammar.tree import Tree

LABELS = st.sampled_from(
    ["S", "NP", "NP-SBJ", "-LRB-", "PRP$", ",", "''", "|", "^", "+", "|<", "a b", "()", "\\", "\\x7c"]
)
LABELS |= st.text(st.sampled_from("|^+\\()x7c2b AB'\"-"), min_size=1, max_size=7) | st.text(min_size=1, max_size=5)
WORDS = st.sampled_from(["a", "b|c", "(", "^", "x+y"])


def trees_of(mixed=False):
    tags = st.builds(lambda label, word: Tree(label, [word]), LABELS, WORDS)
    parts = st.one_of(tags, WORDS) if mixed else tags
    return st.recursive(
        tags,
        lambda below: st.builds(
            Tree, LABELS, st.lists(st.one_of(below, parts) if mixed else below, min_size=1, max_size=6)
        ),
        max_leaves=14,
    )


WAYS = st.fixed_dictionaries(
    {
        "horizontal": st.sampled_from([None, 0, 1, 2, 3, 9]),
        "vertical": st.integers(1, 4),
        "factor": st.sampled_from(["right", "left"]),
        "unaries": st.sampled_from(["keep", "collapse"]),
        "annotate_tags": st.booleans(),
    }
)
TREE = parse_tree("(TOP (S (NP (DT the) (JJ old) (JJ red) (NN car)) (VP (VB went))))")


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        ({}, "(TOP (S (NP (DT the) (NP|JJ|JJ (JJ old) (NP|JJ|NN (JJ red) (NN car)))) (VP (VB went))))"),
        ({"horizontal": 0}, "(TOP (S (NP (DT the) (NP| (JJ old) (NP| (JJ red) (NN car)))) (VP (VB went))))"),
        ({"horizontal": 1}, "(TOP (S (NP (DT the) (NP|JJ (JJ old) (NP|JJ (JJ red) (NN car)))) (VP (VB went))))"),
        ({"horizontal": None},
         "(TOP (S (NP (DT the) (NP|JJ|JJ|NN (JJ old) (NP|JJ|NN (JJ red) (NN car)))) (VP (VB went))))"),
        ({"factor": "left"}, "(TOP (S (NP (NP|JJ|JJ (NP|DT|JJ (DT the) (JJ old)) (JJ red)) (NN car)) (VP (VB went))))"),
        ({"factor": "left", "horizontal": 1},
         "(TOP (S (NP (NP|JJ (NP|JJ (DT the) (JJ old)) (JJ red)) (NN car)) (VP (VB went))))"),
        ({"factor": "left", "horizontal": 0},
         "(TOP (S (NP (NP| (NP| (DT the) (JJ old)) (JJ red)) (NN car)) (VP (VB went))))"),
        ({"vertical": 2, "horizontal": 1},
         "(TOP (S^TOP (NP^S (DT the) (NP^S|JJ (JJ old) (NP^S|JJ (JJ red) (NN car)))) (VP^S (VB went))))"),
        ({"vertical": 3, "horizontal": 0, "annotate_tags": True},
         "(TOP (S^TOP (NP^S^TOP (DT^NP^S the) (NP^S^TOP| (JJ^NP^S old) (NP^S^TOP| (JJ^NP^S red) (NN^NP^S car))))"
         " (VP^S^TOP (VB^VP^S went))))"),
        ({"unaries": "collapse", "horizontal": 0, "vertical": 2},
         "(TOP+S (NP^S (DT the) (NP^S| (JJ old) (NP^S| (JJ red) (NN car)))) (VP+VB went))"),
        ({"unaries": "collapse", "horizontal": 0, "vertical": 2, "annotate_tags": True},
         "(TOP+S (NP^S (DT^NP the) (NP^S| (JJ^NP old) (NP^S| (JJ^NP red) (NN^NP car)))) (VP+VB^S went))"),
    ],
)  # fmt: skip
def test_known_answers(way, expected):
    assert str(binarize(TREE, **way)) == expected
    assert unbinarize(parse_tree(expected)) == TREE


def test_names_of_siblings_are_those_of_collapsed_chains_without_parents():
    tree = parse_tree("(S (A (B b)) (C c) (D (E e)))")
    assert str(binarize(tree, unaries="collapse", vertical=2)) == "(S (A+B b) (S|C|D+E (C c) (D+E e)))"
    assert str(binarize(tree, vertical=2)) == "(S (A^S (B b)) (S|C|D (C c) (D^S (E e))))"


@given(trees_of(), WAYS)
@settings(max_examples=300)
def test_there_and_back(tree, way):
    before = str(tree)
    made = binarize(tree, **way)
    assert unbinarize(made) == tree
    assert str(tree) == before
    assert made.words() == tree.words()
    for node in made.subtrees():
        assert len(node.children) <= 2
        if way["unaries"] == "collapse":
            assert len(node.children) == 2 or node.is_preterminal
        if is_intermediate(node.label):
            assert len(node.children) == 2
        assert not set(node.label) & set("() '\"\t\n\0")
    kept = [node for node in made.subtrees() if not is_intermediate(node.label)]
    assert [label for node in kept for label in labels_of(node.label)] == [node.label for node in tree.subtrees()]


@given(trees_of(mixed=True), WAYS)
def test_there_and_back_with_words_beside_trees(tree, way):
    made = binarize(tree, **way)
    assert unbinarize(made) == tree
    assert all(len(node.children) <= 2 for node in made.subtrees())


@given(trees_of(), WAYS, WAYS)
def test_twice(tree, one, two):
    assert unbinarize(unbinarize(binarize(binarize(tree, **one), **two))) == tree


@given(trees_of())
def test_all_siblings_and_no_parents_give_each_right_side_its_own_path(tree):
    """With horizontal=None a right side determines the symbols that it is split into, and they it."""
    paths = {}
    for node in binarize(tree, horizontal=None).subtrees():
        if is_intermediate(node.label):
            assert paths.setdefault(node.label, len(node.words()) and _labels_below(node)) == _labels_below(node)


def _labels_below(node):
    below = []
    for child in node.children:
        below += _labels_below(child) if is_intermediate(child.label) else [child.label]
    return below


def test_the_peer_library():
    pytest.importorskip("nltk")

    def shape(tree):
        """Brackets without labels of intermediate nodes, whose names differ."""
        label = "*" if "|" in tree.label else tree.label
        return (label, [child if isinstance(child, str) else shape(child) for child in tree.children])

    tree = parse_tree(
        "(S (NP (DT a) (JJ b) (JJ c) (NN d)) (VP (VB e) (NP (PRP f)) (PP (IN g) (NP (NN h))) (ADVP (RB i))))"
    )
    for factor in ("right", "left"):
        for horizontal in (None, 1, 2):
            peer = tree.to_nltk()
            peer.chomsky_normal_form(factor=factor, horzMarkov=horizontal, vertMarkov=0)
            ours = binarize(tree, factor=factor, horizontal=horizontal)
            assert shape(ours) == shape(Tree.from_nltk(peer))
            pairs = {
                (mine.label, theirs.label)
                for mine, theirs in zip(ours.subtrees(), Tree.from_nltk(peer).subtrees())
                if is_intermediate(mine.label)
            }
            # The same nodes share a name in both.
            assert len(pairs) == len({mine for mine, _ in pairs})
            if factor == "right" or horizontal is None:
                assert len(pairs) == len({theirs for _, theirs in pairs})


def test_symbols():
    assert symbol_of("NP-SBJ=1") == "NP-SBJ=1"
    assert symbol_of("a|b^c+d e") == "a\\x7cb\\x5ec\\x2bd\\x20e"
    assert symbol_of("''") == "\\x27\\x27"
    assert base_label("NP^S|JJ|NN") == "NP"
    assert base_label("a\\x7cb^S+X|C") == "a|b"
    assert labels_of("S+VP+VB^TOP") == ("S", "VP", "VB")
    assert is_intermediate("S|")
    assert not is_intermediate("S^TOP")
    assert not is_intermediate(symbol_of("|"))


@pytest.mark.parametrize(
    ("way", "message"),
    [
        ({"horizontal": -1}, "binarize: horizontal=-1 is not valid; pass None or an integer of at least 0"),
        ({"vertical": 0}, "binarize: vertical=0 is not valid; pass an integer of at least 1"),
        ({"vertical": 1.5}, "vertical=1.5 is not valid"),
        ({"factor": "middle"}, "factor='middle' is not valid; pass one of 'right', 'left'"),
        ({"unaries": True}, "unaries=True is not valid; pass one of 'keep', 'collapse'"),
        ({"annotate_tags": 1}, "annotate_tags=1 is not valid; pass True or False"),
    ],
)
def test_bad_parameters(way, message):
    with pytest.raises(ValueError, match=message):
        binarize(TREE, **way)


def test_brackets_that_are_no_tree_yet():
    for change in (binarize, unbinarize):
        with pytest.raises(TypeError, match=f"{change.__name__} takes a Tree; got a str. Brackets are read by parse_"):
            change(str(TREE))


def test_an_intermediate_root():
    with pytest.raises(ValueError, match="'NP\\|JJ' is an intermediate symbol, a part of a 'NP'"):
        unbinarize(parse_tree("(NP|JJ (JJ old) (NN man))"))


@pytest.mark.parametrize("unaries", ["keep", "collapse"])
def test_ten_thousand_levels_and_children(unaries):
    depth = 10_000
    deep = parse_tree("(A " * depth + "(X x) (Y y) (Z z)" + ")" * depth)
    wide = Tree("A", [Tree("B", ["b"])] * depth)
    for tree in (deep, wide):
        made = binarize(tree, vertical=3, unaries=unaries)
        assert unbinarize(made) == tree
        assert all(len(node.children) <= 2 for node in made.subtrees())


def test_a_treebank():
    try:
        trees = [tree for tree, _ in zip(stream_treebank(raw=True), range(500))]
    except DatasetNotFoundError as error:
        pytest.skip(str(error))
    for way in ({}, {"vertical": 3, "unaries": "collapse", "annotate_tags": True, "factor": "left"}):
        assert [unbinarize(binarize(tree, **way)) for tree in trees] == trees
