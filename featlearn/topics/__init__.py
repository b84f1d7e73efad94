"""Topics: models of term counts, the tables they give and what measures them."""

from featlearn.topics.coherence import topic_coherence
from featlearn.topics.extractor import TopicExtractor
from featlearn.topics.lda import LDA
from featlearn.topics.metrics import topic_diversity, topic_scorer
from featlearn.topics.mixture_of_unigrams import MixtureOfUnigrams
from featlearn.topics.plsa import PLSA
from featlearn.topics.tables import Topics
from featlearn.topics.unigram import UnigramModel

__all__ = [
    "LDA",
    "PLSA",
    "MixtureOfUnigrams",
    "TopicExtractor",
    "Topics",
    "UnigramModel",
    "topic_coherence",
    "topic_diversity",
    "topic_scorer",
]
