r"""Rules of grammars: their values, their counts in trees, and their text.

A rule is ``(lhs, rhs)`` with a symbol on the left and any number of symbols and words (`Word`) on the right.

In text a line holds the rules of one symbol, with alternatives after ``|``, words in quotes, and comments after ``#``:

    S -> NP VP 1.0
    NN -> 'man' 0.7 | 'woman' 0.2 | "dog" 0.1     # probabilities may stand in [brackets] too

Characters of symbols that mean something here are written as ``\xHH``.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from featlearn.grammar.tree import RESERVED, Tree, escape, unescape

_TEXT_RESERVED = RESERVED + "|'\"#[]"
_TOKEN = re.compile(r"""[ \t\r\f\v]*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|(\|)|(#.*)|([^ \t\r\f\v|'"#]+))""")
# ASCII digits only: those of other scripts may be symbols, and escapes hold two hexadecimal places.
_NUMBER = re.compile(r"\[?[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|nan|inf)\]?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a right side, as against a symbol.

    Examples
    --------
    >>> from featlearn.grammar.rules import Rule, Word
    >>> print(Rule("NN", (Word("man"),)))
    NN -> 'man'
    """

    text: str

    def __str__(self) -> str:
        return "'" + self.text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


class Rule(NamedTuple):
    """A rule ``lhs -> rhs``; the right side is a tuple of symbols (str) and `Word`."""

    lhs: str
    rhs: "tuple[str | Word, ...]"

    def __str__(self) -> str:
        return f"{symbol_text(self.lhs)} -> {rhs_text(self.rhs)}"


def symbol_text(symbol: str) -> str:
    """A symbol as the textual format writes it."""
    text = escape(symbol, _TEXT_RESERVED)
    if text == "->" or _NUMBER.fullmatch(text):  # would read as something else
        text = f"\\x{ord(text[0]):02x}{text[1:]}"
    return text


def rhs_text(rhs) -> str:
    """A right side as the textual format writes it."""
    return " ".join(symbol_text(part) if isinstance(part, str) else str(part) for part in rhs)


def tree_rules(tree: Tree) -> list[Rule]:
    """The rules of a tree, in preorder.

    Examples
    --------
    >>> from featlearn.grammar.brackets import parse_tree
    >>> from featlearn.grammar.rules import tree_rules
    >>> [str(rule) for rule in tree_rules(parse_tree("(S (NP I) (VP sleep))"))]
    ['S -> NP VP', "NP -> 'I'", "VP -> 'sleep'"]
    """
    return [
        Rule(node.label, tuple([Word(c) if isinstance(c, str) else c.label for c in node.children]))
        for node in tree.subtrees()
    ]


@dataclass(frozen=True)
class RuleCounts:
    """How often each rule, and each root label, was seen. Counts of disjoint sets of trees add.

    Parameters
    ----------
    rules : Counter of Rule
        Weight of each rule.
    roots : Counter of str
        Weight of each label at a root.

    Examples
    --------
    >>> from featlearn.grammar.brackets import parse_tree
    >>> from featlearn.grammar.rules import RuleCounts
    >>> counts = RuleCounts.of([parse_tree("(S (N I) (V sleep))"), parse_tree("(S (N we) (V sleep))")])
    >>> counts.roots["S"], sorted(map(str, counts.rules))
    (2, ["N -> 'I'", "N -> 'we'", 'S -> N V', "V -> 'sleep'"])
    """

    rules: Counter = field(default_factory=Counter)
    roots: Counter = field(default_factory=Counter)

    @classmethod
    def of(cls, trees: Iterable[Tree]) -> "RuleCounts":
        """The counts of some trees."""
        if isinstance(trees, (str, Tree)):
            raise TypeError(
                f"Pass a list of trees; got a {type(trees).__name__}. Put a single tree into a list; a stream gives "
                "lists."
            )
        rules: Counter = Counter()
        roots: Counter = Counter()
        for tree in trees:
            if not isinstance(tree, Tree):
                raise TypeError(f"Rules are counted in trees; got {tree!r} of type {type(tree).__name__}.")
            rules.update(tree_rules(tree))
            roots[tree.label] += 1
        return cls(rules, roots)

    def __add__(self, other: "RuleCounts") -> "RuleCounts":
        rules, roots = self.rules.copy(), self.roots.copy()
        rules.update(other.rules)
        roots.update(other.roots)
        return RuleCounts(rules, roots)


def checked(lhs, rhs) -> Rule:
    """A rule of symbols and words only, with something on its right side."""
    parts = (rhs,) if isinstance(rhs, (str, Word)) else tuple(rhs)
    if not isinstance(lhs, str) or not lhs:
        raise ValueError(f"The left side of a rule must be a symbol, a str that is not empty; got {lhs!r}.")
    for part in parts:
        if not (isinstance(part, (str, Word)) and str(part)) or (isinstance(part, Word) and not part.text):
            raise ValueError(f"A right side of {lhs!r} holds {part!r}; pass symbols (str) and words (Word).")
    if not parts:
        raise ValueError(f"A right side of {lhs!r} is empty; rules that derive nothing are not supported.")
    return Rule(lhs, parts)


def read_rules(text: str, *, probabilities: bool) -> list[tuple[Rule, float]]:
    """The rules of a text with their probabilities (nan for a CFG); errors name the line."""
    if not isinstance(text, str):
        raise TypeError(f"A grammar is read from a str; got a {type(text).__name__}. Read a file first.")
    found: dict[Rule, float] = {}
    for number, line in enumerate(text.split("\n"), 1):
        fail = partial(_fail, number, line)
        tokens = _tokens(line, fail)
        if not tokens:
            continue
        if len(tokens) < 2 or tokens[1] != "->" or not isinstance(tokens[0], str):
            raise fail("a rule is a symbol, '->' and a right side, such as S -> NP VP 1.0")
        lhs = unescape(tokens[0])
        for alternative in _split(tokens[2:]):
            p = math.nan
            if probabilities:
                last = alternative[-1] if alternative else None
                if not isinstance(last, str) or not _NUMBER.fullmatch(last):
                    raise fail(f"the right side {rhs_text(alternative)!r} has no probability; end it with a number")
                p = float(alternative.pop().strip("[]"))
                if not 0 <= p < math.inf:
                    raise fail(f"{p:g} is no probability; it must be a finite number of at least 0")
            if not alternative:
                raise fail(f"a right side of {lhs!r} is empty; rules that derive nothing are not supported")
            if "->" in alternative:
                raise fail("there are two arrows; start a new line for a new rule")
            rule = Rule(lhs, tuple(unescape(part) if isinstance(part, str) else part for part in alternative))
            if rule in found:
                raise fail(f"the rule {rule} comes twice; give it once, with its whole probability")
            found[rule] = p
    return list(found.items())


def _fail(number: int, line: str, what: str) -> ValueError:
    return ValueError(f"Line {number} of the grammar, {line.strip()!r}: {what}.")


_SLASHED = re.compile(r"\\(.)", re.DOTALL)


def _tokens(line: str, fail) -> list[Any]:
    """Symbols, arrows, bars and numbers as str, words as `Word`; comments are dropped."""
    tokens: list[Any] = []
    at, line = 0, line.rstrip(" \t\r\f\v")
    while at < len(line):
        match = _TOKEN.match(line, at)
        if match is None:
            column = len(line) - len(line[at:].lstrip()) + 1
            raise fail(f"the quotation mark in column {column} is not closed")
        single, double, bar, comment, plain = match.groups()
        at = match.end()
        word = double if single is None else single
        if word is not None:
            if not word:
                raise fail("a word is empty; put characters between the quotation marks")
            tokens.append(Word(_SLASHED.sub(lambda found: "\n" if found[1] == "n" else found[1], word)))
        elif comment is None:
            tokens.append(bar or plain)
    return tokens


def _split(tokens: list) -> list[list]:
    """The alternatives between bars."""
    alternatives: list[list] = [[]]
    for token in tokens:
        if token == "|":
            alternatives.append([])
        else:
            alternatives[-1].append(token)
    return alternatives
