"""Walks over trees on a stack of their own, not Python's: any depth will do."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar


class Node(Protocol):
    """What can be walked and drawn: a label over nodes and words. A `Tree` is one."""

    @property
    def label(self) -> str:
        """The label."""

    @property
    def children(self) -> "tuple[Node | str, ...]":
        """The children, left to right."""

    @property
    def is_preterminal(self) -> bool:
        """Whether the only child is a word."""


T = TypeVar("T", bound=Node)


def preorder(tree: T) -> "list[T | str]":
    """All trees and words of a tree: each before its children, left to right."""
    order: list[Any] = []
    stack: list[Any] = [tree]
    while stack:
        node = stack.pop()
        order.append(node)
        if not isinstance(node, str):
            stack.extend(node.children[::-1])
    return order


def fold(tree: T, combine: Callable[[T, list], Any], leaf: Callable[[str], Any] | None = None) -> Any:
    """``combine(node, values of its children)`` from the words up; the value of the root.

    Parameters
    ----------
    tree : Tree
        The tree.
    combine : callable
        Gives the value of a tree from it and the list of its children's values.
    leaf : callable or None, default=None
        Gives the value of a word; None takes the word itself.

    Examples
    --------
    >>> from featlearn.grammar.brackets import parse_tree
    >>> from featlearn.grammar.walks import fold
    >>> fold(parse_tree("(S (NP (PRP I)) (VP (VBP sleep)))"), lambda tree, sizes: 1 + sum(sizes), lambda word: 0)
    5
    """
    if isinstance(tree, str) or not hasattr(tree, "children"):
        raise TypeError(f"Pass a Tree; got {str(tree)[:40]!r} of type {kind_of(tree)}.")
    values: list[Any] = []
    for node in reversed(preorder(tree)):  # children come before their parent, the rightmost first
        if isinstance(node, str):
            values.append(node if leaf is None else leaf(node))
        else:
            values.append(combine(node, take_last(values, len(node.children))))
    return values[0]


def take_last(values: list, n: int) -> list:
    """Take the last ``n`` values away from a list, the last first."""
    if n == 1:
        return [values.pop()]
    taken = values[: -n - 1 : -1]
    del values[-n:]
    return taken


def kind_of(value: Any) -> str:
    """The name of a value's type for messages; of NLTK's trees also how they become ours."""
    kind = type(value)
    if any(base.__name__ == "Tree" and base.__module__.partition(".")[0] == "nltk" for base in kind.__mro__):
        return f"nltk.{kind.__name__} (Tree.from_nltk makes one of ours)"
    return kind.__name__
