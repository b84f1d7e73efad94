"""Every example of the gallery runs, prints and draws, without a network and with warnings as errors."""

import ast
import runpy
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
    "plot_network_depth": "best: ",
    "plot_network_pretrained": "pretrained start:",
    "plot_number_of_topics": "lowest perplexity at",
    "plot_parser_treebank": "and split symbols",
    "plot_own_pictures": "learned features:",
    "plot_photo_filters": "FastICA",
    "plot_rbm_digits": "BernoulliRBM",
    "plot_search_learners": "best learner:",
    "plot_sklearn_learners": "KernelPCA",
    "plot_space_warp": "spirals: 100.0 %",
    "plot_topic_extraction": "most of it:",
    "plot_topics_as_features": "labels of a kind",
    "plot_toy_grammar": "5.292e-05",
    "plot_unroll_and_finetune": "unrolled and tuned",
}


# Those that take several seconds: `make test-all` runs them.
SLOW = {
    "out_of_core_dask",
    "plot_grid_search",
    "plot_learners_side_by_side",
    "plot_markovization_search",
    "plot_network_depth",
    "plot_network_pretrained",
    "plot_number_of_topics",
    "plot_rbm_digits",
    "plot_search_learners",
    "plot_sklearn_learners",
    "plot_unroll_and_finetune",
}


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """A function that runs an example in this process, where everything is imported already, and gives its output."""
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.chdir(tmp_path)

    def run(name, *arguments):
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments)])
        capsys.readouterr()
        runpy.run_path(str(EXAMPLES / f"{name}.py"))
        return capsys.readouterr().out

    yield run
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


def test_every_example_is_run():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(PRINTS)


@pytest.mark.parametrize("name", PRINTS)
def test_every_example_has_a_title_and_cells(name):
    source = (EXAMPLES / f"{name}.py").read_text()
    title, line, _ = ast.get_docstring(ast.parse(source)).split("\n", 2)
    assert set(line) == {"="}
    assert len(line) >= len(title)
    assert source.count("\n# %%\n") >= 2


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in PRINTS if name.startswith("plot_")],
)
def test_pictures(name, run, tmp_path, require_dataset):
    pytest.importorskip("matplotlib", reason="pip install 'featlearn[plot]'")
    if "mnist" in name:
        require_dataset("mnist")
        require_dataset("cifar10")
    if "unroll" in name:
        pytest.importorskip("keras", reason="pip install 'featlearn[deep]'")
    if "topic" in name:
        pytest.importorskip("gensim", reason="pip install 'featlearn[text]'")
    output = run(name, tmp_path / "picture.png")
    assert PRINTS[name] in output
    picture = (tmp_path / "picture.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 10_000


def test_online_topics(run):
    pytest.importorskip("gensim", reason="pip install 'featlearn[text]'")
    assert PRINTS["online_topics_stream"] in run("online_topics_stream")


@pytest.mark.slow
def test_out_of_core(run):
    if find_spec("dask") is None:
        pytest.skip("pip install 'featlearn[dask]'")
    lines = run("out_of_core_dask").splitlines()
    rows = [line for line in lines if "largest difference" in line]
    assert len(rows) == 4
    assert all(float(line.split()[-1]) < 1e-3 for line in rows)
    assert "lazy codes: (60000, 50)" in lines[-1]


def test_without_data_the_example_says_how_to_get_them(run, tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib", reason="pip install 'featlearn[plot]'")
    monkeypatch.setenv("FEATLEARN_DATA", str(tmp_path))
    with pytest.raises(SystemExit, match="0"):
        run("plot_mnist_cifar_patches", tmp_path / "picture.png")
    output = capsys.readouterr().out
    assert "fetch_mnist()" in output
    assert str(tmp_path) in output
    assert not (tmp_path / "picture.png").exists()
