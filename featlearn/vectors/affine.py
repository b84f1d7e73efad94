"""Codes that are a function of affine responses: those of autoencoders, Boltzmann machines, mixtures, random weights.

    code = scale * f(W (x - origin) + b),   f one of sigmoid, tanh, relu, linear, softmax

One kernel runs them all: on rows here, and on every patch of an image inside `Stage`, pooled as it encodes.
"""

from dataclasses import replace

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from featlearn.arrays import as_float
from featlearn.kernels.encoding.encode import AffineCode, EncoderPlan, encode_images
from featlearn.streaming import dense, dense_rows, map_chunks
from featlearn.validation import check_rows


def plan_of(code: AffineCode, **settings) -> EncoderPlan:
    """The encoder's plan of an affine code; ``settings`` are the plan's other fields."""
    return EncoderPlan(
        atoms=code.weights,
        encode=code.activation,
        bias=code.bias,
        scale=code.scale,
        squares=code.squares,
        **{"mean": code.origin, **settings},
    )


def about_zero(code: AffineCode) -> AffineCode:
    """The same code without an origin o: W (x - o) = W x - W o, and (x - o)^2 = x^2 - 2 o x + o^2."""
    if code.origin is None:
        return code
    origin, W = np.asarray(code.origin, np.float64), np.asarray(code.weights, np.float64)
    if code.squares:
        second, first = np.hsplit(W, 2)
        W = np.hstack([second, first - 2 * origin * second])
        bias = code.bias + second @ origin**2 - first @ origin
    else:
        bias = code.bias - W @ origin
    return replace(code, weights=W, bias=bias, origin=None)


class _Affine:
    """The codes of a chunk, picklable for a Dask cluster."""

    def __init__(self, code: AffineCode):
        self.code = code

    def __call__(self, chunk):
        # A chunk of rows is an image one pixel wide, each pixel a patch of its own.
        rows = np.ascontiguousarray(as_float(dense(chunk)))[None, :, None, :]
        return encode_images(rows, plan_of(self.code, patch=(1, 1)))[0, :, 0, :]


class AffineCodesMixin(ClassNamePrefixFeaturesOutMixin, TransformerMixin):
    """`transform` of a learner whose ``_affine_code()`` says what its codes are, as an `AffineCode`."""

    def _affine_code(self) -> AffineCode:
        raise NotImplementedError

    def transform(self, X):
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
        return map_chunks(_Affine(self._affine_code()), X, rows=dense_rows(X))

    @property
    def _n_features_out(self):
        return len(self._affine_code().weights)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
