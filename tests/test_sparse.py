"""The gate of sparse matrices: sound ones come through, in any format; those whose structure lies are refused."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from featlearn import LDA, PLSA, ClusterClassifier, KMeansDictionary, MixtureOfUnigrams, UnigramModel, topic_coherence
from featlearn.sparse import sound_csr
from featlearn.text.counts import as_counts

TABLE = np.random.default_rng(0).poisson(0.7, (6, 4))
FORMATS = ("csr", "csc", "coo", "bsr", "lil", "dok", "dia")
MODELS = [LDA(2, method="vb", max_iter=2, tol=0), LDA(2, method="online", max_iter=2), LDA(2, max_iter=2)]
MODELS += [PLSA(2, max_iter=2, tol=0), MixtureOfUnigrams(2, max_iter=2, tol=0), UnigramModel()]


def names(model):
    return f"{type(model).__name__}-{getattr(model, 'method', '')}"


@st.composite
def entries(draw):
    """A shape, and entries of which some come twice."""
    n, m = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    places = draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, m - 1)), max_size=12))
    return (n, m), places, draw(st.sampled_from(["csr", "csc", "coo", "bsr", "lil", "dok", "dia"]))


@given(entries(), st.sampled_from(["u1", "i1", "i8", "?", "f4", "f8"]))
def test_every_format_comes_through_with_doubles_summed(case, dtype):
    shape, places, format_ = case
    expected = np.zeros(shape)
    for row, column in places:
        expected[row, column] += 1
    rows, columns = np.array(places, int).reshape(-1, 2).T
    X = sp.coo_array((np.ones(len(places), dtype), (rows, columns)), shape=shape)
    if format_ != "coo":  # SciPy sums doubles on the way, and those of ? are still 1
        X = X.astype(np.float64).asformat(format_).astype(dtype)
        expected = X.astype(np.float64).toarray()
    found = sound_csr("test", X)
    assert found.format == "csr"
    assert found.has_canonical_format
    assert found.dtype == (np.float32 if dtype == "f4" else np.float64)
    np.testing.assert_array_equal(found.toarray(), expected)
    np.testing.assert_array_equal(as_counts(X, "test").toarray(), expected)


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "?", "f2", "f4", "f8", "i8"])
@pytest.mark.parametrize("format_", ["csr", "csc", "coo", "bsr"])
def test_300_ones_are_300(dtype, format_):
    ones, first, second = np.ones(300, np.float32), np.zeros(300, int), np.ones(300, int)
    X = {
        "csr": lambda: sp.csr_array((ones, second, [0, 300, 300]), shape=(2, 3)),
        "csc": lambda: sp.csc_array((ones, first, [0, 0, 300, 300]), shape=(2, 3)),
        "coo": lambda: sp.coo_array((ones, (first, second)), shape=(2, 3)),
        "bsr": lambda: sp.bsr_array((ones.reshape(-1, 1, 1), second, [0, 300, 300]), shape=(2, 3)),
    }[format_]()
    X.data = X.data.astype(dtype)
    model = UnigramModel().fit(X)
    assert model.counts_.tolist() == [0, 300, 0]
    assert model.components_.dtype == (np.float64 if dtype == "f8" else np.float32)
    assert X.data.dtype == dtype
    assert len(X.data) == 300


def test_what_lies_behind_the_last_row_is_no_entry():
    X = sp.csr_array(TABLE.astype(float))
    X.data, X.indices = np.r_[X.data, 7.0, 7.0], np.r_[X.indices, 0, 99].astype(np.int32)
    assert UnigramModel().fit(X).counts_.tolist() == TABLE.sum(axis=0).tolist()


def test_a_flag_that_lies_is_not_believed():
    X = sp.csr_array((np.ones(3), [2, 0, 2], [0, 3]), shape=(1, 3))
    X.has_canonical_format = X.has_sorted_indices = True
    assert as_counts(X, "test").toarray().tolist() == [[1, 0, 2]]
    assert X.indices.tolist() == [2, 0, 2]


def damaged(name):
    """A sparse matrix of shape (6, 4) with one thing wrong."""
    X = sp.csr_matrix(TABLE.astype(float)).asformat(name.split()[0], copy=True)
    wrong = {
        "csr beyond": lambda: X.indices.__setitem__(3, 4),
        "csr far beyond": lambda: X.indices.__setitem__(3, 10**8),
        "csr negative": lambda: X.indices.__setitem__(3, -1),
        "csr starts late": lambda: X.indptr.__setitem__(0, 1),
        "csr falls": lambda: X.indptr.__setitem__(2, X.indptr[4] + 1),
        "csr ends late": lambda: X.indptr.__setitem__(-1, 10**6),
        "csr short indptr": lambda: setattr(X, "indptr", X.indptr[:-1]),
        "csr short values": lambda: setattr(X, "data", X.data[:-2]),
        "csr short indices": lambda: setattr(X, "indices", X.indices[:-2]),
        "csr fractions": lambda: setattr(X, "indices", X.indices + 0.5),
        "csr 2-D values": lambda: setattr(X, "data", np.ones((len(X.data), 2))),
        "csr objects": lambda: setattr(X, "data", X.data.astype(object)),
        "csc beyond": lambda: X.indices.__setitem__(0, 6),
        "csc negative": lambda: X.indices.__setitem__(0, -6),
        "csc falls": lambda: X.indptr.__setitem__(1, X.indptr[2] + 1),
        "coo row": lambda: X.row.__setitem__(0, 6),
        "coo column": lambda: X.col.__setitem__(0, -1),
        "coo short": lambda: setattr(X, "data", X.data[1:]),
        "bsr beyond": lambda: X.indices.__setitem__(0, 9),
        "bsr ends late": lambda: X.indptr.__setitem__(-1, 10**6),
        "lil beyond": lambda: X.rows[0].__setitem__(0, 4),
        "lil short": lambda: X.data[0].pop(),
        "lil long": lambda: X.data[0].extend([1.0] * 50),
        "lil words": lambda: X.rows[0].__setitem__(0, "tea"),
        "dok beyond": lambda: X._dict.__setitem__((6, 0), 1.0),
        "dok negative": lambda: X._dict.__setitem__((0, -1), 1.0),
        "dok triple": lambda: X._dict.__setitem__((0, 1, 1), 1.0),
        "dia short": lambda: setattr(X, "offsets", X.offsets[:-1]),
        "dia fractions": lambda: setattr(X, "offsets", X.offsets + 0.5),
    }
    if X.format == "coo":
        X.row, X.col = X.row.copy(), X.col.copy()
    wrong[name]()
    return X


DAMAGES = ["csr beyond", "csr far beyond", "csr negative", "csr starts late", "csr falls", "csr ends late"]
DAMAGES += ["csr short indptr", "csr short values", "csr short indices", "csr fractions", "csr 2-D values"]
DAMAGES += ["csr objects", "csc beyond", "csc negative", "csc falls", "coo row", "coo column", "coo short"]
DAMAGES += ["bsr beyond", "bsr ends late", "lil beyond", "lil short", "lil long", "lil words", "dok beyond"]
DAMAGES += ["dok negative", "dok triple", "dia short", "dia fractions"]


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_structure_is_refused_by_every_model_of_counts(name):
    fitted = UnigramModel().fit(TABLE)
    for take in (
        lambda X: LDA(2, method="vb").fit(X),
        lambda X: fitted.transform(X),
        lambda X: fitted.perplexity(X),
        lambda X: UnigramModel().fit(lambda: iter([TABLE, X])),
        lambda X: topic_coherence([[0, 1]], X),
        lambda X: as_counts(X, "x"),
        lambda X: KMeansDictionary(2).fit(X),
        lambda X: ClusterClassifier(2).fit(X, np.arange(6) % 2),
    ):
        with pytest.raises(ValueError, match=r"the sparse matrix .*is damaged|the sparse matrix .* holds values of"):
            take(damaged(name))


@pytest.mark.parametrize("model", MODELS, ids=names)
def test_ids_counted_from_1_are_named(model):
    ids = np.sort(np.random.default_rng(0).integers(1, 51, (200, 12)), axis=1)
    ids[3, -1] = 50
    X = sp.csr_matrix((np.ones(2400), ids.ravel(), np.arange(0, 2401, 12)), shape=(200, 50))
    row = (ids == 50).any(axis=1).argmax()
    cause = (
        rf"row {row} holds column 50, and 50 columns are counted from 0 to 49. They reach from 1 to 50, .* subtract 1"
    )
    fitted = type(model)().set_params(**model.get_params()).fit(np.ones((3, 50)))
    for call in (model.fit, fitted.transform, fitted.perplexity, fitted.score, fitted.partial_fit):
        with pytest.raises(ValueError, match=cause):
            call(X)
        with pytest.raises(ValueError, match=cause):
            call(sp.csr_array(X))
    X.indices -= 1
    assert type(model)().set_params(**model.get_params()).fit(X).components_.shape[1] == 50


def test_blocks_of_dask_are_checked():
    da = pytest.importorskip("dask.array", reason="pip install 'featlearn[dask]'")
    X = da.from_array(TABLE.astype(float), chunks=(3, 4)).map_blocks(_damage)
    with pytest.raises(ValueError, match=r"the sparse matrix a chunk .*is damaged: row 1 holds column 44"):
        UnigramModel().fit(X)


def _damage(block):
    block = sp.csr_matrix(block)
    if len(block.indices):
        block.indices[block.indptr[1]] = 44
    return block


# --- models whose arrays were set by hand --------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS, ids=names)
def test_a_model_whose_arrays_no_longer_fit_is_refused(model):
    def fitted():
        return type(model)().set_params(**model.get_params()).fit(TABLE)

    whole = fitted()
    for name in ("components_", "topic_counts_", "alpha_", "weights_", "counts_"):
        right = getattr(whole, name, None)
        if right is None:
            continue
        others = [right[..., :-1], right.astype(int), right.tolist(), right[None]]
        for wrong in others if name == "components_" or right.shape[0] == 1 else [*others, right[:-1]]:
            changed = fitted()
            setattr(changed, name, wrong)
            for call in (changed.transform, changed.perplexity, changed.partial_fit):
                with pytest.raises(
                    ValueError, match=rf"{type(model).__name__}: {name} is .* of shape .* Set what fits"
                ):
                    call(TABLE)
            with pytest.raises(ValueError, match=rf"{name} is"):
                changed.sample()
    del whole.n_features_in_
    with pytest.raises(ValueError, match="n_features_in_"):
        whole.transform(np.ones((2, 9)))
