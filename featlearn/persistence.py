"""Models in files that cannot run code: `save` and `load`, on skops.

A file is a zip archive of arrays and of a tree of named types, and what is not trusted by name is refused before
anything is made of it. Trusted are what skops trusts (numpy, scikit-learn's estimators), scipy's sparse arrays,
gensim's tables of phrases, and of featlearn

    estimators          whose constructors only store
    dataclasses         the fitted state of some
    `STATE`             what else a fitted model holds

but never a function or a method of ours. Numbers and strings in containers are written as one text (`Plain`), since
skops writes a record of some 400 bytes for each of them, and dictionaries with keys of text alone.
"""

import dataclasses
import json
import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any
from zipfile import BadZipFile, ZipFile

NOTE = "featlearn.json"  # in the archive: the versions that wrote it
# Classes of featlearn that are neither estimators nor dataclasses, and belong to fitted models.
STATE = {
    "featlearn.grammar.cfg.PCFG",
    "featlearn.persistence.Plain",
    "featlearn.text.tokenizer._Cut",
    "featlearn.topics.extractor.OneDocument",
    "featlearn.topics.extractor.Tokens",
}
# What skops does not trust by itself, though nothing of it runs: tables, and the two functions that scored them.
OTHERS = {
    "builtins.frozenset",
    "gensim.models.phrases.FrozenPhrases",
    "gensim.models.phrases.Phrases",
    "gensim.models.phrases.npmi_scorer",
    "gensim.models.phrases.original_scorer",
    "numpy.dtype",
    *(f"scipy.sparse._{kind}.{kind}_array" for kind in ("coo", "csc", "csr")),
}
OUTSIDE = ("commands", "datasets", "kernels", "plot")  # rooms that hold no models
LEANED = ("featlearn", "gensim", "sklearn")  # whose objects are opened, so that their containers are written as text
FUNCTIONS = (FunctionType, BuiltinFunctionType, MethodType, partial)
ZLIB = (b"x\x01", b"x\x5e", b"x\x9c", b"x\xda")
PICKLES = (b"\x80", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", *ZLIB, b"ZF", b"\x04\x22\x4d\x18", b"]\x00")
TAG = "!"


def save(model: Any, path: str | os.PathLike, *, overwrite: bool = False, trusted: Sequence[str] = ()) -> None:
    """Write a model to a file that `load` reads without running any code of it.

    Parameters
    ----------
    model : estimator, or list, tuple or dict of estimators
        Fitted or not: of featlearn, of scikit-learn, or a `Pipeline` of both. Callbacks are left out.
    path : str or path
        The file, by custom ``.skops``.
    overwrite : bool, default=False
        Whether to replace a file that is there. It stays whole until the new one is.
    trusted : sequence of str, default=()
        Full names of types and functions that `load` will be told to trust, such as ``"mine.MyTransformer"``.

    Raises
    ------
    FileExistsError
        If the file is there and ``overwrite`` is False.
    OSError
        If it cannot be written.
    TypeError
        If the model holds what `load` would refuse, such as a function of yours: the message names it.

    See Also
    --------
    load : The way back.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from pathlib import Path
    >>> import featlearn
    >>> X = np.random.default_rng(0).normal(size=(50, 4))
    >>> model = featlearn.KMeansDictionary(3, random_state=0).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     featlearn.save(model, Path(folder, "model.skops"))
    ...     again = featlearn.load(Path(folder, "model.skops"))
    >>> np.array_equal(again.transform(X), model.transform(X))
    True
    """
    if isinstance(model, (str, os.PathLike, type)) or not isinstance(path, (str, os.PathLike)):
        raise TypeError(
            f"save takes a model and the name of a file, not {type(model).__name__} and {type(path).__name__}: "
            "featlearn.save(model, 'model.skops')."
        )
    path = Path(path)
    if path.is_dir() or not path.parent.is_dir():
        wrong = f"{path} is a folder" if path.is_dir() else f"there is no folder {path.parent}"
        raise OSError(f"The model cannot be written: {wrong}. Give the name of a file in a folder that is there.")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} is there already. Pass overwrite=True to replace it, or give another name.")
    import numpy
    import sklearn
    import skops.io

    from featlearn import __version__

    functions: list[str] = []
    lean = _lean(model, type(model).__name__, {}, functions)
    with whole_file(path) as part:
        try:
            skops.io.dump(lean, part)
        except OSError:
            raise
        except Exception as error:  # whatever odd objects raise
            raise TypeError(
                f"{type(model).__name__} holds what no file of models can: {_said(error)}. joblib.dump may write it, "
                "but such files run code when they are loaded."
            ) from error
        with ZipFile(part, "a") as archive:
            versions = {"featlearn": __version__, "scikit-learn": sklearn.__version__, "numpy": numpy.__version__}
            archive.writestr(NOTE, json.dumps(versions))
        if refused := _untrusted(part)[1] - {*trusted}:
            held = f" ({', '.join(functions)})" if functions else ""
            raise TypeError(
                f"{type(model).__name__} holds {', '.join(sorted(refused))}{held}, which featlearn.load would refuse: "
                "functions and types that it does not know are code. Take them out before (set_params) and set them "
                f"again after load, or give their names to both, save and load: trusted={sorted(refused)}."
            )


def load(path: str | os.PathLike, *, trusted: Sequence[str] = ()) -> Any:
    """Read a model that `save` wrote; files from anywhere may be tried, none of them runs code.

    Parameters
    ----------
    path : str or path
        The file. One that skops wrote by itself will do.
    trusted : sequence of str, default=()
        Full names of further types and functions to trust, such as ``"mine.MyTransformer"``: their modules are
        imported, so name only what you know.

    Returns
    -------
    model : estimator
        As it was saved.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is none of these, is damaged, comes from a newer featlearn, or names a type that is not trusted: the
        message says which.

    Notes
    -----
    What is loaded behaves as what its file says, which may be anything: trust the answers of a model no more than
    whoever made it.

    See Also
    --------
    save : Writes them, with an example.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist.")
    if not path.is_file():
        raise ValueError(f"{path} is no file.")
    with path.open("rb") as file:
        if file.read(8).startswith(PICKLES):
            raise Refused(
                f"{path} looks like a pickle, such as joblib.dump writes: loading it runs whatever code it holds, so "
                "it is not loaded. If you trust where it comes from, read it with joblib.load and write it with "
                "featlearn.save."
            )
    import skops.io
    from packaging.version import Version

    from featlearn import __version__

    try:
        with ZipFile(path) as archive:
            note = json.loads(archive.read(NOTE)) if NOTE in archive.namelist() else {}
            archive.getinfo("schema.json")
        wrote = note.get("featlearn", __version__)
        if Version(wrote) > Version(__version__):
            raise Refused(
                f"{path} was written by featlearn {wrote}, and this is featlearn {__version__}, which may not know "
                f"what it means: pip install 'featlearn>={wrote}', or save the model with this version."
            )
        known, refused = _untrusted(path)
    except Refused:
        raise
    except Exception as error:  # whatever a damaged archive raises
        what = "" if isinstance(error, BadZipFile) else "an archive, but "
        raise ValueError(
            f"{path} is {what}no model that featlearn.save wrote, or a damaged one: {_said(error)}."
        ) from error
    if refused := refused - {*trusted}:
        raise Refused(
            f"{path} holds {', '.join(sorted(refused))}, which featlearn does not trust, so nothing was loaded. If "
            "you know these, and where the file comes from, name them: "
            f"featlearn.load(path, trusted={sorted(refused)})."
        )
    try:
        return skops.io.load(path, trusted=[*known, *trusted])
    except Exception as error:  # whatever a state that fits no type raises
        by = f", written by {', '.join(f'{name} {version}' for name, version in note.items())}," if note else ""
        raise ValueError(f"{path}{by} holds no model that can be made here: {_said(error)}.") from error


class Refused(ValueError):
    """A file that is not loaded."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path to write to that takes its name when all is written; a failure leaves nothing new behind."""
    part = path.with_name(f".{os.getpid()}-{threading.get_ident()}.{path.name}")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _said(error):
    """What an error says, without the stop."""
    return (" ".join(str(error).split()) or type(error).__name__).rstrip(".")


# ---- trust ---------------------------------------------------------------------------------------------------------


def is_trusted(name: str) -> bool:
    """Whether a file may hold a type of this full name, beyond what skops trusts.

    Examples
    --------
    >>> from featlearn.persistence import is_trusted
    >>> is_trusted("featlearn.vectors.kmeans.KMeansDictionary"), is_trusted("featlearn.vectors.kmeans.nearest")
    (True, False)
    """
    module, _, kind = name.rpartition(".")
    if name in OTHERS or name in STATE:
        return True
    if not re.fullmatch(r"featlearn(\.\w+)+", module) or module.split(".")[1] in OUTSIDE:
        return False
    from sklearn.base import BaseEstimator

    try:
        found = getattr(import_module(module), kind, None)
    except ImportError:
        return False
    if not isinstance(found, type) or found.__module__ != module:
        return False
    return issubclass(found, BaseEstimator) or dataclasses.is_dataclass(found)


def _untrusted(path):
    """Of the types that skops does not trust, those that we do and the others."""
    import skops.io

    names = set(skops.io.get_untrusted_types(file=path))
    known = {name for name in names if is_trusted(name)}
    return known, names - known


# ---- lean states ---------------------------------------------------------------------------------------------------


class Plain:
    """What holds nothing but numbers, strings and containers of them, as one text: ``Plain(text)`` is the container."""

    text: str

    def __new__(cls, text: str) -> Any:
        """What `Plain.of` wrote."""
        return json.loads(text, object_hook=_decoded)

    @classmethod
    def of(cls, value: Any) -> "Plain":
        """To be saved in the place of a value; a TypeError if that is not plain."""
        plain = object.__new__(cls)
        plain.text = json.dumps(_coded(value), ensure_ascii=False, separators=(",", ":"))
        return plain

    def __reduce__(self):
        return Plain, (self.text,)


def _coded(value):
    """A value in terms of JSON; what JSON lacks in a dict with a `TAG`."""
    import numpy as np

    kind = type(value)
    if kind in (str, int, float, bool, type(None)):
        return value
    if kind is list:
        return [_coded(item) for item in value]
    if kind is dict and TAG not in value and all(type(key) is str for key in value):
        return {key: _coded(item) for key, item in value.items()}
    if kind is dict:
        return {TAG: "dict", "of": [[_coded(key), _coded(item)] for key, item in value.items()]}
    if kind in (tuple, set, frozenset):
        return {TAG: kind.__name__, "of": [_coded(item) for item in value]}
    if kind is np.ndarray and value.dtype == object:
        return {TAG: "objects", "shape": value.shape, "of": [_coded(item) for item in value.flat]}
    if isinstance(value, np.generic) and type(value.item()) in (str, int, float, bool):
        return {TAG: "scalar", "dtype": value.dtype.str, "of": value.item()}
    raise TypeError(f"{kind.__name__} is not plain")


def _decoded(item):
    """The way back, of one dict."""
    import numpy as np

    tag, of = item.get(TAG), item.get("of")
    if tag is None:
        return item
    if tag == "objects":
        array = np.empty(len(of), dtype=object)
        for place, value in enumerate(of):
            array[place] = value
        return array.reshape(item["shape"])
    if tag == "scalar":
        return np.dtype(item["dtype"]).type(of)
    return {"dict": dict, "tuple": tuple, "set": set, "frozenset": frozenset}[tag](of)


def _lean(value, where, seen, functions):
    """A value whose containers are `Plain` where they can be; objects are copies of which only their state is asked.

    What was one object stays one. Places of functions, such as ``"Tokenizer.segmenter"``, are added to a list.
    """
    import numpy as np

    if isinstance(value, FUNCTIONS):
        functions.append(where)
    if isinstance(value, np.memmap):
        return np.asarray(value)
    kind = type(value)
    objects = isinstance(value, np.ndarray) and value.dtype == object
    ours = kind.__module__.split(".")[0] in LEANED
    opened = ours and kind.__reduce__ is object.__reduce__ and hasattr(value, "__dict__")
    if not (opened or objects or kind in (dict, list, tuple, set, frozenset)):
        return value
    if id(value) in seen:
        return seen[id(value)][1]
    if opened:
        lean = object.__new__(kind)
        seen[id(value)] = value, lean
        state = value.__getstate__() or {}
        if not isinstance(state, dict):
            return value
        state = {
            name: _lean(item, f"{kind.__name__}.{name}", seen, functions)
            for name, item in state.items()
            if name != "_skl_callbacks"
        }
        lean.__dict__["__getstate__"] = lambda: state
        return lean
    try:
        lean = Plain.of(value) if len(value) else value
    except TypeError:
        if kind is dict:
            lean = {key: _lean(item, where, seen, functions) for key, item in value.items()}
        elif kind in (list, tuple):
            lean = kind(_lean(item, where, seen, functions) for item in value)
        else:
            lean = value
    seen[id(value)] = value, lean
    return lean
