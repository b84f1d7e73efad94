"""20 newsgroups as term counts, for the benchmarks of topic models; documents drawn from a model where it is absent."""

import numpy as np
import scipy.sparse as sp
from sklearn.feature_extraction.text import CountVectorizer

from featlearn.text.counts import as_counts

QUICK = 500, 200  # training and test documents


def topic_corpus(quick: bool = False) -> tuple[sp.csr_array, sp.csr_array, str]:
    """Counts of training and test posts in random order, and what they are; a few of them, if ``quick``.

    Whole posts, words of letters, no stop words, terms that five training posts or more hold.
    """
    from featlearn.datasets import DatasetNotFoundError, load_20newsgroups

    rng = np.random.default_rng(0)
    try:
        posts = [load_20newsgroups(subset)[0] for subset in ("train", "test")]
    except DatasetNotFoundError:
        return *drawn(quick, rng), "documents drawn from a model"
    texts = [[part[i] for i in rng.permutation(len(part))] for part in posts]
    if quick:
        texts = [part[:n] for part, n in zip(texts, QUICK, strict=True)]
    vectorizer = CountVectorizer(stop_words="english", min_df=5, max_df=0.5, token_pattern=r"(?u)\b[a-zA-Z]\w+\b")
    train, test = vectorizer.fit_transform(texts[0]), vectorizer.transform(texts[1])
    return as_counts(train, "the benchmark"), as_counts(test, "the benchmark"), "posts of 20 newsgroups"


def drawn(quick: bool, rng: np.random.Generator) -> tuple[sp.csr_array, sp.csr_array]:
    """Documents of 100 words from 50 topics; the same terms in both, each in five training documents or more."""
    n_train, n_test = QUICK if quick else (3000, 1000)
    topics = rng.dirichlet(np.full(5000, 0.02), 50)
    documents = [rng.multinomial(100, p @ topics) for p in rng.dirichlet(np.full(50, 0.1), n_train + n_test)]
    X = sp.csr_array(np.array(documents, np.float32))
    known = (X[:n_train] > 0).sum(axis=0) >= 5
    return sp.csr_array(X[:n_train, known]), sp.csr_array(X[n_train:, known])
