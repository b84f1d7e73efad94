"""The unigram model against its closed form."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone

from featlearn.topics.unigram import UnigramModel

X = sp.csr_array(np.array([[2, 1, 0, 0], [0, 0, 0, 0], [1, 0, 2, 0]], np.float64))


def test_maximum_likelihood():
    model = UnigramModel(eta=0).fit(X)
    np.testing.assert_allclose(model.components_, [[3 / 6, 1 / 6, 2 / 6, 0]], rtol=1e-15)
    assert model.log_likelihood_ == pytest.approx(3 * np.log(3 / 6) + np.log(1 / 6) + 2 * np.log(2 / 6))
    assert model.mean_length_ == 2
    assert model.n_documents_seen_ == 3
    assert model.n_iter_ == 1


def test_smoothing():
    model = UnigramModel(eta=0.5).fit(X)
    np.testing.assert_allclose(model.components_, [[3.5 / 8, 1.5 / 8, 2.5 / 8, 0.5 / 8]], rtol=1e-15)


def test_transform_gives_ones():
    assert UnigramModel().fit(X).transform(X).tolist() == [[1], [1], [1]]


def test_perplexity_of_a_repeated_word_is_one_over_its_probability():
    model = UnigramModel(eta=0).fit(X)
    assert model.perplexity([[8, 0, 0, 0]]) == pytest.approx(2)
    assert model.perplexity([[0, 0, 5, 0], [0, 0, 0, 0]]) == pytest.approx(3)
    assert model.score([[0, 0, 5, 0]]) == pytest.approx(-np.log(3))


def test_perplexity_of_a_uniform_corpus_is_the_number_of_terms():
    assert UnigramModel(eta=0).fit(np.full((5, 7), 2)).perplexity(np.eye(7) * 3) == pytest.approx(7)


def test_unseen_word_makes_the_perplexity_infinite_without_smoothing():
    model = UnigramModel(eta=0).fit(X)
    assert model.perplexity([[0, 0, 0, 4]]) == np.inf
    assert model.score([[0, 0, 0, 4]]) == -np.inf
    assert np.isfinite(UnigramModel().fit(X).perplexity([[0, 0, 0, 4]]))


def test_batches_give_what_one_fit_gives():
    whole = UnigramModel().fit(X)
    model = UnigramModel()
    for start in range(3):
        if X[[start]].nnz or start:
            model.partial_fit(X[[start]])
    np.testing.assert_allclose(model.components_, whole.components_, rtol=1e-15)
    assert model.log_likelihood_ == pytest.approx(whole.log_likelihood_)
    assert model.mean_length_ == whole.mean_length_
    assert model.n_iter_ == 3


def test_an_iterator_is_walked_once():
    model = UnigramModel().fit(iter([X[:2], X[2:].toarray()]))
    np.testing.assert_allclose(model.components_, UnigramModel().fit(X).components_, rtol=1e-15)


def test_stream_of_empty_documents_is_refused():
    with pytest.raises(ValueError, match="UnigramModel: the corpus holds no words: all 4 documents are empty"):
        UnigramModel().fit(lambda: iter([np.zeros((2, 3)), np.zeros((2, 3))]))
    with pytest.raises(ValueError, match="UnigramModel: the corpus holds no words: all 2 documents are empty"):
        UnigramModel().partial_fit(np.zeros((2, 3)))


def test_dask_bag_and_array():
    bag = pytest.importorskip("dask.bag").from_sequence([X[:2], X[2:]], npartitions=2)
    array = pytest.importorskip("dask.array").from_array(X.toarray(), chunks=(2, 2))
    expected = UnigramModel().fit(X)
    for data in (bag, array):
        model = UnigramModel().fit(data)
        np.testing.assert_allclose(model.components_, expected.components_, rtol=1e-15)
        assert model.mean_length_ == expected.mean_length_


def test_sample_frequencies():
    model = UnigramModel(eta=0).fit(X)
    drawn = model.sample(50, length=400, random_state=0)
    assert drawn.sum(axis=1).tolist() == [400] * 50
    np.testing.assert_allclose(drawn.sum(axis=0) / 20_000, model.components_[0], atol=0.015)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype(dtype):
    model = UnigramModel().fit(X.astype(dtype))
    assert model.components_.dtype == model.transform(X.astype(dtype)).dtype == dtype


@pytest.mark.parametrize("eta", [-0.1, np.nan, "1"])
def test_bad_eta(eta):
    with pytest.raises(ValueError, match=r"UnigramModel: eta=.* is not valid"):
        UnigramModel(eta=eta).fit(X)


def test_failed_fit_leaves_the_model_as_it_was():
    model = UnigramModel().fit(X)
    before = pickle.dumps(model)

    def stream():
        yield X[:1]
        raise RuntimeError("gone")

    for learn in (model.fit, model.partial_fit):
        with pytest.raises(RuntimeError, match="gone"):
            learn(stream)
    assert pickle.dumps(model) == before


def test_clone_and_pickle():
    model = UnigramModel(eta=0.3).fit(X)
    assert clone(model).eta == 0.3
    assert not hasattr(clone(model), "components_")
    assert pickle.loads(pickle.dumps(model)).perplexity(X) == model.perplexity(X)
