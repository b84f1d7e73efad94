"""One stage of a feature extractor: any vector learner, lifted to images.

    fit         patches (n_patches, d) drawn at random, or runs of them in time where the learner needs it
                -> learner.fit
    transform   every patch -> learner.transform -> maps (h, w, k) -> rectify -> normalize -> pool

in chunks, so that the maps of a whole data set never exist. Coates, Lee & Ng (2011), section 3; with rectification and
local normalization, the stages of Jarrett, Kavukcuoglu, Ranzato & LeCun (2009), section 2.
"""

from contextlib import nullcontext
from dataclasses import replace
from os import PathLike
from typing import Any, ClassVar, Self

import numpy as np
from sklearn import config_context
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, check_memory

from featlearn.arrays import as_float
from featlearn.callbacks import sub_fit
from featlearn.fitting import fitting
from featlearn.images.fusion import fused_plan, fusible_cells
from featlearn.images.maps import ImageEncoder, axes_rule, check_images, pair
from featlearn.images.patches import count_patches, extract_patches, pad_images, sample_patches, sample_runs
from featlearn.images.pools import MeanPool
from featlearn.kernels.backend import gpu_may_exist, gpu_visible
from featlearn.kernels.encoding.encode import FusedEncoder, map_size
from featlearn.notices import notify
from featlearn.streaming import accumulate, is_out_of_core, map_chunks
from featlearn.validation import check_magnitude, check_parameters, either, has, instance, integer, one_of, optional
from featlearn.vectors.contrast import ContrastNormalizer, Extent, scaled_eps

MAX_DEFAULT_PATCHES = 100_000
CODE_BYTES = 32 << 20
FUSED_IMAGES = 8
TRIED = 8  # images encoded at the end of a fit, to see what comes out


def seeded(learner: Any, rng: np.random.RandomState) -> Any:
    """A clone of the learner in which every ``random_state`` left at None has a seed of its own."""
    learner = clone(learner)
    names = sorted(p for p in learner.get_params(deep=True) if p == "random_state" or p.endswith("__random_state"))
    seeds = {p: int(rng.randint(2**31 - 1)) for p in names}
    return learner.set_params(**{p: s for p, s in seeds.items() if learner.get_params()[p] is None})


def scaled(learner: Any, images: np.ndarray, n_jobs: int | None) -> Any:
    """The learner, a `ContrastNormalizer` at its head told the range of the images: patches may show less of it."""
    head = learner
    while isinstance(head, Pipeline):
        head = next((step for _, step in head.steps if step is not None and step != "passthrough"), None)
    if isinstance(head, ContrastNormalizer) and head.eps == "auto":
        extent = accumulate(Extent.of, images, n_jobs=n_jobs)
        check_magnitude("Stage", np.array([extent.low, extent.high], as_float(images[:0]).dtype), tiny=True)
        head.set_params(eps=scaled_eps(extent))
    return learner


def ordered_steps(learner: Any) -> dict[str, Any]:
    """The steps that learn from the order of their rows, each by the parameter of ``fit`` that takes a run's id."""
    if isinstance(learner, Pipeline):
        inner = {name: ordered_steps(step) for name, step in learner.steps}
        return {f"{name}__{parameter}": step for name, found in inner.items() for parameter, step in found.items()}
    if getattr(learner, "_needs_order", False):
        return {"groups": learner}
    inside = learner.get_params(deep=True).values() if hasattr(learner, "get_params") else ()
    lost = next((part for part in inside if getattr(part, "_needs_order", False)), None)
    if lost is not None:
        raise ValueError(
            f"Stage: {type(lost).__name__} learns from the order of its rows in time, and inside "
            f"{type(learner).__name__} it cannot be told which patches follow one another. Make it the learner itself, "
            "or a step of a Pipeline."
        )
    return {}


def check_groups(groups: Any, n_images: int) -> np.ndarray:
    """Film ids (n_images,); None makes all images one film."""
    groups = np.zeros(n_images, np.int64) if groups is None else np.asarray(groups)
    if groups.shape != (n_images,):
        raise ValueError(
            f"Stage: groups has shape {groups.shape} and there are {n_images} images. Pass one film id for each."
        )
    return groups


def _fit_learner(learner, patches, fit_params, stage):
    """Fit the learner; a function of its own so that joblib can remember it."""
    # Routing would refuse what no step has asked for; these are from us, not from the user.
    routing = config_context(enable_metadata_routing=False) if fit_params else nullcontext()
    with sub_fit(stage, learner, "fit-learner"), routing:
        return learner.fit(patches, **fit_params)


class Stage(ImageEncoder):
    """Lift a transformer of vectors to images: learn from random patches, encode every patch, pool.

    Parameters
    ----------
    learner : transformer
        Any transformer of 2-D arrays, ours or scikit-learn's, or a Pipeline of them. It is cloned.
    patch_size : int or (int, int), default=6
        Height and width of a patch, in pixels.
    stride : int, default=1
        Pixels between neighboring patches when encoding.
    n_patches : int or None, default=None
        Most patches drawn to fit the learner, without repetition, at any position; where fewer exist, all are taken.
        None means 100,000. A learner that needs order in time (`SlowFeatureAnalysis`, alone or as a step of a Pipeline)
        gets patches of consecutive images at one place, in many short runs.
    pad : int, default=0
        Rows and columns of zeros put around every image before encoding.
    rectify : transformer of maps or None, default=None
        `Abs`, `Positive`, `SplitSign`, `SoftThreshold` or any object with ``transform(maps)``.
    normalize : transformer of maps or None, default=None
        `LocalContrastNormalizer` or any object with ``transform(maps)``, applied after ``rectify``.
    pool : transformer of maps or None, default=None
        `SumPool`, `MeanPool`, `MaxPool` or any object with ``transform(maps)``, applied last.
    random_state : int, RandomState or None, default=None
        Seed of the patches, and of every ``random_state`` inside ``learner`` that is None.
    n_jobs : int or None, default=None
        Threads that encode; None takes every core this process may use. No effect on the result.
    memory : path, joblib.Memory or None, default=None
        Where fitted learners are kept, so that a search over pooling does not fit the same learner again.
    device : {"auto", "cpu", "gpu"}, default="auto"
        Where the fused encoder runs. "auto" takes a GPU that Keras sees, if there is one; "gpu" asks for Keras.

    Attributes
    ----------
    learner_ : transformer
        The fitted learner.
    image_shape_ : tuple
        (height, width) or (height, width, channels) of the images.
    patch_shape_ : tuple
        (height, width) or (height, width, channels) of a patch.
    n_patches_ : int
        Number of patches the learner was fitted on.
    patch_dtype_ : dtype
        float32 or float64: what the learner was fitted on.
    output_shape_ : tuple
        (height, width, channels) of the output for one image.

    Raises
    ------
    ValueError
        For images of another size than fitted, patches larger than the images, NaN, values whose squares overflow or
        vanish, a learner of order in time inside anything but Pipelines, or a parameter out of range.
    TypeError
        For no images at all: None, a path, a mapping.

    See Also
    --------
    FisherVector : Another way from patches to features of images.
    Flatten : Maps to rows, for a classifier.

    Notes
    -----
    A learner made of `ContrastNormalizer`, `ZCA` or `PCAWhitening`, and one that says by ``encoder_plan()`` what its
    codes are (a dictionary, `RandomPatches`; the autoencoders of one hidden layer, `RBM`, `PredictiveSparse`,
    `GaussianMixtureEncoder` with posteriors, `ICA`, `RICA`, `RandomWeights`; any of yours, see
    `featlearn.images.fusion.Fusible`) is run by one fused kernel that pools as it encodes; all but the last may be
    missing. Anything else runs step by step. An image's features do not depend on
    its neighbors, up to rounding, unless the learner's rows do (NMF stops once a batch has converged: to within its
    ``tol``).

    References
    ----------
    Coates, Lee & Ng (2011), "An analysis of single-layer networks in unsupervised feature learning". Jarrett et al.
    (2009), "What is the best multi-stage architecture for object recognition?".

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from featlearn import KMeansDictionary, Stage, SumPool
    >>> images = load_digits().images
    >>> stage = Stage(KMeansDictionary(20), patch_size=4, pool=SumPool(grid=2), random_state=0)
    >>> stage.fit_transform(images).shape
    (1797, 2, 2, 20)
    """

    _rules: ClassVar = {
        "learner": has("fit", "transform"),
        "patch_size": either(integer(1), axes_rule(2)),
        "stride": integer(1),
        "n_patches": optional(integer(1)),
        "pad": integer(0),
        **dict.fromkeys(("rectify", "normalize", "pool"), optional(has("transform"))),
        "memory": optional(either(instance(str, PathLike), has("cache"))),
        "device": one_of("auto", "cpu", "gpu"),
    }

    def __init__(
        self,
        learner,
        patch_size: int | tuple[int, int] = 6,
        *,
        stride: int = 1,
        n_patches: int | None = None,
        pad: int = 0,
        rectify=None,
        normalize=None,
        pool=None,
        random_state=None,
        n_jobs: int | None = None,
        memory=None,
        device: str = "auto",
    ):
        self.learner = learner
        self.patch_size = patch_size
        self.stride = stride
        self.n_patches = n_patches
        self.pad = pad
        self.rectify = rectify
        self.normalize = normalize
        self.pool = pool
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.memory = memory
        self.device = device

    @fitting(1)
    def fit(self, X: Any, y: Any = None, groups: Any = None) -> Self:
        """Learn from random patches of the images.

        Parameters
        ----------
        X : array (n_images, height, width) or (n_images, height, width, channels)
            The images, of any numeric dtype; a memmap is not copied.
        y : ignored
            Present for the API.
        groups : array (n_images,) or None, default=None
            Which film an image belongs to, for a learner that needs order in time; its images are consecutive moments
            in the order they come. None makes them all one film. Other learners do not look at it.

        Returns
        -------
        self
        """
        if is_out_of_core(X):
            raise ValueError(
                "Stage.fit draws patches anywhere in the images, so it needs them in an array or an np.memmap. Fit on "
                "a sample of the images; transform takes streams and Dask arrays."
            )
        X = check_images(X, "Stage")
        images = X if X.ndim == 4 else X[..., None]
        patch = pair(self.patch_size)
        if patch[0] > X.shape[1] or patch[1] > X.shape[2]:
            raise ValueError(
                f"Stage: patches of {patch[0]} x {patch[1]} do not fit images of {X.shape[1]} x {X.shape[2]}. Pass "
                f"patch_size=({min(patch[0], X.shape[1])}, {min(patch[1], X.shape[2])}) or less."
            )
        height, width = (side + 2 * int(self.pad) for side in X.shape[1:3])
        if self.normalize is None and hasattr(self.pool, "cells"):
            # A grid that does not fit is refused now, not after the learner took its time.
            self.pool.cells(*map_size(height, width, patch, int(self.stride)))
        rng = check_random_state(self.random_state)
        patches, fit_params = self._draw(images, patch, groups, rng)
        learner = scaled(seeded(self.learner, rng), images, self.n_jobs)
        memory = str(self.memory) if isinstance(self.memory, PathLike) else self.memory
        remember = check_memory(memory).cache(_fit_learner, ignore=["stage"])
        self.learner_ = remember(learner, patches, fit_params, stage=self)
        self.n_patches_, self.patch_dtype_ = len(patches), patches.dtype
        self.image_shape_ = X.shape[1:]
        self.patch_shape_ = patch + X.shape[3:]
        encoder = _StageEncoder(self, as_float(X[:0]).dtype)
        some = images[:: max(1, len(images) // TRIED)][: min(TRIED, encoder.rows)]
        maps = encoder(some)
        if self.rectify is not None and not maps.any() and encoder.codes(some).any():
            notify(
                f"Stage: every feature of {len(some)} training images is 0 after rectify={self.rectify!r}. Its "
                "threshold may be above all responses of the learner."
            )
        self.output_shape_ = maps.shape[1:]
        return self

    def _draw(self, images, patch, groups, rng):
        """Patches (n_patches_, d) and what else the learner's fit gets."""
        asked = MAX_DEFAULT_PATCHES if self.n_patches is None else int(self.n_patches)
        films = check_groups(groups, len(images))
        steps = ordered_steps(self.learner)
        if not steps:
            return sample_patches(images, patch, min(asked, count_patches(images, patch)), rng), {}
        # Short runs see more places and times than long ones; of four lags three quarters of the rows begin a pair.
        length = 4 * max(getattr(step, "lag", 1) for step in steps.values())
        longest = np.unique(films, return_counts=True)[1].max()
        if longest < 2:
            raise ValueError(
                f"Stage: {type(next(iter(steps.values()))).__name__} learns from what follows what in time, and no "
                "film has two images. Pass the images of a film in order."
            )
        patches, runs = sample_runs(images, patch, asked, min(length, longest, max(asked, 2)), films, rng)
        return patches, dict.fromkeys(steps, runs)

    def transform(self, X: Any) -> Any:
        """Encode every patch of the images, rectify, normalize and pool.

        Parameters
        ----------
        X : array (n_images, height, width[, channels]), memmap, stream of chunks or Dask array
            Images of the size of the fit.

        Returns
        -------
        maps : array (n_images, map_height, map_width, n_channels), a generator of chunks, or a Dask array
            The features; float32, or float64 if the images are.
        """
        check_is_fitted(self)
        check_parameters(self)
        encode = _ChunkEncoder(self)
        return map_chunks(encode, X) if is_out_of_core(X) else encode(X)


class _ChunkEncoder:
    """A fitted stage on chunks of images as they come: made ready once for each dtype; picklable for a Dask cluster."""

    def __init__(self, stage: Stage):
        self.stage = stage
        self.encoders: dict[np.dtype, _StageEncoder] = {}

    def __reduce__(self):
        return _ChunkEncoder, (self.stage,)

    def __call__(self, images):
        images = self.stage._check_images(images)
        dtype = as_float(images[:0]).dtype
        if dtype not in self.encoders:
            self.encoders[dtype] = _StageEncoder(self.stage, dtype)
        encoder = self.encoders[dtype]
        n_jobs = 1 if encoder.device == "gpu" else self.stage.n_jobs
        return map_chunks(encoder, images, n_jobs=n_jobs, rows=encoder.rows)


class _StageEncoder:
    """What a fitted stage does to a chunk of images (n, H, W, c); made once, called on every chunk."""

    def __init__(self, stage: Stage, dtype: np.dtype):
        self.learner, self.patch = stage.learner_, stage.patch_shape_[:2]
        self.stride, self.pad, self.patch_dtype = int(stage.stride), int(stage.pad), stage.patch_dtype_
        height, width = (side + 2 * self.pad for side in stage.image_shape_[:2])
        shape = map_size(height, width, self.patch, self.stride)
        plan = fused_plan(self.learner, self.patch, self.stride)
        self.after = [step for step in (stage.rectify, stage.normalize, stage.pool) if step is not None]
        self.divisor: Any = None
        cells = fusible_cells(stage.pool, *shape) if len(self.after) == 1 else None
        if plan is not None and cells is not None:
            plan, self.after = replace(plan, row_cells=cells[0], col_cells=cells[1]), []
            if type(stage.pool) is MeanPool:
                sizes = [np.array([c.stop - c.start for c in axis], dtype) for axis in cells]
                self.divisor = np.outer(*sizes)[:, :, None]
        self.device: str = "cpu"
        self.fused: Any = None
        if plan is not None:
            self.device, self.fused = _placed(plan, height, width, dtype, stage.device)
        elif stage.device == "gpu":
            raise ValueError(
                f"Stage: device='gpu' runs the fused encoder (ContrastNormalizer, whitening, and a learner with an "
                f"encoder_plan()), and the learner here is {self.learner!r}. Pass device='cpu' or 'auto'."
            )
        if self.device == "gpu":
            self.rows = self.fused.rows
        elif not self.after and plan is not None:
            self.rows = FUSED_IMAGES
        else:
            width_out = len(plan.atoms) if plan is not None else 4 * int(np.prod(stage.patch_shape_))
            self.rows = max(1, CODE_BYTES // (8 * width_out * shape[0] * shape[1]))

    def __call__(self, images: np.ndarray) -> np.ndarray:
        maps = self.codes(images)
        for step in self.after:
            maps = step.transform(maps)
        return maps if self.divisor is None else maps / self.divisor

    def codes(self, images: np.ndarray) -> np.ndarray:
        """Maps as the learner gives them, or its sums over cells where these are fused."""
        images = as_float(images)
        if self.fused is not None:  # other learners look at their rows themselves
            check_magnitude("Stage", images, tiny=False)
        images = pad_images(images, self.pad)
        return self._codes(images) if self.fused is None else self.fused(images)

    def _codes(self, images):
        patches = extract_patches(images, self.patch, self.stride)
        # Some learners (NMF) take no other precision than they were fitted on.
        codes = self.learner.transform(patches.reshape(-1, patches.shape[-1]).astype(self.patch_dtype, copy=False))
        codes = codes.toarray() if hasattr(codes, "toarray") else np.asarray(codes)
        return codes.astype(images.dtype, copy=False).reshape(*patches.shape[:3], -1)


def _placed(plan, height, width, dtype, device):
    """The fused encoder on the device asked for: ("cpu" or "gpu", encoder)."""
    if device == "gpu" or (device == "auto" and gpu_may_exist()):
        from featlearn.kernels.encoding.encode_keras import KerasEncoder

        if device == "gpu" or gpu_visible():
            return "gpu", KerasEncoder(plan, height, width, dtype)
    return "cpu", FusedEncoder(plan, height, width, dtype)
