"""MNIST and Fashion-MNIST, from their official IDX files.

An IDX file holds a magic number (0x0800 + number of axes, for bytes), the length of each axis as a big-endian 32-bit
integer, and the bytes in row-major order.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from featlearn.datasets._store import Archive, Catalog, Member, check_subset, ensure, get_data_home, read_verified

IMAGES = {"train": "train-images-idx3-ubyte", "test": "t10k-images-idx3-ubyte"}
LABELS = {"train": "train-labels-idx1-ubyte", "test": "t10k-labels-idx1-ubyte"}
# The files of both, and their sizes unpacked.
SIZES = {IMAGES["train"]: 47_040_016, LABELS["train"]: 60_008, IMAGES["test"]: 7_840_016, LABELS["test"]: 10_008}


def _idx_catalog(title: str, folder: str, url: str, *sha256: str) -> Catalog:
    """A catalog of gzipped IDX files; of each in turn the SHA-256 unpacked, and that of the official .gz."""
    files = zip(SIZES.items(), sha256[0::2], sha256[1::2], strict=True)
    return Catalog(
        title,
        tuple(
            Archive(f"{url}/{name}.gz", zipped, (Member(f"{folder}/{name}", size, plain),))
            for (name, size), plain, zipped in files
        ),
    )


MNIST = _idx_catalog(
    "MNIST",
    "mnist",
    "https://ossci-datasets.s3.amazonaws.com/mnist",
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
)

FASHION_MNIST = _idx_catalog(
    "Fashion-MNIST",
    "fashion-mnist",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
    "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
)

_MNIST_DESCR = """MNIST: 70,000 gray images (28 x 28) of handwritten digits, 60,000 for training and 10,000 for testing.

Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition", 1998."""

_FASHION_DESCR = """Fashion-MNIST: 70,000 gray images (28 x 28) of clothing, 60,000 for training and 10,000 for testing.

H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms",
arXiv:1708.07747, 2017. MIT license."""

_FASHION_NAMES = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
]


def parse_idx(content: bytes, where: str = "the file") -> np.ndarray:
    """The array of bytes in an IDX file; a ValueError names what does not fit the format."""
    n_axes = content[3] if len(content) >= 4 and content[:3] == b"\x00\x00\x08" else 0
    if not n_axes or len(content) < 4 + 4 * n_axes:
        raise ValueError(f"{where} is no IDX file of bytes: it begins with {content[:4].hex() or 'nothing'}.")
    shape = tuple(np.frombuffer(content, ">u4", n_axes, 4).tolist())
    if len(content) - 4 - 4 * n_axes != np.prod(shape):
        raise ValueError(f"{where} holds {len(content) - 4 - 4 * n_axes:,} values; its header announces {shape}.")
    return np.frombuffer(content, np.uint8, offset=4 + 4 * n_axes).reshape(shape)


def load_idx(
    catalog: Catalog,
    subset: str,
    home: Path,
    *,
    download: bool = True,
    downloader: Callable[[str, Any, Any], None] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 28, 28) uint8 and labels (n,) int64 of a catalog of IDX files."""
    folder = catalog.archives[0].members[0].path.rsplit("/", 1)[0]
    parts = ["train", "test"] if subset == "all" else [subset]
    paths = [f"{folder}/{names[part]}" for part in parts for names in (IMAGES, LABELS)]
    ensure(catalog, paths, home, download=download, downloader=downloader)
    arrays = [parse_idx(read_verified(catalog.member(path), home), path) for path in paths]
    # A fresh array, because one over bytes is read-only.
    return np.concatenate(arrays[0::2]), np.concatenate(arrays[1::2]).astype(np.int64)


def fetch_mnist(
    *,
    subset: str = "train",
    data_home: str | os.PathLike | None = None,
    download_if_missing: bool = True,
    return_X_y: bool = False,
) -> Any:
    """Load MNIST: 28 x 28 gray images of handwritten digits.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        60,000 training images, 10,000 test images, or both in this order.
    data_home : path or None, default=None
        Folder that holds ``mnist/``; None takes the environment variable ``FEATLEARN_DATA``, or else the user's cache
        folder.
    download_if_missing : bool, default=True
        Whether to download the official files if they are not there.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    mnist : sklearn.utils.Bunch or tuple
        ``data`` uint8 array (n, 28, 28), ``target`` int64 array (n,), ``target_names`` list of str, ``DESCR`` str.

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
    >>> from featlearn.datasets import fetch_mnist
    >>> X, y = fetch_mnist(subset="test", return_X_y=True)  # doctest: +SKIP
    >>> X.shape, y.shape  # doctest: +SKIP
    ((10000, 28, 28), (10000,))
    """
    check_subset("fetch_mnist", subset)
    data, target = load_idx(MNIST, subset, get_data_home(data_home), download=download_if_missing)
    if return_X_y:
        return data, target
    return Bunch(data=data, target=target, target_names=[str(i) for i in range(10)], DESCR=_MNIST_DESCR)


def fetch_fashion_mnist(
    *,
    subset: str = "train",
    data_home: str | os.PathLike | None = None,
    download_if_missing: bool = True,
    return_X_y: bool = False,
) -> Any:
    """Load Fashion-MNIST: 28 x 28 gray images of clothing.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        60,000 training images, 10,000 test images, or both in this order.
    data_home : path or None, default=None
        Folder that holds ``fashion-mnist/``; None takes the environment variable ``FEATLEARN_DATA``, or else the
        user's cache folder.
    download_if_missing : bool, default=True
        Whether to download the official files if they are not there.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    fashion : sklearn.utils.Bunch or tuple
        ``data`` uint8 array (n, 28, 28), ``target`` int64 array (n,), ``target_names`` list of str, ``DESCR`` str.

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
    >>> from featlearn.datasets import fetch_fashion_mnist
    >>> fetch_fashion_mnist(subset="test").target_names[9]  # doctest: +SKIP
    'Ankle boot'
    """
    check_subset("fetch_fashion_mnist", subset)
    data, target = load_idx(FASHION_MNIST, subset, get_data_home(data_home), download=download_if_missing)
    if return_X_y:
        return data, target
    return Bunch(data=data, target=target, target_names=list(_FASHION_NAMES), DESCR=_FASHION_DESCR)
