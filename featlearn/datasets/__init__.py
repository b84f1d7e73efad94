"""Loaders of real data: official archives with checksums and a cache, bundled photographs, one's own pictures."""

from featlearn.datasets._cifar import fetch_cifar10
from featlearn.datasets._mnist import fetch_fashion_mnist, fetch_mnist
from featlearn.datasets._photos import load_photo_patches
from featlearn.datasets._pictures import load_images
from featlearn.datasets._store import DatasetCorruptError, DatasetNotFoundError, get_data_home
from featlearn.datasets._text import load_20newsgroups, load_ap, load_imdb_text
from featlearn.datasets._trees import load_craft, load_treebank, stream_craft, stream_treebank

__all__ = [
    "DatasetCorruptError",
    "DatasetNotFoundError",
    "fetch_cifar10",
    "fetch_fashion_mnist",
    "fetch_mnist",
    "get_data_home",
    "load_20newsgroups",
    "load_ap",
    "load_craft",
    "load_images",
    "load_imdb_text",
    "load_photo_patches",
    "load_treebank",
    "stream_craft",
    "stream_treebank",
]
