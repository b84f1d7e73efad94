"""Learners of vectors: X is (n_samples, n_features). Each is an ordinary scikit-learn transformer."""

from featlearn.vectors.clusters import ClusterClassifier
from featlearn.vectors.contrast import ContrastNormalizer
from featlearn.vectors.kmeans import KMeansDictionary
from featlearn.vectors.random_patches import RandomPatches
from featlearn.vectors.whitening import ZCA, PCAWhitening

__all__ = ["ZCA", "ClusterClassifier", "ContrastNormalizer", "KMeansDictionary", "PCAWhitening", "RandomPatches"]
