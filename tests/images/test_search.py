"""A stage inside scikit-learn's machinery: searches, caches, data frames, progress bars and callbacks."""

import numpy as np
import pytest
import sklearn
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from featlearn import (
    ZCA,
    ContrastNormalizer,
    Flatten,
    KMeansDictionary,
    LinearSVM,
    MaxPool,
    ProgressBar,
    Stage,
    SumPool,
    ToImages,
)

DIGITS = load_digits()
IMAGES, Y = DIGITS.images[:200], DIGITS.target[:200]


def learner(n_components=6):
    return make_pipeline(ContrastNormalizer(), ZCA(), KMeansDictionary(n_components, max_iter=3, tol=0))


def pipeline(**parameters):
    stage = Stage(learner(), patch_size=4, n_patches=500, pool=SumPool(), random_state=0)
    return make_pipeline(stage.set_params(**parameters), Flatten(), StandardScaler(), LinearSVM(C=0.05))


class LoggedPCA(PCA):
    """Writes a line into a file whenever it is fitted, from whichever process."""

    def __init__(self, n_components=None, log=None):
        super().__init__(n_components)
        self.log = log

    def fit(self, X, y=None):
        with open(self.log, "a") as file:
            file.write(f"{len(X)}\n")
        return super().fit(X)


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "fits"
    path.touch()
    return path


def lines(path):
    return len(path.read_text().splitlines())


def test_a_search_reaches_the_learner_and_the_pool():
    grid = {
        "stage__learner__kmeansdictionary__n_components": [4, 12],
        "stage__pool__grid": [1, 2],
    }
    alone, together = (GridSearchCV(pipeline(), grid, cv=2, n_jobs=n_jobs).fit(IMAGES, Y) for n_jobs in (1, 2))
    np.testing.assert_array_equal(alone.cv_results_["mean_test_score"], together.cv_results_["mean_test_score"])
    assert together.best_params_ == {
        "stage__learner__kmeansdictionary__n_components": 12,
        "stage__pool__grid": 2,
    }
    assert together.best_estimator_[0].output_shape_ == (2, 2, 12)
    # Each score is that of the pipeline with these parameters, scored by itself.
    for params, score in zip(together.cv_results_["params"], together.cv_results_["mean_test_score"], strict=True):
        assert cross_val_score(pipeline().set_params(**params), IMAGES, Y, cv=2).mean() == pytest.approx(score)


def test_a_search_swaps_learners_and_pools():
    pipe = pipeline(learner=PCA(4))
    grid = [
        {"stage__learner__n_components": [2, 6]},
        {"stage__learner": [learner(4)], "stage__pool": [None, MaxPool()]},
    ]
    search = GridSearchCV(pipe, grid, cv=2).fit(IMAGES, Y)
    assert len(search.cv_results_["params"]) == 4
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_a_halving_search_over_images_lives():
    """It begins with few images, which hold fewer patches than are asked for."""
    stage = Stage(PCA(4), patch_size=6, n_patches=1000, pool=SumPool(grid=1), random_state=0)
    pipe = make_pipeline(stage, Flatten(), StandardScaler(), LinearSVM(tol=1e-3))
    search = HalvingGridSearchCV(
        pipe, {"stage__learner__n_components": [2, 8], "linearsvm__C": [0.001, 0.1]}, cv=2, resource="n_samples",
        min_resources=40, random_state=0, error_score="raise",
    )  # fmt: skip
    search.fit(IMAGES, Y)
    assert search.n_resources_[0] * 9 < 1000
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_params_["stage__learner__n_components"] == 8
    assert search.best_estimator_[0].n_patches_ == 1000


def test_a_bad_value_in_a_search_says_which():
    search = GridSearchCV(pipeline(), {"stage__pool__grid": [9]}, cv=2, error_score="raise")
    with pytest.raises(ValueError, match="grid=9 x 9 does not fit maps of height 5 and width 5"):
        search.fit(IMAGES, Y)


def test_a_cached_pipeline_does_not_fit_the_stage_again(tmp_path, log):
    stage = Stage(LoggedPCA(4, log), patch_size=4, n_patches=300, pool=SumPool(), random_state=0)
    pipe = make_pipeline(stage, Flatten(), StandardScaler(), LinearSVM(), memory=str(tmp_path / "cache"))
    search = GridSearchCV(pipe, {"linearsvm__C": [0.001, 0.01, 0.1]}, cv=2).fit(IMAGES, Y)
    assert lines(log) == 3  # two folds, and the fit on all images at the end
    plain = make_pipeline(stage, Flatten(), StandardScaler(), LinearSVM())
    expected = GridSearchCV(plain, {"linearsvm__C": [0.001, 0.01, 0.1]}, cv=2).fit(IMAGES, Y)
    assert lines(log) == 3 + 7
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"], expected.cv_results_["mean_test_score"])


def test_a_stage_with_memory_does_not_learn_again_for_another_pool(tmp_path, log):
    grid = {"stage__pool": [SumPool(), MaxPool(), SumPool(grid=1)]}
    plain = pipeline(learner=LoggedPCA(4, log))
    expected = GridSearchCV(plain, grid, cv=2).fit(IMAGES, Y)
    assert lines(log) == 7
    cached = pipeline(learner=LoggedPCA(4, log), memory=str(tmp_path / "cache"))
    search = GridSearchCV(cached, grid, cv=2, n_jobs=2).fit(IMAGES, Y)
    # Two folds and the last fit; two processes may learn on the same fold at the same time.
    assert 7 + 3 <= lines(log) <= 7 + 5
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"], expected.cv_results_["mean_test_score"])
    before = lines(log)
    again = GridSearchCV(cached, grid, cv=2).fit(IMAGES, Y)
    assert lines(log) == before
    np.testing.assert_array_equal(again.cv_results_["mean_test_score"], expected.cv_results_["mean_test_score"])
    # What changes the learner or its patches is learned anew.
    for change in ({"stage__learner__n_components": 3}, {"stage__random_state": 1}, {"stage__patch_size": 3}):
        before = lines(log)
        sklearn.base.clone(cached).set_params(**change).fit(IMAGES, Y)
        assert lines(log) == before + 1


def test_a_remembered_learner_is_a_copy(tmp_path):
    stage = Stage(learner(), patch_size=4, n_patches=300, random_state=0, memory=str(tmp_path))
    out = stage.fit_transform(IMAGES)
    stage.learner_[2].components_[:] = 0
    np.testing.assert_array_equal(stage.fit(IMAGES).transform(IMAGES), out)


# Data frames


def test_data_frames_come_out_with_names():
    pipe = pipeline().set_output(transform="pandas").fit(IMAGES, Y)
    table = pipe[:-1].transform(IMAGES)
    names = [f"y{y}_x{x}_{k}" for y in range(2) for x in range(2) for k in range(6)]
    assert list(table.columns) == names
    assert pipe[:-1].get_feature_names_out().tolist() == names
    assert pipe[-1].feature_names_in_.tolist() == names
    np.testing.assert_allclose(table.to_numpy(), pipeline().fit(IMAGES, Y)[:-1].transform(IMAGES))


def test_the_global_switch_to_data_frames():
    expected = pipeline().fit(IMAGES, Y)[:-1].transform(IMAGES)
    with sklearn.config_context(transform_output="pandas"):
        pipe = pipeline(n_jobs=2).fit(IMAGES, Y)
        table = pipe[:-1].transform(IMAGES)
        generic = Stage(PCA(3), patch_size=4, random_state=0).fit_transform(IMAGES)
    np.testing.assert_allclose(table.to_numpy(), expected)
    assert isinstance(generic, np.ndarray)


def test_pixels_of_a_data_frame():
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame(IMAGES.reshape(200, -1), columns=[f"pixel{i}" for i in range(64)]).assign(age=Y)
    pictures = make_pipeline(
        ToImages((8, 8)), Stage(learner(4), patch_size=4, pool=SumPool(), random_state=0), Flatten()
    )
    both = ColumnTransformer([("digit", pictures, slice(0, 64)), ("rest", "passthrough", ["age"])])
    out = both.set_output(transform="pandas").fit_transform(table)
    assert out.columns.tolist() == both.get_feature_names_out().tolist()
    assert out.columns[[0, 15, 16]].tolist() == ["digit__y0_x0_0", "digit__y1_x1_3", "rest__age"]
    stage = Stage(learner(4), patch_size=4, pool=SumPool(), random_state=0)
    np.testing.assert_allclose(out.iloc[:, :16], stage.fit_transform(IMAGES).reshape(200, -1))


def test_features_are_standardized_over_images():
    """Pitfall 18: every feature has mean 0 and spread 1 over the images; no image has over its features."""
    features = pipeline().fit(IMAGES, Y)[:-1].transform(IMAGES)
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-10)
    np.testing.assert_allclose(features.std(axis=0), 1, atol=1e-10)
    assert abs(features.mean(axis=1)).max() > 0.1
    assert abs(features.std(axis=1) - 1).max() > 0.1


# Callbacks

# scikit-learn warns of steps without an iteration to report.


class Recorder:
    """Keeps the path of every task that ends: estimators from the outermost down."""

    max_propagation_depth = None

    def __init__(self):
        self.paths = []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, metadata=None):
        path, place = [], context
        while place is not None:
            path.append(place.estimator_name)
            place = place.parent
        self.paths.append((tuple(dict.fromkeys(reversed(path))), metadata))


def test_a_callback_on_the_search_sees_every_level():
    recorder = Recorder()
    pipe = pipeline(learner=KMeansDictionary(5, max_iter=2, tol=0))
    search = GridSearchCV(pipe, {"stage__pool__grid": [1, 2]}, cv=2).set_callbacks(recorder)
    search.fit(IMAGES, Y)
    paths = {path for path, _ in recorder.paths}
    deepest = ("GridSearchCV", "Pipeline", "Stage", "KMeansDictionary")
    assert {deepest[:depth] for depth in (1, 2, 3, 4)} <= paths
    inertias = [metadata["inertia"] for path, metadata in recorder.paths if path == deepest and metadata]
    assert len(inertias) == (2 * 2 + 1) * 2
    assert inertias[0] > inertias[1] > 0
    assert not hasattr(search.best_estimator_[0].learner_, "_skl_callbacks")


def test_a_learner_in_a_pipeline_in_a_stage_is_seen():
    recorder = Recorder()
    Stage(learner(), patch_size=4, random_state=0).set_callbacks(recorder).fit(IMAGES)
    assert ("Stage", "Pipeline", "KMeansDictionary") in {path for path, _ in recorder.paths}


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_progress_bars_of_every_level(n_jobs, capsys):
    search = GridSearchCV(pipeline(), {"stage__pool__grid": [1, 2]}, cv=2, n_jobs=n_jobs)
    search.set_callbacks(ProgressBar()).fit(IMAGES, Y)
    shown = capsys.readouterr().out
    for name in ("GridSearchCV", "Pipeline", "Stage", "KMeansDictionary"):
        assert name in shown
    assert search.best_score_ > 0.5


def test_progress_bar_and_memory_go_together(tmp_path, capsys):
    stage = Stage(learner(), patch_size=4, n_patches=300, random_state=0, memory=str(tmp_path))
    out = stage.set_callbacks(ProgressBar()).fit_transform(IMAGES)
    np.testing.assert_array_equal(stage.fit(IMAGES).transform(IMAGES), out)
    assert "Stage" in capsys.readouterr().out
