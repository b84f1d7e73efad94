"""Loaders of texts: on small files of our own, and on the real data sets (skipped where those are absent)."""

import numpy as np
import pytest
from sklearn.datasets import _twenty_newsgroups as scikit_learn

from featlearn.datasets import DatasetCorruptError, DatasetNotFoundError, _text
from featlearn.datasets._text import (
    load_20newsgroups,
    load_ap,
    load_imdb_text,
    parse_lda_c,
    without_footer,
    without_header,
    without_quotes,
)

ALL = ("headers", "footers", "quotes")
POST = (
    "From: ann@a.org\nSubject: Re: stars\n\nIn article <1@b> bob@b.org writes:\n> Which one?\n| quoted\n\n"
    "The brightest, he said: look up.\nSirius, I mean.\n\n--\nAnn\n"
)


@pytest.fixture
def newsgroups(tmp_path, monkeypatch):
    """A tiny 20 newsgroups: two groups, with two posts and one."""
    monkeypatch.setattr(_text, "POSTS", {"train": 3, "test": 1})
    monkeypatch.setattr(_text, "GROUPS", 2)
    for part, group, name in [
        ("train", "sci.space", "9"),
        ("train", "sci.space", "10"),
        ("train", "alt.tea", "7"),
        ("test", "alt.tea", "8"),
    ]:
        folder = tmp_path / "20news-bydate" / f"20news-bydate-{part}" / group
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(POST.replace("Sirius", f"{group} {name} caf\xe9").encode("latin-1"))
    (tmp_path / "20news-bydate" / "20news-bydate-test" / "sci.space").mkdir()
    return tmp_path


def loaded(load, *args, **kwargs):
    """What a loader gives, or a skip that says how to bring the data."""
    try:
        return load(*args, **kwargs)
    except DatasetNotFoundError as error:
        pytest.skip(str(error))


def test_newsgroups_order_labels_and_decoding(newsgroups):
    texts, y, names = load_20newsgroups(data_home=newsgroups)
    assert names == ["alt.tea", "sci.space"]
    assert y.tolist() == [0, 1, 1]
    assert y.dtype == np.int64
    assert [next(line for line in text.split("\n") if "caf" in line) for text in texts] == [
        "alt.tea 7 caf\xe9, I mean.",
        "sci.space 10 caf\xe9, I mean.",
        "sci.space 9 caf\xe9, I mean.",
    ]
    both, y, _ = load_20newsgroups("all", data_home=newsgroups)
    assert both[:3] == texts
    assert y.tolist() == [0, 1, 1, 0]


def test_newsgroups_remove(newsgroups):
    stripped = load_20newsgroups("test", remove=ALL, data_home=newsgroups)[0]
    assert stripped == ["\nalt.tea 8 caf\xe9, I mean.\n"]
    headless = load_20newsgroups("test", remove=("headers",), data_home=newsgroups)[0][0]
    assert headless.startswith("In article")
    assert headless.endswith("Ann\n")


@pytest.mark.parametrize(
    "post", [POST, "", "no header", "a\n\n", "\n\n\n", "---\nx", "x\n---", "a\n\nb\n - - \nc", "|"]
)
def test_removers_are_those_of_scikit_learn(post):
    assert without_header(post) == scikit_learn.strip_newsgroup_header(post)
    assert without_footer(post) == scikit_learn.strip_newsgroup_footer(post)
    assert without_quotes(post) == scikit_learn.strip_newsgroup_quoting(post)


def test_newsgroups_absent(tmp_path):
    with pytest.raises(DatasetNotFoundError, match="20news-bydate-train is not there") as error:
        load_20newsgroups(data_home=tmp_path)
    assert f"| tar xz -C {tmp_path / '20news-bydate'}" in str(error.value)
    assert "FEATLEARN_DATA" in str(error.value)


def test_newsgroups_truncated(newsgroups):
    (newsgroups / "20news-bydate" / "20news-bydate-train" / "sci.space" / "9").unlink()
    with pytest.raises(DatasetCorruptError, match="holds 2 posts in 2 groups, and 3 in 2 are expected"):
        load_20newsgroups(data_home=newsgroups)


@pytest.mark.parametrize("remove", ["headers", ("header",)])
def test_newsgroups_bad_remove(remove):
    with pytest.raises(ValueError, match=r"remove=.* is not valid; pass a tuple of 'headers', 'footers', 'quotes'"):
        load_20newsgroups(remove=remove)


@pytest.mark.parametrize("load", [load_20newsgroups, load_imdb_text])
def test_bad_subset(load):
    with pytest.raises(ValueError, match="subset='valid' is not valid"):
        load("valid")


def test_newsgroups_real():
    texts, y, names = loaded(load_20newsgroups, "all", remove=ALL)
    assert len(texts) == 18_846
    assert len(names) == 20
    assert np.bincount(y[:11_314]).tolist()[:3] == [480, 584, 591]  # as published
    assert np.bincount(y[11_314:]).tolist()[-1] == 251
    assert sum("Organization:" in text for text in texts) < 200
    whole = load_20newsgroups("test")[0][::50]
    for strip in ("header", "footer", "quoting"):
        whole = [getattr(scikit_learn, f"strip_newsgroup_{strip}")(post) for post in whole]
    assert whole == texts[11_314:][::50]


def test_lda_c_format():
    X = parse_lda_c("2 3:1 0:2\n0\n1 2:10\n", 4)
    assert X.toarray().tolist() == [[2, 0, 0, 1], [0, 0, 0, 0], [0, 0, 10, 0]]
    assert X.dtype == np.int32
    assert X.has_sorted_indices


@pytest.mark.parametrize("line", ["2 0:1", "1 4:1", "1 0:-1", "1 0:x", "", "1 0", "one 0:1"])
def test_lda_c_bad_line(line):
    with pytest.raises(ValueError, match="line 2, is no document of 4 terms"):
        parse_lda_c(f"1 0:1\n{line}\n", 4)


def test_ap_small(tmp_path, monkeypatch):
    (tmp_path / "ap").mkdir()
    (tmp_path / "ap" / "ap.dat").write_text("1 1:2\n2 0:1 2:1\n")
    with pytest.raises(DatasetNotFoundError, match=r"vocab\.txt is not there(.|\n)*ap\.tgz \| tar xz"):
        load_ap(data_home=tmp_path)
    (tmp_path / "ap" / "vocab.txt").write_text("tea\ncup\npot\n")
    with pytest.raises(DatasetCorruptError, match="2 documents over 3 terms, and 2,246 over 10,473"):
        load_ap(data_home=tmp_path)
    monkeypatch.setattr(_text, "AP_SHAPE", (2, 3))
    X, terms = load_ap(data_home=tmp_path)
    assert X.toarray().tolist() == [[0, 2, 0], [1, 0, 1]]
    assert terms.tolist() == ["tea", "cup", "pot"]
    (tmp_path / "ap" / "vocab.txt").write_text("tea\n")
    with pytest.raises(DatasetCorruptError, match=r"line 1, is no document of 1 terms.*fetch them again"):
        load_ap(data_home=tmp_path)


def test_ap_real():
    X, terms = loaded(load_ap)
    assert X.shape == (2_246, 10_473)
    assert X.sum() == 435_838  # as the corpus is described
    assert len(set(terms.tolist())) == 10_473
    assert {"president", "soviet", "percent"} <= set(terms[np.argsort(X.sum(axis=0))[-100:]].tolist())


@pytest.fixture
def reviews(tmp_path, monkeypatch):
    monkeypatch.setattr(_text, "REVIEWS", {"train": {"n.txt": 1, "p.txt": 2}, "test": {"t.txt": 1}, "unsup": {}})
    (tmp_path / "imdb-text").mkdir()
    (tmp_path / "imdb-text" / "n.txt").write_text("0_3\tpoor\n")
    (tmp_path / "imdb-text" / "p.txt").write_text("0_10\tgood\tfilm\n1_7\tsch\u00f6n\x85\n", encoding="utf-8")
    (tmp_path / "imdb-text" / "t.txt").write_text("0_1\tbad\n")
    return tmp_path


def test_reviews_are_walked_again(reviews):
    stream = load_imdb_text(data_home=reviews)
    assert len(stream) == 3
    expected = [("poor", 3), ("good\tfilm", 10), ("sch\u00f6n\x85", 7)]
    assert list(stream) == expected
    assert list(stream) == expected
    assert [text for text, _ in load_imdb_text("all", data_home=reviews)][-1] == "bad"


def test_reviews_truncated(reviews):
    (reviews / "imdb-text" / "p.txt").write_text("0_10\tgood\n")
    with pytest.raises(DatasetCorruptError, match=r"p\.txt is truncated or altered: it holds 1 reviews, and 2"):
        load_imdb_text(data_home=reviews)


@pytest.mark.parametrize("line", ["0_3 poor", "0_x\tpoor", "\tpoor"])
def test_reviews_bad_line(reviews, line):
    (reviews / "imdb-text" / "n.txt").write_text(f"{line}\n")
    with pytest.raises(DatasetCorruptError, match=r"n\.txt, line 1, is no review"):
        list(load_imdb_text(data_home=reviews))


def test_reviews_absent(reviews):
    (reviews / "imdb-text" / "n.txt").unlink()
    with pytest.raises(DatasetNotFoundError, match=r"n\.txt is not there(.|\n)*aclImdb_v1\.tar\.gz"):
        load_imdb_text(data_home=reviews)


def test_reviews_real():
    ratings = [rating for _, rating in loaded(load_imdb_text, "test")]
    assert len(ratings) == 25_000
    assert max(ratings[:12_500]) == 4
    assert min(ratings[12_500:]) == 7
    assert len(loaded(load_imdb_text, "unsup")) == 50_000
