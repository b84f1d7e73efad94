r"""Raw sentences into words and back, as the Penn Treebank has them.

A sentence is cut at blanks, and each piece further:

    punctuation      , ; : ? ! ... by itself, but not within numbers (1,000.50 10:30); the period that ends a sentence
    contractions     do n't, they 'll, the dog 's, the boys ', can not, gon na, 't is
    symbols          $ # % @ by themselves (US$ 5, 40 %); no & within a word (AT&T)
    quotes           `` and '' , whatever the text has: " “ ” „ « »; single ones ` and '
    brackets         -LRB- -RRB- -LSB- -RSB- -LCB- -RCB- for ( ) [ ] { }
    dashes           -- for one between words; a hyphen or dash within a word stays in it, addresses stay whole
    abbreviations    keep their period, but at the end of the sentence, which takes it: Mr. Smith of Smith Corp .

Words that are parted already come back as they are, those above included. The words that a grammar knows come first:
what it knows as one word stays one, with punctuation around it taken off; and a bracket, quote or dash that it knows in
the plain form alone stays plain.

The rules are those of Robert MacIntyre's ``tokenizer.sed`` of the Penn Treebank (1995), as in NLTK's NLTKWordTokenizer,
which differs from the Treebank's own text in brackets, single quotes, '' parted from its word, U.S. at the end, AT&T,
62%-owned, '80s and addresses.
"""

import re
from collections.abc import Container, Iterable

from featlearn.grammar.transforms import PLAIN_WORDS

OPENING, CLOSING = "“„«", "”»"
DASHES = "—―–‒"
_BEFORE, _AFTER = f"[({{<\"'`‘¿¡{OPENING}{CLOSING}", f"])}}>\"'{OPENING}{CLOSING},;:.?!…%"  # what may surround a word
_BRACKETS = {plain: written for written, plain in PLAIN_WORDS.items()}
_APOSTROPHES = dict.fromkeys("’ʼ＇", "'")
_UNSEEN = dict.fromkeys("\u00ad\u200b\u2060\ufeff")  # soft hyphens and characters without width
_CHARACTERS = str.maketrans(_APOSTROPHES | _UNSEEN | {"\u2010": "-", "\u2011": "-"})
_ADDRESS = r"(?:[a-z][a-z+.-]{0,20}://|www\.)\S*[\w/]|[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+"
_PARTS = re.compile(
    rf"""(?P<address>(?i:{_ADDRESS}))|(?P<quote>["{OPENING}{CLOSING}]|``|'')|(?P<dash>--+|[{DASHES}])
    |(?P<money>[A-Z]{{1,3}}\$)(?=[\d.]|$)
    |(?P<word>(?:\\\*|[^\s"{OPENING}{CLOSING}{DASHES}\[\](){{}}<>…;?!@#$£€¥*‘`,:%'.-]|%(?=-)|(?<=\d)[,:](?=\d)|-(?!-)
        |\.(?!\.)|'(?=\w))+)
    |(?P<other>\.\.+|.)""",
    re.VERBOSE | re.DOTALL,
)
_CLOSERS = re.compile(rf"""[\])}}>"'{OPENING}{CLOSING}]*""")
_LETTERS = re.compile(r".*\w", re.DOTALL)
_CLITICS = frozenset(["n't", "'s", "'m", "'d", "'ll", "'re", "'ve"])
_ALONE = re.compile(r"n't|'(?:s|m|d|ll|re|ve|t|n|n'|em|till?|cause|bout|round|nuff|cept|\d\w*)", re.IGNORECASE)
_TWO = re.compile(r"(can)(not)|(d)('ye)|(gim|lem)(me)|(gon|wan)(na)|(got)(ta)|(more)('n)|('t)(is|was)", re.IGNORECASE)
_DOUBLED = frozenset(["U.S.", "U.K.", "U.N."])  # keep their period before the one of the sentence, as in the Treebank
# What stands alone only where words are parted already.
_PARTED = frozenset([*",.;:?!", "``", "''", "n't", "'s", "'re", "'ve", "'ll", "'d", "'m", *PLAIN_WORDS])
_NO_BLANK_BEFORE = frozenset([*",.;:?!%)]}", "...", "'", "n't", "'s", "'re", "'ve", "'ll", "'d", "'m"])
_NO_BLANK_AFTER = frozenset("([{$#`")
_JOINED = frozenset(["gim me", "lem me", "gon na", "wan na", "got ta", "d 'ye", "more 'n", "'t is", "'t was"])


def sentence_words(text: str, known: Container[str] = ()) -> list[str]:
    r"""The words of a raw sentence, parted and written as in the Penn Treebank.

    Parameters
    ----------
    text : str
        A sentence. Words that are parted already, as the Treebank's are, come back as they are.
    known : container of str, default=()
        The words of the grammar at hand; what is in it stays whole and as it is. Empty: the Treebank's ways alone.

    Returns
    -------
    words : list of str
        Empty for a text of blanks.

    Examples
    --------
    >>> from featlearn.grammar.words import sentence_words
    >>> print(*sentence_words('"They\'ll pay $3.50 (or 5%)," he said.'))
    `` They 'll pay $ 3.50 -LRB- or 5 % -RRB- , '' he said .
    >>> print(*sentence_words("I don't sleep."))
    I do n't sleep .
    >>> sentence_words("I don't sleep.", known={"I", "don't", "sleep", "."})
    ['I', "don't", 'sleep', '.']
    """
    pieces = text.split()
    parted = not _PARTED.isdisjoint(pieces)
    words: list[str] = []
    for place, piece in enumerate(pieces, 1):
        _cut(piece, words, known or (), place == len(pieces), parted)
    return words


def _cut(piece: str, words: list[str], known: Container[str], last: bool, parted: bool) -> None:
    """Add the words of a piece of text without blanks to those before it."""
    if piece in known and not (last and piece[-1] == "." and piece[:-1] in known):
        words += _closed(piece, "", known, last and not parted)
        return
    for form in dict.fromkeys((piece, piece.translate(_CHARACTERS))) if known else ():
        core = form.lstrip(_BEFORE)
        start, core = len(form) - len(core), core.rstrip(_AFTER)
        stop = start + len(core)
        ends = range(stop, min(stop + 4, len(form)) + 1)
        for end in ends if last else reversed(ends):  # at the end of a sentence "I." is "I" and its period
            for begin in range(max(0, start - 4), start + 1) if core else ():
                if form[begin:end] in known:
                    _scan(form[:begin], words, known, False, parted, inner=True)
                    words += _closed(form[begin:end], form[end:], known, last and not parted)
                    _scan(form[end:], words, known, last, parted, begins=False)
                    return
    piece = re.sub(r"(?<=\w)`(?=\w)", "'", piece.translate(_CHARACTERS))
    piece = re.sub(r"(?<=\w)[–‒](?=\w)", "-", piece)
    piece = re.sub(r"‘(?=\d|(?:em|till?|tis|twas|n|cause)\b)", "'", piece, flags=re.IGNORECASE)
    _scan(piece, words, known, last, parted)


def _closed(word: str, after: str, known: Container[str], last: bool) -> list[str]:
    """A word that the grammar knows; with the period of the sentence, if that of an abbreviation stands for both."""
    abbreviation = word[-1] == "." and (word[0].isupper() or "." in word[1:-1])
    return [word, "."] if last and abbreviation and "." in known and "." not in after else [word]


def _scan(piece, words, known, last, parted, *, begins=True, inner=False) -> None:
    """Add the words of a piece; ``begins`` before its first word, ``inner`` if more of it is to come."""
    if _ALONE.fullmatch(piece) and begins:
        words.append(piece)
        return
    letters = _LETTERS.match(piece)
    final = len(piece) + 1 if inner else letters.end() if letters else 0  # where the last letter ends
    for match in _PARTS.finditer(piece):
        kind, part, end = match.lastgroup, match[0], match.end()
        if kind == "word":
            period = last and part[-1] == "." and len(part) > 1 and _CLOSERS.fullmatch(piece, end)
            period = period and not (parted and "." in part[:-1])  # D.C.
            _split(part[:-1] if period and part not in _DOUBLED else part, words, known, begins)
            if period:
                words.append(".")
            begins = False
        elif kind == "quote":
            opens = begins
            if begins and final <= end:  # alone
                before = next((word for word in reversed(words) if word in ("``", "''")), "''")
                opens = part in OPENING or part == "``" or (part == '"' and before == "''")
            plain = part in known and "``" not in known and "''" not in known
            words.append(part if plain else "``" if opens else "''")
        elif kind == "dash":
            words.append(_written(part, "--" if part in DASHES else part, known))
            begins = True
        elif part in _BRACKETS:
            words.append(_written(part, _BRACKETS[part], known))
            begins = begins or part in "([{"
        elif part == "‘" or (part == "'" and begins and end < max(final, len(piece))):
            words.append(_written(part, "`", known))
        else:
            words.append(_written(part, "..." if part == "…" else part, known))
            begins = begins and part not in ",;:?!" and kind == "other"


def _split(word, words, known, begins) -> None:
    """Add a word without punctuation around it: its contractions apart."""
    if len(word) > 1 and word[0] == "'" and begins and not (_ALONE.fullmatch(word) or _TWO.fullmatch(word)):
        words.append(_written("'", "`", known))
        word = word[1:]
    ends: list[str] = []
    while len(ends) < 4 and _spelled(word, known) not in known and not _ALONE.fullmatch(word):
        two = _TWO.fullmatch(word)
        if two:
            word, end = (part for part in two.groups() if part)
        else:
            end = next((word[-n:] for n in (3, 2) if word[-n:].lower() in _CLITICS), "")
            word = word.removesuffix(end)
        ends += [end] if end else []
        if two or not end:
            break
    words += [_spelled(part, known) for part in (word, *reversed(ends))]


def _written(plain: str, written: str, known: Container[str]) -> str:
    """The Treebank's form, or the plain one if the grammar knows that alone."""
    return plain if plain in known and written not in known else written


def _spelled(word: str, known: Container[str]) -> str:
    r"""A word as the grammar spells it, if it knows it with other apostrophes, or with ``\/`` for ``/``."""
    if word not in known and known:
        for form in (word.replace("'", "’"), word.replace("/", "\\/")):
            if form in known:
                return form
    return word


def sentence_text(words: Iterable[str]) -> str:
    r"""The text of words that are parted and written as in the Penn Treebank: `sentence_words` undone.

    Quotes come back straight, and "can not" as two words, for what the text had is not known.

    Examples
    --------
    >>> from featlearn.grammar.words import sentence_text
    >>> print(sentence_text("`` They wo n't pay $ 3.50 -LRB- or 3\\/4 % -RRB- , '' he said .".split()))
    "They won't pay $3.50 (or 3/4%)," he said.
    """
    text, glued, quoted = "", True, False  # glued: no blank after what is there
    last = ""
    for word in words:
        plain = PLAIN_WORDS.get(word, word.replace("\\/", "/").replace("\\*", "*"))
        if word == "." and last[-1:] == "." and last.strip("."):
            continue  # the period of an abbreviation ends the sentence as well
        opens = word in ("``", "`") or (word == '"' and not quoted)
        closes = word == "''" or (word == '"' and quoted)
        if word in ("``", "''", '"'):
            plain, quoted = '"', opens
        elif word == "`":
            plain = "'"
        left = closes or (plain in _NO_BLANK_BEFORE and not opens) or f"{last} {word}".lower() in _JOINED
        left = left and not (word == "." and last[-1:] == ".")
        text += plain if glued or left else f" {plain}"
        glued = opens or plain in _NO_BLANK_AFTER or re.fullmatch(r"[A-Z]{1,3}\$", plain) is not None
        last = word
    return text
