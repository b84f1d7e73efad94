"""The gates of rows, images and parameters: odd shapes, dtypes, layouts, containers, magnitudes, holes."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.base import clone

import featlearn
from tests.fuzz import Case, pick
from tests.test_battery import ESTIMATORS_2D

COUNTS = ("LDA", "PLSA", "MixtureOfUnigrams", "UnigramModel")


def quick(estimator: Any) -> Any:
    """The estimator with few iterations."""
    few = {"max_iter": 3, "n_init": 1, "encode_iter": 5}
    known = estimator.get_params(deep=False)
    return clone(estimator).set_params(**{name: value for name, value in few.items() if name in known})


ROWS = [quick(e) for e in ESTIMATORS_2D]


def images_estimators() -> list[Any]:
    """Small instances of everything that takes images."""
    fl: Any = featlearn
    learners = [fl.KMeansDictionary(3, max_iter=2, random_state=0), fl.ContrastNormalizer(), fl.ZCA()]
    stages = [fl.Stage(learner, patch_size=2, n_patches=20, random_state=0) for learner in learners]
    return [
        *stages,
        fl.Stage(learners[0], patch_size=3, pool=fl.SumPool(2), random_state=0),
        *(fl.Abs(), fl.Positive(), fl.SoftThreshold(), fl.SplitSign(), fl.Flatten()),
        *(fl.MaxPool(2), fl.MeanPool(2), fl.SumPool(2), fl.LocalContrastNormalizer(3)),
        fl.FisherVector(2, patch_size=2, n_patches=30, max_iter=2, random_state=0),
    ]


def values(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers of some kind, in float64."""
    kinds: list[Callable[[], np.ndarray]] = [
        lambda: rng.normal(size=shape),
        lambda: rng.uniform(size=shape),
        lambda: rng.integers(0, 256, size=shape).astype(float),
        lambda: rng.integers(0, 3, size=shape).astype(float),
        lambda: np.zeros(shape),
        lambda: np.full(shape, rng.normal()),
        lambda: rng.normal(size=shape) * 10.0 ** rng.integers(-300, 300),
        lambda: rng.normal(size=shape) * 10.0 ** rng.integers(-20, 20),
        lambda: rng.normal(size=shape) + 10.0 ** rng.integers(0, 12),
        lambda: rng.standard_cauchy(size=shape),
        lambda: np.where(rng.uniform(size=shape) < 0.6, 0, rng.normal(size=shape)),
        lambda: np.repeat(rng.normal(size=(1, *shape[1:])), shape[0], axis=0),
        lambda: 1.7e9 + 86_400 * rng.uniform(size=shape),
    ]
    X = pick(rng, kinds)()
    if X.size and rng.uniform() < 0.15:
        X.flat[int(rng.integers(X.size))] = pick(rng, [np.nan, np.inf, -np.inf, -9999.0, 1e300, 1e20])
    if X.ndim > 1 and X.shape[-1] and rng.uniform() < 0.15:
        X[..., int(rng.integers(X.shape[-1]))] = pick(rng, [0.0, 1.0, -3.0, 1e6])
    return X


DTYPES = [np.float64] * 6 + [np.float32] * 5
DTYPES += [np.float16, np.int64, np.int32, np.int8, np.uint8, np.uint16, bool, object, complex, str, np.longdouble]


def typed(rng: np.random.Generator, X: np.ndarray) -> np.ndarray:
    """In some dtype and memory layout."""
    with np.errstate(all="ignore"):
        X = X.astype(pick(rng, DTYPES))
    layouts: list[Callable[[np.ndarray], np.ndarray]] = [
        *[lambda a: a] * 3, np.asfortranarray, lambda a: a[::-1], lambda a: np.repeat(a, 2, axis=0)[::2],
        lambda a: a.astype(a.dtype.newbyteorder()),
    ]  # fmt: skip
    X = pick(rng, layouts)(X)
    if rng.uniform() < 0.1:
        X.flags.writeable = False
    return X


def rows(rng: np.random.Generator) -> Any:
    """Rows, or something taken for rows."""
    n, d = int(pick(rng, [0, 1, 2, 3, 5, 12, 30, 60])), int(pick(rng, [0, 1, 2, 3, 6, 10, 40]))
    X = typed(rng, values(rng, (n, d)))
    kinds: list[Callable[[], Any]] = [
        *[lambda: X] * 14,
        lambda: X.tolist(), lambda: pd.DataFrame(X), lambda: pd.DataFrame(X).convert_dtypes(), lambda: X[:, :1].ravel(),
        lambda: X[None], lambda: np.ma.masked_array(X, mask=False),
        lambda: iter([X, X]), lambda: (lambda: iter([X, X[:0]])), lambda: (lambda: iter([])),
        lambda: pick(rng, [None, 3, "rows", [[]], [[1, 2], [3]], b"x", {"a": 1}, object(), [None]]),
        lambda: sp.csr_array(values(rng, (n, d))), lambda: sp.coo_matrix(values(rng, (n, d))),
        lambda: X.view(np.recarray) if X.dtype != object else X,
    ]  # fmt: skip
    return pick(rng, kinds)()


def images(rng: np.random.Generator) -> Any:
    """Images, or something taken for images."""
    n, h, w = (int(pick(rng, [0, 1, 2, 4, 7])), int(pick(rng, [0, 1, 2, 3, 6, 9])), int(pick(rng, [1, 2, 3, 6, 8])))
    c = int(pick(rng, [0, 1, 2, 3, 4, 5]))
    shape = pick(rng, [(n, h, w), (n, h, w, c), (n, h, w, c), (n, c, h, w), (h, w), (h, w, 3), (n,), (n, h, w, c, 2)])
    X = typed(rng, values(rng, shape))
    kinds: list[Callable[[], Any]] = [
        *[lambda: X] * 12,
        lambda: list(X), lambda: X.tolist(), lambda: [X[:1], X[:2]], lambda: [np.zeros((4, 4)), np.zeros((5, 4))],
        lambda: pick(rng, [None, "a.png", ["a.png", "b.png"], 7, b"x", {}, [], [None]]), lambda: iter([X]),
        lambda: (lambda: iter([X, X])), lambda: np.ma.masked_array(X), lambda: np.array([X, None], dtype=object),
    ]  # fmt: skip
    return pick(rng, kinds)()


NONSENSE = [None, True, False, 0, -1, 1, 2, 3, 5, 2**40, 0.0, -0.5, 0.3, 1.0, 1e-300, 1e300, float("nan"), float("inf")]
NONSENSE += ["auto", "", "euclidean", "adam", b"x", 2j, (), [], [2, 3], {}, object, np.float32(0.5), np.int8(3)]
NONSENSE += [np.str_("auto"), np.array([1.0, 2.0]), np.array(3), slice(2), print]


def parameters(rng: np.random.Generator, estimator: Any) -> Any:
    """The estimator with one to three parameters set to something, reasonable or not."""
    names = list(estimator.get_params(deep=False))
    chosen = rng.choice(len(names), size=min(len(names), int(rng.integers(1, 4))), replace=False)
    return clone(estimator).set_params(**{names[i]: pick(rng, NONSENSE) for i in chosen})


def finite(X: Any) -> bool:
    """Whether an input holds numbers, all of them finite."""
    try:
        X = X.toarray() if sp.issparse(X) else np.asarray(X, dtype=np.float64)
        return bool(np.isfinite(X).all())
    except (TypeError, ValueError):
        return False


def outputs(result: Any) -> Iterator[np.ndarray]:
    """The arrays of a result, of a stream too."""
    if isinstance(result, Iterator):
        for chunk in result:
            yield np.asarray(chunk)
    elif sp.issparse(result):
        yield result.toarray()
    else:
        yield np.asarray(result)


def use(estimator: Any, X: Any, again: Any, y: tuple) -> str | None:
    """Fit, then use what was fitted; what is wrong with that, or None."""
    for data in (X, again):
        estimator = estimator.fit(X, *y) if data is X else estimator
        if isinstance(data, Iterator):
            continue
        for method in ("transform", "predict"):
            if hasattr(estimator, method):
                for out in outputs(getattr(estimator, method)(data)):
                    if out.dtype.kind in "fc" and finite(data) and finite(X) and not np.isfinite(out).all():
                        return f"{method} gives NaN or infinity"
    return None


PICTURES = images_estimators()


def case(estimator: Any, X: Any, again: Any, labeled: bool = True) -> Case:
    """The case of one estimator and its inputs."""
    labels = np.arange(getattr(X, "shape", (0,))[0] if getattr(X, "ndim", 0) else 1) % 3
    y = (labels,) if labeled and "predict" in dir(type(estimator)) else ()
    what = f"{estimator} on {type(X).__name__} {getattr(X, 'shape', '')} {getattr(X, 'dtype', '')}"
    return what, partial(use, estimator, X, again, y)


def rows_case(rng: np.random.Generator) -> Case:
    """A learner of vectors on rows, or on something taken for rows."""
    return case(clone(pick(rng, ROWS)), rows(rng), rows(rng))


def images_case(rng: np.random.Generator) -> Case:
    """What takes images on images, or on something taken for images."""
    return case(clone(pick(rng, PICTURES)), images(rng), images(rng), labeled=False)


def parameters_case(rng: np.random.Generator) -> Case:
    """An estimator of odd parameters on good input."""
    if rng.uniform() < 0.7:
        estimator = parameters(rng, pick(rng, ROWS))
        good = np.random.default_rng(0).uniform(size=(40, 6))
        X = np.round(3 * good) if type(estimator).__name__ in COUNTS else good
    else:
        estimator = parameters(rng, pick(rng, PICTURES))
        X = rng.uniform(0, 255, size=(5, 6, 6, 3))
    return case(estimator, X, X)
