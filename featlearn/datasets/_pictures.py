"""A folder of one's own pictures as one array: each subfolder is a class."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from featlearn.datasets._store import DatasetCorruptError, DatasetNotFoundError
from featlearn.images.maps import axes_rule, pair
from featlearn.notices import notify
from featlearn.threads import map_in_order, n_threads
from featlearn.validation import boolean, check_argument, either, integer, one_of, optional

LITTER = {"thumbs.db", "desktop.ini"}  # beside hidden files, what systems leave in folders
DEEP = 257  # 65,535 / 255: from 16 bits to 8


def load_images(
    folder: str | os.PathLike,
    *,
    size: int | tuple[int, int] | None = None,
    resize: str = "crop",
    gray: bool = False,
    on_error: str = "raise",
    return_X_y: bool = False,
) -> Any:
    """Read a folder of pictures, all of one size, with its subfolders as classes.

    Parameters
    ----------
    folder : path
        Each subfolder is a class and holds pictures, at any depth; names that begin with a dot are passed over. Without
        subfolders the pictures have no classes.
    size : int or (height, width) or None, default=None
        What pictures are resized to, one number for a square. None leaves them as they are; then all must be alike.
    resize : {"crop", "squash"}, default="crop"
        "crop" keeps the proportions and cuts off what is too much at both sides; "squash" keeps the whole picture and
        changes its proportions. Both average over the pixels they leave out (bicubic).
    gray : bool, default=False
        Whether to return brightness instead of red, green and blue.
    on_error : {"raise", "skip"}, default="raise"
        What to do about a picture that cannot be read: stop, naming it, or leave it out and count it in a warning.
    return_X_y : bool, default=False
        Whether to return ``(images, target)`` instead of a Bunch.

    Returns
    -------
    pictures : sklearn.utils.Bunch or tuple
        ``images`` uint8 array (n, height, width, 3), or (n, height, width) if gray; ``target`` int64 array (n,), or
        None without subfolders; ``target_names`` list of str, the subfolders in alphabetical order; ``filenames`` list
        of str, in the order of the images: by class, then by name; ``skipped`` list of str, the files left out;
        ``DESCR`` str.

    Raises
    ------
    DatasetNotFoundError
        If there is no such folder.
    DatasetCorruptError
        If a picture cannot be read; the message names it.
    ValueError
        If the folder holds no picture, pictures differ in size and ``size`` is None, pictures lie beside the class
        folders, or a parameter is not valid.
    ImportError
        If pillow is not installed.

    Warns
    -----
    UserWarning
        If files were left out, or only the first frame of a film taken.

    Notes
    -----
    Pictures are turned as their EXIF data say, transparent ones are laid on white, and 16 bits become 8.

    Examples
    --------
    >>> from featlearn.datasets import load_images
    >>> pictures = load_images("holidays", size=64)  # doctest: +SKIP
    >>> pictures.images.shape, pictures.target_names  # doctest: +SKIP
    ((120, 64, 64, 3), ['beach', 'mountains'])
    """
    who = "load_images"
    path_like = isinstance(folder, (str, os.PathLike))
    check_argument(who, "folder", folder, lambda _: None if path_like else "the path of a folder")
    check_argument(who, "size", size, optional(either(integer(1), axes_rule(2))))
    check_argument(who, "resize", resize, one_of("crop", "squash"))
    check_argument(who, "gray", gray, boolean())
    check_argument(who, "on_error", on_error, one_of("raise", "skip"))
    check_argument(who, "return_X_y", return_X_y, boolean())
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            "load_images reads pictures with pillow, which is not installed: pip install pillow (it also comes with "
            "pip install 'featlearn[plot]')."
        ) from error
    root = Path(folder).expanduser()
    readable = {suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    paths, other = _listed(root, readable)
    classes = _classes(root, paths)
    shape = None if size is None else pair(size)

    def read(path):
        try:
            return _read(path, shape, resize, gray)
        except MemoryError:
            raise
        except Exception as error:  # pillow's readers fail in many ways: OSError, SyntaxError, ValueError, struct.error
            return f"{type(error).__name__}: {error}"

    images: Any = None
    kept, broken, films, shapes = [], [], [], Counter()  # type: ignore[var-annotated]
    for path, found in zip(paths, map_in_order(read, paths, n_threads()), strict=True):
        if isinstance(found, str):
            if on_error == "raise":
                raise DatasetCorruptError(
                    f"load_images cannot read the picture {path} ({found}). Mend or remove the file, or pass "
                    'on_error="skip".'
                )
            broken.append(path)
            continue
        pixels, frames = found
        if frames > 1:
            films.append(path)
        shapes[pixels.shape] += 1
        if images is None:
            images = np.empty((len(paths), *pixels.shape), np.uint8)
        if len(shapes) == 1:
            images[len(kept)] = pixels
        kept.append(path)
    if len(shapes) > 1:
        sizes = ", ".join(f"{h} x {w} ({count})" for (h, w, *_), count in shapes.most_common(4))
        more = f" and {len(shapes) - 4} more" if len(shapes) > 4 else ""
        raise ValueError(
            f"load_images: the {len(kept)} pictures under {root} differ in size (height x width): {sizes}{more}. Pass "
            "size=(height, width) to resize them, such as size=64."
        )
    if images is None:
        raise ValueError(f"load_images could read none of the {len(paths)} pictures under {root}, {paths[0]} to begin.")
    _tell(root, other, broken, films)
    images = images[: len(kept)]
    names = sorted(set(classes.values()))
    number = {name: i for i, name in enumerate(names)}
    target = np.array([number[classes[path]] for path in kept], np.int64) if names else None
    if return_X_y:
        return images, target
    return Bunch(
        images=images,
        target=target,
        target_names=names,
        filenames=[str(path) for path in kept],
        skipped=[str(path) for path in sorted(other + broken)],
        DESCR=f"{len(images)} pictures in {len(names)} classes, read from {root}.",
    )


def _listed(root, readable):
    """Pictures below a folder and files that are none, both in order, hidden ones left out."""
    if not root.exists():
        raise DatasetNotFoundError(f"load_images: there is no folder {root}. Pass the folder that holds the pictures.")
    if not root.is_dir():
        raise ValueError(f"load_images: {root} is a file. Pass the folder that holds the pictures.")
    pictures: list[Path] = []
    other: list[Path] = []
    for place, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        for name in files:
            if not name.startswith(".") and name.lower() not in LITTER:
                path = Path(place, name)
                (pictures if path.suffix.lower() in readable else other).append(path)
    if not pictures:
        raise ValueError(
            f"load_images: the folder {root} holds no picture{_kinds(other)}. Pass a folder with a subfolder of "
            "pictures (png, jpg, ...) for each class."
        )
    return sorted(pictures, key=lambda path: path.relative_to(root).parts), sorted(other)


def _kinds(paths):
    """What kinds of files these are, in words."""
    counts = Counter(path.suffix.lower() or path.name for path in paths).most_common(4)
    return ", only " + ", ".join(f"{count} {suffix}" for suffix, count in counts) if counts else ""


def _classes(root, paths):
    """The class of each picture, the name of its first folder; nothing where no picture lies in a folder."""
    parts = {path: path.relative_to(root).parts for path in paths}
    loose = [path for path in paths if len(parts[path]) == 1]
    if loose and len(loose) < len(paths):
        raise ValueError(
            f"load_images: {len(loose)} of {len(paths)} pictures lie beside the class folders of {root}, "
            f"{loose[0].name} among them, and so have no class. Move them into a folder."
        )
    return {} if loose else {path: parts[path][0] for path in paths}


def _read(path, shape, resize, gray):
    """Pixels (height, width[, 3]) of a file, and the number of its frames."""
    from PIL import Image, ImageOps

    with Image.open(path) as file:
        frames = getattr(file, "n_frames", 1)
        image = ImageOps.exif_transpose(file)
        if image.mode.startswith("I") or image.mode == "F":
            image = Image.fromarray(_eight_bits(np.asarray(image)))
        if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = image.convert("RGB")
        if gray:
            image = image.convert("L")
    if shape is not None:
        wanted, how = shape[::-1], Image.Resampling.BICUBIC
        image = ImageOps.fit(image, wanted, how) if resize == "crop" else image.resize(wanted, how)
    return np.asarray(image, np.uint8), frames


def _eight_bits(pixels):
    """Gray pixels of 16 bits as bytes."""
    if pixels.dtype.kind == "f" or pixels.min() < 0 or pixels.max() >= 1 << 16:
        raise ValueError(f"{pixels.dtype} pixels from {pixels.min()} to {pixels.max()} have no known white")
    return (pixels // DEEP).astype(np.uint8)


def _tell(root, other, broken, films):
    """One warning about all that is not as it was."""
    told = [
        f"{what}: {len(files)} ({files[0].name}{', ...' if len(files) > 1 else ''})"
        for what, files in (
            ("left out, for pillow reads no such files", other),
            ("left out, for they cannot be read", broken),
            ("only the first of several frames taken", films),
        )
        if files
    ]
    if told:
        notify(f"load_images: under {root}, {'; '.join(told)}. What was left out is listed in `skipped`.")
