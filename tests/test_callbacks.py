"""The callback adapter: a fake iterative learner, alone, in a pipeline, inside a meta-estimator and a grid search."""

import copy
import pickle

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.callback import FitCallback
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from featlearn import EarlyStopping, ProgressBar
from featlearn.callbacks import CallbackSupportMixin, end_iteration, sub_fit
from featlearn.fitting import fitting

X = np.random.default_rng(0).normal(size=(40, 3))


class Halver(CallbackSupportMixin, TransformerMixin, BaseEstimator):
    """Halves a loss per iteration, down to a floor; `fail_at` raises an error in the middle."""

    def __init__(self, max_iter=6, floor=0.0, fail_at=None, error=RuntimeError):
        self.max_iter, self.floor, self.fail_at, self.error = max_iter, floor, fail_at, error

    @fitting("max_iter")
    def fit(self, X, y=None):
        loss, self.losses_ = 1.0, []
        for i in range(self.max_iter):
            if i == self.fail_at:
                raise self.error("the disk is full")
            loss = max(loss / 2, self.floor)
            self.losses_.append(loss)
            losses = list(self.losses_)
            if end_iteration(self, {"inertia": loss}, lambda losses=losses: {"losses_": losses}):
                break
        self.n_iter_ = i + 1
        return self

    def transform(self, X):
        return X

    def score(self, X, y=None):
        return -self.losses_[-1]


class Lift(CallbackSupportMixin, TransformerMixin, BaseEstimator):
    """A meta-estimator as `Stage` is one: it clones and fits a learner, after a task of its own."""

    def __init__(self, learner):
        self.learner = learner

    @fitting(2)
    def fit(self, X, y=None):
        end_iteration(self, {}, name="sample patches")
        learner = clone(self.learner)
        with sub_fit(self, learner, "fit learner"):
            learner.fit(X)
        self.learner_ = learner
        return self

    def transform(self, X):
        return self.learner_.transform(X)

    def score(self, X, y=None):
        return self.learner_.score(X)


class Plain(TransformerMixin, BaseEstimator):
    """A learner that knows nothing of callbacks."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X


class Recorder:
    """Writes down every event with the whole path of tasks; it reaches every level."""

    max_propagation_depth = None

    def __init__(self, path=None):
        self.events, self.path = [], path

    def write(self, *event):
        self.events.append(event)
        if self.path is not None:  # worker processes have copies of the callback: they write to a file they share
            with open(self.path, "a") as file:
                file.write(f"{event}\n")

    def setup(self, estimator, context):
        self.write("setup", type(estimator).__name__, names(context))

    def teardown(self, estimator, context):
        self.write("teardown", type(estimator).__name__, names(context))

    def on_fit_task_begin(self, estimator, context):
        self.write("begin", type(estimator).__name__, names(context))

    def on_fit_task_end(self, estimator, context, *, metadata=None):
        self.write("end", type(estimator).__name__, names(context), metadata)

    def of(self, kind):
        return [event[1:] for event in self.events if event[0] == kind]


class Snapshot:
    """Keeps the fitted estimator of every task that offers one. Not propagated: set on the learner itself."""

    def __init__(self):
        self.taken = []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        if fitted_estimator is not None:
            self.taken.append(fitted_estimator)


def names(context):
    """Task names from the root down, `estimator:task`."""
    own = f"{context.estimator_name}:{context.task_name}"
    return (own,) if context.parent is None else (*names(context.parent), own)


def leftovers(estimator):
    """Attributes of the callback machinery that outlive the fit; `_skl_callbacks` are what the user has set."""
    return {name for name in vars(estimator) if "callback" in name} - {"_skl_callbacks"}


def test_alone_every_event_once_and_in_order():
    recorder = Recorder()
    learner = Halver(max_iter=2).set_callbacks(recorder).fit(X)
    root, task = ("Halver:fit",), ("Halver:fit", "Halver:iteration")
    assert recorder.events == [
        ("setup", "Halver", root),
        ("begin", "Halver", root),
        ("begin", "Halver", task),
        ("end", "Halver", task, {"inertia": 0.5}),
        ("begin", "Halver", task),
        ("end", "Halver", task, {"inertia": 0.25}),
        ("end", "Halver", root, None),
        ("teardown", "Halver", root),
    ]
    assert leftovers(learner) == set()


def test_callbacks_change_nothing_else():
    plain = Halver().fit(X)
    watched = Halver().set_callbacks(Recorder()).fit(X)
    assert plain.losses_ == watched.losses_
    assert leftovers(plain) == set()


def test_snapshots_are_estimators_as_if_the_fit_had_stopped_there():
    snapshot = Snapshot()
    Halver(max_iter=3).set_callbacks(snapshot).fit(X)
    assert [s.losses_ for s in snapshot.taken] == [[0.5], [0.5, 0.25], [0.5, 0.25, 0.125]]
    assert [s.score(X) for s in snapshot.taken] == [-0.5, -0.25, -0.125]


def test_more_iterations_than_announced_is_an_error():
    class Liar(Halver):
        @fitting(1)
        def fit(self, X, y=None):
            for _ in range(2):
                end_iteration(self, {})

    with pytest.raises(ValueError, match="maximum"):
        Liar().set_callbacks(Recorder()).fit(X)


def test_in_a_pipeline_and_a_meta_estimator_the_path_is_whole():
    recorder = Recorder()
    make_pipeline(StandardScaler(), Lift(Halver(max_iter=2))).set_callbacks(recorder).fit(X)
    lift = ("Pipeline:fit", "Lift:fit")
    iterations = [e for e in recorder.of("end") if e[1][-1] == "Halver:iteration"]
    assert [e[1] for e in iterations] == [(*lift, "Halver:fit", "Halver:iteration")] * 2
    assert [e[2] for e in iterations] == [{"inertia": 0.5}, {"inertia": 0.25}]
    assert ("Lift", (*lift, "Lift:sample patches")) in recorder.of("begin")
    assert recorder.of("setup") == [("Pipeline", ("Pipeline:fit",))]
    assert recorder.of("teardown") == [("Pipeline", ("Pipeline:fit",))]


def test_the_task_of_a_sub_fit_begins_and_ends_once():
    """The task "fit learner" of Lift and the fit of Halver are one task, so callbacks hear of it once."""
    recorder = Recorder()
    Lift(Halver(max_iter=1)).set_callbacks(recorder).fit(X)
    begun = [path for _, path in recorder.of("begin")]
    ended = [path for _, path, _ in recorder.of("end")]
    assert sorted(begun) == sorted(ended)
    assert ("Lift:fit", "Lift:fit learner") not in begun
    assert begun.count(("Lift:fit", "Halver:fit")) == 1


def test_a_sub_fit_of_a_learner_without_callbacks_is_a_plain_task():
    recorder = Recorder()
    model = Lift(Plain()).set_callbacks(recorder).fit(X)
    task = ("Lift:fit", "Lift:fit learner")
    assert ("Lift", task) in recorder.of("begin")
    assert ("Lift", task, None) in recorder.of("end")
    assert leftovers(model.learner_) == set()


def test_depth_limits_the_reach():
    recorder = Recorder()
    recorder.max_propagation_depth = 0
    Lift(Halver(max_iter=2)).set_callbacks(recorder).fit(X)
    assert {name for name, _ in recorder.of("begin")} == {"Lift"}
    assert ("Lift", ("Lift:fit", "Lift:fit learner")) in recorder.of("begin")


def test_a_learner_fitted_below_keeps_no_callback():
    model = Lift(Halver(max_iter=2)).set_callbacks(Recorder()).fit(X)
    assert not hasattr(model.learner_, "_skl_callbacks")
    assert leftovers(model.learner_) == set()
    assert leftovers(pickle.loads(pickle.dumps(model))) == set()


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_grid_search_shows_every_level(n_jobs, tmp_path):
    recorder = Recorder(tmp_path / "events")
    pipe = make_pipeline(StandardScaler(), Lift(Halver()))
    search = GridSearchCV(pipe, {"lift__learner__max_iter": [1, 2]}, cv=2, n_jobs=n_jobs).set_callbacks(recorder)
    search.fit(X)
    lines = (tmp_path / "events").read_text().splitlines()
    events = [eval(line) for line in lines]
    iterations = [event for event in events if event[0] == "end" and event[2][-1] == "Halver:iteration"]
    # 2 folds x (1 + 2) iterations in the search, and 2 in the fit on all rows with the better of the two.
    in_search = [e for e in iterations if "GridSearchCV:search" in e[2]]
    assert len(in_search) == 6
    assert len(iterations) == 8
    for event in iterations:
        path = event[2]
        assert path[0] == "GridSearchCV:fit"
        assert path[-4:] == ("Pipeline:fit", "Lift:fit", "Halver:fit", "Halver:iteration")
    assert [event[1] for event in events if event[0] in ("setup", "teardown")] == ["GridSearchCV", "GridSearchCV"]
    assert leftovers(search) == set()
    assert search.best_params_ == {"lift__learner__max_iter": 2}


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failed_fit_tears_down_and_leaves_the_estimator_as_it_was(error):
    recorder = Recorder()
    model = Halver(max_iter=2).fit(X)
    before = copy.deepcopy(vars(model))
    model.set_params(max_iter=5, fail_at=3, error=error).set_callbacks(recorder)
    with pytest.raises(error, match="disk"):
        model.fit(X)
    assert recorder.events[-1][0] == "teardown"
    assert len(recorder.of("setup")) == len(recorder.of("teardown")) == 1
    assert leftovers(model) == set()
    assert (model.losses_, model.n_iter_) == (before["losses_"], before["n_iter_"])
    assert model._skl_callbacks == [recorder]
    model.set_params(fail_at=None).fit(X)
    assert model.n_iter_ == 5


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_below_tears_down_every_level(error):
    recorder = Recorder()
    lift = Lift(Halver(max_iter=2))
    pipe = make_pipeline(StandardScaler(), lift).set_callbacks(recorder).fit(X)
    fitted = lift.learner_
    recorder.events.clear()
    lift.set_params(learner__fail_at=1, learner__error=error)
    with pytest.raises(error, match="disk"):
        pipe.fit(X)
    assert [event[0] for event in recorder.events].count("teardown") == 1
    assert recorder.events[-1][:2] == ("teardown", "Pipeline")
    assert leftovers(pipe) == leftovers(lift) == set()
    assert not hasattr(lift, "_skl_callbacks")
    assert lift.learner_ is fitted


def test_a_failing_fit_in_a_grid_search_spares_the_others():
    stop = EarlyStopping(patience=1, tol=0.1)
    search = GridSearchCV(Halver(max_iter=9, floor=0.2), {"fail_at": [None, 0]}, cv=2).set_callbacks(stop)
    with pytest.warns(match="2 fits failed"), pytest.warns(match="non-finite"):
        search.fit(X)
    assert search.best_params_ == {"fail_at": None}
    assert len(stop.stopped_) == 3
    assert leftovers(search) == set()


def test_early_stopping_counts_iterations_without_improvement():
    # Losses 0.5, 0.25, 0.2, 0.2, 0.2: the fifth is the second without improvement.
    stop = EarlyStopping(patience=2, tol=0.01)
    learner = Halver(max_iter=50, floor=0.2).set_callbacks(stop).fit(X)
    assert learner.n_iter_ == 5
    assert stop.stopped_ == [("Halver", 5, 0.2)]


def test_early_stopping_tolerance_is_relative():
    for tol, n_iter in ((0.4, 20), (0.6, 2)):
        stop = EarlyStopping(patience=1, tol=tol)
        assert Halver(max_iter=20).set_callbacks(stop).fit(X).n_iter_ == n_iter


def test_early_stopping_by_a_rising_metric_and_by_name():
    # The loss only falls, so as a maximum it never improves on its first value.
    stop = EarlyStopping(patience=3, mode="max")
    learner = Halver(max_iter=20).set_callbacks(stop).fit(X)
    assert learner.n_iter_ == 4
    assert stop.stopped_ == [("Halver", 4, 0.5)]
    other = EarlyStopping(monitor="loss", patience=1)
    with pytest.warns(UserWarning, match="never saw that metric, .* reported were inertia"):
        assert Halver(max_iter=20, floor=0.5).set_callbacks(other).fit(X).n_iter_ == 20


def test_early_stopping_gives_up_on_nan():
    class Diverging(Halver):
        @fitting(20)
        def fit(self, X, y=None):
            for self.n_iter_ in range(1, 21):
                if end_iteration(self, {"inertia": np.nan if self.n_iter_ > self.floor else 1.0}):
                    break
            return self

    for good, n_iter in ((0, 3), (1, 4)):
        assert Diverging(floor=good).set_callbacks(EarlyStopping(patience=3)).fit(X).n_iter_ == n_iter


def test_early_stopping_judges_each_fit_by_itself():
    stop = EarlyStopping(patience=2, tol=0.01)
    learner = Halver(max_iter=50, floor=0.2).set_callbacks(stop)
    assert [learner.fit(X).n_iter_ for _ in range(2)] == [5, 5]
    assert stop.stopped_ == [("Halver", 5, 0.2)] * 2

    stop = EarlyStopping(patience=2, tol=0.01)
    search = GridSearchCV(Lift(Halver(max_iter=50)), {"learner__floor": [0.2, 0.1]}, cv=2).set_callbacks(stop)
    search.fit(X)
    # Losses reach 0.2 in the third and 0.1 in the fourth iteration; two folds each, then the fit on all rows.
    assert stop.stopped_ == [("Halver", 5, 0.2)] * 2 + [("Halver", 6, 0.1)] * 3


def test_early_stopping_reaches_worker_processes():
    search = GridSearchCV(Lift(Halver(max_iter=50)), {"learner__floor": [0.2, 0.1]}, cv=2, n_jobs=2)
    search.set_callbacks(EarlyStopping(patience=2, tol=0.01)).fit(X)
    assert search.best_estimator_.learner_.n_iter_ == 6


def test_one_early_stopping_serves_fits_that_overlap():
    """A fit that ends must not wipe the memory of one that still runs."""
    stop = EarlyStopping(patience=2, tol=0.01)

    class Nested(Halver):
        @fitting(50)
        def fit(self, X, y=None):
            for self.n_iter_ in range(1, 51):
                Halver(max_iter=1).set_callbacks(stop).fit(X)
                if end_iteration(self, {"inertia": 1.0}):
                    break
            return self

    assert Nested().set_callbacks(stop).fit(X).n_iter_ == 3


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({"patience": 0}, "patience=0"), ({"tol": -1.0}, "tol=-1.0"), ({"mode": "up"}, "mode='up'")],
)
def test_early_stopping_refuses_bad_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        EarlyStopping(**parameters)


def test_public_callbacks_follow_the_protocol():
    assert isinstance(EarlyStopping(), FitCallback)
    assert isinstance(ProgressBar(), FitCallback)
    with pytest.raises(TypeError, match="auto-propagated"):
        Lift(Halver().set_callbacks(EarlyStopping())).fit(X)


def test_progress_bar_shows_every_level(capsys):
    make_pipeline(StandardScaler(), Lift(Halver(max_iter=3))).set_callbacks(ProgressBar()).fit(X)
    text = capsys.readouterr().out
    for name in ("Pipeline - fit", "Lift - fit", "Halver - fit", "100%"):
        assert name in text
    make_pipeline(StandardScaler(), Lift(Halver(max_iter=3))).set_callbacks(ProgressBar(0)).fit(X)
    text = capsys.readouterr().out
    assert "Pipeline - fit" in text
    assert "Halver" not in text


def learners_with_metrics():
    """Learners, and the metric that each reports."""
    import featlearn as fl

    few = {"max_iter": 2, "random_state": 0}
    yield fl.LDA(2, method="vb", tol=0, **few), "bound"
    yield fl.LDA(2, method="online", **few), "bound"
    yield fl.LDA(2, **few), "changed"
    yield fl.PLSA(2, tol=0, **few), "log_likelihood"
    yield fl.MixtureOfUnigrams(2, tol=0, **few), "log_likelihood"
    yield fl.RBM(2, engine="numpy", **few), "loss"
    yield fl.GaussianMixtureEncoder(2, tol=0, **few), "log_likelihood"
    yield fl.RICA(2, **few), "loss"


@pytest.mark.parametrize(("learner", "metric"), list(learners_with_metrics()))
@pytest.mark.filterwarnings("ignore:.*(max_iter|units|fewer)")
def test_early_stopping_without_inertia_names_what_the_learner_reports(learner, metric):
    X = (np.random.default_rng(0).uniform(size=(30, 6)) < 0.5).astype(float)
    who = type(learner).__name__
    with pytest.warns(UserWarning, match=rf"'inertia'.* never saw.*{metric} \(by {who}\).* as monitor") as caught:
        learner.set_callbacks(EarlyStopping()).fit(X)
    assert [w.filename for w in caught if "never saw" in str(w.message)] == [__file__]
    learner.set_callbacks(EarlyStopping(metric)).fit(X)


def test_metrics_of_which_more_is_better_rise_unless_told_otherwise():
    from featlearn import PLSA

    X = np.random.default_rng(0).poisson(1, (30, 12))
    model = PLSA(3, tol=0, max_iter=12, random_state=0)
    n_iter = {
        mode: model.set_callbacks(EarlyStopping("log_likelihood", mode=mode, tol=0)).fit(X).n_iter_
        for mode in ("auto", "max", "min")
    }
    assert n_iter == {"auto": 12, "max": 12, "min": 4}


@pytest.mark.parametrize("call", ["fit", "partial_fit", "fit_transform"])
def test_learners_without_sample_weight_say_what_to_do(call):
    from featlearn import PLSA, RBM, ZCA

    X, w = np.ones((4, 3)), np.ones(4)
    for learner in (RBM(2), PLSA(2), ZCA()):
        if hasattr(learner, call):
            with pytest.raises(TypeError, match=rf"{type(learner).__name__}\.\w+ takes no sample_weight.*Repeat rows"):
                getattr(learner, call)(X, sample_weight=w)
    with pytest.raises(TypeError, match=r"RBM\.fit takes no sample_weight"):
        make_pipeline(StandardScaler(), RBM(2)).fit(X, rbm__sample_weight=w)
