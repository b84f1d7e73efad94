"""How sparse a code is: histograms of its activations, of its samples' sparsity and of its units'."""

from typing import Any, Self

import numpy as np
from scipy.sparse import issparse

from featlearn.plot.curves import pyplot
from featlearn.plot.tiles import as_rows
from featlearn.validation import check_fitted


class SparsityDisplay:
    """Three histograms: activations, sparsity of the population for each sample, of each unit over its lifetime.

    Sparsity is that of Treves and Rolls, 0 where all answer alike and 1 - j / m where j of m do and the others are
    silent (`featlearn.vectors.sparsity_measures`). Samples without an answer and units that never answer are counted in
    the titles, and are not part of the histograms. Use `from_codes` or `from_estimator` to make one.

    Parameters
    ----------
    codes : array (n_samples, n_components)
        The codes, one row a sample and one column a unit.

    Attributes
    ----------
    population_sparsity_ : array (n_samples,)
        How few units answer to each sample; 1 for a sample that no unit answers to.
    lifetime_sparsity_ : array (n_components,)
        How few samples each unit answers to; 1 for a unit that never answers.
    zeros_ : float
        Fraction of the activations that are exactly 0.
    histograms_ : list of matplotlib StepPatch
        The three histograms.
    axes_ : array of three matplotlib Axes
        Axes with the histograms.
    figure_ : matplotlib Figure
        Figure with the axes.

    See Also
    --------
    FilterGridDisplay : What was learned.

    References
    ----------
    Treves & Rolls (1991), "What determines the capacity of autoassociative memories in the brain?". Willmore & Tolhurst
    (2001), "Characterizing the sparseness of neural codes".

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from featlearn import KMeansDictionary
    >>> from featlearn.plot import SparsityDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> learner = KMeansDictionary(20, encode="hard", random_state=0, max_iter=5, tol=0).fit(X)
    >>> display = SparsityDisplay.from_estimator(learner, X)
    >>> float(display.zeros_)
    0.95
    """

    def __init__(self, codes: Any):
        self.codes = codes

    @classmethod
    def from_estimator(cls, estimator: Any, X: Any, *, bins: int = 50, axes: Any = None) -> Self:
        """Draw the sparsity of what an estimator makes of samples.

        Parameters
        ----------
        estimator : fitted transformer
            With `transform`, which gives codes (n_samples, n_components) or maps (n_images, height, width,
            n_components).
        X : array
            Samples, as `transform` takes them; images for a learner of rows are taken as rows of their pixels.
        bins : int, default=50
            Bins of each histogram.
        axes : sequence of three matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : SparsityDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing.
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If it has no `transform`.
        ValueError
            If the codes are empty or not finite.
        """
        if not isinstance(estimator, type) and not hasattr(estimator, "transform"):
            raise TypeError(
                f"{type(estimator).__name__} has no `transform`, so there are no codes to draw. Pass a fitted "
                "transformer, or codes to SparsityDisplay.from_codes."
            )
        check_fitted("SparsityDisplay.from_estimator", estimator, "a fitted transformer")
        return cls.from_codes(estimator.transform(as_rows("SparsityDisplay", estimator, X)), bins=bins, axes=axes)

    @classmethod
    def from_codes(cls, codes: Any, *, bins: int = 50, axes: Any = None) -> Self:
        """Draw the sparsity of codes.

        Parameters
        ----------
        codes : array or sparse matrix (n_samples, n_components), or array (n_images, height, width, n_components)
            The codes; every place of a map counts as a sample.
        bins : int, default=50
            Bins of each histogram.
        axes : sequence of three matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : SparsityDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing.
        ValueError
            If the codes are empty or not finite.
        """
        kind, codes = type(codes).__name__, codes.toarray() if issparse(codes) else np.asarray(codes)
        if codes.ndim == 0 or codes.dtype.kind not in "biuf":
            raise TypeError(f"SparsityDisplay takes codes (n_samples, n_components), numbers, not {kind}.")
        return cls(codes.reshape(-1, codes.shape[-1]) if codes.ndim > 2 and codes.size else codes).plot(
            bins=bins, axes=axes
        )

    def plot(self, *, bins: int = 50, axes: Any = None) -> Self:
        """Draw the three histograms.

        Parameters
        ----------
        bins : int, default=50
            Bins of each histogram.
        axes : sequence of three matplotlib Axes or None, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        self : SparsityDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing.
        ValueError
            If the codes are empty or not finite.
        """
        from featlearn.vectors.sparsity_measures import lifetime_sparsity, population_sparsity

        codes = np.asarray(self.codes)
        if codes.ndim != 2 or codes.size == 0:
            raise ValueError(
                f"There is nothing to show: codes of shape {codes.shape}. Pass (n_samples, n_components), at least "
                "one of each."
            )
        if not np.isfinite(codes).all():
            raise ValueError(
                f"Codes must be finite: {np.count_nonzero(~np.isfinite(codes))} of {codes.size} are NaN or infinite."
            )
        if bins < 1:
            raise ValueError(f"bins={bins} draws nothing; pass at least 1.")
        if axes is None:
            axes = pyplot("SparsityDisplay").subplots(1, 3, figsize=(11, 3.2), layout="constrained")[1]
        self.axes_ = np.asarray(axes, dtype=object).ravel()
        if len(self.axes_) != 3:
            raise ValueError(f"SparsityDisplay draws on three axes, and there are {len(self.axes_)}.")
        self.figure_ = self.axes_[0].figure
        self.zeros_ = np.mean(codes == 0)
        self.population_sparsity_ = population_sparsity(codes)
        self.lifetime_sparsity_ = lifetime_sparsity(codes)
        of_samples = self.population_sparsity_[codes.any(axis=1)]
        of_units = self.lifetime_sparsity_[codes.any(axis=0)]
        activations, population, lifetime = self.axes_
        self.histograms_ = [
            _histogram(activations, codes.ravel(), bins, None),
            _histogram(population, of_samples, bins, (0, 1)),
            _histogram(lifetime, of_units, bins, (0, 1)),
        ]
        # Most activations of a sparse code are zero, and would hide the others on a linear scale.
        activations.set(xlabel="activation", ylabel="number of activations", yscale="log", ylim=(0.7, None))
        activations.set_title(f"{100 * self.zeros_:.3g} % are zero")
        population.set(xlabel="population sparsity", ylabel="number of samples", xlim=(0, 1), ylim=(0, None))
        population.set_title(_summary(of_samples, len(codes), "silent sample"))
        lifetime.set(xlabel="lifetime sparsity", ylabel="number of units", xlim=(0, 1), ylim=(0, None))
        lifetime.set_title(_summary(of_units, codes.shape[1], "dead unit"))
        return self


def _histogram(ax, values, bins, limits):
    counts, edges = np.histogram(values, bins, limits)
    ax.spines[["top", "right"]].set_visible(False)
    return ax.stairs(counts, edges, fill=True, color="#2f6db5")


def _summary(sparsity, total, silent):
    """The mean of those that ever answer, and how many never do."""
    silents = total - len(sparsity)
    mean = f"mean {sparsity.mean():.2f}" if len(sparsity) else ""
    count = f"{silents} {silent}{'s' if silents > 1 else ''}" if silents else ""
    return ", ".join(filter(None, (mean, count)))
