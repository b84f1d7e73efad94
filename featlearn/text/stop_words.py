"""Words that say how a sentence is built and not what it is about: the stop words of 58 languages.

English ones are scikit-learn's, Chinese ones our own, the others those of stopwordsiso, a package of lists by ISO 639
code (https://github.com/bact/stopwords-iso, MIT license). Ours join the Japanese ones: endings that a segmenter cuts
off and single hiragana, which are hardly ever words of their own.
"""

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache

from featlearn.text.unicode_words import lowered, unicode_words

# English names of the languages, and what ISO 639 calls them.
LANGUAGES = {
    "afrikaans": "af",
    "arabic": "ar",
    "armenian": "hy",
    "basque": "eu",
    "bengali": "bn",
    "breton": "br",
    "bulgarian": "bg",
    "catalan": "ca",
    "chinese": "zh",
    "croatian": "hr",
    "czech": "cs",
    "danish": "da",
    "dutch": "nl",
    "english": "en",
    "esperanto": "eo",
    "estonian": "et",
    "finnish": "fi",
    "french": "fr",
    "galician": "gl",
    "german": "de",
    "greek": "el",
    "gujarati": "gu",
    "hausa": "ha",
    "hebrew": "he",
    "hindi": "hi",
    "hungarian": "hu",
    "indonesian": "id",
    "irish": "ga",
    "italian": "it",
    "japanese": "ja",
    "korean": "ko",
    "kurdish": "ku",
    "latin": "la",
    "latvian": "lv",
    "lithuanian": "lt",
    "malay": "ms",
    "marathi": "mr",
    "norwegian": "no",
    "persian": "fa",
    "polish": "pl",
    "portuguese": "pt",
    "romanian": "ro",
    "russian": "ru",
    "slovak": "sk",
    "slovenian": "sl",
    "somali": "so",
    "sotho": "st",
    "spanish": "es",
    "swahili": "sw",
    "swedish": "sv",
    "tagalog": "tl",
    "thai": "th",
    "turkish": "tr",
    "ukrainian": "uk",
    "urdu": "ur",
    "vietnamese": "vi",
    "yoruba": "yo",
    "zulu": "zu",
}

# Simplified and traditional forms side by side, where they differ.
CHINESE = """
的 地 得 之 所 者 了 着 著 过 過 吗 嗎 呢 吧 啊 呀 哦 嘛 哪 啦 喔 哇 嗯 唉 么 麼 罢了 罷了 而已 我 你 您 他
她 它 牠 祂 妳 我们 我們 咱们 咱們 你们 你們 您们 您們 他们 他們 她们 她們 它们 它們 自己 本身 自身 大家 人家
别人 別人 彼此 咱 俺 某 某些 某个 某個 谁 誰 什么 什麼 甚么 甚麼 怎么 怎麼 怎样 怎樣 怎么样 怎麼樣 如何
为什么 為什麼 为何 為何 何时 何時 何处 何處 这 這 那 此 该 該 其 这个 這個 那个 那個 这些 這些 那些 这里 這裡
這裏 那里 那裡 那裏 哪个 哪個 哪些 哪里 哪裡 哪裏 这样 這樣 那样 那樣 这种 這種 那种 那種 这么 這麼 那么 那麼
这是 這是 那是 这儿 這兒 那儿 那兒 此外 此时 此時 其中 其他 其它 其余 其餘 其实 其實 另 另外 另一 另一个
另一個 各 各个 各個 各种 各種 每 每个 每個 任何 所有 一切 全部 整个 整個 许多 許多 很多 不少 多少 几 幾 几个
幾個 一些 有些 有的 若干 凡 凡是 是 为 為 有 在 没 沒 没有 沒有 无 無 不 不是 并非 並非 未 非 莫 勿 别 別
不要 不会 不會 不能 不可 不得 不过 不過 不仅 不僅 不但 不只 不论 不論 不管 不然 能 能够 能夠 可 可以 可能 会
會 要 需 需要 须 須 必须 必須 应 應 应该 應該 应当 應當 得以 愿 願 想 肯 敢 让 讓 使 使得 令 叫 被 把 将 將
给 給 来 來 去 到 上 下 里 裡 裏 中 内 內 外 前 后 後 左右 之前 之后 之後 之间 之間 之中 之一 之内 之內 以上
以下 以前 以后 以後 以内 以內 以外 以来 以來 当中 當中 和 与 與 及 以及 或 或者 还是 還是 而 而且 且 并 並
并且 並且 同 跟 同时 同時 又 也 亦 还 還 再 再次 更 更加 越 越来越 越來越 但 但是 可是 然而 却 卻 只是 虽 雖
虽然 雖然 尽管 儘管 即使 即便 纵然 縱然 哪怕 无论 無論 反而 否则 否則 反之 因 因为 因為 由于 由於 因此 因而
所以 于是 於是 从而 從而 既 既然 以致 以便 以免 为了 為了 如 如果 若 若是 假如 倘若 要是 只要 只有 除非 除了
除 则 則 即 便 就 就是 那就 于 於 以 从 從 自 自从 自從 由 向 往 朝 对 對 对于 對於 关于 關於 至于 至於 根据
根據 依 依照 按 按照 据 據 经 經 经过 經過 通过 通過 随着 隨著 随 隨 沿 沿着 沿著 当 當 比 比如 例如 诸如
諸如 譬如 像 好像 似乎 似的 一样 一樣 一般 等 等等 至 直到 直至 作为 作為 为止 為止 有关 有關 相关
相關 很 非常 十分 太 极 極 极其 極其 最 最为 最為 较 較 比较 比較 相当 相當 特别 特別 尤其 颇 頗 都 全 均 总
總 总是 總是 总之 總之 只 仅 僅 仅仅 僅僅 才 刚 剛 刚刚 剛剛 已 已经 已經 曾 曾经 曾經 正 正在 正是 便是 即将
即將 仍 仍然 依然 始终 始終 一直 一向 往往 常 常常 经常 經常 有时 有時 时常 時常 渐渐 漸漸 逐渐 逐漸 立即
立刻 马上 馬上 忽然 突然 几乎 幾乎 大约 大約 大概 约 約 也许 也許 或许 或許 恐怕 究竟 到底 毕竟 畢竟 甚至
甚而 竟 竟然 居然 果然 当然 當然 显然 顯然 确实 確實 真的 的确 的確 不断 不斷 互相 相互 一起 一同 一边 一邊
一 二 三 四 五 六 七 八 九 十 百 千 万 萬 亿 億 两 兩 零 第一 第二 第三 一个 一個 一种 一種 一次 两个 兩個
一名 一位 一点 一點 一下 一定 一方面 另一方面 个 個 位 名 隻 条 條 件 种 種 次 些 点 點 年 月 日 号 號 时 時
时候 時候 的话 的話 的时候 的時候 来说 來說 说 說 说道 說道 表示 称 稱 指出 认为 認為 觉得 覺得
"""


# Short units, as Sudachi cuts them: auxiliaries, particles, pronouns, conjunctions, counters and titles.
JAPANESE = """
ます まし ませ ましょ です でし でしょ だっ だろ であっ なら なかっ なけれ なく ない たい たく たかっ たら
たり だり てる ちゃ じゃ ながら つつ けど けれど けれども のに ので から まで より ほど くらい ぐらい だけ
しか ばかり など なんか なんて さえ こそ すら ずつ とか やら という って たって だって かも かしら べき べく
らしい らしく よう そう みたい はず わけ つもり まま ところ ため こと もの とき いる おる おり あり ある あっ
あろ する すれ しろ せよ なる なっ なり なれ なろ れる られる られ せる させる させ しまう しまっ しまい くる
くれ くれる くださる ください 下さい いただく いただき いただい 頂く もらう もらっ もらい あげる やる いく
いっ いき いう いわ いえ 言う 言っ 言わ できる でき できれ みる みれ おく おい ほしい 欲しい よい よく いい
よかっ これ それ あれ どれ この その あの どの ここ そこ あそこ どこ こちら そちら あちら どちら こう ああ
どう こんな そんな あんな どんな わたし 私 僕 ぼく 俺 おれ あなた 君 彼 彼女 我々 たち 達 方 者 的 等 さん 様
氏 ちゃん しかし また そして それで だから ただし なお さらに すなわち つまり および 及び または あるいは
或いは もし もう まだ とても すでに 既に つい とっ よっ 対し 関する 関し 一 二 三 四 五 六 七 八 九 十 百 千
万 億 年 月 日 時 分 秒 回 第 目 つ
"""
HIRAGANA = frozenset(map(chr, range(0x3041, 0x3097)))

# Texts are of another language where few of their words are stop words of the one in use and many are of the other,
# and those of the other list alone are some times as many as those of this one alone.
FEW, MANY, TIMES = 0.25, 0.2, 3.0
DISTINCT = 3, 10, 0.1  # of stop words: at least, at most, and in between as a share of all distinct words
NAMES = 0.9  # of the other long words with a capital: names, and their particles (de la, van der) tell no language
STRANGE = 0.2  # of the words may hold letters that no word of a long list has: Ukrainian ones are not Russian
ALPHABET = 100  # words of a list that has all letters of its language
CLOSE = 0.85  # of the best language's score: near relatives, which are named too
LENGTHY = 0.05  # power of a list's length that its share is divided by: a long one finds more in any text


def known_language(value: object) -> str | None:
    """A rule of parameters: one of `LANGUAGES`; for its ISO code the name is given."""
    if isinstance(value, str):
        if value in LANGUAGES:
            return None
        names = [name for name, code in LANGUAGES.items() if code == value.lower() or name == value.lower()]
        if names:
            return repr(names[0])
    return "one of " + ", ".join(map(repr, LANGUAGES))


@cache
def stop_words(language: str) -> frozenset[str]:
    """The stop words of a language, in lowercase.

    Parameters
    ----------
    language : str
        The English name of one of 58 languages, in lowercase: a key of ``featlearn.text.stop_words.LANGUAGES``.
        "english" gives scikit-learn's list, "chinese" our own in simplified and traditional characters, and every other
        one that of the package stopwordsiso, with our own endings for "japanese". Chinese and Japanese have the English
        words too, as their texts quote English.

    Returns
    -------
    words : frozenset of str
        The words, as `Tokenizer` gives them: in Unicode's normal form NFKC with Thai and Lao letters whole, without
        format characters, with straight apostrophes.

    Raises
    ------
    ImportError
        If stopwordsiso, of the extra ``text``, is needed and not installed; English and Chinese need it not.
    ValueError
        For another language.

    Notes
    -----
    stopwordsiso's lists differ much in length, from 29 words (Zulu) to 1,203 (Breton), and some hold words of content.
    Look at one before you trust it; ``Tokenizer(stop_words=...)`` takes any other.

    Examples
    --------
    >>> from featlearn.text.stop_words import stop_words
    >>> "the" in stop_words("english"), "我们" in stop_words("chinese"), "我們" in stop_words("chinese")
    (True, True, True)
    """
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    if language not in LANGUAGES:
        raise ValueError(f"stop_words: language={language!r} is not known; pass {known_language(language)}.")
    if language == "english":
        return frozenset(ENGLISH_STOP_WORDS)
    if language == "chinese":
        return frozenset(CHINESE.split()) | ENGLISH_STOP_WORDS
    try:
        from stopwordsiso import stopwords
    except ImportError:
        raise ImportError(
            f"stop_words: the list of language={language!r} comes with stopwordsiso, which is not installed: pip "
            "install 'featlearn[text]'. Or pass stop_words= of your own, or None."
        ) from None
    parts = map(unicode_words, stopwords(LANGUAGES[language]))
    words = {lowered(part[0]) for part in parts if len(part) == 1}  # no abbreviation's dot; no row of words
    if language == "japanese":
        words |= {*JAPANESE.split(), *HIRAGANA, *ENGLISH_STOP_WORDS}
    return frozenset(words)


def other_language(language: str, words: Iterable[str], lower: Callable[[str], str] = lowered) -> str | None:
    """What to say of words that seem to be of another language than the one in use; None if all is well.

    Parameters
    ----------
    language : str
        The language in use, one of 58.
    words : iterable of str
        All words of some texts, as they stand there.
    lower : callable, default=lowered
        How they become lowercase.

    Returns
    -------
    doubt : str or None
        The languages whose stop words these are, up to three of near relatives, and how many of the words are. Of words
        with hardly any stop words of any language nothing is said. Without the package stopwordsiso no language but
        English is recognized.

    Examples
    --------
    >>> from featlearn.text.stop_words import other_language
    >>> other_language("english", "the cat is on the mat and the dog is under it".split()) is None
    True
    """
    # The single letters of ASCII are stop words of many languages, and initials.
    counts: Counter[str] = Counter()
    titles: Counter[str] = Counter()
    for written, count in Counter(words).items():
        if len(written) > 1 or not written.isascii():
            word = lower(written)
            counts[word] += count
            titles[word] += count * written.istitle()
    own = stop_words(language)
    total, n_own = counts.total(), _sum(counts, counts.keys() & own)
    if n_own >= FEW * total:
        return None
    long_ones = {word for word in counts if len(word) > 3}
    least, most, share_of_distinct = DISTINCT
    distinct = max(least, min(most, share_of_distinct * len(counts)))
    letters = {letter for letter in set().union(*counts) if not letter.isascii()}
    shares, scores = {}, {}
    for other in LANGUAGES.keys() - {language, "chinese", "japanese"}:  # whose words no blanks part
        try:
            theirs = stop_words(other)
        except ImportError:
            continue
        found, rest = counts.keys() & theirs, long_ones - theirs
        share = _sum(counts, found) / total
        alone, own_alone = _sum(counts, found - own), _sum(counts, counts.keys() & (own - theirs))
        if share < MANY or alone < TIMES * own_alone or len(found - own) < distinct:
            continue
        if _sum(titles, rest) > NAMES * _sum(counts, rest):
            continue
        known = set(map(_base, set().union(*theirs)))
        strange = {letter for letter in letters if _base(letter) not in known}
        if len(theirs) >= ALPHABET and (
            _sum(counts, (word for word in counts if not strange.isdisjoint(word))) > STRANGE * total
        ):
            continue
        shares[other], scores[other] = share, share / len(theirs) ** LENGTHY
    if not scores:
        return None
    ranked = sorted(scores, key=lambda other: (-scores[other], other))
    names = [other for other in ranked if scores[other] >= CLOSE * scores[ranked[0]]][:3]
    also = " or ".join(f"{other.capitalize()}, {shares[other]:.0%}" for other in names[1:])
    cure = " or ".join(f"language={other!r}" for other in names)
    return (
        f"{shares[names[0]]:.0%} of the {total:,} words looked at are {names[0].capitalize()} stop words"
        + (f" (or {also})" if also else "")
        + f", and {n_own / total:.0%} are {language.capitalize()} ones, which language={language!r} drops: function "
        f"words would fill the topics. Pass {cure}, or language=None if the texts are in a language of no list."
    )


def _sum(counts: Counter[str], words: Iterable[str]) -> int:
    return sum(counts[word] for word in words)


def _base(letter: str) -> str:
    """A letter without its marks; lists differ in whether they write them."""
    return unicodedata.normalize("NFD", letter)[0]
