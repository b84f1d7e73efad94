"""Text: documents of every kind become tokens, phrases and term counts."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
