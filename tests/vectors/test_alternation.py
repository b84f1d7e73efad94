"""What learners of atoms share: draws, revival, the gate and runs. Their fits are tested with the learners."""

import numpy as np
import pytest

from featlearn import KMeansDictionary
from featlearn.vectors.alternation import Run, check_goes_on, gated, given_atoms, revived, sample_of

X = np.random.default_rng(0).normal(size=(30, 4))


def test_a_sample_holds_distinct_rows_of_weight_and_worth():
    twice = np.vstack([X, X])
    weights = np.r_[np.zeros(5), np.ones(25), np.zeros(5), np.full(25, 2.0)]
    sample = sample_of(twice, weights, size=60, seed=3, worth=lambda rows: rows[:, 0] > 0)
    expected = X[5:][X[5:, 0] > 0]
    assert sorted(map(tuple, sample.rows)) == sorted(map(tuple, expected))
    np.testing.assert_array_equal(sample.masses, 3)
    whole, halves = (sample_of(part, size=7, seed=1).rows for part in (X, X[::-1])), sample_of(X[:9], size=7, seed=1)
    first, turned = whole
    np.testing.assert_array_equal(first, turned)
    np.testing.assert_array_equal((halves + sample_of(X[9:], size=7, seed=1)).rows, first)


def test_dead_atoms_take_the_rows_there_are():
    dead = np.array([True, False, True, False])
    atoms, lost = revived(X[:4], dead, lambda size: X[10 : 10 + size])
    assert lost.tolist() == [0, 2]
    np.testing.assert_array_equal(atoms, X[[10, 1, 11, 3]])
    atoms, lost = revived(X[:4], dead, lambda size: X[10:11])
    assert lost.tolist() == [0]
    np.testing.assert_array_equal(atoms, X[[10, 1, 2, 3]])
    assert revived(X[:4], ~dead & dead, None)[0] is not None


@pytest.mark.parametrize("passes", [1, 2])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "int32", "float64"])
def test_the_gate_tells_the_dtype_to_learn_in(dtype, passes):
    rows, wide = (10 * X).astype(dtype), np.dtype(np.float64 if dtype in ("int32", "float64") else np.float32)
    assert gated(KMeansDictionary(3), rows, reset=True, passes=passes)[2] == wide
    assert gated(KMeansDictionary(3), lambda: [rows], reset=True, passes=2)[2] == wide
    with pytest.raises(ValueError, match=r"n_samples=30 is fewer than n_components=31\. Pass at least 31"):
        gated(KMeansDictionary(31), rows, reset=True, passes=passes)


def test_given_atoms_and_atoms_to_go_on_from_are_checked():
    learner = KMeansDictionary(2, init=X[:3], random_state=0)
    learner.n_features_in_, learner.components_ = 4, X[:3]
    with pytest.raises(ValueError, match=r"KMeansDictionary: init has shape \(3, 4\); pass 2 rows of 4 features"):
        given_atoms(learner, np.float32)
    with pytest.raises(
        ValueError, match=r"n_components=2 was set after 3 atoms .* Pass n_components=3, or fit a clone"
    ):
        check_goes_on(learner)
    assert given_atoms(learner.set_params(n_components=3), np.float32).dtype == np.float32
    check_goes_on(learner)


@pytest.mark.parametrize(("settles", "ended", "n_iter"), [(3, "settled", 3), (9, "limit", 5), (None, "", 2)])
def test_a_run_keeps_state_and_curve_in_step(settles, ended, n_iter):
    run = Run(0)

    def update(state, curve):
        assert curve == [-i for i in range(state)]
        if settles is None and state == 2:
            raise KeyboardInterrupt
        return state + 1, -state, state + 1 == settles

    learner = KMeansDictionary(max_iter=5)
    if settles is None:
        with pytest.raises(KeyboardInterrupt):
            run.iterate(learner, update, "loss", dict)
    else:
        run.iterate(learner, update, "loss", dict)
    assert run.whole == (n_iter, [-i for i in range(n_iter)])
    assert (run.ended, run.finished()) == (ended, n_iter)
