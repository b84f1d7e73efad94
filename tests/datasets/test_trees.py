"""Treebanks: the real ones where they are (known numbers), and what is said where they are not or are not right."""

import hashlib
import itertools
import re
from dataclasses import replace

import pytest

from featlearn.datasets import _trees
from featlearn.datasets._store import DatasetCorruptError, DatasetNotFoundError
from featlearn.datasets._trees import CRAFT, PENN_SAMPLE, load_craft, load_treebank, stream_craft, stream_treebank
from featlearn.grammar.brackets import BracketError, read_trees
from featlearn.grammar.transforms import remove_traces, strip_functions
from featlearn.grammar.tree import Tree


def or_skip(load):
    try:
        return load()
    except DatasetNotFoundError as error:
        pytest.skip(str(error))


def test_the_penn_sample():
    trees = or_skip(load_treebank)
    assert len(trees) == 3_914
    assert trees[0].words()[:3] == ["Pierre", "Vinken", ","]
    assert trees[0].productions()[0] == ("TOP", ("S",))
    assert sum(map(len, trees)) == 94_084  # of 100,676 tokens, 6,592 are traces
    raw = load_treebank(raw=True)
    assert sum(map(len, raw)) == 100_676
    assert sum(tag == "-NONE-" for tree in raw for tag in tree.tags()) == 6_592
    assert [strip_functions(remove_traces(tree)) for tree in raw[:300]] == trees[:300]
    assert not {label for tree in trees for label, *_ in tree.spans() if "-" in label or "=" in label}


def test_the_penn_sample_as_the_peer_library_reads_it():
    nltk = pytest.importorskip("nltk")
    files = or_skip(lambda: _trees.find_files(PENN_SAMPLE, _trees.get_data_home()))
    raw = stream_treebank(raw=True)
    for path in files[:20]:
        for text in re.split(r"(?m)^(?=\()", path.read_text(encoding="utf-8"))[1:]:
            theirs = nltk.Tree.fromstring(text)
            theirs.set_label("TOP")
            assert next(raw) == Tree.from_nltk(theirs)


def test_craft():
    files = or_skip(lambda: _trees.find_files(CRAFT, _trees.get_data_home()))
    lines = [path.read_text(encoding="utf-8").count("\n( (") + 1 for path in files]
    assert sum(lines) == CRAFT.n_trees == 30_830  # each tree has a line
    trees = list(itertools.islice(stream_craft(), sum(lines[:9])))
    assert trees[-1] == strip_functions(remove_traces(list(read_trees(files[8]))[-1]))
    odd = {word for tree in trees for word in tree.words() if any(c.isspace() for c in word)}
    assert odd == {"\xa0A", ".\xa0"}  # an unbreakable space parts no words


TEXT = ["( (S (NP-SBJ-1 (-NONE- *)) (VP (VB go))) )\n", "( (NP (NN a)) )\n( (X (-NONE- *)) )\n"]


@pytest.fixture
def small(monkeypatch):
    """A treebank of two files in place of each of the real ones."""
    for name in ("PENN_SAMPLE", "CRAFT"):
        known = replace(
            getattr(_trees, name), n_files=2, n_trees=3, sha256=hashlib.sha256("".join(TEXT).encode()).hexdigest()
        )
        monkeypatch.setattr(_trees, name, known)


def bring(home, folder, suffix):
    place = home / folder
    place.mkdir(parents=True)
    for name, text in zip(("wsj_1", "wsj_2"), TEXT):
        (place / f"{name}{suffix}").write_text(text)
    (place / "README").write_text("not a tree")
    return place


@pytest.mark.parametrize(
    ("load", "stream", "folder", "suffix"),
    [
        (load_treebank, stream_treebank, "treebank/treebank/combined", ".mrg"),
        (load_treebank, stream_treebank, "treebank/combined", ".mrg"),
        (load_craft, stream_craft, "craft/structural-annotation/treebank/penn", ".tree"),
    ],
)
def test_small_treebanks(small, tmp_path, load, stream, folder, suffix):
    place = bring(tmp_path, folder, suffix)
    assert [str(tree) for tree in load(tmp_path)] == ["(TOP (S (VP (VB go))))", "(TOP (NP (NN a)))"]
    raw = load(str(tmp_path), raw=True)
    assert [str(tree) for tree in raw] == [
        "(TOP (S (NP-SBJ-1 (-NONE- *)) (VP (VB go))))", "(TOP (NP (NN a)))", "(TOP (X (-NONE- *)))",
    ]  # fmt: skip
    assert list(stream(tmp_path, raw=True)) == raw
    (place / f"wsj_2{suffix}").write_text(TEXT[1][:-5])
    with pytest.raises(DatasetCorruptError, match="are truncated, altered or of another version: their SHA-256 is"):
        load(tmp_path)
    (place / f"wsj_2{suffix}").unlink()
    with pytest.raises(DatasetCorruptError, match=r"holds 1 files .* and 2 are expected"):
        stream(tmp_path)  # before the first tree


def test_a_mistake_names_its_file(small, tmp_path, monkeypatch):
    place = bring(tmp_path, "treebank/combined", ".mrg")
    (place / "wsj_2.mrg").write_text("( (NP (NN a))")
    content = (TEXT[0] + "( (NP (NN a))").encode()
    monkeypatch.setattr(_trees, "PENN_SAMPLE", replace(_trees.PENN_SAMPLE, sha256=hashlib.sha256(content).hexdigest()))
    with pytest.raises(BracketError, match=r"wsj_2\.mrg, line 1, column 14: the text ends"):
        load_treebank(tmp_path)


@pytest.mark.parametrize(("load", "known"), [(load_treebank, PENN_SAMPLE), (load_craft, CRAFT)])
def test_absent(tmp_path, monkeypatch, load, known):
    monkeypatch.setenv("FEATLEARN_DATA", str(tmp_path))
    with pytest.raises(DatasetNotFoundError) as caught:
        load()
    message = str(caught.value)
    assert f"{known.title}: there is no folder {tmp_path / known.folders[0]}" in message
    assert known.source in message
    assert f"FEATLEARN_DATA (now {tmp_path})" in message
