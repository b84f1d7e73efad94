"""The gates: parameters, rows and chunks of rows are checked here."""

import itertools
from collections.abc import Callable
from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import _check_sample_weight, check_array, check_is_fitted, validate_data

from featlearn.arrays import as_float
from featlearn.sparse import sound_csr
from featlearn.streaming import first_chunk, is_dask, is_out_of_core, n_rows, of_frame, require_many_passes, stacked

Rule = Callable[[Any], str | None]
MANY = 1e3  # how far squares keep from the ends of their range, for sums over up to a million features


def integer(low: int | None = None, high: int | None = None) -> Rule:
    """An integer (not a bool) within [low, high]."""

    def rule(value):
        if not isinstance(value, Integral) or isinstance(value, (bool, np.bool_)):
            return "an integer"
        return _range(value, low, high, "an integer")

    return rule


def real(low: float | None = None, high: float | None = None, above: float | None = None) -> Rule:
    """A finite real number within [low, high], and strictly greater than ``above``."""

    def rule(value):
        if not isinstance(value, Real) or isinstance(value, (bool, np.bool_)) or not np.isfinite(float(value)):
            return "a finite number"
        if above is not None and not float(value) > above:
            return f"a number greater than {above}"
        return _range(value, low, high, "a number")

    return rule


def _range(value, low, high, what):
    if low is not None and value < low:
        return f"{what} of at least {low}"
    if high is not None and value > high:
        return f"{what} of at most {high}"
    return None


def one_of(*options: Any) -> Rule:
    """One of the options named; a NumPy scalar (``np.str_``, from a grid over an array) counts as what it holds."""

    def rule(value):
        plain = value.item() if isinstance(value, np.generic) else value
        fits = any(plain is o or (type(plain) is type(o) and plain == o) for o in options)
        return None if fits else _options(options)

    return rule


def _options(options):
    return "one of " + ", ".join(repr(option) for option in options)


def boolean() -> Rule:
    """True or False."""
    return lambda value: None if isinstance(value, (bool, np.bool_)) else "True or False"


def optional(rule: Rule) -> Rule:
    """None, or what ``rule`` admits."""

    def relaxed(value):
        message = None if value is None else rule(value)
        return None if message is None else f"None or {message}"

    return relaxed


def either(*rules: Rule) -> Rule:
    """What any of the rules admits."""

    def rule(value):
        messages = [r(value) for r in rules]
        return None if None in messages else " or ".join(str(m) for m in messages)

    return rule


def instance(*types: type) -> Rule:
    """An object of one of the types."""
    names = " or ".join(t.__name__ for t in types)
    return lambda value: None if isinstance(value, types) else f"an instance of {names}"


def has(*methods: str) -> Rule:
    """An object (not a class) with the methods named."""
    return lambda value: (
        None
        if not isinstance(value, type) and all(hasattr(value, m) for m in methods)
        else "an object with " + " and ".join(f"`{m}`" for m in methods)
    )


def check_argument(who: str, name: str, value: Any, rule: Rule) -> None:
    """Check one argument of ``who`` against a rule; a ValueError names both, the value and what is expected."""
    expected = rule(value)
    if expected is not None:
        raise ValueError(f"{who}: {name}={value!r} is not valid; pass {expected}.")


def _seed(value):
    good = value is None or value is np.random or isinstance(value, np.random.RandomState)
    good = good or integer(0, 2**32 - 1)(value) is None
    return None if good else "None, an integer from 0 to 2**32 - 1 or a numpy.random.RandomState"


def _workers(value):
    good = value is None or (integer()(value) is None and value != 0)
    return None if good else "None (every core), an integer above 0 (so many), or below (-1 every core, -2 all but one)"


# What these parameters mean is the same everywhere, so that no learner needs to name them.
COMMON: dict[str, Rule] = {"random_state": _seed, "n_jobs": _workers}


def check_parameters(estimator: Any, *names: str) -> None:
    """Check constructor parameters against the rules of their class, all or those named.

    The rules are its ``_rules``, and those of ``random_state`` and ``n_jobs``. A ValueError names the estimator, the
    value and what is expected. What no rule of one parameter can say is refused
    by the estimator's ``_check_together()``, where it has one.
    """
    for name, rule in (COMMON | getattr(estimator, "_rules", {})).items():
        if name in (names or vars(estimator)):
            check_argument(type(estimator).__name__, name, getattr(estimator, name), rule)
    if not names and hasattr(estimator, "_check_together"):
        estimator._check_together()


def check_fitted(who: str, estimator: Any, takes: str) -> None:
    """Refuse what is no fitted estimator; of what is none at all a TypeError says what ``who`` takes instead."""
    if isinstance(estimator, type):
        raise TypeError(f"{who} takes {takes}, not the class {estimator.__name__}; make one and fit it.")
    if not hasattr(estimator, "fit"):
        shape = f" of shape {tuple(estimator.shape)}" if hasattr(estimator, "shape") else ""
        raise TypeError(f"{who} takes {takes}, not {type(estimator).__name__}{shape}.")
    check_is_fitted(estimator)


def check_rows(
    estimator: Any,
    X: Any,
    *,
    reset: bool,
    min_samples: int = 1,
    passes: int = 1,
    copy: bool = False,
    weights: bool = False,
    squared: bool = True,
    accept_sparse: bool = False,
) -> Any:
    """Rows (n_samples, n_features) as the estimator may walk over them.

    Arrays are checked by scikit-learn (2-D, finite, dense, the number of features of the fit) and come back as
    float32 or float64; integers of up to 16 bits and memmaps are left as they are, to be converted chunk by chunk.
    Streams and Dask collections come back unchanged, wrapped so that every chunk is checked as it passes.

    ``passes`` is the number of walks the caller makes; ``min_samples`` is enforced for arrays. A fit takes chunks with
    weights, ``(X, weights)``, only if ``weights`` is True. Values whose squares overflow or vanish in the precision of
    the rows are refused, unless the learner says that it is ``squared=False``: it takes no squares of them. Sparse
    matrices come back as CSR for a learner with ``accept_sparse``; others refuse them by name.
    """
    if is_out_of_core(X):
        return check_out_of_core(
            estimator,
            X,
            reset=reset,
            passes=passes,
            weights=weights or not reset,
            squared=squared,
            accept_sparse=accept_sparse,
        )
    if np.ma.is_masked(X):
        raise ValueError(
            f"{type(estimator).__name__}: X is a masked array with {int(np.ma.count_masked(X))} masked values, which "
            "would be taken as they stand. Fill them (X.filled(value), or sklearn.impute), or drop those rows."
        )
    if _is_plain(estimator, X, reset, min_samples) and not copy:
        estimator.n_features_in_ = X.shape[1]
        if squared:
            check_magnitude(type(estimator).__name__, X, tiny=reset)
        return X
    refuse_maps(estimator, X)
    if not accept_sparse:
        refuse_sparse(type(estimator).__name__, X)
    elif sp.issparse(X):
        X = sound_csr(type(estimator).__name__, X)
    small = isinstance(X, np.ndarray) and X.dtype.kind in "ui" and X.dtype.itemsize <= 2
    as_is = small or (isinstance(X, np.memmap) and X.dtype.kind in "uif")
    X = validate_data(
        estimator,
        X,
        reset=reset,
        accept_sparse="csr" if accept_sparse else False,
        dtype=None if as_is else [np.float64, np.float32],
        ensure_min_samples=min_samples,
        copy=copy,
        order=None,
    )
    if squared:
        check_magnitude(type(estimator).__name__, X, tiny=reset)
    return X


def _dimensions(X):
    """Dimensions of an array, or of lists in lists, without a copy."""
    depth = 0
    while isinstance(X, (list, tuple)) and X:
        X, depth = X[0], depth + 1
    return depth + getattr(X, "ndim", 0)


def refuse_maps(estimator: Any, X: Any) -> None:
    """A ValueError for images, maps or sequences given to a learner of rows, that says what comes between."""
    n = _dimensions(X)
    if n < 3:
        return
    who, what = type(estimator).__name__, f"an array of shape {X.shape}" if hasattr(X, "shape") else f"lists {n} deep"
    lift = "" if hasattr(estimator, "predict") else f" To learn from patches of images, lift it: Stage({who}(...))."
    raise ValueError(
        f"{who} takes rows (n_samples, n_features), but got {what}. To take an image or its maps "
        f"as one row, add Flatten() before it: make_pipeline(..., Flatten(), {who}(...)).{lift}"
    )


def refuse_sparse(who: str, X: Any, what: str = "X") -> None:
    """A TypeError for a sparse matrix given to a learner of dense rows; it names the way out and its price."""
    if sp.issparse(X):
        size = np.prod(X.shape, dtype=np.float64) * X.dtype.itemsize / 2**20
        raise TypeError(
            f"{who}: {what} is a sparse matrix ({X.format}, shape {X.shape}, {X.dtype}), but dense data is required. "
            f"Pass what its .toarray() gives ({size:.3g} MB)."
        )


def _is_plain(estimator, X, reset, min_samples):
    """Whether X is an array that scikit-learn would pass as it is; its checks take longer than small transforms."""
    if type(X) is not np.ndarray or X.ndim != 2 or X.dtype not in (np.float64, np.float32):
        return False
    if X.shape[0] < max(min_samples, 1) or X.shape[1] == 0 or hasattr(estimator, "feature_names_in_"):
        return False
    if not reset and X.shape[1] != getattr(estimator, "n_features_in_", None):
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(X.sum()))


def check_magnitude(who: str, X: np.ndarray, *, tiny: bool) -> None:
    """Refuse floats whose squares, summed over many features, overflow their dtype, or (if ``tiny``) all vanish."""
    if X.dtype.kind != "f" or X.size == 0:
        return
    limits = np.finfo(as_float(X[:0]).dtype)
    largest = max(float(X.max()), -float(X.min()))
    high, low = float(np.sqrt(limits.max)) / MANY, float(np.sqrt(limits.tiny)) * MANY
    if low <= largest <= high or largest == 0 or (largest < low and not tiny):
        return
    other = "" if limits.dtype == np.float64 else " or pass float64,"
    raise ValueError(
        f"{who}: the largest value is {largest:.3g}, and squares of {limits.dtype} numbers "
        f"{'overflow' if largest > high else 'vanish'} {'above' if largest > high else 'below'} "
        f"{high if largest > high else low:.2g}. Scale the data (MaxAbsScaler),{other} or look for wrong values."
    )


def check_codes(estimator: Any, codes: Any) -> np.ndarray:
    """Codes (n_samples, n_outputs) that a fitted estimator's inverse_transform can read, as floats."""
    who, width = type(estimator).__name__, estimator._n_features_out
    codes = check_array(codes, dtype=None, ensure_2d=False, allow_nd=True, input_name=f"codes given to {who}")
    if codes.ndim != 2 or codes.shape[1] != width:
        raise ValueError(
            f"{who}.inverse_transform takes codes of {width} columns; got an array of shape {codes.shape}."
        )
    return as_float(codes)


def check_weights(sample_weight: Any, X: Any) -> np.ndarray | None:
    """Sample weights (n_samples,) of an array, finite and at least 0, in float64; None for None."""
    if sample_weight is None:
        return None
    return _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)


def chunk_weights(X: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Weights (n,) of the rows of a chunk, in float64; 1 for None."""
    if weights is None:
        return np.ones(len(X))
    weights = np.asarray(weights, dtype=np.float64)
    if not (weights >= 0).all() or not np.isfinite(weights).all():
        raise ValueError(
            "Sample weights must be finite and at least 0; "
            f"those of a chunk lie between {weights.min()} and {weights.max()}."
        )
    return weights


def check_out_of_core(
    estimator: Any,
    X: Any,
    *,
    reset: bool,
    passes: int = 1,
    weights: bool = False,
    squared: bool = False,
    accept_sparse: bool = False,
    gate_type: "type[RowGate] | None" = None,
) -> Any:
    """A stream or a Dask collection, wrapped so that ``gate_type`` checks every chunk as it passes."""
    who = type(estimator).__name__
    gate_type = gate_type or RowGate
    X = of_frame(X)
    if is_dask(X) and not hasattr(type(X), "to_delayed"):  # a Delayed has any attribute one asks for
        raise ValueError(
            f"{who} takes a Dask array, bag or data frame; got a {type(X).__name__}. Make an array of it with "
            "dask.array.from_delayed, whose blocks may be of unknown sizes: shape=(numpy.nan, n_features)."
        )
    if passes > 1:
        require_many_passes(X, who)
    first = None
    if not is_dask(X) and not callable(X):  # a one-shot iterator: look at the first chunk and put it back
        first = next(X, None)
        if first is None:
            raise ValueError(
                "There is no data: the iterator holds no chunk of rows, or was walked already. Pass at least one row."
            )
        X = itertools.chain([first], X)
    if hasattr(X, "rechunk"):
        shape = X.shape
    elif first is None and not reset:
        shape = (0, estimator.n_features_in_)
    else:
        first = first_chunk(X) if first is None else first
        first = first[0] if isinstance(first, tuple) else first
        gate_type.look(who, first)
        shape = np.shape(first)
    if len(shape) != 2:
        raise ValueError(
            f"{who} takes rows (n_samples, n_features), so every chunk must have 2 dimensions; got shape {shape}. "
            "Reshape with chunk.reshape(-1, 1) for a single feature."
        )
    if reset:
        estimator.n_features_in_ = int(shape[1])
        if hasattr(estimator, "feature_names_in_"):
            del estimator.feature_names_in_
    gate = gate_type(estimator.n_features_in_, who)
    gate.squared, gate.accept_sparse = squared, accept_sparse
    if hasattr(X, "rechunk"):
        gate.check_width(shape[1])
        X = X.rechunk({1: -1})
        return X.map_blocks(gate, dtype=X.dtype, meta=np.empty((0, 0), dtype=X.dtype))
    if is_dask(X):
        return X.map_partitions(partial(_gated_partition, gate))
    if callable(X):
        return lambda: _gated(gate, X(), weights)
    return _gated(gate, X, weights)


def _gated(gate, chunks, weights):
    for item in chunks:
        if isinstance(item, tuple) and not weights:
            raise ValueError(
                f"{gate.who} takes no sample weights, and a chunk came as a tuple of {len(item)}; yield the rows alone."
            )
        if isinstance(item, tuple):
            if any(other is not None and len(other) != n_rows(item[0]) for other in item[1:]):
                sizes = " and ".join(str(n_rows(part)) for part in item if part is not None)
                raise ValueError(f"A chunk (X, weights) given to {gate.who} has parts of {sizes} rows; align them.")
            yield gate(item[0]), *item[1:]
        else:
            yield gate(item)


def _gated_partition(gate, items):
    items = list(items)
    return [gate(stacked(items))] if items else []


class RowGate:
    """Checks one chunk of a stream: 2-D, finite, and as wide as the others. Picklable."""

    squared = accept_sparse = False

    def __init__(self, n_features: int, who: str):
        self.n_features, self.who = n_features, who

    @staticmethod
    def look(who: str, chunk: Any) -> None:
        """Refuse what is no chunk of rows, before its shape is asked for."""

    def __call__(self, chunk):
        if not self.accept_sparse:
            refuse_sparse(self.who, chunk, "a chunk")
        elif sp.issparse(chunk):
            chunk = sound_csr(self.who, chunk, "of a chunk")
        if n_rows(chunk) == 0:
            return chunk
        chunk = check_array(
            chunk,
            accept_sparse="csr" if self.accept_sparse else False,
            dtype=None,
            ensure_all_finite=True,
            input_name=f"a chunk given to {self.who}",
        )
        self.check_width(chunk.shape[1])
        if chunk.dtype.kind not in "biuf":  # numbers as objects, or long doubles, would pass the next check unseen
            chunk = chunk.astype(np.float64)
        if self.squared:
            check_magnitude(self.who, chunk, tiny=False)
        return chunk

    def check_width(self, width: int) -> None:
        """Refuse a chunk of another width."""
        if width != self.n_features:
            raise ValueError(
                f"A chunk has {width} features, but {self.who} is expecting {self.n_features} features as input. Give "
                "every chunk the same columns."
            )
