"""Local contrast normalization against the formulas written as loops over pixels, and against its known answers."""

import numpy as np
import pytest

from featlearn import MeanPool, SumPool
from featlearn.images.local_contrast import LocalContrastNormalizer, gaussian_window, local_mean, subtract_local_mean

rng = np.random.default_rng(0)


def mean_around(x, size, sigma):
    """Weighted mean over the window around each pixel and over channels, of one image (height, width, k), by loops."""
    height, width, k = x.shape
    out = np.zeros((height, width))
    half = size // 2
    for j in range(height):
        for i in range(width):
            total = weight = 0.0
            for p in range(-half, half + 1):
                for q in range(-half, half + 1):
                    if 0 <= j + p < height and 0 <= i + q < width:
                        w = np.exp(-(p * p + q * q) / (2 * sigma**2))
                        weight += w * k
                        total += w * x[j + p, i + q].sum()
            out[j, i] = total / weight
    return out


def reference(x, size, sigma, floor="mean", eps=1e-6):
    v = x - mean_around(x, size, sigma)[..., None]
    s = np.sqrt(mean_around(v**2, size, sigma))
    c = s.mean() if floor == "mean" else floor
    return v / np.maximum(np.maximum(c, s), eps)[..., None]


@pytest.mark.parametrize(
    ("shape", "size", "sigma", "floor"),
    [
        ((9, 8, 1), 3, 1.0, "mean"),
        ((9, 8, 3), 5, None, "mean"),
        ((7, 10, 2), 5, 0.7, 0.4),
        ((7, 6, 2), 3, 2.0, 0.0),
        ((4, 5, 3), 9, None, "mean"),  # a window larger than the image
        ((1, 6, 2), 3, 1.0, "mean"),
    ],
)
def test_against_loops(shape, size, sigma, floor):
    images = rng.uniform(size=(2, *shape))
    out = LocalContrastNormalizer(size=size, sigma=sigma, floor=floor).transform(images)
    expected = [reference(x, size, sigma or size / (4 * np.sqrt(2)), floor) for x in images]
    np.testing.assert_allclose(out, expected, rtol=1e-10, atol=1e-12)


def test_the_window_sums_to_one():
    window = gaussian_window(9, 9 / (4 * np.sqrt(2)))
    assert np.outer(window, window).sum() == pytest.approx(1)
    assert window[4] / window[5] == pytest.approx(np.exp(0.5 / 1.591**2), rel=1e-4)
    np.testing.assert_array_equal(window, window[::-1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [0.0, 0.7, 1.0 / 3.0, 255.0, 1e6, -123.456])
def test_constants_become_exactly_zero_borders_too(dtype, value):
    out = LocalContrastNormalizer().transform(np.full((1, 20, 17, 3), value, dtype=dtype))
    np.testing.assert_array_equal(out, 0)


def test_a_ramp_has_no_local_contrast_inside():
    y, x = np.mgrid[:20, :20]
    ramp = (2.0 * y - 3.0 * x + 5)[None, :, :, None]
    v = subtract_local_mean(ramp, gaussian_window(5, 1.0))
    np.testing.assert_allclose(v[:, 2:-2, 2:-2], 0, atol=1e-12)
    assert abs(v[:, 0]).min() > 1e-3


def test_what_is_left_has_zero_weighted_mean():
    """Around each place: the weighted mean of the neighborhood less the mean subtracted at the place is zero."""
    x = rng.uniform(size=(1, 15, 15, 2))
    window = gaussian_window(5, 1.0)
    mean = (x - subtract_local_mean(x, window))[0, 7, 7, 0]
    weights = np.repeat(np.outer(window, window)[..., None] / 2, 2, axis=-1)
    assert (weights * (x[0, 5:10, 5:10] - mean)).sum() == pytest.approx(0, abs=1e-14)
    assert weights.sum() == pytest.approx(1)
    # Away from the border, taking out local means takes out the mean: summed over a wrapped field it vanishes.
    field = np.zeros((1, 31, 31, 2))
    field[:, 10:20, 10:20] = rng.normal(size=(10, 10, 2))
    assert subtract_local_mean(field, window).sum() == pytest.approx(0, abs=1e-12)


def test_channels_share_one_mean_and_one_spread():
    x = rng.uniform(size=(1, 12, 12, 3))
    v = subtract_local_mean(x, gaussian_window(5, 1.0))
    np.testing.assert_allclose(x - v - (x - v)[..., :1], 0, atol=1e-15)
    y = LocalContrastNormalizer(size=5, sigma=1.0).transform(x)
    np.testing.assert_allclose(y / v, (y / v)[..., :1] * np.ones(3), rtol=1e-9)


def test_scale_and_shift_change_nothing():
    x = rng.uniform(size=(3, 16, 16, 3))
    out = LocalContrastNormalizer().transform(x)
    np.testing.assert_allclose(LocalContrastNormalizer().transform(2 * x), out, rtol=1e-12)
    np.testing.assert_allclose(LocalContrastNormalizer().transform(2 * x + 100), out, atol=1e-11)


def test_where_floored_scale_does_count():
    x = rng.uniform(size=(1, 16, 16, 1))
    small = LocalContrastNormalizer(floor=100.0)
    np.testing.assert_allclose(small.transform(2 * x), 2 * small.transform(x), rtol=1e-12)
    # Below eps an image is as good as constant.
    assert abs(LocalContrastNormalizer(eps=1e-6).transform(1e-12 * x)).max() < 1e-5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e-30, 1e-25, 1e-6, 1.0, 1e18, 1e25])
def test_an_image_of_any_size_is_normalized(size, dtype):
    x = rng.uniform(size=(2, 12, 12, 3))
    expected = LocalContrastNormalizer(size=5).transform(x)
    out = LocalContrastNormalizer(size=5).transform((size * x).astype(dtype))
    np.testing.assert_allclose(out, expected, atol=1e-5 if dtype == np.float32 else 1e-12)


def test_a_small_contrast_far_from_zero_counts_and_rounding_does_not():
    x = rng.uniform(size=(2, 12, 12, 1))
    expected = LocalContrastNormalizer(size=5).transform(x)
    far = (1e4 + 10 * x).astype(np.float32)
    np.testing.assert_allclose(LocalContrastNormalizer(size=5).transform(far), expected, atol=1e-2)
    noise = np.nextafter(np.float32(0.7), np.float32(rng.integers(0, 2, size=(1, 12, 12, 1))))  # one rounding away
    assert abs(LocalContrastNormalizer().transform(noise)).max() < 0.5


def test_sums_that_overflow_are_refused_by_name():
    huge = np.full((1, 4, 4, 2), 3e38, np.float32)
    huge[0, 0, 0, 0] = -3e38
    for transformer in (LocalContrastNormalizer(size=3), SumPool(1), MeanPool(1)):
        with pytest.raises(ValueError, match=f"{type(transformer).__name__}: sums of these maps overflow float32"):
            transformer.transform(huge)


def test_the_floor_keeps_flat_regions_flat():
    x = np.zeros((1, 32, 32, 1))
    x[:, :, :16] = rng.uniform(size=(1, 32, 16, 1))
    x[:, :, 16:] = 1e-4 * rng.uniform(size=(1, 32, 16, 1))
    with_floor, without = (abs(LocalContrastNormalizer(floor=f).transform(x))[:, :, 24:].max() for f in ("mean", 0.0))
    assert with_floor < 1e-3
    assert without > 1


def test_local_spread_is_about_one_on_noise():
    out = LocalContrastNormalizer(floor=0.0).transform(rng.normal(size=(4, 64, 64, 3)))
    spread = np.sqrt(local_mean(out * out, gaussian_window(9, 1.591)))
    assert spread.mean() == pytest.approx(1, abs=0.05)


def test_float32_is_close_to_float64():
    x = rng.uniform(size=(2, 32, 32, 3))
    out = LocalContrastNormalizer().transform(x.astype(np.float32))
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, LocalContrastNormalizer().transform(x), atol=1e-5)


def test_layout_in_memory_does_not_matter_to_many_channels():
    """NumPy adds 16 neighbors pairwise and 16 strided numbers in order, which rounds differently."""
    x = rng.uniform(size=(3, 10, 10, 16)).astype(np.float32)
    out = LocalContrastNormalizer(size=3).transform(x)
    np.testing.assert_array_equal(LocalContrastNormalizer(size=3).transform(np.asfortranarray(x)), out)
    np.testing.assert_array_equal(LocalContrastNormalizer(size=3).transform(x[1:2]), out[1:2])


@pytest.mark.parametrize(
    "parameters",
    [
        {"size": 4},
        {"size": 0},
        {"size": 3.0},
        {"size": True},
        {"sigma": 0.0},
        {"eps": 0.0},
        {"floor": "max"},
        {"floor": -1},
    ],
)
def test_bad_parameters(parameters):
    (name,) = parameters
    for call in ("fit", "transform"):
        with pytest.raises(ValueError, match=f"{name}="):
            getattr(LocalContrastNormalizer(**parameters), call)(np.ones((1, 9, 9, 1)))
