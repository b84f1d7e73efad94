"""Phrases: neighbors that come together more often than chance become one token, as in new_york.

    default   score(a, b) = (n_ab - min_count) V / (n_a n_b),  V the number of different words and pairs
    npmi      score(a, b) = log(p_ab / (p_a p_b)) / -log p_ab, between -1 and 1

Mikolov et al. (2013), "Distributed representations of words and phrases and their compositionality", section 4. Counts
and scores are gensim's.
"""

from typing import Any, ClassVar, Self

from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from featlearn.fitting import guarded
from featlearn.streaming import is_dask, is_out_of_core, map_chunks
from featlearn.text.documents import check_documents
from featlearn.text.terms import a_set_of_words, require_tokens
from featlearn.validation import check_argument, either, integer, one_of, optional, real

# Joins words while gensim counts: it splits pairs at the delimiter again, so none may be inside a word.
SEPARATOR = "\x1f"


def gensim_phrases() -> Any:
    """gensim's module of phrases."""
    try:
        from gensim.models import phrases
    except ImportError:
        raise ImportError("Phrases needs gensim: pip install 'featlearn[text]'.") from None
    return phrases


class JoinPhrases:
    """Lists of tokens with the phrases of each pass joined, pass after pass; picklable."""

    def __init__(self, phrasers: list):
        self.phrasers = phrasers

    def __call__(self, documents: list) -> list[list[str]]:
        documents = token_lists(documents)
        for phraser in self.phrasers:
            documents = [[token for token, _ in phraser.analyze_sentence(document)] for document in documents]
        return documents


def token_lists(documents: Any) -> list[list[str]]:
    """The documents, if they are lists of tokens."""
    documents = list(documents)
    require_tokens(documents, "Phrases joins", "Put a Tokenizer before it: make_pipeline(Tokenizer(), Phrases()).")
    return [list(document) for document in documents]


def walk(X: Any):
    """Lists of token lists from a list, a stream or a Dask bag of them, one partition at a time."""
    if is_dask(X):
        yield from (token_lists(part.compute()) for part in X.to_delayed())
    elif is_out_of_core(X):
        yield from map(token_lists, X() if callable(X) else X)
    else:
        yield token_lists(X)


class Phrases(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Find phrases of two words or more and join each into one token.

    Parameters
    ----------
    min_count : int, default=5
        A phrase is seen more often than that; with "npmi" at least that often.
    threshold : float, default=10.0
        Score above which a pair is a phrase; with "npmi" between -1 and 1.
    scoring : {"default", "npmi"}, default="default"
        How pairs are scored.
    delimiter : str, default="_"
        What joins the words.
    n_passes : int, default=1
        Passes over the documents; each joins what the one before left, so 2 find phrases of up to four words.
    connector_words : "english", list, set or array of str, or None, default=None
        Words that may stand inside a phrase and never at its ends (bank_of_america). Of use where the tokenizer keeps
        stop words. "english" takes gensim's list.

    Attributes
    ----------
    phrases_ : dict of str to float
        The phrases and their scores, the highest first.
    phrasers_ : list of gensim.models.phrases.FrozenPhrases
        What `transform` applies, one for each pass.
    n_documents_ : int
        Documents learned from.

    Raises
    ------
    ImportError
        If gensim is not installed.
    ValueError
        If the documents are strings, come one by one where a stream gives lists of them, or a parameter is not valid.

    See Also
    --------
    Tokenizer : What comes before.

    Notes
    -----
    Counts of all words and pairs are kept for `partial_fit`. A document is one sentence for gensim: pairs run across
    its full stops, and across what the tokenizer dropped.

    References
    ----------
    Mikolov et al. (2013), "Distributed representations of words and phrases and their compositionality".

    Examples
    --------
    >>> from featlearn.text.phrases import Phrases
    >>> documents = [["visit", "new", "york"], ["new", "york", "subway"], ["a", "subway"], ["a", "visit"]]
    >>> phrases = Phrases(min_count=1, threshold=2.0).fit(documents)
    >>> phrases.transform([["york", "new", "york"]])
    [['york', 'new_york']]
    >>> phrases.phrases_
    {'new_york': 2.5}
    """

    _rules: ClassVar = {
        "min_count": integer(1),
        "threshold": real(),
        "scoring": one_of("default", "npmi"),
        "delimiter": lambda value: None if isinstance(value, str) and value else "a string that is not empty",
        "n_passes": integer(1),
        "connector_words": optional(either(one_of("english"), a_set_of_words)),
    }

    def __init__(
        self,
        min_count: int = 5,
        threshold: float = 10.0,
        *,
        scoring: str = "default",
        delimiter: str = "_",
        n_passes: int = 1,
        connector_words=None,
    ):
        self.min_count = min_count
        self.threshold = threshold
        self.scoring = scoring
        self.delimiter = delimiter
        self.n_passes = n_passes
        self.connector_words = connector_words

    def _check_together(self):
        rule = real(-1, 1) if self.scoring == "npmi" else real(above=0)
        check_argument("Phrases", "threshold", self.threshold, rule)

    def _new_model(self):
        gensim = gensim_phrases()
        words = self.connector_words
        words = gensim.ENGLISH_CONNECTOR_WORDS if isinstance(words, str) else frozenset(() if words is None else words)
        return gensim.Phrases(
            min_count=self.min_count,
            threshold=self.threshold,
            scoring=self.scoring,
            delimiter=SEPARATOR,
            connector_words=words,
        )

    def _frozen(self, model):
        """The phrases of a model, joined by the delimiter asked for."""
        phraser = model.freeze()
        phraser.delimiter = self.delimiter
        phraser.phrasegrams = {
            phrase.replace(SEPARATOR, self.delimiter): float(score) for phrase, score in phraser.phrasegrams.items()
        }
        return phraser

    @guarded
    def fit(self, X: Any, y: Any = None) -> Self:
        """Count words and pairs, and keep the pairs that score.

        Parameters
        ----------
        X : list of lists of str, stream of such lists, or Dask bag of lists of str
            The documents. A stream, of chunks that are lists of documents, is a function that returns a fresh iterator;
            an iterator does for one pass. Of a generator of documents pass ``list(documents)``.
        y : ignored
            Present for the API.

        Returns
        -------
        self
        """
        X = check_documents(X, "Phrases", passes=self.n_passes)
        models: list = []
        phrasers: list = []
        for _ in range(self.n_passes):
            model, join, n_documents = self._new_model(), JoinPhrases(phrasers), 0
            for chunk in walk(X):
                model.add_vocab(join(chunk))
                n_documents += len(chunk)
            if n_documents == 0:
                raise ValueError(
                    "Phrases: there is no document: the list is empty, or the iterator was walked already. Pass at "
                    "least one."
                )
            if not model.corpus_word_count:
                raise ValueError(
                    f"Phrases: {n_documents} documents hold no token at all. Check the tokenizer's language, stop "
                    "words and min_length."
                )
            models.append(model)
            phrasers = [*phrasers, self._frozen(model)]
        self._keep(models, phrasers, n_documents)
        return self

    @guarded
    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Count one more batch of documents.

        Parameters
        ----------
        X : list of lists of str
            The batch.
        y : ignored
            Present for the API.

        Returns
        -------
        self
        """
        if is_out_of_core(X):
            raise ValueError(
                "Phrases.partial_fit takes one batch, a list of documents; fit takes streams of such lists. Pass "
                "list(documents), or call partial_fit for each chunk of yours."
            )
        chunk = token_lists(check_documents(X, "Phrases"))
        if not hasattr(self, "_models"):
            return self.fit(chunk)
        models: list = []
        phrasers: list = []
        for old in self._models:
            model = self._new_model()
            model.vocab = dict(old.vocab)  # a copy, so that an interrupt leaves the counts as they were
            model.corpus_word_count, model.min_reduce = old.corpus_word_count, old.min_reduce
            model.add_vocab(JoinPhrases(phrasers)(chunk))
            models.append(model)
            phrasers = [*phrasers, self._frozen(model)]
        self._keep(models, phrasers, self.n_documents_ + len(chunk))
        return self

    def _keep(self, models, phrasers, n_documents):
        self._models, self.phrasers_, self.n_documents_ = models, phrasers, n_documents
        found: dict[str, float] = {}
        for phraser in phrasers:
            found.update(phraser.phrasegrams)
        self.phrases_ = dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))

    def transform(self, X: Any) -> Any:
        """Join the phrases of each document.

        Parameters
        ----------
        X : list of lists of str, stream of such lists, or Dask bag of lists of str
            The documents.

        Returns
        -------
        tokens : list of lists of str, a generator of such lists, or a Dask bag of lists of str
            The documents, with phrases as single tokens.
        """
        check_is_fitted(self)
        X = check_documents(X, "Phrases")
        join: Any = JoinPhrases(self.phrasers_)
        if is_dask(X):
            return X.map_partitions(join)
        return map_chunks(join, X) if is_out_of_core(X) else join(X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        return tags
