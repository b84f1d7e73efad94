"""Training: the one gradient loop, its engines and update rules, and what estimators trained by it share.

This is its public face: everything a learner of your own needs.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
