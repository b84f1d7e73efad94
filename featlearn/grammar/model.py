"""What a parser knows: a grammar, P(word | tag), and how sentences enter and labels come back.

`TreebankModel` is read off trees: a tree is binarized, its symbols told apart by context, and rules counted,

    p(X -> Y Z) = c(X -> Y Z) / c(X)        p(X -> Y) likewise        p(w | t) by `featlearn.grammar.lexicon`.

`WrittenModel` is a grammar as it was written, with its own words.
"""

from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from featlearn.grammar.annotations import annotate, move_marks
from featlearn.grammar.binarization import base_label, binarize, unbinarize
from featlearn.grammar.compiled import PLAIN, CompiledGrammar, RuleArrays, compile_grammar
from featlearn.grammar.inputs import as_trees, same_words, sentences_of
from featlearn.grammar.lexicon import Lexicon, learn_lexicon
from featlearn.grammar.rules import RuleCounts, Word
from featlearn.grammar.transforms import map_labels
from featlearn.grammar.tree import Tree, make_tree

NO_TAG = "X"  # in a flat tree, of a word that a written grammar lacks
START = "ROOT^"  # above the roots of all trees; no label of a treebank makes this symbol


@dataclass(frozen=True)
class TreebankCounts:
    """What a parser learns from: rules of binarized trees, and words that began a sentence. They add."""

    rules: RuleCounts = field(default_factory=RuleCounts)
    initial: Counter = field(default_factory=Counter)

    def __add__(self, other: "TreebankCounts") -> "TreebankCounts":
        initial = self.initial.copy()
        initial.update(other.initial)
        return TreebankCounts(self.rules + other.rules, initial)


def to_symbols(tree: Tree, annotations: tuple[str, ...], options: dict[str, Any]) -> Tree:
    """The tree labeled by grammar symbols, under `START`."""
    made = binarize(annotate(tree, annotations), **options)
    if annotations:
        made = map_labels(made, move_marks)
    return make_tree(START, (made,))


def count_treebank(
    trees: Any, y: Any = None, *, annotations: tuple[str, ...], options: dict, tokenizer: Any = "treebank"
) -> TreebankCounts:
    """The statistic of one chunk: trees, or sentences and their trees."""
    found = as_trees(trees if y is None else y)
    if y is not None:
        same_words(sentences_of(trees, found, tokenizer), found)
    initial: Counter = Counter()
    for i, tree in enumerate(found):
        for node in tree.subtrees():
            if len(node.children) > 1 and any(isinstance(child, str) for child in node.children):
                raise ValueError(
                    f"Tree {i} has a word beside others or beside trees under {node.label!r}; put each word under a "
                    "tag of its own."
                )
        initial[tree.words()[0]] += 1
    return TreebankCounts(RuleCounts.of(to_symbols(tree, annotations, options) for tree in found), initial)


@dataclass(frozen=True, eq=False)
class TreebankModel:
    """What parsing needs: the grammar, the words, and how both meet.

    Attributes
    ----------
    grammar : CompiledGrammar
        Of the rules over symbols.
    lexicon : Lexicon
        P(word | tag).
    tag_symbol, tag_log_share : arrays (n_tags,)
        The number of each tag among the symbols of the grammar, and the log of the share of words among all that it
        stands over: 0 unless it stands over trees too.
    root : str
        The label that most roots have.
    """

    grammar: CompiledGrammar
    lexicon: Lexicon
    tag_symbol: np.ndarray
    tag_log_share: np.ndarray
    root: str

    @classmethod
    def of(cls, counts: TreebankCounts, **lexicon_options: Any) -> Self:
        """The model of greatest likelihood, but for the words."""
        rules = counts.rules.rules
        totals: Counter = Counter()
        words: dict[tuple[str, str], int] = {}
        for (lhs, rhs), n in rules.items():
            totals[lhs] += n
            if isinstance(rhs[0], Word):
                words[lhs, rhs[0].text] = n
        symbols = sorted(totals)
        number = {symbol: i for i, symbol in enumerate(symbols)}
        made: dict[int, list] = {1: [], 2: []}
        for (lhs, rhs), n in sorted(((rule, n) for rule, n in rules.items() if not isinstance(rule.rhs[0], Word))):
            made[len(rhs)].append((number[lhs], *map(number.__getitem__, rhs), n / totals[lhs]))
        arrays = []
        for size, table in ((2, made[2]), (1, made[1])):
            arrays += [np.array([row[:-1] for row in table], np.int32).reshape(-1, size + 1)]
            arrays += [np.log(np.array([row[-1] for row in table], float))]
        lexicon = learn_lexicon(words, counts.initial, **lexicon_options)
        return cls(
            grammar=compile_grammar(RuleArrays(symbols, *arrays), START),
            lexicon=lexicon,
            tag_symbol=np.array([number[tag] for tag in lexicon.tags], np.int32),
            tag_log_share=np.log(lexicon.counts / [totals[tag] for tag in lexicon.tags]),
            root=min(rules_of_root(rules), key=lambda item: (-item[1], item[0]))[0],
        )

    @property
    def words(self) -> Container[str]:
        """The words seen in training."""
        return self.lexicon.words

    def lexical(self, words: Sequence[str]) -> list[tuple[np.ndarray, np.ndarray]]:
        """For each word the symbols it may have, and log P(word | symbol)."""
        found = []
        for i, word in enumerate(words):
            tags, values = self.lexicon.scores(word, i == 0)
            found.append((self.tag_symbol[tags], values + self.tag_log_share[tags]))
        return found

    def tag(self, word: str, initial: bool) -> str:
        """The likeliest tag of a word by itself."""
        return self.lexicon.guess(word, initial)[0][0]

    def plain(self, tree: Tree) -> Tree:
        """A tree over symbols with the treebank's labels."""
        (below,) = tree.children
        assert isinstance(below, Tree)
        return unbinarize(below)


def rules_of_root(rules: Counter) -> list[tuple[str, int]]:
    """The labels of roots, and how often each came."""
    return [(base_label(str(rhs[0])), n) for (lhs, rhs), n in rules.items() if lhs == START]


@dataclass(frozen=True, eq=False)
class WrittenModel:
    """A hand-written grammar: its own words, its own symbols as labels."""

    grammar: CompiledGrammar
    root: str

    @property
    def words(self) -> Container[str]:
        """The words of the grammar."""
        return self.grammar.words

    def lexical(self, words: Sequence[str]) -> list[tuple[np.ndarray, np.ndarray]]:
        """As of `TreebankModel`; a word that the grammar lacks has no symbol."""
        return self.grammar.lexical(words)

    def tag(self, word: str, initial: bool) -> str:
        """The symbol that gives the word the greatest probability; `NO_TAG` for a word that the grammar lacks."""
        (symbols, values), shown = self.grammar.lexical([word])[0], self.grammar.kind == PLAIN
        found = [(-value, self.grammar.symbols[s]) for s, value in zip(symbols, values, strict=True) if shown[s]]
        return min(found)[1] if found else NO_TAG

    def plain(self, tree: Tree) -> Tree:
        """The tree as it is."""
        return tree


def flat_tree(model: TreebankModel | WrittenModel, words: list[str]) -> Tree | None:
    """Words under their likeliest tags, under the likeliest root; None for no words."""
    if not words:
        return None
    return Tree(model.root, [Tree(model.tag(word, i == 0), [word]) for i, word in enumerate(words)])
