"""load_images on folders made here: classes, order, sizes, every kind of file, and what cannot be read."""

import sys

import numpy as np
import pytest
from PIL import Image
from sklearn.pipeline import make_pipeline

from featlearn import ZCA, Flatten, LinearSVM, Stage
from featlearn.datasets import DatasetCorruptError, DatasetNotFoundError, load_images

rng = np.random.default_rng(0)
PIXELS = rng.integers(0, 256, size=(12, 14, 3), dtype=np.uint8)


def save(path, pixels=PIXELS, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(path, **options)


@pytest.fixture
def folder(tmp_path):
    """Two classes of three pictures; each picture's first pixel tells which it is."""
    for c, name in enumerate(("dogs", "Cats")):
        for i in range(3):
            save(tmp_path / name / f"{3 - i}.png", np.full((10, 8, 3), 10 * c + i, np.uint8))
    return tmp_path


def test_a_subfolder_is_a_class_and_the_order_is_fixed(folder):
    pictures = load_images(folder)
    assert pictures.images.shape == (6, 10, 8, 3)
    assert pictures.images.dtype == np.uint8
    assert pictures.images[:, 0, 0, 0].tolist() == [12, 11, 10, 2, 1, 0]
    assert pictures.target.tolist() == [0, 0, 0, 1, 1, 1]
    assert pictures.target.dtype == np.int64
    assert pictures.target_names == ["Cats", "dogs"]
    assert pictures.filenames[0].endswith("/Cats/1.png")
    assert pictures.skipped == []
    X, y = load_images(str(folder), return_X_y=True)
    np.testing.assert_array_equal(X, pictures.images)
    np.testing.assert_array_equal(y, pictures.target)
    assert load_images(folder, gray=True).images.shape == (6, 10, 8)


def test_pictures_deeper_down_belong_to_the_first_folder(folder):
    save(folder / "dogs" / "old" / "more" / "0.png", np.full((10, 8, 3), 99, np.uint8))
    save(folder / "dogs" / ".thumbnails" / "0.png")
    (folder / "empty").mkdir()
    pictures = load_images(folder)
    assert pictures.target_names == ["Cats", "dogs"]
    assert (pictures.images[:, 0, 0, 0] == 99).nonzero()[0].tolist() == [6]
    assert pictures.target[6] == 1


def test_a_folder_without_subfolders_has_no_classes(folder):
    pictures = load_images(folder / "dogs")
    assert pictures.images.shape == (3, 10, 8, 3)
    assert pictures.target is None
    assert pictures.target_names == []
    save(folder / "loose.png")
    with pytest.raises(ValueError, match=r"1 of 7 pictures lie beside the class folders .*loose.png"):
        load_images(folder)


def test_different_sizes_need_a_size(folder):
    save(folder / "dogs" / "wide.png")
    with pytest.raises(ValueError, match=r"differ in size \(height x width\): 10 x 8 \(6\), 12 x 14 \(1\).*size=64"):
        load_images(folder)
    for size, shape in (
        (6, (6, 6)),
        ((5, 9), (5, 9)),
        (np.array([5, 9]), (5, 9)),
        (np.int64(6), (6, 6)),
        ([3, 4], (3, 4)),
    ):
        assert load_images(folder, size=size).images.shape == (7, *shape, 3)
        assert load_images(folder, size=size, resize="squash", gray=True).images.shape == (7, *shape)


def test_crop_keeps_proportions_and_squash_keeps_everything(tmp_path):
    stripes = np.zeros((20, 60, 3), np.uint8)
    stripes[:, 20:40] = 255  # black, white, black, each a square
    save(tmp_path / "stripes.png", stripes)
    assert load_images(tmp_path, size=20).images.min() == 255
    squashed = load_images(tmp_path, size=20, resize="squash").images[0, :, :, 0]
    assert squashed[:, 8:12].min() > 250
    assert squashed[:, :5].max() < 5
    tall = load_images(tmp_path, size=(20, 10)).images
    assert tall.shape == (1, 20, 10, 3)
    assert tall.min() == 255


def test_resizing_averages(tmp_path):
    """A fine checkerboard becomes gray, not a coarse one."""
    board = np.indices((64, 64)).sum(axis=0) % 2 * np.uint8(255)
    save(tmp_path / "board.png", board.astype(np.uint8))
    small = load_images(tmp_path, size=9, gray=True).images
    assert abs(small.astype(int) - 127).max() < 12


def test_every_kind_of_picture_becomes_bytes(tmp_path):
    wide = (PIXELS[..., 0].astype(np.uint16) << 8) | 0x7F
    kinds = {
        "a rgb.png": (Image.fromarray(PIXELS), PIXELS),
        "b gray.png": (Image.fromarray(PIXELS[..., 0]), PIXELS[..., :1].repeat(3, axis=2)),
        "c 16 bits.png": (Image.fromarray(wide), (wide // 257)[..., None].repeat(3, axis=2)),
        "d 16 bits.tif": (Image.fromarray(wide), (wide // 257)[..., None].repeat(3, axis=2)),
        "e bilevel.bmp": (
            Image.fromarray(PIXELS[..., 0] > 99),
            np.uint8(255 * (PIXELS[..., :1] > 99)).repeat(3, axis=2),
        ),
        "f palette.gif": (Image.fromarray(PIXELS // 128 * 128).quantize(8, dither=0), PIXELS // 128 * 128),
        "g ppm.ppm": (Image.fromarray(PIXELS), PIXELS),
    }
    for name, (image, _) in kinds.items():
        save(tmp_path / name, image)
    pictures = load_images(tmp_path)
    for image, (name, (_, expected)) in zip(pictures.images, kinds.items(), strict=True):
        np.testing.assert_allclose(image.astype(int), expected, atol=1, err_msg=name)


def test_what_is_transparent_is_white(tmp_path):
    for name, mode in (("rgba.png", "RGBA"), ("gray.png", "LA")):
        alpha = np.zeros((12, 14), np.uint8)
        alpha[:6] = 255
        image = Image.fromarray(PIXELS).convert(mode)
        image.putalpha(Image.fromarray(alpha))
        save(tmp_path / name, image)
    both = load_images(tmp_path).images
    assert both[:, 6:].min() == 255
    np.testing.assert_array_equal(both[1, :6], PIXELS[:6])


def test_a_picture_is_turned_as_the_camera_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # taken with the camera on its side
    save(tmp_path / "photo.png", Image.fromarray(PIXELS), exif=exif)
    np.testing.assert_array_equal(load_images(tmp_path).images[0], np.rot90(PIXELS, -1))


def test_what_is_no_picture_is_left_out_and_counted(folder):
    (folder / "dogs" / "notes.txt").write_text("two dogs")
    (folder / "dogs" / "IMG.HEIC").write_bytes(b"1234")
    (folder / "dogs" / ".DS_Store").write_bytes(b"1")
    (folder / "Thumbs.db").write_bytes(b"1")
    save(
        folder / "Cats" / "film.gif",
        Image.new("RGB", (8, 10)),
        save_all=True,
        append_images=[Image.new("RGB", (8, 10), "red")],
    )
    with pytest.warns(
        UserWarning, match=r"no such files: 2 \(IMG.HEIC, ...\); only the first of several frames taken: 1"
    ):
        pictures = load_images(folder)
    assert len(pictures.images) == 7
    assert [name.rsplit("/", 1)[1] for name in pictures.skipped] == ["IMG.HEIC", "notes.txt"]


@pytest.mark.parametrize("content", [b"", b"not a picture", None], ids=["empty", "text", "truncated"])
def test_a_broken_picture_is_named(folder, content):
    path = folder / "dogs" / "0.jpg"
    save(path)
    path.write_bytes(path.read_bytes()[:-200] if content is None else content)
    with pytest.raises(DatasetCorruptError, match=r"cannot read the picture .*dogs/0.jpg \(.*on_error=.skip"):
        load_images(folder, size=8)
    with pytest.warns(UserWarning, match=r"cannot be read: 1 \(0.jpg\)"):
        pictures = load_images(folder, size=8, on_error="skip")
    assert len(pictures.images) == len(pictures.target) == len(pictures.filenames) == 6
    assert pictures.skipped == [str(path)]


def test_float_pixels_have_no_known_white(tmp_path):
    save(tmp_path / "float.tif", Image.fromarray(np.ones((4, 4), np.float32)))
    with pytest.raises(DatasetCorruptError, match=r"float.tif .*have no known white"):
        load_images(tmp_path)
    with pytest.raises(ValueError, match="could read none of the 1 pictures"):
        load_images(tmp_path, on_error="skip")


def test_folders_that_are_none(tmp_path):
    with pytest.raises(DatasetNotFoundError, match=r"there is no folder .*nowhere"):
        load_images(tmp_path / "nowhere")
    (tmp_path / "file.txt").write_text("x")
    with pytest.raises(ValueError, match=r"file.txt is a file. Pass the folder"):
        load_images(tmp_path / "file.txt")
    with pytest.raises(ValueError, match=r"holds no picture, only 1 .txt. Pass a folder with a subfolder"):
        load_images(tmp_path)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"size": 0}, "size=0 is not valid"),
        ({"size": (1, 2, 3)}, "size="),
        ({"size": 2.5}, "size=2.5"),
        ({"resize": "pad"}, "resize='pad' is not valid; pass one of 'crop', 'squash'"),
        ({"gray": 1}, "gray=1"),
        ({"on_error": None}, "on_error=None"),
        ({"folder": None}, "folder=None is not valid; pass the path of a folder"),
        ({"folder": 3}, "folder=3"),
    ],
)
def test_bad_parameters(folder, parameters, message):
    with pytest.raises(ValueError, match=f"load_images: {message}"):
        load_images(**{"folder": folder, **parameters})
    load_images(folder, resize=np.str_("squash"), on_error=np.str_("skip"), gray=np.bool_(True))


def test_the_same_whatever_the_threads(folder, monkeypatch):
    expected = load_images(folder, size=7)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    again = load_images(folder, size=7)
    np.testing.assert_array_equal(again.images, expected.images)
    assert again.filenames == expected.filenames


def test_without_pillow(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match=r"pillow, which is not installed: pip install pillow .*featlearn\[plot\]"):
        load_images(folder)


def test_from_a_folder_to_classes(tmp_path):
    for i in range(20):
        for name, low in (("dark", 0), ("light", 120)):
            save(tmp_path / name / f"{i:02d}.png", rng.integers(low, low + 100, size=(9 + i, 12, 3), dtype=np.uint8))
    X, y = load_images(tmp_path, size=8, return_X_y=True)
    pipeline = make_pipeline(Stage(ZCA(), patch_size=3, random_state=0), Flatten(), LinearSVM())
    assert pipeline.fit(X, y).score(X, y) == 1.0
