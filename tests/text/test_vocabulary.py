"""The streamed vocabulary against scikit-learn's CountVectorizer."""

from collections import Counter
from functools import reduce
from operator import add

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer

from featlearn.text.vocabulary import MERGE, count_matrix, count_terms, learn_vocabulary

DOCUMENTS = st.lists(st.lists(st.text("abc", min_size=1, max_size=2), max_size=8), min_size=1, max_size=12)
LIMIT = st.one_of(st.integers(1, 6), st.floats(0, 1))


def theirs(documents, **limits):
    """CountVectorizer's terms, sorted; None if there are none."""
    try:
        vectorizer = CountVectorizer(analyzer=list, **limits).fit(documents)
    except ValueError:
        return None
    return sorted(vectorizer.vocabulary_)


def ours(documents, **limits):
    """Our terms; None if there are none."""
    try:
        return list(learn_vocabulary(documents, **limits))
    except ValueError:
        return None


@settings(max_examples=200, deadline=None)
@given(DOCUMENTS, LIMIT, LIMIT)
def test_the_limits_are_those_of_scikit_learn(documents, min_df, max_df):
    assert ours(documents, min_df=min_df, max_df=max_df) == theirs(documents, min_df=min_df, max_df=max_df)


@settings(max_examples=200, deadline=None)
@given(DOCUMENTS, st.integers(1, 6), st.integers(1, 3))
def test_max_features_keeps_the_same_terms_but_for_ties(documents, max_features, min_df):
    limits = {"max_features": max_features, "min_df": min_df}
    found, expected = ours(documents, **limits), theirs(documents, **limits)
    if found != expected:
        counts = Counter(token for document in documents for token in document)
        assert len(found) == len(expected)
        border = {counts[term] for term in set(found) ^ set(expected)}
        assert len(border) == 1  # all of them occur equally often
        assert max(set(found) - set(expected)) < max(set(expected) - set(found))


@settings(max_examples=50, deadline=None)
@given(DOCUMENTS, st.integers(1, 5))
def test_streams_learn_the_same(documents, size):
    chunks = [documents[i : i + size] for i in range(0, len(documents), size)]
    for limits in ({"min_df": 2, "max_df": 0.9}, {"max_features": 2}):
        assert ours(lambda: iter(chunks), **limits) == ours(documents, **limits)
        assert ours(iter(chunks), **limits) == ours(documents, **limits)


def test_dask_bags_learn_the_same():
    bag = pytest.importorskip("dask.bag", reason="pip install 'featlearn[dask]'")
    rng = np.random.default_rng(0)
    documents = [[f"w{i}" for i in rng.zipf(1.5, 20) if i < 500] for _ in range(100)]
    for limits in ({"min_df": 2, "max_df": 0.9}, {"max_features": 9}):
        found = learn_vocabulary(bag.from_sequence(documents, npartitions=7), **limits)
        assert found.tolist() == theirs(documents, **limits)


def test_many_chunks_add_and_none_is_changed():
    rng = np.random.default_rng(0)
    chunks = [[[f"w{i}" for i in rng.integers(0, 50, 5)] for _ in range(3)] for _ in range(5 * MERGE + 3)]
    counts = [count_terms(chunk, totals=True) for chunk in chunks]
    before = [dict(count.df[0]) for count in counts]
    total = reduce(add, counts)
    whole = count_terms([document for chunk in chunks for document in chunk], totals=True)
    assert len(total.df) < MERGE
    assert sum(map(Counter, total.df), Counter()) == whole.df[0]
    assert sum(map(Counter, total.tf), Counter()) == whole.tf[0]
    assert total.n_documents == whole.n_documents == 3 * len(chunks)
    assert [dict(count.df[0]) for count in counts] == before


@settings(max_examples=50, deadline=None)
@given(DOCUMENTS)
def test_count_matrix_is_what_count_vectorizer_makes(documents):
    terms = ["b", "a", "cc"]
    counts = count_matrix(documents, {term: i for i, term in enumerate(terms)})
    expected = CountVectorizer(analyzer=list, vocabulary=terms).transform(documents)
    np.testing.assert_array_equal(counts.toarray(), expected.toarray())
    assert counts.has_canonical_format
    assert counts.dtype == np.float32


def test_an_array_of_strings_comes_back():
    terms = learn_vocabulary([["b", "a"], ["é"]])
    assert terms.tolist() == ["a", "b", "é"]
    assert terms.dtype == object


@pytest.mark.parametrize(
    ("documents", "limits", "message"),
    [
        ([], {}, "the corpus is empty: there is no document"),
        (iter([]), {}, "There is no data"),
        ([[], []], {}, "all 2 documents are, for the tokenizer left no token"),
        (
            [["a", "b"], ["a"], ["a"]],
            {"min_df": 2, "max_df": 0.5},
            "max_df=0.5 is 1.5 documents of 3, fewer than min_df=2 with 2. Lower min_df or raise max_df",
        ),
        (
            [["a", "b"], ["a", "c"], ["a"], []],
            {"min_df": 2, "max_df": 0.5},
            r"of 3 terms in 4 documents, 2 are in fewer than 2 documents \(min_df=2\) and 1 in more than 2 "
            r"\(max_df=0.5\). Lower min_df",
        ),
        (["a text"], {}, r"the documents are strings \('a text'\.\.\.\). Tokenize them first"),
    ],
)
def test_an_empty_vocabulary_is_an_error_with_numbers(documents, limits, message):
    with pytest.raises(ValueError, match=message):
        learn_vocabulary(documents, **limits)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"min_df": 0}, r"learn_vocabulary: min_df=0 is not valid; pass an integer of at least 1 \(documents\), or"),
        ({"min_df": "5"}, "min_df='5' is not valid"),
        ({"min_df": float("nan")}, "min_df=nan is not valid"),
        ({"max_df": 3.0}, "max_df=3.0 is not valid"),
        ({"max_features": 0}, "max_features=0 is not valid; pass None or an integer of at least 1"),
    ],
)
def test_bad_limits(limits, message):
    with pytest.raises(ValueError, match=message):
        learn_vocabulary([["a", "b"]] * 4, **limits)
