"""PLSA against EM by four loops, non-negative factorization, and the corpora it must explain."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.special import kl_div, xlogy
from sklearn.decomposition import NMF
from sklearn.exceptions import ConvergenceWarning

from featlearn.topics.mixture_of_unigrams import MixtureOfUnigrams
from featlearn.topics.plsa import PLSA, folded_in
from featlearn.topics.unigram import UnigramModel


def mixed_corpus(n=80, V=40, K=4, length=60, alpha=0.3, seed=0):
    """Documents of several topics each, as LDA makes them; the topics (K, V) and the proportions (n, K)."""
    rng = np.random.default_rng(seed)
    topics, theta = rng.dirichlet(np.full(V, 0.1), K), rng.dirichlet(np.full(K, alpha), n)
    return sp.csr_array(np.array([rng.multinomial(length, t @ topics) for t in theta], float)), topics, theta


def slow_em_step(X, phi, theta, eta, beta):
    """One step of (tempered) EM by four loops: topics, proportions, and sum n log Z / beta + eta sum log phi before."""
    (D, V), K = X.shape, len(phi)
    words, new_theta, objective = np.zeros((K, V)), np.zeros((D, K)), 0.0
    for d in range(D):
        for w in range(V):
            z = sum((phi[k, w] * theta[d, k]) ** beta for k in range(K))
            objective += X[d, w] * np.log(z) / beta if X[d, w] else 0
            for k in range(K):
                r = (phi[k, w] * theta[d, k]) ** beta / z
                words[k, w] += X[d, w] * r
                new_theta[d, k] += X[d, w] * r
    new_phi = (words + eta) / (words + eta).sum(axis=1, keepdims=True)
    return new_phi, new_theta / new_theta.sum(axis=1, keepdims=True), objective + eta * np.log(phi).sum()


@pytest.mark.parametrize("beta", [1.0, 0.7])
@pytest.mark.parametrize("weight", [1, 0.4])
def test_two_steps_of_em_are_those_of_the_formulas(beta, weight):
    X = mixed_corpus(n=8, V=6)[0] * weight
    one, two, three = (PLSA(3, eta=0.2, beta=beta, max_iter=n, tol=0, random_state=5).fit(X) for n in (1, 2, 3))
    for before, after in ((one, two), (two, three)):
        phi, theta, objective = slow_em_step(X.toarray(), before.components_, before.proportions_, 0.2, beta)
        np.testing.assert_allclose(after.components_, phi, rtol=1e-9)
        np.testing.assert_allclose(after.proportions_, theta, rtol=1e-9)
        assert after.log_likelihood_curve_[-1] == pytest.approx(objective, rel=1e-12)
        np.testing.assert_allclose(after.topic_counts_.sum(), X.sum() / 8, rtol=1e-9)


@pytest.mark.parametrize("eta", [0, 0.1])
@pytest.mark.parametrize("beta", [1.0, 0.8])
def test_objective_never_falls(eta, beta):
    curve = (
        PLSA(6, eta=eta, beta=beta, tol=0, max_iter=150, random_state=0).fit(mixed_corpus()[0]).log_likelihood_curve_
    )
    assert len(curve) == 150
    assert (np.diff(curve) >= -1e-12 * abs(curve[-1])).all()


def test_one_topic_is_the_unigram_model():
    X = mixed_corpus()[0]
    model = PLSA(1, eta=0).fit(X)
    np.testing.assert_allclose(model.components_, UnigramModel(eta=0).fit(X).components_, rtol=1e-12)
    np.testing.assert_array_equal(model.proportions_, 1)
    assert model.perplexity(X) == pytest.approx(UnigramModel(eta=0).fit(X).perplexity(X))


def test_fixed_points_are_those_of_factorization():
    """At convergence the multiplicative rules for the Kullback-Leibler divergence move nothing."""
    X = mixed_corpus(n=30, V=12)[0].toarray()
    X = X[:, X.any(axis=0)]
    model = PLSA(3, eta=0, tol=0, max_iter=10_000, random_state=0).fit(X)
    W, H = model.proportions_ * X.sum(axis=1, keepdims=True), model.components_
    nmf = NMF(3, init="custom", solver="mu", beta_loss="kullback-leibler", max_iter=50, tol=0)
    after = nmf.fit_transform(X, W=W.copy(), H=H.copy()) @ nmf.components_
    np.testing.assert_allclose(after, W @ H, rtol=1e-3, atol=1e-5)
    assert kl_div(X, after).sum() == pytest.approx(kl_div(X, W @ H).sum(), rel=1e-9)
    expected = xlogy(X, model.proportions_ @ H).sum()
    assert model.log_likelihood_curve_[-1] == pytest.approx(expected, rel=1e-9)


def test_factorization_from_the_same_start_arrives_at_the_same_likelihood():
    X = mixed_corpus(n=30, V=12)[0].toarray()
    X = X[:, X.any(axis=0)]
    start = PLSA(3, eta=0, max_iter=30, tol=0, random_state=0).fit(X)
    long = PLSA(3, eta=0, max_iter=3_000, tol=0, random_state=0).fit(X)
    lengths = X.sum(axis=1, keepdims=True)
    nmf = NMF(3, init="custom", solver="mu", beta_loss="kullback-leibler", max_iter=3_000, tol=0)
    after = nmf.fit_transform(X, W=start.proportions_ * lengths, H=start.components_.copy()) @ nmf.components_
    ours = long.proportions_ * lengths @ long.components_
    assert kl_div(X, after).sum() == pytest.approx(kl_div(X, ours).sum(), rel=1e-4)


def test_topics_are_recovered():
    X, topics, theta = mixed_corpus(n=300, length=200, alpha=0.1)
    model = PLSA(4, tol=1e-7, max_iter=500, random_state=0).fit(X)
    match = (model.components_ @ topics.T).argmax(axis=1)
    assert sorted(match.tolist()) == [0, 1, 2, 3]
    assert np.abs(model.components_ - topics[match]).sum(axis=1).max() < 0.15
    assert np.abs(model.proportions_ - theta[:, match]).mean() < 0.05


def test_transform_maximizes_the_likelihood_of_each_document():
    X, topics, _ = mixed_corpus(n=20)
    theta = folded_in(X, topics=np.ascontiguousarray(topics.T), beta=1, max_iter=20_000, tol=1e-12)
    # Where theta_k > 0 the gradient sum_w n_w phi_kw / p_w is N, elsewhere it is less.
    p = theta @ topics
    gradient = (X.toarray() / np.where(p > 0, p, 1)) @ topics.T
    assert np.abs(theta * (gradient - 60)).max() < 1e-4
    assert gradient.max() < 60 + 0.1


def test_tempered_folding_in_is_tempered_em():
    X, topics, _ = mixed_corpus(n=5)
    topics = topics + 1e-3
    theta = np.full((5, 4), 0.25)
    for _ in range(7):
        theta = slow_em_step(X.toarray(), topics, theta, 0, 0.6)[1]
    folded = folded_in(X, topics=np.ascontiguousarray(topics.T), beta=0.6, max_iter=7, tol=0)
    np.testing.assert_allclose(folded, theta, rtol=1e-9)


@pytest.mark.parametrize("beta", [1.0, 0.8])
def test_transform_does_not_depend_on_the_other_documents(beta):
    X = mixed_corpus()[0]
    model = PLSA(4, beta=beta, random_state=0).fit(X)
    whole = model.transform(X)
    np.testing.assert_allclose(model.transform(X[[17]]), whole[[17]], rtol=1e-12)


@pytest.mark.parametrize("beta", [1.0, 0.8])
def test_words_that_no_topic_knows(beta):
    X = np.array([[3, 1, 0], [1, 3, 0], [2, 2, 0.0]])
    model = PLSA(2, eta=0, beta=beta, random_state=0).fit(X)
    theta = model.transform([[0, 0, 6], [3, 1, 9], [3, 1, 0.0]])
    np.testing.assert_allclose(theta[0], 0.5)
    np.testing.assert_allclose(theta[1], theta[2], atol=1e-3)
    assert model.perplexity([[0, 0, 4.0]]) == np.inf
    assert np.isfinite(PLSA(2, beta=beta, random_state=0).fit(X).perplexity([[0, 0, 4.0]]))


def test_a_stream_climbs_as_far_as_an_array():
    X = mixed_corpus(n=200)[0]
    array = PLSA(4, eta=0, tol=1e-6, max_iter=300, random_state=0).fit(X)
    stream = PLSA(4, eta=0, tol=1e-6, max_iter=300, random_state=0).fit(lambda: iter([X[:50], X[50:].toarray()]))
    assert stream.log_likelihood_curve_[-1] == pytest.approx(array.log_likelihood_curve_[-1], rel=0.01)
    assert stream.proportions_.shape == (200, 4)
    np.testing.assert_allclose(stream.proportions_.sum(axis=1), 1)
    assert (np.diff(stream.log_likelihood_curve_) >= -1e-4 * abs(stream.log_likelihood_curve_[-1])).all()


def test_partial_fit_is_the_stepwise_rule():
    X = mixed_corpus(n=24, V=8)[0]
    model = PLSA(3, eta=0.3, offset=2.0, decay=0.6, random_state=0).partial_fit(X[:16])
    before = pickle.loads(pickle.dumps(model))
    phi, theta = before.components_, before.transform(X[16:])
    words = phi * (theta.T @ (X[16:].toarray() / (theta @ phi)))
    rho = (2.0 + 1) ** -0.6
    S = (1 - rho) * before.topic_counts_ + rho * words / 8
    model.partial_fit(X[16:])
    np.testing.assert_allclose(model.topic_counts_, S, rtol=1e-10)
    np.testing.assert_allclose(
        model.components_, (24 * S + 0.3) / (24 * S + 0.3).sum(axis=1, keepdims=True), rtol=1e-10
    )
    assert model.n_documents_seen_ == 24
    assert model.n_iter_ == model.n_batch_iter_ == 2
    assert model.proportions_.shape == (8, 3)


def test_online_batches_learn():
    X = mixed_corpus(n=600)[0]
    model = PLSA(4, random_state=0)
    for epoch in range(4):
        for start in range(0, 500, 50):
            model.partial_fit(X[start : start + 50])
        if not epoch:
            early = model.perplexity(X[500:])
    assert model.perplexity(X[500:]) < early < UnigramModel().fit(X[:500]).perplexity(X[500:])


def test_completion_perplexity_falls_from_unigram_to_mixture_to_plsa_to_the_truth():
    X, topics, _ = mixed_corpus(n=500, V=60, K=5, length=80)
    train, test = X[:400], X[400:]
    unigram = UnigramModel().fit(train).perplexity(test)
    mixture = MixtureOfUnigrams(5, random_state=0).fit(train).perplexity(test)
    # To the end: stopped early, with pseudo-counts, PLSA is as good as the true topics without a prior of proportions.
    model = PLSA(5, max_iter=1000, tol=1e-6, random_state=0).fit(train)
    plsa = model.perplexity(test)
    model.components_ = topics
    assert model.perplexity(test) < plsa < mixture < unigram


def test_beta_is_lowered_while_that_helps():
    X = mixed_corpus(n=120, V=200, length=40, alpha=0.2)[0]
    train, test = X[:80], X[80:]
    plain = PLSA(20, max_iter=400, tol=1e-6, random_state=0).fit(train)
    model = PLSA(20, beta="held_out", max_iter=400, random_state=0).fit(train)
    assert 0.1 < model.beta_ < 1
    assert np.log(model.beta_) / np.log(0.9) == pytest.approx(round(np.log(model.beta_) / np.log(0.9)))
    assert model.perplexity(test) < plain.perplexity(test)
    assert model.n_iter_ == len(model.perplexity_curve_) < 400
    assert model.proportions_.shape == (72, 20)


def test_proportions_are_those_of_the_topics_kept():
    X = mixed_corpus(n=60, V=100, length=30)[0]
    model = PLSA(15, early_stopping=True, max_iter=300, random_state=0).fit(X)
    best = int(model.perplexity_curve_.argmin()) + 1
    assert best < model.n_iter_
    with pytest.warns(ConvergenceWarning, match="perplexity of the documents held out still fell"):
        shorter = PLSA(15, early_stopping=True, max_iter=best, random_state=0).fit(X)
    np.testing.assert_array_equal(model.proportions_, shorter.proportions_)


def test_held_out_beta_needs_documents_in_memory():
    X = mixed_corpus()[0]
    with pytest.raises(ValueError, match="pass a number for beta"):
        PLSA(beta="held_out").fit(lambda: iter([X]))


def test_float32_climbs_like_float64():
    X = mixed_corpus()[0]
    low, high = (PLSA(4, tol=0, max_iter=60, random_state=0).fit(X.astype(t)) for t in (np.float32, np.float64))
    np.testing.assert_allclose(low.log_likelihood_curve_, high.log_likelihood_curve_, rtol=1e-5)
    assert low.proportions_.dtype == np.float32


def test_zero_probabilities_in_float32_stay_finite():
    """Maximum likelihood drives topics and proportions to 0 for thousands of iterations."""
    X = sp.csr_array(np.kron(np.eye(4), np.full((3, 5), 9.0)).astype(np.float32))
    model = PLSA(6, eta=0, tol=0, max_iter=3_000, random_state=0).fit(X)
    assert np.isfinite(model.components_).all()
    assert np.isfinite(model.log_likelihood_curve_).all()
    assert model.log_likelihood_curve_[-1] == pytest.approx(X.sum() * np.log(1 / 5), rel=1e-4)


def test_sample_draws_proportions_of_training_documents():
    X = np.kron(np.eye(2), np.full((3, 4), 5.0))
    drawn = PLSA(2, eta=0, tol=0, random_state=0).fit(X).sample(40, length=20, random_state=1).toarray()
    halves = drawn.reshape(40, 2, 4).sum(axis=2)
    assert (halves.max(axis=1) == 20).all()
    assert 8 < (halves[:, 0] > 0).sum() < 32


@pytest.mark.parametrize("beta", [0, 1.1, "tempered", None])
def test_bad_beta(beta):
    with pytest.raises(ValueError, match=r"PLSA: beta=.* is not valid; pass one of 'held_out' or a (finite )?number"):
        PLSA(beta=beta).fit(mixed_corpus()[0])


def test_callbacks_see_the_likelihood_and_may_stop():
    from featlearn.callbacks import EarlyStopping

    stop = EarlyStopping(monitor="log_likelihood", mode="max", tol=0.01, patience=1)
    model = PLSA(4, tol=0, random_state=0).set_callbacks(stop).fit(mixed_corpus()[0])
    assert model.n_iter_ < 100
    assert stop.stopped_[0][0] == "PLSA"
