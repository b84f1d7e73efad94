"""Splits of treebank symbols by what a node looks like, each a named option: Klein and Manning's, those that pay.

A mark is added to the context of a symbol, where `unbinarize` drops it with the parents: ``NP^S`` becomes
``NP^S^:right_np``.

    verb         a phrase, not a VP, with a verb somewhere below                                     DOMINATES-V
    verb_form    a VP with the tag of its first verb (or TO, MD), finite forms as one                SPLIT-VP
    right_np     a noun phrase with another at its right edge                                        RIGHT-REC-NP
    preposition  the tag IN with the phrase it stands in                                             SPLIT-IN
    auxiliary    verbs that are forms of be, have or do                                              SPLIT-AUX
    conjunction  CC as "but", "&" or another                                                         SPLIT-CC
    unary_tag    determiners and adverbs that are a phrase by themselves                             UNARY-DT, UNARY-RB

Paper: Klein & Manning (2003), "Accurate unlexicalized parsing", sections 2 to 6.
"""

from collections.abc import Collection
from functools import lru_cache, partial
from typing import Any

from featlearn.grammar.tree import Tree, make_tree
from featlearn.grammar.walks import fold

ANNOTATIONS = ("verb", "verb_form", "right_np", "preposition", "auxiliary", "conjunction", "unary_tag")
MARK = "\ue000"  # between a label and its marks, until the tree is binarized
VERBS = frozenset(["VB", "VBD", "VBG", "VBN", "VBP", "VBZ", "MD"])
FINITE = frozenset(["VBD", "VBP", "VBZ", "MD"])
BE = frozenset(["be", "am", "is", "are", "was", "were", "been", "being", "'s", "'m", "'re"])
HAVE = frozenset(["have", "has", "had", "having", "'ve", "'d"])
DO = frozenset(["do", "does", "did", "done", "doing"])


def annotate(tree: Tree, names: Collection[str]) -> Tree:
    """The tree with marks in its labels, for `binarize`; `move_marks` puts them where they belong in its symbols.

    Raises
    ------
    ValueError
        If a label holds the character `MARK`, which marks begin with.
    """
    if not names:
        return tree
    return fold(tree, partial(_annotated, frozenset(names)))[0]


def _annotated(wanted: frozenset, node: Tree, values: list) -> tuple[Any, bool, bool, str]:
    """(new tree, whether a verb is in it, whether an NP is at its right edge, the form of a VP) from its children's."""
    if isinstance(values[0], str):
        return node, _checked(node.label) in VERBS, False, ""
    label, kinds = node.label, [kind for kind in node.children if isinstance(kind, Tree)]
    _checked(label)
    right, form, marks = values[-1][2], "", []
    verb = any(value[1] for value in values)
    if "verb" in wanted and verb and label != "VP":
        marks.append("verb")
    if label == "NP":
        if "right_np" in wanted and right:
            marks.append("right_np")
        right = True
    if label == "VP" and "verb_form" in wanted:
        form = next((kind.label for kind in kinds if kind.label in VERBS or kind.label == "TO"), "")
        if not form:  # VPs in coordination: the form of the first
            form = next((value[3] for value in values if value[3]), "")
        form = "finite" if form in FINITE else form
        marks += [form] if form else []
    children = [_tag(value[0], kind, label, len(kinds), wanted) for value, kind in zip(values, kinds, strict=True)]
    return make_tree(label + "".join(MARK + mark for mark in marks), tuple(children)), verb, right, form


def _checked(label: str) -> str:
    if MARK in label:
        raise ValueError(f"The label {label!r} holds the character U+E000, which annotations need; rename the label.")
    return label


def _tag(child, kind, parent, n_children, wanted):
    """A preterminal with its marks; another tree as it is."""
    if not kind.is_preterminal:
        return child
    tag, word = kind.label, kind.children[0].lower()
    mark = ""
    if tag == "IN" and "preposition" in wanted:
        mark = parent
    elif tag in VERBS and "auxiliary" in wanted:
        mark = "be" if word in BE else "have" if word in HAVE else "do" if word in DO else ""
    elif tag == "CC" and "conjunction" in wanted:
        mark = word if word in ("but", "&") else ""
    elif tag in ("DT", "RB") and "unary_tag" in wanted and n_children == 1:
        mark = "alone"
    return make_tree(f"{tag}{MARK}{mark}", kind.children) if mark else child


@lru_cache(maxsize=1 << 16)
def move_marks(symbol: str) -> str:
    """A symbol that `binarize` made of marked labels: the marks of its own labels as context, others dropped.

    Examples
    --------
    >>> from featlearn.grammar.annotations import MARK, move_marks
    >>> move_marks(f"NP{MARK}right_np^S{MARK}verb|NP{MARK}right_np|PP")
    'NP^S^:right_np|NP|PP'
    """
    if MARK not in symbol:
        return symbol
    name, bar, siblings = symbol.partition("|")
    own, *parents = name.split("^")
    labels, marks = [], []
    for label in own.split("+"):  # several if unary chains are collapsed
        plain, *found = label.split(MARK)
        labels.append(plain)
        marks += [f":{mark}" for mark in found]
    contexts = [parent.partition(MARK)[0] for parent in parents]
    rest = "|".join(_unmarked(sibling) for sibling in siblings.split("|"))
    return "^".join(["+".join(labels), *contexts, *marks]) + bar + rest


def _unmarked(name: str) -> str:
    return "+".join(label.partition(MARK)[0] for label in name.split("+"))
