"""Topics from a stream of documents
===================================

A corpus that does not fit in memory is a text file with a document on every line. `LineDocuments` reads it as often as
asked and holds a chunk at a time; the vocabulary is counted in one walk; LDA learns online, a chunk after the other. A
model that sees the stream only once learns by `partial_fit`.

Shows: `LineDocuments`, `learn_vocabulary`, `TopicExtractor.partial_fit` and `fit` on a stream, perplexity as documents
pass. The texts are 20 newsgroups if the data home has them (20news-bydate/), else news that come with gensim.
"""

# %%
# The file: a document on every line. Real corpora come this way; here one is written first.
import sys
import tempfile
import tracemalloc
from pathlib import Path
from textwrap import wrap

import numpy as np

from featlearn import LDA, LineDocuments, Tokenizer, TopicExtractor
from featlearn.datasets import DatasetNotFoundError, load_20newsgroups
from featlearn.text.vocabulary import learn_vocabulary

try:
    posts, y, names = load_20newsgroups(remove=("headers",))
    order = np.random.default_rng(0).permutation(len(posts))
    texts = [posts[i] for i in order if names[y[i]].startswith(("rec", "sci", "soc", "talk"))][:4000]
except DatasetNotFoundError:
    try:
        from gensim.test.utils import datapath
    except ImportError:
        print("This example needs texts: pip install 'featlearn[text]' brings some, or set FEATLEARN_DATA")
        sys.exit(0)
    texts = [half for article in LineDocuments(datapath("lee_background.cor")) for half in wrap(article, 500)]
folder = tempfile.TemporaryDirectory()
path, held_out_path = Path(folder.name, "corpus.txt"), Path(folder.name, "held_out.txt")
with path.open("w", encoding="utf-8") as corpus, held_out_path.open("w", encoding="utf-8") as held_out:
    for i, text in enumerate(" ".join(text.split()) for text in texts):
        if text:
            (held_out if i % 10 == 0 else corpus).write(f"{text}\n")
documents, judges = LineDocuments(path, chunk=100), list(LineDocuments(held_out_path))
print(f"{path.stat().st_size / 1e6:.1f} MB of text, and {len(judges)} documents held out")

# %%
# The vocabulary, in one walk over the stream: no document is held longer than its chunk.
tracemalloc.start()
tokens = Tokenizer().transform(documents)
terms = learn_vocabulary(tokens, min_df=5, max_df=0.3, max_features=5000)
print(f"{len(terms)} terms; most memory in use {tracemalloc.get_traced_memory()[1] / 1e6:.0f} MB")

# %%
# A stream that passes once: learn from each chunk and forget it. Perplexity of the held-out documents falls.
extractor = TopicExtractor(LDA(20, method="online", alpha=0.1, eta=0.1, random_state=0), vocabulary=terms)
seen = shown = 0
tracemalloc.reset_peak()
for chunk in documents():
    extractor.partial_fit(chunk)
    seen += len(chunk)
    if seen >= 2 * shown:
        shown = seen
        print(f"after {seen:6,} documents: perplexity {extractor.perplexity(judges):7.1f}")
print(f"in the end: perplexity {extractor.perplexity(judges):7.1f}")
print(f"most memory in use {tracemalloc.get_traced_memory()[1] / 1e6:.0f} MB")

# %%
# A stream that can be walked again: `fit` does all of the above, and goes over it as often as ``max_iter`` says.
tracemalloc.stop()
model = LDA(20, method="online", alpha=0.1, eta=0.1, max_iter=3, random_state=0)
extractor = TopicExtractor(model, min_df=5, max_df=0.3, max_features=5000).fit(documents)
print(f"three walks: perplexity {extractor.perplexity(judges):7.1f}")
for words in extractor.topics_.top_terms(8)[:5]:
    print("  ", *words)
folder.cleanup()
