"""Latent Dirichlet allocation: documents are mixtures of topics, topics are distributions over words.

    theta_d ~ Dirichlet(alpha) (K,)    proportions of document d
    beta_k  ~ Dirichlet(eta) (V,)      topic k
    z ~ theta_d,  w ~ beta_z           each word of d draws a topic, and from it a term

Three ways to learn the same model: collapsed Gibbs sampling (`gibbs.py`), variational Bayes (`variational.py`), and its
online form (`online.py`); the formulas are there. Learned topics are counts: the mean number of words w that topic k
holds, `topic_counts_`, to which eta is added and which then are divided by their sums, `components_`.

Blei, Ng & Jordan (2003), "Latent Dirichlet allocation".
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from featlearn.callbacks import CallbackSupportMixin, end_iteration
from featlearn.fitting import fitting, guarded
from featlearn.notices import interruptible
from featlearn.streaming import is_out_of_core
from featlearn.text.batches import batches, dtype_of, whole
from featlearn.text.counts import check_counts, require_words
from featlearn.topics.em import RULES, count, has_settled, hold_out, require_topics, say_limit, seen
from featlearn.topics.first_topics import MOST, first_topics
from featlearn.topics.gibbs import GibbsRun, sampling_threads
from featlearn.topics.online import OnlineLearner
from featlearn.topics.priors import LEAST, drawn_proportions, first_alpha, first_eta, fitted_posterior, learned
from featlearn.topics.topic_model import Inference, TopicModelMixin
from featlearn.topics.variational import column_sums, expected_topics, infer, passes, topic_bound, walk
from featlearn.validation import check_parameters, either, instance, integer, one_of, optional, real

MAX_ITER = {"gibbs": 300, "vb": 100, "online": 10}
PART = 0.1  # of the words of first topics that count in lambda: online learning is slow to forget more
EVALUATE_EVERY = {"gibbs": 10, "vb": 1, "online": 1}


def _n_tasks(lda: "LDA", X: Any) -> int | None:
    """Sweeps, passes or batches to come at most; None where nobody knows."""
    if lda.method != "online":
        return lda.max_iter or MAX_ITER[lda.method]
    length = getattr(X, "shape", (0,))[0]  # a Dask array may not know its own
    total = 0 if np.isnan(length) else int(length)
    return (lda.max_iter or MAX_ITER["online"]) * -(-total // lda.batch_size) or None


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
        Dirichlet prior of topics. ``symmetric`` is 1 / K; ``learned`` starts there and learns one number, ``online``
        at every 16th mini-batch.
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
        streams, bags and in `partial_fit`.
    n_samples : int, default=20
        States of the ``gibbs`` sampler, after its last sweeps, whose topic counts are averaged; at most half of the
        sweeps.
    evaluate_every : int or None, default=None
        Iterations from one look at the held-out perplexity to the next, where ``early_stopping``. None takes 10 for
        ``gibbs`` and 1 for the others.
    early_stopping : bool, default=False
        Whether to hold documents out, stop when their perplexity no longer falls, and keep the best topics; ``gibbs``
        then averages the states of ``n_samples`` more sweeps instead. For arrays and sparse matrices only.
    validation_fraction : float, default=0.1
        Share of documents held out.
    n_iter_no_change : int, default=3
        Looks without improvement before ``early_stopping`` stops.
    tol : float, default=1e-4
        ``vb`` stops when the bound rises by less than this fraction in an iteration; with ``early_stopping`` the
        fraction by which the held-out perplexity should fall. 0 runs all iterations without ``early_stopping``.
    warm_start : bool, default=False
        Whether `fit` goes on from the topics of the fit before, and from the priors that are learned.
    n_jobs : int or None, default=None
        Threads; None takes every core this process may use. No effect on the result.
    random_state : int, RandomState or None, default=None
        Seed of the documents that first topics are made of, of the noise on them, of the documents held out and of the
        sampler.

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
        The bound before each iteration and after the last, of ``vb``.
    perplexity_curve_ : array
        Held-out perplexity at each look, where ``early_stopping``.
    mean_length_ : float
        Mean number of words of a training document.
    n_documents_seen_ : int
        Training documents seen.
    n_batch_iter_ : int
        Mini-batches seen; 1 after a fit of ``vb`` or ``gibbs``.
    n_iter_ : int
        Iterations of `fit`, and one more for each batch of `partial_fit`.
    n_features_in_ : int
        Number of terms V seen by `fit`.

    Raises
    ------
    ValueError
        For counts that are negative, not finite or all 0, a stream where ``early_stopping``, or a parameter out of
        range.

    Warns
    -----
    ConvergenceWarning
        If ``max_iter`` ended ``vb`` before ``tol`` did; or if an interrupt (Ctrl-C) ended the fit, which keeps the
        topics of the last whole pass of ``vb``, those after the last batch of ``online``, the state of the sampler of
        ``gibbs`` (or the mean of those averaged so far), or the best on the documents held out.

    See Also
    --------
    PLSA : Without priors of proportions.
    MixtureOfUnigrams : One topic a document.
    TopicExtractor : From raw texts to topics.

    Notes
    -----
    ``vb`` takes arrays, sparse matrices, functions that return iterators of chunks, Dask arrays and bags, and walks
    them once an iteration, and twice more, in memory that does not grow with the number of documents. ``online`` takes
    the same documents in their order, however they are cut into chunks: shuffle a corpus that is sorted. Results do
    not depend on the number of threads.

    Topics start from documents that differ most, of at most 2048: drawn at random for ``gibbs`` and ``vb``; the first
    for ``online``; those of the first mini-batch where an iterator or `partial_fit` hands them out one by one. So clear
    topics are found from nearly every seed, and in a smaller corpus another seed changes the noise and the sampler's
    draws, not the documents: restarts differ little. Where documents are even mixtures of many topics no start tells
    these apart; give ``gibbs`` more sweeps.

    Callbacks see ``bound`` of ``vb``, and of ``online`` the documents' part of it for each mini-batch, per word and
    before the step that learns from it; ``changed`` of ``gibbs``, the share of words that changed their topic; and of
    ``vb`` and ``gibbs`` ``perplexity``, where ``early_stopping``.

    Variational topics are surer of rare words than the data warrant, the more so the smaller ``eta``: in documents of
    ten words, with ``eta=0.01``, held-out perplexity rises with the passes of ``online``, and ``vb`` ends above the
    unigram model, here as in scikit-learn. There, give them an ``eta`` of 0.1 to 0.5, or use ``gibbs``; documents of a
    hundred words and more are content with 0.01.

    References
    ----------
    Blei, Ng & Jordan (2003), "Latent Dirichlet allocation". Griffiths & Steyvers (2004), "Finding scientific topics".
    Hoffman, Blei & Bach (2010), "Online learning for latent Dirichlet allocation". Wallach, Mimno & McCallum (2009),
    "Rethinking LDA: why priors matter".

    Examples
    --------
    >>> import numpy as np
    >>> from featlearn.topics.lda import LDA
    >>> X = np.array([[3, 2, 0, 0], [4, 1, 0, 0], [0, 0, 2, 3], [0, 0, 1, 4]])
    >>> proportions = LDA(2, method="vb", alpha=0.1, random_state=0).fit_transform(X)
    >>> bool(proportions[0].argmax() == proportions[1].argmax() != proportions[2].argmax())
    True
    """

    _rules: ClassVar = RULES | {
        "method": one_of("gibbs", "vb", "online"),
        "alpha": either(one_of("learned", "symmetric", "asymmetric"), real(LEAST), instance(np.ndarray, list, tuple)),
        "eta": either(one_of("learned", "symmetric"), real(LEAST), instance(np.ndarray, list, tuple)),
        "max_iter": optional(integer(1)),
        "batch_size": integer(1),
        "offset": real(0),
        "max_doc_iter": integer(1),
        "doc_tol": real(0),
        "total_documents": optional(integer(1)),
        "n_samples": integer(1),
        "evaluate_every": optional(integer(1)),
    }

    def __init__(
        self,
        n_components: int = 10,
        *,
        method: str = "gibbs",
        alpha: Any = "learned",
        eta: Any = 0.01,
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
        random_state: Any = None,
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

    @fitting(_n_tasks)
    def fit(self, X: Any, y: Any = None) -> Self:
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
        rng = check_random_state(self.random_state)
        warm = self.warm_start and hasattr(self, "components_")
        one_walk = isinstance(X, Iterator)
        one_shot = one_walk and self.max_iter is None and self.method == "online"
        max_iter = 1 if one_shot else self.max_iter or MAX_ITER[self.method]
        once = self.method == "online" and max_iter == 1
        X = check_counts(self, X, reset=not warm, passes=1 if once else 2)
        if self.method == "gibbs" and is_out_of_core(X):
            raise ValueError(
                "LDA: method='gibbs' keeps the topic of every word, so it takes an array or a sparse matrix. For a "
                "stream or a Dask collection use method='online' or 'vb', or partial_fit on its chunks."
            )
        alpha, eta = self._priors(warm)
        X, held = hold_out(self, X, rng)
        self._forget_curves()
        if self.method == "gibbs":
            self._fit_gibbs(X, alpha, eta, max_iter, rng, warm, held)
        elif self.method == "vb":
            lam = self._fitted_lambda() if warm else self._first_lambda(X, rng)
            self._fit_vb(X, lam, alpha, eta, max_iter, held)
        else:
            # Topics of the first documents; of an iterator, which cannot be walked again for them, of the first batch.
            early = None if warm or one_walk else next(batches(X, MOST))

            def start(batch):
                return self._fitted_lambda() if warm else self._first_lambda(batch if early is None else early, rng)

            self._fit_online(X, start, alpha, eta, max_iter, self.n_batch_iter_ if warm else 0, held)
        if held is not None:
            self.perplexity_curve_ = np.array(held.curve)
        self._sampled = self.method == "gibbs"
        return self

    def _priors(self, warm):
        """alpha (K,) and eta to start from: those of the fit before where they are learned, else the parameters."""
        K = self.n_components
        if warm:
            require_topics(self)
        alpha = self.alpha_ if warm and learned(self.alpha) else first_alpha(self.alpha, K)
        go_on = warm and learned(self.eta) and np.ndim(self.eta_) == 0
        return alpha, self.eta_ if go_on else first_eta(self.eta, K, self.n_features_in_)

    def _first_lambda(self, X, rng) -> np.ndarray:
        """lambda (V, K) to start from: near 1 at random, and a part of the words of topics that documents of X make."""
        K, V = self.n_components, self.n_features_in_
        noise, seed = rng.gamma(100.0, 0.01, (K, V)).T, int(rng.randint(2**31 - 1))
        topics, words = first_topics(X, K, V, seed, self.n_jobs)
        return noise * (1 + PART * words / K * topics)

    def _fitted_lambda(self) -> np.ndarray:
        """lambda (V, K) of the fitted model."""
        return np.ascontiguousarray((self.topic_counts_ + np.asarray(self.eta_, self.topic_counts_.dtype)).T)

    def _forget_curves(self):
        for name in ("bound_", "bound_curve_", "perplexity_curve_"):
            self.__dict__.pop(name, None)

    def _look(self, held, state):
        """Perplexity of the documents held out, with a state that begins with lambda (V, K) and alpha."""
        lam, alpha = state[:2]
        totals = column_sums(lam)
        topics, _ = expected_topics(lam, totals)
        return held.look(self._infer(topics, alpha, digamma=True), (lam / totals.astype(lam.dtype)).T, state)

    def _every(self) -> int:
        return self.evaluate_every or EVALUATE_EVERY[self.method]

    def _fit_gibbs(self, X, alpha, eta, max_iter, rng, warm, held):
        seed = int(rng.randint(2**31 - 1))
        run = GibbsRun(self, X, alpha, eta, max_iter, seed, self.topic_counts_ if warm else None)
        fitted = partial(run.fitted, X.dtype)
        # Between two sweeps, or within one, every word has a topic: the counts are a state of the sampler's.
        with interruptible("LDA", lambda: run.n_sweeps), sampling_threads(self.n_jobs) as pool:
            for changed in run.sweeps(pool):
                metrics = {"changed": changed}
                if held is not None and not run.n_states and run.n_sweeps % self._every() == 0:
                    components = fitted()["components_"]
                    inference = self._infer(np.ascontiguousarray(components.T), run.alpha, digamma=False)
                    metrics["perplexity"] = held.look(inference, components, None)
                    if held.stop:
                        run.settle()
                if end_iteration(self, metrics, fitted):
                    break
        self.__dict__.update(fitted())
        count(self, X.shape[0], X.sum(dtype=np.float64), run.n_sweeps, 1)

    def _fit_vb(self, X, lam, alpha, eta, max_iter, held):
        lam = np.ascontiguousarray(lam, dtype_of(X))
        bounds: list[float] = []
        settled = False
        kept: Any = None, [0.0]  # topics and priors of the last whole pass; the bounds of it and those before
        with interruptible("LDA", lambda: len(kept[1]) - 1):
            for iteration, state in enumerate(passes(self, X, lam, alpha, eta)):
                lam, alpha, eta, bound, statistic = state
                require_words("LDA", statistic.documents, statistic.tokens)
                bounds = [*bounds, bound]
                metrics = {"bound": bound}
                last = iteration == max_iter
                if held is not None and (last or iteration % self._every() == 0):
                    metrics["perplexity"] = self._look(held, state[:4])
                kept = state, bounds
                if iteration == 0:
                    continue
                stop = end_iteration(self, metrics, partial(fitted_posterior, lam, alpha, eta))
                settled = stop or (self.tol > 0 and has_settled(bounds, self.tol) if held is None else held.stop)
                if last or settled:
                    break
        (lam, alpha, eta, bound, statistic), bounds = kept
        if len(bounds) > max_iter and not settled:
            say_limit(self, max_iter, bounds, held)
        if held is not None:
            lam, alpha, eta, bound = held.best or kept[0][:4]
        self.__dict__.update(fitted_posterior(lam, alpha, eta), bound_=bound, bound_curve_=np.array(bounds))
        count(self, statistic.documents, statistic.tokens, len(bounds) - 1, 1)

    def _fit_online(self, X, start, alpha, eta, max_iter, t, held):
        length = getattr(X, "shape", (0,))[0]
        total = 0 if np.isnan(length) else int(length)  # a Dask array may not know
        learner: Any = None
        corpus, stop = (0, 0.0), False
        with interruptible("LDA", lambda: learner.t - t if learner and corpus[1] else 0):
            for iteration in range(1, max_iter + 1):
                documents, tokens = 0, 0.0
                for batch in batches(X, self.batch_size):
                    learner = learner or OnlineLearner(self, start(batch).astype(batch.dtype), alpha, eta, t)
                    total = max(total, documents + batch.shape[0])
                    statistic = learner.learn(batch, self.total_documents or total)
                    documents, tokens = documents + batch.shape[0], tokens + statistic.tokens
                    corpus = max(corpus, (documents, tokens))
                    metrics = {"documents": float(documents), "bound": statistic.bound / max(statistic.tokens, 1)}
                    stop = end_iteration(self, metrics, learner.fitted, "batch")
                    if stop:
                        break
                require_words("LDA", *corpus)
                if held is not None and (stop or iteration % self._every() == 0 or iteration == max_iter):
                    self._look(held, learner.state())
                if stop or (held is not None and held.stop):
                    break
        best = held.best if held is not None else None
        self.__dict__.update(fitted_posterior(*best) if best else learner.fitted())
        count(self, *corpus, iteration, learner.t)

    @guarded
    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Learn from one more batch: a step of ``online``, or ``gibbs`` sweeps over the batch that keep earlier counts.

        Parameters
        ----------
        X : array or sparse matrix (n_documents, n_terms), stream of chunks, Dask array or bag
            Term counts of a batch, which is held in memory. The first holds a word at least.
        y : ignored
            Present for the API.

        Returns
        -------
        self
        """
        first = not hasattr(self, "components_")
        rng = check_random_state(self.random_state)
        X = whole(check_counts(self, X, reset=first))
        documents, tokens = X.shape[0], float(X.sum(dtype=np.float64))
        if first:
            require_words("LDA", documents, tokens)
        alpha, eta = self._priors(not first)
        documents_before, words_before, n_iter, t = seen(self)
        total = documents_before + documents
        if self.method != "gibbs":
            lam = self._first_lambda(X, rng) if first else self._fitted_lambda()
            learner = OnlineLearner(self, lam.astype(X.dtype if first else lam.dtype), alpha, eta, t)
            learner.learn(X, self.total_documents or total)
            self.__dict__.update(learner.fitted())
        elif tokens:
            # The same documents again must not repeat the same draws: the seed goes on with the batches.
            seed = [int(rng.randint(2**31 - 1)) for _ in range(t + 1)][-1]
            before = None if first else self.topic_counts_
            run = GibbsRun(self, X, alpha, eta, self.max_iter or MAX_ITER["gibbs"], seed, before, keep=True)
            with sampling_threads(self.n_jobs) as pool:
                for _ in run.sweeps(pool):
                    pass
            dtype = X.dtype if first else self.topic_counts_.dtype
            self.__dict__.update(run.fitted(dtype))
        self._forget_curves()
        self._sampled = self.method == "gibbs"
        count(self, total, words_before + tokens, n_iter + 1, t + 1)
        return self

    def bound(self, X: Any) -> float:
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
        check_parameters(self, "n_jobs")
        X = check_counts(self, X, reset=False)
        lam = self._fitted_lambda()
        statistic = walk(self, X, *expected_topics(lam, column_sums(lam)), self.alpha_)
        return statistic.bound + topic_bound(lam, self.eta_, self.n_jobs)[0]

    def _inference(self) -> Inference:
        if self._sampled:
            return self._infer(np.ascontiguousarray(self.components_.T), self.alpha_, digamma=False)
        lam = self._fitted_lambda()
        return self._infer(expected_topics(lam, column_sums(lam))[0], self.alpha_, digamma=True)

    def _infer(self, topics, alpha, *, digamma) -> Inference:
        return partial(infer, topics=topics, alpha=alpha, digamma=digamma, max_iter=self.max_doc_iter, tol=self.doc_tol)

    def _draw_proportions(self, n_documents, rng):
        return drawn_proportions(self.alpha_, n_documents, rng)
