"""The gates: parameters, rows, and a fit that fails leaves no trace."""

import numpy as np
import pytest
import scipy.sparse

import featlearn
from featlearn import ZCA, ClusterClassifier, ContrastNormalizer, KMeansDictionary, PCAWhitening, RandomPatches
from featlearn.fitting import guarded
from featlearn.validation import (
    RowGate,
    boolean,
    check_parameters,
    check_rows,
    either,
    has,
    instance,
    integer,
    one_of,
    optional,
    real,
)

X = np.random.default_rng(0).normal(size=(40, 4))
LEARNERS = [
    ContrastNormalizer(),
    KMeansDictionary(3, random_state=0),
    PCAWhitening(2),
    RandomPatches(3, random_state=0),
    ZCA(),
]
EACH = pytest.mark.parametrize("learner", LEARNERS, ids=lambda learner: type(learner).__name__)


# --- rules ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "good", "bad", "message"),
    [
        (integer(1, 3), [1, 3, np.int64(2)], [0, 4, 1.0, True, np.True_, "1", None, float("nan")], "an integer"),
        (integer(), [-5, 0], [0.5], "an integer"),
        (real(0, 1), [0, 1, 0.5, np.float32(0.25)], [-0.1, 1.1, True, "0", None, float("nan"), float("inf")], "number"),
        (real(above=0), [1e-300, 5], [0, -1], "a number greater than 0"),
        (boolean(), [True, False, np.True_], [0, 1, "yes", None], "True or False"),
        (one_of("a", "b", None), ["a", "b", None], ["c", 1, True], "one of 'a', 'b', None"),
        (one_of(1, 2), [1, 2], [True, 1.0, "1"], "one of 1, 2"),
        (optional(integer(1)), [None, 1], [0, "x"], "None or an integer of at least 1"),
        (either(one_of("auto"), integer(0)), ["auto", 3], ["x", -1], "one of 'auto' or an integer of at least 0"),
        (instance(np.ndarray, list), [[], np.ones(2)], [(), "x", None], "an instance of ndarray or list"),
        (has("fit", "transform"), [ZCA()], [ZCA, object(), None], "an object with `fit` and `transform`"),
    ],
)
def test_rules(rule, good, bad, message):
    assert [rule(value) for value in good] == [None] * len(good)
    for value in bad:
        assert rule(value) is not None, value
    assert message in " ".join(rule(value) for value in bad)


def test_one_of_is_not_confused_by_arrays():
    assert one_of("random", "normal")(np.ones((2, 2))) == "one of 'random', 'normal'"


def test_check_parameters_names_the_estimator_the_value_and_the_remedy():
    with pytest.raises(
        ValueError, match=r"^ZCA: eps=-2 is not valid; pass a number of at least 0 or one of 'auto', 'paper'\.$"
    ):
        check_parameters(ZCA(eps=-2))
    check_parameters(ZCA(eps=2))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_components": 0}, "n_components=0 is not valid; pass an integer of at least 1"),
        ({"n_components": 3.0}, "n_components=3.0 is not valid"),
        ({"assignment": "l2"}, "assignment='l2' is not valid; pass one of 'euclidean', 'spherical', 'cosine'"),
        ({"encode": "soft"}, "encode='soft' is not valid; pass one of 'triangle', 'hard', 'threshold', 'split', 'omp'"),
        ({"threshold": -0.1}, "threshold=-0.1 is not valid; pass a number of at least 0"),
        ({"max_iter": 0}, "max_iter=0 is not valid"),
        ({"tol": float("nan")}, "tol=nan is not valid; pass a finite number"),
        (
            {"init": "first"},
            "init='first' is not valid; pass one of 'auto', 'k-means.*', 'normal', 'random' or an instance",
        ),
        ({"n_init": 0}, "n_init=0 is not valid"),
        ({"damping": -1}, "damping=-1 is not valid"),
    ],
)
def test_each_parameter_of_kmeans_is_checked_when_fitted(parameters, message):
    learner = KMeansDictionary(**parameters)
    for fit in (learner.fit, learner.partial_fit):
        with pytest.raises(ValueError, match=f"KMeansDictionary: {message}"):
            fit(X)


# --- bad rows ------------------------------------------------------------------------------------------------------


@EACH
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused(learner, value):
    bad = X.copy()
    bad[7, 2] = value
    message = "NaN" if np.isnan(value) else "infinity"
    with pytest.raises(ValueError, match=message):
        learner.fit(bad)
    with pytest.raises(ValueError, match=message):
        learner.fit(lambda: [X, bad]).transform(bad)
    learner.fit(X)
    with pytest.raises(ValueError, match=message):
        learner.transform(bad)
    with pytest.raises(ValueError, match=f"{type(learner).__name__} contains {message}"):
        list(learner.transform(iter([X, bad])))


@EACH
def test_no_rows_are_refused(learner):
    with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\) \(shape=\(0, 4\)\)"):
        learner.fit(np.empty((0, 4)))
    with pytest.raises(ValueError, match="There is no data"):
        learner.fit(lambda: iter([]))
    with pytest.raises(ValueError, match=r"0 feature\(s\)"):
        learner.fit(np.empty((5, 0)))


@EACH
@pytest.mark.parametrize("shape", [(40,), (10, 2, 2)])
def test_arrays_of_another_rank_are_refused(learner, shape):
    bad = np.ones(shape)
    with pytest.raises(
        ValueError, match=r"Expected 2D array|takes rows \(n_samples, n_features\), but got an array of shape"
    ):
        learner.fit(bad)
    with pytest.raises(ValueError, match=r"takes rows \(n_samples, n_features\).*got shape"):
        learner.fit(lambda: [bad])


@EACH
def test_another_number_of_features_is_refused_with_both_numbers(learner):
    learner.fit(X)
    name = type(learner).__name__
    with pytest.raises(ValueError, match=f"X has 3 features, but {name} is expecting 4 features"):
        learner.transform(X[:, :3])
    with pytest.raises(ValueError, match=f"A chunk has 3 features, but {name} is expecting 4 features"):
        list(learner.transform(iter([X, X[:, :3]])))
    with pytest.raises(ValueError, match=r"A chunk has 3 features.*Give every chunk the same columns"):
        list(learner.fit(lambda: [X, X[:, :3]]).transform(lambda: [X[:, :3]]))


@pytest.mark.parametrize("format", ["csr_matrix", "csc_array"])
@pytest.mark.parametrize("learner", [ZCA(), PCAWhitening(2), featlearn.RICA(2), featlearn.SparseFiltering(2)], ids=repr)
def test_sparse_rows_raise_a_type_error_that_names_the_way_out(learner, format):
    sparse = getattr(scipy.sparse, format)(X)
    message = rf"{type(learner).__name__}: .* sparse matrix \({format[:3]}, shape \(40, 4\).*dense data.*\.toarray\(\)"
    for fit in (lambda: learner.fit(sparse), lambda: learner.fit(lambda: [sparse, sparse])):
        with pytest.raises(TypeError, match=message):
            fit()
    learner = ZCA().fit(X)
    for transform in (lambda: learner.transform(sparse), lambda: list(learner.transform(iter([X, sparse])))):
        with pytest.raises(TypeError, match=r"ZCA: .* is a sparse matrix.*\.toarray\(\)"):
            transform()


@pytest.mark.parametrize("format", ["csr_matrix", "csc_array", "coo_array", "lil_matrix"])
def test_sparse_rows_come_back_as_csr_for_a_learner_that_takes_them(format):
    sparse = getattr(scipy.sparse, format)(X.astype(np.float32))
    zca = ZCA()
    gated = check_rows(zca, sparse, reset=True, accept_sparse=True)
    assert (gated.format, gated.dtype, zca.n_features_in_) == ("csr", np.float32, 4)
    stream = check_rows(zca, lambda: [sparse, gated[:0]], reset=False, accept_sparse=True)
    assert [(chunk.format, chunk.shape) for chunk in stream()] == [("csr", (40, 4)), ("csr", (0, 4))]
    for bad, message in ((np.full((2, 4), np.nan), "NaN"), (X[:, :3], "3 features")):
        bad = getattr(scipy.sparse, format)(bad)
        with pytest.raises(ValueError, match=message):
            check_rows(zca, bad, reset=False, accept_sparse=True)
        with pytest.raises(ValueError, match=message):
            list(check_rows(zca, lambda bad=bad: [bad], reset=False, accept_sparse=True)())
    with pytest.raises(ValueError, match="squares of float32 numbers overflow"):
        check_rows(zca, sparse * 1e30, reset=False, accept_sparse=True)


@EACH
def test_text_and_complex_rows_are_refused(learner):
    with pytest.raises(ValueError, match="could not convert string to float"):
        learner.fit([["a", "b"], ["c", "d"]])
    with pytest.raises(ValueError, match="Complex data not supported"):
        learner.fit(X * 1j)


def test_more_atoms_than_samples_are_refused_with_both_numbers():
    message = "n_samples=40 is fewer than n_components=41. Pass at least 41 samples"
    for fit in (KMeansDictionary(41).fit, KMeansDictionary(41).partial_fit):
        with pytest.raises(ValueError, match=message):
            fit(X)
    with pytest.raises(ValueError, match=r"n_components=41 atoms were asked for.*only 40 distinct"):
        RandomPatches(41).fit(X)


def test_one_sample():
    with pytest.raises(ValueError, match="n_samples=1 is fewer than n_components=8"):
        KMeansDictionary().fit(X[:1])
    assert KMeansDictionary(1, random_state=0).fit(X[:1]).inertia_ == pytest.approx(0, abs=1e-12)
    with pytest.raises(ValueError, match="n_samples=1 has no covariance"):
        ZCA().fit(X[:1])
    np.testing.assert_array_equal(RandomPatches(1).fit(X[:1]).components_, X[:1])
    assert ContrastNormalizer().fit_transform(X[:1]).shape == (1, 4)


def test_first_atoms_of_another_shape_are_refused_with_both_shapes():
    with pytest.raises(ValueError, match=r"init has shape \(3, 5\); pass 3 rows of 4 features"):
        KMeansDictionary(3, init=np.ones((3, 5))).fit(X)
    with pytest.raises(ValueError, match=r"init has shape \(2, 4\); pass 3 rows of 4 features"):
        KMeansDictionary(3, init=np.ones((2, 4))).fit(X)
    with pytest.raises(ValueError, match="init contains NaN or infinity"):
        KMeansDictionary(3, init=np.full((3, 4), np.nan)).fit(X)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(39), r"\(39,\)"),
        (-np.ones(40), "[Nn]egative"),
        (np.full(40, np.nan), "NaN"),
        (np.zeros(40), "non-zero"),
    ],
)
def test_bad_weights_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        KMeansDictionary(3).fit(X, sample_weight=weights)


def test_bad_weights_of_streams_are_refused():
    for weights, message in (
        (np.ones(39), "parts of 40 and 39 rows; align them"),
        (-np.ones(40), "at least 0; those of a chunk lie between -1.0"),
        (np.full(40, np.nan), "finite"),
        (np.zeros(40), "no sample can be an atom: all have weight 0"),
    ):
        for init in ("normal", "random", "k-means++"):
            with pytest.raises(ValueError, match=message):
                KMeansDictionary(3, init=init).fit(lambda w=weights: [(X, w)])


def test_a_one_shot_iterator_is_refused_for_kmeans_with_the_remedy():
    chunks = iter([X])
    message = "KMeansDictionary walks over the data several times.*Pass a function that returns a fresh iterator"
    for fit in (KMeansDictionary(3).fit, KMeansDictionary(3).partial_fit):
        with pytest.raises(ValueError, match=message):
            fit(chunks)
    assert len(list(chunks)) == 1  # left alone
    KMeansDictionary(3).fit(lambda: iter([X]))
    ZCA().fit(iter([X]))  # one walk


@EACH
@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float16", "float32", "float64", ">f8"])
def test_read_only_memmaps_of_any_number_are_taken(learner, dtype, tmp_path):
    np.save(tmp_path / "X.npy", np.abs(40 * X).round().astype(dtype))
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    if isinstance(learner, ContrastNormalizer):  # whose eps="auto" takes uint8 for pixels of 0..255
        learner = ContrastNormalizer(eps=10)
    dense = np.array(mapped, np.float64 if dtype in ("int32", "float64", ">f8") else np.float32)
    expected = learner.fit(dense).transform(dense)
    result = learner.fit(mapped).transform(mapped)
    assert result.dtype == dense.dtype
    assert result.dtype.isnative
    np.testing.assert_allclose(result, expected, atol=1e-4)


def test_small_integers_and_memmaps_are_not_converted_as_a_whole(tmp_path):
    for dtype in ("uint8", "int16"):
        small = np.ones((5, 2), dtype)
        assert check_rows(ZCA(), small, reset=True).dtype == dtype
    np.save(tmp_path / "X.npy", np.ones((5, 2), "int32"))
    assert np.shares_memory(check_rows(ZCA(), m := np.load(tmp_path / "X.npy", mmap_mode="r"), reset=True), m)
    assert check_rows(ZCA(), np.ones((5, 2), "int32"), reset=True).dtype == np.float64


def test_the_names_of_columns_are_forgotten_when_a_stream_is_learned():
    pandas = pytest.importorskip("pandas", reason="pip install 'featlearn[test]'")
    zca = ZCA().fit(pandas.DataFrame(X, columns=list("abcd")))
    assert zca.feature_names_in_.tolist() == list("abcd")
    zca.fit(iter([X]))
    assert not hasattr(zca, "feature_names_in_")
    assert zca.n_features_in_ == 4


def test_dask_data_are_checked_as_arrays_are():
    dask = pytest.importorskip("dask", reason="pip install 'featlearn[dask]'")
    array = pytest.importorskip("dask.array", reason="pip install 'featlearn[dask]'")
    bag = pytest.importorskip("dask.bag", reason="pip install 'featlearn[dask]'")
    bad = X.copy()
    bad[7, 2] = np.nan
    zca = ZCA().fit(X)
    with dask.config.set(scheduler="threads"):
        for data in (array.from_array(bad, chunks=(10, 2)), bag.from_sequence(list(bad), npartitions=3)):
            with pytest.raises(ValueError, match="a chunk given to ZCA contains NaN"):
                ZCA().fit(data)
        with pytest.raises(ValueError, match=r"chunk must have 2 dimensions; got shape \(40,\)"):
            ZCA().fit(array.from_array(X[:, 0]))
        with pytest.raises(ValueError, match="A chunk has 3 features, but ZCA is expecting 4"):
            zca.transform(array.from_array(X[:, :3]))
        with pytest.raises(ValueError, match=r"at least 0; those of a chunk lie between -1.0"):
            KMeansDictionary(3).fit(array.from_array(X), sample_weight=-np.ones(40))


def test_row_gate_lets_good_chunks_pass_untouched():
    gate = RowGate(4, "ZCA")
    assert gate(X) is X
    assert gate(X[:0]).shape == (0, 4)
    with pytest.raises(ValueError, match="a chunk given to ZCA contains NaN"):
        gate(np.full((2, 4), np.nan))


# --- a fit that fails ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_unchanged_on_failure(error):
    class Learner:
        def __init__(self):
            self.kept = 1

        @guarded
        def fit(self, fail):
            self.kept, self.new_, self.seen_callback = 2, 3, 4
            if fail:
                raise error
            return self

    learner = Learner()
    with pytest.raises(error):
        learner.fit(True)
    assert vars(learner) == {"kept": 1, "seen_callback": 4}
    assert learner.fit(False) is learner
    assert learner.new_ == 3


@EACH
def test_a_failed_fit_leaves_a_fitted_learner_as_it_was(learner):
    learner.fit(X)
    before = vars(learner).copy()
    for bad in (np.full((5, 3), np.nan), lambda: [np.ones((5, 7)), np.full((5, 7), np.nan)]):
        # ContrastNormalizer learns nothing, so it looks at the first chunk of a stream only
        if isinstance(learner, ContrastNormalizer) and callable(bad):
            continue
        with pytest.raises(ValueError, match="NaN"):
            learner.fit(bad)
        assert vars(learner) == before


def test_a_failed_classifier_is_not_half_fitted():
    model = ClusterClassifier(3, max_iter=0)
    attributes = set(vars(model))
    with pytest.raises(ValueError, match="max_iter=0 is not valid"):
        model.fit(X, np.arange(40) % 2)
    assert set(vars(model)) == attributes


@pytest.mark.parametrize("learner", [featlearn.ZCA(), featlearn.RICA(2), featlearn.SparseFiltering(2)], ids=repr)
def test_weights_in_a_stream_are_refused_by_learners_that_take_none(learner):
    X = np.random.default_rng(0).normal(size=(20, 3))
    with pytest.raises(ValueError, match="takes no sample weights, and a chunk came as a tuple of 2; yield the rows"):
        learner.fit(lambda: iter([(X, np.ones(20))]))


@pytest.mark.filterwarnings("ignore:invalid value encountered in reduce")  # of scikit-learn's own sum
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, "both", "large"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_quick_gate_passes_what_scikit_learn_would_and_nothing_else(bad, dtype):
    X = np.random.default_rng(0).normal(size=(30, 4)).astype(dtype)
    learner = featlearn.ZCA().fit(X)
    assert check_rows(learner, X, reset=False) is X
    Y = X.copy()
    if bad == "large":  # the sum overflows and every number is finite
        Y[:, 0] = np.finfo(dtype).max / 2
        assert check_rows(learner, Y, reset=False, squared=False) is Y
        return
    Y[3, 1], Y[4, 2] = (np.inf, -np.inf) if bad == "both" else (bad, 0)
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        check_rows(learner, Y, reset=False)
    with pytest.raises(ValueError, match="expecting 4 features"):
        check_rows(learner, X[:, :3], reset=False)
    with pytest.raises(ValueError, match="minimum of 31 is required"):
        check_rows(learner, X, reset=True, min_samples=31)


def test_chunks_of_objects_are_checked_as_numbers():
    rows = np.array([[1.0, np.inf], [2.0, 3.0]] * 5, dtype=object)
    with pytest.raises(ValueError, match=r"inf"):
        KMeansDictionary(2).fit(lambda: iter([rows]))
    KMeansDictionary(2, random_state=0).fit(lambda: iter([np.array([[1.0, 2.0], [3.0, 5.0]] * 5, dtype=object)]))
