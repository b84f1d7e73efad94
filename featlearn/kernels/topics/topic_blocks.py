"""The tokens of a corpus in blocks that can be sampled side by side, and the sweep over one block.

Documents are cut into P parts and terms into P parts, so the tokens fall into P x P blocks. In round r the P blocks
(p, (p + r) mod P) share neither a document nor a term: they are sampled at the same time without locks or copies of the
counts, and only the totals n_k of the topics are those of the round's start plus the block's own changes (Yan, Xu & Qi
2009). P depends on the corpus alone, so no number of threads changes a draw. With P = 1 the sampler is the exact
collapsed one. A block's terms are neighbors in memory, which keeps its counts in the cache.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from featlearn.jit import njit
from featlearn.kernels.topics.halves import SPREAD, mixed
from featlearn.kernels.topics.topic_draw import draw_topic

PART_TOKENS = 200_000  # tokens for each part: below twice this the sampler is exact
MOST_PARTS = 64


@dataclass(frozen=True)
class Tokens:
    """Tokens (n,) sorted by block; block (p, q) is ``starts[p * parts + q]`` to the next start.

    ``documents`` and ``rows`` say whose token and which row of the term counts it is; ``rows_of_terms`` (V,) is where a
    term's counts lie. ``weights`` has one entry if all tokens weigh the same.
    """

    parts: int
    starts: np.ndarray
    documents: np.ndarray
    rows: np.ndarray
    weights: np.ndarray
    rows_of_terms: np.ndarray

    def __len__(self) -> int:
        return len(self.documents)


def in_blocks(X: sp.csr_array, parts: int | None = None) -> Tokens:
    """The tokens of documents X (D, V): ceil(n) for a count n, each of weight n / ceil(n)."""
    numbers = np.ceil(X.data, dtype=np.float64)
    by_term = np.bincount(X.indices, weights=numbers, minlength=X.shape[1])
    ends = np.r_[0, np.cumsum(numbers)][X.indptr]
    numbers, ends, n_tokens = numbers.astype(np.int64), ends[1:].astype(np.int64), int(ends[-1])
    if parts is None:
        parts = min(max(1, n_tokens // PART_TOKENS), MOST_PARTS)
    part_of_term, rows_of_terms = dealt(by_term, parts)
    part_of_document = np.minimum(ends * parts // max(n_tokens, 1), parts - 1)
    starts = np.zeros(parts * parts + 1, np.int64)
    documents, rows = np.empty(n_tokens, np.int32), np.empty(n_tokens, np.int32)
    whole = bool(np.array_equal(numbers, X.data))
    weights = np.ones(1 if whole else n_tokens, np.float32)
    _fill(
        X.indptr, X.indices, X.data, numbers, part_of_document, part_of_term, rows_of_terms, parts, whole,
        starts, documents, rows, weights,
    )  # fmt: skip
    return Tokens(parts, starts, documents, rows, weights, rows_of_terms)


def dealt(sizes: np.ndarray, parts: int) -> tuple[np.ndarray, np.ndarray]:
    """Terms dealt into parts, largest first, to and fro, so that parts hold about equally many tokens.

    Returns each term's part (V,) and its row (V,) when the parts lie one after the other, frequent terms first.
    """
    order = np.argsort(-sizes, kind="stable")
    place = np.arange(len(sizes)) % (2 * parts)
    part = np.empty(len(sizes), np.int64)
    part[order] = np.minimum(place, 2 * parts - 1 - place)
    rows = np.empty(len(sizes), np.int64)
    rows[order[np.argsort(part[order], kind="stable")]] = np.arange(len(sizes))
    return part, rows


@njit(nogil=True, cache=True)
def _fill(
    indptr, indices, data, numbers, part_of_document, part_of_term, rows_of_terms, parts, whole,
    starts, documents, rows, weights,
):  # fmt: skip
    for d in range(indptr.shape[0] - 1):
        for i in range(indptr[d], indptr[d + 1]):
            starts[part_of_document[d] * parts + part_of_term[indices[i]] + 1] += numbers[i]
    for b in range(parts * parts):
        starts[b + 1] += starts[b]
    free = starts[:-1].copy()
    for d in range(indptr.shape[0] - 1):
        for i in range(indptr[d], indptr[d + 1]):
            b = part_of_document[d] * parts + part_of_term[indices[i]]
            for _ in range(numbers[i]):
                t = free[b]
                documents[t] = d
                rows[t] = rows_of_terms[indices[i]]
                if not whole:
                    weights[t] = data[i] / numbers[i]
                free[b] = t + 1


@njit(nogil=True, cache=True, fastmath={"contract"})
def sample_block(
    start, end, documents, rows, weights, topics, n_dk, n_wk, n_k, alpha, eta, eta_sum, n_topics, seed
):  # fmt: skip
    """Draw a new topic for each token of a block in turn; counts and ``topics`` (-1: none yet) change in place.

    ``n_k`` is the block's own copy of the totals. Returns how many tokens changed their topic.
    """
    one = np.float32(1)
    width = n_dk.shape[1]
    inverse, running = np.zeros(width, np.float32), np.empty(width, np.float32)
    for k in range(n_topics):
        inverse[k] = 1 / (n_k[k] + eta_sum)
    state, changed, last = mixed(np.uint64(seed)), 0, np.int64(n_topics - 1)
    same, same_eta = weights.shape[0] == 1, eta.shape[0] == 1
    for t in range(start, end):
        d, w, old = np.int64(documents[t]), np.int64(rows[t]), np.int64(topics[t])
        weight = weights[0] if same else weights[t]
        prior = eta[0] if same_eta else eta[w]
        state += SPREAD
        u = np.float32(mixed(state) >> np.uint64(40)) * np.float32(2.0**-24)
        without = one
        if old >= 0:
            without = np.float32(1 / (n_k[old] - weight + eta_sum))
        new: int = draw_topic(n_dk, d, n_wk, w, inverse, alpha, running, prior, old, weight, without, u, last)  # type: ignore[call-arg]
        if new == old:
            continue
        changed += 1
        topics[t] = new
        if old >= 0:
            n_dk[d, old] -= weight
            n_wk[w, old] -= weight
            n_k[old] -= weight
            inverse[old] = without
        n_dk[d, new] += weight
        n_wk[w, new] += weight
        n_k[new] += weight
        inverse[new] = 1 / (n_k[new] + eta_sum)
    return changed


@njit(nogil=True, cache=True)
def count_topics(documents, rows, weights, topics, n_dk, n_wk):
    """Write what tokens with ``topics`` (-1: none yet) count to n_dk (D, padded K) and n_wk (V, padded K)."""
    n_dk[:], n_wk[:] = 0, 0
    same = weights.shape[0] == 1
    for t in range(topics.shape[0]):
        if topics[t] >= 0:
            weight = weights[0] if same else weights[t]
            n_dk[documents[t], topics[t]] += weight
            n_wk[rows[t], topics[t]] += weight
