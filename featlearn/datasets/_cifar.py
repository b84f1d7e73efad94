"""CIFAR-10, from its official binary batches.

A record is 1 byte of label and 3,072 bytes of pixels: the red, the green and the blue plane, each 32 x 32 by rows.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from featlearn.datasets._store import Archive, Catalog, Member, check_subset, ensure, get_data_home, read_verified

RECORD = 1 + 3 * 32 * 32
BATCHES = {
    "train": [f"cifar-10-batches-bin/data_batch_{i}.bin" for i in range(1, 6)],
    "test": ["cifar-10-batches-bin/test_batch.bin"],
}
BATCHES["all"] = BATCHES["train"] + BATCHES["test"]

CIFAR10 = Catalog(
    "CIFAR-10",
    (
        Archive(
            "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            tuple(
                Member(path, 10_000 * RECORD, sha256)
                for path, sha256 in zip(
                    BATCHES["all"],
                    (
                        "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
                        "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
                        "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
                        "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
                        "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
                        "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
                    ),
                    strict=True,
                )
            ),
        ),
    ),
)

_DESCR = """CIFAR-10: 60,000 color images (32 x 32) in 10 classes, 50,000 for training and 10,000 for testing.

A. Krizhevsky, "Learning multiple layers of features from tiny images", technical report, University of Toronto, 2009.
Please cite it where the data are used."""

_NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def parse_batch(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 32, 32, 3) and labels (n,) of a batch, both uint8."""
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD)
    return records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), records[:, 0]


def load_cifar(
    catalog: Catalog,
    subset: str,
    home: Path,
    *,
    download: bool = True,
    downloader: Callable[[str, Any, Any], None] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 32, 32, 3) uint8 and labels (n,) int64 of a catalog of binary batches."""
    paths = BATCHES[subset]
    ensure(catalog, paths, home, download=download, downloader=downloader)
    members = [catalog.member(path) for path in paths]
    n = sum(member.size for member in members) // RECORD
    data, target = np.empty((n, 32, 32, 3), np.uint8), np.empty(n, np.int64)
    start = 0
    for member in members:  # one batch in memory at a time
        images, labels = parse_batch(read_verified(member, home))
        rows = slice(start, start := start + len(labels))
        data[rows], target[rows] = images, labels
    return data, target


def fetch_cifar10(
    *,
    subset: str = "train",
    data_home: str | os.PathLike | None = None,
    download_if_missing: bool = True,
    return_X_y: bool = False,
) -> Any:
    """Load CIFAR-10: 32 x 32 color images in 10 classes.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        50,000 training images, 10,000 test images, or both in this order.
    data_home : path or None, default=None
        Folder that holds ``cifar-10-batches-bin/``; None takes the environment variable ``FEATLEARN_DATA``, or else
        the user's cache folder.
    download_if_missing : bool, default=True
        Whether to download the official archive (170 MB) if files are not there.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    cifar10 : sklearn.utils.Bunch or tuple
        ``data`` uint8 array (n, 32, 32, 3) with the channels last, ``target`` int64 array (n,), ``target_names`` list
        of str, ``DESCR`` str.

    Raises
    ------
    DatasetNotFoundError
        If files are missing and cannot be downloaded; says what to put where.
    DatasetCorruptError
        If a file is truncated or altered.
    ValueError
        If ``subset`` is unknown.

    Examples
    --------
    >>> from featlearn.datasets import fetch_cifar10
    >>> X, y = fetch_cifar10(subset="test", return_X_y=True)  # doctest: +SKIP
    >>> X.shape, y.shape  # doctest: +SKIP
    ((10000, 32, 32, 3), (10000,))
    """
    check_subset("fetch_cifar10", subset)
    data, target = load_cifar(CIFAR10, subset, get_data_home(data_home), download=download_if_missing)
    if return_X_y:
        return data, target
    return Bunch(data=data, target=target, target_names=list(_NAMES), DESCR=_DESCR)
