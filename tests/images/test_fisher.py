"""FisherVector against the mean of the patches' codes, and against the same sums by `Stage`."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from featlearn import ContrastNormalizer, MeanPool, PCAWhitening, Stage
from featlearn.images.fisher import FisherVector, signed_power
from featlearn.images.patches import extract_patches

IMAGES = np.random.default_rng(0).uniform(size=(12, 9, 10, 3)) ** 2
CHAIN = make_pipeline(ContrastNormalizer(), PCAWhitening(5))


def fisher(**parameters):
    return FisherVector(**{"n_components": 4, "patch_size": 3, "max_iter": 300, "random_state": 0, **parameters})


@pytest.mark.parametrize("preprocess", [None, CHAIN], ids=["raw", "whitened"])
@pytest.mark.parametrize(("stride", "pad", "grid"), [(1, 0, 2), (2, 1, (1, 3)), (1, 0, 1)])
def test_equals_the_mean_of_the_patches_codes(preprocess, stride, pad, grid):
    ours = fisher(preprocess=preprocess, stride=stride, pad=pad, grid=grid, power=1, l2=False).fit(IMAGES)
    vectors = ours.transform(IMAGES)
    padded = np.pad(IMAGES, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    patches = extract_patches(padded, (3, 3), stride)
    n, height, width, d = patches.shape
    X = patches.reshape(-1, d)
    if preprocess is not None:
        X = ours.stage_.learner_[:-1].transform(X)
    codes = clone(ours.mixture_).set_params(encode="fisher")
    codes.__dict__.update({k: v for k, v in vars(ours.mixture_).items() if k.endswith("_")})
    codes = codes.transform(X).reshape(n, height, width, -1)
    down, across = (grid, grid) if isinstance(grid, int) else grid
    rows, columns = np.array_split(np.arange(height), down), np.array_split(np.arange(width), across)
    assert vectors.shape == (n, down, across, codes.shape[-1]) == (n, *ours.output_shape_)
    for a in range(down):
        for b in range(across):
            expected = codes[:, rows[a]][:, :, columns[b]].mean(axis=(1, 2))
            np.testing.assert_allclose(vectors[:, a, b], expected, atol=1e-10)


def test_equals_a_stage_of_fisher_codes():
    from featlearn.vectors.mixture import GaussianMixtureEncoder

    stage = Stage(
        make_pipeline(CHAIN, GaussianMixtureEncoder(4, encode="fisher", max_iter=300)),
        patch_size=3, pool=MeanPool(grid=2), random_state=0,
    )  # fmt: skip
    ours = fisher(preprocess=CHAIN, power=1, l2=False)
    np.testing.assert_allclose(ours.fit_transform(IMAGES), stage.fit_transform(IMAGES), atol=1e-10)


def test_power_and_length():
    raw = fisher(power=1, l2=False).fit(IMAGES)
    z = raw.transform(IMAGES)
    rooted = clone(raw).set_params(power=0.5).fit_transform(IMAGES)
    np.testing.assert_allclose(rooted, np.sign(z) * np.sqrt(abs(z)), atol=1e-12)
    np.testing.assert_allclose(raw.set_params(power=0.3).transform(IMAGES), np.sign(z) * abs(z) ** 0.3, atol=1e-12)
    both = fisher().fit_transform(IMAGES)
    np.testing.assert_allclose(np.linalg.norm(both, axis=3), 1)
    np.testing.assert_allclose(both, rooted / np.linalg.norm(rooted, axis=3, keepdims=True), atol=1e-12)
    np.testing.assert_array_equal(signed_power(np.array([-4.0, 0.0, 9.0]), 0.5), [-2, 0, 3])


def test_patches_are_prepared_as_in_the_fit_whatever_the_parameter_says_now():
    for fitted, now in ((CHAIN, None), (None, CHAIN)):
        ours = fisher(preprocess=fitted).fit(IMAGES)
        expected = ours.transform(IMAGES)
        np.testing.assert_array_equal(ours.set_params(preprocess=now).transform(IMAGES), expected)


def test_dtype_chunks_streams_and_threads():
    ours = fisher(preprocess=CHAIN).fit(IMAGES)
    expected = ours.transform(IMAGES)
    assert expected.dtype == np.float64
    np.testing.assert_allclose(
        np.concatenate([ours.transform(IMAGES[i : i + 1]) for i in range(12)]), expected, atol=1e-9
    )
    np.testing.assert_allclose(
        np.concatenate(list(ours.transform(iter([IMAGES[:5], IMAGES[5:]])))), expected, atol=1e-9
    )
    np.testing.assert_array_equal(ours.set_params(n_jobs=1).transform(IMAGES), expected)
    single = ours.transform(IMAGES.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected, atol=1e-3)
    pixels = np.round(IMAGES * 255).astype(np.uint8)
    assert fisher().fit_transform(pixels).dtype == np.float32


def test_dask_images():
    da = pytest.importorskip("dask.array", reason="pip install 'featlearn[dask]'")
    ours = fisher().fit(IMAGES)
    lazy = ours.transform(da.from_array(IMAGES, chunks=(5, 9, 10, 3)))
    np.testing.assert_allclose(lazy.compute(), ours.transform(IMAGES), atol=1e-9)


def test_gray_images_and_names():
    ours = fisher(n_components=2, grid=(1, 2)).fit(IMAGES[..., 0])
    assert ours.transform(IMAGES[..., 0]).shape == (12, 1, 2, 2 * 2 * 9)
    names = ours.get_feature_names_out()
    assert (len(names), names[0], names[-1]) == (72, "y0_x0_0", "y0_x1_35")


def test_pickle_clone_and_seed():
    ours = fisher(preprocess=CHAIN).fit(IMAGES)
    vectors = ours.transform(IMAGES)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(ours)).transform(IMAGES), vectors)
    np.testing.assert_array_equal(clone(ours).fit_transform(IMAGES), vectors)
    assert (clone(ours).set_params(random_state=1).fit_transform(IMAGES) != vectors).any()
    with pytest.raises(NotFittedError):
        CHAIN[-1].transform(IMAGES.reshape(12, -1))  # a clone was fitted


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_components": 0}, "FisherVector: n_components=0 is not valid"),
        ({"power": 0}, "FisherVector: power=0 is not valid"),
        ({"power": 1.5}, "FisherVector: power=1.5 is not valid"),
        ({"l2": "yes"}, "FisherVector: l2='yes' is not valid"),
        ({"grid": 0}, "FisherVector: grid=0 is not valid"),
        ({"preprocess": "pca"}, "FisherVector: preprocess='pca' is not valid"),
        ({"patch_size": 11}, "patches of 11 x 11 do not fit images of 9 x 10"),
        ({"grid": 9}, "grid=9 x 9 does not fit maps of height 7"),
        ({"n_patches": 3}, "n_samples=3 is fewer than n_components=4"),
    ],
)
def test_bad_parameters_by_name(parameters, message):
    with pytest.raises(ValueError, match=message):
        fisher(**parameters).fit(IMAGES)


def test_bad_images_and_a_failed_fit():
    ours = fisher().fit(IMAGES)
    before = ours.transform(IMAGES)
    broken = IMAGES.copy()
    broken[0, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        ours.fit(broken)
    np.testing.assert_array_equal(ours.transform(IMAGES), before)
    with pytest.raises(ValueError, match=r"FisherVector was fitted on images of shape \(9, 10, 3\)"):
        ours.transform(IMAGES[:, :8])
    with pytest.raises(NotFittedError):
        fisher().transform(IMAGES)
