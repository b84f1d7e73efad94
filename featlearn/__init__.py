"""featlearn: classical and unsupervised feature learning with scikit-learn's manners.

Public names load on first use, so ``import featlearn`` costs next to nothing and never pulls in TensorFlow, gensim or
matplotlib. A room lists its names once, in its ``__init__.pyi``, where type checkers read them too.
"""

from importlib import import_module as _import_module

import lazy_loader as _lazy

__version__ = "0.2.0"

# The modules at the top, each with its names that are featlearn's own too: all of a room's, but for the last two.
_HOME = {
    **{
        room: _import_module(f"featlearn.{room}").__all__
        for room in ("vectors", "images", "linear", "text", "topics", "grammar", "networks", "plot")
    },
    "callbacks": ["EarlyStopping", "ProgressBar"],
    "persistence": ["load", "save"],
    "streaming": ["accumulate", "map_chunks"],
    "datasets": [],
    "training": [],
}
_load, _, __all__ = _lazy.attach(__name__, _HOME, _HOME)


def __getattr__(name: str):
    if name in __all__:
        return _load(name)
    raise AttributeError(f"module 'featlearn' has no attribute {name!r}; public names: {', '.join(__all__)}")


def __dir__():
    return [*__all__, "__version__"]
