"""The store with tiny data sets: checksums, archives, downloads that fail, and what the messages say.

Also tests featlearn.datasets._cifar and featlearn.datasets._mnist.
"""

import gzip
import hashlib
import io
import re
import shutil
import struct
import tarfile
from dataclasses import replace

import numpy as np
import pytest
import requests

from featlearn.datasets import DatasetCorruptError, DatasetNotFoundError, fetch_mnist, get_data_home
from featlearn.datasets._cifar import CIFAR10, load_cifar
from featlearn.datasets._mnist import FASHION_MNIST, MNIST, load_idx, parse_idx
from featlearn.datasets._store import Archive, Catalog, Member


def idx(array):
    """The bytes of an IDX file, written out here from the format's description."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def sha(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def tiny():
    """A catalog of tiny IDX files, their arrays, and the gzipped archives by URL."""
    rng = np.random.default_rng(0)
    arrays = {
        "train-images-idx3-ubyte": rng.integers(0, 256, (7, 28, 28)),
        "train-labels-idx1-ubyte": rng.integers(0, 10, 7),
        "t10k-images-idx3-ubyte": rng.integers(0, 256, (3, 28, 28)),
        "t10k-labels-idx1-ubyte": rng.integers(0, 10, 3),
    }
    archives, web = [], {}
    for name, array in arrays.items():
        content = idx(array)
        url = f"https://example.org/tiny/{name}.gz"
        web[url] = gzip.compress(content)
        archives.append(Archive(url, sha(web[url]), (Member(f"tiny/{name}", len(content), sha(content)),)))
    return Catalog("Tiny", tuple(archives)), arrays, web


@pytest.fixture
def tiny_cifar():
    """CIFAR-10's catalog with two records a batch, the records, and the archive by URL."""
    rng = np.random.default_rng(1)
    (archive,) = CIFAR10.archives
    records, members, buffer = {}, [], io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for member in archive.members:
            record = rng.integers(0, 256, (2, 3073), dtype=np.uint8)
            record[:, 0] %= 10
            records[member.path] = record
            members.append(Member(member.path, record.size, sha(record.tobytes())))
            entry = tarfile.TarInfo(member.path)
            entry.size = record.size
            tar.addfile(entry, io.BytesIO(record.tobytes()))
    packed = buffer.getvalue()
    return Catalog("CIFAR-10", (replace(archive, sha256=sha(packed), members=tuple(members)),)), records, packed


def put(home, catalog, web):
    for archive in catalog.archives:
        path = home / archive.members[0].path
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.decompress(web[archive.url]))


def serve(web, asked):
    """A downloader for pooch that answers from a dict and notes what it was asked for."""

    def downloader(url, output_file, pooch):
        asked.append(url)
        with open(output_file, "wb") as file:
            file.write(web[url])

    return downloader


def no_network(url, output_file, pooch):
    raise requests.exceptions.ConnectionError("no route to host")


def files(home):
    return sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file())


@pytest.mark.parametrize(("subset", "parts"), [("train", ["train"]), ("test", ["t10k"]), ("all", ["train", "t10k"])])
@pytest.mark.parametrize("zipped", [False, True])
def test_idx_files_are_read_plain_or_gzipped(tmp_path, tiny, subset, parts, zipped):
    catalog, arrays, web = tiny
    put(tmp_path, catalog, web)
    if zipped:  # not the official gzip file: only the content counts
        for path in (tmp_path / "tiny").iterdir():
            path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes(), compresslevel=1, mtime=1))
            path.unlink()
    images, labels = load_idx(catalog, subset, tmp_path, download=False)
    assert images.dtype == np.uint8
    assert labels.dtype == np.int64
    assert images.flags.writeable
    np.testing.assert_array_equal(images, np.concatenate([arrays[f"{p}-images-idx3-ubyte"] for p in parts]))
    np.testing.assert_array_equal(labels, np.concatenate([arrays[f"{p}-labels-idx1-ubyte"] for p in parts]))


def test_a_subset_needs_its_own_files_only(tmp_path, tiny):
    catalog, _, web = tiny
    put(tmp_path, catalog, web)
    for path in (tmp_path / "tiny").glob("train*"):
        path.unlink()
    assert len(load_idx(catalog, "test", tmp_path, download=False)[0]) == 3
    with pytest.raises(DatasetNotFoundError):
        load_idx(catalog, "all", tmp_path, download=False)


def test_cifar_keeps_planes_rows_and_batch_order(tmp_path, tiny_cifar):
    catalog, records, _ = tiny_cifar
    (tmp_path / "cifar-10-batches-bin").mkdir()
    for path, record in records.items():
        (tmp_path / path).write_bytes(record.tobytes())
    for subset, batches in (("train", range(5)), ("test", [5]), ("all", range(6))):
        images, labels = load_cifar(catalog, subset, tmp_path, download=False)
        names = [f"data_batch_{i + 1}" if i < 5 else "test_batch" for i in batches]
        expected = np.concatenate([records[f"cifar-10-batches-bin/{name}.bin"] for name in names])
        np.testing.assert_array_equal(labels, expected[:, 0])
        assert images.shape == (len(expected), 32, 32, 3)
        for n, row, column, channel in ((0, 0, 0, 0), (1, 31, 2, 1), (1, 5, 30, 2)):  # each by its byte offset
            assert images[n, row, column, channel] == expected[n, 1 + 1024 * channel + 32 * row + column]


@pytest.mark.parametrize(
    ("spoil", "word"),
    [(lambda c: c[:-1], "truncated"), (lambda c: c + b"x", "altered"), (lambda c: c[:-1] + b"\xff", "altered")],
    ids=["truncated", "longer", "altered"],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_a_spoiled_file_is_named_and_refused(tmp_path, tiny, spoil, word, zipped):
    catalog, _, web = tiny
    put(tmp_path, catalog, web)
    path = tmp_path / "tiny" / "train-labels-idx1-ubyte"
    content = spoil(path.read_bytes())
    if zipped:
        path.unlink()
        path = path.with_name(path.name + ".gz")
        content = gzip.compress(content)
    path.write_bytes(content)
    asked = []
    with pytest.raises(DatasetCorruptError, match=rf"{re.escape(str(path))} is {word}"):
        load_idx(catalog, "train", tmp_path, downloader=serve(web, asked))
    assert path.read_bytes() == content, "a file of the user's was overwritten"
    assert not asked


def test_a_truncated_gzip_file_is_named_and_refused(tmp_path, tiny):
    catalog, _, web = tiny
    put(tmp_path, catalog, web)
    path = tmp_path / "tiny" / "t10k-images-idx3-ubyte"
    zipped = gzip.compress(path.read_bytes())
    path.unlink()
    for broken in (zipped[:-20], b"not gzip at all", zipped[:50] + b"\0" * 40 + zipped[90:]):
        path.with_name(path.name + ".gz").write_bytes(broken)
        with pytest.raises(DatasetCorruptError, match=r"t10k-images-idx3-ubyte\.gz is (truncated or )?altered"):
            load_idx(catalog, "test", tmp_path)


def test_missing_files_are_downloaded_once(tmp_path, tiny):
    catalog, arrays, web = tiny
    asked = []
    images, _ = load_idx(catalog, "train", tmp_path, downloader=serve(web, asked))
    np.testing.assert_array_equal(images, arrays["train-images-idx3-ubyte"])
    assert [url.rsplit("/")[-1] for url in asked] == ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"]
    assert files(tmp_path) == ["tiny/train-images-idx3-ubyte.gz", "tiny/train-labels-idx1-ubyte.gz"]
    load_idx(catalog, "train", tmp_path, downloader=no_network)


def test_a_tar_is_unpacked_and_only_the_batches_stay(tmp_path, tiny_cifar):
    catalog, records, packed = tiny_cifar
    url, asked = catalog.archives[0].url, []
    (tmp_path / "cifar-10-batches-bin").mkdir()
    (tmp_path / "cifar-10-batches-bin/data_batch_2.bin").write_bytes(
        records["cifar-10-batches-bin/data_batch_2.bin"].tobytes()
    )
    _, labels = load_cifar(catalog, "all", tmp_path, downloader=serve({url: packed}, asked))
    np.testing.assert_array_equal(labels, np.concatenate(list(records.values()))[:, 0])
    assert asked == [url]
    assert files(tmp_path) == sorted(records)


@pytest.mark.parametrize("kind", ["no network", "truncated", "altered"])
def test_a_failed_download_leaves_nothing_and_says_what_to_put_where(tmp_path, tiny, tiny_cifar, kind, monkeypatch):
    monkeypatch.setenv("FEATLEARN_DATA", "/somewhere/else")

    def broken(url, output_file, pooch):
        if kind == "no network":
            with open(output_file, "wb") as file:
                file.write(b"half of it")
            raise requests.exceptions.ConnectionError("no route to host")
        content = {**tiny[2], tiny_cifar[0].archives[0].url: tiny_cifar[2]}[url]
        with open(output_file, "wb") as file:
            file.write(content[:-5] if kind == "truncated" else content[:-5] + b"\0" * 5)

    for load, catalog, folder in ((load_idx, tiny[0], "tiny"), (load_cifar, tiny_cifar[0], "cifar-10-batches-bin")):
        with pytest.raises(DatasetNotFoundError) as caught:
            load(catalog, "all", tmp_path, downloader=broken)
        message = str(caught.value)
        for archive in catalog.archives:
            assert archive.url in message
            assert all(str(tmp_path / member.path) in message for member in archive.members)
        assert "FEATLEARN_DATA (now /somewhere/else)" in message
        assert f"a folder that holds {folder}/" in message
        assert ("no route to host" if kind == "no network" else "hash") in message
    assert files(tmp_path) == []


def test_an_interrupted_download_leaves_nothing(tmp_path, tiny_cifar):
    def interrupt(url, output_file, pooch):
        with open(output_file, "wb") as file:
            file.write(b"half of it")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_cifar(tiny_cifar[0], "train", tmp_path, downloader=interrupt)
    assert files(tmp_path) == []


def test_data_home(tmp_path, monkeypatch):
    monkeypatch.setenv("FEATLEARN_DATA", str(tmp_path / "env"))
    assert get_data_home() == tmp_path / "env"
    assert get_data_home(tmp_path / "given") == tmp_path / "given"
    for absent in (True, False):
        if absent:
            monkeypatch.delenv("FEATLEARN_DATA")
        else:
            monkeypatch.setenv("FEATLEARN_DATA", "")
        assert get_data_home().name == "featlearn"
        assert get_data_home().is_absolute()


def test_public_loader_without_data(tmp_path):
    with pytest.raises(DatasetNotFoundError, match="download_if_missing=False") as caught:
        fetch_mnist(subset="test", data_home=tmp_path, download_if_missing=False)
    assert isinstance(caught.value, FileNotFoundError)
    assert "t10k-labels-idx1-ubyte.gz" in str(caught.value)
    assert "train-" not in str(caught.value)
    with pytest.raises(ValueError, match="subset='valid' is not valid; pass one of 'train', 'test', 'all'"):
        fetch_mnist(subset="valid", data_home=tmp_path)


def test_parse_idx_refuses_other_formats():
    good = idx(np.arange(6).reshape(2, 3))
    np.testing.assert_array_equal(parse_idx(good), [[0, 1, 2], [3, 4, 5]])
    for bad in (b"", b"\x00\x00\x0d\x01\x00\x00\x00\x00", b"PNG" + good, good[:6]):
        with pytest.raises(ValueError, match="no IDX file of bytes"):
            parse_idx(bad)
    with pytest.raises(ValueError, match=r"holds 5 values; its header announces \(2, 3\)"):
        parse_idx(good[:-1])


def test_official_catalogs_are_complete():
    for catalog, count, total in ((MNIST, 4, 54_950_048), (FASHION_MNIST, 4, 54_950_048), (CIFAR10, 6, 184_380_000)):
        members = [member for archive in catalog.archives for member in archive.members]
        assert len(members) == len({member.sha256 for member in members}) == count
        assert sum(member.size for member in members) == total
        assert all(re.fullmatch("[0-9a-f]{64}", thing.sha256) for thing in (*members, *catalog.archives))


def test_real_file_truncated(tmp_path, require_dataset):
    require_dataset("mnist")
    source = get_data_home() / "mnist"
    shutil.copytree(source, tmp_path / "mnist")
    path = next((tmp_path / "mnist").glob("t10k-labels*"))
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DatasetCorruptError, match="t10k-labels-idx1-ubyte"):
        fetch_mnist(subset="test", data_home=tmp_path)
