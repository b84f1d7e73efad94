"""LDA behind Gibbs sampling: what the estimator makes of the sampler."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from featlearn import LDA, topic_scorer
from featlearn.text.counts import as_counts
from featlearn.topics.first_topics import first_topics
from featlearn.topics.gibbs import GibbsSampler, sampling_threads

RNG = np.random.default_rng(0)
PHI = RNG.dirichlet(np.full(40, 0.05), 3)
X = sp.csr_array(np.stack([RNG.multinomial(50, t @ PHI) for t in RNG.dirichlet([0.2] * 3, 200)]))
TRAIN, TEST = X[:150], X[150:]


def model(**parameters):
    return LDA(**{"n_components": 3, "max_iter": 60, "random_state": 0, **parameters})


def test_topics_of_the_generator_come_back():
    found = model(max_iter=150).fit(X).components_
    distance = 0.5 * np.abs(found[:, None] - PHI[None]).sum(axis=2)
    assert distance.min(axis=0).max() < 0.1
    assert set(distance.argmin(axis=0)) == {0, 1, 2}


def test_held_out_perplexity_is_near_the_generators():
    fitted = model(max_iter=150).fit(TRAIN)
    truth = clone(fitted).fit(TRAIN)
    truth.components_, truth.alpha_ = PHI[:3].astype(np.float32), np.full(3, 0.2)
    assert fitted.perplexity(TEST) < 1.05 * truth.perplexity(TEST)
    assert fitted.score(TEST) == pytest.approx(-np.log(fitted.perplexity(TEST)))
    assert fitted.perplexity(TEST) < 0.8 * model(n_components=1).fit(TRAIN).perplexity(TEST)


@pytest.mark.parametrize("alpha", ["learned", 0.1, "asymmetric", [0.1, 0.2, 0.3]])
@pytest.mark.parametrize("eta", ["learned", 0.02])
def test_threads_do_not_change_a_bit(alpha, eta):
    first, *others = (model(alpha=alpha, eta=eta, n_jobs=n, max_iter=30).fit(TRAIN) for n in (1, 2, None))
    for other in others:
        np.testing.assert_array_equal(other.components_, first.components_)
        np.testing.assert_array_equal(other.alpha_, first.alpha_)
        assert other.eta_ == first.eta_
        np.testing.assert_array_equal(other.transform(TEST), first.transform(TEST))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_keep_their_kind(dtype):
    fitted = model().fit(TRAIN.astype(dtype))
    assert fitted.components_.dtype == fitted.transform(TEST.astype(dtype)).dtype == dtype
    np.testing.assert_allclose(fitted.components_.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(fitted.components_, model().fit(TRAIN).components_, rtol=1e-4)


def test_dense_and_sparse_and_whole_numbers_are_one():
    found = [model().fit(data).components_ for data in (TRAIN, TRAIN.toarray(), sp.csc_matrix(TRAIN).astype(np.int8))]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_counts_hold_every_word():
    fitted = model().fit(TRAIN)
    np.testing.assert_allclose(fitted.topic_counts_.sum(axis=0), TRAIN.sum(axis=0), rtol=1e-5)
    expected = fitted.topic_counts_ + fitted.eta_
    np.testing.assert_allclose(fitted.components_, expected / expected.sum(axis=1, keepdims=True), rtol=1e-5)


def test_batches_add_their_counts_and_go_on():
    fitted = model().partial_fit(TRAIN[:80])
    once = fitted.components_
    fitted.partial_fit(TRAIN[80:])
    np.testing.assert_allclose(fitted.topic_counts_.sum(axis=0), TRAIN.sum(axis=0), rtol=1e-5)
    assert (fitted.n_documents_seen_, fitted.n_iter_, fitted.mean_length_) == (150, 2, pytest.approx(50))
    assert fitted.perplexity(TEST) < 1.1 * model().fit(TRAIN).perplexity(TEST)
    order = np.abs(fitted.components_[:, None] - once[None]).sum(axis=2).argmin(axis=1)
    np.testing.assert_array_equal(order, [0, 1, 2])


def test_a_warm_start_goes_on():
    cold = model(max_iter=5, n_samples=1, warm_start=True).fit(TRAIN)
    before = cold.perplexity(TEST)
    topics = cold.components_
    warm = cold.fit(TRAIN)
    order = np.abs(warm.components_[:, None] - topics[None]).sum(axis=2).argmin(axis=1)
    np.testing.assert_array_equal(order, [0, 1, 2])
    np.testing.assert_allclose(warm.topic_counts_.sum(), TRAIN.sum(), rtol=1e-5)
    assert warm.perplexity(TEST) < 1.02 * before
    with pytest.raises(ValueError, match=r"n_components=4 was set after 3 topics"):
        warm.set_params(n_components=4).fit(TRAIN)


def test_early_stopping_looks_at_documents_held_out():
    stopped = model(max_iter=500, early_stopping=True, evaluate_every=5, tol=0.01, n_samples=4).fit(X)
    assert stopped.n_iter_ < 500
    assert stopped.n_documents_seen_ == 180
    assert stopped.n_iter_ == 5 * len(stopped.perplexity_curve_) + 4
    curve = stopped.perplexity_curve_
    assert curve[-3:].min() >= 0.99 * curve[:-3].min()


def test_the_last_states_are_averaged():
    fitted = model(alpha=0.1, max_iter=12, n_samples=5).fit(TRAIN)
    counts, seed, states = as_counts(TRAIN, "test"), np.random.RandomState(0).randint(2**31 - 1), []
    guide = first_topics(counts, 3, 40, seed)[0].T
    sampler = GibbsSampler(counts, 3, seed, 0.3 * counts.sum() / 3 * guide)
    with sampling_threads(1) as pool:
        for sweep in range(12):
            heat = counts.sum() / 150 / 3 * max(0, 1 - sweep / 2)
            sampler.sweep(np.full(3, 0.1 + heat), np.array([0.01]), pool)
            if sweep == 0:
                sampler.forget()
            states.append(sampler.topic_counts())
    np.testing.assert_allclose(fitted.topic_counts_, np.mean(states[-5:], axis=0), rtol=1e-5)
    assert not np.allclose(fitted.topic_counts_, states[-1], atol=0.1)


def test_an_interrupt_leaves_the_estimator_as_it_was(monkeypatch):
    fitted = model().fit(TRAIN)
    before = dict(fitted.__dict__)

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("featlearn.topics.gibbs.GibbsSampler.sweep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fitted.fit(TEST)
    assert fitted.__dict__ == before


def test_a_method_set_after_the_fit_waits_for_the_next():
    fitted = model().fit(TRAIN)
    before = fitted.transform(TEST)
    np.testing.assert_array_equal(fitted.set_params(method="vb").transform(TEST), before)
    assert not np.array_equal(fitted.fit(TRAIN).transform(TEST), before)


def test_pickled_models_infer_the_same():
    fitted = model().fit(TRAIN)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).transform(TEST), fitted.transform(TEST))


def test_a_stream_is_refused_and_learned_in_batches():
    chunks = [TRAIN[:70], TRAIN[70:]]
    with pytest.raises(ValueError, match=r"method='gibbs' keeps the topic of every word.*method='online'"):
        model().fit(lambda: iter(chunks))
    assert model().partial_fit(iter(chunks)).n_documents_seen_ == 150


def test_grid_search_over_topics_and_alpha():
    grid = {"n_components": [2, 3], "alpha": [0.05, 0.5]}
    scores = [
        GridSearchCV(model(max_iter=30), grid, scoring=topic_scorer("npmi", top=5), cv=2, n_jobs=n).fit(X).cv_results_
        for n in (1, 2)
    ]
    np.testing.assert_array_equal(scores[0]["mean_test_score"], scores[1]["mean_test_score"])
    assert np.isfinite(scores[0]["mean_test_score"]).all()


# --- bad input -----------------------------------------------------------------------------------------------------


def test_an_empty_corpus():
    with pytest.raises(ValueError, match="0 sample"):
        model().fit(np.empty((0, 5)))
    with pytest.raises(ValueError, match=r"holds no words: all 4 documents are empty.*vectorizer"):
        model().fit(np.zeros((4, 5)))


def test_empty_documents_are_kept_with_uniform_topics():
    data = sp.csr_array(sp.vstack([TRAIN, sp.csr_array((3, 40), dtype=TRAIN.dtype)]))
    proportions = model(alpha=[0.1, 0.2, 0.9]).fit_transform(data)
    np.testing.assert_allclose(proportions[150:], 1 / 3)
    assert proportions.shape == (153, 3)


def test_negative_counts():
    data = TRAIN.toarray().astype(float)
    data[3, 7] = -2
    with pytest.raises(ValueError, match=r"Negative values in data passed to LDA: -2 in document 3, term 7"):
        model().fit(data)


def test_fractional_counts_are_weights():
    halves = model().fit(TRAIN * 0.5)
    np.testing.assert_allclose(halves.topic_counts_.sum(), TRAIN.sum() / 2, rtol=1e-5)
    assert halves.perplexity(TEST) < 1.1 * model().fit(TRAIN).perplexity(TEST)


def test_not_a_number():
    data = TRAIN.toarray().astype(float)
    data[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        model().fit(data)


def test_one_document_and_more_topics_than_documents():
    fitted = model(n_components=7).fit(TRAIN[:1])
    assert fitted.transform(TRAIN[:1]).shape == (1, 7)
    np.testing.assert_allclose(model(n_components=30).fit_transform(TRAIN[:4]).sum(axis=1), 1, rtol=1e-5)
    with pytest.raises(ValueError, match="only one"):
        model(early_stopping=True).fit(TRAIN[:1])


def test_another_vocabulary():
    with pytest.raises(ValueError, match=r"X has 39 features, but LDA is expecting 40.*vectorizer"):
        model().fit(TRAIN).transform(TEST[:, :39])


def test_documents_of_one_repeated_word():
    data = np.zeros((20, 4))
    data[:10, 0], data[10:, 3] = 9, 9
    proportions = model(n_components=2, alpha=0.1).fit_transform(data)
    assert (proportions[:10].argmax(axis=1) == proportions[0].argmax()).all()
    assert proportions[0].argmax() != proportions[10].argmax()


def test_a_document_of_100000_words():
    long = sp.csr_array(np.vstack([TRAIN.toarray(), RNG.multinomial(100_000, PHI[0])]))
    proportions = model(max_iter=20).fit_transform(long)
    assert proportions[-1].max() > 0.8
    assert np.isfinite(proportions).all()
