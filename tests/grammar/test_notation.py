"""Grammars as people and other programs write them: NLTK's, those of lecture notes, and what is refused by name."""

import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featlearn.grammar.brackets import parse_trees
from featlearn.grammar.cfg import CFG, PCFG
from featlearn.grammar.notation import rounding
from featlearn.grammar.parser import PCFGParser
from featlearn.grammar.rules import Rule, Word
from featlearn.grammar.toys import TELESCOPE_TEXT, load_toy_grammar

nltk = pytest.importorskip("nltk")

TOY1 = """
    S -> NP VP [1.0]
    NP -> Det N [0.5] | NP PP [0.25] | 'John' [0.1] | 'I' [0.15]
    Det -> 'the' [0.8] | 'my' [0.2]
    N -> 'man' [0.5] | 'telescope' [0.5]
    VP -> VP PP [0.1] | V NP [0.7] | V [0.2]
    V -> 'ate' [0.35] | 'saw' [0.65]
    PP -> P NP [1.0]
    P -> 'with' [0.61] | 'under' [0.39]
"""


def rules_of(grammar):
    return dict(zip(grammar.rules, grammar.probabilities.tolist(), strict=True))


def rules_of_nltk(grammar):
    """The rules of an nltk.PCFG, made independently of what is tested; sums of symbols are made 1."""
    found, totals = {}, {}
    for production in grammar.productions():
        rhs = tuple(Word(part) if isinstance(part, str) else part.symbol() for part in production.rhs())
        found[Rule(production.lhs().symbol(), rhs)] = production.prob()
        totals[production.lhs().symbol()] = totals.get(production.lhs().symbol(), 0) + production.prob()
    return {rule: p / totals[rule.lhs] for rule, p in found.items()}


# ---- NLTK ----------------------------------------------------------------------------------------------------------

NLTK_TEXTS = [
    TOY1,
    "S -> 'a' [.333334] | 'b' [.333334] | 'c' [.333334]",
    "%start S\nNP -> 'x' [1.0]\nS -> NP [0.5] | S NP [0.5]\n",
    "%start VP/NP\nS->'s'[1.0]\nVP/NP->S[.25]|VP/NP S[.75]",
    "# comment\nS -> 'a' \"it's\" [0.5] \\\n  | '#' [0.5]\n\n",
    "S -> NP-SBJ VP^S [1.0]\nNP-SBJ -> 'a' [1.0]\r\nVP^S -> 'b' [1.0]\r\n",
    "S -> 1 2 [1.0]\n1 -> '1' [1.0]\n2 -> '1/2' [1.0]",
    "S -> 'caf\u00e9' [0.5] | '\u4e2d\u56fd' [0.5]",
    "S -> '1\\/2' [0.4] | '.' [0.6]",
    "S -> 'a' [0.33] | 'b' [0.33] | 'c' [0.34]",
]


@pytest.mark.parametrize("text", NLTK_TEXTS)
def test_texts_that_nltk_reads(text):
    if "->" in text and "S->" in text:  # NLTK takes the arrow for a part of the symbol
        peer = nltk.PCFG.fromstring(text.replace("->", " -> ").replace("]", "] "))
    else:
        peer = nltk.PCFG.fromstring(text)
    ours = PCFG.from_text(text)
    assert rules_of(ours) == pytest.approx(rules_of_nltk(peer))
    assert ours.start == peer.start().symbol()
    assert ours.is_proper(tolerance=1e-12)
    plain = CFG.from_nltk(nltk.CFG(peer.start(), [nltk.Production(p.lhs(), p.rhs()) for p in peer.productions()]))
    assert plain.rules == ours.rules
    assert plain.start == ours.start


def test_what_nltk_prints():
    grammar = nltk.PCFG.fromstring(TOY1)
    for text in (str(grammar), "\n".join(map(str, grammar.productions()))):
        assert rules_of(PCFG.from_text(text)) == pytest.approx(rules_of_nltk(grammar))
    plain = nltk.CFG.fromstring("S -> A 'b' | 'c'\nA -> \"it's\"")
    assert CFG.from_text(str(plain)) == CFG.from_nltk(plain)
    named = nltk.PCFG(nltk.Nonterminal("NP"), grammar.productions())
    assert PCFG.from_text(str(named)).start == "NP"


def test_a_treebanks_grammar_as_nltk_makes_and_prints_it():
    trees = parse_trees(
        "(S (NP (NNP Ms.) (, ,) (`` ``) (NNP Haag) ('' '')) (VP (VBZ pays) (NP (# #) (CD 1\\/2) (NN mm\u2009g))) (. .))"
        "(S (ADVP|PRT (RB up)) (PRN (-LRB- -LRB-) (: --) (-NONE- *T*-1) (-RRB- -RRB-)) (VP (VBZ 's)) (. \"))"
    )
    productions = []
    for tree in trees:
        peer = tree.to_nltk()
        peer.chomsky_normal_form(horzMarkov=2)
        productions += peer.productions()
    grammar = nltk.induce_pcfg(nltk.Nonterminal("S"), productions)
    text = str(grammar)
    assert "PRN|<:--NONE-> -> " in text  # what makes it hard: bars, arrows, quotes and comment signs in symbols
    assert "\n    # -> '#' [1.0]" in text
    read, taken = PCFG.from_text(text), PCFG.from_nltk(grammar)
    assert rules_of(taken) == pytest.approx(rules_of_nltk(grammar))
    assert rules_of(read) == pytest.approx(rules_of(taken), abs=1e-5)
    assert read.start == taken.start == "S"
    assert PCFG.from_text(taken.to_text()) == taken


def test_grammars_of_nltk_that_are_none_of_ours():
    with pytest.raises(TypeError, match=r"has no probabilities; CFG\.from_nltk takes it"):
        PCFG.from_nltk(nltk.CFG.fromstring("S -> 'a'"))
    with pytest.raises(TypeError, match="features are not"):
        CFG.from_nltk(nltk.grammar.FeatureGrammar.fromstring("S[NUM=sg] -> 'a'"))
    with pytest.raises(TypeError, match=r"from_nltk takes an nltk\.CFG or nltk\.PCFG; got a str"):
        PCFG.from_nltk("S -> 'a' 1")
    with pytest.raises(TypeError, match=r"from_nltk takes an nltk\.CFG"):
        PCFG.from_nltk(nltk.PCFG)
    with pytest.raises(ValueError, match="right side of 'S' is empty"):
        CFG.from_nltk(nltk.CFG.fromstring("S -> 'a' |"))
    number = nltk.grammar.ProbabilisticProduction(nltk.Nonterminal("S"), [3], prob=1.0)
    with pytest.raises(TypeError, match="holds 3 of type int"):
        PCFG.from_nltk(nltk.PCFG(nltk.Nonterminal("S"), [number]))
    twice = nltk.PCFG.fromstring("S -> 'a' [0.25] | 'a' [0.25] | 'b' [0.5]")
    assert rules_of(PCFG.from_nltk(twice)) == {Rule("S", (Word("a"),)): 0.5, Rule("S", (Word("b"),)): 0.5}


# ---- layouts -------------------------------------------------------------------------------------------------------

SYMBOLS = st.sampled_from(["S", "NP", "VP/NP", "S'", "N''", "NP-SBJ", "<NP>", "X^Y", "PRP$", "主", "s", "_", "A1", ","])
WORDS = st.sampled_from(
    ["the", "it's", 'a "b"', "#", "|", "->", "0.5", "1/2", "[x]", "中国", "\\", "a\\nb", "x y", "(", "-"]
)
ARROWS = ["->", " -> ", "\t-->  ", " => ", " ::= ", "::=", " → ", "⟶", " ⇒ ", " :=", "=>", "\u00a0->\u3000"]


@st.composite
def layouts(draw):
    """Rules with weights, and a text that says the same."""
    rhs = st.lists(st.one_of(SYMBOLS, WORDS.map(Word)), min_size=1, max_size=3).map(tuple)
    weights = draw(st.dictionaries(st.tuples(SYMBOLS, rhs), st.integers(1, 9), min_size=1, max_size=8))
    weights.setdefault((next(iter(weights))[0], (Word("w"),)), 1)  # so that words stand in quotes
    end = draw(st.sampled_from(["\n", "\r\n", "\r", " \n", "\n\n", "  # it's a comment\n", "\n# 'x' -> y\n"]))
    groups = {}
    for (lhs, parts), weight in weights.items():
        groups.setdefault(lhs, []).append((parts, weight))
    text = draw(st.sampled_from(["", "\ufeff", "# first -> 'x'\n", "%start {0}\n", "\n  \n"])).format(
        next(iter(groups))
    )
    for lhs, alternatives in groups.items():
        total = sum(weight for _, weight in alternatives)
        shown = []
        for parts, weight in alternatives:
            quote = draw(st.sampled_from("'\""))
            sides = []
            for part in parts:
                if isinstance(part, Word):
                    slashed = part.text.replace("\\", "\\\\").replace(quote, "\\" + quote)
                    sides.append(f"{quote}{slashed}{quote}")
                else:
                    sides.append(part)
            form = draw(st.sampled_from(["{}", "[{}]", "[ {} ]", "({})"]))
            number = draw(st.sampled_from([f"{weight}/{total}", f"{weight / total:.6f}", f"{weight / total:.7e}"]))
            shown.append(" ".join(sides) + " " + form.format(number))
        arrow = draw(st.sampled_from(ARROWS))
        if draw(st.booleans()):
            text += "".join(f"{lhs}{arrow}{alternative}{end}" for alternative in shown)
        else:
            bar = draw(st.sampled_from(["|", " | ", f"{end}  | ", f" |{end} ", " \\\n | "]))
            text += f"{lhs}{arrow}{bar.join(shown)}{end}"
    return weights, text


@pytest.mark.filterwarnings("ignore:The grammar has no rules")
@pytest.mark.filterwarnings("ignore:The grammar has no rules for")
@settings(max_examples=150, deadline=None)
@given(layouts())
def test_every_layout_says_the_same(case):
    weights, text = case
    expected = PCFG([(lhs, rhs, weight) for (lhs, rhs), weight in weights.items()], normalize=True)
    read = PCFG.from_text(text)
    assert rules_of(read) == pytest.approx(rules_of(expected), abs=2e-6)
    assert read.start == expected.start
    assert all(read.probabilities[places].sum() == pytest.approx(1, abs=1e-10) for places in read.by_lhs.values())
    assert PCFG.from_text(read.to_text()) == read
    assert pickle.loads(pickle.dumps(read)) == read


NAMES = st.text(st.sampled_from("AB1.%#'\"|\\xu20->=:[]()<>‘’→ \t\u3000\xa0\ufeff\U0001f600"), min_size=1, max_size=4)


@pytest.mark.filterwarnings("ignore:The grammar has no rules")
@pytest.mark.filterwarnings("ignore:The grammar has no rules for")
@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(NAMES, st.lists(NAMES, min_size=1, max_size=2).map(tuple)), min_size=1, max_size=4, unique=True)
)
def test_grammars_without_words_read_back(rules):
    grammar = CFG(rules)
    assert CFG.from_text(grammar.to_text()) == grammar
    weighted = PCFG([(*rule, 1.0) for rule in rules], normalize=True)
    assert PCFG.from_text(weighted.to_text()) == weighted


# ---- sums ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "numbers",
    [
        ["0.333334"] * 3, ["0.333333"] * 3, ["0.3333"] * 3, ["0.334"] * 3, ["0.333"] * 3, [".33"] * 3,
        ["0.142857"] * 7, ["0.166667"] * 5 + ["0.166666"], ["1/3"] * 3, ["0.5", "0.499999"], ["3.333e-1"] * 3,
        ["0.5", "0.333321", "0.166667", "1.23457e-05"], ["1/3", "0.6667"],
    ],
)  # fmt: skip
def test_rounded_probabilities_are_right(numbers):
    grammar = PCFG.from_text("S -> " + " | ".join(f"'w{i}' {number}" for i, number in enumerate(numbers)))
    assert grammar.probabilities.sum() == pytest.approx(1.0, abs=1e-12)
    kept = PCFG.from_text(
        "S -> " + " | ".join(f"'w{i}' {number}" for i, number in enumerate(numbers)), normalize=None
    ).probabilities
    assert np.allclose(grammar.probabilities, kept / kept.sum(), rtol=1e-12)


@pytest.mark.parametrize(
    "numbers",
    [
        ["0.5", "0.48"], ["0.49", "0.49"], ["0.5", "0.49"], ["0.5", "0.4"], ["0.98"], ["0.99"], ["1/2", "1/3"],
        ["0.500000", "0.480000"], ["0.50", "0.48"], ["0.4", "0.3", "0.2", "0.08"], ["0.7", "0.301", "0.02"],
        ["1.0", "0.02"], ["1/2", "1/2", "0.01"], [".9"],
    ],
)  # fmt: skip
def test_sums_that_rounding_does_not_explain_are_refused(numbers):
    with pytest.raises(ValueError, match=r"of 'S' add up to .*, not 1\. .*normalize=True"):
        PCFG.from_text("S -> " + " | ".join(f"'w{i}' {number}" for i, number in enumerate(numbers)))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=40), st.integers(2, 12), st.booleans())
def test_what_is_rounded_is_within_the_tolerance(counts, places, significant):
    values = [count / sum(counts) for count in counts]
    numbers = [f"{value:.{places}g}" if significant else f"{value:.{places}f}" for value in values]
    total = sum(map(float, numbers))
    if significant and places < 4:
        return  # few significant digits do not show how much was rounded
    if abs(total - 1) < (0.005 if places > 2 else 0.01):
        assert abs(total - 1) <= rounding(numbers)


# ---- words without quotes ------------------------------------------------------------------------------------------


def test_the_format_of_lecture_notes():
    assert PCFG.from_text(TELESCOPE_TEXT.replace("'", "")) == load_toy_grammar()
    notes = "S ⇒ NP Vi 1.0\nVi ⇒ sleeps 1.0\nNP → Anna 0.5 | n't 0.3 | 7 0.1 | , 0.1"
    assert PCFG.from_text(notes).words == ("sleeps", "Anna", "n't", "7", ",")
    assert CFG.from_text("E -> E + T | T\nT -> ( E ) | id | 1").words == ("+", "(", ")", "id", "1")
    primed = PCFG.from_text("S' -> N'' 1\nN'' -> dog 1   # 'dog' is a word, isn't it")
    assert (primed.symbols, primed.words) == (("S'", "N''"), ("dog",))


def test_one_quoted_word_makes_the_others_symbols():
    with pytest.warns(UserWarning, match="no rules for 'sleeps'.*or quote what is a word"):
        grammar = PCFG.from_text("Vi -> sleeps 0.5 | 'runs' 0.5")
    assert (grammar.symbols, grammar.words) == (("Vi", "sleeps"), ("runs",))


@pytest.mark.parametrize(
    ("text", "suspect"),
    [
        ("S -> NP VPP\nNP -> she\nVP -> sleeps", r"'VPP' \(line 1\)"),
        ("S -> NP VP\nNP -> she\nVP -> Vi | Vt NP\nVt -> sees\nVj -> runs", r"'Vi' \(line 3\)"),
        ("S -> NP VP\nNP -> she | Np PP\nVP -> runs\nPP -> here", r"'Np' \(line 2\)"),
        ("s -> np Vp\nnp -> she\nvp -> sleeps", r"'Vp' \(line 1\)"),
    ],
)
def test_words_that_look_like_misspelled_symbols(text, suspect):
    with pytest.warns(UserWarning, match=rf"no word in quotes.*{suspect}.*put the grammar's words in quotes"):
        CFG.from_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "S -> NP VP\nNP -> Anna | I | DT NN\nVP -> sleeps | believes that S\nDT -> the\nNN -> IBM | Dog",
        "s -> np vp\nnp -> she | Anna\nvp -> sees np | gives up",
        "S -> a S b | A\nA -> a",
        "TO -> to\nIN -> in | of\nVP -> TO VP | run",
    ],
)
def test_words_that_are_words(text):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert set(CFG.from_text(text).words) >= {
            w for w in text.replace("|", " ").split() if w in ("the", "she", "a", "of")
        }


# ---- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "S -> 'a' 0.5 | ε 0.5",
            "Line 1 .*right side of 'S' is empty; rules that derive nothing are not supported. Leave",
        ),
        ("S -> A 1\nA -> \n", "Line 2 .*right side of 'A' is empty"),
        ("S -> 'a' 0.5 |\nA -> 'b' 1", "Line 1 .*'S' is empty"),
        ("S -> 'a' 0.5 |\n | 'b' 0.5", "Line 1 .*'S' is empty"),
        ("S -> 'a' 0.5 | \"\" 0.5", "Line 1 .*a word is empty; rules that derive nothing"),
        ("S -> A 0.5\n\n B 0.5", "Line 3 .*a rule is a symbol"),
        ("S -> 'a' 1\nS[NUM=sg] -> 'a' 1", "Line 2 .*features in brackets"),
        ("S -> NP[NUM=sg] 1\nNP -> 'a' 1", r"Line 1 .*\[NUM=sg\] is no probability, and features"),
        ("0.5 S -> 'a'", "Line 1 .*probability stands before the rule"),
        ("S -> 'a' 0,5 | 'b' 0,5", "Line 1 .*0,5 is no probability; write it with a point"),
        ("S -> 'a' 50% | 'b' 50%", "Line 1 .*50% is no probability"),
        ("S -> 'a' 0.5 'b' 0.5", r"Line 1 .*the number 0.5 is not at the end.*is a \| missing"),
        ("S -> A 0.5 B 0.5\nA -> a 1\nB -> b 1", "Line 1 .*the number 0.5 is not at the end"),
        ("S -> 'a' [0.5] B [0.5]", "Line 1 .*the number 0.5 is not at the end"),
        ("S -> (A) 'b' 1", r"Line 1 .*'\(A\)' holds a parenthesis; optional parts"),
        ("S -> ( A | 'b' ) 'c' 1", "Line 1 .*has no probability"),
        ("S -> 'a' [0.5", "Line 1 .*bracket in column 10 has no partner"),
        ("S -> 'a' 0.5]", "Line 1 .*bracket in column 13 has no partner"),
        ("S -> 'a' 1/0", "Line 1 .*1/0 is no probability"),
        ("S -> 'a' 1\n%start S X", "Line 2 .*a rule is a symbol"),
        ("%ignore S\nS -> 'a' 1", "Line 1 .*the one directive is %start"),
        ("S -> 'a' 1 \\", "Line 1 .*the text ends after"),
        ("grammar.cfg", "Line 1 .*there is no arrow.*not a file's name"),
        ("NUM -> 1 | 2", "Line 1 .*is empty, for 1 is its probability; a word that is a number stands in quotes"),
        ("S -> NP VP\nNP -> 'a'", r"Line 1 .*has no probability.*No rule has one: CFG\.from_text.*normalize=True"),
        (
            "S -> NP 1.0\nNP -> 'a' 0.5 | 'b'",
            "Line 2 .*the right side \"'b'\" has no probability; end it with a number.$",
        ),
        ("S -> A->B 1.0\nA -> 'x' 1", "Line 1 .*two arrows"),
        ("%start X\nS -> 'a' 1", "start symbol 'X' has no rule"),
    ],
)
def test_what_is_refused_is_named_with_its_line(text, message):
    with pytest.raises(ValueError, match=message) as caught:
        PCFG.from_text(text)
    assert "\n" not in str(caught.value)


def test_texts_of_the_other_kind():
    for text in ("S -> 'a' [1.0]", "S -> 'a' 1.0", "S -> A B 1.0\nA -> a 1\nB -> b 1", "S -> A 1\nA -> a 1"):
        with pytest.raises(ValueError, match=r"PCFG\.from_text"):
            CFG.from_text(text)
    even = PCFG.from_text("S -> 'a' | 'b' | S S\nA -> 'c'", normalize=True)
    assert even.probabilities.tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1])


@pytest.mark.parametrize(
    ("rules", "error", "message"),
    [
        ("S -> 'a' 1", TypeError, r"a text is read by PCFG\.from_text\(text\)"),
        (b"S -> 'a' 1", TypeError, r"PCFG\.from_text"),
        (nltk.PCFG.fromstring("S -> 'a' [1.0]"), TypeError, r"PCFG\.from_nltk"),
        (CFG.from_text("S -> 'a'"), TypeError, "of a CFG pass its rules"),
        (5, TypeError, "takes an iterable of rules; got a int"),
        ([("S", ["a"])], TypeError, r"Rule 0 is \('S', \['a'\]\); pass \(lhs, rhs, probability\)"),
        (["S -> 'a' 1"], TypeError, "Rule 0 is"),
        ([("S", "NP VP", 1.0)], ValueError, "right side 'NP VP' of 'S' is one str; pass a list"),
        ([("S", 3, 1.0)], ValueError, "right side of 'S' is 3"),
        ([("S", ["a"], "x")], TypeError, "probability 'x' is a str"),
        ([("S", ["a"], 3)], ValueError, "probability 3; probabilities lie between 0 and 1. Of counts normalize=True"),
    ],
)
def test_what_is_no_rules_is_pointed_to_what_reads_it(rules, error, message):
    with pytest.raises(error, match=message):
        PCFG(rules)
    if error is TypeError and not isinstance(rules, (list, CFG)):
        with pytest.raises(TypeError, match=message.replace("PCFG", "CFG", 1)):
            CFG(rules)


# ---- parsers -------------------------------------------------------------------------------------------------------


def test_a_parser_takes_a_grammars_text_and_nltks():
    sentence = ["I", "saw", "the", "man", "with", "my", "telescope"]
    expected = [(str(tree), p) for tree, p in PCFGParser(grammar=PCFG.from_text(TOY1)).parse(sentence, k=5)]
    peer = nltk.PCFG.fromstring(TOY1)
    best = next(nltk.ViterbiParser(peer).parse(sentence))
    assert np.exp(expected[0][1]) == pytest.approx(best.prob())
    for grammar in (TOY1, peer, str(peer)):
        for parser in (PCFGParser(grammar=grammar), PCFGParser(grammar=grammar).fit()):
            found = parser.parse(sentence, k=5)
            assert [str(tree) for tree, _ in found] == [text for text, _ in expected]
            assert [p for _, p in found] == pytest.approx([p for _, p in expected])
    learned = PCFGParser(method="em", grammar=TOY1, max_iter=1, tol=0).fit([sentence])
    assert learned.pcfg_.is_proper()


@pytest.mark.parametrize(
    ("grammar", "message"),
    [
        ("S -> 'a' 0.5 | 'b' 0.4", r"PCFGParser: grammar=\"S -> 'a'.*add up to 0.9"),
        ("toy.pcfg", "PCFGParser: grammar='toy.pcfg' is not valid. .*not a file's name"),
        (CFG, r"pass None or a PCFG or CFG, the text of one .* or one of NLTK"),
        (nltk.PCFG, "pass None or a PCFG"),
        (7, "grammar=7 is not valid; pass None or a PCFG"),
    ],
)
def test_a_parser_names_what_is_no_grammar(grammar, message):
    with pytest.raises(ValueError, match=message):
        PCFGParser(grammar=grammar).fit()
    with pytest.raises(ValueError, match=message):
        PCFGParser(grammar=grammar).predict(["a"])


def test_symbols_that_hold_an_arrow_where_the_arrow_of_the_rule_has_blanks_around_it():
    grammar = PCFG.from_text(
        "S -> NP @S->_NP [1.0]\n@S->_NP -> VP @S->_NP_VP [.5] | 'b' [.5]\n@S->_NP_VP --> '.' [1]\n"
        "NP->@NP->_# [.5] | @NP->_''_X [.5]\n@NP->_# -> 'c' [1]\n@NP->_''_X -> 'a -> b' [1]\nVP->'->' [1]"
    )
    assert (
        {rule.lhs for rule in grammar.rules}
        == {
            *("S", "NP", "VP", "@S->_NP", "@S->_NP_VP", "@NP->_#", "@NP->_''_X"),
        }
        == set(grammar.symbols)
    )
    assert grammar.words == ("b", ".", "c", "a -> b", "->")
    assert PCFG.from_text(grammar.to_text()) == grammar
    bare = PCFG.from_text("S → a @S→_a 1\n@S→_a → b 1")
    assert [str(rule) for rule in bare.rules] == [r"S -> 'a' @S\u2192_a", r"@S\u2192_a -> 'b'"]


@pytest.mark.parametrize("text", ["S->'a -> b' 1", "S->' -> b' 1", 'S->"x -> b" 1', "S->'a' [.5]|'a -> b' [.5]"])
def test_an_arrow_with_blanks_in_a_quoted_word_is_none(text):
    assert {rule.lhs for rule in PCFG.from_text(text).rules} == {"S"}


@pytest.mark.parametrize("text", ["S->A -> B -> C 1", "S -> A -> B 1", "S -> A->B 1", "S->NP->VP 1"])
def test_two_arrows_for_a_rule(text):
    with pytest.raises(ValueError, match="two arrows"):
        PCFG.from_text(text)
