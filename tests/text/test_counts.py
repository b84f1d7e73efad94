"""The gate of counts: what it admits, what it makes of it, and what it says of the rest."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

from featlearn import LDA, PLSA, MixtureOfUnigrams, UnigramModel
from featlearn.text.counts import as_counts, check_counts, log_probabilities, two_halves

X = np.array([[2, 0, 1], [0, 0, 0], [0, 3, 4]])


def gate(data, **kwargs):
    return check_counts(UnigramModel(), data, reset=True, **kwargs)


@pytest.mark.parametrize(
    "kind",
    [np.array, np.asfortranarray, list, sp.csr_array, sp.csr_matrix, sp.csc_array, sp.coo_matrix, sp.lil_array],
)
def test_every_kind_of_matrix_becomes_documents(kind):
    counts = gate(kind(X.tolist()) if kind is list else kind(X))
    assert isinstance(counts, sp.csr_array)
    assert counts.has_canonical_format
    assert counts.nnz == 4
    np.testing.assert_array_equal(counts.toarray(), X)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [(bool, "f4"), ("u1", "f4"), ("i2", "f4"), ("f2", "f4"), ("f4", "f4"), ("i8", "f4"), ("u8", "f4"), ("f8", "f8"),
     ("g", "f8"), (object, "f8")],
)  # fmt: skip
def test_types(dtype, expected):
    counts = gate(X.astype(dtype))
    assert counts.dtype == np.dtype(expected)
    np.testing.assert_array_equal(counts.toarray(), X.astype(dtype).astype(float))


def test_whole_numbers_stay_exact():
    assert gate(np.array([[2**24, 1]])).dtype == np.float32
    large = gate(np.array([[2**24 + 1, 1]]))
    assert large.dtype == np.float64
    assert large.toarray().tolist() == [[2**24 + 1, 1]]


def test_duplicates_are_summed_zeros_dropped_and_indices_sorted_in_a_copy():
    data, indices, indptr = np.array([1.0, 2, 0, 5]), np.array([2, 2, 0, 1]), np.array([0, 3, 4])
    given = sp.csr_array((data, indices, indptr), shape=(2, 3))
    counts = gate(given)
    assert counts.toarray().tolist() == [[0, 0, 3], [0, 5, 0]]
    assert counts.nnz == 2
    assert counts.has_canonical_format
    assert (given.data.tolist(), given.indices.tolist()) == ([1, 2, 0, 5], [2, 2, 0, 1])


def test_wide_indices():
    wide = sp.csr_array(X.astype(float))
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    np.testing.assert_array_equal(gate(wide).toarray(), X)
    whole, halved = (m.perplexity(X) for m in (UnigramModel().fit(wide), UnigramModel().fit(X.astype(float))))
    assert whole == halved


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([[1, np.nan]], "NaN"),
        ([[1, np.inf]], "infinity"),
        ([[0, 1], [3, -2.5]], r"Negative values in data passed to UnigramModel: -2.5 in document 1, term 1"),
        ([[0, 1], [1e13, 0]], r"UnigramModel counts words, up to 1\.1e\+12 .*; got 1e\+13 in document 1, term 0"),
        ([[0, 0], [0, 0]], r"the corpus holds no words: all 2 documents are empty.*min_df"),
        ([1, 2], "Expected 2D array"),
        (np.empty((0, 4)), r"0 sample\(s\)"),
        (np.empty((4, 0)), r"0 feature\(s\)"),
        ([["tea", "cup"]], r"got lists of words \(\['tea', '...'\]\)"),
        ([[1j, 2]], "Complex"),
    ],
)
@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
def test_bad_input(data, message):
    with pytest.raises(ValueError, match=message):
        gate(data)


def test_chunks_of_a_stream_are_checked_as_they_pass():
    def chunks(*parts):
        return check_counts(UnigramModel(), lambda: iter(parts), reset=True)()

    good = list(chunks(X, sp.coo_array(X), X[:0]))
    assert all(isinstance(part, sp.csr_array) for part in good)
    for bad, message in (
        (-X, "Negative values in data passed to UnigramModel: -4 in document 2, term 2"),
        (X[:, :2], "A chunk has 2 features, but UnigramModel is expecting 3"),
        (np.full((2, 3), np.nan), "a chunk given to UnigramModel contains NaN"),
    ):
        with pytest.raises(ValueError, match=message):
            list(chunks(X, bad))


def test_dask_arrays_of_dense_and_sparse_blocks():
    da = pytest.importorskip("dask.array")
    data = np.random.default_rng(0).poisson(1, (50, 8))
    expected = UnigramModel().fit(data)
    for columns in (8, 3):
        dense = da.from_array(data, chunks=(20, columns))
        for blocks in (dense, dense.map_blocks(sp.csr_matrix), dense.map_blocks(sp.csr_array)):
            found = UnigramModel().fit(blocks)
            np.testing.assert_array_equal(found.components_, expected.components_)
            assert found.transform(blocks).compute().shape == (50, 1)
            assert found.perplexity(blocks) == pytest.approx(expected.perplexity(data), rel=1e-12)


def test_halves_add_up():
    counts = as_counts(np.random.default_rng(0).poisson(1.3, (40, 20)) * 0.7, "test")
    first, second = two_halves(counts, 3)
    np.testing.assert_allclose((first + second).toarray(), counts.toarray(), rtol=1e-15)
    whole, other = two_halves(as_counts(np.ceil(counts.toarray()), "test"), 3)
    tokens = whole.sum(axis=1) + other.sum(axis=1)
    np.testing.assert_array_equal(whole.sum(axis=1), tokens // 2)


def test_log_probabilities():
    rng = np.random.default_rng(0)
    theta, phi = rng.dirichlet(np.ones(4), 3), rng.dirichlet(np.ones(3), 4)
    expected = (X * np.log(theta @ phi)).sum(axis=1)
    for components in (phi, np.asfortranarray(phi)):
        np.testing.assert_allclose(log_probabilities(as_counts(X.astype(float), "test"), theta, components), expected)


# --- what is given instead of counts -------------------------------------------------------------------------------

TEXTS = ["the cat sat", "a dog", "the cat and the dog"]
TOKENS = [text.split() for text in TEXTS]
BAGS = [[(0, 1), (2, 3)], [(1, 1)], [], [(0, 2), (1, 1)]]
ARRAYS = [np.array([[0, 1], [1, 2]]), np.array([[0, 3]])]
FRAME = {"text": TEXTS, "year": [1990, 1991, 1992]}


class Corpus:
    """A corpus as gensim has them: to be walked over, of known length, no list."""

    def __init__(self, bags):
        self.bags = bags

    def __iter__(self):
        return iter(self.bags)

    def __len__(self):
        return len(self.bags)


@pytest.mark.parametrize("model", [LDA(2), LDA(2, method="online"), PLSA(2), MixtureOfUnigrams(2), UnigramModel()])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (TEXTS, r"got texts \('the cat sat'\)\. Let CountVectorizer .* or TopicExtractor\("),
        (TEXTS[0], "got texts"),
        (np.array(TEXTS), "got texts"),
        (np.array(TEXTS, dtype=object), "got texts"),
        (pd.Series(TEXTS), "got texts"),
        (pd.DataFrame(FRAME), "got texts"),
        (TOKENS, r"got lists of words \(\['the', '...'\]\)\. Let CountVectorizer .*analyzer=list.* TopicExtractor"),
        (pd.Series(TOKENS), "got lists of words"),
        (BAGS, r"pairs \(term, count\), as gensim has them \(the first \(0, 1\)\)\. .*corpus2csc\(corpus, num_terms="),
        (BAGS[2:], r"pairs .* \(the first \(0, 2\)\)"),
        ([BAGS[0], BAGS[3]], "pairs"),
        (Corpus(BAGS), "pairs"),
        (lambda: iter(BAGS), "pairs"),
        (ARRAYS, r"arrays of pairs \(term, count\), .* \(the first of shape \(2, 2\)\)\. .*corpus2csc\("),
        ([ARRAYS[0], ARRAYS[0]], "arrays of pairs"),
        (pd.Series(ARRAYS), "arrays of pairs"),
        (lambda: iter([ARRAYS]), "arrays of pairs"),
        ([list(map(np.array, bag)) for bag in BAGS], r"pairs .* \(the first \[0, 1\]\)"),
        ([[1, 2], [3]], "rows of different lengths: 2 in document 0, 1 in document 1"),
        ([np.array([1, 2, 0]), np.array([3])], "rows of different lengths: 3 in document 0, 1 in document 1"),
        ([3, [1, 2]], "rows of different lengths"),
        (lambda: iter(TOKENS), "got texts"),
        (lambda: iter([TOKENS]), "got lists of words"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_texts_tokens_and_bags_of_words_are_named(model, given, message):
    fitted = clone(model).fit(X)
    for call in (clone(model).fit, fitted.transform, fitted.perplexity, fitted.partial_fit):
        if callable(given) and call.__name__ == "fit" and isinstance(model, LDA) and model.method == "gibbs":
            continue
        with pytest.raises(ValueError, match=rf"{type(model).__name__} takes counts, .*{message}"):
            next(call(given))  # the result of a stream is lazy


def test_the_cure_for_gensims_bags_of_words():
    matutils = pytest.importorskip("gensim.matutils", reason="pip install 'featlearn[text]'")
    counts = UnigramModel().fit(matutils.corpus2csc(BAGS, num_terms=3).T).counts_
    assert counts.tolist() == [3, 2, 3]


def test_one_document_of_pairs_in_a_stream_is_no_table_of_two_columns():
    with pytest.raises(ValueError, match="pairs"):
        UnigramModel().fit(iter([[(0, 1), (3, 2)], [(1, 1), (2, 1)]]))
    assert UnigramModel().fit(iter([[[0, 1], [3, 2]]])).counts_.tolist() == [3, 3]


@pytest.mark.parametrize("dtype", ["f8", "i1", "bool"])
def test_sparse_data_frames(dtype):
    if dtype == "bool" and pd.__version__ < "3":
        pytest.skip("scikit-learn makes such frames of pandas 2.2 dense and calls them sparse")
    table = (X > 0).astype(dtype)
    frame = pd.DataFrame.sparse.from_spmatrix(sp.csr_matrix(table))
    np.testing.assert_array_equal(gate(frame).toarray(), table)
    for fill in (np.nan, 1.0):
        with pytest.raises(ValueError, match=rf"sparse data frame whose columns leave out {fill}, not 0"):
            gate(pd.DataFrame(X.astype(float)).astype(pd.SparseDtype("float", fill)))


def test_masked_counts_are_refused():
    with pytest.raises(ValueError, match="X is a masked array with 2 masked values"):
        gate(np.ma.masked_array(X, X > 2))
    assert gate(np.ma.masked_array(X)).toarray().tolist() == X.tolist()


@pytest.mark.parametrize("model", [LDA(2, max_iter=5, tol=0), PLSA(2, max_iter=5, tol=0), UnigramModel()])
def test_tf_idf_in_place_of_counts_is_told(model):
    counts = CountVectorizer().fit_transform(TEXTS)
    with pytest.warns(UserWarning, match=rf"{type(model).__name__} counts words, and all .* as TfidfVectorizer"):
        model.fit(TfidfTransformer().fit_transform(counts))
    model.fit(counts)
    model.fit(TfidfTransformer(norm=None).fit_transform(counts))
    model.fit(counts > 0)
    model.fit(0.5 * counts)


@pytest.mark.parametrize("matrices", [[sp.csr_array((0, 3))], [sp.csr_array(np.ones((2, 3))), sp.csr_matrix((1, 3))]])
def test_a_list_of_sparse_matrices_is_named(matrices):
    with pytest.raises(ValueError, match=rf"got a list of {len(matrices)} sparse matrices. Stack them"):
        LDA(2).fit(matrices)
