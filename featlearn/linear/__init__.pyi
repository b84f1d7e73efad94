from .svm import LinearSVM as LinearSVM
from .svm_cv import LinearSVMCV as LinearSVMCV
