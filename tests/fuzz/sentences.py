"""The gate of sentences: odd strings and lists through parsers; small grammars, cycles and all, against brute force."""

import itertools
import math
from functools import partial
from typing import Any

import numpy as np

from featlearn.grammar.cfg import PCFG
from featlearn.grammar.chart import expected_counts, inside, k_best, viterbi
from featlearn.grammar.compiled import compile_grammar
from featlearn.grammar.parser import PCFGParser
from featlearn.grammar.rules import Rule, Word
from featlearn.grammar.toys import load_toy_grammar
from featlearn.grammar.words import sentence_text, sentence_words
from tests.fuzz import Case, pick
from tests.references import k_best_derivations

BRACKETS = [
    "(S (NP (DT the) (NN dog)) (VP (VBD saw) (NP (DT a) (NN cat))) (. .))",
    "(S (`` ``) (NP (NNP Anna)) (VP (VBD slept)) (. .) ('' ''))",
    "(S (NP (DT the) (NN man)) (VP (VBD saw) (NP (NNP Ben)) (PRN (-LRB- -LRB-) (NP (DT a) (NN dog)) (-RRB- -RRB-))))",
    "(S (NP (PRP he)) (VP (MD ca) (RB n't) (VP (VB sleep) (PP (IN in) (NP (DT the) (NNP U.S.))))) (. .))",
]
CYCLE = PCFG.from_text(
    "S -> S S 0.3 | A 0.3 | 'the' 0.2 | 'dog' 0.2\nA -> S 0.5 | '(' A ')' 0.2 | \"don't\" 0.2 | '.' 0.1"
)
PARSERS = [
    PCFGParser(n_jobs=1).fit(BRACKETS * 3),
    PCFGParser(annotations="all", unaries="collapse", unknown="single", beam=8.0, n_jobs=1).fit(BRACKETS * 3),
    PCFGParser(vertical=1, horizontal=0, tokenizer="blanks", n_jobs=1).fit(BRACKETS),
    PCFGParser(grammar=load_toy_grammar("picnic"), n_jobs=1).fit(),
    PCFGParser(grammar=CYCLE, n_jobs=1).fit(),
]
PIECES = ["the", "dog", "saw", "a", "cat", "Anna", "slept.", "he", "can't", "sleep", "U.S.", "U.S.,", "(a", "dog)"]
PIECES += ['"Anna"', "“the”", "‘dog’", "...", "!", "-LRB-", "``", "''", "n't", "Ben", "in", "and"]
PIECES += [
    "don't",
    "zorp",
    "Ben,",
    "'s",
    "the" * 50,
    "\u200b",
    "\ud800",
    "é",
    "狗",
    "1,000.5",
    "a@b.c",
    "--",
    "'",
    '"',
    ".",
]
BLANKS = [*[" "] * 9, "\t", "\n", "\u00a0", "", "  "]
SMALLEST = -600.0  # log p that the brute force holds in floats
NONSENSE = [
    None,
    3,
    2.5,
    b"the dog",
    object(),
    {"a": 1},
    {"the"},
    ["the", 3],
    ["the", ""],
    [["the"]],
    [None],
    ("the", "dog"),
]


def sentence(rng: np.random.Generator) -> Any:
    """A sentence, or something taken for one."""
    if rng.uniform() < 0.06:
        return pick(rng, NONSENSE)
    pieces = [pick(rng, PIECES) for _ in range(int(pick(rng, [0, 1, 1, 2, 3, 4, 6, 12])))]
    kind = rng.uniform()
    if kind < 0.6:
        return "".join(piece + pick(rng, BLANKS) for piece in pieces)
    if kind < 0.7:
        return "".join(chr(int(rng.integers(1, 0x2500))) for _ in range(int(rng.integers(12))))
    return pick(rng, [list, tuple, np.array])(pieces) if pieces else []


def use(parser: PCFGParser, sentences: list, k: int) -> str | None:
    """Parse; what is wrong with the trees, or None."""
    trees, values = parser.predict(sentences), parser.predict_log_proba(sentences)
    for given, tree, value in zip(sentences, trees, values, strict=True):
        words = tree.words() if tree else []
        if not isinstance(given, str) and words != list(given):
            return f"a tree over {words}"
        if isinstance(given, str) and parser.tokenizer == "blanks" and words != given.split():
            return f"a tree over {words}"
        best = parser.parse(given, k=k)
        total = parser.inside_log_proba(given)
        if (len(best) == 0) != (tree is None) or len({t for t, _ in best}) != len(best):
            return f"{len(best)} best trees"
        if best and parser.beam is None and not math.isclose(best[0][1], value, abs_tol=1e-9):
            return f"the best of {k} has {best[0][1]}, the best {value}"
        if any(p < q for (_, p), (_, q) in itertools.pairwise(best)):
            return "the k best are not in order"
        if not value <= total + 1e-9 or not total <= 1e-9:
            return f"log p {value} of the tree, {total} of the sentence"
        if isinstance(given, str) and words and parser.tokenizer == "treebank":
            again = sentence_words(" ".join(words), parser.model_.words)
            if again != words and not set(" ".join(words)) & set("“”‘’'\"`."):
                return f"{words} are cut again into {again}"
        if words:
            sentence_text(words)
    return None


def grammar(rng: np.random.Generator) -> PCFG:
    """A small grammar with cycles, of probabilities that may be extreme."""
    names, rules = "SAB", {}
    for lhs in names:
        sides: set[tuple] = {(Word(pick(rng, "ab")),)} if rng.uniform() < 0.8 else set()
        for _ in range(int(rng.integers(1, 4))):
            length = int(pick(rng, [1, 1, 1, 2, 2, 3]))
            sides.add(tuple(pick(rng, [*names, *names, Word("a"), Word("b")]) for _ in range(length)))
        for side in sorted(sides, key=str):
            rules[Rule(lhs, side)] = float(pick(rng, [1, 1, 2, 3, 9, 100, 1e-6, 1e-200, 0]))
    total = {lhs: sum(p for rule, p in rules.items() if rule.lhs == lhs) for lhs in names}
    if not total["S"] * total["A"] * total["B"]:
        rules = dict.fromkeys(rules, 1.0)
    return PCFG(rules, "S", normalize=True)


def compare(rules: PCFG, words: list[str], k: int) -> str | None:
    """The k best and the sum over all trees, against lists that settle."""
    compiled = compile_grammar(rules)
    lexical = compiled.lexical(words)
    found = k_best(compiled, lexical, k, words)
    try:
        assert compiled.sum_rules
        total, counts = inside(compiled, lexical), expected_counts(compiled, lexical)
    except ValueError:  # a cycle that loses no probability: no sum, and lists that never settle
        return None if len({parse.tree for parse in found}) == len(found) else "a tree comes twice"
    expected = k_best_derivations(rules, words, k)
    ours = [parse.log_proba for parse in found if parse.log_proba > SMALLEST]
    theirs = [math.log(p) for p, _ in expected if math.log(p) > SMALLEST]
    if len(ours) != len(theirs) or not np.allclose(ours, theirs, rtol=0, atol=1e-8):
        return f"log p {ours}, not {theirs}"
    if len({parse.tree for parse in found}) != len(found):
        return "a tree comes twice"
    best = viterbi(compiled, lexical, words)
    if found and not math.isclose(best.log_proba, found[0].log_proba, abs_tol=1e-9):
        return f"Viterbi has {best.log_proba}, the first of k {found[0].log_proba}"
    if (
        found
        and total < math.log(math.fsum(math.exp(p.log_proba - best.log_proba) for p in found)) + best.log_proba - 1e-8
    ):
        return f"the sum over all trees is {total}"
    arrays = counts.binary, counts.unary, *counts.lexical
    if not all(np.isfinite(a).all() and (a >= -1e-9).all() for a in arrays):
        return "expected counts are not finite, or below 0"
    return None


def sentences_case(rng: np.random.Generator) -> Case:
    """Sentences through a parser, or a grammar against brute force."""
    k = int(pick(rng, [1, 2, 3, 7, 20]))
    if rng.uniform() < 0.5:
        parser, sentences = pick(rng, PARSERS), [sentence(rng) for _ in range(int(rng.integers(4)))]
        return f"k={k}, parser {PARSERS.index(parser)} on {sentences!r}", partial(use, parser, sentences, k)
    rules, words = grammar(rng), [pick(rng, "ab") for _ in range(int(rng.integers(1, 4)))]
    return f"k={k}, {words}, {rules.to_text()!r}", partial(compare, rules, words, k)
