"""The gate of trees: brackets nearly right, cut off, nested deep, in wrappers of treebanks, among random characters."""

import gzip
import os
from functools import partial
from typing import Any

import numpy as np

from featlearn.grammar.brackets import parse_trees, read_trees
from featlearn.grammar.transforms import plain_words, remove_punctuation, remove_traces, strip_functions, strip_root
from featlearn.grammar.tree import Tree
from tests.fuzz import Case, pick

LABELS = [
    "S",
    "NP-SBJ-1",
    "VP",
    "-NONE-",
    "-LRB-",
    "NP##n=s##",
    "主",
    "PRP$",
    "''",
    "NP|<DT>",
    "S\u3000",
    "@x",
    "#",
    "*x*",
]
WORDS = [
    "the",
    "1\\/2",
    "*T*-1",
    "上海",
    "\u3000",
    "布什\u3000总统",
    "mm\u2009Hg",
    "(",
    ")",
    "a b",
    "\\x20",
    "\\u3000",
    "<S>",
]
WORDS += ["é", "\ufeff", "%%", "\0", "\n", "\ud7ff", "\U0001f600", "#BOS", "'", "\xa0"]
BETWEEN = [
    "\n",
    "\r\n",
    " ",
    "\n\n",
    "<S ID=1>\n",
    "</S>\n<S ID=2>\n",
    "<DOCID> x1 </DOCID>\n",
    "\n*x* Copyright (C) 1995 *x*\n",
]
BETWEEN += [
    "\n%% Sent (2)\n",
    "\n# sent_id = (3\n",
    "( END_OF_TEXT_UNIT )\n",
    "\n( @0y/CD )",
    "\u3000",
    "\ufeff",
    "\n\xa0\n",
    "",
]
NOISE = [
    "(",
    ")",
    " ",
    "\n",
    "\u3000",
    "\0",
    "<",
    ">",
    "*x*",
    "%%",
    "# ",
    "()",
    "(())",
    "\ufeff",
    "x",
    "\\x2",
    "/",
    "\t",
    "((",
    "))",
]
FOREIGN = [
    "#1:1.[0] S(agent:NP(Head:Nhaa:我)|Head:VC2:看)#\n",
    "#BOS 1 0 1 1\nRoss\tNE\t--\tPNC\t500\n#EOS 1\n",
    '[{"a": 1}]',
]
FOREIGN += [
    "<?xml version='1.0'?>\n<corpus>\n</corpus>",
    "1\tHe\the\tPRP\tPRP\t_\n",
    "[ A/NNP ]\n",
    "",
    "\ufeff",
    "Confidence NN B-NP\n",
]


def tree(rng: np.random.Generator, depth: int = 4) -> Tree:
    """A tree, each word under a label of its own."""
    if depth == 0 or rng.uniform() < 0.3:
        return Tree(pick(rng, LABELS), [pick(rng, WORDS)])
    return Tree(pick(rng, LABELS), [tree(rng, depth - 1) for _ in range(int(rng.integers(1, 4)))])


def deep(rng: np.random.Generator) -> str:
    """A tree 100,000 levels deep, whole or not."""
    n = 100_000
    closed = pick(rng, [n, n - 1, n + 1, 0])
    return pick(rng, ["(S " * n + "(A a)", "(" * n, "(S" * n + "(A a)"]) + ")" * closed


def broken(rng: np.random.Generator, text: str) -> str:
    """The text with some characters gone, moved, doubled or put in."""
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(len(text) + 1))
        end = min(len(text), at + int(rng.integers(1, 9)))
        noise = pick(rng, [*NOISE, chr(int(rng.integers(0xD800))), chr(int(rng.integers(0xE000, 0x20000)))])
        text = pick(
            rng,
            [
                text[:at],
                text[at:],
                text[:at] + text[end:],
                text[:at] + noise + text[at:],
                text[:end] + text[at:end] + text[end:],
            ],
        )
    return text


def outcome(read: Any) -> list[Tree] | None:
    """The trees, or None if they are refused."""
    try:
        return list(read())
    except ValueError:
        return None


def pieces(rng: np.random.Generator, text: str) -> list[str]:
    """The text in pieces of random sizes."""
    cuts = sorted(rng.integers(0, len(text) + 1, size=int(rng.integers(1, 6))).tolist())
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def check(text: str, parts: list[str], data: bytes, expected: list[Tree] | None, options: dict) -> str | None:
    """Read in several ways, and use what was read."""
    found = outcome(partial(parse_trees, text, **options))
    if expected is not None and found != expected:
        return f"{found} were read for {expected}"
    if len(text) < 10_000 and outcome(partial(read_trees, parts, **options)) != found:
        return "pieces read otherwise"
    with open("trees.fuzz", "wb") as file:
        file.write(data)
    again = outcome(partial(read_trees, "trees.fuzz", **options))
    os.remove("trees.fuzz")
    if (
        data == text.encode("utf-8", "surrogatepass")
        and "\ud800" not in text
        and not text.startswith("\ufeff")
        and again != found
    ):
        return "the file reads otherwise"
    for one in (found or [])[:3]:
        if one.words() and len(one.words()) != len(one.tags()):
            return "other numbers of words and tags"
        if parse_trees(str(one), mixed=True) != [one] or len(one.spans(preterminals=True)) < 1:
            return f"{one} is not read back"
        for step in (remove_traces, strip_functions, plain_words, remove_punctuation, strip_root):
            step(one)
    list(parse_trees(text, **options))  # its error, if any
    return None


def trees_case(rng: np.random.Generator) -> Case:
    """Trees in brackets, or nearly."""
    options: dict[str, Any] = {"mixed": bool(rng.uniform() < 0.2), "root": pick(rng, ["TOP", "TOP", None, "ROOT"])}
    expected: list[Tree] | None = None
    kind = rng.uniform()
    if kind < 0.005:
        text = deep(rng)
    elif kind < 0.4:
        expected = [tree(rng) for _ in range(int(rng.integers(4)))]
        text = pick(rng, BETWEEN)
        for one in expected:
            text += pick(rng, [str(one), one.pretty(), str(one).replace(" (", "\u3000(")]) + "\n" + pick(rng, BETWEEN)
        if not expected and "<" in text:  # tags without a tree are refused
            expected = None
    elif kind < 0.9:
        text = broken(rng, pick(rng, BETWEEN).join(str(tree(rng)) for _ in range(int(rng.integers(1, 4)))))
    else:
        text = pick(rng, FOREIGN) + pick(rng, FOREIGN) + "".join(pick(rng, [*NOISE, *WORDS]) for _ in range(20))
    data = text.encode("utf-8", "surrogatepass")
    how = rng.uniform()
    if how < 0.3:
        data = pick(rng, [gzip.compress(data), gzip.compress(data)[:-5], b"\x1f\x8b" + data, data + b"\xff", data[:-1]])
    elif how < 0.5:
        data = text.encode(pick(rng, ["utf-16", "gb18030", "utf-16-le"]), "replace")
    return f"{options} {text[:300]!r}", partial(check, text, pieces(rng, text), data, expected, options)
