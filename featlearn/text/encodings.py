"""What bytes say about their encoding: byte order marks, and a guess at an encoding for the words of an error.

The guess is naive Bayes on a sample: of each encoding and language in a table, the characters beyond ASCII that texts
use most are known in their order, and are taken to follow Zipf's law. An encoding is named only if nearly as many of
the characters are known as in real texts, and any other reading of the bytes is a thousand times less likely.
"""

import codecs
import math
import re
import unicodedata

BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
SAMPLE = 1 << 13  # bytes that a guess looks at
SURE = 0.7  # least share of known characters, of what is usual
MISPLACED = 6.0  # what a character in an odd place costs
CLEAR = 7.0  # least difference of log-likelihoods between the best and the second

QUOTES = "’“”–—…«»„·°§©®€£\xa0"
RUSSIAN = "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё" + QUOTES
UKRAINIAN = "оаниітвредслкпмуязьгбчйхцжїюєшщфґ" + QUOTES
GREEK = "αοιετσνηυρπκμλςωδγθχφβξζψάίέόήύώϊ" + QUOTES
HEBREW = "יוהלאתרבמשנםכעדקפחטזגןסצךףץ־" + QUOTES
ARABIC = "اليمنرتبوةعدفسهكقحجشطصخأإذزىضغءثئظآؤ،؛؟ـپچژگکی" + QUOTES
THAI = "านรกเงอม่ยลวดท้สตะปบคหแจพชขใไโผถณศธซษึืิีุู็ํ์ัำ"
CJK = "，。、；：？！“”「」『』（）《》・ー〜…　"
SIMPLIFIED = (
    "的一是不了在人有我他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后小么心多天而能好都然没日于起还发成事"
    "只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长知定现业法性实进理力重部此机分其等度外正将与关全高体第加量件使被特种义问"
    "题应通信数据名设或电相产新因意内合情样间水明化战制系统区城市员民表月入女西式接比美期真最华"
) + CJK
TRADITIONAL = (
    "的一是不了在人有我他這中大來上國個到說們為子和你地出道也時年得就那要下以生會自著去之過家學對可她裡後小麼心多天而能好都然沒日於起還發成事"
    "只作當想看文無開手十用主行方又如前所本見經頭面公同三已老從動兩長知定現業法性實進理力重部此機分其等度外正將與關全高體第加量件使被特種義問"
    "題應通信數據名設或電相產新因意內合情樣間水明化戰制系統區城市員民表月入女西式接比美期真最華"
) + CJK
KANA = "".join(map(chr, range(0x3041, 0x3094))) + "".join(map(chr, range(0x30A1, 0x30F7))) + CJK
HANGUL = (
    "이다는의에을가고하를은한지로서사도기자어리인그나시으대아해정일것부있라들수만과게스면오여장전적주제보구성상원동소안관세니조공유위비요신경"
    "문국연우마방생미선데음거러진산학개분업까되와무용명바모년했때중행예습니요것발생단계당체초화형식통할입치점간등터람내파드알려후말료금설"
)
WESTERN = (
    "éàèêçùâîôûïœÉÀ" + QUOTES,
    "üäößÜÄÖ" + QUOTES,
    "óíáéñú¿¡üÓÁ" + QUOTES,
    "ãçáéóêíõúâàôÉÁ" + QUOTES,
    "àèùìòéÈÀ" + QUOTES,
    "äöåøæéÅÄÖØÆ" + QUOTES,
    "’“”—–‘…é£€°©®" + QUOTES,
    "éäüöèáóàíñçßêåôøâîæûùúëïœãõìòÉÖÜÄÀÅØ" + QUOTES,  # names and words of all of them
)
CENTRAL = (
    "łęążóśćńźŻŁŚÓĆ" + QUOTES,
    "íáěéřčžýšůúťňďóŽČŘŠÚ" + QUOTES,
    "áéőöóíüúűÁÉÖŐ" + QUOTES,
    "ăîâșşțţŞŢÎ" + QUOTES,
    "šžčćđŠŽČĆĐ" + QUOTES,
)
TURKISH = "ıiğşüçöİŞÇÖÜĞâ" + QUOTES

# Encoding, what it is called, the characters of its languages, and their share in real texts.
TABLE = (
    ("cp1252", "cp1252 or latin-1", WESTERN, 0.97),
    ("mac_roman", "mac_roman", WESTERN, 0.97),
    ("cp850", "cp850", WESTERN, 0.97),
    ("cp1250", "cp1250", CENTRAL, 0.97),
    ("iso8859-2", "iso8859-2", CENTRAL, 0.97),
    ("cp1254", "cp1254", (TURKISH,), 0.97),
    ("cp1251", "cp1251", (RUSSIAN, UKRAINIAN), 0.93),
    ("koi8-r", "koi8-r", (RUSSIAN,), 0.93),
    ("cp866", "cp866", (RUSSIAN,), 0.93),
    ("cp1253", "cp1253", (GREEK,), 0.93),
    ("cp1255", "cp1255", (HEBREW,), 0.97),
    ("cp1256", "cp1256", (ARABIC,), 0.97),
    ("cp874", "cp874", (THAI,), 0.95),
    ("gb18030", "gb18030", (SIMPLIFIED,), 0.5),
    ("big5", "big5", (TRADITIONAL,), 0.5),
    ("shift_jis", "shift_jis", (KANA,), 0.6),
    ("euc_jp", "euc_jp", (KANA,), 0.6),
    ("euc_kr", "euc_kr", (HANGUL,), 0.7),
)
PRIOR = {"cp1252": 4.0, "mac_roman": -3.0, "cp850": -3.0, "cp866": -3.0}  # how common files in them are, as log-odds
EAST = ("gb18030", "big5", "shift_jis", "euc_jp", "euc_kr")  # thousands of characters, and words beside Latin ones
ALL = frozenset(
    "".join(map(chr, range(32, 127))) + "\t\n\r" + "".join(language for row in TABLE for language in row[2])
)


def byte_order_mark(head: bytes) -> str | None:
    """The encoding that a byte order mark announces, or None."""
    return next((encoding for mark, encoding in BOMS if head.startswith(mark)), None)


def looks_like(data: bytes) -> tuple[str, str] | None:
    """An encoding that decodes the bytes to plausible text, and what it is called; None where that is not clear.

    Examples
    --------
    >>> from featlearn.text.encodings import looks_like
    >>> looks_like("Le café est fermé, dit-elle; l'été aussi.".encode("latin-1"))
    ('cp1252', 'cp1252 or latin-1')
    >>> looks_like("我们在学习数学，大家都说这不是很难的事情，可是我不会。".encode("gb18030"))
    ('gb18030', 'gb18030')
    >>> looks_like(bytes(range(128, 256))) is None
    True
    """
    data = _sample(data)
    if mark := byte_order_mark(data):
        return mark, mark
    if (wide := _wide(data)) or b"\0" in data:
        return wide
    if not any(byte > 127 for byte in data):
        return None
    utf8 = data.decode("utf-8", "replace")
    if (damaged := utf8.count("\ufffd")) <= 0.1 * sum(char > "\x7f" for char in utf8):
        return "utf-8", "damaged utf-8" if damaged else "utf-8"
    found = []
    for encoding, name, languages, usual in TABLE:
        text = _decoded(data, encoding)
        if text is not None:
            fits = [_fit(text, letters, usual, encoding in EAST) for letters in languages]
            likelihood, share = max(fits)
            found.append((likelihood + PRIOR.get(encoding, 0.0), share, text, encoding, name))
    found.sort(key=lambda row: -row[0])
    likelihood, share, text, *best = found[0]
    others = [row[0] for row in found[1:] if row[2] != text]
    sure = share >= SURE and likelihood - max(others, default=-1e9) >= CLEAR
    return (best[0], best[1]) if sure else None


def _sample(data):
    """The beginning of the bytes, or where they leave ASCII; it ends after a line or a blank if there is one."""
    first = re.search(rb"[^\x01-\x7f]", data)
    start = 0
    if first is not None and first.start() > SAMPLE // 2:
        start = data.rfind(b"\n", 0, first.start()) + 1
        start = start if first.start() - start <= SAMPLE // 2 else first.start()
    return data[start : start + SAMPLE]


def _decoded(data, encoding):
    """The text, without a character that the end of the sample cuts; None where it cannot be decoded."""
    try:
        return codecs.getincrementaldecoder(encoding)().decode(data)
    except UnicodeDecodeError:
        return None


def _wide(data):
    """UTF-16 or UTF-32 without a mark, by what its characters are."""
    if len(data) < 8:
        return None
    for encoding in ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be"):
        text = _decoded(data, encoding)
        if text and sum(char in ALL for char in text) >= SURE * len(text):
            return encoding, f"{encoding} without a byte order mark"
    return None


def _fit(text, letters, usual, east):
    """The log-likelihood of the characters beyond ASCII, and the share of those known, of what is usual."""
    weights = {char: 1 / (rank + 4) for rank, char in reversed(list(enumerate(letters)))}
    norm = usual / sum(weights.values())
    known = {char: math.log(norm * weight) for char, weight in weights.items()}
    unknown = math.log((1 - usual) / (5000 if east else 100))
    likelihood, found, total, run = 0.0, 0, 0, 0
    before = " "
    for i, char in enumerate(text):
        run = run + 1 if char > "\x7f" else 0
        if run:
            total += 1
            after = text[i + 1] if i + 1 < len(text) else " "
            fits = east or _in_place(before, char, after, run)
            found += fits and char in known
            likelihood += known.get(char.lower(), unknown) if char not in known else known[char]
            likelihood -= 0 if fits else MISPLACED
        before = char
    return likelihood, found / max(total, 1) / usual


def _in_place(before, char, after, run):
    """Whether a letter of an alphabet fits between its neighbors: scripts do not mix, capitals follow no small one."""
    if not char.isalpha() and unicodedata.category(char)[0] != "M":
        return char in "’‘·־ـ" or not (before.isalpha() and after.isalpha())
    if char.isupper() and before.islower():
        return False
    if char < "\u0250":  # Latin letters beyond ASCII stand among others of ASCII
        return run <= 2
    return not any(near.isascii() and near.isalpha() for near in (before, after))
