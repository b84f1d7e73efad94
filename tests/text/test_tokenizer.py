"""Texts to tokens, in English, Chinese, Japanese and whatever else people write.

Also tests featlearn.text.segmenters, featlearn.text.stop_words and featlearn.text.unicode_words.
"""

import logging
import pickle
import re
import sys
import time
import unicodedata

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, CountVectorizer

from featlearn import LDA, TopicExtractor
from featlearn.datasets import get_data_home
from featlearn.text.phrases import Phrases
from featlearn.text.segmenters import jieba_words, sudachi_words
from featlearn.text.stop_words import CHINESE, LANGUAGES, stop_words
from featlearn.text.tokenizer import Tokenizer
from featlearn.text.unicode_words import is_unusual, mark_ranges, normalized


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
    with pytest.raises(ValueError, match=r"language='tamil' is not known; pass one of 'afrikaans', 'arabic'"):
        stop_words("tamil")
    with pytest.raises(ValueError, match=r"language='de' is not known; pass 'german'"):
        stop_words("de")


def test_pickle_clone_and_determinism(jieba):
    tokenizer = Tokenizer("chinese", stop_words=["北京"])
    texts = ["我们在北京学习", "上海"]
    expected = tokenizer.fit_transform(texts)
    assert pickle.loads(pickle.dumps(tokenizer)).transform(texts) == expected
    assert clone(tokenizer).transform(texts) == expected == tokenizer.transform(texts)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"language": "tamil"}, r"language='tamil' is not valid; pass None or one of 'afrikaans', 'arabic'"),
        ({"language": "German"}, r"language='German' is not valid; pass None or 'german'"),
        ({"language": "th"}, r"language='th' is not valid; pass None or 'thai'"),
        ({"language": 3}, r"language=3 is not valid; pass None or one of"),
        ({"language": "thai"}, r"language='thai' is written without blanks.* Pass segmenter="),
        ({"lowercase": 1}, r"lowercase=1 is not valid; pass True or False"),
        ({"stop_words": "english"}, r"stop_words='english' is not valid"),
        ({"stop_words": ["a", 3]}, r"stop_words holds 3, a int"),
        ({"min_length": 0}, r"min_length=0 is not valid"),
        ({"pattern": "("}, r"pattern='\(' is no regular expression"),
        ({"pattern": "(a)(b)"}, r"pattern='\(a\)\(b\)' has 2 groups"),
        ({"segmenter": str.split, "pattern": "a"}, r"pattern and segmenter both say how texts are cut; set one"),
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


def words_of(text, language=None):
    """All words of a text, as they stand in it."""
    return Tokenizer(language, lowercase=False, stop_words=None, min_length=1).transform([text])[0]


MARKED = [
    "Пример आधुनिक मानक हिन्दी",
    "বাংলা ভাষা আন্দোলন",
    "தமிழ் மொழி தெலுங்கு",
    "తెలుగు భాష",
    "മലയാളം ഭാഷ",
    "ไทย ภาษา เรียนรู้",
    "שָׁלוֹם עוֹלָם",
    "مُحَمَّد العَرَبِيَّة",
    "ọ̀rọ̀ ẹ̀kọ́ Yorùbá",
    "tiếng Việt được",
    "한국어 단어 조사",
    "ΟΔΟΣ οδός Κόσμος",
    "İstanbul ığdır Straße",
    "ትግርኛ አማርኛ",
    "𞤆𞤵𞤤𞤢𞤪 𞤀𞤣𞤤𞤢𞤥",
    "ꦲꦏ꧀ꦱꦫ ᬩᬮᬶ",
]


@pytest.mark.parametrize("language", ["english", None, "hindi"])
@pytest.mark.parametrize("text", MARKED)
@pytest.mark.filterwarnings("ignore:.*written without blanks")
def test_combining_marks_stay_in_their_words(text, language):
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        found = words_of(unicodedata.normalize(form, text), language)
        assert found == unicodedata.normalize("NFKC", text).split()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("co\xadoperate to\u2060pic", ["cooperate", "topic"]),
        ("zero\u200bwidth \ufeffmark x\u200ey", ["zero", "width", "mark", "xy"]),
        ("می\u200cخواهم کتاب\u200cها", ["میخواهم", "کتابها"]),
        ("क्\u200dष", ["क्ष"]),
        ("cafe\xad\u0301 \u0301lone \u0301", ["café", "lone"]),
        ("葛\U000e0100城 a\ufe0f", ["葛城", "a"]),
        ("3rd 3\u0302\u0302rd 22nd _very_ x_1", ["very", "x_1"]),
    ],
)
@pytest.mark.filterwarnings("ignore:.*written without blanks")
def test_format_characters_are_removed(text, words):
    assert words_of(text) == words_of(text, "english") == words


@pytest.mark.parametrize("apostrophe", "'’‘‛`´ʼʻʽ＇｀′՚")
def test_apostrophes_of_all_kinds_are_one(apostrophe):
    text = "you've they've don't l'été м'ята".replace("'", apostrophe)
    assert Tokenizer(stop_words=None).transform([text])[0][:2] == ["you", "they"]
    assert "don" not in words_of(text, "english")
    assert words_of(text) == ["you've", "they've", "don't", "l'été", "м'ята"]
    assert words_of(f"{apostrophe}quoted{apostrophe} dogs{apostrophe}") == ["quoted", "dogs"]
    assert "c'est" not in Tokenizer("french").transform([f"c{apostrophe}est bon"])[0]


def test_quotes_of_tex_are_no_apostrophes():
    assert words_of("``re-elected'' or `s' ``d", "english") == ["re", "elected", "or", "s", "d"]


def test_what_joins_words_in_other_languages():
    assert words_of('צה״ל צה"ל ג׳ורג\' "שלום"') == ['צה"ל', 'צה"ל', "ג'ורג", "שלום"]
    assert words_of("col·lecció coŀlecció well-known end.Start U.S.A. a:b") == (
        ["col·lecció", "col·lecció", "well", "known", "end", "Start", "U", "S", "A", "a", "b"]
    )


@pytest.mark.parametrize(
    ("language", "text", "tokens"),
    [
        ("french", "L’école, qu'il aime aujourd'hui jusqu'au château d'Yvetot", ["école", "aime", "château", "yvetot"]),
        ("italian", "dell'arte nell’università c'era L'Aquila", ["arte", "università", "aquila"]),
        ("catalan", "l'escola d'història col·lecció", ["escola", "història", "col·lecció"]),
        ("german", "Der Straßenbahn und die Häuser", ["straßenbahn", "häuser"]),
        ("turkish", "İSTANBUL ve IĞDIR için", ["istanbul", "ığdır"]),
        ("russian", "Я изучаю машинное обучение и математику", ["изучаю", "машинное", "обучение", "математику"]),
        ("hindi", "यह हिन्दी भाषा की पुस्तक है", ["हिन्दी", "भाषा", "पुस्तक"]),
        ("bengali", "আমাদের বাংলা ভাষা এবং সাহিত্য", ["বাংলা", "ভাষা", "সাহিত্য"]),
        ("yoruba", "ọ̀rọ̀ àti ẹ̀kọ́ fún gbogbo", ["ọ̀rọ̀", "ẹ̀kọ́"]),
        ("korean", "물 그리고 한국어 단어", ["물", "한국어", "단어"]),
        ("greek", "Ο ΔΡΟΜΟΣ και η θάλασσα", ["δρομος", "θάλασσα"]),
    ],
)
def test_a_language_has_its_words_and_stop_words(language, text, tokens):
    pytest.importorskip("stopwordsiso", reason="pip install 'featlearn[text]'")
    for form in ("NFC", "NFD"):
        assert Tokenizer(language).transform([unicodedata.normalize(form, text)]) == [tokens]


def test_every_list_of_stop_words_is_of_tokens():
    isoed = pytest.importorskip("stopwordsiso", reason="pip install 'featlearn[text]'")
    assert set(LANGUAGES.values()) == isoed.langs()
    for language in LANGUAGES:
        words = stop_words(language)
        assert len(words) > 20
        assert all(word == normalized(word) and word == unicodedata.normalize("NFC", word.lower()) for word in words)
        if language not in ("english", "chinese", "japanese"):
            tokenizer = Tokenizer(language, min_length=1, segmenter=str.split if language == "thai" else None)
            assert tokenizer.transform([" ".join(words)]) == [[]], language


def test_stop_words_of_ones_own_are_normalized_as_tokens_are():
    texts = ["Crème brûlée, aujourd’hui"]
    chosen = ["cre\u0300me", "AUJOURD'HUI"]
    assert Tokenizer(None, stop_words=chosen).transform(texts) == [["brûlée"]]
    assert Tokenizer(stop_words=["ﬁne"], pattern=r"\w+").transform(["ﬁne FINE"]) == [[]]


def test_without_the_lists_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "stopwordsiso", None)
    stop_words.cache_clear()
    with pytest.raises(ImportError, match=r"list of language='german' comes with stopwordsiso.*featlearn\[text\]"):
        Tokenizer("german").transform(["Haus"])
    assert Tokenizer("german", stop_words=None).transform(["Das Haus"]) == [["das", "haus"]]
    assert Tokenizer().transform(["the house"]) == [["house"]]


def test_without_sudachi_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sudachipy", None)
    with pytest.raises(ImportError, match=r"pip install 'featlearn\[japanese\]'"):
        sudachi_words.__wrapped__()


@pytest.fixture
def sudachi():
    pytest.importorskip("sudachidict_small", reason="pip install 'featlearn[japanese]'")
    pytest.importorskip("stopwordsiso", reason="pip install 'featlearn[japanese]'")


def test_japanese_words_without_particles_and_endings(sudachi):
    texts = ["私は昨日、東京大学で機械学習を勉強しました。", "ﾃﾞｰﾀとPythonのcafé、Примерとहिन्दीを12回使った！"]
    assert Tokenizer("japanese").transform(texts) == [
        ["昨日", "東京", "大学", "機械", "学習", "勉強"],
        ["データ", "python", "café", "пример", "हिन्दी", "使っ"],
    ]
    long = "大学の勉強" * 20_000  # more than Sudachi takes at once
    assert Tokenizer("japanese").transform([long, "\ud800大学"]) == [["大学", "勉強"] * 20_000, ["大学"]]


def test_words_of_other_scripts_in_chinese_stay_whole(jieba):
    found = Tokenizer("chinese").transform(["我们在café学习Пример和हिन्दी，naïve。"])
    assert found == [["café", "学习", "пример", "हिन्दी", "naïve"]]


def halves_of_thai(text):
    """A segmenter for one text."""
    return ["ภาษา", "ไทย", " ", "12"] if text else []


def test_a_segmenter_serves_any_language():
    pytest.importorskip("stopwordsiso", reason="pip install 'featlearn[text]'")
    for language in ("english", None, "thai", "japanese"):
        tokenizer = pickle.loads(pickle.dumps(clone(Tokenizer(language, segmenter=halves_of_thai))))
        assert tokenizer.transform(["ภาษาไทย 12", ""]) == [["ภาษา", "ไทย"], []]
    assert Tokenizer("chinese", pattern=r"[\u4e00-\u9fff]").transform(["我爱学习"]) == [["爱", "学", "习"]]


@pytest.mark.parametrize(
    ("language", "text", "message"),
    [
        ("english", "我们正在学习机器学习。", r"100% of the 10 letters in 3 documents are Chinese.*language='chinese'"),
        ("english", "吾輩は猫である。名前はまだ無い。", r"are Japanese, written without blanks.*language='japanese'"),
        ("english", "ภาษาไทยเขียนติดกัน", r"are Thai, .* Pass segmenter=, a function from a text to its words"),
        (None, "ភាសាខ្មែរ", r"are Khmer, .* language=None parts words at blanks"),
        ("hindi", "ພາສາລາວ", r"are Lao"),
        ("english", "བོད་ཀྱི་སྐད་ཡིག་སློབ་སྦྱོང་", r"100% .* are Tibetan, .*parts its syllables: .*segmenter="),
        ("english", "ꦱꦧꦼꦤ꧀ꦲꦸꦮꦺꦴꦁꦏꦭꦲꦶꦫꦏꦺ", r"are Javanese, .*most terms are whole clauses"),
        (None, "ᬲᬓᬯᬶᬄᬫᬦᬸᬲᬦᬾ", r"are Balinese"),
        ("english", "ꊿꂷꃅꄿꐨꐥꌅꅍꂷꀋꐚꌐ", r"are Yi"),
        ("german", "မြန်မာဘာသာ", r"are Burmese, .*str.split says that blanks part the words"),
        ("english", "Ja Han Kan 学习学习学习学习学习", r"56% of the 18 letters"),
        (
            "chinese",
            "The cat sat on the mat and slept.",
            r"language='chinese', and 0% of the 25 letters .* are Chinese",
        ),
        ("chinese", "吾輩は猫である。名前はまだ無い。どこで生れたか。", r"are kana, .*language='japanese'"),
        ("japanese", "Машинное обучение и математика", r"language='japanese', and 0% .* are Japanese"),
        ("japanese", "我们正在学习机器学习" * 12, r"seem to be Chinese"),
    ],
)
def test_texts_in_a_script_that_the_language_does_not_cut(language, text, message, jieba, sudachi):
    with pytest.warns(UserWarning, match=message) as caught:
        Tokenizer(language).transform(["", text, "7"])
    assert len(caught) == 1
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        ("english", ["The word 学习 means to learn", "Пример आधुनिक", "한국어 단어", "tiếng Việt", "12 7", ""]),
        ("chinese", ["我们用Python写机器学习的代码 in English words"]),
        ("chinese", ["OK", "12"]),
        ("japanese", ["東京大学", "ＡＢＣ株式会社のデータ"]),
    ],
)
def test_words_of_another_script_among_the_text_are_no_reason_to_warn(language, texts, jieba, sudachi):
    Tokenizer(language).transform(texts)
    Tokenizer(segmenter=str.split).transform(["我们 正在 学习"])
    Tokenizer(pattern=".").transform(["我们正在学习"])
    assert Tokenizer().transform([["我们正在学习"]]) == [["我们正在学习"]]


def test_a_stream_and_an_extractor_are_warned_of_once():
    chunks = [["机器学习很好，今天天气不错", "the cat sat, the dog ran"], ["今天天气不错"]] * 3
    with pytest.warns(UserWarning, match="are Chinese") as caught:
        list(Tokenizer().transform(iter(chunks)))
    assert len(caught) == 1
    extractor = TopicExtractor(LDA(2, method="online", max_iter=1, random_state=0), min_df=1, max_df=1.0)
    with pytest.warns(UserWarning, match="are Chinese") as caught:
        extractor.fit(lambda: iter(chunks))
    assert sum("are Chinese" in str(warning.message) for warning in caught) == 1
    with pytest.warns(UserWarning, match="are Chinese") as caught:
        extractor.pipeline_.transform([text for chunk in chunks for text in chunk])
    assert sum("are Chinese" in str(warning.message) for warning in caught) == 1


HINDI = ["बाज़ार में शेयर और बॉन्ड गिरे", "शेयर बाज़ार के निवेशक", "बिल्ली और कुत्ता घर में", "कुत्ता बिल्ली के पीछे दौड़ा"]
JAPANESE = ["株式市場で債券が下落した", "投資家は株式市場を見た", "猫と犬が庭で遊んだ", "犬は猫を追いかけた"]


@pytest.mark.parametrize(
    ("language", "texts", "threshold", "expected"),
    [
        ("hindi", HINDI, 100.0, ["शेयर बाज़ार", "बिल्ली कुत्ता"]),
        ("japanese", JAPANESE, 100.0, ["株式 市場", "犬 猫"]),
        ("japanese", JAPANESE, 1.0, ["株式_市場", "犬_庭"]),
    ],
)
def test_topics_and_phrases_of_hindi_and_of_japanese(language, texts, threshold, expected, sudachi):
    phrases = Phrases(min_count=1, threshold=threshold)
    extractor = TopicExtractor(
        LDA(2, random_state=0), tokenizer=Tokenizer(language), phrases=phrases, min_df=2, max_df=1.0
    )
    tops = [set(terms) for terms in extractor.fit(texts * 10).topics_.top_terms(3)]
    for terms in expected:
        assert any(set(unicodedata.normalize("NFKC", terms).split()) <= top for top in tops)
    assert pickle.loads(pickle.dumps(extractor)).transform(texts) == pytest.approx(extractor.transform(texts))


def test_a_grid_and_a_bag_of_a_language(sudachi):
    bag = pytest.importorskip("dask.bag", reason="pip install 'featlearn[dask]'")
    tokenizer = Tokenizer("japanese")
    expected = tokenizer.transform(JAPANESE)
    found = tokenizer.transform(bag.from_sequence(JAPANESE, npartitions=4))
    assert found.compute(scheduler="threads") == expected
    assert Tokenizer(np.array(["japanese"])[0]).transform(JAPANESE) == expected


def test_marks_are_all_known_and_plain_text_has_none():
    """The ranges hold every mark of every plane, and a text without unusual characters gains none."""
    marks = "".join(f"{chr(code)}" for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code))[0] == "M")
    assert re.sub(f"[{mark_ranges()}]", "", marks) == ""
    assert all(map(is_unusual, marks))
    for code in range(128, sys.maxunicode + 1):
        if not is_unusual(chr(code)):
            form = unicodedata.normalize("NFKC", chr(code))
            assert unicodedata.category(form[0]) not in ("Mn", "Mc", "Me", "Cf"), hex(code)
            assert " " in form or all(unicodedata.category(character)[0] != "M" for character in form), hex(code)


LETTERS_AND_MORE = st.one_of(
    st.characters(),
    st.sampled_from(" '’`´\xad\u200b\u200c\u200d\u2060\ufeff\u0301\u0316\u034f\u3099\ufe0fा्ัא״\"·_3stTI"),
    st.sampled_from([c for text in MARKED for c in text]),
)


@given(st.text(LETTERS_AND_MORE), st.sampled_from(["english", None, "french", "turkish"]), st.booleans())
@example("J\u030c \u01f0", None, True)
@example("x" + "\u0301\u0316" * 3 + "'s", "english", True)
@pytest.mark.filterwarnings("ignore:.*written without blanks")
def test_tokens_of_any_text(text, language, lowercase):
    """No blank, no format character, no mark without letter; other forms of the text, and the tokens, give the same."""
    tokenizer = Tokenizer(language, lowercase=lowercase, stop_words=None, min_length=1)
    (tokens,) = tokenizer.transform([text])
    for token in tokens:
        assert not any(c.isspace() or unicodedata.category(c) in ("Cf", "Cc", "Cs") for c in token)
        assert unicodedata.category(token[0])[0] != "M"
    again = tokenizer.transform(
        [" ".join(tokens), unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)]
    )
    assert again == [tokens] * 3


@pytest.mark.parametrize(
    "unit", ["ा", "a\u0301\u0316", "\u0301\u0316", "'", "a'", "\xad", "a\xad", "`", "a_", "3", "学é", 'א"']
)
@pytest.mark.filterwarnings("ignore:.*written without blanks")
def test_long_rows_take_time_in_proportion(unit):
    for language in ("english", None):
        tokenizer = Tokenizer(language)
        start = time.process_time()
        tokenizer.transform(["x" + unit * (500_000 // len(unit))])
        assert time.process_time() - start < 5  # less than half a second; steps in n^2 take hours


@pytest.mark.parametrize(
    ("usual", "others"),
    [
        ("น้ำ", ["น\u0e49\u0e4d\u0e32", "น\u0e4d\u0e49\u0e32"]),  # tone marks stand before the vowel, or in it
        ("กำลัง", ["ก\u0e4d\u0e32ลัง"]),
        ("ນ້ຳ", ["ນ\u0ec9\u0ecd\u0eb2", "ນ\u0ecd\u0ec9\u0eb2"]),
        ("ຄຳ", ["ຄ\u0ecd\u0eb2"]),
    ],
)
@pytest.mark.filterwarnings("ignore:.*written without blanks")
def test_vowels_that_nfkc_cuts_in_two_stay_whole(usual, others):
    forms = [unicodedata.normalize(form, usual) for form in ("NFC", "NFD", "NFKC", "NFKD")]
    for text in (usual, *others, *forms):
        for language in ("english", None, "hindi"):
            assert words_of(text, language) == Tokenizer(language, stop_words=None).transform([text])[0] == [usual]
        assert Tokenizer(None, stop_words=[text]).transform([usual]) == [[]]
        assert Tokenizer(None, segmenter=str.split, stop_words=None).transform([text]) == [[usual]]


def test_lao_consonants_that_nfkc_cuts_in_two_stay_whole():
    """And two consonants side by side, which may be of two syllables, are not joined."""
    tokens = Tokenizer(None, segmenter=str.split).transform(["ໜັງສື ໝາ ຫວງແຫນ ＡＢ"])
    assert tokens == [["ໜັງສື", "ໝາ", "ຫວງແຫນ", "ab"]]


def longest_matches(text):
    """A segmenter with a dictionary, as pythainlp's is."""
    found, start = [], 0
    while start < len(text):
        ends = [end for end in range(len(text), start, -1) if text[start:end] in ("กำลัง", "ทำงาน", "น้ำ", "คำ")]
        found.append(text[start : ends[0] if ends else start + 1])
        start += len(found[-1])
    return found


def test_a_segmenter_with_a_dictionary_finds_its_thai_words():
    pytest.importorskip("stopwordsiso", reason="pip install 'featlearn[text]'")
    for form in ("NFC", "NFD", "NFKC"):
        text = unicodedata.normalize(form, "กำลังทำงานน้ำ")
        assert Tokenizer(None, segmenter=longest_matches).transform([text]) == [["กำลัง", "ทำงาน", "น้ำ"]]
        assert Tokenizer("thai", segmenter=longest_matches).transform([text])[0][-1] == "น้ำ"


def test_scripts_that_part_words_at_blanks_need_no_segmenter():
    for text in ("ꨀꨇꩉ ꨌꩌ " * 10, "ᓀᐦᐃᔭᐍᐏᐣ ᐊᔨᓯᔨᓂᐤ " * 5, "ᮘᮞ ᮞᮥᮔ᮪ᮓ " * 5):  # Cham, Cree, Sundanese
        Tokenizer().transform([text])


# The first article of the Universal Declaration of Human Rights.
ARTICLES = {
    "german": (
        "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und Gewissen "
        "begabt und sollen einander im Geist der Brüderlichkeit begegnen."
    ),
    "french": (
        "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison et "
        "de conscience et doivent agir les uns envers les autres dans un esprit de fraternité."
    ),
    "spanish": (
        "Todos los seres humanos nacen libres e iguales en dignidad y derechos y, dotados como están de razón "
        "y conciencia, deben comportarse fraternalmente los unos con los otros."
    ),
    "portuguese": (
        "Todos os seres humanos nascem livres e iguais em dignidade e em direitos. Dotados de razão e de "
        "consciência, devem agir uns para com os outros em espírito de fraternidade."
    ),
    "italian": (
        "Tutti gli esseri umani nascono liberi ed eguali in dignità e diritti. Essi sono dotati di ragione e "
        "di coscienza e devono agire gli uni verso gli altri in spirito di fratellanza."
    ),
    "dutch": (
        "Alle mensen worden vrij en gelijk in waardigheid en rechten geboren. Zij zijn begiftigd met verstand "
        "en geweten, en behoren zich jegens elkander in een geest van broederschap te gedragen."
    ),
    "swedish": (
        "Alla människor är födda fria och lika i värde och rättigheter. De har utrustats med förnuft och "
        "samvete och bör handla gentemot varandra i en anda av broderskap."
    ),
    "danish": (
        "Alle mennesker er født frie og lige i værdighed og rettigheder. De er udstyret med fornuft og "
        "samvittighed, og de bør handle mod hverandre i en broderskabets ånd."
    ),
    "finnish": (
        "Kaikki ihmiset syntyvät vapaina ja tasavertaisina arvoltaan ja oikeuksiltaan. Heille on annettu "
        "järki ja omatunto, ja heidän on toimittava toisiaan kohtaan veljeyden hengessä."
    ),
    "polish": (
        "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw. Są oni obdarzeni "
        "rozumem i sumieniem i powinni postępować wobec innych w duchu braterstwa."
    ),
    "czech": (
        "Všichni lidé rodí se svobodní a sobě rovní co do důstojnosti a práv. Jsou nadáni rozumem a svědomím "
        "a mají spolu jednat v duchu bratrství."
    ),
    "hungarian": (
        "Minden emberi lény szabadon születik és egyenlő méltósága és joga van. Az emberek, ésszel és "
        "lelkiismerettel bírván, egymással szemben testvéri szellemben kell hogy viseltessenek."
    ),
    "romanian": (
        "Toate ființele umane se nasc libere și egale în demnitate și în drepturi. Ele sunt înzestrate cu "
        "rațiune și conștiință și trebuie să se comporte unele față de altele în spiritul fraternității."
    ),
    "turkish": (
        "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar. Akıl ve vicdana sahiptirler ve "
        "birbirlerine karşı kardeşlik zihniyeti ile hareket etmelidirler."
    ),
    "russian": (
        "Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены разумом и "
        "совестью и должны поступать в отношении друг друга в духе братства."
    ),
    "bulgarian": (
        "Всички хора се раждат свободни и равни по достойнство и права. Те са надарени с разум и съвест и "
        "следва да се отнасят помежду си в дух на братство."
    ),
    "greek": (
        "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα. Είναι "
        "προικισμένοι με λογική και συνείδηση, και οφείλουν να συμπεριφέρονται μεταξύ τους με πνεύμα "
        "αδελφοσύνης."
    ),
    "arabic": (
        "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق. وقد وهبوا عقلا وضميرا وعليهم أن يعامل بعضهم بعضا "
        "بروح الإخاء."
    ),
    "persian": (
        "تمام افراد بشر آزاد به دنیا می آیند و از لحاظ حیثیت و حقوق با هم برابرند. همه دارای عقل و وجدان "
        "هستند و باید نسبت به یکدیگر با روح برادری رفتار کنند."
    ),
    "hebrew": (
        "כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם. כולם חוננו בתבונה ובמצפון, לפיכך חובה עליהם "
        "לנהוג איש ברעהו ברוח של אחווה."
    ),
    "hindi": (
        "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है। उन्हें "
        "बुद्धि और अन्तरात्मा की देन प्राप्त है और परस्पर उन्हें भाईचारे के भाव से बर्ताव करना चाहिए।"
    ),
    "bengali": (
        "সমস্ত মানুষ স্বাধীনভাবে সমান মর্যাদা এবং অধিকার নিয়ে জন্মগ্রহণ করে। তাঁদের বিবেক এবং বুদ্ধি আছে; "
        "সুতরাং সকলেরই একে অপরের প্রতি ভ্রাতৃত্বসুলভ মনোভাব নিয়ে আচরণ করা উচিত।"
    ),
    "vietnamese": (
        "Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền. Mọi con người đều được "
        "tạo hóa ban cho lý trí và lương tâm và cần phải đối xử với nhau trong tình bằng hữu."
    ),
    "armenian": (
        "Բոլոր մարդիկ ծնվում են ազատ ու հավասար իրենց արժանապատվությամբ ու իրավունքներով։ Նրանք ունեն "
        "բանականություն ու խիղճ և միմյանց պետք է եղբայրաբար վերաբերվեն։"
    ),
}
ENGLISH = (
    "All human beings are born free and equal in dignity and rights. They are endowed with reason and conscience "
    "and should act towards one another in a spirit of brotherhood."
)
UKRAINIAN = (
    "Всі люди народжуються вільними і рівними у своїй гідності та правах. Вони наділені розумом і "
    "совістю і повинні діяти у відношенні один до одного в дусі братерства."
)
INDONESIAN = (
    "Semua orang dilahirkan merdeka dan mempunyai martabat dan hak-hak yang sama. Mereka dikaruniai akal dan hati "
    "nurani dan hendaknya bergaul satu sama lain dalam semangat persaudaraan."
)


@pytest.fixture
def lists():
    pytest.importorskip("stopwordsiso", reason="pip install 'featlearn[text]'")


@pytest.mark.parametrize("language", ARTICLES)
def test_texts_of_another_language_are_told(language, lists):
    texts = [ARTICLES[language]] * 5
    with pytest.warns(UserWarning, match=rf"are {language.capitalize()} stop .*Pass language='{language}'") as caught:
        Tokenizer().transform(texts)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    Tokenizer(language).transform(texts)  # nothing is said


@pytest.mark.parametrize(
    "language", ["german", "french", "spanish", "russian", "turkish", "ukrainian", "zulu", "hindi"]
)
def test_english_under_another_language_is_told(language, lists):
    name = language.capitalize()
    with pytest.warns(UserWarning, match=f"55% of the 116 .*English stop words, and . ?.?% are {name}.*='english'"):
        Tokenizer(language).transform([ENGLISH] * 4)


def test_of_near_relatives_all_are_named(lists):
    with pytest.warns(UserWarning, match=r"Malay stop words \(or Indonesian, 52%\).*='malay' or language='indonesian'"):
        Tokenizer().transform([INDONESIAN] * 4)
    for text in (UKRAINIAN, UKRAINIAN.replace("і", "ј")):  # too few of its words are in a list; Russian it is not
        for language in ("english", "ukrainian"):
            Tokenizer(language).transform([text] * 10)
    with pytest.warns(UserWarning, match="are German stop words"):  # whoever cuts the words
        Tokenizer(segmenter=str.split).transform([ARTICLES["german"]] * 5)


def test_another_language_is_told_once_of_a_stream_and_an_extractor(lists):
    texts = [ARTICLES["german"], "Die Katze sitzt auf dem Dach und der Hund liegt unter dem Tisch"]
    for size in (1, 7, 1000):  # documents of a chunk
        chunks = [(texts * 500)[i : i + size] for i in range(0, 1000, size)]
        with pytest.warns(UserWarning, match="are German") as caught:
            list(Tokenizer().transform(iter(chunks)))
        assert len(caught) == 1
    with pytest.warns(UserWarning, match="are German") as caught:
        extractor = TopicExtractor(LDA(2, random_state=0), min_df=1, max_df=1.0).fit(texts * 10)
    assert len(caught) == 1
    with pytest.warns(UserWarning, match="are German") as caught:
        extractor.transform(texts * 10)
    assert len(caught) == 1
    extractor.transform(texts * 10)  # it was said


def test_a_pickled_function_holds_no_texts():
    cut = Tokenizer().cut()
    cut(["elephants " * 20])
    assert b"elephants" not in pickle.dumps(cut)
    assert pickle.loads(pickle.dumps(cut))(["elephants"]) == [["elephants"]]


def test_nothing_is_said_of_texts_without_stop_words_of_mixed_ones_and_of_few_words(lists):
    german = [ARTICLES["german"]] * 5
    quiet = [
        [ARTICLES["german"]],  # 26 words
        [ENGLISH, ARTICLES["german"], ARTICLES["french"], ARTICLES["russian"]] * 5,
        [ENGLISH, ARTICLES["german"]] * 20,
        ["topic model corpus inference", "neural network training gradient", "Gibbs sampler Dirichlet prior"] * 20,
        Tokenizer("german").transform(german * 4) and [" ".join(t) for t in Tokenizer("german").transform(german * 4)],
        ["def fit(self, X, y=None): x_1 = np.zeros(n); for i in range(n): return self._check(X)"] * 20,
        ["Juan de la Cruz", "María del Carmen", "Anna von der Heide", "Pieter van den Berg", "Leonardo da Vinci"] * 20,
        ["Rio de Janeiro, La Paz, El Paso, Las Vegas, Santa Cruz de la Sierra, San José"] * 20,
        ["3 4 5 , . !", ""] * 100,
    ]
    for texts in quiet:
        Tokenizer().transform(texts)
    for parameters in (
        {"stop_words": None},
        {"stop_words": ["der"]},
        {"stop_words": ()},
        {"language": None},
        {"pattern": r"\w+"},
    ):
        Tokenizer(**parameters).transform(german)
    assert Tokenizer().transform([["der", "und", "die"] * 50]) == [["der", "und", "die"] * 50]


def test_nothing_is_said_of_english_corpora(lists):
    folder = get_data_home() / "20news-bydate"
    paths = sorted(folder.glob("*train*/*/*"))[::20]
    if not paths:
        pytest.skip("set FEATLEARN_DATA to a folder holding 20news-bydate")
    texts = [path.read_text(encoding="latin-1") for path in paths]
    tokens = Tokenizer().transform(texts)
    Tokenizer().transform([" ".join(document) for document in tokens])  # nor of what is left of them
    Tokenizer().transform(
        [line for text in texts for line in text.split("\n") if line.startswith(("From:", "Subject:"))]
    )


def test_without_the_lists_german_under_english_is_not_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "stopwordsiso", None)
    stop_words.cache_clear()
    Tokenizer().transform([ARTICLES["german"]] * 5)
