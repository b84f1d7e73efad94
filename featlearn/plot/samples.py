"""What a generative learner dreams: a grid of its samples, or its Markov chains as they walk."""

import copy
import inspect
from typing import Any, Self

import numpy as np

from featlearn.plot.tiles import picture_shape, show, tile
from featlearn.validation import check_fitted


def draw_samples(estimator: Any, n_samples: int, random_state: Any = None) -> np.ndarray:
    """Samples (n_samples, ...) of a fitted generative estimator, of the last step of a pipeline taken back to its data.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If it has no `sample`, takes no seed though one is given, or a step of the pipeline before it has no inverse.
    ValueError
        If it gives anything but ``n_samples`` samples.
    """
    check_fitted(
        "SampleGridDisplay.from_estimator",
        estimator,
        "a fitted generative learner (samples themselves are drawn by SampleGridDisplay.from_samples)",
    )
    estimator = getattr(estimator, "best_estimator_", estimator)
    if hasattr(estimator, "steps"):
        *before, (_, last) = estimator.steps
        X = draw_samples(last, n_samples, random_state)
        for name, step in reversed(before):
            if step in (None, "passthrough"):
                continue
            if not hasattr(step, "inverse_transform"):
                raise TypeError(
                    f"Step {name!r} ({type(step).__name__}) has no `inverse_transform`, so samples of "
                    f"{type(last).__name__} cannot be taken back to pictures. Draw those of the last step itself."
                )
            X = np.asarray(step.inverse_transform(X))
        return X
    who = type(estimator).__name__
    if not hasattr(estimator, "sample"):
        raise TypeError(
            f"{who} has no `sample`, so there is nothing to draw from. Pass a generative learner, or an array of "
            "samples to SampleGridDisplay.from_samples."
        )
    options = {}
    if "random_state" in inspect.signature(estimator.sample).parameters:
        options["random_state"] = random_state
    elif random_state is not None:
        if not hasattr(estimator, "random_state"):
            raise TypeError(f"{who}.sample takes no random_state. Leave it at None.")
        # scikit-learn's mixtures sample with the seed they were made with; the estimator itself keeps its own.
        estimator = copy.copy(estimator)
        estimator.random_state = random_state
    drawn = estimator.sample(n_samples, **options)
    X = np.asarray(drawn[0] if isinstance(drawn, tuple) else drawn)
    if X.ndim < 2 or len(X) != n_samples:
        raise ValueError(
            f"{who}.sample({n_samples}) gave shape {X.shape}; it must be ({n_samples}, n_features), or a tuple that "
            "begins with such an array."
        )
    return X


class SampleGridDisplay:
    """A grid of samples, all on one scale.

    Use `from_estimator`, `from_samples` or `from_chains` to make one.

    Parameters
    ----------
    samples : array (n_samples, n_features) or (n_samples, height, width[, channels])
        One sample per row, channels last.
    shape : tuple (height, width) or (height, width, channels) or None, default=None
        Shape of a sample; None takes that of `samples` or, if they are flat, a square one, gray or of three channels.
    title : str or None, default=None
        Text above the grid.
    steps : sequence of int or None, default=None
        If the grid shows Markov chains, a row each, the times of its columns.

    Attributes
    ----------
    im_ : matplotlib AxesImage
        The grid.
    ax_ : matplotlib Axes
        Axes with the grid.
    figure_ : matplotlib Figure
        Figure with the axes.

    See Also
    --------
    FilterGridDisplay : What was learned.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.mixture import GaussianMixture
    >>> from featlearn.plot import SampleGridDisplay
    >>> X, _ = load_digits(return_X_y=True)
    >>> mixture = GaussianMixture(10, covariance_type="diag", reg_covar=0.1, random_state=0).fit(X)
    >>> display = SampleGridDisplay.from_estimator(mixture, n_samples=30, random_state=1)
    >>> display.samples.shape, display.shape
    ((30, 64), (8, 8))
    """

    def __init__(
        self, samples: Any, *, shape: tuple[int, ...] | None = None, title: str | None = None, steps: Any = None
    ):
        self.samples = samples
        self.shape = shape
        self.title = title
        self.steps = steps

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        n_samples: int = 100,
        shape: tuple[int, ...] | None = None,
        random_state: Any = None,
        ncols: int | None = None,
        ax: Any = None,
        cmap: str = "gray",
        vmin: float | None = None,
        vmax: float | None = None,
    ) -> Self:
        """Draw samples of a fitted generative estimator.

        Parameters
        ----------
        estimator : fitted estimator
            One with ``sample(n_samples)``, which gives samples (n_samples, n_features) or a tuple that begins with
            them, or a pipeline that ends with one, whose samples are taken back through the inverses of its steps.
        n_samples : int, default=100
            Samples drawn.
        shape : tuple (height, width) or (height, width, channels) or None, default=None
            Shape of a sample; None takes that of the samples or, if they are flat, a square one.
        random_state : int, RandomState or None, default=None
            Seed of the samples.
        ncols : int or None, default=None
            Samples in a row; None makes the grid nearly square.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.
        cmap : str, default="gray"
            Color map of gray samples.
        vmin, vmax : float or None, default=None
            Values drawn as black and as white; None takes the least and the largest there are.

        Returns
        -------
        display : SampleGridDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing.
        NotFittedError
            If the estimator is not fitted.
        TypeError
            If it has no `sample`, takes no seed though one is given, or a step before it has no inverse.
        ValueError
            If there is no sample, or the samples are not finite or make no picture of this shape.
        """
        if n_samples < 1:
            raise ValueError(f"n_samples={n_samples} draws nothing; pass at least 1.")
        X = draw_samples(estimator, n_samples, random_state)
        return cls.from_samples(X, shape=shape, ncols=ncols, ax=ax, cmap=cmap, vmin=vmin, vmax=vmax)

    @classmethod
    def from_samples(
        cls,
        X: Any,
        *,
        shape: tuple[int, ...] | None = None,
        ncols: int | None = None,
        ax: Any = None,
        cmap: str = "gray",
        vmin: float | None = None,
        vmax: float | None = None,
    ) -> Self:
        """Draw samples.

        Parameters
        ----------
        X : array (n_samples, n_features) or (n_samples, height, width[, channels])
            The samples.
        shape, ncols, ax, cmap, vmin, vmax
            As for `from_estimator`.

        Returns
        -------
        display : SampleGridDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing.
        ValueError
            If there is no sample, or the samples are not finite or make no picture of this shape.
        """
        X = _finite(X, 2, "samples (n_samples, n_features)")
        shape = picture_shape(int(np.prod(X.shape[1:])), X.shape[1:] if shape is None and X.ndim > 2 else shape)
        title = f"{len(X)} sample{'s' if len(X) > 1 else ''}, {' × '.join(map(str, shape))}"
        return cls(X, shape=shape, title=title).plot(ax, ncols=ncols, cmap=cmap, vmin=vmin, vmax=vmax)

    @classmethod
    def from_chains(
        cls,
        chains: Any,
        *,
        steps: Any = None,
        n_chains: int = 10,
        n_times: int = 10,
        shape: tuple[int, ...] | None = None,
        ax: Any = None,
        cmap: str = "gray",
        vmin: float | None = None,
        vmax: float | None = None,
    ) -> Self:
        """Draw Markov chains: a row for each chain, time from left to right.

        Parameters
        ----------
        chains : array (n_steps, n_chains, n_features) or (n_steps, n_chains, height, width[, channels])
            The states of the chains after each step.
        steps : sequence of int (n_steps,) or None, default=None
            The times of the states; None counts them from 0.
        n_chains : int, default=10
            At most so many chains are drawn, the first ones.
        n_times : int, default=10
            At most so many states of a chain are drawn, evenly spaced from the first to the last.
        shape, ax, cmap, vmin, vmax
            As for `from_estimator`.

        Returns
        -------
        display : SampleGridDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing.
        ValueError
            If there is no chain or step, or the states are not finite or make no picture of this shape.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.datasets import load_digits
        >>> from sklearn.neural_network import BernoulliRBM
        >>> from featlearn.plot import SampleGridDisplay
        >>> X = load_digits().data[:200] / 16
        >>> rbm, chains = BernoulliRBM(20, n_iter=2, random_state=0).fit(X), [X[:4]]
        >>> for _ in range(30):
        ...     chains.append(rbm.gibbs(chains[-1]))
        >>> SampleGridDisplay.from_chains(chains, n_times=7).steps
        array([ 0,  5, 10, 15, 20, 25, 30])
        """
        chains = _finite(chains, 3, "chains (n_steps, n_chains, n_features)")
        if n_chains < 1 or n_times < 1:
            raise ValueError(f"n_chains={n_chains} and n_times={n_times} must be at least 1.")
        steps = np.arange(len(chains)) if steps is None else np.asarray(steps)
        if steps.shape != (len(chains),):
            raise ValueError(f"steps has shape {steps.shape}, and the chains have {len(chains)} steps; pass one each.")
        picture = chains.shape[2:]
        shape = picture_shape(int(np.prod(picture)), picture if shape is None and len(picture) > 1 else shape)
        # From the last state back, so that a single column shows where the chains have come to.
        times = np.unique(np.linspace(len(chains) - 1, 0, n_times).round().astype(int))
        drawn = chains[times][:, :n_chains].swapaxes(0, 1)
        shown, total = drawn.shape[0], chains.shape[1]
        chain = f"{total} chain{'s' if total > 1 else ''}"
        title = f"{shown} of {chain}" if shown < total else chain
        title = f"{title}, {' × '.join(map(str, shape))}"
        display = cls(drawn.reshape(-1, *picture), shape=shape, title=title, steps=steps[times])
        return display.plot(ax, cmap=cmap, vmin=vmin, vmax=vmax)

    def plot(
        self,
        ax: Any = None,
        *,
        ncols: int | None = None,
        cmap: str = "gray",
        vmin: float | None = None,
        vmax: float | None = None,
    ) -> Self:
        """Draw the grid.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a figure.
        ncols : int or None, default=None
            Samples in a row; None makes the grid nearly square, or gives each chain a row.
        cmap : str, default="gray"
            Color map of gray samples.
        vmin, vmax : float or None, default=None
            Values drawn as black and as white; None takes the least and the largest there are.

        Returns
        -------
        self : SampleGridDisplay

        Raises
        ------
        ImportError
            If matplotlib is missing.
        ValueError
            If the samples are not finite or make no picture.
        """
        X = _finite(self.samples, 2, "samples (n_samples, n_features)").astype(np.float64)
        low = X.min() if vmin is None else vmin
        high = X.max() if vmax is None else vmax
        if vmin is not None and vmax is not None and not vmin < vmax:
            raise ValueError(f"vmin={vmin} must be less than vmax={vmax}.")
        unit = ((X - low) / (high - low if high > low else 1.0)).clip(0, 1)
        columns = ncols if self.steps is None else len(self.steps)
        padding = 1
        picture = tile(unit, self.shape, ncols=columns, padding=padding, normalize=None)
        self.ax_, self.figure_, self.im_ = show("SampleGridDisplay", ax, picture, cmap)
        if self.steps is None:
            self.ax_.set_axis_off()
        else:
            self._label_chains(picture.shape, padding)
            if ax is None:  # room for the labels
                self.figure_.set_size_inches(self.figure_.get_size_inches() + 0.6)
        if self.title:
            self.ax_.set_title(self.title)
        return self

    def _label_chains(self, size, padding):
        """Number the rows by chain and the columns by time."""
        counts = len(self.samples) // len(self.steps), len(self.steps)
        centers = [
            np.arange(count) * (pixels + padding) / count + ((pixels + padding) / count - padding - 1) / 2
            for pixels, count in zip(size, counts)
        ]
        self.ax_.set_xticks(centers[1], [str(step) for step in self.steps])
        self.ax_.set_yticks(centers[0], [str(i + 1) for i in range(counts[0])])
        self.ax_.set(xlabel="step", ylabel="chain")
        self.ax_.tick_params(length=0)
        self.ax_.spines[:].set_visible(False)


def _finite(X, ndim, what):
    """An array with enough axes and only finite numbers."""
    kind, X = type(X).__name__, np.asarray(X)
    if X.ndim == 0:
        raise TypeError(f"SampleGridDisplay takes {what}, not {kind}.")
    if X.ndim < ndim or X.size == 0:
        raise ValueError(f"There is nothing to show: shape {X.shape}. Pass {what}, none of them 0.")
    if X.dtype.kind not in "biuf" or not np.isfinite(X).all():
        bad = f"{np.count_nonzero(~np.isfinite(X))} values are NaN or infinite" if X.dtype.kind == "f" else f"{X.dtype}"
        raise ValueError(f"Samples must be finite numbers: {bad}.")
    return X
