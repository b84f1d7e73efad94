"""Sentences and trees as parsers take them: strings or lists of words, `Tree` or brackets."""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence, Set
from functools import partial
from typing import Any

import numpy as np

from featlearn.grammar.brackets import parse_tree
from featlearn.grammar.tree import Tree
from featlearn.grammar.walks import kind_of
from featlearn.grammar.words import sentence_words


def as_words(sentence: Any, which: str = "The sentence", cut: Callable[[str], list[str]] = str.split) -> list[str]:
    """A sentence as words: ``cut`` parts a string into them, a sequence of words is taken as it is."""
    if isinstance(sentence, Tree) or not isinstance(sentence, (str, Sequence, np.ndarray)):
        raise TypeError(f"{which} is a {type(sentence).__name__}; pass a string, or a list of its words.")
    words = cut(sentence) if isinstance(sentence, str) else sentence
    if isinstance(words, str) or not isinstance(words, (Sequence, np.ndarray)):
        raise TypeError(f"The tokenizer makes a {type(words).__name__} of a sentence; it must give a list of words.")
    words = list(words)
    for word in words:
        if not isinstance(word, str) or not word:
            raise TypeError(f"{which} holds {word!r}, which is no word; pass a string, or a list of words.")
    return words


def require_list(X: Any) -> None:
    """Refuse what is no list of sentences, such as one of them, or a table, which would be read by its names."""
    if isinstance(X, str) or not isinstance(X, Iterable):
        raise TypeError(f"Pass a list of sentences; got a {type(X).__name__}. Put a single sentence into a list.")
    if isinstance(X, (Mapping, Set)) or hasattr(X, "columns") or getattr(X, "ndim", 1) > 2:
        raise TypeError(f"Pass a list of sentences; got a {type(X).__name__}. Pass the column of sentences.")


def as_sentences(X: Any, cut: Callable[[str], list[str]] = str.split) -> list[list[str]]:
    """Sentences as lists of words."""
    require_list(X)
    return [as_words(sentence, f"Sentence {i}", cut) for i, sentence in enumerate(X)]


def sentences_of(X: Any, trees: Sequence[Tree], tokenizer: Any) -> list[list[str]]:
    """Sentences that have trees, as words; strings are cut with regard to the words of their trees."""
    require_list(X)
    sentences = list(X)
    if len(sentences) != len(trees):
        raise ValueError(f"There are {len(sentences)} sentences and {len(trees)} trees; pass a tree for each sentence.")
    return [
        as_words(sentence, f"Sentence {i}", cutter(tokenizer, frozenset(tree.words())))
        for i, (sentence, tree) in enumerate(zip(sentences, trees, strict=True))
    ]


def cutter(tokenizer: Any, known: Container[str]) -> Callable[[str], list[str]]:
    """What parts a string into words: that of ``tokenizer``, which is "treebank", "blanks" or a callable."""
    if tokenizer == "treebank":
        return partial(sentence_words, known=known)
    return str.split if tokenizer == "blanks" else tokenizer


def as_tree(tree: Any, which: str) -> Tree:
    """A Tree, or one in brackets."""
    if isinstance(tree, str):
        try:
            return parse_tree(tree)
        except ValueError as error:
            raise ValueError(f"{which} is no tree in brackets: {error}") from error
    if not isinstance(tree, Tree):
        kind = type(tree)
        if kind_of(tree).startswith("nltk."):
            name = f"{kind.__module__}.{kind.__name__}"
            raise TypeError(f"{which} is a {name}; make it one of ours: Tree.from_nltk(tree).")
        raise TypeError(f"{which} is a {kind.__name__}; pass a Tree, or a string in brackets.")
    return tree


def as_trees(trees: Any) -> list[Tree]:
    """Trees, given as such or in brackets."""
    if isinstance(trees, (str, Tree)) or not isinstance(trees, Iterable) or kind_of(trees).startswith("nltk."):
        cure = "Put a single tree into a list; of a generator of them pass list(trees); a stream gives lists."
        if isinstance(trees, str) and "(" not in trees:
            cure = "Trees of a file are list(read_trees(path))."
        raise TypeError(f"Pass a list of trees; got a {kind_of(trees)}. {cure}")
    return [as_tree(tree, f"Tree {i}") for i, tree in enumerate(trees)]


def same_words(sentences: Sequence[Sequence[str]], trees: Sequence[Tree]) -> None:
    """Refuse a tree over other words than its sentence has."""
    for i, (words, tree) in enumerate(zip(sentences, trees, strict=True)):
        leaves = tree.words()
        if leaves != words:
            raise ValueError(
                f"Sentence {i} and its tree have other words: {' '.join(words)[:60]!r} ({len(words)} words) and "
                f"{' '.join(leaves)[:60]!r} ({len(leaves)}). Remove traces from trees, and words from neither."
            )
