"""Restricted Boltzmann machines: binary or Gaussian visibles, binary or rectified hidden units.

    p(v) = exp(-F(v)) / Z,    v (m, d) visible,  W (K, d) weights,  b (K,) and c (d,) hidden and visible biases

The energies, their sampling and contrastive divergence are in rbm_energy.py, the partition function Z in
rbm_partition.py; here is the estimator. The pseudo-likelihood of binary visibles needs no Z:

    sum_j log p(v_j | v without v_j) = sum_j log sigmoid(F(v with v_j flipped) - F(v))

A machine of Gaussian visibles learns standardized rows, u = (v - m) / s. With parameters W', b', c' and variances s'^2
of u it is, in the units of the data, the machine with

    W = W' s,   s_v^2 = s'^2 s^2,   c = m + s c',   b = b' - W (m / s_v^2)

whose energies are the same, and log Z larger by sum_j log s_j. Everything is computed in u: far from 0 the last two
would cancel.
"""

from functools import partial
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from featlearn.arrays import as_float, blocks
from featlearn.kernels.encoding.encode import EncoderPlan
from featlearn.streaming import dense, dense_rows, is_out_of_core, map_chunks
from featlearn.threads import map_in_order, n_threads
from featlearn.training.learner import GradientLearnerMixin
from featlearn.training.solvers import LBFGS, LEARNING_RATES, TRAINING_RULES
from featlearn.training.standardizer import STANDARDIZE, Standardizer, choose_standardizer
from featlearn.usefulness import probe, warn_of_idle_units
from featlearn.validation import boolean, check_argument, check_codes, check_rows, integer, one_of, optional, real
from featlearn.vectors.affine import AffineCodesMixin
from featlearn.vectors.features import MeanScoreMixin
from featlearn.vectors.rbm_energy import ContrastiveDivergence, PersistentDivergence, scaled
from featlearn.vectors.rbm_machine import Machine, unstandardized
from featlearn.vectors.rbm_partition import (
    ENUMERATED,
    LogPartition,
    annealed_log_partition,
    exact_log_partition,
    feature_means,
)

LEAST_VARIANCE = 0.01  # what is learned of the variance of a standardized feature lies between these
MOST_VARIANCE = 2.0
GIBBS_ROWS = 64  # chains in a block
FLIP_ROWS = 256


def _seed(random_state):
    return np.random.SeedSequence([int(s) for s in check_random_state(random_state).randint(2**31 - 1, size=2)])


class RBM(AffineCodesMixin, MeanScoreMixin, GradientLearnerMixin, BaseEstimator):
    """A restricted Boltzmann machine, trained by contrastive divergence.

    Parameters
    ----------
    n_components : int, default=256
        Number of hidden units K.
    visible : {"binary", "gaussian"}, default="binary"
        The visible units: "binary" takes values in [0, 1], read as probabilities; "gaussian" any.
    hidden : {"binary", "relu"}, default="binary"
        The hidden units: on or off, or noisy rectified linear ones (Nair & Hinton 2010).
    k : int, default=1
        Gibbs steps of a batch (CD-k).
    persistent : bool, default=False
        Whether chains go on from batch to batch, from epoch to epoch, and in `partial_fit` and warm starts (PCD-k).
    n_chains : int, default=100
        Number of persistent chains.
    learn_variance : bool, default=False
        Whether a variance is learned for each Gaussian visible unit; otherwise they are 1 (of standardized features).
        It stays where steps of the learning rate are stable, and below twice a standardized feature's.
    standardize : bool or "auto", default="auto"
        Whether the machine is trained on ``(X - mean_) / scale_``, so that no unit of measurement matters to it. What
        it learned is given in the units of the data. "auto" does so for Gaussian visibles; binary ones cannot be.
    sparsity_target : float or None, default=None
        Mean activation that each hidden unit is pulled to; the mean is that of the batch.
    sparsity_cost : float, default=0.0
        How strongly: the biases' gradient grows by ``sparsity_cost * (mean activation - sparsity_target)``, much as in
        Lee et al. (2008).
    sparsity_weights : bool, default=False
        Whether the weights are pulled too, as Hinton's guide advises.
    init_scale : float or None, default=None
        Standard deviation of the first weights. None takes 0.1, and 0.01 for Gaussian visibles.
    init_visible : {"zeros", "data"}, default="zeros"
        First visible biases: 0, or such that the visible units alone have the means of the data.
    solver : str or GradientDescent, default="momentum"
        The update rule, see `featlearn.training.GradientDescent`. The name "momentum" stands for Hinton's: 0.5 in the
        first 5 epochs, then 0.9; with persistent chains always 0.5, as they must keep up with the weights.
    learning_rate : float or None, default=None
        Step size. For sgd, momentum and nesterov None takes 0.1; 0.05 with persistent chains; 0.001 where hidden units
        are rectified, whose activities have no bound; for Gaussian visibles and K binary units
        ``min(0.01, 4 / (K + 4))``, a tenth of it if variances are learned. For other rules it takes their usual one.
    batch_size : int or None, default=100
        Samples in a step; None takes all.
    max_iter : int, default=10
        Most epochs.
    weight_decay : float, default=0.0002
        Adds ``weight_decay / 2 * |W|^2`` to the loss; biases do not decay.
    tol : float, default=0.0
        Stop after ``n_iter_no_change`` epochs that do not lower the loss by this fraction; 0 runs all epochs.
    n_iter_no_change : int, default=10
        Patience of ``tol`` and ``early_stopping``.
    early_stopping : bool, default=False
        Whether to hold out samples, stop when their loss no longer falls, and keep the best weights.
    validation_fraction : float, default=0.1
        Share of the samples held out.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights learned so far.
    engine : {"auto", "numpy", "keras"}, default="auto"
        "numpy" runs on the CPU, "keras" on Keras' device (not with persistent chains), "auto" on a GPU where there is
        one.
    random_state : int, RandomState or None, default=None
        Seed of everything random.

    Attributes
    ----------
    components_ : array (n_components, n_features)
        Weights W, in the units of the data.
    intercept_hidden_ : array (n_components,)
        Hidden biases b; in float64 where data are standardized, as it may be huge for data far from 0.
    intercept_visible_ : array (n_features,)
        Visible biases c; the means of Gaussian visibles where all hidden units are off.
    variance_ : array (n_features,)
        Variances of Gaussian visibles, in the units of the data. Only if ``visible="gaussian"``.
    mean_, scale_ : arrays (n_features,)
        What training subtracted from each feature, and divided it by; 0 and 1 if it was left as it is. Only if
        ``visible="gaussian"``.
    visible_mean_ : array (n_features,)
        Means of the data of `fit`, or of the first `partial_fit`.
    chains_ : array (n_chains, n_features)
        Visible states of the persistent chains. Only if ``persistent=True``.
    loss_curve_ : array (n_iter_,)
        Of each epoch: squared error of the reconstruction after one Gibbs step, of standardized rows where they are,
        summed over features and averaged over samples, plus the penalty of weight decay.
    validation_curve_ : array (n_iter_,)
        The same of the samples held out. Only if ``early_stopping=True``.
    n_iter_ : int
        Epochs made.
    n_features_in_ : int
        Number of features seen by `fit`.

    Raises
    ------
    ValueError
        For binary visibles with values outside [0, 1], parameters out of range or at odds with each other, or a
        training that diverges.

    Warns
    -----
    UserWarning
        If after `fit` more than half of the hidden units are constant, always on or always off on the data.
    ConvergenceWarning
        If an interrupt (Ctrl-C) ended the fit: it keeps the last whole epoch, or the best on the samples held out.

    See Also
    --------
    SparseAutoencoder, DenoisingAutoencoder : Hidden units that rebuild samples, without probabilities.

    Notes
    -----
    `fit` takes an array or an np.memmap, and for binary visibles a sparse matrix, made dense batch by batch; call
    `partial_fit` on the chunks of a stream. The first of them decides the standardization. Codes, energies and scores
    are computed of streams and Dask arrays too. The number of threads does not change the result.

    With ``k=1`` the reconstruction holds probabilities, as in Hinton's code; with more steps, persistent chains or
    learned variances it is drawn, so that the gradient approaches that of the likelihood.

    References
    ----------
    Hinton (2002), "Training products of experts by minimizing contrastive divergence". Tieleman (2008), "Training
    restricted Boltzmann machines using approximations to the likelihood gradient". Hinton (2010), "A practical guide to
    training restricted Boltzmann machines". Nair & Hinton (2010), "Rectified linear units improve restricted Boltzmann
    machines". Cho, Ilin & Raiko (2011), "Improved learning of Gaussian-Bernoulli restricted Boltzmann machines".

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn.vectors.rbm import RBM
    >>> X = np.repeat([[1, 1, 0, 0], [0, 0, 1, 1]], 50, axis=0)
    >>> rbm = RBM(4, max_iter=100, batch_size=10, random_state=0).fit(X)
    >>> rbm.transform(X).shape
    (100, 4)
    >>> learned, other = np.exp(rbm.log_likelihood([[1, 1, 0, 0], [1, 0, 1, 0]]))
    >>> bool(learned > 0.3 and other < 0.1)
    True
    """

    _rules: ClassVar = TRAINING_RULES | {
        "n_components": integer(1),
        "visible": one_of("binary", "gaussian"),
        "hidden": one_of("binary", "relu"),
        "k": integer(1),
        "persistent": boolean(),
        "n_chains": integer(1),
        "learn_variance": boolean(),
        "standardize": STANDARDIZE,
        "sparsity_target": optional(real(above=0)),
        "sparsity_cost": real(0),
        "sparsity_weights": boolean(),
        "init_scale": optional(real(0)),
        "init_visible": one_of("zeros", "data"),
    }

    def __init__(
        self,
        n_components: int = 256,
        *,
        visible: str = "binary",
        hidden: str = "binary",
        k: int = 1,
        persistent: bool = False,
        n_chains: int = 100,
        learn_variance: bool = False,
        standardize: bool | str = "auto",
        sparsity_target: float | None = None,
        sparsity_cost: float = 0.0,
        sparsity_weights: bool = False,
        init_scale: float | None = None,
        init_visible: str = "zeros",
        solver: Any = "momentum",
        learning_rate: float | None = None,
        batch_size: int | None = 100,
        max_iter: int = 10,
        weight_decay: float = 0.0002,
        tol: float = 0.0,
        n_iter_no_change: int = 10,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        warm_start: bool = False,
        engine: str = "auto",
        random_state: Any = None,
    ):
        self.n_components = n_components
        self.visible = visible
        self.hidden = hidden
        self.k = k
        self.persistent = persistent
        self.n_chains = n_chains
        self.learn_variance = learn_variance
        self.standardize = standardize
        self.sparsity_target = sparsity_target
        self.sparsity_cost = sparsity_cost
        self.sparsity_weights = sparsity_weights
        self.init_scale = init_scale
        self.init_visible = init_visible
        self.solver = solver
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.weight_decay = weight_decay
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.warm_start = warm_start
        self.engine = engine
        self.random_state = random_state

    # --- learning ---

    def _check_together(self):
        if self.solver == "lbfgs" or isinstance(self.solver, LBFGS):
            raise ValueError(
                f"RBM: solver={self.solver!r} needs an objective with a value; contrastive divergence has only a noisy "
                'gradient. Pass solver="momentum" or another rule of GradientDescent.'
            )
        if self.persistent and self.engine == "keras":
            raise ValueError(
                "RBM: persistent=True keeps its chains on the CPU, so engine='keras' cannot run it. Pass "
                "engine='numpy' or 'auto', or persistent=False."
            )
        if self.visible == "binary" and self.standardize and self.standardize != "auto":
            raise ValueError(
                f"RBM: standardize={self.standardize!r} gives data about 0 without bounds, and visible='binary' takes "
                "values in [0, 1]. Pass standardize='auto' or False, or visible='gaussian'."
            )
        if self.learn_variance and self.visible != "gaussian":
            raise ValueError(f"RBM: learn_variance=True needs visible='gaussian'; got visible={self.visible!r}.")
        if self.sparsity_cost and self.sparsity_target is None:
            raise ValueError(
                f"RBM: sparsity_cost={self.sparsity_cost} needs a sparsity_target; pass one (0.01 to 0.1 is usual), or "
                "sparsity_cost=0."
            )
        if self.sparsity_target is not None and self.hidden == "binary" and self.sparsity_target >= 1:
            raise ValueError(
                f"RBM: sparsity_target={self.sparsity_target} is the mean activation of binary units; pass a number "
                "between 0 and 1."
            )

    def _solver(self):
        solver = super()._solver()
        if solver.learning_rate is None and LEARNING_RATES[solver.rule] == LEARNING_RATES["momentum"]:
            if self.hidden == "relu":
                solver.learning_rate = 0.001
            elif self.visible == "gaussian":
                # Means of visibles fall back at 1 + |h|^2 / s^2, |h|^2 about K / 4: a quarter of what momentum bears.
                solver.learning_rate = min(0.01, 4 / (self.n_components + 4)) * (0.1 if self.learn_variance else 1)
            else:
                solver.learning_rate = 0.05 if self.persistent else 0.1
        if self.solver == "momentum":
            solver.momentum = 0.5 if self.persistent else (0.5, 0.9, 5)
        return solver

    def _check_values(self, X):
        if self.visible != "binary":
            return
        low, high = float(X.min()), float(X.max())
        if low < 0 or high > 1:
            raise ValueError(
                f"RBM: visible='binary' takes values in [0, 1], read as probabilities; those of X lie between "
                f"{low:.6g} and {high:.6g}. Scale them (pixels: X / 255, others: MinMaxScaler(clip=True)), "
                "or pass visible='gaussian'."
            )

    def _standardizer(self, X):
        if self.visible == "binary":
            return None
        if X is None and not hasattr(self, "mean_"):  # it goes on from binary visibles
            self.mean_, self.scale_ = np.zeros_like(self.intercept_visible_), np.ones_like(self.intercept_visible_)
        return choose_standardizer(self, X)

    def _learned_standardizer(self):
        """The one of a machine of Gaussian visibles, or None where rows stay as they are."""
        if self.visible == "binary" or not hasattr(self, "mean_"):
            return None
        return Standardizer(self.mean_, self.scale_).if_any()

    def _log_variance(self):
        """The bounds of learned log variances."""
        solver = self._solver()
        steps = solver.rate_at(0, self.max_iter) if solver.rule in ("sgd", "momentum", "nesterov") else 0.0
        least = np.clip(0.5 * steps * (1 + self.n_components / 4), LEAST_VARIANCE, 1.0)
        return float(np.log(least)), float(np.log(MOST_VARIANCE)) if self.standardize else np.inf

    def _objective(self):
        usual = 0.1 if self.visible == "binary" else 0.01
        kind = PersistentDivergence if self.persistent else ContrastiveDivergence
        return kind(
            n_components=self.n_components,
            visible=self.visible,
            hidden_units=self.hidden,
            k=self.k,
            learn_variance=self.learn_variance,
            sparsity_target=self.sparsity_target,
            sparsity_cost=self.sparsity_cost,
            sparsity_weights=self.sparsity_weights,
            init_scale=usual if self.init_scale is None else self.init_scale,
            log_variance=self._log_variance(),
            n_chains=self.n_chains if self.persistent else 0,
        )

    def _first_parameters(self, objective, X, rng, go_on):
        first = super()._first_parameters(objective, X, rng, go_on)
        if go_on:
            return first
        self.visible_mean_ = feature_means(X)
        if self.init_visible == "data":
            standardizer = self._learned_standardizer()
            p = self.visible_mean_ if standardizer is None else standardizer(self.visible_mean_)
            if self.visible == "binary":
                p = (X.shape[0] * p + 0.5) / (X.shape[0] + 1)
                p = np.log(p / (1 - p))
            first["c"] = p.astype(first["c"].dtype)
        return first

    def _attributes(self, params, state):
        W, b, c = params["W"], params["b"], params["c"]
        variance = np.exp(params["z"]) if "z" in params else np.ones_like(c)
        standardizer = self._learned_standardizer()
        if standardizer is not None:
            mean, scale = standardizer.mean.astype(np.float64), standardizer.scale.astype(np.float64)
            W = (W * scale).astype(W.dtype)
            variance = variance * scale**2
            b = b - (W / variance) @ mean  # in float64, or an offset of the data would swallow b and c
            c = mean + scale * c
        found = {"components_": W, "intercept_hidden_": b, "intercept_visible_": c, "visible_mean_": self.visible_mean_}
        if self.visible == "gaussian":
            found |= {"variance_": variance, "mean_": self.mean_, "scale_": self.scale_}
        if self.persistent:
            chains = state["chains"]
            found["chains_"] = chains if standardizer is None else unstandardized(chains, standardizer)
        return found

    def _parameters(self):
        """The machine of rows that have passed the standardizer."""
        W, b, c = self.components_, self.intercept_hidden_, self.intercept_visible_
        variance = getattr(self, "variance_", np.ones_like(c))
        standardizer = self._learned_standardizer()
        if standardizer is not None:
            mean, scale = standardizer.mean.astype(np.float64), standardizer.scale.astype(np.float64)
            b = b + (W / variance) @ mean
            W, c, variance = W / scale, (c - mean) / scale, variance / scale**2
        params = {"W": W, "b": b, "c": c}
        return params | ({"z": np.log(variance)} if self.learn_variance else {})

    def _state(self):
        """The chains, of rows that have passed the standardizer; none, to begin anew, if another number is asked."""
        if not self.persistent or len(getattr(self, "chains_", ())) != self.n_chains:
            return {}
        standardizer = self._learned_standardizer()
        return {"chains": self.chains_ if standardizer is None else standardizer(self.chains_)}

    def _publish(self, trained, curve, validation_curve):
        kept = self._attributes(trained.params, trained.memory.state)
        for name in {"variance_", "mean_", "scale_", "chains_"} - kept.keys():  # an earlier fit may have had them
            self.__dict__.pop(name, None)
        super()._publish(trained, curve, validation_curve)

    def _judge(self, X):
        codes = self._codes(probe(X))
        ends = {"low": 0.0, "high": 1.0} if self.hidden == "binary" else {}
        cure = "Lower learning_rate or init_scale, raise weight_decay, or set a sparsity_target and sparsity_cost"
        if self.visible == "binary":
            cure += "; features far from filling [0, 1] need a MinMaxScaler"
        elif self._learned_standardizer() is None:
            cure = f"Pass standardize=True, or put a StandardScaler before it. Otherwise: {cure[0].lower()}{cure[1:]}"
        warn_of_idle_units("RBM", codes, f"{cure}.", **ends)

    # --- codes and back ---

    def _takes_sparse(self):
        return self.visible == "binary"

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self._takes_sparse()
        return tags

    def encoder_plan(self) -> EncoderPlan:
        params, standardizer = self._parameters(), self._learned_standardizer()
        weights = scaled(params["W"], params)
        return EncoderPlan(
            weights if standardizer is None else weights / standardizer.scale,
            "sigmoid" if self.hidden == "binary" else "relu",
            bias=params["b"],
            mean=None if standardizer is None else standardizer.mean,
        )

    def _machine(self):
        return Machine(self._parameters(), self.visible, self.hidden, self._learned_standardizer())

    def inverse_transform(self, X: Any) -> Any:
        """The mean of the visible units given hidden ones.

        Parameters
        ----------
        X : array (n_samples, n_components), memmap, stream of chunks or Dask array
            Hidden states or probabilities, as `transform` gives them.

        Returns
        -------
        means : array (n_samples, n_features), a generator of chunks, or a Dask array
            Probabilities of binary visibles, means of Gaussian ones.
        """
        check_is_fitted(self)
        return map_chunks(self._machine().visible_mean, X if is_out_of_core(X) else check_codes(self, X))

    # --- sampling ---

    def gibbs(self, v: Any, n_steps: int = 1, random_state: Any = None) -> np.ndarray:
        """Steps of Gibbs sampling.

        Parameters
        ----------
        v : array (n_samples, n_features)
            Where each chain starts.
        n_steps : int, default=1
            Steps, each of them hidden units given the visible ones, and these given those.
        random_state : int, RandomState or None, default=None
            Seed of the draws; None draws afresh in every call, so that chains may go on call by call.

        Returns
        -------
        v : array (n_samples, n_features)
            Visible states after the steps: 0 or 1, or normal numbers.
        """
        check_is_fitted(self)
        _check_counts(n_steps=n_steps)
        v = check_rows(self, v, reset=False, accept_sparse=self._takes_sparse())
        if v.shape[0] == 0 or n_steps == 0:
            return as_float(dense(v))
        parts = blocks(v.shape[0], GIBBS_ROWS)
        jobs = ((v[part], seed) for part, seed in zip(parts, _seed(random_state).spawn(len(parts)), strict=True))
        return np.concatenate(list(map_in_order(partial(self._machine().gibbs, n_steps), jobs, n_threads())))

    def sample(self, n_samples: int = 1, n_steps: int = 1000, random_state: Any = None) -> np.ndarray:
        """Samples of the model, each the end of a chain of its own.

        Parameters
        ----------
        n_samples : int, default=1
            Number of chains.
        n_steps : int, default=1000
            Gibbs steps of each, from independent visible units with the means of the data.
        random_state : int, RandomState or None, default=None
            Seed of the draws; None draws afresh in every call.

        Returns
        -------
        v : array (n_samples, n_features)
            Visible states. `inverse_transform` of `transform` makes smoother pictures of them.
        """
        check_is_fitted(self)
        _check_counts(n_samples=n_samples, n_steps=n_steps)
        rng = check_random_state(random_state)
        shape, mean = (n_samples, self.n_features_in_), self.visible_mean_
        if self.visible == "binary":
            v = rng.uniform(size=shape) < mean
        else:
            v = mean + np.sqrt(self.variance_) * rng.standard_normal(shape)
        return self.gibbs(v.astype(self.components_.dtype), n_steps, rng)

    # --- likelihood ---

    def free_energy(self, X: Any) -> Any:
        """F(v), so that p(v) is in proportion to exp(-F(v)).

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, stream of chunks or Dask array
            The samples.

        Returns
        -------
        energy : array (n_samples,), a generator of chunks, or a Dask array
            Lower is likelier.
        """
        check_is_fitted(self)
        X = check_rows(self, X, reset=False, accept_sparse=self._takes_sparse())
        return map_chunks(self._machine().free_energy, X, rows=dense_rows(X))

    def _scored(self, X):
        """The formula of `score_samples`, rows that were checked, and how many of them are a chunk."""
        check_is_fitted(self)
        X = check_rows(self, X, reset=False, accept_sparse=self._takes_sparse())
        if self.visible == "binary":
            return self._machine().pseudo_likelihood, X, FLIP_ROWS
        return self._machine().closeness, X, dense_rows(X)

    def score_samples(self, X: Any) -> Any:
        """How well the machine knows each sample; low for anomalies.

        For binary visibles the pseudo-likelihood: sum over features of log p(v_j | the others), each v_j against
        1 - v_j. Exact and deterministic; scikit-learn's `BernoulliRBM` estimates it by one random feature of each
        sample. For Gaussian visibles minus the squared error of the reconstruction, the mean of the visible units given
        the means of the hidden ones, summed over features in units of ``scale_``.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, sparse matrix (binary visibles), stream of chunks or Dask array
            The samples.

        Returns
        -------
        scores : array (n_samples,), a generator of chunks, or a Dask array
            Higher is likelier.
        """
        scores, X, rows = self._scored(X)
        return map_chunks(scores, X, rows=rows)

    def log_partition(
        self, method: str = "auto", n_chains: int = 100, n_betas: int = 10_000, random_state: Any = None
    ) -> LogPartition:
        """log Z, exact for few units, else by annealed importance sampling (Salakhutdinov & Murray 2008).

        Parameters
        ----------
        method : {"auto", "exact", "ais"}, default="auto"
            "exact" sums over all states of the hidden units, or of binary visibles if they are fewer; "auto" does so
            up to 20 units.
        n_chains, n_betas : int, default=100, 10000
            Chains, and steps of each, of "ais".
        random_state : int, RandomState or None, default=None
            Seed of "ais".

        Returns
        -------
        log_z : LogPartition
            ``value``, and ``error``, its standard error; 0 for an exact value.

        Raises
        ------
        ValueError
            For rectified hidden units, whose energy bounds no distribution, or too many units for "exact".
        """
        check_is_fitted(self)
        check_argument("RBM", "method", method, one_of("auto", "exact", "ais"))
        _check_counts(n_chains=n_chains, n_betas=n_betas)
        if self.hidden != "binary":
            raise ValueError(
                f"RBM: log_partition needs hidden='binary'; the energy of hidden={self.hidden!r} units may fall "
                "without bound, so that no Z exists. Compare samples by free_energy or score_samples."
            )
        params, standardizer = self._parameters(), self._learned_standardizer()
        z = params.get("z", np.zeros(len(params["c"])))
        variance = None if self.visible == "binary" else np.exp(z, dtype=np.float64)
        machine = (params["W"], params["b"], params["c"], variance)
        means, volume = self.visible_mean_, 0.0
        if standardizer is not None:
            means, volume = standardizer(means), np.log(standardizer.scale, dtype=np.float64).sum()
        fewest = len(params["b"]) if variance is not None else min(len(params["b"]), len(params["c"]))
        if method == "exact" or (method == "auto" and fewest <= ENUMERATED):
            found = exact_log_partition(*machine)
        else:
            found = annealed_log_partition(
                *machine, means, n_chains=n_chains, n_betas=n_betas, seed=_seed(random_state)
            )
        return LogPartition(float(found.value + volume), found.error)

    def log_likelihood(self, X: Any, log_z: float | None = None, random_state: Any = None) -> np.ndarray:
        """log p(v) = -F(v) - log Z of samples, exact up to log Z.

        Parameters
        ----------
        X : array (n_samples, n_features) or memmap
            The samples.
        log_z : float or None, default=None
            log Z; None asks `log_partition`, which for many units takes a while, so keep its value for a second call.
        random_state : int, RandomState or None, default=None
            Seed of `log_partition`, where it is asked and has to estimate.

        Returns
        -------
        log_p : array (n_samples,)

        Raises
        ------
        ValueError
            For a stream: take ``-free_energy(chunk) - log_z`` of its chunks instead.
        """
        check_is_fitted(self)
        check_argument("RBM", "log_z", log_z, optional(real()))
        if is_out_of_core(X):
            raise ValueError(
                "RBM.log_likelihood takes an array or an np.memmap. For a stream, compute log_z = "
                "log_partition().value once, and -free_energy(chunk) - log_z of its chunks."
            )
        log_z = self.log_partition(random_state=random_state).value if log_z is None else log_z
        return -self.free_energy(X) - log_z


def _check_counts(**counts):
    for name, value in counts.items():
        check_argument("RBM", name, value, integer(0 if name == "n_steps" else 1))
