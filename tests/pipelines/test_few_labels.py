"""Few labels and distillation on MNIST: draws, shapes, and small runs on the digits that stand in."""

import numpy as np
import pytest

from featlearn import DenoisingAutoencoder, Dense, Pretrained
from pipelines import EXPERIMENTS
from pipelines.__main__ import main
from pipelines.experiment import Settings, Split
from pipelines.few_labels_mnist import drawn, pretrained, with_dropout
from pipelines.progress import Steps

SMOKE = Settings(smoke=True)


def test_draws_have_equal_shares_and_differ():
    y = np.repeat(np.arange(10), [30, 20, 25, 40, 30, 30, 30, 30, 30, 30])
    one, other = drawn(y, 100, 0), drawn(y, 100, 1)
    assert (np.bincount(y[one]) == 10).all()
    assert len(set(one)) == 100
    assert set(one) != set(other)
    assert (drawn(y, 100, 0) == one).all()


def test_both_nets_have_the_same_layers_and_learners_are_fitted_once():
    X = np.random.RandomState(0).rand(60, 16).astype(np.float32)
    plain, net = (EXPERIMENTS["few_labels_mnist"].build(v, SMOKE) for v in ("dense_none", "dense_pretrained"))
    y = np.arange(60) % 10
    split = Split(X, y, X, y)
    assert pretrained(plain, split, Steps()) is plain
    model = pretrained(net, split, Steps())
    assert all(isinstance(spec.learner, DenoisingAutoencoder) and spec.is_fitted() for spec in model.layers)
    shapes = [[layer.params["W"].shape for layer in n.fit(X, y).layers_] for n in (plain, model)]
    assert shapes[0] == shapes[1]
    assert [type(f.layer) for f in model.layers_] == [Dense] * 3
    kinds = [type(layer).__name__ for layer in with_dropout(model.layers, 0.4)]
    assert kinds == ["Dropout", "Pretrained", "Dropout", "Pretrained", "Dropout"]
    assert isinstance(model.layers[0], Pretrained)


@pytest.mark.parametrize("name", ["few_labels_mnist", "distillation_mnist"])
def test_small_run_on_digits(tmp_path, no_network, name):
    experiment = EXPERIMENTS[name]
    split = experiment.load(Settings(smoke=True, data_home=str(tmp_path / "empty")))
    assert isinstance(split, Split)
    assert split.stand_in
    assert main(["run", name, "--smoke", "--data", str(tmp_path / "empty"), "--out", str(tmp_path), "--quiet"]) == 0
    assert len(list(tmp_path.rglob("*.json"))) == len(experiment.default)
