"""What learners trained by gradient share: `fit`, `partial_fit` and `warm_start` around `training.minimize`."""

from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from featlearn.arrays import as_float
from featlearn.callbacks import CallbackSupportMixin, end_iteration
from featlearn.fitting import fitting, guarded
from featlearn.notices import notify, warn_at_limit
from featlearn.streaming import is_out_of_core
from featlearn.training.loop import Trained, minimize
from featlearn.training.shards import Params
from featlearn.training.solvers import LBFGS, make_solver
from featlearn.training.standardizer import Standardizer
from featlearn.usefulness import warn_of_outliers
from featlearn.validation import check_rows

FEW = 10  # rows that tell too little of means and scales


class GradientLearnerMixin(CallbackSupportMixin):
    """`fit` and `partial_fit` of a learner with an objective.

    The learner stores the parameters ``solver``, ``learning_rate``, ``batch_size``, ``max_iter``, ``weight_decay``,
    ``tol``, ``n_iter_no_change``, ``early_stopping``, ``validation_fraction``, ``warm_start``, ``engine`` and
    ``random_state``, and provides

    ``_rules``               `solvers.TRAINING_RULES` and those of its own parameters;
    ``_objective()``         a `training.Objective`;
    ``_attributes(params)``  the fitted attributes that parameters of the objective become, a dict;
    ``_parameters()``        the parameters, from the fitted attributes;
    ``_check_values(X)``     optional: refuses values it cannot model;
    ``_standardizer(X)``     optional: the `Standardizer` that rows pass before the objective sees them, or None. ``X``
                             are the rows learned from (those held out are left out), or None to go on: then the one
                             learned before. It runs before ``_parameters()``, and ``_attributes(params)`` has to fold
                             it into what is published;
    ``_judge(X)``            optional: warns after `fit` if what was learned is of no use on training rows ``X``.
    """

    def _solver(self):
        return make_solver(self.solver, self.learning_rate, type(self).__name__)

    def _check_values(self, X):
        """Nothing to refuse."""

    def _standardizer(self, X: np.ndarray | None) -> Standardizer | None:
        """Rows stay as they are."""
        return None

    def _judge(self, X):
        """Nothing to warn of."""

    def _rows(self, X, *, reset):
        who = type(self).__name__
        if is_out_of_core(X):
            raise ValueError(
                f"{who}.fit walks over the samples in a random order, so it needs them in an array or an np.memmap. "
                "For a stream or a Dask array, call partial_fit on its chunks."
            )
        X = check_rows(self, X, reset=reset, accept_sparse=self.__sklearn_tags__().input_tags.sparse)
        self._check_values(X)
        return X

    @fitting("max_iter")
    def fit(self, X, y=None):
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
        solver = self._solver()
        if self.early_stopping and isinstance(solver, LBFGS):
            raise ValueError(
                f"{type(self).__name__}: early_stopping=True judges epochs of gradient descent, which solver='lbfgs' "
                "does not make. Pass early_stopping=False, or another solver."
            )
        rng = check_random_state(self.random_state)
        X = self._rows(X, reset=True)
        objective = self._objective()
        go_on = self.warm_start and hasattr(self, "loss_curve_")
        X, validation = self._split(X, rng)
        prepare = self._standardizer(None if go_on else X)
        first = self._first_parameters(objective, X, rng, go_on)

        def on_epoch(metrics, params):
            return end_iteration(self, metrics, lambda: self._attributes(params()), name="epoch")

        trained = minimize(
            objective,
            X,
            first,
            solver,
            rng=rng,
            max_iter=self.max_iter,
            batch_size=self.batch_size,
            weight_decay=self.weight_decay,
            tol=self.tol,
            n_iter_no_change=self.n_iter_no_change,
            validation=validation,
            memory=self._memory if go_on else None,
            engine=self.engine,
            prepare=prepare,
            on_epoch=on_epoch,
            who=type(self).__name__,
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
            warn_at_limit(type(self).__name__, trained.n_iter, tol, reached, cure)
        self._judge(X)
        if prepare is not None:
            warn_of_outliers(type(self).__name__, X, "features are measured by their deviations")
        return self

    @guarded
    def partial_fit(self, X, y=None):
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
        solver = self._solver()
        go_on = hasattr(self, "loss_curve_")
        rng = check_random_state(self.random_state)
        X = self._rows(X, reset=not go_on)
        objective = self._objective()
        prepare = self._standardizer(None if go_on else X)
        if prepare is not None and not go_on and len(X) < FEW:
            notify(
                f"{type(self).__name__}: partial_fit learns the mean and the scale of each feature from the first part "
                f"alone, which has {len(X)} row{'s' if len(X) > 1 else ''}. Make it a fair sample of the data, or "
                "scale the data before and pass standardize=False."
            )
        first = self._first_parameters(objective, X, rng, go_on)
        trained = minimize(
            objective,
            X,
            first,
            solver,
            rng=rng,
            max_iter=1,
            horizon=self.max_iter,
            batch_size=self.batch_size,
            weight_decay=self.weight_decay,
            memory=self._memory if go_on else None,
            engine=self.engine,
            prepare=prepare,
            who=type(self).__name__,
        )
        self._publish(trained, list(self.loss_curve_) if go_on else [], getattr(self, "validation_curve_", []))
        return self

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

    def _split(self, X, rng):
        """Training and held-out samples."""
        if not self.early_stopping:
            return X, None
        n = X.shape[0]
        held = min(max(1, round(n * self.validation_fraction)), n - 1)
        if held < 1:
            raise ValueError(
                f"{type(self).__name__}: early_stopping=True holds out samples, and n_samples={n} is too few. Pass at "
                "least 2 samples, or early_stopping=False."
            )
        order = rng.permutation(n)
        return X[np.sort(order[held:])], X[np.sort(order[:held])]

    def _publish(self, trained: Trained, curve: list, validation_curve: list) -> None:
        for name, value in self._attributes(trained.params).items():
            setattr(self, name, value)
        self.loss_curve_ = np.array([*curve, *trained.loss_curve])
        if trained.validation_curve or len(validation_curve):
            self.validation_curve_ = np.array([*validation_curve, *trained.validation_curve])
        self.n_iter_ = len(curve) + trained.n_iter
        self._memory = trained.memory
