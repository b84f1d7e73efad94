"""Pictures of what was learned: Display classes in scikit-learn's way; matplotlib loads when something is drawn."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
