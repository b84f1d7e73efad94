"""Nearest atoms and the sums that K-means learns from, one cache-sized block at a time; products find, sums confirm.

    G (m, K) = (X - c) A'                               one matrix product a block; c: where the atoms crowd, or 0
    euclidean  j = argmin_j |a_j - c|^2 + G_j           error |x - a_j|^2         A = -2 (atoms - c), b_j = |a_j - c|^2
    cosine     j = argmax_j x.a_j                       error |x - a_j|^2 / 2     A = -atoms,         b = 0
    spherical  j = argmax_j |x.a_j|, code s = x.a_j     error |x - s a_j|^2       A = -atoms,         b = 0

Where groups lie far apart the first cancels: in float32, atoms 1 apart at 3000 and at -3000 look alike, and no center
helps both. So a product decides only where its rounding cannot matter. With u the unit roundoff and d features,
v_j = G_j + b_j is within

    tau_j = (d + 16) u (2 |x - c| |a_j - c| + b_j)

of its true value (Higham 2002, "Accuracy and stability of numerical algorithms", section 3.1). The atoms with
v_j - tau_j <= min_i (v_i + tau_i), if more than one, are measured again in float64, by (x - a_j)^2 or x.a_j; of
whitened patches that is one in a hundred. The error of the winner is always such a sum. So labels are those of float64,
whatever the precision of the rows. Ties go to the lowest index.
"""

from typing import NamedTuple

import numpy as np

from featlearn.arrays import as_float, read_only
from featlearn.jit import njit
from featlearn.kernels.simd import fast_min

EUCLIDEAN, COSINE, SPHERICAL = range(3)
ASSIGNMENTS = {"euclidean": EUCLIDEAN, "cosine": COSINE, "spherical": SPHERICAL}
BLOCK_ROWS = 512
FAR = 64.0
MARGIN = 16  # roundings beyond the d of a product: of the rows, the atoms, the center and the sums
SCAN = 256
TYPICAL = 64  # atoms that tell where the others crowd


class Atoms(NamedTuple):
    """Atoms ready for the kernels: ``exact`` (K, d) as given; all else in the rows' dtype, about ``center``.

    ``A`` (K, d) and ``bias`` (K,) as above; ``lengths`` (K,) of the atoms; ``center`` (d,), or (0,) for the origin;
    ``slack`` is (d + 16) u.
    """

    rule: int
    exact: np.ndarray
    A: np.ndarray
    bias: np.ndarray
    lengths: np.ndarray
    center: np.ndarray
    longest: np.floating
    slack: np.floating


def prepared_atoms(atoms: np.ndarray, assignment: str, dtype: np.dtype) -> Atoms:
    """Atoms (K, d) made ready for rows of a dtype."""
    exact = np.ascontiguousarray(as_float(np.asarray(atoms)))
    if dtype == np.float64:
        exact = exact.astype(np.float64, copy=False)  # fewer kinds of kernels to compile
    euclidean = assignment == "euclidean"
    center = far_center(exact) if euclidean else None
    center = np.empty(0, dtype) if center is None else center.astype(dtype)
    near = np.ascontiguousarray(exact - center if len(center) else exact, dtype=dtype)
    squares = np.einsum("kd,kd->k", near, near)
    lengths = np.sqrt(squares)
    return Atoms(
        ASSIGNMENTS[assignment],
        read_only(exact),
        -2 * near if euclidean else -near,
        squares if euclidean else np.zeros_like(squares),
        lengths,
        center,
        lengths.max(),
        near.dtype.type((near.shape[1] + MARGIN) * np.finfo(dtype).eps / 2),
    )


def far_center(points: np.ndarray) -> np.ndarray | None:
    """Where most points (n, d) crowd, if that is so far from the origin that products cancel, else None.

    The median by coordinates of some of them: one outlier moves a mean, and with it every product.
    """
    some = points[:: -(-len(points) // TYPICAL)].astype(np.float64)
    center = np.sort(some, axis=0)[len(some) // 2]
    away = some - center
    spread = np.sort(np.einsum("nd,nd->n", away, away))[len(some) // 2]
    return center if center @ center > FAR * spread else None


@njit(nogil=True, cache=True, fastmath=True)
def _least(row, bias):
    """The least row + bias."""
    least = row[0] + bias[0]
    for j in range(row.shape[0]):
        least = fast_min(least, row[j] + bias[j])  # type: ignore[call-arg]
    return least


@njit(nogil=True, cache=True, fastmath=True)
def _least_signless(row):
    """The least -|row|."""
    least = -abs(row[0])
    for j in range(row.shape[0]):
        least = fast_min(least, -abs(row[j]))  # type: ignore[call-arg]
    return least


@njit(nogil=True, cache=True, fastmath=True)
def _place(row, bias, best, limit):
    """Where row + bias is best first, and whether more than one is at or below the limit; counted in vectors."""
    none, one, zero = row.dtype.type(row.shape[0] - 1), row.dtype.type(1), row.dtype.type(0)
    first, close = none, zero
    for j in range(row.shape[0]):
        value = row[j] + bias[j]
        first = fast_min(first, row.dtype.type(j) if value == best else none)  # type: ignore[call-arg]
        close += one if value <= limit else zero
    return int(first), close > one


@njit(nogil=True, cache=True, fastmath=True)
def _place_signless(row, best, limit):
    """`_place` for -|row|."""
    none, one, zero = row.dtype.type(row.shape[0] - 1), row.dtype.type(1), row.dtype.type(0)
    first, close = none, zero
    for j in range(row.shape[0]):
        value = -abs(row[j])
        first = fast_min(first, row.dtype.type(j) if value == best else none)  # type: ignore[call-arg]
        close += one if value <= limit else zero
    return int(first), close > one


@njit(nogil=True, cache=True)
def contest(row, bias, signless, margin):
    """Index of the least row + bias (or of the largest |row|); is another within the margin; the least elsewhere.

    Elsewhere is outside the winner's segment. Two vectorized passes: one by segments, and one over the best of them.
    The lowest of equals wins.
    """
    K = row.shape[0]
    at, other = 0, row.dtype.type(np.inf)
    best = _least_signless(row[:SCAN]) if signless else _least(row[:SCAN], bias[:SCAN])
    for start in range(SCAN, K, SCAN):
        end = start + SCAN
        value = _least_signless(row[start:end]) if signless else _least(row[start:end], bias[start:end])
        if value < best:
            best, at, value = value, start, best
        other = min(other, value)
    end, limit = at + SCAN, best + margin
    if signless:
        j, close = _place_signless(row[at:end], best, limit)
    else:
        j, close = _place(row[at:end], bias[at:end], best, limit)
    return at + j, close or other <= limit, other


@njit(nogil=True, cache=True)
def winner(row, bias, signless):
    """Index of the least row + bias (or of the largest |row|); the lowest of equals."""
    return contest(row, bias, signless, row.dtype.type(0))[0]


@njit(nogil=True, cache=True, fastmath=True)
def square_lengths(X, out):
    """out[i] = |X[i]|^2."""
    for i in range(X.shape[0]):
        row = X[i]
        square = X.dtype.type(0)
        for j in range(row.shape[0]):
            square += row[j] * row[j]
        out[i] = square


@njit(nogil=True, cache=True, fastmath=True)
def square_gap(x, a):
    """|x - a|^2 in the finer precision of the two."""
    square = (x[0] - a[0]) * x.dtype.type(0)
    for j in range(x.shape[0]):
        difference = x[j] - a[j]
        square += difference * difference
    return square


@njit(nogil=True, cache=True, fastmath=True)
def exact_gap(x, a):
    """|x - a|^2 in float64."""
    square = 0.0
    for j in range(x.shape[0]):
        difference = np.float64(x[j]) - np.float64(a[j])
        square += difference * difference
    return square


@njit(nogil=True, cache=True, fastmath=True)
def exact_product(x, a):
    """x.a in float64."""
    product = 0.0
    for j in range(x.shape[0]):
        product += np.float64(x[j]) * np.float64(a[j])
    return product


@njit(nogil=True, cache=True, fastmath=True)
def square_rest(x, s, a):
    """|x - s a|^2 in float64."""
    square = 0.0
    for j in range(x.shape[0]):
        difference = np.float64(x[j]) - s * np.float64(a[j])
        square += difference * difference
    return square


@njit(nogil=True, cache=True, fastmath=True)
def _certain(row, atoms, reach, floor):
    """The least v_j + tau_j."""
    bias, lengths, slack, signless = atoms.bias, atoms.lengths, atoms.slack, atoms.rule == SPHERICAL
    limit = row.dtype.type(np.inf)
    for j in range(row.shape[0]):
        value = -abs(row[j]) if signless else row[j] + bias[j]
        limit = fast_min(limit, value + slack * (reach * lengths[j] + bias[j]) + floor)  # type: ignore[call-arg]
    return limit


@njit(nogil=True, cache=True)
def _recheck(x, length, row, atoms):
    """The nearest of the atoms that rounding might make the nearest, in float64."""
    bias, lengths, slack = atoms.bias, atoms.lengths, atoms.slack
    reach, floor = length + length, row.dtype.type(np.finfo(row.dtype).tiny)
    limit = _certain(row, atoms, reach, floor)
    at, best = 0, np.inf
    for j in range(row.shape[0]):
        value = -abs(row[j]) if atoms.rule == SPHERICAL else row[j] + bias[j]
        if value - slack * (reach * lengths[j] + bias[j]) - floor <= limit:
            if atoms.rule == EUCLIDEAN:
                exact = exact_gap(x, atoms.exact[j])
            else:
                exact = exact_product(x, atoms.exact[j])
                exact = -abs(exact) if atoms.rule == SPHERICAL else -exact
            if exact < best:
                at, best = j, exact
    return at


@njit(nogil=True, cache=True)
def products(X, atoms, moved, G, squares):
    """G (m, K) of rows X (m, d) about the center, and their squared lengths (m,); ``moved`` (m, d) is room for that."""
    if atoms.center.shape[0]:
        centered(X, atoms.center, moved)
        np.dot(moved, atoms.A.T, G)
        square_lengths(moved, squares)
    else:
        np.dot(X, atoms.A.T, G)
        square_lengths(X, squares)


@njit(nogil=True, cache=True)
def nearest_atoms(X, atoms, G, squares, labels, others):
    """labels (m,) of rows X (m, d), from their `products`; others (m,) the least G + b outside the label's segment."""
    bias, slack, longest = atoms.bias, atoms.slack, atoms.longest
    euclidean, signless, number = atoms.rule == EUCLIDEAN, atoms.rule == SPHERICAL, G.dtype.type
    two, floor, share = number(2), number(np.finfo(G.dtype).tiny), number(euclidean)
    listed, count = np.empty(len(X), np.int64), 0
    for p in range(len(X)):  # listed rows wait, since a branch here would count references to every row
        tau = slack * longest * (two * np.sqrt(squares[p]) + share * longest) + floor
        labels[p], close, others[p] = contest(G[p], bias, signless, two * tau)
        listed[count] = p
        count += close
    for p in listed[:count]:
        length, j, close = np.sqrt(squares[p]), labels[p], True
        value = G[p, j] + bias[j]
        if euclidean:  # an atom that may be the nearest is no longer than |x| and the distance together
            reach = longest
            for _ in range(3):
                tau = slack * reach * (two * length + reach) + floor
                reach = min(reach, length + np.sqrt(max(value + squares[p] + two * tau, floor)))
            tau = slack * reach * (two * length + reach) + floor
            close = contest(G[p], bias, signless, two * tau)[1]
        if close:
            labels[p] = _recheck(X[p], length, G[p], atoms)
            others[p] = min(others[p], value)


@njit(nogil=True, cache=True, fastmath=True)
def centered(X, center, out):
    """out (m, d) := X - center."""
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            out[i, j] = X[i, j] - center[j]


@njit(nogil=True, cache=True)
def measure(X, exact, rule, labels, codes, errors):
    """Codes and errors (m,) of rows X (m, d) under their atoms."""
    if rule == SPHERICAL:
        for i in range(X.shape[0]):
            x, a = X[i], exact[labels[i]]
            codes[i] = exact_product(x, a)
            errors[i] = square_rest(x, codes[i], a)
    else:
        for i in range(X.shape[0]):
            square = square_gap(X[i], exact[labels[i]])
            codes[i], errors[i] = 1, square if rule == EUCLIDEAN else square / 2


@njit(nogil=True, cache=True)
def assign(X, atoms, labels, codes, errors):
    """labels[i] = the atom nearest to X[i], its code (1 but for spherical) and its error. X (n, d), contiguous."""
    n, d, K = X.shape[0], X.shape[1], atoms.A.shape[0]
    rows = max(1, min(n, BLOCK_ROWS))
    G, squares, others = np.empty((rows, K), X.dtype), np.empty(rows, X.dtype), np.empty(rows, X.dtype)
    moved = np.empty((rows if atoms.center.shape[0] else 0, d), X.dtype)
    for top in range(0, n, rows):
        end = min(top + rows, n)
        m, part = end - top, X[top:end]
        products(part, atoms, moved[:m], G[:m], squares[:m])
        nearest_atoms(part, atoms, G[:m], squares, labels[top:end], others)
        measure(part, atoms.exact, atoms.rule, labels[top:end], codes[top:end], errors[top:end])


@njit(nogil=True, cache=True, fastmath=True)
def cluster_sums(X, labels, factors, sums):
    """sums[labels[i]] += factors[i] * X[i], in float64 whatever X holds. sums (K, d)."""
    for i in range(X.shape[0]):
        row, total, factor = X[i], sums[labels[i]], factors[i]
        if factor != 0:
            for j in range(row.shape[0]):
                total[j] += factor * row[j]


def fits(X: np.ndarray, atoms: np.ndarray, assignment: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, codes and errors (n,) of rows X (n, d): codes in float64, errors as above in the rows' dtype."""
    X = read_only(np.ascontiguousarray(X))
    labels, codes, errors = np.empty(len(X), np.int32), np.empty(len(X)), np.empty(len(X), X.dtype)
    assign(X, prepared_atoms(atoms, assignment, X.dtype), labels, codes, errors)
    return labels, codes, errors


def nearest(X: np.ndarray, atoms: np.ndarray, assignment: str) -> tuple[np.ndarray, np.ndarray]:
    """Labels (n,) of rows X (n, d), and their signed codes (n,) if spherical, else their errors (n,)."""
    labels, codes, errors = fits(X, atoms, assignment)
    return labels, codes.astype(X.dtype) if assignment == "spherical" else errors
