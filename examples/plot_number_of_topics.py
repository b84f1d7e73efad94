"""How many topics? Held-out perplexity beside coherence, and what each is blind to
===================================================================================

First on documents drawn from a model of 8 topics, so that the answer is known; then on posts of four newsgroups, where
it is not. One grid search scores each number of topics by several measures, on documents left out:

- perplexity: how well the topics foretell words. It is blind to whether anybody can read them: of real texts it goes on
  falling with more topics, ever more slowly, long after these repeat and split hairs.
- NPMI: how far the top words of a topic keep company in documents. It is blind to what the topics leave out: few broad
  ones can win, even a single one, above all where it is counted in few documents, for rare words never meet in them.
  So it is counted here in all documents; the column "in fold" shows what it says of the documents left out alone.
- diversity: whether topics share top words. A single topic has all of it.

None of them chooses. Take numbers where perplexity has done most of its fall, and NPMI and diversity are still high; of
these, read the topics.

Shows: several `topic_scorer` in one `GridSearchCV`, `TopicExtractor`, `LDA`. The posts are read if the data home has
20news-bydate/, else 300 news reports that come with gensim (pip install 'featlearn[text]'); without these too, the
second part is left out. Give a file name ending in .png to keep the picture:

    python examples/plot_number_of_topics.py topics.png
"""

# %%
import sys
from importlib.util import find_spec

import numpy as np
import scipy.sparse as sp
from matplotlib import pyplot as plt
from sklearn.model_selection import GridSearchCV

from featlearn import LDA, LineDocuments, Tokenizer, TopicExtractor
from featlearn.datasets import DatasetNotFoundError, load_20newsgroups
from featlearn.topics.metrics import topic_scorer

picture = next((argument for argument in sys.argv[1:] if argument.endswith(".png")), None)
curves = {}


def score_numbers(name, estimator, parameter, documents, numbers, **reference):
    """Score numbers of topics on two folds, print the means, keep them for the picture; the number of highest NPMI."""
    scoring = {
        "perplexity": topic_scorer("perplexity"),
        "NPMI": topic_scorer("npmi", **reference),
        "in fold": topic_scorer("npmi"),
        "diversity": topic_scorer("diversity"),
    }
    search = GridSearchCV(estimator, {parameter: numbers}, scoring=scoring, refit=False, cv=2, n_jobs=2)
    results = search.fit(documents).cv_results_
    scores = {measure: results[f"mean_test_{measure}"] for measure in scoring}
    scores["perplexity"] = -scores["perplexity"]  # larger scores are better, so the scorer gives minus it
    print(f"{name}\n{'topics':>8} {'perplexity':>11} {'NPMI':>7} {'in fold':>8} {'diversity':>10}")
    for number, perplexity, npmi, in_fold, diversity in zip(numbers, *scores.values(), strict=True):
        print(f"{number:8d} {perplexity:11.1f} {npmi:7.3f} {in_fold:8.3f} {diversity:10.2f}")
    lowest, coherent, few = (
        numbers[i] for i in (scores["perplexity"].argmin(), scores["NPMI"].argmax(), scores["in fold"].argmax())
    )
    print(f"lowest perplexity at {lowest} topics, highest NPMI at {coherent}, in the fold alone at {few}")
    curves[name] = numbers, scores
    return coherent


# %%
# Documents as latent Dirichlet allocation draws them: 8 topics over 400 terms, 600 documents of about 80 words. The
# model learns from counts; coherence takes whole documents as windows.
rng = np.random.default_rng(0)
topics = rng.dirichlet(np.full(400, 0.1), size=8)
proportions = rng.dirichlet(np.full(8, 0.2), size=600)
drawn = sp.csr_array(rng.multinomial(rng.poisson(80, size=600), proportions @ topics).astype(np.float32))
model = LDA(max_iter=200, random_state=0)
score_numbers("drawn from 8 topics", model, "n_components", drawn, [1, 2, 4, 6, 8, 12, 16], reference=drawn)
model.set_params(n_components=8).fit(drawn)
overlap = np.minimum(topics[:, None], model.components_).sum(axis=2).max(axis=1)
print("with 8 topics, the best match of each true one holds", *(f"{100 * share:.0f} %" for share in overlap))

# %%
# Posts of four newsgroups, in which people speak of more than four things.
GROUPS = ("comp.graphics", "rec.sport.hockey", "sci.space", "talk.politics.mideast")
try:
    posts, y, names = load_20newsgroups(remove=("headers", "footers", "quotes"))
    name, texts = "four newsgroups", [post for post, group in zip(posts, y, strict=True) if names[group] in GROUPS]
except DatasetNotFoundError:
    name, texts = "300 news reports", []
    if find_spec("gensim"):
        from gensim.test.utils import datapath

        texts = list(LineDocuments(datapath("lee_background.cor")))
texts = [texts[i] for i in rng.permutation(len(texts))]

# %%
# From texts to topics in one step; the words of all documents are where coherence is counted.
if texts:
    extractor = TopicExtractor(LDA(max_iter=50, random_state=0))
    words = Tokenizer().transform(texts)
    numbers = [1, 2, 4, 8, 12, 16, 32, 64]
    number = score_numbers(name, extractor, "model__n_components", texts, numbers, reference=words)
    print(extractor.set_params(model__n_components=number).fit(texts).topics_)

# %%
figure, axes = plt.subplots(2, len(curves), figsize=(4.6 * len(curves), 5), layout="constrained", squeeze=False)
for (above, below), (name, (numbers, scores)) in zip(axes.T, curves.items(), strict=True):
    above.plot(numbers, scores["perplexity"], "o-", color="#2f6db5")
    above.set(title=name, ylabel="held-out perplexity")
    below.plot(numbers, scores["NPMI"], "o-", color="#c8553d", label="NPMI")
    below.plot(numbers, scores["in fold"], "o:", color="#c8553d", label="NPMI in the fold alone")
    below.plot(numbers, scores["diversity"], "o-", color="#b0b7bf", label="diversity")
    below.set(xlabel="number of topics", ylabel="score of the topics")
    for ax in (above, below):
        ax.set_xscale("log", base=2)
        ax.set_xticks(numbers, [str(number) for number in numbers])
        ax.minorticks_off()
        ax.spines[["top", "right"]].set_visible(False)
axes[1, 0].legend(frameon=False)
if picture:
    figure.savefig(picture, dpi=120)
else:
    plt.show()
