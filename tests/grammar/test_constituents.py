"""Counts of constituents as features."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from featlearn.grammar.brackets import parse_tree
from featlearn.grammar.constituents import ConstituentVectorizer, step
from featlearn.grammar.parser import PCFGParser
from featlearn.grammar.toys import load_toy_grammar

TREE = parse_tree("(S (NP (DT the) (NN man)) (VP (VP (Vt saw) (NP (DT the) (NN man))) (PP (P with) (NP (PRP me)))))")
OTHER = parse_tree("(S (VP (Vi sleeps)))")


@pytest.fixture(scope="module")
def parser():
    return PCFGParser(grammar=load_toy_grammar("picnic"), n_jobs=1).fit()


@pytest.fixture(scope="module")
def texts():
    """Sentences with and without coordination, and which they are."""
    rng, grammar = np.random.RandomState(0), load_toy_grammar("picnic")
    sentences = [" ".join(grammar.sample(rng).words()) for _ in range(120)]
    return sentences, np.array(["and" in sentence.split() for sentence in sentences])


def counts_of(vectorizer, document):
    row = vectorizer.transform([document]).toarray()[0]
    return {name: int(n) for name, n in zip(vectorizer.get_feature_names_out(), row, strict=True) if n}


def test_counts_by_hand():
    expected = {
        "label": {"label:S": 1, "label:NP": 3, "label:VP": 2, "label:PP": 1},
        "rule": {
            "rule:S -> NP VP": 1,
            "rule:NP -> DT NN": 2,
            "rule:VP -> VP PP": 1,
            "rule:VP -> Vt NP": 1,
            "rule:PP -> P NP": 1,
            "rule:NP -> PRP": 1,
        },
        "span": {
            "span:S:5-8": 1,
            "span:NP:2": 2,
            "span:VP:5-8": 1,
            "span:VP:3-4": 1,
            "span:PP:2": 1,
            "span:NP:1": 1,
        },
        "tag": {"tag:DT": 2, "tag:NN": 2, "tag:Vt": 1, "tag:P": 1, "tag:PRP": 1},
        "depth": {"depth:5-8": 1},
    }
    everything = {}
    for kind, counts in expected.items():
        assert counts_of(ConstituentVectorizer(features=(kind,)).fit([TREE]), TREE) == counts
        everything |= counts
    vectorizer = ConstituentVectorizer(features=tuple(expected)).fit([TREE])
    assert counts_of(vectorizer, TREE) == everything
    assert counts_of(vectorizer, [TREE, TREE]) == {name: 2 * n for name, n in everything.items()}
    assert counts_of(vectorizer, OTHER) == {"label:S": 1, "label:VP": 1}
    assert list(vectorizer.get_feature_names_out()) == sorted(everything)
    assert [vectorizer.vocabulary_[name] for name in sorted(everything)] == list(range(len(everything)))


def test_steps_cover_all_numbers():
    assert [step(n) for n in range(1, 10)] == ["1", "2", "3-4", "3-4", "5-8", "5-8", "5-8", "5-8", "9-16"]
    assert [step(n) for n in (16, 17, 32, 33, 10**6)] == ["9-16", "17-32", "17-32", "33+", "33+"]


def test_texts_are_parsed_line_by_line(parser):
    vectorizer = ConstituentVectorizer(parser)
    documents = [
        "Anna saw Ben\n\nthe dog ate",
        "",
        ["the", "dog", "ate"],
        parser.predict(["Anna saw Ben", "the dog ate"]),
    ]
    counts = vectorizer.fit_transform(documents)
    assert counts.dtype == np.float32
    np.testing.assert_array_equal(counts.toarray()[0], counts.toarray()[3])
    assert counts.toarray()[1].sum() == 0
    assert counts.toarray()[0].sum() > counts.toarray()[2].sum() > 0
    np.testing.assert_array_equal(vectorizer.transform(documents).toarray(), counts.toarray())
    np.testing.assert_array_equal(
        ConstituentVectorizer(parser).fit(documents).transform(documents).toarray(), counts.toarray()
    )


def test_limits():
    trees = [TREE, TREE, OTHER]
    names = ConstituentVectorizer(features=("label",), min_df=2).fit(trees).get_feature_names_out()
    assert list(names) == ["label:NP", "label:PP", "label:S", "label:VP"]
    names = ConstituentVectorizer(features=("label",), max_df=2).fit(trees).get_feature_names_out()
    assert list(names) == ["label:NP", "label:PP"]
    names = ConstituentVectorizer(features=("label",), max_features=1).fit(trees).get_feature_names_out()
    assert list(names) == ["label:NP"]


def test_a_pipeline_and_a_search(parser, texts):
    sentences, labels = texts
    pipeline = make_pipeline(ConstituentVectorizer(parser), TfidfTransformer(), LogisticRegression(C=100))
    grid = {"constituentvectorizer__features": [("span",), ("label", "rule")], "constituentvectorizer__min_df": [1, 2]}
    search = GridSearchCV(pipeline, grid, cv=3, n_jobs=2).fit(sentences, labels)
    assert search.best_score_ > 0.95
    assert search.best_params_["constituentvectorizer__features"] == ("label", "rule")
    assert search.best_estimator_[0].parser.model_ is parser.model_  # shared, not trained again
    weights = dict(
        zip(search.best_estimator_[0].get_feature_names_out(), search.best_estimator_[-1].coef_[0], strict=True)
    )
    assert weights["rule:NP -> NP Conj NP"] > 0 > weights["rule:S -> NP VP"] - 1


def test_clones_share_the_parser_and_nothing_else(parser):
    vectorizer = ConstituentVectorizer(parser, features=("rule",), min_df=1).fit(["Anna ate"])
    other = clone(vectorizer)
    assert other.parser.model_ is parser.model_
    assert [*map(repr, other.get_params().items())] == [*map(repr, vectorizer.get_params().items())]
    other.set_params(parser__beam=3.0)  # as a grid search does
    assert (other.parser.beam, parser.beam) == (3.0, None)
    with pytest.raises(NotFittedError):
        other.transform(["Anna ate"])
    again = pickle.loads(pickle.dumps(vectorizer))
    np.testing.assert_array_equal(again.transform(["Anna ate"]).toarray(), vectorizer.transform(["Anna ate"]).toarray())
    frozen = clone(ConstituentVectorizer(FrozenEstimator(parser)))
    assert frozen.fit_transform(["Anna ate"]).sum() > 0


def test_a_failed_fit_leaves_it_as_it_was(parser, monkeypatch):
    vectorizer = ConstituentVectorizer(parser).fit(["Anna ate"])
    before = dict(vectorizer.__dict__)
    monkeypatch.setattr(parser, "predict", lambda X: (_ for _ in ()).throw(KeyboardInterrupt()), raising=False)
    with pytest.raises(KeyboardInterrupt):
        vectorizer.fit(["the dog ate"])
    assert vectorizer.__dict__ == before


def test_bad_input(parser):
    with pytest.raises(ValueError, match="has no parser, and a document is text"):
        ConstituentVectorizer().fit(["Anna ate"])
    with pytest.raises(NotFittedError, match="needs a parser that is fitted"):
        ConstituentVectorizer(PCFGParser()).fit(["Anna ate"])
    with pytest.raises(ValueError, match="parser='x' is not valid; pass None or an object with `predict`"):
        ConstituentVectorizer("x").fit(["Anna ate"])
    with pytest.raises(TypeError, match="list of documents; got a NoneType"):
        ConstituentVectorizer(parser).fit(None)
    with pytest.raises(ValueError, match="Document 1 is a list of words, and 'Ben ate' is no single word"):
        ConstituentVectorizer(parser).fit([["Anna", "ate"], ["Anna ate", "Ben ate"][1:]])
    with pytest.raises(TypeError, match="single str"):
        ConstituentVectorizer(parser).fit("Anna ate")
    with pytest.raises(TypeError, match="Document 1 is '3' of type int"):
        ConstituentVectorizer(parser).fit(["Anna ate", 3])
    with pytest.raises(ValueError, match="features=\\('words',\\)"):
        ConstituentVectorizer(parser, features=("words",)).fit(["Anna ate"])
    with pytest.raises(ValueError, match="features="):
        ConstituentVectorizer(parser, features="label").fit(["Anna ate"])
    with pytest.raises(ValueError, match="max_features=0"):
        ConstituentVectorizer(parser, max_features=0).fit(["Anna ate"])
