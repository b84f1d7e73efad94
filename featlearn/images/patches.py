"""Patches of images: every one in order, or a random sample, of any place or of some places through all images.

An image (H, W, c) has (H - ph + 1) (W - pw + 1) patches of ph x pw; a patch is ph * pw * c numbers, row by row,
channels last.
"""

import numpy as np
from sklearn.utils.random import sample_without_replacement

from featlearn.kernels.encode import map_size
from featlearn.threads import as_float, blocks


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
    height, width = map_size(images.shape[1], images.shape[2], patch, 1)
    total = len(images) * height * width
    chosen = np.sort(sample_without_replacement(total, n, random_state=random_state))
    image, place = np.divmod(chosen, height * width)
    top, left = np.divmod(place, width)
    out = np.empty((n, patch[0] * patch[1] * images.shape[3]), dtype=as_float(images[:0]).dtype)
    windows = np.lib.stride_tricks.sliding_window_view(images, patch, axis=(1, 2))
    for start in range(0, n, 1 << 16):  # in parts, so that a memmap of images is never copied whole
        part = slice(start, start + (1 << 16))
        picked = windows[image[part], top[part], left[part]]
        out[part] = np.moveaxis(picked, 1, 3).reshape(len(picked), -1)
    return out


def sample_sequences(images: np.ndarray, patch: tuple[int, int], n: int, random_state) -> np.ndarray:
    """The patches at ``n`` different places, drawn at random, of all images (m, H, W, c): (n, m, ph * pw * c)."""
    height, width = map_size(images.shape[1], images.shape[2], patch, 1)
    top, left = np.divmod(np.sort(sample_without_replacement(height * width, n, random_state=random_state)), width)
    out = np.empty((n, len(images), patch[0] * patch[1] * images.shape[3]), dtype=as_float(images[:0]).dtype)
    windows = np.lib.stride_tricks.sliding_window_view(images, patch, axis=(1, 2))
    for part in blocks(len(images), max(1, (1 << 16) // n)):  # a memmap of images is never copied whole
        picked = windows[part, top, left]  # images, places, c, ph, pw
        out[:, part] = np.moveaxis(picked, 2, 4).reshape(len(picked), n, -1).swapaxes(0, 1)
    return out
