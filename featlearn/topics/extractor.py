"""From raw texts to topics in one step.

    fit         documents -> tokens -> (phrases) -> vocabulary -> counts -> model.fit
    transform   documents -> tokens -> (phrases) -> counts -> model.transform

Of a stream of documents nothing is held but the vocabulary: it is read once to count terms, and again in every walk of
the model.
"""

from collections import Counter
from functools import partial
from itertools import chain, islice
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin, clone
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.pipeline import Pipeline
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from featlearn.callbacks import CallbackSupportMixin, end_iteration, sub_fit
from featlearn.fitting import fitting, guarded
from featlearn.notices import notify
from featlearn.streaming import is_dask, is_out_of_core, map_chunks
from featlearn.text.documents import check_documents
from featlearn.text.stop_words import stop_words
from featlearn.text.terms import check_terms
from featlearn.text.tokenizer import Tokenizer
from featlearn.text.vocabulary import count_matrix, learn_vocabulary, share_or_count
from featlearn.topics.lda import LDA
from featlearn.topics.tables import Topics, as_proportions
from featlearn.topics.topic_model import TopicModelMixin
from featlearn.validation import has, integer, optional

LOOK = 200  # documents whose tokens are looked at, for what a user should know
FEW = 0.05  # of these tokens may be stop words or have capitals: a list of somebody else's leaves some of ours
Training = tuple[np.ndarray | None, np.ndarray | None, list | None]  # proportions, lengths and documents of the fit


class Tokens:
    """Documents to token lists by fitted steps; picklable."""

    def __init__(self, steps: list):
        self.steps = steps
        # Our tokenizer's function says once of many chunks what it has to say.
        self.cuts = [step.cut() if isinstance(step, Tokenizer) else None for step in steps]

    def __call__(self, documents: list) -> list[list[str]]:
        """The tokens of each of many documents."""
        for step, cut in zip(self.steps, self.cuts, strict=True):
            documents = step.transform(documents) if cut is None else cut(documents)
        return documents


class OneDocument:
    """One document to its tokens, for a vectorizer's analyzer; picklable."""

    def __init__(self, tokens: Tokens):
        self.tokens = tokens

    def __call__(self, document: Any) -> list[str]:
        """The tokens of one document."""
        return self.tokens([document])[0]


def counted(documents: list, *, tokens: Tokens, columns: dict[str, int]) -> sp.csr_array:
    """Counts (n_documents, n_terms) of a list of documents."""
    return count_matrix(tokens(documents), columns)


def proportioned(documents: list, *, counts: Any, model: Any) -> np.ndarray:
    """Proportions (n_documents, n_topics) of a list of documents, be it the empty one of a partition."""
    if not documents:
        return np.empty((0, len(model.components_)), model.components_.dtype)
    return model.transform(counts(documents))


def mapped(f: Any, X: Any) -> Any:
    """f over a list, every chunk of a stream (again a stream) or every partition of a bag (one item each)."""
    if is_dask(X):
        return X.map_partitions(partial(_one_item, f))
    if not is_out_of_core(X):
        return f(X)
    return partial(map_chunks, f, X) if callable(X) else map_chunks(f, X)


def _one_item(f, items):
    return [f(list(items))]


def new_model(model: Any) -> Any:
    """A clone of the model asked for; LDA for None."""
    return LDA() if model is None else clone(model)


def _model_has(name: str):
    return lambda self: hasattr(self.model_ if hasattr(self, "model_") else new_model(self.model), name)


def first_documents(X: Any) -> list:
    """The beginning of a corpus: of a list, of the first chunk of a stream that has any, or of a bag's partition."""
    if is_dask(X):
        X = next((items for part in X.to_delayed() if (items := list(part.compute()))), [])
    elif callable(X):
        X = next((chunk for chunk in X() if chunk), [])
    return X[:LOOK]


def say_what_is_skipped(tokenizer: Tokenizer, documents: list[list[str]]) -> None:
    """Warn if tokens pass the tokenizer by that it would have dropped or changed; documents are the first ones."""
    words = Counter(chain.from_iterable(documents))
    dropped: Any = () if tokenizer.stop_words is None else tokenizer.stop_words
    if isinstance(dropped, str):
        dropped = stop_words(tokenizer.language) if tokenizer.language else ()
    dropped = set(map(str.lower, dropped))
    kinds = {
        "stop words": [word for word in words if word.lower() in dropped],
        "words with capitals": [word for word in words if tokenizer.lowercase and word != word.lower()],
        "without a letter": [word for word in words if tokenizer.pattern is None and not any(map(str.isalpha, word))],
    }
    if sum(words[word] for word in set(chain.from_iterable(kinds.values()))) <= FEW * words.total():
        return
    found = [
        f"{sum(words[word] for word in some) / words.total():.0%} are {kind} ({', '.join(map(repr, most))}, ...)"
        for kind, some in kinds.items()
        if (most := sorted(some, key=lambda word: -words[word])[:3])
    ]
    notify(
        "TopicExtractor: the documents are lists of tokens, so the tokenizer is skipped, with its stop words, lower "
        f"case and min_length; phrases and the vocabulary's limits still apply. Of the {words.total()} tokens in the "
        f"first {len(documents)} documents {', '.join(found)}. Drop these before, or pass texts: [' '.join(tokens) "
        "for tokens in documents]."
    )


def say_that_documents_are_words(tokens: list[list[str]]) -> None:
    """Warn if no document holds two tokens: then words share no document, and there is nothing to learn."""
    if len(tokens) < 2 or max(map(len, tokens)) != 1:
        return
    some = ", ".join(repr(word) for word in islice(chain.from_iterable(tokens), 3))
    notify(
        f"TopicExtractor: none of the first {len(tokens)} documents holds more than one token ({some}, ...), and "
        "topics are learned of words that share documents. Were these the tokens of documents? Pass a list of token "
        "lists: of a generator that gives them one by one list(documents), of a single document [tokens]."
    )


class TopicExtractor(ClassNamePrefixFeaturesOutMixin, TransformerMixin, CallbackSupportMixin, BaseEstimator):
    """Learn topics from raw texts: tokenize, choose a vocabulary, count, and fit a topic model.

    Parameters
    ----------
    model : topic model or None, default=None
        `LDA`, `PLSA`, `MixtureOfUnigrams`, `UnigramModel`, or any estimator of counts with ``transform`` and
        ``components_``, such as scikit-learn's. It is cloned. None takes ``LDA()``.
    tokenizer : transformer or None, default=None
        From a list of documents to lists of tokens; None takes ``Tokenizer()``, for English. It is cloned. Documents
        that are lists of tokens pass it unchanged.
    phrases : transformer or None, default=None
        From lists of tokens to lists of tokens: `Phrases`, to join words to phrases. It is cloned.
    min_df, max_df : int or float, default=5 and 0.5
        Fewest and most documents that may hold a term: an integer counts documents, a float is a share of them.
    max_features : int or None, default=None
        Keep that many terms, those that occur most.
    vocabulary : sequence of str, mapping of words to columns or of columns to words, or None, default=None
        The terms, if they are known before; the limits above are not used then. A sequence (list, array, pandas Index)
        has them in order; a mapping (a vectorizer's ``vocabulary_``, a gensim Dictionary) is put in the order of its
        columns.

    Attributes
    ----------
    terms_ : array of str (n_terms,)
        The vocabulary.
    components_ : array (n_topics, n_terms)
        The topics, as the model has them.
    topics_ : Topics
        Tables of the topics, with the proportions of the training documents and their texts; without both if fitted to
        a stream or by `partial_fit`, without texts in an estimator that was pickled or copied.
    tokenizer_, phrases_, model_ : estimators
        The fitted steps; ``phrases_`` is None without phrases.
    vectorizer_ : CountVectorizer
        From raw documents to counts, as `counts`; for what works with scikit-learn's vectorizers.
    pipeline_ : Pipeline
        ``vectorizer_`` and ``model_``.

    Raises
    ------
    ValueError
        If the input is no list of documents, the vocabulary is empty, or a parameter is not valid.

    Warns
    -----
    UserWarning
        If documents are lists of tokens, and more than 5 % of those in the first 200 are what the tokenizer, which they
        skip, would have dropped as stop words, made lowercase or not taken for words at all, as they hold no letter; or
        if none of these documents holds two tokens.

    See Also
    --------
    LDA, PLSA, MixtureOfUnigrams : The models.
    Tokenizer, Phrases : What cuts texts.

    Notes
    -----
    Documents that are lists of tokens skip the tokenizer: its language, stop words, lower case and ``min_length``.
    Phrases, the vocabulary and its limits apply to them as to texts.

    Words outside the vocabulary are ignored; a document without any other is empty, and our models give it uniform
    proportions. A stream is read and tokenized again in each walk of the model.

    Examples
    --------
    >>> from sklearn.decomposition import LatentDirichletAllocation
    >>> from featlearn.topics.extractor import TopicExtractor
    >>> documents = ["The cat chased the dog.", "A dog, a cat!", "Stocks and bonds fell.", "Bonds beat stocks."] * 5
    >>> extractor = TopicExtractor(LatentDirichletAllocation(2, random_state=0)).fit(documents)
    >>> sorted(map(sorted, extractor.topics_.top_terms(2)))
    [['bonds', 'stocks'], ['cat', 'dog']]
    >>> extractor.transform(["My cat sleeps", "unheard of"]).shape
    (2, 2)
    """

    _rules: ClassVar = {
        "model": optional(has("fit", "transform")),
        "tokenizer": optional(has("fit", "transform")),
        "phrases": optional(has("fit", "transform")),
        "min_df": share_or_count,
        "max_df": share_or_count,
        "max_features": optional(integer(1)),
        "vocabulary": optional(has("__iter__")),
    }

    def __init__(
        self,
        model: Any = None,
        *,
        tokenizer: Any = None,
        phrases: Any = None,
        min_df: int | float = 5,
        max_df: int | float = 0.5,
        max_features: int | None = None,
        vocabulary: Any = None,
    ):
        self.model = model
        self.tokenizer = tokenizer
        self.phrases = phrases
        self.min_df = min_df
        self.max_df = max_df
        self.max_features = max_features
        self.vocabulary = vocabulary

    def _check_together(self):
        if self.vocabulary is not None:
            check_terms(self.vocabulary, None, "TopicExtractor", name="vocabulary")

    @fitting(2)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the vocabulary and the topics.

        Parameters
        ----------
        X : list of str, list of lists of str, Series, stream of such lists, or Dask bag of str
            The documents, as texts or as tokens. A stream must be one that can be walked again (`LineDocuments`, a
            function that returns a fresh iterator), and the model one that learns from streams.
        y : ignored
            Present for the API.

        Returns
        -------
        self
        """
        X = self._documents(X, passes=3)
        tokens, X_tokens = self._fit_tokens(X)
        terms = self._vocabulary(X_tokens)
        end_iteration(self, {}, name="vocabulary")
        X_counts = mapped(partial(count_matrix, columns=_columns(terms)), X_tokens)
        model = new_model(self.model)
        with sub_fit(self, model, "fit-model"):
            try:
                model.fit(X_counts)
            except TypeError as error:
                if is_out_of_core(X) and not isinstance(model, TopicModelMixin):
                    raise TypeError(
                        f"TopicExtractor: {type(model).__name__} does not learn from a stream of counts ({error}). "
                        "Pass the documents in a list, or take a topic model of featlearn."
                    ) from error
                raise
        training: Training = (None, None, None)
        if not is_out_of_core(X):
            lengths = np.asarray(X_counts.sum(axis=1, dtype=np.float64)).ravel()
            training = (np.asarray(model.transform(X_counts)), lengths, X)
        self._keep(tokens, terms, model, training)
        return self

    @guarded
    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Learn from one more batch of documents.

        The first batch also decides the phrases and, unless ``vocabulary`` gives it, the vocabulary: let it be a large
        one, or count the terms of all with `learn_vocabulary` before.

        Parameters
        ----------
        X : list of str, list of lists of str, or Series
            The batch.
        y : ignored
            Present for the API.

        Returns
        -------
        self
        """
        X = self._documents(X, passes=1)
        if is_out_of_core(X):
            raise ValueError(
                "TopicExtractor.partial_fit takes one batch, a list of documents; fit takes streams. Call partial_fit "
                "for each chunk of yours."
            )
        if hasattr(self, "model_"):
            tokens, terms, model = self._tokens, self.terms_, self.model_
            batch = tokens(X)
        else:
            tokens, batch = self._fit_tokens(X)
            terms, model = self._vocabulary(batch), new_model(self.model)
        if not hasattr(model, "partial_fit"):
            raise ValueError(f"TopicExtractor: {model!r} has no partial_fit; choose a model that has, or call fit.")
        model.partial_fit(count_matrix(batch, _columns(terms)))
        self._keep(tokens, terms, model, (None, None, None))
        return self

    def _documents(self, X, passes):
        X = check_documents(X, "TopicExtractor", passes=passes)
        if isinstance(X, list) and not X:
            raise ValueError("TopicExtractor: the corpus is empty: there is no document. Pass at least one.")
        return X

    def _fit_tokens(self, X):
        """The fitted steps from documents to tokens, and the tokens of X."""
        steps = [Tokenizer() if self.tokenizer is None else clone(self.tokenizer)]
        if self.phrases is not None:
            steps.append(clone(self.phrases))
        first = first_documents(X)
        functions = []  # one of each step, which says once what it has to say
        for step in steps:
            step.fit(X)
            functions.append(Tokens([step]))
            X = X.map_partitions(functions[-1]) if is_dask(X) else mapped(functions[-1], X)
        if first and not isinstance(first[0], str) and isinstance(steps[0], Tokenizer):
            say_what_is_skipped(steps[0], first)
        for function in functions:
            first = function(first)
        say_that_documents_are_words(first)
        return Tokens(steps), X

    def _vocabulary(self, tokens):
        if self.vocabulary is None:
            limits: dict[str, Any] = {"min_df": self.min_df, "max_df": self.max_df, "max_features": self.max_features}
            return learn_vocabulary(tokens() if callable(tokens) else tokens, **limits)
        return np.array(check_terms(self.vocabulary, None, "TopicExtractor", name="vocabulary"), dtype=object)

    def _keep(self, tokens, terms, model, training):
        self._tokens, self.terms_, self.model_ = tokens, terms, model
        self.tokenizer_, self.phrases_ = (*tokens.steps, None)[:2]
        self.vectorizer_ = CountVectorizer(analyzer=OneDocument(tokens), vocabulary=list(terms), dtype=np.float32)
        self.vectorizer_.get_feature_names_out()  # takes the vocabulary over, as a fit would
        self._training = training

    def _counted(self):
        return partial(counted, tokens=self._tokens, columns=_columns(self.terms_))

    @property
    def components_(self) -> np.ndarray:
        """The model's topics (n_topics, n_terms)."""
        check_is_fitted(self)
        return self.model_.components_

    @property
    def topics_(self) -> Topics:
        """Tables of the topics."""
        check_is_fitted(self)
        proportions, lengths, documents = self._training
        if proportions is not None:
            proportions = as_proportions(proportions, self.components_)
        return Topics(self.components_, self.terms_, proportions=proportions, lengths=lengths, documents=documents)

    @property
    def pipeline_(self) -> Pipeline:
        """The vectorizer and the model."""
        check_is_fitted(self)
        return Pipeline([("vectorizer", self.vectorizer_), ("model", self.model_)])

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)

    def counts(self, X: Any) -> Any:
        """Term counts of documents, as the model sees them.

        Parameters
        ----------
        X : list of str, list of lists of str, Series, stream of such lists, or Dask bag of str
            The documents.

        Returns
        -------
        counts : csr_array (n_documents, n_terms) of float32, a stream of them, or a Dask bag with one for a partition
            The counts; words outside the vocabulary are not counted.
        """
        check_is_fitted(self)
        return mapped(self._counted(), self._documents(X, passes=1))

    def transform(self, X: Any) -> Any:
        """Topic proportions of documents.

        Parameters
        ----------
        X : list of str, list of lists of str, Series, stream of such lists, or Dask bag of str
            The documents.

        Returns
        -------
        proportions : array (n_documents, n_topics), a generator of such arrays for a stream, or a Dask bag of them
            What the model's transform gives.
        """
        check_is_fitted(self)
        X = self._documents(X, passes=1)
        propose: Any = partial(proportioned, counts=self._counted(), model=self.model_)
        return map_chunks(propose, X) if is_out_of_core(X) and not is_dask(X) else mapped(propose, X)

    @available_if(_model_has("score"))
    def score(self, X: Any, y: Any = None) -> float:
        """The model's score of documents.

        Parameters
        ----------
        X : list of str, list of lists of str, Series, stream of such lists, or Dask bag of str
            The documents.
        y : ignored
            Present for the API.

        Returns
        -------
        score : float
            Larger is better; of our models the mean log-probability of a held-out word.
        """
        counts = self.counts(X)  # says so where nothing is fitted
        return self.model_.score(counts)

    @available_if(_model_has("perplexity"))
    def perplexity(self, X: Any) -> float:
        """The model's perplexity of documents.

        Parameters
        ----------
        X : list of str, list of lists of str, Series, stream of such lists, or Dask bag of str
            The documents.

        Returns
        -------
        perplexity : float
            Smaller is better; of our models by document completion.
        """
        counts = self.counts(X)
        return self.model_.perplexity(counts)

    def __getstate__(self):
        state = dict(super().__getstate__())
        if "_training" in state:
            state["_training"] = (*state["_training"][:2], None)  # a saved model does not carry the texts
        return state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        return tags


def _columns(terms: np.ndarray) -> dict[str, int]:
    return {term: column for column, term in enumerate(terms)}
