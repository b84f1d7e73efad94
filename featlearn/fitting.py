"""The manner of every fit, in one place: parameters checked, callbacks begun and ended, nothing lost on failure.

An estimator states the rules of its parameters as class data, ``_rules``, and decorates its methods:

    @fitting("max_iter")     `fit`: its callbacks hear of at most that many iterations
    @guarded                 `partial_fit`, and what learns without callbacks

In between it reports iterations with `callbacks.end_iteration` and runs them within `notices.interruptible`.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from featlearn.callbacks import begin_fit, end_fit, with_callbacks
from featlearn.validation import check_parameters

P = ParamSpec("P")
R = TypeVar("R")


def guarded(method: Callable[P, R]) -> Callable[P, R]:
    """Decorate a method that learns: parameters are checked first; an error or an interrupt leaves all as it was.

    One that has no ``sample_weight`` says what to do instead.
    """
    weighted = "sample_weight" in inspect.signature(method).parameters

    @functools.wraps(method)
    def checked(self, *args, **kwargs):
        if "sample_weight" in kwargs and not weighted:
            raise TypeError(
                f"{type(self).__name__}.{method.__name__} takes no sample_weight: it learns from all rows alike. "
                "Repeat rows in proportion to their weights, or draw them: X[rng.choice(len(X), len(X), p=w / "
                "w.sum())] with rng = numpy.random.default_rng(0)."
            )
        check_parameters(self)
        before = dict(self.__dict__)
        try:
            return method(self, *args, **kwargs)
        except BaseException:
            # scikit-learn's callback machinery removes its own attributes after us, so those must stay.
            kept = {name: value for name, value in self.__dict__.items() if "callback" in name}
            self.__dict__.clear()
            self.__dict__.update(before | kept)
            raise

    return cast(Callable[P, R], checked)


def fitting(
    n_tasks: int | str | Callable[[Any, Any], int | None] | None = 0,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a fit: as `guarded`, and callbacks are told of its begin and its end.

    ``n_tasks`` is the number of iterations or sub-fits to come at most: a number, the name of the parameter that holds
    it, a function of the estimator and X, or None where nobody knows.
    """

    def decorate(fit: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(fit)
        def told(self, *args, **kwargs):
            X = args[0] if args else kwargs.get("X")
            tasks = getattr(self, n_tasks) if isinstance(n_tasks, str) else n_tasks
            context = begin_fit(self, tasks(self, X) if callable(tasks) else tasks, X=X)
            fitted = fit(self, *args, **kwargs)
            end_fit(context, self)
            return fitted

        return with_callbacks(guarded(told))

    return decorate
