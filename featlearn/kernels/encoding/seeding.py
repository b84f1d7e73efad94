"""First centers by greedy k-means++ (Arthur & Vassilvitskii 2007; the greedy rule as in scikit-learn).

A center is drawn with probability in proportion to mass times squared distance from the centers so far; of several
draws the one that leaves the least sum is kept. Distances are sums of squared differences, so nothing cancels. With
``signless`` a row lies as near to -c as to c. A row nearer to its own center than half the way from there to the new
one is not measured: the triangle inequality settles it.
"""

import numpy as np

from featlearn.jit import njit

FEW = 64  # centers up to which twice the draws cost little, and miss half as many clusters


@njit(nogil=True, cache=True, fastmath=True)
def _square(x, c):
    """|x - c|^2."""
    square = x.dtype.type(0)
    for j in range(x.shape[0]):
        difference = x[j] - c[j]
        square += difference * difference
    return square


@njit(nogil=True, cache=True, fastmath=True)
def _signless_square(x, c):
    """The lesser of |x - c|^2 and |x + c|^2."""
    minus, plus = x.dtype.type(0), x.dtype.type(0)
    for j in range(x.shape[0]):
        minus += (x[j] - c[j]) * (x[j] - c[j])
        plus += (x[j] + c[j]) * (x[j] + c[j])
    return min(minus, plus)


@njit(nogil=True, cache=True)
def _trial(X, masses, center, signless, closest, owner, half, after):
    """after[i] = the lesser of closest[i] and X[i]'s squared distance from a center; returns sum masses * after."""
    left = 0.0
    for i in range(X.shape[0]):
        near = closest[i]
        if near > half[owner[i]]:
            near = min(near, _signless_square(X[i], center) if signless else _square(X[i], center))
        after[i] = near
        left += masses[i] * near
    return left


@njit(nogil=True, cache=True)
def plus_plus(X, masses, draws, signless, chosen, owner):
    """Indices of greedy k-means++ centers among rows X (n, d) go to chosen (K,); returns how many differ.

    ``draws`` (K, L) are uniform numbers: L candidates for each center, and one for the first. ``owner`` (n,), zeros at
    first, gets the nearest center of each row.
    """
    n, (K, L) = X.shape[0], draws.shape
    closest, running, half = np.full(n, np.inf), np.empty(n), np.zeros(K)
    after, best = np.empty(n), np.empty(n)
    for k in range(K):
        total = 0.0
        for i in range(n):
            total += masses[i] if k == 0 else masses[i] * closest[i]
            running[i] = total
        if not 0 < total < np.inf:  # squares that overflow decide nothing
            return k
        least = np.inf
        for t in range(L if k else 1):
            candidate = min(np.searchsorted(running, draws[k, t] * total, side="right"), n - 1)
            center = X[candidate]
            for h in range(k):
                other = X[chosen[h]]
                half[h] = (_signless_square(other, center) if signless else _square(other, center)) / 4
            left = _trial(X, masses, center, signless, closest, owner, half, after)
            if t == 0 or left < least:
                least, chosen[k] = left, candidate
                best, after = after, best
        for i in range(n):
            if best[i] < closest[i]:
                closest[i], owner[i] = best[i], k
    return K


def spread_rows(
    X: np.ndarray, masses: np.ndarray, n_centers: int, rng: np.random.RandomState, *, signless: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """At most ``n_centers`` different rows of X (n, d) by greedy k-means++, and how many rows lie nearest to each.

    ``masses`` (n,) count as repetitions of the rows when centers are drawn, not in that number.
    """
    chosen, owner = np.zeros(n_centers, np.int64), np.zeros(len(X), np.int64)
    tries = (2 + int(np.log(n_centers))) * (2 if n_centers <= FEW else 1)
    draws = rng.random_sample((n_centers, tries))
    found = plus_plus(np.ascontiguousarray(X), masses, draws, signless, chosen, owner)
    return X[chosen[:found]], np.bincount(owner, minlength=found)
