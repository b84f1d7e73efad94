r"""Trees with at most two children a node, for a chart parser, and back: the exact inverse for every label.

The label X of a node and its context become one grammar symbol:

    X          a node with one or two children, or a preterminal
    X^P        with its parent P                              vertical=2
    X^P^G      with its parent P and its parent's parent G    vertical=3
    X+Y        X over Y alone, made one node                  unaries="collapse"
    X^P|A|B    an intermediate node: a part of X that holds at least two of its children, and goes on with A, B

A node with more children is split so that each intermediate node holds the rest of them. To the right,

    X -> A B C D    becomes    X -> A X|B|C    X|B|C -> B X|C|D    X|C|D -> C D    (horizontal=2)

and to the left, X -> X|B|C D, X|B|C -> X|A|B C, X|A|B -> A B. An intermediate symbol names the next ``horizontal`` of
the children that are still to come, so what it expands to depends on those alone: a Markov process of that order. With
all of them (None) the grammar generates the same right sides as before.

Characters of labels that have a meaning in symbols, ``| ^ +``, quotes, brackets and blanks, are written as ``\xHH`` in
symbols, so a symbol splits at the first of each and no label is ever mistaken for a context.

Papers: Johnson (1998), "PCFG models of linguistic tree representations"; Klein & Manning (2003), "Accurate
unlexicalized parsing", section 2.
"""

from functools import lru_cache
from typing import Any

from featlearn.grammar.escapes import RESERVED, escape, unescape
from featlearn.grammar.tree import Tree, make_tree
from featlearn.grammar.walks import preorder, take_last
from featlearn.validation import boolean, check_argument, integer, one_of, optional

SYMBOL_RESERVED = RESERVED + "|^+'\""
_RULES = {
    "horizontal": optional(integer(0)),
    "vertical": integer(1),
    "factor": one_of("right", "left"),
    "unaries": one_of("keep", "collapse"),
    "annotate_tags": boolean(),
}


@lru_cache(maxsize=1 << 16)
def symbol_of(label: str) -> str:
    r"""The grammar symbol of a label without any context: reserved characters become ``\xHH``.

    Examples
    --------
    >>> from featlearn.grammar.binarization import symbol_of
    >>> print(symbol_of("NP-SBJ"), symbol_of("ADVP|PRT"))
    NP-SBJ ADVP\x7cPRT
    """
    return escape(label, SYMBOL_RESERVED)


def is_intermediate(symbol: str) -> bool:
    """Whether a symbol stands for a part of a constituent that binarization split.

    Examples
    --------
    >>> from featlearn.grammar.binarization import is_intermediate
    >>> is_intermediate("NP^S|JJ|NN"), is_intermediate("NP^S")
    (True, False)
    """
    return "|" in symbol


@lru_cache(maxsize=1 << 16)
def labels_of(symbol: str) -> tuple[str, ...]:
    """The treebank's labels in a symbol, from the top of a chain of unaries down; one, but for collapsed chains.

    Examples
    --------
    >>> from featlearn.grammar.binarization import labels_of
    >>> labels_of("S+VP^TOP|NP"), labels_of("NP^S")
    (('S', 'VP'), ('NP',))
    """
    chain = symbol.partition("|")[0].partition("^")[0]
    return tuple(unescape(label) for label in chain.split("+"))


def base_label(symbol: str) -> str:
    r"""The treebank's label of a symbol, without context; the topmost label of a chain of collapsed unaries.

    Examples
    --------
    >>> from featlearn.grammar.binarization import base_label
    >>> base_label("NP^S|JJ|NN"), base_label("S+VP^TOP"), base_label(r"ADVP\x7cPRT^VP")
    ('NP', 'S', 'ADVP|PRT')
    """
    return labels_of(symbol)[0]


def binarize(
    tree: Tree,
    *,
    horizontal: int | None = 2,
    vertical: int = 1,
    factor: str = "right",
    unaries: str = "keep",
    annotate_tags: bool = False,
) -> Tree:
    """The tree with at most two children a node, labeled by grammar symbols; the tree given is not changed.

    Parameters
    ----------
    tree : Tree
        A tree of a treebank.
    horizontal : int or None, default=2
        How many of the children to come an intermediate symbol names, at least 0; None names them all.
    vertical : int, default=1
        Labels on the way up that a symbol holds, its own included: 2 adds the parent, 3 the parent's parent too.
    factor : {"right", "left"}, default="right"
        Whether the first or the last child is split off first.
    unaries : {"keep", "collapse"}, default="keep"
        "collapse" makes one node of a chain of trees over a single tree, so that only words stand alone under a
        symbol: Chomsky normal form.
    annotate_tags : bool, default=False
        Whether preterminals are given their parents as phrases are.

    Returns
    -------
    tree : Tree
        The binarized tree; `unbinarize` gives back the one passed.

    Raises
    ------
    ValueError
        If a parameter is out of range.
    TypeError
        If it is no Tree.

    Examples
    --------
    >>> from featlearn.grammar.brackets import parse_tree
    >>> from featlearn.grammar.binarization import binarize, unbinarize
    >>> tree = parse_tree("(S (NP (DT the) (JJ old) (JJ brown) (NN dog)) (VP (VBD slept)))")
    >>> print(binarize(tree, horizontal=1, vertical=2).pretty())
    (S
      (NP^S
        (DT the)
        (NP^S|JJ
          (JJ old)
          (NP^S|JJ (JJ brown) (NN dog))))
      (VP^S (VBD slept)))
    >>> unbinarize(binarize(tree)) == tree
    True
    """
    given = {"horizontal": horizontal, "vertical": vertical, "factor": factor}
    for name, value in (given | {"unaries": unaries, "annotate_tags": annotate_tags}).items():
        check_argument("binarize", name, value, _RULES[name])
    if not isinstance(tree, Tree):
        raise TypeError(f"binarize takes a Tree; got a {type(tree).__name__}. Brackets are read by parse_tree.")
    collapse, right = unaries == "collapse", factor == "right"
    order = _symbols(tree, vertical, collapse, annotate_tags)
    values: list[Any] = []  # (node, its symbol without parents) of the nodes whose parent is still to come
    for node, symbol, name in reversed(order):
        if not symbol:  # ready as it is
            values.append((node, name))
            continue
        pairs = take_last(values, len(node.children))
        values.append((_split(symbol, pairs, horizontal, right), name))
    return values[0][0]


def _symbols(tree, vertical, collapse, annotate_tags):
    """(node, its symbol, the symbol without parents) in preorder; "" for the symbol of what is ready as it is.

    Of a collapsed chain the lowest node is there, and words below preterminals are not.
    """
    order: list[tuple[Any, str, str]] = []
    stack: list[tuple[Any, str]] = [(tree, "")]
    while stack:
        node, above = stack.pop()  # above: "^P^G" for parent P and its parent G
        if isinstance(node, str):
            order.append((node, "", symbol_of(node)))
            continue
        below = name = symbol_of(node.label)
        parents, children = above, node.children
        while collapse and len(children) == 1 and not isinstance(children[0], str):
            above = _upward(below, above, vertical)
            node = children[0]
            children = node.children
            below = symbol_of(node.label)
            name = f"{name}+{below}"
        if len(children) == 1 and isinstance(children[0], str):
            symbol = name + parents if annotate_tags else name
            order.append((node if symbol == node.label else make_tree(symbol, children), "", name))
            continue
        order.append((node, name + parents, name))
        above = _upward(below, above, vertical)
        stack.extend([(child, above) for child in children[::-1]])
    return order


def _upward(name, above, vertical):
    """What the children of a node named ``name`` hold of the way up: the last ``vertical - 1`` labels."""
    if vertical == 1:
        return ""
    kept = above.split("^")[1 : vertical - 1]
    return "^" + "^".join([name, *kept])


def _split(symbol, pairs, horizontal, right):
    """A node of at most two children, out of those (child, name)."""
    children = [child for child, _ in pairs]
    if len(children) <= 2:
        return make_tree(symbol, tuple(children))
    names = [name for _, name in pairs]
    n = len(children)
    far = n if horizontal is None else horizontal
    if right:
        node = children[-1]
        for i in range(n - 2, 0, -1):
            node = make_tree(f"{symbol}|{'|'.join(names[i : i + far])}", (children[i], node))
        return make_tree(symbol, (children[0], node))
    node = children[0]
    for i in range(1, n - 1):
        node = make_tree(f"{symbol}|{'|'.join(names[max(0, i + 1 - far) : i + 1])}", (node, children[i]))
    return make_tree(symbol, (node, children[-1]))


def unbinarize(tree: Tree) -> Tree:
    """The tree of the treebank of which `binarize` made this one, whatever its parameters were.

    Parameters
    ----------
    tree : Tree
        Labeled by grammar symbols: from `binarize`, or from a parser whose grammar was learned from such trees.

    Returns
    -------
    tree : Tree

    Raises
    ------
    ValueError
        If the root is an intermediate symbol, which is no constituent.
    TypeError
        If it is no Tree.

    Examples
    --------
    >>> from featlearn.grammar.binarization import unbinarize
    >>> from featlearn.grammar.brackets import parse_tree
    >>> unbinarize(parse_tree("(NP^S (DT the) (NP^S|JJ (JJ old) (NN dog)))"))
    (NP (DT the) (JJ old) (NN dog))
    """
    if not isinstance(tree, Tree):
        raise TypeError(f"unbinarize takes a Tree; got a {type(tree).__name__}. Brackets are read by parse_tree.")
    if is_intermediate(tree.label):
        raise ValueError(f"The root {tree.label!r} is an intermediate symbol, a part of a {base_label(tree.label)!r}.")
    values: list[Any] = []  # nodes; a run of nodes, the last first, for an intermediate
    for node in reversed(preorder(tree)):
        if isinstance(node, str):
            values.append(node)
            continue
        children: list[Tree | str] = []
        for value in take_last(values, len(node.children)):
            children += value if isinstance(value, list) else (value,)
        if is_intermediate(node.label):
            values.append(children)
            continue
        chain = labels_of(node.label)
        if node.is_preterminal and chain == (node.label,):
            values.append(node)
            continue
        made: Any = tuple(children)
        for label in reversed(chain):
            made = (make_tree(label, made),)
        values.append(made[0])
    return values[0]
