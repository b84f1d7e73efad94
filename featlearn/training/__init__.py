"""Training: the one gradient loop, its engines and update rules, and what estimators trained by it share."""

from featlearn.training.loop import Objective, Trained, minimize
from featlearn.training.shards import Draws, Memory, Params
from featlearn.training.solvers import LBFGS, GradientDescent, make_solver

__all__ = [
    "LBFGS",
    "Draws",
    "GradientDescent",
    "Memory",
    "Objective",
    "Params",
    "Trained",
    "make_solver",
    "minimize",
]
