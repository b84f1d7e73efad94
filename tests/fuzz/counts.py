"""The gate of counts: sparse matrices whose structure lies, and everything else that is given to topic models."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.base import clone

import featlearn as fl
from featlearn.text.counts import MOST, as_counts
from tests.fuzz import Case, pick

FEW: dict[str, Any] = {"max_iter": 2, "random_state": 0, "n_jobs": 1}
MODELS: list[Any] = [
    fl.LDA(2, max_iter=3, random_state=0, n_jobs=1), fl.LDA(3, method="vb", tol=0, **FEW),
    fl.LDA(2, method="online", batch_size=3, **FEW), fl.PLSA(2, tol=0, **FEW), fl.PLSA(2, beta=0.7, tol=0, **FEW),
    fl.MixtureOfUnigrams(3, tol=0, **FEW), fl.UnigramModel(n_jobs=1),
]  # fmt: skip
KNOWN = np.random.default_rng(0).poisson(1.0, (12, 5)).astype(float)
FITTED = [clone(model).fit(KNOWN) for model in MODELS]
DTYPES = ["f8", "f8", "f4", "i8", "i4", "u1", "i1", "?", "f2", "g", "u8", ">f4"]
BEYOND = [-1, -2, 0, 1, 5, 6, 7, 100, 10**6, 2**31 - 1, -(2**31)]


class Damaged:
    """What a matrix holds whose structure lies: nothing that may be learned."""


def slow(shape: tuple[int, int], rows: Any, columns: Any, values: Any) -> Any:
    """The counts (n, V) of entries one by one; Damaged if one lies outside."""
    found = np.zeros(shape)
    if not len(rows) == len(columns) == len(values):
        return Damaged
    for row, column, value in zip(rows, columns, values, strict=True):
        if isinstance(row, float) or isinstance(column, float) or not (0 <= row < shape[0] and 0 <= column < shape[1]):
            return Damaged
        found[row, column] += value
    return found


def entries(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[list, list, list]:
    """Rows, columns and counts of entries, some of which come twice."""
    n = int(rng.integers(0, 2 * shape[0] * shape[1] + 1)) if shape[0] * shape[1] else 0
    rows, columns = (rng.integers(0, max(size, 1), n).tolist() for size in shape)
    values = pick(rng, [[1], [1, 2, 3], [1, 200], [0, 1], [0.25, 1.5], [3]])
    return rows, columns, [float(pick(rng, values)) for _ in range(n)]


def damage(rng: np.random.Generator, arrays: dict[str, np.ndarray]) -> None:
    """One thing wrong with the arrays of a matrix, or with what they hold."""
    name = pick(rng, sorted(arrays))
    array = arrays[name]
    at = int(rng.integers(len(array))) if len(array) else 0
    wrong: list[Callable[[], Any]] = [
        lambda: array[:-1], lambda: array[1:], lambda: np.concatenate([array, array[-1:]]), lambda: array[::-1],
        lambda: np.where(np.indices(array.shape)[0] == at, pick(rng, BEYOND), array), lambda: array + 1,
        lambda: np.where(np.indices(array.shape)[0] == at, pick(rng, BEYOND), array).astype(array.dtype),
        lambda: array + 0.5, lambda: array.astype(object), lambda: array.astype(str), lambda: array[:0],
        lambda: np.stack([array, array]), lambda: array.astype(complex), lambda: array.astype(np.uint64),
    ]  # fmt: skip
    odd = [-1.0, np.nan, np.inf, 1e13, 2.0**25, 0.0, -0.0, 1e-30]
    if name == "data" and array.ndim == 1 and rng.uniform() < 0.6:
        wrong = [lambda: np.where(np.arange(len(array)) == at, pick(rng, odd), array)]
    with np.errstate(all="ignore"):
        arrays[name] = pick(rng, wrong)()


def sparse_counts(rng: np.random.Generator, width: int | None = None) -> tuple[Any, Any]:
    """A sparse matrix of some format, nearly sound; and the counts (n, V) it holds, or Damaged."""
    shape = int(pick(rng, [0, 1, 2, 5, 9])), int(pick(rng, [1, 2, 5, 5, 5, 9, 0])) if width is None else width
    rows, columns, counts = entries(rng, shape)
    dtype = np.dtype(pick(rng, DTYPES))
    order = np.argsort(rows, kind="stable")
    rows, columns, counts = ([part[i] for i in order] for part in (rows, columns, counts))
    with np.errstate(all="ignore"):
        data = np.array(counts).astype(dtype)
    index = pick(rng, [np.int32, np.int64])
    kind = pick(rng, ["csr"] * 5 + ["csc", "csc", "coo", "coo", "bsr", "lil", "dok", "dia"])
    make = getattr(sp, kind + pick(rng, ["_array", "_matrix"]))
    wrong = rng.uniform() < 0.5
    if kind in ("csr", "csc"):
        major, minor = (rows, columns) if kind == "csr" else (columns, rows)
        by = np.argsort(major, kind="stable")
        size = shape[0] if kind == "csr" else shape[1]
        ends = np.searchsorted(np.sort(major), np.arange(size + 1))
        arrays = {"data": data[by], "indices": np.array(minor, index)[by], "indptr": ends.astype(index)}
        if wrong:
            damage(rng, arrays)
        X = make(shape, dtype=np.float64)
        for name, array in arrays.items():
            setattr(X, name, array)
        if rng.uniform() < 0.2:
            X.has_canonical_format = X.has_sorted_indices = True
        return X, slow_compressed(kind, shape, **arrays)
    if kind == "coo":
        arrays = {"data": data, "row": np.array(rows, index), "col": np.array(columns, index)}
        if wrong:
            damage(rng, arrays)
        X = make(shape, dtype=np.float64)
        X.data, X.coords = arrays["data"], (arrays["row"], arrays["col"])
        if not plain(arrays["data"]) or not all(whole(arrays[axis]) for axis in ("row", "col")):
            return X, Damaged
        return X, slow(shape, arrays["row"].tolist(), arrays["col"].tolist(), arrays["data"].astype(float).tolist())
    table = slow(shape, rows, columns, counts)
    if shape[0] == 0 or shape[1] == 0:
        return make(shape, dtype=np.float64), table
    X = make(table)
    if not wrong:
        return X, table
    return damaged_otherwise(rng, X), None


def damaged_otherwise(rng: np.random.Generator, X: Any) -> Any:
    """A matrix in blocks, lists, a dictionary or diagonals with something wrong, or perhaps not."""
    where = int(rng.integers(X.shape[0]))
    if X.format == "bsr":
        name = pick(rng, ["indices", "indptr", "data"])
        arrays = {name: getattr(X, name)}
        damage(rng, arrays)
        setattr(X, name, arrays[name])
    elif X.format == "lil":
        change = pick(rng, [lambda a: a.append(pick(rng, BEYOND)), lambda a: a.clear(), lambda a: a.append("tea")])
        change(pick(rng, [X.rows, X.data])[where])
    elif X.format == "dok":
        X._dict[pick(rng, [(-1, 0), (0, 99), (99, 0), (0, 0, 0), 3, "ab", (0.5, 1)])] = 1.0
    else:
        X.offsets = pick(
            rng, [X.offsets[:-1], X.offsets + 1, X.offsets.astype(np.int64) + 2**40, X.offsets + 0.5, X.offsets[None]]
        )
    return X


def whole(places: np.ndarray) -> bool:
    """Whether these are indices."""
    return places.ndim == 1 and places.dtype.kind in "iu"


def plain(values: np.ndarray) -> bool:
    """Whether these are real numbers, one an entry."""
    return values.ndim == 1 and values.dtype.kind in "biuf"


def slow_compressed(kind: str, shape: tuple[int, int], data: Any, indices: Any, indptr: Any) -> Any:
    """The counts (n, V) of CSR or CSC, one by one."""
    lines = shape[0] if kind == "csr" else shape[1]
    if not (whole(indices) and whole(indptr) and plain(data)) or len(indptr) != lines + 1:
        return Damaged
    ends, places, values = indptr.tolist(), indices.tolist(), data.astype(float).tolist()
    if ends[0] != 0 or ends[-1] > min(len(places), len(values)) or any(a > b for a, b in zip(ends, ends[1:])):  # noqa: RUF007
        return Damaged
    major = [line for line in range(lines) for _ in range(ends[line], ends[line + 1])]
    minor = places[: ends[-1]]
    return slow(shape, *((major, minor) if kind == "csr" else (minor, major)), values[: ends[-1]])


def acceptable(counts: Any, *, fit: bool, width: int | None = None) -> bool | None:
    """Whether a gate has to take these counts (n, V) or must refuse them; None: it may do either."""
    if counts is None:
        return None
    if counts is Damaged:
        return False
    wrong = not np.isfinite(counts).all() or (counts < 0).any() or (counts > MOST).any() or 0 in counts.shape
    if wrong or (fit and not counts.any()) or (width is not None and counts.shape[1] != width):
        return False
    return None if counts.max() > 1e6 else True  # Gibbs sampling cannot count so many


def right(model: Any, X: Any, counts: Any) -> str | None:
    """What is wrong with a model of counts (n, V) that was fitted to X, or None."""
    if abs(model.mean_length_ - counts.sum() / len(counts)) > 1e-4 * counts.sum():
        return f"mean_length_ {model.mean_length_} of {counts.sum()} words in {len(counts)} documents"
    if model.components_.shape[1] != counts.shape[1]:
        return f"components_ of shape {model.components_.shape} from {counts.shape[1]} terms"
    if not np.allclose(model.components_.sum(axis=1), 1, atol=1e-3):
        return "topics that do not sum to 1"
    if hasattr(model, "counts_") and not np.allclose(model.counts_, counts.sum(axis=0), rtol=1e-5):
        return "counts_ are not the sums of columns"
    return proportions(model.transform(X), len(counts))


def proportions(theta: np.ndarray, n: int) -> str | None:
    """What is wrong with proportions of n documents, or None."""
    if len(theta) != n or not np.allclose(theta.sum(axis=1), 1, atol=1e-3):
        return f"proportions of shape {theta.shape} that sum to {theta.sum(axis=1)[:3]}"
    return None


def fit_case(rng: np.random.Generator) -> Case:
    """A fit to a matrix, in memory or as a chunk of a stream."""
    model, (X, counts) = clone(pick(rng, MODELS)), sparse_counts(rng)
    stream = rng.uniform() < 0.25 and X.shape[1] > 0 and getattr(model, "method", "") != "gibbs"

    def call() -> str | None:
        if stream:
            ones = np.ones((1, X.shape[1]))
            model.fit(lambda: iter([ones, X]))
            good = counts is not Damaged and acceptable(
                np.vstack([ones, counts]) if counts is not None else None, fit=True
            )
            return "took what it must refuse" if good is False else None
        model.fit(X)
        good = acceptable(counts, fit=True)
        return "took what it must refuse" if good is False else right(model, X, counts) if good else None

    return f"fit of {model} to {described(X)}", must(call, None if stream else acceptable(counts, fit=True))


def must(call: Callable[[], str | None], good: bool | None) -> Callable[[], str | None]:
    """A call that may refuse only what is not good."""

    def strict() -> str | None:
        try:
            return call()
        except (ValueError, TypeError) as error:
            if good:
                return f"refused what is good: {error}"
            raise

    return strict


def described(X: Any) -> str:
    """A matrix in a few words."""
    parts = {name: getattr(X, name, None) for name in ("data", "indices", "indptr", "row", "col", "offsets")}
    return (
        f"{getattr(X, 'format', type(X).__name__)} {X.shape} { ({k: v for k, v in parts.items() if v is not None}) }"[
            :400
        ]
    )


def use_case(rng: np.random.Generator) -> Case:
    """A fitted model on a matrix of the same width, or nearly so."""
    model, name = pick(rng, FITTED), pick(rng, ["transform", "perplexity", "score", "bound", "partial_fit"])
    X, counts = sparse_counts(rng, 5 if rng.uniform() < 0.8 else None)
    good = acceptable(counts, fit=False, width=5)
    if good and name in ("perplexity", "score"):
        good = None if np.ceil(counts).sum(axis=1).max() < 2 else True  # nothing is left to score

    def call() -> str | None:
        if name == "partial_fit":
            clone(model).fit(KNOWN).partial_fit(X)
            found = None
        elif not hasattr(model, name):
            return None
        else:
            found = getattr(model, name)(X)
        if good is False:
            return "took what it must refuse"
        return proportions(found, X.shape[0]) if name == "transform" and found is not None else None

    known = good if name == "partial_fit" or hasattr(model, name) else None
    return f"{name} of {model} on {described(X)}", must(call, known)


def coherence_case(rng: np.random.Generator) -> Case:
    """Coherence counted in a matrix."""
    X, counts = sparse_counts(rng)
    topics = [rng.permutation(max(X.shape[1], 2))[:2].tolist() for _ in range(2)]
    if rng.uniform() < 0.2:
        topics[0][0] = pick(rng, BEYOND)
    measure = pick(rng, ["npmi", "umass", "uci", "c_v"])

    def call() -> str | None:
        found = fl.topic_coherence(topics, X, measure=measure)
        if counts is Damaged:
            return "took a damaged matrix"
        if counts is not None and not np.array_equal(
            found, fl.topic_coherence(topics, np.where(counts > 0, 1.0, 0.0), measure=measure), equal_nan=True
        ):
            return "another value than of the dense table"
        return None

    return f"{measure} of {topics} in {described(X)}", call


def gate_case(rng: np.random.Generator) -> Case:
    """The gate itself, against entries counted one by one."""
    X, counts = sparse_counts(rng)

    def call() -> str | None:
        found = as_counts(X, "fuzz").toarray()
        if counts is Damaged:
            return "took a damaged matrix"
        return None if counts is None or np.allclose(found, counts, rtol=1e-6) else f"{found} instead of {counts}"

    return f"as_counts of {described(X)}", call


def changed_case(rng: np.random.Generator) -> Case:
    """A model one of whose arrays was set by hand."""
    model = clone(pick(rng, MODELS)).fit(KNOWN)
    names = [n for n in ("components_", "topic_counts_", "alpha_", "weights_", "counts_", "eta_", "proportions_")
             if hasattr(model, n)]  # fmt: skip
    name = pick(rng, names)
    value = np.asarray(getattr(model, name))
    others: list[Callable[[], Any]] = [
        lambda: value[..., :-1] if value.ndim else 0.1, lambda: np.concatenate([value, value]) if value.ndim else 0.1,
        lambda: value.astype(int), lambda: value.tolist(), lambda: value[None], lambda: value.astype(np.float32),
        lambda: np.zeros((0, 0)), lambda: None, lambda: "no", lambda: value[:1] if value.ndim else np.ones(3),
        lambda: value * 0, lambda: np.asfortranarray(value)[..., ::-1] if value.ndim else value,
    ]  # fmt: skip
    setattr(model, name, pick(rng, others)())
    method = pick(rng, ["transform", "perplexity", "partial_fit", "sample", "bound"])

    def call() -> str | None:
        if method == "sample":
            found = model.sample(3, length=4, random_state=0)
            return None if found.shape == (3, 5) else f"a sample of shape {found.shape}"
        if hasattr(model, method):
            getattr(model, method)(KNOWN)
        return None

    return f"{method} of {model} with {name} set to {getattr(model, name)!r:.100}", call


def other_case(rng: np.random.Generator) -> Case:
    """Something else that is taken for counts."""
    X = rng.poisson(1, (int(pick(rng, [0, 1, 4])), int(pick(rng, [0, 1, 5])))).astype(pick(rng, DTYPES))
    bags = [[(int(i), int(n)) for i, n in zip(*np.unique(rng.integers(0, 5, 4), return_counts=True), strict=True)]
            for _ in range(3)]  # fmt: skip
    texts = ["the cat", "a dog and a cat", ""]
    kinds: list[Callable[[], Any]] = [
        lambda: X, X.tolist, lambda: np.asmatrix(X), lambda: pd.DataFrame(X), lambda: pd.DataFrame(X).convert_dtypes(),
        lambda: pd.DataFrame(X).astype(pd.SparseDtype("float64", pick(rng, [0.0, np.nan, 1.0]))), lambda: X.ravel(),
        lambda: bags, lambda: iter(bags), lambda: (lambda: iter(bags)), lambda: texts, lambda: iter([texts]),
        lambda: [t.split() for t in texts], lambda: (lambda: iter([[t.split() for t in texts]])), lambda: texts[0],
        lambda: pd.Series(texts), lambda: np.array(texts), lambda: pd.DataFrame({"text": texts}), lambda: X[None],
        lambda: np.ma.masked_array(X, X > 1), lambda: X + 1j, lambda: [sp.csr_array(X.astype(float))], lambda: (X, X),
        lambda: iter([sp.csr_array(X.astype(float)), X]), lambda: iter([(X, X)]),
        lambda: pick(rng, [None, 3, {}, {1}, b"x", object(), [[]]]),
        lambda: sp.coo_array(X.astype(float)).reshape(-1), lambda: np.array([[None, 1]], dtype=object),
    ]  # fmt: skip
    with warnings.catch_warnings():  # of NumPy's matrices
        warnings.simplefilter("ignore")
        value = pick(rng, kinds)()
    model, name = pick(rng, FITTED), pick(rng, ["fit", "transform", "perplexity", "partial_fit"])
    model = clone(model) if name == "fit" else model if name != "partial_fit" else clone(model).fit(KNOWN)

    def call() -> str | None:
        found = getattr(model, name)(value)
        for _ in found if hasattr(found, "__next__") else ():
            pass
        return None

    return (
        f"{name} of {model} on a {type(value).__name__} {str(value)[:150] if not hasattr(value, 'dtypes') else ''}",
        call,
    )


KINDS = [fit_case] * 4 + [use_case] * 4 + [gate_case] * 4 + [coherence_case] * 2 + [changed_case] * 2 + [other_case] * 2


def counts_case(rng: np.random.Generator) -> Case:
    """Counts, or something taken for them, and what reads them."""
    return pick(rng, KINDS)(rng)
