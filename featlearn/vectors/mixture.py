"""Gaussian mixtures by expectation-maximization, and three codes: posterior, joint density and Fisher vector.

X (n, d) samples with weights w_i; K components with weights pi_k, means mu_k and covariances C_k: variances s_k^2, for
each feature ("diag") or one for all ("spherical"), a matrix each ("full") or one for all ("tied"). Each iteration walks
over the data once and updates:

    E   r_ik = pi_k N(x_i; mu_k, C_k) / p(x_i),   p(x) = sum_k pi_k N(x; mu_k, C_k)
    M   N_k  = sum_i w_i r_ik,   pi_k = N_k / sum_i w_i,   mu_k = sum_i w_i r_ik x_i / N_k
        C_k  = sum_i w_i r_ik (x_i - mu_k)'(x_i - mu_k) / N_k + diag(reg_covar),   "tied": sum_k N_k C_k / sum_i w_i
        diag its diagonal, spherical the mean of that

    posterior   r_k                                                     often misprinted as the joint density
    density     pi_k N(x; mu_k, C_k)                                    the joint density itself
    fisher      r_k (x - mu_k) / (s_k sqrt(pi_k))   and   r_k ((x - mu_k)^2 / s_k^2 - 1) / sqrt(2 pi_k)

The likelihood log p(X) never falls, but for rounding, what reg_covar adds, and the weight of one sample that a
component gets when it has lost all its samples and is drawn anew.

Dempster, Laird & Rubin (1977), "Maximum likelihood from incomplete data via the EM algorithm"; Perronnin, Sanchez &
Mensink (2010), "Improving the Fisher kernel for large-scale image classification".
"""

from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from featlearn.arrays import as_float, cache_rows
from featlearn.callbacks import CallbackSupportMixin
from featlearn.fitting import fitting
from featlearn.kernels.encoding.encode import EncoderPlan
from featlearn.kernels.encoding.posteriors import (
    DIRECT_ROWS,
    DirectPlan,
    Mixture,
    MixtureSums,
    Plan,
    affine,
    affine_logits,
    em_sums,
    fisher_sums,
    log_joint,
    maximized,
    posteriors,
    precision_roots,
    prepared,
    prepared_for,
)
from featlearn.kernels.encoding.seeding import spread_rows
from featlearn.notices import interruptible, notify, warn_at_limit
from featlearn.streaming import accumulate, map_chunks
from featlearn.threads import one_blas_thread
from featlearn.usefulness import probe, warn_of_drowned_features, warn_of_idle_units, warn_of_outliers
from featlearn.validation import (
    COMMON,
    boolean,
    check_argument,
    check_parameters,
    check_rows,
    chunk_weights,
    either,
    instance,
    integer,
    one_of,
    real,
)
from featlearn.vectors.alternation import Run, check_count, drawn, gated, given_atoms, revived
from featlearn.vectors.features import FeaturesMixin
from featlearn.vectors.kmeans import KMeansDictionary
from featlearn.vectors.mixture_start import glance, regularizer, spread, units

COVARIANCE = one_of("diag", "spherical", "full", "tied")
ENCODE = one_of("posterior", "density", "fisher")
CHUNK_ROWS = 4096  # rows a thread takes at a time: enough for the products, and few enough to share evenly
START_ROWS = 50  # samples for each component from which K-means starts
FEWEST_ROWS = 1000  # of them in all
START_ITERATIONS = 10
GRID = 2.0**-20  # of rows from which K-means starts, in units of about a deviation: other units, the same draws
ROWS_A_COMPONENT = 10  # of training rows looked at, from which a component without any is idle


def em_step(chunk, weights=None, *, plan: Plan) -> MixtureSums:
    """The statistic of one chunk under the present mixture."""
    X = as_float(chunk)
    return em_sums(X, chunk_weights(X, weights), plan)


def _score(chunk, weights=None, *, mixture):
    """sum w log p, sum w and the number of rows of one chunk."""
    X = as_float(chunk)
    w = chunk_weights(X, weights)
    log_p = posteriors(X, prepared_for(mixture, X))[1]
    return np.array([w @ log_p, w.sum(), len(X)])


def fisher_vectors(X: np.ndarray, mixture: Mixture, plan: Plan) -> np.ndarray:
    """Fisher vectors (n, 2 K d) of single rows X (n, d): all gradients by means, then all by standard deviations."""
    return fisher_sums(X, np.arange(len(X)), len(X), mixture, plan).reshape(len(X), -1)


def joint_density(X: np.ndarray, plan: Plan) -> np.ndarray:
    """pi_k N(x; mu_k, C_k) (n, K) of rows X (n, d), no larger than the largest number."""
    largest = np.nextafter(np.log(np.finfo(X.dtype).max), X.dtype.type(0))
    return np.exp(np.minimum(log_joint(X, plan), largest))


def _per_row(chunk, mixture: Mixture, what: str, roots: np.ndarray | None = None):
    """A result of each row of a chunk under a mixture."""
    X = as_float(chunk)
    plan = prepared_for(mixture, X, roots)
    if what == "fisher":
        return fisher_vectors(X, mixture, plan)
    if what == "density":
        return joint_density(X, plan)
    if what == "label":
        return log_joint(X, plan).argmax(axis=1)
    r, log_p = posteriors(X, plan)
    return r if what == "posterior" else log_p


class GaussianMixtureEncoder(FeaturesMixin, CallbackSupportMixin, BaseEstimator):
    """A Gaussian mixture learned by EM, as an encoder: posteriors, joint densities or Fisher vectors.

    Parameters
    ----------
    n_components : int, default=8
        Number of Gaussians K.
    covariance : {"diag", "spherical", "full", "tied"}, default="diag"
        A variance for each feature of each component; one for each component; a matrix for each; or one matrix for all.
    encode : {"posterior", "density", "fisher"}, default="posterior"
        How samples are coded: ``posterior`` gives p(k | x), K numbers that sum to 1; ``density`` the joint density
        pi_k N(x; mu_k, C_k), K numbers; ``fisher`` the gradients of log p(x) by means and by standard deviations,
        each divided by the root of its approximate Fisher information, 2 K d numbers: those by means first, component
        by component. Signed square root and scaling to unit length are left to later steps (`FisherVector` has them).
        Spherical components are taken as diagonal ones of equal variances; "full" and "tied" have no Fisher vectors.
    max_iter : int, default=100
        Most iterations.
    tol : float, default=1e-3
        Stop when the mean log-likelihood of a sample gains less than this in an iteration; 0 runs ``max_iter``.
    init : {"kmeans", "random"} or array (n_components, n_features), default="kmeans"
        First means: a few iterations of `KMeansDictionary` on 50 K random samples (at least 1,000), each feature in
        units of about its deviation; distinct random samples; or the means themselves. The first weights are equal, and
        the first covariances those of the samples about the nearest mean, the same for each component.
    reg_covar : "auto" or float, default="auto"
        Added to every variance, so that a component of equal samples stays finite. "auto" takes 1e-6 of each
        feature's variance about the nearest first mean (of the median one, where there is none), so that volts and
        microvolts give the same mixture; a number is absolute, as scikit-learn's 1e-6. ``warm_start`` keeps it.
    warm_start : bool, default=False
        Whether `fit` goes on from the mixture of the last fit.
    random_state : int, RandomState or None, default=None
        Seed of everything random.

    Attributes
    ----------
    components_ : array (n_components, n_features)
        The means.
    weights_ : array (n_components,)
        The weights of the components; they sum to 1.
    covariances_ : array (K, n_features), (K,), (K, n_features, n_features) or (n_features, n_features)
        The covariances, by ``covariance`` in the order above. Matrices are float64 whatever X is, since rounding would
        cost narrow ones their inverse.
    precisions_cholesky_ : array of the shape of ``covariances_``
        Upper triangular P with P P' the inverse of a covariance, as scikit-learn's; or the roots of inverse variances.
    reg_covar_ : array (n_features,)
        What was added to each variance.
    log_likelihood_curve_ : array (n_iter_,)
        The mean log-likelihood of a sample at the start of each iteration.
    n_iter_ : int
        Iterations of the last fit.
    converged_ : bool
        Whether the gain fell below ``tol``.
    n_features_in_ : int
        Number of features seen by `fit`.

    Raises
    ------
    ValueError
        For more components than samples, data that are not finite rows, a component that collapses with
        ``reg_covar=0``, or a parameter out of range.

    Warns
    -----
    ConvergenceWarning
        If ``max_iter`` is reached before ``tol``, unless ``tol=0``; if the samples hold fewer distinct rows than there
        are components; or if a fit is interrupted, which keeps what was learned.
    UserWarning
        If more than half of the codes are constant on the training rows.

    See Also
    --------
    KMeansDictionary : Hard clusters, and far faster.
    FisherVector : Images by the gradients of a mixture.

    Notes
    -----
    In many dimensions joint densities underflow: 100 features of unit variance have log densities of about -140, and
    float32 ends at -87. Take posteriors there, or standard deviations well below 1.

    Arrays, memmaps, functions that return iterators of chunks and Dask arrays are walked once an iteration, in memory
    that does not grow with the number of samples. Results do not depend on the number of threads, nor, up to rounding,
    on the order of the samples or the way they are cut into chunks.

    References
    ----------
    Dempster, Laird & Rubin (1977), "Maximum likelihood from incomplete data via the EM algorithm". Perronnin, Sanchez
    & Mensink (2010), "Improving the Fisher kernel for large-scale image classification".

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn.vectors.mixture import GaussianMixtureEncoder
    >>> X = np.repeat([[0.0, 0.0], [4.0, 0.0]], 50, axis=0) + np.random.default_rng(0).normal(size=(100, 2)) / 4
    >>> mixture = GaussianMixtureEncoder(2, random_state=0).fit(X)
    >>> mixture.transform(X[[0, 99]]).max(axis=1).round(3)
    array([1., 1.])
    >>> mixture.weights_.round(2)
    array([0.5, 0.5])
    """

    _rules: ClassVar = {
        "n_components": integer(1),
        "covariance": COVARIANCE,
        "encode": ENCODE,
        "max_iter": integer(1),
        "tol": real(0),
        "init": either(one_of("kmeans", "random"), instance(np.ndarray, list)),
        "reg_covar": either(one_of("auto"), real(0)),
        "warm_start": boolean(),
    }

    def __init__(
        self,
        n_components: int = 8,
        *,
        covariance: str = "diag",
        encode: str = "posterior",
        max_iter: int = 100,
        tol: float = 1e-3,
        init="kmeans",
        reg_covar: float | str = "auto",
        warm_start: bool = False,
        random_state=None,
    ):
        self.n_components = n_components
        self.covariance = covariance
        self.encode = encode
        self.max_iter = max_iter
        self.tol = tol
        self.init = init
        self.reg_covar = reg_covar
        self.warm_start = warm_start
        self.random_state = random_state

    def _check_together(self):
        self._check_encode(self.covariance)

    def _check_encode(self, covariance):
        check_parameters(self, "encode")
        if self.encode == "fisher" and covariance in ("full", "tied"):
            raise ValueError(
                f"GaussianMixtureEncoder: encode='fisher' is defined for variances, not for {covariance!r}. Pass "
                "covariance='diag' (after PCAWhitening, say) or 'spherical', or another encode."
            )

    @property
    def _mixture(self) -> Mixture:
        matrix = self.covariances_.ndim == 3 or self._tied
        covariances = self.covariances_[None] if matrix and self.covariances_.ndim == 2 else self.covariances_
        return Mixture(self.components_, covariances, self.weights_)

    def _per_row(self, what):
        mixture, roots = self._mixture, getattr(self, "precisions_cholesky_", None)
        if mixture.covariances.ndim < 3 or roots is None or roots.shape != self.covariances_.shape:
            roots = None
        else:
            roots = roots.reshape(mixture.covariances.shape)
        return partial(_per_row, mixture=mixture, what=what, roots=roots)

    @property
    def _tied(self) -> bool:
        """Whether the fitted covariance is one matrix for all, whatever the parameter says now."""
        (K, d), shape = self.components_.shape, self.covariances_.shape
        return shape == (d, d) and (d != K or self.covariance == "tied")

    @fitting("max_iter")
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn the mixture.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, function returning chunks, or Dask array
            The samples. A stream may yield ``(chunk, weights)``.
        y : ignored
            Present for the API.
        sample_weight : array (n_samples,) or None, default=None
            A sample of weight w counts as w samples.

        Returns
        -------
        self
        """
        rng = check_random_state(self.random_state)
        warm = self.warm_start and hasattr(self, "components_")
        X, weights, dtype = gated(self, X, sample_weight, reset=True, passes=3, weights=True)
        mixture, floor = self._start(X, weights, rng, dtype, warm)
        run = Run(mixture)
        update = partial(self._updated, X, weights, dtype, rng, floor)
        with one_blas_thread(), interruptible("GaussianMixtureEncoder", run.finished):
            run.iterate(self, update, "log_likelihood", partial(self._fitted, dtype, floor))
        mixture, curve = run.whole
        if run.ended == "limit" and self.tol > 0:
            gain = f"the mean log-likelihood still changed by {abs(np.diff(curve[-2:]).sum()):.2g}"
            warn_at_limit(
                "GaussianMixtureEncoder", self.max_iter, self.tol, gain if len(curve) > 1 else "one cannot tell",
                "pass tol=0 for max_iter iterations without this warning",
            )  # fmt: skip
        for name, value in self._fitted(dtype, floor, mixture, curve).items():
            setattr(self, name, value)
        self.converged_ = run.ended == "settled"
        self._warn_if_idle(X)
        return self

    def _updated(self, X, weights, dtype, rng, floor, mixture, curve):
        """One iteration: the next mixture, the mean log-likelihood under this one, and whether it has settled."""
        plan = self._prepared(mixture, dtype)
        stats = self._accumulate(partial(em_step, plan=plan), X, weights, isinstance(plan, DirectPlan))
        self._check_sums(stats, dtype)
        mixture = self._revived(maximized(stats, mixture, plan, floor), stats, X, weights, rng)
        self._check_variances(mixture)
        value = stats.log_likelihood / stats.total
        return mixture, value, len(curve) > 0 and abs(value - curve[-1]) < self.tol

    def _warn_if_idle(self, X):
        rows = as_float(probe(X))
        warn_of_outliers("GaussianMixtureEncoder", X, "components start from features measured by their deviations")
        if self.covariance == "spherical":
            warn_of_drowned_features("GaussianMixtureEncoder", rows, "covariance='spherical' has one variance for all")
        if self.n_components == 1 or len(rows) < ROWS_A_COMPONENT * self.n_components:
            return  # too few to tell: many a component has none
        density = self.encode == "density"
        cure = (
            f"Densities of {self.n_features_in_} features leave the range of {rows.dtype}: take encode='posterior'."
            if density
            else "Leave reg_covar at 'auto', look for outliers, or ask for another number of components."
        )
        warn_of_idle_units("GaussianMixtureEncoder", self._per_row("density" if density else "posterior")(rows), cure)

    def _fitted(self, dtype, floor, mixture, curve):
        C = mixture.covariances
        roots = precision_roots(C) if C.ndim == 3 else 1 / np.sqrt(C)
        tied = self.covariance == "tied"
        return {
            "precisions_cholesky_": roots[0] if tied else roots,
            "components_": mixture.means.astype(dtype),
            "covariances_": C[0] if tied else C if C.ndim == 3 else C.astype(dtype),
            "weights_": mixture.weights.astype(dtype),
            "reg_covar_": floor,
            "log_likelihood_curve_": np.array(curve),
            "n_iter_": len(curve),
        }

    def _check_weights(self, total):
        if not total > 0:
            raise ValueError("GaussianMixtureEncoder: all samples have weight 0. Give some a weight above 0.")

    def _check_sums(self, stats, dtype):
        self._check_weights(stats.total)
        if not np.isfinite(stats.log_likelihood) or not np.isfinite(stats.second).all():
            raise ValueError(
                f"GaussianMixtureEncoder: squares overflow {dtype}, whose largest number is "
                f"{np.finfo(dtype).max:.3g}. Scale the data down."
            )

    def _check_variances(self, mixture):
        C = mixture.covariances
        least = (np.diagonal(C, axis1=1, axis2=2) if C.ndim == 3 else C).min()
        if not least > np.finfo(np.float64).tiny:
            self._refuse_collapse(f"equal values: its least variance is {least:.3g}")

    def _prepared(self, mixture, dtype):
        try:
            return prepared(mixture, dtype)
        except np.linalg.LinAlgError:
            self._refuse_collapse("a plane: its covariance has no inverse")

    def _refuse_collapse(self, what):
        raise ValueError(
            f"GaussianMixtureEncoder: a component collapsed onto {what} with reg_covar={self.reg_covar}. Pass "
            "reg_covar='auto' or a larger one, fewer components, or drop constant features."
        )

    @staticmethod
    def _accumulate(statistic, X, weights, matrices=False):
        rows = DIRECT_ROWS if matrices else CHUNK_ROWS
        return accumulate(statistic, X, *(() if weights is None else (weights,)), rows=rows)

    def _last(self):
        """The mixture of the last fit, to go on from."""
        K, d = self.n_components, self.n_features_in_
        shape = {"diag": (K, d), "spherical": (K,), "full": (K, d, d), "tied": (d, d)}[self.covariance]
        if self.components_.shape != (K, d) or self.covariances_.shape != shape:
            raise ValueError(
                f"GaussianMixtureEncoder: warm_start=True goes on from {self.components_.shape[0]} components of "
                f"{self.components_.shape[1]} features with covariances of shape {self.covariances_.shape}, and now "
                f"n_components={K}, n_features={d} and covariance={self.covariance!r}. Pass warm_start=False."
            )
        return Mixture(*(array.astype(np.float64) for array in self._mixture))

    def _start(self, X, weights, rng, dtype, warm):
        """The first mixture, and what is added to variances (d,)."""
        if warm:
            last = self._last()
            return last, self._floor(lambda: self.reg_covar_)
        K = self.n_components
        init = self.init if isinstance(self.init, str) else "given"
        size = {"given": 0, "random": K, "kmeans": max(START_ROWS * K, FEWEST_ROWS)}[init]
        seed = int(rng.randint(2**31 - 1)) if size else 0
        look = self._accumulate(partial(glance, size=size, seed=seed), X, weights)
        self._check_weights(look.total)
        check_count(self, look.n_samples)
        rows, matrix = look.sample.rows, self.covariance in ("full", "tied")
        if init == "kmeans":  # all is told from the sample: what few samples far out would do to it, EM can undo
            X, weights = rows, None
            look = glance(rows, size=0, seed=0)
        rounding = (np.finfo(dtype).eps * look.mean) ** 2 / 12
        overall = look.squares / look.total
        overall = np.where(overall > rounding, overall, 0)
        center, scale = look.mean, np.ones(len(overall))
        if init == "kmeans":
            scale = units(rows, np.sqrt(overall))
            scale = np.full(len(scale), scale.max()) if self.covariance == "spherical" else scale
        means = self._first_means(rows, center, scale, rng)
        statistic = partial(spread, means=means, center=center, scale=scale, matrix=matrix)
        C = self._accumulate(statistic, X, weights) / look.total * (np.outer(scale, scale) if matrix else scale**2)
        within = np.diag(C) if matrix else C
        floor = self._floor(lambda: regularizer(within, overall) + rounding)
        if matrix:
            C = np.tile(C + np.diag(floor), (K if self.covariance == "full" else 1, 1, 1))
        else:
            C = np.tile(C + floor, (K, 1)) if self.covariance == "diag" else np.full(K, (C + floor).mean())
        mixture = Mixture(means * scale + center, C, np.full(K, 1 / K))
        self._check_variances(mixture)
        return mixture, floor

    def _floor(self, auto):
        return auto() if self.reg_covar == "auto" else np.full(self.n_features_in_, float(self.reg_covar))

    def _first_means(self, rows, center, scale, rng):
        """First means (K, d), about ``center`` in units of ``scale``."""
        K = self.n_components
        if not isinstance(self.init, str):
            return (given_atoms(self, np.float64) - center) / scale
        rows = np.round((rows - center) / scale / GRID) * GRID
        if len(rows) < K:
            notify(
                f"GaussianMixtureEncoder: the samples hold {len(rows)} distinct rows for n_components={K}, so some "
                "components are copies of others. Ask for fewer components.",
                ConvergenceWarning,
            )
            rows = rows[np.arange(K) % len(rows)]
        if self.init == "random" or len(rows) == K:
            return rows[:K]
        # In the order they were drawn: a sample by what the rows hold would differ by the rounding of their units.
        first = spread_rows(rows, np.ones(len(rows)), K, rng)[0]
        start = KMeansDictionary(K, init=first[np.arange(K) % len(first)], max_iter=START_ITERATIONS, tol=0)
        return start.set_params(random_state=int(rng.randint(2**31 - 1))).fit(rows).components_

    def _revived(self, mixture, stats, X, weights, rng):
        """The mixture with components that lost all mass drawn anew from the samples."""
        means, lost = revived(
            mixture.means, ~stats.alive, lambda size: drawn(self._accumulate, X, weights, rng, size).rows
        )
        if len(lost) == 0:
            return mixture
        covariances, shares = mixture.covariances.copy(), mixture.weights.copy()
        if len(covariances) == len(shares):
            covariances[lost] = np.average(covariances, axis=0, weights=shares)
        shares[lost] = 1 / stats.n_samples
        return Mixture(means, covariances, shares / shares.sum())

    def _map(self, X, what):
        check_is_fitted(self)
        X = check_rows(self, X, reset=False)
        wide = 8 * self.components_.size * 2
        return map_chunks(self._per_row(what), X, rows=cache_rows(wide) if what == "fisher" else None)

    def transform(self, X: Any) -> Any:
        """Encode samples by the mixture.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, stream of chunks or Dask array
            The samples.

        Returns
        -------
        codes : array (n_samples, n_outputs), a generator of chunks, or a Dask array
            ``n_outputs`` is n_components, and 2 n_components n_features for ``encode="fisher"``. float32 if X is.
        """
        check_is_fitted(self)
        self._check_encode("full" if self.covariances_.ndim == 3 else "tied" if self._tied else "diag")
        return self._map(X, self.encode)

    def encoder_plan(self) -> EncoderPlan | None:
        """The codes as a plan, by which `Stage` encodes and pools in one pass; see `featlearn.images.fusion.Fusible`.

        Returns
        -------
        plan : EncoderPlan or None
            Posteriors as a softmax of affine responses; None for other codes, and where that would err.
        """
        mixture = self._mixture
        if self.encode != "posterior" or not affine(mixture):
            return None
        origin = mixture.means.mean(axis=0, dtype=np.float64)
        A, c = affine_logits(mixture.means - origin, mixture.covariances, mixture.weights, np.float64)
        return EncoderPlan(A, "softmax", bias=c, squares=True, mean=origin)

    def predict_proba(self, X: Any) -> Any:
        """Posteriors p(k | x), whatever ``encode`` is.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, stream of chunks or Dask array
            The samples.

        Returns
        -------
        posteriors : array (n_samples, n_components), a generator of chunks, or a Dask array
            Rows sum to 1.
        """
        return self._map(X, "posterior")

    def predict(self, X: Any) -> Any:
        """The component of largest posterior for each sample.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, stream of chunks or Dask array
            The samples.

        Returns
        -------
        labels : array (n_samples,) of int, a generator of chunks, or a Dask array
        """
        return self._map(X, "label")

    def score_samples(self, X: Any) -> Any:
        """Log density log p(x) of each sample.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, stream of chunks or Dask array
            The samples.

        Returns
        -------
        log_p : array (n_samples,), a generator of chunks, or a Dask array
        """
        return self._map(X, "log_p")

    def _sums(self, X, sample_weight=None):
        check_is_fitted(self)
        X, weights, _ = gated(self, X, sample_weight, reset=False, passes=1, weights=True)
        return self._accumulate(partial(_score, mixture=self._mixture), X, weights)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Mean log density of the samples.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, stream of chunks or Dask array
            The samples.
        y : ignored
            Present for the API.
        sample_weight : array (n_samples,) or None, default=None
            Weights of the samples.

        Returns
        -------
        score : float
            Larger is better.
        """
        log_p, total, _ = self._sums(X, sample_weight)
        return float(log_p / total)

    def _n_parameters(self):
        C, d = self.covariances_, self.components_.shape[1]
        free = C.size if C.ndim < 3 and not self._tied else C.size // d * (d + 1) // 2
        return self.components_.size + free + len(self.weights_) - 1

    def bic(self, X: Any) -> float:
        """Bayesian information criterion, -2 log p(X) + parameters log n_samples; lower is better.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, stream of chunks or Dask array
            The samples.

        Returns
        -------
        bic : float
        """
        log_p, _, n = self._sums(X)
        return float(-2 * log_p + self._n_parameters() * np.log(n))

    def aic(self, X: Any) -> float:
        """Akaike information criterion, -2 log p(X) + 2 parameters; lower is better.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, stream of chunks or Dask array
            The samples.

        Returns
        -------
        aic : float
        """
        return float(-2 * self._sums(X)[0] + 2 * self._n_parameters())

    def sample(self, n_samples: int = 1, random_state: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Draw samples from the mixture.

        Parameters
        ----------
        n_samples : int, default=1
            How many.
        random_state : int, RandomState or None, default=None
            Seed of the draws; None takes that of the mixture itself, as scikit-learn's does, which draws the same
            samples in every call if it is an integer.

        Returns
        -------
        X : array (n_samples, n_features)
            The samples, in the dtype of the means.
        labels : array (n_samples,) of int
            The component of each.

        Raises
        ------
        ValueError
            If ``n_samples`` or ``random_state`` is not valid.
        """
        check_is_fitted(self)
        check_argument("GaussianMixtureEncoder.sample", "n_samples", n_samples, integer(1))
        check_argument("GaussianMixtureEncoder.sample", "random_state", random_state, COMMON["random_state"])
        rng = check_random_state(self.random_state if random_state is None else random_state)
        shares = self.weights_.astype(np.float64)
        labels = rng.choice(len(shares), n_samples, p=shares / shares.sum())
        noise = rng.standard_normal((n_samples, self.components_.shape[1]))
        C = self._mixture.covariances
        if C.ndim == 3:
            for k in np.unique(labels):
                noise[labels == k] = noise[labels == k] @ np.linalg.cholesky(C[k % len(C)]).T
        else:
            noise *= np.sqrt(C[labels]).reshape(n_samples, -1)
        X = self.components_[labels] + noise
        return X.astype(self.components_.dtype), labels

    @property
    def _n_features_out(self):
        return 2 * self.components_.size if self.encode == "fisher" else len(self.components_)
