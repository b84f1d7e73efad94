"""featlearn: classical and unsupervised feature learning with scikit-learn's manners.

Public names load on first use, so ``import featlearn`` costs next to nothing and never pulls in TensorFlow, gensim or
matplotlib.
"""

from importlib import import_module as _import_module

__version__ = "0.2.0"

# Where each public name lives: the one list that the documentation, the tests and `__getattr__` read.
_HOME = {
    "vectors": [
        "ClusterClassifier",
        "ContractiveAutoencoder",
        "ContrastNormalizer",
        "DenoisingAutoencoder",
        "GaussianMixtureEncoder",
        "ICA",
        "KMeansDictionary",
        "PCAWhitening",
        "PredictiveSparse",
        "RBM",
        "RICA",
        "RandomPatches",
        "RandomWeights",
        "SlowFeatureAnalysis",
        "SparseAutoencoder",
        "SparseCoding",
        "SparseFiltering",
        "ZCA",
    ],
    "images": [
        "Abs",
        "FisherVector",
        "Flatten",
        "LocalContrastNormalizer",
        "MaxPool",
        "MeanPool",
        "Positive",
        "SoftThreshold",
        "SplitSign",
        "Stage",
        "SumPool",
        "ToImages",
    ],
    "text": ["FileDocuments", "LineDocuments", "Phrases", "Tokenizer", "learn_vocabulary"],
    "topics": [
        "LDA",
        "MixtureOfUnigrams",
        "PLSA",
        "TopicExtractor",
        "Topics",
        "UnigramModel",
        "topic_coherence",
        "topic_diversity",
        "topic_scorer",
    ],
    "grammar": [
        "BracketError",
        "BracketScores",
        "CFG",
        "ConstituentVectorizer",
        "PCFG",
        "PCFGParser",
        "Tree",
        "binarize",
        "load_toy_grammar",
        "parse_tree",
        "parse_trees",
        "read_trees",
        "score_trees",
        "unbinarize",
        "write_trees",
    ],
    "linear": ["LinearSVM", "LinearSVMCV"],
    "training": [],
    "streaming": ["accumulate", "map_chunks"],
    "callbacks": ["EarlyStopping", "ProgressBar"],
    "persistence": ["load", "save"],
    "plot": [
        "DocumentTopicDisplay",
        "FilterGridDisplay",
        "LivePlot",
        "LossCurveDisplay",
        "ReconstructionDisplay",
        "SampleGridDisplay",
        "SparsityDisplay",
        "TopicDisplay",
        "TopicMapDisplay",
        "TreeDisplay",
        "topics_html",
        "tree_svg",
    ],
    "datasets": [],
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = sorted([*_MODULE_OF, *_HOME])


def __getattr__(name: str):
    if name in _MODULE_OF:
        return getattr(_import_module(f"featlearn.{_MODULE_OF[name]}"), name)
    if name in _HOME:
        return _import_module(f"featlearn.{name}")
    raise AttributeError(f"module 'featlearn' has no attribute {name!r}; public names: {', '.join(__all__)}")


def __dir__():
    return [*__all__, "__version__"]
