"""Named transforms of trees: known answers, what they undo, and that the tree given stays as it was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featlearn.grammar.brackets import parse_tree, parse_trees
from featlearn.grammar.transforms import (
    add_root,
    collapse_unaries,
    expand_unaries,
    map_labels,
    map_words,
    plain_words,
    remove_punctuation,
    remove_tags,
    remove_traces,
    replace_words,
    strip_function,
    strip_functions,
    strip_root,
    transform,
    treebank_words,
)
from featlearn.grammar.tree import Tree

DEPTH = 10_000
DEEP = parse_tree("(A-B " * DEPTH + "(X x) (, ,) (-NONE- *)" + ")" * DEPTH)
LABELS = st.sampled_from(["S", "NP", "-NONE-", ",", "NP-SBJ", "A+B", "\\x2b", "+", "\\", "|", "-LRB-", "="])
TREES = st.recursive(
    st.builds(lambda label, word: Tree(label, [word]), LABELS, st.sampled_from("abc")),
    lambda below: st.builds(Tree, LABELS, st.lists(below, min_size=1, max_size=3)),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("step", "before", "after"),
    [
        (remove_traces, "(S (NP-SBJ (NP (-NONE- *))) (VP (VB go)))", "(S (VP (VB go)))"),
        (remove_traces, "(S (NP (-NONE- (X x))))", "(S (NP (-NONE- (X x))))"),  # a phrase, and no trace
        (remove_punctuation, "(S (`` ``) (X (, ,) (: --)) (A a) (-LRB- -LRB-) ($ $) (. ?) ('' ''))",
         "(S (A a) (-LRB- -LRB-) ($ $))"),
        (lambda tree: remove_tags(tree, ["A", "B"]), "(S (X (A a) (B b)) (C c))", "(S (C c))"),
        (strip_functions, "(S (NP-SBJ-1 (PRP$ my)) (NP=2 (NN a)) (-NONE- *-1) (ADVP|PRT (RP up)))",
         "(S (NP (PRP$ my)) (NP (NN a)) (-NONE- *-1) (ADVP|PRT (RP up)))"),
        (lambda tree: map_labels(tree, str.lower), "(S (NN a))", "(s (nn a))"),
        (lambda tree: map_words(tree, str.upper), "(S (NN a) (NN b))", "(S (NN A) (NN B))"),
        (lambda tree: replace_words(tree, ["x", "y", "z"]), "(S (A a) (B (C b) (D c)))", "(S (A x) (B (C y) (D z)))"),
        (add_root, "(S (A a))", "(TOP (S (A a)))"),
        (add_root, "(TOP (S (A a)))", "(TOP (S (A a)))"),
        (strip_root, "(ROOT (S (A a)))", "(S (A a))"),
        (strip_root, "(TOP (A a) (B b))", "(TOP (A a) (B b))"),
        (strip_root, "(TOP a)", "(TOP a)"),
        (strip_root, "(S (TOP (A a)))", "(S (TOP (A a)))"),
        (collapse_unaries, "(TOP (S (NP (PRP I)) (VP (VB go))))", "(TOP+S (NP (PRP I)) (VP (VB go)))"),
        (lambda tree: collapse_unaries(tree, tags=True), "(TOP (S (NP (PRP I)) (VP (VB go))))",
         "(TOP+S (NP+PRP I) (VP+VB go))"),
        (collapse_unaries, "(A+B (C (D d) (E e)))", "(A\\x5cx2bB+C (D d) (E e))"),
    ],
)  # fmt: skip
def test_known_answers(step, before, after):
    tree = parse_tree(before)
    assert step(tree) == parse_tree(after)
    assert str(tree) == str(parse_tree(before))


def test_nothing_is_left():
    assert remove_traces(parse_tree("(S (NP (-NONE- *)) (VP (-NONE- *)))")) is None
    assert remove_punctuation(parse_tree("(. !)")) is None


@pytest.mark.parametrize(
    ("label", "stripped"),
    [("NP-SBJ", "NP"), ("NP-SBJ-1=2", "NP"), ("NP=2-1", "NP"), ("PRP$", "PRP$"), ("WP$", "WP$"), ("-NONE-", "-NONE-"),
     ("-LRB-", "-LRB-"), ("-RRB-", "-RRB-"), ("-", "-"), ("=", "="), (",", ","), ("''", "''"), ("S", "S")],
)  # fmt: skip
def test_strip_function(label, stripped):
    assert strip_function(label) == stripped


def without(tree, gone):
    """By recursion: lists [label, children] without preterminals so labeled and what they leave empty."""
    if isinstance(tree, str):
        return tree
    if gone(tree):
        return None
    left = [one for one in (without(child, gone) for child in tree.children) if one is not None]
    return Tree(tree.label, left) if left else None


@given(TREES)
def test_removals_agree_with_recursion(tree):
    before = str(tree)
    assert remove_traces(tree) == without(tree, lambda one: one.label == "-NONE-" and isinstance(one.children[0], str))
    assert remove_punctuation(tree) == without(tree, lambda one: one.label == "," and isinstance(one.children[0], str))
    assert strip_functions(tree).productions() == [
        (strip_function(lhs), rhs if one.is_preterminal else tuple(map(strip_function, rhs)))
        for one, (lhs, rhs) in zip(tree.subtrees(), tree.productions())
    ]
    assert str(tree) == before


@given(TREES, st.booleans())
def test_unaries_come_back(tree, tags):
    collapsed = collapse_unaries(tree, tags=tags)
    assert expand_unaries(collapsed) == tree
    for one in collapsed.subtrees():
        alone = len(one.children) == 1 and isinstance(one.children[0], Tree)
        assert not alone or (one.children[0].is_preterminal and not tags)


def test_words_as_treebanks_write_them():
    tree = parse_tree("(NP (-LRB- -LRB-) (CD 1\\/2) (SYM \\*\\*) (-RCB- -RCB-) (NN a))")
    assert plain_words(tree).words() == ["(", "1/2", "**", "}", "a"]
    assert plain_words(tree).tags() == tree.tags()
    assert treebank_words(plain_words(tree)) == tree


def test_what_does_not_change_is_shared():
    tree = parse_tree("(S (NP (NN a)) (VP (VB b)))")
    assert remove_traces(tree) is tree
    assert strip_functions(tree) is tree
    other = remove_tags(parse_tree("(S (NP (NN a)) (X x))"), ["X"])
    assert other == parse_tree("(S (NP (NN a)))")


def test_chains():
    trees = parse_trees("(NP (-NONE- *)) (S (NP-SBJ (-NONE- *)) (VP-X (VB go)))")
    assert list(transform(trees, remove_traces, strip_functions, add_root)) == parse_trees("(TOP (S (VP (VB go))))")
    assert list(transform(trees)) == trees
    endless = transform(iter(lambda: trees[1], None), remove_traces)
    assert next(endless) == parse_tree("(S (VP-X (VB go)))")


def test_bad_functions():
    with pytest.raises(ValueError, match="A label must be a str that is not empty; the function gave ''"):
        map_labels(parse_tree("(S (A a))"), lambda label: "")
    with pytest.raises(ValueError, match="A word must be a str that is not empty; the function gave None"):
        map_words(parse_tree("(S (A a))"), lambda word: None)
    with pytest.raises(TypeError, match=r"Pass a Tree; got '\(S \(A a\)\)' of type str"):
        strip_functions("(S (A a))")
    with pytest.raises(ValueError, match="The tree has 1 words, and 2 were given"):
        replace_words(parse_tree("(S (A a))"), ["a", "b"])


def test_ten_thousand_levels():
    assert remove_traces(DEEP).words() == ["x", ","]
    assert remove_punctuation(remove_traces(DEEP)).words() == ["x"]
    assert strip_functions(DEEP).height() == DEPTH + 1
    assert map_words(DEEP, str.upper).words() == ["X", ",", "*"]
    assert expand_unaries(collapse_unaries(DEEP)) == DEEP
    assert len(collapse_unaries(DEEP).label) == 4 * DEPTH - 1
