"""The topic experiments: what they build, and small runs from end to end."""

import json

import numpy as np
import pytest
import scipy.sparse as sp

from pipelines import EXPERIMENTS
from pipelines.__main__ import main
from pipelines.experiment import Settings, Split
from pipelines.progress import Steps
from pipelines.topic_models import BARS, measure, measure_features, shuffled


def rows(folder):
    records = [json.loads(path.read_text()) for path in folder.rglob("*.json")]
    return {row["name"]: row["ours"] for record in records for row in record["rows"]}


def test_what_is_built():
    parameters = EXPERIMENTS["topics_20news"].build("models", Settings(seed=3)).get_params()
    for name in ("mixture", "plsa", "lda"):
        assert (parameters[f"{name}__n_components"], parameters[f"{name}__random_state"]) == (100, 3)
    assert parameters["lda__method"] == "gibbs"
    assert type(parameters["unigram"]).__name__ == "UnigramModel"


def test_the_bars_ask_for_the_papers_order():
    assert set(BARS) == {
        "models: perplexity, PLSA / LDA",
        "models: perplexity, mixture / PLSA",
        "models: perplexity, unigram / mixture",
    }


def test_shuffling_moves_rows_and_labels_alike():
    X, y = sp.csr_array(np.arange(20.0).reshape(10, 2)), list(range(10))
    np.testing.assert_array_equal(shuffled(X, 0).toarray()[:, 0] / 2, shuffled(y, 0))


def corpus(n=240, K=4, V=60):
    rng = np.random.default_rng(0)
    phi = rng.dirichlet(np.full(V, 0.05), K)
    y = np.arange(n) % K
    X = [rng.multinomial(40, (0.8 * np.eye(K)[label] + 0.2 / K) @ phi) for label in y]
    X = sp.csr_array(np.array(X, np.float32))
    return Split(X[:200], y[:200], X[200:], y[200:])


def test_rows_of_the_four_models():
    models = EXPERIMENTS["topics_ap"].build("models", Settings(smoke=True))
    found = measure(models, corpus(), "models", Settings(smoke=True), Steps())
    assert len(found) == 3 * 4 + 3
    assert found["models: perplexity, unigram / mixture"] == pytest.approx(
        found["models: perplexity, unigram"] / found["models: perplexity, mixture"]
    )
    assert found["models: perplexity, LDA"] < found["models: perplexity, unigram"]


def test_rows_of_the_features():
    split = corpus()
    model = EXPERIMENTS["topics_20news"].build("features", Settings(smoke=True)).set_params(n_components=4)
    found = measure_features(model, split, "features", Settings(smoke=True), Steps())
    assert found["features: accuracy %, topics"] > 60  # chance is 25
    gained = found["features: accuracy %, TF-IDF and topics"] - found["features: accuracy %, TF-IDF"]
    assert found["features: points that topics add to TF-IDF"] == pytest.approx(gained)


@pytest.mark.parametrize(("name", "data"), [("topics_20news", "20newsgroups"), ("topics_ap", "ap")])
def test_smoke(name, data, tmp_path, require_dataset):
    require_dataset(data)
    assert main(["run", name, "--smoke", "--out", str(tmp_path)]) in (0, 1)  # too small for the bars
    found = rows(tmp_path)
    assert found["models: perplexity, LDA"] > 1
    assert ("features: accuracy %, topics" in found) == (name == "topics_20news")
