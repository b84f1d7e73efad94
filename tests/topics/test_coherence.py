"""Coherence against the formulas worked by hand, windows counted one by one, and gensim.

Also tests featlearn.kernels.topics.windows.
"""

import warnings
from itertools import combinations
from math import log

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from featlearn import LDA, Topics
from featlearn.kernels.topics.windows import count_windows
from featlearn.topics.coherence import WINDOWS, one_coherence, top_terms, topic_coherence, window_pairs
from featlearn.topics.metrics import topic_diversity

MEASURES = list(WINDOWS)
# Five documents of four terms, and two topics: terms 0 and 1 meet in 2 documents, 0 and 3 in one, 1 and 3 never.
COUNTS = np.array([[2, 1, 0, 0], [1, 3, 1, 0], [0, 0, 1, 2], [0, 0, 2, 1], [1, 0, 0, 1]])
TERMS = ["cat", "dog", "pet", "bond"]
TEXTS = [["cat", "cat", "dog"], ["cat", "dog", "dog", "dog", "pet"], ["pet", "bond", "bond"], ["pet", "pet", "bond"]]
TEXTS += [["cat", "bond"]]


def random_texts(seed, n_documents=60, n_words=30, longest=40, repeats=True):
    rng = np.random.default_rng(seed)
    words = np.array([f"w{i}" for i in range(n_words)])
    p = 1 / np.arange(1, n_words + 1)
    texts = []
    for n in rng.integers(0, longest, n_documents):
        n = n if repeats else min(n, n_words)
        texts.append(words[rng.choice(n_words, n, replace=repeats, p=p / p.sum())].tolist())
    return texts


def slow_windows(texts, words, size):
    """Pairs (W, W) and the number of windows, by looking at each of them."""
    pairs, n = np.zeros((len(words), len(words)), int), 0
    for text in texts:
        length = len(text) if size is None else size
        for start in range(max(len(text) - length, 0) + 1):
            here = set(text[start : start + length])
            present = np.array([word in here for word in words], int)
            pairs += np.outer(present, present)
            n += 1
    return pairs, n


# --- windows


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(st.integers(-1, 4), max_size=14), min_size=1, max_size=5), st.integers(1, 16))
def test_windows_are_those_counted_one_by_one(documents, size):
    pairs = np.zeros((5, 5), np.int64)
    codes = np.array([word for document in documents for word in document], dtype=np.int64)
    n = count_windows(codes, np.array([len(document) for document in documents]), size, pairs)
    expected, windows = slow_windows(documents, range(5), size)
    assert n == windows
    np.testing.assert_array_equal(pairs + pairs.T - np.diag(np.diagonal(pairs)), expected)


@pytest.mark.parametrize("size", [1, 5, 110, None])
def test_documents_are_walked_block_by_block(size):
    texts = random_texts(0, n_documents=1100, longest=8)  # more than a block holds
    words = ["w3", "w0", "w7", "nowhere"]
    pairs, n = window_pairs(iter(texts), words, size)
    expected, windows = slow_windows(texts, words, size)
    assert n == windows
    np.testing.assert_array_equal(pairs, expected)


def test_a_document_of_100_000_words():
    rng = np.random.default_rng(1)
    text = rng.choice(["a", "b", "c", "d"], 100_000, p=[0.01, 0.01, 0.01, 0.97]).tolist()
    pairs, n = window_pairs([text], ["a", "b", "c"], 110)
    codes = np.array(text)
    held = [np.convolve(codes == word, np.ones(110), "valid") > 0.5 for word in "abc"]
    assert n == 100_000 - 109
    np.testing.assert_array_equal(pairs, [[(u & v).sum() for u in held] for v in held])


# --- formulas


def test_worked_by_hand():
    """D: cat 3, dog 2, bond 3 of 5 documents; cat and dog 2, cat and bond 1, dog and bond 0."""
    topics = [[0, 1], [0, 1, 3]]
    umass = [log(3 / 3), (log(3 / 3) + log(2 / 3) + log(1 / 2)) / 3]
    np.testing.assert_allclose(topic_coherence(topics, COUNTS, measure="umass"), umass, rtol=1e-14)
    pmi = [log((2 / 5) / (3 / 5 * 2 / 5)), log((1 / 5) / (3 / 5 * 3 / 5)), log(1e-12 / (2 / 5 * 3 / 5))]
    np.testing.assert_allclose(topic_coherence(topics, COUNTS, measure="uci"), [pmi[0], sum(pmi) / 3], rtol=1e-11)
    npmi = [pmi[0] / -log(2 / 5), pmi[1] / -log(1 / 5), -1]
    np.testing.assert_allclose(topic_coherence(topics, COUNTS), [npmi[0], sum(npmi) / 3], rtol=1e-14)
    npmi[2] = pmi[2] / -log(1e-12)
    M = np.array([[1, npmi[0], npmi[1]], [npmi[0], 1, npmi[2]], [npmi[1], npmi[2], 1]])
    total = M.sum(axis=0)
    c_v = np.mean([row @ total / np.sqrt((row @ row) * (total @ total)) for row in M])
    two = (1 + npmi[0]) / np.sqrt(2 * (1 + npmi[0] ** 2))  # cos((1, a), (1, 1))
    np.testing.assert_allclose(topic_coherence(topics, COUNTS, measure="c_v"), [two, c_v], rtol=1e-9)


def test_umass_follows_the_rank_of_words():
    down, up = topic_coherence([[0, 1], [1, 0]], np.array([[1, 1], [1, 0], [1, 0], [0, 1]]), measure="umass")
    assert down == pytest.approx(log(2 / 3))
    assert up == pytest.approx(log(2 / 2))


@pytest.mark.parametrize("measure", MEASURES)
def test_all_forms_of_topics_and_references_agree(measure):
    components = np.array([[4.0, 3.0, 2.0, 1.0], [0.1, 0.2, 0.3, 0.4]])
    indices = [[0, 1, 2], [3, 2, 1]]
    words = [[TERMS[i] for i in topic] for topic in indices]
    options = {"measure": measure, "top": 3}
    expected = topic_coherence(components, COUNTS, **options)
    assert expected.shape == (2,)
    assert expected.dtype == np.float64
    assert expected[0] != expected[1]
    references = [COUNTS, sp.csr_array(COUNTS), sp.csc_matrix(COUNTS), COUNTS * 0.25, COUNTS.astype(np.float32)]
    for reference in references:
        for topics in (components, components.astype(np.float32), indices, [np.array(t) for t in indices]):
            np.testing.assert_array_equal(topic_coherence(topics, reference, **options), expected)
        np.testing.assert_array_equal(topic_coherence(words, reference, terms=TERMS, **options), expected)
    for texts in (TEXTS, [" ".join(text) for text in TEXTS], (text for text in TEXTS), np.array(TEXTS, dtype=object)):
        found = topic_coherence(words, texts, window="document", **options)
        np.testing.assert_array_equal(found, expected)
    for topics in (components, indices):
        for window in ("document", 110):
            found = topic_coherence(topics, TEXTS, terms=np.array(TERMS), window=window, **options)
            np.testing.assert_array_equal(found, expected)


def test_default_windows():
    texts = random_texts(3, longest=300)
    topics = [["w0", "w1", "w2", "w9"], ["w20", "w3", "w12", "w5"]]
    for measure, size in WINDOWS.items():
        found = topic_coherence(topics, texts, measure=measure)
        explicit = topic_coherence(topics, texts, measure=measure, window=size or "document")
        np.testing.assert_array_equal(found, explicit)
        assert not np.allclose(found, topic_coherence(topics, texts, measure=measure, window=3))


def test_top_terms_of_components_in_order_and_ties_by_index():
    components = np.random.default_rng(0).integers(0, 5, (6, 40)).astype(float)
    for top in (1, 7, 40):
        np.testing.assert_array_equal(
            top_terms(components, top), np.argsort(-components, axis=1, kind="stable")[:, :top]
        )


def test_only_the_order_of_components_counts():
    phi = np.random.default_rng(0).dirichlet(np.full(30, 0.3), 4)
    X = np.random.default_rng(1).poisson(0.2, (50, 30))
    np.testing.assert_array_equal(topic_coherence(phi, X), topic_coherence(np.log(phi) * 5, X))


# --- bounds and defined answers


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([None, 1, 2, 10, "document"]), st.sampled_from([None, 0.0, 1e-12, 1e-3]))
def test_npmi_and_c_v_are_bounded_and_every_value_is_a_number(seed, window, eps):
    texts = [*random_texts(seed, n_documents=8, n_words=12, longest=14), ["w0"]]
    rng = np.random.default_rng(seed)
    topics = [[f"w{i}" for i in rng.permutation(14)[:5]] for _ in range(4)]  # w12 and w13 are nowhere
    topics = [["w0", "w1"], *topics]
    words = {word for text in texts for word in text}
    for measure in MEASURES:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*words that the reference lacks")
            values = topic_coherence(topics, texts, measure=measure, window=window, eps=eps)
        undefined = [measure != "npmi" and not words.issuperset(topic) for topic in topics]
        np.testing.assert_array_equal(np.isnan(values), undefined)
        values = values[~np.array(undefined)]
        if measure in ("npmi", "c_v"):
            assert (np.abs(values) <= 1 + 1e-12).all()
        if eps != 0:
            assert np.isfinite(values).all()


def test_npmi_of_words_that_never_meet_always_meet_and_are_everywhere():
    X = np.array([[1, 1, 0, 1, 1], [1, 1, 0, 1, 1], [0, 0, 1, 1, 1]])
    np.testing.assert_allclose(topic_coherence([[0, 2], [0, 1], [3, 4]], X), [-1, 1, 1], rtol=1e-15)
    np.testing.assert_allclose(topic_coherence([[0, 1], [3, 4]], X, measure="c_v"), 1, rtol=1e-10)
    assert topic_coherence([[0, 3]], X)[0] == pytest.approx(0, abs=1e-15)  # independent: one of them is everywhere


@pytest.mark.parametrize("as_counts", [True, False])
@pytest.mark.parametrize("measure", ["umass", "uci", "c_v"])
def test_topics_of_words_the_reference_lacks_are_undefined(measure, as_counts):
    topics = [["cat", "dog"], ["cat", "unicorn"], ["unicorn", "cat"], ["unicorn", "griffin"]]
    options = {"measure": measure, "terms": TERMS, "window": "document"}
    reference = COUNTS if as_counts else TEXTS
    found = rf"{measure} is undefined \(NaN\) for 3 of 4 topics \(1, 2, 3\), .* lacks: unicorn, griffin\. Drop"
    with pytest.warns(UserWarning, match=found) as caught:
        values = topic_coherence(topics, reference, **options)
    assert [w.filename for w in caught] == [__file__]
    np.testing.assert_array_equal(values[:1], topic_coherence(topics[:1], reference, **options))
    assert np.isnan(values[1:]).all()


@pytest.mark.parametrize("eps", [None, 0, 1e-12, 0.1])
def test_npmi_of_words_the_reference_lacks_is_the_least(eps):
    topics = [["cat", "unicorn"], ["unicorn", "cat"], ["unicorn", "griffin"]]
    for reference in (COUNTS, TEXTS):
        values = topic_coherence(topics, reference, terms=TERMS, window="document", eps=eps)
        np.testing.assert_array_equal(values, -1)


def test_a_term_whose_column_is_empty_is_one_the_reference_lacks():
    X = np.hstack([COUNTS, np.zeros((5, 1), int)])
    with pytest.warns(UserWarning, match=r"for 1 of 1 topics \(0\), .* lacks: term 4\."):
        assert np.isnan(topic_coherence([[0, 4]], X, measure="uci"))
    with pytest.warns(UserWarning, match=r"lacks: unicorn\."):
        topic_coherence([[0, 4]], X, measure="uci", terms=[*TERMS, "unicorn"])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["npmi", "umass", "uci"]), st.integers(0, 5))
def test_no_topic_gains_by_a_word_that_is_nowhere(seed, measure, place):
    """What scorers take a topic for, whose word at some place is exchanged for one that the documents lack."""
    X = (np.random.default_rng(seed).uniform(size=(30, 6)) < 0.6).astype(np.int64)
    without = np.where(np.arange(6) == place, 0, X)
    known, unknown = (one_coherence(table.T @ table, 30, measure, None) for table in (X, without))
    assert unknown < known
    assert np.isfinite(unknown)
    nowhere = one_coherence(np.zeros((6, 6), np.int64), 30, measure, None)
    assert nowhere == pytest.approx({"npmi": -1, "umass": -log(30), "uci": log(1e-12)}[measure])


def test_c_v_of_words_that_are_nowhere_is_0_for_scorers():
    X = (np.random.default_rng(0).uniform(size=(100, 10)) < 0.4).astype(np.int64)
    assert one_coherence(np.zeros((10, 10), np.int64), 100, "c_v", None) == 0
    X[:, 7:] = 0
    rest = one_coherence(X[:, :7].T @ X[:, :7], 100, "c_v", None)
    assert one_coherence(X.T @ X, 100, "c_v", None) == pytest.approx(0.7 * rest)


def test_one_topic_and_one_document():
    assert topic_coherence(np.array([[3.0, 2.0, 1.0, 0.0]]), COUNTS, top=2).shape == (1,)
    for measure in MEASURES:
        assert np.isfinite(topic_coherence([["cat", "dog"]], [["cat", "dog"]], measure=measure)).all()


# --- gensim


def gensim_values(topics, texts, measure, exact=True, **options):
    """Coherence by gensim, with its counts, or with counts of windows that hold repeated words too."""
    pytest.importorskip("gensim", reason="pip install 'featlearn[text]'")
    from gensim.corpora import Dictionary
    from gensim.models.coherencemodel import CoherenceModel
    from gensim.topic_coherence.text_analysis import WordOccurrenceAccumulator

    class Exact(WordOccurrenceAccumulator):
        def _slide_window(self, window, doc_num=None):
            self._uniq_words[:] = False
            self._uniq_words[window] = True

    dictionary = Dictionary(texts)
    name = {"umass": "u_mass", "npmi": "c_npmi", "uci": "c_uci", "c_v": "c_v"}[measure]
    model = CoherenceModel(
        topics=topics, texts=texts, dictionary=dictionary, coherence=name, processes=1, topn=len(topics[0]), **options
    )
    if exact and measure != "umass":
        ids = {dictionary.token2id[word] for topic in topics for word in topic}
        model._accumulator = Exact(ids, dictionary).accumulate(texts, model.window_size)
    return np.array(model.get_coherence_per_topic())


@pytest.mark.parametrize("measure", MEASURES)
def test_gensim_as_it_is_where_no_word_repeats(measure):
    texts = random_texts(5, n_documents=200, n_words=40, repeats=False)
    topics = [[f"w{i}" for i in topic] for topic in ([0, 5, 3, 8, 2], [11, 1, 7, 20, 4], [35, 39, 2, 31, 6])]
    expected = gensim_values(topics, texts, measure, exact=False)
    np.testing.assert_allclose(
        topic_coherence(topics, texts, measure=measure, eps=1e-12), expected, rtol=1e-9, atol=1e-9
    )
    if measure in ("uci", "c_v"):  # where gensim's smoothing is the default
        np.testing.assert_allclose(topic_coherence(topics, texts, measure=measure), expected, rtol=1e-9, atol=1e-9)


def test_default_npmi_is_gensims_where_all_words_meet():
    texts = random_texts(5, n_documents=200, n_words=40, repeats=False)
    topics = [["w0", "w5", "w3", "w8", "w2"], ["w1", "w4", "w7", "w6", "w0"]]
    assert window_pairs(texts, [f"w{i}" for i in range(9)], 10)[0].all()
    np.testing.assert_allclose(
        topic_coherence(topics, texts), gensim_values(topics, texts, "npmi", exact=False), rtol=1e-8
    )


@pytest.mark.parametrize("window", [None, 3, 40])
@pytest.mark.parametrize("measure", ["npmi", "uci", "c_v"])
def test_gensim_with_windows_counted_right(measure, window):
    texts = random_texts(6, n_documents=50, n_words=40, longest=160)
    topics = [[f"w{i}" for i in topic] for topic in ([0, 5, 3, 8, 2], [11, 1, 7, 20, 4], [35, 39, 2, 31, 6])]
    expected = gensim_values(topics, texts, measure, window_size=window)
    found = topic_coherence(topics, texts, measure=measure, window=window, eps=1e-12)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    pairs = list(combinations(topics[0], 2))
    alone = topic_coherence([list(pair) for pair in pairs], texts, measure=measure, window=window, eps=1e-12)
    if measure != "c_v":
        assert found[0] == pytest.approx(alone.mean())


# --- bad input, by name


@pytest.mark.parametrize(
    ("topics", "reference", "options", "message"),
    [
        (
            [[0, 1]],
            COUNTS,
            {"measure": "pmi"},
            r"topic_coherence: measure='pmi' is not valid; pass one of 'npmi', 'umass'",
        ),
        ([[0, 1]], COUNTS, {"top": 1}, r"top=1 is not valid; pass an integer of at least 2"),
        ([[0, 1]], COUNTS, {"window": 0}, r"window=0 is not valid; pass None or an integer of at least 1 or one of"),
        ([[0, 1]], COUNTS, {"window": "documents"}, r"window='documents' is not valid"),
        ([[0, 1]], COUNTS, {"window": 10}, r"window=10 needs words in order, and the reference is counts"),
        ([[0, 1]], COUNTS, {"eps": -1}, r"eps=-1 is not valid; pass None or a number of at least 0"),
        ([[0, 1]], COUNTS, {"eps": np.nan}, r"eps=nan is not valid; pass None or a finite number"),
        (np.eye(4), COUNTS, {"top": 5}, r"top=5 is larger than the vocabulary of 4 terms"),
        (np.eye(5), COUNTS, {"top": 2}, r"numbers of terms differ: topics 5, reference 4"),
        (np.eye(4), COUNTS, {"top": 2, "terms": TERMS[:3]}, r"differ: topics 4, reference 4, terms 3"),
        (np.eye(4), TEXTS, {"top": 2, "terms": TERMS[:3]}, r"differ: topics 4, terms 3"),
        (np.eye(4), TEXTS, {"top": 2}, r"reference is words and topics are indices; pass terms"),
        ([["cat", "dog"]], COUNTS, {}, r"topics are words and the reference is counts; pass terms"),
        (
            [["cat", "dog"]],
            COUNTS,
            {"terms": ["cat", "dog", "cat", "pet"]},
            r"terms holds 'cat' twice, as number 0 and 2",
        ),
        ([["cat", "dog"]], COUNTS, {"terms": {"cat": 0}}, r"numbers of terms differ: reference 4, terms 1"),
        ([["cat", "dog"]], COUNTS, {"terms": [1, 2, 3, 4]}, r"terms must hold words, and number 0 is 1 \(int\)"),
        ([["cat", "dog"]], COUNTS, {"terms": set(TERMS)}, r"terms is a set, which has no order"),
        ([["cat", "dog"]], COUNTS, {"terms": "cat dog"}, r"terms is 'cat dog' \(str\)"),
        ({0: ["cat", "dog"]}, TEXTS, {}, r"topics={0: \['cat', 'dog'\]} is not valid"),
        ({("cat", "dog")}, TEXTS, {}, r"topics={\('cat', 'dog'\)} is not valid"),
        ([{"cat", "dog"}], TEXTS, {}, r"topic 0 is a set, and a list of its terms belongs there"),
        ([{"cat": 0.5, "dog": 0.2}], TEXTS, {}, r"topic 0 is a dict, and a list of its terms"),
        ([[("cat", 0.5), ("dog", 0.2)]], TEXTS, {}, r"a list holds words or term indices, without weights"),
        ([b"cat"], COUNTS, {}, r"topics hold b'cat' where a list of terms belongs"),
        ([["cat", "dog"]], [{"cat", "dog"}], {}, r"pass each as a list of words in order"),
        ([["cat", "dog"]], {"a": "cat dog"}, {}, r"the reference is dict"),
        ([["cat", "dog"]], pd.DataFrame({"cat dog": ["bond"]}), {}, r"DataFrame that does not hold counts"),
        (np.full((1, 4), np.nan), COUNTS, {"top": 2}, r"topics given to topic_coherence contains NaN"),
        (np.full((1, 4), np.inf), COUNTS, {"top": 2}, r"topics given to topic_coherence contains infinity"),
        (np.arange(4.0), COUNTS, {"top": 2}, r"topics have shape \(4,\); pass components \(n_topics, n_terms\)"),
        ([0.1, 0.9], COUNTS, {}, r"topics hold 0.1 where a list of terms belongs; pass \[topic\]"),
        ([[0.1, 0.9]], COUNTS, {}, r"topic 0 begins \[0.1, 0.9\]; a list holds words or term indices"),
        (["cat", "dog"], TEXTS, {}, r"topics hold 'cat' where a list of terms belongs"),
        ("cat dog", TEXTS, {}, r"topics='cat dog' is not valid"),
        (None, TEXTS, {}, r"topics=None is not valid"),
        ([], TEXTS, {}, r"there is no topic"),
        ([["cat", "dog"], []], TEXTS, {}, r"one of them lists no term"),
        ([["cat"]], TEXTS, {}, r"a topic lists a single term, and coherence compares two"),
        ([["cat", "dog", "cat"]], TEXTS, {}, r"topic 0 lists 'cat' more than once"),
        ([["cat", "dog"], [0, 1]], TEXTS, {}, r"some topics list words and others indices"),
        ([[0, 4]], COUNTS, {}, r"topics list term 4, and the reference has 4 terms"),
        ([[0, 4]], TEXTS, {"terms": TERMS}, r"topics list term 4, and there are 4 terms"),
        ([[0, -1]], COUNTS, {}, r"topics list a negative index"),
        ([[0, 1]], -COUNTS, {}, r"Negative values in data passed to topic_coherence: -\d in document"),
        ([[0, 1]], COUNTS * np.nan, {}, r"reference given to topic_coherence contains NaN"),
        ([[0, 1]], COUNTS * 0, {}, r"the reference holds no words: all 5 documents are empty"),
        ([[0, 1]], COUNTS[:0], {}, r"the reference holds no words: all 0 documents"),
        ([["cat", "dog"]], [], {}, r"the reference is empty; pass at least one document"),
        ([["cat", "dog"]], [[], []], {}, r"none of the topics' 2 words \(cat, dog, ...\) is among the reference's"),
        ([["Cat", "Dog"]], TEXTS, {}, r"none of the topics' 2 words .* Tokenize both in the same way"),
        ([["cat", "dog"]], "cat dog", {}, r"the reference is str; pass counts"),
        ([["cat", "dog"]], None, {}, r"the reference is NoneType"),
        ([[0, 1]], [[1, 0], [1, 1]], {}, r"lists that begin with 1, not with a word"),
        ([["cat", "dog"]], [["cat"], 5], {}, r"a document of the reference is 5; pass each as a list of words"),
        ([["cat", "dog"]], [b"cat dog"], {}, r"a document of the reference is b'cat dog'"),
    ],
)
def test_bad_input_is_named(topics, reference, options, message):
    with pytest.raises(ValueError, match=message):
        topic_coherence(topics, reference, **options)


def test_sparse_components_are_refused():
    with pytest.raises(TypeError, match="dense"):
        topic_coherence(sp.csr_array(np.eye(4)), COUNTS, top=2)


def test_the_input_is_left_alone():
    X = sp.csr_array(COUNTS.astype(float))
    data, phi = X.data.copy(), np.random.default_rng(0).random((2, 4))
    before = phi.copy()
    topic_coherence(phi, X, top=3, measure="c_v")
    np.testing.assert_array_equal(X.data, data)
    np.testing.assert_array_equal(phi, before)


def test_strings_with_marks_and_capitals_are_told():
    texts = ["The gun, the Guns; a gun", "Space: NASA! and space"] * 20
    with pytest.warns(UserWarning, match="cut at white space.*hold 40 times.*there are 120.*Tokenizer"):
        topic_coherence([["gun", "guns"], ["space", "nasa"]], texts)
    topic_coherence([["gun", "guns"], ["space", "nasa"]], ["gun guns space nasa", "of a gun"] * 9)


@pytest.mark.parametrize("call", [lambda topics: topic_coherence(topics, np.eye(3)), topic_diversity])
def test_a_model_in_place_of_its_topics_is_named(call):
    model = LDA(2, max_iter=5, tol=0, random_state=0).fit(np.ones((4, 3)))
    with pytest.raises(ValueError, match=r"topics are a LDA; pass its \.components_"):
        call(model)
    with pytest.raises(ValueError, match=r"topics are a Topics; pass its \.components"):
        call(Topics(model.components_))
