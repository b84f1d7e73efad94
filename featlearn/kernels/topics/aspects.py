"""Expectation-maximization for a mixture of unigrams and for PLSA: the loops over words of documents.

Documents are rows of a CSR matrix, words w with counts n_w > 0; topics are word-major, (V, K), so the K numbers of a
word lie side by side.

    mixture    log r_k = log weight_k + sum_w n_w log phi_wk, less the logarithm of the sum     one topic a document
               sums_wk = sum_d n_dw r_dk
    PLSA       r_wk = phi_wk theta_k / sum_j phi_wj theta_j                                     one topic a word
               sums_wk = sum_d n_dw r_dwk,   theta_k = sum_w n_w r_wk / N

The factor phi_wk is common to sums_wk over documents, and theta_k to its sum over words, so both are left out of the
loops and multiplied in at the end.
"""

import numpy as np
import scipy.sparse as sp

from featlearn.jit import njit
from featlearn.kernels.exp import softmax_row
from featlearn.kernels.topics.halves import SPREAD, mixed

IMPOSSIBLE = -1e30  # the logarithm of 0: finite, so that a document no topic can produce still goes to the likeliest
FRACTION = 4096  # steps of a count that tell documents apart
FAST = {"reassoc", "contract", "nnan", "nsz"}


def safe_log(p: np.ndarray) -> np.ndarray:
    """log p in float64; IMPOSSIBLE for 0."""
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(p.astype(np.float64)), IMPOSSIBLE)


def updated_topics(words: np.ndarray, eta: float, old: np.ndarray) -> np.ndarray:
    """phi (V, K) of expected words (V, K), with the dtype of ``old``: (words + eta) / (their sum over words).

    A topic without words or pseudo-counts stays as it was: it adds nothing to the likelihood.
    """
    totals = words.sum(axis=0, dtype=np.float64) + len(words) * eta
    if totals.all():
        return ((words + eta) / totals).astype(old.dtype, copy=False)
    return np.where(totals > 0, (words + eta) / np.where(totals > 0, totals, 1), old).astype(old.dtype, copy=False)


def with_new_words(topics: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Topics (V, K) to go on from: words of the corpus that none knows get their share of its counts (V,) in each.

    Words of probability 0 in all topics would never be learned where EM multiplies, nor tell the topics apart.
    """
    new = (counts > 0) & ~topics.any(axis=1)
    if not new.any():
        return topics
    topics = topics.copy()
    topics[new] = (counts[new] / counts.sum())[:, None]
    return topics / topics.sum(axis=0)


@njit(nogil=True, cache=True, error_model="numpy", fastmath=FAST)
def posteriors(indptr, indices, data, log_topics, log_weights, out, log_p):
    """Write p(topic | document) to out (D, K) and log p(document) to log_p (D,); float64, in the log domain."""
    for d in range(indptr.shape[0] - 1):
        row = out[d]
        row[:] = 0
        for i in range(indptr[d], indptr[d + 1]):
            n, word = np.float64(data[i]), log_topics[indices[i]]
            for k in range(row.shape[0]):
                row[k] += n * word[k]
        for k in range(row.shape[0]):
            row[k] += log_weights[k]
        log_p[d] = softmax_row(row)


@njit(nogil=True, cache=True, fastmath=FAST)
def add_words(indptr, indices, data, weights, sums):
    """sums[w, k] += sum_d n_dw weights[d, k]; weights (D, K), sums (V, K)."""
    for d in range(indptr.shape[0] - 1):
        row = weights[d]
        for i in range(indptr[d], indptr[d + 1]):
            n, into = sums.dtype.type(data[i]), sums[indices[i]]
            for k in range(row.shape[0]):
                into[k] += n * row[k]


@njit(nogil=True, cache=True, error_model="numpy", fastmath=FAST)
def aspect_step(indptr, indices, data, topics, theta, least, learn, sums, log_p):
    """One EM step of PLSA: replaces theta (D, K), adds to sums (V, K) if ``learn``, writes sum_w n_w log p_w to log_p.

    ``sums`` lacks the factor topics (V, K). Words of probability below ``least`` move nothing; a document of no other
    words gets a uniform theta.
    """
    zero, one = theta.dtype.type(0), theta.dtype.type(1)
    K = theta.shape[1]
    total = np.empty(K, theta.dtype)
    for d in range(indptr.shape[0] - 1):
        t = theta[d]
        total[:] = zero
        log_p[d] = 0
        for i in range(indptr[d], indptr[d + 1]):
            row, n = topics[indices[i]], theta.dtype.type(data[i])
            p = zero
            for k in range(K):
                p += row[k] * t[k]
            log_p[d] += np.float64(n) * np.log(np.float64(p))
            if p < least:
                continue
            c = n / p
            for k in range(K):
                total[k] += c * row[k]
            if learn:
                into = sums[indices[i]]
                for k in range(K):
                    into[k] += c * t[k]
        scale = zero
        for k in range(K):
            t[k] *= total[k]
            scale += t[k]
        for k in range(K):
            t[k] = t[k] / scale if scale > zero else one / K


@njit(nogil=True, cache=True)
def _hash_documents(indptr, indices, data, seed, out):
    """A number (D,) in (0, 1) for each document, from its words and counts."""
    for d in range(indptr.shape[0] - 1):
        state = mixed(np.uint64(seed) + SPREAD)
        for i in range(indptr[d], indptr[d + 1]):
            state = mixed(state ^ (np.uint64(indices[i]) * SPREAD + np.uint64(np.int64(data[i] * FRACTION))))
        out[d] = (np.float64(state >> np.uint64(11)) + 0.5) * 2.0**-53


def document_uniforms(X: sp.csr_array, seed: int) -> np.ndarray:
    """A number (D,) in (0, 1) for each document: a function of the seed and of what it holds, not of its place."""
    out = np.empty(X.shape[0])
    _hash_documents(X.indptr, X.indices, X.data, seed, out)
    return out
