"""The mechanism of EM: loop, stepwise steps and documents held out, shown by a model written for it; and HeldOut."""

import pickle
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from featlearn import PLSA, MixtureOfUnigrams
from featlearn.text.counts import as_counts
from featlearn.topics import em, topic_model
from featlearn.topics.em import HeldOut, Sums, count, held_out, seen, step_size
from tests.topics.background_mixture import BackgroundMixture
from tests.topics.test_topic_model import PHI, Model, X, shares
from tests.topics.test_unfinished_fits import Interrupt

EXPECTED = Path(__file__).with_name("background_mixture.py")
SETTINGS = {"share": 0.4, "eta": 0.2, "alpha": 0.5, "random_state": 0}


def corpus(n=90, K=3, V=24, seed=0):
    """Documents of one topic each, whose words are half from a background of six terms; labels (n,)."""
    rng = np.random.default_rng(seed)
    common, own = 6, (V - 6) // K
    labels, counts = np.arange(n) % K, np.zeros((n, V))
    for d, k in enumerate(labels):
        counts[d, :common] = rng.multinomial(20, np.full(common, 1 / common))
        counts[d, common + k * own : common + (k + 1) * own] = rng.multinomial(20, np.full(own, 1 / own))
    return counts, labels


def slow_step(X, phi, pi, m, b, eta, alpha):
    """One step by the formulas, document by document and word by word; with the expected words, and the objective."""
    (K, V), words, documents, objective = phi.shape, np.zeros(phi.shape), np.zeros(len(pi)), 0.0
    for x in X:
        p = np.array([pi[k] * np.prod([((1 - b) * phi[k, w] + b * m[w]) ** x[w] for w in range(V)]) for k in range(K)])
        objective += np.log(p.sum())
        for k in range(K):
            documents[k] += p[k] / p.sum()
            for w in range(V):
                words[k, w] += x[w] * p[k] / p.sum() * (1 - b) * phi[k, w] / ((1 - b) * phi[k, w] + b * m[w])
    objective += eta * np.log(phi).sum() + alpha * np.log(pi).sum()
    new_pi = (documents + alpha) / (len(X) + K * alpha)
    return (words + eta) / (words + eta).sum(axis=1, keepdims=True), new_pi, words, documents, objective


def parts(model):
    """phi, pi and m of a fitted model."""
    return model.components_[:-1], model.mixing_[:-1] / (1 - model.share), model.components_[-1]


# --- a new model ---------------------------------------------------------------------------------------------------


def test_a_new_model_takes_about_a_hundred_lines():
    code = [line for line in EXPECTED.read_text().split('"""', 2)[2].splitlines() if line.strip()]
    assert len(code) <= 100


def test_a_step_is_that_of_the_formulas():
    counts = corpus(n=9, V=12)[0][:, ::-1][:, :10]
    model = BackgroundMixture(4, max_iter=2, tol=0, **SETTINGS).fit(counts)
    phi, pi, _, _, objective = slow_step(counts, *parts(model), 0.4, 0.2, 0.5)
    after = clone(model).set_params(warm_start=True, max_iter=1)
    after.__dict__.update({name: value for name, value in vars(model).items() if name.endswith("_") or name[0] == "_"})
    after.fit(counts)
    np.testing.assert_allclose(parts(after)[0], phi, rtol=1e-9)
    np.testing.assert_allclose(parts(after)[1], pi, rtol=1e-9)
    np.testing.assert_allclose(parts(after)[2], counts.sum(axis=0) / counts.sum(), rtol=1e-12)
    assert after.log_likelihood_curve_ == pytest.approx([objective], rel=1e-12)


def test_it_finds_what_the_documents_are_about():
    counts, labels = corpus()
    model = BackgroundMixture(4, random_state=0).fit(counts)
    assert model.n_iter_ < 100
    assert (np.diff(model.log_likelihood_curve_) >= 0).all()
    theta = model.transform(counts)
    np.testing.assert_allclose(theta[:, -1], 0.5)
    assert len({*zip(labels.tolist(), theta[:, :-1].argmax(axis=1).tolist(), strict=True)}) == 3
    plain = MixtureOfUnigrams(3, random_state=0).fit(counts)
    common = [m.components_[:3, :6].sum(axis=1) for m in (plain, model)]  # words that the background takes over
    np.testing.assert_allclose(common[0], 0.5, atol=0.02)
    assert (common[1] < 0.4).all()
    drawn = model.sample(2000, length=40, random_state=0).toarray()
    np.testing.assert_allclose(
        drawn.mean(axis=0), 40 * model.transform(counts).mean(axis=0) @ model.components_, atol=0.2
    )


def test_streams_chunks_and_pickles_make_no_difference():
    counts, _ = corpus()
    model, other = (BackgroundMixture(3, **SETTINGS) for _ in range(2))
    model.fit(counts)
    other.fit(lambda: iter([counts[:7], sp.csr_array(counts[7:40]), counts[40:]]))
    np.testing.assert_allclose(other.components_, model.components_, rtol=1e-6)
    assert (other.n_iter_, other.mean_length_, other.n_documents_seen_) == (model.n_iter_, 40, 90)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).transform(counts), model.transform(counts))


def test_batches_are_learned_by_stepwise_em():
    counts, _ = corpus(n=30, V=12)
    model = BackgroundMixture(4, decay=0.6, offset=3, **SETTINGS).partial_fit(counts[:20])
    assert (model.n_iter_, model.n_batch_iter_, model.n_documents_seen_) == (1, 1, 20)
    before, batch = model.topic_counts_[:-1], counts[20:]
    weights = model.mixing_[:-1] / 0.6 * (20 + 3 * 0.5) - 0.5  # expected documents of each topic
    _, _, words, documents, _ = slow_step(batch, *parts(model), 0.4, 0.2, 0.5)
    model.partial_fit(batch)
    rho = (3 + 1) ** -0.6
    words = 30 * ((1 - rho) * before + rho * words / 10)
    documents = 30 * ((1 - rho) * weights / 20 + rho * documents / 10)
    np.testing.assert_allclose(parts(model)[0], (words + 0.2) / (words + 0.2).sum(axis=1, keepdims=True), rtol=1e-9)
    np.testing.assert_allclose(parts(model)[1], (documents + 0.5) / (documents + 0.5).sum(), rtol=1e-9)
    assert (model.n_iter_, model.n_batch_iter_, model.n_documents_seen_) == (2, 2, 30)
    assert model.mean_length_ == pytest.approx(counts.sum() / 30)


def test_the_manner_of_its_fits_is_that_of_all():
    counts, _ = corpus()
    model = BackgroundMixture(3, **SETTINGS, tol=1e-12)
    with pytest.warns(ConvergenceWarning, match=r"BackgroundMixture: max_iter=3 iterations.*objective still rose"):
        short = clone(model).set_params(max_iter=3).fit(counts)
    with pytest.warns(ConvergenceWarning, match="interrupted, so the fit ends after 3 iterations"):
        ended = clone(model).set_callbacks(Interrupt(3)).fit(counts)
    np.testing.assert_array_equal(ended.components_, short.components_)
    whole = clone(model).set_params(max_iter=8, tol=0).fit(counts)
    short.set_params(max_iter=5, tol=0, warm_start=True).fit(counts)
    np.testing.assert_allclose(short.components_, whole.components_, rtol=1e-9)
    with pytest.raises(ValueError, match=r"BackgroundMixture: n_components=4 was set after 3 topics"):
        short.set_params(n_components=4).partial_fit(counts)
    with pytest.raises(ValueError, match=r"BackgroundMixture: n_components=1 is not valid"):
        BackgroundMixture(1).fit(counts)
    stopped = clone(model).set_params(early_stopping=True, n_iter_no_change=2, tol=0.5).fit(counts)
    assert stopped.n_iter_ == len(stopped.perplexity_curve_) == 3
    _, validation = held_out(as_counts(counts, "test"), 0.1, np.random.RandomState(0))
    assert stopped.perplexity(validation) == pytest.approx(stopped.perplexity_curve_.min())


# --- its parts -----------------------------------------------------------------------------------------------------


def test_sums_add_and_are_scaled():
    a, b = Sums(np.ones((2, 3)), -1.0, np.arange(3.0)), Sums(np.full((2, 3), 2.0), -3.0, np.ones(3))
    total = (a + b * 2) / 4
    np.testing.assert_array_equal(total.words, np.full((2, 3), 1.25))
    np.testing.assert_array_equal(total.documents, [0.5, 0.75, 1])
    assert total.log_likelihood == -1.75
    assert (Sums(a.words, 0.0) + Sums(b.words, 0.0)).documents == 0  # where they do not count


def test_what_a_model_has_seen_is_told_and_counted():
    model = PLSA(2)
    assert seen(model) == (0, 0.0, 0, 0)
    model.components_ = PHI
    count(model, 8, 20.0, 5, 2)
    assert (model.mean_length_, model.n_documents_seen_, model.n_iter_, model.n_batch_iter_) == (2.5, 8, 5, 2)
    assert seen(model) == (8, 20.0, 5, 2)
    assert step_size(PLSA(decay=0.5, offset=7), 2) == pytest.approx(1 / 3)


# --- stopping on held-out words ------------------------------------------------------------------------------------


def test_held_out_documents_are_a_share_in_the_order_of_the_data():
    numbered = sp.csr_array(np.arange(1.0, 41)[:, None])
    for fraction, expected in ((0.25, 10), (1e-6, 1), (0.999, 39)):
        train, validation = (part.data for part in held_out(numbered, fraction, np.random.RandomState(0)))
        assert len(validation) == expected
        assert sorted([*train, *validation]) == list(range(1, 41))
        assert (np.diff(train) > 0).all()
        assert (np.diff(validation) > 0).all()


def test_hold_out_of_too_little():
    with pytest.raises(ValueError, match="holds documents out, and there is only one"):
        held_out(X[:1], 0.5, np.random.RandomState(0))
    lonely = sp.csr_array(np.eye(5)[:1].repeat(20, axis=0) * (np.arange(20) == 3)[:, None])
    with pytest.raises(ValueError, match=r"of 18 documents for training and 2 held out, those held out are all empty"):
        held_out(lonely, 0.1, np.random.RandomState(0))
    with pytest.raises(ValueError, match="those training are all empty"):
        held_out(lonely, 0.9, np.random.RandomState(0))


def test_patience_and_the_best_state(monkeypatch):
    curve = iter([10.0, 9.0, 8.95, 8.9, 7.0, 7.5, 6.999, 6.998])
    monkeypatch.setattr(em, "completion_perplexity", lambda *_, **__: (next(curve), 1.0))
    held = HeldOut(X, tol=0.01, patience=3)
    seen = []
    for step in range(8):
        held.look(None, PHI, step)
        seen.append((held.waited, held.best, held.stop))
    assert [waited for waited, _, _ in seen] == [0, 0, 1, 2, 0, 1, 2, 3]
    assert [best for _, best, _ in seen] == [0, 1, 2, 3, 4, 4, 6, 7]
    assert [stop for _, _, stop in seen] == [False] * 7 + [True]
    assert held.curve == [10.0, 9.0, 8.95, 8.9, 7.0, 7.5, 6.999, 6.998]


def test_a_look_is_the_perplexity():
    held = HeldOut(X, 0.0, 1)
    assert held.look(partial(shares, components=PHI), PHI, None) == Model(PHI).perplexity(X)


def test_held_out_words_that_no_topic_knows_are_an_error():
    with pytest.raises(ValueError, match=r"early_stopping: .*probability 0.*Pass a pseudo-count eta greater than 0"):
        HeldOut(X, 0.0, 1).look(partial(shares, components=PHI), PHI * 0, None)


@pytest.mark.parametrize("model", [MixtureOfUnigrams(2), PLSA(2)])
def test_models_hold_out_documents_and_use_their_own_threads(model, monkeypatch):
    threads = []
    walk = topic_model.accumulate
    monkeypatch.setattr(
        topic_model, "accumulate", lambda *args, **kwargs: threads.append(kwargs["n_jobs"]) or walk(*args, **kwargs)
    )
    fitted = model.set_params(early_stopping=True, validation_fraction=0.2, n_jobs=1, random_state=0).fit(X)
    assert fitted.n_documents_seen_ == 72
    assert len(fitted.perplexity_curve_) == fitted.n_iter_ == len(threads)
    assert set(threads) == {1}
    with pytest.raises(ValueError, match=f"{type(model).__name__}: early_stopping holds out.*EarlyStopping callback"):
        model.fit(lambda: iter([X]))
    with pytest.raises(ValueError, match="probability 0 under the topics"):
        model.set_params(eta=0, max_iter=5).fit(np.eye(12))


def test_patience_is_renewed_for_as_long_as_that_helps():
    held = HeldOut(X, 0.0, 2)
    held.lowest, held.waited = 8.0, 2
    assert held.renewed(0.01)
    assert held.waited == 0
    held.lowest, held.waited = 7.95, 2  # less than a hundredth of 8
    assert not held.renewed(0.01)
    assert held.stop
