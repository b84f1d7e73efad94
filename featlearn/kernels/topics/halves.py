"""Documents as sparse counts: cut in two halves for completion, and scored under topics.

A document is a row of a CSR matrix: words w with counts n_w > 0. Its tokens are ceil(n_w) for each word, of weight
n_w / ceil(n_w) each, so whole counts give tokens of weight 1.

    halves       floor(N / 2) of its N tokens, drawn without replacement, and the rest
    log p(d)     sum_w n_w log sum_k theta_k phi_kw
"""

import numpy as np

from featlearn.jit import njit

SPREAD = np.uint64(0x9E3779B97F4A7C15)
MANY = 1 << 16  # tokens of one word from which its halves are cut in proportion, without drawing


@njit(nogil=True, cache=True, inline="always")
def mixed(h):
    """The finalizer of splitmix64: each bit of the result depends on each bit of h."""
    h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return h ^ (h >> np.uint64(31))


@njit(nogil=True, cache=True)
def halves(indptr, indices, data, seed, first):
    """Write the first half of each count to ``first`` (nnz,); which tokens depends on seed and contents alone.

    Tokens are taken one after the other, each with probability (still wanted) / (still to come): Knuth's algorithm S.
    """
    for d in range(indptr.shape[0] - 1):
        start, end = indptr[d], indptr[d + 1]
        state = mixed(np.uint64(seed) + SPREAD)
        tokens = np.int64(0)
        for i in range(start, end):
            m = np.int64(np.ceil(data[i]))
            tokens += m
            state = mixed(state ^ (np.uint64(indices[i]) * SPREAD + np.uint64(m)))
        wanted, left = tokens // 2, tokens
        for i in range(start, end):
            m = np.int64(np.ceil(data[i]))
            taken = np.int64(0)
            if m > MANY:
                taken = np.int64(np.rint(np.float64(m) * wanted / left))
                wanted -= taken
                left -= m
            for _ in range(m if m <= MANY else 0):
                state += SPREAD
                u = np.float64(mixed(state) >> np.uint64(11)) * 2.0**-53
                if u * left < wanted:
                    taken += 1
                    wanted -= 1
                left -= 1
            first[i] = data[i] * taken / m


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def log_likelihoods(indptr, indices, data, proportions, topics, out):
    """log p(d) (n,) in float64 under proportions (n, K) and topics (V, K); counts of 0 are left out."""
    for d in range(indptr.shape[0] - 1):
        total = 0.0
        for i in range(indptr[d], indptr[d + 1]):
            if data[i] > 0:
                p = topics.dtype.type(0)
                row, theta = topics[indices[i]], proportions[d]
                for k in range(row.shape[0]):
                    p += row[k] * theta[k]
                total += data[i] * np.log(np.float64(p))
        out[d] = total
