"""Patches of images: every one in order, or a random sample, of single ones or of runs in time.

An image (H, W, c) has (H - ph + 1) (W - pw + 1) patches of ph x pw; a patch is ph * pw * c numbers, row by row,
channels last.
"""

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.random import sample_without_replacement

from featlearn.arrays import as_float, blocks
from featlearn.kernels.encoding.encode import map_size


def pad_images(images: np.ndarray, pad: int) -> np.ndarray:
    """Images (n, H, W, c) with so many rows and columns of zeros around each."""
    return np.pad(images, ((0, 0), (pad, pad), (pad, pad), (0, 0))) if pad else images


def extract_patches(images: np.ndarray, patch: tuple[int, int], stride: int = 1) -> np.ndarray:
    """Every patch of images (n, H, W, c), as an array (n, map height, map width, ph * pw * c)."""
    windows = np.lib.stride_tricks.sliding_window_view(images, patch, axis=(1, 2))[:, ::stride, ::stride]
    n, height, width = windows.shape[:3]
    return np.moveaxis(windows, 3, 5).reshape(n, height, width, -1)


def count_patches(images: np.ndarray, patch: tuple[int, int]) -> int:
    """Number of patches in images (n, H, W, c), at stride 1."""
    height, width = map_size(images.shape[1], images.shape[2], patch, 1)
    return len(images) * height * width


def sample_patches(images: np.ndarray, patch: tuple[int, int], n: int, random_state) -> np.ndarray:
    """``n`` different patches (n, ph * pw * c) of images (n_images, H, W, c), at random, in order of the images."""
    places = count_patches(images[:1], patch)
    chosen = np.sort(sample_without_replacement(len(images) * places, n, random_state=random_state))
    return _cut(images, patch, *np.divmod(chosen, places))


def sample_runs(
    images: np.ndarray, patch: tuple[int, int], n: int, length: int, films: np.ndarray, random_state
) -> tuple[np.ndarray, np.ndarray]:
    """About ``n`` patches (m, ph * pw * c) in order of time, and for each the number of its run (m,).

    A run is the patch at one place of ``length`` consecutive images of a film. They are drawn at random, each once, as
    many at one place as at another and spread over time there. Where ``n`` patches are all there are, each place and
    film is one run. ``films`` (n_images,) tells images apart.
    """
    places = count_patches(images[:1], patch)
    order = np.argsort(films, kind="stable")
    films = films[order]
    if n >= len(images) * places:
        place, time = np.divmod(np.arange(len(images) * places), len(images))
        return _cut(images, patch, order[time], place), place * len(images) + np.searchsorted(films, films[time])
    starts = np.flatnonzero(films[: len(films) - length + 1] == films[length - 1 :])
    n_runs = min(max(1, n // length), len(starts) * places)
    rng = check_random_state(random_state)
    runs = np.full(places, n_runs // places)
    runs[rng.permutation(places)[: n_runs % places]] += 1
    place = np.repeat(np.arange(places), runs)
    of_place = np.arange(n_runs) - np.repeat(np.cumsum(runs) - runs, runs)  # 0, 1, ... at each place
    low, high = (k * len(starts) // runs[place] for k in (of_place, of_place + 1))
    first = starts[low + (rng.random_sample(n_runs) * (high - low)).astype(np.int64)]
    time = first[:, None] + np.arange(length)
    return _cut(images, patch, order[time.ravel()], np.repeat(place, length)), np.repeat(np.arange(n_runs), length)


def _cut(images, patch, image, place):
    """The patches (m, ph * pw * c) at a place (m,), counted row by row, of an image (m,)."""
    top, left = np.divmod(place, map_size(images.shape[1], images.shape[2], patch, 1)[1])
    out = np.empty((len(image), patch[0] * patch[1] * images.shape[3]), dtype=as_float(images[:0]).dtype)
    windows = np.lib.stride_tricks.sliding_window_view(images, patch, axis=(1, 2))
    for part in blocks(len(image), 1 << 16):  # so that a memmap of images is never copied whole
        picked = windows[image[part], top[part], left[part]]
        out[part] = np.moveaxis(picked, 1, 3).reshape(len(picked), -1)
    return out
