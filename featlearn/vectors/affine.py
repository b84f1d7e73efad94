"""Codes that are a function of affine responses: those of autoencoders, Boltzmann machines, mixtures, random weights.

    code = scale * f(W (x - origin) + b),   f one of sigmoid, tanh, relu, linear, softmax

One kernel runs them all: on rows here, and on every patch of an image inside `Stage`, pooled as it encodes.
"""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from featlearn.kernels.encoding.encode import EncoderPlan, encode_rows
from featlearn.streaming import dense, dense_rows, map_chunks
from featlearn.validation import check_rows
from featlearn.vectors.features import FeaturesMixin


def about_zero(plan: EncoderPlan) -> EncoderPlan:
    """The same affine code without an origin o: W (x - o) = W x - W o, and (x - o)^2 = x^2 - 2 o x + o^2."""
    if plan.mean is None:
        return plan
    origin, W, bias = (np.asarray(a, np.float64) for a in (plan.mean, plan.atoms, plan.bias))
    if plan.squares:
        second, first = np.hsplit(W, 2)
        W = np.hstack([second, first - 2 * origin * second])
        bias = bias + second @ origin**2 - first @ origin
    else:
        bias = bias - W @ origin
    return replace(plan, atoms=W, bias=bias, mean=None)


def centered_plan(W: np.ndarray, mean: np.ndarray) -> EncoderPlan:
    """Linear codes W (x - mean); the plan's origin is the same in either precision, and the bias has the rest."""
    origin = mean.astype(np.float32).astype(np.float64)
    return EncoderPlan(W, "linear", bias=((origin - mean) @ W.T).astype(W.dtype), mean=origin)


def encode(chunk: Any, plan: EncoderPlan) -> np.ndarray:
    """The codes of a chunk of rows by a plan."""
    return encode_rows(dense(chunk), plan)


class AffineCodesMixin(FeaturesMixin):
    """`transform` of a learner whose ``encoder_plan()`` says what its codes are."""

    def encoder_plan(self) -> EncoderPlan:
        """The codes as a plan, by which `Stage` encodes and pools in one pass; see `featlearn.images.fusion.Fusible`.

        Returns
        -------
        plan : EncoderPlan
            Of rows of features.
        """
        raise NotImplementedError

    def transform(self, X: Any) -> Any:
        """Encode samples.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, stream of chunks or Dask array
            The samples.

        Returns
        -------
        codes : array (n_samples, n_components), a generator of chunks, or a Dask array
            float32 if X is.
        """
        check_is_fitted(self)
        X = check_rows(self, X, reset=False, accept_sparse=self.__sklearn_tags__().input_tags.sparse)
        return self._codes(X)

    def _codes(self, X):
        """Codes of rows that were checked."""
        return map_chunks(partial(encode, plan=self.encoder_plan()), X, rows=dense_rows(X))
