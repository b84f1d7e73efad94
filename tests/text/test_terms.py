"""Words exchanged on topics: whatever the vocabulary comes in, the words of a topic are those of its columns."""

from collections import Counter, OrderedDict, UserDict, deque
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import LatentDirichletAllocation
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.pipeline import make_pipeline

from featlearn.plot import TopicDisplay, TopicMapDisplay
from featlearn.text.terms import check_terms
from featlearn.topics import TopicExtractor, Topics, topic_coherence, topic_scorer

WORDS = ["stock", "bond", "cat", "dog", "fund"]
DOCUMENTS = ["stock bond fund stock", "dog cat pet dog", "bond fund", "pet cat dog"] * 5


class Old:
    """A sequence of the old protocol, as tomotopy's vocabularies are."""

    def __len__(self):
        return len(WORDS)

    def __getitem__(self, i):
        return WORDS[i] if i < len(WORDS) else [][i]


def turned(words):
    """The words as a mapping to columns whose own order is another."""
    return dict(sorted(((word, i) for i, word in enumerate(words)), key=lambda pair: pair[0]))


TAKEN = {
    "list": list,
    "tuple": tuple,
    "deque": deque,
    "array": np.array,
    "objects": lambda words: np.array(words, dtype=object),
    "np.str_": lambda words: [np.str_(word) for word in words],
    "Index": pd.Index,
    "Series": pd.Series,
    "Series whose labels are turned": lambda words: pd.Series(words, index=range(len(words), 0, -1)),
    "Categorical": pd.Categorical,
    "old protocol": lambda words: Old(),
    "word to column": turned,
    "OrderedDict": lambda words: OrderedDict(turned(words)),
    "UserDict": lambda words: UserDict(turned(words)),
    "proxy": lambda words: MappingProxyType(turned(words)),
    "NumPy columns": lambda words: {word: np.int64(i) for word, i in turned(words).items()},
    "column to word": lambda words: {i: word for word, i in turned(words).items()},
    "NumPy column to word": lambda words: {np.int32(i): np.str_(word) for word, i in turned(words).items()},
}


@pytest.mark.parametrize("kind", TAKEN)
def test_every_kind_that_has_an_order(kind):
    found = check_terms(TAKEN[kind](WORDS), 5, "Topics")
    assert found == tuple(WORDS)
    assert all(type(word) is str for word in found)


def test_gensim_dictionaries():
    corpora = pytest.importorskip("gensim.corpora", reason="pip install 'featlearn[text]'")
    dictionary = corpora.Dictionary([text.split() for text in DOCUMENTS])
    expected = tuple(dictionary[i] for i in range(len(dictionary)))
    for terms in (dictionary, dictionary.token2id, dict(dictionary.items())):
        assert check_terms(terms, 6, "Topics") == expected
    dictionary.filter_tokens(bad_ids=[2])
    with pytest.raises(
        ValueError, match=r"of 5 words for 6 columns; the first without a word is 5.*numbers its words anew"
    ):
        check_terms(dictionary, 6, "Topics")


REFUSED = {
    "a set": (set(WORDS), "is a set, which has no order"),
    "a frozenset": (frozenset(WORDS), "is a frozenset, which has no order"),
    "keys": (turned(WORDS).keys(), "is a dict_keys, which has no order"),
    "values": ({0: "a"}.values(), "is a dict_values, which has no order"),
    "items": (turned(WORDS).items(), "is a dict_items, which has no order"),
    "one string": ("abcde", r"is 'abcde' \(str\), and must be a list of words"),
    "one np.str_": (np.str_("abcde"), r"and must be a list of words"),
    "bytes": (b"abcde", r"is b'abcde' \(bytes\), and must be a list of words"),
    "a number": (5, r"is 5 \(int\), and must be a list of words"),
    "a class": (list, "must be a list of words"),
    "a vectorizer": (CountVectorizer(), r"get_feature_names_out\(\)"),
    "a generator": ((word for word in WORDS), r"is a generator, which can be read only once; pass list\(terms\)"),
    "an iterator": (iter(WORDS), "which can be read only once"),
    "a data frame": (pd.DataFrame({"term": WORDS}), r"DataFrame of shape \(5, 1\), and must be one column"),
    "a table": (np.array([WORDS]), r"ndarray of shape \(1, 5\), and must be one column"),
    "a scalar": (np.array("abcde"), r"of shape \(\)"),
    "None inside": (["a", None, "b", "c", "d"], "must hold words, and number 1 is None"),
    "NaN inside": (["a", float("nan"), "b", "c", "d"], r"must hold words, and number 1 is nan \(float\)"),
    "NA inside": (pd.Series(["a", pd.NA, "b", "c", "d"]), "must hold words, and number 1 is "),
    "numbers": ([0, 1, 2, 3, 4], r"must hold words, and number 0 is 0 \(int\)"),
    "encoded": ([b"a", b"b", b"c", b"d", b"e"], r"number 0 is b'a' \(bytes\). Decode them"),
    "an array of bytes": (np.array(WORDS, dtype="S"), "Decode them"),
    "letters": ([["a", "b"]] * 5, r"number 0 is \['a', 'b'\] \(list\)"),
    "columns by label": (pd.Series(turned(WORDS)), r"read by position; pass its to_dict\(\)"),
    "too few": (WORDS[:4], "4 terms do not match 5 columns; pass one word for each"),
    "too many": ([*WORDS, "more"], "6 terms do not match 5 columns"),
    "none": ([], "0 terms do not match 5 columns"),
    "a word twice": (["a", "b", "a", "c", "d"], r"holds 'a' twice, as number 0 and 2 \(of 5 words 1 repeat"),
    "counts of words": (Counter(WORDS), "is a Counter, which counts words and has no columns"),
    "columns from 1": ({word: i + 1 for i, word in enumerate(WORDS)}, "counted from 1; subtract 1"),
    "a column twice": ({"a": 0, "b": 1, "c": 1, "d": 2, "e": 3}, "has 'b' and 'c' in column 1"),
    "a negative column": ({"a": 0, "b": -1, "c": 1, "d": 2, "e": 3}, "has 'b' in column -1"),
    "a gap": ({"a": 0, "b": 1, "c": 2, "d": 4}, "of 4 words for 5 columns; the first without a word is 3"),
    "columns as floats": (
        {"a": 0.0},
        r"is a dict with 0.0 \(float\) for 'a' \(str\); it must lead from words to columns",
    ),
    "columns as strings": ({"0": "a", "1": "b"}, r"with 'a' \(str\) for '0' \(str\)"),
    "columns as booleans": ({"a": False, "b": True}, "must lead from words to columns"),
    "numbers to numbers": ({0: 1}, "must lead from words to columns"),
    "both ways": ({"a": 0, 1: "b"}, "must lead from words to columns"),
    "lists of words": ({0: ["a"], 1: ["b"]}, "must lead from words to columns"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_everything_else_is_refused_by_name(kind):
    terms, message = REFUSED[kind]
    with pytest.raises(ValueError, match=f"Topics: .*{message}"):
        check_terms(terms, 5, "Topics")


def test_an_empty_vocabulary_is_refused():
    for nothing in ([], {}):
        with pytest.raises(ValueError, match="vocabulary holds no word"):
            check_terms(nothing, None, "TopicExtractor", name="vocabulary")


@pytest.fixture(scope="module")
def fitted():
    pipeline = make_pipeline(CountVectorizer(), LatentDirichletAllocation(2, random_state=0)).fit(DOCUMENTS)
    return pipeline, pipeline[0], pipeline[1], pipeline[0].transform(DOCUMENTS)


def test_a_vectorizers_vocabulary_names_the_columns_everywhere(fitted):
    """The case of the issue, wherever words are put on columns."""
    _, vectorizer, model, counts = fitted
    names = vectorizer.get_feature_names_out()
    expected = Topics(model.components_, names).top_terms(3)
    assert sorted(map(sorted, expected)) == [["bond", "fund", "stock"], ["cat", "dog", "pet"]]
    id2word = {i: word for word, i in vectorizer.vocabulary_.items()}
    texts = [text.split() for text in DOCUMENTS]
    coherence = topic_coherence(model.components_, texts, top=3, terms=names)
    for terms in (vectorizer.vocabulary_, id2word, pd.Index(names), pd.Series(names, index=names[::-1])):
        assert Topics(model.components_, terms).top_terms(3) == expected
        assert Topics.from_estimator(model, counts, terms).top_terms(3) == expected
        assert TopicMapDisplay.from_estimator(model, terms=terms, n_terms=3, by="probability").terms == dict(
            enumerate(expected)
        )
        assert TopicDisplay.from_estimator(model, terms=terms, n_terms=3).terms == expected
        np.testing.assert_array_equal(topic_coherence(model.components_, texts, top=3, terms=terms), coherence)
        top = topic_coherence(expected, counts, terms=terms, top=3)
        np.testing.assert_array_equal(top, topic_coherence(model.components_, counts, top=3))
        scorer = topic_scorer("npmi", top=3, reference=texts, terms=terms)
        assert scorer(model, counts) == pytest.approx(coherence.mean())
        extractor = TopicExtractor(LatentDirichletAllocation(2, random_state=0), vocabulary=terms).fit(DOCUMENTS)
        assert extractor.terms_.tolist() == names.tolist()
        assert list(map(sorted, extractor.topics_.top_terms(3))) == list(map(sorted, expected))


@settings(max_examples=60, deadline=None)
@given(st.permutations(range(7)), st.integers(0, 2**32 - 1))
def test_any_permutation_of_a_vocabulary_gives_the_words_of_get_feature_names_out(order, seed):
    rng = np.random.default_rng(seed)
    vectorizer = CountVectorizer(vocabulary={f"w{i}": column for i, column in enumerate(order)})
    components = rng.dirichlet(np.full(7, 0.3), size=3) + 1e-6
    names = vectorizer.get_feature_names_out()
    expected = [[names[i] for i in np.argsort(-row, kind="stable")] for row in components]
    pairs = [(f"w{i}", column) for i, column in enumerate(order)]
    rng.shuffle(pairs)
    for terms in (vectorizer.vocabulary, {w: int(c) for w, c in pairs}, {int(c): str(w) for w, c in pairs}, names):
        assert Topics(components, terms).top_terms(7) == expected


def test_the_names_of_a_pipeline_in_another_order_are_refused(fitted):
    """The keys of vocabulary_ as a list: they come in the order in which the words were seen."""
    pipeline, vectorizer, _, counts = fitted
    names = vectorizer.get_feature_names_out()
    with pytest.raises(
        ValueError, match=r"another order: column 0 is 'bond', and terms have 'stock' there. Leave terms"
    ):
        Topics.from_estimator(pipeline, DOCUMENTS, terms=list(vectorizer.vocabulary_))
    frame = pd.DataFrame(counts.toarray(), columns=names)
    named = LatentDirichletAllocation(2, random_state=0).fit(frame)
    with pytest.raises(ValueError, match="terms are the names that the model's columns have, in another order"):
        Topics.from_estimator(named, terms=names[::-1])
    assert Topics.from_estimator(pipeline, terms=vectorizer.vocabulary_).terms == tuple(names)
    assert Topics.from_estimator(pipeline, terms=[f"<{name}>" for name in names]).terms[0] == "<bond>"


@pytest.mark.parametrize("terms", [{"bond", "cat", "dog", "fund", "pet", "stock"}, "bondca", range(6), ["bond"] * 6])
@pytest.mark.parametrize(
    "use",
    [
        lambda model, counts, terms: Topics(model.components_, terms),
        lambda model, counts, terms: Topics.from_estimator(model, counts, terms),
        lambda model, counts, terms: TopicDisplay.from_estimator(model, terms=terms),
        lambda model, counts, terms: TopicMapDisplay.from_estimator(model, counts, terms=terms),
        lambda model, counts, terms: topic_coherence(model.components_, counts, terms=terms, top=3),
        lambda model, counts, terms: topic_scorer("npmi", terms=terms),
        lambda model, counts, terms: TopicExtractor(model, vocabulary=terms).fit(DOCUMENTS),
        lambda model, counts, terms: TopicExtractor(model, vocabulary=terms).partial_fit(DOCUMENTS),
    ],
)
def test_one_gate_everywhere(fitted, use, terms):
    with pytest.raises(ValueError, match=r"^\w+: (terms|vocabulary) (is|must|holds)"):
        use(fitted[2], fitted[3], terms)
