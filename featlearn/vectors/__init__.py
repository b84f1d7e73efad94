"""Learners of vectors: X is (n_samples, n_features). Each is an ordinary scikit-learn transformer.

Names load on first use: a worker of a parallel search that unpickles one learner pays for no other.
"""

from importlib import import_module as _import_module

# The module of each public name.
_HOME = {
    "ICA": "ica",
    "RBM": "rbm",
    "RICA": "rica",
    "ZCA": "whitening",
    "ClusterClassifier": "clusters",
    "ContractiveAutoencoder": "contractive_autoencoder",
    "ContrastNormalizer": "contrast",
    "DenoisingAutoencoder": "denoising_autoencoder",
    "GaussianMixtureEncoder": "mixture",
    "KMeansDictionary": "kmeans",
    "PCAWhitening": "whitening",
    "PredictiveSparse": "predictive_sparse",
    "RandomPatches": "random_patches",
    "RandomWeights": "random_weights",
    "SlowFeatureAnalysis": "slow_features",
    "SparseAutoencoder": "sparse_autoencoder",
    "SparseCoding": "sparse_coding",
    "SparseFiltering": "sparse_filtering",
    "high_dispersal": "sparsity",
    "lifetime_sparsity": "sparsity",
    "population_sparsity": "sparsity",
    "sparsity_report": "sparsity",
}
__all__ = [*_HOME]


def __getattr__(name: str):
    if name in _HOME:
        return getattr(_import_module(f"featlearn.vectors.{_HOME[name]}"), name)
    raise AttributeError(f"module 'featlearn.vectors' has no attribute {name!r}; public names: {', '.join(__all__)}")


def __dir__():
    return [*__all__]
