"""Grammars: their text, checks, mass, counts and draws.

Also tests featlearn.grammar.rules and featlearn.grammar.toys.
"""

import math
import pickle
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featlearn.grammar.brackets import parse_tree
from featlearn.grammar.cfg import CFG, PCFG
from featlearn.grammar.rules import Rule, RuleCounts, Word, tree_rules
from featlearn.grammar.toys import load_toy_grammar
from featlearn.grammar.tree import Tree

TREES = [
    "(S (NP (DT the) (NN dog)) (VP (V barks)))",
    "(S (NP (DT the) (NN cat)) (VP (V sees) (NP (DT the) (NN dog))))",
    "(S (NP (NN dogs)) (VP (V bark)))",
]

names = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=6)


@pytest.mark.filterwarnings("ignore:The grammar has no rules for")
@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(
            names, st.lists(st.one_of(names, names.map(Word)), min_size=1, max_size=3).map(tuple), st.integers(1, 99)
        ),
        min_size=1,
        max_size=8,
        unique_by=lambda rule: rule[:2],
    )
)
def test_text_round_trips_for_every_symbol_and_word(rules):
    grammar = PCFG([(lhs, rhs, p) for lhs, rhs, p in rules], normalize=True)
    assert PCFG.from_text(grammar.to_text()) == grammar
    plain = CFG(grammar.rules)
    assert CFG.from_text(plain.to_text()) == plain
    assert pickle.loads(pickle.dumps(grammar)) == grammar
    assert hash(PCFG.from_text(grammar.to_text())) == hash(grammar)


@pytest.mark.parametrize(
    "symbol", ["|", "X|A", "S^P", "->", "1.0", "#", "''", "``", "[x]", "a b", "-LRB-", "\\x20", "nan"]
)
def test_symbols_that_mean_something_in_the_format(symbol):
    grammar = PCFG({(symbol, (symbol, Word(symbol))): 0.5, (symbol, (Word("->"),)): 0.5})
    assert PCFG.from_text(grammar.to_text()) == grammar


def test_the_format_as_people_write_it():
    text = """
        # a comment
        S -> NP VP 1.0
        VP -> V NP [0.7] | V .3   # brackets, and no leading zero
        NP -> "it's" 5e-1|'#' 0.5
        V -> 'a\\'b' 1
    """
    grammar = PCFG.from_text(text)
    assert grammar.start == "S"
    assert grammar.log_probabilities[Rule("NP", (Word("it's"),))] == pytest.approx(math.log(0.5))
    assert set(grammar.words) == {"it's", "#", "a'b"}
    assert grammar.symbols == ("S", "NP", "VP", "V")
    assert len(grammar) == 6
    assert repr(grammar) == "PCFG(6 rules, 4 symbols, start='S')"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("S -> A 1.0\nB C 1.0", "Line 2 .*'B C 1.0'.*'->'"),
        ("S -> A", "Line 1 .*has no probability"),
        ("S -> A -0.5", "Line 1 .*-0.5 is no probability"),
        ("S -> A nan", "Line 1 .*nan is no probability"),
        ("S -> A inf", "Line 1 .*inf is no probability"),
        ("\n\nS -> 'a 1.0", "Line 3 .*column 6 is not closed"),
        ("S -> 0.5 | A 0.5", "Line 1 .*right side of 'S' is empty"),
        ("S -> A 0.5 |", "Line 1 .*has no probability"),
        ("S -> '' 1.0", "Line 1 .*a word is empty"),
        ("S -> A 0.5 | A 0.5", "Line 1 .*comes twice"),
        ("S -> A -> B 1.0", "Line 1 .*two arrows"),
        ("'a' -> A 1.0", "Line 1 .*a rule is a symbol"),
        ("# nothing", "has no rules"),
        ("S -> 'a' 0.5 | 'b' 0.4", "2 rules of 'S' add up to 0.9, not 1.*normalize=True"),
        ("S -> 'a' 1.5", "probability 1.5; probabilities lie between"),
    ],
)
def test_mistakes_are_named_with_their_line(text, message):
    with pytest.raises(ValueError, match=message):
        PCFG.from_text(text)


def test_improper_probabilities_have_defined_answers():
    text = "S -> 'a' 3 | 'b' 1"
    assert PCFG.from_text(text, normalize=True).probabilities == pytest.approx([0.75, 0.25])
    kept = PCFG.from_text("S -> 'a' 0.5 | 'b' 0.25", normalize=None)
    assert not kept.is_proper()
    assert kept.mass()["S"] == pytest.approx(0.75)
    with pytest.raises(ValueError, match="add up to 0, not 1"):
        PCFG({("S", ("A",)): 0.0}, normalize=True)


def test_bad_rules_and_start_symbols_are_named():
    with pytest.raises(ValueError, match=r"start symbol 'X' has no rule.*: S"):
        PCFG.from_text("S -> 'a' 1", start="X")
    with pytest.raises(ValueError, match="right side of 'S' is empty"):
        CFG([("S", ())])
    with pytest.raises(ValueError, match="must be a symbol"):
        CFG([("", ("A",))])
    with pytest.raises(ValueError, match="holds 3"):
        CFG([("S", (3,))])
    with pytest.raises(ValueError, match="S -> A comes twice"):
        CFG([("S", ("A",)), ("S", ("A",))])
    for p in (math.nan, -0.1, math.inf):
        with pytest.raises(ValueError, match="probabilities lie between 0 and 1"):
            PCFG({("S", ("A",)): p})
    with pytest.raises(TypeError, match="read from a str; got a int"):
        PCFG.from_text(3)
    with pytest.raises(ValueError, match="read-only"):
        load_toy_grammar().probabilities[0] = 0.5


def test_mass_of_the_toy_grammar_is_15_over_56():
    grammar = load_toy_grammar()
    mass = grammar.mass()
    assert mass["S"] == pytest.approx(15 / 56, abs=1e-12)
    assert mass["NP"] == pytest.approx(3 / 7, abs=1e-12)
    assert mass["VP"] == pytest.approx(5 / 8, abs=1e-12)
    assert grammar.is_proper()
    assert not grammar.is_consistent()
    assert load_toy_grammar("picnic").is_consistent()


@pytest.mark.parametrize("p", [0.0, 0.2, 0.5, 0.6, 0.9, 1.0])
def test_mass_has_its_closed_form(p):
    # S -> S S p | a: the least root of m = p m^2 + 1 - p
    grammar = PCFG({("S", ("S", "S")): p, ("S", (Word("a"),)): 1 - p})
    assert grammar.mass()["S"] == pytest.approx(min(1.0, (1 - p) / p) if p else 1.0, abs=1e-6)


def test_mass_without_end_and_useless_symbols():
    grammar = PCFG.from_text("S -> A 0.5 | 'a' 0.5\nA -> A 1\nB -> 'b' 1\nC -> B D 1")
    assert grammar.mass() == {"S": 0.5, "A": 0.0, "B": 1.0, "C": 0.0, "D": 0.0}
    assert grammar.reachable() == {"S", "A"}
    assert grammar.productive() == {"S", "B"}
    assert not grammar.is_proper()  # D has no rules
    growing = PCFG.from_text("S -> S S 0.9 | 'a' 0.9", normalize=None)
    assert growing.mass()["S"] == math.inf


def test_counts_and_the_grammar_of_trees():
    trees = [parse_tree(text) for text in TREES]
    grammar = PCFG.from_trees(trees)
    by_hand = Counter(rule for tree in trees for rule in tree_rules(tree))
    for rule, p in grammar.log_probabilities.items():
        total = sum(count for other, count in by_hand.items() if other.lhs == rule.lhs)
        assert math.exp(p) == pytest.approx(by_hand[rule] / total)
    assert grammar.is_proper()
    assert grammar.start == "S"
    parts = RuleCounts.of(trees[:1]) + RuleCounts.of(trees[1:])
    assert parts == RuleCounts.of(trees)
    assert PCFG.from_trees(lambda: ([tree] for tree in trees)) == grammar
    assert PCFG.from_trees(trees, n_jobs=2) == grammar
    # a treebank's grammar of greatest likelihood is consistent
    assert grammar.is_consistent()
    for tree in trees:
        expected = math.fsum(grammar.log_probabilities[rule] for rule in tree_rules(tree))
        assert grammar.log_probability(tree) == pytest.approx(expected)
    assert grammar.log_probability(parse_tree("(S (NP (NN dogs)) (VP (V sees)) (X y))")) == -math.inf
    assert grammar.log_probability(parse_tree("(NP (NN dogs))")) == -math.inf


def test_smoothing_adds_to_rules_seen():
    trees = [parse_tree(text) for text in TREES]
    grammar = PCFG.from_trees(trees, smoothing=1.0)
    # NN: dog twice, cat once, dogs once; one more each
    assert math.exp(grammar.log_probabilities[Rule("NN", (Word("dog"),))]) == pytest.approx(3 / 7)
    assert grammar.is_proper()
    for smoothing in (-1, math.nan, math.inf):
        with pytest.raises(ValueError, match=r"smoothing=.* is not valid"):
            PCFG.from_trees(trees, smoothing=smoothing)


def test_trees_that_cannot_be_learned_from():
    with pytest.raises(ValueError, match=r"2 different roots: 'S' \(1\), 'NP' \(1\)"):
        PCFG.from_trees([parse_tree(TREES[0]), parse_tree("(NP (NN dog))")])
    assert PCFG.from_trees([parse_tree(TREES[0]), parse_tree("(NP (NN dog))")], start="S").start == "S"
    with pytest.raises(ValueError, match=r"no data|no tree"):
        PCFG.from_trees([])
    with pytest.raises(TypeError, match="counted in trees; got 'S'"):
        PCFG.from_trees(["S"])
    with pytest.raises(TypeError, match=r"list of trees; got a Tree.*a stream gives lists"):
        PCFG.from_trees(parse_tree(text) for text in TREES)


def test_draws_follow_the_probabilities():
    grammar = load_toy_grammar("picnic")
    rng = np.random.RandomState(0)
    trees = [grammar.sample(rng) for _ in range(1500)]
    counts = RuleCounts.of(trees)
    learned = PCFG.from_counts(counts)
    for rule, value in learned.log_probabilities.items():
        n = sum(count for other, count in counts.rules.items() if other.lhs == rule.lhs)
        p = math.exp(grammar.log_probabilities[rule])
        assert abs(math.exp(value) - p) < 5 * math.sqrt(p * (1 - p) / n) + 1e-12
    assert grammar.sample(3) == grammar.sample(3)
    assert all(grammar.log_probability(tree) > -math.inf for tree in trees[:50])


def test_draws_that_do_not_end_are_named():
    grammar = load_toy_grammar()
    assert all(len(grammar.sample(seed, max_words=9).words()) <= 9 for seed in range(30))
    with pytest.raises(ValueError, match=r"None of 5 trees drawn had at most max_words=40.*probability 0 in all"):
        PCFG.from_text("S -> S S 1").sample(0, max_words=40, max_tries=5)
    with pytest.raises(ValueError, match="None of 5 trees"):
        PCFG.from_text("S -> S 1").sample(0, max_words=4, max_tries=5)
    with pytest.raises(ValueError, match="symbol 'A' has no rule"):
        PCFG({("S", ("A",)): 1}).sample(0)
    with pytest.raises(ValueError, match="have probability 0, so no tree"):
        PCFG({("S", (Word("a"),)): 0.0}, normalize=None).sample(0)


def test_deep_trees_need_no_stack():
    tree = Tree("S", ["a"])
    for _ in range(10_000):
        tree = Tree("S", [tree, "a"])
    grammar = PCFG.from_trees([tree])
    assert grammar.log_probability(tree) < 0


def test_unknown_toy_grammar():
    with pytest.raises(ValueError, match="no toy grammar 'x'; there are 'telescope', 'picnic'"):
        load_toy_grammar("x")
