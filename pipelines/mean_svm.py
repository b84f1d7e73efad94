"""The linear classifier as papers write it: C multiplies the mean of the losses, whatever the number of rows."""

from typing import Any

import numpy as np

from featlearn import LinearSVM, LinearSVMCV


class _OfTheMean:
    """Fits with C / n, n the rows of the whole training set, of folds too."""

    def fit(self, X: Any, y: Any) -> Any:
        """Fit on X (n, d) and y (n,)."""
        name = "Cs" if hasattr(self, "Cs") else "C"
        given = getattr(self, name)
        setattr(self, name, np.divide(given, len(y)))
        try:
            return super().fit(X, y)  # type: ignore[misc]
        finally:
            setattr(self, name, given)


class MeanSVM(_OfTheMean, LinearSVM):
    """`LinearSVM` with C on the mean."""


class MeanSVMCV(_OfTheMean, LinearSVMCV):
    """`LinearSVMCV` with Cs on the mean; ``C_`` is on the sum."""
