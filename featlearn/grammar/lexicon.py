r"""Words of a treebank grammar: P(word | tag), with classes of unknown words told by their looks.

Events e are the words seen in training, and classes of words not seen. Tags t are grammar symbols; b(t) is the tag of
the treebank, without its context. c counts, K_r = `rare`, k = `prior`, k_t = `tag_prior`:

    rare words      those seen K_r times at most; each counts 1 for its class s(w), shared among its tags by c(b, w)
    A(b, s)         sum of these shares over the rare words of class s; only over open tags b, which have at least the
                    share `OPEN` of all rare words
    p(b | s)        (A(b, s) + k p(b | shape of s)) / (A(s) + k), and so on: class -> shape -> all rare words
    n(b, w)         c(b, w) for a frequent word; c(w) (c(b, w) + k p(b | s(w))) / (c(w) + k) for a rare one
    n(b, s)         A(s) p(b | s)
    P(e | b)        n(b, e) / sum_e n(b, e)
    P(w | t)        (1 - u_b) (c(t, w) + k_t P(w | b) / (1 - u_b)) / (c(t) + k_t),   P(s | t) = P(s | b)
                    where b is split into several t; u_b = sum_s P(s | b). Elsewhere P(e | t) = P(e | b)

So the distribution of every tag sums to 1 over known words and classes, and with K_r = 1 a tag leaves to unknown words
about as many counts as it has words seen once (Good & Turing's estimate, in the form of Witten & Bell). An unseen word
takes the probability of its class as a whole, the same factor in every tree.

Papers: Good (1953), "The population frequencies of species"; Weischedel et al. (1993), "Coping with ambiguity and
unknown words through probabilistic models"; Klein & Manning (2003), "Accurate unlexicalized parsing", section 4.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from featlearn.grammar.binarization import base_label

OPEN = 0.002  # a tag with fewer of the rare words is closed: no unknown word has it
NEGLIGIBLE = 1e-4  # a tag less probable than that, given a class, is left out of it
# Endings that tell an English word's tag, the first that fits.
SUFFIXES = (
    *("ness", "ment", "able", "ible", "ship", "ing", "ion", "est", "ity", "ous", "ive", "ful", "ism", "ist", "ize"),
    *("ed", "er", "or", "ly", "al", "ic", "an", "th", "y", "s"),
)
NO_PLURAL = ("ss", "us", "is")


def word_shape(word: str, initial: bool = False) -> str:
    """What a word looks like: digits, number (digits among others), symbols, caps, initial, capital or lower.

    ``initial`` says that it begins its sentence: a capital tells less there, and the shape is "initial". ``-hyphen`` is
    added to letters with a hyphen.

    Examples
    --------
    >>> from featlearn.grammar.lexicon import word_shape
    >>> [word_shape(word) for word in ("1,234.5", "F-14s", "%", "IBM", "Paris", "saw", "Anglo-French")]
    ['digits', 'number', 'symbols', 'caps', 'capital', 'lower', 'capital-hyphen']
    >>> word_shape("Trains", initial=True)
    'initial'
    """
    if any(c.isdigit() for c in word):
        return "number" if any(c.isalpha() for c in word) else "digits"
    if not any(c.isalpha() for c in word):
        return "symbols"
    if word.isupper() and len(word) > 1:
        shape = "caps"
    elif word[0].isupper():
        shape = "initial" if initial else "capital"
    else:
        shape = "lower"
    return f"{shape}-hyphen" if "-" in word[1:-1] else shape


def word_ending(word: str) -> str:
    """The first of `SUFFIXES` that ends a word and leaves two letters before it; "" for none.

    Examples
    --------
    >>> from featlearn.grammar.lexicon import word_ending
    >>> [word_ending(word) for word in ("walked", "readable", "trains", "class", "red", "Nationality")]
    ['ed', 'able', 's', '', '', 'ity']
    """
    word = word.lower()
    for suffix in SUFFIXES:
        if word.endswith(suffix) and len(word) >= len(suffix) + 2:
            return "" if suffix == "s" and word.endswith(NO_PLURAL) else suffix
    return ""


def word_classes(word: str, initial: bool, unknown: str) -> tuple[str, ...]:
    """The classes of a word, the finest first; the last, "", is that of all words.

    ``unknown`` is "morphology" for shape and ending, "shape" for the shape alone, "single" for one class.

    Examples
    --------
    >>> from featlearn.grammar.lexicon import word_classes
    >>> word_classes("Walking", True, "morphology")
    ('initial/ing', 'initial', '')
    """
    if unknown == "single":
        return ("",)
    shape = word_shape(word, initial)
    ending = word_ending(word) if unknown == "morphology" and shape not in ("digits", "symbols") else ""
    return (f"{shape}/{ending}", shape, "") if ending else (shape, "")


@dataclass(frozen=True, eq=False)
class Lexicon:
    """Log-probabilities of words and unknown classes under tags.

    Attributes
    ----------
    tags : tuple of str (n_tags,)
        The grammar symbols over words, sorted.
    words : dict of str to int
        The row of each known word.
    classes : dict of str to int
        The row of each class of unknown words; none if there is no model of unknown words.
    log_proba : csr_array (n_rows, n_tags)
        log P(row | tag); what is not stored is impossible. The exponentials of a column sum to 1.
    counts : array (n_tags,)
        How often each tag stood over a word.
    unknown : str
        How classes are told, as in `word_classes`.
    """

    tags: tuple[str, ...]
    words: dict[str, int]
    classes: dict[str, int]
    log_proba: sp.csr_array
    counts: np.ndarray
    unknown: str = "morphology"

    def row(self, word: str, initial: bool = False) -> int:
        """The row of a word; -1 where it is unknown and there are no classes.

        A capitalized word that begins its sentence and is not known so is looked up in lower case.
        """
        found = self.words.get(word)
        if found is None and initial:
            found = self.words.get(word[:1].lower() + word[1:])
        if found is not None:
            return found
        return next((self.classes[c] for c in word_classes(word, initial, self.unknown) if c in self.classes), -1)

    def scores(self, word: str, initial: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Tags, as places in `tags`, that a word may have, and its log-probabilities under them."""
        row = self.row(word, initial)
        if row < 0:
            return np.empty(0, np.int64), np.empty(0)
        low, high = self.log_proba.indptr[row : row + 2]
        return self.log_proba.indices[low:high], self.log_proba.data[low:high]

    def is_known(self, word: str, initial: bool = False) -> bool:
        """Whether a word was seen in training (in lower case, if it is capitalized and begins the sentence)."""
        return 0 <= self.row(word, initial) < len(self.words)

    def guess(self, word: str, initial: bool = False) -> list[tuple[str, float]]:
        """The tags of the treebank that a word may have by itself, and P(tag | word), the likeliest first."""
        found: dict[str, float] = {}
        for t, value in zip(*self.scores(word, initial), strict=True):
            tag = base_label(self.tags[t])
            found[tag] = found.get(tag, 0.0) + float(np.exp(value) * self.counts[t])
        total = sum(found.values())
        return sorted(((tag, weight / total) for tag, weight in found.items()), key=lambda pair: (-pair[1], pair[0]))


def learn_lexicon(
    counts: Mapping[tuple[str, str], float],
    initial: Mapping[str, float],
    *,
    unknown: str = "morphology",
    rare: int = 5,
    prior: float = 0.3,
    tag_prior: float = 50.0,
) -> Lexicon:
    """Learn P(word | tag) from how often words stood under tags.

    Parameters
    ----------
    counts : mapping of (tag, word) to number
        How often; tags are grammar symbols.
    initial : mapping of word to number
        How often a word began its sentence.
    unknown : {"morphology", "shape", "single"}, default="morphology"
        How classes of unknown words are told; see `word_classes`.
    rare : int, default=5
        Words seen that often at most teach what unknown words are, and learn from their class.
    prior : float, default=0.3
        k: how much a coarser class weighs, in words.
    tag_prior : float, default=50.0
        k_t: how much the tag without its context weighs, in words.

    Returns
    -------
    lexicon : Lexicon

    Raises
    ------
    ValueError
        If there are no counts.

    Examples
    --------
    >>> from featlearn.grammar.lexicon import learn_lexicon
    >>> counts = {("NN", "dog"): 3, ("NN", "train"): 1, ("VBZ", "barks"): 1, ("VBZ", "sees"): 1}
    >>> lexicon = learn_lexicon(counts, {})
    >>> [tag for tag, _ in lexicon.guess("runs")]
    ['VBZ', 'NN']
    >>> lexicon.is_known("runs")
    False
    """
    if not counts:
        raise ValueError("There are no words to learn a lexicon from; pass at least one tree.")
    tags = tuple(sorted({tag for tag, _ in counts}))
    words = {word: row for row, word in enumerate(sorted({word for _, word in counts}))}
    bases = sorted({base_label(tag) for tag in tags})
    column = {tag: t for t, tag in enumerate(tags)}
    keys = [(words[word], column[tag]) for tag, word in counts]
    C = sp.csr_array((np.array([*counts.values()], float), np.array(keys).T), shape=(len(words), len(tags)))
    place = {base: b for b, base in enumerate(bases)}
    base_of = np.array([place[base_label(tag)] for tag in tags])
    R = sp.csr_array((np.ones(len(tags)), (np.arange(len(tags)), base_of)), shape=(len(tags), len(bases)))
    CB = (C @ R).tocsr()
    totals = CB.sum(axis=1)
    is_rare = totals <= rare
    # Where every word comes often, all teach what unknown words are, and none learns from its class.
    rare_rows = np.flatnonzero(is_rare if is_rare.any() else ~is_rare)
    learning = prior if is_rare.any() else 0.0
    names = list(words)
    chains = [word_classes(names[w], initial.get(names[w], 0) >= totals[w], unknown) for w in rare_rows]
    classes, given = class_tags(chains, sp.diags_array(1 / totals[rare_rows]) @ CB[rare_rows], prior)
    P = event_probabilities(CB, totals, rare_rows, [classes[chain[0]] for chain in chains], *given, learning)
    P = split_tags(P, C, R, tag_prior)
    P.sort_indices()
    P.eliminate_zeros()
    P.data = np.log(P.data)
    return Lexicon(tags, words, {name: len(words) + c for name, c in classes.items()}, P, C.sum(axis=0), unknown)


def split_tags(P: sp.csr_array, C: sp.csr_array, R: sp.csr_array, tag_prior: float) -> sp.csr_array:
    """P(e | t) (n_events, n_tags) of P(e | b) (n_events, n_bases), counts C (n_words, n_tags) and b(t) as R."""
    n_words = C.shape[0]
    known = P[:n_words].sum(axis=0)  # 1 - u_b, at least half
    is_split = (R.sum(axis=0) > 1)[R.indices].astype(float)
    own = C @ sp.diags_array(is_split)
    given = P[:n_words] @ sp.diags_array(tag_prior / known) @ R.T
    words = (own + given) @ sp.diags_array(known[R.indices] / (own.sum(axis=0) + tag_prior))
    return sp.csr_array(sp.vstack([words, P[n_words:] @ R.T], format="csr"))


def class_tags(chains: list, shares: Any, prior: float) -> tuple[dict[str, int], tuple[np.ndarray, np.ndarray]]:
    """Classes of the rare words, p(b | s) (n_classes, n_bases) and A(s) (n_classes,).

    Classes that no rare word has as its finest serve words of endings not seen; they weigh 1.
    """
    parents = {c: chain[i + 1] for chain in chains for i, c in enumerate(chain[:-1])}
    classes = {name: c for c, name in enumerate(sorted({c for chain in chains for c in chain}))}
    finest = [classes[chain[0]] for chain in chains]
    G = sp.csr_array((np.ones(len(chains)), (finest, np.arange(len(chains)))), shape=(len(classes), len(chains)))
    A = (G @ shares).toarray()
    is_open = A.sum(axis=0) >= OPEN * len(chains)
    if is_open.any():
        A[:, ~is_open] = 0
    sizes = np.maximum(np.bincount(finest, minlength=len(classes)), 1.0)
    below = A.copy()  # with the classes below a class
    for name in sorted(parents, key=lambda name: -depth(name, parents)):
        below[classes[parents[name]]] += below[classes[name]]
    p = below / below.sum(axis=1, keepdims=True).clip(1e-300)
    for name in sorted(parents, key=lambda name: depth(name, parents)):
        c, up = classes[name], classes[parents[name]]
        p[c] = (below[c] + prior * p[up]) / (below[c].sum() + prior)
    p[p < NEGLIGIBLE] = 0
    return classes, (p / p.sum(axis=1, keepdims=True), sizes)


def depth(name: str, parents: Mapping[str, str]) -> int:
    """Steps from a class up to that of all words."""
    return 1 + depth(parents[name], parents) if name in parents else 0


def event_probabilities(CB, totals, rare_rows, class_of, p, sizes, prior) -> sp.csr_array:
    """P(e | b) (n_words + n_classes, n_bases): the distribution of every tag of the treebank sums to 1."""
    keep = np.ones(len(totals))
    keep[rare_rows] = totals[rare_rows] / (totals[rare_rows] + prior)
    guessed = sp.csr_array(p)[class_of] * (prior * keep[rare_rows])[:, None]
    ones, places = np.ones(len(rare_rows)), (rare_rows, np.arange(len(rare_rows)))
    S = sp.csr_array((ones, places), shape=(len(totals), len(rare_rows)))
    n = sp.vstack([sp.diags_array(keep) @ CB + S @ guessed, sp.csr_array(p * sizes[:, None])], format="csr")
    mass = n.sum(axis=0)
    return n @ sp.diags_array(1 / mass)
