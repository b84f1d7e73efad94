"""The live picture: what it shows after every iteration, where, and that no fit suffers from it."""

import copy
import pickle
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from joblib import parallel_backend
from matplotlib import pyplot as plt
from matplotlib.backend_bases import FigureManagerBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.base import BaseEstimator, clone
from sklearn.callback import FitCallback
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from featlearn import KMeansDictionary, Stage
from featlearn.callbacks import CallbackSupportMixin, end_iteration, sub_fit
from featlearn.fitting import fitting
from featlearn.plot import LivePlot, tile

DIGITS = load_digits().data[:150]
BLUE, GRAY = "#2f6db5", "#b0b7bf"


@pytest.fixture(autouse=True)
def _no_screen():
    plt.switch_backend("Agg")
    yield
    plt.switch_backend("Agg")
    plt.close("all")


class Reporter(CallbackSupportMixin, BaseEstimator):
    """Reports the metrics given, one dictionary an iteration; its filters are filled with the iteration's number."""

    def __init__(self, reports=(), n_features=4, fail_at=None, watch=None):
        self.reports, self.n_features, self.fail_at, self.watch = reports, n_features, fail_at, watch

    @fitting(lambda self, X: len(self.reports))
    def fit(self, X, y=None):
        self.asked_ = 0
        for i, metrics in enumerate(self.reports):
            if i == self.fail_at:
                raise RuntimeError("out of luck")
            end_iteration(self, metrics, lambda i=i: self._attributes(i))
            if self.watch is not None:
                self.watch()
        return self

    def _attributes(self, i):
        self.asked_ += 1
        return {} if self.n_features is None else {"components_": np.full((2, self.n_features), i + 1.0)}

    def score(self, X, y=None):
        return 0.0


def losses(*values, **options):
    return Reporter([{"loss": value} for value in values], **options)


def lines(live):
    """(color, values) of every line, from the lowest to the uppermost."""
    return [(line.get_color(), line.get_ydata().tolist()) for line in live.figure_.axes[0].lines]


def kmeans(k=9, **options):
    return KMeansDictionary(k, random_state=0, max_iter=8, tol=0, **options)


# What it shows


def test_curve_and_filters_after_every_iteration():
    live, seen = LivePlot(filters=True), []

    def watch():
        curve, grid = live.figure_.axes
        seen.append((lines(live), grid.images[0].get_array().filled(np.nan), curve.get_title(), curve.get_ylabel()))

    losses(3.0, 2.0, watch=watch).set_callbacks(live).fit(None)
    assert [values for values, *_ in seen] == [[(BLUE, [3])], [(BLUE, [3, 2])]]
    assert [title for *_, title, _ in seen] == ["Reporter, iteration 1", "Reporter, iteration 2"]
    assert {ylabel for *_, ylabel in seen} == {"loss"}
    for i, (_, picture, *_) in enumerate(seen):
        np.testing.assert_array_equal(picture, tile(np.full((2, 4), i + 1.0), (2, 2)))


def test_a_real_learner():
    live = LivePlot(n_filters=4)
    model = kmeans().set_callbacks(live).fit(DIGITS)
    assert lines(live) == [(BLUE, model.inertia_curve_.tolist())]
    grid = live.figure_.axes[1]
    np.testing.assert_array_equal(grid.images[0].get_array().filled(np.nan), tile(model.components_[:4], (8, 8)))
    assert grid.get_title() == "4 of 9 filters, 8 × 8"
    assert plt.get_fignums() == []
    plain = kmeans().fit(DIGITS)
    np.testing.assert_array_equal(plain.components_, model.components_)


def test_drawn_every_so_often_and_at_the_end():
    live, drawn = LivePlot(every=3), []
    watch = lambda: drawn.append(len(lines(live)[0][1]) if live.figure_.axes else 0)  # noqa: E731
    losses(*range(8, 0, -1), watch=watch).set_callbacks(live).fit(None)
    assert drawn == [0, 0, 3, 3, 3, 6, 6, 6]
    assert lines(live) == [(BLUE, [8, 7, 6, 5, 4, 3, 2, 1])]
    assert live.figure_.axes[1].images[0].get_array().max() == 1


def test_the_first_metric_and_its_validation_are_drawn_unless_others_are_named():
    reports = [{"loss": 3.0, "seconds": 9.0}, {"loss": 2.0, "seconds": 9.0, "validation_loss": 4.0, "text": "no"}]
    for monitor, ylabel, expected in (
        (None, "loss", {"loss": [3, 2], "validation_loss": [np.nan, 4]}),
        ("seconds", "seconds", {"seconds": [9, 9]}),
        (["seconds", "loss"], "value", {"seconds": [9, 9], "loss": [3, 2]}),
    ):
        live = LivePlot(monitor)
        Reporter(reports).set_callbacks(live).fit(None)
        drawn = {line.get_label(): line.get_ydata() for line in live.figure_.axes[0].lines}
        np.testing.assert_equal({name: values.tolist() for name, values in drawn.items()}, expected)
        assert live.figure_.axes[0].get_ylabel() == ylabel
        assert (live.figure_.axes[0].get_legend() is not None) == (len(expected) > 1)


def test_a_metric_nobody_reports_is_a_warning():
    live = LivePlot("los")
    with pytest.warns(UserWarning, match=r"LivePlot\(monitor='los'\) never saw that metric.*reported were loss"):
        losses(1.0).set_callbacks(live).fit(None)
    assert live.figure_.axes == []


def test_filters_are_left_out_where_there_are_none_or_nobody_wants_them():
    for model in (losses(2.0, 1.0, n_features=None), losses(2.0, 1.0, n_features=5)):
        live = LivePlot()
        model.set_callbacks(live).fit(None)
        assert len(live.figure_.axes) == 1
    live = LivePlot(shape=(1, 5))
    losses(2.0, 1.0, n_features=5).set_callbacks(live).fit(None)
    assert live.figure_.axes[1].get_title() == "2 filters, 1 × 5"
    for filters, asked in ((True, 2), (False, 0)):
        live = LivePlot(filters=filters)
        model = losses(2.0, 1.0).set_callbacks(live).fit(None)
        assert model.asked_ == asked
        assert len(live.figure_.axes) == 1 + filters


def test_a_shape_that_does_not_fit_is_an_error():
    model = losses(2.0, 1.0).set_callbacks(LivePlot(shape=(3, 3)))
    with pytest.raises(ValueError, match=r"shape=\(3, 3\) takes 3 \* 3 = 9 features, and there are 4"):
        model.fit(None)


def test_logarithmic_where_positive():
    for values, scale in (((3.0, np.nan, 2.0), "log"), ((3.0, 0.0), "linear")):
        live = LivePlot(log_scale=True)
        losses(*values).set_callbacks(live).fit(None)
        assert live.figure_.axes[0].get_yscale() == scale


# Several fits


def test_earlier_fits_of_a_search_are_gray():
    live = LivePlot()
    search = GridSearchCV(kmeans(), {"n_components": [4, 9]}, cv=2).set_callbacks(live).fit(DIGITS)
    *earlier, (color, values) = lines(live)
    assert [gray for gray, _ in earlier] == [GRAY] * 4
    assert (color, values) == (BLUE, search.best_estimator_.inertia_curve_.tolist())
    folds = [DIGITS[75:], DIGITS[:75]]
    expected = [kmeans(k).fit(fold).inertia_curve_.tolist() for k in (4, 9) for fold in folds]
    assert [values for _, values in earlier] == expected


def test_learners_of_another_kind_are_not_compared():
    live = LivePlot()
    stage = Stage(make_pipeline(StandardScaler(), kmeans(5)), patch_size=3, random_state=0)
    pipe = make_pipeline(stage, "passthrough").set_callbacks(live).fit(DIGITS.reshape(-1, 8, 8))
    assert lines(live) == [(BLUE, pipe[0].learner_[-1].inertia_curve_.tolist())]
    assert live.figure_.axes[0].get_title() == "KMeansDictionary, iteration 8"
    assert live.figure_.axes[1].get_title() == "5 filters, 3 × 3"

    class Other(Reporter):
        pass

    class Both(Reporter):
        @fitting(2)
        def fit(self, X, y=None):
            for i, model in enumerate((losses(9.0), Other([{"loss": 1.0}]))):
                with sub_fit(self, model, f"fit {i}"):
                    model.fit(X)

    Both().set_callbacks(live).fit(None)
    assert lines(live) == [(BLUE, [1])]
    live = LivePlot(max_propagation_depth=0)
    Both().set_callbacks(live).fit(None)
    assert live.figure_.axes == []


def test_a_new_fit_begins_a_new_picture():
    live = LivePlot()
    model = losses(2.0, 1.0).set_callbacks(live).fit(None)
    first = live.figure_
    clone(model).set_params(reports=[{"loss": 5.0}]).fit(None)
    assert lines(live) == [(BLUE, [5])]
    assert first is not live.figure_


def test_fits_that_overlap_share_the_picture():
    live = LivePlot()
    inner = losses(7.0, 6.0).set_callbacks(live)
    losses(2.0, 1.0, watch=lambda: inner.fit(None)).set_callbacks(live).fit(None)
    assert lines(live) == [(GRAY, [7, 6]), (GRAY, [2, 1]), (BLUE, [7, 6])]


def test_a_fit_that_fails_leaves_its_last_state():
    live = LivePlot(every=10)
    with pytest.raises(RuntimeError, match="out of luck"):
        losses(3.0, 2.0, 1.0, fail_at=2).set_callbacks(live).fit(None)
    assert lines(live) == [(BLUE, [3, 2])]
    search = GridSearchCV(losses(3.0, 2.0), {"fail_at": [None, 1]}, cv=2).set_callbacks(live)
    with pytest.warns(match="2 fits failed"), pytest.warns(match="non-finite"):
        search.fit(DIGITS)
    assert lines(live)[-1] == (BLUE, [3, 2])
    assert sorted(values for _, values in lines(live)) == [[3], [3], [3, 2], [3, 2], [3, 2]]


def test_threads_share_the_picture(tmp_path):
    live = LivePlot(path=tmp_path / "live.png")
    search = GridSearchCV(losses(3.0, 2.0), {"fail_at": [None]}, cv=2, n_jobs=2).set_callbacks(live)
    with parallel_backend("threading"):
        search.fit(DIGITS)
    assert [values for _, values in lines(live)] == [[3, 2]] * 3
    assert [file.name for file in tmp_path.iterdir()] == ["live.png"]


def test_worker_processes_write_files_of_their_own(tmp_path):
    live = LivePlot(path=tmp_path / "live.png")
    GridSearchCV(losses(3.0, 2.0), {"fail_at": [None]}, cv=2, n_jobs=2).set_callbacks(live).fit(DIGITS)
    names = sorted(file.name for file in tmp_path.iterdir())
    assert "live.png" in names
    assert 2 <= len(names) <= 3
    assert all(name == "live.png" or name.removeprefix("live-").removesuffix(".png").isdigit() for name in names)
    assert lines(live) == [(BLUE, [3, 2])]
    model = losses(3.0).set_callbacks(LivePlot())
    np.testing.assert_array_equal(cross_val_score(model, DIGITS, cv=2, n_jobs=2), [0, 0])


def test_copies_draw_pictures_of_their_own():
    live = LivePlot(every=2)
    model = losses(2.0, 1.0).set_callbacks(live).fit(None)
    for other in (pickle.loads(pickle.dumps(live)), copy.deepcopy(live)):
        assert vars(other).keys() == vars(live).keys() - {"figure_"}
        assert other.every == 2
        losses(5.0).set_callbacks(other).fit(None)
        assert lines(other) == [(BLUE, [5])]
        assert lines(live) == [(BLUE, [2, 1])]
    assert pickle.loads(pickle.dumps(model)).get_params()["reports"] == model.reports


# Where it shows it


def test_the_file_is_replaced_after_every_picture_and_never_half_written(tmp_path, monkeypatch):
    path, seen, readers = tmp_path / "live.png", [], []

    def watch():
        seen.append(path.read_bytes())
        readers.append(path.open("rb"))

    live = LivePlot(path=str(path), filters=False)
    losses(3.0, 2.0, watch=watch).set_callbacks(live).fit(None)
    assert len(set(seen)) == 2
    for reader, content in zip(readers, seen):  # who has opened a file reads it to its end, replaced or not
        with reader:
            assert reader.read() == content
    assert path.read_bytes() == seen[-1]
    assert plt.imread(path).shape == (400, 900, 4)

    def half(figure, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", half)
    with pytest.warns(UserWarning, match=r"LivePlot stops writing .*live.png: .*No space left") as caught:
        losses(9.0, 8.0).set_callbacks(live).fit(None)
    assert len(caught) == 1
    assert lines(live) == [(BLUE, [9, 8])]
    assert path.read_bytes() == seen[-1]
    assert [file.name for file in tmp_path.iterdir()] == ["live.png"]


def test_a_window_is_shown_once_and_drawn_every_time(monkeypatch):
    events = []

    class Manager(FigureManagerBase):
        def show(self):
            events.append("show")

    class Canvas(FigureCanvasAgg):
        manager_class = Manager

        def draw_idle(self):
            events.append(("draw", len(self.figure.axes[0].lines[0].get_ydata())))

        def flush_events(self):
            events.append("flush")

    backend = ModuleType("window_backend")
    backend.FigureCanvas, backend.FigureManager = Canvas, Manager
    monkeypatch.setitem(sys.modules, "window_backend", backend)
    plt.switch_backend("module://window_backend")
    live = LivePlot(filters=False)
    model = losses(3.0, 2.0).set_callbacks(live).fit(None)
    assert events == ["show", ("draw", 1), "flush", ("draw", 2), "flush", ("draw", 2), "flush"]
    assert plt.get_fignums() == [live.figure_.number]
    window = live.figure_
    model.fit(None)
    assert live.figure_ is window
    assert events.count("show") == 1
    # A window that the user closes stays closed for the rest of the fit; the next fit opens another.
    events.clear()
    model.set_params(watch=lambda: plt.close(window)).fit(None)
    assert events == [("draw", 1), "flush"]
    model.set_params(watch=None).fit(None)
    assert live.figure_ is not window
    assert events.count("show") == 1


def test_a_notebook_replaces_one_output(monkeypatch):
    shown = []

    def display(figure, display_id):
        shown.append(("new", figure))
        return SimpleNamespace(update=lambda figure: shown.append(("update", figure)))

    package, module = ModuleType("IPython"), ModuleType("IPython.display")
    module.display = display
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    monkeypatch.setattr(plt, "get_backend", lambda: "module://matplotlib_inline.backend_inline")
    live = LivePlot()
    model = losses(3.0, 2.0).set_callbacks(live).fit(None)
    assert [event for event, _ in shown] == ["new", "update", "update"]
    assert {figure for _, figure in shown} == {live.figure_}
    assert plt.get_fignums() == []
    model.fit(None)
    assert [event for event, _ in shown[3:]] == ["new", "update", "update"]


# What it refuses


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"every": 0}, "LivePlot: every=0 is not valid; pass an integer of at least 1"),
        ({"filters": "yes"}, "filters='yes' is not valid"),
        ({"n_filters": 0}, "n_filters=0 is not valid"),
        ({"shape": (0, 3)}, r"shape=\(0, 3\) is not valid"),
        ({"path": "no/such/folder/live.png"}, "in a folder that does not exist; make 'no/such/folder'"),
        ({"path": "live.txt"}, r"path='live.txt' must end in a type that can be written: .*\.png"),
        ({"path": "live"}, "path='live' must end in"),
        ({"monitor": 3}, "monitor=3 is not valid; pass None, a name or a sequence of names"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        LivePlot(**parameters)


def test_protocol_and_missing_matplotlib(monkeypatch):
    assert isinstance(LivePlot(), FitCallback)
    assert isinstance(LivePlot(filters=False), FitCallback)
    for name in ("matplotlib", "matplotlib.pyplot"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"LivePlot draws with matplotlib.*pip install featlearn\[plot\]"):
        LivePlot()
    monkeypatch.undo()
