"""Rectifiers: pointwise nonlinearities between encoding and pooling, so that opposite responses do not cancel.

For a response z and a threshold t >= 0:

    Abs            |z|
    Positive       max(z, 0)
    SplitSign      max(z - t, 0) and max(-z - t, 0), on twice the channels
    SoftThreshold  sign(z) max(|z| - t, 0)

Jarrett, Kavukcuoglu, Ranzato and LeCun, "What is the best multi-stage architecture for object recognition?", ICCV 2009
(absolute value); Coates and Ng, "The importance of encoding versus training with sparse coding and vector
quantization", ICML 2011 (thresholds, split signs).
"""

from typing import ClassVar

import numpy as np

from featlearn.images.maps import MapTransformer
from featlearn.validation import real


def split_sign(z: np.ndarray, threshold: float) -> np.ndarray:
    """max(z - t, 0) then max(-z - t, 0) along the last axis: (..., k) to (..., 2 k)."""
    out = np.empty((*z.shape[:-1], 2 * z.shape[-1]), dtype=z.dtype)
    above, below = out[..., : z.shape[-1]], out[..., z.shape[-1] :]
    np.maximum(np.subtract(z, threshold, out=above), 0, out=above)
    np.maximum(np.subtract(-threshold, z, out=below), 0, out=below)
    return out


def soft_threshold(z: np.ndarray, threshold: float) -> np.ndarray:
    """sign(z) max(|z| - t, 0), written as z minus its projection on [-t, t]."""
    return z - np.clip(z, -threshold, threshold)


class _Rectifier(MapTransformer):
    """What the rectifiers share: the number of channels."""

    def n_channels(self, k: int) -> int:
        """Number of channels that come out of ``k``.

        Parameters
        ----------
        k : int

        Returns
        -------
        n_channels : int
        """
        return k


class Abs(_Rectifier):
    """Absolute value of every response.

    See Also
    --------
    Positive, SplitSign, SoftThreshold : Other rectifiers.

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn import Abs
    >>> Abs().transform(np.array([[[[-2.0, 3.0]]]]))
    array([[[[2., 3.]]]])
    """

    def _apply(self, maps):
        return np.abs(maps)


class Positive(_Rectifier):
    """Positive part of every response.

    See Also
    --------
    Abs, SplitSign, SoftThreshold : Other rectifiers.

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn import Positive
    >>> Positive().transform(np.array([[[[-2.0, 3.0]]]]))
    array([[[[0., 3.]]]])
    """

    def _apply(self, maps):
        return np.maximum(maps, 0)


class SplitSign(_Rectifier):
    """Positive and negative parts beyond a threshold, as separate channels: k channels become 2 k.

    The first k channels are max(z - t, 0), the last k max(-z - t, 0). At t = 0 the first minus the last gives z back.

    Parameters
    ----------
    threshold : float, default=0.0
        t, at least 0.

    See Also
    --------
    Abs, Positive, SoftThreshold : Other rectifiers.

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn import SplitSign
    >>> SplitSign(threshold=0.5).transform(np.array([[[[-2.0, 3.0]]]]))
    array([[[[0. , 2.5, 1.5, 0. ]]]])
    """

    _rules: ClassVar = {"threshold": real(0)}

    def __init__(self, threshold: float = 0.0):
        self.threshold = threshold

    def n_channels(self, k: int) -> int:
        """Number of channels that come out of ``k``: twice as many.

        Parameters
        ----------
        k : int

        Returns
        -------
        n_channels : int
        """
        return 2 * k

    def _apply(self, maps):
        return split_sign(maps, float(self.threshold))


class SoftThreshold(_Rectifier):
    """Responses shrunk toward zero by a threshold; smaller ones become zero.

    Parameters
    ----------
    threshold : float, default=0.1
        t, at least 0.

    See Also
    --------
    Abs, Positive, SplitSign : Other rectifiers.

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn import SoftThreshold
    >>> SoftThreshold(threshold=0.5).transform(np.array([[[[-2.0, 0.25, 3.0]]]]))
    array([[[[-1.5,  0. ,  2.5]]]])
    """

    _rules: ClassVar = {"threshold": real(0)}

    def __init__(self, threshold: float = 0.1):
        self.threshold = threshold

    def _apply(self, maps):
        # A NumPy float64 from a parameter grid would turn float32 maps into float64.
        return soft_threshold(maps, float(self.threshold))
