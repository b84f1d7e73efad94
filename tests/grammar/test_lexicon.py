"""Words under tags: distributions that sum to 1, classes of unknown words, tag guessing."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featlearn.grammar.lexicon import learn_lexicon, word_classes, word_ending, word_shape

COUNTS = {
    ("DT", "the"): 9,
    ("DT", "a"): 6,
    ("NN", "dog"): 4,
    ("NN", "walk"): 1,
    ("NN", "nation"): 1,
    ("NN", "station"): 1,
    ("VB", "walk"): 2,
    ("VBD", "walked"): 1,
    ("VBD", "talked"): 1,
    ("VBG", "going"): 1,
    ("NNP", "Paris"): 1,
    ("CD", "1,234"): 1,
}
KINDS = ("morphology", "shape", "single")


def proba(lexicon, word, initial=False):
    """P(word | tag) by tag."""
    return {lexicon.tags[t]: np.exp(value) for t, value in zip(*lexicon.scores(word, initial), strict=True)}


def brute_force(counts, rare, prior):
    """P(event | tag) with a single class, "", straight from the formulas and with plain dictionaries."""
    words, tags = {w for _, w in counts}, {t for t, _ in counts}
    total = {w: sum(n for (_, v), n in counts.items() if v == w) for w in words}
    few = [w for w in words if total[w] <= rare]
    A = {t: sum(counts.get((t, w), 0) / total[w] for w in few) for t in tags}
    A = {t: a if a >= 0.002 * len(few) else 0.0 for t, a in A.items()}
    p = {t: a / sum(A.values()) for t, a in A.items()}
    n = {}
    for t in tags:
        for w in words:
            c = counts.get((t, w), 0)
            n[t, w] = total[w] * (c + prior * p[t]) / (total[w] + prior) if w in few else c
        n[t, None] = len(few) * p[t]
    mass = {t: sum(value for (u, _), value in n.items() if u == t) for t in tags}
    return {(t, e): value / mass[t] for (t, e), value in n.items()}


@pytest.mark.parametrize(("rare", "prior"), [(1, 1.0), (2, 0.3), (5, 4.0)])
def test_the_formulas_with_one_class(rare, prior):
    lexicon = learn_lexicon(COUNTS, {}, unknown="single", rare=rare, prior=prior)
    expected = brute_force(COUNTS, rare, prior)
    for tag, event in expected:
        found = proba(lexicon, "zorp" if event is None else event).get(tag, 0.0)
        assert found == pytest.approx(expected[tag, event], abs=1e-12)


words = st.sampled_from(["a", "The", "dogs", "ran", "running", "IBM", "3.5", "re-do", "quickly", "of", "Éa", "$", "x1"])
tags = st.sampled_from(["NN", "NN^NP", "NN^VP", "VB", "VB^VP", "CD^QP", "."])


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.tuples(tags, words), st.integers(1, 9), min_size=1),
    st.sampled_from(KINDS),
    st.integers(1, 6),
    st.floats(0.01, 20),
    st.floats(0.01, 100),
)
def test_every_tag_has_a_distribution(counts, unknown, rare, prior, tag_prior):
    lexicon = learn_lexicon(counts, {"The": 2}, unknown=unknown, rare=rare, prior=prior, tag_prior=tag_prior)
    sums = lexicon.log_proba.copy()
    sums.data = np.exp(sums.data)
    np.testing.assert_allclose(sums.sum(axis=0), 1, rtol=1e-9)
    assert sums.shape == (len(lexicon.words) + len(lexicon.classes), len(lexicon.tags))
    for tag, word in counts:
        assert tag in proba(lexicon, word)  # what was seen stays possible
    assert proba(lexicon, "unseenword")


def test_split_tags_lean_on_the_tag_without_its_context():
    counts = {("NN^NP", "dog"): 3, ("NN^NP", "cat"): 1, ("NN^VP", "run"): 2, ("NN^VP", "walk"): 1, ("DT", "the"): 4}
    lexicon = learn_lexicon(counts, {}, unknown="single", rare=1, prior=1.0, tag_prior=2.0)
    base = brute_force({(t.partition("^")[0], w): n for (t, w), n in counts.items()}, 1, 1.0)
    u = base["NN", None]
    found = proba(lexicon, "dog")
    assert found["NN^VP"] == pytest.approx((1 - u) * 2.0 * base["NN", "dog"] / (1 - u) / (3 + 2.0))
    assert found["NN^NP"] == pytest.approx((1 - u) * (3 + 2.0 * base["NN", "dog"] / (1 - u)) / (4 + 2.0))
    assert proba(lexicon, "zorp")["NN^NP"] == pytest.approx(u)
    assert proba(lexicon, "the")["DT"] == pytest.approx(base["DT", "the"])  # a tag that is not split


def test_guesses_are_probabilities_of_tags():
    lexicon = learn_lexicon(COUNTS, {}, rare=1)
    found = proba(lexicon, "walk")
    sizes = {tag: sum(n for (t, _), n in COUNTS.items() if t == tag) for tag in found}
    total = sum(found[tag] * sizes[tag] for tag in found)
    assert dict(lexicon.guess("walk")) == pytest.approx({tag: found[tag] * sizes[tag] / total for tag in found})
    assert lexicon.guess("walk")[0][0] == "VB"


def test_unknown_words_have_the_tags_of_words_that_look_alike():
    lexicon = learn_lexicon(COUNTS, {}, rare=1)
    assert lexicon.guess("jumped")[0][0] == "VBD"
    assert lexicon.guess("creation")[0][0] == "NN"
    assert lexicon.guess("Berlin")[0][0] == "NNP"
    assert lexicon.guess("77")[0][0] == "CD"
    assert not lexicon.is_known("jumped")
    assert lexicon.is_known("dog")


def test_closed_tags_are_for_known_words_alone():
    lexicon = learn_lexicon(COUNTS, {}, rare=1)
    for word in ("zorp", "Zorp", "zorped", "9"):
        assert "DT" not in proba(lexicon, word)
    assert set(proba(lexicon, "the")) == {"DT"}


def test_a_tag_with_hardly_a_rare_word_is_closed():
    counts = {("NN", f"w{i}x"): 1 for i in range(1000)} | {("DT", "thax"): 1, ("DT", "the"): 50}
    lexicon = learn_lexicon(counts, {}, rare=1)
    assert set(proba(lexicon, "zorp")) == {"NN"}
    assert set(proba(lexicon, "thax")) == {"DT", "NN"}
    counts |= {("DT", "thox"): 1, ("DT", "thux"): 1}  # three of 1,003 are enough
    assert set(proba(learn_lexicon(counts, {}, rare=1), "zorp")) == {"DT", "NN"}


def test_rare_words_may_have_other_tags_and_frequent_ones_not():
    lexicon = learn_lexicon(COUNTS, {}, rare=1)
    assert len(proba(lexicon, "walked")) > 1
    assert max(proba(lexicon, "walked").items(), key=lambda item: item[1])[0] == "VBD"
    assert set(proba(lexicon, "dog")) == {"NN"}


def test_a_capital_at_the_beginning_tells_less():
    lexicon = learn_lexicon(COUNTS, {}, rare=1)
    assert proba(lexicon, "The", initial=True) == proba(lexicon, "the")
    assert "DT" not in proba(lexicon, "The")
    assert lexicon.row("Zorped", True) != lexicon.row("Zorped", False)


def test_words_that_only_began_sentences_teach_that_class():
    counts = {("NNP", "Rome"): 1, ("RB", "Then"): 1, ("NN", "x"): 5}
    lexicon = learn_lexicon(counts, {"Then": 1})
    assert lexicon.guess("Zorp", initial=True)[0][0] == "RB"
    assert lexicon.guess("Zorp")[0][0] == "NNP"


def test_where_all_words_are_frequent_all_teach():
    lexicon = learn_lexicon({("NN", "dog"): 5, ("VB", "bark"): 5}, {})
    assert {tag for tag, _ in lexicon.guess("zorp")} == {"NN", "VB"}


@pytest.mark.parametrize(
    ("word", "initial", "classes"),
    [
        ("walking", False, ("lower/ing", "lower", "")),
        ("Walking", False, ("capital/ing", "capital", "")),
        ("Walking", True, ("initial/ing", "initial", "")),
        ("IBM", True, ("caps", "caps", "")[1:]),
        ("A", False, ("capital", "")),
        ("1990s", False, ("number/s", "number", "")),
        ("1,234.5", False, ("digits", "")),
        ("--", False, ("symbols", "")),
        ("so-called", False, ("lower-hyphen/ed", "lower-hyphen", "")),
        ("boss", False, ("lower", "")),
        ("bus", False, ("lower", "")),
        ("red", False, ("lower", "")),
    ],
)
def test_classes(word, initial, classes):
    assert word_classes(word, initial, "morphology") == classes
    assert word_classes(word, initial, "single") == ("",)
    assert word_classes(word, initial, "shape") == (word_shape(word, initial), "")
    assert classes[0].partition("/")[2] in ("", word_ending(word))


def test_pickle_and_errors():
    lexicon = learn_lexicon(COUNTS, {})
    again = pickle.loads(pickle.dumps(lexicon))
    assert proba(again, "zorping") == proba(lexicon, "zorping")
    with pytest.raises(ValueError, match="no words"):
        learn_lexicon({}, {})
