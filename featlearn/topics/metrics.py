"""Scores of topic models: diversity, and scorers for cross-validation and grid searches.

    diversity    distinct terms among the top terms of all topics / (K top)                 Dieng, Ruiz & Blei (2020)
    coherence    mean over topics of a measure of `featlearn.topics.coherence`, on the documents of the test fold
    perplexity   minus the perplexity of the test fold, by document completion

A scorer reads the model at the end of a pipeline, and from the steps before it what the model read: counts, and where a
measure wants words in order, those of the vectorizer.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Any, ClassVar

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from featlearn.text.terms import check_terms
from featlearn.topics.coherence import WINDOWS, as_topics, one_coherence, topic_pairs
from featlearn.topics.topic_model import TopicModelMixin
from featlearn.validation import check_argument, check_parameters, either, integer, one_of, optional


def topic_diversity(topics: Any, top: int = 25) -> float:
    """Share of distinct terms among the top terms of all topics.

    Parameters
    ----------
    topics : array (n_topics, n_terms) or list of lists
        `components_` of a topic model, of which only the order of terms counts; or for each topic its top terms, as
        words or as term indices.
    top : int, default=25
        Terms that stand for a topic. Shorter lists are taken whole.

    Returns
    -------
    diversity : float
        1 where no two topics share a top term, 1 / n_topics where all have the same.

    Raises
    ------
    ValueError
        If `top` exceeds the vocabulary, or the topics are not valid.

    References
    ----------
    Dieng, Ruiz & Blei (2020). Topic modeling in embedding spaces. TACL 8.

    Examples
    --------
    >>> from featlearn.topics.metrics import topic_diversity
    >>> topic_diversity([["cat", "dog"], ["cat", "bond"]])
    0.75
    """
    check_argument("topic_diversity", "top", top, integer(low=1))
    terms = list(chain.from_iterable(as_topics(topics, top, "topic_diversity")[0]))
    return len(set(terms)) / len(terms)


def flat_steps(estimator: Any) -> list:
    """The steps of a fitted pipeline, with what is within searches, extractors and pipelines; the model is the last."""
    for opened in ("best_estimator_", "pipeline_"):
        estimator = getattr(estimator, opened, estimator)
    if not isinstance(estimator, Pipeline):
        return [estimator]
    steps = [step for _, step in estimator.steps if step is not None and step != "passthrough"]
    return list(chain.from_iterable(flat_steps(step) for step in steps))


def vectorizer_place(steps: list) -> int | None:
    """Which step before the model turns text into counts and can name them; None if none does."""
    has = ("build_analyzer", "get_feature_names_out")
    return next((i for i, step in enumerate(steps[:-1]) if all(hasattr(step, name) for name in has)), None)


def keeps_order(vectorizer: Any) -> bool:
    """Whether the vectorizer's terms come as the text has them: n-grams of several lengths come one after the other."""
    shortest, longest = getattr(vectorizer, "ngram_range", (1, 1))
    return shortest == longest


def transformed(steps: list, X: Any) -> Any:
    """X as the steps leave it."""
    for step in steps:
        X = step.transform(X)
    return X


def term_names(steps: list) -> Any:
    """The words of the model's terms, from the vectorizer or from the data frame of the fit; None if nobody knows."""
    place = vectorizer_place(steps)
    if place is None:
        return getattr(steps[-1], "feature_names_in_", None)
    names = steps[place].get_feature_names_out()
    for step in steps[place + 1 : -1]:
        if not hasattr(step, "get_feature_names_out"):
            return None
        names = step.get_feature_names_out(names)
    return names


class TopicScorer:
    """What `topic_scorer` returns: a picklable function (estimator, X, y=None) -> float."""

    _rules: ClassVar = {
        "measure": one_of("perplexity", "diversity", *WINDOWS),
        "top": integer(1),
        "window": optional(either(integer(low=1), one_of("document"))),
        # A search would turn what scoring refuses into scores of NaN, and read an iterator up in the first fold.
        "reference": lambda value: "documents that can be read again" if isinstance(value, Iterator) else None,
    }

    def __init__(self, measure: str, *, top: int = 10, window: Any = None, reference: Any = None, terms: Any = None):
        self.measure = measure
        self.top = top
        self.window = window
        self.reference = reference
        self.terms = terms
        check_parameters(self)
        check_argument("TopicScorer", "top", top, integer(1 if measure == "diversity" else 2))
        if terms is not None:
            check_terms(terms, None, "topic_scorer")

    def __call__(self, estimator: Any, X: Any, y: Any = None) -> float:
        """Score of a fitted topic model, or of a pipeline that ends in one, on documents X; larger is better."""
        steps = flat_steps(estimator)
        model = steps[-1]
        if self.measure == "perplexity":
            if not isinstance(model, TopicModelMixin):
                raise TypeError(
                    f"{self!r} needs a topic model of featlearn, whose perplexity is of held-out words by document "
                    f"completion; got {type(model).__name__}. Coherence and diversity score any model with components_."
                )
            return -model.perplexity(transformed(steps[:-1], X))
        check_is_fitted(model)
        if not hasattr(model, "components_"):
            raise TypeError(
                f"{self!r} scores a topic model with components_ (n_topics, n_terms), or a pipeline that ends in one; "
                f"got {type(model).__name__}."
            )
        # A vocabulary may be small in one fold of a search, and an error there would be a score of NaN.
        top = min(self.top, max(np.shape(model.components_)[1], 2))
        if self.measure == "diversity":
            return topic_diversity(model.components_, top)
        reference = self._documents(steps, X) if self.reference is None else self.reference
        terms = term_names(steps) if self.terms is None else self.terms
        D, n, _ = topic_pairs(
            model.components_, reference, measure=self.measure, top=top, window=self.window, terms=terms
        )
        # Not NaN for words that the documents lack, which would end a search: the least that any words can have.
        return float(np.mean([one_coherence(pairs, n, self.measure, None) for pairs in D]))

    def _documents(self, steps: list, X: Any) -> Any:
        """The documents of X: words in order where windows slide over them and the pipeline has them, else counts."""
        place = vectorizer_place(steps)
        window = WINDOWS[self.measure] if self.window is None else self.window
        if place is None or not keeps_order(steps[place]) or window is None or window == "document":
            return transformed(steps[:-1], X)
        return map(steps[place].build_analyzer(), transformed(steps[:place], X))

    def __repr__(self) -> str:
        given = {"top": (self.top, 10), "window": (self.window, None)}
        words = [f", {name}={value!r}" for name, (value, default) in given.items() if value != default]
        words += [f", {name}=..." for name in ("reference", "terms") if getattr(self, name) is not None]
        return f"topic_scorer({self.measure!r}{''.join(words)})"


def topic_scorer(
    measure: str = "npmi", *, top: int = 10, window: int | str | None = None, reference: Any = None, terms: Any = None
) -> TopicScorer:
    """A scorer of topic models for `GridSearchCV`, `cross_validate` and their like.

    Parameters
    ----------
    measure : {"perplexity", "npmi", "umass", "uci", "c_v", "diversity"}, default="npmi"
        Minus the held-out perplexity (a model of featlearn only), the mean coherence of the topics (see `coherence`),
        or their diversity.
    top : int, default=10
        Terms that stand for a topic, or all where the vocabulary is smaller; no part of the perplexity.
    window : int, "document" or None, default=None
        Words in a sliding window, or whole documents; None takes the measure's own, 110 for C_V and 10 for NPMI and
        UCI. Windows need words in order, which come from the pipeline's vectorizer (its ``build_analyzer``, if its
        n-grams all have one length) or from `reference`. Where only counts are known, None takes whole documents.
    reference : counts (n_documents, n_terms), list of documents, or None, default=None
        Where coherence is counted, with the model's vocabulary, or as words; None takes the documents that are scored.
        Pass one if these are few: NPMI of words that meet in none of them is -1, which favors few and common topics.
        Words that the documents lack count for every measure as the least associated there could be.
    terms : sequence of str (n_terms,), mapping of words to columns or of columns to words, or None, default=None
        The word of each term, for a `reference` in words; None asks the pipeline's vectorizer, or the data frame that
        the model was fitted to.

    Returns
    -------
    scorer : callable
        ``scorer(estimator, X, y=None)`` is a float, larger is better. The estimator is a topic model on counts, a
        `Pipeline` that ends in one, whose earlier steps transform X, or a `TopicExtractor`. Any model with
        `components_` will do, scikit-learn's included. It can be pickled.

    Raises
    ------
    ValueError
        If a parameter is not valid.

    Notes
    -----
    No measure chooses the number of topics by itself, so let a search show several (``scoring`` a dict of scorers and
    ``refit=False``). Perplexity is blind to whether anybody can read the topics: it goes on falling with more of them.
    Coherence is blind to what the topics leave out: few broad ones, or a single one, can have the best of all.
    Diversity is blind to both. Take numbers where perplexity has done most of its fall and the others are still high,
    and read the topics; ``examples/plot_number_of_topics.py`` does so.

    Examples
    --------
    >>> from sklearn.decomposition import LatentDirichletAllocation
    >>> from sklearn.feature_extraction.text import CountVectorizer
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.pipeline import make_pipeline
    >>> from featlearn.topics.metrics import topic_scorer
    >>> documents = ["cat dog pet", "dog pet cat", "bond stock fund", "stock fund bond"] * 6
    >>> pipeline = make_pipeline(CountVectorizer(), LatentDirichletAllocation(random_state=0))
    >>> scoring = {"npmi": topic_scorer("npmi", top=3), "diversity": topic_scorer("diversity", top=3)}
    >>> grid = {"latentdirichletallocation__n_components": [1, 2, 4]}
    >>> search = GridSearchCV(pipeline, grid, scoring=scoring, refit=False, cv=2).fit(documents)
    >>> {measure: search.cv_results_[f"mean_test_{measure}"].round(2).tolist() for measure in scoring}
    {'npmi': [-0.33, 1.0, 1.0], 'diversity': [1.0, 1.0, 0.5]}
    """
    return TopicScorer(measure, top=top, window=window, reference=reference, terms=terms)
