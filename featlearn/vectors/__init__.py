"""Learners of vectors: X is (n_samples, n_features). Each is an ordinary scikit-learn transformer."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
