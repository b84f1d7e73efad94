"""Exact parsing of held-out sentences of at most 40 words with treebank grammars, and NLTK's ViterbiParser beside it.

Grammars are read off the first 90 % of the Penn Treebank sample: as it is (v=1, h=inf), and markovized (v=1, h=2 and
v=2, h=2). ``chart`` is the search alone, trees over grammar symbols from lexical scores; ``predict`` is all that a user
waits for: words looked up, parsed, and labels turned back. NLTK parses one sentence of 20 words with the same grammar
and scores, and finds a tree of the same probability.
"""

import inspect
import math
import time
from statistics import median

import numpy as np

from benchmarks.harness import show
from featlearn.datasets import load_treebank
from featlearn.grammar.chart import parse_batch, viterbi
from featlearn.grammar.coarse import as_lexical, coarsen
from featlearn.grammar.parser import PCFGParser
from featlearn.threads import n_threads

GRAMMARS = {"v=1 h=inf": (1, None), "v=1 h=2": (1, 2), "v=2 h=2": (2, 2)}


def seconds(f, rounds: int) -> float:
    """Median seconds of a call, after one to warm up."""
    f()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        f()
        times.append(time.perf_counter() - start)
    return median(times)


def nltk_seconds(grammar, lexical, words: list[str], log_proba: float) -> float:
    """Seconds of NLTK's ViterbiParser on one sentence, checked to find a tree as probable."""
    from nltk.grammar import PCFG, Nonterminal, ProbabilisticProduction
    from nltk.parse.viterbi import ViterbiParser

    names = [Nonterminal(symbol) for symbol in grammar.symbols]
    rules = [
        (a, (names[b], names[c]), p) for (a, b, c), p in zip(grammar.binary, grammar.binary_log_proba, strict=True)
    ]
    rules += [(a, (names[b],), p) for (a, b), p in zip(grammar.unary, grammar.unary_log_proba, strict=True)]
    seen = set()
    for word, (symbols, values) in zip(words, lexical, strict=True):
        rules += [(a, (word,), p) for a, p in zip(symbols, values, strict=True) if (a, word) not in seen]
        seen |= {(a, word) for a in symbols}
    mass = np.bincount([a for a, _, _ in rules], np.exp([p for _, _, p in rules]), len(names))
    # NLTK wants probabilities that add up to 1: what other words take goes to one that is not in the sentence.
    rules += [(a, ("<other words>",), math.log(1 - mass[a])) for a in range(len(names)) if mass[a] < 1 - 1e-9]
    productions = [ProbabilisticProduction(names[a], rhs, prob=math.exp(p)) for a, rhs, p in rules]
    # Newer versions give up after 5 seconds unless told not to.
    unlimited = {"max_time": None} if "max_time" in inspect.signature(ViterbiParser).parameters else {}
    parser = ViterbiParser(PCFG(names[grammar.start], productions), **unlimited)
    start = time.perf_counter()
    (tree,) = parser.parse(words)
    taken = time.perf_counter() - start
    if not math.isclose(math.log(tree.prob()), log_proba, rel_tol=1e-9):
        raise AssertionError(f"NLTK found a tree of log-probability {math.log(tree.prob())}, ours has {log_proba}.")
    return taken


def run(quick: bool = False) -> dict:
    """Time the three grammars, exact and coarse to fine, and NLTK with the first."""
    trees = load_treebank()
    cut = int(0.9 * len(trees))
    train, held_out = trees[:cut], [tree.words() for tree in trees[cut:]]
    sentences = [words for words in held_out if len(words) <= 40][: 40 if quick else None]
    result: dict = {"sentences": len(sentences), "words": float(np.mean([len(words) for words in sentences]))}
    rows, rounds = [], 1 if quick else 5
    for name, (vertical, horizontal) in GRAMMARS.items():
        parser = PCFGParser(vertical=vertical, horizontal=horizontal).fit(train)
        grammar = parser.grammar_
        lexicals = [as_lexical(grammar, parser.model_.lexical(words)) for words in sentences]
        times = {
            "chart": seconds(lambda g=grammar, x=lexicals: parse_batch(g, x, sentences), rounds),
            "chart, one thread": seconds(lambda g=grammar, x=lexicals: parse_batch(g, x, sentences, n_jobs=1), rounds),
            "predict": seconds(lambda p=parser: p.predict(sentences), rounds),
        }
        coarse, beam = coarsen(grammar), 12.0
        times["coarse to fine"] = seconds(
            lambda g=grammar, x=lexicals, c=coarse: parse_batch(g, x, sentences, coarse=c), rounds
        )
        times[f"beam {beam:g}"] = seconds(lambda g=grammar, x=lexicals: parse_batch(g, x, sentences, beam=12.0), rounds)
        speeds = {what: len(sentences) / taken for what, taken in times.items()}
        result[name] = {"binary": len(grammar.binary), "unary": len(grammar.unary), "sentences_per_second": speeds}
        rows.append([name, len(grammar.binary), *speeds.values()])
        if horizontal is None:
            words = next(words for words in held_out if len(words) == (10 if quick else 20))
            lexical = parser.model_.lexical(words)
            best = viterbi(grammar, lexical, words)
            flat = as_lexical(grammar, lexical)
            ours = seconds(lambda g=grammar, x=flat, w=words: viterbi(g, x, w), 20)
            theirs = nltk_seconds(grammar, lexical, words, best.log_proba)
            result["nltk"] = {"words": len(words), "seconds": theirs, "ours": ours, "over_ours": theirs / ours}
    title = f"sentences a second, {len(sentences)} held-out sentences of at most 40 words, {n_threads()} threads"
    show(title, ["", "binary rules", *speeds], rows)
    found = result["nltk"]
    line = ["NLTK ViterbiParser", found["words"], found["seconds"], found["ours"], f"{found['over_ours']:,.0f}"]
    show("one sentence, v=1 h=inf", ["", "words", "seconds", "ours, seconds", "over ours"], [line])
    return result
