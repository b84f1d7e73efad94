"""What is a document and what is not; text files read lazily, and refused by name."""

import os
import tracemalloc

import numpy as np
import pandas as pd
import pytest

from featlearn.text.documents import BLOCK, FileDocuments, LineDocuments, Tally, check_documents


@pytest.fixture
def write(tmp_path):
    """A function that writes a file and gives its path."""

    def writes(content, name="corpus.txt"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return writes


@pytest.mark.parametrize(
    "documents",
    [["a", "b"], ("a", "b"), np.array(["a", "b"]), np.array(["a", "b"], object), pd.Series(["a", "b"], index=[7, 9])],
)
def test_lists_of_strings(documents):
    found = check_documents(documents, "It")
    assert found == ["a", "b"]
    assert type(found) is list


def test_token_lists_and_none_at_all():
    assert check_documents([["a"], [], ("b", "c")], "It") == [["a"], [], ("b", "c")]
    assert check_documents([], "It") == []
    assert check_documents(pd.Series([["a"], ["b"]]), "It") == [["a"], ["b"]]


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ("one text", r"It takes many documents, and the input is one str; pass a list of documents, \[text\]"),
        (b"one text", r"the input is one bytes"),
        (["a", b"b"], r"document 1 of the input is bytes. Decode it first"),
        ([b"a", b"b"], r"document 0 of the input is bytes"),
        (["a", None], r"document 1 of the input is missing \(None\). Put '' in its place"),
        (["a", float("nan")], r"document 1 of the input is missing \(nan\)"),
        (pd.Series(["a", None]), r"document 1 of the input is missing"),
        (pd.Series(["a", pd.NA], dtype="string"), r"document 1 of the input is missing \(<NA>\)"),
        ([1, 2], r"document 0 of the input is 1, a int. A document is a string or a list of tokens"),
        ([["a"], "b"], r"document 0 of the input is a list of tokens and 1 others are strings"),
        (["b", ["a"]], r"document 1 of the input is a list of tokens and 1 others are strings"),
        ([["a", 3]], r"document 0 of the input is a list that holds 3, a int; tokens are strings"),
        (3, r"the input is a int"),
        (None, r"the input is a NoneType"),
        ({"a": 1}, r"the input is a dict"),
        ({"a"}, r"the input is a set"),
        (np.array([["a"], ["b"]]), r"one column of documents; the input is a ndarray of shape \(2, 1\)"),
        (pd.DataFrame({"text": ["a"]}), r"one column of documents; the input is a DataFrame of shape \(1, 1\)"),
        (np.eye(2), r"shape \(2, 2\)"),
    ],
)
def test_bad_input(documents, message):
    with pytest.raises(ValueError, match=message):
        check_documents(documents, "It")


def test_streams_are_checked_as_they_pass():
    good = check_documents(lambda: iter([["a"], pd.Series(["b", "c"])]), "It", passes=3)
    assert list(good()) == list(good()) == [["a"], ["b", "c"]]
    with pytest.raises(ValueError, match=r"the chunk is one str; yield lists of documents, \[text\]"):
        list(check_documents(lambda: iter(["a", "b"]), "It")())
    with pytest.raises(ValueError, match=r"document 1 of the chunk is missing"):
        list(check_documents(iter([["a"], ["b", None]]), "It"))


def test_an_object_to_iterate_over_is_a_stream():
    class Corpus:
        def __iter__(self):
            yield ["a", "b"]
            yield ["c"]

    found = check_documents(Corpus(), "It", passes=2)
    assert list(found()) == list(found()) == [["a", "b"], ["c"]]


def test_generator_used_twice():
    generator = (chunk for chunk in [["a"], ["b"]])
    with pytest.raises(
        ValueError, match=r"walks over the documents 2 times or more, and an iterator can be walked only"
    ):
        check_documents(generator, "It", passes=2)
    stream = check_documents(lambda: generator, "It", passes=2)
    assert list(stream()) == [["a"], ["b"]]
    with pytest.raises(ValueError, match=r"returned the same iterator a second time, and that one is used up"):
        stream()


def test_dask():
    dask = pytest.importorskip("dask", reason="pip install 'featlearn[dask]'")
    from dask import array, bag

    with dask.config.set(scheduler="sync"):
        assert check_documents(bag.from_sequence(["a", "b"]), "It").compute() == ["a", "b"]
        with pytest.raises(ValueError, match="document 0 of a partition of the bag is 1, a int"):
            check_documents(bag.from_sequence([1, 2], npartitions=1), "It").compute()
    with pytest.raises(ValueError, match="takes a Dask bag of documents; got a Dask Array"):
        check_documents(array.zeros(3), "It")


def test_a_document_a_line(write):
    path = write("first\r\n\n  \nsecond one\rthird\n\u4e2d\u6587")
    documents = LineDocuments(path, chunk=2)
    expected = ["first", "second one", "third", "\u4e2d\u6587"]
    assert list(documents) == expected
    assert list(documents()) == list(documents()) == [expected[:2], expected[2:]]
    assert list(LineDocuments([path, path])) == 2 * expected


def test_a_document_a_file(write):
    paths = [write("a\nb\n", "a.txt"), write("\ufeffc\r\n", "b.txt")]
    assert list(FileDocuments(paths)) == ["a\nb\n", "c\n"]
    assert list(FileDocuments(paths, chunk=1)()) == [["a\nb\n"], ["c\n"]]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030", "latin-1"])
@pytest.mark.parametrize("pad", [0, BLOCK - 3, BLOCK - 2, BLOCK - 1, BLOCK, 2 * BLOCK - 1])
def test_encodings_across_blocks(write, encoding, pad):
    texts = ["x" * pad + "é", "ü\t.", "last" if encoding == "latin-1" else "\u4e2d\u6587"]
    assert list(LineDocuments(write("\r\n".join(texts).encode(encoding)), encoding)) == texts


def test_lines_are_not_held(write):
    path = write("twenty bytes a line.\n" * 1_000_000)
    documents = iter(LineDocuments(path))
    next(documents)
    tracemalloc.start()
    try:
        assert sum(1 for _ in documents) == 999_999
        assert tracemalloc.get_traced_memory()[1] < 20 * BLOCK
    finally:
        tracemalloc.stop()


def test_missing_files_and_folders(tmp_path, write):
    with pytest.raises(FileNotFoundError, match=r"nowhere.txt does not exist"):
        LineDocuments([write("a"), tmp_path / "nowhere.txt"])
    (tmp_path / "corpus.txt").unlink()
    with pytest.raises(ValueError, match=r"is a folder that holds no text file"):
        FileDocuments(tmp_path)
    with pytest.raises(ValueError, match="no file was given"):
        FileDocuments([])


@pytest.mark.parametrize("reader", [LineDocuments, FileDocuments])
def test_empty_files_are_skipped_and_counted(write, reader):
    documents = reader([write("", "empty.txt"), write("a"), write("\n \n", "blank.txt")])
    assert documents.tally is None
    assert list(documents) == ["a"]
    blank = {LineDocuments: 2, FileDocuments: 2}[reader]
    assert documents.tally == Tally(files=3, empty_files=2, documents=1, empty=blank, left_out=0)
    with pytest.raises(ValueError, match=r"empty.txt is empty: it has 0 bytes"):
        reader(write("", "empty.txt"))
    with pytest.raises(ValueError, match=r"All 2 files from .*empty.txt on are empty: they have 0 bytes"):
        reader([write("", "empty.txt"), write("", "too.txt")])
    with pytest.raises(ValueError, match=r"corpus.txt is empty: it holds no"):
        list(reader(write(" \n\n\t\n")))
    with pytest.raises(ValueError, match=r"All 2 files .*empty: they hold no"):
        list(reader([write(" \n\n\t\n"), write("", "empty.txt")]))


@pytest.mark.parametrize("reader", [LineDocuments, FileDocuments])
def test_binary_and_undecodable_files(write, reader):
    with pytest.raises(
        ValueError, match=r"corpus.txt is binary: it holds a NUL character in line 2.*encoding='utf-16-le'"
    ):
        list(reader(write(b"text\nab\0cd")))
    with pytest.raises(ValueError, match=r"is not utf-8: byte 0xd6 at offset 9 \(line 2\).*encoding='gb18030'"):
        list(reader(write(b"a line\nb " + "\u4e2d\u6587".encode("gb18030"))))
    far = b"x" * 70 + b"\n"
    content = far * (BLOCK // len(far) + 5)
    expected = rf"byte 0xff at offset {len(content) + 2} \(line {content.count(10) + 1}\)"
    with pytest.raises(ValueError, match=expected):
        list(reader(write(content + b"ab\xff")))
    with pytest.raises(
        ValueError, match=r"byte 0xe4 at offset 3 \(line 1\) cannot be decoded \(unexpected end of data\)"
    ):
        list(reader(write(b"abc\xe4\xb8")))


def test_what_is_no_encoding(write):
    for encoding in ("utf-99", "hex"):
        with pytest.raises(ValueError, match=rf"'{encoding}' is no text encoding"):
            LineDocuments(write("a"), encoding)
    for chunk in (0, 2.5):
        with pytest.raises(ValueError, match=rf"chunk={chunk} is not valid; pass an integer"):
            LineDocuments(write("a"), chunk=chunk)


@pytest.mark.skipif(os.name == "nt", reason="no pipes with a name")
def test_paths_of_every_kind(write):
    path = write("a\nb")
    assert list(LineDocuments(str(path))) == list(LineDocuments((path,))) == ["a", "b"]
