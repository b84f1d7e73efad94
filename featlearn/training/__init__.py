"""Training: the one gradient loop, its engines and update rules, and what estimators trained by it share.

This is its public face: everything a learner of your own needs.
"""

from featlearn.training.learner import GradientLearnerMixin
from featlearn.training.loop import minimize
from featlearn.training.objective import (
    Batch,
    Draws,
    Engine,
    Memory,
    Objective,
    Params,
    State,
    StatefulObjective,
    Trained,
)
from featlearn.training.solvers import LBFGS, TRAINING_RULES, GradientDescent, make_solver
from featlearn.training.standardizer import Standardizer

__all__ = [
    "LBFGS",
    "TRAINING_RULES",
    "Batch",
    "Draws",
    "Engine",
    "GradientDescent",
    "GradientLearnerMixin",
    "Memory",
    "Objective",
    "Params",
    "Standardizer",
    "State",
    "StatefulObjective",
    "Trained",
    "make_solver",
    "minimize",
]
