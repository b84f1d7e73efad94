"""Topic weights of documents under fixed topics, fused: the inner loop of variational Bayes and of folding-in.

    gamma_k = prior_k + sum_w n_w r_wk,    r_wk = t_k topics_wk / sum_j t_j topics_wj,    t = exp(psi(gamma)) or gamma

is iterated for each document, from gamma = prior + N / K, until the mean |change of gamma| is below tol. With
t = exp(psi(gamma)) it is the E-step of variational Bayes (Blei, Ng & Jordan 2003); with t = gamma and prior 0, PLSA's
folding-in (Hofmann 1999); with t = gamma and prior alpha, inference under fixed topics. r does not change when a word's
topics are scaled, so every word's largest is made 1, and neither float32 nor rare words underflow.

A document's rows of topics are gathered once into a buffer that stays in the cache, K padded to whole vectors and words
to blocks of four. Four words then share each load of t and each store of the sum.

No t is smaller than about e^-30 of the largest (e^-300 in float64), nor are topics that `exp_digamma` makes: their
products stay normal numbers, where others cost a hundred times as much, and a sum of them does not notice.

psi needs no logarithm here:  exp(psi(x)) = (x + 8) exp(-series(x + 8) - sum_{i<8} 1/(x + i)).
"""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from featlearn.jit import njit
from featlearn.kernels.exp import exp
from featlearn.kernels.simd import fast_min

LANES = 16  # K is padded to a multiple
BLOCK = 4  # words in a block
FAST = {"reassoc", "contract", "nnan", "nsz", "arcp"}


class Expectation(NamedTuple):
    """What the E-step says of a chunk: gamma (D, K), the words' statistic sum_d n_dw r_dwk (m, K), and per document
    sum_w n_w log sum_k t_k topics_wk (D,), with t the exact exp(psi(gamma)) or gamma.
    """

    gamma: np.ndarray
    statistic: np.ndarray
    log_p: np.ndarray


@njit(nogil=True, cache=True, forceinline=True)
def _log_least(x):
    """Logarithm of the least share of the largest weight that is kept, in the type of x."""
    return x.dtype.type(-30.0) if x.itemsize == 4 else x.dtype.type(-300.0)


@njit(nogil=True, cache=True, forceinline=True, error_model="numpy", fastmath=FAST)
def _exp_digamma(gamma, t, floor):
    """Write exp(psi(gamma) - c), at least about e^floor of the largest, to t; returns c."""
    one = gamma.dtype.type
    half, seven, eight, low = one(0.5), one(7), one(8), one(np.inf)
    two, six, ten, twelve, sixteen, unit = one(2), one(6), one(10), one(12), one(16), one(1)
    a, b, c, d = one(1 / 12), one(1 / 120), one(1 / 252), one(1 / 240)  # the asymptotic series of psi
    e, f, g = one(1 / 132), one(691 / 32760), one(1 / 12)
    for k in range(gamma.shape[0]):
        x = gamma[k]
        q = x * (x + seven)
        # 1/x + ... + 1/(x+7) in pairs: x (x+7) = q, (x+1) (x+6) = q + 6, (x+2) (x+5) = q + 10, (x+3) (x+4) = q + 12
        pairs = (two * q + twelve) / (q * (q + twelve)) + (two * q + sixteen) / ((q + six) * (q + ten))
        y = unit / (x + eight)
        z = y * y
        series = half * y + z * (a - z * (b - z * (c - z * (d - z * (e - z * (f - z * g))))))
        value = series + (two * x + seven) * pairs
        t[k] = value
        low = fast_min(low, value)  # type: ignore[call-arg]
    for k in range(gamma.shape[0]):
        t[k] = (gamma[k] + eight) * exp(max(low - t[k], floor))
    return -low


@njit(nogil=True, cache=True, forceinline=True, error_model="numpy", fastmath=FAST)
def _gather(rows, indices, data, start, end, buffer, counts):
    """Copy a document's words of known topics to the buffer, in whole blocks; returns how many blocks."""
    m = 0
    for i in range(start, end):
        row = rows[indices[i]]
        if row[0] < 0 or data[i] <= 0:
            continue
        counts[m] = data[i]
        into = buffer[m]
        for k in range(row.shape[0]):
            into[k] = row[k]
        m += 1
    while m % BLOCK:
        counts[m] = 0
        buffer[m] = 1
        m += 1
    return m // BLOCK


@njit(nogil=True, cache=True, forceinline=True, error_model="numpy", fastmath=FAST)
def _weighted_sum(t, buffer, counts, blocks, total):
    """Write sum_w n_w topics_w / (t . topics_w) to ``total``."""
    zero = t.dtype.type(0)
    K = t.shape[0]
    total[:] = zero
    for block in range(blocks):
        w = block * BLOCK
        b0, b1, b2, b3 = buffer[w], buffer[w + 1], buffer[w + 2], buffer[w + 3]
        p0, p1, p2, p3 = zero, zero, zero, zero
        for k in range(K):
            p0 += t[k] * b0[k]
            p1 += t[k] * b1[k]
            p2 += t[k] * b2[k]
            p3 += t[k] * b3[k]
        c0, c1, c2, c3 = counts[w] / p0, counts[w + 1] / p1, counts[w + 2] / p2, counts[w + 3] / p3
        for k in range(K):
            total[k] += (c0 * b0[k] + c1 * b1[k]) + (c2 * b2[k] + c3 * b3[k])


@njit(nogil=True, cache=True, forceinline=True, error_model="numpy", fastmath=FAST)
def _weights(gamma, t, digamma, floor):
    """Write exp(psi(gamma)) or gamma to t, up to a factor e^-c; returns c. No t is smaller than the rest can bear."""
    if digamma:
        return _exp_digamma(gamma, t, floor)
    zero = gamma.dtype.type(0)
    total = zero
    for k in range(gamma.shape[0]):
        total += gamma[k]
    least = total * exp(floor)
    for k in range(gamma.shape[0]):
        t[k] = max(gamma[k], least)
    return zero


@njit(nogil=True, cache=True, error_model="numpy", fastmath=FAST)
def _documents(indptr, indices, data, rows, prior, gamma, digamma, max_iter, tol, longest, learn, statistic, log_p):
    """Iterate gamma (D, Kp) of every document in place; with ``learn`` also its part of the statistic and log_p."""
    one = rows.dtype.type
    floor = _log_least(rows)
    K = rows.shape[1]
    buffer = np.empty((longest + BLOCK, K), rows.dtype)
    counts = np.empty(longest + BLOCK, rows.dtype)
    t, total = np.empty(K, rows.dtype), np.empty(K, rows.dtype)
    for d in range(indptr.shape[0] - 1):
        start, end = indptr[d], indptr[d + 1]
        blocks = _gather(rows, indices, data, start, end, buffer, counts)
        current = gamma[d]
        for _ in range(max_iter):
            _weights(current, t, digamma, floor)
            _weighted_sum(t, buffer, counts, blocks, total)
            change = one(0)
            for k in range(K):
                new = prior[k] + t[k] * total[k]
                change += abs(new - current[k])
                current[k] = new
            if change < tol:
                break
        if learn:
            scale = np.float64(_weights(current, t, digamma, floor))
            for i in range(start, end):
                row = rows[indices[i]]
                if row[0] < 0:
                    continue
                p = one(0)
                for k in range(K):
                    p += t[k] * row[k]
                c, into = data[i] / p, statistic[indices[i]]
                log_p[d] += data[i] * (np.log(np.float64(p)) + scale)
                for k in range(K):
                    into[k] += c * t[k]


@njit(nogil=True, cache=True, error_model="numpy")
def _mark(indices, place):
    """Set place (V,) of the words that occur to their rank among them, in order; returns how many there are."""
    for i in range(indices.shape[0]):
        place[indices[i]] = 1
    m = 0
    for w in range(place.shape[0]):
        if place[w]:
            place[w] = m
            m += 1
        else:
            place[w] = -1
    return m


@njit(nogil=True, cache=True, error_model="numpy", fastmath=FAST)
def _scaled_rows(topics, words, rows, log_scale):
    """Write the words' topics (V, K) to rows (m, Kp), largest 1 and padding 0, and the log of the largest to log_scale.

    A word of no topic gets -1 and -inf.
    """
    K = topics.shape[1]
    for i in range(words.shape[0]):
        topic, row = topics[words[i]], rows[i]
        low = -topic[0]
        for k in range(K):
            low = fast_min(low, -topic[k])  # type: ignore[call-arg]
        row[:] = 0
        if low == 0:
            row[0] = -1
            log_scale[i] = -np.inf
            continue
        for k in range(K):
            row[k] = topic[k] / -low
        log_scale[i] = np.log(np.float64(-low))


@njit(nogil=True, cache=True, error_model="numpy", fastmath=FAST)
def _exp_digamma_rows(x, out, log_scale):
    floor = _log_least(x)
    for i in range(x.shape[0]):
        log_scale[i] = _exp_digamma(x[i], out[i], floor)


@njit(nogil=True, cache=True, error_model="numpy", fastmath=FAST)
def dirichlet_sums(x, weights, out):
    """Add to out (4, K) the sums over rows of x (m, K): log Gamma(x), x psi(x), psi(x) and weights (m,) times psi(x).

    log Gamma(x) = (y - 1/2) log y - y + log(2 pi) / 2 + series(y) - log x (x+1) ... (x+7), y = x + 8, all in float64.
    """
    constant = 0.5 * np.log(2 * np.pi)
    for i in range(x.shape[0]):
        for k in range(x.shape[1]):
            v = np.float64(x[i, k])
            y, q = v + 8, v * (v + 7)
            z = 1 / y
            u = z * z
            first, second = q * (q + 12), (q + 6) * (q + 10)
            pairs = ((2 * q + 12) * second + (2 * q + 16) * first) / (first * second)
            log_y = np.log(y)
            series = u * (1 / 12 - u * (1 / 120 - u * (1 / 252 - u * (1 / 240 - u * (1 / 132 - u * 691 / 32760)))))
            psi = log_y - 0.5 * z - series - (2 * v + 7) * pairs
            series = z * (1 / 12 - u * (1 / 360 - u * (1 / 1260 - u * (1 / 1680 - u * (1 / 1188 - u * 691 / 360360)))))
            out[0, k] += (y - 0.5) * log_y - y + constant + series - np.log(first * second)
            out[1, k] += v * psi
            out[2, k] += psi
            out[3, k] += weights[i] * psi


def exp_digamma(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """exp(psi(x) - c) and c (m,) for rows x (m, K) greater than 0; no entry is smaller than about e^-30 of the largest
    of its row (e^-300 in float64).
    """
    out, log_scale = np.empty_like(x), np.empty(len(x))
    _exp_digamma_rows(x, out, log_scale)
    return out, log_scale


@njit(nogil=True, cache=True)
def merged_rows(words, rows, more_words, more_rows):
    """Sum of two sparse sets of rows: the words (m,) of either, sorted as theirs, and their rows (m, K)."""
    a, b = words.shape[0], more_words.shape[0]
    i, j, m = 0, 0, 0
    while i < a or j < b:
        first, second = i < a and (j >= b or words[i] <= more_words[j]), j < b and (i >= a or more_words[j] <= words[i])
        i, j, m = i + first, j + second, m + 1
    union, total = np.empty(m, words.dtype), np.empty((m, rows.shape[1]), rows.dtype)
    i, j, m = 0, 0, 0
    while i < a or j < b:
        first, second = i < a and (j >= b or words[i] <= more_words[j]), j < b and (i >= a or more_words[j] <= words[i])
        into = total[m]
        if first and second:
            union[m] = words[i]
            for k in range(into.shape[0]):
                into[k] = rows[i, k] + more_rows[j, k]
        elif first:
            union[m] = words[i]
            into[:] = rows[i]
        else:
            union[m] = more_words[j]
            into[:] = more_rows[j]
        i, j, m = i + first, j + second, m + 1
    return union, total


def compact(X: sp.csr_array) -> tuple[np.ndarray, sp.csr_array]:
    """The words (m,) that documents (D, V) hold, in order, and the documents over these words alone (D, m)."""
    place = np.zeros(X.shape[1], np.int32)
    m = _mark(X.indices, place)
    return np.flatnonzero(place >= 0), sp.csr_array((X.data, place[X.indices], X.indptr), shape=(X.shape[0], m))


def _iterate(X, topics, words, prior, digamma, max_iter, tol, gamma, learn):
    K, dtype = topics.shape[1], topics.dtype
    padded = -(-K // LANES) * LANES
    rows, log_scale = np.empty((len(words), padded), dtype), np.empty(len(words))
    _scaled_rows(topics, words, rows, log_scale)
    full_prior = np.full(padded, max(np.min(prior), 0), dtype)  # padding must not exceed any topic's weight
    full_prior[:K] = prior
    data = X.data.astype(dtype, copy=False)
    full = np.empty((X.shape[0], padded), dtype)
    full[:] = full_prior
    if gamma is None:
        full[:, :K] += np.asarray(X.sum(axis=1)).reshape(-1, 1).astype(dtype) / K
    else:
        full[:, :K] = gamma
    longest = int(np.diff(X.indptr).max(initial=0))
    statistic = np.zeros((len(words) if learn else 0, padded), dtype)
    log_p = np.zeros(X.shape[0])
    sizes = (max_iter, dtype.type(tol * K), longest)
    _documents(X.indptr, X.indices, data, rows, full_prior, full, digamma, *sizes, learn, statistic, log_p)
    if learn:
        statistic *= rows
        known = np.where(np.isfinite(log_scale), log_scale, 0)
        log_p += X @ known if X.nnz else 0
    return np.ascontiguousarray(full[:, :K]), np.ascontiguousarray(statistic[:, :K]), log_p


def fold_in(
    X: sp.csr_array,
    topics: np.ndarray,
    prior: np.ndarray,
    *,
    digamma: bool,
    max_iter: int = 100,
    tol: float = 1e-3,
    gamma: np.ndarray | None = None,
) -> np.ndarray:
    """Topic weights of documents under fixed topics; each document on its own.

    Parameters
    ----------
    X : csr_array (D, V)
        Counts. Words that no topic knows (a row of zeros) are left out.
    topics : array (V, K) of float32 or float64
        At least 0; a word's scale has no effect. Its dtype is that of the result.
    prior : array (K,)
        At least 0; greater than 0 where ``digamma``.
    digamma : bool
        Whether t is exp(psi(gamma)), or gamma.
    max_iter : int, default=100
        Most iterations for a document.
    tol : float, default=1e-3
        Stop when the mean |change of gamma| is below.
    gamma : array (D, K) or None, default=None
        Where to start; None: prior + N / K.

    Returns
    -------
    gamma : array (D, K)
        Rows sum to sum(prior) + N, with N the document's known words.
    """
    words, local = compact(X)
    return _iterate(local, topics, words, np.asarray(prior), digamma, max_iter, tol, gamma, False)[0]


def expectation(
    X: sp.csr_array,
    topics: np.ndarray,
    prior: np.ndarray,
    *,
    digamma: bool,
    max_iter: int = 100,
    tol: float = 1e-3,
    gamma: np.ndarray | None = None,
) -> Expectation:
    """The weights of `fold_in` with the statistic of every word (V, K) and the log_p of every document (D,)."""
    words = np.arange(len(topics))
    return Expectation(*_iterate(X, topics, words, np.asarray(prior), digamma, max_iter, tol, gamma, True))
