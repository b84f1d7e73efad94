"""Bracket scores: six sentences worked by hand, and a slow reference that compares sets of words on random trees."""

from dataclasses import FrozenInstanceError, astuple
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featlearn.grammar.brackets import parse_tree, read_trees
from featlearn.grammar.evalb import BracketScores, score_tree, score_trees
from featlearn.grammar.transforms import PUNCTUATION
from featlearn.grammar.tree import Tree

HERE = Path(__file__).parent
GOLD = list(read_trees(HERE / "evalb_gold.mrg"))
TEST = list(read_trees(HERE / "evalb_test.mrg"))
TEST.insert(4, None)  # the parser failed on "birds fly"

# Worked by hand; words are counted from 0 and without punctuation, G = gold, T = test.
#                                    gold test both exact crossing uncrossed words tags
BY_HAND = [
    # G: S 0-7, NP 0-1, VP 1-7, NP 2-4, PP 4-7, NP 5-7. T: the same and NP 2-7, which crosses none.
    BracketScores(1, 0, 6, 7, 6, 0, 0, 1, 7, 7),
    # G: S 0-4, NP 0-2, VP 2-4, ADVP 3-4. T: S 0-4, NP 0-3 (crosses VP 2-4), VP 3-4. Tags of "runs", "fast" are wrong.
    BracketScores(1, 0, 4, 3, 1, 0, 1, 0, 4, 2),
    # Quotes, the comma, the trace and the two NP above it go. S 0-3, VP 0-3, NP 1-2, PRT = ADVP 2-3. RP is not RB.
    BracketScores(1, 0, 4, 4, 4, 1, 0, 1, 3, 2),
    # G: NP 0-1 twice. T: NP 0-1 once. A multiset: one is missing.
    BracketScores(1, 0, 2, 1, 1, 0, 0, 1, 1, 1),
    # Failed. G: S 0-2, NP 0-1, VP 1-2.
    BracketScores(1, 1, 3, 0, 0, 0, 0, 0, 2, 0),
    # The dash is punctuation to the gold tree, so it goes from both: S 0-2, NP 0-1, VP 1-2.
    BracketScores(1, 0, 3, 3, 3, 1, 0, 1, 2, 2),
]


@pytest.mark.parametrize("i", range(6))
def test_each_sentence(i):
    assert score_tree(GOLD[i], TEST[i]) == BY_HAND[i]


def test_the_file():
    scores = score_trees(GOLD, TEST)
    assert scores == BracketScores(6, 1, 22, 18, 15, 2, 1, 4, 19, 14)
    assert scores.precision == 15 / 18
    assert scores.recall == 15 / 22
    assert scores.f1 == pytest.approx(2 * (15 / 18) * (15 / 22) / (15 / 18 + 15 / 22))
    assert scores.f1 == 0.75
    assert scores.exact_match == 2 / 6
    assert scores.crossing == 1 / 5
    assert scores.no_crossing == 4 / 5
    assert scores.tagging_accuracy == 14 / 19
    assert scores.coverage == 5 / 6
    assert str(scores).startswith("F1 75.00 %, precision 83.33 %, recall 68.18 %")


def test_scores_add():
    total = BracketScores()
    for gold, test in zip(GOLD, TEST):
        total += score_tree(gold, test)
    assert (
        total
        == score_trees(iter(GOLD), iter(TEST))
        == score_trees(GOLD[:2], TEST[:2]) + score_trees(GOLD[2:], TEST[2:])
    )
    with pytest.raises(TypeError):
        total + 1
    with pytest.raises(FrozenInstanceError):
        total.n_gold = 0


def test_the_length_counts_punctuation_and_no_traces():
    lengths = [8, 4, 6, 1, 3, 3]
    for longest in range(1, 9):
        kept = [i for i, length in enumerate(lengths) if length <= longest]
        expected = score_trees([GOLD[i] for i in kept], [TEST[i] for i in kept])
        assert score_trees(GOLD, TEST, max_words=longest) == expected


def test_nothing_to_find():
    tag = parse_tree("(TOP (UH yes))")
    assert score_tree(tag, tag) == BracketScores(1, 0, 0, 0, 0, 1, 0, 1, 1, 1)
    assert score_tree(tag, tag).f1 == score_tree(tag, tag).precision == score_tree(tag, tag).recall == 1
    found = score_tree(tag, parse_tree("(NP (UH yes))"))
    assert (found.f1, found.precision, found.recall) == (0, 0, 0)
    missed = score_tree(parse_tree("(NP (UH yes))"), None)
    assert (missed.f1, missed.precision, missed.recall) == (0, 0, 0)
    full_stop = parse_tree("(NP (. .))")
    assert score_tree(full_stop, full_stop) == BracketScores(n_sentences=1, n_exact=1, n_uncrossed=1)
    trace = parse_tree("(S (NP (-NONE- *)))")
    assert score_tree(trace, trace) == BracketScores(n_sentences=1, n_exact=1, n_uncrossed=1)


LABELS = st.sampled_from(["S", "NP", "NP-SBJ", "VP", "ADVP", "PRT", "TOP", "S=2"])
TAGS = st.sampled_from(["NN", "NN-1", "VB", ",", "''", "-LRB-", "-NONE-"])


def nested(items):
    """A random tree over the items: each step joins neighbors, or puts a label above one of them."""

    @st.composite
    def build(draw):
        row = list(items)
        for _ in range(draw(st.integers(0, 8))):
            low = draw(st.integers(0, len(row) - 1))
            high = draw(st.integers(low + 1, len(row)))
            row[low:high] = [Tree(draw(LABELS), row[low:high])]
        return Tree(draw(LABELS), row)

    return build()


@st.composite
def pairs(draw):
    """Two trees over the same words, with traces of their own."""
    trees = []
    n = draw(st.integers(1, 6))
    for _ in range(2):
        items = []
        for i in range(n):
            if draw(st.booleans()):
                items.append(Tree("-NONE-", ["*"]))
            items.append(Tree(draw(TAGS.filter(lambda tag: tag != "-NONE-")), [f"w{i}"]))
        trees.append(draw(nested(items)))
    return trees


def slow_reference(gold, test):
    """The rules as they are told: constituents are [label, set of words], matched one by one and struck out."""

    def read(tree, words, tags, found, inside):
        if isinstance(tree.children[0], str):
            if tree.label != "-NONE-":
                for members in inside:
                    members.add(tree.children[0])
                words.append(tree.children[0])
                tags.append(tree.label.split("-")[0] if tree.label[0] != "-" else tree.label)
            return
        label = tree.label.split("-")[0].split("=")[0]
        members = set()
        if label != "TOP":
            found.append(["ADVP" if label == "PRT" else label, members])
        for child in tree.children:
            read(child, words, tags, found, [*inside, members])

    sides = []
    for tree in (gold, test):
        words, tags, found = [], [], []
        read(tree, words, tags, found, [])
        sides.append((words, tags, found))
    (words, tags, g), (_, test_tags, t) = sides
    punctuation = {word for word, tag in zip(words, tags) if tag in PUNCTUATION}
    g = [[label, members - punctuation] for label, members in g if members - punctuation]
    t = [[label, members - punctuation] for label, members in t if members - punctuation]
    crossing = sum(any(one & two and not one <= two and not two <= one for _, two in g) for _, one in t)
    left, matched = list(g), 0
    for one in t:
        if one in left:
            left.remove(one)
            matched += 1
    right_tags = sum(a == b for word, a, b in zip(words, tags, test_tags) if word not in punctuation)
    return (1, 0, len(g), len(t), matched, int(matched == len(g) == len(t)), crossing, int(crossing == 0),
            len(words) - len(punctuation), right_tags)  # fmt: skip


@given(pairs())
@settings(max_examples=300)
def test_agrees_with_the_slow_reference(pair):
    assert astuple(score_tree(*pair)) == slow_reference(*pair)


@given(pairs())
def test_a_tree_agrees_with_itself(pair):
    scores = score_tree(pair[0], pair[0])
    assert scores.f1 == scores.exact_match == scores.tagging_accuracy or scores.n_words == 0
    assert scores.n_crossing == 0
    assert (scores.n_matched, scores.n_exact) == (scores.n_gold, 1)


@pytest.mark.parametrize(
    ("gold", "test", "error", "message"),
    [
        (GOLD, [*TEST[:2], TEST[3], *TEST[3:]], ValueError,
         "Sentence 2: the gold tree has 6 words, and the test tree has 1; score trees of one sentence"),
        ([GOLD[0]], [parse_tree(str(GOLD[0]).replace("man", "men"))], ValueError,
         "Sentence 0: word 3 is 'man' in the gold tree, and 'men' in the test tree"),
        (GOLD, TEST[:5], ValueError, "There are 5 test trees, and more of the others"),
        (GOLD[:1], TEST[:2], ValueError, "There are 1 gold trees, and more of the others"),
        ([GOLD[0], None], [TEST[0], None], TypeError, "Sentence 1: Pass a gold Tree and a test Tree or None; got None"),
        ([GOLD[0]], ["(S (A a))"], TypeError, "Sentence 0: .* got Tree, str"),
    ],
)  # fmt: skip
def test_bad_trees(gold, test, error, message):
    with pytest.raises(error, match=message):
        score_trees(gold, test)


def test_ten_thousand_levels():
    deep = parse_tree("(A " * 10_000 + "(X x)" + ")" * 10_000)
    assert score_tree(deep, deep).n_matched == 10_000
