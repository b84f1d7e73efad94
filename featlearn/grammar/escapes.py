r"""Escapes of what brackets cannot hold: ``\xHH``, with the hexadecimal code of a character, and ``\u3000``."""

import re
from functools import lru_cache

RESERVED = "() \t\n\r\f\v\0\u3000"  # what a label or a word in brackets cannot hold as it is
_ESCAPED = re.compile(r"\\(?:x([0-9a-f]{2})|u3000)")


@lru_cache(maxsize=1 << 16)
def escape(text: str, reserved: str = RESERVED) -> str:
    r"""``text`` with the characters ``reserved``, ASCII or U+3000, as their codes; `unescape` is the exact inverse.

    Examples
    --------
    >>> from featlearn.grammar.escapes import escape
    >>> print(escape("New York (NY)"))
    New\x20York\x20\x28NY\x29
    """
    pattern = _pattern(reserved)
    return pattern.sub(_code, text) if pattern.search(text) else text


def _code(found: re.Match) -> str:
    return "\\u3000" if found[0] == "\u3000" else f"\\x{ord(found[0]):02x}"


@lru_cache(maxsize=64)
def _pattern(reserved: str) -> re.Pattern:
    # A backslash is reserved only where it would read as an escape, so a treebank's 1\/2 stays as it is.
    return re.compile(rf"[{re.escape(reserved)}]|\\(?=x[0-9a-f]{{2}}|u3000)")


def unescape(text: str) -> str:
    """The text of which `escape` made ``text``."""
    return _ESCAPED.sub(lambda found: chr(int(found[1] or "3000", 16)), text) if "\\" in text else text
