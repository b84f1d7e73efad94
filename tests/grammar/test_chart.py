"""Charts against brute force: all trees of small grammars are written out; their sums, maxima and counts compared.

Also tests featlearn.grammar.coarse, featlearn.grammar.compiled, featlearn.grammar.k_best and
featlearn.kernels.parsing.chart_trees.
"""

import itertools
import math
import pickle
from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featlearn.grammar.cfg import PCFG
from featlearn.grammar.chart import count_trees, expected_counts, inside, k_best, parse_batch, viterbi
from featlearn.grammar.coarse import Lexical, as_lexical, coarsen
from featlearn.grammar.compiled import RuleArrays, compile_grammar
from featlearn.grammar.rules import Rule, Word, tree_rules
from featlearn.grammar.toys import load_toy_grammar
from featlearn.grammar.tree import Tree
from tests.references import k_best_derivations

TELESCOPE = ["the", "man", "saw", "the", "woman", "with", "the", "telescope"]


def all_trees(grammar: PCFG, sentence: tuple) -> list:
    """Every tree of the grammar over a sentence whose unary chains repeat no symbol."""

    def spans(symbol, i, j, chain):
        for place in grammar.by_lhs.get(symbol, ()):
            rhs = grammar.rules[place].rhs
            if grammar.probabilities[place] == 0:
                continue
            if len(rhs) == 1 and isinstance(rhs[0], str):
                if rhs[0] not in chain:
                    yield from (Tree(symbol, [t]) for t in spans(rhs[0], i, j, (*chain, rhs[0])))
            else:
                for children in sequence(rhs, i, j):
                    yield Tree(symbol, children)

    def sequence(rhs, i, j):
        if len(rhs) == 1:
            if isinstance(rhs[0], Word):
                if j == i + 1 and sentence[i] == rhs[0].text:
                    yield (rhs[0].text,)
            else:
                yield from ((t,) for t in spans(rhs[0], i, j, (rhs[0],)))
            return
        for k in range(i + 1, j - len(rhs) + 2):
            for first in list(sequence(rhs[:1], i, k)):
                yield from ((*first, *rest) for rest in sequence(rhs[1:], k, j))

    return list(spans(grammar.start, 0, len(sentence), (grammar.start,)))


@st.composite
def grammars(draw, unary_cycles=False):
    """A random grammar over four symbols and three words, with right sides of up to three parts."""
    names = "SABC"
    rules = {}
    for place, lhs in enumerate(names):
        symbols = st.sampled_from(names)
        below = st.sampled_from(names) if unary_cycles else st.sampled_from(names[place + 1 :] or "?")
        long = st.lists(st.one_of(symbols, symbols, st.sampled_from("abc").map(Word)), min_size=2, max_size=3)
        found = draw(st.lists(st.one_of(long.map(tuple), long.map(tuple), below.map(lambda s: (s,))), max_size=4))
        words = draw(st.lists(st.sampled_from("abc"), min_size=1, max_size=2, unique=True))
        sides = {side for side in found if "?" not in side} | {(Word(word),) for word in words}
        sides.discard((lhs,))
        for side in sorted(sides, key=str):
            rules[Rule(lhs, side)] = draw(st.integers(1, 9))
    return PCFG(rules, start="S", normalize=True)


sentences = st.lists(st.sampled_from("abc"), min_size=1, max_size=6).map(tuple)


@settings(max_examples=60, deadline=None)
@given(grammars(), sentences)
def test_best_sum_count_and_order_are_those_of_all_trees(grammar, sentence):
    trees = all_trees(grammar, sentence)
    scores = sorted((grammar.log_probability(tree) for tree in trees), reverse=True)
    compiled = compile_grammar(grammar)
    lexical = compiled.lexical(sentence)
    best = viterbi(compiled, lexical, sentence)
    assert count_trees(compiled, lexical) == len(trees)
    if not trees:
        assert best == (-math.inf, None)
        assert inside(compiled, lexical) == -math.inf
        assert k_best(compiled, lexical, 3) == []
        return
    assert best.log_proba == pytest.approx(scores[0], abs=1e-9)
    assert best.tree in trees
    assert grammar.log_probability(best.tree) == pytest.approx(best.log_proba, abs=1e-9)
    assert inside(compiled, lexical) == pytest.approx(math.log(math.fsum(map(math.exp, scores))), abs=1e-9)
    assert inside(compiled, lexical) >= best.log_proba - 1e-12
    found = k_best(compiled, lexical, 40, sentence)
    assert [p.log_proba for p in found] == pytest.approx(scores[:40], abs=1e-9)
    assert len({p.tree for p in found}) == len(found)
    assert {p.tree for p in found} <= set(trees)
    assert all(grammar.log_probability(p.tree) == pytest.approx(p.log_proba, abs=1e-9) for p in found)


@settings(max_examples=40, deadline=None)
@given(grammars(), sentences)
def test_expected_counts_are_those_of_all_trees(grammar, sentence):
    trees = all_trees(grammar, sentence)
    compiled = compile_grammar(grammar)
    found = expected_counts(compiled, compiled.lexical(sentence))
    if not trees:
        assert found.log_proba == -math.inf
        assert not found.binary.any()
        assert not found.unary.any()
        return
    total = math.fsum(math.exp(grammar.log_probability(tree)) for tree in trees)
    expected: Counter = Counter()
    leaves: dict = defaultdict(float)
    for tree in trees:
        share = math.exp(grammar.log_probability(tree)) / total
        for rule in tree_rules(tree):
            expected[rule] += share
        for i, label in enumerate(tree.tags()):
            leaves[i, label] += share
    assert found.log_proba == pytest.approx(math.log(total), abs=1e-9)
    for (x, y), value in zip(compiled.unary, found.unary, strict=True):
        assert value == pytest.approx(expected[Rule(compiled.symbols[x], (compiled.symbols[y],))], abs=1e-9)
    for (a, b, c), value in zip(compiled.binary, found.binary, strict=True):
        if not compiled.kind[[a, b, c]].any():
            rule = Rule(compiled.symbols[a], (compiled.symbols[b], compiled.symbols[c]))
            assert value == pytest.approx(expected[rule], abs=1e-9)
    # the first parts of split right sides hold all of the rule
    split = defaultdict(float)
    for (a, _, c), value in zip(compiled.binary, found.binary, strict=True):
        if not compiled.kind[a] and compiled.kind[c]:
            split[compiled.symbols[a]] += value
    whole = defaultdict(float)
    for rule, value in expected.items():
        if len(rule.rhs) == 3 or (len(rule.rhs) == 2 and isinstance(rule.rhs[1], Word)):
            whole[rule.lhs] += value
    for symbol, value in whole.items():
        assert split[symbol] == pytest.approx(value, abs=1e-9)
    for i, ((symbols, _), posterior) in enumerate(zip(compiled.lexical(sentence), found.lexical, strict=True)):
        for symbol, value in zip(symbols, posterior, strict=True):
            alone = sum(
                share for (place, label), share in leaves.items() if place == i and label == compiled.symbols[symbol]
            )
            if not compiled.kind[symbol] and not any(
                len(r.rhs) > 1 and Word(sentence[i]) in r.rhs and r.lhs == compiled.symbols[symbol]
                for r in grammar.rules
            ):
                assert value == pytest.approx(alone, abs=1e-9)


def arrays_of(compiled, **changes):
    kept = ("symbols", "binary", "binary_log_proba", "unary", "unary_log_proba")
    return RuleArrays(**({name: getattr(compiled, name) for name in kept} | changes))


def test_expected_counts_are_the_gradient_of_log_z():
    compiled = compile_grammar(load_toy_grammar("picnic"))
    sentence = ["Anna", "saw", "the", "dog", "with", "a", "basket", "in", "the", "park", "and", "Ben"]
    lexical = np.full((len(sentence), len(compiled.symbols)), -np.inf)
    for i, (symbols, values) in enumerate(compiled.lexical(sentence)):
        lexical[i, symbols] = values
    found, step = expected_counts(compiled, lexical), 1e-5
    assert found.lexical.shape == lexical.shape
    assert found.lexical.sum(axis=1) == pytest.approx(np.ones(len(sentence)))
    for name, counts in (("binary_log_proba", found.binary), ("unary_log_proba", found.unary)):
        for rule in np.flatnonzero(counts > 1e-3):
            z = []
            for sign in (1, -1):
                values = getattr(compiled, name) - 1.0  # all below 0, so that a step stays a probability
                values[rule] += sign * step
                shifted = arrays_of(compiled, **{name: values})
                z.append(inside(compile_grammar(shifted, "S"), lexical))
            base = expected_counts(
                compile_grammar(arrays_of(compiled, **{name: getattr(compiled, name) - 1.0}), "S"), lexical
            )
            counted = base.binary if name.startswith("binary") else base.unary
            assert (z[0] - z[1]) / (2 * step) == pytest.approx(counted[rule], abs=1e-6)


def nested(tree):
    return tree if isinstance(tree, str) else (tree.label, *map(nested, tree.children))


short = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(tuple)


@settings(max_examples=80, deadline=None)
@given(grammars(unary_cycles=True), short, st.integers(1, 25))
def test_the_k_best_where_unary_rules_cycle_are_those_of_lists_that_settle(grammar, sentence, k):
    expected = k_best_derivations(grammar, sentence, k)
    compiled = compile_grammar(grammar)
    lexical = compiled.lexical(sentence)
    found = k_best(compiled, lexical, k, sentence)
    assert [p.log_proba for p in found] == pytest.approx([math.log(p) for p, _ in expected], abs=1e-9)
    assert all(a.log_proba >= b.log_proba for a, b in itertools.pairwise(found))
    assert len({p.tree for p in found}) == len(found)
    assert all(grammar.log_probability(p.tree) == pytest.approx(p.log_proba, abs=1e-9) for p in found)
    last = expected[-1][0] * (1 + 1e-9) if expected else 0.0  # of those as good as the last, some are left out
    assert {nested(p.tree) for p in found if math.exp(p.log_proba) > last} == {t for p, t in expected if p > last}
    best = viterbi(compiled, lexical, sentence)
    assert (best.tree is None) == (not found)
    if found:
        assert found[0].log_proba == pytest.approx(best.log_proba, abs=1e-12)
        total = math.log(math.fsum(math.exp(p.log_proba) for p in found))
        assert inside(compiled, lexical) >= total - 1e-9


def test_the_k_best_go_around_a_unary_cycle():
    grammar = PCFG.from_text("S -> A 0.5 | 'a' 0.5\nA -> S 0.9 | 'a' 0.1")
    compiled = compile_grammar(grammar)
    found = k_best(compiled, compiled.lexical(["a"]), 5, ["a"])
    assert [math.exp(p.log_proba) for p in found] == pytest.approx([0.5, 0.225, 0.10125, 0.05, 0.0455625])
    assert str(found[1].tree) == "(S (A (S a)))"
    for k in (1, 2, 3, 4):
        assert k_best(compiled, compiled.lexical(["a"]), k, ["a"]) == found[:k]
    many = k_best(compiled, compiled.lexical(["a"]), 1000, ["a"])  # chains deeper than Python's stack
    assert len(many) == 1000 == len({p.tree for p in many})
    rounds = [math.log(0.45) * r + math.log(end) for r in range(1000) for end in (0.5, 0.05)]
    assert [p.log_proba for p in many] == pytest.approx(sorted(rounds, reverse=True)[:1000])


@pytest.mark.parametrize(
    ("text", "sentence", "expected"),
    [
        ("S -> S 0.5 | 'a' 0.5", "a", [0.5, 0.25, 0.125, 0.0625]),  # a symbol over itself
        ("S -> A A 1\nA -> A 0.6 | 'a' 0.4", "aa", [0.16, 0.096, 0.096, 0.0576, 0.0576, 0.0576, 0.03456]),
        ("S -> B 0.2 | 'b' 0.8\nB -> C 1\nC -> S 0.7 | S S 0.3", "b", [0.8, 0.112, 0.01568]),  # three symbols
        ("S -> B 0.2 | 'b' 0.8\nB -> C 1\nC -> S 0.7 | S S 0.3", "bb", [0.0384, 0.005376] + [0.005376] * 2),
        ("S -> A 1\nA -> S 0.5 | B 0.5\nB -> A 0.5 | 'b' 0.5", "b", [0.25, 0.125, 0.0625, 0.0625]),  # two cycles
    ],
)
def test_the_k_best_of_cycles_written_out(text, sentence, expected):
    compiled = compile_grammar(PCFG.from_text(text))
    found = k_best(compiled, compiled.lexical(sentence), len(expected), sentence)
    assert [math.exp(p.log_proba) for p in found] == pytest.approx(expected)


def test_a_cycle_that_loses_no_probability_has_k_best_trees_of_one_probability():
    grammar = PCFG.from_text("S -> A 1\nA -> S 1 | B 1\nB -> A 1 | 'a' 0.5", normalize=None)
    compiled = compile_grammar(grammar)
    found = k_best(compiled, compiled.lexical(["a"]), 60, ["a"])
    assert len({p.tree for p in found}) == 60
    assert {p.log_proba for p in found} == {math.log(0.5)}
    assert str(found[0].tree) == "(S (A (B a)))" == str(viterbi(compiled, compiled.lexical("a"), "a").tree)
    with pytest.raises(ValueError, match=r"never lose probability.*S, A, B"):
        inside(compiled, compiled.lexical(["a"]))
    without = compile_grammar(PCFG.from_text("S -> A 1\nA -> S 1"))  # and no word
    assert k_best(without, [([], [])], 5) == []


@settings(max_examples=40, deadline=None)
@given(grammars(unary_cycles=True), short)
def test_sums_over_unary_cycles_are_the_least_solution_and_counts_its_gradient(grammar, sentence):
    compiled = compile_grammar(grammar)
    lexical = compiled.lexical(sentence)

    def slow(log_p):
        """Inside values of the trees of up to 400 unary rules in a row, in dictionaries."""
        rules = dict(zip(map(tuple, compiled.unary.tolist()), np.exp(log_p), strict=True))
        chart: dict = {}
        for length in range(1, len(sentence) + 1):
            for i in range(len(sentence) - length + 1):
                own: dict = defaultdict(float)
                if length == 1:
                    own.update(zip(map(int, lexical[i][0]), np.exp(lexical[i][1]), strict=True))
                for (a, b, c), p in zip(compiled.binary.tolist(), np.exp(compiled.binary_log_proba), strict=True):
                    for m in range(i + 1, i + length):
                        own[a] += p * chart[i, m].get(b, 0.0) * chart[m, i + length].get(c, 0.0)
                cell = dict(own)
                for _ in range(400):
                    cell = own | {
                        a: own.get(a, 0.0) + sum(p * cell.get(y, 0.0) for (x, y), p in rules.items() if x == a)
                        for a, _ in rules
                    }
                chart[i, i + length] = cell
        return chart[0, len(sentence)].get(compiled.start, 0.0)

    z = slow(compiled.unary_log_proba)
    found = expected_counts(compiled, lexical)
    assert found.log_proba == inside(compiled, lexical)
    assert math.exp(found.log_proba) == pytest.approx(z, rel=1e-6)
    if z == 0:
        return
    for rule in range(min(len(compiled.unary), 2)):
        changed = []
        for change in (1e-4, -1e-4):
            log_p = compiled.unary_log_proba.copy()
            log_p[rule] += change
            changed.append(math.log(slow(log_p)))
        assert found.unary[rule] == pytest.approx((changed[0] - changed[1]) / 2e-4, rel=1e-3, abs=1e-5)


def test_inside_adds_up_a_unary_cycle():
    # S => a through A any number of times: sum_i (1/2 1/4)^i times what ends it
    grammar = PCFG.from_text("S -> A 0.5 | 'a' 0.5\nA -> S 0.25 | 'a' 0.75")
    compiled = compile_grammar(grammar)
    lexical = compiled.lexical(["a"])
    assert math.exp(inside(compiled, lexical)) == pytest.approx((0.5 + 0.5 * 0.75) / (1 - 0.125), rel=1e-12)
    found = expected_counts(compiled, lexical)
    z = (0.5 + 0.5 * 0.75) / (1 - 0.125)
    # by dynamic programming on the chain: visits of S and A, given that it ends
    a = 0.5 * (0.75 + 0.25 * z) / z / (1 - 0.125)
    assert found.unary[compiled.unary[:, 0] == compiled.index["S"]] == pytest.approx([a], rel=1e-9)
    with pytest.raises(ValueError, match="Unary rules form cycles"):
        count_trees(compiled, lexical)


def test_a_unary_cycle_that_never_ends_is_named():
    grammar = compile_grammar(PCFG.from_text("S -> A 0.5 | 'a' 0.5\nA -> B 1\nB -> A 1"))
    assert viterbi(grammar, grammar.lexical(["a"])).log_proba == pytest.approx(math.log(0.5))
    with pytest.raises(ValueError, match=r"never lose probability.*A, B"):
        inside(grammar, grammar.lexical(["a"]))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("S -> A 1 | B A 1e-202\nA -> 'a' 1e-201 | 'b' 1.0\nB -> A A 0.2 | B 0.1 | 'a' 0.7", "baa"),
        ("S -> B A 0.3 | 'a' 0.7\nA -> A 'b' S 1.0 | B 1e-6\nB -> S 1e-201 | 'b' 1.0", "bba"),
    ],
)
def test_counts_that_no_float_holds_are_named(text, sentence):
    compiled = compile_grammar(PCFG.from_text(text, normalize=None))
    assert viterbi(compiled, compiled.lexical(sentence)).log_proba < -900
    with pytest.raises(ValueError, match="of 3 words leave the range of floats"):
        expected_counts(compiled, compiled.lexical(sentence))


def test_the_telescope_has_both_trees():
    grammar = load_toy_grammar()
    compiled = compile_grammar(grammar)
    first, second = k_best(compiled, compiled.lexical(TELESCOPE), 5, TELESCOPE)
    assert math.exp(first.log_proba) == pytest.approx(5.292e-5, rel=1e-9)
    assert math.exp(second.log_proba) == pytest.approx(1.512e-5, rel=1e-9)
    assert math.exp(inside(compiled, compiled.lexical(TELESCOPE))) == pytest.approx(6.804e-5, rel=1e-9)
    assert ("NP", 3, 8) in first.tree.spans()
    assert ("VP", 2, 5) in second.tree.spans()
    assert count_trees(compiled, compiled.lexical(TELESCOPE)) == 2
    assert viterbi(compiled, compiled.lexical(TELESCOPE), TELESCOPE) == first


@pytest.mark.parametrize("name", ["toy_pcfg1", "toy_pcfg2"])
def test_nltk_agrees_on_its_own_grammars(name):
    pytest.importorskip("nltk")
    from nltk.grammar import PCFG as NltkPCFG
    from nltk.parse.viterbi import ViterbiParser

    sources = {
        "toy_pcfg1": """
            S -> NP VP [1.0]
            NP -> Det N [0.5] | NP PP [0.25] | 'John' [0.1] | 'I' [0.15]
            Det -> 'the' [0.8] | 'my' [0.2]
            N -> 'man' [0.5] | 'telescope' [0.5]
            VP -> VP PP [0.1] | V NP [0.7] | V [0.2]
            V -> 'ate' [0.35] | 'saw' [0.65]
            PP -> P NP [1.0]
            P -> 'with' [0.61] | 'under' [0.39]""",
        "toy_pcfg2": """
            S -> NP VP [1.0]
            VP -> V NP [.59] | V [.40] | VP PP [.01]
            NP -> Det N [.41] | Name [.28] | NP PP [.31]
            PP -> P NP [1.0]
            V -> 'saw' [.21] | 'ate' [.51] | 'ran' [.28]
            N -> 'boy' [.11] | 'cookie' [.12] | 'table' [.13] | 'telescope' [.14] | 'hill' [.5]
            Name -> 'Jack' [.52] | 'Bob' [.48]
            P -> 'with' [.61] | 'under' [.39]
            Det -> 'the' [.41] | 'a' [.31] | 'my' [.28]""",
    }
    theirs = NltkPCFG.fromstring(sources[name])
    ours = compile_grammar(PCFG.from_text(sources[name]))
    lines = {
        "toy_pcfg1": ["I saw the man with my telescope", "John ate", "the man under my telescope saw John with I"],
        "toy_pcfg2": ["the boy saw Jack with Bob under the table with a telescope", "Bob ran", "Jack ate a cookie"],
    }
    compared = 0
    for line in lines[name]:
        words = line.split()
        (tree,) = ViterbiParser(theirs).parse(words)
        found = viterbi(ours, ours.lexical(words), words)
        assert found.log_proba == pytest.approx(math.log(tree.prob()), abs=1e-9)
        best, *others = k_best(ours, ours.lexical(words), 2)
        if others and others[0].log_proba > best.log_proba - 1e-9:
            continue  # a tie, which either may break as it likes
        compared += 1
        assert str(found.tree).split() == str(tree).rsplit(" (p=", 1)[0].split()
    assert compared >= 2


def random_arrays(seed, n_phrases=12, n_tags=6, n_parts=30):
    """A right-factored grammar: intermediate symbols are right children only."""
    rng = np.random.default_rng(seed)
    symbols = [
        "R",
        *(f"P{i}" for i in range(n_phrases)),
        *(f"t{i}" for i in range(n_tags)),
        *(f"P0|i{i}" for i in range(n_parts)),
    ]
    phrases, tags = np.arange(1, 1 + n_phrases), np.arange(1 + n_phrases, 1 + n_phrases + n_tags)
    parts = np.arange(1 + n_phrases + n_tags, len(symbols))
    lefts, rights = np.concatenate([phrases, tags]), np.concatenate([phrases, tags, parts])
    binary = {
        (int(rng.choice(np.r_[phrases, parts])), int(rng.choice(lefts)), int(rng.choice(rights))) for _ in range(300)
    }
    unary = {(0, int(p)) for p in phrases} | {
        (int(a), int(b)) for a, b in rng.choice(lefts, (15, 2)) if a != b and a in phrases
    }
    binary, unary = np.array(sorted(binary)), np.array(sorted(unary))
    p2, p1 = rng.random(len(binary)) + 0.05, rng.random(len(unary)) + 0.05
    total = np.bincount(binary[:, 0], p2, len(symbols)) + np.bincount(unary[:, 0], p1, len(symbols))
    arrays = RuleArrays(symbols, binary, np.log(p2 / total[binary[:, 0]]), unary, np.log(p1 / total[unary[:, 0]]))
    return compile_grammar(arrays, "R"), tags, rng


def random_lexical(tags, rng, n):
    return [(rng.permutation(tags)[:2], np.log(rng.random(2))) for _ in range(n)]


def slow_inside(compiled, lexical, best):
    """CKY with dictionaries, log space: the oracle for sentences too long to write all trees out."""
    join = max if best else np.logaddexp
    n = len(lexical)
    rules = list(zip(compiled.binary.tolist(), compiled.binary_log_proba, strict=True))
    unary = list(zip(compiled.unary.tolist(), compiled.unary_log_proba, strict=True))
    chart: dict = {}
    for length in range(1, n + 1):
        for i in range(n - length + 1):
            j = i + length
            own = dict(zip(map(int, lexical[i][0]), lexical[i][1], strict=True)) if length == 1 else {}
            for k in range(i + 1, j):
                left, right = chart[i, k], chart[k, j]
                for (a, b, c), w in rules:
                    if b in left and c in right:
                        own[a] = join(own.get(a, -np.inf), left[b] + right[c] + w)
            cell = dict(own)
            for _ in range(200):
                new = dict(own)
                for (x, y), w in unary:
                    if y in cell:
                        new[x] = join(new.get(x, -np.inf), cell[y] + w)
                if new.keys() == cell.keys() and all(abs(new[s] - cell[s]) < 1e-13 for s in new):
                    break
                cell = new
            chart[i, j] = cell
    return chart[0, n].get(compiled.start, -np.inf)


@pytest.mark.parametrize("seed", range(4))
def test_longer_sentences_and_the_predictive_filter(seed):
    compiled, tags, rng = random_arrays(seed)
    assert compiled.best_rules.predicted.any()
    for n in (1, 7, 9, 14):
        lexical = random_lexical(tags, rng, n)
        assert viterbi(compiled, lexical).log_proba == pytest.approx(slow_inside(compiled, lexical, True), abs=1e-9)
        assert inside(compiled, lexical) == pytest.approx(slow_inside(compiled, lexical, False), abs=1e-9)


def test_pruning_that_drops_nothing_changes_nothing_and_pruning_stays_below():
    compiled, tags, rng = random_arrays(1)
    coarse = coarsen(compiled)
    assert len(coarse.grammar.symbols) < len(compiled.symbols)
    for n in (5, 12, 70):
        lexical = random_lexical(tags, rng, n)
        exact = viterbi(compiled, lexical)
        assert viterbi(compiled, lexical, beam=1e6) == exact
        assert viterbi(compiled, lexical, coarse=coarse, threshold=0.0) == exact
        for options in ({"beam": 0.5}, {"beam": 4.0}, {"coarse": coarse, "threshold": 0.02}):
            pruned = viterbi(compiled, lexical, **options)
            assert pruned.tree is not None
            assert pruned.log_proba <= exact.log_proba + 1e-9


@pytest.mark.parametrize("text", ["S -> A S 1e-6 | B S 0.999998 | 'b' 1e-6", "S -> S A 1e-6 | S B 0.999998 | 'a' 1e-6"])
def test_parts_of_a_sentence_may_be_as_unequal_as_they_like(text):
    """Half of the words are a million times rarer: the inside values of either half alone are beyond floats."""
    compiled = compile_grammar(PCFG.from_text(text + "\nA -> C 1\nC -> 'a' 1\nB -> 'b' 1"))
    sentence, n = ["a"] * 150 + ["b"] * 150, 150
    found = expected_counts(compiled, compiled.lexical(sentence))
    rare, often = (n + 1, n - 1) if "S -> A S" in text else (n, n)
    assert found.log_proba == pytest.approx(rare * math.log(1e-6) + often * math.log(0.999998), rel=1e-12)
    assert sorted(found.binary) == pytest.approx(sorted([rare - 1, often]))


@pytest.mark.parametrize("n", [63, 64, 65, 100, 130])
def test_long_sentences(n):
    compiled, tags, rng = random_arrays(2)
    lexical = random_lexical(tags, rng, n)
    best = viterbi(compiled, lexical)
    assert len(best.tree.words()) == n
    z = inside(compiled, lexical)
    assert z >= best.log_proba
    found = expected_counts(compiled, lexical)
    assert found.log_proba == z
    assert found.binary.sum() == pytest.approx(n - 1, rel=1e-9)  # every tree has n - 1 binary rules
    assert [p.sum() for p in found.lexical] == pytest.approx(np.ones(n))
    first, second = k_best(compiled, lexical, 2)
    assert first.log_proba == pytest.approx(best.log_proba, abs=1e-9)
    assert second.log_proba <= first.log_proba
    # words that say nothing: the value does not depend on scores that all words share
    shifted = [(s, p - 40.0) for s, p in lexical]
    assert inside(compiled, shifted) == pytest.approx(z - 40.0 * n, rel=1e-12)


def test_batches_give_one_result_for_any_number_of_threads():
    compiled, tags, rng = random_arrays(3)
    lexicals = [random_lexical(tags, rng, int(n)) for n in rng.integers(1, 40, 30)] + [[]]
    one = parse_batch(compiled, lexicals, n_jobs=1)
    assert parse_batch(compiled, lexicals, n_jobs=2) == one
    assert [viterbi(compiled, lexical) for lexical in lexicals] == one
    again = pickle.loads(pickle.dumps(compiled))
    assert parse_batch(again, lexicals) == one
    assert one[-1] == (-math.inf, None)


def test_ties_go_to_the_lowest_split_then_the_first_rule():
    # log-probabilities of -1 add up without rounding, so all trees of a sentence are equally good
    for rules, labels in (([[0, 0, 0], [0, 1, 0]], "SS"), ([[0, 1, 0], [0, 0, 0]], "AS")):
        compiled = compile_grammar(RuleArrays(["S", "A"], rules, [-1.0, -1.0], np.zeros((0, 2)), []), "S")
        lexical = [([0, 1], [-1.0, -1.0])] * 6
        tree, order = viterbi(compiled, lexical).tree, []
        while len(tree.words()) > 1:
            left, right = tree.children
            order.append((len(left.words()), left.label + right.label))
            tree = right
        assert order == [(1, labels)] * 5
        assert len({p.log_proba for p in k_best(compiled, lexical, 10)}) == 1


def test_no_words_unknown_words_and_no_parse_are_defined():
    compiled = compile_grammar(load_toy_grammar())
    for sentence in ([], ["spoon"], ["the", "spoon", "sleeps"], ["the", "the"]):
        lexical = compiled.lexical(sentence)
        assert viterbi(compiled, lexical, sentence) == (-math.inf, None)
        assert inside(compiled, lexical) == -math.inf
        assert k_best(compiled, lexical, 2) == []
        assert count_trees(compiled, lexical) == 0
        found = expected_counts(compiled, lexical)
        assert found.log_proba == -math.inf
        assert not found.binary.any()
        assert len(found.lexical) == len(sentence)


def test_bad_input_is_named():
    arrays = RuleArrays(["S", "A"], [[0, 1, 1]], [0.0], np.zeros((0, 2)), [])
    compiled = compile_grammar(arrays, "S")
    with pytest.raises(ValueError, match="no start symbol 'X'"):
        compile_grammar(arrays, "X")
    with pytest.raises(ValueError, match="no start symbol None"):
        compile_grammar(arrays)
    with pytest.raises(ValueError, match="holds a symbol twice"):
        compile_grammar(arrays._replace(symbols=["S", "S"]), "S")
    with pytest.raises(ValueError, match="up to 7, and there are 2"):
        compile_grammar(arrays._replace(binary=[[0, 1, 7]]), "S")
    with pytest.raises(ValueError, match=r"must be at most 0; the greatest is 0.5"):
        compile_grammar(arrays._replace(binary_log_proba=[0.5]), "S")
    with pytest.raises(ValueError, match=r"1 binary rules have log-probabilities of shape \(2,\)"):
        compile_grammar(arrays._replace(binary_log_proba=[-1.0, -1.0]), "S")
    with pytest.raises(ValueError, match="binary rule comes twice"):
        compile_grammar(arrays._replace(binary=[[0, 1, 1]] * 2, binary_log_proba=[-1.0, -1.0]), "S")
    with pytest.raises(ValueError, match=r"shape \(n_words, n_symbols=2\); got \(3, 5\)"):
        viterbi(compiled, np.zeros((3, 5)))
    with pytest.raises(ValueError, match="number symbols 1 to 9; the grammar has 2"):
        viterbi(compiled, [([1], [0.0]), ([9], [0.0])])
    with pytest.raises(ValueError, match="NaN or inf"):
        viterbi(compiled, [([1], [np.nan])])
    with pytest.raises(ValueError, match="the same symbol twice"):
        viterbi(compiled, [([1, 1], [-1.0, -1.0])])
    with pytest.raises(ValueError, match="Word 0 has symbols of shape"):
        viterbi(compiled, [([1, 0], [-1.0])])
    word = [([1], [-1.0])]
    with pytest.raises(ValueError, match="sentence of 2 words has lexical scores of 1"):
        viterbi(compiled, word, ["a", "b"])
    with pytest.raises(ValueError, match="1 lexical scores and 2 sentences"):
        parse_batch(compiled, [word], [["a"], ["b"]])
    for options, what in (
        ({"beam": 0}, "beam=0"),
        ({"beam": math.nan}, "beam=nan"),
        ({"threshold": 1.0}, "threshold=1.0"),
    ):
        with pytest.raises(ValueError, match=what):
            viterbi(compiled, word, **options)
    with pytest.raises(ValueError, match="made of one with"):
        viterbi(compiled, word, coarse=coarsen(compile_grammar(load_toy_grammar())))
    with pytest.raises(ValueError, match="k=0 is not valid"):
        k_best(compiled, word, 0)


def test_lexical_scores_mean_the_same_in_every_form():
    compiled, tags, rng = random_arrays(0)
    pairs = random_lexical(tags, rng, 8)
    table = np.full((8, len(compiled.symbols)), -np.inf)
    for i, (symbols, values) in enumerate(pairs):
        table[i, symbols] = values
    flat = as_lexical(compiled, pairs)
    assert isinstance(flat, Lexical)
    assert as_lexical(compiled, flat) is flat
    assert viterbi(compiled, pairs) == viterbi(compiled, table) == viterbi(compiled, flat)
    counts = expected_counts(compiled, pairs), expected_counts(compiled, table)
    assert counts[0].binary == pytest.approx(counts[1].binary)
    for i, (symbols, _) in enumerate(pairs):
        assert counts[0].lexical[i] == pytest.approx(counts[1].lexical[i, symbols])


def test_every_pair_of_symbols_has_its_best_chain():
    compiled, _, _ = random_arrays(0)
    best, _ = compiled.chains
    weights = {
        tuple(rule): value for rule, value in zip(compiled.unary.tolist(), compiled.unary_log_proba, strict=True)
    }
    for x, y in itertools.product(range(len(compiled.in_unary)), repeat=2):
        if x == y or best[x, y] == -np.inf:
            continue
        rules = compiled.chain(int(compiled.in_unary[x]), int(compiled.in_unary[y]))
        path = [tuple(compiled.unary[rule].tolist()) for rule in rules]
        assert (path[0][0], path[-1][1]) == (compiled.in_unary[x], compiled.in_unary[y])
        assert all(a[1] == b[0] for a, b in itertools.pairwise(path))
        assert sum(weights[step] for step in path) == pytest.approx(best[x, y])


# --- numbers of symbols that lead nowhere --------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [-1, 99, 2**31, 2**32 + 1])
@pytest.mark.parametrize("name", ["binary", "unary"])
def test_rules_of_symbols_that_are_none_are_refused(name, wrong):
    compiled = compile_grammar(load_toy_grammar())
    rules = getattr(compiled, name).astype(np.int64)
    rules[0, -1] = wrong
    with pytest.raises(ValueError, match=rf"The {name} rules number symbols from .*, and there are \d+: pass integers"):
        replace(compiled, **{name: rules})
    arrays = RuleArrays(
        compiled.symbols, compiled.binary, compiled.binary_log_proba, compiled.unary, compiled.unary_log_proba
    )
    with pytest.raises(ValueError, match=rf"The {name} rules number symbols from"):
        compile_grammar(arrays._replace(**{name: rules}), "S")
    with pytest.raises(ValueError, match=rf"The {name} rules are of float64; pass integers"):
        compile_grammar(arrays._replace(**{name: rules + 0.5}), "S")
    with pytest.raises(ValueError, match="read-only"):  # what was checked stays
        getattr(compiled, name)[0, 0] = 99


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start": 99}, "start is 99"),
        ({"start": -1}, "start is -1"),
        ({"kind": np.zeros(2, np.int8)}, r"kind has shape \(2,\)"),
        ({"binary_log_proba": np.zeros(1)}, r"binary_log_proba \(1,\)"),
        ({"binary": np.zeros((4, 2), int)}, r"binary has shape \(4, 2\)"),
    ],
)
def test_compiled_grammars_made_by_hand_are_checked(changes, message):
    compiled = compile_grammar(load_toy_grammar())
    with pytest.raises(ValueError, match=message):
        replace(compiled, **changes)
    state = compiled.__getstate__() | changes
    with pytest.raises(ValueError, match=message):  # a damaged pickle
        compiled.__class__.__new__(compiled.__class__).__setstate__(state)


@pytest.mark.parametrize("wrong", [-1, 99, 2**31, 2**32 + 1, 0.5])
def test_lexical_scores_of_symbols_that_are_none_are_refused(wrong):
    compiled = compile_grammar(load_toy_grammar())
    for take in (viterbi, inside, expected_counts, count_trees, lambda g, s: k_best(g, s, 2)):
        with pytest.raises(ValueError, match=r"Lexical scores (number symbols|have symbols of float64)"):
            take(compiled, [([0], [0.0]), ([wrong], [0.0])])
    good = as_lexical(compiled, [([0], [0.0]), ([1, 2], [0.0, 0.0])])
    for changes, message in (
        ({"symbol": np.array([0, 1, 99], np.int32)}, "number symbols 0 to 99"),
        ({"symbol": np.array([0, 1], np.int32)}, "start ends at 3, with 2 symbols"),
        ({"start": np.array([0, 2, 1, 3])}, "never fall"),
        ({"start": np.array([0, 1, 30])}, "start ends at 30"),
        ({"start": np.array([0.0, 1.0, 3.0])}, "starts of int64"),
        ({"symbol": np.array([[0, 1, 2]], np.int32)}, "symbols of int32"),
    ):
        with pytest.raises(ValueError, match=message):
            viterbi(compiled, good._replace(**changes))


def test_coarse_groups_that_are_none_are_refused():
    compiled = compile_grammar(load_toy_grammar())
    coarse = coarsen(compiled)
    for group in (coarse.group + 99, coarse.group - 1, coarse.group.astype(float), coarse.group[:-1]):
        with pytest.raises(ValueError, match=r"CoarseGrammar\.group must number"):
            replace(coarse, group=group)


def test_k_best_refuses_words_that_are_too_few():
    compiled = compile_grammar(load_toy_grammar())
    words = ["the", "man", "saw", "the", "woman"]
    with pytest.raises(ValueError, match="A sentence of 2 words has lexical scores of 5"):
        k_best(compiled, compiled.lexical(words), 2, words[:2])


def test_memory_is_kept_for_the_next_sentence_and_let_go_where_one_failed_or_is_long():
    grammar = compile_grammar(load_toy_grammar())
    with grammar.workspace(5) as first, grammar.workspace(6) as second:
        assert second is not first
    with grammar.workspace(31) as again:
        assert again is first
        with grammar.workspace(33) as larger:
            assert larger.ends.shape[0] > 33
    with pytest.raises(KeyError), grammar.workspace(5):
        raise KeyError
    with grammar.workspace(5) as left:
        assert left is second
    with grammar.workspace(65) as long:
        pass
    with grammar.workspace(65) as other:
        assert other is not long
