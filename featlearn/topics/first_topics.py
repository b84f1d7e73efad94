"""The topics that learning starts from, one after the other, each of documents that those before it explain badly.

Random topics all look like the corpus, and from there two true topics often end up in one, and another in two: a state
that neither EM nor a Gibbs sampler leaves. So topics are seeded as centers are by greedy k-means++, with the likelihood
in place of the distance. With m the distribution of words in the corpus, and p_d in document d of N_d words:

    t_d = (1 - b) m + b p_d                          the topic that document d makes
    g_d(t) = sum_w n_dw log(t_w / m_w)               what a topic t gains in document d, over the corpus as its topic
    next topic    t_c of the document c for which  sum_d max(g_d(t_c), g_d of the topics before)  is largest,
                  then the words of all documents in which that gains more than the topics before

The greedy choice of k documents gains at least 1 - 1/e of what the best k would (Nemhauser, Wolsey & Fisher 1978: the
sum is submodular). All documents are tried, or 2048 of them drawn at random; so below that nothing here is random.
"""

from collections.abc import Callable
from functools import partial
from heapq import heapify, heapreplace
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp

from featlearn.kernels.sample import RowSample
from featlearn.kernels.topics.aspects import document_uniforms
from featlearn.streaming import accumulate
from featlearn.text.counts import DOCUMENTS

MOST = 2048  # distinct documents that topics are made of
SHARE = 0.5  # b, where one document makes a topic
REFINED = 0.9  # b, where many do


def drawn_documents(chunk: sp.csr_array, *, size: int, seed: int) -> RowSample:
    """The statistic that draws ``size`` distinct documents of a corpus, those without words left out."""
    keys = np.where(np.diff(chunk.indptr) > 0, document_uniforms(chunk, seed), np.inf)
    rows = np.empty(len(keys), object)
    for d, (start, end) in enumerate(pairwise(chunk.indptr)):
        rows[d] = (chunk.indices[start:end], chunk.data[start:end])
    return RowSample.least(size, keys, keys, rows)


def first_topics(X: Any, n_topics: int, n_terms: int, seed: int, n_jobs: int | None = None) -> tuple[np.ndarray, float]:
    """Distributions (V, K), 0 for words that no document drawn holds, and the number of words of those documents.

    X is a corpus as `check_counts` gives it, with ``n_terms`` V. Without any word, all is 0.
    """
    sample = accumulate(partial(drawn_documents, size=MOST, seed=seed), X, n_jobs=n_jobs, rows=DOCUMENTS)
    topics = np.zeros((n_terms, n_topics))
    if len(sample.rows) == 0:
        return topics, 0.0
    words, counts = zip(*sample.rows, strict=True)
    ends = np.cumsum([0, *map(len, words)])
    documents = sp.csr_array(
        (np.concatenate(counts).astype(np.float64), np.concatenate(words), ends), shape=(len(words), n_terms)
    )
    seeded_topics(documents, sample.masses, topics)
    return topics, float(sample.masses @ documents.sum(axis=1))


def seeded_topics(documents: sp.csr_array, masses: np.ndarray, topics: np.ndarray) -> None:
    """Write distributions to topics (V, K), of documents (n, V) that each stand for ``masses`` (n,) alike."""
    lengths, corpus = documents.sum(axis=1), documents.T @ masses
    m, ends = corpus / corpus.sum(), documents.indptr
    shares = _mapped(documents, lambda n: n / np.repeat(lengths, np.diff(ends)))
    lifts = _mapped(shares, lambda p: np.log1p(SHARE / (1 - SHARE) * p / m[shares.indices]))
    gains = (lifts @ documents.T).toarray() + np.log(1 - SHARE) * lengths  # of the document's topic, in each other
    gained = np.zeros(len(lengths))
    # What a document adds only falls as topics are added, so what it added once bounds it, and few are looked at again.
    bounds = [(-float(np.maximum(row, 0) @ masses), c) for c, row in enumerate(gains)]
    heapify(bounds)
    topics[:] = (1 - SHARE) * m[:, None]
    for k in range(topics.shape[1]):
        c, gain = _largest(bounds, gains, gained, masses)
        won = masses * (gain > gained)
        if not won.any():  # no document is left that would gain: the rest start from those that gained least
            least = np.argsort(gained / lengths, kind="stable")
            for j in range(k, topics.shape[1]):
                _blend(topics[:, j], shares, least[(j - k) % len(least)])
            break
        _blend(topics[:, k], shares, c)
        words = documents.T @ won
        refined = REFINED * words / words.sum() + (1 - REFINED) * m
        again = documents @ np.log(np.divide(refined, m, out=np.ones_like(m), where=m > 0))
        if masses @ np.maximum(again, gained) > masses @ np.maximum(gain, gained):
            topics[:, k], gain = refined, again
        gained = np.maximum(gained, gain)


def _largest(bounds: list, gains: np.ndarray, gained: np.ndarray, masses: np.ndarray) -> tuple[int, np.ndarray]:
    """The document that adds most to what is gained, the first of equals, and its gains; ``bounds`` are brought up."""
    while True:
        _, c = bounds[0]
        adds = float(np.maximum(gains[c] - gained, 0) @ masses)
        heapreplace(bounds, (-adds, c))
        if bounds[0][1] == c:
            return c, gains[c]


def _blend(topic: np.ndarray, shares: sp.csr_array, c: int) -> None:
    own = slice(shares.indptr[c], shares.indptr[c + 1])
    topic[shares.indices[own]] += SHARE * shares.data[own]


def _mapped(X: sp.csr_array, f: Callable[[np.ndarray], np.ndarray]) -> sp.csr_array:
    return sp.csr_array((f(X.data), X.indices, X.indptr), shape=X.shape)
