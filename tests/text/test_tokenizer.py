"""Texts to tokens, in English and Chinese."""

import logging
import pickle
import sys
import unicodedata

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, CountVectorizer

from featlearn.datasets import get_data_home
from featlearn.text.stop_words import CHINESE, stop_words
from featlearn.text.tokenizer import Tokenizer, jieba_words


def halves(text):
    """A segmenter of its own: words of two characters."""
    return [text[i : i + 2] for i in range(0, len(text), 2)]


@pytest.fixture
def jieba():
    pytest.importorskip("jieba", reason="pip install 'featlearn[text]'")


def test_english_drops_function_words_numbers_and_clitics():
    texts = ["Don't panic: it’s ONLY 42 degrees; they'll see John's mp3s.", "", "I'm a 3d x_1 naïve café"]
    assert Tokenizer().transform(texts) == [["panic", "degrees", "john", "mp3s"], [], ["x_1", "naïve", "café"]]


def test_no_word_is_the_rest_of_a_number_or_holds_its_emphasis():
    tokens = Tokenizer(stop_words=None).transform(["the 1st, 22nd and 3rd of the 1990s: 4x4s, _very_ x86 b2b __init__"])
    assert tokens == [["the", "and", "of", "the", "very", "x86", "b2b", "init"]]


def test_accents_and_ligatures_are_put_together():
    texts = ["re\u0301sume\u0301 \ufb01ne \uff21\uff22\uff23"]
    assert Tokenizer().transform(texts) == [["résumé", "fine", "abc"]]
    assert Tokenizer(pattern=r"\w+").transform(["\ufb01ne"]) == [["\ufb01ne"]]


def test_a_pattern_and_no_stop_words_give_what_scikit_learn_gives():
    texts = ["The 3 cats don't sit, a cat of 10 sat!", "Über-cool: it is 2024"]
    expected = CountVectorizer().build_analyzer()
    tokens = Tokenizer(stop_words=None, pattern=r"(?u)\b\w\w+\b", min_length=1).transform(texts)
    assert tokens == [expected(text) for text in texts]


def test_stop_words_match_whatever_the_case():
    texts = ["The CAT and the Dog"]
    assert Tokenizer(lowercase=False).transform(texts) == [["CAT", "Dog"]]
    assert Tokenizer(stop_words=["cat", "DOG"]).transform(texts) == [["the", "and", "the"]]
    assert Tokenizer(stop_words=None).transform(texts) == [["the", "cat", "and", "the", "dog"]]


def test_min_length():
    assert Tokenizer(min_length=4).transform(["cats dog x"]) == [["cats"]]
    assert Tokenizer("chinese", segmenter=str.split, min_length=2).transform(["学 学习"]) == [["学习"]]


def test_token_lists_pass_unchanged():
    tokens = [["The", "3"], []]
    assert Tokenizer().transform(tokens) == tokens


@pytest.mark.parametrize("kind", [tuple, np.array, lambda x: np.array(x, object), pd.Series, iter])
def test_every_kind_of_list(kind):
    texts = ["one cat", "two dogs"]
    found = Tokenizer(stop_words=None).transform(kind([texts]) if kind is iter else kind(texts))
    assert (next(found) if kind is iter else found) == [["one", "cat"], ["two", "dogs"]]


def test_dask_bag():
    bag = pytest.importorskip("dask.bag", reason="pip install 'featlearn[dask]'")
    found = Tokenizer(stop_words=None).transform(bag.from_sequence(["one cat", "two dogs"], npartitions=2))
    assert found.compute(scheduler="sync") == [["one", "cat"], ["two", "dogs"]]


def test_chinese_words_without_punctuation_numbers_and_function_words(jieba):
    texts = ["我们正在学习机器学习，2024年！", "我們在北京的權力，經濟。"]
    assert Tokenizer("chinese").transform(texts) == [["学习", "机器", "学习"], ["北京", "權力", "經濟"]]


def test_mixed_chinese_and_english(jieba):
    found = Tokenizer("chinese").transform(["用Python写iPhone的App，and the ＡＢＣ 公司"])
    assert found == [["用", "python", "写", "iphone", "app", "abc", "公司"]]


def test_a_segmenter_of_ones_own_is_used_and_needs_no_jieba():
    assert Tokenizer("chinese", segmenter=halves).transform(["北京上海，。12"]) == [["北京", "上海"]]


def test_jieba_is_quiet_and_as_before(jieba, caplog):
    level = logging.getLogger("jieba").level
    jieba_words.__wrapped__()  # starts anew
    assert caplog.records == []
    assert logging.getLogger("jieba").level == level


def test_without_jieba_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "jieba", None)
    with pytest.raises(ImportError, match=r"pip install 'featlearn\[text\]'"):
        jieba_words.__wrapped__()  # without the memory of what was imported before


def test_stop_words_of_both_scripts():
    assert stop_words("english") == ENGLISH_STOP_WORDS
    chinese = stop_words("chinese")
    assert {"的", "我们", "我們", "这", "這", "the"} <= chinese
    words = CHINESE.split()
    assert len(words) == len(set(words))
    assert len(words) > 500
    with pytest.raises(ValueError, match=r"language='german' is not known; pass 'english' or 'chinese'"):
        stop_words("german")


def test_pickle_clone_and_determinism(jieba):
    tokenizer = Tokenizer("chinese", stop_words=["北京"])
    texts = ["我们在北京学习", "上海"]
    expected = tokenizer.fit_transform(texts)
    assert pickle.loads(pickle.dumps(tokenizer)).transform(texts) == expected
    assert clone(tokenizer).transform(texts) == expected == tokenizer.transform(texts)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"language": "german"}, r"language='german' is not valid; pass one of 'english', 'chinese'"),
        ({"lowercase": 1}, r"lowercase=1 is not valid; pass True or False"),
        ({"stop_words": "english"}, r"stop_words='english' is not valid"),
        ({"stop_words": ["a", 3]}, r"stop_words holds 3, a int"),
        ({"min_length": 0}, r"min_length=0 is not valid"),
        ({"pattern": "("}, r"pattern='\(' is no regular expression"),
        ({"pattern": "(a)(b)"}, r"pattern='\(a\)\(b\)' has 2 groups"),
        ({"segmenter": str.split}, r"segmenter is for language='chinese', and language is 'english'"),
        ({"language": "chinese", "pattern": "a"}, r"pattern is for language='english', and language is 'chinese'"),
        ({"language": "chinese", "segmenter": "jieba"}, r"segmenter='jieba' is not valid; pass None or a function"),
        ({"language": "chinese", "segmenter": str.upper}, r"the segmenter gave 'A' for a text; it must give the list"),
        ({"language": "chinese", "segmenter": lambda t: [1]}, r"the segmenter gave 1 among its words, a int"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        Tokenizer(**parameters).fit().transform(["a"])


def spans(words, text):
    """Where words lie in a text, one after the other."""
    found, place = set(), 0
    for word in words:
        start = text.index(word, place)
        place = start + len(word)
        found.add((start, place))
    return found


def test_jieba_against_the_words_of_universal_dependencies(jieba):
    path = get_data_home() / "ud-chinese" / "UD_Chinese-PUD" / "zh_pud-ud-test.conllu"
    if not path.is_file():
        pytest.skip("set FEATLEARN_DATA to a folder holding ud-chinese/UD_Chinese-PUD/zh_pud-ud-test.conllu")
    sentences, texts = [], []
    for block in unicodedata.normalize("NFKC", path.read_text(encoding="utf-8")).strip().split("\n\n"):
        lines = block.split("\n")
        texts.append(next(line[len("# text = ") :] for line in lines if line.startswith("# text = ")))
        rows = [line.split("\t") for line in lines if line[0] != "#"]
        sentences.append([row[1] for row in rows if row[0].isdecimal()])
    keep = Tokenizer("chinese", segmenter=lambda text: text.split("\t"), stop_words=None, lowercase=False)
    gold = keep.transform(["\t".join(words) for words in sentences])
    ours = Tokenizer("chinese", stop_words=None, lowercase=False).transform(texts)
    right = total = 0
    for words, found, text in zip(gold, ours, texts, strict=True):
        right += len(spans(words, text) & spans(found, text))
        total += len(words) + len(found)
    f1 = 2 * right / total
    print(f"token F1 {f1:.4f} on {len(texts)} sentences")
    assert len(texts) == 1000
    assert f1 > 0.7
