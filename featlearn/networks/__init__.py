"""Deep networks: learners of rows stacked into layers, and tuned as a whole."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
