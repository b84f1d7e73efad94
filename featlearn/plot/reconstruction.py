"""What a learner keeps of its data: samples above their reconstructions, from clean or from corrupted inputs."""

from math import prod
from typing import Any, Self

import numpy as np

from featlearn.images.maps import as_images
from featlearn.plot.tiles import as_rows, picture_shape, show, tile
from featlearn.validation import check_fitted, refuse_sparse


class ReconstructionDisplay:
    """Samples in a row above their reconstructions, with the corrupted inputs between them if there are any.

    Use `from_estimator` to make one.

    Parameters
    ----------
    originals : array (n_samples, n_features) or (n_samples, height, width[, channels])
        Samples, channels last.
    reconstructions : array of as many numbers a sample
        What the features say they were.
    shape : tuple (height, width) or (height, width, channels) or None, default=None
        Shape of a sample; None takes that of `originals` or, if they are flat, a square one, gray or of three channels.
    corrupted : array of as many numbers a sample, or None, default=None
        What the learner was shown instead of the samples.

    Attributes
    ----------
    mse_ : float
        Mean squared error of the reconstructions over the samples drawn, against the originals.
    im_ : matplotlib AxesImage
        The rows.
    ax_ : matplotlib Axes
        Axes with the rows.
    figure_ : matplotlib Figure
        Figure with the axes.

    See Also
    --------
    FilterGridDisplay : What was learned.

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

    def __init__(
        self, originals: Any, reconstructions: Any, *, shape: tuple[int, ...] | None = None, corrupted: Any = None
    ):
        self.originals = originals
        self.reconstructions = reconstructions
        self.shape = shape
        self.corrupted = corrupted

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        corrupted: Any = None,
        shape: tuple[int, ...] | None = None,
        n_samples: int = 10,
        ax: Any = None,
        cmap: str = "gray",
    ) -> Self:
        """Draw samples and ``reconstruct(X)``, or ``inverse_transform(transform(X))``, below them.

        Parameters
        ----------
        estimator : fitted estimator or pipeline
            With `reconstruct`, or with `transform` and `inverse_transform`.
        X : array or data frame (n, n_features) or array (n, height, width[, channels])
            Samples; the first ``n_samples`` are drawn. An estimator that was fitted to rows gets images as rows of
            their pixels.
        corrupted : array or data frame of the shape of X, or None, default=None
            Noisy versions of the samples. They are reconstructed in the samples' place, and drawn between both.
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
            If the estimator has neither `reconstruct` nor both `transform` and `inverse_transform`, or X holds no
            samples.
        ValueError
            If there is no sample, the corrupted samples are not as many and as large as the samples, or the features
            make no picture of this shape.
        """
        for method in () if hasattr(estimator, "reconstruct") else ("transform", "inverse_transform"):
            if not hasattr(estimator, method):
                raise TypeError(
                    f"{type(estimator).__name__} has no `{method}`, so there is no reconstruction to draw. Pass a "
                    "fitted estimator with `reconstruct`, or with `transform` and `inverse_transform`: an autoencoder, "
                    "PCA, a dictionary; in a pipeline every step needs them."
                )
        if isinstance(estimator, type) or hasattr(estimator, "fit"):
            check_fitted("ReconstructionDisplay.from_estimator", estimator, "a fitted estimator")
        if n_samples < 1:
            raise ValueError(f"n_samples={n_samples} draws nothing; pass at least 1.")
        if corrupted is not None and np.shape(corrupted) != np.shape(X):
            raise ValueError(f"corrupted has shape {np.shape(corrupted)}, and X {np.shape(X)}; pass one row for each.")
        refuse_sparse("ReconstructionDisplay", X)
        head, noisy = _head(X, n_samples), None if corrupted is None else _head(corrupted, n_samples)
        seen = as_rows("ReconstructionDisplay", estimator, head if noisy is None else noisy)
        if hasattr(estimator, "reconstruct"):
            back = np.asarray(estimator.reconstruct(seen))
        else:
            back = np.asarray(estimator.inverse_transform(estimator.transform(seen)))
        originals = np.asarray(head)
        if shape is None and originals.ndim > 2:
            shape = originals.shape[1:]
        flat = [None if rows is None else np.reshape(rows, (len(rows), -1)) for rows in (originals, back, noisy)]
        return cls(flat[0], flat[1], shape=shape, corrupted=flat[2]).plot(ax, cmap=cmap)

    def plot(self, ax: Any = None, *, cmap: str = "gray") -> Self:
        """Draw the rows, all on the scale of the originals.

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
            If originals, corrupted samples and reconstructions differ in shape, or make no picture.
        """
        rows = {"original": self.originals, "corrupted": self.corrupted, "reconstructed": self.reconstructions}
        tables = {
            name: as_images(table, "ReconstructionDisplay", "samples").astype(np.float64)
            for name, table in rows.items()
            if table is not None
        }
        picture, n = tables["original"].shape[1:], len(tables["original"]) if tables["original"].ndim > 1 else 0
        if n == 0 or any(t.ndim < 2 or len(t) != n or t[0].size != prod(picture) for t in tables.values()):
            shapes = ", ".join(f"{name} {table.shape}" for name, table in tables.items())
            raise ValueError(
                f"The rows must be tables (n_samples, n_features) of one shape, or images of one size; got {shapes}."
            )
        tables = {name: table.reshape(n, -1) for name, table in tables.items()}
        before, after = tables["original"], tables["reconstructed"]
        shape = picture_shape(before.shape[1], picture if self.shape is None and len(picture) > 1 else self.shape)
        self.mse_ = float(np.mean((before - after) ** 2))
        # One scale for all rows, so a reconstruction that is too faint looks too faint.
        low, high = before.min(), before.max()
        unit = (np.concatenate(list(tables.values())) - low) / ((high - low) or 1.0)
        padding = max(1, shape[1] // 12)
        rows_of_pictures = tile(unit.clip(0, 1), shape, ncols=len(before), padding=padding, normalize=None)
        self.ax_, self.figure_, self.im_ = show("ReconstructionDisplay", ax, rows_of_pictures, cmap)
        self.ax_.set_yticks(np.arange(len(tables)) * (shape[0] + padding) + (shape[0] - 1) / 2, list(tables))
        self.ax_.set_xticks([])
        self.ax_.tick_params(length=0)
        self.ax_.spines[:].set_visible(False)
        self.ax_.set_title(f"Mean squared error {self.mse_:.3g}")
        if ax is None:  # room for the labels
            self.figure_.set_size_inches(self.figure_.get_size_inches() + (1.1, 0))
        return self


def _head(X, n):
    return X.iloc[:n] if hasattr(X, "iloc") else as_images(X, "ReconstructionDisplay", "samples")[:n]
