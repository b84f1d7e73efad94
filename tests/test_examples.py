"""Every example of the gallery runs, prints and draws, without a network and with warnings as errors."""

import ast
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
# A line that each prints, by a word in it.
PRINTS = {
    "online_topics_stream": "three walks: perplexity",
    "out_of_core_dask": "Dask array",
    "plot_digits_pipeline": "200 K-means filters",
    "plot_grid_search": "best:",
    "plot_markovization_search": "best:",
    "plot_mnist_cifar_patches": "CIFAR-10:",
    "plot_learners_side_by_side": "Gaussian RBM",
    "plot_number_of_topics": "lowest perplexity at",
    "plot_parser_treebank": "and split symbols",
    "plot_own_pictures": "learned features:",
    "plot_photo_filters": "FastICA",
    "plot_rbm_digits": "BernoulliRBM",
    "plot_search_learners": "best learner:",
    "plot_sklearn_learners": "KernelPCA",
    "plot_topic_extraction": "most of it:",
    "plot_topics_as_features": "labels of a kind",
    "plot_toy_grammar": "5.292e-05",
}


def run(name, *arguments, **environment):
    """The example's output, run by itself."""
    environment = os.environ | {"MPLBACKEND": "Agg", "PYTHONWARNINGS": "error::UserWarning"} | environment
    path = EXAMPLES / f"{name}.py"
    done = subprocess.run(
        [sys.executable, path, *map(str, arguments)], capture_output=True, text=True, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
    return done.stdout


def test_every_example_is_run():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(PRINTS)


@pytest.mark.parametrize("name", PRINTS)
def test_every_example_has_a_title_and_cells(name):
    source = (EXAMPLES / f"{name}.py").read_text()
    title, line, _ = ast.get_docstring(ast.parse(source)).split("\n", 2)
    assert set(line) == {"="}
    assert len(line) >= len(title)
    assert source.count("\n# %%\n") >= 2


@pytest.mark.parametrize("name", [name for name in PRINTS if name.startswith("plot_")])
def test_pictures(name, tmp_path, require_dataset):
    pytest.importorskip("matplotlib", reason="pip install 'featlearn[plot]'")
    if "mnist" in name:
        require_dataset("mnist")
        require_dataset("cifar10")
    if "topic" in name:
        pytest.importorskip("gensim", reason="pip install 'featlearn[text]'")
    output = run(name, tmp_path / "picture.png")
    assert PRINTS[name] in output
    picture = (tmp_path / "picture.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 10_000


def test_online_topics():
    pytest.importorskip("gensim", reason="pip install 'featlearn[text]'")
    assert PRINTS["online_topics_stream"] in run("online_topics_stream")


def test_out_of_core():
    if find_spec("dask") is None:
        pytest.skip("pip install 'featlearn[dask]'")
    lines = run("out_of_core_dask").splitlines()
    rows = [line for line in lines if "largest difference" in line]
    assert len(rows) == 4
    assert all(float(line.split()[-1]) < 1e-3 for line in rows)
    assert "lazy codes: (60000, 50)" in lines[-1]


def test_without_data_the_example_says_how_to_get_them(tmp_path):
    pytest.importorskip("matplotlib", reason="pip install 'featlearn[plot]'")
    output = run("plot_mnist_cifar_patches", tmp_path / "picture.png", FEATLEARN_DATA=str(tmp_path))
    assert "fetch_mnist()" in output
    assert str(tmp_path) in output
    assert not (tmp_path / "picture.png").exists()
