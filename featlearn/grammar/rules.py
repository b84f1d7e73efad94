r"""Rules of grammars: their values, their counts in trees, and how they are written.

A rule is ``(lhs, rhs)`` with a symbol on the left and any number of symbols and words (`Word`) on the right.

In text words stand in quotes, and characters of symbols that mean something there are written as ``\xHH`` or
``\uHHHH``; ``featlearn.grammar.notation`` reads it.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from featlearn.grammar.escapes import RESERVED
from featlearn.grammar.tree import Tree
from featlearn.grammar.walks import kind_of

# ASCII digits only: those of other scripts may be symbols. Not longer than what a number can mean.
NUMBER = re.compile(
    r"[+-]?(?:\d{1,400}(?:\.\d{0,400})?(?:[eE][+-]?\d{1,6})?|\.\d{1,400}(?:[eE][+-]?\d{1,6})?|\d{1,400}/\d{1,400}|nan|inf)",
    re.ASCII,
)
# Blanks of all scripts, a byte order mark, bars, quotes, comments and brackets; the ends of arrows; a backslash that
# would begin an escape or go on in the next line; and in the first place what would begin a directive or a word.
_RESERVED = re.compile(
    rf"[{re.escape(RESERVED)}\s\ufeff|'\"#\[\]→⟶⇒⟹➔]|(?<=[-=–—−])>|(?<=:)=|\\(?=x[0-9a-f]{{2}}|u[0-9a-f]{{4}}|U00|\Z)"
    r"|\A[%‘“]"
)
# What is said of rules with nothing on their right side.
NO_EMPTY = (
    "rules that derive nothing are not supported. Leave it out, and where {0} may be missing write the rule without it"
)
_WRITTEN = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U(000[0-9a-f]{5}|0010[0-9a-f]{4}))")


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
        text = self.text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
        return f"'{text}'"


class Rule(NamedTuple):
    """A rule ``lhs -> rhs``; the right side is a tuple of symbols (str) and `Word`."""

    lhs: str
    rhs: "tuple[str | Word, ...]"

    def __str__(self) -> str:
        return f"{symbol_text(self.lhs)} -> {rhs_text(self.rhs)}"


def symbol_text(symbol: str) -> str:
    """A symbol as the textual format writes it."""
    if NUMBER.fullmatch(symbol):  # would read as a probability
        return coded(symbol)
    return _RESERVED.sub(lambda found: _code(found[0]), symbol) if _RESERVED.search(symbol) else symbol


def coded(symbol: str) -> str:
    """A symbol with its first character written by its code, so that it can be nothing but a symbol."""
    code = f"\\U{ord(symbol[0]):08x}" if ord(symbol[0]) > 0xFFFF else _code(symbol[0])
    return code + _RESERVED.sub(lambda found: _code(found[0]), symbol[1:])


def _code(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def symbol_of(text: str) -> str:
    """The symbol that `symbol_text` wrote as ``text``."""
    return _WRITTEN.sub(lambda found: chr(int(found[1] or found[2] or found[3], 16)), text) if "\\" in text else text


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
    def of(cls, trees: Iterable[Tree]) -> Self:
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
                raise TypeError(f"Rules are counted in trees; got {tree!r} of type {kind_of(tree)}.")
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
    if not isinstance(lhs, str) or not lhs:
        raise ValueError(f"The left side of a rule must be a symbol, a str that is not empty; got {lhs!r}.")
    if isinstance(rhs, str) and len(rhs.split()) > 1:
        raise ValueError(f"The right side {rhs!r} of {lhs!r} is one str; pass a list of its symbols and words.")
    if not isinstance(rhs, (tuple, str, Word, Iterable)):
        raise ValueError(f"The right side of {lhs!r} is {rhs!r}; pass a list of symbols (str) and words (Word).")
    parts = (rhs,) if isinstance(rhs, (str, Word)) else tuple(rhs)
    for part in parts:
        if not (isinstance(part, (str, Word)) and str(part)) or (isinstance(part, Word) and not part.text):
            raise ValueError(f"A right side of {lhs!r} holds {part!r}; pass symbols (str) and words (Word).")
    if not parts:
        raise ValueError(f"A right side of {lhs!r} is empty; {NO_EMPTY.format(lhs)}.")
    return Rule(lhs, parts)
