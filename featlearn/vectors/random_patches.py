"""Random exemplars as a dictionary: the baseline that shows what learning the atoms is worth.

Coates & Ng (2011), "The importance of encoding versus training with sparse coding and vector quantization", section
3.1: K training patches drawn at random are the atoms. Scaled to unit length, random patches with threshold codes reach
79.14 % on CIFAR-10 where learned atoms reach 79.96 %.
"""

from functools import partial
from typing import Any, ClassVar, Self

from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from featlearn.callbacks import CallbackSupportMixin
from featlearn.fitting import fitting
from featlearn.validation import check_rows, integer, real
from featlearn.vectors.alternation import sample_of
from featlearn.vectors.dictionary import ENCODE, DictionaryMixin, accumulate_dense, unit_rows


class RandomPatches(DictionaryMixin, CallbackSupportMixin, BaseEstimator):
    """A dictionary of samples drawn at random, without repetition.

    Parameters
    ----------
    n_components : int, default=8
        Number of atoms K.
    encode : {"triangle", "hard", "threshold", "split", "omp"}, default="triangle"
        How samples are coded, as in `KMeansDictionary`. For threshold, split and omp, which take inner products, the
        atoms are scaled to unit length.
    threshold : float, default=0.25
        The threshold of ``threshold`` and ``split``, in the units of the responses.
    random_state : int, RandomState or None, default=None
        Which samples are drawn. They depend on the set of samples, not on their order, nor on
        their dtype.

    Attributes
    ----------
    components_ : array (n_components, n_features)
        The atoms.
    n_features_in_ : int
        Number of features seen by `fit`.

    Raises
    ------
    ValueError
        If there are fewer distinct samples than atoms.

    Warns
    -----
    UserWarning
        If one feature's scale, or an outlier, drowns the other features; if more than half of the codes are constant on
        training samples (a threshold too large for the scale of the data).

    See Also
    --------
    KMeansDictionary : The same codes of learned atoms.
    RandomWeights : Filters that saw no data at all.

    References
    ----------
    Coates & Ng (2011), ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn import RandomPatches
    >>> X = np.random.default_rng(0).normal(size=(50, 3))
    >>> RandomPatches(10, random_state=0).fit_transform(X).shape
    (50, 10)
    """

    _rules: ClassVar = {"n_components": integer(1), "encode": ENCODE, "threshold": real(0)}

    def __init__(
        self, n_components: int = 8, *, encode: str = "triangle", threshold: float = 0.25, random_state: Any = None
    ):
        self.n_components = n_components
        self.encode = encode
        self.threshold = threshold
        self.random_state = random_state

    @fitting()
    def fit(self, X: Any, y: Any = None) -> Self:
        """Draw the atoms.

        Parameters
        ----------
        X : array (n_samples, n_features), sparse matrix, memmap, stream of chunks or Dask array
            The samples.
        y : ignored
            Present for the API.

        Returns
        -------
        self
        """
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        X = check_rows(self, X, reset=True, accept_sparse=True)
        rows = accumulate_dense(partial(sample_of, size=self.n_components, seed=seed), X).rows
        if len(rows) < self.n_components:
            raise ValueError(
                f"RandomPatches: n_components={self.n_components} atoms were asked for and the data hold only "
                f"{len(rows)} distinct samples (n_samples={len(rows)} without repetition). Pass more samples or fewer "
                "components."
            )
        self.components_ = unit_rows(rows) if self.encode in ("threshold", "split", "omp") else rows
        self._warn_of_scale(X)
        return self
