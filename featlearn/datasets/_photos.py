"""Natural-image patches without a download: out of the two photographs that come with scikit-learn."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.utils import check_random_state

from featlearn.validation import boolean, check_argument, integer

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601: how bright red, green and blue look
HEIGHT = 427  # of both photographs; they are 640 wide


def load_photo_patches(
    n_patches: int = 10_000,
    patch_size: int = 12,
    *,
    gray: bool = True,
    random_state: int | np.random.RandomState | None = None,
) -> np.ndarray:
    """Cut patches at random places out of scikit-learn's two photographs (a temple and a flower).

    Parameters
    ----------
    n_patches : int, default=10_000
        Number of patches.
    patch_size : int, default=12
        Height and width of a patch, at most 427.
    gray : bool, default=True
        Whether to return brightness instead of red, green and blue.
    random_state : int, RandomState or None, default=None
        Decides where the patches are cut.

    Returns
    -------
    patches : float32 array (n_patches, patch_size, patch_size) or (n_patches, patch_size, patch_size, 3)
        Pixels from 0 to 255, channels last.

    Raises
    ------
    ValueError
        If a parameter is out of range.
    ImportError
        If pillow, which reads the photographs, is not installed.

    Examples
    --------
    >>> from featlearn.datasets import load_photo_patches
    >>> load_photo_patches(100, 8, random_state=0).shape
    (100, 8, 8)
    """
    check_argument("load_photo_patches", "n_patches", n_patches, integer(1))
    check_argument("load_photo_patches", "patch_size", patch_size, integer(1, HEIGHT))
    check_argument("load_photo_patches", "gray", gray, boolean())
    rng = check_random_state(random_state)
    photos = _photos(gray)
    which = rng.randint(len(photos), size=n_patches)
    patches = np.empty((n_patches, patch_size, patch_size, *photos[0].shape[2:]), dtype=np.float32)
    for i, photo in enumerate(photos):
        windows = sliding_window_view(photo, (patch_size, patch_size), axis=(0, 1))  # rows, columns[, 3], p, p
        chosen = np.flatnonzero(which == i)
        top = rng.randint(windows.shape[0], size=len(chosen))
        left = rng.randint(windows.shape[1], size=len(chosen))
        cut = windows[top, left]
        patches[chosen] = cut if gray else np.moveaxis(cut, 1, -1)
    return patches


def _photos(gray: bool) -> list[np.ndarray]:
    """Both photographs as float32: (427, 640) if gray, otherwise (427, 640, 3)."""
    from sklearn.datasets import load_sample_images

    try:
        images = load_sample_images().images
    except ImportError as error:
        raise ImportError(
            "load_photo_patches reads scikit-learn's two photographs, which are JPEG files, and pillow is not "
            "installed: pip install pillow (it also comes with pip install 'featlearn[plot]')."
        ) from error
    photos = [image.astype(np.float32) for image in images]
    return [photo @ LUMA for photo in photos] if gray else photos
