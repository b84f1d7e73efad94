"""How well trees agree with a treebank's: labeled bracket precision, recall and F1, by the rules of the evalb program.

    G, T         multisets of constituents (label, start, end) of the gold and of the test tree
    precision    |G & T| / |T|        recall    |G & T| / |G|        F1    2 |G & T| / (|G| + |T|)
    exact match  G = T                crossing  constituents of T that begin inside one of G and end outside, or reverse
    tagging      words with the same tag

Before they are compared, both trees lose traces and the parents that these leave empty, roots (TOP, ROOT, S1,
anywhere), functional tags and indices of labels (NP-SBJ-1 is NP), and the words that the gold tree tags as punctuation;
PRT counts as ADVP. Preterminals are no constituents. A tree that is missing, because the parser failed, finds nothing:
its gold constituents count against recall. Counts of all sentences are added up before they are divided.

Papers: Black et al. (1991), "A procedure for quantitatively comparing the syntactic coverage of English grammars";
Collins (1997), "Three generative, lexicalised models for statistical parsing", section 4, whose settings these are.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields
from itertools import accumulate, zip_longest

from featlearn.grammar.transforms import PUNCTUATION, ROOTS, remove_traces, strip_function
from featlearn.grammar.tree import Tree
from featlearn.grammar.walks import kind_of

SAME = {"PRT": "ADVP"}
_END = object()


@dataclass(frozen=True)
class BracketScores:
    """Counts over sentences, which add with ``+``, and the scores that follow from them.

    Parameters
    ----------
    n_sentences, n_failed : int
        Sentences, and those among them without a test tree.
    n_gold, n_test, n_matched : int
        Constituents of the gold trees, of the test trees, and of both.
    n_exact : int
        Sentences whose constituents are all the same.
    n_crossing, n_uncrossed : int
        Test constituents that cross a gold one, and parsed sentences without any such.
    n_words, n_tagged : int
        Words that are no punctuation, and those among them with the right tag.

    Examples
    --------
    >>> from featlearn.grammar.brackets import parse_tree
    >>> from featlearn.grammar.evalb import score_tree
    >>> gold = parse_tree("(S (NP (PRP I)) (VP (VBD saw) (NP (DT the) (NN man)) (PP (IN with) (NP (PRP him)))))")
    >>> test = parse_tree("(S (NP (PRP I)) (VP (VBD saw) (NP (NP (DT the) (NN man)) (PP (IN with) (NP (PRP him))))))")
    >>> scores = score_tree(gold, test)
    >>> print(scores.n_matched, scores.n_gold, scores.n_test, round(scores.f1, 3))
    6 6 7 0.923
    """

    n_sentences: int = 0
    n_failed: int = 0
    n_gold: int = 0
    n_test: int = 0
    n_matched: int = 0
    n_exact: int = 0
    n_crossing: int = 0
    n_uncrossed: int = 0
    n_words: int = 0
    n_tagged: int = 0

    def __add__(self, other: "BracketScores") -> "BracketScores":
        if not isinstance(other, BracketScores):
            return NotImplemented
        return BracketScores(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def precision(self) -> float:
        """Share of the test constituents that are right; 1 if there was nothing to find and nothing was found."""
        return _share(self.n_matched, self.n_test, self.n_gold)

    @property
    def recall(self) -> float:
        """Share of the gold constituents that were found; 1 if there was nothing to find and nothing was found."""
        return _share(self.n_matched, self.n_gold, self.n_test)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return _share(2 * self.n_matched, self.n_gold + self.n_test, 0)

    @property
    def exact_match(self) -> float:
        """Share of the sentences whose constituents are all right."""
        return _share(self.n_exact, self.n_sentences, 0)

    @property
    def crossing(self) -> float:
        """Test constituents that cross a gold one, per parsed sentence."""
        return self.n_crossing / max(self.n_sentences - self.n_failed, 1)

    @property
    def no_crossing(self) -> float:
        """Share of the parsed sentences without a crossing constituent."""
        return _share(self.n_uncrossed, self.n_sentences - self.n_failed, 0)

    @property
    def tagging_accuracy(self) -> float:
        """Share of the words with the right tag; words of failed sentences count as wrong."""
        return _share(self.n_tagged, self.n_words, 0)

    @property
    def coverage(self) -> float:
        """Share of the sentences that have a test tree."""
        return _share(self.n_sentences - self.n_failed, self.n_sentences, 0)

    def __str__(self) -> str:
        return (
            f"F1 {100 * self.f1:.2f} %, precision {100 * self.precision:.2f} %, recall {100 * self.recall:.2f} %, "
            f"exact match {100 * self.exact_match:.2f} %, crossing {self.crossing:.2f}, "
            f"tagging {100 * self.tagging_accuracy:.2f} %, {self.n_sentences} sentences, {self.n_failed} failed"
        )


def _share(part, whole, others):
    """part / whole; of nothing, 1 if the other side has nothing either."""
    return part / whole if whole else float(not others)


def score_tree(gold: Tree, test: Tree | None) -> BracketScores:
    """Scores of one test tree, or of None for a sentence that got none.

    Raises
    ------
    TypeError
        If the gold tree is no Tree, or the test tree neither a Tree nor None.
    ValueError
        If the trees have different words, traces apart.
    """
    if not isinstance(gold, Tree) or not (test is None or isinstance(test, Tree)):
        raise TypeError(f"Pass a gold Tree and a test Tree or None; got {kind_of(gold)}, {kind_of(test)}.")
    words, tags, spans = _parts(gold)
    kept = [tag not in PUNCTUATION for tag in tags]
    brackets = constituents(spans, kept)
    n_gold, n_words = brackets.total(), sum(kept)
    if test is None:
        return BracketScores(n_sentences=1, n_failed=1, n_gold=n_gold, n_words=n_words)
    test_words, test_tags, test_spans = _parts(test)
    if words != test_words:
        raise ValueError(_difference(words, test_words))
    found = constituents(test_spans, kept)
    n_crossing = count_crossing(found, brackets)
    return BracketScores(
        n_sentences=1,
        n_gold=n_gold,
        n_test=found.total(),
        n_matched=(brackets & found).total(),
        n_exact=int(brackets == found),
        n_crossing=n_crossing,
        n_uncrossed=int(n_crossing == 0),
        n_words=n_words,
        n_tagged=sum(keep and one == two for keep, one, two in zip(kept, tags, test_tags)),
    )


def score_trees(gold: Iterable[Tree], test: Iterable[Tree | None], *, max_words: int | None = None) -> BracketScores:
    """Scores of test trees in the order of the gold trees, counts added up over the sentences.

    Parameters
    ----------
    gold : iterable of Tree
        The treebank's trees.
    test : iterable of Tree or None
        The trees to score; None for a sentence that got none.
    max_words : int or None, default=None
        Leaves out sentences of more words, punctuation included and traces not.

    Returns
    -------
    scores : BracketScores

    Raises
    ------
    TypeError
        If an item is no Tree.
    ValueError
        Naming the sentence, if two trees have different words; or if there are more trees of one kind.

    Examples
    --------
    >>> from featlearn.grammar.brackets import parse_trees
    >>> from featlearn.grammar.evalb import score_trees
    >>> gold = parse_trees("(S (NP-SBJ (PRP I)) (VP (VBP sleep)) (. .)) (S (VP (VB Go)) (. .))")
    >>> scores = score_trees(gold, [gold[0], None])
    >>> scores.precision, scores.recall, scores.coverage
    (1.0, 0.6, 0.5)
    """
    total = BracketScores()
    for i, (one, two) in enumerate(zip_longest(gold, test, fillvalue=_END)):
        if one is _END or two is _END:
            raise ValueError(f"There are {i} {'gold' if one is _END else 'test'} trees, and more of the others.")
        try:
            scores = score_tree(one, two)  # type: ignore[arg-type]
        except (TypeError, ValueError) as error:
            raise type(error)(f"Sentence {i}: {error}") from error
        if max_words is None or len(_parts(one)[0]) <= max_words:
            total += scores
    return total


def constituents(spans: Iterable[tuple[str, int, int]], kept: list[bool]) -> Counter:
    """The multiset of (label, start, end) once words are taken away: of what is not empty, and no root."""
    place = list(accumulate(kept, initial=0))  # of each word among those kept
    return Counter(
        (SAME.get(label, label), place[start], place[end])
        for label, start, end in spans
        if label not in ROOTS and place[start] < place[end]
    )


def count_crossing(test: Counter, gold: Counter) -> int:
    """How many of the test constituents begin inside a gold one and end outside, or the reverse."""
    spans = {(start, end) for _, start, end in gold}
    return sum(
        n for (_, start, end), n in test.items() if any(a < start < b < end or start < a < end < b for a, b in spans)
    )


def _parts(tree):
    """Words, tags and spans without traces, labels without functional tags."""
    left = remove_traces(tree)
    if left is None:
        return [], [], []
    spans = [(strip_function(label), start, end) for label, start, end in left.spans()]
    return left.words(), [strip_function(tag) for tag in left.tags()], spans


def _difference(gold, test):
    if len(gold) != len(test):
        return f"the gold tree has {len(gold)} words, and the test tree has {len(test)}; score trees of one sentence."
    i = next(i for i, (one, two) in enumerate(zip(gold, test)) if one != two)
    return f"word {i} is {gold[i]!r} in the gold tree, and {test[i]!r} in the test tree; score trees of one sentence."
