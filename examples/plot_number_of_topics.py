"""How many topics? A grid search by coherence and by perplexity
==============================================================

First on documents drawn from a model of 8 topics, so that the answer is known; then on 300 news reports, where it is
not. Scorers read the model at the end of a pipeline: perplexity asks how well it foretells words of documents left out,
NPMI how far the top words of its topics keep company in documents, diversity whether topics repeat one another.
Perplexity falls until there are enough topics, then hardly changes; coherence falls again when there are too many.

Shows: `topic_scorer` in a `GridSearchCV`, `LDA`. The reports come with gensim (pip install 'featlearn[text]'); without
it they are left out. Give a file name ending in .png to keep the picture:

    python examples/plot_number_of_topics.py topics.png
"""

# %%
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from matplotlib import pyplot as plt
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from featlearn import LDA
from featlearn.text.metrics import topic_scorer

picture = next((argument for argument in sys.argv[1:] if argument.endswith(".png")), None)
curves = {}


def search_number(name, steps, documents, numbers, **options):
    """Search the number of topics, print the mean scores of three folds, and keep them for the picture."""
    pipeline = Pipeline([*steps, ("lda", LDA(max_iter=200, random_state=0))])
    scoring = {
        "perplexity": topic_scorer("perplexity"),
        "npmi": topic_scorer("npmi", **options),
        "diversity": topic_scorer("diversity"),
    }
    search = GridSearchCV(pipeline, {"lda__n_components": numbers}, scoring=scoring, refit="npmi", cv=3, n_jobs=2)
    search.fit(documents)
    curves[name] = numbers, {measure: search.cv_results_[f"mean_test_{measure}"] for measure in scoring}
    print(f"{name}\n{'topics':>8} {'perplexity':>11} {'NPMI':>7} {'diversity':>10}")
    for number, *row in zip(numbers, *curves[name][1].values(), strict=True):
        print(f"{number:8d} {-row[0]:11.1f} {row[1]:7.3f} {row[2]:10.2f}")
    print("best number of topics:", search.best_params_["lda__n_components"])
    return search.best_estimator_


# %%
# Documents as latent Dirichlet allocation draws them: 8 topics over 400 terms, 600 documents of about 80 words. The
# pipeline is the model alone, on counts; coherence takes whole documents as windows.
rng = np.random.default_rng(0)
topics = rng.dirichlet(np.full(400, 0.1), size=8)
proportions = rng.dirichlet(np.full(8, 0.2), size=600)
drawn = sp.csr_array(rng.multinomial(rng.poisson(80, size=600), proportions @ topics).astype(np.float32))
best = search_number("drawn from 8 topics", [], drawn, [2, 4, 6, 8, 10, 12, 16])
overlap = np.minimum(topics[:, None], best[-1].components_).sum(axis=2).max(axis=1)
print("of each true topic, its best match holds", *(f"{100 * share:.0f} %" for share in overlap))

# %%
# News reports as plain strings. The hundred of a fold are too few to tell which words keep company, for most pairs meet
# in none of them, so coherence is counted in all reports: a scorer takes any reference, here as lists of words.
if find_spec("gensim"):
    from gensim.test.utils import datapath

    reports = Path(datapath("lee_background.cor")).read_text(encoding="utf-8").splitlines()
    vectorizer = CountVectorizer(stop_words="english", min_df=4, max_df=0.3, token_pattern=r"(?u)\b[^\W\d_]{3,}\b")
    words = [vectorizer.build_analyzer()(report) for report in reports]
    numbers = [2, 5, 10, 15, 20, 30, 40]
    steps = [("count", vectorizer)]
    best = search_number("300 news reports", steps, reports, numbers, reference=words, window="document")
    terms = best[0].get_feature_names_out()
    for topic in best[-1].components_:
        print("  ", *terms[np.argsort(-topic)[:8]])

# %%
figure, axes = plt.subplots(2, len(curves), figsize=(4.6 * len(curves), 5), layout="constrained", squeeze=False)
for (above, below), (name, (numbers, scores)) in zip(axes.T, curves.items(), strict=True):
    above.plot(numbers, -scores["perplexity"], "o-", color="#2f6db5")
    above.set(title=name, ylabel="held-out perplexity")
    below.plot(numbers, scores["npmi"], "o-", color="#c8553d", label="NPMI")
    below.plot(numbers, scores["diversity"], "o-", color="#b0b7bf", label="diversity")
    below.set(xlabel="number of topics", ylabel="score of the topics")
    best_number = numbers[int(np.argmax(scores["npmi"]))]
    for ax in (above, below):
        ax.axvline(best_number, color="#c8553d", linestyle=":", linewidth=1)
        ax.spines[["top", "right"]].set_visible(False)
axes[1, 0].legend(frameon=False)
if picture:
    figure.savefig(picture, dpi=120)
else:
    plt.show()
