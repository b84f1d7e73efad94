"""Warnings point at the user's line; interrupts keep what was learned."""

import warnings

import pytest
from sklearn.exceptions import ConvergenceWarning

from featlearn.notices import interruptible, notify, warn_at_limit


def test_a_warning_points_at_the_caller():
    with pytest.warns(UserWarning, match="hello") as caught:
        notify("hello")
    assert caught[0].filename == __file__


def test_a_limit_names_the_numbers_and_the_cure():
    with pytest.warns(ConvergenceWarning, match=r"A: max_iter=3 .*it fell by 0.1, and tol=0.01.*max_iter or tol, or x"):
        warn_at_limit("A", 3, 0.01, "it fell by 0.1", "x")


def test_an_interrupt_after_an_iteration_keeps_it():
    done = []

    def work():
        with interruptible("A", lambda: len(done)):
            for i in range(9):
                if i == 2:
                    raise KeyboardInterrupt
                done.append(i)

    with pytest.warns(ConvergenceWarning, match=r"A: interrupted, .* after 2 iterations"):
        work()
    assert done == [0, 1]


def test_an_interrupt_before_any_iteration_and_errors_go_through():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(KeyboardInterrupt), interruptible("A", lambda: 0):
            raise KeyboardInterrupt
        with pytest.raises(ZeroDivisionError), interruptible("A", lambda: 3):
            raise ZeroDivisionError
