"""Numba's compiler with a cache on disk where one can be written, and without one where none can.

In a container the package may lie in a read-only folder and the home may not be writable either. Numba then refuses
``cache=True`` at import; here it compiles afresh in each process, and one warning names what to set. The same goes for
a cache that can no longer be written later on (a full disk, a quota).
"""

import warnings
from collections.abc import Callable
from typing import Any

import numba

_warned = False


def _warn(why: str) -> None:
    global _warned
    if not _warned:
        _warned = True
        warnings.warn(
            f"featlearn compiles its kernels anew in this process, because Numba can write no cache ({why}). Set the "
            "environment variable NUMBA_CACHE_DIR to a writable folder to compile once and for all.",
            RuntimeWarning,
            stacklevel=4,
        )


def _saves_or_warns(dispatcher: Any) -> Any:
    """The dispatcher, its cache's failure to write a warning instead of an error in the midst of a fit."""
    cache: Any = getattr(dispatcher, "_cache", None)
    save = getattr(cache, "save_overload", None)
    if save is None:
        return dispatcher

    def save_overload(signature, data):
        try:
            save(signature, data)
        except OSError as error:
            _warn(str(error))

    cache.save_overload = save_overload
    return dispatcher


def njit(*functions: Callable, **options: Any) -> Any:
    """`numba.njit`, whose ``cache=True`` means: if a cache can be written."""

    def compiled(function: Callable) -> Any:
        try:
            return _saves_or_warns(numba.njit(**options)(function))
        except RuntimeError as error:
            if not options.get("cache") or "cannot cache" not in str(error):
                raise
            _warn("neither beside the package nor in the user's cache folder")
            return numba.njit(**{**options, "cache": False})(function)

    return compiled(*functions) if functions else compiled
