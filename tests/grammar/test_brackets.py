"""Brackets: what is written is read back, and each kind of mistake is reported where it is."""

import gzip
import io
import itertools
import pickle
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featlearn.grammar import brackets
from featlearn.grammar.brackets import BracketError, parse_tree, parse_trees, read_trees, write_trees
from featlearn.grammar.tree import Tree

TEXTS = st.text(min_size=1, max_size=8) | st.text(st.sampled_from("ab()\\x208 \t\n\0|^+'"), min_size=1, max_size=8)


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
    tree = Tree("NP", [Tree("DT", ["the"]), Tree("NN", ["mm\u2009Hg\xa0\u3000"])])
    assert parse_tree("(\tNP\r\n(DT\vthe\f)( NN mm\u2009Hg\xa0\u3000 ) )") == tree
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
