"""What learners of features share: names and types of outputs, scores, and for linear features the way back."""

from collections.abc import Callable
from functools import partial
from typing import Any, Self

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from featlearn.arrays import as_float
from featlearn.streaming import accumulate, map_chunks
from featlearn.validation import check_codes, check_rows

ALONE = 1 << 13  # multiplications of a product that OpenBLAS runs on one thread


class Adding:
    """A statistic, a dataclass, whose fields add."""

    def __add__(self, other: Self) -> Self:
        return type(self)(*(mine + its for mine, its in zip(vars(self).values(), vars(other).values(), strict=True)))


class FeaturesMixin(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """An output per component, unless a learner says otherwise, of the precision of the rows."""

    @property
    def _n_features_out(self: Any):
        return len(self.components_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _total(scores, chunk):
    return np.array([scores(chunk).sum(dtype=np.float64), chunk.shape[0]])


class MeanScoreMixin:
    """`score` of a learner whose ``_scored(X)`` gives a formula (picklable), checked rows, and rows in a chunk."""

    def _scored(self, X: Any) -> tuple[Callable[[Any], np.ndarray], Any, int | None]:
        raise NotImplementedError

    def score(self, X: Any, y: Any = None) -> float:
        """Mean of `score_samples`.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, stream of chunks or Dask array
            The samples; where `fit` takes sparse matrices, these too.
        y : ignored
            Present for the API.

        Returns
        -------
        score : float
            Larger is better.
        """
        scores, X, rows = self._scored(X)
        total, n = accumulate(partial(_total, scores), X, rows=rows)
        return float(total / n)


class Affine:
    """chunk -> (chunk - before) @ matrix + after, in the chunk's own precision; picklable.

    ``near`` says that ``before`` is so near the origin, for the spread about it, that it may be subtracted afterwards.
    """

    def __init__(self, matrix, before=None, after=None, near=False):
        self.matrix, self.before, self.after, self.near = matrix, before, after, near

    def __call__(self, chunk):
        chunk = as_float(chunk)
        matrix = self.matrix.astype(chunk.dtype, copy=False)
        if self.before is None:
            result = chunk @ matrix
        elif self.near and chunk.dtype == np.float64:  # one copy of the chunk less
            result = chunk @ matrix
            result -= self.before @ matrix
        else:
            near = self.before.astype(chunk.dtype, copy=False)
            result = (chunk - near) @ matrix
            if chunk.dtype != np.float64:  # a large mean is rounded there, and the rest of it matters
                rest = (self.before - near) @ self.matrix
                if np.abs(rest).max(initial=0) > 1e-6:
                    result -= rest.astype(chunk.dtype)
        if self.after is not None:
            result += self.after.astype(chunk.dtype)
        return result


def _scores(chunk, mean, encode, decode):
    """Minus the squared distance of each row of a chunk from its reconstruction, about the mean."""
    centered = np.asarray(chunk, dtype=np.float64) - mean
    error = centered - decode(encode(centered))
    return -np.einsum("nd,nd->n", error, error)


class LinearFeaturesMixin(FeaturesMixin):
    """The ways of rows to linear features and back, given as functions of a chunk, picklable for a Dask cluster."""

    def _encoder(self) -> Any:
        """Rows to features; its ``rows``, if it has them, are those of a chunk."""
        raise NotImplementedError

    def _decoder(self) -> Any:
        """Features to rows."""
        raise NotImplementedError

    def _both_ways(self) -> tuple[Any, Any]:
        """The two for rows less their mean."""
        decode = Affine(self._decoder().matrix)
        return Affine(self._encoder().matrix), decode

    def transform(self, X: Any) -> Any:
        """Encode samples, each by itself: whitened samples, sources, responses or slow features.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, stream of chunks or Dask array
            The samples, in any order.

        Returns
        -------
        codes : array (n_samples, n_outputs), a generator of chunks, or a Dask array
            float32 if X is.
        """
        check_is_fitted(self)
        X, encode = check_rows(self, X, reset=False, squared=False), self._encoder()
        # At once where X is so small that no BLAS would share the work among threads.
        if isinstance(X, np.ndarray) and isinstance(encode, Affine) and X.shape[0] * encode.matrix.size <= ALONE:
            return encode(X)
        return map_chunks(encode, X, rows=getattr(encode, "rows", None))

    def inverse_transform(self, X: Any) -> Any:
        """Samples from their codes, by least squares: exact on the directions that were kept.

        Parameters
        ----------
        X : array (n_samples, n_outputs)
            Codes, as `transform` gives them.

        Returns
        -------
        X : array (n_samples, n_features)
            The samples; directions that `transform` drops stay at the mean.

        Raises
        ------
        ValueError
            If the codes have another width, or are quadratic, which have no inverse.
        """
        check_is_fitted(self)
        return map_chunks(self._decoder(), check_codes(self, X))

    def score_samples(self, X: Any) -> Any:
        """How well each sample is rebuilt: minus the squared error of ``inverse_transform(transform(X))``.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, stream of chunks or Dask array
            The samples.

        Returns
        -------
        scores : array (n_samples,), a generator of chunks, or a Dask array
            At most 0; low for samples unlike those of the fit, in the directions that were left out. Where none was
            (`ZCA`, `PCAWhitening` or `ICA` with all components, `RICA` whose filters span the space), they are
            rounding and tell nothing.

        Raises
        ------
        ValueError
            If the codes are quadratic, which have no inverse.
        """
        check_is_fitted(self)
        encode, decode = self._both_ways()
        X = check_rows(self, X, reset=False, squared=False)
        return map_chunks(partial(_scores, mean=getattr(self, "mean_", 0.0), encode=encode, decode=decode), X)
