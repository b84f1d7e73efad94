"""The gate of the tokenizer: texts of all planes and scripts, marks and format characters in rows, odd parameters."""

import time
import unicodedata
from collections.abc import Callable

import numpy as np

from featlearn import Tokenizer
from featlearn.text.stop_words import LANGUAGES
from tests.fuzz import Case, pick

WORDS = "cat don't they`ve they´ve co\xadoperate l’été qu'il naïve x_1 _very_ 3rd mp3 well-known ΟΔΟΣ İstanbul Straße"
WORDS += " हिन्दी आधुनिक বাংলা தமிழ் తెలుగు മലയാളം ภาษาไทย ພາສາ ភាសា မြန်မာ שָׁלוֹם צה״ל مُحَمَّد می‌خواهم ọ̀rọ̀ tiếng Việt 한국어 м'ята"
WORDS += " coŀlecció 机器学习 機器學習 日本語の勉強 カタカナ ｶﾀｶﾅ ＡＢＣ ﬁne J̌ 葛\U000e0100城 👍🏽 𝔸𝕓 𐐀𐐨 𞤀𞤁 ༄བོད་ ሰላም ⁠"
PARTS = WORDS.split()
BITS = [
    " ",
    "\n",
    "'",
    "’",
    "`",
    "´",
    "-",
    ".",
    "_",
    "3",
    "\xad",
    "\u200b",
    "\u200c",
    "\u200d",
    "\u2060",
    "\ufeff",
    "\0",
]
BITS += [
    "\u0301",
    "\u0316",
    "\u034f",
    "ा",
    "्",
    "ั",
    "\ufe0f",
    "\u3099",
    "\ud800",
    "\udfff",
    "\u3164",
    "\u1160",
    '"',
    "״",
    "·",
]
SECONDS = 3  # for one text of up to a hundred thousand characters; quadratic steps take minutes


def text(rng: np.random.Generator) -> str:
    """A text of some kind."""
    size = int(rng.integers(0, 30))
    kinds: list[Callable[[], str]] = [
        lambda: " ".join(pick(rng, PARTS) for _ in range(size)),
        lambda: "".join(pick(rng, PARTS + BITS * 2) for _ in range(size)),
        lambda: "".join(pick(rng, BITS + list("abcSTsté")) for _ in range(size)),
        lambda: "".join(map(chr, rng.integers(0, 0x110000, size=size))),
        lambda: "".join(map(chr, rng.integers(0, 0x3000, size=2 * size))),
        lambda: unicodedata.normalize("NFD", "".join(map(chr, rng.integers(0, 0x20000, size=size)))),
        lambda: (pick(rng, PARTS + BITS) + pick(rng, BITS)) * int(10 ** rng.uniform(0, 4)),
    ]
    return pick(rng, kinds)()


def fault(tokens: list[str], own_pattern: bool) -> str | None:
    """What is wrong with the tokens of a text."""
    for token in tokens:
        if not own_pattern and any(c.isspace() or unicodedata.category(c) in ("Cf", "Cs") for c in token):
            return f"a blank or a format character in {token!a}"
        if not own_pattern and unicodedata.category(token[0])[0] == "M":
            return f"{token!a} starts with a mark"
    return None


def tokens_case(rng: np.random.Generator) -> Case:
    """A tokenizer, and what is wrong with its tokens of a text."""
    language = pick(rng, ["english", None, "chinese", "japanese", *LANGUAGES, "de", "klingon", 3])
    parameters = {
        "language": language,
        "lowercase": bool(rng.integers(4)),
        "stop_words": pick(
            rng, ["auto", None, ["Cat", "don’t", "हिन्दी"], (), "the", [3]][: 6 if rng.integers(5) == 0 else 3]
        ),
        "min_length": pick(rng, [None, 1, 3, 0][: 4 if rng.integers(5) == 0 else 3]),
        "pattern": pick(rng, [None] * 12 + [r"\w+", "(", "(a)(b)", ""]),
        "segmenter": pick(rng, [None] * 12 + [str.split, list, str.upper, 3]),
    }
    what = text(rng)
    forms = [what, unicodedata.normalize("NFC", what), unicodedata.normalize("NFD", what)]

    def call() -> str | None:
        tokenizer = Tokenizer(**parameters)
        start = time.process_time()
        (tokens,) = tokenizer.transform([what])
        if (took := time.process_time() - start) > SECONDS:
            return f"{took:.1f} s for {len(what)} characters"
        own = parameters["pattern"] is not None or parameters["segmenter"] is not None
        if wrong := fault(tokens, own):
            return wrong
        if own or language in ("chinese", "japanese"):  # a segmenter sees other neighbors
            return None
        composed, decomposed = tokenizer.transform(forms[1:])
        if composed != tokens or decomposed != tokens:
            return f"{tokens!a} and {composed!a} and {decomposed!a} of forms of one text"
        (again,) = tokenizer.transform([" ".join(tokens)])
        return None if again == tokens else f"{tokens!a} and, again, {again!a}"

    return f"{parameters} of {ascii(what)[:200]}", call
