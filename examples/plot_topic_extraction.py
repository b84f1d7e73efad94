"""Topics of newsgroups, by three models
=======================================

The topic extraction that scikit-learn users know: two thousand posts, a thousand words, ten topics. A `TopicExtractor`
goes from raw texts to topics in one step, and its model is a parameter: LDA, PLSA or a mixture of unigrams. All three
are asked how well they foresee the second half of posts they have not seen.

Shows: `TopicExtractor` with three models, held-out perplexity, `topics_` and `TopicDisplay`. The posts are those of
rec, sci, soc and talk in 20 newsgroups if the data home has them (20news-bydate/), else 300 news articles that come
with gensim. Give a file name ending in .png to keep the picture:

    python examples/plot_topic_extraction.py topics.png
"""

# %%
import sys
from time import perf_counter

import numpy as np
from matplotlib import pyplot as plt

from featlearn import LDA, PLSA, LineDocuments, MixtureOfUnigrams, TopicDisplay, TopicExtractor
from featlearn.datasets import DatasetNotFoundError, load_20newsgroups

picture = next((argument for argument in sys.argv[1:] if argument.endswith(".png")), None)

# %%
# The texts, in a random order; a fifth of them is kept to judge the models.
try:
    posts, y, names = load_20newsgroups(remove=("headers", "footers", "quotes"))
    order = np.random.default_rng(0).permutation(len(posts))
    chosen = [i for i in order if names[y[i]].startswith(("rec", "sci", "soc", "talk"))]
    texts, min_df, max_df = [posts[i] for i in chosen[:2500]], 2, 0.95
except DatasetNotFoundError:
    from gensim.test.utils import datapath

    texts, min_df, max_df = list(LineDocuments(datapath("lee_background.cor"))), 2, 0.5
cut = len(texts) * 4 // 5
train, held_out = texts[:cut], texts[cut:]
print(f"{len(train)} documents to learn from, {len(held_out)} to judge by")

# %%
# The same recipe with three models. Perplexity is the number of words that a model hesitates between; less is better.
models = {
    "mixture of unigrams": MixtureOfUnigrams(10, random_state=0),
    "PLSA": PLSA(10, random_state=0),
    "LDA": LDA(10, random_state=0),
}
extractors = {}
for name, model in models.items():
    started = perf_counter()
    extractor = TopicExtractor(model, min_df=min_df, max_df=max_df, max_features=1000).fit(train)
    seconds = perf_counter() - started
    extractors[name] = extractor
    print(f"{name:<20} perplexity {extractor.perplexity(held_out):6.1f}  {seconds:4.1f} s")

# %%
# What the topics of LDA say, the largest first, and the document that has most of the first.
topics = extractors["LDA"].topics_
print(topics)
largest = int(topics.order[0])
print("most of it:", " ".join(topics.documents(largest, 1)[0].text.split())[:200])

# %%
# Topics of an unseen text: its words outside the vocabulary are ignored.
unseen = "The government sent the army to the border, and people were killed in the attack."
proportions = extractors["LDA"].transform([unseen])[0]
print("unseen text:", ", ".join(f"topic {k} {proportions[k]:.0%}" for k in np.argsort(-proportions)[:3]))

# %%
display = TopicDisplay.from_topics(topics, n_terms=12)
display.figure_.suptitle("Ten topics of LDA, with their shares of all words")
if picture:
    display.figure_.savefig(picture, dpi=120)
else:
    plt.show()
