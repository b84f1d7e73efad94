"""What learners trained by gradient share: `fit`, `partial_fit` and `warm_start` around `training.minimize`."""

from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils import check_random_state

from featlearn.arrays import as_float
from featlearn.callbacks import CallbackSupportMixin, end_iteration
from featlearn.fitting import fitting, guarded
from featlearn.notices import notify, warn_at_limit
from featlearn.streaming import is_out_of_core
from featlearn.training.loop import minimize
from featlearn.training.objective import Batch, Memory, Params, State, Trained
from featlearn.training.solvers import LBFGS, GradientDescent, make_solver
from featlearn.training.standardizer import Standardizer
from featlearn.usefulness import warn_of_outliers
from featlearn.validation import check_rows, check_weights

FEW = 10  # rows that tell too little of means and scales


class GradientLearnerMixin(CallbackSupportMixin):
    """`fit` and `partial_fit` of a learner with an objective.

    The learner stores the parameters ``solver``, ``learning_rate``, ``batch_size``, ``max_iter``, ``weight_decay``,
    ``tol``, ``n_iter_no_change``, ``early_stopping``, ``validation_fraction``, ``warm_start``, ``engine`` and
    ``random_state``, and provides::

        _rules              solvers.TRAINING_RULES and those of its own parameters;
        _objective()        a training.Objective;
        _attributes(params, state)
                                the fitted attributes that parameters (and state) of the objective become, a dict;
        _parameters()       the parameters, from the fitted attributes;
        _state()            optional: the objective's state, from the fitted attributes, its only home between fits;
        _check_values(X)    optional: refuses values it cannot model;
        _standardizer(X)    optional: the Standardizer that rows pass before the objective sees them, or None. X
                                are the rows learned from (those held out are left out), or None to go on: then the one
                                learned before. It runs before _parameters(), and _attributes has to fold it into
                                what is published;
        augment             optional parameter, a callable or None: what `minimize` changes batches by;
        _judge(X)           optional: warns after fit if what was learned is of no use on training rows X.

    A learner with targets has a `fit` and a `partial_fit` of its own, which turn them into numbers and then call
    ``_learn(X, y, sample_weight)`` and ``_learn_part(X, y, sample_weight)``.
    """

    _rules: ClassVar[dict]
    solver: Any
    learning_rate: float | None
    batch_size: int | None
    max_iter: int
    weight_decay: float
    tol: float
    n_iter_no_change: int
    early_stopping: bool
    validation_fraction: float
    warm_start: bool
    engine: str
    random_state: Any

    def _objective(self) -> Any:
        raise NotImplementedError

    def _attributes(self, params: Params, state: State) -> dict[str, Any]:
        raise NotImplementedError

    def _parameters(self) -> Params:
        raise NotImplementedError

    def _state(self) -> State:
        """None."""
        return {}

    def _solver(self) -> GradientDescent | LBFGS:
        return make_solver(self.solver, self.learning_rate, type(self).__name__)

    def _check_values(self, X):
        """Nothing to refuse."""

    def _standardizer(self, X: np.ndarray | None) -> Standardizer | None:
        """Rows stay as they are."""
        return None

    def _judge(self, X):
        """Nothing to warn of."""

    @fitting("max_iter")
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
        return self._learn(X)

    @guarded
    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Learn from one more part of the data, in one pass over it.

        A pass counts as an epoch: momentum switches and learning rates fall as in a fit of ``max_iter`` epochs.

        Parameters
        ----------
        X : array (n_samples, n_features)
            More samples.
        y : ignored
            Present for the API.

        Returns
        -------
        self
        """
        return self._learn_part(X)

    def _learn(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """`fit` of a learner whose objective takes targets ``y`` (numbers) and weights, where it is given any."""
        who, solver = type(self).__name__, self._solver()
        if self.early_stopping and isinstance(solver, LBFGS):
            raise ValueError(
                f"{who}: early_stopping=True judges epochs of gradient descent, which solver='lbfgs' does not make. "
                "Pass early_stopping=False, or another solver."
            )
        rng = check_random_state(self.random_state)
        data = self._data(X, y, sample_weight, reset=True)
        go_on = self.warm_start and hasattr(self, "loss_curve_")
        data, validation = self._split(data, rng)
        data, validation, prepare = self._prepared(data, validation, rng, go_on)

        def on_epoch(metrics, now):
            return end_iteration(self, metrics, lambda: self._attributes(*now()), name="epoch")

        trained = self._training(data, solver, prepare, rng, go_on)(
            max_iter=self.max_iter,
            tol=self.tol,
            n_iter_no_change=self.n_iter_no_change,
            validation=validation,
            on_epoch=on_epoch,
        )
        self._publish(trained, [], [])
        if validation is None and hasattr(self, "validation_curve_"):
            del self.validation_curve_
        tol = solver.tol if isinstance(solver, LBFGS) else self.tol
        if not trained.converged and tol > 0:
            reached = "the loss was still falling"
            if trained.n_iter > 1:
                before, now = trained.loss_curve[-2:]
                reached = f"the last of them still took the loss from {before:.6g} to {now:.6g}"
            cure = "pass an LBFGS with a larger tol as solver" if isinstance(solver, LBFGS) else "set tol=0"
            warn_at_limit(who, trained.n_iter, tol, reached, cure)
        self._judge(data.x)
        if isinstance(prepare, Standardizer):
            warn_of_outliers(who, data.x, "features are measured by their deviations")
        return self

    def _learn_part(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """`partial_fit` of a learner whose objective takes targets and weights."""
        solver, go_on = self._solver(), hasattr(self, "loss_curve_")
        rng = check_random_state(self.random_state)
        data = self._data(X, y, sample_weight, reset=not go_on)
        data, _, prepare = self._prepared(data, None, rng, go_on)
        if isinstance(prepare, Standardizer) and not go_on and len(data.x) < FEW:
            notify(
                f"{type(self).__name__}: partial_fit learns the mean and the scale of each feature from the first part "
                f"alone, which has {len(data.x)} row{'s' if len(data.x) > 1 else ''}. Make it a fair sample of the "
                "data, or scale the data before and pass standardize=False."
            )
        trained = self._training(data, solver, prepare, rng, go_on)(max_iter=1, horizon=self.max_iter)
        self._publish(trained, list(self.loss_curve_) if go_on else [], getattr(self, "validation_curve_", []))
        return self

    def _data(self, X, y, sample_weight, *, reset) -> Batch:
        """Rows that were checked, with their targets and weights; rows of weight 0 are as good as absent."""
        if is_out_of_core(X):
            raise ValueError(
                f"{type(self).__name__}.fit walks over the samples in a random order, so it needs them in an array or "
                "an np.memmap. For a stream or a Dask array, call partial_fit on its chunks."
            )
        X = check_rows(self, X, reset=reset, accept_sparse=self.__sklearn_tags__().input_tags.sparse)
        self._check_values(X)
        data = Batch(X, None if y is None else np.asarray(y), check_weights(sample_weight, X))
        return data if data.w is None or data.w.all() else data.rows(np.flatnonzero(data.w))

    def _training(self, data, solver, prepare, rng, go_on):
        """`minimize` of everything that fits of all kinds have in common."""
        objective = self._objective()
        return partial(
            minimize,
            objective,
            data.x,
            self._first_parameters(objective, data.x, rng, go_on),
            solver,
            y=data.y,
            sample_weight=data.w,
            rng=rng,
            batch_size=self.batch_size,
            weight_decay=self.weight_decay,
            memory=self._remembered(go_on),
            engine=self.engine,
            prepare=prepare,
            augment=getattr(self, "augment", None),
            who=type(self).__name__,
        )

    def _prepared(self, data: Batch, validation: Batch | None, rng: Any, go_on: bool) -> tuple:
        """The rows to learn from and those held out, and what their batches pass before the objective sees them."""
        return data, validation, self._standardizer(None if go_on else data.x)

    def _remembered(self, go_on: bool) -> Memory | None:
        """What an earlier training left behind."""
        return replace(self._memory, state=self._state()) if go_on else None

    def _first_parameters(self, objective: Any, X: np.ndarray, rng: Any, go_on: bool) -> Params:
        dtype = as_float(X[:0]).dtype
        fresh = objective.init(X.shape[1], rng, dtype)
        if not go_on:
            return fresh
        learned = {name: np.asarray(value, dtype) for name, value in self._parameters().items()}
        shapes, expected = ({k: v.shape for k, v in group.items()} for group in (learned, fresh))
        if shapes != expected:
            names = sorted(shapes | expected)
            wrong = [
                f"{k} {shapes.get(k)} instead of {expected.get(k)}" for k in names if shapes.get(k) != expected.get(k)
            ]
            raise ValueError(
                f"{type(self).__name__}: the weights learned so far have another shape than these parameters and data "
                f"ask for: {', '.join(wrong)}. Set warm_start=False, or fit a clone, to start afresh."
            )
        return learned

    def _split(self, data: Batch, rng: Any) -> tuple[Batch, Batch | None]:
        """Training and held-out samples."""
        if not self.early_stopping:
            return data, None
        n = data.x.shape[0]
        held = min(max(1, round(n * self.validation_fraction)), n - 1)
        if held < 1:
            raise ValueError(
                f"{type(self).__name__}: early_stopping=True holds out samples, and n_samples={n} is too few. Pass at "
                "least 2 samples, or early_stopping=False."
            )
        order = rng.permutation(n)
        return data.rows(np.sort(order[held:])), data.rows(np.sort(order[:held]))

    def _publish(self, trained: Trained, curve: list, validation_curve: list) -> None:
        for name, value in self._attributes(trained.params, trained.memory.state).items():
            setattr(self, name, value)
        self.loss_curve_ = np.array([*curve, *trained.loss_curve])
        if trained.validation_curve or len(validation_curve):
            self.validation_curve_ = np.array([*validation_curve, *trained.validation_curve])
        self.n_iter_ = len(curve) + trained.n_iter
        self._memory = replace(trained.memory, state={})  # the attributes hold it
