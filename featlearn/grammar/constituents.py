"""Constituents as features: what a parser sees in a text, counted, for any classifier of sparse rows.

A document is a text of a sentence a line, or trees. Of each of its trees are counted

    label   the labels of its constituents                              label:NP
    rule    the rules at its constituents                               rule:NP -> DT NN
    span    labels with how many words they cover, in steps             span:NP:3-4
    tag     the tags of its words                                       tag:NN
    depth   how deep the tree is, in steps                              depth:5-8

so column c of a document counts how often feature c comes in its trees. Words are no features: combine with a
CountVectorizer in a FeatureUnion.
"""

from collections.abc import Iterable, Iterator
from copy import copy
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from featlearn.fitting import guarded
from featlearn.grammar.tree import Tree
from featlearn.text.vocabulary import count_matrix, learn_vocabulary, share_or_count
from featlearn.validation import has, integer, optional

KINDS = ("label", "rule", "span", "tag", "depth")
STEPS = ((1, "1"), (2, "2"), (4, "3-4"), (8, "5-8"), (16, "9-16"), (32, "17-32"))


def step(n: int) -> str:
    """The step that a number is in: 1, 2, 3-4, 5-8, 9-16, 17-32, 33+.

    Examples
    --------
    >>> from featlearn.grammar.constituents import step
    >>> [step(n) for n in (1, 4, 5, 33)]
    ['1', '3-4', '5-8', '33+']
    """
    return next((name for most, name in STEPS if n <= most), "33+")


def tree_features(tree: Tree, kinds: tuple[str, ...]) -> Iterator[str]:
    """The features of a tree, each as often as it comes.

    Examples
    --------
    >>> from featlearn.grammar.brackets import parse_tree
    >>> from featlearn.grammar.constituents import tree_features
    >>> list(tree_features(parse_tree("(S (NP (PRP I)) (VP (VBP sleep)))"), ("label", "rule")))
    ['label:S', 'label:NP', 'label:VP', 'rule:S -> NP VP', 'rule:NP -> PRP', 'rule:VP -> VBP']
    """
    phrases = [node for node in tree.subtrees() if not node.is_preterminal]
    if "label" in kinds:
        yield from (f"label:{node.label}" for node in phrases)
    if "rule" in kinds:
        for node in phrases:
            right = " ".join(child if isinstance(child, str) else child.label for child in node.children)
            yield f"rule:{node.label} -> {right}"
    if "span" in kinds:
        yield from (f"span:{label}:{step(end - start)}" for label, start, end in tree.spans())
    if "tag" in kinds:
        yield from (f"tag:{tag}" for tag in tree.tags())
    if "depth" in kinds:
        yield f"depth:{step(tree.height())}"


def _kinds(value: Any) -> str | None:
    if isinstance(value, (tuple, list)) and value and all(kind in KINDS for kind in value):
        return None
    return f"a tuple of one or more of {', '.join(map(repr, KINDS))}"


class ConstituentVectorizer(TransformerMixin, BaseEstimator):
    """Counts of labels, rules and spans in the trees of documents, as a sparse matrix.

    Parameters
    ----------
    parser : fitted PCFGParser or None, default=None
        Parses documents that are texts; any object whose ``predict`` gives trees of sentences will do. It is never
        fitted here, and clones share what it learned, so that a grid search does not train it again for every fold.
        None: documents are trees.
    features : tuple of str, default=("label", "rule", "span")
        What is counted: ``"label"``, ``"rule"``, ``"span"``, ``"tag"``, ``"depth"``.
    min_df, max_df : int or float, default=1 and 1.0
        Fewest and most documents that may have a feature: an integer counts documents, a float is a share of them.
    max_features : int or None, default=None
        Keep that many features, those that occur most.

    Attributes
    ----------
    vocabulary_ : dict of str to int
        The column of each feature.
    feature_names_ : array of str (n_features,)
        The features, sorted.

    Raises
    ------
    NotFittedError
        If the parser is not fitted.
    ValueError
        If a text comes and there is no parser, a list of words holds sentences, a parameter is not valid, or no feature
        is within the limits.
    TypeError
        If a document is neither a text nor trees.

    See Also
    --------
    PCFGParser : The trees it counts.

    Notes
    -----
    A document is a string with a sentence on every line, a list of words (one sentence), a `Tree`, or a list of trees.
    An empty document has no trees, and its row is 0.

    Examples
    --------
    >>> from featlearn.grammar.brackets import parse_trees
    >>> from featlearn.grammar.constituents import ConstituentVectorizer
    >>> trees = parse_trees("(S (NP (PRP I)) (VP (VBP sleep))) (S (VP (VB go)))")
    >>> vectorizer = ConstituentVectorizer(features=("label",))
    >>> vectorizer.fit_transform(trees).toarray()
    array([[1., 1., 1.],
           [0., 1., 1.]], dtype=float32)
    >>> vectorizer.get_feature_names_out()
    array(['label:NP', 'label:S', 'label:VP'], dtype=object)
    """

    _rules: ClassVar = {
        "parser": optional(has("predict")),
        "features": _kinds,
        "min_df": share_or_count,
        "max_df": share_or_count,
        "max_features": optional(integer(1)),
    }

    def __init__(
        self,
        parser=None,
        *,
        features=("label", "rule", "span"),
        min_df: int | float = 1,
        max_df: int | float = 1.0,
        max_features: int | None = None,
    ):
        self.parser = parser
        self.features = features
        self.min_df = min_df
        self.max_df = max_df
        self.max_features = max_features

    def __sklearn_clone__(self):
        others = {
            name: clone(value, safe=False) for name, value in self.get_params(deep=False).items() if name != "parser"
        }
        return type(self)(parser=copy(self.parser), **others)  # parameters set on a clone's parser stay there

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.requires_fit = True
        return tags

    @guarded
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn which features there are.

        Parameters
        ----------
        X : list of documents
            Texts or trees; see the notes.
        y : ignored
            Present for the API.

        Returns
        -------
        self
        """
        self.fit_transform(X, y)
        return self

    @guarded
    def fit_transform(self, X: Any, y: Any = None) -> sp.csr_array:
        """Learn which features there are, and count them: every document is parsed once.

        Parameters
        ----------
        X : list of documents
            Texts or trees.
        y : ignored
            Present for the API.

        Returns
        -------
        counts : csr_array (n_documents, n_features) of float32
        """
        found = self._features(X)
        names = learn_vocabulary(found, min_df=self.min_df, max_df=self.max_df, max_features=self.max_features)
        self.feature_names_ = names
        self.vocabulary_ = {name: column for column, name in enumerate(names)}
        return count_matrix(found, self.vocabulary_)

    def transform(self, X: Any) -> sp.csr_array:
        """Count the features of documents; features that the fit did not see are left out.

        Parameters
        ----------
        X : list of documents
            Texts or trees.

        Returns
        -------
        counts : csr_array (n_documents, n_features) of float32
        """
        check_is_fitted(self)
        return count_matrix(self._features(X), self.vocabulary_)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """The features in the order of the columns."""
        check_is_fitted(self)
        return self.feature_names_

    def _features(self, X) -> list[list[str]]:
        kinds = tuple(self.features)
        return [[f for tree in trees for f in tree_features(tree, kinds)] for trees in self._trees(X)]

    def _trees(self, X) -> list[list[Tree]]:
        """The trees of each document; all sentences of all texts are parsed in one batch."""
        if isinstance(X, (str, Tree)):
            raise TypeError(f"Pass a list of documents; got a single {type(X).__name__}. Put it into a list.")
        if not isinstance(X, Iterable):
            raise TypeError(f"Pass a list of documents; got a {type(X).__name__}.")
        found: list[list[Any]] = []
        sentences: list[Any] = []
        owners: list[int] = []
        for i, document in enumerate(X):
            if isinstance(document, Tree):
                found.append([document])
            elif isinstance(document, (list, tuple)) and document and all(isinstance(t, Tree) for t in document):
                found.append(list(document))
            elif isinstance(document, str):
                lines = [line for line in document.splitlines() if line.strip()]
                found.append([])
                sentences += lines
                owners += [i] * len(lines)
            elif isinstance(document, (list, tuple)) and all(isinstance(word, str) for word in document):
                sentence = next((word for word in document if not word or " " in word or "\n" in word), None)
                if sentence is not None:
                    raise ValueError(
                        f"Document {i} is a list of words, and {sentence[:40]!r} is no single word; pass sentences as "
                        "one string with a line for each."
                    )
                found.append([])
                if document:
                    sentences.append(list(document))
                    owners.append(i)
            else:
                raise TypeError(
                    f"Document {i} is {str(document)[:40]!r} of type {type(document).__name__}; pass a string, a list "
                    "of words, a Tree or a list of trees."
                )
        if sentences:
            for owner, tree in zip(owners, self._parsed(sentences), strict=True):
                found[owner] += [] if tree is None else [tree]  # none for a line of nothing but unseen characters
        return found

    def _parsed(self, sentences):
        if self.parser is None:
            raise ValueError(
                "ConstituentVectorizer has no parser, and a document is text; pass trees, or parser= a fitted one."
            )
        try:
            return self.parser.predict(sentences)
        except NotFittedError as error:
            raise NotFittedError(
                "ConstituentVectorizer needs a parser that is fitted already, and does not fit one: "
                "ConstituentVectorizer(PCFGParser().fit(trees))."
            ) from error
