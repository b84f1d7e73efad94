"""K-means dictionaries: the 2011 rule and the 2012 rule, one walk over the data an iteration.

X (n, d) samples with weights w_i, D (K, d) atoms. Each iteration assigns every sample, sums by atom, and updates:

    euclidean   j(i) = argmin_k |x_i - d_k|                 d_k := sum_{i in k} w_i x_i / sum_{i in k} w_i
                inertia  sum w_i |x_i - d_j(i)|^2                         Coates, Lee & Ng (2011), section 3.2.3
    spherical   j(i) = argmax_k |d_k.x_i|,  s_i = d_j.x_i   d_k := unit(sum_{i in k} w_i s_i x_i + damping d_k)
                inertia  sum w_i |x_i - s_i d_j(i)|^2                     Coates & Ng (2012), section 2
    cosine      j(i) = argmax_k d_k.x_i, x_i of length 1    d_k := unit(sum_{i in k} w_i x_i)
                inertia  sum w_i (1 - x_i.d_j(i))                         Dhillon & Modha (2001)

The 2012 update as printed, unit((X S' + D)(S S' + I)^-1), is the same thing: S S' is diagonal and only scales atoms. An
atom that wins no sample is drawn anew from the data, with probability in proportion to the squared distance from the
dictionary (the rule of k-means++). Samples are told apart by what they hold, so shuffling changes nothing but rounding.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from featlearn.arrays import as_float
from featlearn.callbacks import CallbackSupportMixin
from featlearn.fitting import fitting, guarded
from featlearn.kernels.encoding.assign import cluster_sums, fits
from featlearn.kernels.encoding.bounds import RememberingSearch
from featlearn.kernels.encoding.direct import direct_step, is_direct
from featlearn.kernels.encoding.seeding import spread_rows
from featlearn.notices import interruptible, notify, warn_at_limit
from featlearn.streaming import CHUNK_BYTES, accumulate, chunk_rows, float_dtype, is_out_of_core
from featlearn.threads import one_blas_thread
from featlearn.validation import chunk_weights, either, instance, integer, one_of, real
from featlearn.vectors.alternation import Run, check_goes_on, drawn, gated, given_atoms, revived
from featlearn.vectors.dictionary import ENCODE, DictionaryMixin, accumulate_dense, unit_rows
from featlearn.vectors.features import Adding

INIT = either(one_of("auto", "k-means++", "normal", "random"), instance(np.ndarray, list))
COVERED = 64  # roundings of a sample's length within which it lies at its atom
REMEMBER = 400  # atoms from which bounds pay for themselves
SPREAD = 20  # rows an atom that k-means++ chooses from
TRIED_ROWS, TRIED_ATOMS, TRIED_STEPS = 1280, 64, 5  # the trial of first atoms
WHITE = 3.0  # how far deviations may be from 1, and means from 0 in deviations / 3, for samples to look whitened
LONELY = 0.05  # share of k-means++ atoms with a single sample that says: outliers, not clusters
GAIN = 0.05  # inertia that k-means++ must save to be preferred all the same


@dataclass(frozen=True)
class ClusterSums(Adding):
    """What an iteration learns from: sums (K, d), weights (K,), inertia and the number of samples. They add.

    ``sums`` holds sum w x, or sum w s x for the spherical rule; ``weights`` holds sum w, or sum w s^2.
    """

    sums: np.ndarray
    weights: np.ndarray
    inertia: float
    total: float


def as_samples(chunk: np.ndarray, assignment: str) -> np.ndarray:
    """A chunk as contiguous float rows; of unit length for cosine."""
    chunk = np.ascontiguousarray(as_float(chunk))
    return unit_rows(chunk) if assignment == "cosine" else chunk


def cluster_step(chunk, weights=None, *, atoms: np.ndarray, assignment: str) -> ClusterSums:
    """The statistic of one chunk under the present atoms."""
    X = as_samples(chunk, assignment)
    labels, s, errors = fits(X, atoms, assignment)
    w = chunk_weights(X, weights)
    sums = np.zeros(atoms.shape)
    cluster_sums(X, labels, w * s, sums)
    by_atom = np.bincount(labels, weights=w * s**2, minlength=len(atoms))
    return ClusterSums(sums, by_atom, float(w @ errors), float(w.sum()))


def worth_remembering(X, dtype: np.dtype) -> bool:
    """Whether rows lie in memory as they are needed.

    A copy of the data, or 12 bytes a row of a file larger than memory, would be too much.
    """
    if not isinstance(X, np.ndarray) or X.dtype != dtype or not X.flags.c_contiguous:
        return False
    owner: Any = X
    while isinstance(owner, np.ndarray) and not isinstance(owner, np.memmap):
        owner = owner.base
    return not isinstance(owner, np.memmap)


class RememberedRows:
    """`cluster_step` for an array in memory, with bounds kept between iterations; Euclidean only."""

    def __init__(self, X: np.ndarray, weights: np.ndarray | None):
        self.X, self.weights = np.ascontiguousarray(as_float(X)), weights
        self.nearest = RememberingSearch(self.X, chunk_rows(self.X))

    def step(self, atoms: np.ndarray) -> ClusterSums:
        """The statistic of all rows under the present atoms."""
        self.nearest.search(atoms)
        statistic = partial(sums_of, n_atoms=len(atoms))
        return accumulate(statistic, self.X, self.nearest.labels, self.nearest.errors, self.weights)


def sums_of(X, labels, errors, weights, n_atoms: int) -> ClusterSums:
    """Sums by atom of rows whose labels are known."""
    w = np.ones(len(X)) if weights is None else weights
    sums = np.zeros((n_atoms, X.shape[1]))
    cluster_sums(X, labels, w, sums)
    return ClusterSums(sums, np.bincount(labels, weights=w, minlength=n_atoms), float(w @ errors), float(w.sum()))


def updated_atoms(stats: ClusterSums, atoms: np.ndarray, assignment: str, damping: float) -> np.ndarray:
    """The learning rule; an atom that won nothing stays where it is."""
    alive = stats.weights > 0
    if assignment == "euclidean":
        return np.where(alive[:, None], stats.sums / np.where(alive, stats.weights, 1)[:, None], atoms)
    pull = stats.sums + damping * atoms if assignment == "spherical" else stats.sums
    lengths = np.sqrt(np.einsum("kd,kd->k", pull, pull))
    return np.where((lengths > 0)[:, None], pull / np.where(lengths > 0, lengths, 1)[:, None], atoms)


def as_atoms(rows: np.ndarray, assignment: str) -> np.ndarray:
    """Rows as atoms: of unit length, but for the euclidean rule."""
    return rows if assignment == "euclidean" else unit_rows(rows)


def worth(X: np.ndarray, atoms: np.ndarray | None, assignment: str) -> np.ndarray:
    """What rows X (n, d) are worth as atoms (n,): all the same, or their error under the atoms there are."""
    X = as_samples(X, assignment)
    chances = np.ones(len(X))
    if assignment != "euclidean":  # a row of zeros has no direction
        chances *= X.any(axis=1)
    if atoms is not None:
        errors = fits(X, atoms, assignment)[2].astype(np.float64)
        rounding = (COVERED * np.finfo(X.dtype).eps) ** 2 * np.einsum("nd,nd->n", X, X, dtype=np.float64)
        chances *= np.where(errors > rounding, errors, 0)  # a sample is covered if only rounding is left of it
    return chances


def step(chunk, weights=None, *, atoms: np.ndarray, assignment: str) -> ClusterSums:
    """`cluster_step`, by differences where that is the faster way."""
    if assignment != "euclidean" or not is_direct(chunk, atoms):
        return cluster_step(chunk, weights, atoms=atoms, assignment=assignment)
    return direct(chunk, weights, None, atoms, np.zeros(atoms.shape))


def settle(chunk, weights=None, labels=None, *, atoms: np.ndarray, assignment: str) -> ClusterSums:
    """`step` without the sums, for atoms that move no more; ``labels`` (n,) are written if given."""
    if assignment == "euclidean" and is_direct(chunk, atoms):
        return direct(chunk, weights, labels, atoms, np.empty((0, 0)))
    X = as_samples(chunk, assignment)
    found, s, errors = fits(X, atoms, assignment)
    if labels is not None:
        labels[:] = found
    w = chunk_weights(X, weights)
    by_atom = np.bincount(found, weights=w * s.astype(np.float64) ** 2, minlength=len(atoms))
    return ClusterSums(np.zeros(0), by_atom, float(w @ errors), float(w.sum()))


def direct(chunk, weights, labels, atoms, sums) -> ClusterSums:
    """The statistic of one chunk by `direct_step`."""
    X = as_samples(chunk, "euclidean")
    w, won = chunk_weights(X, weights), np.zeros(len(atoms))
    labels = np.empty(0, np.int32) if labels is None else labels
    inertia = direct_step(X, np.ascontiguousarray(atoms, np.float64), w, labels, sums, won)
    return ClusterSums(sums, won, inertia, float(w.sum()))


def only_rounding(stats: ClusterSums, atoms: np.ndarray, assignment: str) -> bool:
    """Whether the inertia is no more than rounding leaves of samples that lie at their atoms."""
    rounding = COVERED * np.finfo(atoms.dtype).eps
    squares = stats.weights @ np.einsum("kd,kd->k", atoms, atoms)
    return bool(stats.inertia <= (rounding**2 if assignment == "euclidean" else rounding) * squares)


def look_whitened(rows: np.ndarray) -> bool:
    """Whether features have means of about 0 and deviations of about 1."""
    deviations = rows.std(axis=0, dtype=np.float64)
    means = np.abs(rows.mean(axis=0, dtype=np.float64))
    return bool((deviations < WHITE).all() and (deviations > 1 / WHITE).all() and (means < WHITE / 3).all())


class KMeansRun(Run):
    """A run of K-means from its first atoms; once it is over, the statistics under the last atoms, and the labels."""

    def __init__(self, atoms: np.ndarray, memory: "RememberedRows | None" = None):
        super().__init__(atoms)
        self.memory = memory
        self.stats: ClusterSums | None = None
        self.labels: np.ndarray | None = None


class KMeansDictionary(DictionaryMixin, ClusterMixin, CallbackSupportMixin, BaseEstimator):
    """A dictionary learned by K-means, with the encoders of Coates and Ng.

    Parameters
    ----------
    n_components : int, default=8
        Number of atoms K.
    assignment : {"euclidean", "spherical", "cosine"}, default="euclidean"
        The learning rule: nearest center (2011); unit atoms and the largest absolute response, damped (2012); or unit
        atoms and the largest response of samples scaled to unit length.
    encode : {"triangle", "hard", "threshold", "split", "omp"}, default="triangle"
        How samples are coded: ``triangle`` gives ``max(mean(z) - z_k, 0)`` with distances z; ``hard`` 1 for the
        winning atom; ``threshold`` ``max(x.d_k - threshold, 0)``; ``split`` both signs of that, 2 K codes; ``omp`` one
        step of orthogonal matching pursuit, a signed code for the best atom.
    threshold : float, default=0.25
        The threshold of ``threshold`` and ``split``, in the units of the responses.
    max_iter : int, default=300
        Most iterations.
    tol : float, default=1e-4
        Stop when the inertia falls by less than this fraction in an iteration; 0 runs until nothing moves, or
        ``max_iter``, and then says nothing of convergence.
    init : {"auto", "k-means++", "normal", "random"} or array (n_components, n_features), default="auto"
        First atoms: greedy k-means++ on a random sample of the larger of 20 K and 1,280 samples; 0.1 N(0, 1), the
        authors' rule, whatever the scale of the data; distinct samples; or the atoms themselves. On whitened patches
        "normal" spreads the atoms best: the others leave one atom in a hundred to a single outlier, and cost 0.8
        points of accuracy on CIFAR-10. On clusters k-means++ finds more of them. "auto" takes k-means++, unless the
        samples look whitened (features with means of about 0 and deviations of about 1), k-means++ leaves more than
        5 % of up to 64 atoms to single samples of 1,280, and after 5 iterations there has saved less than 5 % of the
        inertia of "normal".
    n_init : int, default=1
        Runs from different first atoms; the one of least inertia is kept.
    damping : float, default=1.0
        Weight of the old atom in the spherical update.
    random_state : int, RandomState or None, default=None
        Seed of everything random.

    Attributes
    ----------
    components_ : array (n_components, n_features)
        The atoms.
    inertia_ : float
        The (weighted) sum over samples of the squared distance to the nearest atom; of the squared reconstruction error
        for spherical; of 1 - cosine for cosine. After `partial_fit`, of its batch under the atoms before it.
    inertia_curve_ : array (n_iter_,)
        The inertia at the start of each iteration.
    n_iter_ : int
        Iterations of the kept run.
    labels_ : array (n_samples,)
        Index of the winning atom of each training sample, the same that `predict` gives. Not for streams and Dask
        arrays, whose labels may not fit in memory, nor after `partial_fit`.
    counts_ : array (n_components,)
        Weight of the samples each atom won; for spherical, of their squared codes.
    n_features_in_ : int
        Number of features seen by `fit`.

    Raises
    ------
    ValueError
        For more atoms than samples of an array, data that are not finite rows, or a parameter out of range.

    Warns
    -----
    ConvergenceWarning
        If ``max_iter`` ends the fit before ``tol`` does; if atoms win nothing because every sample lies at an atom; if
        Ctrl-C ends the fit, which then keeps the best atoms so far.
    UserWarning
        If one feature's scale, or an outlier, drowns the other features in euclidean distances; if more than half of
        the atoms hold outliers; if more than half of the codes are constant on training samples (a threshold too large
        for the scale of the data).

    See Also
    --------
    RandomPatches : The same codes without learning.
    ZCA : Whitens patches before.
    ClusterClassifier : Labels from clusters.
    Stage : Lifts it to images.

    Notes
    -----
    Sparse matrices are made dense one chunk at a time, and give what the dense matrix gives.

    Arrays, memmaps, functions that return iterators of chunks and Dask arrays are walked once an iteration, in memory
    that does not grow with the number of samples; arrays in memory take 12 bytes a sample more (20 in float64), for
    bounds that spare most distances once the atoms have settled. Results do not depend on the number of threads, nor,
    up to rounding, on the order of the samples or the way they are cut into chunks.

    References
    ----------
    Coates, Lee & Ng (2011), "An analysis of single-layer networks in unsupervised feature learning". Coates & Ng
    (2012), "Learning feature representations with K-means".

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn import KMeansDictionary
    >>> X = np.repeat([[0.0, 0.0], [4.0, 0.0]], 5, axis=0) + np.random.default_rng(0).normal(size=(10, 2)) / 9
    >>> KMeansDictionary(2, encode="hard", random_state=0).fit_transform(X).sum(axis=0)
    array([5., 5.])
    """

    _rules: ClassVar = {
        "n_components": integer(1),
        "assignment": one_of("euclidean", "spherical", "cosine"),
        "encode": ENCODE,
        "threshold": real(0),
        "max_iter": integer(1),
        "tol": real(0),
        "init": INIT,
        "n_init": integer(1),
        "damping": real(0),
    }

    def __init__(
        self,
        n_components: int = 8,
        *,
        assignment: str = "euclidean",
        encode: str = "triangle",
        threshold: float = 0.25,
        max_iter: int = 300,
        tol: float = 1e-4,
        init="auto",
        n_init: int = 1,
        damping: float = 1.0,
        random_state=None,
    ):
        self.n_components = n_components
        self.assignment = assignment
        self.encode = encode
        self.threshold = threshold
        self.max_iter = max_iter
        self.tol = tol
        self.init = init
        self.n_init = n_init
        self.damping = damping
        self.random_state = random_state

    def _rule(self) -> str:
        return self.assignment

    @fitting(lambda self, X: int(self.n_init) * int(self.max_iter))
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn the atoms.

        Parameters
        ----------
        X : array (n_samples, n_features), sparse matrix, memmap, function returning chunks, or Dask array
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
        X, weights, dtype = self._gate(X, sample_weight, reset=True, passes=3)
        runs: list[KMeansRun] = []
        with one_blas_thread():  # entered here once: every walk enters it
            with interruptible("KMeansDictionary", lambda: sum(run.finished() for run in runs)):
                for _ in range(self.n_init):
                    runs.append(KMeansRun(self._first_atoms(X, weights, rng), self._memory(X, weights, dtype)))
                    update = partial(self._updated, X, weights, dtype, rng, runs[-1].memory)
                    runs[-1].iterate(self, update, "inertia", lambda atoms, curve: {"components_": atoms})
                    runs[:] = [self._best(runs, X, weights)]
            best = self._best(runs, X, weights)
            self._warn_of_idle_atoms(best, X, weights, rng)
        self._keep(best)
        self._warn_at_limit(best)
        if self.assignment == "euclidean" and not sp.issparse(X):
            self._warn_of_outliers(best)
        self._warn_of_scale(X)
        return self

    def fit_predict(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """Learn the atoms and give the winning atom of each sample.

        Parameters
        ----------
        X : array (n_samples, n_features), sparse matrix, memmap, function returning chunks, or Dask array
            The samples.
        y : ignored
            Present for the API.
        sample_weight : array (n_samples,) or None, default=None
            A sample of weight w counts as w samples.

        Returns
        -------
        labels : array (n_samples,) of int, a generator of chunks, or a Dask array
            ``labels_``, or what `predict` gives for a stream or a Dask array.
        """
        self.fit(X, sample_weight=sample_weight)
        return self.labels_ if hasattr(self, "labels_") else self.predict(X)

    def _gate(self, X, sample_weight, *, reset, passes):
        X, weights, dtype = gated(self, X, sample_weight, reset=reset, passes=passes, weights=True, accept_sparse=True)
        if isinstance(X, np.ndarray) and X.nbytes <= CHUNK_BYTES:  # one chunk: converted here, not at every walk
            X = np.ascontiguousarray(as_float(X))
        return X, weights, dtype

    def _memory(self, X, weights, dtype):
        many = self.assignment == "euclidean" and self.n_components >= REMEMBER
        return RememberedRows(X, weights) if many and worth_remembering(X, dtype) else None

    def _updated(self, X, weights, dtype, rng, memory, atoms, curve):
        """One iteration: the next atoms, the inertia under these, and whether it has settled."""
        stats = self._walk(X, weights, atoms, memory)
        if not np.isfinite(stats.inertia):
            raise ValueError(
                f"KMeansDictionary: squared distances overflow {dtype}, whose largest number is "
                f"{np.finfo(dtype).max:.3g}. Scale the data down."
            )
        new = self._learned(X, weights, dtype, rng, atoms, stats)
        small = bool(curve) and abs(curve[-1] - stats.inertia) <= self.tol * abs(curve[-1])
        small = self.tol > 0 and (small or only_rounding(stats, atoms, self.assignment))
        return new, stats.inertia, small or np.array_equal(new, atoms)

    def _learned(self, X, weights, dtype, rng, atoms, stats):
        """Atoms by the rule, the dead ones drawn anew from samples that the others cover worst."""
        new = updated_atoms(stats, atoms, self.assignment, self.damping).astype(dtype)

        def draw(size):
            return as_atoms(self._drawn(X, weights, rng, size, new).rows, self.assignment)

        return revived(new, stats.weights <= 0, draw)[0]

    def _best(self, runs, X, weights):
        """The run of least inertia, with its statistics and, for an array, its labels."""
        for run in (run for run in runs if run.stats is None and run.finished()):
            atoms = run.whole[0]
            if run.memory is not None and run.ended:  # an interrupt may have left its bounds half done
                run.stats, run.labels = run.memory.step(atoms), run.memory.nearest.labels
            else:
                run.labels = None if is_out_of_core(X) else np.empty(X.shape[0], np.int32)
                statistic = partial(settle, atoms=atoms, assignment=self.assignment)
                run.stats = self._fold(statistic, X, weights, run.labels)
            run.memory = None
        return min((run for run in runs if run.stats is not None), key=lambda run: run.stats.inertia)

    def _keep(self, run):
        """The attributes of a fitted estimator."""
        self.components_, curve = run.whole
        self.inertia_, self.counts_ = run.stats.inertia, run.stats.weights
        self.inertia_curve_, self.n_iter_ = np.array(curve), len(curve)
        self.n_samples_seen_ = run.stats.total
        self.__dict__.pop("labels_", None)
        if run.labels is not None:
            self.labels_ = run.labels

    def _warn_at_limit(self, run):
        if run.ended == "limit" and self.tol > 0:
            last = run.whole[1][-1]
            fall = abs(last - run.stats.inertia)
            if fall > self.tol * abs(last):
                reached = f"the inertia still changed by {fall / abs(last):.2g} of itself"
                warn_at_limit("KMeansDictionary", self.max_iter, self.tol, reached, "set tol=0 to run max_iter unasked")

    def _warn_of_outliers(self, run):
        """Warn of atoms most of which hold next to nothing, so that few are left for the bulk of the samples."""
        K, share = len(run.stats.weights), run.stats.total / len(run.stats.weights)
        lonely = int(np.count_nonzero((run.stats.weights > 0) & (run.stats.weights < share / 10)))
        if lonely > K / 2 and share >= SPREAD:
            notify(
                f"KMeansDictionary: {lonely} of n_components={K} atoms hold less than a tenth of their share of the "
                "samples, so most of the dictionary describes outliers. Look for wrong values, or scale the features "
                "so that tails are shorter (StandardScaler, RobustScaler, logarithms)."
            )

    def _warn_of_idle_atoms(self, run, X, weights, rng):
        idle = np.count_nonzero(run.stats.weights <= 0)
        if idle and len(self._drawn(X, weights, rng, 1, run.whole[0]).rows) == 0:
            notify(
                f"KMeansDictionary: {idle} of n_components={self.n_components} atoms win nothing, because every sample "
                "already lies at an atom. Ask for fewer components, or pass more samples that differ.",
                ConvergenceWarning,
            )

    @staticmethod
    def _fold(statistic, X, weights, *more):
        """`accumulate` with weights where there are any; a stream carries its own."""
        return accumulate_dense(statistic, X, *(() if is_out_of_core(X) and weights is None else (weights, *more)))

    def _walk(self, X, weights, atoms, memory=None):
        if memory is not None:
            return memory.step(atoms)
        return self._fold(partial(step, atoms=atoms, assignment=self.assignment), X, weights)

    def _drawn(self, X, weights, rng, size, atoms=None):
        return drawn(self._fold, X, weights, rng, size, partial(worth, atoms=atoms, assignment=self.assignment))

    def _first_atoms(self, X, weights, rng):
        K = int(self.n_components)
        if not isinstance(self.init, str):
            return as_atoms(given_atoms(self, np.float64 if is_out_of_core(X) else float_dtype(X)), self.assignment)
        by_distance = self.init in ("auto", "k-means++")
        sample = self._drawn(X, weights, rng, TRIED_ROWS if by_distance else K if self.init == "random" else 1)
        rows, masses = sample.rows, sample.masses
        if len(rows) == 0:
            raise ValueError(
                "KMeansDictionary: no sample can be an atom: all have weight 0, or are rows of zeros, which have "
                f"no direction for assignment={self.assignment!r}. Pass other samples or weights."
            )
        if self.init == "normal":
            rows = self._normal(rows, rng)
        elif by_distance:
            rows = self._spread_or_normal(X, weights, rows, masses, rng)
        return as_atoms(rows[np.arange(K) % len(rows)], self.assignment)

    def _spread_or_normal(self, X, weights, rows, masses, rng):
        """First atoms by k-means++; for "auto" normal ones where those serve better."""
        K = int(self.n_components)
        if K <= TRIED_ATOMS or (self.init == "auto" and look_whitened(rows)):
            spread, won = self._spread(rows, masses, min(K, TRIED_ATOMS), rng)
            if self.init == "auto" and self._normal_serves(rows, masses, spread, won, rng):
                return self._normal(rows, rng)
            if K <= TRIED_ATOMS:
                return spread
        if SPREAD * K > TRIED_ROWS:
            sample = self._drawn(X, weights, rng, SPREAD * K)
            rows, masses = sample.rows, sample.masses
        return self._spread(rows, masses, K, rng)[0]

    def _normal(self, rows, rng):
        return (0.1 * rng.standard_normal((self.n_components, rows.shape[1]))).astype(rows.dtype)

    def _spread(self, rows, masses, n_atoms, rng):
        """Rows by k-means++ and how many rows each has won; for unit atoms, by angles."""
        rows = as_atoms(rows, self.assignment)
        return spread_rows(rows, masses, n_atoms, rng, signless=self.assignment == "spherical")

    def _normal_serves(self, rows, masses, spread, won, rng):
        """Whether k-means++ has left atoms to outliers of whitened samples, and saves little by it."""
        if np.mean(won == 1) < LONELY or not look_whitened(rows):
            return False
        least = []
        for atoms in (spread, self._normal(rows, rng)[: len(spread)]):
            atoms = as_atoms(atoms, self.assignment)
            for _ in range(TRIED_STEPS):
                stats = self._walk(rows, masses, atoms)
                atoms = self._learned(rows, masses, rows.dtype, rng, atoms, stats)
            least.append(stats.inertia)
        return least[0] > (1 - GAIN) * least[1]

    @guarded
    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn from one more batch; the first one also sets the first atoms.

        An atom moves towards its samples of the batch in proportion to their share of all it ever won (the rule of
        mini-batch K-means, Sculley 2010); an atom that never won is drawn anew from the batch.

        Parameters
        ----------
        X : array (n_samples, n_features) or sparse matrix
            A batch of samples; the first of at least n_components.
        y : ignored
            Present for the API.
        sample_weight : array (n_samples,) or None, default=None
            Weights of the batch.

        Returns
        -------
        self
        """
        first = not hasattr(self, "components_")
        rng = check_random_state(self.random_state)
        X, weights, dtype = self._gate(X, sample_weight, reset=first, passes=2)
        if not first:
            check_goes_on(self)
        atoms = self._first_atoms(X, weights, rng) if first else self.components_
        counts = np.zeros(len(atoms)) if first else self.counts_
        stats = self._walk(X, weights, atoms)
        memory = ClusterSums(stats.sums + counts[:, None] * atoms, stats.weights + counts, stats.inertia, stats.total)
        self.components_ = self._learned(X, weights, dtype, rng, atoms, memory)
        self.counts_, self.inertia_ = memory.weights, stats.inertia
        self.n_samples_seen_ = stats.total + (0 if first else self.n_samples_seen_)
        self.n_iter_ = 1 if first else self.n_iter_ + 1
        self.__dict__.pop("labels_", None)
        return self

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Minus the inertia of samples under the atoms.

        Parameters
        ----------
        X : array (n_samples, n_features), sparse matrix, memmap, stream of chunks or Dask array
            The samples.
        y : ignored
            Present for the API.
        sample_weight : array (n_samples,) or None, default=None
            Weights of the samples.

        Returns
        -------
        score : float
            Larger is better; 0 is a perfect fit.
        """
        check_is_fitted(self)
        X, weights, _ = self._gate(X, sample_weight, reset=False, passes=1)
        statistic = partial(settle, atoms=self.components_, assignment=self.assignment)
        return -self._fold(statistic, X, weights).inertia
