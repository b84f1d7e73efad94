"""Learners of vectors: X is (n_samples, n_features). Each is an ordinary scikit-learn transformer."""

from featlearn.vectors.clusters import ClusterClassifier
from featlearn.vectors.contractive_autoencoder import ContractiveAutoencoder
from featlearn.vectors.contrast import ContrastNormalizer
from featlearn.vectors.denoising_autoencoder import DenoisingAutoencoder
from featlearn.vectors.ica import ICA
from featlearn.vectors.kmeans import KMeansDictionary
from featlearn.vectors.mixture import GaussianMixtureEncoder
from featlearn.vectors.predictive_sparse import PredictiveSparse
from featlearn.vectors.random_patches import RandomPatches
from featlearn.vectors.random_weights import RandomWeights
from featlearn.vectors.rbm import RBM
from featlearn.vectors.rica import RICA
from featlearn.vectors.slow_features import SlowFeatureAnalysis
from featlearn.vectors.sparse_autoencoder import SparseAutoencoder
from featlearn.vectors.sparse_coding import SparseCoding
from featlearn.vectors.sparse_filtering import SparseFiltering
from featlearn.vectors.sparsity import high_dispersal, lifetime_sparsity, population_sparsity, sparsity_report
from featlearn.vectors.whitening import ZCA, PCAWhitening

__all__ = [
    "ICA",
    "RBM",
    "RICA",
    "ZCA",
    "ClusterClassifier",
    "ContractiveAutoencoder",
    "ContrastNormalizer",
    "DenoisingAutoencoder",
    "GaussianMixtureEncoder",
    "KMeansDictionary",
    "PCAWhitening",
    "PredictiveSparse",
    "RandomPatches",
    "RandomWeights",
    "SlowFeatureAnalysis",
    "SparseAutoencoder",
    "SparseCoding",
    "SparseFiltering",
    "high_dispersal",
    "lifetime_sparsity",
    "population_sparsity",
    "sparsity_report",
]
