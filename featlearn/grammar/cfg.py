r"""Context-free grammars, plain and probabilistic: rules, their text, what they generate, and learning by counting.

A rule is ``(lhs, rhs)`` with a symbol on the left and any number of symbols and words (`Word`) on the right. A PCFG
gives each rule a probability p(rhs | lhs), those of a symbol adding up to 1 (a *proper* grammar). A tree's probability
is the product over its rules, and the mass of a symbol is what the probabilities of all its finite trees add up to,
the least solution of

    m(X) = sum over X -> Y_1 ... Y_k of   p m(Y_1) ... m(Y_k),         m(word) = 1,

which Newton's method reaches from 0, rising monotonely. A grammar is *consistent* if its start symbol has mass 1; a
proper one need not be.

The textual format is that of ``featlearn.grammar.notation``.

Papers: Booth & Thompson (1973), "Applying probability measures to abstract languages"; Etessami & Yannakakis (2009),
"Recursive Markov chains, stochastic grammars, and monotone systems of nonlinear equations".
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu
from sklearn.utils import check_random_state

from featlearn.grammar.coverage import report_symbols
from featlearn.grammar.notation import probability, read_grammar, rounding
from featlearn.grammar.rules import Rule, RuleCounts, Word, checked, coded, rhs_text, symbol_text, tree_rules
from featlearn.grammar.tree import Tree, make_tree
from featlearn.notices import notify
from featlearn.streaming import accumulate

TOLERANCE = 1e-6  # how far from 1 the probabilities of a symbol may add up
EXACT = 1e-10  # what is nearer to 1 is not divided by its sum, so that what was written reads back as it was
NLTK_TOLERANCE = 0.0101  # of NLTK, which keeps probabilities as they were rounded


class CFG:
    """A context-free grammar. It never changes.

    Parameters
    ----------
    rules : iterable of (str, sequence of str and Word)
        The rules, each once; right sides are not empty.
    start : str or None, default=None
        The start symbol; None takes the left side of the first rule.

    Attributes
    ----------
    rules : tuple of Rule
        The rules, in the order given.
    start : str
        The start symbol.
    symbols : tuple of str
        All symbols, in the order they come up.
    words : tuple of str
        All words, likewise.

    Raises
    ------
    TypeError
        If the rules are none, such as the text of a grammar or one of NLTK's; it names what reads that.
    ValueError
        If there is no rule, a right side is empty, a rule comes twice, or the start symbol has no rule.

    See Also
    --------
    PCFG : With probabilities.

    Examples
    --------
    >>> from featlearn.grammar.cfg import CFG
    >>> grammar = CFG.from_text("S -> A S | A\\nA -> 'a'\\nB -> B 'b'")
    >>> grammar.reachable() == {"S", "A"}, grammar.productive() == {"S", "A"}
    (True, True)
    """

    rules: tuple[Rule, ...]
    start: str

    def __init__(self, rules: Iterable[tuple[str, Any]], start: str | None = None):
        self.rules = tuple(checked(lhs, rhs) for lhs, rhs in _items(type(self), rules, 2))
        if not self.rules:
            raise ValueError("The grammar has no rules; pass at least one, such as ('S', ['NP', 'VP']).")
        if len(set(self.rules)) < len(self.rules):
            twice = next(rule for rule, count in Counter(self.rules).items() if count > 1)
            raise ValueError(f"The rule {twice} comes twice; give it once, with its whole probability.")
        self.start = self.rules[0].lhs if start is None else start
        if self.start not in self.by_lhs:
            some = ", ".join(list(self.by_lhs)[:5])
            raise ValueError(
                f"The start symbol {self.start!r} has no rule, so the grammar generates nothing. Add one, or pass "
                f"start= one of the symbols that have: {some}{', ...' if len(self.by_lhs) > 5 else ''}."
            )

    @cached_property
    def by_lhs(self) -> dict[str, list[int]]:
        """The places of each symbol's rules."""
        found: dict[str, list[int]] = defaultdict(list)
        for place, rule in enumerate(self.rules):
            found[rule.lhs].append(place)
        return dict(found)

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """All symbols, in the order they come up."""
        return tuple(dict.fromkeys(s for lhs, rhs in self.rules for s in (lhs, *rhs) if isinstance(s, str)))

    @cached_property
    def words(self) -> tuple[str, ...]:
        """All words, in the order they come up."""
        return tuple(dict.fromkeys(s.text for _, rhs in self.rules for s in rhs if isinstance(s, Word)))

    @classmethod
    def from_text(cls, text: str, start: str | None = None) -> Self:
        """Read the textual format of ``featlearn.grammar.notation``, without probabilities.

        Parameters
        ----------
        text : str
            The text itself, not the name of a file.
        start : str or None, default=None
            The start symbol; None takes the one that the text names, or the left side of its first rule.

        Raises
        ------
        ValueError
            For what cannot be read, naming the line; for probabilities; and as for `CFG`.

        Warns
        -----
        UserWarning
            Of symbols without rules; and if no word stands in quotes, of words that look like symbols.
        """
        found = read_grammar(text, probabilities=False)
        grammar = cls([written.rule for written in found.rules], found.start if start is None else start)
        report_symbols(grammar)
        return grammar

    @classmethod
    def from_nltk(cls, grammar: Any) -> Self:
        """The rules of an ``nltk.CFG`` or ``nltk.PCFG``, each once; its terminals, which are str, are words.

        Raises
        ------
        TypeError
            If it is neither, or a symbol or word of it is no str.
        ValueError
            As for `CFG`.

        Warns
        -----
        UserWarning
            Of symbols without rules.
        """
        rules = dict.fromkeys(rule for rule, _ in _nltk_rules(grammar))
        taken = cls(list(rules), _nltk_symbol(grammar.start()))
        report_symbols(taken)
        return taken

    def to_text(self) -> str:
        """The grammar as `from_text` reads it: a line for each symbol, the start symbol's first."""
        return "".join(
            f"{symbol_text(lhs)} -> {' | '.join(self._alternative(place) for place in self.by_lhs[lhs])}\n"
            for lhs in sorted(self.by_lhs, key=lambda lhs: lhs != self.start)
        )

    def _alternative(self, place: int) -> str:
        rhs = self.rules[place].rhs
        if self.words:
            return rhs_text(rhs)
        # Without a word in quotes what has no rule would be read as a word, but for what is written with its code.
        known = self.by_lhs
        return " ".join(symbol_text(s) if s in known else coded(s) for s in map(str, rhs))

    def reachable(self) -> set[str]:
        """The symbols that come up in some derivation from the start symbol, finished or not."""
        found, stack = {self.start}, [self.start]
        while stack:
            for place in self.by_lhs.get(stack.pop(), ()):
                new = {s for s in self.rules[place].rhs if isinstance(s, str)} - found
                found |= new
                stack.extend(new)
        return found

    def productive(self) -> set[str]:
        """The symbols that derive some sentence."""
        waiting = [len({s for s in rhs if isinstance(s, str)}) for _, rhs in self.rules]
        users: dict[str, list[int]] = defaultdict(list)
        for place, (_, rhs) in enumerate(self.rules):
            for s in {s for s in rhs if isinstance(s, str)}:
                users[s].append(place)
        found: set[str] = set()
        stack = [rule.lhs for rule, left in zip(self.rules, waiting, strict=True) if not left]
        while stack:
            symbol = stack.pop()
            if symbol in found:
                continue
            found.add(symbol)
            for place in users[symbol]:
                waiting[place] -= 1
                if not waiting[place]:
                    stack.append(self.rules[place].lhs)
        return found

    def __getstate__(self) -> dict[str, Any]:
        rules = [[lhs, [part if isinstance(part, str) else [part.text] for part in rhs]] for lhs, rhs in self.rules]
        return {"start": self.start, "rules": rules}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(vars(CFG(_saved_rules(state), state["start"])))

    def _same(self) -> Any:
        return type(self).__name__, self.start, frozenset(self.rules)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CFG) and self._same() == other._same()

    def __hash__(self) -> int:
        return hash(self._same())

    def __len__(self) -> int:
        return len(self.rules)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} rules, {len(self.symbols)} symbols, start={self.start!r})"


class PCFG(CFG):
    """A probabilistic context-free grammar. It never changes.

    Parameters
    ----------
    rules : mapping of rules to probabilities, or iterable of (lhs, rhs, probability)
        The rules; a key of the mapping is a `Rule` or a tuple ``(lhs, rhs)``.
    start : str or None, default=None
        The start symbol; None takes the left side of the first rule.
    normalize : bool or None, default=False
        What if the probabilities of a symbol do not add up to 1, to within 1e-6: False raises, True divides them by
        their sum, None keeps them. Those that do to within 1e-6 are divided by their sum too, unless it is None.

    Attributes
    ----------
    rules, start, symbols, words
        As of `CFG`.
    probabilities : array (n_rules,)
        The probability of each rule, in float64.

    Raises
    ------
    TypeError
        As for `CFG`, and if a probability is no number.
    ValueError
        If a probability is negative, not finite, or greater than 1 without ``normalize=True``; if those of a symbol do
        not add up to 1; and as for `CFG`.

    See Also
    --------
    CFG : Without probabilities.
    PCFGParser : Parses with it.

    Examples
    --------
    >>> from featlearn.grammar.cfg import PCFG
    >>> grammar = PCFG.from_text("S -> S S 0.6 | 'a' 0.4")
    >>> round(grammar.mass()["S"], 6), grammar.is_proper(), grammar.is_consistent()
    (0.666667, True, False)
    >>> print(grammar.to_text(), end="")
    S -> S S 0.6 | 'a' 0.4
    """

    probabilities: np.ndarray

    def __init__(self, rules: Any, start: str | None = None, *, normalize: bool | None = False):
        if isinstance(rules, Mapping):
            triples = [(*rule, p) for rule, p in zip(_items(PCFG, rules, 2), rules.values(), strict=True)]
        else:
            triples = list(_items(PCFG, rules, 3))
        super().__init__([(lhs, rhs) for lhs, rhs, _ in triples], start)
        try:
            values = np.array([p for _, _, p in triples], float)
        except (TypeError, ValueError):
            wrong = next(p for _, _, p in triples if not isinstance(p, (int, float, np.number)))
            raise TypeError(f"The probability {wrong!r} is a {type(wrong).__name__}; pass numbers.") from None
        bad = ~np.isfinite(values) | (values < 0)
        if normalize is not True:
            bad |= values > 1 + TOLERANCE
        if bad.any():
            place = int(np.argmax(bad))
            raise ValueError(
                f"The rule {self.rules[place]} has probability {values[place]:g}; probabilities lie between 0 and 1. "
                "Of counts normalize=True makes probabilities."
            )
        if normalize is not None:
            for lhs, places in self.by_lhs.items():
                total = values[places].sum()
                if abs(total - 1) > TOLERANCE and not (normalize and total > 0):
                    raise ValueError(
                        f"The probabilities of the {len(places)} rules of {lhs!r} add up to {total:.8g}, not 1. Mend "
                        "them, or pass normalize=True to divide by the sum, or normalize=None to keep them."
                    )
                if abs(total - 1) > EXACT:
                    values[places] /= total
        values.flags.writeable = False
        self.probabilities = values

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"probabilities": self.probabilities.tolist()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        rules = zip(_saved_rules(state), state["probabilities"], strict=True)
        self.__dict__.update(vars(PCFG([(*rule, p) for rule, p in rules], state["start"], normalize=None)))

    @classmethod
    def from_text(cls, text: str, start: str | None = None, *, normalize: bool | None = False) -> Self:
        """Read the textual format of ``featlearn.grammar.notation``; NLTK's grammars are such text too.

        Parameters
        ----------
        text : str
            The text itself, not the name of a file.
        start : str or None, default=None
            The start symbol; None takes the one that the text names, or the left side of its first rule.
        normalize : bool or None, default=False
            As of `PCFG`, but probabilities may be off by what rounding them to the digits written can do (`rounding` of
            the same module; three of ``0.333334`` are right), and True gives the rules of a symbol the same
            probability if no rule of the text has one.

        Raises
        ------
        TypeError
            If it is no str.
        ValueError
            For what cannot be read, naming the line; for rules without a probability; and as for `PCFG`.

        Warns
        -----
        UserWarning
            Of symbols without rules; and if no word stands in quotes, of words that look like symbols.

        Examples
        --------
        >>> from featlearn.grammar.cfg import PCFG
        >>> grammar = PCFG.from_text("S -> NP Vi 1.0\\nNP -> she 0.333333 | he 0.666666\\nVi -> sleeps 1.0")
        >>> print(grammar.to_text(), end="")
        S -> NP Vi 1.0
        NP -> 'she' 0.3333333333333333 | 'he' 0.6666666666666666
        Vi -> 'sleeps' 1.0
        """
        found = read_grammar(text, probabilities=True)
        bare = [written for written in found.rules if written.number is None]
        even = normalize is True and len(bare) == len(found.rules)
        if bare and not even:
            none = len(bare) == len(found.rules)
            bare[0].line.fail(
                f"the right side {rhs_text(bare[0].rule.rhs)!r} has no probability; end it with a number"
                + none
                * ". No rule has one: CFG.from_text reads such grammars, and PCFG.from_text(text, "
                "normalize=True) gives the rules of a symbol the same probability"
            )
        numbers = ["1" if written.number is None else written.number for written in found.rules]
        values = [probability(number) for number in numbers]
        if normalize is not None:
            groups: dict[str, list[int]] = defaultdict(list)
            for place, written in enumerate(found.rules):
                groups[written.rule.lhs].append(place)
            for places in groups.values():
                total = math.fsum(values[place] for place in places)
                if EXACT < abs(total - 1) <= rounding(numbers[place] for place in places):
                    for place in places:
                        values[place] /= total
        triples = [(*written.rule, value) for written, value in zip(found.rules, values, strict=True)]
        grammar = cls(triples, found.start if start is None else start, normalize=normalize)
        report_symbols(grammar)
        return grammar

    @classmethod
    def from_nltk(cls, grammar: Any) -> Self:
        """An ``nltk.PCFG``; its terminals, which are str, are words.

        Probabilities of a rule that comes several times are added; those of a symbol, which NLTK takes if they add up
        to 1 to within 0.01, are divided by their sum.

        Raises
        ------
        TypeError
            If it is none, or a symbol or word of it is no str.
        ValueError
            As for `PCFG`.

        Warns
        -----
        UserWarning
            Of symbols without rules.

        Examples
        --------
        >>> import nltk  # doctest: +SKIP
        >>> PCFG.from_nltk(nltk.PCFG.fromstring("S -> 'a' [0.6] | S S [0.4]"))  # doctest: +SKIP
        PCFG(2 rules, 1 symbols, start='S')
        """
        rules: dict[Rule, float] = defaultdict(float)
        totals: dict[str, float] = defaultdict(float)
        for rule, p in _nltk_rules(grammar):
            if p is None:
                raise TypeError(
                    "The grammar has no probabilities; CFG.from_nltk takes it, or pass an nltk.PCFG, which "
                    "nltk.induce_pcfg makes of productions, say."
                )
            rules[rule] += p
            totals[rule.lhs] += p
        rounded = {lhs: total for lhs, total in totals.items() if EXACT < abs(total - 1) <= NLTK_TOLERANCE}
        shares = {rule: p / rounded.get(rule.lhs, 1.0) for rule, p in rules.items()}
        taken = cls(shares, _nltk_symbol(grammar.start()))
        report_symbols(taken)
        return taken

    @classmethod
    def from_counts(cls, counts: RuleCounts, start: str | None = None, *, smoothing: float = 0.0) -> Self:
        """The grammar of greatest likelihood given counts; ``smoothing`` is added to each count of a rule seen.

        Without ``start``, the label of all roots; if roots differ, a ValueError asks for a common root.
        """
        if not (math.isfinite(smoothing) and smoothing >= 0):
            raise ValueError(f"smoothing={smoothing!r} is not valid; pass a finite number of at least 0.")
        if not counts.rules:
            raise ValueError("There is no tree to learn from; pass at least one.")
        if start is None:
            if len(counts.roots) > 1:
                some = ", ".join(f"{label!r} ({count})" for label, count in counts.roots.most_common(5))
                raise ValueError(
                    f"The trees have {len(counts.roots)} different roots: {some}. Put them all under one root, or name "
                    "the start symbol: start=."
                )
            (start,) = counts.roots
        totals: dict[str, float] = defaultdict(float)
        for rule, count in counts.rules.items():
            totals[rule.lhs] += count + smoothing
        rules = {rule: (count + smoothing) / totals[rule.lhs] for rule, count in counts.rules.items()}
        return cls(rules, start)

    @classmethod
    def from_trees(
        cls, trees: Any, start: str | None = None, *, smoothing: float = 0.0, n_jobs: int | None = 1
    ) -> Self:
        """The grammar of greatest likelihood of trees.

        Parameters
        ----------
        trees : list of Tree, stream of lists of trees, or Dask bag of trees
            A treebank; streams are walked once.
        start : str or None, default=None
            The start symbol; None takes the label of all roots.
        smoothing : float, default=0.0
            Added to the count of each rule seen.
        n_jobs : int or None, default=1
            Threads. Counting holds the interpreter, so more than one gain nothing.

        Returns
        -------
        grammar : PCFG
        """
        return cls.from_counts(accumulate(RuleCounts.of, trees, n_jobs=n_jobs), start, smoothing=smoothing)

    def _alternative(self, place: int) -> str:
        return f"{super()._alternative(place)} {float(self.probabilities[place])!r}"

    def _same(self) -> Any:
        return type(self).__name__, self.start, frozenset(zip(self.rules, self.probabilities.tolist(), strict=True))

    @cached_property
    def log_probabilities(self) -> dict[Rule, float]:
        """The log-probability of each rule."""
        with np.errstate(divide="ignore"):
            return dict(zip(self.rules, np.log(self.probabilities).tolist(), strict=True))

    def log_probability(self, tree: Tree) -> float:
        """The log-probability of a tree; -inf if the grammar does not generate it."""
        if tree.label != self.start:
            return -math.inf
        return math.fsum(self.log_probabilities.get(rule, -math.inf) for rule in tree_rules(tree))

    def is_proper(self, tolerance: float = TOLERANCE) -> bool:
        """Whether the probabilities of each symbol with rules add up to 1, and every symbol has rules."""
        sums = [self.probabilities[places].sum() for places in self.by_lhs.values()]
        return len(self.by_lhs) == len(self.symbols) and bool(np.all(np.abs(np.array(sums) - 1) <= tolerance))

    def is_consistent(self, tolerance: float = TOLERANCE) -> bool:
        """Whether the probabilities of all finite trees add up to 1: the start symbol's mass."""
        return abs(self.mass()[self.start] - 1) <= tolerance

    def mass(self, *, max_iter: int = 200, tol: float = 1e-13) -> dict[str, float]:
        """What the probabilities of the finite trees of each symbol add up to: inf if they grow without bound."""
        productive = self.productive()
        names = [s for s in self.symbols if s in productive]
        index = {s: i for i, s in enumerate(names)}
        usable = [
            (index[lhs], [index[s] for s in rhs if isinstance(s, str)], p)
            for (lhs, rhs), p in zip(self.rules, self.probabilities.tolist(), strict=True)
            if p > 0 and all(isinstance(s, Word) or s in index for s in rhs)
        ]
        n, width = len(names), max((len(rhs) for _, rhs, _ in usable), default=0)
        lhs = np.array([left for left, _, _ in usable], np.int64)
        p = np.array([p for _, _, p in usable])
        rhs = np.full((len(usable), width), n)  # n: a place whose mass is 1
        for row, (_, parts, _) in enumerate(usable):
            rhs[row, : len(parts)] = parts
        mass = np.zeros(n)
        for _ in range(max_iter):
            factors = np.append(mass, 1.0)[rhs]
            step = np.bincount(lhs, p * factors.prod(axis=1), n) - mass
            if not (step > tol).any():
                break
            jacobian = sp.csc_matrix((n, n))
            for place in range(width):
                others = p * np.delete(factors, place, axis=1).prod(axis=1)
                real = rhs[:, place] < n
                jacobian += sp.csc_matrix((others[real], (lhs[real], rhs[real, place])), (n, n))
            with suppress(RuntimeError):  # singular: on the edge of consistency the plain step still climbs
                step = splu((sp.identity(n, format="csc") - jacobian).tocsc()).solve(step)
            if not np.isfinite(step).all() or (step < -1e-9).any():
                return {s: math.inf if s in index else 0.0 for s in self.symbols}
            mass = mass + np.maximum(step, 0)
        found = dict(zip(names, mass.tolist(), strict=True))
        return {s: found.get(s, 0.0) for s in self.symbols}

    def sample(self, random_state: Any = None, *, max_words: int = 1000, max_tries: int = 1000) -> Tree:
        """Draw a tree.

        Parameters
        ----------
        random_state : int, RandomState or None, default=None
            Seed.
        max_words : int, default=1000
            Trees that grow beyond this many words are thrown away and drawn anew, so what is drawn is a tree given
            that it is no larger.
        max_tries : int, default=1000
            Draws before giving up.

        Returns
        -------
        tree : Tree

        Raises
        ------
        ValueError
            If a symbol has no rule, or no tree of ``max_tries`` was small enough.
        """
        rng = check_random_state(random_state)
        for _ in range(max_tries):
            tree = self._draw(rng, max_words)
            if tree is not None:
                return tree
        raise ValueError(
            f"None of {max_tries} trees drawn had at most max_words={max_words} words; the finite trees of "
            f"{self.start!r} have probability {self.mass()[self.start]:.4g} in all. Raise max_words or max_tries."
        )

    @cached_property
    def _cumulated(self) -> dict[str, np.ndarray]:
        return {lhs: np.cumsum(self.probabilities[places]) for lhs, places in self.by_lhs.items()}

    def _draw(self, rng, max_words: int) -> Tree | None:
        order: list[tuple[Any, int]] = []  # (symbol or word, number of children) in preorder
        stack: list[Any] = [self.start]
        words = steps = 0
        while stack:
            part = stack.pop()
            if isinstance(part, Word):
                order.append((part.text, 0))
                words += 1
                continue
            if part not in self.by_lhs:
                raise ValueError(f"The symbol {part!r} has no rule, so no tree can be drawn; add one.")
            sums = self._cumulated[part]
            if sums[-1] <= 0:
                raise ValueError(f"All rules of {part!r} have probability 0, so no tree can be drawn.")
            place = min(int(np.searchsorted(sums, rng.random_sample() * sums[-1], side="right")), len(sums) - 1)
            rhs = self.rules[self.by_lhs[part][place]].rhs
            order.append((part, len(rhs)))
            stack.extend(reversed(rhs))
            steps += 1
            if words + len(stack) > max_words or steps > 100 * max_words:  # each symbol waiting derives a word
                return None
        values: list[Any] = []
        for name, n in reversed(order):
            values.append(make_tree(name, tuple(values.pop() for _ in range(n))) if n else name)
        return values[0]


def _saved_rules(state: dict) -> list[tuple[str, list]]:
    """The rules of a grammar's state, where a word is a list of its text."""
    return [(lhs, [part if isinstance(part, str) else Word(*part) for part in rhs]) for lhs, rhs in state["rules"]]


def as_pcfg(grammar: Any) -> PCFG:
    """A `PCFG`, a `CFG`, the text of either, or one of NLTK's as a `PCFG`.

    Warns
    -----
    UserWarning
        If it has no probabilities, so that all rules of a symbol are taken to be equally likely.

    Examples
    --------
    >>> from featlearn.grammar.cfg import as_pcfg
    >>> as_pcfg("S -> 'a' 0.6 | S S 0.4")
    PCFG(2 rules, 1 symbols, start='S')
    """
    if isinstance(grammar, PCFG):
        return grammar
    if isinstance(grammar, str):
        bare = all(written.number is None for written in read_grammar(grammar, probabilities=True).rules)
        made = PCFG.from_text(grammar, normalize=bare)
    elif bare := isinstance(grammar, CFG) or not any(hasattr(rule, "prob") for rule in grammar.productions()):
        plain = grammar if isinstance(grammar, CFG) else CFG.from_nltk(grammar)
        made = PCFG([(*rule, 1.0) for rule in plain.rules], plain.start, normalize=True)
    else:
        made = PCFG.from_nltk(grammar)
    if bare:
        notify(
            "The grammar has no probabilities: the rules of a symbol are taken to be equally likely, which ranks trees "
            "by little more than their size. Write a number behind each right side, or learn them from trees."
        )
    return made


def is_nltk(grammar: Any) -> bool:
    """Whether it looks like a grammar of NLTK: it has ``start()`` and ``productions()``."""
    return all(callable(getattr(grammar, name, None)) for name in ("start", "productions"))


def _nltk_rules(grammar: Any) -> Iterator[tuple[Rule, float | None]]:
    """The rules of a grammar of NLTK and their probabilities, None if it has none."""
    if isinstance(grammar, type) or not is_nltk(grammar):
        raise TypeError(f"from_nltk takes an nltk.CFG or nltk.PCFG; got a {type(grammar).__name__}.")
    for production in grammar.productions():
        lhs = _nltk_symbol(production.lhs())
        parts = [part if isinstance(part, str) else _nltk_symbol(part) for part in production.rhs()]
        rhs = [Word(p) if isinstance(was, str) else p for p, was in zip(parts, production.rhs(), strict=True)]
        yield checked(lhs, rhs), (float(production.prob()) if hasattr(production, "prob") else None)


def _nltk_symbol(part: Any) -> str:
    symbol = part.symbol() if hasattr(part, "symbol") else part
    if not hasattr(part, "symbol") or not isinstance(symbol, str):
        raise TypeError(
            f"The grammar holds {part!r} of type {type(part).__name__}; symbols and words that are str are taken, and "
            "features are not."
        )
    return symbol


def _items(kind: type, rules: Any, size: int) -> Iterator[tuple]:
    """The rules that a constructor is given, each of ``size`` parts; what is none is named with what reads it."""
    who = kind.__name__
    if isinstance(rules, (str, bytes)):
        raise TypeError(f"{who} takes rules; a text is read by {who}.from_text(text), and a file's text by the same.")
    if isinstance(rules, CFG):
        raise TypeError(
            f"{who} takes rules; of a {type(rules).__name__} pass its rules and start: {type(rules).__name__}.rules."
        )
    if is_nltk(rules):
        raise TypeError(f"{who} takes rules; a grammar of NLTK becomes one of ours by {who}.from_nltk(grammar).")
    if not isinstance(rules, Iterable):
        raise TypeError(f"{who} takes an iterable of rules; got a {type(rules).__name__}.")
    form = "(lhs, rhs)" if size == 2 else "(lhs, rhs, probability)"
    for place, rule in enumerate(rules):
        if isinstance(rule, str) or not isinstance(rule, (tuple, Iterable)) or len(parts := tuple(rule)) != size:
            raise TypeError(
                f"Rule {place} is {rule!r}; pass {form}, such as ('S', ['NP', 'VP']{', 1.0' * (size - 2)})."
            )
        yield parts
