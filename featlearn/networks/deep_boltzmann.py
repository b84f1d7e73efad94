"""Deep Boltzmann machines: undirected in all layers, learned by mean field and persistent chains.

    p(h_0, ..., h_L) = exp(-E) / Z,    E = -sum_l b_l.h_l - sum_l h_l.(W_l h_{l-1}),    h_0 = v

1. Greedily, each layer is a Boltzmann machine of the codes below. In the net a layer is driven from both sides, so the
   weights towards the neighbor that is still missing count twice (label_units.py): upwards in the lowest, downwards in
   the top one, both in those between. A layer's bias is the mean of what its two machines say.
2. All layers together: mean field of the data against chains of the model (boltzmann_learning.py).

The formulas of the fitted net are in boltzmann_machine.py.

Salakhutdinov & Hinton (2009), "Deep Boltzmann machines"; (2012), "An efficient learning procedure for deep Boltzmann
machines".
"""

from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from featlearn.arrays import as_float
from featlearn.callbacks import CallbackSupportMixin, end_iteration, sub_task
from featlearn.fitting import fitting
from featlearn.kernels.encoding.encode import EncoderPlan
from featlearn.networks.boltzmann_learning import BoltzmannLearning
from featlearn.networks.boltzmann_machine import BoltzmannNet
from featlearn.networks.generative import GenerativeMixin
from featlearn.networks.greedy import STACK_RULES, judge_layers, pretrained, training_rows, widths
from featlearn.networks.label_units import JointDivergence, joint_log_partition
from featlearn.notices import interruptible
from featlearn.streaming import map_chunks
from featlearn.threads import one_blas_thread
from featlearn.training import Batch, GradientDescent, Memory, Standardizer, minimize
from featlearn.usefulness import probe
from featlearn.validation import integer
from featlearn.vectors.affine import encode
from featlearn.vectors.rbm_partition import feature_means

QUICK = {"n_chains": 25, "n_betas": 1_000}  # annealing of an epoch's bound


class DeepBoltzmannMachine(GenerativeMixin, CallbackSupportMixin, BaseEstimator):
    """A deep Boltzmann machine, pretrained greedily, then learned by mean field and persistent chains.

    Parameters
    ----------
    n_components : int or list of int, default=(256, 256)
        Units of each hidden layer, from the data up; an integer is a single layer.
    visible : {"binary", "gaussian"}, default="binary"
        The visible units: "binary" takes values in [0, 1], read as probabilities; "gaussian" any, which are
        standardized and have a variance of 1 there.
    pretrain_iter : int, default=10
        Epochs of each layer's contrastive divergence (CD-1).
    pretrain_rate : float or None, default=None
        Their learning rate, with Hinton's momentum: 0.5 in the first 5 epochs, then 0.9. None takes 0.05, and for K
        units above Gaussian visibles ``min(0.005, 2 / (K + 4))``: half of an `RBM`'s, as weights count twice.
    max_iter : int, default=10
        Epochs of all layers together; 0 leaves the net as it was pretrained.
    learning_rate : float, default=0.005
        Their learning rate, which falls to 0 in a line.
    k : int, default=5
        Gibbs steps of the persistent chains in a step.
    n_chains : int, default=100
        Number of persistent chains.
    n_mean_field : int, default=10
        Sweeps of mean field, in training and for codes and bounds alike.
    batch_size : int, default=100
        Samples in a step.
    weight_decay : float, default=0.0002
        Adds ``weight_decay / 2 * |W|^2`` to what is descended; biases do not decay.
    random_state : int, RandomState or None, default=None
        Seed of everything random.

    Attributes
    ----------
    net_ : BoltzmannNet
        The learned net. ``net_.params`` holds the weights "W1" (K_1, n_features), "W2" (K_2, K_1), ... and the biases
        "b0" of the visible units, "b1", ...
    pretrain_curves_ : list of arrays
        Of each layer and epoch: squared error of the reconstruction after one Gibbs step, plus the penalty.
    loss_curve_ : array (n_iter_,)
        Of each epoch of all layers: squared error of the samples given the means of the first layer, plus the penalty.
    elbo_curve_ : array (n_iter_,)
        Of each epoch: the mean bound of log p(v) of up to 1,000 samples, log Z exact up to 20 units and else from a
        short annealing (25 chains, 1,000 steps) that errs low: `log_likelihood` takes more. Only of binary visibles.
    n_iter_ : int
        Epochs of all layers.
    n_features_in_ : int
        Number of features seen by `fit`.

    Raises
    ------
    ValueError
        For binary visibles with values outside [0, 1], or a training that diverges.

    Warns
    -----
    UserWarning
        If after `fit` more than half of a layer's units are constant, always on or always off on the data.
    ConvergenceWarning
        If an interrupt (Ctrl-C) ended the training of a layer, or that of all: what it learned is kept, and `fit` goes
        on with what comes next. Before the first epoch of a layer has ended the interrupt goes through.

    See Also
    --------
    RBM : A single layer.
    DeepBeliefNetwork : Directed below the top, with labels.

    Notes
    -----
    `fit` takes an array or an np.memmap. The number of threads does not change the result.

    References
    ----------
    Salakhutdinov & Hinton (2009), "Deep Boltzmann machines". Salakhutdinov & Hinton (2012), "An efficient learning
    procedure for deep Boltzmann machines".

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn import DeepBoltzmannMachine
    >>> X = np.repeat([[1, 1, 0, 0], [0, 0, 1, 1]], 50, axis=0)
    >>> net = DeepBoltzmannMachine([4, 3], pretrain_iter=30, max_iter=30, batch_size=10, random_state=0).fit(X)
    >>> net.transform(X).shape
    (100, 3)
    >>> learned, other = np.exp(net.log_likelihood([[1, 1, 0, 0], [1, 0, 1, 0]]))
    >>> bool(learned > 0.2 and other < 0.1)
    True
    """

    _rules: ClassVar = STACK_RULES | {"n_chains": integer(1), "n_mean_field": integer(1)}

    def __init__(
        self,
        n_components: Any = (256, 256),
        *,
        visible: str = "binary",
        pretrain_iter: int = 10,
        pretrain_rate: float | None = None,
        max_iter: int = 10,
        learning_rate: float = 0.005,
        k: int = 5,
        n_chains: int = 100,
        n_mean_field: int = 10,
        batch_size: int = 100,
        weight_decay: float = 0.0002,
        random_state: Any = None,
    ):
        self.n_components = n_components
        self.visible = visible
        self.pretrain_iter = pretrain_iter
        self.pretrain_rate = pretrain_rate
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.k = k
        self.n_chains = n_chains
        self.n_mean_field = n_mean_field
        self.batch_size = batch_size
        self.weight_decay = weight_decay
        self.random_state = random_state

    @fitting(lambda self, X: len(widths(self.n_components)) + 1)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from samples.

        Parameters
        ----------
        X : array (n_samples, n_features) or memmap
            The samples.
        y : ignored
            Present for the API.

        Returns
        -------
        self
        """
        rng = check_random_state(self.random_state)
        X = training_rows(self, X)
        net = self._stacked(X, rng)
        self.loss_curve_, self.n_iter_ = np.empty(0), 0
        self.__dict__.pop("elbo_curve_", None)  # an earlier fit may have had it
        if self.visible == "binary":
            self.elbo_curve_ = np.empty(0)
        if self.max_iter:
            with interruptible("DeepBoltzmannMachine", lambda: len(net.widths) * self.pretrain_iter):
                net = self._together(net, X, rng)
        self.net_ = net
        judge_layers(self, net.depth, X)
        return self

    def _stacked(self, X, rng):
        """The net of machines learned one after the other."""
        standardizer = None if self.visible == "binary" else Standardizer.of(X).if_any()
        rows, kind, prepare, curves = X, self.visible, standardizer, []
        params: dict[str, np.ndarray] = {}
        sizes = widths(self.n_components)
        for l, width in enumerate(sizes, 1):
            up, down = 1.0 + (l < len(sizes)), 1.0 + (l > 1)
            usual = 0.1 if kind == "binary" else 0.01
            objective = JointDivergence(width, visible=kind, init_scale=usual, up=up, down=down)
            first = objective.init(rows.shape[1], rng, as_float(X[:0]).dtype)
            trained = pretrained(self, f"layer {l}", objective, Batch(rows), first, prepare, rng)
            W, b, c = (trained.params[name] for name in "Wbc")
            params |= {f"W{l}": W, f"b{l}": b, f"b{l - 1}": c if l == 1 else (params[f"b{l - 1}"] + c) / 2}
            curves.append(np.array(trained.loss_curve))
            if l < len(sizes):
                weights = up * W
                if prepare is not None:
                    weights = weights / prepare.scale
                mean = None if prepare is None else prepare.mean
                plan = EncoderPlan(weights.astype(W.dtype), "sigmoid", bias=b, mean=mean)
                rows, kind, prepare = map_chunks(partial(encode, plan=plan), rows), "binary", None
        self.pretrain_curves_ = curves
        return self._with_means(
            BoltzmannNet(params, self.visible, int(self.n_mean_field), standardizer, np.empty(0)), X
        )

    @one_blas_thread()
    def _with_means(self, net, X):
        """The net with the means of its even layers on the data."""
        some = probe(X)
        first = np.zeros(X.shape[1]) if net.standardizer is not None else feature_means(X)
        others = [net.codes(some, l).mean(axis=0, dtype=np.float64) for l in range(2, net.depth + 1, 2)]
        return replace(net, means=np.concatenate([first, *others]))

    @one_blas_thread()
    def _together(self, net, X, rng):
        """The net after all its layers learned together."""
        objective: Any = BoltzmannLearning(
            net.depth, self.visible, int(self.n_mean_field), int(self.k), int(self.n_chains)
        )
        some = probe(X)
        bounds: list[float] = []

        def learned(params):
            return self._with_means(replace(net, params=params), X)

        def on_epoch(metrics, now):
            if self.visible == "binary":
                fresh = learned(now()[0])
                seed = np.random.SeedSequence([len(bounds)])
                log_z = _log_partition(fresh, "auto", **QUICK, seed=seed).value
                bounds.append(float(fresh.free_bound(some).mean() - log_z))
                metrics = metrics | {"bound": bounds[-1]}
            return end_iteration(self, metrics, lambda: {"net_": learned(now()[0])}, name="epoch")

        with sub_task(self, "all layers", self.max_iter):
            trained = minimize(
                objective,
                X,
                net.params,
                GradientDescent("momentum", learning_rate=self.learning_rate, momentum=0.5, schedule="linear"),
                rng=rng,
                max_iter=self.max_iter,
                batch_size=self.batch_size,
                weight_decay=self.weight_decay,
                engine="numpy",
                memory=Memory(state=objective.first_state(net, rng)),
                prepare=net.standardizer,
                on_epoch=on_epoch,
                who="DeepBoltzmannMachine: all layers",
            )
        self.loss_curve_, self.n_iter_ = np.array(trained.loss_curve), trained.n_iter
        if self.visible == "binary":
            self.elbo_curve_ = np.array(bounds[: trained.n_iter])
        return learned(trained.params)

    def sample(
        self, n_samples: int = 1, *, n_steps: int = 1000, means: bool = False, random_state: Any = None
    ) -> np.ndarray:
        """Samples of the model, each the end of a chain of its own.

        Parameters
        ----------
        n_samples : int, default=1
            Number of chains.
        n_steps : int, default=1000
            Gibbs steps of each, from independent units with their means in training.
        means : bool, default=False
            Whether the last draw is left out: means of the visible units, which make smoother pictures.
        random_state : int, RandomState or None, default=None
            Seed of the draws; None draws afresh in every call.

        Returns
        -------
        v : array (n_samples, n_features)
            Visible states, or their means.
        """
        return self._dreams(n_samples, None, n_steps, means, random_state)

    def _log_partition(self, method, n_chains, n_betas, seed):
        if self.net_.visible != "binary":
            raise ValueError(
                "DeepBoltzmannMachine: log_partition and log_likelihood need visible='binary', and the net was fitted "
                f"with visible={self.net_.visible!r}. Compare samples by score_samples."
            )
        return _log_partition(self.net_, method, n_chains=n_chains, n_betas=n_betas, seed=seed)

    def log_likelihood(self, X: Any, log_z: Any = None, *, return_std: bool = False, random_state: Any = None) -> Any:
        """A lower bound of log p(v) of samples, by mean field.

        Parameters
        ----------
        X : array (n_samples, n_features) or memmap
            The samples.
        log_z : float, LogPartition or None, default=None
            log Z; None asks `log_partition`, which for many units takes a while, so keep its value for a second call.
        return_std : bool, default=False
            Whether to give the spread too.
        random_state : int, RandomState or None, default=None
            Seed of `log_partition`, where it is asked and has to estimate.

        Returns
        -------
        bound : array (n_samples,)
            The bound. An estimated log Z errs low rather than high, and the bound then too high.
        std : array (n_samples,)
            Its standard error, that of log Z. Only if ``return_std=True``.

        Raises
        ------
        ValueError
            For Gaussian visibles, or a stream.
        """
        X, partition = self._likelihood_of(X, log_z, random_state)
        bound = map_chunks(self.net_.free_bound, X) - partition.value
        return (bound, np.full(len(bound), partition.error)) if return_std else bound


def _log_partition(net, method, *, n_chains, n_betas, seed):
    """log Z as that of a restricted Boltzmann machine."""
    W, b, c = net.restricted()
    asked = {"method": method, "n_chains": n_chains, "n_betas": n_betas, "seed": seed}
    return joint_log_partition(W, b, c, None, net.means, n_labels=0, **asked)
