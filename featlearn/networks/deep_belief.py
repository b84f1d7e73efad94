"""Deep belief networks: Boltzmann machines stacked into a generative model, with labels if there are any.

    p(v, x_1, ..., x_n, y) = p(v | x_1) ... p(x_{n-1} | x_n) p(x_n, y),    p(x_n, y) of a restricted Boltzmann machine

1. Greedily, each layer is a Boltzmann machine of the codes of the layer below; the top one sees the labels y beside
   them, as a softmax group (label_units.py).
2. Recognition and generation weights part, and the up-down algorithm tunes all of them (up_down.py).

The formulas of the fitted net are in belief_machine.py.

Hinton, Osindero & Teh (2006), "A fast learning algorithm for deep belief nets".
"""

from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from featlearn.arrays import as_float, blocks
from featlearn.callbacks import CallbackSupportMixin, end_iteration, sub_task
from featlearn.fitting import fitting
from featlearn.networks.belief_machine import BeliefNet, as_rbm
from featlearn.networks.generative import GenerativeMixin, seeds
from featlearn.networks.greedy import STACK_RULES, judge_layers, pretrained, training_rows, widths
from featlearn.networks.label_units import JointDivergence, classes_of, joint_log_partition, places_of
from featlearn.networks.layers import FittedLayer
from featlearn.networks.unrolling import unrolled
from featlearn.networks.up_down import UpDown, untied
from featlearn.notices import interruptible
from featlearn.streaming import map_chunks
from featlearn.threads import map_in_order, n_threads, one_blas_thread
from featlearn.training import Batch, GradientDescent, Standardizer, minimize
from featlearn.usefulness import probe
from featlearn.validation import boolean, check_argument, check_codes, check_rows, integer, one_of, real
from featlearn.vectors.rbm_partition import LogPartition, feature_means

BOUND_ROWS = 256


def _has_labels(self):
    return hasattr(self, "classes_")


class DeepBeliefNetwork(GenerativeMixin, CallbackSupportMixin, BaseEstimator):
    """A deep belief network: stacked Boltzmann machines, tuned by the up-down algorithm.

    Parameters
    ----------
    n_components : int or list of int, default=(256, 256)
        Units of each hidden layer, from the data up; an integer is a single layer.
    visible : {"binary", "gaussian"}, default="binary"
        The visible units: "binary" takes values in [0, 1], read as probabilities; "gaussian" any, which are
        standardized and have a variance of 1 there.
    labels : bool or "auto", default="auto"
        Whether the top machine sees the labels y, which then may be predicted, and given for samples. "auto" takes
        those of two classes or more, if `fit` is given any, and ignores other targets, such as numbers of a regression.
    pretrain_iter : int, default=10
        Epochs of each layer's contrastive divergence (CD-1).
    pretrain_rate : float or None, default=None
        Their learning rate, with Hinton's momentum: 0.5 in the first 5 epochs, then 0.9. None takes 0.1, and for K
        units above Gaussian visibles ``min(0.01, 4 / (K + 4))``.
    max_iter : int, default=10
        Epochs of the up-down algorithm; 0 leaves the net as it was pretrained.
    learning_rate : float, default=0.01
        Their learning rate, which falls to 0 in a line.
    k : int, default=3
        Gibbs steps of the top machine in a step of the up-down algorithm.
    persistent : bool, default=True
        Whether the top machine's chains go on from step to step of the up-down algorithm, instead of starting at the
        data as Hinton's do. Samples are the better for it: on digits chains from the data left 4 of 10 blank.
    batch_size : int, default=100
        Samples in a step.
    weight_decay : float, default=0.0002
        Adds ``weight_decay / 2 * |W|^2`` to what is descended; biases do not decay.
    early_stopping : bool, default=False
        Whether to hold out samples, stop the up-down algorithm when the mean of -log p(y | v) of these no longer falls,
        and keep the best weights. It needs labels.
    validation_fraction : float, default=0.1
        Share of the samples held out.
    n_iter_no_change : int, default=10
        Patience of ``early_stopping``, in epochs.
    random_state : int, RandomState or None, default=None
        Seed of everything random.

    Attributes
    ----------
    net_ : BeliefNet
        The learned net. ``net_.params`` holds the recognition weights "R1" (K_1, n_features), "R2" (K_2, K_1), ... and
        biases "r1", ..., those of generation "G1", "g1", ..., and the top machine's "W", "b", "c", whose last visible
        units are the labels.
    classes_ : array (n_classes,)
        The labels. Only if labels were learned.
    pretrain_curves_ : list of arrays
        Of each layer and epoch: squared error of the reconstruction after one Gibbs step, plus the penalty.
    loss_curve_ : array (n_iter_,)
        Of each epoch of the up-down algorithm: squared error of the samples given states of the first layer, plus the
        penalty.
    validation_curve_ : array (n_iter_,)
        Of each epoch: the mean of -log p(y | v) of the samples held out, plus the penalty. Only if
        ``early_stopping=True``.
    n_iter_ : int
        Epochs of the up-down algorithm.
    n_features_in_ : int
        Number of features seen by `fit`.

    Raises
    ------
    ValueError
        For binary visibles with values outside [0, 1], ``labels=True`` without classes, ``early_stopping=True`` without
        labels, or a training that diverges.

    Warns
    -----
    UserWarning
        If after `fit` more than half of a layer's units are constant, always on or always off on the data.
    ConvergenceWarning
        If an interrupt (Ctrl-C) ended the training of a layer, or the up-down algorithm: what it learned is kept, and
        `fit` goes on with what comes next. Before the first epoch of a layer has ended the interrupt goes through.

    See Also
    --------
    RBM : A single layer.
    DeepBoltzmannMachine : Undirected in all layers.

    Notes
    -----
    `fit` takes an array or an np.memmap. The number of threads does not change the result. As the labels lie in the
    top machine, so that its codes know of them, cross-validate the net together with what learns from its codes, or
    pass ``labels=False``.

    References
    ----------
    Hinton, Osindero & Teh (2006), "A fast learning algorithm for deep belief nets". Salakhutdinov & Murray (2008), "On
    the quantitative analysis of deep belief networks".

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn import DeepBeliefNetwork
    >>> X = np.repeat([[1, 1, 0, 0], [0, 0, 1, 1]], 50, axis=0)
    >>> y = np.repeat(["left", "right"], 50)
    >>> net = DeepBeliefNetwork([4, 4], pretrain_iter=30, batch_size=10, random_state=0).fit(X, y)
    >>> net.predict([[1, 1, 0, 0], [0, 0, 1, 1]])
    array(['left', 'right'], dtype='<U5')
    >>> net.sample(50, label="right", random_state=0).mean(axis=0).round() @ [8, 4, 2, 1]
    np.float64(3.0)
    """

    _rules: ClassVar = STACK_RULES | {
        "labels": one_of(True, False, "auto"),
        "persistent": boolean(),
        "early_stopping": boolean(),
        "validation_fraction": real(above=0, high=0.9),
        "n_iter_no_change": integer(1),
    }

    def __init__(
        self,
        n_components: Any = (256, 256),
        *,
        visible: str = "binary",
        labels: bool | str = "auto",
        pretrain_iter: int = 10,
        pretrain_rate: float | None = None,
        max_iter: int = 10,
        learning_rate: float = 0.01,
        k: int = 3,
        persistent: bool = True,
        batch_size: int = 100,
        weight_decay: float = 0.0002,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        random_state: Any = None,
    ):
        self.n_components = n_components
        self.visible = visible
        self.labels = labels
        self.pretrain_iter = pretrain_iter
        self.pretrain_rate = pretrain_rate
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.k = k
        self.persistent = persistent
        self.batch_size = batch_size
        self.weight_decay = weight_decay
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.random_state = random_state

    # --- learning ---

    @fitting(lambda self, X: len(widths(self.n_components)) + 1)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from samples, and from their labels where there are any.

        Parameters
        ----------
        X : array (n_samples, n_features) or memmap
            The samples.
        y : array (n_samples,) or None, default=None
            Their labels, see ``labels``.

        Returns
        -------
        self
        """
        rng = check_random_state(self.random_state)
        X = training_rows(self, X)
        classes, y = classes_of(X, y, self.labels, self.early_stopping)
        data, held = self._split(Batch(X, y), rng)
        standardizer = None if self.visible == "binary" else Standardizer.of(data.x).if_any()
        net = self._stacked(data, standardizer, len(classes), rng)
        for name in ("classes_", "validation_curve_"):  # an earlier fit may have had them
            self.__dict__.pop(name, None)
        if len(classes):
            self.classes_ = classes
        self.loss_curve_, self.n_iter_ = np.empty(0), 0
        if self.max_iter:
            with interruptible("DeepBeliefNetwork", lambda: len(net.widths) * self.pretrain_iter):
                net = self._tuned(net, data, held, rng)
        self.net_ = net
        judge_layers(self, len(net.widths), data.x)
        return self

    def _split(self, data, rng):
        """Rows to learn from, and those held out or None."""
        n = len(data.x)
        if not self.early_stopping:
            return data, None
        held = min(max(1, round(n * self.validation_fraction)), n - 1)
        order = rng.permutation(n)
        return data.rows(np.sort(order[held:])), data.rows(np.sort(order[:held]))

    def _stacked(self, data, standardizer, n_labels, rng):
        """The net of machines learned one after the other."""
        X, kind, prepare = data.x, self.visible, standardizer
        machines, curves = [], []
        *directed, top = widths(self.n_components)
        for l, width in enumerate([*directed, top], 1):
            joined = n_labels if l > len(directed) else 0
            usual = 0.1 if kind == "binary" else 0.01
            objective = JointDivergence(width, visible=kind, init_scale=usual, n_labels=joined)
            batch = Batch(X, data.y if joined else None)
            first = objective.init(X.shape[1], rng, as_float(X[:0]).dtype)
            trained = pretrained(self, f"layer {l}", objective, batch, first, prepare, rng)
            machines.append(trained.params)
            curves.append(np.array(trained.loss_curve))
            if l <= len(directed):
                lower = [[machine[name] for machine in machines] for name in "Wbc"]
                net = BeliefNet(untied(*lower), l, 0, self.visible, standardizer, np.empty(0))
                X, kind, prepare = map_chunks(partial(net.codes, layer=l), data.x), "binary", None
        self.pretrain_curves_ = curves
        lower = [[machine[name] for machine in machines[:-1]] for name in "Wbc"]
        means = feature_means(X) if prepare is None else np.zeros(X.shape[1])
        return BeliefNet(untied(*lower) | machines[-1], len(directed), n_labels, self.visible, standardizer, means)

    @one_blas_thread()
    def _tuned(self, net, data, held, rng):
        """The net after the up-down algorithm."""
        objective: Any = UpDown(net.n_directed, self.visible, net.n_labels, int(self.k), bool(self.persistent))

        def updated(params):
            fresh = replace(net, params=params)
            if not net.n_directed:
                return fresh
            return replace(fresh, means=feature_means(fresh.codes(probe(data.x), net.n_directed)))

        def on_epoch(metrics, now):
            return end_iteration(self, metrics, lambda: {"net_": updated(now()[0])}, name="epoch")

        with sub_task(self, "up-down", self.max_iter):
            trained = minimize(
                objective,
                data.x,
                net.params,
                GradientDescent("momentum", learning_rate=self.learning_rate, momentum=0.5, schedule="linear"),
                y=data.y if net.n_labels else None,
                rng=rng,
                max_iter=self.max_iter,
                batch_size=self.batch_size,
                weight_decay=self.weight_decay,
                n_iter_no_change=self.n_iter_no_change,
                validation=None if held is None else (held.x, held.y),
                engine="numpy",
                prepare=net.standardizer,
                on_epoch=on_epoch,
                who="DeepBeliefNetwork: up-down",
            )
        self.loss_curve_, self.n_iter_ = np.array(trained.loss_curve), trained.n_iter
        if held is not None:
            self.validation_curve_ = np.array(trained.validation_curve)
        return updated(trained.params)

    # --- codes and back ---

    def inverse_transform(self, X: Any) -> Any:
        """Means of the visible units given codes of the top, layer by layer.

        Parameters
        ----------
        X : array (n_samples, n_components of the top)
            Codes, as `transform` gives them.

        Returns
        -------
        means : array (n_samples, n_features)
            Probabilities of binary visibles, means of Gaussian ones.
        """
        check_is_fitted(self)
        return map_chunks(self.net_.decoded, check_codes(self, X))

    def to_pipeline(self) -> Pipeline:
        """The recognition weights as a Pipeline of fitted `RBM`, one a layer.

        Returns
        -------
        pipeline : Pipeline
            Its codes are those of `transform` where no labels were learned; label units enter with their usual means.
        """
        check_is_fitted(self)
        return make_pipeline(*(as_rbm(self.net_, l) for l in range(1, len(self.net_.widths) + 1)))

    def network_layers(self, shape: tuple[int, ...]) -> list[FittedLayer]:
        """The recognition weights as layers of a network, to be tuned for a task: those of `to_pipeline`."""
        return unrolled(self.to_pipeline(), shape)

    # --- labels ---

    @available_if(_has_labels)
    def predict_proba(self, X: Any) -> Any:
        """p(y | x_n), exact, x_n the means of the layer below the top.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, stream of chunks or Dask array
            The samples.

        Returns
        -------
        probabilities : array (n_samples, n_classes), a generator of chunks, or a Dask array
            In the order of ``classes_``.
        """
        check_is_fitted(self)
        return map_chunks(self.net_.label_probabilities, check_rows(self, X, reset=False))

    @available_if(_has_labels)
    def predict(self, X: Any) -> np.ndarray:
        """The likeliest label of each sample.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, stream of chunks or Dask array
            The samples.

        Returns
        -------
        labels : array (n_samples,), a generator of chunks, or a Dask array
        """
        check_is_fitted(self)
        return map_chunks(self._labels, check_rows(self, X, reset=False))

    def _labels(self, chunk):
        return self.classes_[self.net_.label_probabilities(chunk).argmax(axis=1)]

    # --- the model ---

    def sample(
        self,
        n_samples: int = 1,
        *,
        label: Any = None,
        n_steps: int = 1000,
        means: bool = False,
        random_state: Any = None,
    ) -> np.ndarray:
        """Samples of the model, each the end of a chain of its own in the top machine, then drawn downwards.

        Parameters
        ----------
        n_samples : int, default=1
            Number of chains.
        label : label, array (n_samples,) of labels, or None, default=None
            What the label units are held at; None lets them go free.
        n_steps : int, default=1000
            Gibbs steps of each.
        means : bool, default=False
            Whether the last draw is left out: means of the visible units, which make smoother pictures.
        random_state : int, RandomState or None, default=None
            Seed of the draws; None draws afresh in every call.

        Returns
        -------
        v : array (n_samples, n_features)
            Visible states, or their means.
        """
        check_is_fitted(self)
        places = None if label is None else places_of(label, n_samples, getattr(self, "classes_", None))
        return self._dreams(n_samples, places, n_steps, means, random_state)

    def _log_partition(self, method, n_chains, n_betas, seed):
        net = self.net_
        W, b, c = (net.params[name] for name in "Wbc")
        variance = None if net.kind(net.n_directed) == "binary" else np.ones(len(c) - net.n_labels)
        asked = {"n_labels": net.n_labels, "method": method, "n_chains": n_chains, "n_betas": n_betas}
        return joint_log_partition(W, b, c, variance, net.means, **asked, seed=seed)

    def log_likelihood(
        self,
        X: Any,
        log_z: float | LogPartition | None = None,
        *,
        n_draws: int = 20,
        return_std: bool = False,
        random_state: Any = None,
    ) -> Any:
        """A lower bound of log p(v) of samples: the variational one, whose gap is that of the recognition weights.

        Parameters
        ----------
        X : array (n_samples, n_features) or memmap
            The samples.
        log_z : float, LogPartition or None, default=None
            log Z; None asks `log_partition`, which for many units takes a while, so keep its value for a second call.
        n_draws : int, default=20
            Draws of the hidden layers, over which each bound is a mean.
        return_std : bool, default=False
            Whether to give the spread too.
        random_state : int, RandomState or None, default=None
            Seed of everything drawn.

        Returns
        -------
        bound : array (n_samples,)
            Estimates of the bound. An estimated log Z errs low rather than high, and the bound then too high.
        std : array (n_samples,)
            Their standard errors, those of the draws and of log Z together; infinite for one draw. Only if
            ``return_std=True``.
        """
        check_argument("DeepBeliefNetwork", "n_draws", n_draws, integer(1))
        rng = check_random_state(random_state)
        X, partition = self._likelihood_of(X, log_z, rng)
        parts = blocks(len(X), BOUND_ROWS)
        jobs = ((X[part], seed) for part, seed in zip(parts, seeds(rng).spawn(len(parts)), strict=True))
        bound = partial(self.net_.bound, int(n_draws), partition.value)
        value, error = np.concatenate(list(map_in_order(bound, jobs, n_threads())), axis=1)
        return (value, np.hypot(error, partition.error)) if return_std else value
