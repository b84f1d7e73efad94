"""The mixture of unigrams against enumeration and a slow dense EM; and what the three models of counts share.

Also tests featlearn.kernels.topics.aspects.
"""

import itertools
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from featlearn.kernels.topics.aspects import document_uniforms
from featlearn.topics.mixture_of_unigrams import MixtureOfUnigrams
from featlearn.topics.plsa import PLSA
from featlearn.topics.unigram import UnigramModel

MODELS = [UnigramModel(), MixtureOfUnigrams(3, random_state=0), PLSA(3, max_iter=20, tol=1e-3, random_state=0)]


def corpus(n=60, V=30, K=3, length=20, seed=0, dtype=np.float64):
    """Documents of one topic each, out of K topics."""
    rng = np.random.default_rng(seed)
    topics = rng.dirichlet(np.full(V, 0.2), K)
    return sp.csr_array(np.array([rng.multinomial(length, topics[i % K]) for i in range(n)], dtype))


def separated(n=40, words=5, K=4, length=30, seed=0):
    """Documents of one topic each, topics without a word in common; labels (n,)."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % K
    X = np.zeros((n, words * K))
    for d, k in enumerate(labels):
        X[d, k * words : (k + 1) * words] = rng.multinomial(length, np.full(words, 1 / words))
    return sp.csr_array(X), labels


def slow_em_step(X, phi, pi, eta, alpha):
    """One step of EM by the formulas, document by document; the objective before it."""
    D, (K, V) = len(X), phi.shape
    words, documents, log_likelihood = np.zeros((K, V)), np.zeros(K), 0.0
    for d in range(D):
        p = [pi[k] * np.prod([phi[k, w] ** X[d, w] for w in range(V)]) for k in range(K)]
        log_likelihood += np.log(sum(p))
        for k in range(K):
            r = p[k] / sum(p)
            documents[k] += r
            for w in range(V):
                words[k, w] += X[d, w] * r
    prior = alpha * np.log(pi).sum() + eta * np.log(phi).sum()
    new_phi = [[(words[k, w] + eta) / (words[k].sum() + V * eta) for w in range(V)] for k in range(K)]
    new_pi = [(documents[k] + alpha) / (D + K * alpha) for k in range(K)]
    return np.array(new_phi), np.array(new_pi), log_likelihood + prior


def going_on(X, model, **parameters):
    """A copy of the model after one more fit that starts where it stands."""
    return pickle.loads(pickle.dumps(model)).set_params(warm_start=True, tol=0, **parameters).fit(X)


@pytest.mark.parametrize("weight", [1, 0.4])
def test_one_step_of_em_is_that_of_the_formulas(weight):
    X = corpus(n=12, V=8) * weight
    start = MixtureOfUnigrams(3, eta=0.3, alpha=0.7, max_iter=2, tol=0, random_state=1).fit(X)
    after = going_on(X, start, max_iter=1)
    phi, pi, objective = slow_em_step(X.toarray(), start.components_, start.weights_, 0.3, 0.7)
    np.testing.assert_allclose(after.components_, phi, rtol=1e-10)
    np.testing.assert_allclose(after.weights_, pi, rtol=1e-10)
    assert after.log_likelihood_curve_[0] == pytest.approx(objective, rel=1e-12)


def test_likelihood_and_posterior_by_enumeration():
    X = np.array([[2, 1, 0], [0, 1, 1], [0, 0, 3.0]])
    model = MixtureOfUnigrams(2, eta=0.5, alpha=0.5, max_iter=1, tol=0, random_state=0).fit(X)
    phi, pi = model.components_, model.weights_
    total, joint = 0.0, np.zeros((3, 2))
    for z in itertools.product(range(2), repeat=3):
        p = np.prod([pi[k] * np.prod(phi[k] ** x) for k, x in zip(z, X, strict=True)])
        total += p
        joint[range(3), z] += p
    after = going_on(X, model, max_iter=1)
    prior = 0.5 * np.log(phi).sum() + 0.5 * np.log(pi).sum()
    assert after.log_likelihood_curve_[0] == pytest.approx(np.log(total) + prior, rel=1e-12)
    np.testing.assert_allclose(model.transform(X), joint / total, rtol=1e-12)


@pytest.mark.parametrize("eta", [0, 0.1])
@pytest.mark.parametrize("alpha", [0, 1.0])
def test_objective_never_falls(eta, alpha):
    for seed in range(3):
        model = MixtureOfUnigrams(5, eta=eta, alpha=alpha, tol=0, max_iter=40, random_state=seed)
        curve = model.fit(corpus(K=8)).log_likelihood_curve_
        assert len(curve) > 3
        assert (np.diff(curve) >= -1e-9 * abs(curve[-1])).all()


def test_separated_topics_are_recovered():
    X, labels = separated()
    model = MixtureOfUnigrams(4, random_state=0).fit(X)
    proportions = model.transform(X)
    assert (proportions.max(axis=1) > 0.999).all()
    winners = proportions.argmax(axis=1)
    assert len({*zip(labels.tolist(), winners.tolist(), strict=True)}) == 4
    for label in range(4):
        phi = model.components_[winners[label]]
        assert phi[label * 5 : label * 5 + 5].sum() > 0.99
    np.testing.assert_allclose(model.weights_, 0.25, atol=1e-6)


def test_empty_documents_do_not_move_the_weights():
    X = corpus()
    padded = sp.csr_array(sp.vstack([X, sp.csr_array((50, 30))], format="csr"))
    model, other = (MixtureOfUnigrams(3, random_state=0).fit(data) for data in (X, padded))
    np.testing.assert_allclose(other.weights_, model.weights_, rtol=1e-9)
    np.testing.assert_allclose(other.components_, model.components_, rtol=1e-9)


def test_word_that_no_topic_knows_says_nothing_of_the_topic():
    X = np.array([[3, 1, 0], [1, 3, 0.0]])
    model = MixtureOfUnigrams(2, eta=0, alpha=0, max_iter=1, tol=0, random_state=0).fit(X)
    np.testing.assert_allclose(model.transform([[2, 0, 7.0]]), model.transform([[2, 0, 0.0]]), rtol=1e-12)
    assert model.perplexity([[0, 0, 4.0]]) == np.inf


def test_document_that_no_topic_can_produce():
    X, _ = separated(K=2)
    model = MixtureOfUnigrams(2, eta=0, alpha=0, random_state=0).fit(X)
    torn = np.r_[np.full(5, 1.0), np.full(5, 3.0)][None]
    assert model.transform(torn).argmax() == model.transform(X[[1]]).argmax()


def test_topic_without_documents_stays_as_it_was():
    """Maximum likelihood divides nothing by 0."""
    X = corpus(V=8)
    model = MixtureOfUnigrams(3, eta=0, alpha=0, max_iter=1, tol=0, random_state=0).fit(X)
    model.weights_ = np.array([0.0, 1.0, 0.0])
    after = going_on(X, model, max_iter=1)
    np.testing.assert_allclose(after.components_[::2], model.components_[::2], rtol=1e-15)
    np.testing.assert_allclose(after.components_[1], X.sum(axis=0) / X.sum(), rtol=1e-12)
    assert after.weights_.tolist() == [0, 1, 0]


def test_first_partial_fit_is_an_iteration_of_fit():
    X = corpus()
    batch = MixtureOfUnigrams(3, random_state=0).partial_fit(X)
    whole = MixtureOfUnigrams(3, max_iter=1, tol=0, random_state=0)
    np.testing.assert_allclose(batch.components_, whole.fit(X).components_, rtol=1e-12)


def test_partial_fit_is_the_stepwise_rule():
    X = corpus(n=24, V=8)
    model = MixtureOfUnigrams(3, eta=0.3, alpha=0.7, offset=2.0, decay=0.6, random_state=0).partial_fit(X[:16])
    before = pickle.loads(pickle.dumps(model))
    r = before.transform(X[16:])
    rho = (2.0 + 1) ** -0.6
    S = (1 - rho) * before.topic_counts_ + rho * r.T @ X[16:].toarray() / 8
    model.partial_fit(X[16:])
    np.testing.assert_allclose(model.topic_counts_, S, rtol=1e-10)
    expected = (24 * S + 0.3) / (24 * S + 0.3).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.components_, expected, rtol=1e-10)
    assert model.n_documents_seen_ == 24
    assert model.n_iter_ == model.n_batch_iter_ == 2


def test_online_batches_learn():
    X, labels = separated(n=400)
    model = MixtureOfUnigrams(4, random_state=0)
    for _ in range(3):
        for start in range(0, 400, 50):
            model.partial_fit(X[start : start + 50])
    winners = model.transform(X).argmax(axis=1)
    assert len({*zip(labels.tolist(), winners.tolist(), strict=True)}) == 4


def test_first_topics_come_from_distinct_documents():
    """Documents that repeat count once, wherever the chunks are cut."""
    X = sp.csr_array(np.repeat(np.eye(5), 700, axis=0))
    model = MixtureOfUnigrams(5, random_state=0, max_iter=5).fit(X)
    assert sorted(model.components_.argmax(axis=1).tolist()) == [0, 1, 2, 3, 4]


def test_document_uniforms_tell_documents_apart_by_contents():
    X = corpus(n=200)
    u = document_uniforms(X, 3)
    assert ((u > 0) & (u < 1)).all()
    assert len(np.unique(u)) == len(np.unique(X.toarray(), axis=0))
    np.testing.assert_array_equal(document_uniforms(sp.csr_array(X[::-1]), 3), u[::-1])
    assert not np.isin(document_uniforms(X, 4), u).any()
    np.testing.assert_array_equal(document_uniforms(X.astype(np.float32), 3), u)


def test_sample_has_one_topic_a_document():
    X, _ = separated()
    drawn = MixtureOfUnigrams(4, eta=1e-6, random_state=0).fit(X).sample(60, length=50, random_state=0)
    blocks = drawn.toarray().reshape(60, 4, 5).sum(axis=2)
    assert (blocks.max(axis=1) == 50).all()
    np.testing.assert_allclose((blocks > 0).mean(axis=0), 0.25, atol=0.15)


# What the three models of counts share.


def each(test):
    return pytest.mark.parametrize("model", [clone(m) for m in MODELS], ids=lambda m: type(m).__name__)(test)


def components(model, data):
    return clone(model).fit(data).components_


@each
def test_one_and_two_threads_give_the_same_bits(model):
    X = corpus(n=2500, dtype=np.float32)
    one, two = (clone(model).set_params(n_jobs=n).fit(X) for n in (1, 2))
    np.testing.assert_array_equal(one.components_, two.components_)
    np.testing.assert_array_equal(one.transform(X), two.transform(X))
    assert one.perplexity(X) == two.perplexity(X)


@pytest.mark.parametrize("model", MODELS[:2], ids=lambda m: type(m).__name__)
def test_stream_gives_what_the_array_gives(model):
    X = corpus(n=300)
    expected = components(model, X)
    streamed = clone(model).fit(lambda: iter([X[:7], X[7:250].toarray(), X[250:]]))
    np.testing.assert_allclose(streamed.components_, expected, rtol=1e-9)
    assert sum(len(part) for part in streamed.transform(lambda: iter([X[:7], X[7:9]]))) == 9


@pytest.mark.parametrize("model", MODELS, ids=lambda m: type(m).__name__)
def test_dask_bag_of_chunks_trains(model):
    bag = pytest.importorskip("dask.bag")
    X = corpus(n=90)
    trained = clone(model).fit(bag.from_sequence([X[:50], X[50:]], npartitions=2))
    streamed = components(model, lambda: iter([X[:50], X[50:]]))
    np.testing.assert_allclose(trained.components_, streamed, rtol=1e-9)
    assert trained.n_documents_seen_ == 90


@pytest.mark.parametrize("model", MODELS[1:], ids=lambda m: type(m).__name__)
def test_one_shot_iterator_is_refused(model):
    with pytest.raises(ValueError, match="an iterator can be walked only once"):
        clone(model).fit(iter([corpus()]))


@each
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype(model, dtype):
    X = corpus(dtype=dtype)
    model = clone(model).fit(X)
    assert model.components_.dtype == model.transform(X).dtype == dtype
    assert clone(model).fit(X.astype(np.int64)).components_.dtype == np.float32
    np.testing.assert_allclose(model.components_.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(model.transform(X).sum(axis=1), 1, rtol=1e-5)


@each
def test_nan_is_refused(model):
    with pytest.raises(ValueError, match="contains NaN"):
        clone(model).fit([[1.0, np.nan]])


@each
def test_negative_counts_are_refused(model):
    with pytest.raises(ValueError, match=f"Negative values in data passed to {type(model).__name__}: -2"):
        clone(model).fit([[1.0, 2], [-2, 1]])


@each
def test_empty_corpus_is_refused(model):
    for fit in (clone(model).fit, clone(model).partial_fit):
        with pytest.raises(ValueError, match="the corpus holds no words: all 3 documents are empty"):
            fit(np.zeros((3, 4)))


@each
def test_empty_documents_are_kept_and_uniform(model):
    X = np.array([[0, 0, 0], [2, 1, 0], [0, 0, 3], [0, 0, 0.0]])
    proportions = clone(model).fit(X).transform(X)
    assert proportions.shape[0] == 4
    np.testing.assert_allclose(proportions[[0, 3]], 1 / proportions.shape[1])


@each
def test_batch_of_empty_documents(model):
    model = clone(model).partial_fit(corpus())
    model.partial_fit(np.zeros((5, 30)))
    assert model.n_documents_seen_ == 65
    assert model.mean_length_ == pytest.approx(20 * 60 / 65)
    np.testing.assert_allclose(model.components_.sum(axis=1), 1)
    model.transform(corpus())


@pytest.mark.parametrize("model", MODELS[1:], ids=lambda m: type(m).__name__)
def test_words_first_met_later_are_learned_without_pseudo_counts(model):
    first, second = np.repeat([[4, 4, 1, 1, 0, 0], [1, 1, 4, 4, 0, 0]], 6, axis=0), np.zeros((12, 6))
    second[:6, [0, 4]], second[6:, [2, 5]] = 5, 5
    model = clone(model).set_params(n_components=2, eta=0, tol=0, max_iter=30).fit(first)
    batches, warm = pickle.loads(pickle.dumps(model)).partial_fit(second), model.set_params(warm_start=True).fit(second)
    assert (batches.components_[:, 4:].sum(axis=0) > 0.01).all()
    np.testing.assert_allclose(np.sort(warm.components_[:, [0, 4]], axis=0), [[0, 0], [0.5, 0.5]], atol=1e-6)
    curve = warm.log_likelihood_curve_
    assert np.isfinite(curve).all()
    assert (np.diff(curve) >= -1e-9 * abs(curve[-1])).all()


@each
def test_one_document(model):
    model = clone(model).fit([[4, 2, 0, 1.0]])
    np.testing.assert_allclose(model.transform([[4, 2, 0, 1.0]]).sum(), 1)
    assert np.isfinite(model.perplexity([[4, 2, 0, 1.0]]))


@each
def test_more_topics_than_documents(model):
    if "n_components" in model.get_params():
        model = clone(model).set_params(n_components=12)
    X = np.array([[4, 2, 0, 1], [0, 1, 5, 0], [2, 2, 2, 2.0]])
    model = clone(model).fit(X)
    np.testing.assert_allclose(model.components_.sum(axis=1), 1)
    np.testing.assert_allclose(model.transform(X).sum(axis=1), 1)


@each
def test_one_repeated_word(model):
    model = clone(model).fit([[9, 0, 0], [9, 0, 0.0]])
    assert model.components_[:, 0].min() > 0.5
    assert np.isfinite(model.transform([[500, 0, 0], [0, 1, 0.0]])).all()


@each
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_document_of_a_hundred_thousand_words(model, dtype):
    rng = np.random.default_rng(0)
    X = corpus(dtype=dtype)
    long = rng.multinomial(100_000, np.asarray(X.sum(axis=0) / X.sum())).astype(dtype)[None]
    model = clone(model).fit(sp.csr_array(sp.vstack([X, sp.csr_array(long)], format="csr")))
    proportions = model.transform(long)
    assert np.isfinite(model.components_).all()
    np.testing.assert_allclose(proportions.sum(), 1, rtol=1e-5)
    assert 1 < model.perplexity(long) < 31


@pytest.mark.parametrize("model", MODELS[::2], ids=lambda m: type(m).__name__)
def test_fractional_counts_weigh(model):
    """Half of every count, with half the pseudo-counts, is the same model."""
    whole = clone(model).set_params(eta=0.4).fit(corpus())
    half = clone(model).set_params(eta=0.2).fit(corpus() * 0.5)
    np.testing.assert_allclose(half.components_, whole.components_, rtol=1e-8)


@each
def test_vocabulary_mismatch(model):
    model = clone(model).fit(corpus())
    for method in (model.transform, model.perplexity, model.partial_fit):
        with pytest.raises(ValueError, match=r"X has 29 features(.|\n)*Count the terms with the vectorizer"):
            method(np.ones((2, 29)))


@each
def test_input_is_not_changed(model):
    X = corpus()
    before = X.copy()
    model = clone(model).fit(X)
    model.partial_fit(X)
    model.transform(X)
    model.perplexity(X)
    assert (before != X).nnz == 0


@each
def test_clone_and_pickle(model):
    X = corpus()
    model = clone(model).fit(X)
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(loaded.transform(X), model.transform(X))
    np.testing.assert_array_equal(clone(model).fit(X).components_, model.components_)


@pytest.mark.parametrize("model", MODELS[1:], ids=lambda m: type(m).__name__)
def test_fit_interrupted_in_its_first_iteration_leaves_the_model_as_it_was(model):
    X = corpus()
    model = clone(model).fit(X)
    before = pickle.dumps(model)
    walks = 0

    def stream():
        nonlocal walks
        walks += 1
        yield X[:10]
        if walks > (2 if isinstance(model, PLSA) else 3):
            raise KeyboardInterrupt
        yield X[10:]

    for learn in (model.fit, model.partial_fit):
        walks = 3 if learn == model.partial_fit else 0
        with pytest.raises(KeyboardInterrupt):
            learn(stream)
        assert pickle.dumps(model) == before


@pytest.mark.parametrize("model", MODELS[1:], ids=lambda m: type(m).__name__)
def test_warm_start_goes_on(model):
    X = corpus(K=6)
    first = clone(model).set_params(max_iter=3, tol=0, warm_start=True).fit(X)
    best = first.log_likelihood_curve_[-1]
    again = first.fit(X)
    assert again.log_likelihood_curve_[0] > best
    with pytest.raises(ValueError, match="n_components=4 was set after 3 topics were learned"):
        again.set_params(n_components=4).fit(X)
    with pytest.raises(ValueError, match="n_components=4 was set after 3 topics were learned"):
        again.partial_fit(X)


@pytest.mark.parametrize("model", MODELS[1:], ids=lambda m: type(m).__name__)
def test_early_stopping_keeps_the_best(model):
    X = corpus(n=120, K=6, length=20)
    model = clone(model).set_params(n_components=12, early_stopping=True, max_iter=200, tol=1e-3).fit(X)
    curve = model.perplexity_curve_
    assert len(curve) == model.n_iter_ < 200
    assert model.n_documents_seen_ == 108
    best = int(curve.argmin()) + 1
    assert best < model.n_iter_
    with pytest.warns(ConvergenceWarning, match="perplexity of the documents held out still fell"):
        shorter = clone(model).set_params(max_iter=best).fit(X)
    np.testing.assert_array_equal(model.components_, shorter.components_)
    model.set_params(early_stopping=False).fit(X)
    assert not hasattr(model, "perplexity_curve_")
    with pytest.raises(ValueError, match=r"hold.* documents of an array or a sparse matrix"):
        model.set_params(early_stopping=True).fit(lambda: iter([X]))


@pytest.mark.parametrize("model", MODELS[1:], ids=lambda m: type(m).__name__)
@pytest.mark.parametrize(
    ("parameter", "value"),
    [("n_components", 0), ("eta", -1), ("max_iter", 0), ("tol", -1), ("decay", 2), ("offset", 0), ("warm_start", 1)],
)
def test_bad_parameters(model, parameter, value):
    with pytest.raises(ValueError, match=f"{type(model).__name__}: {parameter}={value} is not valid"):
        clone(model).set_params(**{parameter: value}).fit(corpus())
