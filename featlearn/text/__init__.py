"""Documents: topic models on term counts, and what turns text into counts and topics into tables."""

from featlearn.text.coherence import topic_coherence
from featlearn.text.documents import FileDocuments, LineDocuments
from featlearn.text.extractor import TopicExtractor
from featlearn.text.lda import LDA
from featlearn.text.metrics import topic_diversity, topic_scorer
from featlearn.text.mixture_of_unigrams import MixtureOfUnigrams
from featlearn.text.phrases import Phrases
from featlearn.text.plsa import PLSA
from featlearn.text.tokenizer import Tokenizer
from featlearn.text.topics import Topics
from featlearn.text.unigram import UnigramModel
from featlearn.text.vocabulary import learn_vocabulary

__all__ = [
    "LDA",
    "PLSA",
    "FileDocuments",
    "LineDocuments",
    "MixtureOfUnigrams",
    "Phrases",
    "Tokenizer",
    "TopicExtractor",
    "Topics",
    "UnigramModel",
    "learn_vocabulary",
    "topic_coherence",
    "topic_diversity",
    "topic_scorer",
]
