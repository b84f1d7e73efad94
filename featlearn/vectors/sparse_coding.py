"""Sparse coding: a dictionary learned so that a few atoms explain each sample.

X (n, d) samples, D (K, d) atoms of unit length, Z (n, K) codes. Each iteration walks over the data once:

    codes       omp            z = argmin |x - z D|^2  with at most n_nonzero atoms, chosen greedily
                ista, fista    z = argmin 1/2 |x - z D|^2 + alpha |z|_1
    statistics  A = sum z' z,  B = sum z' x                     they add, so a file serves as well as an array
    atoms       D := argmin 1/2 sum |x - z D|^2  over |d_k| = 1, atom by atom

The codes are those of Rubinstein, Zibulevsky & Elad (2008) and Beck & Teboulle (2009), the atoms those of Mairal, Bach,
Ponce & Sapiro (2010), algorithm 2. That rather than MOD, D = A^-1 B: it needs no inverse, which unused or similar atoms
make singular, and it holds the unit length while it descends, so that it never raises the objective; MOD rescales
afterwards, and may. An atom that no sample uses is drawn anew from the samples that are explained worst; so is, for
omp, an atom that does what another does as well (Aharon, Elad & Bruckstein 2006), for greedy codes never part the two.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from featlearn.arrays import as_float
from featlearn.callbacks import CallbackSupportMixin
from featlearn.fitting import fitting, guarded
from featlearn.kernels.encoding.sparse_codes import OMP, ProximalEncoder, fitted_atoms, lasso_objective, sparse_sums
from featlearn.notices import interruptible, notify, warn_at_limit
from featlearn.streaming import accumulate, map_chunks
from featlearn.threads import one_blas_thread
from featlearn.usefulness import probe, warn_of_drowned_features, warn_of_far_origin, warn_of_idle_units
from featlearn.validation import (
    boolean,
    check_codes,
    check_parameters,
    check_rows,
    either,
    instance,
    integer,
    one_of,
    optional,
    real,
)
from featlearn.vectors.alternation import Run, check_goes_on, drawn, gated, given_atoms, revived
from featlearn.vectors.dictionary import unit_rows
from featlearn.vectors.features import Adding, FeaturesMixin

ROWS = 1024  # in a chunk: enough to feed the products, few enough to share among cores
EXPLAINED = 64  # roundings of a sample's length within which nothing is left of it
TWIN = 0.97  # cosine above which two atoms are alike
ALPHA = 0.1  # alpha="auto", in root mean squares of the data
ROWS_AN_ATOM = 10  # of training rows looked at, from which an atom without any is idle
FORGET = 8.0  # partial_fit: batch s of t counts (s / t)^FORGET, so that codes by early atoms fade


@dataclass(frozen=True)
class CodeSums(Adding):
    """What an iteration learns from: A (K, K), B (K, d), the objective and the number of samples. They add."""

    A: np.ndarray
    B: np.ndarray
    objective: float
    total: float


class Coder:
    """Sparse codes of chunks in their own precision, by one algorithm and its settings; picklable."""

    def __init__(self, atoms, algorithm, n_nonzero, alpha, encode_iter, encode_tol, split_sign=False):
        self.atoms, self.algorithm, self.n_nonzero, self.split_sign = atoms, algorithm, n_nonzero, split_sign
        self.alpha = 0.0 if algorithm == "omp" else alpha  # what the objective adds for |z|_1
        self.encode_iter, self.encode_tol = encode_iter, encode_tol
        self.ready: dict[np.dtype, Any] = {}

    def encoder(self, dtype: np.dtype) -> Any:
        """The kernel with the atoms made ready in a dtype; made once."""
        if dtype not in self.ready:
            D = self.atoms.astype(dtype, copy=False)
            self.ready[dtype] = (
                OMP(D, self.n_nonzero)
                if self.algorithm == "omp"
                else ProximalEncoder(D, self.alpha, self.encode_iter, self.encode_tol, self.algorithm == "fista")
            )
        return self.ready[dtype]

    def __call__(self, chunk: np.ndarray) -> np.ndarray:
        """Codes (m, K) of a chunk (m, d); (m, 2 K) with split signs."""
        X = np.ascontiguousarray(as_float(chunk))
        Z = self.encoder(X.dtype)(X)
        return split_signs(Z) if self.split_sign else Z

    def errors(self, chunk: np.ndarray) -> np.ndarray:
        """The objective of each row (m,)."""
        X = np.ascontiguousarray(as_float(chunk))
        encoder = self.encoder(X.dtype)
        return lasso_objective(X, self.atoms.astype(X.dtype, copy=False), encoder(X), self.alpha)

    def closeness(self, chunk: np.ndarray) -> np.ndarray:
        """Minus |x - z D|^2 of each row (m,)."""
        X = np.ascontiguousarray(as_float(chunk))
        rest = X - self(X) @ self.atoms.astype(X.dtype, copy=False)
        return -np.einsum("nd,nd->n", rest, rest)

    def sums(self, chunk: np.ndarray) -> CodeSums:
        """The statistic of a chunk."""
        X = np.ascontiguousarray(as_float(chunk))
        encoder = self.encoder(X.dtype)
        D = self.atoms.astype(X.dtype, copy=False)
        if self.algorithm == "omp":
            A, B = np.zeros((len(D), len(D))), np.zeros(D.shape)
            chosen, values = encoder.sparse(X)
            return CodeSums(A, B, 0.5 * sparse_sums(X, chosen, values, D, A, B), len(X))
        Z = encoder(X)
        objective = float(lasso_objective(X, D, Z, self.alpha).sum())
        with np.errstate(over="ignore", invalid="ignore"):  # `_mean` tells of it
            return CodeSums((Z.T @ Z).astype(np.float64), (Z.T @ X).astype(np.float64), objective, len(X))


def directions(rows: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Rows scaled to unit length, by way of float64, in a dtype."""
    return unit_rows(rows.astype(np.float64)).astype(dtype)


def twins(atoms: np.ndarray, use: np.ndarray, objective: float) -> np.ndarray:
    """Which atoms (K,) do what an earlier one does as well.

    They lie within 14 degrees of it, and what giving their codes to it would cost, A_kk sin^2, is less than an atom's
    share of the whole error: elsewhere the atom would serve better (Aharon, Elad & Bruckstein 2006).
    """
    with one_blas_thread():
        likeness = np.tril(np.abs(atoms @ atoms.T), -1).max(axis=1)
    return (likeness > TWIN) & (use * (1 - likeness**2) < 2 * objective / len(atoms))


def split_signs(Z: np.ndarray) -> np.ndarray:
    """Codes (n, 2 K): max(z, 0), then max(-z, 0)."""
    return np.concatenate([np.maximum(Z, 0), np.maximum(-Z, 0)], axis=1)


def _squares(chunk):
    """Sum of squares of a chunk, and how many numbers it holds."""
    X = as_float(chunk)
    return np.array([np.einsum("nd,nd->", X, X, dtype=np.float64), X.size])


def _errors(chunk, coder):
    return np.array([coder.errors(chunk).sum(), len(chunk)])


def worth(X: np.ndarray, coder: Coder | None) -> np.ndarray:
    """What rows X (n, d) are worth as atoms (n,): zeros nothing, others all the same, or their objective by a coder."""
    squares = np.einsum("nd,nd->n", X, X, dtype=np.float64)
    chances = (squares > 0).astype(np.float64)
    if coder is not None:
        errors = coder.errors(X)
        chances *= np.where(errors > (EXPLAINED * np.finfo(X.dtype).eps) ** 2 * squares, errors, 0)
    return chances


class SparseCoding(FeaturesMixin, CallbackSupportMixin, BaseEstimator):
    """A dictionary learned by sparse coding.

    Parameters
    ----------
    n_components : int, default=8
        Number of atoms K; may exceed the number of features.
    algorithm : {"omp", "ista", "fista"}, default="omp"
        How samples are coded, in `fit` and in `transform`: at most ``n_nonzero`` atoms by orthogonal matching pursuit,
        or the lasso with ``alpha``. "fista" reaches the lasso's codes in far fewer steps than "ista".
    n_nonzero : int or None, default=None
        Most atoms in a code of "omp"; None takes a tenth of the features, at least 1.
    alpha : "auto" or float, default="auto"
        Weight of |z|_1 for "ista" and "fista", in the units of x.d. A sample without a response above it gets zeros.
        "auto" takes a tenth of the root mean square of the training data, 0.1 for whitened or standardized ones, so
        that their units change nothing.
    max_iter : int, default=200
        Most iterations, each a walk over the data and an update of the atoms.
    encode_iter : int, default=100
        Most steps of "ista" and "fista" for a code.
    encode_tol : float, default=1e-3
        A code is done when a step moves it by less than this fraction of the sample's largest response |x.d|.
    tol : float, default=1e-4
        Stop when the objective changes by less than this fraction in an iteration; 0 runs all iterations.
    split_sign : bool, default=False
        Whether `transform` gives the positive and the negative part of the codes side by side, 2 K features.
    init : {"random", "normal"} or array (n_components, n_features), default="random"
        First atoms, scaled to unit length: distinct samples, random directions, or those given.
    random_state : int, RandomState or None, default=None
        Seed of everything random.

    Attributes
    ----------
    components_ : array (n_components, n_features)
        The atoms, of unit length.
    alpha_ : float
        The weight of |z|_1; 0 for "omp".
    loss_curve_ : array (n_iter_,)
        The mean over samples of 1/2 |x - z D|^2 + alpha |z|_1 (without the second part for "omp"), at the start of each
        iteration; after `partial_fit`, of each batch.
    n_iter_ : int
        Iterations, or batches.
    sums_ : CodeSums
        The statistics of the last iteration, from which `partial_fit` goes on.
    n_features_in_ : int
        Number of features seen by `fit`.

    Raises
    ------
    ValueError
        For more atoms than samples of an array, data that are not finite rows, or a parameter out of range.

    Warns
    -----
    ConvergenceWarning
        If ``max_iter`` is reached before ``tol``, unless ``tol=0``; if every code is zero; or if a fit is interrupted,
        which keeps what was learned.
    UserWarning
        If one feature, or one outlier, drowns the others, if an offset does, or more than half of the codes are
        constant.

    See Also
    --------
    PredictiveSparse : Predicts its codes in one product.
    KMeansDictionary : One atom a sample, and far faster.

    Notes
    -----
    Arrays, memmaps, functions that return iterators of chunks and Dask arrays are walked once an iteration, in memory
    that does not grow with the number of samples. Results do not depend on the number of threads, nor, up to rounding,
    on the order of the samples or the way they are cut into chunks. Samples are taken as they are: center or whiten
    them before.

    References
    ----------
    Olshausen & Field (1996), Nature. Rubinstein, Zibulevsky & Elad (2008), Technion report CS-2008-08. Beck & Teboulle
    (2009), SIAM J. Imaging Sciences. Mairal, Bach, Ponce & Sapiro (2010), JMLR.

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn.vectors.sparse_coding import SparseCoding
    >>> X = np.outer([3.0, -2.0, 1.0, 0.0], [1.0, 0.0]) + np.outer([0.0, 0.0, 0.0, 4.0], [0.6, 0.8])
    >>> coder = SparseCoding(2, n_nonzero=1, random_state=0).fit(X)
    >>> bool(np.allclose(coder.inverse_transform(coder.transform(X)), X))
    True
    """

    _rules: ClassVar = {
        "n_components": integer(1),
        "algorithm": one_of("omp", "ista", "fista"),
        "n_nonzero": optional(integer(1)),
        "alpha": either(one_of("auto"), real(0)),
        "max_iter": integer(1),
        "encode_iter": integer(1),
        "encode_tol": real(0),
        "tol": real(0),
        "split_sign": boolean(),
        "init": either(one_of("random", "normal"), instance(np.ndarray, list)),
    }

    def __init__(
        self,
        n_components: int = 8,
        *,
        algorithm: str = "omp",
        n_nonzero: int | None = None,
        alpha: float | str = "auto",
        max_iter: int = 200,
        encode_iter: int = 100,
        encode_tol: float = 1e-3,
        tol: float = 1e-4,
        split_sign: bool = False,
        init="random",
        random_state=None,
    ):
        self.n_components = n_components
        self.algorithm = algorithm
        self.n_nonzero = n_nonzero
        self.alpha = alpha
        self.max_iter = max_iter
        self.encode_iter = encode_iter
        self.encode_tol = encode_tol
        self.tol = tol
        self.split_sign = split_sign
        self.init = init
        self.random_state = random_state

    def _check_together(self):
        if self.n_nonzero is not None and self.n_nonzero > self.n_components:
            raise ValueError(
                f"SparseCoding: n_nonzero={self.n_nonzero} atoms in a code are more than n_components="
                f"{self.n_components}. Ask for fewer, or for more components."
            )

    def _coder(self, atoms, split_sign=False):
        n_nonzero = max(1, atoms.shape[1] // 10) if self.n_nonzero is None else self.n_nonzero
        return Coder(
            atoms, self.algorithm, n_nonzero, self._weight(), self.encode_iter, self.encode_tol, split_sign=split_sign
        )

    def _weight(self) -> float:
        """Alpha as a number."""
        if self.algorithm == "omp":
            return 0.0
        return self.alpha_ if self.alpha == "auto" else float(self.alpha)

    def _set_alpha(self, X):
        if self.algorithm != "omp" and self.alpha == "auto":
            square, size = self._walk(_squares, X)
            self.alpha_ = ALPHA * float(np.sqrt(square / size))
        self.alpha_ = self._weight()

    def _walk(self, f, X, weights=None):
        # The sums are K x K, so that chunks of 4 K rows at least keep adding them cheap beside coding.
        return accumulate(f, X, rows=max(ROWS, 4 * self.n_components))

    @fitting("max_iter")
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the atoms.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, function returning chunks, or Dask array
            The samples.
        y : ignored
            Present for the API.

        Returns
        -------
        self
        """
        rng = check_random_state(self.random_state)
        X, _, dtype = gated(self, X, reset=True, passes=4)
        self._set_alpha(X)
        run = Run((self._first_atoms(X, dtype, rng), None))
        with one_blas_thread(), interruptible("SparseCoding", run.finished):
            run.iterate(self, partial(self._next, X, dtype, rng), "loss", self._now)
        (atoms, sums), curve = run.whole
        if run.ended == "limit" and self.tol > 0:
            gain = abs(curve[-2] - curve[-1]) / curve[-2] if len(curve) > 1 else np.inf
            warn_at_limit(
                "SparseCoding", self.max_iter, self.tol, f"the objective still changed by {gain:.2g} of itself",
                "pass tol=0 for max_iter iterations without this warning",
            )  # fmt: skip
        if not sums.A.any() and curve[-1] > 0:
            why = (
                "responses within rounding"
                if self.algorithm == "omp"
                else f"alpha={self.alpha_:g} above every response"
            )
            notify(
                f"SparseCoding: every code is zero, with {why} x.d, so nothing was learned. Lower alpha, or scale "
                "the data up.",
                ConvergenceWarning,
            )
        elif curve[-1] > 0:
            self._warn_if_useless(X, atoms)
        self.components_, self.sums_ = atoms, sums
        self.loss_curve_, self.n_iter_ = np.array(curve), len(curve)
        return self

    def _warn_if_useless(self, X, atoms):
        rows = as_float(probe(X))
        warn_of_drowned_features("SparseCoding", rows, "codes explain the features as they are")
        warn_of_far_origin("SparseCoding", rows, "codes explain samples from the origin on")
        if len(rows) >= ROWS_AN_ATOM * self.n_components:  # of fewer many an atom has none
            warn_of_idle_units(
                "SparseCoding", self._coder(atoms)(rows),
                "What rows have in common, or alpha, hides how they differ: put a StandardScaler before it, or lower "
                "alpha.",
            )  # fmt: skip

    def _next(self, X, dtype, rng, state, curve):
        """One iteration: the next atoms and the sums they come from, the loss before, and whether it has settled."""
        atoms, _ = state
        sums = self._walk(self._coder(atoms).sums, X)
        loss = _mean(sums, dtype)
        settled = loss == 0 or (len(curve) > 0 and abs(curve[-1] - loss) < self.tol * curve[-1])
        return (self._updated(X, sums, atoms, rng), sums), loss, settled

    def _now(self, state, curve):
        return {"components_": state[0], "alpha_": self.alpha_}

    def _first_atoms(self, X, dtype, rng):
        shape = self.n_components, self.n_features_in_
        if not isinstance(self.init, str):
            atoms = given_atoms(self, dtype)
            if not atoms.any(axis=1).all():
                raise ValueError("SparseCoding: init holds an atom of zeros; pass directions.")
            return directions(atoms, dtype)
        atoms = rng.standard_normal(shape).astype(dtype)
        if self.init == "random":
            rows = drawn(self._walk, X, None, rng, self.n_components, partial(worth, coder=None)).rows
            atoms[: len(rows)] = rows  # random directions take the place of samples that are missing
        return directions(atoms, dtype)

    def _updated(self, X, sums, atoms, rng):
        """The atoms that fit the codes, those without a code drawn anew."""
        atoms = fitted_atoms(sums.A, sums.B, atoms).astype(atoms.dtype)
        use = np.diag(sums.A)
        dead = (use <= 0) | (twins(atoms, use, sums.objective) if self.algorithm == "omp" else False)
        unlike = partial(worth, coder=self._coder(atoms))

        def draw(size):
            return directions(drawn(self._walk, X, None, rng, size, unlike).rows, atoms.dtype)

        return revived(atoms, dead, draw)[0]

    @guarded
    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Learn from one more batch; the first one also sets the first atoms.

        The online rule of Mairal et al. (2010): statistics of all batches, older ones fading, and one update of the
        atoms a batch. An atom that never had a code is drawn anew from the batch.

        Parameters
        ----------
        X : array (n_samples, n_features)
            A batch of samples; the first of at least n_components.
        y : ignored
            Present for the API.

        Returns
        -------
        self
        """
        first = not hasattr(self, "components_")
        rng = check_random_state(self.random_state)
        X, _, dtype = gated(self, X, reset=first, passes=4)
        if first:
            self._set_alpha(X)
        atoms = self._first_atoms(X, dtype, rng) if first else self.components_
        if not first:
            check_goes_on(self)
        new = self._walk(self._coder(atoms).sums, X)
        loss = _mean(new, dtype)
        step, sums = 1 if first else self.n_iter_ + 1, new
        if not first:
            keep, old = (1 - 1 / step) ** FORGET, self.sums_
            sums = CodeSums(keep * old.A, keep * old.B, keep * old.objective, keep * old.total) + new
        self.components_, self.sums_ = self._updated(X, sums, atoms, rng), sums
        self.loss_curve_ = np.array([loss] if first else [*self.loss_curve_, loss])
        self.n_iter_ = step
        return self

    def transform(self, X: Any) -> Any:
        """Sparse codes of samples.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, stream of chunks or Dask array
            The samples.

        Returns
        -------
        codes : array (n_samples, n_components or 2 n_components), a generator of chunks, or a Dask array
            float32 if X is. The positive part first with ``split_sign``.
        """
        check_is_fitted(self)
        check_parameters(self)
        X = check_rows(self, X, reset=False)
        return map_chunks(self._coder(self.components_, self.split_sign), X, rows=ROWS)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Samples from their codes, ``codes @ components_``.

        Parameters
        ----------
        X : array (n_samples, n_components or 2 n_components)
            Codes, as `transform` gives them.

        Returns
        -------
        X : array (n_samples, n_features)
            The reconstructions.
        """
        check_is_fitted(self)
        codes = check_codes(self, X)
        if self.split_sign:
            positive, negative = np.split(codes, 2, axis=1)
            codes = positive - negative
        return codes @ self.components_.astype(codes.dtype)

    def score_samples(self, X: Any) -> Any:
        """Minus the squared error of the reconstruction of each sample: low for samples unlike those of the fit.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, stream of chunks or Dask array
            The samples.

        Returns
        -------
        scores : array (n_samples,), a generator of chunks, or a Dask array
            At most 0, which is a perfect reconstruction.
        """
        check_is_fitted(self)
        check_parameters(self)
        X = check_rows(self, X, reset=False)
        return map_chunks(self._coder(self.components_).closeness, X, rows=ROWS)

    def score(self, X: Any, y: Any = None) -> float:
        """Minus the mean objective of samples under the atoms.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, stream of chunks or Dask array
            The samples.
        y : ignored
            Present for the API.

        Returns
        -------
        score : float
            Larger is better; 0 is a perfect fit.
        """
        check_is_fitted(self)
        check_parameters(self)
        X = check_rows(self, X, reset=False)
        total, n = self._walk(partial(_errors, coder=self._coder(self.components_)), X)
        return float(-total / n)

    @property
    def _n_features_out(self):
        return len(self.components_) * (2 if self.split_sign else 1)


def _mean(sums: CodeSums, dtype: np.dtype) -> float:
    if not (np.isfinite(sums.objective) and np.isfinite(sums.A).all() and np.isfinite(sums.B).all()):
        raise ValueError(
            f"SparseCoding: squares overflow {dtype}, whose largest number is {np.finfo(dtype).max:.3g}. Scale "
            "the data down."
        )
    return sums.objective / sums.total
