"""Brackets: what is written is read back, and each kind of mistake is reported where it is.

Also tests featlearn.grammar.escapes.
"""

import bz2
import gzip
import io
import itertools
import lzma
import pickle
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featlearn.grammar import brackets
from featlearn.grammar.brackets import BracketError, parse_tree, parse_trees, read_trees, write_trees
from featlearn.grammar.cfg import PCFG
from featlearn.grammar.evalb import score_tree
from featlearn.grammar.rules import RuleCounts
from featlearn.grammar.transforms import strip_function, strip_functions
from featlearn.grammar.tree import Tree

SPECIAL = "ab()\\x208u30 \t\n\0|^+'\u3000\xa0\ufeff<>*%#@"
TEXTS = st.text(min_size=1, max_size=8) | st.text(st.sampled_from(SPECIAL), min_size=1, max_size=8)


def trees_of(texts, mixed=False):
    tags = st.builds(lambda label, word: Tree(label, [word]), texts, texts)
    parts = st.one_of(tags, texts) if mixed else tags
    return st.recursive(
        tags,
        lambda below: st.builds(
            Tree, texts, st.lists(st.one_of(below, parts) if mixed else below, min_size=1, max_size=4)
        ),
        max_leaves=10,
    )


PENN = """
( (S
    (NP-SBJ (NNP Ms.) (NNP Haag) )
    (VP (VBZ plays)
      (NP (NNP Elianti) ))
    (. .) ))
( (NP (-LRB- -LRB-) (CD 1\\/2)
) )
"""


def test_the_penn_treebanks_format():
    first, second = parse_trees(PENN)
    assert first == Tree(
        "TOP",
        [
            Tree(
                "S",
                [
                    Tree("NP-SBJ", [Tree("NNP", ["Ms."]), Tree("NNP", ["Haag"])]),
                    Tree("VP", [Tree("VBZ", ["plays"]), Tree("NP", [Tree("NNP", ["Elianti"])])]),
                    Tree(".", ["."]),
                ],
            )
        ],
    )
    assert second == Tree("TOP", [Tree("NP", [Tree("-LRB-", ["-LRB-"]), Tree("CD", ["1\\/2"])])])


def test_unlabeled_roots():
    assert parse_tree("((S (A a)))", root="ROOT") == Tree("ROOT", [Tree("S", [Tree("A", ["a"])])])
    assert parse_tree("( (S (A a)))", root=None) == Tree("S", [Tree("A", ["a"])])
    assert parse_tree("( (A a) (B b))").children == (Tree("A", ["a"]), Tree("B", ["b"]))
    with pytest.raises(BracketError, match="a root without a label holds 2 trees; to keep them pass root='TOP'"):
        parse_tree("( (A a) (B b))", root=None)
    for root in ("", 3):
        with pytest.raises(ValueError, match=f"root={root!r} is no label"):
            read_trees([], root=root)


def test_blanks_are_free_and_only_ascii_ones_part_words():
    tree = Tree("NP", [Tree("DT", ["the"]), Tree("NN", ["mm\u2009Hg\u3000\xa0"])])
    assert parse_tree("(\tNP\r\n(DT\vthe\f)( NN mm\u2009Hg\u3000\xa0 ) )") == tree
    assert parse_trees("  \n ") == []


def test_words_beside_others_on_request():
    text = "(VP switch (NP the old lamp) on)"
    assert parse_tree(text, mixed=True) == Tree("VP", ["switch", Tree("NP", ["the", "old", "lamp"]), "on"])


@given(trees_of(TEXTS))
def test_write_and_read(tree):
    assert parse_tree(str(tree)) == tree


@given(trees_of(TEXTS, mixed=True))
def test_write_and_read_mixed(tree):
    assert parse_tree(str(tree), mixed=True) == tree
    assert all(ord(character) >= 32 or character == "\n" for character in tree.pretty() if character in "\0\t\r\v\f")


@given(st.lists(trees_of(TEXTS), max_size=4), st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_pieces_may_end_anywhere(trees, sizes):
    text = "\n".join(tree.pretty() for tree in trees)
    pieces, rest = [], text
    for size in itertools.cycle(sizes):
        if not rest:
            break
        pieces.append(rest[:size])
        rest = rest[size:]
    assert list(read_trees(pieces)) == trees


MISTAKES = [
    ("(S (A a)", 1, 9, r"the text ends with 1 open brackets; expected \).*tree that begins in line 1, column 1"),
    ("(S (A a)))", 1, 10, r"this \) closes nothing; expected \( or the end"),
    ("(S (A a))\n )", 2, 2, "closes nothing"),
    ("()", 1, 2, "these brackets are empty; expected a label and then words or trees"),
    ("( ( ) )", 1, 3, "a tree inside another has no label"),
    ("(S\n  (NP ))", 2, 7, "the tree 'NP' holds nothing; expected a label and then words or trees"),
    ("(S (A a)\n   ( (B b)))", 2, 4, "a tree inside another has no label.*missing in the tree.*line 1, column 1"),
    ("(A a) b (C c)", 1, 7, r"there is 'b' between trees; expected \( or the end"),
    ("hello", 1, 1, "there is 'hello' between trees"),
    ("(A a) b", 1, 7, "there is 'b' between trees"),
    ("(S (A a)\n  b)", 2, 3, "the word 'b' stands beside a tree"),
    ("(S b (A a))", 1, 6, r"a tree stands beside the word 'b'; expected \)"),
    ("(S b\n(A (B b)))", 2, 1, r"a tree stands beside the word 'b'; expected \)"),
    ("(NP the\nman)", 2, 1, "the word 'man' stands beside another word"),
    ("( (A a) b)", 1, 9, r"there is 'b' under a root without a label; expected \("),
    ("(A a)\n(B \0b)", 2, 4, "there is a NUL character"),
]


@pytest.mark.parametrize(("text", "line", "column", "message"), MISTAKES)
def test_mistakes(text, line, column, message, tmp_path):
    path = tmp_path / "trees.mrg"
    path.write_text(text, encoding="utf-8", newline="")
    sources = {
        "<text>": lambda: parse_trees(text),
        str(path): lambda: list(read_trees(path)),
        "<lines>": lambda: list(read_trees(text.splitlines(keepends=True))),
    }
    for name, read in sources.items():
        with pytest.raises(BracketError, match=message) as caught:
            read()
        error = caught.value
        assert (error.file, error.line, error.column) == (name, line, column)
        assert str(error).startswith(f"{name}, line {line}, column {column}: ")
        assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_bytes_that_are_not_utf8(tmp_path):
    path = tmp_path / "trees.mrg"
    for before in ("(A ä)\n(B b", "(A ä)\n" * (brackets.PIECE // 7 - 2) + "\n (B b)" * 9 + "\n(B b"):
        path.write_bytes(before.encode() + b"\xff)")
        with pytest.raises(BracketError, match="there is the byte 0xff, which is not utf-8") as caught:
            list(read_trees(path))
        assert caught.value.line == before.count("\n") + 1
        assert caught.value.column == 5
    path.write_bytes("(A é".encode()[:-1])
    with pytest.raises(BracketError, match="byte 0xc3") as caught:
        list(read_trees(path))
    assert caught.value.column == 4


def test_trees_before_a_mistake_come_first():
    reader = read_trees(["(A a) (B b)", "(C"])
    assert next(reader) == Tree("A", ["a"])
    assert next(reader) == Tree("B", ["b"])
    with pytest.raises(BracketError, match="the text ends with 1 open"):
        next(reader)


def test_sources(tmp_path):
    path = tmp_path / "trees.mrg"
    path.write_text("\ufeff" + PENN, encoding="utf-8")  # some editors begin files with this mark
    expected = parse_trees(PENN)
    assert list(read_trees(path)) == list(read_trees(str(path))) == expected
    assert list(read_trees(io.StringIO(PENN))) == expected
    assert list(read_trees(PENN.split("\n"))) == expected
    with open(path, encoding="utf-8-sig") as file:
        assert list(read_trees(file)) == expected
    with gzip.open(tmp_path / "trees.gz", "wt", encoding="utf-8") as file:
        file.write(PENN)
    assert list(read_trees(tmp_path / "trees.gz")) == expected


@pytest.mark.parametrize(
    ("read", "error", "message"),
    [
        (lambda: read_trees("no/such/file"), FileNotFoundError, "no file 'no/such/file' to read trees from.$"),
        (lambda: read_trees("(A a)"), FileNotFoundError, "To read trees from text, call parse_trees"),
        (
            lambda: read_trees(b"(A a)"),
            TypeError,
            "takes a path, an open text file or an iterable of lines; got a bytes",
        ),
        (lambda: read_trees(7), TypeError, "got a int"),
        (lambda: list(read_trees([b"(A a)"])), TypeError, "<lines> must give text in str; got a bytes"),
        (lambda: list(read_trees(io.BytesIO(b"(A a)"))), TypeError, "must give text in str; got a bytes"),
        (lambda: parse_tree("(A a) (B b)"), ValueError, "the text holds 2"),
        (lambda: parse_tree(""), ValueError, "the text holds 0"),
        (lambda: parse_trees(["(A a)"]), TypeError, "parse_trees takes a str; got a list"),
    ],
)
def test_bad_sources(read, error, message):
    with pytest.raises(error, match=message):
        read()


def test_damaged_gzip_files_are_named(tmp_path):
    whole = gzip.compress(b"(S (A a) (B b))\n" * 200)
    for name, damaged in (
        ("cut.gz", whole[:-9]),
        ("none.gz", b"(S (A a))"),
        ("changed.gz", whole[:15] + bytes(20) + whole[35:]),
    ):
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises(ValueError, match=f"{name} is no whole gzip file: "):
            list(read_trees(tmp_path / name))


def test_a_stream_without_end_is_read_as_it_comes():
    reader = read_trees(f"(S (A a{i}) (B\n" if i % 2 else f"b{i}) )" for i in itertools.count(1))
    assert [str(tree) for tree in itertools.islice(reader, 2)] == ["(S (A a1) (B b2))", "(S (A a3) (B b4))"]


def test_memory_does_not_grow_with_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(brackets, "KNOWN", 200)
    path = tmp_path / "many.mrg"
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(f"(S (NP (NN word{i}) (NN other{i})) (VP (VB verb{i})))\n" for i in range(10_000))

    def peak(n):
        tracemalloc.start()
        for _ in itertools.islice(read_trees(path), n):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    small, large = peak(1_000), peak(10_000)
    assert large < 1.5 * small < path.stat().st_size


def test_text_without_brackets_is_not_gathered():
    with pytest.raises(BracketError, match="no bracket in 131,072 characters"):
        next(read_trees("words and words and\n" for _ in itertools.count()))
    assert parse_trees(" " * (1 << 21) + "(A a)" + "\n" * (1 << 21)) == [Tree("A", ["a"])]


@pytest.mark.parametrize("name", ["trees.mrg", "trees.gz"])
@pytest.mark.parametrize("pretty", [False, True])
def test_write_trees(tmp_path, name, pretty):
    trees = [Tree("S", [Tree("A b", ["(é"]), Tree("B", ["\u2009"])]), *parse_trees(PENN)]
    assert write_trees(iter(trees), tmp_path / name, pretty=pretty) == 3
    assert list(read_trees(tmp_path / name)) == trees
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_write_whole_or_not_at_all(tmp_path):
    path = tmp_path / "trees.mrg"
    path.write_text("(OLD tree)")

    def broken():
        yield Tree("A", ["a"])
        raise KeyboardInterrupt

    for trees, error, message in (
        (broken(), KeyboardInterrupt, None),
        ([Tree("A", ["a"]), "(B b)"], TypeError, "item 1 is a str"),
        ([Tree("A", ["\ud800"])], ValueError, r"Tree 0 holds '\\ud800', which UTF-8 cannot write"),
    ):
        with pytest.raises(error, match=message):
            write_trees(trees, path)
        assert path.read_text() == "(OLD tree)"
        assert list(tmp_path.iterdir()) == [path]


# ---- treebanks in the wild -----------------------------------------------------------------------------------------

HEADER = """\
*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*
*x*                                                                 *x*
*x*        Copyright (C) 1995 University of Pennsylvania            *x*
*x*   The data in this file (see the README) are preliminary.       *x*
*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*x*


"""
CTB = """\
<DOC>
<DOCID> CTB_001 (nw) </DOCID>
<HEADER><DATE>1996-01-02</DATE></HEADER>
<BODY>
<HEADLINE>
<S ID=1>
( (IP-HLN (NP-SBJ (NP-PN (NR 上海)
\t\t\t (NR 浦东))
\t\t  (NP (NN 开发)))
\t  (VP (VV 同步))) )
</S>
</HEADLINE>
<TEXT>
<P>
<S ID=2> ( (FRAG (NN 完) (PU ）)) ) </S>
<seg id="3">
( (IP (NP (-NONE- *pro*)) (VP (VV 来))) )
</seg>
</P>
</TEXT>
</BODY>
</DOC>
""".replace(" (nw)", "")
CTB_TREES = [
    "(TOP (IP-HLN (NP-SBJ (NP-PN (NR 上海) (NR 浦东)) (NP (NN 开发))) (VP (VV 同步))))",
    "(TOP (FRAG (NN 完) (PU ）)))",
    "(TOP (IP (NP (-NONE- *pro*)) (VP (VV 来))))",
]
WILD = {
    "the Penn Treebank's header": (HEADER + PENN, [str(tree) for tree in parse_trees(PENN)]),
    "headers between trees": (PENN + HEADER + PENN, [str(tree) for tree in parse_trees(PENN + PENN)]),
    "lines without ends": (HEADER.replace("\n", "") + "( (S (A a)))", ["(TOP (S (A a)))"]),
    "the Chinese Treebank": (CTB, CTB_TREES),
    "the Chinese Treebank, Windows": ("\ufeff" + CTB.replace("\n", "\r\n"), CTB_TREES),
    "tags and trees in one line": ("<s id=1>(S (A a))</s><s id=2>(S (B b))</s>", ["(S (A a))", "(S (B b))"]),
    "ATIS": (
        "( @0y0012sx-a-11/CD )\n( END_OF_TEXT_UNIT )\n( (S (VB List)))\n( @0y0022sx-d-5/CD )\n",
        ["(TOP (S (VB List)))"],
    ),
    "NEGRA's .penn": (
        "%% Sent (1)\n( (S (NE Ross)))\n%% Sent 2\n(S (NE Perot))",
        ["(TOP (S (NE Ross)))", "(S (NE Perot))"],
    ),
    "historical English": (
        "/~*\n(a) note\n*~/\n( (IP-MAT (NP x)) (ID CMAELR3,26.4))\n/* (b */\n(S (A a))\x1a",
        ["(TOP (IP-MAT (NP x)) (ID CMAELR3,26.4))", "(S (A a))"],
    ),
    "comments": ("# sent (1)\n(S (A a))\n  # (B b)\n(C c)", ["(S (A a))", "(C c)"]),
    "ideographic spaces": (
        "\u3000(IP\u3000(NP (NR\u3000上海)\u3000(NN 开发\u3000))\n\u3000\u3000(VP\u3000 (VV \u3000同步) ) )\u3000\n",
        ["(IP (NP (NR 上海) (NN 开发)) (VP (VV 同步)))"],
    ),
    "an ideographic space as a word, and in one": (
        "(IP (PU \u3000) (NN\u3000布什\u3000总统) (NR 布什\u3000总统))",
        ["(IP (PU \\u3000) (NN 布什\\u3000总统) (NR 布什\\u3000总统))"],
    ),
    "unbreakable indents": ("(S\n\xa0\xa0(A a)\xa0\n\u2003(B b\xa0c)\xa0)\xa0", ["(S (A a) (B b\xa0c))"]),
    "marks between files": ("\ufeff(S (A a))\n\ufeff(S (B b))\n", ["(S (A a))", "(S (B b))"]),
    "SPMRL": (
        "( (SENT##m=ind## (NP-SUJ##g=f|n=s## (DET##s=def## la)) (PONCT .)) )",
        ["(TOP (SENT##m=ind## (NP-SUJ##g=f|n=s## (DET##s=def## la)) (PONCT .)))"],
    ),
    "a tree a line": ("(TOP (S (A a)))\r\n(TOP (S (B b)))\r\n\r\n", ["(TOP (S (A a)))", "(TOP (S (B b)))"]),
    "old Macs": ("(TOP (S (A a)))\r(TOP (S\r(B b)))\r", ["(TOP (S (A a)))", "(TOP (S (B b)))"]),
}


@pytest.mark.parametrize("name", WILD)
def test_treebanks_in_the_wild(name, tmp_path):
    text, expected = WILD[name]
    assert [str(tree) for tree in parse_trees(text)] == expected
    for size in (1, 2, 3, 7, 50):
        pieces = [text[start : start + size] for start in range(0, len(text), size)]
        assert [str(tree) for tree in read_trees(pieces)] == expected
    for encoding in ("utf-8", "utf-16", "gb18030", "utf-8-sig"):
        (tmp_path / "file").write_bytes(text.encode(encoding))
        read = list(read_trees(tmp_path / "file", encoding="gb18030" if encoding == "gb18030" else None))
        assert [str(tree) for tree in read] == expected
    for module, suffix in ((gzip, "gz"), (bz2, "bz2"), (lzma, "xz")):
        for path in (tmp_path / f"file.{suffix}", tmp_path / "packed.mrg"):
            path.write_bytes(module.compress(text.encode()))
            assert [str(tree) for tree in read_trees(path)] == expected


def test_functional_tags_and_features_go():
    (tree,) = parse_trees(WILD["SPMRL"][0])
    assert str(strip_functions(tree)) == "(TOP (SENT (NP (DET la)) (PONCT .)))"
    assert [strip_function(label) for label in ("#", "##", "NP##a##-SUJ", "-NONE-", "P+D")] == [
        "#",
        "##",
        "NP",
        "-NONE-",
        "P+D",
    ]


FOREIGN = {
    "Sinica": (
        "#1:1.[0] S(agent:NP(Head:Nhaa:我)|Head:VC2:看|goal:NP(Head:Nab:書))#。(PERIODCATEGORY)\n",
        "Sinica Treebank's format",
    ),
    "Sinica without numbers": (
        "VP(Head:VC2:看|goal:NP(property:N:紅|Head:Nab:書))\n",
        "Sinica Treebank's format.*sinica_parse",
    ),
    "NEGRA": (
        "%% word\ttag\tmorph\n#FORMAT 3\n#BOS 1 0 1098266456 1 %% (A)\nRoss\tNE\tNom\tPNC\t500\n#500\t--\tPN\n#EOS 1\n",
        "NEGRA's export format",
    ),
    "NEGRA from the middle": ("#BOS 12 0 1 1\n(\t$(\t--\t--\t0\n#EOS 12\n", "NEGRA's export format"),
    "TIGER-XML": (
        '<?xml version="1.0"?>\n<corpus id="t">\n<t id="s1_1" word="(" pos="$("/>\n</corpus>',
        "treebank in XML",
    ),
    "TIGER-XML without its first line": (
        '<corpus>\n<s id="s1">\n<graph root="s1_500">\n<t word="Ross"/>\n</graph></s></corpus>',
        "treebank in XML",
    ),
    "French Treebank": (
        '<SENT nb="1">\n<NP fct="SUJ"><w cat="D">la</w></NP>\n<w cat="V">dort</w>\n</SENT>\n',
        "no tree in brackets.*treebank in XML",
    ),
    "CoNLL-U": ("# sent_id = 1\n# text = I sleep (well)\n1\tI\tI\tPRON\t_\n2\tsleep\tsleep\tVERB\t_\n", "CoNLL-U"),
    "CoNLL-X": ("1\tHe\the\tPRP\tPRP\t_\t2\tSBJ\t_\t_\n", "table of dependencies"),
    "CoNLL-2012": ("#begin document (bc/cctv); part 000\nbc 0 0 In IN (TOP(S(PP* -\n", "CoNLL-2012"),
    "CoNLL-2000": ("Confidence NN B-NP\nin IN B-PP\nthe DT B-NP\n", "words and chunks"),
    ".pos": (
        "======================================\n\n[ Pierre/NNP Vinken/NNP ]\n,/, \n[ 61/CD years/NNS ]\n",
        "words with tags",
    ),
    "HTML": ("<!DOCTYPE html>\n<html><body>404 (not found)</body></html>", "page of HTML"),
    "JSON": ('[{"label": "S", "children": ["(", "a"]}]', "looks like JSON"),
    "square brackets": ("[S [NP I] [VP sleep]]\n", "square brackets are not read"),
    "linguists' brackets": ("[.S [.NP I ] [.VP sleep ] ]\n", "square brackets are not read"),
    ".prd": ("( (S (NP Pierre Vinken) (VP will)))", "pass mixed=True"),
    "failed parses": ("(S (A a))\n(())\n", r"Parsers write \(\(\)\) for a sentence without a tree"),
    "empty trees": ("(S (A a))\n( )\n", r"brackets are empty.*Parsers write \(\(\)\)"),
    "wrappers alone": ("<DOC>\n<S ID=1>\n</S>\n</DOC>\n", "tags such as '<DOC>' and no tree in brackets"),
    "no brackets": ("The dog sleeps .\n", "there is 'The' between trees"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_no_treebank_in_brackets_is_named(name, tmp_path):
    text, message = FOREIGN[name]
    path = tmp_path / "file.mrg"
    path.write_text(text, encoding="utf-8")
    for read in (
        lambda: list(read_trees(path)),
        lambda: parse_trees(text),
        lambda: list(read_trees(text.splitlines(True))),
    ):
        with pytest.raises(BracketError, match=message) as caught:
            read()
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 400 + len(str(path))


def test_other_encodings(tmp_path):
    path = tmp_path / "file.mrg"
    for text, encoding, suggestion in (
        ("(S (NN H\xe4user) (VV sch\xf6n))", "latin-1", "cp1252"),
        (CTB, "gb18030", "gb18030"),
    ):
        path.write_bytes(text.encode(encoding))
        line = next(i for i, row in enumerate(text.split("\n"), 1) if not row.isascii())
        with pytest.raises(
            BracketError, match=rf"byte 0x.*not utf-8.*looks like.*pass encoding='{suggestion}'"
        ) as caught:
            list(read_trees(path))
        assert caught.value.line == line
        assert list(read_trees(path, encoding=encoding)) == parse_trees(text)
    path.write_bytes("(S (NN H\xe4user))".encode("utf-16-le"))
    with pytest.raises(BracketError, match=r"NUL character.*looks like UTF-16; pass encoding='utf-16-le'"):
        list(read_trees(path))
    assert len(list(read_trees(path, encoding="utf-16-le"))) == 1
    for encoding in ("latin", "hex", "no such", 3):
        if encoding != "latin":
            with pytest.raises(ValueError, match="is no text encoding; 'utf-8', 'gb18030' and 'latin-1' are"):
                read_trees(path, encoding=encoding)
    with pytest.raises(ValueError, match="encoding='utf-8' is for a file that a path names"):
        read_trees(["(A a)"], encoding="utf-8")
    (tmp_path / "trees.zip").write_bytes(b"PK\x03\x04" + bytes(50))
    with pytest.raises(ValueError, match="zip archive; unpack it"):
        list(read_trees(tmp_path / "trees.zip"))
    with pytest.raises(IsADirectoryError, match="is a folder; read the trees of each of its files"):
        read_trees(tmp_path)


@pytest.mark.parametrize(("module", "kind"), [(bz2, "bzip2"), (lzma, "xz")])
def test_other_packed_files_that_are_damaged(tmp_path, module, kind):
    whole = module.compress(b"(S (A a) (B b))\n" * 2000)
    for name, damaged in (("cut", whole[:-9]), ("changed", whole[:20] + bytes(20) + whole[40:])):
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises(ValueError, match=f"{name} is no whole {kind} file: "):
            list(read_trees(tmp_path / name))


def test_trees_of_nltk_are_pointed_to_what_takes_them(tmp_path):
    nltk = pytest.importorskip("nltk")
    takers = [
        lambda tree: Tree("S", [tree]),
        read_trees,
        parse_trees,
        lambda tree: write_trees([tree], tmp_path / "trees"),
        lambda tree: RuleCounts.of([tree]),
        strip_functions,
        lambda tree: score_tree(tree, tree),
        lambda tree: PCFG.from_trees([tree]),
    ]
    for tree in (nltk.Tree.fromstring("(S (A a))"), nltk.ParentedTree.fromstring("(S (A a))")):
        for take in takers:
            with pytest.raises(TypeError, match=r"nltk\.\w*Tree \(Tree\.from_nltk makes one of ours\)"):
                take(tree)
