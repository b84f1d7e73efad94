from .documents import FileDocuments as FileDocuments
from .documents import LineDocuments as LineDocuments
from .phrases import Phrases as Phrases
from .tokenizer import Tokenizer as Tokenizer
from .vocabulary import learn_vocabulary as learn_vocabulary
