"""The gate of grammars: texts as people write them, right and nearly right, and what is done with a grammar."""

import math
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from featlearn.grammar.cfg import CFG, PCFG
from featlearn.grammar.parser import PCFGParser
from featlearn.grammar.rules import Rule, Word
from tests.fuzz import Case, pick

SYMBOLS = ["S", "NP", "VP/NP", "S'", "N''", "NP-SBJ", "<NP>", "X^Y", "PRP$", "主", "s", "A1", ","]
WORDS = ["the", "it's", 'a "b"', "#", "|", "->", "0.5", "1/2", "[x]", "中国", "\\", "x y", "(", "-", "ε"]
BARE = ["the", "dog", "isn't", "中国", "7", "-", ".", "sees"]
ARROWS = ["->", " -> ", "\t-->  ", " => ", " ::= ", "::=", " → ", "⟶", " ⇒ ", " :=", "\xa0->\u3000"]
ENDS = ["\n", "\n", "\r\n", "\r", " \n", "\n\n", "  # it's a comment\n", "\n# 'x' -> y\n"]
NOISE = [
    "|",
    "->",
    "'",
    '"',
    "[",
    "]",
    "#",
    "\\",
    "\n",
    "%start",
    "%",
    "0.5",
    "1/0",
    "1e999",
    "nan",
    "-1",
    "ε",
    " ",
    "(",
    ")",
    "=",
]
NOISE += [
    "S",
    "[0.5]",
    "\0",
    "\ufeff",
    "‘",
    "→",
    "X|<Y>",
    "''",
    ",5",
    "50%",
    "%start S\n",
    "\u3000",
    "S -> ",
    " | ",
    "\\x41",
    "1e-400",
]

Weights = dict[tuple[str, tuple], int]


def weights(rng: np.random.Generator, quoted: bool) -> Weights:
    """Rules and what they weigh."""
    symbols = [SYMBOLS[i] for i in rng.choice(len(SYMBOLS), size=int(rng.integers(1, 5)), replace=False)]
    made: Weights = {}
    for lhs in symbols:
        for _ in range(int(rng.integers(1, 4))):
            words = WORDS if quoted else BARE
            rhs = [
                pick(rng, symbols) if rng.uniform() < 0.5 else Word(pick(rng, words))
                for _ in range(int(rng.integers(1, 4)))
            ]
            made[lhs, tuple(rhs)] = int(rng.integers(1, 9))
        made.setdefault((lhs, (Word("w"),)), 1)
    return made


def written(rng: np.random.Generator, rules: Weights, quoted: bool) -> str:
    """A text that says these rules."""
    groups: dict[str, list[str]] = {}
    totals: dict[str, int] = {}
    for (lhs, _), weight in rules.items():
        totals[lhs] = totals.get(lhs, 0) + weight
    for (lhs, rhs), weight in rules.items():
        total = totals[lhs]
        parts = [
            word(rng, part.text) if isinstance(part, Word) and quoted else getattr(part, "text", part) for part in rhs
        ]
        number = pick(
            rng, [f"{weight}/{total}", f"{weight / total:.6f}", f"{weight / total:.7e}", repr(weight / total)]
        )
        groups.setdefault(lhs, []).append(" ".join(parts) + " " + pick(rng, ["{}", "[{}]", "({})"]).format(number))
    end, bar = pick(rng, ENDS), pick(rng, ["|", " | ", "\n  | ", " |\n ", " \\\n | "])
    text = pick(rng, ["", "\ufeff", "# first -> 'x'\n", f"%start {next(iter(groups))}\n", "\n  \n"])
    for lhs, alternatives in groups.items():
        arrow = pick(rng, ARROWS)
        together = rng.uniform() < 0.5
        text += (
            f"{lhs}{arrow}{bar.join(alternatives)}{end}"
            if together
            else "".join(f"{lhs}{arrow}{a}{end}" for a in alternatives)
        )
    return text


def word(rng: np.random.Generator, text: str) -> str:
    """A word in quotes of some kind."""
    quote = pick(rng, "'\"")
    return quote + text.replace("\\", "\\\\").replace(quote, "\\" + quote) + quote


def broken(rng: np.random.Generator, text: str) -> str:
    """The text with a few things gone, doubled or put in."""
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(len(text) + 1))
        end = min(len(text), at + int(rng.integers(1, 9)))
        noise = pick(rng, [*NOISE, chr(int(rng.integers(0xD800)))])
        text = pick(rng, [text[:at], text[:at] + text[end:], text[:at] + noise + text[at:], text[:end] + text[at:]])
    return text


def as_rules(grammar: PCFG) -> dict[Rule, float]:
    """The rules and their probabilities."""
    return dict(zip(grammar.rules, grammar.probabilities.tolist(), strict=True))


def check(text: str, expected: Weights | None, normalize: Any, seed: int) -> str | None:
    """Read a text, compare it with what was meant, and use the grammar."""
    if expected is None and seed % 4 == 0:
        plain = CFG.from_text(text)
        return None if CFG.from_text(plain.to_text()) == plain else "CFG: the text is not read back"
    grammar = PCFG.from_text(text, normalize=normalize)
    if expected is not None:
        right = as_rules(PCFG([(*rule, weight) for rule, weight in expected.items()], normalize=True))
        found = as_rules(grammar)
        if found.keys() != right.keys() or any(abs(found[rule] - p) > 2e-6 for rule, p in right.items()):
            return f"{grammar.to_text()!r} was read"
    if PCFG.from_text(grammar.to_text(), normalize=normalize) != grammar:
        return "the text is not read back"
    if normalize is not None:
        mass = grammar.mass()
        if any(not -1e-9 <= m <= 1 + 1e-6 for m in mass.values()):
            return f"mass {mass}"
        grammar.is_consistent()
    grammar.is_proper()
    drawn = None
    with suppress(ValueError):
        drawn = grammar.sample(seed, max_words=12, max_tries=3)
    parser = PCFGParser(grammar=text if normalize is False else grammar, n_jobs=1)
    words = drawn.words() if drawn is not None else list(grammar.words[:3]) or ["x"]
    trees = parser.parse(words, k=1 + seed % 3)
    if drawn is not None and (log_p := grammar.log_probability(drawn)) > -math.inf and not trees[0][1] >= log_p - 1e-6:
        return f"{trees} are worse than {drawn}"
    if not all(tree.words() == words for tree, _ in trees):
        return f"{trees} have other words than {words}"
    return None


def grammars_case(rng: np.random.Generator) -> Case:
    """The text of a grammar, or nearly."""
    quoted = bool(rng.uniform() < 0.8)
    rules = weights(rng, quoted)
    text = written(rng, rules, quoted)
    expected: Weights | None = rules
    if rng.uniform() < 0.6:
        text, expected = broken(rng, text), None
    normalize = False if expected is not None else pick(rng, [False, True, True, None])
    return f"{normalize} {text!r}", partial(check, text, expected, normalize, int(rng.integers(1000)))
