"""Variational Bayes for LDA, whole and online, against scikit-learn and gensim: 20 newsgroups, K = 100.

A pass is the difference between a longer and a shorter fit, divided by the extra passes, so that what a fit does once
does not count (and medians of three, where the documents are few); scikit-learn's batch fit is timed likewise, both at
the same settings and seed, and both bounds are computed by ours, from each model's topics. scikit-learn starts
documents at random, so bounds differ a little by the optima these end in, less with every pass. Held-out perplexity is
our completion of test posts, with each model's `components_`.
"""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.decomposition import LatentDirichletAllocation

from benchmarks.harness import show
from benchmarks.newsgroups import topic_corpus
from featlearn.threads import n_threads
from featlearn.topics.lda import LDA

ALPHA = ETA = 0.01
MAX_DOC_ITER, DOC_TOL = 100, 1e-3


def ours(method: str, K: int, passes: int, batch: int = 256) -> LDA:
    """Ours, not fitted."""
    settings: dict[str, Any] = {"alpha": ALPHA, "eta": ETA, "max_doc_iter": MAX_DOC_ITER, "doc_tol": DOC_TOL, "tol": 0}
    return LDA(K, method=method, max_iter=passes, batch_size=batch, n_jobs=n_threads(), random_state=0, **settings)


def scikit_learn(method: str, K: int, passes: int, batch: int = 256) -> LatentDirichletAllocation:
    """The peer, not fitted."""
    return LatentDirichletAllocation(
        K,
        doc_topic_prior=ALPHA,
        topic_word_prior=ETA,
        learning_method={"vb": "batch", "online": "online"}[method],
        learning_offset=10.0,
        max_iter=passes,
        batch_size=batch,
        max_doc_update_iter=MAX_DOC_ITER,
        mean_change_tol=DOC_TOL,
        n_jobs=n_threads(),
        random_state=0,
    )


def gensim_fit(X: sp.csr_array, K: int, passes: int, batch: int, workers: int) -> np.ndarray:
    """Topic counts lambda (K, V) of gensim's LdaModel (no workers) or LdaMulticore."""
    from gensim.matutils import Sparse2Corpus
    from gensim.models import LdaModel, LdaMulticore

    settings = {"alpha": [ALPHA] * K, "eta": ETA, "chunksize": batch, "passes": passes, "decay": 0.7, "offset": 10.0}
    settings |= {"iterations": MAX_DOC_ITER, "gamma_threshold": DOC_TOL, "eval_every": None, "random_state": 0}
    documents = Sparse2Corpus(sp.csr_matrix(X), documents_columns=False)
    words = {i: str(i) for i in range(X.shape[1])}
    if workers:
        model = LdaMulticore(documents, num_topics=K, id2word=words, workers=workers, **settings)
    else:
        model = LdaModel(documents, num_topics=K, id2word=words, update_every=1, **settings)
    return model.state.get_lambda()


def as_ours(lam: np.ndarray, X: sp.csr_array) -> LDA:
    """A model of ours that holds a peer's lambda (K, V)."""
    model = ours("vb", len(lam), 1)
    model.fit(X[:50])  # what a fit sets beside the topics
    model.topic_counts_ = (lam - ETA).astype(X.dtype)
    model.components_ = (lam / lam.sum(axis=1, keepdims=True)).astype(X.dtype)
    return model


def seconds(fit: Callable[..., Any], *arguments: Any, rounds: int = 1) -> tuple[float, Any]:
    """Wall time of a fit, the median of ``rounds``, and what it returns."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        result = fit(*arguments)
        times.append(time.perf_counter() - start)
    return median(times), result


def run(quick: bool = False) -> dict:
    """Time a pass of each, batch and online, and print bounds and held-out perplexities."""
    X, held, source = topic_corpus(quick)
    K, short, long, batch, rounds = (10, 1, 6, 128, 3) if quick else (100, 1, 10, 256, 1)
    title = f"{X.shape[0]} {source}, {X.shape[1]} terms, K={K}"
    ours("vb", K, 1).fit(X[:50])  # compiles
    scikit_learn("vb", K, 1).fit(X[:50])  # starts its workers
    result: dict = {"documents": X.shape[0], "terms": X.shape[1], "K": K, "data": source}

    rows, times, bounds = [], {}, {}
    for name, make in (("ours", ours), ("scikit-learn", scikit_learn)):
        first, _ = seconds(make("vb", K, short).fit, X, rounds=rounds)
        last, model = seconds(make("vb", K, long).fit, X, rounds=rounds)
        model = model if name == "ours" else as_ours(model.components_, X)
        times[name], bounds[name] = (last - first) / (long - short), model.bound(X)
        rows.append([name, times[name], times[name] / times["ours"], f"{bounds[name]:.6g}", model.perplexity(held)])
    show(f"Batch, {title}", ["", "s a pass", "time / ours", f"bound, {long} passes", "held-out"], rows)
    difference = abs(bounds["scikit-learn"] / bounds["ours"] - 1)
    print(f"bounds differ by {difference:.2g} of their size")
    result["batch"] = {"seconds": times, "bounds": bounds, "bound_difference": difference}
    result["batch"]["time_over_ours"] = times["scikit-learn"] / times["ours"]

    contenders: dict[str, Callable[[], Any]] = {
        "ours": lambda: ours("online", K, 1, batch).fit(X),
        # Its fit would end with a perplexity of all documents, a pass more; partial_fit walks the batches alone.
        "scikit-learn": lambda: scikit_learn("online", K, 1, batch).set_params(total_samples=X.shape[0]).partial_fit(X),
    }
    try:
        import gensim  # noqa: F401

        contenders["gensim LdaModel"] = lambda: gensim_fit(X, K, 1, batch, 0)
        contenders["gensim LdaMulticore"] = lambda: gensim_fit(X, K, 1, batch, n_threads())
    except ImportError:
        pass
    rows, times, held_out = [], {}, {}
    for name, fit in contenders.items():
        times[name], model = seconds(fit)
        if name != "ours":
            model = as_ours(getattr(model, "components_", model), X)
        held_out[name] = model.perplexity(held)
        rows.append([name, times[name], times[name] / times["ours"], held_out[name]])
    show(f"Online, batches of {batch}, {title}", ["", "s a pass", "time / ours", "held-out"], rows)
    result["online"] = {
        "seconds": times,
        "perplexity": held_out,
        "time_over_ours": {name: s / times["ours"] for name, s in times.items()},
    }
    return result
