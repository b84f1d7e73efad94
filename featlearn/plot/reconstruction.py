"""What a learner keeps of its data: samples above their reconstructions from the features alone."""

from typing import Any

import numpy as np

from featlearn.plot.tiles import axes_for, picture_shape, tile


class ReconstructionDisplay:
    """Samples in a row above their reconstructions.

    Use `from_estimator` to make one.

    Parameters
    ----------
    originals : array (n_samples, n_features)
        Samples, channels last.
    reconstructions : array (n_samples, n_features)
        What the features say they were.
    shape : tuple (height, width) or (height, width, channels) or None, default=None
        Shape of a sample; None takes a square one, gray or of three channels.

    Attributes
    ----------
    mse_ : float
        Mean squared error over the samples drawn.
    im_ : matplotlib AxesImage
        The two rows.
    ax_ : matplotlib Axes
        Axes with the rows.
    figure_ : matplotlib Figure
        Figure with the axes.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.decomposition import PCA
    >>> from featlearn import ReconstructionDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> display = ReconstructionDisplay.from_estimator(PCA(64).fit(X), X)
    >>> bool(display.mse_ < 1e-20)
    True
    """

    def __init__(self, originals: Any, reconstructions: Any, shape: tuple[int, ...] | None = None):
        self.originals = originals
        self.reconstructions = reconstructions
        self.shape = shape

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        shape: tuple[int, ...] | None = None,
        n_samples: int = 10,
        ax: Any = None,
        cmap: str = "gray",
    ) -> "ReconstructionDisplay":
        """Draw samples and ``inverse_transform(transform(X))``.

        Parameters
        ----------
        estimator : fitted transformer or pipeline
            With `transform` and `inverse_transform`.
        X : array or data frame (n, n_features) or array (n, height, width[, channels])
            Samples; the first ``n_samples`` are drawn.
        shape : tuple (height, width) or (height, width, channels) or None, default=None
            Shape of a sample; None takes that of X or, if it is flat, a square one.
        n_samples : int, default=10
            Samples drawn.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.
        cmap : str, default="gray"
            Color map of gray samples.

        Returns
        -------
        display : ReconstructionDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing.
        TypeError
            If the estimator has no `transform` or no `inverse_transform`.
        ValueError
            If there is no sample, or the features make no picture of this shape.
        """
        for method in ("transform", "inverse_transform"):
            if not hasattr(estimator, method):
                raise TypeError(
                    f"{type(estimator).__name__} has no `{method}`, so there is no reconstruction to draw. In a "
                    "pipeline every step needs one."
                )
        if n_samples < 1:
            raise ValueError(f"n_samples={n_samples} draws nothing; pass at least 1.")
        head = X.iloc[:n_samples] if hasattr(X, "iloc") else X[:n_samples]
        back = np.asarray(estimator.inverse_transform(estimator.transform(head)))
        originals = np.asarray(head)
        if shape is None and originals.ndim > 2:
            shape = originals.shape[1:]
        display = cls(originals.reshape(len(originals), -1), back.reshape(len(back), -1), shape)
        return display.plot(ax, cmap=cmap)

    def plot(self, ax: Any = None, *, cmap: str = "gray") -> "ReconstructionDisplay":
        """Draw the two rows, both on the scale of the originals.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.
        cmap : str, default="gray"
            Color map of gray samples.

        Returns
        -------
        self : ReconstructionDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing.
        ValueError
            If originals and reconstructions differ in shape, or make no picture.
        """
        before, after = (np.asarray(rows, dtype=np.float64) for rows in (self.originals, self.reconstructions))
        if before.shape != after.shape or before.ndim != 2:
            raise ValueError(
                f"Originals {before.shape} and reconstructions {after.shape} must be two tables of one shape."
            )
        shape = picture_shape(before.shape[1], self.shape)
        self.mse_ = float(np.mean((before - after) ** 2))
        # One scale for both rows, so a reconstruction that is too faint looks too faint.
        low, high = before.min(), before.max()
        unit = (np.concatenate([before, after]) - low) / ((high - low) or 1.0)
        padding = max(1, shape[1] // 12)
        picture = tile(unit.clip(0, 1), shape, ncols=len(before), padding=padding, normalize=None)
        self.ax_ = axes_for("ReconstructionDisplay", ax, picture)
        self.figure_ = self.ax_.figure
        self.im_ = self.ax_.imshow(picture, cmap=cmap, vmin=0, vmax=1, interpolation="nearest")
        middle = (shape[0] - 1) / 2
        self.ax_.set_yticks([middle, middle + shape[0] + padding], ["original", "reconstructed"])
        self.ax_.set_xticks([])
        self.ax_.tick_params(length=0)
        self.ax_.spines[:].set_visible(False)
        self.ax_.set_title(f"Mean squared error {self.mse_:.3g}")
        return self
