"""Fits of topic models and grammars that max_iter or Ctrl-C ended: they say so, and keep the best; and n_jobs."""

import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from featlearn import LDA, PLSA, MixtureOfUnigrams, PCFGParser, UnigramModel
from featlearn.grammar.cfg import PCFG
from featlearn.streaming import accumulate
from featlearn.topics.gibbs import GibbsSampler
from featlearn.topics.online import OnlineTopics

GRAMMAR = PCFG.from_text(
    "S -> NP VP [1]\nNP -> 'Anna' [.4]\nNP -> 'Ben' [.3]\nNP -> NP PP [.3]\nVP -> 'ate' [.5]\nVP -> VP PP [.5]\n"
    "PP -> 'with' NP [1]"
)
SENTENCES = ["Anna ate", "Ben ate with Anna", "Anna with Ben ate with Ben", "Ben ate with Anna with Ben"] * 3
MODELS = {
    "vb": LDA(4, method="vb", random_state=0),
    "PLSA": PLSA(4, random_state=0),
    "MixtureOfUnigrams": MixtureOfUnigrams(4, random_state=0),
    "PCFGParser": PCFGParser(method="em", grammar=GRAMMAR, tol=1e-9),
}
FIXED = {
    "gibbs": LDA(4, method="gibbs", max_iter=12, n_samples=4, random_state=0),
    "online": LDA(4, method="online", max_iter=12, batch_size=200, random_state=0),
}
ITERATIVE = MODELS | FIXED
EARLY = [name for name in ITERATIVE if name != "PCFGParser"]


def corpus(n=120, V=40, K=4, length=40, seed=0):
    """Documents of a few topics."""
    rng = np.random.default_rng(seed)
    topics = rng.dirichlet(np.full(V, 0.1), K)
    return np.array([rng.multinomial(length, rng.dirichlet(np.full(K, 0.1)) @ topics) for _ in range(n)], np.float64)


def data(name):
    return SENTENCES if name == "PCFGParser" else corpus()


def state(model):
    """What a fit learned, as arrays."""
    names = ("components_", "topic_counts_", "proportions_", "weights_", "alpha_", "log_likelihood_curve_", "n_iter_")
    found = {name: np.asarray(getattr(model, name)) for name in names if hasattr(model, name)}
    if isinstance(model, PCFGParser):
        found["rules"] = np.array([str(rule) for rule in model.pcfg_.rules])
    return found


def check_valid(model, name):
    """It can do what a fitted model can."""
    if name == "PCFGParser":
        assert len(model.predict(SENTENCES)) == len(SENTENCES)
        return
    np.testing.assert_allclose(model.components_.sum(axis=1), 1, rtol=1e-9)
    np.testing.assert_allclose(model.transform(corpus()).sum(axis=1), 1, rtol=1e-5)
    assert np.isfinite(model.perplexity(corpus(seed=1)))
    assert model.sample(3, random_state=0).shape == (3, 40)
    model.partial_fit(corpus(seed=2))


# --- max_iter -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("max_iter", [1, 2, 3])
@pytest.mark.parametrize("name", MODELS)
def test_max_iter_that_ends_a_fit_before_tol_is_reported(name, max_iter):
    model, who = clone(MODELS[name]).set_params(max_iter=max_iter), type(MODELS[name]).__name__
    message = rf"{who}: max_iter={max_iter} iterations were made and the fit has not converged.*Raise max_iter or tol"
    with pytest.warns(ConvergenceWarning, match=message) as caught:
        model.fit(data(name))
    assert caught[0].filename == __file__
    model.set_params(tol=0).fit(data(name))  # so many and no more: silent


@pytest.mark.parametrize("name", ITERATIVE)
def test_defaults_converge_and_say_nothing(name):
    model = clone(ITERATIVE[name])
    model.fit(data(name))
    if name in MODELS:
        assert model.n_iter_ < (model.max_iter or 100)
    for seed in range(3) if name in EARLY else ():
        model.set_params(random_state=seed).fit(corpus(n=300, V=80, seed=seed))


@pytest.mark.parametrize("name", ["vb", "PLSA", "MixtureOfUnigrams"])
def test_held_out_words_that_still_get_likelier_are_reported(name):
    model = clone(MODELS[name]).set_params(max_iter=2, early_stopping=True)
    with pytest.warns(ConvergenceWarning, match="perplexity of the documents held out still fell"):
        model.fit(corpus())


# --- Ctrl-C -------------------------------------------------------------------------------------------------------


class Interrupt:
    """A callback that raises after iteration ``iteration``."""

    max_propagation_depth = None

    def __init__(self, iteration):
        self.iteration, self.seen = iteration, 0

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, metadata=None):
        self.seen += 1
        if self.seen == self.iteration:
            raise KeyboardInterrupt


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("name", ITERATIVE)
def test_an_interrupt_between_iterations_keeps_those_made(name, early_stopping):
    if early_stopping and name not in EARLY:
        return
    settings = {"early_stopping": True, "tol": 1e-9, "n_iter_no_change": 50} if early_stopping else {}
    X, model = data(name), clone(ITERATIVE[name]).set_params(**settings)
    expected = clone(model).set_params(max_iter=3)
    if name == "gibbs":
        expected.set_params(n_samples=1)
        model.set_params(n_samples=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        expected.fit(X)
    with pytest.warns(ConvergenceWarning, match="interrupted, so the fit ends after 3 iterations"):
        model.set_callbacks(Interrupt(3)).fit(X)
    found, wanted = state(model), state(expected)
    assert found.keys() == wanted.keys()
    # A shorter run of the sampler averages its last state; held-out documents are looked at after a pass of batches.
    if name == "gibbs" or (name == "online" and early_stopping):
        assert found["components_"].shape == wanted["components_"].shape
    else:
        for key, value in wanted.items():
            np.testing.assert_array_equal(found[key], value, err_msg=key)
    check_valid(model, name)


@pytest.mark.parametrize("step", range(5, 20, 4))
@pytest.mark.parametrize("name", ITERATIVE)
def test_an_interrupt_within_an_iteration_leaves_a_valid_model(name, step, monkeypatch):
    """From inside the walks, the sampler and the updates, wherever they are."""
    steps, last = [], min(step, {"PCFGParser": 6, "MixtureOfUnigrams": 5}.get(name, step))  # they settle soon

    def interrupting(f):
        def counted(*args, **kwargs):
            steps.append(1)
            if len(steps) == last:
                raise KeyboardInterrupt
            return f(*args, **kwargs)

        return counted

    places = ["variational", "plsa", "mixture_of_unigrams"]
    for place in (f"featlearn.topics.{p}.accumulate" for p in places):
        monkeypatch.setattr(place, interrupting(accumulate))
    monkeypatch.setattr("featlearn.grammar.parser.accumulate", interrupting(accumulate))
    monkeypatch.setattr(GibbsSampler, "_recount", interrupting(GibbsSampler._recount))
    model = clone(ITERATIVE[name]).set_params(max_iter=30, tol=0)
    if "batch_size" in model.get_params():
        model.set_params(batch_size=30)
    with pytest.warns(ConvergenceWarning, match="interrupted, so the fit ends after"):
        model.fit(data(name) if name != "gibbs" else 0.5 * corpus())
    assert 1 <= model.n_iter_ < 30
    monkeypatch.undo()
    check_valid(model, name)


@pytest.mark.parametrize("name", ITERATIVE)
def test_an_interrupt_before_the_first_iteration_goes_through(name, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    model = clone(ITERATIVE[name]).set_params(max_iter=12, tol=0).fit(data(name))
    before = state(model)
    for place in ("variational", "plsa", "mixture_of_unigrams"):
        monkeypatch.setattr(f"featlearn.topics.{place}.accumulate", interrupted)
    monkeypatch.setattr("featlearn.grammar.parser.accumulate", interrupted)
    monkeypatch.setattr(GibbsSampler, "sweep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.fit(data(name))
    for key, value in state(model).items():
        np.testing.assert_array_equal(before[key], value)


class Array(np.ndarray):
    """Raises after it was written to."""

    armed = False

    def __setitem__(self, key, value):
        np.ndarray.__setitem__(self, key, value)
        if self.armed:
            raise KeyboardInterrupt


def test_an_interrupt_amid_an_online_update_takes_it_back():
    lam = np.random.default_rng(0).random((6, 2)) + 0.5
    topics = OnlineTopics(lam)
    topics.update(np.array([1, 2]), np.ones((2, 2)), 0.5, 3.0, 0.1)
    before, totals = topics.dense(), topics.totals
    rows = topics.state[0].view(Array)
    topics.state = rows, *topics.state[1:]
    rows.armed = True
    with pytest.raises(KeyboardInterrupt):
        topics.update(np.array([0, 2]), np.ones((2, 2)), 0.5, 3.0, 0.1)
    rows.armed = False
    np.testing.assert_array_equal(topics.dense(), before)
    np.testing.assert_array_equal(topics.totals, totals)
    np.testing.assert_allclose(before.sum(axis=0), totals)


# --- n_jobs -------------------------------------------------------------------------------------------------------

WORKERS = [LDA(2, max_iter=3), PLSA(2), MixtureOfUnigrams(2), UnigramModel(), PCFGParser(grammar=GRAMMAR)]


@pytest.mark.parametrize("n_jobs", [0, 1.5, "two", True, np.float64(2), [1]])
@pytest.mark.parametrize("model", WORKERS, ids=lambda m: type(m).__name__)
def test_a_bad_n_jobs_is_named_in_fit_and_later(model, n_jobs):
    parser = isinstance(model, PCFGParser)
    model = clone(model)
    with pytest.raises(ValueError, match=rf"{type(model).__name__}: n_jobs=.* is not valid; pass None"):
        clone(model).set_params(n_jobs=n_jobs).fit(*(() if parser else (corpus(),)))
    model = model.fit() if parser else model.fit(corpus())
    model.set_params(n_jobs=n_jobs)
    questions = [lambda: model.predict(SENTENCES)] if parser else [lambda: model.transform(corpus())]
    if not parser:
        questions += [lambda: model.perplexity(corpus()), lambda: model.score(corpus())]
    if isinstance(model, LDA):
        questions.append(lambda: model.bound(corpus()))
    for question in questions:
        with pytest.raises(ValueError, match=rf"{type(model).__name__}: n_jobs="):
            question()


@pytest.mark.parametrize("n_jobs", [None, 1, 2, -1, -2, np.int64(1), np.int32(-1)])
@pytest.mark.parametrize("model", WORKERS, ids=lambda m: type(m).__name__)
def test_good_n_jobs_pass(model, n_jobs):
    model = clone(model).set_params(n_jobs=n_jobs)
    if isinstance(model, PCFGParser):
        model.fit().predict(SENTENCES)
    else:
        model.fit(corpus()).transform(corpus())
