"""Inside-outside: equal to enumeration on small grammars, monotone, and honest about what it cannot parse."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featlearn.grammar.cfg import PCFG
from featlearn.grammar.compiled import compile_grammar
from featlearn.grammar.inside_outside import e_step, m_step, pcfg_of
from featlearn.grammar.rules import Rule, Word, tree_rules
from featlearn.grammar.toys import load_toy_grammar
from featlearn.grammar.tree import Tree

SMALL = """
S -> A S 0.3 | S B 0.2 | A B 0.3 | A 0.2
A -> 'a' 0.6 | B 'c' A 0.1 | 'b' 0.3
B -> 'b' 0.7 | 'a' 0.3
"""
SENTENCES = ["a b", "a a b", "a", "b c a b", "a b b a b", "b"]


def splits(n, parts):
    """Ways to cut n words into so many parts that hold one word at least."""
    for cuts in itertools.combinations(range(1, n), parts - 1):
        yield list(itertools.pairwise((0, *cuts, n)))


def all_trees(grammar, symbol, words, above=()):
    """Every tree of the words under the symbol, without a chain that comes back to a symbol."""
    for rule in grammar.rules:
        if rule.lhs != symbol:
            continue
        if len(rule.rhs) == 1:
            (only,) = rule.rhs
            if isinstance(only, Word):
                if [only.text] == list(words):
                    yield Tree(symbol, [only.text])
            elif only not in (*above, symbol):
                yield from (Tree(symbol, [t]) for t in all_trees(grammar, only, words, (*above, symbol)))
            continue
        for parts in splits(len(words), len(rule.rhs)):
            options = [
                ([part.text] if [part.text] == list(words[i:j]) else [])
                if isinstance(part, Word)
                else list(all_trees(grammar, part, words[i:j]))
                for part, (i, j) in zip(rule.rhs, parts, strict=True)
            ]
            yield from (Tree(symbol, children) for children in itertools.product(*options))


def enumerated_step(grammar, sentences):
    """log-likelihood and the rules of one EM step, from all trees."""
    counts, total = dict.fromkeys(grammar.rules, 0.0), 0.0
    p = dict(zip(grammar.rules, grammar.probabilities, strict=True))
    for sentence in sentences:
        trees = list(all_trees(grammar, grammar.start, sentence.split()))
        weights = [math.prod(p[rule] for rule in tree_rules(tree)) for tree in trees]
        z = sum(weights)
        if z == 0:
            continue
        total += math.log(z)
        for tree, weight in zip(trees, weights, strict=True):
            for rule in tree_rules(tree):
                counts[rule] += weight / z
    sums = {}
    for rule, n in counts.items():
        sums[rule.lhs] = sums.get(rule.lhs, 0.0) + n
    return total, {r: n / sums[r.lhs] if sums[r.lhs] else p[r] for r, n in counts.items()}


def step(grammar, sentences):
    compiled = compile_grammar(grammar)
    counts = e_step([sentence.split() for sentence in sentences], compiled)
    return counts, m_step(compiled, counts)


def check_against_enumeration(grammar, sentences):
    log_likelihood, expected = enumerated_step(grammar, sentences)
    counts, learned = step(grammar, sentences)
    assert counts.log_likelihood == pytest.approx(log_likelihood, rel=1e-9, abs=1e-9)
    made = pcfg_of(learned)
    found = dict(zip(made.rules, made.probabilities, strict=True))
    for rule, value in expected.items():
        assert found.get(rule, 0.0) == pytest.approx(value, rel=1e-7, abs=1e-9)
    assert set(found) <= set(expected)


def test_a_step_equals_enumeration():
    check_against_enumeration(PCFG.from_text(SMALL), SENTENCES)
    check_against_enumeration(load_toy_grammar(), ["the man saw the woman with the telescope", "the man sleeps"])


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.floats(0.05, 1), min_size=10, max_size=10), st.lists(st.sampled_from(SENTENCES), min_size=1, max_size=4)
)
def test_a_step_equals_enumeration_whatever_the_probabilities(weights, sentences):
    rules = PCFG.from_text(SMALL).rules
    grammar = PCFG(dict(zip(rules, itertools.cycle(weights))), "S", normalize=True)
    check_against_enumeration(grammar, sentences)


def test_the_likelihood_never_falls():
    rng = np.random.default_rng(0)
    rules = PCFG.from_text(SMALL).rules
    grammar = compile_grammar(PCFG({rule: rng.random() for rule in rules}, "S", normalize=True))
    sentences = [sentence.split() for sentence in SENTENCES]
    curve = []
    for _ in range(12):
        counts = e_step(sentences, grammar)
        curve.append(counts.log_likelihood)
        grammar = m_step(grammar, counts)
    assert (np.diff(curve) >= -1e-10).all()
    assert curve[-1] > curve[0] + 0.1
    assert pcfg_of(grammar).is_proper()


def test_counts_add():
    grammar = compile_grammar(PCFG.from_text(SMALL))
    sentences = [sentence.split() for sentence in SENTENCES]
    whole, two = e_step(sentences, grammar), e_step(sentences[:2], grammar) + e_step(sentences[2:], grammar)
    assert two.log_likelihood == pytest.approx(whole.log_likelihood)
    np.testing.assert_allclose(two.binary, whole.binary)
    np.testing.assert_allclose(two.unary, whole.unary)
    assert two.n_sentences == whole.n_sentences
    assert set(two.words) == set(whole.words)
    for word, values in whole.words.items():
        np.testing.assert_allclose(two.words[word], values)


def test_sentences_without_a_tree_are_left_out():
    grammar = compile_grammar(PCFG.from_text(SMALL))
    counts = e_step([["a", "b"], ["c"], ["zorp"], []], grammar)
    assert (counts.n_sentences, counts.n_left_out) == (1, 3)
    assert counts.log_likelihood == e_step([["a", "b"]], grammar).log_likelihood


def test_a_symbol_that_no_tree_uses_keeps_its_probabilities():
    _, learned = step(PCFG.from_text("S -> 'a' 0.5 | B 0.5\nB -> 'b' 0.3 | 'c' 0.7"), ["a"])
    assert dict(zip(pcfg_of(learned).rules, pcfg_of(learned).probabilities, strict=True)) == pytest.approx(
        {Rule("S", (Word("a"),)): 1.0, Rule("B", (Word("b"),)): 0.3, Rule("B", (Word("c"),)): 0.7}
    )


def test_rules_come_back_whole():
    for grammar in (PCFG.from_text(SMALL), load_toy_grammar("picnic")):
        again = pcfg_of(compile_grammar(grammar))
        assert set(again.rules) == set(grammar.rules)
        assert again.start == grammar.start
        assert {r: pytest.approx(p) for r, p in zip(grammar.rules, grammar.probabilities, strict=True)} == dict(
            zip(again.rules, again.probabilities, strict=True)
        )
