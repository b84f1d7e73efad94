"""Slow, independent oracles: plain loops and float64, nothing of the code under test."""

import numpy as np


def contrast(patch, eps, ddof):
    """Contrast normalization of one flat patch, by the formula."""
    patch = np.asarray(patch, float)
    d = len(patch)
    mean = sum(patch) / d
    variance = sum((v - mean) ** 2 for v in patch) / max(d - ddof, 1)
    scale = np.sqrt(variance + eps)
    return np.array([(v - mean) / scale if scale > 0 else 0.0 for v in patch])


def affine_code(x, weights, bias, activation, squares):
    """Affine code of one vector, unit by unit."""
    x = np.concatenate([x * x, x]) if squares else x
    z = np.array([float(np.dot(w, x)) + b for w, b in zip(weights, bias, strict=True)])
    if activation == "sigmoid":
        return np.array([1 / (1 + np.exp(-v)) for v in z])
    if activation == "tanh":
        return np.array([np.tanh(v) for v in z])
    if activation == "relu":
        return np.array([max(v, 0.0) for v in z])
    if activation == "abs":
        return np.array([abs(v) for v in z])
    if activation == "softmax":
        e = np.array([np.exp(v - z.max()) for v in z])
        return e / e.sum()
    assert activation == "linear"
    return z


def code(x, atoms, encode, threshold=0.0, bias=None, scale=None, squares=False):
    """Code of one vector, atom by atom."""
    if bias is not None:
        return affine_code(x, atoms, bias, encode, squares) * (1 if scale is None else scale)
    responses = np.array([float(np.dot(a, x)) for a in atoms])
    distances = np.array([np.sqrt(sum((x - a) ** 2)) for a in atoms])
    if encode == "triangle":
        return np.array([max(distances.mean() - z, 0.0) for z in distances])
    if encode == "hard":
        out = np.zeros(len(atoms))
        out[min(range(len(atoms)), key=lambda k: (distances[k], k))] = 1
        return out
    if encode == "threshold":
        return np.array([max(g - threshold, 0.0) for g in responses])
    if encode == "split":
        positive = [max(g - threshold, 0.0) for g in responses]
        return np.array(positive + [max(-g - threshold, 0.0) for g in responses])
    if encode == "omp":
        out = np.zeros(len(atoms))
        fits = [abs(g) / np.linalg.norm(a) for g, a in zip(responses, atoms, strict=True)]
        k = int(np.argmax(fits))
        out[k] = responses[k] / np.dot(atoms[k], atoms[k])
        return out
    raise ValueError(encode)


def encode_image(
    image, atoms, encode, patch, *, stride=1, eps=None, ddof=1, mean=None, whitening=None, threshold=0.0, **affine
):
    """Map (h, w, outputs) of one image (H, W, c), patch by patch."""
    image = np.asarray(image, float)
    ph, pw = patch
    rows = []
    for top in range(0, image.shape[0] - ph + 1, stride):
        row = []
        for left in range(0, image.shape[1] - pw + 1, stride):
            x = image[top : top + ph, left : left + pw].reshape(-1)
            if eps is not None:
                x = contrast(x, eps, ddof)
            if mean is not None:
                x = x - mean
            if whitening is not None:
                x = x @ whitening
            row.append(code(x, np.asarray(atoms, float), encode, threshold, **affine))
        rows.append(row)
    return np.array(rows)


def lloyd(X, centers, iterations):
    """Plain K-means from given centers: centers after each iteration and the inertia before each."""
    X, centers = np.asarray(X, float), np.array(centers, float)
    inertias = []
    for _ in range(iterations):
        squares = ((X[:, None, :] - centers[None]) ** 2).sum(axis=2)
        labels = squares.argmin(axis=1)
        inertias.append(squares.min(axis=1).sum())
        for k in range(len(centers)):
            if (labels == k).any():
                centers[k] = X[labels == k].mean(axis=0)
    return centers, inertias


def damped_spherical(X, D, iterations):
    """The 2012 rule as printed, columns as samples: D := unit((X S' + D)(S S' + I)^-1). Returns atoms as rows."""
    X, D = np.asarray(X, float).T, np.asarray(D, float).T
    for _ in range(iterations):
        responses = D.T @ X
        winners = np.abs(responses).argmax(axis=0)
        S = np.zeros_like(responses)
        S[winners, np.arange(X.shape[1])] = responses[winners, np.arange(X.shape[1])]
        D = (X @ S.T + D) @ np.linalg.inv(S @ S.T + np.eye(len(S)))
        D = D / np.linalg.norm(D, axis=0)
    return D.T


def pooled(maps, row_cells, col_cells):
    """Sums of a map (h, w, outputs) over cells of rows and columns, cell by cell."""
    out = np.zeros((len(row_cells), len(col_cells), maps.shape[2]))
    for i, rows in enumerate(row_cells):
        for j, cols in enumerate(col_cells):
            for y in range(rows.start, rows.stop):
                for x in range(cols.start, cols.stop):
                    out[i, j] += maps[y, x]
    return out


def nearest(X, atoms):
    """Index of the nearest atom of each row, and the squared distance."""
    squares = ((np.asarray(X, float)[:, None, :] - np.asarray(atoms, float)[None]) ** 2).sum(axis=2)
    return squares.argmin(axis=1), squares.min(axis=1)


def cosine_kmeans(X, D, iterations):
    """Plain spherical K-means (Dhillon & Modha 2001) from given unit atoms: the atoms, and the inertia before each."""
    X = np.asarray(X, float)
    X = X / np.linalg.norm(X, axis=1, keepdims=True)
    D, inertias = np.array(D, float), []
    for _ in range(iterations):
        similarities = X @ D.T
        labels = similarities.argmax(axis=1)
        inertias.append((1 - similarities.max(axis=1)).sum())
        for k in range(len(D)):
            if (labels == k).any():
                total = X[labels == k].sum(axis=0)
                D[k] = total / np.linalg.norm(total)
    return D, inertias


def k_best_derivations(grammar, sentence, k):
    """The k best trees of a PCFG over a sentence, [(p, tree as nested tuples)]: lists of each span, until they settle.

    A round makes each symbol's list of what all lists held before, so after t rounds trees of height t have had their
    chance; a round that changes no list ends it. With unary cycles that lose no probability there is no end.
    """
    n = len(sentence)
    spans = [(i, i + length) for length in range(1, n + 1) for i in range(n - length + 1)]
    lists = {(x, *span): {} for x in grammar.by_lhs for span in spans}

    def sides(rhs, i, j):
        """(p, children) of a right side over a span, of the lists as they are."""
        if not rhs:
            yield from [(1.0, ())] if i == j else []
            return
        for m in range(i + 1, j - len(rhs) + 2):
            if isinstance(rhs[0], str):
                first = lists.get((rhs[0], i, m), {}).items()
            else:
                first = [(rhs[0].text, 1.0)] if m == i + 1 and sentence[i] == rhs[0].text else []
            for tree, p in list(first):
                yield from ((p * q, (tree, *rest)) for q, rest in sides(rhs[1:], m, j))

    for i, j in spans:
        changed = True
        while changed:
            new = {}
            for x, places in grammar.by_lhs.items():
                found = {
                    (x, *children): p * grammar.probabilities[place]
                    for place in places
                    for p, children in sides(grammar.rules[place].rhs, i, j)
                    if p * grammar.probabilities[place] > 0  # not if it is too small for a float
                }
                new[x, i, j] = dict(sorted(found.items(), key=lambda item: -item[1])[:k])
            changed = any(new[item] != lists[item] for item in new)
            lists.update(new)
    return sorted(((p, tree) for tree, p in lists[grammar.start, 0, n].items()), key=lambda pair: -pair[0])
