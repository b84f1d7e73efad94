"""Dask collections as users have them: masked arrays of unknown chunk sizes, blocks and partitions without a row."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone

import featlearn as fl
from tests.fuzz.tables import COUNTS, PICTURES, ROWS

dask = pytest.importorskip("dask", reason="pip install 'featlearn[dask]'")
da = pytest.importorskip("dask.array", reason="pip install 'featlearn[dask]'")
db = pytest.importorskip("dask.bag", reason="pip install 'featlearn[dask]'")

RNG = np.random.default_rng(0)
TABLE, TEXTS = RNG.uniform(size=(60, 6)), ["The cat chased the dog.", "A dog, a cat!", "Stocks fell.", "Bonds, stocks!"]
BLOCK = np.repeat(np.arange(3), 20)  # which block of 20 a row is in
ALL_AT_ONCE = ("SlowFeatureAnalysis", "Auto", "RBM", "PredictiveSparse", "Deep")  # in memory only: they say so
# Learners that draw rows or sum them up: what they learn depends on the rows alone, not on how they are cut.
EXACT = ("KMeansDictionary", "GaussianMixtureEncoder", "ContrastNormalizer", "PCAWhitening", "ZCA", "RandomPatches")
EXACT += ("MixtureOfUnigrams", "UnigramModel")


@pytest.fixture(autouse=True)
def in_this_thread():
    with dask.config.set(scheduler="synchronous"):
        yield


def values_for(estimator, X=TABLE):
    return np.round(4 * X) if type(estimator).__name__ in COUNTS else X


def collections(X, n_blocks=3):
    """Dask arrays whose rows are those of X in the blocks named, and which rows these are."""
    size = len(X) // n_blocks
    array = da.from_array(X, chunks=(size, *X.shape[1:]))
    rows = np.arange(len(X)) // size
    for gone in range(n_blocks):
        yield f"block {gone} emptied by a mask", array[da.from_array(rows, chunks=size) != gone], rows != gone
    parts = [array[:0], array[:size], array[:0], array[size:], array[:0]]
    yield "known blocks without rows", da.concatenate(parts), rows >= 0
    yield "columns in blocks too", array.rechunk({1: 1})[da.from_array(rows, chunks=size) != 0], rows != 0


def all_empty(X):
    array = da.from_array(X, chunks=(len(X) // 3, *X.shape[1:]))
    return array[:0], array[da.from_array(np.arange(len(X)), chunks=len(X) // 3) < 0]


def ready(estimator):
    estimator = clone(estimator)
    return estimator.set_params(method="vb", tol=0) if isinstance(estimator, fl.LDA) else estimator


@pytest.mark.parametrize("estimator", ROWS, ids=lambda e: type(e).__name__)
@pytest.mark.filterwarnings("ignore")
def test_every_learner_of_rows_takes_emptied_blocks_and_unknown_sizes(estimator):
    X, who = values_for(estimator), type(estimator).__name__
    supervised = hasattr(estimator, "predict") and who != "KMeansDictionary"
    fitted = ready(estimator).fit(X, *((np.arange(60) % 3,) if supervised else ()))
    for what, D, kept in collections(X):
        for method in ("transform", "predict", "score", "perplexity"):
            if not hasattr(fitted, method) or who.startswith("LinearSVM") or (method == "score" and supervised):
                continue
            found, expected = getattr(fitted, method)(D), getattr(fitted, method)(X[kept])
            found = found.compute() if hasattr(found, "compute") else found
            assert np.shape(found) == np.shape(expected), what
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5, err_msg=what)
        if supervised:
            continue
        if any(s in who for s in ALL_AT_ONCE):
            with pytest.raises(ValueError, match=r"array or an np\.memmap"):
                ready(estimator).fit(D)
            continue
        learned = ready(estimator).fit(D)
        if who in EXACT:
            there, here = learned, ready(estimator).fit(X[kept])
            names = [n for n in ("components_", "mean_", "scale_", "floor_") if hasattr(here, n)]
            for name in names:
                np.testing.assert_allclose(getattr(there, name), getattr(here, name), rtol=1e-3, atol=1e-4)
    for D in all_empty(X):
        assert not hasattr(fitted, "transform") or fitted.transform(D).compute().shape[0] == 0
        if not supervised:
            with pytest.raises(ValueError, match=r"There is no data|array or an np\.memmap"):
                ready(estimator).fit(D)


@pytest.mark.parametrize("estimator", PICTURES, ids=lambda e: type(e).__name__)
@pytest.mark.filterwarnings("ignore")
def test_everything_of_images_takes_emptied_blocks_and_unknown_sizes(estimator):
    images = np.random.default_rng(0).uniform(0, 255, (12, 8, 8, 3))
    fitted = clone(estimator).fit(images)
    for what, D, kept in list(collections(images))[:-1]:
        found = fitted.transform(D).compute()
        np.testing.assert_allclose(found, fitted.transform(images[kept]), rtol=1e-4, atol=1e-4, err_msg=what)
        if not isinstance(estimator, (fl.Stage, fl.FisherVector)):
            clone(estimator).fit(D)
    for D in all_empty(images):
        assert fitted.transform(D).compute().shape[0] == 0


def test_weights_beside_a_masked_array():
    w = RNG.uniform(size=60)
    D, W, rows = (da.from_array(a, chunks=(20, *a.shape[1:])) for a in (TABLE, w, BLOCK))
    learner = fl.KMeansDictionary(3, random_state=0, max_iter=3)
    with pytest.warns(match="max_iter"):
        expected = clone(learner).fit(TABLE[BLOCK != 1], sample_weight=w[BLOCK != 1])
    with pytest.warns(match="max_iter"):
        found = clone(learner).fit(D[rows != 1], sample_weight=W[rows != 1])
    np.testing.assert_allclose(found.components_, expected.components_, rtol=1e-4)
    with pytest.raises(ValueError, match=r"unknown sizes .*compute_chunk_sizes\(\)"):
        learner.fit(D[rows != 1], sample_weight=w[BLOCK != 1])
    with pytest.raises(ValueError, match="Aligned arrays differ in length: 0 and 20 rows"):
        learner.fit(D[rows != 1], sample_weight=W)
    sized = D[rows != 1].compute_chunk_sizes()
    with pytest.warns(match="max_iter"):
        learner.fit(sized, sample_weight=w[BLOCK != 1])
    np.testing.assert_allclose(learner.components_, expected.components_, rtol=1e-4)


def bags(items, n=3):
    """Bags with a partition emptied: the first, one in the middle, the last; and what is left."""
    size = len(items) // n
    parts = [items[i * size : (i + 1) * size] for i in range(n)]
    for gone in range(n):
        left = [[] if i == gone else part for i, part in enumerate(parts)]
        yield db.from_delayed([dask.delayed(part) for part in left]), [item for part in left for item in part]
        marked = db.from_sequence(list(enumerate(items)), npartitions=n)
        there = marked.filter(lambda item, gone=gone: item[0] // size != gone)
        yield there.map(lambda item: item[1]), [item for part in left for item in part]


def test_bags_of_counts_with_emptied_partitions():
    X = np.round(4 * TABLE)
    for model in (fl.LDA(2, method="vb", max_iter=2, tol=0), fl.LDA(2, method="online", max_iter=2), fl.PLSA(2, tol=0),
                  fl.MixtureOfUnigrams(2, tol=0), fl.UnigramModel()):  # fmt: skip
        model.set_params(**{"random_state": 0, "max_iter": 2} if "max_iter" in model.get_params() else {})
        for bag, left in bags([sp.csr_array(X[[i]]) for i in range(60)]):
            expected = clone(model).fit(sp.vstack(left))
            found = clone(model).fit(bag)
            if not (isinstance(model, fl.LDA) and model.method == "online") and not isinstance(model, fl.PLSA):
                np.testing.assert_allclose(found.components_, expected.components_, rtol=1e-4)
            assert found.perplexity(bag) == pytest.approx(found.perplexity(sp.vstack(left)), rel=1e-5)
        for nothing in (bag.filter(lambda item: False), db.from_delayed([dask.delayed([])])):
            with pytest.raises(ValueError, match="There is no data: the Dask collection holds no rows"):
                clone(model).fit(nothing)


def test_bags_of_rows_with_emptied_partitions():
    learner = fl.KMeansDictionary(3, random_state=0, max_iter=2, tol=0)
    for bag, left in bags(list(TABLE)):
        expected = clone(learner).fit(np.array(left))
        np.testing.assert_allclose(clone(learner).fit(bag).components_, expected.components_, rtol=1e-4)
    hollow = db.from_delayed([dask.delayed([TABLE[:0]]), dask.delayed([TABLE[:30], TABLE[30:]])])
    np.testing.assert_allclose(clone(learner).fit(hollow).components_, clone(learner).fit(TABLE).components_, rtol=1e-4)
    with pytest.raises(ValueError, match="There is no data"):
        learner.fit(bag.filter(lambda item: False))


def test_texts_in_bags_with_emptied_partitions():
    texts = TEXTS * 6
    extractor = fl.TopicExtractor(fl.LDA(2, method="vb", max_iter=2, tol=0, random_state=0), min_df=1)
    fitted = clone(extractor).fit(texts)
    for bag, left in bags(texts):
        found, expected = clone(extractor).fit(bag), clone(extractor).fit(left)
        np.testing.assert_array_equal(found.terms_, expected.terms_)
        np.testing.assert_allclose(found.components_, expected.components_, rtol=1e-4)
        proportions = fitted.transform(bag).compute()
        assert [len(part) for part in proportions] == [len(list(part.compute())) for part in bag.to_delayed()]
        np.testing.assert_allclose(np.concatenate(proportions), fitted.transform(left), rtol=1e-5)
        assert fitted.perplexity(bag) == pytest.approx(fitted.perplexity(left), rel=1e-5)
        counts = sp.vstack(fitted.counts(bag).compute())
        np.testing.assert_array_equal(counts.toarray(), fitted.counts(left).toarray())
        tokens = fl.Tokenizer().fit(bag).transform(bag)
        assert tokens.compute() == fl.Tokenizer().transform(left)
        phrases = fl.Phrases(min_count=1).fit(tokens)
        assert phrases.transform(tokens).compute() == phrases.transform(tokens.compute())
    nothing = bag.filter(lambda text: False)
    assert np.concatenate(fitted.transform(nothing).compute()).shape == (0, 2)
    for take in (clone(extractor).fit, fitted.score, fitted.perplexity):
        with pytest.raises(ValueError, match="There is no data"):
            take(nothing)


def test_data_frames_are_their_arrays_and_delayed_objects_are_refused():
    with pytest.raises(ValueError, match=r"KMeansDictionary takes a Dask array, bag or data frame; got a Delayed"):
        fl.KMeansDictionary(2).fit(dask.delayed(TABLE))
    dd = pytest.importorskip("dask.dataframe", reason="needs pyarrow")
    import pandas as pd

    frame = dd.from_pandas(pd.DataFrame(TABLE), npartitions=3)
    learner = fl.KMeansDictionary(3, random_state=0, max_iter=2, tol=0)
    expected = clone(learner).fit(TABLE)
    for D in (frame, frame.values):
        np.testing.assert_allclose(clone(learner).fit(D).components_, expected.components_, rtol=1e-4)
        np.testing.assert_allclose(expected.transform(D).compute(), expected.transform(TABLE), rtol=1e-4)
    assert clone(learner).fit(frame[frame[0] > 0.5]).n_samples_seen_ == (TABLE[:, 0] > 0.5).sum()


@pytest.mark.parametrize("known", [True, False])
def test_accumulate_and_map_chunks_pass_over_blocks_without_rows(known):
    def never_empty(chunk):
        assert len(chunk)
        return chunk.sum(axis=0)

    for _, D, kept in collections(TABLE):
        np.testing.assert_allclose(fl.accumulate(never_empty, D), TABLE[kept].sum(axis=0))
        doubled = fl.map_chunks(lambda chunk: chunk[:, :2] * (2 if len(chunk) else None), D).compute()
        np.testing.assert_array_equal(doubled, 2 * TABLE[kept, :2])


def test_sparse_matrices_of_a_bag_are_checked_before_they_are_stacked():
    good = sp.csr_array(np.ones((4, 50)))
    bad = good.copy()
    bad.indptr = np.array([0, 50, 100, 150, 10**7], bad.indptr.dtype)
    far = sp.csr_array((np.ones(2), np.array([0, 2**40]), np.array([0, 2])), shape=(1, 50))
    for damaged in (bad, far):
        with pytest.raises(ValueError, match=r"damaged|reach|column"):
            fl.UnigramModel().fit(db.from_sequence([good, damaged], npartitions=1))
    ones = sp.coo_array((np.ones(300, np.uint8), (np.zeros(300, int),) * 2), shape=(2, 50))
    others = sp.csr_array(np.ones((2, 50), np.uint8))
    found = fl.UnigramModel().fit(db.from_sequence([ones, others], npartitions=1))
    assert found.counts_.sum() == 400
