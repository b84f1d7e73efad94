"""Latent Dirichlet allocation: documents are mixtures of topics, topics are distributions over words.

    theta_d ~ Dirichlet(alpha) (K,)    proportions of document d
    beta_k  ~ Dirichlet(eta) (V,)      topic k
    z ~ theta_d,  w ~ beta_z           each word of d draws a topic, and from it a term

Three ways to learn the same model: collapsed Gibbs sampling (`gibbs.py`), variational Bayes, and its online form
(`variational.py`, where the formulas are). Learned topics are counts: the mean number of words w that topic k holds,
`topic_counts_`, to which eta is added and which then are divided by their sums, `components_`.

Blei, Ng & Jordan (2003), "Latent Dirichlet allocation".
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.special import psi
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from featlearn.callbacks import CallbackSupportMixin, begin_fit, end_fit, end_iteration, with_callbacks
from featlearn.kernels.fold_in import compact
from featlearn.streaming import accumulate, first_chunk, is_out_of_core, is_stream, stacked
from featlearn.text.counts import DOCUMENTS, check_counts
from featlearn.text.gibbs import GibbsSampler, alpha_from_counts, eta_from_counts, sampling_threads
from featlearn.text.topic_model import HeldOut, Inference, TopicModelMixin, held_out
from featlearn.text.variational import (
    OnlineTopics,
    column_sums,
    e_step,
    expected_topics,
    infer,
    learned_alpha,
    learned_eta,
    posterior_topics,
    topic_bound,
)
from featlearn.validation import (
    boolean,
    check_parameters,
    either,
    instance,
    integer,
    one_of,
    optional,
    real,
    unchanged_on_failure,
)

MAX_ITER = {"gibbs": 300, "vb": 100, "online": 10}
PRIORS_EVERY = 10  # sweeps from one update of learned priors to the next
EVALUATE_EVERY = {"gibbs": 10, "vb": 1, "online": 1}
PARTS = 8  # of a mini-batch, so that every core has some
ETA_EVERY = 16  # mini-batches from one update of eta, which looks at every word, to the next


def first_alpha(alpha: Any, K: int) -> np.ndarray:
    """The prior of proportions (K,) to start from."""
    if isinstance(alpha, str):
        # "asymmetric" falls as 1 / (k + sqrt K): a few topics that most documents share, and many that few do.
        weights = 1 / (np.arange(K) + np.sqrt(K)) if alpha == "asymmetric" else np.ones(K)
        return weights / weights.sum()
    return _prior("alpha", alpha, K, "n_components")


def first_eta(eta: Any, K: int, V: int) -> float | np.ndarray:
    """The prior of topics to start from: a number, or (V,)."""
    if isinstance(eta, str):
        return 1 / K
    return float(eta) if np.ndim(eta) == 0 else _prior("eta", eta, V, "the number of terms")


def _prior(name: str, value: Any, n: int, what: str) -> np.ndarray:
    try:
        prior = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"LDA: {name} is not an array of numbers.") from None
    if prior.ndim == 0:
        return np.full(n, float(prior))
    if prior.shape != (n,):
        raise ValueError(f"LDA: {name} has shape {prior.shape}; pass one number, or an array of {what}, ({n},).")
    if not (np.isfinite(prior) & (prior > 0)).all():
        raise ValueError(f"LDA: {name} holds {prior[~(np.isfinite(prior) & (prior > 0))][0]}; all must be above 0.")
    return prior


def fitted_topics(counts: np.ndarray, alpha: np.ndarray, eta: float | np.ndarray) -> dict[str, Any]:
    """The attributes that topics make, from topic counts (V, K)."""
    counts = np.ascontiguousarray(counts.T)
    lam = counts + np.asarray(eta, counts.dtype)
    lam /= lam.sum(axis=1, keepdims=True, dtype=np.float64).astype(counts.dtype)
    return {"components_": lam, "topic_counts_": counts, "alpha_": alpha, "eta_": eta}


def learned(prior: Any) -> bool:
    """Whether a prior is to be learned."""
    return isinstance(prior, str) and prior == "learned"


def require_words(documents: int, tokens: float) -> None:
    """Refuse a corpus without words, which streams tell only when walked."""
    if tokens == 0:
        raise ValueError(
            f"LDA: the corpus holds no words: all {documents} documents are empty. Check the vocabulary, the stop "
            "words and the limits (min_df, max_df) of the vectorizer."
        )


def batches(X: Any, size: int) -> Iterator[sp.csr_array]:
    """Mini-batches of ``size`` documents in the order of the data, however these come; the last may be smaller."""
    held: list[sp.csr_array] = []
    n = 0
    for chunk in _chunks(X):
        start = 0
        while start < chunk.shape[0]:
            held.append(chunk[start : start + size - n])
            start, n = start + held[-1].shape[0], n + held[-1].shape[0]
            if n == size:
                yield _joined(held)
                held, n = [], 0
    if held:
        yield _joined(held)


def _chunks(X: Any) -> Iterator[sp.csr_array]:
    if not is_out_of_core(X):
        yield X
    elif is_stream(X):
        yield from X() if callable(X) else X
    else:
        for part in np.ravel(X.to_delayed()):
            value = part.compute()
            yield value if sp.issparse(value) else stacked(list(value))


def _joined(parts: list[sp.csr_array]) -> sp.csr_array:
    return parts[0] if len(parts) == 1 else sp.csr_array(sp.vstack(parts, format="csr"))


class LDA(TopicModelMixin, CallbackSupportMixin, BaseEstimator):
    """Latent Dirichlet allocation by collapsed Gibbs sampling, variational Bayes or online variational Bayes.

    Parameters
    ----------
    n_components : int, default=10
        Number of topics K.
    method : {"gibbs", "vb", "online"}, default="gibbs"
        ``gibbs`` samples the topic of every word in turn; ``vb`` maximizes a bound on the likelihood, one pass over the
        documents an iteration; ``online`` updates the topics after every mini-batch, for streams and large corpora.
    alpha : {"learned", "symmetric", "asymmetric"}, float or array (n_components,), default="learned"
        Dirichlet prior of proportions. ``symmetric`` is 1 / K for each topic; ``asymmetric`` 1 / (k + sqrt K) for topic
        k, normalized to sum 1; ``learned`` starts symmetric and learns each topic's.
    eta : {"learned", "symmetric"}, float or array (n_terms,), default=0.01
        Dirichlet prior of topics. ``symmetric`` is 1 / K; ``learned`` starts there and learns one number.
    max_iter : int or None, default=None
        Most iterations: sweeps of ``gibbs``, passes of the others. None takes 300 for ``gibbs``, 100 for ``vb``, 10 for
        ``online``, and 1 for an iterator.
    batch_size : int, default=256
        Documents in a mini-batch of ``online``.
    decay : float, default=0.7
        kappa in the step sizes (offset + t)^-kappa of ``online``, in (0.5, 1] for convergence; 0 forgets all but the
        last batch.
    offset : float, default=10.0
        tau in the step sizes, so that early batches weigh less.
    max_doc_iter : int, default=100
        Most iterations of a document's inference, in fits of ``vb`` and ``online`` and in `transform`.
    doc_tol : float, default=1e-3
        A document's inference ends when the mean change of its topic weights is below.
    total_documents : int or None, default=None
        Documents D in the corpus of ``online``. None takes the number in an array, and the number seen so far in
        streams and in `partial_fit`.
    n_samples : int, default=20
        States of the ``gibbs`` sampler whose topic counts are averaged.
    evaluate_every : int or None, default=None
        Iterations from one look at the bound of ``vb``, or at the held-out perplexity, to the next. None takes 10 for
        ``gibbs`` and 1 for the others.
    early_stopping : bool, default=False
        Whether to hold documents out, stop when their perplexity no longer falls, and keep the best topics. For arrays
        and sparse matrices only.
    validation_fraction : float, default=0.1
        Share of documents held out.
    n_iter_no_change : int, default=3
        Looks without improvement before ``early_stopping`` stops.
    tol : float, default=1e-4
        ``vb`` stops when the bound rises by less than this fraction from one look to the next; with ``early_stopping``
        the fraction by which the held-out perplexity should fall. 0 runs all iterations.
    warm_start : bool, default=False
        Whether `fit` goes on from the topics and priors it finds.
    n_jobs : int or None, default=None
        Threads; None takes every core this process may use. No effect on the result.
    random_state : int, RandomState or None, default=None
        Seed of the first topics, of the documents held out and of the sampler.

    Attributes
    ----------
    components_ : array (n_components, n_terms)
        Topics: mean probabilities of the terms; rows sum to 1.
    topic_counts_ : array (n_components, n_terms)
        Expected number of words of each term that each topic holds; with eta added, the parameters lambda of the
        topics' Dirichlet posteriors.
    alpha_ : array (n_components,)
        Prior of proportions.
    eta_ : float or array (n_terms,)
        Prior of topics.
    bound_ : float
        The bound (ELBO) of the training documents under the fitted topics, of ``vb``.
    bound_curve_ : array
        The bound at each look, before the iteration it was taken at, of ``vb``.
    perplexity_curve_ : array
        Held-out perplexity at each look, where ``early_stopping``.
    mean_length_ : float
        Mean number of words of a training document.
    n_documents_seen_ : int
        Training documents seen.
    n_batch_iter_ : int
        Mini-batches seen; 1 after a fit of ``vb`` or ``gibbs``.
    n_iter_ : int
        Iterations of `fit`, or batches of `partial_fit`.
    n_features_in_ : int
        Number of terms V seen by `fit`.

    Raises
    ------
    ValueError
        For counts that are negative, not finite or all 0, a stream where ``early_stopping``, or a parameter out of
        range.

    Notes
    -----
    ``vb`` takes arrays, sparse matrices, functions that return iterators of chunks, Dask arrays and bags, and walks
    them once an iteration, and once more, in memory that does not grow with the number of documents. ``online`` takes
    the same documents in their order, however they are cut into chunks: shuffle a corpus that is sorted. Results do
    not depend on the number of threads.

    `transform` gives the mean of a document's variational posterior; behind ``gibbs``, the fixed point of
    theta_k ∝ alpha_k + sum_w n_w p(k | w, theta) under the topics.

    References
    ----------
    Blei, Ng & Jordan (2003), "Latent Dirichlet allocation". Griffiths & Steyvers (2004), "Finding scientific topics".
    Hoffman, Blei & Bach (2010), "Online learning for latent Dirichlet allocation". Wallach, Mimno & McCallum (2009),
    "Rethinking LDA: why priors matter".

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn.text.lda import LDA
    >>> X = np.array([[3, 2, 0, 0], [4, 1, 0, 0], [0, 0, 2, 3], [0, 0, 1, 4]])
    >>> proportions = LDA(2, method="vb", alpha=0.1, random_state=0).fit_transform(X)
    >>> bool(proportions[0].argmax() == proportions[1].argmax() != proportions[2].argmax())
    True
    """

    def __init__(
        self,
        n_components: int = 10,
        method: str = "gibbs",
        alpha="learned",
        eta=0.01,
        max_iter: int | None = None,
        batch_size: int = 256,
        decay: float = 0.7,
        offset: float = 10.0,
        max_doc_iter: int = 100,
        doc_tol: float = 1e-3,
        total_documents: int | None = None,
        n_samples: int = 20,
        evaluate_every: int | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 3,
        tol: float = 1e-4,
        warm_start: bool = False,
        n_jobs: int | None = None,
        random_state=None,
    ):
        self.n_components = n_components
        self.method = method
        self.alpha = alpha
        self.eta = eta
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.decay = decay
        self.offset = offset
        self.max_doc_iter = max_doc_iter
        self.doc_tol = doc_tol
        self.total_documents = total_documents
        self.n_samples = n_samples
        self.evaluate_every = evaluate_every
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.random_state = random_state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.positive_only = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _check(self):
        check_parameters(
            self,
            n_components=integer(1),
            method=one_of("gibbs", "vb", "online"),
            alpha=either(one_of("learned", "symmetric", "asymmetric"), real(above=0), instance(np.ndarray, list)),
            eta=either(one_of("learned", "symmetric"), real(above=0), instance(np.ndarray, list)),
            max_iter=optional(integer(1)),
            batch_size=integer(1),
            decay=real(0, 1),
            offset=real(0),
            max_doc_iter=integer(1),
            doc_tol=real(0),
            total_documents=optional(integer(1)),
            n_samples=integer(1),
            evaluate_every=optional(integer(1)),
            early_stopping=boolean(),
            validation_fraction=real(above=0, high=0.9),
            n_iter_no_change=integer(1),
            tol=real(0),
            warm_start=boolean(),
        )

    @with_callbacks
    @unchanged_on_failure
    def fit(self, X, y=None):
        """Learn the topics.

        Parameters
        ----------
        X : array or sparse matrix (n_documents, n_terms), function returning chunks, Dask array or bag
            Term counts. One pass of ``online`` takes an iterator of chunks too.
        y : ignored
            Present for the API.

        Returns
        -------
        self
        """
        self._check()
        rng = check_random_state(self.random_state)
        warm = self.warm_start and hasattr(self, "components_")
        one_shot = isinstance(X, Iterator) and self.max_iter is None and self.method == "online"
        max_iter = 1 if one_shot else self.max_iter or MAX_ITER[self.method]
        once = self.method == "online" and max_iter == 1
        X = check_counts(self, X, reset=not warm, passes=1 if once else 2)
        self._require_shape(warm)
        for name in ("bound_", "bound_curve_", "perplexity_curve_"):
            self.__dict__.pop(name, None)
        fit = {"gibbs": self._fit_gibbs, "vb": self._fit_vb, "online": self._fit_online}[self.method]
        fit(X, max_iter, rng, warm)
        return self

    def _require_shape(self, warm):
        if warm and len(self.components_) != self.n_components:
            raise ValueError(
                f"LDA: n_components={self.n_components} was set after {len(self.components_)} topics were learned, and "
                "this goes on with those. Set it back, or fit a clone to start afresh."
            )

    def _start(self, rng, warm):
        """lambda (V, K), alpha (K,) and eta to start from: those of the fit before, or lambda near 1 at random."""
        K, V = self.n_components, self.n_features_in_
        if warm:
            return self._fitted_lambda(), self.alpha_, self.eta_
        alpha, eta = first_alpha(self.alpha, K), first_eta(self.eta, K, V)
        return rng.gamma(100.0, 0.01, (K, V)).T, alpha, eta

    def _fitted_lambda(self) -> np.ndarray:
        """lambda (V, K) of the fitted model."""
        return np.ascontiguousarray(self.topic_counts_.T) + np.asarray(self.eta_, self.topic_counts_.dtype)[..., None]

    def _hold_out(self, X, rng):
        """Training documents, and those held out where ``early_stopping``, else None."""
        if not self.early_stopping:
            return X, None
        if is_out_of_core(X):
            raise ValueError(
                "LDA: early_stopping holds out documents of an array or a sparse matrix; for a stream or a Dask "
                "collection use the EarlyStopping callback, or early_stopping=False."
            )
        X, validation = held_out(X, self.validation_fraction, rng)
        return X, HeldOut(validation, self.tol, self.n_iter_no_change)

    def _every(self) -> int:
        return self.evaluate_every or EVALUATE_EVERY[self.method]

    def _fit_gibbs(self, X, max_iter, rng, warm):
        if is_out_of_core(X):
            raise ValueError(
                "LDA: method='gibbs' keeps the topic of every word, so it takes an array or a sparse matrix. For a "
                "stream or a Dask collection use method='online' or 'vb', or partial_fit on its chunks."
            )
        K, V = self.n_components, self.n_features_in_
        alpha, eta = (self.alpha_, self.eta_) if warm else (first_alpha(self.alpha, K), first_eta(self.eta, K, V))
        X, held = self._hold_out(X, rng)
        context = begin_fit(self, max_iter, X=X)
        counts, alpha, eta, n_iter = self._sample_topics(
            X, alpha, eta, max_iter, rng, self.topic_counts_ if warm else None, False, held, context
        )
        self.__dict__.update(fitted_topics(counts, alpha, eta))
        self.n_documents_seen_, self.mean_length_ = X.shape[0], float(X.sum(dtype=np.float64)) / X.shape[0]
        self.n_iter_, self.n_batch_iter_ = n_iter, 1
        if held is not None:
            self.perplexity_curve_ = np.array(held.curve)
        end_fit(context, self)

    def _sample_topics(self, X, alpha, eta, max_iter, rng, before, keep, held=None, context=None):
        """Sweeps over documents: topic counts (V, K) averaged over the last states, the priors, the sweeps.

        Counts learned ``before`` (K, V) guide the first sweep; with ``keep`` all of them, and they are in the result.
        """
        sampler = GibbsSampler(X, self.n_components, int(rng.randint(2**31 - 1)), before)
        total: Any = 0.0
        states, sweep, last = 0, 0, max_iter
        with sampling_threads(self.n_jobs) as pool:
            while sweep < last:
                changed = sampler.sweep(alpha, np.atleast_1d(eta), pool)
                sweep += 1
                if sweep == 1 and before is not None and not keep:
                    sampler.add(before, -1)
                metrics = {"changed": changed}
                if sweep > last - self.n_samples:
                    total, states = total + sampler.topic_counts(), states + 1
                elif sweep % PRIORS_EVERY == 0:
                    if learned(self.alpha):
                        alpha = alpha_from_counts(sampler.document_counts(), alpha)
                    if learned(self.eta):
                        eta = eta_from_counts(sampler.topic_counts(), eta)
                fitted = partial(_fitted_sample, sampler, alpha, eta)
                if held is not None and sweep % self._every() == 0 and not states:
                    components = fitted()["components_"]
                    infer = self._infer(np.ascontiguousarray(components.T), alpha, digamma=False)
                    metrics["perplexity"] = held.look(infer, components, None)
                    if held.stop:
                        last = min(last, sweep + self.n_samples)
                if context is not None and end_iteration(context, self, metrics, fitted):
                    break
        counts = total / states if states else sampler.topic_counts()
        return np.asarray(counts.T, X.dtype), alpha, eta, sweep

    def _partial_gibbs(self, X, rng):
        first = not hasattr(self, "components_")
        K, V = self.n_components, self.n_features_in_
        X = X if not is_out_of_core(X) else _joined(list(_chunks(X)))
        require_words(X.shape[0], X.sum())
        alpha, eta = (first_alpha(self.alpha, K), first_eta(self.eta, K, V)) if first else (self.alpha_, self.eta_)
        before = None if first else self.topic_counts_
        # The same documents again must not repeat the same draws: the seed goes on with the batches.
        for _ in range(0 if first else self.n_batch_iter_):
            rng.randint(2**31 - 1)
        max_iter = self.max_iter or MAX_ITER["gibbs"]
        counts, alpha, eta, _ = self._sample_topics(X, alpha, eta, max_iter, rng, before, True)
        seen, words = (0, 0.0) if first else (self.n_documents_seen_, self.mean_length_ * self.n_documents_seen_)
        self.__dict__.update(fitted_topics(counts, alpha, eta))
        self.n_documents_seen_ = seen + X.shape[0]
        self.mean_length_ = (words + float(X.sum(dtype=np.float64))) / self.n_documents_seen_
        self.n_iter_ = self.n_batch_iter_ = 1 if first else self.n_batch_iter_ + 1

    def _fit_vb(self, X, max_iter, rng, warm):
        lam, alpha, eta = self._start(rng, warm)
        X, held = self._hold_out(X, rng)
        lam = np.ascontiguousarray(lam, first_chunk(X).dtype if is_out_of_core(X) else X.dtype)
        context = begin_fit(self, max_iter, X=X)
        bounds: list[float] = []
        for iteration in range(max_iter + 1):
            statistic = self._walk(X, *expected_topics(lam, column_sums(lam)), alpha, DOCUMENTS)
            require_words(statistic.documents, statistic.tokens)
            topics_part, log_beta = topic_bound(lam, eta, self.n_jobs)
            bounds.append(statistic.bound + topics_part)
            metrics = {"bound": bounds[-1]}
            last = iteration == max_iter
            if held is not None and (last or iteration % self._every() == 0):
                metrics["perplexity"] = self._look(held, lam, alpha, (lam, alpha, eta, bounds[-1]))
            stop = iteration > 0 and end_iteration(context, self, metrics, partial(_fitted, lam, alpha, eta))
            settled = iteration > 0 and bounds[-1] - bounds[-2] <= self.tol * abs(bounds[-2]) and self.tol > 0
            if last or stop or (settled if held is None else held.stop):
                break
            if learned(self.eta):
                eta = learned_eta(log_beta, eta, *lam.shape)
            if learned(self.alpha):
                alpha = learned_alpha(statistic.log_theta / statistic.documents, alpha)
            lam = posterior_topics(statistic, eta, len(lam))
        bound = bounds[-1]
        if held is not None:
            lam, alpha, eta, bound = held.best or (lam, alpha, eta, bound)
            self.perplexity_curve_ = np.array(held.curve)
        self._keep(lam, alpha, eta, statistic.documents, statistic.tokens)
        self.bound_, self.bound_curve_ = bound, np.array(bounds)
        self.n_iter_, self.n_batch_iter_ = iteration, 1
        end_fit(context, self)

    def _walk(self, X, topics, log_scale, alpha, rows):
        """The E-step of documents over words whose topics (V, K) and log_scale (V,) are given."""
        statistic = partial(
            e_step,
            topics=topics,
            log_scale=log_scale,
            alpha=alpha,
            max_iter=self.max_doc_iter,
            tol=self.doc_tol,
        )
        return accumulate(statistic, X, n_jobs=self.n_jobs, rows=rows)

    def _look(self, held, lam, alpha, state):
        """Perplexity of the documents held out under lambda (V, K)."""
        topics, _ = expected_topics(lam, column_sums(lam))
        components = fitted_topics(lam, alpha, 0.0)["components_"]
        return held.look(self._infer(topics, alpha, digamma=True), components, state)

    def _fit_online(self, X, max_iter, rng, warm):
        lam, alpha, eta = self._start(rng, warm)
        X, held = self._hold_out(X, rng)
        in_memory = not is_out_of_core(X)
        total = X.shape[0] if in_memory else 0
        context = begin_fit(self, max_iter * -(-total // self.batch_size) if in_memory else None, X=X)
        topics = OnlineTopics(lam)
        t, stop = (self.n_batch_iter_ if warm else 0), False
        for iteration in range(1, max_iter + 1):
            documents, tokens = 0, 0.0
            for batch in batches(X, self.batch_size):
                if documents == 0 and iteration == 1:
                    topics.rows = topics.rows.astype(batch.dtype)
                documents, t = documents + batch.shape[0], t + 1
                total = max(total, documents)
                alpha, eta, statistic = self._step(topics, batch, alpha, eta, t, self.total_documents or total)
                tokens += statistic.tokens
                fitted = partial(_fitted_online, topics, alpha, eta)
                stop = end_iteration(context, self, {"documents": float(documents)}, fitted, "batch")
                if stop:
                    break
            require_words(documents, tokens)
            if held is not None and (stop or iteration % self._every() == 0 or iteration == max_iter):
                lam = topics.dense()
                self._look(held, lam, alpha, (lam, alpha, eta))
            if stop or (held is not None and held.stop):
                break
        lam = topics.dense()
        if held is not None:
            lam, alpha, eta = held.best or (lam, alpha, eta)
            self.perplexity_curve_ = np.array(held.curve)
        self._keep(lam, alpha, eta, documents, tokens)
        self.n_iter_, self.n_batch_iter_ = iteration, t
        end_fit(context, self)

    def _step(self, topics, batch, alpha, eta, t, total):
        """Online step t on a batch of a corpus of ``total`` documents, in place; the priors after it, the statistic."""
        rho = (self.offset + t) ** -self.decay
        words, local = compact(batch)
        rows = min(DOCUMENTS, max(32, -(-batch.shape[0] // PARTS)))
        statistic = self._walk(local, *expected_topics(topics.at(words), topics.totals), alpha, rows)
        topics.update(words[statistic.words], statistic.counts, rho, total / statistic.documents, eta)
        if learned(self.alpha):
            # alpha stands for the mean of E log theta under it; that mean moves by rho towards the batch's.
            mean = (1 - rho) * (psi(alpha) - psi(alpha.sum())) + rho * statistic.log_theta / statistic.documents
            alpha = learned_alpha(mean, alpha)
        if learned(self.eta) and t % ETA_EVERY == 0:
            eta = learned_eta(topic_bound(topics.dense(), eta, self.n_jobs)[1], eta, *topics.rows.shape)
        return alpha, eta, statistic

    @unchanged_on_failure
    def partial_fit(self, X, y=None):
        """Learn from one more batch: a step of ``online``, or of ``gibbs`` sweeps over the batch.

        Parameters
        ----------
        X : array or sparse matrix (n_documents, n_terms), stream of chunks, Dask array or bag
            Term counts of a batch, which is held in memory.
        y : ignored
            Present for the API.

        Returns
        -------
        self
        """
        self._check()
        first = not hasattr(self, "components_")
        self._require_shape(not first)
        rng = check_random_state(self.random_state)
        X = check_counts(self, X, reset=first)
        if self.method == "gibbs":
            self._partial_gibbs(X, rng)
            return self
        batch = X if not is_out_of_core(X) else _joined(list(_chunks(X)))
        lam, alpha, eta = self._start(rng, not first)
        topics = OnlineTopics(np.ascontiguousarray(lam, batch.dtype if first else lam.dtype))
        t = 1 if first else self.n_batch_iter_ + 1
        seen, length = (0, 0.0) if first else (self.n_documents_seen_, self.mean_length_)
        seen += batch.shape[0]
        alpha, eta, statistic = self._step(topics, batch, alpha, eta, t, self.total_documents or seen)
        tokens = length * (seen - batch.shape[0]) + statistic.tokens
        self._keep(topics.dense(), alpha, eta, seen, tokens)
        self.n_iter_, self.n_batch_iter_ = 1 if first else self.n_iter_ + 1, t
        return self

    def _keep(self, lam, alpha, eta, documents, tokens):
        self.__dict__.update(_fitted(lam, alpha, eta))
        self.n_documents_seen_, self.mean_length_ = documents, tokens / documents

    def bound(self, X) -> float:
        """The variational bound (ELBO) on the log-likelihood of documents and topics.

        Parameters
        ----------
        X : array or sparse matrix (n_documents, n_terms), stream of chunks, Dask array or bag
            Term counts.

        Returns
        -------
        bound : float
            With the topics' posteriors Dirichlet(eta + topic counts), whatever the method that learned them, and the
            documents' as inferred from X.
        """
        check_is_fitted(self)
        X = check_counts(self, X, reset=False)
        lam = self._fitted_lambda()
        statistic = self._walk(X, *expected_topics(lam, column_sums(lam)), self.alpha_, DOCUMENTS)
        return statistic.bound + topic_bound(lam, self.eta_, self.n_jobs)[0]

    def _inference(self) -> Inference:
        if self.method == "gibbs":
            return self._infer(np.ascontiguousarray(self.components_.T), self.alpha_, digamma=False)
        lam = self._fitted_lambda()
        return self._infer(expected_topics(lam, column_sums(lam))[0], self.alpha_, digamma=True)

    def _infer(self, topics, alpha, *, digamma) -> Inference:
        return partial(infer, topics=topics, alpha=alpha, digamma=digamma, max_iter=self.max_doc_iter, tol=self.doc_tol)

    def _draw_proportions(self, n_documents, rng):
        # log Gamma(alpha) variates as log Gamma(alpha + 1) + log(U) / alpha: a small alpha gives zeros otherwise.
        size = (n_documents, len(self.alpha_))
        logs = np.log(rng.standard_gamma(self.alpha_ + 1, size)) + np.log(rng.uniform(size=size)) / self.alpha_
        theta = np.exp(logs - logs.max(axis=1, keepdims=True))
        return theta / theta.sum(axis=1, keepdims=True)


def _fitted(lam, alpha, eta):
    return fitted_topics(lam - np.asarray(eta, lam.dtype)[..., None], alpha, eta)


def _fitted_sample(sampler, alpha, eta):
    return fitted_topics(np.ascontiguousarray(sampler.topic_counts().T), alpha, eta)


def _fitted_online(topics, alpha, eta):
    return _fitted(topics.dense(), alpha, eta)
