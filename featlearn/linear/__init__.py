"""The linear classifiers that sit on top of learned features."""

from featlearn.linear.svm import LinearSVM
from featlearn.linear.svm_cv import LinearSVMCV

__all__ = ["LinearSVM", "LinearSVMCV"]
