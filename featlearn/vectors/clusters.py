"""Classification by clustering: K-means without labels, then each cluster takes its training majority's label.

The experiment of the lecture notes: 25 clusters of MNIST by cosine, 50 steps, 71.27 % of the digits right.
"""

from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from featlearn.arrays import as_float
from featlearn.callbacks import CallbackSupportMixin, sub_fit
from featlearn.fitting import fitting
from featlearn.kernels.encoding.assign import nearest
from featlearn.sparse import sound_csr
from featlearn.validation import check_rows, integer, one_of, optional, real
from featlearn.vectors.alternation import sample_of
from featlearn.vectors.dictionary import accumulate_dense, map_dense
from featlearn.vectors.kmeans import INIT, KMeansDictionary, worth

CLUSTERS = 25  # as many as in the lecture notes


def majority_labels(counts: np.ndarray) -> np.ndarray:
    """Class index of each cluster from counts (n_clusters, n_classes): the most frequent class, or the lower index.

    A cluster without training samples takes the most frequent class of all.
    """
    labels = counts.argmax(axis=1)
    return np.where(counts.sum(axis=1) > 0, labels, counts.sum(axis=0).argmax())


def count_classes(chunk, y, *, atoms: np.ndarray, assignment: str, n_classes: int) -> np.ndarray:
    """Training samples (n_clusters, n_classes) of each class in each cluster, for one chunk."""
    labels, _ = nearest(as_float(chunk), atoms, assignment)
    return np.bincount(labels * n_classes + y, minlength=len(atoms) * n_classes).reshape(len(atoms), n_classes)


def looked_up(chunk, *, atoms: np.ndarray, assignment: str, labels: np.ndarray) -> np.ndarray:
    """The label (n,) of the cluster of each row of a chunk."""
    return labels[nearest(as_float(chunk), atoms, assignment)[0]]


def n_distinct(X, assignment: str, most: int) -> int:
    """How many distinct samples (directions, for cosine) X holds, counting to ``most``; at least 1."""
    sample = accumulate_dense(
        partial(sample_of, size=most, seed=0, worth=partial(worth, atoms=None, assignment=assignment)), X
    )
    return max(1, len(sample.rows))


class ClusterClassifier(ClassifierMixin, CallbackSupportMixin, BaseEstimator):
    """Label the clusters of K-means by the majority of their training samples.

    Parameters
    ----------
    n_components : int or None, default=None
        Number of clusters; None takes 25, or the number of distinct samples where there are fewer.
    metric : {"euclidean", "cosine"}, default="euclidean"
        Distance of the clustering and of the prediction.
    max_iter : int, default=300
        Most K-means iterations.
    tol : float, default=1e-4
        Stop when the inertia falls by less than this fraction; 0 runs until nothing moves, or max_iter.
    init, n_init, random_state
        As in `KMeansDictionary`.

    Attributes
    ----------
    classes_ : array (n_classes,)
        The class labels.
    dictionary_ : KMeansDictionary
        The clustering.
    cluster_counts_ : array (n_components, n_classes)
        Training samples of each class in each cluster.
    cluster_labels_ : array (n_components,)
        Label of each cluster; that of the whole training majority for a cluster without samples.
    distance_curve_ : array (n_iter,)
        Mean over samples of the squared distance to the center, or of 1 - cosine, at the start of each iteration.
    n_iter_ : int
        Iterations of the clustering.
    n_features_in_ : int
        Number of features seen by `fit`.

    Raises
    ------
    ValueError
        For more clusters than samples, or labels that are not classes.

    Warns
    -----
    ConvergenceWarning, UserWarning
        As `KMeansDictionary` does: at ``max_iter``, for clusters without samples, for features that are drowned.

    See Also
    --------
    KMeansDictionary : The clusters as features.
    LinearSVM : The classifier on top of features.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from featlearn import ClusterClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> ClusterClassifier(40, metric="cosine", random_state=0).fit(X, y).score(X, y) > 0.8
    True
    """

    _rules: ClassVar = {
        "n_components": optional(integer(1)),
        "metric": one_of("euclidean", "cosine"),
        "max_iter": integer(1),
        "tol": real(0),
        "init": INIT,
        "n_init": integer(1),
    }

    def __init__(
        self,
        n_components: int | None = None,
        *,
        metric: str = "euclidean",
        max_iter: int = 300,
        tol: float = 1e-4,
        init="auto",
        n_init: int = 1,
        random_state=None,
    ):
        self.n_components = n_components
        self.metric = metric
        self.max_iter = max_iter
        self.tol = tol
        self.init = init
        self.n_init = n_init
        self.random_state = random_state

    @fitting(1)
    def fit(self, X: Any, y: Any) -> Self:
        """Cluster the samples, then label the clusters.

        Parameters
        ----------
        X : array (n_samples, n_features), sparse matrix or memmap
            Training samples.
        y : array (n_samples,)
            Their classes; not used for the clustering.

        Returns
        -------
        self
        """
        X = sound_csr("ClusterClassifier", X) if sp.issparse(X) else X
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=[np.float64, np.float32])
        check_classification_targets(y)
        classes, y = np.unique(y, return_inverse=True)
        if self.n_components is not None and self.n_components > X.shape[0]:
            raise ValueError(
                f"ClusterClassifier: n_samples={X.shape[0]} is fewer than n_components={self.n_components} clusters. "
                "Pass at least as many samples, or n_components=None."
            )
        dictionary = KMeansDictionary(
            n_distinct(X, self.metric, CLUSTERS) if self.n_components is None else self.n_components,
            assignment=self.metric,
            encode="hard",
            max_iter=self.max_iter,
            tol=self.tol,
            init=self.init,
            n_init=self.n_init,
            random_state=self.random_state,
        )
        with sub_fit(self, dictionary, "cluster"):
            dictionary.fit(X)
        count = partial(count_classes, atoms=dictionary.components_, assignment=self.metric, n_classes=len(classes))
        counts = accumulate_dense(count, X, y)
        self.classes_, self.dictionary_, self.cluster_counts_ = classes, dictionary, counts
        self.cluster_labels_ = classes[majority_labels(counts)]
        self.distance_curve_ = dictionary.inertia_curve_ / dictionary.n_samples_seen_
        self.n_iter_ = dictionary.n_iter_
        return self

    def predict(self, X: Any) -> Any:
        """The label of the cluster each sample falls in.

        Parameters
        ----------
        X : array (n_samples, n_features), sparse matrix, memmap, stream of chunks or Dask array
            The samples.

        Returns
        -------
        y : array (n_samples,), a generator of chunks, or a Dask array
            Predicted classes.
        """
        check_is_fitted(self)
        X = check_rows(self, X, reset=False, accept_sparse=True)
        known = {"atoms": self.dictionary_.components_, "assignment": self.metric, "labels": self.cluster_labels_}
        return map_dense(partial(looked_up, **known), X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
