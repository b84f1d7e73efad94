"""Topic models side by side, and topics as features where labels are few.

Four models of the same counts, as Blei, Ng and Jordan compared them in 2003: held-out perplexity by document completion
(half of a document's words infer its topics, the other half are scored), NPMI coherence of the ten top terms over the
scored documents, and seconds. The paper prints its perplexities as a figure only, so the order is what is judged:
LDA < PLSA folded in < mixture of unigrams < unigram. PLSA has a pseudo-count as the others have, or a held-out term
that it never saw would make its perplexity infinite; every pseudo-count was chosen on held-out training documents
(--validation).

Then topics as features: LDA learns from all training posts without their labels; a linear SVM learns from 5 % of the
labels, on TF-IDF, on the topic proportions (their square roots, whose products are Hellinger affinities), and on both.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp

from pipelines.experiment import Experiment, Settings, Split
from pipelines.progress import Steps

TOPICS = 100
LABELLED = 0.05  # share of the training labels
DRAWS = 5  # of these labels
CS = [0.01, 0.1, 1.0, 10.0]
NAMES = {"unigram": "unigram", "mixture": "mixture", "plsa": "PLSA", "lda": "LDA"}
ORDER = ("lda", "plsa", "mixture", "unigram")  # from the lowest perplexity to the highest


def newsgroups(settings: Settings) -> Split:
    """20 newsgroups: counts of whole posts (headers, footers and quotes removed), terms of five posts or more."""
    from sklearn.feature_extraction.text import CountVectorizer

    from featlearn.datasets import load_20newsgroups

    remove = ("headers", "footers", "quotes")
    train, y_train, _ = load_20newsgroups("train", remove=remove, data_home=settings.data_home)
    test, y_test, _ = load_20newsgroups("test", remove=remove, data_home=settings.data_home)
    if settings.smoke:
        train, y_train, test, y_test = train[::12], y_train[::12], test[::24], y_test[::24]
    vectorizer = CountVectorizer(stop_words="english", min_df=5, max_df=0.5, token_pattern=r"(?u)\b[a-zA-Z]\w+\b")
    X_train = vectorizer.fit_transform(train)
    return Split(shuffled(X_train, 0), shuffled(y_train, 0), vectorizer.transform(test), np.asarray(y_test))


def associated_press(settings: Settings) -> Split:
    """The Associated Press documents: counts, a fifth of them scored. They have no labels."""
    from featlearn.datasets import load_ap

    X, _ = load_ap(data_home=settings.data_home)
    X = shuffled(X[::8] if settings.smoke else X, 0)
    cut = X.shape[0] // 5
    return Split(X[cut:], np.zeros(X.shape[0] - cut), X[:cut], np.zeros(cut))


def shuffled(rows: Any, seed: int) -> Any:
    """Rows in an order drawn by the seed: the groups come sorted, and held-out posts should be of all of them."""
    n = rows.shape[0] if hasattr(rows, "shape") else len(rows)
    order = np.random.default_rng(seed).permutation(n)
    return rows[order] if hasattr(rows, "shape") else np.asarray(rows)[order]


def build(variant: str, settings: Settings) -> Any:
    """The four models in a FeatureUnion, so that each parameter has a name; or LDA alone for the features."""
    from sklearn.pipeline import FeatureUnion

    from featlearn import LDA, PLSA, MixtureOfUnigrams, UnigramModel

    K, seed = (10 if settings.smoke else TOPICS), settings.seed
    sweeps = 60 if settings.smoke else 500
    lda = LDA(K, method="gibbs", alpha="learned", eta=0.03, max_iter=sweeps, random_state=seed)
    if variant == "features":
        return lda
    models = {
        "unigram": UnigramModel(eta=0.01),
        "mixture": MixtureOfUnigrams(K, eta=0.3, random_state=seed),
        "plsa": PLSA(K, eta=0.05, random_state=seed),
        "lda": lda,
    }
    return FeatureUnion(list(models.items()))


def measure(estimator: Any, split: Split, variant: str, settings: Settings, steps: Steps) -> dict[str, float]:
    """The rows of either variant."""
    if variant == "features":
        return measure_features(estimator, split, variant, settings, steps)
    from featlearn.topics.coherence import topic_coherence

    perplexity, rows = {}, {}
    for name, model in estimator.transformer_list:
        with steps(f"fit {NAMES[name]}", model):
            model.fit(split.X_train)
        with steps(f"score {NAMES[name]}"):
            perplexity[name] = model.perplexity(split.X_test)
            npmi = topic_coherence(model.components_, split.X_test, measure="npmi", top=10)
        rows[f"{variant}: perplexity, {NAMES[name]}"] = perplexity[name]
        rows[f"{variant}: coherence (NPMI), {NAMES[name]}"] = float(np.mean(npmi))
        rows[f"{variant}: seconds, {NAMES[name]}"] = steps.seconds[f"fit {NAMES[name]}"]
    for better, worse in pairwise(ORDER):
        rows[f"{variant}: perplexity, {NAMES[worse]} / {NAMES[better]}"] = perplexity[worse] / perplexity[better]
    return rows


def measure_features(estimator: Any, split: Split, variant: str, settings: Settings, steps: Steps) -> dict[str, float]:
    """Accuracy in percent of a linear SVM on few labels, mean over several draws of these labels."""
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split
    from sklearn.svm import LinearSVC

    with steps("fit LDA", estimator):
        estimator.fit(split.X_train)
    with steps("topics of all posts"):
        topics = [np.sqrt(estimator.transform(X)) for X in (split.X_train, split.X_test)]
    tfidf = TfidfTransformer(sublinear_tf=True).fit(split.X_train)
    terms = [tfidf.transform(X) for X in (split.X_train, split.X_test)]
    both = [sp.hstack(pair, format="csr") for pair in zip(terms, map(sp.csr_array, topics), strict=True)]
    features = {"TF-IDF": terms, "topics": topics, "TF-IDF and topics": both}
    accuracies: dict[str, list[float]] = {name: [] for name in features}
    share = 0.25 if settings.smoke else LABELLED
    for draw in range(1 if settings.smoke else DRAWS):
        labelled, _ = train_test_split(
            np.arange(len(split.y_train)),
            train_size=share,
            stratify=split.y_train,
            random_state=settings.seed + draw,
        )
        folds = StratifiedKFold(2 if settings.smoke else 5, shuffle=True, random_state=settings.seed)
        for name, (train, test) in features.items():
            with steps(f"SVM on {name}"):
                search = GridSearchCV(LinearSVC(max_iter=10_000), {"C": CS}, cv=folds)
                search.fit(train[labelled], split.y_train[labelled])
                accuracies[name].append(100.0 * float(search.score(test, split.y_test)))
    rows = {f"{variant}: accuracy %, {name}": float(np.mean(values)) for name, values in accuracies.items()}
    gained = rows[f"{variant}: accuracy %, TF-IDF and topics"] - rows[f"{variant}: accuracy %, TF-IDF"]
    return {**rows, f"{variant}: points that topics add to TF-IDF": gained}


BARS = {f"models: perplexity, {NAMES[worse]} / {NAMES[better]}": 1.0 for better, worse in pairwise(ORDER)}
HEADLINES = (
    *(f"perplexity, {name}" for name in NAMES.values()),
    "accuracy %, TF-IDF",
    "accuracy %, topics",
    "accuracy %, TF-IDF and topics",
)
MODELS = "unigram, mixture of unigrams, PLSA and LDA, 100 topics each"
NOTES = {"models": "each model's pseudo-count was chosen on held-out training documents"}
PAPER = "D. Blei, A. Ng, M. Jordan, Latent Dirichlet allocation, 2003"

TOPICS_20NEWS = Experiment(
    name="topics_20news",
    title="Topic models of 20 newsgroups, and topics as features",
    paper=PAPER,
    data="20 newsgroups by date (20news-bydate/ in the data folder)",
    variants={"models": MODELS, "features": "linear SVM on 5 % of the labels; mean of 5 draws of them"},
    default=("models", "features"),
    load=newsgroups,
    build=build,
    measure=measure,
    bars=BARS,
    headlines=HEADLINES,
    notes=NOTES,
)
TOPICS_AP = Experiment(
    name="topics_ap",
    title="Topic models of the Associated Press documents",
    paper=PAPER,
    data="Associated Press, 2,246 documents, a fifth of them the test (ap/ in the data folder)",
    variants={"models": MODELS},
    default=("models",),
    load=associated_press,
    build=build,
    measure=measure,
    bars=BARS,
    headlines=HEADLINES,
    notes=NOTES,
)
