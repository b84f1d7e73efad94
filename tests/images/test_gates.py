"""What comes in where images are asked for: the right thing in any container, and a clear word for anything else.

Also tests featlearn.images.maps.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.utils import Bunch

from featlearn import Abs, FisherVector, Flatten, LocalContrastNormalizer, MaxPool, MeanPool, Stage, ToImages
from featlearn.images.maps import as_images, check_images
from featlearn.plot import tile

rng = np.random.default_rng(0)
COLOR = rng.uniform(size=(6, 10, 12, 3))
GRAY = COLOR[..., 0]
STAGE = Stage(PCA(2), patch_size=3, random_state=0)
FISHER = FisherVector(2, patch_size=3, max_iter=1000, random_state=0)
IMAGE_GATES = pytest.mark.parametrize("estimator", [STAGE, FISHER], ids=lambda e: type(e).__name__)
ALL = [STAGE, FISHER, Abs(), MaxPool(), MeanPool(), LocalContrastNormalizer(size=3), Flatten()]
EVERY = pytest.mark.parametrize("estimator", ALL, ids=lambda e: type(e).__name__)


def pil(array):
    return [Image.fromarray(np.uint8(255 * image)) for image in array]


@EVERY
@pytest.mark.parametrize(
    "hold",
    [
        list,
        tuple,
        lambda X: X.tolist(),
        lambda X: [image.tolist() for image in X],
        lambda X: pd.Series(list(X)),
        lambda X: np.ma.masked_array(X),
        lambda X: X.astype(object),
    ],
    ids=["list", "tuple", "nested lists", "list of lists", "series", "masked", "objects"],
)
def test_images_of_one_size_in_any_container(estimator, hold):
    if estimator is ALL[-1] and hold(GRAY).__class__ in (pd.Series, np.ndarray):
        pytest.skip("Flatten reads objects as scikit-learn does")
    np.testing.assert_array_equal(estimator.fit_transform(hold(COLOR)), estimator.fit_transform(COLOR))


@EVERY
def test_pil_images_of_one_size(estimator):
    for array in (COLOR, GRAY):
        expected = estimator.fit_transform(np.uint8(255 * array))
        np.testing.assert_array_equal(estimator.fit_transform(pil(array)), expected)


@EVERY
@pytest.mark.parametrize("as_pil", [True, False])
def test_images_of_different_sizes(estimator, as_pil):
    different = [COLOR[0], COLOR[1], COLOR[2][:7], COLOR[3][:, :5]]
    with pytest.raises(ValueError) as refused:
        estimator.fit(pil(different) if as_pil else different)
    said = str(refused.value)
    for word in (type(estimator).__name__, "4 ", "different sizes", "10 x 12 x 3 (2)", "7 x 12 x 3 (1)", "load_images"):
        assert word in said or as_pil
    assert "different sizes" in said
    assert "resize them" in said
    with pytest.raises(ValueError, match="different sizes"):
        estimator.fit(COLOR).transform(different)
    ragged = [image.tolist() for image in different]
    with pytest.raises(ValueError, match=f"{type(estimator).__name__}.*different sizes.*resize them"):
        estimator.fit(ragged)


@EVERY
def test_gray_and_color_mixed(estimator):
    with pytest.raises(ValueError, match=r"gray and color are mixed.*convert\('RGB'\)"):
        estimator.fit([COLOR[0], GRAY[1]])
    with pytest.raises(ValueError, match="gray and color are mixed"):
        estimator.fit(pil([COLOR[0], GRAY[1]]))


@IMAGE_GATES
@pytest.mark.parametrize("shape", [(10, 3, 32, 32), (10, 1, 28, 28), (5, 4, 48, 64), (1, 3, 8, 8)])
def test_channels_first(estimator, shape):
    images = rng.uniform(size=shape)
    with pytest.raises(ValueError, match=r"channels first.*np\.moveaxis\(X, 1, -1\)"):
        estimator.fit(images)
    with pytest.raises(ValueError, match="channels first"):
        estimator.fit(np.uint8(255 * images))
    estimator.fit(np.moveaxis(images, 1, -1))


@IMAGE_GATES
@pytest.mark.parametrize("shape", [(32, 32, 3), (64, 48, 4), (28, 28, 1), (8, 9, 3)])
def test_one_color_image(estimator, shape):
    image = rng.uniform(size=shape)
    with pytest.raises(ValueError, match=r"one image of \d channels.*X\[None\]"):
        estimator.fit(image)
    estimator.fit(image[None])
    other = clone(estimator).set_params(patch_size=(3, 1), **({"grid": 1} if estimator is FISHER else {}))
    other.fit(image[..., None])  # the other meaning, said plainly


@EVERY
def test_one_gray_image(estimator):
    if isinstance(estimator, Flatten):  # rows to it
        return
    with pytest.raises(ValueError, match=r"shape \(10, 12\).*ToImages\(shape\).*X\[None\]"):
        estimator.fit(GRAY[0])


@EVERY
@pytest.mark.parametrize(
    "shape", [(5, 3, 3, 64), (5, 4, 4, 16), (2, 1, 12, 40), (7, 9, 9, 3), (7, 9, 5), (4, 3, 7, 50)]
)
def test_maps_and_small_images_pass(estimator, shape):
    X = rng.uniform(size=shape)
    if isinstance(estimator, (Stage, FisherVector)):
        estimator = type(estimator)(**{**estimator.get_params(deep=False), "patch_size": (1, 2)})
        if isinstance(estimator, FisherVector):
            estimator.set_params(grid=1)
    elif isinstance(estimator, (MaxPool, MeanPool)):
        estimator = type(estimator)(grid=1)
    estimator.fit(X).transform(X)


@EVERY
@pytest.mark.parametrize(
    ("what", "message"),
    [
        (None, "got None"),
        ("photos", r"a path or text, 'photos'.*load_images\(folder"),
        (Path("photos/a.png"), "a path or text.*load_images"),
        (["a.png", "b.png"], "number 0 of a list of 2 is a path or text, 'a.png'"),
        ([Path("a.png")], "number 0 of a list of 1 is a path or text"),
        (pd.Series(["a.png", "b.png"]), "number 0 of a list of 2 is a path or text, 'a.png'"),
        ([COLOR[0], None], "number 1 of a list of 2 is None"),
        ({"a": 1}, "a dict with the keys 'a'"),
        (Bunch(images=COLOR), "a Bunch with the keys 'images'"),
        (pil(COLOR)[0], "one PIL image.*list of them"),
    ],
    ids=lambda w: type(w).__name__,
)
def test_what_holds_no_pixels(estimator, what, message):
    for call in (estimator.fit, estimator.fit(COLOR).transform):
        if isinstance(estimator, Flatten) and isinstance(what, pd.Series):
            continue  # a column of a table to it
        if what is None and call == estimator.fit and not isinstance(estimator, (Stage, FisherVector, Flatten)):
            continue  # they need no images to be fitted
        with pytest.raises(TypeError, match=message):
            call(what)


@EVERY
@pytest.mark.parametrize(
    ("what", "message"),
    [
        (COLOR.astype(complex), "[Cc]omplex"),
        (np.full((2, 5, 5), None), "objects|NoneType|NaN"),
        (np.ma.masked_greater(COLOR, 0.5), r"a mask hides \d+ values.*filled"),
        (COLOR[:0], "0 sample"),
        ([], r"0 sample|shape \(0,\)|minimum"),
        (np.zeros((2, 0, 4)), "no pixel|0 feature|minimum"),
        (np.datetime64("2026-01-01") + np.arange(60).reshape(3, 4, 5), "numbers|datetime|DType|numeric"),
        (True, r"shape \(\)|1-?D|[Ee]xpected 2D|scalar"),
        (3.5, r"shape \(\)|[Ee]xpected 2D|scalar"),
    ],
    ids=lambda w: type(w).__name__,
)
def test_what_holds_no_images(estimator, what, message):
    if isinstance(estimator, Flatten) and (
        getattr(what, "dtype", np.dtype(float)).kind in "OM" or 0 in np.shape(what)[1:]
    ):
        return  # it reads no number, and tells by the shape
    with pytest.raises((ValueError, TypeError), match=message):
        estimator.fit(COLOR).transform(what)


def test_to_images_and_tile_too():
    with pytest.raises(ValueError, match=r"ToImages takes flat rows.*What are images already need no ToImages"):
        ToImages().fit(COLOR)
    with pytest.raises(ValueError, match=r"tile got a list of 2 pictures of different sizes"):
        tile([GRAY[0], GRAY[1][:5]])
    assert tile(list(GRAY)).shape == tile(GRAY).shape


# Structured inputs of every kind: refused in our words, or encoded without a NaN

SIDES = st.sampled_from([1, 2, 3, 4, 8, 9, 16])
KINDS = [np.uint8, np.int64, np.float16, np.float32, np.float64, bool, complex, object, "U3", "datetime64[s]"]
HOLDERS = [np.asarray, list, lambda X: X.tolist(), np.asfortranarray, np.ma.asarray, lambda X: list(X)[:1] + [None]]


def structured(shape, kind, size, holder, spoiled, seed):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, size=shape) if kind != np.uint8 else rng.integers(0, 256, size=shape)
    with np.errstate(over="ignore", invalid="ignore"):
        X = (X * size).astype(np.int64).astype(kind) if kind == "datetime64[s]" else (X * size).astype(kind)
    if spoiled is not None and X.size and X.dtype.kind == "f":
        X.flat[rng.integers(X.size)] = spoiled
    return holder(X)


def outcome(call, *arguments):
    """What comes out, or what is said where it is refused."""
    try:
        return call(*arguments), None
    except (ValueError, TypeError) as error:
        return None, str(error)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # scikit-learn sums infinities of both signs
@settings(deadline=None, max_examples=150)
@given(
    st.lists(SIDES, min_size=1, max_size=5),
    st.sampled_from(KINDS),
    st.sampled_from([1e-30, 1e-6, 1.0, 255.0, 1e6, 1e30]),
    st.sampled_from(HOLDERS),
    st.sampled_from([None, None, np.nan, np.inf]),
    st.integers(0, 2**20),
)
def test_any_input_is_refused_by_name_or_encoded(shape, kind, size, holder, spoiled, seed):
    X = structured(tuple(shape), kind, size, holder, spoiled, seed)
    images, refusal = outcome(check_images, X, "Gate")
    if refusal is not None:
        assert "Gate" in refusal or "images" in refusal
        return
    assert images.ndim in (3, 4)
    assert np.isfinite(images).all()
    for transformer in (Abs(), MeanPool(1), MaxPool(1), LocalContrastNormalizer(size=3)):
        maps, refusal = outcome(transformer.transform, images)
        assert np.isfinite(maps).all() if refusal is None else "overflow" in refusal


def test_an_array_is_never_copied():
    for dtype in (np.uint8, np.float32, np.float64):
        X = COLOR.astype(dtype)
        assert as_images(X, "Gate") is X
