"""Phrases against their formulas, and against gensim used by hand."""

import pickle
from itertools import pairwise
from math import log

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from featlearn.text.phrases import Phrases
from featlearn.text.tokenizer import Tokenizer
from featlearn.text.vocabulary import learn_vocabulary

gensim = pytest.importorskip("gensim.models.phrases", reason="pip install 'featlearn[text]'")

# new york 4 times, new 5, york 5, city 3, new york city 3 times.
DOCUMENTS = [
    ["new", "york", "city", "sleeps"],
    ["old", "york", "new", "york", "city"],
    ["new", "hat", "new", "york", "city"],
    ["visit", "new", "york"],
    ["visit", "hat"],
]
WORDS = sum(map(len, DOCUMENTS))


def test_the_default_score_is_its_formula():
    pairs = {pair for document in DOCUMENTS for pair in pairwise(document)}
    different = len({word for document in DOCUMENTS for word in document}) + len(pairs)
    phrases = Phrases(min_count=2, threshold=0.5).fit(DOCUMENTS)
    assert phrases.phrases_ == pytest.approx(
        {"new_york": (4 - 2) * different / (5 * 5), "york_city": (3 - 2) * different / (5 * 3)}
    )
    assert list(phrases.phrases_.values()) == sorted(phrases.phrases_.values(), reverse=True)


def test_npmi_is_its_formula():
    phrases = Phrases(min_count=3, threshold=0.1, scoring="npmi").fit(DOCUMENTS)
    expected = log((4 / WORDS) / ((5 / WORDS) * (5 / WORDS))) / -log(4 / WORDS)
    assert phrases.phrases_["new_york"] == pytest.approx(expected)
    assert phrases.phrases_.keys() == {"new_york", "york_city"}


def test_transform_joins_what_gensim_joins():
    ours = Phrases(min_count=1, threshold=1.0).fit(DOCUMENTS)
    theirs = gensim.Phrases(DOCUMENTS, min_count=1, threshold=1.0)
    assert ours.transform(DOCUMENTS) == [theirs[document] for document in DOCUMENTS]
    assert ours.transform([["york", "new", "york"], []]) == [["york", "new_york"], []]
    assert ours.n_documents_ == 5


def test_two_passes_find_phrases_of_three_words_and_keep_them_frozen():
    phrases = Phrases(min_count=1, threshold=1.0, n_passes=2).fit(DOCUMENTS)
    first = gensim.Phrases(DOCUMENTS, min_count=1, threshold=1.0)
    second = gensim.Phrases(
        [first[d] for d in DOCUMENTS], min_count=1, threshold=1.0
    )  # not frozen: that one loses them
    expected = [second[first[document]] for document in DOCUMENTS]
    assert any("new_york_city" in document for document in expected)
    assert phrases.transform(DOCUMENTS) == expected
    assert "new_york_city" in phrases.phrases_


def test_words_that_hold_the_delimiter():
    documents = [["x_1", "y_2", f"w{i}"] for i in range(6)] + [["a", f"w{i}"] for i in range(6)]
    assert "x_1_y_2" in Phrases(min_count=1, threshold=1.0).fit(documents).phrases_


def test_delimiter_and_connector_words():
    documents = [["bank", "of", "america", f"w{i}"] for i in range(6)] + [["of", f"w{i}"] for i in range(6)]
    phrases = Phrases(min_count=1, threshold=1.0, delimiter=" ", connector_words="english").fit(documents)
    assert phrases.transform(documents[:1]) == [["bank of america", "w0"]]
    assert "bank of america" in phrases.phrases_
    own = Phrases(min_count=1, threshold=1.0, connector_words=["of"]).fit(documents)
    assert "bank_of_america" in own.phrases_


@pytest.mark.parametrize("n_passes", [1, 2])
def test_streams_and_bags_learn_the_same(n_passes):
    expected = Phrases(min_count=1, threshold=1.0, n_passes=n_passes).fit(DOCUMENTS)
    stream = clone(expected).fit(lambda: iter([DOCUMENTS[:2], DOCUMENTS[2:]]))
    assert stream.phrases_ == expected.phrases_
    assert [d for chunk in stream.transform(lambda: iter([DOCUMENTS])) for d in chunk] == expected.transform(DOCUMENTS)
    bag = pytest.importorskip("dask.bag", reason="pip install 'featlearn[dask]'")
    documents = bag.from_sequence(DOCUMENTS, npartitions=2)
    clustered = clone(expected).fit(documents)
    assert clustered.phrases_ == expected.phrases_
    assert clustered.transform(documents).compute(scheduler="sync") == expected.transform(DOCUMENTS)


def test_partial_fit_adds_up_to_fit():
    expected = Phrases(min_count=1, threshold=1.0).fit(DOCUMENTS)
    phrases = Phrases(min_count=1, threshold=1.0).partial_fit(DOCUMENTS[:3]).partial_fit(DOCUMENTS[3:])
    assert phrases.phrases_ == expected.phrases_
    assert phrases.n_documents_ == 5
    assert expected.partial_fit(DOCUMENTS).phrases_ != phrases.phrases_  # it goes on after a fit too


def test_partial_fit_takes_parameters_that_were_changed():
    phrases = Phrases(min_count=4, threshold=9.0).partial_fit(DOCUMENTS[:3])
    phrases.set_params(min_count=1, threshold=1.0, connector_words=["of"]).partial_fit(DOCUMENTS[3:])
    expected = Phrases(min_count=1, threshold=1.0).fit(DOCUMENTS)
    assert phrases.phrases_ == expected.phrases_ != {}
    expected.set_params(scoring="npmi", threshold=-1.0).partial_fit([["of"]])
    assert -1 <= min(expected.phrases_.values()) <= max(expected.phrases_.values()) <= 1


def test_an_interrupted_fit_leaves_the_estimator_as_it_was(monkeypatch):
    phrases = Phrases(min_count=1, threshold=1.0, n_passes=2).fit(DOCUMENTS)
    before, counts = dict(phrases.__dict__), dict(phrases._models[0].vocab)

    def interrupted(self, model):
        raise KeyboardInterrupt

    monkeypatch.setattr(Phrases, "_frozen", interrupted)
    for method in (phrases.fit, phrases.partial_fit):
        with pytest.raises(KeyboardInterrupt):
            method([["other", "words"]] * 9)
        assert phrases.__dict__ == before
        assert phrases._models[0].vocab == counts


def test_pickle_and_clone():
    phrases = Phrases(min_count=1, threshold=1.0, n_passes=2).fit(DOCUMENTS)
    copied = pickle.loads(pickle.dumps(phrases))
    assert copied.transform(DOCUMENTS) == phrases.transform(DOCUMENTS)
    with pytest.raises(NotFittedError):
        clone(phrases).transform(DOCUMENTS)


def test_behind_a_tokenizer():
    pipeline = make_pipeline(Tokenizer(), Phrases(min_count=1, threshold=0.5))
    assert pipeline.fit_transform(["New York, the city"] * 3 + ["a city", "york", "new"])[0][0] == "new_york"


def test_strings_are_refused_with_the_fix():
    with pytest.raises(ValueError, match=r"documents are strings \('new york'.*make_pipeline\(Tokenizer\(\), Phrases"):
        Phrases().fit(["new york"])
    with pytest.raises(ValueError, match="documents are strings"):
        Phrases(min_count=1).fit(DOCUMENTS).transform(["new york"])
    with pytest.raises(ValueError, match="documents are strings"):
        Phrases().fit(lambda: iter([["new york"]]))


@pytest.mark.parametrize(
    "given",
    [
        lambda: (document for document in DOCUMENTS),
        lambda: map(list, DOCUMENTS),
        lambda: iter(DOCUMENTS),
        lambda: lambda: iter(DOCUMENTS),
        lambda: DOCUMENTS[0],
    ],
)
def test_documents_one_by_one_are_told_from_strings(given):
    """A stream gives chunks, and a generator of token lists seems to give chunks of strings."""
    message = (
        r"joins tokens, and got '\w+' as a document.*pass list\(documents\), for a stream gives chunks.*\[tokens\]"
    )
    with pytest.raises(ValueError, match=message):
        Phrases().fit(given())
    with pytest.raises(ValueError, match=message):
        list(Phrases(min_count=1).fit(DOCUMENTS).transform(given()))
    with pytest.raises(ValueError, match=r"counts tokens, and got '\w+' as a document.*pass list\(documents\)"):
        learn_vocabulary(given())


def test_partial_fit_takes_one_batch():
    for stream in (iter([DOCUMENTS]), iter(DOCUMENTS), lambda: iter([DOCUMENTS])):
        with pytest.raises(ValueError, match=r"partial_fit takes one batch.*Pass list\(documents\)"):
            Phrases().partial_fit(stream)
    used = iter([DOCUMENTS])
    Phrases(min_count=1).fit(used)
    with pytest.raises(ValueError, match="the iterator was walked already"):
        Phrases(min_count=1).fit(used)


@pytest.mark.parametrize("kind", [list, tuple, set, frozenset, np.array, pd.Index, pd.Series])
def test_connector_words_in_any_collection(kind):
    documents = [["bank", "of", "america"], ["of", "many"], ["bank", "of", "america"]] * 3
    phrases = Phrases(min_count=1, threshold=0.5, connector_words=kind(["of"])).fit(documents)
    assert phrases.transform(documents[:1]) == [["bank_of_america"]]


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ([], "there is no document: the list is empty, or the iterator was walked already"),
        ([[], []], "2 documents hold no token at all"),
        (iter([DOCUMENTS]), "an iterator can be walked only once"),
    ],
)
def test_bad_input(documents, message):
    with pytest.raises(ValueError, match=message):
        Phrases(n_passes=2).fit(documents)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"min_count": 0}, "min_count=0 is not valid"),
        ({"threshold": 0}, "threshold=0 is not valid; pass a number greater than 0"),
        ({"threshold": 2.0, "scoring": "npmi"}, r"threshold=2.0 is not valid; pass a number of at most 1"),
        ({"scoring": "pmi"}, "scoring='pmi' is not valid; pass one of 'default', 'npmi'"),
        ({"delimiter": ""}, "delimiter='' is not valid"),
        ({"n_passes": 0}, "n_passes=0 is not valid"),
        ({"connector_words": "chinese"}, "connector_words='chinese' is not valid"),
        ({"connector_words": {"of": 1}}, "connector_words={.of.: 1} is not valid"),
        ({"connector_words": [1]}, r"connector_words=\[1\] is not valid"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        Phrases(**parameters).fit(DOCUMENTS)


def test_without_gensim_the_error_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "gensim.models", None)
    with pytest.raises(ImportError, match=r"pip install 'featlearn\[text\]'"):
        Phrases().fit(DOCUMENTS)
