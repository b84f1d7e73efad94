"""The greedy walk: learners are fitted one after the other, each on what the layers below it give.

    h_0 = x,   learner_l fitted on h_{l-1} of all rows, labelled or not,   h_l = its codes of h_{l-1}

Hinton, Osindero & Teh (2006), "A fast learning algorithm for deep belief nets". A learner that takes labels is fitted
on the labelled rows, and its scores are left out: the supervised walk of Bengio, Lamblin, Popovici & Larochelle (2007),
"Greedy layer-wise training of deep networks". Then gradients tune the whole.
"""

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.utils import get_tags
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import has_fit_parameter

from featlearn.arrays import as_float
from featlearn.callbacks import sub_fit
from featlearn.networks.layers import FittedLayer, Shape
from featlearn.networks.specs import Pretrained
from featlearn.networks.unrolling import unrolled
from featlearn.notices import notify
from featlearn.training import Batch, GradientLearnerMixin

UNLABELLED = -1  # the label of rows without one, as in scikit-learn's semi-supervised learners


@dataclass(frozen=True)
class AllRows:
    """The rows of a fit in their order, labelled or not.

    x (n, ...), the places (m,) of those with labels, their labels y (m, ...) as given, and weights w (n,) or None.
    """

    x: Any
    places: np.ndarray
    y: np.ndarray
    w: np.ndarray | None = None

    @classmethod
    def of(
        cls, X: Any, y: np.ndarray, w: np.ndarray | None, unlabelled: Any = None, numbers: bool = False
    ) -> "AllRows":
        """Rows with labels, -1 for none, and more rows without; ``numbers`` says that y are no labels."""
        marked = np.zeros(len(y), bool) if numbers else unlabelled_rows(y)
        places = np.flatnonzero(~marked)
        y = y[places] if marked.any() else y
        if unlabelled is not None:
            w = None if w is None else np.concatenate([w, np.ones(unlabelled.shape[0])])
            both = [as_float(X) if sp.issparse(X) else as_float(np.asarray(X)), as_float(unlabelled)]
            X = sp.vstack(both, format="csr") if any(map(sp.issparse, both)) else np.concatenate(both)
        rows = cls(X, places, y, w)
        return rows if w is None or w.all() else rows.kept(w != 0)

    def labelled(self) -> tuple[Any, np.ndarray, np.ndarray | None]:
        """Rows with labels, their labels and weights."""
        if len(self.places) == self.x.shape[0]:
            return self.x, self.y, self.w
        return self.x[self.places], self.y, None if self.w is None else self.w[self.places]

    def kept(self, mask: np.ndarray) -> "AllRows":
        """The rows of a mask (n,)."""
        labelled = mask[self.places]
        places = (np.cumsum(mask) - 1)[self.places[labelled]]
        return AllRows(self.x[mask], places, self.y[labelled], None if self.w is None else self.w[mask])

    def without(self, held: np.ndarray) -> "AllRows":
        """All but some of the labelled rows, by their number among these."""
        mask = np.ones(self.x.shape[0], bool)
        mask[self.places[held]] = False
        return self.kept(mask)


def unlabelled_rows(y: np.ndarray) -> np.ndarray:
    """Which labels say that there is none: -1 beside two others; of -1 and 1 alone both are classes."""
    none = np.zeros(len(y), bool)
    if y.ndim > 1 or y.dtype.kind not in "iuf" or type_of_target(y) not in ("multiclass", "binary"):
        return none
    marked = y == UNLABELLED
    return marked if marked.any() and not np.isin(y[~marked], [1]).all() else none


def learned(owner: Any, name: str, learner: Any, rows: AllRows, codes: Any, rng: np.random.RandomState) -> Any:
    """A clone of a learner fitted on codes of all rows, or of the labelled ones and their labels if it takes these."""
    learner = seeded(clone(learner), rng)
    y, w = None, rows.w
    if takes_labels(learner):
        codes, y, w = codes[rows.places], rows.y, None if w is None else w[rows.places]
    if sp.issparse(codes) and not get_tags(learner).input_tags.sparse:
        codes = codes.toarray()
    weights = {"sample_weight": w} if w is not None and has_fit_parameter(learner, "sample_weight") else {}
    told = hasattr(owner, "_callback_fit_ctx")  # partial_fit has no callbacks
    with sub_fit(owner, learner, name) if told else nullcontext():
        learner.fit(codes, y, **weights)
    return learner


def takes_labels(learner: Any) -> bool:
    """Whether a learner needs targets."""
    return is_classifier(learner) or is_regressor(learner) or get_tags(learner).target_tags.required


def seeded(learner: Any, rng: np.random.RandomState) -> Any:
    """The learner, with seeds where it has none, in its steps too."""
    params = learner.get_params()
    names = sorted(k for k in params if k.rpartition("__")[2] == "random_state" and params[k] is None)
    return learner.set_params(**{name: rng.randint(2**31 - 1) for name in names}) if names else learner


def layers_of_learner(learner: Any, shape: Shape, *, last: bool, new: bool) -> list[FittedLayer]:
    """The layers of a fitted learner; the scores of one learned on the way, or that is not the last, are left out."""
    layers = unrolled(learner, shape)
    kept = [fitted for fitted in layers if not fitted.head] if new or not last else layers
    if layers and not kept:
        raise ValueError(
            f"{type(learner).__name__} gives nothing but its scores, which no layer can follow. Leave it out, or "
            "pretrain with a network of hidden layers."
        )
    return kept


class PretrainingMixin(GradientLearnerMixin):
    """The rows of a fit with and without labels: what an estimator of layers needs for the walk."""

    embedding: Any

    def _specs(self) -> list[tuple[str, Any]]:
        raise NotImplementedError

    def _uses_all_rows(self) -> bool:
        """Whether something learns from rows without labels."""
        specs = [spec for _, spec in self._specs()]
        return self.embedding is not None or any(isinstance(s, Pretrained) and not s.is_fitted() for s in specs)

    def _gathered(self, X: Any, y: np.ndarray, w: np.ndarray | None, unlabelled: Any) -> AllRows:
        """Rows with and without labels; -1 says that there is none where something learns from such rows."""
        if self._uses_all_rows():
            return AllRows.of(X, y, w, unlabelled, numbers=is_regressor(self))
        if unlabelled is not None:
            notify(
                f"{type(self).__name__}: fit(unlabelled=) changes nothing, because no layer is pretrained on rows "
                "without labels. Put an unfitted learner among the layers, Pretrained(learner), or pass "
                "embedding=NeighborEmbedding()."
            )
        return AllRows(X, np.arange(X.shape[0]), y, w)

    def _labelled(self, data: Batch, rows: AllRows) -> Batch:
        """The labelled rows, without those of weight 0; all are kept for the walk of `_build`."""
        absent = None if data.w is None or data.w.all() else data.w == 0
        if self._uses_all_rows():
            self._all_rows = rows if absent is None else rows.without(np.flatnonzero(absent))
        return data if absent is None else data.rows(np.flatnonzero(~absent))

    def _split(self, data: Batch, rng: Any) -> tuple[Batch, Batch | None]:
        n = np.arange(data.x.shape[0])
        train, held = super()._split(Batch(n), rng)
        if held is None:
            return data, None
        if "_all_rows" in self.__dict__:
            self._all_rows = self._all_rows.without(held.x)
        return data.rows(train.x), data.rows(held.x)
