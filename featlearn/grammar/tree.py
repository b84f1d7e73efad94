r"""Trees: a label over children, which are trees or words.

A tree never changes once it is made, so trees can be shared, hashed and handed to threads. Every walk here uses a stack
of its own and not Python's, so a tree nested 10,000 deep is as welcome as any other.

Written in brackets, a tree is ``(S (NP (PRP I)) (VP (VBP sleep)))``. What brackets cannot hold (parentheses, blanks) is
written as ``\xHH``, with the hexadecimal code of the character, and an ideographic space as ``\u3000``: see
``featlearn.grammar.escapes``.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from featlearn.grammar.drawing import draw
from featlearn.grammar.escapes import escape
from featlearn.grammar.walks import fold, kind_of, preorder, take_last

DEEPEST_INDENT = 60  # columns: the lines of a deep tree would otherwise grow without end


class Tree:
    r"""A label over at least one child; a child is a tree or a word.

    A tree over a single word, ``Tree("NN", ["dog"])``, is a preterminal, and its label the word's tag. Trees are
    immutable, compare by value and hash.

    Parameters
    ----------
    label : str
        Not empty; any characters.
    children : iterable of Tree or str
        At least one. Words are not empty.

    Attributes
    ----------
    label : str
        The label.
    children : tuple of Tree or str
        The children, left to right.

    Raises
    ------
    TypeError
        If the label is no str, or a child neither a tree nor a str.
    ValueError
        If the label or a word is empty, or there is no child.

    See Also
    --------
    read_trees, write_trees : Files of them.
    TreeDisplay, tree_svg : Pictures of them.

    Examples
    --------
    >>> from featlearn.grammar.tree import Tree
    >>> tree = Tree("S", [Tree("NP", [Tree("PRP", ["I"])]), Tree("VP", [Tree("VBP", ["sleep"])])])
    >>> tree
    (S (NP (PRP I)) (VP (VBP sleep)))
    >>> tree.words(), tree.tags(), len(tree), tree.height()
    (['I', 'sleep'], ['PRP', 'VBP'], 2, 3)
    >>> tree.spans()
    [('S', 0, 2), ('NP', 0, 1), ('VP', 1, 2)]
    """

    __slots__ = ("children", "label")
    label: str
    children: "tuple[Tree | str, ...]"

    def __init__(self, label: str, children: "Iterable[Tree | str]"):
        if not isinstance(label, str):
            raise TypeError(f"The label of a tree must be a str; got {label!r} of type {type(label).__name__}.")
        if not label:
            raise ValueError("The label of a tree must not be empty; pass a name, such as 'TOP' for a root.")
        if isinstance(children, (str, Tree)):
            raise TypeError(
                f"The children of {label!r} must be a list or tuple; got a single {type(children).__name__}. "
                "Put it into a list."
            )
        children = tuple(children)
        if not children:
            raise ValueError(f"The tree {label!r} has no children; pass at least one word or tree.")
        for child in children:
            if isinstance(child, str):
                if not child:
                    raise ValueError(f"A word under {label!r} is empty; leave it out or give it characters.")
            elif not isinstance(child, Tree):
                raise TypeError(
                    f"A child of {label!r} must be a Tree or a str; got {child!r} of type {kind_of(child)}."
                )
        _set_label(self, label)
        _set_children(self, children)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"A Tree is immutable, so {name!r} cannot be set; make a new Tree.")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"A Tree is immutable, so {name!r} cannot be deleted; make a new Tree.")

    # ---- words and parts -------------------------------------------------------------------------------------------

    @property
    def is_preterminal(self) -> bool:
        """Whether the only child is a word."""
        return len(self.children) == 1 and isinstance(self.children[0], str)

    def words(self) -> list[str]:
        """The words, left to right."""
        return [node for node in preorder(self) if isinstance(node, str)]

    def tags(self) -> list[str]:
        """The label right above each word, left to right."""
        found: list[str] = []
        stack: list[tuple[Tree | str, str]] = [(self, "")]
        while stack:
            node, above = stack.pop()
            if isinstance(node, str):
                found.append(above)
            else:
                stack.extend((child, node.label) for child in reversed(node.children))
        return found

    def preterminals(self) -> "Iterator[Tree]":
        """The trees over a single word, left to right."""
        return (tree for tree in self.subtrees() if tree.is_preterminal)

    def subtrees(self) -> "Iterator[Tree]":
        """The tree itself and all trees in it: each before its children, left to right."""
        stack: list[Tree] = [self]
        while stack:
            tree = stack.pop()
            yield tree
            stack.extend(child for child in reversed(tree.children) if not isinstance(child, str))

    def productions(self) -> "list[tuple[str, tuple[str, ...]]]":
        """The rules (left side, right side) of the tree and all trees in it, as `subtrees` orders them.

        A word stands in a right side as itself, and so does a label; `is_preterminal` tells the lexical rules apart.

        Examples
        --------
        >>> from featlearn.grammar.tree import Tree
        >>> Tree("NP", [Tree("DT", ["the"]), Tree("NN", ["man"])]).productions()
        [('NP', ('DT', 'NN')), ('DT', ('the',)), ('NN', ('man',))]
        """
        return [
            (tree.label, tuple(child if isinstance(child, str) else child.label for child in tree.children))
            for tree in self.subtrees()
        ]

    def spans(self, preterminals: bool = False) -> list[tuple[str, int, int]]:
        """(label, start, end) of the constituents, as `subtrees` orders them; words start to end - 1 are under it.

        Parameters
        ----------
        preterminals : bool, default=False
            Whether preterminals are among them.
        """
        order = preorder(self)
        widths: list[int] = []  # of the subtrees whose parent is still to come, the leftmost last
        width_of = [1] * len(order)
        for i in range(len(order) - 1, -1, -1):
            node = order[i]
            if not isinstance(node, str):
                width_of[i] = sum(widths.pop() for _ in node.children)
            widths.append(width_of[i])
        found, start = [], 0
        for node, width in zip(order, width_of):
            if isinstance(node, str):
                start += 1
            elif preterminals or not node.is_preterminal:
                found.append((node.label, start, start + width))
        return found

    def height(self) -> int:
        """Steps from the root down to the deepest word; 1 for a preterminal."""
        return fold(self, lambda _, heights: 1 + max(heights), lambda _: 0)

    def __len__(self) -> int:
        """The number of words."""
        return len(self.words())

    # ---- value -----------------------------------------------------------------------------------------------------

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, Tree):
            return NotImplemented
        stack = [(self, other)]
        while stack:
            one, two = stack.pop()
            if one is two:
                continue
            if one.label != two.label or len(one.children) != len(two.children):
                return False
            for a, b in zip(one.children, two.children):
                if isinstance(a, Tree) and isinstance(b, Tree):
                    stack.append((a, b))
                elif a != b:  # two words, or a word and a tree
                    return False
        return True

    def __hash__(self) -> int:
        return hash(_flat(self))

    def __reduce__(self):
        return _from_flat, _flat(self)

    def __copy__(self) -> "Tree":
        return self

    def __deepcopy__(self, memo: dict) -> "Tree":
        return self

    # ---- text ------------------------------------------------------------------------------------------------------

    def __str__(self) -> str:
        parts: list[str] = []
        stack: list[Tree | str] = [self]
        while stack:
            node = stack.pop()
            if isinstance(node, str):  # a closing bracket, or a word that is ready to be written
                parts.append(node)
            elif node.is_preterminal:
                parts.append(f" ({escape(node.label)} {escape(node.children[0])})")
            else:
                parts.append(f" ({escape(node.label)}")
                stack.append(")")
                stack.extend(f" {escape(c)}" if isinstance(c, str) else c for c in reversed(node.children))
        return "".join(parts)[1:]

    __repr__ = __str__

    def pretty(self, indent: int = 2) -> str:
        """The tree in brackets on many lines, a child to a line; phrases whose children are all tags take one.

        Parameters
        ----------
        indent : int, default=2
            Blanks before a child, more than those before its parent; lines start within the first 60 columns.

        Examples
        --------
        >>> from featlearn.grammar.brackets import parse_tree
        >>> print(parse_tree("(S (NP (DT the) (NN man)) (VP (VBD saw) (NP (PRP me))))").pretty())
        (S
          (NP (DT the) (NN man))
          (VP
            (VBD saw)
            (NP (PRP me))))
        """
        parts: list[str] = []
        stack: list[tuple[Tree | str, int]] = [(self, 0)]
        while stack:
            node, depth = stack.pop()
            if depth < 0:  # a closing bracket
                parts.append(")")
                continue
            parts.append("\n" + " " * min(indent * depth, DEEPEST_INDENT))
            if isinstance(node, str):
                parts.append(escape(node))
            elif all(isinstance(child, str) or child.is_preterminal for child in node.children):
                parts.append(str(node))
            else:
                parts.append(f"({escape(node.label)}")
                stack.append((")", -1))
                stack.extend((child, depth + 1) for child in reversed(node.children))
        return "".join(parts)[1:]

    def ascii(self, width: int = 100) -> str:
        """A drawing for a terminal: from the root down, or as an outline where that is wider than ``width``.

        Parameters
        ----------
        width : int, default=100
            Columns of the terminal.

        Examples
        --------
        >>> from featlearn.grammar.brackets import parse_tree
        >>> tree = parse_tree("(S (NP (DT the) (NN man)) (VP (VBD slept)))")
        >>> print(tree.ascii())
              S
           ___|____
          NP     VP
         __|__    |
        DT  NN   VBD
         |   |    |
        the man slept
        >>> print(tree.ascii(width=10))
        S
        |-- NP
        |   |-- DT the
        |   `-- NN man
        `-- VP
            `-- VBD slept
        """
        return draw(self, width)

    # ---- NLTK ------------------------------------------------------------------------------------------------------

    def to_nltk(self) -> Any:
        """The same tree as an ``nltk.Tree``.

        Raises
        ------
        ImportError
            If nltk is missing.
        """
        nltk = _nltk("to_nltk")
        return fold(self, lambda tree, children: nltk.Tree(tree.label, children))

    @classmethod
    def from_nltk(cls, tree: Any) -> "Tree":
        """The same tree as an ``nltk.Tree``; labels and words become str.

        Raises
        ------
        ImportError
            If nltk is missing.
        TypeError
            If it is no ``nltk.Tree``, or a word is no str.
        """
        nltk = _nltk("from_nltk")
        if not isinstance(tree, nltk.Tree):
            raise TypeError(f"Tree.from_nltk takes an nltk.Tree; got a {type(tree).__name__}.")
        order, stack = [], [tree]
        while stack:
            node = stack.pop()
            order.append(node)
            if isinstance(node, nltk.Tree):
                stack.extend(reversed(node))
        values: list[Any] = []
        for node in reversed(order):
            if isinstance(node, nltk.Tree):
                node = cls(str(node.label()), [values.pop() for _ in node])
            values.append(node)
        return values[0]


_set_label = Tree.__dict__["label"].__set__
_set_children = Tree.__dict__["children"].__set__


def make_tree(label: str, children: "tuple[Tree | str, ...]") -> Tree:
    """A tree without the checks of `Tree`, three times as fast: for labels and children known to be right."""
    tree = Tree.__new__(Tree)
    _set_label(tree, label)
    _set_children(tree, children)
    return tree


def _flat(tree):
    """Labels and words in preorder, and how many children each has; 0 for a word."""
    order = preorder(tree)
    symbols = tuple(node if isinstance(node, str) else node.label for node in order)
    return symbols, tuple(0 if isinstance(node, str) else len(node.children) for node in order)


def _from_flat(symbols, sizes):
    values: list[Any] = []
    for symbol, size in zip(reversed(symbols), reversed(sizes)):
        values.append(make_tree(symbol, tuple(take_last(values, size))) if size else symbol)
    return values[0]


def _nltk(who):
    try:
        import nltk
    except ImportError as error:
        raise ImportError(f"Tree.{who} needs NLTK. Install it with `pip install nltk`.") from error
    return nltk
