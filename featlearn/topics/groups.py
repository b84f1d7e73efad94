"""Groups of documents: the distinct values of a column of metadata, in an order that a reader expects."""

import re
from collections.abc import Mapping, Set
from numbers import Real
from typing import Any

import numpy as np

NUMERAL = re.compile(r"[+-]?\d+(\.\d+)?")


def distinct_groups(groups: Any, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Distinct values of a column (n,) in order, and the place of each document's among them.

    Values are sorted, strings that are numerals by their numbers and before others. Those of a pandas Categorical keep
    the order of its categories, less those that no document has.
    """
    column = _column(groups, n)
    if column.dtype.kind == "O":
        missing = np.array([v is None or type(v).__name__ in ("NAType", "NaTType") or v != v for v in column])
    else:
        missing = column != column
    missing |= np.ma.getmaskarray(groups) if isinstance(groups, np.ma.MaskedArray) else False
    if missing.any():
        raise ValueError(
            f"groups have no value for {missing.sum()} documents, the first is {missing.argmax()}. Fill them in, or "
            "leave these documents out."
        )
    if is_categorical(groups):
        found = getattr(groups, "array", groups)
        used, place = np.unique(found.codes, return_inverse=True)
        return np.asarray(found.categories[used]), place
    try:
        labels, place = np.unique(column, return_inverse=True)
    except TypeError as error:
        raise ValueError(
            f"groups cannot be sorted: {error}. Make them all labels or all numbers, or say their order: "
            "pandas.Categorical(groups, categories=[...], ordered=True)."
        ) from None
    if not all(isinstance(label, str) for label in labels):
        return labels, place
    # Ratings read from a file are strings, and "10" is no neighbor of "1".
    names = list(map(str, labels))
    order = sorted(range(len(names)), key=lambda i: (0, float(names[i])) if NUMERAL.fullmatch(names[i]) else (1, i))
    return labels[order], np.argsort(order)[place]


def is_categorical(groups: Any) -> bool:
    """Whether a column is a pandas Categorical, or a Series or Index of one."""
    return hasattr(getattr(groups, "dtype", None), "categories") and hasattr(groups.dtype, "ordered")


def _column(groups, n):
    """One value for each document, as they are: an array made of "a" and NaN would hold the word "nan"."""
    if isinstance(groups, (str, bytes, Mapping, Set)) or not hasattr(groups, "__len__"):
        raise ValueError(
            f"groups are a {type(groups).__name__}, and must be a column with one value for each of the {n} documents, "
            "in their order: a list, an array or a Series."
        )
    shape = getattr(groups, "shape", (len(groups),))
    if shape != (n,):
        raise ValueError(f"groups of shape {tuple(shape)} must hold one value for each of the {n} documents.")
    if hasattr(groups, "dtype"):
        column = np.asarray(groups)
    else:
        column = np.fromiter(groups, dtype=object, count=n)
        if all(isinstance(v, str) for v in column) or all(isinstance(v, Real) for v in column):
            column = np.array(column.tolist())
    for i, value in enumerate(column if column.dtype.kind == "O" else ()):
        if hasattr(value, "__len__") and not isinstance(value, (str, bytes)):
            raise ValueError(f"groups hold {value!r:.60} for document {i}; pass one label or number for each.")
    return column
