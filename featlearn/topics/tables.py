"""Tables of topics: top terms, sizes, prevalence over groups, representative documents, distances and a map.

Symbols: phi (K, V) topics over terms, theta (D, K) proportions of topics in documents, N_d words of document d. With

    s_k = sum_d N_d theta_dk / sum_d N_d         size: the share of all words that topic k wrote
    p_w = sum_k s_k phi_kw                       marginal probability of term w

the terms of a topic are ranked by

    probability   phi_kw
    lift          phi_kw / p_w                                              (Taddy 2012)
    relevance     l log phi_kw + (1 - l) log(phi_kw / p_w), 0 <= l <= 1     (Sievert & Shirley 2014)

and, over all topics, by saliency p_w sum_k p(k|w) log(p(k|w) / s_k)        (Chuang, Manning & Heer 2012). Topics lie
apart by the Jensen-Shannon distance: the root of the divergence in bits, a metric between 0 and 1, which fits into a
Euclidean space, so classical scaling of it has no negative eigenvalue.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
import scipy.sparse as sp
from scipy.special import rel_entr

from featlearn.streaming import is_out_of_core
from featlearn.text.documents import checked_list
from featlearn.text.terms import check_terms
from featlearn.topics.groups import distinct_groups, is_categorical
from featlearn.validation import check_argument, check_fitted, integer, one_of, real

Terms = Sequence[str] | Mapping[str, int] | Mapping[int, str] | None
RANKINGS = ("probability", "relevance", "lift")
LEAST = np.finfo(np.float64).tiny  # keeps logarithms of probability 0 finite
TRACE = 1e-6  # the least weight of probability in a relevance: it orders terms of equal lift
COLUMNS = 4096  # terms at a time in the distances: what is compared stays in cache


class Representative(NamedTuple):
    """The number of a document, the proportion of it that a topic has, and its text (None if texts are unknown)."""

    document: int
    proportion: float
    text: str | None


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Topics:
    """What topics say and where they occur, as tables.

    Parameters
    ----------
    components : array (n_topics, n_terms)
        Weights of terms in topics, at least 0; rows are normalized to sum 1.
    terms : sequence of str (n_terms,), mapping of words to columns or of columns to words, or None, default=None
        The vocabulary, in the order of the columns of ``components``; a mapping (a vectorizer's ``vocabulary_``, a
        gensim Dictionary) is put in that order. None names terms "term 0", "term 1", ...
    proportions : array (n_documents, n_topics) or None, default=None
        Proportions of topics in documents, at least 0; rows are normalized to sum 1, and a row of zeros is uniform.
    lengths : array (n_documents,) or None, default=None
        Words a document has; None weighs all documents alike.
    documents : list of str or of lists of tokens (n_documents,), or None, default=None
        Texts to quote, in the order of the rows of ``proportions``; kept as `texts`, tokens with blanks between.
    words : array (n_topics,) or None, default=None
        Words that each topic has in all documents, where these are too many to keep their proportions.

    Attributes
    ----------
    n_topics, n_terms, n_documents : int
        Sizes; no documents where proportions are unknown.
    n_words : float
        Words in all documents; 0 where nobody told.
    knows_sizes : bool
        Whether proportions or words tell how large the topics are.
    sizes : array (n_topics,)
        Share of all words that each topic has; all alike where that is unknown.
    order : array (n_topics,)
        Topics, the largest first.
    marginal : array (n_terms,)
        Probability of each term over all topics.
    saliency : array (n_terms,)
        How much a term says about topics, weighted by how often it says so.

    Raises
    ------
    ValueError
        If shapes do not match, a number is negative, NaN or infinite, a topic has no term, or terms or documents are
        nothing that has an order: a set, one string, a generator of terms, words that are missing.

    See Also
    --------
    TopicExtractor : Has them as ``topics_``.
    topics_html : An explorer of them in one file.

    References
    ----------
    Sievert & Shirley (2014), "LDAvis: A method for visualizing and interpreting topics". Chuang, Manning & Heer (2012),
    "Termite: Visualization techniques for assessing textual topic models". Taddy (2012), "On estimation and selection
    for topic models".

    Examples
    --------
    >>> from featlearn.topics.tables import Topics
    >>> topics = Topics(
    ...     [[5, 4, 1, 0], [0, 1, 4, 5]],
    ...     terms=["orbit", "moon", "team", "goal"],
    ...     proportions=[[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]],
    ...     lengths=[10, 20, 10],
    ... )
    >>> print(topics)
    2 topics, 4 terms, 3 documents
    topic  share  terms
        1  55.0%  goal, team, moon, orbit
        0  45.0%  orbit, moon, team, goal
    >>> topics.top_terms(2)
    [['orbit', 'moon'], ['goal', 'team']]
    >>> years, shares = topics.prevalence([2001, 2002, 2001])
    >>> years, shares.round(2)
    (array([2001, 2002]), array([[0.7, 0.3],
           [0.2, 0.8]]))
    """

    components: np.ndarray
    terms: tuple[str, ...]
    proportions: np.ndarray | None
    lengths: np.ndarray | None
    texts: tuple[str, ...] | None
    words: np.ndarray | None

    def __init__(
        self,
        components: Any,
        terms: Terms = None,
        *,
        proportions: Any = None,
        lengths: Any = None,
        documents: Any = None,
        words: Any = None,
    ):
        components = _numbers("components", components, 2)
        n_topics, n_terms = components.shape
        if components.size == 0:
            raise ValueError(f"components of shape {components.shape} hold no topic; pass (n_topics, n_terms).")
        if len(empty := np.flatnonzero(components.sum(axis=1) == 0)):
            raise ValueError(f"Topics {empty.tolist()} have no term: their rows of components are 0. Leave them out.")
        if terms is None:
            terms = tuple(f"term {i}" for i in range(n_terms))
        else:
            terms = check_terms(terms, n_terms, "Topics", columns="columns of components")
        if proportions is None and (lengths is not None or documents is not None):
            raise ValueError("lengths and documents need the proportions of topics in the documents: pass proportions.")
        if proportions is not None:
            proportions = _numbers("proportions", proportions, 2)
            _check_length(proportions.shape[1], "columns of proportions", n_topics, "rows of components")
            if len(proportions) == 0:
                raise ValueError("proportions hold no document; pass at least one, or None.")
            proportions = _sum_to_one(proportions)
        if lengths is not None:
            lengths = _numbers("lengths", lengths, 1)
            _check_length(len(lengths), "lengths", len(proportions), "rows of proportions")
        if documents is not None:
            documents = tuple(map(as_text, checked_list(documents, "Topics", "documents")))
            _check_length(len(documents), "documents", len(proportions), "rows of proportions")
        if words is not None:
            if proportions is not None:
                raise ValueError("proportions and lengths tell the words of each topic: leave out words, or these.")
            words = _numbers("words", words, 1)
            _check_length(len(words), "words", n_topics, "rows of components")
            if words.sum() == 0:
                raise ValueError("words are 0 for every topic; pass None if they are unknown.")
        fields = (_sum_to_one(components), terms, proportions, lengths, documents, words)
        for name, value in zip(self.__dataclass_fields__, fields, strict=True):
            object.__setattr__(self, name, value)

    @classmethod
    def from_estimator(cls, model: Any, X: Any = None, terms: Terms = None, *, documents: Any = None) -> Self:
        """Tables of a fitted topic model, ours or scikit-learn's.

        Parameters
        ----------
        model : fitted estimator, Pipeline or search
            With ``components_`` (n_topics, n_terms) and `transform`. Of a Pipeline the last step has them, and the
            steps before it make counts of X and know the terms. What `transform` gives is taken for proportions where
            its rows sum to 1, and otherwise (`NMF`) for weights of the unnormalized components.
        X : array, sparse matrix or, for a Pipeline, what it takes (n_documents, ...), or None, default=None
            Documents; None leaves proportions unknown. Row sums of the counts are the lengths of documents.
        terms : sequence of str (n_terms,), mapping of words to columns or of columns to words, or None, default=None
            The vocabulary; None asks the Pipeline, then the model's ``feature_names_in_``.
        documents : list of str or of lists of tokens (n_documents,), or None, default=None
            Texts to quote; None takes X where it holds strings or lists of strings.

        Returns
        -------
        topics : Topics

        Raises
        ------
        NotFittedError
            If the model is not fitted.
        TypeError
            If it has no ``components_`` or no `transform`, or X is a stream.
        ValueError
            As `Topics`.
        """
        check_fitted(
            "Topics.from_estimator",
            model,
            "a fitted topic model, or a Pipeline that ends in one (of components themselves make Topics(components, "
            "terms))",
        )
        model = getattr(model, "best_estimator_", model)
        if X is None and terms is None and documents is None and isinstance(getattr(model, "topics_", None), cls):
            return model.topics_  # a TopicExtractor has made them
        model = getattr(model, "pipeline_", model)
        steps = getattr(model, "steps", None)
        before, last = (model[:-1] if len(steps) > 1 else None, steps[-1][1]) if steps else (None, model)
        if not hasattr(last, "components_") or not hasattr(last, "transform"):
            raise TypeError(
                f"{type(last).__name__} is no topic model: it needs `components_` and `transform`. Pass a fitted topic "
                "model, or a Pipeline that ends in one."
            )
        if is_out_of_core(X):
            raise TypeError("Topics.from_estimator needs documents in memory, and X is a stream; pass a sample of it.")
        if isinstance(X, (Mapping, Set)):
            raise TypeError(
                f"Topics.from_estimator takes documents in a list or their counts in a table, and X is a "
                f"{type(X).__name__}, of which a vectorizer would read the keys; pass list(X.values()) or list(X)."
            )
        components, known = np.asarray(last.components_), _terms_of(before, last)
        if terms is None:
            terms = known
        elif known is not None:
            terms = check_terms(terms, components.shape[1], "Topics", columns="columns of components")
            _refuse_another_order(terms, list(known))
        if X is None:
            return cls(components, terms, documents=documents)
        if documents is None:
            documents = _texts_of(X)
        counts = X if before is None else before.transform(X)
        proportions = as_proportions(last.transform(counts), components)
        lengths = np.asarray((counts if sp.issparse(counts) else np.asarray(counts)).sum(axis=1)).ravel()
        return cls(components, terms, proportions=proportions, lengths=lengths, documents=documents)

    @property
    def n_topics(self) -> int:
        return len(self.components)

    @property
    def n_terms(self) -> int:
        return len(self.terms)

    @property
    def n_documents(self) -> int:
        return 0 if self.proportions is None else len(self.proportions)

    @property
    def n_words(self) -> float:
        known = self.lengths if self.words is None else self.words
        return 0.0 if known is None else float(known.sum(dtype=np.float64))

    @property
    def knows_sizes(self) -> bool:
        return self.proportions is not None or self.words is not None

    @cached_property
    def sizes(self) -> np.ndarray:
        """Share of all words by topic (n_topics,)."""
        if self.proportions is not None:
            return _weighted_mean(self.proportions, self.lengths)
        words = np.ones(self.n_topics) if self.words is None else self.words.astype(np.float64)
        return words / words.sum()

    @cached_property
    def order(self) -> np.ndarray:
        """Topics (n_topics,), the largest first; equal ones in the model's order."""
        return np.argsort(-self.sizes, kind="stable")

    @cached_property
    def marginal(self) -> np.ndarray:
        """Probability of each term over all topics (n_terms,)."""
        return self.sizes @ self.components.astype(np.float64)

    @cached_property
    def saliency(self) -> np.ndarray:
        """How much each term says about topics (n_terms,): sum_k s_k phi_kw log(phi_kw / p_w)."""
        with np.errstate(invalid="ignore"):  # a topic of size 0 contributes nothing, whatever its terms
            return np.nan_to_num(self.sizes[:, None] * rel_entr(self.components, self.marginal)).sum(axis=0)

    def top_indices(
        self, n: int = 10, by: str = "probability", *, relevance: float = 0.6, min_probability: float = 1e-3
    ) -> np.ndarray:
        """Columns (n_topics, n) of the top terms of each topic; parameters as `top_terms`."""
        check_argument("Topics", "n", n, integer(1))
        check_argument("Topics", "by", by, one_of(*RANKINGS))
        check_argument("Topics", "relevance", relevance, real(0, 1))
        check_argument("Topics", "min_probability", min_probability, real(0, 1))
        n = min(n, self.n_terms)
        if by == "probability":
            scores = self.components
        else:
            scores = relevances(self.components, self.marginal, relevance if by == "relevance" else 0.0)
        if by == "lift":
            nth = np.partition(self.components, -n, axis=1)[:, -n]
            floor = np.minimum(min_probability, nth)
            scores = np.where(self.components >= floor[:, None], scores, -np.inf)
        return np.argsort(-scores, axis=1, kind="stable")[:, :n]

    def top_terms(
        self,
        n: int = 10,
        by: str = "probability",
        *,
        relevance: float = 0.6,
        min_probability: float = 1e-3,
        as_frame: bool = False,
    ) -> Any:
        """The top terms of each topic.

        Parameters
        ----------
        n : int, default=10
            Terms a topic.
        by : {"probability", "relevance", "lift"}, default="probability"
            The ranking.
        relevance : float, default=0.6
            Weight of the logarithm of probability against that of lift, where ``by="relevance"``; between 0 and 1.
        min_probability : float, default=1e-3
            Rare terms have the highest lift by chance, so where ``by="lift"`` only terms compete that are at least this
            fraction of a topic's words; it is lowered to that of the n-th most probable where fewer than n reach it.
        as_frame : bool, default=False
            Whether to return a pandas DataFrame.

        Returns
        -------
        terms : list of n_topics lists of n str, or DataFrame
            A frame has a row for each topic and rank, with columns topic, rank, term, probability and lift.

        Raises
        ------
        ValueError
            If a parameter is not valid.
        """
        indices = self.top_indices(n, by, relevance=relevance, min_probability=min_probability)
        if not as_frame:
            return [[self.terms[i] for i in row] for row in indices]
        probability = np.take_along_axis(self.components, indices, axis=1).astype(np.float64)
        return _pandas().DataFrame(
            {
                "topic": np.repeat(np.arange(self.n_topics), indices.shape[1]),
                "rank": np.tile(np.arange(indices.shape[1]), self.n_topics),
                "term": [self.terms[i] for i in indices.ravel()],
                "probability": probability.ravel(),
                "lift": (probability / np.maximum(self.marginal[indices], LEAST)).ravel(),
            }
        )

    def prevalence(self, groups: Any = None, *, weights: str = "length", as_frame: bool = False) -> Any:
        """Mean proportions of topics, over all documents or for each group of them.

        Parameters
        ----------
        groups : array (n_documents,) or None, default=None
            A column of metadata, of labels or numbers, in the order of the documents (the labels of a Series do not
            count); None takes all documents together.
        weights : {"length", "equal"}, default="length"
            Whether every word or every document weighs the same. A group without words weighs its documents alike.
        as_frame : bool, default=False
            Whether to return a pandas DataFrame (of groups by topics) or Series (of topics).

        Returns
        -------
        groups : array (n_groups,)
            Distinct groups, sorted, numerals as numbers ("2" before "10"); not returned where ``groups=None``. Those of
            a pandas Categorical (months, sizes, what `pandas.cut` makes) come in the order of its categories, and a
            frame's index keeps them; a category that no document has is left out, for it has no prevalence.
        prevalence : array (n_groups, n_topics) or (n_topics,)
            Rows sum to 1.

        Raises
        ------
        ValueError
            If proportions are unknown, or groups are no column, have another length, or values that are missing or
            cannot be sorted.
        """
        proportions = self.known_proportions("Topics.prevalence")
        check_argument("Topics.prevalence", "weights", weights, one_of("length", "equal"))
        lengths = self.lengths if weights == "length" else None
        if groups is None:
            mean = _weighted_mean(proportions, lengths)
            return _pandas().Series(mean, name="prevalence").rename_axis("topic") if as_frame else mean
        labels, place = distinct_groups(groups, self.n_documents)
        member = sp.csr_array((np.ones(len(place)), (place, np.arange(len(place)))), (len(labels), len(place)))
        words = np.ones(len(place)) if lengths is None else lengths.astype(np.float64)
        words = np.where((member @ words)[place] > 0, words, 1.0)
        means = (member * words) @ proportions / (member @ words)[:, None]
        if not as_frame:
            return labels, means
        name = getattr(groups, "name", None) or "group"
        index = _pandas().CategoricalIndex(labels, dtype=groups.dtype) if is_categorical(groups) else labels
        return _pandas().DataFrame(means, index=index).rename_axis(index=name, columns="topic")

    def documents(self, topic: int, n: int = 3, *, as_frame: bool = False) -> Any:
        """The documents that a topic has the largest proportion of; of equal ones the longest come first.

        Parameters
        ----------
        topic : int
            From 0 to n_topics - 1.
        n : int, default=3
            How many.
        as_frame : bool, default=False
            Whether to return a pandas DataFrame.

        Returns
        -------
        documents : list of Representative (document, proportion, text), or DataFrame

        Raises
        ------
        ValueError
            If proportions are unknown, there is no such topic, or n is less than 1.
        """
        proportions = self.known_proportions("Topics.documents")
        check_argument("Topics.documents", "topic", topic, integer())
        check_argument("Topics.documents", "n", n, integer(1))
        if not 0 <= topic < self.n_topics:
            raise ValueError(f"There is no topic {topic}; there are {self.n_topics}, from 0 to {self.n_topics - 1}.")
        column = proportions[:, topic]
        lengths = np.zeros(len(column)) if self.lengths is None else self.lengths
        best = np.lexsort((-lengths, -column))[:n]
        found = [Representative(int(i), float(column[i]), None if self.texts is None else self.texts[i]) for i in best]
        return _pandas().DataFrame(found, columns=Representative._fields) if as_frame else found

    @cached_property
    def _distances(self) -> np.ndarray:
        return jensen_shannon(self.components)

    def distances(self) -> np.ndarray:
        """Jensen-Shannon distances (n_topics, n_topics) between topics, from 0 (alike) to 1 (no term in common)."""
        return self._distances.copy()

    def map(self) -> np.ndarray:
        """Places (n_topics, 2) of topics in a plane by classical scaling of `distances`, the widest axis first."""
        return classical_scaling(self._distances)

    def known_proportions(self, who: str) -> np.ndarray:
        """Proportions (n_documents, n_topics); a ValueError in the name of who asks where they are unknown."""
        if self.proportions is None:
            raise ValueError(
                f"{who} needs the proportions of topics in documents, and they are unknown: pass proportions, "
                "or X to Topics.from_estimator."
            )
        return self.proportions

    def __repr__(self) -> str:
        return f"Topics(n_topics={self.n_topics}, n_terms={self.n_terms}, n_documents={self.n_documents})"

    def __str__(self) -> str:
        documents = f", {_plural(self.n_documents, 'document')}" if self.n_documents else ""
        lines = [
            f"{_plural(self.n_topics, 'topic')}, {_plural(self.n_terms, 'term')}{documents}",
            f"topic  {'share  ' * self.knows_sizes}terms",
        ]
        tops = self.top_terms(8)
        for k in self.order:
            share = f"{self.sizes[k]:5.1%}  " if self.knows_sizes else ""
            lines.append(f"{k:5d}  {share}{', '.join(tops[k])}")
        return "\n".join(lines)


def as_proportions(weights: Any, components: np.ndarray) -> np.ndarray:
    """What a model's transform gives (D, K), where its rows sum to 1; else weights of unnormalized components."""
    weights = np.asarray(weights)
    return weights if np.allclose(weights.sum(axis=1), 1, atol=1e-3) else weights * components.sum(axis=1)


def relevances(components: np.ndarray, marginal: np.ndarray, weight: float) -> np.ndarray:
    """weight log phi_kw + (1 - weight) log(phi_kw / p_w), (..., n_terms); -inf where a topic lacks the term."""
    log_phi = np.log(np.maximum(components, LEAST, dtype=np.float64))
    weight = max(weight, TRACE)
    scores = log_phi - (1 - weight) * np.log(np.maximum(marginal, LEAST))
    return np.where(components > 0, scores, -np.inf)


def jensen_shannon(distributions: np.ndarray) -> np.ndarray:
    """Distances (K, K): roots of H((p + q) / 2) - (H(p) + H(q)) / 2, entropies in bits, of rows (K, V)."""
    n = len(distributions)
    mixed = np.zeros((n, n))
    for start in range(0, distributions.shape[1], COLUMNS):
        part = distributions[:, start : start + COLUMNS].astype(np.float64)
        for i in range(n):
            mixed[i, i:] += _entropies((part[i] + part[i:]) / 2)
    own = mixed.diagonal()
    divergences = np.triu(mixed - (own[:, None] + own) / 2, 1)
    return np.sqrt(np.clip(divergences + divergences.T, 0, 1))  # rounding may leave the range


def _entropies(p):
    return -np.einsum("ij,ij->i", p, np.log2(np.maximum(p, LEAST)))


def classical_scaling(distances: np.ndarray) -> np.ndarray:
    """Places (K, 2) whose distances come nearest; each axis points to where its largest coordinate is positive."""
    n = len(distances)
    centering = np.eye(n) - 1 / n
    values, vectors = np.linalg.eigh(-centering @ distances**2 @ centering / 2)
    places = np.zeros((n, 2))
    axes = min(n - 1, 2)  # n points span no more
    largest = np.argsort(-values)[:axes]
    values = np.where(values > 1e-12 * values.max(), values, 0)  # roots of rounding errors would be places
    places[:, :axes] = vectors[:, largest] * np.sqrt(values[largest])
    # Rounded, for of two coordinates that differ in the last bit only, the first must decide.
    decisive = np.round(np.abs(places) / max(np.abs(places).max(), LEAST), 6).argmax(axis=0)
    return places * np.where(places[decisive, [0, 1]] < 0, -1.0, 1.0)


def _numbers(name, values, n_dim):
    """An array of finite numbers of at least 0; whole numbers become float64."""
    if sp.issparse(values):
        raise ValueError(f"{name} are a sparse matrix of shape {values.shape}; pass what its toarray() gives.")
    if np.ma.is_masked(values):
        raise ValueError(f"{name} are a masked array with {np.ma.count_masked(values)} values hidden; fill them.")
    kind = type(values).__name__
    if hasattr(values, "fit"):
        raise ValueError(f"{name} are a {kind}, an estimator; call Topics.from_estimator(model, X, terms=terms).")
    try:
        values = np.asarray(values)
        if values.dtype.kind not in "biufO":
            raise TypeError(f"they are {values.dtype}")
        if values.dtype not in (np.float32, np.float64):
            values = values.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be an array of numbers, and are a {kind}: {error}.") from None
    if values.ndim != n_dim:
        raise ValueError(f"{name} of shape {values.shape} must have {n_dim} dimension{'s' * (n_dim > 1)}.")
    if values.size and not np.isfinite(values).all():
        bad = np.argwhere(~np.isfinite(values))[0]
        raise ValueError(f"{name} must be finite numbers: there is {values[tuple(bad)]} at {tuple(bad.tolist())}.")
    if values.size and values.min() < 0:
        bad = np.unravel_index(values.argmin(), values.shape)
        raise ValueError(
            f"{name} must be at least 0: there is {values.min():g} at {tuple(map(int, bad))}. Topics are "
            "distributions; models with negative weights (PCA, TruncatedSVD) have none."
        )
    return values


def _check_length(found, what, expected, of_what):
    if found != expected:
        raise ValueError(f"{found} {what} do not match {expected} {of_what}.")


def _sum_to_one(rows):
    """Rows divided by their sums; a row of zeros becomes uniform, and rows that sum to 1 are not copied."""
    sums = rows.sum(axis=1, keepdims=True)
    if np.allclose(sums, 1, rtol=0, atol=1e-5):
        return rows
    return np.where(sums > 0, rows / np.where(sums > 0, sums, 1), 1 / rows.shape[1]).astype(rows.dtype)


def _weighted_mean(rows, weights):
    if weights is None or weights.sum() == 0:
        return rows.mean(axis=0, dtype=np.float64)
    return weights.astype(np.float64) @ rows / weights.sum(dtype=np.float64)


def _terms_of(before, last):
    """Names of the counts' columns, if known: those of all steps before the model, or from a vectorizer on."""
    steps = [] if before is None else [step for _, step in before.steps]
    for start in [i for i, step in enumerate(steps) if i == 0 or hasattr(step, "build_analyzer")]:
        try:
            return before[start:].get_feature_names_out()
        except (AttributeError, ValueError):  # a step that names nothing
            pass
    return getattr(last, "feature_names_in_", None)


def _refuse_another_order(terms, known):
    """Terms that are the model's own names of its columns, and in another order, would exchange the words."""
    if list(terms) != known and set(terms) == set(known):
        i = next(i for i, (term, name) in enumerate(zip(terms, known)) if term != name)
        raise ValueError(
            f"Topics: terms are the names that the model's columns have, in another order: column {i} is {known[i]!r}, "
            f"and terms have {terms[i]!r} there. Leave terms out."
        )


def _texts_of(X):
    """Documents given as strings or as lists of tokens; else None."""
    if sp.issparse(X) or getattr(X, "ndim", 1) != 1 or len(X) == 0:
        return None
    documents = list(X)
    return documents if any(all(isinstance(d, kind) for d in documents) for kind in (str, (list, tuple))) else None


def as_text(document: str | Sequence[str]) -> str:
    """A document as a text to quote: tokens get blanks between."""
    return str(document) if isinstance(document, str) else " ".join(map(str, document))


def _plural(n, what):
    return f"{n:,} {what}{'s' * (n != 1)}"


def _pandas():
    try:
        import pandas
    except ImportError as error:
        raise ImportError("as_frame=True needs pandas. Install it with `pip install pandas`.") from error
    return pandas
