"""RandomPatches: atoms are samples, whatever their order."""

import numpy as np
import pytest
import scipy.sparse as sp

import featlearn
from featlearn import RandomPatches


def data(n=400, dtype=np.float64):
    X = np.random.default_rng(0).normal(size=(n, 5)).astype(dtype)
    X[n // 2 :] = X[: n - n // 2]  # every sample twice
    return X


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_atoms_are_distinct_samples(dtype):
    X = data(dtype=dtype)
    atoms = RandomPatches(150, random_state=0).fit(X).components_
    assert atoms.dtype == dtype
    assert len(np.unique(atoms, axis=0)) == 150
    assert all((atom == X).all(axis=1).any() for atom in atoms)


@pytest.mark.parametrize("encode", ["threshold", "split", "omp"])
def test_atoms_for_inner_products_have_norm_1(encode):
    X = data()
    atoms = RandomPatches(20, encode=encode, random_state=0).fit(X).components_
    np.testing.assert_allclose(np.linalg.norm(atoms, axis=1), 1)
    plain = RandomPatches(20, random_state=0).fit(X).components_
    np.testing.assert_allclose(atoms, plain / np.linalg.norm(plain, axis=1, keepdims=True))


def test_order_chunks_and_streams_do_not_matter(monkeypatch):
    X = data()
    learner = RandomPatches(20, random_state=0)
    expected = learner.fit(X).components_
    order = np.random.default_rng(1).permutation(len(X))
    np.testing.assert_array_equal(learner.fit(X[order]).components_, expected)
    np.testing.assert_array_equal(learner.fit(iter([X[:7], X[7:]])).components_, expected)
    monkeypatch.setattr(featlearn.streaming, "CHUNK_BYTES", 1)
    np.testing.assert_array_equal(learner.fit(X).components_, expected)


def test_every_sample_is_as_likely_as_another():
    X = np.arange(10.0)[:, None]
    drawn = np.concatenate([RandomPatches(3, random_state=s).fit(X).components_.ravel() for s in range(2000)])
    np.testing.assert_allclose(np.bincount(drawn.astype(int), minlength=10) / 2000, 0.3, atol=0.04)


def test_binary_samples_in_float64_are_all_found():
    X = ((np.arange(8192)[:, None] >> np.arange(13)) & 1).astype(np.float64)
    atoms = RandomPatches(8192, random_state=0).fit(X).components_
    assert len(np.unique(atoms, axis=0)) == 8192


def test_more_atoms_than_distinct_samples_are_refused_with_the_numbers():
    with pytest.raises(ValueError, match=r"n_components=201 atoms.*only 200 distinct samples.*fewer components"):
        RandomPatches(201).fit(data())


def test_parameters_out_of_range_are_named():
    with pytest.raises(ValueError, match="RandomPatches: threshold=-1 is not valid"):
        RandomPatches(threshold=-1).fit(data())
    with pytest.raises(ValueError, match="encode='soft' is not valid; pass one of 'triangle', 'hard'"):
        RandomPatches(encode="soft").fit(data())


def test_sparse_rows_give_what_dense_rows_give():
    X = np.random.default_rng(0).poisson(0.4, (300, 20)).astype(np.float64)
    dense, sparse = RandomPatches(9, random_state=0).fit(X), RandomPatches(9, random_state=0).fit(sp.csc_array(X))
    np.testing.assert_array_equal(sparse.components_, dense.components_)
    np.testing.assert_array_equal(dense.transform(sp.csr_array(X)), dense.transform(X))
    parts = RandomPatches(9, random_state=0).fit(iter([sp.csr_array(X[:100]), sp.csr_array(X[100:])]))
    np.testing.assert_array_equal(parts.components_, dense.components_)
