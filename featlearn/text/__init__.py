"""Text: documents of every kind become tokens, phrases and term counts."""

from featlearn.text.documents import FileDocuments, LineDocuments
from featlearn.text.phrases import Phrases
from featlearn.text.tokenizer import Tokenizer
from featlearn.text.vocabulary import learn_vocabulary

__all__ = ["FileDocuments", "LineDocuments", "Phrases", "Tokenizer", "learn_vocabulary"]
