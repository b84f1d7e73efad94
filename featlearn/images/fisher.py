"""Fisher vectors: how the patches of an image, or of its cells, would pull at a Gaussian mixture of patches.

    fit         random patches -> preprocess -> mixture of K Gaussians, weights pi_k, means mu_k, deviations s_k
    transform   for each cell of a grid, over its T patches x with posteriors r_k(x) and u = (x - mu_k) / s_k

        by means        1 / (T sqrt(pi_k))    sum_x r_k u               (K d)
        by deviations   1 / (T sqrt(2 pi_k))  sum_x r_k (u^2 - 1)       (K d)

    then z := sign(z) |z|^power, and each cell's 2 K d numbers scaled to length 1.

`Stage` with ``GaussianMixtureEncoder(encode="fisher")`` and `MeanPool` gives the same sums out of a map of 2 K d
numbers a patch; here each patch is added to its cell at once, by the few components that claim it.

Perronnin, Sanchez & Mensink (2010), "Improving the Fisher kernel for large-scale image classification".
"""

from typing import Any, ClassVar, Self

import numpy as np
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils.validation import check_is_fitted

from featlearn.arrays import as_float
from featlearn.callbacks import sub_fit
from featlearn.fitting import fitting
from featlearn.images.maps import ImageEncoder, axes_rule, check_images
from featlearn.images.patches import extract_patches, pad_images
from featlearn.images.pools import MeanPool
from featlearn.images.stage import Stage
from featlearn.kernels.encoding.encode import map_size
from featlearn.kernels.encoding.posteriors import Mixture, fisher_sums, prepared
from featlearn.streaming import is_out_of_core, map_chunks
from featlearn.validation import boolean, check_parameters, either, has, integer, optional, real
from featlearn.vectors.dictionary import unit_rows
from featlearn.vectors.mixture import GaussianMixtureEncoder

PATCH_BYTES = 8 << 20


def signed_power(Z: np.ndarray, power: float) -> np.ndarray:
    """sign(z) |z|^power."""
    return np.copysign(np.sqrt(abs(Z)) if power == 0.5 else abs(Z) ** power, Z)


class FisherVector(ImageEncoder):
    """Improved Fisher vectors of images, over the cells of a grid.

    Parameters
    ----------
    n_components : int, default=16
        Number of Gaussians K.
    patch_size : int or (int, int), default=6
        Height and width of a patch, in pixels.
    stride : int, default=1
        Pixels between neighboring patches when encoding.
    n_patches : int or None, default=None
        Most patches drawn to fit, without repetition, at any position; where fewer exist, all are taken. None means
        100,000.
    grid : int or (int, int), default=2
        Number of cells (down, across) that split the patches of an image, as in `MeanPool`.
    pad : int, default=0
        Rows and columns of zeros put around every image before encoding.
    preprocess : transformer or None, default=None
        What patches go through before the mixture: any transformer of 2-D arrays, such as
        ``make_pipeline(ContrastNormalizer(), PCAWhitening(30))``. It is cloned, and fitted on the same patches.
        Diagonal Gaussians ask for features without correlation.
    max_iter : int, default=100
        Most iterations of EM.
    tol : float, default=1e-3
        Gain of the mean log-likelihood of a patch below which EM stops.
    power : float, default=0.5
        Exponent of the signed power, in (0, 1]; 0.5 is the signed square root and 1 leaves the sums as they are.
    l2 : bool, default=True
        Whether each cell's vector is scaled to length 1; a vector of zeros stays.
    random_state : int, RandomState or None, default=None
        Seed of the patches, of the mixture and of every ``random_state`` inside ``preprocess`` that is None.
    n_jobs : int or None, default=None
        Threads that encode; None takes every core this process may use. No effect on the result.

    Attributes
    ----------
    mixture_ : GaussianMixtureEncoder
        The fitted mixture.
    stage_ : Stage
        The fitted ``preprocess`` and mixture as a stage.
    image_shape_ : tuple
        (height, width) or (height, width, channels) of the images.
    patch_dtype_ : dtype
        float32 or float64: what the mixture was fitted on.
    output_shape_ : tuple
        (rows, columns, 2 K d) of the output for one image, d being the features after ``preprocess``.

    Raises
    ------
    ValueError
        For images of another size than fitted, patches or a grid that do not fit, fewer patches than components, NaN,
        or a parameter out of range.

    See Also
    --------
    Stage : Lifts any learner of vectors to images.
    GaussianMixtureEncoder : The mixture behind it.

    References
    ----------
    Perronnin, Sanchez & Mensink (2010), "Improving the Fisher kernel for large-scale image classification".

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from featlearn import PCAWhitening
    >>> from featlearn.images.fisher import FisherVector
    >>> images = load_digits().images[:100]
    >>> fisher = FisherVector(4, patch_size=3, preprocess=PCAWhitening(5), random_state=0)
    >>> fisher.fit_transform(images).shape
    (100, 2, 2, 40)
    """

    _rules: ClassVar = {
        "n_components": integer(1),
        "patch_size": either(integer(1), axes_rule(2)),
        "stride": integer(1),
        "n_patches": optional(integer(1)),
        "grid": either(integer(1), axes_rule(2)),
        "pad": integer(0),
        "preprocess": optional(has("fit", "transform")),
        "max_iter": integer(1),
        "tol": real(0),
        "power": real(high=1, above=0),
        "l2": boolean(),
    }

    def __init__(
        self,
        n_components: int = 16,
        *,
        patch_size: int | tuple[int, int] = 6,
        stride: int = 1,
        n_patches: int | None = None,
        grid: int | tuple[int, int] = 2,
        pad: int = 0,
        preprocess=None,
        max_iter: int = 100,
        tol: float = 1e-3,
        power: float = 0.5,
        l2: bool = True,
        random_state=None,
        n_jobs: int | None = None,
    ):
        self.n_components = n_components
        self.patch_size = patch_size
        self.stride = stride
        self.n_patches = n_patches
        self.grid = grid
        self.pad = pad
        self.preprocess = preprocess
        self.max_iter = max_iter
        self.tol = tol
        self.power = power
        self.l2 = l2
        self.random_state = random_state
        self.n_jobs = n_jobs

    @fitting(1)
    def fit(self, X: Any, y: Any = None, groups: Any = None) -> Self:
        """Learn the mixture from random patches of the images.

        Parameters
        ----------
        X : array (n_images, height, width) or (n_images, height, width, channels)
            The images, of any numeric dtype; a memmap is not copied.
        y : ignored
            Present for the API.
        groups : array (n_images,) or None, default=None
            Which film an image belongs to, where ``preprocess`` needs order in time, as in `Stage`.

        Returns
        -------
        self
        """
        X = X if is_out_of_core(X) else check_images(X, "FisherVector")
        mixture = GaussianMixtureEncoder(self.n_components, max_iter=self.max_iter, tol=self.tol)
        stage = Stage(
            mixture if self.preprocess is None else make_pipeline(self.preprocess, mixture),
            patch_size=self.patch_size,
            stride=self.stride,
            n_patches=self.n_patches,
            pad=self.pad,
            pool=MeanPool(grid=self.grid),
            random_state=self.random_state,
            n_jobs=self.n_jobs,
        )
        with sub_fit(self, stage, "fit-stage"):
            self.stage_ = stage.fit(X, groups=groups)
        self.mixture_ = stage.learner_ if self.preprocess is None else stage.learner_[-1]
        self.image_shape_, self.patch_dtype_ = stage.image_shape_, stage.patch_dtype_
        self.output_shape_ = (*stage.output_shape_[:2], 2 * self.mixture_.components_.size)
        return self

    def transform(self, X: Any) -> Any:
        """Fisher vectors of the cells of images.

        Parameters
        ----------
        X : array (n_images, height, width[, channels]), memmap, stream of chunks or Dask array
            Images of the size of the fit.

        Returns
        -------
        vectors : array (n_images, rows, columns, 2 K d), a generator of chunks, or a Dask array
            Gradients by means first, then by deviations, each component by component; float32, or float64 if the
            images are.
        """
        check_is_fitted(self)
        check_parameters(self)
        encode = _FisherEncoder(self)
        return map_chunks(encode, X) if is_out_of_core(X) else encode(X)


class _FisherEncoder:
    """A fitted `FisherVector` on chunks of images as they come; picklable for a Dask cluster."""

    def __init__(self, fisher: FisherVector):
        stage, learned = fisher.stage_, fisher.mixture_
        self.fisher, self.stage = fisher, stage
        # As it was fitted, whatever the parameter says now.
        self.preprocess = stage.learner_[:-1] if isinstance(stage.learner_, Pipeline) else None
        self.mixture = Mixture(learned.components_, learned.covariances_, learned.weights_)
        height, width = (side + 2 * int(stage.pad) for side in stage.image_shape_[:2])
        self.map_shape = map_size(height, width, stage.patch_shape_[:2], int(stage.stride))
        rows, columns = MeanPool(grid=fisher.grid).cells(*self.map_shape)
        self.grid = len(rows), len(columns)
        self.cell = np.empty(self.map_shape, np.int64)  # of each place of the map
        for index, (a, b) in enumerate(np.ndindex(*self.grid)):
            self.cell[rows[a], columns[b]] = index

    def __call__(self, images):
        images = self.fisher._check_images(images)
        patch_bytes = 8 * int(np.prod(self.stage.patch_shape_)) * self.cell.size
        return map_chunks(self.encode, images, n_jobs=self.fisher.n_jobs, rows=max(1, PATCH_BYTES // patch_bytes))

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Vectors (n, rows, columns, 2 K d) of a few images (n, H, W, c)."""
        images = pad_images(as_float(images), int(self.stage.pad))
        patches = extract_patches(images, self.stage.patch_shape_[:2], int(self.stage.stride))
        X = patches.reshape(-1, patches.shape[-1]).astype(self.stage.patch_dtype_, copy=False)
        X = as_float(np.asarray(X if self.preprocess is None else self.preprocess.transform(X)))
        n, n_cells = len(images), self.grid[0] * self.grid[1]
        cells, plan = self.cell.reshape(-1), prepared(self.mixture, X.dtype)
        # An image at a time: its neighbors must not change how products round, for the root magnifies what is near 0.
        by_image = X.reshape(n, len(cells), -1)
        sums = np.stack([fisher_sums(rows, cells, n_cells, self.mixture, plan) for rows in by_image])
        sizes = np.bincount(cells).astype(X.dtype)
        vectors = sums.reshape(n, n_cells, -1) / sizes[:, None]
        if self.fisher.power != 1:
            vectors = signed_power(vectors, self.fisher.power)
        if self.fisher.l2:
            vectors = unit_rows(vectors.reshape(n * n_cells, -1))
        return vectors.astype(images.dtype, copy=False).reshape(n, *self.grid, -1)
