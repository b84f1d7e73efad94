r"""The text of grammars, read as people and other programs write it.

    S -> NP VP 1.0                                # comments begin with #
    VP -> V NP [0.7] | V .3                       # alternatives after |, probabilities in brackets or not
    NN -> 'man' 7/10                              # fractions; words in quotes
        | "woman" 0.2 | 'dog' 1e-1                # a rule goes on where a line begins or ends with |, or ends with \

The arrow may be ``->``, ``-->``, ``=>``, ``::=``, ``:=``, or one of Unicode's, with or without blanks around it; after
a symbol that holds one itself, such as ``@S->_NP`` of binarized grammars, there must be blanks around it.
``%start S`` names the start symbol. The probability ends a right side. What ``str`` makes of an ``nltk.PCFG`` or its
productions is read too: symbols such as ``NP|<DT-NN>``, ``#`` and ``''``, if they stand on a left side between blanks.

In a text without a word in quotes, what never stands on a left side is a word: ``Vi -> sleeps 1.0``.

Numbers are rounded when they are written, so their sum may be off by what rounding can do: `rounding`.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import NoReturn

from featlearn.grammar.rules import NO_EMPTY, NUMBER, Rule, Word, symbol_of
from featlearn.notices import notify

ARROW = r"(?:::=|:=|[-=–—−]{1,2}>|[→⟶⇒⟹➔])"
EMPTY = frozenset(["ε", "ϵ", "ɛ", "∅", "ø", "λ", "Λ", "eps", "<eps>", "epsilon", "<epsilon>", "<empty>"])
_PLAIN = rf"(?![‘“])(?:(?!{ARROW})[^\s|'\"#\[\]])+['\"]*"
# A symbol with an arrow inside, of binarized grammars, where the arrow of the rule has blanks around it. What goes on
# after the inner arrow with a word, a probability or an alternative is a right side.
_HOLDS = rf"(?!\S*(?:{ARROW}|\|)['\"‘“|])(?=\S*{ARROW}[^\s])[^\s|'\"‘“\#\[\]%][^\s\[\]]*"
# Also a symbol with a bar inside, and with arrows perhaps, and the tags # and ''.
_LEFT = re.compile(rf"(?:({_HOLDS})\s+(?={ARROW}(?:\s|$))|({_PLAIN})\s*|([^\s|'\"]\S*\|\S*[^\s|]|\#|'')\s+){ARROW}")
_CHUNK = re.compile(r"\s*(\S+)")
_HEADER = re.compile(r"Grammar with \d+ productions?(?: \(start state = (\S+)\))?")
_DIRECTIVE = re.compile(r"%\s*(\w+)\s*([^\s#]*)\s*(?:#.*)?")
_QUOTED = re.compile(r"(?:^|[\s|\]])['\"‘“]")
_INSIDE = re.compile(ARROW)
_SLASHED = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)
_LETTERS = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", "'": "'", '"': '"'}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a grammar's text: its number from 1, and what it says."""

    number: int
    text: str

    def fail(self, what: str) -> NoReturn:
        """A ValueError that names the line."""
        shown = self.text if len(self.text) <= 120 else f"{self.text[:120]}..."
        raise ValueError(f"Line {self.number} of the grammar, {shown!r}: {what}.")


@dataclass(frozen=True, slots=True)
class Written:
    """A rule as it was written: its probability as text, or None, and where it stands."""

    rule: Rule
    number: str | None
    line: Line


@dataclass(frozen=True, slots=True)
class GrammarText:
    """What a text says: its rules, and the start symbol that it names, or None."""

    rules: list[Written]
    start: str | None


def read_grammar(text: str, *, probabilities: bool) -> GrammarText:
    """The rules of a text.

    Parameters
    ----------
    text : str
        The text.
    probabilities : bool
        Whether a number at the end of a right side is its probability; otherwise there must be none.

    Returns
    -------
    found : GrammarText

    Raises
    ------
    TypeError
        If it is no str.
    ValueError
        Naming the line: no rule, a right side that is empty, a rule that comes twice, features, optional parts ...

    Warns
    -----
    UserWarning
        In a text without quotes, of words that look like symbols.

    Examples
    --------
    >>> from featlearn.grammar.notation import read_grammar
    >>> for rule in read_grammar("S->NP Vi 1.0\\nNP -> she 1/2\\n  | he .5\\nVi -> sleeps 1", probabilities=True).rules:
    ...     print(rule.rule, rule.number)
    S -> NP Vi 1.0
    NP -> 'she' 1/2
    NP -> 'he' .5
    Vi -> 'sleeps' 1
    """
    if not isinstance(text, str):
        raise TypeError(f"A grammar is read from a str; got a {type(text).__name__}. Read a file first.")
    start, groups = _groups(text)
    left = {lhs for lhs, _ in groups}
    reader = _Reader(
        probabilities=probabilities,
        left=frozenset(left),
        quoted=any(_QUOTED.search(_before_comment(rest)) for _, parts in groups for _, rest in parts),
        special=frozenset(lhs for lhs in left if "|" in lhs or lhs in ("#", "''") or _INSIDE.search(lhs)),
    )
    found: dict[Rule, Written] = {}
    for lhs, parts in groups:
        for tokens, line in reader.alternatives(parts):
            number = _number(tokens, lhs, line) if probabilities else None
            rhs = reader.right_side(tokens, lhs, line)
            rule = Rule(symbol_of(lhs), rhs)
            if rule in found:
                line.fail(f"the rule {rule} comes twice; give it once, with its whole probability")
            found[rule] = Written(rule, number, line)
    rules = list(found.values())
    if not probabilities:
        _refuse_numbers(rules, reader)
    if not reader.quoted:
        _name_suspects(rules)
    return GrammarText(rules, start)


# ---- lines ---------------------------------------------------------------------------------------------------------


def _groups(text: str) -> tuple[str | None, list[tuple[str, list[tuple[Line, str]]]]]:
    """The start symbol that is named, and of each rule its left side and the lines of its right side."""
    start: str | None = None
    groups: list[tuple[str, list[tuple[Line, str]]]] = []
    before = ""  # of a line that ended with a backslash
    for number, raw in enumerate(re.split(r"\r\n?|\n", text), 1):
        line = Line(number, before + raw.lstrip("\ufeff").strip())
        before = ""
        if not line.text:
            continue
        if line.text.endswith("\\"):
            before = line.text[:-1].rstrip() + " "
            continue
        if left := _LEFT.match(line.text):
            groups.append((left[1] or left[2] or left[3], [(line, line.text[left.end() :])]))
        elif line.text[0] == "#":
            continue
        elif header := _HEADER.fullmatch(line.text):
            start = header[1] or start
        elif directive := _DIRECTIVE.fullmatch(line.text):
            if directive[1] != "start" or not directive[2]:
                line.fail("the one directive is %start with a symbol, such as %start S")
            start = symbol_of(directive[2])
        elif groups and (line.text[0] == "|" or _open(groups[-1][1])):
            groups[-1][1].append((line, line.text))
        else:
            line.fail(_why_no_rule(line.text, text))
    if before:
        Line(number, before).fail("the text ends after \\, where a line goes on")
    return start, groups


def _open(parts: list[tuple[Line, str]]) -> bool:
    """Whether a right side so far ends with a bar or is empty, so that it must go on."""
    rest = _before_comment(parts[-1][1]).rstrip()
    return not rest or rest.endswith("|")


def _before_comment(rest: str) -> str:
    """A right side without its comment."""
    if "#" not in rest:
        return rest
    for token in _ANY_TOKEN.finditer(rest):
        if token.lastgroup == "comment":
            return rest[: token.start("comment")]
    return rest


def _why_no_rule(line: str, text: str) -> str:
    arrow = _INSIDE.search(line)
    before = line[: arrow.start()].split() if arrow else []
    if re.search(r"\w\[", " ".join(before)):
        return "features in brackets, as of feature grammars, are not read; make a symbol of each, such as NP_sg"
    if len(before) > 1 and NUMBER.fullmatch(before[0].strip("[]()")):
        return "the probability stands before the rule; write it at the end, such as S -> NP VP 1.0"
    lines = [other.strip("\ufeff \t\r\f") for other in text.split("\n")]
    rules = [other for other in lines if other[:1] != "("]  # a word of a tree may be an arrow
    if len(rules) < len(lines) and not any(map(_LEFT.match, rules)):
        return "it looks like trees in brackets, which read_trees reads"
    if not _INSIDE.search(text) and "\n" not in text.strip():
        return (
            "there is no arrow, so it is no grammar; pass the text of rules such as S -> NP VP 1.0, not a file's name"
        )
    return "a rule is a symbol, '->' and a right side, such as S -> NP VP 1.0"


# ---- right sides ---------------------------------------------------------------------------------------------------


_WORDS = r"""'(?P<single>(?:[^'\\]|\\.)*)'|"(?P<double>(?:[^"\\]|\\.)*)"|‘(?P<curly>[^’]*)’|“(?P<curls>[^”]*)”"""
_REST = r"""(?P<bar>\|)|(?P<comment>\#.*)|\[(?P<bracket>[^\[\]|'"]*)\]"""
# A quotation mark right after a symbol and before its end is a prime: N', S''.
_PRIMED = r"""[^\s|'"\#\[\]](?:[^\s|'"\#\[\]]|['"]+(?=[\s|\#\[]|$))*"""
_QUOTED_TOKEN = re.compile(rf"\s*(?:{_WORDS}|{_REST}|(?P<plain>{_PRIMED}))")
_BARE_TOKEN = re.compile(rf"\s*(?:{_REST}|(?P<plain>[^\s|\#\[\]]+))")
_ANY_TOKEN = re.compile(rf"\s*(?:{_WORDS}|{_REST}|(?P<plain>[^\s|\#\[\]]+))")  # before it is known which of both


@dataclass(frozen=True)
class _Reader:
    """What a text as a whole says about its right sides.

    ``left`` are its left sides, ``special`` those among them that would read as something else between blanks;
    ``quoted`` is whether words stand in quotes.
    """

    probabilities: bool
    left: frozenset[str]
    special: frozenset[str]
    quoted: bool

    def alternatives(self, parts: list[tuple[Line, str]]) -> Iterable[tuple[list[tuple[str, str]], Line]]:
        """The alternatives of a rule: (kind, text) of their tokens, and the line."""
        tokens: list[tuple[str, str]] = []
        at = parts[0][0]
        for line, rest in parts:
            for kind, text in self._tokens(line, rest):
                if kind == "bar":
                    yield tokens, at
                    tokens, at = [], line
                else:
                    at = line if not tokens else at
                    tokens.append((kind, text))
        yield tokens, at

    def _tokens(self, line: Line, rest: str) -> Iterable[tuple[str, str]]:
        at, rest = 0, rest.rstrip()
        pattern = _QUOTED_TOKEN if self.quoted else _BARE_TOKEN
        ended = False  # by a probability: what follows is a bar or a comment
        while at < len(rest):
            if self.special and not ended and (chunk := _CHUNK.match(rest, at)) and chunk[1] in self.special:
                at = chunk.end()
                yield "symbol", chunk[1]
                continue
            match = pattern.match(rest, at)
            if match is None:
                start = len(rest) - len(rest[at:].lstrip())
                column = len(line.text) - len(rest) + start + 1
                if rest[start] in "[]":
                    line.fail(f"the bracket in column {column} has no partner; brackets hold probabilities: [0.5]")
                line.fail(f"the quotation mark in column {column} is not closed")
            kind, text = match.lastgroup or "", match[match.lastgroup or 0]
            if kind == "comment":
                return
            at = match.end()
            if kind in ("single", "double", "curly", "curls"):
                if not text:
                    line.fail(f"a word is empty; {NO_EMPTY.format('the symbol')}")
                kind, text = "word", _SLASHED.sub(_character, text) if "\\" in text else text
            ended = kind == "bracket" or (kind == "plain" and bool(NUMBER.fullmatch(text)))
            yield kind, text

    def right_side(self, tokens: list[tuple[str, str]], lhs: str, line: Line) -> tuple[str | Word, ...]:
        """The symbols and words of an alternative."""
        alone = tokens[0][1] if len(tokens) == 1 and tokens[0][0] == "plain" else ""
        if not tokens or (alone in EMPTY and alone not in self.left):
            nothing = "empty and has no probability" if self.probabilities and not tokens else "empty"
            line.fail(f"a right side of {symbol_of(lhs)!r} is {nothing}; {NO_EMPTY.format(symbol_of(lhs))}")
        return tuple(self._part(kind, text, place, line) for place, (kind, text) in enumerate(tokens))

    def _part(self, kind: str, text: str, place: int, line: Line) -> str | Word:
        if kind == "word":
            return Word(text)
        if kind == "symbol" or (kind == "plain" and text in self.left):
            return symbol_of(text)
        number = bool(NUMBER.fullmatch(text.strip()))
        if number and (kind == "bracket" or self.quoted or (place and ("." in text or "/" in text))):
            why = "is not at the end of a right side; is a | missing after it?"
            if not self.probabilities:
                why = "is a probability, which PCFG.from_text reads."
            line.fail(f"the number {text.strip()} {why} A word that is a number stands in quotes")
        if kind == "bracket":
            line.fail(
                f"[{text}] is no probability, and features and optional parts in brackets are not read; write out "
                "every alternative, with symbols of their own"
            )
        if _INSIDE.search(text):
            line.fail(
                "there are two arrows; start a new line for a new rule"
                + f", or give the symbol {text!r} rules of its own" * (_INSIDE.fullmatch(text) is None)
            )
        if ("(" in text or ")" in text) and len(text) > 1:
            line.fail(
                f"{text!r} holds a parenthesis; optional parts and groups are not read, write out every alternative"
            )
        symbol = symbol_of(text)
        return symbol if self.quoted or symbol != text else Word(text)


def _character(found: re.Match) -> str:
    code = found[1] or found[2] or found[3]
    if code and int(code, 16) < 0x110000:
        return chr(int(code, 16))
    return _LETTERS.get(found[4], found[0])


# ---- probabilities -------------------------------------------------------------------------------------------------


def _number(tokens: list[tuple[str, str]], lhs: str, line: Line) -> str | None:
    """Take the probability from the end of an alternative; None if there is none."""
    kind, text = tokens[-1] if tokens else ("", "")
    bare = text.strip() if kind == "bracket" else text[1:-1] if text[:1] + text[-1:] == "()" else text
    if kind not in ("plain", "bracket") or not NUMBER.fullmatch(bare):
        if kind in ("plain", "bracket") and re.fullmatch(r"\d*[.,]?\d+%|\d*,\d+", bare):
            line.fail(f"{bare} is no probability; write it with a point, between 0 and 1, such as 0.25")
        return None
    tokens.pop()
    if not tokens:
        line.fail(
            f"a right side of {symbol_of(lhs)!r} is empty, for {bare} is its probability; a word that is a number "
            f"stands in quotes; {NO_EMPTY.format(symbol_of(lhs))}"
        )
    value = probability(bare)
    if not 0 <= value < math.inf:
        line.fail(f"{bare} is no probability; it must be a finite number of at least 0")
    return bare


def probability(number: str) -> float:
    """The value of a number as it is written; nan for a division by 0.

    Examples
    --------
    >>> from featlearn.grammar.notation import probability
    >>> probability("1/8"), probability("1.5e-1")
    (0.125, 0.15)
    """
    if "/" not in number:
        return float(number)
    above, below = number.split("/")
    try:
        return float(Fraction(int(above), int(below)))
    except (ZeroDivisionError, OverflowError):
        return math.nan


def rounding(numbers: Iterable[str]) -> float:
    """How far from 1 the sum of probabilities so written may be, for what rounding them can do.

    Numbers of at least three places that were cut, rounded or written with as many significant digits are off by a unit
    of the last place at most; in all by 0.005 at most. Two places are less likely what a program wrote: only rounding,
    half a unit each, and in all 0.01 at most. Fractions are exact.

    Examples
    --------
    >>> from featlearn.grammar.notation import rounding
    >>> three, two = rounding(["0.333334"] * 3), rounding(["0.5", "0.48"])
    >>> three > 2e-6, two < 0.01
    (True, True)
    """
    decimals = [number.lower() for number in numbers if "/" not in number]
    places = significant = 0
    exponents = []
    for number in decimals:
        digits, _, power = number.lstrip("+-").partition("e")
        whole, _, behind = digits.partition(".")
        shown = (whole + behind).lstrip("0")
        places = max(places, len(behind) - int(power or 0))
        significant = max(significant, len(shown))
        exponents.append(int(power or 0) + (len(whole.lstrip("0")) or len(shown) - len(behind)))
    if places < 3:
        return min(len(decimals) * 0.5 * 10.0**-places * (1 - 1e-6), 0.0101) if places == 2 else 1e-6
    unit = len(decimals) * 10.0**-places
    if significant > 3:  # as %g writes numbers: the last place of each is another
        unit = max(unit, sum(10.0 ** (exponent - significant) for exponent in exponents))
    return max(1e-6, min(unit * (1 + 1e-6), 0.005))


def _refuse_numbers(rules: list[Written], reader: _Reader) -> None:
    """Refuse a text with probabilities where there must be none."""
    ends = [
        written for written in rules if isinstance(last := written.rule.rhs[-1], Word) and NUMBER.fullmatch(last.text)
    ]
    if not reader.quoted and ends and all(len(written.rule.rhs) > 1 for written in rules) and len(ends) == len(rules):
        ends[0].line.fail("the rules have probabilities; PCFG.from_text reads them")


# ---- words without quotes ------------------------------------------------------------------------------------------


def _name_suspects(rules: list[Written]) -> None:
    """Warn of words of a text without quotes that look like symbols: they may be symbols that were misspelled.

    Such is what differs from a symbol by capitals only; and, where all symbols begin with one, a word with a capital
    that stands beside a symbol, or in the place of one whose name differs by one letter.
    """
    left = {written.rule.lhs for written in rules}
    mixed = {written.rule.lhs for written in rules if any(isinstance(part, str) for part in written.rule.rhs)}
    capitals = all(symbol[0].isupper() for symbol in left)
    small = {symbol.lower() for symbol in left if len(symbol) > 1}
    gaps = {gap for symbol in left if len(symbol) > 1 for gap in _gaps(symbol)}
    suspects: dict[str, int] = {}
    for written in rules:
        beside = any(isinstance(part, str) for part in written.rule.rhs)
        for part in written.rule.rhs:
            if not isinstance(part, Word) or written.rule.lhs not in mixed:
                continue
            capital = capitals and part.text[0].isupper()
            if part.text.lower() in small or (capital and (beside or not gaps.isdisjoint(_gaps(part.text)))):
                suspects.setdefault(part.text, written.line.number)
    if suspects:
        some = ", ".join(f"{text!r} (line {number})" for text, number in list(suspects.items())[:5])
        more = f" and {len(suspects) - 5} more" if len(suspects) > 5 else ""
        verb = "looks like a symbol" if len(suspects) == 1 else "look like symbols"
        notify(
            f"The grammar has no word in quotes, so what has no rule is a word, and {some}{more} {verb}. If it is one, "
            "give it a rule or mend its spelling; if it is a word, put the grammar's words in quotes."
        )


def _gaps(text: str) -> list[str]:
    """The text without one letter each: two texts share one if they differ by one letter."""
    return [f"{text[:i]}\0{text[i + 1 :]}" for i in range(len(text))]
