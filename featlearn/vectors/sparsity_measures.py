"""How sparse codes are: over the features of a sample, over the samples of a feature, and how evenly features share.

Codes r (n, K); signs are ignored. For any row or column of m numbers, the activity a of Treves & Rolls (1991) and the
sparsity, which for j equal numbers among zeros is 1 - j / m:

    a = (sum |r| / m)^2 / (sum r^2 / m)        sparsity 1 - a,   or normalized (1 - a) / (1 - 1 / m), in [0, 1]

    population sparsity    one number a sample, over its K features: few features are active at a time
    lifetime sparsity      one number a feature, over the n samples: it is active rarely
    high dispersal         m_k = sum_n r_nk^2 / n should be about the same for all features

Ngiam, Koh, Chen, Bhaskar & Ng (2011), "Sparse filtering", section 2, names the three; Willmore & Tolhurst (2001),
"Characterizing the sparseness of neural codes", tells the first two apart.
"""

import numpy as np
from sklearn.utils.validation import check_array


def _sparsity(codes, axis: int, normalize: bool) -> np.ndarray:
    codes = check_array(codes, dtype=[np.float64, np.float32], input_name="codes")
    m = codes.shape[axis]
    sums = np.abs(codes).sum(axis=axis, dtype=np.float64)
    squares = np.einsum("nk,nk->n" if axis == 1 else "nk,nk->k", codes, codes, dtype=np.float64)
    activity = np.divide(sums**2, m * squares, out=np.zeros_like(sums), where=squares > 0)
    sparsity = np.maximum(1 - activity, 0)
    # Of one number there is no telling; zeros, and one number among zeros, are as sparse as can be.
    return np.minimum(sparsity / (1 - 1 / m), 1) if normalize and m > 1 else sparsity


def population_sparsity(codes: np.ndarray, normalize: bool = False) -> np.ndarray:
    """Treves-Rolls sparsity of each sample over its features: 1 - (mean_k |r_k|)^2 / mean_k r_k^2.

    Parameters
    ----------
    codes : array (n_samples, n_features)
        The codes; signs are ignored.
    normalize : bool, default=False
        Whether to divide by 1 - 1 / n_features, so that a single active feature gives 1.

    Returns
    -------
    sparsity : array (n_samples,)
        0 if all features are equal, 1 - j / n_features for j equal ones among zeros, 1 for a sample of zeros.

    Raises
    ------
    ValueError
        For codes that are not finite and two-dimensional.

    References
    ----------
    Treves & Rolls (1991), "What determines the capacity of autoassociative memories in the brain?".

    Examples
    --------
    >>> from featlearn.vectors.sparsity_measures import population_sparsity
    >>> population_sparsity([[1.0, 1.0, 1.0, 1.0], [0.0, 2.0, 0.0, 0.0]])
    array([0.  , 0.75])
    """
    return _sparsity(codes, 1, normalize)


def lifetime_sparsity(codes: np.ndarray, normalize: bool = False) -> np.ndarray:
    """Treves-Rolls sparsity of each feature over the samples: 1 - (mean_n |r_n|)^2 / mean_n r_n^2.

    Parameters
    ----------
    codes : array (n_samples, n_features)
        The codes; signs are ignored.
    normalize : bool, default=False
        Whether to divide by 1 - 1 / n_samples, so that a feature active for one sample gives 1.

    Returns
    -------
    sparsity : array (n_features,)
        0 if the feature is the same for all samples, 1 - j / n_samples if it is equal for j and 0 for the others, 1 if
        it is never active.

    Raises
    ------
    ValueError
        For codes that are not finite and two-dimensional.

    References
    ----------
    Treves & Rolls (1991); Willmore & Tolhurst (2001), "Characterizing the sparseness of neural codes".

    Examples
    --------
    >>> from featlearn.vectors.sparsity_measures import lifetime_sparsity
    >>> lifetime_sparsity([[1.0, 0.0], [1.0, 3.0]])
    array([0. , 0.5])
    """
    return _sparsity(codes, 0, normalize)


def high_dispersal(codes: np.ndarray) -> float:
    """How unevenly features are active: the variance over features of the mean squared code, over its mean squared.

    With m_k = mean_n r_nk^2, it is ``var_k(m_k) / mean_k(m_k)^2``. Ngiam et al. (2011) ask that m_k be about the same
    for all features and give no number; this one is 0 for perfect dispersal, K - 1 if one feature does all the work,
    and the same for codes of another scale.

    Parameters
    ----------
    codes : array (n_samples, n_features)
        The codes.

    Returns
    -------
    unevenness : float
        Less is more dispersed; 0 for codes that are all zeros.

    Raises
    ------
    ValueError
        For codes that are not finite and two-dimensional.

    References
    ----------
    Ngiam, Koh, Chen, Bhaskar & Ng (2011), "Sparse filtering", section 2.

    Examples
    --------
    >>> from featlearn.vectors.sparsity_measures import high_dispersal
    >>> high_dispersal([[1.0, 0.0], [0.0, 1.0]]), high_dispersal([[1.0, 0.0], [2.0, 0.0]])
    (0.0, 1.0)
    """
    codes = check_array(codes, dtype=[np.float64, np.float32], input_name="codes")
    activities = np.einsum("nk,nk->k", codes, codes, dtype=np.float64)
    total = activities.sum()
    return float(np.var(activities * (len(activities) / total))) if total > 0 else 0.0


def sparsity_report(codes: np.ndarray) -> dict[str, float]:
    """The three diagnostics of codes in one look.

    Parameters
    ----------
    codes : array (n_samples, n_features)
        The codes.

    Returns
    -------
    report : dict
        ``population_sparsity`` and ``lifetime_sparsity``, the means over samples and over features;
        ``high_dispersal``; and ``dead_features``, the number never active.

    Raises
    ------
    ValueError
        For codes that are not finite and two-dimensional.

    Examples
    --------
    >>> from featlearn.vectors.sparsity_measures import sparsity_report
    >>> sparsity_report([[1.0, 0.0], [0.0, 1.0]])  # doctest: +NORMALIZE_WHITESPACE
    {'population_sparsity': 0.5, 'lifetime_sparsity': 0.5, 'high_dispersal': 0.0, 'dead_features': 0.0}
    """
    codes = check_array(codes, dtype=[np.float64, np.float32], input_name="codes")
    return {
        "population_sparsity": float(population_sparsity(codes).mean()),
        "lifetime_sparsity": float(lifetime_sparsity(codes).mean()),
        "high_dispersal": high_dispersal(codes),
        "dead_features": float(np.count_nonzero(~codes.any(axis=0))),
    }
