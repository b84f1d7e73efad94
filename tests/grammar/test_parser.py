"""A parser of treebanks, of hand-written grammars, and of raw sentences.

Also tests featlearn.grammar.annotations, featlearn.grammar.coverage, featlearn.grammar.inputs and
featlearn.grammar.model.
"""

import math
import pickle
import warnings
from collections import Counter
from itertools import combinations, pairwise

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV

from featlearn import EarlyStopping
from featlearn.grammar import model as model_module
from featlearn.grammar import parser as parser_module
from featlearn.grammar.annotations import ANNOTATIONS, MARK, annotate, move_marks
from featlearn.grammar.binarization import binarize, labels_of, unbinarize
from featlearn.grammar.brackets import parse_tree
from featlearn.grammar.cfg import CFG, PCFG
from featlearn.grammar.chart import k_best
from featlearn.grammar.constituents import ConstituentVectorizer
from featlearn.grammar.parser import PCFGParser
from featlearn.grammar.toys import load_toy_grammar
from featlearn.grammar.transforms import map_labels
from featlearn.grammar.tree import Tree

TELESCOPE = "the man saw the woman with the telescope"
BRACKETS = [
    "(S (NP (DT the) (NN dog)) (VP (VBD saw) (NP (DT a) (NN cat))) (. .))",
    "(S (NP (NNP Anna)) (VP (VBD slept)) (. .))",
    "(S (NP (DT the) (JJ old) (NN man)) (VP (VBD saw) (NP (NNP Ben)) (PP (IN with) (NP (DT a) (NN dog)))) (. .))",
    "(S (PP (IN In) (NP (NNP Paris))) (, ,) (NP (PRP he)) (VP (MD will) (VP (VB sleep))) (. .))",
    "(NP (NP (DT the) (NN cat)) (PP (IN of) (NP (NNP Anna))))",
]
TREES = [parse_tree(text) for text in BRACKETS]
SENTENCES = [" ".join(tree.words()) for tree in TREES]
UNSEEN = ["zorp blims quixed .", "The dog saw Ben", "x"]


def sampled(n, seed=0, name="picnic"):
    rng = np.random.RandomState(seed)
    grammar = load_toy_grammar(name)
    return [grammar.sample(rng) for _ in range(n)]


def state(parser):
    return {name: id(value) for name, value in parser.__dict__.items()}


# ---- a grammar written by hand -----------------------------------------------------------------------------------


def test_the_telescope_has_both_trees_without_a_fit():
    parser = PCFGParser(grammar=load_toy_grammar())
    (noun, p), (verb, q) = parser.parse(TELESCOPE, k=5)
    assert math.exp(p) == pytest.approx(5.292e-5, rel=1e-9)
    assert math.exp(q) == pytest.approx(1.512e-5, rel=1e-9)
    assert math.exp(parser.inside_log_proba(TELESCOPE)) == pytest.approx(6.804e-5, rel=1e-9)
    assert ("NP", 3, 8) in noun.spans()
    assert ("VP", 2, 5) in verb.spans()
    assert parser.predict([TELESCOPE]) == [noun]
    assert parser.predict_log_proba([TELESCOPE.split()])[0] == pytest.approx(p)
    assert not hasattr(parser, "grammar_")
    fitted = PCFGParser(grammar=load_toy_grammar()).fit()
    assert fitted.parse(TELESCOPE, k=5) == [(noun, p), (verb, q)]
    assert fitted.pcfg_ == load_toy_grammar()
    assert fitted.lexicon_ is None


def test_a_word_the_grammar_lacks_gives_a_flat_tree():
    parser = PCFGParser(grammar=load_toy_grammar())
    with pytest.warns(UserWarning, match="no tree for 1 of 1 sentences.*No rule covers 'zorp'"):
        assert parser.predict(["the zorp sleeps"]) == [parse_tree("(S (DT the) (X zorp) (Vi sleeps))")]
    with pytest.warns(UserWarning, match="No rule covers 'zorp'"):
        assert parser.predict_log_proba(["the zorp sleeps"])[0] == -math.inf
    with pytest.warns(UserWarning, match="No rule covers 'zorp'"):
        assert parser.inside_log_proba("the zorp sleeps") == -math.inf


def test_trees_of_a_grammar_are_labeled_as_it_labels_them():
    grammar = PCFG.from_text("S -> A^B A^B 1.0\nA^B -> 'a' 1.0")
    assert str(PCFGParser(grammar=grammar).predict(["a a"])[0]) == "(S (A^B a) (A^B a))"


# ---- sentences without a tree, and raw ones --------------------------------------------------------------------


def said(call, *arguments, **options):
    """The result of a call and its only warning."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        result = call(*arguments, **options)
    (warning,) = found
    assert warning.category is UserWarning
    assert warning.filename == __file__  # where the library was called
    return result, str(warning.message)


def test_a_failed_parse_is_said_once_with_the_words_that_no_rule_covers():
    parser = PCFGParser(grammar=load_toy_grammar()).fit()
    sentences = ["the man sleeps", "The spoon sleeps.", "the the", "", "the fork sleeps", ["the", "spoon"]]
    trees, message = said(parser.predict, sentences)
    assert [tree and tree.words() for tree in trees[:4]] == [
        ["the", "man", "sleeps"],
        ["The", "spoon", "sleeps", "."],
        ["the", "the"],
        None,
    ]
    assert "no tree for 5 of 6 sentences" in message
    assert "No rule covers 'The', 'spoon', '.', 'fork' (it has 'the' in lower case)." in message
    assert "In 1 of them all words are covered, and no tree spans them: 'the the'." in message
    assert "1 of them hold no words." in message
    assert said(parser.predict_log_proba, sentences)[1] == message
    assert len(np.flatnonzero(np.isfinite(said(parser.predict_log_proba, sentences)[0]))) == 1
    for call in (parser.parse, parser.inside_log_proba):
        assert "No rule covers 'zorp'" in said(call, "the zorp sleeps")[1]
        assert "are covered, and no tree spans them: 'the the'" in said(call, "the the")[1]
        assert "It holds no words" in said(call, "")[1]
    assert said(parser.parse, "the zorp sleeps", k=3)[1] == said(parser.parse, "the zorp sleeps")[1]
    gold = ["(S (NP (DT the) (NN man)) (VP (Vi sleeps)))", "(S (DT the) (NN zorp))"]
    score, message = said(parser.score, gold)
    assert "no tree for 1 of 2 sentences" in message
    assert "'zorp'" in message
    assert parser.evaluate(gold).f1 == score  # counts them, and says nothing
    assert parser.evaluate(gold).n_failed == 1
    assert parser.score(10 * gold[:1] + gold[1:]) < 1  # few, and the score is lower for them
    many = [f"zorp{i} the" for i in range(30)]
    assert "'zorp7' and 22 more" in said(parser.predict, many)[1]
    assert "'zorp8'" not in said(parser.predict, many)[1]
    _, message = said(
        ConstituentVectorizer(parser).fit_transform, ["the man sleeps\nthe zorp sleeps", "the man sleeps"]
    )
    assert "no tree for 1 of 3 sentences" in message


def test_a_treebank_says_which_sentences_have_no_tree():
    parser = PCFGParser().fit(TREES * 6)
    (tree,), message = said(parser.predict, ["saw saw saw"])
    assert tree == parse_tree("(S (VBD saw) (VBD saw) (VBD saw))")
    assert "no tree spans them: 'saw saw saw'" in message


def test_symbols_without_rules_are_said_when_a_grammar_is_read():
    text = "S -> NP VP 1\nNP -> Name 1\nVP -> V 0.5 | V Nn 0.5\nV -> 'ate' 1\nNm -> 'Anna' 1"
    grammar, message = said(PCFG.from_text, text)
    assert "has no rules for 'Name', 'Nn', so no sentence is derived through NP -> Name and the like" in message
    assert "(those of 'Nm' are never used)" in message
    assert "no rules for 'Y'" in said(CFG.from_text, "S -> X | 'x'\nX -> Y")[1]
    _, message = said(PCFGParser(grammar=grammar).predict, ["Anna ate"])
    assert "The grammar has no rules for 'Name', 'Nn'." in message
    PCFG.from_text("S -> 'a' 1\nB -> C 1")  # nothing comes to B


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        ("the dog saw a cat.", "the dog saw a cat ."),
        ("the dog saw a cat .", "the dog saw a cat ."),
        ('"Anna slept."', "`` Anna slept . ''"),
        ("Anna (the cat) slept.", "Anna -LRB- the cat -RRB- slept ."),
        ("Anna's cat doesn't sleep", "Anna 's cat does n't sleep"),
    ],
)
@pytest.mark.filterwarnings("ignore:PCFGParser. the grammar has no tree")
def test_raw_sentences_are_cut_as_the_treebank_is(sentence, words):
    parser = PCFGParser().fit(TREES)
    assert parser.predict([sentence])[0].words() == words.split()
    assert parser.parse(sentence)[0][0].words() == words.split()
    assert parser.predict_log_proba([sentence]) == parser.predict_log_proba([words.split()])
    assert parser.inside_log_proba(sentence) == parser.inside_log_proba(words.split())
    blanks = clone(parser).set_params(tokenizer="blanks").fit(TREES)
    assert blanks.predict([sentence])[0].words() == sentence.split()
    assert parser.predict([sentence.split()])[0].words() == sentence.split()  # lists are never cut
    by_letter = clone(parser).set_params(tokenizer=list).fit(TREES)
    assert by_letter.predict(["ab"])[0].words() == ["a", "b"]


def test_the_words_of_a_grammar_stay_whole():
    grammar = PCFG.from_text(
        "S -> NP VP 0.5 | NP VP Stop 0.5\nNP -> 'I' 0.5 | '(' 'I' ')' 0.5\nVP -> \"don't\" 0.5 | 'sleep.' 0.5\n"
        "Stop -> '.' 0.5 | '\"' 0.5"
    )
    parser = PCFGParser(grammar=grammar)
    for sentence, words in [
        ("I don't", "I don't"),
        ("I don't.", "I don't ."),
        ("I don’t.", "I don't ."),
        ("(I) don't .", "( I ) don't ."),
        ("I don't\"", "I don't \""),
        ("I sleep.", "I sleep."),
    ]:
        tree = parser.parse(sentence)[0][0]
        assert tree.words() == words.split()
        assert np.isfinite(parser.inside_log_proba(sentence))


def test_strings_and_their_trees_teach_and_score_alike():
    texts = [
        "the dog saw a cat.",
        "Anna slept.",
        "the old man saw Ben with a dog.",
        "In Paris, he will sleep.",
        SENTENCES[4],
    ]
    parser = PCFGParser().fit(texts, TREES)
    np.testing.assert_array_equal(parser.predict_log_proba(texts), PCFGParser().fit(TREES).predict_log_proba(SENTENCES))
    assert parser.score(texts, TREES) == 1
    with pytest.raises(ValueError, match="Sentence 0 and its tree have other words"):
        PCFGParser(tokenizer="blanks").fit(texts, TREES)
    em = PCFGParser(method="em", grammar=uniform(), max_iter=1, tol=0)
    assert em.fit(["Anna saw the dog", "Ben ate"]).n_left_out_ == 0
    grammar = PCFG.from_text("S -> N V P 0.5 | N V 0.5\nN -> 'Anna' 1\nV -> 'ate' 0.5 | \"didn't\" 0.5\nP -> '.' 1")
    em = PCFGParser(method="em", grammar=grammar, max_iter=1, tol=0).fit(["Anna ate.", "Anna didn't"])
    assert em.n_left_out_ == 0
    streamed = clone(em).fit(lambda: iter([["Anna ate."], ["Anna didn't"]]))
    np.testing.assert_array_equal(em.log_likelihood_curve_, streamed.log_likelihood_curve_)


def test_a_tokenizer_that_gives_no_words_is_named():
    for tokenizer, message in (
        (str.upper, "makes a str of a sentence"),
        (lambda text: [1], "holds 1, which is no word"),
    ):
        with pytest.raises(TypeError, match=message):
            PCFGParser(tokenizer=tokenizer).fit(TREES).predict(["a b"])


@pytest.mark.filterwarnings("ignore:PCFGParser. the grammar has no tree")
def test_odd_sentences_get_trees_of_their_words():
    parser = PCFGParser().fit(TREES)
    for sentence in ("...", "?!", "()", "\u200b", "''", "x" * 5000, "a\tb\nc", "the dog " * 500):
        (tree,) = parser.predict([sentence])
        words = tree.words() if tree else []
        assert "".join(words).replace("-LRB-", "(").replace("-RRB-", ")") == "".join(sentence.split()).strip("\u200b")
    assert parser.parse("the dog " * 500)[0][0].words() == ["the", "dog"] * 500
    vectorizer = ConstituentVectorizer(parser).fit(["Anna slept ."])
    np.testing.assert_array_equal(*vectorizer.transform(["Anna slept.\n\u200b", "Anna slept ."]).toarray())


# ---- counting ----------------------------------------------------------------------------------------------------


def test_probabilities_are_relative_frequencies():
    """The log-probability of a training tree, with words seen often, is that of counts read off by hand."""
    trees = [tree for tree in TREES for _ in range(3)]
    parser = PCFGParser(vertical=1, horizontal=None, rare=1, prior=1e-9).fit(trees)
    rules = Counter(rule for tree in trees for rule in tree.productions() if rule[1][0] not in tree.words())
    left = Counter()
    for (lhs, _), n in rules.items():
        left[lhs] += n
    words = Counter((node.label, node.children[0]) for tree in trees for node in tree.preterminals())
    tags = Counter()
    for (tag, _), n in words.items():
        tags[tag] += n
    types = len({word for _, word in words})
    shares = Counter()
    for (tag, word), n in words.items():  # every word counts: none is rare, and so all teach
        shares[tag] += n / sum(m for (_, v), m in words.items() if v == word)
    for tree, sentence in zip(TREES, SENTENCES, strict=True):
        expected = math.log(Counter(t.label for t in trees)[tree.label] / len(trees))
        for node in tree.subtrees():
            if node.is_preterminal:
                # With one class the mass of a tag is its count and the words of the class that it has.
                continue
            expected += math.log(rules[node.label, tuple(c.label for c in node.children)] / left[node.label])
        lexical = 0.0
        for i, (tag, word) in enumerate(zip(tree.tags(), tree.words(), strict=True)):
            lexicon = parser.lexicon_
            found = dict(
                zip([lexicon.tags[t] for t in lexicon.scores(word, i == 0)[0]], lexicon.scores(word, i == 0)[1])
            )
            lexical += found[tag]
        assert parser.predict([sentence]) == [tree]
        assert parser.predict_log_proba([sentence])[0] == pytest.approx(expected + lexical, rel=1e-9)
    assert types == len(parser.lexicon_.words)
    assert sum(shares.values()) == pytest.approx(types)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"vertical": 1, "horizontal": None},
        {"vertical": 3, "horizontal": 0},
        {"unaries": "collapse"},
        {"factor": "left", "horizontal": 1},
        {"annotate_tags": True},
        {"annotations": "all", "annotate_tags": True, "unaries": "collapse"},
        {"annotations": ("verb", "conjunction"), "vertical": 1},
        {"beam": 12.0},
    ],
)
def test_training_sentences_get_their_trees_back(options):
    parser = PCFGParser(**options).fit(TREES)
    assert parser.predict(SENTENCES) == TREES
    assert parser.score(SENTENCES, TREES) == 1
    assert np.isfinite(parser.predict_log_proba(SENTENCES)).all()


def test_trees_sentences_streams_and_bags_teach_the_same():
    parser = PCFGParser(rare=2)
    expected = parser.fit(TREES).predict_log_proba(SENTENCES)
    pairs = [(SENTENCES[:2], TREES[:2]), (SENTENCES[2:], TREES[2:])]
    inputs = [
        (BRACKETS, None),
        (SENTENCES, TREES),
        ([s.split() for s in SENTENCES], BRACKETS),
        (lambda: iter([TREES[:2], [], TREES[2:]]), None),
        (iter([TREES[:2], TREES[2:]]), None),
        (lambda: iter(pairs), None),
    ]
    for X, y in inputs:
        found = clone(parser).fit(X, y)
        np.testing.assert_array_equal(found.predict_log_proba(SENTENCES), expected)
        np.testing.assert_array_equal(found.grammar_.binary, parser.grammar_.binary)
    dask_bag = pytest.importorskip("dask.bag", reason="pip install 'featlearn[dask]'")
    import dask

    with dask.config.set(scheduler="synchronous"):
        found = clone(parser).fit(dask_bag.from_sequence(TREES, npartitions=3))
    np.testing.assert_array_equal(found.predict_log_proba(SENTENCES), expected)


@pytest.mark.filterwarnings("ignore:PCFGParser. the grammar has no tree")
def test_every_sentence_gets_a_tree():
    parser = PCFGParser().fit(TREES * 6)  # no word is rare
    for sentence, tree in zip(UNSEEN, parser.predict(UNSEEN), strict=True):
        assert isinstance(tree, Tree)
        assert tree.words() == sentence.split()
    # A grammar without chains of phrases has no tree for a verb alone.
    flat = parser.predict(["saw saw saw"])[0]
    assert flat == parse_tree("(S (VBD saw) (VBD saw) (VBD saw))")
    assert parser.predict_log_proba(["saw saw saw"])[0] == -math.inf
    assert parser.parse("saw saw saw", k=3) == parser.parse("saw saw saw") == [(flat, -math.inf)]


@pytest.mark.filterwarnings("ignore:PCFGParser. the grammar has no tree")
def test_words_never_seen_alone():
    parser = PCFGParser().fit(TREES)
    for sentence in ("zorp", "Zorpel quixed blims", "1999 ! zorp-zorp"):
        (tree,) = parser.predict([sentence])
        assert tree.words() == sentence.split()
        assert not any(parser.lexicon_.is_known(word) for word in sentence.split())
        assert set(tree.tags()) <= {tag for known in TREES for tag in known.tags()}
    assert np.isfinite(parser.predict_log_proba(["Zorpel quixed blims"])[0])


@pytest.mark.filterwarnings("ignore:PCFGParser. the grammar has no tree")
def test_no_words():
    parser = PCFGParser().fit(TREES)
    assert parser.predict(["", [], "  "]) == [None, None, None]
    assert parser.predict([]) == []
    assert parser.predict_log_proba(["", SENTENCES[0]])[0] == -math.inf
    assert parser.predict_log_proba([]).shape == (0,)
    assert parser.parse("") == parser.parse([], k=2) == []
    assert parser.inside_log_proba("") == -math.inf


def test_k_best_and_inside():
    parser = PCFGParser(vertical=1, horizontal=1).fit(sampled(100))
    sentence = "Anna saw the dog with a basket in the park"
    trees = parser.parse(sentence, k=50)
    assert len({tree for tree, _ in trees}) == len(trees) > 2
    assert all(p >= q for (_, p), (_, q) in pairwise(trees))
    assert trees[0] == parser.parse(sentence)[0]
    total = np.logaddexp.reduce([p for _, p in trees])
    assert total <= parser.inside_log_proba(sentence) + 1e-9
    everything = parser.parse(sentence, k=100_000)
    total = np.logaddexp.reduce([p for _, p in everything])
    assert total == pytest.approx(parser.inside_log_proba(sentence), abs=1e-6)


def test_the_k_best_trees_differ_where_derivations_do_not():
    """VP does not tell whether a verb is in it, so S and S^:verb both derive both trees."""
    trees = [parse_tree("(S (NP (N a)) (VP (VB go)))"), parse_tree("(S (NP (N a)) (VP (N go)))")]
    parser = PCFGParser(vertical=1, annotations=("verb",), rare=1).fit(trees * 3)
    derivations = k_best(parser.grammar_, parser.model_.lexical(["a", "go"]), 10)
    assert len({unbinarize(p.tree.children[0]) for p in derivations}) == 2 < len(derivations)
    found = parser.parse("a go", k=10)
    assert len(found) == len({tree for tree, _ in found}) == 2
    assert parse_tree("(S (NP (N a)) (VP (VB go)))") in [tree for tree, _ in found]
    assert [found[0]] == parser.parse("a go", k=1) == parser.parse("a go")
    assert all(any(p.log_proba == log_p for p in derivations) for _, log_p in found)


@pytest.mark.filterwarnings("ignore:PCFGParser. the grammar has no tree")
def test_the_same_trees_as_a_slow_cky():
    """Counts and CKY with dictionaries, written anew: the same trees and probabilities, unknown words and all."""
    trees = sampled(150)
    parser = PCFGParser(vertical=2, horizontal=2).fit(trees)
    counts, totals = Counter(), Counter()
    for tree in trees:
        made = Tree("top of all", [binarize(tree, vertical=2, horizontal=2)])
        for node in made.subtrees():
            totals[node.label] += 1
            if not node.is_preterminal:
                counts[node.label, tuple(child.label for child in node.children)] += 1
    weight = {rule: math.log(n / totals[rule[0]]) for rule, n in counts.items()}

    def close(cell):
        moved = True
        while moved:
            moved = False
            for (x, rhs), w in weight.items():
                if len(rhs) == 1 and rhs[0] in cell and cell[rhs[0]][0] + w > cell.get(x, (-math.inf,))[0] + 1e-12:
                    cell[x], moved = (cell[rhs[0]][0] + w, Tree(x, [cell[rhs[0]][1]])), True

    def slow(words):
        chart = {}
        for i, word in enumerate(words):
            scores = zip(*parser.lexicon_.scores(word, i == 0), strict=True)
            chart[i, i + 1] = {parser.lexicon_.tags[t]: (p, Tree(parser.lexicon_.tags[t], [word])) for t, p in scores}
            close(chart[i, i + 1])
        for i, j in sorted(combinations(range(len(words) + 1), 2), key=lambda span: span[1] - span[0]):
            cell = chart.setdefault((i, j), {})
            for k in range(i + 1, j):
                for (x, rhs), w in weight.items():
                    if len(rhs) == 2 and rhs[0] in chart[i, k] and rhs[1] in chart[k, j]:
                        (p, left), (q, right) = chart[i, k][rhs[0]], chart[k, j][rhs[1]]
                        if p + q + w > cell.get(x, (-math.inf,))[0]:
                            cell[x] = p + q + w, Tree(x, [left, right])
            close(cell)
        return chart[0, len(words)].get("top of all", (-math.inf, None))

    compared, held_out = 0, [tree.words() for tree in sampled(40, seed=1) if len(tree) <= 9]
    for words in [*held_out, ["the", "zorp", "carried", "Zorpel", "with", "a", "basket"], ["and", "Anna"]]:
        log_p, tree = slow(words)
        found = parser.parse(words, k=2)
        assert found[0][1] == pytest.approx(log_p, abs=1e-9)
        if len(found) == 1 or found[1][1] < log_p - 1e-9:  # no tie
            compared += 1
            assert tree is None or parser.predict([words]) == [found[0][0]] == [unbinarize(tree.children[0])]
    assert compared > 10


def test_a_long_sentence():
    parser = PCFGParser().fit(sampled(100))
    sentence = ["Anna", "saw", "the", "dog"] + ["with", "a", "basket"] * 34
    (tree,) = parser.predict([sentence])
    assert len(sentence) > 100
    assert tree.words() == sentence
    assert np.isfinite(parser.predict_log_proba([sentence])[0])


@pytest.mark.filterwarnings("ignore:PCFGParser. the grammar has no tree")
def test_the_order_of_trees_and_threads_change_nothing():
    trees = sampled(60)
    sentences = [tree.words() for tree in sampled(40, seed=1)] + UNSEEN
    one, two = PCFGParser(n_jobs=1).fit(trees), PCFGParser(n_jobs=2).fit(trees[::-1])
    assert one.predict(sentences) == two.predict(sentences)
    np.testing.assert_array_equal(one.predict_log_proba(sentences), two.predict_log_proba(sentences))


@pytest.mark.parametrize("options", [{}, {"vertical": 1, "horizontal": None, "unaries": "collapse"}])
def test_any_label_and_any_word(options):
    trees = [
        Tree("A|B^C+D (x)", [Tree("N P", [Tree("^", ["("])]), Tree("+|", [")"])]),
        Tree(
            "ROOT", [Tree("ROOT^", [Tree("ROOT", ["'|'"])]), Tree("N P", [Tree("^", ["\\x28"])]), Tree("+|", ["a b"])]
        ),
    ]
    parser = PCFGParser(**options).fit(trees)
    assert parser.predict([tree.words() for tree in trees]) == trees


def test_a_tag_that_is_a_phrase_too():
    trees = [parse_tree("(S (X a) (X (Y b) (Y c)))"), parse_tree("(S (X a) (X a))")]
    parser = PCFGParser(vertical=1, unknown="single").fit(trees)
    assert parser.predict(["a b c", "a a"]) == trees
    # of four X three stand over the word
    share = parser.model_.tag_log_share[parser.lexicon_.tags.index("X")]
    assert math.exp(share) == pytest.approx(3 / 4)
    place = parser.grammar_.index["X"]
    symbols, values = parser.model_.lexical(["a"])[0]
    tags, own = parser.lexicon_.scores("a", initial=True)
    of_x = own[[parser.lexicon_.tags[t] for t in tags].index("X")]
    assert values[list(symbols).index(place)] == pytest.approx(of_x + share)


def test_deep_trees():
    tree = Tree("NN", ["dog"])
    for _ in range(10_000):
        tree = Tree("NP", [tree])
    parser = PCFGParser(annotations="all").fit([tree, TREES[0]])
    assert parser.predict(["dog"])[0].words() == ["dog"]


# ---- annotations -------------------------------------------------------------------------------------------------


def symbols(text, names, **options):
    tree = map_labels(binarize(annotate(parse_tree(text), names), **options), move_marks)
    assert not any(MARK in node.label for node in tree.subtrees())
    return Counter(node.label for node in tree.subtrees())


def test_annotations_mark_what_they_say():
    text = (
        "(S (NP (NP (DT the) (NN man) (POS 's)) (NN dog)) (VP (VBZ has) (VP (VBN seen) (SBAR (IN that) (S"
        " (NP (DT this)) (VP (TO to) (VP (VB be) (NP (NP (DT a) (NN cat)) (PP (IN of) (NP (NN x))))))))))"
        " (CC but) (ADVP (RB not)))"
    )
    expected = {
        "verb": {"S^:verb": 2, "SBAR^:verb": 1},
        "verb_form": {"VP^:finite": 1, "VP^:VBN": 1, "VP^:TO": 1, "VP^:VB": 1},
        "right_np": {"NP^:right_np": 1},
        "preposition": {"IN^:SBAR": 1, "IN^:PP": 1},
        "auxiliary": {"VBZ^:have": 1, "VB^:be": 1, "VBN": 1},
        "conjunction": {"CC^:but": 1},
        "unary_tag": {"DT^:alone": 1, "RB^:alone": 1, "DT": 2},
    }
    assert set(expected) == set(ANNOTATIONS)
    for name, counts in expected.items():
        found = symbols(text, (name,), horizontal=0)
        assert {symbol: found[symbol] for symbol in counts} == counts


def test_marks_stay_out_of_other_symbols():
    found = symbols("(S (NP (NP (NN x)) (PP (IN of) (NP (NN y)))) (VP (VB go)) (. .))", ANNOTATIONS, vertical=2)
    assert "S^:verb" in found
    assert "S^:verb|VP|." in found
    assert "NP^S^:right_np" in found
    assert "NP^NP" in found


def test_annotated_trees_come_back():
    for tree in (*TREES, parse_tree("(TOP (S (VP (VBZ is) (RB not))))")):
        for options in ({"vertical": 3}, {"unaries": "collapse", "horizontal": None}, {"annotate_tags": True}):
            made = map_labels(binarize(annotate(tree, ANNOTATIONS), **options), move_marks)
            assert unbinarize(made) == tree
            assert all(MARK not in label for node in made.subtrees() for label in labels_of(node.label))


def test_a_label_that_holds_the_mark():
    tree = Tree("S", [Tree(f"N{MARK}P", ["a"])])
    assert PCFGParser().fit([tree]).predict(["a"]) == [tree]
    with pytest.raises(ValueError, match="U\\+E000"):
        PCFGParser(annotations="all").fit([tree])


# ---- inside-outside ----------------------------------------------------------------------------------------------


def uniform(name="picnic"):
    grammar = load_toy_grammar(name)
    return PCFG(dict.fromkeys(grammar.rules, 1.0), grammar.start, normalize=True)


def test_em_climbs_and_stops():
    sentences = [tree.words() for tree in sampled(150)]
    parser = PCFGParser(method="em", grammar=uniform(), tol=1e-5).fit(sentences)
    curve = parser.log_likelihood_curve_
    assert (np.diff(curve) >= -1e-8).all()
    assert len(curve) == parser.n_iter_ + 1 < 51
    assert curve[-1] - curve[-2] <= 1e-5 * abs(curve[-2])
    assert curve[-1] == pytest.approx(sum(parser.inside_log_proba(s) for s in sentences), rel=1e-9)
    assert parser.pcfg_.is_proper()
    truth = load_toy_grammar("picnic")
    p = dict(zip(parser.pcfg_.rules, parser.pcfg_.probabilities, strict=True))
    for rule, value in zip(truth.rules, truth.probabilities, strict=True):
        assert p[rule] == pytest.approx(value, abs=0.12)
    again = PCFGParser(method="em", grammar=uniform(), max_iter=2, tol=0, n_jobs=2).fit(lambda: iter([sentences]))
    np.testing.assert_allclose(again.log_likelihood_curve_, curve[:3], rtol=1e-12)
    assert again.n_iter_ == 2


def test_em_threads_change_nothing():
    sentences = [tree.words() for tree in sampled(90)]
    curves = [
        PCFGParser(method="em", grammar=uniform(), max_iter=2, tol=0, n_jobs=n).fit(sentences).log_likelihood_curve_
        for n in (1, 2)
    ]
    np.testing.assert_array_equal(*curves)


def test_em_tells_callbacks_and_stops_when_told():
    sentences = [tree.words() for tree in sampled(50)]
    parser = PCFGParser(method="em", grammar=uniform(), tol=0).set_callbacks(
        EarlyStopping("log_likelihood", mode="max", tol=0.5, patience=2)
    )
    parser.fit(sentences)
    assert parser.n_iter_ == 3


def test_em_and_sentences_it_cannot_parse():
    parser = PCFGParser(method="em", grammar=uniform())
    with pytest.warns(UserWarning, match="does not generate 1 of 3 sentences.*No rule covers 'zorp'"):
        parser.fit(["Anna ate", "Ben saw the dog", "zorp"])
    assert parser.n_left_out_ == 1
    before = state(parser)
    with pytest.raises(UserWarning):  # warnings are errors here, and this one comes last
        parser.fit(["Anna ate", "zorp"])
    assert state(parser) == before
    with pytest.raises(ValueError, match="none of the 2 sentences"):
        parser.fit(["zorp", "Anna Anna"])
    with pytest.raises(ValueError, match="begins with a grammar"):
        PCFGParser(method="em").fit(["Anna ate"])
    with pytest.raises(ValueError, match="only once"):
        parser.fit(iter([["Anna ate"]]))
    with pytest.raises(ValueError, match="from sentences"):
        parser.fit()


# ---- scikit-learn ------------------------------------------------------------------------------------------------


def test_clone_and_pickle():
    parser = PCFGParser(vertical=1, annotations=("verb",), n_jobs=1).fit(TREES)
    again = pickle.loads(pickle.dumps(parser))
    assert again.predict(SENTENCES + UNSEEN) == parser.predict(SENTENCES + UNSEEN)
    fresh = clone(parser)
    assert fresh.get_params() == parser.get_params()
    with pytest.raises(NotFittedError, match="call fit"):
        fresh.predict(SENTENCES)
    written = pickle.loads(pickle.dumps(PCFGParser(grammar=load_toy_grammar()).fit()))
    assert len(written.parse(TELESCOPE, k=3)) == 2
    assert len(clone(written).parse(TELESCOPE, k=3)) == 2
    fresh.set_params(vertical=2, annotations="all").fit(TREES)
    np.testing.assert_array_equal(
        fresh.predict_log_proba(SENTENCES), PCFGParser(annotations="all").fit(TREES).predict_log_proba(SENTENCES)
    )


@pytest.mark.filterwarnings("ignore:PCFGParser. the grammar has no tree")
@pytest.mark.parametrize("pairs", [True, False])
def test_grid_search(pairs):
    trees = sampled(40)
    X, y = ([" ".join(tree.words()) for tree in trees], list(map(str, trees))) if pairs else (trees, None)
    search = GridSearchCV(PCFGParser(n_jobs=1), {"horizontal": [0, None], "vertical": [1, 2]}, cv=2, n_jobs=1 + pairs)
    search.fit(X, y)
    assert set(search.best_params_) == {"horizontal", "vertical"}
    assert (search.cv_results_["mean_test_score"] > 0.5).all()
    assert search.best_estimator_.predict(["Anna ate"])[0].words() == ["Anna", "ate"]


def test_score_is_the_f1_of_brackets():
    parser = PCFGParser(grammar=load_toy_grammar())
    noun, verb = (tree for tree, _ in parser.parse(TELESCOPE, k=2))
    gold, test = (Counter(tree.spans()) for tree in (verb, noun))
    right = (gold & test).total()
    assert right < gold.total()
    assert parser.score([TELESCOPE], [verb]) == pytest.approx(2 * right / (gold.total() + test.total()))
    scores = parser.evaluate([TELESCOPE, "saw saw"], [noun, "(S (Vt saw) (Vt saw))"])
    assert (scores.n_sentences, scores.n_failed, scores.f1) == (2, 1, pytest.approx(2 * 7 / (2 * 7 + 1)))
    assert parser.evaluate([noun, "(S (Vt saw) (Vt saw))"], max_words=2).n_sentences == 1


def test_an_interrupted_fit_leaves_the_parser_as_it_was(monkeypatch):
    parser = PCFGParser().fit(TREES)
    before = state(parser)

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(model_module, "learn_lexicon", interrupted)
    with pytest.raises(KeyboardInterrupt):
        parser.fit(TREES[:2])
    assert state(parser) == before
    assert parser.predict(SENTENCES) == TREES
    em = PCFGParser(method="em", grammar=uniform(), max_iter=1, tol=0).fit(["Anna ate"])
    before = state(em)
    monkeypatch.setattr(parser_module, "m_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        em.fit(["Ben ate"])
    assert state(em) == before


def test_a_new_fit_forgets_the_old_one():
    parser = PCFGParser(method="em", grammar=uniform(), max_iter=1, tol=0).fit(["Anna ate"])
    parser.set_params(method="count", grammar=None).fit(TREES)
    assert not hasattr(parser, "log_likelihood_curve_")
    assert parser.pcfg_ is None


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((), ValueError, "nothing to fit; pass trees, or a grammar"),
        (([],), ValueError, "no data|at least one"),
        ((["(S (NP"],), ValueError, "Tree 0 is no tree in brackets"),
        (([3],), TypeError, "Tree 0 is a int"),
        (("(S (X a))",), TypeError, "list of trees; got a str"),
        ((iter(TREES),), TypeError, "list of trees; got a Tree.*a stream gives lists"),
        ((["a b"], [BRACKETS[0]]), ValueError, "Sentence 0 and its tree have other words"),
        ((["a"], TREES[:2]), ValueError, "differ in length|2 trees"),
        (([[1, 2]], TREES[:1]), TypeError, "Sentence 0 holds 1, which is no word"),
        (([Tree("S", ["a", "b"])],), ValueError, "Tree 0 has a word beside others"),
        (([Tree("S", ["a", Tree("B", ["b"])])],), ValueError, "under 'S'"),
    ],
)
def test_bad_trees(arguments, error, message):
    with pytest.raises(error, match=message):
        PCFGParser().fit(*arguments)


def test_trees_of_nltk_are_told_apart_from_ours():
    pytest.importorskip("nltk")
    with pytest.raises(TypeError, match=r"Tree 0 is a nltk.tree.tree.Tree; make it one of ours: Tree.from_nltk"):
        PCFGParser().fit([TREES[0].to_nltk()])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"horizontal": -1}, "horizontal=-1"),
        ({"vertical": 0}, "vertical=0"),
        ({"factor": "middle"}, "factor='middle'"),
        ({"unaries": "drop"}, "unaries='drop'"),
        ({"annotations": ("nouns",)}, "annotations="),
        ({"annotations": "verb"}, "annotations='verb'"),
        ({"unknown": "ignore"}, "unknown='ignore'"),
        ({"rare": 0}, "rare=0"),
        ({"prior": 0}, "prior=0"),
        ({"tag_prior": -1.0}, "tag_prior=-1.0"),
        ({"method": "guess"}, "method='guess'"),
        ({"grammar": "S -> NP 0.5"}, "grammar='S -> NP 0.5'"),
        ({"beam": 0}, "beam=0"),
        ({"max_iter": 0}, "max_iter=0"),
        ({"tol": -1}, "tol=-1"),
        ({"tokenizer": "nltk"}, "tokenizer='nltk'"),
        ({"tokenizer": None}, "tokenizer=None"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        PCFGParser(**parameters).fit(TREES)


def test_bad_sentences():
    parser = PCFGParser().fit(TREES)
    with pytest.raises(TypeError, match="list of sentences; got a str"):
        parser.predict("the dog")
    with pytest.raises(TypeError, match="Sentence 1 is a int"):
        parser.predict(["the dog", 3])
    with pytest.raises(TypeError, match="Sentence 0 is a Tree"):
        parser.predict(TREES)
    with pytest.raises(TypeError, match="is no word"):
        parser.predict([["the", ""]])
    with pytest.raises(ValueError, match="max_words='a' is not valid"):
        parser.evaluate(TREES, max_words="a")
    with pytest.raises(ValueError, match="k=0 is not valid"):
        parser.parse("the dog", k=0)
    with pytest.raises(ValueError, match="either given or learned"):
        PCFGParser(grammar=load_toy_grammar()).fit(TREES)
    with pytest.raises(ValueError, match="1 sentences and 2 trees"):
        parser.score(SENTENCES[:1], TREES[:2])


def test_a_table_of_sentences_is_not_read_by_the_names_of_its_columns():
    parser = PCFGParser(grammar="S -> 'the' V 1.0\nV -> 'runs' 1.0")
    table = pd.DataFrame({"the runs": ["the runs"] * 3})
    for call in (parser.predict, parser.predict_log_proba):
        for given in (table, {"the runs": 1}, {"the runs"}):
            with pytest.raises(TypeError, match="Pass the column of sentences"):
                call(given)
    assert len(parser.predict(table["the runs"])) == 3


def test_trees_in_other_forms_are_named():
    with pytest.raises(TypeError, match=r"of a generator of them pass list\(trees\)"):
        PCFGParser().fit(Tree("S", ["a"]))
    with pytest.raises(TypeError, match=r"list\(read_trees\(path\)\)"):
        PCFGParser().fit("treebank/wsj_0001.mrg")


@pytest.mark.parametrize("form", [str, CFG.from_text, pytest.param("nltk", id="nltk")])
def test_a_grammar_without_probabilities_has_equal_ones(form):
    text = "S -> NP V\nNP -> 'she' | 'he' | NP 'here'\nV -> 'runs'"
    if form == "nltk":
        form = pytest.importorskip("nltk").CFG.fromstring
    with pytest.warns(UserWarning, match="has no probabilities.*equally likely"):
        found = PCFGParser(grammar=form(text)).predict_log_proba(["she here runs"])
    assert np.exp(found) == pytest.approx(1 / 9)
