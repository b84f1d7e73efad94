"""Loaders of real data: official archives with checksums and a cache, bundled photographs, one's own pictures."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
