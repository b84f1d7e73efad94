"""Expectation-maximization for topic models: the loop over a corpus, stepwise EM over batches, documents held out.

What a model learns is a state, a tuple that begins with topics phi (V, K). An iteration is

    E-step    sums := sum over documents of the words (and what else counts) that each topic is expected to have
    M-step    state := the state that explains the sums best

until the objective, or the perplexity of documents held out, settles. Stepwise EM updates a running mean: with s the
sums of batch t divided by its documents,

    S := (1 - rho_t) S + rho_t s,    rho_t = (offset + t)^-decay,    and the M-step takes S times the documents seen

A model says how, in the methods of `EMTopicModel` that raise NotImplementedError, and how fitted topics infer.

Cappe & Moulines (2009), "On-line expectation-maximization algorithm for latent data models". Liang & Klein (2009),
"Online EM for unsupervised models".
"""

from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from sklearn.utils import check_random_state

from featlearn.callbacks import CallbackSupportMixin, end_iteration
from featlearn.fitting import fitting, guarded
from featlearn.kernels.topics.aspects import with_new_words
from featlearn.notices import interruptible, warn_at_limit
from featlearn.streaming import is_out_of_core
from featlearn.text.counts import check_counts
from featlearn.topics.topic_model import Inference, TopicModelMixin, completion_perplexity
from featlearn.topics.unigram import WordCounts, corpus_counts
from featlearn.validation import Rule, boolean, integer, real

# What these parameters mean is the same in all topic models.
RULES: dict[str, Rule] = {
    "n_components": integer(1),
    "eta": real(0),
    "max_iter": integer(1),
    "tol": real(0),
    "decay": real(0, 1),
    "offset": real(1),
    "early_stopping": boolean(),
    "validation_fraction": real(above=0, high=0.9),
    "n_iter_no_change": integer(1),
    "warm_start": boolean(),
}


@dataclass(frozen=True)
class Sums:
    """Expected words (V, K) of topics, the log-likelihood, and expected documents (K,) where these count. They add."""

    words: np.ndarray
    log_likelihood: float
    documents: Any = 0.0

    def __add__(self, other: Self) -> Self:
        log_likelihood = self.log_likelihood + other.log_likelihood
        return type(self)(self.words + other.words, log_likelihood, self.documents + other.documents)

    def __mul__(self, factor: float) -> Self:
        return type(self)(self.words * factor, self.log_likelihood * factor, self.documents * factor)

    def __truediv__(self, n: float) -> Self:
        return type(self)(self.words / n, self.log_likelihood / n, self.documents / n)


class HeldOut:
    """Documents held out of a fit, and when to stop: perplexity that has not fallen by ``tol`` (relative) in
    ``patience`` looks. ``best`` keeps what the model was at its lowest.
    """

    def __init__(self, X: sp.csr_array, tol: float, patience: int, n_jobs: int | None = None):
        self.X, self.tol, self.patience, self.n_jobs = X, tol, patience, n_jobs
        self.curve: list[float] = []
        self.lowest, self.before, self.waited = inf, inf, 0
        self.best: Any = None

    def look(self, infer: Inference, components: np.ndarray, state: Any) -> float:
        """The perplexity now; ``state`` is kept if it is the lowest so far."""
        perplexity, _ = completion_perplexity(self.X, infer, components, n_jobs=self.n_jobs)
        if perplexity == self.lowest == inf:
            raise ValueError(
                "early_stopping: documents held out have words of probability 0 under the topics, so their perplexity "
                "is infinite and cannot tell when to stop. Pass a pseudo-count eta greater than 0."
            )
        self.curve.append(perplexity)
        self.waited = 0 if perplexity < self.lowest * (1 - self.tol) or self.lowest == inf else self.waited + 1
        if perplexity < self.lowest:
            self.lowest, self.best = perplexity, state
        return perplexity

    @property
    def stop(self) -> bool:
        """Whether patience is at an end."""
        return self.waited >= self.patience

    def renewed(self, tol: float) -> bool:
        """Whether the perplexity has fallen by ``tol`` since this was asked last; if so, patience starts anew."""
        if self.lowest >= self.before * (1 - tol):
            return False
        self.before, self.waited = self.lowest, 0
        return True


def held_out(X: sp.csr_array, fraction: float, rng: np.random.RandomState) -> tuple[sp.csr_array, sp.csr_array]:
    """Training documents and those held out, drawn at random; at least one of each."""
    n = X.shape[0]
    if n < 2:
        raise ValueError(
            "early_stopping holds documents out, and there is only one (n_samples = 1); pass more, or "
            "early_stopping=False."
        )
    order = rng.permutation(n)
    cut = min(max(1, round(fraction * n)), n - 1)
    train, validation = X[np.sort(order[cut:])], X[np.sort(order[:cut])]
    if train.nnz == 0 or validation.nnz == 0:
        side = "training" if train.nnz == 0 else "held out"
        raise ValueError(
            f"early_stopping: of {n - cut} documents for training and {cut} held out, those {side} are all empty. Drop "
            "empty documents, pass more, or change validation_fraction or random_state."
        )
    return train, validation


def hold_out(model: Any, X: Any, rng: np.random.RandomState, tol: float | None = None) -> tuple[Any, HeldOut | None]:
    """Training documents, and those held out if a model has ``early_stopping``, or a ``tol`` is given in its place."""
    if not model.early_stopping and tol is None:
        return X, None
    if is_out_of_core(X):
        raise ValueError(
            f"{type(model).__name__}: early_stopping holds out documents of an array or a sparse matrix; for a "
            "stream or a Dask collection use the EarlyStopping callback, or early_stopping=False."
        )
    X, validation = held_out(X, model.validation_fraction, rng)
    return X, HeldOut(validation, model.tol if tol is None else tol, model.n_iter_no_change, model.n_jobs)


def has_settled(curve: list[float], tol: float) -> bool:
    """Whether an objective that rises gained no more than ``tol`` of itself in the last iteration."""
    return len(curve) > 1 and curve[-1] - curve[-2] <= tol * abs(curve[-2])


def say_limit(model: Any, max_iter: int, curve: list[float], held: HeldOut | None) -> None:
    """Warn that ``max_iter`` ended a fit that was to go on until an objective, or held-out perplexity, settles."""
    if model.tol == 0:
        return
    reached, cure = "the perplexity of the documents held out still fell", ""
    if held is None and len(curve) > 1:
        gain = (curve[-1] - curve[-2]) / abs(curve[-2])
        reached = f"the objective still rose by {gain:.2g} of itself in the last of them"
    elif held is None:
        reached = "a second one would have told whether the objective still rises"
        cure = "pass tol=0 to make so many iterations and no more"
    warn_at_limit(type(model).__name__, max_iter, model.tol, reached, cure)


def require_topics(model: Any) -> None:
    """Refuse to go on with the topics learned if another number of them was set since."""
    if len(model.components_) != model.n_components:
        raise ValueError(
            f"{type(model).__name__}: n_components={model.n_components} was set after {len(model.components_)} topics "
            "were learned, and this goes on with those. Set it back, or fit a clone to start afresh."
        )


def step_size(model: Any, t: int) -> float:
    """rho_t = (offset + t)^-decay."""
    return (model.offset + t) ** -model.decay


def seen(model: Any) -> tuple[int, float, int, int]:
    """Documents, words, iterations and batches that a model has learned from; none before the first fit."""
    if not hasattr(model, "components_"):
        return 0, 0.0, 0, 0
    documents = model.n_documents_seen_
    return documents, model.mean_length_ * documents, model.n_iter_, model.n_batch_iter_


def count(model: Any, documents: int, words: float, n_iter: int, n_batch_iter: int) -> None:
    """Note what a model has learned from, as `seen` tells it."""
    model.n_documents_seen_, model.mean_length_ = documents, float(words / documents)
    model.n_iter_, model.n_batch_iter_ = n_iter, n_batch_iter


def known_topics(model: Any, corpus: WordCounts, dtype: Any) -> np.ndarray:
    """Topics (V, K) of a fitted model to go on from."""
    return with_new_words(np.ascontiguousarray(model.components_.T, dtype), corpus.counts)


class EMTopicModel(TopicModelMixin, CallbackSupportMixin):
    """`fit` and `partial_fit` of a model whose state EM improves."""

    def _start(self, X: Any, corpus: WordCounts, rng: np.random.RandomState, go_on: bool, stepwise: bool) -> Any:
        """The first state for documents X: of a fitted model to ``go_on`` with, or afresh; for one step, or for all."""
        raise NotImplementedError

    def _expect(self, X: Any, state: Any) -> tuple[Sums, float]:
        """The E-step of all documents, and the objective; it may replace what the state says of single documents."""
        raise NotImplementedError

    def _maximize(self, sums: Sums, state: Any) -> Any:
        """The M-step: the next state."""
        raise NotImplementedError

    def _fitted(self, state: Any, dtype: Any) -> dict[str, Any]:
        """The attributes of a model of this state."""
        return {"components_": np.ascontiguousarray(state.topics.T, dtype)}

    def _infer(self, state: Any, components: np.ndarray) -> Inference:
        """How this state infers proportions of documents held out; ``components`` (K, V) are its topics."""
        raise NotImplementedError

    def _hold_out(self, X: Any, rng: np.random.RandomState) -> tuple[Any, HeldOut | None]:
        return hold_out(self, X, rng)

    def _copied(self, state: Any) -> Any:
        """The state without anything that a later E-step replaces."""
        return state

    def _resumed(self, held: HeldOut) -> Any:
        """The state to go on from when documents held out gain no more; None to end."""
        return None

    @fitting("max_iter")
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the topics by EM.

        Parameters
        ----------
        X : array or sparse matrix (n_documents, n_terms), function returning chunks, Dask array or bag
            Term counts.
        y : ignored
            Present for the API.

        Returns
        -------
        self
        """
        who, rng = type(self).__name__, check_random_state(self.random_state)
        warm = self.warm_start and hasattr(self, "components_")
        X = check_counts(self, X, reset=not warm, passes=3)
        X, held = self._hold_out(X, rng)
        corpus = corpus_counts(X, who, self.n_jobs)
        if warm:
            require_topics(self)
        state = self._start(X, corpus, rng, warm, stepwise=False)
        curve: list[float] = []
        settled = False
        # Of the last whole iteration. An interrupt within one may leave what is said of single documents replaced, and
        # the objective no lower for it.
        kept: Any = None
        with interruptible(who, lambda: 0 if kept is None else len(kept[-1])):
            for _ in range(self.max_iter):
                sums, objective = self._expect(X, state)
                curve = [*curve, objective]
                state = self._maximize(sums, state)
                fitted, metrics = partial(self._fitted, state, corpus.dtype), {"log_likelihood": objective}
                if held is not None:
                    components = fitted()["components_"]
                    best = self._copied(state), sums
                    metrics["perplexity"] = held.look(self._infer(state, components), components, best)
                kept = state, sums, curve
                settled = end_iteration(self, metrics, fitted) or (held is None and has_settled(curve, self.tol))
                if not settled and held is not None and held.stop:
                    resumed = self._resumed(held)
                    settled = resumed is None
                    state = state if settled else resumed
                if settled:
                    break
        state, sums, curve = kept
        if len(curve) == self.max_iter and not settled:
            say_limit(self, self.max_iter, curve, held)
        self.__dict__.pop("perplexity_curve_", None)
        if held is not None:
            state, sums = held.best or (state, sums)
            self.perplexity_curve_ = np.array(held.curve[: len(curve)])
        self._keep(X, state, sums / corpus.documents, corpus.dtype, rng)
        self.log_likelihood_curve_ = np.array(curve)
        count(self, corpus.documents, corpus.counts.sum(), len(curve), 1)
        return self

    @guarded
    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Learn from one more batch by stepwise EM; the first one also sets the first topics.

        Parameters
        ----------
        X : array or sparse matrix (n_documents, n_terms), function returning chunks, Dask array or bag
            Term counts of a batch.
        y : ignored
            Present for the API.

        Returns
        -------
        self
        """
        go_on = hasattr(self, "components_")
        X = check_counts(self, X, reset=not go_on, passes=3)
        batch = corpus_counts(X, type(self).__name__, self.n_jobs, empty=go_on)
        if go_on:
            require_topics(self)
        state = self._start(X, batch, check_random_state(self.random_state), go_on, stepwise=True)
        means = self._expect(X, state)[0] / batch.documents
        documents, words, n_iter, t = seen(self)
        if go_on:
            rho = step_size(self, t)
            before = type(means)(self.topic_counts_.T, 0.0, self._topic_documents)
            means = before * (1 - rho) + means * rho
        documents += batch.documents
        self._keep(X, self._maximize(means * documents, state), means, batch.dtype)
        count(self, documents, words + batch.counts.sum(), n_iter + 1, t + 1)
        return self

    def _keep(self, X: Any, state: Any, means: Sums, dtype: Any, rng: np.random.RandomState | None = None) -> None:
        """Set the attributes of a fit to X, or (without ``rng``) of a batch."""
        self.__dict__.update(self._fitted(state, dtype))
        self.topic_counts_ = np.ascontiguousarray(means.words.T)
        self._topic_documents = means.documents
