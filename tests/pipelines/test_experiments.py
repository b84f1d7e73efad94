"""The experiments themselves: the settings they build with, and small runs from end to end."""

import json
from dataclasses import replace

import numpy as np
import pytest

from pipelines import EXPERIMENTS
from pipelines.__main__ import main
from pipelines.experiment import Settings, Split
from pipelines.kmeans_mnist import RunningMeanClassifier, measure
from pipelines.progress import Steps
from pipelines.runner import run


def rows(folder):
    records = [json.loads(path.read_text()) for path in folder.rglob("*.json")]
    return {row["name"]: row["ours"] for record in records for row in record["rows"]}


def test_coates_builds_the_papers_settings():
    experiment = EXPERIMENTS["coates2011"]
    parameters = experiment.build("kmeans_triangle_1600", Settings(seed=3)).get_params()
    expected = {
        "stage__patch_size": 6,
        "stage__stride": 1,
        "stage__n_patches": 400_000,
        "stage__random_state": 3,
        "stage__pool__grid": 2,
        "stage__learner__contrastnormalizer__eps": 10,
        "stage__learner__contrastnormalizer__ddof": 1,
        "stage__learner__zca__eps": 0.1,
        "stage__learner__kmeansdictionary__n_components": 1_600,
        "stage__learner__kmeansdictionary__encode": "triangle",
        "stage__learner__kmeansdictionary__max_iter": 50,
        "stage__learner__kmeansdictionary__tol": 0,
        "stage__learner__kmeansdictionary__random_state": 3,
        "featurescaler__eps": 0.01,
        "linearsvm__C": 100,
    }
    assert {name: parameters[name] for name in expected} == expected
    assert type(parameters["stage__pool"]).__name__ == "SumPool"


def test_coates_variants_differ_where_their_names_say():
    experiment = EXPERIMENTS["coates2011"]

    def learner(variant):
        return experiment.build(variant, Settings()).named_steps["stage"].learner

    assert learner("kmeans_triangle_4000")[-1].n_components == 4_000
    assert learner("kmeans_hard_1600")[-1].encode == "hard"
    assert list(learner("kmeans_hard_1600").named_steps) == ["contrastnormalizer", "zca", "kmeansdictionary"]
    assert list(learner("kmeans_triangle_1600_no_whitening").named_steps) == ["contrastnormalizer", "kmeansdictionary"]
    random = learner("random_patches_1600")[-1]
    assert (random.n_components, random.encode, random.threshold) == (1_600, "split", 0.25)
    assert "stage" not in experiment.build("raw_pixels", Settings()).named_steps


def test_coates_smoke(tmp_path, require_dataset):
    require_dataset("cifar10")
    assert main(["run", "coates2011", "--variant", "all", "--smoke", "--out", str(tmp_path)]) == 0
    found = rows(tmp_path)
    assert set(found) == set(EXPERIMENTS["coates2011"].variants)
    assert min(found.values()) > 15  # chance is 10
    assert len(list(tmp_path.rglob("*-filters.png"))) == 5


def test_kmeans_mnist_smoke(tmp_path, require_dataset):
    require_dataset("mnist")
    assert main(["run", "kmeans_mnist", "--smoke", "--out", str(tmp_path)]) == 0
    found = rows(tmp_path)
    for variant in ("running_mean", "lloyd"):
        accuracies = [found[f"{variant}: accuracy %, seed {seed}"] for seed in (0, 1)]
        assert found[f"{variant}: accuracy %, mean"] == pytest.approx(np.mean(accuracies))
        assert 50 < np.mean(accuracies) < 90
        assert found[f"{variant}: mean distance, step 10"] < found[f"{variant}: mean distance, step 1"]
    # both begin with the same centers, and running means lag behind
    assert found["lloyd: mean distance, step 1"] == pytest.approx(found["running_mean: mean distance, step 1"])
    assert found["lloyd: mean distance, step 10"] < found["running_mean: mean distance, step 10"]


def test_kmeans_mnist_rows_come_from_their_seeds(monkeypatch):
    monkeypatch.setattr("pipelines.kmeans_mnist.N_SEEDS", 5)

    class Known:
        def __init__(self, random_state=0):
            self.random_state = random_state

        def get_params(self, deep=True):
            return {"random_state": self.random_state}

        def set_params(self, random_state):
            self.random_state = random_state
            return self

        def fit(self, X, y):
            length = 30 if self.random_state == 6 else 50  # one run settles early and stays there
            self.distance_curve_ = np.arange(1, length + 1) + 100.0 * self.random_state
            return self

        def score(self, X, y):
            return 0.5 + 0.01 * self.random_state

    nothing = Split(*np.zeros((4, 1)))
    found = measure(Known(2), nothing, "lloyd", Settings(seed=2), Steps())
    assert [found[f"lloyd: accuracy %, seed {seed}"] for seed in range(2, 7)] == pytest.approx([52, 53, 54, 55, 56])
    assert found["lloyd: accuracy %, mean"] == pytest.approx(54)
    assert found["lloyd: accuracy %, standard deviation"] == pytest.approx(2**0.5)
    assert found["lloyd: mean distance, step 1"] == pytest.approx(401)
    assert found["lloyd: mean distance, step 50"] == pytest.approx((4 * 50 + 30) / 5 + 400)


def test_both_rules_begin_with_the_same_centers():
    rng = np.random.default_rng(0)
    X, y = rng.random((200, 6)), np.arange(200) % 3
    curves = [
        EXPERIMENTS["kmeans_mnist"].build(variant, Settings(seed=seed)).fit(X, y).distance_curve_
        for seed in (0, 1)
        for variant in ("running_mean", "lloyd")
    ]
    assert curves[0][0] == pytest.approx(curves[1][0], rel=1e-9)
    assert curves[2][0] == pytest.approx(curves[3][0], rel=1e-9)
    assert curves[0][0] != pytest.approx(curves[2][0], rel=1e-9)


def test_running_mean_follows_its_rule():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 5)) + 3 * np.eye(5)[np.arange(60) % 3]
    y = np.array(["a", "b", "c"])[np.arange(60) % 3]
    model = RunningMeanClassifier(4, max_iter=6, random_state=0).fit(X, y)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    first = RunningMeanClassifier(4, max_iter=1, random_state=0).fit(X, y)
    assert model.distance_curve_[0] == first.distance_curve_[0]
    centers, counts, curve = first.dictionary_.components_, first.dictionary_.counts_, []
    for _ in range(5):  # x += (sum - k x) / (n + k), then unit length
        winner = (unit @ centers.T).argmax(axis=1)
        curve.append(1 - (unit @ centers.T).max(axis=1).mean())
        k = np.bincount(winner, minlength=4)
        sums = np.stack([unit[winner == c].sum(axis=0) for c in range(4)])
        counts = counts + k
        centers = centers + (sums - k[:, None] * centers) / counts[:, None]
        centers = centers / np.linalg.norm(centers, axis=1, keepdims=True)
    np.testing.assert_allclose(model.distance_curve_[1:], curve, rtol=1e-9)
    np.testing.assert_allclose(model.dictionary_.components_, centers, rtol=1e-9)
    winner = (unit @ centers.T).argmax(axis=1)
    majority = np.array([max("abc", key=lambda c: np.sum(y[winner == k] == c)) for k in range(4)])
    np.testing.assert_array_equal(model.predict(X), majority[winner])


def test_digits_smoke_writes_pictures_and_is_reproducible(tmp_path):
    for folder in ("first", "again"):
        assert main(["run", "digits", "--smoke", "--seed", "1", "--out", str(tmp_path / folder), "--quiet"]) == 0
    assert rows(tmp_path / "first") == rows(tmp_path / "again")
    assert set(rows(tmp_path / "first")) == {"raw_pixels", "pca", "kmeans"}
    assert {path.name for path in (tmp_path / "first" / "digits").glob("*.png")} == {
        "kmeans-seed1-smoke-filters-digits.png",
        "kmeans-seed1-smoke-filters-photographs.png",
    }


def test_digits_features_beat_pixels_and_pca(tmp_path):
    results = run(replace(EXPERIMENTS["digits"], pictures=None), Settings(), out=tmp_path, quiet=True)
    found = {row.name: row.ours for result in results for row in result.rows}
    assert found["kmeans"] > found["raw_pixels"] + 1.5
    assert found["kmeans"] > found["pca"] + 1.5
