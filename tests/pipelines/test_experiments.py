"""The experiments themselves: the settings they build with, and small runs from end to end."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.pipeline import make_pipeline

from featlearn.vectors.rbm_partition import LogPartition
from pipelines import EXPERIMENTS, denoising_mnist, finetune_cifar10, mnist_codes, ngiam2011, rbm_mnist
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
        "meansvm__C": 100,
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


def test_coates_other_learners_share_all_but_the_learner():
    experiment = EXPERIMENTS["coates2011"]
    kmeans = experiment.build("kmeans_triangle_1600", Settings(seed=3))
    learners = {
        "sparse_autoencoder_1600": "SparseAutoencoder",
        "sparse_rbm_1600": "RBM",
        "gmm_1600": "GaussianMixtureEncoder",
        "omp1_split_1600": "KMeansDictionary",
        "random_patches_1600": "RandomPatches",
    }
    for variant, kind in learners.items():
        model = experiment.build(variant, Settings(seed=3))
        *before, last = model.named_steps["stage"].learner
        assert (type(last).__name__, last.n_components, last.random_state) == (kind, 1_600, 3)
        model.named_steps["stage"].set_params(learner=kmeans.named_steps["stage"].learner)
        assert repr(model) == repr(kmeans)
        assert repr(before) == repr(list(kmeans.named_steps["stage"].learner[:2]))
    omp1 = experiment.build("omp1_split_1600", Settings()).named_steps["stage"].learner[-1]
    assert (omp1.assignment, omp1.encode, omp1.threshold, omp1.max_iter) == ("spherical", "split", 0.25, 50)
    gmm = experiment.build("gmm_1600", Settings()).named_steps["stage"].learner[-1]
    assert gmm.encode == "posterior"
    assert experiment.build("sparse_rbm_1600", Settings()).named_steps["stage"].learner[-1].visible == "gaussian"
    reported = {v: (r.value, r.mark, r.tolerance) for v, r in experiment.reported.items() if v in learners}
    assert reported == {
        "sparse_autoencoder_1600": (73.4, "M", None),
        "sparse_rbm_1600": (72.4, "M", None),
        "omp1_split_1600": (79.96, "R", None),
        "random_patches_1600": (79.14, "R", None),
    }
    assert "no reported number" in experiment.notes["gmm_1600"]


def test_coates_smoke(tmp_path, require_dataset):
    require_dataset("cifar10")
    assert main(["run", "coates2011", "--variant", "all", "--smoke", "--out", str(tmp_path)]) == 0
    found = rows(tmp_path)
    assert set(found) == set(EXPERIMENTS["coates2011"].variants)
    assert min(found.values()) > 15  # chance is 10
    assert len(list(tmp_path.rglob("*-filters.png"))) == 9


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


BUNDLED = {
    "ngiam2011": {"one_layer", "two_layers"},
    "denoising_mnist": {"denoising_autoencoder", "rbm"},
    "rbm_mnist": {"cd1", "pcd1"},
}
PICTURES = {
    "ngiam2011": {"filters", "objective", "sparsity"},
    "denoising_mnist": {"filters", "reconstructions"},
    "rbm_mnist": {"filters", "samples"},
}


@pytest.mark.parametrize("name", BUNDLED)
def test_without_data_digits_stand_in_and_it_is_said(tmp_path, capsys, no_network, results_of_the_test, name):
    assert main(["run", name, "--smoke", "--data", str(tmp_path / "empty"), "--out", str(tmp_path)]) == 0
    absent = "CIFAR-10" if name == "ngiam2011" else "MNIST"
    printed = capsys.readouterr().out
    assert f"Data: scikit-learn's 1,797 digits of 8 x 8 pixels, because {absent} was not found" in printed
    records = [json.loads(path.read_text()) for path in tmp_path.rglob("*.json")]
    assert {record["variant"] for record in records} == BUNDLED[name]
    for record in records:
        assert record["stand_in"] is True
        assert absent in record["data"]
        assert all(row["name"].endswith("(bundled data)") for row in record["rows"])
        assert all(row["reported"] is None and row["bar"] is None for row in record["rows"])
    drawn = {path.name.split("-bundled-")[1].removesuffix(".png") for path in tmp_path.rglob("*.png")}
    assert drawn == PICTURES[name]
    assert not results_of_the_test.exists()
    found = rows(tmp_path)
    if name == "ngiam2011":
        assert min(found[f"{v} (bundled data)"] for v in BUNDLED[name]) > 70
    else:
        assert all(0 < x <= 100 for label, x in found.items() if "accuracy" in label)
        assert sum("accuracy" in label for label in found) == 4


@pytest.mark.parametrize("name", ["ngiam2011", "denoising_mnist", "rbm_mnist"])
def test_smoke_on_the_real_data(tmp_path, require_dataset, name):
    require_dataset("cifar10" if name == "ngiam2011" else "mnist")
    assert main(["run", name, "--smoke", "--out", str(tmp_path), "--quiet"]) == 0
    records = [json.loads(path.read_text()) for path in tmp_path.rglob("*.json")]
    assert {record["variant"] for record in records} == BUNDLED[name]
    assert not any(record["stand_in"] for record in records)
    assert not any("bundled" in label for label in rows(tmp_path))


def test_photographs_smoke(tmp_path):
    assert main(["run", "ngiam2011_photographs", "--smoke", "--out", str(tmp_path), "--quiet"]) == 0
    found = rows(tmp_path)
    for variant in ("one_layer", "two_layers"):
        for layer in (1, 2) if variant == "two_layers" else (1,):
            name = f"{variant}: objective a patch, layer {layer}"
            first, last = (found[f"{name}, {when} iteration"] for when in ("first", "last"))
            assert 1 <= last < first  # of features of length 1, the sum is 1 or more
        assert 0 < found[f"{variant}: population sparsity"] < 1
        assert 0 < found[f"{variant}: lifetime sparsity"] < 1
    assert len(list(tmp_path.rglob("*.png"))) == 6


def test_sparse_filtering_has_the_papers_settings():
    for variant, widths in (("one_layer", [256]), ("two_layers", [256, 256])):
        _, filtering = ngiam2011.learner(variant, Settings(seed=5))
        assert (filtering.n_components, filtering.max_iter, filtering.random_state) == (widths, 200, 5)
        assert (filtering.activation, filtering.center) == ("softabs", True)
        stage = EXPERIMENTS["ngiam2011"].build(variant, Settings()).named_steps["stage"]
        assert repr(stage.learner) == repr(ngiam2011.learner(variant, Settings()))


def test_sparsity_of_codes_is_told_by_layer():
    class Layer:
        def __init__(self, *curve):
            self.loss_curve = np.array(curve)

    class Fitted:
        layers_ = (Layer(40.0, 30.0, 20.0), Layer(10.0, 5.0))

    codes = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 1.0], [1.0, 0.0]])
    found = ngiam2011.diagnostics(Fitted(), codes, "v", 10)
    assert found == pytest.approx(
        {
            "v: objective a patch, layer 1, first iteration": 4,
            "v: objective a patch, layer 1, last iteration": 2,
            "v: objective a patch, layer 2, first iteration": 1,
            "v: objective a patch, layer 2, last iteration": 0.5,
            "v: population sparsity": (0.5 + 0.5 + 0 + 0.5) / 4,
            "v: lifetime sparsity": (0 + 0.75) / 2,
        }
    )


class Twisted(TransformerMixin, BaseEstimator):
    """Codes whose products tell the classes apart, which the pixels do not; and an energy that is known."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return np.column_stack([X, X[:, :1] * X[:, 1:2]])

    def free_energy(self, X):
        return X.sum(axis=1)

    def log_partition(self, method, n_chains, n_betas, random_state):
        assert (method, random_state) == ("ais", 3)
        assert min(n_chains, n_betas) >= 100
        return LogPartition(7.0, 0.25)


def crossed():
    rng = np.random.default_rng(0)
    X = rng.choice([-1.0, 1.0], size=(400, 2)) + rng.normal(scale=0.1, size=(400, 2))
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    return Split(X[:300], y[:300], X[300:], y[300:])


@pytest.mark.parametrize("name", ["denoising_mnist", "rbm_mnist"])
def test_codes_and_pixels_get_the_same_classifier(name):
    data = crossed()
    judge = mnist_codes.classifier(Settings(smoke=True))
    pipeline = make_pipeline(Twisted(), clone(judge))
    found = EXPERIMENTS[name].measure(pipeline, data, "v", Settings(seed=3), Steps())
    pixels = "binary pixels" if name == "rbm_mnist" else "raw pixels"
    codes, raw = found["v: accuracy %, codes"], found[f"v: accuracy %, {pixels}"]
    assert codes == 100
    assert raw == 100 * judge.fit(data.X_train, data.y_train).score(data.X_test, data.y_test)
    assert raw < 70
    assert found[f"v: points gained over {pixels}"] == pytest.approx(codes - raw)
    if name == "rbm_mnist":
        for part, X in (("train", data.X_train), ("test", data.X_test)):
            expected = -X.sum(axis=1).mean() - 7
            assert found[f"v: log-likelihood, {part} (nats a digit)"] == pytest.approx(expected)
        assert (found["v: log Z"], found["v: log Z, standard error"]) == (7, 0.25)


def test_the_classifier_chooses_C_on_held_out_training_rows():
    model = EXPERIMENTS["denoising_mnist"].build("denoising_autoencoder", Settings())[-1]
    ((train, held),) = model.cv.split(np.zeros((60_000, 1)), np.arange(60_000) % 10)
    assert (len(train), len(held)) == (50_000, 10_000)
    assert not set(train) & set(held)
    assert len(model.Cs) >= 5


def test_the_denoising_bar():
    experiment = EXPERIMENTS["denoising_mnist"]
    name = "rbm: points gained over raw pixels"
    (row,) = experiment.rows({name: 5.99})
    assert row.fails
    assert not experiment.rows({name: 6.0})[0].fails
    learner = experiment.build("denoising_autoencoder", Settings(seed=2))[0]
    assert (learner.n_components, learner.corruption, learner.corruption_level) == (1_000, "masking", 0.3)
    assert learner.random_state == 2
    rbm = experiment.build("rbm", Settings(seed=2))[0]
    assert (rbm.n_components, rbm.visible, rbm.random_state) == (1_000, "binary", 2)


def test_masked_pixels_of_pictures_are_the_share_of_the_training():
    X = np.full((100, 100), 0.5, np.float32)
    noisy = denoising_mnist.masked(X, 0)
    assert set(np.unique(noisy)) == {0, 0.5}
    assert np.mean(noisy == 0) == pytest.approx(0.3, abs=0.02)
    assert noisy.dtype == np.float32


def test_rbms_see_binary_digits(tmp_path, no_network):
    settings = Settings(data_home=str(tmp_path / "empty"))
    data, again, gray = rbm_mnist.load(settings), rbm_mnist.load(settings), denoising_mnist.mnist_or_digits(settings)
    assert set(np.unique(data.X_train)) == set(np.unique(data.X_test)) == {0.0, 1.0}
    np.testing.assert_array_equal(data.X_train, again.X_train)
    # a gray value is the probability of 1
    for value in (0.25, 0.5, 0.75):
        assert data.X_train[gray.X_train == value].mean() == pytest.approx(value, abs=0.03)
    assert data.stand_in
    build = EXPERIMENTS["rbm_mnist"].build
    assert [build(v, Settings())[0].persistent for v in ("cd1", "pcd1")] == [False, True]
    assert {build(v, Settings())[0].n_components for v in ("cd1", "pcd1")} == {500}


def test_no_digit_is_for_training_and_for_test(tmp_path, no_network):
    data = denoising_mnist.mnist_or_digits(Settings(data_home=str(tmp_path / "empty")))
    assert len(data.y_train) + len(data.y_test) == 1_797
    train, test = ({row.tobytes() for row in X} for X in (data.X_train, data.X_test))
    assert not train & test


def test_epoch_times_smoke(tmp_path, no_network):
    pytest.importorskip("keras")
    arguments = ["--smoke", "--variant", "plain,by_hand", "--data", str(tmp_path / "empty"), "--out", str(tmp_path)]
    assert main(["run", "epoch_times", *arguments, "--quiet"]) == 0
    found = rows(tmp_path)
    for variant in ("plain", "by_hand"):
        assert found[f"{variant}: seconds an epoch (bundled data)"] > 0
    # The same network, whatever runs it.
    accuracies = [x for label, x in found.items() if "accuracy" in label]
    assert accuracies[0] == pytest.approx(accuracies[1], abs=1.5)


def test_finetune_smoke(tmp_path, require_dataset):
    pytest.importorskip("keras")
    require_dataset("cifar10")
    assert main(["run", "finetune_cifar10", "--smoke", "--out", str(tmp_path), "--quiet"]) == 0
    found = {name.removeprefix("kmeans_100: "): value for name, value in rows(tmp_path).items()}
    means = {name: found[f"{name}: accuracy %, mean"] for name in finetune_cifar10.ROWS}
    assert min(means.values()) > 15
    tuned = means["unrolled and tuned"]
    assert found["points gained over the pipeline"] == pytest.approx(tuned - means["pipeline"])
    assert found["points gained over head only"] == pytest.approx(tuned - means["head only"])


def test_finetune_builds_its_settings():
    parameters = EXPERIMENTS["finetune_cifar10"].build("kmeans_100", Settings(seed=3)).get_params()
    expected = {
        "stage__patch_size": 6,
        "stage__stride": 2,
        "stage__random_state": 3,
        "stage__learner__zca__eps": 0.1,
        "stage__learner__kmeansdictionary__n_components": 100,
        "stage__learner__kmeansdictionary__encode": "triangle",
        "linearsvm__C": 0.01,
    }
    assert {name: parameters[name] for name in expected} == expected
