"""LDA by variational Bayes, whole and online: known answers, the peer's bound, bad input. Gibbs has its own file.

Also tests featlearn.topics.online, featlearn.topics.priors and featlearn.topics.variational.
"""

import itertools
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import minimize
from scipy.special import gammaln, polygamma, psi
from sklearn.base import clone
from sklearn.decomposition import LatentDirichletAllocation, _lda
from sklearn.exceptions import NotFittedError

from featlearn.callbacks import EarlyStopping
from featlearn.streaming import accumulate
from featlearn.text.batches import batches
from featlearn.topics.em import held_out
from featlearn.topics.first_topics import first_topics
from featlearn.topics.lda import LDA
from featlearn.topics.online import OnlineLearner, OnlineTopics
from featlearn.topics.priors import first_alpha
from featlearn.topics.variational import learned_alpha, learned_eta, topic_bound

METHODS = ["vb", "online"]


def planted(n=120, V=60, K=4, length=50, seed=0):
    """Documents of K topics that hold V / K terms each, and the topics."""
    rng = np.random.default_rng(seed)
    topics = np.kron(np.eye(K), np.ones(V // K)) * rng.gamma(1.0, 1.0, V)
    topics /= topics.sum(axis=1, keepdims=True)
    theta = rng.dirichlet(np.full(K, 0.2), n)
    return sp.csr_array(np.array([rng.multinomial(length, t @ topics) for t in theta]).astype(float)), topics


X, TOPICS = planted()


def lda(method="vb", **settings):
    common = {"n_components": 4, "alpha": 0.2, "eta": 0.05, "max_iter": 8, "tol": 0, "random_state": 0}
    return LDA(method=method, **(common | settings))


# Known answers


@pytest.mark.parametrize(
    "priors", [{}, {"alpha": "learned"}, {"eta": "learned"}, {"alpha": "learned", "eta": "learned"}]
)
def test_the_bound_never_falls(priors):
    model = lda(max_iter=30, doc_tol=1e-8, max_doc_iter=1000, **priors).fit(X)
    assert len(model.bound_curve_) == model.n_iter_ + 1 == 31
    assert np.diff(model.bound_curve_).min() >= -1e-9 * abs(model.bound_)
    assert model.bound_ == model.bound_curve_[-1] == pytest.approx(model.bound(X), rel=1e-9)


def exact_log_likelihood(documents, alpha, eta):
    """log p(w): the sum over all topic assignments z of p(z) p(w | z), theta and beta integrated out."""
    words = [(d, w) for d, n in enumerate(documents) for w, count in enumerate(n) for _ in range(int(count))]
    K, V = len(alpha), len(documents[0])

    def log_dirichlet_multinomial(counts, prior):
        return gammaln(prior.sum()) - gammaln((counts + prior).sum()) + (gammaln(counts + prior) - gammaln(prior)).sum()

    terms = []
    for z in itertools.product(range(K), repeat=len(words)):
        n_dk, n_kw = np.zeros((len(documents), K)), np.zeros((K, V))
        for (d, w), k in zip(words, z, strict=True):
            n_dk[d, k] += 1
            n_kw[k, w] += 1
        log_p = sum(log_dirichlet_multinomial(row, alpha) for row in n_dk)
        terms.append(log_p + sum(log_dirichlet_multinomial(row, eta) for row in n_kw))
    return np.logaddexp.reduce(terms)


@pytest.mark.parametrize("method", METHODS)
def test_the_bound_is_below_the_exact_likelihood_and_near(method):
    documents = np.array([[2, 1, 0], [0, 1, 2], [3, 0, 0]])
    alpha, eta = np.array([0.6, 0.9]), np.array([0.5, 0.8, 0.7])
    exact = exact_log_likelihood(documents, alpha, eta)
    model = LDA(2, method=method, alpha=alpha, eta=eta, max_iter=50, doc_tol=1e-6, random_state=0).fit(documents)
    assert exact - 3 < model.bound(documents) < exact


def test_one_topic_is_the_smoothed_unigram():
    eta = np.linspace(0.1, 1, 60)
    words = X.sum(axis=0) + eta
    for model in (
        LDA(1, method="vb", eta=eta, max_iter=2).fit(X),
        LDA(1, method="online", eta=eta, max_iter=1, decay=0, batch_size=120).fit(X),
    ):
        np.testing.assert_allclose(model.components_, [words / words.sum()], rtol=1e-12)
        np.testing.assert_allclose(model.transform(X), 1)


def test_one_topic_leaves_nothing_to_approximate():
    # With K = 1 the bound is the log-likelihood itself, a Dirichlet-multinomial.
    n, eta = X.sum(axis=0), np.full(60, 0.05)
    exact = gammaln(eta.sum()) - gammaln((n + eta).sum()) + (gammaln(n + eta) - gammaln(eta)).sum()
    assert LDA(1, method="vb", eta=0.05, max_iter=2, random_state=0).fit(X).bound_ == pytest.approx(exact, rel=1e-10)


@pytest.mark.parametrize("alpha", [0.2, "learned"])
def test_online_with_whole_batches_that_forget_is_batch(alpha):
    batch = lda(alpha=alpha).fit(X)
    online = lda("online", alpha=alpha, decay=0, batch_size=120).fit(X)
    np.testing.assert_allclose(online.components_, batch.components_, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(online.alpha_, batch.alpha_, rtol=1e-9)
    assert lda("online", decay=0.5, batch_size=120).fit(X).bound(X) != pytest.approx(batch.bound_, rel=1e-6)


class SameStart(LatentDirichletAllocation):
    """scikit-learn's, from the topics that ours starts from."""

    def _init_latent_vars(self, n_features, dtype=np.float64):
        super()._init_latent_vars(n_features, dtype)
        rng = np.random.RandomState(1)
        noise, seed = rng.gamma(100.0, 0.01, (4, n_features)), rng.randint(2**31 - 1)
        topics, words = first_topics(X, 4, n_features, seed)
        self.components_ = (noise * (1 + 0.1 * words / 4 * topics.T)).astype(dtype)
        self.exp_dirichlet_component_ = np.exp(_lda._dirichlet_expectation_2d(self.components_))


def fit_and_peer(method, counts):
    """Our fit, and scikit-learn's of the same settings and first topics with its bound."""
    settings = {"max_iter": 5, "batch_size": 32, "random_state": 1}
    ours = lda(method, doc_tol=1e-6, max_doc_iter=1000, **settings).fit(counts)
    peer = SameStart(
        4,
        doc_topic_prior=0.2,
        topic_word_prior=0.05,
        learning_method="batch" if method == "vb" else "online",
        mean_change_tol=1e-6,
        max_doc_update_iter=1000,
        **settings,
    ).fit(counts)
    return ours, peer, peer._approx_bound(counts, peer._unnormalized_transform(counts), sub_sampling=False)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", METHODS)
def test_the_bound_is_the_peers(method, dtype, monkeypatch):
    counts = X.astype(dtype)
    ours, peer, bound = fit_and_peer(method, counts)
    assert ours.bound(counts) == pytest.approx(bound, rel=1e-3)
    # The peer starts documents at random, and some end in another optimum. Started evenly, they are the same.
    documents = _lda._update_doc_distribution
    monkeypatch.setattr(_lda, "_update_doc_distribution", lambda *args: documents(*args[:-1], None))
    ours, peer, bound = fit_and_peer(method, counts)
    tight = 1e-6 if dtype is np.float64 else 1e-5
    assert ours.bound(counts) == pytest.approx(bound, rel=tight)
    np.testing.assert_allclose(ours.topic_counts_ + ours.eta_, peer.components_, rtol=1000 * tight, atol=1000 * tight)


@pytest.mark.parametrize("method", METHODS)
def test_planted_topics_are_found(method):
    # A likelihood of the held-out halves that is nearly that of the true topics.
    documents, topics = planted(400)
    model = LDA(4, method=method, max_iter=30, batch_size=50, random_state=0).fit(documents)
    similarity = model.components_ @ topics.T
    similarity /= np.linalg.norm(model.components_, axis=1)[:, None] * np.linalg.norm(topics, axis=1)
    assert (similarity.max(axis=0) > 0.97).all()
    assert sorted(similarity.argmax(axis=0)) == [0, 1, 2, 3]
    np.testing.assert_allclose(model.alpha_, 0.2, rtol=0.6)


# The parts


def test_online_topics_are_the_dense_update():
    rng = np.random.default_rng(0)
    lam = rng.gamma(1.0, 1.0, (30, 5))
    for eta in (0.1, np.linspace(0.1, 1, 30)):
        dense, topics = lam.copy(), OnlineTopics(lam)
        for t in range(60):
            words = np.flatnonzero(rng.random(30) < 0.2)
            counts, rho = rng.random((len(words), 5)), (1.0, 0.9, 0.1)[t % 3 if t % 20 == 0 else 1 + t % 2]
            full = np.zeros((30, 5))
            full[words] = counts
            dense = (1 - rho) * dense + rho * (np.broadcast_to(eta, 30)[:, None] + 7.0 * full)
            topics.update(words, counts, rho, 7.0, eta)
            np.testing.assert_allclose(topics.at(np.array([3, 11])), dense[[3, 11]], rtol=1e-12)
        np.testing.assert_allclose(topics.dense(), dense, rtol=1e-12)
        np.testing.assert_allclose(topics.totals, dense.sum(axis=0), rtol=1e-12)
    np.testing.assert_array_equal(lam, np.random.default_rng(0).gamma(1.0, 1.0, (30, 5)))


def test_the_topics_part_of_the_bound():
    rng = np.random.default_rng(0)
    lam = rng.gamma(0.5, 2.0, (40, 3)) + 0.01
    for eta in (0.3, np.linspace(0.1, 1, 40)):
        full = np.broadcast_to(eta, 40)
        log_beta = psi(lam) - psi(lam.sum(axis=0))
        expected = ((full[:, None] - lam) * log_beta).sum()
        expected += (gammaln(lam).sum(axis=0) - gammaln(lam.sum(axis=0))).sum()
        expected -= 3 * (gammaln(full).sum() - gammaln(full.sum()))
        bound, sum_log_beta = topic_bound(lam, eta)
        assert bound == pytest.approx(expected, rel=1e-12)
        assert sum_log_beta == pytest.approx(log_beta.sum(), rel=1e-12)


@pytest.mark.parametrize("K", [1, 2, 9])
def test_learned_alpha_is_the_maximum(K):
    rng = np.random.default_rng(K)
    mean = np.log(rng.dirichlet(rng.gamma(0.4, 1, K) + 0.05, 500) + 1e-300).mean(axis=0)

    def minus(log_alpha):
        alpha = np.exp(log_alpha)
        return gammaln(alpha).sum() - gammaln(alpha.sum()) - alpha @ mean

    alpha = learned_alpha(mean, np.full(K, 1 / K))
    assert (alpha > 0).all()
    assert minus(np.log(alpha)) == pytest.approx(minimize(minus, np.full(K, -1.0), tol=1e-10).fun, abs=1e-7)
    if K > 1:
        np.testing.assert_allclose(psi(alpha) - psi(alpha.sum()), mean, rtol=1e-5)


@pytest.mark.parametrize("start", [1e-3, 0.3, 50.0])
def test_learned_eta_is_the_maximum(start):
    V, K = 200, 6
    log_beta = np.log(np.random.default_rng(0).dirichlet(np.full(V, 0.4), K) + 1e-300).sum()
    eta = learned_eta(log_beta, start, V, K)
    assert psi(eta) - psi(V * eta) == pytest.approx(log_beta / (V * K), rel=1e-9)
    assert eta == pytest.approx(0.4, rel=0.2)


@pytest.mark.parametrize("rho", [1e-3, 1.0])
def test_a_step_of_learned_alpha_is_hoffmans(rho):
    # alpha - rho H^-1 g for a small rho, g and H of the batch's mean E log theta; the batch's own maximum for rho = 1.
    model = lda("online", alpha="learned", decay=-np.log(rho) / np.log(11) if rho < 1 else 0.0)
    rng = np.random.default_rng(0)
    alpha = np.array([0.1, 0.3, 0.2, 0.6])
    learner = OnlineLearner(model, rng.gamma(1.0, 1.0, (60, 4)), alpha, 0.05)
    mean = learner.learn(X, 120).log_theta / 120
    if rho == 1:
        np.testing.assert_allclose(psi(learner.alpha) - psi(learner.alpha.sum()), mean, rtol=1e-5)
        return
    gradient = psi(alpha.sum()) - psi(alpha) + mean
    hessian = polygamma(1, alpha.sum()) - np.diag(polygamma(1, alpha))
    np.testing.assert_allclose(learner.alpha - alpha, -rho * np.linalg.solve(hessian, gradient), rtol=0.02)


def test_priors():
    np.testing.assert_allclose(first_alpha("symmetric", 4), 0.25)
    np.testing.assert_allclose(first_alpha("learned", 4), 0.25)
    weights = np.array([1 / 2, 1 / 3, 1 / 4, 1 / 5])
    np.testing.assert_allclose(first_alpha("asymmetric", 4), weights / weights.sum())
    np.testing.assert_array_equal(first_alpha([1, 2, 3], 3), [1, 2, 3])
    assert lda(eta="symmetric", max_iter=1).fit(X).eta_ == 0.25
    np.testing.assert_array_equal(lda(eta=np.full(60, 0.1), max_iter=1).fit(X).eta_, np.full(60, 0.1))


# One contract for all ways to feed it


def stream(rows):
    return lambda: (X[i : i + rows] for i in range(0, X.shape[0], rows))


@pytest.mark.parametrize("method", METHODS)
def test_streams_and_dask_learn_what_arrays_do(method):
    da, db = pytest.importorskip("dask.array"), pytest.importorskip("dask.bag")
    settings = {"total_documents": 120, "batch_size": 32, "max_iter": 3}
    expected = lda(method, **settings).fit(X)
    chunks = [X[:50], X[50:]]
    for other in (
        X.toarray(),
        stream(50),
        stream(7),
        da.from_array(X.toarray(), chunks=(50, 60)),
        db.from_sequence(chunks, npartitions=2),
    ):
        found = lda(method, **settings).fit(other)
        np.testing.assert_allclose(found.components_, expected.components_, rtol=1e-7, atol=1e-12)
        assert found.mean_length_ == 50
        assert found.n_documents_seen_ == 120
        if isinstance(other, np.ndarray) or hasattr(other, "chunks"):
            np.testing.assert_allclose(np.asarray(found.transform(other)), expected.transform(X), rtol=1e-5, atol=1e-8)


def test_a_dask_array_tells_how_long_it_is():
    da = pytest.importorskip("dask.array")
    rows = da.from_array(X.toarray(), chunks=(50, 60))
    settings = {"batch_size": 32, "max_iter": 2}
    expected = lda("online", **settings).fit(X)
    np.testing.assert_array_equal(lda("online", **settings).fit(rows).components_, expected.components_)
    unknown = rows[rows.sum(axis=1) > 0]
    for method in METHODS:
        expected, found = (lda(method, total_documents=120, **settings).fit(data) for data in (X, unknown))
        np.testing.assert_allclose(found.components_, expected.components_, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("priors", [{}, {"alpha": "learned", "eta": "learned"}])
def test_online_takes_an_iterator_once_and_partial_fit_is_a_step(priors):
    whole = lda("online", max_iter=None, batch_size=7, total_documents=120, **priors).fit(stream(40)())
    assert whole.n_iter_ == 1
    parts = lda("online", total_documents=120, **priors)
    for start in range(0, 120, 7):
        parts.partial_fit(X[start : start + 7])
    np.testing.assert_allclose(parts.components_, whole.components_, rtol=1e-9)
    np.testing.assert_allclose(parts.alpha_, whole.alpha_, rtol=1e-9)
    assert parts.eta_ == pytest.approx(whole.eta_, rel=1e-9)
    assert parts.n_batch_iter_ == parts.n_iter_ == whole.n_batch_iter_ == 18
    assert parts.n_documents_seen_ == 120
    assert parts.mean_length_ == 50
    with pytest.raises(ValueError, match="walked only once"):
        lda("vb").fit(stream(40)())


def test_documents_seen_so_far_are_the_corpus():
    seen = lda("online").partial_fit(X[:30]).partial_fit(X[30:90])
    known = lda("online", total_documents=30).partial_fit(X[:30])
    known.set_params(total_documents=90).partial_fit(X[30:90])
    np.testing.assert_allclose(seen.topic_counts_, known.topic_counts_, rtol=1e-12)


def test_batches_do_not_depend_on_chunks():
    for source in (X, stream(7), stream(100)):
        parts = list(batches(source, 32))
        assert [part.shape[0] for part in parts] == [32, 32, 32, 24]
        assert (sp.vstack(parts) != X).nnz == 0


@pytest.mark.parametrize("method", METHODS)
def test_chunks_and_partitions_without_documents_are_passed_over(method):
    db = pytest.importorskip("dask.bag")
    none, settings = sp.csr_array((0, 60)), {"total_documents": 120, "max_iter": 2}
    expected = lda(method, **settings).fit(X).components_
    streamed = lda(method, **settings).fit(lambda: iter([none, X[:50], none, X[50:], none]))
    bag = db.from_sequence(["", X[:50], "", X[50:]], npartitions=4).filter(lambda item: not isinstance(item, str))
    for found in (streamed, lda(method, **settings).fit(bag)):
        np.testing.assert_allclose(found.components_, expected, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("method", [*METHODS, "gibbs"])
def test_a_batch_without_words_comes_later_or_not_at_all(method):
    empty = sp.csr_array((6, 60))
    for batch in (empty, iter([empty]), lambda: iter([empty[:2], empty[2:]])):
        with pytest.raises(ValueError, match="holds no words: all 6 documents are empty"):
            lda(method).partial_fit(batch)
    model = lda(method, alpha="learned", max_iter=30).partial_fit(X)
    topics = model.topic_counts_.copy()
    model.partial_fit(iter([empty]))
    assert (model.n_documents_seen_, model.n_batch_iter_, model.n_iter_) == (126, 2, 2)
    assert model.mean_length_ == pytest.approx(50 * 120 / 126)
    assert np.isfinite(model.components_).all()
    assert np.isfinite(model.alpha_).all()
    if method == "gibbs":
        np.testing.assert_array_equal(model.topic_counts_, topics)
    for nothing in (iter([empty[:0]]), lambda: iter([])):
        with pytest.raises(ValueError, match="There is no data"):
            model.partial_fit(nothing)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_workers_change_no_bit(method, dtype):
    documents = sp.csr_array(sp.vstack([planted(900, seed=s)[0] for s in range(3)])).astype(dtype)
    settings = {"max_iter": 2, "batch_size": 500, "alpha": "learned", "eta": "learned"}
    one, two = (lda(method, n_jobs=n, **settings).fit(documents) for n in (1, 2))
    assert one.components_.tobytes() == two.components_.tobytes()
    assert one.alpha_.tobytes() == two.alpha_.tobytes()
    assert one.transform(documents).tobytes() == two.transform(documents).tobytes()
    assert one.components_.dtype == one.transform(documents).dtype == dtype


@pytest.mark.parametrize("method", METHODS)
def test_pickle_clone_and_seed(method):
    model = lda(method).fit(X)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.transform(X), model.transform(X))
    again = clone(model)
    with pytest.raises(NotFittedError):
        again.transform(X)
    np.testing.assert_array_equal(again.fit(X).components_, model.components_)
    assert not np.array_equal(again.set_params(random_state=1).fit(X).components_, model.components_)


@pytest.mark.parametrize("method", METHODS)
def test_a_fit_that_failed_or_made_no_iteration_leaves_the_estimator_as_it_was(method, monkeypatch):
    model = lda(method, batch_size=40).fit(X)
    before = {name: pickle.dumps(value) for name, value in model.__dict__.items()}
    steps = []

    def interrupted(statistic, *args, **kwargs):
        steps.append(1)
        if len(steps) == (3 if method == "vb" else 1):
            raise KeyboardInterrupt
        return accumulate(statistic, *args, **kwargs)

    monkeypatch.setattr("featlearn.topics.variational.accumulate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X[:90, :50])
    monkeypatch.setattr("featlearn.topics.variational.accumulate", lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        model.set_params(method="online").partial_fit(X)
    model.set_params(method=method)
    assert {name: pickle.dumps(value) for name, value in model.__dict__.items()} == before


@pytest.mark.parametrize("method", METHODS)
def test_warm_start_goes_on(method):
    settings = {"decay": 0.0, "batch_size": 120, "warm_start": True}
    warm = lda(method, max_iter=3, **settings).fit(X).fit(X)
    np.testing.assert_allclose(warm.components_, lda(method, max_iter=6, **settings).fit(X).components_, rtol=1e-9)
    with pytest.raises(ValueError, match="n_components=5 was set after 4 topics"):
        warm.set_params(n_components=5).fit(X)
    with pytest.raises(ValueError, match="n_components=5 was set after 4 topics"):
        warm.set_params(method="online").partial_fit(X)


@pytest.mark.parametrize("method", [*METHODS, "gibbs"])
def test_priors_set_after_a_fit_hold_and_learned_ones_go_on(method):
    eta = np.linspace(0.01, 0.1, 60)
    model = lda(method, alpha="learned", eta=eta, max_iter=30, warm_start=True).fit(X)
    learned = model.alpha_
    model.set_params(max_iter=1).fit(X)
    assert np.abs(model.alpha_ - learned).max() < 0.1 * np.abs(model.alpha_ - 0.25).max()
    model.set_params(alpha=0.7, eta="learned").fit(X)
    np.testing.assert_array_equal(model.alpha_, np.full(4, 0.7))
    assert np.ndim(model.eta_) == 0
    model.set_params(alpha=0.3, eta=0.02).partial_fit(X)
    np.testing.assert_array_equal(model.alpha_, np.full(4, 0.3))
    assert model.eta_ == 0.02
    np.testing.assert_allclose(model.components_.sum(axis=1), 1)


def test_a_batch_forgets_what_the_fit_said_of_itself():
    model = lda("vb", early_stopping=True).fit(X)
    assert {"bound_", "bound_curve_", "perplexity_curve_"} < set(vars(model))
    model.partial_fit(X)
    assert not {"bound_", "bound_curve_", "perplexity_curve_"} & set(vars(model))


@pytest.mark.parametrize("max_iter", [1, 7, 30])
def test_gibbs_averages_half_its_sweeps_at_most(max_iter):
    settings = {"method": "gibbs", "max_iter": max_iter, "alpha": "learned"}
    many, half = (lda(n_samples=n, **settings).fit(X) for n in (1000, max(max_iter // 2, 1)))
    np.testing.assert_array_equal(many.components_, half.components_)
    assert many.n_iter_ == max_iter
    if max_iter == 30:  # the other half learns
        assert np.ptp(many.alpha_) > 0


class Stop:
    """A callback that stops at a report, and keeps them all."""

    def __init__(self, after):
        self.after, self.reports = after, []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, metadata=None):
        self.reports += [metadata] if metadata else []
        return len(self.reports) == self.after


@pytest.mark.parametrize(("after", "documents"), [(2, 80), (4, 120)])
def test_online_stopped_within_a_pass_has_seen_the_whole_passes(after, documents):
    stop = Stop(after)
    model = lda("online", batch_size=40).set_callbacks(stop).fit(X)
    assert model.n_documents_seen_ == documents
    assert model.mean_length_ == 50
    assert (model.n_iter_, model.n_batch_iter_) == (1 + (after > 3), after)
    # The bound of a batch, a word, before it is learned: it rises.
    bounds = [report["bound"] for report in stop.reports]
    assert -np.log(60) - 2 < bounds[0] < bounds[-1] < 0


@pytest.mark.parametrize("method", METHODS)
def test_early_stopping_keeps_the_best(method):
    # Noise has nothing to learn, so the perplexity of other documents soon rises.
    noise = sp.csr_array(np.random.default_rng(0).poisson(0.5, (100, 60)).astype(float))
    settings = {"early_stopping": True, "max_iter": 200, "n_iter_no_change": 2, "eta": 0.01}
    model = lda(method, **settings).fit(noise)
    curve = model.perplexity_curve_
    assert len(curve) == model.n_iter_ + (method == "vb") < 200
    assert curve[-1] > min(curve)
    _, validation = held_out(noise, 0.1, np.random.RandomState(0))
    assert model.perplexity(validation) == pytest.approx(min(curve), rel=1e-6)
    with pytest.raises(ValueError, match="early_stopping holds out documents of an array"):
        model.fit(stream(50))


def test_the_bound_stops_vb_and_reaches_callbacks():
    assert lda(max_iter=500, tol=1e-3).fit(X).n_iter_ < 100
    stop = EarlyStopping("bound", patience=1, tol=0.1, mode="max")
    assert lda(max_iter=50).set_callbacks(stop).fit(X).n_iter_ < 10
    assert stop.stopped_


def test_sample_tells_the_generative_story():
    model = lda("vb", alpha=np.array([1e-4, 1e-4, 1e-4, 2e-4])).fit(X)
    theta = model._draw_proportions(4000, np.random.RandomState(0))
    np.testing.assert_allclose(theta.sum(axis=1), 1)
    np.testing.assert_allclose(theta.mean(axis=0), [0.2, 0.2, 0.2, 0.4], atol=0.03)
    documents = model.sample(300, random_state=0)
    assert documents.shape == (300, 60)
    assert documents.sum(axis=1).mean() == pytest.approx(50, rel=0.05)


def test_score_prefers_the_model_to_the_unigram():
    model = lda(max_iter=30).fit(X)
    held = planted(seed=1, n=60)[0]
    uniform = LDA(1, method="vb", max_iter=1, tol=0).fit(X)
    assert model.score(X) > uniform.score(X)
    assert model.perplexity(held) > 0
    assert model.score(X) == pytest.approx(-np.log(model.perplexity(X)))


# Bad input


@pytest.mark.parametrize("method", METHODS)
class TestBadInput:
    def test_empty_corpus(self, method):
        with pytest.raises(ValueError, match="holds no words: all 3 documents are empty"):
            lda(method).fit(np.zeros((3, 5)))
        with pytest.raises(ValueError, match="holds no words"):
            lda(method).fit(lambda: iter([np.zeros((3, 5))]))
        with pytest.raises(ValueError, match="There is no data"):
            lda(method).fit(lambda: iter([]))

    def test_empty_documents_are_uniform_and_change_nothing(self, method):
        documents = X.toarray()
        documents[5] = 0
        model = lda(method).fit(documents)
        np.testing.assert_allclose(model.transform(documents)[5], 0.25)
        assert np.isfinite(model.components_).all()
        kept = np.arange(120) != 5
        if method == "vb":
            np.testing.assert_allclose(model.components_, lda(method).fit(X[kept]).components_, rtol=1e-9)

    def test_negative_and_not_finite_counts(self, method):
        for value, message in ((-1.0, "Negative values"), (np.nan, "NaN"), (np.inf, "infinity")):
            documents = X.toarray()
            documents[2, 3] = value
            with pytest.raises(ValueError, match=message):
                lda(method).fit(documents)
            with pytest.raises(ValueError, match=message):
                lda(method).fit(X).transform(documents)

    def test_fractional_counts_are_weights(self, method):
        whole, half = (LDA(1, method=method, max_iter=1, tol=0, decay=0).fit(c * X) for c in (1, 0.5))
        assert half.topic_counts_.sum() == pytest.approx(whole.topic_counts_.sum() / 2)

    def test_one_document_and_more_topics_than_documents(self, method):
        model = LDA(30, method=method, max_iter=3, tol=0, random_state=0).fit(X[:1])
        assert model.components_.shape == (30, 60)
        np.testing.assert_allclose(model.components_.sum(axis=1), 1)
        np.testing.assert_allclose(model.transform(X[:1]).sum(axis=1), 1)
        with pytest.raises(ValueError, match="there is only one"):
            LDA(2, method=method, early_stopping=True).fit(X[:1])

    def test_vocabulary_mismatch(self, method):
        model = lda(method).fit(X)
        for call in (model.transform, model.score, model.bound, model.set_params(method="online").partial_fit):
            with pytest.raises(ValueError, match="expecting 60 features as input"):
                call(X[:, :59])

    def test_documents_of_one_repeated_word(self, method):
        model = LDA(3, method=method, max_iter=5, tol=0, random_state=0).fit(1000 * np.eye(5))
        assert np.isfinite(model.components_).all()
        np.testing.assert_allclose(model.transform(1000 * np.eye(5)).max(axis=1), 1, atol=0.05)

    def test_a_document_of_100_000_tokens(self, method):
        documents = sp.csr_array(sp.vstack([X, sp.csr_array(np.full((1, 60), 100_000 / 60))], format="csr"))
        model = lda(method).fit(documents.astype(np.float32))
        assert np.isfinite(model.components_).all()
        np.testing.assert_allclose(model.transform(documents).sum(axis=1), 1, rtol=1e-5)

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"alpha": 0.0}, "alpha=0.0 is not valid"),
            ({"alpha": 1e-300}, "a number of at least 1e-30"),
            ({"alpha": np.array(-0.1)}, "alpha holds -0.1; all must be above 0"),
            ({"eta": np.array(-0.1)}, "eta holds -0.1; all must be above 0"),
            ({"alpha": "auto"}, "alpha='auto' is not valid"),
            ({"alpha": [1.0, 2.0]}, r"alpha has shape \(2,\)"),
            ({"alpha": [1.0, 1.0, -1.0, 1.0]}, "alpha holds -1.0; all must be above 0"),
            ({"alpha": ["a"] * 4}, "alpha is not an array of numbers"),
            ({"eta": "asymmetric"}, "eta='asymmetric' is not valid"),
            ({"eta": np.ones(3)}, r"eta has shape \(3,\)"),
            ({"eta": np.full(60, np.nan)}, "eta holds nan"),
            ({"method": "svi"}, "method='svi' is not valid"),
            ({"n_components": 0}, "n_components=0 is not valid"),
            ({"decay": 1.5}, "decay=1.5 is not valid"),
            ({"batch_size": 0}, "batch_size=0 is not valid"),
            ({"max_doc_iter": 0}, "max_doc_iter=0 is not valid"),
        ],
    )
    def test_parameters(self, method, settings, message):
        with pytest.raises(ValueError, match=message):
            lda(**({"method": method} | settings)).fit(X)
