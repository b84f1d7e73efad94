"""20 newsgroups as term counts, for the benchmarks of topic models."""

import scipy.sparse as sp
from sklearn.feature_extraction.text import CountVectorizer

from featlearn.text.counts import as_counts


def newsgroup_counts() -> tuple[sp.csr_array, sp.csr_array]:
    """Counts of training and test posts: whole posts, words of letters, no stop words, terms of five posts or more."""
    from featlearn.datasets import load_20newsgroups

    vectorizer = CountVectorizer(stop_words="english", min_df=5, max_df=0.5, token_pattern=r"(?u)\b[a-zA-Z]\w+\b")
    train = vectorizer.fit_transform(load_20newsgroups("train")[0])
    test = vectorizer.transform(load_20newsgroups("test")[0])
    return as_counts(train, "the benchmark"), as_counts(test, "the benchmark")
