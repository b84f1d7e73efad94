"""Codes of vectors by a dictionary of atoms, and the way back.

With atoms a_k (K, d), responses g_k = x.a_k and distances z_k = ||x - a_k||:

    triangle   max(mean(z) - z_k, 0)                     about half the codes are zero    (Coates, Lee & Ng 2011)
    hard       1 for the winning atom, else 0
    threshold  max(g_k - t, 0)                                                            (Coates & Ng 2011)
    split      max(g_k - t, 0) and max(-g_k - t, 0)      2 K codes; at t = 0 their difference is g
    omp        the winner by |g_k| / ||a_k|| gets g_k / ||a_k||^2, the others 0           one step of matching pursuit
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import check_is_fitted

from featlearn.arrays import as_float, cache_rows
from featlearn.kernels.encoding.assign import nearest
from featlearn.kernels.encoding.encode import ENCODINGS, EncoderPlan, encode_rows
from featlearn.notices import notify
from featlearn.streaming import CHUNK_BYTES, accumulate, map_chunks
from featlearn.usefulness import probe, warn_of_drowned_features, warn_of_far_origin, warn_of_idle_units
from featlearn.validation import check_codes, check_parameters, check_rows, one_of
from featlearn.vectors.features import FeaturesMixin

LONG = 1e4  # times the length of unit atoms beyond which float32 sees no atom in a distance
ENCODE = one_of("triangle", "hard", "threshold", "split", "omp")


def unit_rows(X: np.ndarray) -> np.ndarray:
    """Rows of X scaled to length 1; a row of zeros stays."""
    squares = np.einsum("nd,nd->n", X, X)
    limits = np.finfo(squares.dtype)
    if (squares < limits.tiny / limits.eps).any():  # squares that vanish, of rows that do not
        largest = np.abs(X).max(axis=1, keepdims=True)
        X = X / np.where(largest > 0, largest, 1)
        squares = np.einsum("nd,nd->n", X, X)
    norms = np.sqrt(squares)
    return X / np.where(norms > 0, norms, 1)[:, None]


def codes(X: np.ndarray, atoms: np.ndarray, encode: str, threshold: float, assignment: str) -> np.ndarray:
    """Codes (n, K) or (n, 2K) of rows X (n, d) by atoms (K, d), float32 if X is."""
    X = as_float(X)
    if encode == "omp" or (encode == "hard" and assignment != "euclidean"):
        norms = np.sqrt(np.einsum("kd,kd->k", atoms, atoms))
        norms = np.where(norms > 0, norms, 1)
        labels, values = nearest(X, atoms / norms[:, None], "spherical" if encode == "omp" else assignment)
        out = np.zeros((len(X), len(atoms)), X.dtype)
        out[np.arange(len(X)), labels] = values / norms[labels] if encode == "omp" else 1
        return out
    return encode_rows(X, EncoderPlan(atoms, encode, threshold))


def closeness(X: np.ndarray, atoms: np.ndarray, encode: str, threshold: float, assignment: str) -> np.ndarray:
    """Minus the squared error (n,) of rows X (n, d) rebuilt from their codes."""
    X = as_float(X)
    rest = X - reconstruct(codes(X, atoms, encode, threshold, assignment), atoms.astype(X.dtype), encode, threshold)
    return -np.einsum("nd,nd->n", rest, rest)


def winners(X: np.ndarray, atoms: np.ndarray, assignment: str) -> np.ndarray:
    """Index (n,) of the winning atom of each row."""
    return nearest(as_float(X), atoms, assignment)[0]


def reconstruct(codes: np.ndarray, atoms: np.ndarray, encode: str, threshold: float) -> np.ndarray:
    """Rows (n, d) from their codes: the winning atom, or least squares from the responses that the codes reveal."""
    if encode in ("hard", "omp"):
        return codes @ atoms
    if encode == "triangle":
        return atoms[codes.argmax(axis=1)]
    positive = codes[:, : len(atoms)]
    responses = np.where(positive > 0, positive + threshold, 0)
    if encode == "split":
        negative = codes[:, len(atoms) :]
        responses -= np.where(negative > 0, negative + threshold, 0)
    # Directions that only the rounding of the atoms spans must not be inverted.
    inverse = np.linalg.pinv(atoms.astype(np.float64), rcond=max(atoms.shape) * np.finfo(atoms.dtype).eps)
    return responses @ inverse.T.astype(responses.dtype)


def on_dense(chunk, *aligned, f: Callable[..., Any], **named):
    """A function of a chunk of rows that gets sparse chunks as dense ones."""
    return f(chunk.toarray() if sp.issparse(chunk) else chunk, *aligned, **named)


def _dense_rows(X):
    """Rows in a chunk of a sparse matrix: as many as if it were dense, so both give the same numbers."""
    return cache_rows(X.dtype.itemsize * X.shape[1], CHUNK_BYTES) if sp.issparse(X) else None


def map_dense(f: Callable[[np.ndarray], np.ndarray], X: Any) -> Any:
    """`map_chunks`, with sparse rows made dense chunk by chunk."""
    return map_chunks(partial(on_dense, f=f), X, rows=_dense_rows(X))


def accumulate_dense(statistic: Callable[..., Any], X: Any, *aligned: Any) -> Any:
    """`accumulate`, with sparse rows made dense chunk by chunk."""
    return accumulate(partial(on_dense, f=statistic), X, *aligned, rows=_dense_rows(X))


class DictionaryMixin(FeaturesMixin):
    """What an estimator with ``components_`` (K, d) and ``encode`` does with samples: codes, winners, the way back."""

    def _rule(self) -> str:
        """How the winning atom is found; one of the assignments."""
        return "euclidean"

    def _of(self, f):
        """A function of rows and the dictionary, as one of rows; picklable for a Dask cluster."""
        known = {"encode": self.encode, "threshold": self.threshold, "assignment": self._rule()}
        return partial(f, atoms=self.components_, **known)

    def transform(self, X: Any) -> Any:
        """Encode samples by the dictionary.

        Parameters
        ----------
        X : array (n_samples, n_features), sparse matrix, memmap, stream of chunks or Dask array
            The samples.

        Returns
        -------
        codes : array (n_samples, n_outputs), a generator of chunks, or a Dask array
            ``n_outputs`` is n_components, and twice that for ``encode="split"``. float32 if X is.
        """
        check_is_fitted(self)
        check_parameters(self, "encode", "threshold")
        X = check_rows(self, X, reset=False, accept_sparse=True)
        return map_dense(self._of(codes), X)

    def encoder_plan(self) -> EncoderPlan | None:
        """The codes as a plan, by which `Stage` encodes and pools in one pass; see `featlearn.images.fusion.Fusible`.

        Returns
        -------
        plan : EncoderPlan or None
            None where the fused encoder has no such code: omp, and hard with another assignment than euclidean.
        """
        if self.encode not in ENCODINGS or (self.encode == "hard" and self._rule() != "euclidean"):
            return None
        return EncoderPlan(self.components_, self.encode, self.threshold)

    def predict(self, X: Any) -> Any:
        """The winning atom of each sample.

        Parameters
        ----------
        X : array (n_samples, n_features), sparse matrix, memmap, stream of chunks or Dask array
            The samples.

        Returns
        -------
        labels : array (n_samples,) of int, a generator of chunks, or a Dask array
            Index of the nearest atom, or of the largest (absolute) response.
        """
        check_is_fitted(self)
        X = check_rows(self, X, reset=False, accept_sparse=True)
        return map_dense(partial(winners, atoms=self.components_, assignment=self._rule()), X)

    def score_samples(self, X: Any) -> Any:
        """Minus the squared reconstruction error of each sample: the higher, the more like the training samples.

        The reconstruction is what `inverse_transform` makes of the sample's codes: the nearest atom for triangle and
        hard (the atom of the largest response for hard with another assignment than euclidean), the best atom times its
        code for omp, least squares from the codes for threshold and split. A pipeline that ends in this learner has the
        method too.

        Parameters
        ----------
        X : array (n_samples, n_features), sparse matrix, memmap, stream of chunks or Dask array
            The samples.

        Returns
        -------
        scores : array (n_samples,), a generator of chunks, or a Dask array
            ``-|x - reconstruction|^2``; 0 is a perfect reconstruction. float32 if X is.

        Examples
        --------
        >>> import numpy as np
        >>> from featlearn import KMeansDictionary
        >>> X = np.repeat([[0.0, 0.0], [4.0, 0.0]], 5, axis=0)
        >>> KMeansDictionary(2, random_state=0).fit(X).score_samples([[4.0, 0.0], [4.0, 3.0]])
        array([-0., -9.])
        """
        check_is_fitted(self)
        check_parameters(self, "encode", "threshold")
        X = check_rows(self, X, reset=False, accept_sparse=True)
        return map_dense(self._of(closeness), X)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Reconstruct samples from their codes.

        Exact codes do not exist for a dictionary: hard and omp give the winning atom, scaled for omp; triangle gives
        the nearest atom; threshold and split solve least squares for the responses that the codes reveal, which is
        exact for split with threshold 0 and atoms that span the space.

        Parameters
        ----------
        X : array (n_samples, n_outputs)
            Codes, as `transform` gives them.

        Returns
        -------
        X : array (n_samples, n_features)
            The reconstructions.
        """
        check_is_fitted(self)
        X = check_codes(self, X)
        return reconstruct(X, self.components_, self.encode, self.threshold).astype(X.dtype, copy=False)

    def _warn_of_scale(self, X):
        """After a fit: warn of features that distances do not see, and of codes that are nearly all 0."""
        who, rule = type(self).__name__, self._rule()
        if isinstance(X, Iterator):  # walked already
            return
        rows: Any = probe(X)
        if rule == "euclidean" and not sp.issparse(rows):  # rare words are meant to weigh little
            # the atoms bring in outliers that a probe of the rows misses
            warn_of_drowned_features(who, np.vstack([rows, self.components_]), "distances add up the features' squares")
        dense = rows.toarray() if sp.issparse(rows) else rows
        if (rule != "euclidean" or self.encode in ("threshold", "split", "omp")) and dense is rows:
            warn_of_far_origin(who, rows, "atoms and samples meet by their directions from the origin")
            length = float(np.median(np.sqrt(np.einsum("nd,nd->n", rows, rows, dtype=np.float64))))
            if rule != "euclidean" and self.encode == "triangle" and length and not 1 / LONG <= length <= LONG:
                notify(
                    f"{who}: encode='triangle' takes distances of the samples, whose length is about {length:.3g}, "
                    f"from the atoms of assignment={rule!r}, whose length is 1, so the codes are mostly rounding. "
                    "Scale the samples to about unit length (sklearn.preprocessing.Normalizer), or pass another encode."
                )
        if self.encode in ("threshold", "split") and np.ptp(dense, axis=0).any():
            found = self._of(codes)(dense)
            cure = f"Lower threshold={self.threshold:g}, which is in the units of the data, or scale the data up."
            warn_of_idle_units(who, found, cure)

    @property
    def _n_features_out(self):
        return len(self.components_) * (2 if self.encode == "split" else 1)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
