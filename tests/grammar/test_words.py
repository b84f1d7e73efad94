"""Raw sentences into words and back: the Treebank's own text, NLTK beside it, and conventions one by one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featlearn.datasets import load_treebank
from featlearn.grammar.words import sentence_text, sentence_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The dog sleeps.", "The dog sleeps ."),
        ("They'll save and invest more.", "They 'll save and invest more ."),
        ("hi, my name can't hello,", "hi , my name ca n't hello ,"),
        ('He said "yes" and left.', "He said `` yes '' and left ."),
        ('She said, "I don\'t know (yet)."', "She said , `` I do n't know -LRB- yet -RRB- . ''"),
        ("“Well,” said ‘Bob’, “I’m off.”", "`` Well , '' said ` Bob ' , `` I 'm off . ''"),
        ("„Gut“, sagte er.", "`` Gut '' , sagte er ."),
        ("« Oui », dit-il.", "`` Oui '' , dit-il ."),
        ("'Hello,' he said.", "` Hello , ' he said ."),
        ("``Why?'' he asked.", "`` Why ? '' he asked ."),
        ('" a "', "`` a ''"),
        ('He said "".', "He said `` '' ."),
        ("'Tis so, 'twas so", "'T is so , 't was so"),
        ("I cannot, wanna, gonna, gotta, gimme, lemme", "I can not , wan na , gon na , got ta , gim me , lem me"),
        ("I'd've gone; shouldn't've", "I 'd 've gone ; should n't 've"),
        ("DON'T", "DO N'T"),
        ("you`ve won’t", "you 've wo n't"),
        ("It costs $1,000.50, US$5 or 3/4 of 50%.", "It costs $ 1,000.50 , US$ 5 or 3/4 of 50 % ."),
        ("62%-owned, 10:30 a.m., a:b", "62%-owned , 10:30 a.m. , a : b"),
        ("Wait... what?! No--yes—maybe – ok…", "Wait ... what ? ! No -- yes -- maybe -- ok ..."),
        ("in the 1990–95 period", "in the 1990-95 period"),
        ("Mr. Smith lives in the U.S. now.", "Mr. Smith lives in the U.S. now ."),
        ("He lives in the U.S.", "He lives in the U.S. ."),
        ("(He lives in the U.S.)", "-LRB- He lives in the U.S. . -RRB-"),
        ("He lives in Trenton, N.J.", "He lives in Trenton , N.J ."),
        ("rock 'n' roll in the '80s, boys' toys", "rock 'n' roll in the '80s , boys ' toys"),
        ("[sic] {x} (a)(b)", "-LSB- sic -RSB- -LCB- x -RCB- -LRB- a -RRB- -LRB- b -RRB-"),
        ("AT&T and O'Connor's R&D", "AT&T and O'Connor 's R&D"),
        ("See http://example.com/a?b=c, or mail a.b@c.org.", "See http://example.com/a?b=c , or mail a.b@c.org ."),
        ("zero\u200bwidth so\u00adft\u00a0space", "zerowidth soft space"),
        ("我 爱 你 。", "我 爱 你 。"),
        ("don't .", "do n't ."),
        ("", ""),
        (" \t\n", ""),
        ("...", "..."),
        ("!", "!"),
        ("'", "'"),
        (".", "."),
    ],
)
def test_sentences_are_cut_as_the_treebank_is(text, words):
    assert sentence_words(text) == words.split()
    assert sentence_words(words) == words.split()  # and stay so


def test_what_a_grammar_knows_stays_as_it_is():
    known = {
        "I",
        "don't",
        "sleep",
        ".",
        "etc.",
        "No",
        "No.",
        "(",
        ")",
        '"',
        "—",
        "3\\/4",
        "U.S.",
        ":-)",
        "cannot",
        "it’s",
    }
    for text, words in [
        ("I don't sleep.", "I don't sleep ."),
        ("(I don't!)", "( I don't ! )"),
        ("I don’t cannot it's.", "I don't cannot it’s ."),
        ('"I don\'t"—sleep', '" I don\'t " — sleep'),
        ("No. I sleep etc. No.", "No. I sleep etc. No ."),  # in the end the period is the sentence's
        ("I sleep etc.", "I sleep etc."),
        ("I sleep etc. .", "I sleep etc. ."),
        ("U.S., U.S.", "U.S. , U.S. ."),
        ("I sleep :-).", "I sleep :-) ."),
        ("3/4 I've [", "3\\/4 I 've -LSB-"),
    ]:
        assert sentence_words(text, known) == words.split()
    assert sentence_words("I sleep U.S.", known - {"."}) == ["I", "sleep", "U.S."]  # no period that it knows not
    assert sentence_words('"(a)"', {"``", '"', "-LRB-", "("}) == ["``", "-LRB-", "a", "-RRB-", "''"]


def test_text_comes_back():
    for text in (
        '"They won\'t pay $3.50 (or 3/4%)," he said.',
        "Mr. O'Connor's boys' toys -- [all] {of them} -- cost US$ 5; they're 'new'!",
        "He lives in the U.S.",
        "Gimme 'em, I gotta go...",
        "It's 10:30 a.m.: go?",
    ):
        assert sentence_text(sentence_words(text)) == text.replace("US$ ", "US$")
    assert sentence_text([]) == ""
    assert sentence_text(['"', "a", '"', "1\\/2"]) == '"a" 1/2'


pieces = st.text(st.sampled_from("ab'’\"“”`.,;:?!()[]{}$%#&@-—–…/1 nt’S\u200b"), max_size=12)


@settings(max_examples=300, deadline=None)
@given(pieces, st.frozensets(pieces.map(str.strip).filter(bool), max_size=4))
def test_no_letter_is_lost(text, known):
    for words in (sentence_words(text), sentence_words(text, known)):
        assert all(words)
        assert not any(blank in word for word in words for blank in " \t\n")

        def kept(text):
            return [c for c in text if c in "abntS1/&@#$%?!;,"]

        plain = "".join(words).replace("-LRB-", "").replace("-RRB-", "").replace("-LSB-", "").replace("-RSB-", "")
        assert kept(plain.replace("-LCB-", "").replace("-RCB-", "")) == kept(text)


def test_long_pieces_take_no_long_time():
    for part in (
        '"',
        "(",
        "a'",
        "x",
        "!",
        "a--",
        "'",
        ".",
        "a.",
        "@",
        "a@b.",
        "n't",
        "'s",
        "''",
        "1,",
        "“a",
        "\\",
        "%-",
    ):
        for text in (20_000 * part, 10_000 * f"{part} "):
            assert sentence_words(text)
            assert sentence_words(text, {"a", ".", "x"})


def test_the_text_of_the_treebank(require_dataset):
    """Its words parted by blanks stay as they are; out of running text nearly all come back, more than with NLTK."""
    require_dataset("treebank")
    sentences = [tree.words() for tree in load_treebank()]
    known = {word for words in sentences for word in words}
    n = len(sentences)
    assert n == 3914
    assert all(sentence_words(" ".join(words), known) == words for words in sentences)
    assert sum(sentence_words(" ".join(words)) == words for words in sentences) >= 0.998 * n
    texts = [sentence_text(words) for words in sentences]
    assert sum(sentence_words(text, known) == words for text, words in zip(texts, sentences, strict=True)) >= 0.994 * n
    # only a grammar tells that it writes 3\/4
    sentences = [[word.replace("\\/", "/") for word in words] for words in sentences]
    ours = [sentence_words(text) == words for text, words in zip(texts, sentences, strict=True)]
    assert sum(ours) >= 0.99 * n
    nltk = pytest.importorskip("nltk.tokenize")
    theirs = [
        nltk.NLTKWordTokenizer().tokenize(text, convert_parentheses=True) == words
        for text, words in zip(texts, sentences, strict=True)
    ]
    assert 0.9 * n < sum(theirs) < sum(ours)
    assert not any(right and not mine for mine, right in zip(ours, theirs, strict=True))
