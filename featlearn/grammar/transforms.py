r"""What is done to the trees of a treebank before a grammar is learned from them: named functions of a tree.

Each takes a tree and gives another; the one given never changes. Those that take words away give None where nothing is
left. `transform` chains them over many trees, dropping those of which nothing is left.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import lru_cache
from operator import is_

from featlearn.grammar.escapes import escape, unescape
from featlearn.grammar.tree import Tree, make_tree
from featlearn.grammar.walks import fold

TRACE = "-NONE-"
# The tags that evalb deletes; brackets, dollars and hyphens are words to it.
PUNCTUATION = frozenset([",", ".", ":", "``", "''", "?", "!"])
ROOTS = frozenset(["TOP", "ROOT", "S1"])
# How the Penn Treebank writes brackets and slashes in words.
PLAIN_WORDS = {"-LRB-": "(", "-RRB-": ")", "-LCB-": "{", "-RCB-": "}", "-LSB-": "[", "-RSB-": "]"}
_WRITTEN = {plain: written for written, plain in PLAIN_WORDS.items()}


def transform(trees: Iterable[Tree], *steps: Callable[[Tree], Tree | None]) -> Iterator[Tree]:
    """Each tree after all steps in order, as it is asked for; without the trees of which nothing is left.

    Examples
    --------
    >>> from featlearn.grammar.brackets import parse_trees
    >>> from featlearn.grammar.transforms import remove_traces, strip_functions, transform
    >>> trees = parse_trees("(NP (-NONE- *)) (S (NP-SBJ (-NONE- *)) (VP (VB go)))")
    >>> list(transform(trees, remove_traces, strip_functions))
    [(S (VP (VB go)))]
    """
    for tree in trees:
        left: Tree | None = tree
        for step in steps:
            left = step(left) if left is not None else None
        if left is not None:
            yield left


def remove_traces(tree: Tree) -> Tree | None:
    """Without traces (the preterminals -NONE-) and without the trees that they leave empty; None if nothing is left.

    Examples
    --------
    >>> from featlearn.grammar.brackets import parse_tree
    >>> from featlearn.grammar.transforms import remove_traces
    >>> remove_traces(parse_tree("(S (NP-SBJ (-NONE- *-1)) (VP (VB go)))"))
    (S (VP (VB go)))
    """
    return remove_tags(tree, (TRACE,))


def remove_punctuation(tree: Tree) -> Tree | None:
    """Without the words tagged as punctuation (`PUNCTUATION`, evalb's list), and what they leave empty.

    Examples
    --------
    >>> from featlearn.grammar.brackets import parse_tree
    >>> from featlearn.grammar.transforms import remove_punctuation
    >>> remove_punctuation(parse_tree("(S (VP (VB go)) (. !))"))
    (S (VP (VB go)))
    """
    return remove_tags(tree, PUNCTUATION)


def remove_tags(tree: Tree, tags: Collection[str]) -> Tree | None:
    """Without the preterminals so labeled and the trees that they leave empty; None if nothing is left."""

    def keep(node, children):
        if node.label in tags and node.is_preterminal:
            return None
        left = [child for child in children if child is not None]
        return _renewed(node, node.label, left) if left else None

    return fold(tree, keep)


@lru_cache(maxsize=1 << 16)
def strip_function(label: str) -> str:
    """A label without functional tags, indices and features.

    It is what comes before the first ``-``, ``=`` or ``##`` after its first letter.

    Examples
    --------
    >>> from featlearn.grammar.transforms import strip_function
    >>> [strip_function(label) for label in ("NP-SBJ-1", "NP=2", "NP##n=s##", "-NONE-", "-LRB-", "PRP$")]
    ['NP', 'NP', 'NP', '-NONE-', '-LRB-', 'PRP$']
    """
    if label[0] in "-=":
        return label
    plain = label.partition("-")[0].partition("=")[0]
    return label[0] + plain[1:].partition("##")[0] if "##" in plain else plain  # the features of SPMRL's treebanks


def strip_functions(tree: Tree) -> Tree:
    """With every label as `strip_function` leaves it.

    Examples
    --------
    >>> from featlearn.grammar.brackets import parse_tree
    >>> from featlearn.grammar.transforms import strip_functions
    >>> strip_functions(parse_tree("(S (NP-SBJ-1 (PRP I)) (PRN (-LRB- -LRB-)))"))
    (S (NP (PRP I)) (PRN (-LRB- -LRB-)))
    """
    return map_labels(tree, strip_function)


def map_labels(tree: Tree, f: Callable[[str], str]) -> Tree:
    """With ``f(label)`` for every label.

    Examples
    --------
    >>> from featlearn.grammar.brackets import parse_tree
    >>> from featlearn.grammar.transforms import map_labels
    >>> map_labels(parse_tree("(NP (DT the) (NN man))"), str.lower)
    (np (dt the) (nn man))
    """
    return fold(tree, lambda node, children: _renewed(node, _checked(f(node.label), "label"), children))


def map_words(tree: Tree, f: Callable[[str], str]) -> Tree:
    """With ``f(word)`` for every word; ``map_words(tree, str.lower)``, for instance.

    Examples
    --------
    >>> from featlearn.grammar.brackets import parse_tree
    >>> from featlearn.grammar.transforms import map_words
    >>> map_words(parse_tree("(NP (DT The) (NN man))"), str.lower)
    (NP (DT the) (NN man))
    """
    return fold(
        tree, lambda node, children: _renewed(node, node.label, children), lambda word: _checked(f(word), "word")
    )


def replace_words(tree: Tree, words: Iterable[str]) -> Tree:
    """With other words in the place of its own, as many.

    Raises
    ------
    ValueError
        If there are more or fewer words than the tree has.

    Examples
    --------
    >>> from featlearn.grammar.brackets import parse_tree
    >>> from featlearn.grammar.transforms import replace_words
    >>> replace_words(parse_tree("(NP (DT the) (NN man))"), ["a", "dog"])
    (NP (DT a) (NN dog))
    """
    left = list(words)
    if len(left) != len(tree):
        raise ValueError(f"The tree has {len(tree)} words, and {len(left)} were given; pass as many.")
    return map_words(tree, lambda _: left.pop())  # fold goes from the last word to the first


def plain_words(tree: Tree) -> Tree:
    r"""With plain text for what the Penn Treebank writes otherwise in words: ``( { /`` for ``-LRB- -LCB- \/``.

    Examples
    --------
    >>> from featlearn.grammar.brackets import parse_tree
    >>> from featlearn.grammar.transforms import plain_words
    >>> plain_words(parse_tree(r"(NP (-LRB- -LRB-) (CD 1\/2) (-RRB- -RRB-))")).words()
    ['(', '1/2', ')']
    """
    return map_words(tree, lambda word: PLAIN_WORDS.get(word) or word.replace("\\/", "/").replace("\\*", "*"))


def treebank_words(tree: Tree) -> Tree:
    r"""With brackets, ``/`` and ``*`` in words as the Penn Treebank writes them; undone by `plain_words`.

    Examples
    --------
    >>> from featlearn.grammar.transforms import treebank_words
    >>> from featlearn.grammar.tree import Tree
    >>> treebank_words(Tree("-LRB-", ["("]))
    (-LRB- -LRB-)
    """
    return map_words(tree, lambda word: _WRITTEN.get(word) or word.replace("/", "\\/").replace("*", "\\*"))


def add_root(tree: Tree, label: str = "TOP") -> Tree:
    """Below a root of this label; the tree itself if its root has it.

    Examples
    --------
    >>> from featlearn.grammar.brackets import parse_tree
    >>> from featlearn.grammar.transforms import add_root
    >>> add_root(parse_tree("(S (VP (VB go)))"))
    (TOP (S (VP (VB go))))
    """
    return tree if tree.label == label else Tree(label, [tree])


def strip_root(tree: Tree, labels: Collection[str] = ROOTS) -> Tree:
    """The only tree below a root that has one of these labels; the tree itself if it has none or several.

    Examples
    --------
    >>> from featlearn.grammar.brackets import parse_tree
    >>> from featlearn.grammar.transforms import strip_root
    >>> strip_root(parse_tree("( (S (VP (VB go))) )"))
    (S (VP (VB go)))
    """
    only = tree.children[0]
    return only if tree.label in labels and len(tree.children) == 1 and not isinstance(only, str) else tree


def collapse_unaries(tree: Tree, tags: bool = False) -> Tree:
    r"""With one node ``A+B`` for a tree A that holds the tree B alone; `expand_unaries` is the exact inverse.

    A ``+`` in a label becomes ``\x2b``.

    Parameters
    ----------
    tree : Tree
        The tree.
    tags : bool, default=False
        Whether preterminals are joined with what is above them too.

    Examples
    --------
    >>> from featlearn.grammar.brackets import parse_tree
    >>> from featlearn.grammar.transforms import collapse_unaries
    >>> tree = parse_tree("(TOP (S (VP (VB go))))")
    >>> collapse_unaries(tree), collapse_unaries(tree, tags=True)
    ((TOP+S+VP (VB go)), (TOP+S+VP+VB go))
    """

    def join(node, children):
        label, only = escape(node.label, "+"), node.children[0]
        if len(children) == 1 and not isinstance(only, str) and (tags or not only.is_preterminal):
            return make_tree(f"{label}+{children[0].label}", children[0].children)
        return _renewed(node, label, children)

    return fold(tree, join)


def expand_unaries(tree: Tree) -> Tree:
    """The tree of which `collapse_unaries` made this one.

    Examples
    --------
    >>> from featlearn.grammar.brackets import parse_tree
    >>> from featlearn.grammar.transforms import expand_unaries
    >>> expand_unaries(parse_tree("(TOP+S+VP (VB go))"))
    (TOP (S (VP (VB go))))
    """

    def expand(node, children):
        made = children
        for label in reversed(node.label.split("+")):
            made = [make_tree(unescape(label), tuple(made))]
        return made[0]

    return fold(tree, expand)


def _renewed(node, label, children):
    """A node with this label over these children: the one given if it is so already."""
    if label == node.label and len(children) == len(node.children) and all(map(is_, children, node.children)):
        return node
    return make_tree(label, tuple(children))


def _checked(text, what):
    if not isinstance(text, str) or not text:
        raise ValueError(f"A {what} must be a str that is not empty; the function gave {text!r}.")
    return text
